"""RDMs that lie in files: computed by strips, mapped, and compared a part at a time as those in memory are."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from tgsage.rsa import RDM, Features, RSAError, Teacher, bootstrap, compare, compute_rdm
from tgsage.rsa.rdm import distances, strips
from tgsage.rsa.rdm.comparison import METHODS
from tgsage.rsa.types import Array

N, PAIRS = 41, 820
METRICS = ("correlation", "cosine")
ZIPPED = {"compression": "gzip", "chunks": (100,)}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds for large files shown on small ones."""
    monkeypatch.setattr("tgsage.rsa.io.mapped.MAPPED", 1000)
    monkeypatch.setattr("tgsage.rsa.io.mapped.PIECE", 300)
    monkeypatch.setattr("tgsage.rsa.rdm.strips.STRIP", 300)


def patterns(n: int = N, seed: int = 0, dtype: Any = np.float64) -> Array:
    rng = np.random.default_rng(seed)
    x: Array = (np.random.default_rng(9).normal(size=(n, 17)) + rng.normal(size=(n, 17))).astype(dtype)
    return x


def is_mapped(values: Any) -> bool:
    while isinstance(values, np.ndarray) and not isinstance(values, np.memmap):
        values = values.base
    return isinstance(values, np.memmap)


def both(folder: Path, seed: int) -> tuple[RDM, RDM]:
    """One RDM in a file and in memory."""
    x = patterns(seed=seed)
    return compute_rdm(x, out=folder / f"{seed}.h5", name=f"x{seed}"), compute_rdm(x, name=f"x{seed}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [2, 3, 40, 41])
def test_strips_make_scipys_distances(tmp_path: Path, n: int, metric: Any, dtype: Any) -> None:
    x = patterns(n, dtype=dtype)
    rdm = compute_rdm(x, metric=metric, out=tmp_path / "rdm.h5")
    np.testing.assert_allclose(rdm.values, pdist(x, metric), atol=1e-6 if dtype == np.float32 else 1e-14)
    assert (rdm.values.dtype, rdm.metric, rdm.values.flags.writeable) == (dtype, metric, False)
    assert is_mapped(rdm.values) == (rdm.values.nbytes > 1000)


def test_everything_that_belongs_to_an_rdm_is_in_its_file(tmp_path: Path) -> None:
    given: dict[str, Any] = {"labels": [f"s{i}" for i in range(N)], "name": "V4", "by": "object_name"}
    given |= {"descriptors": {"size": np.arange(N)}, "attrs": {"scale": "zscore", "neuroids": 17}}
    made, expected = compute_rdm(patterns(), **given, out=tmp_path / "rdm.h5"), compute_rdm(patterns(), **given)
    for field in ("labels", "name", "by", "attrs", "metric"):
        assert getattr(made, field) == getattr(expected, field)
    np.testing.assert_array_equal(made.descriptors["size"], np.arange(N))
    grouped = compute_rdm(patterns(), groups=np.arange(N) // 2, out=tmp_path / "groups.h5")
    np.testing.assert_allclose(grouped.values, compute_rdm(patterns(), groups=np.arange(N) // 2).values, atol=1e-14)
    assert (grouped.by, len(grouped)) == ("group", 21)


def test_features_may_be_mapped_themselves(tmp_path: Path) -> None:
    patterns().tofile(tmp_path / "features")
    mapped = Features(np.memmap(tmp_path / "features", np.float64, "r", shape=(N, 17)), range(N), name="layer")
    rdm = mapped.rdm(out=tmp_path / "rdm.h5")
    np.testing.assert_allclose(rdm.values, pdist(patterns(), "correlation"), atol=1e-14)
    assert (rdm.name, rdm.attrs["metric"]) == ("layer", "correlation")


@pytest.mark.parametrize("method", METHODS)
def test_compared_like_those_in_memory(tmp_path: Path, method: str) -> None:
    (a, one), (b, other) = both(tmp_path, 1), both(tmp_path, 2)
    assert is_mapped(a.values)
    assert compare(a, b, method=method) == pytest.approx(compare(one, other, method=method), abs=1e-12)
    draws, expected = bootstrap(a, b, method=method, n=20), bootstrap(one, other, method=method, n=20)
    np.testing.assert_allclose(draws, expected, atol=1e-10)
    for key in ("estimate", "linear", "dof"):
        np.testing.assert_allclose(draws[key], expected[key], rtol=1e-8, atol=1e-10, err_msg=key)


def test_subsets_and_teachers(tmp_path: Path) -> None:
    a, one = both(tmp_path, 1)
    order = one.labels[::-2]
    np.testing.assert_allclose(a.subset(order).values, one.subset(order).values, atol=1e-14)
    teacher = Teacher.from_rdms("network", {"layer": a})
    assert teacher.score({"same": one}).tg == pytest.approx(1)
    teacher.save(tmp_path / "teacher.h5")
    again = Teacher.load(tmp_path / "teacher.h5")
    assert is_mapped(again.rdms["layer"].values)
    np.testing.assert_array_equal(again.rdms["layer"].values, a.values)


def test_a_file_that_is_written_anew_does_not_change_what_was_loaded(tmp_path: Path) -> None:
    a, one = both(tmp_path, 1)
    compute_rdm(patterns(seed=2), out=tmp_path / "1.h5")
    np.testing.assert_allclose(a.values, one.values, atol=1e-14)


def test_an_interrupted_one_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> Iterator[Any]:
        yield next(strips.strips(*arguments))
        raise KeyboardInterrupt

    kept = compute_rdm(patterns(), out=tmp_path / "kept.h5")
    monkeypatch.setattr(distances, "strips", interrupted)
    for name in ("kept.h5", "new.h5"):
        with pytest.raises(KeyboardInterrupt):
            compute_rdm(patterns(seed=5), out=tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.h5"]
    np.testing.assert_array_equal(RDM.load(tmp_path / "kept.h5").values, kept.values)


def test_refuses_what_cannot_be_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, out = patterns(), tmp_path / "rdm.h5"
    with pytest.raises(RSAError, match="out= is for correlation and cosine without missing values"):
        compute_rdm(x, metric="euclidean", out=out)
    with pytest.raises(RSAError, match="out= is for correlation and cosine without missing values"):
        compute_rdm(x, missing="pairwise", out=out)
    with pytest.raises(RSAError, match="there is no folder"):
        compute_rdm(x, out=tmp_path / "nowhere" / "rdm.h5")
    with pytest.raises(RSAError, match="RDM: descriptor size has shape"):
        compute_rdm(x, descriptors={"size": [1, 2]}, out=out)
    x[7] = 1.0
    with pytest.raises(RSAError, match="1 of 41 rows: 7 has no variance"):
        compute_rdm(x, out=out)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**4, 0, 1000))
    with pytest.raises(RSAError, match=r"cannot write .*rdm.h5: 820 values need 0.0 GB, and 0.0 are free"):
        compute_rdm(patterns(), out=out)
    assert not list(tmp_path.iterdir())


def stored(path: Path, values: Array, **how: Any) -> Path:
    """A file of an RDM whose values are stored in another way."""
    compute_rdm(patterns(), out=path)
    with h5py.File(path, "r+") as file:
        del file["values"]
        file.create_dataset("values", data=values, **how)
    return path


@pytest.mark.parametrize(("dtype", "how"), [("f8", ZIPPED), (">f8", {}), (">f4", {}), ("f2", {})])
def test_what_cannot_be_mapped_is_read(tmp_path: Path, dtype: str, how: dict[str, Any]) -> None:
    values = pdist(patterns(), "correlation")
    rdm = RDM.load(stored(tmp_path / "rdm.h5", values.astype(dtype), **how))
    assert not is_mapped(rdm.values)
    np.testing.assert_allclose(rdm.values, values, rtol=1e-2 if dtype == "f2" else 1e-6)


def test_values_in_a_file_are_checked(tmp_path: Path) -> None:
    values = pdist(patterns(), "correlation")
    values[PAIRS - 1] = np.nan
    with pytest.raises(RSAError, match=r"rdm.h5.*the value between 39 and 40 is nan"):
        RDM.load(stored(tmp_path / "rdm.h5", values))
    with pytest.raises(RSAError, match=r"rdm.h5.*41 labels need condensed values of shape \(820,\)"):
        RDM.load(stored(tmp_path / "rdm.h5", values[:-1]))


def test_a_file_that_is_shorter_than_it_claims_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rdm.h5"
    compute_rdm(patterns(), out=path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(PAIRS.to_bytes(8, "little"), (2 * PAIRS).to_bytes(8, "little")))
    assert path.read_bytes() != whole
    with pytest.raises(RSAError, match=r"rdm.h5"):
        RDM.load(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RSAError, match=r"rdm.h5"):
        RDM.load(path)
