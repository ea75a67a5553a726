"""The contract of :class:`~abandoned_booking.ports.RequestStore`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import attrs

from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import AbandonedRequest, Person
from abandoned_booking.ports import RequestStore
from abandoned_booking.testing.contracts._claiming import Claiming, TakingTurns
from abandoned_booking.testing.contracts._durability import (
    ASecondConnection,
    ASuddenDeath,
    SeveralProcesses,
)
from abandoned_booking.testing.contracts._erasing import (
    ErasingTraces,
    FindingTheOld,
    SearchingForAPerson,
)
from abandoned_booking.testing.contracts._interleaving import Interleaving
from abandoned_booking.testing.contracts._listing import Listing, Streaming
from abandoned_booking.testing.contracts._machine import AnySequence
from abandoned_booking.testing.contracts._reading import (
    AddingAndGetting,
    FindingThePerson,
    FindingTheSession,
)
from abandoned_booking.testing.contracts._saving import Saving, SavingMany
from abandoned_booking.testing.contracts._tallying import AddingUp
from abandoned_booking.testing.contracts._tools import added, assert_same, ids_of
from abandoned_booking.testing.factory import LEFT_AT, a_request

__all__ = ["RequestStoreContract"]

_NOW: Final = LEFT_AT + timedelta(days=1)
_LINE: Final = "two businesses with the same ids never touch each other"


class _Tenants:
    """Every method keeps to its business, whatever another business's ids are."""

    def test_two_businesses_with_identical_ids_keep_their_own_requests(
        self, store: RequestStore
    ) -> None:
        paws, claws = _twins(store)
        for request in (paws, claws):
            business_id = request.business_id
            assert_same(store.get(business_id, "r1"), request, f"get: {_LINE}")
            assert_same(store.latest_of_session(business_id, "s"), request, f"latest: {_LINE}")
            (streamed,) = store.stream(business_id)
            assert_same(streamed, request, f"stream: {_LINE}")

    def test_lists_and_counts_keep_to_their_business(self, store: RequestStore) -> None:
        paws, claws = _twins(store)
        added(store, [attrs.evolve(claws, id="r2", session_id="s2")])
        for query in (ListQuery(), ListQuery(text="ann"), ListQuery(text="an"), ListQuery(limit=1)):
            page = store.page("paws", query, now=_NOW)
            assert ids_of(page.requests) == ["r1"], f"page: {_LINE}"
            assert_same(page.requests[0], paws, f"page: {_LINE}")
            assert page.total == 1, f"page: {_LINE}"
            assert store.count("paws", query, now=_NOW) == 1, f"count: {_LINE}"
            assert store.count("claws", query, now=_NOW) == 2, f"count: {_LINE}"
            assert store.count("nobody", query, now=_NOW) == 0, f"count: {_LINE}"

    def test_a_person_is_known_to_each_business_apart(self, store: RequestStore) -> None:
        twins = _twins(store)
        for person in (
            Person(client_id="c1"),
            Person(phone="+12125550199"),
            Person(email="ann@example.com"),
        ):
            for request in twins:
                (found,) = store.open_of_person(request.business_id, person)
                assert_same(found, request, f"open_of_person: {_LINE}")
            assert ids_of(store.open_of_person("nobody", person)) == [], f"open_of_person: {_LINE}"

    def test_saves_and_claims_touch_one_business_only(self, store: RequestStore) -> None:
        paws, claws = _twins(store)
        changed = attrs.evolve(paws, client_id="changed", next_action_at=LEFT_AT)
        assert store.save(changed, expected_version=paws.version) is True, f"save: {_LINE}"
        assert_same(store.get("claws", "r1"), claws, f"save: {_LINE}")
        elsewhere = attrs.evolve(changed, business_id="nobody")
        assert store.save(elsewhere, expected_version=2) is False, f"save: {_LINE}"
        (claimed,) = store.claim_due(now=LEFT_AT, until=_NOW, limit=9)
        assert claimed.business_id == "paws", f"claim_due: {_LINE}"
        assert_same(store.get("claws", "r1"), claws, f"claim_due: {_LINE}")


def _twins(store: RequestStore) -> tuple[AbandonedRequest, AbandonedRequest]:
    paws = a_request(session_id="s", client_id="c1")
    claws = attrs.evolve(paws, business_id="claws", abandoned_at=LEFT_AT + timedelta(seconds=1))
    for request in (paws, claws):
        assert store.add(request) is True, f"add: {_LINE}"
    return paws, claws


class RequestStoreContract(
    AddingAndGetting,
    FindingTheSession,
    FindingThePerson,
    Saving,
    SavingMany,
    Claiming,
    TakingTurns,
    Listing,
    Streaming,
    AddingUp,
    SearchingForAPerson,
    FindingTheOld,
    ErasingTraces,
    Interleaving,
    AnySequence,
    ASecondConnection,
    SeveralProcesses,
    ASuddenDeath,
    _Tenants,
):
    """Everything that :class:`~abandoned_booking.ports.RequestStore` promises.

    Subclass it and give the fixture ``store``: a new, empty store for each test (scope
    ``function``), usable from several threads. Give ``reopen`` too if other processes can open the
    same data: then it is read through a second connection, raced for by several processes, and
    read again after processes were killed in the middle of writes.

    What a store may have beyond the port (``SupportsBatchSaves``, ``SupportsFairClaims``,
    ``SupportsPersonSearch``, ``SupportsExpiry``, ``SupportsErasure``, ``SupportsTally``) is tested
    if it is there.
    """
