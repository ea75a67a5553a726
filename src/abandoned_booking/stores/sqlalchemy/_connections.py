"""The store's own short transactions on the host's engine: tried again where that is safe.

Every call takes a connection of its own from the engine and has committed before it returns, so no
transaction of the host's can take a claim or a *begin* back. What is lost on the way (a connection,
a deadlock, a restarted server) is tried again for a while: each piece of work that is handed in
here can be done twice. No message repeats a stored value (G4): what a driver says is kept out of
it, for it may quote parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum, auto
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import StaticPool

from abandoned_booking.errors import (
    InvalidInput,
    StoreError,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)
from abandoned_booking.stores.sqlalchemy._types import is_mysql

__all__ = ["Database", "KeyTaken", "Work", "explained"]

_T = TypeVar("_T")

Work = Callable[[sa.Connection, bool], _T]
"""What is to be done with a connection; the second argument says that it may have been done before:
the connection was lost while it was committed."""

_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.5


class KeyTaken(StoreError):
    """A row of that key is there already; told to the store, never to its callers."""


class _Failure(Enum):
    GONE = auto()
    """the connection is lost: what was being written may be there or not"""
    UNDONE = auto()
    """the database has taken the transaction back (deadlock, serialization): again, right away"""
    LOCKED = auto()
    READ_ONLY = auto()
    NO_TABLES = auto()
    FORBIDDEN = auto()
    OTHER = auto()


class Database:
    """Runs pieces of work, each in a transaction of its own."""

    def __init__(
        self, engine: sa.Engine, *, retry_for: timedelta, check: Callable[[sa.Connection], None]
    ) -> None:
        _refuse_what_is_shared(engine)
        self.engine = engine
        self.dialect = engine.dialect.name
        self._retry_for = retry_for.total_seconds()
        self._check = check
        self._is_checked = False
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        # MySQL's default would lock the gaps between the rows of the queue, against other writers.
        self._several = (
            engine.execution_options(isolation_level="READ COMMITTED")
            if is_mysql(engine.dialect)
            else engine
        )

    def run(self, work: Work[_T]) -> _T:
        """Do work of one statement; the database commits it as it ends."""
        return self._run(self._single, work)

    def transact(self, work: Work[_T]) -> _T:
        """Do work of several statements in one transaction, committed when this returns."""
        return self._run(self._several, work)

    def setting_up(self, work: Callable[[sa.Connection], None]) -> None:
        """Do work on the tables themselves, in one transaction, without a look at them first."""
        try:
            with self.engine.begin() as connection:
                work(connection)
        except exc.DBAPIError as error:
            raise explained(error) from _quiet(error)

    def _run(self, engine: sa.Engine, work: Work[_T]) -> _T:
        tries = _Tries(self._retry_for)
        while True:
            try:
                with engine.connect() as connection:
                    self._check_once(connection)
                    done = work(connection, tries.may_be_done)
                    connection.commit()
                    return done
            except exc.TimeoutError as error:
                raise StoreUnavailable(
                    "the engine has no connection free; give create_engine a larger pool_size, or "
                    "the sweep fewer send_threads"
                ) from _quiet(error)
            except exc.DBAPIError as error:
                tries.after(error, self._explained)
            except UnicodeEncodeError:
                # from None: that exception carries the text, which may be somebody's.
                raise _not_text() from None

    def _check_once(self, connection: sa.Connection) -> None:
        if not self._is_checked:
            self._check(connection)
            connection.rollback()
            self._is_checked = True

    def _explained(self, error: exc.DBAPIError) -> Exception:
        if _failure(error) is _Failure.NO_TABLES:
            # Say what is the matter: no tables, older ones, or somebody else's.
            with self.engine.connect() as connection:
                self._check(connection)
        return explained(error)


class _Tries:
    """How often one piece of work has been tried, and whether it may have been done already."""

    def __init__(self, retry_for: float) -> None:
        self.may_be_done = False
        self._ends_at = time.monotonic() + retry_for
        self._pause = _FIRST_PAUSE

    def after(self, error: exc.DBAPIError, explain: Callable[[exc.DBAPIError], Exception]) -> None:
        """Wait, to try again; raises what is to be told if that makes no sense."""
        failure = _failure(error)
        if failure not in {_Failure.GONE, _Failure.UNDONE} or time.monotonic() > self._ends_at:
            raise explain(error) from _quiet(error)
        if failure is _Failure.GONE:
            self.may_be_done = True
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


def _quiet(error: BaseException) -> BaseException | None:
    """What may stand as the cause of our error: the driver's own words may quote parameters."""
    original = getattr(error, "orig", None)
    return None if original is None else StoreError(type(original).__name__)


def _refuse_what_is_shared(engine: sa.Engine) -> None:
    if not isinstance(engine, sa.Engine):
        raise StoreError(
            f"SqlAlchemyStore works on an Engine, not on a {type(engine).__name__}: what it "
            "commits must not hang on a transaction of yours; give it create_engine(...)"
        )
    if isinstance(engine.pool, StaticPool):
        raise StoreError(
            "the engine shares one connection (StaticPool), so a transaction of yours could take "
            "back what the store has committed; use MemoryStore() for tests, or a file"
        )


# ── what went wrong ─────────────────────────────────────────────────────────────────────────────

_BY_SQLSTATE: Final = {
    "40001": _Failure.UNDONE,
    "40P01": _Failure.UNDONE,
    "55P03": _Failure.LOCKED,
    "57P01": _Failure.GONE,
    "57P02": _Failure.GONE,
    "57P03": _Failure.GONE,
    "25006": _Failure.READ_ONLY,
    "42P01": _Failure.NO_TABLES,
    "42703": _Failure.NO_TABLES,
    "3F000": _Failure.NO_TABLES,
    "42501": _Failure.FORBIDDEN,
}
"""https://www.postgresql.org/docs/current/errcodes-appendix.html; 08* is a lost connection"""

_BY_MYSQL_NUMBER: Final = {
    1020: _Failure.UNDONE,
    1205: _Failure.LOCKED,
    1213: _Failure.UNDONE,
    1053: _Failure.GONE,
    1927: _Failure.GONE,
    2002: _Failure.GONE,
    2003: _Failure.GONE,
    2006: _Failure.GONE,
    2013: _Failure.GONE,
    1290: _Failure.READ_ONLY,
    1792: _Failure.READ_ONLY,
    1836: _Failure.READ_ONLY,
    1054: _Failure.NO_TABLES,
    1146: _Failure.NO_TABLES,
    1142: _Failure.FORBIDDEN,
}
"""https://mariadb.com/kb/en/mariadb-error-codes/"""

_BY_SQLITE_CODE: Final = {
    5: _Failure.LOCKED,
    6: _Failure.LOCKED,
    8: _Failure.READ_ONLY,
}
"""https://www.sqlite.org/rescode.html"""


def _failure(error: exc.DBAPIError) -> _Failure:
    original = error.orig
    sqlstate = getattr(original, "sqlstate", None)
    if sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[sqlstate]
    if error.connection_invalidated or (sqlstate or "").startswith("08"):
        return _Failure.GONE
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None:
        no_table = code & 0xFF == 1 and str(original).startswith("no such ")
        return _Failure.NO_TABLES if no_table else _BY_SQLITE_CODE.get(code & 0xFF, _Failure.OTHER)
    number = original.args[0] if original is not None and original.args else None
    if isinstance(number, int):
        return _BY_MYSQL_NUMBER.get(number, _Failure.OTHER)
    # psycopg has no SQLSTATE for a connection that it could not open.
    could_not_connect = isinstance(error, exc.OperationalError) and sqlstate is None
    return _Failure.GONE if could_not_connect else _Failure.OTHER


def explained(error: exc.DBAPIError) -> StoreError | InvalidInput:
    """Our error for what a driver has raised."""
    if isinstance(error, exc.DataError):
        return _not_text()
    if isinstance(error, exc.IntegrityError):
        return KeyTaken("a row of that key is there already")
    match _failure(error):
        case _Failure.GONE:
            return StoreUnavailable(
                "the database cannot be reached, or keeps closing the connection; what was being "
                "written may be there or not: read it again before you repeat it"
            )
        case _Failure.UNDONE | _Failure.LOCKED:
            return StoreLocked(
                "others hold what is to be written for longer than the store waits; nothing was "
                "changed: try again"
            )
        case _Failure.READ_ONLY:
            return StoreReadOnly(
                "the database takes no writes (a standby, or a read-only user); connect to the "
                "primary"
            )
        case _Failure.FORBIDDEN:
            return StoreError(
                "the database's user may not read or write the store's tables; GRANT SELECT, "
                "INSERT, UPDATE, DELETE on them"
            )
        case _:
            name = type(error.orig).__name__
            code = getattr(error.orig, "sqlstate", None) or ""
            return StoreError(
                f"the database refused a statement ({name} {code})".replace(" )", ")")
            )


def _not_text() -> InvalidInput:
    return InvalidInput(
        "a text or a number does not fit into the database: NUL, half of a surrogate pair, or an "
        "id over 200 characters"
    )
