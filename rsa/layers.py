"""Which of a network's modules are meant: by exact name, by glob, or "auto"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn

from .errors import RSAError, near

_UNITS = (nn.modules.conv._ConvNd, nn.Linear)  # one layer, whatever it is made of
_SUFFIX = re.compile(r"(?P<module>.+?)(#(?P<call>[1-9]\d*))?(\[(?P<item>\d+)\])?")


@dataclass(frozen=True)
class Layer:
    """One module to listen to. `call`: only this call of several per pass; `item`: which tensor of a tuple."""

    name: str
    module: nn.Module
    path: str
    call: int | None = None
    item: int = 0
    required: bool = True

    def at(self, call: int) -> str:
        """The name of one call of several: "name#2", "name#2[1]"."""
        return f"{self.path}#{call}{self.name[len(self.path) :]}"


def choose_layers(model: object, layers: str | Iterable[str] = "auto") -> list[Layer]:
    """Modules by "auto", exact name ("layer3.0") or glob ("layer*.1": `*` stays within a dotted part, `**` does not).

    "name#2" is the second call of a module that runs several times in a pass, "name[1]" the second tensor of a module
    that returns several (the first is the default), "output" the whole model.

    "auto" takes the stages: the modules that the network's own attribute `stages` (a tuple of names) lists, else the
    children of a Sequential, else the children that have children themselves (for a torchvision ResNet layer1..layer4).
    ModuleLists stand for their items; a last stage that is a classifier (by its name, or up to three linear layers) is
    left out; a single stage is opened (`features` of a VGG); without stages the children with parameters are taken.
    Of these, the ones that run.

    They come in the model's own order. Of several modules that a glob fits, those that do not run are left out.
    Raises RSAError for a name or glob that fits nothing, naming near ones.
    """
    if not isinstance(model, nn.Module):
        hint = "; load_model returns (module, preprocess)" if isinstance(model, tuple) else ""
        raise RSAError(f"a torch module is needed, got {type(model).__name__}{hint}")
    if isinstance(model, torch.jit.ScriptModule):
        raise RSAError("a scripted module takes no hooks; use the module that it was made from")
    wanted = [layers] if isinstance(layers, str) else list(layers)
    strange = [layer for layer in wanted if not isinstance(layer, str)]
    if not wanted or strange:
        what = f"layers are named by text, not by {type(strange[0]).__name__}" if strange else "no layer asked for"
        raise RSAError(f'{what}; give names, globs or "auto"')
    known = dict(model.named_modules(remove_duplicate=False))
    known.setdefault("output", known.pop(""))
    chosen: dict[str, Layer] = {}
    for pattern in wanted:
        for layer in _matches(model, known, pattern):
            chosen.setdefault(layer.name, layer)
    places = {path: i for i, path in enumerate(known)}
    return sorted(chosen.values(), key=lambda layer: places[layer.path])


def _matches(model: nn.Module, known: dict[str, nn.Module], pattern: str) -> list[Layer]:
    if pattern == "auto":
        paths = [name for name, _ in auto_layers(model)]
        return [Layer(path, known[path], path, required=False) for path in paths]
    if pattern in known:
        return [Layer(pattern, known[pattern], pattern)]
    parts = _SUFFIX.fullmatch(pattern)
    if parts and parts["module"] in known and (parts["call"] or parts["item"]):
        path = parts["module"]
        call = int(parts["call"]) if parts["call"] else None
        return [Layer(pattern, known[path], path, call, int(parts["item"] or 0))]
    if any(sign in pattern for sign in "*?["):
        found = [name for name, _ in model.named_modules() if name and _fits(name.split("."), pattern.split("."))]
        if found:
            return [Layer(name, known[name], name, required=len(found) == 1) for name in found]
    raise RSAError(f"the model has no layer {pattern!r}{near(pattern, list(known))}")


def _fits(name: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern or not name:
        return not name and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return any(_fits(name[i:], pattern[1:]) for i in range(len(name) + 1))
    return fnmatchcase(name[0], pattern[0]) and _fits(name[1:], pattern[1:])


def auto_layers(module: nn.Module, path: str = "") -> list[tuple[str, nn.Module]]:
    """The stages of a network, as `choose_layers` describes them."""
    named = getattr(module, "stages", None)
    if isinstance(named, tuple) and all(isinstance(name, str) for name in named):
        return [(f"{path}.{name}" if path else name, module.get_submodule(name)) for name in named]
    children = list(_open(module, f"{path}." if path else ""))
    if not children:
        return [(path or "output", module)]
    if isinstance(module, nn.Sequential) and len(children) > 1:
        return children
    stages = [
        (name, child)
        for name, child in children
        if next(child.children(), None) is not None and not isinstance(child, _UNITS)
    ]
    if len(stages) > 1 and _is_head(*stages[-1]):
        stages.pop()
    if len(stages) == 1:
        return auto_layers(stages[0][1], stages[0][0])
    return stages or [(name, child) for name, child in children if any(True for _ in child.parameters())] or children


def _open(module: nn.Module, prefix: str) -> Iterable[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if type(child).forward is nn.Module.forward:  # a ModuleList or ModuleDict: holds modules, is never called
            yield from _open(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _is_head(name: str, module: nn.Module) -> bool:
    if name.rpartition(".")[2] in ("classifier", "head", "heads", "fc"):
        return True
    weighted = [leaf for leaf in module.modules() if any(True for _ in leaf.parameters(recurse=False))]
    return 1 <= len(weighted) <= 3 and all(isinstance(leaf, nn.Linear) for leaf in weighted)
