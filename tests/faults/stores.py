"""The store of a run, by a URL: a SQLite file, or any database of SQLAlchemy's."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

from abandoned_booking.stores.sqlite import SqliteStore

_PATIENCE = timedelta(seconds=60)
"""of writers that take turns on a slow disk"""


def load(url: str) -> None:
    """Load what a store of that URL needs, and open nothing."""
    if not _is_file(url):
        _engine(url).dispose()


def open_store(url: str) -> Any:
    """A store with ``settings``, ``suppressions`` and ``ledger``, ready for use."""
    if _is_file(url):
        return SqliteStore(url.removeprefix("file:"), busy_timeout=_PATIENCE)
    from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore

    return SqlAlchemyStore(_engine(url))


def _is_file(url: str) -> bool:
    return url.startswith("file:")


def _engine(url: str) -> Any:
    # Only here: those who have a file need no SQLAlchemy.
    import sqlalchemy as sa

    engine = sa.create_engine(url, pool_size=10)
    importlib.import_module("abandoned_booking.stores.sqlalchemy")
    return engine
