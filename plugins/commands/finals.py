"""After `tgsage search --finalists K`: the best trained longer, the winner to maturity, and what all of it cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..evaluation.finalists import Finalist
    from ..searching.candidates import Candidate
    from ..spaces.space import Space
    from ..training import Data, Recipe

Table = tuple[str, list[str], list[list[str]], list[str]]


def run_finals(
    candidates: "Sequence[Candidate]",
    space: "Space",
    images: "Data",
    recipe: "Recipe",
    folder: Path,
    *,
    most: int,
    epochs: float | None,
    seed: int,
    device: str | None,
) -> tuple[dict[str, Any], Table]:
    """Train the `most` best different architectures for `epochs`, the best of them by validation by the whole recipe on
    all training images, and test that one; writes `best.json` into `folder`.

    Checkpoints lie in the folder, under the candidates' numbers: the same call goes on after an interruption, and one
    after a longer search trains only who is new among the best. Returns what was found, JSON-able, and its table for
    `print_table`. Raises RSAError where no candidate succeeded.
    """
    from ...rsa import RSAError
    from ...rsa.cli.console import progress
    from ..evaluation.finalists import finalists, mature, reranking, search_cost
    from ..spaces import write_architecture

    scored = sorted((c for c in candidates if c.score is not None), key=lambda c: (-(c.score or 0), c.number))
    chosen = {space.key(space.canonical(one.architecture)): one for one in reversed(scored)}
    best = sorted(chosen.values(), key=scored.index)[:most]
    if not best:
        raise RSAError("no candidate has succeeded, so there are no finalists")
    length = recipe.epochs if epochs is None else epochs
    found: dict[int, Finalist] = {}
    with progress("training finalists", int(length * len(images.train) * len(best)), "images") as done:
        for i, one in enumerate(best, 1):
            done.note = f"network {i} of {len(best)}"
            (found[one.number],) = finalists(
                space, images, [one.architecture], recipe, epochs=epochs, seed=seed,
                folder=folder / f"{one.number:05d}", progress=done, device=device,
            )  # fmt: skip
    ranked = sorted(found, key=lambda number: reranking(found[number]), reverse=True)
    first, checkpoint = found[ranked[0]], folder / f"{ranked[0]:05d}" / "mature.pt"
    with progress("training the winner", recipe.epochs * len(images.whole().train), "images") as done:
        winner = mature(
            space, first.architecture, images, recipe, seed=seed, checkpoint=checkpoint,
            progress=done, device=device,
        )  # fmt: skip
    write_architecture(folder / "best.json", space, first.architecture)
    trained = [one.evaluation for one in candidates if one.evaluation is not None and one.reused is None]
    m1, e1 = len(trained), sum(one.examples for one in trained)
    m2, e2 = len(found), sum(one.evaluation.examples for one in found.values())
    cost = search_cost(1, e1, 1, e2)
    rows = []
    for number in ranked:
        p = found[number].evaluation.p
        rows.append([f"candidate {number}", "-" if p is None else f"{p:.4f}"])
    tested = f"test accuracy {winner.test:.4f}" if winner.test is not None else f"failed: {winner.evaluation.reason}"
    notes = [
        f"The first, trained by the whole recipe on all training images: {tested}",
        f"Cost M1 E1 + M2 E2: {e1:,} examples of {m1} candidates + {e2:,} of {m2} finalists = {cost:,}",
        f"{folder / 'best.json'}: the architecture; {checkpoint}: its checkpoint",
    ]
    finals = [{"candidate": number, **found[number].to_dict()} for number in ranked]
    result = {"finalists": finals, "winner": {"candidate": ranked[0], **winner.to_dict()}, "cost": cost}
    return result, (f"finalists after {length:g} epochs", ["", "P"], rows, notes)
