"""Pictures: RDMs in order and averaged, maps, inline SVG that is safe and stable, files that are whole or not there."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import pdist, squareform
from tgsage.rsa import RDM, RSAError, Teacher, compute_rdm
from tgsage.rsa.plots.figures import literal, picture, save_figure, shortened, told_apart
from tgsage.rsa.plots.rdms import averaged, category_order, display_order, draw_rdm, planar_map
from tgsage.rsa.plots.scores import Panel, draw_bars, score_figure


def clustered(**options: object) -> RDM:
    """Six conditions of two clusters, in turns."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(2, 9))[None], 3, axis=0).reshape(6, 9) + 0.1 * rng.normal(size=(6, 9))
    return compute_rdm(x, labels="abcdef").replace(**options)


def test_categories_order_an_rdm_and_keep_the_order_within() -> None:
    names = ["z", "a", "z", "m", "a", "z"]
    order, marks, how = display_order(clustered(descriptors={"category_name": np.array(names)}))
    assert order.tolist() == [1, 4, 3, 0, 2, 5]
    assert marks == [("a", 2), ("m", 1), ("z", 3)]
    assert how == "ordered by category_name"


def test_without_categories_what_is_alike_stands_together() -> None:
    rdm = clustered()
    assert category_order(rdm) is None
    assert category_order(clustered(descriptors={"category_name": np.array(["one"] * 6)})) is None
    order, marks, how = display_order(rdm)
    assert {frozenset(order[:3].tolist()), frozenset(order[3:].tolist())} == {
        frozenset({0, 2, 4}),
        frozenset({1, 3, 5}),
    }
    assert (marks, how) == ([], "ordered by clustering")
    below_zero = display_order(rdm.replace(values=rdm.values - 3, metric="crossnobis"))[0]
    assert below_zero.tolist() == order.tolist()


def test_a_score_is_drawn_whole_or_not_at_all(tmp_path: Path) -> None:
    rdm = clustered()
    teacher = Teacher.from_rdms("t", {"V4": rdm}, {"V4": (0.5, 0.9)})
    score = replace(teacher.score({"layer": rdm}, bootstrap=5), model="m", layers={"layer": rdm}, targets=teacher.rdms)
    figure = score_figure(score)
    save_figure(figure, tmp_path / "score.png")
    with Image.open(tmp_path / "score.png") as picture:
        assert picture.size[0] > 1000
    with pytest.raises(RSAError, match=r"a picture's name ends in \.png, \.svg, \.pdf"):
        save_figure(figure, tmp_path / "score.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["score.png"]


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


def test_the_map_is_exact_where_the_plane_suffices_and_its_stress_is_that_of_the_best_scale() -> None:
    rng = np.random.default_rng(0)
    flat = squareform(pdist(rng.normal(size=(7, 2))))
    places, stress = planar_map(flat)
    assert stress < 1e-6
    np.testing.assert_allclose(squareform(pdist(places)), flat, atol=1e-6)
    deep = pdist(rng.normal(size=(12, 6)))
    places, stress = planar_map(squareform(deep))
    found = pdist(places)
    scales = np.linspace(0.5, 3, 20001)[:, None]
    assert stress == pytest.approx(np.sqrt(((scales * deep - found) ** 2).sum(1) / (found**2).sum()).min(), rel=1e-6)
    again, _ = planar_map(squareform(deep))
    np.testing.assert_array_equal(again, places)
    assert planar_map(np.zeros((3, 3)))[1] == 0


def drawn(name: str = "one", title: str = "V4") -> str:
    panel = Panel(
        title, ["a", "b"], np.array([0.2, 0.5]), np.array([0.1, 0.4]), np.array([0.3, 0.6]), (0.7, 0.8), [1], [(1, [0])]
    )
    return picture(name, title, panel.words(), (200, 100), (40, 10, 40, 30), lambda axes: draw_bars(axes, panel)).markup


def test_a_picture_in_a_page_is_stable_and_shares_no_id_with_another() -> None:
    assert drawn() == drawn()
    first, second = (set(re.findall(r' id="([^"]*)"', drawn(name))) for name in ("one", "two"))
    assert first
    assert not first & second
    for name in ("one", "two"):
        known = set(re.findall(r' id="([^"]*)"', drawn(name)))
        assert set(re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', drawn(name)))
        for pair in re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', drawn(name)):
            assert set(filter(None, pair)) <= known


def test_text_in_a_picture_stays_text() -> None:
    with matplotlib.rc_context({"text.usetex": True, "svg.fonttype": "path"}):  # a user's own settings
        markup = drawn(title='</svg>"<b>$x$ \x07')
    assert "$x$" in markup
    assert "&lt;/svg&gt;" in markup
    assert "<b>" not in markup
    assert "\x07" not in markup
    assert "<style" not in markup
    assert ElementTree.fromstring(markup).get("role") == "img"  # noqa: S314


def test_names_in_a_users_own_axes_are_no_formulas() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    rdm = clustered(by="category_name")
    draw_rdm(axes, rdm, "$\\frac$")
    literal(axes)
    axes.figure.canvas.draw()  # raises for a formula that cannot be
    assert shortened("x" * 30, 10) == "\N{HORIZONTAL ELLIPSIS}" + "x" * 9


@pytest.mark.parametrize(
    "names",
    [
        [f"model_{i}_of_many_parts.in22k_ft_in1k" for i in range(30)],
        [f"vit_base_patch16_clip_224.{i}" for i in range(30)],
        [f"a_common_beginning_{i:02d}_and_an_end_that_all_have" for i in range(30)],
        ["long_" * 8, "short"],
    ],
)
def test_long_names_that_differ_somewhere_are_told_apart(names: list[str]) -> None:
    short = told_apart(names, 18)
    assert list(short) == names
    assert len(set(short.values())) == len(names)
    assert max(map(len, short.values())) <= 18
    assert short.get("short", "short") == "short"


def test_the_pixels_of_an_rdm_in_a_page_are_its_values() -> None:
    rdm = clustered()
    markup = picture("rdm", "V4", "", (200, 200), (40, 50, 30, 10), lambda axes: draw_rdm(axes, rdm)).markup
    sources = re.findall(r'href="data:image/png;base64,([^"]*)"', markup)
    images = [Image.open(io.BytesIO(base64.b64decode(source))).convert("RGBA") for source in sources]
    pixels = np.asarray(next(image for image in images if image.size == (6, 6)))
    assert (pixels[..., 3] == 255 * ~np.eye(6, dtype=bool)).all()
    order = np.argsort(rdm.square()[0, 1:])
    assert (np.diff(pixels[0, 1:, 1][order].astype(int)) >= 0).all()  # viridis: the larger, the greener
