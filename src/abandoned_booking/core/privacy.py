"""What is left of a request when its person is forgotten, or when it has been kept long enough.

The row stays, without the person: whose booking it was cannot be told from it, but the session of a
log that is imported again still finds its request there, so that nobody is texted twice (R3), and
reports count it as before. A field that is not named here is gone: a new one must be put on a list
on purpose.

Rules held here: G3 (erasure, retention), L8 (a deleted request can be restored until it expires).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    CallOutcome,
    Contact,
    HistoryEntry,
    HistoryKind,
    MessagePhase,
    Person,
    Reason,
    Recovery,
    RecoveryMessage,
    evolve,
)
from abandoned_booking.core.sending import skipped

__all__ = ["anonymous", "erased", "is_expired", "is_of_person", "last_touched_at"]

# Kept as they are; what is neither here nor rebuilt in ``anonymous`` falls back to its default.
_KEPT: Final = (
    *("business_id", "id", "session_id", "sequence", "version"),
    *("started_at", "abandoned_at", "step", "furthest_step", "listed_at", "client_type"),
    *("status", "route", "routed_at", "announced_at", "withheld"),
    *("closed_at", "left_at", "deleted_at", "erased_at"),
)
_KEPT_OF_CONTACT: Final = ("id", "channel", "at", "state", "attempt_id", "segments")
_KEPT_OF_MESSAGE: Final = (
    *("phase", "attempt_id", "begun", "begun_at", "settled_at", "segments", "reasons"),
)
_KEPT_OF_RECOVERY: Final = ("at", "by_staff", "reversed_at")

_PLAIN_DETAILS: Final = frozenset(
    {
        HistoryKind.OPENED,
        HistoryKind.STEP,
        HistoryKind.CONTACT,
        HistoryKind.DELIVERED,
        HistoryKind.CORRECTED,
        HistoryKind.MESSAGE_SKIPPED,
    }
)
"""lines of history whose detail is a step, a channel, a status or our own reasons"""

_USUAL_OUTCOMES: Final = frozenset(
    outcome for outcome in vars(CallOutcome).values() if isinstance(outcome, CallOutcome)
)
"""a host's own outcome of a call may be anything that somebody typed"""

_UNDER_WAY: Final = frozenset({MessagePhase.SENDING, MessagePhase.UNCONFIRMED})


def erased(request: AbandonedRequest, *, at: datetime) -> AbandonedRequest:
    """The request without its person; the very same object if that was done before.

    A message that has not begun never will; how one that is under way ends is still recorded.
    """
    if request.erased_at is not None:
        return request
    return anonymous(evolve(request, erased_at=at))


def anonymous(request: AbandonedRequest) -> AbandonedRequest:
    """An erased request with nothing personal in it, whatever was recorded since.

    Doing it again changes nothing.
    """
    at = request.erased_at
    if at is not None and request.message.phase is MessagePhase.PENDING:
        request = skipped(request, (Reason.ERASED,), at=at)
    recovery = request.recovery
    under_way = request.message.phase in _UNDER_WAY
    return AbandonedRequest(
        **{name: getattr(request, name) for name in _KEPT},
        form=BookingForm(care_type=request.form.care_type),
        contacts=tuple(_contact(contact) for contact in request.contacts),
        message=_message(request.message),
        recovery=None if recovery is None else _recovery(recovery),
        outcome=request.outcome if request.outcome in _USUAL_OUTCOMES else None,
        history=tuple(_entry(entry) for entry in request.history),
        next_action_at=request.next_action_at if under_way else None,
    )


def _contact(contact: Contact) -> Contact:
    return Contact(**{name: getattr(contact, name) for name in _KEPT_OF_CONTACT})


def _message(message: RecoveryMessage) -> RecoveryMessage:
    return RecoveryMessage(**{name: getattr(message, name) for name in _KEPT_OF_MESSAGE})


def _recovery(recovery: Recovery) -> Recovery:
    return Recovery(**{name: getattr(recovery, name) for name in _KEPT_OF_RECOVERY})


def _entry(entry: HistoryEntry) -> HistoryEntry:
    detail = entry.detail if entry.kind in _PLAIN_DETAILS else None
    return HistoryEntry(at=entry.at, kind=entry.kind, detail=detail)


# ── whose it is ─────────────────────────────────────────────────────────────────────────────────


def is_of_person(request: AbandonedRequest, person: Person) -> bool:
    """Whether a request is the person's: same client id, same E.164 phone, or same e-mail (C6).

    What the person lacks matches nothing.
    """
    phone = request.phone.e164 if request.phone else None
    return any(
        given and given == own
        for given, own in (
            (person.client_id, request.client_id),
            (person.phone, phone),
            (person.email_key, request.email_key),
        )
    )


# ── retention ───────────────────────────────────────────────────────────────────────────────────


def last_touched_at(request: AbandonedRequest) -> datetime:
    """When the person was last here, contacted, heard of, or booked.

    What the staff do with the record (notes, corrections, deleting it) does not keep it alive.
    """
    replies = (entry.at for entry in request.history if entry.kind is HistoryKind.REPLY)
    contacts = (contact.at for contact in request.contacts)
    recovery = request.recovery
    others = (
        request.closed_at,
        request.message.begun_at,
        recovery.reversed_at if recovery else None,
    )
    known = (at for at in others if at is not None)
    return max((request.abandoned_at, *contacts, *replies, *known))


def is_expired(request: AbandonedRequest, settings: BusinessSettings, now: datetime) -> bool:
    """Whether the request has been kept for as long as the business keeps them (G3).

    Never, if the business keeps them for ever, or if everything personal is gone already.
    """
    keep_for = settings.keep_for
    if keep_for is None or request.erased_at is not None:
        return False
    return last_touched_at(request) < keep_for.before(now)
