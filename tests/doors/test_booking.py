"""The staff book in the host's calendar: S, S4, C6, L1; one appointment, whoever clicks twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from door_world import START, World

from abandoned_booking import BookingForm, Status
from abandoned_booking.errors import InvalidInput, MissingPart, TransitionRefused
from abandoned_booking.ports import AppointmentDraft, RequestStore, Slot
from abandoned_booking.stores.memory import MemoryStore

AT = START + timedelta(days=1)


class Calendar:
    """A host's calendar in memory."""

    def __init__(self) -> None:
        self.booked: dict[str, AppointmentDraft] = {}
        self.cancelled: list[str] = []
        self.free: list[datetime] = [AT, AT + timedelta(hours=1)]
        self.meanwhile: list[object] = []
        self._lock = threading.Lock()

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        del business_id
        with self._lock:
            self.booked.setdefault(key, draft)
        for happens in self.meanwhile:
            happens()  # type: ignore[operator]
        return f"appointment-{key}"

    def cancel(self, business_id: str, appointment_id: str) -> None:
        del business_id
        self.cancelled.append(appointment_id)

    def open_slots(
        self, business_id: str, form: BookingForm, *, after: datetime, limit: int
    ) -> Sequence[Slot]:
        del business_id, form
        return [Slot(at=at) for at in self.free if at > after][:limit]


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def world(store: RequestStore, calendar: Calendar) -> World:
    return World(store, appointments=calendar)


def test_scheduling_makes_one_appointment_and_recovers(world: World, calendar: Calendar) -> None:
    request = world.visit()
    together = threading.Barrier(4)

    def click() -> None:
        together.wait()
        world.desk.schedule(request.id, AT, staff="joe", services=["Bath"])

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [draft] = calendar.booked.values()
    assert (draft.at, draft.staff, draft.services) == (AT, "joe", ("Bath",))
    stored = world.now_is(request)
    assert stored.status is Status.RECOVERED
    assert world.desk.view_booking(request.id).by_staff
    assert world.desk.schedule(request.id, AT) == stored
    assert calendar.cancelled == []


def test_c6_it_closes_the_persons_other_requests(world: World) -> None:
    first, second = world.visit("s1"), world.visit("s2")
    world.desk.schedule(first.id, AT)
    assert world.now_is(second).status is Status.COMPLETED


def test_if_the_client_books_in_the_last_moment_the_appointment_goes_back(
    world: World, calendar: Calendar
) -> None:
    request = world.visit()
    calendar.meanwhile.append(world.book)
    with pytest.raises(TransitionRefused):
        world.desk.schedule(request.id, AT)
    assert calendar.cancelled == [f"appointment-{request.id}"]
    assert world.now_is(request).status is Status.COMPLETED


def test_what_the_client_booked_is_not_scheduled_over(world: World, calendar: Calendar) -> None:
    request = world.visit()
    world.desk.call(request.id)
    world.book()
    with pytest.raises(TransitionRefused, match="booked by the client"):
        world.desk.schedule(request.id, AT)
    assert calendar.booked == {}


def test_s4_after_a_cancelled_appointment_another_can_be_made(
    world: World, calendar: Calendar
) -> None:
    request = world.visit()
    world.desk.schedule(request.id, AT)
    world.desk.appointment_cancelled(request.id)
    again = world.desk.schedule(request.id, AT + timedelta(hours=1))
    assert len(calendar.booked) == 2
    assert again.recovery is not None
    assert again.recovery.reversed_at is None


def test_a_time_that_is_taken_changes_nothing(world: World, calendar: Calendar) -> None:
    def taken() -> None:
        raise ValueError("taken")

    request = world.visit()
    calendar.meanwhile.append(taken)
    with pytest.raises(ValueError, match="taken"):
        world.desk.schedule(request.id, AT)
    assert world.now_is(request) == request


def test_open_slots_are_the_hosts(world: World) -> None:
    request = world.visit()
    assert [slot.at for slot in world.desk.open_slots(request.id)] == [AT, AT + timedelta(hours=1)]
    assert len(world.desk.open_slots(request.id, limit=1)) == 1
    assert world.desk.open_slots(request.id, after=AT + timedelta(hours=2)) == []
    with pytest.raises(InvalidInput, match="limit"):
        world.desk.open_slots(request.id, limit=0)


def test_view_booking_without_one_and_parts_that_are_missing(world: World) -> None:
    request = world.visit()
    with pytest.raises(TransitionRefused, match="no booking yet"):
        world.desk.view_booking(request.id)
    plain = World(MemoryStore())
    request = plain.visit()
    with pytest.raises(MissingPart, match="appointments"):
        plain.desk.schedule(request.id, AT)
    with pytest.raises(MissingPart, match="open_slots"):
        plain.desk.open_slots(request.id)
    with pytest.raises(InvalidInput):
        plain.desk.schedule(request.id, datetime(2026, 1, 1))


def test_m1_the_next_open_slot_is_looked_up_when_the_text_is_rendered(
    world: World, calendar: Calendar
) -> None:
    world.put(template="Hi {{first_name}}, {{next_open_slot|any day}} is free.")
    request = world.visit()
    assert "Tue, Nov 3 at 10:00 AM is free." in world.desk.preview(request.id).text
    calendar.free = []
    world.sweep(hours=2)
    assert world.gateway.sent[0].body.startswith("Hi Ann, any day is free.")


def test_m1_a_calendar_that_does_not_answer_holds_no_message_up(
    world: World, calendar: Calendar
) -> None:
    world.put(template="{{next_open_slot|Any day}} is free.")
    world.visit()
    calendar.free = [None]  # type: ignore[list-item]
    world.sweep(hours=2)
    assert world.gateway.sent[0].body.startswith("Any day is free.")


def test_a_slot_in_the_afternoon_is_said_so() -> None:
    from abandoned_booking.core.text import spoken

    assert spoken(datetime(2026, 11, 3, 0, 5, tzinfo=UTC)) == "Tue, Nov 3 at 12:05 AM"
    assert spoken(datetime(2026, 11, 3, 12, 5, tzinfo=UTC)) == "Tue, Nov 3 at 12:05 PM"
    assert spoken(datetime(2026, 11, 3, 21, 0, tzinfo=UTC)) == "Tue, Nov 3 at 9:00 PM"
