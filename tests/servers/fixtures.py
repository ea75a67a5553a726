"""Databases for tests, as fixtures; loaded by the tests' conftest.

Each worker of pytest-xdist has servers of its own: one is ready in less than a second, and nothing
is shared that would need a lock. They do not sync to the disk; for tests of what a crash of the
machine leaves, start a ``PostgresServer`` yourself.

=====================  =======  ====================================================================
``postgres``           session  the server: makes and drops databases
``postgres_url``       session  a database for all tests of this worker
``postgres_engine``    session  an engine on it
``empty_postgres``     test     the same engine; no table has a row but ``..._version``
``postgres_database``  test     the URL of a database of its own, with nothing in it
=====================  =======  ====================================================================

The same for ``mariadb``; ``sql_engine`` is, test by test, one on each, and on a file of SQLite.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final

import pytest
import sqlalchemy as sa

from servers._server import Databases, ServerUnavailable
from servers.mariadb import MariaDbServer
from servers.postgres import GivenPostgres, PostgresServer

GIVEN: Final = "ABANDONED_BOOKING_TEST_POSTGRES"
REQUIRE: Final = "ABANDONED_BOOKING_TEST_REQUIRE"
_PATIENCE_SECONDS: Final = 30
KINDS: Final = frozenset({"postgres", "mariadb"})


def required() -> frozenset[str]:
    """What must not be skipped."""
    named = frozenset(filter(None, os.environ.get(REQUIRE, "").replace(" ", "").split(",")))
    if unknown := named - KINDS:
        raise pytest.UsageError(
            f"{REQUIRE} names {', '.join(sorted(unknown))}; it knows {', '.join(sorted(KINDS))}"
        )
    return named


@contextmanager
def or_skipped(kind: str) -> Iterator[None]:
    """Skip where there is no such server, or fail where one is required."""
    try:
        yield
    except ServerUnavailable as missing:
        if kind in required():
            pytest.fail(f"{REQUIRE} asks for {kind}: {missing}", pytrace=False)
        pytest.skip(str(missing))


_AT_WORK: Final = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
    "AND backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()",
    "mariadb": "SELECT id FROM information_schema.processlist WHERE db = database() "
    "AND command <> 'Sleep' AND id <> connection_id()",
}


def empty(engine: sa.Engine) -> None:
    """Delete every row of every table, except of those that say which version the tables are.

    A tenth of the time that TRUNCATE takes, which makes new files. Nobody is at work any more: what
    a process that a test has killed asked for last may still be running when the next one begins.
    """
    with engine.connect() as connection:
        at_work = sa.text(_AT_WORK["postgresql" if engine.name == "postgresql" else "mariadb"])
        patience_ends_at = time.monotonic() + _PATIENCE_SECONDS
        while connection.scalars(at_work).first() is not None:
            assert time.monotonic() < patience_ends_at, "another test's statement does not end"
            connection.rollback()  # to see the list as it is by then
            time.sleep(0.005)
    with engine.begin() as connection:
        quoted = connection.dialect.identifier_preparer.quote
        for table in sa.inspect(connection).get_table_names():
            if not table.endswith("_version"):
                connection.exec_driver_sql(f"DELETE FROM {quoted(table)}")


@contextmanager
def _database(server: Databases) -> Iterator[str]:
    # A server that was given may serve other runs at the same time.
    name = f"abandoned_booking_test_{token_hex(8)}"
    try:
        yield server.new_database(name)
    finally:
        server.drop_database(name)


@contextmanager
def _engine(url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """The PostgreSQL of this worker, or the one that was named."""
    if url := os.environ.get(GIVEN):
        yield GivenPostgres(url)
        return
    with ExitStack() as stack:
        with or_skipped("postgres"):
            server = stack.enter_context(PostgresServer(fsync=False))
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Databases]:
    """The MariaDB of this worker."""
    with ExitStack() as stack:
        with or_skipped("mariadb"):
            server = stack.enter_context(MariaDbServer(fsync=False))
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres: Databases) -> Iterator[str]:
    """A database for all tests of this worker."""
    with _database(postgres) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url(mariadb: Databases) -> Iterator[str]:
    """A database for all tests of this worker."""
    with _database(mariadb) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_engine(postgres_url: str) -> Iterator[sa.Engine]:
    """An engine on it."""
    with _engine(postgres_url) as engine:
        yield engine


@pytest.fixture(scope="session")
def mariadb_engine(mariadb_url: str) -> Iterator[sa.Engine]:
    """An engine on it."""
    with _engine(mariadb_url) as engine:
        yield engine


@pytest.fixture
def empty_postgres(postgres_engine: sa.Engine) -> sa.Engine:
    """The same engine; no table has a row."""
    empty(postgres_engine)
    return postgres_engine


@pytest.fixture
def empty_mariadb(mariadb_engine: sa.Engine) -> sa.Engine:
    """The same engine; no table has a row."""
    empty(mariadb_engine)
    return mariadb_engine


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def sql_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """Each database in turn; no table has a row."""
    if request.param != "sqlite":
        yield request.getfixturevalue(f"empty_{request.param}")
        return
    with _engine(f"sqlite:///{tmp_path / 'bookings.db'}") as engine:
        yield engine


@pytest.fixture
def postgres_database(postgres: Databases) -> Iterator[str]:
    """The URL of a database of its own, with nothing in it."""
    with _database(postgres) as url:
        yield url


@pytest.fixture
def mariadb_database(mariadb: Databases) -> Iterator[str]:
    """The URL of a database of its own, with nothing in it."""
    with _database(mariadb) as url:
        yield url
