"""Which engines the store works on, and what it asks of its own connections.

Both halves of the promise begin here: what the store commits must not hang on anybody else's
transaction (so no engine whose connections are shared), and no process may read the answers to
another one's statements (so a fork leaves the pool to the parent).
"""

from __future__ import annotations

import logging
import os
import weakref
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import Pool, SingletonThreadPool, StaticPool

from abandoned_booking.errors import StoreError
from abandoned_booking.stores.sqlalchemy._types import is_mysql

__all__ = ["engine_for", "left_to_the_parent", "own", "refuse_unusable", "url_of"]

_WAYS: Final = "postgresql+psycopg://, mariadb+pymysql://, mysql+pymysql:// or sqlite:///"
_DRIVERS: Final = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
}
"""for URLs that name none, as other programs write them"""
_CONNECT_WITHIN_SECONDS: Final = 10
_UNANSWERED_SECONDS: Final = 30
"""after which a server that does not answer any more counts as gone"""


# ── an engine of the store's own ────────────────────────────────────────────────────────────────


def engine_for(url: str | sa.URL) -> sa.Engine:
    """An engine for a database URL. Raises :class:`StoreError` if there can be none."""
    try:
        made = sa.make_url(url)
        made = made.set(drivername=_DRIVERS.get(made.drivername, made.drivername))
        return sa.create_engine(made, connect_args=_patience(made), hide_parameters=True)
    except exc.NoSuchModuleError:
        problem = f"there is no database of that kind; use {_WAYS}"
    except (exc.ArgumentError, ValueError, TypeError):
        # The URL is not repeated: it may hold a password.
        problem = "that is not a database URL; write it like postgresql+psycopg://user@host/name"
    except ImportError as error:
        problem = _missing_driver(error)
    raise StoreError(problem)


def _patience(url: sa.URL) -> dict[str, Any]:
    """How long a server may not answer, where the driver would wait for hours."""
    if url.drivername != "postgresql+psycopg":
        return {}
    patience = {
        "connect_timeout": _CONNECT_WITHIN_SECONDS,
        "keepalives_idle": _UNANSWERED_SECONDS,
        "tcp_user_timeout": _UNANSWERED_SECONDS * 1000,
    }
    return {name: value for name, value in patience.items() if name not in url.query}


def _missing_driver(error: ImportError) -> str:
    extra = {"psycopg": "sql", "pymysql": "mysql"}.get(error.name or "")
    if extra:
        return (
            f"the database's driver {error.name} is missing; "
            f"pip install 'abandoned-booking[{extra}]'"
        )
    return f"the database's driver {error.name or ''} is missing; install it, or use {_WAYS}"


# ── the host's engine ───────────────────────────────────────────────────────────────────────────


def refuse_unusable(engine: object) -> None:
    """Raises :class:`StoreError` unless the store can keep its promises on this engine."""
    if not isinstance(engine, sa.Engine):
        raise StoreError(
            f"SqlAlchemyStore needs an Engine, and was given something of type "
            f"{type(engine).__name__}: what it commits must not hang on a transaction of yours; "
            f"{_instead_of(engine)}"
        )
    if engine.dialect.is_async:
        raise StoreError(
            "SqlAlchemyStore works on a synchronous Engine, and this one's driver is "
            f"{engine.dialect.driver}; give it an engine of its own, create_engine(...) with "
            f"{_WAYS}, and call it from threads"
        )
    _refuse_other_databases(engine.dialect)
    _refuse_shared_connections(engine)


def _instead_of(given: object) -> str:
    if isinstance(given, str | sa.URL):
        return "use SqlAlchemyStore.from_url(url)"
    if isinstance(given, sa.Connection):
        return "give it connection.engine"
    return "give it create_engine(...)"


def _refuse_other_databases(dialect: sa.Dialect) -> None:
    if dialect.name == "postgresql" and dialect.driver != "psycopg":
        raise StoreError(
            f"on PostgreSQL SqlAlchemyStore needs psycopg 3, not {dialect.driver}; give it an "
            "engine of its own, create_engine('postgresql+psycopg://...'); "
            "pip install 'abandoned-booking[sql]'"
        )
    if dialect.name not in {"postgresql", "sqlite"} and not is_mysql(dialect):
        raise StoreError(
            f"SqlAlchemyStore works on PostgreSQL, MariaDB, MySQL and SQLite, not on "
            f"{dialect.name}; use {_WAYS}, or write a store of your own"
        )


def _refuse_shared_connections(engine: sa.Engine) -> None:
    if _is_in_memory(engine):
        raise StoreError(
            "an SQLite database in memory belongs to one connection; give the engine a file, or "
            "use MemoryStore() for tests"
        )
    if isinstance(engine.pool, StaticPool | SingletonThreadPool):
        raise StoreError(
            f"the engine shares its connections ({type(engine.pool).__name__}), so a transaction "
            "of yours could take back what the store has committed; leave out poolclass"
        )


def _is_in_memory(engine: sa.Engine) -> bool:
    if engine.dialect.name != "sqlite":
        return False
    file = engine.url.database or ""
    in_memory = ":memory:" in file or "mode=memory" in file
    return not file or in_memory or engine.url.query.get("mode") == "memory"


def url_of(engine: sa.Engine) -> str:
    """Where it leads, with neither password nor options."""
    return engine.url.set(query={}).render_as_string()


def own(engine: sa.Engine) -> sa.Engine:
    """The same engine and pool, with what the store needs in place of the host's choices.

    Whatever the host lets SQLAlchemy print, of these connections it prints no values (G4).
    """
    ours = engine.execution_options(schema_translate_map=None, stream_results=False)
    ours.hide_parameters = True
    ours.logger = _WithoutRows(ours.logger, {})  # type: ignore[assignment, arg-type]
    return ours


class _WithoutRows(logging.LoggerAdapter[logging.Logger]):
    """SQLAlchemy's logger, which prints the rows that come back if DEBUG is on."""

    def isEnabledFor(self, level: int) -> bool:
        return level > logging.DEBUG and super().isEnabledFor(level)


# ── after a fork ────────────────────────────────────────────────────────────────────────────────

_engines: Final[weakref.WeakSet[sa.Engine]] = weakref.WeakSet()
_kept: Final[list[Pool]] = []


def left_to_the_parent(engine: sa.Engine) -> None:
    """See to it that a child process begins with a pool of its own."""
    _engines.add(engine)


def _in_the_child() -> None:
    for engine in list(_engines):
        # Kept, and never used: closing them here would end the parent's, or drop its locks.
        _kept.append(engine.pool)
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_the_child)
