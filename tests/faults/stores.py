"""The store of a run, by a URL: a SQLite file, or any database of SQLAlchemy's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from abandoned_booking.stores.sqlite import SqliteStore

_PATIENCE = timedelta(seconds=60)
"""of writers that take turns on a slow disk"""


def load(url: str) -> None:
    """Load what a store of that URL needs."""
    open_store(url).close()


def open_store(url: str) -> Any:
    """A store with ``settings``, ``suppressions`` and ``ledger``, ready for use."""
    if url.startswith("file:"):
        return SqliteStore(url.removeprefix("file:"), busy_timeout=_PATIENCE)
    # Only here: those who have a file need no SQLAlchemy.
    from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore

    return SqlAlchemyStore.from_url(url)
