"""LEMONADE: a front of networks by several objectives (Elsken, Metzen & Hutter 2019, ICLR, algorithm 1)."""

from collections.abc import Mapping, Sequence
from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from ...rsa import RSAError
from ...rsa.errors import check_whole
from ..morphisms.morphisms import morph
from ..pareto import check_objectives, inverse_density, losses, pareto_front
from ..spaces.space import Choice, Space
from .searcher import Searcher

_CHEAP = ("parameters", "multiply-adds")  # known before anything is trained


class LEMONADESearcher(Searcher):
    """Make children of the networks on the Pareto front: children of rare sizes, from parents of rare sizes.

    The population is the front of all that was told. A trial draws `children` children, the parent of each with a
    probability inverse to a kernel density estimate of the population's cheap objectives (the logarithms of parameters
    and multiply-adds), and tries one of the children, drawn with a probability inverse to the same density. So the
    front is extended where it is thin, and only what is tried is trained. The first `startup` trials are random.
    Children are made by a morphism, or by a change of any kind, which may make them smaller (`mutations`), and begin
    with their parents' weights.

    Parameters
    ----------
    space : Space
    seed : int
    objectives : sequence of str
        "score" and what else counts: "parameters", "multiply-adds", "latency" (as measured when trained), "error",
        "loss". If none of them is cheap, parents are drawn uniformly.
    children : int
        Children drawn for each one that is tried.
    mutations : float
        Share of children that are made by one change of any kind (`Space.mutate`).
    startup : int
        Random networks at the beginning.
    shape : sequence of int
        (C, H, W) of the images for which multiply-adds are counted.
    """

    inherits = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        objectives: Sequence[str] = ("score", "parameters"),
        children: int = 5,
        mutations: float = 0.5,
        startup: int = 20,
        shape: Sequence[int] = (3, 32, 32),
    ) -> None:
        super().__init__(space, seed=seed)
        check_whole(1, children=children, startup=startup)
        names = objectives.split(",") if isinstance(objectives, str) else objectives
        self.objectives = check_objectives(tuple(names))
        if not (isinstance(mutations, SupportsFloat) and 0 <= mutations <= 1):
            raise RSAError(f"mutations must be a share from 0 to 1, not {mutations!r}")
        if len(shape) != 3:
            raise RSAError(f"shape is (channels, height, width), not {tuple(shape)}")
        self.children, self.mutations, self.startup = children, mutations, startup
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self._cheap = [name for name in self.objectives if name in _CHEAP]
        self._front: dict[int, tuple[dict[str, Choice], tuple[float, ...]]] = {}  # trial -> network, objectives
        self._drawn: dict[int, int] = {}  # trial -> its parent, for whoever asked

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        self._drawn.pop(trial, None)
        if len(self._heard) < self.startup or not self._front:
            return self.space.sample(rng)
        members = sorted(self._front)
        among = np.array([self._sizes(self._front[one][0]) for one in members])
        parents = rng.choice(len(members), size=self.children, p=inverse_density(among, among))
        children = [self._child(self._front[members[place]][0], rng) for place in parents]
        sizes = np.array([self._sizes(child) for child in children])
        chosen = int(rng.choice(len(children), p=inverse_density(sizes, among)))
        self._drawn[trial] = members[parents[chosen]]
        return children[chosen]

    def _child(self, parent: dict[str, Choice], rng: np.random.Generator) -> dict[str, Choice]:
        try:
            if rng.random() >= self.mutations:
                return morph(self.space, parent, rng)
        except RSAError:  # the largest network, or a space without morphisms
            pass
        try:
            return self.space.mutate(parent, rng)
        except RSAError:  # the space has one network
            return parent

    def _sizes(self, architecture: dict[str, Choice]) -> npt.NDArray[np.float64]:
        """Logarithms of the cheap objectives; 0 for networks that cannot be built."""
        from ..evaluation.costs import planned_size

        size = planned_size(self.space, architecture, self.shape) if self._cheap else None
        if size is None:
            return np.zeros(max(1, len(self._cheap)))
        known = {"parameters": size.parameters, "multiply-adds": size.multiply_adds}
        return np.log([max(1, known[name]) for name in self._cheap])

    def parent(self, trial: int) -> int | None:
        return self._drawn.get(trial)

    def ancestors(self) -> set[int]:
        return set(self._front)

    def learn_measured(
        self, trial: int, architecture: dict[str, Choice], score: float | None, measured: Mapping[str, float]
    ) -> None:
        if score is None:
            return
        sizes = np.exp(self._sizes(architecture))
        known = {**dict(zip(self._cheap, sizes, strict=False)), **measured, "score": score}
        values = tuple(known.get(name, np.inf) for name in self.objectives)
        members = [*self._front.items(), (trial, (architecture, values))]
        members.sort(key=lambda member: member[0])
        front = pareto_front(losses([found for _, (_, found) in members], self.objectives))
        self._front = {members[place][0]: members[place][1] for place in front}

    def diagnostics(self) -> dict[str, float]:
        """Return the number of networks on the front.

        Returns
        -------
        dict
            `front`.
        """
        return {"front": float(len(self._front))}
