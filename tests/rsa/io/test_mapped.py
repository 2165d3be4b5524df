"""Large arrays stay in their files, and are gone through a part at a time."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tgsage.rsa import Features, LayerCache, Stimuli, compute_rdm
from tgsage.rsa.interop.layers import read_layers
from tgsage.rsa.io.mapped import blocks, pieces
from tgsage.rsa.networks.readout import Layers, Readout
from tgsage.rsa.types import Array

VALUES = np.random.default_rng(0).normal(size=(20, 30))
NAMES = [f"s{i}" for i in range(20)]


def is_mapped(values: Any) -> bool:
    while isinstance(values, np.ndarray) and not isinstance(values, np.memmap):
        values = values.base
    return isinstance(values, np.memmap)


def test_slices_cover_every_row_once() -> None:
    for n, width, most in ((10, 3, 9), (10, 3, 1), (1, 5, 100), (7, 1, 7)):
        slices = list(blocks(n, width, most))
        assert np.concatenate([np.arange(n)[rows] for rows in slices]).tolist() == list(range(n))
        assert all((rows.stop - rows.start) * width <= max(most, width) for rows in slices)


def test_arrays_in_memory_are_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgsage.rsa.io.mapped.PIECE", 90)
    np.save(tmp_path / "a.npy", VALUES)
    mapped = np.asarray(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert list(pieces(VALUES, n=20, width=30)) == [slice(0, 20)]
    assert len(list(pieces(VALUES, mapped, n=20, width=30))) == 7
    assert sum(float(mapped[rows].sum()) for rows in pieces(mapped, n=20, width=30)) == pytest.approx(VALUES.sum())


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("kind", ["npy", "hdf5", "thingsvision", "thingsvision hdf5"])
def test_features_of_models_stay_in_their_files_where_they_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, large: bool
) -> None:
    monkeypatch.setattr("tgsage.rsa.io.mapped.MAPPED", 1000 if large else 2**28)
    path, labels = written(tmp_path, kind, VALUES)
    (features,) = read_layers(path, labels=labels).values()
    assert is_mapped(features.values) == large
    assert features.labels == tuple(NAMES)
    np.testing.assert_array_equal(features.values, VALUES)


def written(folder: Path, kind: str, values: Array) -> tuple[Path, list[str] | None]:
    if kind == "npy":
        np.save(folder / "layer.npy", values)
        return folder / "layer.npy", NAMES
    if kind == "hdf5":
        with h5py.File(folder / "layers.h5", "w") as file:
            file["stimulus_id"], file["layer"] = NAMES, values
        return folder / "layers.h5", None
    (folder / "file_names.txt").write_text("\n".join(f"{name}.png" for name in NAMES))
    if kind == "thingsvision":
        np.save(folder / "features.npy", values)
    else:
        with h5py.File(folder / "features.hdf5", "w") as file:
            file["features"] = values
    return folder, None


def test_arrays_of_matlab_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their axes lie the other way round, so that a row of features would be spread over the whole file."""
    monkeypatch.setattr("tgsage.rsa.io.mapped.MAPPED", 1000)
    with h5py.File(tmp_path / "layers.h5", "w") as file:
        file["stimulus_id"], file["layer"] = NAMES, VALUES.T
        file["layer"].attrs["MATLAB_class"] = np.bytes_("double")
    (features,) = read_layers(tmp_path / "layers.h5").values()
    assert not is_mapped(features.values)
    np.testing.assert_array_equal(features.values, VALUES)


def test_layers_that_are_kept_stay_in_their_files_where_they_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tgsage.rsa.io.mapped.PIECE", 90)
    cache, stimuli = LayerCache(tmp_path, 1), Stimuli(np.zeros((20, 3, 2, 2), np.float32), {"stimulus_id": NAMES})
    features, rdm = Features(VALUES, NAMES, name="a"), compute_rdm(VALUES, labels=NAMES, name="a")
    for key, one in (("features", features), ("rdm", rdm)):
        cache.keep(key, Readout("auto"), Layers({"a": one}, {}))
        for most, large in ((2**28, False), (1000, True)):
            monkeypatch.setattr("tgsage.rsa.io.mapped.MAPPED", most)
            found = cache.load(key, Readout("auto"), stimuli, "stimulus")
            assert found is not None
            assert is_mapped(found["a"].values) == large
            np.testing.assert_array_equal(found["a"].values, one.values)
    for file in tmp_path.glob("*.layer"):
        written = bytearray(file.read_bytes())
        written[-1] ^= 1
        file.write_bytes(written)
    assert cache.load("features", Readout("auto"), stimuli, "stimulus") is None
