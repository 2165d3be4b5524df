"""Arrays that take long to make, kept on disk under the settings and the code that made them."""

import hashlib
import json
import math
import os
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from ...rsa import RSAError
from ...rsa.io.hdf5 import read_column, read_text, reading, write_array, writing
from ...rsa.types import Array

_KIND = "cache"


def cache_folder(data_dir: str | Path | None = None) -> Path:
    """`data_dir` where it is given, else the environment's TGSAGE_CACHE, else the user's cache folder."""
    import pooch

    return Path(data_dir or os.environ.get("TGSAGE_CACHE") or pooch.os_cache("tgsage"))


def cached(
    name: str, settings: Mapping[str, object], make: Callable[[], dict[str, Array]], data_dir: str | Path | None = None
) -> dict[str, Array]:
    """What `make()` returns, read from the file of an earlier call with equal settings where that is whole.

    The file is named after `name` and a digest of the settings (JSON-able) and of this package's code that draws and
    simulates, so a change of either makes a new one. A damaged file is replaced. A folder that cannot be written
    costs the time of making the arrays again, and a warning.
    """
    wanted = json.dumps({**settings, "code": _code()}, sort_keys=True)
    path = cache_folder(data_dir) / "simulated" / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}.h5"
    try:
        return _read(path, wanted)
    except RSAError:
        arrays = dict(sorted(make().items()))  # the order in which HDF5 gives them back
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path, _KIND) as file:
            file.attrs["settings"], file.attrs["checksum"] = wanted, _checksum(arrays)
            for key, values in arrays.items():
                write_array(file, key, values)
    except (RSAError, OSError) as error:
        warnings.warn(f"{name} is not kept for the next time: {error}", stacklevel=2)
    return arrays


def _read(path: Path, wanted: str) -> dict[str, Array]:
    with reading(path, _KIND) as file:
        arrays = {str(key): read_column(file, key, limit=math.inf) for key in file}
        if read_text(file, "settings") != wanted or read_text(file, "checksum") != _checksum(arrays):
            raise RSAError("it is not what it was when it was written")
    return arrays


def _checksum(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        values = arrays[key]
        digest.update(f"{key} {values.shape} {values.dtype.kind}".encode())
        digest.update(
            np.ascontiguousarray(values).tobytes() if values.dtype.kind in "biuf" else "\n".join(values).encode()
        )
    return digest.hexdigest()


@cache
def _code() -> str:
    here = Path(__file__).parent
    sources = [*sorted((here / "render").glob("*.py")), here / "images.py", here / "sites.py"]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
