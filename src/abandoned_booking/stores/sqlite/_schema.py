"""The tables, whose file it is, and how an older file moves forward.

The queue columns stand in a narrow row; the document and the search text stand beside it, so that a
claim or a change of status rewrites little. A version is one entry of :data:`MIGRATIONS`; each is
applied in one transaction together with the file's ``user_version``.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from abandoned_booking.errors import NewerSchema, NotOurDatabase, StoreError
from abandoned_booking.stores.sqlite import _search
from abandoned_booking.stores.sqlite._connections import Connections, create_file, told, transaction

__all__ = ["APPLICATION_ID", "MIGRATIONS", "prepare"]

APPLICATION_ID: Final = 0x41426B67
""""ABkg" in the file's header: whose file it is"""

_MAGIC: Final = b"SQLite format 3\0"
_POLL: Final = 0.01


def _first(connection: sqlite3.Connection) -> None:
    for statement in _FIRST_TABLES:
        connection.execute(statement)


_FIRST_TABLES: Final = (
    # What the queue and the list look at. Instants are whole microseconds since 1970; "newest" is
    # abandoned_at negated, so that ascending order and a row comparison give "newest first, then
    # by id". Shelf: 0 can be listed, 1 deleted, 2 neither, 3 erased.
    """CREATE TABLE requests (
        key INTEGER PRIMARY KEY,
        business_id TEXT NOT NULL,
        id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        version INTEGER NOT NULL,
        status TEXT NOT NULL,
        step TEXT,
        client_type TEXT NOT NULL,
        care_type TEXT,
        shelf INTEGER NOT NULL,
        newest INTEGER NOT NULL,
        listed_at INTEGER NOT NULL,
        contacted_at INTEGER,
        next_action_at INTEGER,
        client_id TEXT,
        phone TEXT,
        email TEXT,
        place INTEGER NOT NULL
    )""",
    "CREATE UNIQUE INDEX requests_by_id ON requests (business_id, id)",
    "CREATE UNIQUE INDEX requests_by_session ON requests (business_id, session_id, sequence)",
    "CREATE INDEX requests_by_shelf ON requests (business_id, shelf, newest, id, listed_at)",
    # Shelf once more at the end: else SQLite reads the row to look at it, and counting is slow.
    """CREATE INDEX requests_by_status ON requests
        (business_id, status, newest, id, listed_at, shelf) WHERE shelf = 0""",
    """CREATE INDEX requests_due ON requests (next_action_at)
        WHERE next_action_at IS NOT NULL""",
    """CREATE INDEX requests_by_client ON requests (business_id, client_id)
        WHERE client_id IS NOT NULL""",
    "CREATE INDEX requests_by_phone ON requests (business_id, phone) WHERE phone IS NOT NULL",
    "CREATE INDEX requests_by_email ON requests (business_id, email) WHERE email IS NOT NULL",
    # The whole request as JSON; version and next_action_at are the narrow row's.
    "CREATE TABLE documents (key INTEGER PRIMARY KEY, document TEXT NOT NULL)",
    # place: the second of abandoned_at, and a number within that second: see _search.
    """CREATE TABLE search (
        place INTEGER PRIMARY KEY,
        key INTEGER NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL
    )""",
    "CREATE TABLE search_state (indexed INTEGER NOT NULL)",
    "INSERT INTO search_state VALUES (0)",
    "CREATE TABLE businesses (number INTEGER PRIMARY KEY, business_id TEXT NOT NULL UNIQUE)",
    """CREATE TABLE settings (business_id TEXT PRIMARY KEY, document TEXT NOT NULL)
        WITHOUT ROWID""",
    """CREATE TABLE suppressions (
        business_id TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (business_id, key)
    ) WITHOUT ROWID""",
    """CREATE TABLE reservations (
        business_id TEXT NOT NULL,
        phone TEXT NOT NULL,
        owner TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (business_id, phone)
    ) WITHOUT ROWID""",
)

MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _first,
    # The index has trigrams for the last letters of a text as well, and another name: a process of
    # the version before that has the file open would leave them out.
    _search.build_anew,
)
"""From an empty file to version 1, from 1 to 2, ...: never changed once released, only added to."""


def prepare(connections: Connections) -> None:
    """Make the file ready: create it, or check that it is ours, and move it forward.

    Whatever is wrong with it is found before anything is written.
    """
    path = connections.path
    create_file(path)
    _check_header(path)
    with told(path):
        if path.stat().st_size:
            _look(connections)
        connection = connections.open()
        try:
            _migrate(connection, path)
            _use_wal(connection, connections)
            _search.index_if_possible(connection)
        finally:
            connection.close()


def _look(connections: Connections) -> None:
    connection = connections.open(mode="ro")
    try:
        _version(connection, connections.path)
    finally:
        connection.close()


def _check_header(path: Path) -> None:
    # By its bytes first: opening somebody else's database may already roll back or checkpoint it.
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        return
    if not header.startswith(_MAGIC):
        raise NotOurDatabase(f"{path} is not a SQLite database; choose another path")
    version, owner = (int.from_bytes(header[at : at + 4], "big") for at in (60, 68))
    if owner not in {0, APPLICATION_ID}:
        raise _somebody_elses(path)
    if owner == APPLICATION_ID and version > len(MIGRATIONS):
        raise _newer(path, version)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The file's schema version, 0 for an empty one; raises if it is not ours or too new."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if owner == 0 and version == 0:
        (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if objects == 0:
            return 0
    if owner != APPLICATION_ID:
        raise _somebody_elses(path)
    if version > len(MIGRATIONS):
        raise _newer(path, version)
    return int(version)


def _somebody_elses(path: Path) -> NotOurDatabase:
    return NotOurDatabase(
        f"{path} is a database of something else than abandoned-booking; choose another path"
    )


def _newer(path: Path, version: int) -> NewerSchema:
    return NewerSchema(
        f"{path} was written by a newer abandoned-booking (schema {version}; this one knows "
        f"up to {len(MIGRATIONS)}); upgrade abandoned-booking"
    )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    while _version(connection, path) < len(MIGRATIONS):
        with transaction(connection):
            # Again, now that nobody else writes: another process may have been faster.
            version = _version(connection, path)
            if version == len(MIGRATIONS):
                return
            MIGRATIONS[version](connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version + 1}")


def _use_wal(connection: sqlite3.Connection, connections: Connections) -> None:
    # SQLite does not wait by itself for this one; others may be opening the file too.
    waiting_until = time.monotonic() + connections.busy_timeout.total_seconds()
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > waiting_until:
                raise
            time.sleep(_POLL)
    if mode != "wal":
        raise StoreError(
            f"{connections.path} is on a file system without shared memory, which several "
            "processes need; choose a path on a local disk"
        )
