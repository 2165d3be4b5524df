"""How consistent choices are with those of the subjects of a behaviour (Rajalingham et al. 2018)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from ..errors import RSAError, listing, near
from ..inference.intervals import spread
from ..inference.subjects import two_factor_error
from ..labels import both_sides
from ..types import Array, Attr
from .kappa import kappa_between, kappa_with, right_of_model, right_of_trials
from .rates import PATTERNS, Rates, pattern_correlations
from .trials import Behavior

KAPPA = "kappa"
BEHAVIOR_METRICS = {**PATTERNS, KAPPA: "error consistency (Cohen's kappa of which trials are right)"}
DEFAULT_METRIC = "i2n"
SPLITS = 10
_LEAST = 0.05  # of a reliability: below it the correction divides by noise


@dataclass(frozen=True)
class Consistency:
    """One metric's number.

    Attributes
    ----------
    value : float
        Correlation of the patterns, corrected for the noise of the subjects (and of trials on the other side), or
        kappa as it is.
    raw : float
        The correlation with half of the trials, before the correction.
    ceiling : float
        The raw number of a perfect model: the root of the split-half reliability; of kappa that between subjects.
    low, high : float or None
        95% interval of the value over new images, and new subjects where these are known.
    entries : int
        Numbers in the pattern (of kappa: trials).
    """

    value: float
    raw: float
    ceiling: float
    low: float | None
    high: float | None
    entries: int


@dataclass(frozen=True)
class BehaviorScore:
    """How alike two patterns of choices are, by each metric.

    Attributes
    ----------
    behavior : str
        Name of the behaviour that the choices were compared with.
    metrics : mapping
        Metric -> Consistency.
    accuracy : float
        Share of images for which the model's choice is right; for other subjects' trials, the mean share of right ones
        over images (and distractors).
    attrs : mapping
        Settings and counts.
    """

    behavior: str
    metrics: Mapping[str, Consistency]
    accuracy: float
    attrs: Mapping[str, Attr] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form.

        Returns
        -------
        dict
        """
        return asdict(self)


class BehaviorTest:
    """What choices are compared with: a behaviour, its metrics and its random halves, made once for many models.

    Parameters
    ----------
    behavior : Behavior
    metrics : sequence of str, optional
        Names from `BEHAVIOR_METRICS`; all of them by default.
    splits : int
        Number of random splits of the trials into halves, for the reliabilities.
    seed : int
        Seed of the halves and of the resamples.

    Raises
    ------
    RSAError
        For an unknown metric, and for one that was asked for and about which the trials say nothing: their halves do
        not agree, or there are too few of them. Without `metrics` such metrics are left out, and named in the `attrs`
        of the score.

    Notes
    -----
    Correlations are computed with one half of the trials, averaged over splits and halves, and divided by the geometric
    mean of both sides' split-half reliabilities (a model's is 1). All of these refer to the same number of trials, so
    nothing is extrapolated. The variance over new images and subjects is that of Schutt et al. (2023) for two factors.

    References
    ----------
    Rajalingham, Issa, Bashivan, Kar, Schmidt & DiCarlo (2018), Large-scale, high-resolution comparison of the core
    visual object recognition behavior of humans, monkeys, and state-of-the-art deep artificial neural networks, Journal
    of Neuroscience 38(33).

    Schutt et al. (2023), eLife 12:e82566.
    """

    def __init__(
        self, behavior: Behavior, metrics: Sequence[str] | None = None, *, splits: int = SPLITS, seed: int = 0
    ) -> None:
        if splits < 1 or seed < 0:
            raise RSAError(f"at least one split and a seed from 0 are needed, got splits={splits}, seed={seed}")
        self.behavior, self.splits, self.seed = behavior, splits, seed
        self.metrics = check_metrics(metrics)
        self._first = [behavior.half(seed, split) for split in range(splits)]
        self._halves = [self._rates(split) for split in range(splits)]
        self.reliability: dict[str, float] = {}
        self.reasons: dict[str, str] = {}
        self._patterned = [metric for metric in self.metrics if metric != KAPPA]
        found = [self._correlations([one, other], self._patterned) for one, other in self._halves]
        for metric in self._patterned:
            self.reliability[metric] = float(np.mean([each[metric][0, 1] for each in found]))
            if not self.reliability[metric] > _LEAST:
                self.reasons[metric] = f"halves of its trials correlate by {self.reliability[metric]:.2f} only"
        if KAPPA in self.metrics:
            self.reliability[KAPPA] = kappa_between(behavior)
        if metrics is not None and self.reasons:
            metric, why = next(iter(self.reasons.items()))
            raise RSAError(f"{behavior.name} has no reliable {metric}: {why}; choose another metric")

    def _rates(self, split: int, weights: Array | None = None) -> tuple[Rates, Rates]:
        w = np.ones(len(self.behavior.stimulus)) if weights is None else weights
        first = self._first[split]
        return Rates.of_trials(self.behavior, w * first), Rates.of_trials(self.behavior, w * ~first)

    def __call__(
        self,
        choices: "npt.ArrayLike | Behavior",
        *,
        bootstrap: int = 0,
        progress: Callable[[int], object] = lambda steps: None,
    ) -> BehaviorScore:
        """Compare choices.

        Parameters
        ----------
        choices : array_like or Behavior
            A model's probabilities of the options, (n images, k options) in the order of the behaviour; or the trials
            of other subjects with the same images.
        bootstrap : int
            Number of resamples, of the images within each object and of the subjects, for the intervals; 0 for none.
        progress : callable
            Called with 1 after each resample.

        Returns
        -------
        BehaviorScore

        Raises
        ------
        RSAError
            For values of another shape or that are not probabilities, and for trials of other images.
        """
        ours = _Trials(self, choices) if isinstance(choices, Behavior) else _Model(self.behavior, choices)
        known = [metric for metric in self.metrics if metric not in self.reasons]
        raw, value = self._values(ours, known, range(self.splits))
        reach = self._reach(ours, known, value, bootstrap, progress) if bootstrap else {}
        found: dict[str, Consistency] = {}
        for metric in self.metrics:
            if metric in self.reasons:
                continue
            ceiling, wide = self.ceilings[metric], reach.get(metric, np.nan)
            low, high = (value[metric] - wide, value[metric] + wide) if metric in reach else (None, None)
            entries = len(self.behavior.stimulus)
            if metric != KAPPA:
                entries = int(np.isfinite(self._halves[0][0].patterns([metric])[metric]).sum())
            found[metric] = Consistency(value[metric], raw[metric], ceiling, low, high, entries)
        about: dict[str, Attr] = {"images": len(self.behavior.stimulus_ids), "trials": len(self.behavior.stimulus)}
        about |= {"subjects": self.behavior.subjects or None, "splits": self.splits, "seed": self.seed}
        about |= {"bootstrap": bootstrap, "resampled": self.resampled if bootstrap else None}
        about |= {f"no {metric}": why for metric, why in self.reasons.items()}
        return BehaviorScore(self.behavior.name, found, ours.accuracy, about)

    @property
    def ceilings(self) -> dict[str, float]:
        """Metric -> the raw number of a perfect model; metrics that have none are left out."""
        known = {metric: value for metric, value in self.reliability.items() if metric not in self.reasons}
        return {metric: value if metric == KAPPA else value**0.5 for metric, value in known.items()}

    @property
    def resampled(self) -> str:
        """What is resampled."""
        return "images within objects" + (" and subjects" if self.behavior.subjects > 1 else "")

    def _correlations(
        self, sides: Sequence[Rates], metrics: Sequence[str], images: Array | None = None
    ) -> dict[str, Array]:
        """Metric -> correlations between the patterns of several sides."""
        patterns = [side.patterns(metrics, images) for side in sides]
        k = len(self.behavior.options)
        weights = {
            metric: None
            if images is None or metric in ("o1", "o2", "confusion")
            else images
            if metric in ("i1", "i1n")
            else np.repeat(images, k)
            for metric in metrics
        }
        return {m: pattern_correlations([side[m] for side in patterns], weights[m], m) for m in metrics}

    def _values(
        self,
        ours: "_Model | _Trials",
        metrics: Sequence[str],
        splits: Sequence[int],
        images: Array | None = None,
        trials: Array | None = None,
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Raw and corrected numbers from some of the splits; of a resample with weights of images and of trials."""
        raw, value = dict[str, float](), dict[str, float]()
        patterned = [metric for metric in metrics if metric != KAPPA]
        found = []
        for split in splits:
            theirs = self._halves[split] if trials is None else self._rates(split, trials)
            found.append(self._correlations([*theirs, *ours.sides(split)], patterned, images))
        for metric in patterned:
            r = np.mean([each[metric] for each in found], axis=0)
            raw[metric] = float(r[:2, 2:].mean())
            noise = float(r[0, 1]) * (float(r[2, 3]) if len(r) == 4 else 1.0)
            value[metric] = raw[metric] / noise**0.5 if noise > 0 else np.nan
        if KAPPA in metrics:
            weights = trials
            if images is not None:
                weights = images[self.behavior.stimulus] * (1.0 if trials is None else trials)
            raw[KAPPA] = value[KAPPA] = kappa_with(self.behavior, ours.right, weights)
        return {metric: raw[metric] for metric in metrics}, {metric: value[metric] for metric in metrics}

    def _reach(
        self,
        ours: "_Model | _Trials",
        metrics: Sequence[str],
        values: Mapping[str, float],
        draws: int,
        progress: Callable[[int], object],
    ) -> dict[str, float]:
        """Half of the 95% intervals; over subjects as well by both variances and that of both at once."""
        rng, truth, who = np.random.default_rng((self.seed, draws)), self.behavior.truth, self.behavior.subject
        members = [np.flatnonzero(truth == option) for option in np.unique(truth)]
        n, free = len(truth), max(len(truth) - len(members), 1)
        if n < 2:
            return {}
        known = [metric for metric in metrics if np.isfinite(values[metric])]
        found = np.full((len(known), 3, draws), np.nan)  # over images, subjects, both
        for draw in range(draws):
            images, trials = np.zeros(n), None
            for rows in members:
                images[rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)))
            splits = sorted({(2 * draw + i) % self.splits for i in (0, 1)})
            tried: list[tuple[Array | None, Array | None]] = [(images, None)]
            if who is not None and self.behavior.subjects > 1:
                people = int(who.max()) + 1
                trials = rng.multinomial(people, np.full(people, 1 / people))[who].astype(float)
                tried += [(None, trials), (images, trials)]
            for factor, weights in enumerate(tried):
                drawn = self._values(ours, known, splits, *weights)[1]
                found[:, factor, draw] = [drawn[metric] for metric in known]
            progress(1)
        if self.behavior.subjects > 1:
            by_image, by_subject, by_both = found.transpose(1, 0, 2)
            error = two_factor_error([by_subject, by_image, by_both], self.behavior.subjects, n / (n - free))
            wide = stdtrit(min(self.behavior.subjects - 1, free), 0.975) * error
        else:
            wide = stdtrit(free, 0.975) * np.sqrt(spread(found[:, 0]) * draws / max(draws - 1, 1) * n / free)
        enough = 2 * np.isfinite(found[:, 0]).sum(axis=1) > draws
        return {metric: float(wide[i]) for i, metric in enumerate(known) if enough[i]}


class _Model:
    """The sides of a comparison that a model has: the same in all halves."""

    def __init__(self, behavior: Behavior, probabilities: npt.ArrayLike) -> None:
        given = check_probabilities(probabilities, (len(behavior.stimulus_ids), len(behavior.options)), behavior.name)
        self._rates = Rates.of_model(behavior, given)
        self.right = right_of_model(behavior, given)
        self.accuracy = float(np.mean(given.argmax(1) == behavior.truth))

    def sides(self, split: int) -> tuple[Rates, ...]:
        return (self._rates,)


class _Trials:
    """The sides of a comparison that other subjects have."""

    def __init__(self, test: BehaviorTest, other: Behavior) -> None:
        mine = test.behavior
        if set(mine.stimulus_ids) - set(other.stimulus_ids) or set(mine.options) != set(other.options):
            ids, options = (mine.stimulus_ids, other.stimulus_ids), (mine.options, other.options)
            lists = options if set(options[0]) != set(options[1]) else ids
            what = both_sides(mine.name, list(lists[0]), other.name, list(lists[1]))
            raise RSAError(f"both must be about the same images and options: {what}")
        if (mine.distractor is None) != (other.distractor is None):
            raise RSAError(f"{mine.name} and {other.name} had different tasks: pairs of options in one of them only")
        place = np.array([mine.options.index(option) for option in other.options])
        chosen = other.select(mine.stimulus_ids)
        moved = {"truth": place[chosen.truth], "choice": place[chosen.choice]}
        if chosen.distractor is not None:
            moved["distractor"] = place[chosen.distractor]
        known: dict[str, Any] = {"stimulus": chosen.stimulus, "subject": chosen.subject, **moved}
        self._other = Behavior(other.name, mine.stimulus_ids, mine.options, **known)
        self._test = test
        if (self._other.truth != mine.truth).any():
            raise RSAError(f"{mine.name} and {other.name} differ in which option is right for an image")
        self._halves = BehaviorTest(self._other, [], splits=test.splits, seed=test.seed + 1)._halves
        self.right = right_of_trials(self._other)
        if np.isnan(self.right[mine.cells]).any():
            raise RSAError(f"{other.name} lacks trials of items that {mine.name} has")
        self.accuracy = float(np.nanmean(self.right))

    def sides(self, split: int) -> tuple[Rates, ...]:
        return self._halves[split]


def check_metrics(metrics: Sequence[str] | None) -> tuple[str, ...]:
    """The metrics asked for, each once. Raises RSAError for an unknown one."""
    for metric in metrics or ():
        if metric not in BEHAVIOR_METRICS:
            raise RSAError(f"no metric of behaviour is named {metric!r}{near(metric, list(BEHAVIOR_METRICS))}")
    return tuple(dict.fromkeys(BEHAVIOR_METRICS if metrics is None else metrics))


def check_probabilities(values: npt.ArrayLike, shape: tuple[int, int], name: str) -> Array:
    """Probabilities as float64. Raises RSAError for other shapes, and what is negative, unknown or all zero."""
    given = np.asarray(values, np.float64)
    if given.shape != shape:
        raise RSAError(f"{name}: probabilities of (images, options) must have shape {shape}, got {given.shape}")
    bad = np.flatnonzero(~(np.isfinite(given).all(1) & (given >= 0).all(1) & (given.sum(1) > 0)))
    if len(bad):
        raise RSAError(f"{name}: probabilities must be from 0 to 1; those of images {listing(bad + 1)} are not")
    return given


def softmax(logits: npt.ArrayLike) -> Array:
    """Turn logits (n, k) into probabilities in float64.

    Parameters
    ----------
    logits : array_like

    Returns
    -------
    numpy.ndarray
    """
    values = np.asarray(logits, np.float64)
    values = np.exp(values - values.max(1, keepdims=True))
    return np.asarray(values / values.sum(1, keepdims=True))
