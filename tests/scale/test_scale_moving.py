"""The page's own way to move tables into partitions, beside a worker that never stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from types import ModuleType
from typing import Any, Final

import attrs
import pytest
import sqlalchemy as sa
from markdown_it import MarkdownIt
from scale.crowds import Crowd, fill

from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "scale.md"
FIRST_LINE: Final = '"""Moves the tables of abandoned-booking into partitioned ones'
NOW: Final = LEFT_AT
REQUESTS: Final = 300


@pytest.fixture
def move() -> ModuleType:
    """The script, as it stands on the page."""
    blocks = MarkdownIt().parse(PAGE.read_text(encoding="utf-8"))
    (source,) = [one.content for one in blocks if one.content.startswith(FIRST_LINE)]
    module = ModuleType("move")
    exec(compile(source, str(PAGE), "exec", dont_inherit=True), vars(module))
    return module


@pytest.fixture
def engine(postgres_database: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(postgres_database)
    yield made
    made.dispose()


@pytest.fixture
def worker_engine(engine: sa.Engine) -> Iterator[sa.Engine]:
    """The same database for one who has the rights of a worker on the tables, and no others."""
    role = f"worker_{token_hex(8)}"
    SqlAlchemyStore(engine).create_all()
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {role}")
        connection.exec_driver_sql(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        )
    made = sa.create_engine(engine.url, connect_args={"options": f"-c role={role}"})
    yield made
    made.dispose()
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")
        connection.exec_driver_sql(f"DROP ROLE {role}")


@attrs.define
class Worker:
    """Claims, saves, adds, reserves and releases until it is told to stop, and keeps count."""

    store: SqlAlchemyStore
    versions: dict[str, int] = attrs.Factory(dict)
    reserved: set[str] = attrs.Factory(set)
    is_done: threading.Event = attrs.Factory(threading.Event)
    rounds: int = 0

    def work(self) -> None:
        try:
            while not self.is_done.is_set():
                self.rounds += 1
                self._save_some()
                self._add(f"new-{self.rounds}")
                self._reserve(f"phone-{self.rounds % 7}")
        finally:
            self.is_done.set()  # also if it has failed: nobody need wait for it

    def _save_some(self) -> None:
        now = NOW + self.rounds * timedelta(minutes=1)
        for claimed in self.store.claim_due_fairly(now=now, until=now, limit=5):
            changed = attrs.evolve(claimed, client_id=f"c{self.rounds}")
            assert self.store.save(changed, expected_version=claimed.version)
            self.versions[claimed.id] = claimed.version + 1

    def _add(self, name: str) -> None:
        assert self.store.add(a_request(business_id=f"b{self.rounds % 9}", id=name))
        self.versions[name] = 1

    def _reserve(self, phone: str) -> None:
        # Now it is there, and the next time it is not: rows that come and go.
        if phone in self.reserved:
            self.store.ledger.release("b1", phone, owner="o")
            self.reserved.remove(phone)
        else:
            asked: Any = {"owner": "o", "at": NOW, "not_within": timedelta(days=1)}
            assert self.store.ledger.reserve("b1", phone, **asked)
            self.reserved.add(phone)

    def wait_for(self, rounds: int) -> None:
        """Let it do some more."""
        until = self.rounds + rounds
        while self.rounds < until:
            assert not self.is_done.wait(0.001)


def test_tables_move_into_partitions_while_a_worker_goes_on(
    engine: sa.Engine, worker_engine: sa.Engine, move: ModuleType
) -> None:
    store = SqlAlchemyStore(engine)
    fill(store, [Crowd(business_id=f"b{n}", number=REQUESTS // 9, due_at=NOW) for n in range(9)])
    worker = Worker(SqlAlchemyStore(worker_engine))
    with worker_engine.connect() as connection:
        vars(move)["WORKER"] = connection.scalar(sa.text("SELECT current_user"))
    with engine.connect() as connection:
        ids = connection.scalars(sa.select(store.tables.queue.c.id)).all()
    worker.versions = dict.fromkeys(ids, 1)
    thread = threading.Thread(target=worker.work)
    thread.start()
    try:
        worker.wait_for(3)
        move.expand(engine, 4)
        move.expand(engine, 4)  # broken off, and begun again
        worker.wait_for(3)
        move.copy(engine, at_once=20)
        worker.wait_for(3)
        move.contract(engine)
        worker.wait_for(3)
    finally:
        worker.is_done.set()
        thread.join()
    assert_all_is_there(engine, worker)
    assert_they_are_as_if_made_with_partitions(engine)


def assert_all_is_there(engine: sa.Engine, worker: Worker) -> None:
    tables = worker.store.tables
    with engine.connect() as connection:
        queue = tables.queue.c
        stored = {
            row.id: row.version for row in connection.execute(sa.select(queue.id, queue.version))
        }
        assert stored == worker.versions
        for table in (tables.requests, tables.documents, tables.search):
            assert {*connection.scalars(sa.select(table.c.id))} == {*stored}
        assert {*connection.scalars(sa.select(tables.reservations.c.owner))} <= {"o"}
        held = connection.scalar(sa.select(sa.func.count()).select_from(tables.reservations))
        assert held == len(worker.reserved)
    found = worker.store.get("b3", "b3-1")
    assert found is not None
    assert found.version == worker.versions["b3-1"]


def assert_they_are_as_if_made_with_partitions(engine: sa.Engine) -> None:
    made = SqlAlchemyStore(engine, table_prefix="fresh_")
    made.create_all(partitions=4)

    def shape(prefix: str) -> tuple[set[str], int]:
        asked = sa.text(
            "SELECT relname, relkind::text FROM pg_class WHERE starts_with(relname, :prefix) "
            "AND NOT relname LIKE '%\\_old\\_%'"
        )
        with engine.connect() as connection:
            rows = connection.execute(asked, {"prefix": prefix}).all()
        # PostgreSQL names the indexes of partitions itself, as far as there is room.
        named = {row.relname.removeprefix(prefix) for row in rows if row.relkind in "rpI"}
        return named, sum(row.relkind == "i" for row in rows)

    assert shape("abandoned_booking_") == shape("fresh_")
    with engine.connect() as connection:
        asked = "SELECT count(*) FROM pg_trigger WHERE tgname = 'repeat'"
        assert connection.exec_driver_sql(asked).scalar() == 0
