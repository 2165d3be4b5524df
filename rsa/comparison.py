"""Several models against several targets: which is better, how sure that is, and what each explains alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import RSAError, listing, near
from .notebooks import as_html
from .rdm.comparison import METHODS, compare_all
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
    "weighted",
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
        One per model and target: `similarity`, that of the layer chosen on other stimuli (and, for inference over
        subjects, on other subjects), and its 95% interval;
        `p_zero` (one-sided, for a similarity above zero) and `p_ceiling` (one-sided, for one below the lower ceiling),
        both adjusted over the models of a target; `ceiled`, the similarity divided by the upper ceiling; `layer`, the
        one chosen most often, the `share` of the halvings in which it was chosen, and the number of `layers` to choose
        from; `best_layer`, the best one on all stimuli, and its similarity, which is biased upwards; `weighted`, how
        the layers (or features) of a model were combined ("nnls", "ridge:0.1", "features-nnls"; where no penalty was
        given, with the one chosen on all stimuli), in which case `layer` is the one with the largest `share` of the
        weights, each multiplied by the spread of its layer's RDM; and, for a model that failed, the `reason`.
    pairs : list of dict
        One per target and pair of models: `difference` (first - second), its `standard_error` and 95% interval, `p`
        (two-sided) and `p_adjusted` over the pairs of the target.
    beyond : list of dict
        One per model and target, where controls were given: the partial similarity given the controls, with its
        interval and the adjusted p-value for its being above zero; and the shares of the target's variance that are the
        model's alone (`unique`), common to both (`common`), and the controls' alone (`control`).
    models, targets : tuple of str
        In the order in which figures show them.
    settings : dict
        The settings that were chosen.
    profiles : dict
        (model, target) -> layer -> similarity, for all layers.
    rdms : dict
        Target -> its RDM, and (model, target) -> the RDM of the layer chosen most often.
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
            For any other table.
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
        """Return 1 - similarity between all RDMs of models (at the layers chosen for the first target) and of targets.

        Parameters
        ----------
        models, targets : sequence of str
            The targets must be over the same conditions. If there are more than 400 conditions, 400 of them are drawn
            (seed 0).

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
            similarity of their RDMs; the RDMs themselves.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from .plots.figures import pyplot
        from .plots.models import comparison_figure

        return comparison_figure(self, kind, pyplot().figure())

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
