"""From models and targets to a comparison: what is tested, and with which ceilings and controls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .comparison import COLUMNS, ModelComparison, Targets
from .errors import RSAError, conditions, near
from .inference.bootstrap import Resampling, Sides
from .inference.ceiling import left_out
from .inference.contrasts import Contrasts, all_pairs
from .inference.models import SPLITS, ModelSample, Plan
from .inference.multiplicity import SAID, adjusted, check_correction
from .inference.partial import Beyond, check_partial
from .inference.weighted import Weighted, weighted_sample
from .inference.weighted_features import Parts, WeightedFeatures, check_features, weighted_features_sample
from .inference.weighting import Weighting
from .rdm.comparison import align, method_named
from .rdm.rdm import RDM
from .similarity.features import Features
from .types import Array, Attr


class Comparer:
    """Compares models with the same targets, one model after the other; `finished` makes the tests.

    Parameters
    ----------
    targets : Targets
    over : {"stimuli", "subjects", "both"}
        What intervals and tests generalise to.
    draws, groups, seed
        As in `bootstrap`.
    splits : int
        Halvings for the choice of layers.
    correction : str
        One of `CORRECTIONS`.
    beyond : sequence of str
        Models that are controlled for; they are added before the others.
    """

    def __init__(
        self,
        targets: Targets,
        *,
        over: str = "stimuli",
        draws: int = 1000,
        groups: str | Sequence[object] | None = None,
        seed: int = 0,
        splits: int = SPLITS,
        correction: str = "fdr",
        beyond: Sequence[str] = (),
    ) -> None:
        check_correction(correction)
        self.targets, self.correction, self.method = targets, correction, method_named(targets.method)
        self._alone = "holm" if correction == "max" else correction  # of tests that are not between models
        self.beyond = tuple(beyond)
        if beyond:
            check_partial(targets.method)
        everyone = {f"{t}\n{s}": rdm for t, people in targets.rdms.items() for s, rdm in people.items()}
        _, self._columns = align({"first": targets.first}, everyone, cure="RDM.subset selects")
        places, start = {}, 0
        for target, people in targets.rdms.items():
            places[target] = range(start, start + len(people))
            start += len(people)
        self._places = places
        self.plan = Plan(targets.first, places, Resampling(draws, groups, seed), over=over, splits=splits)
        self._samples: dict[str, ModelSample] = {}
        self._left: dict[
            str, list[tuple[ModelSample, dict[str, float]]]
        ] = {}  # model -> by target, beyond the controls
        self._rdms: dict[str, list[RDM]] = {}  # model -> by target, of the layer chosen most often
        self._failed: dict[str, str] = {}
        self._weighted: dict[str, list[str]] = {}  # model -> by target, how its layers were weighted

    def add(
        self,
        model: str,
        layers: "Mapping[str, RDM] | Mapping[str, Features]",
        weighted: str = "",
        *,
        metric: str = "correlation",
    ) -> None:
        """Compare a model, at the layer that other stimuli choose, or with all of them weighted ("nnls", "ridge:0.1",
        "ridge" with a penalty that is chosen).

        Of "features-nnls" and "features-ridge" the layers are features, whose dissimilarity is the metric.

        Raises RSAError where its RDMs cannot be compared with the targets, and for weights that cannot be fitted.
        """
        if not layers:
            raise RSAError(f"{model} has no layer that can be compared")
        weighting = Weighting.named(weighted) if weighted else None
        names, parts = list(layers), None
        if weighting is not None and weighting.features:
            check_features([name for name, one in layers.items() if not isinstance(one, Features)])
            given: Mapping[str, Any] = layers
            _, features = align({"first": self.targets.first}, given, cure="RDM.subset selects")
            parts = Parts([one.values for one in features], metric)
            layers = {name: one.rdm(metric=metric) for name, one in zip(names, features, strict=True)}
        rdms_of: Mapping[str, Any] = layers
        _, own = align({"first": self.targets.first}, rdms_of, cure="RDM.subset selects")
        if weighting is None:
            sample = self.plan.sample(names, Sides(own, self._columns, self.method))
            rdms = [own[int(share.argmax())] for share in sample.shares.T]
            how = [""] * len(rdms)
        elif parts is not None:
            sample, rdms, how = weighted_features_sample(
                self.plan, names, parts, own, self._columns, weighting, self.method.name
            )
        else:
            sample, rdms, how = weighted_sample(self.plan, names, own, self._columns, weighting, self.method.name)
        left = []
        if self.beyond and model not in self.beyond:
            left = [self._beyond(k, target, names, own, weighting, parts) for k, target in enumerate(self._places)]
        self._samples[model], self._left[model], self._rdms[model] = sample, left, rdms
        self._weighted[model] = how

    def fail(self, model: str, reason: str) -> None:
        """Note why a model cannot be compared."""
        self._failed[model] = reason

    def finished(self, models: Sequence[str], named: Callable[[str], str] = str) -> ModelComparison:
        """Test what was added.

        models: all models in order, also those that failed. named: how targets are called in the result.
        """
        rows: list[dict[str, Any]] = []
        pairs: list[dict[str, Any]] = []
        more: list[dict[str, Any]] = []
        profiles: dict[tuple[str, str], dict[str, float]] = {}
        rdms: dict[Any, RDM] = {}
        known = [model for model in models if model in self._samples]
        for k, target in enumerate(self._places):
            name = named(target)
            if known:
                found, tested = self._target(k, target, known)
                rows += [{**row, "target": name} for row in found]
                pairs += [{**row, "target": name} for row in tested]
                more += [{**row, "target": name} for row in self._left_over(k, target, known)]
                rdms[name] = self._target_rdm(target)
            for model in known:
                sample = self._samples[model]
                table = sample.table[:, list(self._places[target])].mean(axis=1)
                profiles[model, name] = dict(zip(sample.layers, table.tolist(), strict=True))
                rdms[model, name] = self._rdms[model][k]
            empty = dict.fromkeys(COLUMNS, None)
            rows += [
                {**empty, "model": model, "target": name, "reason": self._failed.get(model, "not compared")}
                for model in models
                if model not in self._samples
            ]
        names = tuple(named(target) for target in self._places)
        return ModelComparison(rows, pairs, more, tuple(models), names, self.settings(), profiles, rdms)

    def settings(self) -> dict[str, Attr]:
        """What was chosen, for the reader of a result."""
        plan, first = self.plan, self.targets.first
        people = {len(columns) for columns in self._places.values()}
        return {
            "teacher": self.targets.name,
            "method": self.method.name,
            "conditions": conditions(len(first), first.by),
            "over": plan.over,
            "subjects": ", ".join(map(str, sorted(people))),
            "resampled": plan.resampling.kind,
            "about": plan.about,
            "draws": plan.resampling.draws,
            "splits": plan.splits,
            "seed": plan.resampling.seed,
            "correction": self.correction,
            "correction_said": SAID[self.correction],
            **{f"teacher_{key}": value for key, value in self.targets.attrs.items()},
        }

    def _target_rdm(self, target: str) -> RDM:
        people = list(self.targets.rdms[target].values())
        return people[0] if len(people) == 1 else RDM.mean(people, target)

    def _target(self, k: int, target: str, models: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        samples = [self._samples[model] for model in models]
        bounds, own = self._ceilings(target), self._places[target]
        contrasts = Contrasts(self.plan.only(target), [*(sample.only(k, own) for sample in samples), *bounds])
        n = len(models)
        low, high = contrasts.intervals()
        zero = np.full(n, np.nan)
        if self.method.centred:
            zero = adjusted(contrasts.above()[:n], self._alone)
        ceiling = self.targets.ceilings.get(target)
        below = np.full(n, np.nan)
        if bounds:
            ceiling = (float(contrasts.estimate[n]), float(contrasts.estimate[n + 1]))
            against = contrasts.differences(np.arange(n), np.full(n, n))
            below = np.where(against["difference"] < 0, against["p"] / 2, 1 - against["p"] / 2)
        elif ceiling is not None:
            below = 1 - contrasts.above(ceiling[0], best=True)[:n]
        below = adjusted(below, self._alone)
        rows = []
        for i, (model, sample) in enumerate(zip(models, samples, strict=True)):
            chosen = int(sample.shares[:, k].argmax())
            table = sample.table[:, list(own)].mean(axis=1)
            best = int(table.argmax())
            value = float(contrasts.estimate[i])
            rows.append(
                {
                    "model": model,
                    "target": target,
                    "similarity": value,
                    "low": float(low[i]),
                    "high": float(high[i]),
                    "p_zero": float(zero[i]),
                    "ceiling_low": None if ceiling is None else ceiling[0],
                    "ceiling_high": None if ceiling is None else ceiling[1],
                    "p_ceiling": float(below[i]),
                    "ceiled": None if ceiling is None else value / ceiling[1],
                    "layer": sample.layers[chosen],
                    "share": float(sample.shares[chosen, k]),
                    "layers": len(sample.layers),
                    "best_layer": sample.layers[best],
                    "best_similarity": float(table[best]),
                    "weighted": self._weighted[model][k],
                    "reason": "",
                }
            )
        first, second = all_pairs(n)
        if not len(first):
            return rows, []
        found = contrasts.differences(first, second)
        noise = contrasts.noise(first, second) if self.correction == "max" else None
        found["p_adjusted"] = adjusted(found["p"], self.correction, noise)
        pairs = [
            {
                "target": target,
                "first": models[i],
                "second": models[j],
                **{key: float(v[m]) for key, v in found.items()},
            }
            for m, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True))
        ]
        return rows, pairs

    def _ceilings(self, target: str) -> list[ModelSample]:
        """The leave-one-out ceilings of several subjects, as models that have no choice."""
        columns = [self._columns[c] for c in self._places[target]]
        if len(columns) < 2:
            return []
        plan = self.plan.only(target)
        return [
            plan.sample(("ceiling",), _Matched(Sides(bounds, columns, self.method)))
            for bounds in left_out(columns, self.method)
        ]

    def _beyond(
        self,
        k: int,
        target: str,
        names: Sequence[str],
        layers: Sequence[RDM],
        weighting: Weighting | None,
        parts: Parts | None,
    ) -> tuple[ModelSample, dict[str, float]]:
        """Partial similarity given the controls' RDMs, at the layer that it chooses itself, or of weighted layers."""
        missing = [control for control in self.beyond if control not in self._rdms]
        if missing:
            why = f": {self._failed[missing[0]]}" if missing[0] in self._failed else near(missing[0], list(self._rdms))
            raise RSAError(f"{missing[0]} is controlled for and was not compared{why}")
        columns = [self._columns[c] for c in self._places[target]]
        controls, plan = [self._rdms[control][k] for control in self.beyond], self.plan.only(target)
        if weighting is None:
            sides = Beyond(layers, columns, controls, self.method.name)
            sample = plan.sample(names, sides)
            chosen = int(sample.shares[:, 0].argmax())
        else:
            how = layers, columns, weighting, self.method.name, controls
            model = Weighted(plan, *how) if parts is None else WeightedFeatures(plan, parts, *how)
            sides, chosen = Beyond([model.rdm], columns, controls, self.method.name), 0
            sample = model.sample(names)
        shares = [float(part[chosen].mean()) for part in sides.variance()]
        return sample, dict(zip(("unique", "common", "control"), shares, strict=True))

    def _left_over(self, k: int, target: str, models: Sequence[str]) -> list[dict[str, Any]]:
        rest = [model for model in models if self._left[model]]
        if not rest:
            return []
        found = [self._left[model][k] for model in rest]
        contrasts = Contrasts(self.plan.only(target), [sample for sample, _ in found])
        low, high = contrasts.intervals()
        zero = adjusted(contrasts.above(), self._alone)
        value, said = contrasts.estimate, ", ".join(self.beyond)
        return [
            {
                "model": model,
                "target": target,
                "beyond": said,
                "similarity": float(value[i]),
                "low": float(low[i]),
                "high": float(high[i]),
                "p_zero": float(zero[i]),
                **found[i][1],
            }
            for i, model in enumerate(rest)
        ]


class _Matched:
    """One row: each RDM with the column of its own subject."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides

    def influences(self) -> tuple[Array, Array]:
        values, slopes = self.sides.influences()
        own = np.arange(len(values))
        return values[own, own][None], slopes[own, own][None]

    def resampled(self, weights: npt.NDArray[np.int64]) -> Array:
        drawn = self.sides.resampled(weights)
        own = np.arange(len(drawn))
        return drawn[own, own][None]
