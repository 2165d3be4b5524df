"""Profiles of the property tests, and the 92 images of Kriegeskorte et al. 2008 read without this package."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
from hypothesis import settings

settings.register_profile("default", max_examples=30, deadline=None, database=None, derandomize=True)
settings.register_profile("ci", settings.get_profile("default"), max_examples=100)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def _mat(folder: Path, name: str) -> dict[str, Any]:
    return scipy.io.loadmat(str(folder / "kriegeskorte92" / name), simplify_cells=True)


@pytest.fixture(scope="session")
def pixels92(data_dir: Path) -> npt.NDArray[np.float64]:
    """(92, 2871): every 32nd pixel value of the images."""
    objects = _mat(data_dir, "Kriegeskorte_Neuron2008_supplementalData.mat")["stimuli_92objs"]
    return np.array([entry["image"].ravel()[::32] for entry in objects], np.float64)


@pytest.fixture(scope="session")
def rdms92(data_dir: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Condensed values (4186,) of macaque IT, human IT and the animacy model."""
    brain = _mat(data_dir, "Kriegeskorte_Neuron2008_supplementalData.mat")["RDMs_mIT_hIT_fig1"]
    models = _mat(data_dir, "92_modelRDMs.mat")["Models"]
    found = {entry["name"][:3]: np.asarray(entry["RDM"], np.float64) for entry in brain}
    animacy = next(entry["RDM"] for entry in models if entry["name"] == "animacy")
    return found | {"animacy": np.asarray(animacy, np.float64)[np.triu_indices(92, 1)]}
