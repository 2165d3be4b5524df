"""What property tests draw: feature matrices whose rows vary, and the values of RDMs."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tgsage.rsa.types import Array


def features(dtype: Any = np.float64) -> st.SearchStrategy[Array]:
    """(n, f) with 3 to 9 rows of 4 to 12 whole numbers, tied often, no row constant."""
    shapes = st.tuples(st.integers(3, 9), st.integers(4, 12))
    matrices = shapes.flatmap(lambda shape: arrays.arrays(dtype, shape, elements=st.integers(-20, 20)))
    return matrices.filter(lambda x: bool((np.ptp(x, axis=1) > 0).all()))


@st.composite
def rdm_pairs(draw: st.DrawFn) -> tuple[Array, Array]:
    """Condensed values of two RDMs of 4 to 9 stimuli, not constant, negative and tied values among them."""
    n = draw(st.integers(4, 9))
    values = arrays.arrays(np.float64, n * (n - 1) // 2, elements=st.integers(-6, 12).map(lambda k: k / 4))
    varied = values.filter(lambda v: bool(np.ptp(v) > 0))
    return draw(varied), draw(varied)
