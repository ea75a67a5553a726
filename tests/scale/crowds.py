"""Crowds of requests, made by PostgreSQL itself: a hundred thousand take it a few seconds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.stores.sqlalchemy._types import Document, Exact
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
    tables, engine = store.tables, store._database.engine
    one_by_one = _one_by_one(list(crowds))
    assert store.add(a_request(business_id=_BUSINESS, id=_ID, **changes))
    with engine.begin() as connection:
        for table in (tables.requests, tables.queue, tables.documents, tables.search):
            is_model = sa.and_(table.c.business_id == _BUSINESS, table.c.id == _ID)
            if table is tables.queue or not only_queue:
                own = [_own(column, one_by_one) for column in table.c]
                copies = sa.select(*own).select_from(table.join(one_by_one, is_model))
                connection.execute(sa.insert(table).from_select(table.c.keys(), copies))
            connection.execute(sa.delete(table).where(is_model))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


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


def _own(column: sa.Column[Any], one_by_one: sa.Subquery) -> sa.ColumnElement[Any]:
    """A value of the model, with what is each one's own put in."""
    if column.name in one_by_one.c:
        return one_by_one.c[column.name]
    if not isinstance(column.type, Document | Exact):
        return column
    shown: sa.ColumnElement[Any] = column
    for told, name in {_BUSINESS: "business_id", _ID: "id", _DIGITS: "digits"}.items():
        shown = sa.func.replace(shown, told, one_by_one.c[name])
    return shown
