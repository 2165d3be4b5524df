"""Names that come with the data are the names, and values go to their rows by name, at every entry point."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy.spatial.distance import pdist
from tgsage.rsa import (
    RDM,
    Features,
    RSAError,
    Stimuli,
    bootstrap,
    bootstrap_neuroids,
    cka,
    compare,
    compare_all,
    compare_features,
    compute_rdm,
    layer_rdms,
    noise_precision,
    procrustes_similarity,
    pwcca,
    ridge_predictivity,
    svcca,
)

RNG = np.random.default_rng(0)
NAMES = [f"im{i:02d}" for i in range(20)]
FRAME = pd.DataFrame(RNG.normal(size=(20, 8)), NAMES, [f"n{i}" for i in range(8)])
SHUFFLED = FRAME.sample(frac=1, random_state=2)
OBJECT = pd.Series([f"o{i % 6}" for i in range(20)], NAMES)
REPEAT = pd.Series([f"r{i // 6}" for i in range(20)], NAMES)


def as_array(frame: pd.DataFrame) -> xr.DataArray:
    return xr.DataArray(frame.to_numpy(), {"stimulus": frame.index.to_numpy()}, ("stimulus", "unit"))


@pytest.mark.parametrize("form", [lambda x: x, as_array, lambda x: as_array(x).reset_index("stimulus")])
def test_an_rdm_and_features_have_the_names_of_their_rows(form: Any) -> None:
    straight, shuffled = compute_rdm(form(FRAME)), compute_rdm(form(SHUFFLED))
    np.testing.assert_allclose(straight.values, pdist(FRAME.to_numpy(), "correlation"))
    assert (straight.labels, shuffled.labels) == (tuple(NAMES), tuple(SHUFFLED.index))
    assert compare(straight, shuffled) == pytest.approx(1)
    assert Features(form(SHUFFLED)).labels == shuffled.labels
    assert compare_features(Features(form(FRAME)), Features(form(SHUFFLED))) == pytest.approx(1)
    with pytest.raises(RSAError, match=r"row 0 is 'im12' there and 'im00' in labels="):
        compute_rdm(form(SHUFFLED), labels=NAMES)
    with pytest.raises(RSAError, match=r"labels= contradict the names in the data"):
        Features(form(SHUFFLED), NAMES)
    assert compute_rdm(form(SHUFFLED), labels=pd.Series(range(20), NAMES)).labels[0] == "12"


def test_row_numbers_are_no_names() -> None:
    bare = FRAME.reset_index(drop=True)
    assert compute_rdm(bare).labels == tuple(map(str, range(20)))
    assert compute_rdm(bare, labels=NAMES).labels == tuple(NAMES)
    assert compute_rdm(bare.iloc[[4, 2, 7]]).labels == ("4", "2", "7")
    with pytest.raises(RSAError, match="need labels, the names of their 20 rows"):
        Features(FRAME.to_numpy())
    with pytest.raises(RSAError, match="unique"):
        compute_rdm(FRAME.set_index(OBJECT))


@pytest.mark.parametrize(
    "options",
    [
        {"metric": "correlation"},
        {"metric": "mahalanobis", "precision": "ledoit-wolf"},
        {"metric": "crossnobis", "folds": True},
        {"metric": "crossnobis", "folds": True, "precision": "diagonal"},
        {"metric": "correlation-crossvalidated", "folds": True},
    ],
    ids=str,
)
def test_groups_and_folds_go_to_their_rows_by_name(options: dict[str, Any]) -> None:
    frame = FRAME + 5 * RNG.normal(size=(6, 8))[np.arange(20) % 6]
    shuffled = frame.loc[SHUFFLED.index]
    given = {**options, "groups": OBJECT}
    plain = {**options, "groups": OBJECT.to_numpy()}
    if "folds" in options:
        given["folds"], plain["folds"] = REPEAT.sample(frac=1, random_state=3), REPEAT.to_numpy()
    expected = compute_rdm(frame.to_numpy(), **plain)
    found = compute_rdm(shuffled, **given)
    np.testing.assert_allclose(found.subset(expected.labels).values, expected.values, rtol=1e-9)
    by_labels = compute_rdm(shuffled.to_numpy(), **{**given, "labels": list(shuffled.index)})
    np.testing.assert_array_equal(by_labels.values, found.values)
    other = OBJECT.rename({"im03": "im99"})
    with pytest.raises(RSAError, match=r"groups .* different names: number \d+ is 'im\d\d', and 'im\d\d' in groups"):
        compute_rdm(frame, **{**given, "groups": other})


def test_missing_groups_and_folds_are_refused_with_their_positions() -> None:
    x = FRAME.to_numpy()
    groups: list[object] = list(OBJECT)
    groups[3] = groups[7] = None
    calls: dict[str, Callable[[], object]] = {
        "groups": lambda: compute_rdm(x, groups=groups),
        "folds": lambda: compute_rdm(x, metric="crossnobis", groups=OBJECT, folds=groups),
        "noise": lambda: noise_precision(x, groups),
        "ridge": lambda: ridge_predictivity(x, x, groups=groups),
        "bootstrap": lambda: bootstrap(compute_rdm(FRAME), compute_rdm(SHUFFLED), groups=groups, n=2),
        "features": lambda: compare_features(Features(FRAME), Features(FRAME), similarity="ridge", groups=groups),
    }
    for name, call in calls.items():
        what = "folds" if name == "folds" else "groups"
        with pytest.raises(RSAError, match=rf"^2 of 20 {what} are missing .* positions 3, 7 from 0"):
            call()
    described = compute_rdm(FRAME, descriptors={"object": groups})
    with pytest.raises(RSAError, match="2 of 20 object of the stimuli are missing"):
        bootstrap(described, described, groups="object", n=2)


def test_a_precision_and_ceilings_go_to_their_features_by_name() -> None:
    p = pd.DataFrame(noise_precision(FRAME, OBJECT), FRAME.columns, FRAME.columns)
    np.testing.assert_array_equal(p, noise_precision(FRAME.to_numpy(), OBJECT.to_numpy()))
    np.testing.assert_allclose(noise_precision(SHUFFLED, OBJECT), p, rtol=1e-9)
    expected = compute_rdm(FRAME.to_numpy(), metric="mahalanobis", precision=p.to_numpy())
    turned = p.iloc[::-1, ::-1]
    np.testing.assert_allclose(compute_rdm(FRAME, metric="mahalanobis", precision=turned).values, expected.values)
    with pytest.raises(RSAError, match="precision: row 0 is 'n7', and column 0 'n0'"):
        compute_rdm(FRAME, metric="mahalanobis", precision=p.iloc[::-1])
    with pytest.raises(RSAError, match="precision and what it belongs to have different names"):
        compute_rdm(FRAME, metric="mahalanobis", precision=turned.rename(index={"n0": "u"}, columns={"n0": "u"}))
    ceilings = pd.Series(np.linspace(0.2, 1, 8), FRAME.columns)
    x = FRAME + RNG.normal(size=FRAME.shape)
    expected_r = ridge_predictivity(x.to_numpy(), FRAME.to_numpy(), ceilings=ceilings.to_numpy())
    assert ridge_predictivity(x, FRAME, ceilings=ceilings[::-1]) == pytest.approx(expected_r)


@pytest.mark.parametrize("similarity", [cka, procrustes_similarity, svcca, pwcca, ridge_predictivity])
def test_similarities_of_arrays_match_rows_by_name(similarity: Any) -> None:
    x, y = FRAME.iloc[:, :4], FRAME.iloc[:, 4:] + FRAME.iloc[:, :4].to_numpy()
    expected = similarity(x.to_numpy(), y.to_numpy())
    assert similarity(x, y.loc[SHUFFLED.index]) == pytest.approx(expected, abs=1e-9)
    assert similarity(x, as_array(y)[::-1]) == pytest.approx(expected, abs=1e-9)
    with pytest.raises(RSAError, match="number 2 is 'im02', and 'other' in the second features"):
        similarity(x, y.rename({"im02": "other"}))


def test_ridge_keeps_groups_of_the_same_names_together() -> None:
    y = FRAME + RNG.normal(size=FRAME.shape)
    expected = ridge_predictivity(FRAME.to_numpy(), y.to_numpy(), groups=OBJECT.to_numpy(), seed=1)
    mixed = OBJECT.sample(frac=1, random_state=5)
    assert ridge_predictivity(FRAME, y, groups=mixed, seed=1) == pytest.approx(expected, abs=1e-12)
    a, b = {"a": Features(FRAME)}, Features(y)
    assert compare_features(a["a"], b, similarity="ridge", groups=mixed, seed=1) == pytest.approx(expected, abs=1e-12)


def test_bootstraps_take_groups_and_names_by_name() -> None:
    rdm, other = compute_rdm(FRAME), compute_rdm(SHUFFLED + RNG.normal(size=FRAME.shape))
    expected = bootstrap(rdm, other, groups=OBJECT.to_numpy(), n=5)
    np.testing.assert_array_equal(bootstrap(rdm, other, groups=OBJECT[::-1], n=5), expected)
    found = bootstrap_neuroids(rdm, SHUFFLED, n=3)
    np.testing.assert_allclose(found, bootstrap_neuroids(rdm, FRAME.to_numpy(), labels=NAMES, n=3))
    assert float(found["estimate"].squeeze()) == pytest.approx(1)


def test_a_square_frame_or_array_names_its_rdm() -> None:
    rdm = compute_rdm(FRAME)
    square = pd.DataFrame(rdm.square(), NAMES, NAMES)
    for given in (square, as_array(square).rename(unit="other"), rdm.to_xarray()):
        assert RDM.from_square(given).labels == rdm.labels
    assert RDM.from_square(pd.DataFrame(rdm.square(), columns=NAMES)).labels == rdm.labels
    turned = square.loc[SHUFFLED.index, SHUFFLED.index]
    assert compare(RDM.from_square(turned), rdm) == pytest.approx(1)
    with pytest.raises(RSAError, match="row 0 is 'im12', and column 0 'im00'"):
        RDM.from_square(square.loc[SHUFFLED.index])
    with pytest.raises(RSAError, match="contradict"):
        RDM.from_square(turned, NAMES)
    with pytest.raises(RSAError, match=r"b is DataFrame; RDM.from_square makes them"):
        compare(rdm, square)
    with pytest.raises(RSAError, match=r"a mapping of names to RDMs .* is needed, not list"):
        compare_all([rdm], {"b": rdm})  # type: ignore[arg-type]
    with pytest.raises(RSAError, match="needs labels"):
        RDM.from_square(rdm.square())


@pytest.mark.parametrize("dtype", [float, np.float32, int])
def test_masked_values_are_missing_at_every_entry(dtype: Any) -> None:
    x = (FRAME.to_numpy() * 100).astype(dtype)
    mask = np.zeros(x.shape, bool)
    mask[3, 2] = mask[5, 1] = True
    masked = np.ma.array(x, mask=mask)
    missing = np.where(mask, np.nan, x).astype(np.float32 if dtype is np.float32 else float)
    found, expected = (compute_rdm(values, missing="pairwise") for values in (masked, missing))
    np.testing.assert_array_equal(found.values, expected.values)
    for call in (
        lambda: compute_rdm(masked),
        lambda: compute_rdm(masked, metric="euclidean"),
        lambda: compute_rdm(list(masked)),
        lambda: Features(masked, NAMES),
        lambda: cka(masked, x),
        lambda: noise_precision(masked, OBJECT),
        lambda: ridge_predictivity(x, masked),
        lambda: bootstrap_neuroids(found, masked, labels=NAMES, n=2),
    ):
        with pytest.raises(RSAError, match="NaN"):
            call()
    square = np.ma.array(found.square())
    square[0, 1] = square[1, 0] = np.ma.masked
    with pytest.raises(RSAError, match="between im00 and im01 is nan"):
        RDM.from_square(square, NAMES)
    with pytest.raises(RSAError, match="nan"):
        RDM(np.ma.array(found.values, mask=found.values == found.values[4]), NAMES)


def test_the_hint_at_pairwise_is_given_where_it_can_be_used() -> None:
    x = FRAME.to_numpy().copy()
    x[2, 1] = np.nan
    with pytest.raises(RSAError, match="missing='pairwise'"):
        compute_rdm(x)
    for options in ({"metric": "spearman"}, {"metric": "euclidean"}, {"groups": OBJECT}):
        with pytest.raises(RSAError, match=r"NaN or infinity$"):
            compute_rdm(x, **options)


@pytest.mark.parametrize("metric", ["correlation", "spearman", "correlation-crossvalidated"])
def test_correlations_over_two_features_are_refused_and_over_few_said(metric: str) -> None:
    x = RNG.normal(size=(20, 4))
    options: dict[str, Any] = {"metric": metric}
    if "cross" in metric:
        x += 5 * RNG.normal(size=(6, 4))[np.arange(20) % 6]
        options |= {"groups": OBJECT.to_numpy(), "folds": REPEAT.to_numpy()}
    with pytest.raises(RSAError, match=rf"^{metric} over 2 feature\(s\) is 1 or -1 .* at least 3"):
        compute_rdm(x[:, :2], name="IT", **options)
    with pytest.warns(UserWarning, match="IT: .* correlations over 4 features only"):
        compute_rdm(x, name="IT", **options)


def test_few_features_are_met_in_networks_tensors_and_pairs() -> None:
    stimuli = Stimuli(torch.rand(6, 2, 1, 1), {"c": list("aabbcc")})
    for by in ("stimulus", "c"):
        with pytest.raises(RSAError, match=r"layer output: .*over 2 feature\(s\)"):
            layer_rdms(torch.nn.Identity(), stimuli, "output", by=by)
    with pytest.raises(RSAError, match=r"over 1 feature\(s\)"):
        compute_rdm(torch.rand(6, 1), metric="cosine")
    assert len(compute_rdm(torch.rand(6, 2), metric="cosine").values) == 15
    x = RNG.normal(size=(4, 6))
    x[0, :2], x[1, 4:] = np.nan, np.nan
    with pytest.raises(RSAError, match="rows 0 and 1 share fewer than 3 features"):
        compute_rdm(x, missing="pairwise")
    x[1, 4] = 1
    with pytest.warns(UserWarning, match="some pairs of rows are correlations over 3 features only"):
        compute_rdm(x, missing="pairwise")


def test_stimuli_keep_the_names_of_images_and_columns() -> None:
    images = [torch.full((3, 2, 2), float(i)) for i in range(3)]
    table = pd.DataFrame({"c": ["x", None, "z"], "size": [1, 2, 3]}, ["a", "b", "c"])
    for stimuli in (Stimuli(images, table), Stimuli(images, {"c": table["c"], "size": table["size"][::-1]})):
        assert stimuli.column("stimulus") == ["a", "b", "c"]
        assert stimuli.table["size"].tolist() == [1, 2, 3]
        with pytest.raises(RSAError, match=r"1 of 3 c of the stimuli are missing .* positions 1 "):
            stimuli.column("c")
    series = pd.Series(images, [2, 0, 1], dtype=object)
    with pytest.raises(RSAError, match="column c are numbered anew"):
        Stimuli(series, {"c": pd.Series(["x", "y", "z"])})
    shown = Stimuli(series, {"c": pd.Series(["x", "z", "y"], [0, 2, 1])})
    assert [float(shown[i][0, 0, 0]) for i in range(3)] == [0, 1, 2]
    assert shown.column("stimulus") == ["2", "0", "1"]
    assert shown.column("c") == ["z", "x", "y"]
    stack = xr.DataArray(np.stack(images), {"stimulus": [*"abc"]}, ("stimulus", "c", "y", "x"))
    for given in (
        stack + RNG.random(stack.shape),
        pd.Series([*(stack.to_numpy() + RNG.random(stack.shape))], [*"abc"]),
    ):
        assert layer_rdms(torch.nn.Flatten(), given, "output")["output"].labels == ("a", "b", "c")
    with pytest.raises(RSAError, match=r"1 of 3 classes of the images are missing .* positions 2 "):
        Stimuli.from_dataset(list(zip(images, ["x", "y", np.nan], strict=True)))
    for wrong in (5, FRAME):
        with pytest.raises(RSAError, match="images must be a sequence of images, not"):
            Stimuli(wrong)  # type: ignore[arg-type]
    with pytest.raises(RSAError, match="table must be a mapping of columns or a DataFrame, not list"):
        Stimuli(images, ["a", "b", "c"])  # type: ignore[arg-type]
    ids = Stimuli(images, {"stimulus_id": ["a", "b", "c"], "size": table["size"][::-1]})
    assert ids.table["size"].tolist() == [1, 2, 3]
    with pytest.raises(RSAError, match="column size and what it belongs to have different names"):
        Stimuli(images, {"stimulus_id": ["a", "b", "d"], "size": table["size"]})
    with pytest.raises(RSAError, match="contradict"):
        Stimuli(series, {"stimulus_id": ["a", "b", "c"]})
    with pytest.raises(RSAError, match="masked pixels"):
        Stimuli(np.ma.masked_equal(np.eye(24).reshape(3, 3, 8, 8), 1))
    with pytest.raises(RSAError, match="3 images but column c has shape"):
        Stimuli(images, {"c": ["x", "y"]})


TABLE = pd.DataFrame({"stimulus_id": [3, 1, 2, 0], "c": ["three", "one", "two", "zero"]})


@pytest.mark.parametrize("table", [TABLE, TABLE.iloc[[2, 0, 3, 1]], TABLE.iloc[1:], TABLE.set_index("c", drop=False)])
def test_columns_of_one_table_stay_together_whatever_its_index(table: pd.DataFrame) -> None:
    """Also where the ids are whole numbers, as row numbers are."""
    x = np.random.default_rng(0).normal(size=(len(table), 6))
    images = [np.full((3, 4, 4), i / 4, np.float32) for i in range(len(table))]
    words = {"3": "three", "1": "one", "2": "two", "0": "zero"}
    stimuli = Stimuli(images, dict(table))
    made: tuple[RDM | Features, ...] = (
        compute_rdm(x, labels=table.stimulus_id, descriptors={"c": table.c}),
        Features(x, table.stimulus_id, descriptors={"c": table.c}),
    )
    for one in made:
        assert [words[label] for label in one.labels] == list(one.descriptors["c"])
        assert list(one.descriptors["c"]) == table.c.tolist()
    assert stimuli.table["stimulus_id"].tolist() == list(map(str, table.stimulus_id))
    assert stimuli.table["c"].tolist() == table.c.tolist()
    grouped = compute_rdm(np.repeat(x, 2, axis=0)[::2], labels=table.stimulus_id, groups=table.c)
    assert grouped.labels == tuple(table.c)


def test_groups_by_row_number_are_not_sorted_by_numeric_labels() -> None:
    rdm = compute_rdm(np.random.default_rng(0).normal(size=(12, 8)), labels=np.random.default_rng(1).permutation(12))
    groups = pd.Series(list("aabbccddeeff"))
    np.testing.assert_array_equal(
        bootstrap(rdm, rdm, n=20, groups=groups), bootstrap(rdm, rdm, n=20, groups=groups.tolist())
    )


def test_an_index_that_may_mean_either_is_refused() -> None:
    x = np.random.default_rng(0).normal(size=(4, 6))
    with pytest.raises(RSAError, match=r"^groups are numbered anew, and the rows are not"):
        compute_rdm(pd.DataFrame(x, index=[3, 1, 2, 0]), groups=pd.Series(list("aabb")))
    with pytest.raises(
        RSAError, match=r"^groups and what it belongs to have different names: number 2 is '2', and '3'"
    ):
        compute_rdm(pd.DataFrame(np.vstack([x, x[:1]])), groups=pd.Series(list("abcdef")).drop(2))


def test_names_are_not_guessed_where_they_are_given() -> None:
    x, names = np.random.default_rng(0).normal(size=(4, 6)), tuple("abcd")
    coords = {"n": ("s", list(names)), "num": ("s", [4, 3, 2, 1]), "obj": ("s", list("xxyy"))}
    two = xr.DataArray(x, dims=("s", "f"), coords=coords)
    assert compute_rdm(two, labels=names).labels == Features(two, names).labels == names
    assert compute_rdm(two, groups=list("xxyy")).labels == ("x", "y")
    with pytest.raises(RSAError, match="several columns"):
        compute_rdm(two)
    trial = xr.DataArray(x, dims=("s", "f"), coords={"trial": ("s", [1, 2, 3, 4])})
    assert compute_rdm(trial, labels=names).labels == names
    onset = xr.DataArray(x, dims=("s", "f"), coords={"onset": ("s", [0.1, 0.5, 0.7, 0.9])})
    assert compute_rdm(onset).labels == ("0", "1", "2", "3")
    levels = pd.MultiIndex.from_arrays([list(names), [0] * 4], names=["stimulus_id", "repetition"])
    assert compute_rdm(pd.DataFrame(x, index=levels)).labels == names
    columns = pd.MultiIndex.from_product([["a", "b"], [0, 1, 2]])
    assert compute_rdm(pd.DataFrame(x, index=list(names), columns=columns)).labels == names
