"""``add``, ``get``, ``latest_of_session`` and ``open_of_person``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import attrs
from hypothesis import given

from abandoned_booking.core.model import (
    AbandonedRequest,
    Address,
    BookingForm,
    CareType,
    Person,
    Pet,
    Phone,
    Status,
    Step,
)
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

_AS_WRITTEN: Final = "get: the request must be equal to what was last written"
_PHONE: Final = Phone(e164="+12125550199", region="US", can_text=True)


class AddingAndGetting:
    """``add`` and ``get``."""

    @generated
    @given(written=strategies.requests())
    def test_a_request_comes_back_as_it_was_written(
        self, store: RequestStore, written: AbandonedRequest
    ) -> None:
        written = attrs.evolve(written, business_id=new_business())
        assert store.add(written), "add must return True for a key that is not there yet"
        assert_same(store.get(written.business_id, written.id), written, _AS_WRITTEN)

    def test_instants_come_back_aware_and_to_the_microsecond(self, store: RequestStore) -> None:
        at = datetime(2026, 3, 8, 6, 59, 59, 999_999, tzinfo=UTC)
        written = a_request(abandoned_at=at, listed_at=at, next_action_at=at, closed_at=at)
        added(store, [written])
        read = store.get("paws", "r1")
        assert_same(read, written, _AS_WRITTEN)

    def test_every_script_and_emoji_comes_back(self, store: RequestStore) -> None:
        form = BookingForm(
            person=Person(
                first_name="Zoë 👩🏽‍🚀", last_name='O\'Brien\\ "%_"', email="ж@пример.рф"
            ),
            pets=(Pet(name="東京 🐕"), Pet(name=""), Pet()),
            address=Address(line1="ul. Łódzka 1\nm. 2", country="PL"),
            care_type=CareType("cat sitting"),
            answers={"e\u0301": "\u00e9", "": "\t"},
        )
        written = a_request(form=form, step=Step("card on file"), resume_url="https://x.test/?a=b")
        added(store, [written])
        assert_same(store.get("paws", "r1"), written, _AS_WRITTEN)

    def test_an_unknown_request_is_none(self, store: RequestStore) -> None:
        added(store, [a_request()])
        for business_id, request_id in (("paws", "r2"), ("claws", "r1"), ("", "")):
            assert store.get(business_id, request_id) is None, "get: None if there is none"

    def test_ids_are_compared_character_by_character(self, store: RequestStore) -> None:
        ids = ["r", "R", "r ", "é", "e\u0301", "%", "_", "r'--"]
        requests = added(store, [a_request(id=request_id) for request_id in ids])
        for request_id, written in requests.items():
            line = "get: ids that differ in case, accent or trailing space are different ids"
            assert_same(store.get("paws", request_id), written, line)

    def test_adding_the_same_id_again_changes_nothing(self, store: RequestStore) -> None:
        written = a_request()
        added(store, [written])
        again = a_request(session_id="another", status=Status.CONTACTED)
        assert store.add(again) is False, "add: False if there is a request of that id already"
        assert_same(store.get("paws", "r1"), written, "add: a False changes nothing")
        assert store.latest_of_session("paws", "another") is None, "add: a False changes nothing"

    def test_adding_the_same_session_and_sequence_again_changes_nothing(
        self, store: RequestStore
    ) -> None:
        written = a_request(session_id="s")
        added(store, [written])
        again = a_request(id="r2", session_id="s")
        line = "add: False if there is a request of that session and sequence already"
        assert store.add(again) is False, line
        assert store.get("paws", "r2") is None, "add: a False changes nothing"
        assert_same(store.latest_of_session("paws", "s"), written, "add: a False changes nothing")

    def test_of_many_adding_one_key_at_once_exactly_one_wins(self, store: RequestStore) -> None:
        for number in range(5):
            contenders = [
                a_request(id=f"r{number}", session_id=f"s{number}-{nth}", client_id=str(nth))
                for nth in range(THREADS)
            ]
            won = race(*(lambda request=request: store.add(request) for request in contenders))
            assert won.count(True) == 1, "add: of N concurrent calls exactly one returns True"
            winner = contenders[won.index(True)]
            line = "add: what is stored is the request of the caller that got True"
            assert_same(store.get("paws", f"r{number}"), winner, line)

    def test_of_many_adding_one_session_at_once_exactly_one_wins(self, store: RequestStore) -> None:
        for number in range(5):
            contenders = [
                a_request(id=f"r{number}-{nth}", session_id=f"s{number}") for nth in range(THREADS)
            ]
            won = race(*(lambda request=request: store.add(request) for request in contenders))
            line = "add: of N concurrent calls for one session and sequence exactly one is True"
            assert won.count(True) == 1, line
            there = [store.get("paws", request.id) is not None for request in contenders]
            assert there == won, "add: a False changes nothing"


class FindingTheSession:
    """``latest_of_session``."""

    def test_the_latest_of_a_session_has_the_highest_sequence(self, store: RequestStore) -> None:
        # The later request was left earlier, and was added first: only the sequence counts.
        for sequence, minutes in ((2, 10), (10, 0), (1, 30), (9, 20)):
            at = LEFT_AT + timedelta(minutes=minutes)
            request = a_request(
                id=f"r{sequence}", session_id="s", sequence=sequence, abandoned_at=at
            )
            added(store, [request])
        latest = store.latest_of_session("paws", "s")
        assert latest is not None, "latest_of_session: None only if the session has no request"
        assert latest.sequence == 10, "latest_of_session: the request of the highest sequence"

    def test_the_latest_of_a_session_may_be_closed_or_deleted(self, store: RequestStore) -> None:
        added(store, [a_request(id="r1", session_id="s", sequence=1)])
        for sequence, changes in (
            (2, {"status": Status.COMPLETED}),
            (3, {"status": Status.RECOVERED}),
            (4, {"deleted_at": LEFT_AT}),
        ):
            written = a_request(id=f"r{sequence}", session_id="s", sequence=sequence, **changes)
            added(store, [written])
            line = "latest_of_session: deleted and closed ones are included"
            assert_same(store.latest_of_session("paws", "s"), written, line)

    def test_an_unknown_session_has_no_latest(self, store: RequestStore) -> None:
        added(store, [a_request(session_id="s")])
        for business_id, session_id in (("paws", "S"), ("claws", "s")):
            latest = store.latest_of_session(business_id, session_id)
            assert latest is None, "latest_of_session: None if the session has no request"


def _of(request_id: str, **who: str | Phone | None) -> AbandonedRequest:
    email = who.pop("email", None)
    form = BookingForm(person=Person(first_name="Ann", email=str(email) if email else None))
    return a_request(id=request_id, form=form, **who)


class FindingThePerson:
    """``open_of_person``."""

    def test_a_person_is_found_by_client_id_phone_and_email(self, store: RequestStore) -> None:
        added(
            store,
            [
                _of("client", client_id="c1"),
                _of("phone", phone=_PHONE),
                _of("email", email=" ANN@Example.com"),
                _of("other", client_id="c2", email="bob@example.com"),
            ],
        )
        line = "open_of_person: shares the client_id, or the phone, or the email_key"
        for person, expected in (
            (Person(client_id="c1"), {"client"}),
            (Person(phone="+12125550199"), {"phone"}),
            (Person(email="Ann@example.COM "), {"email"}),
            (
                Person(client_id="c1", phone="+12125550199", email="ann@example.com"),
                {"client", "phone", "email"},
            ),
        ):
            assert {*ids_of(store.open_of_person("paws", person))} == expected, line

    def test_a_request_that_matches_in_several_ways_comes_once(self, store: RequestStore) -> None:
        written = _of("r1", client_id="c1", phone=_PHONE, email="ann@example.com")
        added(store, [written])
        person = Person(client_id="c1", phone="+12125550199", email="ann@example.com")
        found = store.open_of_person("paws", person)
        assert ids_of(found) == ["r1"], "open_of_person: each once"
        assert_same(found[0], written, "open_of_person: the requests as they were written")

    def test_what_is_missing_matches_nothing(self, store: RequestStore) -> None:
        added(store, [_of("bare"), _of("client", client_id="c1")])
        line = "open_of_person: a field that the person lacks matches nothing"
        for person in (
            Person(),
            Person(first_name="Ann"),
            Person(email=" "),
            Person(client_id="", phone="", email=""),
            Person(client_id="c2"),
        ):
            assert ids_of(store.open_of_person("paws", person)) == [], line

    def test_a_phone_is_compared_as_parsed_not_as_typed(self, store: RequestStore) -> None:
        typed = BookingForm(person=Person(phone="+12125550199"))
        added(store, [a_request(id="unparsed", form=typed), a_request(id="parsed", phone=_PHONE)])
        found = store.open_of_person("paws", Person(phone="+12125550199"))
        line = "open_of_person: person.phone is compared with request.phone.e164"
        assert ids_of(found) == ["parsed"], line

    def test_only_open_requests_are_found_deleted_ones_too(self, store: RequestStore) -> None:
        added(
            store,
            [
                *(a_request(id=status.value, client_id="c1", status=status) for status in Status),
                a_request(id="deleted", client_id="c1", deleted_at=LEFT_AT),
            ],
        )
        found = {*ids_of(store.open_of_person("paws", Person(client_id="c1")))}
        line = "open_of_person: those in Abandoned or Contacted, deleted ones included"
        assert found == {"abandoned", "contacted", "deleted"}, line

    def test_a_person_is_found_by_what_was_last_saved(self, store: RequestStore) -> None:
        added(store, [_of("r1", client_id="c1", email="ann@example.com")])
        assert store.save(_of("r1", phone=_PHONE, email="bob@example.com"), expected_version=1)
        line = "open_of_person: what was last written decides"
        for person, expected in (
            (Person(client_id="c1"), []),
            (Person(email="ann@example.com"), []),
            (Person(email="bob@example.com"), ["r1"]),
            (Person(phone="+12125550199"), ["r1"]),
        ):
            assert ids_of(store.open_of_person("paws", person)) == expected, line
