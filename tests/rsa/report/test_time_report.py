"""The page of a score over time says what the score says, and stands alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
from tgsage.rsa import RSAError, TimeScore, compare_over_time, compute_rdm
from tgsage.rsa.report import write_time_report

from ..reports import Page

LABELS = [f"im{i:02d}" for i in range(16)]
SPANS = [(10.0 * t, 10.0 * t + 10) for t in range(6)]


def course(layers: int = 3, targets: int = 2, draws: int = 60, permutations: int = 60) -> TimeScore:
    """Target k shows the first layer from window 2 + k on; the last target has no RDM in the first window."""
    rng = np.random.default_rng(0)
    shapes = rng.normal(size=(layers, 16, 12))
    rdms = {f"layer<{i}>": compute_rdm(shape, labels=LABELS) for i, shape in enumerate(shapes)}
    movie = []
    for t, span in enumerate(SPANS):
        here = {f"T{k}": shapes[0] * (t >= 2 + k) + 0.6 * rng.normal(size=(16, 12)) for k in range(targets)}
        if t == 0:
            del here[f"T{targets - 1}"]
        movie.append((span, {name: compute_rdm(values, labels=LABELS) for name, values in here.items()}))
    names = [f"T{k}" for k in range(targets)]
    found = compare_over_time(rdms, movie, targets=names, bootstrap=draws, permutations=permutations, name="a movie")
    known = np.full((targets, 6), 0.81)
    known[-1, 0] = np.nan
    why = np.full((targets, 6), "", object)
    why[-1, 0] = "responses are missing"
    columns = {"reliability": known**2, "ceiling": known, "reason": why.astype(str)}
    table = found.table.assign({key: (("target", "time"), values) for key, values in columns.items()})
    return replace(found, table=table, model="m", attrs={"teacher_note": "simulated", "metric": "correlation"})


def render(folder: Path, score: TimeScore) -> tuple[str, Page]:
    path = folder / "page.html"
    write_time_report(path, score, command="tgsage score m --over-time", settings={"weights": None})
    text = path.read_text()
    return text, Page(text)


def test_tables_hold_the_numbers_of_the_score(tmp_path: Path) -> None:
    score = course()
    text, page = render(tmp_path, score)
    rows = [row for _, row in page.all("tr")]
    for target in score.targets:
        for layer in score.layers:
            here = score.table.sel(layer=layer, target=target)
            (row,) = [row for row in rows if row.startswith(target + layer)]
            assert f"{float(here['similarity'].max()):.3f}" in row
            assert ("best" in row) == (score.best_layer[target] == layer)
            if np.isfinite(float(here["onset"])):
                assert f"{float(here['onset']):g} [{float(here['onset_low']):g}, " in row
    cells = [cell for _, cell in page.all("td")]
    table = score.table
    for index in np.ndindex(table["similarity"].shape):
        value, low, high, p = (float(table[key].to_numpy()[index]) for key in ("similarity", "low", "high", "p"))
        expected = "-" if np.isnan(value) else f"{'* ' * (p <= 0.05)}{value:.3f} [{low:.2f}, {high:.2f}]"
        assert expected in cells
    assert text.count("<td>0.656</td><td>0.810</td>") == 11
    assert "T1: responses are missing (1 windows: 0-10)" in text


def test_the_answer_names_latencies_and_the_ceiling(tmp_path: Path) -> None:
    score = course()
    _, page = render(tmp_path, score)
    answers = [answer for _, answer in page.all("li")]
    (first,) = [answer for answer in answers if answer.startswith("T0:")]
    value = float(score.table["similarity"].sel(layer="layer<0>", target="T0").max())
    assert f"T0: layer<0> has the highest similarity of 3 layers: {value:.3f} (95% interval" in first
    assert f"{100 * value / 0.81:.0f}% of the ceiling there (0.810)" in first
    assert "The first significant cluster begins at 25 [" in first
    (row,) = score.latency_differences().to_dict("records")
    assert f"T1 - T0 {row['difference']:+g} [{row['low']:+g}, {row['high']:+g}]" in " ".join(answers)


def test_without_resamples_permutations_and_several_layers_the_page_leaves_them_out(tmp_path: Path) -> None:
    text, _ = render(tmp_path, course(layers=1, draws=0, permutations=0))
    assert "Nothing was tested." in text
    assert "95%" not in text
    assert 'id="layers"' not in text
    assert "Nothing was tested, so there are no clusters" in text
    assert 'id="generalisation"' not in text


def test_temporal_generalisation_is_drawn_and_said(tmp_path: Path) -> None:
    score = course()
    values = np.random.default_rng(1).normal(size=(2, 6, 6))
    coords = {"target": score.targets, "time": score.table["time"].to_numpy(), "other": score.table["time"].to_numpy()}
    attrs = {"definition": "RDMs of two times compared by pearson: halves", "first": "one half", "second": "the other"}
    square = xarray.DataArray(values, coords, ("target", "time", "other"), attrs=attrs)
    text, _ = render(tmp_path, replace(score, generalisation=square))
    assert "halves. A square of high values" in text
    assert "A matrix of 6 by 6 windows, in colours from -" in text
    assert "King JR, Dehaene S (2014)" in text
    assert replace(score, generalisation=square).to_dict()["generalisation"] == values.tolist()


def test_the_page_stands_alone_and_its_ids_and_links_fit(tmp_path: Path) -> None:
    text, page = render(tmp_path, course(layers=8, targets=14))
    assert "<script" not in text
    assert "layer&lt;0&gt;" in text
    assert "layer<0>" not in text
    ids = [attrs["id"] for _, attrs, _ in page.elements if attrs.get("id")]
    assert len(ids) == len(set(ids))
    links = {str(attrs["href"])[1:] for attrs, _ in page.all("a")}
    assert links <= set(ids)
    assert "The first 12 of 14 targets" in text
    assert any(row.startswith("T13layer<0>") for _, row in page.all("tr"))


def test_a_page_is_html_and_whole(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=r"ends in \.html"):
        write_time_report(tmp_path / "a.txt", course(draws=0))
    assert not list(tmp_path.iterdir())
