"""Triple-N (Li et al. 2026): macaques, 90 sessions, the 1,000 images that all subjects of NSD saw and 72 localisers."""

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....rsa import RSAError
from ....rsa.errors import near, reason
from ....rsa.io.matlab import read_mat5
from ....rsa.types import Array
from ..recording import from_arrays

if TYPE_CHECKING:
    import xarray

NSD, LOCALISERS = 1000, 72
PARTS = ("nsd", "best", "localizer")
_NAME = re.compile(r"ses(\d+)_\d+_(M\d+)_")
_NO_AREA = "unassigned"
WINDOW = {"window_start": 70.0, "window_end": 220.0}  # of response_basic, in ms
_UNITS = {  # columns of a Processed file
    "pos": "pos", "UnitType": "unittype", "snr": "snr", "F_SI": "F_SI", "B_SI": "B_SI", "O_SI": "O_SI",
    "best_r_time1": "best_time_start", "best_r_time2": "best_time_end",
    "reliability_basic": "reliability_basic", "reliability_best": "reliability_best",
}  # fmt: skip


def read_processed(path: Path, part: str = "") -> "xarray.DataArray":
    """Means over trials of one session (`Processed_ses*.mat`).

    part: "nsd" (the default), 1,000 images from 70 to 220 ms; "best", the same in the window in which each unit is most
    reliable; "localizer", 72 images of faces, bodies and objects. Images are named "nsd_" and the index of NSD's 73,000
    where `stimulus_Li2026_Stimuli.csv` of Brain-Score lies beside the file, else by their order. Units have `region`
    and `arealabel` where `exclude_area.xls` (or .csv) lies beside it, `reliability`, and the file's own columns.

    Raises RSAError naming the file for shapes that disagree and a damaged file.
    """
    part = _part(path, part)
    name = "response_best" if part == "best" else "response_basic"
    content = read_mat5(path, [name, *_UNITS])
    responses: Any = content.get(name)
    if not _is_table(responses) or responses.shape[1] != NSD + LOCALISERS:
        raise RSAError(f"{path}: {name} must be numbers (units, {NSD + LOCALISERS})")
    columns = _columns(path, content, len(responses))
    reliable = columns.get("reliability_best" if part == "best" else "reliability_basic")
    columns |= {} if reliable is None else {"reliability": reliable}
    session, animal = session_of(path)
    neuroids, note = neuroid_columns(path, session, animal, columns["pos"], len(responses))
    shown = slice(NSD, None) if part == "localizer" else slice(0, NSD)
    ids, named = image_names(path, part)
    neuroid_id, region = neuroids.pop("neuroid_id"), neuroids.pop("region")
    return from_arrays(
        responses[:, shown].T,
        stimulus_id=ids,
        region=region,
        neuroid_id=neuroid_id,
        neuroid=neuroids | columns,
        attrs=attributes(session, part, [*note, *named]) | ({} if part == "best" else WINDOW),
    )


def unit_columns(path: Path, n_units: int) -> dict[str, Array]:
    """What a `Processed` file says about its units. Raises RSAError unless they are so many."""
    columns = _columns(path, read_mat5(path, _UNITS), n_units)
    return columns | ({"reliability": columns["reliability_basic"]} if "reliability_basic" in columns else {})


def _columns(path: Path, content: dict[str, Any], n: int) -> dict[str, Array]:
    columns = {ours: _of_units(path, content[key], key, n) for key, ours in _UNITS.items() if key in content}
    if "pos" not in columns:
        raise RSAError(f"{path} has no pos, the position of its units")
    return columns


def _part(path: Path, part: str) -> str:
    if part and part not in PARTS:
        raise RSAError(f"unknown part {part!r} of {path}{near(part, PARTS)}")
    return part or "nsd"


def attributes(session: str, part: str, notes: list[str]) -> dict[str, str | int | float]:
    return {
        "identifier": f"triple-n/{session}" + ("" if part == "nsd" else f"/{part}"),
        "source": "Li et al. 2026 (Triple-N), macaque, images of NSD",
        "unit": "spikes" if part != "best" else "firing rate in the best window of each unit",
        "usual_filter": "reliability>.4",
        **({"note": "; ".join(notes)} if notes else {}),
    }


def _is_table(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.ndim == 2 and values.dtype.kind in "fiu" and 0 not in values.shape


def _of_units(path: Path, values: Any, name: str, n: int) -> Array:
    column = np.ravel(values)
    if column.dtype.kind not in "fiu" or len(column) != n:
        raise RSAError(f"{path}: {name} must hold one number per unit, {n}")
    return column


def session_of(path: Path) -> tuple[str, str]:
    """ "ses01" and "M1" by the file's name, else the name itself."""
    found = _NAME.search(path.name)
    return (f"ses{int(found[1]):02d}", found[2]) if found else (path.stem.removeprefix("GoodUnit_"), "")


def neuroid_columns(
    path: Path, session: str, animal: str, position: Array | None, n: int
) -> tuple[dict[str, Any], list[str]]:
    """Ids, animal, area and region of n units, and what is to be said about these."""
    prefix = f"{animal}_{session}" if animal else session
    columns: dict[str, Any] = {"neuroid_id": np.array([f"{prefix}_unit{i:04d}" for i in range(n)])}
    columns |= {"animal": np.full(n, animal)} if animal else {}
    label, note = np.full(n, _NO_AREA, "U32"), []
    places = [
        folder / f"exclude_area.{kind}" for folder in (path.parent, path.parent.parent) for kind in ("csv", "xls")
    ]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        note.append("areas of the units are not known: exclude_area.xls of Triple-N is not beside the file")
    elif position is None or not animal:
        lacking = "their positions are not" if animal else "the number of the session is not in the file's name"
        note.append(f"areas of the units are not known, since {lacking}")
    else:
        for number, low, high, area in _areas(found):
            if f"ses{number:02d}" == session and area.lower() not in ("unknown", "nan", ""):
                label[(position > low) & (position < high)] = area
    early = np.array([re.match(r"V[124]", area.upper()) is not None for area in label.tolist()], bool)
    region = np.where(early, np.char.upper(label.astype("U2")), np.where(label == _NO_AREA, _NO_AREA, "IT"))
    return columns | {"region": region, "arealabel": label}, note


def _areas(path: Path) -> list[tuple[int, float, float, str]]:
    """(session, from, to, label) of each area along the probes."""
    if path.suffix == ".csv":
        rows: list[dict[Any, Any]] = _rows(path)
    else:
        try:
            import pandas

            rows = pandas.read_excel(path, engine="calamine").to_dict("records")
        except ImportError as error:
            raise RSAError(
                f"{path} needs python-calamine: pip install 'tgsage[excel]', or save it as {path.stem}.csv"
            ) from error
        except Exception as error:  # anything that a damaged file may cause in a parser
            raise RSAError(f"{path} cannot be read as an Excel file: {reason(error)}") from error
    try:
        named = [{str(key).lower(): value for key, value in row.items()} for row in rows]
        return [(int(r["sesidx"]), float(r["y1"]), float(r["y2"]), str(r["arealabel"]).strip()) for r in named]
    except (KeyError, TypeError, ValueError) as error:
        raise RSAError(f"{path} needs columns SesIdx, y1, y2 and AREALABEL ({reason(error)})") from error


def _rows(path: Path) -> list[dict[Any, Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise RSAError(f"{path} cannot be read as a table: {reason(error)}") from error


def image_names(path: Path, part: str) -> tuple[Array, list[str]]:
    """Names of the images of a part, and what is to be said about them."""
    if part == "localizer":
        return np.array([f"localizer/{i + 1:02d}" for i in range(LOCALISERS)]), []
    table = "stimulus_Li2026_Stimuli.csv"
    found = next((folder / table for folder in (path.parent, path.parent.parent) if (folder / table).is_file()), None)
    if found is None:
        ids = [f"shared{i + 1:04d}" for i in range(NSD)]
        return np.array(ids), [
            f"images are named by their order: {table} of Brain-Score, which has the nsd_ names, is not beside the file"
        ]
    try:
        names = {int(row["tn_index"]): str(row["stimulus_id"]) for row in _rows(found)}
        return np.array([names[i + 1] for i in range(NSD)]), []
    except (KeyError, TypeError, ValueError) as error:
        raise RSAError(f"{found} needs columns tn_index, 1 to {NSD}, and stimulus_id ({reason(error)})") from error
