"""How often the 95% intervals of the analysis contain the truth, in pools that are drawn from a known population.

A member has a quality y, four free predictors that share luck of their own, P, and three numbers of each teacher. Of
the first teacher, one number knows y (`strength`); all others know nothing. P and TG differ between seeds, by luck of
each training, and by some that all networks of a seed share: it depends on traits of the members which are unrelated to
y. The true gain is the mean, over members and seeds that nothing was learned on, of what is learned from pools of this
size; where there are several teachers, one is chosen as in the analysis.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...rsa.types import Array
from ..rank_statistics import spearman
from ..report import Columns, kept_rows
from .learning import DIVISIONS, Learned, Resamples, learn, partial, ranked

KIND = "coverage of gains"
DRAWS = 200
_POPULATION = 1000  # new members, drawn for every pool
_FREE, _TG = 4, 3
GAIN, PARTIAL = "gain", "partial correlation"


@dataclass(frozen=True)
class Case:
    """A pool: how much the first teacher knows, members, training seeds, teachers; and what is asked of it."""

    strength: float
    members: int
    seeds: int
    teachers: int = 1
    asked: str = GAIN


CASES = (
    *(Case(strength, n, seeds) for n in (50, 100) for seeds in (1, 3) for strength in (0.0, 1.0)),
    *(Case(strength, 50, 3, teachers=15) for strength in (0.0, 1.0)),
    *(Case(strength, 50, 3, asked=PARTIAL) for strength in (0.0, 1.0)),
)
COLUMNS: Columns = (
    ("asked", "{asked}"),
    ("truth", "{truth:+.3f}"),
    ("members", "{members}"),
    ("seeds", "{seeds}"),
    ("teachers", "{teachers}"),
    ("pools", "{repeats}"),
    ("mean estimate", "{estimate:+.3f}"),
    ("mean width", "{width:.3f}"),
    ("coverage", lambda row: f"{100 * row['coverage']:.1f} %"),
    ("wholly above zero", lambda row: f"{100 * row['above']:.1f} %"),
)


def measure(
    cases: Sequence[Case] = CASES,
    *,
    repeats: int = 1000,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> list[dict[str, Any]]:
    """One row per case. file: JSON, written after every row; rows that it holds from as many repeats are kept."""
    asked = [asdict(case) | {"repeats": repeats} for case in cases]
    made: dict[str, Any] = {"file": file, "about": {"kind": KIND, "draws": DRAWS}, "progress": progress}
    return kept_rows(asked, lambda i: asked[i] | coverage(cases[i], repeats), _key, **made)


def _key(row: Mapping[str, Any]) -> str:
    return json.dumps([row.get(name) for name in (*Case.__dataclass_fields__, "repeats")])


def coverage(case: Case, repeats: int, *, draws: int = DRAWS) -> dict[str, float]:
    """Share of intervals that contain the truth, and that lie above zero; their mean width."""
    seed = [round(100 * case.strength), case.members, case.seeds, case.teachers, int(case.asked == GAIN)]
    rng = np.random.default_rng(seed)
    found, truths = [], []
    for i in range(repeats):
        pool, new = _Drawn.of(rng, case, case.members, case.seeds), _Drawn.of(rng, case, _POPULATION, 1)
        resamples = Resamples.draw(np.ones((case.seeds, case.members), bool), draws, i)
        ask = _gain if case.asked == GAIN else _partial
        interval, truth = ask(pool, new, resamples)
        found.append(interval)
        truths.append(truth)
    truth, (estimate, low, high) = float(np.mean(truths)), np.array(found).T
    inside = (low <= truth) & (truth <= high)
    return {
        "truth": truth,
        "estimate": float(estimate.mean()),
        "coverage": float(inside.mean()),
        "above": float((low > 0).mean()),
        "width": float((high - low).mean()),
    }


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Quality (members,), free predictors and P (seeds, members, k), and TG of every teacher (seeds, members, k)."""

    y: Array
    base: Array
    tg: list[Array]

    @classmethod
    def of(cls, rng: np.random.Generator, case: Case, n: int, seeds: int) -> "_Drawn":
        def noise(*shape: int) -> Array:
            return np.asarray(rng.normal(size=shape))

        def luck(k: int) -> Array:
            """Of every training, and of all networks of a seed: (seeds, n, k)."""
            return 0.5 * noise(seeds, n, k) + 0.3 * noise(seeds, 1, k) * noise(n, k)

        y, shared = noise(n), noise(n)
        free = 0.6 * y[:, None] + 0.5 * shared[:, None] + 0.6 * noise(n, _FREE)
        p = (0.5 * y + 0.5 * noise(n))[:, None] + luck(1)
        tg = [0.6 * noise(n, _TG) + luck(_TG) for _ in range(case.teachers)]
        tg[0] = tg[0] + case.strength * np.eye(_TG)[0] * y[:, None]
        return cls(y, np.concatenate([np.broadcast_to(free, (seeds, n, _FREE)), p], axis=2), tg)

    @property
    def features(self) -> list[Array]:
        """Without TG, and with that of every teacher."""
        return [self.base, *(np.concatenate([self.base, tg], axis=2) for tg in self.tg)]


Interval = tuple[float, float, float]


def _gain(pool: _Drawn, new: _Drawn, resamples: Resamples) -> tuple[Interval, float]:
    base, *full = (learn(one, pool.y, resamples) for one in pool.features)
    best = full[0] if len(full) == 1 else Learned.best(full, resamples.folds)
    found = resamples.gain(base.predictor, best.predictor, pool.y)
    chosen = np.stack([one.error[:, :DIVISIONS] for one in full]).argmin(axis=0)  # of every fold and division
    whole, *taught = (_ranked(one)[0] for one in new.features)
    first = np.stack([whole @ rule for rule in base.weights[:, :DIVISIONS].reshape(-1, whole.shape[1])])
    pairs = np.ndindex(*chosen.shape)
    second = np.stack([taught[chosen[k, d]] @ full[chosen[k, d]].weights[k, d] for k, d in pairs])
    ranks = [float(spearman(one.T, new.y).mean()) for one in (first, second)]
    return (found["gain"], found["low"], found["high"]), ranks[1] - ranks[0]


def _partial(pool: _Drawn, new: _Drawn, resamples: Resamples) -> tuple[Interval, float]:
    found = partial(pool.tg[0][..., 0], pool.base, pool.y, resamples)
    once = Resamples.draw(np.ones((1, len(new.y)), bool), 1)
    truth = partial(new.tg[0][..., 0], new.base, new.y, once)
    return resamples.interval(found, correlation=True), float(truth[0])


def _ranked(features: Array) -> Array:
    present = np.ones(features.shape[:2], bool)
    return np.stack([ranked(column, present) for column in np.moveaxis(features, 2, 0)], axis=2)
