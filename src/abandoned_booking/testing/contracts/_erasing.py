"""``all_of_person``, ``abandoned_before`` and ``erase_traces``: what a store may have for G3."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import attrs
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.model import AbandonedRequest, BookingForm, Person, Status
from abandoned_booking.core.privacy import erased, is_of_person
from abandoned_booking.ports import (
    RequestStore,
    SupportsErasure,
    SupportsExpiry,
    SupportsPersonSearch,
)
from abandoned_booking.testing import strategies
from abandoned_booking.testing.contracts._tools import (
    added,
    assert_same,
    claimed,
    fewer,
    ids_of,
    new_business,
)
from abandoned_booking.testing.factory import LEFT_AT, a_request

_ANN: Final = Person(client_id="c1", phone="+12125550199", email="ann@example.com")


def _searching(store: RequestStore) -> SupportsPersonSearch:
    return claimed(store, SupportsPersonSearch, what="store")


def _expiring(store: RequestStore) -> SupportsExpiry:
    return claimed(store, SupportsExpiry, what="store")


def _erasing(store: RequestStore) -> SupportsErasure:
    return claimed(store, SupportsErasure, what="store")


class SearchingForAPerson:
    """``SupportsPersonSearch``; skipped for a store without it."""

    def test_all_requests_of_a_person_are_found_in_every_status(self, store: RequestStore) -> None:
        searching = _searching(store)
        expected = {*Status, "deleted"}
        for status in Status:
            added(store, [a_request(id=status.value, client_id="c1", status=status)])
        added(store, [a_request(id="deleted", client_id="c1", deleted_at=LEFT_AT)])
        added(store, [a_request(id="bob", client_id="c2", form=BookingForm())])
        for person in (_ANN, Person(client_id="c1"), Person(phone=_ANN.phone)):
            found = ids_of(searching.all_of_person("paws", person))
            line = "all_of_person: the person's requests in every status, each once"
            assert sorted(found) == sorted(expected), line
        assert ids_of(searching.all_of_person("claws", _ANN)) == [], "one business only"
        nobody = ids_of(searching.all_of_person("paws", Person(first_name="Ann")))
        assert nobody == [], "all_of_person: a person without any of the three has no requests"

    def test_an_erased_request_is_nobodys(self, store: RequestStore) -> None:
        searching = _searching(store)
        written = a_request(client_id="c1")
        added(store, [written])
        assert store.save(erased(written, at=LEFT_AT), expected_version=1)
        line = "all_of_person: what was last written decides; an erased request is nobody's"
        assert ids_of(searching.all_of_person("paws", _ANN)) == [], line

    @fewer(25)
    @given(crowd=st.data(), person=st.data())
    def test_all_of_person_agrees_with_the_pure_predicate(
        self, store: RequestStore, crowd: st.DataObject, person: st.DataObject
    ) -> None:
        searching, business_id = _searching(store), new_business()
        written = added(store, crowd.draw(strategies.crowds(business_id)))
        numbers = sorted({r.phone.e164 for r in written.values() if r.phone})
        asked = Person(
            client_id=person.draw(st.none() | strategies.ids()),
            phone=person.draw(st.sampled_from([None, *numbers])),
            email=person.draw(st.sampled_from([None, "ann@example.com"])),
        )
        expected = {id_ for id_, request in written.items() if is_of_person(request, asked)}
        found = ids_of(searching.all_of_person(business_id, asked))
        assert sorted(found) == sorted(expected), "all_of_person: those that is_of_person finds"


class FindingTheOld:
    """``SupportsExpiry``; skipped for a store without it."""

    def test_what_was_abandoned_before_is_found_unless_it_was_erased(
        self, store: RequestStore
    ) -> None:
        expiring = _expiring(store)
        a_moment = timedelta(microseconds=1)
        old = LEFT_AT - a_moment
        added(
            store,
            [
                a_request(id="young"),
                a_request(id="old", abandoned_at=old),
                a_request(id="older", abandoned_at=LEFT_AT - timedelta(days=999)),
                a_request(id="closed", abandoned_at=old, status=Status.COMPLETED),
                a_request(id="deleted", abandoned_at=old, deleted_at=LEFT_AT),
                erased(a_request(id="erased", abandoned_at=old), at=LEFT_AT),
                a_request(id="theirs", abandoned_at=old, business_id="claws"),
            ],
        )
        found = sorted(ids_of(expiring.abandoned_before("paws", LEFT_AT)))
        line = "abandoned_before: those before the instant, without the erased, of one business"
        assert found == ["closed", "deleted", "old", "older"], line

    def test_many_are_found_while_they_are_being_erased(self, store: RequestStore) -> None:
        expiring = _expiring(store)
        # Of one instant, in two letters: a place between two reads is not told by time alone.
        made = [a_request(id=f"{'aZ'[n % 2]}{n}") for n in range(520)]
        added(store, made)
        seen = []
        for request in expiring.abandoned_before("paws", LEFT_AT + timedelta(days=1)):
            seen.append(request.id)
            gone = erased(request, at=LEFT_AT)
            assert store.save(gone, expected_version=request.version), (
                "abandoned_before: writes to these very requests are allowed meanwhile"
            )
        line = "abandoned_before: every request is found, whatever happens to those before it"
        assert sorted(seen) == sorted(ids_of(made)), line


class ErasingTraces:
    """``SupportsErasure``; skipped for a store without it."""

    def test_erasing_traces_changes_nothing_that_can_be_read(self, store: RequestStore) -> None:
        erasing = _erasing(store)
        written: list[AbandonedRequest] = [
            *added(store, [a_request(id=f"r{n}") for n in range(9)]).values()
        ]
        gone = erased(written[0], at=LEFT_AT)
        assert store.save(gone, expected_version=1)
        assert erasing.erase_traces("paws") is True, "erase_traces: True if no copy is left"
        line = "erase_traces: changes nothing that can be read through the store"
        assert_same(store.get("paws", "r0"), attrs.evolve(gone, version=2), line)
        for request in written[1:]:
            assert_same(store.get("paws", request.id), request, line)
        assert erasing.erase_traces("paws") is True, "erase_traces: a repeat does no harm"
