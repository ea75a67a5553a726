"""A request to change: every field filled in with something valid and plain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from abandoned_booking.core.model import (
    LISTED_AFTER,
    AbandonedRequest,
    Address,
    BookingForm,
    CareType,
    Person,
    Pet,
    Phone,
    Step,
)

__all__ = ["LEFT_AT", "a_request"]

LEFT_AT: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""when :func:`a_request` was abandoned: a Monday, 7 am in New York"""

_FORM: Final = BookingForm(
    person=Person(
        first_name="Ann", last_name="Lee", phone="(212) 555-0199", email="ann@example.com"
    ),
    pets=(Pet(name="Rex", species="dog", breed="Poodle"),),
    address=Address(line1="12 Elm St", city="New York", state="NY", postal_code="10001"),
    care_type=CareType("grooming"),
    services=("Bath",),
)
_PHONE: Final = Phone(
    e164="+12125550199",
    region="US",
    can_text=True,
    zones=("America/New_York",),
    national="2125550199",
)


def a_request(**changes: Any) -> AbandonedRequest:
    """A new visitor's request at business ``paws``, changed as told.

    ``changes`` are fields of :class:`~abandoned_booking.core.model.AbandonedRequest`. What follows
    from them follows: the session from ``id``, ``started_at`` and ``listed_at`` from
    ``abandoned_at``; a ``form`` of one's own brings no phone verdict unless ``phone`` is given too.
    """
    given: dict[str, Any] = {
        "business_id": "paws",
        "id": "r1",
        "abandoned_at": LEFT_AT,
        "step": Step("time"),
    }
    given |= changes
    return AbandonedRequest(
        **{
            "session_id": f"session-of-{given['id']}",
            "started_at": given["abandoned_at"] - timedelta(minutes=5),
            "listed_at": given["abandoned_at"] + LISTED_AFTER,
            "furthest_step": given["step"],
            "form": _FORM,
            "phone": None if "form" in changes else _PHONE,
            **given,
        }
    )
