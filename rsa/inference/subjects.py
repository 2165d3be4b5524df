"""The bootstrap over what else varies: subjects, subjects and stimuli together, and neuroids."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ..errors import RSAError
from ..labels import named_rows, row_labels
from ..rdm.comparison import compare_all, method_named
from ..rdm.distances import FeaturesLike, compute_rdm
from ..rdm.rdm import RDM
from ..types import Array
from .bootstrap import LEAST, Resampling, bootstrap
from .intervals import false_discovery, spread, z_ends

if TYPE_CHECKING:
    import xarray

FACTORS = ("subjects", "stimuli", "both")


def bootstrap_subjects(
    layers: RDM | Mapping[str, RDM],
    subjects: Sequence[RDM] | Mapping[str, RDM],
    *,
    method: str = "pearson",
    n: int = 1000,
    seed: int = 0,
    groups: str | Sequence[object] | None = None,
) -> "xarray.Dataset":
    """Resample subjects, stimuli and both at once, for the mean similarity to the RDMs of single subjects or animals.

    Parameters
    ----------
    layers : RDM or mapping of str to RDM
    subjects : sequence of RDM, or mapping of str to RDM
        At least 2, over the stimuli of the layers.
    method, n, seed, groups
        As in `bootstrap`.

    Returns
    -------
    xarray.Dataset
        `similarity` (layer); the draws `subjects`, `stimuli`, `both` (layer, draw), all of them paired; and, for
        generalisation to new subjects and stimuli, `standard_error`, `low`, `high` (layer; 95%, Student's t on Fisher's
        z scale, its degrees of freedom one less than the number of subjects or stimuli, whichever is smaller).

    Raises
    ------
    RSAError
        For fewer than 2 subjects, and as `bootstrap` does.

    Notes
    -----
    Draws over both factors count the noise of single measurements three times; the variance is corrected for it.

    References
    ----------
    Schutt et al. (2023), eLife 12:e82566.
    """
    import scipy.special
    import xarray

    people = dict(subjects) if isinstance(subjects, Mapping) else {str(i): rdm for i, rdm in enumerate(subjects)}
    if len(people) < 2:
        raise RSAError(f"at least 2 subjects are needed to resample them, got {len(people)}")
    draws = bootstrap(layers, people, method=method, n=n, seed=seed, groups=groups)
    single, values = draws["estimate"].to_numpy(), draws.to_numpy()
    share = Resampling(n, seed=seed + 2**32).counts(len(people)) / len(people)  # another stream than the stimuli's
    found = {
        "subjects": single @ share.T,
        "stimuli": values.mean(axis=1),
        "both": np.einsum("lsd,ds->ld", values, share),
    }
    columns: dict[str, tuple[tuple[str, ...], Array]] = {key: (("layer", "draw"), part) for key, part in found.items()}
    columns["similarity"] = (("layer",), single.mean(axis=1))
    attrs = draws.attrs | {"subjects": len(people), "about": f"new subjects and {draws.attrs['about']}"}
    result = xarray.Dataset(columns, {"layer": draws.indexes["layer"].to_numpy()}, attrs)
    error = two_factor_error([found[factor] for factor in FACTORS], len(people), draws.attrs["units"])
    half = scipy.special.stdtrit(min(len(people), draws.attrs["units"]) - 1, 0.975) * error
    low, high = z_ends(single.mean(axis=1), half, half)
    for key, column in (("standard_error", error), ("low", low), ("high", high)):
        result[key] = ("layer", column)
    return result


def subject_differences(result: "xarray.Dataset") -> "xarray.Dataset":
    """Compare all pairs of layers, with inference to new subjects and new stimuli.

    Parameters
    ----------
    result : xarray.Dataset
        What `bootstrap_subjects` returned.

    Returns
    -------
    xarray.Dataset
        Over "pair", as `layer_differences` describes: `difference`, `standard_error`, `low`, `high`, `p`, `p_adjusted`.

    Raises
    ------
    RSAError
        For fewer than 2 layers.
    """
    import scipy.special
    import xarray

    names = [str(layer) for layer in result.indexes["layer"]]
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        raise RSAError("differences need at least 2 layers")
    i, j = np.array(pairs).T
    similarity = result["similarity"].to_numpy()
    d = similarity[i] - similarity[j]
    levels = result.attrs["subjects"], result.attrs["units"]
    error = two_factor_error([(draws := result[factor].to_numpy())[i] - draws[j] for factor in FACTORS], *levels)
    ratio = np.divide(np.abs(d), error, out=0 * error, where=error > 0)  # layers may be the same
    half = scipy.special.stdtrit(min(levels) - 1, 0.975) * error
    p = 2 * scipy.special.stdtr(min(levels) - 1, -ratio)
    low, high = np.clip([d - half, d + half], -2, 2)
    columns = {"difference": d, "standard_error": error, "low": low, "high": high, "p": p}
    columns["p_adjusted"] = false_discovery(p)
    coords = {"first": ("pair", [names[k] for k in i]), "second": ("pair", [names[k] for k in j])}
    return xarray.Dataset({key: ("pair", column) for key, column in columns.items()}, coords)


def two_factor_error(draws: Sequence[Array], subjects: int, units: float, apart: Sequence[Array] = ()) -> Array:
    """Standard errors from draws (..., draw) over subjects, over stimuli and over both (Schutt et al. 2023).

    apart: half the differences between two halvings of each of these draws, whose variance is taken out.
    """
    by_subject, by_stimulus, by_both = (spread(part) for part in draws)
    if len(apart):
        by_stimulus, by_both = (
            np.maximum(all_of - spread(part), 0.0)
            for all_of, part in zip((by_stimulus, by_both), apart[1:], strict=True)
        )
    s, u = subjects / (subjects - 1), units / (units - 1)
    variance = s * by_subject + u * by_stimulus - s * u * (by_both - by_subject - by_stimulus)
    least = np.maximum(s * by_subject, u * by_stimulus)
    root: Array = np.sqrt(np.minimum(np.maximum(variance, least), by_both))
    return root


def bootstrap_neuroids(
    layers: RDM | Mapping[str, RDM],
    responses: FeaturesLike,
    *,
    labels: Iterable[object] | None = None,
    metric: str = "correlation",
    method: str = "pearson",
    n: int = 1000,
    seed: int = 0,
) -> "xarray.DataArray":
    """Resample the neuroids with replacement and compare the RDM of their responses.

    Parameters
    ----------
    layers : RDM or mapping of str to RDM
    responses : array, tensor, DataFrame or DataArray (n_stimuli, n_neuroids)
        Mean rates of at least 5 neuroids.
    labels : iterable, optional
        Names of the stimuli, if the responses come without any.
    metric : str
        As in `compute_rdm`, but only one that needs neither folds nor a precision matrix.
    method : str
        As in `compare`.
    n, seed : int
        Number of draws, each of which computes one RDM, and the seed they depend on.

    Returns
    -------
    xarray.DataArray
        Dims ("layer", "target", "draw") as from `bootstrap`, for `interval` and `layer_differences`; the target is
        "responses". NaN for a draw with fewer than 3 different neuroids or an undefined RDM.

    Raises
    ------
    RSAError
        As `compute_rdm` and `compare` do; for fewer than 5 neuroids, and for responses without names.

    Notes
    -----
    A resample contains fewer different neuroids than the recording, so the draws lie below the `estimate` from all
    neuroids, on which intervals are centred.
    """
    import xarray

    method_named(method)
    resampling = Resampling(n, seed=seed)
    x, own = named_rows(responses, guess=labels is None)
    names = row_labels(own, labels)
    if names is None:
        raise RSAError("responses need labels=, the names of their stimuli")
    named = {layers.name or "a": layers} if isinstance(layers, RDM) else dict(layers)

    def similarity(picked: Array) -> Array:
        rdm = compute_rdm(x[:, picked], metric=metric, labels=names)
        found: Array = compare_all(named, {"responses": rdm}, method=method).to_numpy()
        return found

    compute_rdm(x, metric=metric, labels=names)
    sites = x.shape[1]
    if sites < LEAST:
        raise RSAError(f"{sites} neuroids are too few to resample; at least {LEAST} are needed")
    whole = similarity(np.arange(sites))
    values = np.full((*whole.shape, n), np.nan)
    for draw, counts in enumerate(resampling.counts(sites)):
        if (counts > 0).sum() < 3:
            continue
        try:
            values[..., draw] = similarity(np.repeat(np.arange(sites), counts))
        except RSAError:  # a stimulus without variance over so few different neuroids
            continue
    coords = {
        "layer": list(named),
        "target": ["responses"],
        "estimate": (("layer", "target"), whole),
        "linear": (("layer", "target", "draw"), values - np.nanmean(values, axis=-1, keepdims=True)),
        "dof": (("layer", "target"), np.full(whole.shape, sites - 1.0)),
    }
    attrs = {"method": method, "seed": seed, "resampled": "neuroids", "about": "new neuroids"}
    attrs |= {"n": len(names), "units": sites}
    return xarray.DataArray(values, coords, ("layer", "target", "draw"), "similarity", attrs)
