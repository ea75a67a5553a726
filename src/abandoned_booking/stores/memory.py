"""The store that keeps everything in memory: the executable specification of :mod:`..ports`.

For unit tests, for trying things out, and to read: lists and pages are the pure functions of
:mod:`abandoned_booking.core.listing` over all requests, with no cleverness between. What it answers
is right by definition; every other store must answer the same. Nothing outlives the process.

Rules held here: the storage half of C6 (one person's open requests), L2-L5 (the list), R3 and R7
(compare-and-set, claims, reservations: one lock around each call makes them atomic).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery, Page, counted, matches, paginate
from abandoned_booking.core.model import AbandonedRequest, Person

__all__ = ["MemoryStore"]

_PersonKey: TypeAlias = tuple[str, str]
_RequestKey: TypeAlias = tuple[str, str]


def _person_keys(
    *, client_id: str | None, phone: str | None, email: str | None
) -> Iterator[_PersonKey]:
    """By what a person is recognised (C6); what is missing matches nothing."""
    if client_id:
        yield ("client", client_id)
    if phone:
        yield ("phone", phone)
    if email:
        yield ("email", email)


def _keys_of_request(request: AbandonedRequest) -> Iterator[_PersonKey]:
    return _person_keys(
        client_id=request.client_id,
        phone=request.phone.e164 if request.phone else None,
        email=request.email_key,
    )


@attrs.define
class _Business:
    """The requests of one business, and two ways to find some of them."""

    requests: dict[str, AbandonedRequest] = attrs.Factory(dict)
    of_session: dict[str, dict[int, str]] = attrs.Factory(dict)
    of_person: dict[_PersonKey, set[str]] = attrs.Factory(dict)

    def put(self, request: AbandonedRequest) -> None:
        old = self.requests.get(request.id)
        if old is not None:
            del self.of_session[old.session_id][old.sequence]
            for key in _keys_of_request(old):
                self.of_person[key].discard(old.id)
                if not self.of_person[key]:
                    # The key is somebody's phone or e-mail: it goes with the last request.
                    del self.of_person[key]
        self.of_session.setdefault(request.session_id, {})[request.sequence] = request.id
        for key in _keys_of_request(request):
            self.of_person.setdefault(key, set()).add(request.id)
        self.requests[request.id] = request


_NOTHING: Final = _Business()
"""what is known of a business without requests; never written to"""


class MemoryStore:
    """Requests, settings, suppressions and the phone ledger in memory; safe for threads.

    The store itself is the :class:`~abandoned_booking.ports.RequestStore`; ``settings``,
    ``suppressions`` and ``ledger`` are the other three ports.
    """

    def __init__(self) -> None:
        self.settings = MemorySettings()
        self.suppressions = MemorySuppressions()
        self.ledger = MemoryLedger()
        self._lock = threading.RLock()
        self._businesses: dict[str, _Business] = {}
        self._due: dict[_RequestKey, datetime] = {}

    def add(self, request: AbandonedRequest) -> bool:
        with self._lock:
            business = self._of(request.business_id)
            sequences = business.of_session.get(request.session_id, {})
            if request.id in business.requests or request.sequence in sequences:
                return False
            self._put(request)
            return True

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        with self._lock:
            return self._of(business_id).requests.get(request_id)

    def latest_of_session(self, business_id: str, session_id: str) -> AbandonedRequest | None:
        with self._lock:
            business = self._of(business_id)
            ids = business.of_session.get(session_id)
            return business.requests[ids[max(ids)]] if ids else None

    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return [found for found in self.all_of_person(business_id, person) if found.is_open]

    def all_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        keys = _person_keys(client_id=person.client_id, phone=person.phone, email=person.email_key)
        with self._lock:
            business = self._of(business_id)
            ids: set[str] = set().union(*(business.of_person.get(key, ()) for key in keys))
            return [business.requests[request_id] for request_id in sorted(ids)]

    def abandoned_before(self, business_id: str, before: datetime) -> Iterator[AbandonedRequest]:
        for request in self.stream(business_id):
            if request.abandoned_at < before and request.erased_at is None:
                yield request

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        with self._lock:
            stored = self._of(request.business_id).requests.get(request.id)
            if stored is None or stored.version != expected_version:
                return False
            self._put(attrs.evolve(request, version=expected_version + 1))
            return True

    def save_many(self, changes: Sequence[tuple[AbandonedRequest, int]]) -> Sequence[bool]:
        with self._lock:
            return [self.save(request, expected_version=version) for request, version in changes]

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self._lock:
            return [self._claim(key, until) for _, key in self._all_due(now)[:limit]]

    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self._lock:
            turns: Counter[str] = Counter()
            by_turn = []
            for at, (business_id, request_id) in self._all_due(now):
                turns[business_id] += 1
                by_turn.append((turns[business_id], at, (business_id, request_id)))
            return [self._claim(key, until) for _, _, key in sorted(by_turn)[:limit]]

    def _all_due(self, now: datetime) -> list[tuple[datetime, _RequestKey]]:
        return sorted((at, key) for key, at in self._due.items() if at <= now)

    def _claim(self, key: _RequestKey, until: datetime) -> AbandonedRequest:
        business_id, request_id = key
        request = self._of(business_id).requests[request_id]
        claimed = attrs.evolve(request, next_action_at=until, version=request.version + 1)
        self._put(claimed)
        return claimed

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        return paginate(self._all(business_id), query, now=now)

    def count(self, business_id: str, query: ListQuery, *, now: datetime) -> int:
        return counted(
            sum(matches(request, query, now) for request in self._all(business_id)), query
        )

    def stream(self, business_id: str) -> Iterator[AbandonedRequest]:
        with self._lock:
            ids = list(self._of(business_id).requests)
        for request_id in ids:
            # The lock is not held while the caller works with what it got.
            request = self.get(business_id, request_id)
            if request is not None:
                yield request

    def _all(self, business_id: str) -> Iterable[AbandonedRequest]:
        with self._lock:
            return list(self._of(business_id).requests.values())

    def _of(self, business_id: str) -> _Business:
        return self._businesses.get(business_id, _NOTHING)

    def _put(self, request: AbandonedRequest) -> None:
        self._businesses.setdefault(request.business_id, _Business()).put(request)
        key = (request.business_id, request.id)
        if request.next_action_at is None:
            self._due.pop(key, None)
        else:
            self._due[key] = request.next_action_at


class MemorySettings:
    """A :class:`~abandoned_booking.ports.SettingsStore` in memory."""

    def __init__(self) -> None:
        self._settings: dict[str, BusinessSettings] = {}

    def get(self, business_id: str) -> BusinessSettings | None:
        return self._settings.get(business_id)

    def put(self, settings: BusinessSettings) -> None:
        self._settings[settings.business_id] = settings


class MemorySuppressions:
    """A :class:`~abandoned_booking.ports.SuppressionList` in memory."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()

    def add(self, business_id: str, key: str) -> None:
        self._keys.add((business_id, key))

    def remove(self, business_id: str, key: str) -> None:
        self._keys.discard((business_id, key))

    def contains(self, business_id: str, key: str) -> bool:
        return (business_id, key) in self._keys


class MemoryLedger:
    """A :class:`~abandoned_booking.ports.PhoneLedger` in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reserved: dict[tuple[str, str], tuple[str, datetime]] = {}

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        with self._lock:
            holder, reserved_at = self._reserved.get((business_id, phone), (owner, at))
            if holder != owner and at - reserved_at < not_within:
                return False
            self._reserved[business_id, phone] = (owner, at)
            return True

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        with self._lock:
            holder, _ = self._reserved.get((business_id, phone), (None, None))
            if holder == owner:
                del self._reserved[business_id, phone]
