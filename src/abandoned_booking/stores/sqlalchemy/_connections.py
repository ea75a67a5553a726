"""The store's own short transactions on the host's engine: tried again where that is safe.

Every call takes a connection of its own from the engine and has committed before it returns, so no
transaction of the host's can take a claim or a *begin* back. What is lost on the way (a connection,
a deadlock, a restarted server) is tried again for a while: each piece of work that is handed in
here can be done twice. No error carries a stored value (G4), not even in its context: none is
raised while the driver's is being handled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from abandoned_booking import _failpoints
from abandoned_booking.stores.sqlalchemy._engines import left_to_the_parent, own, refuse_unusable
from abandoned_booking.stores.sqlalchemy._failures import (
    Failure,
    KeyTaken,
    Kind,
    explained,
    failure_of,
    not_connected,
    of_setting_up,
)

__all__ = ["Database", "KeyTaken", "Work", "explained"]

_T = TypeVar("_T")

Work = Callable[[sa.Connection, bool], _T]
"""What is to be done with a connection; the second argument says that it may have been done before:
the connection was lost while it was committed."""

_SINGLE: Final = "AUTOCOMMIT"
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.5


class _DiedInThePool(Exception):
    """A connection was lost before it was used."""


_CAUGHT: Final = (
    exc.TimeoutError,
    exc.StatementError,
    UnicodeEncodeError,
    OverflowError,
    _DiedInThePool,
)


class Database:
    """Runs pieces of work, each in a transaction of its own.

    ``check`` looks at the tables before the first piece of work, and raises if they are not the
    right ones.
    """

    def __init__(
        self, engine: sa.Engine, *, retry_for: timedelta, check: Callable[[sa.Connection], None]
    ) -> None:
        refuse_unusable(engine)
        self.engine = engine
        self.dialect = engine.dialect.name
        self._retry_for = retry_for.total_seconds()
        self._check = check
        self._is_checked = False
        self.is_lazy = False
        """whether the database would tell of commits before they are durable, if it was let"""
        self._own = own(engine)
        # READ COMMITTED also on MySQL: its default would lock the gaps between the rows of the
        # queue, against other writers.
        self._several = "SERIALIZABLE" if self.dialect == "sqlite" else "READ COMMITTED"
        left_to_the_parent(engine)

    def run(self, work: Work[_T]) -> _T:
        """Do work of one statement; the database commits it as it ends."""
        return self._run(_SINGLE, work)

    def transact(self, work: Work[_T]) -> _T:
        """Do work of several statements in one transaction, committed when this returns."""
        return self._run(self._several, work)

    def setting_up(self, work: Callable[[sa.Connection], None]) -> None:
        """Do work on the tables themselves, in one transaction, without a look at them first."""
        tries = _Tries(0)
        try:
            with self._connected(self._several, tries) as connection:
                work(connection)
                connection.commit()
                return
        except _CAUGHT as error:
            failure = self._failure(error, tries)
        raise of_setting_up(failure)

    def _run(self, isolation_level: str, work: Work[_T]) -> _T:
        tries = _Tries(self._retry_for)
        while True:
            try:
                return self._once(isolation_level, work, tries)
            except _CAUGHT as error:
                failure = self._failure(error, tries)
            # Not within the block: what is raised here would keep the driver's error, and with it
            # what was to be stored, as its context.
            tries.after(failure)
            if failure.kind is Kind.NO_TABLES:
                self._is_checked = False

    def _once(self, isolation_level: str, work: Work[_T], tries: _Tries) -> _T:
        tries.begin()
        if not self._is_checked:
            self._look(tries)
        level = self._several if self.is_lazy else isolation_level
        with self._connected(level, tries) as connection:
            if self.is_lazy:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO on")
            tries.has_begun = True
            done = work(connection, tries.may_be_done)
            _failpoints.reached("store.committing")
            connection.commit()
        _failpoints.reached("store.committed")
        return done

    def _look(self, tries: _Tries) -> None:
        """At the tables; and whether commits are durable when the database tells of them."""
        tries.has_looked = True
        with self._connected(_SINGLE, tries) as connection:
            self._check(connection)
            if self.dialect == "postgresql":
                asked = connection.exec_driver_sql("SHOW synchronous_commit")
                self.is_lazy = asked.scalar_one() == "off"
        tries.is_connected = False
        self._is_checked = True

    @contextmanager
    def _connected(self, isolation_level: str, tries: _Tries) -> Iterator[sa.Connection]:
        with self._own.connect() as connection:
            tries.is_connected = True
            try:
                connection.execution_options(isolation_level=isolation_level)
            except self.engine.dialect.loaded_dbapi.Error as error:
                # MySQL is asked for it, and SQLAlchemy takes no notice if it does not answer any
                # more: neither do the others in the pool then.
                connection.invalidate()
                self.engine.dispose()
                raise _DiedInThePool(type(error).__name__) from None
            yield connection

    def _failure(self, error: Exception, tries: _Tries) -> Failure:
        if isinstance(error, exc.TimeoutError):
            return Failure(Kind.NO_CONNECTION_FREE)
        if isinstance(error, _DiedInThePool):
            return Failure(Kind.GONE, str(error))
        if isinstance(error, exc.DBAPIError):
            known = tries.is_connected
            return failure_of(error) if known else not_connected(error, self.engine.url)
        # Not the driver's: raised while a value was made ready for it.
        return Failure(Kind.UNFIT)


class _Tries:
    """How often one piece of work has been tried, and whether it may have been done already."""

    def __init__(self, retry_for: float) -> None:
        self.is_connected = False
        self.has_begun = False
        """with the work, in this try"""
        self.has_looked = False
        """at the tables, in this try"""
        self.may_be_done = False
        self._ends_at = monotonic() + retry_for
        self._pause = _FIRST_PAUSE

    def begin(self) -> None:
        self.is_connected = self.has_begun = self.has_looked = False

    def after(self, failure: Failure) -> None:
        """Wait, to try again; raises what is to be told if that makes no sense."""
        if failure.kind is Kind.GONE and self.has_begun:
            self.may_be_done = True
        if failure.kind is Kind.NO_TABLES and not self.has_looked:
            return  # to look again, which tells more
        if not failure.is_passing or monotonic() > self._ends_at:
            raise failure.error(may_be_done=self.may_be_done)
        sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
