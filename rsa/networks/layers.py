"""The layers of a network to record: by exact name, by glob, or "auto"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn

from ..errors import RSAError, near

_UNITS = (nn.modules.conv._ConvNd, nn.Linear)  # a single layer even if it has children
COMPILED = "_orig_mod"  # name of the wrapped module inside that of torch.compile
_SUFFIX = re.compile(r"(?P<module>.+?)(#(?P<call>[1-9]\d*))?(\[(?P<item>\d+)\])?")


@dataclass(frozen=True)
class Layer:
    """A module to record. `call`: only this one of its calls per pass; `item`: index into the tensors it returns."""

    name: str
    module: nn.Module
    path: str
    call: int | None = None
    item: int = 0
    required: bool = True

    def at(self, call: int) -> str:
        """Return the name of one of several calls: "name#2", "name#2[1]"."""
        return f"{self.path}#{call}{self.name[len(self.path) :]}"


def choose_layers(model: object, layers: str | Iterable[str] = "auto") -> list[Layer]:
    """Find modules by "auto", exact name ("layer3.0") or glob ("layer*.1"; `**` matches across dots, `*` does not).

    "name#2" is the second call of a module that runs several times per pass, "name[1]" the second tensor of a module
    that returns several (default: the first), and "output" the whole model. Layers are returned in the model's order.
    Of several modules that match a glob, and of those of "auto", the ones that do not run are left out. Modules inside
    that of `torch.compile` keep their names: "layer1", not "_orig_mod.layer1".

    "auto" takes the stages: the modules named by the network's attribute `stages` (a tuple of names), otherwise the
    children of a Sequential, otherwise the children that have children (layer1 to layer4 of a torchvision ResNet).
    ModuleLists are replaced by their items. A classifier at the end (known by its name, or by having up to three linear
    layers only) is left out. A single stage is replaced by its own (`features` of a VGG), and so is each of two stages
    if it holds repeated blocks (`patch_embed` and `blocks` of a ViT). Without stages, "auto" takes the children that
    have parameters.

    Raises RSAError for a name or glob that matches nothing, with similar names, for scripted layers, which take no
    hooks, and for programs of torch.export.
    """
    if not isinstance(model, nn.Module):
        hint = "; load_model returns (module, preprocess)" if isinstance(model, tuple) else ""
        raise RSAError(f"model must be a torch module, got {type(model).__name__}{hint}")
    wanted = [layers] if isinstance(layers, str) else list(layers)
    strange = [layer for layer in wanted if not isinstance(layer, str)]
    if not wanted or strange:
        what = f"layers must be strings, got {type(strange[0]).__name__}" if strange else "no layer is named"
        raise RSAError(f'{what}; give names, globs or "auto"')
    known = {plain_name(name): module for name, module in model.named_modules(remove_duplicate=False)}
    root = known.pop("")
    known.setdefault("output", root)
    for name, module in known.items():
        if isinstance(module, torch.fx.GraphModule) and "eval" in vars(module):
            raise RSAError(
                f"{name} is a program of torch.export and has no layers; use the module that it was exported from"
            )
    chosen: dict[str, Layer] = {}
    for pattern in wanted:
        for layer in _matches(root, known, plain_name(pattern)):
            chosen.setdefault(layer.name, layer)
    for layer in chosen.values():
        if isinstance(layer.module, torch.jit.ScriptModule):
            raise RSAError(f"layer {layer.path!r} is scripted and takes no hooks; use the module behind it")
    places = {path: i for i, path in enumerate(known)}
    return sorted(chosen.values(), key=lambda layer: places[layer.path])


def plain_name(name: str) -> str:
    """Return the name without the parts that torch.compile adds."""
    return ".".join(part for part in name.split(".") if part != COMPILED)


def _matches(root: nn.Module, known: dict[str, nn.Module], pattern: str) -> list[Layer]:
    if pattern == "auto":
        paths = [name for name, _ in auto_layers(root)]
        return [Layer(path, known[path], path, required=False) for path in paths]
    if pattern in known:
        return [Layer(pattern, known[pattern], pattern)]
    parts = _SUFFIX.fullmatch(pattern)
    if parts and parts["module"] in known and (parts["call"] or parts["item"]):
        path = parts["module"]
        call = int(parts["call"]) if parts["call"] else None
        return [Layer(pattern, known[path], path, call, int(parts["item"] or 0))]
    if any(sign in pattern for sign in "*?["):
        fits = [name for name in known if known[name] is not root and _fits(name.split("."), pattern.split("."))]
        first = {id(known[name]): name for name in reversed(fits)}  # a shared module has several names
        if found := [name for name in fits if first[id(known[name])] == name]:
            return [Layer(name, known[name], name, required=len(found) == 1) for name in found]
    raise RSAError(f"the model has no layer {pattern!r}{near(pattern, list(known))}")


def _fits(name: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern or not name:
        return not name and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return any(_fits(name[i:], pattern[1:]) for i in range(len(name) + 1))
    return fnmatchcase(name[0], pattern[0]) and _fits(name[1:], pattern[1:])


def auto_layers(module: nn.Module, path: str = "") -> list[tuple[str, nn.Module]]:
    """Return the stages of a network as `choose_layers` describes them."""
    named = getattr(module, "stages", None)
    if isinstance(named, tuple) and all(isinstance(name, str) for name in named):
        return [(f"{path}.{name}" if path else name, module.get_submodule(name)) for name in named]
    children = list(_open(module, f"{path}." if path else ""))
    if not children:
        return [(path or "output", module)]
    if isinstance(module, nn.Sequential) and len(children) > 1:
        return children
    stages = [(name, child) for name, child in children if _is_stage(child)]
    if len(stages) > 1 and _is_head(*stages[-1]):
        stages.pop()
    if len(stages) == 1:
        return auto_layers(stages[0][1], stages[0][0])
    if len(stages) == 2:
        return [layer for name, stage in stages for layer in _blocks(stage, name) or [(name, stage)]]
    return stages or [(name, child) for name, child in children if any(True for _ in child.parameters())] or children


def _open(module: nn.Module, prefix: str) -> Iterable[tuple[str, nn.Module]]:
    for name, wrapped in module.named_children():
        child = getattr(wrapped, COMPILED, wrapped)
        scripted = isinstance(child, torch.jit.ScriptModule)
        if not scripted and type(child).forward is nn.Module.forward:  # a ModuleList or ModuleDict
            yield from _open(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _is_stage(module: nn.Module) -> bool:
    return next(module.children(), None) is not None and not isinstance(module, _UNITS)


def _blocks(stage: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """Return the layers inside a stage if several of them are stages of one type."""
    layers = auto_layers(stage, name)
    kinds = [type(layer) for _, layer in layers if _is_stage(layer)]
    return layers if len(set(kinds)) < len(kinds) else []


def _is_head(name: str, module: nn.Module) -> bool:
    if name.rpartition(".")[2] in ("classifier", "head", "heads", "fc"):
        return True
    weighted = [leaf for leaf in module.modules() if any(True for _ in leaf.parameters(recurse=False))]
    return 1 <= len(weighted) <= 3 and all(isinstance(leaf, nn.Linear) for leaf in weighted)
