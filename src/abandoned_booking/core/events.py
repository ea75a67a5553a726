"""What a host may listen to: typed events, worked out from a request before and after a change.

An event is told after its change is durable. A listener that raises is logged; it undoes and
repeats nothing. Events carry what a message centre needs (I5): the request, the contact, the text,
the client's or lead's id; their ``repr`` shows ids only (G4).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeAlias

import attrs

from abandoned_booking.core.model import (
    AbandonedRequest,
    Contact,
    HistoryKind,
    MessagePhase,
    Recovery,
    masked,
)

__all__ = [
    "Abandoned",
    "ClientAdded",
    "Contacted",
    "Event",
    "LeadHandedOver",
    "MessageStateChanged",
    "OptedOut",
    "Recovered",
    "RecoveryReversed",
    "events_between",
]


def _id_of(request: AbandonedRequest) -> str:
    return f"<request {request.id}>"


@attrs.frozen(kw_only=True)
class _OfRequest:
    business_id: str
    request: AbandonedRequest = attrs.field(repr=_id_of)
    """as it is after the change"""
    at: datetime


@attrs.frozen(kw_only=True)
class Abandoned(_OfRequest):
    """A session counts as abandoned: it is listed, or has gone to the leads (C4, D2)."""


@attrs.frozen(kw_only=True)
class Contacted(_OfRequest):
    """A contact counts: accepted by a gateway, made, or reported (S1, S2)."""

    contact: Contact
    text: str | None = attrs.field(default=None, repr=masked)
    """what was written, where this library has sent it"""


@attrs.frozen(kw_only=True)
class Recovered(_OfRequest):
    """The request was won back."""

    recovery: Recovery


@attrs.frozen(kw_only=True)
class RecoveryReversed(_OfRequest):
    """The appointment that won it back was cancelled (S4)."""

    recovery: Recovery


@attrs.frozen(kw_only=True)
class ClientAdded(_OfRequest):
    """A new visitor became a client: by a reply, by the staff, or as a converted lead (I2)."""

    client_id: str


@attrs.frozen(kw_only=True)
class LeadHandedOver(_OfRequest):
    """A new visitor is in the host's leads (D2)."""

    lead_id: str


@attrs.frozen(kw_only=True)
class MessageStateChanged(_OfRequest):
    """The recovery message went from one phase to another."""

    before: MessagePhase
    after: MessagePhase


@attrs.frozen(kw_only=True)
class OptedOut:
    """A person wants no more marketing from the business (I1)."""

    business_id: str
    address: str = attrs.field(repr=masked)
    """the phone (E.164) or e-mail that was used"""
    at: datetime


Event: TypeAlias = (
    Abandoned
    | Contacted
    | Recovered
    | RecoveryReversed
    | ClientAdded
    | LeadHandedOver
    | MessageStateChanged
    | OptedOut
)


def events_between(
    before: AbandonedRequest, after: AbandonedRequest, *, text: str | None = None
) -> tuple[Event, ...]:
    """What the change from ``before`` to ``after`` means to a host, in the order it happened.

    ``text`` is what was written, if the change is the sending of a text or e-mail.
    """
    return tuple(_changes(before, after, text))


def _changes(
    before: AbandonedRequest, after: AbandonedRequest, text: str | None
) -> Iterator[Event]:
    business_id = after.business_id
    if after.announced_at is not None and before.announced_at is None:
        yield Abandoned(business_id=business_id, request=after, at=after.announced_at)
    if after.lead_id is not None and before.lead_id is None:
        at = after.announced_at or after.listed_at
        yield LeadHandedOver(business_id=business_id, request=after, at=at, lead_id=after.lead_id)
    counted = {contact.id for contact in before.contacts if contact.counts}
    for contact in after.contacts:
        if contact.counts and contact.id not in counted:
            yield Contacted(
                business_id=business_id, request=after, at=contact.at, contact=contact, text=text
            )
    if before.message.phase is not after.message.phase:
        yield MessageStateChanged(
            business_id=business_id,
            request=after,
            at=after.message.settled_at or after.message.begun_at or after.abandoned_at,
            before=before.message.phase,
            after=after.message.phase,
        )
    yield from _of_client(before, after)
    yield from _of_recovery(before, after)


def _of_client(before: AbandonedRequest, after: AbandonedRequest) -> Iterator[Event]:
    added = [entry for entry in after.history if entry.kind is HistoryKind.CLIENT_ADDED]
    if before.client_id is None and after.client_id is not None and added:
        yield ClientAdded(
            business_id=after.business_id,
            request=after,
            at=added[-1].at,
            client_id=after.client_id,
        )


def _of_recovery(before: AbandonedRequest, after: AbandonedRequest) -> Iterator[Event]:
    recovery = after.recovery
    if recovery is None:
        return
    was_reversed = before.recovery is not None and before.recovery.reversed_at is not None
    if recovery.reversed_at is None and (before.recovery is None or was_reversed):
        yield Recovered(
            business_id=after.business_id, request=after, at=recovery.at, recovery=recovery
        )
    if recovery.reversed_at is not None and not was_reversed:
        yield RecoveryReversed(
            business_id=after.business_id,
            request=after,
            at=recovery.reversed_at,
            recovery=recovery,
        )
