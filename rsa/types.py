"""Types that every room shares."""

from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Attr: TypeAlias = str | int | float | bool | None  # what an attribute of a file may be
