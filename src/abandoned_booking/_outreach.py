"""What the staff send to one person, by text or by e-mail: one way for both.

The order of the steps is the safety, as it is for the recovery message: ask what speaks against it;
*begin* on record, durable before anything goes out; look once more (an opt-out may have come
meanwhile, I4); hand over; record the answer. What may have gone out is never repeated by itself.

Rules held here: S2 (accepted counts, refused does not), R6 (opted out, blocked, credits), I4, M4 (a
preview is what is sent), B2 (no e-mail to whoever unsubscribed; credits are for texts only), G4.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256
from typing import Protocol
from uuid import uuid4

import attrs

from abandoned_booking import _failpoints
from abandoned_booking._door import Parts, log
from abandoned_booking.core import outreach
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.email import (
    ComposedEmail,
    Mailbox,
    compose_email,
    mail_address,
    unsubscribe_headers,
)
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    Reason,
)
from abandoned_booking.core.planning import rescheduled
from abandoned_booking.core.sending import attempt_id_of
from abandoned_booking.core.text import MAX_SEGMENTS, ComposedText, compose, opt_out_notice
from abandoned_booking.errors import InvalidTemplate, MissingPart
from abandoned_booking.ports import (
    Accepted,
    EmailGateway,
    OutboundEmail,
    OutboundSms,
    Rejected,
    SendResult,
    SmsGateway,
    Unknown,
)

__all__ = [
    "ContactOutcome",
    "Email",
    "Outgoing",
    "Text",
    "contact_id_of",
    "email_gateway",
    "email_to",
    "outcome_of",
    "preview_email",
    "send_email",
    "send_text",
    "sent_once",
    "sms_gateway",
    "text_to",
]


@attrs.frozen(kw_only=True)
class ContactOutcome:
    """What became of a text or an e-mail of the staff."""

    request: AbandonedRequest
    contact: Contact | None
    """the contact on record; ``None`` if a rule refused it before anything was begun"""
    reasons: tuple[Reason, ...] = ()
    """why it was not sent; empty if it was, or may have been"""

    @property
    def accepted(self) -> bool:
        """Whether the gateway took it."""
        return self.contact is not None and self.contact.counts


def send_text(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    body: str,
    *,
    staff_id: str | None,
    operation_id: str | None,
    timeout: timedelta,
) -> ContactOutcome:
    """Text a request's person; see ``Desk.text``."""
    outgoing = text_to(parts, request, settings, body, marketing=False)
    if not outgoing.fits:
        raise InvalidTemplate(
            f"has {outgoing.segments} segments, {MAX_SEGMENTS} are allowed; shorten it",
            field="body",
        )
    return _deliver(parts, settings, request, outgoing, operation_id, staff_id, timeout)


def send_email(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    *,
    subject: str | None,
    body: str | None,
    staff_id: str | None,
    operation_id: str | None,
    timeout: timedelta,
) -> ContactOutcome:
    """E-mail a request's person; see ``Desk.email``."""
    outgoing = email_to(parts, request, settings, subject=subject, body=body)
    return _deliver(parts, settings, request, outgoing, operation_id, staff_id, timeout)


def text_to(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    body: str,
    *,
    marketing: bool,
) -> Text:
    """A text for a request's person; with the opt-out notice if it is marketing (M2)."""
    gateway = sms_gateway(parts)
    text = _composed_text(parts, request, settings, body, marketing=marketing)
    return Text(parts=parts, settings=settings, gateway=gateway, text=text, marketing=marketing)


def sms_gateway(parts: Parts) -> SmsGateway:
    """The gateway for texts. Raises :class:`MissingPart` without one."""
    if parts.sms is None:
        raise MissingPart("texting needs a gateway; give AbandonedBookings(sms=...)", part="sms")
    return parts.sms


def email_gateway(parts: Parts) -> EmailGateway:
    """The gateway for e-mails. Raises :class:`MissingPart` without one."""
    if parts.email is None:
        raise MissingPart(
            "e-mailing needs a gateway; give AbandonedBookings(email=...)", part="email"
        )
    return parts.email


def email_to(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    *,
    subject: str | None,
    body: str | None,
) -> Email:
    """An e-mail for a request's person."""
    gateway = email_gateway(parts)
    link = settings.email.unsubscribe_link(parts.unsubscribe_token(request))
    return Email(
        parts=parts,
        gateway=gateway,
        to=mail_address(request.form.person.email),
        sender=settings.email.sender(settings.name),
        reply_to=settings.email.reply_to,
        email=_composed_email(parts, request, settings, subject, body, link),
        unsubscribe_link=link,
    )


def preview_email(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    *,
    subject: str | None,
    body: str | None,
) -> ComposedEmail:
    """The e-mail as the person would get it, but for the unsubscribe link, which does nothing."""
    link = settings.email.unsubscribe_link("preview")
    return _composed_email(parts, request, settings, subject, body, link)


def contact_id_of(operation_id: str | None, channel: Channel) -> str:
    """A contact's id: the same for every repeat of one operation on one channel."""
    if operation_id is None:
        return uuid4().hex[:12]
    # A text and an e-mail of one operation are two contacts.
    key = operation_id if channel is Channel.TEXT else f"{channel}\0{operation_id}"
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12]


# ── once, on whatever channel ───────────────────────────────────────────────────────────────────


class Outgoing(Protocol):
    """One message to one person, complete, on one channel."""

    @property
    def channel(self) -> Channel: ...

    @property
    def segments(self) -> int | None:
        """Its size as a text; ``None`` for what has none."""
        ...

    @property
    def body(self) -> str:
        """What the person reads, in plain text."""
        ...

    def against(self, request: AbandonedRequest, *, promised: int = 0) -> tuple[Reason, ...]:
        """What speaks against it now, in the fixed order, if so many credits are spoken for."""
        ...

    def handed_over(
        self, begun: AbandonedRequest, attempt_id: str, timeout: timedelta
    ) -> SendResult:
        """The gateway's answer, or why it was not asked after all."""
        ...

    def settle(self, result: SendResult, attempt_id: str) -> None:
        """Spend or free what was set aside for it, once its end is on record."""
        ...


def _deliver(
    parts: Parts,
    settings: BusinessSettings,
    request: AbandonedRequest,
    outgoing: Outgoing,
    operation_id: str | None,
    staff_id: str | None,
    timeout: timedelta,
) -> ContactOutcome:
    """Send a message once, however often the operation is repeated, and by whomever."""
    contact_id = contact_id_of(operation_id, outgoing.channel)
    known = outreach.contact_of(request, contact_id)
    if known is not None:
        return outcome_of(request, known)
    reasons = outgoing.against(request)
    if reasons:
        return ContactOutcome(request=request, contact=None, reasons=reasons)
    return sent_once(parts, settings, request, outgoing, contact_id, staff_id, timeout)


def sent_once(
    parts: Parts,
    settings: BusinessSettings,
    request: AbandonedRequest,
    outgoing: Outgoing,
    contact_id: str,
    staff_id: str | None,
    timeout: timedelta,
) -> ContactOutcome:
    """Begin, hand over, record; if another call has begun it, what is on record of that."""
    contact = Contact(
        id=contact_id,
        channel=outgoing.channel,
        at=parts.now(),
        attempt_id=attempt_id_of(request.id, contact_id),
        staff_id=staff_id,
        segments=outgoing.segments,
    )
    _failpoints.reached("desk.beginning", request.id)
    begun = _begun(parts, settings, request, contact)
    if begun is None:
        stored = parts.load(request.business_id, request.id)
        return outcome_of(stored, outreach.contact_of(stored, contact_id))
    _failpoints.reached("desk.begun", request.id)
    result = _handed_over(outgoing, begun, attempt_id_of(request.id, contact_id), timeout)
    _failpoints.reached("desk.answered", request.id)
    return _recorded(parts, settings, begun, contact, outgoing, result)


def _begun(
    parts: Parts, settings: BusinessSettings, request: AbandonedRequest, contact: Contact
) -> AbandonedRequest | None:
    """The request with this very contact begun; ``None`` if another call has begun it."""
    current = request
    while outreach.contact_of(current, contact.id) is None:
        changed = outreach.contact_begun(current, contact)
        saved = parts.save(rescheduled(changed, settings, at=contact.at), current)
        if saved is not None:
            return saved
        current = parts.load(request.business_id, request.id)
    return None


def _handed_over(
    outgoing: Outgoing, begun: AbandonedRequest, attempt_id: str, timeout: timedelta
) -> SendResult:
    try:
        return outgoing.handed_over(begun, attempt_id, timeout)
    except Exception as error:  # nobody knows how far it had come
        log.warning("desk: attempt %s ended with %s", attempt_id, type(error).__name__)
        return Unknown(detail=type(error).__name__)


def _recorded(
    parts: Parts,
    settings: BusinessSettings,
    begun: AbandonedRequest,
    contact: Contact,
    outgoing: Outgoing,
    result: SendResult,
) -> ContactOutcome:
    at = parts.now()
    after = parts.update(
        begun,
        lambda found: outreach.contact_result(found, contact.id, result, at=at),
        settings,
        at=at,
        text=outgoing.body,
    )
    _failpoints.reached("desk.recorded", begun.id)
    outgoing.settle(result, attempt_id_of(begun.id, contact.id))
    return outcome_of(after, outreach.contact_of(after, contact.id))


def outcome_of(request: AbandonedRequest, contact: Contact | None) -> ContactOutcome:
    """What is on record of a message of the staff."""
    if contact is None or contact.state is not ContactState.REFUSED:
        return ContactOutcome(request=request, contact=contact)
    named = {reason.value: reason for reason in Reason}
    reason = named.get(contact.reason or "", Reason.GATEWAY_REFUSED)
    return ContactOutcome(request=request, contact=contact, reasons=(reason,))


def _in_order(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    found = set(reasons)
    return tuple(reason for reason in Reason if reason in found)


# ── a text ──────────────────────────────────────────────────────────────────────────────────────


def _composed_text(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    body: str,
    *,
    marketing: bool,
) -> ComposedText:
    fields = parts.fields_of(request, settings, body)
    text = compose(body, fields=fields, notice=None)
    if not text.text.strip():
        raise InvalidTemplate(
            "is empty for this person; write what they should read, or give a merge field a "
            "fallback",
            field="body",
        )
    if not marketing:
        return text
    return compose(body, fields=fields, notice=opt_out_notice(settings.opt_out_keyword))


@attrs.frozen(kw_only=True)
class Text:
    _parts: Parts
    _settings: BusinessSettings
    _gateway: SmsGateway
    _text: ComposedText
    _marketing: bool

    @property
    def channel(self) -> Channel:
        return Channel.TEXT

    @property
    def segments(self) -> int:
        return self._text.size.segments

    @property
    def body(self) -> str:
        return self._text.text

    @property
    def fits(self) -> bool:
        """Whether it has at most 10 segments (M3)."""
        return self._text.fits

    def against(self, request: AbandonedRequest, *, promised: int = 0) -> tuple[Reason, ...]:
        facts, phone = self._parts.facts_of(request, self._settings), request.phone
        against = {
            Reason.NO_PHONE: phone is None,
            Reason.CANNOT_RECEIVE_TEXTS: phone is not None and not phone.can_text,
            Reason.OPTED_OUT: facts.opted_out,
            Reason.PHONE_BLOCKED: facts.phone_blocked,
            Reason.NO_CONSENT: self._needs_consent and not facts.has_consent,
            Reason.TEXT_TOO_LONG: not self.fits,
            Reason.NO_CREDITS: facts.credits is not None
            and facts.credits - promised < self.segments,
        }
        return _in_order(reason for reason, holds in against.items() if holds)

    @property
    def _needs_consent(self) -> bool:
        return self._marketing and self._settings.compliance.consent_required

    def handed_over(
        self, begun: AbandonedRequest, attempt_id: str, timeout: timedelta
    ) -> SendResult:
        facts, phone = self._parts.facts_of(begun, self._settings), begun.phone
        if phone is None or facts.opted_out or facts.phone_blocked:
            return Rejected(reason=Reason.OPTED_OUT.value)
        credits_ = self._parts.credits
        if credits_ is not None and not credits_.reserve(
            begun.business_id, owner=attempt_id, credits=self.segments
        ):
            return Rejected(reason=Reason.NO_CREDITS.value)
        message = OutboundSms(
            attempt_id=attempt_id,
            business_id=begun.business_id,
            to=phone.e164,
            body=self.body,
            segments=self.segments,
            marketing=self._marketing,
        )
        return self._gateway.send(message, timeout=timeout)

    def settle(self, result: SendResult, attempt_id: str) -> None:
        credits_, business_id = self._parts.credits, self._settings.business_id
        if credits_ is None or isinstance(result, Unknown):
            return
        if isinstance(result, Accepted):
            spent = result.segments or self.segments
            credits_.commit(business_id, owner=attempt_id, credits=spent)
        else:
            credits_.release(business_id, owner=attempt_id)


# ── an e-mail ───────────────────────────────────────────────────────────────────────────────────


def _composed_email(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    subject: str | None,
    body: str | None,
    unsubscribe_link: str,
) -> ComposedEmail:
    design = settings.email
    words = [design.words(name) for name in ("subject", "heading", "body", "button")]
    templates = (*words, design.footer, subject or "", body or "")
    return compose_email(
        design,
        fields=parts.fields_of(request, settings, *templates),
        unsubscribe_link=unsubscribe_link,
        subject=subject,
        body=body,
    )


@attrs.frozen(kw_only=True)
class Email:
    _parts: Parts
    _gateway: EmailGateway
    _to: str | None
    """the address that the unsubscribe link speaks of"""
    _sender: Mailbox
    _reply_to: str | None
    _email: ComposedEmail
    _unsubscribe_link: str

    @property
    def channel(self) -> Channel:
        return Channel.EMAIL

    @property
    def segments(self) -> None:
        return None

    @property
    def body(self) -> str:
        return self._email.text

    def against(self, request: AbandonedRequest, *, promised: int = 0) -> tuple[Reason, ...]:
        del promised  # an e-mail costs no credits
        against = {
            Reason.NO_EMAIL: self._to is None,
            Reason.OPTED_OUT: self._parts.has_unsubscribed(request),
        }
        return _in_order(reason for reason, holds in against.items() if holds)

    def handed_over(
        self, begun: AbandonedRequest, attempt_id: str, timeout: timedelta
    ) -> SendResult:
        to = self._to
        if to is None or mail_address(begun.form.person.email) != to:
            # The person has been erased meanwhile, or has typed another address.
            return Rejected(reason=Reason.NO_EMAIL.value)
        if self._parts.has_unsubscribed(begun):
            return Rejected(reason=Reason.OPTED_OUT.value)
        message = OutboundEmail(
            attempt_id=attempt_id,
            business_id=begun.business_id,
            to=to,
            sender=self._sender,
            reply_to=self._reply_to,
            subject=self._email.subject,
            text=self._email.text,
            html=self._email.html,
            headers=unsubscribe_headers(self._unsubscribe_link),
        )
        return self._gateway.send(message, timeout=timeout)

    def settle(self, result: SendResult, attempt_id: str) -> None:
        """Nothing was set aside: an e-mail costs no credits."""
