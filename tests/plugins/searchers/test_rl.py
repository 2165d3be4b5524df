"""The controller's policy against its equations, and RL's updates against plain REINFORCE."""

import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tgsage.plugins import RLSearcher
from tgsage.plugins.searchers.controller import Controller
from tgsage.plugins.spaces import Space, ToySpace, get_space
from tgsage.plugins.spaces.space import Choice
from tgsage.plugins.testing import ConditionalSpace, run_search


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
