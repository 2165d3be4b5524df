"""Every predictor alone, what it adds to others, and what a teacher adds: among random, good and equal members."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.errors import listing
from ...rsa.types import Array
from ..rank_statistics import chosen, spearman
from ..report import packed, reading_results, unpacked
from .learning import LEAST, Learned, Resamples, learn, partial, ranked, summed
from .table import LEARNED, SIZE, Table, varying

if TYPE_CHECKING:
    import xarray

KIND, _PARTS = "rivals", ("single", "given", "gain", "summed", "agreement")
_STATED = (
    *("pool", "free", "space", "seeds", "members", "populations", "population seeds", "controls", "draws"),
    *("bands", "too few", "resampling seed"),
)
CHOSEN = 5
POPULATIONS = 3  # at most
TOP = 0.2  # of a population: precision is the share of it among as many that a predictor chooses
ALPHAS = (0.0, 1.0, 5.0)
BANDS = 3  # of size
DEEPEST = "deepest"
ANY, P = "any", "P"
FREE_LEARNED, BOTH_LEARNED = "all that is free, learned", "all that is free and P, learned"
SUMMED = "P + alpha TG, chosen"
TAUGHT = {"P": "P and TG, learned", "free + P": "all that is free, P and TG, learned"}  # question -> with a teacher
QUESTIONS = {  # what TG is added to -> in words
    "size": "size",
    "P": "P",
    "free": "free predictors",
    "free + P": "free predictors and P",
    "free + P + rivals": "free predictors, P, labels and pixels",
}
GIVEN = ("size", "size + P", "free + P")  # of partial correlations


@dataclass(frozen=True, eq=False, repr=False)
class Rivals:
    """What `analyse` found; correlations are Spearman with mature performance, means over seeds.

    Attributes
    ----------
    single : xarray.Dataset
        (population, predictor, checkpoint): `spearman`, `low`, `high`; `precision` of its choice of the best fifth;
        `regret` of the five chosen, in percentage points below the five best, with `regret low` and `regret high`.
        The last predictors are combinations that are learned, and whose teacher is chosen, on other members.
    given : xarray.Dataset
        (given, population, predictor, checkpoint): partial correlation `r`, `low`, `high`.
    gain : xarray.Dataset
        (question, population, teacher, checkpoint): held-out `base`, `full`, `gain`, `low`, `high` of a learned
        combination with TG over one without; either counts as chance where it ranks backwards. Among the teachers "P",
        "all that is free" and rival rules are what these add; "any" is chosen on other members, too.
    summed : xarray.Dataset
        (population, teacher, checkpoint): the same for the paper's P + alpha TG over P, alpha chosen on other members.
    agreement : xarray.Dataset
        (population, predictor, checkpoint): `r`, Spearman between two training seeds, the mean over pairs of seeds;
        NaN with one seed.
    about : dict
    """

    single: "xarray.Dataset"
    given: "xarray.Dataset"
    gain: "xarray.Dataset"
    summed: "xarray.Dataset"
    agreement: "xarray.Dataset"
    about: dict[str, Any]

    def __repr__(self) -> str:
        sizes = self.gain.sizes
        return f"Rivals({sizes['teacher']} teachers, {sizes['population']} populations of {self.about['space']})"


def populations(table: Table) -> dict[str, npt.NDArray[np.bool_]]:
    """Name -> members: by the groups that they were drawn for, else all and their best quarter."""
    kinds = np.array([group.partition(" ")[0] for group in table.groups])
    if len(bands := bands_of(table.groups)) > BANDS:
        raise RSAError(f"members of {len(bands)} bands of size, where a pool has {BANDS}: {listing(bands, 9)}")
    named = {"random": "random", "best": "best tenth", "size": "equal size"}
    found = {title: kinds == kind for kind, title in named.items() if (kinds == kind).any()}
    if not found:
        best = table.mature >= np.quantile(table.mature, 0.75)
        found = {"all": np.ones(len(kinds), bool), "best quarter": best}
    return found


def bands_of(groups: Iterable[str]) -> list[str]:
    """The groups that are bands of size."""
    return sorted({group for group in groups if group.startswith("size")})


class _Population:
    """Some members, at the seeds that have enough of them; at equal size all values are ranks within a band."""

    def __init__(self, table: Table, inside: npt.NDArray[np.bool_], name: str, draws: int, seed: int) -> None:
        kept = np.flatnonzero(inside & table.present.any(axis=0))
        self.count = len(kept)
        counts = table.present[:, kept].sum(axis=1)
        self.seeds = np.flatnonzero(counts >= LEAST)
        kept = kept[table.present[np.ix_(self.seeds, kept)].any(axis=0)] if len(self.seeds) else kept[:0]
        self.table, self.members, self.banded = table, kept, name == "equal size"
        self.present = table.present[np.ix_(self.seeds, kept)]
        self.bands = np.array([table.groups[i] for i in kept])
        self.mature = table.mature[kept]
        if len(self.seeds):
            self.resamples = Resamples.draw(self.present, draws, seed)
            (self.goal,) = self.within(self.mature[None], np.ones((1, len(kept)), bool))

    def within(self, values: Array, present: npt.NDArray[np.bool_] | None = None) -> Array:
        """Of (seeds, members): within every band ranks among those present, where sizes are to be equal."""
        if not self.banded:
            return values
        present = self.present if present is None else present
        out = np.zeros(values.shape)
        for band in np.unique(self.bands):
            here = self.bands == band
            out[:, here] = ranked(values[:, here], present[:, here])
        return out

    def constant(self, values: Array) -> Array:
        """Of all members, whatever their seed and checkpoint: (seeds, members)."""
        return self.within(np.broadcast_to(values[self.members], self.present.shape))

    def at(self, values: Array, c: int) -> Array:
        return self.within(values[np.ix_(self.seeds, self.members)][..., c])


def analyse(
    table: Table, *, draws: int = 100, seed: int = 0, progress: Callable[[int], object] = lambda steps: None
) -> Rivals:
    """Ask of every predictor what it tells alone, what beside others, and what teachers add.

    Parameters
    ----------
    table : Table
    draws : int
        Resamples of the members, beside those without a seed.
    seed : int
    progress : callable
        Called with 1 after every population and checkpoint.

    Returns
    -------
    Rivals

    Raises
    ------
    RSAError
        If no population has LEAST members at some seed.
    """
    if not table.teachers.keys() - {*table.controls}:
        raise RSAError("all teachers are controls, which the analysis adds by itself; give another teacher")
    groups = populations(table)
    here = {name: _Population(table, inside, name, draws, seed) for name, inside in groups.items()}
    few = {name: one.count for name, one in here.items() if not len(one.seeds)}
    here = {name: one for name, one in here.items() if len(one.seeds)}
    if not here:
        raise RSAError(f"no group of the pool has {LEAST} members at some seed yet: {few}")
    found = _Found([], [], [], [], [])
    for name, population in here.items():
        for c, checkpoint in enumerate(table.checkpoints):
            _Questions(population, c, {"population": name, "checkpoint": checkpoint}, found).ask()
            progress(1)
    counts = {name: one.present.sum(axis=1).tolist() for name, one in here.items()}
    seeds = {name: [table.seeds[s] for s in one.seeds] for name, one in here.items()}
    about = {
        **table.about,
        "members": table.present.sum(axis=1).tolist(),
        "seeds": list(table.seeds),
        "space": table.space,
        "populations": counts,
        "population seeds": seeds,
        "too few": few,
        "in no group": int((~np.any(list(groups.values()), axis=0)).sum()),
        "draws": draws,
        "resampling seed": seed,
        "controls": list(table.controls),
        "rival rules": list(varying(table.rivals)),
        "bands": bands_of(table.groups),
    }
    return Rivals(
        _dataset(found.single, ("population", "predictor", "checkpoint")),
        _dataset(found.given, ("given", "population", "predictor", "checkpoint")),
        _dataset(found.gain, ("question", "population", "teacher", "checkpoint")),
        _dataset(found.summed, ("population", "teacher", "checkpoint")),
        _dataset(found.agreement, ("population", "predictor", "checkpoint")),
        about,
    )


@dataclass
class _Found:
    single: list[dict[str, Any]]
    given: list[dict[str, Any]]
    gain: list[dict[str, Any]]
    summed: list[dict[str, Any]]
    agreement: list[dict[str, Any]]


class _Questions:
    """All that is asked of one population at one checkpoint."""

    def __init__(self, population: _Population, c: int, where: Mapping[str, Any], found: _Found) -> None:
        self.population, self.c, self.where, self.found = population, c, where, found
        table = population.table
        free = {SIZE: table.free[SIZE], **varying(table.free)}  # size is asked for even where all are equal
        self.free = {name: population.constant(values) for name, values in free.items()}
        self.rivals = {name: population.constant(values) for name, values in varying(table.rivals).items()}
        self.p, self.loss = population.at(table.p, c), population.at(-table.loss, c)
        self.teachers = {
            name: {rule: population.at(values, c) for rule, values in rules.items()}
            for name, rules in table.teachers.items()
        }
        self.goal, self.resamples = population.goal, population.resamples
        self.tops: list[_Top] = []
        if not population.banded:
            counts = self.resamples.counts
            self.tops = [_Top.of(population.mature[here], counts[here]) for here in population.present]

    def ask(self) -> None:
        self._single()
        self._given()
        self._gain()
        self._summed()
        self._agreement()

    def _single(self) -> None:
        alone = {**self.free, **self.rivals, P: self.p, "-loss": self.loss}
        alone |= {f"{name}: {rule}": values for name, rules in self.teachers.items() for rule, values in rules.items()}
        for name, values in alone.items():
            self._one(name, values)
        free = np.stack(list(self.free.values()), axis=2)
        self._one(FREE_LEARNED, self._learn(free).predictor)
        both = np.concatenate([free, self.p[..., None]], axis=2)
        self._one(BOTH_LEARNED, self._learn(both).predictor)

    def _one(self, name: str, values: Array) -> None:
        value, low, high = self.resamples.interval(self.resamples.spearman(values, self.goal), correlation=True)
        numbers = {"spearman": value, "low": low, "high": high}
        top = dict.fromkeys(("precision", "regret", "regret low", "regret high"), np.nan)
        if self.tops:  # means over seeds
            precision = self.resamples.averaged(values, [one.precision for one in self.tops])
            lost, least, most = self.resamples.interval(
                self.resamples.averaged(values, [one.regret for one in self.tops])
            )
            top = dict(zip(top, (float(precision[0]), lost, max(least, 0.0), most), strict=True))
        self.found.single.append({**self.where, "predictor": name, **numbers, **top})

    def _given(self) -> None:
        size, p = self.free[SIZE][..., None], self.p[..., None]
        everything = np.stack([*self.free.values(), self.p], axis=2)
        controls = {"size": size, "size + P": np.concatenate([size, p], axis=2), "free + P": everything}
        asked = {P: self.p, **self.rivals} | {
            f"{name}: {rule}": values for name, rules in self.teachers.items() for rule, values in rules.items()
        }
        for given, columns in controls.items():
            for name, values in asked.items():
                constant = (name == P and given != "size") or not np.ptp(values, axis=1).any()
                numbers = (np.nan,) * 3
                if not constant:
                    found = partial(values, columns, self.goal, self.resamples)
                    numbers = self.resamples.interval(found, correlation=True)
                row = dict(zip(("r", "low", "high"), numbers, strict=True))
                self.found.given.append({**self.where, "given": given, "predictor": name, **row})

    def _gain(self) -> None:
        free = list(self.free.values())
        controls = self.population.table.controls
        free_teachers = [("labels", "deep"), ("pixels", "deepest")]
        rivals = [
            self.teachers[name][rule] for kind, rule in free_teachers for name in controls if name.startswith(kind)
        ]
        bases = {
            "size": [self.free[SIZE]],
            "P": [self.p],
            "free": free,
            "free + P": [*free, self.p],
            "free + P + rivals": [*free, self.p, *rivals],
        }
        learned = {name: self._learn(np.stack(columns, axis=2)) for name, columns in bases.items()}
        self._compare("size", "all that is free", learned["size"], learned["free"])
        self._compare("size", P, learned["size"], self._learn(np.stack([self.free[SIZE], self.p], axis=2)))
        self._compare("free", P, learned["free"], learned["free + P"])
        for question, columns in bases.items():
            full = {
                name: self._learn(np.stack([*columns, *(rules[rule] for rule in LEARNED)], axis=2))
                for name, rules in self.teachers.items()
            }
            for name, one in full.items():
                self._compare(question, name, learned[question], one)
            for name, values in self.rivals.items():
                self._compare(question, name, learned[question], self._learn(np.stack([*columns, values], axis=2)))
            given = [one for name, one in full.items() if name not in controls]
            best = Learned.best(given, self.resamples.folds)
            self._compare(question, ANY, learned[question], best)
            if question in TAUGHT:
                self._one(TAUGHT[question], best.predictor)

    def _compare(self, question: str, teacher: str, base: Learned, full: Learned) -> None:
        numbers = self.resamples.gain(base.predictor, full.predictor, self.goal)
        self.found.gain.append({**self.where, "question": question, "teacher": teacher, **numbers})

    def _learn(self, features: Array) -> Learned:
        return learn(features, self.goal, self.resamples)

    def _summed(self) -> None:
        """Ranks within a band cannot be summed."""
        tg = {name: rules["paper"] for name, rules in self.teachers.items()}
        given = [one for name, one in tg.items() if name not in self.population.table.controls]
        for name, several in [*((name, [one]) for name, one in tg.items()), (ANY, given)]:
            numbers = dict.fromkeys(("base", "full", "gain", "low", "high"), np.nan)
            if not self.population.banded:
                predictor = summed(self.p, several, self.goal, self.resamples, ALPHAS)
                numbers = self.resamples.gain(self.p, predictor, self.goal)
                if name == ANY:
                    self._one(SUMMED, predictor)
            self.found.summed.append({**self.where, "teacher": name, **numbers})

    def _agreement(self) -> None:
        """How alike two seeds rank the members that both have."""
        asked = {P: self.p} | {name: rules[DEEPEST] for name, rules in self.teachers.items()}
        present = self.population.present
        pairs = [(i, j) for j in range(len(present)) for i in range(j) if (present[i] & present[j]).sum() >= LEAST]
        for name, values in asked.items():
            found = []
            for i, j in pairs:
                both = present[i] & present[j]
                found.append(float(spearman(values[i, both], values[j, both])))
            r = float(np.mean(found)) if found else np.nan
            self.found.agreement.append({**self.where, "predictor": name, "r": r})


@dataclass(frozen=True, eq=False)
class _Top:
    """The best of some members in every resample (columns of counts), for those that a predictor puts first.

    most, few: copies of each member among the best TOP of all members, and among the best CHOSEN in every resample.
    """

    mature: Array
    counts: Array
    most: Array
    few: Array

    @classmethod
    def of(cls, mature: Array, counts: Array) -> "_Top":
        n = max(CHOSEN, round(TOP * len(mature)))
        return cls(mature, counts, chosen(mature, np.ones((len(mature), 1)), n), chosen(mature, counts, CHOSEN))

    def precision(self, values: Array) -> Array:
        """The share of the best among as many that are put first; of all members, not of resamples."""
        n = self.most.sum()
        first = chosen(values, np.ones((len(values), 1)), n)
        return np.full(self.counts.shape[1], float((first * self.most).sum() / n))

    def regret(self, values: Array) -> Array:
        """How far those that are put first lie below the best, in percentage points."""
        first = chosen(values, self.counts, CHOSEN)
        return np.asarray(100 * self.mature @ (self.few - first) / CHOSEN)


def _dataset(rows: Sequence[Mapping[str, Any]], dims: Sequence[str]) -> "xarray.Dataset":
    """Rows by their dims; NaN where there is none."""
    import xarray

    coords = {dim: list(dict.fromkeys(row[dim] for row in rows)) for dim in dims}
    names = [name for name in rows[0] if name not in dims]
    columns = {name: np.full([len(values) for values in coords.values()], np.nan) for name in names}
    places = {dim: {value: i for i, value in enumerate(values)} for dim, values in coords.items()}
    for row in rows:
        place = tuple(places[dim][row[dim]] for dim in dims)
        for name in names:
            columns[name][place] = row[name]
    return xarray.Dataset({name: (tuple(dims), values) for name, values in columns.items()}, coords)


def write_rivals(path: Path, found: Rivals, **more: Any) -> None:
    """Write what was found, and beside it `more`, JSON-able."""
    parts = {name: packed(getattr(found, name)) for name in _PARTS}
    write_json(path, {"kind": KIND, "about": found.about, **parts, **more})


def read_rivals(path: str | Path) -> tuple[Rivals, dict[str, Any]]:
    """Read what `write_rivals` wrote, and all else that is in the file.

    Raises RSAError for a file that is missing or something else.
    """
    with reading_results(path, KIND, "analysis of rivals") as kept:
        found = Rivals(**{name: unpacked(kept.pop(name)) for name in _PARTS}, about=kept.pop("about"))
        if missing := [name for name in _STATED if name not in found.about]:
            raise RSAError(f"{path} does not state {listing(missing, 9)}")
        return found, kept
