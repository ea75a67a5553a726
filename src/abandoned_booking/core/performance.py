"""What the recovery achieved: counts, rates and medians of a period.

Rules held here: P1 (the figures, by step, care type, client type and channel), P2 (who gets the
credit), S4 (a reversed recovery is in both figures). P3 is in :mod:`abandoned_booking.core.trends`.

**Which requests count.** A report is about the requests *abandoned in the period*: their
``abandoned_at``, which new activity moves (C2), lies in it. All figures are of these requests,
whenever the contact, the booking or the reply came; so the figures of a recent period still grow.
A request counts once the staff, or the leads, have it: it is what the list shows at ``now`` under
any status (:func:`~abandoned_booking.core.listing.is_listed`), and what went to the leads instead.
Completed by the client, withheld, deleted, not yet an hour old: not counted.

**What is not in a figure.** Credits are those of the requests that count, so a ledger may show
more: for messages whose request was deleted or completed since.

Everything is one pass over a stream and adds up: the tally of two streams is the sum of their
tallies, in whatever order. Memory grows by 8 bytes per contact time and recovery time (an exact
median needs them all), and by one row per group.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.intervals import Durations, Rate
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    ClientType,
    Contact,
    ContactState,
    HistoryKind,
    Status,
    Step,
)
from abandoned_booking.core.periods import Period
from abandoned_booking.errors import InvalidInput

__all__ = [
    "Group",
    "GroupBy",
    "Performance",
    "Row",
    "Tally",
    "counts_as_abandoned",
    "credited_channel",
    "tally",
]


class GroupBy(StrEnum):
    """By what a report is broken down (P1); a request is in exactly one row."""

    STEP = "step"
    """the step of the last activity"""
    CARE_TYPE = "care_type"
    CLIENT_TYPE = "client_type"
    OUTCOME = "outcome"
    """how the staff noted that the last call went"""
    CHANNEL = "channel"
    """whom a recovery is credited to (P2); for a request that is not recovered, the channel of its
    last contact, to which a booking now would be credited"""


Group: TypeAlias = tuple[str | None, ...]
"""one value for each :class:`GroupBy`, ``None`` where a request has none"""


# ── one request ─────────────────────────────────────────────────────────────────────────────────


def counts_as_abandoned(request: AbandonedRequest, *, now: datetime) -> bool:
    """Whether a report at ``now`` counts it: listed under any status, or in the leads instead."""
    return (
        request.listed_at <= now
        and request.step is not None
        and request.status is not Status.COMPLETED
        and request.deleted_at is None
        and not request.withheld
    )


def credited_channel(request: AbandonedRequest, *, credited_within: timedelta) -> Channel | None:
    """To which channel the booking of a recovered request is credited (P2).

    That of the last contact that counts, if the booking came no later than ``credited_within``
    after it; ``None`` without one, and for what is not recovered.
    """
    recovery = request.recovery
    if recovery is None:
        return None
    last = _last(c for c in request.contacts if c.counts and c.at <= recovery.at)
    return last.channel if last and recovery.at - last.at <= credited_within else None


def _last(contacts: Iterable[Contact]) -> Contact | None:
    return max(contacts, key=lambda contact: contact.at, default=None)


def _channel_of(request: AbandonedRequest, credited_within: timedelta) -> Channel | None:
    if request.status is Status.RECOVERED:
        return credited_channel(request, credited_within=credited_within)
    last = _last(contact for contact in request.contacts if contact.counts)
    return last.channel if last else None


_KEYS: Final[Mapping[GroupBy, Callable[[AbandonedRequest, timedelta], str | None]]] = {
    GroupBy.STEP: lambda request, _: request.step,
    GroupBy.CARE_TYPE: lambda request, _: request.form.care_type,
    GroupBy.CLIENT_TYPE: lambda request, _: request.client_type,
    GroupBy.OUTCOME: lambda request, _: request.outcome,
    GroupBy.CHANNEL: _channel_of,
}

# What a gateway took. A contact that the host reported (MADE) went out elsewhere.
_SENT: Final = frozenset({ContactState.ACCEPTED, ContactState.DELIVERED, ContactState.FAILED})
_CREDITS_AT_LEAST: Final = {
    Channel.RECOVERY_MESSAGE: 1,
    Channel.TEXT: 1,
    Channel.EMAIL: 0,
}
"""the channels of messages, and what one costs whose size nobody told"""


# ── the figures of many ─────────────────────────────────────────────────────────────────────────

_NO_TIMES: Final = Durations()


@attrs.frozen(kw_only=True)
class Tally:
    """The figures of P1 for some requests. ``Tally() + one + other`` adds them up."""

    abandoned: int = 0
    """the requests that count; the base of every rate"""
    contacted: int = 0
    """those with at least one contact that counts (S1, S2)"""
    recovered: int = 0
    """those in Recovered, reversed ones included (S4)"""
    reversed: int = 0
    """those of the recovered whose appointment was cancelled since (S4)"""
    sent: int = 0
    """messages that a gateway took: recovery messages, texts and e-mails"""
    delivered: int = 0
    """messages reported as delivered"""
    replied: int = 0
    """requests whose person answered by text at least once, opt-out words aside"""
    opted_out: int = 0
    """requests whose person opted out"""
    credits: int = 0
    """segments of the texts sent"""
    time_to_contact: Durations = _NO_TIMES
    """from ``abandoned_at`` to the first contact that counts; nothing, where the person was
    contacted first and then was active again"""
    time_to_recovery: Durations = _NO_TIMES
    """from ``abandoned_at`` to the booking"""

    @property
    def net_recovered(self) -> int:
        """Recovered net of reversed (S4)."""
        return self.recovered - self.reversed

    @property
    def contact_rate(self) -> Rate:
        """Contacted, of the abandoned."""
        return Rate(self.contacted, self.abandoned)

    @property
    def recovery_rate(self) -> Rate:
        """Recovered, of the abandoned; reversed ones included."""
        return Rate(self.recovered, self.abandoned)

    @property
    def net_recovery_rate(self) -> Rate:
        """Recovered net of reversed, of the abandoned (S4)."""
        return Rate(self.net_recovered, self.abandoned)

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in _FIGURES})


_FIGURES: Final = tuple(field.name for field in attrs.fields(Tally))


class TallyCounter:
    """A tally in the making: requests go in one by one."""

    __slots__ = ("_counts", "_to_contact", "_to_recovery")

    def __init__(self) -> None:
        self._counts: dict[str, int] = defaultdict(int)
        self._to_contact, self._to_recovery = array("q"), array("q")

    def add(self, request: AbandonedRequest) -> None:
        counts, since = self._counts, request.abandoned_at
        counts["abandoned"] += 1
        contacted_at = None
        for contact in request.contacts:
            if contact.counts and (contacted_at is None or contact.at < contacted_at):
                contacted_at = contact.at
            if contact.state in _SENT and contact.channel in _CREDITS_AT_LEAST:
                counts["sent"] += 1
                counts["delivered"] += contact.state is ContactState.DELIVERED
                counts["credits"] += contact.segments or _CREDITS_AT_LEAST[contact.channel]
        if contacted_at is not None:
            counts["contacted"] += 1
            self._to_contact.append(_microseconds_between(since, contacted_at))
        if request.status is Status.RECOVERED:
            counts["recovered"] += 1
            if request.recovery is not None:
                counts["reversed"] += request.recovery.reversed_at is not None
                self._to_recovery.append(_microseconds_between(since, request.recovery.at))
        kinds = {entry.kind for entry in request.history}
        counts["replied"] += HistoryKind.REPLY in kinds
        counts["opted_out"] += HistoryKind.OPTED_OUT in kinds

    def tally(self) -> Tally:
        return Tally(
            **self._counts,
            time_to_contact=Durations.of_microseconds(self._to_contact),
            time_to_recovery=Durations.of_microseconds(self._to_recovery),
        )


_MICROSECOND: Final = timedelta(microseconds=1)


def _microseconds_between(since: datetime, at: datetime) -> int:
    return max(0, (at - since) // _MICROSECOND)


@attrs.frozen(kw_only=True)
class Row:
    """One group of a report and its figures."""

    group: Group
    tally: Tally


@attrs.frozen(kw_only=True)
class Performance:
    """A report (P1): a row for each group that has a request, and the total of all.

    Two of one period and one breakdown add up, be it those of several workers or businesses.
    """

    period: Period
    by: tuple[GroupBy, ...] = ()
    rows: tuple[Row, ...] = ()
    """steps in the business's order, closed kinds in theirs, care types by name, none at the end"""
    steps: tuple[Step, ...] = ()
    """the business's order of steps"""

    @classmethod
    def of(
        cls,
        tallies: Mapping[Group, Tally],
        *,
        period: Period,
        by: GroupBy | str | Iterable[GroupBy | str],
        steps: tuple[Step, ...],
    ) -> Performance:
        """The report with these rows, put into their order."""
        grouping = _grouping(by)
        groups = sorted(tallies, key=lambda group: _rank(group, grouping, steps))
        rows = tuple(Row(group=group, tally=tallies[group]) for group in groups)
        return cls(period=period, by=grouping, rows=rows, steps=steps)

    @property
    def total(self) -> Tally:
        """The figures of all requests of the report."""
        return sum((row.tally for row in self.rows), Tally())

    def tally_of(self, *group: str | None) -> Tally:
        """The figures of one group; nothing but noughts if it has no request."""
        return next((row.tally for row in self.rows if row.group == group), Tally())

    def __add__(self, other: Performance) -> Performance:
        if (self.period, self.by) != (other.period, other.by):
            raise InvalidInput(
                "and breakdown must be the same to add up; "
                "add the tallies of the rows where they are not",
                field="period",
            )
        tallies: dict[Group, Tally] = defaultdict(Tally)
        for row in (*self.rows, *other.rows):
            tallies[row.group] += row.tally
        steps = tuple(dict.fromkeys((*self.steps, *other.steps)))
        return self.of(tallies, period=self.period, by=self.by, steps=steps)


def _grouping(by: GroupBy | str | Iterable[GroupBy | str]) -> tuple[GroupBy, ...]:
    try:
        grouping = tuple(map(GroupBy, [by] if isinstance(by, str) else by))
    except ValueError:
        raise InvalidInput(f"must be some of {', '.join(GroupBy)}", field="by") from None
    if len(set(grouping)) != len(grouping):
        raise InvalidInput("names one twice", field="by")
    return grouping


def _rank(
    group: Group, grouping: tuple[GroupBy, ...], steps: tuple[Step, ...]
) -> tuple[tuple[int, str], ...]:
    orders: dict[GroupBy, tuple[str, ...]] = {
        GroupBy.STEP: steps,
        GroupBy.CARE_TYPE: (),
        GroupBy.CLIENT_TYPE: tuple(ClientType),
        GroupBy.OUTCOME: (),
        GroupBy.CHANNEL: tuple(Channel),
    }
    return tuple(_place(value, orders[by]) for value, by in zip(group, grouping, strict=True))


def _place(value: str | None, order: tuple[str, ...]) -> tuple[int, str]:
    if value is None:
        return len(order) + 1, ""
    return (order.index(value) if value in order else len(order)), value


def tally(
    requests: Iterable[AbandonedRequest],
    period: Period,
    *,
    by: GroupBy | str | Iterable[GroupBy | str] = (),
    settings: BusinessSettings,
    now: datetime,
) -> Performance:
    """The figures of one business's requests, abandoned in ``period``, as the module says (P1).

    ``by`` is one :class:`GroupBy` or several; none gives one row. ``settings`` tell the zone of the
    period's days, the time within which a booking is credited (P2), and the order of the steps.

    Raises :class:`InvalidInput` for an unknown breakdown, and as :meth:`Period.instants` does.
    """
    grouping = _grouping(by)
    keys = [_KEYS[one] for one in grouping]
    within = settings.credited_within
    counters: dict[Group, TallyCounter] = defaultdict(TallyCounter)
    for request in of_period(requests, *period.instants(settings.zone), now):
        counters[tuple([key(request, within) for key in keys])].add(request)
    tallies = {group: counter.tally() for group, counter in counters.items()}
    return Performance.of(tallies, period=period, by=grouping, steps=settings.steps)


def of_period(
    requests: Iterable[AbandonedRequest], start_at: datetime, end_at: datetime, now: datetime
) -> Iterator[AbandonedRequest]:
    """Those of the requests that a report at ``now`` about that stretch of time counts."""
    for request in requests:
        if start_at <= request.abandoned_at < end_at and counts_as_abandoned(request, now=now):
            yield request
