"""Print the lowest versions of the core dependencies that pyproject.toml admits, for pip."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
listed = [*project["dependencies"], *extras["plot"], *extras["search"], *extras["hyperopt"]]
print("\n".join(requirement.replace(">=", "==") for requirement in listed))
