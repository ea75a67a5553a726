"""Whom to call next: worth, age and step in one number, and a reservation so that two never call
the same person.

A reservation is a fact on the request (who, until when), taken by compare-and-set. How much a
request is worth is the host's to say; without it all are worth the same.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.model import AbandonedRequest, CallOutcome, HistoryKind, Status, evolve

__all__ = ["can_be_called", "outcome_noted", "released", "reserved", "urgency"]

_HALF_LIFE: Final = timedelta(hours=24)
"""a day later a call is worth half as much: people book elsewhere"""


def can_be_called(request: AbandonedRequest, *, staff_id: str, now: datetime) -> bool:
    """Whether that member of staff may be given the request: nobody else has it, and it has a
    phone, an open status and no outcome yet."""
    if request.status is not Status.ABANDONED or request.phone is None:
        return False
    if request.outcome is not None and request.outcome != CallOutcome.CALL_BACK:
        return False
    return (
        request.reserved_until is None
        or request.reserved_until <= now
        or request.reserved_by == staff_id
    )


def urgency(
    request: AbandonedRequest, settings: BusinessSettings, *, worth: float, now: datetime
) -> float:
    """How much a call is worth now: ``worth``, halved each day, more the further they had come.

    A person on the last step counts double one on the first.
    """
    age = max(now - request.abandoned_at, timedelta(0)) / _HALF_LIFE
    order = settings.steps
    step = request.furthest_step or request.step
    progress = (order.index(step) + 1) / len(order) if step in order else 0.0
    return worth * (1.0 + progress) * math.exp2(-age)


def reserved(request: AbandonedRequest, *, staff_id: str, until: datetime) -> AbandonedRequest:
    """The request kept for one member of staff until then."""
    return evolve(request, reserved_by=staff_id, reserved_until=until)


def released(request: AbandonedRequest, *, staff_id: str) -> AbandonedRequest:
    """The request given back, if that member of staff has it; else the very same object."""
    if request.reserved_by != staff_id:
        return request
    return evolve(request, reserved_by=None, reserved_until=None)


def outcome_noted(
    request: AbandonedRequest, outcome: CallOutcome, *, staff_id: str, at: datetime
) -> AbandonedRequest:
    """The request with how the call went, and given back."""
    changed = evolve(request, outcome=outcome, reserved_by=None, reserved_until=None)
    return changed.noted(at, HistoryKind.CALL_OUTCOME, f"{outcome} by {staff_id}")
