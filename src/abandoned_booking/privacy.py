"""Forgetting a person, letting old requests expire, and telling a person what is kept of them.

Neither needs the feature: a person's rights do not end with the business's plan.

Rules held here: G3 (erase by phone, e-mail or client id; opt-outs survive as keyed hashes;
retention), R6 and I4 (whoever was forgotten is on the suppression list, and a send that asked
before does not begin), L8 (a deleted request can be restored until retention ends). What is left of
a request is decided in :mod:`abandoned_booking.core.privacy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import attrs

from abandoned_booking._door import Change, Parts
from abandoned_booking.core import phone as phones
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.codec import request_to_dict
from abandoned_booking.core.intake import person_of
from abandoned_booking.core.model import AbandonedRequest, HistoryKind, Person
from abandoned_booking.core.privacy import erased, is_expired, is_of_person
from abandoned_booking.core.retention import Retention
from abandoned_booking.errors import InvalidInput
from abandoned_booking.ports import SupportsErasure, SupportsExpiry, SupportsPersonSearch

__all__ = ["ForgetReport", "Privacy", "PurgeReport"]


@attrs.frozen(kw_only=True)
class ForgetReport:
    """What was erased of a person."""

    requests: int = 0
    """from how many requests everything personal was taken out"""
    traces_left: bool = False
    """the store may still hold copies of what was overwritten: forget anybody once more later"""


@attrs.frozen(kw_only=True)
class PurgeReport:
    """What has expired; also how far a purge has come."""

    examined: int = 0
    """requests that were old enough to be looked at"""
    erased: int = 0
    """from how many everything personal was taken out by this call"""
    traces_left: bool = False
    """the store may still hold copies of what was overwritten: the next purge tries again"""


@attrs.frozen
class Privacy:
    """What ``AbandonedBookings`` offers as ``forget``, ``purge_older_than`` and ``data_of``."""

    _parts: Parts

    def forget(
        self,
        business_id: str,
        *,
        phone: str | None,
        email: str | None,
        client_id: str | None,
        erase_traces: bool,
    ) -> ForgetReport:
        """Erase a person at a business, and never text or mail them again.

        Every request with that phone, that e-mail or that client id is erased, closed and deleted
        ones too. Before that phone and e-mail, and those that are found on the requests, go on the
        suppression list, so that whatever is imported later reaches nobody. A repeat does no harm,
        and goes on where a call that was interrupted has stopped.

        ``erase_traces`` also has the store remove the copies that it keeps of what was overwritten.
        That may take long for a large store: leave it out for all but the last of many.

        Raises :class:`InvalidPhone` or :class:`InvalidInput` for a phone or e-mail that cannot be
        one, or if none of the three is given; :class:`UnknownBusiness`. Nothing has changed then.
        """
        parts = self._parts
        settings = parts.settings_of(business_id)
        person = self._person(settings, phone=phone, email=email, client_id=client_id)
        at, count = parts.now(), 0
        known = _Addresses(parts, business_id)
        known.suppress(person)

        def forgotten(found: AbandonedRequest) -> AbandonedRequest:
            known.suppress(person_of(found))
            return erased(found, at=at)

        for request in self._all_of(business_id, person):
            count += self._erased_here(request, forgotten, settings, at)
        for request in known.others():
            # Somebody else's, with one of these addresses: a begin that asked before loses (I4).
            parts.update(request, lambda r: r.noted(at, HistoryKind.OPTED_OUT), settings, at=at)
        traces_left = erase_traces and self._leaves_traces(business_id)
        return ForgetReport(requests=count, traces_left=traces_left)

    def data_of(
        self, business_id: str, *, phone: str | None, email: str | None, client_id: str | None
    ) -> list[dict[str, Any]]:
        """Every request of a person, the oldest first, as plain dicts of JSON's types.

        Raises as :meth:`forget` does.
        """
        settings = self._parts.settings_of(business_id)
        person = self._person(settings, phone=phone, email=email, client_id=client_id)
        found = sorted(self._all_of(business_id, person), key=lambda r: (r.started_at, r.id))
        return [request_to_dict(request) for request in found]

    def purge_older_than(
        self,
        business_id: str,
        age: timedelta | Retention | None,
        *,
        batch: int,
        on_progress: Callable[[PurgeReport], object] | None,
        erase_traces: bool,
    ) -> PurgeReport:
        """Erase the requests that were last touched longer ago than ``age``.

        Touched means: the person was active, was contacted, replied, booked or cancelled. ``age``
        is a :class:`Retention` or whole days; without one the business's ``keep_for`` counts, and
        if that is ``None`` too, nothing expires.

        Several may run at once, and one that was interrupted is simply run again. Each request is
        erased by itself. ``on_progress`` is called after every ``batch`` that was examined, and at
        the end.

        Raises :class:`UnknownBusiness`; :class:`InvalidSettings` for an ``age`` that is no period;
        :class:`InvalidInput` for a ``batch`` below 1. Nothing has changed then.
        """
        parts = self._parts
        settings = parts.settings_of(business_id)
        if age is not None:
            settings = attrs.evolve(settings, keep_for=age)
        if batch < 1:
            raise InvalidInput("must be 1 or more", field="batch")
        report, now = PurgeReport(), parts.now()

        def expired(found: AbandonedRequest) -> AbandonedRequest:
            return erased(found, at=now) if is_expired(found, settings, now) else found

        for request in self._old_ones(settings, now):
            gone = self._erased_here(request, expired, settings, now)
            report = PurgeReport(examined=report.examined + 1, erased=report.erased + gone)
            if on_progress is not None and report.examined % batch == 0:
                on_progress(report)
        if erase_traces and settings.keep_for is not None:
            report = attrs.evolve(report, traces_left=self._leaves_traces(business_id))
        if on_progress is not None:
            on_progress(report)
        return report

    # ── within ──────────────────────────────────────────────────────────────────────────────────

    def _person(
        self,
        settings: BusinessSettings,
        *,
        phone: str | None,
        email: str | None,
        client_id: str | None,
    ) -> Person:
        """Whom the keys name, with the phone as E.164. Raises for what names nobody."""
        if phone is None and email is None and client_id is None:
            raise InvalidInput("is not named; give phone, email or client_id", field="person")
        if client_id is not None and not client_id.strip():
            raise InvalidInput("must not be empty", field="client_id")
        person = Person(client_id=client_id, email=email)
        if email is not None and person.email_key is None:
            raise InvalidInput("is not an e-mail address", field="email")
        if phone is not None:
            e164 = phones.parse(phone, region=settings.region).e164
            person = attrs.evolve(person, phone=e164)
        return person

    def _all_of(self, business_id: str, person: Person) -> Iterable[AbandonedRequest]:
        store = self._parts.store
        if isinstance(store, SupportsPersonSearch):
            return store.all_of_person(business_id, person)
        return (found for found in store.stream(business_id) if is_of_person(found, person))

    def _old_ones(self, settings: BusinessSettings, now: datetime) -> Iterator[AbandonedRequest]:
        """Those that may have expired: what is younger was touched since, whatever else."""
        keep_for, store = settings.keep_for, self._parts.store
        if keep_for is None:
            return
        before = keep_for.before(now)
        if isinstance(store, SupportsExpiry):
            yield from store.abandoned_before(settings.business_id, before)
            return
        for request in store.stream(settings.business_id):
            if request.abandoned_at < before and request.erased_at is None:
                yield request

    def _erased_here(
        self, request: AbandonedRequest, change: Change, settings: BusinessSettings, at: datetime
    ) -> bool:
        """Erase one request if ``change`` says so; whether this very call did it."""
        after = self._parts.update(request, change, settings, at=at)
        return after.version != request.version and after.erased_at == at

    def _leaves_traces(self, business_id: str) -> bool:
        store = self._parts.store
        return isinstance(store, SupportsErasure) and not store.erase_traces(business_id)


@attrs.define
class _Addresses:
    """The phones (E.164) and e-mails of a person who is being forgotten."""

    _parts: Parts
    _business_id: str
    _known: set[Person] = attrs.Factory(set)

    def suppress(self, person: Person) -> None:
        """Put the person's phone and e-mail on the list, as if they had opted out (R6)."""
        parts, business_id, email = self._parts, self._business_id, person.email_key
        if person.phone:
            key = parts.suppression_of(business_id, person.phone).opted_out
            self._add(key, Person(phone=person.phone))
        if email:
            self._add(parts.email_suppression_of(business_id, email), Person(email=email))

    def _add(self, key: str, address: Person) -> None:
        if address not in self._known:
            self._parts.suppressions.add(self._business_id, key)
            self._known.add(address)

    def others(self) -> Iterator[AbandonedRequest]:
        """The open requests with one of these addresses that are still there."""
        for one in self._known:
            yield from self._parts.store.open_of_person(self._business_id, one)
