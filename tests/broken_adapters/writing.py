"""Stores that write or hand out wrongly, in one way each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

import attrs
from broken_adapters.stores import BrokenStore, ClaimsByItself

from abandoned_booking.core.listing import ListQuery, Page
from abandoned_booking.core.model import AbandonedRequest, Person

# ── add and save ────────────────────────────────────────────────────────────────────────────────


class AddsOver(BrokenStore):
    """``INSERT OR REPLACE``, with the right answer."""

    def add(self, request: AbandonedRequest) -> bool:
        added = super().add(request)
        if not added:
            self.overwrite(request)
        return added


class KeepsWhatIsNotGiven(BrokenStore):
    """``coalesce(?, column)``."""

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        stored = self.get(request.business_id, request.id)
        kept = {
            field: getattr(stored, field)
            for field in ("client_id", "staff_note", "recovery", "assignee", "outcome")
            if stored is not None and getattr(request, field) is None
        }
        return super().save(attrs.evolve(request, **kept), expected_version=expected_version)


class SavesByIdAlone(BrokenStore):
    """``UPDATE ... WHERE id = ?``."""

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        saved = super().save(request, expected_version=expected_version)
        for other in list(self._businesses) if saved else ():
            if other != request.business_id and self.get(other, request.id) is not None:
                changed = attrs.evolve(request, business_id=other, version=expected_version + 1)
                self.overwrite(changed)
        return saved


class LetsErasuresWin(BrokenStore):
    """Whoever erases is not asked for a version."""

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        stored = self.get(request.business_id, request.id)
        if request.erased_at is not None and stored is not None:
            expected_version = stored.version
        return super().save(request, expected_version=expected_version)


class LetsTheFinisherWin(BrokenStore):
    """Whoever takes a request out of the queue is not asked whether the claim is still theirs."""

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        stored = self.get(request.business_id, request.id)
        if request.next_action_at is None and stored is not None and stored.next_action_at:
            expected_version = max(expected_version, stored.version)
        return super().save(request, expected_version=expected_version)


class LetsBatchesWin(BrokenStore):
    """A batch is saved if one of its versions is right."""

    def save_many(self, changes: Sequence[tuple[AbandonedRequest, int]]) -> Sequence[bool]:
        won = list(super().save_many(changes))
        for nth, (request, _) in enumerate(changes):
            stored = self.get(request.business_id, request.id)
            if any(won) and not won[nth] and stored is not None:
                won[nth] = self.save(request, expected_version=stored.version)
        return won


# ── claims ──────────────────────────────────────────────────────────────────────────────────────


class ClaimsWhatIsNeverDue(ClaimsByItself):
    """``coalesce(next_action_at, 0) <= ?``."""

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        never = [
            request
            for business_id in list(self._businesses)
            for request in self.everything(business_id)
            if request.next_action_at is None
        ]
        with self._lock:
            return [self.claim(r, until) for r in (*never, *self.due(now))[:limit]]


class HandsOutTheOldOne(BrokenStore):
    """What it read before the claim."""

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        claimed = super().claim_due(now=now, until=until, limit=limit)
        return [attrs.evolve(r, next_action_at=now, version=r.version - 1) for r in claimed]


class HandsOutOnce(ClaimsByItself):
    """Takes requests out of the queue for good."""

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self._lock:
            claimed = [self.claim(request, until) for request in self.due(now)[:limit]]
            for request in claimed:
                self.overwrite(attrs.evolve(request, next_action_at=None))
            return claimed


class ClaimsTheOpenOnly(ClaimsByItself):
    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self._lock:
            due = [request for request in self.due(now) if request.is_open]
            return [self.claim(request, until) for request in due[:limit]]


class ClaimsOverSaves(ClaimsByItself):
    """Writes back what it read, whatever was saved meanwhile."""

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        due = self.due(now)[:limit]
        self.gap.wait()
        threading.Event().wait(0.002)
        return [self.claim(request, until) for request in due]

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        self.gap.wait()
        return super().save(request, expected_version=expected_version)


class QueuesWhatWasAdded(ClaimsByItself):
    """The queue is written to when a request is added, and by claims."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: dict[tuple[str, str], datetime | None] = {}

    def add(self, request: AbandonedRequest) -> bool:
        self._queue.setdefault((request.business_id, request.id), request.next_action_at)
        return super().add(request)

    def due(self, now: datetime) -> list[AbandonedRequest]:
        due = [(at, key) for key, at in self._queue.items() if at is not None and at <= now]
        return [request for _, key in sorted(due) if (request := self.get(*key)) is not None]

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self._lock:
            claimed = [self.claim(request, until) for request in self.due(now)[:limit]]
            self._queue |= {(r.business_id, r.id): until for r in claimed}
            return claimed


# ── what only a sequence of calls shows ─────────────────────────────────────────────────────────


class LosesItsPlaceAfterAClaim(BrokenStore):
    """A page that goes on after a claim begins anew."""

    def __init__(self) -> None:
        super().__init__()
        self._has_claimed = False

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        claimed = super().claim_due(now=now, until=until, limit=limit)
        self._has_claimed = self._has_claimed or bool(claimed)
        return claimed

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        query = attrs.evolve(query, cursor=None) if self._has_claimed else query
        return super().page(business_id, query, now=now)


class ForgetsThePersonOfTheThirdSave(BrokenStore):
    """The index of people is moved by each save but every third."""

    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        found = super().open_of_person(business_id, person)
        return [request for request in found if request.version % 3]
