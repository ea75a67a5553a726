"""Two who work on one request at their own pace: every order of their steps, none left to chance.

Each reads, or is handed out, the request and writes it later. Whoever writes a version that is no
longer the stored one has lost, whatever came between: that is what keeps the recovery message to
one (R3). What must come out is what the memory store says of the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from itertools import combinations, combinations_with_replacement
from typing import Any, Final, TypeAlias

import attrs
import pytest

from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.core.privacy import erased
from abandoned_booking.ports import RequestStore, SupportsBatchSaves
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing.contracts._processes import CanBeOpenedAgain, Reopen, again
from abandoned_booking.testing.contracts._tools import assert_same, claimed, new_business
from abandoned_booking.testing.factory import LEFT_AT, a_request

__all__ = ["Interleaving"]

_NOW: Final = LEFT_AT
_UNTIL: Final = LEFT_AT + timedelta(days=4_000)


@attrs.define
class _Hand:
    """One of the two: what it works with, and what it knows of the request."""

    store: Any
    name: str
    business_id: str
    seen: AbandonedRequest | None = None
    beside: int = 0
    """the version of a request that nobody else works on; 0: it is not there yet"""

    def save(self, **changes: Any) -> bool | None:
        """Write what it saw, changed; ``None`` if it has seen nothing."""
        if self.seen is None:
            return None
        changed = attrs.evolve(self.seen, client_id=self.name, **changes)
        saved: bool = self.store.save(changed, expected_version=self.seen.version)
        return saved


_Step: TypeAlias = Callable[[_Hand], object]


def _reads(hand: _Hand) -> object:
    hand.seen = hand.store.get(hand.business_id, "r1")
    return hand.seen and hand.seen.version


def _saves(hand: _Hand) -> object:
    return hand.save()


def _saves_a_batch(hand: _Hand) -> object:
    assert hand.seen is not None, "get: the request that was added"
    own = a_request(id=hand.name, business_id=hand.business_id, client_id="beside")
    if not hand.beside:
        hand.beside = 1
        assert hand.store.add(own), "add: True for a key that is not there yet"
    changed = attrs.evolve(hand.seen, client_id=hand.name)
    won = list(hand.store.save_many([(changed, hand.seen.version), (own, hand.beside)]))
    hand.beside += 1
    return won


def _claims(hand: _Hand) -> object:
    found = hand.store.claim_due(now=_NOW, until=_UNTIL, limit=99)
    hand.seen = next((r for r in found if r.business_id == hand.business_id), None)
    return hand.seen and hand.seen.version


def _finishes(hand: _Hand) -> object:
    return hand.save(next_action_at=None)


def _deletes(hand: _Hand) -> object:
    return hand.save(deleted_at=_NOW, next_action_at=None)


def _erases(hand: _Hand) -> object:
    assert hand.seen is not None, "get: the request that was added"
    gone = erased(hand.seen, at=_NOW)
    return hand.store.save(gone, expected_version=hand.seen.version)


_PARTS: Final[dict[str, tuple[_Step, ...]]] = {
    "save": (_reads, _saves),
    "save_many": (_reads, _saves_a_batch),
    "claim": (_claims, _finishes),
    "delete": (_reads, _deletes),
    "erase": (_reads, _erases),
    "save twice": (_reads, _saves, _saves),
}


_PAIRS: Final = tuple(combinations_with_replacement(_PARTS, 2))


def _orders(one: tuple[_Step, ...], two: tuple[_Step, ...]) -> Iterator[list[tuple[int, _Step]]]:
    """Every order of the steps of both that keeps the order of each."""
    places = range(len(one) + len(two))
    for taken in combinations(places, len(one)):
        steps = (iter(one), iter(two))
        turns = [0 if place in taken else 1 for place in places]
        yield [(turn, next(steps[turn])) for turn in turns]


def _told(order: list[tuple[int, _Step]]) -> str:
    return ", ".join(f"{'AB'[turn]} {step.__name__.strip('_')}" for turn, step in order)


class Interleaving(CanBeOpenedAgain):
    """Stale versions lose, in every order of two hands on one request.

    The second hand has a connection of its own where the fixture ``reopen`` gives one.
    """

    @pytest.mark.parametrize(("one", "two"), _PAIRS, ids=map(" and ".join, _PAIRS))
    def test_whoever_saves_an_old_version_loses_in_every_order(
        self, store: RequestStore, reopen: Reopen, one: str, two: str
    ) -> None:
        if "save_many" in (one, two):
            claimed(store, SupportsBatchSaves, what="store")
        beside = MemoryStore()
        with again(reopen, "store") if reopen else nullcontext(store) as other:
            for order in _orders(_PARTS[one], _PARTS[two]):
                business_id = new_business()
                played = (store, other), (beside, beside)
                hands = [
                    [_Hand(each, name, business_id) for each, name in zip(pair, "AB", strict=True)]
                    for pair in played
                ]
                _play(order, *hands)


def _play(order: list[tuple[int, _Step]], hands: list[_Hand], beside: list[_Hand]) -> None:
    """One order, a step at a time, on both stores; what the memory store answers is right."""
    told = _told(order)
    start = a_request(business_id=hands[0].business_id, next_action_at=_NOW)
    for first in (hands[0], beside[0]):
        assert first.store.add(start), "add: True for a key that is not there yet"
    for nth, (turn, step) in enumerate(order):
        answer, expected = step(hands[turn]), step(beside[turn])
        line = f"in the order {told}: the answer to step {nth + 1} is {expected}, not {answer}"
        assert answer == expected, f"save: False if the stored version is not the expected; {line}"
    for hand, right in zip(hands, beside, strict=True):
        expected_request = right.store.get(right.business_id, "r1")
        read = hand.store.get(hand.business_id, "r1")
        assert_same(read, expected_request, f"in the order {told}: a False changes nothing")
