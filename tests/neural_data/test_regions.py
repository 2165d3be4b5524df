"""RDMs of regions against plain loops, and what their results state."""

from typing import Any

import numpy as np
import pytest
import scipy.spatial.distance
import xarray
from tgsage.neural_data import from_arrays, load, region_neuroids, region_rdms, reliable_neuroids, scale_neuroids
from tgsage.rsa import RSAError

from .layouts import SITES, Images, majaj_columns, shuffled

IMAGES = Images()
ORDER = shuffled(IMAGES, 3)


V4, IT = ([i + 8 * copy for copy in range(3) for i in sites] for sites in ([2, 3], [0, 1, 4, 5, 6, 7]))


def recording(n_bins: int = 0, *, copies: int = 1) -> xarray.DataArray:
    """Neuroids at `SITES`, so many times."""
    sites = [(f"{name}_{copy}", *rest) for copy in range(copies) for name, *rest in SITES] if copies > 1 else SITES
    columns = majaj_columns(IMAGES, ORDER, identity="stimulus_id", sites=sites)
    shape = (len(ORDER), len(sites)) + (n_bins,) * (n_bins > 0)
    responses = np.random.default_rng(1).normal(3, 1, shape)
    presentation, neuroid = columns["presentation"], columns["neuroid"]
    return from_arrays(
        responses,
        stimulus_id=presentation.pop("stimulus_id"),
        repetition=presentation.pop("repetition"),
        neuroid_id=neuroid.pop("neuroid_id"),
        presentation=presentation,
        neuroid=neuroid,
        time_bins=[(50.0 * i, 50.0 * i + 50) for i in range(n_bins)] or None,
        attrs={"identifier": "test", "note": "random numbers"},
    )


def by_hand(one: xarray.DataArray, neuroids: list[int], scale: str, groups: Any = None) -> Any:
    """Condensed correlation distances, by loops over stimuli and groups."""
    ids = list(dict.fromkeys(one["stimulus_id"].values.tolist()))
    x = np.array([one.values[one["stimulus_id"].values == s].mean(axis=0)[neuroids] for s in ids])
    if scale == "zscore":
        x = (x - x.mean(axis=0)) / x.std(axis=0)
    if scale == "max":
        x = x / np.abs(x).max(axis=0)
    if groups is not None:
        of = [groups[one["stimulus_id"].values.tolist().index(s)] for s in ids]
        x = np.array([x[[g == name for g in of]].mean(axis=0) for name in dict.fromkeys(of)])
    return scipy.spatial.distance.pdist(x, "correlation")


@pytest.mark.parametrize("scale", ["none", "zscore", "max"])
def test_rdms_by_stimulus_are_those_of_plain_loops(scale: str) -> None:
    one = recording(copies=3)
    rdms = region_rdms(one, scale=scale, level="region")
    assert list(rdms) == ["V4", "IT"]
    np.testing.assert_allclose(rdms["V4"].values, by_hand(one, V4, scale), atol=1e-10)
    np.testing.assert_allclose(rdms["IT"].values, by_hand(one, IT, scale), atol=1e-10)
    assert rdms["V4"].labels == tuple(dict.fromkeys(one["stimulus_id"].values.tolist()))


@pytest.mark.parametrize("by", ["object_name", "category_name", "variation"])
def test_rdms_by_a_column_average_the_scaled_stimuli_of_each_group(by: str) -> None:
    one = recording(copies=3)
    rdm = region_rdms(one, by=by, level="region", scale="zscore")["IT"]
    np.testing.assert_allclose(rdm.values, by_hand(one, IT, "zscore", one[by].values.tolist()), atol=1e-10)
    assert rdm.by == by
    assert rdm.labels == tuple(dict.fromkeys(one[by].values.astype(str).tolist()))


def test_descriptors_are_the_columns_that_are_constant_within_a_condition() -> None:
    one = recording(copies=3)
    by_object = region_rdms(one, by="object_name")["aIT"]
    assert dict(by_object.descriptors).keys() == {"category_name"}
    assert [f"kind{int(name[-1]) % 2}" for name in by_object.labels] == by_object.descriptors["category_name"].tolist()
    by_stimulus = region_rdms(one)["aIT"]
    assert {"object_name", "category_name", "variation", "size"} <= set(by_stimulus.descriptors)
    assert not {"stimulus_id", "repetition"} & set(by_stimulus.descriptors)


def test_levels_split_and_merge_inferior_temporal_cortex() -> None:
    one = recording()
    found = {
        level: {k: v.tolist() for k, v in region_neuroids(one, level).items()}
        for level in ("subregion", "region", "paper", "animal")
    }
    assert found["subregion"] == {"V4": [2, 3], "pIT": [4, 6], "cIT": [1, 7], "aIT": [0, 5]}
    assert list(found["subregion"]) == ["V4", "pIT", "cIT", "aIT"]
    assert found["region"] == {"V4": [2, 3], "IT": [0, 1, 4, 5, 6, 7]}
    assert found["paper"] == {"V4": [2, 3], "pIT": [4, 6], "aIT": [0, 1, 5, 7]}
    assert found["animal"] == {"Chabo": [0, 1, 2], "Tito": [3, 4, 5, 6, 7]}


def test_without_subregions_the_regions_serve_and_without_either_the_error_says_how_to_add_them() -> None:
    one = recording().drop_vars("subregion")
    assert list(region_neuroids(one)) == ["V4", "IT"]
    with pytest.raises(RSAError, match=r"no column region; --region NAME .* recording.assign_coords\(region="):
        region_neuroids(one.drop_vars("region"))
    with pytest.raises(RSAError, match=r"no column subregion; --region NAME .* recording.assign_coords\(subregion="):
        region_neuroids(one, "paper")
    with pytest.raises(RSAError, match="no column animals; did you mean animal"):
        region_neuroids(one, "animals")
    with pytest.raises(RSAError, match="1 neuroids have no region: Chabo_L_A_0_0"):
        region_neuroids(one.assign_coords(region=("neuroid", [""] + ["V4"] * 7)))


def test_results_state_how_they_were_made() -> None:
    rdm = region_rdms(recording(4, copies=3), scale="zscore", window=(50, 150))["pIT"]
    assert rdm.attrs == {
        "identifier": "test",
        "note": "random numbers",
        "repeats": 3.0,
        "level": "subregion",
        "scale": "zscore",
        "neuroids": 6,
        "window": "50-150 ms",
    }
    assert (rdm.name, rdm.metric) == ("pIT", "correlation")


def test_window_and_metric_reach_the_rdm() -> None:
    one = recording(4)
    flat = one.isel(time_bin=slice(1, 3)).mean("time_bin")
    x = np.array(
        [
            flat.values[flat["stimulus_id"].values == s][:, [2, 3]].mean(axis=0)
            for s in dict.fromkeys(flat["stimulus_id"].values.tolist())
        ]
    )
    rdm = region_rdms(one, window=(50, 150), metric="euclidean")["V4"]
    np.testing.assert_allclose(rdm.values, scipy.spatial.distance.pdist(x), rtol=1e-10)


def test_neuroids_without_variance_are_left_out_where_they_cannot_be_scaled_and_the_result_says_so() -> None:
    one = recording(copies=3)
    one.values[:, 0] = 7.0
    rdms = region_rdms(one, scale="zscore", level="region")
    assert rdms["IT"].attrs["neuroids"] == 17
    assert rdms["IT"].attrs["dropped_constant"] == 1
    assert "dropped_constant" not in rdms["V4"].attrs
    np.testing.assert_allclose(rdms["IT"].values, by_hand(one, IT[1:], "zscore"), atol=1e-10)
    np.testing.assert_allclose(region_rdms(one, level="region")["IT"].values, by_hand(one, IT, "none"), atol=1e-10)
    one.values[:, V4] = 0.0
    with pytest.raises(RSAError, match="V4: none of its 6 neuroids"):
        region_rdms(one, scale="max")


def test_missing_responses_are_an_error_that_names_the_neuroids_or_are_dropped() -> None:
    one = recording(copies=3)
    one.values[one["stimulus_id"].values == one["stimulus_id"].values[0], 0] = np.nan
    with pytest.raises(RSAError, match=r"IT: 1 of 18 neuroids lack .*: Chabo_L_A_0_0_0; missing='drop'"):
        region_rdms(one, level="region")
    rdm = region_rdms(one, level="region", missing="drop", scale="zscore")["IT"]
    assert (rdm.attrs["neuroids"], rdm.attrs["dropped_missing"]) == (17, 1)
    np.testing.assert_allclose(rdm.values, by_hand(one, IT[1:], "zscore"), atol=1e-10)
    one.values[:] = np.nan
    with pytest.raises(RSAError, match="V4: none of its 6 neuroids"):
        region_rdms(one, level="region", missing="drop")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "object"}, "no column object; did you mean object_name"),
        ({"by": "repetition"}, "column repetition differs between presentations of one stimulus"),
        ({"scale": "z"}, "unknown scale 'z'"),
        ({"missing": "skip"}, "missing is 'raise' or 'drop'"),
        ({"window": (70, 170)}, "no time bins"),
    ],
)
def test_arguments_that_make_no_sense_are_named(arguments: Any, message: str) -> None:
    with pytest.raises(RSAError, match=message):
        region_rdms(recording(), **arguments)


def test_a_region_of_which_no_rdm_can_be_made_is_named() -> None:
    with pytest.raises(RSAError, match=r"V4 \(2 neuroids\): correlation over 2 feature\(s\) is 1 or -1"):
        region_rdms(recording())
    one = recording(copies=3)
    one.values[one["stimulus_id"].values == one["stimulus_id"].values[0]] = 1.0
    with pytest.raises(RSAError, match=r"V4 \(6 neuroids\): 1 of 40 rows: .* no variance over features"):
        region_rdms(one)


def test_scaling_of_columns() -> None:
    x = np.array([[1.0, 2.0, 0.0], [3.0, 2.0, 0.0], [-8.0, 2.0, 0.0]])
    assert scale_neuroids(x, "none") is x
    np.testing.assert_allclose(scale_neuroids(x, "zscore")[:, 0], (x[:, 0] - x[:, 0].mean()) / x[:, 0].std())
    assert np.isnan(scale_neuroids(x, "zscore")[:, 1:]).all()
    np.testing.assert_allclose(scale_neuroids(x, "max")[:, :2], np.array([[1 / 8, 1], [3 / 8, 1], [-1, 1]]))
    assert np.isnan(scale_neuroids(x, "max")[:, 2]).all()


def test_a_nearly_constant_column_of_float32_counts_as_constant() -> None:
    x = np.full((1000, 1), 0.1, np.float32)
    assert np.isnan(scale_neuroids(x, "zscore")).all()


def test_reliable_neuroids_are_chosen_by_number_or_by_name() -> None:
    one = recording()
    r = np.array([0.9, np.nan, 0.5, 0.49, 0.7, -0.2, 1.0, 0.1])
    kept = reliable_neuroids(one, r)
    assert kept["neuroid_id"].values.tolist() == [SITES[i][0] for i in (0, 2, 4, 6)]
    assert (
        region_rdms(kept, level="region", metric="euclidean")["IT"].attrs["selected"]
        == "4 of 8 neuroids, reliability >= 0.5"
    )
    named = xarray.DataArray(r[::-1], {"neuroid_id": ("neuroid", one["neuroid_id"].values[::-1])}, ("neuroid",))
    xarray.testing.assert_identical(reliable_neuroids(one, named), kept)
    with pytest.raises(RSAError, match=r"no neuroid reaches reliability 1.5; the highest is 1"):
        reliable_neuroids(one, r, at_least=1.5)
    with pytest.raises(RSAError, match=r"8 neuroids but reliability has shape \(3,\)"):
        reliable_neuroids(one, r[:3])
    with pytest.raises(RSAError, match="1 neuroids have no reliability: Chabo_L_A_0_0"):
        reliable_neuroids(one, named[:-1])


def test_halves_of_the_valid_repeats_of_session_210325_correlate_as_published(data_dir: Any) -> None:
    one = load("cowley2023/210325", data_dir=data_dir)
    rng = np.random.default_rng(0)
    r = []
    for _ in range(5):
        shuffle = rng.permutation(one.sizes["presentation"])
        ids = one["stimulus_id"].values[shuffle]
        rank = np.zeros(len(ids), int)
        seen: dict[str, int] = {}
        for i, name in enumerate(ids.tolist()):
            rank[i] = seen[name] = seen.get(name, -1) + 1
        odd, even = (region_rdms(one[np.sort(shuffle[rank % 2 == half])])["V4"] for half in (0, 1))
        r.append(np.corrcoef(odd.values, even.subset(odd.labels).values)[0, 1])
    assert 0.675 < np.mean(r) < 0.695
