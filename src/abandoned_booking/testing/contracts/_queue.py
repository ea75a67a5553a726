"""``save`` (compare-and-set) and ``claim_due`` (the queue)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

import attrs
from hypothesis import given

from abandoned_booking.core.model import AbandonedRequest, Status
from abandoned_booking.ports import RequestStore
from abandoned_booking.testing import strategies
from abandoned_booking.testing.contracts._tools import (
    THREADS,
    added,
    assert_same,
    generated,
    ids_of,
    new_business,
    race,
)
from abandoned_booking.testing.factory import LEFT_AT, a_request

_NOW: Final = LEFT_AT
_UNTIL: Final = LEFT_AT + timedelta(minutes=2)
_INSTANT: Final = timedelta(microseconds=1)


class Saving:
    """``save``."""

    @generated
    @given(first=strategies.requests(), second=strategies.requests())
    def test_a_save_replaces_every_field(
        self, store: RequestStore, first: AbandonedRequest, second: AbandonedRequest
    ) -> None:
        first = attrs.evolve(first, business_id=new_business())
        assert store.add(first), "add must return True for a key that is not there yet"
        second = attrs.evolve(
            second,
            business_id=first.business_id,
            id=first.id,
            session_id=first.session_id,
            sequence=first.sequence,
        )
        line = "save: True if the stored version was expected_version"
        assert store.save(second, expected_version=first.version) is True, line
        stored = attrs.evolve(second, version=first.version + 1)
        line = "save: the request is then what was saved, with expected_version + 1"
        assert_same(store.get(first.business_id, first.id), stored, line)
        assert_same(store.latest_of_session(first.business_id, first.session_id), stored, line)

    def test_the_stored_version_is_the_expected_one_plus_one(self, store: RequestStore) -> None:
        added(store, [a_request(version=7)])
        for expected, given_version in ((7, 1), (8, 8), (9, 99)):
            assert store.save(a_request(version=given_version), expected_version=expected)
            read = store.get("paws", "r1")
            assert read is not None, "save: the request stays"
            line = "save: the stored version is expected_version + 1, whatever request.version says"
            assert read.version == expected + 1, line

    def test_a_save_with_another_version_loses_and_changes_nothing(
        self, store: RequestStore
    ) -> None:
        stored = attrs.evolve(a_request(client_id="first"), version=2)
        added(store, [a_request()])
        assert store.save(stored, expected_version=1), "save: True if the version fits"
        late = a_request(client_id="late", status=Status.CONTACTED, next_action_at=_NOW, version=2)
        for expected in (1, 3, 0, -1):
            line = "save: False if the stored version is not expected_version"
            assert store.save(late, expected_version=expected) is False, line
            assert_same(store.get("paws", "r1"), stored, "save: a False changes nothing")
        claimed = store.claim_due(now=_NOW, until=_UNTIL, limit=9)
        assert ids_of(claimed) == [], "save: a False changes nothing, next_action_at neither"

    def test_saving_what_is_not_there_adds_nothing(self, store: RequestStore) -> None:
        for expected in (0, 1):
            line = "save: False if the request is not there"
            assert store.save(a_request(), expected_version=expected) is False, line
        assert store.get("paws", "r1") is None, "save: a False changes nothing"
        assert store.add(a_request()) is True, "save: a False changes nothing"

    def test_of_many_saving_one_version_at_once_exactly_one_wins(self, store: RequestStore) -> None:
        added(store, [a_request()])
        for version in range(1, 9):
            contenders = [a_request(client_id=f"{version}-{nth}") for nth in range(THREADS)]
            won = race(
                *(
                    lambda request=request, version=version: store.save(
                        request, expected_version=version
                    )
                    for request in contenders
                )
            )
            line = "save: of N concurrent calls with one expected version exactly one returns True"
            assert won.count(True) == 1, line
            winner = attrs.evolve(contenders[won.index(True)], version=version + 1)
            line = "save: what is stored is the request of the caller that got True"
            assert_same(store.get("paws", "r1"), winner, line)


def _due(
    request_id: str, *, after: timedelta = timedelta(0), **changes: object
) -> AbandonedRequest:
    return a_request(id=request_id, next_action_at=_NOW + after, **changes)


def _claims_any(store: RequestStore) -> bool:
    return bool(store.claim_due(now=_NOW, until=_UNTIL, limit=9))


class Claiming:
    """``claim_due``."""

    def test_nothing_is_claimed_when_nothing_is_due(self, store: RequestStore) -> None:
        claimed = store.claim_due(now=_NOW, until=_UNTIL, limit=9)
        assert ids_of(claimed) == [], "claim_due: an empty store has nothing due"
        written = [a_request(id="never"), _due("later", after=_INSTANT)]
        added(store, written)
        claimed = store.claim_due(now=_NOW, until=_UNTIL, limit=9)
        line = "claim_due: leaves requests alone whose next_action_at is None or later than now"
        assert ids_of(claimed) == [], line
        for request in written:
            assert_same(store.get("paws", request.id), request, line)

    def test_a_request_is_due_at_its_very_instant(self, store: RequestStore) -> None:
        added(store, [_due("now"), _due("before", after=-_INSTANT)])
        claimed = store.claim_due(now=_NOW, until=_UNTIL, limit=9)
        line = "claim_due: those whose next_action_at is at or before now"
        assert {*ids_of(claimed)} == {"now", "before"}, line

    def test_the_earliest_are_claimed_first_and_never_more_than_the_limit(
        self, store: RequestStore
    ) -> None:
        hours = {"c": -3, "a": -1, "d": -4, "b": -2, "e": -5}
        added(store, [_due(name, after=timedelta(hours=back)) for name, back in hours.items()])
        order: list[str] = []
        while part := ids_of(store.claim_due(now=_NOW, until=_UNTIL, limit=2)):
            assert len(part) <= 2, "claim_due: at most limit requests"
            order += part
        assert order == ["e", "d", "c", "b", "a"], "claim_due: the earliest first"

    def test_a_claimed_request_is_as_it_is_after_the_claim(self, store: RequestStore) -> None:
        written = _due("r1", version=4, client_id="c1", status=Status.CONTACTED)
        added(store, [written])
        (claimed,) = store.claim_due(now=_NOW, until=_UNTIL, limit=9)
        line = (
            "claim_due: as after the claim, next_action_at == until, version + 1, no more changed"
        )
        after = attrs.evolve(written, version=5, next_action_at=_UNTIL)
        assert_same(claimed, after, line)
        assert_same(store.get("paws", "r1"), after, line)

    def test_a_claimed_request_is_handed_out_again_at_until_and_not_before(
        self, store: RequestStore
    ) -> None:
        added(store, [_due("r1")])
        again_at = _UNTIL + timedelta(minutes=2)
        for now, expected in (
            (_NOW, ["r1"]),
            (_NOW, []),
            (_UNTIL - _INSTANT, []),
            (_UNTIL, ["r1"]),
            (_UNTIL, []),
        ):
            until = _UNTIL if now < _UNTIL else again_at
            claimed = store.claim_due(now=now, until=until, limit=9)
            assert ids_of(claimed) == expected, "claim_due: due again at until, and not before"

    def test_a_claim_fences_off_a_save_of_the_version_before(self, store: RequestStore) -> None:
        slow = _due("r1")
        added(store, [slow])
        (claimed,) = store.claim_due(now=_NOW, until=_UNTIL, limit=9)
        line = "claim_due: bumps the version, so that a slow worker's later save loses"
        assert store.save(slow, expected_version=slow.version) is False, line
        done = attrs.evolve(claimed, next_action_at=None)
        assert store.save(done, expected_version=claimed.version), "claim_due: its version is saved"
        assert ids_of(store.claim_due(now=_UNTIL, until=_UNTIL, limit=9)) == [], "save: all fields"

    def test_what_was_last_saved_decides_when_it_is_due(self, store: RequestStore) -> None:
        added(store, [_due("moved up", after=timedelta(days=1)), _due("moved back"), _due("never")])
        changes = (("moved up", _NOW), ("moved back", _UNTIL), ("never", None))
        for request_id, at in changes:
            assert store.save(a_request(id=request_id, next_action_at=at), expected_version=1)
        claimed = store.claim_due(now=_NOW, until=_UNTIL, limit=9)
        assert ids_of(claimed) == ["moved up"], "claim_due: by the next_action_at last written"

    def test_requests_of_all_businesses_and_of_any_status_are_claimed(
        self, store: RequestStore
    ) -> None:
        added(store, [_due(status.value, status=status) for status in Status])
        added(store, [_due("deleted", deleted_at=_NOW), _due("r1", business_id="claws")])
        claimed = {*ids_of(store.claim_due(now=_NOW, until=_UNTIL, limit=9))}
        line = "claim_due: of all businesses; next_action_at alone decides"
        assert claimed == {*Status, "deleted", "r1"}, line

    def test_many_claiming_at_once_share_the_due_requests(self, store: RequestStore) -> None:
        due = added(store, [_due(f"r{number}") for number in range(20)])

        def claim_all() -> list[str]:
            mine: list[str] = []
            while part := ids_of(store.claim_due(now=_NOW, until=_UNTIL, limit=3)):
                mine += part
            return mine

        claimed = [name for mine in race(*[claim_all] * THREADS) for name in mine]
        assert len(claimed) == len({*claimed}), (
            "claim_due: each due request goes to one caller only"
        )
        assert {*claimed} == {*due}, "claim_due: none only if it saw none that it could claim"

    def test_of_a_claim_and_a_save_of_one_version_exactly_one_wins(
        self, store: RequestStore
    ) -> None:
        for number in range(8):
            written = _due(f"r{number}")
            added(store, [written])
            later = attrs.evolve(written, next_action_at=None)
            save = partial(store.save, later, expected_version=1)
            won = race(save, partial(_claims_any, store), save)
            line = "claim_due and save of one version: exactly one of them happens"
            assert won.count(True) == 1, line
            stored = store.get("paws", written.id)
            assert stored is not None, line
            assert stored.version == 2, line
