"""The trained candidates that all searches of a study share: each is trained once, by whoever needs it first.

A candidate is kept as the file of a pool of one, with its RDMs, so that a teacher can be added without training again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock

from ...plugins.spaces import Architecture, Space
from ...rsa import RSAError
from ...rsa.cli.console import write_json
from ...rsa.errors import listing, reason
from ..pool.making import Maker
from ..pool.plans import CANDIDATES
from ..pool.pool import Member, Pool

LOCKS = "locks"  # folder of lock files in that of a study
OPEN = ("checkpoints", "views", "stimuli", "seed")  # settings that may differ between files of one study
LATER = ("classes", "mean", "std", "training images", "validation images", "space definition")  # older files lack them


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A candidate after its training.

    mature: its mature performance, a fraction. pool: a pool of it alone, None where the training failed. checkpoint:
    index of the checkpoint that was asked for. examples, seconds: what the training took until there.
    """

    mature: float
    pool: Pool | None
    checkpoint: int
    examples: int
    seconds: float

    @classmethod
    def of(cls, pool: Pool, checkpoint: int) -> "Evaluated":
        """Of a pool of one member, at the checkpoint of this index."""
        (member,) = pool.members
        seconds = float(member.seconds[checkpoint])
        return cls(member.mature, pool, checkpoint, int(member.examples[checkpoint]), seconds)

    @property
    def member(self) -> Member | None:
        return None if self.pool is None else self.pool.members[0]


class Evaluations(Protocol):
    """Where a study's searches get their candidates from; picklable if there are several workers."""

    @property
    def space(self) -> Space: ...

    def __call__(self, architecture: Architecture, seed: int, examples: int) -> Evaluated:
        """The candidate after a training on that many examples with this seed."""
        ...

    def describe(self) -> dict[str, Any]:
        """What all candidates of a study have in common, JSON-able."""
        ...


@dataclass(frozen=True, eq=False)
class Cache:
    """Candidates kept in a folder, trained where they are missing.

    maker: trains them, with other checkpoints and seeds than its own. lengths: training examples after which candidates
    are asked for; unless the recipe's schedule depends on the length of the training, a longer training also serves for
    the shorter ones. pools: folders of pools that were made alike, whose candidates are reused.

    Raises RSAError for lengths below 1, for a maker without known mature performance, and for a pool that was made
    differently.
    """

    maker: Maker
    folder: Path
    lengths: tuple[int, ...]
    pools: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self.lengths or min(self.lengths) < 1:
            raise RSAError(f"candidates are trained on at least 1 example, not {listing(self.lengths, 9) or 'none'}")
        if self.maker.mature is None:
            raise RSAError("a study of efficiency needs a published mature performance")
        for folder in self.pools:
            found = next((folder / CANDIDATES).glob("[!.]*.h5"), None)
            if found is None:
                raise RSAError(f"{folder} is no folder of a pool: no candidate lies in {CANDIDATES}")
            self._check(found)

    @property
    def space(self) -> Space:
        return self.maker.space

    def __call__(self, architecture: Architecture, seed: int, examples: int) -> Evaluated:
        """Find the candidate, or train it now; another process that wants the same one waits for it."""
        maker = self._maker(seed, examples)
        part = maker.part(architecture)
        if (found := self._find(architecture, seed, examples)) is not None:
            return found
        for folder in (maker.folder, self.folder / LOCKS):
            folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / LOCKS / f"cell-{part.stem[:2]}.lock"):  # few files; a shared one only costs waiting
            if (found := self._find(architecture, seed, examples)) is not None:
                return found
            made = maker(self.space.canonical(architecture))
            if made.failed:
                seconds = sum(made.seconds.values())
                write_json(_failure(part), {"reason": made.reason, "examples": examples, "seconds": seconds})
        found = self._find(architecture, seed, examples)
        if found is None:
            raise RSAError(f"{part} was not written")
        return found

    def describe(self) -> dict[str, Any]:
        settings = self.maker.describe()
        return {key: value for key, value in settings.items() if key not in OPEN}

    def _maker(self, seed: int, examples: int) -> Maker:
        alone = self.maker.recipe.schedule == "one-cycle"
        looks = (examples,) if alone else tuple(sorted({n for n in self.lengths if n <= examples} | {examples}))
        folder = self.folder / f"seed{seed}" / str(examples)
        return replace(self.maker, seed=seed, checkpoints=looks, folder=folder)

    def _find(self, architecture: Architecture, seed: int, examples: int) -> Evaluated | None:
        """Look at its own file first, so that what was found once is found again."""
        maker = self._maker(seed, examples)
        mine = maker.part(architecture)
        if _failure(mine).exists():
            return self._failed(architecture, _failure(mine))
        longer = [self._maker(seed, n).part(architecture) for n in sorted(self.lengths) if n > examples]
        for path in (mine, *longer, *(folder / CANDIDATES / mine.name for folder in self.pools)):
            if path.exists():
                pool = self._check(path)
                place = _place(pool, seed, examples, maker)
                if place is not None:
                    return Evaluated.of(pool, place)
        return None

    def _check(self, path: Path) -> Pool:
        """Load a file. Raises RSAError for candidates that were made differently."""
        pool = Pool.load(path)
        kept, mine = dict(pool.settings), json.loads(json.dumps(self.maker.describe()))
        views = {shown.view.name: shown.view for shown in self.maker.views}
        known = [key for key in mine if key not in OPEN and (key in kept or key not in LATER)]
        wrong = [key for key in known if kept.get(key) != mine[key]]
        seen = kept["stimuli"] if isinstance(kept.get("stimuli"), dict) else {}
        wrong += [f"images of {name}" for name, kind in mine["stimuli"].items() if seen.get(name, kind) != kind]
        wrong += [name for name, view in views.items() if name not in pool.views or not view.same(pool.views[name])]
        if wrong or pool.space != self.space.name:
            raise RSAError(f"{path} was made differently: {listing(wrong or ['space'])}")
        return pool

    def _failed(self, architecture: Architecture, path: Path) -> Evaluated:
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            mature = self.maker.mature(architecture) if self.maker.mature is not None else np.nan
            return Evaluated(mature, None, 0, int(kept["examples"]), float(kept["seconds"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RSAError(f"{path} is damaged: {reason(error)}") from error


def _failure(part: Path) -> Path:
    return part.with_suffix(".failed.json")


def _place(pool: Pool, seed: int, examples: int, maker: Maker) -> int | None:
    """Index of the checkpoint of a file that holds the network `maker` would train, None if there is none."""
    looks: Sequence[int] = pool.checkpoints
    if pool.settings.get("seed") != seed or examples not in looks:
        return None
    if maker.recipe.schedule == "one-cycle" and looks[-1] != examples:
        return None
    return looks.index(examples)
