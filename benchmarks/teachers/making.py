"""Teachers for the very stimuli that a pool was shown: networks over its data, recordings over their own images."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...neural_data import load_teacher
from ...plugins.training import load_data, load_network, make_network
from ...plugins.training.performance import evaluating
from ...plugins.training.placement import place
from ...rsa import RSAError, Teacher, load_model
from ...rsa.errors import listing
from ..pool.pool import Pool, View

if TYPE_CHECKING:
    from torch import nn

    from ...plugins.training import Data
    from ...rsa.networks.models import Preprocess

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
    """Name -> what makes that teacher when it is called; a name is also its file's.

    networks: checkpoint files of networks trained on the pool's data. models: see `load_model`. untrained: a network as
    `make_network` takes it. layers: targets of these two; a model's are "auto". Each of them for every view of the
    data's validation images, and a recording for its view.
    Raises RSAError for a data set or a checkpoint that is not there, and for networks of the same name.
    """
    stems = [path.stem for path in networks]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise RSAError(f"networks are named by their files, and {listing(twice)} occurs twice")
    name = str(pool.settings.get("data", ""))
    data = load_data(name, data_dir=data_dir) if name else None
    found: dict[str, Make] = {}
    for view in pool.views.values():
        if data is None or view.reference != f"{data.name}/valid":
            found[_file_name(view.reference, view)] = lambda view=view: _of_recording(view, data_dir)  # type: ignore[misc]
            continue
        for path in networks:
            model = load_network(path)
            found[_file_name(path.stem, view)] = lambda path=path, model=model, view=view: _of_network(  # type: ignore[misc]
                path.stem, model, view, data, layers, "running"
            )
        if untrained:
            title = f"untrained {untrained}"
            found[_file_name(title, view)] = lambda title=title, view=view: _of_network(  # type: ignore[misc]
                title, make_network(untrained, shape=data.shape, n_classes=data.n_classes), view, data, layers, "batch"
            )
        for title in models:
            found[_file_name(title, view)] = lambda title=title, view=view: _of_model(title, view, data)  # type: ignore[misc]
    return found


def _of_network(
    title: str, model: "nn.Module", view: View, data: "Data", layers: Sequence[str], batchnorm: str
) -> Teacher:
    where = place(data.shape, amp=False)
    with evaluating(model, data, where, batchnorm):
        return _over(title, model, data.preprocess, view, data, layers, where.device.type)


def _of_model(title: str, view: View, data: "Data") -> Teacher:
    model, preprocess = load_model(title)
    return _over(title, model, preprocess, view, data, ["auto"])


def _over(
    title: str,
    model: "nn.Module",
    preprocess: "Preprocess",
    view: View,
    data: "Data",
    layers: Sequence[str],
    device: str | None = None,
) -> Teacher:
    shown = data.stimuli("valid").select("stimulus", view.stimulus_ids)
    made = Teacher.from_network(
        f"{title}, {_kind(view)}", model, shown, list(layers), by=view.by, preprocess=preprocess, n_features=N_FEATURES,
        batch_size=100, device=device,
    )  # fmt: skip
    return replace(made, attrs={**made.attrs, "source": f"{title} on {data.name}"})


def _of_recording(view: View, data_dir: Path | None) -> Teacher:
    """Its regions; responses are z-scored over stimuli, so that no neuroid counts for its rate alone."""
    made = load_teacher(view.reference, by=view.by, scale="zscore", splits=0, data_dir=data_dir)
    return replace(made, name=f"{view.reference}, {_kind(view)}")


def _kind(view: View) -> str:
    return f"by {view.by.removesuffix('_name')}"


def _file_name(title: str, view: View) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{title}-{_kind(view)}")
