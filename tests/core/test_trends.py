"""P3: days, weeks and months of the business's zone, over days of 23 and 25 hours; P1's periods."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from core._examples import HOUR, INSTANT, NEW_YORK, NOON, local, paws, utc
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.model import AbandonedRequest, Status
from abandoned_booking.core.performance import Tally, tally
from abandoned_booking.core.periods import MOST_BUCKETS, Bucket, Every, Period, buckets_of
from abandoned_booking.core.trends import Trend, abandoned_by_hour_and_weekday, trend
from abandoned_booking.errors import InvalidInput
from abandoned_booking.testing import a_request

YEAR = Period(date(2026, 1, 1), date(2027, 1, 1))
LATER = utc("2027-06-01")
ZONES = st.sampled_from(
    ["UTC", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia"]
).map(ZoneInfo)


def left_at(*instants: datetime, **changes: Any) -> list[AbandonedRequest]:
    return [a_request(id=f"r{n}", abandoned_at=at, **changes) for n, at in enumerate(instants)]


def hours(bucket: Bucket) -> float:
    return (bucket.end_at - bucket.start_at) / HOUR


# ── periods ──────────────────────────────────────────────────────────────────────────────────────


def test_a_period_of_days_runs_from_local_midnight_to_local_midnight() -> None:
    start_at, end_at = Period(date(2026, 3, 8), date(2026, 3, 9)).instants(NEW_YORK)
    assert (start_at, end_at) == (utc("2026-03-08T05:00"), utc("2026-03-09T04:00"))
    assert start_at.tzinfo is UTC


def test_a_period_may_run_from_a_day_to_an_instant() -> None:
    period = Period(date(2026, 1, 5), NOON)
    assert period.instants(NEW_YORK) == (utc("2026-01-05T05:00"), NOON)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (NOON.replace(tzinfo=None), NOON, "period.start"),
        (NOON, NOON.replace(tzinfo=None), "period.end"),
        ("2026-01-05", NOON, "period.start"),
        (NOON, NOON, "period.end"),
        (NOON, NOON - INSTANT, "period.end"),
        (date(2026, 1, 5), date(2026, 1, 5), "period.end"),
    ],
)
def test_a_period_that_is_none_names_what_is_wrong(start: Any, end: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Period(start, end)
    assert caught.value.field == field


def test_a_day_and_an_instant_before_it_are_told_apart_in_the_zone() -> None:
    period = Period(date(2026, 1, 6), utc("2026-01-06T03:00"))
    assert period.instants(ZoneInfo("UTC")) == (utc("2026-01-06"), utc("2026-01-06T03:00"))
    with pytest.raises(InvalidInput, match=r"period\.end"):
        period.instants(NEW_YORK)


def test_a_day_that_utc_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"period\.start: .*first or last year"):
        Period(date.min, date(2026, 1, 1)).instants(ZoneInfo("Asia/Tokyo"))


@pytest.mark.parametrize("every", Every)
def test_the_last_days_of_the_calendar_have_no_trend(every: Every) -> None:
    last = Period(datetime(9999, 12, 30, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC))
    with pytest.raises(InvalidInput, match=r"period: .*first or last year"):
        buckets_of(last, every=every, zone=NEW_YORK)


# ── days, weeks, months ──────────────────────────────────────────────────────────────────────────


def test_every_month_of_a_year_is_there_and_as_long_as_the_calendar_says() -> None:
    months = buckets_of(YEAR, every=Every.MONTH, zone=NEW_YORK)
    assert [bucket.on for bucket in months] == [date(2026, month, 1) for month in range(1, 13)]
    lengths = [hours(bucket) / 24 for bucket in months]
    assert lengths[1] == 28
    assert lengths[2] == pytest.approx(31 - 1 / 24)
    assert lengths[10] == pytest.approx(30 + 1 / 24)


@pytest.mark.parametrize(
    ("day", "zone", "length"),
    [
        (date(2026, 3, 8), "America/New_York", 23),
        (date(2026, 11, 1), "America/New_York", 25),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
        # The clocks are put forward at midnight: the day begins at one.
        (date(2026, 9, 6), "America/Santiago", 23),
        (date(2026, 4, 4), "America/Santiago", 25),
    ],
)
def test_a_day_on_which_the_clocks_change_is_as_long_as_it_is(
    day: date, zone: str, length: float
) -> None:
    week = Period(day - timedelta(days=3), day + timedelta(days=3))
    found = {b.on: hours(b) for b in buckets_of(week, every="day", zone=ZoneInfo(zone))}
    assert len(found) == 6
    assert found.pop(day) == length
    assert set(found.values()) == {24}


def test_a_day_that_a_zone_left_out_has_no_bucket() -> None:
    period = Period(date(2011, 12, 29), date(2012, 1, 1))
    days = buckets_of(period, every="day", zone=ZoneInfo("Pacific/Apia"))
    assert [bucket.on.day for bucket in days] == [29, 31]
    only = Period(date(2011, 12, 30), date(2011, 12, 31))
    assert buckets_of(only, every="day", zone=ZoneInfo("Pacific/Apia")) == ()


def test_weeks_begin_on_monday_and_are_cut_where_the_period_ends() -> None:
    weeks = buckets_of(Period(date(2026, 1, 1), date(2026, 1, 14)), every="week", zone=NEW_YORK)
    assert [bucket.on for bucket in weeks] == [
        date(2025, 12, 29),
        date(2026, 1, 5),
        date(2026, 1, 12),
    ]
    assert [hours(bucket) / 24 for bucket in weeks] == [4, 7, 2]


def test_a_month_that_the_period_cuts_is_named_by_its_own_first_day() -> None:
    (month,) = buckets_of(Period(NOON, NOON + HOUR), every="month", zone=NEW_YORK)
    assert month == Bucket(on=date(2026, 1, 1), start_at=NOON, end_at=NOON + HOUR)


@given(
    start=st.datetimes(datetime(2010, 1, 1), datetime(2027, 1, 1)),
    length=st.timedeltas(INSTANT, timedelta(days=400)),
    every=st.sampled_from(Every),
    zone=ZONES,
)
def test_the_buckets_cover_the_period_without_gap_or_overlap(
    start: datetime, length: timedelta, every: Every, zone: ZoneInfo
) -> None:
    start_at = start.replace(tzinfo=UTC)
    buckets = buckets_of(Period(start_at, start_at + length), every=every, zone=zone)
    assert (buckets[0].start_at, buckets[-1].end_at) == (start_at, start_at + length)
    for one, following in pairwise(buckets):
        assert one.start_at < one.end_at == following.start_at
    for bucket in buckets:
        first, last = (
            at.astimezone(zone).date() for at in (bucket.start_at, bucket.end_at - INSTANT)
        )
        match every:
            case Every.DAY:
                assert first == last == bucket.on
            case Every.WEEK:
                assert bucket.on.weekday() == 0
                assert bucket.on <= first <= last <= bucket.on + timedelta(days=6)
            case Every.MONTH:
                assert bucket.on == first.replace(day=1) == last.replace(day=1)


def test_a_trend_has_a_bound_and_its_error_says_the_way_out() -> None:
    most = Period(date(2010, 1, 1), date(2010, 1, 1) + timedelta(days=MOST_BUCKETS))
    assert len(buckets_of(most, every="day", zone=NEW_YORK)) == MOST_BUCKETS
    over = Period(date(2010, 1, 1), date(2010, 1, 2) + timedelta(days=MOST_BUCKETS))
    with pytest.raises(InvalidInput, match="ask for longer ones") as caught:
        buckets_of(over, every="day", zone=NEW_YORK)
    assert caught.value.field == "every"
    assert len(buckets_of(over, every="month", zone=NEW_YORK)) == 132


def test_an_unknown_stretch_names_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="every: must be one of day, week, month"):
        trend([], YEAR, every="year", settings=paws(), now=LATER)


# ── trends ───────────────────────────────────────────────────────────────────────────────────────


def test_a_request_is_in_the_local_day_on_which_it_was_left() -> None:
    requests = left_at(
        local("2026-03-07T23:59"),
        local("2026-03-08T00:00"),
        local("2026-03-08T23:59"),
        local("2026-03-09T00:00"),
        local("2026-03-10T00:00"),
    )
    period = Period(date(2026, 3, 7), date(2026, 3, 10))
    days = trend(requests, period, every="day", settings=paws(), now=LATER)
    assert [point.tally.abandoned for point in days.points] == [1, 2, 1]


def test_a_week_without_requests_is_there_with_noughts() -> None:
    requests = left_at(NOON, NOON + timedelta(days=14))
    period = Period(date(2026, 1, 5), date(2026, 1, 26))
    weeks = trend(requests, period, every=Every.WEEK, settings=paws(), now=LATER)
    assert [point.tally.abandoned for point in weeks.points] == [1, 0, 1]
    assert weeks.points[1].tally == Tally()
    assert weeks.points[1].tally.recovery_rate.interval() is None


INSTANTS = st.lists(st.datetimes(datetime(2025, 12, 30), datetime(2026, 3, 3)), max_size=8).map(
    lambda naive: [at.replace(tzinfo=UTC) for at in naive]
)


@given(instants=INSTANTS, every=st.sampled_from(Every), cut=st.integers(0, 8))
def test_a_trend_is_the_tally_of_each_of_its_stretches_and_adds_up(
    instants: list[datetime], every: Every, cut: int
) -> None:
    requests = left_at(*instants, status=Status.RECOVERED)
    period, settings = Period(date(2026, 1, 1), date(2026, 3, 1)), paws()

    def of(some: list[AbandonedRequest]) -> Trend:
        return trend(some, period, every=every, settings=settings, now=LATER)

    whole = of(requests)
    for point in whole.points:
        stretch = Period(point.bucket.start_at, point.bucket.end_at)
        assert point.tally == tally(requests, stretch, settings=settings, now=LATER).total
    assert whole.total == tally(requests, period, settings=settings, now=LATER).total
    assert of(requests[:cut]) + of(requests[cut:]) == whole


def test_trends_of_different_stretches_do_not_add_up() -> None:
    weeks, days = (trend([], YEAR, every=e, settings=paws(), now=LATER) for e in ("week", "day"))
    with pytest.raises(InvalidInput, match="same"):
        weeks + days


# ── hours of the week ────────────────────────────────────────────────────────────────────────────


def test_people_are_counted_in_the_hour_that_the_business_s_clock_showed() -> None:
    requests = left_at(
        NOON,
        local("2026-01-05T07:59:59"),
        # One o'clock comes twice, an hour apart.
        utc("2026-11-01T05:30"),
        utc("2026-11-01T06:30"),
        local("2027-01-01T00:00"),
    )
    found = abandoned_by_hour_and_weekday(requests, YEAR, settings=paws(), now=LATER)
    assert found.timezone == "America/New_York"
    assert [len(day) for day in found.counts] == [24] * 7
    assert found.counts[0][7] == 2
    assert found.counts[6][1] == 2
    assert sum(map(sum, found.counts)) == 4


def test_hours_of_one_zone_add_up_and_those_of_two_do_not() -> None:
    def of(*instants: datetime, **changes: Any) -> Any:
        settings = paws(**changes)
        requests = left_at(*instants)
        return abandoned_by_hour_and_weekday(requests, YEAR, settings=settings, now=LATER)

    assert of(NOON) + of(NOON, NOON + HOUR) == of(NOON, NOON, NOON + HOUR)
    with pytest.raises(InvalidInput, match="timezone"):
        of(NOON) + of(NOON, timezone="UTC")
