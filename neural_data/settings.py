"""Settings that all functions and commands share: how a file is read, and how a recording's regions become RDMs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rsa.errors import RSAError, check_is, check_known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..rsa.types import Attr

SPLITS = 100  # random split halves behind a noise ceiling
SCALES = ("none", "zscore", "max")
NAMED = ("stimulus_ids", "neuroid_ids", "repetition", "region")
AXES = ("stimulus", "repetition", "presentation", "neuroid", "time_bin")
_ALIASES = {"image": "stimulus", "repeat": "repetition", "neuron": "neuroid", "unit": "neuroid", "time": "time_bin"}


@dataclass(frozen=True)
class RegionSettings:
    """Settings for the RDMs of regions, checked once; the defaults here apply to every function and command.

    Attributes
    ----------
    by : str
        `"stimulus"`, or a column of presentations that is constant within a stimulus, such as `"object_name"`. The
        stimuli of a condition are averaged with equal weights.
    level : str
        Which neuroids make up a region, see `region_neuroids`.
    scale : str
        Scaling of each neuroid over stimuli, see `scale_neuroids`. Unscaled, neuroids with high rates dominate.
    window : (float, float), optional
        Start and end in ms, see `time_window`.
    metric : str
        A dissimilarity of `compute_rdm`.
    missing : str
        What to do about neuroids without a valid response to some stimulus: `"raise"` an error, or `"drop"` them.

    Raises
    ------
    RSAError
        For an unknown `scale` or `missing`.
    """

    by: str = "stimulus"
    level: str = "subregion"
    scale: str = "none"
    window: tuple[float, float] | None = None
    metric: str = "correlation"
    missing: str = "raise"

    def __post_init__(self) -> None:
        check_is(str, by=self.by, level=self.level)
        if self.window is not None and not (isinstance(self.window, Sequence) and len(self.window) == 2):
            raise RSAError(f"a window has a start and an end in ms, got {self.window!r}")
        check_known("unknown scale", self.scale, SCALES)
        if self.missing not in ("raise", "drop"):
            raise RSAError(f"missing is 'raise' or 'drop', not {self.missing!r}")

    def attrs(self) -> "dict[str, Attr]":
        """Return what a result states about these settings."""
        window: dict[str, Attr] = {} if self.window is None else {"window": window_text(*self.window)}
        return {**window, "by": self.by, "level": self.level, "scale": self.scale, "metric": self.metric}


def check_axes(dims: "str | Iterable[str]") -> tuple[str, ...]:
    """Names of the axes of responses, in the words of recordings. Raises RSAError for unknown or repeated ones."""
    names = dims.split(",") if isinstance(dims, str) else dims
    axes = tuple(_ALIASES.get(name.strip(), name.strip()) for name in names if name.strip())
    for name in axes:
        check_known(f"dims are of {', '.join(AXES)}, not", name, AXES)
    if len(set(axes)) < len(axes):
        raise RSAError(f"dims name an axis twice: {', '.join(axes)}")
    return axes


@dataclass(frozen=True)
class Layout:
    """What the columns of a table, or the variables of a file of arrays, stand for; empty ones are guessed by name.

    Attributes
    ----------
    responses : str
        The variable that holds the responses or, in a table with one row per value, the column that holds the values.
    stimulus_ids : str
        The column or variable that names what was shown, or another file of names; "order" numbers the stimuli of an
        array.
    neuroid_ids : str
        The column or variable that names the neuroids; for a table with one column per neuroid, the names of these
        columns, or globs of them ("unit*,mua*").
    repetition : str
        The column or variable that numbers the repetitions, or trials, of a stimulus.
    region : str
        The column or variable that names each neuroid's region; any other text is taken as the region of all of them.
    dims : tuple of str
        The axes of `responses`, chosen from "stimulus", "repetition", "presentation", "neuroid" and "time_bin"; a
        single text is split at its commas.
    part : str
        Part of a file that holds several: a netCDF group, the sheet of a workbook, a table of intervals (NWB).
    window : (float, float), optional
        Window in ms after onset in which the spikes of an NWB file are counted.

    Raises
    ------
    RSAError
        For unknown or repeated dims.
    """

    responses: str = ""
    stimulus_ids: str = ""
    neuroid_ids: str = ""
    repetition: str = ""
    region: str = ""
    dims: tuple[str, ...] = ()
    part: str = ""
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "dims", check_axes(self.dims))

    @property
    def given(self) -> list[str]:
        """The fields set here that say what columns or variables are."""
        return [key for key in ("responses", *NAMED, "dims") if getattr(self, key)]


GUESSED = Layout()


def window_text(start: float, end: float) -> str:
    """How attributes state a time window."""
    return f"{start:g}-{end:g} ms"
