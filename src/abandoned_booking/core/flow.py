"""What the booking flow reports (C1): progress, booked, and the browser's hint *left*."""

from __future__ import annotations

from datetime import datetime

import attrs

from abandoned_booking.core.model import BookingForm, Person, Step, masked

__all__ = ["Booked", "Left", "Progress"]


@attrs.frozen(kw_only=True)
class Progress:
    """The visitor reached or repeated a step.

    ``form`` is what has been filled in so far; a field left out never erases an earlier one.
    ``at`` is the instant as the server saw it, aware.
    """

    business_id: str
    session_id: str
    step: Step = attrs.field(converter=Step)
    at: datetime
    form: BookingForm = BookingForm()
    client_id: str | None = None
    """the client's id if signed in; the same as ``form.person.client_id``"""
    resume_url: str | None = attrs.field(default=None, repr=masked)
    """the host's link back into this booking, for the merge field ``booking_link``"""


@attrs.frozen(kw_only=True)
class Booked:
    """A booking was made: by this session, or by this person on any road (C6).

    At least one of ``session_id``, ``client_id`` and ``person`` is needed.
    """

    business_id: str
    at: datetime
    session_id: str | None = None
    appointment_id: str | None = None
    client_id: str | None = None
    person: Person | None = None


@attrs.frozen(kw_only=True)
class Left:
    """The browser says that the page was closed. Kept as a hint; decides nothing (C1)."""

    business_id: str
    session_id: str
    at: datetime
