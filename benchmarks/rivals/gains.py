"""How often the 95% interval of a held-out gain contains the true one, in pools that are drawn from a known population.

A member has a quality y, four free predictors that share luck of their own, P, and four numbers of a teacher, of which
the first knows y (`strength`) and the others nothing. P and TG differ between seeds, by luck of the member's training
and by some that all members of a seed share. The truth is the mean gain, over a large population, of what is learned
from pools of this size.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...rsa.cli.console import write_json
from ...rsa.types import Array
from ..rank_statistics import spearman
from ..report import Columns, reading_results
from .learning import DIVISIONS, Resamples, learn, ranked

KIND = "coverage of gains"
DRAWS = 200
_POPULATION = 4000
_FREE, _TG = 4, 4


@dataclass(frozen=True)
class Case:
    """A pool: how much TG knows, members, and training seeds."""

    strength: float
    members: int
    seeds: int


CASES = tuple(Case(strength, n, seeds) for n in (50, 100) for seeds in (1, 3) for strength in (0.0, 1.0))
COLUMNS: Columns = (
    ("true gain", "{truth:+.3f}"),
    ("members", "{members}"),
    ("seeds", "{seeds}"),
    ("pools", "{repeats}"),
    ("mean estimate", "{estimate:+.3f}"),
    ("mean width", "{width:.3f}"),
    ("coverage", lambda row: f"{100 * row['coverage']:.1f} %"),
)


def measure(
    cases: Sequence[Case] = CASES,
    *,
    repeats: int = 200,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> list[dict[str, Any]]:
    """One row per case. file: JSON, written after every row; rows that it holds from as many repeats are kept."""
    kept = {}
    if file is not None and file.exists():
        with reading_results(file, KIND, "coverage of gains") as found:
            kept = {_key(row): row for row in found["rows"]}
    rows = []
    for case in cases:
        about = asdict(case) | {"repeats": repeats}
        rows.append(kept.get(_key(about)) or about | coverage(case, repeats))
        if file is not None:
            write_json(file, {"kind": KIND, "draws": DRAWS, "rows": rows})
        progress(1)
    return rows


def _key(row: dict[str, Any]) -> str:
    return json.dumps([row.get(name) for name in ("strength", "members", "seeds", "repeats")])


def coverage(case: Case, repeats: int, *, draws: int = DRAWS) -> dict[str, float]:
    """Share of intervals that contain the true gain, and their mean width."""
    rng = np.random.default_rng([round(100 * case.strength), case.members, case.seeds])
    goal, base, full = _pool(rng, Case(case.strength, _POPULATION, 1))
    whole = [_ranked(features)[0] for features in (base, full)]
    found, truths = [], []
    for i in range(repeats):
        mature, *features = _pool(rng, case)
        resamples = Resamples.draw(np.ones((case.seeds, case.members), bool), draws, i)
        learned = [learn(one, mature, resamples) for one in features]
        before, after = (resamples.spearman(one.predictor, mature) for one in learned)
        found.append(resamples.interval(after - before))
        rules = [one.weights[:, :DIVISIONS].reshape(-1, one.weights.shape[2]) for one in learned]
        ranks = [spearman(one @ rule.T, goal).mean() for one, rule in zip(whole, rules, strict=True)]
        truths.append(ranks[1] - ranks[0])
    truth, (estimate, low, high) = float(np.mean(truths)), np.array(found).T
    inside = (low <= truth) & (truth <= high)
    return {
        "truth": truth,
        "estimate": float(estimate.mean()),
        "coverage": float(inside.mean()),
        "width": float((high - low).mean()),
    }


def _pool(rng: np.random.Generator, case: Case) -> tuple[Array, Array, Array]:
    """Quality (members,), and features (seeds, members, k) without and with TG."""
    n, seeds = case.members, case.seeds

    def noise(*shape: int) -> Array:
        return np.asarray(rng.normal(size=shape))

    y, shared = noise(n), noise(n)
    free = 0.6 * y[:, None] + 0.5 * shared[:, None] + 0.6 * noise(n, _FREE)
    p = 0.5 * y + 0.5 * noise(n) + 0.6 * noise(seeds, n) + 0.3 * noise(seeds, 1)
    known = case.strength * np.eye(_TG)[0] * y[:, None]
    tg = known + 0.6 * noise(n, _TG) + 0.5 * noise(seeds, n, _TG) + 0.3 * noise(seeds, 1, _TG)
    base = np.concatenate([np.broadcast_to(free, (seeds, n, _FREE)), p[..., None]], axis=2)
    return y, base, np.concatenate([base, tg], axis=2)


def _ranked(features: Array) -> Array:
    present = np.ones(features.shape[:2], bool)
    return np.stack([ranked(column, present) for column in np.moveaxis(features, 2, 0)], axis=2)
