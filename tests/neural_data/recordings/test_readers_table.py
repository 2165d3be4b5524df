"""Tables of responses in the forms that people have, written by pandas, against plain loops over their rows."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tgsage.neural_data import Layout, load, load_teacher, region_rdms
from tgsage.rsa import RSAError

RNG = np.random.default_rng(0)
IMAGES = [f"{i:03d}" for i in (7, 1, 12, 5)]  # names that a number would change
SITES = [f"unit{i}" for i in range(1, 7)]


def wide(**changed: Any) -> pd.DataFrame:
    """Three trials of every image, mixed, with an object and a variation of each image."""
    order = RNG.permutation(np.repeat(np.arange(4), 3))
    frame = pd.DataFrame(RNG.normal(5, 1, (12, 6)), columns=SITES)
    frame.insert(0, "image_id", np.array(IMAGES)[order])
    frame.insert(1, "object", np.array(["car", "car", "dog", "dog"])[order])
    frame.insert(2, "variation", np.array([0, 3, 6, 6])[order])
    return frame.assign(**changed)


def write(frame: pd.DataFrame, path: Path, **how: Any) -> Path:
    kinds = {".csv": frame.to_csv, ".tsv": frame.to_csv, ".parquet": frame.to_parquet, ".xlsx": frame.to_excel}
    kinds[path.suffix](path, **{"index": False, **({"sep": "\t"} if path.suffix == ".tsv" else {}), **how})
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".xlsx"])
def test_a_wide_table_is_a_recording(suffix: str, tmp_path: Path) -> None:
    if suffix == ".xlsx":
        pytest.importorskip("openpyxl")
    frame = wide()
    one = load(write(frame, tmp_path / f"table{suffix}"), region="V4")
    assert one["stimulus_id"].values.tolist() == frame["image_id"].tolist()
    assert one["neuroid_id"].values.tolist() == SITES
    np.testing.assert_allclose(one.values, frame[SITES].to_numpy(), rtol=1e-12)
    assert set(one["region"].values) == {"V4"}
    assert one["object"].values.tolist() == frame["object"].tolist()
    assert one["variation"].values.tolist() == frame["variation"].tolist()
    seen: dict[str, int] = {}
    for name, repetition in zip(frame["image_id"], one["repetition"].values, strict=True):
        assert repetition == seen.get(name, 0)
        seen[name] = seen.get(name, 0) + 1
    read_as = one.attrs["read_as"]
    assert "image_id is the stimulus" in read_as
    assert "6 columns (unit1 to unit6) the neuroids" in read_as
    assert "region V4 for all neuroids, as given" in read_as
    assert "object, variation" in read_as


def test_an_index_without_a_name_is_left_out_if_it_numbers_rows_and_names_stimuli_if_it_holds_texts(
    tmp_path: Path,
) -> None:
    numbered = load(write(wide(), tmp_path / "numbered.csv", index=True), region="V4")
    assert "column" not in numbered.coords
    means = pd.DataFrame(RNG.normal(size=(4, 3)), index=IMAGES, columns=["a1", "a2", "a3"])
    means.index = [f"im{name}" for name in IMAGES]
    named = load(write(means, tmp_path / "named.csv", index=True), region="V4")
    assert named["stimulus_id"].values.tolist() == list(means.index)


def test_regions_are_taken_from_the_names_of_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame(RNG.normal(size=(4, 5)), columns=["V4_1", "V4_2", "IT_1", "IT_2", "IT_3"])
    one = load(write(frame.assign(stimulus=IMAGES), tmp_path / "table.csv"))
    assert one["region"].values.tolist() == ["V4", "V4", "IT", "IT", "IT"]
    assert "regions from the names of the columns" in one.attrs["read_as"]


def test_columns_that_are_named_by_the_user_are_taken(tmp_path: Path) -> None:
    frame = wide(luminance=RNG.normal(size=12), mask=[f"m{name}" for name in IMAGES * 3]).rename(
        columns={"image_id": "shown"}
    )
    path = write(frame, tmp_path / "table.csv")
    with pytest.raises(RSAError, match=r"which column names the stimuli\? 'shown', 'object'.* --stimulus-ids|unclear"):
        load(path)
    one = load(path, stimulus_ids="shown", neuroid_ids="unit1,unit[3-5]", region="V4")
    np.testing.assert_allclose(one.values, frame[["unit1", "unit3", "unit4", "unit5"]].to_numpy())
    assert one["mask"].values.tolist() == frame["mask"].tolist()


def long(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a wide table, one value each, in mixed order, without three of them."""
    melted = frame.rename_axis("trial").reset_index()
    melted = melted.melt(["trial", "image_id", "object", "variation"], SITES, "neuron", "rate")
    melted["area"] = ["V4" if name in SITES[:3] else "IT" for name in melted["neuron"]]
    return melted.sample(frac=1, random_state=0).iloc[3:]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_long_table_is_the_recording_of_its_wide_form(suffix: str, tmp_path: Path) -> None:
    frame = wide()
    rows = long(frame)
    one = load(write(rows, tmp_path / f"long{suffix}"))
    assert one.shape == (12, 6)
    for trial, site, value in rows[["trial", "neuron", "rate"]].itertuples(index=False):
        at = one.values[one["trial"].values == trial][:, one["neuroid_id"].values == site]
        assert at.item() == pytest.approx(value, rel=1e-12)
    assert np.isnan(one.values).sum() == 3
    by_trial = dict(zip(one["trial"].values.tolist(), one["object"].values.tolist(), strict=True))
    assert by_trial == frame["object"].to_dict()
    regions = dict(zip(one["neuroid_id"].values.tolist(), one["region"].values.tolist(), strict=True))
    assert regions == {name: "V4" if name in SITES[:3] else "IT" for name in SITES}
    assert "rate is the response, image_id the stimulus; neuron the neuroid" in one.attrs["read_as"]


def test_long_tables_without_trials_combine_the_nth_values_and_tell_equal_names_of_two_animals_apart(
    tmp_path: Path,
) -> None:
    table = [
        (image, monkey, unit, value + 10 * repeat)
        for repeat in range(2)
        for value, (image, monkey, unit) in enumerate(
            (image, monkey, unit) for image in "abc" for monkey in ("N", "F") for unit in (1, 2)
        )
    ]
    frame = pd.DataFrame(table, columns=["stimulus", "monkey", "unit", "spike_count"])
    one = load(write(frame, tmp_path / "long.csv"), region="IT")
    assert one["neuroid_id"].values.tolist() == ["N/1", "N/2", "F/1", "F/2"]
    assert one["animal"].values.tolist() == ["N", "N", "F", "F"]
    assert one["repetition"].values.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(one.values, np.concatenate([np.arange(12).reshape(3, 4) + 10 * r for r in (0, 1)]))


def test_a_table_is_a_teacher_that_says_how_it_was_read(tmp_path: Path) -> None:
    path = write(wide(), tmp_path / "table.csv")
    teacher = load_teacher(path, layout=Layout(region="V4"), where=["variation>0"], splits=2)
    assert set(teacher.rdms["V4"].labels) == {"001", "012", "005"}
    assert "variation>0 (9 of 12 presentations)" in str(teacher.attrs["selected"])
    assert "image_id is the stimulus" in str(teacher.attrs["read_as"])
    expected = region_rdms(load(path, region="V4"))["V4"].subset(teacher.rdms["V4"].labels)
    np.testing.assert_allclose(teacher.rdms["V4"].values, expected.values)


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no stimuli": (lambda: wide().drop(columns=["image_id", "object"]), {}, "which column names the stimuli"),
    "two columns of stimuli": (lambda: wide(stim=IMAGES * 3), {}, "image_id, stim could each be the stimulus ids"),
    "two kinds of numbers": (lambda: wide(depth=1.5), {}, r"unclear: unit\*, depth; --neuroid-ids names them"),
    "no numbers": (lambda: wide()[["image_id", "object", "variation"]], {}, "no column holds responses"),
    "text among numbers": (
        lambda: wide(unit3="high"), {"neuroid_ids": "unit*"}, "column unit3 holds 'high' in row 1"
    ),
    "an unknown column": (wide, {"stimulus_ids": "imige_id"}, "no column 'imige_id'; did you mean image_id"),
    "an unknown glob": (wide, {"neuroid_ids": "cell*"}, r"no column is 'cell\*'"),
    "dims": (wide, {"dims": "stimulus,neuroid"}, "--dims is for arrays"),
    "a missing name": (lambda: wide(image_id=[None, *IMAGES * 2, "a", "b", "c"]), {}, "missing"),
    "fractions of repetitions": (lambda: wide(rep=np.arange(12) / 2), {}, "must number the repetitions"),
    "rows of neuroids": (
        lambda: pd.DataFrame({"neuron": ["a", "b"], "im1": [1.0, 2], "im2": [3.0, 4]}), {}, "transpose the table"
    ),
    "one trial twice": (
        lambda: pd.DataFrame({"image": ["a", "a"], "unit": ["u", "u"], "rate": [1.0, 2], "trial": [1, 1]}), {},
        "2 values of neuroid u in one trial of a",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_unclear_or_wrong_ends_in_one_line(case: str, tmp_path: Path) -> None:
    frame, options, message = BAD[case]
    path = write(frame(), tmp_path / "table.csv")
    with pytest.raises(RSAError, match=message) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    "content", [b"image,u1,u1\na,1,2\n", b"image,u1,u2\na,1,2,3,4\n", b"image;u1\n", b"a,\xff\n1,2\n"]
)
def test_damaged_texts_end_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(RSAError, match=re.escape(str(path))):
        load(path)


@pytest.mark.parametrize("suffix", [".parquet", ".xlsx"])
def test_damaged_tables_end_in_one_line(suffix: str, tmp_path: Path) -> None:
    if suffix == ".xlsx":
        pytest.importorskip("openpyxl")
    path = write(wide(), tmp_path / f"table{suffix}")
    content = path.read_bytes()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: len(content) if seed % 4 else int(rng.integers(len(content)))])
        with suppress(RSAError):
            load(path, region="V4")


def test_sheets_are_chosen_by_name(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as book:
        wide().to_excel(book, sheet_name="V4", index=False)
        wide().iloc[:6].to_excel(book, sheet_name="IT", index=False)
    with pytest.raises(RSAError, match="2 sheets; --part names one: V4, IT"):
        load(path)
    assert load(path, part="IT").sizes["presentation"] == 6
    with pytest.raises(RSAError, match="no sheet 'V1'"):
        load(path, part="V1")


@pytest.mark.parametrize(
    ("suffix", "package", "extra"), [(".parquet", "pyarrow", "parquet"), (".xlsx", "openpyxl", "excel")]
)
def test_a_package_that_is_missing_is_named(
    suffix: str, package: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    path = write(wide(), tmp_path / f"table{suffix}")
    for name in (package, f"{package}.parquet"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(RSAError, match=rf"needs {package}.*tgsage\[{extra}\]"):
        load(path)


def test_long_tables_with_time_bins_are_binned(tmp_path: Path) -> None:
    x = RNG.normal(size=(3, 2, 2))  # images, units, bins
    rows = [
        (image, unit, 50 * b, 50 * b + 50, x[i, u, b])
        for i, image in enumerate("abc")
        for u, unit in enumerate(("u", "v"))
        for b in (1, 0)
    ]
    frame = pd.DataFrame(rows, columns=["image", "unit", "time_bin_start", "time_bin_end", "rate"])
    one = load(write(frame, tmp_path / "long.csv"), region="IT")
    np.testing.assert_allclose(one.values, x, rtol=1e-12)
    assert one["time_bin_end"].values.tolist() == [50, 100]
