"""Images from archives, folders and arrays: order, safety, and errors that name every bad one."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from tgsage.neural_data import from_arrays, images, load, match_images
from tgsage.neural_data.catalogue.images import read_table
from tgsage.rsa import RSAError, Stimuli


def picture(value: int, size: tuple[int, int] = (8, 6), mode: str = "RGB", kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, (value, value // 2, 7) if mode == "RGB" else value).save(out, kind)
    return out.getvalue()


def archive(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


MEMBERS = {"set/b.png": picture(20), "set/a.jpg": picture(10, kind="JPEG"), "set/readme.txt": b"", "c.PNG": picture(30)}


def value(stimuli: Stimuli, i: int) -> int:
    return int(np.asarray(stimuli[i])[0, 0, 0])


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_images_of_an_archive_come_in_order_of_their_names(packing: int, tmp_path: Path) -> None:
    stimuli = images(archive(tmp_path / "no_suffix", MEMBERS, packing))
    assert stimuli.table["stimulus_id"].tolist() == ["c", "a", "b"]
    assert [value(stimuli, i) for i in range(3)] == [30, pytest.approx(10, abs=2), 20]
    assert stimuli[0].mode == "RGB"
    assert stimuli[0].size == (8, 6)


def test_a_folder_gives_what_its_archive_gives(tmp_path: Path) -> None:
    with zipfile.ZipFile(archive(tmp_path / "x.zip", MEMBERS)) as file:
        file.extractall(tmp_path / "folder")
    zipped, folder = images(tmp_path / "x.zip"), images(tmp_path / "folder")
    assert folder.table["stimulus_id"].tolist() == zipped.table["stimulus_id"].tolist()
    for i in range(3):
        np.testing.assert_array_equal(np.asarray(folder[i]), np.asarray(zipped[i]))


def test_names_that_differ_only_by_folder_stay_distinct(tmp_path: Path) -> None:
    stimuli = images(archive(tmp_path / "x.zip", {"a/1.png": picture(1), "b/1.png": picture(2)}))
    assert stimuli.table["stimulus_id"].tolist() == ["a/1", "b/1"]


def test_grey_and_palette_images_become_rgb(tmp_path: Path) -> None:
    stimuli = images(archive(tmp_path / "x.zip", {"1.png": picture(9, mode="L"), "2.png": picture(9, mode="P")}))
    assert [stimuli[i].mode for i in range(2)] == ["RGB", "RGB"]
    assert np.asarray(stimuli[0])[0, 0].tolist() == [9, 9, 9]


def encoded(pixels: Any, mode: str | None = None, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels, mode).save(out, kind) if mode is None else Image.new(mode, (2, 2), pixels).save(out, kind)
    return out.getvalue()


def test_transparent_parts_show_grey_and_16_bits_are_scaled(tmp_path: Path) -> None:
    clear, half = np.zeros((2, 2, 4), np.uint8), np.full((2, 2, 4), (255, 0, 0, 51), np.uint8)
    deep = np.array([[0, 257], [32896, 65535]], np.uint16)
    members = {
        "1.png": encoded(clear),
        "2.png": encoded(half),
        "3.png": encoded(deep),
        "4.tif": encoded(deep, kind="TIFF"),
    }
    stimuli = images(archive(tmp_path / "x.zip", members | {"5.tif": encoded(0.5, "F", "TIFF")}))
    assert np.asarray(stimuli[0])[0, 0].tolist() == [128, 128, 128]
    assert np.asarray(stimuli[1])[0, 0].tolist() == pytest.approx([0.2 * 255 + 0.8 * 128, 0.8 * 128, 0.8 * 128], abs=1)
    for i in (2, 3):
        assert np.asarray(stimuli[i])[..., 1].tolist() == [[0, 1], [128, 255]]
    with pytest.raises(RSAError, match=r"5.tif \(pixels of 32 bits \(mode F\) have no known white; convert"):
        stimuli[4]


def test_a_table_is_found_beside_names_with_dots(tmp_path: Path) -> None:
    with zipfile.ZipFile(archive(tmp_path / "set_v1.2.zip", MEMBERS)) as file:
        file.extractall(tmp_path / "set_v1.2")
    (tmp_path / "set_v1.2.csv").write_text("stimulus_id,filename\none,b.png\n")
    (tmp_path / "set_v1.csv").write_text("stimulus_id,filename\nother,a.jpg\n")
    for name in ("set_v1.2.zip", "set_v1.2"):
        assert images(tmp_path / name).table["stimulus_id"].tolist() == ["one"]


def test_images_are_those_of_the_recording_by_name(data_dir: Path) -> None:
    for session, n in (("190923", 1200), ("210325", 640)):
        stimuli, one = (
            images(f"cowley2023/{session}", data_dir=data_dir),
            load(f"cowley2023/{session}", data_dir=data_dir),
        )
        assert len(stimuli) == n
        assert stimuli[5].size == (112, 112)
        assert stimuli.table["stimulus_id"].tolist() == list(dict.fromkeys(one["stimulus_id"].values.tolist()))
        assert stimuli.reference == f"cowley2023/{session}"


def test_other_sessions_share_ids_with_their_images_when_read_by_path(tmp_path: Path) -> None:
    members = {f"image{i:04d}.png": picture(1) for i in range(1, 401)}
    np.save(tmp_path / "responses_210305.npy", np.zeros((70, 400)))
    ids = images(archive(tmp_path / "images_210305.zip", members)).table["stimulus_id"].tolist()
    assert ids == load(tmp_path / "responses_210305.npy")["stimulus_id"].values.tolist()
    (tmp_path / "other").mkdir()
    for name, kept in (("images_210305", 399), ("images_250101", 400), ("images", 400)):
        path = archive(tmp_path / "other" / f"{name}.zip", dict(list(members.items())[:kept]))
        assert images(path).table["stimulus_id"].tolist() == [f"image{i:04d}" for i in range(1, kept + 1)]


def test_images_follow_the_order_of_a_recording(tmp_path: Path) -> None:
    stimuli = images(archive(tmp_path / "x.zip", MEMBERS))
    one = from_arrays(np.zeros((4, 1)), stimulus_id=["b", "a", "b", "c"])
    matched = match_images(one, stimuli)
    assert matched.table["stimulus_id"].tolist() == ["b", "a", "c"]
    assert [value(matched, i) for i in (0, 2)] == [20, 30]
    with pytest.raises(RSAError, match="2 of 3 stimuli have no image: x, y"):
        match_images(from_arrays(np.zeros((3, 1)), stimulus_id=["x", "a", "y"]), stimuli)


def test_any_number_of_threads_and_processes_may_share_the_images(tmp_path: Path) -> None:
    stimuli = images(archive(tmp_path / "x.zip", {f"{i:03d}.png": picture(i, (40, 40)) for i in range(200)}))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: value(stimuli, i), range(200))) == list(range(200))
    copy = pickle.loads(pickle.dumps(stimuli))
    loader = torch.utils.data.DataLoader(
        copy, batch_size=None, num_workers=2, collate_fn=lambda image: np.asarray(image)[0, 0, 0]
    )
    assert [int(v) for v in loader] == list(range(200))


TABLE = "image_id,filename,object_name,size,n\nid1,b.png,dog,1.5,3\nid0,a.jpg,cat,2,4\n"


def test_a_table_beside_the_archive_gives_ids_order_and_columns(tmp_path: Path) -> None:
    archive(tmp_path / "x.zip", MEMBERS)
    (tmp_path / "x.csv").write_text(TABLE)
    stimuli = images(tmp_path / "x.zip")
    assert stimuli.table["stimulus_id"].tolist() == ["id1", "id0"]
    assert stimuli.table["object_name"].tolist() == ["dog", "cat"]
    assert stimuli.table["size"].tolist() == [1.5, 2.0]
    assert stimuli.table["n"].dtype == np.int64
    assert value(stimuli, 0) == 20


def test_a_table_without_file_names_finds_images_by_id(tmp_path: Path) -> None:
    archive(tmp_path / "x.zip", MEMBERS)
    (tmp_path / "x.csv").write_text("stimulus_id,image_id\nb,7\n")
    stimuli = images(tmp_path / "x.zip")
    assert stimuli.table["stimulus_id"].tolist() == ["b"]
    assert value(stimuli, 0) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TABLE + "id2,z.png,dog,1,1\nid3,y.png,dog,1,1\n", "x.zip lacks 2 of 4 images that x.csv lists: z.png, y.png"),
        ("filename\nb.png\n", "no column stimulus_id; there are: filename"),
        ("stimulus_id,a\nb\n", "1 rows differ from the first in number of columns: rows 2"),
        ("", "cannot be read as a table"),
        ("stimulus_id,filename\nx,b.png\nx,a.jpg\n", "labels must be unique; 1 occur more than once: x"),
    ],
)
def test_tables_that_do_not_fit_are_named(text: str, message: str, tmp_path: Path) -> None:
    archive(tmp_path / "x.zip", MEMBERS)
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(RSAError, match=message) as caught:
        images(tmp_path / "x.zip")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("as_folder", [False, True])
def test_all_images_that_cannot_be_decoded_are_named_in_one_error(as_folder: bool, tmp_path: Path) -> None:
    members = {f"{i}.png": picture(i) for i in range(6)} | {"2.png": b"", "4.png": picture(9)[:-30], "5.png": b"GIF89a"}
    path = archive(tmp_path / "x.zip", members)
    if as_folder:
        with zipfile.ZipFile(path) as file:
            file.extractall(tmp_path / "folder")
        path = tmp_path / "folder"
    stimuli = images(path)
    assert value(stimuli, 1) == 1
    with pytest.raises(RSAError, match=r"3 of 6 images cannot be decoded: 2.png, 4.png, 5.png \(") as caught:
        stimuli[4]
    assert "\n" not in str(caught.value)


def _patch_sizes(path: Path, claimed: int) -> None:
    """Lie about the size of the first member, in its local header and in the directory."""
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, 22, claimed)
    struct.pack_into("<I", content, directory + 24, claimed)
    path.write_bytes(content)


def test_a_zip_bomb_is_refused_by_its_claim_and_by_its_content(tmp_path: Path) -> None:
    archive(tmp_path / "claims.zip", {"a.png": bytes(65 * 2**20)})
    with pytest.raises(RSAError, match=r"1 images claim more than 64 MiB: a\.png"):
        images(tmp_path / "claims.zip")
    archive(tmp_path / "lies.zip", {"a.png": bytes(65 * 2**20)})
    _patch_sizes(tmp_path / "lies.zip", 100)
    with pytest.raises(RSAError, match="its size or checksum is not the archive's"):
        images(tmp_path / "lies.zip")[0]


def test_an_image_with_too_many_pixels_is_refused(tmp_path: Path) -> None:
    stimuli = images(archive(tmp_path / "x.zip", {"a.png": picture(1, (8300, 8300), "1")}))
    with pytest.raises(RSAError, match=r"8300 x 8300 pixels are too many"):
        stimuli[0]


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png"])
def test_names_that_lead_out_of_the_archive_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path = archive(tmp_path / "deep" / "x.zip", {name: picture(1)})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RSAError, match="names files outside itself"):
        images(path)
    assert sorted(tmp_path.rglob("*")) == before


def _no_archive(path: Path) -> None:
    path.write_bytes(archive(path, MEMBERS).read_bytes()[:-40])


def _encrypted(path: Path) -> None:
    content = bytearray(archive(path, MEMBERS).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (_no_archive, "cannot be read as a zip archive"),
    "encrypted": (_encrypted, "1 images are encrypted or packed in another way"),
    "another packing": (lambda path: archive(path, MEMBERS, zipfile.ZIP_LZMA), "3 images are encrypted or packed"),
    "no images": (lambda path: archive(path, {"a.txt": b""}), "holds no images"),
    "no archive": (lambda path: path.write_bytes(b"hello"), "is no zip archive, folder or HDF5 file of images"),
    "a folder without images": (Path.mkdir, "holds no images"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_archive_of_images_is_named(name: str, tmp_path: Path) -> None:
    make, message = BROKEN[name]
    make(tmp_path / "x.zip")
    with pytest.raises(RSAError, match=message) as caught:
        images(tmp_path / "x.zip")
    assert str(tmp_path / "x.zip") in str(caught.value)


def test_images_of_an_hdf5_array_are_read_one_at_a_time(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"] = pixels
    stimuli = images(tmp_path / "x.h5")
    assert stimuli.table["stimulus_id"].tolist() == list("01234")
    np.testing.assert_array_equal(np.asarray(stimuli[3]), pixels[3])
    with pytest.raises(IndexError):
        stimuli[5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: None, "has no images"),
        (lambda file: file.create_dataset("images", data=np.zeros((2, 3, 3))), "holds float64 of shape"),
        (
            lambda file: file.create_dataset("images", (10**9, 9, 9), "u1"),
            "claims 81000000000 values but holds 0 bytes",
        ),
        (lambda file: file.__setitem__("images", h5py.ExternalLink("/etc/passwd", "images")), "is a link"),
    ],
)
def test_arrays_that_are_no_images_are_named(make: Callable[[h5py.File], Any], message: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        make(file)
    with pytest.raises(RSAError, match=message):
        images(tmp_path / "x.h5")


def test_a_data_set_without_images_says_so(data_dir: Path) -> None:
    with pytest.raises(RSAError, match="images of zhangdesimone are not published"):
        images("zhangdesimone", data_dir=data_dir)


def test_ids_and_file_names_of_a_table_stay_texts(tmp_path: Path) -> None:
    archive(tmp_path / "x.zip", {"007.png": picture(7), "010.png": picture(10)})
    (tmp_path / "x.csv").write_text("stimulus_id,filename\n010,010\n007,007\n")
    stimuli = images(tmp_path / "x.zip")
    assert stimuli.table["stimulus_id"].tolist() == ["010", "007"]
    assert value(stimuli, 0) == 10


def test_degrees_of_visual_angle_go_with_the_images(tmp_path: Path) -> None:
    archive(tmp_path / "image_dicarlo_hvm-public.zip", MEMBERS)
    (tmp_path / "image_dicarlo_hvm-public.csv").write_text(TABLE)
    stimuli = images("majajhong2015", data_dir=tmp_path)
    assert stimuli.table["degrees"].tolist() == [8.0, 8.0]
    assert stimuli.reference == "majajhong2015"


@pytest.mark.parametrize("as_folder", [False, True])
def test_files_that_systems_keep_for_themselves_are_no_stimuli(as_folder: bool, tmp_path: Path) -> None:
    others = ("._a.png", ".hidden.png", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/._a.png", "@eaDir/a.png")
    path = archive(tmp_path / "x.zip", {"a.png": picture(9), "Thumbs.db": b"", **dict.fromkeys(others, picture(1))})
    if as_folder:
        with zipfile.ZipFile(path) as file:
            file.extractall(tmp_path / ".folder")
        path = tmp_path / ".folder"
    assert images(path).table["stimulus_id"].tolist() == ["a"]


def test_folders_that_are_links_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(picture(9))
    (tmp_path / "set" / "b").mkdir(parents=True)
    (tmp_path / "set" / "b" / "b.png").write_bytes(picture(9))
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "set" / "b" / "up").symlink_to(tmp_path / "set")
    assert images(tmp_path / "set").table["stimulus_id"].tolist() == ["b", "a"]


def test_names_with_a_suffix_or_other_accents_find_their_images(tmp_path: Path) -> None:
    stimuli = images(
        archive(tmp_path / "x.zip", {"a.png": picture(1), "Lo\u0308we.png": picture(2), "c.png": picture(3)})
    )
    one = from_arrays(np.zeros((3, 2)), stimulus_id=["c.png", "L\u00f6we.png", "c.png"])
    with pytest.warns(UserWarning, match=r"2 stimuli are matched although .* 'c' = 'c.png'"):
        matched = match_images(one, stimuli)
    assert matched.table["stimulus_id"].tolist() == ["c.png", "L\u00f6we.png"]
    assert [value(matched, i) for i in range(2)] == [3, 2]
    other = from_arrays(np.zeros((3, 2)), stimulus_id=["x", "y", "z"])
    message = r"^no stimulus has an image: the recording has 'x', 'y', ..., the set of images has 'L"
    with pytest.raises(RSAError, match=message):
        match_images(other, stimuli)


def test_a_table_names_files_in_either_form_of_unicode(tmp_path: Path) -> None:
    archive(tmp_path / "x.zip", {"Lo\u0308we.png": picture(2), "c.png": picture(3)})
    (tmp_path / "x.csv").write_text("stimulus_id,filename\none,c.png\ntwo,L\u00f6we.png\n", encoding="utf-8")
    shown = images(tmp_path / "x.zip")
    assert shown.table["stimulus_id"].tolist() == ["one", "two"]
    assert np.asarray(shown[1]).tolist() == np.asarray(Image.open(io.BytesIO(picture(2)))).tolist()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("stimulus_id,filename\none,a.png\n,b.png\n", r"x\.csv, column stimulus_id: 1 of 2 labels are missing"),
        ("stimulus_id,filename\none,a.png\none,b.png\n", r"x\.csv, column stimulus_id: labels must be unique"),
        ("stimulus_id,size,size\na,1,2\n", r"x\.csv: 1 columns have the name of another one: size"),
        ("stimulus_id\nx\ny\nz\n", r"lacks 3 of 3 .*: the table has 'x', 'y', ..., the set of images has 'a.png'"),
    ],
)
def test_tables_that_name_nothing_or_something_twice_are_refused(table: str, message: str, tmp_path: Path) -> None:
    archive(tmp_path / "x.zip", {"a.png": picture(1), "b.png": picture(2)})
    (tmp_path / "x.csv").write_text(table)
    with pytest.raises(RSAError, match=message):
        images(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["7", "12", "-3"], "i"),
        (["0.5", "1e-05", "-1.25", "nan", "3"], "f"),
        (["6.1e-05", "1e+16"], "f"),
        (["07", "12"], "U"),
        (["1_23", "4"], "U"),
        (["1e3", "12"], "U"),
        (["1.10", "1.1"], "U"),
        (["1.10", "1.2"], "f"),
        ([" 7", "8"], "U"),
        (["12345678901234567890", "1"], "U"),
        (["\u0663", "4"], "U"),
        (["0x1f", "3"], "U"),
        (["", "3"], "U"),
    ],
)
def test_only_what_is_written_as_a_number_is_one(texts: list[str], kind: str, tmp_path: Path) -> None:
    rows = "".join(f"s{i},{text}\n" for i, text in enumerate(texts))
    (tmp_path / "t.csv").write_text(f"stimulus_id,object_name\n{rows}", encoding="utf-8")
    column = read_table(tmp_path / "t.csv")["object_name"]
    assert column.dtype.kind == kind
    if kind == "U":
        assert column.tolist() == texts
    else:
        np.testing.assert_array_equal(column, [float(text) for text in texts])
