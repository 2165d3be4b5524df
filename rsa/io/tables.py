"""Tables of others (CSV, Parquet, Excel) as data frames, and what columns and variables are, by their names."""

import csv
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import RSAError, listing, naming, near, reason
from ..labels import check_names
from .arrays import LARGEST
from .kinds import OLD_EXCEL, content_of

if TYPE_CHECKING:
    import pandas

_ROLES = {
    "stimulus_ids": "stimulus_id stimulus_ids stimulus stimuli stim stim_id stim_ids stimulus_name stimulus_names "
    "image image_id image_ids images image_name image_names img img_id picture picture_id",
    "files": "filename filenames file_name file_names file image_file image_files image_path stimulus_path",
    "labels": "labels label names name",
    "neuroid_ids": "neuroid_id neuroid_ids neuroid neuroids neuron neurons neuron_id neuron_ids unit units unit_id "
    "unit_ids cell cell_id cell_ids site sites site_id site_ids electrode electrode_id channel channels channel_id",
    "repetition": "repetition repetitions repeat rep repetition_id repeat_id",
    "trial": "trial trial_id trial_number trial_index trial_num",
    "responses": "responses response resp resps value values rate rates firing_rate firing_rates spike_count "
    "spike_counts spike_rate activity psth mua",
    "region": "region regions area areas brain_area brain_areas brain_region roi rois",
    "animal": "animal monkey subject",
}
_KNOWN = {role: {re.sub(r"[^a-z0-9]", "", name) for name in names.split()} for role, names in _ROLES.items()}
_OPTIONS = {"stimulus_ids": "--stimulus-ids", "neuroid_ids": "--neuroid-ids"}
_MOST_COLUMNS = 100_000
UNNAMED = "Unnamed: 0"  # as pandas calls the index of a table that was written with it
_PACKAGES = {"openpyxl": "openpyxl", "calamine": "python-calamine"}  # by the name that pandas has for them


def named_like(role: str, names: Iterable[object]) -> list[str]:
    """The names that are usual for a role ("stimulus_ids", "files", "neuroid_ids", "responses", ...)."""
    return [str(name) for name in names if re.sub(r"[^a-z0-9]", "", str(name).lower()) in _KNOWN[role]]


def the_one(role: str, names: Iterable[object]) -> str:
    """The only name that is usual for a role, or the first of these that is tgsage's own; "" for none.

    Raises RSAError for several, with the option that names one.
    """
    found = named_like(role, names)
    own = [name for name in _ROLES[role].split()[:2] if name in found]
    if len(found) > 1 and not own:
        option = _OPTIONS.get(role, f"--{role}")
        raise RSAError(f"{listing(found, 6)} could each be the {role.replace('_', ' ')}; {option} names one")
    return (own or found or [""])[0]


def word(name: str) -> str:
    """A name that a coordinate can be stored under."""
    found = re.sub(r"\W+", "_", name).strip("_") or "column"
    return found if found.isidentifier() else f"_{found}"


def read_frame(path: Path, kind: str, part: str, as_text: Callable[[list[str]], Iterable[str]]) -> "pandas.DataFrame":
    """A table whose columns have unique names that are texts; `as_text` says of the names which hold names themselves.

    part: the sheet of a workbook that has several. Raises RSAError for damaged files, and for more than 4 GiB.
    """
    from pandas import errors

    with naming(path, "cannot be read as a table"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles in workbooks, and of columns of mixed types
        warnings.simplefilter("error", errors.ParserWarning)  # of rows that are longer than the first
        try:
            return _READERS[kind](path, part, as_text)
        except ImportError as error:
            needs, extra = ("pyarrow", "parquet") if kind == "parquet" else (_PACKAGES[_engine(path)], "excel")
            raise RSAError(f"{path} needs {needs}, which is not installed: pip install 'tgsage[{extra}]'") from error


def _read_csv(path: Path, part: str, as_text: Callable[[list[str]], Iterable[str]]) -> "pandas.DataFrame":
    import pandas

    if part:
        raise RSAError(f"a text table has no parts, so no {part!r}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        line = file.readline(2**24)
    between = max(",\t;", key=line.count)
    names = _unique(next(csv.reader([line], delimiter=between)))
    texts = dict.fromkeys(as_text(names), str)
    return pandas.read_csv(
        path, sep=between, header=None, skiprows=1, names=names, dtype=texts, index_col=False, encoding="utf-8-sig",
        low_memory=False,
    )  # fmt: skip


def _read_parquet(path: Path, part: str, as_text: Callable[[list[str]], Iterable[str]]) -> "pandas.DataFrame":
    from pyarrow import parquet

    if part:
        raise RSAError(f"a Parquet table has no parts, so no {part!r}")
    file = parquet.ParquetFile(path)
    if file.metadata.num_rows * file.metadata.num_columns * 8 > LARGEST:
        raise RSAError(
            f"it claims {file.metadata.num_rows} rows of {file.metadata.num_columns} columns, more than 4 GiB"
        )
    frame = file.read().to_pandas()
    if frame.index.name is not None or frame.index.nlevels > 1:
        frame = frame.reset_index()
    elif frame.index.dtype.kind not in "iu":
        frame = frame.reset_index(names=UNNAMED)
    return _texts(frame, as_text)


def _read_excel(path: Path, part: str, as_text: Callable[[list[str]], Iterable[str]]) -> "pandas.DataFrame":
    import pandas

    engine, size = _engine(path), path.stat().st_size
    if engine == "openpyxl":
        with zipfile.ZipFile(path) as archive:
            size = sum(part_.file_size for part_ in archive.infolist())
    if size > LARGEST // 4:
        raise RSAError("it claims more than 1 GiB")
    with pandas.ExcelFile(path, engine=engine) as book:
        sheets = [str(name) for name in book.sheet_names]
        if part and part not in sheets:
            raise RSAError(f"it has no sheet {part!r}{near(part, sheets)}")
        if not part and len(sheets) > 1:
            raise RSAError(f"it has {len(sheets)} sheets; --part names one: {listing(sheets, 12)}")
        sheet = part or sheets[0]
        header = book.parse(sheet, header=None, nrows=1)
        names = _unique(["" if cell is None or cell != cell else str(cell) for cell in header.iloc[0].tolist()])
        texts = dict.fromkeys(as_text(names), str)
        return book.parse(sheet, header=None, skiprows=1, names=names, dtype=texts)


def _engine(path: Path) -> "Literal['openpyxl', 'calamine']":
    """The package that reads a workbook: .xls of before 2007 needs another one."""
    with path.open("rb") as file:
        return "calamine" if file.read(8) == OLD_EXCEL else "openpyxl"


def _texts(frame: "pandas.DataFrame", as_text: Callable[[list[str]], Iterable[str]]) -> "pandas.DataFrame":
    frame.columns = _unique([str(name) for name in frame.columns])
    for name in as_text(list(frame.columns)):
        if frame[name].dtype.kind in "iu":
            frame[name] = frame[name].astype(str)
    return frame


def _unique(names: Sequence[str]) -> list[str]:
    found = [" ".join(name.split()) or UNNAMED for name in names]
    twice = sorted({name for name in found if found.count(name) > 1}) if len(set(found)) < len(found) else []
    if twice:
        raise RSAError(f"column names must be unique; {listing(map(repr, twice))} occur more than once")
    if len(found) > _MOST_COLUMNS:
        raise RSAError(f"it has {len(found)} columns, more than {_MOST_COLUMNS}")
    return found


def read_names(path: Path) -> list[str]:
    """Names from a file: one per line of a text, the column of a table that names stimuli, or an array (.npy) of texts.

    Raises RSAError for other files and for missing names.
    """
    try:
        kind = content_of(path)
        if kind == "npy":
            values: Any = np.load(path, allow_pickle=False)
            return check_names(values, f"names in {path}")
        if kind in ("parquet", "excel") or (kind == "csv" and path.suffix.lower() in (".csv", ".tsv")):
            frame = read_frame(path, kind, "", lambda names: names)
            column = the_one("stimulus_ids", frame.columns) or the_one("files", frame.columns)
            column = column or the_one("labels", frame.columns)
            if not column:
                raise RSAError(f"{path}: no column names the stimuli; there are: {listing(frame.columns, 12)}")
            return check_names(frame[column], f"{column} of {path}")
        if path.stat().st_size > LARGEST // 16:
            raise RSAError(f"{path} is too large for a list of names")
        lines = path.read_text("utf-8-sig").split("\n")
    except RSAError:
        raise
    except Exception as error:  # anything that a damaged file may cause in a parser
        raise RSAError(f"{path} holds no names: {reason(error)}") from error
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    return check_names(names, f"names in {path}")


_READERS = {"csv": _read_csv, "parquet": _read_parquet, "excel": _read_excel}
