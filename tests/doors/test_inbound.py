"""What gateways report: I1-I4, S2, and that everything may come twice, late and out of order."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations

import pytest
from door_world import PHONE, START, Clients, World

from abandoned_booking import (
    ClientType,
    DeliveryReport,
    DeliveryState,
    InboundSms,
    Status,
)
from abandoned_booking.core.model import AbandonedRequest, HistoryKind, MessagePhase
from abandoned_booking.errors import InvalidInput, UnknownBusiness
from abandoned_booking.ports import Rejected, RequestStore
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import RecordingSmsGateway

MINUTE = timedelta(minutes=1)


def report(world: World, request: AbandonedRequest, state: str, **given: object) -> bool:
    """A report on the request's recovery message comes in."""
    attempt_id = world.now_is(request).message.attempt_id
    told = {
        "business_id": "paws",
        "attempt_id": attempt_id,
        "state": state,
        "at": world.clock.now(),
        **given,
    }
    return world.bookings.inbound.delivery(DeliveryReport(**told))  # type: ignore[arg-type]


# ── replies (I1, I2) ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", ["STOPM", "stop", " Stop. ", '"STOP"', "ＳＴＯＰ", "Opt out"])
def test_i1_an_opt_out_word_stops_marketing_at_once_and_adds_nobody(
    salon: World, clients: Clients, body: str
) -> None:
    request = salon.visit()
    salon.sweep(hours=2)
    assert salon.reply(body) == "opted_out"
    assert clients.created == {}
    salon.clock.advance(hours=30)
    again = salon.visit("s2")
    salon.sweep(hours=2)
    assert len(salon.gateway.sent) == 1
    assert salon.now_is(again).message.phase is MessagePhase.SKIPPED
    assert salon.now_is(request).history[-1].kind is HistoryKind.OPTED_OUT


@pytest.mark.parametrize(
    "body", ["nonstop", "please stop by tomorrow", "cancel my appointment", ""]
)
def test_i1_other_texts_are_replies(world: World, body: str) -> None:
    world.visit()
    assert world.reply(body) == "reply"
    assert world.sweep(hours=2).sent == 1


def test_i1_the_word_that_the_notice_promises_works(world: World) -> None:
    world.put(opt_out_keyword="HALT", opt_out_words={"STOP"})
    world.visit()
    assert world.reply("halt") == "opted_out"


def test_i1_it_holds_for_that_number_at_that_business_only(world: World) -> None:
    world.visit("s1")
    world.visit("s2", phone="+12125550111")
    world.reply("STOP")
    world.sweep(hours=2)
    assert [message.to for message in world.gateway.sent] == ["+12125550111"]


def test_i1_a_resubscribe_takes_it_back_once(world: World) -> None:
    world.visit()
    world.reply("STOP")
    world.clock.advance(minutes=1)
    start_at = world.clock.now()
    assert world.reply("START") == "opted_in"
    world.clock.advance(minutes=1)
    world.reply("STOP")
    # The provider delivers the old resubscribe once more, and then one that was sent before.
    assert world.reply("START", at=start_at) == "ignored"
    assert world.reply("START", at=start_at - timedelta(seconds=1)) == "ignored"
    world.sweep(hours=2)
    assert world.gateway.sent == []


def test_i1_a_resubscribe_never_lifts_what_the_staff_blocked(world: World) -> None:
    request = world.visit()
    parts = world.bookings._parts
    key = parts.suppression_of("paws", PHONE).blocked
    parts.suppressions.add("paws", key)
    world.reply("START")
    world.sweep(hours=2)
    assert world.now_is(request).message.reasons[0].value == "phone_blocked"


def test_i3_an_old_opt_out_told_again_after_a_resubscribe_is_safe(world: World) -> None:
    """It suppresses again, and moves every version: no begin slips through."""
    request = world.visit()
    world.reply("STOP", message_id="m1")
    world.clock.advance(minutes=1)
    world.reply("START", message_id="m2")
    before = world.now_is(request).version
    world.reply("STOP", message_id="m1")
    assert world.now_is(request).version > before
    world.sweep(hours=2)
    assert world.gateway.sent == []


def test_i2_a_reply_of_a_messaged_new_visitor_makes_one_client(
    salon: World, clients: Clients
) -> None:
    request = salon.visit()
    salon.sweep(hours=2)
    for body in ("Yes please", "Yes please", "Tomorrow?"):
        assert salon.reply(body) == "reply"
    stored = salon.now_is(request)
    assert len(clients.created) == 1
    assert stored.client_type is ClientType.EXISTING_CLIENT
    assert stored.client_id is not None
    [draft] = clients.created.values()
    assert (draft.person.first_name, draft.phone) == ("Ann", PHONE)
    texts = [entry.text for entry in stored.history if entry.kind is HistoryKind.REPLY]
    assert texts == ["Yes please", "Tomorrow?"]


def test_i2_somebody_who_was_not_messaged_is_not_added(salon: World, clients: Clients) -> None:
    salon.visit()
    salon.reply("Hello?")
    assert clients.created == {}


def test_i2_an_existing_client_is_not_added_again(salon: World, clients: Clients) -> None:
    salon.visit(client_id="c1")
    salon.sweep(hours=2)
    salon.reply("Yes")
    assert clients.created == {}


def test_i2_with_leads_on_they_stay_a_lead_and_the_reply_is_on_the_history(
    salon: World, clients: Clients
) -> None:
    salon.put(leads_management=True)
    request = salon.visit()
    salon.sweep(hours=2)
    salon.reply("Yes")
    assert clients.created == {}
    assert salon.now_is(request).history[-1].text == "Yes"


def test_i2_a_crash_between_creating_and_saving_makes_no_second_client(
    salon: World, clients: Clients
) -> None:
    request = salon.visit()
    salon.sweep(hours=2)
    create = clients.create

    def crashes(*given: object, **more: object) -> str:
        create(*given, **more)  # type: ignore[arg-type]
        raise ConnectionError

    clients.create = crashes  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        salon.reply("Yes", message_id="m1")
    clients.create = create  # type: ignore[method-assign]
    salon.reply("Yes", message_id="m1")
    assert len(clients.created) == 1
    assert salon.now_is(request).client_id is not None


def test_a_reply_from_something_that_is_no_phone_is_passed_over(world: World) -> None:
    request = world.visit()
    assert world.reply("STOP", phone="INFO") == "ignored"
    assert world.now_is(request) == request


def test_a_reply_from_nobody_we_know_opts_out_all_the_same(world: World) -> None:
    assert world.reply("STOP", phone="(212) 555-0177") == "opted_out"
    world.visit(phone="+12125550177")
    world.sweep(hours=2)
    assert world.gateway.sent == []


def test_a_long_reply_is_kept_in_part(world: World) -> None:
    request = world.visit()
    world.reply("y" * 1_000_000)
    assert len(world.now_is(request).history[-1].text or "") == 2_000


def test_g2_a_naive_instant_and_an_unknown_business_are_refused(world: World) -> None:
    naive = datetime(2026, 1, 1)
    with pytest.raises(InvalidInput):
        world.reply("STOP", at=naive)
    with pytest.raises(InvalidInput):
        report(world, world.visit(), "delivered", at=naive, attempt_id="x.m")
    with pytest.raises(UnknownBusiness):
        world.bookings.inbound.reply(
            InboundSms(business_id="nobody", phone=PHONE, body="STOP", at=START)
        )


# ── delivery reports (I3, S2) ───────────────────────────────────────────────────────────────────


def test_i3_delivered_moves_the_message_and_keeps_the_contact(world: World) -> None:
    request = world.visit()
    world.sweep(hours=2)
    assert report(world, request, "delivered")
    stored = world.now_is(request)
    assert (stored.message.phase, stored.status) == (MessagePhase.DELIVERED, Status.CONTACTED)
    assert not report(world, request, "delivered")
    assert world.now_is(request) == stored


def test_s2_undelivered_takes_the_contact_back_and_nothing_is_sent_again(world: World) -> None:
    request = world.visit()
    world.sweep(hours=2)
    assert report(world, request, "undelivered", reason="30003")
    stored = world.now_is(request)
    assert (stored.message.phase, stored.status) == (MessagePhase.UNDELIVERED, Status.ABANDONED)
    assert stored.last_contacted_at is None
    assert stored.contacts[0].reason == "30003"
    for _ in range(3):
        world.sweep(hours=10)
    assert len(world.gateway.sent) == 1


def test_s2_with_another_contact_undelivered_leaves_contacted(world: World) -> None:
    request = world.visit()
    world.sweep(hours=2)
    world.desk.call(request.id)
    report(world, request, "undelivered")
    assert world.now_is(request).status is Status.CONTACTED


@pytest.mark.parametrize(
    "order", list(permutations(["accepted", "delivered", "undelivered", "delivered"], 4))
)
def test_i3_reports_in_any_order_end_in_the_same_place(order: tuple[str, ...]) -> None:
    world = World(MemoryStore())
    request = world.visit()
    world.sweep(hours=2)
    for state in order:
        report(world, request, state)
    stored = world.now_is(request)
    assert (stored.message.phase, stored.status) == (MessagePhase.DELIVERED, Status.CONTACTED)
    assert stored.last_contacted_at == START + timedelta(hours=2)


def test_i3_a_report_settles_a_message_in_doubt(store: RequestStore) -> None:
    gateway = RecordingSmsGateway([TimeoutError()])
    world = World(store, sms=gateway)
    request = world.visit()
    world.sweep(hours=2)
    world.clock.advance(hours=5)
    assert report(world, request, "delivered", provider_id="p9")
    stored = world.now_is(request)
    assert (stored.message.phase, stored.message.provider_id) == (MessagePhase.DELIVERED, "p9")
    assert stored.last_contacted_at == START + timedelta(hours=2)


def test_i3_a_report_that_contradicts_a_refusal_is_believed(store: RequestStore) -> None:
    world = World(store, sms=RecordingSmsGateway([Rejected(reason="no")]))
    request = world.visit()
    world.sweep(hours=2)
    report(world, request, "accepted")
    assert world.now_is(request).message.phase is MessagePhase.SENT


@pytest.mark.parametrize("attempt_id", ["", "x", "x.m", ".m", "....", "é.m"])
def test_i3_a_report_on_something_unknown_is_harmless(world: World, attempt_id: str) -> None:
    request = world.visit()
    assert not report(world, request, "delivered", attempt_id=attempt_id)
    assert not report(world, request, "delivered", attempt_id=f"{request.id}.m")
    assert not report(world, request, "delivered", attempt_id=f"{request.id}.x")
    assert world.now_is(request) == request


def test_i3_reports_on_a_text_of_the_staff(world: World) -> None:
    request = world.visit()
    contact = world.desk.text(request.id, "Hi").contact
    assert contact is not None
    for state in (DeliveryState.UNDELIVERED, DeliveryState.ACCEPTED, DeliveryState.UNDELIVERED):
        report(world, request, state.value, attempt_id=contact.attempt_id)
    assert world.now_is(request).status is Status.ABANDONED
    report(world, request, "delivered", attempt_id=contact.attempt_id)
    assert world.now_is(request).status is Status.CONTACTED


def test_recovered_never_goes_back(world: World) -> None:
    request = world.visit()
    world.sweep(hours=2)
    world.book()
    report(world, request, "undelivered")
    stored = world.now_is(request)
    assert (stored.status, stored.message.phase) == (Status.RECOVERED, MessagePhase.UNDELIVERED)
