"""`search` and `evaluate` with behaviour end on TERM, leave nothing half-done, and go on with the same command."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.plugins.evaluation.behavior import BehaviorTeacher
from tgsage.plugins.searching.candidates import Candidate
from tgsage.plugins.searching.tracker import Tracker
from tgsage.plugins.training import load_data
from tgsage.rsa import RSAError
from tgsage.rsa.cli.app import main

SAMPLES = 3


@pytest.fixture
def told(tmp_path: Path) -> list[str]:
    """Options that name trials of the validation images of the digits."""
    rng, digits = np.random.default_rng(0), load_data("digits")
    rows = ["image,choice,truth"]
    for name, label in zip(digits.valid.table["stimulus_id"], digits.valid.labels.tolist(), strict=True):
        hard, other = rng.random(), (label + rng.integers(1, 10)) % 10
        rows += [f"{name},{other if rng.random() < hard else label},{label}" for _ in range(24)]
    trials = tmp_path / "trials.csv"
    trials.write_text("\n".join(rows))
    return ["--teacher", "none", "--behavior", str(trials), "--behavior-metric", "i1", "--beta", "0.5"]


def candidates(storage: Path) -> list[Candidate]:
    try:
        with Tracker(str(storage), "toy-random", create=False) as tracker:
            return tracker.candidates()
    except RSAError:  # not begun yet
        return []


@pytest.mark.slow
def test_a_search_is_stopped_within_a_candidate_and_ends_as_one_that_was_not(told: list[str], tmp_path: Path) -> None:
    def command(storage: Path) -> list[str]:
        found = ["search", "--searcher", "random", "--samples", str(SAMPLES), "--epochs", "3", *told]
        return [*found, "--storage", str(storage), "--json", str(storage.with_suffix(".json"))]

    storage = tmp_path / "stopped.db"
    tgsage = [str(Path(sys.executable).parent / "tgsage"), *command(storage)]
    task = subprocess.Popen(tgsage, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any(one.number >= 1 for one in candidates(storage)):  # the first is done, and the second begun
        assert task.poll() is None
        time.sleep(0.02)
    task.send_signal(signal.SIGTERM)
    _, said = task.communicate(timeout=120)
    assert (task.returncode, "the same command goes on from here" in said) == (130, True)
    assert not storage.with_suffix(".json").exists()
    left = candidates(storage)
    assert left[0].status == "ok"
    assert len([one for one in left if one.status == "ok"]) < SAMPLES

    assert main(command(storage)) == 0
    assert main(command(tmp_path / "whole.db")) == 0
    stopped, whole = (
        [candidate["evaluation"] for candidate in json.loads((tmp_path / f"{name}.json").read_text())["candidates"]]
        for name in ("stopped", "whole")
    )
    assert len(stopped) == len(whole) == SAMPLES
    assert left[0].evaluation is not None
    assert stopped[0]["seconds"] == left[0].evaluation.seconds  # it was not computed again
    for one, other in zip(stopped, whole, strict=True):
        assert one["score"] == pytest.approx(one["p"] + 0.5 * one["b"])
        # another process may have another number of threads, which changes the last bits of what is trained
        for key in ("p", "b", "score", "behavior", "examples"):
            assert one[key] == pytest.approx(other[key], abs=1e-6), key


def test_an_evaluation_is_stopped_while_it_computes_b_and_the_same_command_gives_the_whole(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, real = tmp_path / "found.json", BehaviorTeacher.score
    command = ["evaluate", "resnet:1", "--epochs", "0.2", *told, "--json", str(out)]
    assert main(command) == 0
    whole = json.loads(out.read_text())
    out.unlink()
    files = sorted(tmp_path.iterdir())

    def stopped(self: BehaviorTeacher, *given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *given)

    with monkeypatch.context() as within:
        within.setattr(BehaviorTeacher, "score", stopped)
        assert main(command) == 130
    assert sorted(tmp_path.iterdir()) == files
    assert "Traceback" not in capsys.readouterr().err
    assert main(command) == 0
    again = json.loads(out.read_text())
    assert again["b"] == again["behavior"]["i1"]
    for key in ("p", "b", "score", "behavior"):
        assert again[key] == whole[key], key
