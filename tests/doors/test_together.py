"""Threads that save at the same moment share a call, and each gets its own answer (R3)."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import attrs
import pytest
from door_world import World

from abandoned_booking._together import _Together, saving_together
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.errors import StoreUnavailable
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import a_request

_Lot = Sequence[tuple[AbandonedRequest, int]]


class Watched(MemoryStore):
    """Holds its first lot up until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.lots: list[int] = []
        self.fails = False
        self.entered, self.go = threading.Event(), threading.Event()

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        # The memory store saves its batches by this, too.
        if not self.lots:
            self.lots.append(1)
            self.entered.set()
            self.go.wait()
            if self.fails:
                raise StoreUnavailable("the database is gone")
        return super().save(request, expected_version=expected_version)

    def save_many(self, changes: _Lot) -> Sequence[bool]:
        self.lots.append(len(changes))
        return super().save_many(changes)


def _four_at_once(store: Watched) -> list[Future[bool]]:
    """One that saves, and three that come while it does; the last one's version is stale."""
    for name in "abcd":
        store.add(a_request(id=name))
    together = _Together(store, store)
    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(together.save, a_request(id="a"), 1)]
        store.entered.wait()
        running += [threads.submit(together.save, a_request(id=name), 1) for name in "bc"]
        running += [threads.submit(together.save, a_request(id="d"), 7)]
        while len(together._waiting) < 3:
            os.sched_yield()
        store.go.set()
    return running


def test_those_that_come_meanwhile_are_the_next_lot_and_each_gets_its_own_answer() -> None:
    store = Watched()
    answers = [future.result() for future in _four_at_once(store)]
    assert answers == [True, True, True, False]
    assert store.lots == [1, 3]
    assert [request.version for request in store.stream("paws")] == [2, 2, 2, 1]


def test_an_error_is_that_of_its_lot_and_the_next_lot_is_saved() -> None:
    store = Watched()
    store.fails = True
    first, *others = _four_at_once(store)
    with pytest.raises(StoreUnavailable, match="gone"):
        first.result()
    assert [future.result() for future in others] == [True, True, False]
    stored = store.get("paws", "a")
    assert stored is not None
    assert stored.version == 1


def test_of_many_saving_one_version_together_exactly_one_wins() -> None:
    store = MemoryStore()
    store.add(a_request())
    save = saving_together(store)
    with ThreadPoolExecutor(8) as threads:
        for version in range(1, 40):
            won = list(threads.map(partial(save, a_request()), [version] * 8))
            assert won.count(True) == 1


def test_a_store_without_batches_saves_one_by_one() -> None:
    class Plain:
        def __init__(self) -> None:
            self.saved: list[int] = []

        def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
            self.saved.append(expected_version)
            return True

    store = Plain()
    assert saving_together(store)(a_request(), 3) is True  # type: ignore[arg-type]
    assert store.saved == [3]


def test_a_business_with_one_due_request_does_not_wait_for_another_with_many() -> None:
    store = MemoryStore()
    world = World(store)
    world.bookings.settings.put(attrs.evolve(world.settings, business_id="claws"))
    for nth in range(5):
        many = world.visit(f"s{nth}", phone=f"212 555 01{nth:02}")
    assert many.next_action_at is not None
    later = many.next_action_at + timedelta(minutes=1)
    store.add(attrs.evolve(many, business_id="claws", next_action_at=later))
    world.clock.advance(hours=2)
    world.bookings.sweep.run_once(limit=4)
    sent = [text.business_id for text in world.gateway.sent]
    assert sorted(sent) == ["claws", "paws", "paws", "paws"]
