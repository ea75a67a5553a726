"""What ``abandoned-booking check`` is told of the database: can it keep the store's promise.

Questions only: nothing is written. A level is one of the check's words (``ok``, ``note``,
``warning``, ``problem``); texts hold names of settings and numbers, nothing that is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool

from abandoned_booking.stores.sqlalchemy._connections import Database
from abandoned_booking.stores.sqlalchemy._schema import SCHEMA, Tables
from abandoned_booking.stores.sqlalchemy._setup import has_full_text, skips_locked, version_of
from abandoned_booking.stores.sqlalchemy._types import Instant, is_mysql

__all__ = ["checkup"]

_Found: TypeAlias = Iterator[tuple[str, str]]

_USUAL_THREADS: Final = 8
"""``send_threads`` of an AbandonedBookings that is told nothing"""
_AN_INSTANT: Final = datetime(2026, 7, 1, 12, 34, 56, 789_012, tzinfo=UTC)


def checkup(database: Database, tables: Tables) -> list[tuple[str, str]]:
    """What is to be said of the database, as pairs of level and text.

    Raises what every call of the store raises if the database cannot be used at all.
    """

    def look(connection: sa.Connection, _: bool) -> list[tuple[str, str]]:
        found = [*_server(connection, tables)]
        if database.dialect == "postgresql":
            found += [*_postgresql(connection, tables, database.is_lazy)]
        elif is_mysql(connection.dialect):
            found += [*_mysql(connection, tables)]
        else:
            found += [*_sqlite(connection, tables)]
        return found

    return [*database.run(look), *_pool(database.engine.pool)]


def _server(connection: sa.Connection, tables: Tables) -> _Found:
    name, version = version_of(connection)
    numbers = ".".join(map(str, version))
    driver = connection.dialect.driver
    found = connection.scalar(sa.select(sa.func.max(tables.schema_version.c.version)))
    yield "ok", f"{name} {numbers} through {driver}; tables of version {found}, {SCHEMA} is needed"
    if not skips_locked(connection.dialect):
        yield "note", f"{name} {numbers} has no SKIP LOCKED: sweeps at the same time wait in turn"
    if name != "SQLite" and not _keeps_instants(connection):
        yield "problem", "an instant came back changed: look at the driver's options"


def _keeps_instants(connection: sa.Connection) -> bool:
    sent = sa.cast(sa.literal(_AN_INSTANT, Instant()), Instant())
    return connection.scalar(sa.select(sent)) == _AN_INSTANT


def _pool(pool: sa.Pool) -> _Found:
    enough = _USUAL_THREADS + 1
    if isinstance(pool, NullPool):
        yield "note", "the engine has no pool (NullPool): every call opens a connection"
    if not isinstance(pool, QueuePool):
        return
    overflow = pool._max_overflow
    most = pool.size() + overflow
    if overflow >= 0 and most < enough:
        text = (
            f"the engine has {most} connections at most: a sweep needs one for each of its "
            f"send_threads ({_USUAL_THREADS}, unless told), and your own code needs some; give "
            "create_engine a larger pool_size"
        )
        yield "warning", text
    else:
        number = "any number of" if overflow < 0 else str(most)
        yield "ok", f"the engine has up to {number} connections"


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────


def _postgresql(connection: sa.Connection, tables: Tables, is_lazy: bool) -> _Found:
    def setting(name: str) -> str:
        return str(connection.scalar(sa.select(sa.func.current_setting(name))))

    yield from _commits(is_lazy, setting("synchronous_commit"))
    if setting("fsync") == "off":
        yield "problem", "fsync is off: a crash of the machine loses what was told to be saved"
    if setting("full_page_writes") == "off":
        yield "warning", "full_page_writes is off: a crash of the machine may damage the tables"
    if connection.scalar(sa.select(sa.func.pg_is_in_recovery())):
        yield "problem", "it is a standby, which takes no writes; connect to the primary"
    elif setting("transaction_read_only") == "on":
        yield "problem", "this user's transactions are read-only; connect as one who may write"
    if lacking := [*_rights_lacking(connection, tables)]:
        yield "problem", f"this user may not {'; '.join(lacking)}: GRANT it"
    yield from _replication(connection, setting("synchronous_standby_names"))


def _commits(is_lazy: bool, synchronous_commit: str) -> _Found:
    if is_lazy:
        text = (
            "synchronous_commit is off for this user; the store turns it on for its own writes, "
            "which costs each call three more ways to the server and back: leave it on"
        )
        yield "warning", text
    else:
        yield "ok", f"synchronous_commit is {synchronous_commit}"


def _replication(connection: sa.Connection, synchronous: str) -> _Found:
    standbys = connection.scalar(sa.text("SELECT count(*) FROM pg_stat_replication"))
    if standbys and not synchronous:
        text = (
            f"standbys ({standbys}) follow without being waited for: one that takes over may not "
            "know of the last messages that went out (synchronous_standby_names is empty)"
        )
        yield "note", text


def _rights_lacking(connection: sa.Connection, tables: Tables) -> Iterator[str]:
    quoted = connection.dialect.identifier_preparer.format_table
    for table in tables:
        is_read_only = table is tables.schema_version
        verbs = ["SELECT"] if is_read_only else ["SELECT", "INSERT", "UPDATE", "DELETE"]
        may = [sa.func.has_table_privilege(quoted(table), verb) for verb in verbs]
        answers: Any = connection.execute(sa.select(*may)).one()
        lacking = [verb for verb, answer in zip(verbs, answers, strict=True) if not answer]
        if lacking:
            yield f"{', '.join(lacking)} {table.name}"


# ── MariaDB and MySQL ───────────────────────────────────────────────────────────────────────────


def _mysql(connection: sa.Connection, tables: Tables) -> _Found:
    def variable(name: str) -> str:
        # An empty answer: not every version has every variable.
        row = connection.execute(sa.text("SHOW VARIABLES LIKE :name"), {"name": name}).first()
        return "" if row is None else str(row[1])

    flushes = variable("innodb_flush_log_at_trx_commit")
    if flushes == "1":
        yield "ok", "innodb_flush_log_at_trx_commit is 1"
    else:
        text = (
            f"innodb_flush_log_at_trx_commit is {flushes}: a crash of the machine loses the last "
            "second of what was told to be saved; set it to 1"
        )
        yield "problem", text
    has_log = variable("log_bin") == "ON"
    if has_log and variable("sync_binlog") != "1":
        yield "note", "sync_binlog is not 1: after a crash replicas may know more than it, or less"
    if has_log and variable("binlog_format") == "STATEMENT":
        yield "problem", "binlog_format is STATEMENT, which refuses the store's writes; set MIXED"
    if "ON" in {variable("read_only"), variable("innodb_read_only")}:
        yield "problem", "it takes no writes (read_only); connect to the primary"
    if others := [*_engines_unfit(connection, tables)]:
        yield "problem", f"{', '.join(others)}: only InnoDB commits all of a request or nothing"


def _engines_unfit(connection: sa.Connection, tables: Tables) -> Iterator[str]:
    asked = sa.text(
        "SELECT table_name, engine FROM information_schema.tables "
        "WHERE table_schema = coalesce(:of, database())"
    )
    names = {table.name for table in tables}
    for name, engine in connection.execute(asked, {"of": tables.requests.schema}):
        if name in names and str(engine).lower() != "innodb":
            yield f"{name} is a table of {engine}"


# ── SQLite ──────────────────────────────────────────────────────────────────────────────────────


def _sqlite(connection: sa.Connection, tables: Tables) -> _Found:
    def pragma(name: str) -> Any:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    synchronous, journal = pragma("synchronous"), str(pragma("journal_mode")).lower()
    if synchronous == 0 or journal in {"off", "memory"}:
        yield "problem", "synchronous or journal_mode is off: a crash may damage the file"
    elif synchronous == 1:
        yield "warning", "synchronous is NORMAL: a crash of the machine may lose the last commits"
    else:
        yield "ok", f"every commit is synced; journal_mode is {journal}"
    if journal not in {"wal", "off", "memory"}:
        yield "note", "readers and writers wait for each other: PRAGMA journal_mode = WAL ends that"
    if not has_full_text(connection, tables.search):
        yield "note", "this SQLite has no FTS5: a search walks through the texts of a business"
