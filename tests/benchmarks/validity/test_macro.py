"""The published table of NAS-Bench-Macro."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks.validity.macro import FILE, MacroTable, architecture_of, read_macro
from tgsage.plugins.spaces import get_space
from tgsage.rsa import RSAError


@pytest.fixture(scope="module")
def table(data_dir: Path) -> MacroTable:
    return read_macro(data_dir)


def test_rows_are_means_over_equal_networks(table: MacroTable, data_dir: Path) -> None:
    published = json.loads((data_dir / FILE).read_text())
    assert len(table.rows) == 3969
    for keys in (["11000200"], ["11102102", "11120120", "11120102", "11102120"]):
        accuracy = np.mean([published[key]["mean_acc"] for key in keys])
        for key in keys:
            architecture = architecture_of(key)
            assert table.accuracy(architecture) == pytest.approx(accuracy)
            assert table(architecture) == pytest.approx(accuracy / 100)
            assert table.size(architecture) == published[key]["params"]


def test_trainings_of_equal_networks_agree(data_dir: Path) -> None:
    """Keys that stand for one network were trained apart; differences above those of one network's trainings would
    mean that they are not equal."""
    published, space = json.loads((data_dir / FILE).read_text()), get_space("macro")
    groups: dict[str, list[list[float]]] = {}
    for key, row in published.items():
        groups.setdefault(space.key(space.canonical(architecture_of(key))), []).append(row["test_acc"])
    several = [np.array(found) for found in groups.values() if len(found) > 1]
    within = np.mean([trainings.var(axis=1, ddof=1).mean() for trainings in several])
    between = np.mean([trainings.mean(axis=1).var(ddof=1) for trainings in several])
    assert between < 1.5 * within / 3


def test_it_travels_to_workers(table: MacroTable) -> None:
    architecture = architecture_of("01220210")
    assert pickle.loads(pickle.dumps(table))(architecture) == table(architecture)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "is no table of NAS-Bench-Macro"),
        ("[]", "is no table of NAS-Bench-Macro"),
        ('{"0121": {"mean_acc": 1, "params": 1, "flops": 1}}', "'0121' is no key of it"),
        ('{"01210000": {"mean_acc": 1, "params": 1}}', "flops"),
        ('{"01210000": {"mean_acc": 1, "params": 1, "flops": 1}}', "has 1 networks; NAS-Bench-Macro has 6561"),
        ("1" * (2**24 + 1), "is larger than"),
    ],
)
def test_other_files_are_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RSAError, match=words):
        read_macro(tmp_path)


def test_a_missing_file_is_named_with_its_source(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=r"nas-bench-macro_cifar10.json is missing: get .* --data-dir or TGSAGE_DATA"):
        read_macro(tmp_path)
