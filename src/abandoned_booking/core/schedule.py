"""When a recovery message is due: delays, clock times, daylight saving and grace.

Rules held here: T1 (a delay is elapsed time), T2 (a clock time is read in the business's zone and
takes those that are past the hour of C4), T3 (clock times that do not exist, exist twice, or whose
date does not exist), T4 (late: within the grace it still goes), R9 (held in quiet hours).

Only ``zoneinfo`` zones and their plain arithmetic are used. It reads a wall time in a gap with the
offset before the gap, as RFC 5545 section 3.3.5 asks, and takes the first of two (PEP 495).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias, assert_never
from zoneinfo import ZoneInfo

import attrs

from abandoned_booking.core.campaign import AfterDelay, AtClockTime, Days, Timing, zone_named
from abandoned_booking.core.instants import as_utc
from abandoned_booking.errors import InvalidInput

__all__ = ["Due", "DueState", "latest_occurrence", "message_due_at", "next_occurrence"]

_DAY: Final = timedelta(days=1)
_NOTHING: Final = timedelta(0)
_INSTANT: Final = timedelta(microseconds=1)

_DAILY: Final = Days.DAILY
_WEEKDAYS: Final = Days.WEEKDAYS
_SATURDAY: Final = 5

# Two facts of the time zone database since 1840 spare most calls a look at rare cases. The tests
# compare every zone with a scan of its instants, so a new release that breaks one is noticed.
_LONGEST_GAP_HOURS: Final = 12
"""No clock was ever put forward by more, unless it skipped exactly one whole date."""
_DATE_LINE: Final = timedelta(hours=-8, minutes=-30)
"""Nobody was ever more than 15 h 14 min ahead of UTC: who skips a date starts behind this."""


class DueState(StrEnum):
    """How a message stands to the present."""

    WAITING = "waiting"
    """its instant has not come"""
    DUE = "due"
    """its instant has come, and the grace is not over"""
    MISSED = "missed"
    """never: the grace of a delay is over (T4), or quiet hours do not end (R9)"""


@attrs.frozen(kw_only=True)
class Due:
    """The instant of a message, and how it stands to the ``now`` that was asked about.

    ::

        match message_due_at(timing, ...):
            case Due(state=DueState.WAITING, at=at): ...  # look again at that instant
            case Due(state=DueState.DUE): ...  # now
            case Due(state=DueState.MISSED): ...  # never
    """

    at: datetime
    """aware UTC: the nominal instant; while waiting, when it goes, quiet hours included"""
    state: DueState

    @property
    def missed(self) -> bool:
        """Whether it is too late for good."""
        return self.state is DueState.MISSED


AllowedFrom: TypeAlias = Callable[[datetime], datetime | None]
"""The first allowed instant from the given one on, or ``None`` if there is none."""


def _always(at: datetime) -> datetime:
    return at


def next_occurrence(timing: AtClockTime, *, after: datetime, zone: str | ZoneInfo) -> datetime:
    """The first occurrence strictly after an instant, aware UTC (T2, T3).

    A wall time that the zone's clocks skip that day is read with the offset before the gap, and is
    still that day's occurrence, for weekdays too: 02:30 in New York on 2027-03-14 is 07:30 UTC, or
    03:30 on the wall. One that comes twice: the first. A local date that the zone skipped as a
    whole (``Pacific/Apia`` 2011-12-30) has none.

    Raises :class:`InvalidInput` for a naive ``after``, or if the year 9999 ends before it occurs;
    :class:`InvalidSettings` for a name that is not a zone.
    """
    if after.tzinfo is not UTC:
        after = as_utc(after, field="after")
    if not isinstance(zone, ZoneInfo):
        zone = zone_named(zone)
    try:
        local = after.astimezone(zone)
        # Yesterday's occurrence may lie in today's early hours, pushed there by a gap at midnight.
        # Even nothing must be subtracted: it drops a fold from the time of day.
        back = _DAY if local.hour < _LONGEST_GAP_HOURS else _NOTHING
        wall = datetime.combine(local, timing.at, zone) - back
        while True:
            found = wall.astimezone(UTC)
            if found > after and _holds(timing.days, wall):
                return found
            wall += _DAY
    except OverflowError:
        raise _beyond_the_calendar("after") from None


def latest_occurrence(
    timing: AtClockTime, *, at_or_before: datetime, zone: str | ZoneInfo
) -> datetime:
    """The last occurrence at or before an instant, aware UTC, as :func:`next_occurrence` reads it.

    Raises :class:`InvalidInput` for a naive ``at_or_before``, or if it lies before the calendar;
    :class:`InvalidSettings` for a name that is not a zone.
    """
    at_or_before = as_utc(at_or_before, field="at_or_before")
    if not isinstance(zone, ZoneInfo):
        zone = zone_named(zone)
    try:
        # Tomorrow's may have come already: clocks that go back at midnight repeat the day before.
        wall = datetime.combine(at_or_before.astimezone(zone), timing.at, zone) + _DAY
        while True:
            found = wall.astimezone(UTC)
            if found <= at_or_before and _holds(timing.days, wall):
                return found
            wall -= _DAY
    except OverflowError:
        raise _beyond_the_calendar("at_or_before") from None


def message_due_at(
    timing: Timing,
    *,
    abandoned_at: datetime,
    listable_at: datetime,
    now: datetime,
    grace: timedelta,
    zone: str | ZoneInfo,
    allowed_from: AllowedFrom = _always,
) -> Due:
    """When a request's recovery message is due, seen from ``now`` (T1, T2, T4, R9).

    ``listable_at`` is the hour of C4, ``abandoned_at`` plus the business's ``listed_after``; only
    clock times ask for it. ``grace`` counts from the nominal instant and includes its end.

    A delay waits until its instant, is due within the grace and missed after it. A clock time is
    due within the grace of its last occurrence, unless the request was younger than the hour then;
    otherwise it waits for the next one, and is never missed.

    ``allowed_from`` holds a message back in quiet hours (R9): it answers with the first allowed
    instant from the given one on, or ``None`` for never. A message that was held for the last of
    its grace goes at the next allowed instant, with a grace of its own.

    Raises :class:`InvalidInput` for a naive instant.
    """
    now = as_utc(now, field="now")
    match timing:
        case AfterDelay():
            abandoned_at = as_utc(abandoned_at, field="abandoned_at")
            return _opening(abandoned_at + timing.delay, now, grace, allowed_from)
        case AtClockTime():
            listable_at = as_utc(listable_at, field="listable_at")
            return _at_clock_time(timing, listable_at, now, grace, zone, allowed_from)
        case _:
            assert_never(timing)


def _opening(due_at: datetime, now: datetime, grace: timedelta, allowed_from: AllowedFrom) -> Due:
    """How a message of that nominal instant stands to ``now``."""
    opens_at = allowed_from(due_at)
    if opens_at is None:
        return Due(at=due_at, state=DueState.MISSED)
    # Nobody is late before the first instant at which it may go.
    ends_at = opens_at + grace
    if now > ends_at:
        # Quiet at the end of its grace: it was held, not late.
        held_until = allowed_from(ends_at)
        if held_until is None or held_until == ends_at or now > held_until + grace:
            return Due(at=due_at, state=DueState.MISSED)
    goes_at = allowed_from(now) if now > opens_at else opens_at
    if goes_at is None:
        return Due(at=due_at, state=DueState.MISSED)
    if goes_at > now:
        return Due(at=goes_at, state=DueState.WAITING)
    return Due(at=due_at, state=DueState.DUE)


def _at_clock_time(
    timing: AtClockTime,
    listable_at: datetime,
    now: datetime,
    grace: timedelta,
    zone: str | ZoneInfo,
    allowed_from: AllowedFrom,
) -> Due:
    if listable_at <= now:
        latest_at = latest_occurrence(timing, at_or_before=now, zone=zone)
        if listable_at <= latest_at:
            due = _opening(latest_at, now, grace, allowed_from)
            if not due.missed:
                return due
    # "Strictly after" an instant earlier: an occurrence at the very end of the hour counts.
    after = max(now, listable_at - _INSTANT)
    return _opening(next_occurrence(timing, after=after, zone=zone), now, grace, allowed_from)


def _holds(days: Days, wall: datetime) -> bool:
    """Whether the date of a wall time is among ``days``, and exists where the clock hangs."""
    if days is not _DAILY and (wall.weekday() < _SATURDAY) is not (days is _WEEKDAYS):
        return False
    return (wall.utcoffset() or _NOTHING) > _DATE_LINE or _date_exists(wall)


def _date_exists(wall: datetime) -> bool:
    """Whether any instant bears the date of a wall time (T3).

    A gap of hours may swallow midnight, whose reading then lies later on that date. Only a gap of a
    whole date carries it to another.
    """
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.astimezone(UTC).astimezone(wall.tzinfo).date() == wall.date()


def _beyond_the_calendar(field: str) -> InvalidInput:
    return InvalidInput("is too near the first or last year of the calendar", field=field)
