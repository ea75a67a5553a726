"""What is wrong with a database, an engine or a value is said in one error with the way out.

Nothing is changed then, and nothing that was stored or typed is in any error or log: not in its
text, its cause or its context.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import attrs
import psycopg
import pytest
import sqlalchemy as sa
from servers import PostgresServer
from servers.fixtures import or_skipped
from sqlalchemy.orm import Session
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import AbandonedRequest, BookingForm, Person, Pet
from abandoned_booking.errors import (
    InvalidInput,
    NewerSchema,
    NotOurDatabase,
    OlderSchema,
    StoreError,
    StoreReadOnly,
    StoreUnavailable,
)
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore, _connections
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

_NOW = LEFT_AT + timedelta(days=1)
_UNTIL = _NOW + timedelta(minutes=2)
_AT_ONCE = timedelta(0)
_A_DAY = timedelta(days=1)
_PASSWORD = "sesame-9#"
CANARIES = ("Zaphod", "Quetzal", "5550177", "canary@", "Nightingale", _PASSWORD, "sesame")

_FORM = BookingForm(
    person=Person(
        first_name="Zaphod", last_name="Quetzal", phone="(212) 555-0177", email="canary@nest.com"
    ),
    pets=(Pet(name="Nightingale"),),
)


def _a_canary(**changes: Any) -> AbandonedRequest:
    return a_request(form=_FORM, client_id="c1", next_action_at=_NOW, **changes)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    left = [error]
    while left:
        error = left.pop()
        if error is not None and error not in seen:
            seen.append(error)
            left += [error.__cause__, error.__context__]
            yield error


def _is_quiet(error: BaseException) -> bool:
    """Whether nothing of anybody's is in an error, nor in what led to it."""
    told = [f"{one!r} {one} {one.__dict__}" for one in _chain(error)]
    return not any(canary.casefold() in text.casefold() for text in told for canary in CANARIES)


@contextmanager
def _told(kind: type[Exception], match: str) -> Iterator[None]:
    """One clear error, in one line, that gives nothing away."""
    with pytest.raises(kind, match=match) as caught:
        yield
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert _is_quiet(caught.value)


# ── a URL ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "not a database URL; write it like"),
        (f"postgresql:{_PASSWORD}", "not a database URL; write it like"),
        (f"postgresql+psycopg://ann:{_PASSWORD}@db:port/salon", "not a database URL"),
        (None, "not a database URL"),
        (f"foo://ann:{_PASSWORD}@db/salon", r"no database of that kind; use postgresql\+psycopg"),
        (f"postgresql+foo://ann:{_PASSWORD}@db/salon", "no database of that kind"),
        (f"mssql+pyodbc://ann:{_PASSWORD}@db/salon", "driver pyodbc is missing; install it, or"),
        ("sqlite://", "in memory belongs to one connection; .* MemoryStore"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file:x:memory:?cache=shared&uri=true", "in memory"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_and_not_repeated(url: Any, told: str) -> None:
    with _told(StoreError, told):
        SqlAlchemyStore.from_url(url)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://db/salon", "postgresql+psycopg"),
        ("postgresql://db/salon", "postgresql+psycopg"),
        ("mariadb://db/salon", "mariadb+pymysql"),
        ("mysql://db/salon", "mysql+pymysql"),
        ("mysql+pymysql://db/salon", "mysql+pymysql"),
    ],
)
def test_a_url_that_names_no_driver_gets_ours(url: str, driver: str) -> None:
    assert repr(SqlAlchemyStore.from_url(url)) == f"SqlAlchemyStore('{driver}://db/salon')"


def test_a_stores_repr_has_no_password() -> None:
    url = f"postgresql+psycopg://ann:{_PASSWORD.replace('#', '%23')}@db/salon?password=sesame"
    told = repr(SqlAlchemyStore.from_url(url))
    assert "db/salon" in told
    assert not any(canary in told for canary in CANARIES)


@pytest.mark.parametrize(
    ("missing", "statement", "told"),
    [
        ("sqlalchemy", "", "ImportError: .*pip install 'abandoned-booking[sql]'"),
        (
            "psycopg",
            "SqlAlchemyStore.from_url('postgresql+psycopg://db/salon')",
            "driver psycopg is missing; pip install 'abandoned-booking[sql]'",
        ),
        (
            "pymysql",
            "SqlAlchemyStore.from_url('mariadb+pymysql://db/salon')",
            "driver pymysql is missing; pip install 'abandoned-booking[mysql]'",
        ),
    ],
)
def test_what_is_not_installed_names_the_extra(missing: str, statement: str, told: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore\n{statement}"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert told.partition(": .*")[2] in last or told in last


# ── an engine ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'bookings.db'}"


def test_something_else_than_an_engine_is_refused(file: str) -> None:
    engine = sa.create_engine(file)
    with engine.connect() as connection, Session(engine) as session:
        for given, told in (
            (f"postgresql://ann:{_PASSWORD}@db/salon", "type str: .*; use .*from_url"),
            (sa.make_url(f"postgresql://ann:{_PASSWORD}@db/salon"), "type URL: .*; use .*from_url"),
            (connection, "type Connection: .*; give it connection.engine"),
            (session, r"type Session: .*; give it create_engine\(\.\.\.\)"),
            (None, "type NoneType: .*"),
        ):
            with _told(StoreError, f"needs an Engine.*{told}"):
                SqlAlchemyStore(given)  # type: ignore[arg-type]
    engine.dispose()


@pytest.mark.parametrize("pool", [StaticPool, SingletonThreadPool])
def test_an_engine_that_shares_its_connections_is_refused(file: str, pool: type[sa.Pool]) -> None:
    with _told(StoreError, f"shares its connections .{pool.__name__}.*; leave out poolclass"):
        SqlAlchemyStore(sa.create_engine(file, poolclass=pool))


def test_an_asynchronous_engine_is_refused() -> None:
    with _told(StoreError, "synchronous Engine.*; give it an engine of its own"):
        SqlAlchemyStore(sa.create_engine("postgresql+psycopg_async://db/salon"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mssql+pymssql://db/salon", "PostgreSQL, MariaDB, MySQL and SQLite, not on mssql"),
        ("postgresql+pg8000://db/salon", "needs psycopg 3, not pg8000; .*abandoned-booking.sql."),
    ],
)
def test_a_database_or_driver_that_is_not_supported_is_refused(url: str, told: str) -> None:
    # As little of a driver as SQLAlchemy asks for; we have neither of them.
    driver: Any = SimpleNamespace(paramstyle="pyformat", __version__="2.0.0")
    with _told(StoreError, told):
        SqlAlchemyStore(sa.create_engine(url, module=driver))


@pytest.mark.parametrize("prefix", ["x" * 41, "a b", "é_", "a;drop", "a%", 'a"', 5])
def test_a_prefix_that_makes_no_names_is_refused(file: str, prefix: Any) -> None:
    with _told(StoreError, "table_prefix must be of the letters"):
        SqlAlchemyStore(sa.create_engine(file), table_prefix=prefix)


def test_a_metadata_that_is_none_is_refused(file: str) -> None:
    with _told(StoreError, "Base.metadata"):
        SqlAlchemyStore(sa.create_engine(file), metadata=object())  # type: ignore[arg-type]


def test_a_metadata_with_other_tables_of_these_names_is_refused(file: str) -> None:
    engine = sa.create_engine(file)
    theirs = sa.MetaData()
    sa.Table("abandoned_booking_queue", theirs)
    with _told(StoreError, "not this store's .*; make the store before you reflect"):
        SqlAlchemyStore(engine, metadata=theirs)
    SqlAlchemyStore(engine).create_all()
    reflected = sa.MetaData()
    reflected.reflect(engine)
    with _told(StoreError, "not this store's"):
        SqlAlchemyStore(engine, metadata=reflected)
    of_another_kind = sa.MetaData()
    SqlAlchemyStore(sa.create_engine("postgresql+psycopg://db/salon"), metadata=of_another_kind)
    with _told(StoreError, "on another kind of database"):
        SqlAlchemyStore(engine, metadata=of_another_kind)
    engine.dispose()


# ── a server that lets nobody in ────────────────────────────────────────────────────────────────


@contextmanager
def _store(url: str | sa.URL, **options: Any) -> Iterator[SqlAlchemyStore]:
    engine = sa.create_engine(url, **options)
    try:
        yield SqlAlchemyStore(engine, retry_for=_AT_ONCE)
    finally:
        engine.dispose()


def test_wrong_passwords_users_and_databases_are_told_of_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_connections, "sleep", _never)
    with ExitStack() as stack:
        with or_skipped("postgres"):
            server = stack.enter_context(PostgresServer(fsync=False))
        server.execute(f"CREATE ROLE ann LOGIN PASSWORD '{_PASSWORD}'")
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text("local all postgres trust\nlocal all ann scram-sha-256\n")
        server.execute("SELECT pg_reload_conf()")
        at = sa.make_url(server.url)
        for url, told in (
            (at.set(username="ann", password="sesame-wrong"), "password authentication failed"),
            (at.set(username="ann"), "no password supplied"),
            (at.set(username="bob", password=_PASSWORD), "no pg_hba.conf entry"),
            (at.set(database="nowhere"), '"nowhere" does not exist'),
            (at.update_query_dict({"colour": "red"}), "invalid connection option"),
        ):
            with _told(StoreUnavailable, rf"lets nobody in.*{told}.*check user, password, host"):
                _ask(url)
        with _told(OlderSchema, "no table"):
            _ask(at.set(username="ann", password=_PASSWORD))


def test_mariadb_lets_nobody_in_with_a_wrong_password_either(
    mariadb_url: str, mariadb_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connections, "sleep", _never)
    with mariadb_engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE USER ann@'%%' IDENTIFIED BY '{_PASSWORD}'")
    at = sa.make_url(mariadb_url)
    try:
        for url, told in (
            (at.set(username="ann", password="sesame-wrong"), "Access denied for user 'ann'"),
            (at.set(username="ann", password=_PASSWORD), "Access denied for user 'ann'.*database"),
            (at.set(database="nowhere"), "Unknown database 'nowhere'"),
        ):
            with _told(StoreUnavailable, rf"lets nobody in.*{told}.*check user, password, host"):
                _ask(url)
    finally:
        with mariadb_engine.connect() as connection:
            connection.exec_driver_sql("DROP USER ann@'%%'")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+psycopg://ann:{}@127.0.0.1:1/salon", "Connection refused"),
        ("postgresql+psycopg://ann:{}@/salon?host=/nowhere", "No such file"),
        ("mariadb+pymysql://ann:{}@127.0.0.1:1/salon", "Connection refused"),
        ("sqlite:////nowhere/bookings.db", "unable to open database file"),
    ],
)
def test_a_server_that_is_not_there_is_told_of(url: str, told: str) -> None:
    with _told(StoreUnavailable, rf"cannot be reached \(.*{told}.*\); nothing was changed"):
        _ask(sa.make_url(url.format("sesame")), retry_for=_AT_ONCE)


def test_a_password_that_a_driver_repeats_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # No driver does; but they are many.
    url = sa.make_url("postgresql+psycopg://ann:se%23same@127.0.0.1:1/salon")

    def echo(*_: object, **options: object) -> None:
        raise psycopg.OperationalError(f"cannot connect with {options['password']}")

    monkeypatch.setattr(psycopg.Connection, "connect", echo)
    monkeypatch.setattr(psycopg, "connect", echo)
    with _told(StoreUnavailable, r"cannot be reached \(OperationalError\)"):
        _ask(url, retry_for=_AT_ONCE)


def _ask(url: sa.URL, retry_for: timedelta = timedelta(minutes=1)) -> None:
    engine = sa.create_engine(url)
    try:
        SqlAlchemyStore(engine, retry_for=retry_for).get("paws", "r1")
    finally:
        engine.dispose()


def _never(seconds: float) -> None:
    pytest.fail(f"waited {seconds} seconds")


def test_an_engine_without_a_free_connection_is_told_of(file: str) -> None:
    engine = sa.create_engine(file, pool_size=1, max_overflow=0, pool_timeout=0.01)
    store = SqlAlchemyStore(engine)
    store.create_all()
    with engine.connect(), _told(StoreUnavailable, "no connection free.*pool_size.*nothing was"):
        store.add(_a_canary())
    assert store.add(_a_canary())
    engine.dispose()


# ── tables that are not there, not ours, or not of this version ─────────────────────────────────

_VERSIONS = "abandoned_booking_schema_version"


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """A database of its own, with nothing in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'bookings.db'}"
    else:
        url = request.getfixturevalue(f"{request.param}_database")
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def _content(engine: sa.Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        quoted = connection.dialect.identifier_preparer.quote
        return {
            name: [*map(tuple, connection.exec_driver_sql(f"SELECT * FROM {quoted(name)}"))]
            for name in sa.inspect(connection).get_table_names()
        }


def _calls(store: SqlAlchemyStore) -> Iterator[Callable[[], object]]:
    """One call of every kind."""
    yield lambda: store.add(_a_canary())
    yield lambda: store.get("paws", "r1")
    yield lambda: store.save(_a_canary(), expected_version=1)
    yield lambda: store.claim_due(now=_NOW, until=_UNTIL, limit=5)
    yield lambda: store.page("paws", ListQuery(text="zaphod"), now=_NOW)
    yield lambda: [*store.stream("paws")]
    yield lambda: store.all_of_person("paws", _FORM.person)
    yield lambda: store.settings.put(BusinessSettings(business_id="paws", name="Paws"))
    yield lambda: store.suppressions.contains("paws", "k")
    yield lambda: store.ledger.reserve("paws", "p", owner="o", at=_NOW, not_within=_AT_ONCE)


def test_missing_tables_name_the_command_that_makes_them(database: sa.Engine) -> None:
    store = SqlAlchemyStore(database)
    for call in _calls(store):
        told = "no table abandoned_booking_requests .*: abandoned-booking db upgrade --url"
        with _told(OlderSchema, told):
            call()
    assert _content(database) == {}
    store.create_all()
    assert store.add(_a_canary()), "it looks again"


def test_what_a_reporter_of_errors_shows_beside_our_lines_holds_nobody(
    database: sa.Engine,
) -> None:
    shown = []
    for call in _calls(SqlAlchemyStore(database)):
        with pytest.raises(OlderSchema) as caught:
            call()
        for frame, _ in traceback.walk_tb(caught.tb):
            if "stores/sqlalchemy/" in frame.f_code.co_filename:
                shown += [f"{name}={value!r}" for name, value in frame.f_locals.items()]
    assert shown
    told = [text for text in shown for canary in CANARIES if canary.lower() in text.lower()]
    assert not told


def test_the_command_names_schema_and_prefix(postgres_database: str) -> None:
    engine = sa.create_engine(postgres_database)
    store = SqlAlchemyStore(engine, schema="salon", table_prefix="ab_")
    with _told(OlderSchema, r"salon\.ab_requests .* --schema salon --table-prefix 'ab_'"):
        store.get("paws", "r1")
    with _told(StoreError, "no such schema; create it first"):
        store.create_all()
    engine.dispose()


def test_older_tables_name_the_command_that_upgrades_them(database: sa.Engine) -> None:
    SqlAlchemyStore(database).create_all()
    with database.begin() as connection:
        connection.execute(sa.text(f"DELETE FROM {_VERSIONS}"))
    before = _content(database)
    for call in (*_calls(SqlAlchemyStore(database)), SqlAlchemyStore(database).create_all):
        with _told(OlderSchema, "are of version 0, .* upgrade them: abandoned-booking db upgrade"):
            call()
    assert _content(database) == before


def test_newer_tables_that_need_newer_code_are_refused(database: sa.Engine) -> None:
    SqlAlchemyStore(database).create_all()
    with database.begin() as connection:
        connection.execute(sa.text(f"INSERT INTO {_VERSIONS} (version, needs) VALUES (999, 998)"))
    before = _content(database)
    for call in (*_calls(SqlAlchemyStore(database)), SqlAlchemyStore(database).create_all):
        with _told(NewerSchema, "version 999 and need .* 998; .* upgrade abandoned-booking"):
            call()
    assert _content(database) == before


def test_newer_tables_that_this_code_can_work_with_are_worked_with(database: sa.Engine) -> None:
    SqlAlchemyStore(database).create_all()
    with database.begin() as connection:
        connection.execute(sa.text(f"INSERT INTO {_VERSIONS} (version, needs) VALUES (999, 1)"))
    assert SqlAlchemyStore(database).add(_a_canary())


_THEIRS = {
    "one_": "requests (x INTEGER)",
    "two_": "settings (business_id VARCHAR(9), document VARCHAR(9))",
    "three_": "schema_version (x INTEGER)",
    "four_": "schema_version (version VARCHAR(9), needs VARCHAR(9))",
}


def test_tables_of_our_names_that_are_not_ours_stay_as_they_are(database: sa.Engine) -> None:
    with database.begin() as connection:
        for prefix, table in _THEIRS.items():
            connection.execute(sa.text(f"CREATE TABLE {prefix}{table}"))
            name, _, columns = table.partition(" ")
            values = ", ".join(["'1'"] * (columns.count(",") + 1))
            connection.execute(sa.text(f"INSERT INTO {prefix}{name} VALUES ({values})"))
    before = _content(database)
    for prefix in _THEIRS:
        store = SqlAlchemyStore(database, table_prefix=prefix)
        for call in (*_calls(store), store.create_all):
            with _told(NotOurDatabase, "belongs to something else.*; choose another table_prefix"):
                call()
    assert _content(database) == before


def test_a_column_that_is_missing_names_the_command_that_finds_it(database: sa.Engine) -> None:
    store = SqlAlchemyStore(database)
    store.create_all()
    assert store.add(_a_canary())
    with database.begin() as connection:
        connection.execute(sa.text("ALTER TABLE abandoned_booking_queue DROP COLUMN write_id"))
    for _ in range(2):
        with _told(StoreError, "lack something .* abandoned-booking db check"):
            store.save(_a_canary(), expected_version=1)
    with database.begin() as connection:
        for table in store.tables:
            connection.execute(sa.schema.DropTable(table))
    with _told(OlderSchema, "no table"):
        store.save(_a_canary(), expected_version=1)


def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letters.txt"
    path.write_text("Dear Zaphod Quetzal, " * 100)
    before = path.read_bytes()
    with _store(f"sqlite:///{path}") as store:
        for call in (*_calls(store), store.create_all):
            with _told(NotOurDatabase, "not an SQLite database.*choose another path"):
                call()
    assert path.read_bytes() == before


# ── rights ──────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _as_user(engine: sa.Engine, *grants: str, **settings: str) -> Iterator[SqlAlchemyStore]:
    """A store as a new user of PostgreSQL's, with these rights alone."""
    user = f"user_{token_hex(4)}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {user} LOGIN"))
        for grant in grants:
            connection.execute(sa.text(f"GRANT {grant} TO {user}"))
        for name, value in settings.items():
            connection.execute(sa.text(f"ALTER ROLE {user} SET {name} = '{value}'"))
    try:
        with _store(engine.url.set(username=user)) as store:
            yield store
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {user} CASCADE"))
            connection.execute(sa.text(f"DROP ROLE {user}"))


@pytest.fixture
def own_postgres(postgres_database: str) -> Iterator[sa.Engine]:
    """A database of its own, with the tables."""
    engine = sa.create_engine(postgres_database)
    SqlAlchemyStore(engine).create_all()
    SqlAlchemyStore(engine).add(_a_canary())
    yield engine
    engine.dispose()


_READ = "SELECT ON ALL TABLES IN SCHEMA public"
_WRITE = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"


def test_a_user_who_may_only_read_reads(own_postgres: sa.Engine) -> None:
    with _as_user(own_postgres, _READ) as store:
        assert store.get("paws", "r1") == _a_canary()
        for write in _writes(store):
            with _told(StoreError, "may not read or write .*; GRANT SELECT, INSERT, UPDATE"):
                write()
    with _as_user(own_postgres) as store, _told(StoreError, "GRANT SELECT"):
        store.get("paws", "r1")


def _writes(store: SqlAlchemyStore) -> Iterator[Callable[[], object]]:
    yield lambda: store.add(_a_canary(id="r2"))
    yield lambda: store.save(_a_canary(), expected_version=1)
    yield lambda: store.claim_due(now=_NOW, until=_UNTIL, limit=5)
    yield lambda: store.settings.put(BusinessSettings(business_id="paws", name="Paws"))
    yield lambda: store.suppressions.add("paws", "k")
    yield lambda: store.ledger.reserve("paws", "p", owner="o", at=_NOW, not_within=_AT_ONCE)


def test_a_standby_points_to_the_primary(own_postgres: sa.Engine) -> None:
    # What a standby answers is what a read-only transaction answers.
    read_only = {"default_transaction_read_only": "on"}
    with _as_user(own_postgres, _WRITE, **read_only) as store:
        assert store.get("paws", "r1") == _a_canary()
        others = SqlAlchemyStore(store._database.engine, table_prefix="other_")
        for write in (*_writes(store), others.create_all):
            with _told(StoreReadOnly, "takes no writes .*; connect to the primary"):
                write()


def test_a_user_who_may_not_create_is_told_what_to_grant(own_postgres: sa.Engine) -> None:
    with _as_user(own_postgres, "USAGE ON SCHEMA public") as store:
        others = SqlAlchemyStore(store._database.engine, table_prefix="other_")
        with _told(StoreError, "may not create tables here; GRANT CREATE ON SCHEMA"):
            others.create_all()


def test_a_user_with_nothing_but_a_schema_creates_and_searches(own_postgres: sa.Engine) -> None:
    with own_postgres.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA salon"))
    with _as_user(own_postgres, "CREATE, USAGE ON SCHEMA salon") as others:
        store = SqlAlchemyStore(others._database.engine, schema="salon")
        store.create_all()
        assert store.add(_a_canary())
        page = store.page("paws", ListQuery(text="quetz nighting"), now=_NOW)
        assert [found.id for found in page.requests] == ["r1"]
    with own_postgres.connect() as connection:
        assert not connection.scalar(sa.text("SELECT count(*) FROM pg_extension")) - 1


def test_a_user_of_mariadb_who_may_only_read_reads(mariadb_database: str) -> None:
    engine = sa.create_engine(mariadb_database)
    SqlAlchemyStore(engine).create_all()
    SqlAlchemyStore(engine).add(_a_canary())
    user = f"user_{token_hex(4)}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE USER {user}@'%%'")
        connection.exec_driver_sql(f"GRANT SELECT ON {engine.url.database}.* TO {user}@'%%'")
    try:
        with _store(engine.url.set(username=user)) as store:
            assert store.get("paws", "r1") == _a_canary()
            for write in _writes(store):
                with _told(StoreError, "may not read or write .*; GRANT SELECT, INSERT, UPDATE"):
                    write()
            others = SqlAlchemyStore(store._database.engine, table_prefix="other_")
            with _told(StoreError, "may not create tables here"):
                others.create_all()
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP USER {user}@'%%'")
        engine.dispose()


def test_a_mariadb_that_cuts_off_what_is_too_long_is_refused(mariadb_database: str) -> None:
    with _store(mariadb_database, connect_args={"sql_mode": ""}) as store:
        for call in (store.create_all, *_calls(store)):
            with _told(StoreError, "two ids could become one; connect in strict mode"):
                call()
    with _store(mariadb_database, connect_args={"sql_mode": "STRICT_TRANS_TABLES"}) as store:
        store.create_all()
        assert store.add(_a_canary())


@pytest.mark.parametrize("charset", ["latin1", "utf8"])
def test_a_mariadb_connection_that_carries_some_characters_only_is_refused(
    mariadb_url: str, charset: str
) -> None:
    url = sa.make_url(mariadb_url).difference_update_query(["charset"])
    with _store(url, connect_args={"charset": charset}) as store:
        for call in (store.create_all, *_calls(store)):
            with _told(StoreError, "not carry every character; add charset=utf8mb4"):
                call()
    with _store(url) as store:
        store.create_all()


def test_a_file_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bookings.db"
    with _store(f"sqlite:///{path}") as store:
        store.create_all()
        store.add(_a_canary())
    with _store(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        assert store.get("paws", "r1") == _a_canary()
        for write in _writes(store):
            with _told(StoreReadOnly, "takes no writes"):
                write()


# ── values ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def store(sql_engine: sa.Engine) -> SqlAlchemyStore:
    """On every database: with its tables, and no request."""
    store = SqlAlchemyStore(sql_engine)
    store.create_all()
    return store


_ODD = {
    "NUL": "canary@\0",
    "surrogate": "canary@\ud800",
    "long": "canary@" + "x" * 300,
    "long and wide": "canary@" + "\N{DOG FACE}" * 250,
}
"""which the doors let in nowhere"""


@pytest.mark.parametrize("odd", _ODD.values(), ids=_ODD)
def test_a_value_that_does_not_fit_is_refused_or_kept_as_it_is(
    store: SqlAlchemyStore, odd: str
) -> None:
    assert store.add(_a_canary())
    engine = store._database.engine
    changed = attrs.evolve(_a_canary(), session_id=odd, client_id=odd)
    writes: list[tuple[Callable[[], object], Callable[[], bool]]] = [
        (lambda: store.add(_a_canary(id=odd)), lambda: store.get("paws", odd) is not None),
        (
            lambda: store.save(changed, expected_version=1),
            lambda: [found.client_id for found in store.stream("paws")].count(odd) == 1,
        ),
        (
            lambda: store.suppressions.add("paws", odd),
            lambda: store.suppressions.contains("paws", odd),
        ),
        (
            lambda: store.ledger.reserve(odd, odd, owner=odd, at=_NOW, not_within=_A_DAY),
            lambda: not store.ledger.reserve(odd, odd, owner="o", at=_NOW, not_within=_A_DAY),
        ),
    ]
    for write, is_kept in writes:
        before = _content(engine)
        if not _is_refused(write):
            assert is_kept()
        else:
            assert _content(engine) == before


def _is_refused(call: Callable[[], object]) -> bool:
    """Whether it is, in one clear error; it raises no other."""
    try:
        call()
    except InvalidInput as refused:
        told = refused
    else:
        return False
    assert "does not fit into the database" in str(told) or told.field == "text"
    assert _is_quiet(told)
    return True


@pytest.mark.parametrize("odd", _ODD.values(), ids=_ODD)
def test_asking_for_a_value_that_does_not_fit_finds_nothing_or_is_refused(
    store: SqlAlchemyStore, odd: str
) -> None:
    found: list[object] = []
    for ask in (
        lambda: found.append(store.get("paws", odd)),
        lambda: found.append(store.suppressions.contains("paws", odd)),
        lambda: found.append(store.settings.get(odd)),
        lambda: found.append(store.page("paws", ListQuery(text=odd), now=_NOW).total),
        lambda: found.append(len(store.open_of_person("paws", Person(client_id=odd)))),
    ):
        _is_refused(ask)
    assert not any(found)


@pytest.mark.parametrize("sql_engine", ["mariadb"], indirect=True)
def test_a_document_that_is_too_large_is_refused(store: SqlAlchemyStore) -> None:
    # PostgreSQL and SQLite take a gigabyte.
    huge = a_request(form=BookingForm(services=("x" * 17_000_000,)))
    assert _is_refused(lambda: store.add(huge))
    assert store.get("paws", "r1") is None


# ── logs ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("echo", [False, True, "debug"])
def test_sqlalchemy_prints_no_values_of_ours(
    file: str,
    echo: bool | str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG if echo else logging.WARNING, "sqlalchemy.engine")
    with _store(file, echo=echo) as store:
        store.create_all()
        for call in _calls(store):
            call()
        with pytest.raises(InvalidInput):
            store.add(_a_canary(id="\ud800"))
        assert not store.add(_a_canary())
    told = caplog.text + capsys.readouterr().out
    assert ("INSERT INTO" in told) is bool(echo)
    assert not any(canary.casefold() in told.casefold() for canary in CANARIES)
