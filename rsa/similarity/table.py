"""Similarities of features, by name: everything that needs more than RDMs.

To add one: a file named after it with what it prepares of each side and how it compares two, and its entry in
`SIMILARITIES`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import RSAError, check_known
from ..labels import beside
from ..rdm.comparison import align
from ..types import Array
from .cca import components, mean_correlation, weighted_correlation
from .cka import alignment, centred_kernel
from .features import Features, centred, compact
from .procrustes import overlap, unit_shape
from .ridge import FOLDS, check_neuroids, fold_of, predicted
from .without_rdms import NAMES, Sides

if TYPE_CHECKING:
    import xarray

Named: TypeAlias = Mapping[str, Features]
Table: TypeAlias = Callable[[Named, Named, Sequence[object], int], Array]


def compare_features(
    a: Features, b: Features, *, similarity: str = "cka", groups: Iterable[object] | None = None, seed: int = 0
) -> float:
    """Compare the features of one layer and one target, matched by label.

    Parameters
    ----------
    a, b : Features
        Layer and target; "ridge" predicts b from a.
    similarity, groups, seed
        As in `compare_all_features`.

    Raises
    ------
    RSAError
        As `compare_all_features` does.
    """
    return float(compare_all_features({"a": a}, {"b": b}, similarity=similarity, groups=groups, seed=seed)[0, 0])


def compare_all_features(
    a: Mapping[str, Features],
    b: Mapping[str, Features],
    *,
    similarity: str = "cka",
    groups: Iterable[object] | None = None,
    seed: int = 0,
    allow_subset: bool = False,
) -> "xarray.DataArray":
    """Compare the features of every layer with those of every target, matched by label.

    Parameters
    ----------
    a, b : mapping of str to Features
        Layers and targets.
    similarity : str
        The larger, the more alike: "cka", "cka-unbiased", "cka-rbf", "cka-rbf-unbiased" (see `cka`); "svcca" and
        "pwcca", which is weighted by the target (see `svcca`, `pwcca`); "procrustes" (see `procrustes_similarity`);
        "ridge", the target predicted from the layer (see `ridge_predictivity`); "rsa-pearson", "rsa-cosine",
        "rsa-pearson-whitened" and "rsa-cosine-whitened", which are what `compare` gives for correlation RDMs, but
        without computing these (see `bootstrap_features` for intervals).
    groups : iterable, optional
        One per stimulus of the first layer, in its order; stimuli of one group stay in one fold of "ridge", the only
        similarity that takes groups.
    seed : int
        Seed that the folds of "ridge" are drawn with.
    allow_subset : bool
        Compare the common stimuli where the labels differ.

    Returns
    -------
    xarray.DataArray
        Dims ("layer", "target").

    Raises
    ------
    RSAError
        As the similarities do, naming layer and target; for labels that one side lacks (unless `allow_subset`).
    """
    import xarray

    check_similarity(similarity)
    if groups is not None and similarity != "ridge":
        raise RSAError(f"groups= keep stimuli of one object in one fold; {similarity} has no folds, ridge does")
    layers, targets = align(a, b, allow_subset=allow_subset)
    first = next(iter(a.values()))
    parts = first.labels if groups is None else beside(groups, first.labels, "groups")
    if len(parts) != len(first):
        raise RSAError(f"groups= has {len(parts)} values for {len(first)} stimuli")
    part_of = dict(zip(first.labels, parts, strict=True))
    table = SIMILARITIES[similarity](
        dict(zip(a, layers, strict=True)),
        dict(zip(b, targets, strict=True)),
        [part_of[label] for label in layers[0].labels],
        seed,
    )
    coords = {"layer": list(a), "target": list(b)}
    attrs = {"similarity": similarity, "n": len(layers[0])}
    return xarray.DataArray(table, coords, ("layer", "target"), "similarity", attrs)


def check_similarity(similarity: str) -> None:
    check_known("unknown similarity", similarity, SIMILARITIES)


def _pairs(prepare: Callable[[Array], Any], compare: Callable[[Any, Any], float]) -> Table:
    """The table of compare(target, layer); what belongs to one side is prepared once, layers one after another."""

    def prepared(name: str, features: Features) -> Any:
        with _about(name):
            return prepare(centred(features.values))

    def similarity(layer: str, row: Any, target: str, column: Any) -> float:
        with _about(f"{layer} and {target}"):
            return compare(column, row)

    def table(layers: Named, targets: Named, parts: Sequence[object], seed: int) -> Array:
        columns = {name: prepared(name, target) for name, target in targets.items()}
        rows = ((name, prepared(name, layer)) for name, layer in layers.items())
        return np.array([[similarity(layer, row, *column) for column in columns.items()] for layer, row in rows])

    return table


def _ridge(layers: Named, targets: Named, parts: Sequence[object], seed: int) -> Array:
    """One regression per layer and fold for the neuroids of all targets."""
    responses = []
    for name, target in targets.items():
        with _about(name):
            check_neuroids(target.values)
            responses.append(centred(target.values))
    ends = np.cumsum([part.shape[1] for part in responses])[:-1]
    fold = fold_of(parts, len(parts), FOLDS, seed)
    rows = []
    for name, layer in layers.items():
        with _about(name):
            scores = predicted(compact(centred(layer.values)), np.hstack(responses), fold)
        rows.append([np.median(part) for part in np.split(scores, ends)])
    return np.array(rows)


def _without_rdms(method: str) -> Table:
    return lambda layers, targets, parts, seed: Sides(layers, targets, method).table()


@contextmanager
def _about(what: str) -> Iterator[None]:
    try:
        yield
    except RSAError as error:
        raise RSAError(f"{what}: {error}") from error


SIMILARITIES: dict[str, Table] = {
    "cka": _pairs(centred_kernel, alignment),
    "cka-unbiased": _pairs(centred_kernel, partial(alignment, unbiased=True)),
    "cka-rbf": _pairs(partial(centred_kernel, kernel="rbf"), alignment),
    "cka-rbf-unbiased": _pairs(partial(centred_kernel, kernel="rbf"), partial(alignment, unbiased=True)),
    "svcca": _pairs(components, mean_correlation),
    "pwcca": _pairs(components, weighted_correlation),
    "procrustes": _pairs(unit_shape, overlap),
    "ridge": _ridge,
    **{name: _without_rdms(method) for name, method in NAMES.items()},
}
