"""Several models against several targets: which is better, how sure that is, and what each explains alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import RSAError, conditions, listing, near
from .inference.bootstrap import Resampling, Sides
from .inference.ceiling import left_out
from .inference.contrasts import Contrasts, all_pairs
from .inference.models import SPLITS, ModelSample, Plan
from .inference.multiplicity import SAID, adjusted, check_correction
from .inference.partial import Beyond, check_partial
from .notebooks import as_html
from .rdm.comparison import METHODS, align, compare_all, method_named
from .rdm.rdm import RDM
from .types import Array, Attr

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure, SubFigure

_MAPPED = 400  # conditions at most in a map
COLUMNS = (
    "model",
    "target",
    "similarity",
    "low",
    "high",
    "p_zero",
    "ceiling_low",
    "ceiling_high",
    "p_ceiling",
    "ceiled",
    "layer",
    "share",
    "layers",
    "best_layer",
    "best_similarity",
    "reason",
)
PAIR_COLUMNS = ("target", "first", "second", "difference", "standard_error", "low", "high", "p", "p_adjusted")
BEYOND_COLUMNS = ("model", "target", "beyond", "similarity", "low", "high", "p_zero", "unique", "common", "control")


@dataclass(frozen=True)
class Targets:
    """What models are compared with: targets over the same conditions, each one RDM or one per subject.

    Attributes
    ----------
    name : str
        Of the teacher.
    rdms : dict of str to (dict of str to RDM)
        Target -> subject (or animal) -> RDM; one subject, "", where there is only one.
    ceilings : dict
        Target -> (lower, upper), where known; of several subjects they are computed.
    method : str
        How RDMs are compared.
    attrs : dict
        How the targets were made.
    """

    name: str
    rdms: Mapping[str, Mapping[str, RDM]]
    ceilings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    method: str = "pearson"
    attrs: Mapping[str, Attr] = field(default_factory=dict)

    @property
    def first(self) -> RDM:
        """One of its RDMs, for labels and descriptors."""
        return next(iter(next(iter(self.rdms.values())).values()))


@dataclass(frozen=True, eq=False, repr=False)
class ModelComparison:
    """How similar several models are to several targets.

    Attributes
    ----------
    rows : list of dict
        One per model and target: `similarity` of the layer that other stimuli choose, its 95% interval, `p_zero`
        (one-sided, of a similarity above zero), `p_ceiling` (one-sided, of one below the lower ceiling), both adjusted
        over the models of a target; `ceiled`, the similarity divided by the upper ceiling; `layer`, the one that was
        chosen most often, and in which `share` of the halvings, of how many `layers`; `best_layer` of all stimuli and
        its similarity, which is biased upwards; and, of a model that failed, the `reason`.
    pairs : list of dict
        One per target and pair of models: `difference` (first - second), its `standard_error` and 95% interval, `p`
        (two-sided) and `p_adjusted` over the pairs of the target.
    beyond : list of dict
        One per model and target, where controls were given: the partial similarity given the controls, with interval
        and adjusted p-value of being above zero; and the shares of the target's variance that are the model's alone
        (`unique`), `common`, and the controls' alone (`control`).
    models, targets : tuple of str
        In the order of the pictures.
    settings : dict
        What was chosen.
    profiles : dict
        (model, target) -> layer -> similarity, of all layers.
    rdms : dict
        Target, and (model, target), -> RDM, of the most often chosen layer.
    """

    rows: Sequence[Mapping[str, Any]]
    pairs: Sequence[Mapping[str, Any]]
    beyond: Sequence[Mapping[str, Any]]
    models: tuple[str, ...]
    targets: tuple[str, ...]
    settings: Mapping[str, Attr]
    profiles: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    rdms: Mapping[Any, RDM] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, str]:
        """Model -> why it could not be compared with a target."""
        return {str(row["model"]): str(row["reason"]) for row in self.rows if row["reason"]}

    def to_dataframe(self, which: str = "rows") -> "pandas.DataFrame":
        """Return one of the tables.

        Parameters
        ----------
        which : {"rows", "pairs", "beyond"}

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        RSAError
            For another table.
        """
        import pandas

        columns = {"rows": COLUMNS, "pairs": PAIR_COLUMNS, "beyond": BEYOND_COLUMNS}
        if which not in columns:
            raise RSAError(f"there is no table {which!r}{near(which, list(columns))}")
        return pandas.DataFrame(list(getattr(self, which)), columns=list(columns[which]))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the RDMs as JSON-able values.

        Returns
        -------
        dict
        """
        profiles: dict[str, dict[str, dict[str, float]]] = {}
        for (model, target), layers in self.profiles.items():
            profiles.setdefault(model, {})[target] = dict(layers)
        tables = {key: [dict(row) for row in getattr(self, key)] for key in ("rows", "pairs", "beyond")}
        return {**tables, "profiles": profiles, "settings": dict(self.settings), "in_words": self.words()}

    def to_latex(self) -> str:
        """Return a LaTeX table (booktabs): models x targets, with intervals and ceilings.

        Returns
        -------
        str
        """
        from .report.tables import latex

        return latex(self)

    def words(self) -> list[str]:
        """Say in sentences what the intervals are about and how the tests were done.

        Returns
        -------
        list of str
        """
        from .report.tables import in_words

        return in_words(self)

    def distances(self, models: Sequence[str], targets: Sequence[str]) -> Array:
        """Return 1 - similarity between the RDMs of models, at the layers chosen for the first target, and of targets.

        Parameters
        ----------
        models, targets : sequence of str
            Targets over the same conditions. Of more than 400 conditions 400 are drawn (seed 0).

        Returns
        -------
        array (n, n)
            Models, then targets.
        """
        rdms = [*(self.rdms[model, targets[0]] for model in models), *(self.rdms[target] for target in targets)]
        labels = rdms[-1].labels
        if len(labels) > _MAPPED:
            drawn = np.sort(np.random.default_rng(0).choice(len(labels), _MAPPED, replace=False))
            labels = tuple(labels[i] for i in drawn)
        named = {str(i): rdm.subset(labels) for i, rdm in enumerate(rdms)}
        method = str(self.settings.get("method", "pearson"))
        found: Array = 1 - compare_all(named, named, method=method if method in METHODS else "pearson").to_numpy()
        return found

    def plot(self, kind: str = "models") -> "Figure | SubFigure":
        """Draw the comparison in a new pyplot figure; nothing is shown or written.

        Parameters
        ----------
        kind : {"models", "profiles", "map", "rdms"}
            Models with intervals, ceilings and tests; similarity over layers; a map of models and targets by the
            similarity of their RDMs; these RDMs.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from matplotlib import pyplot

        from .plots.models import comparison_figure

        return comparison_figure(self, kind, pyplot.figure())

    def __repr__(self) -> str:
        lines = [f"ModelComparison({len(self.models)} models x {len(self.targets)} targets)"]
        for row in self.rows:
            said = row["reason"] or f"{row['similarity']:.4f} [{row['low']:.4f}, {row['high']:.4f}] ({row['layer']})"
            lines.append(f"  {row['model']} - {row['target']}: {said}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        numbers = self.to_dataframe().pivot(index="model", columns="target", values="similarity")
        shown = numbers.reindex(index=list(self.models), columns=list(self.targets)).round(4)
        return as_html(repr(self).split("\n")[0], dict(self.settings), shown)


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

    def add(self, model: str, layers: Mapping[str, RDM]) -> None:
        """Compare a model. Raises RSAError where its RDMs cannot be compared with the targets."""
        if not layers:
            raise RSAError(f"{model} has no layer that can be compared")
        _, own = align({"first": self.targets.first}, layers, cure="RDM.subset selects")
        sample = self.plan.sample(list(layers), Sides(own, self._columns, self.method))
        left = []
        if self.beyond and model not in self.beyond:
            left = [self._beyond(k, target, list(layers), own) for k, target in enumerate(self._places)]
        self._samples[model], self._left[model] = sample, left
        self._rdms[model] = [own[int(share.argmax())] for share in sample.shares.T]

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
            zero = adjusted(contrasts.above()[:n], "holm" if self.correction == "max" else self.correction)
        ceiling = self.targets.ceilings.get(target)
        below = np.full(n, np.nan)
        if bounds:
            ceiling = (float(contrasts.estimate[n]), float(contrasts.estimate[n + 1]))
            against = contrasts.differences(np.arange(n), np.full(n, n))
            below = np.where(against["difference"] < 0, against["p"] / 2, 1 - against["p"] / 2)
        elif ceiling is not None:
            below = 1 - contrasts.above(ceiling[0], best=True)[:n]
        below = adjusted(below, "holm" if self.correction == "max" else self.correction)
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
        self, k: int, target: str, names: Sequence[str], layers: Sequence[RDM]
    ) -> tuple[ModelSample, dict[str, float]]:
        """Partial similarity given the controls' most often chosen layers, at the layer that it chooses itself."""
        missing = [control for control in self.beyond if control not in self._rdms]
        if missing:
            why = f": {self._failed[missing[0]]}" if missing[0] in self._failed else near(missing[0], list(self._rdms))
            raise RSAError(f"{missing[0]} is controlled for and was not compared{why}")
        columns = [self._columns[c] for c in self._places[target]]
        sides = Beyond(layers, columns, [self._rdms[control][k] for control in self.beyond], self.method.name)
        sample = self.plan.only(target).sample(names, sides)
        chosen = int(sample.shares[:, 0].argmax())
        shares = [float(part[chosen].mean()) for part in sides.variance()]
        return sample, dict(zip(("unique", "common", "control"), shares, strict=True))

    def _left_over(self, k: int, target: str, models: Sequence[str]) -> list[dict[str, Any]]:
        rest = [model for model in models if self._left[model]]
        if not rest:
            return []
        found = [self._left[model][k] for model in rest]
        contrasts = Contrasts(self.plan.only(target), [sample for sample, _ in found])
        low, high = contrasts.intervals()
        zero = adjusted(contrasts.above(), "holm" if self.correction == "max" else self.correction)
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


def joined(parts: Sequence[ModelComparison]) -> ModelComparison:
    """Comparisons of the same models with other targets as one; settings that differ are kept by teacher."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    settings: dict[str, Attr] = {}
    for part in parts:
        for key, value in part.settings.items():
            shared = all(other.settings.get(key) == value for other in parts)
            settings[key if shared else f"{part.settings['teacher']}: {key}"] = value
    names = [target for part in parts for target in part.targets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RSAError(f"two targets are called {listing(twice)}; give every teacher once")
    return ModelComparison(
        [row for part in parts for row in part.rows],
        [row for part in parts for row in part.pairs],
        [row for part in parts for row in part.beyond],
        first.models,
        tuple(names),
        settings,
        {key: value for part in parts for key, value in part.profiles.items()},
        {key: value for part in parts for key, value in part.rdms.items()},
    )
