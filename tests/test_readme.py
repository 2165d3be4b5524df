"""The Python of README and docs runs as written, and the README names every command."""

import re
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest
from matplotlib import pyplot

ROOT = Path(__file__).parents[1]
README, SEARCH = ROOT / "README.md", ROOT / "docs/searching.md"
BLOCKS = [
    (page.name, i, block)
    for page in (README, SEARCH)
    for i, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "index", "block"), BLOCKS, ids=[f"{page}-{i}" for page, i, _ in BLOCKS])
def test_the_pages_run(
    page: str,
    index: int,
    block: str,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if "from ray" in block:
        if find_spec("ray") is None:
            pytest.skip("Ray is not installed")
        request.getfixturevalue("ray_alone")
    monkeypatch.chdir(tmp_path)
    try:
        exec(compile(block, f"{page} block {index}", "exec"), {"__name__": "page"})  # noqa: S102  what a reader does
    finally:
        pyplot.close("all")  # which other tests of the process would find


def test_there_is_a_block_for_each_use() -> None:
    assert [page for page, *_ in BLOCKS] == ["README.md"] * 3 + ["searching.md"] * 5


def test_every_command_is_named() -> None:
    text = README.read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    for point in entry_points(group="tgsage.commands"):
        assert f"tgsage {point.name.replace('.', ' ')}" in text


LINK = re.compile(r"\]\(([^)#]+)(?:#([^)]+))?\)")


@pytest.mark.parametrize(
    "page", [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        file = page.parent / target
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_pages_are_linked_from_the_readme() -> None:
    linked = {target for target, _ in LINK.findall(README.read_text())}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked
