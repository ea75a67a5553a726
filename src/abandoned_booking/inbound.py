"""The fourth door: what gateways report.

Rules held here: I1 (opt-out and resubscribe words), I2 (a reply makes a new visitor a client), I3
(delivery reports; everything may come twice, late, out of order, or for something unknown), I4
(once an opt-out has returned, no send begins), B2 (one click unsubscribes from e-mails).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import assert_never

import attrs

from abandoned_booking import _failpoints
from abandoned_booking._door import Parts
from abandoned_booking.core import outreach, sending
from abandoned_booking.core import phone as phones
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.events import OptedOut
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.keywords import Keyword, keyword_of
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    ClientType,
    HistoryEntry,
    HistoryKind,
    Person,
    Phone,
    Route,
)
from abandoned_booking.core.unsubscribe import Unsubscription
from abandoned_booking.ports import DeliveryReport, InboundSms

__all__ = ["Inbound", "ReplyOutcome", "Suppressed"]


class ReplyOutcome(StrEnum):
    """What an inbound text was taken for."""

    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    REPLY = "reply"
    IGNORED = "ignored"
    """from something that is not a phone number, or a repeat of an old resubscribe word"""


@attrs.frozen(kw_only=True)
class Suppressed:
    """Whether a phone is on a business's suppression list, and by whom (R6)."""

    opted_out: bool
    """the person asked for it, or was forgotten"""
    blocked: bool
    """the staff have blocked the number"""


@attrs.frozen
class Inbound:
    """What a host's webhooks call, after they have checked the provider's signature."""

    _parts: Parts

    def reply(self, sms: InboundSms) -> ReplyOutcome:
        """Somebody texted the business.

        Once this has returned for an opt-out word, no send to that number begins at that business
        (I4): the suppression is written first, then every open request of that phone is moved on
        by a version, so that a begin that asked before loses.

        Raises :class:`UnknownBusiness`; :class:`InvalidInput` for a naive instant.
        """
        parts = self._parts
        settings = parts.settings_of(sms.business_id)
        sms = attrs.evolve(sms, at=as_utc(sms.at, field="at"))
        phone = parts.phone_of(sms.phone, settings)
        if phone is None:
            return ReplyOutcome.IGNORED
        keyword = keyword_of(
            sms.body,
            # The word that the notice promises works, whatever list the business keeps.
            opt_out_words=settings.opt_out_words | {settings.opt_out_keyword},
            opt_in_words=settings.opt_in_words,
        )
        match keyword:
            case Keyword.OPT_OUT:
                return self._opted_out(sms, phone, settings)
            case Keyword.OPT_IN:
                return self._opted_in(sms, phone, settings)
            case None:
                return self._replied(sms, phone, settings)
            case _:
                assert_never(keyword)

    def opt_out(self, business_id: str, phone: str, *, at: datetime | None = None) -> bool:
        """A person asked by another road than a text to get none any more: by phone, at the desk.

        Does what an opt-out word does (I1, I4). Returns whether that is new. ``at`` is now unless
        told.

        Raises :class:`UnknownBusiness`, :class:`InvalidPhone`; :class:`InvalidInput` for a naive
        instant.
        """
        sms, number, settings = self._asked(business_id, phone, at)
        is_new = not self.suppressed(business_id, phone).opted_out
        self._opted_out(sms, number, settings)
        return is_new

    def opt_in(self, business_id: str, phone: str, *, at: datetime | None = None) -> bool:
        """A person who had opted out asked by another road to get texts again (I1).

        Returns whether that changed anything: not without an opt-out, nor for ``at`` before a later
        one. What the staff blocked stays blocked. Raises as :meth:`opt_out`.
        """
        sms, number, settings = self._asked(business_id, phone, at)
        had = self.suppressed(business_id, phone).opted_out
        if not had or self._later_opt_out(sms, number):
            return False
        self._lift(sms, number, settings)
        return True

    def suppressed(self, business_id: str, phone: str) -> Suppressed:
        """Whether a phone is on the suppression list. The list itself holds keyed hashes only.

        Raises :class:`UnknownBusiness`, :class:`InvalidPhone`.
        """
        parts = self._parts
        number = phones.parse(phone, region=parts.settings_of(business_id).region)
        keys = parts.suppression_of(business_id, number.e164)
        return Suppressed(
            opted_out=parts.suppressions.contains(business_id, keys.opted_out),
            blocked=parts.suppressions.contains(business_id, keys.blocked),
        )

    def delivery(self, report: DeliveryReport) -> bool:
        """A gateway reports what became of a message (I3).

        Returns whether it told anything new; False as well for a message that is not known.

        Raises :class:`UnknownBusiness`; :class:`InvalidInput` for a naive instant.
        """
        parts = self._parts
        settings = parts.settings_of(report.business_id)
        at = as_utc(report.at, field="at")
        request_id, _, contact_id = report.attempt_id.rpartition(".")
        request = parts.store.get(report.business_id, request_id) if request_id else None
        if request is None:
            return False

        def reported(found: AbandonedRequest) -> AbandonedRequest:
            if report.attempt_id == found.message.attempt_id:
                return sending.after_report(
                    found,
                    report.state,
                    provider_id=report.provider_id,
                    reason=report.reason,
                    at=at,
                )
            return outreach.contact_reported(
                found,
                contact_id,
                report.state,
                provider_id=report.provider_id,
                reason=report.reason,
                at=at,
            )

        _failpoints.reached("inbound.reporting", request_id)
        after = parts.update(request, reported, settings, at=at)
        if after.version == request.version:
            return False
        if parts.credits is not None:
            contact = outreach.contact_of(after, contact_id)
            spent = contact.segments if contact is not None else None
            if contact is None or contact.channel is not Channel.EMAIL:
                parts.credits.commit(
                    report.business_id, owner=report.attempt_id, credits=spent or 1
                )
        return True

    def unsubscribe(self, token: str) -> bool:
        """Somebody clicked on *unsubscribe* in an e-mail, or their mail program did (B2, RFC 8058).

        Call it for a POST only, with the token from the link. A GET must have no effect (mail
        scanners open every link): answer it with a page whose button POSTs.

        Returns True once the address is on the business's list, also for a repeat: from then on no
        e-mail to it begins. False for what is no token of ours, whatever is wrong with it; nothing
        is changed then. It works as well for people who have been erased, and without the feature.
        """
        parts, asked = self._parts, self._parts.unsubscription(token)
        if asked is None:
            return False
        is_repeat = parts.suppressions.contains(asked.business_id, asked.key)
        parts.suppressions.add(asked.business_id, asked.key)
        _failpoints.reached("inbound.suppressed", asked.request_id)
        address = self._note_unsubscribed(asked)
        if address is not None and not is_repeat:
            parts.tell(OptedOut(business_id=asked.business_id, address=address, at=parts.now()))
        return True

    def _note_unsubscribed(self, asked: Unsubscription) -> str | None:
        """Move the version of every open request of that address; returns the address, if known."""
        parts, business_id, now = self._parts, asked.business_id, self._parts.now()
        settings = parts.settings.get(business_id)
        request = parts.store.get(business_id, asked.request_id)
        address = None if request is None else request.email_key
        if settings is None or address is None:
            return None
        if parts.email_suppression_of(business_id, address) != asked.key:
            return None  # the request has another address by now

        def noted(found: AbandonedRequest) -> AbandonedRequest:
            known = any(entry.kind is HistoryKind.UNSUBSCRIBED for entry in found.history)
            return found if known else found.noted(now, HistoryKind.UNSUBSCRIBED)

        for found in parts.store.open_of_person(business_id, Person(email=address)):
            parts.update(found, noted, settings, at=now)
        return address

    # ── opt-out and back (I1, I4) ───────────────────────────────────────────────────────────────

    def _asked(
        self, business_id: str, phone: str, at: datetime | None
    ) -> tuple[InboundSms, Phone, BusinessSettings]:
        """What somebody asked for by another road, as the text that would have said it."""
        settings = self._parts.settings_of(business_id)
        number = phones.parse(phone, region=settings.region)
        asked_at = self._parts.now() if at is None else as_utc(at, field="at")
        sms = InboundSms(business_id=business_id, phone=number.e164, body="", at=asked_at)
        return sms, number, settings

    def _opted_out(self, sms: InboundSms, phone: Phone, settings: BusinessSettings) -> ReplyOutcome:
        suppressions, business_id = self._parts.suppressions, sms.business_id
        key = self._parts.suppression_of(business_id, phone.e164).opted_out
        is_repeat = suppressions.contains(business_id, key)
        suppressions.add(business_id, key)
        _failpoints.reached("inbound.suppressed")
        self._note(sms, phone, settings, HistoryKind.OPTED_OUT, is_repeat=is_repeat)
        if not is_repeat:
            self._parts.tell(OptedOut(business_id=business_id, address=phone.e164, at=sms.at))
        return ReplyOutcome.OPTED_OUT

    def _opted_in(self, sms: InboundSms, phone: Phone, settings: BusinessSettings) -> ReplyOutcome:
        suppressions, business_id = self._parts.suppressions, sms.business_id
        # A repeat of an old resubscribe must not lift a later opt-out: each counts once.
        which = sms.message_id or sms.at.isoformat()
        told = self._parts.keyed("opted-in", business_id, f"{phone.e164} {which}")
        if suppressions.contains(business_id, told) or self._later_opt_out(sms, phone):
            return ReplyOutcome.IGNORED
        suppressions.add(business_id, told)
        self._lift(sms, phone, settings)
        return ReplyOutcome.OPTED_IN

    def _lift(self, sms: InboundSms, phone: Phone, settings: BusinessSettings) -> None:
        key = self._parts.suppression_of(sms.business_id, phone.e164).opted_out
        self._parts.suppressions.remove(sms.business_id, key)
        self._note(sms, phone, settings, HistoryKind.OPTED_IN)

    def _later_opt_out(self, sms: InboundSms, phone: Phone) -> bool:
        return any(
            entry.kind is HistoryKind.OPTED_OUT and entry.at > sms.at
            for request in self._requests_of(sms.business_id, phone)
            for entry in request.history
        )

    def _note(
        self,
        sms: InboundSms,
        phone: Phone,
        settings: BusinessSettings,
        kind: HistoryKind,
        *,
        text: str | None = None,
        is_repeat: bool = True,
    ) -> None:
        """Write a line into the history of every open request of the phone: their versions move.

        Only what may be a repeat is looked for first; what is not moves every version for certain.
        """

        def noted(found: AbandonedRequest) -> AbandonedRequest:
            if is_repeat and any(_tells_of(entry, sms, kind, text) for entry in found.history):
                return found
            return found.noted(sms.at, kind, sms.message_id, text=text)

        for request in self._requests_of(sms.business_id, phone):
            self._parts.update(request, noted, settings, at=sms.at)
            _failpoints.reached("inbound.noted", request.id)

    def _requests_of(self, business_id: str, phone: Phone) -> list[AbandonedRequest]:
        person = Person(phone=phone.e164)
        return list(self._parts.store.open_of_person(business_id, person))

    # ── any other reply (I2) ────────────────────────────────────────────────────────────────────

    def _replied(self, sms: InboundSms, phone: Phone, settings: BusinessSettings) -> ReplyOutcome:
        self._note(sms, phone, settings, HistoryKind.REPLY, text=sms.body[:_LONGEST_REPLY])
        self._add_client(self._requests_of(sms.business_id, phone), settings, at=sms.at)
        return ReplyOutcome.REPLY

    def _add_client(
        self, requests: list[AbandonedRequest], settings: BusinessSettings, *, at: datetime
    ) -> None:
        """Make a messaged new visitor a client, once, from what they pre-filled."""
        visitors = [r for r in requests if _becomes_client_by_reply(r)]
        messaged = [r for r in visitors if r.last_contacted_at is not None]
        if not messaged or self._parts.clients is None:
            return
        latest = max(messaged, key=lambda request: request.abandoned_at)
        self._parts.add_client(latest, self._parts.draft_of(latest), settings, at=at)


_LONGEST_REPLY = 2_000


def _tells_of(entry: HistoryEntry, sms: InboundSms, kind: HistoryKind, text: str | None) -> bool:
    """Whether a line of history is of this very text, told before (I3)."""
    if sms.message_id is not None:
        return entry.kind is kind and entry.detail == sms.message_id
    return (entry.at, entry.kind, entry.text) == (sms.at, kind, text)


def _becomes_client_by_reply(request: AbandonedRequest) -> bool:
    return request.client_type is ClientType.NEW_VISITOR and request.route is Route.LIST
