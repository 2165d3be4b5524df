"""Fronts in the report: members and volume against plain loops, the page, the picture, and `--objective`."""

import json
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from tgsage.plugins import Evaluation, LEMONADESearcher, RandomSearcher, search
from tgsage.plugins.report.front import front_of
from tgsage.plugins.report.summary import search_report
from tgsage.plugins.searching.candidates import Candidate
from tgsage.plugins.spaces.toy import ToySpace
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main

SPACE = ToySpace()
POINTS = ((0.5, 100), (0.7, 300), (0.6, 300), (0.4, 50), (0.7, 200), (0.3, 90))


def made(points: tuple[tuple[float, int], ...]) -> list[Candidate]:
    found = [Evaluation(score=score, p=score, parameters=size) for score, size in points]
    return [Candidate(number, "ok", MappingProxyType({}), one) for number, one in enumerate(found)]


def test_members_and_volumes_are_those_of_plain_loops() -> None:
    front = front_of(made(POINTS), ("score", "parameters"))
    assert front.members == [4, 0, 3]
    assert (front.best, front.worst) == ((0.7, 50.0), (0.3, 300.0))
    grid = np.stack(np.meshgrid(np.linspace(0.3, 0.7, 801), np.linspace(50, 300, 1001), indexing="ij"), axis=-1)
    for number, volume in front.volumes:
        covered = [(grid[..., 0] <= score) & (grid[..., 1] >= size) for score, size in POINTS[: number + 1]]
        assert volume == pytest.approx(np.any(covered, axis=0).mean(), abs=0.005)
    assert [number for number, _ in front.volumes] == [0, 3, 4]
    assert "score from 0.7000 to 0.3000, parameters from 50 to 300" in front.words()
    assert front_of(made(POINTS[:1]), ("score", "latency")).words() == "No candidate has all of score, latency."
    one = front_of(made(POINTS[:1]), ("score", "parameters"))
    assert (one.members, one.volumes) == ([0], [(0, 1.0)])


def scored(architecture: dict[str, object]) -> Evaluation:
    filters = int(str(architecture["layer1/filters"]))
    return Evaluation(score=filters / 16, p=filters / 16, parameters=10 * filters, costs={"latency": 1.0})


def test_the_report_shows_the_front_of_the_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage, page, picture = (str(tmp_path / name) for name in ("a.db", "a.html", "a.png"))
    found = search(SPACE, LEMONADESearcher(SPACE, startup=3, children=2), scored, samples=8, storage=storage)
    assert search_report(storage).front == front_of(found.candidates, ("score", "parameters"))
    assert main(["report", storage, "--html", page, "--plot", picture, "--json", str(tmp_path / "a.json")]) == 0
    assert "Hypervolume of the front of" in capsys.readouterr().out
    assert "Front of score against parameters over time" in Path(page).read_text()
    assert Path(picture).stat().st_size > 10_000
    assert json.loads((tmp_path / "a.json").read_text())["front"]["objectives"] == ["score", "parameters"]
    assert main(["report", storage, "--objective", "score", "--plot", picture]) == 2
    assert main(["report", storage, "--objective", "score", "--objective", "speed"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == "tgsage: there is no front to draw: name several --objective that its candidates measured"
    assert errors[1].startswith("tgsage: no objective 'speed'")


def test_every_searcher_takes_objectives_for_its_report(tmp_path: Path) -> None:
    objectives = ("error", "latency")
    search(SPACE, RandomSearcher(SPACE), scored, samples=3, storage=tmp_path / "a.db", objectives=objectives)
    front = search_report(tmp_path / "a.db").front
    assert front is not None
    assert front.objectives == objectives
    assert front.best[0] == min(values[0] for _, values in front.points)
    with pytest.raises(RSAError, match="no objective 'speed'"):
        search(SPACE, RandomSearcher(SPACE), scored, samples=3, storage=tmp_path / "b.db", objectives=["speed"])
