"""The tables: in the host's MetaData, under its schema and prefix.

============================  ======================================================================
``requests``                  what lists filter and sort by, one narrow row a request
``queue``                     version and ``next_action_at``: all that a claim touches
``documents``                 the request as JSON
``search``                    the folded text (L3) and its trigrams
``settings``                  a business's settings as JSON
``suppressions``              keyed hashes of who must not be messaged
``reservations``              the phone ledger (R7)
``schema_version``            which versions of these tables were made
============================  ======================================================================

Every key begins with ``business_id``, so that all of it can be partitioned or sharded by that
column; only the queue has an index across businesses. A change of status rewrites the indexes of
its row, a claim those of the queue: that is why they are apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abandoned_booking.core.listing import Shelf
from abandoned_booking.stores.sqlalchemy._types import Document, Exact, Instant

__all__ = ["KEYED_BY", "NEEDS", "SCHEMA", "Key", "Tables", "full_text_of", "partitions_of"]

SCHEMA: Final = 1
"""the version of the tables that this code writes"""
NEEDS: Final = 1
"""the oldest code that can still work with them: expand first, contract a version later"""

Key: TypeAlias = tuple[str, str]
KEYED_BY: Final = ("business_id", "id")
"""of a request, in every table that has a row of it"""
_ID: Final = 200
"""the longest id that the doors let in"""
_TEXT: Final = 500


@attrs.frozen(kw_only=True)
class Tables:
    """The tables of one store."""

    requests: sa.Table
    queue: sa.Table
    documents: sa.Table
    search: sa.Table
    settings: sa.Table
    suppressions: sa.Table
    reservations: sa.Table
    schema_version: sa.Table

    @classmethod
    def define(
        cls,
        metadata: sa.MetaData,
        *,
        dialect: str = "postgresql",
        schema: str | None = None,
        prefix: str = "abandoned_booking_",
        partitioned: bool = False,
    ) -> Tables:
        """Put the tables into ``metadata``, or find them there.

        ``dialect`` is the database's name in SQLAlchemy; each has its own index for the trigrams.
        ``partitioned`` makes them ``PARTITION BY HASH (business_id)`` (PostgreSQL).
        """
        names = [field.name for field in attrs.fields(cls)]
        known = {name: metadata.tables.get(_full_name(schema, prefix + name)) for name in names}
        if all(table is not None for table in known.values()):
            return cls(**{name: table for name, table in known.items() if table is not None})
        # MySQL's other kinds of tables commit nothing as a whole.
        plain: dict[str, Any] = {
            "schema": schema,
            "mysql_engine": "InnoDB",
            "mariadb_engine": "InnoDB",
        }
        options = dict(plain)
        if partitioned:
            options["postgresql_partition_by"] = "HASH (business_id)"

        def table(name: str, *columns: sa.Column[Any]) -> sa.Table:
            return sa.Table(prefix + name, metadata, *columns, **options)

        return cls(
            requests=_requests(metadata, prefix, options),
            queue=_queue(metadata, prefix, options),
            documents=table("documents", *_request_key(), _document()),
            search=_search(metadata, prefix, dialect, options),
            settings=table("settings", _key("business_id"), _document()),
            suppressions=table("suppressions", _key("business_id"), _key("key")),
            reservations=table(
                "reservations",
                _key("business_id"),
                _key("phone"),
                sa.Column("owner", Exact(_ID), nullable=False),
                sa.Column("at", Instant(), nullable=False),
            ),
            schema_version=sa.Table(
                f"{prefix}schema_version",
                metadata,
                sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
                sa.Column("needs", sa.Integer, nullable=False),
                **plain,
            ),
        )

    def __iter__(self) -> Iterator[sa.Table]:
        return iter(attrs.astuple(self, recurse=False))

    @property
    def of_businesses(self) -> tuple[sa.Table, ...]:
        """All whose key begins with ``business_id``."""
        return tuple(table for table in self if table is not self.schema_version)


def _full_name(schema: str | None, name: str) -> str:
    return name if schema is None else f"{schema}.{name}"


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, Exact(_ID), primary_key=True)


def _request_key() -> list[sa.Column[Any]]:
    return [_key(name) for name in KEYED_BY]


def _document() -> sa.Column[Any]:
    return sa.Column("document", Document(), nullable=False)


def _where(condition: str) -> dict[str, Any]:
    """Only some rows, where the database can; MySQL indexes them all."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _requests(metadata: sa.MetaData, prefix: str, options: dict[str, Any]) -> sa.Table:
    table = sa.Table(
        f"{prefix}requests",
        metadata,
        *_request_key(),
        sa.Column("session_id", Exact(_ID), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("status", Exact(20), nullable=False),
        sa.Column("step", Exact(_TEXT)),
        sa.Column("client_type", Exact(20), nullable=False),
        sa.Column("care_type", Exact(_TEXT)),
        # a Shelf
        sa.Column("shelf", sa.SmallInteger, nullable=False),
        sa.Column("abandoned_at", Instant(), nullable=False),
        sa.Column("listed_at", Instant(), nullable=False),
        sa.Column("contacted_at", Instant()),
        sa.Column("client_id", Exact(_ID)),
        sa.Column("phone", Exact(40)),
        sa.Column("email", Exact(_TEXT)),
        **options,
    )
    c, name = table.c, f"{prefix}requests"
    sa.Index(f"{name}_by_session", c.business_id, c.session_id, c.sequence, unique=True)
    # listed_at at the end: lists are counted without touching the rows.
    newest_first = (c.abandoned_at.desc(), c.id, c.listed_at)
    on_the_list = _where(f"shelf = {Shelf.LIST.value}")
    sa.Index(f"{name}_by_status", c.business_id, c.status, *newest_first, **on_the_list)
    sa.Index(f"{name}_by_shelf", c.business_id, c.shelf, *newest_first)
    for column in (c.client_id, c.phone, c.email):
        known = _where(f"{column.name} IS NOT NULL")
        sa.Index(f"{name}_by_{column.name}", c.business_id, column, **known)
    return table


def _queue(metadata: sa.MetaData, prefix: str, options: dict[str, Any]) -> sa.Table:
    table = sa.Table(
        f"{prefix}queue",
        metadata,
        *_request_key(),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("next_action_at", Instant()),
        # Whose write made this version: a writer that lost its connection looks here.
        sa.Column("write_id", sa.BigInteger, nullable=False),
        **options,
    )
    due = table.c.next_action_at
    sa.Index(f"{prefix}queue_due", due, **_where("next_action_at IS NOT NULL"))
    return table


def _search(metadata: sa.MetaData, prefix: str, dialect: str, options: dict[str, Any]) -> sa.Table:
    columns: list[sa.Column[Any]] = [
        *(_numbered_key() if dialect == "sqlite" else _request_key()),
        sa.Column("abandoned_at", Instant(), nullable=False),
        sa.Column("name", Exact(), nullable=False),
        sa.Column("text", Exact(), nullable=False),
    ]
    if dialect == "postgresql":
        columns.append(sa.Column("grams", postgresql.ARRAY(sa.Integer), nullable=False))
    elif dialect == "sqlite":
        columns.append(sa.Column("grams", sa.Text, nullable=False))
    table = sa.Table(f"{prefix}search", metadata, *columns, **options)
    c = table.c
    sa.Index(f"{prefix}search_newest", c.business_id, c.abandoned_at.desc(), c.id)
    if dialect == "postgresql":
        sa.Index(f"{prefix}search_grams", c.grams, postgresql_using="gin")
    elif dialect == "sqlite":
        sa.Index(f"{prefix}search_key", c.business_id, c.id, unique=True)
    return table


def _numbered_key() -> list[sa.Column[Any]]:
    # SQLite's full-text index knows rows by number, and VACUUM gives new ones to those without.
    return [
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("business_id", Exact(_ID), nullable=False),
        sa.Column("id", Exact(_ID), nullable=False),
    ]


def full_text_of(search: sa.Table) -> list[str]:
    """The statements that make SQLite's index of the numbers in ``grams``, kept up by triggers.

    https://www.sqlite.org/fts5.html, 4.4.3: External Content Tables.
    """
    at = f'"{search.schema}".' if search.schema else ""
    table, index = f'"{search.name}"', f'"{search.name}_grams"'
    add = f"INSERT INTO {index} (rowid, grams) VALUES (new.number, new.grams);"
    remove = (
        f"INSERT INTO {index} ({index}, rowid, grams) VALUES ('delete', old.number, old.grams);"
    )
    options = (
        f"content = '{search.name}', content_rowid = 'number', "
        "tokenize = 'ascii', detail = none, columnsize = 0"
    )
    triggers = {
        "added": f"AFTER INSERT ON {table} BEGIN {add} END",
        "removed": f"AFTER DELETE ON {table} BEGIN {remove} END",
        "changed": f"AFTER UPDATE OF grams ON {table} WHEN old.grams IS NOT new.grams "
        f"BEGIN {remove} {add} END",
    }
    return [
        f"CREATE VIRTUAL TABLE {at}{index} USING fts5 (grams, {options})",
        *(f'CREATE TRIGGER {at}"{search.name}_{name}" {what}' for name, what in triggers.items()),
    ]


def partitions_of(dialect: sa.Dialect, table: sa.Table, number: int) -> Iterator[str]:
    """The statements that make the partitions of a table that is partitioned by hash."""
    quoted = dialect.identifier_preparer
    parent = quoted.format_table(table)
    for remainder in range(number):
        partition = sa.Table(f"{table.name}_{remainder}", sa.MetaData(), schema=table.schema)
        yield (
            f"CREATE TABLE {quoted.format_table(partition)} PARTITION OF {parent} "
            f"FOR VALUES WITH (MODULUS {number}, REMAINDER {remainder})"
        )
