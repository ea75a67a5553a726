"""Requests and settings survive JSON, whatever is in them; G2 (instants come back as they went)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given

from abandoned_booking.core.campaign import (
    AfterDelay,
    AtClockTime,
    BusinessSettings,
    CompliancePolicy,
    Days,
    QuietHours,
    RecoveryCampaign,
    Timing,
)
from abandoned_booking.core.codec import (
    SCHEMA,
    request_from_dict,
    request_to_dict,
    settings_from_dict,
    settings_to_dict,
)
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    CareType,
    Channel,
    Contact,
    ContactState,
    Person,
    Pet,
    Step,
)
from abandoned_booking.errors import InvalidSettings, NewerSchema
from abandoned_booking.testing import a_request, requests, settings

_AT = datetime(2026, 3, 8, 7, 30, 0, 1, tzinfo=UTC)


def _through_json(data: dict[str, Any]) -> dict[str, Any]:
    read = json.loads(json.dumps(data))
    assert isinstance(read, dict)
    return read


@given(requests())
def test_a_request_comes_back_equal(request: AbandonedRequest) -> None:
    assert request_from_dict(_through_json(request_to_dict(request))) == request


@given(settings())
def test_settings_come_back_equal(written: BusinessSettings) -> None:
    assert settings_from_dict(_through_json(settings_to_dict(written))) == written


def test_values_come_back_as_the_types_they_were() -> None:
    contact = Contact(id="c1", channel=Channel.TEXT, at=_AT, state=ContactState.ACCEPTED)
    form = BookingForm(care_type=CareType("training"), pets=(Pet(name="Rex"), Pet()))
    written = a_request(form=form, step=Step("date"), contacts=(contact,), closed_at=_AT)
    read = request_from_dict(_through_json(request_to_dict(written)))
    pairs = (
        (read.step, written.step),
        (read.form.care_type, written.form.care_type),
        (read.status, written.status),
        (read.contacts[0].state, written.contacts[0].state),
        (read.contacts, written.contacts),
        (read.form.answers, written.form.answers),
    )
    for one, other in pairs:
        assert type(one) is type(other)
    assert read.closed_at is not None
    assert read.closed_at.tzinfo is UTC
    assert read.contacts[0].at.utcoffset() == timedelta(0)


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    elsewhere = _AT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    data = request_to_dict(a_request(abandoned_at=elsewhere))
    assert data["abandoned_at"] == "2026-03-08T07:30:00.000001+00:00"


def test_what_is_empty_is_left_out_of_a_request() -> None:
    bare = attrs.evolve(a_request(form=BookingForm()), furthest_step=None)
    assert {*request_to_dict(bare)} == {
        *("schema", "business_id", "id", "session_id"),
        *("started_at", "abandoned_at", "listed_at", "step"),
    }


def test_every_setting_is_written_out() -> None:
    """A default that changes later must not change what was decided."""
    data = settings_to_dict(BusinessSettings(business_id="paws", name="Paws"))
    assert {*data} == {"schema"} | {field.name for field in attrs.fields(BusinessSettings)}
    assert {*data["campaign"]} == {field.name for field in attrs.fields(RecoveryCampaign)}
    assert {*data["compliance"]} == {field.name for field in attrs.fields(CompliancePolicy)}


@pytest.mark.parametrize(
    "timing",
    [
        AfterDelay(hours=2),
        AfterDelay(timedelta(minutes=10, microseconds=1)),
        AtClockTime("09:00"),
        AtClockTime("23:59:59.999999", Days.WEEKENDS),
    ],
    ids=repr,
)
def test_every_timing_comes_back(timing: Timing) -> None:
    written = BusinessSettings(
        business_id="paws", name="Paws", campaign=RecoveryCampaign(timing=timing)
    )
    read = settings_from_dict(_through_json(settings_to_dict(written)))
    assert read.campaign.timing == timing
    assert type(read.campaign.timing) is type(timing)


@pytest.mark.parametrize(
    "policy",
    [
        CompliancePolicy.relaxed(),
        CompliancePolicy.us_marketing(),
        CompliancePolicy(quiet_hours=QuietHours()),
    ],
    ids=repr,
)
def test_every_policy_comes_back(policy: CompliancePolicy) -> None:
    written = BusinessSettings(business_id="paws", name="Paws", compliance=policy)
    assert settings_from_dict(_through_json(settings_to_dict(written))).compliance == policy


def test_a_key_that_is_not_known_is_passed_over() -> None:
    """An older worker reads what a newer one of the same schema has written."""
    written = a_request(contacts=(Contact(id="c1", channel=Channel.CALL, at=_AT),))
    data = request_to_dict(written)
    data["mood"] = data["form"]["mood"] = data["form"]["person"]["mood"] = "sunny"
    data["contacts"][0]["mood"] = "sunny"
    assert request_from_dict(_through_json(data)) == written
    settings_data = settings_to_dict(BusinessSettings(business_id="paws", name="Paws"))
    settings_data["mood"] = settings_data["campaign"]["mood"] = "sunny"
    read = settings_from_dict(_through_json(settings_data))
    assert read == BusinessSettings(business_id="paws", name="Paws")


def test_a_duration_that_is_not_there_is_the_default() -> None:
    data = settings_to_dict(BusinessSettings(business_id="paws", name="Paws"))
    del data["late_grace"]
    assert settings_from_dict(data).late_grace == timedelta(hours=1)


def test_a_newer_schema_is_refused_and_names_the_way_out() -> None:
    request = request_to_dict(a_request())
    own = settings_to_dict(BusinessSettings(business_id="paws", name="Paws"))
    newer = {"schema": SCHEMA + 1}
    with pytest.raises(NewerSchema, match="upgrade abandoned-booking"):
        request_from_dict(request | newer)
    with pytest.raises(NewerSchema, match="upgrade abandoned-booking"):
        settings_from_dict(own | newer)


def test_what_is_none_of_ours_is_refused() -> None:
    for data in ({}, {"business_id": "paws"}, {"schema": SCHEMA}):
        with pytest.raises(KeyError):
            request_from_dict(data)
    with pytest.raises(ValueError, match="Status"):
        request_from_dict(request_to_dict(a_request()) | {"status": "asleep"})


def test_settings_that_were_changed_into_something_invalid_are_refused() -> None:
    data = settings_to_dict(BusinessSettings(business_id="paws", name="Paws"))
    with pytest.raises(InvalidSettings, match="timezone"):
        settings_from_dict(data | {"timezone": "Mars/Olympus"})


def test_the_dict_holds_plain_types_only() -> None:
    """Step, CareType and the enums are written as what they are: text."""

    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(plain(key) and plain(item) for key, item in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return type(value) in {str, int, float, bool, type(None)}

    full = a_request(withheld=("blocked",), client_id="c", form=BookingForm(person=Person()))
    for data in (
        request_to_dict(full),
        request_to_dict(a_request()),
        settings_to_dict(BusinessSettings(business_id="paws", name="Paws")),
    ):
        assert plain(data)
