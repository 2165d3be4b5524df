"""Features and RDMs made elsewhere (another framework, a psychological model, ratings), by layer, from their files."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RSAError, listing, naming
from ..io.arrays import ARRAYS, ArrayFile
from ..io.hdf5 import attribute, opened
from ..io.kinds import TABLES, content_of, what_is
from ..io.tables import UNNAMED, named_like, read_frame, the_one
from ..labels import check_names, plain_column
from ..rdm.rdm import RDM
from ..similarity.features import Features
from ..types import Array
from .rsatoolbox import read_rsatoolbox
from .thingsvision import read_thingsvision

_CURE = (
    "--labels (labels=) takes a file with a name per line, or 'order' for rows in the order of the teacher's stimuli"
)


def read_layers(path: str | Path, *, labels: Iterable[object] | None = None) -> dict[str, Features] | dict[str, RDM]:
    """Read features, or RDMs, of one or more layers from a file or a folder.

    Parameters
    ----------
    path : str or Path
        Arrays by layer in .npz, HDF5 or MATLAB, with the names of their rows as a variable (`stimulus_id`, `labels`,
        `filenames`, ...); one array in .npy; a table (CSV, Parquet, Excel) with a row per stimulus; a folder written by
        thingsvision; RDMs written by rsatoolbox or by tgsage. Feature maps are flattened.
    labels : iterable, optional
        Names of the rows, in place of those in the file.

    Returns
    -------
    dict of str to Features, or of str to RDM
        By layer. Symmetric matrices with a zero diagonal and as many rows as there are names are taken to be RDMs.

    Raises
    ------
    RSAError
        For rows without names, for files of any other kind (the message says what they are), and for features and RDMs
        in one file.
    """
    source = Path(path)
    kind = content_of(source)
    given = None if labels is None else check_names(labels, "labels")
    with naming(source):
        if kind == "folder":
            return read_thingsvision(source, labels=given)
        if kind in TABLES:
            return _one_kind({source.stem: _of_table(source, kind, given)})
        if kind == "hdf5" and (own := _own(source)) is not None:
            if given is not None:
                raise RSAError("its RDMs have names of their own, so labels have no effect")
            return own
        if kind in ARRAYS:
            return _one_kind(_of_arrays(ArrayFile(source, kind), given))
    raise RSAError(f"{source} holds no features or RDMs: it is {what_is(source)}")


def _own(path: Path) -> dict[str, RDM] | None:
    """RDMs in a file of tgsage or of rsatoolbox; None for other HDF5 files."""
    from ..teacher import Teacher

    with opened(path) as file:
        ours, theirs = attribute(file, "format"), "dissimilarities" in file and "pattern_descriptors" in file
    if ours == "tgsage-rdm":
        rdm = RDM.load(path)
        return {rdm.name or path.stem: rdm}
    if ours == "tgsage-teacher":
        return dict(Teacher.load(path).rdms)
    return read_rsatoolbox(path) if theirs else None


def _of_arrays(file: ArrayFile, labels: Sequence[str] | None) -> dict[str, Features | RDM]:
    layers = [
        name for name, (shape, kind) in file.shapes.items()
        if sum(size != 1 for size in shape) > 1 and kind not in ("text", "cell", "char")
    ]  # fmt: skip
    if not layers:
        raise RSAError(f"no array has a row of features per stimulus; there are: {file.holds()}")
    names, columns = labels, {}
    if names is None:
        short = {name.rsplit("/", 1)[-1]: name for name in file if name not in layers}
        role = next((role for role in ("stimulus_ids", "files", "labels") if named_like(role, short)), "")
        if not role:
            raise RSAError(f"its rows have no names; {_CURE}")
        chosen = short[the_one(role, short)]
        names = check_names(file[chosen].ravel(), chosen)
        for name, place in short.items():
            if (
                place != chosen
                and file.shapes[place][1] in ("text", "cell")
                and np.prod(file.shapes[place][0]) == len(names)
            ):
                columns[name] = file[place].ravel()
    return {name: _layer(name, file[name], names, columns) for name in layers}


def _of_table(path: Path, kind: str, labels: Sequence[str] | None) -> Features | RDM:
    frame = read_frame(
        path, kind, "", lambda names: [n for r in ("stimulus_ids", "files", "labels") for n in named_like(r, names)]
    )
    numbers = [str(name) for name in frame.columns if frame[name].dtype.kind in "biuf"]
    texts = [str(name) for name in frame.columns if name not in numbers]
    column = the_one("stimulus_ids", texts) or the_one("files", texts) or the_one("labels", texts)
    column = column or (UNNAMED if UNNAMED in texts else texts[0] if len(texts) == 1 else "")
    if UNNAMED in numbers and np.array_equal(frame[UNNAMED], np.arange(len(frame))):
        numbers.remove(UNNAMED)  # which numbers the rows, as pandas writes an index
    if labels is None and not column:
        raise RSAError(f"no column names its rows ({listing(frame.columns, 8)}); {_CURE}")
    names = list(labels) if labels is not None else check_names(frame[column], column)
    if not numbers:
        raise RSAError("it has no column of numbers")
    values = frame[numbers].to_numpy(np.float64)
    square = len(numbers) == len(names) and (set(numbers) == set(names))
    if square and numbers != names:
        values = values[:, [numbers.index(name) for name in names]]
    columns = {name: plain_column(frame[name]) for name in texts if name != column}
    if len(values) == len(numbers) and not square and labels is None and _is_rdm(values):
        raise RSAError("it is a symmetric matrix whose rows and columns have different names")
    return _layer(path.stem, values, names, columns)


def _layer(name: str, values: Array, names: Sequence[str], columns: Mapping[str, Array]) -> Features | RDM:
    if len(values) != len(names):
        raise RSAError(f"{name} has {len(values)} rows, and there are {len(names)} names")
    if values.ndim == 2 and _is_rdm(values):
        return RDM.from_square(values, names, metric="unknown", name=name, descriptors=dict(columns))
    flat = values.reshape(len(values), -1)
    return Features(flat, names, name=name, descriptors=dict(columns), attrs={"n_features": flat.shape[1]})


def _is_rdm(values: Array) -> bool:
    if values.shape[0] != values.shape[1] or values.shape[0] < 3 or np.diagonal(values).any():
        return False
    return bool(np.allclose(values, values.T, rtol=1e-6, atol=0)) and bool(values.any())


def _one_kind(layers: Mapping[str, Any]) -> dict[str, Any]:
    rdms = [name for name, layer in layers.items() if isinstance(layer, RDM)]
    if rdms and len(rdms) < len(layers):
        others = [name for name in layers if name not in rdms]
        raise RSAError(f"{listing(rdms)} could be RDMs, but {listing(others)} are features; keep them in two files")
    return dict(layers)
