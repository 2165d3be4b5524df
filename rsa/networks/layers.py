"""Which of a network's modules are meant: by exact name, by glob, or "auto"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn

from ..errors import RSAError, near

_UNITS = (nn.modules.conv._ConvNd, nn.Linear)  # one layer, whatever it is made of
COMPILED = "_orig_mod"  # the child under which torch.compile keeps the module that it wraps
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
    left out; a single stage is opened (`features` of a VGG), and of two stages those that hold repeated blocks
    (`patch_embed` and `blocks` of a ViT); without stages the children with parameters are taken. Of these, the ones
    that run.

    They come in the model's own order. Of several modules that a glob fits, those that do not run are left out.
    What `torch.compile` wraps has the names that it has without: "layer1", never "_orig_mod.layer1".
    Raises RSAError for a name or glob that fits nothing, naming near ones, for scripted layers, which take no hooks,
    and for programs of torch.export.
    """
    if not isinstance(model, nn.Module):
        hint = "; load_model returns (module, preprocess)" if isinstance(model, tuple) else ""
        raise RSAError(f"a torch module is needed, got {type(model).__name__}{hint}")
    wanted = [layers] if isinstance(layers, str) else list(layers)
    strange = [layer for layer in wanted if not isinstance(layer, str)]
    if not wanted or strange:
        what = f"layers are named by text, not by {type(strange[0]).__name__}" if strange else "no layer asked for"
        raise RSAError(f'{what}; give names, globs or "auto"')
    known = {plain_name(name): module for name, module in model.named_modules(remove_duplicate=False)}
    root = known.pop("")
    known.setdefault("output", root)
    for name, module in known.items():
        if isinstance(module, torch.fx.GraphModule) and "eval" in vars(module):
            raise RSAError(f"{name} is a program of torch.export, not layers; use the module that it was made from")
    chosen: dict[str, Layer] = {}
    for pattern in wanted:
        for layer in _matches(root, known, plain_name(pattern)):
            chosen.setdefault(layer.name, layer)
    for layer in chosen.values():
        if isinstance(layer.module, torch.jit.ScriptModule):
            raise RSAError(f"layer {layer.path!r} is scripted and takes no hooks; use the module that it was made from")
    places = {path: i for i, path in enumerate(known)}
    return sorted(chosen.values(), key=lambda layer: places[layer.path])


def plain_name(name: str) -> str:
    """The name without the wrappers of torch.compile in it."""
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
        found = list({id(known[name]): name for name in reversed(fits)}.values())[
            ::-1
        ]  # the first name of a shared one
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
        if not scripted and type(child).forward is nn.Module.forward:  # a ModuleList or ModuleDict: never called
            yield from _open(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _is_stage(module: nn.Module) -> bool:
    return next(module.children(), None) is not None and not isinstance(module, _UNITS)


def _blocks(stage: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """The layers inside a stage if several of them are stages of one kind, else none."""
    layers = auto_layers(stage, name)
    kinds = [type(layer) for _, layer in layers if _is_stage(layer)]
    return layers if len(set(kinds)) < len(kinds) else []


def _is_head(name: str, module: nn.Module) -> bool:
    if name.rpartition(".")[2] in ("classifier", "head", "heads", "fc"):
        return True
    weighted = [leaf for leaf in module.modules() if any(True for _ in leaf.parameters(recurse=False))]
    return 1 <= len(weighted) <= 3 and all(isinstance(leaf, nn.Linear) for leaf in weighted)
