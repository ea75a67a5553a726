"""What a change means to a host: events worked out from before and after."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from abandoned_booking import AbandonedRequest, Channel, Status
from abandoned_booking.core.events import events_between
from abandoned_booking.core.lifecycle import AppointmentCancelled, StaffScheduled, advance
from abandoned_booking.core.model import Contact, ContactState, HistoryKind, Recovery
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

AT = LEFT_AT + timedelta(hours=1)
CALL = Contact(id="c", channel=Channel.CALL, at=AT)
SENDING = attrs.evolve(CALL, state=ContactState.SENDING)
WON = advance(a_request(), StaffScheduled(at=AT, appointment_id="a1"))
REVERSED = advance(WON, AppointmentCancelled(at=AT))


def kinds(before: AbandonedRequest, after: AbandonedRequest) -> list[str]:
    return [type(event).__name__ for event in events_between(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {}, []),
        ({}, {"announced_at": AT}, ["Abandoned"]),
        ({}, {"announced_at": AT, "lead_id": "l1"}, ["Abandoned", "LeadHandedOver"]),
        ({}, {"lead_id": "l1"}, ["LeadHandedOver"]),
        ({"announced_at": AT}, {"announced_at": AT}, []),
        ({}, {"contacts": (CALL,)}, ["Contacted"]),
        ({}, {"contacts": (SENDING,)}, []),
        ({"contacts": (SENDING,)}, {"contacts": (CALL,)}, ["Contacted"]),
        ({"contacts": (CALL,)}, {"contacts": (CALL,)}, []),
        ({}, {"client_id": "c1"}, []),
        ({}, {"status": Status.COMPLETED}, []),
    ],
)
def test_what_a_change_tells(
    before: dict[str, Any], after: dict[str, Any], told: list[str]
) -> None:
    assert kinds(a_request(**before), a_request(**after)) == told


def test_a_client_is_added_when_the_history_says_so() -> None:
    added = a_request(client_id="c1").noted(AT, HistoryKind.CLIENT_ADDED)
    assert kinds(a_request(), added) == ["ClientAdded"]
    assert kinds(added, added) == []


def test_s4_recovered_and_reversed_once_each() -> None:
    assert kinds(a_request(), WON) == ["Recovered"]
    assert kinds(WON, REVERSED) == ["RecoveryReversed"]
    assert kinds(REVERSED, REVERSED) == []
    assert kinds(WON, WON) == []


def test_after_a_cancelled_appointment_the_next_one_is_a_recovery_again() -> None:
    again = attrs.evolve(REVERSED, recovery=Recovery(at=AT, appointment_id="a2"))
    assert kinds(REVERSED, again) == ["Recovered"]
