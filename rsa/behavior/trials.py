"""Choices of subjects, trial by trial: what a model's choices are compared with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RSAError, listing
from ..fields import attr_fields
from ..labels import check_labels, check_names
from ..types import Array, Attr

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Behavior:
    """Trials in which subjects said what an image shows.

    Attributes
    ----------
    name : str
    stimulus_ids : tuple of str
        The n images, each once.
    options : tuple of str
        The k things that can be chosen.
    truth : numpy.ndarray
        Which option is right for each image, (n,).
    stimulus, choice : numpy.ndarray
        The image and the chosen option of each trial, (trials,).
    distractor : numpy.ndarray, optional
        The one other option that was on offer in each trial; None if all options were on offer.
    subject : numpy.ndarray, optional
        The number, from 0, of the subject who chose in each trial; None where this is not known.
    stimuli : str
        Where the images come from, in the form that `images` takes.
    attrs : mapping
        Anything else to state about the trials.
    """

    name: str
    stimulus_ids: tuple[str, ...]
    options: tuple[str, ...]
    truth: Codes
    stimulus: Codes
    choice: Codes
    distractor: Codes | None = None
    subject: Codes | None = None
    stimuli: str = ""
    attrs: Mapping[str, Attr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stimulus_ids", tuple(check_labels(self.stimulus_ids)))
        object.__setattr__(self, "options", tuple(check_labels(self.options)))
        object.__setattr__(self, "attrs", attr_fields(self.attrs, self.name))
        n, k, trials = len(self.stimulus_ids), len(self.options), len(self.stimulus)
        limits = {"truth": (n, k), "stimulus": (trials, n), "choice": (trials, k)}
        limits |= {"distractor": (trials, k), "subject": (trials, max(trials, 1))}
        for key, (length, most) in limits.items():
            if (values := getattr(self, key)) is None:
                continue
            codes = np.asarray(values)
            if codes.shape != (length,) or codes.dtype.kind not in "iu":
                raise RSAError(f"{self.name}: {key} must be {length} whole numbers, got {codes.dtype} {codes.shape}")
            if length and not 0 <= int(codes.min()) <= int(codes.max()) < most:
                raise RSAError(f"{self.name}: {key} goes from {codes.min()} to {codes.max()}, not 0 to {most - 1}")
            object.__setattr__(self, key, codes.astype(np.int64))
        if not trials:
            raise RSAError(f"{self.name} has no trials")
        if k < 2:
            raise RSAError(f"{self.name}: all choices are {self.options[0]!r}; two or more options are needed")
        if self.distractor is not None:
            right = self.truth[self.stimulus]
            self._refuse(self.distractor == right, "the distractor is the right option itself")
            strange = (self.choice != right) & (self.choice != self.distractor)
            self._refuse(strange, "neither the right option nor the distractor was chosen")

    def _refuse(self, wrong: npt.NDArray[np.bool_], why: str) -> None:
        if wrong.any():
            trial = int(np.flatnonzero(wrong)[0])
            where = f"trial {trial + 1} ({self.stimulus_ids[self.stimulus[trial]]}, {self.options[self.choice[trial]]})"
            raise RSAError(f"{self.name}: in {int(wrong.sum())} trials {why}, first in {where}")

    def __repr__(self) -> str:
        return f"Behavior({self.summary()})"

    @property
    def subjects(self) -> int:
        """Number of subjects; 0 where they are not known."""
        return 0 if self.subject is None else len(np.unique(self.subject))

    def summary(self) -> str:
        """Describe the trials in one line.

        Returns
        -------
        str
        """
        who = f" of {self.subjects} subjects" if self.subjects else ""
        offered = f"one of {len(self.options)}" if self.distractor is None else f"of pairs among {len(self.options)}"
        right = float(np.mean(self.choice == self.truth[self.stimulus]))
        return (
            f"{self.name}: {len(self.stimulus):,} choices{who}, {offered} options, over {len(self.stimulus_ids):,} "
            f"images; {right:.1%} right"
        )

    @classmethod
    def from_trials(
        cls,
        name: str,
        stimulus: Iterable[object],
        choice: Iterable[object],
        truth: Iterable[object],
        *,
        distractor: Iterable[object] | None = None,
        subject: Iterable[object] | None = None,
        **known: Any,
    ) -> "Behavior":
        """Make a behaviour from columns with one entry per trial.

        Parameters
        ----------
        name : str
        stimulus, choice, truth : iterable
            For each trial, the names of the image, of the option chosen and of the right option.
        distractor : iterable, optional
            The other option on offer, for trials that offered two.
        subject : iterable, optional
        **known
            Other attributes.

        Returns
        -------
        Behavior
            Images in order of their first trial, options in alphabetical order.

        Raises
        ------
        RSAError
            For missing names, columns of different lengths, and an image with two right options.

        Examples
        --------
        >>> from tgsage.rsa import Behavior
        >>> Behavior.from_trials("pets", ["a", "a", "b"], ["cat", "dog", "dog"], ["cat", "cat", "dog"])
        Behavior(pets: 3 choices, one of 2 options, over 2 images; 66.7% right)
        """
        given = {"stimulus": stimulus, "choice": choice, "truth": truth, "distractor": distractor, "subject": subject}
        columns = {
            key: np.array(check_names(np.asarray(values), f"{name}: {key}"), np.str_)
            for key, values in given.items()
            if values is not None
        }
        lengths = {key: len(column) for key, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise RSAError(f"{name}: columns have different lengths: {listing(f'{k} {n}' for k, n in lengths.items())}")
        ids, first, codes = np.unique(columns["stimulus"], return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        options = np.unique(np.concatenate([columns[k] for k in ("choice", "truth", "distractor") if k in columns]))
        named = [key for key in ("choice", "truth", "distractor") if key in columns]
        coded: dict[str, Any] = {key: np.searchsorted(options, columns[key]) for key in named}
        right = coded.pop("truth")
        shown = place[codes.ravel()]
        of_image = right[first[order]]
        if len(of_image) and (of_image[shown] != right).any():
            one = int(np.flatnonzero(of_image[shown] != right)[0])
            kinds = listing(np.unique(columns["truth"][shown == shown[one]]))
            raise RSAError(f"{name}: image {columns['stimulus'][one]} has more than one right option: {kinds}")
        if "subject" in columns:
            coded["subject"] = np.unique(columns["subject"], return_inverse=True)[1].ravel()
        return cls(name, tuple(ids[order].tolist()), tuple(options.tolist()), of_image, shown, **coded, **known)

    @classmethod
    def from_counts(
        cls,
        name: str,
        counts: npt.ArrayLike,
        truth: Sequence[int] | Codes,
        stimulus_ids: Sequence[str],
        options: Sequence[str],
        **known: Any,
    ) -> "Behavior":
        """Make a behaviour from counts of how often each option was chosen for each image.

        Parameters
        ----------
        name : str
        counts : array_like
            Whole numbers, (n images, k options).
        truth : sequence of int
            Which option is right for each image, (n,).
        stimulus_ids, options : sequence of str
        **known
            Other attributes.

        Returns
        -------
        Behavior

        Raises
        ------
        RSAError
            For counts of another shape, that are not whole numbers from 0 up, or of more than a billion trials in all.
        """
        table = np.asarray(counts)
        if table.shape != (len(stimulus_ids), len(options)):
            expected = f"({len(stimulus_ids)}, {len(options)})"
            raise RSAError(f"{name}: counts of (images, options) must have shape {expected}, got {table.shape}")
        if table.dtype.kind not in "iu" or table.min(initial=0) < 0 or table.sum() > 10**9:
            raise RSAError(f"{name}: counts must be whole numbers from 0, a billion in all, got {table.dtype}")
        cells = np.repeat(np.arange(table.size), table.ravel())
        stimulus, choice = np.divmod(cells, table.shape[1])
        return cls(name, tuple(stimulus_ids), tuple(options), np.asarray(truth), stimulus, choice, **known)

    def select(self, stimulus_ids: Sequence[str]) -> "Behavior":
        """Select images, in the order given, with their trials.

        Parameters
        ----------
        stimulus_ids : sequence of str

        Returns
        -------
        Behavior

        Raises
        ------
        RSAError
            For images that the behaviour has no trials of.
        """
        known = {one: i for i, one in enumerate(self.stimulus_ids)}
        lacking = [one for one in stimulus_ids if one not in known]
        if lacking:
            raise RSAError(f"{self.name} has no trials of {len(lacking)} images: {listing(lacking)}")
        rows = np.array([known[one] for one in stimulus_ids], np.int64)
        place = np.full(len(known), -1)
        place[rows] = np.arange(len(rows))
        kept = place[self.stimulus] >= 0
        parts = {key: getattr(self, key) for key in ("choice", "distractor", "subject")}
        chosen: dict[str, Any] = {key: None if values is None else values[kept] for key, values in parts.items()}
        return replace(
            self,
            stimulus_ids=tuple(stimulus_ids),
            truth=self.truth[rows],
            stimulus=place[self.stimulus[kept]],
            **chosen,
        )

    def columns(self, classes: Sequence[str]) -> list[int]:
        """Find the options among the classes of a model.

        Parameters
        ----------
        classes : sequence of str
            Names of a model's classes; upper and lower case are not distinguished.

        Returns
        -------
        list of int
            Position of each option among the classes.

        Raises
        ------
        RSAError
            For options that are not among the classes.
        """
        places = {name.casefold(): i for i, name in enumerate(classes)}
        lacking = [option for option in self.options if option.casefold() not in places]
        if lacking:
            raise RSAError(
                f"the options of {self.name} must be classes of the model; {len(lacking)} of {len(self.options)} are "
                f"not: {listing(lacking)} (its classes: {listing(classes)})"
            )
        return [places[option.casefold()] for option in self.options]

    @property
    def cells(self) -> Codes:
        """The item of each trial: its image, or its image and distractor, (trials,)."""
        return self.stimulus if self.distractor is None else self.stimulus * len(self.options) + self.distractor

    def half(self, seed: int, split: int) -> npt.NDArray[np.bool_]:
        """Draw which trials make the first half: half of the trials of every image (and distractor).

        Parameters
        ----------
        seed, split : int
            What the draw depends on. Of an odd number of trials, the last one goes to a random half.

        Returns
        -------
        numpy.ndarray
            (trials,) bool.
        """
        rng, cells = np.random.default_rng((seed, split)), self.cells
        order = np.argsort(cells + rng.random(len(cells)))
        ordered = cells[order]
        new = np.r_[True, ordered[1:] != ordered[:-1]]
        starts, of = np.flatnonzero(new), np.cumsum(new) - 1
        rank = np.arange(len(cells)) - starts[of] + rng.integers(0, 2, len(starts))[of]
        first = np.empty(len(cells), bool)
        first[order] = rank % 2 == 0
        return first

    def tally(self, weights: Array | None = None) -> Array:
        """Count choices, (n, k): how often each option was chosen for each image.

        Where pairs were on offer, the entry of a wrong option is how often it was chosen from its pair, and the entry
        of the right option is how often that was chosen.

        Parameters
        ----------
        weights : numpy.ndarray, optional
            Weights of the trials, (trials,).

        Returns
        -------
        numpy.ndarray
        """
        n, k = len(self.stimulus_ids), len(self.options)
        return np.bincount(self.stimulus * k + self.choice, weights, n * k).reshape(n, k).astype(np.float64)

    def offered(self, weights: Array | None = None) -> Array:
        """Count, for each image, the trials in which each option was the distractor, (n, k).

        Parameters
        ----------
        weights : numpy.ndarray, optional
            Weights of the trials, (trials,).

        Returns
        -------
        numpy.ndarray

        Raises
        ------
        RSAError
            Where all options were on offer.
        """
        if self.distractor is None:
            raise RSAError(f"{self.name} offered all options in every trial")
        n, k = len(self.stimulus_ids), len(self.options)
        return np.bincount(self.stimulus * k + self.distractor, weights, n * k).reshape(n, k).astype(np.float64)
