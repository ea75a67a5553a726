"""A host's registers in memory: client list, leads, calendar, services, consents. For tests.

Each is small enough to be read as an example of what its port asks, a lock included: whoever calls
twice, or at the same time, under one key gets one record.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import attrs

from abandoned_booking.core.model import BookingForm, CareType
from abandoned_booking.ports import AppointmentDraft, ClientDraft, Slot

__all__ = [
    "MemoryAppointmentBook",
    "MemoryClientDirectory",
    "MemoryConsentRegister",
    "MemoryLeadDirectory",
    "MemoryServiceCatalogue",
    "TimeTaken",
]


class _Keyed:
    """Records under keys: the first call under a key makes one, every other gets its id."""

    def __init__(self, kind: str) -> None:
        self.lock = threading.RLock()
        self._kind = kind
        self._ids: dict[tuple[str, str], str] = {}

    def once(self, business_id: str, key: str, make: Callable[[str], None]) -> str:
        with self.lock:
            known = self._ids.get((business_id, key))
            if known is None:
                known = f"{self._kind}-{len(self._ids) + 1}"
                make(known)
                self._ids[business_id, key] = known
            return known


class MemoryClientDirectory:
    """A :class:`~abandoned_booking.ports.ClientDirectory` for tests; safe for threads."""

    def __init__(self) -> None:
        self._keyed = _Keyed("client")
        self._clients: dict[tuple[str, str], ClientDraft] = {}
        self._blocked: set[tuple[str, str, CareType | None]] = set()

    def block(self, business_id: str, client_id: str, care_type: CareType | None = None) -> None:
        """Let the client book no such care online; ``None``: none at all."""
        self._blocked.add((business_id, client_id, care_type))

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        with self._keyed.lock:
            return [
                client_id
                for (owner, client_id), known in self._clients.items()
                if owner == business_id
                and (
                    (phone and known.phone == phone) or (email and known.person.email_key == email)
                )
            ]

    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        def make(client_id: str) -> None:
            self._clients[business_id, client_id] = draft

        return self._keyed.once(business_id, key, make)

    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        return not self._blocked.isdisjoint(
            {(business_id, client_id, None), (business_id, client_id, care_type)}
        )


class MemoryLeadDirectory:
    """A :class:`~abandoned_booking.ports.LeadDirectory` for tests; safe for threads."""

    def __init__(self) -> None:
        self._keyed = _Keyed("lead")
        self._leads: dict[str, dict[str, tuple[ClientDraft, str]]] = {}

    def leads(self, business_id: str) -> dict[str, tuple[ClientDraft, str]]:
        """Returns: draft and channel of every lead of the business, by the lead's id."""
        with self._keyed.lock:
            return dict(self._leads.get(business_id, {}))

    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        def make(lead_id: str) -> None:
            self._leads.setdefault(business_id, {})[lead_id] = (draft, channel)

        return self._keyed.once(business_id, key, make)


class TimeTaken(Exception):
    """The calendar has an appointment at that time already."""


class MemoryAppointmentBook:
    """A :class:`~abandoned_booking.ports.AppointmentBook` for tests; safe for threads.

    One appointment at a time for each business and member of staff. ``slots`` are the times on
    offer, at every business; without any, every other time can be booked too.
    """

    def __init__(self, slots: Iterable[Slot] = ()) -> None:
        self._keyed = _Keyed("appointment")
        self._slots = sorted(slots, key=lambda slot: slot.at)
        self._booked: dict[str, dict[str, AppointmentDraft]] = {}

    def appointments(self, business_id: str) -> dict[str, AppointmentDraft]:
        """Returns: what is booked at the business, by the appointment's id."""
        with self._keyed.lock:
            return dict(self._booked.get(business_id, {}))

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        def make(appointment_id: str) -> None:
            if self._is_taken(business_id, draft.at, draft.staff):
                raise TimeTaken("that time is taken; ask for the open slots")
            self._booked.setdefault(business_id, {})[appointment_id] = draft

        return self._keyed.once(business_id, key, make)

    def cancel(self, business_id: str, appointment_id: str) -> None:
        with self._keyed.lock:
            self._booked.get(business_id, {}).pop(appointment_id, None)

    def open_slots(
        self, business_id: str, form: BookingForm, *, after: datetime, limit: int
    ) -> Sequence[Slot]:
        del form  # every time fits everybody
        with self._keyed.lock:
            free = [
                slot
                for slot in self._slots
                if slot.at >= after and not self._is_taken(business_id, slot.at, slot.staff)
            ]
        return free[:limit]

    def _is_taken(self, business_id: str, at: datetime, staff: str | None) -> bool:
        booked = self._booked.get(business_id, {}).values()
        return any((draft.at, draft.staff) == (at, staff) for draft in booked)


@attrs.frozen
class MemoryServiceCatalogue:
    """A :class:`~abandoned_booking.ports.ServiceCatalogue` for tests: by the species of the pets.

    A form without a species fits every business that has a service at all.
    """

    species: dict[str, frozenset[str]] = attrs.field(factory=dict)
    """the species that each business has a service for"""

    def applies(self, business_id: str, form: BookingForm) -> bool:
        served = self.species.get(business_id, frozenset[str]())
        entered = {pet.species.casefold() for pet in form.pets if pet.species}
        return bool(entered & served if entered else served)


class MemoryConsentRegister:
    """A :class:`~abandoned_booking.ports.ConsentRegister` for tests."""

    def __init__(self) -> None:
        self._given: set[tuple[str, str]] = set()

    def give(self, business_id: str, phone: str) -> None:
        """The holder of that phone (E.164) agrees to marketing texts of the business."""
        self._given.add((business_id, phone))

    def withdraw(self, business_id: str, phone: str) -> None:
        """They do not agree any more."""
        self._given.discard((business_id, phone))

    def has_consent(self, business_id: str, phone: str) -> bool:
        return (business_id, phone) in self._given
