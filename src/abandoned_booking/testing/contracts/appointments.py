"""The contract of :class:`~abandoned_booking.ports.AppointmentBook`, and of ``open_slots`` (S)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar, Final, TypeAlias

import pytest

from abandoned_booking.core.codec import request_to_dict
from abandoned_booking.core.model import BookingForm, Person, Pet
from abandoned_booking.ports import AppointmentBook, AppointmentDraft, Slot, SupportsOpenSlots
from abandoned_booking.testing.contracts import _tasks
from abandoned_booking.testing.contracts._processes import CanBeOpenedAgain, Reopen, again, raced
from abandoned_booking.testing.contracts._tools import THREADS, assert_an_id, claimed, race
from abandoned_booking.testing.factory import a_request

__all__ = ["AppointmentBookContract"]

_ListIds: TypeAlias = Callable[[str], Iterable[str]] | None
_ONCE: Final = "book: one appointment per key, whoever calls twice or at the same time"
_OFFERED: Final = "open_slots: the times that can be booked"


class AppointmentBookContract(CanBeOpenedAgain):
    """Everything that :class:`~abandoned_booking.ports.AppointmentBook` promises.

    Subclass it and give the fixture ``appointments``: a calendar that is new and empty for each
    test, usable from several threads, in which ``form`` can be booked at each of ``free_at``, at
    both businesses. Three more may be given:

    - ``free_at``: at least eight such times, in order; every hour of 2031-06-02 from noon UTC on
      unless told;
    - ``appointment_ids``: a function that gives the ids of all appointments of a business, by its
      id. The port has no such method; without it, what only the calendar itself could show is
      skipped;
    - ``reopen`` if other processes can open the same calendar.
    """

    business_id: ClassVar[str] = "paws"
    other_business_id: ClassVar[str] = "claws"
    form: ClassVar[BookingForm] = BookingForm(
        person=Person(first_name="Ann", phone="+12125550131"), pets=(Pet(name="Rex"),)
    )
    staff: ClassVar[str | None] = None

    @pytest.fixture
    def free_at(self) -> Sequence[datetime]:
        """Eight times that can be booked."""
        return [datetime(2031, 6, 2, 12 + hour, tzinfo=UTC) for hour in range(8)]

    @pytest.fixture
    def appointment_ids(self) -> _ListIds:
        """``None``: nobody can list the appointments. Overridden by whoever can."""
        return None

    def _draft(self, at: datetime) -> AppointmentDraft:
        return AppointmentDraft(at=at, form=self.form, staff=self.staff)

    def _book(self, book: AppointmentBook, at: datetime, key: str) -> str:
        return book.book(self.business_id, self._draft(at), key=key)

    def _refuses(self, book: AppointmentBook, at: datetime, key: str) -> bool:
        try:
            self._book(book, at, key)
        except Exception:  # whatever the host's calendar raises
            return True
        return False

    # ── book ────────────────────────────────────────────────────────────────────────────────────

    def test_an_appointment_has_an_id(
        self, appointments: AppointmentBook, free_at: Sequence[datetime]
    ) -> None:
        ids = {self._book(appointments, at, f"k{nth}") for nth, at in enumerate(free_at)}
        for appointment_id in ids:
            assert_an_id(appointment_id, "book: returns the appointment's id")
        assert len(ids) == len(free_at), "book: every appointment has an id of its own"

    def test_a_key_seen_before_gives_the_id_given_then(
        self, appointments: AppointmentBook, free_at: Sequence[datetime]
    ) -> None:
        appointment_id = self._book(appointments, free_at[0], "k1")
        # The staff who clicked twice may have changed the time meanwhile.
        for at in (free_at[0], free_at[1]):
            line = "book: for a key seen before, the id given then"
            assert self._book(appointments, at, "k1") == appointment_id, line
        line = "book: a key seen before books nothing more"
        assert self._book(appointments, free_at[1], "k2") != appointment_id, line

    def test_many_booking_under_one_key_at_once_make_one_appointment(
        self, appointments: AppointmentBook, free_at: Sequence[datetime]
    ) -> None:
        for number, at in enumerate(free_at):
            ids = race(*[partial(self._book, appointments, at, f"k{number}")] * THREADS)
            assert len({*ids}) == 1, _ONCE

    def test_a_key_makes_one_appointment_and_no_more(
        self,
        appointments: AppointmentBook,
        free_at: Sequence[datetime],
        appointment_ids: _ListIds,
    ) -> None:
        listed = _listing(appointment_ids)
        first = self._book(appointments, free_at[0], "k1")
        self._book(appointments, free_at[1], "k1")
        second, *_ = race(*[partial(self._book, appointments, free_at[2], "k2")] * THREADS)
        assert sorted(listed(self.business_id)) == sorted([first, second]), _ONCE

    def test_a_time_that_is_taken_changes_nothing(
        self, appointments: AppointmentBook, free_at: Sequence[datetime]
    ) -> None:
        first = self._book(appointments, free_at[0], "k1")
        if not self._refuses(appointments, free_at[0], "k2"):
            pytest.skip("the calendar takes two appointments at one time: no time is ever taken")
        line = "book: raises if the time is taken, and nothing has changed then"
        second = self._book(appointments, free_at[1], "k2")
        assert second != first, line
        assert self._book(appointments, free_at[0], "k1") == first, line
        assert self._refuses(appointments, free_at[1], "k3"), line

    def test_each_business_has_a_calendar_of_its_own(
        self,
        appointments: AppointmentBook,
        free_at: Sequence[datetime],
        appointment_ids: _ListIds,
    ) -> None:
        line = "two businesses with the same keys never touch each other"
        ours = self._book(appointments, free_at[0], "k1")
        theirs = appointments.book(self.other_business_id, self._draft(free_at[0]), key="k1")
        listed = _listing(appointment_ids)
        assert list(listed(self.business_id)) == [ours], f"book: {line}"
        assert list(listed(self.other_business_id)) == [theirs], f"book: {line}"
        appointments.cancel(self.other_business_id, theirs)
        assert list(listed(self.business_id)) == [ours], f"cancel: {line}"
        assert list(listed(self.other_business_id)) == [], "cancel: takes the appointment back"

    # ── cancel ──────────────────────────────────────────────────────────────────────────────────

    def test_a_cancelled_time_can_be_booked_again(
        self, appointments: AppointmentBook, free_at: Sequence[datetime]
    ) -> None:
        for number in range(3):
            line = "cancel: takes the appointment back; its time can be booked again"
            assert not self._refuses(appointments, free_at[0], f"k{number}"), line
            appointment_id = self._book(appointments, free_at[0], f"k{number}")
            appointments.cancel(self.business_id, appointment_id)

    def test_cancelling_what_is_not_there_does_no_harm(
        self, appointments: AppointmentBook, free_at: Sequence[datetime]
    ) -> None:
        gone = self._book(appointments, free_at[0], "gone")
        appointments.cancel(self.business_id, gone)
        kept = self._book(appointments, free_at[1], "kept")
        assert kept != gone, "book: every appointment has an id of its own, one that is gone too"
        taken = self._refuses(appointments, free_at[1], "other")
        for not_there in (gone, gone, "of nobody's", ""):
            appointments.cancel(self.business_id, not_there)
        line = "cancel: one that is not there does no harm"
        assert self._book(appointments, free_at[1], "kept") == kept, line
        assert self._refuses(appointments, free_at[1], "another") is taken, line

    # ── open slots ──────────────────────────────────────────────────────────────────────────────

    def _slots(
        self, appointments: AppointmentBook, after: datetime, *, limit: int = 100
    ) -> list[Slot]:
        book = claimed(appointments, SupportsOpenSlots, what="appointment book")
        return list(book.open_slots(self.business_id, self.form, after=after, limit=limit))

    def test_open_slots_are_in_order_and_never_more_than_the_limit(
        self, appointments: AppointmentBook, free_at: Sequence[datetime]
    ) -> None:
        every = self._slots(appointments, free_at[0])
        instants = [slot.at for slot in every]
        assert len(instants) > 2, f"{_OFFERED}: three at least, see AppointmentBookContract"
        line = "open_slots: instants are aware UTC"
        assert all(at.utcoffset() == timedelta(0) for at in instants), line
        assert instants == sorted(instants), "open_slots: the earliest first"
        for limit in (1, 2):
            some = self._slots(appointments, free_at[0], limit=limit)
            assert some == every[:limit], "open_slots: up to limit, the earliest first"

    def test_open_slots_are_not_before_the_instant_asked_for(
        self, appointments: AppointmentBook, free_at: Sequence[datetime]
    ) -> None:
        for after in (free_at[0], free_at[1], free_at[1] + timedelta(microseconds=1)):
            early = [slot for slot in self._slots(appointments, after) if slot.at < after]
            assert not early, "open_slots: none before the instant asked for"

    def test_a_slot_is_offered_as_long_as_it_can_be_booked(
        self, appointments: AppointmentBook, free_at: Sequence[datetime]
    ) -> None:
        slot = self._slots(appointments, free_at[0])[0]
        draft = AppointmentDraft(at=slot.at, form=self.form, staff=slot.staff)
        booked = appointments.book(self.business_id, draft, key="k1")
        try:
            appointments.book(self.business_id, draft, key="k2")
        except Exception:  # whatever the host's calendar raises
            line = f"{_OFFERED}: one that is taken is not offered"
            assert slot not in self._slots(appointments, free_at[0]), line
            appointments.cancel(self.business_id, booked)
        line = f"{_OFFERED}: one that is free again is offered again"
        assert slot in self._slots(appointments, free_at[0]), line

    # ── other connections, other processes ──────────────────────────────────────────────────────

    def test_processes_that_book_under_one_key_make_one_appointment(
        self, appointments: AppointmentBook, free_at: Sequence[datetime], reopen: Reopen
    ) -> None:
        drafted = json.dumps(request_to_dict(a_request(form=self.form)))
        task = _tasks.BooksTheSame(self.business_id, drafted, self.staff, tuple(free_at))
        told = raced(task, reopen, "appointment book")
        assert len({*map(tuple, told.values())}) == 1, _ONCE
        for nth, appointment_id in enumerate(told["0"]):
            assert self._book(appointments, free_at[nth], f"k{nth}") == appointment_id, _ONCE

    def test_a_second_connection_knows_a_key_at_once(
        self, appointments: AppointmentBook, free_at: Sequence[datetime], reopen: Reopen
    ) -> None:
        with again(reopen, "appointment book") as other:
            for at, one, two in (
                (free_at[0], appointments, other),
                (free_at[1], other, appointments),
            ):
                key = at.isoformat()
                assert self._book(one, at, key) == self._book(two, at, key), _ONCE


def _listing(appointment_ids: _ListIds) -> Callable[[str], Iterable[str]]:
    if appointment_ids is None:
        pytest.skip("appointments cannot be listed: the fixture `appointment_ids` gives None")
    return appointment_ids
