"""Tables that are split by a hash of the business: the same store, one partition for a business."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import attrs
import pytest
import sqlalchemy as sa
from hypothesis import settings as hypothesis_settings
from scale.crowds import Crowd, fill
from scale.plans import explained, listened
from servers._server import Databases
from servers.fixtures import empty

from abandoned_booking import BusinessSettings, ListQuery, Person
from abandoned_booking.core.listing import Sort
from abandoned_booking.core.periods import Period
from abandoned_booking.errors import StoreError
from abandoned_booking.ports import RequestStore
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.testing import RequestStoreContract, a_request
from abandoned_booking.testing.contracts._durability import (
    ASecondConnection,
    ASuddenDeath,
    SeveralProcesses,
)
from abandoned_booking.testing.contracts._erasing import ErasingTraces
from abandoned_booking.testing.contracts._interleaving import Interleaving
from abandoned_booking.testing.contracts._machine import AnySequence
from abandoned_booking.testing.factory import LEFT_AT

PARTITIONS: Final = 4
BUSINESSES: Final = tuple(f"b{number}" for number in range(12))
NOW: Final = LEFT_AT
UNTIL: Final = NOW + timedelta(minutes=2)


@pytest.fixture(scope="module")
def split(postgres: Databases) -> Iterator[sa.Engine]:
    """A database with partitioned tables."""
    name = f"abandoned_booking_test_{token_hex(8)}"
    engine = sa.create_engine(postgres.new_database(name))
    SqlAlchemyStore(engine).create_all(partitions=PARTITIONS)
    yield engine
    engine.dispose()
    postgres.drop_database(name)


@pytest.fixture
def sql(split: sa.Engine) -> SqlAlchemyStore:
    empty(split)
    return SqlAlchemyStore(split)


# ── the contract ────────────────────────────────────────────────────────────────────────────────

# Other connections and other processes see what PostgreSQL shows them, partitions or not; and
# sequences of calls are made of those that are called here one by one.
_NOT_AGAIN: Final = {
    *(AnySequence, Interleaving, ErasingTraces),
    *(ASecondConnection, ASuddenDeath, SeveralProcesses),
}
_OF_ONE_STORE: Any = type(
    "_OfOneStore",
    tuple(part for part in RequestStoreContract.__bases__ if part not in _NOT_AGAIN),
    {},
)


class TestPartitionedRequests(_OF_ONE_STORE):  # type: ignore[misc]
    @pytest.fixture
    def store(self, sql: SqlAlchemyStore) -> RequestStore:
        return sql

    @pytest.fixture(autouse=True)
    def few_examples(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """The store's own tests try as many as there are to try; these ask for other plans."""
        tried, name = request.function.__func__, "_hypothesis_internal_use_settings"
        if hasattr(tried, name):
            few = hypothesis_settings(getattr(tried, name), max_examples=5)
            monkeypatch.setattr(tried, name, few)


def test_the_small_tables_work_in_partitions_as_they_do_in_one_piece(sql: SqlAlchemyStore) -> None:
    for business_id in BUSINESSES:
        for name in ("Paws", "Paws & Co"):
            settings = BusinessSettings(business_id=business_id, name=name)
            sql.settings.put(settings)
            assert sql.settings.get(business_id) == settings
        sql.suppressions.add(business_id, "k")
        sql.suppressions.add(business_id, "k")
        assert sql.suppressions.contains(business_id, "k")
        sql.suppressions.remove(business_id, "k")
        assert not sql.suppressions.contains(business_id, "k")
        asked: Any = {"at": NOW, "not_within": timedelta(days=1)}
        assert sql.ledger.reserve(business_id, "p", owner="o", **asked)
        assert not sql.ledger.reserve(business_id, "p", owner="another", **asked)
        sql.ledger.release(business_id, "p", owner="o")
        assert sql.ledger.reserve(business_id, "p", owner="another", **asked)


# ── one partition for a business ────────────────────────────────────────────────────────────────


def partitions_seen(store: SqlAlchemyStore, call: Callable[[], object]) -> Counter[str]:
    """In how many partitions of each table a call looks for rows."""
    with listened(store._database.engine) as sent:
        call()
    assert sent, "it asks the database"
    seen: Counter[str] = Counter()
    for statement in sent:
        tables = explained(store._database.engine, statement).scanned
        seen |= Counter(name.rpartition("_")[0] for name in tables)
    return seen


def calls_of(store: SqlAlchemyStore, business_id: str) -> dict[str, Callable[[], object]]:
    """Every call for one business."""
    new = a_request(business_id=business_id, id="new")
    person = Person(client_id="c", phone="+12125550199", email="ann@example.com")
    paws = BusinessSettings(business_id=business_id, name="Paws & Co")
    day = timedelta(days=1)

    def changed(request_id: str) -> Any:
        found = store.get(business_id, request_id)
        assert found is not None
        return attrs.evolve(found, client_id="c", next_action_at=None), found.version

    first, second = changed(f"{business_id}-1"), changed(f"{business_id}-2")
    pages = {
        f"page {name}": lambda query=query: store.page(business_id, query, now=NOW + day)
        for name, query in {
            "newest": ListQuery(limit=2),
            "by name": ListQuery(limit=2, sort=Sort.NAME),
            "of a word": ListQuery(text="poodle ann"),
            "of a letter": ListQuery(text="x"),
        }.items()
    }
    return {
        "add": lambda: store.add(new),
        "get": lambda: store.get(business_id, "new"),
        "latest": lambda: store.latest_of_session(business_id, "session-of-new"),
        "of a person": lambda: store.all_of_person(business_id, person),
        "save": lambda: store.save(first[0], expected_version=first[1]),
        "save many": lambda: store.save_many([second, first]),
        **pages,
        "count": lambda: store.count(business_id, ListQuery(count_up_to=99), now=NOW + day),
        "stream": lambda: list(store.stream(business_id)),
        "old": lambda: list(store.abandoned_before(business_id, NOW + day)),
        "tally": lambda: store.tally(
            business_id, Period(NOW.date(), NOW.date() + day), by=(), settings=paws, now=NOW
        ),
        "put settings": lambda: store.settings.put(paws),
        "settings": lambda: store.settings.get(business_id),
        "suppress": lambda: store.suppressions.add(business_id, "k"),
        "is suppressed": lambda: store.suppressions.contains(business_id, "k"),
        "unsuppress": lambda: store.suppressions.remove(business_id, "k"),
        "reserve": lambda: store.ledger.reserve(
            business_id, "p", owner="o", at=NOW, not_within=day
        ),
        "release": lambda: store.ledger.release(business_id, "p", owner="o"),
    }


def test_a_call_for_one_business_looks_into_one_partition_of_a_table(sql: SqlAlchemyStore) -> None:
    # So many that no plan would rather read them all.
    fill(sql, [Crowd(business_id=name, number=400, due_at=NOW) for name in BUSINESSES])
    for name, call in calls_of(sql, BUSINESSES[0]).items():
        seen = partitions_seen(sql, call)
        assert set(seen.values()) <= {1}, f"{name}: {seen}"


def test_the_rows_of_many_businesses_are_spread_over_the_partitions(sql: SqlAlchemyStore) -> None:
    fill(sql, [Crowd(business_id=name, number=1, due_at=NOW) for name in BUSINESSES])
    queue = sql.tables.queue.name
    with sql._database.engine.connect() as connection:
        counts = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {queue}_{nth}").scalar_one()
            for nth in range(PARTITIONS)
        ]
    assert sum(counts) == len(BUSINESSES)
    assert all(counts)


@pytest.mark.parametrize("way", ["claim_due", "claim_due_fairly"])
def test_claims_take_what_is_due_from_all_partitions_the_earliest_first(
    sql: SqlAlchemyStore, way: str
) -> None:
    second = timedelta(seconds=1)
    crowds = [
        Crowd(business_id=name, number=2, due_at=NOW + nth * second, every=60 * second)
        for nth, name in enumerate(BUSINESSES)
    ]
    fill(sql, crowds)
    claim = sql.claim_due if way == "claim_due" else sql.claim_due_fairly
    order = []
    while found := claim(now=NOW + 90 * second, until=NOW + 900 * second, limit=5):
        order += [request.id for request in found]
    firsts = [f"{name}-1" for name in BUSINESSES]
    seconds = [f"{name}-2" for name in BUSINESSES]
    assert order == firsts + seconds


def test_partitions_are_of_postgresql_only(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'bookings.db'}")
    with pytest.raises(StoreError, match="leave out partitions"):
        SqlAlchemyStore(engine).create_all(partitions=4)
    assert not sa.inspect(engine).get_table_names()
    engine.dispose()


@pytest.mark.parametrize("number", [-1, 257])
def test_a_number_of_partitions_that_makes_no_sense_is_refused_and_nothing_made(
    postgres_database: str, number: int
) -> None:
    engine = sa.create_engine(postgres_database)
    with pytest.raises(StoreError, match="partitions must be 1 to 256"):
        SqlAlchemyStore(engine).create_all(partitions=number)
    assert not sa.inspect(engine).get_table_names()
    engine.dispose()
