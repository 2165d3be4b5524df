"""Searches whose teacher is their own best candidate, against fixed teachers and none, on a pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...rsa import RDM, RSAError, Teacher
from ...rsa.errors import check_whole
from ...rsa.types import Array
from ..pool.layer_similarities import similarities, view_of
from ..pool.pool import Pool
from ..rank_statistics import spearman
from ..report import Columns
from .statistics import current_best, interval

ITERATING = "iterating"
NONE = "none"


@dataclass(frozen=True, eq=False)
class Lookup:
    """What a search finds in a pool instead of training.

    p, mature: of the members, (members,). own: TG of member j with the layers of member i as teacher, (members,
    members). fixed: teacher -> TG of all members.
    """

    p: Array
    mature: Array
    own: Array
    fixed: Mapping[str, Array]


def look_up(pool: Pool, teachers: Mapping[str, Teacher], checkpoint: int) -> Lookup:
    """Compute every TG that a search among the usable members can ask for, after `checkpoint` training examples.

    Raises RSAError for a checkpoint that the pool lacks, and for teachers about different stimuli.
    """
    if checkpoint not in pool.checkpoints:
        raise RSAError(f"the pool has checkpoints after {pool.checkpoints} examples, not {checkpoint}")
    place = pool.checkpoints.index(checkpoint)
    views = {name: view_of(pool, teacher).name for name, teacher in teachers.items()}
    if len(set(views.values())) != 1:
        raise RSAError(f"give one teacher or more, all about the same stimuli, not {views or 'none'}")
    view = pool.views[next(iter(views.values()))]
    members = [member for member in pool.members if member.usable]
    kept = Pool(pool.space, pool.checkpoints, pool.views, tuple(members), pool.settings)
    own = np.empty((len(members), len(members)))
    for i, member in enumerate(members):
        own[i] = _tg(kept, view.name, [rdm for _, rdm in pool.rdms(view.name, member, place)], place)
    fixed = {name: _tg(kept, view.name, list(teacher.rdms.values()), place) for name, teacher in teachers.items()}
    return Lookup(kept.p[:, place], kept.mature, own, fixed)


def _tg(pool: Pool, view: str, targets: Sequence[RDM], place: int) -> Array:
    found = similarities(pool, pool.views[view], targets)[:, place]
    return np.asarray(np.nanmax(found, axis=1).mean(axis=1))


def searched(known: Lookup, order: Array, teacher: str, *, every: int, alpha: float) -> Array:
    """Scores of members tried in this order, (samples,), by a fixed teacher, by NONE (P), or ITERATING.

    ITERATING begins with P; after every `every` samples the one with the highest P so far is the teacher.
    """
    p = known.p[order]
    if teacher != ITERATING:
        return np.asarray(p if teacher == NONE else p + alpha * known.fixed[teacher][order])
    scores = p.copy()
    for first in range(every, len(order), every):
        best, these = order[np.argmax(p[:first])], order[first : first + every]
        scores[first : first + every] += alpha * known.own[best, these]
    return scores


def measure(
    known: Lookup, *, samples: int, every: int, alpha: float = 1.0, seeds: int = 200
) -> dict[str, list[dict[str, Any]]]:
    """Random searches of the pool by every teacher: what their final top 5 by score comes to.

    top, best: mature performance of the final top 5, its mean and its best. rank: Spearman of score with mature
    performance over what a search tried. gains: over NONE with the same seed, with 95% intervals over seeds. Scores by
    different teachers do not compare, so for ITERATING all three are by the scores that its last teacher gives all.

    Raises RSAError for more samples than members, and for wrong numbers.
    """
    check_whole(2, samples=samples, seeds=seeds)
    check_whole(1, every=every)
    if samples > len(known.p) or every >= samples:
        raise RSAError(f"samples are at most the {len(known.p)} usable members, and more than every={every}")
    names = [NONE, *known.fixed, ITERATING]
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(known.p))[:samples]
        mature = known.mature[order]
        for name in names:
            scores = searched(known, order, name, every=every, alpha=alpha)
            if name == ITERATING:
                last = (samples - 1) // every * every
                best = order[np.argmax(known.p[order[:last]])]
                scores = known.p[order] + alpha * known.own[best, order]
            cells = [str(place) for place in order]
            tops, bests = current_best(cells, scores.tolist(), mature.tolist())
            found[name].append((tops[-1], bests[-1], float(spearman(scores, mature))))
    plain = np.array(found[NONE])
    rows = []
    for name in names:
        values = np.array(found[name])
        gain = values - plain
        row: dict[str, Any] = {"teacher": name, "seeds": seeds, "samples": samples, "every": every}
        for i, key in enumerate(("top", "best", "rank")):
            low, high = interval(gain[:, i]) or (np.nan, np.nan)
            row |= {key: float(values[:, i].mean()), f"{key} gain": float(gain[:, i].mean())}
            row |= {f"{key} low": low, f"{key} high": high}
        rows.append({key: round(one, 5) if isinstance(one, float) else one for key, one in row.items()})
    return {"rows": rows}


def _gain(row: dict[str, Any], key: str) -> str:
    if row["teacher"] == NONE:
        return ""
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(100 * row[f"{key} {one}"] for one in ("gain", "low", "high")))


COLUMNS: Columns = (
    ("teacher", "{teacher}"),
    ("top 5 in %", lambda row: f"{100 * row['top']:.2f}"),
    ("more than none [95%]", lambda row: _gain(row, "top")),
    ("best of them in %", lambda row: f"{100 * row['best']:.2f}"),
    ("Spearman", lambda row: f"{row['rank']:.3f}"),
)
