"""The tables come to be and move forward through Alembic, while workers of today go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from stores import tomorrows

from abandoned_booking.errors import (
    NewerSchema,
    NotOurDatabase,
    OlderSchema,
    StoreError,
    StoreLocked,
)
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.stores.sqlalchemy._schema import SCHEMA
from abandoned_booking.stores.sqlalchemy.migrations import (
    VERSIONS,
    Upgraded,
    _running,
    _steps,
    sql,
    state_of,
    upgrade,
)
from abandoned_booking.testing import a_request

DATABASES: Final = ("postgres", "mariadb", "sqlite")
TOMORROW: Final = (VERSIONS, Path(__file__).with_name("tomorrow"))
AFTER_TOMORROW: Final = (*TOMORROW, Path(__file__).with_name("after_tomorrow"))
RELEASED: Final = Path(__file__).with_name("released")
REQUESTS: Final = "abandoned_booking_requests"
PATIENCE_SECONDS: Final = 30.0


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """An engine on a database with nothing in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{request.getfixturevalue('tmp_path') / 'b.db'}"
    else:
        url = request.getfixturevalue(f"{request.param}_database")
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


on = pytest.mark.parametrize
on_postgres = on("engine", ["postgres"], indirect=True)
on_mariadb = on("engine", ["mariadb"], indirect=True)
on_servers = on("engine", ["postgres", "mariadb"], indirect=True)


# ── what is in a database ───────────────────────────────────────────────────────────────────────

_POSTGRES: Final = """
SELECT 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod)
       || CASE WHEN attnotnull THEN ' NOT NULL ' ELSE ' ' END || attcollation::regcollation::text
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
ORDER BY 1, 2, 3
"""


def structure(engine: sa.Engine) -> list[tuple[str, ...]]:
    """All that is in a database but the rows, and but Alembic's own table."""
    rows: Sequence[Sequence[Any]]
    with engine.connect() as connection:
        match engine.dialect.name:
            case "postgresql":
                rows = connection.exec_driver_sql(_POSTGRES).all()
            case "sqlite":
                asked = "SELECT type, tbl_name, name, sql FROM sqlite_master ORDER BY 1, 2, 3"
                rows = connection.exec_driver_sql(asked).all()
            case _:
                names = sorted(sa.inspect(connection).get_table_names())
                rows = [_of_mariadb(connection, name) for name in names]
    words = [tuple(" ".join(str(value).split()) for value in row) for row in rows]
    return [row for row in words if "alembic" not in str(row)]


def _of_mariadb(connection: sa.Connection, table: str) -> tuple[str, ...]:
    said = connection.exec_driver_sql(f"SHOW CREATE TABLE {table}").one()[1]
    # Indexes stand there in the order in which they were made, which does not matter.
    return tuple(sorted(line.rstrip(",") for line in said.splitlines()))


def versions(engine: sa.Engine) -> list[tuple[int, int]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT version, needs FROM abandoned_booking_schema_version ORDER BY version"
        )
        return [tuple(row) for row in rows]


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def created(engine: sa.Engine) -> list[tuple[str, ...]]:
    """What ``create_all`` makes of an empty database, which is empty again afterwards."""
    store = SqlAlchemyStore(engine)
    store.create_all()
    made = structure(engine)
    store.tables.requests.metadata.drop_all(engine)
    assert structure(engine) == []
    return made


# ── from nothing ────────────────────────────────────────────────────────────────────────────────


def test_an_upgrade_from_nothing_makes_what_create_all_makes(engine: sa.Engine) -> None:
    expected = created(engine)
    assert len(expected) > 7
    assert upgrade(engine) == Upgraded(before=0, after=1)
    assert structure(engine) == expected


def test_alembic_finds_no_difference_to_the_tables_of_the_store(engine: sa.Engine) -> None:
    upgrade(engine)
    metadata = SqlAlchemyStore(engine).tables.requests.metadata
    with engine.connect() as connection:
        options = {
            "version_table": "abandoned_booking_alembic_version",
            # SQLite's full-text index keeps tables of its own, which no MetaData knows.
            "include_name": lambda name, kind, _: kind != "table" or "search_grams" not in name,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_a_second_upgrade_changes_nothing(engine: sa.Engine) -> None:
    upgrade(engine)
    SqlAlchemyStore(engine).add(a_request())
    before = structure(engine), versions(engine)
    assert upgrade(engine) == Upgraded(before=1, after=1)
    assert (structure(engine), versions(engine)) == before
    assert SqlAlchemyStore(engine).get("paws", "r1") is not None


def test_tables_of_create_all_are_taken_over_as_they_are(engine: sa.Engine) -> None:
    store = SqlAlchemyStore(engine)
    store.create_all()
    store.add(a_request())
    before = structure(engine)
    assert upgrade(engine) == Upgraded(before=1, after=1)
    assert structure(engine) == before
    assert store.get("paws", "r1") is not None


def test_of_several_that_upgrade_at_once_one_does_it(engine: sa.Engine) -> None:
    together = threading.Barrier(3)

    def upgraded(_: int) -> Upgraded:
        together.wait(PATIENCE_SECONDS)
        return upgrade(engine.url.render_as_string(hide_password=False))

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(upgraded, range(3)))
    assert sorted(one.before for one in done) == [0, 1, 1]
    assert {one.after for one in done} == {1}


@on_servers
def test_whoever_waits_for_another_upgrade_too_long_is_told(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile() -> None:
        monkeypatch.undo()
        with pytest.raises(StoreLocked, match="another upgrade"):
            upgrade(engine, wait_for=timedelta(0))

    upgrade(engine)
    monkeypatch.setattr(_running, "LOCATIONS", TOMORROW)
    monkeypatch.setattr(tomorrows, "during", meanwhile)
    assert upgrade(engine) == Upgraded(before=1, after=2)


@on_mariadb
def test_a_creation_that_was_cut_off_is_finished(engine: sa.Engine) -> None:
    # Where each statement commits by itself a crash leaves some of the tables.
    upgrade(engine)
    complete = structure(engine)
    run(
        engine,
        "DELETE FROM abandoned_booking_schema_version",
        "DROP TABLE abandoned_booking_alembic_version",
        "DROP TABLE abandoned_booking_reservations",
        f"DROP INDEX {REQUESTS}_by_phone ON {REQUESTS}",
    )
    assert upgrade(engine) == Upgraded(before=0, after=1)
    assert structure(engine) == complete


@on_postgres
def test_tables_stand_in_another_schema_under_another_prefix_and_split(engine: sa.Engine) -> None:
    run(engine, "CREATE SCHEMA shop")
    upgrade(engine, schema="shop", table_prefix="ab_", partitions=3)
    store = SqlAlchemyStore(engine, schema="shop", table_prefix="ab_")
    store.add(a_request())
    assert store.get("paws", "r1") is not None
    assert structure(engine) == []
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names(schema="shop")
    assert {"ab_alembic_version", "ab_requests", "ab_requests_2"} <= set(names)


# ── what is wrong is said, and nothing is changed ───────────────────────────────────────────────


def test_a_store_without_tables_names_the_upgrade(engine: sa.Engine) -> None:
    with pytest.raises(OlderSchema, match="abandoned-booking db upgrade --url"):
        SqlAlchemyStore(engine).get("paws", "r1")


def test_older_tables_name_the_upgrade_and_newer_ones_the_library(engine: sa.Engine) -> None:
    upgrade(engine)
    run(engine, "UPDATE abandoned_booking_schema_version SET version = 0, needs = 0")
    with pytest.raises(OlderSchema, match=r"version 0.* needs 1; .*abandoned-booking db upgrade"):
        SqlAlchemyStore(engine).get("paws", "r1")
    run(engine, "UPDATE abandoned_booking_schema_version SET version = 9, needs = 8")
    with pytest.raises(NewerSchema, match="version 8; this one knows 1: upgrade abandoned-booking"):
        SqlAlchemyStore(engine).get("paws", "r1")
    with pytest.raises(NewerSchema):
        upgrade(engine)


def test_newer_tables_that_this_code_can_work_with_stay_as_they_are(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr(_running, "LOCATIONS", TOMORROW)
        upgrade(engine)
    before = structure(engine)
    assert upgrade(engine) == Upgraded(before=2, after=2)
    assert structure(engine) == before
    SqlAlchemyStore(engine).add(a_request())


def test_tables_of_somebody_else_are_left_alone(engine: sa.Engine) -> None:
    run(engine, f"CREATE TABLE {REQUESTS} (n INT)")
    before = structure(engine)
    with pytest.raises(NotOurDatabase, match=REQUESTS):
        upgrade(engine)
    assert structure(engine) == before


def test_asking_makes_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    with pytest.raises(OlderSchema, match="abandoned-booking db upgrade"):
        state_of(engine)
    assert engine.dialect.name != "sqlite" or list(tmp_path.iterdir()) == []


def test_an_index_that_is_missing_is_found(engine: sa.Engine) -> None:
    upgrade(engine)
    assert state_of(engine).missing == ()
    of_table = f" ON {REQUESTS}" if engine.dialect.name == "mysql" else ""
    run(engine, f"DROP INDEX {REQUESTS}_by_phone{of_table}")
    assert state_of(engine).missing == (f"{REQUESTS}_by_phone",)


@on_postgres
def test_a_user_who_may_not_create_is_told_who_may(engine: sa.Engine) -> None:
    role = f"clerk_{engine.url.database}"
    run(engine, f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    try:
        clerk = engine.url.set(username=role, password="secret")
        with pytest.raises(StoreError, match="may not create tables") as caught:
            upgrade(clerk.render_as_string(hide_password=False))
        assert "secret" not in str(caught.value)
    finally:
        run(engine, f"DROP ROLE {role}")


@on_postgres
def test_a_schema_that_is_missing_is_named(engine: sa.Engine) -> None:
    with pytest.raises(StoreError, match="no schema shop"):
        upgrade(engine, schema="shop")


def test_only_postgresql_splits_tables(engine: sa.Engine) -> None:
    if engine.dialect.name != "postgresql":
        with pytest.raises(StoreError, match="only PostgreSQL"):
            upgrade(engine, partitions=2)
        assert structure(engine) == []


# ── tomorrow's version, with workers of today ───────────────────────────────────────────────────


class Worker(threading.Thread):
    """One of the old version, that writes until it is told to stop."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__()
        self._store = SqlAlchemyStore(engine)
        self._wrote = threading.Condition()
        self._stops = threading.Event()
        self.written = 0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self._stops.is_set():
                self._write(a_request(id=f"w{self.written}", version=1))
        except Exception as error:
            self.error = error
        with self._wrote:
            self._wrote.notify_all()

    def _write(self, request: Any) -> None:
        assert self._store.add(request)
        assert self._store.save(request, expected_version=1)
        with self._wrote:
            self.written += 1
            self._wrote.notify_all()

    def writes_on(self) -> None:
        """Returns once it has written more than until now."""
        with self._wrote:
            until = self.written + 2
            writes = self._wrote.wait_for(lambda: self.error or self.written >= until, 30)
        assert writes
        assert self.error is None

    def stop(self) -> None:
        self._stops.set()
        self.join(PATIENCE_SECONDS)
        assert self.error is None


@contextmanager
def worker_on(engine: sa.Engine) -> Iterator[Worker]:
    worker = Worker(engine)
    worker.start()
    try:
        worker.writes_on()
        yield worker
    finally:
        worker.stop()


@on(
    ("engine", "partitions"),
    [("postgres", 0), ("postgres", 3), ("mariadb", 0)],
    indirect=["engine"],
)
def test_an_upgrade_passes_beside_a_worker_of_the_old_version(
    engine: sa.Engine, partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(engine, partitions=partitions)
    monkeypatch.setattr(_running, "LOCATIONS", TOMORROW)
    monkeypatch.setattr(_steps, "FILLED_AT_ONCE", 3)
    with worker_on(engine) as worker:
        monkeypatch.setattr(tomorrows, "during", worker.writes_on)
        assert upgrade(engine) == Upgraded(before=1, after=2)
        worker.writes_on()
    assert versions(engine) == [(1, 1), (2, 1)]
    store = SqlAlchemyStore(engine)
    assert len(list(store.stream("paws"))) == worker.written
    with engine.connect() as connection:
        assert sa.inspect(connection).has_index(REQUESTS, f"{REQUESTS}_by_colour")
        filled = connection.exec_driver_sql(f"SELECT count(colour) FROM {REQUESTS}").scalar_one()
        assert filled >= 4  # of the worker's own the newest are not


def test_tomorrows_version_on_a_store_with_rows(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(engine)
    store = SqlAlchemyStore(engine)
    for number in range(5):
        store.add(a_request(id=f"r{number}"))
    monkeypatch.setattr(_running, "LOCATIONS", TOMORROW)
    monkeypatch.setattr(_steps, "FILLED_AT_ONCE", 2)
    assert upgrade(engine) == Upgraded(before=1, after=2)
    with engine.connect() as connection:
        colours = connection.exec_driver_sql(f"SELECT colour FROM {REQUESTS}").scalars().all()
    assert colours == ["red"] * 5
    assert store.add(a_request(id="r9"))


@on_postgres
def test_a_table_that_is_in_use_is_not_waited_for_in_front_of_others(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(engine)
    impatient = sa.create_engine(engine.url, connect_args={"options": "-c lock_timeout=10s"})
    store = SqlAlchemyStore(impatient)
    monkeypatch.setattr(_running, "LOCATIONS", TOMORROW)
    monkeypatch.setattr(_steps, "WAITS_FOR_A_LOCK", timedelta(milliseconds=50))
    monkeypatch.setattr(_steps, "TRIES_AGAIN_AFTER", timedelta(milliseconds=5))
    with ThreadPoolExecutor(1) as pool, engine.connect() as busy:
        busy.exec_driver_sql(f"LOCK TABLE {REQUESTS} IN ROW EXCLUSIVE MODE")
        upgraded = pool.submit(upgrade, engine)
        _until_somebody_waits_for_a_lock(engine)
        # If that one never gave up, this would wait behind it until the busy one ends.
        assert store.add(a_request())
        assert not upgraded.done()
        busy.rollback()
        assert upgraded.result(PATIENCE_SECONDS) == Upgraded(before=1, after=2)
    impatient.dispose()


def _until_somebody_waits_for_a_lock(engine: sa.Engine) -> None:
    asked = sa.text(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = to_regclass(:name)"
    )
    waits = threading.Event()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for _ in range(3_000):
            if connection.execute(asked, {"name": REQUESTS}).scalar():
                return
            waits.wait(0.01)
    raise AssertionError("nobody waits")


@on_servers
def test_a_table_that_stays_in_use_is_given_up(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(engine)
    SqlAlchemyStore(engine).add(a_request())
    monkeypatch.setattr(_running, "LOCATIONS", TOMORROW)
    monkeypatch.setattr(_steps, "WAITS_FOR_A_LOCK", timedelta(milliseconds=50))
    monkeypatch.setattr(_steps, "TRIES_FOR", timedelta(0))
    with engine.connect() as busy:
        busy.exec_driver_sql(f"SELECT * FROM {REQUESTS} FOR UPDATE")
        with pytest.raises(StoreLocked):
            upgrade(engine)
    assert versions(engine) == [(1, 1)]
    assert upgrade(engine) == Upgraded(before=1, after=2)


@pytest.mark.parametrize("partitions", [0, 2])
@on_postgres
def test_an_index_that_was_cut_off_is_made_again(
    engine: sa.Engine, partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(engine, partitions=partitions)
    monkeypatch.setattr(_running, "LOCATIONS", TOMORROW)
    upgrade(engine)
    # As CREATE INDEX CONCURRENTLY leaves it when it is killed, before the step was recorded.
    run(
        engine,
        "UPDATE pg_index SET indisvalid = false FROM pg_class WHERE oid = indexrelid "
        "AND right(relname, 7) = '_colour' AND oid NOT IN (SELECT inhrelid FROM pg_inherits)",
        "DELETE FROM abandoned_booking_schema_version WHERE version = 2",
        "UPDATE abandoned_booking_alembic_version SET version_num = 'abandoned_booking_1'",
    )
    upgrade(engine)
    with engine.connect() as connection:
        invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
        assert connection.exec_driver_sql(invalid).scalar() == 0


@on_servers
def test_a_version_that_contracts_turns_old_workers_away(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(engine)
    old = SqlAlchemyStore(engine)
    old.add(a_request())
    monkeypatch.setattr(_running, "LOCATIONS", AFTER_TOMORROW)
    assert upgrade(engine) == Upgraded(before=1, after=3)
    for store in (old, SqlAlchemyStore(engine)):
        with pytest.raises(NewerSchema, match=r"version 2; .*upgrade abandoned-booking"):
            store.add(a_request(id="r2"))


@pytest.mark.parametrize("release", range(1, SCHEMA + 1))
def test_tables_of_every_release_become_those_of_today(
    engine: sa.Engine, release: int, request: pytest.FixtureRequest
) -> None:
    # What `abandoned-booking db sql` printed then. If it fails for the newest one, the tables were
    # changed without a version and a step of their own: databases that are there would not follow.
    kind = request.node.callspec.params["engine"]
    expected = created(engine)
    _played(engine, (RELEASED / f"{release}-{kind}.sql").read_text())
    assert upgrade(engine) == Upgraded(before=release, after=SCHEMA)
    assert structure(engine) == expected


def test_a_new_database_needs_no_history(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tomorrow's code makes tables that have what its steps would bring.
    monkeypatch.setattr(_running, "LOCATIONS", TOMORROW)
    monkeypatch.setattr(_steps, "SCHEMA", 2)
    monkeypatch.setattr(tomorrows, "during", _not_to_be_called)
    assert upgrade(engine) == Upgraded(before=0, after=2)
    assert versions(engine) == [(1, 1), (2, 1)]


def _not_to_be_called() -> None:
    raise AssertionError("a step was taken")


def test_a_column_that_old_workers_cannot_write_is_refused() -> None:
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True})
    with pytest.raises(ValueError, match="colour: old workers leave it out"):
        _steps.Step(context).add_column("requests", sa.Column("colour", sa.Text, nullable=False))


def test_there_is_no_way_back() -> None:
    with pytest.raises(StoreError, match="do not go back"):
        _steps.no_way_back()


# ── statements for somebody else to run ─────────────────────────────────────────────────────────


def _played(engine: sa.Engine, statements: str) -> None:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        for statement in statements.split(";\n"):
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            if text := "\n".join(lines).strip():
                cursor.execute(text)
        cursor.close()
        connection.commit()
    finally:
        connection.close()


def test_the_statements_do_what_the_upgrade_does(engine: sa.Engine) -> None:
    expected = created(engine)
    _played(engine, sql(_kind_of(engine)))
    assert structure(engine) == expected
    assert versions(engine) == [(1, 1)]
    assert upgrade(engine) == Upgraded(before=1, after=1)


def _kind_of(engine: sa.Engine) -> str:
    kind = {"postgresql": "postgresql+psycopg", "mysql": "mariadb+pymysql"}
    name = kind.get(engine.dialect.name)
    return f"{name}://me:secret@nowhere/shop" if name else "sqlite:///nowhere.db"


def test_the_statements_since_a_version_are_those_of_its_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_running, "LOCATIONS", TOMORROW)
    said = sql("postgresql+psycopg://me:secret@nowhere/shop", since=1, partitions=1)
    assert "secret" not in said
    assert "CREATE TABLE" not in said
    in_order = [
        "SET SESSION lock_timeout = 1000",
        "ADD COLUMN colour",
        "ON ONLY abandoned_booking_requests",
        "CREATE INDEX CONCURRENTLY abandoned_booking_requests_0_by_colour",
        "ATTACH PARTITION abandoned_booking_requests_0_by_colour",
        "SET colour = 'red'",
        "VALUES (2, 1)",
    ]
    places = [said.index(part) for part in in_order]
    assert places == sorted(places)


def test_a_version_that_there_is_not_has_no_statements() -> None:
    with pytest.raises(StoreError, match="no version 2"):
        sql("sqlite://", since=2)
