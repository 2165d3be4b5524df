"""From the similarities of layers and targets to a predictor of performance: the paper's rule, and others worth trying.

What is open about a predictor (alpha, target, layer, weights) is chosen on one half of a pool and tested on the other;
otherwise the best of many would look good by chance alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.stats import rankdata

from ...rsa import Teacher, compare
from ...rsa.errors import check_known
from ...rsa.score import best_similarity, teacher_guidance
from ...rsa.types import Array
from ..pool.layer_similarities import similarities
from ..pool.pool import Pool, View
from ..rank_statistics import Resampled, interval, spearman

Half = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Matched:
    """A teacher against all members of a pool.

    similarity: (members, checkpoints, layers, targets), NaN where there is no layer or no RDM. layers: (members,) how
    many each has. pixels: the layers' similarity to the pixels (members, checkpoints, layers, 1). shared: (targets,)
    the targets' own.
    """

    similarity: Array
    layers: npt.NDArray[np.int64]
    pixels: Array
    shared: Array

    @classmethod
    def of(
        cls, pool: Pool, view: View, teachers: Mapping[str, Teacher], method: str = "pearson"
    ) -> "dict[str, Matched]":
        """Teacher by name -> it against the pool's members, over one view."""
        pixels = view.controls()[0].rdms["pixels"]
        targets = [(name, target, rdm) for name, one in teachers.items() for target, rdm in one.rdms.items()]
        rdms = [rdm.subset(view.labels).replace(name=f"{name}: {target}") for name, target, rdm in targets]
        found = np.asarray(similarities(pool, view, [*rdms, pixels], method), np.float64)
        layers = np.array([len(member.layers) for member in pool.members])
        places = {name: [i for i, target in enumerate(targets) if target[0] == name] for name in teachers}
        shared = [compare(rdm, pixels, method=method) for rdm in rdms]
        return {
            name: cls(found[..., here], layers, found[..., -1:], np.array(shared)[here])
            for name, here in places.items()
        }

    @property
    def best(self) -> Array:
        """(members, checkpoints, targets): the most similar layer of each; 0 where no layer has an RDM."""
        return best_similarity(self.similarity, empty=0.0)

    def at(self, checkpoint: int) -> "Matched":
        """At one checkpoint alone, given by its index."""
        here = slice(checkpoint, checkpoint + 1)
        return replace(self, similarity=self.similarity[:, here], pixels=self.pixels[:, here])

    def at_depths(self, n: int) -> Array:
        """(members, checkpoints, n, targets): the layers at n equal steps of relative depth; 0 without RDM.

        Where all members have n layers these are the layers themselves.
        """
        steps = np.arange(1, n + 1) / n
        places = np.ceil(np.round(steps * self.layers[:, None], 9)).astype(np.int64) - 1
        return np.asarray(np.nan_to_num(np.take_along_axis(self.similarity, places[:, None, :, None], axis=2)))


def paper(matched: Matched) -> Array:
    """Mean over targets of the most similar layer (paper, section 3.2)."""
    return teacher_guidance(matched.similarity, empty=0.0)


def depth(matched: Matched) -> Array:
    """Every target against the layer at its own relative depth."""
    n = matched.similarity.shape[3]
    return np.asarray(np.einsum("mctt->mc", matched.at_depths(n)) / n)


def deep(matched: Matched) -> Array:
    """The paper's rule over the deeper half of the targets."""
    n = matched.similarity.shape[3]
    return teacher_guidance(matched.similarity[..., n // 2 :], empty=0.0)


def partial(matched: Matched) -> Array:
    """The paper's rule with partial correlations given the pixels: what similar images alone explain is taken out.

    A target that is the pixels themselves leaves nothing: 0.
    """
    with np.errstate(invalid="ignore"):
        rest = np.sqrt(np.clip((1 - matched.pixels**2) * (1 - matched.shared**2), 0, None))
        above = matched.similarity - matched.pixels * matched.shared
        given = np.where(rest > 1e-3, above / np.maximum(rest, 1e-3), np.where(np.isnan(rest), np.nan, 0.0))
    return teacher_guidance(given, empty=0.0)


def deepest(matched: Matched) -> Array:
    """The candidate's deepest layer against the deeper half of the targets; 0 without RDM."""
    n = matched.similarity.shape[3]
    last = np.nan_to_num(_last(matched.similarity, matched.layers)[..., n // 2 :])
    return np.asarray(last.mean(axis=-1))


def _last(similarity: Array, layers: npt.NDArray[np.int64]) -> Array:
    """Of every member's last layer: (members, checkpoints, targets)."""
    return np.asarray(np.take_along_axis(similarity, layers[:, None, None, None] - 1, axis=2)[:, :, 0])


FIXED: Mapping[str, Callable[[Matched], Array]] = {
    "paper": paper,
    "depth": depth,
    "deep": deep,
    "partial": partial,
    "deepest": deepest,
}
RULES = {  # those that are not fixed learn something on a half of the pool, see `fit`
    "paper": "mean over targets of the most similar layer",
    "depth": "every target against the layer at its own relative depth",
    "deep": "the paper's rule over the deeper half of the targets",
    "partial": "the paper's rule with partial correlations given the pixels",
    "deepest": "the candidate's deepest layer against the deeper half of the targets",
    "target": "one target, chosen on the other half",
    "layer": "a fixed layer per target, chosen on the other half",
    "weights": "weights of P and of every target, learned on the other half",
}


def check_rule(rule: str) -> None:
    """Raise RSAError for an unknown rule."""
    check_known("unknown rule", rule, RULES)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A predictor (members,), how well it ranks the half on which it was chosen, and what was chosen."""

    predictor: Array
    fit: float
    chosen: str


@dataclass(frozen=True)
class HeldOut:
    """How well what was chosen on one half ranks the other, averaged over both.

    p, score: Spearman correlation of P alone and of the predictor. gain: that of the predictor over the better of P and
    chance. low, high: the gain's 95% interval over resampled architectures.
    """

    p: float
    score: float
    gain: float
    low: float
    high: float
    chosen: str


def better_than_chance(p: Array, mature: Array, half: Half | slice = slice(None)) -> Array:
    """P if it ranks this half better than chance does, else a constant, which ranks nothing.

    Noise gains when it is added to a P that ranks the members backwards, without any knowledge of a teacher.
    """
    return p if spearman(p[half], mature[half]) > 0 else np.zeros_like(p)


def _best_alpha(p: Array, tgs: Mapping[str, Array], mature: Array, half: Half, alphas: Sequence[float]) -> Fitted:
    """Choose the best P + alpha TG on a half, among several TG by name; the earliest of equals."""
    names = [(name, alpha) for name in tgs for alpha in alphas]
    columns = np.stack([p + alpha * tgs[name] for name, alpha in names], axis=1)
    fits = spearman(columns[half], mature[half])
    best = int(fits.argmax())
    name, alpha = names[best]
    return Fitted(columns[:, best], float(fits[best]), ", ".join(filter(None, (name, f"alpha {alpha:g}"))))


def fit(
    rule: str, p: Array, matched: Matched, mature: Array, half: Half, alphas: Sequence[float], targets: Sequence[str]
) -> Fitted:
    """Fit a rule on one half's mature performance, at the one checkpoint of `p` and `matched`."""
    if rule in FIXED:
        return _best_alpha(p, {"": FIXED[rule](matched)[:, 0]}, mature, half, alphas)
    best = matched.best[:, 0]
    if rule == "target":
        return _best_alpha(p, dict(zip(targets, best.T, strict=True)), mature, half, alphas)
    if rule == "weights":
        return _weighted(p, best, mature, half)
    layers = matched.at_depths(matched.similarity.shape[2])[:, 0]
    places = spearman(layers[half], mature[half]).argmax(axis=0)
    tg = np.mean([layers[:, place, j] for j, place in enumerate(places)], axis=0)
    found = _best_alpha(p, {"": tg}, mature, half, alphas)
    return replace(found, chosen=f"{'/'.join(str(place + 1) for place in places)}, {found.chosen}")


def _weighted(p: Array, best: Array, mature: Array, half: Half) -> Fitted:
    """Fit the ranks of mature performance by nonnegative weights of P and of every target (least squares)."""
    columns = np.column_stack([p, best])
    spread = columns[half].std(axis=0)
    scaled = (columns - columns[half].mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    goal = rankdata(mature[half])
    weights, _ = nnls(scaled[half], (goal - goal.mean()) / max(float(goal.std()), 1e-9))
    total = float(weights.sum())
    predictor = scaled @ weights if total else p
    share = weights / total if total else np.eye(len(weights))[0]
    return Fitted(
        predictor, float(spearman(predictor[half], mature[half])), " ".join(f"{value:.2f}" for value in share)
    )


def halves(n: int, seed: int) -> tuple[Half, Half]:
    """Two random halves of the members."""
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


class Examiner:
    """Tests on each half what was chosen on the other, with the same resamples for every predictor."""

    def __init__(self, mature: Array, *, draws: int, seed: int) -> None:
        self.halves = halves(len(mature), seed)
        self._mature = mature
        rngs = [np.random.default_rng([seed, i]) for i in range(2)]
        self._resampled = [Resampled(mature[half], draws, rng) for half, rng in zip(self.halves, rngs, strict=True)]

    def __call__(self, p: Array, fitted: Sequence[Fitted]) -> HeldOut:
        """fitted: on the first half, and on the second."""
        found, all_gains = [], []
        for i, one in enumerate(fitted):
            test, resampled = self.halves[1 - i], self._resampled[1 - i]
            base = better_than_chance(p, self._mature, test)
            found.append(spearman(np.stack([p, base, one.predictor], axis=1)[test], self._mature[test]))
            all_gains.append(resampled(one.predictor[test]) - resampled(base[test]))
        low, high = interval(np.mean(all_gains, axis=0))
        alone, before, after = (float(value) for value in np.mean(found, axis=0))
        return HeldOut(alone, after, after - before, low, high, " | ".join(one.chosen for one in fitted))
