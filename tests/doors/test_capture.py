"""The booking flow's door: C1-C10, D1-D3, G1, G2 and the bounds of every input."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from door_world import PHONE, START, Clients, World

from abandoned_booking import (
    AbandonedBookings,
    Address,
    Booked,
    BookingForm,
    CareType,
    Left,
    ListQuery,
    Person,
    Pet,
    Progress,
    Reason,
    Status,
    Step,
)
from abandoned_booking.core.model import Route
from abandoned_booking.errors import InvalidInput, UnknownBusiness
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import FakeClock

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def test_c1_progress_opens_a_request_that_is_not_listed_yet(world: World) -> None:
    request = world.visit()
    assert (request.status, request.step, request.abandoned_at) == (
        Status.ABANDONED,
        Step.TIME,
        START,
    )
    assert world.desk.list().total == 0


def test_c2_new_activity_moves_instant_step_and_due_time(world: World) -> None:
    first = world.visit(step=Step.PET)
    world.clock.advance(minutes=30)
    second = world.visit(step=Step.TIME)
    assert second.id == first.id
    assert (second.step, second.abandoned_at) == (Step.TIME, START + 30 * MINUTE)
    assert second.next_action_at == second.listed_at == START + 30 * MINUTE + HOUR
    world.sweep(hours=1)
    assert world.now_is(second).next_action_at == START + 30 * MINUTE + 2 * HOUR


def test_c2_going_back_moves_the_step_and_keeps_the_furthest(world: World) -> None:
    world.visit(step=Step.TIME)
    world.clock.advance(minutes=1)
    request = world.visit(step=Step.PET)
    assert (request.step, request.furthest_step) == (Step.PET, Step.TIME)


def test_c3_a_repeat_changes_nothing_not_even_the_version(world: World) -> None:
    first = world.visit()
    assert world.visit() == first == world.now_is(first)


def test_c3_a_late_event_only_fills_what_is_unknown(world: World) -> None:
    world.visit(first_name="Ann", phone=None)
    late = world.visit(first_name="Old", step=Step.PET, at=START - 5 * MINUTE)
    assert (late.step, late.abandoned_at) == (Step.TIME, START)
    assert late.form.person.first_name == "Ann"
    assert late.phone is not None


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_c3_any_order_of_events_ends_in_the_same_place(order: tuple[int, ...]) -> None:
    world = World(MemoryStore())
    steps = [Step.PET, Step.SERVICE, Step.PET, Step.TIME]
    for place in order:
        request = world.visit(step=steps[place], at=START + place * MINUTE)
    assert (request.step, request.abandoned_at) == (Step.TIME, START + 3 * MINUTE)
    assert (request.started_at, request.furthest_step) == (START, Step.TIME)


def test_c4_listed_from_an_hour_after_and_not_a_moment_before(world: World) -> None:
    world.visit()
    world.clock.set(START + HOUR - timedelta(microseconds=1))
    assert world.desk.dot() == 0
    world.clock.set(START + HOUR)
    assert world.desk.dot() == 1


def test_c4_listed_at_once_when_contacted(world: World) -> None:
    request = world.visit()
    world.desk.call(request.id)
    query = ListQuery(statuses={Status.CONTACTED})
    assert [r.id for r in world.desk.list(query).requests] == [request.id]


def test_c4_whoever_was_contacted_stays_listed_when_they_go_on(world: World) -> None:
    request = world.visit()
    world.desk.call(request.id)
    world.clock.advance(minutes=5)
    world.visit(step=Step.PAYMENT)
    assert world.desk.count(ListQuery(statuses={Status.CONTACTED})) == 1


def test_c5_booked_without_contact_is_completed_and_off_everything(world: World) -> None:
    request = world.visit()
    world.clock.advance(hours=1, minutes=30)
    world.book()
    stored = world.now_is(request)
    assert stored.status is Status.COMPLETED
    assert stored.recovery is None
    assert stored.message.reasons == (Reason.COMPLETED,)
    assert world.desk.count(ListQuery(statuses=set(Status))) == 0
    world.sweep(hours=5)
    assert world.gateway.sent == []


def test_c5_booked_after_a_contact_is_recovered(world: World) -> None:
    request = world.visit()
    world.sweep(hours=2)
    world.clock.advance(minutes=10)
    world.book(appointment_id="a9")
    stored = world.now_is(request)
    assert stored.status is Status.RECOVERED
    assert stored.recovery is not None
    assert (stored.recovery.appointment_id, stored.recovery.by_staff) == ("a9", False)


def test_c5_a_booking_told_late_that_was_made_before_the_contact_completes(world: World) -> None:
    request = world.visit()
    world.sweep(hours=2)
    world.book(at=START + HOUR)
    assert world.now_is(request).status is Status.COMPLETED


@pytest.mark.parametrize(
    "person",
    [
        Person(client_id="c1"),
        Person(phone="(212) 555-0199"),
        Person(email="ANN@Example.com "),
    ],
    ids=["client id", "phone", "e-mail"],
)
def test_c6_a_booking_by_any_road_closes_every_open_request_of_the_person(
    world: World, person: Person
) -> None:
    mine = [
        world.visit(f"s{n}", client_id="c1", email="ann@example.com", at=START + n * MINUTE)
        for n in range(3)
    ]
    other = world.visit("s9", phone="+12125550111", email="bob@example.com")
    world.clock.advance(minutes=20)
    world.book(None, person=person)
    assert {world.now_is(r).status for r in mine} == {Status.COMPLETED}
    assert world.now_is(other).status is Status.ABANDONED


def test_c6_a_booking_of_one_session_closes_the_persons_other_sessions(world: World) -> None:
    phone_session = world.visit("on the phone")
    desktop = world.visit("on the desktop")
    world.clock.advance(minutes=1)
    world.book("on the desktop")
    assert world.now_is(phone_session).status is Status.COMPLETED
    assert world.now_is(desktop).status is Status.COMPLETED


def test_c6_what_began_after_the_booking_stays_open(world: World) -> None:
    request = world.visit(at=START + HOUR)
    world.book(None, person=Person(phone=PHONE), at=START)
    assert world.now_is(request).status is Status.ABANDONED


def test_c6_two_people_who_typed_no_address_are_not_the_same(world: World) -> None:
    other = world.visit("s1", phone=None, email="none")
    world.visit("s2", phone=None, email="none")
    world.clock.advance(minutes=1)
    world.book("s2")
    assert world.now_is(other).status is Status.ABANDONED


def test_c7_progress_after_a_booking_opens_a_new_request(world: World) -> None:
    first = world.visit()
    world.clock.advance(minutes=1)
    world.book()
    world.clock.advance(minutes=1)
    second = world.visit(step=Step.PET)
    assert (second.id != first.id, second.sequence) == (True, 2)
    assert world.now_is(first).status is Status.COMPLETED


def test_c7_late_progress_from_before_the_booking_does_not(world: World) -> None:
    world.visit()
    world.clock.advance(minutes=5)
    world.book()
    late = world.visit(step=Step.PET, at=START + MINUTE)
    assert (late.sequence, late.status) == (1, Status.COMPLETED)


def test_c3_a_booking_heard_of_before_its_progress_keeps_the_person_from_being_texted(
    world: World,
) -> None:
    world.clock.advance(minutes=5)
    world.book()
    world.visit(at=START)
    world.sweep(hours=3)
    assert world.gateway.sent == []
    assert world.desk.dot() == 0


def test_c7_what_came_after_a_booking_told_late_is_another_attempt(world: World) -> None:
    first = world.visit(step=Step.PET)
    world.visit(step=Step.TIME, at=START + 10 * MINUTE)
    world.book(at=START + 5 * MINUTE)
    assert world.now_is(first).status is Status.COMPLETED
    second = world.store.latest_of_session("paws", "s1")
    assert second is not None
    assert (second.sequence, second.step) == (2, Step.TIME)
    assert (second.status, second.abandoned_at) == (Status.ABANDONED, START + 10 * MINUTE)
    world.book(at=START + 5 * MINUTE)
    assert world.store.latest_of_session("paws", "s1") == second


def test_l8_activity_does_not_bring_a_deleted_request_back(world: World) -> None:
    request = world.visit()
    world.clock.advance(hours=2)
    world.desk.delete(request.id)
    for at in (START + MINUTE, world.clock.advance(minutes=1)):
        assert world.visit(step=Step.PAYMENT, at=at).id == request.id
    world.sweep(hours=5)
    assert world.desk.count(ListQuery(statuses=set(Status))) == 0
    assert world.gateway.sent == []


def test_l8_a_booking_told_late_does_not_bring_a_deleted_session_back(world: World) -> None:
    request = world.visit(step=Step.PET)
    world.visit(step=Step.TIME, at=START + 20 * MINUTE)
    world.desk.delete(request.id)
    world.book(at=START + 5 * MINUTE)
    world.clock.advance(hours=5)
    assert world.desk.dot() == 0
    assert len(list(world.store.stream("paws"))) == 1


# ── who is listed (C8, C9, C10) ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("matches", "signed_in", "existing"),
    [
        ([], None, False),
        (["c1"], None, True),
        (["c1", "c2"], None, False),
        (["c1", "c2"], "c3", True),
    ],
    ids=["no match", "one match", "two matches", "signed in"],
)
def test_c8_who_is_an_existing_client(
    salon: World, clients: Clients, matches: list[str], signed_in: str | None, existing: bool
) -> None:
    clients.matches[PHONE] = matches
    request = salon.visit(client_id=signed_in)
    assert (request.client_type.value == "existing_client") is existing
    assert request.client_id == (signed_in or ("c1" if existing else None))


def test_c8_an_existing_client_is_listed_without_any_contact_point(salon: World) -> None:
    salon.visit(client_id="c1", phone=None)
    salon.clock.advance(hours=1)
    assert salon.desk.dot() == 1


@pytest.mark.parametrize(
    ("care_type", "blocked_for", "listed"),
    [
        (CareType.GROOMING, CareType.GROOMING, False),
        (CareType.GROOMING, CareType.BOARDING, True),
        (None, CareType.GROOMING, True),
        (None, None, False),
    ],
)
def test_c8_blocked_is_asked_with_the_care_type(
    salon: World,
    clients: Clients,
    care_type: CareType | None,
    blocked_for: CareType | None,
    listed: bool,
) -> None:
    clients.blocked.add(("c1", blocked_for))
    request = salon.visit(client_id="c1", care_type=care_type)
    salon.clock.advance(hours=1)
    assert bool(salon.desk.dot()) is listed
    assert (Reason.BLOCKED in salon.desk.explain(request.id).listing_reasons) is not listed


@pytest.mark.parametrize(
    ("phone", "email", "listed"),
    [(PHONE, None, True), (None, "a@b.co", True), ("12", None, False), (None, "nobody", False)],
)
def test_c9_a_new_visitor_is_listed_if_there_is_a_way_to_reach_them(
    world: World, phone: str | None, email: str | None, listed: bool
) -> None:
    request = world.visit(phone=phone, email=email)
    world.clock.advance(hours=1)
    assert bool(world.desk.dot()) is listed
    reasons = world.desk.explain(request.id).listing_reasons
    assert reasons == (() if listed else (Reason.NO_CONTACT_POINT,))


class Catalogue:
    def applies(self, business_id: str, form: BookingForm) -> bool:
        return (business_id, form.care_type) == ("paws", CareType.GROOMING)


def test_c9_a_new_visitor_is_listed_if_some_service_applies() -> None:
    world = World(MemoryStore(), catalogue=Catalogue())
    request = world.visit(care_type=CareType.BOARDING)
    world.clock.advance(hours=1)
    assert world.desk.explain(request.id).listing_reasons == (Reason.NO_APPLICABLE_SERVICE,)
    world.visit(care_type=CareType.GROOMING)
    world.clock.advance(hours=1)
    assert world.desk.dot() == 1


def test_c9_the_policy_of_reachability_can_be_replaced() -> None:
    world = World(MemoryStore(), is_reachable=lambda request, phone: phone is not None)
    world.visit(phone=None, email="a@b.co")
    world.clock.advance(hours=1)
    assert world.desk.dot() == 0


def test_c10_every_reason_is_told(world: World) -> None:
    request = world.visit(phone=None)
    world.desk.delete(request.id)
    assert world.desk.explain(request.id).listing_reasons == (
        Reason.DELETED,
        Reason.NO_CONTACT_POINT,
        Reason.TOO_RECENT,
    )


# ── leads (D) ───────────────────────────────────────────────────────────────────────────────────


def test_d1_leads_off_a_new_visitor_is_in_the_list(world: World) -> None:
    request = world.visit()
    world.clock.advance(hours=1)
    assert world.desk.dot() == 1
    assert world.desk.actions(request)[0].value == "add_client"


def test_d2_leads_on_a_new_visitor_is_in_neither_list_nor_dot_but_gets_the_message(
    world: World,
) -> None:
    world.put(leads_management=True)
    request = world.visit()
    world.clock.advance(hours=1)
    assert (world.desk.dot(), request.route) == (0, Route.LEADS)
    assert world.desk.explain(request.id).listing_reasons == (Reason.ROUTED_TO_LEADS,)
    assert world.sweep(hours=1).sent == 1
    assert world.desk.count(ListQuery(statuses=set(Status))) == 0


def test_d2_an_existing_client_is_listed_all_the_same(world: World) -> None:
    world.put(leads_management=True)
    world.visit(client_id="c1")
    world.clock.advance(hours=1)
    assert world.desk.dot() == 1


@pytest.mark.parametrize("at_first", [False, True])
def test_d3_a_switch_moves_what_is_not_listed_yet_and_nothing_older(
    world: World, at_first: bool
) -> None:
    world.put(leads_management=at_first)
    old = world.visit("old")
    world.clock.advance(hours=1)
    young = world.visit("young", phone="+12125550111")
    world.put(leads_management=not at_first)
    route_of = {True: Route.LEADS, False: Route.LIST}
    assert world.now_is(old).route is route_of[at_first]
    assert world.now_is(young).route is route_of[not at_first]
    world.clock.advance(minutes=1)
    world.visit("old", step=Step.PAYMENT)
    assert world.now_is(old).route is route_of[at_first]


# ── hints, plan, bad input (C1, G1, G2, bounds) ─────────────────────────────────────────────────


def test_c1_left_is_a_hint_that_decides_nothing(world: World) -> None:
    request = world.visit()
    hint = Left(business_id="paws", session_id="s1", at=START + MINUTE)
    for _ in range(2):
        world.bookings.capture.left(hint)
    world.bookings.capture.left(Left(business_id="paws", session_id="unknown", at=START))
    stored = world.now_is(request)
    assert stored.left_at == START + MINUTE
    assert (stored.abandoned_at, stored.next_action_at) == (START, request.next_action_at)
    assert [entry.kind.value for entry in stored.history] == ["opened", "left"]


def test_g1_without_the_feature_nothing_is_captured() -> None:
    world = World(MemoryStore(), has_feature=lambda business_id: business_id != "paws")
    progress = Progress(business_id="paws", session_id="s1", step=Step.TIME, at=START)
    assert world.bookings.capture.progress(progress) is None
    world.book()
    world.bookings.capture.left(Left(business_id="paws", session_id="s1", at=START))
    assert list(world.store.stream("paws")) == []


def test_an_unknown_business_is_told_what_to_do_first() -> None:
    bookings = AbandonedBookings(MemoryStore(), clock=FakeClock())
    with pytest.raises(UnknownBusiness, match=r"settings\.put"):
        bookings.capture.progress(
            Progress(business_id="nobody", session_id="s1", step=Step.TIME, at=START)
        )


NAIVE = datetime(2026, 1, 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"at": NAIVE}, "at"),
        ({"step": Step("unheard_of")}, "step"),
        ({"session_id": ""}, "session_id"),
        ({"session_id": "s" * 201}, "session_id"),
        ({"client_id": "c" * 201}, "client_id"),
        ({"resume_url": "u" * 501}, "resume_url"),
        ({"form": BookingForm(preferred_at=NAIVE)}, "form.preferred_at"),
        ({"form": BookingForm(person=Person(first_name="x" * 501))}, "form.person.first_name"),
        ({"form": BookingForm(person=Person(email="x" * 501))}, "form.person.email"),
        ({"form": BookingForm(address=Address(city="x" * 501))}, "form.address.city"),
        ({"form": BookingForm(pets=(Pet(name="x" * 501),))}, "form.pets"),
        ({"form": BookingForm(pets=(Pet(),) * 51)}, "form.pets"),
        ({"form": BookingForm(services=("x",) * 101)}, "form.services"),
        ({"form": BookingForm(note="x" * 10_001)}, "form.note"),
        ({"form": BookingForm(answers={"q": "x" * 10_001})}, "form.answers"),
        ({"form": BookingForm(answers={str(n): "" for n in range(201)})}, "form.answers"),
        ({"form": BookingForm(person=Person(phone=5))}, "form.person.phone"),  # type: ignore[arg-type]
    ],
)
def test_g2_and_bounds_bad_input_names_the_field_and_stores_nothing(
    changes: dict[str, Any], field: str
) -> None:
    world = World(MemoryStore())
    given = {"business_id": "paws", "session_id": "s1", "step": Step.TIME, "at": START, **changes}
    with pytest.raises(InvalidInput) as caught:
        world.bookings.capture.progress(Progress(**given))
    assert caught.value.field == field
    assert "xxx" not in str(caught.value)
    assert list(world.store.stream("paws")) == []


@pytest.mark.parametrize(
    "booked",
    [
        Booked(business_id="paws", at=START),
        Booked(business_id="paws", at=START, person=Person(first_name="Ann")),
        Booked(business_id="paws", at=NAIVE, session_id="s1"),
        Booked(business_id="paws", at=START, session_id="s" * 201),
    ],
)
def test_a_booking_of_nobody_or_at_a_naive_instant_is_refused(booked: Booked) -> None:
    world = World(MemoryStore())
    with pytest.raises(InvalidInput):
        world.bookings.capture.booked(booked)
    assert list(world.store.stream("paws")) == []


def test_c6_another_session_that_went_on_after_the_booking_is_another_attempt(
    world: World,
) -> None:
    """Also when it turns out to be the same person's only then, and the booking is told again."""
    world.visit("s2", phone=None, client_id=None, at=START)
    world.visit("s1", client_id="c", phone=None, at=START + MINUTE)
    booked = START + 2 * MINUTE
    world.book("s1", at=booked)
    other = world.visit("s2", phone=None, client_id="c", at=START + 3 * MINUTE)
    world.book("s1", at=booked)
    assert world.now_is(other).status is Status.ABANDONED
