"""Why a request is listed or not, and messaged or not, and when it will be: in plain sentences.

Rules held here: C10 (a reason for whoever is not listed), R8 (one sentence says why a person was or
was not messaged, and when they will be). The sentences hold no personal data (G4).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.eligibility import Assessment
from abandoned_booking.core.listing import unlisted_reasons
from abandoned_booking.core.model import AbandonedRequest, MessagePhase, Reason

__all__ = ["Explanation", "explain", "outlook"]


@attrs.frozen(kw_only=True)
class Explanation:
    """The answer to *why*; ``str()`` gives both sentences."""

    listed: bool
    listing_reasons: tuple[Reason, ...]
    """why it is not in the list; empty if it is"""
    listing: str
    phase: MessagePhase
    message_reasons: tuple[Reason, ...]
    """why the recovery message was not, or will not be, sent"""
    send_at: datetime | None
    """when it will be sent; ``None`` if it was, or will not be"""
    message: str

    def __str__(self) -> str:
        return f"{self.listing} {self.message}"


_WORDS: Final = {
    Reason.FEATURE_UNAVAILABLE: "the business's plan does not include abandoned bookings",
    Reason.DELETED: "it was deleted",
    Reason.ERASED: "everything personal in it was erased",
    Reason.COMPLETED: "the client finished the booking without any contact",
    Reason.ALREADY_CONTACTED: "the person has been contacted already",
    Reason.ALREADY_RECOVERED: "the booking has been won back already",
    Reason.ALREADY_SENT: "it was sent before",
    Reason.IN_DOUBT: "a text may have been sent and nobody knows; it is never repeated",
    Reason.CAMPAIGN_OFF: "the campaign is off",
    Reason.CLIENT_TYPE_NOT_SELECTED: "the campaign does not select this type of client",
    Reason.STEP_NOT_SELECTED: "the campaign does not select the step at which it was left",
    Reason.HELD_OUT: "it is held out, to see what comes back without a message",
    Reason.NO_CONTACT_POINT: "there is neither a valid phone number nor an e-mail",
    Reason.NO_APPLICABLE_SERVICE: "no service applies to what was entered",
    Reason.BLOCKED: "the client is blocked from online booking",
    Reason.ROUTED_TO_LEADS: "it went to the leads",
    Reason.TOO_RECENT: "the visitor was active too recently",
    Reason.NO_PHONE: "there is no valid phone number",
    Reason.CANNOT_RECEIVE_TEXTS: "the number cannot receive texts",
    Reason.NO_EMAIL: "there is no e-mail address that can be used",
    Reason.NOT_US_NUMBER: "a new visitor's number must be a US number",
    Reason.OPTED_OUT: "the person opted out",
    Reason.PHONE_BLOCKED: "the staff blocked the number",
    Reason.NO_CONSENT: "the person has not agreed to marketing texts",
    Reason.PHONE_MESSAGED_RECENTLY: "the phone got a recovery message for another request lately",
    Reason.SAME_PERSON: "another chosen request of the same person gets the message",
    Reason.TOO_OLD: "it is too old by the compliance policy",
    Reason.MISSED: "its time had passed by more than the grace when it could have gone",
    Reason.TEXT_TOO_LONG: "the text has more than 10 segments",
    Reason.NO_CREDITS: "there are not enough message credits",
    Reason.GATEWAY_REFUSED: "the gateway refused it",
    Reason.GATEWAY_UNAVAILABLE: "the gateway could not take it just now",
}


def explain(
    request: AbandonedRequest,
    assessment: Assessment,
    settings: BusinessSettings,
    *,
    has_feature: bool,
    now: datetime,
) -> Explanation:
    """Both answers for one request, as :func:`unlisted_reasons` and ``assess`` give them."""
    unlisted = unlisted_reasons(request, now=now)
    if not has_feature:
        unlisted = (Reason.FEATURE_UNAVAILABLE, *unlisted)
    reasons, send_at = outlook(request, assessment, now)
    return Explanation(
        listed=not unlisted,
        listing_reasons=unlisted,
        listing=_listing(request, unlisted, settings),
        phase=request.message.phase,
        message_reasons=reasons,
        send_at=send_at,
        message=_message(request, reasons, send_at, settings, now),
    )


def outlook(
    request: AbandonedRequest, assessment: Assessment, now: datetime
) -> tuple[tuple[Reason, ...], datetime | None]:
    """What speaks against the recovery message, and when it goes, or is tried again, if it does."""
    if _waits(request, assessment, now):
        return request.message.reasons, request.next_action_at
    send_at = None if request.message.phase in _OVER else assessment.send_at
    return _message_reasons(request, assessment), send_at


_OVER: Final = frozenset(MessagePhase) - {MessagePhase.PENDING}
_WENT: Final = {
    MessagePhase.SENT: "was sent",
    MessagePhase.DELIVERED: "was sent and delivered",
    MessagePhase.UNDELIVERED: "was sent but could not be delivered",
    MessagePhase.SENDING: "is being sent",
    MessagePhase.UNCONFIRMED: "may have been sent",
}


def _message_reasons(request: AbandonedRequest, assessment: Assessment) -> tuple[Reason, ...]:
    """What spoke against it when that was settled, else what speaks against it now."""
    match request.message.phase:
        case MessagePhase.PENDING:
            return assessment.reasons
        case MessagePhase.SKIPPED | MessagePhase.FAILED | MessagePhase.UNCONFIRMED:
            return request.message.reasons
        case _:
            return ()


def _waits(request: AbandonedRequest, assessment: Assessment, now: datetime) -> bool:
    """Whether it could go by now, but for what the sweep found in its way."""
    return (
        request.message.phase is MessagePhase.PENDING
        and bool(request.message.reasons)
        and assessment.send_at is not None
        and assessment.send_at <= now
    )


def _listing(
    request: AbandonedRequest, unlisted: tuple[Reason, ...], settings: BusinessSettings
) -> str:
    if not unlisted:
        return f"Listed since {_local(request.listed_at, settings)}, as {request.status.value}."
    if unlisted == (Reason.TOO_RECENT,):
        return (
            f"Not listed before {_local(request.listed_at, settings)}: {_WORDS[Reason.TOO_RECENT]}."
        )
    return f"Not listed: {_sentence(unlisted)}."


def _message(
    request: AbandonedRequest,
    reasons: tuple[Reason, ...],
    send_at: datetime | None,
    settings: BusinessSettings,
    now: datetime,
) -> str:
    phase = request.message.phase
    if phase in _WENT:
        when = request.message.begun_at
        on = f" on {_local(when, settings)}" if when else ""
        why = f": {_sentence(reasons)}" if reasons else ""
        return f"The recovery message {_WENT[phase]}{on}{why}."
    if send_at is not None:
        if reasons:
            return (
                f"The recovery message waits: {_sentence(reasons)}; "
                f"it is tried again on {_local(send_at, settings)}."
            )
        if send_at <= now:
            return "The recovery message is due and goes with the next sweep."
        return f"The recovery message goes on {_local(send_at, settings)}."
    over = "was not sent" if phase in _OVER else "will not be sent as things are"
    return f"The recovery message {over}: {_sentence(reasons)}."


def _sentence(reasons: Iterable[Reason]) -> str:
    return "; ".join(_WORDS[reason] for reason in reasons)


def _local(at: datetime, settings: BusinessSettings) -> str:
    return f"{at.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}"
