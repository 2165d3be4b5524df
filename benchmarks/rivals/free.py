"""Free predictors of a pool's members, computed once and kept in a file beside the pool."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...plugins.evaluation.predictors import BATCH, PREDICTORS, first_batch, free_predictors
from ...plugins.spaces import Architecture, get_space
from ...plugins.training import load_data, make_network
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ..report import reading_results

KIND, FILE = "free predictors of a pool", "free.json"
Free = dict[str, dict[str, float | None]]


def free_of(
    settings: Mapping[str, Any],
    space: str,
    architectures: Sequence[Architecture],
    file: Path,
    *,
    data_dir: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> tuple[Free, dict[str, Any]]:
    """Return key of an architecture -> its predictors, and how they were made; None where one has no value.

    Networks have the size of the pool's and the weights of seed 0. What the file holds is not computed again; it is
    rewritten after every network.

    Parameters
    ----------
    settings : mapping
        Of the pool.
    space : str
    architectures : sequence of mapping
        Canonical.
    file : Path
        JSON; need not exist.
    data_dir : Path, optional
    progress : callable
        Called with 1 after each architecture.

    Returns
    -------
    tuple of dict and dict

    Raises
    ------
    RSAError
        For a file that is something else, or was made otherwise.
    """
    build = dict(settings.get("build", {}))
    about = {"space": space, "data": settings.get("data", ""), "build": build, "images": BATCH, "seed": 0}
    found = _kept(file, about)
    where, data = get_space(space), None
    for architecture in architectures:
        key = where.key(where.canonical(architecture))
        if set(found.get(key, ())) != set(PREDICTORS):
            data = data or load_data(str(about["data"]), data_dir=data_dir)
            described = {"space": space, "architecture": dict(architecture), "settings": build}
            model = make_network(described, shape=data.shape, n_classes=data.n_classes, seed=0)
            values = free_predictors(model, *first_batch(data))
            found[key] = {name: value if value == value else None for name, value in values.items()}
            write_json(file, {"kind": KIND, "about": about, "predictors": found})
        progress(1)
    return found, about


def _kept(file: Path, about: Mapping[str, Any]) -> Free:
    if not file.exists():
        return {}
    with reading_results(file, KIND, "free predictors") as kept:
        if kept["about"] != json.loads(json.dumps(about)):
            raise RSAError(f"{file} was made otherwise ({kept['about']}); delete it or move it away")
        found: Free = {str(key): dict(values) for key, values in kept["predictors"].items()}
        return found
