"""Stores whose further abilities are wrong in one way each: batches, turns, caps, reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import TypeAlias

import attrs
from broken_adapters.stores import BrokenStore, ClaimsByItself

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery, Page, is_listed
from abandoned_booking.core.model import AbandonedRequest, HistoryKind, Status
from abandoned_booking.core.performance import Group, GroupBy, Performance, tally
from abandoned_booking.core.periods import Period

# ── batches ─────────────────────────────────────────────────────────────────────────────────────

Change: TypeAlias = tuple[AbandonedRequest, int]


class GivesTheWholeBatchUp(BrokenStore):
    """One transaction that is rolled back when one of the changes loses."""

    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        with self._lock:
            stored = [self.get(request.business_id, request.id) for request, _ in changes]
            expected = [version for _, version in changes]
            if [found and found.version for found in stored] != expected:
                return [False] * len(changes)
            return super().save_many(changes)


class StopsAtTheFirstLoser(BrokenStore):
    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        won = [False] * len(changes)
        for nth, (request, version) in enumerate(changes):
            won[nth] = self.save(request, expected_version=version)
            if not won[nth]:
                break
        return won


class SavesLosersInBatches(BrokenStore):
    """``executemany`` without a look at each row."""

    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        for request, version in changes:
            if self.get(request.business_id, request.id) is not None:
                self.overwrite(attrs.evolve(request, version=version + 1))
        return [True] * len(changes)


class AnswersABatchById(BrokenStore):
    """``UPDATE ... RETURNING`` gives rows in an order of its own."""

    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        won = super().save_many(changes)
        ids = [request.id for request, _ in changes]
        return [answer for _, answer in sorted(zip(ids, won, strict=True))]


class AnswersABatchWithOneBool(BrokenStore):
    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        return [all(super().save_many(changes))]


class AddsWhatABatchBrings(BrokenStore):
    """An upsert."""

    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        won = super().save_many(changes)
        for request, version in changes:
            self.add(attrs.evolve(request, version=version + 1))
        return won


class SavesTheLastOfTwo(BrokenStore):
    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        stored = {(r.business_id, r.id): self.get(r.business_id, r.id) for r, _ in changes}
        won = []
        for request, version in changes:
            found = stored[request.business_id, request.id]
            won.append(found is not None and found.version == version)
            if won[-1]:
                self.overwrite(attrs.evolve(request, version=version + 1))
        return won


class BatchesByIdAlone(BrokenStore):
    """``WHERE id IN (...)``, and every row of that id is the last change of that id."""

    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        of_id = {request.id: version for request, version in changes}
        return [self.save(r, expected_version=of_id[r.id]) for r, _ in changes]


class ChokesOnAnEmptyBatch(BrokenStore):
    """As ``INSERT ... VALUES`` without a row does."""

    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        if not changes:
            raise ValueError("a batch has no minimum")
        return super().save_many(changes)


class ForgetsTheQueueInBatches(BrokenStore):
    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        due = dict(self._due)
        won = super().save_many(changes)
        self._due = due
        return won


class ForgetsAFieldInBatches(BrokenStore):
    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        return super().save_many([(attrs.evolve(r, history=()), version) for r, version in changes])


class ChecksThenSavesABatch(BrokenStore):
    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        won = []
        for request, version in changes:
            stored = self.get(request.business_id, request.id)
            won.append(stored is not None and stored.version == version)
        self.gap.wait()
        for (request, version), answer in zip(changes, won, strict=True):
            if answer:
                self.overwrite(attrs.evolve(request, version=version + 1))
        return won


# ── turns ───────────────────────────────────────────────────────────────────────────────────────


class TakesNoTurns(BrokenStore):
    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return self.claim_due(now=now, until=until, limit=limit)


class _TurnsByItself(ClaimsByItself):
    def by_business(self, now: datetime) -> dict[str, list[AbandonedRequest]]:
        due: dict[str, list[AbandonedRequest]] = {}
        for request in self.due(now):
            due.setdefault(request.business_id, []).append(request)
        return due


class LetsOneWaitForTheOthers(_TurnsByItself):
    """``limit / businesses`` for each, and what one does not need is nobody's."""

    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self._lock:
            share = limit // max(1, len(self._businesses))
            of_each = [due[:share] for due in self.by_business(now).values()]
            return [self.claim(request, until) for due in of_each for request in due]


class TakesTurnsByName(_TurnsByItself):
    """Business after business by its id, whoever's is the earliest."""

    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self._lock:
            queues = [queue for _, queue in sorted(self.by_business(now).items())]
            rounds = [one for turn in zip_longest(*queues) for one in turn if one]
            return [self.claim(request, until) for request in rounds[:limit]]


class HandsOutOneTurnOnly(_TurnsByItself):
    """The earliest of every business, in order; and no second one although there is room."""

    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self._lock:
            first = [queue[0] for queue in self.by_business(now).values()]
            return [self.claim(request, until) for request in first[:limit]]


class ClaimsFairlyWithoutFencing(ClaimsByItself):
    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        found = [attrs.evolve(r, next_action_at=until) for r in self.due(now)[:limit]]
        for request in found:
            self.overwrite(request)
        return found


class SelectsThenClaimsFairly(ClaimsByItself):
    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        due = self.due(now)[:limit]
        self.gap.wait()
        return [self.claim(request, until) for request in due]


# ── caps ────────────────────────────────────────────────────────────────────────────────────────


def _uncapped(query: ListQuery) -> ListQuery:
    return attrs.evolve(query, count_up_to=None)


class IgnoresTheCap(BrokenStore):
    def count(self, business_id: str, query: ListQuery, *, now: datetime) -> int:
        return super().count(business_id, _uncapped(query), now=now)


class CapsWithoutCursorOnly(BrokenStore):
    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        return super().page(business_id, _uncapped(query) if query.cursor else query, now=now)


class CapsTheRows(BrokenStore):
    """The rows come out of the subquery that counts no further than the cap."""

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        page = super().page(business_id, query, now=now)
        return attrs.evolve(page, next_cursor=None) if query.count_up_to else page


# ── reports ─────────────────────────────────────────────────────────────────────────────────────


class _AddsUp(BrokenStore):
    """Sound but for what a subclass does to the requests before they are counted."""

    def tally(
        self,
        business_id: str,
        period: Period,
        *,
        by: GroupBy | str | Iterable[GroupBy | str],
        settings: BusinessSettings,
        now: datetime,
    ) -> Performance:
        requests = [self.seen(request, now) for request in self.everything(business_id)]
        return tally(filter(None, requests), period, by=by, settings=settings, now=now)

    def seen(self, request: AbandonedRequest, now: datetime) -> AbandonedRequest | None:
        return request


class TalliesTheEndToo(_AddsUp):
    """``BETWEEN``."""

    def tally(
        self,
        business_id: str,
        period: Period,
        *,
        by: GroupBy | str | Iterable[GroupBy | str],
        settings: BusinessSettings,
        now: datetime,
    ) -> Performance:
        start_at, end_at = period.instants(settings.zone)
        longer = Period(start_at, end_at + timedelta(microseconds=1))
        report = super().tally(business_id, longer, by=by, settings=settings, now=now)
        return attrs.evolve(report, period=period)


class TalliesTheListOnly(_AddsUp):
    def seen(self, request: AbandonedRequest, now: datetime) -> AbandonedRequest | None:
        return request if is_listed(request, now=now) else None


class CountsEveryReply(_AddsUp):
    """Joins requests with their history and counts rows."""

    def tally(
        self,
        business_id: str,
        period: Period,
        *,
        by: GroupBy | str | Iterable[GroupBy | str],
        settings: BusinessSettings,
        now: datetime,
    ) -> Performance:
        report = super().tally(business_id, period, by=by, settings=settings, now=now)
        replies: Counter[Group] = Counter(
            (request.step,)
            for request in self.everything(business_id)
            for entry in request.history
            if entry.kind is HistoryKind.REPLY
        )
        rows = [
            attrs.evolve(row, tally=attrs.evolve(row.tally, replied=replies[row.group]))
            for row in report.rows
        ]
        return attrs.evolve(report, rows=tuple(rows))


class RoundsToSeconds(_AddsUp):
    def seen(self, request: AbandonedRequest, now: datetime) -> AbandonedRequest | None:
        rounded = [attrs.evolve(c, at=c.at.replace(microsecond=0)) for c in request.contacts]
        return attrs.evolve(request, contacts=tuple(rounded))


class CreditsTheFirstContact(_AddsUp):
    """Whoever was first in the list of contacts has the recovery."""

    def seen(self, request: AbandonedRequest, now: datetime) -> AbandonedRequest | None:
        if request.status is not Status.RECOVERED:
            return request
        return attrs.evolve(request, contacts=request.contacts[:1])


class TalliesWhatWasAdded(_AddsUp):
    """A table of facts that is written to when a request is added, and never again."""

    def __init__(self) -> None:
        super().__init__()
        self._facts: dict[tuple[str, str], AbandonedRequest] = {}

    def add(self, request: AbandonedRequest) -> bool:
        self._facts.setdefault((request.business_id, request.id), request)
        return super().add(request)

    def seen(self, request: AbandonedRequest, now: datetime) -> AbandonedRequest | None:
        return self._facts[request.business_id, request.id]


class TalliesNothing(_AddsUp):
    def seen(self, request: AbandonedRequest, now: datetime) -> AbandonedRequest | None:
        return None
