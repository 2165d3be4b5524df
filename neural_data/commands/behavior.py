"""What `tgsage score --behavior` and `tgsage data describe` show of behaviour."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

    from ...rsa import BehaviorScore

_SHARED = (
    "model",
    "behavior",
    "column",
    "most_stimuli",
    "layers",
    "stimuli",
    "bootstrap",
    "splits",
    "weights",
    "tokens",
)
_USED = (*_SHARED, "n_features", "seed", "data_dir", "batch_size", "device", "json")


def check_options(context: "typer.Context") -> None:
    """Raise RSAError for an option that was given and is about teachers."""
    from ...rsa import RSAError

    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name not in _USED:
            raise RSAError(f"--{name.replace('_', '-')} is about a teacher's RDMs; it goes without --behavior")


def show_behavior(
    model: str,
    behavior: str,
    stimuli: str | None,
    json: Path | None,
    *,
    column: Any,
    layers: list[str],
    bootstrap: int | None,
    splits: int | None,
    **how: Any,
) -> None:
    """Score a model by behaviour, print and write what was found."""
    from ...rsa import RSAError
    from ...rsa.cli.console import write_json
    from ..behavior.scoring import DRAWS, score_behavior

    if len(layers) > 1:
        raise RSAError(f"with --behavior one of --layers is read out, not {len(layers)}")
    drawn: dict[str, Any] = {"bootstrap": DRAWS if bootstrap is None else bootstrap}
    drawn |= {} if splits is None else {"splits": splits}
    layer = layers[0] if layers and layers != ["auto"] else None
    found = score_behavior(model, behavior, stimuli, layer=layer, columns=column, progress=True, **drawn, **how)
    if json is not None:
        write_json(json, {"model": model, **found.to_dict()})
    _show(model, found)


def describe_behavior(name: str, about: dict[str, str], json: Path | None, *, data_dir: Path | None, seed: int) -> None:
    """Print and write what a behaviour holds, and the ceiling of every metric."""
    from ...rsa import BehaviorTest
    from ...rsa.behavior.consistency import BEHAVIOR_METRICS
    from ...rsa.cli.console import print_table, progress, write_json
    from ..behavior.lookup import load_behavior

    known = load_behavior(name, data_dir=data_dir)
    with progress(f"{name}: split halves"):
        test = BehaviorTest(known, seed=seed)
    ceilings = test.ceilings
    facts = [known.summary(), str(known.attrs.get("read_as", "")), *(f"{key}: {value}" for key, value in about.items())]
    facts += [f"no {metric}: {why}" for metric, why in test.reasons.items()]
    if json is not None:
        settings = {"splits": test.splits, "seed": seed}
        write_json(
            json, {"name": name, "summary": facts[0], "ceilings": ceilings, "settings": settings, "facts": about}
        )
    rows = [[f"{metric}: {BEHAVIOR_METRICS[metric]}", f"{value:.3f}"] for metric, value in ceilings.items()]
    print_table(name, ["metric", "ceiling"], rows, facts)


def _show(model: str, found: "BehaviorScore") -> None:
    from ...rsa.behavior.consistency import BEHAVIOR_METRICS
    from ...rsa.cli.console import print_table

    rows = []
    for metric, one in found.metrics.items():
        between = "-" if one.low is None or one.high is None else f"[{one.low:.3f}, {one.high:.3f}]"
        numbers = [f"{one.value:.3f}", between, f"{one.raw:.3f}", f"{one.ceiling:.3f}", f"{one.entries:,}"]
        rows.append([f"{metric}: {BEHAVIOR_METRICS[metric]}", *numbers])
    facts = dict(found.attrs)
    notes = [
        "consistency = raw / ceiling, the raw number of a perfect model; kappa is not divided by its ceiling",
        f"accuracy of the model's choices: {found.accuracy:.3f}",
    ]
    if facts["bootstrap"]:
        notes.append(f"[95% interval] from {facts['bootstrap']} resamples of {facts.pop('resampled')}")
    notes += [str(facts.pop("read_as"))] if "read_as" in facts else []
    notes.append(", ".join(f"{key} {value}" for key, value in facts.items() if value is not None and key != "model"))
    columns = ["metric", "consistency", "interval", "raw", "ceiling", "entries"]
    print_table(f"{model} and the choices of {found.behavior}", columns, rows, notes)
