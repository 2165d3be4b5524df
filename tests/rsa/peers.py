"""rsatoolbox as an independent reference. Its warnings are its own affair."""

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

NAMES = {
    "pearson": "corr",
    "spearman": "spearman",
    "tau-a": "tau-a",
    "rho-a": "rho-a",
    "cosine": "cosine",
    "cosine-whitened": "cosine_cov",
    "pearson-whitened": "corr_cov",
}


def peer_compare(a: npt.NDArray[Any], b: npt.NDArray[Any], method: str) -> float:
    """rsatoolbox's similarity of two condensed vectors, in float64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rdm: Any = import_module("rsatoolbox.rdm")
        one, other = (rdm.RDMs(np.asarray(v, np.float64)[None]) for v in (a, b))
        return float(rdm.compare(one, other, method=NAMES[method])[0, 0])


def peer_rdm(x: npt.NDArray[Any], method: str, groups: Sequence[str], **options: Any) -> npt.NDArray[np.float64]:
    """rsatoolbox's square RDM of the groups, rows and columns in their sorted order; `folds=` for crossnobis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folds = options.pop("folds", None)
        columns = {"group": list(groups)} | ({} if folds is None else {"fold": list(folds)})
        data = import_module("rsatoolbox.data").Dataset(np.asarray(x, np.float64), obs_descriptors=columns)
        if folds is not None:
            options["cv_descriptor"] = "fold"
        rdm = import_module("rsatoolbox.rdm").calc_rdm(data, method=method, descriptor="group", **options)
        order = np.argsort(np.asarray(rdm.pattern_descriptors["group"]))
        return np.asarray(rdm.get_matrices()[0][np.ix_(order, order)])
