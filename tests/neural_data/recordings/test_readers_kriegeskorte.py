"""RDMs and images of Kriegeskorte et al. 2008: the real ones, and damaged ones."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.spatial.distance
from scipy.spatial.distance import squareform
from tgsage.neural_data import images, load, load_rdms, load_teacher
from tgsage.neural_data.recordings.readers.kriegeskorte import _MODELS
from tgsage.rsa import RSAError, compare


def test_the_published_rdms_give_the_published_similarity(data_dir: Path) -> None:
    rdms = load_rdms("kriegeskorte2008", data_dir=data_dir)
    assert list(rdms) == ["mIT", "hIT"]
    pair = rdms["mIT"], rdms["hIT"]
    assert [round(compare(*pair, method=method), 4) for method in ("pearson", "spearman", "tau-a")] == [
        0.4912,
        0.4389,
        0.3040,
    ]
    models = load_rdms("kriegeskorte2008/models", data_dir=data_dir)
    assert len(models) == 8
    assert [name for name, rdm in models.items() if rdm.metric == "model"] == ["animacy", "FaceBodyManmadeNatobj"]
    assert {rdm.metric for rdm in rdms.values()} == {"correlation"}
    found = [round(compare(models["animacy"], rdms["hIT"], method=m), 4) for m in ("pearson", "spearman", "tau-a")]
    assert found == [0.5766, 0.5882, 0.3397]


def test_subjects_are_the_means_of_their_two_sessions(data_dir: Path) -> None:
    rdms = load_rdms("kriegeskorte2008/subjects", data_dir=data_dir)
    assert list(rdms) == ["hIT S1", "hIT S2", "hIT S3", "hIT S4"]
    stored = scipy.io.loadmat(data_dir / "kriegeskorte92" / "92_brainRDMs.mat")["RDMs"]
    for i, rdm in enumerate(rdms.values()):
        mean = (stored[0, i, 0]["RDM"].astype(float) + stored[0, i, 1]["RDM"]) / 2
        np.testing.assert_allclose(rdm.values, scipy.spatial.distance.squareform(mean, checks=False), rtol=1e-12)
        assert rdm.attrs["sessions"] == 2
        assert rdm.labels == load_rdms("kriegeskorte2008", data_dir=data_dir)["hIT"].labels


def test_images_and_rdms_share_labels_and_categories(data_dir: Path) -> None:
    stimuli = images("kriegeskorte2008", data_dir=data_dir)
    assert len(stimuli) == 92
    stored = scipy.io.loadmat(data_dir / "kriegeskorte92" / "Kriegeskorte_Neuron2008_supplementalData.mat")
    np.testing.assert_array_equal(np.asarray(stimuli[17]), stored["stimuli_92objs"][0, 17]["image"])
    assert len(set(stimuli.table["category_name"])) == 6
    assert stimuli.table["animacy"].tolist() == ["animate"] * 48 + ["inanimate"] * 44
    assert stimuli.table["monkeyape"].sum() == 7
    for name in ("kriegeskorte2008", "kriegeskorte2008/subjects", "kriegeskorte2008/models"):
        for rdm in load_rdms(name, data_dir=data_dir).values():
            assert rdm.labels == tuple(stimuli.table["stimulus_id"])
            assert rdm.descriptors["category_name"].tolist() == stimuli.table["category_name"].tolist()


def test_a_file_of_rdms_is_read_by_its_content_and_is_no_recording(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "renamed.dat"
    path.write_bytes((data_dir / "kriegeskorte92" / "92_brainRDMs.mat").read_bytes())
    assert list(load_rdms(path)) == ["hIT S1", "hIT S2", "hIT S3", "hIT S4"]
    with pytest.raises(RSAError, match="no responses; load_rdms or load_teacher reads it"):
        load(path)
    with pytest.raises(RSAError, match="published as RDMs"):
        load("kriegeskorte2008", data_dir=data_dir)


def _element(content: bytes) -> bytes:
    packed = zlib.compress(content)
    return struct.pack("<II", 15, len(packed)) + packed


def _hostile(tmp_path: Path, name: str) -> Path:
    path = tmp_path / f"{name}.mat"
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    bodies = {
        "bomb": _element(bytes(4 * 2**20)),
        "cut": _element(bytes(1000))[:-3],
        "noise": struct.pack("<II", 15, 40) + b"\x01" * 40,
        "empty": b"",
        # a matrix whose dims claim 10^9 doubles
        "claims": _element(
            struct.pack("<II", 14, 64)
            + struct.pack("<IIII", 6, 8, 6, 0)
            + struct.pack("<IIii", 5, 8, 10**9, 1)
            + struct.pack("<II", 1, 4)
            + b"RDMs"
            + bytes(4)
            + struct.pack("<II", 9, 8)
            + bytes(8)
        ),
    }
    if name in bodies:
        path.write_bytes(header + bodies[name])
    else:
        scipy.io.savemat(path, {"Models": {"name": "a", "RDM": np.eye(5)}} if name == "small" else {"x": np.eye(3)})
    return path


@pytest.mark.parametrize("name", ["bomb", "cut", "noise", "empty", "claims", "small", "other"])
def test_hostile_files_end_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgsage.rsa.io.matlab.MAX_BYTES", 2**20)
    path = _hostile(tmp_path, name)
    with pytest.raises(RSAError) as caught:
        load_rdms(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("variable", ["RDMs", "Models"])
def test_rdms_of_92_other_images_are_not_taken_for_theirs(variable: str, tmp_path: Path) -> None:
    entries = np.zeros((4, 2), [("name", object), ("RDM", object)])
    for place in np.ndindex(entries.shape):
        entries[place] = (f"rat | {place}", squareform(np.arange(92 * 91 // 2.0)))
    scipy.io.savemat(tmp_path / "x.mat", {variable: entries})
    for read in (load_rdms, load_teacher):
        with pytest.raises(RSAError, match=r"x\.mat holds no RDMs or images of Kriegeskorte"):
            read(tmp_path / "x.mat")


def test_an_rdm_that_is_not_symmetric_is_named(tmp_path: Path) -> None:
    models = np.zeros((1, 8), [("name", object), ("RDM", object)])
    for i, name in enumerate(sorted(_MODELS)):
        models[0, i] = (name, np.random.default_rng(0).random((92, 92)))
    scipy.io.savemat(tmp_path / "x.mat", {"Models": models})
    with pytest.raises(RSAError, match=r"x.mat: the matrix is not symmetric"):
        load_rdms(tmp_path / "x.mat")
