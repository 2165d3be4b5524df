"""What an RDM holds, refuses, cuts out and converts to."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import squareform
from tgsage.rsa import RDM, RSAError

VALUES = np.arange(1.0, 11.0)


def rdm(**fields: Any) -> RDM:
    descriptors = {"category_name": ["x", "x", "y", "y", "z"], "size": np.arange(5.0)}
    return RDM(
        VALUES, **({"labels": "abcde", "descriptors": descriptors, "name": "V4", "attrs": {"neuroids": 33}} | fields)
    )


def test_square_is_scipys_squareform_and_back() -> None:
    np.testing.assert_array_equal(rdm().square(), squareform(VALUES))
    again = RDM.from_square(rdm().square(), "abcde", name="V4")
    np.testing.assert_array_equal(again.values, VALUES)
    assert again.name == "V4"


def test_a_subset_is_cut_out_of_the_square_in_the_order_asked_for() -> None:
    order = [3, 0, 4]
    part = rdm().subset(["d", "a", "e"])
    np.testing.assert_array_equal(part.square(), rdm().square()[np.ix_(order, order)])
    assert part.labels == ("d", "a", "e")
    assert part.descriptors["category_name"].tolist() == ["y", "x", "z"]
    assert (part.name, part.attrs) == ("V4", {"neuroids": 33})


def test_an_rdm_cannot_be_changed() -> None:
    values = VALUES.copy()
    fixed = RDM(values, "abcde")
    with pytest.raises(ValueError, match="read-only"):
        fixed.values[0] = 5
    with pytest.raises(AttributeError):
        fixed.name = "other"  # type: ignore[misc]
    assert fixed.replace(name="other").name == "other"
    assert fixed.name == ""


@pytest.mark.parametrize(
    ("given", "kept"), [("float32", "float32"), ("float64", "float64"), ("float16", "float64"), ("int64", "float64")]
)
def test_precision_is_kept_where_it_is_single_or_double(given: str, kept: str) -> None:
    assert RDM(VALUES.astype(given), "abcde").values.dtype == kept


def test_labels_become_strings() -> None:
    assert RDM(VALUES, [b"a", "b", 3, np.int64(4), np.str_("e")]).labels == ("a", "b", "3", "4", "e")


def test_xarray_carries_labels_descriptors_and_attributes() -> None:
    array = rdm(by="object_name").to_xarray()
    assert array.dims == ("object_name", "object_name_2")
    assert array.sel(object_name="b", object_name_2="d").item() == rdm().square()[1, 3]
    assert array.coords["category_name"].values.tolist() == ["x", "x", "y", "y", "z"]
    assert (array.name, array.attrs["neuroids"], array.attrs["metric"]) == ("V4", 33, "correlation")


def test_repr_says_what_it_is() -> None:
    assert repr(rdm()) == "RDM('V4', 5 x 5 by stimulus, correlation, float64)"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_by_its_pair(bad: float) -> None:
    for k, (i, j) in enumerate(np.argwhere(np.triu(np.ones((5, 5)), 1))):
        values = VALUES.copy()
        values[k] = bad
        with pytest.raises(RSAError, match=f"RDM 'V4': the value between {'abcde'[i]} and {'abcde'[j]} is {bad}"):
            RDM(values, "abcde", name="V4")


def test_values_whose_sum_overflows_are_finite_all_the_same() -> None:
    assert RDM(np.full(10, 1e308), "abcde").values.max() == 1e308


@pytest.mark.parametrize(
    ("values", "fields", "message"),
    [
        (VALUES, {"labels": "abcda"}, r"labels must be unique; 1 occur more than once: a"),
        (VALUES, {"labels": "abcd"}, r"4 labels need condensed values of shape \(6,\), got \(10,\)"),
        (VALUES[:0], {"labels": "a"}, r"1 label\(s\); at least 2"),
        (VALUES[:0], {"labels": ""}, r"0 label\(s\); at least 2"),
        (VALUES.reshape(2, 5), {}, r"got \(2, 5\)"),
        (VALUES, {"descriptors": {"c": "xyz"}}, r"descriptor c has shape \(\), expected \(5,\)"),
    ],
)
def test_bad_parts_are_named(values: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RSAError, match=message):
        RDM(values, **({"labels": "abcde"} | fields))


def test_a_square_matrix_must_be_square_and_symmetric() -> None:
    with pytest.raises(RSAError, match=r"square matrix is needed, got shape \(2, 3\)"):
        RDM.from_square(np.ones((2, 3)), "ab")
    with pytest.raises(RSAError, match="not symmetric"):
        RDM.from_square(np.triu(squareform(VALUES)), "abcde")


def test_subsets_refuse_unknown_and_repeated_labels() -> None:
    monkeys = rdm(labels=["monkey_1", "monkey_2", "car", "boat", "plane"])
    with pytest.raises(RSAError, match=r"1 label\(s\) not in .*: monkey_3; did you mean monkey_2 or monkey_1\?"):
        monkeys.subset(["car", "monkey_3"])
    with pytest.raises(RSAError, match=r"occur more than once: car"):
        monkeys.subset(["car", "car"])


def test_a_mean_keeps_what_all_share_missing_values_included() -> None:
    descriptors = {"size": np.array([1.0, np.nan, 2.0]), "kind": np.array(["a", "", "b"])}
    one = RDM([0.0, 1.0, 2.0], "abc", descriptors=descriptors, attrs={"noise": float("nan"), "session": 1})
    other = RDM([2.0, 1.0, 0.0], "abc", descriptors=descriptors, attrs={"noise": float("nan"), "session": 2})
    mean = RDM.mean([one, other])
    assert list(mean.descriptors) == ["size", "kind"]
    np.testing.assert_array_equal(mean.descriptors["size"], descriptors["size"])
    assert set(mean.attrs) == {"noise", "mean_of"}
    differs = RDM([2.0, 1.0, 0.0], "abc", descriptors={"size": np.array([1.0, np.nan, 3.0])})
    assert not RDM.mean([one, differs]).descriptors
