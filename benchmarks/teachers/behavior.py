"""Does the consistency of choices with people's tell early which network will be good? A pool answers."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...neural_data import behavior_images, load_behavior
from ...plugins.evaluation.predictors import size_of
from ...plugins.training import load_data, make_network
from ...plugins.training.data import Part
from ...rsa import Behavior, BehaviorTest, RSAError, Stimuli
from ...rsa.behavior.consistency import softmax
from ...rsa.networks.pictures import as_rgb
from ...rsa.types import Array
from ..pool.pool import Member, Pool
from ..rank_statistics import Resampled, interval, spearman
from ..report import Columns

KIND = "behavior"
ALONE, GIVEN = "alone", ("p", "size", "p and size")
LEAST = 8  # members of a group; fewer are not correlated
_DIGITS = 4
COLUMNS: Columns = (
    ("examples", "{checkpoint:,}"),
    ("predictor", "{predictor}"),
    ("alone", lambda row: _cell(row, ALONE)),
    ("given P", lambda row: _cell(row, "given p")),
    ("given size", lambda row: _cell(row, "given size")),
    ("given both", lambda row: _cell(row, "given p and size")),
    ("P + it, gain", lambda row: _cell(row, "gain")),
)


@dataclass(frozen=True)
class BehaviorStudy:
    """What `study_behavior` found.

    Attributes
    ----------
    rows : list of dict
        Per group of members, checkpoint and predictor (metrics of behaviour; "p", "loss", "size" for comparison):
        Spearman with mature performance "alone", partial ones "given p", "given size" and "given p and size", and the
        "gain" of P + B over P; each as [value, low, high].
    about : dict
        Settings and counts, JSON-able.
    """

    rows: list[dict[str, Any]]
    about: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form.

        Returns
        -------
        dict
        """
        return {"kind": KIND, **self.about, "rows": self.rows}


def study_behavior(
    pool: Pool,
    behavior: str = "cifar10h",
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[int], object] = lambda steps: None,
) -> BehaviorStudy:
    """Correlate the behavioural consistency of a pool's members with their mature performance.

    Parameters
    ----------
    pool : Pool
        With the logits of test images.
    behavior : str
        As `load_behavior` takes it; it must be about these test images.
    bootstrap : int
        Resamples of the members behind 95% intervals.
    seed : int
        Of the resamples and of the halves of trials.
    data_dir : path, optional
    progress : callable
        Called with 1 after each member.

    Returns
    -------
    BehaviorStudy

    Raises
    ------
    RSAError
        For a pool without logits, and images that the behaviour lacks.
    """
    lacking = [i for i, member in enumerate(pool.members) if "test" not in member.logits]
    if lacking:
        raise RSAError(f"{len(lacking)} of {len(pool)} members keep no logits of test images; make the pool anew")
    shown = pool.members[0].logits["test"].shape[1]
    data = load_data(str(pool.settings["data"]), data_dir=data_dir)
    whole = load_behavior(behavior, data_dir=data_dir)
    part, ids = matched(whole, data.part("test"), shown, data_dir=data_dir)
    columns, test = whole.columns(data.classes), BehaviorTest(whole.select(ids), seed=seed)
    options = [data.classes[label] for label in part.labels.numpy()]
    if any(a.casefold() != whole.options[b].casefold() for a, b in zip(options, test.behavior.truth, strict=True)):
        raise RSAError(f"{behavior} and {data.name} differ in which class is right for an image")
    metrics = [metric for metric in test.metrics if metric not in test.reasons]
    values: dict[str, list[list[float]]] = {name: [] for name in (*metrics, "test accuracy")}
    for member in pool.members:
        found = [test(softmax(logits.astype(np.float64)[:, columns])) for logits in member.logits["test"]]
        for metric in metrics:
            values[metric].append([one.metrics[metric].value for one in found])
        values["test accuracy"].append([one.accuracy for one in found])
        progress(1)
    predictors = {name: np.nan_to_num(np.array(rows)) for name, rows in values.items()}
    size = sizes(pool)
    rows = [
        row
        for group, members in groups(pool.members).items()
        if len(members) >= LEAST
        for row in _rows(pool, group, members, predictors, size, bootstrap, seed)
    ]
    ceilings = {metric: round(test.reliability[metric], _DIGITS) for metric in metrics}
    about: dict[str, Any] = {"behavior": whole.summary(), "images": len(ids), "members": len(pool), "space": pool.space}
    about |= {"groups": {group: len(members) for group, members in groups(pool.members).items()}}
    about |= {"reliability": ceilings, "bootstrap": bootstrap, "seed": seed, "checkpoints": list(pool.checkpoints)}
    means = {name: [round(float(x), _DIGITS) for x in rows.mean(0)] for name, rows in predictors.items()}
    about |= {"means": means, "matched": "images by their pixels", "mature": pool.settings.get("mature")}
    return BehaviorStudy(rows, about)


def matched(
    behavior: Behavior, part: Part, n: int, stimuli: Stimuli | None = None, *, data_dir: str | Path | None = None
) -> tuple[Part, list[str]]:
    """The first n images of a part, and their names in the behaviour: images are the same if all pixels are.

    Raises RSAError for an image that the behaviour lacks.
    """
    import torch

    first = part.take(torch.arange(n))
    shown = behavior_images(behavior, stimuli, data_dir=data_dir)
    names = {_digest(np.asarray(as_rgb(shown[i]))): name for i, name in enumerate(behavior.stimulus_ids)}
    wanted = [_digest(image.permute(1, 2, 0).contiguous().numpy()) for image in first.images]
    lacking = sum(one not in names for one in wanted)
    if lacking:
        raise RSAError(f"{behavior.name} lacks {lacking} of the {n} test images; it must be about the pool's data")
    return first, [names[one] for one in wanted]


def _digest(pixels: Array) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16).digest()


def sizes(pool: Pool) -> Array:
    """Trainable parameters of every member, (members,)."""
    build = pool.settings.get("build", {})
    found = []
    for member in pool.members:
        described = {"space": pool.space, "architecture": dict(member.architecture), "settings": dict(build)}
        found.append(size_of(make_network(described, shape=(3, 32, 32), n_classes=10)).parameters)
    return np.array(found, float)


def groups(members: Sequence[Member]) -> Mapping[str, list[int]]:
    """Members by why they were drawn, all of them first; bands of size are one group."""
    found: dict[str, list[int]] = {"all": list(range(len(members)))}
    for i, member in enumerate(members):
        if member.group:
            found.setdefault(member.group.split()[0], []).append(i)
    return found


def _rows(
    pool: Pool, group: str, members: list[int], predictors: Mapping[str, Array], size: Array, bootstrap: int, seed: int
) -> list[dict[str, Any]]:
    rows = []
    for k, checkpoint in enumerate(pool.checkpoints):
        shown = {name: values[members, k] for name, values in predictors.items()}
        shown |= {"p": pool.p[members, k], "loss": -pool.loss[members, k], "size": size[members]}
        partial = Partial(pool.mature[members], shown, bootstrap, seed)
        for name in shown:
            row: dict[str, Any] = {"group": group, "checkpoint": checkpoint, "predictor": name}
            row |= {ALONE: partial(name, ())} | {
                f"given {given}": partial(name, given.split(" and ")) for given in GIVEN
            }
            if name not in ("p", "loss", "size", "test accuracy"):
                row["gain"] = partial.gain(shown["p"] + shown[name], "p")
            rows.append(row)
    return rows


class Partial:
    """Spearman of predictors with mature performance, given others, and in resamples of the members."""

    def __init__(self, mature: Array, predictors: Mapping[str, Array], bootstrap: int, seed: int) -> None:
        self._columns = {"mature": mature, **predictors}
        self._draws = {
            name: Resampled(values, bootstrap, np.random.default_rng(seed))  # equal seeds, equal resamples
            for name, values in self._columns.items()
            if name in ("mature", "p", "size")
        }

    def __call__(self, name: str, given: Sequence[str]) -> list[float] | None:
        """[value, low, high]; None for what is given itself."""
        if name in given:
            return None
        value = _partial(lambda a, b: spearman(self._columns[a], self._columns[b]), name, given)
        drawn = _partial(self._resampled, name, given)
        return [round(float(x), _DIGITS) for x in (value, *interval(drawn))]

    def gain(self, score: Array, over: str) -> list[float]:
        """How much better a score ranks than another predictor, [value, low, high]."""
        mature, base = self._columns["mature"], self._columns[over]
        value = spearman(score, mature) - spearman(base, mature)
        drawn = self._draws["mature"](score) - self._draws["mature"](base)
        return [round(float(x), _DIGITS) for x in (value, *interval(drawn))]

    def _resampled(self, a: str, b: str) -> Array:
        one, other = (a, b) if b in self._draws else (b, a)
        return self._draws[other](self._columns[one])


def _partial(r: Callable[[str, str], Array], name: str, given: Sequence[str]) -> Array:
    """Partial correlation with "mature", by recursion over what is given."""

    def among(a: str, b: str, rest: Sequence[str]) -> Array:
        if not rest:
            return r(a, b)
        *others, z = rest
        ab, az, bz = among(a, b, others), among(a, z, others), among(b, z, others)
        norm = np.sqrt(np.maximum((1 - az**2) * (1 - bz**2), 1e-12))
        return np.asarray((ab - az * bz) / norm)

    return among(name, "mature", given)


def _cell(row: Mapping[str, Any], key: str) -> str:
    found = row.get(key)
    return "-" if found is None else f"{found[0]:.2f} [{found[1]:.2f}, {found[2]:.2f}]"
