"""Trials in tables (CSV, Parquet, Excel) and in Brain-Score's netCDF files of behaviour.

What each column is follows from its name unless the user says so; `attrs["read_as"]` states what was taken for what.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ...rsa import Behavior, RSAError
from ...rsa.errors import listing, naming, near
from ...rsa.io.kinds import TABLES, content_of, what_is
from ...rsa.io.tables import read_frame
from ...rsa.labels import plain_column
from ...rsa.types import Array
from ..recordings.readers.brainscore import read_presentations

_USUAL = {  # names in order of preference
    "stimulus": "stimulus_id image_id stimulus image stim stim_id imagename image_name image_filename filename "
    "file_name image_file stimulus_name img picture",
    "choice": "choice chosen chosen_category object_response chosen_object answer response selected category_response "
    "chosen_label",
    "truth": "truth sample_obj true_category sample_object category_name object_name category object true_object "
    "true_label correct_choice correct_response target label",
    "distractor": "dist_obj distractor distractor_object distractor_obj foil",
    "subject": "subject worker_id subject_id participant participant_id worker observer subj annotator_id monkey "
    "animal",
}
_NONE = ("", "na", "nan", "none")  # of choices: the subject did not answer


@dataclass(frozen=True)
class TrialColumns:
    """Which column of a file of trials is what; "" where the column's name tells.

    Attributes
    ----------
    stimulus, choice, truth, distractor, subject : str
    part : str
        Sheet of a workbook, or group of a netCDF file.
    """

    stimulus: str = ""
    choice: str = ""
    truth: str = ""
    distractor: str = ""
    subject: str = ""
    part: str = ""

    @classmethod
    def of(cls, pairs: Iterable[str]) -> "TrialColumns":
        """Read ROLE=COLUMN pairs, as given on a command line.

        Parameters
        ----------
        pairs : iterable of str

        Returns
        -------
        TrialColumns

        Raises
        ------
        RSAError
            For anything that is not such a pair, and for an unknown role.

        Examples
        --------
        >>> from tgsage.neural_data import TrialColumns
        >>> TrialColumns.of(["choice=answer"]).choice
        'answer'
        """
        known, given = [field.name for field in fields(cls)], dict[str, str]()
        for pair in pairs:
            role, equals, column = pair.partition("=")
            if not equals or not column or role not in known:
                what = f"{pair!r}{near(role, known) if role not in known else ''}"
                raise RSAError(f"a column is given as ROLE=COLUMN with a role of {', '.join(known)}, not {what}")
            given[role] = column
        return cls(**given)


def read_trials(path: Path, columns: TrialColumns) -> Behavior:
    """The behaviour in a file. Raises RSAError naming the file, and the columns that it has."""
    kind = content_of(path)
    if kind not in (*TABLES, "hdf5"):
        raise RSAError(f"{path} is no table or netCDF file of trials: it is {what_is(path)}")
    if kind == "hdf5":
        values, found = read_presentations(path, columns.part)
        with naming(path):
            return _behavior(path, found, columns, values)
    frame = read_frame(path, kind, columns.part, lambda names: [name for name in names if _used(name, columns)])
    with naming(path):
        return _behavior(path, {str(name): frame[name].to_numpy() for name in frame.columns}, columns)


def _used(name: str, columns: TrialColumns) -> bool:
    given = [getattr(columns, role) for role in _USUAL]
    return name in given or any(_plain(name) in _usual(role) for role in _USUAL)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _usual(role: str) -> list[str]:
    return [_plain(name) for name in _USUAL[role].split()]


def _chosen(role: str, table: Mapping[str, Array], columns: TrialColumns) -> str:
    given = str(getattr(columns, role))
    if given and given not in table:
        raise RSAError(f"there is no column {given!r}{near(given, list(table))}")
    by_name = {_plain(name): name for name in reversed(list(table))}
    return given or next((by_name[usual] for usual in _usual(role) if usual in by_name), "")


def _behavior(path: Path, table: Mapping[str, Array], columns: TrialColumns, values: str = "") -> Behavior:
    """values: the column of the netCDF variable itself, which holds the choices where no coordinate does."""
    used = {role: _chosen(role, table, columns) for role in _USUAL}
    used["choice"] = used["choice"] or values
    for role, what in (("stimulus", "the images"), ("choice", "what was chosen"), ("truth", "what was right")):
        if not used[role]:
            raise RSAError(f"no column says {what}: give {role}=COLUMN; there are: {listing(table, 12)}")
    if not len(table[used["choice"]]):
        raise RSAError("it has no trials")
    plain = {role: plain_column(table[column]) for role, column in used.items() if column}
    answered = ~np.isin(np.char.lower(plain["choice"].astype(str)), _NONE)
    if not answered.any():
        raise RSAError(f"column {used['choice']} holds no choice")
    trials = {role: column[answered] for role, column in plain.items()}
    said = [f"{role} from {column}" for role, column in used.items() if column]
    silent = int((~answered).sum())
    said += [f"{silent} trials without a choice left out"] if silent else []
    if "distractor" not in trials:
        said.append("all options on offer in every trial")
    return Behavior.from_trials(path.name, **trials, attrs={"read_as": "; ".join(said)})
