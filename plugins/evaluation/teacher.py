"""A network as teacher, trained on the spot and kept in the cache, for whoever has no teacher file yet."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...neural_data.simulation.cache import cache_folder
from ...rsa import RSAError, Teacher
from ...rsa.io.storage import make_folder
from ..training.data import Data
from ..training.models import make_network
from ..training.performance import evaluate_network
from ..training.placement import Choice
from ..training.recipes import Recipe
from ..training.teachers import network_teacher
from ..training.trainer import train

if TYPE_CHECKING:
    from ..searching.tracker import Tracker

NETWORKS = ("resnet:", "nasnet-a", "pnasnet-5", "amoebanet-a", "torchvision:")


def is_network(name: str) -> bool:
    """Whether a teacher of this name is a network to be trained, and neither a file nor a recording."""
    return name.startswith(NETWORKS) and not Path(name).exists()


def teacher_settings(network: str, data: Data, recipe: Recipe, *, by: str, seed: int = 0) -> dict[str, Any]:
    """All that decides a teacher that is trained here, but for the machine: no two train bit-equal networks."""
    return {"network": network, **data.describe(), "recipe": recipe.to_dict(), "by": by, "seed": seed, "layers": "auto"}


def study_teacher(
    tracker: "Tracker", network: str, data: Data, recipe: Recipe, *, by: str = "category_name", **settings: Any
) -> Teacher:
    """`trained_teacher`, once for a study: all who work at it have the one that its database keeps, bit by bit."""
    about = teacher_settings(network, data, recipe, by=by)
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "teacher.h5"

        def make() -> bytes:
            trained_teacher(network, data, recipe, by=by, **settings).save(file)
            return file.read_bytes()

        file.write_bytes(tracker.kept(key, make))
        return Teacher.load(file)


def trained_teacher(
    network: str,
    data: Data,
    recipe: Recipe,
    *,
    by: str = "category_name",
    seed: int = 0,
    device: str | None = None,
    amp: Choice = "auto",
    channels_last: Choice = "auto",
    cache: str | Path | None = None,
    progress: Callable[[int], object] | None = None,
) -> Teacher:
    """The layers of a network trained by the whole recipe, over the validation images (see `network_teacher`).

    network: as in `make_network`. It lies in the cache folder under all that decides it, so it is trained once;
    an interrupted training goes on from its last epoch. Raises RSAError when the training fails.
    """
    settings = teacher_settings(network, data, recipe, by=by, seed=seed)
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    file = cache_folder(cache) / "teachers" / f"{network.replace(':', '-')}-{data.name.partition(':')[0]}-{key}.h5"
    if file.exists():
        return Teacher.load(file)
    make_folder(file.parent)
    checkpoint = file.with_suffix(".pt")
    model = make_network(network, shape=data.shape, n_classes=data.n_classes, seed=seed)
    done = train(
        model, data, recipe, seed=seed, device=device, amp=amp, channels_last=channels_last, checkpoint=checkpoint,
        resume=checkpoint if checkpoint.exists() else None, progress=progress,
    )  # fmt: skip
    if done.failed:
        raise RSAError(f"the teacher {network} cannot be trained: {done.reason}")
    found = evaluate_network(model, data, "valid", batchnorm="running", device=device, amp=amp)
    made = network_teacher(
        network, model, data, by=by, seed=seed, device=device,
        attrs={"recipe": recipe.name, "accuracy": found.accuracy},
    )  # fmt: skip
    made.save(file)
    return made
