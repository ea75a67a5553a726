"""T1-T4: delays, clock times where clocks change, and grace. Every zone: test_schedule_oracle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from typing import assert_never
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.campaign import AfterDelay, AtClockTime, Days
from abandoned_booking.core.schedule import (
    Due,
    DueState,
    latest_occurrence,
    message_due_at,
    next_occurrence,
)
from abandoned_booking.errors import InvalidInput, InvalidSettings

NEW_YORK = ZoneInfo("America/New_York")
INSTANT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- T2, T3: occurrences ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "at", "days", "after", "expected"),
    [
        pytest.param(
            "America/New_York", "09:00", Days.DAILY, "2026-06-03T12:59:59", "2026-06-03T13:00",
            id="T2 later today",
        ),
        pytest.param(
            "America/New_York", "09:00", Days.DAILY, "2026-06-03T13:00", "2026-06-04T13:00",
            id="T2 strictly after an occurrence",
        ),
        pytest.param(
            "America/New_York", "09:00", Days.WEEKDAYS, "2026-06-05T13:00", "2026-06-08T13:00",
            id="T2 from Friday to Monday",
        ),
        pytest.param(
            "America/New_York", "10:00", Days.WEEKENDS, "2026-06-07T14:00", "2026-06-13T14:00",
            id="T2 from Sunday to Saturday",
        ),
        pytest.param(
            "America/New_York", "23:00", Days.WEEKENDS, "2026-06-06T02:59", "2026-06-07T03:00",
            id="T2 the day is the local one, Friday evening is no weekend",
        ),
        pytest.param(
            "America/New_York", "09:00:30.000001", Days.DAILY, "2026-06-03T13:00:30",
            "2026-06-03T13:00:30.000001",
            id="T2 to the microsecond",
        ),
        pytest.param(
            "America/New_York", "02:30", Days.DAILY, "2027-03-14T00:00", "2027-03-14T07:30",
            id="T3 New York gap, 02:30 is 03:30",
        ),
        pytest.param(
            "America/New_York", "02:30", Days.DAILY, "2027-03-14T07:15", "2027-03-14T07:30",
            id="T3 asked after the gap and before its occurrence",
        ),
        pytest.param(
            "America/New_York", "02:30", Days.DAILY, "2027-03-14T07:30", "2027-03-15T06:30",
            id="T3 once only on the day of a gap",
        ),
        pytest.param(
            "America/New_York", "03:30", Days.DAILY, "2027-03-14T07:00", "2027-03-14T07:30",
            id="T3 the time to which the gap leads is itself",
        ),
        pytest.param(
            "America/New_York", "01:30", Days.DAILY, "2026-11-01T00:00", "2026-11-01T05:30",
            id="T3 New York overlap, the first",
        ),
        pytest.param(
            "America/New_York", "01:30", Days.DAILY, "2026-11-01T05:30", "2026-11-02T06:30",
            id="T3 New York overlap, not the second",
        ),
        pytest.param(
            "America/New_York", "01:30", Days.DAILY, "2026-11-01T06:15", "2026-11-02T06:30",
            id="T3 asked within the second pass",
        ),
        pytest.param(
            "Australia/Lord_Howe", "02:15", Days.DAILY, "2026-10-03T12:00", "2026-10-03T15:45",
            id="T3 Lord Howe, half an hour's gap, 02:15 is 02:45",
        ),
        pytest.param(
            "Australia/Lord_Howe", "01:45", Days.DAILY, "2026-04-04T12:00", "2026-04-04T14:45",
            id="T3 Lord Howe, half an hour's overlap, the first",
        ),
        pytest.param(
            "Africa/Casablanca", "02:30", Days.DAILY, "2026-03-22T00:00", "2026-03-22T02:30",
            id="T3 Casablanca, the gap after Ramadan",
        ),
        pytest.param(
            "Africa/Casablanca", "02:30", Days.DAILY, "2026-02-14T12:00", "2026-02-15T01:30",
            id="T3 Casablanca, the overlap before Ramadan, the first",
        ),
        pytest.param(
            "Asia/Beirut", "00:00", Days.DAILY, "2026-03-28T12:00", "2026-03-28T22:00",
            id="T3 Beirut, midnight gap",
        ),
        pytest.param(
            "Asia/Beirut", "00:30", Days.WEEKENDS, "2026-03-28T12:00", "2026-03-28T22:30",
            id="T3 Beirut, midnight gap on a Sunday",
        ),
        pytest.param(
            "America/Santiago", "00:30", Days.DAILY, "2026-09-05T12:00", "2026-09-06T04:30",
            id="T3 Santiago, midnight gap",
        ),
        pytest.param(
            "America/Nuuk", "23:30", Days.DAILY, "2027-03-27T12:00", "2027-03-28T01:30",
            id="T3 Nuuk, 23:30 is 00:30 of the next date",
        ),
        pytest.param(
            "America/Nuuk", "23:30", Days.WEEKENDS, "2027-03-28T01:00", "2027-03-28T01:30",
            id="T3 Nuuk, Saturday's occurrence asked for on Sunday",
        ),
        pytest.param(
            "America/Nuuk", "23:30", Days.DAILY, "2027-03-28T01:30", "2027-03-29T00:30",
            id="T3 Nuuk, Sunday has its own",
        ),
        pytest.param(
            "Asia/Dhaka", "23:30", Days.WEEKDAYS, "2009-06-19T17:00", "2009-06-19T17:30",
            id="T3 Dhaka, Friday's occurrence lies on a Saturday and is a weekday's",
        ),
        pytest.param(
            "Asia/Dhaka", "23:30", Days.WEEKENDS, "2009-06-19T17:00", "2009-06-20T16:30",
            id="T3 Dhaka, and it is not the weekend's",
        ),
        pytest.param(
            "Pacific/Apia", "09:00", Days.DAILY, "2011-12-29T19:00", "2011-12-30T19:00",
            id="T3 Apia, from the 29th to the 31st",
        ),
        pytest.param(
            "Pacific/Apia", "09:00", Days.WEEKDAYS, "2011-12-29T19:00", "2012-01-01T19:00",
            id="T3 Apia, Friday the 30th did not exist, next is Monday",
        ),
        pytest.param(
            "Pacific/Kwajalein", "12:00", Days.DAILY, "1993-08-21T00:00", "1993-08-22T00:00",
            id="T3 Kwajalein, no 1993-08-21",
        ),
        pytest.param(
            "Pacific/Kwajalein", "12:00", Days.WEEKENDS, "1993-08-20T12:00", "1993-08-22T00:00",
            id="T3 Kwajalein, no Saturday that weekend",
        ),
        pytest.param(
            "Pacific/Kiritimati", "23:30", Days.DAILY, "1994-12-31T09:30", "1995-01-01T09:30",
            id="T3 Kiritimati, no 1994-12-31",
        ),
        pytest.param(
            "Antarctica/Casey", "02:30", Days.DAILY, "2010-03-04T15:00", "2010-03-04T18:30",
            id="T3 Casey, after a step back across midnight",
        ),
    ],
)  # fmt: skip
def test_next_occurrence(zone: str, at: str, days: Days, after: str, expected: str) -> None:
    timing = AtClockTime(at, days)

    found = next_occurrence(timing, after=utc(after), zone=zone)

    assert found == utc(expected)
    assert found.tzinfo is UTC
    # The occurrence is the latest one from its instant on, and not before.
    assert latest_occurrence(timing, at_or_before=found, zone=zone) == found
    earlier = latest_occurrence(timing, at_or_before=found - INSTANT, zone=zone)
    assert earlier <= utc(after)
    assert next_occurrence(timing, after=earlier, zone=zone) == found


def test_latest_occurrence_may_belong_to_tomorrow_where_clocks_go_back_across_midnight() -> None:
    """T3: Casey, 2010-03-05 02:00 became 2010-03-04 23:00; the 5th had had its 01:00 by then."""
    timing = AtClockTime("01:00", Days.DAILY)
    now = utc("2010-03-04T15:30")
    assert now.astimezone(ZoneInfo("Antarctica/Casey")).strftime("%d %H:%M") == "04 23:30"

    found = latest_occurrence(timing, at_or_before=now, zone="Antarctica/Casey")

    assert found == utc("2010-03-04T14:00")


def test_an_instant_may_be_given_in_any_zone_even_as_a_wall_time_that_does_not_exist() -> None:
    """T3: asked from inside the gap; 02:15 New York on that day is 07:15 UTC."""
    timing = AtClockTime("02:30")
    inside = datetime(2027, 3, 14, 2, 15, tzinfo=NEW_YORK)
    far_off = utc("2027-03-14T07:15").astimezone(timezone(timedelta(hours=13)))

    for after in (inside, far_off):
        assert next_occurrence(timing, after=after, zone=NEW_YORK) == utc("2027-03-14T07:30")
        assert latest_occurrence(timing, at_or_before=after, zone=NEW_YORK) == utc(
            "2027-03-13T07:30"
        )


def test_a_fold_on_the_time_of_day_does_not_ask_for_the_second_pass() -> None:
    """T3: the first of two, however the time was come by."""
    for after in ("2026-11-01T03:00", "2026-10-31T20:00"):
        timing = AtClockTime(time(1, 30, fold=1))
        found = next_occurrence(timing, after=utc(after), zone=NEW_YORK)
        assert found == utc("2026-11-01T05:30")
    assert latest_occurrence(
        AtClockTime(time(1, 30, fold=1)), at_or_before=utc("2026-11-01T06:00"), zone=NEW_YORK
    ) == utc("2026-11-01T05:30")


@pytest.mark.parametrize("days", Days)
@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        ("America/New_York", "2026-10-20T00:00"),
        ("America/New_York", "2027-03-05T00:00"),
        ("America/Nuuk", "2027-03-20T00:00"),
        ("Pacific/Apia", "2011-12-20T00:00"),
    ],
)
@given(
    at=st.times().map(lambda given: given.replace(microsecond=0)),
    start=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=20)),
)
def test_iteration_gives_each_occurrence_once_and_in_order(
    zone: str, begins: str, days: Days, at: time, start: timedelta
) -> None:
    """T3 as a property: after, in order, nothing between, and each date at most once."""
    timing = AtClockTime(at, days)
    after = utc(begins) + start
    wanted_on = []
    for _ in range(12):
        found = next_occurrence(timing, after=after, zone=zone)
        assert found > after
        between = after + (found - after) / 2
        assert next_occurrence(timing, after=between, zone=zone) == found
        assert latest_occurrence(timing, at_or_before=found - INSTANT, zone=zone) <= after
        # What the wall shows, or showed an hour less before a gap, is what was asked for.
        wall = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        nominal = wall if wall.time() == at else wall - HOUR
        assert nominal.time() == at
        wanted_on.append(nominal.date())
        after = found
    assert wanted_on == sorted(set(wanted_on))
    weekend = [on.weekday() >= 5 for on in wanted_on]
    match days:
        case Days.DAILY:
            assert any(weekend)
            assert not all(weekend)
        case Days.WEEKDAYS:
            assert not any(weekend)
        case Days.WEEKENDS:
            assert all(weekend)
        case _:
            assert_never(days)


def ask_next(at: datetime, zone: str = "UTC") -> datetime:
    return next_occurrence(AtClockTime("09:00"), after=at, zone=zone)


def ask_latest(at: datetime, zone: str = "UTC") -> datetime:
    return latest_occurrence(AtClockTime("09:00"), at_or_before=at, zone=zone)


@pytest.mark.parametrize(("ask", "field"), [(ask_next, "after"), (ask_latest, "at_or_before")])
@pytest.mark.parametrize(
    "at",
    [
        pytest.param(datetime(2026, 6, 3), id="G2 naive"),
        pytest.param(datetime.max.replace(tzinfo=UTC), id="end of the calendar"),
        pytest.param(datetime.min.replace(tzinfo=UTC), id="beginning of the calendar"),
    ],
)
def test_an_instant_that_cannot_be_used_is_refused_by_name(
    ask: Callable[[datetime], datetime], field: str, at: datetime
) -> None:
    with pytest.raises(InvalidInput) as raised:
        ask(at)
    assert raised.value.field == field


@pytest.mark.parametrize("ask", [ask_next, ask_latest])
def test_an_unknown_zone_is_refused(ask: Callable[[datetime, str], datetime]) -> None:
    with pytest.raises(InvalidSettings) as raised:
        ask(utc("2026-06-03T00:00"), "Europe/Atlantis")
    assert raised.value.field == "timezone"


# --- T1, T2, T4: due -------------------------------------------------------------------------


def due(
    timing: AfterDelay | AtClockTime,
    now: str,
    *,
    abandoned: str,
    listed_after: timedelta = HOUR,
    grace: timedelta = HOUR,
    zone: str = "America/New_York",
) -> tuple[str, datetime]:
    """The state and the instant of a message."""
    found = message_due_at(
        timing,
        abandoned_at=utc(abandoned),
        listable_at=utc(abandoned) + listed_after,
        now=utc(now),
        grace=grace,
        zone=zone,
    )
    assert (found.at > utc(now)) == (found.state is DueState.WAITING)
    return found.state, found.at


@pytest.mark.parametrize(
    ("now", "state"),
    [
        pytest.param("2026-06-03T12:00", "waiting", id="T1 at once"),
        pytest.param("2026-06-03T14:00:00.000122", "waiting", id="T1 never early"),
        pytest.param("2026-06-03T14:00:00.000123", "due", id="T1 to the microsecond"),
        pytest.param("2026-06-03T15:00:00.000123", "due", id="T4 at the end of the grace"),
        pytest.param("2026-06-03T15:00:00.000124", "missed", id="T4 past the grace"),
        pytest.param("2026-06-09T00:00", "missed", id="T4 for good"),
    ],
)
def test_a_delay_waits_is_due_within_the_grace_and_is_missed_after_it(now: str, state: str) -> None:
    found = due(AfterDelay(hours=2), now, abandoned="2026-06-03T12:00:00.000123")
    assert found == (state, utc("2026-06-03T14:00:00.000123"))


@pytest.mark.parametrize("night", [(2027, 3, 14), (2026, 11, 1)], ids=["gap", "overlap"])
def test_a_delay_is_elapsed_time_whatever_the_clocks_do(night: tuple[int, int, int]) -> None:
    """T1: also where the instant comes with a zone whose wall clock jumps meanwhile."""
    abandoned_at = datetime(*night, 0, 30, tzinfo=NEW_YORK)
    found = message_due_at(
        AfterDelay(hours=3),
        abandoned_at=abandoned_at,
        listable_at=abandoned_at,
        now=abandoned_at,
        grace=HOUR,
        zone=NEW_YORK,
    )
    assert found.at == abandoned_at.astimezone(UTC) + 3 * HOUR
    assert found.at.tzinfo is UTC


def test_a_delay_does_not_wait_for_the_hour_of_the_list() -> None:
    """T1: ten minutes are ten minutes; C4 is asked by clock times alone."""
    found = due(AfterDelay(minutes=10), "2026-06-03T12:10", abandoned="2026-06-03T12:00")
    assert found == ("due", utc("2026-06-03T12:10"))


@pytest.mark.parametrize(
    ("abandoned", "now", "expected"),
    [
        pytest.param(
            "2026-06-03T08:00", "2026-06-03T09:00", ("waiting", "2026-06-03T13:00"),
            id="T2 waits for the time",
        ),
        pytest.param(
            "2026-06-03T08:00", "2026-06-03T13:00", ("due", "2026-06-03T13:00"),
            id="T2 at the time",
        ),
        pytest.param(
            "2026-06-03T12:00", "2026-06-03T13:00", ("due", "2026-06-03T13:00"),
            id="T2 past the hour at that very instant",
        ),
        pytest.param(
            "2026-06-03T12:00", "2026-06-03T12:30", ("waiting", "2026-06-03T13:00"),
            id="T2 will be past the hour at that very instant",
        ),
        pytest.param(
            "2026-06-03T12:00:00.000001", "2026-06-03T12:30", ("waiting", "2026-06-04T13:00"),
            id="T2 a microsecond short of the hour waits a day",
        ),
        pytest.param(
            "2026-06-03T12:30", "2026-06-03T13:00", ("waiting", "2026-06-04T13:00"),
            id="T2 still filling in the form",
        ),
        pytest.param(
            "2026-06-03T12:30", "2026-06-03T13:45", ("waiting", "2026-06-04T13:00"),
            id="T2 the grace does not reach back before the hour",
        ),
        pytest.param(
            "2026-06-03T08:00", "2026-06-03T14:00", ("due", "2026-06-03T13:00"),
            id="T4 at the end of the grace",
        ),
        pytest.param(
            "2026-06-03T08:00", "2026-06-03T14:00:00.000001", ("waiting", "2026-06-04T13:00"),
            id="T4 past the grace it waits for the next",
        ),
        pytest.param(
            "2026-06-03T08:00", "2026-08-20T12:00", ("waiting", "2026-08-20T13:00"),
            id="T4 never missed for good",
        ),
        pytest.param(
            "2026-06-03T08:00", "2026-08-20T13:10", ("due", "2026-08-20T13:00"),
            id="T4 months later it still goes",
        ),
    ],
)  # fmt: skip
def test_a_clock_time_takes_those_that_are_past_the_hour(
    abandoned: str, now: str, expected: tuple[str, str]
) -> None:
    state, at = expected
    assert due(AtClockTime("09:00"), now, abandoned=abandoned) == (state, utc(at))


def test_a_weekday_message_left_on_friday_night_goes_on_monday() -> None:
    """T2."""
    timing = AtClockTime("09:00", Days.WEEKDAYS)
    abandoned = "2026-06-06T00:30"  # Friday 20:30 in New York
    assert due(timing, "2026-06-06T13:00", abandoned=abandoned) == (
        "waiting",
        utc("2026-06-08T13:00"),
    )


def test_a_long_hour_of_the_list_holds_a_clock_time_back() -> None:
    """T2 with a C4 of two days: today's and tomorrow's occurrence come too early."""
    found = due(
        AtClockTime("09:00"),
        "2026-06-03T13:00",
        abandoned="2026-06-03T11:00",
        listed_after=timedelta(hours=48),
    )
    assert found == ("waiting", utc("2026-06-05T13:00"))


def by_day(at: datetime) -> datetime:
    """Quiet hours: from 21:00 to 08:00 UTC."""
    if at.hour < 8:
        return at.replace(hour=8, minute=0, second=0, microsecond=0)
    if at.hour >= 21:
        return at.replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return at


def never(at: datetime) -> None:
    """Quiet hours that do not end."""


@pytest.mark.parametrize(
    ("due_at", "now", "expected"),
    [
        pytest.param("03T22:00", "03T20:00", ("waiting", "04T08:00"), id="will be held"),
        pytest.param("03T22:00", "03T22:00", ("waiting", "04T08:00"), id="is held"),
        pytest.param("03T22:00", "04T07:59", ("waiting", "04T08:00"), id="still held"),
        pytest.param("03T22:00", "04T08:00", ("due", "03T22:00"), id="goes when they end"),
        pytest.param("03T22:00", "04T09:00", ("due", "03T22:00"), id="has a grace of its own"),
        pytest.param("03T22:00", "04T09:01", ("missed", "03T22:00"), id="T4 and may miss it"),
        pytest.param("03T20:30", "03T21:00", ("waiting", "04T08:00"), id="held while late"),
        pytest.param("03T20:30", "04T08:30", ("due", "03T20:30"), id="held while late, goes"),
        pytest.param(
            "03T19:30", "03T21:00", ("missed", "03T19:30"), id="T4 late before they began"
        ),
        pytest.param("03T12:00", "03T12:30", ("due", "03T12:00"), id="nothing holds it"),
        pytest.param("03T12:00", "03T13:01", ("missed", "03T12:00"), id="T4 late at noon"),
    ],
)
@pytest.mark.parametrize("kind", ["delay", "clock time"])
def test_quiet_hours_hold_a_message_until_they_end(
    kind: str, due_at: str, now: str, expected: tuple[str, str]
) -> None:
    """R9: held is not late. A clock time that is missed waits for the next one instead."""
    nominal_at, now_at = utc(f"2026-06-{due_at}"), utc(f"2026-06-{now}")
    state, at = expected[0], utc(f"2026-06-{expected[1]}")
    timing = AfterDelay(hours=2) if kind == "delay" else AtClockTime(nominal_at.time())
    if kind == "clock time" and state == "missed":
        state, at = "waiting", by_day(nominal_at + timedelta(days=1))

    found = message_due_at(
        timing,
        abandoned_at=nominal_at - timedelta(hours=2),
        listable_at=nominal_at - HOUR,
        now=now_at,
        grace=HOUR,
        zone="UTC",
        allowed_from=by_day,
    )

    assert found == Due(at=at, state=DueState(state))
    assert found.missed == (state == "missed")


@pytest.mark.parametrize("now", ["2026-06-03T11:00", "2026-06-03T12:30", "2026-06-03T23:00"])
@pytest.mark.parametrize("timing", [AfterDelay(hours=2), AtClockTime("12:00")])
def test_a_message_that_is_never_allowed_is_missed(
    timing: AfterDelay | AtClockTime, now: str
) -> None:
    """R9: zones whose hours never meet."""
    found = message_due_at(
        timing,
        abandoned_at=utc("2026-06-03T10:00"),
        listable_at=utc("2026-06-03T11:00"),
        now=utc(now),
        grace=HOUR,
        zone="UTC",
        allowed_from=never,
    )
    assert found.missed


@given(
    abandoned_ago=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9)),
    listed_after=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2)),
    grace=st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=30)),
    now=st.datetimes(datetime(2026, 10, 25), datetime(2026, 11, 8)),
    at=st.times(),
    days=st.sampled_from(Days),
)
def test_a_clock_time_agrees_with_a_walk_over_all_its_occurrences(
    abandoned_ago: timedelta,
    listed_after: timedelta,
    grace: timedelta,
    now: datetime,
    at: time,
    days: Days,
) -> None:
    """T2 and T4 by their words: the first that is not too early and not too late."""
    timing = AtClockTime(at, days)
    now = now.replace(tzinfo=UTC)
    listable_at = now - abandoned_ago + listed_after

    found = message_due_at(
        timing,
        abandoned_at=now - abandoned_ago,
        listable_at=listable_at,
        now=now,
        grace=grace,
        zone=NEW_YORK,
    )

    occurrences = [next_occurrence(timing, after=listable_at - INSTANT, zone=NEW_YORK)]
    while occurrences[-1] <= now:
        occurrences.append(next_occurrence(timing, after=occurrences[-1], zone=NEW_YORK))
    *past, coming = occurrences
    if past and now - past[-1] <= grace:
        assert found == Due(at=past[-1], state=DueState.DUE)
    else:
        assert found == Due(at=coming, state=DueState.WAITING)


@pytest.mark.parametrize(
    ("timing", "field"),
    [
        (AfterDelay(hours=2), "now"),
        (AfterDelay(hours=2), "abandoned_at"),
        (AtClockTime("09:00"), "now"),
        (AtClockTime("09:00"), "listable_at"),
    ],
)
def test_a_naive_instant_is_refused_by_name(timing: AfterDelay | AtClockTime, field: str) -> None:
    """G2."""
    at = utc("2026-06-03T12:00")
    instants = {"abandoned_at": at, "listable_at": at, "now": at} | {field: at.replace(tzinfo=None)}
    with pytest.raises(InvalidInput) as raised:
        message_due_at(
            timing,
            abandoned_at=instants["abandoned_at"],
            listable_at=instants["listable_at"],
            now=instants["now"],
            grace=HOUR,
            zone="UTC",
        )
    assert raised.value.field == field
