"""The columns of the export, and what stands in them for one request (X1, X2).

First the columns of the staff's list in their order (L1), then the rest of the request. History and
texts of messages stay out: they are not one line.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final, TypeAlias

import attrs

from abandoned_booking.core.model import AbandonedRequest, BookingForm, Contact

__all__ = ["COLUMNS", "INSTANTS", "Column", "Value", "values_of"]

Value: TypeAlias = str | datetime | None
"""what stands in a cell: text, an instant, or nothing"""


@attrs.frozen
class Column:
    """A column: its header, its width in characters, and whether it holds dates."""

    header: str
    width: int
    is_instant: bool = False


_ID: Final = 26

COLUMNS: Final = (
    # the list (L1)
    Column("Abandoned", 17, is_instant=True),
    Column("Step", 20),
    Column("Client name", 24),
    Column("Pets", 20),
    Column("Phone number", 17),
    Column("Care type", 13),
    Column("Status", 13),
    Column("Last contact", 17, is_instant=True),
    # the rest of the request
    Column("Last contact by", 18),
    Column("Call outcome", 18),
    Column("Assigned to", 18),
    Column("Staff note", 36),
    Column("Client type", 17),
    Column("Email", 30),
    Column("Address", 40),
    Column("Services", 28),
    Column("Staff", 18),
    Column("Preferred time", 17, is_instant=True),
    Column("Client's note", 36),
    Column("Answers", 36),
    Column("Furthest step", 20),
    Column("Recovery message", 20),
    Column("Recovered", 17, is_instant=True),
    Column("Appointment ID", _ID),
    Column("Booking cancelled", 19, is_instant=True),
    Column("Client ID", _ID),
    Column("Request ID", _ID),
    Column("Session ID", _ID),
)
INSTANTS: Final = tuple(index for index, column in enumerate(COLUMNS) if column.is_instant)
"""which of them hold dates"""


def values_of(request: AbandonedRequest) -> tuple[Value, ...]:
    """What stands in each of :data:`COLUMNS`; instants are aware, no text is an empty cell."""
    form = request.form
    person = form.person
    contact = _last_contact(request.contacts)
    recovery = request.recovery
    return (
        request.abandoned_at,
        _label(request.step),
        person.name,
        _joined(tuple(pet.name for pet in form.pets)),
        request.phone.e164 if request.phone else person.phone,
        _label(form.care_type),
        _label(request.status),
        contact.at if contact else None,
        _label(contact.channel) if contact else None,
        _label(request.outcome),
        request.assignee,
        request.staff_note,
        _label(request.client_type),
        person.email,
        ", ".join(form.address.lines),
        _joined(form.services),
        form.staff,
        form.preferred_at,
        form.note,
        _answers(form),
        _label(request.furthest_step),
        _label(request.message.phase),
        recovery.at if recovery else None,
        recovery.appointment_id if recovery else None,
        recovery.reversed_at if recovery else None,
        request.client_id or person.client_id,
        request.id,
        request.session_id,
    )


def _last_contact(contacts: tuple[Contact, ...]) -> Contact | None:
    if not contacts:
        return None
    counting = (contact for contact in contacts if contact.counts)
    return max(counting, key=lambda contact: contact.at, default=None)


def _joined(parts: tuple[str | None, ...]) -> str | None:
    return parts[0] if len(parts) == 1 else ", ".join(part for part in parts if part)


def _answers(form: BookingForm) -> str:
    if not form.answers:
        return ""
    return "; ".join(f"{question}: {answer}" for question, answer in form.answers.items())


@lru_cache(maxsize=1024)
def _label(name: str | None) -> str | None:
    """``new_visitor`` as people read it: New visitor. A host's own capitals stay."""
    if not name:
        return None
    words = str.__str__(name).replace("_", " ")
    return words[0].upper() + words[1:]
