"""TG is the paper's rule; teachers survive a file; guidance works in a foreign loop."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from tgsage.rsa import (
    RDM,
    Features,
    Guidance,
    RSAError,
    Stimuli,
    Teacher,
    compare_all_features,
    compute_rdm,
    layer_rdms,
    p_plus_tg,
)
from torch import nn

from ..uneven import Uneven

RNG = np.random.default_rng(0)


def rdms(names: str, n: int = 12, seed: int = 0) -> dict[str, RDM]:
    rng = np.random.default_rng(seed)
    labels = [f"im{i}" for i in range(n)]
    return {name: compute_rdm(rng.normal(size=(n, 20)), labels=labels, name=name) for name in names}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU())


@pytest.fixture
def stimuli() -> Stimuli:
    images = torch.rand(10, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    table = {"stimulus_id": [f"im{i}" for i in range(10)], "category_name": [str(i % 4) for i in range(10)]}
    return Stimuli(images, table, reference="ten random images")


def test_tg_is_the_best_layer_per_target_averaged_over_targets() -> None:
    layers, targets = rdms("abcd"), rdms("XYZ", seed=1)
    score = Teacher.from_rdms("t", targets).score(layers)
    best = [
        max(np.corrcoef(layer.values, target.values)[0, 1] for layer in layers.values()) for target in targets.values()
    ]
    assert score.tg == pytest.approx(np.mean(best), abs=1e-12)
    for target, layer in score.best_layer.items():
        assert score.table.sel(target=target, layer=layer) == score.table.sel(target=target).max()


def test_a_teacher_scores_itself_perfectly_whatever_the_order_of_its_stimuli() -> None:
    targets = rdms("XY")
    shuffled = {name: rdm.subset(RNG.permutation(rdm.labels)) for name, rdm in targets.items()}
    score = Teacher.from_rdms("t", targets).score(shuffled)
    assert score.tg == pytest.approx(1.0)
    assert score.best_layer == {"X": "X", "Y": "Y"}


def test_ceiled_scores_divide_by_the_upper_ceiling() -> None:
    score = Teacher.from_rdms("t", rdms("XY", seed=1), {"X": (0.4, 0.5)}).score(rdms("a"))
    assert score.ceiled.sel(target="X").item() == pytest.approx(score.table.sel(target="X").item() / 0.5)
    assert np.isnan(score.ceiled.sel(target="Y").item())
    assert score.to_dict()["ceilings"] == {"X": [0.4, 0.5]}


def test_a_teacher_survives_its_file(tmp_path: Path) -> None:
    teacher = Teacher.from_rdms(
        "V4 and IT", rdms("XY"), {"Y": (0.1, 0.9)}, method="rho-a", stimuli="somewhere", checksum="ab", attrs={"k": 3}
    )
    teacher.save(tmp_path / "teacher.h5")
    loaded = Teacher.load(tmp_path / "teacher.h5")
    assert list(loaded.rdms) == ["X", "Y"]
    for field in ("name", "ceilings", "method", "stimuli", "checksum", "attrs"):
        assert getattr(loaded, field) == getattr(teacher, field)
    np.testing.assert_array_equal(loaded.rdms["Y"].values, teacher.rdms["Y"].values)
    assert list(tmp_path.iterdir()) == [tmp_path / "teacher.h5"]


def test_a_damaged_or_foreign_file_is_named(tmp_path: Path) -> None:
    teacher = Teacher.from_rdms("t", rdms("X"))
    teacher.save(tmp_path / "whole.h5")
    whole = (tmp_path / "whole.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("not HDF5")
    next(iter(rdms("X").values())).save(tmp_path / "rdm.h5")
    for name, words in (
        ("cut", "cannot be read"),
        ("text", "cannot be read"),
        ("rdm", "tgsage-rdm"),
        ("no", "no such"),
    ):
        with pytest.raises(RSAError, match=rf"{name}\.h5.*{words}"):
            Teacher.load(tmp_path / f"{name}.h5")


def test_an_unwritable_place_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RSAError, match="cannot write"):
        Teacher.from_rdms("t", rdms("X")).save(tmp_path / "missing" / "t.h5")
    assert list(tmp_path.iterdir()) == []


def test_guidance_scores_a_network_against_a_network(stimuli: Stimuli) -> None:
    teacher = Teacher.from_network("net", network(), stimuli, ["1", "3"], n_features=100)
    assert teacher.stimuli == "ten random images"
    guide = Guidance(teacher, stimuli, n_features=100)
    model = network().train()
    score = guide(model)
    assert model.training
    assert score.tg == pytest.approx(1.0, abs=1e-6)
    assert score.best_layer == {"1": "1", "3": "3"}
    assert score.attrs["n_features"] == 100
    assert p_plus_tg(0.5, score.tg, alpha=2.0) == pytest.approx(2.5, abs=1e-5)


def test_guidance_leaves_out_what_cannot_be_compared_and_names_it(stimuli: Stimuli) -> None:
    teacher, model = Teacher.from_network("net", network(), stimuli, ["3"]), Uneven()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    score = Guidance(teacher, stimuli)(model)
    assert list(score.table["layer"]) == ["first", "last"]
    assert score.attrs["unusable"] == "dead, flat"
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    with pytest.raises(RSAError, match=r"no layer can be compared: dead: .*, flat: all conditions are alike"):
        Guidance(teacher, stimuli, layers=["dead", "flat"])(model)
    with pytest.raises(RSAError, match=r"layer dead: .* rows: .* no variance"):
        layer_rdms(model, stimuli)


def test_guidance_by_running_averages_is_that_of_layer_rdms(stimuli: Stimuli) -> None:
    teacher, model = Teacher.from_network("net", network(), stimuli, ["3"]), Uneven()
    score = Guidance(teacher, stimuli, layers=["first", "last"], batchnorm="running")(model)
    expected = teacher.score(layer_rdms(model, stimuli, ["first", "last"]))
    np.testing.assert_array_equal(score.table, expected.table)
    assert score.tg != Guidance(teacher, stimuli, layers=["first", "last"])(model).tg


def test_recalibrated_averages_are_those_of_the_images_that_are_shown(stimuli: Stimuli) -> None:
    teacher, model = Teacher.from_network("net", network(), stimuli, ["3"]), Uneven()
    images = torch.as_tensor(stimuli.images)
    with torch.no_grad():
        for block in (model.first, model.last):
            block[1].momentum = None  # type: ignore[assignment]
        model.train()(images)
    expected = Guidance(teacher, stimuli, batchnorm="running")(model).tg
    found = Guidance(teacher, stimuli, batchnorm="recalibrated", calibrate=lambda module: module(images))(Uneven())
    assert found.tg == pytest.approx(expected, abs=1e-5)
    with pytest.raises(RSAError, match="go together"):
        Guidance(teacher, stimuli, batchnorm="recalibrated")
    with pytest.raises(RSAError, match="go together"):
        Guidance(teacher, stimuli, calibrate=lambda module: module(images))


def test_guidance_by_category_shows_only_what_the_teacher_knows(stimuli: Stimuli) -> None:
    known = Stimuli(torch.as_tensor(stimuli.images)[:6], {key: column[:6] for key, column in stimuli.table.items()})
    teacher = Teacher.from_rdms("t", layer_rdms(network(), known, ["3"], by="category_name"))
    assert len(Guidance(teacher, stimuli).stimuli) == 10
    by_stimulus = Teacher.from_rdms("t", layer_rdms(network(), known, ["3"]))
    guide = Guidance(by_stimulus, stimuli)
    assert list(guide.stimuli.table["stimulus_id"]) == [f"im{i}" for i in range(6)]
    assert guide(network()).tg == pytest.approx(1.0, abs=1e-6)


def test_guidance_refuses_other_images(stimuli: Stimuli) -> None:
    teacher = Teacher.from_network("net", network(), stimuli, ["3"])
    other = Stimuli(torch.as_tensor(stimuli.images) * 0.5, stimuli.table)
    with pytest.raises(RSAError, match="not the images that teacher 'net' was made with"):
        Guidance(teacher, other)
    renamed = Stimuli(stimuli.images, {"stimulus_id": [f"x{i}" for i in range(10)]})
    with pytest.raises(RSAError, match="no stimulus for 10 of 10"):
        Guidance(teacher, renamed)
    with pytest.raises(RSAError, match="no column 'object_name'"):
        layer_rdms(network(), stimuli, by="object_name")


def test_labels_that_do_not_overlap_are_counted_and_named() -> None:
    with pytest.raises(RSAError, match=r"labels differ: 2 only in .*im10, im11"):
        Teacher.from_rdms("t", rdms("X", 10)).score(rdms("a", 12))
    score = Teacher.from_rdms("t", rdms("X", 10)).score(rdms("a", 12), allow_subset=True)
    assert score.table.attrs["n"] == 10


def test_teachers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(RSAError, match="no target"):
        Teacher.from_rdms("t", {})
    mixed = rdms("XY")
    mixed["Y"] = mixed["Y"].replace(by="object_name")
    with pytest.raises(RSAError, match="X by stimulus, Y by object_name"):
        Teacher.from_rdms("t", mixed)
    with pytest.raises(RSAError, match="target Y has other labels than X"):
        Teacher.from_rdms("t", rdms("X") | rdms("Y", 13))
    crossnobis = rdms("X")["X"].replace(metric="crossnobis")
    with pytest.raises(RSAError, match="metric 'crossnobis' is not supported"):
        Guidance(Teacher.from_rdms("t", {"X": crossnobis}), torch.rand(12, 3, 8, 8))
    with pytest.raises(RSAError, match="ceiling for Z"):
        Teacher.from_rdms("t", rdms("X"), {"Z": (0.1, 0.2)})


@pytest.mark.parametrize(
    ("p", "words"), [(50.0, "divide percent by 100"), (-0.1, "fraction"), (float("nan"), "p must be a finite number")]
)
def test_p_is_a_fraction(p: float, words: str) -> None:
    with pytest.raises(RSAError, match=words):
        p_plus_tg(p, 0.5)


def test_a_network_teacher_holds_the_rdms_of_its_layers(stimuli: Stimuli) -> None:
    teacher = Teacher.from_network("net", network(), stimuli, ["3"], metric="euclidean")
    with torch.no_grad():
        features = network()(stimuli.images).flatten(1).numpy()
    np.testing.assert_allclose(teacher.rdms["3"].values, pdist(features.astype(float)), rtol=1e-4)
    assert (teacher.metric, teacher.by) == ("euclidean", "stimulus")


def features(names: str, n: int = 12, seed: int = 0) -> dict[str, Features]:
    rng = np.random.default_rng(seed)
    labels = [f"im{i}" for i in range(n)]
    columns = {"object_name": [f"o{i % 6}" for i in range(n)]}
    return {name: Features(rng.normal(size=(n, 4)), labels, name=name, descriptors=columns) for name in names}


def with_features(names: str, n: int = 12) -> Teacher:
    kept = features(names, n, seed=1)
    return Teacher.from_rdms("t", {name: one.rdm() for name, one in kept.items()}, {"X": (0.4, 0.5)}, features=kept)


@pytest.mark.parametrize("similarity", ["cka", "cka-unbiased", "cka-rbf", "svcca", "pwcca", "procrustes", "ridge"])
def test_a_teacher_with_features_scores_by_any_similarity(similarity: str) -> None:
    teacher, layers = with_features("XY", 30), features("abc", 30)
    score = teacher.score(layers, similarity=similarity)
    table = compare_all_features(layers, teacher.features, similarity=similarity)
    np.testing.assert_array_equal(score.table, table)
    assert score.tg == pytest.approx(table.max("layer").mean().item())
    assert (score.method, score.ceilings, score.table.attrs["n"]) == (similarity, {}, 30)
    assert "none" in str(score.attrs["teacher_ceiling"])
    if similarity != "ridge":
        itself = teacher.score(teacher.features, similarity=similarity)
        assert itself.tg == pytest.approx(1)
        assert itself.best_layer == {"X": "X", "Y": "Y"}


def test_groups_of_ridge_are_a_descriptor_or_values() -> None:
    teacher, layers = with_features("X", 30), features("a", 30)
    by_name = teacher.score(layers, similarity="ridge", groups="object_name", seed=1)
    by_value = teacher.score(layers, similarity="ridge", groups=[f"o{i % 6}" for i in range(30)], seed=1)
    assert by_name.tg == by_value.tg != teacher.score(layers, similarity="ridge", seed=1).tg
    with pytest.raises(RSAError, match=r"no descriptor 'object'.*object_name"):
        teacher.score(layers, similarity="ridge", groups="object")


def test_features_survive_the_teachers_file(tmp_path: Path) -> None:
    teacher = with_features("XY")
    teacher.save(tmp_path / "teacher.h5")
    loaded = Teacher.load(tmp_path / "teacher.h5")
    layers = features("ab")
    np.testing.assert_array_equal(
        loaded.score(layers, similarity="cka").table, teacher.score(layers, similarity="cka").table
    )
    assert loaded.features["Y"].labels == teacher.features["Y"].labels
    Teacher.from_rdms("t", rdms("X")).save(tmp_path / "rdms.h5")
    assert Teacher.load(tmp_path / "rdms.h5").features == {}


def test_damaged_features_in_a_file_are_named(tmp_path: Path) -> None:
    for name, change in (
        ("nan", lambda file: file["features0/values"].__setitem__((0, 0), np.nan)),
        ("gone", lambda file: file.__delitem__("features1")),
        ("other", lambda file: file["features0/labels"].__setitem__(0, "stranger")),
    ):
        with_features("XY").save(tmp_path / f"{name}.h5")
        with h5py.File(tmp_path / f"{name}.h5", "r+") as file:
            change(file)  # type: ignore[no-untyped-call]
        with pytest.raises(RSAError, match=rf"{name}\.h5"):
            Teacher.load(tmp_path / f"{name}.h5")


def test_a_similarity_of_features_needs_features_on_both_sides() -> None:
    teacher = with_features("X")
    with pytest.raises(RSAError, match=r"'t' holds RDMs only and similarity='cka' compares features; .*features=True"):
        Teacher.from_rdms("t", rdms("X")).score(features("a"), similarity="cka")
    with pytest.raises(RSAError, match="similarity='cka' needs a mapping of layer -> Features"):
        teacher.score(rdms("a"), similarity="cka")
    with pytest.raises(RSAError, match="similarity='rdm' needs a mapping of layer -> RDM"):
        teacher.score(features("a"))
    with pytest.raises(RSAError, match="unknown similarity 'ckaa'; did you mean"):
        teacher.score(features("a"), similarity="ckaa")


def test_arguments_of_rdms_are_not_ignored_by_other_similarities() -> None:
    teacher = with_features("X")
    with pytest.raises(RSAError, match=r"bootstrap=100 is for similarity='rdm'"):
        teacher.score(features("a"), similarity="cka", bootstrap=100)
    with pytest.raises(RSAError, match=r"method='spearman' is for similarity='rdm'"):
        teacher.score(features("a"), similarity="cka", method="spearman")
    with pytest.raises(RSAError, match="cka has no folds"):
        teacher.score(features("a"), similarity="cka", groups="object_name")


def test_features_of_other_targets_or_conditions_are_refused() -> None:
    with pytest.raises(RSAError, match="features and RDMs are of the same targets, unlike Y"):
        Teacher.from_rdms("t", rdms("XY"), features=features("X"))
    with pytest.raises(RSAError, match="the features of X are of other conditions"):
        Teacher.from_rdms("t", rdms("X"), features=features("X", 11))


def test_some_targets_can_be_kept() -> None:
    teacher = with_features("XYZ").keep(["Z", "X"])
    assert (list(teacher.rdms), list(teacher.features), teacher.ceilings) == (["Z", "X"], ["Z", "X"], {"X": (0.4, 0.5)})
    assert list(Teacher.from_rdms("t", rdms("XY")).keep(["Y"]).rdms) == ["Y"]
    with pytest.raises(RSAError, match="'t' has no target 'V4'; known: Z, X"):
        teacher.keep(["V4"])


def test_guidance_by_features_of_a_network(stimuli: Stimuli) -> None:
    teacher = Teacher.from_network("net", network(), stimuli, ["1", "3"], n_features=100, features=True)
    rdms_only = Teacher.from_network("net", network(), stimuli, ["1", "3"], n_features=100)
    for target in rdms_only.rdms:
        np.testing.assert_allclose(teacher.rdms[target].values, rdms_only.rdms[target].values, atol=1e-6)
    score = Guidance(teacher, stimuli, n_features=100, similarity="cka")(network().train())
    assert score.tg == pytest.approx(1)
    assert score.best_layer == {"1": "1", "3": "3"}
    assert score.attrs["n_features"] == 100
    with pytest.raises(RSAError, match="'net' holds RDMs only"):
        Guidance(rdms_only, stimuli, similarity="cka")
    with pytest.raises(RSAError, match="metric='cosine' is for similarity='rdm'"):
        Guidance(teacher, stimuli, similarity="cka", metric="cosine")


def test_features_by_category_are_averages_and_say_so(stimuli: Stimuli) -> None:
    teacher = Teacher.from_network("net", network(), stimuli, ["3"], by="category_name", features=True)
    with torch.no_grad():
        single = network()(stimuli.images).flatten(1).numpy()
    means = [single[i::4].mean(axis=0) for i in range(4)]
    np.testing.assert_allclose(teacher.features["3"].subset("0123").values, means, atol=1e-6)
    score = Guidance(teacher, stimuli, similarity="procrustes")(network())
    assert score.tg == pytest.approx(1)
    assert score.attrs["features"] == "averaged over the stimuli of each category_name"
