"""Reinforcement learning: REINFORCE on a recurrent controller (paper's supplement, RL; after Zoph & Le 2017)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np

from ...rsa import RSAError
from ...rsa.errors import check_number, check_whole
from ..spaces.space import Choice, Space
from .searcher import Searcher

if TYPE_CHECKING:
    import torch

_FENCE = 10.0  # clip scores at this distance from the median, in the units of `_fence`
_MOST = 1e300  # sums of scores up to this are finite, and so are squares of its fourth root


class RLSearcher(Searcher):
    """Sample a controller's policy and follow the gradient of the expected score; the defaults are the paper's.

    A failed trial counts as the lowest score told so far, and is left out while there is none. Scores and the baseline
    are clipped to 10 m on either side of the median of the scores told, where m is the largest of 1, the absolute value
    of the median and the median distance of the scores from it, so that a huge penalty does not outweigh all that
    follows.

    Parameters
    ----------
    space : Space
    seed : int
    hidden : int
        Units in each of the controller's two LSTM layers.
    temperature : float
        Above 1 it explores more.
    batch : int
        Told trials per update. Their log-probabilities are those of the controller at the update, so results may arrive
        late or come from elsewhere.
    learning_rate : float
        Adam's, with beta1 = 0.
    clip : float
        Limit on the gradient's global norm.
    decay : float
        Share of itself that the baseline, an exponential moving average of the batches' mean scores, keeps at each
        update.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        hidden: int = 32,
        temperature: float = 1.0,
        batch: int = 5,
        learning_rate: float = 0.001,
        clip: float = 1.0,
        decay: float = 0.95,
    ) -> None:
        super().__init__(space, seed=seed)
        check_whole(1, hidden=hidden, batch=batch)
        check_number(0, temperature=temperature, clip=clip, learning_rate=learning_rate)
        if not (isinstance(decay, SupportsFloat) and 0 <= decay < 1):
            raise RSAError(f"decay must be at least 0 and below 1, not {decay!r}")
        import torch

        from .controller import Controller

        self.batch, self.clip, self.decay = batch, clip, decay
        self._controller = Controller(space, hidden=hidden, temperature=temperature, seed=seed)
        self._adam = torch.optim.Adam(self._controller.parameters(), lr=learning_rate, betas=(0.0, 0.999))
        self._waiting: list[tuple[dict[str, Choice], float]] = []
        self._scores: list[float] = []
        self._baseline: float | None = None
        self._lowest: float | None = None
        self._diagnostics: dict[str, float] = {}

    def propose(self, trial: int, rng: np.random.Generator) -> dict[str, Choice]:
        with _one_thread():
            return self._controller.sample(rng)

    def learn(self, trial: int, architecture: dict[str, Choice], score: float | None) -> None:
        if score is not None:
            score = min(max(score, -_MOST), _MOST)
            self._scores.append(score)
            self._lowest = score if self._lowest is None else min(score, self._lowest)
        elif self._lowest is None:
            return
        else:
            score = self._lowest
        self._waiting.append((architecture, score))
        if len(self._waiting) == self.batch:
            with _one_thread():
                self._update()
            self._waiting = []

    def diagnostics(self) -> dict[str, float]:
        """Return what the last update left; empty before the first.

        Returns
        -------
        dict
            `entropy/KIND`, the mean over a kind's choices in nats; `baseline`; `gradient_norm`, before clipping.
        """
        return dict(self._diagnostics)

    def _fence(self) -> tuple[float, float]:
        """The bounds to which scores are clipped."""
        scores = np.array(self._scores)
        median = float(np.median(scores))
        far = _FENCE * max(1.0, abs(median), float(np.median(np.abs(scores - median))))
        return median - far, median + far

    def _update(self) -> None:
        import torch

        low, high = self._fence()
        scores = torch.tensor([score for _, score in self._waiting], dtype=torch.float64).clamp(low, high)
        mean = float(scores.mean())
        baseline = mean if self._baseline is None else min(max(self._baseline, low), high)
        with torch.enable_grad():
            log_p, entropy, made = self._controller([architecture for architecture, _ in self._waiting])
            loss = -(_bounded(scores - baseline) * log_p.sum(dim=1)).mean()
            self._adam.zero_grad()
            loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._controller.parameters(), self.clip)
        self._adam.step()
        self._baseline = self.decay * baseline + (1 - self.decay) * mean
        kinds = np.array([dimension.kind for dimension in self.space.dimensions])
        self._diagnostics = {"baseline": self._baseline, "gradient_norm": float(norm)}
        for kind in dict.fromkeys(kinds.tolist()):
            mine = torch.from_numpy(kinds == kind)
            if made[:, mine].any():
                self._diagnostics[f"entropy/{kind}"] = float(entropy[:, mine].detach().sum() / made[:, mine].sum())


def _bounded(advantages: "torch.Tensor") -> "torch.Tensor":
    """Unchanged unless so large that the gradient's norm would overflow; scaled then."""
    return advantages.mul(min(1.0, _MOST**0.25 / max(1.0, float(advantages.abs().max()))))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in the same order on any machine; the controller is too small to gain from threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
