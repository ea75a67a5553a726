"""A contact that the staff make: begun, answered by a gateway, reported on, taken back.

The same care as for the recovery message: a text is on record as begun before it goes out, and one
whose end nobody knows is never repeated by itself.

Rules held here: S1, S2 (accepted counts, refused does not), I3 (reports), L8 (delete and restore).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, assert_never

from abandoned_booking.core.lifecycle import ContactFailed, ContactMade, advance
from abandoned_booking.core.model import (
    AbandonedRequest,
    Contact,
    ContactState,
    HistoryKind,
    evolve,
)
from abandoned_booking.core.sending import (
    Accepted,
    DeliveryState,
    NotSent,
    Rejected,
    SendResult,
    Unknown,
)

__all__ = [
    "contact_begun",
    "contact_of",
    "contact_refused",
    "contact_reported",
    "contact_result",
    "deleted",
    "restored",
]


def contact_of(request: AbandonedRequest, contact_id: str) -> Contact | None:
    """The request's contact of that id, if it has one."""
    return next((known for known in request.contacts if known.id == contact_id), None)


def contact_begun(request: AbandonedRequest, contact: Contact) -> AbandonedRequest:
    """The request with a contact under way; the very same object if it is on record already."""
    if contact_of(request, contact.id) is not None:
        return request
    begun = evolve(contact, state=ContactState.SENDING)
    return evolve(request, contacts=(*request.contacts, begun))


def contact_refused(
    request: AbandonedRequest, contact_id: str, reason: str, *, at: datetime
) -> AbandonedRequest:
    """The request whose contact was never made; its status stays, with the reason (S2)."""
    contact = contact_of(request, contact_id)
    if contact is None or contact.state is not ContactState.SENDING:
        return request
    refused = evolve(contact, state=ContactState.REFUSED, reason=reason)
    changed = evolve(request, contacts=_with(request, refused))
    return changed.noted(at, HistoryKind.CONTACT_REFUSED, reason[:200])


def contact_result(
    request: AbandonedRequest, contact_id: str, result: SendResult, *, at: datetime
) -> AbandonedRequest:
    """The request after the gateway's answer to a text of the staff."""
    match result:
        case Accepted():
            return _taken(request, contact_id, ContactState.ACCEPTED, at=at, answer=result)
        case NotSent():
            return contact_refused(request, contact_id, result.reason, at=at)
        case Rejected():
            return contact_refused(request, contact_id, result.code or result.reason, at=at)
        case Unknown():
            return request
        case _:
            assert_never(result)


def contact_reported(
    request: AbandonedRequest,
    contact_id: str,
    state: DeliveryState,
    *,
    provider_id: str | None,
    reason: str | None,
    at: datetime,
) -> AbandonedRequest:
    """The request after a delivery report for a text of the staff; twice and late does no harm.

    One for something that no gateway was asked to send (a call, say) changes nothing.
    """
    taken = Accepted(provider_id=provider_id or "")
    match state:
        case DeliveryState.ACCEPTED:
            return _taken(request, contact_id, ContactState.ACCEPTED, at=None, answer=taken)
        case DeliveryState.DELIVERED:
            return _taken(request, contact_id, ContactState.DELIVERED, at=None, answer=taken)
        case DeliveryState.UNDELIVERED:
            contact = contact_of(request, contact_id)
            if contact is None or contact.state not in _MAY_FAIL:
                return request
            counted = _taken(request, contact_id, ContactState.ACCEPTED, at=None, answer=taken)
            return advance(counted, ContactFailed(contact_id=contact_id, at=at, reason=reason))
        case _:
            assert_never(state)


_RANKS: Final = (
    ContactState.SENDING,
    ContactState.REFUSED,
    ContactState.ACCEPTED,
    ContactState.FAILED,
    ContactState.DELIVERED,
)
"""A report only ever moves a contact to the right: the order of their coming does not matter."""


_MAY_FAIL: Final = _RANKS[: _RANKS.index(ContactState.FAILED)]


def _taken(
    request: AbandonedRequest,
    contact_id: str,
    state: ContactState,
    *,
    at: datetime | None,
    answer: Accepted,
) -> AbandonedRequest:
    """The request whose contact the gateway took; ``at`` is when, if its own answer says so."""
    contact = contact_of(request, contact_id)
    if contact is None or contact.state not in _RANKS:
        return request
    told = evolve(
        contact,
        provider_id=contact.provider_id or answer.provider_id or None,
        segments=answer.segments or contact.segments,
    )
    if _RANKS.index(state) > _RANKS.index(contact.state):
        made = evolve(told, state=state, at=at or contact.at, reason=None)
        return advance(request, ContactMade(contact=made))
    # A report has overtaken the answer, which alone tells the segments.
    return request if told == contact else evolve(request, contacts=_with(request, told))


def _with(request: AbandonedRequest, changed: Contact) -> tuple[Contact, ...]:
    return tuple(changed if known.id == changed.id else known for known in request.contacts)


# ── delete and restore (L8) ─────────────────────────────────────────────────────────────────────


def deleted(request: AbandonedRequest, *, at: datetime) -> AbandonedRequest:
    """The request on the shelf of the deleted; the very same object if it is there already."""
    if request.deleted_at is not None or request.erased_at is not None:
        return request
    return evolve(request, deleted_at=at).noted(at, HistoryKind.DELETED)


def restored(request: AbandonedRequest, *, at: datetime) -> AbandonedRequest:
    """The request back in the list; what was cancelled by the deletion stays cancelled.

    Retention ends it: one that was erased stays as it is (G3).
    """
    if request.deleted_at is None or request.erased_at is not None:
        return request
    return evolve(request, deleted_at=None).noted(at, HistoryKind.RESTORED)
