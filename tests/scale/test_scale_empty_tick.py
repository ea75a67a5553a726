"""A tick of the sweep that finds nothing costs the same, however many requests wait."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
import sqlalchemy as sa
from scale.crowds import Crowd, fill
from scale.plans import explained, listened

from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore, _low_water, _queue
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

NOW: Final = LEFT_AT
LATER: Final = NOW + timedelta(days=1)
MINUTES: Final = timedelta(minutes=2)
A_FEW_PAGES: Final = 12


@pytest.fixture
def store(empty_postgres: sa.Engine) -> SqlAlchemyStore:
    made = SqlAlchemyStore(empty_postgres)
    made.create_all()
    return made


def pages_of_a_tick(store: SqlAlchemyStore, way: str, now: datetime) -> int:
    """How many pages PostgreSQL goes through for a claim that finds nothing."""
    engine = store._database.engine
    claim = store.claim_due if way == "claim_due" else store.claim_due_fairly
    claim(now=now, until=now + MINUTES, limit=100)  # connected, and the tables looked at
    with listened(engine) as sent:
        assert claim(now=now, until=now + MINUTES, limit=100) == []
    return sum(explained(engine, one).pages for one in sent)


@pytest.mark.parametrize("way", ["claim_due", "claim_due_fairly"])
def test_an_empty_tick_goes_through_as_many_pages_beside_fifty_thousand_as_beside_a_thousand(
    store: SqlAlchemyStore, way: str
) -> None:
    fill(store, [Crowd(business_id="few", number=1_000, due_at=LATER)], only_queue=True)
    few = pages_of_a_tick(store, way, NOW)
    crowds = [Crowd(business_id=f"b{n}", number=500, due_at=LATER) for n in range(100)]
    fill(store, crowds, only_queue=True)
    many = pages_of_a_tick(store, way, NOW)
    assert few <= many <= few + 1, "the index may be one level deeper"
    assert many <= A_FEW_PAGES


class _Seconds:
    """A monotonic clock by which everything takes half a second."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        self.at += 0.5
        return self.at


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> _Seconds:
    """The queue's: every look is a slow one, as on a server that has much to do."""
    clock = _Seconds()
    monkeypatch.setattr(_queue, "monotonic", clock)
    return clock


@pytest.fixture
def after_many_claims(store: SqlAlchemyStore) -> Iterator[SqlAlchemyStore]:
    """Forty thousand were due and are done; a transaction from before that is still open."""
    engine = store._database.engine
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as old:
        crowd = Crowd(business_id="paws", number=40_000, due_at=NOW - MINUTES)
        fill(store, [crowd], only_queue=True)
        old.execute(sa.select(sa.func.count()).select_from(store.tables.queue))
        with engine.begin() as connection:
            connection.execute(sa.update(store.tables.queue).values(next_action_at=None))
        yield store


def test_an_old_snapshot_makes_ticks_long(
    after_many_claims: SqlAlchemyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the next tests rest on.
    monkeypatch.setattr(_low_water, "_SLOW", math.inf)
    assert pages_of_a_tick(after_many_claims, "claim_due", NOW) > _low_water.MANY_PAGES


@pytest.mark.usefixtures("seconds")
@pytest.mark.parametrize("way", ["claim_due", "claim_due_fairly"])
def test_a_tick_is_as_short_after_many_claims_with_an_old_snapshot_open(
    after_many_claims: SqlAlchemyStore, way: str
) -> None:
    assert pages_of_a_tick(after_many_claims, way, NOW) <= A_FEW_PAGES


def found(store: SqlAlchemyStore, now: datetime = NOW) -> list[str]:
    claimed = store.claim_due(now=now, until=now + MINUTES, limit=9)
    return [request.id for request in claimed]


def test_what_another_process_puts_before_the_mark_is_found_when_the_mark_is_forgotten(
    after_many_claims: SqlAlchemyStore, seconds: _Seconds
) -> None:
    store, other = after_many_claims, SqlAlchemyStore(after_many_claims._database.engine)
    assert found(store) == []
    other.add(a_request(id="early", next_action_at=NOW - MINUTES))
    assert found(store) == [], "or the mark is not where this test wants it"
    seconds.at += _low_water.FORGOTTEN_AFTER
    assert found(store) == ["early"]


@pytest.mark.usefixtures("seconds")
def test_what_this_store_puts_into_the_queue_while_it_looks_is_found_at_once(
    after_many_claims: SqlAlchemyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = after_many_claims
    goes_far = store._queue._goes_far

    def late(*asked: Any) -> bool:
        is_far = goes_far(*asked)
        store.add(a_request(id="early", next_action_at=NOW - MINUTES))
        return is_far

    with monkeypatch.context() as once:
        once.setattr(store._queue, "_goes_far", late)
        assert found(store) == [], "the look had begun before"
    assert found(store) == ["early"]


@pytest.mark.usefixtures("seconds")
def test_what_this_store_puts_before_the_mark_is_found_at_once(
    after_many_claims: SqlAlchemyStore,
) -> None:
    store = after_many_claims
    assert found(store) == []
    store.add(a_request(id="added", next_action_at=NOW - MINUTES))
    assert found(store) == ["added"]
    (claimed,) = store.claim_due(now=NOW + MINUTES, until=NOW + 2 * MINUTES, limit=9)
    assert found(store, NOW + MINUTES) == []
    store.save(a_request(id="added", next_action_at=NOW), expected_version=claimed.version)
    assert found(store, NOW + MINUTES) == ["added"]


@pytest.mark.usefixtures("seconds")
def test_what_becomes_due_after_the_mark_is_found_at_once(
    after_many_claims: SqlAlchemyStore,
) -> None:
    store, other = after_many_claims, SqlAlchemyStore(after_many_claims._database.engine)
    assert found(store) == []
    other.add(a_request(id="now", next_action_at=NOW + timedelta(microseconds=1)))
    assert found(store, NOW + timedelta(microseconds=1)) == ["now"]


@pytest.mark.usefixtures("seconds")
def test_a_clock_that_is_set_back_finds_what_is_due_by_it(
    after_many_claims: SqlAlchemyStore,
) -> None:
    store, other = after_many_claims, SqlAlchemyStore(after_many_claims._database.engine)
    day = timedelta(days=1)
    assert found(store, NOW + day) == []
    other.add(a_request(id="early", next_action_at=NOW - MINUTES))
    assert found(store) == ["early"]


def statements_of_a_look(store: SqlAlchemyStore) -> list[str]:
    sent: list[str] = []

    def hear(connection: object, cursor: object, statement: str, *_: object) -> None:
        sent.append(statement.split()[0])

    sa.event.listen(store._database.engine, "before_cursor_execute", hear)
    found(store)
    sa.event.remove(store._database.engine, "before_cursor_execute", hear)
    return sent


def test_why_a_look_is_slow_is_asked_once_and_not_each_time_that_the_mark_is_forgotten(
    after_many_claims: SqlAlchemyStore, seconds: _Seconds
) -> None:
    store = after_many_claims
    found(store)
    seconds.at += _low_water.FORGOTTEN_AFTER
    assert statements_of_a_look(store) == ["SELECT"]
    assert pages_of_a_tick(store, "claim_due", NOW) <= A_FEW_PAGES, "and the mark is there again"


@pytest.mark.usefixtures("seconds")
def test_a_busy_machine_alone_puts_no_mark(store: SqlAlchemyStore) -> None:
    other = SqlAlchemyStore(store._database.engine)
    assert found(store) == []
    other.add(a_request(id="early", next_action_at=NOW - MINUTES))
    assert found(store) == ["early"]
