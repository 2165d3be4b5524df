"""Names of rows: missing ones refused, those of pandas, xarray and masked arrays used, other spellings matched."""

import unicodedata
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from tgsage.rsa import RDM, Features, Guidance, RSAError, Stimuli, Teacher, compare, compute_rdm
from tgsage.rsa.labels import as_text, beside, check_labels, check_names, named_rows, respelled, row_labels
from tgsage.rsa.rdm.comparison import align

GAPS: tuple[object, ...] = (None, np.nan, float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT", "s"))
GAPS += (Decimal("NaN"), np.ma.masked, "", " \t", "nan", "None", "<NA>", "NaT", b"")


@pytest.mark.parametrize("gap", GAPS, ids=repr)
def test_missing_names_are_refused_with_their_positions(gap: object) -> None:
    names = ["a", "b", gap, "a", gap]
    with pytest.raises(RSAError, match=r"^2 of 5 groups are missing .* positions 2, 4 from 0"):
        check_names(names, "groups")
    with pytest.raises(RSAError, match=r"^1 of 2 labels are missing .* positions 1 from 0"):
        check_labels(["a", gap])
    with pytest.raises(RSAError, match="missing"):
        RDM([1.0, 2.0, 3.0], ["a", gap, "c"])


@pytest.mark.parametrize(
    "column",
    [
        np.array(["a", np.nan]),  # numpy writes "nan"
        pd.Series(["a", None]),
        pd.Series(["a", pd.NA], dtype="string"),
        pd.Categorical(["a", None]),
        pd.Index(["a", None]),
        pd.to_datetime(pd.Series(["2020-01-01", None])),
        pd.array([1, None], dtype="Int64"),
        np.ma.array([1, 2], mask=[False, True]),
        np.ma.array(["a", "b"], mask=[False, True]),
        xr.DataArray([1.0, np.nan]),
        torch.tensor([1.0, float("nan")]),
    ],
    ids=repr,
)
def test_missing_names_of_arrays_and_columns_are_refused(column: object) -> None:
    with pytest.raises(RSAError, match=r"1 of 2 labels are missing .* positions 1 "):
        check_labels(column)  # type: ignore[arg-type]


def test_names_keep_their_text() -> None:
    assert check_labels(["07", "1_23", "1e3", "NA", "null", "inf"]) == ("07", "1_23", "1e3", "NA", "null", "inf")
    mixed = [b"a", np.str_("b"), 3, np.int64(4), np.float32(0.5), Path("x/y"), True]
    assert check_labels(mixed) == ("a", "b", "3", "4", "0.5", "x/y", "True")
    assert check_labels(np.array([b"caf\xc3\xa9", b"x"])) == ("café", "x")
    assert check_labels(np.array(["2020-01-01", "2020-01-02"], "M8[ns]")[:1])[0].startswith("2020-01-01")
    assert check_labels(torch.arange(3)) == check_labels(range(3)) == check_labels(np.arange(3)) == ("0", "1", "2")
    assert as_text(np.array([3])) == "3"


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ([("a", 1), ("a", 2)], r"one text or number, got \('a', 1\)"),
        (np.array([["a", "1"], ["b", "2"]]), r"per row, got shape \(2, 2\)"),
        ([np.arange(2), np.arange(2)], r"an array of shape \(2,\)"),
        (5, "per row, got int"),
        ({"a"}, "no order"),
        (["a", "b\0"], "NUL"),
        (["a", "\udce9"], "no UTF-8"),
        ([b"\xe9"], "no UTF-8"),
    ],
    ids=str,
)
def test_what_is_no_name_is_refused(labels: object, match: str) -> None:
    with pytest.raises(RSAError, match=match):
        check_labels(labels)  # type: ignore[arg-type]


X = np.arange(12.0).reshape(4, 3)


def test_rows_come_with_their_names() -> None:
    for plain in (X, X.tolist(), torch.tensor(X)):
        assert named_rows(plain)[1] is None
    frame = pd.DataFrame(X, index=list("abcd"))
    assert named_rows(frame)[1] == named_rows(frame[0])[1] == list("abcd")
    assert named_rows(pd.DataFrame(X).iloc[2:])[1] == ["2", "3"]
    flat = xr.DataArray(X, dims=("presentation", "neuroid"))
    assert named_rows(flat)[1] is None
    assert named_rows(flat.assign_coords(presentation=list("abcd")))[1] == list("abcd")
    flat = flat.assign_coords(object_name=("presentation", list("xxyy")), image=("presentation", [4, 3, 2, 1]))
    assert named_rows(flat)[1] == ["4", "3", "2", "1"]
    assert named_rows(flat.assign_coords(stimulus_id=("presentation", list("aabb"))))[1] == list("aabb")
    with pytest.raises(RSAError, match=r"several columns could be the names; .*: image, run"):
        named_rows(flat.assign_coords(run=("presentation", list("pqrs"))))
    with pytest.raises(RSAError, match=r"names of 2 levels \(u, v\)"):
        named_rows(pd.DataFrame(X, pd.MultiIndex.from_product([[1, 2], [3, 4]], names=["u", "v"])))
    with pytest.raises(RSAError, match="positions 1 "):
        named_rows(pd.DataFrame(X, index=["a", None, "c", "d"]))


def test_masked_values_are_missing_values() -> None:
    mask = X == 4
    expected = np.where(mask, np.nan, X)
    for masked in (np.ma.array(X, mask=mask), np.ma.array(X.astype(int), mask=mask)):
        np.testing.assert_array_equal(named_rows(masked)[0], expected)
        np.testing.assert_array_equal(named_rows(list(masked))[0], expected)
    assert named_rows(np.ma.array(X.astype(np.float32), mask=mask))[0].dtype == np.float32
    frame = pd.DataFrame({"i": pd.array([1, None], "Int64"), "f": [1.5, 2.5], "b": [True, False]})
    np.testing.assert_array_equal(named_rows(frame)[0], [[1, 1.5, 1], [np.nan, 2.5, 0]])
    assert named_rows(pd.DataFrame(X.astype(np.float32)))[0].dtype == np.float32
    assert named_rows(X)[0] is X


def test_labels_may_repeat_or_rename_the_names_of_the_data_but_not_contradict_them() -> None:
    own = list("abc")
    assert row_labels(None, None) is None
    assert row_labels(own, None) == own
    assert row_labels(None, range(3)) == ["0", "1", "2"]
    assert row_labels(own, np.array(own)) == own
    assert row_labels(["0", "1", "2"], own) == own
    renamed = pd.Series(["z", "y", "x"], list("cba"))
    assert row_labels(own, renamed) == ["x", "y", "z"]
    for other in (["a", "c", "b"], pd.Series(["a", "c", "b"]), xr.DataArray(["a", "c", "b"])):
        with pytest.raises(RSAError, match="row 1 is 'b' there and 'c' in labels="):
            row_labels(own, other)


def test_columns_go_to_their_rows_by_name() -> None:
    rows = list("abc")
    groups = pd.Series(["u", "v", "w"], list("cab"))
    assert beside(groups, rows, "groups") == ["v", "w", "u"]
    assert beside(groups.to_xarray(), rows, "groups") == ["v", "w", "u"]
    assert beside(groups, None, "groups") == beside(groups.tolist(), rows, "groups") == ["u", "v", "w"]
    assert beside(groups.reset_index(drop=True), rows, "groups") == ["u", "v", "w"]
    shuffled = pd.Series(["u", "v", "w"], [2, 0, 1])
    assert beside(shuffled, ["0", "1", "2"], "groups") == ["v", "w", "u"]
    with pytest.raises(RSAError, match=r"number 0 is 'a', and 'd' in groups"):
        beside(pd.Series(["u", "v", "w"], list("dab")), rows, "groups")
    with pytest.raises(RSAError, match=r"number 2 is 'c', and absent in groups"):
        beside(pd.Series(["u", "v"], list("ab")), rows, "groups")
    with pytest.raises(RSAError, match=r"number 1 is 'b', and 'a' in folds"):  # repeated names have no one place
        beside(pd.Series(["u", "v", "w"], list("aab")), ["a", "b", "a"], "folds")


NFC, NFD = (unicodedata.normalize(form, "Löwe") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("wanted", "known", "found"),
    [
        (["a.png", "b.JPG"], ["b", "a", "c"], {"a": "a.png", "b": "b.JPG"}),
        (["a", "b"], ["a.png", "b.png"], {"a.png": "a", "b.png": "b"}),
        ([NFC, "b"], [NFD, "b"], {NFD: NFC}),
        ([f"{NFD}.tif"], [NFC], {NFC: f"{NFD}.tif"}),
        (["a", "b"], ["b", "a"], {}),
        (["a.png"], ["a.jpg"], {"a.jpg": "a.png"}),
        (["a.png", "a.jpg"], ["a"], {}),  # which of them?
        (["a"], ["a.png", "a.jpg"], {}),
        (["a.1", "b"], ["a", "b"], {}),  # no suffix of images
        (["a", "a.png"], ["a", "b"], {}),
        (["A.png"], ["a"], {}),
    ],
)
def test_a_name_is_matched_where_no_other_one_is_meant(
    wanted: list[str], known: list[str], found: dict[str, str]
) -> None:
    if found:
        with pytest.warns(UserWarning, match=f"^{len(found)} names are matched although they are spelled differently"):
            assert respelled(wanted, known) == found
    else:
        assert respelled(wanted, known) == found


def test_rdms_and_features_are_aligned_by_names_in_either_spelling() -> None:
    x = np.random.default_rng(0).normal(size=(5, 8))
    names = ["a.png", "b.png", f"{NFD}.png", "d.png", "e.png"]
    order = [3, 1, 4, 0, 2]
    others = ["a", "b", NFC, "d", "e"]
    one, other = compute_rdm(x, labels=names), compute_rdm(x[order], labels=[others[i] for i in order])
    with pytest.warns(UserWarning, match=r"5 labels are matched although .*: 'a' = 'a.png', 'b' = 'b.png'"):
        assert compare(one, other) == pytest.approx(1)
    assert other.labels[0] == "d"
    first, second = Features(x, names), Features(x[order], [others[i] for i in order])
    with pytest.warns(UserWarning, match="5 labels are matched"):
        (a,), (b,) = align({"a": first}, {"b": second})
    np.testing.assert_array_equal(a.values, b.values)
    assert a.labels == b.labels == tuple(names)


def test_what_is_spelled_the_same_on_one_side_is_not_guessed() -> None:
    x = np.random.default_rng(0).normal(size=(4, 8))
    one = compute_rdm(x, labels=["a.png", "a.jpg", "b", "c"], name="photos")
    with pytest.raises(RSAError, match=r"2 only in 'photos' \(a.png, a.jpg\), 2 only in 'b' \(a, d\)$"):
        compare(one, compute_rdm(x, labels=["a", "d", "b", "c"]))
    with pytest.raises(RSAError, match=r"^no label is in both: 'photos' has 'a.png', 'a.jpg', .+'b' has '0'"):
        compare(one, compute_rdm(x), allow_subset=True)


def test_a_teacher_finds_its_images_under_another_spelling() -> None:
    pictures = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    names = ["a.png", "b.png", f"{NFD}.png", "d.png", "e.png"]
    order = [4, 2, 0, 1, 3]
    here = ["a", "b", NFC, "d", "e"]
    stimuli = Stimuli([pictures[i] for i in order], {"stimulus_id": [here[i] for i in order]})
    target = compute_rdm(pictures.flatten(1), labels=names)
    teacher = Teacher.from_rdms("t", {"pixels": target}, stimuli="x", stimulus_ids=names)
    with pytest.warns(UserWarning, match="5 stimuli are matched although they are spelled differently"):
        guide = Guidance(teacher, stimuli, layers="output")
    assert guide(torch.nn.Flatten()).tg == pytest.approx(1)
    assert guide.stimuli.table["stimulus_id"].tolist() == [names[i] for i in order]
    message = r"no stimulus for 5 of 5 .*: the list of conditions has 'a.png', 'b.png', .*, that of stimuli has '0'"
    with pytest.raises(RSAError, match=message):
        Guidance(teacher, Stimuli(list(pictures)), layers="output")
    with pytest.raises(RSAError, match=r"no stimulus for 1 of 5 conditions by stimulus: e.png$"):
        teacher.select(Stimuli(list(pictures), {"stimulus_id": [*names[:4], "x"]}))


def test_a_second_name_of_the_same_form_on_either_side_matches_nothing() -> None:
    assert respelled(["a", "a.png"], ["a.png", "a.jpg"]) == {}
    assert respelled(["a"], ["a.png", "a.jpg"]) == {}
