"""Whom to call next: worth, age and step; and two never call the same person."""

from __future__ import annotations

import threading
from datetime import timedelta

from door_world import World

from abandoned_booking import AbandonedRequest, Step
from abandoned_booking.core.model import CallOutcome, HistoryKind


def crowd(world: World, *, people: int = 3) -> list[AbandonedRequest]:
    """Visitors a minute apart, an hour and more ago."""
    requests = []
    for n in range(people):
        requests.append(world.visit(f"s{n}", phone=f"+121255501{n:02}"))
        world.clock.advance(minutes=1)
    world.clock.advance(hours=1)
    return requests


def test_the_newest_first_if_all_are_worth_the_same(world: World) -> None:
    requests = crowd(world)
    chosen = world.desk.next_to_call("joe")
    assert chosen is not None
    assert chosen.id == requests[-1].id


def test_the_hosts_worth_and_the_step_weigh_in(world: World) -> None:
    early = world.visit("early", step=Step.ADDRESS, phone="+12125550101")
    late = world.visit("late", step=Step.PAYMENT, phone="+12125550102")
    world.clock.advance(hours=1)
    first = world.desk.next_to_call("joe")
    assert first is not None
    assert first.id == late.id
    worth = {early.id: 100.0, late.id: 10.0}
    dear = world.desk.next_to_call("ann", worth=lambda request: worth[request.id])
    assert dear is not None
    assert dear.id == early.id


def test_asked_again_the_same_until_it_is_done_or_given_back(world: World) -> None:
    crowd(world)
    first = world.desk.next_to_call("joe")
    again = world.desk.next_to_call("joe")
    assert first is not None
    assert again is not None
    assert again.id == first.id
    noted = world.desk.note_outcome(first.id, CallOutcome.NO_SLOT, staff_id="joe")
    assert (noted.outcome, noted.reserved_by) == ("no_slot", None)
    assert noted.history[-1].kind is HistoryKind.CALL_OUTCOME
    second = world.desk.next_to_call("joe")
    assert second is not None
    assert second.id != first.id
    world.desk.give_back(second.id, staff_id="joe")
    other = world.desk.next_to_call("ann")
    assert other is not None
    assert other.id == second.id


def test_giving_back_what_another_has_changes_nothing(world: World) -> None:
    crowd(world, people=1)
    mine = world.desk.next_to_call("joe")
    assert mine is not None
    world.desk.give_back(mine.id, staff_id="ann")
    assert world.desk.next_to_call("ann") is None


def test_a_reservation_ends(world: World) -> None:
    crowd(world, people=1)
    assert world.desk.next_to_call("joe", reserve_for=timedelta(minutes=10)) is not None
    assert world.desk.next_to_call("ann") is None
    world.clock.advance(minutes=10)
    assert world.desk.next_to_call("ann") is not None


def test_call_back_comes_again_and_other_outcomes_do_not(world: World) -> None:
    crowd(world, people=1)
    request = world.desk.next_to_call("joe")
    assert request is not None
    world.desk.note_outcome(request.id, "call_back", staff_id="joe")
    assert world.desk.next_to_call("joe") is not None
    world.desk.note_outcome(request.id, "on holiday", staff_id="joe")
    assert world.desk.next_to_call("joe") is None


def test_who_cannot_be_called_is_left_out(world: World) -> None:
    world.visit("no phone", phone=None, email="a@b.co")
    called = world.visit("called", phone="+12125550101")
    world.desk.call(called.id)
    world.clock.advance(hours=1)
    assert world.desk.next_to_call("joe") is None


def test_two_requests_of_one_person_are_one_call(world: World) -> None:
    world.visit("s1")
    world.visit("s2")
    world.clock.advance(hours=1)
    assert world.desk.next_to_call("joe") is not None
    assert world.desk.next_to_call("ann") is None


def test_of_many_who_ask_at_once_no_two_get_the_same_person(world: World) -> None:
    crowd(world, people=6)
    together = threading.Barrier(8)
    given: list[AbandonedRequest | None] = []

    def ask(nth: int) -> None:
        together.wait()
        given.append(world.desk.next_to_call(f"staff {nth}"))

    threads = [threading.Thread(target=ask, args=(nth,)) for nth in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chosen = [request.id for request in given if request is not None]
    assert len(chosen) == len(set(chosen)) == 6
