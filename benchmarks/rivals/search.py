"""Searches that begin with what is free: are P, and a teacher, worth their trainings, at equal cost?

A search draws networks at random. One by P, or by the paper's P + alpha TG, trains the first of them a little. What is
free tells about all of them without training, so that the others train only those that it puts first, and rank these by
what was learned on the members of a pool, which are never proposed and were trained with other seeds.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from ...plugins.searchers.random import RandomSearcher
from ...plugins.spaces import Architecture, Space
from ...rsa import RSAError, Teacher
from ...rsa.cli.console import write_json
from ...rsa.errors import listing
from ...rsa.types import Array
from ..efficiency.statistics import current_best, interval, mean_and_error
from ..pool.layer_similarities import view_of
from ..pool.making import Maker, Mature
from ..pool.plans import CANDIDATES, published
from ..pool.pool import Pool, join
from ..rank_statistics import spearman
from ..report import reading_results
from .analysis import ALPHAS
from .free import FILE, free_of
from .learning import LEAST
from .members import is_members, load_members, same_teacher
from .replanning import replanned
from .rule import Rule
from .table import LEARNED, SIZE, Table, mark, number, read_table, rules_of, varying, with_free

KIND = "searches that begin with what is free"
FIRST_SEED = 1000  # of candidates' trainings: no pool's
SEARCHES = 10  # that share a teacher, where its cost is
TOP = 5  # networks that a search chooses
P, SUMMED, FREE, UNTRAINED, BOTH, ALL = "P", "P + alpha TG", "free", "free + untrained TG", "free + P", "free + P + TG"
CHANCE, EQUAL = "chance", "free (equal weights)"
OBJECTIVES = {
    CHANCE: "any of the proposals; nothing is trained",
    P: "some proposals, in random order, are trained and ranked by P",
    SUMMED: "the same, ranked by the paper's sum; alpha is learned from the pool",
    SIZE: "all proposals, the largest first; nothing is trained or learned",
    EQUAL: "all proposals, by the mean of their ranks by every free predictor; nothing is trained or learned",
    FREE: "all proposals are ranked by free predictors with learned weights, and the first of them again with weights "
    "learned on good networks; no candidate is trained",
    UNTRAINED: "those that free predictors put first are ranked again, also by TG before training; no candidate is "
    "trained",
    BOTH: "those that free predictors put first are trained and ranked again, also by P",
    ALL: "those that free predictors put first are trained and ranked again, also by P and TG",
}
_TRAINED = (P, SUMMED, BOTH, ALL)
_TAUGHT = (SUMMED, UNTRAINED, ALL)  # by a teacher
_LEARNED = (SUMMED, FREE, UNTRAINED, BOTH, ALL)  # from the mature performance of a pool's members


@dataclass(frozen=True)
class Plan:
    """proposals: of a search. samples: of them are trained, on `examples` images each. seeds: searches."""

    proposals: int = 60
    samples: int = 10
    examples: int = 1500
    seeds: int = 10

    def __post_init__(self) -> None:
        if not TOP <= self.samples <= self.proposals or min(self.examples, self.seeds) < 1:
            raise RSAError(
                f"a search trains {TOP} networks or more of its proposals, got {self.samples} of {self.proposals}; and "
                f"at least 1 example and 1 seed are needed, got {self.examples} and {self.seeds}"
            )


@dataclass(frozen=True, eq=False)
class Rules:
    """What a pool taught. `screen`: rule of what is free, of random members. The others are for networks that it puts
    first: of the better half of all members by it."""

    names: tuple[str, ...]
    screen: Rule
    free: Rule
    untrained: Rule
    both: Rule
    whole: Rule
    alpha: float

    @classmethod
    def learn(cls, table: Table, teacher: str, examples: int) -> "Rules":
        """Learn them. Raises RSAError where the pool has too few members, or no such checkpoint."""
        if examples not in table.checkpoints or table.checkpoints[0] != 0:
            looks = listing(table.checkpoints, 9)
            raise RSAError(f"the pool was looked at after {looks} examples; 0 and {examples} are needed")
        c = table.checkpoints.index(examples)
        known = varying(table.free) or {SIZE: table.free[SIZE]}
        free = np.stack([np.broadcast_to(one, table.present.shape) for one in known.values()], axis=2)
        drawn = np.array([group.startswith(("random", "all")) or not group for group in table.groups])
        first = table.present & drawn
        if first.any(axis=0).sum() < LEAST:
            raise RSAError(f"the pool has {first.any(axis=0).sum()} random members so far; {LEAST} or more are needed")
        screen = Rule.learn(free, table.mature, first)
        expected = screen(free[0])
        good = table.present & (expected >= np.median(expected))
        taught = table.teachers[teacher]
        before = np.stack([taught[name][:, :, 0] for name in LEARNED], axis=2)
        after = np.stack([taught[name][:, :, c] for name in LEARNED], axis=2)
        p = table.p[:, :, [c]]
        fits: list[float] = []
        for alpha in ALPHAS:
            sums = table.p[:, :, c] + alpha * taught["paper"][:, :, c]
            here = [(one[of], table.mature[of]) for one, of in zip(sums, first, strict=True) if of.any()]
            fits.append(float(np.mean([float(spearman(one, mature)) for one, mature in here])))

        def second(*columns: Array) -> Rule:
            return Rule.learn(np.concatenate(columns, axis=2), table.mature, good)

        rules = second(free), second(free, before), second(free, p), second(free, p, after)
        return cls(tuple(known), screen, *rules, ALPHAS[fits.index(max(fits))])


@dataclass(frozen=True, eq=False)
class Study:
    """Searches of one space by every objective.

    maker: trains candidates; its seed and folder are set for every search. mature: what is published. settings: of the
    pool.
    """

    plan: Plan
    maker: Maker
    mature: Mature
    teacher: Teacher
    rules: Rules
    known: frozenset[str]
    settings: Mapping[str, Any]
    folder: Path
    data_dir: Path | None = None

    @classmethod
    def of(cls, plan: Plan, pool: Path, teacher: Teacher, folder: Path, data_dir: Path | None = None) -> "Study":
        """Plan the searches that a pool over seeds, or a file of its members, can teach.

        Raises RSAError where pool and teacher do not fit.
        """
        table = load_members(pool) if is_members(pool) else with_free(read_table(pool, [teacher]), pool, data_dir)
        names = [name for name in table.teachers if name == teacher.name or name.startswith(f"{teacher.name}: ")]
        if len(names) > 1:
            raise RSAError(f"{teacher.name} stands for several teachers, {listing(names)}; give one with one target")
        if not (names and same_teacher(table.marks[names[0]], mark(teacher))):
            raise RSAError(f"{pool} was compared with other teachers: {listing(table.teachers, 9)}")
        how = table.about["pool"]
        shown: dict[str, Any] = {"views": {teacher.stimuli}, "checkpoints": (0, plan.examples), "data_dir": data_dir}
        maker = replanned(how, table.space, folder, pool, **shown)
        if maker.recipe.schedule == "one-cycle" and plan.examples != table.checkpoints[-1]:
            raise RSAError(
                f"the pool was trained by {maker.recipe.name}, whose learning rate depends on the length of the "
                f"training; give {table.checkpoints[-1]} examples, as many as its last checkpoint"
            )
        view = view_of(maker.pool(()), teacher)
        maker = replace(maker, views=tuple(each for each in maker.views if each.view is view), tested=0)
        rules = Rules.learn(table, names[0], plan.examples)
        known = published(table.space, data_dir)
        return cls(plan, maker, known, teacher, rules, frozenset(table.keys), dict(how), folder, data_dir)

    def search(self, seed: int, progress: Callable[[int], object]) -> dict[str, Any]:
        """The searches with one seed: objective -> top 5 after each training, its mean and its best."""
        plan, space = self.plan, self.maker.space
        self.folder.mkdir(parents=True, exist_ok=True)
        proposed = propose(space, seed, plan.proposals, self.known)
        free, _ = free_of(self.settings, space.name, proposed, self.folder / FILE, data_dir=self.data_dir)
        keys = [space.key(one) for one in proposed]
        values = np.array([[number(free[key].get(name)) for name in self.rules.names] for key in keys])
        mature = np.array([self.mature(one) for one in proposed])
        first = np.argsort(-self.rules.screen(values), kind="stable")[: plan.samples]
        first = first[np.argsort(-self.rules.free(values[first]), kind="stable")]
        maker = replace(self.maker, seed=FIRST_SEED + seed, folder=self.folder / f"seed{seed}" / CANDIDATES)
        random = self._looks(maker, proposed[: plan.samples], progress)
        best = self._looks(maker, [proposed[i] for i in first], progress)
        size = _top(np.array([free[key][SIZE] for key in keys], float), mature)
        equal = _top(rankdata(values, axis=0).mean(axis=1), mature)
        begun, tg = values[first], best.taught
        expected = self.rules.free(begun)
        untrained = self.rules.untrained(np.column_stack([begun, tg[:, 0]]))
        both = self.rules.both(np.column_stack([begun, best.p]))
        whole = self.rules.whole(np.column_stack([begun, best.p, tg[:, 1]]))
        both, whole = (np.where(best.failed, -np.inf, one) for one in (both, whole))
        found = {
            CHANCE: _constant(_any(mature), plan.samples),
            P: _in_turn(random.p, mature[: plan.samples]),
            SUMMED: _in_turn(random.p + self.rules.alpha * random.paper, mature[: plan.samples]),
            SIZE: _constant(size, plan.samples),
            EQUAL: _constant(equal, plan.samples),
            FREE: _constant(_top(expected, mature[first]), plan.samples),
            UNTRAINED: _constant(_top(np.where(best.failed, expected, untrained), mature[first]), plan.samples),
            BOTH: _updated(expected, both, mature[first]),
            ALL: _updated(expected, whole, mature[first]),
        }
        return {name: {"mean": curves[0], "best": curves[1]} for name, curves in found.items()}

    def _looks(self, maker: Maker, networks: Sequence[Architecture], progress: Callable[[int], object]) -> "_Looks":
        pools: list[Pool | None] = []
        for architecture in networks:
            done = maker(architecture)
            pools.append(None if done.score is None else Pool.load(maker.part(architecture)))
            progress(1)
        failed = np.array([pool is None or not pool.members[0].usable for pool in pools])
        p, paper = np.full(len(networks), -np.inf), np.zeros(len(networks))
        taught = np.zeros((len(networks), 2, len(LEARNED)))
        if not failed.all():
            whole = join([pool for pool, no in zip(pools, failed, strict=True) if pool is not None and not no])
            columns = rules_of(whole, {"": self.teacher})[""]
            p[~failed], paper[~failed] = whole.p[:, -1], columns["paper"][:, -1]
            taught[~failed] = np.stack([columns[name] for name in LEARNED], axis=2)
        return _Looks(p, paper, taught, failed)


@dataclass(frozen=True, eq=False)
class _Looks:
    """At trained networks: P, the paper's TG, and what a rule takes of a teacher, (n, 2 checkpoints, rules)."""

    p: Array
    paper: Array
    taught: Array
    failed: Array


def propose(space: Space, seed: int, n: int, without: frozenset[str]) -> list[Architecture]:
    """Draw n different networks, canonical, none of them among `without`. Raises RSAError where there are too few."""
    searcher, found = RandomSearcher(space, seed=seed), dict[str, Architecture]()
    for trial in range(100 * n):
        network = space.canonical(searcher.propose(trial, np.random.default_rng([seed, trial])))
        key = space.key(network)
        if key not in without:
            found[key] = network
        if len(found) == n:
            return list(found.values())
    raise RSAError(f"{space.name} has fewer than {n} networks that are not in the pool; propose fewer")


Curves = tuple[list[float], list[float]]


def _in_turn(scores: Array, mature: Array) -> Curves:
    """After 0, 1, ... trainings: the top 5 of those that are trained."""
    names = [str(i) for i in range(len(scores))]
    told = [float(score) if np.isfinite(score) else None for score in scores]
    mean, best = current_best(names, told, mature.tolist())
    return [np.nan, *mean.tolist()], [np.nan, *best.tolist()]


def _top(expected: Array, mature: Array) -> tuple[float, float]:
    chosen = mature[np.argsort(-expected, kind="stable")[:TOP]]
    return float(chosen.mean()), float(chosen.max())


def _any(mature: Array) -> tuple[float, float]:
    """Expected mean and best of any TOP of them."""
    n = len(mature)
    ways = np.array([math.comb(i, TOP - 1) for i in range(n)]) / math.comb(n, TOP)  # that the i-th worst is the best
    return float(mature.mean()), float(np.sort(mature) @ ways)


def _constant(top: tuple[float, float], samples: int) -> Curves:
    return [top[0]] * (samples + 1), [top[1]] * (samples + 1)


def _updated(before: Array, after: Array, mature: Array) -> Curves:
    """After 0, 1, ... trainings: the top 5, of whom those that are trained are known better."""
    usable = np.isfinite(after)
    known = np.where(usable, after, min(before.min(), after[usable].min(initial=np.inf)) - 1)
    tops = [_top(np.where(np.arange(len(before)) < k, known, before), mature) for k in range(len(before) + 1)]
    return [mean for mean, _ in tops], [best for _, best in tops]


def perform(
    study: Study,
    *,
    cost: int | None = None,
    file: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
    **more: Any,
) -> dict[str, Any]:
    """Carry out all searches, seed by seed; what is trained, and what the folder holds, is not trained again.

    cost: examples that the teacher was trained on. file: JSON, written after every seed. progress: called with 1 after
    every network. more: for the file.
    """
    space = study.maker.space
    about = {
        "space": space.name,
        "plan": vars(study.plan),
        "teacher": {**study.teacher.attrs, "name": study.teacher.name, "by": study.teacher.by, "examples": cost},
        "alpha": study.rules.alpha,
        "members": len(study.known),
        "learned at seeds": len(study.rules.whole.known),
        "settings": study.maker.describe(),
        "best": max(study.mature(one) for one in space.architectures()),
    }
    searches: dict[str, Any] = {}
    result: dict[str, Any] = {}
    for seed in range(study.plan.seeds):
        searches[str(seed)] = study.search(seed, progress)
        result = {"kind": KIND, "about": about, "rows": compare(searches, about), "searches": searches, **more}
        if file is not None:
            write_json(file, result)
    return result


def compare(searches: Mapping[str, Any], about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per objective, of the final top 5 in %, means over seeds with standard errors.

    regret: of the top 5's mean, to the best of the table. over P, over free: differences with the same seed, 95%
    intervals. examples: of a search. to P: those after which the mean curve stays where P ends, or above; None: never.
    alone, shared: with the teacher's own examples, all of them or a share of SEARCHES searches. learned: whether it
    needs a pool whose mature performance is known.
    """
    samples, step = about["plan"]["samples"], about["plan"]["examples"]
    means = {name: curves(searches, name, "mean") for name in OBJECTIVES}
    level = float(means[P][:, -1].mean())
    rows = []
    for name in OBJECTIVES:
        last, best = means[name][:, -1], curves(searches, name, "best")[:, -1]
        curve = means[name].mean(axis=0)
        short = np.flatnonzero(~(curve >= level - 1e-9))
        trained = samples * step if name in _TRAINED else 0
        teacher = (about["teacher"]["examples"] or 0) if name in _TAUGHT else 0
        row: dict[str, Any] = {
            "objective": name,
            "seeds": len(last),
            "examples": trained,
            "learned": name in _LEARNED,
            "regret": 100 * about["best"] - last.mean(),
        }
        row["to P"] = None if len(short) and short[-1] == samples else step * (int(short[-1]) + 1 if len(short) else 0)
        row |= {"alone": trained + teacher, "shared": trained + teacher / SEARCHES}
        for key, values in (("top", last), ("best", best)):
            row[key], row[f"{key} error"] = mean_and_error(values)
        for other in (P, FREE):
            difference = last - means[other][:, -1]
            row[f"over {other}"] = None if name == other else [float(difference.mean()), *(interval(difference) or ())]
        rows.append(row)
    return rows


def curves(searches: Mapping[str, Any], name: str, key: str) -> Array:
    """In %, (seeds, samples + 1)."""
    return 100 * np.array([one[name][key] for one in searches.values()], float)


def read_searches(path: Path) -> dict[str, Any]:
    """Read what `perform` wrote. Raises RSAError for a file that is missing or something else."""
    with reading_results(path, KIND, "searches that begin with what is free") as kept:
        rows = compare(kept["searches"], kept["about"])
        return kept | {"rows": rows}
