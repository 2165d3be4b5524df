"""Pools over seeds: which folders are seeds, which members count, and which teachers."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks.pool.seeds import places_of
from tgsage.benchmarks.rivals.search import propose
from tgsage.benchmarks.rivals.table import read_table
from tgsage.plugins.spaces import get_space
from tgsage.rsa import RSAError

from ..pools import known_pool, teacher

SEEDS = ("seed0", "seed1")


def over_seeds(folder: Path, usable: tuple[str, ...] = SEEDS) -> Path:
    """The known pool at two seeds; where it is not usable, its RDMs are missing."""
    pool = known_pool(20)
    networks = propose(get_space("toy"), 0, 20, frozenset())
    for i, name in enumerate(SEEDS):
        members = [replace(one, architecture=network) for one, network in zip(pool.members, networks, strict=True)]
        if name not in usable:
            nothing = {view: np.full_like(rdms, np.nan) for view, rdms in members[0].rdms.items()}
            members = [replace(one, rdms=nothing) for one in members]
        place = folder / name / "candidates"
        place.mkdir(parents=True)
        replace(pool, members=tuple(members), settings={**pool.settings, "seed": i}).save(place / "all.h5")
    return folder


def test_a_copy_of_a_seed_is_no_seed(tmp_path: Path) -> None:
    folder = over_seeds(tmp_path)
    shutil.copytree(folder / "seed0", folder / "seed0-backup")
    assert list(places_of(folder)) == ["0", "1"]
    assert read_table(folder, [teacher()]).seeds == (0, 1)


def test_a_seed_without_usable_members_is_left_out(tmp_path: Path) -> None:
    table = read_table(over_seeds(tmp_path / "some", usable=("seed1",)), [teacher()])
    assert table.seeds == (1,)
    assert table.present.all()
    with pytest.raises(RSAError, match="no member that was trained to the end"):
        read_table(over_seeds(tmp_path / "none", usable=()), [teacher()])


def test_two_teachers_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="two teachers are named good"):
        read_table(over_seeds(tmp_path), [teacher(), teacher()])
