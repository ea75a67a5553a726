"""Whose tables they are, whether they are the right ones, and making new ones.

Whatever is wrong is found before anything is written, and said in one error with the way out.
"""

from __future__ import annotations

import re
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

from abandoned_booking.errors import NewerSchema, NotOurDatabase, OlderSchema, StoreError
from abandoned_booking.stores.sqlalchemy._engines import engine_for
from abandoned_booking.stores.sqlalchemy._failures import Kind, failure_of
from abandoned_booking.stores.sqlalchemy._schema import (
    NEEDS,
    SCHEMA,
    Tables,
    full_text_of,
    partitions_of,
)
from abandoned_booking.stores.sqlalchemy._types import Exact, is_mysql

__all__ = [
    "can_full_text",
    "check",
    "create_all",
    "engine_for",
    "has_full_text",
    "skips_locked",
    "tables_for",
    "version_of",
]

UPGRADE: Final = "abandoned-booking db upgrade --url ..."
CREATION_LOCK: Final = 0x41426B67
"""of PostgreSQL's advisory locks, so that two that start at once do not both create"""

_PREFIX: Final = re.compile(r"[A-Za-z0-9_]{0,40}")
"""Names of up to 63 letters are what every database takes, and 22 of them are ours."""
_MOST_PARTITIONS: Final = 256
"""each claim looks into all of them"""
_OLDEST: Final = {
    "PostgreSQL": (12,),
    "MariaDB": (10, 3),
    "MySQL": (8, 0, 17),
    "SQLite": (3, 25),
}


# ── where the tables are to stand ───────────────────────────────────────────────────────────────


def tables_for(
    engine: sa.Engine, *, metadata: sa.MetaData | None, schema: str | None, prefix: str
) -> Tables:
    """The tables in the host's MetaData, or in one of their own.

    Raises :class:`StoreError` for a prefix that makes no names, and for a MetaData that holds
    something else under them.
    """
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise StoreError(
            "table_prefix must be of the letters a to z, digits and _, 40 at most; "
            "leave it out for abandoned_booking_"
        )
    if metadata is None:
        metadata = sa.MetaData()
    if not isinstance(metadata, sa.MetaData):
        raise StoreError(
            f"metadata must be a MetaData, and is something of type {type(metadata).__name__}; of "
            "declarative classes it is Base.metadata"
        )
    schema = schema or metadata.schema
    dialect = engine.dialect.name
    try:
        tables = Tables.define(metadata, dialect=dialect, schema=schema, prefix=prefix)
    except exc.InvalidRequestError:
        tables = None
    if tables is None or not _are_ours(tables, dialect):
        raise StoreError(
            f"the MetaData holds tables that begin with {prefix!r} and are not this store's "
            "(reflected, of your own, or of a store on another kind of database); make the store "
            "before you reflect, or give it another MetaData or table_prefix"
        )
    sa.event.listen(tables.schema_version, "after_create", _stamp)
    sa.event.listen(tables.search, "after_create", _index_texts)
    sa.event.listen(tables.search, "after_drop", _drop_index)
    return tables


def _are_ours(tables: Tables, dialect: str) -> bool:
    is_exact = isinstance(tables.search.c["business_id"].type, Exact)
    return is_exact and _made_for(tables.search) == (
        dialect if dialect in {"postgresql", "sqlite"} else "mysql"
    )


def _made_for(search: sa.Table) -> str:
    if "number" in search.c:
        return "sqlite"
    return "postgresql" if "grams" in search.c else "mysql"


def _stamp(versions: sa.Table, connection: sa.Connection, **_: Any) -> None:
    """Write down what was made; also when the host's own ``metadata.create_all`` made it."""
    if connection.scalar(sa.select(sa.func.max(versions.c.version))) is None:
        connection.execute(sa.insert(versions).values(version=SCHEMA, needs=NEEDS))


# ── whether they are the right ones ─────────────────────────────────────────────────────────────


def check(connection: sa.Connection, tables: Tables) -> None:
    """Raises unless the tables are ours and this code can work with them."""
    _refuse_unfit(connection)
    look = sa.inspect(connection)
    versions = tables.schema_version
    if not look.has_table(versions.name, schema=versions.schema):
        there = [t for t in tables if look.has_table(t.name, schema=t.schema)]
        raise _somebody_elses(there[0], connection) if there else _missing(tables)
    newest, needs = _read_version(connection, versions)
    if newest < SCHEMA:
        raise OlderSchema(
            f"the tables are of version {newest}, this abandoned-booking needs {SCHEMA}; "
            f"upgrade them: {_upgrade_of(tables)}"
        )
    if needs > SCHEMA:
        raise NewerSchema(
            f"the tables are of version {newest} and need an abandoned-booking that knows version "
            f"{needs}; this one knows {SCHEMA}: upgrade abandoned-booking"
        )


def _read_version(connection: sa.Connection, versions: sa.Table) -> tuple[int, int]:
    asked = sa.select(sa.func.max(versions.c.version), sa.func.max(versions.c.needs))
    row: Any = ("", "")
    try:
        row = connection.execute(asked).one()
    except exc.DBAPIError as error:
        if failure_of(error).kind is not Kind.NO_TABLES:
            raise
    newest, needs = (0 if value is None else value for value in row)
    if not isinstance(newest, int) or not isinstance(needs, int):
        raise _somebody_elses(versions, connection)
    return newest, needs


def version_of(connection: sa.Connection) -> tuple[str, tuple[int, ...]]:
    """Which server it is, and its version."""
    dialect: Any = connection.dialect
    name = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}.get(dialect.name)
    if name is None:
        name = "MariaDB" if getattr(dialect, "is_mariadb", False) else "MySQL"
    version = dialect.server_version_info or dialect.dbapi.sqlite_version_info
    return name, tuple(part for part in version if isinstance(part, int))


def _refuse_unfit(connection: sa.Connection) -> None:
    """Raises if the server, or the way in which it was connected to, is not one for the store."""
    name, version = version_of(connection)
    if version < _OLDEST[name]:
        oldest = ".".join(map(str, _OLDEST[name]))
        raise StoreError(f"the store needs {name} {oldest} or later; upgrade the server")
    if name == "PostgreSQL":
        _refuse_dates(str(connection.exec_driver_sql("SHOW datestyle").scalar()))
    elif is_mysql(connection.dialect):
        asked = "SELECT @@sql_mode, @@character_set_client, @@character_set_results"
        mode, *charsets = connection.exec_driver_sql(asked).one()
        _refuse_lax(name, mode)
        _refuse_narrow(charsets)


def _refuse_dates(style: str) -> None:
    if not style.startswith("ISO"):
        raise StoreError(
            f"this user's DateStyle is {style}, and psycopg reads ISO only; ALTER ROLE ... SET "
            "datestyle = 'ISO'"
        )


def _refuse_lax(name: str, mode: str) -> None:
    if {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"}.isdisjoint(mode.split(",")):
        raise StoreError(
            f"this {name} cuts off what is too long instead of refusing it, and two ids could "
            "become one; connect in strict mode: create_engine(..., connect_args={'sql_mode': "
            "'STRICT_TRANS_TABLES'})"
        )


def _refuse_narrow(charsets: list[str]) -> None:
    if {*charsets} != {"utf8mb4"}:
        raise StoreError(
            "the connection does not carry every character; add charset=utf8mb4 to the engine's URL"
        )


def skips_locked(dialect: sa.Dialect) -> bool:
    """Whether a connected database has ``FOR UPDATE SKIP LOCKED``."""
    if is_mysql(dialect):
        version = getattr(dialect, "server_version_info", None) or (0,)
        since = (10, 6) if getattr(dialect, "is_mariadb", False) else (8, 0, 1)
        return bool(tuple(version) >= since)
    return dialect.name == "postgresql"


def _missing(tables: Tables) -> OlderSchema:
    return OlderSchema(
        f"there is no table {tables.requests.fullname} in this database; create the tables: "
        f"{_upgrade_of(tables)}, or store.create_all() for tests"
    )


def _somebody_elses(table: sa.Table, connection: sa.Connection) -> NotOurDatabase:
    cut_off = " (or a creation of ours was cut off: drop it then)"
    return NotOurDatabase(
        f"the table {table.fullname} belongs to something else than abandoned-booking"
        f"{cut_off if is_mysql(connection.dialect) else ''}; choose another table_prefix or schema"
    )


def _upgrade_of(tables: Tables) -> str:
    """The command for these tables."""
    schema, prefix = tables.requests.schema, _prefix_of(tables)
    command = UPGRADE if schema is None else f"{UPGRADE} --schema {schema}"
    usual = "abandoned_booking_"
    return command if prefix == usual else f"{command} --table-prefix {prefix!r}"


def _prefix_of(tables: Tables) -> str:
    return tables.requests.name.removesuffix("requests")


# ── SQLite's index for searches ─────────────────────────────────────────────────────────────────


def can_full_text(connection: sa.Connection) -> bool:
    """Whether it is an SQLite that can have a full-text index: not every build has FTS5."""
    if connection.dialect.name != "sqlite":
        return False
    modules = "SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'"
    return bool(connection.exec_driver_sql(modules).scalar())


def _index_texts(search: sa.Table, connection: sa.Connection, **_: Any) -> None:
    """Make the index; also when the host's own ``metadata.create_all`` made the table."""
    for statement in full_text_of(search) if can_full_text(connection) else ():
        connection.exec_driver_sql(statement)


def _drop_index(search: sa.Table, connection: sa.Connection, **_: Any) -> None:
    if connection.dialect.name == "sqlite":
        index = sa.Table(f"{search.name}_grams", sa.MetaData(), schema=search.schema)
        index.drop(connection, checkfirst=True)


def has_full_text(connection: sa.Connection, search: sa.Table) -> bool:
    """Whether searches have their index: on PostgreSQL always, on SQLite if it was made."""
    if connection.dialect.name != "sqlite":
        return True
    return sa.inspect(connection).has_table(f"{search.name}_grams", schema=search.schema)


# ── making them ─────────────────────────────────────────────────────────────────────────────────


def create_all(connection: sa.Connection, tables: Tables, *, partitions: int = 0) -> None:
    """Create what is not there yet, in one transaction where the database can."""
    if not 0 <= partitions <= _MOST_PARTITIONS:
        raise StoreError(f"partitions must be 1 to {_MOST_PARTITIONS}, or left out for none")
    _refuse_unfit(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATION_LOCK)))
    elif partitions:
        raise StoreError("only PostgreSQL's tables are split by this; leave out partitions")
    look = sa.inspect(connection)
    if any(look.has_table(table.name, schema=table.schema) for table in tables):
        check(connection, tables)
        return
    made = tables if not partitions else _partitioned(tables)
    made.requests.metadata.create_all(connection, tables=list(made), checkfirst=False)
    for table in made.of_businesses if partitions else ():
        for statement in partitions_of(connection.dialect, table, partitions):
            connection.exec_driver_sql(statement)
    _stamp(tables.schema_version, connection)


def _partitioned(tables: Tables) -> Tables:
    return Tables.define(
        sa.MetaData(), schema=tables.requests.schema, prefix=_prefix_of(tables), partitioned=True
    )
