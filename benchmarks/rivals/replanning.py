"""The plan of a pool, made again from its settings: to train more networks as its members were, on any machine."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...rsa import RSAError
from ...rsa.errors import listing
from ..pool.making import Maker
from ..pool.plans import plan_pool

_SHOWN = re.compile(r"\d+ conditions by (.+), \d+ images of (.+)")
_OPEN = ("checkpoints", "views", "stimuli", "seed", "command")  # of the settings: what may differ


def replanned(
    settings: Mapping[str, Any],
    space: str,
    folder: Path,
    source: Path,
    *,
    views: Collection[str] | None = None,
    checkpoints: Sequence[int] | None = None,
    data_dir: Path | None = None,
) -> Maker:
    """Plan a pool with the settings of another.

    Parameters
    ----------
    settings : mapping
        Of a pool that was planned by `plan_pool`.
    space : str
    folder : Path
        As for `plan_pool`.
    source : Path
        Where the settings come from, for messages.
    views : collection of str, optional
        Names of the views to show; all of the pool's by default.
    checkpoints : sequence of int, optional
        The pool's by default.
    data_dir : Path, optional

    Returns
    -------
    Maker

    Raises
    ------
    RSAError
        Where images or settings of today differ from those of the pool, and as `plan_pool`.
    """
    try:
        shown = {name: _SHOWN.fullmatch(text) for name, text in settings["views"].items()}
        own, digests = f"{settings['data']}/valid", dict(settings["stimuli"])
        if odd := [name for name, found in shown.items() if found is None]:
            raise RSAError(f"{source} describes the view {odd[0]} in words that cannot be read")
        recordings = {name: found[1] for name, found in shown.items() if found and found[2] != own}
        recordings = {name: by for name, by in recordings.items() if views is None or name in views}
        images = {"data": str(settings["data"]), "train": int(settings["train"]), "valid": int(settings["valid"])}
        how: dict[str, Any] = {"recipe": str(settings["recipe"]["name"]), "epochs": settings["epochs"], **images}
        looks = tuple(settings["checkpoints"]) if checkpoints is None else tuple(checkpoints)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RSAError(f"{source} does not state how its pool was made: {error}") from error
    maker = plan_pool(folder, space=space, checkpoints=looks, recordings=recordings, data_dir=data_dir, **how)
    mine = json.loads(json.dumps(maker.describe()))
    wrong = [key for key in mine if key not in _OPEN and key in settings and settings[key] != mine[key]]
    wrong += [name for name, digest in mine["stimuli"].items() if digests.get(name) != digest]
    if wrong:
        raise RSAError(f"{source} was made with other images or settings: {listing(wrong, 9)}")
    return maker
