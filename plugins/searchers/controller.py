"""The recurrent policy of the RL searcher: P(x_j | x_1 .. x_j-1) over any space (paper's supplement, eqs. 1 and 2)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..spaces.space import Architecture, Choice, Dimension, Space

_INITIAL = 0.08  # weights start uniform in +- this (Zoph & Le 2017)
_NEVER = -1e30  # logit of a choice that a dimension lacks; finite, so that its entropy term is 0 and no NaN


class Controller(nn.Module):
    """A 2-layer LSTM, one step per layer or block of the architecture; float64 on the CPU.

    A step's input is the sum of the embedded choices of the step before; the first step's is learned. From its output
    h come the choices of its dimensions: a linear map and a softmax per kind, the same at all steps (a second dimension
    of a kind at the same step has a map of its own; where dimensions of a map differ in choices, it covers all of
    them). A connection exists with probability sigmoid(W_src h_source + W_dst h_target); the image's h is that of step
    0. Logits are divided by the temperature.
    """

    start: torch.Tensor  # (hidden,)
    embedding: torch.Tensor  # (codes of choices, hidden)
    maps: torch.Tensor  # (hidden, logits)
    source: torch.Tensor  # (hidden,)
    target: torch.Tensor  # (hidden,)

    def __init__(self, space: Space, *, hidden: int = 32, temperature: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        self.space, self.temperature = space, temperature
        steps = sorted({dimension.step for dimension in space.dimensions})
        self._place = {step: i for i, step in enumerate(steps)}
        self._by_step = [[d for d in space.dimensions if d.step == step] for step in steps]
        self._joining = [d for d in space.dimensions if self._joins(d)]
        self._codes, n_codes = _columns(space.dimensions)
        self._logits, n_logits = _columns([d for d in space.dimensions if not self._joins(d)])
        self._bank = self._arrange(n_logits)

        with torch.random.fork_rng(devices=[]):  # the weights that torch draws are overwritten below
            self.lstm = nn.LSTM(hidden, hidden, num_layers=2, batch_first=True, dtype=torch.float64)
        shapes = {"start": (hidden,), "embedding": (n_codes, hidden), "maps": (hidden, n_logits)}
        for name, shape in {**shapes, "source": (hidden,), "target": (hidden,)}.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, dtype=torch.float64)))
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.from_numpy(rng.uniform(-_INITIAL, _INITIAL, tuple(parameter.shape))))

    def _joins(self, dimension: Dimension) -> bool:
        """Whether it is a connection of two steps whose outputs are known by then."""
        ends = (dimension.source, dimension.target)
        return len(dimension.choices) == 2 and all(end in self._place and end <= dimension.step for end in ends)

    def _arrange(self, n_logits: int) -> torch.Tensor:
        """Where the logits of every dimension's choices are in a row of the bank that `forward` fills, (D, choices).

        The bank holds the maps' outputs of all steps, one logit per connection, a zero, and the logit of no choice.
        """
        first = len(self._by_step) * n_logits
        zero = first + len(self._joining)
        joins, rows = iter(range(first, zero)), list[list[int]]()
        for dimension in self.space.dimensions:
            if dimension.name in self._logits:
                offset = self._place[dimension.step] * n_logits
                rows.append([offset + column for column in self._logits[dimension.name]])
            else:
                rows.append([zero, next(joins)])
        width = max(len(row) for row in rows)
        return torch.tensor([row + [zero + 1] * (width - len(row)) for row in rows])

    def forward(self, architectures: Sequence[Architecture]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Log-probability of what was chosen, entropy of the choice in nats, and whether it was made.

        Each (n_architectures, n_dimensions), in the order of the space's dimensions; the first two are 0 where the
        dimension is inactive.
        """
        n, dimensions = len(architectures), self.space.dimensions
        chosen = torch.full((n, len(dimensions)), -1)
        codes = torch.zeros(n, len(self._by_step), len(self.embedding), dtype=torch.float64)
        for i, architecture in enumerate(architectures):
            for j, dimension in enumerate(dimensions):
                if dimension.name in architecture:
                    chosen[i, j] = place = dimension.choices.index(architecture[dimension.name])
                    codes[i, self._place[dimension.step], self._codes[dimension.name][place]] = 1
        before = codes[:, :-1] @ self.embedding
        h, _ = self.lstm(torch.cat([self.start.expand(n, 1, -1), before], dim=1))

        outward, inward = h @ self.source, h @ self.target  # (n, steps)
        sources, targets = ([self._place[end] for end in ends] for ends in self._ends())
        constant = torch.tensor([0.0, _NEVER], dtype=torch.float64).expand(n, 2)
        joins = outward[:, sources] + inward[:, targets]  # eq. 2
        bank = torch.cat([(h @ self.maps).flatten(1), joins, constant], dim=1) / self.temperature
        log_p = bank[:, self._bank].log_softmax(dim=2)  # eq. 1
        made = chosen >= 0
        picked = log_p.gather(2, chosen.clamp(min=0)[..., None])[..., 0]
        return picked * made, -(log_p.exp() * log_p).sum(dim=2) * made, made

    def _ends(self) -> tuple[list[int], list[int]]:
        return [int(d.source or 0) for d in self._joining], [int(d.target or 0) for d in self._joining]

    @torch.no_grad()
    def sample(self, rng: np.random.Generator) -> dict[str, Choice]:
        """An architecture drawn from the policy, not canonical."""
        chosen: dict[str, Choice] = {}
        outward, inward = list[float](), list[float]()
        given, state = self.start, None
        for dimensions in self._by_step:
            output, state = self.lstm(given[None, None], state)
            h = output[0, 0]
            logits = (h @ self.maps).numpy()
            outward.append(float(h @ self.source))
            inward.append(float(h @ self.target))
            codes: list[int] = []
            for dimension in dimensions:
                if not self.space.is_active(dimension, chosen):
                    continue
                if dimension.name in self._logits:
                    mine = logits[self._logits[dimension.name]]
                else:
                    source, target = self._place[dimension.source or 0], self._place[dimension.target or 0]
                    mine = np.array([0.0, outward[source] + inward[target]])
                weights = np.exp((mine - mine.max()) / self.temperature).cumsum()
                place = int((weights[:-1] <= rng.random() * weights[-1]).sum())
                chosen[dimension.name] = dimension.choices[place]
                codes.append(self._codes[dimension.name][place])
            given = self.embedding[codes].sum(dim=0)
        return chosen


def _columns(dimensions: Sequence[Dimension]) -> tuple[dict[str, list[int]], int]:
    """Columns of the choices of each dimension in one table, and its width.

    Dimensions of one kind share columns, except that the second one of a kind at a step starts new ones, and so on.
    """
    columns: dict[tuple[str, int, Choice], int] = {}
    seen: Counter[tuple[int, str]] = Counter()
    found: dict[str, list[int]] = {}
    for dimension in dimensions:
        rank = seen[dimension.step, dimension.kind]
        seen[dimension.step, dimension.kind] += 1
        keys = [(dimension.kind, rank, choice) for choice in dimension.choices]
        found[dimension.name] = [columns.setdefault(key, len(columns)) for key in keys]
    return found, len(columns)
