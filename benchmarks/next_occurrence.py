"""What the next clock occurrence costs (T3), beside plain zoneinfo and dateutil's ``rrule``.

Plain zoneinfo is the raw limit: three conversions and a comparison, no rule kept. ``rrule`` is
asked twice: with a start on the day in question, and with one that lies a year back, as a stored
rule would. That no instant is wrong is a test (``tests/core/test_schedule_oracle.py``): every zone,
five years, against a scan. APScheduler and croniter fire twice in overlaps, cronsim is wrong in
Apia.

Run: ``python -m benchmarks.next_occurrence``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, rrule

from abandoned_booking.core.campaign import AtClockTime, Days
from abandoned_booking.core.schedule import next_occurrence
from benchmarks._harness import MANY, Bench, Take, pick, seconds

Ask: TypeAlias = Callable[[datetime], datetime | None]

ZONE = ZoneInfo("America/New_York")
DAY = timedelta(days=1)
NINE = AtClockTime("09:00")
NINE_ON_WEEKDAYS = AtClockTime("09:00", Days.WEEKDAYS)
# A step of 7 h 13 min walks through all hours of the day and all days of the year.
INSTANTS = tuple(
    datetime(2026, 1, 1, tzinfo=UTC) + number * timedelta(hours=7, minutes=13)
    for number in range(pick(full=1_200, quick=1_200, tiny=20))
)


def plain_zoneinfo(after: datetime) -> datetime:
    """Today at nine or tomorrow at nine: no weekdays, no gap at midnight, no missing date."""
    local = after.astimezone(ZONE)
    wall = datetime(local.year, local.month, local.day, 9, tzinfo=ZONE)
    found = wall.astimezone(UTC)
    return found if found > after else (wall + DAY).astimezone(UTC)


def rrule_from(days_back: int) -> Ask:
    """The same question to ``rrule``, its start so many days before the instant."""

    def ask(after: datetime) -> datetime | None:
        local = after.astimezone(ZONE)
        start = local.replace(hour=9, minute=0) - days_back * DAY
        found: datetime | None = rrule(DAILY, dtstart=start).after(local)
        return found

    return ask


def with_apscheduler() -> Ask:
    """A trigger of APScheduler: fires twice where an hour is repeated."""
    kind = importlib.import_module("apscheduler.triggers.cron").CronTrigger
    trigger = kind(hour=9, minute=0, timezone=ZONE)
    return lambda after: trigger.get_next_fire_time(None, after)


def with_croniter() -> Ask:
    """croniter: fires twice where an hour is repeated."""
    kind = importlib.import_module("croniter").croniter
    return lambda after: kind("0 9 * * *", after.astimezone(ZONE)).get_next(datetime)


def with_cronsim() -> Ask:
    """cronsim: wrong where a date is missing."""
    kind = importlib.import_module("cronsim").CronSim
    return lambda after: next(kind("0 9 * * *", after.astimezone(ZONE)))


OURS: Final[dict[str, Ask]] = {
    "next_occurrence, daily": lambda at: next_occurrence(NINE, after=at, zone=ZONE),
    "next_occurrence, weekdays": lambda at: next_occurrence(NINE_ON_WEEKDAYS, after=at, zone=ZONE),
    "next_occurrence, zone by name": lambda at: next_occurrence(
        NINE, after=at, zone="America/New_York"
    ),
}
RAW: Final = "plain zoneinfo, no rule kept"
RRULES: Final[dict[str, Ask]] = {
    "rrule, starts that day": rrule_from(0),
    "rrule, starts a year back": rrule_from(365),
}
PEERS: Final = {
    "apscheduler": with_apscheduler,
    "croniter": with_croniter,
    "cronsim": with_cronsim,
}


def microseconds(ask: Ask, instants: Sequence[datetime]) -> Take:
    """The mean time of one call."""

    def all_of_them() -> None:
        for at in instants:
            ask(at)

    return lambda: seconds(all_of_them) / len(instants) * 1e6


def main() -> None:
    bench = Bench("clock")
    peers = RRULES | {name: make() for name, make in PEERS.items() if bench.is_there(name)}
    takes = {
        name: microseconds(ask, INSTANTS) for name, ask in ({RAW: plain_zoneinfo} | OURS).items()
    }
    takes |= {name: microseconds(ask, INSTANTS[::20]) for name, ask in peers.items()}
    medians = bench.in_turns(
        "next clock occurrence", takes, unit="µs", raw=[RAW], peers=list(peers), rounds=MANY
    )
    ours = medians["next_occurrence, daily"]
    named = ", ".join(f"{name} {medians[name]:.1f} µs" for name in peers if name in medians)
    for ratio, of, aim in (
        (ours / medians[RAW], "×", "at most 1.25 × zoneinfo"),
        (ours, "µs", "at most 2.5 µs"),
    ):
        bench.judge(
            "next clock occurrence",
            ours=f"{ours:.2f} µs",
            raw=f"plain zoneinfo {medians[RAW]:.2f} µs",
            peer=named,
            ratio=ratio,
            of=of,
            aim=aim,
        )


if __name__ == "__main__":
    main()
