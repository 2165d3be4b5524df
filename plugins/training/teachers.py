"""Networks as teachers, over images of a data set that anybody can find again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from ...rsa import Teacher
from .performance import evaluating
from .placement import place

if TYPE_CHECKING:
    from ...rsa.types import Attr
    from .data import Data

LIMIT = 1000  # stimuli, where RDMs are by stimulus: their cost grows with the square


def network_teacher(
    name: str,
    model: nn.Module,
    data: "Data",
    part: str = "valid",
    *,
    layers: str | list[str] = "auto",
    by: str = "category_name",
    limit: int | None = None,
    metric: str = "correlation",
    n_features: int | None = 8192,
    batchnorm: str = "running",
    seed: int = 0,
    device: str | None = None,
    attrs: "Mapping[str, Attr] | None" = None,
) -> Teacher:
    """The RDMs of a network's layers over images of a part; by category over all of them, as in the paper's searches.

    limit: at most this many images, drawn by `seed`; by stimulus 1,000 unless another number is given. batchnorm: see
    `normalising`. The teacher's reference ("cifar100/valid"), stimulus ids and checksum find the images again:
    `Guidance(teacher, load_stimuli(teacher.stimuli), preprocess=data.preprocess)`.

    Raises RSAError as `Teacher.from_network` does.
    """
    stimuli = data.stimuli(part, limit=LIMIT if limit is None and by == "stimulus" else limit, seed=seed)
    where = place(data.shape, device, amp=False)
    with evaluating(model, data, where, batchnorm):
        made = Teacher.from_network(
            name, model, stimuli, layers, by=by, preprocess=data.preprocess, metric=metric, n_features=n_features,
            seed=seed, batch_size=250, device=where.device,
        )  # fmt: skip
    return replace(made, attrs={**made.attrs, "source": f"{name} on {data.name}", **(attrs or {})})
