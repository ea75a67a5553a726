"""Adding and saving: the compare-and-set on the version, and how a lost connection is made good.

Each write carries a number of its own, which the row of the queue keeps. A writer that lost its
connection while it committed tries again, with the same number; when it loses then, that number
tells whether it was to itself. That it cannot tell any more, since others have written since, is an
error of its own: :class:`~abandoned_booking.errors.OutcomeUnknown`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abandoned_booking import _failpoints
from abandoned_booking.errors import OutcomeUnknown
from abandoned_booking.stores.sqlalchemy._connections import Database, KeyTaken
from abandoned_booking.stores.sqlalchemy._rows import Change, new_write_id
from abandoned_booking.stores.sqlalchemy._schema import Tables

__all__ = ["Writes", "writes_of"]


class Writes(Protocol):
    """The ways to write requests."""

    def add(self, change: Change) -> bool:
        """Insert a request, all its rows or none; whether it was not there."""
        ...

    def save(self, changes: Sequence[Change]) -> list[bool]:
        """Replace requests, none of them twice, each if its version is the expected one."""
        ...


def writes_of(database: Database, tables: Tables) -> Writes:
    """The way to write that the database is best at."""
    if database.dialect == "postgresql":
        return _InOneStatement(database, tables)
    return _InOneTransaction(database, tables)


# ── after a lost connection ─────────────────────────────────────────────────────────────────────


def _was_ours(connection: sa.Connection, queue: sa.Table, change: Change, write_id: int) -> bool:
    """Whether a change that is not made now was made by the try before."""
    c = queue.c
    row = connection.execute(
        sa.select(c.version, c.write_id).where(
            c.business_id == change.business_id, c.id == change.id
        )
    ).one_or_none()
    if row is None or row.version < change.version:
        return False
    if row.version == change.version:
        return bool(row.write_id == write_id)
    raise OutcomeUnknown(
        f"the connection was lost while request {change.id!r} was saved, and it has been changed "
        "since; load it again"
    )


def _changed(table: sa.FromClause, values: dict[str, Any]) -> sa.ColumnElement[bool]:
    """Whether a row has other values: one that is the same is not written, nor its indexes."""
    return sa.or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))


# ── any database ────────────────────────────────────────────────────────────────────────────────


class _InOneTransaction:
    """Statement by statement. The first one writes: SQLite then has the lock before it reads."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database, self._tables = database, tables

    def add(self, change: Change) -> bool:
        write_id = new_write_id()

        def insert(connection: sa.Connection, repeated: bool) -> bool:
            if repeated and _was_ours(connection, self._tables.queue, change, write_id):
                return True
            for table, values in self._rows(change, write_id):
                connection.execute(sa.insert(table).values(values))
            return True

        def is_ours(connection: sa.Connection, _: bool) -> bool:
            return _was_ours(connection, self._tables.queue, change, write_id)

        try:
            return self._database.transact(insert)
        except OutcomeUnknown:
            return False
        except KeyTaken:
            pass
        try:
            # The try before may have been committing still when this one looked for it.
            return self._database.run(is_ours)
        except OutcomeUnknown:
            return False

    def _rows(self, change: Change, write_id: int) -> Iterator[tuple[sa.Table, dict[str, Any]]]:
        key = {"business_id": change.business_id, "id": change.id}
        due = {"version": change.version, "next_action_at": change.next_action_at}
        yield self._tables.requests, {**key, **change.listed}
        yield self._tables.queue, {**key, **due, "write_id": write_id}
        yield self._tables.documents, {**key, "document": change.document}
        yield self._tables.search, {**key, **change.searched}

    def save(self, changes: Sequence[Change]) -> list[bool]:
        write_id = new_write_id()

        def update(connection: sa.Connection, repeated: bool) -> list[bool]:
            return [
                self._update(connection, change, write_id)
                or (repeated and _was_ours(connection, self._tables.queue, change, write_id))
                for change in changes
            ]

        return self._database.transact(update)

    def _update(self, connection: sa.Connection, change: Change, write_id: int) -> bool:
        tables = self._tables
        c = tables.queue.c
        won = connection.execute(
            self._of(tables.queue, change)
            .where(c.version == change.expected_version)
            .values(version=change.version, next_action_at=change.next_action_at, write_id=write_id)
        )
        if won.rowcount != 1:
            return False
        _failpoints.reached("store.saving")
        connection.execute(self._of(tables.documents, change).values(document=change.document))
        for table, values in ((tables.requests, change.listed), (tables.search, change.searched)):
            statement = self._of(table, change).where(_changed(table, values)).values(**values)
            connection.execute(statement)
        return True

    @staticmethod
    def _of(table: sa.Table, change: Change) -> sa.Update:
        c = table.c
        return sa.update(table).where(c.business_id == change.business_id, c.id == change.id)


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────

_KINDS: Final[dict[str, sa.types.TypeEngine[Any]]] = {
    "expected": sa.Integer(),
    "version": sa.Integer(),
    "sequence": sa.Integer(),
    "shelf": sa.SmallInteger(),
    "next_action_at": sa.DateTime(timezone=True),
    "abandoned_at": sa.DateTime(timezone=True),
    "listed_at": sa.DateTime(timezone=True),
    "contacted_at": sa.DateTime(timezone=True),
}
"""what is not text"""


_LONG: Final = frozenset({"document", "text"})
"""texts of which the driver would look at every letter, one by one, to put them into an array"""


def _array(texts: Sequence[str]) -> str:
    """An array of PostgreSQL's as it is written.
    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO"""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


class _InOneStatement:
    """All rows of all changes in one statement, which is its own transaction: one way there and
    back, and one commit."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database, self._tables = database, tables
        key = {"business_id", "id"}
        self._listed = [c.name for c in tables.requests.columns if c.name not in key]
        self._searched = [c.name for c in tables.search.columns if c.name not in key]
        self._names = list(
            dict.fromkeys(
                (
                    *("business_id", "id", "expected", "version", "next_action_at", "document"),
                    *self._listed,
                    *self._searched,
                )
            )
        )
        self._insert = self._insert_statement()
        self._update = self._update_statement()

    def add(self, change: Change) -> bool:
        write_id = new_write_id()

        def insert(connection: sa.Connection, repeated: bool) -> bool:
            # What goes into the statement is known in here only: not in a traceback's frames.
            values = self._values([change], write_id)
            if connection.scalar(self._insert, values) is not None:
                return True
            return repeated and _was_ours(connection, self._tables.queue, change, write_id)

        try:
            return self._database.run(insert)
        except OutcomeUnknown:
            return False

    def save(self, changes: Sequence[Change]) -> list[bool]:
        write_id = new_write_id()

        def update(connection: sa.Connection, repeated: bool) -> list[bool]:
            won = set(connection.scalars(self._update, self._values(changes, write_id)))
            return [
                number in won
                or (repeated and _was_ours(connection, self._tables.queue, change, write_id))
                for number, change in enumerate(changes, 1)
            ]

        return self._database.run(update)

    def _values(self, changes: Sequence[Change], write_id: int) -> dict[str, Any]:
        rows = [
            {
                "business_id": change.business_id,
                "id": change.id,
                "expected": change.expected_version,
                "version": change.version,
                "next_action_at": change.next_action_at,
                "document": change.document,
                **change.listed,
                **change.searched,
                # As text: PostgreSQL would take an array of arrays apart to the last number.
                "grams": f"{{{','.join(map(str, change.searched['grams']))}}}",
            }
            for change in changes
        ]
        columns = {name: [row[name] for row in rows] for name in self._names}
        return {
            **{
                f"{name}s": _array(values) if name in _LONG else values
                for name, values in columns.items()
            },
            "write_id": write_id,
        }

    def _given(self) -> sa.CTE:
        """The changes as rows, numbered from 1."""
        columns = [sa.column(name, _KINDS.get(name, sa.Text())) for name in self._names]
        arrays = [self._bound(column) for column in columns]
        rows = (
            sa.func.unnest(*arrays)
            .table_valued(*columns, with_ordinality="number")
            .render_derived(name="rows")
        )
        return sa.select(*rows.c).cte("given").prefix_with("MATERIALIZED")

    @staticmethod
    def _bound(column: sa.ColumnClause[Any]) -> sa.ColumnElement[Any]:
        name, kind = f"{column.name}s", postgresql.ARRAY(column.type)
        if column.name in _LONG:
            return sa.cast(sa.bindparam(name, type_=sa.Text()), kind)
        return sa.bindparam(name, type_=kind)

    @staticmethod
    def _of(given: sa.CTE, name: str) -> sa.ColumnElement[Any]:
        if name == "grams":
            return sa.cast(given.c.grams, postgresql.ARRAY(sa.Integer))
        return given.c[name]

    def _insert_statement(self) -> sa.Select[Any]:
        given, tables = self._given(), self._tables
        key = ["business_id", "id"]
        added = (
            postgresql.insert(tables.requests)
            .from_select(
                [*key, *self._listed], sa.select(*(given.c[n] for n in (*key, *self._listed)))
            )
            .on_conflict_do_nothing()
            .returning(tables.requests.c.id)
            .cte("added")
        )
        write_id = sa.bindparam("write_id", type_=sa.BigInteger())

        def insert(table: sa.Table, names: list[str], **more: sa.ColumnElement[Any]) -> sa.CTE:
            values = sa.select(*(self._of(given, name) for name in (*key, *names)), *more.values())
            values = values.where(sa.exists(sa.select(added.c.id)))
            statement = sa.insert(table).from_select([*key, *names, *more], values)
            return statement.cte(f"{table.name}_added")

        return sa.select(added.c.id).add_cte(
            insert(tables.queue, ["version", "next_action_at"], write_id=write_id),
            insert(tables.documents, ["document"]),
            insert(tables.search, self._searched),
        )

    def _update_statement(self) -> sa.Select[Any]:
        # Under short names: psycopg prepares no statement of more than 4,096 letters.
        given, tables = self._given(), self._tables
        queue = _named(tables.queue, "q")
        won = (
            sa.update(queue)
            .where(_is_of(queue, given), queue.c.version == given.c.expected)
            .values(
                version=given.c.version,
                next_action_at=given.c.next_action_at,
                write_id=sa.bindparam("write_id", type_=sa.BigInteger()),
            )
            .returning(given.c.number)
            .cte("won")
        )

        def update(table: sa.Table, names: list[str], *, compared: list[str]) -> sa.CTE:
            row, values = _named(table, "t"), {name: self._of(given, name) for name in names}
            statement = sa.update(row).where(given.c.number == won.c.number, _is_of(row, given))
            if compared:
                statement = statement.where(
                    _changed(row, {name: given.c[name] for name in compared})
                )
            return statement.values(**values).cte(f"{table.name}_updated")

        texts = [name for name in self._searched if name != "grams"]
        return sa.select(won.c.number).add_cte(
            update(tables.documents, ["document"], compared=[]),
            update(tables.requests, self._listed, compared=self._listed),
            update(tables.search, self._searched, compared=texts),
        )


def _named(table: sa.Table, name: str) -> sa.Alias[Any]:
    # What SQLAlchemy gives is one; its types tell less.
    return cast("sa.Alias[Any]", table.alias(name))


def _is_of(table: sa.FromClause, given: sa.CTE) -> sa.ColumnElement[bool]:
    c = table.c
    # Known before it runs, so that partitions of other businesses are not opened at all.
    businesses = sa.bindparam("business_ids", type_=postgresql.ARRAY(sa.Text()))
    of_theirs = c.business_id == sa.any_(businesses)
    return sa.and_(of_theirs, c.business_id == given.c.business_id, c.id == given.c.id)


def rounds(changes: Sequence[Change]) -> Iterator[list[int]]:
    """The places of the changes in as many rounds as it takes to have no request twice in one."""
    left = list(range(len(changes)))
    while left:
        seen: set[tuple[str, str]] = set()
        this: list[int] = []
        later: list[int] = []
        for place in left:
            key = changes[place].key
            (later if key in seen else this).append(place)
            seen.add(key)
        yield this
        left = later
