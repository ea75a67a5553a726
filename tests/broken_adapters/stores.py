"""Request stores that are wrong in one way each; a contract that passes one is worth nothing."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice

import attrs

from abandoned_booking.core.listing import (
    ListQuery,
    Page,
    cursor_after,
    fold,
    matches,
    paginate,
    position_of,
    search_text,
    sort_key,
)
from abandoned_booking.core.model import AbandonedRequest, Person
from abandoned_booking.core.privacy import erased, is_of_person
from abandoned_booking.errors import InvalidCursor
from abandoned_booking.stores.memory import MemoryStore


class Gap:
    """The moment between a check and its write: held open until a second caller is in it too."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0

    def wait(self) -> None:
        with self._condition:
            self._inside += 1
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._inside > 1, timeout=0.01)
            self._inside -= 1


class BrokenStore(MemoryStore):
    """The memory store, with a way to write past its checks."""

    def __init__(self) -> None:
        super().__init__()
        self.gap = Gap()

    def overwrite(self, request: AbandonedRequest) -> None:
        with self._lock:
            self._put(request)

    def everything(self, business_id: str) -> list[AbandonedRequest]:
        return list(self._all(business_id))


class DropsTheTimeZone(BrokenStore):
    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        request = super().get(business_id, request_id)
        if request is None:
            return None
        return attrs.evolve(request, abandoned_at=request.abandoned_at.replace(tzinfo=None))


class DropsMicroseconds(BrokenStore):
    def add(self, request: AbandonedRequest) -> bool:
        return super().add(
            attrs.evolve(request, abandoned_at=request.abandoned_at.replace(microsecond=0))
        )


class ForgetsTheAnswers(BrokenStore):
    """Writes the columns it knows, and loses the host's own questions."""

    def add(self, request: AbandonedRequest) -> bool:
        return super().add(attrs.evolve(request, form=attrs.evolve(request.form, answers={})))


class ComparesIdsWithoutCase(BrokenStore):
    """As a database with a case-insensitive collation does."""

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        ids = (request.id for request in self.everything(business_id))
        found = next((known for known in ids if known.casefold() == request_id.casefold()), "")
        return super().get(business_id, found)


class ChecksThenAdds(BrokenStore):
    def add(self, request: AbandonedRequest) -> bool:
        if self.get(request.business_id, request.id) is not None:
            return False
        taken = [
            (other.session_id, other.sequence) for other in self.everything(request.business_id)
        ]
        if (request.session_id, request.sequence) in taken:
            return False
        self.gap.wait()
        self.overwrite(request)
        return True


class ForgetsTheSessionKey(BrokenStore):
    def add(self, request: AbandonedRequest) -> bool:
        if self.get(request.business_id, request.id) is not None:
            return False
        self.overwrite(request)
        return True


class LatestByActivity(BrokenStore):
    def latest_of_session(self, business_id: str, session_id: str) -> AbandonedRequest | None:
        of_session = [r for r in self.everything(business_id) if r.session_id == session_id]
        return max(of_session, key=lambda request: request.abandoned_at, default=None)


class MatchesWhatIsMissing(BrokenStore):
    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return [
            request
            for request in self.everything(business_id)
            if request.is_open
            and (
                request.client_id == person.client_id
                or request.email_key == person.email_key
                or (request.phone.e164 if request.phone else None) == person.phone
            )
        ]


class FindsEachMatchAgain(BrokenStore):
    """One query for each key, and no look at what was found before."""

    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        parts = (
            Person(client_id=person.client_id),
            Person(phone=person.phone),
            Person(email=person.email),
        )
        return [
            r for part in parts for r in super(type(self), self).open_of_person(business_id, part)
        ]


class IgnoresTheVersion(BrokenStore):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        stored = self.get(request.business_id, request.id)
        return stored is not None and super().save(request, expected_version=stored.version)


class TrustsTheCallersVersion(BrokenStore):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        saved = super().save(request, expected_version=expected_version)
        if saved:
            self.overwrite(request)
        return saved


class AddsWhatIsNotThere(BrokenStore):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        return super().save(request, expected_version=expected_version) or self.add(request)


class ChecksThenSaves(BrokenStore):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        stored = self.get(request.business_id, request.id)
        if stored is None or stored.version != expected_version:
            return False
        self.gap.wait()
        self.overwrite(attrs.evolve(request, version=expected_version + 1))
        return True


class ClaimsByItself(BrokenStore):
    """The two halves of a claim: a look at what is due, and the write."""

    def due(self, now: datetime) -> list[AbandonedRequest]:
        requests = (
            request
            for business in list(self._businesses.values())
            for request in business.requests.values()
        )
        due = [r for r in requests if r.next_action_at is not None and r.next_action_at <= now]
        return sorted(due, key=lambda r: (r.next_action_at, r.id))

    def claim(self, request: AbandonedRequest, until: datetime) -> AbandonedRequest:
        claimed = attrs.evolve(request, next_action_at=until, version=request.version + 1)
        self.overwrite(claimed)
        return claimed


class IgnoresTheLimit(BrokenStore):
    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return super().claim_due(now=now, until=until, limit=limit + 1_000)


class ClaimsInAnyOrder(ClaimsByItself):
    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        by_id = sorted(self.due(now), key=lambda request: request.id)
        return [self.claim(request, until) for request in by_id[:limit]]


class ClaimsTooLate(BrokenStore):
    """``<`` where the contract says *at or before*."""

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return super().claim_due(now=now - timedelta(microseconds=1), until=until, limit=limit)


class ClaimsWithoutFencing(ClaimsByItself):
    """Moves ``next_action_at`` and leaves the version alone: a slow worker is not kept out."""

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        claimed = [attrs.evolve(r, next_action_at=until) for r in self.due(now)[:limit]]
        for request in claimed:
            self.overwrite(request)
        return claimed


class SelectsThenClaims(ClaimsByItself):
    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        due = self.due(now)[:limit]
        self.gap.wait()
        return [self.claim(request, until) for request in due]


class TakesPercentForAWildcard(BrokenStore):
    """``LIKE '%' || text || '%'`` without an ESCAPE."""

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        found = self._liked(business_id, query)
        return paginate(found, attrs.evolve(query, text=""), now=now)

    def count(self, business_id: str, query: ListQuery, *, now: datetime) -> int:
        return len([r for r in self._liked(business_id, query) if matches(r, _all(query), now)])

    def _liked(self, business_id: str, query: ListQuery) -> Iterator[AbandonedRequest]:
        words = [re.escape(word) for word in fold(query.text).split()]
        patterns = [word.replace("%", ".*").replace("_", ".") for word in words]
        for request in self.everything(business_id):
            if all(re.search(pattern, search_text(request), re.DOTALL) for pattern in patterns):
                yield request


def _all(query: ListQuery) -> ListQuery:
    return attrs.evolve(query, text="")


class PagesByOffset(BrokenStore):
    """The cursor is a number of rows to skip."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, int] = {}

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        position_of(query)
        whole = paginate(
            self._all(business_id), attrs.evolve(query, limit=1_000, cursor=None), now=now
        )
        start = self._shown[query.cursor] if query.cursor else 0
        rows = whole.requests[start : start + query.limit]
        cursor = None
        if start + query.limit < whole.total:
            cursor = cursor_after(rows[-1], query)
            self._shown[cursor] = start + query.limit
        return Page(requests=rows, total=whole.total, next_cursor=cursor)


class TakesAnyCursor(BrokenStore):
    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        with suppress(InvalidCursor):
            return super().page(business_id, query, now=now)
        return super().page(business_id, attrs.evolve(query, cursor=None), now=now)


class TotalsWithoutSearch(BrokenStore):
    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        page = super().page(business_id, query, now=now)
        return attrs.evolve(page, total=super().count(business_id, _all(query), now=now))


class CountsThePageOnly(BrokenStore):
    def count(self, business_id: str, query: ListQuery, *, now: datetime) -> int:
        return len(self.page(business_id, query, now=now).requests)


class ListsTooLate(BrokenStore):
    """``listed_at < now`` where a request is listed *at* that instant."""

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        return super().page(business_id, query, now=now - timedelta(microseconds=1))


class SearchesAnOldIndex(BrokenStore):
    """The search text is written when a request is added, and never again."""

    def __init__(self) -> None:
        super().__init__()
        self._forms: dict[tuple[str, str], AbandonedRequest] = {}

    def add(self, request: AbandonedRequest) -> bool:
        self._forms.setdefault((request.business_id, request.id), request)
        return super().add(request)

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        position_of(query)
        old = [self._forms[business_id, request.id] for request in self._all(business_id)]
        found = paginate(old, attrs.evolve(query, limit=1_000, cursor=None), now=now).requests
        ids = {request.id for request in found}
        rows = [request for request in self._all(business_id) if request.id in ids]
        return paginate(rows, _all(query), now=now)


class IgnoresTheBusiness(BrokenStore):
    """Looks requests up by their id alone."""

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        for known in list(self._businesses):
            if (request := super().get(known, request_id)) is not None:
                return request
        return None


class CountsAllBusinesses(BrokenStore):
    def count(self, business_id: str, query: ListQuery, *, now: datetime) -> int:
        return sum(
            super(type(self), self).count(known, query, now=now) for known in self._businesses
        )


class StreamsByRecency(BrokenStore):
    """Walks the list from the newest on: a row that moves meanwhile is missed."""

    def stream(self, business_id: str) -> Iterator[AbandonedRequest]:
        query, last = ListQuery(), None
        while True:
            rows = sorted(self.everything(business_id), key=lambda r: sort_key(r, query))
            rest = (r for r in rows if last is None or sort_key(r, query) > last)
            if not (part := list(islice(rest, 3))):
                return
            yield from part
            last = sort_key(part[-1], query)


class StreamsUnderALock(BrokenStore):
    def stream(self, business_id: str) -> Iterator[AbandonedRequest]:
        with self._lock:
            yield from self.everything(business_id)


class StreamsWhatIsListed(BrokenStore):
    def stream(self, business_id: str) -> Iterator[AbandonedRequest]:
        return (r for r in super(type(self), self).stream(business_id) if r.is_open)


class FindsOnlyTheOpen(BrokenStore):
    def all_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        found = super().all_of_person(business_id, person)
        return [request for request in found if request.is_open]


class RemembersTheErased(BrokenStore):
    """The index of people is written to when a request is added, and never again."""

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[str, AbandonedRequest] = {}

    def add(self, request: AbandonedRequest) -> bool:
        self._first[request.id] = request
        return super().add(request)

    def all_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return [found for found in self._first.values() if is_of_person(found, person)]


class FindsByEmailOnlyAsTyped(BrokenStore):
    def all_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        found = super().all_of_person(business_id, attrs.evolve(person, phone=None))
        return [request for request in found if request.form.person.email == person.email]


class KeepsFindingTheErased(BrokenStore):
    def abandoned_before(self, business_id: str, before: datetime) -> Iterator[AbandonedRequest]:
        return (found for found in self.stream(business_id) if found.abandoned_at < before)


class SkipsWhatMovesUp(BrokenStore):
    """Reads by number, while what it has given out disappears from what it reads."""

    def abandoned_before(self, business_id: str, before: datetime) -> Iterator[AbandonedRequest]:
        start = 0
        while part := list(islice(super().abandoned_before(business_id, before), start, start + 9)):
            yield from part
            start += 9


class ErasesTooMuch(BrokenStore):
    def erase_traces(self, business_id: str) -> bool:
        for request in self.everything(business_id):
            self.overwrite(erased(request, at=request.abandoned_at))
        return True
