"""What the sweep must do with a request now, and when it must look again.

:func:`plan` answers with data; the sweep acts. :func:`rescheduled` is what every door runs over a
request that it has changed, so that the stored ``next_action_at`` always follows the facts.

Rules held here: R3, R4 (never after the message has begun), R8 (skipped with all reasons), T4 (late
and missed), T5 (new settings re-plan what is unclaimed), C2 (new activity moves the due time), L8
(delete cancels for good), D3 (a route not yet decided follows the settings).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, TypeAlias

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.eligibility import Assessment, Facts, assess, due_of, recovery_text
from abandoned_booking.core.intake import has_route, rerouted
from abandoned_booking.core.model import (
    AbandonedRequest,
    HistoryKind,
    MessagePhase,
    Reason,
    Status,
    evolve,
    masked,
)
from abandoned_booking.core.sending import revived, skipped
from abandoned_booking.core.text import ComposedText

__all__ = [
    "LookUp",
    "Plan",
    "Send",
    "Skip",
    "Wait",
    "announced",
    "held_back",
    "look_for_listing_at",
    "looked_at_again",
    "plan",
    "replanned",
    "rescheduled",
]


@attrs.frozen(kw_only=True)
class Send:
    """Begin, then send this text."""

    to: str = attrs.field(repr=masked)
    """E.164"""
    text: ComposedText


@attrs.frozen(kw_only=True)
class Wait:
    """Look again at ``until``; ``None``: when something changes."""

    until: datetime | None
    reasons: tuple[Reason, ...] = ()


@attrs.frozen(kw_only=True)
class Skip:
    """The rules say no; keep all reasons."""

    reasons: tuple[Reason, ...]


@attrs.frozen(kw_only=True)
class LookUp:
    """A send began and nobody has said how it ended: ask the gateway if it can tell."""


Plan: TypeAlias = Send | Wait | Skip | LookUp

_RETRY_AFTER: Final = timedelta(minutes=5)
_PASSING: Final = frozenset(
    {
        Reason.PHONE_MESSAGED_RECENTLY,
        Reason.NO_CREDITS,
        Reason.IN_DOUBT,
    }
)
"""reasons that may be gone in a few minutes, while the message is still in time"""

_UNDER_WAY: Final = frozenset({MessagePhase.SENDING, MessagePhase.UNCONFIRMED})


def plan(
    request: AbandonedRequest, settings: BusinessSettings, facts: Facts, now: datetime
) -> Plan:
    """What is to be done at ``now`` with a request that the sweep has claimed."""
    if request.message.phase in _UNDER_WAY:
        return LookUp()
    if request.message.phase is not MessagePhase.PENDING:
        return Wait(until=None)
    text = recovery_text(request, settings, facts)
    assessment = assess(request, settings, evolve(facts, segments=text.size.segments), now)
    may_go = assessment.send_at is not None and assessment.send_at <= now
    if may_go and request.phone is not None:
        return Send(to=request.phone.e164, text=text)
    return held_back(request, assessment, now)


def held_back(request: AbandonedRequest, assessment: Assessment, now: datetime) -> Wait | Skip:
    """What becomes of a pending message that may not go at ``now``."""
    if assessment.send_at is not None:
        return Wait(until=assessment.send_at)
    if Reason.MISSED in assessment.reasons:
        # And what it was waiting for, so that "missed" is not all that is told (R8).
        found = {*assessment.reasons, *request.message.reasons}
        return Skip(reasons=tuple(reason for reason in Reason if reason in found))
    if Reason.CAMPAIGN_OFF in assessment.reasons or request.status is Status.CONTACTED:
        # No reasons are kept: what is asked of them changes with the settings or the contact.
        return Wait(until=None)
    if assessment.due_at is not None and assessment.due_at > now:
        return Wait(until=assessment.due_at)
    # Who is held out is drawn when the others are sent to: once nothing else is in the way.
    others = [reason for reason in assessment.reasons if reason is not Reason.HELD_OUT]
    if others and _PASSING.issuperset(others):
        return Wait(until=now + _RETRY_AFTER, reasons=assessment.reasons)
    return Skip(reasons=assessment.reasons)


_CLOSING: Final = {
    Status.COMPLETED: Reason.COMPLETED,
    Status.RECOVERED: Reason.ALREADY_RECOVERED,
}


def rescheduled(
    request: AbandonedRequest, settings: BusinessSettings, *, at: datetime
) -> AbandonedRequest:
    """The request with ``next_action_at`` as the facts now ask for; ``at`` dates a cancellation.

    A message that has begun keeps its time: from then on only the sending protocol moves it. One
    that can never go any more is skipped: deleted, completed or recovered.
    """
    if request.message.phase in _UNDER_WAY:
        return request
    if request.message.phase is MessagePhase.PENDING:
        if request.deleted_at is not None:
            request = skipped(request, (Reason.DELETED,), at=at)
        elif request.status in _CLOSING:
            request = skipped(request, (_CLOSING[request.status],), at=at)
        elif request.status is Status.ABANDONED and settings.campaign.enabled:
            # Of the first due time; the sweep, whose clock counts, finds out if that was missed.
            due_at = due_of(request, settings, request.abandoned_at).at
            retry_at = request.message.retry_at or due_at
            return looked_at_again(request, max(due_at, retry_at))
    return looked_at_again(request, None)


def look_for_listing_at(request: AbandonedRequest) -> datetime | None:
    """When the sweep must look whether it counts as abandoned; ``None``: never (again)."""
    is_to_come = (
        request.announced_at is None
        and request.is_open
        and request.deleted_at is None
        and request.erased_at is None
        and not request.withheld
    )
    return request.listed_at if is_to_come else None


def looked_at_again(request: AbandonedRequest, at: datetime | None) -> AbandonedRequest:
    """The request with its next look at ``at``, or earlier if it is to be announced by then."""
    looks = [look for look in (at, look_for_listing_at(request)) if look is not None]
    return evolve(request, next_action_at=min(looks, default=None))


def announced(request: AbandonedRequest, *, at: datetime, lead_id: str | None) -> AbandonedRequest:
    """The request that the host has been told of, as a lead if it has become one (D2)."""
    changed = evolve(request, announced_at=at, lead_id=lead_id)
    if lead_id is None:
        return changed
    return changed.noted(at, HistoryKind.LEAD_HANDED_OVER)


def replanned(
    request: AbandonedRequest, settings: BusinessSettings, *, now: datetime
) -> AbandonedRequest:
    """The request under new settings (T5, D3): the very same object if they change nothing.

    What is claimed or sent is untouched; what was missed stays missed (T4); what has been listed,
    or in the leads, keeps its route.
    """
    if not request.is_open or request.message.phase in _UNDER_WAY:
        return request
    if request.erased_at is not None:
        return request
    changed = request
    if not has_route(request, now=now):
        changed = rerouted(changed, settings)
    if Reason.MISSED not in changed.message.reasons:
        changed = revived(changed)
    changed = rescheduled(changed, settings, at=now)
    return request if changed == request else changed
