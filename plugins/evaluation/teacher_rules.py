"""Rules of others that score a candidate by a teacher network and one batch of images.

Dong, Li & Wei 2023, DisWOT: student architecture search for distillation without training, CVPR; the formulas are those
of the README of the authors' repository, github.com/lliai/DisWOT-CVPR2023.
Zheng et al. 2022, Neural architecture search with representation mutual information, CVPR (RMI-NAS): its score, without
the search around it; settings of github.com/MAC-AutoML/XNAS. Otherwise than there, the teacher uses its averages, the
batch is not chosen by the teacher's loss, and the last stage of a cell network is taken before its final normalisation;
and DisWOT's networks have the initialisation of their layers, not normal weights of variance 1.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from ...rsa import RSAError
from ...rsa.errors import near
from ...rsa.networks.batchnorm import evaluation_mode, normalising
from ...rsa.networks.layers import choose_layers
from .predictors import Predicted, check_batch, computed, differentiable

STEPS = 150  # of RMI-NAS
BETA = 0.8  # weight of its similarities; that of the cross-entropy is 1 - BETA
_SGD: Mapping[str, Any] = MappingProxyType({"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4})
_STAGES = 3
_AVERAGES = (torch.ops.aten.mean.dim, torch.ops.aten._adaptive_avg_pool2d.default, torch.ops.aten.avg_pool2d.default)


def teacher_rules(
    candidate: nn.Module,
    teacher: nn.Module,
    images: Tensor,
    labels: Tensor,
    names: Sequence[str] | None = None,
    *,
    steps: int = STEPS,
) -> Predicted:
    """Compute rules that expect more of candidates that resemble a teacher.

    "rmi-nas": the candidate is trained on this batch alone, for `steps` steps of SGD, to have stages like the teacher's
    (linear CKA) and the right labels; the score is minus the loss at the last step. Stages are the last layers at each
    of the last three resolutions. "diswot relation": minus the mean squared difference between the two networks'
    similarities between images, computed from the map before the last average pool, with rows scaled to length 1.
    "diswot semantic": the same for similarities between channels, computed from the loss's gradient with respect to the
    classifier's weights; it is defined only for equal numbers of channels. "diswot": the sum of these two.

    Networks use the statistics of the batch, except for RMI-NAS's teacher, which uses its averages. Both networks are
    left as they were.

    Parameters
    ----------
    candidate, teacher : torch.nn.Module
        (n, C, H, W) -> (n, n_classes). The candidate is untrained; the teacher is a trained network for RMI-NAS and one
        with random weights for DisWOT.
    images, labels : Tensor
        One batch, (n, C, H, W) normalised and (n,) class numbers, on the models' device; RMI-NAS takes 32 images.
    names : sequence of str, optional
        Keys of `RULES`; all of them by default.
    steps : int

    Returns
    -------
    dict
        Name -> value, higher for what should become better; NaN where there is no value, for the reason given in
        `unusable`.

    Raises
    ------
    RSAError
        For an unknown name, and unless there are two images or more with a label each.
    """
    for name in names or ():
        if name not in RULES:
            raise RSAError(f"unknown rule {name!r}{near(name, tuple(RULES))}")
    check_batch(images, labels)
    if steps < 1:
        raise RSAError(f"RMI-NAS trains for 1 step or more, not {steps}")
    pair = Pair(candidate, teacher, images, labels, steps)
    cuda = [images.device] if images.is_cuda else []
    with ExitStack() as stack:
        stack.enter_context(normalising(candidate, "batch"))
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        stack.enter_context(torch.enable_grad())
        return computed({name: partial(RULES[name], pair) for name in names or RULES})


@dataclass(frozen=True)
class Pair:
    """Two networks and a batch; what several rules need of them is computed once."""

    candidate: nn.Module
    teacher: nn.Module
    images: Tensor
    labels: Tensor
    steps: int

    @cached_property
    def looks(self) -> "tuple[_Look, _Look]":
        """Of the candidate and of the teacher."""
        with normalising(self.teacher, "batch"):
            return _look(self.candidate, self.images, self.labels), _look(self.teacher, self.images, self.labels)


@dataclass(frozen=True)
class _Look:
    """The map before the last average pool, and the gradient with respect to the classifier (classes, channels)."""

    pooled: Tensor | None
    gradient: Tensor | None


class _Pooled(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps the last map (n, C, H, W) that is averaged."""

    kept: Tensor | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _AVERAGES and args[0].ndim == 4:
            self.kept = args[0].detach()
        return func(*args, **(kwargs or {}))


def _look(model: nn.Module, images: Tensor, labels: Tensor) -> _Look:
    with _Pooled() as pooled:  # type: ignore[no-untyped-call]
        logits, weights = differentiable(model, images)
    linear = [weight for weight in weights if weight.ndim == 2]
    if not linear:
        return _Look(pooled.kept, None)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, labels), linear[-1], allow_unused=True)
    return _Look(pooled.kept, gradient)


def _relation(pair: Pair) -> float:
    rows = []
    for look in pair.looks:
        if look.pooled is None:
            raise RSAError("a network averages no map before its classifier")
        flat = look.pooled.flatten(1).double()
        rows.append(functional.normalize(flat @ flat.T))
    return -float((rows[0] - rows[1]).square().mean())


def _semantic(pair: Pair) -> float:
    mine, other = (look.gradient for look in pair.looks)
    if mine is None or other is None:
        raise RSAError("a network has no linear classifier")
    if mine.shape != other.shape:
        raise RSAError(f"classifiers are {tuple(mine.shape)} and {tuple(other.shape)} weights; it is for equal ones")
    total = 0.0
    for one, two in zip(mine.double(), other.double(), strict=True):
        difference = functional.normalize(torch.outer(one, one)) - functional.normalize(torch.outer(two, two))
        total += float(difference.square().sum())
    return -total / mine.numel()


def _rmi(pair: Pair) -> float:
    with torch.no_grad(), evaluation_mode(pair.teacher):
        targets = _stages(pair.teacher, pair.images)[0]
    pupil = copy.deepcopy(pair.candidate).train().requires_grad_()
    optimiser = torch.optim.SGD(pupil.parameters(), **_SGD)
    loss = torch.zeros(())
    for _ in range(pair.steps):
        optimiser.zero_grad()
        stages, logits = _stages(pupil, pair.images)
        several = min(len(stages), len(targets))
        pairs = zip(stages[-several:], targets[-several:], strict=True)
        unlike = torch.stack([1 - _cka(mine, other) for mine, other in pairs]).sum()
        loss = BETA * unlike + (1 - BETA) * functional.cross_entropy(logits, pair.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return -float(loss.detach())


def _stages(model: nn.Module, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """The last layer's output at each of the last three resolutions, and the logits."""
    found: dict[tuple[int, ...], Tensor] = {}

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            found[tuple(output.shape[2:])] = output

    with ExitStack() as listening:
        for layer in choose_layers(model, "auto"):
            listening.callback(layer.module.register_forward_hook(keep).remove)
        outputs = model(images)
    if not found:
        raise RSAError("a network has no layer that returns maps (n, C, H, W)")
    return list(found.values())[-_STAGES:], outputs[0] if isinstance(outputs, tuple) else outputs


def _cka(x: Tensor, y: Tensor) -> Tensor:
    """Linear and biased, with gradients."""
    centred = [rows.flatten(1) - rows.flatten(1).mean(dim=0) for rows in (x, y)]
    first, second = (rows @ rows.T for rows in centred)
    similarity: Tensor = (first * second).sum() / (first.norm() * second.norm())
    return similarity


RULES: Mapping[str, Callable[[Pair], float]] = MappingProxyType(
    {
        "rmi-nas": _rmi,
        "diswot": lambda pair: _semantic(pair) + _relation(pair),
        "diswot semantic": _semantic,
        "diswot relation": _relation,
    }
)
