"""Leave-one-out ceilings against rsatoolbox and plain loops."""

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from tgsage.rsa import RDM, RSAError, noise_ceiling

from ..peers import NAMES


def reference(vectors: np.ndarray, method: str) -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        toolbox: Any = importlib.import_module("rsatoolbox")
        lower, upper = toolbox.inference.boot_noise_ceiling(toolbox.rdm.RDMs(vectors), method=NAMES[method])
    return float(lower), float(upper)


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("levels", [0, 4])
def test_bounds_are_those_of_rsatoolbox_with_and_without_ties(method: str, levels: int) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.gamma(2, size=190) + rng.gamma(2, size=(5, 190))
    if levels:
        vectors = np.round(vectors / vectors.max() * levels)
    found = noise_ceiling([RDM(row, range(20)) for row in vectors], method=method)
    assert found == pytest.approx(reference(vectors, method), abs=1e-10)


@pytest.mark.parametrize("method", NAMES)
def test_four_human_subjects_as_rsatoolbox(data_dir: Path, method: str) -> None:
    file = scipy.io.loadmat(data_dir / "kriegeskorte92" / "92_brainRDMs.mat", squeeze_me=True)["RDMs"]
    sessions = np.array([[np.asarray(s["RDM"])[np.triu_indices(92, 1)] for s in row] for row in file], np.float64)
    subjects = sessions.mean(axis=1)
    found = noise_ceiling({f"S{i}": RDM(row, range(92)) for i, row in enumerate(subjects)}, method=method)
    assert found == pytest.approx(reference(subjects, method), abs=1e-6)


def test_bounds_do_not_depend_on_the_order_of_stimuli_or_scale_of_subjects() -> None:
    rng = np.random.default_rng(2)
    rdms = [RDM(rng.random(66) + np.arange(66) / 30, range(12)) for _ in range(3)]
    shuffled = [rdm.subset(rng.permutation(rdm.labels)) for rdm in rdms]
    scaled = [rdm.replace(values=rdm.values * 7 + i) for i, rdm in enumerate(shuffled)]
    assert noise_ceiling(scaled) == pytest.approx(noise_ceiling(rdms), abs=1e-12)


def test_identical_subjects_have_no_room_below_or_above() -> None:
    rdm = RDM(np.random.default_rng(3).random(45), range(10))
    assert noise_ceiling([rdm, rdm, rdm]) == pytest.approx((1, 1))


@pytest.mark.parametrize(
    ("rdms", "words"),
    [
        ([RDM([1, 2, 3], "abc")], "at least 2 subjects, got 1"),
        ([RDM([1, 2, 3], "abc"), RDM([1, 2, 3], "abd")], "labels differ"),
        ([RDM([1, 2, 3], "abc"), RDM([2, 2, 2], "abc", name="flat")], "'flat'.* is constant"),
    ],
)
def test_what_has_no_ceiling_is_named(rdms: list[RDM], words: str) -> None:
    with pytest.raises(RSAError, match=words):
        noise_ceiling(rdms)
