"""RDMs of several subjects over time, compared with those of a model's layers: inference over the subjects."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from .errors import RSAError, listing, naming
from .inference.bootstrap import Resampling
from .inference.clusters import LEAST_SUBJECTS, sign_flip_test, t_values
from .inference.intervals import z_ends
from .inference.latency import latency
from .over_time import empty_columns, middles, put_latency, time_dataset
from .rdm.comparison import compare_all
from .rdm.rdm import RDM
from .time_score import TimeScore
from .types import Array


def compare_subjects_over_time(
    layers: Mapping[str, RDM],
    windows: Iterable[tuple[tuple[float, float], Mapping[str, Mapping[str, RDM]]]],
    *,
    targets: Sequence[str] = (),
    method: str = "pearson",
    bootstrap: int = 1000,
    permutations: int = 10_000,
    seed: int = 0,
    name: str = "RDMs over time",
    progress: Callable[[int], object] = lambda steps: None,
) -> TimeScore:
    """Compare layers with the RDMs of single subjects in one time window after another, for inference over subjects.

    Parameters
    ----------
    layers : mapping of str to RDM
    windows : iterable of ((start, end), mapping of target to mapping of subject to RDM)
        In order of time, in ms. A window in which one of a target's subjects has no RDM is a gap for that target.
    targets : sequence of str
        As in `compare_over_time`.
    method : str
        As in `compare`.
    bootstrap : int
        Number of resamples of the subjects for the intervals of latencies; 0 for none.
    permutations : int
        Number of sign flips of the subjects for cluster tests (`sign_flip_test`); 0 for none.
    seed : int
    name, progress
        As in `compare_over_time`.

    Returns
    -------
    TimeScore
        `similarity` is the mean over subjects, `subjects` holds each one's. `low` and `high` are from Student's t over
        subjects, on Fisher's z scale. With fewer than 5 subjects there are no clusters, onsets or peaks.

    Raises
    ------
    RSAError
        As `compare_all` does, naming the window; for fewer than two windows, and for a target with fewer than 2
        subjects.

    Notes
    -----
    Intervals and tests are about new subjects who see the same stimuli. The onset is that of clusters of t-values, the
    peak that of the mean; both are found anew in every resample of the subjects (Cichy et al. 2014).

    References
    ----------
    Maris and Oostenveld (2007), J Neurosci Methods 164:177-190; Cichy, Pantazis and Oliva (2014), Nat Neurosci
    17:455-462.
    """
    spans: list[tuple[float, float]] = []
    found: list[dict[str, dict[str, Array]]] = []
    order, by, n = list(targets), next(iter(layers.values())).by if layers else "stimulus", 0
    for (start, end), every in windows:
        spans.append((float(start), float(end)))
        order += [target for target in every if target not in order]
        here: dict[str, dict[str, Array]] = {}
        for target, people in every.items():
            varied = {subject: rdm for subject, rdm in people.items() if rdm.values.min() < rdm.values.max()}
            if varied:
                with naming(f"window {start:g}-{end:g} ms"):
                    compared = compare_all(layers, varied, method=method)
                n = compared.attrs["n"]
                here[target] = {subject: compared.sel(target=subject).to_numpy() for subject in varied}
        found.append(here)
        progress(1)
    times = middles(spans)
    names = [target for target in order if any(target in one for one in found)]
    seen = {target: list(dict.fromkeys(s for one in found for s in one.get(target, ()))) for target in names}
    alone = [target for target in names if len(seen[target]) < 2]
    if alone:
        who = listing(seen[alone[0]])
        raise RSAError(f"target {alone[0]} has one subject, {who}; inference over subjects needs at least 2")
    every_one = list(dict.fromkeys(subject for target in names for subject in seen[target]))
    each: Array = np.full((len(every_one), len(layers), len(names), len(spans)), np.nan)
    for t, known in enumerate(found):
        for target, values in known.items():
            for subject, value in values.items():
                each[every_one.index(subject), :, names.index(target), t] = value
    columns, drawn = empty_columns(len(layers), len(names), len(spans), bootstrap if permutations else 0)
    for k, target in enumerate(names):
        own = each[[every_one.index(subject) for subject in seen[target]], :, k]
        for key, column in _mean(own).items():
            columns[key][:, k] = column
        if not permutations or len(own) < LEAST_SUBJECTS:
            continue
        picked = Resampling(bootstrap, seed=seed).counts(len(own)) if bootstrap else None
        for i in range(len(layers)):
            course = np.where(np.isfinite(own[:, i]).all(axis=0), own[:, i], 0.0)  # a gap is in no cluster
            test = sign_flip_test(course, n=permutations, seed=seed)
            heights = columns["similarity"][i, k]
            if picked is None:
                read = latency(times, t_values(course), test, heights=heights)
            else:
                again, means = t_values(course, picked), picked @ course / len(course)
                means[:, np.isnan(heights)] = np.nan
                read = latency(times, t_values(course), test, again, heights=heights, height_draws=means)
            columns["p"][i, k] = test.p
            put_latency(columns, drawn, (i, k), read)
    attrs = {"bootstrap": bootstrap, "permutations": permutations, "seed": seed, "n": n, "over": "subjects"}
    attrs |= {"units": min(map(len, seen.values()), default=0), "about": "new subjects, with the same stimuli"}
    table = time_dataset(columns, list(layers), names, spans).assign_attrs(attrs)
    single = time_dataset({"similarity": each[0]}, list(layers), names, spans)["similarity"]
    subjects = single.expand_dims(subject=every_one).copy(data=each)
    return TimeScore(table, method, by, name, draws=drawn, subjects=subjects)


def _mean(own: Array) -> dict[str, Array]:
    """Mean (layer, time) of (subject, layer, time) and its 95% interval; NaN where a subject has no value."""
    import scipy.special

    count, mean = len(own), own.mean(axis=0)
    half = scipy.special.stdtrit(count - 1, 0.975) * own.std(axis=0, ddof=1) / np.sqrt(count)
    low, high = z_ends(mean, half, half)
    return {"similarity": mean, "low": low, "high": high}
