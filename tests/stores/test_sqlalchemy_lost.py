"""Connections that are lost, servers that go away, writers that block each other.

What was written is known again by its number, or nobody claims to know it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import attrs
import pytest
import sqlalchemy as sa
from servers import PostgresServer
from servers.fixtures import or_skipped
from stores.cutting_proxy import Cut, CuttingProxy

from abandoned_booking import _failpoints
from abandoned_booking.core.campaign import AfterDelay, BusinessSettings, RecoveryCampaign
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.errors import OutcomeUnknown, StoreLocked, StoreUnavailable
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.testing import FakeClock, RecordingSmsGateway, a_request
from abandoned_booking.testing.factory import LEFT_AT
from abandoned_booking.wiring import AbandonedBookings

_NOW = LEFT_AT + timedelta(days=1)
_UNTIL = _NOW + timedelta(minutes=2)
_SOON = timedelta(milliseconds=30)
_PATIENT = timedelta(seconds=30)


@contextmanager
def _store_on(url: str, **options: object) -> Iterator[SqlAlchemyStore]:
    engine = sa.create_engine(url, **options)
    try:
        yield SqlAlchemyStore(engine, retry_for=_PATIENT)
    finally:
        engine.dispose()


@pytest.fixture(params=["postgres", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(kind: str, request: pytest.FixtureRequest) -> sa.Engine:
    """Straight to the server; no request is there."""
    engine: sa.Engine = request.getfixturevalue(f"empty_{kind}")
    SqlAlchemyStore(engine).create_all()
    return engine


@pytest.fixture
def straight(engine: sa.Engine) -> SqlAlchemyStore:
    """The others' store."""
    return SqlAlchemyStore(engine)


@pytest.fixture
def way(engine: sa.Engine) -> Iterator[CuttingProxy]:
    with CuttingProxy(engine.url.render_as_string(hide_password=False)) as way:
        yield way


@pytest.fixture
def store(way: CuttingProxy) -> Iterator[SqlAlchemyStore]:
    """Ours, by a way that may be cut. It has looked at its tables already."""
    with _store_on(way.url) as store:
        assert store.get("paws", "nobody") is None
        yield store


def _marks(kind: str, verb: str, table: str) -> tuple[bytes, ...]:
    """What passes by as a table is written: PostgreSQL commits a statement by itself."""
    statement = f"{verb} abandoned_booking_{table}".encode()
    return (statement,) if kind == "postgres" else (statement, b"COMMIT")


@pytest.fixture
def saving(kind: str) -> tuple[bytes, ...]:
    return _marks(kind, "UPDATE", "queue")


@pytest.fixture
def adding(kind: str) -> tuple[bytes, ...]:
    return _marks(kind, "INSERT INTO", "requests")


_EITHER = pytest.mark.parametrize("when", [Cut.BEFORE, Cut.AFTER])


def _changed(request: AbandonedRequest, client_id: str) -> AbandonedRequest:
    return attrs.evolve(request, client_id=client_id)


# ── a write whose answer is lost ────────────────────────────────────────────────────────────────


@_EITHER
def test_a_save_is_there_once_whether_or_not_the_server_had_got_it(
    store: SqlAlchemyStore, way: CuttingProxy, saving: tuple[bytes, ...], when: Cut
) -> None:
    store.add(a_request())
    way.cut(when, *saving)
    assert store.save(_changed(a_request(), "c1"), expected_version=1)
    assert way.cuts == 1
    stored = store.get("paws", "r1")
    assert stored is not None
    assert (stored.client_id, stored.version) == ("c1", 2)


def test_a_save_that_others_were_faster_than_is_lost_when_the_server_never_got_it(
    store: SqlAlchemyStore, straight: SqlAlchemyStore, way: CuttingProxy, saving: tuple[bytes, ...]
) -> None:
    store.add(a_request())
    theirs = _changed(a_request(), "theirs")
    way.cut(Cut.BEFORE, *saving, then=lambda: straight.save(theirs, expected_version=1))
    assert not store.save(_changed(a_request(), "ours"), expected_version=1)
    assert way.cuts == 1


def test_somebody_elses_identical_write_is_not_taken_for_ones_own(
    store: SqlAlchemyStore, straight: SqlAlchemyStore, way: CuttingProxy, saving: tuple[bytes, ...]
) -> None:
    store.add(a_request())
    same = _changed(a_request(), "the same")
    way.cut(Cut.BEFORE, *saving, then=lambda: straight.save(same, expected_version=1))
    assert not store.save(same, expected_version=1)
    assert way.cuts == 1


@_EITHER
def test_a_save_that_others_have_written_over_since_is_neither_won_nor_lost(
    store: SqlAlchemyStore,
    straight: SqlAlchemyStore,
    way: CuttingProxy,
    saving: tuple[bytes, ...],
    when: Cut,
) -> None:
    store.add(a_request())

    def go_on() -> None:
        """To version 3, whoever has written version 2."""
        for version in (1, 2):
            straight.save(_changed(a_request(), "theirs"), expected_version=version)

    way.cut(when, *saving, then=go_on)
    with pytest.raises(OutcomeUnknown, match=r"'r1'.* changed since; load it again"):
        store.save(_changed(a_request(), "ours"), expected_version=1)
    assert way.cuts == 1


@_EITHER
def test_a_batch_tells_of_each_whether_it_was_saved(
    store: SqlAlchemyStore,
    straight: SqlAlchemyStore,
    way: CuttingProxy,
    saving: tuple[bytes, ...],
    when: Cut,
) -> None:
    for number in (1, 2, 3):
        store.add(a_request(id=f"r{number}"))
    straight.save(_changed(a_request(id="r2"), "theirs"), expected_version=1)
    ours = [(_changed(a_request(id=f"r{number}"), "ours"), 1) for number in (1, 2, 3)]
    way.cut(when, *saving)
    assert [*store.save_many(ours)] == [True, False, True]
    assert way.cuts == 1


@_EITHER
def test_an_added_request_is_there_once_and_was_added_by_us(
    store: SqlAlchemyStore, way: CuttingProxy, adding: tuple[bytes, ...], when: Cut
) -> None:
    way.cut(when, *adding)
    assert store.add(a_request())
    assert way.cuts == 1
    assert store.get("paws", "r1") == a_request()
    assert not store.add(a_request())


def test_an_identical_request_that_somebody_else_added_is_not_taken_for_ones_own(
    store: SqlAlchemyStore, straight: SqlAlchemyStore, way: CuttingProxy, adding: tuple[bytes, ...]
) -> None:
    way.cut(Cut.BEFORE, *adding, then=lambda: straight.add(a_request()))
    assert not store.add(a_request())
    assert way.cuts == 1


def test_an_added_request_that_others_have_changed_since_was_there(
    store: SqlAlchemyStore, straight: SqlAlchemyStore, way: CuttingProxy, adding: tuple[bytes, ...]
) -> None:
    theirs = _changed(a_request(), "theirs")
    way.cut(Cut.AFTER, *adding, then=lambda: straight.save(theirs, expected_version=1))
    assert not store.add(a_request()), "load it and go on from there"
    assert way.cuts == 1


def test_what_the_server_hears_of_late_counts_once(
    store: SqlAlchemyStore,
    way: CuttingProxy,
    adding: tuple[bytes, ...],
    saving: tuple[bytes, ...],
) -> None:
    # MariaDB: the second try looks for the first, and does not find what is not committed yet.
    way.cut(Cut.LATE, *adding)
    assert store.add(a_request())
    way.cut(Cut.LATE, *saving)
    assert store.save(_changed(a_request(), "c1"), expected_version=1)
    assert way.cuts == 2
    stored = store.get("paws", "r1")
    assert stored is not None
    assert (stored.client_id, stored.version) == ("c1", 2)


@_EITHER
def test_a_claim_whose_answer_is_lost_is_nobodys_until_it_ends(
    store: SqlAlchemyStore, straight: SqlAlchemyStore, way: CuttingProxy, kind: str, when: Cut
) -> None:
    store.add(a_request(next_action_at=_NOW))
    way.cut(when, *_marks(kind, "UPDATE", "queue"))
    ours = store.claim_due(now=_NOW, until=_UNTIL, limit=5)
    assert way.cuts == 1
    assert len(ours) == (when is Cut.BEFORE)
    assert not straight.claim_due(now=_NOW, until=_UNTIL, limit=5)
    assert len(straight.claim_due(now=_UNTIL, until=_UNTIL + _SOON, limit=5)) == 1


@_EITHER
def test_a_reservation_is_ones_own_whether_or_not_the_server_had_got_it(
    store: SqlAlchemyStore, straight: SqlAlchemyStore, way: CuttingProxy, when: Cut
) -> None:
    def reserve(by: SqlAlchemyStore, owner: str) -> bool:
        return by.ledger.reserve("paws", "p", owner=owner, at=_NOW, not_within=timedelta(days=1))

    way.cut(when, b"INSERT INTO abandoned_booking_reservations")
    assert reserve(store, "ours")
    assert way.cuts == 1
    assert not reserve(straight, "theirs")

    straight.ledger.release("paws", "p", owner="ours")
    way.cut(Cut.BEFORE, b"abandoned_booking_reservations", then=lambda: reserve(straight, "theirs"))
    assert not reserve(store, "ours")
    assert way.cuts == 2


def test_an_opt_out_that_came_while_a_connection_was_lost_is_not_lifted_with_the_old_one(
    store: SqlAlchemyStore, straight: SqlAlchemyStore, way: CuttingProxy
) -> None:
    store.suppressions.add("paws", "k")
    way.cut(
        Cut.AFTER,
        b"DELETE FROM abandoned_booking_suppressions",
        then=lambda: straight.suppressions.add("paws", "k"),
    )
    with pytest.raises(OutcomeUnknown, match="may be a new one"):
        store.suppressions.remove("paws", "k")
    assert straight.suppressions.contains("paws", "k")


def test_a_lifted_opt_out_is_lifted_although_the_answer_was_lost(
    store: SqlAlchemyStore, way: CuttingProxy
) -> None:
    store.suppressions.add("paws", "k")
    way.cut(Cut.AFTER, b"DELETE FROM abandoned_booking_suppressions")
    store.suppressions.remove("paws", "k")
    assert way.cuts == 1
    assert not store.suppressions.contains("paws", "k")


# ── connections that are gone before they are used, servers that go away ────────────────────────


def test_connections_that_died_in_the_pool_are_not_noticed(
    store: SqlAlchemyStore, engine: sa.Engine, kind: str
) -> None:
    due = a_request(next_action_at=_NOW)
    _end_the_others(engine, kind)
    assert store.add(due)
    _end_the_others(engine, kind)
    assert store.save(_changed(due, "c1"), expected_version=1)
    _end_the_others(engine, kind)
    assert len(store.claim_due(now=_NOW, until=_UNTIL, limit=5)) == 1
    store.suppressions.add("paws", "k")
    _end_the_others(engine, kind)
    store.suppressions.remove("paws", "k")
    assert not store.suppressions.contains("paws", "k")


def test_of_a_pool_that_died_only_one_connection_is_tried(engine: sa.Engine, kind: str) -> None:
    url = engine.url.render_as_string(hide_password=False)
    with _store_on(url, pool_size=12) as store:
        assert store.get("paws", "r1") is None
        ours = store._database.engine
        for connection in [ours.connect() for _ in range(12)]:
            connection.close()
        _end_the_others(engine, kind)
        tried = []
        sa.event.listen(ours, "checkout", lambda *_: tried.append(1))
        assert store.add(a_request())
        assert len(tried) == 2, "a dead one, and a new one"


def _end_the_others(engine: sa.Engine, kind: str) -> None:
    """All connections to this database but the one that ends them."""
    if kind == "postgres":
        ids = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        end, own = "SELECT pg_terminate_backend({})", "SELECT pg_backend_pid()"
    else:
        ids = "SELECT id FROM information_schema.processlist WHERE db = database()"
        end, own = "KILL CONNECTION {}", "SELECT connection_id()"
    engine.dispose()
    with engine.connect() as connection:
        mine = connection.scalar(sa.text(own))
        for number in connection.scalars(sa.text(ids)).all():
            if number != mine:
                connection.execute(sa.text(end.format(number)))


def test_a_server_that_stays_down_is_told_of_and_is_used_again_when_it_is_back(
    store: SqlAlchemyStore, way: CuttingProxy, saving: tuple[bytes, ...]
) -> None:
    hasty = SqlAlchemyStore(store._database.engine, retry_for=_SOON)
    changed = _changed(a_request(), "c1")
    assert hasty.add(a_request())

    def go_down() -> None:
        way.is_down = True

    way.cut(Cut.BEFORE, *saving, then=go_down)
    with pytest.raises(StoreUnavailable, match=r"may be there or not: read it again"):
        hasty.save(changed, expected_version=1)
    with pytest.raises(StoreUnavailable, match=r"cannot be reached .*; nothing was changed"):
        hasty.save(changed, expected_version=1)
    way.is_down = False
    assert hasty.save(changed, expected_version=1)


def test_a_try_that_was_never_connected_leaves_no_doubt(
    store: SqlAlchemyStore, straight: SqlAlchemyStore, way: CuttingProxy
) -> None:
    straight.add(a_request())
    store._database.engine.dispose()
    way.is_down = True

    def come_back() -> None:
        for version in (1, 2):
            straight.save(_changed(a_request(), "theirs"), expected_version=version)
        way.is_down = False

    back = threading.Timer(0.05, come_back)
    back.start()
    # Not OutcomeUnknown: no server can have got it.
    assert not store.save(_changed(a_request(), "ours"), expected_version=1)
    back.join()


@pytest.mark.parametrize("kind", ["mariadb"], indirect=True)
def test_a_connection_that_died_before_anything_was_sent_leaves_no_doubt_either(
    store: SqlAlchemyStore, straight: SqlAlchemyStore, engine: sa.Engine, kind: str
) -> None:
    straight.add(a_request())
    for version in (1, 2):
        straight.save(_changed(a_request(), "theirs"), expected_version=version)
    _end_the_others(engine, kind)
    assert not store.save(_changed(a_request(), "ours"), expected_version=1)


def test_a_server_that_is_killed_and_started_again_is_waited_for() -> None:
    with ExitStack() as stack:
        with or_skipped("postgres"):
            server = stack.enter_context(PostgresServer(fsync=False))
        store = stack.enter_context(_store_on(server.url))
        store.create_all()
        assert store.add(a_request())
        server.restart()
        assert store.save(_changed(a_request(), "c1"), expected_version=1)
        server.kill()
        starting = threading.Thread(target=server.start)
        starting.start()
        found = store.get("paws", "r1")
        starting.join()
        assert found is not None
        assert found.client_id == "c1"


# ── what it means for a text ────────────────────────────────────────────────────────────────────


@_EITHER
@pytest.mark.parametrize("stays_down", [False, True], ids=["comes back", "stays down"])
def test_a_begin_whose_answer_is_lost_sends_one_text_or_none(
    engine: sa.Engine,
    way: CuttingProxy,
    saving: tuple[bytes, ...],
    when: Cut,
    stays_down: bool,
) -> None:
    # One connection: what passes by does so in order.
    with _store_on(way.url, pool_size=1, max_overflow=0) as patient:
        store = SqlAlchemyStore(
            patient._database.engine, retry_for=_SOON if stays_down else _PATIENT
        )
        sms, clock = RecordingSmsGateway(), FakeClock(LEFT_AT)
        bookings = AbandonedBookings(store, sms=sms, clock=clock, send_threads=1)
        campaign = RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2))
        bookings.settings.put(BusinessSettings(business_id="paws", name="Paws", campaign=campaign))
        assert store.add(a_request(next_action_at=LEFT_AT + timedelta(hours=2)))

        def go_down() -> None:
            way.is_down = stays_down

        def cut_the_begin(point: str, _: str = "", /) -> None:
            if point == "sweep.beginning" and not way.cuts:
                way.cut(when, *saving, then=go_down)

        clock.advance(hours=2)
        with _failpoints.armed(cut_the_begin):
            report = bookings.sweep.run_once(limit=1)
        assert way.cuts == 1
        assert (report.sent, report.errors) == ((0, 1) if stays_down else (1, 0))
        way.is_down = False
        for _ in range(5):
            clock.advance(minutes=3)
            bookings.sweep.run_once()
        # The server had it, and nobody can tell: that text is never sent.
        is_in_doubt = stays_down and when is Cut.AFTER
        assert len(sms.sent) == (0 if is_in_doubt else 1)


# ── what is printed ─────────────────────────────────────────────────────────────────────────────


@_EITHER
def test_nothing_of_a_request_is_printed_when_its_connection_is_lost(
    store: SqlAlchemyStore,
    way: CuttingProxy,
    saving: tuple[bytes, ...],
    when: Cut,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.add(a_request())
    way.cut(when, *saving)
    assert store.save(a_request(), expected_version=1)
    way.is_down = True
    with pytest.raises(StoreUnavailable) as caught:
        SqlAlchemyStore(store._database.engine, retry_for=_SOON).save(
            a_request(), expected_version=2
        )
    told = f"{caplog.text} {caught.value!r}"
    assert not any(word in told for word in ("Ann", "Lee", "5550199", "ann@", "Rex", "Elm St"))


# ── writers that block each other (PostgreSQL) ──────────────────────────────────────────────────


@pytest.fixture
def direct(empty_postgres: sa.Engine) -> sa.Engine:
    SqlAlchemyStore(empty_postgres).create_all()
    return empty_postgres


@pytest.fixture
def with_settings(direct: sa.Engine) -> Iterator[Callable[..., sa.Engine]]:
    """Another engine on the same database, with settings of the server's of its own."""
    made: list[sa.Engine] = []

    def engine(**settings: str) -> sa.Engine:
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        made.append(sa.create_engine(direct.url, connect_args={"options": options}))
        return made[-1]

    yield engine
    for engine_ in made:
        engine_.dispose()


_LOCK = sa.text("UPDATE abandoned_booking_queue SET write_id = 0 WHERE id = :id")


def _wait_until_somebody_waits(engine: sa.Engine) -> None:
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    patience_ends_at = time.monotonic() + _PATIENT.total_seconds()
    while time.monotonic() < patience_ends_at:
        with engine.connect() as connection:
            if connection.scalar(waiting):
                return
    pytest.fail("nobody waits for a lock")


def test_a_serialization_failure_is_tried_again(
    direct: sa.Engine, with_settings: Callable[..., sa.Engine]
) -> None:
    strict = with_settings(default_transaction_isolation="serializable")
    store = SqlAlchemyStore(strict, retry_for=_PATIENT)
    store.add(a_request())
    with ThreadPoolExecutor(1) as pool, direct.connect() as other:
        other.execute(_LOCK, {"id": "r1"})
        saving = pool.submit(store.save, _changed(a_request(), "c1"), expected_version=1)
        _wait_until_somebody_waits(direct)
        other.commit()  # "could not serialize access due to concurrent update"
        assert saving.result()


def test_a_deadlock_is_tried_again(
    direct: sa.Engine, with_settings: Callable[..., sa.Engine]
) -> None:
    # Ours looks for deadlocks first, and is the one that is taken back.
    ours = with_settings(deadlock_timeout="100ms")
    theirs = with_settings(deadlock_timeout="1min")
    store = SqlAlchemyStore(ours, retry_for=_PATIENT)
    for name in ("a", "b", "c"):
        store.add(a_request(id=name))
    changes = [(_changed(a_request(id=name), "ours"), 1) for name in ("a", "b", "c")]
    with ThreadPoolExecutor(1) as pool, theirs.connect() as other:
        other.execute(_LOCK, {"id": "b"})
        saving = pool.submit(store.save_many, changes)
        _wait_until_somebody_waits(direct)
        assert len(_not_locked(direct, "a", "c")) == 1, "in whichever order ours goes"
        other.execute(_LOCK, {"id": "a"})
        other.execute(_LOCK, {"id": "c"})
        other.commit()
        assert [*saving.result()] == [True, True, True]


def _not_locked(engine: sa.Engine, *ids: str) -> list[str]:
    free = sa.text(
        "SELECT id FROM abandoned_booking_queue WHERE id = ANY(:ids) FOR UPDATE SKIP LOCKED"
    )
    with engine.connect() as connection:
        return [*connection.scalars(free, {"ids": [*ids]})]


@pytest.mark.parametrize(
    ("setting", "told"),
    [("lock_timeout", "others hold what is to be written"), ("statement_timeout", "took too long")],
)
def test_a_time_out_of_the_database_is_one_clear_error(
    direct: sa.Engine, with_settings: Callable[..., sa.Engine], setting: str, told: str
) -> None:
    hasty = with_settings(**{setting: "20ms"})
    store = SqlAlchemyStore(direct)
    store.add(a_request())
    with direct.connect() as other:
        other.execute(_LOCK, {"id": "r1"})
        with pytest.raises(StoreLocked, match=rf"{told}.*nothing was changed: try again"):
            SqlAlchemyStore(hasty).save(_changed(a_request(), "c1"), expected_version=1)
    assert store.save(_changed(a_request(), "c1"), expected_version=1)


def test_what_is_undone_again_and_again_is_told_of_in_the_end(
    direct: sa.Engine, with_settings: Callable[..., sa.Engine]
) -> None:
    strict = with_settings(default_transaction_isolation="serializable")
    store = SqlAlchemyStore(strict, retry_for=timedelta(0))
    store.add(a_request())
    with ThreadPoolExecutor(1) as pool, direct.connect() as other:
        other.execute(_LOCK, {"id": "r1"})
        saving = pool.submit(store.save, _changed(a_request(), "c1"), expected_version=1)
        _wait_until_somebody_waits(direct)
        other.commit()
        with pytest.raises(StoreLocked, match="takes it back each time; nothing was changed"):
            saving.result()
