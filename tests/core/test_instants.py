"""G2: every instant inside is an aware UTC datetime; a naive one is refused at the door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.instants import as_utc
from abandoned_booking.errors import InvalidInput


def test_a_naive_instant_is_refused_by_the_name_of_its_field() -> None:
    with pytest.raises(InvalidInput, match=r"^left\.at: must be an aware datetime") as refused:
        as_utc(datetime(2026, 1, 5, 12), field="left.at")
    assert refused.value.field == "left.at"


@pytest.mark.parametrize(
    "at",
    [
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
    ],
    ids=["after the calendar", "before the calendar"],
)
def test_an_instant_that_utc_cannot_hold_is_refused(at: datetime) -> None:
    with pytest.raises(InvalidInput, match="calendar"):
        as_utc(at, field="at")


def test_an_instant_in_utc_is_taken_as_it_is() -> None:
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert as_utc(at, field="at") is at


@given(
    st.datetimes(
        datetime(1900, 1, 1),
        datetime(2200, 1, 1),
        timezones=st.sampled_from(
            [UTC, timezone(timedelta(hours=5, minutes=45)), ZoneInfo("America/New_York")]
        ),
    )
)
def test_the_same_instant_comes_back_in_utc(at: datetime) -> None:
    found = as_utc(at, field="at")
    assert found.tzinfo is UTC
    assert found - at.astimezone(UTC) == timedelta(0)
