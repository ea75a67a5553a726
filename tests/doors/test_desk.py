"""The staff's door: L2-L6, L8, S1-S3, S5, C6, M4, R6, R8, G1."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta

import attrs
import pytest
from door_world import PHONE, START, Clients, Credits, World

from abandoned_booking import Channel, ClientType, ListQuery, Reason, Sort, Status, Step
from abandoned_booking.core.editing import Edit
from abandoned_booking.core.listing import Action
from abandoned_booking.core.model import ContactState, MessagePhase
from abandoned_booking.core.periods import Period
from abandoned_booking.errors import (
    FeatureUnavailable,
    InvalidCursor,
    InvalidInput,
    InvalidTemplate,
    MissingPart,
    RequestNotFound,
    TransitionRefused,
)
from abandoned_booking.ports import Accepted, NotSent, OutboundSms, Rejected, SendResult, Unknown
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import RecordingSmsGateway, a_request

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def crowd(world: World) -> None:
    """Three visitors an hour apart, the middle one a client; the last an hour ago."""
    world.visit("s1", step=Step.PET, first_name="Zoë", phone="+12125550101")
    world.clock.advance(hours=1)
    world.visit("s2", step=Step.TIME, first_name="Bob", phone="+12125550102", client_id="c2")
    world.clock.advance(hours=1)
    world.visit("s3", step=Step.TIME, first_name="Ann", phone="+12125550103")
    world.clock.advance(hours=1)


def names(world: World, query: ListQuery | None = None) -> list[str]:
    return [request.client_name for request in world.desk.list(query).requests]


# ── list, dot, get (L) ──────────────────────────────────────────────────────────────────────────


def test_l2_and_l4_the_list_opens_with_abandoned_newest_first(world: World) -> None:
    crowd(world)
    assert names(world) == ["Ann", "Bob", "Zoë"]
    world.desk.call(world.desk.list().requests[0].id)
    assert names(world) == ["Bob", "Zoë"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (ListQuery(client_types={ClientType.EXISTING_CLIENT}), ["Bob"]),
        (ListQuery(steps={Step.PET, Step.PAYMENT}), ["Zoë"]),
        (ListQuery(steps={Step.TIME}, client_types={ClientType.NEW_VISITOR}), ["Ann"]),
        (ListQuery(text="zoe REX"), ["Zoë"]),
        (ListQuery(text="555-0102"), ["Bob"]),
        (ListQuery(sort=Sort.NAME), ["Ann", "Bob", "Zoë"]),
        (ListQuery(sort=Sort.STEP), ["Zoë", "Ann", "Bob"]),
        (ListQuery(abandoned_from=START + HOUR), ["Ann", "Bob"]),
        (ListQuery(abandoned_to=START + HOUR), ["Zoë"]),
        (ListQuery(contacted_from=START), []),
    ],
    ids=lambda _: "",
)
def test_l2_l3_l4_filters_search_and_order(
    world: World, query: ListQuery, found: list[str]
) -> None:
    crowd(world)
    assert names(world, query) == found
    assert world.desk.count(query) == len(found)


def test_l2_a_date_is_a_local_day_of_the_business(world: World) -> None:
    world.clock.set(datetime.fromisoformat("2026-11-02T03:30+00:00"))  # still the 1st in New York
    world.visit()
    world.clock.advance(hours=2)
    first, second = date(2026, 11, 1), date(2026, 11, 2)
    assert world.desk.count(ListQuery(abandoned_from=first, abandoned_to=second)) == 1
    assert world.desk.count(ListQuery(abandoned_from=second)) == 0


def test_l4_pages_by_cursor_and_refuses_a_foreign_one(world: World) -> None:
    crowd(world)
    first = world.desk.list(ListQuery(limit=2))
    rest = world.desk.list(ListQuery(limit=2, cursor=first.next_cursor))
    assert [r.client_name for r in (*first.requests, *rest.requests)] == ["Ann", "Bob", "Zoë"]
    assert (first.total, rest.total, rest.next_cursor) == (3, 3, None)
    with pytest.raises(InvalidCursor, match="first page"):
        world.desk.list(ListQuery(limit=2, sort=Sort.NAME, cursor=first.next_cursor))


def test_l5_the_dot_counts_listed_and_abandoned_only(world: World) -> None:
    crowd(world)
    world.visit("not an hour ago", phone="+12125550104")
    assert world.desk.dot() == 3
    world.desk.call(world.desk.list().requests[0].id)
    world.desk.scheduled(world.desk.list().requests[0].id, appointment_id="a1")
    assert world.desk.dot() == 1


def test_l6_get_shows_form_and_history_also_of_deleted_ones(world: World) -> None:
    request = world.visit()
    world.desk.delete(request.id)
    opened = world.desk.get(request.id)
    assert opened.form == request.form
    assert [entry.kind.value for entry in opened.history] == [
        "opened",
        "deleted",
        "message_skipped",
    ]


def test_ids_of_another_business_are_not_found(world: World) -> None:
    request = world.visit()

    world.bookings.settings.put(attrs.evolve(world.settings, business_id="other"))
    other = world.bookings.desk("other")
    calls: list[Callable[[str], object]] = [
        other.get,
        other.explain,
        other.preview,
        other.call,
        other.undo_call,
        other.delete,
        other.restore,
        lambda id_: other.text(id_, "Hi"),
        lambda id_: other.scheduled(id_, "a1"),
        lambda id_: other.report_contact(id_, Channel.CALL),
    ]
    for call in calls:
        with pytest.raises(RequestNotFound, match="other"):
            call(request.id)
    assert world.now_is(request) == request


# ── texting (S1, S2, R6, I4) ────────────────────────────────────────────────────────────────────


def test_s2_an_accepted_text_makes_contacted_and_bears_no_notice(world: World) -> None:
    request = world.visit()
    outcome = world.desk.text(request.id, "Hi {{first_name}}, shall we help?", staff_id="joe")
    assert outcome.accepted
    assert outcome.request.status is Status.CONTACTED
    assert outcome.contact is not None
    assert (outcome.contact.channel, outcome.contact.staff_id) == (Channel.TEXT, "joe")
    assert [message.body for message in world.gateway.sent] == ["Hi Ann, shall we help?"]
    assert world.gateway.sent[0].marketing is False
    assert world.now_is(request) == outcome.request


@pytest.mark.parametrize(
    ("result", "state", "reasons"),
    [
        (
            Rejected(reason="landline", code="30006"),
            ContactState.REFUSED,
            (Reason.GATEWAY_REFUSED,),
        ),
        (NotSent(reason="busy"), ContactState.REFUSED, (Reason.GATEWAY_REFUSED,)),
        (Unknown(detail="502"), ContactState.SENDING, ()),
        (TimeoutError(), ContactState.SENDING, ()),
    ],
)
def test_s2_what_was_not_accepted_leaves_the_status(
    store: MemoryStore,
    result: SendResult | Exception,
    state: ContactState,
    reasons: tuple[Reason, ...],
) -> None:
    world = World(store, sms=RecordingSmsGateway(results=[result]))
    request = world.visit()
    outcome = world.desk.text(request.id, "Hi")
    assert outcome.contact is not None
    assert (outcome.accepted, outcome.contact.state, outcome.reasons) == (False, state, reasons)
    assert world.now_is(request).status is Status.ABANDONED
    assert world.now_is(request).last_contacted_at is None


def test_a_text_in_doubt_holds_the_recovery_message_back(store: MemoryStore) -> None:
    gateway = RecordingSmsGateway(results=[Unknown()])
    world = World(store, sms=gateway)
    request = world.visit()
    world.desk.text(request.id, "Hi")
    assert world.sweep(hours=2).waiting == 1
    world.sweep(hours=1, minutes=1)
    stored = world.now_is(request)
    assert stored.message.phase is MessagePhase.SKIPPED
    assert stored.message.reasons == (Reason.IN_DOUBT, Reason.MISSED)
    assert len(gateway.sent) == 1


@pytest.mark.parametrize(
    ("phone", "reason"),
    [
        (None, Reason.NO_PHONE),
        ("123", Reason.NO_PHONE),
        ("+18005550199", Reason.CANNOT_RECEIVE_TEXTS),
        (PHONE, Reason.OPTED_OUT),
    ],
)
def test_r6_a_text_that_the_rules_refuse_is_an_outcome_and_changes_nothing(
    world: World, phone: str | None, reason: Reason
) -> None:
    if reason is Reason.OPTED_OUT:
        world.reply("STOP")
    request = world.visit(phone=phone, client_id="c1")
    outcome = world.desk.text(request.id, "Hi")
    assert (outcome.accepted, outcome.contact, outcome.reasons) == (False, None, (reason,))
    assert world.now_is(request) == request
    assert world.gateway.sent == []


def test_r6_credits_are_spent_for_accepted_texts_only(
    store: MemoryStore, clients: Clients, credits: Credits
) -> None:
    gateway = RecordingSmsGateway(results=[Accepted(provider_id="p1"), Rejected(reason="no")])
    world = World(store, sms=gateway, credits=credits, clients=clients)
    request = world.visit()
    world.desk.text(request.id, "x" * 200)
    world.desk.text(request.id, "y")
    assert (list(credits.spent.values()), credits.left) == ([2], 8)
    outcome = world.desk.text(request.id, "z" * 1400)
    assert outcome.reasons == (Reason.NO_CREDITS,)


def test_i4_an_opt_out_just_before_the_send_wins(store: MemoryStore) -> None:
    """The opt-out comes after the first look at the list and before the text goes out."""
    world = World(store)
    request = world.visit()
    stored = world.store.save

    def slow_save(request: object, *, expected_version: int) -> bool:
        world.store.save = stored  # type: ignore[method-assign]
        world.reply("STOP")
        return stored(request, expected_version=expected_version)  # type: ignore[arg-type]

    world.store.save = slow_save  # type: ignore[method-assign]
    outcome = world.desk.text(request.id, "Hi")
    assert outcome.reasons == (Reason.OPTED_OUT,)
    assert world.gateway.sent == []


def test_a_repeated_operation_sends_once_however_many_click(store: MemoryStore) -> None:
    together = threading.Barrier(4)
    world = World(store)
    request = world.visit()

    def click() -> None:
        together.wait()
        world.desk.text(request.id, "Hi", operation_id="click-1")

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.gateway.sent) == 1
    assert world.desk.text(request.id, "Hi", operation_id="click-1").accepted
    assert len(world.gateway.sent) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [("  ", "empty"), ("{{shoe_size}}", "shoe_size"), ("x" * 1531, "segments")],
)
def test_m1_and_m3_a_bad_text_is_refused_before_anything_happens(
    world: World, body: str, says: str
) -> None:
    request = world.visit()
    with pytest.raises(InvalidTemplate, match=says):
        world.desk.text(request.id, body)
    assert world.now_is(request) == request


def test_texting_without_a_gateway_names_the_missing_part() -> None:
    world = World(MemoryStore(), sms=None)
    request = world.visit()
    with pytest.raises(MissingPart, match="sms"):
        world.desk.text(request.id, "Hi")


def test_a_gateway_that_answers_while_the_client_books_is_recorded_all_the_same(
    store: MemoryStore,
) -> None:
    def books_meanwhile(message: OutboundSms) -> SendResult:
        world.book()
        return Accepted(provider_id="p1")

    world = World(store, sms=RecordingSmsGateway(books_meanwhile))
    request = world.visit()
    outcome = world.desk.text(request.id, "Hi")
    assert outcome.accepted
    assert world.now_is(request).status is Status.COMPLETED
    assert world.now_is(request).last_contacted_at == START


# ── calls (S3), reported contacts (S1), booking, deleting ───────────────────────────────────────


def test_s3_a_call_counts_at_once_and_can_be_taken_back(world: World) -> None:
    request = world.visit()
    called = world.desk.call(request.id, staff_id="joe")
    assert (called.status, called.last_contacted_at) == (Status.CONTACTED, START)
    undone = world.desk.undo_call(request.id)
    assert (undone.status, undone.last_contacted_at) == (Status.ABANDONED, None)
    with pytest.raises(TransitionRefused):
        world.desk.undo_call(request.id)
    assert world.sweep(hours=2).sent == 1


def test_s3_with_another_contact_the_status_stays(world: World) -> None:
    request = world.visit()
    world.desk.text(request.id, "Hi")
    world.desk.call(request.id)
    assert world.desk.undo_call(request.id).status is Status.CONTACTED


def test_s1_a_contact_elsewhere_counts_if_the_host_reports_it(world: World) -> None:
    request = world.visit()
    world.clock.advance(hours=1)
    reported = world.desk.report_contact(request.id, Channel.EMAIL, at=START + MINUTE)
    assert (reported.status, reported.last_contacted_at) == (Status.CONTACTED, START + MINUTE)


def test_s_scheduled_recovers_once_and_refuses_another_appointment(world: World) -> None:
    request = world.visit()
    recovered = world.desk.scheduled(request.id, appointment_id="a7")
    assert recovered.status is Status.RECOVERED
    assert recovered.recovery is not None
    assert (recovered.recovery.appointment_id, recovered.recovery.by_staff) == ("a7", True)
    assert world.desk.scheduled(request.id, appointment_id="a7") == recovered
    with pytest.raises(TransitionRefused, match="another appointment"):
        world.desk.scheduled(request.id, appointment_id="a8")
    assert world.now_is(request) == recovered
    assert world.desk.actions(recovered) == (Action.ADD_CLIENT, Action.VIEW_BOOKING)


def test_c6_scheduling_one_closes_the_persons_other_requests(world: World) -> None:
    first = world.visit("s1")
    called = world.visit("s2", at=START + MINUTE)
    world.clock.advance(minutes=5)
    world.desk.call(called.id)
    world.clock.advance(minutes=5)
    world.desk.scheduled(first.id, appointment_id="a7")
    assert world.now_is(called).status is Status.RECOVERED


def test_s5_what_the_client_completed_is_left_alone(world: World) -> None:
    request = world.visit()
    world.book()
    before = world.now_is(request)
    for act in (
        lambda: world.desk.call(request.id),
        lambda: world.desk.text(request.id, "Hi"),
        lambda: world.desk.scheduled(request.id, "a1"),
    ):
        with pytest.raises(TransitionRefused, match="completed"):
            act()
    assert world.now_is(request) == before


def test_l8_delete_cancels_and_restore_brings_back_without_the_message(world: World) -> None:
    request = world.visit()
    world.clock.advance(hours=1)
    deleted = world.desk.delete(request.id)
    assert world.desk.dot() == 0
    assert world.desk.delete(request.id) == deleted
    assert [r.id for r in world.desk.list(ListQuery(deleted=True)).requests] == [request.id]
    with pytest.raises(TransitionRefused, match="restore it first"):
        world.desk.call(request.id)
    restored = world.desk.restore(request.id)
    assert world.desk.restore(request.id) == restored
    assert world.desk.dot() == 1
    assert world.sweep(hours=2).sent == 0
    assert restored.message.reasons == (Reason.DELETED,)


# ── explain and preview (R8, M4) ────────────────────────────────────────────────────────────────


def test_r8_explain_tells_when_and_then_that(world: World) -> None:
    request = world.visit()
    before = world.desk.explain(request.id)
    assert before.send_at == START + 2 * HOUR
    assert str(before) == (
        "Not listed before 2026-11-02 11:00 EST: the visitor was active too recently. "
        "The recovery message goes on 2026-11-02 12:00 EST."
    )
    world.sweep(hours=2)
    after = world.desk.explain(request.id)
    assert (after.listed, after.send_at, after.phase) == (True, None, MessagePhase.SENT)
    assert "was sent on 2026-11-02 12:00 EST" in after.message


def test_r8_all_reasons_in_the_fixed_order(world: World) -> None:
    world.put(enabled=False, recipients={ClientType.EXISTING_CLIENT})
    world.reply("STOP", phone="+14165550199")
    request = world.visit(phone="+14165550199")
    assert world.desk.explain(request.id).message_reasons == (
        Reason.CAMPAIGN_OFF,
        Reason.CLIENT_TYPE_NOT_SELECTED,
        Reason.NOT_US_NUMBER,
        Reason.OPTED_OUT,
    )


def test_m4_the_preview_is_what_is_sent(world: World) -> None:
    request = world.visit()
    preview = world.desk.preview(request.id)
    world.sweep(hours=2)
    assert preview.text == world.gateway.sent[0].body
    assert preview.size.segments == world.gateway.sent[0].segments
    assert world.desk.preview(request.id, "Hello {{first_name}}").text.startswith("Hello Ann")
    with pytest.raises(InvalidInput):
        world.desk.preview(request.id, "Hello {{nobody}}")


def test_g1_every_call_of_the_staff_is_refused_without_the_feature() -> None:
    has: list[str] = ["paws"]
    world = World(MemoryStore(), has_feature=lambda business_id: business_id in has)
    request = world.visit()
    has.clear()
    desk, id_ = world.desk, request.id
    calls: list[Callable[[], object]] = [
        desk.list,
        desk.count,
        desk.dot,
        lambda: desk.get(id_),
        lambda: desk.actions(request),
        lambda: desk.explain(id_),
        lambda: desk.preview(id_),
        lambda: desk.text(id_, "Hi"),
        lambda: desk.call(id_),
        lambda: desk.undo_call(id_),
        lambda: desk.report_contact(id_, Channel.CALL),
        lambda: desk.scheduled(id_, "a1"),
        lambda: desk.delete(id_),
        lambda: desk.restore(id_),
    ]
    for call in calls:
        with pytest.raises(FeatureUnavailable, match="plan"):
            call()
    assert world.now_is(request) == request


# ── corrections, cancellations, blocks ──────────────────────────────────────────────────────────


def test_s_a_correction_by_hand_and_back(world: World) -> None:
    request = world.visit()
    assert world.desk.correct(request.id, Status.CONTACTED).status is Status.CONTACTED
    assert world.sweep(hours=2).sent == 0
    assert world.desk.correct(request.id, Status.ABANDONED).status is Status.ABANDONED
    with pytest.raises(TransitionRefused):
        world.desk.correct(request.id, Status.RECOVERED)
    world.desk.scheduled(request.id, "a1")
    with pytest.raises(TransitionRefused):
        world.desk.correct(request.id, Status.ABANDONED)


def test_s4_a_cancelled_appointment_stays_recovered_and_is_marked(world: World) -> None:
    request = world.visit()
    with pytest.raises(TransitionRefused):
        world.desk.appointment_cancelled(request.id)
    world.desk.scheduled(request.id, "a1")
    with pytest.raises(TransitionRefused):
        world.desk.appointment_cancelled(request.id, "another")
    world.clock.advance(hours=1)
    reversed_ = world.desk.appointment_cancelled(request.id, "a1")
    assert reversed_.status is Status.RECOVERED
    assert reversed_.recovery is not None
    assert reversed_.recovery.reversed_at == START + HOUR
    assert world.desk.appointment_cancelled(request.id, "a1") == reversed_


def test_r6_a_blocked_phone_gets_nothing_until_it_is_unblocked(world: World) -> None:
    request = world.visit()
    other = world.visit("s2", at=START + MINUTE)
    before = world.now_is(other).version
    world.desk.block_phone(request.id)
    assert world.now_is(other).version > before
    world.reply("START")
    assert world.desk.text(other.id, "Hi").reasons == (Reason.PHONE_BLOCKED,)
    assert world.desk.explain(request.id).message_reasons == (Reason.PHONE_BLOCKED,)
    world.desk.unblock_phone(request.id)
    assert world.sweep(hours=2).sent == 1


def test_a_request_without_a_phone_has_nothing_to_block(world: World) -> None:
    request = world.visit(phone=None)
    with pytest.raises(InvalidInput, match="phone"):
        world.desk.block_phone(request.id)


def test_g1_no_call_of_the_desk_is_left_out() -> None:
    """Whatever the staff can call, with any arguments: the plan is asked first."""
    plain = World(MemoryStore(), has_feature=lambda _: False)
    known = {"business_id"}
    calls = [name for name in dir(plain.desk) if not name.startswith("_") and name not in known]
    assert len(calls) >= 40
    for name in calls:
        call = getattr(plain.desk, name)
        wanted = [
            parameter
            for parameter in inspect.signature(call).parameters.values()
            if parameter.default is parameter.empty
        ]
        given = {parameter.name: SOME.get(parameter.name, "x") for parameter in wanted}
        with pytest.raises(FeatureUnavailable):
            call(**given)


SOME: dict[str, object] = {
    "ids": ["x"],
    "at": START,
    "until": START + HOUR,
    "period": Period(date(2026, 11, 1), date(2026, 12, 1)),
    "request": a_request(),
    "edit": Edit(note="x"),
    "status": Status.CONTACTED,
    "channel": Channel.CALL,
}
"""what a call must be given, where any word will not do"""
