"""Objects that users hold: a short repr, escaped HTML, a table as pandas has it, and a picture."""

from dataclasses import replace

import numpy as np
import pandas
import pytest
import tgsage
from matplotlib import pyplot
from matplotlib.figure import Figure
from tgsage.neural_data import describe, load
from tgsage.plugins import Evaluation, Finalist, RandomSearcher, SearchResult, search, search_report
from tgsage.plugins.spaces import ToySpace
from tgsage.rsa import RDM, Features, Stimuli, Teacher, TeacherScore, compute_rdm

from .rsa.reports import study

EVIL = "<script>&$x$"


@pytest.fixture(scope="module")
def score() -> TeacherScore:
    teacher, found, rdms = study(targets=("V4", EVIL))
    return replace(found, model="a model", layers=rdms, targets=teacher.rdms)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    def objective(architecture: dict[str, object]) -> Evaluation:
        if architecture["n_layers"] == 3:
            raise MemoryError(EVIL)
        return Evaluation(p=0.5, score=0.5, table={f"layer{i}": {"V4": 0.1} for i in range(99)}, seconds={"train": 2.0})

    space = ToySpace()
    place = tmp_path_factory.mktemp("search") / "a.db"
    return search(space, RandomSearcher(space), objective, samples=12, storage=place)


def test_a_repr_is_a_few_lines(score: TeacherScore, searched: SearchResult) -> None:
    teacher = Teacher.from_rdms("t", score.targets, {"V4": (0.5, 0.6)}, stimulus_ids=[f"im{i}" for i in range(24)])
    stimuli = Stimuli(np.zeros((500, 1, 4, 4)), {"stimulus_id": [f"s{i}" for i in range(500)]}, reference="hvm")
    evaluation = next(one.evaluation for one in searched.candidates if one.score is not None)
    assert evaluation is not None
    rows = Features(np.zeros((3, 4)), "abc")
    objects: list[object] = [score, teacher, stimuli, score.targets["V4"], rows, evaluation, searched, ToySpace()]
    objects += [search_report(searched.storage), Finalist({"a": 1}, evaluation)]
    objects.append(describe("simulated", splits=2))
    for each in objects:
        assert len(repr(each)) < 700, type(each)
        assert len(repr(each).splitlines()) < 8, type(each)
    assert repr(teacher) == (
        f"Teacher('t', 2 targets over 24 stimuli: V4, {EVIL}, 1 with a ceiling; correlation RDMs for pearson)"
    )
    assert repr(score).splitlines()[0] == (
        "TeacherScore(a model against a teacher: pearson over 24 stimuli, 4 layers x 2 targets)"
    )


def test_html_is_escaped_and_names_what_there_is(score: TeacherScore) -> None:
    teacher = Teacher.from_rdms(EVIL, {EVIL: score.targets["V4"].replace(attrs={EVIL: EVIL})})
    rdm = RDM([1.0, 2.0, 3.0], [EVIL, "b", "c"], name=EVIL, descriptors={EVIL: [EVIL] * 3})
    table = score.table.assign_coords(layer=["a", "b", "c", EVIL])
    strange = replace(score, model=EVIL, teacher=EVIL, table=table, draws=None)
    for each in (rdm, teacher, strange):
        text = each._repr_html_()
        assert "<script>" not in text
        assert "&lt;script&gt;&amp;$x$" in text
        assert len(text) < 6000
    assert "V4" in score._repr_html_()
    assert load("simulated")._repr_html_()  # type: ignore[no-untyped-call]  # of xarray


def test_a_score_is_a_tidy_table(score: TeacherScore) -> None:
    table = score.to_dataframe()
    assert list(table) == ["layer", "target", "similarity", "low", "high", "ceiling", "ceiled", "best"]
    assert len(table) == score.table.size
    best = table[table["best"]].set_index("target")
    assert dict(best["layer"]) == score.best_layer
    assert best["similarity"].mean() == pytest.approx(score.tg)
    assert tuple(best.loc["V4", ["low", "high"]]) == score.best_interval["V4"]
    assert best.loc["V4", "ceiled"] == pytest.approx(best.loc["V4", "similarity"] / 0.72)
    assert np.isnan(best.loc[EVIL, "ceiling"])
    assert replace(score, draws=None).to_dataframe()["low"].isna().all()


def test_an_rdm_is_a_square_table_that_can_be_read_again() -> None:
    rdm = compute_rdm(np.random.default_rng(0).normal(size=(5, 9)), labels="abcde")
    square, pairs = rdm.to_dataframe(), rdm.to_dataframe(pairs=True)
    assert RDM.from_square(square).values == pytest.approx(rdm.values)
    assert [square.loc[one.first, one.second] for one in pairs.itertuples()] == pytest.approx(rdm.values)


def test_the_mean_of_rdms_matches_names_and_states_what_it_is() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((3, 10)).astype(np.float32)
    rdms = [RDM(row, "abcde", attrs={"scale": "none", "i": i}, by="object_name") for i, row in enumerate(values)]
    mixed = [rdms[0], rdms[1].subset("edcba"), rdms[2].subset("badce")]
    mean = RDM.mean(mixed, "all")
    np.testing.assert_array_equal(mean.values, values.mean(axis=0, dtype=np.float64).astype(np.float32))
    assert (mean.labels, mean.name, mean.by) == (rdms[0].labels, "all", "object_name")
    assert mean.attrs == {"scale": "none", "mean_of": 3}
    assert RDM.mean(rdms[:1]).name == "mean of 1 RDMs"
    for others, words in (
        ([], "one or more RDMs, got none"),
        ([np.zeros(3)], "got ndarray"),
        ([rdms[0], rdms[1].replace(metric="cosine")], "their metric differs"),
        ([rdms[0], rdms[1].replace(by="stimulus")], "their by differs"),
        ([rdms[0], rdms[1].subset("abcd")], "only one of them has e"),
    ):
        with pytest.raises(tgsage.TGSageError, match=words):
            RDM.mean(others)  # type: ignore[arg-type]


def test_candidates_are_rows(searched: SearchResult) -> None:
    table = searched.to_dataframe()
    assert list(table["candidate"]) == list(range(12))
    assert set(table["status"]) == {"ok", "failed"}
    assert table["score"].dropna().eq(0.5).all()
    pandas.testing.assert_frame_equal(table, search_report(searched.storage).to_dataframe())
    evaluation = Evaluation(p=0.5, score=0.75, seconds={"train": 2.0, "rdms": 1.0})
    assert evaluation.to_dataframe().loc[0, ["p", "score", "seconds"]].tolist() == [0.5, 0.75, 3.0]
    row = Finalist({"depth": 3}, evaluation, test=0.4).to_dataframe()
    assert row.loc[0, ["depth", "test", "score"]].tolist() == [3, 0.4, 0.75]
    assert list(describe("simulated", splits=2).to_dataframe().index) == ["V4", "pIT", "aIT"]


def test_pictures_are_drawn_where_asked_and_nothing_is_shown(
    score: TeacherScore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("shown"))
    pyplot.close("all")
    axes = Figure().subplots(1, 2)
    rdm = score.targets["V4"]
    assert rdm.plot(ax=axes[0], title=EVIL) is axes[0]
    assert score.plot(ax=axes[1]) is axes[1].figure
    axes[0].figure.canvas.draw()
    assert axes[0].get_title() == EVIL
    assert not pyplot.get_fignums()
    try:
        assert rdm.plot(ordered=False).get_title().endswith("in the order of the labels")
        whole = score.plot()
        assert len(pyplot.get_fignums()) == 2
        assert len(whole.findobj(lambda artist: type(artist).__name__ == "AxesImage")) == 8  # 2 pairs with their scales
        alone = replace(score, layers={}, targets={}).plot()
        assert not alone.findobj(lambda artist: type(artist).__name__ == "AxesImage")
    finally:
        pyplot.close("all")
