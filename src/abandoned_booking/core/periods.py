"""Which stretch of time a report is about, and its days, weeks and months.

Rules held here: P3 (days, weeks and months of the business's zone) and the periods of P1.

A period is half-open. A ``date`` in it means the first instant of that local day, so that a day on
which the clocks change has 23 or 25 hours, and a month is as long as the zone's calendar says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final, assert_never
from zoneinfo import ZoneInfo

import attrs
from dateutil.relativedelta import relativedelta

from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.listing import local_day_start
from abandoned_booking.errors import InvalidInput

__all__ = ["MOST_BUCKETS", "Bucket", "Every", "Period", "buckets_of"]

MOST_BUCKETS: Final = 4_000
"""how many days, weeks or months one trend may have: more than ten years of days"""


@attrs.frozen
class Period:
    """``start <= instant < end``; each a local day of the business or an aware instant.

    ``Period(date(2026, 1, 1), date(2026, 2, 1))`` is January.

    Raises :class:`InvalidInput` for a naive instant, and unless it ends after it starts.
    """

    start: date | datetime
    end: date | datetime

    def __attrs_post_init__(self) -> None:
        for field in ("start", "end"):
            boundary = getattr(self, field)
            if isinstance(boundary, datetime):
                as_utc(boundary, field=f"period.{field}")
            elif not isinstance(boundary, date):
                raise InvalidInput("must be a date, or an aware datetime", field=f"period.{field}")
        if isinstance(self.start, datetime) is isinstance(self.end, datetime):
            _check_order(self.start, self.end)

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Both ends as aware UTC instants.

        Raises :class:`InvalidInput` if that leaves nothing between a day and an instant, and for a
        day at the very ends of the calendar.
        """
        start_at, end_at = _instant(self.start, zone, "start"), _instant(self.end, zone, "end")
        if isinstance(self.start, datetime) is not isinstance(self.end, datetime):
            _check_order(start_at, end_at)
        return start_at, end_at


def _check_order(start: date | datetime, end: date | datetime) -> None:
    if not start < end:
        raise InvalidInput(
            "must be after its start; the end itself is not part of a period", field="period.end"
        )


def _instant(boundary: date | datetime, zone: ZoneInfo, field: str) -> datetime:
    if isinstance(boundary, datetime):
        return as_utc(boundary, field=f"period.{field}")
    try:
        return local_day_start(boundary, zone)
    except OverflowError:
        raise InvalidInput(
            "is too near the first or last year of the calendar", field=f"period.{field}"
        ) from None


class Every(StrEnum):
    """How long the stretches of a trend are (P3)."""

    DAY = "day"
    WEEK = "week"
    """from Monday"""
    MONTH = "month"


@attrs.frozen(kw_only=True)
class Bucket:
    """One day, week or month of a trend, cut where the period begins or ends within it."""

    on: date
    """its first local day, also where the period has cut that off"""
    start_at: datetime
    end_at: datetime


_STEPS: Final[Mapping[Every, Callable[[int], relativedelta]]] = {
    Every.DAY: lambda n: relativedelta(days=n),
    Every.WEEK: lambda n: relativedelta(weeks=n),
    Every.MONTH: lambda n: relativedelta(months=n),
}


def buckets_of(period: Period, *, every: Every | str, zone: ZoneInfo) -> tuple[Bucket, ...]:
    """The days, weeks or months of a period in order: none left out, no gap, no overlap.

    A local day that the zone has left out (Apia, 30 December 2011) has no bucket.

    Raises :class:`InvalidInput` for more than 4,000 of them, for an unknown ``every``, and for a
    period at the very ends of the calendar.
    """
    step = _STEPS[_as_every(every)]
    start_at, end_at = period.instants(zone)
    try:
        starts = list(_starts_of(start_at, end_at, _as_every(every), step, zone))
    except (OverflowError, ValueError):
        raise InvalidInput(
            "is too near the first or last year of the calendar", field="period"
        ) from None
    if len(starts) > MOST_BUCKETS:
        raise InvalidInput(
            f"gives more than {MOST_BUCKETS}; ask for longer ones, or for a shorter period",
            field="every",
        )
    return tuple(
        Bucket(on=on, start_at=max(start_at, at), end_at=end)
        for (on, at), (_, end) in pairwise([*starts, (date.max, end_at)])
        if max(start_at, at) < end
    )


def _starts_of(
    start_at: datetime,
    end_at: datetime,
    every: Every,
    step: Callable[[int], relativedelta],
    zone: ZoneInfo,
) -> Iterator[tuple[date, datetime]]:
    """Where each bucket begins, as a local day and as an instant; one more than there may be."""
    first = _first_day(start_at.astimezone(zone).date(), every)
    for number in range(MOST_BUCKETS + 1):
        on = first + step(number)
        at = local_day_start(on, zone)
        if at >= end_at:
            return
        yield on, at


def _first_day(on: date, every: Every) -> date:
    match every:
        case Every.DAY:
            return on
        case Every.WEEK:
            return on - timedelta(days=on.weekday())
        case Every.MONTH:
            return on.replace(day=1)
        case _:
            assert_never(every)


def _as_every(given: Every | str) -> Every:
    try:
        return Every(given)
    except ValueError:
        raise InvalidInput(f"must be one of {', '.join(Every)}", field="every") from None
