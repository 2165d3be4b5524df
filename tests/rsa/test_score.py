"""What a score reports from its draws."""

import json

import numpy as np
import pytest
from tgsage.rsa import (
    TeacherScore,
    best_layer_interval,
    bootstrap,
    compare_all,
    compute_rdm,
    crossvalidated_choice,
    interval,
)


def test_ends_of_intervals_and_the_crossvalidated_tg_are_reported() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 8))
    layers = {f"l{k}": compute_rdm(x + k * rng.normal(size=x.shape)) for k in (0.5, 1.0, 2.0)}
    targets = {f"t{k}": compute_rdm(x + k * rng.normal(size=x.shape)) for k in (0.5, 1.0)}
    table, draws = compare_all(layers, targets), bootstrap(layers, targets, n=200)
    choice = crossvalidated_choice(layers, targets, n=5)
    plain = TeacherScore(table, {}, "pearson", "stimulus", "t")
    assert plain.low is None
    assert plain.tg_low is None
    assert plain.tg_crossvalidated is None
    score = TeacherScore(table, {}, "pearson", "stimulus", "t", draws=draws, crossvalidated=choice)
    assert (score.tg_low, score.tg_high) == best_layer_interval(draws)
    assert score.low is not None
    np.testing.assert_array_equal(score.low, interval(draws)[0])
    assert score.tg_crossvalidated == pytest.approx(float(choice.mean()))
    found = json.loads(json.dumps(score.to_dict()))
    assert found["tg_crossvalidated"] == score.tg_crossvalidated
    assert found["low"]["l0.5"]["t1.0"] == float(score.low.sel(layer="l0.5", target="t1.0"))
    assert found["bootstrap"]["draws"] == 200
    assert plain.best_interval == {}
    assert plain.shown == (None, None)
    for target, layer in score.best_layer.items():
        ends = best_layer_interval(draws.sel(target=[target]))
        assert score.best_interval[target] == ends
        assert tuple(found["best_interval"][target]) == ends
        for side, end, plainly in zip(score.shown, ends, (score.low, score.high), strict=True):
            assert side is not None
            assert plainly is not None
            assert float(side.sel(layer=layer, target=target)) == end
            others = side["layer"] != layer
            np.testing.assert_array_equal(side.sel(target=target)[others], plainly.sel(target=target)[others])
