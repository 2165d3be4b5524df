"""Features carry the names of their stimuli, and every named similarity compares layers with targets by them."""

from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from tgsage.rsa import (
    SIMILARITIES,
    Features,
    RSAError,
    cka,
    compare,
    compare_all_features,
    compare_features,
    compute_rdm,
    procrustes_similarity,
    pwcca,
    ridge_predictivity,
    svcca,
)
from tgsage.rsa.types import Array

N = 40
LABELS = [f"im{i}" for i in range(N)]


def features(f: int, seed: int, name: str = "") -> Features:
    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(99).normal(size=(N, 3))
    values = shared @ rng.normal(size=(3, f)) + rng.normal(size=(N, f))
    return Features(values, LABELS, name=name, descriptors={"object_name": [f"o{i % 10}" for i in range(N)]})


LAYERS = {"conv": features(12, 0), "fc": features(90, 1)}
TARGETS = {"V4": features(6, 2), "IT": features(10, 3)}


def test_every_similarity_is_the_function_of_its_name() -> None:
    expected = {
        "cka": cka,
        "cka-unbiased": lambda x, y: cka(x, y, unbiased=True),
        "cka-rbf": lambda x, y: cka(x, y, kernel="rbf"),
        "cka-rbf-unbiased": lambda x, y: cka(x, y, kernel="rbf", unbiased=True),
        "svcca": svcca,
        "pwcca": lambda x, y: pwcca(y, x),
        "procrustes": procrustes_similarity,
        "ridge": lambda x, y: ridge_predictivity(x, y, groups=LABELS),
    }
    expected |= {
        f"rsa-{method}": partial(lambda method, x, y: compare(compute_rdm(x), compute_rdm(y), method=method), method)
        for method in ("pearson", "cosine", "cosine-whitened", "pearson-whitened")
    }
    assert list(SIMILARITIES) == list(expected)
    narrow = {"conv": LAYERS["conv"]}
    for similarity, function in expected.items():
        layers = narrow if "cca" in similarity else LAYERS
        table = compare_all_features(layers, TARGETS, similarity=similarity)
        assert (table.dims, table.attrs) == (("layer", "target"), {"similarity": similarity, "n": N})
        for layer, x in layers.items():
            for target, y in TARGETS.items():
                value = function(x.values, y.values)  # type: ignore[no-untyped-call]
                assert float(table.sel(layer=layer, target=target)) == pytest.approx(value, abs=1e-10)
                assert compare_features(x, y, similarity=similarity) == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_stimuli_are_matched_by_name_and_not_by_place(similarity: str) -> None:
    order = np.random.default_rng(0).permutation(LABELS)
    shuffled = {name: target.subset(order) for name, target in TARGETS.items()}
    layer = {"conv": LAYERS["conv"]}
    table = compare_all_features(layer, TARGETS, similarity=similarity)
    np.testing.assert_allclose(compare_all_features(layer, shuffled, similarity=similarity), table, atol=1e-10)
    turned = {"conv": layer["conv"].subset(order)}
    np.testing.assert_allclose(compare_all_features(turned, TARGETS, similarity=similarity), table, atol=1e-10)
    misnamed = {"conv": Features(layer["conv"].values, order)}
    assert np.abs(compare_all_features(misnamed, TARGETS, similarity=similarity) - table).max() > 0.02


def test_names_on_one_side_only_are_an_error_unless_a_subset_is_wanted() -> None:
    part = {"V4": TARGETS["V4"].subset(LABELS[5:])}
    with pytest.raises(RSAError, match=r"5 only in 'conv' \(im0, im1, im2 and 2 more\)"):
        compare_all_features({"conv": LAYERS["conv"]}, part)
    table = compare_all_features({"conv": LAYERS["conv"]}, part, allow_subset=True)
    assert table.attrs["n"] == 35
    assert table.item() == pytest.approx(cka(LAYERS["conv"].values[5:], TARGETS["V4"].values[5:]))


def test_groups_keep_an_object_in_one_fold_of_ridge_and_fit_nothing_else() -> None:
    groups = list(LAYERS["conv"].descriptors["object_name"])
    value = compare_features(LAYERS["conv"], TARGETS["IT"], similarity="ridge", groups=groups, seed=2)
    expected = ridge_predictivity(LAYERS["conv"].values, TARGETS["IT"].values, groups=groups, seed=2)
    assert value == pytest.approx(expected)
    assert value != pytest.approx(compare_features(LAYERS["conv"], TARGETS["IT"], similarity="ridge", seed=2))
    with pytest.raises(RSAError, match="cka has no folds, ridge does"):
        compare_features(LAYERS["conv"], TARGETS["IT"], groups=groups)
    with pytest.raises(RSAError, match="groups= has 1 values for 40"):
        compare_features(LAYERS["conv"], TARGETS["IT"], similarity="ridge", groups=["a"])


def test_an_error_names_the_layer_and_the_target() -> None:
    flat = {"flat": Features(np.ones((N, 3)), LABELS)}
    with pytest.raises(RSAError, match=r"^flat: all 40 stimuli have the same features"):
        compare_all_features(flat, TARGETS)
    with pytest.raises(RSAError, match=r"^fc and V4: 40 stimuli are too few"):
        compare_all_features(LAYERS, TARGETS, similarity="svcca")
    silent = {"V4": Features(np.hstack([TARGETS["V4"].values, np.zeros((N, 1))]), LABELS)}
    with pytest.raises(RSAError, match=r"^V4: 1 of 7 neuroids do not vary"):
        compare_all_features(LAYERS, silent, similarity="ridge")
    with pytest.raises(RSAError, match="unknown similarity 'cca'; did you mean svcca"):
        compare_all_features(LAYERS, TARGETS, similarity="cca")
    with pytest.raises(RSAError, match="one side is empty"):
        compare_all_features({}, TARGETS)


def test_features_keep_their_values_and_refuse_what_does_not_fit() -> None:
    values: Array = np.arange(12, dtype=np.float32).reshape(4, 3)
    kept = Features(values, "abcd", name="x", descriptors={"category_name": list("ppqq")})
    assert np.shares_memory(kept.values, values)
    assert values.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        kept.values[0] = 0
    part = kept.subset("db")
    np.testing.assert_array_equal(part.values, values[[3, 1]])
    assert list(part.descriptors["category_name"]) == ["q", "p"]
    for make, words in (
        (lambda: Features(values, "abc"), "features: 4 rows but 3 labels"),
        (lambda: Features(values, "abca"), "labels must be unique"),
        (lambda: Features(values * np.nan, "abcd", name="x"), "features 'x': NaN or infinity in rows a, b, c"),
        (lambda: Features(values, "abcd", descriptors={"k": [1]}), "descriptor k has shape"),
        (lambda: Features(values[0], "abc"), "must have shape"),
        (lambda: Features([["x"]], "a"), "real numbers"),
        (lambda: kept.subset("ae"), "1 label.*not in.*e"),
    ):
        with pytest.raises(RSAError, match=words):
            make()  # type: ignore[no-untyped-call]


def test_the_rdm_of_features_is_that_of_their_values() -> None:
    rdm = LAYERS["conv"].rdm(metric="euclidean")
    expected = compute_rdm(LAYERS["conv"].values, metric="euclidean", labels=LABELS)
    np.testing.assert_array_equal(rdm.values, expected.values)
    assert (rdm.labels, rdm.metric, rdm.by) == (tuple(LABELS), "euclidean", "stimulus")
    assert "object_name" in rdm.descriptors


def test_features_survive_a_file(tmp_path: Path) -> None:
    one = Features(np.eye(3, 4, dtype=np.float32), "abc", name="x", by="object_name", attrs={"scale": "zscore"})
    with h5py.File(tmp_path / "f.h5", "w") as file:
        one.write(file)
    with h5py.File(tmp_path / "f.h5") as file:
        back = Features.read(file)
    np.testing.assert_array_equal(back.values, one.values)
    assert back.values.dtype == np.float32
    assert (back.labels, back.name, back.by, back.attrs) == (one.labels, one.name, one.by, one.attrs)
