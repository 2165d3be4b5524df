"""Pools as the paper took its own: the current best of a search at intervals, and random ones."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tgsage.benchmarks.pool.making import Listed, make_pool
from tgsage.benchmarks.pool.plans import current_tops, plan_pool, published, read_search, reduce, thirds
from tgsage.plugins import Candidate, Evaluation, RandomSearcher, search
from tgsage.plugins.spaces import get_space
from tgsage.plugins.training import load_data
from tgsage.rsa import RSAError

from ..pools import tiny_maker


def candidate(number: int, score: float | None, name: int | None = None) -> Candidate:
    evaluation = Evaluation("failed" if score is None else "ok", score=score)
    return Candidate(number, evaluation.status, {"x": number if name is None else name}, evaluation)


def test_the_best_so_far_at_every_interval_are_taken_once() -> None:
    scores = [0.1, 0.5, None, 0.2, 0.9, 0.9, 0.3]
    found = current_tops([candidate(i, score) for i, score in enumerate(scores)], every=2, top=2)
    assert [one["x"] for one in found] == [1, 0, 3, 4, 5]  # after 2: 1, 0; after 4: 1, 3; after 6: 4, 5
    again = current_tops([candidate(0, 0.1, 7), candidate(1, 0.1, 7), candidate(2, 0.0, 8)], every=3, top=2)
    assert [one["x"] for one in again] == [7, 8]
    with pytest.raises(RSAError, match="at least 1"):
        current_tops([], every=0)


def test_a_plan_can_be_sent_to_other_processes(tmp_path: Path) -> None:
    """Whether or not members are drawn for a question: `tgsage bench pool --workers 2`."""
    small: dict[str, Any] = {"data": "digits", "recipe": "digits", "train": 40, "valid": 30, "checkpoints": (0, 40)}
    for groups in ({}, {"key": "random"}):
        drawn: dict[str, Any] = {"groups": groups} if groups else {}
        made = plan_pool(tmp_path, **small, **drawn)
        again = pickle.loads(pickle.dumps(made))
        assert again.describe() == made.describe()
        assert again.groups == groups


def test_a_pool_of_a_search_has_its_best_and_random_ones(tmp_path: Path) -> None:
    space = get_space("toy")
    storage = tmp_path / "search.db"
    done = search(space, RandomSearcher(space), lambda a: float(len(str(a)) % 7), samples=8, storage=storage, study="s")
    tops = current_tops(read_search(f"s@{storage}"), every=4, top=1)
    assert done.architecture in tops
    digits = reduce(load_data("digits"), 64, 40)
    maker = tiny_maker(digits, tmp_path / "parts", mature=lambda architecture: 0.5)
    pool = make_pool(maker, samples=2, architectures=tops, storage=tmp_path / "pool.db")
    random = [space.sample(np.random.default_rng([0, trial])) for trial in range(2)]
    expected = {space.key(space.canonical(one)) for one in [*tops, *random]}
    assert {space.key(member.architecture) for member in pool.members} == expected


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="STUDY@STORAGE"):
        read_search("tgsage.db")
    with pytest.raises(RSAError):
        read_search(f"absent@{tmp_path / 'absent.db'}")
    with pytest.raises(RSAError, match="no architecture"):
        Listed(get_space("toy"))


def test_thirds_are_random_of_the_best_and_of_three_sizes_and_take_turns() -> None:
    space, known = get_space("nasbench201"), published("nasbench201")
    groups = thirds(space, known, known.size, 7)
    assert groups == thirds(space, known, known.size, 7)
    kinds = [group.partition(" ")[0] for group in groups.values()]
    assert kinds == ["random", "best", "size"] * 7
    table = {space.key(one): one for one in space.architectures()}
    limit = np.quantile([known(one) for one in table.values()], 0.9)
    assert all(known(table[key]) >= limit for key, group in groups.items() if group == "best")
    bands = [group for group in groups.values() if group.startswith("size")]
    assert sorted(bands.count(band) for band in set(bands)) == [2, 2, 3]
    for key, group in groups.items():
        if group.startswith("size"):
            low, high = map(float, group.removeprefix("size ").split("-"))
            assert low <= known.size(table[key]) <= high
    with pytest.raises(RSAError, match="networks left for the group 'best'"):
        thirds(space, known, known.size, 2000)
    with pytest.raises(RSAError, match="published for nasbench201"):
        published("toy")


def test_size_orders_cells_as_their_parameters_do() -> None:
    space, known = get_space("nasbench201"), published("nasbench201")
    drawn = [space.sample(np.random.default_rng(i)) for i in range(20)]
    parameters = [sum(p.numel() for p in space.build(one).parameters() if p.ndim == 4) for one in drawn]
    sizes = [known.size(space.canonical(one)) for one in drawn]
    assert np.corrcoef(parameters, sizes)[0, 1] == pytest.approx(1)
