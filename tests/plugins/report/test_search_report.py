"""The report of a search: its numbers against plain loops over the candidates, its page and its exports."""

import csv
import io
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from tgsage.plugins import Evaluation
from tgsage.plugins.report.page import answer, write_search_report
from tgsage.plugins.report.summary import LEAST, search_report
from tgsage.plugins.searchers.random import RandomSearcher
from tgsage.plugins.searchers.rl import RLSearcher
from tgsage.plugins.searching.explorer import SearchResult, search
from tgsage.plugins.searching.tracker import Tracker
from tgsage.plugins.spaces.toy import ToySpace
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main

SPACE = ToySpace()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search") / "a.db"


@pytest.fixture(scope="module")
def found(storage: Path) -> SearchResult:
    """A search whose score depends on the first layer's filters and on nothing else; three layers fail."""

    def objective(architecture: dict[str, object]) -> Evaluation:
        if architecture["n_layers"] == 3:
            raise MemoryError("three are <too> many")
        p = {4: 0.2, 8: 0.5, 16: 0.9}[int(str(architecture["layer1/filters"]))]
        return Evaluation(p=p, tg=p / 2, score=p + p / 2, examples=1000, parameters=77, seconds={"train": 2.0})

    return search(SPACE, RandomSearcher(SPACE, seed=2), objective, samples=90, storage=storage, repeats=True)


def test_the_numbers_are_those_of_the_candidates(found: SearchResult, storage: Path) -> None:
    report = search_report(storage)
    good = [candidate for candidate in found.candidates if candidate.score is not None]
    assert len(good) >= LEAST
    assert [number for number, *_ in report.scatter] == [candidate.number for candidate in good]
    best, examples = None, 0
    for candidate, (number, so_far, used) in zip(found.candidates, report.curve, strict=True):
        assert candidate.evaluation is not None
        if candidate.score is not None:
            best = candidate.score if best is None else max(best, candidate.score)
        examples += candidate.evaluation.examples
        assert (candidate.number, best, examples) == (number, so_far, used)
    trained = [candidate for candidate in found.candidates if candidate.reused is None]
    assert report.counts["reused"] == len(found.candidates) - len(trained) > 0
    assert report.cost["trained"] == len(trained)
    assert report.cost["examples"] == 1000 * sum(candidate.score is not None for candidate in trained)
    failed = [candidate.number for candidate in found.candidates if candidate.status == "failed"]
    assert report.failures == {"MemoryError: three are <too> many": failed}
    assert report.settings["searcher seed"] == 2


def test_the_choice_that_the_score_depends_on_matters_most(found: SearchResult, storage: Path) -> None:
    importance = search_report(storage).importance
    assert max(importance, key=importance.__getitem__) == "layer1/filters"
    assert sum(importance.values()) == pytest.approx(1)


def test_the_best_different_architectures_are_described(found: SearchResult, storage: Path) -> None:
    top = search_report(storage).top
    assert [one["score"] for one in top] == sorted((one["score"] for one in top), reverse=True)
    assert len({json.dumps(one["architecture"]) for one in top}) == len(top) == 10
    assert found.best is not None
    assert (top[0]["number"], top[0]["words"]) == (found.best.number, SPACE.describe(found.best.architecture))


def test_rows_of_the_csv_are_the_candidates(found: SearchResult, storage: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(search_report(storage).to_csv())))
    assert [int(row["candidate"]) for row in rows] == list(range(90))
    for row, candidate in zip(rows, found.candidates, strict=True):
        assert row["layer1/kernel"] == str(candidate.architecture["layer1/kernel"])
        assert row["score"] == ("" if candidate.score is None else str(candidate.score))
        assert row["status"] == candidate.status


def test_the_page_is_whole_and_escaped(found: SearchResult, storage: Path, tmp_path: Path) -> None:
    report = search_report(storage)
    write_search_report(tmp_path / "a.html", report, space=SPACE)
    page = (tmp_path / "a.html").read_text()
    assert "three are &lt;too&gt; many" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)
    assert ">40k<" in page  # of the axis of training examples
    for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        parts = ElementTree.fromstring(drawing)  # noqa: S314
        assert parts.get("role") == "img"
        assert all(parts.find(tag) is not None for tag in ("title", "desc"))
    assert page.count("<svg") == 3
    assert page.count("<img") == len(report.top)
    assert all("alt=" in image for image in re.findall(r"<img[^>]*>", page))
    assert "The best is candidate" in answer(report)[0]
    with pytest.raises(RSAError, match=r"\.html"):
        write_search_report(tmp_path / "a.txt", report)


def test_a_controllers_entropy_becomes_a_curve(objectives: ModuleType, tmp_path: Path) -> None:
    found = search(SPACE, RLSearcher(SPACE, batch=2), objectives.score_of, samples=6, storage=tmp_path / "a.db")
    report = search_report(tmp_path / "a.db")
    curve = report.searcher["entropy/kernel"]
    assert [number for number, _ in curve] == [2, 3, 4, 5]
    assert dict(curve)[4] == found.candidates[4].diagnostics["entropy/kernel"]
    assert report.importance == {}
    write_search_report(tmp_path / "a.html", report)
    assert f"at least {LEAST} are needed" in (tmp_path / "a.html").read_text()


def test_a_search_that_has_only_begun_has_a_report(tmp_path: Path) -> None:
    with Tracker(tmp_path / "a.db", "one") as tracker:
        tracker.claim(3)
        tracker.start(0, {"depth": 1})
    report = search_report(tmp_path / "a.db")
    assert (report.top, report.curve, report.counts["running"]) == ([], [], 1)
    write_search_report(tmp_path / "a.html", report)
    assert answer(report)[0] == "No candidate has succeeded."


def test_the_cost_of_finalists_is_added(tmp_path: Path) -> None:
    with Tracker(tmp_path / "a.db", "one") as tracker:
        tracker.claim(1)
        tracker.start(0, {"depth": 1})
        tracker.finish(0, Evaluation(p=0.5, score=0.5, examples=90_000))
        before = answer(search_report(tmp_path / "a.db"))
        tracker.keep_finals(10, 1_350_000)
    assert before[-1].startswith("Cost M1 E1: 1 candidates trained on 90,000 examples")
    cost = "Cost M1 E1 + M2 E2: with 1,350,000 examples of 10 finalists, 1,440,000 in all."
    assert answer(search_report(tmp_path / "a.db")) == [*before, cost]


@pytest.mark.parametrize("score", [-sys.float_info.max, 1e300])
def test_scores_of_any_size_have_a_page_and_a_table(
    score: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage, page = tmp_path / "a.db", tmp_path / "a.html"
    search(SPACE, RandomSearcher(SPACE), lambda a: score if a["n_layers"] < 3 else 1.0, samples=8, storage=storage)
    write_search_report(page, search_report(storage))
    assert main(["report", str(storage)]) == 0
    shown = f"{score:.4g}" if score > 1 else "1.0000"
    assert f"score {shown}" in page.read_text()
    assert shown in capsys.readouterr().out
    for drawing in re.findall(r"<svg.*?</svg>", page.read_text(), re.S):
        numbers = re.findall(
            r"-?\d[\d.]*(?:e[+-]\d+)?", " ".join(re.findall(r' (?:x|y|d|transform)="([^"]*)"', drawing))
        )
        assert numbers
        assert all(abs(float(one)) < 1000 for one in numbers)


def test_an_error_text_that_is_no_utf_8_costs_neither_page_nor_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(architecture: dict[str, object]) -> float:
        raise OSError(f"cannot read {os.fsdecode(b'caf' + bytes([233]) + b'.jpg')}")

    storage, page = tmp_path / "a.db", tmp_path / "a.html"
    search(SPACE, RandomSearcher(SPACE), fails, samples=2, storage=storage)
    write_search_report(page, search_report(storage))
    assert main(["report", str(storage), "--csv", str(tmp_path / "a.csv")]) == 0
    for written in (page, tmp_path / "a.csv"):
        assert "OSError: cannot read caf\\udce9.jpg" in written.read_text(encoding="utf-8")
    assert Evaluation("failed", "caf\udce9").reason == "caf\\udce9"
    for arguments in (["report", str(storage), "--study", "caf\udce9"], ["report", str(tmp_path / "caf\udce9.db")]):
        assert main(arguments) == 2
        assert "caf\\udce9" in capsys.readouterr().err


def test_one_of_several_studies_has_to_be_named(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Tracker(tmp_path / "a.db", name).close()
    with pytest.raises(RSAError, match="holds 2 studies; name one of them: one, two"):
        search_report(tmp_path / "a.db")
    assert search_report(tmp_path / "a.db", "two").study == "two"
