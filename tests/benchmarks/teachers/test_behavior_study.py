"""Behaviour on a pool whose answer is known, and partial rank correlations against regression residuals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import rankdata, spearmanr
from tgsage.benchmarks.pool.pool import Pool
from tgsage.benchmarks.teachers import behavior as study
from tgsage.benchmarks.teachers.behavior import Partial, groups, matched, study_behavior
from tgsage.plugins.training import Data, Part
from tgsage.rsa import Behavior, RSAError, Stimuli

from ..pools import known_pool


def residuals(column: np.ndarray, given: list[np.ndarray]) -> np.ndarray:
    design = np.column_stack([np.ones(len(column)), *map(rankdata, given)])
    ranks = rankdata(column)
    return np.asarray(ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0])


def test_partial_correlations_are_those_of_residuals_of_ranks() -> None:
    rng = np.random.default_rng(0)
    mature, p, size, b = (rng.normal(size=40) for _ in range(4))
    mature += p + size
    b += mature + size
    partial = Partial(mature, {"p": p, "size": size, "b": b}, 50, 0)
    for given in ([], ["p"], ["size"], ["p", "size"]):
        known = {"p": p, "size": size}
        one, other = (residuals(column, [known[name] for name in given]) for column in (b, mature))
        value, low, high = partial("b", given) or []
        assert value == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-4)
        assert low < value < high
    assert partial("p", ["p"]) is None
    gain = spearmanr(p + b, mature).statistic - spearmanr(p, mature).statistic
    assert partial.gain(p + b, "p")[0] == pytest.approx(gain, abs=1e-4)


def test_images_are_matched_by_their_pixels(digits: Data) -> None:
    part = digits.test
    order = np.random.default_rng(0).permutation(len(part))[:50]
    pictures = part.images[order]
    assert isinstance(pictures, torch.Tensor)
    names = [f"n{i}" for i in range(50)]
    labels = part.labels.numpy()[order]
    behavior = Behavior.from_trials("b", names, labels.astype(str), labels.astype(str))
    shown = Stimuli(pictures.repeat(1, 3, 1, 1), {"stimulus_id": names})
    first = part.take(torch.from_numpy(order[:20]))
    assert isinstance(first.source, torch.Tensor)
    rgb = Part(first.source.repeat(1, 3, 1, 1), first.places, first.labels, first.table)
    _, found = matched(behavior, rgb, 20, shown)
    assert found == names[:20]
    with pytest.raises(RSAError, match="b lacks 1 of the 20 test images"):
        matched(behavior.select(names[1:]), rgb, 20, shown)


def test_a_pool_whose_good_members_choose_as_people_do(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    part, n = digits.test, 120
    labels = part.labels.numpy()[:n]
    strength = rng.normal(size=(n, 10)) + 1.5 * (np.arange(10) == labels[:, None])
    stimulus = np.repeat(np.arange(n), 60)
    choice = (strength[stimulus] + rng.gumbel(size=(len(stimulus), 10))).argmax(1)
    ids = tuple(part.table["stimulus_id"][:n].tolist())
    behavior = Behavior("people", ids, digits.classes, labels, stimulus, choice)
    pool = known_pool(24)
    quality = (pool.mature - 0.9) / 0.01
    members = []
    for i, member in enumerate(pool.members):
        noise = rng.normal(size=(3, n, 10)) * np.exp(-0.5 * quality[i])
        logits = {"test": (strength + noise).astype(np.float16)}
        members.append(replace(member, logits=logits, group="random" if i % 2 else "size 3-7"))
    known = Pool(pool.space, pool.checkpoints, pool.views, tuple(members), {"data": "digits"})
    monkeypatch.setattr(study, "load_behavior", lambda *_, **__: behavior)
    monkeypatch.setattr(study, "matched", lambda *_, **__: (part.take(torch.arange(n)), list(ids)))
    monkeypatch.setattr(study, "sizes", lambda pool: np.arange(24.0))
    found = study_behavior(known, "people", bootstrap=50)
    rows = {(row["group"], row["predictor"], row["checkpoint"]): row for row in found.rows}
    assert rows["all", "i2", 200]["alone"][0] > 0.9
    assert rows["all", "i2", 200]["given p and size"][0] > 0.8
    assert rows["all", "i2", 200]["gain"][1] > 0
    assert rows["all", "p", 200]["given p"] is None
    assert found.about["groups"] == {"all": 24, "size": 12, "random": 12}
    assert groups(members)["size"] == list(range(0, 24, 2))
    with pytest.raises(RSAError, match="24 of 24 members keep no logits of test images"):
        study_behavior(pool)
