"""`import tgsage`: light, typed, one package wherever it is imported, and with the names of its stub."""

import subprocess
import sys
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import pytest
import tgsage

HEAVY = "[name for name in ('numpy', 'torch', 'xarray') if name in sys.modules]"


def test_it_has_its_version_and_its_names() -> None:
    assert tgsage.__version__ == version("tgsage")
    assert {"score", "RDM", "Teacher", "TeacherScore", "TGSageError", "rsa", "plugins"} <= set(dir(tgsage))
    for name in dir(tgsage):
        getattr(tgsage, name)
    with pytest.raises(AttributeError, match="No tgsage attribute scores"):
        tgsage.scores  # type: ignore[attr-defined]  # noqa: B018


def test_it_imports_nothing_heavy(tmp_path: Path) -> None:
    code = f"import sys, tgsage; print(tgsage.__version__, {HEAVY})"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert found.stdout.split() == [tgsage.__version__, "[]"]


def test_errors_of_all_layers_are_one() -> None:
    assert tgsage.rsa.RSAError is tgsage.TGSageError
    assert issubclass(tgsage.plugins.Exhausted, tgsage.TGSageError)
    with pytest.raises(tgsage.TGSageError, match="pixelz"):
        tgsage.score("pixelz")


def _file_and_error(_: int) -> tuple[str | None, bool]:
    return tgsage.__file__, issubclass(tgsage.TGSageError, ValueError)


def test_a_spawned_process_has_the_same() -> None:
    with get_context("spawn").Pool(1) as pool:
        assert pool.map(_file_and_error, [0]) == [(tgsage.__file__, True)]
