"""Whether a request's recovery message may be sent, with *all* reasons why not (R).

:func:`assess` is a pure function of the request, the settings, some facts and the time. The sweep,
``explain`` and every forecast ask it and nothing else, so that they cannot disagree.

Rules held here: R1 (on, recipients, steps), R3 and R4 (only pending messages of Abandoned
requests), R5 (US numbers), R6 (opted out, unreachable, withheld, no credits), R7 (one a day per
phone), R8 (all reasons, fixed order), R9 (age, consent, quiet hours), T4 (missed), C10, M3, G1, and
the holdout that P1 is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final

import attrs

from abandoned_booking.core import phone as phones
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.holdout import is_held_out
from abandoned_booking.core.model import (
    AbandonedRequest,
    ClientType,
    ContactState,
    MessagePhase,
    Reason,
    Status,
)
from abandoned_booking.core.quiet import next_allowed_at
from abandoned_booking.core.schedule import Due, message_due_at
from abandoned_booking.core.text import (
    MAX_SEGMENTS,
    ComposedText,
    compose,
    fields_of,
    opt_out_notice,
)

__all__ = ["NO_FACTS", "Assessment", "Facts", "assess", "due_of", "recovery_text"]


@attrs.frozen(kw_only=True)
class Facts:
    """What only others know at this moment; the defaults stand for *nothing in the way*."""

    feature_available: bool = True
    opted_out: bool = False
    phone_blocked: bool = False
    has_consent: bool = False
    """asked only where the compliance policy needs it"""
    phone_messaged_recently: bool = False
    """another request's message has the phone (R7)"""
    credits: int | None = None
    """what is left; ``None``: not limited"""
    segments: int = 1
    """the size of this message"""
    next_open_slot_at: datetime | None = None
    """a free time in the host's calendar, looked up just now; ``None``: not known, or taken"""


NO_FACTS: Final = Facts()
"""nothing in the way, and nothing known"""


@attrs.frozen(kw_only=True)
class Assessment:
    """Every reason against the message, and when it goes if there is none."""

    reasons: tuple[Reason, ...]
    """in the order of :class:`Reason`; empty: nothing is in the way but time"""
    send_at: datetime | None
    """when it goes; not later than now: it may go; ``None``: it does not"""
    due_at: datetime | None
    """when it is, or would be, due; ``None`` if no time is left or none was set"""


_STATUS_REASONS: Final = {
    Status.CONTACTED: Reason.ALREADY_CONTACTED,
    Status.RECOVERED: Reason.ALREADY_RECOVERED,
    Status.COMPLETED: Reason.COMPLETED,
}

_PHASE_REASONS: Final = {
    MessagePhase.SENT: Reason.ALREADY_SENT,
    MessagePhase.DELIVERED: Reason.ALREADY_SENT,
    MessagePhase.UNDELIVERED: Reason.ALREADY_SENT,
    MessagePhase.SENDING: Reason.IN_DOUBT,
    MessagePhase.UNCONFIRMED: Reason.IN_DOUBT,
    MessagePhase.FAILED: Reason.GATEWAY_REFUSED,
}


def assess(
    request: AbandonedRequest, settings: BusinessSettings, facts: Facts, now: datetime
) -> Assessment:
    """Every reason against sending the request's recovery message at ``now``, in the fixed order.

    Without any, ``send_at`` says when: at or before ``now`` means that it may begin.
    """
    found = {
        *_of_request(request),
        *_of_campaign(request, settings),
        *_of_phone(request, settings, facts),
        *_of_facts(settings, facts),
    }
    due = due_of(request, settings, now) if settings.campaign.enabled else None
    if due is not None and due.missed:
        found.add(Reason.MISSED)
    due_at = None if due is None or due.missed else _not_before(request.message.retry_at, due.at)
    oldest = settings.compliance.not_older_than
    began_at = max(due_at, now) if due_at is not None else now
    if oldest is not None and began_at - request.abandoned_at > oldest:
        found.add(Reason.TOO_OLD)
    reasons = tuple(reason for reason in Reason if reason in found)
    return Assessment(reasons=reasons, send_at=None if reasons else due_at, due_at=due_at)


def _not_before(retry_at: datetime | None, due_at: datetime) -> datetime:
    """When it is due, once the gateway has had the time that it asked for."""
    return due_at if retry_at is None else max(retry_at, due_at)


def due_of(request: AbandonedRequest, settings: BusinessSettings, now: datetime) -> Due:
    """When the request's message is due by the campaign's timing and the quiet hours (T, R9)."""
    return message_due_at(
        settings.campaign.timing,
        abandoned_at=request.abandoned_at,
        listable_at=request.abandoned_at + settings.listed_after,
        now=now,
        grace=settings.late_grace,
        zone=settings.zone,
        allowed_from=partial(
            next_allowed_at,
            policy=settings.compliance,
            address=request.form.address,
            phone=request.phone,
            business_zone=settings.zone,
        ),
    )


def recovery_text(
    request: AbandonedRequest, settings: BusinessSettings, facts: Facts = NO_FACTS
) -> ComposedText:
    """The recovery message as this person would get it, with its size (M1-M4)."""
    slot_at = facts.next_open_slot_at
    return compose(
        settings.campaign.template,
        fields=fields_of(
            request,
            business_name=settings.name,
            booking_url=settings.booking_url,
            next_open_slot_at=None if slot_at is None else slot_at.astimezone(settings.zone),
        ),
        notice=opt_out_notice(settings.opt_out_keyword),
    )


def _of_request(request: AbandonedRequest) -> Iterator[Reason]:
    yield from request.withheld
    if request.deleted_at is not None:
        yield Reason.DELETED
    if request.erased_at is not None:
        yield Reason.ERASED
    if request.status in _STATUS_REASONS:
        yield _STATUS_REASONS[request.status]
    phase = request.message.phase
    if phase in _PHASE_REASONS:
        yield _PHASE_REASONS[phase]
    if phase is MessagePhase.SKIPPED:
        # Until something revives it, what spoke against it then holds (L8, T4, T5).
        yield from request.message.reasons
    # A text of the staff whose end nobody knows: the person may have it already.
    if any(contact.state is ContactState.SENDING for contact in request.contacts):
        yield Reason.IN_DOUBT


def _of_campaign(request: AbandonedRequest, settings: BusinessSettings) -> Iterator[Reason]:
    campaign = settings.campaign
    if not campaign.enabled:
        yield Reason.CAMPAIGN_OFF
    if request.client_type not in campaign.recipients:
        yield Reason.CLIENT_TYPE_NOT_SELECTED
    if campaign.steps is not None and request.step not in campaign.steps:
        yield Reason.STEP_NOT_SELECTED
    if is_held_out(request.business_id, request.id, share=campaign.holdout):
        yield Reason.HELD_OUT


def _of_phone(
    request: AbandonedRequest, settings: BusinessSettings, facts: Facts
) -> Iterator[Reason]:
    phone = request.phone
    if phone is None:
        yield Reason.NO_PHONE
        return
    if not phone.can_text:
        yield Reason.CANNOT_RECEIVE_TEXTS
    if request.client_type is ClientType.NEW_VISITOR and not phones.is_us(
        phone, territories=settings.text_us_territories
    ):
        yield Reason.NOT_US_NUMBER
    if facts.opted_out:
        yield Reason.OPTED_OUT
    if facts.phone_blocked:
        yield Reason.PHONE_BLOCKED
    if facts.phone_messaged_recently:
        yield Reason.PHONE_MESSAGED_RECENTLY


def _of_facts(settings: BusinessSettings, facts: Facts) -> Iterator[Reason]:
    if not facts.feature_available:
        yield Reason.FEATURE_UNAVAILABLE
    if settings.compliance.consent_required and not facts.has_consent:
        yield Reason.NO_CONSENT
    if facts.segments > MAX_SEGMENTS:
        yield Reason.TEXT_TOO_LONG
    if facts.credits is not None and facts.credits < facts.segments:
        yield Reason.NO_CREDITS
