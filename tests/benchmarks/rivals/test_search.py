"""Searches that begin with what is free: rules for new networks, proposals, curves, and what is reported of them."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata, ttest_1samp
from tgsage.benchmarks.pages.experiments import write_page
from tgsage.benchmarks.rivals.rule import Rule, standing
from tgsage.benchmarks.rivals.search import (
    ALL,
    BOTH,
    FREE,
    KIND,
    OBJECTIVES,
    P,
    Plan,
    Rules,
    _any,
    _in_turn,
    _updated,
    compare,
    propose,
    read_searches,
)
from tgsage.benchmarks.rivals.table import SIZE
from tgsage.plugins.spaces import Architecture, Dimension, Space, get_space
from tgsage.rsa import RSAError, Teacher
from tgsage.rsa.cli.app import main
from torch import nn

from .test_rivals import table


def test_new_networks_stand_where_equal_members_do() -> None:
    known = np.array([3.0, 1.0, 1.0, 8.0])
    ranks = rankdata(known)
    np.testing.assert_allclose(standing(known, known), (ranks - ranks.mean()) / ranks.std())
    np.testing.assert_allclose(standing(known, np.array([0.0, 9.0])), (np.array([0.5, 4.5]) - 2.5) / ranks.std())


def test_a_rule_predicts_networks_that_it_was_not_learned_on() -> None:
    rng = np.random.default_rng(0)
    quality = rng.normal(size=140)
    values = np.stack([quality + rng.normal(size=(2, 140)), rng.normal(size=(2, 140))], axis=2)
    present = np.ones((2, 100), bool)
    present[1, :40] = False
    rule = Rule.learn(values[:, :100], quality[:100], present)
    assert rule.weights[0] > 5 * abs(rule.weights[1])
    new = values[0, 100:]
    assert np.corrcoef(rule(new), quality[100:])[0, 1] > 0.5
    whole = []
    for known, here in zip(rule.known, present, strict=True):
        whole.append(np.column_stack([standing(known[here, j], new[:, j]) for j in range(2)]))
    np.testing.assert_allclose(rule(new), np.mean(whole, axis=0) @ rule.weights)


def test_rules_are_of_random_members_and_of_those_that_they_put_first() -> None:
    made = table(tuple(["random", "best", "size 1-2"][i % 3] for i in range(60)))
    rules = Rules.learn(made, "good", 100)
    assert rules.names == ("parameters", "depth")
    assert rules.screen.present.sum() == made.present[:, ::3].sum()
    assert 55 <= rules.whole.present.sum() <= 60
    assert rules.alpha == 5
    assert rules.whole.weights[3] > rules.whole.weights[2] > 0  # a deep stage against P
    with pytest.raises(RSAError, match="after 0, 100 examples; 0 and 50 are needed"):
        Rules.learn(made, "good", 50)
    with pytest.raises(RSAError, match="5 random members so far"):
        Rules.learn(table(("random",) * 5 + ("best",) * 55), "good", 100)


class Few(Space):
    """Three networks."""

    def __init__(self) -> None:
        super().__init__("few", [Dimension("width", (1, 2, 3), step=0, kind="width")])

    def describe(self, architecture: Architecture) -> str:
        return str(architecture)

    def build(self, architecture: Architecture, **settings: Any) -> nn.Module:
        raise NotImplementedError


def test_proposals_are_different_networks_and_none_of_the_pool() -> None:
    space = get_space("toy")
    first = propose(space, 0, 6, frozenset())
    keys = [space.key(one) for one in first]
    assert len(set(keys)) == 6
    assert [space.key(one) for one in propose(space, 0, 6, frozenset(keys[:2]))][:4] == keys[2:]
    with pytest.raises(RSAError, match="few has fewer than 4 networks that are not in the pool"):
        propose(Few(), 0, 4, frozenset())


def test_curves_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(1)
    before, after, mature = rng.normal(size=(3, 8))
    after[2] = -np.inf  # its training failed
    mean, best = _updated(before, after, mature)
    for k in range(9):
        now = [after[i] if i < k else before[i] for i in range(8)]
        top = sorted(range(8), key=lambda i: -now[i])[:5]
        assert mean[k] == pytest.approx(np.mean(mature[top]))
        assert best[k] == pytest.approx(np.max(mature[top]))
    low = np.where(np.isfinite(after), after - 9, after)  # a failed one comes after all that are known to be bad
    assert _updated(before, low, mature)[0][8] == pytest.approx(mature[np.argsort(-after)[:5]].mean())
    mean, best = _in_turn(after, mature)
    assert np.isnan(mean[0])
    assert mean[3] == pytest.approx(mature[:2].mean())
    assert best[8] == pytest.approx(mature[np.argsort(-after)[:5]].max())


def test_any_five_are_the_mean_over_all_choices() -> None:
    mature = np.random.default_rng(2).normal(size=8)
    every = [mature[list(five)] for five in combinations(range(8), 5)]
    assert _any(mature) == pytest.approx((np.mean(every), np.mean([five.max() for five in every])))


def test_a_rule_needs_members_at_a_seed_and_ignores_seeds_with_few() -> None:
    rng = np.random.default_rng(0)
    values, goal = rng.normal(size=(2, 40, 2)), rng.normal(size=40)
    present = np.ones((2, 40), bool)
    present[1, 1:] = False
    assert np.abs(Rule.learn(values, goal, present)(rng.normal(size=(9, 2)))).max() < 5
    with pytest.raises(RSAError, match="no seed has 12 members to learn from yet; the most are 1"):
        Rule.learn(values[1:], goal, present[1:])
    np.testing.assert_array_equal(standing(np.ones(5), np.array([0.0, 2.0])), [0, 0])


def result(seeds: int = 4) -> dict[str, Any]:
    """P climbs from .90 to .92 in two trainings; what is free knows .93 at once, and TG adds .01 at the end."""
    rng = np.random.default_rng(0)
    plan = {"proposals": 9, "samples": 2, "examples": 50, "seeds": seeds}
    about: dict[str, Any] = {"plan": plan, "best": 0.95, "teacher": {"name": "net", "by": "stimulus", "examples": 1000}}
    about |= {"space": "toy", "members": 30, "learned at seeds": 1, "alpha": 1}
    searches = {}
    for seed in range(seeds):
        curves = {name: np.array([0.93, 0.93, 0.93]) for name in OBJECTIVES}
        curves |= {P: np.array([np.nan, 0.9, 0.92]), ALL: np.array([0.93, 0.93, 0.94]), SIZE: np.full(3, 0.91)}
        noisy = {name: (curve + 0.001 * rng.normal()).tolist() for name, curve in curves.items()}
        searches[str(seed)] = {name: {"mean": curve, "best": curve} for name, curve in noisy.items()}
    return {"kind": KIND, "about": about, "searches": searches, "rows": []}


def test_objectives_are_compared_at_equal_cost() -> None:
    made = result()
    rows = {row["objective"]: row for row in compare(made["searches"], made["about"])}
    assert list(rows) == list(OBJECTIVES)
    assert [rows[name]["to P"] for name in (P, FREE, SIZE, ALL)] == [100, 0, None, 0]
    assert [rows[name]["examples"] for name in (P, FREE, BOTH)] == [100, 0, 100]
    assert (rows[ALL]["alone"], rows[ALL]["shared"], rows[BOTH]["alone"]) == (1100, 200, 100)
    assert rows[ALL]["regret"] == pytest.approx(1, abs=0.2)
    last = [100 * (one[ALL]["mean"][-1] - one[FREE]["mean"][-1]) for one in made["searches"].values()]
    bounds = ttest_1samp(last, 0).confidence_interval()
    np.testing.assert_allclose(rows[ALL]["over free"], [np.mean(last), bounds.low, bounds.high])


def test_the_page_says_what_was_found(tmp_path: Path) -> None:
    path, page = tmp_path / "screening.json", tmp_path / "page.md"
    path.write_text(json.dumps(result()))
    assert read_searches(path)["rows"][0]["seeds"] == 4
    write_page(page, [path])
    text = page.read_text()
    assert "4 seeds" in text
    assert "Free predictors with learned weights: 9" in text
    assert "The largest: 9" in text
    assert "ends below P" in text
    assert "nan" not in text
    assert "at or above its end: without a pool to learn from, chance, free (equal weights); with weights" in text
    assert "Over free predictors (points): free + P " in text
    assert (tmp_path / "page" / "searches.png").stat().st_size > 5000
    path.write_text(json.dumps({"kind": KIND, "about": {}}))
    with pytest.raises(RSAError, match=r"screening\.json holds no searches"):
        write_page(page, [path])


@pytest.mark.parametrize(("numbers", "wrong"), [((60, 4), "got 4 of 60"), ((6, 8), "got 8 of 6"), ((9, 5, 0), "got 0")])
def test_plans_that_cannot_be_are_refused(numbers: tuple[int, ...], wrong: str) -> None:
    with pytest.raises(RSAError, match=wrong):
        Plan(*numbers)


@pytest.mark.slow
def test_from_a_members_file_to_searches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cells of NAS-Bench-201 on digits; what is trained is not trained again."""
    pool, made, file, out = (str(tmp_path / name) for name in ("pool", "made", "members.h5", "screening.json"))
    tiny = ["--data", "digits", "--recipe", "digits", "--train", "100", "--valid", "60", "--checkpoints", "0,50,100"]
    assert main(["bench", "pool", pool, "--seeds", "0", "--each", "12", *tiny, "--recordings", ""]) == 0
    assert main(["bench", "teachers", made, pool, "--model", "", "--untrained", "resnet:1"]) == 0
    teachers = sorted(map(str, Path(made).glob("*.h5")))
    given = [part for one in teachers for part in ("--teacher", one)]
    assert main(["teacher", "compare", pool, *given, "--members", file, "--bootstrap", "20"]) == 0
    study = tmp_path / "study"
    search = ["bench", "screening", str(study), "--pool", file, "--teacher", teachers[-1], "--teacher-examples", "500"]
    search += ["--proposals", "7", "--samples", "5", "--seeds", "2", "--json", out]
    capsys.readouterr()
    assert main([*search, "--examples", "50"]) == 2
    assert "depends on the length of the training; give 100 examples" in capsys.readouterr().err
    assert main([*search, "--examples", "100"]) == 0
    rows = {row["objective"]: row for row in read_searches(Path(out))["rows"]}
    assert list(rows) == list(OBJECTIVES)
    assert all(np.isfinite(row["top"]) and row["regret"] >= 0 for row in rows.values())
    assert [rows[name]["examples"] for name in (FREE, P, ALL)] == [0, 500, 500]
    assert (rows[ALL]["alone"], rows[FREE]["learned"], rows[P]["learned"]) == (1000, True, False)
    parts = {path: path.stat().st_mtime_ns for path in study.glob("seed*/candidates/*.h5")}
    assert 10 <= len(parts) <= 20
    assert main([*search, "--examples", "100"]) == 0
    assert {path: path.stat().st_mtime_ns for path in study.glob("seed*/candidates/*.h5")} == parts
    again = {row["objective"]: row["top"] for row in read_searches(Path(out))["rows"]}
    assert again == {name: row["top"] for name, row in rows.items()}
    other = Teacher.load(teachers[0])
    strangers = {name: replace(rdm, values=1 - rdm.values) for name, rdm in other.rdms.items()}
    replace(other, rdms=strangers).save(tmp_path / "other.h5")
    wrong = [*search[:6], str(tmp_path / "other.h5"), *search[7:], "--examples", "100"]
    assert main(wrong) == 2
    assert "was compared with other teachers" in capsys.readouterr().err
