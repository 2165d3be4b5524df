"""Split halves of a recording that an earlier run has halved: by its content, the settings and the code that did it."""

import hashlib
import json
from collections.abc import Callable
from functools import cache as once
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..recordings.recording import blocks
from ..settings import RegionSettings
from .split_half import split_half

if TYPE_CHECKING:
    import xarray

    from ...rsa.networks.cache import LayerCache

_NAMES = ("reliability", "spearman_brown", "ceiling", "r", "stimuli", "neuroids", "reason")


def halves_by_target(
    recording: "xarray.DataArray",
    settings: RegionSettings,
    *,
    splits: int,
    seed: int,
    method: str,
    cache: "LayerCache | None" = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> dict[str, dict[str, Any]]:
    """What `split_half` says of each target, from the cache where it holds it. Raises RSAError as `split_half`."""
    key = ""
    if cache is not None and cache.limit:
        code = [_code(), version("tgsage"), version("numpy")]
        about = [code, settings.attrs(), splits, seed, method, recording_digest(recording)]
        key = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        known: dict[str, dict[str, Any]] | None = cache.note(key)
        if known is not None:
            progress(splits)
            return known
    how: dict[str, Any] = {"by": settings.by, "level": settings.level, "scale": settings.scale}
    how |= {"window": settings.window, "metric": settings.metric}
    found = split_half(recording, splits=splits, seed=seed, method=method, progress=progress, **how)
    columns = {name: found[name].values.tolist() for name in _NAMES}
    targets = found["target"].values.tolist()
    rows = {target: {name: columns[name][i] for name in _NAMES} for i, target in enumerate(targets)}
    if cache is not None:
        cache.take_note(key, rows)
    return rows


def recording_digest(recording: "xarray.DataArray") -> str:
    """The SHA-256 of a recording's values, coordinates and attributes. Raises RSAError for values no response has."""
    digest = hashlib.sha256(json.dumps([recording.dims, recording.shape, recording.attrs], default=str).encode())
    for name, column in sorted(recording.coords.items(), key=lambda named: str(named[0])):
        digest.update(f"{name} {column.dims} {column.dtype.kind}".encode())
        if column.dtype.kind in "biuf":
            digest.update(np.ascontiguousarray(column.values).tobytes())
        else:
            digest.update(json.dumps(column.values.tolist(), default=str).encode())
    for _, block in blocks(recording, "presentation"):
        digest.update(f"{block.dtype}".encode())
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


@once
def _code() -> str:
    here = Path(__file__).parent
    rooms = [here, here.parent / "recordings", here.parents[1] / "rsa" / "rdm"]
    sources = [source for room in rooms for source in sorted(room.glob("*.py"))]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
