"""Counts what has become of everybody, from what is stored and what has really happened."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import attrs
from faults.people import A_DAY, BUSINESSES, Visitor
from faults.record import Line, Record

from abandoned_booking import AbandonedBookings, AbandonedRequest, Reason, Status
from abandoned_booking.core.model import MessagePhase

TAKEN: Final = frozenset({MessagePhase.SENT, MessagePhase.DELIVERED, MessagePhase.UNDELIVERED})
_NO_ANSWER: Final = frozenset({"unknown", "raises"})


@attrs.define
class Counts:
    """What has become of them. What is in ``lost`` or ``twice`` must not be."""

    requests: int = 0
    accepted_once: int = 0
    """and on record as sent"""
    unconfirmed: Counter[str] = attrs.Factory(Counter)
    """may have been sent: why nobody knows"""
    not_sent: Counter[str] = attrs.Factory(Counter)
    """failed, skipped or left alone: why"""
    lost: list[str] = attrs.Factory(list)
    twice: list[str] = attrs.Factory(list)
    """attempts that were accepted more than once"""
    begun_after_opt_out: list[str] = attrs.Factory(list)
    phones_twice: list[str] = attrs.Factory(list)
    """two texts that were promised to one phone within a day (R7)"""
    phones_by_the_clock: list[str] = attrs.Factory(list)
    """the same, but the clock said that a day had passed"""

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.twice or self.begun_after_opt_out or self.phones_twice)


class History:
    """The record, by what one asks of it."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.accepted: Counter[str] = Counter()
        self.said: defaultdict[str, set[str]] = defaultdict(set)
        self.unrecorded: defaultdict[str, set[str]] = defaultdict(set)
        """by request: who was about to begin, and has not recorded how it ended"""
        self.failed: set[str] = set()
        """requests that the store has failed a sweep with"""
        self.acts: defaultdict[str, list[Line]] = defaultdict(list)
        self.texts: defaultdict[str, list[tuple[datetime, str]]] = defaultdict(list)
        """by phone of a business: for when each text was promised, and which it is"""
        self.reservations: defaultdict[str, list[datetime]] = defaultdict(list)
        self._reserved: dict[tuple[str, str], datetime] = {}
        self._beginning: dict[str, str] = {}
        """by who: the request whose begin it may have won"""
        for line in lines:
            self._take(line)

    def _take(self, line: Line) -> None:
        match line.what:
            case "reserved":
                at = datetime.fromisoformat(line.how)
                self._reserved[line.who, line.about] = at
                self.reservations[line.about].append(at)
            case "beginning":
                self._begins(line)
            case "accepted":
                self.accepted[line.about] += 1
                if line.about.endswith(".m"):
                    at = self._reserved[line.who, line.about]
                    self.texts[line.how].append((at, line.about))
            case "said":
                self._beginning.pop(line.who, None)
                self.said[line.about].add(line.how)
            case "recorded":
                self.unrecorded[line.about].discard(line.who)
            case "failed":
                self.failed.add(line.about)
            case _:
                self.acts[line.what].append(line)

    def _begins(self, line: Line) -> None:
        lost = self._beginning.get(line.who)
        if lost is not None:
            # It has gone on to another without sending: somebody else had begun.
            self.unrecorded[lost].discard(line.who)
        self._beginning[line.who] = line.about
        self.unrecorded[line.about].add(line.who)


def begun_after_opt_out(lines: Iterable[Line], people: Iterable[Visitor]) -> Iterator[str]:
    """Attempts accepted of who began after the opt-out of that phone had returned (I4)."""
    phone_of = {one.request_id: f"{one.business_id}{one.phone}" for one in people}
    opted_out: set[str] = set()
    late: dict[tuple[str, str], bool] = {}
    for line in lines:
        match line.what:
            case "opt_out":
                opted_out.add(line.how)
            case "beginning":
                late[line.who, line.about] = phone_of[line.about] in opted_out
            case "accepted":
                request_id, _, contact_id = line.about.rpartition(".")
                if contact_id == "m" and late[line.who, request_id]:
                    yield line.about


def phones_twice(history: History) -> Iterator[tuple[str, bool]]:
    """Pairs of texts that were promised to one phone within a day (R7).

    With each, whether the clock was moved between the reservations of one of them: a day that has
    passed by the clock alone frees a phone.
    """
    for texts in history.texts.values():
        by_time = sorted(texts)
        for (one_at, one), (other_at, other) in pairwise(by_time):
            if one != other and other_at - one_at < A_DAY:
                spans = [_span(history.reservations[attempt]) for attempt in (one, other)]
                yield f"{one} {other}", max(spans) >= A_DAY / 2


def _span(instants: list[datetime]) -> timedelta:
    return max(instants) - min(instants)


def audit(store: Any, record: Record, people: list[Visitor]) -> Counts:
    """What has become of all of them."""
    lines = list(record.lines())
    history = History(lines)
    stored = {found.id: found for business in BUSINESSES for found in store.stream(business)}
    counts = Counts(requests=len(people))
    counts.twice = [attempt for attempt, times in history.accepted.items() if times > 1]
    counts.begun_after_opt_out = list(begun_after_opt_out(lines, people))
    for pair, by_the_clock in phones_twice(history):
        (counts.phones_by_the_clock if by_the_clock else counts.phones_twice).append(pair)
    visited = {line.about for line in history.acts["visit"]}
    for visitor in people:
        request = stored.pop(visitor.request_id, None)
        if request is None or str(visitor.number) not in visited:
            counts.lost.append(f"{visitor.request_id}: not stored")
        else:
            _count(counts, request, history)
    counts.lost += [f"{request_id}: from nowhere" for request_id in stored]
    counts.lost += _acts_lost(store, history, people)
    return counts


def _count(counts: Counts, request: AbandonedRequest, history: History) -> None:
    attempt_id, message = f"{request.id}.m", request.message
    was_accepted = bool(history.accepted[attempt_id])
    match message.phase:
        case phase if phase in TAKEN and was_accepted:
            counts.accepted_once += 1
        case MessagePhase.UNCONFIRMED if message.reasons == (Reason.IN_DOUBT,):
            why = _why_nobody_knows(request, history)
            if why is None:
                counts.lost.append(f"{request.id}: in doubt, and its answer was recorded")
            else:
                counts.unconfirmed[f"{'sent' if was_accepted else 'not sent'}, {why}"] += 1
        case MessagePhase.FAILED | MessagePhase.SKIPPED if message.reasons and not was_accepted:
            counts.not_sent[f"{message.phase}: {', '.join(message.reasons)}"] += 1
        case MessagePhase.PENDING if request.status is Status.CONTACTED and not was_accepted:
            counts.not_sent["pending: contacted by the staff"] += 1
        case phase:
            taken = "accepted" if was_accepted else "not accepted"
            counts.lost.append(f"{request.id}: {taken}, and {phase.value}")


def _why_nobody_knows(request: AbandonedRequest, history: History) -> str | None:
    if request.id in history.failed:
        return "the store failed its worker"
    if history.unrecorded[request.id]:
        return "its worker had no time to record it"
    if history.said[f"{request.id}.m"] & _NO_ANSWER:
        return "the gateway gave no answer"
    return None


def _acts_lost(store: Any, history: History, people: list[Visitor]) -> Iterator[str]:
    """What people did, and were told was done, and is not there."""
    bookings = AbandonedBookings(store)

    def stored(line: Line) -> AbandonedRequest:
        visitor = people[int(line.about)]
        found: AbandonedRequest = store.get(visitor.business_id, visitor.request_id)
        return found

    for line in history.acts["book"]:
        if stored(line).is_open:
            yield f"booking of {line.about}"
    for line in (*history.acts["call"], *history.acts["text"]):
        contacts = [contact.id for contact in stored(line).contacts]
        if line.how != "-" and line.how not in contacts:
            yield f"contact {line.how} of {line.about}"
    for line in history.acts["opt_out"]:
        visitor = people[int(line.about)]
        if not bookings.inbound.suppressed(visitor.business_id, visitor.phone).opted_out:
            yield f"opt-out of {line.about}"
