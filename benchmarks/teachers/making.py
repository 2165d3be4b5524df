"""Teachers for the very stimuli that a pool was shown: networks over its data, recordings over their own images."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...neural_data import load_teacher
from ...neural_data.teacher import publishes_rdms
from ...plugins.training import load_data, load_network, make_network
from ...plugins.training.performance import evaluating
from ...plugins.training.placement import place
from ...rsa import RSAError, Teacher, load_model
from ...rsa.errors import listing
from ..pool.pool import Pool, View

if TYPE_CHECKING:
    from torch import nn

    from ...plugins.training import Data

MODELS = ("efficientnet_lite0", "efficientnet_lite1")
N_FEATURES = 8192
Make = Callable[[], Teacher]


def makers(
    pool: Pool,
    *,
    networks: Sequence[Path] = (),
    models: Sequence[str] = MODELS,
    untrained: str = "resnet:3",
    layers: Sequence[str] = ("auto",),
    data_dir: Path | None = None,
) -> dict[str, Make]:
    """Name -> what makes that teacher when it is called; the name also becomes its file's.

    networks: checkpoint files of networks trained on the pool's data. models: see `load_model`. untrained: a network as
    `make_network` takes it. layers: targets of these two; a model's are "auto". Every network and model becomes a
    teacher for each view of the data's validation images, and a recording one for its own view.

    Raises RSAError for a data set or a checkpoint that is missing, and for networks of the same name.
    """
    stems = [path.stem for path in networks]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise RSAError(f"networks are named by their files, and {listing(twice)} occurs twice")
    name = str(pool.settings.get("data", ""))
    data = load_data(name, data_dir=data_dir) if name else None
    given = []
    if data is not None:
        given = [(path.stem, load_network(path), "running") for path in networks]
        if untrained:
            control = make_network(untrained, shape=data.shape, n_classes=data.n_classes)
            given.append((f"untrained {untrained}", control, "batch"))
    found: dict[str, Make] = {}
    for view in pool.views.values():
        if data is None or view.reference != f"{data.name}/valid":
            found[_file_name(view.reference, view)] = partial(of_recording, view, data_dir)
            continue
        for title, model, norm in given:
            found[_file_name(title, view)] = partial(_of_network, title, model, norm, view, data, list(layers))
        found |= {_file_name(title, view): partial(_of_model, title, view, data) for title in models}
    return found


def _of_network(title: str, model: "nn.Module", batchnorm: str, view: View, data: "Data", layers: list[str]) -> Teacher:
    where = place(data.shape, amp=False)
    with evaluating(model, data, where, batchnorm):
        return _over(title, model, view, data, layers, preprocess=data.preprocess, device=where.device.type)


def of_model(title: str, pool: Pool, data_dir: Path | None = None, *, loaders: int = 1) -> list[Teacher]:
    """A model (see `load_model`) over each view of the validation images that the pool was shown."""
    name = str(pool.settings.get("data", ""))
    if not name:
        raise RSAError(f"{title} is a model, and this pool does not say which data it was shown")
    data = load_data(name, data_dir=data_dir)
    views = [view for view in pool.views.values() if view.reference == f"{data.name}/valid"]
    if not views:
        raise RSAError(f"{title} is a model, and this pool was not shown the validation images of {data.name}")
    return [_of_model(title, view, data, loaders) for view in views]


def _of_model(title: str, view: View, data: "Data", loaders: int = 1) -> Teacher:
    model, preprocess = load_model(title)
    return _over(title, model, view, data, ["auto"], preprocess=preprocess, loaders=loaders)


def _over(title: str, model: "nn.Module", view: View, data: "Data", layers: list[str], **how: Any) -> Teacher:
    shown = data.stimuli("valid").select("stimulus", view.stimulus_ids)
    how |= {"n_features": N_FEATURES, "batch_size": 100}
    made = Teacher.from_network(f"{title}, {_kind(view)}", model, shown, layers, by=view.by, **how)
    return replace(made, attrs={**made.attrs, "source": f"{title} on {data.name}"})


def of_recording(view: View, data_dir: Path | None) -> Teacher:
    """A recording's regions; responses are z-scored over stimuli, so that no neuroid counts for its rate alone."""
    how: dict[str, Any] = {} if publishes_rdms(view.reference) else {"scale": "zscore"}
    made = load_teacher(view.reference, by=view.by, splits=0, data_dir=data_dir, **how)
    return replace(made, name=f"{view.reference}, {_kind(view)}")


def _kind(view: View) -> str:
    return f"by {view.by.removesuffix('_name')}"


def _file_name(title: str, view: View) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{title}-{_kind(view)}")
