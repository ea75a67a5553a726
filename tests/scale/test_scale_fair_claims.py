"""Fair claims on real databases: nobody waits for a crowd, nothing that is due is overlooked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any, Final

import attrs
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scale.crowds import Crowd, fill
from scale.plans import listened

from abandoned_booking.core.model import BookingForm, Person
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore, _queue
from abandoned_booking.stores.sqlalchemy._schema import Key
from abandoned_booking.testing import RequestStoreContract, a_request
from abandoned_booking.testing.factory import LEFT_AT

NOW: Final = LEFT_AT
SECOND: Final = timedelta(seconds=1)
UNTIL: Final = NOW + timedelta(days=1)


def on(engine: sa.Engine) -> SqlAlchemyStore:
    """A store of its own, as another worker has it."""
    store = SqlAlchemyStore(engine)
    store.create_all()
    return store


@pytest.fixture(params=["postgres", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    if request.param == "postgres":
        yield request.getfixturevalue("empty_postgres")
        return
    made = sa.create_engine(f"sqlite:///{tmp_path / 'bookings.db'}")
    yield made
    made.dispose()


def add_crowds(store: SqlAlchemyStore, businesses: int, each: int) -> int:
    """Businesses with that many due a minute ago, and ``late`` with one that is due now."""
    for business in range(businesses):
        for nth in range(each):
            at = NOW - 60 * SECOND + nth * timedelta(microseconds=1)
            request = a_request(id=f"r{nth}", business_id=f"b{business:02}", next_action_at=at)
            assert store.add(request)
    assert store.add(a_request(business_id="late", next_action_at=NOW))
    return businesses * each + 1


def claimed(store: SqlAlchemyStore, at: datetime, limit: int) -> list[tuple[str, str]]:
    found = store.claim_due_fairly(now=at, until=UNTIL, limit=limit)
    return [(request.business_id, request.id) for request in found]


@pytest.mark.parametrize("between", [SECOND, 6 * SECOND], ids=["one picture", "a picture a claim"])
def test_who_comes_last_waits_for_one_turn_of_the_others(
    engine: sa.Engine, between: timedelta
) -> None:
    store = on(engine)
    due = add_crowds(store, businesses=10, each=5)
    order: list[str] = []
    for nth in range(due):
        order += [business for business, _ in claimed(store, NOW + nth * between, 2)]
        if len(order) == due:
            break
    assert order.index("late") == 10
    assert Counter(order) == {"late": 1} | {f"b{nth:02}": 5 for nth in range(10)}


def test_workers_at_once_get_each_request_once_and_keep_nobody_waiting(engine: sa.Engine) -> None:
    workers = [on(engine) for _ in range(3)]
    due = add_crowds(workers[0], businesses=5, each=10)
    gate = Barrier(len(workers))

    def work(store: SqlAlchemyStore) -> list[list[tuple[str, str]]]:
        gate.wait()
        claims = []
        while claim := claimed(store, NOW, 2):
            claims.append(claim)
        return claims

    with ThreadPoolExecutor(len(workers)) as threads:
        claims = list(threads.map(work, workers))
    keys = [key for one in claims for claim in one for key in claim]
    assert len(keys) == len({*keys}) == due
    (place,) = (nth for one in claims for nth, claim in enumerate(one) if ("late", "r1") in claim)
    # Three go by a picture each: at the worst it is in the first turn of the one that has it.
    assert place <= 3


def test_who_finds_all_of_its_picture_claimed_by_others_makes_a_new_one(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_queue, "_PLANNED", range(6, 7))
    slow, quick = on(engine), on(engine)
    add_crowds(slow, businesses=3, each=4)
    first = claimed(slow, NOW, 1)
    others = claimed(quick, NOW, 1) + claimed(quick, NOW, 4)
    then = claimed(slow, NOW, 2)
    assert len({*first, *others, *then}) == 8, "each is somebody's"
    assert claimed(slow, NOW, 9), "and more is due"


def test_a_picture_that_others_have_used_up_at_once_is_no_reason_to_give_nothing(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = on(engine)
    add_crowds(store, businesses=2, each=2)
    # As if others claimed all of every picture between its making and its use.
    monkeypatch.setattr(type(store._queue._turns), "next", lambda *_: [])
    found: list[tuple[str, str]] = []
    while claim := claimed(store, NOW, 2):
        found += claim
    assert len({*found}) == 5


step = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 2), st.integers(-90, 90)),
    st.tuples(st.just("claim"), st.integers(0, 1), st.integers(1, 3)),
    st.tuples(st.just("clock"), st.just(0), st.integers(-60, 60)),
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=5, max_size=25))
def test_nothing_is_claimed_only_if_nothing_is_due(
    engine: sa.Engine, steps: list[tuple[str, int, int]]
) -> None:
    stores, now = [on(engine), on(engine)], NOW
    queue = stores[0].tables.queue
    for nth, (what, which, number) in enumerate(steps):
        if what == "add":
            at = now + number * SECOND
            stores[0].add(a_request(id=f"r{nth}", business_id=f"b{which}", next_action_at=at))
        elif what == "clock":
            now += number * SECOND
        else:
            with engine.connect() as connection:
                asked = sa.select(sa.func.count()).where(queue.c.next_action_at <= now)
                due = connection.scalar(asked) or 0
            found = stores[which].claim_due_fairly(now=now, until=now + 9 * SECOND, limit=number)
            assert bool(found) == bool(due)
            assert all(request.next_action_at == now + 9 * SECOND for request in found)
            assert len(found) <= min(number, due)


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def store(empty_postgres: sa.Engine) -> Iterator[SqlAlchemyStore]:
    """It gives up rather than wait for a lock that a test holds."""
    options = {"options": "-c lock_timeout=3s"}
    engine = sa.create_engine(empty_postgres.url, connect_args=options)
    yield on(engine)
    engine.dispose()


@pytest.mark.parametrize("way", ["claim_due", "claim_due_fairly"])
def test_a_request_that_somebody_has_locked_is_passed_over_and_not_waited_for(
    store: SqlAlchemyStore, way: str
) -> None:
    add_crowds(store, businesses=2, each=2)
    claim = store.claim_due if way == "claim_due" else store.claim_due_fairly
    c = store.tables.queue.c
    with store._database.engine.begin() as connection:
        held = sa.select(c.id).where(c.business_id == "b00").with_for_update()
        connection.execute(held)
        found = [
            request.business_id
            for _ in range(3)
            for request in claim(now=NOW, until=UNTIL, limit=2)
        ]
        assert Counter(found) == {"b01": 2, "late": 1}
    found = [request.business_id for request in claim(now=NOW, until=UNTIL, limit=9)]
    assert found == ["b00", "b00"]


def test_what_is_changed_between_claim_and_reading_belongs_to_who_changed_it(
    store: SqlAlchemyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("r1", "r2"):
        store.add(a_request(id=name, next_action_at=NOW))
    other = on(store._database.engine)
    keys = store._queue._keys

    def of_those(taken: list[Key], number: str, numbers: list[int]) -> dict[str, Any]:
        found = other.get("paws", "r1")
        assert found is not None
        assert other.save(attrs.evolve(found, next_action_at=None), expected_version=2)
        return keys(taken, number, numbers)

    monkeypatch.setattr(store._queue, "_keys", of_those)
    (found,) = store.claim_due(now=NOW, until=UNTIL, limit=9)
    assert found.id == "r2"
    assert other.get("paws", "r1") is not None


def test_while_a_picture_lasts_a_claim_is_two_statements_and_an_empty_tick_is_one(
    store: SqlAlchemyStore,
) -> None:
    fill(store, [Crowd(business_id="crowd", number=200, due_at=NOW)])
    claimed(store, NOW, 10)
    with listened(store._database.engine) as sent:
        assert len(claimed(store, NOW, 100)) == 100
    assert len(sent) == 2
    while claimed(store, NOW, 100):
        pass
    with listened(store._database.engine) as sent:
        assert claimed(store, NOW, 100) == []
    assert len(sent) == 1


def test_workers_that_go_by_the_same_order_do_not_look_for_what_others_have_batch_by_batch(
    store: SqlAlchemyStore,
) -> None:
    fill(store, [Crowd(business_id=f"b{n}", number=40, due_at=NOW) for n in range(20)])
    workers = [on(store._database.engine) for _ in range(4)]
    found = 0
    with listened(store._database.engine) as sent:
        while round_ := [key for worker in workers for key in claimed(worker, NOW, 10)]:
            found += len(round_)
    assert found == 800
    # Two for ten requests, and the pictures; by batches it were 518.
    assert len(sent) < 320


# ── shards behind PostgreSQL's statements (Citus) ───────────────────────────────────────────────


class TestShardedRequests(RequestStoreContract):
    """The whole contract, by a store that names one business in each statement that writes."""

    @pytest.fixture
    def store(self, empty_postgres: sa.Engine) -> SqlAlchemyStore:
        on(empty_postgres)
        return SqlAlchemyStore(empty_postgres, skip_locked=False)


def test_without_skip_locked_every_write_of_a_claim_is_one_businesss_and_nothing_is_locked_before(
    empty_postgres: sa.Engine,
) -> None:
    store = on(empty_postgres)
    add_crowds(store, businesses=3, each=2)
    sharded = SqlAlchemyStore(empty_postgres, skip_locked=False)
    with listened(empty_postgres) as sent:
        assert len(claimed(sharded, NOW, 3)) == 3
    writes = [one for one in sent if not one.statement.startswith("SELECT")]
    for one in writes:
        assert one.statement.startswith("UPDATE abandoned_booking_queue ")
        assert "business_id = %(" in one.statement
    assert len(writes) == 3
    asked = " ".join(one.statement for one in sent)
    assert "FOR UPDATE" not in asked
    assert "unnest" not in asked


def test_without_skip_locked_an_add_and_a_save_name_their_business_in_each_statement(
    empty_postgres: sa.Engine,
) -> None:
    sharded = SqlAlchemyStore(empty_postgres, skip_locked=False)
    sharded.create_all()
    with listened(empty_postgres) as sent:
        assert sharded.add(a_request())
        form = BookingForm(person=Person(first_name="Bea"))
        assert sharded.save(a_request(form=form), expected_version=1)
    inserts = [one.statement for one in sent if one.statement.startswith("INSERT")]
    updates = [one.statement for one in sent if one.statement.startswith("UPDATE")]
    assert (len(inserts), len(updates)) == (4, 4)
    assert all("business_id = %(" in statement for statement in updates)
    assert not [one for one in sent if one.statement.startswith("WITH")]
