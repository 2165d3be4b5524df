"""The table of NAS-Bench-Macro: CIFAR-10 accuracy, parameters and multiply-adds of 6,561 networks (Su et al. 2021)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...neural_data.catalogue.lookup import data_folder
from ...plugins.spaces import Architecture, get_space
from ...plugins.spaces.macro import OPERATIONS
from ...rsa import RSAError
from ...rsa.errors import reason

FILE = "nas_bench_macro/nas-bench-macro_cifar10.json"
_LAYERS = 8
_MOST_BYTES = 2**24


@dataclass(frozen=True)
class Row:
    """Test accuracy in %, the mean over trainings and over equal networks; parameters; multiply-adds."""

    accuracy: float
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, eq=False, repr=False)
class MacroTable:
    """What is published of every network of the space "macro"; `rows` has canonical networks, as keys like "01220210".

    Called with an architecture it gives the accuracy as a fraction.
    """

    rows: Mapping[str, Row]
    name: str = "mean test accuracy in the table of NAS-Bench-Macro"

    def __call__(self, architecture: Architecture) -> float:
        return self.accuracy(architecture) / 100

    def accuracy(self, architecture: Architecture) -> float:
        """Accuracy in %."""
        return self.rows[_code(architecture)].accuracy

    def size(self, architecture: Architecture) -> float:
        """Trainable parameters."""
        return self.rows[_code(architecture)].parameters


def read_macro(data_dir: str | Path | None = None) -> MacroTable:
    """Read the published file from the data folder. Raises RSAError where it is missing or something else."""
    path = data_folder(data_dir) / FILE
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RSAError(f"{path} is larger than {_MOST_BYTES} bytes, so not the table of NAS-Bench-Macro")
        content = json.loads(path.read_bytes())
        same: dict[str, list[Row]] = {}
        for key, row in content.items():
            published = Row(float(row["mean_acc"]), int(row["params"]), int(row["flops"]))
            same.setdefault(_code(architecture_of(key)), []).append(published)
    except RSAError:
        raise
    except FileNotFoundError as error:
        how = "get data/nas-bench-macro_cifar10.json of github.com/xiusu/NAS-Bench-Macro, and put it there"
        raise RSAError(f"{path} is missing: {how}, or name the folder with --data-dir or TGSAGE_DATA") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise RSAError(f"{path} is no table of NAS-Bench-Macro: {reason(error)}") from error
    whole = len(OPERATIONS) ** _LAYERS
    if len(content) != whole:
        raise RSAError(f"{path} has {len(content)} networks; NAS-Bench-Macro has {whole}")
    rows = {
        code: Row(float(np.mean([row.accuracy for row in found])), found[0].parameters, found[0].multiply_adds)
        for code, found in same.items()
    }
    return MacroTable(rows)


def architecture_of(key: str) -> dict[str, str]:
    """The architecture behind a key of the table. Raises ValueError for another text."""
    if len(key) != _LAYERS or not set(key) <= {"0", "1", "2"}:
        raise ValueError(f"{key[:20]!r} is no key of it")
    return {f"layer{i}": OPERATIONS[int(code)] for i, code in enumerate(key, start=1)}


def _code(architecture: Architecture) -> str:
    operations = get_space("macro").canonical(architecture).values()
    return "".join(str(OPERATIONS.index(str(operation))) for operation in operations)
