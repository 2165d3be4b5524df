"""Studies of search efficiency whose answer is known, without any training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tgsage.benchmarks.efficiency.cache import Evaluated
from tgsage.benchmarks.efficiency.comparison import Results, searched
from tgsage.benchmarks.efficiency.goals import Goal
from tgsage.benchmarks.efficiency.searches import Run, Study, read_plan, write_plan
from tgsage.benchmarks.pool.pool import Member, Pool
from tgsage.benchmarks.validity.nasbench201 import accuracy, read_table
from tgsage.plugins import Candidate, Evaluation, get_searcher
from tgsage.plugins.spaces import Space, get_space

from .pools import LAYERS, TARGET, known_pool, random_rdm, teacher

SHORT, LONG = 100, 800
BARE = np.stack([random_rdm(3 + i).values for i in range(3)])
VIEWS = known_pool(1).views


@dataclass(frozen=True)
class Made:
    """Cells of NAS-Bench-201 by the table: P is noise about the accuracy, less of it after longer training; the deep
    layer is the more like TARGET the more accurate the cell is. Every call leaves a line in `file`."""

    file: Path | None = None
    noise: float = 0.1
    fails: bool = False
    space: Space = field(default_factory=lambda: get_space("nasbench201"))

    def __call__(self, architecture: Mapping[str, Any], seed: int, examples: int) -> Evaluated:
        key = self.space.key(architecture)
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(f"{seed} {examples} {key}\n")
        reached = accuracy(read_table_once(), architecture) / 100
        rng = np.random.default_rng([seed, *key.encode()])
        p = float(np.clip(reached / 2 + self.noise * rng.normal() * (SHORT / examples) ** 0.5, 0, 1))
        if self.fails and rng.random() < 0.2:
            return Evaluated(reached, None, 0, examples, 1.0)
        rdms = BARE.copy()
        share = max(reached - 0.85, 0) / 0.1
        rdms[2] = share * TARGET.values + (1 - share) * rdms[2]
        numbers = {"p": p, "loss": 2 - p, "examples": examples, "seconds": 1.0}
        arrays: dict[str, Any] = {key: np.array([value]) for key, value in numbers.items()}
        kept = {"by stimulus": rdms[None].astype(np.float16)}
        member = Member(architecture, reached, layers=LAYERS, rdms=kept, **arrays)
        return Evaluated.of(Pool("nasbench201", (examples,), VIEWS, (member,), {}), 0)

    def describe(self) -> dict[str, Any]:
        return {"data": "made", "noise": self.noise, "fails": self.fails}


@cache
def read_table_once() -> Mapping[tuple[int, ...], float]:
    return read_table()


def goals() -> list[Goal]:
    return [Goal(SHORT), Goal(LONG), Goal(SHORT, teacher(), 1.0, cost=5000)]


def by_hand(study: Study, run: Run) -> list[Candidate]:
    """The samples of a search, without the engine of searches: the reference for it, and faster."""
    searcher = get_searcher(run.searcher)(study.evaluations.space, seed=run.seed)
    history = []
    for number in range(run.samples):
        architecture = searcher.ask(number, repeats=True)
        found = study.evaluations(architecture, run.seed, run.examples)
        score, tg = study.goals[run.goal](found)
        searcher.tell(number, architecture, score)
        status = "failed" if score is None else "ok"
        seconds = {"evaluation": found.seconds}
        evaluation = Evaluation(
            status, tg=tg, score=score, examples=found.examples, seconds=seconds, attrs={"mature": found.mature}
        )
        history.append(Candidate(number, status, architecture, evaluation))
    return history


def made_results(study: Study, **about: Any) -> Results:
    """What such a study finds."""
    write_plan(study, **about)
    kept, planned, _ = read_plan(study.folder)
    runs = [searched(run, by_hand(study, run)) for run in study.runs()]
    return Results({**kept, "finished": len(runs), "planned": len(runs)}, planned, runs)
