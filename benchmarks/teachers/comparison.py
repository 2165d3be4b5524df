"""Which teacher, rule and alpha predict mature performance, and how sure that is (paper, section 4.1)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa import RSAError, Teacher
from ...rsa.cli.console import write_json
from ...rsa.errors import listing
from ...rsa.types import Array
from ..pool.layer_similarities import view_of
from ..pool.pool import Pool, View
from ..rank_statistics import COEFFICIENTS, Resampled, correlate, interval, spearman
from ..report import packed, reading_results, unpacked
from .rules import FIXED, RULES, Examiner, Fitted, Half, Matched, better_than_chance, check_rule, fit, halves

if TYPE_CHECKING:
    import xarray

ANY = "any"  # rule or teacher: chosen on the other half as well
ALPHAS = (0.0, 1.0, 5.0)
OVER = "over the better of P and chance"
LEAST = 8  # members; fewer cannot be halved and correlated
KIND = "teachers"
_PARTS = ("table", "targets", "held_out", "members")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare_teachers` found.

    Correlations are with mature performance. Gains are those of Spearman over the better of P and chance, so that noise
    added to a P that ranks backwards gains nothing.

    Attributes
    ----------
    table : xarray.Dataset
        `p`, `loss` (coefficient, checkpoint), the latter of -loss; `tg` (coefficient, rule, teacher, checkpoint);
        `score`, of P + alpha TG, with alpha as its last dimension; `gain`, `low`, `high` (rule, teacher, checkpoint,
        alpha). A rule by another method than the first is "rule, method".
    targets : xarray.DataArray
        (coefficient, target, checkpoint): each "teacher: target" alone, by the paper's rule.
    held_out : xarray.Dataset
        `p`, `score`, `gain`, `low`, `high`, `chosen` (rule, teacher, checkpoint): alpha and whatever else is open was
        chosen on one half and tested on the other, both ways. For rule "any" and teacher "any" (no control) these
        were chosen, too.
    members : xarray.Dataset
        `mature` (member), `p` (member, checkpoint), `tg` (teacher, checkpoint, member) by the first rule.
    about : dict
        Settings, counts and notes, JSON-able.
    """

    table: "xarray.Dataset"
    targets: "xarray.DataArray"
    held_out: "xarray.Dataset"
    members: "xarray.Dataset"
    about: dict[str, Any]

    def __repr__(self) -> str:
        sizes = self.table.sizes
        over = f"{sizes['checkpoint']} checkpoints of {self.about.get('members', '?')} members"
        return f"Comparison({sizes['teacher']} teachers by {sizes['rule']} rules, {over})"

    @property
    def gain(self) -> "xarray.DataArray":
        """Gain by the first rule, (teacher, checkpoint, alpha)."""
        return self.table["gain"][0].drop_vars("rule")

    @property
    def low(self) -> "xarray.DataArray":
        """Lower end of the gain's 95% interval."""
        return self.table["low"][0].drop_vars("rule")

    @property
    def high(self) -> "xarray.DataArray":
        """Upper end of the gain's 95% interval."""
        return self.table["high"][0].drop_vars("rule")


@dataclass(frozen=True)
class _Settings:
    alphas: list[float]
    rules: list[str]
    methods: list[str]
    bootstrap: int
    seed: int

    def __post_init__(self) -> None:
        for rule in self.rules:
            check_rule(rule)
        if not any(rule in FIXED for rule in self.rules):
            raise RSAError(f"at least one rule must be fixed ({', '.join(FIXED)}), got {listing(self.rules) or 'none'}")
        if not self.methods or not self.alphas or self.bootstrap < 1 or self.seed < 0:
            raise RSAError("methods and alphas must not be empty; bootstrap is at least 1, seed at least 0")

    def variant(self, rule: str, method: str) -> str:
        return rule if method == self.methods[0] else f"{rule}, {method}"

    def variants(self, among: Sequence[str] = tuple(RULES)) -> list[str]:
        return [self.variant(rule, method) for method in self.methods for rule in self.rules if rule in among]


def compare_teachers(
    pool: Pool,
    teachers: Sequence[Teacher],
    *,
    alphas: Sequence[float] = ALPHAS,
    rules: Sequence[str] = tuple(RULES),
    methods: Sequence[str] = ("pearson",),
    controls: bool = True,
    bootstrap: int = 1000,
    seed: int = 0,
    progress: Callable[[int], object] = lambda steps: None,
) -> Comparison:
    """Compare how well P, loss, TG and P + alpha TG rank a pool's members by mature performance.

    Parameters
    ----------
    pool : Pool
    teachers : sequence of Teacher
        Each is compared with the pool's view of its stimuli; their names differ.
    alphas : sequence of float
        Weights of TG, in the table and open to a held-out choice.
    rules : sequence of str
        Keys of `RULES`; the first fixed one is that of `Comparison.gain`.
    methods : sequence of str
        Similarities of RDMs, of `layer_similarities.METHODS`.
    controls : bool
        Add the pixels, noise and the categories of the views as teachers.
    bootstrap : int
        Resamples of the architectures for 95% intervals, the same for P and P + alpha TG.
    seed : int
        Of the resamples and the halves.
    progress : callable
        Called with 1 after each view and method.

    Returns
    -------
    Comparison

    Raises
    ------
    RSAError
        For a teacher without a view, equal names, unknown rules and methods, and too small a pool.

    Notes
    -----
    Members without any RDM at some checkpoint are left out: a search records them as failed. A layer without RDM
    resembles nothing, and a TG without layers is 0.
    """
    settings = _Settings(list(alphas), list(rules), list(methods), bootstrap, seed)
    if not teachers:
        raise RSAError("there is no teacher to compare")
    views = [view_of(pool, teacher) for teacher in teachers]
    named = {teacher.name: (teacher, view) for teacher, view in zip(teachers, views, strict=True)}
    if len(named) < len(teachers) or ANY in named:
        raise RSAError(f"teachers need different names, other than {ANY}: {listing((t.name for t in teachers), 9)}")
    for view in dict.fromkeys(views) if controls else ():
        named |= {f"{control.name}, {view.name}": (control, view) for control in view.controls()}
    kept = replace(pool, members=tuple(member for member in pool.members if member.usable))
    if len(kept) < LEAST:
        raise RSAError(f"{len(kept)} members of the pool have RDMs; at least {LEAST} are needed")
    work = _Work(kept, list(named), [teacher.name for teacher in teachers], settings)
    for view in dict.fromkeys(view for _, view in named.values()):
        for method in methods:
            work.look(view, {name: teacher for name, (teacher, seen) in named.items() if seen is view}, method)
            progress(1)
    return work.finish(
        {
            "space": pool.space,
            "members": len(kept),
            "left_out": len(pool) - len(kept),
            "bootstrap": bootstrap,
            "seed": seed,
            "gains": OVER,
            "rules": {rule: RULES[rule] for rule in rules},
            "methods": list(methods),
            "pool": dict(pool.settings),
            "teachers": {name: _about(teacher, view.name) for name, (teacher, view) in named.items()},
            "seconds": float(np.median([member.seconds[-1] for member in kept.members])),
        }
    )


def _about(teacher: Teacher, view: str) -> dict[str, Any]:
    stated = {key: value for key, value in teacher.attrs.items() if isinstance(value, str | int | float)}
    return {"view": view, "by": teacher.by, "targets": list(teacher.rdms), **stated}


class _Work:
    """Gathers teacher after teacher, so that similarities of all of them need not be kept at once."""

    def __init__(self, pool: Pool, names: list[str], given: list[str], settings: _Settings) -> None:
        self.pool, self.names, self.given, self.settings = pool, names, given, settings
        self.mature, self.p = pool.mature, pool.p.astype(np.float64)
        self.resampled = Resampled(self.mature, settings.bootstrap, np.random.default_rng([settings.seed, 2]))
        self.base = [self.resampled(better_than_chance(column, self.mature)) for column in self.p.T]
        self.examine = Examiner(self.mature, draws=settings.bootstrap, seed=settings.seed)
        self.tg: dict[tuple[str, str], Array] = {}
        self.targets: dict[str, Array] = {}
        self.fitted: dict[tuple[str, str, int], list[Fitted]] = {}  # on each half

    def look(self, view: View, teachers: Mapping[str, Teacher], method: str) -> None:
        """All teachers over one view."""
        for name, matched in Matched.of(self.pool, view, teachers, method).items():
            self.add(name, list(teachers[name].rdms), method, matched)

    def add(self, name: str, targets: list[str], method: str, matched: Matched) -> None:
        if method == self.settings.methods[0]:
            best = matched.best
            self.targets |= {f"{name}: {target}": best[:, :, j] for j, target in enumerate(targets)}
        for rule in self.settings.rules:
            variant = self.settings.variant(rule, method)
            if rule in FIXED:
                self.tg[variant, name] = FIXED[rule](matched)
            for c, p in enumerate(self.p.T):
                about = rule, p, matched.at(c), self.mature
                self.fitted[variant, name, c] = [
                    fit(*about, half, self.settings.alphas, targets) for half in self.examine.halves
                ]

    def finish(self, about: dict[str, Any]) -> Comparison:
        import xarray

        fixed, checkpoints = self.settings.variants(tuple(FIXED)), list(self.pool.checkpoints)
        tg = np.array([[self.tg[rule, name] for name in self.names] for rule in fixed])  # rule, teacher, member, check
        tg = np.moveaxis(tg, 2, 0)
        score = self.p[:, None, None, :, None] + np.array(self.settings.alphas) * tg[..., None]
        coefficient = {"coefficient": list(COEFFICIENTS)}
        coords = coefficient | {"rule": fixed, "teacher": self.names, "checkpoint": checkpoints}
        coords |= {"alpha": self.settings.alphas}
        dims = tuple(coords)
        columns = {
            "p": (("coefficient", "checkpoint"), self._correlate(self.p)),
            "loss": (("coefficient", "checkpoint"), self._correlate(-self.pool.loss)),
            "tg": (dims[:4], self._correlate(tg)),
            "score": (dims, self._correlate(score)),
        }
        gain = columns["score"][1][0] - np.maximum(columns["p"][1][0], 0)[:, None]
        low, high = self._intervals(score)
        columns |= {key: (dims[1:], values) for key, values in (("gain", gain), ("low", low), ("high", high))}
        single = coefficient | {"target": list(self.targets), "checkpoint": checkpoints}
        singles = self._correlate(np.stack(list(self.targets.values()), axis=1))
        members = {
            "mature": ("member", self.mature),
            "p": (("member", "checkpoint"), self.p),
            "tg": (("teacher", "checkpoint", "member"), tg[:, 0].transpose(1, 2, 0)),
        }
        return Comparison(
            xarray.Dataset(columns, coords),
            xarray.DataArray(singles, single, tuple(single)),
            self._held_out(),
            xarray.Dataset(members, {"teacher": self.names, "checkpoint": checkpoints}),
            about,
        )

    def _correlate(self, values: Array) -> Array:
        return np.stack(list(correlate(values, self.mature).values()))

    def _intervals(self, score: Array) -> tuple[Array, Array]:
        """Of the gain, (rule, teacher, checkpoint, alpha)."""
        shape = score.shape[1:]
        low, high = np.zeros(shape), np.zeros(shape)
        for place in np.ndindex(*shape):
            if self.settings.alphas[place[3]] or not self.base[place[2]].any():  # otherwise both are P
                draws = self.resampled(score[(slice(None), *place)]) - self.base[place[2]]
                low[place], high[place] = interval(draws)
        return low, high

    def _held_out(self) -> "xarray.Dataset":
        import xarray

        rules, teachers, checkpoints = [*self.settings.variants(), ANY], [*self.names, ANY], self.pool.checkpoints
        results = [
            asdict(self.examine(p, self._best(rule, teacher, c)))
            for rule in rules
            for teacher in teachers
            for c, p in enumerate(self.p.T)
        ]
        coords: dict[str, list[Any]] = {"rule": rules, "teacher": teachers, "checkpoint": list(checkpoints)}
        shape = [len(values) for values in coords.values()]
        columns = {key: np.array([one[key] for one in results]).reshape(shape) for key in results[0]}
        return xarray.Dataset({key: (tuple(coords), values) for key, values in columns.items()}, coords)

    def _best(self, rule: str, teacher: str, c: int) -> list[Fitted]:
        """Of each half what fits it best, among all rules and teachers where these are open."""
        places = [
            (variant, name)
            for variant in (self.settings.variants() if rule == ANY else [rule])
            for name in (self.given if teacher == ANY else [teacher])
        ]
        found = []
        for half in range(2):
            variant, name = max(places, key=lambda place: self.fitted[*place, c][half].fit)
            best = self.fitted[variant, name, c][half]
            which = f"{name}, {variant}: " if ANY in (rule, teacher) else ""
            found.append(replace(best, chosen=f"{which}{best.chosen}"))
        return found


def write_comparison(path: Path, found: Comparison, **more: Any) -> None:
    """Write numbers with four digits, in lines along the last dimension, and beside them `more`, JSON-able."""
    parts = {**vars(found), "targets": found.targets.to_dataset(name="targets")}
    written = {key: packed(parts[key]) for key in _PARTS}
    write_json(path, {"kind": KIND, "about": found.about, **written, **more})


def read_comparison(path: str | Path) -> tuple[Comparison, dict[str, Any]]:
    """Read what `write_comparison` wrote: the comparison, and all else that is in the file.

    Older files have gains over P alone. Where P ranks the members no better than chance these become gains over chance,
    whose intervals such a file does not have (NaN).

    Raises RSAError for a file that is missing or something else.
    """
    with reading_results(path, KIND, "comparison of teachers") as kept:
        parts = {key: unpacked(kept.pop(key)) for key in _PARTS}
        targets, about = parts.pop("targets")["targets"], kept.pop("about")
        if about.get("gains") != OVER:
            _over_chance(parts["table"], parts["held_out"], parts["members"], halves(about["members"], about["seed"]))
        return Comparison(targets=targets, about=about, **parts), kept


def _over_chance(
    table: "xarray.Dataset", held_out: "xarray.Dataset", members: "xarray.Dataset", split: tuple[Half, Half]
) -> None:
    mature = members["mature"].values
    for c, p in enumerate(members["p"].values.T):
        here = {"checkpoint": c}
        both = [better_than_chance(p, mature, half) for half in split]
        base = np.mean([spearman(one[half], mature[half]) for one, half in zip(both, split, strict=True)])
        for data, over, by_chance in (
            (table, max(float(spearman(p, mature)), 0.0), not better_than_chance(p, mature).any()),
            (held_out, float(base), not all(one.any() for one in both)),
        ):
            if by_chance:
                score = data["score"][here]
                score = score.sel(coefficient="spearman", drop=True) if "coefficient" in score.dims else score
                data["gain"][here] = score - over
                data["low"][here] = data["high"][here] = np.nan
