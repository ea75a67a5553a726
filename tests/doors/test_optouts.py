"""Opting out and in by another road than a text (I1, I4, R6)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from door_world import PHONE, World

from abandoned_booking.core.events import OptedOut
from abandoned_booking.errors import InvalidInput, InvalidPhone, UnknownBusiness
from abandoned_booking.stores.memory import MemoryStore


@pytest.fixture
def world() -> World:
    return World(MemoryStore())


def test_an_opt_out_at_the_desk_does_what_the_word_does() -> None:
    told: list[object] = []
    world = World(MemoryStore(), on_event=told.append)
    request = world.visit()
    assert world.bookings.inbound.opt_out("paws", "(212) 555-0199") is True
    assert world.now_is(request).version > request.version
    assert [type(event) for event in told] == [OptedOut]
    assert world.sweep(hours=2).sent == 0
    assert world.bookings.inbound.opt_out("paws", PHONE) is False
    assert world.reply("START") == "opted_in"
    assert not world.bookings.inbound.suppressed("paws", PHONE).opted_out


def test_an_opt_in_at_the_desk_takes_it_back_each_time(world: World) -> None:
    inbound = world.bookings.inbound
    assert inbound.opt_in("paws", PHONE) is False
    for _ in range(2):
        world.reply("STOP")
        assert inbound.suppressed("paws", PHONE).opted_out
        assert inbound.opt_in("paws", PHONE) is True
        assert not inbound.suppressed("paws", PHONE).opted_out


def test_an_older_opt_in_does_not_lift_a_later_opt_out(world: World) -> None:
    world.visit()
    world.reply("STOP")
    inbound = world.bookings.inbound
    assert inbound.opt_in("paws", PHONE, at=world.clock.now() - timedelta(minutes=1)) is False
    assert inbound.suppressed("paws", PHONE).opted_out


def test_a_block_by_the_staff_is_another_matter(world: World) -> None:
    world.desk.block_phone(world.visit().id)
    inbound = world.bookings.inbound
    inbound.opt_out("paws", PHONE)
    inbound.opt_in("paws", PHONE)
    found = inbound.suppressed("paws", PHONE)
    assert (found.opted_out, found.blocked) == (False, True)


def test_what_cannot_be_changes_nothing(world: World) -> None:
    inbound = world.bookings.inbound
    for call in (inbound.opt_out, inbound.opt_in):
        with pytest.raises(InvalidPhone):
            call("paws", "12")
        with pytest.raises(UnknownBusiness):
            call("claws", PHONE)
        with pytest.raises(InvalidInput):
            call("paws", PHONE, at=datetime(2026, 11, 2))
    assert not inbound.suppressed("paws", PHONE).opted_out
