"""A PostgreSQL server of our own, objectives that worker processes can import, and the data of most tests."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from tgsage.plugins.training import Data, load_data

from .stripes import stripes

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Postgres:
    """A server in a folder of its own, reached through a socket in it; run by another user where we are root."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._prefix:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._prefix, str(self._programs / program), *arguments]
        subprocess.run(command, check=True, cwd=self._folder, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off"
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-l", f"{self._folder}/log", "-w", "-o", options, "start")

    def stop(self) -> None:
        """As a crash would: every connection is cut at once."""
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-m", "immediate", "-w", "stop")


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A running server. Absent, the test is skipped; it fails where TGSAGE_REQUIRE_POSTGRES is set."""
    if not _PROGRAMS or (os.geteuid() == 0 and shutil.which("runuser") is None):
        reason = "no PostgreSQL under /usr/lib/postgresql"
        if os.environ.get("TGSAGE_REQUIRE_POSTGRES"):
            pytest.fail(reason)
        pytest.skip(reason)
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="tgsage-pg-", dir="/tmp"))  # a path in which a socket fits
    server = Postgres(_PROGRAMS[-1], folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def objectives(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `search_objectives`, also for processes that are started."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return import_module("search_objectives")


@pytest.fixture(scope="session")
def digits() -> Data:
    return load_data("digits")


@pytest.fixture(scope="session")
def data() -> Data:
    return stripes()
