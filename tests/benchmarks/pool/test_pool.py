"""A pool comes back from its file as it was, and a damaged one says so."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from tgsage.benchmarks import Pool
from tgsage.benchmarks.pool.pool import join
from tgsage.rsa import RSAError, compare

from ..pools import CHECKPOINTS, TARGET, known_pool


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    pool = known_pool(5)
    pool.save(tmp_path / "pool.h5")
    again = Pool.load(tmp_path / "pool.h5")
    assert (again.space, again.checkpoints, again.settings) == ("toy", CHECKPOINTS, {"data": "made"})
    assert again.views["by stimulus"].same(pool.views["by stimulus"])
    np.testing.assert_array_equal(again.views["by stimulus"].pixels, pool.views["by stimulus"].pixels)
    for one, other in zip(pool.members, again.members, strict=True):
        assert (one.architecture, one.mature, one.layers) == (other.architecture, other.mature, other.layers)
        for key in ("p", "loss", "examples", "seconds"):
            np.testing.assert_array_equal(getattr(one, key), getattr(other, key))
        kept = other.rdms["by stimulus"]
        assert kept.dtype == np.float16
        np.testing.assert_array_equal(one.rdms["by stimulus"], kept)


def test_rdms_of_a_member_are_named_and_leave_out_layers_without_any(tmp_path: Path) -> None:
    pool = known_pool(2)
    pool.members[0].rdms["by stimulus"][1, 0] = np.nan
    found = dict(pool.rdms("by stimulus", pool.members[0], 1))
    assert list(found) == ["middle", "deep"]
    assert found["deep"].labels == TARGET.labels


def test_a_member_without_any_rdm_at_some_checkpoint_is_not_usable() -> None:
    member = known_pool(1).members[0]
    assert member.usable
    member.rdms["by stimulus"][1, :2] = np.nan
    assert member.usable
    member.rdms["by stimulus"][1, 2] = np.nan
    assert not replace(member).usable
    assert not replace(known_pool(1).members[0], loss=np.array([2.0, np.nan, 1.0])).usable


def test_pools_made_alike_are_joined_and_others_are_not() -> None:
    first, second = known_pool(3), known_pool(4, seed=1)
    assert len(join([first, second])) == 7
    with pytest.raises(RSAError, match="settings differ"):
        join([first, replace(second, settings={"data": "other"})])
    view = replace(second.views["by stimulus"], reference="elsewhere")
    with pytest.raises(RSAError, match="views differ"):
        join([first, replace(second, views={"by stimulus": view})])
    with pytest.raises(RSAError, match="no pool"):
        join([])


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("del file['member00001/p']", "p"),
        ("del file['member00001/rdms0']", "members 1 do not fit"),
        ("del file['view0/categories']; file['view0']['categories'] = ['a']", "categories or pixels do not fit"),
        ("file.attrs['settings'] = '{'", "not JSON"),
        ("file['member00000'].attrs['mature'] = float('nan')", "members 0 do not fit"),
        ("del file['member00001/seconds']; file['member00001/seconds'] = [1.0]", "seconds has another length"),
        ("[file.__delitem__(key) for key in list(file) if key.startswith('member')]", "empty"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, harm: str, said: str) -> None:
    path = tmp_path / "pool.h5"
    known_pool(3).save(path)
    with h5py.File(path, "a") as file:
        exec(harm, {"file": file})  # noqa: S102
    with pytest.raises(RSAError, match=said) as error:
        Pool.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pool.h5"
    known_pool(3).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(RSAError, match=r"pool\.h5"):
        Pool.load(path)


def test_controls_are_the_pixels_noise_and_the_categories() -> None:
    view = known_pool(1).views["by stimulus"]
    pixels, noise, labels = view.controls()
    assert abs(compare(noise.rdms["noise"], TARGET)) < 0.25
    assert np.array_equal(noise.rdms["noise"].values, view.controls()[1].rdms["noise"].values)
    assert not np.array_equal(
        noise.rdms["noise"].values, replace(view, name="other").controls()[1].rdms["noise"].values
    )
    np.testing.assert_array_equal(pixels.rdms["pixels"].values, view.pixels)
    square = labels.rdms["labels"].square()
    kinds = np.array(view.categories)
    np.testing.assert_array_equal(square, (kinds[:, None] != kinds) * 1.0)
    assert [one.name for one in replace(view, categories=("",) * 20).controls()] == ["pixels", "noise"]
