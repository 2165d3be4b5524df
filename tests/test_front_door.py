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


BLOCKED = """
import importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"hyperopt", "matplotlib", "optuna", "ray", "sqlalchemy"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import numpy as np, tgsage, tgsage.rsa
rows = np.random.default_rng(0).normal(size=(30, 20))
rdm = tgsage.compute_rdm(rows)
score = tgsage.score({"layer": rdm}, tgsage.Teacher.from_rdms("t", {"V4": rdm}), bootstrap=10)
print(round(score.tg, 6), score.to_dataframe().shape, tgsage.plugins.TPESearcher.__name__)
for call in (rdm.plot, score.plot, lambda: tgsage.plugins.Tracker("sqlite:///no.db", "s")):
    try:
        call()
    except tgsage.TGSageError as error:
        print(error)
"""


def test_scores_need_neither_pictures_nor_searches(tmp_path: Path) -> None:
    found = subprocess.run([sys.executable, "-c", BLOCKED], check=True, capture_output=True, text=True, cwd=tmp_path)
    score, *errors = found.stdout.splitlines()
    assert score == "1.0 (1, 8) TPESearcher"
    assert errors == [
        "matplotlib is not installed: pip install 'tgsage[plot]'",
        "matplotlib is not installed: pip install 'tgsage[plot]'",
        "optuna is not installed: pip install 'tgsage[search]'",
    ]


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
