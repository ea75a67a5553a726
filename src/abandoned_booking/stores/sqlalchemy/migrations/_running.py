"""Upgrades for hosts without an Alembic of their own, and what there is to ask about them."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import attrs
import sqlalchemy as sa
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import exc

from abandoned_booking.errors import OlderSchema, StoreError, StoreLocked
from abandoned_booking.stores.sqlalchemy._engines import engine_for
from abandoned_booking.stores.sqlalchemy._failures import failure_of, not_connected, of_setting_up
from abandoned_booking.stores.sqlalchemy._schema import SCHEMA
from abandoned_booking.stores.sqlalchemy._setup import CREATION_LOCK, UPGRADE, check
from abandoned_booking.stores.sqlalchemy._types import is_mysql
from abandoned_booking.stores.sqlalchemy.migrations._place import Place
from abandoned_booking.stores.sqlalchemy.migrations._steps import BRANCH

__all__ = ["VERSIONS", "State", "Upgraded", "sql", "state_of", "upgrade"]

VERSIONS: Final = Path(__file__).parent / "versions"
"""for the ``version_locations`` of a host's own Alembic"""

LOCATIONS: tuple[Path, ...] = (VERSIONS,)
_ONE_ALEMBIC: Final = threading.Lock()
"""what its revisions call is one for the whole process"""
ASKS_AGAIN_AFTER: Final = timedelta(seconds=0.1)


@attrs.frozen(kw_only=True)
class Upgraded:
    """What an upgrade has done."""

    before: int
    """the version of the tables; 0: there were none"""
    after: int


@attrs.frozen(kw_only=True)
class State:
    """What the tables are."""

    version: int
    known: int = SCHEMA
    """the version that this code writes"""
    missing: tuple[str, ...]
    """columns and indexes that should be there, and are not"""


def upgrade(
    engine: sa.Engine | str,
    *,
    schema: str | None = None,
    table_prefix: str = Place().table_prefix,
    partitions: int = 0,
    wait_for: timedelta = timedelta(minutes=10),
) -> Upgraded:
    """Create the tables, or move them forward to what this code needs. Workers may go on.

    ``engine`` is one, or the URL for one; ``schema`` and ``table_prefix`` as for the store;
    ``partitions`` as for ``create_all``, and only for tables that are new. Of several that upgrade
    at once one does it and the others wait, for ``wait_for``; nothing is done twice.

    Raises :class:`~abandoned_booking.errors.NotOurDatabase` or ``NewerSchema``, and changes nothing
    then; ``StoreLocked`` if others hold a table or the upgrade for too long, ``StoreError`` for
    whatever the database refuses. What was done until then stays, and the next upgrade goes on
    from there.
    """
    place = Place(schema=schema, table_prefix=table_prefix, partitions=partitions)
    script = _script()
    with _told(), _connected(engine) as connection, _alone(connection, wait_for):
        _refuse_what_is_not_ours(connection, place)
        before = _version(connection, place)
        if connection.dialect.name != "sqlite":
            connection.rollback()  # Alembic has transactions of its own
        # Tables that newer code has made, and this one can work with, stay as they are.
        if before <= _number(script.get_current_head()):
            _run(place, script, connection=connection)
        after = _version(connection, place)
    return Upgraded(before=before, after=after)


def sql(
    url: str,
    *,
    schema: str | None = None,
    table_prefix: str = Place().table_prefix,
    partitions: int = 0,
    since: int = 0,
) -> str:
    """The statements of an upgrade from a version of the tables, for somebody else to run.

    Of the URL only the kind of database counts; nothing is connected to. MariaDB's begins with
    ``mariadb+pymysql://``. The statements look at nothing: they fail on tables that are there.
    """
    script = _script()
    if since not in range(_number(script.get_current_head()) + 1):
        raise StoreError(f"there is no version {since} of the tables")
    place = Place(schema=schema, table_prefix=table_prefix, partitions=partitions)
    written = io.StringIO()
    _run(
        place,
        script,
        as_sql=True,
        literal_binds=True,
        url=engine_for(url).url,
        starting_rev=f"{BRANCH}_{since}" if since else None,
        output_buffer=written,
    )
    return written.getvalue()


def state_of(
    engine: sa.Engine | str, *, schema: str | None = None, table_prefix: str = Place().table_prefix
) -> State:
    """What the tables are, if this code can work with them. Changes nothing.

    Raises :class:`~abandoned_booking.errors.OlderSchema` (which names the upgrade), ``NewerSchema``
    or ``NotOurDatabase`` if it cannot.
    """
    place = Place(schema=schema, table_prefix=table_prefix)
    _refuse_a_file_that_is_not_there(engine)
    with _told(), _connected(engine) as connection:
        check(connection, place.tables(connection.dialect))
        return State(
            version=_version(connection, place), missing=tuple(_missing(connection, place))
        )


@contextmanager
def _connected(engine: sa.Engine | str) -> Iterator[sa.Connection]:
    used = engine_for(engine) if isinstance(engine, str) else engine
    try:
        with _connection(used) as connection:
            yield connection
    finally:
        if used is not engine:
            used.dispose()


def _connection(engine: sa.Engine) -> sa.Connection:
    try:
        return engine.connect()
    except exc.DBAPIError as error:
        raise not_connected(error, engine.url).error(may_be_done=False) from None


def _refuse_a_file_that_is_not_there(engine: sa.Engine | str) -> None:
    """SQLite would make it, and asking makes nothing."""
    url = engine_for(engine).url if isinstance(engine, str) else engine.url
    file = url.database or ""
    is_file = url.get_backend_name() == "sqlite" and not file.startswith((":", "file:"))
    if is_file and file and not Path(file).exists():
        raise OlderSchema(f"there is no file {file}; create the tables: {UPGRADE}")


def _refuse_what_is_not_ours(connection: sa.Connection, place: Place) -> None:
    if place.schema and not sa.inspect(connection).has_schema(place.schema):
        raise StoreError(f"there is no schema {place.schema}; create it first")
    # Missing or older tables are what an upgrade is for.
    with suppress(OlderSchema):
        check(connection, place.tables(connection.dialect))


def _version(connection: sa.Connection, place: Place) -> int:
    versions = place.tables(connection.dialect).schema_version
    if not sa.inspect(connection).has_table(versions.name, schema=place.schema):
        return 0
    return connection.execute(sa.select(sa.func.max(versions.c.version))).scalar() or 0


def _missing(connection: sa.Connection, place: Place) -> Iterator[str]:
    look = sa.inspect(connection)
    for table in place.tables(connection.dialect):
        there = {column["name"] for column in look.get_columns(table.name, schema=place.schema)}
        yield from (f"{table.name}.{c.name}" for c in table.columns if c.name not in there)
        names = {index["name"] for index in look.get_indexes(table.name, schema=place.schema)}
        yield from sorted(str(index.name) for index in table.indexes if index.name not in names)


# ── Alembic ─────────────────────────────────────────────────────────────────────────────────────


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(VERSIONS.parent), version_locations=[str(at) for at in LOCATIONS])


def _number(revision: str | None) -> int:
    return int((revision or "0").rpartition("_")[2])


def _run(place: Place, script: ScriptDirectory, **options: Any) -> None:
    def revisions(current: Any, context: MigrationContext) -> Any:
        del context
        return script._upgrade_revs(f"{BRANCH}@head", current)

    environment = EnvironmentContext(
        place.in_config(), script, fn=revisions, as_sql=options.pop("as_sql", False)
    )
    with _ONE_ALEMBIC, environment:
        environment.configure(
            version_table=place.version_table,
            version_table_schema=place.schema,
            transaction_per_migration=True,
            **options,
        )
        with environment.begin_transaction():
            environment.run_migrations()


# ── one at a time, and what went wrong ──────────────────────────────────────────────────────────


@contextmanager
def _alone(connection: sa.Connection, wait_for: timedelta) -> Iterator[None]:
    """Of several that upgrade one database one is in here."""
    if connection.dialect.name == "sqlite":
        # Its own lock, which also makes the whole upgrade one transaction: Python's driver begins
        # none for a statement that creates something.
        connection.begin()
        if not connection.connection.in_transaction:  # unless the host's engine begins them itself
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.commit()
        return
    take, give = _lock(connection)
    _take(connection, take, wait_for)
    try:
        yield
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(give)
        connection.commit()


def _lock(connection: sa.Connection) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """A lock that the connection holds across transactions: how to take it, and to give it back."""
    if is_mysql(connection.dialect):
        # The name is for the whole server, and has 64 characters at most.
        name = sa.func.concat(f"{BRANCH}_", sa.func.md5(sa.func.database()))
        return sa.select(sa.func.get_lock(name, 0)), sa.select(sa.func.release_lock(name))
    return (
        sa.select(sa.func.pg_try_advisory_lock(CREATION_LOCK)),
        sa.select(sa.func.pg_advisory_unlock(CREATION_LOCK)),
    )


def _take(connection: sa.Connection, take: sa.Select[Any], wait_for: timedelta) -> None:
    # Asked again and again rather than waited for: an index that is made concurrently waits for
    # every open statement, also for one that waits for this lock.
    gives_up_at = time.monotonic() + wait_for.total_seconds()
    while not connection.execute(take).scalar():
        connection.rollback()
        if time.monotonic() > gives_up_at:
            raise StoreLocked("another upgrade of these tables is under way; try again after it")
        time.sleep(ASKS_AGAIN_AFTER.total_seconds())
    connection.commit()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        raise of_setting_up(failure_of(error)) from None
