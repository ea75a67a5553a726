"""R1, R2, R9, M1, M3: a business's settings; what exists is valid, and errors name the field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, time, timedelta
from typing import Any

import attrs
import pytest
from core._examples import WELCOME, a_campaign, paws
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.campaign import (
    AfterDelay,
    AtClockTime,
    BusinessSettings,
    CompliancePolicy,
    Days,
    QuietHours,
    RecoveryCampaign,
    zone_named,
)
from abandoned_booking.core.model import STANDARD_STEPS, ClientType, Step
from abandoned_booking.errors import InvalidInput, InvalidSettings, InvalidTemplate

_DAYS = timedelta(days=1)


def anything(value: Any) -> Any:
    """What a host without a type checker may hand in."""
    return value


@pytest.mark.parametrize(
    ("field", "make"),
    [
        pytest.param("campaign.timing.delay", lambda: AfterDelay(), id="R2 no delay"),
        pytest.param("campaign.timing.delay", lambda: AfterDelay(minutes=9.99), id="R2 too short"),
        pytest.param("campaign.timing.delay", lambda: AfterDelay(hours=24.001), id="R2 too long"),
        pytest.param("campaign.timing.delay", lambda: AfterDelay(hours=-2), id="R2 negative"),
        pytest.param("campaign.timing.delay", lambda: AfterDelay(hours=float("nan")), id="R2 nan"),
        pytest.param("campaign.timing.delay", lambda: AfterDelay(hours=1e300), id="R2 endless"),
        pytest.param("campaign.timing.delay", lambda: AfterDelay(anything("2h")), id="R2 text"),
        pytest.param("campaign.timing.at", lambda: AtClockTime("9 am"), id="R2 no clock time"),
        pytest.param("campaign.timing.at", lambda: AtClockTime(anything(9)), id="R2 a bare hour"),
        pytest.param("campaign.timing.at", lambda: AtClockTime("09:00Z"), id="T2 a zone, as text"),
        pytest.param(
            "campaign.timing.at", lambda: AtClockTime(time(9, tzinfo=UTC)), id="T2 a zone"
        ),
        pytest.param("campaign.timing.days", lambda: AtClockTime("09:00", "fridays"), id="R2 days"),
        pytest.param(
            "campaign.timing", lambda: RecoveryCampaign(timing=anything("2h")), id="R2 no timing"
        ),
        pytest.param(
            "campaign.recipients", lambda: RecoveryCampaign(recipients=()), id="R1 nobody"
        ),
        pytest.param(
            "campaign.recipients", lambda: RecoveryCampaign(recipients=["cats"]), id="R1 who?"
        ),
        pytest.param("campaign.steps", lambda: RecoveryCampaign(steps=()), id="R1 no step"),
        pytest.param("campaign.holdout", lambda: RecoveryCampaign(holdout=0.51), id="too many"),
        pytest.param(
            "campaign.holdout", lambda: RecoveryCampaign(holdout=anything("half")), id="no share"
        ),
        pytest.param(
            "campaign.steps", lambda: paws(campaign=a_campaign(steps=[WELCOME])), id="R1 not ours"
        ),
        pytest.param("compliance.quiet_hours", lambda: QuietHours("21:00", "8:00"), id="R9 format"),
        pytest.param("compliance.quiet_hours", lambda: QuietHours("21:00", "08:00"), id="R9 night"),
        pytest.param("compliance.quiet_hours", lambda: QuietHours(time(8), time(8)), id="R9 none"),
        pytest.param(
            "compliance.quiet_hours", lambda: QuietHours(time(8, tzinfo=UTC)), id="R9 a zone"
        ),
        pytest.param(
            "compliance.not_older_than",
            lambda: CompliancePolicy(not_older_than=timedelta(0)),
            id="R9 no age",
        ),
        pytest.param(
            "compliance.state_rules", lambda: CompliancePolicy(state_rules=True), id="R9 no base"
        ),
        pytest.param("business_id", lambda: paws(business_id="  "), id="no business"),
        pytest.param("business_id", lambda: paws(business_id=7), id="a number"),
        pytest.param("name", lambda: paws(name=""), id="no name"),
        pytest.param("name", lambda: paws(name="x" * 201), id="one over the longest name"),
        pytest.param("timezone", lambda: paws(timezone="New York"), id="T2 no zone"),
        pytest.param("timezone", lambda: paws(timezone="../etc/passwd"), id="T2 a path"),
        pytest.param("timezone", lambda: zone_named(""), id="T2 an empty zone"),
        pytest.param("region", lambda: paws(region="us"), id="R5 small letters"),
        pytest.param("region", lambda: paws(region="USA"), id="R5 three letters"),
        pytest.param("region", lambda: paws(region="U1"), id="R5 a digit"),
        pytest.param("region", lambda: paws(region="ÜS"), id="R5 an umlaut"),
        pytest.param("steps", lambda: paws(steps=()), id="no step"),
        pytest.param("steps", lambda: paws(steps=("pet", "pet")), id="a step twice"),
        pytest.param("listed_after", lambda: paws(listed_after=timedelta(-1)), id="C4 negative"),
        pytest.param("listed_after", lambda: paws(listed_after=367 * _DAYS), id="C4 endless"),
        pytest.param("late_grace", lambda: paws(late_grace=timedelta(-1)), id="T4 negative"),
        pytest.param("late_grace", lambda: paws(late_grace=timedelta.max), id="T4 endless"),
        pytest.param(
            "one_message_within", lambda: paws(one_message_within=-_DAYS), id="R7 negative"
        ),
        pytest.param("credited_within", lambda: paws(credited_within=-_DAYS), id="P2 negative"),
        pytest.param("opt_out_keyword", lambda: paws(opt_out_keyword=""), id="M2 no keyword"),
    ],
)
def test_what_cannot_be_used_is_refused_by_the_name_of_its_field(
    field: str, make: Callable[[], object]
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        make()
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("rule", "template"),
    [
        ("M1", "Hi {{frist_name}}"),
        ("M1", "  "),
        ("M3", "x" * 1_600),
    ],
)
def test_a_template_is_checked_when_it_is_saved(rule: str, template: str) -> None:
    with pytest.raises(InvalidTemplate):
        paws(campaign=a_campaign(template=template))


def test_every_refusal_of_settings_is_an_invalid_input_and_a_value_error() -> None:
    assert issubclass(InvalidSettings, InvalidInput)
    assert issubclass(InvalidInput, ValueError)


@pytest.mark.parametrize(
    "timing", [AfterDelay(minutes=10), AfterDelay(hours=24), AfterDelay(_DAYS / 2, minutes=30)]
)
def test_r2_a_delay_is_from_ten_minutes_to_a_day_both_included(timing: AfterDelay) -> None:
    assert paws(campaign=a_campaign(timing=timing)).campaign.timing == timing


@given(st.timedeltas(timedelta(0), 2 * _DAYS))
def test_r2_a_delay_exists_exactly_within_its_bounds(delay: timedelta) -> None:
    if timedelta(minutes=10) <= delay <= _DAYS:
        assert AfterDelay(delay).delay == delay
    else:
        with pytest.raises(InvalidSettings):
            AfterDelay(delay)


def test_r2_a_clock_time_is_read_from_text_and_holds_daily_unless_told() -> None:
    assert AtClockTime("09:30") == AtClockTime(time(9, 30), Days.DAILY)
    assert AtClockTime("09:30", "weekdays").days is Days.WEEKDAYS


def test_r1_a_campaign_is_off_and_for_everybody_unless_told() -> None:
    campaign = RecoveryCampaign()
    assert not campaign.enabled
    assert campaign.recipients == frozenset(ClientType)
    assert campaign.steps is None
    some = RecoveryCampaign(recipients=["new_visitor"], steps=["time", "pet"])
    assert some.recipients == {ClientType.NEW_VISITOR}
    assert some.steps == frozenset({Step.TIME, Step.PET})


def test_r1_a_campaign_may_select_the_steps_that_a_business_adds() -> None:
    settings = paws(steps=(WELCOME, *STANDARD_STEPS), campaign=a_campaign(steps=[WELCOME]))
    assert settings.steps[0] == WELCOME


def test_r9_the_two_presets() -> None:
    assert CompliancePolicy.relaxed() == CompliancePolicy() == paws().compliance
    assert attrs.asdict(CompliancePolicy.us_marketing(), recurse=False) == {
        "quiet_hours": QuietHours(time(8), time(21)),
        "state_rules": True,
        "not_older_than": timedelta(hours=48),
        "consent_required": True,
    }


def test_the_defaults_are_those_that_the_rules_name() -> None:
    settings = BusinessSettings(business_id="paws", name="Paws")
    assert settings.listed_after == timedelta(hours=1), "C4"
    assert settings.late_grace == timedelta(hours=1), "T4"
    assert settings.one_message_within == timedelta(hours=24), "R7"
    assert settings.credited_within == timedelta(days=7), "P2"
    assert settings.opt_out_keyword == "STOPM", "M2"
    assert not settings.text_us_territories, "R5"
    assert not settings.leads_management, "D1"
    assert settings.steps == STANDARD_STEPS
    assert settings.zone.key == "UTC"


def test_the_checks_hold_even_if_attrs_validators_are_switched_off() -> None:
    with attrs.validators.disabled(), pytest.raises(InvalidSettings):
        QuietHours(time(9), time(8))


@pytest.mark.parametrize("changes", [{"listed_after": timedelta(0)}, {"late_grace": timedelta(0)}])
def test_a_duration_may_be_nothing(changes: dict[str, Any]) -> None:
    assert paws(**changes) == attrs.evolve(paws(), **changes)
