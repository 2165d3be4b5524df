"""What is known about one candidate after it was trained and shown to a teacher."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ..rsa import RSAError
from ..rsa.errors import listing
from ..rsa.fields import attr_fields
from ..rsa.types import Attr

if TYPE_CHECKING:
    import pandas

OK, FAILED = "ok", "failed"


@dataclass(frozen=True)
class Evaluation:
    """P, TG, B, their score, and the cost; a failed one has a reason and no score.

    Attributes
    ----------
    status, reason : str
        "ok", or "failed" and why.
    p, loss : float or None
        Accuracy (a fraction) and mean cross-entropy of the validation images; for text, P is minus the loss.
    tg, score : float or None
        Teacher guidance (None without a teacher), and what a search maximises.
    b : float or None
        Consistency with the subjects of a behaviour (None without one).
    table : mapping
        Layer -> target -> similarity.
    behavior : mapping
        Metric of behaviour -> number; B is one of them.
    examples : int
        Training examples seen (images x epochs).
    seconds : mapping
        Phase ("build", "train", "evaluate", "rdms") -> duration.
    parameters : int
        Number of trainable parameters.
    costs : mapping
        "multiply-adds" for one image and "latency" in milliseconds, where they were asked for.
    attrs : mapping
        What else is to be said of it: layers without an RDM, inherited weights, an evaluation that was reused.
    """

    status: str = OK
    reason: str = ""
    p: float | None = None
    loss: float | None = None
    tg: float | None = None
    score: float | None = None
    b: float | None = None
    table: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)
    behavior: Mapping[str, float] = field(default_factory=dict, repr=False)
    examples: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict, repr=False)
    parameters: int = 0
    costs: Mapping[str, float] = field(default_factory=dict, repr=False)
    attrs: Mapping[str, Attr] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attrs", attr_fields(self.attrs, "the evaluation"))
        if self.status not in (OK, FAILED):
            raise RSAError(f"an evaluation is {OK} or {FAILED}, not {self.status!r}")
        if self.status == OK and (self.score is None or not math.isfinite(self.score)):
            raise RSAError(f"an evaluation that succeeded needs a finite score, got {self.score}")
        readable = self.reason.encode("utf-8", "backslashreplace").decode()  # names of files need not be UTF-8
        object.__setattr__(self, "reason", readable)

    @property
    def failed(self) -> bool:
        """Whether the status is "failed"."""
        return self.status == FAILED

    def row(self) -> dict[str, Any]:
        """Return what a table shows in one row: no mappings except `seconds`, which is summed over the phases."""
        fields = ("status", "score", "p", "tg", "b", "loss", "examples", "parameters", "reason")
        return {**{name: getattr(self, name) for name in fields}, "seconds": sum(self.seconds.values())}

    def measured(self) -> dict[str, float]:
        """Return what a search can weigh besides the score: error, loss, parameters, multiply-adds and latency.

        Returns
        -------
        dict
            Those of them that are known.
        """
        error = None if self.p is None or self.p < 0 else 1 - self.p  # of text P is minus the loss
        known = {"error": error, "loss": self.loss, "parameters": self.parameters or None, **self.costs}
        return {name: float(value) for name, value in known.items() if value is not None}

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one row with the columns of `row`; `pandas.concat` puts several together."""
        import pandas

        return pandas.DataFrame([self.row()])

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form that `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Evaluation":
        """Read what `to_dict` returned. Raises RSAError for unknown fields."""
        strange = set(values) - {field.name for field in fields(cls)}
        if strange:
            raise RSAError(f"an evaluation has no {listing(sorted(strange))}")
        return cls(**values)


@dataclass(frozen=True)
class Heritage:
    """What a candidate begins with: a network of the same search and its weights, or with neither, new ones.

    Attributes
    ----------
    architecture : mapping, optional
    weights : bytes, optional
        A state dict as `torch.save` writes it.
    """

    architecture: Mapping[str, str | int] | None = None
    weights: bytes | None = field(default=None, repr=False)
