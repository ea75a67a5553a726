"""The second door: what the staff of one business see and do.

Rules held here: C10 and R8 (``explain``), L2-L6 (list, dot, get), L8 (delete and restore), S1-S3
and S5 (text, call and its undo), C6 (a booking by the staff closes the person's other requests),
G1.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import attrs

from abandoned_booking._door import Parts, log
from abandoned_booking.core import outreach
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.eligibility import assess, recovery_text
from abandoned_booking.core.explaining import Explanation, explain
from abandoned_booking.core.flow import Booked
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.intake import person_of
from abandoned_booking.core.lifecycle import (
    AppointmentCancelled,
    ContactMade,
    ContactUndone,
    StaffScheduled,
    StatusCorrected,
    advance,
)
from abandoned_booking.core.listing import (
    Action,
    ListQuery,
    Page,
    actions_of,
    dot_query,
)
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    HistoryKind,
    Person,
    Reason,
    Status,
)
from abandoned_booking.core.planning import rescheduled
from abandoned_booking.core.sending import attempt_id_of
from abandoned_booking.core.text import MAX_SEGMENTS, ComposedText, compose, fields_of
from abandoned_booking.errors import InvalidInput, InvalidTemplate, MissingPart, TransitionRefused
from abandoned_booking.ports import (
    Accepted,
    OutboundSms,
    Rejected,
    SendResult,
    SmsGateway,
    Unknown,
)

__all__ = ["Desk", "TextOutcome"]


@attrs.frozen(kw_only=True)
class TextOutcome:
    """What became of a text of the staff."""

    request: AbandonedRequest
    contact: Contact | None
    """the contact on record; ``None`` if a rule refused the text before anything was begun"""
    reasons: tuple[Reason, ...] = ()
    """why it was not sent; empty if it was, or may have been"""

    @property
    def accepted(self) -> bool:
        """Whether the gateway took it."""
        return self.contact is not None and self.contact.counts


@attrs.frozen
class Desk:
    """What the staff of one business see and do; from ``bookings.desk(business_id)``.

    Every call raises :class:`FeatureUnavailable` without the feature (G1), and
    :class:`RequestNotFound` for an id that this business does not have.
    """

    _parts: Parts
    business_id: str
    _send_timeout: timedelta

    # ── seeing ──────────────────────────────────────────────────────────────────────────────────

    def list(self, query: ListQuery | None = None) -> Page:
        """One page of the list: Abandoned, newest first, unless the query asks otherwise (L2-L4).

        Raises :class:`InvalidCursor` for a cursor that is not one of this query.
        """
        settings = self._open()
        asked = self._resolved(query or ListQuery(), settings)
        return self._parts.store.page(self.business_id, asked, now=self._parts.now())

    def count(self, query: ListQuery | None = None) -> int:
        """How many requests the query finds, on all pages together."""
        settings = self._open()
        asked = self._resolved(query or ListQuery(), settings)
        return self._parts.store.count(self.business_id, asked, now=self._parts.now())

    def dot(self) -> int:
        """The red dot's number: what is listed in Abandoned (L5)."""
        return self.count(dot_query())

    def get(self, request_id: str) -> AbandonedRequest:
        """One request with its form and history, deleted ones included (L6)."""
        self._open()
        return self._parts.load(self.business_id, request_id)

    def actions(self, request: AbandonedRequest) -> tuple[Action, ...]:
        """The actions to offer for a row (L1)."""
        return actions_of(request, leads_management=self._open().leads_management)

    def explain(self, request_id: str) -> Explanation:
        """Why it is listed or not, and why the person was or was not messaged, or when (R8)."""
        settings = self._open()
        request, now = self._parts.load(self.business_id, request_id), self._parts.now()
        facts = attrs.evolve(
            self._parts.facts_of(request, settings),
            segments=recovery_text(request, settings).size.segments,
        )
        assessment = assess(request, settings, facts, now)
        return explain(request, assessment, settings, has_feature=True, now=now)

    def preview(self, request_id: str, template: str | None = None) -> ComposedText:
        """The recovery message as this person would get it, with segments and credits (M4).

        ``template`` stands in for the campaign's. Raises :class:`InvalidTemplate`.
        """
        settings = self._open()
        if template is not None:
            campaign = attrs.evolve(settings.campaign, template=template)
            settings = attrs.evolve(settings, campaign=campaign)
        return recovery_text(self._parts.load(self.business_id, request_id), settings)

    # ── contacting ──────────────────────────────────────────────────────────────────────────────

    def text(
        self,
        request_id: str,
        body: str,
        *,
        staff_id: str | None = None,
        operation_id: str | None = None,
    ) -> TextOutcome:
        """Text the person. Contacted if the gateway takes it, else the status stays (S2).

        ``body`` may have merge fields. A repeat with the same ``operation_id`` sends nothing and
        answers as the first call did: give one per click of the staff.

        Raises :class:`MissingPart` without an SMS gateway, :class:`InvalidTemplate` for an empty
        text, an unknown field or more than 10 segments, :class:`TransitionRefused` for a request
        that is deleted or that the client has completed. What the rules refuse (no phone, opted
        out, no credits) is an outcome with reasons.
        """
        settings, gateway = self._open(), self._gateway()
        request = self._at_hand(request_id)
        text = self._composed(body, request, settings)
        contact_id = _contact_id(operation_id)
        known = outreach.contact_of(request, contact_id)
        if known is not None:
            return _outcome(request, known)
        reasons = self._against(request, settings, text)
        if reasons:
            return TextOutcome(request=request, contact=None, reasons=reasons)
        return self._sent(request, settings, gateway, text, contact_id, staff_id)

    def call(self, request_id: str, *, staff_id: str | None = None) -> AbandonedRequest:
        """The staff click on *call*: that counts at once (S3). Returns the request, Contacted."""
        return self._contacted(request_id, Channel.CALL, self._parts.now(), staff_id)

    def undo_call(self, request_id: str, contact_id: str | None = None) -> AbandonedRequest:
        """Take a click on *call* back: the last one, unless another is named (S3).

        Raises :class:`TransitionRefused` if there is none to take back.
        """
        settings, now = self._open(), self._parts.now()

        def undone(found: AbandonedRequest) -> AbandonedRequest:
            calls = [
                contact.id
                for contact in found.contacts
                if contact.channel is Channel.CALL and contact.counts
            ]
            taken_back = contact_id or (calls[-1] if calls else "")
            return advance(found, ContactUndone(contact_id=taken_back, at=now))

        return self._parts.update(self._at_hand(request_id), undone, settings, at=now)

    def report_contact(
        self,
        request_id: str,
        channel: Channel,
        *,
        at: datetime | None = None,
        staff_id: str | None = None,
    ) -> AbandonedRequest:
        """The host reports a contact that was made outside this library (S1)."""
        made_at = self._parts.now() if at is None else as_utc(at, field="at")
        return self._contacted(request_id, Channel(channel), made_at, staff_id)

    # ── booking ─────────────────────────────────────────────────────────────────────────────────

    def scheduled(
        self, request_id: str, appointment_id: str, *, at: datetime | None = None
    ) -> AbandonedRequest:
        """The staff booked for the person: Recovered. Closes the person's other requests (C6).

        The same appointment again changes nothing; another one is refused with
        :class:`TransitionRefused`, as is a request that the client has completed.
        """
        settings = self._open()
        booked_at = self._parts.now() if at is None else as_utc(at, field="at")
        event = StaffScheduled(at=booked_at, appointment_id=appointment_id)
        request = self._parts.update(
            self._at_hand(request_id), lambda found: advance(found, event), settings, at=booked_at
        )
        booked = Booked(business_id=self.business_id, at=booked_at, appointment_id=appointment_id)
        self._parts.close_all_of(person_of(request), booked, settings, at=booked_at)
        return request

    def appointment_cancelled(
        self, request_id: str, appointment_id: str | None = None, *, at: datetime | None = None
    ) -> AbandonedRequest:
        """The appointment that won the request back was cancelled: it stays Recovered, marked as
        reversed (S4). A repeat changes nothing.

        Raises :class:`TransitionRefused` for a request that was not recovered with it.
        """
        settings = self._open()
        cancelled_at = self._parts.now() if at is None else as_utc(at, field="at")
        event = AppointmentCancelled(at=cancelled_at, appointment_id=appointment_id)
        request = self._parts.load(self.business_id, request_id)
        return self._parts.update(
            request, lambda found: advance(found, event), settings, at=cancelled_at
        )

    # ── correcting, blocking ────────────────────────────────────────────────────────────────────

    def correct(self, request_id: str, status: Status) -> AbandonedRequest:
        """Correct the status by hand: Abandoned to Contacted, or back.

        Raises :class:`TransitionRefused` for anything else; what is recovered stays so.
        """
        settings, now = self._open(), self._parts.now()
        event = StatusCorrected(to=Status(status), at=now)
        return self._parts.update(
            self._at_hand(request_id), lambda found: advance(found, event), settings, at=now
        )

    def block_phone(self, request_id: str) -> AbandonedRequest:
        """Never text this request's phone again at this business (R6).

        No resubscribe word lifts it, only :meth:`unblock_phone`. Once this has returned, no send
        to it begins: every open request of the phone has moved on by a version.
        """
        return self._block(request_id, blocked=True)

    def unblock_phone(self, request_id: str) -> AbandonedRequest:
        """Take the block back; an opt-out of the person stays."""
        return self._block(request_id, blocked=False)

    # ── deleting ────────────────────────────────────────────────────────────────────────────────

    def delete(self, request_id: str) -> AbandonedRequest:
        """Take a request off the list and cancel what is unsent (L8). A repeat changes nothing."""
        settings, now = self._open(), self._parts.now()
        request = self._parts.load(self.business_id, request_id)
        return self._parts.update(
            request, lambda found: outreach.deleted(found, at=now), settings, at=now
        )

    def restore(self, request_id: str) -> AbandonedRequest:
        """Put a deleted request back; what was cancelled stays cancelled (L8)."""
        settings, now = self._open(), self._parts.now()
        request = self._parts.load(self.business_id, request_id)
        return self._parts.update(
            request, lambda found: outreach.restored(found, at=now), settings, at=now
        )

    # ── within ──────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> BusinessSettings:
        self._parts.require_feature(self.business_id)
        return self._parts.settings_of(self.business_id)

    def _resolved(self, query: ListQuery, settings: BusinessSettings) -> ListQuery:
        return attrs.evolve(query.resolved(settings.zone), step_order=settings.steps)

    def _at_hand(self, request_id: str) -> AbandonedRequest:
        """A request to act on: neither deleted nor completed."""
        request = self._parts.load(self.business_id, request_id)
        why = None
        if request.deleted_at is not None:
            why = "is deleted; restore it first"
        elif request.status is Status.COMPLETED:
            why = "was completed by the client; there is nothing left to win back"
        if why is not None:
            raise TransitionRefused(
                f"request {request_id} {why}",
                request_id=request_id,
                status=request.status.value,
                event="action",
            )
        return request

    def _gateway(self) -> SmsGateway:
        if self._parts.sms is None:
            raise MissingPart(
                "texting needs a gateway; give AbandonedBookings(sms=...)", part="sms"
            )
        return self._parts.sms

    def _composed(
        self, body: str, request: AbandonedRequest, settings: BusinessSettings
    ) -> ComposedText:
        if not body.strip():
            raise InvalidTemplate("is empty; write what the person should read", field="body")
        fields = fields_of(request, business_name=settings.name, booking_url=settings.booking_url)
        text = compose(body, fields=fields, notice=None)
        if text.size.segments > MAX_SEGMENTS:
            raise InvalidTemplate(
                f"has {text.size.segments} segments, {MAX_SEGMENTS} are allowed; shorten it",
                field="body",
            )
        return text

    def _against(
        self, request: AbandonedRequest, settings: BusinessSettings, text: ComposedText
    ) -> tuple[Reason, ...]:
        """What speaks against a text of the staff to this person (B1, R6)."""
        facts = self._parts.facts_of(request, settings)
        phone = request.phone
        against = {
            Reason.NO_PHONE: phone is None,
            Reason.CANNOT_RECEIVE_TEXTS: phone is not None and not phone.can_text,
            Reason.OPTED_OUT: facts.opted_out,
            Reason.PHONE_BLOCKED: facts.phone_blocked,
            Reason.NO_CREDITS: facts.credits is not None and facts.credits < text.size.segments,
        }
        return _in_order(reason for reason, holds in against.items() if holds)

    def _block(self, request_id: str, *, blocked: bool) -> AbandonedRequest:
        settings, now, parts = self._open(), self._parts.now(), self._parts
        request = parts.load(self.business_id, request_id)
        if request.phone is None:
            raise InvalidInput("has no valid number", field="phone")
        key = parts.suppression_of(self.business_id, request.phone.e164).blocked
        if blocked:
            parts.suppressions.add(self.business_id, key)
        else:
            parts.suppressions.remove(self.business_id, key)
        kind = HistoryKind.PHONE_BLOCKED if blocked else HistoryKind.PHONE_UNBLOCKED
        person = Person(phone=request.phone.e164)
        concerned = {
            found.id: found for found in parts.store.open_of_person(self.business_id, person)
        }
        for found in (concerned | {request.id: request}).values():
            parts.update(found, lambda r: r.noted(now, kind), settings, at=now)
        return parts.load(self.business_id, request_id)

    def _contacted(
        self, request_id: str, channel: Channel, at: datetime, staff_id: str | None
    ) -> AbandonedRequest:
        settings = self._open()
        contact = Contact(id=_contact_id(None), channel=channel, at=at, staff_id=staff_id)
        return self._parts.update(
            self._at_hand(request_id),
            lambda found: advance(found, ContactMade(contact=contact)),
            settings,
            at=at,
        )

    # ── a text of the staff ─────────────────────────────────────────────────────────────────────

    def _sent(
        self,
        request: AbandonedRequest,
        settings: BusinessSettings,
        gateway: SmsGateway,
        text: ComposedText,
        contact_id: str,
        staff_id: str | None,
    ) -> TextOutcome:
        """Begin on record, look once more for an opt-out, send, record: in this order (I4)."""
        parts, attempt_id = self._parts, attempt_id_of(request.id, contact_id)
        contact = Contact(
            id=contact_id,
            channel=Channel.TEXT,
            at=parts.now(),
            attempt_id=attempt_id,
            staff_id=staff_id,
            segments=text.size.segments,
        )
        begun = self._begun(request, contact, settings)
        if begun is None:
            stored = parts.load(self.business_id, request.id)
            return _outcome(stored, outreach.contact_of(stored, contact_id))
        result = self._handed_over(begun, settings, gateway, text, attempt_id)
        at = parts.now()
        after = parts.update(
            begun,
            lambda found: outreach.contact_result(found, contact_id, result, at=at),
            settings,
            at=at,
        )
        self._settle_credits(result, text, attempt_id)
        return _outcome(after, outreach.contact_of(after, contact_id))

    def _begun(
        self, request: AbandonedRequest, contact: Contact, settings: BusinessSettings
    ) -> AbandonedRequest | None:
        """The request with this very contact begun; ``None`` if another call has begun it."""
        current = request
        while outreach.contact_of(current, contact.id) is None:
            changed = outreach.contact_begun(current, contact)
            saved = self._parts.save(rescheduled(changed, settings, at=contact.at), current)
            if saved is not None:
                return saved
            current = self._parts.load(self.business_id, request.id)
        return None

    def _handed_over(
        self,
        begun: AbandonedRequest,
        settings: BusinessSettings,
        gateway: SmsGateway,
        text: ComposedText,
        attempt_id: str,
    ) -> SendResult:
        """The gateway's answer, or why it was not asked."""
        facts, phone = self._parts.facts_of(begun, settings), begun.phone
        if phone is None or facts.opted_out or facts.phone_blocked:
            return Rejected(reason=Reason.OPTED_OUT.value)
        credits_ = self._parts.credits
        if credits_ is not None and not credits_.reserve(
            self.business_id, owner=attempt_id, credits=text.size.segments
        ):
            return Rejected(reason=Reason.NO_CREDITS.value)
        message = OutboundSms(
            attempt_id=attempt_id,
            business_id=self.business_id,
            to=phone.e164,
            body=text.text,
            segments=text.size.segments,
            marketing=False,
        )
        try:
            return gateway.send(message, timeout=self._send_timeout)
        except Exception as error:  # nobody knows how far it had come
            log.warning("desk: attempt %s ended with %s", attempt_id, type(error).__name__)
            return Unknown(detail=type(error).__name__)

    def _settle_credits(self, result: SendResult, text: ComposedText, attempt_id: str) -> None:
        credits_ = self._parts.credits
        if credits_ is None or isinstance(result, Unknown):
            return
        if isinstance(result, Accepted):
            spent = result.segments or text.size.segments
            credits_.commit(self.business_id, owner=attempt_id, credits=spent)
        else:
            credits_.release(self.business_id, owner=attempt_id)


def _contact_id(operation_id: str | None) -> str:
    """A contact's id: the same for every repeat of one operation."""
    if operation_id is None:
        return uuid4().hex[:12]
    return sha256(operation_id.encode()).hexdigest()[:12]


def _in_order(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    found = set(reasons)
    return tuple(reason for reason in Reason if reason in found)


def _outcome(request: AbandonedRequest, contact: Contact | None) -> TextOutcome:
    """What is on record of a text of the staff."""
    if contact is None or contact.state is not ContactState.REFUSED:
        return TextOutcome(request=request, contact=contact)
    named = {reason.value: reason for reason in Reason}
    reason = named.get(contact.reason or "", Reason.GATEWAY_REFUSED)
    return TextOutcome(request=request, contact=contact, reasons=(reason,))
