"""What the check is told of a database that cannot keep the store's promise, or can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from servers import MariaDbServer, PostgresServer
from servers.fixtures import or_skipped

from abandoned_booking.errors import OlderSchema
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.testing.checkup import Level, check_up
from abandoned_booking.wiring import AbandonedBookings


@contextmanager
def _store(url: str | sa.URL, **options: Any) -> Iterator[SqlAlchemyStore]:
    engine = sa.create_engine(url, **options)
    try:
        store = SqlAlchemyStore(engine)
        store.create_all()
        yield store
    finally:
        engine.dispose()


def _told(store: SqlAlchemyStore, *levels: str) -> str:
    """What is said at these levels, without the server's own faults: its disk is no disk."""
    found = [(level, text) for level, text in store.checkup() if "fsync" not in text]
    return "\n".join(text for level, text in found if level in levels)


_BAD = ("warning", "problem")


@pytest.fixture(scope="module")
def synced_postgres() -> Iterator[PostgresServer]:
    with ExitStack() as stack:
        with or_skipped("postgres"):
            server = stack.enter_context(PostgresServer(fsync=True))
        yield server


def test_a_sound_postgresql_has_no_problem(synced_postgres: PostgresServer) -> None:
    with _store(synced_postgres.url) as store:
        found = store.checkup()
        assert {level for level, _ in found} == {"ok"}
        texts = "\n".join(text for _, text in found)
        assert "PostgreSQL " in texts
        assert "through psycopg; tables of version 1, 1 is needed" in texts
        assert "synchronous_commit is on" in texts
        assert "up to 15 connections" in texts


def test_the_check_hears_it(synced_postgres: PostgresServer) -> None:
    with _store(synced_postgres.url, pool_size=1, max_overflow=0) as store:
        found = check_up(AbandonedBookings(store)).findings
        told = {(finding.level, finding.about) for finding in found if "pool_size" in finding.text}
        assert told == {(Level.WARNING, "store")}
        assert not [finding for finding in found if "checkup raised" in finding.text]


@pytest.mark.parametrize(
    ("options", "level", "text"),
    [
        ({"connect_args": {"options": "-c synchronous_commit=off"}}, "warning", "turns it on"),
        ({"pool_size": 3, "max_overflow": 5}, "warning", "8 connections at most"),
        ({"pool_size": 3, "max_overflow": 6}, "ok", "up to 9 connections"),
        ({"max_overflow": -1}, "ok", "any number of connections"),
        ({"poolclass": sa.NullPool}, "note", "no pool"),
        (
            {"connect_args": {"options": "-c default_transaction_read_only=on"}},
            "problem",
            "transactions are read-only",
        ),
    ],
)
def test_what_an_engine_lacks_is_found_on_postgresql(
    synced_postgres: PostgresServer, options: dict[str, Any], level: str, text: str
) -> None:
    with _store(synced_postgres.url):
        pass
    engine = sa.create_engine(synced_postgres.url, **options)
    assert text in _told(SqlAlchemyStore(engine), level)
    engine.dispose()


def test_rights_that_a_user_lacks_are_found(synced_postgres: PostgresServer) -> None:
    user = f"user_{token_hex(4)}"
    with _store(synced_postgres.url):
        synced_postgres.execute(f"CREATE ROLE {user} LOGIN")
        synced_postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
        synced_postgres.execute(f"GRANT INSERT ON abandoned_booking_queue TO {user}")
    engine = sa.create_engine(sa.make_url(synced_postgres.url).set(username=user))
    told = _told(SqlAlchemyStore(engine), "problem")
    engine.dispose()
    assert "INSERT, UPDATE, DELETE abandoned_booking_requests" in told
    assert "; UPDATE, DELETE abandoned_booking_queue" in told
    assert "schema_version" not in told


def test_a_server_that_syncs_nothing_is_found(postgres_url: str, mariadb_url: str) -> None:
    with _store(postgres_url) as store:
        texts = [text for level, text in store.checkup() if level == "problem"]
        assert any("fsync is off" in text for text in texts)
        assert any("full_page_writes is off" in text for _, text in store.checkup())
    with _store(mariadb_url) as store:
        assert "innodb_flush_log_at_trx_commit is 2: a crash" in _told(store, "problem")


def test_a_standby_is_found(synced_postgres: PostgresServer) -> None:
    with _store(synced_postgres.url):
        pass
    signal = synced_postgres.folder / "data" / "standby.signal"
    signal.touch()
    try:
        synced_postgres.restart()
        engine = sa.create_engine(synced_postgres.url)
        assert "standby, which takes no writes" in _told(SqlAlchemyStore(engine), "problem")
        engine.dispose()
    finally:
        signal.unlink()
        synced_postgres.restart()


def test_standbys_that_nobody_waits_for_are_noted(synced_postgres: PostgresServer) -> None:
    with _store(synced_postgres.url) as store:
        assert _told(store, "note") == ""
        with psycopg.connect(
            host=str(synced_postgres.folder), user="postgres", replication="true", autocommit=True
        ):
            assert "standbys (1) follow without being waited for" in _told(store, "note")


def test_mariadb_is_looked_at(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with or_skipped("mariadb"):
            server = stack.enter_context(MariaDbServer(fsync=True))
        url = server.new_database("salon")
        with _store(url) as store:
            assert _told(store, *_BAD) == ""
            assert "innodb_flush_log_at_trx_commit is 1" in _told(store, "ok")
            with store._database.engine.connect() as connection:
                connection.execute(
                    sa.text("ALTER TABLE abandoned_booking_settings ENGINE = MyISAM")
                )
            assert "abandoned_booking_settings is a table of MyISAM: only" in _told(
                store, "problem"
            )
            server.execute("SET GLOBAL read_only = 1")
            assert "takes no writes (read_only)" in _told(store, "problem")


def test_the_tables_are_of_the_kind_that_commits_as_a_whole(mariadb_database: str) -> None:
    other = {"init_command": "SET default_storage_engine = MyISAM"}
    with _store(mariadb_database, connect_args=other) as store:
        assert "MyISAM" not in _told(store, "problem")


@pytest.mark.parametrize(
    ("pragma", "level", "text"),
    [
        ("synchronous = FULL", "ok", "every commit is synced; journal_mode is delete"),
        ("synchronous = NORMAL", "warning", "may lose the last commits"),
        ("synchronous = OFF", "problem", "may damage the file"),
        ("journal_mode = MEMORY", "problem", "may damage the file"),
        ("journal_mode = DELETE", "note", "journal_mode = WAL ends that"),
        ("journal_mode = WAL", "ok", "journal_mode is wal"),
    ],
)
def test_a_file_is_looked_at(tmp_path: Path, pragma: str, level: str, text: str) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'bookings.db'}")

    @sa.event.listens_for(engine, "connect")
    def choose(connection: Any, _: object) -> None:
        connection.execute(f"PRAGMA {pragma}").close()

    store = SqlAlchemyStore(engine)
    store.create_all()
    assert text in _told(store, level)
    assert "SQLite 3." in _told(store, "ok")
    assert "no SKIP LOCKED" in _told(store, "note")
    engine.dispose()


def test_a_database_without_tables_is_an_error_as_in_every_call(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'bookings.db'}")
    store = SqlAlchemyStore(engine)
    with pytest.raises(OlderSchema, match="db upgrade"):
        store.checkup()
    found = check_up(AbandonedBookings(store)).findings
    assert any("checkup raised OlderSchema: there is no table" in f.text for f in found)
    engine.dispose()
