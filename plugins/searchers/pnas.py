"""PNAS: networks that grow, chosen by a surrogate (Liu et al. 2018, "Progressive neural architecture search")."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from ...rsa import RSAError
from ...rsa.errors import check_whole
from ..spaces.space import Choice, Space
from .searcher import Searcher
from .surrogate import Encoder, Surrogate

_LEAST = 5  # scores that a surrogate, or its correlation, needs
_NEWEST = 500  # scores that it is fitted to, at most: the time grows with the cube
_MARGIN = 4  # times as many predictions are kept as a round has trials


class PNASSearcher(Searcher):
    """Grow the networks of a round by one part each, and try those that a surrogate predicts to be the best.

    The first `top` trials are networks of one part. Every further round of `top` trials extends all networks of the
    round before it, in `draws` random ways in all; the surrogate, which is fitted to all scores from before the round,
    ranks these extensions, and the first `top` are tried. Once networks are as large as the space allows, rounds go on
    with extensions and single changes of the best of all networks.

    A part is one layer or block where the number of these is chosen first (cnn, toy); otherwise it is a step of choices
    (an edge of nasbench201, a layer of macro, a block of cell), which counts as not yet grown as long as all its
    choices are the first ones.

    Parameters
    ----------
    space : Space
    seed : int
    top : int
        Trials per round; K = 256 in the publication, with five blocks.
    draws : int
        Extensions per round among which the surrogate chooses.

    Notes
    -----
    The publication's surrogates are an LSTM and an ensemble of perceptrons; here it is a kernel ridge regression
    (`Surrogate`). Rounds are counted by trial numbers, so that all workers of a search agree.
    """

    def __init__(self, space: Space, *, seed: int = 0, top: int = 20, draws: int = 400) -> None:
        super().__init__(space, seed=seed)
        check_whole(1, top=top, draws=draws)
        self.top, self.draws = top, draws
        self._encoder, self._growth = Encoder(space), Growth(space)
        self._scored: dict[int, tuple[float, dict[str, Choice]]] = {}
        self._ranked: tuple[tuple[int, int], list[dict[str, Choice]]] = (-1, 0), []
        self._checked: tuple[tuple[int, int], float] = (-1, 0), np.nan

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        return self.propose_beside(trial, rng, ())

    def propose_beside(
        self, trial: int, rng: np.random.Generator, running: Sequence[dict[str, Choice]]
    ) -> dict[str, Choice]:
        known = {*(key for key, _ in self._heard.values()), *map(self.space.key, running)}
        turn, place = divmod(trial, self.top)
        best_first = self._order(turn) if turn else []
        for found in [*best_first[place:], *best_first[:place]]:
            if self.space.key(found) not in known:
                return found
        for _ in range(self.top):  # the first round, or one that has nothing left
            found = self._growth.begin(rng)
            while rng.random() < 1 - 1 / (1 + turn) and (more := self._growth.extend(found, rng)) != found:
                found = more
            if self.space.key(found) not in known:
                return found
        return self.space.sample(rng)

    def _order(self, turn: int) -> list[dict[str, Choice]]:
        """What a round may try, the best by the surrogate first."""
        before = [number for number in sorted(self._scored) if number < turn * self.top]
        if self._ranked[0] != (turn, len(before)):
            self._ranked = (turn, len(before)), self._rank(turn, before) if before else []
        return self._ranked[1]

    def _rank(self, turn: int, before: list[int]) -> list[dict[str, Choice]]:
        parents = [number for number in before if number >= (turn - 1) * self.top]
        grown = turn >= self._growth.most
        if grown or not parents:
            parents = sorted(before, key=lambda number: -self._scored[number][0])[: self.top]
        rng, found = np.random.default_rng([self.seed, 1, turn]), dict[str, dict[str, Choice]]()
        for draw in range(self.draws):
            start = self._scored[parents[draw % len(parents)]][1]
            child = self._growth.extend(start, rng)
            if child == start or (grown and rng.random() < 0.5):
                try:
                    child = self.space.mutate(start, rng)
                except RSAError:  # the space has one network
                    continue
            found.setdefault(self.space.key(child), child)
        drawn = list(found.values())
        order = rng.permutation(len(drawn))  # of equal predictions
        surrogate = self._surrogate(before)
        if surrogate is not None and drawn:
            order = order[np.argsort(-surrogate.predict(self._encoder(drawn))[order], kind="stable")]
        tried = {self.space.key(self._scored[number][1]) for number in before}
        kept = [drawn[place] for place in order if self.space.key(drawn[place]) not in tried]
        return kept[: _MARGIN * self.top]

    def _surrogate(self, before: list[int]) -> Surrogate | None:
        """Fitted to the newest of these trials; None for too few."""
        if len(before) < _LEAST:
            return None
        scores, networks = zip(*(self._scored[number] for number in before[-_NEWEST:]), strict=True)
        return Surrogate(self._encoder(networks), scores)

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:
        if score is not None:
            self._scored[trial] = score, architecture

    def diagnostics(self) -> dict[str, float]:
        """Return how many rounds have been told, and how well the surrogate had ordered the last of them.

        Returns
        -------
        dict
            `rounds`, and `surrogate`, the Spearman correlation between the predictions made before a round and its
            scores, from the second round on. Empty before the first.
        """
        turn = (max(self._heard, default=-1) + 1) // self.top - 1
        if turn < 0:
            return {}
        found, first = {"rounds": turn + 1.0}, turn * self.top
        tried = [number for number in sorted(self._scored) if first <= number < first + self.top]
        if turn > 0 and len(tried) >= _LEAST:
            if self._checked[0] != (turn, len(tried)):
                self._checked = (turn, len(tried)), self._correlation(first, tried)
            if np.isfinite(self._checked[1]):
                found["surrogate"] = self._checked[1]
        return found

    def _correlation(self, first: int, tried: list[int]) -> float:
        surrogate = self._surrogate([number for number in sorted(self._scored) if number < first])
        scores, networks = zip(*(self._scored[number] for number in tried), strict=True)
        if surrogate is None or len(set(scores)) < 2:
            return np.nan
        predicted = surrogate.predict(self._encoder(networks))
        return float(spearmanr(predicted, scores).statistic) if len(set(predicted)) > 1 else np.nan


class Growth:
    """How the networks of a space grow by one part.

    Attributes
    ----------
    most : int
        Parts of the largest network.
    """

    def __init__(self, space: Space) -> None:
        self._space, first = space, space.dimensions[0]
        after = {d.when for d in space.dimensions if d.parent == first.name}
        self._count = first if len(after) == len(first.choices) > 1 and _counts(first.choices) else None
        self._steps = space.steps
        self._plain = {dimension.name: dimension.choices[0] for dimension in space.dimensions}
        self._free = {d.name: d.choices for d in space.dimensions if len(d.choices) > 1}
        self.most = len(first.choices) if self._count is not None else max(1, len(self._steps))

    def begin(self, rng: np.random.Generator) -> dict[str, Choice]:
        """Draw a network of one part."""
        if self._count is not None:
            return self._space.complete({self._count.name: self._count.choices[0]}, rng)
        return self.extend(self._space.complete({}), rng)

    def extend(self, architecture: dict[str, Choice], rng: np.random.Generator) -> dict[str, Choice]:
        """Draw a network with one part more; the same one where there is none.

        Parts that change nothing alone, such as an edge that leads nowhere, are followed by another one.
        """
        if self._count is not None:
            more = self._count.choices.index(architecture[self._count.name]) + 1
            if more == len(self._count.choices):
                return architecture
            return self._space.complete({**architecture, self._count.name: self._count.choices[more]}, rng)
        changed, start = dict(architecture), architecture
        while waiting := [step for step, names in self._steps.items() if self._waits(names, changed)]:
            step = waiting[int(rng.integers(len(waiting)))]
            before = dict(changed)
            while changed == before:
                for name in self._steps[step]:
                    if name in before:
                        changed[name] = self._free[name][int(rng.integers(len(self._free[name])))]
            changed = self._filled(changed)
            found = self._space.canonical(changed)
            if found != start:
                return found
        return start

    def _waits(self, names: list[str], architecture: dict[str, Choice]) -> bool:
        active = [name for name in names if name in architecture]
        return bool(active) and all(architecture[name] == self._plain[name] for name in active)

    def _filled(self, changed: dict[str, Choice]) -> dict[str, Choice]:
        """A valid mapping: what a choice activates takes its first choice, what it ends is dropped."""
        found: dict[str, Choice] = {}
        for dimension in self._space.dimensions:
            if self._space.is_active(dimension, found):
                found[dimension.name] = changed.get(dimension.name, dimension.choices[0])
        return found


def _counts(choices: Sequence[Choice]) -> bool:
    """Whether they are consecutive whole numbers."""
    return all(isinstance(one, int) and one == int(choices[0]) + i for i, one in enumerate(choices))
