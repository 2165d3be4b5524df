"""The frame: commands found by entry point, mistakes in one line, nothing heavy loaded for help."""

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from tgsage.rsa import RSAError, extensions
from tgsage.rsa.cli import app as cli


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).parent / "tgsage"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Entry points made up for one test: name -> command, or an exception raised on loading."""
    made: dict[str, object] = {}

    def load(point: EntryPoint) -> object:
        command = made[point.name]
        if isinstance(command, BaseException):
            raise command
        return command

    monkeypatch.setattr(extensions, "entry_points", lambda group: [EntryPoint(name, "x:y", group) for name in made])
    monkeypatch.setattr(EntryPoint, "load", load)
    return made


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = """
import sys
import time
from tgsage.rsa.cli.app import main
main(["--help"])
heavy = {"torch", "numba", "scipy", "xarray", "h5py", "matplotlib", "optuna", "hyperopt", "pooch"} & set(sys.modules)
sys.exit(f"loaded: {heavy}" if heavy else 0)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for command in ("score", "data", "teacher", "bench"):
        assert command in result.stdout


def test_importing_the_core_loads_no_reader_no_plot_and_no_searcher() -> None:
    code = """
import sys
import time
import tgsage.rsa
from tgsage.rsa import RDM, Guidance, Teacher, compare, compute_rdm, extract, layer_rdms, load_model, record
wrong = [name for name in sys.modules if name.startswith(("optuna", "hyperopt", "matplotlib", "tgsage.neural_data"))]
sys.exit(f"loaded: {wrong}" if wrong else 0)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_folder_cannot_be_imported_as_python_rsa() -> None:
    checkout = Path(__file__).parents[3]
    code = "import sys; sys.path.insert(0, sys.argv[1]); import rsa"
    result = subprocess.run([sys.executable, "-c", code, str(checkout)], capture_output=True, text=True, check=False)
    assert "import tgsage.rsa, not rsa" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scor"], "score"),
        (["score"], "model"),
        (["score", "pixels", "--n-features", "many"], "--n-features"),
        (["score", "pixels", "--colour", "red"], "--colour"),
    ],
)
def test_wrong_arguments_end_with_code_2_and_one_line(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr
    assert result.stdout == ""


def test_version_is_printed() -> None:
    result = run("--version")
    assert (result.returncode, result.stdout.split()[0]) == (0, "tgsage")


def test_functions_and_groups_become_commands(commands: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    group = typer.Typer()
    group.command("inner")(lambda: print("inner ran"))
    group.command("other")(lambda: None)
    commands.update({"plain": lambda: print("plain ran"), "group": group})
    assert cli.main(["plain"]) == 0
    assert cli.main(["group", "inner"]) == 0
    assert capsys.readouterr().out == "plain ran\ninner ran\n"


def test_a_broken_command_warns_and_the_others_work(
    commands: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    def strange(argument: tuple[dict[str, int], list[int]]) -> None: ...

    failing = {"bad": ImportError("no such thing"), "exits": SystemExit("please install foo")}
    broken = {**failing, "number": 3, "strange": strange}
    commands.update({**broken, "good": lambda: print("fine")})
    assert cli.main(["good"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "fine\n"
    bad, exits, number, other = captured.err.splitlines()
    assert bad == "tgsage: command bad (x:y) is broken: no such thing; it is left out"
    assert exits == "tgsage: command exits (x:y) is broken: SystemExit: please install foo; it is left out"
    assert number.startswith("tgsage: command number is broken: int is no command: ")
    assert other.startswith("tgsage: command strange is broken: function is no command: ")


def test_a_command_of_the_same_name_is_left_out_and_ours_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs, third = "tgsage.rsa.cli.app:main", "aaa.theirs:score", "third.party:score"
    points = [EntryPoint("score", value, cli.GROUP) for value in (theirs, ours, third, ours)]
    monkeypatch.setattr(extensions, "entry_points", lambda group: points)
    found, refused = extensions.installed(cli.GROUP)
    assert {name: point.value for name, point in found.items()} == {"score": ours}
    assert refused == [f"score ({value}) is left out: {ours} has that name" for value in (theirs, third)]
    cli.build()
    warned = [line.split(" is left")[0] for line in capsys.readouterr().err.splitlines()]
    assert warned == [f"tgsage: command score ({point})" for point in (theirs, third)]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RSAError("row 3 is\nconstant"), 2, "tgsage: row 3 is constant\n"),
        (KeyboardInterrupt(), 130, "tgsage: interrupted; what was written before is whole\n"),
    ],
)
def test_errors_and_interruption_end_in_one_line(
    commands: dict[str, object], capsys: pytest.CaptureFixture[str], error: BaseException, code: int, words: str
) -> None:
    def fail() -> None:
        raise error

    commands.update({"fail": fail, "other": lambda: None})
    assert cli.main(["fail"]) == code
    assert capsys.readouterr().err == words


def test_term_ends_every_command_as_ctrl_c_does(
    commands: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    def wait() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    commands.update({"wait": wait, "other": lambda: None})
    before = signal.getsignal(signal.SIGTERM)  # Ray leaves one of its own behind
    assert cli.main(["wait"]) == 130
    assert capsys.readouterr().err == "tgsage: interrupted; what was written before is whole\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_warnings_of_this_package_are_one_line_and_others_as_python_prints_them() -> None:
    mine, other = str(Path(cli.__file__)), "/elsewhere/torch.py"
    theirs = str(Path(cli.__file__).parents[2] / "neural_data" / "regions.py")
    assert cli.format_warning("few", UserWarning, theirs, 3) == "tgsage: few\n"
    assert cli.format_warning("2 folders\nhold no images", UserWarning, mine, 3) == "tgsage: 2 folders hold no images\n"
    for category, file in ((UserWarning, other), (DeprecationWarning, mine)):
        assert f"{file}:3: {category.__name__}: old" in cli.format_warning("old", category, file, 3)
