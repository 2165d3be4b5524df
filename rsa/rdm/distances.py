"""Features to RDM: every metric, on numpy arrays and on torch tensors of any device."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import scipy.linalg.blas

from ..errors import RSAError, listing, near
from ..fields import columns_beside
from ..labels import as_matrix, beside, check_labels, named_rows, named_square, order_of, row_labels, row_names
from ..types import Array, Attr
from . import _kernels
from .crossnobis import crossnobis, crossvalidated_correlation, whiten
from .precision import noise_precision
from .rdm import RDM

if TYPE_CHECKING:
    import torch

Features: TypeAlias = "npt.ArrayLike | torch.Tensor"

FOLDED = ("crossnobis", "correlation-crossvalidated")
METRICS = ("correlation", "spearman", "cosine", "euclidean", "sqeuclidean", "mahalanobis", *FOLDED)
_EUCLIDEAN = ("euclidean", "sqeuclidean", "mahalanobis")  # the last after whitening
_NEEDS_VARIANCE = ("correlation", "spearman")
FEW = 5  # features; with fewer, correlations of unrelated rows are mostly near 1 or -1
_ALONE = 2**21  # numbers that one thread goes through faster than BLAS lets go of the other cores
_NEAR = {np.dtype(np.float32): 0.05, np.dtype(np.float64): 1e-4}  # share of the norms where Gram differences cancel


def compute_rdm(
    features: Features,
    *,
    metric: str = "correlation",
    labels: Iterable[object] | None = None,
    groups: Iterable[object] | None = None,
    folds: Iterable[object] | None = None,
    precision: npt.ArrayLike | str | None = None,
    missing: str = "raise",
    by: str = "stimulus",
    name: str = "",
    descriptors: Mapping[str, Sequence[Any] | Array] | None = None,
    attrs: Mapping[str, Attr] | None = None,
    overwrite: bool = False,
) -> RDM:
    """Dissimilarities between all pairs of rows (paper, eq. 1: `1 - corr(F_i, F_j)` by default).

    features: (n, f), numpy, torch, DataFrame or DataArray; float32 stays float32, half precision becomes float32, the
      rest float64. Masked and NA values are missing values. Sums are made in float64 (correlation, spearman, cosine) or
      from centred columns (euclidean).
    metric: "correlation" 1 - Pearson r; "spearman" 1 - Pearson r of each row's mid-ranks; "cosine";
      "euclidean"; "sqeuclidean"; "mahalanobis" (x_i - x_j)' P (x_i - x_j) / f, squared and per feature as in
      rsatoolbox; "crossnobis" its crossvalidated form over `folds` (Walther et al. 2016), unbiased, may be negative;
      "correlation-crossvalidated" 1 - the correlation without the noise, from products between `folds`.
    labels: n unique names of the rows. Those that come with the features (the index of a DataFrame, the coordinate of a
      DataArray) may be repeated here or, by a Series with them as its index, renamed, not contradicted; "0", "1", ...
      without either. Row numbers (0, 1, ... in order) are no names.
    groups: one per row: the RDM of the group means, in order of first appearance; labels are then the groups. Groups
      and folds with an index of their own (Series) go to the rows of these names, in whatever order.
    folds: one per row, for the crossvalidated metrics, with `groups` as the conditions; repeats may differ in number.
    precision: (f, f) noise precision P (mahalanobis; crossnobis takes the identity without one), or how to estimate it
      from what repeats of the `groups` differ by: "ledoit-wolf" or "diagonal", as in `noise_precision`.
    missing: "raise", or "pairwise": correlation over the features that both rows have.
    overwrite: the array of features may be used as working memory, which saves a copy of it.

    Raises RSAError naming the row without variance, with NaN or infinity; for fewer than 2 rows, repeated or missing
    labels, missing groups, an unknown metric, arguments that do not fit the metric, and correlations over fewer than 3
    features, which are 1 or -1 whatever these are; over fewer than 5 it warns.
    """
    if metric not in METRICS:
        raise RSAError(f"unknown metric {metric!r}{near(metric, METRICS)}")
    if missing not in ("raise", "pairwise"):
        raise RSAError(f"missing is 'raise' or 'pairwise', not {missing!r}")
    if missing == "pairwise" and (metric != "correlation" or groups is not None):
        raise RSAError("missing='pairwise' is for metric='correlation' without groups")
    if folds is None and metric in FOLDED:
        raise RSAError(f"metric={metric!r} needs folds=, the repeat that every row belongs to")
    if folds is not None and metric not in FOLDED:
        raise RSAError(f"folds go with {' and '.join(FOLDED)}, not with metric={metric!r}")
    if precision is not None and metric not in ("mahalanobis", "crossnobis"):
        raise RSAError(f"metric={metric!r} takes no precision; mahalanobis and crossnobis do")
    if precision is None and metric == "mahalanobis":
        raise RSAError("metric='mahalanobis' needs precision=, the (f, f) inverse of the noise covariance")
    x, own = named_rows(features, guess=labels is None and groups is None)
    rows = own or row_names(labels)
    x, own = _as_matrix(x), row_labels(own, labels)
    n = len(x)
    names: Sequence[str] = list(map(str, range(n))) if own is None else own
    if len(names) != n:
        raise RSAError(f"{n} rows of features but {len(names)} labels")
    if own is not None and (groups is None or labels is not None):
        check_labels(own)
    group_names = None if groups is None else beside(groups, own, "groups", rows)
    if group_names is not None and len(group_names) != n:
        raise RSAError(f"{n} rows of features but {len(group_names)} groups")
    by = "group" if group_names is not None and by == "stimulus" else by

    if isinstance(precision, str):
        if group_names is None:
            raise RSAError(f"precision={precision!r} is estimated from repeats; groups= says which rows are")
        _check_finite(x, names)
        precision = noise_precision(_numpy(x), group_names, precision)
    elif precision is not None:
        given, sides = named_square(precision, "precision")
        order = order_of(sides, row_names(features, 1), "precision")
        precision = given if order is None else given[np.ix_(order, order)]
    _check_width(x.shape[1], metric, f"{name}: " if name else "")
    if folds is not None:
        if group_names is None:
            raise RSAError(f"metric={metric!r} needs groups=, the condition of every row")
        _check_finite(x, names)
        turns = beside(folds, own, "folds", rows)
        if metric == "crossnobis":
            values, names = crossnobis(_numpy(x), group_names, turns, precision)
        else:
            values, names = crossvalidated_correlation(_numpy(x), group_names, turns)
    else:
        if group_names is not None:
            _check_finite(x, names)
            x, names = group_means(x, group_names)
        if len(names) < 2:
            raise RSAError(f"an RDM needs at least 2 {'groups' if group_names else 'rows'}, got {len(names)}")
        if metric == "mahalanobis":
            x = _numpy(x)
            dtype, x = x.dtype, whiten(x, precision)
        if missing == "pairwise":
            values = _pairwise_complete(_numpy(x), names)
        else:
            values = _dissimilarities(x, metric, names, overwrite)
        if metric == "mahalanobis":
            values = (values / x.shape[1]).astype(dtype)
    values.flags.writeable = False  # the RDM keeps it without a copy
    if groups is None and descriptors:
        descriptors = columns_beside(descriptors, names, f"RDM '{name}'" if name else "RDM", rows)
    return RDM(values, names, metric=metric, name=name, by=by, descriptors=descriptors, attrs=attrs)


def _check_width(f: int, metric: str, title: str) -> None:
    """Refuses correlations that no feature can change, and warns of those over few."""
    least = {"correlation": 3, "spearman": 3, "correlation-crossvalidated": 3, "cosine": 2}.get(metric, 1)
    if f < least:
        raise RSAError(
            f"{metric} over {f} feature(s) is 1 or -1 whatever they are; it needs at least {least}"
            " (metric='euclidean' takes any number)"
        )
    if least == 3:
        _say_few(f, f"{title}{metric} distances")


def _say_few(f: int, what: str) -> None:
    if f < FEW:
        warnings.warn(f"{what} are correlations over {f} features only: mostly chance", stacklevel=4)


def group_means(x: Any, groups: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    """Mean row of every group (in the type and on the device of `x`), and the groups in order of first appearance."""
    names, index = _encode(groups)
    counts = np.bincount(index)
    if isinstance(x, np.ndarray):
        sums = np.zeros((len(names), x.shape[1]))
        np.add.at(sums, index, x)
        return (sums / counts[:, None]).astype(x.dtype), names
    import torch

    place = torch.as_tensor(index, device=x.device)
    sums_ = torch.zeros(len(names), x.shape[1], dtype=x.dtype, device=x.device).index_add_(0, place, x)
    return sums_ / torch.as_tensor(counts, dtype=x.dtype, device=x.device)[:, None], names


def _encode(groups: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    names = tuple(dict.fromkeys(groups))
    place = {name: i for i, name in enumerate(names)}
    return names, np.fromiter((place[group] for group in groups), np.int64, len(groups))


def _as_matrix(features: Features) -> Any:
    """(n, f) float32 or float64: numpy for everything on the CPU, else the tensor where it is."""
    x: Any = features
    if hasattr(x, "detach"):
        import torch

        x = x.detach()
        if x.is_complex() or x.is_quantized:
            raise RSAError(f"features must be real numbers, got {x.dtype}")
        if x.layout != torch.strided:
            raise RSAError(f"features must be a plain tensor, got {x.layout}; .to_dense() makes one")
        if x.dtype not in (torch.float32, torch.float64):
            x = x.to(torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else torch.float64)
        if x.device.type == "cpu":
            x = x.resolve_neg().numpy()
    else:
        x = as_matrix(x)
    if x.ndim != 2 or x.shape[1] == 0:
        raise RSAError(f"features must have shape (n, f) with f > 0, got {tuple(x.shape)}")
    return np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x


def _numpy(x: Any) -> Array:
    return x if isinstance(x, np.ndarray) else cast(Array, x.cpu().numpy())


def _check_finite(x: Any, names: Sequence[str]) -> None:
    finite: Array = np.isfinite(x) if isinstance(x, np.ndarray) else x.isfinite().cpu().numpy()
    _fail("holds NaN or infinity", np.asarray(~finite.all(axis=1)), names)


def _fail(what: str, bad: Array, names: Sequence[str]) -> None:
    if bad.any():
        raise RSAError(f"{bad.sum()} of {len(names)} rows: {listing(np.asarray(names)[bad])} {what}")


def _dissimilarities(x: Any, metric: str, names: Sequence[str], overwrite: bool = False) -> Array:
    if not isinstance(x, np.ndarray) and metric != "spearman":
        return _torch_dissimilarities(x, metric, names)
    x, scale = _in_range(_numpy(x), metric)
    n = len(names)
    out = np.empty(n * (n - 1) // 2, x.dtype)
    if metric in _EUCLIDEAN:
        _check_finite(x, names)
        centred = x - x.mean(axis=0, dtype=np.float64).astype(x.dtype)  # else the Gram matrix is all mean
        _kernels.condense_sqeuclidean(_gram(centred), x, _NEAR[x.dtype], out)
        if metric == "euclidean":
            np.sqrt(out, out=out)
        if scale == 1:
            return out
        with np.errstate(over="ignore"):
            out *= x.dtype.type(scale)
            out *= x.dtype.type(1 if metric == "euclidean" else scale)
        if not math.isfinite(out.max()):
            raise RSAError(f"{metric} distances of features as large as these exceed {x.dtype}; divide the features")
        return out
    if metric == "spearman":
        _check_finite(x, names)
        ranks = np.empty_like(x)
        _kernels.rank_rows(x, ranks)
        x = ranks
    elif metric not in ("correlation", "cosine"):
        raise NotImplementedError(metric)
    state = np.empty(n, np.int8)
    z = x if x.flags.writeable and (overwrite or metric == "spearman") else np.empty_like(x)
    standardise = _kernels.standardise_rows_alone if x.size < _ALONE else _kernels.standardise_rows
    standardise(x, metric != "cosine", z, state)
    user = metric == "correlation" and not overwrite  # a network's features are overwritten, and none is missing
    hint = "; compute_rdm(..., missing='pairwise') skips missing values" if user else ""
    _fail(f"holds NaN or infinity{hint}", state == _kernels.NOT_FINITE, names)
    _fail_constant(state == _kernels.CONSTANT, metric, names)
    condense = _kernels.condense_similarity_alone if n * n < _ALONE else _kernels.condense_similarity
    condense(_gram(z), out)
    return out


def _in_range(x: Array, metric: str) -> tuple[Array, float]:
    """x / scale and the scale: a power of two other than 1 where squares of x would leave the range of its type."""
    if x.dtype == np.float32 and metric not in _EUCLIDEAN:
        return x, 1.0  # summed in float64
    peak, most = float(np.abs(x).max()), 1e15 if x.dtype == np.float32 else 1e100
    if not math.isfinite(peak) or peak == 0 or 1 / most < peak < most:
        return x, 1.0
    scale = 2.0 ** math.frexp(peak)[1]
    return (x.astype(np.float64) / scale).astype(x.dtype), scale


def _fail_constant(constant: npt.NDArray[np.bool_], metric: str, names: Sequence[str]) -> None:
    why = "has no variance over features" if metric in _NEEDS_VARIANCE else "is all zero"
    _fail(f"{why}, so its {metric} distance is undefined; leave it out", constant, names)


def _gram(z: Array) -> Array:
    """Z Z' (n, n), valid on and above the diagonal."""
    syrk: Callable[..., Array] = scipy.linalg.blas.ssyrk if z.dtype == np.float32 else scipy.linalg.blas.dsyrk
    return syrk(1.0, z.T, trans=1, lower=1).T


def _pairwise_complete(x: Array, names: Sequence[str]) -> Array:
    n = len(names)
    x = np.where(np.isfinite(x), x, np.nan).astype(x.dtype)
    out, shared = np.empty(n * (n - 1) // 2, x.dtype), np.empty(n - 1, np.int64)
    _kernels.correlation_pairwise_complete(x, out, shared)
    if np.isnan(out).any():
        i, j = (int(index[np.flatnonzero(np.isnan(out))[0]]) for index in np.triu_indices(n, 1))
        raise RSAError(f"rows {names[i]} and {names[j]} share fewer than 3 features that vary; leave one of them out")
    _say_few(int(shared.min()), "some pairs of rows")
    return out


def _torch_dissimilarities(x: "torch.Tensor", metric: str, names: Sequence[str]) -> Array:
    """The same steps on the tensor's own device; only the condensed vector comes back."""
    import torch

    _check_finite(x, names)
    above = torch.ones(len(x), len(x), dtype=torch.bool, device=x.device).triu(1)
    if metric in _EUCLIDEAN:
        distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")[above]
        return _numpy(distances if metric == "euclidean" else distances.square())
    if metric not in ("correlation", "cosine"):
        raise NotImplementedError(metric)
    if metric == "correlation":
        x = x - x.mean(dim=1, keepdim=True, dtype=torch.float64).to(x.dtype)
    norms = x.double().square().sum(dim=1, keepdim=True).sqrt()
    scale = x.abs().amax(dim=1) if metric == "cosine" else x.amax(dim=1) - x.amin(dim=1)
    _fail_constant((scale == 0).cpu().numpy(), metric, names)
    z = x / norms.to(x.dtype)
    return _numpy((1 - z @ z.T)[above].clamp_(0, 2))
