"""Connections to one database file: created for its owner only, pooled, with our own errors.

A connection serves one call at a time and then the next, of whatever thread. After a fork the child
opens its own. No error message repeats a stored value (G4).
"""

from __future__ import annotations

import errno
import os
import sqlite3
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from abandoned_booking import _failpoints
from abandoned_booking.errors import (
    InvalidInput,
    NotOurDatabase,
    StoreError,
    StoreLocked,
    StoreReadOnly,
)

__all__ = ["Connections", "create_file", "told"]

_MOST_IDLE: Final = 16
_OWNER_ONLY: Final = 0o600


# ── errors ──────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into this library's errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(error, path) from error
    except UnicodeEncodeError:
        # from None: that exception carries the text, which may be somebody's.
        raise InvalidInput("a text holds half of a surrogate pair; give valid Unicode") from None


def _store_error(error: sqlite3.Error, path: Path) -> StoreError:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreLocked(
                f"{path} is held by another process for longer than the busy time-out; "
                "try again, end that process, or give SqliteStore a longer busy_timeout"
            )
        case sqlite3.SQLITE_NOTADB:
            return _not_a_database(path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return _read_only(path)
        case sqlite3.SQLITE_CANTOPEN if not _writable(path.parent):
            return _read_only(path)
        case sqlite3.SQLITE_FULL:
            return StoreError(f"no room is left on the disk of {path}; make some and try again")
        case _:
            return StoreError(f"{path} cannot be used: {error}")


def _read_only(path: Path) -> StoreReadOnly:
    return StoreReadOnly(
        f"{path} cannot be written to; SQLite needs to write to the file and to its folder: "
        "change their permissions or choose another path"
    )


def _not_a_database(path: Path) -> NotOurDatabase:
    return NotOurDatabase(f"{path} is not a SQLite database; choose another path")


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def create_file(path: Path) -> None:
    """See to it that the file is there and can be written; a new one is its owner's only (0600).

    SQLite gives the files that it keeps beside it (``-wal``, ``-shm``) the same mode.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
    except OSError as error:
        raise _file_error(error, path) from error


def _file_error(error: OSError, path: Path) -> StoreError:
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return _read_only(path)
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return StoreError(f"the folder {path.parent} does not exist; create it first")
    if error.errno == errno.EISDIR:
        return StoreError(f"{path} is a folder; give the path of a file")
    return StoreError(f"{path} cannot be opened: {error.strerror}")


# ── the pool ────────────────────────────────────────────────────────────────────────────────────


class Connections:
    """A pool of connections to one file; never more of them than calls at the same time."""

    def __init__(self, path: Path, *, busy_timeout: timedelta) -> None:
        self.path = path
        self.busy_timeout = busy_timeout
        self._idle: deque[sqlite3.Connection] = deque()
        self._pid = os.getpid()
        self._closed = False
        _all_pools.add(self)

    @contextmanager
    def borrowed(self) -> Iterator[sqlite3.Connection]:
        """A connection in autocommit mode: one statement sees one state of the data."""
        with told(self.path):
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection whose statements all see the same state; writers go on meanwhile."""
        with self.borrowed() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                _roll_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes beside; durable once the block has ended."""
        with self.borrowed() as connection, transaction(connection):
            yield connection

    def close(self) -> None:
        """Close what is not in use; what is in use is closed when it is given back."""
        self._closed = True
        self.close_idle()

    def close_idle(self) -> None:
        if self._pid == os.getpid():
            with suppress(IndexError):
                while True:
                    self._idle.pop().close()

    def _take(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"the store of {self.path} was closed; open a new SqliteStore")
        if self._pid != os.getpid():
            # Closing a connection that came through a fork would drop the parent's locks.
            _left_to_the_parent.append(self._idle)
            self._idle, self._pid = deque(), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self.open()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if len(self._idle) >= _MOST_IDLE:
            connection.close()
            return
        self._idle.append(connection)
        if self._closed:
            self.close_idle()

    def open(self, *, mode: str = "rw") -> sqlite3.Connection:
        """A new connection; it never creates a file."""
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode={mode}",
            uri=True,
            timeout=self.busy_timeout.total_seconds(),
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # Every commit reaches the disk before it returns, as the ports promise.
            connection.execute("PRAGMA synchronous = FULL")
            # People's names, while they are sorted, stay out of temporary files.
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA trusted_schema = OFF")
            # What is overwritten is overwritten with zeros; not every build does so by itself.
            connection.execute("PRAGMA secure_delete = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """``BEGIN IMMEDIATE``: the write lock is taken first, so that nothing read goes stale."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        _failpoints.reached("store.committing")
        connection.execute("COMMIT")
        _failpoints.reached("store.committed")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    # Some errors have already ended the transaction.
    if connection.in_transaction:
        connection.execute("ROLLBACK")


_all_pools: Final[weakref.WeakSet[Connections]] = weakref.WeakSet()
_left_to_the_parent: Final[list[deque[sqlite3.Connection]]] = []


def _before_fork() -> None:
    # https://www.sqlite.org/howtocorrupt.html, 2.6: do not carry a connection across a fork.
    for pool in list(_all_pools):
        pool.close_idle()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
