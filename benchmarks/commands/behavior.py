"""`tgsage bench behavior`: whether B tells early which network will be good, on a pool."""

from pathlib import Path
from typing import Annotated

import typer

from ...rsa.cli.options import DataDir, Json


def behavior(
    pool: Annotated[Path, typer.Argument(help="A pool from `tgsage bench pool`: its folder, or the file pool.h5.")],
    behavior: Annotated[str, typer.Option(help="Choices about the pool's test images.")] = "cifar10h",
    bootstrap: Annotated[int, typer.Option(help="Resamples of the members for 95% intervals.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples and of the halves of trials.", min=0)] = 0,
    data_dir: DataDir = None,
    json: Json = None,
) -> None:
    """Correlate behavioural consistency after brief training with mature performance: alone, given P, given size."""
    from ...rsa.cli.console import progress, write_json
    from ..pool.making import collect
    from ..pool.plans import CANDIDATES
    from ..pool.pool import Pool
    from ..report import show
    from ..speed.environment import command
    from ..teachers.behavior import COLUMNS, study_behavior

    made = collect(pool / CANDIDATES) if pool.is_dir() else Pool.load(pool)
    with progress(f"choices of {len(made)} members", len(made), "members") as done:
        found = study_behavior(made, behavior, bootstrap=bootstrap, seed=seed, data_dir=data_dir, progress=done)
    if json is not None:
        write_json(json, {**found.to_dict(), "command": command("bench behavior")})
    drawn = ", ".join(f"{n} {group}" for group, n in found.about["groups"].items())
    notes = [
        f"{found.about['behavior']}; {found.about['images']} of its images were shown to {len(made)} members ({drawn})",
        "Spearman with mature performance [95% interval over members], and partial ones; groups are in --json",
    ]
    show(f"Behaviour on a pool of {made.space}", COLUMNS, [row for row in found.rows if row["group"] == "all"], notes)
