"""T3 by definition: every zone of the database against a scan of its instants.

The oracle knows nothing of folds. It asks a zone only what its wall shows at an instant, which is
never ambiguous, and draws the zone's timeline from that: stretches of one offset. An occurrence is
then looked up on the drawing, in the words of T3.

Here the days around every change of the clocks are compared, in all zones and over five years.
``HYPOTHESIS_PROFILE=thorough`` compares every day of those years.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from io import BytesIO
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import pytest

from abandoned_booking.core.campaign import AtClockTime, Days
from abandoned_booking.core.schedule import latest_occurrence, next_occurrence

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
YEARS = (2023, 2028)
TIMES = tuple(map(time.fromisoformat, ("00:00", "00:30", "02:30", "09:00", "23:30")))
WANTED = {Days.DAILY: range(7), Days.WEEKDAYS: range(5), Days.WEEKENDS: range(5, 7)}
# `localtime` is whatever the machine says, `Factory` is no place.
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
CONTINENTS = [*sorted({name.split("/")[0] for name in ZONES if "/" in name}), ""]

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)


class Stretch(NamedTuple):
    """From one change of a zone's clocks to the next."""

    begins: datetime
    ends: datetime
    offset: timedelta
    wall_begins: datetime
    """what the wall shows at ``begins``, naive"""
    wall_ends: datetime
    """what the wall would show at ``ends``, did the clocks not change"""


def stretch_of(begins: datetime, ends: datetime, offset: timedelta) -> Stretch:
    walls = ((instant + offset).replace(tzinfo=None) for instant in (begins, ends))
    return Stretch(begins, ends, offset, *walls)


def offset_at(zone: ZoneInfo, instant: datetime) -> timedelta:
    """What the wall shows at an instant less what UTC says."""
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def change_between(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second at which the offset is no longer that of ``low``."""
    offset = offset_at(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if offset_at(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high


def scan(zone: ZoneInfo, first: datetime, last: datetime) -> tuple[Stretch, ...]:
    """The zone's timeline between two instants: looked at every day, and where it changed."""
    stretches = []
    begins, at, offset = first, first, offset_at(zone, first)
    while at < last:
        tomorrow = at + DAY
        if (new := offset_at(zone, tomorrow)) != offset:
            change = change_between(zone, at, tomorrow)
            stretches.append(stretch_of(begins, change, offset))
            begins, offset = change, new
        at = tomorrow
    stretches.append(stretch_of(begins, at, offset))
    return tuple(stretches)


def occurrence_on(timeline: tuple[Stretch, ...], on: date, at: time) -> datetime | None:
    """T3, word for word."""
    wall, midnight = datetime.combine(on, at), datetime.combine(on, time())
    if not any(s.wall_begins < midnight + DAY and midnight < s.wall_ends for s in timeline):
        return None  # a local date that does not exist at all has none
    for stretch in timeline:
        if stretch.wall_begins <= wall < stretch.wall_ends:
            return as_instant(wall, stretch)  # one that exists twice: the first
    return as_instant(wall, max(s for s in timeline if s.wall_ends <= wall))  # before the gap


def as_instant(wall: datetime, stretch: Stretch) -> datetime:
    return (wall - stretch.offset).replace(tzinfo=UTC)


@cache
def occurrences(
    timeline: tuple[Stretch, ...], first_on: date, last_on: date, at: time, days: Days
) -> tuple[datetime, ...]:
    """All occurrences of the dates between two, both included. Cached: many zones are alike."""
    dates = (first_on + number * DAY for number in range((last_on - first_on).days + 1))
    found = (occurrence_on(timeline, on, at) for on in dates if on.weekday() in WANTED[days])
    return tuple(sorted(instant for instant in found if instant is not None))


def stretches_of_dates(
    timeline: tuple[Stretch, ...], first: date, last: date
) -> Iterator[tuple[date, date]]:
    """Which dates to look at: those around each change, and the first fortnight."""
    if THOROUGH:
        yield first, last
        return
    yield first, first + 14 * DAY
    for stretch in timeline[:-1]:
        changed_on = stretch.ends.date()
        # Eight days, so that there is a weekday and a weekend on either side.
        yield changed_on - 8 * DAY, changed_on + 8 * DAY


def compare(
    zone: ZoneInfo, timeline: tuple[Stretch, ...], first: date, last: date, *, every: int = 1
) -> int:
    """Ask at occurrences, just before them, and around changes: at ``every`` how many of these."""
    asked = 0
    changes = [stretch.ends for stretch in timeline[:-1]]
    around = sorted(
        change + timedelta(minutes=minutes)
        for change in changes
        for minutes in (-90, -31, -1, 0, 1, 29, 59, 91)
    )
    for first_on, last_on in stretches_of_dates(timeline, first, last):
        for at in TIMES:
            for days in Days:
                timing = AtClockTime(at, days)
                expected = occurrences(timeline, first_on, last_on, at, days)
                begins, ends = expected[0], expected[-1]
                probes = [probe for probe in around if begins <= probe < ends]
                probes += expected[:-1]
                probes += [instant - MICROSECOND for instant in expected[1:]]
                probes = probes[::every]
                for probe in probes:
                    found = next_occurrence(timing, after=probe, zone=zone)
                    wanted = expected[bisect_right(expected, probe)]
                    assert found == wanted, (zone.key, at, days, probe)
                for probe in probes[::3]:
                    found = latest_occurrence(timing, at_or_before=probe, zone=zone)
                    wanted = expected[bisect_right(expected, probe) - 1]
                    assert found == wanted, (zone.key, at, days, probe)
                asked += len(probes)
    return asked


@pytest.mark.parametrize("continent", CONTINENTS)
def test_every_zone_agrees_with_a_scan_of_its_instants(continent: str) -> None:
    """T3, over five years. Zones of one timeline (links, mostly) share it, but all are asked."""
    first, last = datetime(YEARS[0], 1, 1, tzinfo=UTC), datetime(YEARS[1], 1, 1, tzinfo=UTC)
    seen = set()
    names = [name for name in ZONES if name.rpartition("/")[0].split("/")[0] == continent]
    assert names
    for name in names:
        zone = ZoneInfo(name)
        timeline = scan(zone, first - 30 * DAY, last + 30 * DAY)
        every = 10 if timeline in seen else 1
        assert compare(zone, timeline, first.date(), last.date(), every=every) > 20
        seen.add(timeline)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("Pacific/Apia", date(2011, 12, 30)),
        ("Pacific/Fakaofo", date(2011, 12, 30)),
        ("Pacific/Kwajalein", date(1993, 8, 21)),
        ("Pacific/Kiritimati", date(1994, 12, 31)),
        ("Pacific/Kanton", date(1994, 12, 31)),
        ("Asia/Manila", date(1844, 12, 31)),
    ],
)
def test_zones_that_crossed_the_date_line_agree_with_a_scan(name: str, missing: date) -> None:
    """T3: a local date that does not exist has none, by the scan and by the library."""
    zone, around = ZoneInfo(name), datetime.combine(missing, time(), UTC)
    timeline = scan(zone, around - 60 * DAY, around + 60 * DAY)

    assert occurrence_on(timeline, missing, time(9)) is None
    assert compare(zone, timeline, missing - 30 * DAY, missing + 30 * DAY) > 100


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("Antarctica/Casey", 2010),  # three hours back across midnight
        ("Asia/Dhaka", 2009),  # a gap from Friday into Saturday
        ("America/St_Johns", 2010),  # clocks that changed a minute after midnight
        ("Asia/Pyongyang", 2018),  # half an hour, at half past eleven at night
        ("Africa/Cairo", 2014),  # four changes in a year
        ("Pacific/Rarotonga", 1978),  # behind the date line, a gap at midnight
        ("Antarctica/Vostok", 1994),  # seven hours at once
        ("Antarctica/McMurdo", 1956),  # twelve hours at once, the longest but for whole dates
        ("Africa/Monrovia", 1972),  # offsets with seconds
        ("America/Juneau", 1867),  # a date that came twice
    ],
)
def test_odd_years_agree_with_a_scan(name: str, year: int) -> None:
    """T3, where history was inventive."""
    zone = ZoneInfo(name)
    first, last = datetime(year - 1, 1, 1, tzinfo=UTC), datetime(year + 1, 12, 31, tzinfo=UTC)
    timeline = scan(zone, first - 30 * DAY, last + 30 * DAY)
    assert len(timeline) > 1
    assert compare(zone, timeline, first.date(), last.date()) > 100


@pytest.mark.parametrize(
    "rule",
    [
        "<-10>10<-09>,M3.2.0/23:30,M11.1.0/2",  # behind the date line, a gap across midnight
        "<-10>10<-09>,M3.2.0/0,M11.1.0/0",  # behind it, a gap at midnight, an overlap before it
        "<-11>11<+00>0,M3.2.0/18,M11.1.0/6",  # a gap of eleven hours across midnight
        "<+13>-13<+01>-1,M3.2.0/6,M11.1.0/18",  # twelve hours back, twelve forth
    ],
)
def test_zones_that_nobody_has_thought_of_yet_agree_with_a_scan(rule: str) -> None:
    """T3: a zone by the rule of POSIX, as a TZif file with no transitions of its own (RFC 9636)."""
    header = struct.pack("!4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + struct.pack(
        "!lbb", 0, 0, 0
    )
    zone = ZoneInfo.from_file(BytesIO(2 * (header + b"UTC\0") + f"\n{rule}\n".encode()), "made/up")
    first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    timeline = scan(zone, first - 30 * DAY, last + 30 * DAY)
    assert len(timeline) == 5
    assert compare(zone, timeline, first.date(), last.date()) > 100


def test_the_oracle_reads_the_examples_of_the_rule() -> None:
    """T3: who tests the tester."""
    new_york = scan(
        ZoneInfo("America/New_York"),
        datetime(2026, 9, 1, tzinfo=UTC),
        datetime(2027, 5, 1, tzinfo=UTC),
    )
    nuuk = scan(
        ZoneInfo("America/Nuuk"), datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 5, 1, tzinfo=UTC)
    )

    assert len(new_york) == 3
    gap, overlap = date(2027, 3, 14), date(2026, 11, 1)
    assert occurrence_on(new_york, gap, time(2, 30)) == datetime(2027, 3, 14, 7, 30, tzinfo=UTC)
    assert occurrence_on(new_york, overlap, time(1, 30)) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert occurrence_on(nuuk, date(2027, 3, 27), time(23, 30)) == datetime(
        2027, 3, 28, 1, 30, tzinfo=UTC
    )
