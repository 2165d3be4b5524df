"""Teachers: target RDMs and, optionally, the features they were computed from (paper, section 3.2)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .errors import RSAError, as_mapping, check_known, conditions, listing, near
from .fields import attr_fields, text_field
from .inference.bootstrap import bootstrap as resample
from .inference.layer_choice import crossvalidated_choice
from .labels import as_text, check_labels, check_names
from .networks.readout import N_FEATURES, Layers, Readout
from .networks.stimuli import Images, Stimuli, as_stimuli
from .notebooks import as_html
from .rdm.comparison import align, caution, compare_all, method_named
from .rdm.rdm import RDM
from .score import TeacherScore
from .similarity.features import Features
from .similarity.without_rdms import NAMES, bootstrap_features
from .types import Attr

if TYPE_CHECKING:
    import torch
    import xarray

    from .networks.extract import Progress
    from .networks.models import Preprocess


MOST = 10_000  # conditions of RDMs that are made beside features


@dataclass(frozen=True, eq=False, repr=False)
class Teacher:
    """A fixed, ordered set of target RDMs: of a network's layers, or of brain regions.

    Attributes
    ----------
    name : str
    rdms : dict of str to RDM
        Target -> RDM, all over the same conditions and with the same `by`. Empty where there are features of so many
        conditions that no RDMs are made from them.
    ceilings : dict
        Target -> (lower, upper) similarity that the target's noise allows; targets may lack one.
    method : str
        The comparison that this teacher, and its ceilings, are meant for.
    stimuli, checksum : str
        Where the images come from, and their SHA-256, for whoever has to show them to a candidate.
    attrs : dict
        How it was made.
    stimulus_ids : tuple of str
        The stimuli behind RDMs of groups, where known: a candidate is shown these and no others of the same groups.
    features : dict of str to Features
        Empty, or the features of every target over the conditions of its RDM, for similarities that compare features.
    members : dict of str to str
        For RDMs of groups, where known: stimulus -> its group, for images that come without this column.

    Raises
    ------
    RSAError
        For no target, targets of different kinds or conditions, a ceiling without its target, and features of other
        targets or conditions.

    Examples
    --------
    >>> import numpy as np
    >>> from tgsage.rsa import Teacher, compute_rdm
    >>> responses = np.random.default_rng(0).normal(size=(12, 30))
    >>> teacher = Teacher.from_rdms("a brain", {"IT": compute_rdm(responses)})
    >>> teacher.score({"layer": compute_rdm(responses[:, :15]), "same": compute_rdm(responses)}).best_layer
    {'IT': 'same'}
    """

    name: str
    rdms: Mapping[str, RDM]
    ceilings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    method: str = "pearson"
    stimuli: str = ""
    checksum: str = ""
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    stimulus_ids: tuple[str, ...] = ()
    features: Mapping[str, Features] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        title = f"teacher {self.name!r}"
        plain = {
            "name": text_field(self.name, "the name of a teacher"),
            "rdms": {as_text(target): rdm for target, rdm in self.rdms.items()},
            "ceilings": {
                as_text(t): _ceiling(pair, f"{title}: the ceiling of {t}")
                for t, pair in self.ceilings.items()
                if pair is not None
            },
            "method": text_field(self.method, f"{title}: method", "pearson"),
            "stimuli": text_field(self.stimuli, f"{title}: stimuli"),
            "checksum": text_field(self.checksum, f"{title}: checksum"),
            "attrs": attr_fields(self.attrs, title),
            "stimulus_ids": check_labels(self.stimulus_ids),
            "features": {as_text(target): features for target, features in self.features.items()},
            "members": {as_text(stimulus): as_text(group) for stimulus, group in self.members.items()},
        }
        for key, value in plain.items():
            object.__setattr__(self, key, value)
        if not self.rdms and not self.features:
            raise RSAError(f"teacher {self.name!r} has no target")
        for kind, items in ((RDM, self.rdms), (Features, self.features)):
            for target, item in items.items():
                if not isinstance(item, kind):
                    raise RSAError(f"{title}: {target} is no {kind.__name__} but {type(item).__name__}")
        if len({one.by for one in self.by_target.values()}) > 1:
            kinds = listing(f"{target} by {one.by}" for target, one in self.by_target.items())
            raise RSAError(f"teacher {self.name!r} mixes RDMs of different kinds: {kinds}")
        own = set(self.labels)
        other = [target for target, one in self.by_target.items() if set(one.labels) != own]
        if other:
            raise RSAError(f"teacher {self.name!r}: target {other[0]} has other labels than {self.targets[0]}")
        if unknown := sorted({*self.members.values()}.difference(own)):
            raise RSAError(f"{title}: members are of {listing(unknown)}, which its RDMs are not about")
        stray = [target for target in self.ceilings if target not in self.by_target]
        if stray:
            raise RSAError(f"teacher {self.name!r} has a ceiling for {listing(stray)}, which is no target of it")
        if self.features and set(self.features) != set(self.by_target):
            other = sorted(set(self.features) ^ set(self.rdms))
            raise RSAError(f"teacher {self.name!r}: features and RDMs are of the same targets, unlike {listing(other)}")
        for target, features in self.features.items():
            if features.by != self.by or set(features.labels) != own:
                raise RSAError(f"teacher {self.name!r}: the features of {target} are of other conditions than its RDM")

    @classmethod
    def from_rdms(
        cls,
        name: str,
        rdms: Mapping[str, RDM],
        ceilings: Mapping[str, tuple[float, float]] | None = None,
        *,
        method: str = "pearson",
        stimuli: str = "",
        checksum: str = "",
        attrs: Mapping[str, Attr] | None = None,
        stimulus_ids: Sequence[str] = (),
        features: Mapping[str, Features] | None = None,
        members: Mapping[str, str] | None = None,
    ) -> "Teacher":
        """Make a teacher from RDMs.

        Parameters
        ----------
        name, rdms, ceilings, method, stimuli, checksum, attrs, stimulus_ids, features, members
            Attributes of the class.

        Raises
        ------
        RSAError
            As the class does.
        """
        optional = (as_mapping(ceilings, "ceilings"), method, stimuli, checksum, attrs or {}, tuple(stimulus_ids))
        last = (as_mapping(features, "features"), as_mapping(members, "members"))
        return cls(name, as_mapping(rdms, "rdms"), *optional, *last)

    @classmethod
    def from_network(
        cls,
        name: str,
        model: "torch.nn.Module | str",
        stimuli: Images,
        layers: str | list[str] = "auto",
        *,
        by: str = "stimulus",
        preprocess: "Preprocess | None" = None,
        metric: str = "correlation",
        n_features: int | None = N_FEATURES,
        seed: int = 0,
        batch_size: int | None = None,
        device: "str | torch.device | None" = None,
        features: bool = False,
        tokens: str = "all",
        loaders: int = 1,
        progress: "Progress | None" = None,
    ) -> "Teacher":
        """Make a teacher from a network's layers, with the checksum of its stimuli.

        Parameters
        ----------
        name : str
        model : torch.nn.Module or str
            A module, or a name that `load_model` knows. A model given by name brings its own preprocessing, and its
            layers that cannot be compared, such as dead ones, are left out and named in `attrs["unusable"]`.
        features : bool
            Also keep the features behind the RDMs; for more than 10,000 conditions, keep the features alone.
        stimuli, layers, by, preprocess, metric, n_features, seed, batch_size, device, tokens, loaders, progress
            As in `layer_rdms`.

        Raises
        ------
        RSAError
            As `layer_rdms` and, for a name, `load_model`.
        """
        from .networks.collector import MEMORY_BUDGET
        from .networks.extract import show
        from .networks.models import described, load_model

        shown, named, stated = as_stimuli(stimuli), isinstance(model, str), {}
        if isinstance(model, str):
            if preprocess is not None:
                raise RSAError(f"preprocess is for a module, and {model} has its own")
            stated = {"network": model}
            model, preprocess = load_model(model)
            stated["preprocess"] = described(preprocess)
        readout = Readout(layers, n_features, seed, preprocess, batch_size, device, metric, tokens, loaders)
        found = show(model, shown, readout, by=by, budget=MEMORY_BUDGET, progress=progress)
        made: Layers[Any] = found.features(leave_out=named) if features else found.rdms(leave_out=named)
        if not made:
            reasons = listing(f"{layer}: {why}" for layer, why in made.unusable.items())
            raise RSAError(f"no layer of {name} can be compared: {reasons}")
        kept = dict(made) if features else {}
        if features:
            few = len(found.labels) <= MOST
            rdms = {target: one.rdm(metric=metric) for target, one in made.items() if few}
        else:
            rdms = dict(made)
        attrs = stated | readout.attrs() | _features_used(made)
        if made.unusable:
            attrs["unusable"] = ", ".join(made.unusable)
        ids = tuple(shown.column("stimulus"))
        return cls(name, rdms, {}, "pearson", shown.reference, shown.checksum(loaders=loaders), attrs, ids, kept)

    def __repr__(self) -> str:
        over = conditions(len(self.labels), self.by)
        ceilings = f", {len(self.ceilings)} with a ceiling" if self.ceilings else ""
        kept = f"Teacher({self.name!r}, {len(self.targets)} targets over {over}: {listing(self.targets, 6)}{ceilings}"
        what = f"{self.metric} RDMs for {self.method}{', with features' if self.features else ''}"
        return f"{kept}; {what if self.rdms else 'features'})"

    def _repr_html_(self) -> str:
        import pandas

        none = (np.nan, np.nan)
        rows = {t: (len(one), *self.ceilings.get(t, none)) for t, one in self.by_target.items()}
        numbers = pandas.DataFrame.from_dict(rows, "index", columns=["conditions", "lower ceiling", "upper ceiling"])
        facts = {"by": self.by, "metric": self.metric, "method": self.method, "stimuli": self.stimuli, **self.attrs}
        return as_html(f"Teacher {self.name}", facts, numbers.round(4))

    @property
    def by_target(self) -> Mapping[str, RDM | Features]:
        """Target -> RDM, or features where no RDMs were made."""
        return self.rdms or self.features

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(self.by_target)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the conditions, in the order of the first target."""
        return next(iter(self.by_target.values())).labels

    @property
    def by(self) -> str:
        """What the RDMs are by: "stimulus", or the column whose groups are the conditions."""
        return next(iter(self.by_target.values())).by

    @property
    def metric(self) -> str:
        """The metric that the RDMs were computed with; "correlation" for features alone."""
        return next((rdm.metric for rdm in self.rdms.values()), "correlation")

    def select(self, stimuli: Images) -> Stimuli:
        """Return those of the stimuli that this teacher is about.

        Parameters
        ----------
        stimuli : Stimuli, tensor (n, C, H, W), or list of images

        Raises
        ------
        RSAError
            When some of them are missing.
        """
        shown = as_stimuli(stimuli)
        if self.stimulus_ids:
            shown = shown.select("stimulus", self.stimulus_ids)
        if self.members and self.by not in shown.table:
            shown = shown.select("stimulus", tuple(self.members))
            groups = [self.members[name] for name in shown.column("stimulus")]
            shown = Stimuli(shown.images, {**shown.table, self.by: groups}, reference=shown.reference)
        return shown.select(self.by, self.labels)

    def keep(self, targets: Iterable[str]) -> "Teacher":
        """Return the teacher with only some of its targets.

        Parameters
        ----------
        targets : iterable of str
            In the order wanted.

        Raises
        ------
        RSAError
            For an unknown target.
        """
        wanted = list(dict.fromkeys(targets))
        unknown = [target for target in wanted if target not in self.by_target]
        if unknown:
            raise RSAError(f"teacher {self.name!r} has no target {unknown[0]!r}{near(unknown[0], self.by_target)}")
        rdms = {target: self.rdms[target] for target in wanted if self.rdms}
        ceilings = {target: self.ceilings[target] for target in wanted if target in self.ceilings}
        return replace(
            self, rdms=rdms, ceilings=ceilings, features={t: self.features[t] for t in wanted if self.features}
        )

    def with_method(self, method: str) -> "Teacher":
        """Return the teacher meant for another comparison, without its ceilings, which are for its own.

        Parameters
        ----------
        method : str
            See `compare`.

        Returns
        -------
        Teacher
            The teacher itself if the method is already its own.

        Raises
        ------
        RSAError
            For an unknown method.
        """
        method_named(method)
        if method == self.method:
            return self
        own = f"none for {method}: those of this teacher are for {self.method}"
        attrs = {**self.attrs, "ceiling": own} if self.ceilings else self.attrs
        return replace(self, method=method, ceilings={}, attrs=attrs)

    def check_rdms(self) -> None:
        """Raise RSAError for a teacher of so many conditions that it holds features only."""
        if not self.rdms:
            raise RSAError(
                f"teacher {self.name!r} holds features of {len(self.labels)} conditions and no RDMs;"
                " similarity='rsa-pearson' compares these as their RDMs would be"
            )

    def check_features(self, similarity: str) -> None:
        """Raise RSAError for an unknown similarity, and unless this teacher holds the features that it compares.

        Parameters
        ----------
        similarity : str
            One of `SIMILARITIES`.
        """
        from .similarity.table import check_similarity

        check_similarity(similarity)
        if not self.features:
            raise RSAError(
                f"teacher {self.name!r} holds RDMs only and similarity={similarity!r} compares features;"
                " make it with features=True, or use similarity='rdm'"
            )

    def score(
        self,
        layers: Mapping[str, RDM] | Mapping[str, Features],
        *,
        similarity: str = "rdm",
        method: str | None = None,
        bootstrap: int = 0,
        groups: str | Sequence[object] | None = None,
        seed: int = 0,
        allow_subset: bool = False,
    ) -> TeacherScore:
        """Compare a candidate's layers with every target.

        Parameters
        ----------
        layers : mapping of str to RDM, or of str to Features
            What the similarity compares.
        similarity : str
            "rdm" compares RDMs; for the others, which compare features, see `compare_all_features`.
        method : str, optional
            How RDMs are compared; by default the teacher's own, the only one to which its ceilings belong.
        bootstrap : int
            Number of resamples of the stimuli for intervals; 0 for none. With RDMs of several layers the TG with layers
            scored on other stimuli than they were chosen on is computed, too (`crossvalidated_choice`; not for
            "cosine-whitened", which is higher on half of the stimuli, and not where halves have too few conditions).
            Only for RDMs, whether computed or not ("rsa-pearson", ...; see `bootstrap_features`): resamples are full of
            copies of stimuli, which under other similarities make any features alike.
        groups : str or sequence, optional
            Stimuli that are resampled together, see `bootstrap`; with "ridge" those that stay in one fold.
        seed : int
            Seed of the resamples, and of the folds of "ridge".
        allow_subset : bool
            Compare the common conditions only.

        Raises
        ------
        RSAError
            As `compare_all` or `compare_all_features`; for a teacher without features; for parameters that do not fit
            the similarity; and when `layers` come from `Guidance` and none of them could be compared.
        """
        kind = RDM if similarity == "rdm" else Features
        if not isinstance(layers, Mapping) or not all(isinstance(layer, kind) for layer in layers.values()):
            raise RSAError(f"similarity={similarity!r} needs a mapping of layer -> {kind.__name__}")
        unusable = layers.unusable if isinstance(layers, Layers) else {}
        if unusable and not layers:
            raise RSAError(f"no layer can be compared: {listing(f'{name}: {why}' for name, why in unusable.items())}")
        teacher, draws, crossvalidated = self, None, None
        if similarity == "rdm":
            self.check_rdms()
            teacher, rdms = self.with_method(method or self.method), cast("Mapping[str, RDM]", layers)
            name, ceilings, note = teacher.method, dict(teacher.ceilings), ""
            table = compare_all(rdms, self.rdms, method=name, allow_subset=allow_subset)
            if bootstrap:
                first, second = align(rdms, self.rdms, allow_subset=allow_subset)
                one, other = dict(zip(rdms, first, strict=True)), dict(zip(self.rdms, second, strict=True))
                draws = resample(one, other, method=name, n=bootstrap, groups=groups, seed=seed)
                if len(one) > 1 and not caution(name):
                    with suppress(RSAError):  # on half of few conditions an RDM can be constant
                        crossvalidated = crossvalidated_choice(one, other, method=name, seed=seed, groups=groups)
            elif groups is not None:
                raise RSAError("groups= are what bootstrap= resamples; give its number of draws, too")
            if caution(name) and ceilings and (n := int(table.attrs["n"])) < len(self.labels):
                ceilings, note = {}, f"none over {n} of the teacher's stimuli, since {caution(name)}"
        elif method or (bootstrap and similarity not in NAMES):
            what = f"method={method!r}" if method else f"bootstrap={bootstrap}"
            raise RSAError(f"{what} is for similarity='rdm'; {similarity!r} compares features, without resamples")
        else:
            name, ceilings, note = similarity, {}, f"none for {similarity}: those of recordings are for RDMs"
            if NAMES.get(similarity) == self.method and self.metric == "correlation":
                ceilings, note = dict(self.ceilings), ""
            self.check_features(similarity)
            if bootstrap:
                given = cast("Mapping[str, Features]", layers)
                theirs, own = align(given, self.features, allow_subset=allow_subset)
                a, b = dict(zip(given, theirs, strict=True)), dict(zip(self.features, own, strict=True))
                draws = bootstrap_features(a, b, method=NAMES[name], n=bootstrap, groups=groups, seed=seed)
                table = draws["estimate"].drop_vars(["linear", "dof", "estimate"], errors="ignore")
                table = table.assign_attrs(similarity=name, n=draws.attrs["n"]).rename("similarity")
            else:
                table = self._compare_features(layers, similarity, groups, seed, allow_subset)
        attrs = {f"teacher_{key}": value for key, value in teacher.attrs.items()}
        attrs |= _how_made(layers)
        if note:
            attrs["teacher_ceiling"] = note
        if unusable:
            attrs["unusable"] = ", ".join(unusable)
        return TeacherScore(table, ceilings, name, self.by, self.name, attrs, draws, crossvalidated)

    def _compare_features(
        self, layers: Any, similarity: str, groups: str | Sequence[object] | None, seed: int, allow_subset: bool
    ) -> "xarray.DataArray":
        from .similarity.table import compare_all_features

        if isinstance(groups, str) and layers:
            first: Features = next(iter(layers.values()))
            check_known(f"{first!r} has no descriptor", groups, first.descriptors)
            groups = check_names(first.descriptors[groups], f"{groups} of the stimuli")
        return compare_all_features(
            layers, self.features, similarity=similarity, groups=groups, seed=seed, allow_subset=allow_subset
        )

    def save(self, path: str | Path) -> None:
        """Write one HDF5 file, whole or not at all."""
        from .io.hdf5 import write_array, writing

        with writing(path, "teacher") as file:
            for key in ("name", "method", "stimuli", "checksum"):
                file.attrs[key] = getattr(self, key)
            file.attrs["attrs"] = json.dumps(self.attrs)
            file.attrs["ceilings"] = json.dumps(self.ceilings)
            file.attrs["targets"] = json.dumps(self.targets)
            if self.stimulus_ids:
                write_array(file, "stimulus_ids", np.array(self.stimulus_ids))
            if self.members:
                write_array(file, "members", np.array(list(self.members)))
                write_array(file, "members_of", np.array(list(self.members.values())))
            for i, rdm in enumerate(self.rdms.values()):
                rdm.write(file.create_group(f"rdm{i}"))
            for i, target in enumerate(self.targets if self.features else ()):
                self.features[target].write(file.create_group(f"features{i}"))

    @classmethod
    def load(cls, path: str | Path) -> "Teacher":
        """Read what `save` wrote.

        Raises
        ------
        RSAError
            When the file is missing, truncated or not a teacher; the message names it.
        """
        from .io.hdf5 import read_column, read_json, read_text, reading

        with reading(path, "teacher") as file:
            targets = [str(target) for target in read_json(file, "targets", list)]
            kept = "rdm0" in file or "features0" not in file
            rdms = {target: RDM.read(file[f"rdm{i}"]) for i, target in enumerate(targets) if kept}
            ceilings = {str(t): (float(low), float(high)) for t, (low, high) in read_json(file, "ceilings").items()}
            name, method, stimuli, checksum = (
                read_text(file, key) for key in ("name", "method", "stimuli", "checksum")
            )
            ids = tuple(read_column(file, "stimulus_ids").tolist()) if "stimulus_ids" in file else ()
            features = {t: Features.read(file[f"features{i}"]) for i, t in enumerate(targets) if "features0" in file}
            names, groups = (
                read_column(file, key).tolist() if key in file else [] for key in ("members", "members_of")
            )
            if not len(set(names)) == len(names) == len(groups):
                raise RSAError(f"{len(names)} members ({len(set(names))} different) are of {len(groups)} groups")
            members, attrs = dict(zip(names, groups, strict=True)), read_json(file, "attrs")
            return cls(name, rdms, ceilings, method, stimuli, checksum, attrs, ids, features, members)


def _ceiling(pair: Any, what: str) -> tuple[float, float]:
    try:
        low, high = pair
        return float(low), float(high)
    except (TypeError, ValueError) as error:
        raise RSAError(f"{what} must be two numbers (lower, upper), got {pair!r}") from error


def _how_made(layers: Mapping[str, RDM | Features]) -> dict[str, Attr]:
    """What a score states about the candidate's side."""
    if not layers:
        return {}
    first = next(iter(layers.values())).attrs
    return {
        key: first[key] for key in ("seed", "metric", "tokens", "features", "labels", "rows") if key in first
    } | _features_used(layers)


def _features_used(layers: Mapping[str, RDM | Features]) -> dict[str, Attr]:
    used = sorted({int(layer.attrs["n_features"] or 0) for layer in layers.values() if "n_features" in layer.attrs})
    return {"n_features": used[0] if len(used) == 1 else f"{used[0]} to {used[-1]}"} if used else {}
