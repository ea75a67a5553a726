"""Events: told after the commit, with what a message centre needs (I5); a listener may fail."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from door_world import PHONE, START, Clients, World

from abandoned_booking import DeliveryReport
from abandoned_booking.core import events
from abandoned_booking.core.model import Channel, MessagePhase
from abandoned_booking.ports import RequestStore


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def world(store: RequestStore, clients: Clients, told: list[Any]) -> World:
    return World(store, clients=clients, on_event=told.append)


def kinds(told: list[Any]) -> list[str]:
    return [type(event).__name__ for event in told]


def test_the_life_of_a_request_as_events(world: World, told: list[Any]) -> None:
    request = world.visit()
    assert told == []
    world.sweep(hours=1)
    assert kinds(told) == ["Abandoned"]
    assert told[0].at == world.clock.now()
    world.sweep(hours=1)
    assert kinds(told[1:]) == ["MessageStateChanged", "Contacted", "MessageStateChanged"]
    contacted = told[2]
    assert contacted.contact.channel is Channel.RECOVERY_MESSAGE
    assert contacted.text.startswith("Hi Ann")
    assert [event.after for event in (told[1], told[3])] == [
        MessagePhase.SENDING,
        MessagePhase.SENT,
    ]
    del told[:]
    world.reply("Yes")
    assert kinds(told) == ["ClientAdded"]
    assert told[0].client_id == world.now_is(request).client_id
    world.desk.scheduled(request.id, "a1")
    world.desk.appointment_cancelled(request.id)
    assert kinds(told[1:]) == ["Recovered", "RecoveryReversed"]
    assert told[1].request.version == told[2].request.version - 1


def test_a_text_of_the_staff_carries_what_was_written(world: World, told: list[Any]) -> None:
    request = world.visit()
    world.desk.text(request.id, "Hello")
    assert kinds(told) == ["Contacted"]
    assert (told[0].text, told[0].contact.channel) == ("Hello", Channel.TEXT)
    world.desk.call(request.id)
    assert told[-1].text is None


def test_an_opt_out_is_told_once_also_of_somebody_unknown(world: World, told: list[Any]) -> None:
    world.reply("STOP")
    world.reply("STOP")
    assert kinds(told) == ["OptedOut"]
    assert (told[0].business_id, told[0].address, told[0].at) == ("paws", PHONE, START)


def test_a_repeat_is_told_once(world: World, told: list[Any]) -> None:
    request = world.visit()
    world.sweep(hours=2)
    del told[:]
    attempt_id = world.now_is(request).message.attempt_id or ""
    for _ in range(3):
        world.bookings.inbound.delivery(
            DeliveryReport(
                business_id="paws",
                attempt_id=attempt_id,
                state="delivered",
                at=world.clock.now(),
            )
        )
    assert kinds(told) == ["MessageStateChanged"]


def test_an_event_is_told_when_its_change_can_be_read(store: RequestStore, told: list[Any]) -> None:
    def listener(event: events.Event) -> None:
        if isinstance(event, events.Contacted):
            told.append(store.get("paws", event.request.id) == event.request)

    world = World(store, on_event=listener)
    world.desk.call(world.visit().id)
    assert told == [True]


def test_a_listener_that_raises_undoes_and_repeats_nothing(
    store: RequestStore, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(event: events.Event) -> None:
        raise ValueError(f"Ann {PHONE} {event.business_id}")

    world = World(store, on_event=fails)
    request = world.visit()
    with caplog.at_level(logging.DEBUG):
        assert world.sweep(hours=2).sent == 1
    assert world.sweep(hours=2).claimed == 0
    assert len(world.gateway.sent) == 1
    assert world.now_is(request).message.phase is MessagePhase.SENT
    assert "listener failed on Contacted" in caplog.text
    assert PHONE not in caplog.text


def test_g4_the_repr_of_an_event_tells_of_nobody(world: World, told: list[Any]) -> None:
    request = world.visit()
    world.desk.text(request.id, "whisper")
    world.sweep(hours=2)
    world.reply("Yes")
    world.reply("STOP")
    assert len(told) >= 4
    for event in told:
        assert not any(secret in repr(event) for secret in ("Ann", "5550199", "whisper", "Hi "))
