"""The simulated recording: its form, its statistics, that the truth in it is found again, and its cache."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray
from tgsage.neural_data.regions import region_rdms
from tgsage.neural_data.reliability.split_half import split_half
from tgsage.neural_data.simulation import cache as disk_cache
from tgsage.neural_data.simulation import recording as simulation
from tgsage.neural_data.simulation import sites
from tgsage.neural_data.simulation.recording import load_simulated, simulate_hvm, simulated_images
from tgsage.rsa import RSAError, Teacher, layer_rdms, load_model
from tgsage.rsa.networks.models import ImagePreprocess

PRETRAINED, RANDOM = sites.NETWORKS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("simulated")


@pytest.fixture(scope="module")
def recording(folder: Path) -> xarray.DataArray:
    if sites.site_network() != PRETRAINED:
        pytest.skip("extra demo is not installed")
    return load_simulated(data_dir=folder)


def test_the_default_is_trials_of_296_sites_and_its_images_carry_the_same_ids(
    recording: xarray.DataArray, folder: Path
) -> None:
    stimuli = simulated_images(data_dir=folder)
    assert recording.attrs["identifier"] == stimuli.reference == "simulated"
    assert "not brains" in recording.attrs["note"]
    assert PRETRAINED in recording.attrs["note"]
    ids, repeats = np.unique(recording["stimulus_id"].values, return_counts=True)
    assert set(ids) == set(stimuli.table["stimulus_id"])
    assert len(ids) == 320
    assert (repeats.min(), repeats.max()) == (21, 50)
    areas, counts = np.unique(recording["subregion"].values, return_counts=True)
    assert dict(zip(areas.tolist(), counts.tolist(), strict=True)) == {"V4": 128, "aIT": 84, "pIT": 84}
    assert len(set(recording["animal"].values)) == 2
    assert recording.dtype == np.uint8


def test_counts_are_poisson_and_dead_sites_do_not_follow_the_images(recording: xarray.DataArray) -> None:
    trials = recording.values.astype(float)
    groups = [trials[recording["stimulus_id"].values == name] for name in np.unique(recording["stimulus_id"].values)]
    mean = np.mean([group.mean(axis=0) for group in groups], axis=0)
    variance = np.mean([group.var(axis=0, ddof=1) for group in groups], axis=0)
    assert (variance / mean).mean() == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(variance / mean, 1.0, atol=0.15)
    kinds, counts = np.unique(recording["kind"].values, return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {"dead": 15, "driven": 237, "unreliable": 44}
    expected = recording["expected_reliability"].values
    assert (expected[recording["kind"].values == "dead"] < 1e-12).all()
    driven, unreliable = (np.median(expected[recording["kind"].values == kind]) for kind in ("driven", "unreliable"))
    assert driven > 0.7 > 0.3 > unreliable


def test_split_halves_find_the_analytic_reliability_of_the_sites(recording: xarray.DataArray) -> None:
    """Both are of the mean over all trials; the split halves' error over 320 images is about 0.1 near 0."""
    found = split_half(recording, splits=20)
    error = found["neuroid_reliability"].values - recording["expected_reliability"].values
    assert abs(error.mean()) < 0.01
    assert np.abs(error[recording["expected_reliability"].values > 0.6]).max() < 0.1
    assert np.abs(error).max() < 0.4
    np.testing.assert_allclose(found["repeats"].values, recording.sizes["presentation"] / 320)


def test_halves_are_the_means_of_every_other_trial(recording: xarray.DataArray, folder: Path) -> None:
    halves = simulate_hvm(per_object=(1, 2, 2), data_dir=folder)
    assert halves.sizes == {"presentation": 640, "neuroid": 296}
    for name in ("bear_V0_00", "trestle_table_V6_01"):
        trials = recording.values[recording["stimulus_id"].values == name].astype(float)
        mine = halves["stimulus_id"].values == name
        np.testing.assert_allclose(
            halves.values[mine], [trials[0::2].mean(axis=0), trials[1::2].mean(axis=0)], rtol=1e-6
        )
        assert halves["trials"].values[mine].sum() == len(trials)
    assert 2 * halves.attrs["repeats"] == pytest.approx(recording.sizes["presentation"] / 320)


@pytest.mark.slow
def test_the_best_layer_for_v4_comes_before_that_for_ait(recording: xarray.DataArray, folder: Path) -> None:
    teacher, stimuli = Teacher.from_rdms("simulated", region_rdms(recording)), simulated_images(data_dir=folder)
    for name in ("efficientnet_lite0", "efficientnet_lite1"):
        model, _ = load_model(name)
        rdms = layer_rdms(model, stimuli, "_blocks.*", preprocess=ImagePreprocess(128), n_features=4096)
        best = teacher.score(rdms).best_layer
        v4, pit, ait = (int(best[area].removeprefix("_blocks.")) for area in ("V4", "pIT", "aIT"))
        assert v4 < pit <= ait, (name, best)


def test_equal_seeds_give_equal_bytes_on_any_number_of_threads_and_without_pretrained_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "site_network", lambda: RANDOM)

    def simulate(seed: int, where: str) -> xarray.DataArray:
        return simulate_hvm(seed, per_object=(0, 0, 1), trials=True, pixels=32, data_dir=tmp_path / where)

    threads = torch.get_num_threads()
    first = simulate(0, "a")
    try:
        torch.set_num_threads(1)
        again = simulate(0, "b")
    finally:
        torch.set_num_threads(threads)
    xarray.testing.assert_identical(first, again)
    assert "untrained" in first.attrs["note"]


@pytest.mark.slow
def test_a_smaller_simulation_is_part_of_a_larger_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "site_network", lambda: RANDOM)
    small = simulate_hvm(per_object=(1, 0, 0), pixels=32, data_dir=tmp_path)
    large = simulate_hvm(per_object=(1, 0, 1), pixels=32, data_dir=tmp_path)
    part = large.isel(presentation=large["variation"].values == 0)
    assert part["stimulus_id"].values.tolist() == small["stimulus_id"].values.tolist()
    assert (part.values != small.values).mean() < 1e-3  # the network rounds otherwise in other batches


def test_another_name_is_refused() -> None:
    with pytest.raises(RSAError, match=r"no simulation is named 'simulated/ful'; did you mean simulated/full"):
        load_simulated("simulated/ful")


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes().replace(np.arange(7.0).tobytes(), np.zeros(7).tobytes())),
    ],
    ids=["truncated", "empty", "other values"],
)
def test_a_damaged_cache_is_made_anew_and_a_whole_one_is_used(spoil: Spoil, tmp_path: Path) -> None:
    made = []

    def make() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
        made.append(1)
        return {"numbers": np.arange(7.0)}

    for count in (1, 1):
        np.testing.assert_array_equal(disk_cache.cached("some", {"a": 1}, make, tmp_path)["numbers"], np.arange(7.0))
        assert len(made) == count
    disk_cache.cached("some", {"a": 2}, make, tmp_path)
    assert len(made) == 2
    for path in (tmp_path / "simulated").iterdir():
        spoil(path)
    np.testing.assert_array_equal(disk_cache.cached("some", {"a": 1}, make, tmp_path)["numbers"], np.arange(7.0))
    assert len(made) == 3
    disk_cache.cached("some", {"a": 1}, make, tmp_path)
    assert len(made) == 3
    assert len(list((tmp_path / "simulated").iterdir())) == 2


def test_a_folder_that_cannot_be_written_costs_a_warning_only(tmp_path: Path) -> None:
    (tmp_path / "simulated").write_text("in the way")
    with pytest.warns(UserWarning, match="some is not kept for the next time"):
        assert disk_cache.cached("some", {}, lambda: {"numbers": np.ones(3)}, tmp_path)["numbers"].sum() == 3


def test_the_cache_lies_where_the_argument_then_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGSAGE_CACHE", str(tmp_path / "environment"))
    assert disk_cache.cache_folder() == tmp_path / "environment"
    assert disk_cache.cache_folder(tmp_path) == tmp_path
    monkeypatch.delenv("TGSAGE_CACHE")
    assert disk_cache.cache_folder().name == "tgsage"
