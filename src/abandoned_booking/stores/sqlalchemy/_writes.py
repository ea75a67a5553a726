"""Adding and saving: the compare-and-set on the version, and how a lost connection is made good.

Each write carries a number of its own, which the row of the queue keeps. A writer that lost its
connection while it committed tries again, with the same number; when it loses then, that number
tells whether it was to itself. That it cannot tell any more, since others have written since, is an
error of its own: :class:`~abandoned_booking.errors.OutcomeUnknown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abandoned_booking import _failpoints
from abandoned_booking.errors import OutcomeUnknown
from abandoned_booking.stores.sqlalchemy._connections import Database, KeyTaken
from abandoned_booking.stores.sqlalchemy._rows import Change, new_write_id
from abandoned_booking.stores.sqlalchemy._schema import KEYED_BY, Key, Tables
from abandoned_booking.stores.sqlalchemy._statements import new_value, new_values, update_of

__all__ = ["Writes", "writes_of"]


class Writes(Protocol):
    """The ways to write requests."""

    def add(self, change: Change) -> bool:
        """Insert a request, all its rows or none; whether it was not there."""
        ...

    def save(self, changes: Sequence[Change]) -> list[bool]:
        """Replace requests, none of them twice, each if its version is the expected one.

        They have their search texts with them, or none of them has.
        """
        ...


def writes_of(database: Database, tables: Tables, *, is_sharded: bool) -> Writes:
    """The way to write that the database is best at.

    ``is_sharded``: behind it are several, and a statement should name the business it is of.
    """
    if database.dialect == "postgresql" and not is_sharded:
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


# ── any database ────────────────────────────────────────────────────────────────────────────────


class _InOneTransaction:
    """Statement by statement. The first one writes: SQLite then has the lock before it reads."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database, self._tables = database, tables
        q, documents = tables.queue, tables.documents
        self._insert = [
            sa.insert(table) for table in (tables.requests, q, documents, tables.search)
        ]
        expected = q.c.version == sa.bindparam("expected")
        self._take = update_of(q, KEYED_BY, _others(q)).where(expected)
        self._put_document = update_of(documents, KEYED_BY, _others(documents))
        self._put_listed = _update_if_changed(tables.requests)
        self._put_searched = _update_if_changed(tables.search)

    def add(self, change: Change) -> bool:
        write_id = new_write_id()

        def insert(connection: sa.Connection, repeated: bool) -> bool:
            if repeated and _was_ours(connection, self._tables.queue, change, write_id):
                return True
            for statement, values in zip(self._insert, _values(change, write_id), strict=True):
                connection.execute(statement, values)
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

    def save(self, changes: Sequence[Change]) -> list[bool]:
        write_id = new_write_id()

        # Whoever saves some of them too takes them in the same order: nobody waits for each other.
        in_order = sorted(changes, key=lambda change: change.key)

        def update(connection: sa.Connection, repeated: bool) -> set[Key]:
            return {
                change.key
                for change in in_order
                if self._update(connection, change, write_id)
                or (repeated and _was_ours(connection, self._tables.queue, change, write_id))
            }

        won = self._database.transact(update)
        return [change.key in won for change in changes]

    def _update(self, connection: sa.Connection, change: Change, write_id: int) -> bool:
        listed, due, document, searched = map(new_values, _values(change, write_id))
        due["expected"] = change.expected_version
        if connection.execute(self._take, due).rowcount != 1:
            return False
        _failpoints.reached("store.saving")
        connection.execute(self._put_document, document)
        connection.execute(self._put_listed, listed)
        if change.searched is not None:
            connection.execute(self._put_searched, searched)
        return True


def _values(change: Change, write_id: int) -> Iterator[dict[str, Any]]:
    """The rows of a request: in ``requests``, ``queue``, ``documents`` and ``search``."""
    key = {"business_id": change.business_id, "id": change.id}
    due = {"version": change.version, "next_action_at": change.next_action_at}
    yield {**key, **change.listed}
    yield {**key, **due, "write_id": write_id}
    yield {**key, "document": change.document}
    yield {**key, **(change.searched or {})}


def _update_if_changed(table: sa.Table) -> sa.Update:
    """A row that has these values is not written, nor its indexes."""
    names = _others(table)
    differs = (table.c[name].is_distinct_from(new_value(table, name)) for name in names)
    return update_of(table, KEYED_BY, names).where(sa.or_(*differs))


def _others(table: sa.Table) -> list[str]:
    """The columns that are given with a request, its key aside."""
    own = {*KEYED_BY, "number"}
    return [column.name for column in table.columns if column.name not in own]


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


def _array(values: Iterable[Any]) -> str:
    """An array of PostgreSQL's as it is written: the driver would look at every value, one by one.
    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO"""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: str | int | datetime | tuple[int, ...] | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, tuple):
        # An array as text: of an array of arrays PostgreSQL would make a row for each number.
        return f'"{_array(value)}"'
    if isinstance(value, datetime):
        return f'"{value.isoformat()}"'
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


class _InOneStatement:
    """All rows of all changes in one statement, which is its own transaction: one way there and
    back, and one commit."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database, self._tables = database, tables
        self._listed, self._searched = _others(tables.requests), _others(tables.search)
        queued = ["expected", "version", "next_action_at", "document"]
        self._without_text = [*KEYED_BY, *queued, *self._listed]
        self._with_text = list(dict.fromkeys([*self._without_text, *self._searched]))
        self._insert = self._insert_statement(self._given(self._with_text))
        self._update_all = self._update_statement(self._given(self._with_text), with_text=True)
        self._update = self._update_statement(self._given(self._without_text), with_text=False)

    def add(self, change: Change) -> bool:
        write_id = new_write_id()

        def insert(connection: sa.Connection, repeated: bool) -> bool:
            # What goes into the statement is known in here only: not in a traceback's frames.
            values = _columns([change], self._with_text, write_id)
            if connection.scalar(self._insert, values) is not None:
                return True
            return repeated and _was_ours(connection, self._tables.queue, change, write_id)

        try:
            return self._database.run(insert)
        except OutcomeUnknown:
            return False

    def save(self, changes: Sequence[Change]) -> list[bool]:
        write_id = new_write_id()
        names, statement = self._with_text, self._update_all
        if all(change.searched is None for change in changes):
            names, statement = self._without_text, self._update

        def update(connection: sa.Connection, repeated: bool) -> list[bool]:
            won = set(connection.scalars(statement, _columns(changes, names, write_id)))
            return [
                number in won
                or (repeated and _was_ours(connection, self._tables.queue, change, write_id))
                for number, change in enumerate(changes, 1)
            ]

        return self._database.run(update)

    def _given(self, names: Sequence[str]) -> sa.CTE:
        """The changes as rows, numbered from 1."""
        columns = [sa.column(name, _KINDS.get(name, sa.Text())) for name in names]
        rows = (
            sa.func.unnest(*(_bound(column) for column in columns))
            .table_valued(*columns, with_ordinality="number")
            .render_derived(name="r")
        )
        return sa.select(*rows.c).cte("given").prefix_with("MATERIALIZED")

    def _insert_statement(self, given: sa.CTE) -> sa.Select[Any]:
        tables = self._tables
        listed = [*KEYED_BY, *self._listed]
        added = (
            postgresql.insert(tables.requests)
            .from_select(listed, sa.select(*(given.c[name] for name in listed)))
            .on_conflict_do_nothing()
            .returning(tables.requests.c.id)
            .cte("added")
        )
        write_id = sa.bindparam("write_id", type_=sa.BigInteger())

        def insert(table: sa.Table, names: list[str], **more: sa.ColumnElement[Any]) -> sa.CTE:
            values = sa.select(*(_of(given, name) for name in (*KEYED_BY, *names)), *more.values())
            values = values.where(sa.exists(sa.select(added.c.id)))
            statement = sa.insert(table).from_select([*KEYED_BY, *names, *more], values)
            return statement.cte(f"{table.name}_added")

        return sa.select(added.c.id).add_cte(
            insert(tables.queue, ["version", "next_action_at"], write_id=write_id),
            insert(tables.documents, ["document"]),
            insert(tables.search, self._searched),
        )

    def _update_statement(self, given: sa.CTE, *, with_text: bool) -> sa.Select[Any]:
        # Under short names: psycopg prepares no statement of more than 4,096 letters.
        tables = self._tables
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

        updates: list[sa.CTE] = []

        def update(table: sa.Table, names: list[str], *, compared: list[str]) -> None:
            row = _named(table, "t")
            statement = sa.update(row).where(given.c.number == won.c.number, _is_of(row, given))
            if compared:
                # One that has these values is not written, nor its indexes.
                old, new = (sa.tuple_(*(of.c[name] for name in compared)) for of in (row, given))
                statement = statement.where(old.is_distinct_from(new))
            values = {name: _of(given, name) for name in names}
            updates.append(statement.values(**values).cte(f"updated_{len(updates)}"))

        update(tables.documents, ["document"], compared=[])
        update(tables.requests, self._listed, compared=self._listed)
        if with_text:
            texts = [name for name in self._searched if name != "grams"]
            update(tables.search, self._searched, compared=texts)
        return sa.select(won.c.number).add_cte(*updates)


def _columns(changes: Sequence[Change], names: Sequence[str], write_id: int) -> dict[str, Any]:
    """What the statements are given: for each column an array of the changes' values."""
    rows = [
        {
            "business_id": change.business_id,
            "id": change.id,
            "expected": change.expected_version,
            "version": change.version,
            "next_action_at": change.next_action_at,
            "document": change.document,
            **change.listed,
            **(change.searched or {}),
        }
        for change in changes
    ]
    arrays = {f"{name}s": _array([row[name] for row in rows]) for name in names}
    businesses = list({change.business_id for change in changes})
    return {**arrays, "businesses": businesses, "write_id": write_id}


def _bound(column: sa.ColumnClause[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(sa.bindparam(f"{column.name}s", type_=sa.Text()), postgresql.ARRAY(column.type))


def _of(given: sa.CTE, name: str) -> sa.ColumnElement[Any]:
    # Given as text, see _element.
    return (
        sa.cast(given.c.grams, postgresql.ARRAY(sa.Integer)) if name == "grams" else given.c[name]
    )


def _named(table: sa.Table, name: str) -> sa.Alias[Any]:
    # What SQLAlchemy gives is one; its types tell less.
    return cast("sa.Alias[Any]", table.alias(name))


def _is_of(table: sa.FromClause, given: sa.CTE) -> sa.ColumnElement[bool]:
    c = table.c
    # Known when it is planned, so that partitions of other businesses are not opened at all.
    businesses = sa.bindparam("businesses", type_=postgresql.ARRAY(sa.Text()))
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
