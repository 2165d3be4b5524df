"""Weights from files: state dicts under the names and wrappings that people save them in."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RSAError
from ..extensions import needed
from .layers import plain_name

KEYS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "ema", "model_ema")
PREFIXES = ("module.", "model.")  # of DataParallel and AveragedModel, and of a network kept as `self.model`
_COUNTERS = ("n_averaged",)  # of torch's AveragedModel, beside the weights


def read_tensors(file: Path, *, legacy: bool = False) -> Any:
    """Read what `torch.save` wrote (`legacy`: also before torch 1.6, not as a zip file), without running code in it.

    Raises ValueError if members of the file are compressed, so that reading could take more memory than its size, and
    whatever torch raises.
    """
    if not legacy or zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            if sum(part.file_size for part in packed.infolist()) > file.stat().st_size:
                raise ValueError("its parts are compressed")
    return torch.load(file, map_location="cpu", weights_only=True)


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Load a state dict from a file of safetensors or `torch.save`, without unpickling code.

    The state dict may lie under one of `KEYS`. The prefixes `PREFIXES`, on all names and in any number, and what
    torch.compile adds to names are ignored, in the file and in the module.

    Raises RSAError for a file that is missing, damaged or no state dict, and for tensors that do not fit.
    """
    file = Path(path)
    if not file.is_file():
        raise RSAError(f"{file}: no such file")
    state = _state_dict(_read(file))
    if state is None:
        raise RSAError(f"{file} holds no state dict (name -> tensor)")
    own = module.state_dict()
    names, given = _bare(own), _bare(state)
    if len(set(names)) == len(names) and len(set(given)) == len(given):
        places = dict(zip(names, own, strict=True))
        state = {places.get(bare, key): state[key] for bare, key in zip(given, state, strict=True)}
    wrong = [key for key in own if key not in state or state[key].shape != own[key].shape]
    extra = [key for key in state if key not in own]
    if wrong:
        how = "of another shape" if wrong[0] in state else "missing"
        also = f"; the file has {extra[0]}" if extra else ""
        raise RSAError(f"{file} does not fit the model: {len(wrong)} of {len(own)} tensors, {wrong[0]} is {how}{also}")
    if extra:
        raise RSAError(f"{file} does not fit the model: it has {len(extra)} tensors more, such as {extra[0]}")
    module.load_state_dict(state)


def _read(file: Path) -> Any:
    with file.open("rb") as opened:
        safe = opened.read(9)[8:] == b"{"  # after the length of its header, which is JSON
    if safe:
        load_file = needed("safetensors.torch", "models").load_file
    try:
        return load_file(file) if safe else read_tensors(file, legacy=True)
    except Exception as error:
        raise RSAError(f"{file} holds no plain state dict of tensors, or is damaged; it was not loaded") from error


def _state_dict(content: Any) -> dict[str, Tensor] | None:
    """The state dict in a file's content, under the first of `KEYS` that leads to one."""
    if not isinstance(content, Mapping):
        return None
    inner = (_state_dict(content[key]) for key in KEYS if isinstance(content.get(key), Mapping))
    found = next((state for state in inner if state), None)
    if found is not None:
        return found
    state = {str(key): value for key, value in content.items() if key not in _COUNTERS}
    return state if all(isinstance(value, Tensor) for value in state.values()) else None


def _bare(names: Iterable[str]) -> list[str]:
    """The names without the prefixes that all of them share, in their order."""
    bare = [plain_name(name) for name in names]
    while bare and (prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in bare)), "")):
        bare = [name.removeprefix(prefix) for name in bare]
    return bare
