"""Which teacher, rule and alpha predict mature performance, and how sure that is (paper, section 4.1)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rsa import RSAError, Teacher, compare
from ...rsa.errors import listing
from ...rsa.types import Array
from ..pool.layer_similarities import similarities, view_of
from ..pool.pool import Pool, View
from ..rank_statistics import COEFFICIENTS, Resampled, correlate, interval
from .choices import Choice, Examiner, HeldOut, better_than_chance, choose
from .rules import FIXED, RULES, Matched, check_rule

if TYPE_CHECKING:
    import xarray

ANY = "any"  # rule or teacher: chosen on the other half as well
ALPHAS = (0.0, 1.0, 5.0)
OVER = "over the better of P and chance"
LEAST = 8  # members; fewer cannot be halved and correlated


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare_teachers` found. Correlations are with mature performance; gains are those of Spearman over the
    better of P and chance, so that noise which is added to a P that ranks backwards gains nothing.

    table: Dataset; p, loss (coefficient, checkpoint), of -loss; tg and target (per single target, the paper's rule)
      (coefficient, rule, teacher, checkpoint); score, of P + alpha TG (coefficient, rule, teacher, checkpoint, alpha);
      gain, low, high (rule, teacher, checkpoint, alpha). A rule by another method than the first is "rule, method".
    targets: DataArray (coefficient, target, checkpoint), each "teacher: target" alone, by the paper's rule.
    held_out: Dataset; p, score, gain, low, high, chosen (rule, teacher, checkpoint): alpha and whatever else is open
      chosen on one half, tested on the other; both ways. Rule "any" and teacher "any" (no control) are chosen, too.
    members: Dataset; mature (member), p (member, checkpoint), tg (teacher, checkpoint, member) of the first rule.
    about: settings, counts and notes, JSON-able.
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
        """(teacher, checkpoint, alpha) of the first rule."""
        return self.table["gain"][0].drop_vars("rule")

    @property
    def low(self) -> "xarray.DataArray":
        """Lower end of the gain's 95% interval."""
        return self.table["low"][0].drop_vars("rule")

    @property
    def high(self) -> "xarray.DataArray":
        """Upper end of the gain's 95% interval."""
        return self.table["high"][0].drop_vars("rule")


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
    advance: Callable[[int], object] = lambda steps: None,
) -> Comparison:
    """Try teachers on a pool: how well P, loss, TG and P + alpha TG rank its members by mature performance.

    alphas: of the grid, and those that a held-out choice has. rules: see `RULES`; the first fixed one is that of
    `gain`. methods: similarities of RDMs, see `layer_similarities.METHODS`. controls: add the pixels and the categories
    of the views that the teachers are compared on. bootstrap: resamples of the architectures for 95% intervals, the
    same for P and P + alpha TG. seed: of the resamples and the halves. advance: called after each view and method.

    A teacher is compared with the pool's view of its stimuli. Members without any RDM at some checkpoint are left out:
    a search records them as failed. A layer without RDM resembles nothing, and a TG without layers is 0.

    Raises RSAError for a teacher without a view, equal names, unknown rules and methods, and too small a pool.
    """
    for rule in rules:
        check_rule(rule)
    if not any(rule in FIXED for rule in rules):
        raise RSAError(f"at least one rule must be fixed ({', '.join(FIXED)}), got {listing(rules) or 'none'}")
    if not teachers or not methods or not alphas or bootstrap < 1 or seed < 0:
        raise RSAError("teachers, methods and alphas must not be empty; bootstrap is at least 1, seed at least 0")
    views = [view_of(pool, teacher) for teacher in teachers]
    named = {teacher.name: (teacher, view) for teacher, view in zip(teachers, views, strict=True)}
    if len(named) < len(teachers) or ANY in named:
        raise RSAError(f"teachers need different names, other than {ANY}: {listing((t.name for t in teachers), 9)}")
    for view in dict.fromkeys(views) if controls else ():
        named |= {f"{control.name}, {view.name}": (control, view) for control in view.controls()}
    kept, left_out = usable(pool)
    if len(kept) < LEAST:
        raise RSAError(f"{len(kept)} members of the pool have RDMs; at least {LEAST} are needed")
    given = [teacher.name for teacher in teachers]
    work = _Work(kept, list(named), given, list(alphas), list(rules), list(methods), bootstrap, seed)
    for view in dict.fromkeys(view for _, view in named.values()):
        for method in methods:
            work.look(view, {name: teacher for name, (teacher, seen) in named.items() if seen is view}, method)
            advance(1)
    about = {
        "space": pool.space, "members": len(kept), "left_out": left_out, "bootstrap": bootstrap, "seed": seed,
        "gains": OVER,
        "rules": {rule: RULES[rule] for rule in rules}, "methods": list(methods), "pool": dict(pool.settings),
        "teachers": {name: _about(teacher, view.name) for name, (teacher, view) in named.items()},
        "seconds": float(np.median([member.seconds[-1] for member in kept.members])),
    }  # fmt: skip
    return work.finish(about)


def usable(pool: Pool) -> tuple[Pool, int]:
    """The members that have some RDM in every view at every checkpoint, and how many have not."""
    kept = [member for member in pool.members if member.usable]
    return Pool(pool.space, pool.checkpoints, pool.views, tuple(kept), pool.settings), len(pool) - len(kept)


def _about(teacher: Teacher, view: str) -> dict[str, Any]:
    stated = {key: value for key, value in teacher.attrs.items() if isinstance(value, str | int | float)}
    return {"view": view, "by": teacher.by, "targets": list(teacher.rdms), **stated}


class _Work:
    """Gathers teacher after teacher, so that similarities of all of them need not be kept at once."""

    def __init__(
        self, pool: Pool, names: list[str], given: list[str], alphas: list[float], rules: list[str],
        methods: list[str], draws: int, seed: int,
    ) -> None:  # fmt: skip
        self.pool, self.names, self.alphas, self.rules, self.methods = pool, names, alphas, rules, methods
        self.given = given
        self.layers = np.array([len(member.layers) for member in pool.members])
        self.mature, self.p = pool.mature, pool.p.astype(np.float64)
        self.resampled = Resampled(self.mature, draws, np.random.default_rng([seed, 2]))
        self.base = [self.resampled(better_than_chance(column, self.mature)) for column in self.p.T]
        self.examine = Examiner(self.mature, draws=draws, seed=seed)
        self.tg: dict[tuple[str, str], Array] = {}
        self.targets: dict[str, Array] = {}
        self.chosen: dict[tuple[str, str, int], list[Choice]] = {}

    def variant(self, rule: str, method: str) -> str:
        return rule if method == self.methods[0] else f"{rule}, {method}"

    def look(self, view: View, teachers: Mapping[str, Teacher], method: str) -> None:
        """All teachers over one view."""
        pixels = view.controls()[0].rdms["pixels"]
        rdms = {(name, target): rdm.subset(view.labels).replace(name=f"{name}: {target}")
                for name, teacher in teachers.items() for target, rdm in teacher.rdms.items()}  # fmt: skip
        found = np.asarray(similarities(self.pool, view, [*rdms.values(), pixels], method), np.float64)
        keys = list(rdms)
        for name, teacher in teachers.items():
            places = [keys.index((name, target)) for target in teacher.rdms]
            shared = [compare(rdms[keys[place]], pixels, method=method) for place in places]
            matched = Matched(found[..., places], self.layers, found[..., -1:], np.array(shared))
            self.add(name, list(teacher.rdms), method, matched)

    def add(self, name: str, targets: list[str], method: str, matched: Matched) -> None:
        if method == self.methods[0]:
            best = matched.best
            self.targets |= {f"{name}: {target}": best[:, :, j] for j, target in enumerate(targets)}
        for rule in self.rules:
            variant = self.variant(rule, method)
            if rule in FIXED:
                self.tg[variant, name] = FIXED[rule](matched)
            for c, p in enumerate(self.p.T):
                self.chosen[variant, name, c] = [
                    choose(rule, p, matched, c, self.mature, half, self.alphas, targets)
                    for half in self.examine.halves
                ]  # fmt: skip

    def finish(self, about: dict[str, Any]) -> Comparison:
        import xarray

        fixed = [self.variant(rule, method) for method in self.methods for rule in self.rules if rule in FIXED]
        tg = np.array([[self.tg[rule, name] for name in self.names] for rule in fixed])  # rule, teacher, member, check
        tg = np.moveaxis(tg, 2, 0)
        score = self.p[:, None, None, :, None] + np.array(self.alphas) * tg[..., None]
        coords: dict[str, Any] = {
            "coefficient": list(COEFFICIENTS), "rule": fixed, "teacher": self.names,
            "checkpoint": list(self.pool.checkpoints), "alpha": self.alphas,
        }  # fmt: skip
        dims = tuple(coords)
        found = {"p": (self.p, "checkpoint"), "loss": (-self.pool.loss, "checkpoint"), "tg": (tg, dims[1:4]),
                 "score": (score, dims[1:])}  # fmt: skip
        columns: dict[str, Any] = {
            key: (("coefficient", *([kept] if isinstance(kept, str) else kept)), self._correlate(values))
            for key, (values, kept) in found.items()
        }
        gain = columns["score"][1][0] - np.maximum(columns["p"][1][0], 0)[:, None]
        low, high = self._intervals(score)
        columns |= {key: (dims[1:], values) for key, values in (("gain", gain), ("low", low), ("high", high))}
        singles = np.stack(list(self.targets.values()), axis=1)
        single = xarray.DataArray(
            self._correlate(singles), {"coefficient": list(COEFFICIENTS), "target": list(self.targets),
            "checkpoint": list(self.pool.checkpoints)}, ("coefficient", "target", "checkpoint"),
        )  # fmt: skip
        members = xarray.Dataset(
            {"mature": ("member", self.mature), "p": (("member", "checkpoint"), self.p),
             "tg": (("teacher", "checkpoint", "member"), tg[:, 0].transpose(1, 2, 0))},
            {key: coords[key] for key in ("teacher", "checkpoint")},
        )  # fmt: skip
        return Comparison(xarray.Dataset(columns, coords), single, self._held_out(), members, about)

    def _correlate(self, values: Array) -> Array:
        return np.stack(list(correlate(values, self.mature).values()))

    def _intervals(self, score: Array) -> tuple[Array, Array]:
        """Of the gain, (rule, teacher, checkpoint, alpha)."""
        shape = score.shape[1:]
        low, high = np.zeros(shape), np.zeros(shape)
        for place in np.ndindex(*shape):
            if self.alphas[place[3]] or not self.base[place[2]].any():  # otherwise both are P
                draws = self.resampled(score[(slice(None), *place)]) - self.base[place[2]]
                low[place], high[place] = interval(draws)
        return low, high

    def _held_out(self) -> "xarray.Dataset":
        import xarray

        variants = [self.variant(rule, method) for method in self.methods for rule in self.rules]
        rules, teachers = [*variants, ANY], [*self.names, ANY]
        results: dict[tuple[str, str, int], HeldOut] = {}
        for c, p in enumerate(self.p.T):
            for rule in rules:
                for teacher in teachers:
                    results[rule, teacher, c] = self.examine(p, self._best(rule, teacher, c, variants))
        shape = (len(rules), len(teachers), self.p.shape[1])
        dims = ("rule", "teacher", "checkpoint")
        columns = {
            key: (dims, np.array([getattr(one, key) for one in self._ordered(results, rules, teachers)]).reshape(shape))
            for key in ("p", "score", "gain", "low", "high", "said")
        }
        columns["chosen"] = columns.pop("said")
        coords = {"rule": rules, "teacher": teachers, "checkpoint": list(self.pool.checkpoints)}
        return xarray.Dataset(columns, coords)

    def _ordered(
        self, results: dict[tuple[str, str, int], HeldOut], rules: list[str], teachers: list[str]
    ) -> list[HeldOut]:
        return [results[rule, t, c] for rule in rules for t in teachers for c in range(self.p.shape[1])]

    def _best(self, rule: str, teacher: str, c: int, variants: list[str]) -> list[Choice]:
        """Of each half the choice that fits it best, among all rules and teachers where these are open."""
        open_ = [
            (f"{name}, {variant}: " if ANY in (rule, teacher) else "", self.chosen[variant, name, c])
            for variant in (variants if rule == ANY else [rule])
            for name in (self.given if teacher == ANY else [teacher])
        ]
        best = [max(open_, key=lambda item: item[1][0].fit), max(open_, key=lambda item: item[1][1].fit)]
        return [
            Choice(chosen[i].predictor, chosen[i].fit, prefix + chosen[i].said)
            for i, (prefix, chosen) in enumerate(best)
        ]
