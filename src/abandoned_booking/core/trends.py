"""How the recovery develops, and in which hours of the week people leave.

Rules held here: P3 (by day, week and month in the business's zone). Which requests count, and what
each figure is, stands in :mod:`abandoned_booking.core.performance`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.core.performance import Tally, TallyCounter, of_period
from abandoned_booking.core.periods import Bucket, Every, Period, buckets_of
from abandoned_booking.errors import InvalidInput

__all__ = [
    "HoursOfWeek",
    "Trend",
    "TrendPoint",
    "abandoned_by_hour_and_weekday",
    "trend",
]


@attrs.frozen(kw_only=True)
class TrendPoint:
    """The figures of one day, week or month."""

    bucket: Bucket
    tally: Tally


@attrs.frozen(kw_only=True)
class Trend:
    """The figures of every day, week or month of a period, also where nothing was abandoned.

    Two with the same days, weeks or months add up.
    """

    every: Every
    points: tuple[TrendPoint, ...]

    @property
    def total(self) -> Tally:
        """The figures of the whole period."""
        return sum((point.tally for point in self.points), Tally())

    def __add__(self, other: Trend) -> Trend:
        if [point.bucket for point in self.points] != [point.bucket for point in other.points]:
            raise InvalidInput("and days, weeks or months must be the same", field="period")
        points = (
            TrendPoint(bucket=one.bucket, tally=one.tally + another.tally)
            for one, another in zip(self.points, other.points, strict=True)
        )
        return attrs.evolve(self, points=tuple(points))


def trend(
    requests: Iterable[AbandonedRequest],
    period: Period,
    *,
    every: Every | str,
    settings: BusinessSettings,
    now: datetime,
) -> Trend:
    """The same figures for every day, week (from Monday) or month in the business's zone (P3).

    What the period cuts off a first or last week or month is not in its figures.

    Raises :class:`InvalidInput` as :func:`~abandoned_booking.core.periods.buckets_of` does.
    """
    buckets = buckets_of(period, every=every, zone=settings.zone)
    starts = [bucket.start_at for bucket in buckets]
    counters = [TallyCounter() for _ in buckets]
    for request in of_period(requests, *period.instants(settings.zone), now):
        counters[bisect_right(starts, request.abandoned_at) - 1].add(request)
    points = (
        TrendPoint(bucket=bucket, tally=counter.tally())
        for bucket, counter in zip(buckets, counters, strict=True)
    )
    return Trend(every=Every(every), points=tuple(points))


@attrs.frozen(kw_only=True)
class HoursOfWeek:
    """How many requests were abandoned in each hour of the week; two of one zone add up."""

    timezone: str
    """IANA name: whose hours they are"""
    counts: tuple[tuple[int, ...], ...]
    """seven rows from Monday, each of 24 hours from midnight"""

    def __add__(self, other: HoursOfWeek) -> HoursOfWeek:
        if self.timezone != other.timezone:
            raise InvalidInput("must be the same to add up", field="timezone")
        counts = (
            tuple(map(sum, zip(one, another, strict=True)))
            for one, another in zip(self.counts, other.counts, strict=True)
        )
        return attrs.evolve(self, counts=tuple(counts))


def abandoned_by_hour_and_weekday(
    requests: Iterable[AbandonedRequest],
    period: Period,
    *,
    settings: BusinessSettings,
    now: datetime,
) -> HoursOfWeek:
    """In which hours of the week, on the business's clock, the requests of a period were left.

    Raises :class:`InvalidInput` as :meth:`Period.instants` does.
    """
    counts = [[0] * 24 for _ in range(7)]
    zone = settings.zone
    for request in of_period(requests, *period.instants(zone), now):
        local = request.abandoned_at.astimezone(zone)
        counts[local.weekday()][local.hour] += 1
    return HoursOfWeek(timezone=settings.timezone, counts=tuple(map(tuple, counts)))
