"""A search space: named categorical dimensions, some of which exist only under a condition.

Any searcher, external ones included, treats all spaces alike: go through `dimensions` in order, choose for those that
are active, and pass the choices to `canonical`.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import listing, near
from ..networks.structures import Shape

if TYPE_CHECKING:
    from torch import nn


Choice: TypeAlias = str | int
Architecture: TypeAlias = Mapping[str, Choice]
_MOST_HINTS = 20  # unknown names for which a near one is looked up
_TRIES = 1000  # mutations that changed nothing, before a space is taken to have one architecture only


@dataclass(frozen=True)
class Graph:
    """A network as boxes and what they read, for pictures.

    nodes: name -> text in the box, each after those that it reads; edges: (source, target, text beside the dot).
    """

    nodes: Mapping[str, str]
    edges: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Dimension:
    """One categorical choice.

    Attributes
    ----------
    name : str
    choices : tuple
    step : int
        The step at which a sequential controller makes this choice: first the number of layers, then layer by layer.
    kind : str
        Dimensions of one kind mean the same thing at different steps, and can share what is learned about them.
    parent, when : str, tuple
        The dimension is active where the dimension `parent` is active and takes one of the choices `when`; without a
        parent, it is always active.
    source, target : int, optional
        The steps that a connection joins (0 is the image).
    """

    name: str
    choices: tuple[Choice, ...]
    step: int
    kind: str
    parent: str = ""
    when: tuple[Choice, ...] = ()
    source: int | None = None
    target: int | None = None


class Space(ABC):
    """Named categorical dimensions, and how to build the network that their choices describe.

    An architecture is a JSON-able mapping from the active dimensions to choices, and it is canonical: equal networks
    are equal mappings. A subclass defines `describe` and `build`, and `_simplify` where several choices describe one
    network.

    Parameters
    ----------
    name : str
        The name for which `get_space` returns this same space.
    dimensions : iterable of Dimension
        Each after its parent.

    Raises
    ------
    RSAError
        For a dimension that occurs twice, or before its parent.

    Examples
    --------
    >>> from tgsage.plugins.spaces import ToySpace
    >>> space = ToySpace()
    >>> architecture = space.complete({"n_layers": 1, "layer1/kernel": 3})
    >>> architecture
    {'n_layers': 1, 'layer1/filters': 4, 'layer1/kernel': 3, 'layer1/pool': 'none'}
    >>> print(space.describe(architecture))
    layer1: 4 filters 3x3, ReLU
    """

    name: str
    dimensions: tuple[Dimension, ...]
    reads: str = "images"  # or "text"

    def __init__(self, name: str, dimensions: Iterable[Dimension]) -> None:
        self.name, self.dimensions = name, tuple(dimensions)
        self._by_name = {dimension.name: dimension for dimension in self.dimensions}
        self._children: dict[str, list[Dimension]] = {}
        before = {""}
        for dimension in self.dimensions:
            if dimension.name in before or dimension.parent not in before:
                raise RSAError(f"dimension {dimension.name} of {name} comes twice, or before its parent")
            before.add(dimension.name)
            self._children.setdefault(dimension.parent, []).append(dimension)

    def __repr__(self) -> str:
        return f"get_space({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and (self.name, self.dimensions) == (other.name, other.dimensions)

    def __hash__(self) -> int:
        return hash((self.name, self.dimensions))

    @property
    def steps(self) -> dict[int, list[str]]:
        """Names of the dimensions that have a choice, by step."""
        found: dict[int, list[str]] = {}
        for dimension in self.dimensions:
            if len(dimension.choices) > 1:
                found.setdefault(dimension.step, []).append(dimension.name)
        return found

    def is_active(self, dimension: Dimension, architecture: Architecture) -> bool:
        """Tell whether a dimension's condition holds.

        Parameters
        ----------
        dimension : Dimension
        architecture : mapping
            It needs only the choices of the dimensions before this one.
        """
        return not dimension.parent or architecture.get(dimension.parent) in dimension.when

    def active(self, architecture: Architecture) -> list[Dimension]:
        """List the dimensions that an architecture has to choose, in order."""
        return [dimension for dimension in self.dimensions if self.is_active(dimension, architecture)]

    def validate(self, architecture: Architecture) -> None:
        """Check an architecture.

        Raises
        ------
        RSAError
            Naming everything that is wrong: unknown, missing and inactive dimensions, and invalid choices.
        """
        if not isinstance(architecture, Mapping):
            raise RSAError(f"an architecture is a mapping dimension -> choice, not {type(architecture).__name__}")
        active = {dimension.name: dimension.choices for dimension in self.active(architecture)}
        if active.keys() == architecture.keys() and all(_among(architecture[name], active[name]) for name in active):
            return
        unknown = [name for name in architecture if name not in self._by_name]
        wrong = [f"no dimension {name!r:.80}{near(str(name), list(self._by_name))}" for name in unknown[:_MOST_HINTS]]
        if len(unknown) > _MOST_HINTS:
            wrong.append(f"{len(unknown) - _MOST_HINTS} more names that are no dimensions")
        for dimension in self.dimensions:
            present, wanted = dimension.name in architecture, self.is_active(dimension, architecture)
            if wanted and not present:
                wrong.append(f"{dimension.name} is missing")
            elif present and not wanted:
                wrong.append(f"{dimension.name} exists only where {dimension.parent} is {listing(dimension.when, 8)}")
            elif present and not _among(architecture[dimension.name], dimension.choices):
                choices = listing(dimension.choices, 12)
                wrong.append(f"{dimension.name} is {architecture[dimension.name]!r:.80}, not one of {choices}")
        if wrong:
            raise RSAError(f"not an architecture of {self.name}: {'; '.join(wrong)}")

    def canonical(self, architecture: Architecture) -> dict[str, Choice]:
        """Return the one mapping that stands for all descriptions of the same network.

        Returns
        -------
        dict
            With the dimensions in order.

        Raises
        ------
        RSAError
            As `validate`.
        """
        self.validate(architecture)
        simple = self._simplify(dict(architecture))
        return {dimension.name: simple[dimension.name] for dimension in self.active(simple)}

    def _simplify(self, architecture: dict[str, Choice]) -> dict[str, Choice]:
        """Return a valid mapping of the same network: the same one for all mappings that describe it."""
        return architecture

    def sample(self, rng: np.random.Generator) -> dict[str, Choice]:
        """Draw an architecture: every active dimension uniformly, in order.

        Returns
        -------
        dict
            Canonical.
        """
        return self.complete({}, rng)

    def complete(self, architecture: Architecture, rng: np.random.Generator | None = None) -> dict[str, Choice]:
        """Complete an architecture: drop inactive dimensions and choose the missing ones.

        Parameters
        ----------
        architecture : mapping
        rng : numpy.random.Generator, optional
            Draws the missing choices uniformly; without it the first choice is taken.

        Returns
        -------
        dict
            Canonical.
        """
        return self.canonical(self._complete(architecture, rng))

    def _complete(self, architecture: Architecture, rng: np.random.Generator | None) -> dict[str, Choice]:
        chosen: dict[str, Choice] = {}
        for dimension in self.dimensions:
            if self.is_active(dimension, chosen):
                if dimension.name in architecture:
                    chosen[dimension.name] = architecture[dimension.name]
                else:
                    place = 0 if rng is None else int(rng.integers(len(dimension.choices)))
                    chosen[dimension.name] = dimension.choices[place]
        return chosen

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> dict[str, Choice]:
        """Change one random active dimension; dimensions that this activates are drawn at random.

        A change that leaves the network as it was is kept and followed by another one, since two edges that lead
        nowhere alone can make a path together.

        Returns
        -------
        dict
            Another network, canonical.

        Raises
        ------
        RSAError
            Where the space has no other network.
        """
        start = self.canonical(architecture)
        changed = start
        for _ in range(_TRIES):
            options = [dimension for dimension in self.active(changed) if len(dimension.choices) > 1]
            if not options:
                break
            dimension = options[int(rng.integers(len(options)))]
            others = [choice for choice in dimension.choices if choice != changed[dimension.name]]
            changed = self._complete({**changed, dimension.name: others[int(rng.integers(len(others)))]}, rng)
            canonical = self.canonical(changed)
            if canonical != start:
                return canonical
        raise RSAError(f"{self.name} has no other architecture near this one")

    def neighbours(self, architecture: Architecture) -> list[dict[str, Choice]]:
        """List all other networks one change away; dimensions that the change activates take their first choice.

        Returns
        -------
        list of dict
            Canonical.
        """
        start = self.canonical(architecture)
        found = {self.key(start): start}
        for dimension in self.active(start):
            for choice in dimension.choices:
                changed = self.complete({**start, dimension.name: choice})
                found.setdefault(self.key(changed), changed)
        return list(found.values())[1:]

    def check_fixed(self, fixed: Architecture) -> None:
        """Check choices that a search is to keep fixed.

        Raises
        ------
        RSAError
            For a name that is no dimension, and for a choice that its dimension does not have.
        """
        for name, choice in fixed.items():
            if name not in self._by_name:
                raise RSAError(f"{self.name} has no dimension {name!r:.80}{near(str(name), list(self._by_name))}")
            if not _among(choice, choices := self._by_name[name].choices):
                raise RSAError(f"{name} of {self.name} is one of {listing(choices, 12)}, not {choice!r:.80}")

    def architectures(self, fixed: Architecture | None = None) -> Iterator[dict[str, Choice]]:
        """Iterate over all networks in order of dimensions and choices, each once per set of choices describing it.

        Parameters
        ----------
        fixed : mapping, optional
            The only choice that some dimensions may take.

        Returns
        -------
        iterator of dict
            Canonical.
        """
        only = fixed or {}

        def extend(chosen: dict[str, Choice], place: int) -> Iterator[dict[str, Choice]]:
            if place == len(self.dimensions):
                yield self.canonical(chosen)
                return
            dimension = self.dimensions[place]
            if not self.is_active(dimension, chosen):
                yield from extend(chosen, place + 1)
                return
            for choice in (only[dimension.name],) if dimension.name in only else dimension.choices:
                yield from extend({**chosen, dimension.name: choice}, place + 1)

        return extend({}, 0)

    def size(self) -> int:
        """Count the combinations of choices of active dimensions, several of which can describe one network."""
        return prod(self._count(dimension) for dimension in self._children.get("", []))

    def _count(self, dimension: Dimension) -> int:
        children = self._children.get(dimension.name, [])
        return sum(prod(self._count(c) for c in children if choice in c.when) for choice in dimension.choices)

    def key(self, architecture: Architecture) -> str:
        """Return one line of text for a canonical architecture, for caches and files."""
        return json.dumps(dict(architecture), separators=(",", ":"))

    @abstractmethod
    def describe(self, architecture: Architecture) -> str:
        """Describe the network in words, a line per layer or block."""

    def graph(self, architecture: Architecture) -> Graph:
        """Return the network as boxes and arrows; by default one box with the description."""
        return Graph({"network": self.describe(architecture)}, ())

    def check_settings(self, given: Iterable[str], known: Iterable[str]) -> None:
        """Check the names of settings for `build`.

        Raises
        ------
        RSAError
            For a name that is not known.
        """
        for name in given:
            if name not in (allowed := list(known)):
                hint = near(name, allowed) if allowed else "; it has none"
                raise RSAError(f"a network of {self.name} has no setting {name!r}{hint}")

    @abstractmethod
    def build(
        self, architecture: Architecture, *, input_shape: Shape = (3, 32, 32), n_classes: int = 10, **settings: Any
    ) -> "nn.Module":
        """Build the torch module, with random weights from torch's generator.

        Parameters
        ----------
        architecture : mapping
        input_shape : tuple of int
            (C, H, W).
        n_classes : int
        **settings
            Settings of the space; most spaces have none.

        Returns
        -------
        torch.nn.Module
            (n, C, H, W) to (n, n_classes) logits. Its `stages` name the modules whose outputs are the candidate's
            layers.
        """


def _among(choice: object, choices: tuple[Choice, ...]) -> bool:
    """Whether it is one of the choices, by type too: True is no 1."""
    if type(choice) is type(choices[0]) and choice in choices:  # nearly always; the loop takes five times as long
        return True
    return any(type(choice) is type(c) and choice == c for c in choices)
