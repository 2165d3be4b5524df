"""Files are written whole or not at all, and a stranger's file is refused in one line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rsatoolbox.rdm  # noqa: F401 - importing it needs room on the disk
from matplotlib.figure import Figure
from tgsage.rsa import RDM, RSAError, Teacher
from tgsage.rsa.cli.console import write_json
from tgsage.rsa.interop.rsatoolbox import write_rsatoolbox
from tgsage.rsa.io.hdf5 import writing
from tgsage.rsa.io.storage import replacing, steady
from tgsage.rsa.plots.figures import save_figure

from ...files import no_room


@pytest.fixture
def rdm() -> RDM:
    return RDM(
        np.linspace(0, 2, 4950, dtype=np.float32),
        [f"bild_ä{i}" for i in range(100)],
        metric="spearman",
        name="V4",
        by="object_name",
        descriptors={"category_name": [f"c{i % 8}" for i in range(100)], "size/px": np.arange(100) / 3},
        attrs={"scale": "zscore", "neuroids": 33, "repeats": 8.2, "note": None, "simulated": False},
    )


@pytest.fixture
def saved(rdm: RDM, tmp_path: Path) -> Path:
    rdm.save(tmp_path / "rdm.h5")
    return tmp_path / "rdm.h5"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_what_is_loaded(rdm: RDM, saved: Path) -> None:
    again = RDM.load(saved)
    np.testing.assert_array_equal(again.values, rdm.values)
    assert again.values.dtype == np.float32
    for field in ("labels", "metric", "name", "by", "attrs"):
        assert getattr(again, field) == getattr(rdm, field)
    assert again.descriptors["category_name"].tolist() == rdm.descriptors["category_name"].tolist()
    np.testing.assert_array_equal(again.descriptors["size/px"], rdm.descriptors["size/px"])


def test_saving_replaces_an_older_file_and_leaves_nothing_beside_it(rdm: RDM, saved: Path) -> None:
    rdm.replace(name="IT").save(saved)
    assert RDM.load(saved).name == "IT"
    assert names_in(saved.parent) == ["rdm.h5"]


def save_teacher(rdm: RDM, path: Path) -> None:
    Teacher("monkey", {f"area {i}": rdm for i in range(50)}).save(path)


def many_small(rdm: RDM, path: Path) -> None:
    with writing(path, "rdm") as file:
        for i in range(400):
            file[f"group {i}/values"] = rdm.values[:3]


@pytest.mark.parametrize("most", [0, 300, 5000])
@pytest.mark.parametrize(
    "write",
    [
        RDM.save,
        save_teacher,
        many_small,
        lambda rdm, path: write_rsatoolbox(path, {"V4": RDM(rdm.values, [str(i) for i in range(100)])}),
        lambda rdm, path: write_json(path, {"values": rdm.values.tolist()}),
        lambda rdm, path: save_figure(Figure((10, 10)), path.with_suffix(".png")),
    ],
)
def test_a_full_disk_costs_one_line_and_no_older_file(
    write: Callable[[RDM, Path], object], most: int, rdm: RDM, tmp_path: Path
) -> None:
    for suffix in ("", ".png"):
        (tmp_path / f"old{suffix}").write_text("as it was")
    with no_room(most), pytest.raises(RSAError, match=r"^cannot write .*old(\.png)?: File too large$"):
        write(rdm, tmp_path / "old")
    assert names_in(tmp_path) == ["old", "old.png"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"as it was"}
    write(rdm, tmp_path / "old")  # and the process has not suffered


def test_what_could_not_be_written_is_read_back_as_zeros(tmp_path: Path) -> None:
    """HDF5 takes what it reads there for pointers, and frees them."""
    found = bytearray(b"x" * 7)

    def write_and_read() -> None:
        with steady(tmp_path / "file") as file:
            file.write(b"written")
            file.seek(0)
            assert file.readinto(found) == 7

    with no_room(3), pytest.raises(OSError, match="File too large"):
        write_and_read()
    assert bytes(found) == b"wri\0\0\0\0"


def links_out(file: h5py.File) -> None:
    del file["values"]
    file["values"] = h5py.ExternalLink("other.h5", "values")


def links_inside(file: h5py.File) -> None:
    del file["values"]
    file["values"] = h5py.SoftLink("/labels")


def stored_outside(file: h5py.File) -> None:
    del file["values"]
    file.create_dataset("values", (4950,), "f4", external=[("/etc/passwd", 0, 19800)])


def is_virtual(file: h5py.File) -> None:
    del file["values"]
    layout = h5py.VirtualLayout((4950,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "values", (4950,))
    file.create_virtual_dataset("values", layout)


def claims_a_terabyte(file: h5py.File) -> None:
    del file["values"]
    file.create_dataset("values", (2**38,), "f4", chunks=(2**20,))


def claims_a_terabyte_of_labels(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (2**37,), h5py.string_dtype(), chunks=(2**20,))


def holds_a_compound(file: h5py.File) -> None:
    del file["values"]
    file["values"] = np.zeros(4950, [("x", "f4"), ("y", "f4")])


def holds_a_group(file: h5py.File) -> None:
    del file["values"]
    file.create_group("values")


def set_attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file.attrs[name] = value

    return change


def drop(name: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del (file.attrs if name in file.attrs else file)[name]

    return change


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (links_out, "values is a link, not data"),
        (links_inside, "values is a link, not data"),
        (stored_outside, "values lies in another file"),
        (is_virtual, "values lies in another file"),
        (claims_a_terabyte, r"values claims 274877906944 values but holds 0 bytes"),
        (claims_a_terabyte_of_labels, r"labels claims 137438953472 values but holds 0 bytes"),
        (holds_a_compound, "values holds .*, not numbers or texts"),
        (holds_a_group, "values is a group, not data"),
        (drop("values"), "it has no values"),
        (drop("labels"), "it has no labels"),
        (drop("metric"), "attribute metric is missing"),
        (set_attribute("metric", 3), "attribute metric is not text"),
        (set_attribute("attrs", "{"), "attribute attrs is not JSON"),
        (set_attribute("attrs", "[" * 10**5), "attribute attrs is not JSON"),
        (set_attribute("attrs", "[1]"), "attribute attrs is JSON, but not an object"),
        (set_attribute("metric", b"\xff\xfe"), "attribute metric is not UTF-8 text"),
        (set_attribute("format", "tgsage-teacher"), "is not a tgsage rdm file but a tgsage-teacher file"),
        (drop("format"), "is not a tgsage rdm file$"),
        (set_attribute("version", 2), "has version 2; this tgsage reads version 1"),
    ],
)
def test_a_strange_file_is_refused_by_name(spoil: Callable[[h5py.File], None], message: str, saved: Path) -> None:
    with h5py.File(saved, "a") as file:
        spoil(file)
    with pytest.raises(RSAError, match=f"^{re.escape(str(saved))}.*{message}") as caught:
        RDM.load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 100, 3000, 15000])
def test_a_truncated_file_is_refused_by_name(length: int, saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(RSAError, match=f"^{re.escape(str(saved))} cannot be read") as caught:
        RDM.load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04\x95pickle", json.dumps({"values": [1]}).encode()])
def test_other_kinds_of_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(RSAError, match=r"x\.h5 cannot be read"):
        RDM.load(tmp_path / "x.h5")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match=r"x\.h5: no such file"):
        RDM.load(tmp_path / "x.h5")


def test_unwritable_targets_are_named_and_nothing_is_left(rdm: RDM, tmp_path: Path) -> None:
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "no folder/x.h5", tmp_path / "file/x.h5", tmp_path / "folder.h5"):
        with pytest.raises(RSAError, match=f"cannot write {re.escape(str(path))}: "):
            rdm.save(path)
    assert names_in(tmp_path) == ["file", "folder.h5"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
def test_an_interrupted_write_leaves_the_older_file(error: type[BaseException], rdm: RDM, saved: Path) -> None:
    before = saved.read_bytes()

    def interrupted() -> None:
        with writing(saved, "rdm") as file:
            rdm.write(file)
            raise error

    with pytest.raises(error):
        interrupted()
    assert saved.read_bytes() == before
    assert names_in(saved.parent) == ["rdm.h5"]


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    def full() -> None:
        with replacing(tmp_path / "x.h5"):
            raise OSError(28, "No space left on device")

    with pytest.raises(RSAError, match=r"cannot write .*x\.h5: No space left on device"):
        full()
    assert not names_in(tmp_path)


def test_new_files_have_the_usual_permissions(saved: Path) -> None:
    (plain := saved.with_name("plain")).touch()
    assert saved.stat().st_mode == plain.stat().st_mode
