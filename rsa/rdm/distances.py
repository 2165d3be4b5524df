"""Features to RDM: every metric, on numpy arrays and on torch tensors of any device.

To add a metric: one entry in `_REGISTRY`, with a function from the features (n, f) to the condensed dissimilarities.
A loop over pairs belongs in `_kernels.py`, the formula and its source in the docstring of `compute_rdm`.
"""

import math
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import scipy.linalg.blas

from ..errors import RSAError, check_known, listing
from ..fields import columns_beside, plain_fields, write_fields
from ..io.mapped import blocks, forget
from ..io.storage import check_writable
from ..labels import Labels, as_matrix, beside, named_rows, named_square, order_of, row_labels, row_names, unique
from ..types import Array, Attr
from . import _kernels
from .crossnobis import crossnobis, crossvalidated_correlation, encoded, noise_precision, whiten
from .rdm import RDM
from .reduced import check_reduced, condensed_in_bfloat16
from .strips import STRIP, strips

if TYPE_CHECKING:
    import torch

FeaturesLike: TypeAlias = "npt.ArrayLike | torch.Tensor"

FEW = 5  # features; with fewer, correlations of unrelated rows are mostly near 1 or -1
_ALONE = 2**21  # numbers that one thread goes through faster than BLAS lets go of the other cores
_NEAR = {np.dtype(np.float32): 0.05, np.dtype(np.float64): 1e-4}  # share of the norms where Gram differences cancel


@dataclass(frozen=True)
class Metric:
    """How rows of features become dissimilarities.

    Attributes
    ----------
    name : str
    condensed : callable
        (x, names, metric, overwrite) to the condensed vector, x a numpy array (n, f), float32 or float64, that may be
        overwritten if so said; of a folded metric (x, groups, folds, precision) to that and the groups.
    on_device : callable, optional
        (x, names, metric) to the same from a torch tensor on its own device; without it the tensor comes to the CPU.
    least : int
        Features below which the dissimilarities are 1 or -1 whatever these are.
    centred, ranked, squared : bool
        Rows about their mean; ranks inside rows; squared distances.
    folded : bool
        Crossvalidated over folds.
    precision : bool
        Takes the precision of the noise.
    by_strips : bool
        Can be computed a strip of rows at a time, for RDMs that do not fit in memory.
    """

    name: str
    condensed: Callable[..., Any]
    on_device: Callable[..., Array] | None = None
    least: int = 1
    centred: bool = False
    ranked: bool = False
    squared: bool = False
    folded: bool = False
    precision: bool = False
    by_strips: bool = False


def compute_rdm(
    features: FeaturesLike,
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
    out: str | Path | None = None,
    reduced: bool = False,
) -> RDM:
    """Compute the dissimilarities between all pairs of rows.

    Parameters
    ----------
    features : array, tensor, DataFrame or DataArray (n, f)
        float32 stays float32, half precision becomes float32, everything else float64. Masked and NA values count as
        missing.
    metric : str
        "correlation" 1 - Pearson r (paper, eq. 1); "spearman" 1 - Pearson r of each row's mid-ranks; "cosine";
        "euclidean"; "sqeuclidean"; "mahalanobis" (x_i - x_j)' P (x_i - x_j) / f, squared and per feature as in
        rsatoolbox; "crossnobis" its crossvalidated form over `folds` (Walther et al. 2016), which is unbiased and may
        be negative; "correlation-crossvalidated" 1 - the correlation without the noise, from products between `folds`.
    labels : iterable, optional
        n unique names of the rows; "0", "1", ... by default. They may be the same as the names that come with the
        features (the index of a DataFrame, the coordinate of a DataArray), or a Series indexed by those, which renames
        the rows; any others are refused. Row numbers (0, 1, ... in order) do not count as names.
    groups : iterable, optional
        One per row. The RDM is then that of the group means, in order of first appearance, and its labels are the
        groups. Groups and folds with an index of their own (Series) are matched by it.
    folds : iterable, optional
        One per row, for the crossvalidated metrics, with `groups` as the conditions, which may differ in their number
        of repeats.
    precision : array (f, f) or str, optional
        Noise precision P (for mahalanobis, and for crossnobis, which takes the identity if none is given), or how to
        estimate it from the differences between repeats of the `groups`: "ledoit-wolf" or "diagonal", as in
        `noise_precision`.
    missing : str
        "raise", or "pairwise": correlation over the features that both rows have.
    by, name, descriptors, attrs
        Fields of the RDM.
    overwrite : bool
        Whether the array of features may be used as working memory, which saves a copy of it.
    out : str or Path, optional
        HDF5 file to compute a large RDM into, a strip of rows at a time: for "correlation" and "cosine", within 0.5 GB
        of memory on top of the features, which may themselves be mapped from a file. The file is written completely or
        not at all, and the RDM returned is what `RDM.load` reads from it.
    reduced : bool
        Multiply float32 features in bfloat16 (correlation, spearman, cosine), which is faster on CPUs that have
        instructions for it and slower on others. Each dissimilarity d is then off by up to ``.004 |1 - d| + .0005``,
        for a thousand features or more; an RDM of little variance suffers most.

    Raises
    ------
    RSAError
        For a row without variance, or with NaN or infinity, which the message names; for fewer than 2 rows, repeated or
        missing labels, missing groups, an unknown metric, arguments that do not fit the metric, correlations over fewer
        than 3 features, which are 1 or -1 whatever the features are, cosines over a single one, and a file that cannot
        be written.

    Warns
    -----
    UserWarning
        For correlations over fewer than 5 features.

    Notes
    -----
    Sums are computed in float64 (correlation, spearman, cosine) or from centred columns (euclidean).

    References
    ----------
    Bashivan, Tensen and DiCarlo (2019), ICCV, section 3.1; Walther et al. (2016), NeuroImage 137:188-200.

    Examples
    --------
    >>> from tgsage.rsa import compute_rdm
    >>> rdm = compute_rdm([[0, 1, 2, 3, 4], [0, 2, 1, 3, 4], [4, 3, 2, 1, 0]], labels=["cat", "dog", "car"])
    >>> rdm.square().round(2)
    array([[0. , 0.1, 2. ],
           [0.1, 0. , 1.9],
           [2. , 1.9, 0. ]])
    """
    how = metric_named(metric)
    _check_arguments(how, groups, folds, precision, missing, out)
    x, own = named_rows(features, guess=labels is None and groups is None)
    rows = own or row_names(labels)
    x, own = _as_matrix(x), row_labels(own, labels)
    if reduced:
        check_reduced(x, how.condensed is _angular, missing == "pairwise" or out is not None)
    n = len(x)
    names: Sequence[str] = Labels(map(str, range(n))) if own is None else own
    if len(names) != n:
        raise RSAError(f"{n} rows of features but {len(names)} labels")
    if own is not None and (groups is None or labels is not None):
        names = unique(own)
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
    _check_width(x.shape[1], how, f"{name}: " if name else "")
    if groups is None and descriptors:
        descriptors = columns_beside(descriptors, names, f"RDM '{name}'" if name else "RDM", rows)
    if group_names is not None:
        _check_finite(x, names)
    if folds is not None:
        turns = beside(folds, own, "folds", rows)
        values, names = how.condensed(_numpy(x), group_names, turns, precision)
    else:
        if group_names is not None:
            x, names = group_means(x, group_names)
        if len(names) < 2:
            raise RSAError(f"an RDM needs at least 2 {'groups' if group_names else 'rows'}, got {len(names)}")
        if out is not None:
            return _to_file(x, names, how, out, by=by, name=name, descriptors=descriptors, attrs=attrs)
        if missing == "pairwise":
            values = _pairwise_complete(_numpy(x), names)
        elif precision is not None:
            x = _numpy(x)
            values = (_dissimilarities(whiten(x, precision), how, names) / x.shape[1]).astype(x.dtype)
        elif reduced:
            values = _angular(x, names, how, overwrite, reduced=True)
        else:
            values = _dissimilarities(x, how, names, overwrite)
    values.flags.writeable = False  # the RDM keeps it without a copy
    names = Labels(names)  # checked above
    return RDM(values, names, metric=metric, name=name, by=by, descriptors=descriptors, attrs=attrs)


def metric_named(name: str) -> Metric:
    """Look up a metric. Raises RSAError for an unknown one."""
    check_known("unknown metric", name, METRICS)
    return _REGISTRY[name]


def _check_arguments(
    metric: Metric, groups: object, folds: object, precision: object, missing: str, out: str | Path | None
) -> None:
    if out is not None:
        if missing != "raise" or not metric.by_strips:
            take = " and ".join(other.name for other in _REGISTRY.values() if other.by_strips)
            raise RSAError(f"out= is for {take} without missing values; other RDMs are computed in memory")
        check_writable(out)
    if missing not in ("raise", "pairwise"):
        raise RSAError(f"missing is 'raise' or 'pairwise', not {missing!r}")
    if missing == "pairwise" and (metric.name != "correlation" or groups is not None):
        raise RSAError("missing='pairwise' is for metric='correlation' without groups")
    if metric.folded and folds is None:
        raise RSAError(f"metric={metric.name!r} needs folds=, the repeat that every row belongs to")
    if metric.folded and groups is None:
        raise RSAError(f"metric={metric.name!r} needs groups=, the condition of every row")
    if folds is not None and not metric.folded:
        take = " and ".join(other.name for other in _REGISTRY.values() if other.folded)
        raise RSAError(f"folds go with {take}, not with metric={metric.name!r}")
    if precision is not None and not metric.precision:
        take = " and ".join(other.name for other in _REGISTRY.values() if other.precision)
        raise RSAError(f"metric={metric.name!r} takes no precision; {take} do")
    if precision is None and metric.precision and not metric.folded:
        raise RSAError(f"metric={metric.name!r} needs precision=, the (f, f) inverse of the noise covariance")


def _check_width(f: int, metric: Metric, title: str) -> None:
    """Refuse correlations that no feature can change, and warn of those over few."""
    if f < metric.least:
        raise RSAError(
            f"{metric.name} over {f} feature(s) is 1 or -1 whatever they are; it needs at least {metric.least}"
            " (metric='euclidean' takes any number)"
        )
    if metric.least >= 3:
        _warn_of_few(f, f"{title}{metric.name} distances")


def _warn_of_few(f: int, what: str) -> None:
    if f < FEW:
        warnings.warn(f"{what} are correlations over {f} features only: mostly chance", stacklevel=4)


def group_means(x: Any, groups: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    """Mean row of every group (in the type and on the device of `x`), and the groups in order of first appearance."""
    names, index = encoded(groups)
    counts = np.bincount(index)
    if isinstance(x, np.ndarray):
        sums = np.zeros((len(names), x.shape[1]))
        np.add.at(sums, index, x)
        return (sums / counts[:, None]).astype(x.dtype), names
    import torch

    place = torch.as_tensor(index, device=x.device)
    sums_ = torch.zeros(len(names), x.shape[1], dtype=x.dtype, device=x.device).index_add_(0, place, x)
    return sums_ / torch.as_tensor(counts, dtype=x.dtype, device=x.device)[:, None], names


def _as_matrix(features: FeaturesLike) -> Any:
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


def _dissimilarities(x: Any, metric: Metric, names: Sequence[str], overwrite: bool = False) -> Array:
    if not isinstance(x, np.ndarray) and metric.on_device is not None:
        return metric.on_device(x, names, metric)
    return cast(Array, metric.condensed(_numpy(x), names, metric, overwrite))


def _to_file(x: Any, names: Sequence[str], metric: Metric, out: str | Path, name: str, **given: Any) -> RDM:
    """Compute the RDM into a file. Raises RSAError for one that the disk has no room for, before any work."""
    from ..io.hdf5 import writing

    x, n = _numpy(x), len(x)
    fields = plain_fields(Labels(names), None, f"RDM '{name}'" if name else "RDM", name=name, **given)
    pairs = n * (n - 1) // 2
    needed, free = pairs * x.dtype.itemsize, shutil.disk_usage(Path(out).resolve().parent).free
    if needed > free:
        raise RSAError(f"cannot write {out}: {pairs} values need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} are free")

    def standardised(rows: slice) -> tuple[Array, Array]:
        block = np.array(x[rows])
        forget(x)
        return _standardised(block, metric, True)

    states = [standardised(rows)[1] for rows in blocks(n, x.shape[1], STRIP)]
    _check_rows(np.concatenate(states), metric, names)
    with writing(out, "rdm") as file:
        values = file.create_dataset("values", (pairs,), x.dtype)
        for place, part in strips(n, x.shape[1], lambda rows: standardised(rows)[0]):
            values[place] = part
        write_fields(file, metric=metric.name, **fields)
    return RDM.load(out)


def _straight(x: Array, names: Sequence[str], metric: Metric, overwrite: bool) -> Array:
    """Euclidean distances, from the Gram matrix."""
    x, scale = _in_range(x, 1e15 if x.dtype == np.float32 else 1e100)
    _check_finite(x, names)
    out = np.empty(len(x) * (len(x) - 1) // 2, x.dtype)
    centred = x - x.mean(axis=0, dtype=np.float64).astype(x.dtype)  # else the Gram matrix is all mean
    _kernels.condense_sqeuclidean(_gram(centred), x, _NEAR[x.dtype], out)
    if not metric.squared:
        np.sqrt(out, out=out)
    if scale == 1:
        return out
    with np.errstate(over="ignore"):
        out *= x.dtype.type(scale)
        out *= x.dtype.type(scale if metric.squared else 1)
    if not math.isfinite(out.max()):
        raise RSAError(f"{metric.name} distances of features as large as these exceed {x.dtype}; divide the features")
    return out


def _angular(x: Array, names: Sequence[str], metric: Metric, overwrite: bool, *, reduced: bool = False) -> Array:
    """1 - the product of rows of length one, which are centred, or centred ranks, or neither."""
    user = metric.name == "correlation" and not overwrite  # a network's features are overwritten, and none is missing
    if metric.ranked:
        _check_finite(x, names)
        ranks = np.empty_like(x)
        _kernels.rank_rows(x, ranks)  # scipy's rankdata stays on one thread
        x = ranks
    hint = "; compute_rdm(..., missing='pairwise') skips missing values" if user else ""
    z = unit_rows(x, names, metric, overwrite=overwrite or metric.ranked, hint=hint)
    if reduced:
        return condensed_in_bfloat16(z)
    n = len(x)
    out = np.empty(n * (n - 1) // 2, x.dtype)
    condense = _kernels.condense_similarity_alone if n * n < _ALONE else _kernels.condense_similarity
    condense(_gram(z), out)
    return out


def unit_rows(x: Array, names: Sequence[str], metric: Metric, *, overwrite: bool = False, hint: str = "") -> Array:
    """Rows (n, f) of length one, about their mean for a centred metric; their products are what such metrics measure.

    Raises RSAError naming the rows with NaN or infinity and those without variance.
    """
    z, state = _standardised(x, metric, overwrite)
    _check_rows(state, metric, names, hint)
    return z


def _standardised(x: Array, metric: Metric, overwrite: bool) -> tuple[Array, Array]:
    """Rows of length one, and for every row whether it is one."""
    if x.dtype == np.float64:  # float32 is summed in float64
        x, _ = _in_range(x, 1e100)
    state = np.empty(len(x), np.int8)
    z = x if x.flags.writeable and overwrite else np.empty_like(x)
    standardise = _kernels.standardise_rows_alone if x.size < _ALONE else _kernels.standardise_rows
    standardise(x, metric.centred, z, state)
    return z, state


def _check_rows(state: Array, metric: Metric, names: Sequence[str], hint: str = "") -> None:
    _fail(f"holds NaN or infinity{hint}", state == _kernels.NOT_FINITE, names)
    _fail_constant(state == _kernels.CONSTANT, metric, names)


def _in_range(x: Array, most: float) -> tuple[Array, float]:
    """x / scale and the scale: a power of two other than 1 where the largest value is not within 1 / most to most."""
    peak = float(np.abs(x).max())
    if not math.isfinite(peak) or peak == 0 or 1 / most < peak < most:
        return x, 1.0
    scale = 2.0 ** math.frexp(peak)[1]
    return (x.astype(np.float64) / scale).astype(x.dtype), scale


def _fail_constant(constant: npt.NDArray[np.bool_], metric: Metric, names: Sequence[str]) -> None:
    why = "has no variance over features" if metric.centred else "is all zero"
    _fail(f"{why}, so its {metric.name} distance is undefined; leave it out", constant, names)


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
    _warn_of_few(int(shared.min()), "some pairs of rows")
    return out


def _straight_on_device(x: "torch.Tensor", names: Sequence[str], metric: Metric) -> Array:
    import torch

    _check_finite(x, names)
    distances = _above(torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist"))
    return _numpy(distances.square() if metric.squared else distances)


def _angular_on_device(x: "torch.Tensor", names: Sequence[str], metric: Metric) -> Array:
    import torch

    _check_finite(x, names)
    if metric.centred:
        x = x - x.mean(dim=1, keepdim=True, dtype=torch.float64).to(x.dtype)
    norms = x.double().square().sum(dim=1, keepdim=True).sqrt()
    scale = x.amax(dim=1) - x.amin(dim=1) if metric.centred else x.abs().amax(dim=1)
    _fail_constant((scale == 0).cpu().numpy(), metric, names)
    z = x / norms.to(x.dtype)
    return _numpy(_above(1 - z @ z.T).clamp_(0, 2))


def _above(square: "torch.Tensor") -> "torch.Tensor":
    """What is above the diagonal, in `pdist` order; only that comes back from the device."""
    import torch

    return square[torch.ones_like(square, dtype=torch.bool).triu(1)]


_REGISTRY = {
    metric.name: metric
    for metric in (
        Metric("correlation", _angular, _angular_on_device, least=3, centred=True, by_strips=True),
        Metric("spearman", _angular, least=3, centred=True, ranked=True),
        Metric("cosine", _angular, _angular_on_device, least=2, by_strips=True),
        Metric("euclidean", _straight, _straight_on_device),
        Metric("sqeuclidean", _straight, _straight_on_device, squared=True),
        Metric("mahalanobis", _straight, squared=True, precision=True),  # of whitened features, per feature
        Metric("crossnobis", crossnobis, folded=True, precision=True),
        Metric("correlation-crossvalidated", crossvalidated_correlation, least=3, folded=True),
    )
}
METRICS = tuple(_REGISTRY)
PLAIN = tuple(metric.name for metric in _REGISTRY.values() if not (metric.folded or metric.precision))  # features alone
