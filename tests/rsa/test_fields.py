"""Descriptors, attributes and ceilings hold what people put there, or say at once which field is wrong."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tgsage.rsa import RDM, Features, RSAError
from tgsage.rsa import Teacher as TypedTeacher
from tgsage.rsa.cli.console import write_json

Teacher: Any = TypedTeacher  # what people put there is of other types, too
NAMES = list("abc")
ATTRIBUTES = [
    # name, as given, as it is kept
    ("path", Path("a/b"), "a/b"),
    ("int", np.int64(3), 3),
    ("float", np.float32(0.5), 0.5),
    ("bool", np.bool_(True), True),
    ("text", np.str_("x"), "x"),
    ("none", None, None),
    ("array", np.array([4]), 4),
    ("tensor", torch.tensor(5), 5),
    ("bytes", b"caf\xc3\xa9", "café"),
    (np.str_("key"), 1, 1),
]
ATTRS: dict[str, Any] = {name: given for name, given, _ in ATTRIBUTES}
PLAIN = {str(name): kept for name, _, kept in ATTRIBUTES}


def rdm(**fields: Any) -> RDM:
    return RDM([1.0, 2.0, 3.0], NAMES, **fields)


def features(**fields: Any) -> Features:
    return Features(np.eye(3), NAMES, **fields)


def test_attributes_are_plain_from_the_start_and_come_back(tmp_path: Path) -> None:
    teacher = Teacher(
        "t",
        {np.str_("IT"): rdm(attrs=ATTRS)},
        {"IT": np.array([0.5, 0.75], np.float32)},
        stimuli=Path("x"),
        attrs=ATTRS,
        stimulus_ids=np.array(NAMES),
        features={"IT": features(attrs=ATTRS)},
    )
    teacher.save(tmp_path / "t.h5")
    rdm(attrs=ATTRS).save(tmp_path / "r.h5")
    back = Teacher.load(tmp_path / "t.h5")
    loaded = (back, back.rdms["IT"], back.features["IT"], RDM.load(tmp_path / "r.h5"))
    for attrs in (item.attrs for item in (teacher, rdm(attrs=ATTRS), *loaded)):
        assert dict(attrs) == PLAIN
        assert {type(value) for value in attrs.values()} <= {str, int, float, bool, type(None)}
    assert (back.ceilings, back.stimuli, back.stimulus_ids) == ({"IT": (0.5, 0.75)}, "x", tuple(NAMES))
    rdm(attrs=ATTRS).to_xarray().to_netcdf(tmp_path / "r.nc", engine="h5netcdf")
    write_json(tmp_path / "r.json", {"attrs": ATTRS, "values": np.arange(2), "frame": {Path("k"): date(2020, 1, 2)}})
    assert '"frame": {\n    "k": "2020-01-02"' in (tmp_path / "r.json").read_text()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: rdm(attrs={"sites": np.arange(3)}),
            "RDM: attribute sites must be text, a number or None, got ndarray",
        ),
        (lambda: features(name="V4", attrs={"x": {}}), "features 'V4': attribute x must be .* got dict"),
        (lambda: Teacher("t", {"IT": rdm()}, attrs={"x": [1]}), "teacher 't': attribute x must be .* got list"),
        (lambda: Teacher("t", {"IT": rdm()}, {"IT": 0.9}), r"the ceiling of IT must be two numbers .* got 0\.9"),
        (lambda: Teacher("t", {"IT": rdm()}, {"IT": ("a", 1)}), r"the ceiling of IT must be two numbers"),
        (lambda: Teacher("t", {"IT": np.eye(3)}), "IT is no RDM but ndarray"),
        (lambda: Teacher("t", {"IT": rdm()}, stimuli=3), "stimuli must be text, got 3"),
        (lambda: rdm(metric=3), r"metric must be text, got 3 \(int\)"),
        (lambda: features(by=["x"]), "by must be text"),
        (lambda: rdm(descriptors={"x": [1, 2]}), r"descriptor x has shape \(2,\), expected \(3,\)"),
        (lambda: rdm(descriptors={"x": [{}, {}, {}]}), "descriptor x: a name is one text or number"),
        (lambda: features(descriptors={"x": [1j, 2, 3]}), "descriptor x: numbers or texts are needed, got complex128"),
        (lambda: rdm(descriptors={"x": pd.Series([1, 2, 3], list("abd"))}), "descriptor x and what it belongs to"),
    ],
)
def test_what_cannot_be_kept_is_named_before_work_is_lost(make: Callable[[], object], message: str) -> None:
    with pytest.raises(RSAError, match=message):
        make()


def test_nothing_is_a_metric_or_a_kind_of_condition_or_a_ceiling() -> None:
    bare = rdm(metric=None, by=None, name=None)
    assert (bare.metric, bare.by, bare.name) == ("unknown", "stimulus", "")
    assert Teacher("t", {"IT": rdm()}, {"IT": None}).ceilings == {}


COLUMNS: list[tuple[str, Any, list[object]]] = [
    # name, as given, as it is kept
    ("text", ["x", None, np.nan], ["x", "", ""]),
    ("series", pd.Series([3, 1, 2], list("cab")), [1, 2, 3]),
    ("bytes", [b"u", b"v", b"w"], ["u", "v", "w"]),
    ("gaps", [1, None, 3], [1, np.nan, 3]),
    ("nullable", pd.array([1, None, 3], dtype="Int64"), [1, np.nan, 3]),
    ("strings", pd.Series(["u", pd.NA, "w"]), ["u", "", "w"]),
    ("masked", np.ma.array([1, 2, 3], mask=[False, True, False]), [1, np.nan, 3]),
    ("masked text", np.ma.array(np.array(NAMES), mask=[False, True, False]), ["a", "", "c"]),
    ("real", ["nan", "None", "1e3"], ["nan", "None", "1e3"]),
    ("flag", [True, False, True], [True, False, True]),
    ("category", pd.Categorical(["x", None, "y"]), ["x", "", "y"]),
]


def test_descriptors_keep_numbers_and_texts_and_go_to_their_conditions_by_name(tmp_path: Path) -> None:
    columns = {name: given for name, given, _ in COLUMNS}
    made = rdm(descriptors=columns)
    made.save(tmp_path / "r.h5")
    for found in (made, RDM.load(tmp_path / "r.h5"), features(descriptors=columns)):
        for name, _, kept in COLUMNS:
            np.testing.assert_array_equal(found.descriptors[name], kept)
