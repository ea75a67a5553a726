"""Whom to call next, as pure functions: worth, age, step, reservations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from abandoned_booking import BusinessSettings, Status, Step
from abandoned_booking.core.callqueue import can_be_called, released, reserved, urgency
from abandoned_booking.core.model import CallOutcome
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

NOW = LEFT_AT + timedelta(hours=2)
SETTINGS = BusinessSettings(business_id="paws", name="Paws")


@pytest.mark.parametrize(
    ("changes", "free"),
    [
        ({}, True),
        ({"status": Status.CONTACTED}, False),
        ({"phone": None}, False),
        ({"outcome": CallOutcome.NO_ANSWER}, False),
        ({"outcome": CallOutcome.CALL_BACK}, True),
        ({"reserved_by": "ann", "reserved_until": NOW + timedelta(seconds=1)}, False),
        ({"reserved_by": "joe", "reserved_until": NOW + timedelta(seconds=1)}, True),
        ({"reserved_by": "ann", "reserved_until": NOW}, True),
    ],
)
def test_who_can_be_called(changes: dict[str, Any], free: bool) -> None:
    assert can_be_called(a_request(**changes), staff_id="joe", now=NOW) is free


def test_a_day_halves_and_the_last_step_doubles_nearly() -> None:
    request = a_request(step=Step.ADDRESS)
    now = urgency(request, SETTINGS, worth=8.0, now=LEFT_AT)
    a_day_later = urgency(request, SETTINGS, worth=8.0, now=LEFT_AT + timedelta(days=1))
    assert a_day_later == pytest.approx(now / 2)
    further = urgency(a_request(step=Step.PAYMENT), SETTINGS, worth=8.0, now=LEFT_AT)
    assert further == pytest.approx(16.0)
    assert now < further
    unknown = a_request(step=Step("elsewhere"))
    assert urgency(unknown, SETTINGS, worth=8.0, now=LEFT_AT) == pytest.approx(8.0)


def test_only_who_has_it_gives_it_back() -> None:
    kept = reserved(a_request(), staff_id="joe", until=NOW)
    assert released(kept, staff_id="ann") is kept
    assert released(kept, staff_id="joe").reserved_until is None


def test_an_outcome_of_the_hosts_own_shows_as_what_it_is() -> None:
    assert repr(CallOutcome("on holiday")) == "CallOutcome('on holiday')"
