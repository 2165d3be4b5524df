"""RDMs, maps, stars and axes of a report: drawn as the numbers are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import smacof
from tgsage.rsa import RDM, compute_rdm, interval
from tgsage.rsa.report.comparisons import PairTests, above_zero
from tgsage.rsa.report.mds import planar_map
from tgsage.rsa.report.rdm_images import averaged
from tgsage.rsa.report.svg import Drawing, ticks

from ..reports import render, study


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
