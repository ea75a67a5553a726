"""R9: quiet hours by the recipient's own zones, every one of them, and the tables of states."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from abandoned_booking.core.campaign import CompliancePolicy, QuietHours
from abandoned_booking.core.model import Address, Phone
from abandoned_booking.core.quiet import candidate_zones, next_allowed_at
from abandoned_booking.core.us_states import STATE_HOURS, STATE_ZONES, state_code
from abandoned_booking.errors import InvalidInput, InvalidSettings

US_MARKETING = CompliancePolicy.us_marketing()
FEDERAL = attrs.evolve(US_MARKETING, state_rules=False)
NOWHERE = Address()
NEW_YORKER = Address(state="NY", country="US")
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def phone(*zones: str) -> Phone:
    return Phone(e164="+12125550199", region="US", can_text=True, zones=zones)


def allowed_from(
    at: str | datetime,
    *,
    policy: CompliancePolicy = US_MARKETING,
    address: Address = NOWHERE,
    number: Phone | None = None,
    business_zone: str = "America/New_York",
) -> datetime | None:
    return next_allowed_at(
        utc(at) if isinstance(at, str) else at,
        policy=policy,
        address=address,
        phone=number,
        business_zone=business_zone,
    )


# --- Where the recipient may be --------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "number", "expected"),
    [
        pytest.param(NEW_YORKER, None, ["America/New_York"], id="the address's state"),
        pytest.param(
            Address(state="tx", country="us"), None, ["America/Chicago", "America/Denver"],
            id="a split state has all its zones",
        ),
        pytest.param(
            Address(state="CA"), phone("America/New_York"), ["America/Los_Angeles"],
            id="no country is the United States, and the address goes before the phone",
        ),
        pytest.param(
            Address(state="North Dakota "), None, ["America/Chicago", "America/Denver"],
            id="a state by name",
        ),
        pytest.param(Address(state="D.C."), None, ["America/New_York"], id="with dots"),
        pytest.param(
            Address(country="PR"), None, ["America/Puerto_Rico"], id="a territory as a country"
        ),
        pytest.param(
            Address(state="PR", country="US"), None, ["America/Puerto_Rico"],
            id="a territory as a state",
        ),
        pytest.param(
            Address(state="WA", country="AU"), phone("Australia/Perth"), ["Australia/Perth"],
            id="a state of another country is none",
        ),
        pytest.param(
            Address(state="Ontario"), phone("America/Toronto", "America/Winnipeg"),
            ["America/Toronto", "America/Winnipeg"],
            id="a province is no state; the phone's zones",
        ),
        pytest.param(NOWHERE, phone("America/Phoenix"), ["America/Phoenix"], id="the phone's zone"),
        pytest.param(
            NOWHERE, phone("Etc/Unknown", "America/Phoenix"), ["America/Phoenix"],
            id="what the database does not know is left out",
        ),
        pytest.param(
            NOWHERE, phone("Etc/Unknown"), ["Europe/Madrid"], id="none known: the business's"
        ),
        pytest.param(NOWHERE, phone(), ["Europe/Madrid"], id="none at all: the business's"),
        pytest.param(NOWHERE, None, ["Europe/Madrid"], id="no phone: the business's"),
    ],
)  # fmt: skip
def test_candidate_zones(address: Address, number: Phone | None, expected: list[str]) -> None:
    for business_zone in ("Europe/Madrid", ZoneInfo("Europe/Madrid")):
        zones = candidate_zones(address=address, phone=number, business_zone=business_zone)
        assert [zone.key for zone in zones] == expected


def test_every_state_district_and_territory_has_zones_that_exist() -> None:
    """50 states, the District of Columbia and five territories."""
    assert len(STATE_ZONES) == 56
    for names in STATE_ZONES.values():
        assert names
        for name in names:
            ZoneInfo(name)


# --- Quiet hours -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param("2026-06-03T12:00", "2026-06-03T12:00", id="08:00 is allowed"),
        pytest.param("2026-06-03T11:59:59.999999", "2026-06-03T12:00", id="just before it is not"),
        pytest.param("2026-06-04T00:59:59.999999", "2026-06-04T00:59:59.999999", id="to 21:00"),
        pytest.param("2026-06-04T01:00", "2026-06-04T12:00", id="21:00 waits for the morning"),
        pytest.param("2026-06-04T05:00", "2026-06-04T12:00", id="at night"),
        pytest.param("2027-03-14T05:30", "2027-03-14T12:00", id="the night of the gap"),
        pytest.param("2026-11-01T05:30", "2026-11-01T13:00", id="the night of the overlap"),
    ],
)
def test_a_text_goes_from_eight_to_nine_local_time(at: str, expected: str) -> None:
    """R9, 47 CFR 64.1200(c)(1)."""
    found = allowed_from(at, address=NEW_YORKER)
    assert found == utc(expected)
    assert found.tzinfo is UTC


def test_a_policy_without_quiet_hours_allows_every_instant() -> None:
    """R9: relaxed is the default."""
    at = utc("2026-06-04T05:00:00.000123")
    assert allowed_from(at, policy=CompliancePolicy.relaxed(), address=NEW_YORKER) == at


def test_an_instant_of_any_zone_is_answered_in_utc() -> None:
    at = datetime(2026, 6, 3, 14, 0, tzinfo=ZoneInfo("Europe/Madrid"))
    for policy in (CompliancePolicy.relaxed(), US_MARKETING):
        found = allowed_from(at, policy=policy, address=NEW_YORKER)
        assert found == utc("2026-06-03T12:00")
        assert found.tzinfo is UTC


def test_every_candidate_zone_must_allow() -> None:
    """R9: of New York and Los Angeles, eight is Los Angeles's and nine is New York's."""
    number = phone("America/New_York", "America/Los_Angeles")
    assert allowed_from("2026-06-03T12:30", number=number) == utc("2026-06-03T15:00")
    assert allowed_from("2026-06-04T00:59", number=number) == utc("2026-06-04T00:59")
    assert allowed_from("2026-06-04T01:00", number=number) == utc("2026-06-04T15:00")


def test_zones_whose_hours_never_meet_allow_nothing() -> None:
    """R9: twelve hours apart, eight to eight is never common to both."""
    policy = CompliancePolicy(quiet_hours=QuietHours(time(8), time(20)))
    number = phone("Etc/GMT", "Etc/GMT+12")
    assert allowed_from("2026-06-03T12:00", policy=policy, number=number) is None
    an_hour_more = CompliancePolicy(quiet_hours=QuietHours(time(8), time(21)))
    assert allowed_from("2026-06-03T12:00", policy=an_hour_more, number=number) == utc(
        "2026-06-03T20:00"
    )


@pytest.mark.parametrize(
    ("at", "expected"),
    [("2026-10-24T23:59:59", None), ("2026-10-25T00:00", utc("2026-11-02T00:00"))],
)
def test_eight_days_are_looked_ahead(at: str, expected: datetime | None) -> None:
    """R9: until New York's clocks go back it is twelve hours from Shanghai, then thirteen."""
    policy = CompliancePolicy(quiet_hours=QuietHours(time(8), time(20)))
    number = phone("America/New_York", "Asia/Shanghai")
    assert allowed_from(at, policy=policy, number=number) == expected


def test_hours_that_begin_within_a_gap_begin_at_its_very_end() -> None:
    """R9: 02:30 does not come, 03:00 follows on 02:00; to the microsecond, whenever asked."""
    policy = CompliancePolicy(quiet_hours=QuietHours(time(2, 30), time(3, 15)))
    assert allowed_from("2027-03-14T00:00:00.5", policy=policy, address=NEW_YORKER) == utc(
        "2027-03-14T07:00"
    )


def test_a_naive_instant_is_refused() -> None:
    """G2."""
    for policy in (CompliancePolicy.relaxed(), US_MARKETING):
        with pytest.raises(InvalidInput) as raised:
            allowed_from(datetime(2026, 6, 3, 12), policy=policy)
        assert raised.value.field == "at"


def test_an_unknown_zone_of_the_business_is_refused() -> None:
    with pytest.raises(InvalidSettings):
        allowed_from("2026-06-03T12:00", business_zone="Europe/Atlantis")


# --- The tables of the states ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "at", "expected"),
    [
        pytest.param("FL", "2026-06-03T23:59", "2026-06-03T23:59", id="Florida, before 20:00"),
        pytest.param("FL", "2026-06-04T00:00", "2026-06-04T13:00", id="Florida, 20:00 in the east"),
        pytest.param(
            "FL", "2021-06-30T23:59", "2021-06-30T23:59", id="Florida, the eve of the law"
        ),
        pytest.param("FL", "2021-07-01T00:30", "2021-07-01T00:30", id="Florida, 20:30 on the eve"),
        pytest.param("FL", "2021-07-02T00:30", "2021-07-02T13:00", id="Florida, its first evening"),
        pytest.param("OK", "2026-06-04T01:00", "2026-06-04T13:00", id="Oklahoma"),
        pytest.param("MD", "2024-01-01T00:30", "2024-01-01T00:30", id="Maryland, New Year's Eve"),
        pytest.param("MD", "2024-01-02T01:00", "2024-01-02T13:00", id="Maryland, 2024"),
        pytest.param("WA", "2026-06-04T03:00", "2026-06-04T15:00", id="Washington"),
        pytest.param("CT", "2026-06-03T12:00", "2026-06-03T13:00", id="Connecticut, from 09:00"),
        pytest.param(
            "CT", "2023-09-30T12:00", "2023-09-30T12:00", id="Connecticut, before 2023-10"
        ),
        pytest.param("MA", "2026-06-04T00:00", "2026-06-04T12:00", id="Massachusetts"),
        pytest.param("KY", "2026-06-03T13:30", "2026-06-03T15:00", id="Kentucky, 10:00 everywhere"),
        pytest.param("NM", "2026-06-03T14:00", "2026-06-03T15:00", id="New Mexico, from 09:00"),
        pytest.param("TX", "2025-08-31T14:00", "2025-08-31T14:00", id="Texas, a Sunday before"),
        pytest.param("TX", "2026-06-07T14:00", "2026-06-07T18:00", id="Texas, Sundays from noon"),
        pytest.param("TX", "2026-06-06T14:00", "2026-06-06T15:00", id="Texas, Saturdays from nine"),
        pytest.param("TX", "2026-06-08T02:00", "2026-06-08T15:00", id="Texas, Sunday evening"),
        pytest.param("AL", "2026-06-07T01:00", "2026-06-08T13:00", id="Alabama, never on Sunday"),
        pytest.param("LA", "2026-06-07T15:00", "2026-06-08T13:00", id="Louisiana, nor here"),
        pytest.param("MS", "2026-06-07T15:00", "2026-06-08T13:00", id="Mississippi, nor here"),
        pytest.param("UT", "2026-06-07T18:00", "2026-06-08T14:00", id="Utah, nor here"),
        pytest.param(
            "RI", "2026-06-05T22:00", "2026-06-06T14:00", id="Rhode Island, Friday at six"
        ),
        pytest.param(
            "RI", "2026-06-06T21:00", "2026-06-08T13:00", id="Rhode Island, Saturday at 5"
        ),
        pytest.param(
            "NY", "2026-06-07T12:00", "2026-06-07T12:00", id="no table: the federal hours"
        ),
    ],
)
def test_a_state_may_be_stricter(state: str, at: str, expected: str) -> None:
    """R9: by the recipient's local date."""
    assert allowed_from(at, address=Address(state=state)) == utc(expected)


def test_the_tables_are_not_asked_if_the_policy_does_not_say_so() -> None:
    at = utc("2026-06-07T15:00")
    assert allowed_from(at, policy=FEDERAL, address=Address(state="AL")) == at


def test_a_phone_alone_names_no_state() -> None:
    """R9: Chicago's zone is Alabama's and Illinois's; only the federal hours are sure."""
    at = utc("2026-06-07T15:00")
    assert allowed_from(at, number=phone("America/Chicago")) == at


def test_hours_of_the_business_and_of_the_state_hold_together() -> None:
    policy = attrs.evolve(US_MARKETING, quiet_hours=QuietHours(time(11), time(19)))
    florida = Address(state="FL")
    assert allowed_from("2026-06-03T12:00", policy=policy, address=florida) == utc(
        "2026-06-03T16:00"
    )
    assert allowed_from("2026-06-03T23:00", policy=policy, address=florida) == utc(
        "2026-06-04T16:00"
    )


def test_hours_that_a_state_leaves_nothing_of_allow_nothing() -> None:
    """Rhode Island ends at six, this business begins then."""
    policy = attrs.evolve(US_MARKETING, quiet_hours=QuietHours(time(18), time(21)))
    assert allowed_from("2026-06-03T12:00", policy=policy, address=Address(state="RI")) is None


def test_every_rule_of_a_state_has_a_source_and_hours_stricter_than_the_federal_ones() -> None:
    federal = (time(8), time(21))
    for state, rules in STATE_HOURS.items():
        assert state in STATE_ZONES
        for rule in rules:
            assert rule.state == state
            assert rule.source
            windows = [rule.window_on(date(2026, 6, day)) for day in range(1, 8)]
            assert windows[:5] == [rule.weekdays] * 5
            assert windows[5:] == [rule.saturday, rule.sunday]
            assert any(window != federal for window in windows)
            for window in windows:
                assert window is None or federal[0] <= window[0] < window[1] <= federal[1]


@pytest.mark.parametrize(
    ("state", "country", "expected"),
    [
        ("NY", "US", "NY"),
        (" ny ", "usa", "NY"),
        ("New   York", None, "NY"),
        ("Washington", None, "WA"),
        ("Washington, D.C.", None, "DC"),
        ("ON", None, None),
        ("NY", "CA", None),
        (None, "US", None),
        (None, None, None),
        ("", "", None),
        (None, "gu", "GU"),
    ],
)
def test_state_code(state: str | None, country: str | None, expected: str | None) -> None:
    assert state_code(state=state, country=country) == expected


# --- By definition ---------------------------------------------------------------------------

ZONES = ("America/New_York", "America/Los_Angeles", "America/Nuuk", "Australia/Lord_Howe",
         "Pacific/Apia", "Pacific/Honolulu", "Asia/Beirut", "Antarctica/Casey")  # fmt: skip
CHANGES = tuple(
    map(utc, ("2027-03-14T00:00", "2026-10-31T18:00", "2027-03-27T12:00", "2026-04-04T06:00",
              "2011-12-30T00:00", "2026-03-28T12:00", "2010-03-04T12:00", "2026-10-24T12:00"))
)  # fmt: skip
quarters = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))


@given(
    hours=st.tuples(quarters, quarters).map(sorted),
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True),
    change=st.sampled_from(CHANGES),
    later=st.integers(0, 24 * 60).map(lambda minutes: minutes * MINUTE),
)
@example(  # hours that begin within a gap begin where it ends
    hours=[time(2, 30), time(3, 15)], zones=["America/New_York"], change=CHANGES[0],
    later=timedelta(0),
)  # fmt: skip
@example(  # hours that come twice
    hours=[time(1, 15), time(1, 45)], zones=["America/New_York"], change=CHANGES[1],
    later=timedelta(0),
)  # fmt: skip
@example(  # hours that ended before the clocks went back are open once more
    hours=[time(1), time(1, 30)], zones=["America/New_York"], change=CHANGES[1],
    later=timedelta(hours=11, minutes=45),
)  # fmt: skip
@example(  # clocks that go back across midnight repeat the evening before
    hours=[time(23, 30), time(23, 45)], zones=["Antarctica/Casey"], change=CHANGES[6],
    later=timedelta(hours=1, minutes=50),
)  # fmt: skip
def test_the_answer_is_the_first_minute_that_every_zone_allows(
    hours: list[time], zones: list[str], change: datetime, later: timedelta
) -> None:
    """R9 by a walk over the minutes around changes of clocks: the walls decide, nothing else."""
    start, end = hours
    assume(start < end)
    at = change + later

    def open_everywhere(instant: datetime) -> bool:
        walls = (instant.astimezone(ZoneInfo(name)).time() for name in zones)
        return all(start <= wall < end for wall in walls)

    minutes = (at + number * MINUTE for number in range(8 * 24 * 60 + 1))
    expected = next(filter(open_everywhere, minutes), None)

    found = allowed_from(
        at,
        policy=CompliancePolicy(quiet_hours=QuietHours(start, end)),
        number=phone(*zones),
    )
    assert found == expected
