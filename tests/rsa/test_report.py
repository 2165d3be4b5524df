"""The page says what the score says, stands alone, and can be read without seeing it."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import smacof
from tgsage.rsa import (
    RDM,
    RSAError,
    Teacher,
    TeacherScore,
    compute_rdm,
    crossvalidated_choice,
    interval,
    layer_differences,
)
from tgsage.rsa.report import write_report
from tgsage.rsa.report.comparisons import Models, PairTests, above_zero
from tgsage.rsa.report.mds import planar_map
from tgsage.rsa.report.rdm_images import averaged
from tgsage.rsa.report.svg import Drawing, ticks

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Elements with their attributes and text; raises where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element: tuple[str, dict[str, str | None], list[str]] = (tag, dict(attrs), [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, _, text in self.open:
            text.append(data)

    def all(self, *tags: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attrs, " ".join("".join(text).split())) for tag, attrs, text in self.elements if tag in tags]


def study(
    n: int = 24, layers: int = 4, targets: tuple[str, ...] = ("V4", "IT"), *, name: str = "layer{}",
    by: str = "stimulus", bootstrap: int = 60, ceilings: bool = True, seed: int = 0, note: str = "",
) -> tuple[Teacher, TeacherScore, dict[str, RDM]]:  # fmt: skip
    """A model whose layers come nearer to the targets, one after another."""
    rng = np.random.default_rng(seed)
    labels, category = [f"im{i}" for i in range(n)], [f"kind {i % 4}" for i in range(n)]
    base = rng.normal(size=(4, 30))[np.arange(n) % 4] + rng.normal(size=(n, 30))
    common: dict[str, Any] = {"labels": labels, "by": by, "descriptors": {"category_name": category}}
    wanted = {
        t: compute_rdm(base + rng.normal(size=(n, 30)), attrs={"neuroids": 30, "scale": "zscore"}, **common)
        for t in targets
    }
    rdms = {
        name.format(i): compute_rdm(
            base + (layers - i) * rng.normal(size=(n, 30)), attrs={"n_features": 30, "seed": 7}, **common
        )
        for i in range(layers)
    }
    known = dict.fromkeys(targets[:1], (0.61, 0.72)) if ceilings else None
    attrs = {"ceiling": "sqrt of split-half reliability (Spearman-Brown, pearson)", **({"note": note} if note else {})}
    teacher = Teacher.from_rdms("a teacher", wanted, known, attrs=attrs)
    return teacher, teacher.score(rdms, bootstrap=bootstrap, seed=3), rdms


def render(
    folder: Path, found: tuple[Teacher, TeacherScore, dict[str, RDM]], model: str = "a model", **options: Any
) -> tuple[str, Page]:
    teacher, score, rdms = found
    path = folder / "report.html"
    write_report(path, model=model, teacher=teacher, score=score, rdms=rdms, **options)
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


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
    assert "url(" not in text
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
        "3 layers of a model (30 features of each, drawn with seed 7", "1 - Pearson correlation", "z-scored",
        "V4 (30 neuroids) and IT (30 neuroids) of a teacher", "276 pairs", "Spearman's rho-a",
        "40 bootstrap resamples of stimuli (seed 11",
        "No noise ceiling was available (none for rho-a",
    ):  # fmt: skip
        assert words in methods
    references = [text for _, text in page.all("li")]
    assert any("eLife 12: e82566" in reference for reference in references)
    assert not any("Neurons, Behavior" in reference for reference in references)


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
    assert score.low is not None
    assert models.low is not None
    best = score.table.values.argmax(axis=0)
    np.testing.assert_allclose(models.low[0, :2], score.low.values[best, [0, 1]])
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
    text, _ = render(tmp_path, study(n=340, layers=60, targets=tuple("abcdefgh"), bootstrap=5))
    assert len(text) < 4_000_000


def test_large_rdms_are_averaged_without_their_diagonal() -> None:
    rdm = RDM(np.arange(1.0, 46.0), range(10))
    square, small = rdm.square(), averaged(rdm, 4)
    rows = [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]]
    starts = [0, 2, 5, 7]
    assert [group[0] for group in rows] == starts
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            pairs = [square[p, q] for p in a for q in b if p != q]
            assert small[i, j] == pytest.approx(np.mean(pairs))
    assert np.isnan(np.diag(averaged(rdm))).all()
    off = ~np.eye(10, dtype=bool)
    np.testing.assert_allclose(averaged(rdm)[off], square[off])


def test_the_map_is_that_of_smacof_and_exact_where_the_plane_suffices() -> None:
    rng = np.random.default_rng(0)
    flat = squareform(pdist(rng.normal(size=(7, 2))))
    places, stress = planar_map(flat)
    assert stress < 1e-6
    np.testing.assert_allclose(squareform(pdist(places)), flat, atol=1e-6)
    deep = squareform(pdist(rng.normal(size=(12, 6))))
    places, stress = planar_map(deep)
    _, raw = smacof(deep, init=places, n_init=1, max_iter=300, eps=1e-12, normalized_stress=False)
    own = ((pdist(places) - squareform(deep)) ** 2).sum()
    assert own == pytest.approx(raw, rel=1e-3)
    assert stress == pytest.approx(np.sqrt(own / (pdist(places) ** 2).sum()))


def test_a_star_is_a_lower_end_above_zero_and_lines_join_what_differs() -> None:
    teacher, _, rdms = study(n=40, layers=3, bootstrap=200)
    noise = compute_rdm(np.random.default_rng(0).normal(size=(40, 30)), labels=rdms["layer0"].labels)
    draws = teacher.score({"noise": noise, **rdms}, bootstrap=200).draws
    assert draws is not None
    starred = above_zero(draws, 0, "pearson")
    assert 0 not in starred
    assert 3 in starred
    assert above_zero(draws, 0, "cosine") == []  # of distances, so positive by itself
    for layer in range(4):
        alone = draws.isel(layer=[layer])
        low, _ = interval(alone, 0.9)
        assert above_zero(alone, 1, "pearson") == ([0] if low[0, 1] > 0 else [])
    tests = PairTests(draws)
    assert [tests.sign(0, 3, 0), tests.sign(0, 0, 3), tests.sign(0, 0, 0)] == [1, -1, 0]
    assert (0, [3]) in tests.joined(0, 3)
    assert 0 not in tests.equal(0, 3)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.03, 0.31), (0, 1e-5), (-7, 4210), (0.61, 0.62)])
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    step = f"{found[1] - found[0]:.3e}"
    assert step[0] in "125"
    assert step[1:5] == ".000"


def test_a_drawing_escapes_what_it_is_told() -> None:
    drawing = Drawing(10, 10, "<a>", "b & c")
    drawing.add("text", "", '</svg>"', "<tip>", x=1.0)
    assert "</svg>&quot;" not in drawing.markup()
    assert "&lt;/svg&gt;" in drawing.markup()
    assert "&lt;tip&gt;" in drawing.markup()


def test_rdm_pictures_keep_their_levels(tmp_path: Path) -> None:
    import base64
    import io

    _, page = render(tmp_path, study(n=24))
    sources = [attrs["href"] or "" for attrs, _ in page.all("image")]
    pictures = [Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) for source in sources]
    assert (24, 24) in [picture.size for picture in pictures]
    first = np.asarray(next(picture for picture in pictures if picture.size == (24, 24)))
    assert (np.diag(first) == 0).all()
    assert first.max() == 255
    assert (first[~np.eye(24, dtype=bool)] > 0).all()
