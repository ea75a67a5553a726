"""Clients and leads: L6, D1-D3, I2; and whoever clicks twice, one client."""

from __future__ import annotations

import threading

import pytest
from door_world import PHONE, START, Clients, World

from abandoned_booking import ClientType, Person
from abandoned_booking.core.model import HistoryKind, MessagePhase, Route
from abandoned_booking.errors import MissingPart, TransitionRefused
from abandoned_booking.ports import LEAD_CHANNEL, ClientDraft, RequestStore
from abandoned_booking.stores.memory import MemoryStore


class Leads:
    """A host's leads in memory."""

    def __init__(self) -> None:
        self.drafts: dict[str, ClientDraft] = {}
        self.channels: set[str] = set()
        self.is_down = False

    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        if self.is_down:
            raise ConnectionError(business_id)
        self.drafts.setdefault(key, draft)
        self.channels.add(channel)
        return f"lead-{key[:6]}"


@pytest.fixture
def leads() -> Leads:
    return Leads()


@pytest.fixture
def world(store: RequestStore, clients: Clients, leads: Leads) -> World:
    return World(store, clients=clients, leads=leads)


# ── clients ─────────────────────────────────────────────────────────────────────────────────────


def test_l6_the_profile_is_the_client_or_a_draft_from_what_was_pre_filled(world: World) -> None:
    visitor = world.desk.profile(world.visit("s1").id)
    assert visitor.client_id is None
    assert (visitor.draft.person.first_name, visitor.draft.phone) == ("Ann", PHONE)
    client = world.desk.profile(world.visit("s2", client_id="c1").id)
    assert client.client_id == "c1"


def test_d1_a_new_visitor_becomes_a_client_and_all_their_requests_are_the_clients(
    world: World, clients: Clients
) -> None:
    first, second = world.visit("s1"), world.visit("s2")
    edited = ClientDraft(person=Person(first_name="Anna"), form=first.form, phone=PHONE)
    added = world.desk.add_client(first.id, edited)
    assert added.client_type is ClientType.EXISTING_CLIENT
    assert [draft.person.first_name for draft in clients.created.values()] == ["Anna"]
    assert world.now_is(second).client_id == added.client_id
    assert added.history[-1].kind is HistoryKind.CLIENT_ADDED
    assert world.desk.add_client(first.id) == added
    assert world.desk.actions(added)[0].value != "add_client"


def test_whoever_clicks_at_the_same_time_or_replies_there_is_one_client(
    world: World, clients: Clients
) -> None:
    requests = [world.visit("s1"), world.visit("s2")]
    world.sweep(hours=2)
    together = threading.Barrier(5)

    def act(nth: int) -> None:
        together.wait()
        if nth == 4:
            world.reply("Yes please")
        else:
            world.desk.add_client(requests[nth % 2].id)

    threads = [threading.Thread(target=act, args=(nth,)) for nth in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(clients.created) == 1
    assert {world.now_is(request).client_id for request in requests} == {
        world.now_is(requests[0]).client_id
    }
    assert world.now_is(requests[0]).client_id is not None


def test_without_a_client_list_adding_one_names_the_missing_part() -> None:
    world = World(MemoryStore())
    with pytest.raises(MissingPart, match="clients"):
        world.desk.add_client(world.visit().id)


# ── leads ───────────────────────────────────────────────────────────────────────────────────────


def test_d2_a_lead_is_handed_over_once_when_it_would_have_been_listed(
    world: World, leads: Leads
) -> None:
    world.put(leads_management=True)
    request = world.visit()
    world.sweep(minutes=59)
    assert leads.drafts == {}
    for _ in range(3):
        world.sweep(minutes=1)
    assert list(leads.drafts) == [request.id]
    assert leads.channels == {LEAD_CHANNEL} == {"Online Booking"}
    stored = world.now_is(request)
    assert stored.lead_id == f"lead-{request.id[:6]}"
    assert stored.history[-1].kind is HistoryKind.LEAD_HANDED_OVER
    assert world.sweep(hours=1).sent == 1


def test_d2_whoever_books_within_the_hour_is_no_lead(world: World, leads: Leads) -> None:
    world.put(leads_management=True)
    world.visit()
    world.clock.advance(minutes=30)
    world.book()
    world.sweep(hours=2)
    assert leads.drafts == {}


def test_d2_leads_that_are_out_of_reach_hold_no_message_up_and_are_asked_again(
    world: World, leads: Leads
) -> None:
    world.put(leads_management=True)
    leads.is_down = True
    request = world.visit()
    world.sweep(hours=1)
    assert world.sweep(hours=1).sent == 1
    assert world.now_is(request).message.phase is MessagePhase.SENT
    leads.is_down = False
    world.sweep(minutes=5)
    assert list(leads.drafts) == [request.id]
    assert world.now_is(request).lead_id is not None


def test_d3_switching_leads_off_keeps_what_is_a_lead(world: World, leads: Leads) -> None:
    world.put(leads_management=True)
    request = world.visit()
    world.sweep(hours=1)
    world.put(leads_management=False)
    assert world.now_is(request).route is Route.LEADS
    assert len(leads.drafts) == 1


def test_a_converted_lead_is_reported_back_once(world: World) -> None:
    world.put(leads_management=True)
    request = world.visit()
    world.sweep(hours=1)
    with pytest.raises(TransitionRefused, match="leads"):
        world.desk.add_client(request.id)
    converted = world.desk.lead_converted(request.id, "c7")
    assert (converted.client_id, converted.client_type) == ("c7", ClientType.EXISTING_CLIENT)
    assert world.desk.lead_converted(request.id, "c7") == converted


def test_an_unconfirmed_message_does_not_keep_a_lead_from_being_handed_over(
    store: RequestStore, leads: Leads
) -> None:
    from datetime import timedelta

    from abandoned_booking import AfterDelay
    from abandoned_booking.ports import OutboundSms, SendResult, Unknown

    class Deaf:
        def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
            del message, timeout
            return Unknown()

    world = World(store, sms=Deaf(), leads=leads)
    world.put(leads_management=True, timing=AfterDelay(minutes=10))
    request = world.visit()
    world.sweep(minutes=10)
    assert world.now_is(request).message.phase is MessagePhase.UNCONFIRMED
    world.sweep(minutes=50)
    assert list(leads.drafts) == [request.id]
    assert world.now_is(request).announced_at == START + timedelta(hours=1)
