"""The SLURM script of the documentation, run as SLURM runs it: tasks of an array, TERM before the time limit."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tgsage.plugins.searching.candidates import Candidate
from tgsage.plugins.searching.tracker import Tracker
from tgsage.rsa import RSAError

if TYPE_CHECKING:
    from ..conftest import Postgres

DOCS = Path(__file__).parents[3] / "docs/searching.md"
SAMPLES = 4


def script(**values: str) -> str:
    """The documented script, with other arguments."""
    (text,) = re.findall(r"```bash\n(#!/bin/bash\n#SBATCH .*?)```", DOCS.read_text(), re.DOTALL)
    for name, value in values.items():
        text, found = re.subn(rf"--{name} \S+", f"--{name} {value}", text)
        assert found == 1, f"the script gives no --{name}"
    return str(text)


def submit(folder: Path, tasks: int) -> list[subprocess.Popen[str]]:
    """What `sbatch` does with it: bash, in the folder of the script, once for each task."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    pipe, started = subprocess.PIPE, []
    for task in range(1, tasks + 1):
        variables = {**os.environ, "PATH": path, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_CPUS_PER_TASK": "1"}
        command = ["bash", "search.sh"]
        started.append(subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True, env=variables))
    return started


def candidates(storage: str) -> list[Candidate]:
    try:
        with Tracker(storage, "toy-tpe", create=False) as tracker:
            return tracker.candidates()
    except RSAError:  # not begun yet
        return []


@pytest.mark.slow
def test_tasks_stopped_at_the_time_limit_give_back_and_the_next_submission_finishes(
    postgres: "Postgres", tmp_path: Path
) -> None:
    swapped = {"space": "toy", "data": "digits", "recipe": "digits --epochs 15", "teacher": "none", "devices": "cpu"}
    (tmp_path / "search.sh").write_text(script(samples=str(SAMPLES), storage=postgres.url, **swapped))
    tasks = submit(tmp_path, 2)
    while sum(one.status == "running" for one in candidates(postgres.url)) < 2:
        assert all(task.poll() is None for task in tasks)
        time.sleep(0.1)
    for task in tasks:
        task.send_signal(signal.SIGTERM)
    for task in tasks:
        _, said = task.communicate(timeout=60)
        assert (task.returncode, "the same command goes on from here" in said) == (130, True)
    left = candidates(postgres.url)
    assert {one.status for one in left} <= {"ok", "interrupted"}
    assert "interrupted" in {one.status for one in left}

    for task in submit(tmp_path, 2):
        _, said = task.communicate(timeout=240)
        assert (task.returncode, re.sub(r"(?m)^\d\d:\d\d:\d\d .*\n", "", said)) == (0, "")  # without the log's lines
    found = candidates(postgres.url)
    assert [one.number for one in found] == list(range(SAMPLES))
    assert {one.status for one in found} == {"ok"}
    assert [one.architecture for one in found[: len(left)]] == [one.architecture for one in left]
