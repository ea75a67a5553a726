"""From one version of the tables to the next, while workers of the old version go on.

Each revision of ours is a :func:`step`::

    @step(2, needs=1)
    def upgrade(at: Step) -> None:
        at.add_column("requests", sa.Column("colour", Exact(20)))
        at.create_index("requests_by_colour", "requests", ["business_id", "colour"])

No statement holds a lock that workers would wait for: one that needs a table for itself is given up
after a moment and tried again, an index is made beside the writers (PostgreSQL: ``CONCURRENTLY``),
rows are filled in a few at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final, TypeVar

import attrs
import sqlalchemy as sa
from alembic import op
from alembic.runtime.migration import MigrationContext
from sqlalchemy import exc
from sqlalchemy.schema import CreateIndex, CreateTable

from abandoned_booking.errors import OlderSchema, StoreError
from abandoned_booking.stores.sqlalchemy._failures import Kind, failure_of
from abandoned_booking.stores.sqlalchemy._schema import (
    NEEDS,
    SCHEMA,
    Tables,
    full_text_of,
    partitions_of,
)
from abandoned_booking.stores.sqlalchemy._setup import can_full_text, check, has_full_text
from abandoned_booking.stores.sqlalchemy._types import is_mysql
from abandoned_booking.stores.sqlalchemy.migrations._place import Place

__all__ = ["BRANCH", "Step", "no_way_back", "step"]

_T = TypeVar("_T")

BRANCH: Final = "abandoned_booking"
"""the label of our branch; revisions are called ``abandoned_booking_1``, ``_2``, ..."""

WAITS_FOR_A_LOCK: Final = timedelta(seconds=1)
"""whoever comes after a statement that waits for a lock waits as long as it does"""
TRIES_AGAIN_AFTER: Final = timedelta(seconds=1)
TRIES_FOR: Final = timedelta(minutes=10)
FILLED_AT_ONCE: Final = 1_000


def step(number: int, *, needs: int) -> Callable[[Callable[[Step], None]], Callable[[], None]]:
    """Makes a function the ``upgrade`` of a revision of ours.

    ``number`` is the version of the tables afterwards, ``needs`` the oldest code that can work with
    them. It does nothing to tables that are that far already.
    """

    def decorated(change: Callable[[Step], None]) -> Callable[[], None]:
        def upgrade() -> None:
            at = Step(op.get_context())
            if not at.is_done(number):
                change(at)
                at.record(number, needs)

        return upgrade

    return decorated


def no_way_back() -> None:
    """The ``downgrade`` of every revision."""
    raise StoreError(
        "the tables do not go back: a version that is in use by others would lose what it needs. "
        "Older workers run with newer tables until a step says otherwise"
    )


@attrs.frozen(kw_only=True)
class _Index:
    name: str
    columns: Sequence[str]
    unique: bool
    where: str | None
    using: str | None


class Step:
    """What a step may do. Tables and indexes are called as in ``Tables``, without the prefix."""

    def __init__(self, context: MigrationContext) -> None:
        self._context = context
        self._place = Place.of(context.config)
        self._dialect = context.dialect
        self._is_postgresql = context.dialect.name == "postgresql"

    # ── how far it is ───────────────────────────────────────────────────────────────────────────

    def is_done(self, number: int) -> bool:
        """Whether the tables are of this version, or a newer one."""
        if self._context.as_sql:
            # Nobody can be asked. From nothing the first step makes all that there is today.
            begun = any(name.startswith(BRANCH) for name in self._context.get_current_heads())
            return number > 1 and not begun
        versions = self._tables().schema_version
        if not self._look.has_table(versions.name, schema=versions.schema):
            return False
        newest = op.get_bind().execute(sa.select(sa.func.max(versions.c.version))).scalar()
        return newest is not None and newest >= number

    def record(self, number: int, needs: int) -> None:
        """Say that it has been done."""
        versions = self._quoted(self._tables().schema_version.name)
        op.execute(f"INSERT INTO {versions} (version, needs) VALUES ({number}, {needs})")

    # ── the first tables ────────────────────────────────────────────────────────────────────────

    def create_tables(self) -> None:
        """Make all of today's tables; go on with it if it was not finished.

        Raises :class:`~abandoned_booking.errors.NotOurDatabase` if there are others of these names.
        """
        if not self._context.as_sql:
            self._refuse_what_is_not_ours()
        # First the one that says whose the others are.
        tables = self._tables(partitioned=bool(self._place.partitions))
        for table in (tables.schema_version, *tables.of_businesses):
            if not self._is_there(table.name):
                op.execute(CreateTable(table))
                for statement in self._partitions(tables, table):
                    op.execute(statement)
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                if not self._is_there(table.name, str(index.name)):
                    op.execute(CreateIndex(index))
        self._create_full_text(tables.search)
        if SCHEMA > 1:  # the step itself is recorded as the first
            self.record(SCHEMA, NEEDS)

    def _create_full_text(self, search: sa.Table) -> None:
        """SQLite's index for searches, if this build can have one."""
        as_sql, there = self._context.as_sql, False
        if self._dialect.name != "sqlite":
            return
        if not as_sql:
            there = has_full_text(op.get_bind(), search) or not can_full_text(op.get_bind())
        for statement in () if there else full_text_of(search):
            op.execute(statement)

    def _refuse_what_is_not_ours(self) -> None:
        if self._place.partitions and not self._is_postgresql:
            raise StoreError("only PostgreSQL's tables are split by this; leave out partitions")
        with suppress(OlderSchema):  # that they are missing, or not finished
            check(op.get_bind(), self._tables())

    def _partitions(self, tables: Tables, table: sa.Table) -> Iterator[str]:
        if self._place.partitions and table is not tables.schema_version:
            yield from partitions_of(self._dialect, table, self._place.partitions)

    # ── changes beside the workers ──────────────────────────────────────────────────────────────

    def add_column(self, table: str, column: sa.Column[Any]) -> None:
        """Add a column. Workers of the old version go on writing rows without it."""
        if not column.nullable and column.server_default is None:
            raise ValueError(f"{column.name}: old workers leave it out; nullable, or a default")
        name = self._name(table)
        if not self._has_column(name, column.name):
            self.quickly(lambda: op.add_column(name, column, schema=self._place.schema))

    def create_index(
        self,
        index: str,
        table: str,
        columns: Sequence[str],
        *,
        unique: bool = False,
        where: str | None = None,
        using: str | None = None,
    ) -> None:
        """Make an index, while rows are written.

        ``columns`` as SQL has them (``abandoned_at DESC``). ``where``: only these rows, where the
        database can; ``using``: PostgreSQL's kind of index.
        """
        made = _Index(
            name=self._name(index), columns=columns, unique=unique, where=where, using=using
        )
        of = self._name(table)
        partitions = self._partitions_of(of) if self._is_postgresql else []
        if self._is_postgresql and not partitions:
            self._create_concurrently(made, of)
            return
        # Elsewhere it is made beside the writers anyway. PostgreSQL makes none concurrently for all
        # partitions at once: one for each of them, which then becomes a part of the table's own.
        if not self._is_there(of, made.name):
            statement = self._creates(made, of, only=bool(partitions))
            self.quickly(lambda: op.execute(statement))
        for partition in partitions:
            part = attrs.evolve(made, name=partition + made.name.removeprefix(of))
            self._create_concurrently(part, partition)
            self._attach(part, made)

    def fill(
        self, table: str, to: str, *, where: str, key: Sequence[str] = ("business_id", "id")
    ) -> None:
        """Set columns (``colour = 'red'``) of the rows of a condition, which then holds no more.

        A few rows at a time, so that no worker waits for long for one of them. Each time the table
        is read from its beginning: for one value for all rows add the column with a default, which
        takes no time.
        """
        of, keys = self._quoted(self._name(table)), ", ".join(key)
        if self._context.as_sql:
            op.execute(f"UPDATE {of} SET {to} WHERE {where}")
            return
        # In a query within a query: MySQL selects from no table that it is changing.
        few = f"SELECT {keys} FROM {of} WHERE {where} LIMIT {FILLED_AT_ONCE}"
        change = f"UPDATE {of} SET {to} WHERE ({keys}) IN (SELECT {keys} FROM ({few}) AS few)"
        with self._each_committed():
            while self._again_while_locked(lambda: self._changed(change)):
                pass

    def quickly(self, statement: Callable[[], None]) -> None:
        """Do something that needs a table for itself for a moment.

        If it does not get the table soon it is given up and tried again: while it waits, everybody
        who comes after it waits as well.
        """
        with self._each_committed():
            milliseconds = WAITS_FOR_A_LOCK // timedelta(milliseconds=1)
            match self._dialect.name:
                case "postgresql":
                    with self._set("lock_timeout", milliseconds):
                        self._again_while_locked(statement)
                case name if name in {"mysql", "mariadb"}:
                    with self._set("lock_wait_timeout", max(1, milliseconds // 1000)):
                        self._again_while_locked(statement)
                case _:
                    statement()

    # ── how ─────────────────────────────────────────────────────────────────────────────────────

    def _changed(self, change: str) -> int:
        return op.get_bind().execute(sa.text(change)).rowcount

    def _again_while_locked(self, statement: Callable[[], _T]) -> _T:
        gives_up_at = time.monotonic() + TRIES_FOR.total_seconds()
        while True:
            try:
                return statement()
            except exc.DBAPIError as error:
                is_locked = failure_of(error).kind in {Kind.LOCKED, Kind.UNDONE}
                if not is_locked or time.monotonic() > gives_up_at:
                    raise
                time.sleep(TRIES_AGAIN_AFTER.total_seconds())

    def _create_concurrently(self, index: _Index, of: str) -> None:
        is_valid = None if self._context.as_sql else self._is_valid(index.name)
        if is_valid:
            return
        statement = self._creates(index, of, concurrently=True)
        with (
            self._each_committed(),
            self._set("lock_timeout", 0),
            self._set("statement_timeout", 0),
        ):
            # It waits for older transactions to end, but nobody waits for it.
            if is_valid is False:  # what is left of one that was cut off
                op.execute(f"DROP INDEX CONCURRENTLY {self._quoted(index.name)}")
            op.execute(statement)

    def _attach(self, part: _Index, whole: _Index) -> None:
        # To attach one that is attached does nothing.
        names = f"{self._quoted(whole.name)} ATTACH PARTITION {self._quoted(part.name)}"
        self.quickly(lambda: op.execute(f"ALTER INDEX {names}"))

    def _creates(
        self, index: _Index, of: str, *, concurrently: bool = False, only: bool = False
    ) -> str:
        words = [
            "CREATE UNIQUE INDEX" if index.unique else "CREATE INDEX",
            "CONCURRENTLY" if concurrently else "",
            self._dialect.identifier_preparer.quote(index.name),
            "ON ONLY" if only else "ON",
            self._quoted(of),
            f"USING {index.using}" if index.using and self._is_postgresql else "",
            f"({', '.join(index.columns)})",
            f"WHERE {index.where}" if index.where and not is_mysql(self._dialect) else "",
        ]
        return " ".join(filter(None, words))

    def _is_valid(self, index: str) -> bool | None:
        """Of PostgreSQL's; None if there is none."""
        asked = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
        return op.get_bind().execute(sa.text(asked), {"name": self._quoted(index)}).scalar()

    def _partitions_of(self, table: str) -> list[str]:
        if self._context.as_sql:
            return [f"{table}_{number}" for number in range(self._place.partitions)]
        asked = (
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid "
            "WHERE inhparent = to_regclass(:name) ORDER BY relname"
        )
        return list(op.get_bind().execute(sa.text(asked), {"name": self._quoted(table)}).scalars())

    @contextmanager
    def _each_committed(self) -> Iterator[None]:
        """Every statement by itself, so that none holds its locks while the next one waits."""
        if self._dialect.name == "sqlite":  # one writer at a time, and all in one transaction
            yield
            return
        with self._context.autocommit_block():
            yield

    @contextmanager
    def _set(self, name: str, value: object) -> Iterator[None]:
        op.execute(f"SET SESSION {name} = {value}")
        try:
            yield
        finally:
            op.execute(f"SET SESSION {name} = DEFAULT")

    def _tables(self, *, partitioned: bool = False) -> Tables:
        return self._place.tables(self._dialect, partitioned=partitioned)

    def _name(self, name: str) -> str:
        return self._place.table_prefix + name

    def _quoted(self, name: str) -> str:
        return self._dialect.identifier_preparer.format_table(
            sa.Table(name, sa.MetaData(), schema=self._place.schema)
        )

    @property
    def _look(self) -> sa.Inspector:
        """A new one: it remembers what it has seen."""
        return sa.inspect(op.get_bind())

    def _is_there(self, table: str, index: str | None = None) -> bool:
        if self._context.as_sql:
            return False
        if index is None:
            return self._look.has_table(table, schema=self._place.schema)
        return self._look.has_index(table, index, schema=self._place.schema)

    def _has_column(self, table: str, column: str) -> bool:
        if self._context.as_sql:
            return False
        columns = self._look.get_columns(table, schema=self._place.schema)
        return column in {known["name"] for known in columns}
