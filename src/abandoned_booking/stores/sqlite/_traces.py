"""Removing the copies that SQLite leaves of what was overwritten (G3).

``secure_delete`` zeroes what is deleted, but three kinds of copies stay: cells that a page split
has moved away stand in the slack of their old page, the trigram index marks what it forgets and
drops it only when its parts are merged, and the write-ahead log keeps whole pages as they were. So
the index is merged into one part, the file is rewritten, and the log is emptied.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from abandoned_booking.errors import StoreLocked
from abandoned_booking.stores.sqlite import _search
from abandoned_booking.stores.sqlite._connections import Connections, told

__all__ = ["erase"]

_MOST_IN_MEMORY: Final = 64 * 1024 * 1024


def erase(connections: Connections) -> bool:
    """Whether no copy is left: not if another process was in the way for too long."""
    try:
        with told(connections.path):
            # One of its own: where it keeps what is temporary is set for this once.
            connection = connections.open()
            try:
                return _erase(connection, connections.path.stat().st_size)
            finally:
                connection.close()
    except StoreLocked:
        return False


def _erase(connection: sqlite3.Connection, size: int) -> bool:
    index_is_clean = _search.merge(connection)
    if size > _MOST_IN_MEMORY:
        connection.execute("PRAGMA temp_store = FILE")
    connection.execute("VACUUM")
    # Busy: a reader still needs what the log holds.
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return index_is_clean and not busy
