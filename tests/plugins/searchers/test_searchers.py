"""Searchers by name, their settings, and what `Searcher` does for all of them; random search."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.plugins import (
    EvolutionSearcher,
    RandomSearcher,
    RLSearcher,
    Searcher,
    TPESearcher,
    get_searcher,
    list_searchers,
)
from tgsage.plugins.searchers import searcher as registry
from tgsage.plugins.searchers.searcher import make_searcher
from tgsage.plugins.spaces import Space, ToySpace
from tgsage.plugins.spaces.space import Choice
from tgsage.rsa import RSAError, extensions


def test_our_searchers_are_found_by_name() -> None:
    assert {"evolution", "lemonade", "nash", "pnas", "random", "rl", "shadho", "tpe"} <= set(list_searchers())
    assert get_searcher("tpe") is TPESearcher
    with pytest.raises(RSAError, match=r"^no searcher 'evolutoin'; did you mean evolution\?$"):
        get_searcher("evolutoin")


def test_listing_searchers_loads_neither_torch_nor_hyperopt() -> None:
    code = "from tgsage.plugins import list_searchers; list_searchers(); import sys; print({'torch', 'hyperopt'} & set(sys.modules))"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_broken_plug_in_warns_and_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = {"exits": "exiting:Found", "function": "json:dumps", "missing": "nowhere.to_be:Found", "ours": RANDOM}
    points = {name: EntryPoint(name, place, registry.GROUP) for name, place in places.items()}
    (tmp_path / "exiting.py").write_text("raise SystemExit('please install foo')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_points", lambda: points)
    list_uncached = list_searchers.__wrapped__
    with pytest.warns(UserWarning, match="is broken") as caught:
        assert list_uncached() == ("ours",)
    assert [str(one.message) for one in caught] == [
        "searcher exits (exiting:Found) is broken: SystemExit: please install foo; it is left out",
        "searcher function (json:dumps) is broken: it is not a subclass of Searcher; it is left out",
        "searcher missing (nowhere.to_be:Found) is broken: No module named 'nowhere'; it is left out",
    ]
    with pytest.raises(RSAError, match="searcher missing"):
        get_searcher("missing")


def test_a_plug_in_with_the_name_of_ours_is_left_out_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = f"{__name__}:Positional"
    points = [EntryPoint("random", value, registry.GROUP) for value in (theirs, RANDOM)]
    monkeypatch.setattr(extensions, "entry_points", lambda group: points)
    registry._points.cache_clear()
    try:
        with pytest.warns(
            UserWarning, match=rf"^searcher random \({theirs}\) is left out: {RANDOM} has that name; ask"
        ):
            assert get_searcher("random") is RandomSearcher
        assert get_searcher(theirs).__name__ == "Positional"
    finally:
        registry._points.cache_clear()


RANDOM = "tgsage.plugins.searchers.random:RandomSearcher"


def made(kind: type[Searcher], **settings: Any) -> Searcher:
    return make_searcher(kind, ToySpace(), seed=0, settings=settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomSearcher(ToySpace(), seed=-1), "seed must be a whole number from 0, got -1"),
        (lambda: TPESearcher(ToySpace(), gamma=0), "gamma must be a number above 0, got 0"),
        (lambda: RLSearcher(ToySpace(), temperature=-1.0), "temperature must be a number above 0, got -1.0"),
        (lambda: RLSearcher(ToySpace(), decay=1.0), "decay must be at least 0 and below 1, not 1.0"),
        (lambda: EvolutionSearcher(ToySpace(), population=0), "population must be a whole number from 1, got 0"),
        (lambda: EvolutionSearcher(ToySpace(), tournament=2.5), "tournament must be a whole number from 1, got 2.5"),  # type: ignore[arg-type]
        (lambda: RLSearcher(ToySpace(), batch="two"), "batch must be a whole number from 1, got 'two'"),  # type: ignore[arg-type]
        (lambda: made(RLSearcher, temprature=2), "RLSearcher has no setting 'temprature'; did you mean temperature?"),
        (lambda: made(RandomSearcher, hidden=2), "RandomSearcher has no setting 'hidden'; it has none"),
        (lambda: made(TPESearcher, seed=2), "TPESearcher has no setting 'seed'; known: startup, candidates, gamma"),
    ],
)
def test_settings_out_of_range_are_named(make: Any, message: str) -> None:
    with pytest.raises(RSAError) as caught:
        make()
    assert str(caught.value) == message


class Positional(RandomSearcher):
    """Its settings can be given by position, as a plug-in's."""

    def __init__(self, space: Space, seed: int = 0, step: int = 1, **more: Any) -> None:
        super().__init__(space, seed=seed)
        self.step, self.more = step, more


def test_settings_given_by_position_are_kept_by_name() -> None:
    searcher = Positional(ToySpace(), 3, 2, other=5)
    assert searcher.settings == {"seed": 3, "step": 2, "other": 5}
    assert RandomSearcher(space=ToySpace(), seed=1).settings == {"seed": 1}

    class Nameless(RandomSearcher):
        def __init__(self, space: Space, *steps: int) -> None:
            super().__init__(space)

    with pytest.raises(RSAError, match=r"^Nameless takes steps by position only; settings need names$"):
        Nameless(ToySpace(), 1, 2)


def test_a_proposal_that_is_known_gives_way_to_one_near_it() -> None:
    class Stubborn(RandomSearcher):
        def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
            return wanted

    space = ToySpace()
    wanted = space.complete({"n_layers": 3})
    searcher = Stubborn(space)
    near = [space.key(one) for one in space.architectures() if sum(one.get(k) != wanted[k] for k in wanted) == 1]
    for trial in range(12):
        found = searcher.ask(trial)
        assert (found == wanted) if trial == 0 else (space.key(found) in near)
        assert searcher.ask(trial, repeats=True) == wanted
        searcher.tell(trial, found, 0.5)
