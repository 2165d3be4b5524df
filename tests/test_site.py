"""The site builds without a warning, its links lead somewhere, its notebooks run, and its commands exist."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import typer
from tgsage.rsa.cli import app

from .public import ROOT

AS_NOTEBOOKS = ("plot_3_your_recording", "plot_5_search")  # the other tutorials run while the site is built
RUN = "plot_[124]_"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources, beside what they are built to, in "built"."""
    pytest.importorskip("sphinx_gallery")
    folder = tmp_path_factory.mktemp("site") / "docs"
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("api", "gallery"))
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder.parent)
    (folder.parent / "benchmarks").symlink_to(ROOT / "benchmarks")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "sphinx",
        "--fail-on-warning",
        "--quiet",
        folder,
        folder.parent / "built",
    ]
    # the tutorials on what is embedded: with recordings they take four times as long
    environment = {key: value for key, value in os.environ.items() if key != "TGSAGE_DATA"} | {"TGSAGE_TUTORIALS": RUN}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return folder


class _Links(HTMLParser):
    """Where a page leads, and what can be led to in it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.places: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places.add(given.get("id") or "")
        self.found.add(given.get("href") or given.get("src") or "")


@pytest.mark.slow
def test_no_link_is_dead(site: Path) -> None:
    built = (site.parent / "built").resolve()
    pages = {page: _Links(page) for page in built.rglob("*.html") if "_static" not in page.parts}
    assert {built / "index.html", built / "gallery/plot_1_model_and_v4.html"} < set(pages)
    assert len(list((built / "api").glob("*.html"))) > 150
    dead = []
    for page, links in pages.items():
        for link in links.found - {""}:
            where = urlsplit(link)
            if where.scheme or where.netloc:
                continue
            target = (page.parent / unquote(where.path)).resolve() if where.path else page
            if not target.exists() or (
                where.fragment and target in pages and unquote(where.fragment) not in pages[target].places
            ):
                dead.append(f"{page.relative_to(built)}: {link}")
    assert not dead


@pytest.mark.slow
def test_what_is_run_has_its_pictures(site: Path) -> None:
    pictures = [path.name for path in (site.parent / "built/_images").glob("sphx_glr_plot_[124]_*_00?.png")]
    assert {name[len("sphx_glr_plot_")] for name in pictures} == {"1", "2", "4"}


@pytest.mark.slow
@pytest.mark.parametrize("name", AS_NOTEBOOKS)
def test_notebooks_run(site: Path, name: str, tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(site / f"gallery/{name}.ipynb", as_version=4)
    settings = {"kernel_name": "python3", "timeout": 600, "resources": {"metadata": {"path": str(tmp_path)}}}
    nbclient.NotebookClient(notebook, **settings).execute()
    kinds = {kind for cell in notebook.cells for out in cell.get("outputs", ()) for kind in out.get("data", ())}
    assert "text/html" in kinds  # pictures depend on the backend that MPLBACKEND names


PAGES = sorted((ROOT / "docs").glob("*.md"))
# What lists or includes others, and the page that `tgsage bench page` writes.
LISTS = {"guides.md", "reference.md", "changelog.md", "contributing.md", "experiments.md"}
PROGRAM: Any = typer.main.get_command(app.build())
COMMAND = re.compile(r"\b(?:tgsage|make) [a-z][a-z-]+.*|^```python$|^import ", re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in LISTS], ids=lambda page: page.name)
def test_every_page_has_something_to_run(page: Path) -> None:
    assert COMMAND.search(page.read_text())


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES, *sorted((ROOT / "docs/tutorials").glob("*.py"))])
def test_commands_and_their_options_exist(page: Path) -> None:
    text = page.read_text().replace("\\\n#", "").replace("\\\n", "")
    for line in re.findall(r"(?:^|[ `/])tgsage ((?:[a-z]+ )+[^`|#\n]*--[^`|#\n]*)", text, re.MULTILINE):
        words, command = line.split(), PROGRAM
        for word in words:
            command = getattr(command, "commands", {}).get(word, command)
        known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
        options = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)}
        assert options <= known, f"{page.name}: tgsage {command.name} has no {options - known}"
