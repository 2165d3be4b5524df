"""Similarity of every layer of every candidate at every checkpoint to many targets, in a few matrix products."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...rsa import RDM, RSAError, Teacher
from ...rsa.errors import check_known, listing
from ...rsa.rdm.comparison import method_named, ranks, row_sums
from ...rsa.types import Array
from .pool import Pool, View

METHODS = ("pearson", "spearman", "cosine", "pearson-whitened", "cosine-whitened")


def similarities(pool: Pool, view: View, targets: Sequence[RDM], method: str = "pearson") -> Array:
    """Compare all layers with all targets: (members, checkpoints, layers, targets).

    NaN marks a layer without RDM and places beyond a member's last layer.

    Raises RSAError for a method that is not offered here, and for a target that is constant.
    """
    check_known("unknown method", method, METHODS)
    n = len(view.labels)
    goals = _units(np.stack([rdm.subset(view.labels).values for rdm in targets]), n, method)
    flat = [rdm.name for rdm, goal in zip(targets, goals, strict=True) if not goal.any()]
    if flat:
        raise RSAError(f"target {flat[0]} is constant over {view.name}, so nothing can be similar to it")
    depth = max(len(member.layers) for member in pool.members)
    found = np.full((len(pool), len(pool.checkpoints), depth, len(goals)), np.nan, np.float32)
    for i, member in enumerate(pool.members):
        values = member.rdms[view.name]
        rows = values.reshape(-1, values.shape[2])
        usable = np.isfinite(rows).all(axis=1)
        out = np.full((len(rows), len(goals)), np.nan, np.float32)
        out[usable] = _units(rows[usable].astype(np.float32), n, method, whiten=False) @ goals.T
        found[i, :, : len(member.layers)] = out.reshape(*values.shape[:2], -1)
    return found


def _units(rows: npt.NDArray[np.floating], n: int, method: str, *, whiten: bool = True) -> Array:
    """Rows of length one, so that products of two are similarities; a constant row becomes zeros.

    For whitened methods <HAH, HBH> = <A, HBH>, with H = I - 1/n (Diedrichsen et al. 2021), so that only one side has to
    be centred; the other only needs its norm.
    """
    how = method_named(method)
    if how.ranked:
        rows = np.stack([ranks(np.ascontiguousarray(row, np.float32)) for row in rows]) if len(rows) else rows
    values = np.asarray(rows, np.float32)
    if how.centred:
        values = values - values.mean(axis=1, dtype=np.float64, keepdims=True).astype(np.float32)
    squares = np.einsum("ij,ij->i", values, values, dtype=np.float64)
    if how.whitened and len(values):
        means = np.stack([row_sums(row, n) for row in values]) / n
        grand = means.mean(axis=1)
        squares = squares - n * (means**2).sum(axis=1) + n * n * grand**2 / 2
        if whiten:
            first, second = np.triu_indices(n, 1)
            values = (values - means[:, first] - means[:, second] + grand[:, None]).astype(np.float32)
    lengths = np.sqrt(np.where(squares > 1e-12, squares, np.inf))
    return np.asarray(values / lengths[:, None], np.float32)


def view_of(pool: Pool, teacher: Teacher) -> View:
    """Find the view whose RDMs can be compared with a teacher's: of the same stimuli and `by` the same.

    A teacher by stimulus may know more stimuli; one by groups may average more images of each, the view's among them.
    Raises RSAError naming what does not fit.
    """
    near_ones = [view for view in pool.views.values() if view.reference == teacher.stimuli]
    if not near_ones:
        known = listing(dict.fromkeys(view.reference for view in pool.views.values()), 9)
        about = teacher.stimuli or "unknown stimuli"
        raise RSAError(f"teacher {teacher.name!r} is about {about}; the pool was shown {known}")
    labels = set(teacher.labels)
    missing: list[str] = []
    for view in near_ones:
        if view.by != teacher.by:
            missing.append(f"{view.name} is by {view.by}")
        elif absent := [label for label in view.labels if label not in labels]:
            missing.append(f"{len(absent)} of the {len(view.labels)} conditions of {view.name} are not in it")
        elif teacher.stimulus_ids and (absent := sorted(set(view.stimulus_ids) - set(teacher.stimulus_ids))):
            missing.append(f"it was not made with {len(absent)} of the {len(view.stimulus_ids)} images of {view.name}")
        else:
            return view
    raise RSAError(f"teacher {teacher.name!r}, by {teacher.by}, fits no view of the pool: {listing(missing, 9)}")
