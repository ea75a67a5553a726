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

from abandoned_booking.core import phone as phones
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.eligibility import Facts
from abandoned_booking.core.flow import Booked
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.intake import closed_by, person_of
from abandoned_booking.core.model import AbandonedRequest, Person, Phone
from abandoned_booking.core.planning import rescheduled
from abandoned_booking.errors import (
    ConcurrentUpdate,
    FeatureUnavailable,
    InvalidPhone,
    RequestNotFound,
    UnknownBusiness,
)
from abandoned_booking.ports import (
    ClientDirectory,
    Clock,
    ConsentRegister,
    CreditLedger,
    PhoneLedger,
    RequestStore,
    ServiceCatalogue,
    SettingsStore,
    SmsGateway,
    SuppressionList,
)

__all__ = ["Change", "Parts", "Suppression", "log"]

log: Final = logging.getLogger("abandoned_booking")

Change = Callable[[AbandonedRequest], AbandonedRequest]

_TRIES: Final = 200


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
    clients: ClientDirectory | None
    catalogue: ServiceCatalogue | None
    consents: ConsentRegister | None
    credits: CreditLedger | None
    clock: Clock
    has_feature: Callable[[str], bool]
    is_reachable: Callable[[AbandonedRequest, Phone | None], bool]
    secret: bytes = attrs.field(repr=False)

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
        )

    # ── the one way to change a request ─────────────────────────────────────────────────────────

    def load(self, business_id: str, request_id: str) -> AbandonedRequest:
        """The request. Raises :class:`RequestNotFound` if that business has none of that id."""
        found = self.store.get(business_id, request_id)
        if found is None:
            raise RequestNotFound(business_id, request_id)
        return found

    def save(self, changed: AbandonedRequest, before: AbandonedRequest) -> AbandonedRequest | None:
        """What is stored now if nobody was faster, else ``None``: compare-and-set."""
        if not self.store.save(changed, expected_version=before.version):
            return None
        return attrs.evolve(changed, version=before.version + 1)

    def update(
        self,
        request: AbandonedRequest,
        change: Change,
        settings: BusinessSettings,
        *,
        at: datetime,
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
            saved = self.save(rescheduled(changed, settings, at=at), current)
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
