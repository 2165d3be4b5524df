"""Features and RDMs made elsewhere as models: every form of file against RDMs computed by scipy."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import tgsage
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr
from tgsage.neural_data import as_teacher, from_arrays
from tgsage.rsa import RDM, Features, RSAError, Teacher, compute_rdm, read_layers, write_rsatoolbox
from tgsage.rsa.cli.app import main
from tgsage.rsa.types import Array

RNG = np.random.default_rng(0)
N = 9
NAMES = [f"im{i}" for i in range(N)]
ORDER = RNG.permutation(N + 2)  # of the file: two stimuli more than the teacher's, in another order
FILE_NAMES = np.array([*NAMES, "other1", "other2"])[ORDER].tolist()
TRUTH = {"conv1": RNG.normal(size=(N + 2, 3, 2, 2)), "fc": RNG.normal(size=(N + 2, 7))}  # in the teacher's order
BRAIN = RNG.normal(size=(N, 6))
TEACHER = Teacher.from_rdms("monkey", {"V4": compute_rdm(BRAIN, labels=NAMES)})
EXPECTED = {
    name: pearsonr(pdist(values[:N].reshape(N, -1), "correlation"), pdist(BRAIN, "correlation"))[0]
    for name, values in TRUTH.items()
}


def stored(name: str) -> Array:
    return TRUTH[name][ORDER]


def table() -> pd.DataFrame:
    frame = pd.DataFrame(stored("fc"), columns=[f"unit{i}" for i in range(7)])
    frame.insert(0, "image", FILE_NAMES)
    return frame


def write(path: Path) -> Path:
    layers = {name: stored(name) for name in TRUTH}
    cells = np.empty((len(FILE_NAMES), 1), object)
    cells[:, 0] = FILE_NAMES
    match path.name:
        case "npz.npz":
            np.savez(path, filenames=[f"{name}.png" for name in FILE_NAMES], **layers)  # type: ignore[arg-type]
        case "hdf5.h5":
            with h5py.File(path, "w") as file:
                file["labels"] = FILE_NAMES
                for name, values in layers.items():
                    file[f"layers/{name}"] = values
        case "matlab.mat":
            scipy.io.savemat(path, {**layers, "stimulus_id": cells})
        case "thingsvision":
            for name, values in layers.items():
                (path / name).mkdir(parents=True)
                np.save(path / name / "features.npy", values)
            (path / "file_names.txt").write_text("".join(f"folder/{name}.jpg\n" for name in FILE_NAMES))
        case "fc.csv":
            table().to_csv(path, index=False)
        case "fc.parquet":
            table().to_parquet(path)
        case "fc.npy":
            np.save(path, stored("fc"))
    return path


@pytest.mark.filterwarnings("ignore:.* matched although they are spelled differently")
@pytest.mark.parametrize("name", ["npz.npz", "hdf5.h5", "matlab.mat", "thingsvision", "fc.csv", "fc.parquet", "fc.npy"])
def test_features_in_files_are_models(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name)
    (tmp_path / "names.txt").write_text("\n".join(FILE_NAMES))
    labels = tmp_path / "names.txt" if name == "fc.npy" else None
    result = tgsage.score(path, TEACHER, labels=labels, bootstrap=0)
    found = {str(key).rsplit("/", 1)[-1]: value for key, value in result.table.to_series().droplevel(1).items()}
    assert found == pytest.approx({key: EXPECTED[key] for key in found}, abs=1e-6)
    assert set(found) == ({"fc"} if name.startswith("fc") else set(TRUTH))
    assert result.model == str(path)


def test_features_and_rdms_in_memory_are_models() -> None:
    features = {key: Features(values.reshape(N + 2, -1), [*NAMES, "x", "y"]) for key, values in TRUTH.items()}
    frames = {key: pd.DataFrame(one.values, index=list(one.labels)) for key, one in features.items()}
    arrays = {key: values[:N].reshape(N, -1) for key, values in TRUTH.items()}
    for model, labels in ((features, None), (frames, None), (arrays, NAMES), (arrays, "order")):
        result = tgsage.score(model, TEACHER, labels=labels, bootstrap=0)
        assert result.table.sel(target="V4").to_series().to_dict() == pytest.approx(EXPECTED, abs=1e-6)
    assert "in the order of the teacher's stimuli" in str(result.attrs["labels"])
    one = tgsage.score(features["fc"].rdm(), TEACHER, bootstrap=0)
    assert float(one.table.item()) == pytest.approx(EXPECTED["fc"], abs=1e-6)
    euclidean = tgsage.score(features["fc"], TEACHER, metric="euclidean", bootstrap=0)
    expected = pearsonr(pdist(TRUTH["fc"][:N]), pdist(BRAIN, "correlation"))[0]
    assert float(euclidean.table.item()) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(RSAError, match="the rows of fc have no names; labels="):
        tgsage.score({"fc": arrays["fc"]}, TEACHER)
    with pytest.raises(RSAError, match="metric cosine makes RDMs of features, and fc is an RDM already"):
        tgsage.score({"fc": features["fc"].rdm()}, TEACHER, metric="cosine")


def test_rdms_in_files_are_models(tmp_path: Path) -> None:
    dissimilar = squareform(pdist(stored("fc"), "correlation"))
    pd.DataFrame(dissimilar, index=FILE_NAMES, columns=FILE_NAMES).to_csv(tmp_path / "fc.csv")
    np.savez(tmp_path / "npz.npz", fc=dissimilar, labels=FILE_NAMES)
    rdm = RDM(squareform(dissimilar, checks=False), FILE_NAMES, name="fc")
    rdm.save(tmp_path / "rdm.h5")
    Teacher.from_rdms("a model", {"fc": rdm}).save(tmp_path / "teacher.h5")
    files = ["fc.csv", "npz.npz", "rdm.h5", "teacher.h5"]
    if pytest.importorskip("rsatoolbox"):
        write_rsatoolbox(tmp_path / "rsatoolbox.hdf5", {"fc": rdm})
        files.append("rsatoolbox.hdf5")
    for name in files:
        result = tgsage.score(tmp_path / name, TEACHER, bootstrap=0)
        assert result.table.to_series().to_dict() == {("fc", "V4"): pytest.approx(EXPECTED["fc"], abs=1e-6)}, name


def test_features_are_averaged_for_a_teacher_by_category(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "images").mkdir()
    for name in NAMES:
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "images" / f"{name}.png")
    groups = np.array(list("abcabcabc"))
    rows = "".join(f"{name},{name}.png,{group}\n" for name, group in zip(NAMES, groups, strict=True))
    (tmp_path / "images.csv").write_text(f"stimulus_id,filename,kind\n{rows}")
    recording = from_arrays(BRAIN, stimulus_id=NAMES, region="V4", presentation={"kind": groups})
    teacher = as_teacher(recording, by="kind", splits=0)
    features = Features(TRUTH["fc"][:N], NAMES, name="fc")
    means = [[x[groups == group].mean(axis=0) for group in "abc"] for x in (TRUTH["fc"][:N], BRAIN)]
    expected = pearsonr(*(pdist(np.array(rows), "correlation") for rows in means))[0]
    result = tgsage.score(features, teacher, tmp_path / "images", bootstrap=0)
    assert float(result.table.item()) == pytest.approx(expected, abs=1e-6)
    named = tgsage.score(Features(np.array(means[0]), list("abc")), teacher, bootstrap=0)
    assert float(named.table.item()) == pytest.approx(expected, abs=1e-6)
    known = tgsage.score(features, teacher, bootstrap=0)  # the teacher knows what is of which kind
    assert float(known.table.item()) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(RSAError, match=r"1 of the teacher's 9 stimuli have no row in fc: im8"):
        tgsage.score(features.subset(NAMES[:8]), teacher)
    with pytest.raises(RSAError, match="the teacher is by kind, and which row of fc belongs to which is not known"):
        tgsage.score(features, replace(teacher, members={}))
    with pytest.raises(RSAError, match="members are of d, which its RDMs are not about"):
        replace(teacher, members={"im0": "d"})
    teacher.save(tmp_path / "teacher.h5")
    assert Teacher.load(tmp_path / "teacher.h5").members == dict(zip(NAMES, groups.tolist(), strict=True))


def test_features_are_compared_without_rdms() -> None:
    recording = from_arrays(BRAIN, stimulus_id=NAMES, region="V4")
    teacher = as_teacher(recording, splits=0, features=True)
    same = tgsage.score(Features(BRAIN[::-1], NAMES[::-1]), teacher, similarity="cka")
    assert float(same.table.item()) == pytest.approx(1)
    with pytest.raises(RSAError, match="cka compares features, and model is an RDM already"):
        tgsage.score(compute_rdm(BRAIN, labels=NAMES), teacher, similarity="cka")


def test_the_command_takes_a_file_and_says_how_its_rows_were_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TEACHER.save(tmp_path / "teacher.h5")
    np.save(tmp_path / "fc.npy", TRUTH["fc"][:N])
    command = ["score", str(tmp_path / "fc.npy"), "--teacher", str(tmp_path / "teacher.h5"), "--bootstrap", "0"]
    assert main(command) == 2
    assert "its rows have no names; --labels" in capsys.readouterr().err
    assert main([*command, "--labels", "order", "--json", str(tmp_path / "out.json")]) == 0
    assert "rows in the order of the teacher's stimuli, as told" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["table"]["fc"]["V4"] == pytest.approx(EXPECTED["fc"])
    assert main([*command, "--labels", "order", "--layers", "conv*"]) == 2
    assert "there is no layer 'conv*'; known: fc" in capsys.readouterr().err
    labels = [*NAMES, *(f"other{i}" for i in range(len(TRUTH["fc"]) - N))]
    np.savez(tmp_path / "more.npz", fc=TRUTH["fc"], labels=labels)
    assert main(["score", str(tmp_path / "more.npz"), *command[2:]]) == 0
    assert f"rows {N} of {len(TRUTH['fc'])}, those of the teacher" in capsys.readouterr().out
    assert main(["score", "pixels", "--teacher", str(tmp_path / "teacher.h5"), "--labels", "order"]) == 2
    assert "a network has none" in capsys.readouterr().err


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "fewer rows": ({"fc": TRUTH["fc"][:4], "labels": NAMES}, "fc has 4 rows, and there are 9 names"),
    "fewer stimuli": ({"fc": TRUTH["fc"][:4], "labels": NAMES[:4]}, "5 of the teacher's 9 stimuli have no row in fc"),
    "no names": ({"fc": TRUTH["fc"]}, "its rows have no names"),
    "no features": ({"labels": NAMES}, "no array has a row of features per stimulus"),
    "both kinds": (
        {"fc": TRUTH["fc"][:N], "rdm": squareform(pdist(BRAIN)), "labels": NAMES}, "rdm could be RDMs, but fc"
    ),
    "NaN": ({"fc": np.where(TRUTH["fc"] > 1, np.nan, TRUTH["fc"])[:N], "labels": NAMES}, "NaN or infinity"),
    "names that repeat": ({"fc": TRUTH["fc"][:2], "labels": ["a", "a"]}, "labels must be unique"),
    "a pickle": ({"fc": TRUTH["fc"][:2], "labels": np.array([None, {}], object)}, r"npz"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_a_model_ends_in_one_line(case: str, tmp_path: Path) -> None:
    arrays, message = BAD[case]
    np.savez(tmp_path / "file.npz", **arrays)
    with pytest.raises(RSAError, match=message) as caught:
        tgsage.score(tmp_path / "file.npz", TEACHER)
    assert "\n" not in str(caught.value)


def test_other_files_are_named_as_what_they_are(tmp_path: Path) -> None:
    for content, words in ((b"\x80\x04abc", "a pickle, which can run code"), (b"", "empty"), (b"{}", "JSON")):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(RSAError, match=re.escape(words)):
            read_layers(tmp_path / "file")
