"""R9 at the doors: what ``us_marketing`` asks, each part seen by what the sweep sends.

The tables of hours themselves are tested with :mod:`core.test_quiet`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from door_world import World

from abandoned_booking import (
    AbandonedRequest,
    Address,
    AfterDelay,
    BookingForm,
    CompliancePolicy,
    Person,
    Progress,
    Step,
)
from abandoned_booking.core.model import MessagePhase, Reason
from abandoned_booking.ports import RequestStore

NEW_YORK = "+12125550101"
FLORIDA = "+13055550102"
HAWAII = "+18085550103"
SOMEWHERE = Address()


class Consents:
    """Those who have agreed."""

    def __init__(self, *phones: str) -> None:
        self.agreed = set(phones)

    def has_consent(self, business_id: str, phone: str) -> bool:
        return (business_id, phone) in {("paws", agreed) for agreed in self.agreed}


def local(text: str, zone: str = "America/New_York") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def a_salon(store: RequestStore, *, opened: datetime, **parts: Any) -> World:
    """A salon in New York that keeps ``us_marketing`` and sends after two hours."""
    given = {"consents": Consents(NEW_YORK, FLORIDA, HAWAII), **parts}
    world = World(store, **given)
    world.clock.set(opened)
    world.put(compliance=CompliancePolicy.us_marketing(), timing=AfterDelay(hours=2))
    return world


def left_by(world: World, phone: str, address: Address = SOMEWHERE) -> AbandonedRequest:
    progress = Progress(
        business_id="paws",
        session_id="s1",
        step=Step.TIME,
        at=world.clock.now(),
        form=BookingForm(person=Person(first_name="Ann", phone=phone), address=address),
    )
    request = world.bookings.capture.progress(progress)
    assert request is not None
    return request


def sent_at(world: World, *, until: datetime) -> datetime | None:
    """Sweep every five minutes; returns when the first text went."""
    while world.clock.now() < until:
        world.sweep(minutes=5)
        if world.gateway.sent:
            return world.clock.now()
    return None


@pytest.mark.parametrize(
    ("left", "phone", "address", "goes"),
    [
        pytest.param(
            local("2026-11-02T10:00"), NEW_YORK, SOMEWHERE, local("2026-11-02T12:00"),
            id="by day at once",
        ),
        pytest.param(
            local("2026-11-02T19:30"), NEW_YORK, SOMEWHERE, local("2026-11-03T08:00"),
            id="due at 9:30 pm: at 8 in the morning",
        ),
        pytest.param(
            local("2026-11-02T09:00"), HAWAII, SOMEWHERE,
            local("2026-11-02T08:00", "Pacific/Honolulu"),
            id="the hour of the phone's zone, not of the salon's",
        ),
        pytest.param(
            local("2026-11-02T17:30"), HAWAII, Address(state="NY"), local("2026-11-02T19:30"),
            id="the address goes before the phone: 7:30 pm in New York",
        ),
        pytest.param(
            local("2026-11-02T09:00"), HAWAII, Address(state="NY"), local("2026-11-02T11:00"),
            id="the address goes before the phone: by day in New York",
        ),
        pytest.param(
            local("2026-11-02T06:15"), NEW_YORK, Address(state="TN"), local("2026-11-02T09:00"),
            id="every zone of a split state: 8 in its western part",
        ),
        pytest.param(
            local("2026-11-02T18:15"), NEW_YORK, Address(state="FL"),
            local("2026-11-03T08:00", "America/Chicago"),
            id="a state's table: Florida ends at 8 pm, and both its zones must allow",
        ),
        pytest.param(
            local("2026-11-01T06:30"), NEW_YORK, Address(state="AL"),
            local("2026-11-02T08:00", "America/Chicago"),
            id="a state's table: not on a Sunday in Alabama",
        ),
        pytest.param(
            local("2027-03-13T20:00"), NEW_YORK, SOMEWHERE, local("2027-03-14T08:00"),
            id="over the night of spring forward",
        ),
        pytest.param(
            local("2026-10-31T20:00"), NEW_YORK, SOMEWHERE, local("2026-11-01T08:00"),
            id="over the night of fall back",
        ),
    ],
)  # fmt: skip
def test_r9_a_text_goes_when_the_recipient_may_be_texted(
    store: RequestStore, left: datetime, phone: str, address: Address, goes: datetime
) -> None:
    world = a_salon(store, opened=left)
    request = left_by(world, phone, address)
    (line,) = world.desk.forecast(until=left + timedelta(days=2)).messages
    assert line.send_at == world.desk.explain(request.id).send_at == goes
    assert sent_at(world, until=left + timedelta(days=2)) == goes


@pytest.mark.parametrize(
    ("day", "goes"), [("2025-08-25", "08:30"), ("2025-09-01", "09:00")], ids=["before", "since"]
)
def test_r9_a_states_table_holds_from_its_date_on(store: RequestStore, day: str, goes: str) -> None:
    """Texas: from 9 am on since 1 September 2025; both days are Mondays."""
    zone = "America/Denver"
    left = local(f"{day}T06:30", zone)
    world = a_salon(store, opened=left)
    left_by(world, NEW_YORK, Address(state="TX"))
    assert sent_at(world, until=left + timedelta(hours=12)) == local(f"{day}T{goes}", zone)


def test_r9_relaxed_asks_nothing_of_this(store: RequestStore) -> None:
    world = a_salon(store, opened=local("2026-11-02T01:00"), consents=None)
    world.put(compliance=CompliancePolicy.relaxed())
    left_by(world, HAWAII, Address(state="AL"))
    assert world.sweep(hours=2).sent == 1


def test_r9_nothing_to_a_request_older_than_48_hours(store: RequestStore) -> None:
    world = a_salon(store, opened=local("2026-11-02T10:00"))
    world.put(late_grace=timedelta(days=30))
    request = left_by(world, NEW_YORK)
    found = world.sweep(hours=48, seconds=1)
    assert (found.sent, found.skipped) == (0, {Reason.TOO_OLD: 1})
    assert world.now_is(request).message.reasons == (Reason.TOO_OLD,)


def test_r9_a_request_of_exactly_48_hours_still_gets_it(store: RequestStore) -> None:
    world = a_salon(store, opened=local("2026-11-02T10:00"))
    world.put(late_grace=timedelta(days=30))
    left_by(world, NEW_YORK)
    assert world.sweep(hours=48).sent == 1


def test_r9_held_by_quiet_hours_until_it_is_too_old_it_does_not_go(store: RequestStore) -> None:
    world = a_salon(store, opened=local("2026-11-02T19:30"))
    policy = attrs.evolve(CompliancePolicy.us_marketing(), not_older_than=timedelta(hours=12))
    world.put(compliance=policy)
    request = left_by(world, NEW_YORK)
    (line,) = world.desk.forecast(until=local("2026-11-03T12:00")).not_messaged
    assert line.reasons == (Reason.TOO_OLD,)
    assert sent_at(world, until=local("2026-11-03T12:00")) is None
    assert world.desk.explain(request.id).message_reasons == (Reason.TOO_OLD,)


def test_r9_consent_is_denied_unless_the_host_says_otherwise(store: RequestStore) -> None:
    world = a_salon(store, opened=local("2026-11-02T10:00"), consents=None)
    request = left_by(world, NEW_YORK)
    assert world.sweep(hours=2).skipped == {Reason.NO_CONSENT: 1}
    assert world.now_is(request).message.phase is MessagePhase.SKIPPED


def test_r9_consent_is_that_of_the_number(store: RequestStore) -> None:
    world = a_salon(store, opened=local("2026-11-02T10:00"), consents=Consents(FLORIDA))
    left_by(world, NEW_YORK)
    assert world.sweep(hours=2).skipped == {Reason.NO_CONSENT: 1}


def test_r9_consent_taken_back_before_the_hour_counts(store: RequestStore) -> None:
    consents = Consents(NEW_YORK)
    world = a_salon(store, opened=local("2026-11-02T10:00"), consents=consents)
    left_by(world, NEW_YORK)
    world.sweep(hours=1)
    consents.agreed.clear()
    assert world.sweep(hours=1).skipped == {Reason.NO_CONSENT: 1}
