"""The queue: who gets which due request (``claim_due``, ``claim_due_fairly``).

A claim is a conditional update of version and ``next_action_at``; that alone keeps two sweeps off
one request. ``FOR UPDATE SKIP LOCKED``, where the database has it, only keeps them out of each
other's way. Documents are read in the transaction of the claim, after the rows are locked: a
statement that joined them would see an older document beside a newer version.

*The low-water mark.* A claim leaves a dead entry at the front of the index of due requests.
PostgreSQL drops those when nobody can see them any more, but a transaction that has been open for
long (a dump, an export) keeps them, and every look at the queue passes over all of them. So when a
look was slow, the next ones begin where it ended, and only every now and then, at a twentieth of
the time, one begins at the beginning again: what others have put before the mark is found late, but
found.

*Turns.* When more is due than is asked for, ``claim_due_fairly`` makes a plan of all that is due, a
turn of every business after the other, and hands out of it for the next few seconds.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.stores.sqlalchemy._connections import Database
from abandoned_booking.stores.sqlalchemy._rows import Reading, new_write_id
from abandoned_booking.stores.sqlalchemy._schema import Tables
from abandoned_booking.stores.sqlalchemy._setup import skips_locked

__all__ = ["Queue"]

_Key = tuple[str, str]
_Claimed = tuple[list[AbandonedRequest], int]
"""what was claimed, and how many were seen"""

_PLANNED_AT_ONCE: Final = 5_000
_PLAN_LASTS: Final = timedelta(seconds=5)


class Queue:
    """The due requests of all businesses."""

    def __init__(self, database: Database, tables: Tables, *, skip_locked: bool | None) -> None:
        self._database, self._queue = database, tables.queue
        self._reading = Reading(tables)
        self._asked_to_skip = skip_locked
        self._mark = _LowWaterMark()
        self._plan = _Plan()
        self._has_arrays = database.dialect == "postgresql"

    def saw(self, next_action_at: datetime | None) -> None:
        """Told of every write of this store: what is due before the mark moves it back."""
        if next_action_at is not None:
            self._mark.lower(next_action_at)

    def claim(self, now: datetime, until: datetime, limit: int) -> list[AbandonedRequest]:
        """Claim the earliest that are due."""
        while limit > 0 and self._number_due(now, 1):
            claimed, seen = self._claim(self._earliest(now, limit), until)
            if claimed or not seen:
                return claimed
        return []

    def claim_fairly(self, now: datetime, until: datetime, limit: int) -> list[AbandonedRequest]:
        """Claim what is due by turns of the businesses."""
        due = self._number_due(now, limit + 1) if limit > 0 else 0
        if due <= limit:
            return _in_turns(self.claim(now, until, limit)) if due else []
        for _ in range(2):
            while keys := self._plan.next(now, limit):
                claimed, _ = self._claim(self._planned(keys, now), until)
                if claimed:
                    place = {key: nth for nth, key in enumerate(keys)}
                    return sorted(claimed, key=lambda found: place[found.business_id, found.id])
            self._plan.make(now, self._by_turns(now))
        return self.claim(now, until, limit)

    # ── what is due ─────────────────────────────────────────────────────────────────────────────

    def _is_due(self, now: datetime) -> list[sa.ColumnElement[bool]]:
        due, mark = self._queue.c.next_action_at, self._mark.at
        return [due <= now] if mark is None else [due <= now, due >= mark]

    def _number_due(self, now: datetime, most: int) -> int:
        """How many are due, no further than ``most``; without a lock: an idle sweep is in nobody's
        way."""
        due = self._queue.c.next_action_at
        self._mark.forget_if_old()
        asked = sa.select(due).where(*self._is_due(now)).order_by(due).limit(most)
        started = time.perf_counter()
        found = self._database.run(lambda connection, _: connection.scalars(asked).all())
        took = time.perf_counter() - started
        self._mark.looked(found[0] if found else now, took)
        return len(found)

    def _candidates(self) -> sa.Select[Any]:
        c = self._queue.c
        return sa.select(c.business_id, c.id, c.version, c.next_action_at)

    def _earliest(self, now: datetime, limit: int) -> sa.Select[Any]:
        due = self._queue.c.next_action_at
        return self._candidates().where(*self._is_due(now)).order_by(due).limit(limit)

    def _planned(self, keys: Sequence[_Key], now: datetime) -> sa.Select[Any]:
        is_due = self._queue.c.next_action_at <= now
        return self._candidates().where(_is_one_of(self._queue, keys), is_due)

    def _by_turns(self, now: datetime) -> list[_Key]:
        c = self._queue.c
        turn = sa.func.row_number().over(partition_by=c.business_id, order_by=c.next_action_at)
        due = (
            sa.select(c.business_id, c.id, c.next_action_at, turn.label("turn"))
            .where(*self._is_due(now))
            .subquery()
        )
        asked = (
            sa.select(due.c.business_id, due.c.id)
            .order_by(due.c.turn, due.c.next_action_at)
            .limit(_PLANNED_AT_ONCE)
        )
        rows = self._database.run(lambda connection, _: connection.execute(asked).all())
        return [(row.business_id, row.id) for row in rows]

    @property
    def _skips_locked(self) -> bool:
        # Of a server that has been asked something already: its version is known by then.
        asked = self._asked_to_skip
        return skips_locked(self._database.engine.dialect) if asked is None else asked

    # ── claiming ────────────────────────────────────────────────────────────────────────────────

    def _claim(self, candidates: sa.Select[Any], until: datetime) -> _Claimed:
        if self._skips_locked:
            locked = candidates.with_for_update(skip_locked=True)
            return self._database.transact(
                lambda connection, _: self._taken(
                    connection, connection.execute(locked).all(), until
                )
            )
        # Elsewhere a lock is for the whole table: look first, then write only what is to be had.
        seen = self._database.run(lambda connection, _: connection.execute(candidates).all())
        if not seen:
            return [], 0
        return self._database.transact(lambda connection, _: self._taken(connection, seen, until))

    def _taken(
        self, connection: sa.Connection, candidates: Sequence[Any], until: datetime
    ) -> _Claimed:
        """Those of the candidates that still have the version that was seen, claimed."""
        take = self._take_together if self._has_arrays else self._take_one_by_one
        taken = take(connection, candidates, until) if candidates else []
        if not taken:
            return [], len(candidates)
        documents = self._reading.statement.where(_is_one_of(self._queue, taken))
        # By what was due first, as the candidates come.
        place = {(row.business_id, row.id): nth for nth, row in enumerate(candidates)}
        claimed = self._reading.requests(connection.execute(documents))
        claimed.sort(key=lambda request: place[request.business_id, request.id])
        return claimed, len(candidates)

    def _take_together(
        self, connection: sa.Connection, candidates: Sequence[Any], until: datetime
    ) -> list[_Key]:
        c = self._queue.c
        seen = _rows_of(
            business_id=[row.business_id for row in candidates],
            id=[row.id for row in candidates],
            version=[row.version for row in candidates],
        )
        statement = (
            sa.update(self._queue)
            .where(c.business_id == seen.c.business_id, c.id == seen.c.id)
            .where(c.version == seen.c.version)
            .values(next_action_at=until, version=c.version + 1, write_id=new_write_id())
            .returning(c.business_id, c.id)
        )
        return [(row.business_id, row.id) for row in connection.execute(statement)]

    def _take_one_by_one(
        self, connection: sa.Connection, candidates: Sequence[Any], until: datetime
    ) -> list[_Key]:
        c, write_id = self._queue.c, new_write_id()
        taken = []
        for row in candidates:
            won = connection.execute(
                sa.update(self._queue)
                .where(c.business_id == row.business_id, c.id == row.id)
                .where(c.version == row.version)
                .values(next_action_at=until, version=row.version + 1, write_id=write_id)
            )
            if won.rowcount == 1:
                taken.append((row.business_id, row.id))
        return taken


def _in_turns(claimed: list[AbandonedRequest]) -> list[AbandonedRequest]:
    """The first of every business, then the second of every business, ..."""
    turns: Counter[str] = Counter()
    by_turn = []
    for request in claimed:
        turns[request.business_id] += 1
        by_turn.append((turns[request.business_id], request))
    return [request for _, request in sorted(by_turn, key=lambda turn: turn[0])]


def _is_one_of(queue: sa.Table, keys: Sequence[_Key]) -> sa.ColumnElement[bool]:
    return sa.tuple_(queue.c.business_id, queue.c.id).in_(keys)


def _rows_of(**columns: list[Any]) -> sa.TableValuedAlias:
    """Lists of PostgreSQL as a table, a row for each place."""
    kinds = {"version": sa.Integer()}
    arrays = [
        sa.literal(values, postgresql.ARRAY(kinds.get(name, sa.Text())))
        for name, values in columns.items()
    ]
    named = [sa.column(name, kinds.get(name, sa.Text())) for name in columns]
    return sa.func.unnest(*arrays).table_valued(*named).render_derived(name="seen")


class _Plan:
    """Whose turn it is: made of one picture of what is due, used up by all threads of a store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: deque[_Key] = deque()
        self._made_at: datetime | None = None

    def make(self, now: datetime, keys: Sequence[_Key]) -> None:
        """Take a new picture."""
        with self._lock:
            self._keys, self._made_at = deque(keys), now

    def next(self, now: datetime, limit: int) -> list[_Key]:
        """The next ones; none if the plan is used up, or is of another time."""
        with self._lock:
            if self._made_at is None or abs(now - self._made_at) > _PLAN_LASTS:
                return []
            return [self._keys.popleft() for _ in range(min(limit, len(self._keys)))]


class _LowWaterMark:
    """Before which nothing is due, as far as is known; for a while, and only if a look was slow."""

    _SLOW: Final = 0.005
    """seconds"""
    _SHARE: Final = 20
    """a look from the beginning takes at most this part of the time"""
    _MARGIN: Final = timedelta(minutes=1)
    """what another process is just putting into the queue is seen all the same"""

    def __init__(self) -> None:
        self.at: datetime | None = None
        self._ends_at = 0.0

    def forget_if_old(self) -> None:
        if self.at is not None and time.monotonic() >= self._ends_at:
            self.at = None

    def looked(self, found: datetime, took: float) -> None:
        """A look has ended at the first that it found, or at its own time."""
        if self.at is None and took > self._SLOW:
            self._ends_at = time.monotonic() + self._SHARE * took
            self.at = found - self._MARGIN

    def lower(self, to: datetime) -> None:
        mark = self.at
        if mark is not None and to < mark:
            self.at = to
