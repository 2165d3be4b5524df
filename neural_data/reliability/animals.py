"""What animals, or subjects, have in common: ceilings from their RDMs instead of from repeats."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...rsa import RDM, RSAError, compare_all, noise_ceiling
from ...rsa.errors import listing
from ...rsa.rdm.comparison import method_named
from ..recordings.neuroids import region_neuroids
from ..recordings.recording import check_recording
from ..regions.rdms import region_rdms
from .split_half import LEAST, method_ceiling, spearman_brown

if TYPE_CHECKING:
    import xarray


def leave_one_animal_out(
    recording: "xarray.DataArray",
    *,
    by: str = "stimulus",
    level: str = "subregion",
    scale: str = "none",
    window: tuple[float, float] | None = None,
    metric: str = "correlation",
    method: str = "pearson",
) -> "xarray.Dataset":
    """`noise_ceiling` over animals, for the regions in which at least two of them have two neuroids or more.

    Dataset with `lower`, `upper`, `animals` (how many) and `repeats` (presentations per stimulus) of each target.
    Raises RSAError without a column `animal` of neuroids, when no region has two animals, and as `region_rdms` does.
    """
    import xarray

    check_recording(recording)
    regions = region_neuroids(recording, level)
    animals = region_neuroids(recording, "animal")
    found: dict[str, list[RDM]] = {name: [] for name in regions}
    for animal, sites in animals.items():
        shared = [np.intersect1d(sites, neuroids) for neuroids in regions.values()]
        wanted = [neuroids for neuroids in shared if len(neuroids) >= 2]
        if wanted:
            part = recording.isel(neuroid=np.sort(np.concatenate(wanted)))
            rdms = region_rdms(part, by=by, level=level, scale=scale, window=window, metric=metric)
            for name, rdm in rdms.items():
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
    """Reliability and ceiling of the average of subjects' RDMs, and the leave-one-out bounds of single ones.

    The average of k subjects has reliability k r / (1 + (k - 1) r), r the mean similarity of two subjects (Pearson's r
    where the method ranks); a model compared with the average is held against `ceiling` (`method_ceiling`), which is
    left out below a reliability of .2. One compared with every subject in turn is held against the bounds of
    `noise_ceiling`. Raises RSAError as that does.
    """
    k = len(rdms)
    lower, upper = noise_ceiling(rdms, method=method)
    linear = method_named(method).linear
    between = compare_all(rdms, rdms, method=linear).to_numpy()[np.triu_indices(k, 1)]
    reliability = float(spearman_brown(between.mean(), k))
    known = {"ceiling": round(method_ceiling(reliability, method), 6)} if reliability >= LEAST else {}
    return {
        "reliability": round(reliability, 6),
        **known,
        "subjects": k,
        "leave_one_out_lower": lower,
        "leave_one_out_upper": upper,
    }
