"""Evaluations that all searches of a study share: made once, and the same as without sharing."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tgsage.benchmarks.efficiency.cache import LATER, LOCKS, Cache
from tgsage.benchmarks.pool.making import make_pool
from tgsage.benchmarks.pool.pool import Pool
from tgsage.plugins.spaces import Architecture
from tgsage.plugins.training import Data, get_recipe
from tgsage.rsa import RSAError

from ..pools import tiny_maker


def known(architecture: Mapping[str, object]) -> float:
    return len(architecture) / 100


@pytest.fixture
def cache(digits: Data, tmp_path: Path) -> Cache:
    recipe = get_recipe("digits", schedule="constant")
    maker = tiny_maker(digits, tmp_path, (0,), recipe=recipe, mature=known)
    return Cache(maker, tmp_path, (64, 192))


@pytest.fixture
def architecture(cache: Cache) -> Architecture:
    return cache.space.sample(np.random.default_rng(1))


def files(cache: Cache) -> dict[str, int]:
    return {str(path.relative_to(cache.folder)): path.stat().st_mtime_ns for path in cache.folder.glob("seed*/*/*")}


def test_an_evaluation_is_made_once_and_is_that_of_the_maker(cache: Cache, architecture: Architecture) -> None:
    found = cache(architecture, 3, 64)
    assert found.member is not None
    before = files(cache)
    assert list(before) == [f"seed3/64/{cache.maker.part(architecture).name}"]
    again = cache(dict(reversed(list(architecture.items()))), 3, 64)
    assert files(cache) == before
    alone = replace(cache.maker, seed=3, checkpoints=(64,), folder=cache.folder / "alone")
    assert alone(architecture).p == found.member.p[found.checkpoint]
    assert again.member is not None
    assert again.member.p[0] == found.member.p[0]
    assert found.mature == known(architecture)
    assert found.examples == 64
    other = cache(architecture, 4, 64)
    assert len(files(cache)) == 2
    assert other.member is not None
    assert not np.array_equal(
        other.member.rdms["validation by stimulus"], found.member.rdms["validation by stimulus"], equal_nan=True
    )


def test_a_long_training_serves_for_a_short_one_and_is_the_same(cache: Cache, architecture: Architecture) -> None:
    longer = cache(architecture, 0, 192)
    shorter = cache(architecture, 0, 64)
    assert len(files(cache)) == 1
    alone = replace(cache, folder=cache.folder / "alone")(architecture, 0, 64)
    assert longer.member is not None
    assert shorter.member is not None
    assert alone.member is not None
    assert (longer.examples, shorter.examples, shorter.checkpoint) == (192, 64, 0)
    assert alone.member.p[0] == shorter.member.p[0]
    for view, rdms in alone.member.rdms.items():
        np.testing.assert_array_equal(rdms[0], shorter.member.rdms[view][0])
    assert longer.member.p[longer.checkpoint] == longer.member.p[1]


def test_a_schedule_of_the_trainings_length_is_never_shared(cache: Cache, architecture: Architecture) -> None:
    cycle = replace(cache, maker=replace(cache.maker, recipe=get_recipe("digits")))
    longer = cycle(architecture, 0, 192)
    shorter = cycle(architecture, 0, 64)
    assert len(files(cache)) == 2
    assert longer.pool is not None
    assert longer.pool.checkpoints == (192,)
    assert shorter.examples == 64


def test_candidates_of_a_pool_are_taken_for_their_seed_alone(cache: Cache, tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    pooled = replace(cache.maker, checkpoints=(0, 64, 128), folder=folder / "candidates")
    made = make_pool(pooled, samples=1, storage=tmp_path / "search.db").members[0]
    sharing = replace(cache, pools=(folder,))
    found = sharing(made.architecture, 0, 64)
    assert found.member is not None
    assert found.member.p[found.checkpoint] == made.p[1]
    assert files(cache) == {}
    sharing(made.architecture, 1, 64)
    sharing(made.architecture, 0, 192)
    assert [name.rpartition("/")[0] for name in sorted(files(cache))] == ["seed0/192", "seed1/64"]
    other = replace(cache.maker, recipe=get_recipe("digits"))
    with pytest.raises(RSAError, match="made differently: recipe"):
        Cache(other, tmp_path, (64,), (folder,))
    with pytest.raises(RSAError, match="no candidate"):
        Cache(cache.maker, tmp_path, (64,), (tmp_path,))


def test_a_training_that_fails_has_failed_for_good(cache: Cache, architecture: Architecture) -> None:
    recipe = get_recipe("digits", schedule="constant", optimiser="sgd", lr=1e30)
    failing = replace(cache, maker=replace(cache.maker, recipe=recipe))
    found = failing(architecture, 0, 192)
    assert found.pool is None
    assert found.mature == known(architecture)
    before = files(cache)
    assert [name.endswith(".failed.json") for name in before] == [True]
    assert failing(architecture, 0, 192).pool is None
    assert files(cache) == before
    (cache.folder / next(iter(before))).write_text("{}")
    with pytest.raises(RSAError, match="damaged"):
        failing(architecture, 0, 192)


def test_an_evaluation_of_another_study_in_its_place_is_named(cache: Cache, architecture: Architecture) -> None:
    cache(architecture, 0, 64)
    other = replace(cache, maker=replace(cache.maker, recipe=get_recipe("digits", schedule="constant", lr=0.5)))
    with pytest.raises(RSAError, match="recipe"):
        other(architecture, 0, 64)


@pytest.mark.parametrize("lengths", [(), (0,)])
def test_lengths_are_examples(cache: Cache, lengths: tuple[int, ...]) -> None:
    with pytest.raises(RSAError, match="at least 1 example"):
        replace(cache, lengths=lengths)
    with pytest.raises(RSAError, match="published"):
        replace(cache, maker=replace(cache.maker, mature=None, epochs=1))


def test_a_cell_that_another_process_trains_is_waited_for_until_that_is_killed(
    cache: Cache, architecture: Architecture
) -> None:
    lock = cache.folder / LOCKS / f"cell-{cache.maker.part(architecture).stem[:2]}.lock"
    lock.parent.mkdir()
    script = f"""
import sys
from filelock import FileLock
with FileLock({str(lock)!r}):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(cache, architecture, 0, 64)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            assert files(cache) == {}
            process.kill()
            assert waiting.result().member is not None
    assert len(files(cache)) == 1


def test_a_file_about_other_images_is_refused_and_one_of_an_older_version_is_not(
    cache: Cache, architecture: Architecture
) -> None:
    cache(architecture, 0, 64)
    data = cache.maker.data
    flipped = replace(data, train=replace(data.train, labels=data.train.labels.flip(0)))
    other = replace(cache, maker=replace(cache.maker, data=flipped))
    with pytest.raises(RSAError, match="made differently: training images"):
        other(architecture, 0, 64)
    part = next(cache.folder.glob("seed0/64/*.h5"))
    pool = Pool.load(part)
    known = {key: value for key, value in pool.settings.items() if key not in (*LATER, "stimuli")}
    replace(pool, settings=known).save(part)
    assert other(architecture, 0, 64).mature == cache(architecture, 0, 64).mature
