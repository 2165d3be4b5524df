"""RDMs are compared without being made: against `compare` and `bootstrap` of the RDMs, in both ways of summing."""

from pathlib import Path

import numpy as np
import pytest
from tgsage.rsa import (
    Features,
    RSAError,
    bootstrap,
    bootstrap_features,
    compare,
    compare_all_features,
    compare_features,
    interval,
)
from tgsage.rsa.similarity import without_rdms
from tgsage.rsa.similarity.without_rdms import LINEAR


def features(n: int, widths: tuple[int, ...], *, offset: float = 0.0, dtype: type = np.float64) -> list[Features]:
    """Sets of features of the same stimuli with a common part, all rows shifted towards one another by `offset`."""
    rng = np.random.default_rng(n)
    common = rng.normal(size=(n, 8))
    made = []
    for i, width in enumerate(widths):
        x = common @ rng.normal(size=(8, width)) + rng.normal(size=(n, width)) + offset * rng.normal(size=width)
        made.append(Features(x.astype(dtype), [f"s{j}" for j in range(n)], name=f"f{i}"))
    return made


@pytest.mark.parametrize("offset", [0.0, 30.0], ids=["apart", "alike"])
@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("widths", [(20, 35), (300, 20), (500, 400)], ids=["few", "mixed", "many features"])
def test_equals_comparing_rdms(method: str, widths: tuple[int, int], offset: float) -> None:
    a, b = features(150, widths, offset=offset)
    expected = compare(a.rdm(), b.rdm(), method=method)
    assert compare_features(a, b, similarity=f"rsa-{method}") == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("method", LINEAR)
def test_is_exact_over_two_thousand_stimuli(method: str) -> None:
    a, b = features(2000, (64, 48))
    expected = compare(a.rdm(), b.rdm(), method=method)
    assert compare_features(a, b, similarity=f"rsa-{method}") == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("method", LINEAR)
def test_influences_are_exact_over_two_thousand_stimuli(method: str) -> None:
    a, b = features(2000, (64, 48))
    draws, expected = bootstrap_features(a, b, method=method, n=5), bootstrap(a.rdm(), b.rdm(), method=method, n=5)
    for key in ("estimate", "linear", "dof"):
        np.testing.assert_allclose(draws[key], expected[key], atol=1e-10, err_msg=key)


def test_single_precision_keeps_its_digits_where_stimuli_are_alike() -> None:
    a, b = features(1000, (64, 48), offset=30.0)
    expected = compare(a.rdm(), b.rdm())
    c, d = (side.replace(values=side.values.astype(np.float32)) for side in (a, b))
    assert compare_features(c, d, similarity="rsa-pearson") == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("block", [2**9, 2**12])
@pytest.mark.parametrize("widths", [(20, 35), (300, 200)], ids=["by features", "by stimuli"])
def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch, block: int, widths: tuple[int, int]) -> None:
    a, b = features(101, widths)
    whole = bootstrap_features(a, b, n=20)
    monkeypatch.setattr(without_rdms, "BLOCK", block)
    np.testing.assert_allclose(bootstrap_features(a, b, n=20), whole, atol=1e-12)


@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("widths", [(20, 35), (300, 200)], ids=["by features", "by stimuli"])
def test_influences_are_those_of_the_rdms(method: str, widths: tuple[int, int]) -> None:
    a, b = features(120, widths, offset=1.0)
    draws, expected = bootstrap_features(a, b, method=method), bootstrap(a.rdm(), b.rdm(), method=method)
    for key in ("estimate", "linear", "dof"):
        np.testing.assert_allclose(draws[key], expected[key], atol=1e-9, err_msg=key)
    assert draws.attrs == {**expected.attrs, "pairs": "left out"}


def test_intervals_are_those_of_the_rdms_where_stimuli_are_many() -> None:
    a, b = features(1500, (40, 60))
    without, made = (interval(one) for one in (bootstrap_features(a, b, n=500), bootstrap(a.rdm(), b.rdm(), n=500)))
    for end, expected in zip(without, made, strict=True):
        assert end.item() == pytest.approx(expected.item(), abs=3e-4)


def test_groups_are_drawn_together() -> None:
    a, b = features(60, (20, 30))
    groups = [f"g{i // 6}" for i in range(60)]
    draws, expected = bootstrap_features(a, b, groups=groups), bootstrap(a.rdm(), b.rdm(), groups=groups)
    np.testing.assert_allclose(draws["linear"], expected["linear"], atol=1e-10)
    assert draws.attrs["units"] == 10


def test_memory_mapped_features_stay_on_disk(tmp_path: Path) -> None:
    a, b = features(200, (20, 30))
    np.save(tmp_path / "a.npy", a.values)
    on_disk = np.load(tmp_path / "a.npy", mmap_mode="r")
    mapped = Features(on_disk, a.labels)
    assert np.shares_memory(mapped.values, on_disk)
    assert compare_features(mapped, b, similarity="rsa-pearson") == compare_features(a, b, similarity="rsa-pearson")


def test_names_decide_not_positions() -> None:
    a, b = features(50, (20, 30))
    shuffled = b.subset(list(reversed(b.labels)))
    for similarity in ("rsa-pearson", "rsa-cosine-whitened"):
        table = compare_all_features({"a": a}, {"b": b, "shuffled": shuffled}, similarity=similarity)
        assert table[0, 0] == pytest.approx(float(table[0, 1]), abs=1e-12)


def test_refuses_what_cannot_be_compared() -> None:
    a, b = features(30, (20, 30))
    with pytest.raises(RSAError, match="spearman needs the RDMs themselves; without them: pearson"):
        bootstrap_features(a, b, method="spearman")
    flat = b.replace(values=np.where(np.arange(30)[:, None] == 3, 1.0, b.values), name="dead")
    with pytest.raises(RSAError, match="b: 1 of 30 rows: s3 has no variance"):
        compare_features(a, flat, similarity="rsa-pearson")
    simplex = Features(np.eye(10), range(10), name="one-hot")
    with pytest.raises(RSAError, match="equally dissimilar"):
        compare_features(
            simplex, Features(np.random.default_rng(0).normal(size=(10, 5)), range(10)), similarity="rsa-pearson"
        )
    with pytest.raises(RSAError, match="too few to resample"):
        bootstrap_features(*(side.subset(side.labels[:4]) for side in (a, b)))
    with pytest.raises(RSAError, match="a comparison needs at least 3"):
        compare_features(*(side.subset(side.labels[:2]) for side in (a, b)), similarity="rsa-pearson")
