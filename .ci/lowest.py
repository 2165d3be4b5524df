"""Print the lowest versions of the core dependencies that pyproject.toml admits, for pip.

With them, the names of what the tests need beside: pip then finds versions of these too that go with the low ones,
where it would keep installed ones that do not (a pandas of today refuses to be imported beside numpy 1.26). pandas 3
is younger than the lowest xarray, which takes its times for nanoseconds.
"""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
listed = [
    *project["dependencies"],
    *(one for name in ("plot", "search", "hyperopt", "parquet") for one in extras[name]),
]
beside = [requirement.partition(";")[0] for requirement in extras["test"] if "hyperopt" not in requirement]
print("\n".join([*(requirement.replace(">=", "==") for requirement in listed), *beside, "pandas<3"]))
