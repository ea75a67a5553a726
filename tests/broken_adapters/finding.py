"""Stores that find people, sessions and rows of a list wrongly, in one way each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from broken_adapters.stores import BrokenStore

from abandoned_booking.core.listing import (
    ListQuery,
    Page,
    matches,
    page_of,
    paginate,
    position_of,
    search_text,
    sort_key,
)
from abandoned_booking.core.model import AbandonedRequest, Person
from abandoned_booking.core.privacy import is_of_person

# ── one request ─────────────────────────────────────────────────────────────────────────────────


class FindsTheNearest(BrokenStore):
    """``WHERE id >= ? LIMIT 1``."""

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        known = sorted(self.everything(business_id), key=lambda request: request.id)
        exact = super().get(business_id, request_id)
        return exact or (known[0] if known else None)


class ForgetsWhoCalls(BrokenStore):
    """A column that was added later, and not to the INSERT."""

    def add(self, request: AbandonedRequest) -> bool:
        return super().add(attrs.evolve(request, reserved_by=None, reserved_until=None))


class LatestOfAnySession(BrokenStore):
    """``lower(session_id) = lower(?)``."""

    def latest_of_session(self, business_id: str, session_id: str) -> AbandonedRequest | None:
        of_session = [
            request
            for request in self.everything(business_id)
            if request.session_id.casefold() == session_id.casefold()
        ]
        return max(of_session, key=lambda request: request.sequence, default=None)


class LatestThatIsOpen(BrokenStore):
    def latest_of_session(self, business_id: str, session_id: str) -> AbandonedRequest | None:
        of_session = [
            request
            for request in self.everything(business_id)
            if request.session_id == session_id and request.is_open and not request.deleted_at
        ]
        return max(of_session, key=lambda request: request.sequence, default=None)


# ── a person ────────────────────────────────────────────────────────────────────────────────────


class FindsByPhoneOnly(BrokenStore):
    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return super().open_of_person(business_id, Person(phone=person.phone))


class FindsTheClosed(BrokenStore):
    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return self.all_of_person(business_id, person)


class FindsThePersonEverywhere(BrokenStore):
    """An index of people without the business at its head."""

    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return [
            request
            for known in list(self._businesses)
            for request in super(type(self), self).open_of_person(known, person)
        ]


class FindsThePersonAdded(BrokenStore):
    """The index of people is written to when a request is added, and never again."""

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[tuple[str, str], AbandonedRequest] = {}

    def add(self, request: AbandonedRequest) -> bool:
        self._first.setdefault((request.business_id, request.id), request)
        return super().add(request)

    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return [
            request
            for request in self.everything(business_id)
            if request.is_open and is_of_person(self._first[business_id, request.id], person)
        ]


class ComparesPhonesAsTyped(BrokenStore):
    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        found = super().open_of_person(business_id, attrs.evolve(person, phone=None))
        typed = [
            request
            for request in self.everything(business_id)
            if request.is_open and person.phone and request.form.person.phone == person.phone
        ]
        return [*found, *(request for request in typed if request not in found)]


# ── a list ──────────────────────────────────────────────────────────────────────────────────────


class ListsAtItsOldPlace(BrokenStore):
    """In the order of the instants with which requests were added."""

    def __init__(self) -> None:
        super().__init__()
        self._place: dict[tuple[str, str], datetime] = {}

    def add(self, request: AbandonedRequest) -> bool:
        self._place.setdefault((request.business_id, request.id), request.abandoned_at)
        return super().add(request)

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        before = [
            attrs.evolve(request, abandoned_at=self._place[business_id, request.id])
            for request in self.everything(business_id)
        ]
        page = paginate(before, query, now=now)
        rows = [self.get(business_id, request.id) for request in page.requests]
        return attrs.evolve(page, requests=tuple(filter(None, rows)))


class _PagesByItself(BrokenStore):
    def listed(
        self, business_id: str, query: ListQuery, now: datetime
    ) -> tuple[list[AbandonedRequest], int]:
        """The rows behind the cursor, and the total."""
        found = [r for r in self.everything(business_id) if matches(r, query, now)]
        found.sort(key=lambda request: sort_key(request, query))
        position = position_of(query)
        rest = [r for r in found if position is None or sort_key(r, query) > position]
        return rest, len(found)


class ContinuesBehindTheInstant(_PagesByItself):
    """The cursor is the instant alone: rows of the same instant are skipped."""

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        rest, total = self.listed(business_id, query, now)
        position = position_of(query)
        if position is not None:
            rest = [r for r in rest if sort_key(r, query)[:-1] > position[:-1]]
        return page_of(rest[: query.limit + 1], query, total=total)


class BreaksTiesAtRandom(_PagesByItself):
    """``ORDER BY abandoned_at DESC``, and no more."""

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        rest, total = self.listed(business_id, query, now)
        rest.sort(key=lambda request: (*sort_key(request, query)[:-1], request.id[::-1].swapcase()))
        return page_of(rest[: query.limit + 1], query, total=total)


class RangesWithTheirEnd(BrokenStore):
    """``BETWEEN``."""

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        longer: dict[str, Any] = {
            field: end + timedelta(microseconds=1)
            for field in ("abandoned_to", "contacted_to")
            if isinstance(end := getattr(query, field), datetime)
        }
        return super().page(business_id, attrs.evolve(query, **longer), now=now)


class _SearchesByItself(BrokenStore):
    def found(self, request: AbandonedRequest, text: str) -> bool:
        raise NotImplementedError

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        rows: Iterable[AbandonedRequest] = self.everything(business_id)
        rows = [request for request in rows if self.found(request, query.text)]
        return paginate(rows, attrs.evolve(query, text=""), now=now)


class SearchesAsTyped(_SearchesByItself):
    """``text LIKE lower('%...%')``: no accents, no width, no digits of a phone."""

    def found(self, request: AbandonedRequest, text: str) -> bool:
        return all(word in search_text(request) for word in text.lower().split())


class TakesWordsForOperators(_SearchesByItself):
    """Hands what was typed to the search engine as a query of its language."""

    def found(self, request: AbandonedRequest, text: str) -> bool:
        words = text.lower().split()
        if "or" in words:
            return any(word in search_text(request) for word in words if word != "or")
        return all(word in search_text(request) for word in words if word not in {"and", "not"})
