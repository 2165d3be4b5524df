"""The README's Python runs as written, and it names every command."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(BLOCKS)))
def test_the_readme_runs(index: int, data_dir: Path) -> None:
    exec(compile(BLOCKS[index], f"README block {index}", "exec"), {})  # noqa: S102  that is what a reader does


def test_there_is_a_block_for_each_use() -> None:
    assert len(BLOCKS) == 3


def test_every_command_is_named() -> None:
    text = README.read_text() + (README.parent / "CONTRIBUTING.md").read_text()
    for point in entry_points(group="tgsage.commands"):
        assert f"tgsage {point.name}" in text
