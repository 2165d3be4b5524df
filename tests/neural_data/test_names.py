"""Names that come with the data are used, missing ones refused, and masked values are missing values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray
from tgsage.neural_data import (
    as_teacher,
    from_arrays,
    region_features,
    region_neuroids,
    region_rdms,
    reliable_neuroids,
    scale_neuroids,
    spearman_brown,
    split_half,
)
from tgsage.rsa import RSAError, compare

X = np.random.default_rng(0).normal(5, 1, (6, 4))
NAMES, SITES = list("fedcba"), ["s3", "s1", "s2", "s0"]
FRAME = pd.DataFrame(X, index=NAMES, columns=SITES)


def labelled(dims: tuple[str, str] = ("image", "unit")) -> xarray.DataArray:
    return xarray.DataArray(X, dict(zip(dims, (NAMES, SITES), strict=True)), dims)


SOURCES: dict[str, Callable[[], Any]] = {
    "DataFrame": lambda: FRAME,
    "DataFrame, shuffled": lambda: FRAME.sample(frac=1, random_state=1),
    "DataArray": labelled,
    "DataArray, reversed": lambda: labelled()[::-1, ::-1],
    "DataArray of our dims, transposed": lambda: labelled(("presentation", "neuroid")).T,
    "nullable numbers": lambda: FRAME.astype("Float64"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_names_of_rows_and_columns_are_those_of_the_recording(source: str) -> None:
    expected = from_arrays(X, stimulus_id=NAMES, neuroid_id=SITES, region="IT")
    one = from_arrays(SOURCES[source](), region="IT")
    order = {name: i for i, name in enumerate(one["stimulus_id"].values.tolist())}
    sites = {name: i for i, name in enumerate(one["neuroid_id"].values.tolist())}
    np.testing.assert_array_equal(one.values[[order[n] for n in NAMES]][:, [sites[n] for n in SITES]], X)
    assert compare(region_rdms(one)["IT"], region_rdms(expected)["IT"]) == pytest.approx(1)
    assert region_features(one)["IT"].labels == tuple(order)


def test_columns_go_to_the_rows_that_their_index_names() -> None:
    objects = pd.Series({name: f"o{name}" for name in sorted(NAMES)})
    regions = pd.Series({"s0": "V4", "s1": "IT", "s2": "V4", "s3": "IT"})
    depth = xarray.DataArray([0.0, 1.0, 2.0, 3.0], {"unit": ["s0", "s1", "s2", "s3"]}, ("unit",))
    named: dict[str, Any] = {"stimulus_id": NAMES, "neuroid_id": SITES}
    for responses, ids in ((FRAME, {}), (X, named)):
        one = from_arrays(
            responses, region=regions, presentation={"object_name": objects}, neuroid={"depth": depth}, **ids
        )
        assert one["object_name"].values.tolist() == [f"o{name}" for name in NAMES]
        assert one["region"].values.tolist() == ["IT", "IT", "V4", "V4"]
        assert one["depth"].values.tolist() == [3, 1, 2, 0]
    shown = ["a", "b", "a"]
    repeated = from_arrays(X[:3], stimulus_id=shown, presentation={"object_name": objects[["b", "a"]]})
    assert repeated["object_name"].values.tolist() == ["oa", "ob", "oa"]
    trials = pd.DataFrame({"image": shown, "rank": [1, 2, 3]}, index=[7, 9, 8])
    by_trial = from_arrays(X[:3], stimulus_id=trials["image"], presentation={"rank": trials["rank"].sort_index()})
    assert by_trial["rank"].values.tolist() == [1, 2, 3]
    numbered = from_arrays(X[:3], stimulus_id=[2, 0, 1], presentation={"rank": pd.Series([5, 6, 7])})
    assert numbered["rank"].values.tolist() == [5, 6, 7]


def test_a_dataarray_brings_its_other_columns() -> None:
    one = from_arrays(X, stimulus_id=NAMES, neuroid_id=SITES, region=["V4", "IT", "IT", "V4"])
    again = from_arrays(one.T, presentation={"day": np.arange(6)})
    xarray.testing.assert_identical(again.drop_vars("day"), one)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"responses": X}, r"responses come without names of what was shown; stimulus_id= gives one"),
        ({"responses": pd.DataFrame(X)}, r"responses come without names of what was shown"),
        ({"responses": FRAME, "stimulus_id": list("abcdef")}, r"stimulus_id= contradict.*row 0 is 'f' .* 'a'"),
        ({"responses": FRAME, "neuroid_id": sorted(SITES)}, r"neuroid_id= contradict.*row 0 is 's3' .* 's0'"),
        ({"responses": FRAME, "region": pd.Series("IT", index=list("wxyz"))}, "region .*different names"),
        (
            {"responses": FRAME, "presentation": {"object_name": pd.Series(range(6), index=list("abcdeg"))}},
            "object_name .*different names",
        ),
        ({"responses": FRAME.set_index([NAMES, NAMES])}, "names of 2 levels"),
        ({"responses": FRAME.rename(index={"d": None})}, r"1 of 6 names of the rows are missing .* positions 2"),
    ],
)
def test_names_that_contradict_or_lack_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RSAError, match=message) as caught:
        from_arrays(**arguments)
    assert "\n" not in str(caught.value)


MISSING: tuple[Any, ...] = (np.nan, None, "", pd.NA, pd.NaT, float("nan"))


@pytest.mark.parametrize("gap", MISSING, ids=repr)
def test_a_missing_name_is_no_name(gap: Any) -> None:
    for name, ids in (("stimulus_id", ["a", "b", gap] * 2), ("neuroid_id", ["a", "b", gap, "c"])):
        given: dict[str, Any] = {"stimulus_id": list("abcdef"), name: ids}
        for values in (ids, pd.Series(ids, dtype=object), np.array(ids, object)):
            with pytest.raises(RSAError, match=rf"of {len(ids)} {name} are missing .* at positions 2"):
                from_arrays(X, **given | {name: values})
    groups = ["x", "x", "y", "y", gap, gap]
    one = from_arrays(X, stimulus_id=list("abcdef"), region="IT", presentation={"object_name": groups})
    assert one["object_name"].values.tolist() == ["x", "x", "y", "y", "", ""]
    twice = from_arrays(
        np.tile(X, (2, 1)), stimulus_id=list("abcdef") * 2, region="IT", presentation={"object_name": groups * 2}
    )
    for act in (region_rdms, region_features, as_teacher, split_half):
        with pytest.raises(RSAError, match=r"2 of 6 object_name of the stimuli are missing .* positions 4, 5 from 0"):
            act(twice, by="object_name")
    unnamed = from_arrays(X, stimulus_id=list("abcdef"), region=["IT", "IT", "V4", gap])
    with pytest.raises(RSAError, match="1 neuroids have no region: 3"):
        region_neuroids(unnamed)


def test_missing_numbers_stay_missing_numbers_and_group_nothing() -> None:
    sizes = [1.0, None, 2.0, 2.0, np.nan, 1.0]
    for values in (sizes, pd.Series(sizes, dtype="Float64"), np.ma.masked_invalid(np.array(sizes, float))):
        one = from_arrays(X, stimulus_id=list("abcdef"), region="IT", presentation={"size": values})
        np.testing.assert_array_equal(one["size"].values, np.array(sizes, float))
        with pytest.raises(RSAError, match=r"2 of 6 size of the stimuli are missing .* positions 1, 4"):
            region_rdms(one, by="size")
    for text in ("07", "1_23", "1e3"):
        one = from_arrays(X, stimulus_id=[text, *"abcde"], region=[text] * 4)
        assert one["stimulus_id"].values[0] == text
        assert list(region_neuroids(one)) == [text]


def test_masked_responses_are_missing_responses() -> None:
    masked = np.ma.masked_where(np.arange(24).reshape(6, 4) == 9, X)
    for values in (masked, list(masked), np.ma.masked_where(masked.mask, np.round(X).astype(int))):
        one = from_arrays(values, stimulus_id=NAMES, region="IT")
        assert np.flatnonzero(np.isnan(one.values)).tolist() == [9]
        with pytest.raises(RSAError, match="1 of 4 neuroids lack a valid response to some stimulus: 1"):
            region_rdms(one)
    expected = np.where(masked.mask, np.nan, X)
    for scale in ("zscore", "max", "none"):
        np.testing.assert_array_equal(scale_neuroids(masked, scale), scale_neuroids(expected, scale))
    np.testing.assert_array_equal(spearman_brown(np.ma.masked_greater([0.5, 0.9], 0.8)), [2 / 3, np.nan])
    np.testing.assert_array_equal(from_arrays(torch.from_numpy(X), stimulus_id=NAMES).values, X)
    with pytest.raises(RSAError, match=r"responses is no array: .*grad"):
        from_arrays(torch.from_numpy(X).requires_grad_(), stimulus_id=NAMES)


def test_reliabilities_go_to_the_neuroids_that_they_name() -> None:
    one = from_arrays(X, stimulus_id=NAMES, neuroid_id=SITES)
    values = pd.Series({"s0": 0.1, "s1": 0.9, "s2": 0.2, "s3": 0.8, "other": 1.0})
    named = xarray.DataArray(values.to_numpy(), {"neuroid_id": ("neuroid", list(values.index))}, ("neuroid",))
    for given in (values, named, np.array([0.8, 0.9, 0.2, 0.1]), np.ma.masked_greater([0.8, 0.9, 2, 3], 1)):
        assert reliable_neuroids(one, given)["neuroid_id"].values.tolist() == ["s3", "s1"]
    with pytest.raises(RSAError, match="1 neuroids have no reliability: s0"):
        reliable_neuroids(one, values.drop("s0"))


def test_columns_of_one_shuffled_table_stay_together() -> None:
    """Also where ids are whole numbers, as row numbers are."""
    table = pd.DataFrame({"stimulus_id": [3, 1, 2, 0], "c": ["three", "one", "two", "zero"]}).iloc[[2, 0, 3, 1]]
    x = np.random.default_rng(0).normal(size=(4, 4))
    for responses in (x, pd.DataFrame(x, index=table.index)):
        found = from_arrays(responses, stimulus_id=table.stimulus_id, presentation={"c": table.c})
        assert found["stimulus_id"].values.tolist() == ["2", "3", "0", "1"]
        assert found["c"].values.tolist() == ["two", "three", "zero", "one"]
    found = from_arrays(x, stimulus_id=list("abcd"), neuroid_id=table.stimulus_id, region=table.c)
    assert found["region"].values.tolist() == ["two", "three", "zero", "one"]
    plain = from_arrays(x, stimulus_id=list("abcd"), presentation=pd.DataFrame({"c": list("wxyz")}))
    assert plain["c"].values.tolist() == list("wxyz")


def test_reliability_by_row_number_goes_to_neuroids_in_their_order() -> None:
    x = np.random.default_rng(0).normal(size=(4, 6))
    recording = from_arrays(x, stimulus_id=list("abcd"), neuroid_id=[5, 3, 1, 0, 2, 4])
    r = [0.9, 0.1, 0.1, 0.1, 0.1, 0.1]
    for given in (r, np.array(r), pd.Series(r)):
        assert reliable_neuroids(recording, given)["neuroid_id"].values.tolist() == ["5"]
    by_name = pd.Series(r, ["0", "1", "2", "3", "4", "5"]).iloc[::-1]
    assert reliable_neuroids(recording, by_name)["neuroid_id"].values.tolist() == ["0"]
