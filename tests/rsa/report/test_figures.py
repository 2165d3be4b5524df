"""Pictures of a score: the order of RDMs, and files that are whole or not there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tgsage.rsa import RDM, RSAError, Teacher, compute_rdm
from tgsage.rsa.report.figures import category_order, display_order, save_figure, score_figure


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
