"""The contract of a searcher, as tests that a plug-in's own test suite runs with pytest.

from tgsage.plugins.testing import SearcherContract

class TestMySearcher(SearcherContract):
    searcher = MySearcher
    settings = {"population": 10}
"""

# ruff: noqa: S101 - this is a test
import json
import random
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from ..rsa import RSAError
from .searchers.searcher import Exhausted, Searcher
from .spaces.space import Architecture, Choice, Dimension, Space
from .spaces.toy import ToySpace

Told = tuple[int, dict[str, Choice], float | None]


class _NoNetworks(Space):
    def describe(self, architecture: Architecture) -> str:
        return self.key(self.canonical(architecture))

    def build(self, architecture: Architecture, **settings: Any) -> Any:
        raise RSAError("this space has no networks")


class ConditionalSpace(_NoNetworks):
    """Everything a space can have: conditions two deep, a kind whose dimensions differ, connections, a single choice.

    Architectures that differ in `beta/order` only are the same network where `beta/pair` is "equal".
    """

    def __init__(self) -> None:
        branch, deep = ("branch", ("beta",)), ("beta/pair", ("equal", "unequal"))
        dimensions = [
            Dimension("branch", ("alpha", "beta"), 0, "branch"),
            Dimension("fixed", (7,), 0, "fixed"),
            Dimension("alpha/width", (8, 16, 32), 1, "width", "branch", ("alpha",)),
            Dimension("beta/width", (32, 64), 1, "width", *branch),
            Dimension("beta/pair", ("none", "equal", "unequal"), 1, "pair", *branch),
            Dimension("beta/order", (0, 1), 1, "order", *deep),
            Dimension("beta/second", (0, 1), 2, "order", *branch),
            Dimension("beta/third", (0, 1), 2, "order", *branch),
            Dimension("beta/from0", (0, 1), 2, "connection", *branch, source=0, target=2),
            Dimension("beta/from1", (0, 1), 2, "connection", *branch, source=1, target=2),
        ]
        super().__init__("conditional", dimensions)

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        return architecture | ({"beta/order": 0} if architecture.get("beta/pair") == "equal" else {})


class TinySpace(_NoNetworks):
    """Five networks: `second` makes no difference where `first` is 0."""

    def __init__(self) -> None:
        super().__init__("tiny", [Dimension("first", (0, 1, 2), 0, "first"), Dimension("second", (0, 1), 1, "second")])

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        return architecture | ({"second": 0} if architecture["first"] == 0 else {})


SPACES: dict[str, Callable[[], Space]] = {"toy": ToySpace, "conditional": ConditionalSpace, "tiny": TinySpace}


def pretend(space: Space, architecture: Architecture) -> float | None:
    """Return a score that a searcher can learn from, the same on every machine; one trial in nine fails."""
    code = zlib.crc32(space.key(architecture).encode())
    agreement = sum(choice == space.dimensions[0].choices[-1] for choice in architecture.values())
    return None if code % 9 == 0 else agreement + code % 1000 / 1000


def run_search(
    searcher: Searcher, trials: Iterable[int], *, told: Iterable[Told] = (), repeats: bool = False
) -> list[Told]:
    """Tell the history, then ask and tell one trial after the other; repeats: see `Searcher.ask`."""
    for trial, architecture, score in told:
        searcher.tell(trial, architecture, score)
    found: list[Told] = []
    for trial in trials:
        architecture = searcher.ask(trial, repeats=repeats)
        found.append((trial, architecture, pretend(searcher.space, architecture)))
        searcher.tell(*found[-1])
    return found


def _refuses(call: Callable[..., object], *arguments: Any, error: type[RSAError] = RSAError, **settings: Any) -> bool:
    try:
        call(*arguments, **settings)
    except error:
        return True
    return False


class SearcherContract:
    """Tests of what every searcher guarantees; subclasses name a searcher, and settings with which it learns early."""

    searcher: ClassVar[type[Searcher]]
    settings: ClassVar[Mapping[str, Any]] = {}
    space: ClassVar[str] = "toy"

    def make(self, seed: int = 3) -> Searcher:
        return self.searcher(SPACES[self.space](), seed=seed, **self.settings)

    def test_proposals_are_canonical_architectures(self) -> None:
        searcher = self.make()
        for _, architecture, _ in run_search(searcher, range(40)):
            assert architecture == searcher.space.canonical(architecture)
            assert list(architecture) == list(searcher.space.canonical(architecture))
            assert json.loads(json.dumps(architecture)) == architecture

    def test_a_search_repeats_and_its_seed_matters(self) -> None:
        found = run_search(self.make(), range(40))
        assert run_search(self.make(), range(40)) == found
        assert run_search(self.make(seed=4), range(40)) != found

    def test_telling_the_history_resumes_a_search(self) -> None:
        whole = run_search(self.make(), range(40))
        first = run_search(self.make(), range(20))
        assert first + run_search(self.make(), range(20, 40), told=first) == whole

    def test_asking_leaves_no_trace(self) -> None:
        curious, plain = self.make(), self.make()
        for trial in range(30):
            ahead = [curious.ask(trial + later) for later in (5, 0, 2, 0)]
            assert ahead[1] == ahead[3] == plain.ask(trial)
            score = pretend(plain.space, ahead[1])
            for one in (curious, plain):
                one.tell(trial, dict(ahead[1]), score)

    def test_several_asks_may_be_outstanding_and_some_stay_unanswered(self) -> None:
        searcher, told = self.make(), list[Told]()
        for block in range(0, 40, 4):
            asked = {trial: searcher.ask(trial) for trial in range(block, block + 4)}
            resumed = self.make()
            for one in told:
                resumed.tell(*one)
            assert {trial: resumed.ask(trial) for trial in asked} == asked
            for trial in (block + 3, block, block + 1):  # one is late, one never comes
                told.append((trial, asked[trial], pretend(searcher.space, asked[trial])))
                searcher.tell(*told[-1])

    def test_nothing_is_proposed_twice(self) -> None:
        searcher, running = self.make(), list[Told]()
        proposed: list[str] = []
        for trial in range(60):
            if len(running) == 4:
                searcher.tell(*running.pop(trial % 4))
            architecture = searcher.ask(trial, running=[one for _, one, _ in running])
            assert architecture == searcher.ask(trial, running=[one for _, one, _ in reversed(running)])
            running.append((trial, architecture, pretend(searcher.space, architecture)))
            proposed.append(searcher.space.key(architecture))
        assert len(set(proposed)) == 60

    def test_a_space_is_searched_to_its_end(self) -> None:
        for fixed, networks in ({}, 5), ({"first": 2}, 2):
            searcher, found = self.searcher(TinySpace(), seed=3, **self.settings), list[dict[str, Choice]]()
            for trial in range(networks):
                found.append(searcher.ask(trial, fixed=fixed))
                searcher.tell(trial, found[-1], None if trial == 1 else 0.5)
            assert all({**one, **fixed} == one for one in found)
            assert _refuses(searcher.ask, networks, fixed=fixed, error=Exhausted)

    def test_a_trial_is_told_once(self) -> None:
        searcher, once = self.make(), self.make()
        for told in run_search(once, range(30)):
            searcher.tell(*told)
            searcher.tell(*told)
        assert searcher.ask(30) == once.ask(30)
        assert _refuses(searcher.tell, *told[:2], 1000.0)

    def test_it_lives_with_failures_only_and_with_equal_scores(self) -> None:
        for score in (None, 0.5):
            searcher = self.make()
            for trial in range(40):
                searcher.tell(trial, searcher.ask(trial), score)
            searcher.space.validate(searcher.ask(40))

    def test_it_learns_from_trials_that_it_never_asked(self) -> None:
        searcher, rng = self.make(), np.random.default_rng(0)
        for trial in range(1000, 1040):
            architecture = searcher.space.sample(rng)
            searcher.tell(trial, architecture, pretend(searcher.space, architecture))
        searcher.space.validate(searcher.ask(7))

    def test_what_it_is_told_and_what_it_asked_stay_the_callers(self) -> None:
        careless, careful = self.make(), self.make()
        for trial in range(30):
            asked = careless.ask(trial)
            score, kept = pretend(careless.space, asked), dict(asked)
            careless.tell(trial, asked, score)
            careful.tell(trial, kept, score)
            asked.clear()
            assert careless.ask(trial + 1) == careful.ask(trial + 1)

    def test_global_random_generators_are_left_alone(self) -> None:
        torch = sys.modules.get("torch")
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002 - the global one is meant
        if torch is not None:
            torch.manual_seed(0)
        run_search(self.make(), range(30))
        drawn = [random.random(), np.random.random()]  # noqa: S311, NPY002
        assert drawn == [0.8444218515250481, 0.5488135039273248]
        if torch is not None:
            assert torch.rand(1).item() == torch.rand(1, generator=torch.Generator().manual_seed(0)).item()

    def test_wrong_scores_architectures_and_trials_are_refused(self) -> None:
        searcher = self.make()
        architecture = searcher.ask(0)
        wrong = [(0, architecture, float("nan")), (0, {**architecture, "strange": 1}, 0.5), (0, {}, 0.5)]
        assert all(_refuses(searcher.tell, *told) for told in wrong)
        assert _refuses(searcher.ask, -1)

    def test_another_process_asks_the_same(self) -> None:
        found = run_search(self.make(), range(40))
        call = [self.searcher.__module__, self.searcher.__qualname__, self.space, json.dumps(dict(self.settings))]
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", __name__, *call], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout) == [architecture for _, architecture, _ in found]


def _in_another_process(module: str, name: str, space: str, settings: str) -> None:
    maker: Any = import_module(module)
    for part in name.split("."):
        maker = getattr(maker, part)
    found = run_search(maker(SPACES[space](), seed=3, **json.loads(settings)), range(40))
    print(json.dumps([architecture for _, architecture, _ in found]))


if __name__ == "__main__":
    _in_another_process(*sys.argv[1:])
