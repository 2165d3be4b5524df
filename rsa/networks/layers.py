"""The layers of a network to record: by exact name, by glob, or "auto"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import nn

from ..errors import RSAError, as_names, kind_of, near

_UNITS = (nn.modules.conv._ConvNd, nn.Linear)  # a single layer even if it has children
_HEADS = ("classifier", "head", "heads", "fc", "pooler", "pre_logits")
CLASS_TOKENS = ("cls_token", "class_token", "class_embedding", "cls")
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
    have parameters. Where no stage ends between 40% and 60% of all blocks, the block in the middle is taken too
    (`layers.2.blocks.1` of a Swin-T), unless the network has `stages`.

    Raises RSAError for a name or glob that matches nothing, with similar names, for scripted layers, which take no
    hooks, and for programs of torch.export.
    """
    if not isinstance(model, nn.Module):
        raise RSAError(f"model must be a torch module, got {kind_of(model)}")
    wanted = as_names(layers, "layers")
    if not wanted:
        raise RSAError('no layer is named; give names, globs or "auto"')
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


def has_class_token(model: nn.Module) -> bool:
    """Whether a transformer has a class token, by the name of its parameter in the usual libraries."""
    return any(name.rpartition(".")[2] in CLASS_TOKENS for name, _ in model.named_parameters())


def hidden_in(model: nn.Module, layer: Layer) -> str:
    """Why a layer may not run by itself: `; it is part of X (Kind), which ...`, or "" without a parent."""
    model = getattr(model, COMPILED, model)
    parent = plain_name(layer.path).rpartition(".")[0]
    known = {plain_name(name): module for name, module in model.named_modules(remove_duplicate=False)}
    while parent in known and type(known[parent]).forward is nn.Module.forward:  # a ModuleList
        parent = parent.rpartition(".")[0]
    if not parent or parent not in known:
        return ""
    kind = type(known[parent]).__name__
    return f"; it is part of {parent} ({kind}), which may compute it in one fused step: record {parent} instead"


def plain_name(name: str) -> str:
    """Return the name without the parts that torch.compile adds."""
    return ".".join(part for part in name.split(".") if part != COMPILED)


def _matches(root: nn.Module, known: dict[str, nn.Module], pattern: str) -> list[Layer]:
    if pattern == "auto":
        paths = [name for name, _ in _with_middle(root, auto_layers(root))]
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
    raise RSAError(f"the model has no layer {pattern!r}{near(pattern, known)}")


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
    while len(stages) > 1 and _named_head(stages[-1][0]):
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


def _with_middle(root: nn.Module, stages: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    """The stages, and the block in the middle of all their blocks where no stage ends near it."""
    if isinstance(getattr(root, "stages", None), tuple):
        return stages
    inside = [_repeated(stage, name) for name, stage in stages]
    ends = np.cumsum([len(blocks) for blocks in inside])
    total = int(ends[-1])
    if total == len(stages) or np.any((ends >= 0.4 * total) & (ends <= 0.6 * total)):
        return stages
    middle = (total - 1) // 2
    place = int(np.searchsorted(ends, middle, side="right"))
    return [*stages[:place], [block for blocks in inside for block in blocks][middle], *stages[place:]]


def _repeated(stage: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """The blocks of a stage that are of one type, without what lies between stages; or the stage itself."""
    blocks = [] if isinstance(stage, nn.Sequential) and len(stage) == 1 else _blocks(stage, name)
    kinds = [type(block) for _, block in blocks]
    return [block for block in blocks if kinds.count(type(block[1])) > 1 and _is_stage(block[1])] or [(name, stage)]


def _is_stage(module: nn.Module) -> bool:
    if isinstance(module, (*_UNITS, nn.modules.batchnorm._BatchNorm)) or next(module.children(), None) is None:
        return False
    return any(True for _ in module.parameters())


def _blocks(stage: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """Return the layers inside a stage if several of them are stages of one type."""
    layers = auto_layers(stage, name)
    kinds = [type(layer) for _, layer in layers if _is_stage(layer)]
    return layers if len(set(kinds)) < len(kinds) else []


def _named_head(name: str) -> bool:
    return name.rpartition(".")[2] in _HEADS


def _is_head(name: str, module: nn.Module) -> bool:
    if _named_head(name):
        return True
    weighted = [leaf for leaf in module.modules() if any(True for _ in leaf.parameters(recurse=False))]
    return 1 <= len(weighted) <= 3 and all(isinstance(leaf, nn.Linear) for leaf in weighted)
