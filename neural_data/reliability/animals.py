"""Ceilings from the RDMs of several animals or subjects, in place of repeats."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RDM, RSAError, compare_all, noise_ceiling
from ...rsa.errors import listing
from ...rsa.rdm.comparison import method_named
from ..recordings.neuroids import region_neuroids
from ..recordings.recording import check_recording
from ..regions import make_rdms, responses
from ..settings import RegionSettings
from .split_half import LEAST, method_ceiling, spearman_brown

if TYPE_CHECKING:
    import xarray


def leave_one_animal_out(
    recording: "xarray.DataArray",
    *,
    by: str = RegionSettings.by,
    level: str = RegionSettings.level,
    scale: str = RegionSettings.scale,
    window: tuple[float, float] | None = RegionSettings.window,
    metric: str = RegionSettings.metric,
    method: str = "pearson",
) -> "xarray.Dataset":
    """Compute `noise_ceiling` over animals, for regions in which at least two animals have two or more neuroids each.

    Parameters
    ----------
    recording : xarray.DataArray
        With a column `animal` of neuroids.
    by, level, scale, window, metric
        See `RegionSettings`.
    method : str
        See `compare`.

    Returns
    -------
    xarray.Dataset
        `lower`, `upper`, `animals` (how many) and `repeats` (presentations per stimulus, of the first animal) of each
        target.

    Raises
    ------
    RSAError
        When there is no column `animal`, when no region has two animals, and as `region_rdms`.
    """
    import xarray

    check_recording(recording)
    settings = RegionSettings(by, level, scale, window, metric)
    regions = region_neuroids(recording, level)
    animals = region_neuroids(recording, "animal")
    found: dict[str, list[RDM]] = {name: [] for name in regions}
    for animal, sites in animals.items():
        shared = [np.intersect1d(sites, neuroids) for neuroids in regions.values()]
        wanted = {name: own for name, own in zip(regions, shared, strict=True) if len(own) >= 2}
        if wanted:
            here = np.sort(np.concatenate(list(wanted.values())))
            places = {name: np.searchsorted(here, own) for name, own in wanted.items()}
            part = responses(recording.isel(neuroid=here), settings, places)
            for name, rdm in make_rdms(part, settings).items():
                found[name].append(rdm.replace(name=animal))
    several = {name: rdms for name, rdms in found.items() if len(rdms) > 1}
    if not several:
        raise RSAError(f"no region has two neuroids of two animals each; animals: {listing(animals)}")
    bounds = np.array([noise_ceiling(rdms, method=method) for rdms in several.values()])
    columns = {
        "lower": bounds[:, 0],
        "upper": bounds[:, 1],
        "animals": [len(rdms) for rdms in several.values()],
        "repeats": [float(rdms[0].attrs["repeats"] or 1) for rdms in several.values()],
    }
    data = {name: ("target", np.asarray(values)) for name, values in columns.items()}
    return xarray.Dataset(data, {"target": list(several)}, {"method": method})


def subject_ceiling(rdms: Mapping[str, RDM], *, method: str = "pearson") -> dict[str, float]:
    """Compute the reliability and the ceiling of the average of subjects' RDMs, and bounds for single subjects.

    Parameters
    ----------
    rdms : mapping of str to RDM
        One per subject.
    method : str
        See `compare`.

    Returns
    -------
    dict of str to float
        `reliability` and `ceiling` of the average (`ceiling` is absent below a reliability of .2), `subjects`, and
        `leave_one_out_lower` and `leave_one_out_upper`, the bounds of `noise_ceiling` for a model that is compared
        with every subject in turn.

    Raises
    ------
    RSAError
        As `noise_ceiling`.

    Notes
    -----
    The average of k subjects has reliability k r / (1 + (k - 1) r), where r is the mean similarity of two subjects
    (Pearson's r for methods that rank).
    """
    k = len(rdms)
    lower, upper = noise_ceiling(rdms, method=method)
    between = compare_all(rdms, rdms, method=method_named(method).linear).to_numpy()[np.triu_indices(k, 1)]
    reliability = float(spearman_brown(between.mean(), k))
    known = {"ceiling": round(method_ceiling(reliability, method), 6)} if reliability >= LEAST else {}
    bounds = {"leave_one_out_lower": lower, "leave_one_out_upper": upper}
    return {"reliability": round(reliability, 6), **known, "subjects": k, **bounds}
