"""Ray Tune: any of our searchers as its `search_alg`."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...rsa import RSAError
from ...rsa.errors import reason
from ...rsa.io.storage import replacing
from ..searchers.searcher import Exhausted, Searcher
from ..spaces.space import Choice
from . import score_of

_RaySearcher: Any = None
with suppress(ImportError):
    from ray.tune.search import Searcher as _Theirs

    _RaySearcher = _Theirs


class RayTuneSearcher(_RaySearcher or object):  # type: ignore[misc]
    """For `tune.TuneConfig(search_alg=RayTuneSearcher(searcher, metric="score"), num_samples=...)`.

    The trainable's config is the canonical architecture, joined with the constants of `param_space`. Trials are
    numbered as Ray asks for them; before each the searcher is told what has finished since, in order of number, None
    for a trial that failed or did not report the metric.

    metric: the reported number that is the score. mode: "max", or "min" if lower is better. repeats: see
    `Searcher.ask`; without, the search ends where no unknown network is left. Raises RSAError without Ray, and for
    another mode.
    """

    def __init__(self, searcher: Searcher, *, metric: str, mode: str = "max", repeats: bool = False) -> None:
        if _RaySearcher is None:
            raise RSAError("this needs Ray Tune: python -m pip install 'tgsage[ray]'")
        if mode not in ("max", "min"):
            raise RSAError(f"mode must be max or min, not {mode!r}")
        super().__init__(metric=metric, mode=mode)
        self._repeats = repeats
        self._ours = searcher  # Ray takes an attribute `searcher` for a wrapped one of its own
        self._asked: dict[str, int] = {}
        self._running: dict[int, dict[str, Choice]] = {}
        self._finished: dict[int, float | None] = {}
        self._history: list[tuple[int, dict[str, Choice], float | None]] = []

    def suggest(self, trial_id: str) -> dict[str, Choice] | str:
        for number, score in sorted(self._finished.items()):
            self._history.append((number, self._running.pop(number), score))
            self._ours.tell(*self._history[-1])
        self._finished = {}
        number = self._asked.get(trial_id, len(self._asked))
        running = [architecture for other, architecture in self._running.items() if other != number]
        try:
            found = self._ours.ask(number, running=running, repeats=self._repeats)
        except Exhausted:
            return str(_RaySearcher.FINISHED)
        self._asked[trial_id], self._running[number] = number, found
        return dict(found)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        reported = None if error or not result else result.get(self.metric)
        if self._asked.get(trial_id) in self._running:  # a trial that Ray runs again was told before
            self._finished[self._asked[trial_id]] = score_of(reported, minimised=self.mode == "min")

    def save(self, checkpoint_path: str) -> None:
        """Write the history and what is running, as JSON."""
        running = [[number, architecture] for number, architecture in self._running.items()]
        state = {"format": "tgsage-ray-tune", "version": 1, "asked": self._asked, "history": self._history}
        state |= {"running": running, "finished": list(self._finished.items())}
        with replacing(checkpoint_path) as temporary:
            temporary.write_text(json.dumps(state))

    def restore(self, checkpoint_path: str) -> None:
        """Tell a searcher that was told nothing else what `save` wrote. Raises RSAError for any other file."""
        if self._asked:
            raise RSAError("a search that has begun cannot be restored; give a new RayTuneSearcher a new searcher")
        try:
            state = json.loads(Path(checkpoint_path).read_text())
            asked = {str(trial_id): int(number) for trial_id, number in state["asked"].items()}
            history = [(int(number), architecture, score) for number, architecture, score in state["history"]]
            running = {int(number): self._ours.space.canonical(found) for number, found in state["running"]}
            finished = {int(number): score for number, score in state["finished"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RSAError(f"{checkpoint_path} is not a saved state of this search: {reason(error)}") from error
        for told in history:
            self._ours.tell(*told)
        self._asked, self._history, self._running, self._finished = asked, history, running, finished
