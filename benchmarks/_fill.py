"""Stores full of requests, made once for all scripts of a run.

``SqliteStore`` is filled through its own ``add``, in one transaction that is not waited for; the
tables of ``SqlAlchemyStore`` in bulk, by two processes, before their indexes are made. What is made
is vacuumed and analysed, as a database is that has been in use for a while.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from abandoned_booking.core.campaign import AfterDelay, BusinessSettings, RecoveryCampaign
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.stores.sqlite import SqliteStore
from benchmarks._crowd import NOOK, due_at_of, nook_request, request_number
from benchmarks._databases import Databases
from benchmarks._harness import SIZES

if TYPE_CHECKING:
    from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore

__all__ = [
    "ON_POSTGRES",
    "ON_SQLITE",
    "SQLITE",
    "Filled",
    "fill",
    "filled",
    "open_sql",
    "open_store",
    "place_of",
    "sizes_of",
    "stores_there",
    "waiting",
]

SQLITE: Final = "SqliteStore"
ON_POSTGRES: Final = "SqlAlchemyStore, PostgreSQL"
ON_SQLITE: Final = "SqlAlchemyStore, SQLite"

Making = Callable[[int], AbandonedRequest]


@attrs.frozen
class Filled:
    """A store with so many requests of ``paws`` in it, and a few of ``nook``."""

    kind: str
    rows: int
    place: str
    """a path, or the URL of a database"""
    store: Any


def stores_there(databases: Databases, *, also_on_sqlite: bool = False) -> list[str]:
    """The stores that can be measured here."""
    there = [SQLITE]
    if databases.postgres is not None:
        there.append(ON_POSTGRES)
    return [*there, ON_SQLITE] if also_on_sqlite else there


def sizes_of(kind: str) -> tuple[int, ...]:
    """The sizes at which a store is measured; a million is not for SQL through SQLite."""
    return SIZES[:-1] if kind == ON_SQLITE and len(SIZES) > 2 else SIZES


def waiting(number: int) -> AbandonedRequest:
    """A request of the list whose turn in the queue comes later than anybody looks."""
    return attrs.evolve(request_number(number), next_action_at=due_at_of(number))


def filled(
    databases: Databases, kind: str, rows: int, *, name: str = "list", make: Making = waiting
) -> Filled:
    """A store of that kind with that many requests, filled now or by a script before."""
    place = place_of(databases, kind, f"{name}_{rows}")
    fill(kind, place, rows, make)
    return Filled(kind, rows, place, open_store(kind, place))


def place_of(databases: Databases, kind: str, name: str) -> str:
    """Where a store of that kind is kept under that name."""
    if kind == ON_POSTGRES:
        return databases.postgres_url(name)
    path = databases.folder / f"{name}_{'sql' if kind == ON_SQLITE else 'own'}.db"
    return f"sqlite:///{path}" if kind == ON_SQLITE else str(path)


def fill(kind: str, place: str, rows: int, make: Making) -> None:
    """Fill a place that is not filled yet."""
    if kind == SQLITE:
        _fill_own(Path(place), rows, make)
    else:
        _fill_sql(place, rows, make)


def open_store(kind: str, place: str) -> Any:
    return SqliteStore(place) if kind == SQLITE else open_sql(place)


def open_sql(url: str, **options: Any) -> SqlAlchemyStore:
    import sqlalchemy as sa

    from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore

    return SqlAlchemyStore(sa.create_engine(url, **options))


def _requests(numbers: Iterable[int], make: Making) -> Iterator[AbandonedRequest]:
    yield from (make(number) for number in numbers)


def _put_settings(store: Any) -> None:
    # Not through bookings.settings, which would look at every request.
    campaign = RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2))
    for business_id in ("paws", "nook"):
        store.settings.put(
            BusinessSettings(business_id=business_id, name="Paws & Co", campaign=campaign)
        )


def _nook(make: Making) -> list[AbandonedRequest]:
    return [nook_request(number) for number in range(NOOK)] if make is waiting else []


# ── SqliteStore ─────────────────────────────────────────────────────────────────────────────────


def _fill_own(path: Path, rows: int, make: Making) -> None:
    if path.exists():
        return
    part = path.with_suffix(".part")
    with SqliteStore(part) as store:
        _put_settings(store)
        connection = store._connections.open()
        # Whoever reads these benchmarks can wait for the disk at the end.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")

        @contextmanager
        def in_one_transaction() -> Iterator[sqlite3.Connection]:
            yield connection

        store._connections.writing = in_one_transaction  # type: ignore[method-assign]
        connection.execute("BEGIN IMMEDIATE")
        # The oldest first, as they come.
        for request in (*_nook(make), *_requests(range(rows - 1, -1, -1), make)):
            store.add(request)
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    os.replace(part, path)


# ── SqlAlchemyStore ─────────────────────────────────────────────────────────────────────────────

_AT_ONCE: Final = 5_000


def _fill_sql(url: str, rows: int, make: Making) -> None:
    import sqlalchemy as sa

    store = open_sql(url)
    engine = store._database.engine
    with engine.connect() as connection:
        if sa.inspect(connection).has_table(store.tables.requests.name):
            engine.dispose()
            return
    store.create_all()
    _put_settings(store)
    tables = [
        store.tables.requests,
        store.tables.queue,
        store.tables.documents,
        store.tables.search,
    ]
    indexes = [index for table in tables for index in table.indexes]
    with engine.begin() as connection:
        for index in indexes:
            index.drop(connection)
    engine.dispose()
    postgres = engine.dialect.name == "postgresql"
    parts = [range(first, rows, 2) for first in range(2)] if postgres else [range(rows)]
    with ProcessPoolExecutor(len(parts)) as pool:
        for done in [pool.submit(_write_part, url, part, make) for part in parts]:
            done.result()
    _write_rows(store, _nook(make))
    with engine.begin() as connection:
        if postgres:
            connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '1GB'")
        for index in indexes:
            index.create(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if postgres else "ANALYZE")
    engine.dispose()


def _write_part(url: str, numbers: Sequence[int], make: Making) -> None:
    store = open_sql(url)
    for first in range(0, len(numbers), _AT_ONCE):
        _write_rows(store, list(_requests(numbers[first : first + _AT_ONCE], make)))
    store._database.engine.dispose()


def _write_rows(store: SqlAlchemyStore, requests: Sequence[AbandonedRequest]) -> None:
    """The rows of requests, as ``store.add`` would write them."""
    import sqlalchemy as sa

    if not requests:
        return
    rows = _rows_of(store, requests)
    with store._database.engine.begin() as connection:
        for table, values in rows.items():
            if connection.dialect.name == "postgresql":
                _copy(connection, table, values)
            else:
                connection.execute(sa.insert(table), values)


class _Kept:
    """Stands where a store writes, and keeps what it would have written."""

    def __init__(self) -> None:
        self.changes: list[Any] = []

    def add(self, change: Any) -> bool:
        self.changes.append(change)
        return True


def _rows_of(
    store: SqlAlchemyStore, requests: Sequence[AbandonedRequest]
) -> dict[Any, list[dict[str, Any]]]:
    writes, kept, tables = store._writes, _Kept(), store.tables
    store._writes = kept  # type: ignore[assignment]
    try:
        for request in requests:
            store.add(request)
    finally:
        store._writes = writes
    rows: dict[Any, list[dict[str, Any]]] = {
        tables.requests: [],
        tables.queue: [],
        tables.documents: [],
        tables.search: [],
    }
    for change in kept.changes:
        key = {"business_id": change.business_id, "id": change.id}
        queued = {"version": change.version, "next_action_at": change.next_action_at, "write_id": 0}
        rows[tables.requests].append({**key, **change.listed})
        rows[tables.queue].append({**key, **queued})
        rows[tables.documents].append({**key, "document": change.document})
        rows[tables.search].append({**key, **change.searched})
    return rows


def _copy(connection: Any, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    names = list(rows[0])
    statement = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
    cursor = connection.connection.driver_connection.cursor()
    with cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([_copied(row[name]) for name in names])


def _copied(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return f"{{{','.join(map(str, value))}}}"
    return value
