"""``save`` and ``save_many``: compare-and-set, one by one and by the batch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeAlias

import attrs
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import AbandonedRequest, BookingForm, Person, Status
from abandoned_booking.ports import RequestStore, SupportsBatchSaves
from abandoned_booking.testing import strategies
from abandoned_booking.testing.contracts._tools import (
    THREADS,
    added,
    assert_same,
    claimed,
    fewer,
    generated,
    ids_of,
    new_business,
    race,
)
from abandoned_booking.testing.factory import LEFT_AT, a_request

_NOW: Final = LEFT_AT
_UNTIL: Final = LEFT_AT + timedelta(minutes=2)

_Change: TypeAlias = tuple[AbandonedRequest, int]


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


def _batching(store: RequestStore) -> SupportsBatchSaves:
    return claimed(store, SupportsBatchSaves, what="store")


def _saved(store: RequestStore, changes: Sequence[_Change]) -> list[bool]:
    won = list(_batching(store).save_many(changes))
    line = "save_many: returns what save would have returned, one answer for each change"
    assert len(won) == len(changes), line
    assert all(answer is True or answer is False for answer in won), line
    return won


class SavingMany:
    """``save_many``; skipped for a store without it."""

    def test_a_batch_is_answered_in_its_own_order(self, store: RequestStore) -> None:
        written = added(store, [a_request(id=f"r{nth}", version=1 + nth % 2) for nth in range(7)])
        order = ("r5", "r0", "r3", "nobody", "r6", "r1")
        changes = [
            (a_request(id=name, client_id="new", version=99), written[name].version)
            if name in written
            else (a_request(id=name), 1)
            for name in order
        ]
        won = _saved(store, changes)
        line = "save_many: in the order of changes what save would have returned for each"
        assert won == [True, True, True, False, True, True], line
        for (change, expected), answer in zip(changes, won, strict=True):
            stored = attrs.evolve(change, version=expected + 1) if answer else None
            line = "save_many: each as save would: expected_version + 1, and nothing is added"
            _assert_there(store, change.id, stored, line)
        for name in ("r2", "r4"):
            line = "save_many: requests that are not in the batch stay as they are"
            assert_same(store.get("paws", name), written[name], line)

    def test_one_that_loses_stops_no_other(self, store: RequestStore) -> None:
        written = added(store, [a_request(id=f"r{nth}") for nth in range(4)])
        for loser in written:
            version = {name: _version(store, name) for name in written}
            stale = version[loser] + (1 if loser < "r2" else -1)
            before = store.get("paws", loser)
            changes = [
                (
                    a_request(id=name, client_id=f"beside {loser}", next_action_at=_UNTIL),
                    stale if name == loser else version[name],
                )
                for name in written
            ]
            line = "save_many: decides each by its own version: one that loses stops no other"
            assert _saved(store, changes) == [name != loser for name in written], line
            assert before is not None, line
            assert_same(store.get("paws", loser), before, "save_many: a False changes nothing")
            for change, expected in changes:
                if change.id != loser:
                    stored = attrs.evolve(change, version=expected + 1)
                    assert_same(store.get("paws", change.id), stored, line)

    def test_of_two_changes_to_one_request_only_one_is_saved(self, store: RequestStore) -> None:
        added(store, [a_request(id="r1"), a_request(id="r2")])
        both = [(a_request(id="r1", client_id=name), 1) for name in ("one", "two")]
        won = _saved(store, [both[0], (a_request(id="r2", client_id="c"), 1), both[1]])
        line = "save_many: of two changes to one request only one can be True"
        assert won.count(True) == 2, line
        assert won[1] is True, line
        winner, _ = both[won[::2].index(True)]
        line = "save_many: what is stored is the change that was answered with True"
        assert_same(store.get("paws", "r1"), attrs.evolve(winner, version=2), line)

    def test_a_batch_may_be_of_several_businesses(self, store: RequestStore) -> None:
        twins = [a_request(business_id=name) for name in ("paws", "claws", "maws")]
        for twin in twins:
            assert store.add(twin), "add: True for a key that is not there yet"
        stale = {"claws": 7}
        changes = [
            (attrs.evolve(twin, client_id=twin.business_id), stale.get(twin.business_id, 1))
            for twin in twins
        ]
        line = "save_many: two businesses with the same ids never touch each other"
        assert _saved(store, changes) == [True, False, True], line
        for twin in twins:
            stored = attrs.evolve(twin, client_id=twin.business_id, version=2)
            expected = twin if twin.business_id in stale else stored
            assert_same(store.get(twin.business_id, twin.id), expected, line)

    def test_an_empty_batch_saves_nothing(self, store: RequestStore) -> None:
        assert _saved(store, []) == [], "save_many: no changes, no answers"

    def test_lists_and_queue_follow_a_batch(self, store: RequestStore) -> None:
        requests = [_named(f"r{nth}", "Ann", next_action_at=_NOW) for nth in range(3)]
        added(store, requests)
        changes = [(_named("r0", "Cleo"), 1), (_named("r1", "Cleo"), 9), (_named("r2", "Di"), 1)]
        assert _saved(store, changes) == [True, False, True], "save_many: by its own version"
        line = "save_many: as save would: lists, people and queue go by what was saved"
        listed_at = requests[0].listed_at
        for text, expected in (("cleo", ["r0"]), ("cl", ["r0"]), ("ann", ["r1"]), ("di", ["r2"])):
            page = store.page("paws", ListQuery(text=text), now=listed_at)
            assert ids_of(page.requests) == expected, line
        person = Person(email="cleo@example.com")
        assert ids_of(store.open_of_person("paws", person)) == ["r0"], line
        assert ids_of(store.claim_due(now=_NOW, until=_UNTIL, limit=9)) == ["r1"], line

    @fewer(15)
    @given(
        firsts=st.lists(strategies.requests(), min_size=1, max_size=4),
        seconds=st.lists(strategies.requests(), min_size=4, max_size=4),
    )
    def test_a_batch_replaces_every_field(
        self,
        store: RequestStore,
        firsts: list[AbandonedRequest],
        seconds: list[AbandonedRequest],
    ) -> None:
        _batching(store)
        business_id = new_business()
        changes: list[_Change] = []
        for nth, (first, second) in enumerate(zip(firsts, seconds, strict=False)):
            key: dict[str, Any] = {"business_id": business_id, "id": f"{nth}"}
            key |= {"session_id": f"{nth}", "sequence": 1}
            first = attrs.evolve(first, **key)
            assert store.add(first), "add must return True for a key that is not there yet"
            changes.append((attrs.evolve(second, **key), first.version))
        line = "save_many: True if the stored version was the expected one"
        assert _saved(store, changes) == [True] * len(changes), line
        for change, expected in changes:
            stored = attrs.evolve(change, version=expected + 1)
            line = "save_many: the request is then what was saved, with expected_version + 1"
            assert_same(store.get(business_id, change.id), stored, line)

    def test_of_many_saving_the_same_batch_at_once_each_request_has_one_winner(
        self, store: RequestStore
    ) -> None:
        batching = _batching(store)
        names = [f"r{nth}" for nth in range(5)]
        added(store, [a_request(id=name) for name in names])
        for version in range(1, 5):
            # In opposite orders: whoever takes locks row by row must not wait for ever.
            batches = [
                [
                    (a_request(id=name, client_id=f"{version}-{nth}"), version)
                    for name in (names if nth % 2 else names[::-1])
                ]
                for nth in range(THREADS)
            ]
            answers = race(*(partial(batching.save_many, batch) for batch in batches))
            winners = [
                (change.id, change.client_id)
                for batch, won in zip(batches, answers, strict=True)
                for (change, _), answer in zip(batch, won, strict=True)
                if answer
            ]
            line = "save_many: of N concurrent calls with one expected version one gets True"
            assert sorted(name for name, _ in winners) == names, line
            for name, client_id in winners:
                stored = a_request(id=name, client_id=client_id, version=version + 1)
                line = "save_many: what is stored is the request of the caller that got True"
                assert_same(store.get("paws", name), stored, line)


def _named(request_id: str, name: str, **changes: object) -> AbandonedRequest:
    person = Person(first_name=name, email=f"{name}@example.com")
    return a_request(id=request_id, form=BookingForm(person=person), **changes)


def _version(store: RequestStore, request_id: str) -> int:
    stored = store.get("paws", request_id)
    assert stored is not None, "get: the request that was added"
    return stored.version


def _assert_there(
    store: RequestStore, request_id: str, expected: AbandonedRequest | None, line: str
) -> None:
    read = store.get("paws", request_id)
    if expected is None:
        assert read is None, line
    else:
        assert_same(read, expected, line)
