"""The recovery message's own life as a table, and what each answer of a gateway does to a request.

::

    pending ──begin──▶ sending ──Accepted──▶ sent ──▶ delivered | undelivered
       ▲                 │ │ └──Rejected──▶ failed
       └──NotSent────────┘ └──Unknown, or the claim ran out──▶ unconfirmed ──▶ sent
    pending ──the rules say no──▶ skipped ──new activity, new settings──▶ pending

*Begin* is saved before anything goes out, and whoever begins has won a compare-and-set. After it a
message is never begun again, but for a provable *not sent*. Each answer is taken in every state
that the request can have reached meanwhile: the client booked, the staff deleted it, the claim ran
out, a report overtook the answer.

Rules held here: R3 (one message per request, for ever), R4 (accepted: Contacted), S2 (accepted
counts, refused does not, undelivered later takes it back), I3 (reports twice, late, out of order).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

import attrs

from abandoned_booking.core.lifecycle import ContactFailed, ContactMade, advance
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    HistoryKind,
    MessagePhase,
    Reason,
    evolve,
)

__all__ = [
    "PHASES",
    "Accepted",
    "DeliveryState",
    "NotSent",
    "Rejected",
    "SendResult",
    "Unknown",
    "after_report",
    "after_result",
    "attempt_id_of",
    "begun",
    "in_doubt",
    "revived",
    "skipped",
]


@attrs.frozen(kw_only=True)
class Accepted:
    """The provider took it, and will try to deliver it."""

    provider_id: str
    segments: int | None = None
    price: str | None = None
    """as the provider words it, for example ``0.0079 USD``"""


@attrs.frozen(kw_only=True)
class NotSent:
    """Provably nothing was created (no connection, a rate limit): it may be tried again."""

    reason: str
    retry_after: timedelta | None = None


@attrs.frozen(kw_only=True)
class Rejected:
    """A definite no: this text to this number is not sent."""

    reason: str
    code: str | None = None


@attrs.frozen(kw_only=True)
class Unknown:
    """Nobody knows (time-out, reset after the request was written, a 5xx): never sent again."""

    detail: str = ""


SendResult: TypeAlias = Accepted | NotSent | Rejected | Unknown


class DeliveryState(StrEnum):
    """What a provider reports of a message that it took."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


class _Step(StrEnum):
    """What can happen to a recovery message."""

    BEGIN = "begin"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    SKIP = "skip"
    REVIVE = "revive"


_P = MessagePhase

# What the provider reports is the truth, also after a "not sent" or a "no" that proved wrong; it
# can only be reported of a message that has begun.
_TAKEN: Final[Mapping[_Step, MessagePhase]] = {
    _Step.ACCEPTED: _P.SENT,
    _Step.DELIVERED: _P.DELIVERED,
    _Step.UNDELIVERED: _P.UNDELIVERED,
}

PHASES: Final[Mapping[MessagePhase, Mapping[_Step, MessagePhase]]] = {
    _P.PENDING: {_Step.BEGIN: _P.SENDING, _Step.SKIP: _P.SKIPPED, **_TAKEN},
    _P.SENDING: {
        # A report may overtake the answer.
        **_TAKEN,
        _Step.REJECTED: _P.FAILED,
        _Step.NOT_SENT: _P.PENDING,
        _Step.UNKNOWN: _P.UNCONFIRMED,
    },
    _P.UNCONFIRMED: {
        **_TAKEN,
        # The worker's own answer, late: it alone knows how its begin ended.
        _Step.REJECTED: _P.FAILED,
        _Step.NOT_SENT: _P.PENDING,
    },
    _P.SENT: {_Step.DELIVERED: _P.DELIVERED, _Step.UNDELIVERED: _P.UNDELIVERED},
    _P.UNDELIVERED: {_Step.DELIVERED: _P.DELIVERED},
    _P.DELIVERED: {},
    _P.FAILED: _TAKEN,
    _P.SKIPPED: {_Step.REVIVE: _P.PENDING, **_TAKEN},
}
"""Every phase and what may happen to it; what is missing changes nothing."""


def _next_phase(request: AbandonedRequest, step: _Step) -> MessagePhase | None:
    return PHASES[request.message.phase].get(step)


def attempt_id_of(request_id: str, contact_id: str = "m") -> str:
    """The idempotency key of a request's text: ``m`` is its recovery message (R3)."""
    return f"{request_id}.{contact_id}"


def begun(
    request: AbandonedRequest, *, at: datetime, until: datetime, segments: int
) -> AbandonedRequest:
    """The request at the point of no return; at ``until`` somebody asks how it ended.

    The very same object if its message may not begin (any more).
    """
    phase = _next_phase(request, _Step.BEGIN)
    if phase is None:
        return request
    message = evolve(
        request.message,
        phase=phase,
        attempt_id=attempt_id_of(request.id),
        begun=request.message.begun + 1,
        begun_at=at,
        settled_at=None,
        segments=segments,
        reasons=(),
        detail=None,
    )
    changed = evolve(request, message=message, next_action_at=until)
    return changed.noted(at, HistoryKind.MESSAGE_BEGUN)


def after_result(
    request: AbandonedRequest, result: SendResult, *, begin: int, at: datetime
) -> AbandonedRequest:
    """The request after the gateway's answer to its ``begin``-th begin.

    Returns the very same object if the answer tells nothing new. *Not sent* and *rejected* count
    for the last begin only.
    """
    is_last = request.message.begun == begin
    match result:
        case Accepted():
            return _answered(request, result, at)
        case NotSent() if is_last:
            return _not_sent(request, result, at)
        case Rejected() if is_last:
            return _settled(
                request,
                _Step.REJECTED,
                at,
                reasons=(Reason.GATEWAY_REFUSED,),
                detail=result.code or result.reason,
                kind=HistoryKind.CONTACT_REFUSED,
            )
        case Unknown():
            return in_doubt(request, at=at, detail=result.detail)
        case NotSent() | Rejected():
            return request
        case _:
            assert_never(result)


def _answered(request: AbandonedRequest, answer: Accepted, at: datetime) -> AbandonedRequest:
    accepted = _accepted(
        request,
        _Step.ACCEPTED,
        answer.provider_id,
        at=at,
        contacted_at=at,
        segments=answer.segments,
    )
    if accepted is not request:
        return accepted
    # A report has overtaken the answer, which alone tells the segments.
    provider_id = request.message.provider_id or answer.provider_id or None
    segments = answer.segments or request.message.segments
    changed = evolve(
        request,
        message=evolve(request.message, provider_id=provider_id, segments=segments),
        contacts=tuple(
            evolve(contact, provider_id=provider_id, segments=segments)
            if contact.id == _CONTACT_ID
            else contact
            for contact in request.contacts
        ),
    )
    return request if changed == request else changed


def _not_sent(request: AbandonedRequest, result: NotSent, at: datetime) -> AbandonedRequest:
    pending = _settled(
        request,
        _Step.NOT_SENT,
        at,
        reasons=(Reason.GATEWAY_UNAVAILABLE,),
        detail=result.reason,
        kind=HistoryKind.MESSAGE_NOT_SENT,
    )
    if pending is request:
        return request
    # A minute, then twice as long each time, up to a quarter of an hour.
    backoff = min(timedelta(minutes=1) * 2 ** min(request.message.begun - 1, 4), _LONGEST_BACKOFF)
    retry_at = at + max(backoff, result.retry_after or timedelta())
    return evolve(pending, message=evolve(pending.message, retry_at=retry_at))


_LONGEST_BACKOFF: Final = timedelta(minutes=15)


def in_doubt(request: AbandonedRequest, *, at: datetime, detail: str) -> AbandonedRequest:
    """The request whose send nobody can tell the end of: it may have been sent."""
    return _settled(
        request,
        _Step.UNKNOWN,
        at,
        reasons=(Reason.IN_DOUBT,),
        detail=detail,
        kind=HistoryKind.MESSAGE_UNCONFIRMED,
    )


def skipped(
    request: AbandonedRequest, reasons: tuple[Reason, ...], *, at: datetime
) -> AbandonedRequest:
    """The request whose message the rules refuse, with all reasons (R8)."""
    return _settled(
        request, _Step.SKIP, at, reasons=reasons, detail=None, kind=HistoryKind.MESSAGE_SKIPPED
    )


def revived(request: AbandonedRequest) -> AbandonedRequest:
    """The request whose message is thought about again, after new activity or new settings.

    What was deleted stays cancelled (L8), what is closed stays closed, and whoever was forgotten
    stays forgotten (G3).
    """
    if request.erased_at is not None:
        return request
    phase = _next_phase(request, _Step.REVIVE)
    if phase is None or not request.is_open or Reason.DELETED in request.message.reasons:
        return request
    message = evolve(request.message, phase=phase, reasons=(), settled_at=None)
    return evolve(request, message=message)


def after_report(
    request: AbandonedRequest,
    state: DeliveryState,
    *,
    provider_id: str | None,
    reason: str | None,
    at: datetime,
) -> AbandonedRequest:
    """The request after a delivery report for its recovery message (I3).

    Reports of one message may come twice and in any order: *delivered* wins over *undelivered*,
    and both over *accepted*. One for a message that never began changes nothing.
    """
    if not request.message.begun:
        return request
    # What a report tells of happened when the message went out, not when the report came.
    contacted_at = request.message.begun_at or at
    taken = _accepted(request, _REPORTED[state], provider_id, at=at, contacted_at=contacted_at)
    if taken is request or state is not DeliveryState.UNDELIVERED:
        return taken
    return advance(taken, ContactFailed(contact_id=_CONTACT_ID, at=at, reason=reason))


_CONTACT_ID: Final = "m"
"""the contact that the recovery message is"""


_REPORTED: Final = {
    DeliveryState.ACCEPTED: _Step.ACCEPTED,
    DeliveryState.DELIVERED: _Step.DELIVERED,
    DeliveryState.UNDELIVERED: _Step.UNDELIVERED,
}


def _accepted(
    request: AbandonedRequest,
    step: _Step,
    provider_id: str | None,
    *,
    at: datetime,
    contacted_at: datetime,
    segments: int | None = None,
) -> AbandonedRequest:
    """The request whose message the provider took, and the contact that this is (R4, S2)."""
    phase = _next_phase(request, step)
    if phase is None:
        return request
    message = evolve(
        request.message,
        phase=phase,
        provider_id=provider_id or request.message.provider_id,
        segments=segments or request.message.segments,
        settled_at=at,
        reasons=(),
        detail=None,
    )
    known = next((contact for contact in request.contacts if contact.id == _CONTACT_ID), None)
    contact = Contact(
        id=_CONTACT_ID,
        channel=Channel.RECOVERY_MESSAGE,
        at=known.at if known else contacted_at,
        state=_CONTACT_STATES[phase],
        attempt_id=message.attempt_id,
        provider_id=message.provider_id,
        segments=message.segments,
    )
    changed = evolve(request, message=message, next_action_at=None)
    return advance(changed, ContactMade(contact=contact))


# An undelivered message was a contact first: the lifecycle then takes that back.
_CONTACT_STATES: Final = {
    MessagePhase.SENT: ContactState.ACCEPTED,
    MessagePhase.DELIVERED: ContactState.DELIVERED,
    MessagePhase.UNDELIVERED: ContactState.ACCEPTED,
}


def _settled(
    request: AbandonedRequest,
    step: _Step,
    at: datetime,
    *,
    reasons: tuple[Reason, ...],
    detail: str | None,
    kind: HistoryKind,
) -> AbandonedRequest:
    phase = _next_phase(request, step)
    if phase is None:
        return request
    message = evolve(request.message, phase=phase, reasons=reasons, detail=detail, settled_at=at)
    changed = evolve(request, message=message, next_action_at=None)
    said = detail if detail and len(detail) <= 200 else ",".join(reasons)
    return changed.noted(at, kind, said)
