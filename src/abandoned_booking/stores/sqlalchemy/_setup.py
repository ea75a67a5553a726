"""Whose tables they are, whether they are the right ones, and making new ones.

Whatever is wrong is found before anything is written, and said in one error with the way out.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import exc

from abandoned_booking.errors import NewerSchema, NotOurDatabase, OlderSchema, StoreError
from abandoned_booking.stores.sqlalchemy._schema import NEEDS, SCHEMA, Tables, partitions_of
from abandoned_booking.stores.sqlalchemy._types import is_mysql

__all__ = ["check", "create_all", "engine_for", "skips_locked"]

UPGRADE: Final = "abandoned-booking db upgrade --url ..."
_CREATION_LOCK: Final = 0x41426B67
"""of PostgreSQL's advisory locks, so that two that start at once do not both create"""


def engine_for(url: str) -> sa.Engine:
    """An engine for a database URL. Raises :class:`StoreError` if there can be none."""
    try:
        return sa.create_engine(url)
    except exc.ArgumentError:
        # Not repeated: it may hold a password.
        raise StoreError(
            "that is not a database URL; write it like postgresql+psycopg://user@host/database"
        ) from None
    except exc.NoSuchModuleError as error:
        raise StoreError(
            "there is no database of that kind; use postgresql+psycopg://, sqlite:/// or "
            "mariadb+pymysql://"
        ) from error
    except ModuleNotFoundError as error:
        extra = "mysql" if error.name == "pymysql" else "sql"
        ours = error.name in {"psycopg", "pymysql"}
        way = f"pip install 'abandoned-booking[{extra}]'" if ours else "install it"
        raise StoreError(f"the database's driver {error.name} is missing; {way}") from error


def skips_locked(dialect: sa.Dialect) -> bool:
    """Whether a connected database has ``FOR UPDATE SKIP LOCKED``."""
    if is_mysql(dialect):
        version = getattr(dialect, "server_version_info", None) or (0,)
        since = (10, 6) if getattr(dialect, "is_mariadb", False) else (8, 0, 1)
        return bool(tuple(version) >= since)
    return dialect.name == "postgresql"


def check(connection: sa.Connection, tables: Tables) -> None:
    """Raises unless the tables are ours and this code can work with them."""
    there = _there(connection, tables)
    versions = tables.schema_version
    if versions not in there:
        raise _missing(tables) if not there else _somebody_elses(there[0])
    newest, needs = connection.execute(
        sa.select(sa.func.max(versions.c.version), sa.func.max(versions.c.needs))
    ).one()
    if newest is None or newest < SCHEMA:
        raise OlderSchema(
            f"the tables are of version {newest or 0}, this abandoned-booking needs {SCHEMA}; "
            f"upgrade them: {UPGRADE}"
        )
    if needs > SCHEMA:
        raise NewerSchema(
            f"the tables are of version {newest} and need an abandoned-booking that knows version "
            f"{needs}; this one knows {SCHEMA}: upgrade abandoned-booking"
        )


def _there(connection: sa.Connection, tables: Tables) -> list[sa.Table]:
    inspector = sa.inspect(connection)
    names = set(inspector.get_table_names(schema=tables.schema_version.schema))
    return [table for table in tables if table.name in names]


def _missing(tables: Tables) -> OlderSchema:
    return OlderSchema(
        f"there is no table {tables.requests.name} in this database; create the tables: {UPGRADE}, "
        "or store.create_all() for tests"
    )


def _somebody_elses(table: sa.Table) -> NotOurDatabase:
    return NotOurDatabase(
        f"the table {table.name} belongs to something else than abandoned-booking; choose another "
        "table_prefix or schema"
    )


def create_all(connection: sa.Connection, tables: Tables, *, partitions: int = 0) -> None:
    """Create what is not there yet, in one transaction where the database can."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))
    elif partitions:
        raise StoreError("only PostgreSQL's tables are split by this; leave out partitions")
    there = _there(connection, tables)
    if there:
        check(connection, tables)
        return
    made = tables if not partitions else _partitioned(tables)
    made.requests.metadata.create_all(connection, tables=list(made), checkfirst=False)
    for table in made.of_businesses if partitions else ():
        for statement in partitions_of(connection, table, partitions):
            connection.exec_driver_sql(statement)
    connection.execute(sa.insert(tables.schema_version).values(version=SCHEMA, needs=NEEDS))


def _partitioned(tables: Tables) -> Tables:
    schema = tables.requests.schema
    prefix = tables.requests.name.removesuffix("requests")
    return Tables.define(sa.MetaData(), schema=schema, prefix=prefix, partitioned=True)
