"""What the next clock occurrence costs (T3), beside plain zoneinfo and dateutil's ``rrule``.

Plain zoneinfo is the raw limit: three conversions and a comparison, no rule kept. ``rrule`` is
asked twice: with a start on the day in question, and with one that lies a year back, as a stored
rule would. Each figure is the median of rounds taken in turns over the same instants. The aim is
at most 1.25 times plain zoneinfo. Run: ``python benchmarks/next_occurrence.py [rounds]``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, rrule

from abandoned_booking.core.campaign import AtClockTime, Days
from abandoned_booking.core.schedule import next_occurrence

ZONE = ZoneInfo("America/New_York")
DAY = timedelta(days=1)
NINE = AtClockTime("09:00")
NINE_ON_WEEKDAYS = AtClockTime("09:00", Days.WEEKDAYS)
# A step of 7 h 13 min walks through all hours of the day and all days of the year.
INSTANTS = tuple(
    datetime(2026, 1, 1, tzinfo=UTC) + number * timedelta(hours=7, minutes=13)
    for number in range(1_200)
)


def plain_zoneinfo(after: datetime) -> datetime:
    """Today at nine or tomorrow at nine: no weekdays, no gap at midnight, no missing date."""
    local = after.astimezone(ZONE)
    wall = datetime(local.year, local.month, local.day, 9, tzinfo=ZONE)
    found = wall.astimezone(UTC)
    return found if found > after else (wall + DAY).astimezone(UTC)


def rrule_from(days_back: int) -> Callable[[datetime], datetime | None]:
    """The same question to ``rrule``, its start so many days before the instant."""

    def ask(after: datetime) -> datetime | None:
        local = after.astimezone(ZONE)
        start = local.replace(hour=9, minute=0) - days_back * DAY
        found: datetime | None = rrule(DAILY, dtstart=start).after(local)
        return found

    return ask


SUBJECTS: dict[str, tuple[Callable[[datetime], object], Sequence[datetime]]] = {
    "plain zoneinfo, no rule kept": (plain_zoneinfo, INSTANTS),
    "next_occurrence, daily": (lambda at: next_occurrence(NINE, after=at, zone=ZONE), INSTANTS),
    "next_occurrence, weekdays": (
        lambda at: next_occurrence(NINE_ON_WEEKDAYS, after=at, zone=ZONE),
        INSTANTS,
    ),
    "next_occurrence, zone by name": (
        lambda at: next_occurrence(NINE, after=at, zone="America/New_York"),
        INSTANTS,
    ),
    "rrule, starts that day": (rrule_from(0), INSTANTS),
    "rrule, starts a year back": (rrule_from(365), INSTANTS[::20]),
}


def microseconds(ask: Callable[[datetime], object], instants: Sequence[datetime]) -> float:
    """The mean time of one call."""
    began = time.perf_counter()
    for at in instants:
        ask(at)
    return (time.perf_counter() - began) / len(instants) * 1e6


def main(rounds: int) -> None:
    """Print a table: microseconds a call, and the ratio to plain zoneinfo."""
    samples: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for _ in range(rounds):
        for name, (ask, instants) in SUBJECTS.items():
            samples[name].append(microseconds(ask, instants))
    medians = {name: statistics.median(taken) for name, taken in samples.items()}
    raw = medians["plain zoneinfo, no rule kept"]
    print(f"{'next clock occurrence':34}{'µs':>9}{'x zoneinfo':>12}   median of {rounds}")
    for name, median in medians.items():
        print(f"{name:34}{median:9.2f}{median / raw:12.2f}")


if __name__ == "__main__":
    main(rounds=max(5, int(sys.argv[1])) if len(sys.argv) > 1 else 9)
