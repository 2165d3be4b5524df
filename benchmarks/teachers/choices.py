"""What is open about a predictor (alpha, target, layer, weights) is chosen on one half of a pool, tested on the other.

Otherwise the best of many would look good by chance alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.stats import rankdata

from ...rsa.types import Array
from ..rank_statistics import Resampled, interval, spearman
from .rules import FIXED, Matched

Half = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Choice:
    """A predictor of all members (members,), how well it does where it was chosen, and what was chosen."""

    predictor: Array
    fit: float
    said: str


@dataclass(frozen=True)
class HeldOut:
    """Mean over both halves of the Spearman correlation of P alone and of what was chosen on the other half; the gain
    of the latter over the better of P and chance, with its 95% interval over resampled architectures."""

    p: float
    score: float
    gain: float
    low: float
    high: float
    said: str


def better_than_chance(p: Array, mature: Array, half: Half | slice = slice(None)) -> Array:
    """P where it ranks this half better than chance does, else a constant, which ranks nothing.

    Where P ranks the members backwards, noise that is added to it gains: that is no knowledge of a teacher's.
    """
    return p if spearman(p[half], mature[half]) > 0 else np.zeros_like(p)


def best_alpha(p: Array, tgs: Mapping[str, Array], mature: Array, half: Half, alphas: Sequence[float]) -> Choice:
    """The best P + alpha TG on a half, among several TG by name; the earliest of equals."""
    names = [(name, alpha) for name in tgs for alpha in alphas]
    columns = np.stack([p + alpha * tgs[name] for name, alpha in names], axis=1)
    fits = spearman(columns[half], mature[half])
    best = int(fits.argmax())
    name, alpha = names[best]
    return Choice(columns[:, best], float(fits[best]), ", ".join(filter(None, (name, f"alpha {alpha:g}"))))


def choose(
    rule: str, p: Array, matched: Matched, checkpoint: int, mature: Array, half: Half, alphas: Sequence[float],
    targets: Sequence[str],
) -> Choice:  # fmt: skip
    """What the rule comes to at a checkpoint when it sees the mature performance of one half only."""
    if rule in FIXED:
        return best_alpha(p, {"": FIXED[rule](matched)[:, checkpoint]}, mature, half, alphas)
    best = matched.best[:, checkpoint]
    if rule == "target":
        return best_alpha(p, dict(zip(targets, best.T, strict=True)), mature, half, alphas)
    if rule == "weights":
        return _weighted(p, best, mature, half)
    layers = matched.at_depths(matched.similarity.shape[2])[:, checkpoint]
    places = spearman(layers[half], mature[half]).argmax(axis=0)
    tg = np.mean([layers[:, place, j] for j, place in enumerate(places)], axis=0)
    found = best_alpha(p, {"": tg}, mature, half, alphas)
    return Choice(found.predictor, found.fit, f"{'/'.join(str(place + 1) for place in places)}, {found.said}")


def _weighted(p: Array, best: Array, mature: Array, half: Half) -> Choice:
    """Weights from 0 of P and of every target that fit the ranks of mature performance best (least squares)."""
    columns = np.column_stack([p, best])
    spread = columns[half].std(axis=0)
    scaled = (columns - columns[half].mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    goal = rankdata(mature[half])
    weights, _ = nnls(scaled[half], (goal - goal.mean()) / max(float(goal.std()), 1e-9))
    total = float(weights.sum())
    predictor = scaled @ weights if total else p
    share = weights / total if total else np.eye(len(weights))[0]
    said = " ".join(f"{value:.2f}" for value in share)
    return Choice(predictor, float(spearman(predictor[half], mature[half])), said)


def halves(n: int, seed: int) -> tuple[Half, Half]:
    """Two random halves of the members."""
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


class Examiner:
    """Tests on each half what was chosen on the other, with the same resamples for every predictor."""

    def __init__(self, mature: Array, *, draws: int, seed: int) -> None:
        self.halves = halves(len(mature), seed)
        self._mature = mature
        self._resampled = [Resampled(mature[half], draws, np.random.default_rng([seed, i]))
                           for i, half in enumerate(self.halves)]  # fmt: skip

    def __call__(self, p: Array, chosen: Sequence[Choice]) -> HeldOut:
        """chosen: on the first half, and on the second."""
        found = []
        all_gains = []
        for i, choice in enumerate(chosen):
            test, resampled = self.halves[1 - i], self._resampled[1 - i]
            base = better_than_chance(p, self._mature, test)
            found.append(spearman(np.stack([p, base, choice.predictor], axis=1)[test], self._mature[test]))
            all_gains.append(resampled(choice.predictor[test]) - resampled(base[test]))
        low, high = interval(np.mean(all_gains, axis=0))
        alone, before, after = (float(value) for value in np.mean(found, axis=0))
        return HeldOut(alone, after, after - before, low, high, " | ".join(choice.said for choice in chosen))
