"""``claim_due`` (the queue) and ``claim_due_fairly`` (the queue by turns of the businesses)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Final, Protocol

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.model import AbandonedRequest, Status
from abandoned_booking.ports import RequestStore, SupportsFairClaims
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing.contracts._tools import (
    THREADS,
    added,
    assert_same,
    claimed,
    fewer,
    ids_of,
    new_business,
    race,
)
from abandoned_booking.testing.factory import LEFT_AT, a_request

_NOW: Final = LEFT_AT
_UNTIL: Final = LEFT_AT + timedelta(minutes=2)
_MUCH_LATER: Final = LEFT_AT + timedelta(days=4_000)
_INSTANT: Final = timedelta(microseconds=1)
_FAIRLY: Final = "claim_due_fairly"
_A_NEW_PICTURE: Final = timedelta(minutes=1)
"""fair claims may go by a picture of what is due that is a few seconds old; after this it is new"""

_either_way = pytest.mark.parametrize("way", ["claim_due", _FAIRLY])
"""all that ``claim_due`` must, ``claim_due_fairly`` must too"""


class _Claim(Protocol):
    def __call__(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]: ...


def _claim_of(store: RequestStore, way: str) -> _Claim:
    return _fair(store).claim_due_fairly if way == _FAIRLY else store.claim_due


def _fair(store: RequestStore) -> SupportsFairClaims:
    return claimed(store, SupportsFairClaims, what="store")


def _due(
    request_id: str, *, after: timedelta = timedelta(0), **changes: object
) -> AbandonedRequest:
    return a_request(id=request_id, next_action_at=_NOW + after, **changes)


class Claiming:
    """``claim_due``, and ``claim_due_fairly`` where the store has it."""

    @_either_way
    def test_nothing_is_claimed_when_nothing_is_due(self, store: RequestStore, way: str) -> None:
        claim = _claim_of(store, way)
        assert ids_of(claim(now=_NOW, until=_UNTIL, limit=9)) == [], f"{way}: an empty store"
        written = [a_request(id="never"), _due("later", after=_INSTANT)]
        added(store, written)
        line = f"{way}: leaves requests alone whose next_action_at is None or later than now"
        assert ids_of(claim(now=_NOW, until=_UNTIL, limit=9)) == [], line
        for request in written:
            assert_same(store.get("paws", request.id), request, line)

    @_either_way
    def test_a_request_is_due_at_its_very_instant(self, store: RequestStore, way: str) -> None:
        claim = _claim_of(store, way)
        added(store, [_due("now"), _due("before", after=-_INSTANT)])
        line = f"{way}: those whose next_action_at is at or before now"
        assert {*ids_of(claim(now=_NOW, until=_UNTIL, limit=9))} == {"now", "before"}, line

    @_either_way
    def test_the_earliest_are_claimed_first_and_never_more_than_the_limit(
        self, store: RequestStore, way: str
    ) -> None:
        claim = _claim_of(store, way)
        hours = {"c": -3, "a": -1, "d": -4, "b": -2, "e": -5}
        added(store, [_due(name, after=timedelta(hours=back)) for name, back in hours.items()])
        order: list[str] = []
        while part := ids_of(claim(now=_NOW, until=_UNTIL, limit=2)):
            assert len(part) <= 2, f"{way}: at most limit requests"
            order += part
        assert order == ["e", "d", "c", "b", "a"], f"{way}: the earliest first"

    @_either_way
    def test_a_claimed_request_is_as_it_is_after_the_claim(
        self, store: RequestStore, way: str
    ) -> None:
        written = _due("r1", version=4, client_id="c1", status=Status.CONTACTED)
        added(store, [written])
        (found,) = _claim_of(store, way)(now=_NOW, until=_UNTIL, limit=9)
        line = f"{way}: as after the claim, next_action_at == until, version + 1, no more changed"
        after = attrs.evolve(written, version=5, next_action_at=_UNTIL)
        assert_same(found, after, line)
        assert_same(store.get("paws", "r1"), after, line)

    @_either_way
    def test_a_claimed_request_is_handed_out_again_at_until_and_not_before(
        self, store: RequestStore, way: str
    ) -> None:
        claim = _claim_of(store, way)
        added(store, [_due("r1")])
        again = _UNTIL + _A_NEW_PICTURE if way == _FAIRLY else _UNTIL
        for now, until, expected in (
            (_NOW, _UNTIL, ["r1"]),
            (_NOW, _UNTIL, []),
            (_UNTIL - _INSTANT, _UNTIL, []),
            (again, _MUCH_LATER, ["r1"]),
            (again, _MUCH_LATER, []),
        ):
            line = f"{way}: due again at until, and not before"
            assert ids_of(claim(now=now, until=until, limit=9)) == expected, line

    @_either_way
    def test_a_claim_fences_off_a_save_of_the_version_before(
        self, store: RequestStore, way: str
    ) -> None:
        claim = _claim_of(store, way)
        slow = _due("r1")
        added(store, [slow])
        (found,) = claim(now=_NOW, until=_UNTIL, limit=9)
        line = f"{way}: bumps the version, so that a slow worker's later save loses"
        assert store.save(slow, expected_version=slow.version) is False, line
        done = attrs.evolve(found, next_action_at=None)
        assert store.save(done, expected_version=found.version), f"{way}: its version is saved"
        assert ids_of(claim(now=_MUCH_LATER, until=_MUCH_LATER, limit=9)) == [], "save: all fields"

    @_either_way
    def test_what_was_last_saved_decides_when_it_is_due(
        self, store: RequestStore, way: str
    ) -> None:
        claim = _claim_of(store, way)
        added(store, [_due("moved up", after=timedelta(days=1)), _due("moved back"), _due("never")])
        changes = (("moved up", _NOW), ("moved back", _UNTIL), ("never", None))
        for request_id, at in changes:
            assert store.save(a_request(id=request_id, next_action_at=at), expected_version=1)
        line = f"{way}: by the next_action_at last written"
        assert ids_of(claim(now=_NOW, until=_UNTIL, limit=9)) == ["moved up"], line

    @_either_way
    def test_requests_of_all_businesses_and_of_any_status_are_claimed(
        self, store: RequestStore, way: str
    ) -> None:
        claim = _claim_of(store, way)
        added(store, [_due(status.value, status=status) for status in Status])
        added(store, [_due("deleted", deleted_at=_NOW), _due("r1", business_id="claws")])
        found = {*ids_of(claim(now=_NOW, until=_UNTIL, limit=9))}
        line = f"{way}: of all businesses; next_action_at alone decides"
        assert found == {*Status, "deleted", "r1"}, line

    @_either_way
    def test_many_claiming_at_once_share_the_due_requests(
        self, store: RequestStore, way: str
    ) -> None:
        claim = _claim_of(store, way)
        due = added(store, [_due(f"r{number}") for number in range(20)])

        def claim_all(now: datetime = _NOW) -> list[str]:
            mine: list[str] = []
            while part := ids_of(claim(now=now, until=_MUCH_LATER, limit=3)):
                mine += part
            return mine

        found = [name for mine in race(*[claim_all] * THREADS) for name in mine]
        if way == _FAIRLY:
            # Whoever goes by a picture may have seen nothing left.
            found += claim_all(_NOW + _A_NEW_PICTURE)
        assert len(found) == len({*found}), f"{way}: each due request goes to one caller only"
        assert {*found} == {*due}, f"{way}: none only if it saw none that it could claim"

    @_either_way
    def test_of_a_claim_and_a_save_of_one_version_exactly_one_wins(
        self, store: RequestStore, way: str
    ) -> None:
        claim = _claim_of(store, way)

        def claims_any(now: datetime) -> bool:
            return bool(claim(now=now, until=_MUCH_LATER, limit=9))

        for number in range(8):
            written = _due(f"r{number}")
            added(store, [written])
            later = attrs.evolve(written, next_action_at=None)
            save = partial(store.save, later, expected_version=1)
            won = race(save, partial(claims_any, _NOW + number * _A_NEW_PICTURE), save)
            line = f"{way} and save of one version: exactly one of them happens"
            assert won.count(True) == 1, line
            stored = store.get("paws", written.id)
            assert stored is not None, line
            assert stored.version == 2, line


_moments: Final = count(1)


def _a_moment_of_its_own() -> datetime:
    """Later than any before: the examples of a test share a store, and its picture of the queue."""
    return _NOW + next(_moments) * _A_NEW_PICTURE


class TakingTurns:
    """``claim_due_fairly``: the order between businesses; skipped for a store without it."""

    def test_every_business_has_a_turn_before_any_has_its_second(self, store: RequestStore) -> None:
        claim = _fair(store).claim_due_fairly
        crowd = [_due(f"c{nth}", after=timedelta(hours=nth - 30)) for nth in range(12)]
        added(store, crowd)
        added(store, [_due("late", business_id="claws"), _due("later", business_id="maws")])
        found = claim(now=_NOW, until=_MUCH_LATER, limit=3)
        line = "claim_due_fairly: a request of every business, before a second one of any"
        assert {request.business_id for request in found} == {"paws", "claws", "maws"}, line
        found = claim(now=_NOW + _A_NEW_PICTURE, until=_MUCH_LATER, limit=3)
        line = "claim_due_fairly: who has nothing left to do keeps nobody waiting"
        assert ids_of(found) == ["c1", "c2", "c3"], line

    def test_within_one_turn_the_earliest_come_first(self, store: RequestStore) -> None:
        claim = _fair(store).claim_due_fairly
        for business_id, seconds in (("paws", (-9, -2)), ("claws", (-5, -4)), ("maws", (-7, -6))):
            for nth, at in enumerate(seconds, 1):
                after = timedelta(seconds=at)
                added(store, [_due(f"{business_id}{nth}", after=after, business_id=business_id)])
        line = "claim_due_fairly: the earliest of every business first, then the second of every"
        found = ids_of(claim(now=_NOW, until=_MUCH_LATER, limit=2))
        assert found == ["paws1", "maws1"], line
        # What is left of a business is the first of what it has to wait for.
        found = ids_of(claim(now=_NOW + _A_NEW_PICTURE, until=_MUCH_LATER, limit=9))
        assert found == ["maws2", "claws1", "paws2", "claws2"], line

    @fewer(20)
    @given(
        crowd=st.lists(
            st.tuples(st.integers(0, 3), st.integers(-9_999, 50)),
            max_size=9,
            unique_by=lambda each: each[1],
        ),
        limits=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    )
    def test_turns_are_those_of_the_memory_store(
        self, store: RequestStore, crowd: list[tuple[int, int]], limits: list[int]
    ) -> None:
        fair, beside = _fair(store), MemoryStore()
        businesses, now = [new_business() for _ in range(4)], _a_moment_of_its_own()
        # What the example before has left is not due in this one.
        store.claim_due(now=now, until=_MUCH_LATER, limit=99)
        for nth, (which, seconds) in enumerate(crowd):
            at = now + timedelta(seconds=seconds)
            due = a_request(id=f"r{nth}", business_id=businesses[which], next_action_at=at)
            added(store, [due])
            added(beside, [due])
        for limit in limits:
            now = _a_moment_of_its_own()
            asked = {"now": now, "until": _MUCH_LATER}
            found = fair.claim_due_fairly(**asked, limit=limit)
            expected = beside.claim_due_fairly(**asked, limit=limit)
            line = "claim_due_fairly: by turns of the businesses, the earliest first in each"
            assert ids_of(found) == ids_of(expected), line
