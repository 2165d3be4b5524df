"""From a recording to the features of each region: the responses that its RDM is made of."""

from typing import TYPE_CHECKING

from ...rsa import Features
from ...rsa.similarity.features import averaged_over
from .rdms import condition_responses

if TYPE_CHECKING:
    import xarray


def region_features(
    recording: "xarray.DataArray",
    *,
    by: str = "stimulus",
    level: str = "subregion",
    scale: str = "none",
    window: tuple[float, float] | None = None,
    missing: str = "raise",
) -> dict[str, Features]:
    """Region -> responses (n_conditions, n_neuroids), averaged as for `region_rdms`; arguments and errors as there."""
    averaged = condition_responses(recording, by=by, level=level, scale=scale, window=window, missing=missing)
    return {region: _features(part, region, by) for region, part in averaged.items()}


def _features(part: "xarray.DataArray", region: str, by: str) -> Features:
    columns = {str(key): c.values for key, c in part.coords.items() if c.dims == ("condition",) and key != "condition"}
    attrs = {**averaged_over(by), **part.attrs}
    return Features(part.values, part["condition"].values, name=region, by=by, descriptors=columns, attrs=attrs)
