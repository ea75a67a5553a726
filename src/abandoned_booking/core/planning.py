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
from abandoned_booking.core.eligibility import Facts, assess, due_of, recovery_text
from abandoned_booking.core.intake import has_route, rerouted
from abandoned_booking.core.model import (
    AbandonedRequest,
    MessagePhase,
    Reason,
    Status,
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
    text = recovery_text(request, settings)
    assessment = assess(request, settings, attrs.evolve(facts, segments=text.size.segments), now)
    if assessment.send_at is not None and request.phone is not None:
        if assessment.send_at <= now:
            return Send(to=request.phone.e164, text=text)
        return Wait(until=assessment.send_at)
    if Reason.MISSED in assessment.reasons:
        # And what it was waiting for, so that "missed" is not all that is told (R8).
        found = {*assessment.reasons, *request.message.reasons}
        return Skip(reasons=tuple(reason for reason in Reason if reason in found))
    if Reason.CAMPAIGN_OFF in assessment.reasons or request.status is Status.CONTACTED:
        return Wait(until=None, reasons=assessment.reasons)
    if assessment.due_at is not None and assessment.due_at > now:
        return Wait(until=assessment.due_at)
    if _PASSING.issuperset(assessment.reasons):
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
            return skipped(request, (Reason.DELETED,), at=at)
        if request.status in _CLOSING:
            return skipped(request, (_CLOSING[request.status],), at=at)
        if request.status is Status.ABANDONED and settings.campaign.enabled:
            # Of the first due time; the sweep, whose clock counts, finds out if that was missed.
            due_at = due_of(request, settings, request.abandoned_at).at
            retry_at = request.message.retry_at or due_at
            return attrs.evolve(request, next_action_at=max(due_at, retry_at))
    return attrs.evolve(request, next_action_at=None)


def replanned(
    request: AbandonedRequest, settings: BusinessSettings, *, now: datetime
) -> AbandonedRequest:
    """The request under new settings (T5, D3): the very same object if they change nothing.

    What is claimed or sent is untouched; what was missed stays missed (T4); what has been listed,
    or in the leads, keeps its route.
    """
    if not request.is_open or request.message.phase in _UNDER_WAY:
        return request
    changed = request
    if not has_route(request, now=now):
        changed = rerouted(changed, settings)
    if Reason.MISSED not in changed.message.reasons:
        changed = revived(changed)
    changed = rescheduled(changed, settings, at=now)
    return request if changed == request else changed
