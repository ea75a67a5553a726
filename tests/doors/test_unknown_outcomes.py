"""A store that cannot tell whether it has saved: nothing is sent twice, no answer is lost (R3)."""

from __future__ import annotations

import pytest
from door_world import World

from abandoned_booking import AbandonedRequest, Status
from abandoned_booking.core.model import MessagePhase
from abandoned_booking.errors import OutcomeUnknown
from abandoned_booking.stores.memory import MemoryStore


class Unsure(MemoryStore):
    """Once, while a message of that phase is saved, it does not know how that ended."""

    def __init__(self, phase: MessagePhase, *, has_saved: bool) -> None:
        super().__init__()
        self._phase, self._has_saved = phase, has_saved
        self.was_unsure = False

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        if self.was_unsure or request.message.phase is not self._phase:
            return super().save(request, expected_version=expected_version)
        self.was_unsure = True
        if self._has_saved:
            super().save(request, expected_version=expected_version)
        raise OutcomeUnknown("the connection was lost")


@pytest.mark.parametrize("has_saved", [True, False])
def test_an_answer_is_on_record_whatever_became_of_the_first_try(has_saved: bool) -> None:
    store = Unsure(MessagePhase.SENT, has_saved=has_saved)
    world = World(store)
    request = world.visit()
    assert world.sweep(hours=2).sent == 1
    assert store.was_unsure
    stored = world.now_is(request)
    assert (stored.message.phase, stored.status) == (MessagePhase.SENT, Status.CONTACTED)
    assert len(stored.contacts) == 1


@pytest.mark.parametrize("has_saved", [True, False])
def test_a_begin_that_nobody_knows_of_sends_nothing(has_saved: bool) -> None:
    store = Unsure(MessagePhase.SENDING, has_saved=has_saved)
    world = World(store)
    request = world.visit()
    assert world.sweep(hours=2).errors == 1
    assert world.gateway.accepted.total() == 0
    world.sweep(minutes=5)
    phase = world.now_is(request).message.phase
    # In doubt if it had begun; sent by the next, who can know that it had not.
    assert phase is (MessagePhase.UNCONFIRMED if has_saved else MessagePhase.SENT)
    assert world.gateway.accepted.total() == (0 if has_saved else 1)
