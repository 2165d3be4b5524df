"""The database of a search: its URL, opening it, and waiting while it is away."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...rsa import RSAError
from ...rsa.errors import check_is, reason

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

T = TypeVar("T")
_AT_START = 5.0  # seconds at the start, for a database that another worker is just making
_TRIES = 5  # at least, at the start: on a busy machine one can take longer than those seconds
_BUSY = 60.0  # seconds that SQLite waits for another process's write
_SQLITE, _POSTGRES = "sqlite:///", "postgresql+psycopg://"


def storage_url(storage: str | Path) -> str:
    """Return the URL of a database, or of the SQLite file at a path; PostgreSQL with the driver psycopg."""
    text = str(storage)
    if "://" not in text:
        return f"{_SQLITE}{text}"
    scheme, rest = text.split("://", 1)
    return _POSTGRES + rest if scheme in ("postgresql", "postgres") else text


def sqlite_file(storage: str | Path) -> Path | None:
    """Return the SQLite file behind a path or URL; None for a server."""
    url = storage_url(storage)
    return Path(url.removeprefix(_SQLITE).partition("?")[0]) if url.startswith(_SQLITE) else None


def shown(url: str) -> str:
    """Return the URL without its password, for messages."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "the storage"


def check_name(what: str, name: str) -> None:
    """Raise RSAError for bytes that are no UTF-8, which file names and arguments can hold."""
    check_is(str, **{what: name})
    if not name.isascii() and name != name.encode("utf-8", "replace").decode():
        raise RSAError(f"the {what} {name!a} is not UTF-8 text; give it another name")


def open_storage(storage: str | Path, *, create: bool = True) -> "RDBStorage":
    """Open Optuna's storage at this URL or path, and if `create`, make a SQLite file that is missing.

    Raises RSAError if it cannot be opened.
    """
    url = storage_url(storage)
    check_name("storage", url)
    path = sqlite_file(storage)
    if path is not None:
        if not create and not path.is_file():
            raise RSAError(f"{path}: no such file")
        if not path.parent.is_dir():
            raise RSAError(f"cannot open {shown(url)}: there is no folder {path.parent}")
        if create and not (
            os.access(path.parent, os.W_OK) and os.access(path if path.exists() else path.parent, os.W_OK)
        ):
            raise RSAError(f"cannot open {shown(url)}: {path if path.exists() else path.parent} is read-only")
    return Patience(_AT_START, f"cannot open {shown(url)}", tries=_TRIES)(lambda: _open(url))


def _open(url: str) -> "RDBStorage":
    from optuna.storages import RDBStorage
    from sqlalchemy import event
    from sqlalchemy.exc import ArgumentError

    connect = {"timeout": _BUSY} if url.startswith(_SQLITE) else {}
    try:
        with quiet():
            opened = RDBStorage(url, engine_kwargs={"connect_args": connect, "pool_pre_ping": True})
    except ArgumentError as error:
        raise RSAError(
            "the storage is not a database URL; give a path or sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        ) from error
    except ImportError as error:
        hint = "; install tgsage[postgres]" if url.startswith(_POSTGRES) else ""
        raise RSAError(f"cannot open {shown(url)}: {reason(error)}{hint}") from error
    except RuntimeError as error:  # another version's tables
        raise RSAError(f"cannot open {shown(url)}: {reason(error)}") from error
    if opened.engine.dialect.name == "sqlite":
        event.listen(opened.engine, "connect", _fewer_syncs)
        opened.engine.dispose()
    return opened


def _fewer_syncs(connection: Any, record: object) -> None:
    """Commit ten times faster, as safely on a network folder and when processes are killed."""
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def quiet() -> Iterator[None]:
    """Let Optuna log errors only, within the block."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


class Patience:
    """Repeat an operation, ever more slowly, while the database is away, locked or full.

    After so many seconds, and at least so many `tries`, it raises RSAError beginning with `phrase`. An answer can be
    lost after the work was done, so the operation must be harmless when it is repeated, after `before_again`. Optuna
    only retries within one call to a reachable database.
    """

    def __init__(self, seconds: float, phrase: str, *, tries: int = 1) -> None:
        self._seconds, self._phrase, self._tries = seconds, phrase, tries

    def __call__(self, operation: Callable[[], T], before_again: Callable[[], object] = lambda: None) -> T:
        start, pause, tries = time.monotonic(), 0.05, 0
        while True:
            try:
                if tries > 0:
                    before_again()
                return operation()
            except Exception as error:
                if not away(error):
                    raise
                tries += 1
                if tries >= self._tries and time.monotonic() - start + pause > self._seconds:
                    raise RSAError(f"{self._phrase}: {_cause(error)}") from error
            time.sleep(pause)
            pause = min(2 * pause, 5.0)


def away(error: BaseException) -> bool:
    """Whether the database failed or another worker was faster, as against a mistake of ours."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    return isinstance(error, StorageInternalError | DBAPIError | PoolTimeout)


def _cause(error: BaseException) -> str:
    """The driver's own message, which other libraries wrap in theirs."""
    while error.__cause__ is not None or getattr(error, "orig", None) is not None:
        error = error.__cause__ or error.orig  # type: ignore[attr-defined]
    return reason(error)
