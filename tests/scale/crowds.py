"""Crowds of requests, made by PostgreSQL itself: a hundred thousand take it a few seconds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.stores.sqlalchemy._rows import Change
from abandoned_booking.testing import a_request

__all__ = ["Crowd", "fill"]

_BUSINESS: Final = "@business@"
_ID: Final = "@id@"
_DIGITS: Final = "2125550199"
"""the phone of :func:`a_request`; each of a crowd has another"""


@attrs.frozen(kw_only=True)
class Crowd:
    """So many requests of one business; their ids are ``<business>-1``, ``<business>-2``, ..."""

    business_id: str
    number: int
    due_at: datetime
    """of the first"""
    every: timedelta = timedelta(0)
    """how much later each next one is due"""


def fill(
    store: SqlAlchemyStore, crowds: Iterable[Crowd], *, only_queue: bool = False, **changes: Any
) -> None:
    """Add crowds of requests that are like ``a_request(**changes)``, each with its own phone.

    ``only_queue`` leaves the other tables out: quick, and all that a look at the queue sees.
    """
    like = a_request(business_id=_BUSINESS, id=_ID, **changes)
    one_by_one = _one_by_one(list(crowds))
    engine = store._database.engine
    with engine.begin() as connection:
        for table, values in _rows_of(store, like):
            if only_queue and table is not store.tables.queue:
                continue
            shown = [_expression(table.c[name], value, one_by_one) for name, value in values]
            names = [name for name, _ in values]
            connection.execute(sa.insert(table).from_select(names, sa.select(*shown)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _rows_of(
    store: SqlAlchemyStore, like: AbandonedRequest
) -> list[tuple[sa.Table, list[tuple[str, Any]]]]:
    change, tables = Change.adding(like, grams=True), store.tables
    key = {"business_id": _BUSINESS, "id": _ID}
    queued = {"version": 1, "next_action_at": None, "write_id": 0}
    rows: list[tuple[sa.Table, dict[str, Any]]] = [
        (tables.requests, change.listed),
        (tables.queue, queued),
        (tables.documents, {"document": change.document}),
        (tables.search, change.searched),
    ]
    return [(table, [*(key | values).items()]) for table, values in rows]


def _one_by_one(crowds: list[Crowd]) -> sa.Subquery:
    given = (
        sa.func.unnest(
            sa.literal([crowd.business_id for crowd in crowds], postgresql.ARRAY(sa.Text())),
            sa.literal([crowd.number for crowd in crowds], postgresql.ARRAY(sa.Integer())),
            sa.literal(
                [crowd.due_at for crowd in crowds], postgresql.ARRAY(sa.DateTime(timezone=True))
            ),
            sa.literal([crowd.every for crowd in crowds], postgresql.ARRAY(sa.Interval())),
        )
        .table_valued(
            sa.column("business_id", sa.Text()),
            sa.column("number", sa.Integer()),
            sa.column("due_at", sa.DateTime(timezone=True)),
            sa.column("every", sa.Interval()),
        )
        .render_derived(name="crowds")
    )
    nth = sa.func.generate_series(1, given.c.number).table_valued("nth").render_derived()
    text = sa.cast(nth.c.nth, sa.Text())
    of_all = sa.func.row_number().over(order_by=(given.c.business_id, nth.c.nth))
    return (
        sa.select(
            given.c.business_id,
            (given.c.business_id + "-" + text).label("id"),
            (given.c.due_at + (nth.c.nth - 1) * given.c.every).label("next_action_at"),
            (sa.literal("2") + sa.func.lpad(sa.cast(of_all, sa.Text()), 9, "0")).label("digits"),
        )
        .select_from(given.join(nth, sa.true()))
        .subquery("one_by_one")
    )


def _expression(
    column: sa.Column[Any], value: Any, one_by_one: sa.Subquery
) -> sa.ColumnElement[Any]:
    """A value of the model, with what is each one's own put in."""
    if column.name in one_by_one.c:
        return one_by_one.c[column.name]
    shown: sa.ColumnElement[Any] = sa.literal(value, column.type)
    if not isinstance(value, str):
        return shown
    own = {_BUSINESS: "business_id", _ID: "id", _DIGITS: "digits"}
    for told, name in own.items():
        if told in value:
            shown = sa.func.replace(shown, told, one_by_one.c[name])
    return shown
