"""Which candidate may try which network: one row per network beside Optuna's tables, so that none is tried twice.

Two workers that ask at the same time do not know of each other's proposal yet; only one of their INSERTs can succeed.
"""

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


class Reservations:
    """The rows of one study."""

    def __init__(self, engine: "Engine", study: int) -> None:
        from sqlalchemy import Column, Integer, MetaData, String, Table

        self._engine, self._study = engine, study
        self._table = Table(
            "tgsage_networks", MetaData(),
            Column("study", Integer, primary_key=True, autoincrement=False),
            Column("network", String(64), primary_key=True),
            Column("number", Integer, nullable=False),
        )  # fmt: skip
        self._made = False

    def take(self, number: int, key: str) -> bool:
        """Keep the network of this key for the candidate of this number, instead of another one that it had.

        False where another candidate has it.
        """
        from sqlalchemy import select
        from sqlalchemy.exc import IntegrityError

        row, network = self._table.c, sha256(key.encode()).hexdigest()
        if not self._made:
            self._table.metadata.create_all(self._engine)
            self._made = True
        mine = row.study == self._study, row.number == number
        try:
            with self._engine.begin() as connection:
                connection.execute(self._table.delete().where(*mine))
                connection.execute(self._table.insert().values(study=self._study, network=network, number=number))
        except IntegrityError:
            theirs = select(row.number).where(row.study == self._study, row.network == network)
            with self._engine.connect() as connection:
                return connection.execute(theirs).scalar() == number
        return True
