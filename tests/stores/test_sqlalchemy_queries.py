"""What lists and searches find hangs neither on the way they went, nor on what was asked before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from abandoned_booking.core.listing import ListQuery, Sort
from abandoned_booking.core.model import BookingForm, Person, Status
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore, _query
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

NOW: Final = LEFT_AT + timedelta(days=400)
NEW_YORK: Final = ZoneInfo("America/New_York")
SMITH: Final = BookingForm(person=Person(first_name="Smith"))


@pytest.fixture
def store(sql_engine: sa.Engine) -> SqlAlchemyStore:
    """On every database: with its tables, and no request."""
    store = SqlAlchemyStore(sql_engine)
    store.create_all()
    return store


def test_a_search_is_not_done_while_filters_hide_all_that_the_index_gave(
    store: SqlAlchemyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_query, "_FIRST_LOOK", 1)
    monkeypatch.setattr(_query, "_MOST_CANDIDATES", 2)
    for nth in range(9):
        left_at = LEFT_AT + timedelta(minutes=nth)
        status = Status.ABANDONED if nth == 0 else Status.RECOVERED
        added = a_request(id=f"r{nth}", form=SMITH, abandoned_at=left_at, status=status)
        store.add(added)
    query = ListQuery(text="smith", count_up_to=9)
    page = store.page("paws", query, now=NOW)
    assert [found.id for found in page.requests] == ["r0"]
    assert page.total == store.count("paws", query, now=NOW) == 1
    nothing = ListQuery(text="smith", statuses={Status.CONTACTED}, count_up_to=9)
    assert store.page("paws", nothing, now=NOW).requests == ()


def test_the_hour_that_comes_twice_is_told_apart_whatever_was_asked_before(
    store: SqlAlchemyStore,
) -> None:
    first = datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK)
    left_at = datetime(2026, 11, 1, 1, 40, tzinfo=NEW_YORK).astimezone(LEFT_AT.tzinfo)
    store.add(a_request(abandoned_at=left_at))
    now = left_at + timedelta(days=1)
    for fold, expected in ((0, 1), (1, 0), (0, 1)):
        query = ListQuery(abandoned_from=first.replace(fold=fold))
        assert store.count("paws", query, now=now) == expected


def test_no_name_is_kept_with_the_statements(store: SqlAlchemyStore) -> None:
    for name in ("Anna", "Zelda", "Zita"):
        form = BookingForm(person=Person(first_name=name))
        store.add(a_request(id=name, form=form))
    page = store.page("paws", ListQuery(sort=Sort.NAME, limit=2), now=NOW)
    assert page.next_cursor is not None
    behind = ListQuery(sort=Sort.NAME, limit=2, cursor=page.next_cursor)
    assert [found.id for found in store.page("paws", behind, now=NOW).requests] == ["Zita"]
    store.count("paws", ListQuery(text="zelda"), now=NOW)
    assert store._reading._known, "the first page is kept"
    for key, statement in store._reading._known.items():
        assert "zelda" not in f"{key}{statement.compile().params}".lower()
