"""What workers share beside Optuna's tables: who works on which candidate, whose a network is, and files.

Optuna can hand a waiting trial to two workers on SQLite, and its heartbeats compare clocks. Here candidates, networks
and files are keys of rows, so that only one INSERT can succeed, a row changes hands by an UPDATE that names its owner,
and silence is measured by the observer's own clock: the same on every database.
"""

import os
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Column
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.sql.elements import ColumnElement

NOBODY = ""
_GRACE = 6  # heartbeats missed until a worker is taken for lost
_OVER = "over"  # in place of the start of a process that has ended but is still in the process table
_HERE: set[str] = set()  # owners of this process that have not ended


@dataclass(frozen=True)
class Lease:
    """Who has a candidate (or NOBODY), a time that changes whenever the owner reports, and how many workers it cost."""

    owner: str
    renewed: datetime
    deaths: int


def new_owner() -> str:
    """Name a worker of this process, machine:process:start:token; `end_owner` ends it."""
    owner = f"{_machine()}:{os.getpid()}:{_started(os.getpid())}:{uuid.uuid4().hex[:8]}"
    _HERE.add(owner)
    return owner


def end_owner(owner: str) -> None:
    """Count what this owner still has as lost."""
    _HERE.discard(owner)


def ended(owner: str) -> bool:
    """Whether the process of this owner is known to have ended; only of this machine, since it was booted."""
    machine, _, process = owner.partition(":")
    number, _, start = process.rpartition(":")[0].partition(":")
    if machine != _machine() or not number.isdigit():
        return False
    if int(number) == os.getpid() and start == _started(os.getpid()):
        return owner not in _HERE
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    now = _started(int(number))
    return now == _OVER or bool(start and now and start != now)  # the number belongs to another process by now


@cache
def _machine() -> str:
    """Name this machine since it was booted, on Linux with the namespace of its process numbers.

    Host names are not unique (cloned images, containers, "localhost"), and process numbers begin again.
    """
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        known = f"{boot.read_text().strip()}/{namespace.stat().st_ino}"
    except OSError:  # no Linux
        known = f"{uuid.getnode():x}"
    return f"{socket.gethostname().replace(':', '.'):.60}/{known}"


def _started(process: int) -> str:
    """When a process began, in clock ticks since the machine was booted; "" if unknown."""
    try:
        state, *more = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError, ValueError):
        return ""
    return _OVER if state in ("Z", "X") else more[18]


class _Rows:
    """The rows of one study in a table of ours, which is made where it is missing."""

    def __init__(self, engine: "Engine", study: int, table: str, *columns: "Column[Any]") -> None:
        from sqlalchemy import Column, Integer, MetaData, Table

        self._engine, self._study = engine, study
        key = Column("study", Integer, primary_key=True, autoincrement=False)
        self._table = Table(table, MetaData(), key, *columns)
        self._table.metadata.create_all(engine)

    def _where(self, **values: Any) -> "list[ColumnElement[bool]]":
        return [self._table.c[name] == value for name, value in {"study": self._study, **values}.items()]

    def _read(self, *names: str, where: "Sequence[ColumnElement[bool]]") -> "Sequence[Any]":
        from sqlalchemy import select

        with self._engine.connect() as connection:
            return connection.execute(select(*(self._table.c[name] for name in names)).where(*where)).all()

    def _insert(self, *, instead: "Sequence[ColumnElement[bool]]" = (), **values: Any) -> bool:
        """Add a row, instead of other ones; False if its key is taken."""
        from sqlalchemy.exc import IntegrityError

        try:
            with self._engine.begin() as connection:
                if instead:
                    connection.execute(self._table.delete().where(*instead))
                connection.execute(self._table.insert().values(study=self._study, **values))
        except IntegrityError:
            return False
        return True


class Leases(_Rows):
    """Who works on which candidate, as one worker sees it: `owner`, who reports every `heartbeat` seconds."""

    def __init__(self, engine: "Engine", study: int, owner: str, heartbeat: float) -> None:
        from sqlalchemy import Column, DateTime, Integer, String

        super().__init__(
            engine,
            study,
            "tgsage_leases",
            Column("number", Integer, primary_key=True, autoincrement=False),
            Column("owner", String(200), nullable=False),
            Column("renewed", DateTime(timezone=True), nullable=False),
            Column("deaths", Integer, nullable=False),
        )
        self._owner, self._heartbeat = owner, heartbeat
        self._silence: dict[int, tuple[Lease, float]] = {}  # number -> a lease, and the seconds for which it was that
        self._looked = time.monotonic()

    def read(self, first: int) -> dict[int, Lease]:
        """Return number -> lease of the candidates from number `first` on.

        This also notes for how long each has stayed as it is, by our own clock. The time between two looks counts as
        one heartbeat at most: a worker that was asleep takes nobody else for dead.
        """
        rows = self._read("number", "owner", "renewed", "deaths", where=[*self._where(), self._table.c.number >= first])
        leases = {number: Lease(owner, renewed, deaths) for number, owner, renewed, deaths in rows}
        before, self._looked, known = self._looked, time.monotonic(), self._silence
        passed = min(self._looked - before, self._heartbeat)
        self._silence = {
            number: (lease, known[number][1] + passed if number in known and known[number][0] == lease else 0.0)
            for number, lease in leases.items()
        }
        return leases

    def free(self, number: int, lease: Lease) -> bool:
        """Whether a lease that `read` returned can be taken: nobody's, our own, or a lost owner's."""
        silent = self._silence[number][1] > _GRACE * self._heartbeat
        return lease.owner in (NOBODY, self._owner) or silent or ended(lease.owner)

    def take(self, number: int, owner: str, previous: Lease | None) -> bool:
        """Claim a candidate that nobody had, or take it over; False if another worker was faster."""
        if previous is not None:
            return self._change(number, previous.owner, owner)
        return self._insert(number=number, owner=owner, renewed=_now(), deaths=0)

    def renew(self, number: int, owner: str, within: "Connection | None" = None) -> bool:
        """Report that the owner lives; False if another worker has taken the candidate over.

        within: a transaction that is to be committed only together with this.
        """
        return self._change(number, owner, owner, within)

    def release(self, number: int, owner: str) -> bool:
        """Give a candidate back; False if it was no longer the owner's."""
        return self._change(number, owner, NOBODY)

    def bury(self, number: int, owner: str) -> bool:
        """Give back the candidate of a worker that died alone, while the search around it lived on, and count that."""
        return self._change(number, owner, NOBODY, deaths=self._table.c.deaths + 1)

    def _change(
        self, number: int, owner: str, new: str, within: "Connection | None" = None, **values: "ColumnElement[int]"
    ) -> bool:
        theirs = self._where(number=number, owner=owner)
        change = self._table.update().where(*theirs).values(owner=new, renewed=_now(), **values)
        if within is not None:
            return within.execute(change).rowcount == 1
        with self._engine.begin() as connection:
            return connection.execute(change).rowcount == 1


class Reservations(_Rows):
    """Which candidate may try which network: workers that ask at once do not know of each other's proposals yet."""

    def __init__(self, engine: "Engine", study: int) -> None:
        from sqlalchemy import Column, Integer, String

        network = Column("network", String(64), primary_key=True)
        super().__init__(engine, study, "tgsage_networks", network, Column("number", Integer, nullable=False))

    def take(self, number: int, key: str) -> bool:
        """Keep the network of this key for a candidate, instead of what it had; False if another candidate has it."""
        network = sha256(key.encode()).hexdigest()
        if self._insert(instead=self._where(number=number), network=network, number=number):
            return True
        return self._read("number", where=self._where(network=network)) == [(number,)]


class KeptFiles(_Rows):
    """Files that one worker makes for all, such as the study's teacher and candidates' weights, by their keys."""

    def __init__(self, engine: "Engine", study: int) -> None:
        from sqlalchemy import Column, LargeBinary, String

        content = Column("content", LargeBinary(2**32 - 1), nullable=False)
        super().__init__(engine, study, "tgsage_files", Column("key", String(64), primary_key=True), content)

    def read(self, key: str) -> bytes | None:
        """Return a file, or None if nobody has made it yet."""
        rows = self._read("content", where=self._where(key=key))
        return bytes(rows[0][0]) if rows else None

    def write(self, key: str, content: bytes) -> None:
        """Keep a file, unless there is one: that of whoever was faster stays."""
        self._insert(key=key, content=content)

    def replace(self, key: str, content: bytes) -> None:
        """Keep a file, in place of one of that name."""
        self._insert(instead=self._where(key=key), key=key, content=content)

    def drop(self, keys: Sequence[str]) -> None:
        """Keep these files no longer."""
        kept = {key for (key,) in self._read("key", where=self._where())}
        with self._engine.begin() as connection:
            for key in kept.intersection(keys):
                connection.execute(self._table.delete().where(*self._where(key=key)))


def _now() -> datetime:
    """For people who look at the table; otherwise it only shows that a lease was renewed, whatever the clocks say."""
    return datetime.now(UTC)
