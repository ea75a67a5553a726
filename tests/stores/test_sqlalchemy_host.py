"""On the host's engine, whatever the host has chosen for it: what the store commits, stays.

The host's transactions, isolation, schema map, time zone and pool are its own. None of them takes a
claim, a begin, an opt-out or a reservation back.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import pytest
import sqlalchemy as sa

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import Status
from abandoned_booking.errors import StoreError, StoreLocked
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

_NOW: Final = LEFT_AT + timedelta(days=1, microseconds=7)
_UNTIL: Final = _NOW + timedelta(minutes=2)
_A_DAY: Final = timedelta(days=1)
_SETTINGS: Final = BusinessSettings(business_id="paws", name="Paws & Co", timezone="Asia/Tokyo")


def _write_everything(store: SqlAlchemyStore) -> None:
    """One call of every kind that writes."""
    assert store.add(a_request(id="r1", next_action_at=_NOW))
    assert store.add(a_request(id="r2"))
    [claimed] = store.claim_due(now=_NOW, until=_UNTIL, limit=5)
    begun = attrs.evolve(claimed, client_id="begun")
    assert store.save(begun, expected_version=claimed.version)
    assert not store.save(begun, expected_version=claimed.version)
    assert [*store.save_many([(a_request(id="r2"), 1), (a_request(id="r3"), 1)])] == [True, False]
    store.settings.put(_SETTINGS)
    store.suppressions.add("paws", "k1")
    store.suppressions.add("paws", "k2")
    store.suppressions.remove("paws", "k2")
    assert _reserve(store, "ours")


def _reserve(store: SqlAlchemyStore, owner: str) -> bool:
    return store.ledger.reserve("paws", "p", owner=owner, at=_NOW, not_within=_A_DAY)


def _everything_is_there(store: SqlAlchemyStore) -> None:
    """What was written above, to the microsecond."""
    begun = store.get("paws", "r1")
    assert begun == attrs.evolve(
        a_request(id="r1"), client_id="begun", version=3, next_action_at=_UNTIL
    )
    second = store.get("paws", "r2")
    assert second is not None
    assert second.version == 2
    page = store.page("paws", ListQuery(text="rex", statuses=Status), now=_NOW)
    assert [found.id for found in page.requests] == ["r1", "r2"]
    assert len([*store.stream("paws")]) == page.total == 2
    assert store.settings.get("paws") == _SETTINGS
    assert store.suppressions.contains("paws", "k1")
    assert not store.suppressions.contains("paws", "k2")
    assert not _reserve(store, "theirs")


# ── the host's own transaction ──────────────────────────────────────────────────────────────────


@contextmanager
def _made(url: str | sa.URL, **options: Any) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url, **options)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def with_table(request: pytest.FixtureRequest) -> Callable[[sa.Engine], sa.Engine]:
    """Puts a table of the host's beside ours, for a test."""

    def put(engine: sa.Engine) -> sa.Engine:
        SqlAlchemyStore(engine).create_all()
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE bookings (id INTEGER PRIMARY KEY)"))

        def drop() -> None:
            with engine.begin() as connection:
                connection.execute(sa.text("DROP TABLE bookings"))

        request.addfinalizer(drop)
        return engine

    return put


def _within_a_transaction_of_the_hosts(engine: sa.Engine, *, writes: bool = True) -> None:
    """The host writes and rolls back, the store writes meanwhile, in the same thread."""
    with engine.connect() as host:
        host.begin()
        if writes:
            host.execution_options(stream_results=False)
            host.execute(sa.text("INSERT INTO bookings VALUES (1)"))
        assert host.scalar(sa.text("SELECT count(*) FROM bookings")) == int(writes)
        _write_everything(SqlAlchemyStore(engine))
        host.rollback()


def _host_has_nothing(engine: sa.Engine) -> None:
    with engine.connect() as host:
        assert host.scalar(sa.text("SELECT count(*) FROM bookings")) == 0


def _decimals(text: str) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


_Engines: TypeAlias = dict[str, dict[str, Any]]

_ANYWHERE: Final[_Engines] = {
    "as it comes": {},
    "serializable": {"isolation_level": "SERIALIZABLE"},
    "without a pool": {"poolclass": sa.NullPool},
    "one connection and one more": {"pool_size": 1, "max_overflow": 1},
    "without a reset": {"pool_reset_on_return": None},
}

_POSTGRES: Final[_Engines] = {
    **_ANYWHERE,
    "repeatable read": {"isolation_level": "REPEATABLE READ"},
    "pinged, quiet, without a cache": {
        "pool_pre_ping": True,
        "hide_parameters": True,
        "query_cache_size": 0,
    },
    "another JSON": {"json_serializer": repr, "json_deserializer": _decimals},
    "behind pgbouncer": {"connect_args": {"prepare_threshold": None}},
    "streaming": {"execution_options": {"stream_results": True}},
    "zone": {"connect_args": {"options": "-c timezone=Asia/Kathmandu -c datestyle=ISO,DMY"}},
    "strict by default": {
        "connect_args": {"options": "-c default_transaction_isolation=serializable"}
    },
    "lazy": {"connect_args": {"options": "-c synchronous_commit=off"}},
}


@pytest.mark.parametrize("options", _POSTGRES.values(), ids=_POSTGRES)
def test_on_postgresql_what_was_written_stays_when_the_host_rolls_back(
    empty_postgres: sa.Engine,
    with_table: Callable[[sa.Engine], sa.Engine],
    options: dict[str, Any],
) -> None:
    plain = with_table(empty_postgres)
    with _made(plain.url, **options) as engine:
        _within_a_transaction_of_the_hosts(engine)
        _everything_is_there(SqlAlchemyStore(engine))
        _host_has_nothing(engine)
    _everything_is_there(SqlAlchemyStore(plain))


_MARIADB: Final[_Engines] = {
    **_ANYWHERE,
    "zone": {"connect_args": {"init_command": "SET time_zone = '+05:45'"}},
}


@pytest.mark.parametrize("options", _MARIADB.values(), ids=_MARIADB)
def test_on_mariadb_what_was_written_stays_when_the_host_rolls_back(
    empty_mariadb: sa.Engine,
    with_table: Callable[[sa.Engine], sa.Engine],
    options: dict[str, Any],
) -> None:
    plain = with_table(empty_mariadb)
    with _made(plain.url, **options) as engine:
        _within_a_transaction_of_the_hosts(engine)
        _everything_is_there(SqlAlchemyStore(engine))
        _host_has_nothing(engine)
    _everything_is_there(SqlAlchemyStore(plain))


@pytest.mark.parametrize("options", _ANYWHERE.values(), ids=_ANYWHERE)
def test_on_sqlite_what_was_written_stays_when_the_host_rolls_back(
    tmp_path: Path, with_table: Callable[[sa.Engine], sa.Engine], options: dict[str, Any]
) -> None:
    with _made(f"sqlite:///{tmp_path / 'bookings.db'}") as plain:
        with_table(plain)
        with _made(plain.url, **options) as engine:
            # One writer at a time: here the host only reads.
            _within_a_transaction_of_the_hosts(engine, writes=False)
            _everything_is_there(SqlAlchemyStore(engine))
        _everything_is_there(SqlAlchemyStore(plain))
        plain.dispose()


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_an_engine_that_commits_by_itself_does_not_take_our_transactions_apart(
    kind: str, request: pytest.FixtureRequest
) -> None:
    plain: sa.Engine = request.getfixturevalue(f"empty_{kind}")
    with _made(plain.url, isolation_level="AUTOCOMMIT") as engine:
        store = SqlAlchemyStore(engine)
        store.create_all()
        _write_everything(store)
        _everything_is_there(store)
        seen = store._database.transact(lambda connection, _: connection.get_isolation_level())
        assert seen == "READ COMMITTED"
        with engine.connect() as host:
            host.execute(sa.text("DELETE FROM abandoned_booking_suppressions"))
            host.rollback()
        assert not store.suppressions.contains("paws", "k1"), "the host's way is as it was"


def test_a_file_whose_engine_commits_by_itself_does_not_either(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bookings.db'}"
    with _made(url, isolation_level="AUTOCOMMIT") as engine:
        store = SqlAlchemyStore(engine)
        store.create_all()

        def half(connection: sa.Connection, _: bool) -> None:
            connection.execute(sa.delete(store.tables.schema_version))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store._database.transact(half)
        _write_everything(SqlAlchemyStore(engine))
        _everything_is_there(SqlAlchemyStore(engine))


def test_a_file_whose_host_begins_its_transactions_itself(tmp_path: Path) -> None:
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html, "Serializable isolation / Savepoints"
    with _made(f"sqlite:///{tmp_path / 'bookings.db'}") as engine:

        @sa.event.listens_for(engine, "connect")
        def leave_it_to_us(connection: Any, _: object) -> None:
            connection.isolation_level = None

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        store = SqlAlchemyStore(engine)
        store.create_all()
        _write_everything(store)
        _everything_is_there(store)
        with engine.connect() as host:
            host.execute(sa.text("CREATE TABLE bookings (id INTEGER)"))
            host.rollback()
            assert not sa.inspect(host).has_table("bookings")


def test_a_file_that_the_host_is_writing_to_is_waited_for_and_told_of(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bookings.db'}"
    with _made(url, connect_args={"timeout": 0.01}) as engine:
        store = SqlAlchemyStore(engine)
        store.create_all()
        with engine.connect() as host:
            host.exec_driver_sql("BEGIN IMMEDIATE")
            with pytest.raises(StoreLocked, match="nothing was changed: try again"):
                store.add(a_request())
            host.rollback()
        assert store.add(a_request())


# ── where the tables stand ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def own_postgres(postgres_database: str) -> Iterator[sa.Engine]:
    with _made(postgres_database) as engine:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE SCHEMA salon"))
        yield engine


def _tables(engine: sa.Engine, schema: str | None = None) -> set[str]:
    return {*sa.inspect(engine).get_table_names(schema=schema)}


_CONVENTION: Final = {
    "pk": "the_pk_of_%(table_name)s",
    "ix": "the_ix_%(column_0_label)s",
    "uq": "the_uq_%(table_name)s_%(column_0_name)s",
    "ck": "the_ck_%(table_name)s_%(constraint_name)s",
}


def test_the_tables_stand_in_the_hosts_metadata_schema_and_prefix(own_postgres: sa.Engine) -> None:
    metadata = sa.MetaData(naming_convention=_CONVENTION)
    sa.Table("bookings", metadata, sa.Column("id", sa.Integer, primary_key=True))
    store = SqlAlchemyStore(own_postgres, metadata=metadata, schema="salon", table_prefix="ab_")
    store.create_all()
    assert _tables(own_postgres) == set(), "the host's table is the host's matter"
    assert {name[:3] for name in _tables(own_postgres, "salon")} == {"ab_"}
    assert len(_tables(own_postgres, "salon")) == 8
    assert "salon.ab_requests" in metadata.tables
    _write_everything(store)
    _everything_is_there(store)
    again = SqlAlchemyStore(own_postgres, metadata=metadata, schema="salon", table_prefix="ab_")
    _everything_is_there(again)


def test_the_schema_of_a_metadata_is_ours_too(own_postgres: sa.Engine) -> None:
    metadata = sa.MetaData(schema="salon")
    for _ in range(2):
        store = SqlAlchemyStore(own_postgres, metadata=metadata)
        store.create_all()
    assert len(_tables(own_postgres, "salon")) == 8
    assert _tables(own_postgres) == set()
    _write_everything(store)
    _everything_is_there(store)


def test_the_hosts_own_create_all_makes_tables_that_can_be_used(own_postgres: sa.Engine) -> None:
    metadata = sa.MetaData()
    store = SqlAlchemyStore(own_postgres, metadata=metadata)
    for _ in range(2):
        metadata.create_all(own_postgres)
    store.create_all()
    _write_everything(store)
    metadata.drop_all(own_postgres)
    metadata.create_all(own_postgres)
    _write_everything(store)


def test_two_stores_in_one_database_know_nothing_of_each_other(
    own_postgres: sa.Engine, tmp_path: Path
) -> None:
    with _made(f"sqlite:///{tmp_path / 'bookings.db'}") as file:
        for engine in (own_postgres, file):
            metadata = sa.MetaData()
            first = SqlAlchemyStore(engine, metadata=metadata, table_prefix="first_")
            second = SqlAlchemyStore(engine, metadata=metadata, table_prefix="x" * 40)
            first.create_all()
            second.create_all()
            _write_everything(first)
            assert second.get("paws", "r1") is None
            _write_everything(second)
            _everything_is_there(first)


def test_a_schema_map_of_the_host_does_not_move_our_tables(own_postgres: sa.Engine) -> None:
    mapped = own_postgres.execution_options(schema_translate_map={None: "salon"})
    store = SqlAlchemyStore(mapped)
    store.create_all()
    _write_everything(store)
    assert _tables(own_postgres, "salon") == set()
    _everything_is_there(SqlAlchemyStore(own_postgres))


def test_tables_are_found_by_the_search_path(own_postgres: sa.Engine) -> None:
    SqlAlchemyStore(own_postgres).create_all()
    with _made(own_postgres.url, connect_args={"options": "-c search_path=salon,public"}) as engine:
        store = SqlAlchemyStore(engine)
        store.create_all()
        _write_everything(store)
    assert _tables(own_postgres, "salon") == set()


# ── commits that the server tells of before they are ────────────────────────────────────────────


def test_what_the_store_writes_is_durable_although_the_users_commits_are_not(
    own_postgres: sa.Engine,
) -> None:
    SqlAlchemyStore(own_postgres).create_all()
    names = ("queue", "settings", "suppressions", "reservations")
    with own_postgres.begin() as connection:
        connection.execute(sa.text("CREATE TABLE seen (at TEXT, lazy TEXT)"))
        connection.execute(
            sa.text(
                "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
                "'BEGIN INSERT INTO seen VALUES "
                "(TG_TABLE_NAME, current_setting(''synchronous_commit'')); RETURN NULL; END'"
            )
        )
        for name in names:
            connection.execute(
                sa.text(
                    f"CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE "
                    f"ON abandoned_booking_{name} FOR EACH STATEMENT EXECUTE FUNCTION note()"
                )
            )
    lazy = {"options": "-c synchronous_commit=off"}
    with _made(own_postgres.url, connect_args=lazy, pool_size=1, max_overflow=0) as engine:
        _write_everything(SqlAlchemyStore(engine))
        with engine.connect() as host:
            seen = host.execute(sa.text("SELECT DISTINCT at, lazy FROM seen")).all()
            assert {(at, value) for at, value in seen} == {
                (f"abandoned_booking_{name}", "on") for name in names
            }
            assert host.scalar(sa.text("SHOW synchronous_commit")) == "off", "the host's choice"


# ── forks, threads ──────────────────────────────────────────────────────────────────────────────

_FORK: Final = """
import gc, json, os, sys, weakref
import sqlalchemy as sa
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.testing import a_request

url, own = sys.argv[1:]
engine = sa.create_engine(url)
store, second = SqlAlchemyStore(engine), SqlAlchemyStore(engine)

def connection_id():
    with engine.connect() as connection:
        return str(connection.scalar(sa.text(own)))

before = connection_id()
with engine.connect() as connection:
    kept = weakref.ref(connection.connection.dbapi_connection)
reader, writer = os.pipe()
if os.fork() == 0:
    added = [store.add(a_request(id=f"child-{n}")) for n in range(20)]
    gc.collect()
    told = [connection_id(), all(added), kept() is not None]
    os.write(writer, json.dumps(told).encode())
    os._exit(0)
added = [store.add(a_request(id=f"parent-{n}")) for n in range(20)]
child = json.loads(os.read(reader, 999))
os.wait()
after = connection_id()
engine.dispose()
print(json.dumps({"before": before, "after": after, "added": all(added), "child": child}))
"""


@pytest.mark.parametrize(
    ("kind", "own"),
    [("postgres", "SELECT pg_backend_pid()"), ("mariadb", "SELECT connection_id()")],
)
def test_a_child_process_begins_with_a_pool_of_its_own(
    kind: str, own: str, request: pytest.FixtureRequest
) -> None:
    engine: sa.Engine = request.getfixturevalue(f"empty_{kind}")
    store = SqlAlchemyStore(engine)
    store.create_all()
    url = engine.url.render_as_string(hide_password=False)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", _FORK, url, own],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    told = json.loads(ran.stdout)
    child, child_added, is_kept = told["child"]
    assert is_kept, "or it would be closed, from the wrong process"
    assert told["added"]
    assert child_added
    assert told["before"] == told["after"], "the parent's connection is as it was"
    assert child != told["before"]
    assert len([*store.stream("paws")]) == 40


def test_one_connection_serves_many_threads_one_after_another(empty_postgres: sa.Engine) -> None:
    SqlAlchemyStore(empty_postgres).create_all()
    with _made(empty_postgres.url, pool_size=1, max_overflow=0) as engine:
        store = SqlAlchemyStore(engine)
        added: list[bool] = []

        def add(name: str) -> None:
            added.extend(store.add(a_request(id=f"{name}-{number}")) for number in range(5))

        threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert added == [True] * 20


@pytest.mark.parametrize("style", ["German", "SQL,DMY", "Postgres"])
def test_dates_that_the_driver_cannot_read_are_refused(
    empty_postgres: sa.Engine, style: str
) -> None:
    SqlAlchemyStore(empty_postgres).create_all()
    options = {"options": f"-c datestyle={style}"}
    with _made(empty_postgres.url, connect_args=options) as engine:
        store = SqlAlchemyStore(engine)
        with pytest.raises(StoreError, match=r"DateStyle .* psycopg reads ISO only; ALTER ROLE"):
            store.claim_due(now=_NOW, until=_UNTIL, limit=1)


def test_the_servers_zone_changes_no_instant(empty_postgres: sa.Engine) -> None:
    SqlAlchemyStore(empty_postgres).create_all()
    instants = [
        datetime(1900, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 8, 7, 0, tzinfo=UTC),
        datetime(2200, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    zones = ("UTC", "America/New_York", "Pacific/Kiritimati", "Africa/Monrovia")
    for nth, zone in enumerate(zones):
        with _made(empty_postgres.url, connect_args={"options": f"-c timezone={zone}"}) as engine:
            store = SqlAlchemyStore(engine)
            for number, at in enumerate(instants):
                request = a_request(id=f"{nth}-{number}", next_action_at=at)
                assert store.add(request)
                assert store.get("paws", request.id) == request
