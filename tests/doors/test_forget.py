"""G3: a person is forgotten, old requests expire, opt-outs survive; R3, I4, L8 and G4 with it."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest
from door_world import PHONE, START, World

from abandoned_booking import (
    AbandonedRequest,
    Address,
    BookingForm,
    ListQuery,
    Person,
    Pet,
    Progress,
    Status,
    Step,
)
from abandoned_booking.core.model import MessagePhase, Reason
from abandoned_booking.core.retention import Retention
from abandoned_booking.errors import (
    AbandonedBookingError,
    InvalidInput,
    InvalidPhone,
    InvalidSettings,
    TransitionRefused,
    UnknownBusiness,
)
from abandoned_booking.ports import (
    Accepted,
    DeliveryReport,
    DeliveryState,
    NotSent,
    OutboundSms,
    RequestStore,
    SendResult,
)
from abandoned_booking.privacy import ForgetReport, PurgeReport
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import RecordingSmsGateway

OTHER = "+12125550142"
EVERYTHING = ListQuery(statuses=frozenset())


def dump(request: AbandonedRequest) -> str:
    return json.dumps(attrs.asdict(request), default=str)


# ── forgetting ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "keys",
    [{"phone": "(212) 555-0199"}, {"email": "ANN@example.com "}, {"client_id": "c1"}],
    ids=lambda keys: next(iter(keys)),
)
def test_a_person_is_forgotten_by_any_key(world: World, keys: dict[str, Any]) -> None:
    mine = world.visit("s1", email="ann@example.com", client_id="c1")
    others = world.visit("s2", first_name="Bob", phone=OTHER)
    assert world.bookings.forget("paws", **keys) == ForgetReport(requests=1)
    gone = world.now_is(mine)
    assert gone.erased_at == START
    assert "Ann" not in dump(gone)
    assert "Rex" not in dump(gone)
    assert world.now_is(others) == others


def test_closed_and_deleted_requests_are_erased_too(world: World) -> None:
    made = [world.visit(f"s{nth}") for nth in range(4)]
    world.desk.call(made[0].id)
    world.desk.scheduled(made[1].id, "a1", at=START - timedelta(days=1))
    world.desk.delete(made[2].id)
    world.book(None, person=Person(phone=PHONE))
    assert world.bookings.forget("paws", phone=PHONE).requests == 4
    assert all(world.now_is(request).phone is None for request in made)
    assert world.now_is(made[0]).status is Status.RECOVERED
    assert world.bookings.data_of("paws", phone=PHONE) == []


def test_a_session_of_which_only_the_booking_was_heard_is_found_by_its_phone(world: World) -> None:
    world.book("s1", person=Person(first_name="Ann", phone="(212) 555-0199"))
    (before,) = world.store.stream("paws")
    assert before.client_name == "Ann"
    assert world.bookings.forget("paws", phone=PHONE).requests == 1
    assert world.now_is(before).client_name == ""


def test_forgetting_again_does_no_harm(world: World) -> None:
    request = world.visit()
    world.bookings.forget("paws", phone=PHONE)
    gone = world.now_is(request)
    assert world.bookings.forget("paws", phone=PHONE) == ForgetReport(requests=0)
    assert world.now_is(gone) == gone


def test_a_person_is_forgotten_at_one_business_only(world: World) -> None:
    world.bookings.settings.put(attrs.evolve(world.settings, business_id="claws"))
    request = world.visit()
    assert world.bookings.forget("claws", phone=PHONE).requests == 0
    assert world.now_is(request).client_name == "Ann"
    world.sweep(hours=2)
    assert len(world.gateway.sent) == 1


@pytest.mark.parametrize(
    ("keys", "error", "field"),
    [
        ({}, InvalidInput, "person"),
        ({"phone": "12"}, InvalidPhone, "phone"),
        ({"phone": ""}, InvalidPhone, "phone"),
        ({"email": "Zaphod"}, InvalidInput, "email"),
        ({"client_id": " "}, InvalidInput, "client_id"),
        ({"client_id": "c1", "email": ""}, InvalidInput, "email"),
    ],
)
def test_whoever_is_not_named_is_an_error_and_nothing_changes(
    world: World, keys: dict[str, Any], error: type[InvalidInput], field: str
) -> None:
    request = world.visit(client_id="c1")
    for call in (world.bookings.forget, world.bookings.data_of):
        with pytest.raises(error) as caught:
            call("paws", **keys)
        assert caught.value.field == field
        assert "Zaphod" not in str(caught.value)
    assert world.now_is(request) == request
    with pytest.raises(UnknownBusiness):
        world.bookings.forget("claws", client_id="c1")


def test_a_person_is_forgotten_without_the_feature_too(store: RequestStore) -> None:
    world = World(store)
    world.visit()
    without = World(store, has_feature=lambda _: False)
    assert without.bookings.forget("paws", phone=PHONE).requests == 1


# ── nobody who was forgotten is texted (R3, I4) ─────────────────────────────────────────────────


def test_a_forgotten_person_is_not_texted_and_the_reason_is_kept(world: World) -> None:
    request = world.visit()
    world.bookings.forget("paws", phone=PHONE)
    world.put(late_grace=timedelta(hours=2))  # every change of settings plans anew
    assert world.sweep(hours=2).claimed == 0
    gone = world.now_is(request)
    assert (gone.message.phase, gone.message.reasons) == (MessagePhase.SKIPPED, (Reason.ERASED,))
    assert "erased" in world.desk.explain(request.id).message
    assert world.gateway.sent == []


def test_erase_import_again_sweep(world: World) -> None:
    """The same log once more, and one that was never seen: neither texts the person."""
    request = world.visit("s1", email="ann@example.com")
    world.bookings.forget("paws", email="ann@example.com")
    again = world.visit("s1", email="ann@example.com")
    assert again == world.now_is(request)
    unseen = world.visit("s9", at=START - timedelta(minutes=5))
    world.sweep(hours=2)
    assert world.gateway.sent == []
    # By the phone that stood on the request, though only the e-mail was named.
    assert world.now_is(unseen).message.reasons == (Reason.OPTED_OUT,)
    assert dump(world.now_is(request)).count("Ann") == 0


def test_what_the_person_does_later_opens_a_new_request_without_old_data(world: World) -> None:
    world.visit("s1", email="ann@example.com", client_id="c1")
    world.bookings.forget("paws", phone=PHONE)
    world.clock.advance(minutes=1)
    new = world.visit("s1", first_name="Anna")
    assert (new.sequence, new.client_name, new.client_id) == (2, "Anna", None)
    assert new.form.person.email is None
    assert world.sweep(hours=2).skipped == {Reason.OPTED_OUT: 1}
    assert world.gateway.sent == []
    assert [row.id for row in world.desk.list().requests] == [new.id]


def test_opt_outs_survive_and_only_the_person_takes_them_back(world: World) -> None:
    world.visit("s1")
    world.reply("STOP")
    world.bookings.forget("paws", phone=PHONE)
    world.visit("s2")
    assert world.sweep(hours=2).skipped == {Reason.OPTED_OUT: 1}
    world.reply("START")
    world.visit("s3")
    assert world.sweep(hours=2).sent == 1


def test_somebody_elses_request_with_the_same_phone_is_not_begun_either(world: World) -> None:
    """I4: the sweep that has asked before loses its begin."""
    world.visit("s1", client_id="c1")
    shared = world.visit("s2", first_name="Bob", client_id="c2")
    world.clock.advance(hours=2)
    parts = world.bookings._parts
    now = world.clock.now()
    claimed = parts.store.claim_due(now=now, until=now + timedelta(minutes=2), limit=9)
    (asked,) = (request for request in claimed if request.id == shared.id)
    world.bookings.forget("paws", client_id="c1")
    assert parts.save(attrs.evolve(asked, closed_at=now), asked) is None
    assert world.now_is(shared).client_name == "Bob"
    world.sweep(hours=1)
    assert world.gateway.sent == []


@pytest.mark.parametrize(
    ("answer", "phase", "status"),
    [
        (Accepted(provider_id="SM-Zaphod"), MessagePhase.SENT, Status.CONTACTED),
        (NotSent(reason="Zaphod"), MessagePhase.SKIPPED, Status.ABANDONED),
    ],
    ids=["accepted", "not sent"],
)
def test_a_send_under_way_is_recorded_without_the_person(
    store: RequestStore, answer: SendResult, phase: MessagePhase, status: Status
) -> None:
    def forgotten_meanwhile(_: OutboundSms) -> SendResult:
        world.bookings.forget("paws", phone=PHONE)
        return answer

    heard: list[Any] = []
    world = World(store, sms=RecordingSmsGateway([forgotten_meanwhile]), on_event=heard.append)
    request = world.visit()
    world.sweep(hours=2)
    gone = world.now_is(request)
    assert (gone.message.phase, gone.status) == (phase, status)
    assert "Zaphod" not in dump(gone)
    told = [event for event in heard if event.request.erased_at is not None]
    assert told
    assert all("Ann" not in dump(event.request) for event in told)
    assert all(getattr(event, "text", None) is None for event in told)
    assert world.sweep(hours=24).sent == 0
    assert len(world.gateway.sent) == 1


def test_a_late_report_still_counts_and_brings_nothing_back(world: World) -> None:
    request = world.visit()
    world.sweep(hours=2)
    world.bookings.forget("paws", phone=PHONE)
    report = DeliveryReport(
        business_id="paws",
        attempt_id=world.gateway.sent[0].attempt_id,
        state=DeliveryState.DELIVERED,
        at=world.clock.now(),
        provider_id="SM-Zaphod",
    )
    assert world.bookings.inbound.delivery(report)
    gone = world.now_is(request)
    assert gone.message.phase is MessagePhase.DELIVERED
    assert "Zaphod" not in dump(gone)


def test_a_reply_after_the_erasure_is_kept_nowhere(world: World) -> None:
    request = world.visit()
    world.sweep(hours=2)
    world.bookings.forget("paws", phone=PHONE)
    gone = world.now_is(request)
    assert world.reply("it is me, Zaphod") == "reply"
    assert world.now_is(request) == gone


def test_a_booking_after_the_erasure_is_counted_without_its_person(world: World) -> None:
    request = world.visit()
    world.desk.call(request.id)
    world.bookings.forget("paws", phone=PHONE)
    world.clock.advance(hours=1)
    world.book("s1", appointment_id="Zaphod", person=Person(first_name="Ann", phone=PHONE))
    gone = world.now_is(request)
    assert gone.status is Status.RECOVERED
    assert "Zaphod" not in dump(gone)
    assert "Ann" not in dump(gone)
    assert world.store.latest_of_session("paws", "s1") == gone


def test_forgetting_while_the_visitor_is_active_loses_nothing_and_keeps_nothing(
    world: World,
) -> None:
    request = world.visit()

    def visits() -> None:
        for minutes in range(20):
            world.visit(at=START - timedelta(minutes=minutes))
            world.visit(at=START, email=f"ann{minutes}@example.com")

    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(visits)
        forgotten = threads.submit(world.bookings.forget, "paws", phone=PHONE)
        running.result(60)
        assert forgotten.result(60).requests == 1
    gone = world.now_is(request)
    assert "example.com" not in dump(gone)
    assert world.store.latest_of_session("paws", "s1") == gone


# ── the staff (C10, L8) ─────────────────────────────────────────────────────────────────────────


def test_an_erased_request_is_in_no_list_and_nothing_can_be_done_with_it(world: World) -> None:
    request = world.visit()
    world.desk.delete(request.id)
    world.bookings.forget("paws", phone=PHONE)
    world.clock.advance(hours=2)
    shelf = attrs.evolve(EVERYTHING, deleted=True)
    for query in (EVERYTHING, shelf, ListQuery(text="ann")):
        assert world.desk.list(query).total == 0
    assert world.desk.dot() == 0
    assert Reason.ERASED in world.desk.explain(request.id).listing_reasons
    assert world.desk.actions(world.desk.get(request.id)) == ()
    before = world.now_is(request)
    calls: list[Callable[[], object]] = [
        lambda: world.desk.restore(request.id),
        lambda: world.desk.delete(request.id),
        lambda: world.desk.call(request.id),
        lambda: world.desk.text(request.id, "Hi"),
        lambda: world.desk.scheduled(request.id, "a1"),
        lambda: world.desk.correct(request.id, Status.CONTACTED),
    ]
    for call in calls:
        with pytest.raises(TransitionRefused, match="erased"):
            call()
    assert world.now_is(request) == before


def test_a_deleted_request_can_be_restored_until_retention_ends(world: World) -> None:
    world.put(keep_for=Retention(months=24))
    request = world.visit()
    world.desk.delete(request.id)
    world.clock.advance(days=700)
    assert world.bookings.purge_older_than("paws").erased == 0
    world.desk.restore(request.id)
    world.desk.delete(request.id)
    world.clock.advance(days=32)
    assert world.bookings.purge_older_than("paws").erased == 1
    with pytest.raises(TransitionRefused, match="erased"):
        world.desk.restore(request.id)


# ── retention ───────────────────────────────────────────────────────────────────────────────────


def a_year_of_visits(world: World, count: int = 12) -> list[AbandonedRequest]:
    """One visit a month; the last was now."""
    made = []
    for month in range(count):
        made.append(world.visit(f"s{month}", phone=f"+121255501{month:02}"))
        world.clock.advance(days=30)
    return made


def test_what_was_kept_for_long_enough_is_erased_in_batches(world: World) -> None:
    made = a_year_of_visits(world)
    told: list[PurgeReport] = []
    report = world.bookings.purge_older_than(
        "paws", timedelta(days=100), batch=4, on_progress=told.append
    )
    assert report == PurgeReport(examined=9, erased=9)
    assert [step.examined for step in told] == [4, 8, 9]
    erased = [world.now_is(request).erased_at is not None for request in made]
    assert erased == [True] * 9 + [False] * 3
    assert world.bookings.purge_older_than("paws", timedelta(days=100)) == PurgeReport()


def test_whoever_was_in_touch_since_is_kept(world: World) -> None:
    request = world.visit()
    world.clock.advance(days=60)
    world.desk.call(request.id)
    world.clock.advance(days=60)
    assert world.bookings.purge_older_than("paws", Retention(days=90)) == PurgeReport(examined=1)
    world.clock.advance(days=31)
    assert world.bookings.purge_older_than("paws", Retention(days=90)).erased == 1


def test_without_a_period_nothing_expires(world: World) -> None:
    a_year_of_visits(world, 2)
    assert world.bookings.purge_older_than("paws") == PurgeReport()


def test_expiring_opts_nobody_out(world: World) -> None:
    world.visit("s1")
    world.clock.advance(days=10)
    world.bookings.purge_older_than("paws", timedelta(days=5))
    world.visit("s2")
    assert world.sweep(hours=2).sent == 1
    # But the old session is never texted, however often its log is imported.
    world.visit("s1", at=START)
    assert world.sweep(hours=30).sent == 0


def test_a_purge_that_was_interrupted_goes_on(world: World) -> None:
    a_year_of_visits(world, 5)

    def breaks(report: PurgeReport) -> None:
        if report.examined == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.bookings.purge_older_than("paws", timedelta(days=1), batch=1, on_progress=breaks)
    assert world.bookings.purge_older_than("paws", timedelta(days=1)).erased == 3


def test_several_purges_at_once_erase_each_request_once(world: World) -> None:
    a_year_of_visits(world, 12)
    calls = [lambda: world.bookings.purge_older_than("paws", timedelta(days=1))] * 4
    with ThreadPoolExecutor(4) as threads:
        reports = [each.result(60) for each in [threads.submit(call) for call in calls]]
    assert all(request.erased_at for request in world.store.stream("paws"))
    versions = [request.version for request in world.store.stream("paws")]
    assert versions == [2] * 12
    assert max(report.erased for report in reports) <= 12


@pytest.mark.parametrize(
    ("given", "error", "field"),
    [
        ({"age": timedelta(hours=1)}, InvalidSettings, "keep_for"),
        ({"age": timedelta(0)}, InvalidSettings, "keep_for"),
        ({"batch": 0}, InvalidInput, "batch"),
    ],
)
def test_a_purge_that_makes_no_sense_names_its_field(
    world: World, given: dict[str, Any], error: type[InvalidInput], field: str
) -> None:
    with pytest.raises(error) as caught:
        world.bookings.purge_older_than("paws", **given)
    assert caught.value.field == field


# ── what is kept of a person ────────────────────────────────────────────────────────────────────


def test_a_person_is_told_all_that_is_kept_of_them(world: World) -> None:
    world.visit("s2")
    world.visit("s1", at=START - timedelta(days=1))
    world.visit("s3", phone=OTHER)
    world.desk.delete(world.visit("s4", at=START - timedelta(days=2)).id)
    found = world.bookings.data_of("paws", phone="212 555 0199")
    assert [each["session_id"] for each in found] == ["s4", "s1", "s2"]
    assert json.loads(json.dumps(found)) == found
    assert found[0]["form"]["person"]["first_name"] == "Ann"


class Plain:
    """A host's store with the methods that it must have, and none that it may have."""

    def __init__(self, inner: MemoryStore) -> None:
        self.settings, self.suppressions, self.ledger = (
            inner.settings,
            inner.suppressions,
            inner.ledger,
        )
        for verb in ("add", "get", "latest_of_session", "open_of_person", "save", "claim_due"):
            setattr(self, verb, getattr(inner, verb))
        for verb in ("page", "count", "stream"):
            setattr(self, verb, getattr(inner, verb))


def test_a_store_without_the_searches_is_read_as_a_whole() -> None:
    plain: Any = Plain(MemoryStore())
    world = World(plain)
    world.visit("s1")
    world.visit("s2", phone=OTHER)
    assert len(world.bookings.data_of("paws", phone=PHONE)) == 1
    assert world.bookings.forget("paws", phone=PHONE).requests == 1
    world.clock.advance(days=3)
    young = world.visit("s3")
    assert world.bookings.purge_older_than("paws", timedelta(days=1)) == PurgeReport(
        examined=1, erased=1
    )
    assert world.now_is(young) == young


# ── canaries (G4): logs, errors, and the bytes of the file ──────────────────────────────────────

CANARIES = ("Zaphod", "Quetzal", "5550177", "canary@", "Nightingale", "whisper")
FORM = BookingForm(
    person=Person(
        first_name="Zaphod", last_name="Quetzal", phone="(212) 555-0177", email="canary@nest.com"
    ),
    pets=(Pet(name="Quetzal", species="Quetzal", breed="Quetzal"),),
    address=Address(line1="7 Nightingale Rd", city="Nightingale", postal_code="5550177"),
    note="whisper " * 40,
    staff="Quetzal",
    services=("whisper",),
    answers={"whisper?": "whisper"},
)


def canary_visits(world: World, session_id: str, *, at: datetime | None = None) -> AbandonedRequest:
    request = world.bookings.capture.progress(
        Progress(
            business_id="paws",
            session_id=session_id,
            step=Step.TIME,
            at=at or world.clock.now(),
            form=FORM,
            client_id="canary@c",
            resume_url="https://book.example/whisper",
        )
    )
    assert request is not None
    return request


def silent(text: str) -> bool:
    """Whether none of the canaries sings in ``text``."""
    return not any(canary.casefold() in text.casefold() for canary in CANARIES)


def test_neither_logs_nor_errors_nor_reports_of_an_erasure_tell_of_the_person(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        canary_visits(world, "s1")
        world.reply("whisper", phone="+12125550177")
        report = world.bookings.forget("paws", phone="+12125550177", email="canary@nest.com")
        purged = world.bookings.purge_older_than("paws", timedelta(days=1))
    assert silent(caplog.text)
    assert silent(f"{report!r} {purged!r} {world.bookings._privacy!r}")
    wrong: list[dict[str, Any]] = [{"phone": "Zaphod"}, {"email": "Zaphod"}]
    for keys in wrong:
        with pytest.raises(AbandonedBookingError) as caught:
            world.bookings.forget("paws", **keys)
        # Of the traceback its last lines: the ones before quote the source of this very test.
        assert silent("".join(traceback.format_exception_only(caught.value)))
        assert silent(repr(caught.value))


def bytes_of(path: Path) -> bytes:
    return b"".join(
        found.read_bytes() for found in sorted(path.parent.glob(f"{path.name}*")) if found.is_file()
    )


def sung(path: Path) -> list[str]:
    """The canaries whose song is in the file, its log or beside it."""
    kept = bytes_of(path).lower()
    return [canary for canary in CANARIES if canary.lower().encode() in kept]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bookings.db"


@pytest.fixture
def nest(file: Path) -> Iterator[World]:
    """A file with a hundred visitors, one of whom has come often."""
    with SqliteStore(file) as store:
        world = World(store)
        # In no order and of every size: pages are split, and cells leave copies where they stood.
        chance = Random(1)
        for nth in range(100):
            at = START - timedelta(seconds=chance.randrange(10**6))
            if nth % 4 == 0:
                canary_visits(world, f"canary-{nth}", at=at)
            else:
                name = f"Somebody{nth} " + "x" * chance.randrange(400)
                world.visit(f"other-{nth}", first_name=name, phone=OTHER, at=at)
        world.reply("whisper " * 30, phone="+12125550177")
        yield world


def test_no_byte_of_the_person_is_left_in_the_file(nest: World, file: Path) -> None:
    assert sung(file) == [*CANARIES]
    report = nest.bookings.forget("paws", email="canary@nest.com")
    assert report == ForgetReport(requests=25)
    assert sung(file) == []
    assert b"Somebody99" in bytes_of(file)
    assert nest.desk.list(ListQuery(text="zaphod")).total == 0
    nest.clock.advance(hours=2)
    assert nest.desk.list(ListQuery(text="somebody99", limit=1)).total == 1


def index_of(store: RequestStore) -> list[bytes]:
    """What the trigram index holds, block by block, but for its own bookkeeping."""
    assert isinstance(store, SqliteStore)
    with store._connections.borrowed() as connection:
        found = connection.execute(
            "SELECT block FROM search_trigrams_data WHERE id > 10 ORDER BY id"
        )
        return [block for (block,) in found]


def built_anew(store: RequestStore) -> list[bytes]:
    """The index of what is there now."""
    assert isinstance(store, SqliteStore)
    with store._connections.borrowed() as connection:
        connection.execute("UPDATE search_state SET indexed = 0")
    assert store.erase_traces("paws")
    return index_of(store)


@pytest.mark.parametrize("erase_traces", [True, False])
def test_the_trigram_index_is_as_if_the_person_had_never_come(
    nest: World, erase_traces: bool
) -> None:
    nest.bookings.forget("paws", phone="+12125550177", erase_traces=erase_traces)
    left = index_of(nest.store)
    assert (left == built_anew(nest.store)) is erase_traces


def test_traces_are_left_for_later_if_told_so(nest: World, file: Path) -> None:
    nest.bookings.forget("paws", phone="+12125550177", erase_traces=False)
    assert sung(file)
    nest.bookings.purge_older_than("paws", Retention(years=1))
    assert sung(file) == []


def test_traces_that_somebody_holds_are_reported(file: Path) -> None:
    with SqliteStore(file, busy_timeout=timedelta(milliseconds=20)) as store:
        world = World(store)
        request = canary_visits(world, "s1")
        with store._connections.reading() as reader:
            # A reader that began before still needs what the log holds.
            reader.execute("SELECT count(*) FROM documents").fetchone()
            report = world.bookings.forget("paws", phone="+12125550177")
        assert report == ForgetReport(requests=1, traces_left=True)
        assert silent(dump(world.now_is(request)))
        assert world.bookings.forget("paws", phone="+12125550177") == ForgetReport()
    assert sung(file) == []


def test_a_writer_in_the_way_leaves_traces_and_breaks_nothing(file: Path) -> None:
    with SqliteStore(file, busy_timeout=timedelta(milliseconds=20)) as store:
        canary_visits(World(store), "s1")
        with store._connections.writing():
            assert store.erase_traces("paws") is False
        assert store.erase_traces("paws") is True


def test_an_index_that_this_process_cannot_touch_is_a_trace(
    nest: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = nest.store
    assert isinstance(store, SqliteStore)
    with monkeypatch.context() as patch:
        patch.setattr("abandoned_booking.stores.sqlite._search.has_trigrams", lambda: False)
        assert nest.bookings.forget("paws", phone="+12125550177").traces_left
    assert store.erase_traces("paws")
    assert sung(store.path) == []


def test_a_file_without_an_index_has_nothing_to_merge(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abandoned_booking.stores.sqlite._search.has_trigrams", lambda: False)
    with SqliteStore(file) as store:
        assert store.erase_traces("paws")


def test_a_large_file_is_rewritten_on_disk_not_in_memory(
    nest: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abandoned_booking.stores.sqlite._traces._MOST_IN_MEMORY", 0)
    before = [request.id for request in nest.store.stream("paws")]
    nest.bookings.forget("paws", phone="+12125550177")
    assert [request.id for request in nest.store.stream("paws")] == before
    assert sung(file) == []


def test_the_memory_store_forgets_the_key_itself() -> None:
    store = MemoryStore()
    world = World(store)
    world.visit(email="ann@example.com")
    world.bookings.forget("paws", phone=PHONE)
    assert PHONE not in str([*store._businesses["paws"].of_person])


def test_an_erasure_is_dated_by_the_clock(world: World) -> None:
    request = world.visit()
    world.clock.advance(days=1)
    world.bookings.forget("paws", phone=PHONE)
    at: datetime | None = world.now_is(request).erased_at
    assert at == START + timedelta(days=1)
