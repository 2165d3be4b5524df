"""A pool over training seeds: a folder in which every seed has one of its own."""

from pathlib import Path

from ...rsa import RSAError
from ...rsa.errors import listing
from .making import parts_of
from .plans import CANDIDATES
from .pool import Pool


def places_of(pool: Path) -> dict[str, Path]:
    """Seed -> the folder of its candidates, or the file of the one pool that there is.

    Raises RSAError where there is neither.
    """
    if pool.is_file():
        return {"": pool}
    found = {
        place.parent.name.removeprefix("seed"): place
        for place in sorted(pool.glob(f"seed*/{CANDIDATES}"))
        if place.parent.name.removeprefix("seed").isdigit() and parts_of(place)
    }
    if not found:
        raise RSAError(f"{pool} is no pool file, and holds no folder of a pool over seeds (seed0/{CANDIDATES}, ...)")
    return found


def one_of(pool: Path) -> Pool:
    """A pool over seeds as its views and settings, with the member of one file."""
    place = next(iter(places_of(pool).values()))
    return Pool.load(place if place.is_file() else parts_of(place)[0])


def check_alike(first: Pool, other: Pool, place: Path) -> None:
    """Raise RSAError unless only the seeds differ."""
    keys = {*first.settings, *other.settings} - {"seed", "command"}
    wrong = [key for key in sorted(keys) if first.settings.get(key) != other.settings.get(key)]
    wrong += [key for key in ("space", "checkpoints") if getattr(first, key) != getattr(other, key)]
    if set(first.views) != set(other.views) or not all(one.same(other.views[k]) for k, one in first.views.items()):
        wrong.append("views")
    if wrong:
        raise RSAError(f"{place} was made differently from the other seeds: {listing(wrong)}")
