"""The statuses as a table, and the one function that moves a request along it (S).

:data:`TRANSITIONS` lists, for every status and event, the statuses that may follow. What is not in
it is refused: :func:`advance` raises and nothing has changed (S5). The diagram in the docs is drawn
from this table.

Rules held here: S1-S5, C5 (booked by the client before or after a contact), C4 (a contact lists
the request at once), S3 (a call can be taken back), S4 (a cancelled appointment reverses).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias, assert_never

import attrs

from abandoned_booking.core.flow import Booked
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    HistoryKind,
    Recovery,
    Status,
    evolve,
)
from abandoned_booking.errors import TransitionRefused

__all__ = [
    "TRANSITIONS",
    "AppointmentCancelled",
    "ContactFailed",
    "ContactMade",
    "ContactUndone",
    "Event",
    "StaffScheduled",
    "StatusCorrected",
    "advance",
]


@attrs.frozen(kw_only=True)
class ContactMade:
    """A contact through this library was made; for a text or e-mail: accepted (S1, S2)."""

    contact: Contact


@attrs.frozen(kw_only=True)
class ContactFailed:
    """An accepted contact was reported undelivered later (S2)."""

    contact_id: str
    at: datetime
    reason: str | None = None


@attrs.frozen(kw_only=True)
class ContactUndone:
    """A click on *call* is taken back (S3)."""

    contact_id: str
    at: datetime


@attrs.frozen(kw_only=True)
class StaffScheduled:
    """The staff booked for the person."""

    at: datetime
    appointment_id: str | None = None


@attrs.frozen(kw_only=True)
class AppointmentCancelled:
    """The appointment that won the request back was cancelled (S4)."""

    at: datetime
    appointment_id: str | None = None


@attrs.frozen(kw_only=True)
class StatusCorrected:
    """The staff correct the status by hand."""

    to: Status
    at: datetime


Event: TypeAlias = (
    ContactMade
    | ContactFailed
    | ContactUndone
    | StaffScheduled
    | Booked
    | AppointmentCancelled
    | StatusCorrected
)

_ABANDONED, _CONTACTED = Status.ABANDONED, Status.CONTACTED
_RECOVERED, _COMPLETED = Status.RECOVERED, Status.COMPLETED

TRANSITIONS: Final[Mapping[Status, Mapping[type[Event], tuple[Status, ...]]]] = {
    _ABANDONED: {
        # Abandoned still if it is news of a contact that counted before a correction by the staff.
        ContactMade: (_CONTACTED, _ABANDONED),
        # Only after a correction by the staff: the contact failed, the status says so already.
        ContactFailed: (_ABANDONED,),
        ContactUndone: (_ABANDONED,),
        StaffScheduled: (_RECOVERED,),
        Booked: (_COMPLETED,),
        StatusCorrected: (_CONTACTED,),
    },
    _CONTACTED: {
        ContactMade: (_CONTACTED,),
        # Abandoned again if that was the only contact.
        ContactFailed: (_ABANDONED, _CONTACTED),
        ContactUndone: (_ABANDONED, _CONTACTED),
        StaffScheduled: (_RECOVERED,),
        # Completed if a late event tells of a booking made before the first contact (C5).
        Booked: (_RECOVERED, _COMPLETED),
        StatusCorrected: (_ABANDONED,),
    },
    _RECOVERED: {
        ContactMade: (_RECOVERED,),
        ContactFailed: (_RECOVERED,),
        ContactUndone: (_RECOVERED,),
        # The same appointment again: nothing. Another one: refused, unless the first was cancelled.
        StaffScheduled: (_RECOVERED,),
        Booked: (_RECOVERED,),
        AppointmentCancelled: (_RECOVERED,),
    },
    _COMPLETED: {
        # A message that was under way when the client booked: kept, and changes nothing more.
        ContactMade: (_COMPLETED,),
        ContactFailed: (_COMPLETED,),
        Booked: (_COMPLETED,),
    },
}
"""Every status × event: the statuses that may follow. What is missing is refused."""


def advance(request: AbandonedRequest, event: Event) -> AbandonedRequest:
    """The request after ``event``: the very same object if the event changes nothing.

    Raises :class:`TransitionRefused` if the table has no such step, or the event names a contact or
    an appointment that is not the request's; nothing has changed then (S5).
    """
    allowed = TRANSITIONS[request.status].get(type(event))
    if allowed is None:
        raise _refused(request, event, _ADVICE.get(request.status, "this cannot be done to it"))
    match event:
        case ContactMade():
            return _contact_made(request, event, allowed)
        case ContactFailed() | ContactUndone():
            return _contact_withdrawn(request, event, allowed)
        case StaffScheduled():
            return _scheduled(request, event, allowed)
        case Booked():
            return _booked(request, event)
        case AppointmentCancelled():
            return _cancelled(request, event)
        case StatusCorrected():
            return _corrected(request, event, allowed)
        case _:
            assert_never(event)


_ADVICE: Final = {
    Status.RECOVERED: "what is recovered stays so; a cancelled appointment is marked as reversed",
    Status.COMPLETED: "the client has booked already; there is nothing left to win back",
    Status.ABANDONED: "it has no appointment",
    Status.CONTACTED: "it has no appointment",
}


def _refused(request: AbandonedRequest, event: Event, why: str) -> TransitionRefused:
    name = type(event).__name__
    return TransitionRefused(
        f"request {request.id} refuses {name}: {why}",
        request_id=request.id,
        status=request.status.value,
        event=name,
    )


def _contact_made(
    request: AbandonedRequest, event: ContactMade, allowed: tuple[Status, ...]
) -> AbandonedRequest:
    contact = event.contact
    if contact in request.contacts:
        return request
    known = next((known for known in request.contacts if known.id == contact.id), None)
    if known is None:
        contacts = (*request.contacts, contact)
    else:
        contacts = tuple(contact if one is known else one for one in request.contacts)
    changed = evolve(
        request,
        # More news of a contact that counts already is no contact: what the staff have corrected
        # since then stays (I3).
        status=request.status if known is not None and known.counts else allowed[0],
        contacts=contacts,
        listed_at=min(request.listed_at, contact.at),
    )
    kind = HistoryKind.DELIVERED if contact.state is ContactState.DELIVERED else HistoryKind.CONTACT
    return changed.noted(contact.at, kind, contact.channel.value)


def _contact_withdrawn(
    request: AbandonedRequest, event: ContactFailed | ContactUndone, allowed: tuple[Status, ...]
) -> AbandonedRequest:
    contact = next((known for known in request.contacts if known.id == event.contact_id), None)
    if contact is None:
        raise _refused(request, event, "it has no such contact")
    if isinstance(event, ContactFailed):
        state, kind, reason = ContactState.FAILED, HistoryKind.CONTACT_FAILED, event.reason
    elif contact.channel is Channel.CALL:
        state, kind, reason = ContactState.UNDONE, HistoryKind.CONTACT_UNDONE, None
    else:
        raise _refused(request, event, "only a call can be taken back")
    if contact.state is state:
        return request
    withdrawn = evolve(contact, state=state, reason=reason)
    contacts = tuple(withdrawn if known is contact else known for known in request.contacts)
    left = any(known.counts for known in contacts)
    changed = evolve(request, status=allowed[-1 if left else 0], contacts=contacts)
    return changed.noted(event.at, kind, reason or contact.channel.value)


def _scheduled(
    request: AbandonedRequest, event: StaffScheduled, allowed: tuple[Status, ...]
) -> AbandonedRequest:
    known = request.recovery
    if known is not None:
        if event.appointment_id == known.appointment_id:
            return request
        # One that was cancelled leaves room for another (S4).
        if known.reversed_at is None:
            raise _refused(
                request, event, "it is recovered with another appointment; cancel that one first"
            )
    recovery = Recovery(at=event.at, appointment_id=event.appointment_id, by_staff=True)
    changed = evolve(request, status=allowed[0], recovery=recovery, closed_at=event.at)
    return changed.noted(event.at, HistoryKind.SCHEDULED)


def _booked(request: AbandonedRequest, event: Booked) -> AbandonedRequest:
    if not request.is_open:
        return request
    if _contacted_by(request, event.at):
        recovery = Recovery(at=event.at, appointment_id=event.appointment_id)
        changed = evolve(request, status=Status.RECOVERED, recovery=recovery, closed_at=event.at)
    else:
        changed = evolve(request, status=Status.COMPLETED, closed_at=event.at)
    return changed.noted(event.at, HistoryKind.CLIENT_BOOKED)


def _contacted_by(request: AbandonedRequest, at: datetime) -> bool:
    """Whether the request was Contacted at ``at``, as far as its contacts tell (C5)."""
    if request.status is Status.ABANDONED:
        return False
    contacts = [contact.at for contact in request.contacts if contact.counts]
    return not contacts or min(contacts) <= at


def _cancelled(request: AbandonedRequest, event: AppointmentCancelled) -> AbandonedRequest:
    recovery = request.recovery
    if recovery is None or (
        event.appointment_id is not None and event.appointment_id != recovery.appointment_id
    ):
        raise _refused(request, event, "it was not recovered with that appointment")
    if recovery.reversed_at is not None:
        return request
    changed = evolve(request, recovery=evolve(recovery, reversed_at=event.at))
    return changed.noted(event.at, HistoryKind.APPOINTMENT_CANCELLED)


def _corrected(
    request: AbandonedRequest, event: StatusCorrected, allowed: tuple[Status, ...]
) -> AbandonedRequest:
    if event.to is request.status:
        return request
    if event.to not in allowed:
        raise _refused(request, event, f"it can only be corrected to {allowed[0].value}")
    changed = evolve(request, status=event.to)
    return changed.noted(event.at, HistoryKind.CORRECTED, event.to.value)
