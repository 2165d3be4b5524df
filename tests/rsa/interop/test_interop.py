"""RDMs go to rsatoolbox and come back, as objects and as files; thingsvision's folders become named features."""

import pickle
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rsatoolbox
import scipy.io
from tgsage.rsa import (
    RDM,
    RSAError,
    compare,
    compare_features,
    compute_rdm,
    from_rsatoolbox,
    read_rsatoolbox,
    read_thingsvision,
    to_rsatoolbox,
    write_rsatoolbox,
)
from tgsage.rsa.types import Array

TOOLBOX: Any = rsatoolbox  # it has types for a part of itself only
N = 7
NAMES = [f"im{i}" for i in range(N)]
CATEGORIES = ["face", "car", "face", "car", "face", "car", "face"]


def rdms(metric: str = "correlation", by: str = "stimulus") -> dict[str, RDM]:
    rng = np.random.default_rng(0)
    precision = np.eye(9) if metric == "mahalanobis" else None
    columns = {"category_name": CATEGORIES, "size": np.arange(N)}
    made = {}
    for name in ("V4", "IT"):
        rdm = compute_rdm(rng.normal(size=(N, 9)), metric=metric, labels=NAMES, precision=precision)
        made[name] = rdm.replace(name=name, by=by, descriptors=columns, attrs={"neuroids": 9, "scale": name * 2})
    return made | {"IT": made["IT"].subset(NAMES[::-1])}


def assert_same(back: dict[str, RDM], sent: dict[str, RDM]) -> None:
    assert list(back) == list(sent)
    for name, rdm in sent.items():
        other = back[name].subset(rdm.labels)
        np.testing.assert_array_equal(other.values, rdm.values)
        assert other.values.dtype == rdm.values.dtype
        assert (other.metric, other.name, other.by, other.attrs) == (rdm.metric, name, rdm.by, rdm.attrs)
        assert {key: list(column) for key, column in other.descriptors.items()} == {
            key: list(column) for key, column in rdm.descriptors.items()
        }


@pytest.mark.parametrize("metric", ["correlation", "euclidean", "sqeuclidean", "mahalanobis"])
@pytest.mark.parametrize("by", ["stimulus", "object_name"])
def test_rdms_come_back_from_objects_and_files_as_they_went(metric: str, by: str, tmp_path: Path) -> None:
    sent = rdms(metric, by)
    there: Any = to_rsatoolbox(sent)
    assert_same(from_rsatoolbox(there), sent)
    write_rsatoolbox(tmp_path / "ours.h5", sent)
    assert_same(read_rsatoolbox(tmp_path / "ours.h5"), sent)
    there.save(str(tmp_path / "theirs.h5"))
    assert_same(read_rsatoolbox(tmp_path / "theirs.h5"), sent)


def test_rsatoolbox_reads_our_files_as_its_own(tmp_path: Path) -> None:
    write_rsatoolbox(tmp_path / "rdms.h5", rdms())
    loaded = TOOLBOX.rdm.load_rdm(str(tmp_path / "rdms.h5"))
    there = to_rsatoolbox(rdms())
    np.testing.assert_array_equal(loaded.dissimilarities, there.dissimilarities)
    assert loaded.dissimilarity_measure == there.dissimilarity_measure == "correlation"
    assert loaded.pattern_descriptors["stimulus"] == NAMES
    assert loaded.pattern_descriptors["category_name"] == CATEGORIES
    assert loaded.rdm_descriptors["name"] == ["V4", "IT"]
    assert_same(from_rsatoolbox(loaded), rdms())
    subset = loaded.subset_pattern("category_name", "face")
    assert subset.n_cond == 4


def test_similarities_agree_across_the_border() -> None:
    sent = rdms()
    there = to_rsatoolbox(sent)
    theirs = TOOLBOX.rdm.compare(there[0], there[1], method="rho-a").item()
    assert compare(sent["V4"], sent["IT"], method="rho-a") == pytest.approx(theirs)


@pytest.mark.parametrize(("method", "metric"), [("correlation", "correlation"), ("euclidean", "sqeuclidean")])
def test_what_rsatoolbox_computes_is_what_we_compute(method: str, metric: str, tmp_path: Path) -> None:
    measured = np.random.default_rng(1).normal(size=(N, 12))
    data = TOOLBOX.data.Dataset(measured, obs_descriptors={"conds": NAMES})
    theirs = TOOLBOX.rdm.calc_rdm(data, method=method, descriptor="conds")
    ours = compute_rdm(measured, metric=metric, labels=NAMES)
    theirs.save(str(tmp_path / "rdm.h5"))
    for back in (from_rsatoolbox(theirs)["0"], read_rsatoolbox(tmp_path / "rdm.h5")["0"]):
        assert (back.labels, back.metric) == (tuple(NAMES), metric)
        factor = 12 if metric == "sqeuclidean" else 1  # theirs is per feature
        np.testing.assert_allclose(back.subset(NAMES).values * factor, ours.values, atol=1e-12)
    rooted = from_rsatoolbox(TOOLBOX.rdm.sqrt_transform(theirs))["0"]
    assert rooted.metric == ("euclidean" if metric == "sqeuclidean" else "sqrt ofcorrelation")


def test_an_object_without_names_gets_its_index_and_several_names_need_a_choice() -> None:
    bare = TOOLBOX.rdm.RDMs(np.arange(1.0, 4)[None])
    assert from_rsatoolbox(bare)["0"].labels == ("0", "1", "2")
    assert from_rsatoolbox(bare)["0"].metric == "unknown"
    two = TOOLBOX.rdm.RDMs(np.arange(1.0, 4)[None], pattern_descriptors={"a": list("xyz"), "b": list("uvw")})
    with pytest.raises(RSAError, match=r"labels= chooses one: a, b"):
        from_rsatoolbox(two)
    assert from_rsatoolbox(two, labels="b")["0"].labels == ("u", "v", "w")
    with pytest.raises(RSAError, match=r"no pattern descriptor 'c'; there are: a, b"):
        from_rsatoolbox(two, labels="c")
    named = TOOLBOX.rdm.RDMs(np.ones((2, 3)) * [1, 2, 3], rdm_descriptors={"name": ["x", "x"]})
    with pytest.raises(RSAError, match="share names: x"):
        from_rsatoolbox(named)


def test_rdms_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    made = rdms()
    with pytest.raises(RSAError, match="IT has other labels than V4"):
        to_rsatoolbox(made | {"IT": made["IT"].subset(NAMES[:5])})
    with pytest.raises(RSAError, match="one metric, got V4 correlation, IT cosine"):
        to_rsatoolbox(made | {"IT": rdms("cosine")["IT"]})
    with pytest.raises(RSAError, match="no RDM"):
        to_rsatoolbox({})
    accented = {"V4": made["V4"].replace(labels=[f"é{i}" for i in range(N)])}
    with pytest.raises(RSAError, match="ASCII only"):
        write_rsatoolbox(tmp_path / "rdms.h5", accented)
    assert not list(tmp_path.iterdir())


def test_without_rsatoolbox_files_are_read_and_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rsatoolbox(tmp_path / "rdms.h5", rdms())
    monkeypatch.setitem(sys.modules, "rsatoolbox.rdm.rdms", None)
    assert_same(read_rsatoolbox(tmp_path / "rdms.h5"), rdms())
    with pytest.raises(RSAError, match=r"pip install 'tgsage\[rsatoolbox\]'"):
        write_rsatoolbox(tmp_path / "rdms.h5", rdms())


def test_files_of_strangers_are_refused_by_name(tmp_path: Path) -> None:
    with (tmp_path / "rdms.pkl").open("wb") as file:
        TOOLBOX.rdm.RDMs(np.ones((1, 3))).save(file, file_type="pkl")
    (tmp_path / "disguised.h5").write_bytes(pickle.dumps({}))
    (tmp_path / "text.h5").write_text("no")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["dissimilarities"] = np.ones((1, 4))
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["dissimilarities"] = h5py.ExternalLink("rdms.h5", "dissimilarities")
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("dissimilarities", (1, 10**12), "f8", chunks=(1, 1024), compression="gzip")
    for name, words in (
        ("rdms.pkl", "pickle, which can run code"),
        ("disguised.h5", "pickle"),
        ("text.h5", "cannot be read"),
        ("other.h5", "no dissimilarities"),
        ("odd.h5", "4 pairs"),
        ("link.h5", "link|lies in another file"),
        ("huge.h5", "claims"),
        ("none.h5", "no such file"),
    ):
        with pytest.raises(RSAError, match=rf"{name}.*({words})"):
            read_rsatoolbox(tmp_path / name)


@pytest.fixture
def values() -> Array:
    return np.random.default_rng(2).normal(size=(N, 2, 3)).astype(np.float32)


def test_a_folder_of_thingsvision_becomes_features_with_the_names_of_its_images(tmp_path: Path, values: Array) -> None:
    """The layout of `save_features`: features.npy or features.hdf5 beside file_names.txt."""
    for kind in ("npy", "hdf5", "h5"):
        folder = tmp_path / kind
        folder.mkdir()
        if kind == "npy":
            np.save(folder / "features.npy", values)
        else:
            with h5py.File(folder / f"features.{kind}", "w") as file:
                file["features"] = values
        (folder / "file_names.txt").write_text("".join(f"{name}.jpg\n" for name in NAMES))
        found = read_thingsvision(folder)
        assert list(found) == [kind]
        assert found[kind].labels == tuple(NAMES)
        np.testing.assert_array_equal(found[kind].values, values.reshape(N, 6))
    npy = read_thingsvision(tmp_path / "npy")["npy"]
    assert compare_features(npy, found["h5"]) == pytest.approx(1)
    np.testing.assert_array_equal(npy.rdm().values, compute_rdm(values.reshape(N, 6), labels=NAMES).values)


def test_parts_are_joined_in_the_order_of_their_numbers(tmp_path: Path, values: Array) -> None:
    """The layouts of `extract_features(output_dir=...)`, a folder per module, and of features that were split."""
    (tmp_path / "file_names.txt").write_text("".join(f"images/{name}.png\n" for name in NAMES))
    for module in ("layer1.0", "fc"):
        (tmp_path / module).mkdir()
    for start, stop in ((0, 2), (2, 6), (6, 7)):
        np.save(tmp_path / "layer1.0" / f"features_{start}-{stop}.npy", values[start:stop])
    with h5py.File(tmp_path / "fc" / "features.hdf5", "w") as file:
        for i in range(N):
            file[f"features_{i + 5}"] = values[i : i + 1]
    found = read_thingsvision(tmp_path)
    assert list(found) == ["fc", "layer1.0"]
    for one in found.values():
        assert one.labels == tuple(NAMES)
        np.testing.assert_array_equal(one.values, values.reshape(N, 6))


def test_names_that_repeat_keep_their_folders(tmp_path: Path, values: Array) -> None:
    np.save(tmp_path / "features.npy", values[:2])
    (tmp_path / "file_names.txt").write_text("data\\dog\\1.jpg\ndata\\cat\\1.jpg\n")
    assert next(iter(read_thingsvision(tmp_path).values())).labels == ("data/dog/1", "data/cat/1")
    (tmp_path / "file_names.txt").unlink()
    with pytest.raises(RSAError, match=r"no file_names.txt.*labels= gives them"):
        read_thingsvision(tmp_path)
    assert next(iter(read_thingsvision(tmp_path, labels="ab").values())).labels == ("a", "b")


def test_folders_that_cannot_be_taken_are_refused_by_name(tmp_path: Path, values: Array) -> None:
    with pytest.raises(RSAError, match="holds no features"):
        read_thingsvision(tmp_path)
    scipy.io.savemat(tmp_path / "features.mat", {"features": values})
    with pytest.raises(RSAError, match=r"holds no features.npy or features.hdf5 but features.mat"):
        read_thingsvision(tmp_path)
    np.save(tmp_path / "features.npy", np.array([{"a": 1}, None], object), allow_pickle=True)
    with pytest.raises(RSAError, match=r"features.npy cannot be read.*object"):
        read_thingsvision(tmp_path, labels="ab")
    whole = values.tobytes()
    np.save(tmp_path / "features.npy", values)
    raw = (tmp_path / "features.npy").read_bytes()
    (tmp_path / "features.npy").write_bytes(raw[: -len(whole) // 2])
    with pytest.raises(RSAError, match=r"features.npy cannot be read"):
        read_thingsvision(tmp_path, labels=NAMES)
    np.save(tmp_path / "features.npy", values[:, 0, 0])
    with pytest.raises(RSAError, match=r"features.npy holds float32 of shape \(7,\)"):
        read_thingsvision(tmp_path, labels=NAMES)
    np.save(tmp_path / "features.npy", values)
    with pytest.raises(RSAError, match="7 rows of features but 2 names"):
        read_thingsvision(tmp_path, labels="ab")
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = values
    with pytest.raises(RSAError, match="several forms"):
        read_thingsvision(tmp_path, labels=NAMES)
    with pytest.raises(RSAError, match="is not a folder"):
        read_thingsvision(tmp_path / "features.h5")


@pytest.mark.parametrize(
    ("ids", "labels"),
    [
        (np.arange(6) + 101, [f"{i}" for i in range(101, 107)]),
        ([np.int64(i) for i in range(6, 12)], [f"{i}" for i in range(6, 12)]),
        ([b"a", b"b", b"c", b"d", b"e", b"f"], list("abcdef")),
        (np.array(["07", "1_23", "1e3", "nine", "ten", "NA"], object), ["07", "1_23", "1e3", "nine", "ten", "NA"]),
        ([0.5, 1.5, 2.5, 3.5, 4.5, 5.5], ["0.5", "1.5", "2.5", "3.5", "4.5", "5.5"]),
    ],
    ids=["ints", "numpy ints", "bytes", "objects", "floats"],
)
def test_descriptors_of_any_type_name_the_conditions(ids: Any, labels: list[str], tmp_path: Path) -> None:
    x, order = np.random.default_rng(0).normal(size=(6, 20)), np.array([4, 2, 0, 5, 1, 3])
    found = []
    for i, rows in enumerate((np.arange(6), order)):
        data = TOOLBOX.data.Dataset(x[rows], obs_descriptors={"half": [int(row > 2) for row in rows]})
        rdm = TOOLBOX.rdm.calc_rdm(data, method="euclidean")
        rdm.pattern_descriptors["conds"] = [ids[row] for row in rows]
        rdm.save(str(tmp_path / f"{i}.h5"))
        found.append((from_rsatoolbox(rdm)["0"], read_rsatoolbox(tmp_path / f"{i}.h5")["0"]))
    for straight, shuffled in zip(*found, strict=True):
        assert straight.labels == tuple(labels)
        assert compare(straight, shuffled) == pytest.approx(1)
        assert shuffled.subset(labels).descriptors["half"].tolist() == [0, 0, 0, 1, 1, 1]


def test_names_that_are_not_there_are_not_made_up(tmp_path: Path) -> None:
    values = np.arange(1.0, 7)[None]

    def both(descriptors: dict[str, Any], **options: Any) -> list[RDM]:
        rdm = TOOLBOX.rdm.RDMs(values, pattern_descriptors=descriptors)
        rdm.save(str(tmp_path / "x.h5"), overwrite=True)
        return [from_rsatoolbox(rdm, **options)["0"], read_rsatoolbox(tmp_path / "x.h5", **options)["0"]]

    pairs = {"category": list("xxyy")}
    with pytest.raises(
        RSAError, match=r"no pattern descriptor \(category\) tells the 4 conditions apart.*labels='index'"
    ):
        both(dict(pairs))
    assert [rdm.labels for rdm in both(dict(pairs), labels="index")] == [("0", "1", "2", "3")] * 2
    assert [rdm.labels for rdm in both({"index": [3, 1, 0, 2]})] == [("3", "1", "0", "2")] * 2  # kept by subset_pattern
    with pytest.raises(RSAError, match="labels= chooses one: number, text"):
        both({"number": [1, 2, 3, 4], "text": list("abcd")})
    fractions = {"size": [0.5, 1.5, 2.0, 3.0], "text": list("abcd")}
    assert [rdm.labels for rdm in both(fractions)] == [tuple("abcd")] * 2
    with pytest.raises(RSAError, match="1 of 4 labels are missing"):
        both({"stimulus": ["a", "b", "", "d"]})


def test_names_written_win_over_columns_of_the_same_name(tmp_path: Path) -> None:
    rdm = compute_rdm(np.random.default_rng(0).normal(size=(3, 9)), labels=list("abc"), attrs={"name": "z"})
    rdm = rdm.replace(descriptors={"stimulus": list("zzz"), "day": np.array(["2020-01-01"] * 3, "M8[D]")})
    for back in (from_rsatoolbox(to_rsatoolbox({"V4": rdm})), _written(tmp_path / "x.h5", {"V4": rdm})):
        assert back["V4"].labels == ("a", "b", "c")
        assert back["V4"].descriptors["day"].tolist() == ["2020-01-01"] * 3


def _written(path: Path, sent: dict[str, RDM]) -> dict[str, RDM]:
    write_rsatoolbox(path, sent)
    return read_rsatoolbox(path)
