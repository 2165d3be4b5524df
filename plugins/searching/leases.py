"""Who works on which candidate: one row per candidate beside Optuna's tables, claimed by one statement.

Optuna can hand a waiting trial to two workers on SQLite. Here a candidate's number is the key of its row, so that only
one INSERT can succeed, and a row changes hands by an UPDATE that names its owner: the same on every database.
"""

import os
import socket
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.sql.elements import ColumnElement

NOBODY = ""
_GRACE = 6  # heartbeats missed until a worker is taken for lost
_OVER = "over"  # instead of the start of a process that has ended and that nobody has asked about yet
_HERE: set[str] = set()  # the owners of this process that have not ended


@dataclass(frozen=True)
class Lease:
    """owner: who has it, or NOBODY. renewed: changes whenever the owner says that it lives. deaths: see `bury`."""

    owner: str
    renewed: datetime
    deaths: int


def new_owner() -> str:
    """A name for a worker of this process, machine:process:start:token. `end_owner` ends it."""
    owner = f"{_machine()}:{os.getpid()}:{_started(os.getpid())}:{uuid.uuid4().hex[:8]}"
    _HERE.add(owner)
    return owner


def end_owner(owner: str) -> None:
    """What this owner still has is lost."""
    _HERE.discard(owner)


def ended(owner: str) -> bool:
    """Whether the process that made this owner is known to have ended: one of this machine, since it was booted."""
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
    """This machine, since it was booted; on Linux with the namespace in which its process numbers hold.

    Names of machines are not unique (cloned images, containers, "localhost"), and numbers of processes begin again.
    """
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        known = f"{boot.read_text().strip()}/{namespace.stat().st_ino}"
    except OSError:  # no Linux
        known = f"{uuid.getnode():x}"
    return f"{socket.gethostname().replace(':', '.'):.60}/{known}"


def _started(process: int) -> str:
    """When a process began, in clock ticks since the machine was booted; nothing where that is not to be known."""
    try:
        state, *more = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError, ValueError):
        return ""
    return _OVER if state in ("Z", "X") else more[18]


class Leases:
    """The rows of one study, as one worker sees them: `owner`, who says that it lives every `heartbeat` seconds."""

    def __init__(self, engine: "Engine", study: int, owner: str, heartbeat: float) -> None:
        from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table

        self._engine, self._study, self._owner, self._heartbeat = engine, study, owner, heartbeat
        self._silence: dict[int, tuple[Lease, float]] = {}  # number -> a lease, and the seconds for which it was that
        self._looked = time.monotonic()
        self._table = Table(
            "tgsage_leases", MetaData(),
            Column("study", Integer, primary_key=True, autoincrement=False),
            Column("number", Integer, primary_key=True, autoincrement=False),
            Column("owner", String(200), nullable=False),
            Column("renewed", DateTime(timezone=True), nullable=False),
            Column("deaths", Integer, nullable=False),
        )  # fmt: skip
        self._table.metadata.create_all(engine)

    def read(self, first: int) -> dict[int, Lease]:
        """number -> lease, of the candidates from number `first` on.

        It also notes for how long each has stayed as it is, by our own clock. What lies between two looks counts as one
        heartbeat at most: who was asleep takes nobody else for dead.
        """
        from sqlalchemy import select

        row = self._table.c
        columns = row.number, row.owner, row.renewed, row.deaths
        with self._engine.connect() as connection:
            found = connection.execute(select(*columns).where(row.study == self._study, row.number >= first)).all()
        leases = {number: Lease(*values) for number, *values in found}
        before, self._looked, known = self._looked, time.monotonic(), self._silence
        passed = min(self._looked - before, self._heartbeat)
        self._silence = {
            number: (lease, known[number][1] + passed if number in known and known[number][0] == lease else 0.0)
            for number, lease in leases.items()
        }
        return leases

    def free(self, number: int, lease: Lease) -> bool:
        """Whether a lease that `read` gave can be taken: nobody's, our own, or one of a lost owner."""
        silent = self._silence[number][1] > _GRACE * self._heartbeat
        return lease.owner in (NOBODY, self._owner) or silent or ended(lease.owner)

    def take(self, number: int, owner: str, previous: Lease | None) -> bool:
        """Claim a candidate that nobody had, or take it over; False where somebody else was faster."""
        from sqlalchemy.exc import IntegrityError

        if previous is not None:
            return self._change(number, previous.owner, owner)
        values = {"study": self._study, "number": number, "owner": owner, "renewed": _now(), "deaths": 0}
        try:
            with self._engine.begin() as connection:
                connection.execute(self._table.insert().values(values))
        except IntegrityError:
            return False
        return True

    def renew(self, number: int, owner: str, within: "Connection | None" = None) -> bool:
        """Say that the owner lives; False where somebody else has taken it over.

        within: a transaction that is to be committed only together with this.
        """
        return self._change(number, owner, owner, within)

    def release(self, number: int, owner: str) -> bool:
        """Give it back; False where it was no longer the owner's."""
        return self._change(number, owner, NOBODY)

    def bury(self, number: int, owner: str) -> bool:
        """Give back what a worker had that died alone, the search around it lived on: count that."""
        return self._change(number, owner, NOBODY, deaths=self._table.c.deaths + 1)

    def _change(
        self, number: int, owner: str, new: str, within: "Connection | None" = None, **values: "ColumnElement[int]"
    ) -> bool:
        row = self._table.c
        theirs = (row.study == self._study, row.number == number, row.owner == owner)
        change = self._table.update().where(*theirs).values(owner=new, renewed=_now(), **values)
        if within is not None:
            return within.execute(change).rowcount == 1
        with self._engine.begin() as connection:
            return connection.execute(change).rowcount == 1


def _now() -> datetime:
    """For people who look at the table; here it only tells that a lease was renewed, whatever the clocks say."""
    return datetime.now(UTC)
