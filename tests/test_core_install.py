"""Without any extra, every public name of rsa and neural_data works, and so does use 1 from the command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .public import public_names

SCRIPT = Path(__file__).with_name("core_install.py")
PLOTS = "matplotlib is not installed: pip install 'tgsage[plot]'"
TOOLBOX = "rsatoolbox is not installed: pip install 'tgsage[rsatoolbox]'"
# Calls that end in a line: what an extra is for, and files that are not there.
LINES = {
    **dict.fromkeys(("RDM.plot", "TeacherScore.plot", "TimeScore.plot", "ModelComparison.plot"), PLOTS),
    **dict.fromkeys(("write_report", "write_time_report"), PLOTS),
    **dict.fromkeys(("to_rsatoolbox", "write_rsatoolbox"), TOOLBOX),
    "read_rsatoolbox": "them.h5: no such file",
    "load_rdms": "absent.mat is neither a file nor a data set of the catalogue",
    "fetch": "simulated is not downloaded: load('simulated') makes it",
}
EXTRAS = {
    "--plot": PLOTS,
    "--report": PLOTS,
    "efficientnet_lite0": "efficientnet_lite_pytorch is not installed: pip install 'tgsage[demo]'",
    "timm:": "timm is not installed: pip install 'tgsage[timm]'",
    "hf:": "transformers is not installed: pip install 'tgsage[hf]'",
    "open_clip:": "open_clip is not installed: pip install 'tgsage[open_clip]'",
    ".parquet": "trials.parquet needs pyarrow, which is not installed: pip install 'tgsage[parquet]'",
    ".xlsx": "trials.xlsx needs openpyxl, which is not installed: pip install 'tgsage[excel]'",
    "search": "optuna is not installed: pip install 'tgsage[search]'",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What calls and commands fail with, where only the core dependencies can be imported."""
    folder = tmp_path_factory.mktemp("core")
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, cwd=folder)
    assert not done.returncode, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.slow
def test_public_names_work_or_name_the_extra(found: dict[str, Any]) -> None:
    public = {name for package in ("rsa", "neural_data") for name, _ in public_names(package)}
    assert public <= set(found["calls"]), "a public name without a call in core_install.py"
    failed = {name: said for name, said in found["calls"].items() if said and name not in LINES}
    assert not failed
    for name, line in LINES.items():
        assert line in found["calls"][name], name


@pytest.mark.slow
def test_commands_work_or_name_the_extra(found: dict[str, Any]) -> None:
    for command, (code, errors) in found["commands"].items():
        lines = [line for part, line in EXTRAS.items() if part in command]
        assert (code, errors) == (2, f"tgsage: {lines[0]}\n") if lines else code == 0, command
