"""How the regions of a recording become RDMs: the settings that all functions and commands share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rsa.errors import RSAError, near

if TYPE_CHECKING:
    from ..rsa.types import Attr

SPLITS = 100  # random split halves behind a noise ceiling
SCALES = ("none", "zscore", "max")


@dataclass(frozen=True)
class RegionSettings:
    """Settings of the RDMs of regions, checked once; its defaults hold for every function and command.

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
        `"raise"`, or `"drop"` neuroids without a valid response to some stimulus.

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
        if self.scale not in SCALES:
            raise RSAError(f"unknown scale {self.scale!r}{near(self.scale, SCALES)}")
        if self.missing not in ("raise", "drop"):
            raise RSAError(f"missing is 'raise' or 'drop', not {self.missing!r}")

    def attrs(self) -> "dict[str, Attr]":
        """Return what a result states about these settings.

        Returns
        -------
        dict
        """
        window: dict[str, Attr] = {} if self.window is None else {"window": window_text(*self.window)}
        return {**window, "by": self.by, "level": self.level, "scale": self.scale, "metric": self.metric}


def window_text(start: float, end: float) -> str:
    """How attributes state a time window."""
    return f"{start:g}-{end:g} ms"
