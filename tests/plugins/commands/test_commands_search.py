"""`tgsage search` and `tgsage report`: from one command to the files they write, and Ctrl-C."""

import io
import json
import re
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tgsage.plugins import Evaluation
from tgsage.plugins.report.live import LiveView
from tgsage.plugins.searching.candidates import Candidate
from tgsage.plugins.spaces import get_space, write_architecture
from tgsage.plugins.training import Data, Recipe, Training, load_data, train
from tgsage.rsa import extensions
from tgsage.rsa.cli import app as cli
from torch import nn


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two commands, and no others."""
    points = [EntryPoint(name, f"tgsage.plugins.commands.{name}:{name}", cli.GROUP) for name in ("search", "report")]
    made = {cli.GROUP: points}
    monkeypatch.setattr(extensions, "entry_points", lambda group: made.get(group) or entry_points(group=group))


def test_a_search_on_digits_and_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage, made = str(tmp_path / "a.db"), str(tmp_path / "search.json")
    search = ["search", "--searcher", "random", "--storage", storage, "--epochs", "0.1", "--json", made]
    assert cli.main([*search, "--samples", "2"]) == 0
    assert cli.main([*search, "--samples", "3", "--successes", "--params"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = json.loads(Path(made).read_text())
    assert [candidate["number"] for candidate in found["candidates"]] == [0, 1, 2]
    best = found["best"]["evaluation"]
    assert best["p"] == max(candidate["evaluation"]["p"] for candidate in found["candidates"])
    assert f"{best['score']:.4f}" in said.out
    assert "layer1: " in said.out

    assert cli.main([*search, "--samples", "3", "--alpha", "2"]) == 2
    assert "objective alpha was 1.0 and is 2.0" in capsys.readouterr().err
    files = [str(tmp_path / f"report.{kind}") for kind in ("html", "csv", "json")]
    assert cli.main(["report", storage, "--html", files[0], "--csv", files[1], "--json", files[2]]) == 0
    assert "The best is candidate" in capsys.readouterr().out
    assert "<svg" in Path(files[0]).read_text()
    assert len(Path(files[1]).read_text().splitlines()) == 4
    assert json.loads(Path(files[2]).read_text())["study"] == "toy-random"


def test_b_is_part_of_the_score_and_of_what_a_study_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, digits = np.random.default_rng(0), load_data("digits")
    rows = ["image,choice,truth"]
    for name, label in zip(digits.valid.table["stimulus_id"], digits.valid.labels.tolist(), strict=True):
        hard, other = rng.random(), (label + rng.integers(1, 10)) % 10
        rows += [f"{name},{other if rng.random() < hard else label},{label}" for _ in range(24)]
    trials = tmp_path / "trials.csv"
    trials.write_text("\n".join(rows))
    made, told = str(tmp_path / "search.json"), ["--behavior", str(trials), "--behavior-metric", "i1", "--beta", "0.5"]
    search = ["search", "--searcher", "random", "--storage", str(tmp_path / "a.db"), "--epochs", "0.1", "--json", made]
    search += ["--teacher", "none"]
    assert cli.main([*search, *told, "--samples", "1"]) == 0
    assert cli.main([*search, *told, "--samples", "2"]) == 0
    assert re.search(r"score +P +TG +B", capsys.readouterr().out)
    for candidate in json.loads(Path(made).read_text())["candidates"]:
        one = candidate["evaluation"]
        assert one["score"] == pytest.approx(one["p"] + 0.5 * one["b"])
        assert one["b"] == one["behavior"]["i1"]
    assert cli.main([*search, *told[:-1], "1", "--samples", "3"]) == 2
    assert "objective beta was 0.5 and is 1.0" in capsys.readouterr().err
    assert cli.main([*search, "--beta", "2"]) == 2
    assert "--beta and --behavior-metric are about behaviour; name it with --behavior" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "--space", "cnm10"], "unknown space 'cnm10'"),
        (["search", "--searcher", "randon"], "no searcher 'randon'"),
        (["search", "--engine", "slurm"], "the engine is local or ray, not slurm"),
        (["search", "--storage", "nowhere/a.db"], "there is no folder nowhere"),
        (["search", "--searcher", "rl", "--set", "batch"], "--set takes FIELD=VALUE"),
        (["search", "--searcher", "rl", "--set", "bach=5"], "RLSearcher has no setting 'bach'; did you mean batch?"),
        (["search", "--teacher", "none", "--devices", "cuda:99"], "device cuda:99 cannot be used"),
        (["search", "--finalists", "2", "--finalist-epochs", "31", "--recipe", "imagenet64-search"], "ends after"),
        (["search", "--fix", "n_layers"], "--fix takes DIMENSION=CHOICE, such as n_layers=2, not 'n_layers'"),
        (["search", "--fix", "n_layers=4"], "n_layers of toy is one of 1, 2, 3, not '4'"),
        (["search", "--enqueue", "one.json"], "one.json: no such file"),
        (["search", "--enqueue", "{"], "this is no JSON: "),
        (["search", "--enqueue", '[{"n_layers": 9}]'], "the JSON given: not an architecture of toy: n_layers is 9"),
        (["search", "--checkpoint-candidates", "/dev/null/a"], "cannot make the folder /dev/null/a"),
        (["search", "--alpha", "nan"], "--alpha must be a finite number, got nan"),
        (["search", "--gpus", "1"], "--address and --gpus are for --engine ray"),
        (["search", "--engine", "ray", "--devices", "cuda"], "Ray chooses the devices"),
        (["report", "nothing.db"], "nothing.db: no such file"),
        (["report", "nothing.db", "--html", "a.txt"], ".html"),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert words in said.err


def test_ctrl_c_says_how_far_it_is_and_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: object, architecture: object) -> Evaluation:
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return Evaluation(score=0.5)

    calls: list[int] = []
    monkeypatch.setattr("tgsage.plugins.evaluation.objective.Objective.__call__", interrupted)
    storage = str(tmp_path / "a.db")
    assert cli.main(["search", "--searcher", "random", "--storage", storage, "--samples", "9"]) == 130
    said = capsys.readouterr().err
    assert "1 of 9 done" in said
    assert "the same command goes on from here" in said


def test_architectures_from_the_command_line_come_first_and_the_rest_keeps_what_is_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space = get_space("toy")
    given = [space.complete({"n_layers": number}) for number in (1, 2, 3)]
    write_architecture("one.json", space, given[0])
    queue = ["--enqueue", "one.json", "--enqueue", json.dumps(given[1:])]
    command = ["search", "--teacher", "none", "--searcher", "random", "--epochs", "0", "--json", "found.json"]
    kept = ["--fix", "layer1/kernel=5", "--checkpoint-candidates", "kept"]
    for _ in range(2):
        assert cli.main([*command, *queue, *kept, "--samples", "6"]) == 0
    found = [one["architecture"] for one in json.loads(Path("found.json").read_text())["candidates"]]
    assert found[:3] == given
    assert len(found) == 6
    assert {one["layer1/kernel"] for one in found[3:]} == {5}
    assert list(Path("kept").iterdir()) == []


def test_a_search_that_ends_early_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tgsage.plugins.searching.explorer.LocalWorkers.__call__", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["search", "--teacher", "none", "--workers", "2", "--samples", "3"]) == 2
    said = capsys.readouterr()
    assert said.err == ("tgsage: the search ended early, with 0 of 3 candidates; the same call continues it\n")
    assert said.out.startswith("digits: 10 classes")
    assert len(said.out.splitlines()) == 1


def test_where_every_candidate_fails_the_command_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(self: object, architecture: dict[str, object]) -> Evaluation:
        return Evaluation("failed", "too wide" if architecture["n_layers"] == 3 else "too narrow")

    monkeypatch.setattr("tgsage.plugins.evaluation.objective.Objective.__call__", failing)
    made = tmp_path / "search.json"
    search = ["search", "--searcher", "random", "--teacher", "none", "--storage", str(tmp_path / "a.db")]
    assert cli.main([*search, "--samples", "9", "--finalists", "2", "--json", str(made)]) == 1
    candidates = json.loads(made.read_text())["candidates"]
    narrow = sum(one["evaluation"]["reason"] == "too narrow" for one in candidates)
    reason, most = ("too narrow", narrow) if narrow > 4 else ("too wide", 9 - narrow)
    assert capsys.readouterr().err == f"tgsage: all 9 candidates failed, {most} of them: {reason}\n"
    assert "9 failed" in (tmp_path / "a.html").read_text()


@pytest.mark.slow
def test_finalists_are_trained_once_and_the_data_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def reading(*arguments: object, **settings: object) -> Data:
        read.append(1)
        return load_data("digits")

    def training(model: nn.Module, data: Data, recipe: Recipe, **settings: Any) -> Training:
        steps = list[int]()
        found = train(model, data, replace(recipe, epochs=1), **{**settings, "progress": steps.append})
        trained.append(len(steps) > 1)  # a checkpoint from the end is one step
        return found

    read, trained = list[int](), list[bool]()
    monkeypatch.setattr("tgsage.plugins.training.load_data", reading)
    monkeypatch.setattr("tgsage.plugins.evaluation.finalists.train", training)
    made = tmp_path / "search.json"
    search = ["search", "--searcher", "random", "--storage", str(tmp_path / "a.db"), "--epochs", "0.1"]
    search += ["--finalists", "2", "--finalist-epochs", "0.1", "--json", str(made)]
    results = []
    for samples in (3, 3, 6):
        read.clear()
        assert cli.main([*search, "--samples", str(samples)]) == 0
        assert (capsys.readouterr().err, read) == ("", [1])
        results.append({**json.loads(made.read_text()), "trained": trained.copy()})
        trained.clear()
    first, second, longer = results
    assert [one["trained"] for one in results[:2]] == [[True] * 3, [False] * 3]
    assert len(first["finalists"]) == 2
    assert first["winner"]["test"] == second["winner"]["test"]
    assert first["winner"]["candidate"] == first["finalists"][0]["candidate"]
    chosen = [{one["candidate"] for one in result["finalists"]} for result in (first, longer)]
    assert chosen[0] != chosen[1]
    assert sum(longer["trained"][:2]) == len(chosen[1] - chosen[0])
    examples = sum(one["evaluation"]["examples"] for one in longer["candidates"])
    assert longer["cost"] == examples + sum(one["examples"] for one in longer["finalists"])


def test_without_ray_its_name_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    storage = str(tmp_path / "a.db")
    assert cli.main(["search", "--searcher", "random", "--storage", storage, "--engine", "ray"]) == 2
    assert "install tgsage[ray]" in capsys.readouterr().err


def test_the_live_view_draws_the_best_on_a_terminal_only() -> None:
    candidates = [
        Candidate(0, "ok", {}, Evaluation(score=0.25, p=0.2, tg=0.05)),
        Candidate(1, "ok", {}, Evaluation(score=0.75, p=0.5, tg=0.25)),
        Candidate(2, "failed", {}, Evaluation("failed", "too wide")),
        Candidate(3, "running", {}),
    ]
    shown: dict[bool, str] = {}
    for terminal in (True, False):
        text = io.StringIO()
        with LiveView(8, console=Console(file=text, force_terminal=terminal, width=100)) as view:
            view.update(candidates)
        shown[terminal] = text.getvalue()
        assert view.line().startswith("3 of 8 done, 1 failed, 0 reused, 1 running; best 0.7500 (candidate 1)")
    assert "best 0.7500 (candidate 1)" in shown[True]
    assert shown[False] == ""
