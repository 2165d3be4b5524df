"""The page says what the score says, stands alone, and can be read without seeing it."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.rsa import RSAError, TeacherScore, compute_rdm, crossvalidated_choice, layer_differences
from tgsage.rsa.report import write_report
from tgsage.rsa.report.comparisons import Models

from ..reports import render, study


def test_the_table_holds_the_numbers_of_the_score(tmp_path: Path) -> None:
    found = study()
    _, score, _ = found
    _, page = render(tmp_path, found)
    cells = [text for attrs, text in page.all("td")]
    low, high = score.low, score.high
    assert low is not None
    assert high is not None
    for layer in score.table.indexes["layer"]:
        for target in score.table.indexes["target"]:
            here = {"layer": layer, "target": target}
            value, ends = float(score.table.sel(here)), [float(side.sel(here)) for side in (low, high)]
            cell = f"{value:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
            shown = next(text for text in cells if text.startswith(cell))
            assert ("best" in shown) == (score.best_layer[str(target)] == layer)
    assert f"{score.tg:.3f} [{score.tg_low:.3f}, {score.tg_high:.3f}]" in cells
    assert "0.610 to 0.720" in cells
    assert "not known" in cells


def test_the_answer_names_the_best_layer_its_interval_and_its_share_of_the_ceiling(tmp_path: Path) -> None:
    found = study()
    text, page = render(tmp_path, found)
    score = found[1]
    answers = [text for _, text in page.all("li")]
    (v4,) = [answer for answer in answers if answer.startswith("V4:")]
    value = float(score.table.sel(target="V4").max())
    assert f"{score.best_layer['V4']} is the most similar of 4 layers: {value:.3f} (95% interval" in v4
    assert f"{100 * value / 0.72:.0f}% of the ceiling (0.610 to 0.720)" in v4
    assert any(answer.startswith("IT:") and "with no ceiling known" in answer for answer in answers)
    assert "Over 24 stimuli, how similar is the representational geometry of a model to that of V4 and IT" in text


def test_the_interval_of_the_best_of_tied_layers_is_that_of_a_choice(tmp_path: Path) -> None:
    """In the table, in the answer, and in the bars of several models."""
    teacher, _, _ = study(layers=1, targets=("V4",))
    rng = np.random.default_rng(0)
    base = teacher.rdms["V4"]
    tied = {
        f"l{i}": base.replace(values=base.values + rng.normal(size=base.values.size), name=f"l{i}") for i in range(8)
    }
    score = teacher.score(tied, bootstrap=60, seed=3)
    assert score.low is not None
    layer = score.best_layer["V4"]
    low, high = score.best_interval["V4"]
    assert low < float(score.low.sel(layer=layer, target="V4"))
    _, page = render(tmp_path, (teacher, score, tied), others={"same": score})
    assert any(text.startswith(f"{score.tg:.3f} [{low:.3f}, {high:.3f}] best") for _, text in page.all("td"))
    assert any(f"(95% interval {low:.3f} to {high:.3f})" in text for _, text in page.all("li"))
    models = Models({"a model": score, "same": score})
    assert models.low is not None
    np.testing.assert_allclose(models.low, [[low], [low]])
    (methods,) = [text for _, text in page.all("p") if text.startswith("Representational dissimilarity matrices")]
    assert "The intervals generalise to new stimuli of the same 4 category_name" in methods


def test_the_crossvalidated_choice_is_reported_beside_the_maximum(tmp_path: Path) -> None:
    teacher, score, rdms = study()
    halves = crossvalidated_choice(rdms, teacher.rdms, n=10)
    _, page = render(tmp_path, (teacher, replace(score, crossvalidated=halves), rdms))
    (row,) = [text for _, text in page.all("tr") if text.startswith("best, crossvalidated")]
    assert row == "".join(["best, crossvalidated", *(f"{value:.3f}" for value in halves.values.mean(axis=1))])
    assert any(f"scored on the other, TG is {halves.values.mean():.3f}" in text for _, text in page.all("li"))
    assert any("(20 splits)" in text for _, text in page.all("p"))


def test_the_p_values_are_those_of_the_paired_differences(tmp_path: Path) -> None:
    found = study(layers=5)
    _, page = render(tmp_path, found)
    assert found[1].draws is not None
    tests = layer_differences(found[1].draws)
    for k, target in enumerate(("V4", "IT")):
        p = tests["p_adjusted"].values[:, k]
        assert f"{target}: {(p < 0.05).sum()} of 10 pairs differ" in [text for _, text in page.all("h3")]
    first = float(tests["p_adjusted"][0, 0])  # layer0 with layer1
    shown = next(text for _, text in page.all("tr") if text.startswith("2 layer1"))
    number = re.sub(r"2 layer1\s*[▲▽]?", "", shown)
    assert number.startswith("<") or float(number) == pytest.approx(first, abs=0.006)


def test_the_page_needs_nothing_but_itself_and_admits_no_script(tmp_path: Path) -> None:
    text, page = render(tmp_path, study(note="Simulated sites, not brains"), command="tgsage score a --teacher b")
    for _, attrs, _ in page.elements:
        for key in ("src", "href", "xlink:href", "srcset", "action"):
            assert (attrs.get(key) or "#").startswith(("#", "data:image/png"))
    assert "url(" not in text.replace("url(#", "")
    assert "@import" not in text
    assert not page.all("script", "iframe", "link", "object")
    policies = [attrs["content"] for attrs, _ in page.all("meta") if attrs.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    notes = [content for attrs, content in page.all("p") if attrs.get("role") == "note"]
    assert notes == ["Note: Simulated sites, not brains"]
    assert "tgsage score a --teacher b" in [text for _, text in page.all("code")]
    assert {"python", "tgsage", "numpy"} <= {text for _, text in page.all("dt")}


def test_it_can_be_heard_and_walked_by_keyboard(tmp_path: Path) -> None:
    _, page = render(tmp_path, study(layers=50, bootstrap=30))
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    names = [attrs["id"] for _, attrs, _ in page.elements if attrs.get("id")]
    assert len(set(names)) == len(names)
    pictures = page.all("svg")
    assert len(pictures) >= 9
    for attrs, text in pictures:
        assert attrs["role"] == "img"
        assert set((attrs["aria-labelledby"] or "").split()) <= set(names)
        assert text
    assert any(
        re.search(r"V4: 50 similarities; highest layer\d+ 0\.\d{3} \[.*; ceiling 0.610 to 0.720", t)
        for _, t in pictures
    )
    assert page.all("th")
    assert all(attrs.get("scope") in ("row", "col") for attrs, _ in page.all("th"))
    scrolled = [attrs for _, attrs, _ in page.elements if "scroll" in (attrs.get("class") or "").split()]
    assert scrolled
    for attrs in scrolled:
        assert attrs["tabindex"] == "0"
        assert attrs["role"] == "region"
        assert attrs.get("aria-label") or attrs.get("aria-labelledby") in names
    anchors = [(attrs.get("href") or "")[1:] for attrs, _ in page.all("a")]
    assert set(anchors) <= set(names)
    assert len(anchors) > 5


def test_strange_names_stay_text(tmp_path: Path) -> None:
    found = study(targets=('<img src="http://x">&"', "'b'\x07"), name="<script>alert({})</script>&amp;")
    text, page = render(tmp_path, found, model="<b>model</b>", settings={"<key>": '<value> & "more"'})
    assert "<script" not in text
    assert "\x07" not in text
    assert not page.all("b", "img", "script")
    assert "<b>model</b> against a teacher" in [t for _, t in page.all("h1")]
    assert any("<script>alert(3)</script>&amp;" in t for _, t in page.all("th"))
    assert '<value> & "more"' in [t for _, t in page.all("dd")]


@pytest.mark.parametrize(
    ("settings", "absent"),
    [
        ({"bootstrap": 0, "ceilings": False}, "Tests"),
        ({"layers": 1, "targets": ("IT",)}, "Tests"),
        ({"layers": 1, "targets": ("IT",), "bootstrap": 0}, "Map"),
        ({"n": 8, "by": "category_name"}, ""),
    ],
)
def test_parts_that_cannot_be_are_left_out(tmp_path: Path, settings: dict[str, Any], absent: str) -> None:
    text, page = render(tmp_path, study(**settings))
    titles = [t.split()[0] for _, t in page.all("h2")]
    assert titles[:3] == ["Question", "Answer", "Similarities"]
    assert not absent or absent not in titles
    assert "nan" not in re.sub(r"base64,[\w+/=]*", "", text).lower()
    assert ("No intervals" in text) == (settings.get("bootstrap") == 0)


def test_methods_are_those_of_the_score(tmp_path: Path) -> None:
    teacher, _, rdms = study(layers=3)
    score = teacher.score(rdms, method="rho-a", bootstrap=40, seed=11)
    _, page = render(tmp_path, (teacher, score, rdms))
    (methods,) = [text for _, text in page.all("p") if text.startswith("Representational dissimilarity matrices")]
    for words in (
        "3 layers of a model (30 features of each, drawn with seed 7",
        "1 - Pearson correlation",
        "z-scored",
        "V4 (30 neuroids) and IT (30 neuroids) of a teacher",
        "276 pairs",
        "Spearman's rho-a",
        "40 bootstrap resamples of stimuli (seed 11",
        "No noise ceiling was available (none for rho-a",
    ):
        assert words in methods
    references = [text for _, text in page.all("li")]
    assert any("eLife 12: e82566" in reference for reference in references)
    assert not any("Neurons, Behavior" in reference for reference in references)
    for author, year in re.findall(r"(\w+)(?: & \w+| et al\.)? (\d{4})\b", methods):
        assert any(one.startswith(author) and f"({year})" in one for one in references), author


def test_several_models_are_bars_with_their_best_layers_and_tested_where_draws_are_paired(tmp_path: Path) -> None:
    teacher, score, rdms = study()
    noise = {
        f"n{i}": compute_rdm(np.random.default_rng(i).normal(size=(24, 9)), labels=rdms["layer0"].labels)
        for i in (5, 6)
    }
    other = teacher.score(noise, bootstrap=60, seed=3)
    _, page = render(tmp_path, (teacher, score, rdms), others={"noise": other})
    assert "Comparison of models" in [text for _, text in page.all("h2")]
    models = Models({"a model": score, "noise": other})
    np.testing.assert_allclose(models.values[:, :2], [s.table.values.max(axis=0) for s in (score, other)])
    np.testing.assert_allclose(models.values[:, 2], [score.tg, other.tg])
    assert models.low is not None
    np.testing.assert_allclose(models.low[0, :2], [low for low, _ in score.best_interval.values()])
    assert models.low[1, 2] == other.tg_low
    assert models.tests.sign(2, 0, 1) == 1
    assert any("a model 0." in text and "noise 0." in text for _, text in page.all("svg"))
    unpaired = teacher.score(noise, bootstrap=60, seed=4)
    text, _ = render(tmp_path, (teacher, score, rdms), others={"noise": unpaired})
    assert "were not tested against each other" in text


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    teacher, score, rdms = study()
    with pytest.raises(RSAError, match=r"a report's name ends in \.html"):
        write_report(tmp_path / "a.pdf", model="m", teacher=teacher, score=score, rdms=rdms)
    with pytest.raises(RSAError, match="there is no folder"):
        write_report(tmp_path / "none" / "a.html", model="m", teacher=teacher, score=score, rdms=rdms)
    with pytest.raises(RSAError, match="the score has layer layer3, which has no RDM here"):
        write_report(
            tmp_path / "a.html", model="m", teacher=teacher, score=score, rdms={k: rdms[k] for k in list(rdms)[:3]}
        )
    other = teacher.score(rdms, method="spearman")
    with pytest.raises(RSAError, match="x and m cannot share a report: method spearman and pearson"):
        write_report(tmp_path / "a.html", model="m", teacher=teacher, score=score, rdms=rdms, others={"x": other})
    with pytest.raises(RSAError, match="two models of a report are called m"):
        write_report(tmp_path / "a.html", model="m", teacher=teacher, score=score, rdms=rdms, others={"m": score})
    assert not list(tmp_path.iterdir())


def test_scores_of_features_have_a_page_without_rdms(tmp_path: Path) -> None:
    teacher, score, _ = study()
    cka = TeacherScore(score.table, {}, "cka", "stimulus", "a teacher", {"n_features": 30}, score.draws)
    _, page = render(tmp_path, (teacher, cka, {}))
    assert "RDMs" not in [text for _, text in page.all("h2")]
    assert any("linear centred kernel alignment (CKA) (Kornblith et al. 2019)" in text for _, text in page.all("p"))


@pytest.mark.slow
def test_a_large_study_stays_a_page_of_a_few_megabytes(tmp_path: Path) -> None:
    text, _ = render(tmp_path, study(n=340, layers=60, targets=tuple("abcd"), bootstrap=5))
    assert len(text) < 2_500_000
