"""RDMs and features of networks' layers on disk, so that the same network is not shown the same images twice.

An entry is one layer: a file of a line that says what it is and the bytes of its numbers with their checksum. Its name
is the digest of everything that decides the numbers: the model's name and structure, the digest of its weights, the
checksum of the images, how they become conditions, the layer and the settings of the readout. A second file says which
layers a choice such as "auto" stands for, and notes are small results that take longer to make than to read. What is
damaged counts as missing and is written again.
"""

import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RSAError
from ..io.mapped import held, pieces
from ..io.storage import make_folder, replacing
from ..rdm.rdm import RDM
from ..similarity.features import Features
from ..types import Array
from .readout import Layers, Readout
from .stimuli import Stimuli

if TYPE_CHECKING:
    import torch

GIGABYTES = "TGSAGE_CACHE_GB"
LIMIT = 10.0  # gigabytes of entries, by default
_MAGIC = "tgsage-layer 2"
_HEADER = 2**20  # bytes of an entry's first line, at most
_ALIGNED = 64  # the numbers begin at a multiple of so many bytes


def default_limit() -> float:
    """Gigabytes that the cache may hold: `$TGSAGE_CACHE_GB`, else 10. Raises RSAError for what is no number from 0."""
    text = os.environ.get(GIGABYTES, "") or str(LIMIT)
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise RSAError(f"{GIGABYTES} is a number of gigabytes from 0, not {text!r}")
    return limit


class LayerCache:
    """A folder of entries; beyond `limit` gigabytes, those unused for longest are removed; a limit of 0 keeps nothing.

    Several processes may use one folder. Raises RSAError where the folder cannot be made.
    """

    def __init__(self, folder: str | Path, limit: float | None = None) -> None:
        self.limit = default_limit() if limit is None else limit
        if self.limit < 0:
            raise RSAError(f"a cache holds a number of gigabytes from 0, not {limit}")
        self.folder = make_folder(folder) if self.limit else Path(folder)

    def load(self, key: str, readout: Readout, stimuli: Stimuli, by: str) -> Layers[Any] | None:
        """Return the layers that the readout chooses, or None if one of them is missing."""
        if not self.limit:
            return None
        about = self._about(key, readout)
        if about is None:
            return None
        conditions = {
            "labels": list(dict.fromkeys(stimuli.column(by))),
            "by": by,
            "descriptors": stimuli.descriptors(by),
        }
        found = {name: self._read(self._place(key, name), name, conditions) for name in about["layers"]}
        if any(one is None for one in found.values()):
            return None
        return Layers(found, about["unusable"])

    def keep(self, key: str, readout: Readout, layers: Layers[Any]) -> None:
        """Write layers, unless the cache cannot hold all of them.

        A full disk, or a folder that others have removed, is not an error: the layers are then computed again.
        """
        if not self.limit or sum(one.values.nbytes for one in layers.values()) > self.limit * 1e9:
            return
        with suppress(OSError, RSAError):
            written = [self._write(self._place(key, name), one) for name, one in layers.items()]
            place = self._choice(key, readout)
            with replacing(place) as temporary:
                temporary.write_text(json.dumps({"layers": list(layers), "unusable": layers.unusable}))
            self._shrink({*written, place})

    def note(self, key: str) -> Any:
        """Return what `take_note` wrote under this key, or None."""
        if not (self.limit and key):
            return None
        with suppress(OSError, ValueError, KeyError, TypeError):
            place = self._note(key)
            said = json.loads(place.read_text())
            if said["crc"] == _crc(said["note"]):
                os.utime(place)
                return said["note"]
        return None

    def take_note(self, key: str, note: Any) -> None:
        """Store something JSON-able under the key of what determines it; a full disk is not an error."""
        if not (self.limit and key):
            return
        with suppress(OSError, RSAError):
            place = self._note(key)
            with replacing(place) as temporary:
                temporary.write_text(json.dumps({"crc": _crc(note), "note": note}))
            self._shrink({place})

    def _note(self, key: str) -> Path:
        return self.folder / f"{_digest([key, 'note'])}.json"

    def _place(self, key: str, layer: str) -> Path:
        return self.folder / f"{_digest([key, layer])}.layer"

    def _choice(self, key: str, readout: Readout) -> Path:
        wanted = readout.layers if isinstance(readout.layers, str) else list(readout.layers)
        return self.folder / f"{_digest([key, 'layers', wanted])}.json"

    def _about(self, key: str, readout: Readout) -> dict[str, Any] | None:
        """Which layers a choice stands for: as written, or the names themselves where all of them are there."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            place = self._choice(key, readout)
            said = json.loads(place.read_text())
            about = {
                "layers": [str(name) for name in said["layers"]],
                "unusable": {str(name): str(why) for name, why in said["unusable"].items()},
            }
            os.utime(place)
            return about
        names = [readout.layers] if isinstance(readout.layers, str) else list(readout.layers)
        if names != ["auto"] and all(self._place(key, name).is_file() for name in names):
            return {"layers": names, "unusable": {}}
        return None

    def _write(self, place: Path, one: RDM | Features) -> Path:
        values = np.ascontiguousarray(one.values)
        about = {
            "format": _MAGIC,
            "kind": type(one).__name__,
            "dtype": str(values.dtype),
            "shape": list(values.shape),
            "crc": _checksum(values),
            "metric": getattr(one, "metric", ""),
            "attrs": dict(one.attrs),
        }
        line = json.dumps(about).encode() + b"\n"
        with replacing(place) as temporary, temporary.open("wb") as file:
            file.write(line.rjust(-(-len(line) // _ALIGNED) * _ALIGNED))  # numbers can be mapped
            for rows in _parts(values):
                file.write(values[rows].data)
        return place

    def _read(self, place: Path, name: str, conditions: Mapping[str, Any]) -> RDM | Features | None:
        try:
            with place.open("rb") as file:
                about = json.loads(file.readline(_HEADER))
                dtype, shape = np.dtype(about["dtype"]), tuple(int(size) for size in about["shape"])
                size = int(np.prod(shape)) * dtype.itemsize
                if about["format"] != _MAGIC or dtype not in (np.float32, np.float64):
                    return None
                if place.stat().st_size - file.tell() != size:
                    return None
                values = held(np.memmap(file, dtype, "r", file.tell(), shape))
            if _checksum(values) != about["crc"]:
                return None
            values.flags.writeable = False
            os.utime(place)
            if about["kind"] == "RDM":
                return RDM(values, name=name, metric=about["metric"], attrs=about["attrs"], **conditions)
            return Features(values, name=name, attrs=about["attrs"], **conditions)
        except (OSError, ValueError, KeyError, TypeError, RSAError):
            return None

    def _shrink(self, kept: Iterable[Path]) -> None:
        """Remove the entries that have not been used for longest, but not those just written."""
        stay, entries = set(kept), []
        for path in self.folder.iterdir():
            if path.suffix in (".layer", ".json") and not path.name.startswith("."):
                with suppress(OSError):  # another process has removed it
                    about = path.stat()
                    entries.append((about.st_mtime, about.st_size, path))
        total, most = sum(size for _, size, _ in entries), self.limit * 1e9
        for _, size, path in sorted(entries):
            if total <= most:
                return
            if path not in stay:
                path.unlink(missing_ok=True)
                total -= size


def layer_key(model: str, checksum: str, groups: Iterable[str], kind: str, readout: Readout) -> str:
    """What decides the numbers of a model's layers, but for the layer: a digest.

    model: its `model_digest`. checksum: of the images. groups: the condition of each of them. kind: "rdm" or
    "features".
    """
    settings = [
        readout.n_features,
        readout.seed,
        readout.tokens,
        readout.metric if kind == "rdm" else "",
        str(readout.device),
    ]
    return _digest([_MAGIC, model, checksum, _digest(list(groups)), kind, settings])


def model_digest(name: str, module: "torch.nn.Module", preprocess: str) -> str:
    """What decides what a model given by name makes of an image: a digest."""
    from importlib.metadata import version

    file = Path(name.rpartition(":")[0]) if ".py:" in name else None
    code = "" if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
    return _digest([name, _digest([str(module)]), weights_digest(module), preprocess, code, version("torch")])


def weights_digest(module: "torch.nn.Module") -> str:
    """A digest of all parameters and buffers with their names."""
    import torch

    digest = hashlib.blake2b()
    for name, tensor in module.state_dict().items():
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(plain.shape)} {plain.dtype}".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data if plain.numel() else b"")
    return digest.hexdigest()


def _parts(values: Array) -> Iterator[slice]:
    return pieces(values, n=len(values), width=max(1, math.prod(values.shape[1:])))


def _checksum(values: Array) -> int:
    crc = 0
    for rows in _parts(values):
        crc = zlib.crc32(values[rows].data, crc)
    return crc


def _crc(note: Any) -> int:
    return zlib.crc32(json.dumps(note).encode())


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
