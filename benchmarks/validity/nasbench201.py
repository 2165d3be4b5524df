"""The table of NAS-Bench-201: the CIFAR-10 accuracy of every cell (Dong & Yang 2020).

The numbers come with the package analog-nasbench as a pickle; it is read without importing the package, by an unpickler
that builds inert records and nothing else.
"""

import pickle
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ...plugins.spaces import Architecture
from ...plugins.spaces.space import Choice
from ...rsa import RSAError
from ...rsa.errors import reason

Table = Mapping[tuple[int, ...], float]
_CODES = {"skip": 0, "none": 1, "conv3x3": 2, "conv1x1": 3, "avgpool": 4}
_EDGES = ("0-1", "0-2", "0-3", "1-2", "1-3", "2-3")  # in this order edges that lead nowhere leave the accuracy alone


class _Record:
    """Stands for the package's classes: attributes, no behaviour."""

    baseline_accuracy: float


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Record]:
        if (module, name) in {("analognasbench.data", "Architecture"), ("analognasbench.data", "DriftMeasurement")}:
            return _Record
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_table(path: str | Path | None = None) -> Table:
    """Read the table (six operation codes, one per edge -> test accuracy in %) of the installed analog-nasbench.

    path: another file of that format. Raises RSAError if the package is missing (extra `bench`) or the file holds
    anything else.
    """
    if path is None:
        try:
            path = Path(str(distribution("analog-nasbench").locate_file("analognasbench/data.anb")))
        except PackageNotFoundError as error:
            raise RSAError("this benchmark needs analog-nasbench: python -m pip install 'tgsage[bench]'") from error
    try:
        with Path(path).open("rb") as file:
            records = _Unpickler(file).load()
        table = {tuple(map(int, key)): float(record.baseline_accuracy) for key, record in records.items()}
    except Exception as error:  # unpickling a damaged file raises nearly anything
        raise RSAError(f"{path} is no table of NAS-Bench-201: {reason(error)}") from error
    if len(table) != len(_CODES) ** len(_EDGES):
        raise RSAError(f"{path} has {len(table)} cells; NAS-Bench-201 has {len(_CODES) ** len(_EDGES)}")
    return table


def accuracy(table: Table, architecture: Architecture) -> float:
    """Test accuracy of an architecture of the space "nasbench201", in %."""
    return table[tuple(_CODES[str(architecture[edge])] for edge in _EDGES)]


def architecture_of(key: Sequence[int]) -> dict[str, Choice]:
    """The architecture behind six operation codes."""
    names = {code: name for name, code in _CODES.items()}
    return {edge: names[code] for edge, code in zip(_EDGES, key, strict=True)}
