"""Who works on which candidate: one row per candidate beside Optuna's tables, claimed by one statement.

Optuna can hand a waiting trial to two workers on SQLite. Here a candidate's number is the key of its row, so that only
one INSERT can succeed, and a row changes hands by an UPDATE that names its owner: the same on every database.
"""

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.sql.elements import ColumnElement

NOBODY = ""
_HERE: set[str] = set()  # the owners of this process that have not ended


@dataclass(frozen=True)
class Lease:
    """owner: who has it, or NOBODY. age: seconds since the owner last said so. deaths: how many owners were lost."""

    owner: str
    age: float
    deaths: int

    def lost(self, grace: float) -> bool:
        """Whether its owner is gone: silent for `grace` seconds, or a process of this machine that has ended."""
        return self.owner != NOBODY and (self.age > grace or _ended(self.owner))


def new_owner() -> str:
    """A name for a worker: machine:process:token. `end_owner` ends it."""
    owner = f"{_machine()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    _HERE.add(owner)
    return owner


def end_owner(owner: str) -> None:
    """What this owner still has is lost."""
    _HERE.discard(owner)


class Leases:
    """The rows of one study. Ages are told by the database's clock; SQLite's has whole seconds."""

    def __init__(self, engine: "Engine", study: int) -> None:
        from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table

        self._engine, self._study = engine, study
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
        """number -> lease, of the candidates from number `first` on."""
        from sqlalchemy import DateTime, func, select

        row = self._table.c
        columns = row.number, row.owner, row.renewed, row.deaths, func.now(type_=DateTime(timezone=True)).label("now")
        with self._engine.connect() as connection:
            found = connection.execute(select(*columns).where(row.study == self._study, row.number >= first)).all()
        return {
            number: Lease(owner, (now - renewed).total_seconds(), deaths)
            for number, owner, renewed, deaths, now in found
        }

    def take(self, number: int, owner: str, previous: Lease | None, *, lost: bool = False) -> bool:
        """Claim a candidate that nobody had, or take it over; False where somebody else was faster."""
        from sqlalchemy import func
        from sqlalchemy.exc import IntegrityError

        if previous is not None:
            row = self._table.c
            return self._change(number, previous.owner, owner, deaths=row.deaths + 1 if lost else row.deaths)
        values = {"study": self._study, "number": number, "owner": owner, "renewed": func.now(), "deaths": 0}
        try:
            with self._engine.begin() as connection:
                connection.execute(self._table.insert().values(values))
        except IntegrityError:
            return False
        return True

    def renew(self, number: int, owner: str) -> bool:
        """Say that the owner lives; False where somebody else has taken it over."""
        return self._change(number, owner, owner)

    def release(self, number: int, owner: str) -> bool:
        """Give it back; False where it was no longer the owner's."""
        return self._change(number, owner, NOBODY)

    def _change(self, number: int, owner: str, new: str, **values: "ColumnElement[int]") -> bool:
        from sqlalchemy import func

        row = self._table.c
        theirs = (row.study == self._study, row.number == number, row.owner == owner)
        with self._engine.begin() as connection:
            changed = connection.execute(
                self._table.update().where(*theirs).values(owner=new, renewed=func.now(), **values)
            )
        return changed.rowcount == 1


def _machine() -> str:
    """The host, and on Linux the process namespace in which its process numbers hold."""
    namespace = Path("/proc/self/ns/pid")
    return socket.gethostname() + (f"/{namespace.stat().st_ino}" if namespace.exists() else "")


def _ended(owner: str) -> bool:
    machine, process, _ = owner.rsplit(":", 2)
    if machine != _machine():
        return False
    if int(process) == os.getpid():
        return owner not in _HERE
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
