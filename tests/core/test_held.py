"""R9 and T4: a message that quiet hours hold back, and how long it may still go after them.

The hours here are a stand-in, allowed from eight to nine every day, in UTC; the real ones are in
``test_quiet``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from core._examples import HOUR, INSTANT, MINUTE, utc
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.campaign import AfterDelay, AtClockTime
from abandoned_booking.core.schedule import Due, DueState, message_due_at

WAITING, DUE, MISSED = DueState.WAITING, DueState.DUE, DueState.MISSED
OPENS, CLOSES = 8, 21


def from_eight_to_nine(at: datetime) -> datetime:
    """The first instant from ``at`` on that is between 8 am and 9 pm."""
    opens_at = at.replace(hour=OPENS, minute=0, second=0, microsecond=0)
    if at.hour < OPENS:
        return opens_at
    return at if at.hour < CLOSES else opens_at + timedelta(days=1)


def never(at: datetime) -> datetime | None:
    return None


def due(nominal: str, now: str, grace: timedelta = HOUR) -> Due:
    """A delay message of that nominal instant, seen from ``now``."""
    return message_due_at(
        AfterDelay(hours=2),
        abandoned_at=utc(nominal) - 2 * HOUR,
        listable_at=utc(nominal),
        now=utc(now),
        grace=grace,
        zone="UTC",
        allowed_from=from_eight_to_nine,
    )


@pytest.mark.parametrize(
    ("nominal", "now", "state", "at"),
    [
        pytest.param(
            "2026-01-05T12:00", "2026-01-05T11:59", WAITING, "2026-01-05T12:00", id="T1 by day"
        ),
        pytest.param("2026-01-05T12:00", "2026-01-05T13:00", DUE, "2026-01-05T12:00", id="T4 late"),
        pytest.param(
            "2026-01-05T12:00", "2026-01-05T13:01", MISSED, "2026-01-05T12:00", id="T4 missed"
        ),
        pytest.param(
            "2026-01-05T22:00",
            "2026-01-05T20:00",
            WAITING,
            "2026-01-06T08:00",
            id="R9 will be held, seen before it is due",
        ),
        pytest.param(
            "2026-01-05T22:00",
            "2026-01-05T22:00",
            WAITING,
            "2026-01-06T08:00",
            id="R9 held at its instant",
        ),
        pytest.param(
            "2026-01-05T22:00",
            "2026-01-06T07:59",
            WAITING,
            "2026-01-06T08:00",
            id="R9 held, its first grace long over",
        ),
        pytest.param(
            "2026-01-05T22:00", "2026-01-06T08:00", DUE, "2026-01-05T22:00", id="R9 goes at eight"
        ),
        pytest.param(
            "2026-01-05T22:00", "2026-01-06T09:00", DUE, "2026-01-05T22:00", id="T4 its own grace"
        ),
        pytest.param(
            "2026-01-05T22:00",
            "2026-01-06T09:01",
            MISSED,
            "2026-01-05T22:00",
            id="T4 that is over as well",
        ),
        pytest.param(
            "2026-01-05T20:30",
            "2026-01-05T20:59",
            DUE,
            "2026-01-05T20:30",
            id="R9 due just before the quiet hours",
        ),
        pytest.param(
            "2026-01-05T20:30",
            "2026-01-05T21:00",
            WAITING,
            "2026-01-06T08:00",
            id="R9 caught by them within its grace",
        ),
        pytest.param(
            "2026-01-05T20:30",
            "2026-01-06T08:30",
            DUE,
            "2026-01-05T20:30",
            id="R9 and free the next morning",
        ),
        pytest.param(
            "2026-01-05T20:00",
            "2026-01-05T21:00",
            WAITING,
            "2026-01-06T08:00",
            id="R9 caught at the very end of its grace",
        ),
        pytest.param(
            "2026-01-05T19:59",
            "2026-01-05T21:00",
            MISSED,
            "2026-01-05T19:59",
            id="T4 its grace was over before them",
        ),
    ],
)
def test_r9_a_held_delay_message(nominal: str, now: str, state: DueState, at: str) -> None:
    assert due(nominal, now) == Due(at=utc(at), state=state)


@pytest.mark.parametrize("now", ["2026-01-05T11:00", "2026-01-05T12:30", "2026-01-05T14:00"])
def test_r9_a_message_that_is_never_allowed_is_missed(now: str) -> None:
    found = message_due_at(
        AfterDelay(hours=2),
        abandoned_at=utc("2026-01-05T10:00"),
        listable_at=utc("2026-01-05T11:00"),
        now=utc(now),
        grace=HOUR,
        zone="UTC",
        allowed_from=never,
    )
    assert found == Due(at=utc("2026-01-05T12:00"), state=MISSED)
    assert found.missed


@pytest.mark.parametrize(
    ("at", "now", "state", "goes_at"),
    [
        pytest.param("22:00", "2026-01-05T21:30", WAITING, "2026-01-06T08:00", id="R9 before"),
        pytest.param("22:00", "2026-01-05T23:30", WAITING, "2026-01-06T08:00", id="R9 held"),
        pytest.param("22:00", "2026-01-06T08:30", DUE, "2026-01-05T22:00", id="R9 goes late"),
        pytest.param(
            "22:00", "2026-01-06T09:30", WAITING, "2026-01-07T08:00", id="T4 the next, held as well"
        ),
        pytest.param(
            "12:00", "2026-01-06T13:30", WAITING, "2026-01-07T12:00", id="T4 by day: the next"
        ),
    ],
)
def test_r9_a_held_clock_message(at: str, now: str, state: DueState, goes_at: str) -> None:
    found = message_due_at(
        AtClockTime(at),
        abandoned_at=utc("2026-01-05T10:00"),
        listable_at=utc("2026-01-05T11:00"),
        now=utc(now),
        grace=HOUR,
        zone="UTC",
        allowed_from=from_eight_to_nine,
    )
    assert found == Due(at=utc(goes_at), state=state)


@pytest.mark.parametrize("now", ["2026-01-05T20:30", "2026-01-05T21:00", "2026-01-05T22:00"])
def test_r9_where_the_hours_end_for_ever_only_what_goes_before_goes(now: str) -> None:
    """A rule that comes into force may leave no hours: what it catches is missed."""

    def until_nine(at: datetime) -> datetime | None:
        return at if at < utc("2026-01-05T21:00") else None

    found = message_due_at(
        AfterDelay(hours=2),
        abandoned_at=utc("2026-01-05T18:15"),
        listable_at=utc("2026-01-05T19:15"),
        now=utc(now),
        grace=HOUR,
        zone="UTC",
        allowed_from=until_nine,
    )
    assert found.state is (DUE if now.endswith("20:30") else MISSED)


MINUTES = st.integers(0, 3 * 24 * 60).map(lambda minutes: utc("2026-01-05") + minutes * MINUTE)


@given(MINUTES, MINUTES, st.integers(0, 180))
def test_r9_nothing_goes_in_quiet_hours_nor_early_and_what_waits_goes(
    nominal_at: datetime, now: datetime, grace: int
) -> None:
    def seen(from_: datetime) -> Due:
        return message_due_at(
            AfterDelay(hours=2),
            abandoned_at=nominal_at - 2 * HOUR,
            listable_at=nominal_at,
            now=from_,
            grace=grace * MINUTE,
            zone="UTC",
            allowed_from=from_eight_to_nine,
        )

    found = seen(now)
    match found.state:
        case DueState.WAITING:
            assert found.at > now
            assert found.at == from_eight_to_nine(found.at) >= nominal_at
            assert seen(found.at - INSTANT) == found
            assert seen(found.at).state is DUE
        case DueState.DUE:
            assert nominal_at == found.at <= now == from_eight_to_nine(now)
        case DueState.MISSED:
            assert now > nominal_at + grace * MINUTE
            assert seen(now + HOUR).missed, "for good"


@pytest.mark.parametrize("now", ["2026-01-06T08:03", "2026-01-06T09:00"])
def test_t4_what_falls_due_shortly_before_they_end_has_its_whole_grace_too(now: str) -> None:
    """Due at 7.01, held until 8: its grace is not over at 8.01, when nobody was late yet."""
    assert due("2026-01-06T07:01", now).state is DUE
