"""The search text is written when it changes, and left alone when it has not."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import attrs
import pytest
import sqlalchemy as sa
from scale.plans import listened

from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import AbandonedRequest, BookingForm, Person, Phone
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore, _rows
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

NOW: Final = LEFT_AT + timedelta(days=1)
PHONE: Final = Phone(e164="+12125550123", region="US", can_text=True, national="2125550123")


@pytest.fixture
def store(sql_engine: sa.Engine) -> SqlAlchemyStore:
    """On every database: with its tables, and no request."""
    store = SqlAlchemyStore(sql_engine)
    store.create_all()
    return store


def read(store: SqlAlchemyStore, request: AbandonedRequest | None = None) -> AbandonedRequest:
    store.add(request or a_request())
    found = store.get("paws", "r1")
    assert found is not None
    return found


def writes_text(store: SqlAlchemyStore, save: Callable[[], bool]) -> bool:
    with listened(store._database.engine) as sent:
        assert save()
    return any("abandoned_booking_search" in one.statement for one in sent)


def finds(store: SqlAlchemyStore, text: str) -> bool:
    return store.count("paws", ListQuery(text=text), now=NOW) == 1


def test_a_save_with_the_form_that_was_read_leaves_the_search_text_alone(
    store: SqlAlchemyStore,
) -> None:
    found = read(store)
    changed = attrs.evolve(found, client_id="c1")
    assert not writes_text(store, lambda: store.save(changed, expected_version=1))
    again = attrs.evolve(changed, client_id="c2")
    assert not writes_text(store, lambda: store.save(again, expected_version=2)), "saved before"
    assert finds(store, "rex")


def test_whatever_a_search_looks_through_is_written_when_it_changes(store: SqlAlchemyStore) -> None:
    found = read(store)
    other = attrs.evolve(found, form=BookingForm(person=Person(first_name="Bea")))
    assert writes_text(store, lambda: store.save(other, expected_version=1))
    assert finds(store, "bea")
    assert not finds(store, "rex")
    dialled = attrs.evolve(other, phone=PHONE)
    assert writes_text(store, lambda: store.save(dialled, expected_version=2))
    assert finds(store, "2125550123")
    later = attrs.evolve(dialled, abandoned_at=LEFT_AT + timedelta(hours=1))
    assert writes_text(store, lambda: store.save(later, expected_version=3))


def test_a_form_that_was_read_of_another_version_says_nothing(
    store: SqlAlchemyStore, sql_engine: sa.Engine
) -> None:
    ours = read(store)
    elsewhere = SqlAlchemyStore(sql_engine)
    other = attrs.evolve(ours, form=BookingForm(person=Person(first_name="Bea")))
    assert elsewhere.save(other, expected_version=1)
    assert writes_text(store, lambda: store.save(ours, expected_version=2)), (
        "somebody's of version 2"
    )
    assert finds(store, "rex")
    assert not finds(store, "bea")


def test_a_save_that_lost_is_not_taken_for_what_is_stored(
    store: SqlAlchemyStore, sql_engine: sa.Engine
) -> None:
    ours = read(store)
    other = attrs.evolve(ours, form=BookingForm(person=Person(first_name="Bea")))
    assert SqlAlchemyStore(sql_engine).save(other, expected_version=1)
    assert not store.save(attrs.evolve(ours, client_id="c1"), expected_version=1)
    assert writes_text(store, lambda: store.save(ours, expected_version=2))
    assert finds(store, "rex")


def test_of_a_batch_all_texts_are_written_or_none(store: SqlAlchemyStore) -> None:
    first = read(store)
    store.add(a_request(id="r2", session_id="s2"))
    second = store.get("paws", "r2")
    assert second is not None
    assert not writes_text(store, lambda: all(store.save_many([(first, 1), (second, 1)])))
    bea = attrs.evolve(second, form=BookingForm(person=Person(first_name="Bea")))
    assert writes_text(store, lambda: all(store.save_many([(first, 2), (bea, 2)])))
    assert finds(store, "rex")
    assert finds(store, "bea")


def test_nothing_is_kept_of_a_request_that_nobody_holds(store: SqlAlchemyStore) -> None:
    found = read(store)
    assert store._forms._stored
    del found
    gc.collect()
    assert not store._forms._stored


def test_nothing_is_kept_of_a_request_without_a_form(store: SqlAlchemyStore) -> None:
    found = read(store, a_request(form=BookingForm()))
    named = attrs.evolve(found, form=BookingForm(person=Person(first_name="Bea")))
    assert writes_text(store, lambda: store.save(named, expected_version=1))
    assert store.save(found, expected_version=2)
    assert not store._forms._stored, "an empty form is always the same one, and never goes away"
    assert not finds(store, "bea")


def test_forms_that_a_host_keeps_do_not_pile_up(
    store: SqlAlchemyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rows, "_MOST_KEPT", 3)
    form = BookingForm(person=Person(first_name="Bea"))
    for nth in range(9):
        store.add(a_request(id=f"r{nth}", form=form))
        assert len(store._forms._stored) <= 3
