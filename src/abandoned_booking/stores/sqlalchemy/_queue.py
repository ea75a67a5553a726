"""The queue: who gets which due request (``claim_due``, ``claim_due_fairly``).

A claim is a conditional update of version and ``next_action_at``; that alone keeps two sweeps off
one request. ``FOR UPDATE SKIP LOCKED``, where the database has it, only keeps them out of each
other's way. Documents are read when the rows are claimed: a statement that claimed and joined them
would see an older document beside a newer version.

Where a look begins is the matter of :mod:`._low_water`, whose turn it is that of :mod:`._turns`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abandoned_booking import _failpoints
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.stores.sqlalchemy._connections import Database
from abandoned_booking.stores.sqlalchemy._low_water import MANY_PAGES, LowWaterMark
from abandoned_booking.stores.sqlalchemy._rows import Reading, new_write_id
from abandoned_booking.stores.sqlalchemy._schema import Tables
from abandoned_booking.stores.sqlalchemy._setup import skips_locked
from abandoned_booking.stores.sqlalchemy._turns import Key, Planned, Turns

__all__ = ["Queue"]

_Claimed = tuple[list[AbandonedRequest], bool]
"""what was claimed, and whether there was anything to claim"""

_PLANNED: Final = range(5_000, 50_000)
"""how many are planned at once, at least and at most: a twentieth of what is due"""
_PLANNED_PART: Final = 20


class Queue:
    """The due requests of all businesses."""

    def __init__(self, database: Database, tables: Tables, *, skip_locked: bool | None) -> None:
        self._database, self._queue = database, tables.queue
        self._reading = Reading(tables)
        self._asked_to_skip = skip_locked
        self._mark = LowWaterMark()
        self._turns = Turns()
        self._is_postgres = database.dialect == "postgresql"
        # Who asks for no SKIP LOCKED has no plain PostgreSQL, but shards behind it (Citus).
        self._has_arrays = self._is_postgres and skip_locked is not False

    def saw(self, next_action_at: datetime | None) -> None:
        """Told of every write of this store: what is due before the mark moves it back."""
        if next_action_at is not None:
            self._mark.lower(next_action_at)

    def claim(self, now: datetime, until: datetime, limit: int) -> list[AbandonedRequest]:
        """Claim the earliest that are due."""
        if limit < 1 or not self._number_due(now, 1):
            return []
        return self._claim_earliest(now, until, limit)

    def claim_fairly(self, now: datetime, until: datetime, limit: int) -> list[AbandonedRequest]:
        """Claim what is due by turns of the businesses."""
        if limit < 1:
            return []
        if claimed := self._claim_planned(now, until, limit):
            return claimed
        due = self._number_due(now, limit + 1)
        if due <= limit:
            self._turns.everyone_was_served()
            return _in_turns(self._claim_earliest(now, until, limit)) if due else []
        self._plan(now)
        # Others may have used the picture up meanwhile; what is due is handed out all the same.
        return self._claim_planned(now, until, limit) or self._claim_earliest(now, until, limit)

    def _claim_earliest(self, now: datetime, until: datetime, limit: int) -> list[AbandonedRequest]:
        while True:
            claimed, is_any = self._claim(self._earliest(now, limit), until)
            if claimed or not is_any:
                return claimed

    def _claim_planned(self, now: datetime, until: datetime, limit: int) -> list[AbandonedRequest]:
        # Further ahead by as much as others will have had; elsewhere no order comes with an IN.
        ahead = round(limit / self._turns.share) if self._has_arrays else limit
        while planned := self._turns.next(now, ahead):
            claimed, _ = self._claim(self._planned(planned, now, limit), until)
            place = {one.key: nth for nth, one in enumerate(planned)}
            claimed.sort(key=lambda found: place[found.business_id, found.id])
            looked_for = len(planned)
            if len(claimed) == limit:
                looked_for = place[claimed[-1].business_id, claimed[-1].id] + 1
            self._turns.used(planned, looked_for, claimed=len(claimed), now=now)
            if claimed:
                return claimed
        return []

    # ── what is due ─────────────────────────────────────────────────────────────────────────────

    def _is_due(self, now: datetime, since: datetime | None) -> sa.ColumnElement[bool]:
        due = self._queue.c.next_action_at
        return due <= now if since is None else sa.and_(due <= now, due >= since)

    def _is_due_as_known(self, now: datetime) -> sa.ColumnElement[bool]:
        return self._is_due(now, self._mark.start_of(now, seconds=monotonic()))

    def _number_due(self, now: datetime, most: int) -> int:
        """How many are due, no further than ``most``; without a lock: an idle sweep is in nobody's
        way."""
        due = self._queue.c.next_action_at
        since = self._mark.start_of(now, seconds=monotonic())
        asked = sa.select(due).where(self._is_due(now, since)).order_by(due).limit(most)

        def look(connection: sa.Connection, _: bool) -> Sequence[datetime]:
            started = monotonic()
            found = connection.scalars(asked).all()
            ended = monotonic()
            if since is None:
                self._mark.looked(
                    found[0] if found else now,
                    took=ended - started,
                    goes_far=lambda: self._goes_far(connection, asked),
                    seconds=ended,
                )
            return found

        return len(self._database.run(look))

    def _goes_far(self, connection: sa.Connection, look: sa.Select[Any]) -> bool:
        """Whether it is the queue that made a look slow, and not just a busy machine."""
        if not self._is_postgres:
            return False
        sent = look.compile(dialect=connection.dialect)
        # The statement holds no value of its own; those go beside it.
        explained = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sent}", sent.params
        ).scalar_one()
        plan = explained[0]["Plan"]
        return bool(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] > MANY_PAGES)

    def _candidates(self) -> sa.Select[Any]:
        c = self._queue.c
        return sa.select(c.business_id, c.id, c.version, c.next_action_at)

    def _earliest(self, now: datetime, limit: int) -> sa.Select[Any]:
        due = self._queue.c.next_action_at
        return self._candidates().where(self._is_due_as_known(now)).order_by(due).limit(limit)

    def _planned(self, planned: Sequence[Planned], now: datetime, limit: int) -> sa.Select[Any]:
        keys = [one.key for one in planned]
        candidates = self._candidates().where(self._queue.c.next_action_at <= now).limit(limit)
        if not self._has_arrays:
            return self._of(keys, candidates)
        in_turn = self._of(keys, candidates, nth=list(range(len(keys))))
        return in_turn.order_by(sa.literal_column("given.nth"))

    def _of(
        self, keys: Sequence[Key], statement: sa.Select[Any], **more: list[int]
    ) -> sa.Select[Any]:
        """The statement for those rows of the queue only."""
        c = self._queue.c
        if not self._has_arrays:
            return statement.where(sa.tuple_(c.business_id, c.id).in_(keys))
        # One plan for any number of keys; a long IN is a plan of its own for every length.
        names, ids = [key[0] for key in keys], [key[1] for key in keys]
        rows = _rows_of(business_id=names, id=ids, **more)
        same = [c[column.name] == column for column in rows.c if column.name in c]
        return statement.join(rows, sa.and_(*same))

    # ── turns ───────────────────────────────────────────────────────────────────────────────────

    def _plan(self, now: datetime) -> None:
        started = monotonic()
        is_due = self._is_due_as_known(now)
        count = sa.select(sa.func.count()).select_from(self._queue).where(is_due)
        due = self._database.run(lambda connection, _: connection.scalar(count)) or 0
        most = max(due // _PLANNED_PART, round(_PLANNED.start / self._turns.share))
        most = min(most, _PLANNED.stop)
        picture = self._picture(is_due, most + self._turns.served)
        self._turns.take(picture, most=most, at=now, took=monotonic() - started)

    def _picture(self, is_due: sa.ColumnElement[bool], most: int) -> list[Planned]:
        c = self._queue.c
        # Without it PostgreSQL keeps all that are due at one instant, to number them.
        frame: dict[str, Any] = {"rows": (None, 0)} if self._is_postgres else {}
        turn = sa.func.row_number().over(
            partition_by=c.business_id, order_by=c.next_action_at, **frame
        )
        by_turns = sa.select(c.business_id, c.id, c.next_action_at, turn.label("turn"))
        seen = by_turns.where(is_due).subquery("seen").c
        # Nobody's turn comes later than that; PostgreSQL stops numbering there.
        asked = sa.select(seen.turn, seen.next_action_at, seen.business_id, seen.id)
        asked = asked.where(seen.turn <= most).order_by(seen.turn, seen.next_action_at).limit(most)
        rows = self._database.run(lambda connection, _: connection.execute(asked).all())
        return [Planned(turn, due_at, (business, id_)) for turn, due_at, business, id_ in rows]

    # ── claiming ────────────────────────────────────────────────────────────────────────────────

    @property
    def _skips_locked(self) -> bool:
        # Of a server that has been asked something already: its version is known by then.
        asked = self._asked_to_skip
        return skips_locked(self._database.engine.dialect) if asked is None else asked

    def _claim(self, candidates: sa.Select[Any], until: datetime) -> _Claimed:
        if not self._skips_locked:
            return self._claim_seen(candidates, until)
        if self._is_postgres:
            return self._claim_at_once(candidates, until)
        locked = candidates.with_for_update(skip_locked=True)
        return self._database.transact(
            lambda connection, _: self._taken(connection, connection.execute(locked).all(), until)
        )

    def _claim_at_once(self, candidates: sa.Select[Any], until: datetime) -> _Claimed:
        """Lock and claim in one statement, read in another: two ways there and back."""
        c = self._queue.c
        locked = candidates.with_for_update(skip_locked=True, of=self._queue).cte("locked")
        claim = (
            sa.update(self._queue)
            .where(c.business_id == locked.c.business_id, c.id == locked.c.id)
            .values(next_action_at=until, version=c.version + 1, write_id=new_write_id())
            .returning(c.business_id, c.id, c.version, locked.c.next_action_at)
        )
        taken = self._database.run(lambda connection, _: connection.execute(claim).all())
        if not taken:
            return [], False
        # Who changed one of them just now has taken it back: it is theirs.
        keys, versions = [(row[0], row[1]) for row in taken], [row.version for row in taken]
        documents = self._of(keys, self._reading.statement, version=versions)
        rows = self._database.run(lambda connection, _: connection.execute(documents).all())
        return self._by_due(rows, {(row[0], row[1]): row.next_action_at for row in taken}), True

    def _claim_seen(self, candidates: sa.Select[Any], until: datetime) -> _Claimed:
        """A lock may be for the whole table: look first, then write only what is to be had."""
        seen = self._database.run(lambda connection, _: connection.execute(candidates).all())
        if not seen:
            return [], False
        return self._database.transact(lambda connection, _: self._taken(connection, seen, until))

    def _taken(
        self, connection: sa.Connection, candidates: Sequence[Any], until: datetime
    ) -> _Claimed:
        """Those of the candidates that still have the version that was seen, claimed."""
        _failpoints.reached("store.claiming")
        taken = self._take_one_by_one(connection, candidates, until)
        if not taken:
            return [], bool(candidates)
        documents = self._of(taken, self._reading.statement)
        due_at = {(row.business_id, row.id): row.next_action_at for row in candidates}
        return self._by_due(connection.execute(documents).all(), due_at), True

    def _take_one_by_one(
        self, connection: sa.Connection, candidates: Sequence[Any], until: datetime
    ) -> list[Key]:
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

    def _by_due(self, rows: Sequence[Any], due_at: dict[Key, datetime]) -> list[AbandonedRequest]:
        found = self._reading.requests(rows)
        return sorted(found, key=lambda request: due_at[request.business_id, request.id])


def _in_turns(claimed: list[AbandonedRequest]) -> list[AbandonedRequest]:
    """The first of every business, then the second of every business, ..."""
    turns: Counter[str] = Counter()
    by_turn = []
    for request in claimed:
        turns[request.business_id] += 1
        by_turn.append((turns[request.business_id], request))
    return [request for _, request in sorted(by_turn, key=lambda turn: turn[0])]


def _rows_of(**columns: list[Any]) -> sa.TableValuedAlias:
    """Lists of PostgreSQL as a table, a row for each place."""
    kinds = {"version": sa.Integer(), "nth": sa.Integer()}
    arrays = [
        sa.literal(values, postgresql.ARRAY(kinds.get(name, sa.Text())))
        for name, values in columns.items()
    ]
    named = [sa.column(name, kinds.get(name, sa.Text())) for name in columns]
    return sa.func.unnest(*arrays).table_valued(*named).render_derived(name="given")
