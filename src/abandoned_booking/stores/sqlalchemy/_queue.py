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
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

import sqlalchemy as sa

from abandoned_booking import _failpoints
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.stores.sqlalchemy._connections import Database
from abandoned_booking.stores.sqlalchemy._low_water import MANY_PAGES, LowWaterMark
from abandoned_booking.stores.sqlalchemy._queue_statements import Candidates, QueueStatements
from abandoned_booking.stores.sqlalchemy._reading import Reading
from abandoned_booking.stores.sqlalchemy._rows import new_write_id
from abandoned_booking.stores.sqlalchemy._schema import Key, Tables
from abandoned_booking.stores.sqlalchemy._setup import skips_locked
from abandoned_booking.stores.sqlalchemy._statements import new_values
from abandoned_booking.stores.sqlalchemy._turns import Planned, Turns

__all__ = ["Queue"]

_Claimed = tuple[list[AbandonedRequest], bool]
"""what was claimed, and whether there was anything to claim"""

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_PLANNED: Final = range(5_000, 50_000)
"""how many are planned at once, at least and at most: a twentieth of what is due"""
_PLANNED_PART: Final = 20


class Queue:
    """The due requests of all businesses."""

    def __init__(
        self, database: Database, tables: Tables, reading: Reading, *, skip_locked: bool | None
    ) -> None:
        self._database, self._queue = database, tables.queue
        self._reading = reading
        self._asked_to_skip = skip_locked
        self._mark = LowWaterMark()
        self._turns = Turns()
        self._is_postgres = database.dialect == "postgresql"
        # Who asks for no SKIP LOCKED has no plain PostgreSQL, but shards behind it (Citus).
        self._has_arrays = self._is_postgres and skip_locked is not False
        self._sql = QueueStatements(
            self._queue, reading, is_postgres=self._is_postgres, has_arrays=self._has_arrays
        )

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
            asked = self._since(now) | {"most": limit}
            claimed, is_any = self._claim(self._sql.earliest, asked, until)
            if claimed or not is_any:
                return claimed

    def _claim_planned(self, now: datetime, until: datetime, limit: int) -> list[AbandonedRequest]:
        # Further ahead by as much as others will have had; elsewhere no order comes with an IN.
        ahead = round(limit / self._turns.share) if self._has_arrays else limit
        while planned := self._turns.next(now, ahead):
            keys = [one.key for one in planned]
            asked = {"now": now, "most": limit, **self._keys(keys, "nth", list(range(len(keys))))}
            claimed, _ = self._claim(self._sql.planned, asked, until)
            place = {key: nth for nth, key in enumerate(keys)}
            claimed.sort(key=lambda found: place[found.business_id, found.id])
            looked_for = len(planned)
            if len(claimed) == limit:
                looked_for = place[claimed[-1].business_id, claimed[-1].id] + 1
            self._turns.used(planned, looked_for, claimed=len(claimed), now=now)
            if claimed:
                return claimed
        return []

    # ── what is due ─────────────────────────────────────────────────────────────────────────────

    def _since(self, now: datetime) -> dict[str, Any]:
        """From where on it is looked for what is due: from the mark, or from the beginning."""
        mark = self._mark.start_of(now, seconds=monotonic())
        return {"now": now, "since": _EARLIEST if mark is None else mark}

    def _number_due(self, now: datetime, most: int) -> int:
        """How many are due, no further than ``most``; without a lock: an idle sweep is in nobody's
        way."""
        asked = self._since(now) | {"most": most}
        if asked["since"] is not _EARLIEST:
            found = self._database.run(
                lambda connection, _: connection.scalars(self._sql.look, asked).all()
            )
            return len(found)

        def look(connection: sa.Connection, _: bool) -> Sequence[datetime]:
            with self._mark.looking() as looking:
                started = monotonic()
                found = connection.scalars(self._sql.look, asked).all()
                ended = monotonic()
                self._mark.looked(
                    looking,
                    found[0] if found else now,
                    took=ended - started,
                    goes_far=lambda: self._goes_far(connection, asked),
                    seconds=ended,
                )
            return found

        return len(self._database.run(look))

    def _goes_far(self, connection: sa.Connection, asked: dict[str, Any]) -> bool:
        """Whether it is the queue that made a look slow, and not just a busy machine."""
        if not self._is_postgres:
            return False
        sent = self._sql.look.compile(dialect=connection.dialect)
        # The statement holds no value of its own; those go beside it.
        explained = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sent}",
            sent.construct_params(asked),
        ).scalar_one()
        plan = explained[0]["Plan"]
        return bool(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] > MANY_PAGES)

    def _keys(self, keys: Sequence[Key], number: str, numbers: list[int]) -> dict[str, Any]:
        if not self._has_arrays:
            return {"keys": keys}
        names, ids = [key[0] for key in keys], [key[1] for key in keys]
        return {"business_ids": names, "ids": ids, f"{number}s": numbers}

    # ── turns ───────────────────────────────────────────────────────────────────────────────────

    def _plan(self, now: datetime) -> None:
        started = monotonic()
        asked = self._since(now)
        due = (
            self._database.run(lambda connection, _: connection.scalar(self._sql.count, asked)) or 0
        )
        most = max(due // _PLANNED_PART, round(_PLANNED.start / self._turns.share))
        most = min(most, _PLANNED.stop)
        asked["most"] = most + self._turns.served
        rows = self._database.run(
            lambda connection, _: connection.execute(self._sql.picture, asked).all()
        )
        picture = [Planned(turn, due_at, (business, id_)) for turn, due_at, business, id_ in rows]
        self._turns.take(picture, most=most, at=now, took=monotonic() - started)

    # ── claiming ────────────────────────────────────────────────────────────────────────────────

    @property
    def _skips_locked(self) -> bool:
        # Of a server that has been asked something already: its version is known by then.
        asked = self._asked_to_skip
        return skips_locked(self._database.engine.dialect) if asked is None else asked

    def _claim(self, candidates: Candidates, asked: dict[str, Any], until: datetime) -> _Claimed:
        if not self._skips_locked:
            return self._claim_seen(candidates.seen, asked, until)
        if self._is_postgres:
            return self._claim_at_once(candidates.claimed, asked, until)

        def claim(connection: sa.Connection, _: bool) -> _Claimed:
            locked = connection.execute(candidates.locked, asked).all()
            return self._taken(connection, locked, until)

        return self._database.transact(claim)

    def _claim_at_once(self, claim: sa.Update, asked: dict[str, Any], until: datetime) -> _Claimed:
        """Lock and claim in one statement, read in another: two ways there and back."""
        taking = asked | new_values({"next_action_at": until, "write_id": new_write_id()})
        taken = self._database.run(lambda connection, _: connection.execute(claim, taking).all())
        if not taken:
            return [], False
        # Who changed one of them just now has taken it back: it is theirs.
        of_those = self._keys(
            [(row[0], row[1]) for row in taken], "version", [row.version for row in taken]
        )
        rows = self._database.run(
            lambda connection, _: connection.execute(self._sql.documents, of_those).all()
        )
        return self._by_due(rows, {(row[0], row[1]): row.next_action_at for row in taken}), True

    def _claim_seen(self, look: sa.Select[Any], asked: dict[str, Any], until: datetime) -> _Claimed:
        """A lock may be for the whole table: look first, then write only what is to be had."""
        seen = self._database.run(lambda connection, _: connection.execute(look, asked).all())
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
        rows = connection.execute(self._sql.documents, {"keys": taken}).all()
        due_at = {(row.business_id, row.id): row.next_action_at for row in candidates}
        return self._by_due(rows, due_at), True

    def _take_one_by_one(
        self, connection: sa.Connection, candidates: Sequence[Any], until: datetime
    ) -> list[Key]:
        write_id, taken = new_write_id(), []
        for business_id, request_id, version, _ in candidates:
            row = {"business_id": business_id, "id": request_id, "version": version + 1}
            new = new_values({**row, "next_action_at": until, "write_id": write_id})
            if connection.execute(self._sql.take, {**new, "seen_version": version}).rowcount == 1:
                taken.append((business_id, request_id))
        return taken

    def _by_due(self, rows: Sequence[Any], due_at: dict[Key, datetime]) -> list[AbandonedRequest]:
        found = self._reading.to_change(rows)
        return sorted(found, key=lambda request: due_at[request.business_id, request.id])


def _in_turns(claimed: list[AbandonedRequest]) -> list[AbandonedRequest]:
    """The first of every business, then the second of every business, ..."""
    turns: Counter[str] = Counter()
    by_turn = []
    for request in claimed:
        turns[request.business_id] += 1
        by_turn.append((turns[request.business_id], request))
    return [request for _, request in sorted(by_turn, key=lambda turn: turn[0])]
