"""RDMs, images and categories of Kriegeskorte et al. 2008 (Neuron): 92 objects seen by macaques and people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ....rsa import RDM, RSAError, Stimuli
from ....rsa.io.matlab import read_mat5
from ....rsa.types import Array

N = 92
LABELS = tuple(f"kriegeskorte2008/{i + 1:02d}" for i in range(N))
_MODELS = {"animacy", "FaceBodyManmadeNatobj", "monkeyIT", "EVA", "HMAX", "V1", "Silhouette", "RADON"}
VARIABLES = {"RDMs_mIT_hIT_fig1", "RDMs", "Models", "stimuli_92objs"}  # one of which each of the files holds


def read_kriegeskorte(path: Path, descriptors: Mapping[str, Array] | None = None) -> dict[str, RDM]:
    """The RDMs of one of the three files, recognised by content.

    Supplement of the paper: "mIT" (674 neurons) and "hIT" (316 voxels, subjects averaged), with categories as
    descriptors. 92_brainRDMs: "hIT S1" to "hIT S4", the mean over two sessions each, in the file's order of subjects.
    92_modelRDMs: the models by name; RDMs of categories (0 within, 1 between) have the metric "model", all others are
    1 - r. `descriptors` are those of RDMs from a file without categories.

    Raises RSAError naming the file for truncated or other files, and for RDMs of other than 92 objects.
    """
    content = read_mat5(path)
    try:
        if "RDMs_mIT_hIT_fig1" in content:
            columns = _categories(content)
            named = {_text(entry["name"]): entry["RDM"] for entry in content["RDMs_mIT_hIT_fig1"].ravel()}
            return {
                region: _rdm(path, next(v for k, v in named.items() if k.startswith(region)), region, columns)
                for region in ("mIT", "hIT")
            }
        if "RDMs" in content:
            subjects = content["RDMs"].reshape(content["RDMs"].shape[-2:])  # (subjects, sessions)
            if not all(_text(session["name"]).startswith("hIT | ") for session in subjects.ravel()):
                raise _odd(path)
            means = [np.mean([_condensed(path, session["RDM"]) for session in row], axis=0) for row in subjects]
            rdms = [_rdm(path, mean, f"hIT S{i + 1}", descriptors or {}) for i, mean in enumerate(means)]
            return {rdm.name: rdm.replace(attrs={**rdm.attrs, "sessions": subjects.shape[1]}) for rdm in rdms}
        models = {_text(entry["name"]): entry["RDM"] for entry in content["Models"].ravel()}
        if set(models) != _MODELS:
            raise _odd(path)
        return {name: _rdm(path, matrix, name, descriptors or {}) for name, matrix in models.items()}
    except RSAError as error:
        raise error if str(path) in str(error) else RSAError(f"{path}: {error}") from error
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, StopIteration) as error:
        raise _odd(path) from error


def read_kriegeskorte_images(path: Path) -> Stimuli:
    """The 92 images (175 x 175, colour on grey) of the paper's supplement with their categories.

    Columns: `category_name` (six kinds), `animacy`, and the twelve category vectors of the file as booleans under
    their own names (the rand ones are controls). Raises RSAError as `read_kriegeskorte` does.
    """
    from PIL import Image

    content = read_mat5(path)
    try:
        arrays = [entry["image"] for entry in content["stimuli_92objs"].ravel()]
        columns = _categories(content)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise _odd(path) from error
    if len(arrays) != N or any(image.dtype != np.uint8 or image.shape != (175, 175, 3) for image in arrays):
        raise RSAError(f"{path}: expected {N} images of 175 x 175 x 3 bytes")
    images = [Image.fromarray(np.ascontiguousarray(image)) for image in arrays]
    return Stimuli(images, {"stimulus_id": LABELS, **columns}, reference="kriegeskorte2008")


def _categories(content: Mapping[str, Any]) -> dict[str, Array]:
    kinds = np.array([_text(entry["category"]) for entry in content["stimuli_92objs"].ravel()])
    names = [_text(name) for name in content["categoryLabels"].ravel()]
    vectors = content["categoryVectors"].astype(bool)
    animate = vectors[:, names.index("animate")]
    columns = {"category_name": kinds, "animacy": np.where(animate, "animate", "inanimate")}
    return columns | {name: vectors[:, i] for i, name in enumerate(names)}


def _rdm(path: Path, matrix: Array, name: str, columns: Mapping[str, Array]) -> RDM:
    attrs = {"source": "Kriegeskorte et al. 2008", "identifier": f"kriegeskorte2008: {name}"}
    values = _condensed(path, matrix)
    metric = "model" if len(np.unique(values)) == 2 else "correlation"
    return RDM(values, LABELS, metric=metric, name=name, descriptors=columns, attrs=attrs)


def _condensed(path: Path, matrix: Array) -> Array:
    """Condensed float64 values from a square or a condensed matrix (rows in the order of its upper triangle)."""
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind not in "biuf":
        raise _odd(path)
    values = np.asarray(matrix, np.float64)
    if values.shape == (N, N):
        return RDM.from_square(values, LABELS).values
    if values.size != N * (N - 1) // 2:
        raise RSAError(f"{path}: an RDM of {N} objects is needed, got shape {values.shape}")
    return values.ravel()


def _text(entry: Any) -> str:
    return str(np.asarray(entry).ravel()[0])


def _odd(path: Path) -> RSAError:
    return RSAError(
        f"{path} holds no RDMs or images of Kriegeskorte et al. 2008 in the layout that they were published in"
    )
