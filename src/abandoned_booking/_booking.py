"""The desk's work with the host's calendar: free times, an appointment, once, whoever clicks twice.

Rules held here: S (the staff schedule), C6 (a booking closes the person's other requests), S4.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from abandoned_booking._door import Parts, log
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.flow import Booked
from abandoned_booking.core.lifecycle import StaffScheduled, advance
from abandoned_booking.core.model import AbandonedRequest, Recovery
from abandoned_booking.errors import InvalidInput, MissingPart, TransitionRefused
from abandoned_booking.ports import (
    AppointmentBook,
    AppointmentDraft,
    Slot,
    SupportsOpenSlots,
)

__all__ = ["booking_of", "open_slots", "schedule", "scheduled"]


def booking_of(request: AbandonedRequest) -> Recovery:
    """The booking that won the request back (L1). Raises :class:`TransitionRefused` if none has."""
    if request.recovery is None:
        raise TransitionRefused(
            f"request {request.id} has no booking yet; schedule one with desk.schedule(...)",
            request_id=request.id,
            status=request.status.value,
            event="view_booking",
        )
    return request.recovery


def open_slots(
    parts: Parts, request: AbandonedRequest, *, after: datetime, limit: int
) -> Sequence[Slot]:
    """Free times that fit the request. Raises :class:`MissingPart` if the host cannot tell."""
    if not isinstance(parts.appointments, SupportsOpenSlots):
        raise MissingPart(
            "free times need a calendar that knows them; give AbandonedBookings(appointments=...) "
            "one with open_slots",
            part="appointments",
        )
    if not 1 <= limit <= 100:
        raise InvalidInput("must be 1 to 100", field="limit")
    return parts.appointments.open_slots(
        request.business_id, request.form, after=after, limit=limit
    )


def schedule(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    at: datetime,
    *,
    staff: str | None,
    services: tuple[str, ...] | None,
    now: datetime,
) -> AbandonedRequest:
    """Make the appointment in the host's calendar, once, and take the request as won back.

    The key of the appointment is the request's, so that two clicks at the same time make one. If
    the client has booked in the last moment, the appointment is taken back and the request left
    alone.
    """
    book = _book_of(parts)
    recovery = request.recovery
    if recovery is not None and recovery.reversed_at is None:
        if recovery.by_staff:
            return request
        raise TransitionRefused(
            f"request {request.id} was booked by the client; change that booking in the calendar",
            request_id=request.id,
            status=request.status.value,
            event="schedule",
        )
    draft = AppointmentDraft(
        at=at,
        form=request.form,
        client_id=request.client_id,
        staff=staff or request.form.staff,
        services=request.form.services if services is None else services,
    )
    # After a cancelled appointment another may follow: it has a key of its own.
    nth = "" if recovery is None else f".{recovery.appointment_id}"
    appointment_id = book.book(request.business_id, draft, key=f"{request.id}{nth}")
    try:
        return scheduled(parts, request, settings, appointment_id, at=now)
    except TransitionRefused:
        log.info("desk: request %s was closed meanwhile; its appointment goes back", request.id)
        book.cancel(request.business_id, appointment_id)
        raise


def scheduled(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    appointment_id: str,
    *,
    at: datetime,
) -> AbandonedRequest:
    """The request won back with that appointment, and the person's other requests closed (C6)."""
    event = StaffScheduled(at=at, appointment_id=appointment_id)
    won_back = parts.update(request, lambda found: advance(found, event), settings, at=at)
    booked = Booked(business_id=request.business_id, at=at, appointment_id=appointment_id)
    parts.close_others_of(won_back, booked, settings, at=at)
    return won_back


def _book_of(parts: Parts) -> AppointmentBook:
    if parts.appointments is None:
        raise MissingPart(
            "scheduling needs the host's calendar; give AbandonedBookings(appointments=...), or "
            "book there and report it with desk.scheduled(...)",
            part="appointments",
        )
    return parts.appointments
