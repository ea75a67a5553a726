"""The desk's work queue: the request most worth calling now, kept for whoever asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from abandoned_booking._door import Parts
from abandoned_booking.core.callqueue import (
    can_be_called,
    outcome_noted,
    released,
    reserved,
    urgency,
)
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import AbandonedRequest, CallOutcome

__all__ = ["give_back", "next_to_call", "note_outcome"]

_LOOKED_AT: Final = 500
"""the newest so many are weighed: what is older is worth next to nothing"""

Worth = Callable[[AbandonedRequest], float]


def next_to_call(
    parts: Parts,
    business_id: str,
    settings: BusinessSettings,
    *,
    staff_id: str,
    reserve_for: timedelta,
    worth: Worth | None,
    now: datetime,
) -> AbandonedRequest | None:
    """The request most worth calling, reserved; ``None`` if there is nobody to call.

    Whoever loses the compare-and-set takes the next one: two never get the same person.
    """
    query = ListQuery(limit=_LOOKED_AT, step_order=settings.steps)
    page = parts.store.page(business_id, query, now=now)
    free = [r for r in page.requests if can_be_called(r, staff_id=staff_id, now=now)]

    def rank(request: AbandonedRequest) -> tuple[bool, float, str]:
        # What one has in hand already comes first: a second click gives the same person.
        mine = request.reserved_by == staff_id
        value = 1.0 if worth is None else worth(request)
        return (not mine, -urgency(request, settings, worth=value, now=now), request.id)

    for request in sorted(free, key=rank):
        if not _phone_is_mine(parts, request, staff_id=staff_id, at=now, within=reserve_for):
            continue
        kept = parts.save(reserved(request, staff_id=staff_id, until=now + reserve_for), request)
        if kept is not None:
            return kept
    return None


def note_outcome(
    parts: Parts,
    request: AbandonedRequest,
    outcome: CallOutcome,
    settings: BusinessSettings,
    *,
    staff_id: str,
    at: datetime,
) -> AbandonedRequest:
    """How the call went, on record; the person is free for others to call."""
    noted = parts.update(
        request, lambda r: outcome_noted(r, outcome, staff_id=staff_id, at=at), settings, at=at
    )
    _give_back(parts, noted, staff_id)
    return noted


def give_back(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    *,
    staff_id: str,
    at: datetime,
) -> AbandonedRequest:
    """The request for others to call, if that member of staff has it."""
    given = parts.update(request, lambda r: released(r, staff_id=staff_id), settings, at=at)
    _give_back(parts, given, staff_id)
    return given


def _phone_is_mine(
    parts: Parts, request: AbandonedRequest, *, staff_id: str, at: datetime, within: timedelta
) -> bool:
    """Whether the phone is this member's to call: one may have several requests of one person."""
    return request.phone is not None and parts.ledger.reserve(
        request.business_id,
        parts.keyed("call", request.business_id, request.phone.e164),
        owner=staff_id,
        at=at,
        not_within=within,
    )


def _give_back(parts: Parts, request: AbandonedRequest, staff_id: str) -> None:
    if request.phone is not None:
        key = parts.keyed("call", request.business_id, request.phone.e164)
        parts.ledger.release(request.business_id, key, owner=staff_id)
