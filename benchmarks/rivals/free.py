"""What is told of a pool's untrained members, computed once and kept beside the pool: free predictors, and rival rules.

Rival rules need one batch and a teacher: a trained network for RMI-NAS, the same with random weights for DisWOT.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ...plugins.evaluation.predictors import BATCH, PREDICTORS, first_batch, free_predictors
from ...plugins.evaluation.teacher_rules import RULES as RIVALS
from ...plugins.evaluation.teacher_rules import STEPS, teacher_rules
from ...plugins.spaces import Architecture, get_space
from ...plugins.training import Data, load_data, load_network, make_network
from ...plugins.training.checkpoints import Checkpoint
from ...plugins.training.models import rebuild
from ...plugins.training.placement import Placement, place
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.networks.cache import weights_digest
from ..report import reading_results

KIND, FILE = "free predictors of a pool", "free.json"
RIVAL_KIND, RIVAL_FILE = "rival rules of a pool", "rival-rules.json"
RIVAL_BATCH = 32  # images, as RMI-NAS has it
_OTHER_SEED = 1  # of DisWOT's teacher: members have 0
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
    kept = _Kept(KIND, file, "predictors", PREDICTORS, _about(settings, space, BATCH), free_predictors)
    return kept.fill(architectures, data_dir, progress), dict(kept.about)


def rivals_of(
    settings: Mapping[str, Any],
    space: str,
    architectures: Sequence[Architecture],
    file: Path,
    network: Path,
    *,
    data_dir: Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> tuple[Free, dict[str, Any]]:
    """Return the same of the rules of RMI-NAS and DisWOT; network: a trained one's checkpoint, their teacher.

    Raises RSAError as `free_of` does, and as `load_network`.
    """
    trained, about = load_network(network), _about(settings, space, RIVAL_BATCH)
    untrained = rebuild(Checkpoint.load(network).network, seed=_OTHER_SEED)
    about |= {"network": network.stem, "weights": weights_digest(trained), "steps": STEPS, "untrained": _OTHER_SEED}
    random = [name for name in RIVALS if name.startswith("diswot")]

    def compute(model: Any, images: Any, labels: Any) -> dict[str, float]:
        found = teacher_rules(model, untrained, images, labels, random)
        return {
            **found,
            **teacher_rules(model, trained, images, labels, [name for name in RIVALS if name not in random]),
        }

    kept = _Kept(RIVAL_KIND, file, "rules", RIVALS, about, compute)
    return kept.fill(architectures, data_dir, progress), about


def _about(settings: Mapping[str, Any], space: str, images: int) -> dict[str, Any]:
    build = dict(settings.get("build", {}))
    return {"space": space, "data": settings.get("data", ""), "build": build, "images": images, "seed": 0}


@dataclass(frozen=True)
class _Kept:
    """Numbers of untrained networks in a JSON file."""

    kind: str
    file: Path
    key: str
    names: Collection[str]
    about: Mapping[str, Any]
    compute: Callable[..., Mapping[str, float]]

    def fill(
        self, architectures: Sequence[Architecture], data_dir: Path | None, progress: Callable[[int], object]
    ) -> Free:
        """What the file holds, completed for these architectures."""
        found, about = self._read(), self.about
        where, task = get_space(about["space"]), None
        for architecture in architectures:
            key = where.key(where.canonical(architecture))
            if set(found.get(key, ())) != set(self.names):
                data, cpu, images, labels = task = task or self._task(data_dir)
                described = {"space": about["space"], "architecture": dict(architecture), "settings": about["build"]}
                model = make_network(described, shape=data.shape, n_classes=data.n_classes, seed=about["seed"])
                cpu.move(model)
                values = self.compute(model, images, labels)
                found[key] = {name: value if value == value else None for name, value in values.items()}
                write_json(self.file, {"kind": self.kind, "about": about, self.key: found})
            progress(1)
        return found

    def _task(self, data_dir: Path | None) -> tuple[Data, Placement, Tensor, Tensor]:
        """The data, where networks compute, and the batch that all of them see."""
        data = load_data(str(self.about["data"]), data_dir=data_dir)
        images, labels = first_batch(data, self.about["images"])
        cpu = place(data.shape, "cpu", amp=False)
        return data, cpu, cpu.inputs(images), labels

    def _read(self) -> Free:
        if not self.file.exists():
            return {}
        with reading_results(self.file, self.kind, self.kind) as kept:
            if kept["about"] != json.loads(json.dumps(self.about)):
                raise RSAError(f"{self.file} was made otherwise ({kept['about']}); delete it or move it away")
            return {
                str(key): {name: None if value is None else float(value) for name, value in values.items()}
                for key, values in kept[self.key].items()
            }
