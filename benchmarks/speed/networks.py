"""The cost of a network's similarity on top of its forward passes, and the memory that its RDMs take."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import pairwise

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from ...plugins.evaluation.evaluator import Evaluator
from ...plugins.spaces import get_space
from ...plugins.training import make_data
from ...rsa import Guidance, Stimuli, Teacher, compute_rdm, extract, layer_rdms
from ...rsa.networks.memory import memory_kept
from .environment import peak_memory
from .timing import Result, faster, on_top

BLOCKS = "layer?.?"  # the eight blocks of a ResNet-18
FEATURES = 8192
Memory = Callable[[], AbstractContextManager[None]]
_BATCH = 32


def passes(quick: bool) -> Iterator[Result]:
    """Forward passes, and training, with the memory of earlier batches, against the same with new memory for each."""

    def row(case: str, function: Callable[..., None], *arguments: object) -> Result:
        ours, theirs = partial(function, *arguments), partial(function, *arguments, memory=nullcontext)
        return faster("passes", case, ours, theirs, None, "new memory")

    images = _images(*((16, 64) if quick else (128, 224)))
    yield row(f"resnet18, {len(images)} images of {images.shape[-1]} px, by 16", _passes, _resnet18(), images, 16)
    space = get_space("macro")
    network = space.build({dimension.name: "mb5x5e6" for dimension in space.dimensions}, width=0.5)
    network.to(memory_format=torch.channels_last)
    images = _images(16 if quick else 2000, 32).contiguous(memory_format=torch.channels_last)
    yield row(f"NAS-Bench-Macro, evaluation, {len(images)} images by 500", _passes, network, images, 500)
    batch = images[:128]
    yield row(f"NAS-Bench-Macro, training, 8 batches of {len(batch)}", _learn, network, batch)


def hooks(quick: bool) -> Iterator[Result]:
    """Hooks on eight blocks that keep 8192 features of each, against the same forward passes alone."""
    n, size = (32, 64) if quick else (64, 224)
    for dtype, layout, most in ((torch.float32, torch.contiguous_format, 3), (torch.bfloat16, torch.channels_last, 8)):
        model = _resnet18().to(dtype=dtype, memory_format=layout)  # type: ignore[call-overload]
        images = _images(n, size).to(dtype)
        case = f"resnet18, {n} images of {size} px, {str(dtype)[6:]}, {str(layout)[6:]}"
        ours = partial(extract, model, images, BLOCKS, n_features=FEATURES, batch_size=_BATCH)
        yield on_top("hooks", case, ours, partial(_passes, model, images), most, "forward passes")


def tg(quick: bool) -> Iterator[Result]:
    """TG with three targets, from hooks to comparison, on top of the forward passes that accuracy needs."""
    cases = (
        ("resnet18", _resnet18(), 200, 160, "category_name", 5),
        ("resnet18", _resnet18(), 1000, 160, "stimulus", 10),
        ("4-layer CNN", _small_network(), 1000, 32, "stimulus", None),
    )
    for name, model, n, size, by, most in cases:
        n, size = (64, min(size, 64)) if quick else (n, size)
        images = _images(n, size)
        stimuli = Stimuli(images, {"category_name": [f"c{i % 10}" for i in range(n)]})
        guidance = Guidance(_teacher(stimuli, by), stimuli, n_features=FEATURES, batchnorm="running", batch_size=_BATCH)
        case = f"{name}, {n} images of {size} px, {'by stimulus' if by == 'stimulus' else 'by category'}"
        ours, theirs = partial(guidance, model), partial(_passes, model, images)
        yield on_top("tg", case, ours, theirs, most, "forward passes")
    yield from _evaluator(quick)


def _evaluator(quick: bool) -> Iterator[Result]:
    """TG by category on top of P, which needs forward passes over the validation images at 32 pixels."""
    n = 500 if quick else 5000
    pixels = torch.randint(0, 256, (n + 10, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    classes = [f"c{i}" for i in range(10)]
    data = make_data(
        "noise", pixels, [i % 10 for i in range(n + 10)], classes, test=np.zeros(n + 10, bool), validation=n
    )
    guided = Evaluator(data, teacher=_teacher(data.stimuli("valid"), "category_name", "noise/valid"))
    alone = Evaluator(data)
    space = get_space("nasbench201")
    cell = {dimension.name: "conv3x3" for dimension in space.dimensions}
    for name, model in (("resnet18", _resnet18()), ("nasbench201 cells", space.build(cell))):
        case = f"{name}, evaluator, {n} images of 32 px, by category"
        yield on_top("tg", case, partial(guided, model), partial(alone, model), 10, "P alone")


def memory(quick: bool) -> Iterator[Result]:
    """Peak resident memory of a separate process that makes the RDMs of eight blocks by stimulus."""
    n, size = (360, 64) if quick else (5760, 128)
    code = f"from {__name__} import peak; peak({n}, {size})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    gigabytes = json.loads(done.stdout) / 1e9
    yield Result("memory", f"layer_rdms, resnet18, 8 blocks, {n} images of {size} px", gigabytes, "GB", 2)


def peak(n: int, size: int) -> None:
    """Print the peak memory of this process, in bytes, for the RDMs of `n` images that are generated one at a time."""
    rdms = layer_rdms(_resnet18(), Stimuli(_Noise(n, size)), BLOCKS, n_features=FEATURES)
    assert len(rdms) == 8  # noqa: S101
    print(json.dumps(peak_memory()))


class _Noise:
    def __init__(self, n: int, size: int) -> None:
        self.n, self.size = n, size

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Tensor:
        return torch.rand(3, self.size, self.size, generator=torch.Generator().manual_seed(index))


def _images(n: int, size: int) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def _passes(model: nn.Module, images: Tensor, size: int = _BATCH, *, memory: Memory = memory_kept) -> None:
    with torch.no_grad(), memory():
        for start in range(0, len(images), size):
            model(images[start : start + size])


def _learn(model: nn.Module, images: Tensor, *, memory: Memory = memory_kept) -> None:
    """Eight steps of training, without the weights' update."""
    with memory():
        for _ in range(8):
            model.zero_grad()
            model(images).square().mean().backward()


def _resnet18() -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.resnet18(weights=None)
    return model.eval()


def _small_network() -> nn.Module:
    torch.manual_seed(0)
    widths = (3, 32, 32, 64, 64)
    convolutions = (nn.Conv2d(i, o, 3, padding=1) for i, o in pairwise(widths))
    return nn.Sequential(*(nn.Sequential(convolution, nn.ReLU()) for convolution in convolutions)).eval()


def _teacher(stimuli: Stimuli, by: str, reference: str = "") -> Teacher:
    labels = list(dict.fromkeys(stimuli.column(by)))
    rng = np.random.default_rng(0)
    rdms = {t: compute_rdm(rng.normal(size=(len(labels), 50)), labels=labels, by=by) for t in ("V4", "pIT", "aIT")}
    return Teacher.from_rdms("random", rdms, stimuli=reference)
