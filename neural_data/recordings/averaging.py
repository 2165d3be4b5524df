"""Means over the repetitions of a stimulus, and how many trials are behind each."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...rsa.types import Array
from .recording import blocks, check_numbers, check_recording, constant_columns, encode

if TYPE_CHECKING:
    import xarray


def average_repetitions(recording: "xarray.DataArray") -> "xarray.DataArray":
    """Average the responses to each stimulus over its repetitions, ignoring NaN.

    Parameters
    ----------
    recording : xarray.DataArray
        Recordings on disk are read in blocks of neuroids.

    Returns
    -------
    xarray.DataArray
        One presentation per stimulus, in order of first appearance, in the precision of the input (sums are float64).
        NaN where a neuroid has no valid repeat. Columns that are constant within a stimulus are kept.
        `attrs["repeats"]` is the mean number of trials behind each mean, `attrs["repeats_range"]` the range of
        these numbers where they differ.

    Raises
    ------
    RSAError
        As `check_recording`, and for values that no response can have.
    """
    averaged, counts = average_and_count(recording)
    return averaged.assign_attrs(state_repeats(counts))


def average_and_count(recording: "xarray.DataArray") -> "tuple[xarray.DataArray, npt.NDArray[np.float64]]":
    """What `average_repetitions` returns, and the number of trials behind each mean (stimuli, neuroids)."""
    import xarray

    check_recording(recording)
    ids, codes = encode(recording["stimulus_id"].values)
    means, counts = group_means(recording, codes, len(ids), trials_behind(recording))
    coords = {name: (c.dims, c.values) for name, c in recording.coords.items() if c.dims != ("presentation",)}
    columns = {**constant_columns(recording, codes), "repetition": np.zeros(len(ids), np.int64)}
    coords |= {name: (("presentation",), values) for name, values in columns.items() if name != "trials"}
    return xarray.DataArray(means, coords, recording.dims, recording.name, recording.attrs), counts


def trials_behind(recording: "xarray.DataArray") -> npt.NDArray[np.float64]:
    """How many trials each presentation is the mean of: its column `trials`, else `attrs["repeats"]`, else 1."""
    if "trials" in recording.coords and recording["trials"].dims == ("presentation",):
        check_numbers(recording, "trials", "iu", 1e6)
        return recording["trials"].values.astype(np.float64)
    return np.full(recording.sizes["presentation"], float(recording.attrs.get("repeats", 1)))


def state_repeats(counts: npt.NDArray[np.float64]) -> dict[str, str | float]:
    """Attributes about the trials behind each mean; missing means do not count."""
    known = counts[counts > 0]
    if not len(known):
        return {"repeats": 0.0}
    low, high = known.min(), known.max()
    stated: dict[str, str | float] = {"repeats": round(float(known.mean()), 3)}
    return stated | ({"repeats_range": f"{low:g} to {high:g}"} if low < high else {})


def group_means(
    recording: "xarray.DataArray", codes: npt.NDArray[np.int64], n: int, trials: npt.NDArray[np.float64] | None = None
) -> tuple[Array, npt.NDArray[np.float64]]:
    """(n, neuroids[, bins]): mean over the presentations of each code, NaN ignored, read in blocks of neuroids.

    Also (n, neuroids), the presentations behind each mean, or the sum of their `trials`.
    """
    from scipy.sparse import csr_array

    dtype = recording.dtype if recording.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    out, behind = np.empty((n, *recording.shape[1:]), dtype), np.empty((n, recording.shape[1]))
    rows = np.arange(len(codes))
    pick = csr_array((np.ones(len(codes)), (codes, rows)), (n, len(codes)))
    weigh = pick if trials is None else csr_array((trials, (codes, rows)), (n, len(codes)))
    once = n == len(codes) == len(np.unique(codes))
    for here, block in blocks(recording):
        if once:  # nothing to average
            out[codes, here] = block
            present = ~np.isnan(block).reshape(*block.shape[:2], -1).all(axis=2)
            behind[codes, here] = present * (1.0 if trials is None else trials[:, None])
            continue
        flat = block.reshape(len(codes), -1).astype(np.float64)
        missing = np.isnan(flat)
        counts: Any = pick.sum(axis=1)[:, None]
        weights: Any = weigh.sum(axis=1)[:, None]
        if missing.any():
            present = (~missing).astype(np.float64)
            counts, weights = pick @ present, weigh @ present
            flat[missing] = 0
        with np.errstate(invalid="ignore"):
            out[:, here] = (pick @ flat / counts).reshape(n, *block.shape[1:])
        weights = np.broadcast_to(weights, (n, flat.shape[1])).reshape(n, block.shape[1], -1)
        behind[:, here] = weights.max(axis=2)
    return out, behind
