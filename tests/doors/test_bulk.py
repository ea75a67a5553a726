"""Many at once: L7, L8, B1, B2, M2, M3, R6, R9, S5, G1; whoever repeats it and whatever crashes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from door_world import PHONE, START, Clients, Credits, World
from hypothesis import given, settings
from hypothesis import strategies as st

from abandoned_booking import (
    CompliancePolicy,
    DeliveryReport,
    DeliveryState,
    Reason,
    Status,
    Step,
)
from abandoned_booking.core.email import EmailDesign
from abandoned_booking.core.model import ContactState, HistoryKind
from abandoned_booking.desk import Edit
from abandoned_booking.errors import (
    FeatureUnavailable,
    InvalidInput,
    InvalidSettings,
    InvalidTemplate,
    MissingPart,
    StoreError,
    StoreLocked,
    TransitionRefused,
)
from abandoned_booking.ports import (
    Accepted,
    NotSent,
    OutboundEmail,
    OutboundSms,
    Rejected,
    RequestStore,
    SendResult,
    Unknown,
)
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import RecordingSmsGateway

OTHER_PHONE = "+12125550101"
NOTICE = "Reply STOPM to opt out."
MAIL = EmailDesign(
    sender_address="hello@paws.example",
    postal_address="12 Elm St, New York",
    unsubscribe_url="https://paws.example/unsubscribe?t=",
)


class Mailer:
    """An e-mail gateway that sends nothing and remembers everything."""

    def __init__(self) -> None:
        self.sent: list[OutboundEmail] = []

    def send(self, message: OutboundEmail, *, timeout: timedelta) -> SendResult:
        del timeout
        self.sent.append(message)
        return Accepted(provider_id=f"mail-{len(self.sent)}")


class _Crash(BaseException):
    """The process is killed."""


def phone(n: int) -> str:
    return f"+1212555{n:04}"


def crowd(world: World, size: int) -> list[str]:
    """So many visitors, each with a number of their own."""
    return [
        world.visit(f"s{n}", phone=phone(100 + n), email=f"v{n}@example.com").id
        for n in range(size)
    ]


def reached(world: World) -> Counter[str]:
    return Counter(message.to for message in world.gateway.sent)


# ── edit and undo (L7) ──────────────────────────────────────────────────────────────────────────


def test_l7_one_bad_row_never_stops_the_rest(world: World) -> None:
    first, deleted, completed, recovered, last = (
        world.visit(f"s{n}", phone=phone(n)).id for n in range(101, 106)
    )
    world.desk.delete(deleted)
    world.book("s103")
    world.desk.scheduled(recovered, "a9")
    ids = [first, "unknown", deleted, completed, recovered, first, last]
    report = world.desk.edit(ids, Edit(status=Status.CONTACTED, note="x"), operation_id="op")
    assert [(outcome.request_id, outcome.error) for outcome in report.outcomes] == [
        (first, None),
        ("unknown", "RequestNotFound"),
        (deleted, "TransitionRefused"),
        (completed, "TransitionRefused"),
        (recovered, "TransitionRefused"),
        (last, None),
    ]
    assert (report.done, report.refused) == (2, 4)
    assert "restore it first" in (report.outcomes[2].detail or "")
    assert world.desk.get(last).status is Status.CONTACTED
    assert report.outcomes[-1].request == world.desk.get(last)
    assert [world.desk.get(id_).staff_note for id_ in (deleted, completed, recovered)] == [None] * 3


def test_l7_a_repeated_edit_and_a_repeated_undo_change_nothing(world: World) -> None:
    ids = crowd(world, 3)
    edit = Edit(step=Step.PAYMENT, assignee="kim")
    first = world.desk.edit(ids, edit, operation_id="op")
    assert world.desk.edit(ids, edit, operation_id="op") == first
    world.desk.edit(ids[:1], Edit(assignee="lee"), operation_id="op2")
    undone = world.desk.undo_edit(ids, operation_id="op")
    assert [outcome.done for outcome in undone.outcomes] == [False, True, True]
    assert undone.outcomes[0].error == "TransitionRefused"
    assert world.desk.get(ids[0]).assignee == "lee"
    restored = world.desk.get(ids[1])
    assert (restored.assignee, restored.step) == (None, Step.TIME)
    assert world.desk.undo_edit(ids, operation_id="op") == undone
    assert world.desk.edit(ids[1:], edit, operation_id="op").done == 2
    assert world.desk.get(ids[1]).assignee is None


def test_l7_a_corrected_status_is_replanned_and_back(world: World) -> None:
    (id_,) = crowd(world, 1)
    world.desk.edit([id_], Edit(status=Status.CONTACTED), operation_id="op")
    world.desk.undo_edit([id_], operation_id="op")
    assert world.sweep(hours=2).sent == 1


def test_l7_ids_of_another_business_are_outcomes(world: World, clients: Clients) -> None:
    ids = crowd(world, 2)
    world.bookings.settings.put(attrs.evolve(world.settings, business_id="other"))
    other = world.bookings.desk("other")
    before = [world.desk.get(id_) for id_ in ids]
    reports = [
        other.edit(ids, Edit(note="x"), operation_id="op"),
        other.undo_edit(ids, operation_id="op"),
        other.delete_many(ids),
        other.restore_many(ids),
        other.text_many(ids, "Hi", operation_id="op"),
    ]
    for report in reports:
        assert {outcome.error for outcome in report.outcomes} == {"RequestNotFound"}
        assert all(outcome.request is None for outcome in report.outcomes)
    assert other.quote(ids, "Hi").recipients == 0
    assert [world.desk.get(id_) for id_ in ids] == before


# ── delete, restore, add to the client list (L7, L8) ────────────────────────────────────────────


def test_l8_many_are_deleted_and_restored_and_a_repeat_does_no_harm(world: World) -> None:
    ids = crowd(world, 3)
    deleted = world.desk.delete_many([*ids, "unknown"])
    assert (deleted.done, deleted.refused) == (3, 1)
    assert world.desk.delete_many([*ids, "unknown"]) == deleted
    assert world.desk.restore_many(ids).done == 3
    assert world.desk.restore_many(ids).done == 3
    assert world.sweep(hours=2).sent == 0


def test_l7_many_become_clients_once_and_one_that_fails_stops_nothing(store: RequestStore) -> None:
    class Fussy(Clients):
        def create(self, business_id: str, draft: Any, *, key: str) -> str:
            if draft.phone == phone(101):
                raise ConnectionError(draft.phone)
            return super().create(business_id, draft, key=key)

    clients = Fussy()
    world = World(store, clients=clients)
    ids = crowd(world, 3)
    report = world.desk.add_clients(ids)
    assert [outcome.error for outcome in report.outcomes] == [None, "ConnectionError", None]
    assert report.outcomes[1].detail is None  # G4: the host's words may hold a number
    assert phone(101) not in repr(report)
    world.desk.add_clients(ids)
    assert len(clients.created) == 2
    assert world.desk.get(ids[0]).client_id is not None


# ── the whole call refused ──────────────────────────────────────────────────────────────────────


def _calls(world: World) -> dict[str, Callable[[list[str]], object]]:
    desk = world.desk
    return {
        "edit": lambda ids: desk.edit(ids, Edit(note="x"), operation_id="op"),
        "undo_edit": lambda ids: desk.undo_edit(ids, operation_id="op"),
        "delete_many": desk.delete_many,
        "restore_many": desk.restore_many,
        "add_clients": desk.add_clients,
        "text_many": lambda ids: desk.text_many(ids, "Hi", operation_id="op"),
        "email_many": lambda ids: desk.email_many(ids, operation_id="op"),
        "quote": lambda ids: desk.quote(ids, "Hi"),
        "quote_email": lambda ids: desk.quote_email(ids),
    }


CALLS = tuple(_calls(World(MemoryStore())))


@pytest.fixture
def full(clients: Clients) -> World:
    """A world with every part, in memory: what is refused here never gets to a store."""
    world = World(MemoryStore(), clients=clients, email=Mailer())
    world.put(email=MAIL)
    return world


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "ids",
    [[], "r1", [7], [str(n) for n in range(10_001)]],
    ids=["none", "a text", "a number", "too many"],
)
def test_l7_a_selection_that_cannot_be_is_one_clear_error(full: World, call: str, ids: Any) -> None:
    with pytest.raises(InvalidInput, match="ids"):
        _calls(full)[call](ids)


@pytest.mark.parametrize("call", CALLS)
def test_g1_without_the_feature_nothing_is_done(call: str, clients: Clients) -> None:
    has = ["paws"]
    world = World(MemoryStore(), clients=clients, has_feature=lambda id_: id_ in has)
    ids = crowd(world, 2)
    before = [world.desk.get(id_) for id_ in ids]
    has.clear()
    with pytest.raises(FeatureUnavailable):
        _calls(world)[call](ids)
    has.append("paws")
    assert [world.desk.get(id_) for id_ in ids] == before


@pytest.mark.parametrize(
    ("call", "part"),
    [
        ("add_clients", "clients"),
        ("text_many", "sms"),
        ("quote", "sms"),
        ("email_many", "email"),
        ("quote_email", "email"),
    ],
)
def test_l7_a_missing_part_is_named_before_anything_happens(call: str, part: str) -> None:
    world = World(MemoryStore(), sms=None)
    ids = crowd(world, 1)
    with pytest.raises(MissingPart) as caught:
        _calls(world)[call](ids)
    assert caught.value.part == part


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("  ", "empty"),
        ("{{shoe_size}}", "shoe_size"),
        ("x" * 1520, "segments"),  # ten without the notice
        ("\0", "control"),
    ],
)
def test_b1_a_bad_text_is_one_error_and_nobody_gets_anything(
    world: World, body: str, says: str
) -> None:
    ids = crowd(world, 2)
    for call in (
        lambda: world.desk.text_many(ids, body, operation_id="op"),
        lambda: world.desk.quote(ids, body),
    ):
        with pytest.raises(InvalidTemplate, match=says):
            call()
    assert world.gateway.sent == []
    assert not world.desk.get(ids[0]).contacts


def test_l7_an_operation_id_and_a_step_are_checked_first(full: World) -> None:
    ids = crowd(full, 1)
    calls: list[Callable[[], object]] = [
        lambda: full.desk.text_many(ids, "Hi", operation_id=""),
        lambda: full.desk.email_many(ids, operation_id="x" * 201),
        lambda: full.desk.edit(ids, Edit(note="x"), operation_id=""),
        lambda: full.desk.undo_edit(ids, operation_id=""),
    ]
    for call in calls:
        with pytest.raises(InvalidInput, match="operation_id"):
            call()
    with pytest.raises(InvalidInput, match="step"):
        full.desk.edit(ids, Edit(step=Step("shoes")), operation_id="op")


def test_l7_a_store_that_cannot_be_used_ends_the_call_and_a_repeat_goes_on() -> None:
    world = World(MemoryStore())
    ids = crowd(world, 3)
    stored, calls = world.store.save, iter(range(100))

    def locked_at_times(request: Any, *, expected_version: int) -> bool:
        if next(calls) in {3, 5}:
            raise StoreLocked("locked")
        return stored(request, expected_version=expected_version)

    world.store.save = locked_at_times  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        world.desk.text_many(ids, "Hi", operation_id="op")
    with pytest.raises(StoreError):
        world.desk.edit(ids, Edit(note="x"), operation_id="op")
    world.store.save = stored  # type: ignore[method-assign]
    report = world.desk.text_many(ids, "Hi", operation_id="op")
    assert max(reached(world).values()) == 1
    assert report.outcomes[2].done
    assert world.desk.edit(ids, Edit(note="x"), operation_id="op").done == 3


def test_l7_a_store_that_cannot_be_read_ends_the_call() -> None:
    world = World(MemoryStore())
    ids = crowd(world, 1)

    def locked(business_id: str, request_id: str) -> Any:
        raise StoreLocked("locked")

    world.store.get = locked  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        world.desk.quote(ids, "Hi")


# ── mass texts (B1) ─────────────────────────────────────────────────────────────────────────────


def test_b1_and_m2_a_mass_text_is_marketing_and_bears_the_notice_once(world: World) -> None:
    ids = crowd(world, 2)
    told: list[tuple[int, int]] = []
    report = world.desk.text_many(
        [*ids, ids[0]],
        "Hi {{first_name}}, 10 % off!",
        operation_id="op",
        staff_id="kim",
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert (report.done, report.refused) == (2, 0)
    assert told == [(1, 2), (2, 2)]
    assert [message.body for message in world.gateway.sent] == [f"Hi Ann, 10 % off!\n{NOTICE}"] * 2
    assert all(message.marketing for message in world.gateway.sent)
    request = world.desk.get(ids[0])
    assert (request.status, request.contacts[0].staff_id) == (Status.CONTACTED, "kim")
    world.desk.text_many(ids, f"Hi. {NOTICE}", operation_id="op2")
    assert world.gateway.sent[-1].body.count("opt out") == 1


def test_b1_a_single_text_of_the_staff_stays_without_notice(world: World) -> None:
    (id_,) = crowd(world, 1)
    world.desk.text(id_, "Hi")
    assert (world.gateway.sent[0].body, world.gateway.sent[0].marketing) == ("Hi", False)


def test_b1_a_repeat_sends_nothing_and_answers_the_same_and_a_new_operation_sends(
    world: World,
) -> None:
    ids = crowd(world, 3)
    first = world.desk.text_many(ids, "Hi", operation_id="op")
    again = world.desk.text_many(ids, "Hi", operation_id="op")
    assert [o.done for o in again.outcomes] == [o.done for o in first.outcomes] == [True] * 3
    assert set(reached(world).values()) == {1}
    assert world.desk.quote(ids, "Hi", operation_id="op").by_reason == {Reason.ALREADY_SENT: 3}
    assert world.desk.quote(ids, "Hi").recipients == 3
    world.desk.text_many(ids, "Hi", operation_id="op2")
    assert set(reached(world).values()) == {2}


@pytest.mark.parametrize(
    ("result", "reason", "state"),
    [
        (Rejected(reason="landline"), Reason.GATEWAY_REFUSED, ContactState.REFUSED),
        (NotSent(reason="busy"), Reason.GATEWAY_REFUSED, ContactState.REFUSED),
        (Unknown(detail="502"), Reason.IN_DOUBT, ContactState.SENDING),
        (TimeoutError(PHONE), Reason.IN_DOUBT, ContactState.SENDING),
    ],
)
def test_b1_what_the_gateway_does_not_take_is_an_outcome_and_is_not_repeated(
    store: RequestStore, result: Any, reason: Reason, state: ContactState
) -> None:
    world = World(store, sms=RecordingSmsGateway(results=[result]))
    ids = crowd(world, 2)
    for _ in range(2):
        report = world.desk.text_many(ids, "Hi", operation_id="op")
        assert [outcome.done for outcome in report.outcomes] == [False, True]
        assert report.outcomes[0].reasons == (reason,)
        assert report.outcomes[0].error is None
    assert world.desk.get(ids[0]).contacts[0].state is state
    assert world.desk.get(ids[0]).status is Status.ABANDONED
    assert len(world.gateway.sent) == 2
    line = world.desk.quote(ids, "Hi", operation_id="op").lines[0]
    assert (line.goes, line.reasons) == (False, (reason,))


def test_b1_one_reported_undelivered_is_not_done_and_not_repeated(world: World) -> None:
    ids = crowd(world, 1)
    world.desk.text_many(ids, "Hi", operation_id="op")
    world.bookings.inbound.delivery(
        DeliveryReport(
            business_id="paws",
            attempt_id=world.gateway.sent[0].attempt_id,
            state=DeliveryState.UNDELIVERED,
            at=world.clock.now(),
        )
    )
    assert world.desk.get(ids[0]).status is Status.ABANDONED
    (outcome,) = world.desk.text_many(ids, "Hi", operation_id="op").outcomes
    assert (outcome.done, outcome.reasons) == (False, (Reason.ALREADY_SENT,))
    assert len(world.gateway.sent) == 1


def excluded(world: World) -> dict[str, tuple[Reason, ...]]:
    """Requests of every kind that gets no mass text, and why."""
    world.reply("STOP", phone=phone(1))
    deleted = world.visit("deleted", phone=phone(3)).id
    world.desk.delete(deleted)
    completed = world.visit("completed", phone=phone(4)).id
    world.book("completed")
    erased = world.visit("erased", phone=phone(5)).id
    world.bookings.forget("paws", phone=phone(5))
    blocked = world.visit("blocked", phone=phone(6)).id
    world.desk.block_phone(blocked)
    return {
        world.visit("none", phone=None, client_id="c1").id: (Reason.NO_PHONE,),
        world.visit("out", phone=phone(1)).id: (Reason.OPTED_OUT,),
        world.visit("toll", phone="+18005550199").id: (Reason.CANNOT_RECEIVE_TEXTS,),
        deleted: (Reason.DELETED,),
        completed: (Reason.COMPLETED,),
        erased: (Reason.ERASED,),
        blocked: (Reason.PHONE_BLOCKED,),
    }


def test_b1_and_r6_the_quote_and_the_send_exclude_the_same_for_the_same_reasons(
    world: World,
) -> None:
    against = excluded(world)
    twin = world.visit("twin", phone=phone(20)).id
    other_twin = world.visit("other twin", phone=phone(20)).id
    against[other_twin] = (Reason.SAME_PERSON,)
    ids = [twin, *against]
    quote = world.desk.quote(ids, "Hi")
    assert {line.request_id: line.reasons for line in quote.excluded} == against
    assert (quote.recipients, quote.segments, quote.credits, quote.balance) == (1, 1, 1, None)
    assert world.gateway.sent == []
    report = world.desk.text_many(ids, "Hi", operation_id="op")
    assert {o.request_id: o.reasons for o in report.outcomes if not o.done} == against
    assert reached(world) == {phone(20): 1}
    assert all(not world.desk.get(id_).contacts for id_ in against)


def test_r9_a_mass_text_needs_consent_where_the_policy_asks(store: RequestStore) -> None:
    agreed: set[str] = {phone(100)}

    class Consents:
        def has_consent(self, business_id: str, phone: str) -> bool:
            del business_id
            return phone in agreed

    world = World(store, consents=Consents())
    world.put(compliance=CompliancePolicy.us_marketing())
    ids = crowd(world, 2)
    assert world.desk.quote(ids, "Hi").lines[1].reasons == (Reason.NO_CONSENT,)
    world.desk.text_many(ids, "Hi", operation_id="op")
    assert reached(world) == {phone(100): 1}
    assert world.desk.text(ids[1], "One of the staff's own").accepted


def test_m1_and_m3_a_text_that_is_empty_or_too_long_for_one_person_is_their_outcome(
    world: World,
) -> None:
    (id_,) = crowd(world, 1)
    nameless = world.visit("nameless", phone=phone(7), first_name="").id
    quote = world.desk.quote([id_, nameless], "{{first_name|}}")
    assert [(line.goes, line.error) for line in quote.lines] == [
        (True, None),
        (False, "InvalidTemplate"),
    ]
    long = world.visit("long", phone=phone(8), first_name="Wolfeschlegelsteinhausenbergerdorff").id
    body = "{{first_name}}" * 140
    assert world.desk.quote([long], body).lines[0].reasons == (Reason.TEXT_TOO_LONG,)
    report = world.desk.text_many([long, nameless], "{{first_name|}}" * 140, operation_id="op")
    assert report.outcomes[0].reasons == (Reason.TEXT_TOO_LONG,)
    assert report.outcomes[1].error == "InvalidTemplate"
    assert world.gateway.sent == []


def test_m3_credits_are_counted_before_and_run_out_where_the_quote_says(
    store: RequestStore, credits: Credits
) -> None:
    world = World(store, credits=credits)
    ids = crowd(world, 5)
    body = "x" * 400  # three segments with the notice; ten credits
    quote = world.desk.quote(ids, body)
    assert (quote.recipients, quote.credits, quote.balance) == (3, 9, 10)
    assert quote.by_reason == {Reason.NO_CREDITS: 2}
    report = world.desk.text_many(ids, body, operation_id="op")
    assert [o.done for o in report.outcomes] == [line.goes for line in quote.lines]
    assert credits.left == 1
    credits.left = 10
    assert world.desk.text_many(ids, body, operation_id="op").done == 5
    assert set(reached(world).values()) == {1}


# ── once to each person, whatever happens ───────────────────────────────────────────────────────


def test_b1_the_first_request_of_a_phone_that_may_be_texted_gets_it(world: World) -> None:
    deleted, first, second = (world.visit(f"s{n}").id for n in range(3))
    world.desk.delete(deleted)
    report = world.desk.text_many([deleted, first, second], "Hi", operation_id="op")
    assert [o.reasons for o in report.outcomes] == [
        (Reason.DELETED,),
        (),
        (Reason.SAME_PERSON,),
    ]
    world.desk.restore(deleted)
    again = world.desk.text_many([deleted, first, second], "Hi", operation_id="op")
    assert [o.done for o in again.outcomes] == [False, True, False]
    assert again.outcomes[0].reasons == (Reason.SAME_PERSON,)
    assert reached(world) == {PHONE: 1}
    only = world.desk.text_many([second], "Hi", operation_id="op")
    assert only.outcomes[0].reasons == (Reason.SAME_PERSON,)
    assert reached(world) == {PHONE: 1}


def test_b1_a_number_typed_between_begin_and_send_does_not_get_it_twice(
    store: RequestStore,
) -> None:
    world = World(store)
    first = world.visit("s1", phone=OTHER_PHONE).id
    second = world.visit("s2", phone=phone(9)).id
    world.desk.text_many([first], "Hi", operation_id="op")
    saved, typed = world.store.save, iter([True])

    def retypes_first(request: Any, *, expected_version: int) -> bool:
        if next(typed, False):
            world.clock.advance(minutes=1)
            world.visit("s2", phone=OTHER_PHONE)
        return saved(request, expected_version=expected_version)

    world.store.save = retypes_first  # type: ignore[method-assign]
    (outcome,) = world.desk.text_many([second], "Hi", operation_id="op").outcomes
    assert outcome.reasons == (Reason.SAME_PERSON,)
    assert reached(world) == {OTHER_PHONE: 1}


def test_b1_a_number_taken_away_between_begin_and_send_gets_nothing(world: World) -> None:
    (id_,) = crowd(world, 1)
    saved, once = world.store.save, iter([True])

    def forgets_first(request: Any, *, expected_version: int) -> bool:
        if next(once, False):
            world.bookings.forget("paws", phone=phone(100))
        return saved(request, expected_version=expected_version)

    world.store.save = forgets_first  # type: ignore[method-assign]
    assert world.desk.text_many([id_], "Hi", operation_id="op").done == 0
    assert world.gateway.sent == []


@pytest.mark.parametrize("crash_at", range(1, 5))
def test_b1_a_call_that_crashed_is_resumed_and_nobody_gets_two(
    store: RequestStore, crash_at: int
) -> None:
    def answer(message: OutboundSms) -> SendResult:
        if len(world.gateway.sent) == crash_at and not crashed:
            crashed.append(message.to)
            raise _Crash
        return Accepted(provider_id=message.attempt_id)

    crashed: list[str] = []
    world = World(store, sms=RecordingSmsGateway(answer))
    ids = crowd(world, 4)
    twin = world.visit("twin", phone=phone(100)).id
    with pytest.raises(_Crash):
        world.desk.text_many([*ids, twin], "Hi", operation_id="op")
    left = world.desk.quote([*ids, twin], "Hi", operation_id="op")
    assert left.recipients == 4 - crash_at
    report = world.desk.text_many([*ids, twin], "Hi", operation_id="op")
    expected = [(Reason.IN_DOUBT,) if n + 1 == crash_at else () for n in range(4)]
    assert [o.reasons for o in report.outcomes] == [*expected, (Reason.SAME_PERSON,)]
    assert reached(world) == {phone(100 + n): 1 for n in range(4)}
    assert crashed == [phone(99 + crash_at)]


def test_b1_what_on_progress_raises_ends_the_call_and_a_repeat_goes_on(world: World) -> None:
    ids = crowd(world, 3)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt((done, total))

    with pytest.raises(KeyboardInterrupt):
        world.desk.text_many(ids, "Hi", operation_id="op", on_progress=stop)
    assert world.desk.text_many(ids, "Hi", operation_id="op").done == 3
    assert set(reached(world).values()) == {1}


@pytest.mark.parametrize("reverse", [False, True], ids=["same order", "the other way round"])
def test_b1_two_workers_with_one_operation_send_once_to_each_person(
    store: RequestStore, reverse: bool
) -> None:
    world = World(store)
    ids = [world.visit(f"s{n}", phone=phone(100 + n // 3)).id for n in range(12)]
    together = threading.Barrier(2)
    reports = []

    def work(chosen: list[str]) -> None:
        together.wait()
        reports.append(world.desk.text_many(chosen, "Hi", operation_id="op"))

    threads = [
        threading.Thread(target=work, args=(chosen,))
        for chosen in (ids, ids[::-1] if reverse else ids)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 2
    assert reached(world) == {phone(100 + n): 1 for n in range(4)}


@pytest.mark.parametrize("reverse", [False, True])
def test_b1_another_worker_in_the_middle_of_each_send_changes_nothing(reverse: bool) -> None:
    """The worst interleaving: whenever one worker is about to send, the other does it all."""
    busy: list[bool] = []

    def answer(message: OutboundSms) -> SendResult:
        if not busy:
            busy.append(True)
            world.desk.text_many(ids[::-1] if reverse else ids, "Hi", operation_id="op")
            busy.clear()
        return Accepted(provider_id=message.attempt_id)

    world = World(MemoryStore(), sms=RecordingSmsGateway(answer))
    ids = [world.visit(f"s{n}", phone=phone(100 + n // 2)).id for n in range(6)]
    world.desk.text_many(ids, "Hi", operation_id="op")
    assert reached(world) == {phone(100 + n): 1 for n in range(3)}


def test_b1_an_exception_of_the_hosts_register_is_one_rows_outcome(store: RequestStore) -> None:
    class Broken(Credits):
        def commit(self, business_id: str, *, owner: str, credits: int) -> None:
            raise ConnectionError(PHONE)

        def balance(self, business_id: str) -> int:
            if not self.reserved:
                return super().balance(business_id)
            raise ConnectionError(PHONE)

    world = World(store, credits=Broken(10))
    ids = crowd(world, 2)
    report = world.desk.text_many(ids, "Hi", operation_id="op")
    assert [(o.error, o.detail) for o in report.outcomes] == [("ConnectionError", None)] * 2
    assert PHONE not in repr(report)
    assert len(world.gateway.sent) == 1


# ── mass e-mails (B2) ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def mailing(store: RequestStore) -> tuple[World, Mailer]:
    mailer = Mailer()
    world = World(store, email=mailer)
    world.put(email=MAIL)
    return world, mailer


def test_b2_one_e_mail_per_address_and_whoever_unsubscribed_gets_none(
    mailing: tuple[World, Mailer],
) -> None:
    world, mailer = mailing
    ann = world.visit("ann", email="Ann@example.com").id
    twin = world.visit("twin", email="ann@EXAMPLE.com", phone=phone(5)).id
    nobody = world.visit("nobody").id
    gone = world.visit("gone", email="gone@example.com").id
    world.desk.email(gone)
    link = mailer.sent.pop().headers["List-Unsubscribe"].strip("<>")
    world.bookings.inbound.unsubscribe(link.partition("?t=")[2])
    ids = [ann, twin, nobody, gone]
    against = {
        twin: (Reason.SAME_PERSON,),
        nobody: (Reason.NO_EMAIL,),
        gone: (Reason.OPTED_OUT,),
    }
    quote = world.desk.quote_email(ids, subject="News", body="Hi {{first_name}}")
    assert {line.request_id: line.reasons for line in quote.excluded} == against
    assert (quote.recipients, quote.segments, quote.credits, quote.balance) == (1, 0, 0, None)
    for _ in range(2):
        report = world.desk.email_many(
            ids, subject="News", body="Hi {{first_name}}", operation_id="op"
        )
        assert {o.request_id: o.reasons for o in report.outcomes if not o.done} == against
    assert [(mail.to, mail.subject) for mail in mailer.sent] == [("Ann@example.com", "News")]
    assert world.desk.get(ann).status is Status.CONTACTED
    # A text of the same operation is another message.
    assert world.desk.text_many([ann], "Hi", operation_id="op").done == 1


def test_b2_without_words_of_ones_own_it_is_the_businesss_design(
    mailing: tuple[World, Mailer],
) -> None:
    world, mailer = mailing
    assert world.desk.email_many(crowd(world, 2), operation_id="op").done == 2
    assert "Paws & Co" in mailer.sent[0].subject


@pytest.mark.parametrize(
    "words", [{"body": " "}, {"subject": "two\nlines"}, {"body": "{{shoe_size}}"}]
)
def test_b2_words_that_cannot_be_are_one_error(full: World, words: dict[str, Any]) -> None:
    ids = crowd(full, 1)
    with pytest.raises(InvalidTemplate):
        full.desk.email_many(ids, operation_id="op", **words)
    with pytest.raises(InvalidTemplate):
        full.desk.quote_email(ids, **words)


def test_b2_an_unfinished_design_is_one_error() -> None:
    world = World(MemoryStore(), email=Mailer())
    with pytest.raises(InvalidSettings, match="sender_address"):
        world.desk.email_many(crowd(world, 1), operation_id="op")


# ── the quote is what is then sent ──────────────────────────────────────────────────────────────

VISITORS = st.lists(
    st.tuples(
        st.sampled_from([None, PHONE, OTHER_PHONE, phone(7), "+18005550199"]),
        st.sampled_from(["open", "open", "deleted", "completed", "contacted", "unknown"]),
        st.sampled_from(["Ann", "", "Zoë" * 9, "Bartholomew"]),
    ),
    min_size=1,
    max_size=8,
)
BODIES = st.sampled_from(
    ["Hi", "Hi {{first_name}}", "{{first_name|}}", "x" * 130 + "{{first_name}}", "☃" * 300]
)


@settings(max_examples=60, deadline=None)
@given(visitors=VISITORS, body=BODIES, balance=st.integers(0, 12), out=st.booleans())
def test_b1_the_quote_is_what_is_then_sent_and_charged(
    visitors: list[tuple[str | None, str, str]], body: str, balance: int, out: bool
) -> None:
    ledger = Credits(balance)
    world = World(MemoryStore(), credits=ledger)
    ids = []
    for n, (number, state, name) in enumerate(visitors):
        session = f"s{n}"
        request = world.visit(session, phone=number, first_name=name, client_id=f"c{n}")
        if state == "deleted":
            world.desk.delete(request.id)
        elif state == "completed":
            found = world.now_is(request)
            closed = attrs.evolve(found, status=Status.COMPLETED, closed_at=START)
            assert world.store.save(closed, expected_version=found.version)
        elif state == "contacted":
            world.desk.call(request.id)
        ids.append("nobody's" if state == "unknown" else request.id)
    if out:
        world.reply("STOP", phone=PHONE)
    quote = world.desk.quote(ids, body)
    report = world.desk.text_many(ids, body, operation_id="op")
    assert [(line.request_id, line.goes, line.reasons, line.error) for line in quote.lines] == [
        (o.request_id, o.done, o.reasons, o.error) for o in report.outcomes
    ]
    assert quote.recipients == report.done == len(world.gateway.sent)
    assert quote.segments == sum(message.segments for message in world.gateway.sent)
    assert quote.credits == sum(ledger.spent.values()) == balance - ledger.left
    assert not reached(world) or max(reached(world).values()) == 1
    assert world.desk.quote(ids, body, operation_id="op").credits == 0 or ledger.left > 0


def test_l7_every_edit_is_in_the_history(world: World) -> None:
    (id_,) = crowd(world, 1)
    world.desk.edit([id_], Edit(note="secret"), operation_id="op")
    world.desk.undo_edit([id_], operation_id="op")
    kinds = [entry.kind for entry in world.desk.get(id_).history]
    assert kinds[-2:] == [HistoryKind.EDITED, HistoryKind.EDIT_UNDONE]
    with pytest.raises(TransitionRefused):
        world.desk.undo_call(id_)
