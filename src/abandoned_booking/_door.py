"""What the four doors share: the adapters, the time, and the one way to change a request.

Every write goes through :meth:`Parts.update`: load, ask the core, save with compare-and-set, and
again if somebody else was faster. ``next_action_at`` is set anew on the way, so that no door can
forget it.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

import attrs

from abandoned_booking._together import Save
from abandoned_booking.core import phone as phones
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.eligibility import Facts
from abandoned_booking.core.events import Event, events_between
from abandoned_booking.core.flow import Booked
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.intake import closed_by, owned_by, person_of
from abandoned_booking.core.model import (
    AbandonedRequest,
    MessagePhase,
    Person,
    Phone,
    Route,
    evolve,
)
from abandoned_booking.core.planning import rescheduled
from abandoned_booking.core.privacy import anonymous
from abandoned_booking.core.sending import attempt_id_of
from abandoned_booking.core.text import fields_of
from abandoned_booking.core.unsubscribe import Unsubscription, read_token, token_of
from abandoned_booking.errors import (
    ConcurrentUpdate,
    FeatureUnavailable,
    InvalidPhone,
    OutcomeUnknown,
    RequestNotFound,
    UnknownBusiness,
)
from abandoned_booking.ports import (
    AppointmentBook,
    ClientDirectory,
    ClientDraft,
    Clock,
    ConsentRegister,
    CreditLedger,
    EmailGateway,
    LeadDirectory,
    PhoneLedger,
    RequestStore,
    ServiceCatalogue,
    SettingsStore,
    SmsGateway,
    SupportsOpenSlots,
    SuppressionList,
)

__all__ = ["Change", "Parts", "Suppression", "log"]

log: Final = logging.getLogger("abandoned_booking")

Change = Callable[[AbandonedRequest], AbandonedRequest]

_TRIES: Final = 200
_GIVEN_UP: Final = (MessagePhase.PENDING, MessagePhase.SKIPPED)


@attrs.frozen(kw_only=True)
class Suppression:
    """The keys under which one phone stands on a business's suppression list (G3).

    What the person asked for and what the staff blocked are two keys: a resubscribe word lifts the
    first and never the second.
    """

    opted_out: str
    blocked: str


@attrs.frozen(kw_only=True)
class Parts:
    """The adapters that the doors work with, as ``AbandonedBookings`` was given them."""

    store: RequestStore
    settings: SettingsStore
    suppressions: SuppressionList
    ledger: PhoneLedger
    sms: SmsGateway | None
    email: EmailGateway | None
    clients: ClientDirectory | None
    leads: LeadDirectory | None
    appointments: AppointmentBook | None
    catalogue: ServiceCatalogue | None
    consents: ConsentRegister | None
    credits: CreditLedger | None
    clock: Clock
    on_event: Callable[[Event], object] | None
    has_feature: Callable[[str], bool]
    is_reachable: Callable[[AbandonedRequest, Phone | None], bool]
    secret: bytes = attrs.field(repr=False)
    saves: Save | None = None
    """a way to save for those who do it side by side; ``None``: the store's own"""

    def now(self) -> datetime:
        """The clock's time, in UTC (G2)."""
        return as_utc(self.clock.now(), field="clock.now()")

    def settings_of(self, business_id: str) -> BusinessSettings:
        """The business's settings. Raises :class:`UnknownBusiness` if there are none."""
        found = self.settings.get(business_id)
        if found is None:
            raise UnknownBusiness(business_id)
        return found

    def require_feature(self, business_id: str) -> None:
        """Raises :class:`FeatureUnavailable` unless the business's plan has the feature (G1)."""
        if not self.has_feature(business_id):
            raise FeatureUnavailable(business_id)

    def phone_of(self, raw: str | None, settings: BusinessSettings) -> Phone | None:
        """The verdict on a number as typed; ``None`` if there is none that is valid."""
        if not raw:
            return None
        try:
            return phones.parse(raw, region=settings.region)
        except InvalidPhone:
            return None

    # ── keys that outlive a person (G3) ─────────────────────────────────────────────────────────

    def keyed(self, purpose: str, business_id: str, value: str) -> str:
        """A keyed hash, so that neither list nor ledger holds a phone."""
        message = "\0".join((purpose, business_id, value)).encode()
        return hmac.digest(self.secret, message, "sha256").hex()[:32]

    def suppression_of(self, business_id: str, e164: str) -> Suppression:
        """The suppression keys of a phone at a business."""
        return Suppression(
            opted_out=self.keyed("opted-out", business_id, e164),
            blocked=self.keyed("blocked", business_id, e164),
        )

    def email_suppression_of(self, business_id: str, email_key: str) -> str:
        """The suppression key of an e-mail address at a business: whoever unsubscribed (B2)."""
        return self.keyed("opted-out", business_id, email_key)

    def has_unsubscribed(self, request: AbandonedRequest) -> bool:
        """Whether the e-mail address of a request's person is on the suppression list."""
        key = self.email_suppression_of(request.business_id, request.email_key or "")
        return self.suppressions.contains(request.business_id, key)

    def unsubscribe_token(self, request: AbandonedRequest) -> str:
        """The token of the unsubscribe link in an e-mail to a request's person."""
        key = self.email_suppression_of(request.business_id, request.email_key or "")
        asked = Unsubscription(business_id=request.business_id, request_id=request.id, key=key)
        return token_of(asked, secret=self.secret)

    def unsubscription(self, token: str) -> Unsubscription | None:
        """What a token asks for; ``None`` for one that was not made here."""
        return read_token(token, secret=self.secret)

    def facts_of(self, request: AbandonedRequest, settings: BusinessSettings) -> Facts:
        """What the lists and registers say about a request's phone right now."""
        business_id, phone = request.business_id, request.phone
        opted_out = blocked = consent = False
        if phone is not None:
            keys = self.suppression_of(business_id, phone.e164)
            opted_out = self.suppressions.contains(business_id, keys.opted_out)
            blocked = self.suppressions.contains(business_id, keys.blocked)
            if settings.compliance.consent_required and self.consents is not None:
                consent = self.consents.has_consent(business_id, phone.e164)
        return Facts(
            feature_available=self.has_feature(business_id),
            opted_out=opted_out,
            phone_blocked=blocked,
            has_consent=consent,
            credits=None if self.credits is None else self.credits.balance(business_id),
            next_open_slot_at=self._next_open_slot_at(request, settings.campaign.template),
        )

    def fields_of(
        self, request: AbandonedRequest, settings: BusinessSettings, *templates: str
    ) -> dict[str, str]:
        """The merge fields' values for one person, with a free time if a template offers one."""
        slot_at = self._next_open_slot_at(request, *templates)
        return fields_of(
            request,
            business_name=settings.name,
            booking_url=settings.booking_url,
            next_open_slot_at=None if slot_at is None else slot_at.astimezone(settings.zone),
        )

    def _next_open_slot_at(self, request: AbandonedRequest, *templates: str) -> datetime | None:
        """The next free time, if one of the texts offers it and the host can tell."""
        calendar = self.appointments
        if not any("next_open_slot" in template for template in templates):
            return None
        if not isinstance(calendar, SupportsOpenSlots):
            return None
        try:
            slots = calendar.open_slots(
                request.business_id, request.form, after=self.now(), limit=1
            )
        except Exception as error:  # no answer: the text does without
            log.warning("open slots of %s: %s", request.business_id, type(error).__name__)
            return None
        return as_utc(slots[0].at, field="slot.at") if slots else None

    def draft_of(self, request: AbandonedRequest) -> ClientDraft:
        """The profile that the visitor has pre-filled."""
        return ClientDraft(
            person=request.form.person,
            form=request.form,
            phone=request.phone.e164 if request.phone else None,
        )

    def add_client(
        self,
        request: AbandonedRequest,
        draft: ClientDraft,
        settings: BusinessSettings,
        *,
        at: datetime,
    ) -> str | None:
        """Make a request's person a client, once, and all their open requests the client's.

        The key under which the host's list is asked is the person's, not the request's: two
        requests of one person make one client, whoever adds them at the same time.
        """
        if self.clients is None:
            return None
        address = draft.phone or request.email_key or request.id
        key = self.keyed("client", request.business_id, address)
        client_id = self.clients.create(request.business_id, draft, key=key)
        concerned = {found.id: found for found in self._visitors_like(request)}
        for found in (concerned | {request.id: request}).values():
            self.update(found, lambda r: owned_by(r, client_id, at=at), settings, at=at)
        return client_id

    def _visitors_like(self, request: AbandonedRequest) -> list[AbandonedRequest]:
        person = person_of(request)
        found = self.store.open_of_person(request.business_id, person)
        return [one for one in found if one.route is Route.LIST]

    # ── the one way to change a request ─────────────────────────────────────────────────────────

    def load(self, business_id: str, request_id: str) -> AbandonedRequest:
        """The request. Raises :class:`RequestNotFound` if that business has none of that id."""
        found = self.store.get(business_id, request_id)
        if found is None:
            raise RequestNotFound(business_id, request_id)
        return found

    def save(
        self,
        changed: AbandonedRequest,
        before: AbandonedRequest,
        *,
        text: str | None = None,
    ) -> AbandonedRequest | None:
        """What is stored now if nobody was faster, else ``None``: compare-and-set.

        The host's listener is told of what has changed; ``text`` is what was written, if anything.
        """
        if before.erased_at is not None:
            # What ends after an erasure is recorded, and nothing personal with it (G3).
            changed, text = anonymous(changed), None
        if not self._saved(changed, before.version):
            return None
        saved = evolve(changed, version=before.version + 1)
        if (before.message.phase, saved.message.phase) == _GIVEN_UP:
            self._free_credits(saved)
        if self.on_event is not None:
            self.tell(*events_between(before, saved, text=text))
        return saved

    def _saved(self, changed: AbandonedRequest, version: int) -> bool:
        if self.saves is not None:
            return self.saves(changed, version)
        return self.store.save(changed, expected_version=version)

    def _free_credits(self, skipped: AbandonedRequest) -> None:
        """Release what a sweep had set aside that died, or lost, before it could begin.

        Nobody begins this message now: it was pending until this very save.
        """
        if self.credits is None:
            return
        try:
            self.credits.release(skipped.business_id, owner=attempt_id_of(skipped.id))
        except Exception as error:  # the host's ledger: whatever it raises
            log.warning("credits of request %s: %s", skipped.id, type(error).__name__)

    def tell(self, *events: Event) -> None:
        """Tell the host's listener; whatever it raises is logged and changes nothing."""
        listener = self.on_event
        if listener is None:
            return
        for event in events:
            try:
                listener(event)
            except Exception as error:  # the host's own code: whatever it raises
                log.error(
                    "listener failed on %s of business %s: %s",
                    type(event).__name__,
                    event.business_id,
                    type(error).__name__,
                )

    def update(
        self,
        request: AbandonedRequest,
        change: Change,
        settings: BusinessSettings,
        *,
        at: datetime,
        text: str | None = None,
    ) -> AbandonedRequest:
        """The request changed and saved, however many others change it meanwhile.

        ``change`` is asked anew for every version of the request, and answers with the very same
        object if there is nothing to do; then nothing is written.

        Raises :class:`ConcurrentUpdate` if others were faster far too often.
        """
        current = request
        for _ in range(_TRIES):
            changed = change(current)
            if changed is current:
                return current
            try:
                saved = self.save(rescheduled(changed, settings, at=at), current, text=text)
            except OutcomeUnknown:
                saved = None  # if it was saved, the change finds nothing left to do
            if saved is not None:
                return saved
            current = self.load(request.business_id, request.id)
        raise ConcurrentUpdate(request.id)

    def close_all_of(
        self, person: Person, booked: Booked, settings: BusinessSettings, *, at: datetime
    ) -> None:
        """Close every open request of a person who has booked, on whatever road (C6)."""
        for request in self.store.open_of_person(booked.business_id, person):
            self.update(request, lambda found: closed_by(found, booked), settings, at=at)

    def e164_person(self, person: Person, settings: BusinessSettings) -> Person:
        """The person with the phone as the store compares it."""
        phone = self.phone_of(person.phone, settings)
        return Person(
            client_id=person.client_id,
            phone=phone.e164 if phone else None,
            email=person.email_key,
        )

    def close_others_of(
        self, request: AbandonedRequest, booked: Booked, settings: BusinessSettings, *, at: datetime
    ) -> None:
        """Close every open request of the person of ``request`` (C6)."""
        self.close_all_of(person_of(request), booked, settings, at=at)
