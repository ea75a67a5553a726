"""The statements of the queue, built once (:mod:`._statements`).

They are given ``now``, ``since``, ``most``, the keys of rows, or what a claim writes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abandoned_booking.stores.sqlalchemy._reading import Reading
from abandoned_booking.stores.sqlalchemy._schema import KEYED_BY
from abandoned_booking.stores.sqlalchemy._statements import new_value, update_of

__all__ = ["Candidates", "QueueStatements"]

_TAKEN: Final = ("next_action_at", "write_id")
"""what a claim writes, the version aside"""


class Candidates(NamedTuple):
    """The statements for those that might be claimed."""

    seen: sa.Select[Any]
    locked: sa.Select[Any]
    claimed: sa.Update
    """lock and claim in one (PostgreSQL)"""


class QueueStatements:
    """Of one store's queue."""

    def __init__(
        self, queue: sa.Table, reading: Reading, *, is_postgres: bool, has_arrays: bool
    ) -> None:
        self._queue, self._is_postgres = queue, is_postgres
        c = queue.c
        due, most = c.next_action_at, sa.bindparam("most", type_=sa.Integer())
        is_due = due <= sa.bindparam("now", type_=due.type)
        # The same plan from the low-water mark and from the beginning.
        is_due_since = sa.and_(is_due, due >= sa.bindparam("since", type_=due.type))
        self.look = sa.select(due).where(is_due_since).order_by(due).limit(most)
        self.count = sa.select(sa.func.count()).select_from(queue).where(is_due_since)
        self.picture = self._by_turns(is_due_since, most)
        candidates = sa.select(c.business_id, c.id, c.version, due).limit(most)
        self.earliest = self._candidates(candidates.where(is_due_since).order_by(due))
        planned, documents = candidates.where(is_due), reading.statement
        if has_arrays:
            in_turn = self._of_rows(planned, "nth").order_by(sa.literal_column("given.nth"))
            self.planned = self._candidates(in_turn)
            self.documents = self._of_rows(documents, "version")
        else:
            of_keys = sa.tuple_(c.business_id, c.id).in_(sa.bindparam("keys", expanding=True))
            self.planned = self._candidates(planned.where(of_keys))
            self.documents = documents.where(of_keys)
        as_seen = c.version == sa.bindparam("seen_version")
        self.take = update_of(queue, KEYED_BY, ["version", *_TAKEN]).where(as_seen)

    def _by_turns(
        self, is_due: sa.ColumnElement[bool], most: sa.BindParameter[int]
    ) -> sa.Select[Any]:
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
        return asked.where(seen.turn <= most).order_by(seen.turn, seen.next_action_at).limit(most)

    def _of_rows(self, statement: sa.Select[Any], number: str) -> sa.Select[Any]:
        """The statement for the rows of some keys only: one plan for any number of them; a long IN
        is a plan of its own for every length."""
        c = self._queue.c
        kinds: dict[str, sa.types.TypeEngine[Any]] = {
            "business_id": sa.Text(),
            "id": sa.Text(),
            number: sa.Integer(),
        }
        columns = [sa.column(name, kind) for name, kind in kinds.items()]
        arrays = [sa.bindparam(f"{of.name}s", type_=postgresql.ARRAY(of.type)) for of in columns]
        rows = sa.func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
        same = [c[column.name] == column for column in rows.c if column.name in c]
        return statement.join(rows, sa.and_(*same))

    def _candidates(self, seen: sa.Select[Any]) -> Candidates:
        c = self._queue.c
        locked = seen.with_for_update(
            skip_locked=True, of=self._queue if self._is_postgres else None
        )
        rows = locked.cte("locked")
        claim = (
            sa.update(self._queue)
            .where(c.business_id == rows.c.business_id, c.id == rows.c.id)
            .values(
                version=c.version + 1, **{name: new_value(self._queue, name) for name in _TAKEN}
            )
            .returning(c.business_id, c.id, c.version, rows.c.next_action_at)
        )
        return Candidates(seen, locked, claim)
