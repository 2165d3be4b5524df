"""What a study keeps beside its candidates: files that one worker makes for all, such as its teacher, by their keys."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


class KeptFiles:
    """The files of one study, in its database: whoever joins has them, and all have the same."""

    def __init__(self, engine: "Engine", study: int) -> None:
        from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table

        self._engine, self._study = engine, study
        self._table = Table(
            "tgsage_files", MetaData(),
            Column("study", Integer, primary_key=True, autoincrement=False),
            Column("key", String(64), primary_key=True),
            Column("content", LargeBinary(2**32 - 1), nullable=False),
        )  # fmt: skip
        self._table.metadata.create_all(engine)

    def read(self, key: str) -> bytes | None:
        """None where nobody has made it yet."""
        from sqlalchemy import select

        row = self._table.c
        with self._engine.connect() as connection:
            found = connection.execute(select(row.content).where(row.study == self._study, row.key == key)).scalar()
        return None if found is None else bytes(found)

    def write(self, key: str, content: bytes) -> None:
        """Keep it, unless there is one: that of whoever was faster stays."""
        from sqlalchemy.exc import IntegrityError

        try:
            with self._engine.begin() as connection:
                connection.execute(self._table.insert().values(study=self._study, key=key, content=content))
        except IntegrityError:
            if self.read(key) is None:
                raise
