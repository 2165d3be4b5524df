"""Free predictors: what an untrained network and one batch of images tell about its mature performance.

Abdelfattah et al. 2021, Zero-cost proxies for lightweight NAS, ICLR: synflow, grad_norm and snip as scores of networks.
Lee et al. 2019, SNIP: single-shot network pruning based on connection sensitivity, ICLR.
Mellor et al. 2020, Neural architecture search without training, arXiv:2006.04647v1: jacob_cov; 2021, ICML: NASWOT.
Tanaka et al. 2020, Pruning neural networks without any data by iteratively conserving synaptic flow, NeurIPS.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.func import functional_call
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.utils._python_dispatch import TorchDispatchMode

from ...rsa import RSAError
from ...rsa.errors import near, reason
from ...rsa.networks.batchnorm import evaluation_mode, normalising
from ..networks.recurrent import RecurrentNetwork
from ..training.data import Data
from ..training.models import count_parameters

_RELUS = (torch.ops.aten.relu.default, torch.ops.aten.relu_.default)
_RELU6S = (torch.ops.aten.hardtanh.default, torch.ops.aten.hardtanh_.default)
BATCH = 64  # images, as published
_DAMPING = 1e-5  # of jacob_cov's eigenvalues, as published


@dataclass(frozen=True)
class Size:
    """The size of a network: trainable parameters without auxiliary heads, and multiply-adds of one image."""

    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Predictor:
    """A number, higher for what should become better, and where it is defined."""

    compute: "Callable[[Untrained], float]"
    source: str


class Predicted(dict[str, float]):
    """Predictor -> its value, and `unusable`: predictor -> why it has none (its value is NaN)."""

    def __init__(self) -> None:
        super().__init__()
        self.unusable: dict[str, str] = {}


def free_predictors(model: nn.Module, images: Tensor, labels: Tensor, names: Sequence[str] | None = None) -> Predicted:
    """Compute predictors of mature performance that need no training.

    The network runs in evaluation mode, but with batch normalisation by the statistics of the batch. It is left as it
    was: weights, gradients, averages, mode, hooks, and torch's generator.

    Parameters
    ----------
    model : torch.nn.Module
        Untrained network, (n, C, H, W) -> (n, n_classes).
    images, labels : Tensor
        One batch, (n, C, H, W) normalised and (n,) class numbers, on the model's device.
    names : sequence of str, optional
        Keys of `PREDICTORS`; all of them by default.

    Returns
    -------
    dict
        Name -> value. Where a definition gives no number, as NASWOT does for a network without ReLU, the value is NaN
        and the dict's attribute `unusable` says why.

    Raises
    ------
    RSAError
        For an unknown name, and unless there are two images or more with a label each.

    Examples
    --------
    >>> import torch
    >>> from tgsage.plugins import free_predictors
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
    >>> found = free_predictors(model, torch.ones(4, 3, 2, 2), torch.tensor([0, 1, 0, 1]), ["parameters", "naswot"])
    >>> found
    {'parameters': 26.0, 'naswot': nan}
    >>> found.unusable
    {'naswot': 'the network has no ReLU'}
    """
    chosen = choose_predictors(names)
    check_batch(images, labels)
    look = Untrained(model, images, labels)
    cuda = [images.device] if images.is_cuda else []
    with normalising(model, "batch"), torch.enable_grad(), torch.random.fork_rng(devices=cuda):
        return computed({name: partial(PREDICTORS[name].compute, look) for name in chosen})


def computed(wanted: Mapping[str, Callable[[], float]]) -> Predicted:
    """Compute them; one that fails, or is not finite, is NaN and has a reason."""
    found = Predicted()
    for name, compute in wanted.items():
        try:
            value, why = float(compute()), "it overflows"
        except Exception as error:  # a network is anybody's code
            value, why = math.nan, reason(error)
        found[name] = value if math.isfinite(value) else math.nan
        if not math.isfinite(value):
            found.unusable[name] = why
    return found


def check_batch(images: Tensor, labels: Tensor) -> None:
    """Raise RSAError unless these are two images or more with a label each."""
    if images.ndim != 4 or len(images) < 2 or labels.shape != images.shape[:1]:
        given = f"{tuple(images.shape)} and {tuple(labels.shape)}"
        raise RSAError(f"free predictors need images (n, C, H, W) and labels (n,), two or more, got {given}")


def first_batch(data: Data, n: int = BATCH) -> tuple[Tensor, Tensor]:
    """The first training images, which are in random order, as inputs of networks, and their labels."""
    if data.unit != "images":
        raise RSAError(f"free predictors are of networks for images, and {data.name} is text")
    chosen = torch.arange(min(n, len(data.train)))
    return data.normalise(data.train.batch(chosen)), data.train.labels[chosen]


def choose_predictors(names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return these names, or those of all predictors. Raises RSAError for an unknown one."""
    for name in names or ():
        if name not in PREDICTORS:
            raise RSAError(f"unknown predictor {name!r}{near(name, tuple(PREDICTORS))}")
    return tuple(names or PREDICTORS)


def size_of(model: nn.Module, input_shape: tuple[int, int, int] = (3, 32, 32)) -> Size:
    """Count trainable parameters, and multiply-adds of convolutions and linear layers (without biases and BN).

    Auxiliary heads are left out. The network's mode and torch's generator are left as they were.

    Parameters
    ----------
    model : torch.nn.Module
    input_shape : tuple of int
        (C, H, W) of an image.

    Returns
    -------
    Size

    Examples
    --------
    >>> import torch
    >>> from tgsage.plugins import size_of
    >>> size_of(torch.nn.Conv2d(3, 8, 3, padding=1, bias=False))
    Size(parameters=216, multiply_adds=221184)
    """
    where = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with torch.random.fork_rng(devices=()):
        return Size(count_parameters(model), _multiply_adds(model, torch.zeros(1, *input_shape, device=where)))


def _multiply_adds(model: nn.Module, images: Tensor) -> int:
    """Of all these images."""
    if isinstance(model, RecurrentNetwork):
        return model.multiply_adds(images.numel())
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight: Any = module.weight
        total += weight[0].numel() * (inputs[0] if getattr(module, "transposed", False) else output).numel()

    with ExitStack() as listening, evaluation_mode(model), torch.no_grad():
        for module in model.modules():
            if isinstance(module, _ConvNd | nn.Linear):
                listening.callback(module.register_forward_hook(count).remove)
        model(images)
    return total


@dataclass(frozen=True)
class Untrained:
    """A network and a batch; what several predictors need of them is computed once."""

    model: nn.Module
    images: Tensor
    labels: Tensor

    @cached_property
    def passed(self) -> "_Pass":
        """The batch's forward pass."""
        shown = self.images.detach().clone().requires_grad_()
        with _Agreement(len(shown)) as agreement:
            logits, weights = differentiable(self.model, shown.clone())  # a clone, since a layer may work in place
        return _Pass(shown, logits, weights, agreement)

    @cached_property
    def loss_gradients(self) -> list[tuple[Tensor, Tensor]]:
        """Weights of convolutions and linear layers, each with the gradient of the loss."""
        return _gradients(functional.cross_entropy(self.passed.logits, self.labels), self.passed.weights)


@dataclass(frozen=True)
class _Pass:
    images: Tensor
    logits: Tensor
    weights: list[Tensor]
    relus: "_Agreement"


def _multiply_adds_per_image(look: Untrained) -> float:
    return _multiply_adds(look.model, look.images[:2]) / 2  # a batch of one has no statistics


def _depth(look: Untrained) -> float:
    """Layers with weights on the longest path from the image to the logits, along the graph of gradients."""
    last = differentiable(look.model, look.images[:2])[0].grad_fn
    longest: dict[Node, int] = {}
    waiting = [] if last is None else [last]
    while waiting:
        before = [parent for parent, _ in waiting[-1].next_functions if parent is not None]
        unknown = [parent for parent in before if parent not in longest]
        waiting.extend(unknown)
        if not unknown:
            deepest = max((longest[one] for one in before), default=0)
            longest[waiting.pop()] = deepest + any(map(_is_weight, before))
    return 0 if last is None else longest[last]


def _is_weight(node: Node) -> bool:
    """Whether it stands for a parameter of two or more dimensions, also one that a linear layer transposes."""
    if node.name() == "TBackward0" and node.next_functions[0][0] is not None:
        node = node.next_functions[0][0]
    variable = getattr(node, "variable", None)
    return variable is not None and variable.ndim > 1


class _Agreement(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts, for every pair of images, the ReLUs that are on for both or off for both."""

    def __init__(self, n: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts = torch.zeros(n, n, dtype=torch.float64)
        self.heard = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in _RELUS or (func in _RELU6S and args[1:2] == (0,)):
            signs = 2 * (output.flatten(1) > 0).float() - 1
            self.counts += ((signs @ signs.T + signs.shape[1]) / 2).cpu()
            self.heard = True
        return output


def _naswot(look: Untrained) -> float:
    """log |det K|, K_ij = number of ReLUs that agree on images i and j."""
    agreement = look.passed.relus
    if not agreement.heard:
        raise RSAError("the network has no ReLU")
    units = agreement.counts[0, 0]
    if bool((agreement.counts.triu(1) == units).any()):
        raise RSAError("its ReLUs do not tell all images apart")
    return float(torch.linalg.slogdet(agreement.counts).logabsdet)


def _synflow(look: Untrained) -> float:
    """log(1 + sum over weights of |w dR/dw|), R the sum of logits of an image of ones through |weights|, without BN.

    The logarithm keeps the order, and the range of floats.
    """
    buffers = {name: b.double() if b.is_floating_point() else b for name, b in look.model.named_buffers()}
    shown = torch.ones_like(look.images[:1], dtype=torch.float64)
    with _without_norms(look.model):
        logits, weights = differentiable(look.model, shown, lambda weight: weight.double().abs(), buffers)
    return math.log1p(sum(float((weight * g).abs().sum()) for weight, g in _gradients(logits.sum(), weights)))


def _jacob_cov(look: Untrained) -> float:
    """-sum(log(v + k) + 1 / (v + k)), v the eigenvalues of the correlations between images' input gradients."""
    seen = look.passed
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        seen.logits.sum(), seen.images, retain_graph=True, allow_unused=True
    )
    if (jacobian := found[0]) is None:
        raise RSAError("no image reaches the logits")
    correlations = torch.corrcoef(jacobian.flatten(1).double().cpu())
    if not bool(correlations.isfinite().all()):
        raise RSAError("the gradient of an image is constant or not finite")
    values = torch.linalg.eigvalsh(correlations) + _DAMPING
    return -float((values.log() + 1 / values).sum())


def _grad_norm(look: Untrained) -> float:
    """Sum over weight tensors of the norm of the loss's gradient."""
    return sum(float(gradient.norm()) for _, gradient in look.loss_gradients)


def _snip(look: Untrained) -> float:
    """Sum over weights of |w dL/dw|."""
    return sum(float((weight * gradient).abs().sum()) for weight, gradient in look.loss_gradients)


def differentiable(
    model: nn.Module,
    images: Tensor,
    change: Callable[[Tensor], Tensor] = lambda weight: weight,
    buffers: Mapping[str, Tensor] = MappingProxyType({}),
) -> tuple[Tensor, list[Tensor]]:
    """Logits with changed parameters, frozen ones too, and the weights of convolutions and linear layers behind them.

    No gradient reaches the model's own parameters.
    """
    parameters = {name: change(p.detach()).requires_grad_() for name, p in model.named_parameters()}
    outputs = functional_call(model, {**parameters, **buffers}, (images,))
    layers = (name for name, module in model.named_modules() if isinstance(module, _ConvNd | nn.Linear))
    names = (f"{name}.weight".lstrip(".") for name in layers)
    return outputs[0] if isinstance(outputs, tuple) else outputs, [parameters[n] for n in names if n in parameters]


def _gradients(total: Tensor, weights: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    if not weights or not total.requires_grad:
        raise RSAError("no weight of it reaches the logits")
    gradients = torch.autograd.grad(total, weights, retain_graph=True, allow_unused=True)
    return [(weight.detach(), g) for weight, g in zip(weights, gradients, strict=True) if g is not None]


@contextmanager
def _without_norms(model: nn.Module) -> Iterator[None]:
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    try:
        for module in norms:
            module.forward = nn.Identity().forward  # type: ignore[method-assign]
        yield
    finally:
        for module in norms:
            del module.forward


PREDICTORS: Mapping[str, Predictor] = MappingProxyType(
    {
        "parameters": Predictor(lambda look: count_parameters(look.model), "trainable ones"),
        "multiply-adds": Predictor(_multiply_adds_per_image, "of weights, per image"),
        "depth": Predictor(_depth, "weights on the longest path"),
        "naswot": Predictor(_naswot, "Mellor et al. 2021"),
        "synflow": Predictor(_synflow, "Tanaka et al. 2020"),
        "jacob_cov": Predictor(_jacob_cov, "Mellor et al. 2020"),
        "grad_norm": Predictor(_grad_norm, "Abdelfattah et al. 2021"),
        "snip": Predictor(_snip, "Lee et al. 2019"),
    }
)
