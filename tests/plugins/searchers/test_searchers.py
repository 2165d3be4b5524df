"""Each searcher against an independent account of its algorithm; the registry; costs on the 20-layer space."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tgsage.plugins import (
    EvolutionSearcher,
    RandomSearcher,
    RLSearcher,
    Searcher,
    TPESearcher,
    get_searcher,
    list_searchers,
)
from tgsage.plugins.searchers import registry
from tgsage.plugins.searchers.controller import Controller
from tgsage.plugins.searchers.searcher import make_searcher
from tgsage.plugins.spaces import Space, ToySpace, get_space
from tgsage.plugins.spaces.space import Choice
from tgsage.plugins.testing import ConditionalSpace, pretend, run_search
from tgsage.rsa import RSAError, extensions


def everything(space: Space) -> Iterator[dict[str, Choice]]:
    """All choices of active dimensions, canonical or not."""

    def extend(chosen: dict[str, Choice], place: int) -> Iterator[dict[str, Choice]]:
        if place == len(space.dimensions):
            yield chosen
        elif not space.is_active(space.dimensions[place], chosen):
            yield from extend(chosen, place + 1)
        else:
            for choice in space.dimensions[place].choices:
                yield from extend({**chosen, space.dimensions[place].name: choice}, place + 1)

    return extend({}, 0)


# --- the registry ---


def test_our_searchers_are_found_by_name() -> None:
    assert list_searchers() == ("evolution", "random", "rl", "tpe")
    assert get_searcher("tpe") is TPESearcher
    with pytest.raises(RSAError, match=r"^no searcher 'evolutoin'; did you mean evolution\?$"):
        get_searcher("evolutoin")


def test_listing_searchers_loads_neither_torch_nor_hyperopt() -> None:
    code = "from tgsage.plugins import list_searchers; list_searchers(); import sys; print({'torch', 'hyperopt'} & set(sys.modules))"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_broken_plug_in_warns_and_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    points = {
        name: EntryPoint(name, value, registry.GROUP)
        for name, value in {
            "missing": "nowhere.to_be:Found", "function": "json:dumps", "exits": "exiting:Found", "ours": RANDOM
        }.items()
    }  # fmt: skip
    (tmp_path / "exiting.py").write_text("raise SystemExit('please install foo')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_points", lambda: dict(sorted(points.items())))
    list_uncached = list_searchers.__wrapped__
    with pytest.warns(UserWarning, match="is broken") as caught:
        assert list_uncached() == ("ours",)
    assert [str(one.message) for one in caught] == [
        "searcher exits (exiting:Found) is broken: SystemExit: please install foo; it is left out",
        "searcher function (json:dumps) is broken: it is no class derived from Searcher; it is left out",
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


# --- settings ---


def made(kind: type[Searcher], **settings: Any) -> Searcher:
    return make_searcher(kind, ToySpace(), seed=0, settings=settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomSearcher(ToySpace(), seed=-1), "a searcher's seed is 0 or more, not -1"),
        (lambda: TPESearcher(ToySpace(), gamma=0), "gamma must be a number above 0, not 0"),
        (lambda: RLSearcher(ToySpace(), temperature=-1.0), "temperature must be a number above 0, not -1.0"),
        (lambda: RLSearcher(ToySpace(), decay=1.0), "decay is at least 0 and below 1, not 1.0"),
        (lambda: EvolutionSearcher(ToySpace(), population=0), "population must be a whole number from 1 on, not 0"),
        (lambda: EvolutionSearcher(ToySpace(), tournament=2.5), "tournament must be a whole number from 1 on, not 2.5"),  # type: ignore[arg-type]
        (lambda: RLSearcher(ToySpace(), batch="two"), "batch must be a whole number from 1 on, not 'two'"),  # type: ignore[arg-type]
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

    with pytest.raises(RSAError, match=r"^Nameless takes steps by position only; a searcher's settings have names$"):
        Nameless(ToySpace(), 1, 2)


def test_a_proposal_that_is_known_gives_way_to_one_near_it() -> None:
    class Stubborn(RandomSearcher):
        def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
            return wanted

    space = ToySpace()
    wanted = space.complete({"n_layers": 3})
    searcher = Stubborn(space)
    near = [space.key(one) for one in everything(space) if sum(one.get(k) != wanted[k] for k in wanted) == 1]
    for trial in range(12):
        found = searcher.ask(trial)
        assert (found == wanted) if trial == 0 else (space.key(found) in near)
        assert searcher.ask(trial, repeats=True) == wanted
        searcher.tell(trial, found, 0.5)


# --- random and evolution ---


def test_random_search_draws_every_active_dimension_uniformly() -> None:
    searcher = RandomSearcher(ToySpace(), seed=1)
    found = [searcher.ask(trial) for trial in range(3000)]
    for name, choices in {"n_layers": (1, 2, 3), "layer1/kernel": (1, 3, 5)}.items():
        counts = [sum(one[name] == choice for one in found) for choice in choices]
        assert np.allclose(counts, 1000, atol=4 * (3000 * 2 / 9) ** 0.5)


def test_evolution_follows_algorithm_1_of_real_et_al() -> None:
    space = ToySpace()
    found = run_search(EvolutionSearcher(space, seed=5, population=7, tournament=3), range(60), repeats=True)
    alive: list[tuple[dict[str, Choice], float]] = []
    for trial, architecture, score in found:
        rng = np.random.default_rng([5, trial])
        if len(alive) < 7:
            assert architecture == space.sample(rng)
        else:
            drawn = [alive[int(place)] for place in rng.integers(7, size=3)]
            best = max(score for _, score in drawn)
            parent = next(member for member, score in drawn if score == best)
            assert architecture == space.mutate(parent, rng)
        if score is not None:
            alive.append((architecture, score))
        if len(alive) > 7:
            del alive[0]
    assert sum(score is None for *_, score in found) > 2


# --- TPE ---


def hyperopts_own(space: Space, told: list[tuple[dict[str, Choice], float | None]], seed: list[int]) -> dict[str, Any]:
    """What hyperopt's `tpe.suggest` proposes after these trials."""
    from hyperopt import JOB_STATE_DONE, tpe
    from hyperopt.base import Domain, Trials
    from tgsage.plugins.adapters.hyperopt import space_of

    domain, trials = Domain(None, space_of(space)), Trials()
    for tid, (architecture, score) in enumerate(told):
        places = {
            d.name: [d.choices.index(architecture[d.name])] if d.name in architecture else [] for d in space.dimensions
        }
        idxs = {name: [tid] * len(place) for name, place in places.items()}
        result = {"status": "fail"} if score is None else {"status": "ok", "loss": -score}
        misc = {"tid": tid, "cmd": domain.cmd, "workdir": None, "idxs": idxs, "vals": places}
        (document,) = trials.new_trial_docs([tid], [None], [result], [misc])
        trials.insert_trial_doc({**document, "state": JOB_STATE_DONE})
    trials.refresh()
    generator: Any = np.random.default_rng(seed)  # hyperopt hands it to numpy, which keeps a generator as it is
    (found,) = tpe.suggest([len(told)], domain, trials, generator, verbose=False)
    vals = found["misc"]["vals"]
    return {d.name: d.choices[int(vals[d.name][0])] for d in space.dimensions if vals[d.name]}


@pytest.mark.parametrize("space", [ToySpace(), ConditionalSpace()], ids=["toy", "conditional"])
def test_tpe_proposes_what_hyperopt_proposes(space: Space) -> None:
    searcher, told = TPESearcher(space, seed=2), list[tuple[dict[str, Choice], float | None]]()
    for trial in range(60):
        architecture = searcher.ask(trial, repeats=True)
        if trial in (20, 21, 37, 59):
            assert architecture == space.canonical(hyperopts_own(space, told, [2, trial]))
        code = pretend(space, architecture)
        told.append((architecture, None if code is None else code + trial * 1e-6))  # no ties
        searcher.tell(trial, *told[-1])


def test_for_tpe_running_trials_are_failures() -> None:
    space = ToySpace()
    searcher, told = TPESearcher(space, seed=2), run_search(RandomSearcher(space, seed=3), range(30))
    for one in told:
        searcher.tell(*one)
    running = [space.sample(np.random.default_rng(i)) for i in range(3)]
    known = [(architecture, score) for _, architecture, score in told]
    known += [(one, None) for one in sorted(running, key=space.key)]
    assert searcher.ask(30, running=running) == space.canonical(hyperopts_own(space, known, [2, 30]))
    assert searcher.ask(30, running=running) != searcher.ask(30)


def test_tpe_starts_randomly_and_depends_on_the_order_of_scores_only() -> None:
    space = ToySpace()
    searcher, stretched = TPESearcher(space, seed=7), TPESearcher(space, seed=7)
    for trial in range(40):
        architecture = searcher.ask(trial, repeats=True)
        assert stretched.ask(trial, repeats=True) == architecture
        assert (architecture == RandomSearcher(space, seed=7).ask(trial)) or trial >= 20
        score = pretend(space, architecture)
        searcher.tell(trial, architecture, score)
        stretched.tell(trial, architecture, None if score is None else np.expm1(5 * score))


# --- RL ---


def test_the_policy_is_a_distribution_over_all_choices() -> None:
    space = ConditionalSpace()
    controller = Controller(space, seed=1, temperature=0.3)
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.mul_(12)  # far from uniform
        found = list(everything(space))
        log_p, _, made = controller(found)
    p = log_p.sum(dim=1).exp().numpy()
    assert len(found) == space.size() == len({space.key(one) for one in found})
    assert made.sum().item() == sum(map(len, found))
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p.max() > 5 * p.min()

    places = {space.key(one): i for i, one in enumerate(found)}
    drawn = [places[space.key(controller.sample(np.random.default_rng(i)))] for i in range(2000)]
    counts, expected = np.bincount(drawn, minlength=len(p)), p * len(drawn)
    assert ((counts - expected) ** 2 / expected).sum() < len(p) + 4 * (2 * len(p)) ** 0.5  # chi squared


def test_log_probabilities_are_those_of_the_equations_step_by_step() -> None:
    space = get_space("cnn3")
    temperature = 0.7
    controller = Controller(space, seed=4, temperature=temperature)
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.mul_(10)
        architecture = next(a for i in range(99) if (a := space.sample(np.random.default_rng(i)))["n_layers"] == 3)
        given, state, outputs, total = controller.start, None, [], 0.0
        for step in range(4):
            output, state = controller.lstm(given[None, None], state)
            h = output[0, 0]
            outputs.append(h)
            codes = []
            for dimension in (d for d in space.dimensions if d.step == step):
                place = dimension.choices.index(architecture[dimension.name])
                codes.append(controller._codes[dimension.name][place])
                if dimension.source is None:
                    logits = h @ controller.maps[:, controller._logits[dimension.name]]  # eq. 1
                    total += float(torch.softmax(logits / temperature, 0)[place].log())
                else:
                    z = controller.source @ outputs[dimension.source] + controller.target @ h  # eq. 2
                    p = float(torch.sigmoid(z / temperature))
                    total += np.log(p if place else 1 - p)
            given = controller.embedding[codes].sum(dim=0)
        shorter = space.sample(np.random.default_rng(0))
        batched, alone = controller([shorter, architecture])[0][1].sum(), controller([architecture])[0].sum()
    assert float(batched) == pytest.approx(total, abs=1e-12)
    assert float(alone) == pytest.approx(total, abs=1e-12)


def test_kinds_share_their_map_over_steps_and_dimensions_of_one_step_do_not() -> None:
    controller = Controller(ConditionalSpace())
    assert controller._logits["beta/order"] == controller._logits["beta/second"]
    assert not set(controller._logits["beta/second"]) & set(controller._logits["beta/third"])
    assert controller._logits["alpha/width"][2] not in controller._logits["beta/width"]
    layers = Controller(get_space("cnn10"))._logits
    assert layers["layer3/filters"] == layers["layer9/filters"]
    assert not any("from_" in name for name in layers)


def test_one_update_is_reinforce_with_clipping_and_adam() -> None:
    space = ToySpace()
    searcher, reference = RLSearcher(space, seed=9, clip=1e-3), Controller(space, seed=9)
    adam = torch.optim.Adam(reference.parameters(), lr=0.001, betas=(0.0, 0.999))
    baseline = None
    for batch in range(3):
        told = [(searcher.ask(trial), float(trial % 4)) for trial in range(batch * 5, batch * 5 + 5)]
        for trial, (architecture, score) in enumerate(told, start=batch * 5):
            searcher.tell(trial, architecture, score)
        mean = sum(score for _, score in told) / 5
        baseline = mean if baseline is None else baseline
        adam.zero_grad()
        loss = sum(-(score - baseline) * reference([one])[0].sum() / 5 for one, score in told)
        assert isinstance(loss, torch.Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = sum(float((p.grad**2).sum()) for p in reference.parameters() if p.grad is not None) ** 0.5
        for parameter in reference.parameters():
            if parameter.grad is not None:
                parameter.grad *= 1e-3 / (norm + 1e-6)
        adam.step()
        baseline = 0.95 * baseline + 0.05 * mean
        assert searcher.diagnostics()["gradient_norm"] == pytest.approx(norm, rel=1e-9)
        assert searcher.diagnostics()["baseline"] == pytest.approx(baseline)
    mine, theirs = searcher._controller.state_dict(), reference.state_dict()
    assert all(torch.allclose(mine[name], theirs[name], rtol=0, atol=1e-9) for name in theirs)


def test_entropies_begin_uniform_and_fall_as_the_policy_finds_the_best_choices() -> None:
    space = ToySpace()
    searcher = RLSearcher(space, seed=0, learning_rate=0.02)
    assert searcher.diagnostics() == {}
    entropies = []
    for trial in range(500):
        architecture = searcher.ask(trial, repeats=True)
        searcher.tell(
            trial, architecture, float(architecture["n_layers"] == 2) + float(architecture["layer1/kernel"] == 5)
        )
        if trial in (4, 499):
            entropies.append(searcher.diagnostics())
    assert {key for key in entropies[0] if "/" in key} == {
        "entropy/" + kind for kind in ("n_layers", "filters", "kernel", "pool")
    }
    assert entropies[0]["entropy/filters"] == pytest.approx(np.log(3), abs=0.01)
    assert entropies[1]["entropy/n_layers"] < 0.3
    asked = [searcher.ask(trial, repeats=True) for trial in range(1000, 1050)]
    assert sum(one["n_layers"] == 2 and one["layer1/kernel"] == 5 for one in asked) > 40


def test_for_rl_a_failure_is_as_bad_as_the_worst_score() -> None:
    space = ToySpace()
    failed, worst = RLSearcher(space), RLSearcher(space)
    failed.tell(90, failed.ask(90), None)  # nothing to compare it with yet
    scores: list[tuple[float | None, float]] = [(0.4, 0.4), (0.2, 0.2), (None, 0.2), (0.9, 0.9), (None, 0.2)]
    for trial, (one, other) in enumerate(scores):
        failed.tell(trial, failed.ask(trial), one)
        worst.tell(trial, worst.ask(trial), other)
    assert failed.diagnostics() == worst.diagnostics() != {}


@pytest.mark.parametrize("penalty", [-sys.float_info.max, -1e300, sys.float_info.max])
def test_rl_outlives_scores_of_any_size(penalty: float) -> None:
    searcher = RLSearcher(ToySpace(), seed=0)
    for trial in range(50):
        searcher.tell(trial, searcher.ask(trial), penalty if trial % 5 in (1, 3) else 0.5 + 0.001 * trial)
        assert np.isfinite(list(searcher.diagnostics().values())).all()
    assert abs(searcher.diagnostics()["baseline"]) < 10
    assert len({searcher.space.key(searcher.ask(trial)) for trial in range(100, 120)}) > 15


@pytest.mark.slow
def test_rl_learns_what_is_best_although_some_scores_are_huge_penalties() -> None:
    searcher, rng = RLSearcher(ToySpace(), seed=0, learning_rate=0.02), np.random.default_rng(0)
    for trial in range(400):
        architecture = searcher.ask(trial, repeats=True)
        score = float(architecture["n_layers"] == 2) + float(architecture["layer1/kernel"] == 5)
        bad = architecture["layer1/pool"] == "max" and rng.random() < 0.2
        searcher.tell(trial, architecture, -1e300 if bad else score)
    asked = [searcher.ask(trial, repeats=True) for trial in range(1000, 1050)]
    assert sum(one["n_layers"] == 2 and one["layer1/kernel"] == 5 for one in asked) > 40


def test_rl_outlives_penalties_only() -> None:
    space = ToySpace()
    for scores in ([-sys.float_info.max], [1e300, -1e300], [-sys.float_info.max, sys.float_info.max]):
        searcher = RLSearcher(space, seed=0)
        for trial in range(20):
            searcher.tell(trial, searcher.ask(trial), scores[trial % len(scores)])
            assert np.isfinite(list(searcher.diagnostics().values())).all()
        assert len({space.key(searcher.ask(trial)) for trial in range(100, 120)}) > 15


def test_for_rl_scores_near_each_other_count_as_they_are() -> None:
    space, rng = ToySpace(), np.random.default_rng(0)
    for scale in (1.0, 1e8):
        searcher, told = RLSearcher(space), list[float]()
        for trial in range(5):
            told.append(scale * float(rng.uniform(-1, 1)))
            searcher.tell(trial, searcher.ask(trial), told[-1])
        assert searcher.diagnostics()["baseline"] == pytest.approx(sum(told) / 5, rel=1e-12)


def test_rl_leaves_torchs_threads_and_gradient_mode_alone() -> None:
    before = torch.get_num_threads()
    with torch.no_grad():
        run_search(RLSearcher(ToySpace()), range(12))
        assert not torch.is_grad_enabled()
    assert torch.get_num_threads() == before
