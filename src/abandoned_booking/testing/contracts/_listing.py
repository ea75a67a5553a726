"""``page``, ``count`` and ``stream``: what the staff see, compared with the pure predicate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.listing import ListQuery, Sort, paginate
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    Channel,
    Contact,
    Person,
    Pet,
    Reason,
    Route,
    Status,
    Step,
)
from abandoned_booking.errors import InvalidCursor
from abandoned_booking.ports import Page, RequestStore
from abandoned_booking.testing import strategies
from abandoned_booking.testing.contracts._tools import (
    added,
    assert_same,
    generated,
    ids_of,
    new_business,
    run_beside,
    stored,
)
from abandoned_booking.testing.factory import LEFT_AT, a_request

_NOW: Final = LEFT_AT + timedelta(days=1)
_ANY: Final = frozenset[Status]()
_MOST_PAGES: Final = 50


def _named(request_id: str, name: str, **changes: object) -> AbandonedRequest:
    return a_request(id=request_id, form=BookingForm(person=Person(first_name=name)), **changes)


def _left(request_id: str, minutes: float, **changes: object) -> AbandonedRequest:
    return a_request(id=request_id, abandoned_at=LEFT_AT + timedelta(minutes=minutes), **changes)


def _ids(store: RequestStore, query: ListQuery) -> list[str]:
    return ids_of(store.page("paws", query, now=_NOW).requests)


def _walk(store: RequestStore, business_id: str, query: ListQuery) -> Iterator[Page]:
    for _ in range(_MOST_PAGES):
        page = store.page(business_id, query, now=_NOW)
        yield page
        if page.next_cursor is None:
            return
        query = attrs.evolve(query, cursor=page.next_cursor)
    raise AssertionError("page: a walk by cursor must come to an end")


class Listing:
    """``page`` and ``count``."""

    @generated
    @given(
        crowd=strategies.crowds("-"),
        changed=strategies.crowds("-", max_size=3),
        asked=st.lists(strategies.queries(), min_size=1, max_size=6),
    )
    def test_page_and_count_agree_with_the_pure_predicate(
        self,
        store: RequestStore,
        crowd: list[AbandonedRequest],
        changed: list[AbandonedRequest],
        asked: list[ListQuery],
    ) -> None:
        business_id = new_business()
        everything = stored(store, business_id, crowd, changed)
        for query in asked:
            for _ in range(_MOST_PAGES):
                expected = paginate(everything, query, now=_NOW)
                page = store.page(business_id, query, now=_NOW)
                _assert_same_page(page, expected)
                count = store.count(business_id, query, now=_NOW)
                assert count == expected.total, "count: what page would find in all"
                if expected.next_cursor is None:
                    break
                query = attrs.evolve(query, cursor=expected.next_cursor)

    def test_a_list_has_what_is_listed_and_nothing_else(self, store: RequestStore) -> None:
        added(
            store,
            [
                a_request(id="shown"),
                a_request(id="just listed", listed_at=_NOW),
                a_request(id="not yet", listed_at=_NOW + timedelta(microseconds=1)),
                a_request(id="lead", route=Route.LEADS),
                a_request(id="withheld", withheld=(Reason.NO_CONTACT_POINT,)),
                a_request(id="deleted", deleted_at=LEFT_AT),
                a_request(id="completed", status=Status.COMPLETED),
            ],
        )
        line = "page: what paginate gives: listed at now, not before, not hidden, not deleted"
        assert {*_ids(store, ListQuery(statuses=_ANY))} == {"shown", "just listed"}, line
        assert _ids(store, ListQuery(deleted=True)) == ["deleted"], line

    def test_newest_come_first_and_ties_by_id(self, store: RequestStore) -> None:
        minutes = {"b": 0, "c": 1, "a": 0, "B": 0, "d": -1, "10": 0, "9": 0}
        added(store, [_left(request_id, at) for request_id, at in minutes.items()])
        instant = timedelta(microseconds=1)
        added(store, [a_request(id="e", abandoned_at=LEFT_AT - instant)])
        added(store, [a_request(id="f", abandoned_at=LEFT_AT + instant)])
        expected = ["c", "f", "10", "9", "B", "a", "b", "e", "d"]
        line = "page: newest first, to the microsecond; ties by id, by code points"
        assert _ids(store, ListQuery()) == expected, line

    @pytest.mark.parametrize("text", ["", "ann", "an"])
    @pytest.mark.parametrize("sort", Sort)
    def test_a_walk_by_cursor_gives_every_row_once_and_in_order(
        self, store: RequestStore, sort: Sort, text: str
    ) -> None:
        everything = [
            _named(
                f"r{number}",
                name=f"Ann{number % 3}" if number % 4 else "Anna",
                abandoned_at=LEFT_AT + timedelta(seconds=number % 3),
                step=(None, Step("time"), Step("pet"))[number % 3],
                contacts=_called(number % 3) if number % 2 else (),
            )
            for number in range(11)
        ]
        added(store, everything)
        query = ListQuery(sort=sort, text=text, limit=3)
        pages = list(_walk(store, "paws", query))
        walked = [request_id for page in pages for request_id in ids_of(page.requests)]
        in_order = paginate(everything, attrs.evolve(query, limit=100), now=_NOW).requests
        assert walked == ids_of(in_order), "page: every row once, in the order of paginate"
        assert [len(page.requests) for page in pages] == [3, 3, 3, 2], (
            "page: full pages but the last"
        )
        assert {page.total for page in pages} == {11}, "page: the total is that of the whole list"

    def test_rows_that_change_between_two_pages_are_neither_skipped_nor_shown_twice(
        self, store: RequestStore
    ) -> None:
        requests = added(store, [_left(f"r{number}", -number) for number in range(9)])
        query = ListQuery(limit=3)
        first = store.page("paws", query, now=_NOW)
        assert ids_of(first.requests) == ["r0", "r1", "r2"], "page: newest first"
        for gone in ("r0", "r1"):
            contacted = attrs.evolve(requests[gone], status=Status.CONTACTED)
            assert store.save(contacted, expected_version=1)
        query = attrs.evolve(query, cursor=first.next_cursor)
        second = store.page("paws", query, now=_NOW)
        line = "page: rows that leave the list make no row behind them skipped"
        assert ids_of(second.requests) == ["r3", "r4", "r5"], line
        added(store, [_left(f"new{number}", 1 + number) for number in range(4)])
        query = attrs.evolve(query, cursor=second.next_cursor)
        third = store.page("paws", query, now=_NOW)
        line = "page: rows that come in make no row shown twice"
        assert ids_of(third.requests) == ["r6", "r7", "r8"], line

    def test_total_and_count_honour_filter_and_search(self, store: RequestStore) -> None:
        added(store, [_named(f"ann{number}", "Ann") for number in range(4)])
        added(store, [_named("bob", "Bob"), _named("cal", "Ann", status=Status.CONTACTED)])
        for text, total in (("", 5), ("ann", 4), ("an", 4), ("bob", 1), ("zzz", 0)):
            query = ListQuery(text=text, limit=2)
            page = store.page("paws", query, now=_NOW)
            assert page.total == total, "page: the total honours filter and search"
            assert len(page.requests) == min(total, 2), "page: at most limit rows"
            behind = attrs.evolve(query, cursor=page.next_cursor)
            for asked in (query, behind, attrs.evolve(query, limit=1)):
                count = store.count("paws", asked, now=_NOW)
                assert count == total, "count: in all, whatever the limit and the cursor"

    def test_totals_stop_at_the_querys_cap(self, store: RequestStore) -> None:
        added(store, [_named(f"ann{number}", "Ann") for number in range(5)])
        added(store, [_named("bob", "Bob"), _named("cal", "Ann", status=Status.CONTACTED)])
        # What is listed, in whatever way a store finds it: all, by a word, by a short one, none.
        for text, exact in (("", 6), ("ann", 5), ("an", 5), ("zzz", 0)):
            whole = store.page("paws", ListQuery(text=text, limit=2), now=_NOW)
            for cap in (1, 4, 5, 6, 7, 1_000_000):
                query = ListQuery(text=text, limit=2, count_up_to=cap)
                line = "count: the exact number, or count_up_to if that is less"
                assert store.count("paws", query, now=_NOW) == min(exact, cap), line
                for cursor in (None, whole.next_cursor):
                    page = store.page("paws", attrs.evolve(query, cursor=cursor), now=_NOW)
                    line = "page: the total is the exact number, or count_up_to if that is less"
                    assert page.total == min(exact, cap), line

    @pytest.mark.parametrize("text", ["", "ann", "an"])
    @pytest.mark.parametrize("limit", [2, 3, 50])
    def test_a_cap_on_totals_takes_no_row_away(
        self, store: RequestStore, limit: int, text: str
    ) -> None:
        added(store, [_named(f"ann{number}", "Ann") for number in range(5)])
        query = ListQuery(text=text, limit=limit, count_up_to=2)
        pages = list(_walk(store, "paws", query))
        walked = [request_id for page in pages for request_id in ids_of(page.requests)]
        line = "page: count_up_to is about totals; rows and cursor are those of any other query"
        assert walked == [f"ann{number}" for number in range(5)], line
        assert {page.total for page in pages} == {2}, "page: the total stops at count_up_to"

    @pytest.mark.parametrize("sign", ["%", "_", "\\", "*", '"', "'", "?", "[", "^", "%%%", "a%n"])
    def test_every_character_of_a_search_stands_for_itself(
        self, store: RequestStore, sign: str
    ) -> None:
        added(store, [_named("plain", "Ann Lee axn"), _named("with sign", f"Ann 1{sign}2")])
        line = "page: every character of query.text is taken as itself"
        for text in (sign, f"1{sign}", f"1{sign}2", f"ann {sign}"):
            assert _ids(store, ListQuery(text=text)) == ["with sign"], line
        count = store.count("paws", ListQuery(text=sign), now=_NOW)
        assert count == 1, line

    def test_words_of_a_query_language_are_plain_words(self, store: RequestStore) -> None:
        added(store, [_named("plain", "Ann"), _named("words", 'or AND not near( "x" text: col-1')])
        line = "page: every word of query.text is taken as itself"
        for text in ("or", "AND", "not", "ann or", "near(", '"x"', "text:", "col-1", "-1"):
            expected = [] if text.startswith("ann") else ["words"]
            assert _ids(store, ListQuery(text=text)) == expected, line

    def test_search_ignores_case_accents_width_and_the_punctuation_of_phones(
        self, store: RequestStore
    ) -> None:
        form = BookingForm(
            person=Person(first_name="Zoë", last_name="Łęcka", phone="212.555.0199"),
            pets=(Pet(name="\uff32\uff25\uff38"), Pet(name="东京")),
        )
        added(store, [a_request(form=form, phone=a_request().phone), _named("other", "Ann")])
        line = "page: every word is found, whatever its case, accents, width or punctuation"
        for text in ("zoe", "LECKA", "rex zoë", "东", "(212) 555", "+1 212-555-0199", "5550199"):
            assert _ids(store, ListQuery(text=text)) == ["r1"], line
        assert _ids(store, ListQuery(text="zoe ann")) == [], "page: every word must be found"

    def test_ranges_are_half_open(self, store: RequestStore) -> None:
        added(store, [_left(f"r{at}", at, contacts=_called(at)) for at in (0, 1, 2)])
        added(store, [_left("never called", 3)])
        one, two = (LEFT_AT + timedelta(minutes=minute) for minute in (1, 2))
        line = "page: ranges are half-open, from <= instant < to"
        for query in (
            ListQuery(abandoned_from=one, abandoned_to=two),
            ListQuery(contacted_from=one, contacted_to=two),
        ):
            assert _ids(store, query) == ["r1"], line
        line = "page: a request without a contact is in no range of contacts"
        assert _ids(store, ListQuery(contacted_to=two)) == ["r1", "r0"], line

    def test_a_wrong_cursor_is_refused(self, store: RequestStore) -> None:
        added(store, [_left(f"r{number}", number) for number in range(3)])
        cursor = store.page("paws", ListQuery(limit=1), now=_NOW).next_cursor
        assert cursor is not None, "page: a cursor while there are more rows"
        wrong = [ListQuery(cursor=text) for text in ("", "x", "0", "é", cursor[:-2], "W10")]
        wrong += [
            ListQuery(cursor=cursor, sort=Sort.NAME),
            ListQuery(cursor=cursor, text="ann"),
            ListQuery(cursor=cursor, statuses=_ANY),
            ListQuery(cursor=cursor, deleted=True),
        ]
        for query in wrong:
            with pytest.raises(InvalidCursor):
                store.page("paws", query, now=_NOW)

    def test_a_list_shows_what_was_last_written(self, store: RequestStore) -> None:
        added(store, [_named("r1", "Ann"), _named("r2", "Bea", abandoned_at=_NOW, listed_at=_NOW)])
        later = {"abandoned_at": _NOW + timedelta(seconds=1), "listed_at": _NOW}
        changed = _named("r1", "Cleo", next_action_at=LEFT_AT, **later)
        assert store.save(changed, expected_version=1)
        (claimed,) = store.claim_due(now=_NOW, until=_NOW, limit=1)
        line = "page: the requests as they were last written, and in their new place"
        assert _ids(store, ListQuery()) == ["r1", "r2"], line
        for text, expected in (("ann", []), ("an", []), ("cleo", ["r1"]), ("cl", ["r1"])):
            assert _ids(store, ListQuery(text=text)) == expected, line
        page = store.page("paws", ListQuery(text="cleo"), now=_NOW)
        assert_same(page.requests[0], claimed, "page: as get gives them, claims included")

    def test_a_row_whose_instant_moves_is_found_in_its_new_place(self, store: RequestStore) -> None:
        requests = added(store, [_left(f"r{number}", -number) for number in range(4)])
        moved = attrs.evolve(requests["r3"], abandoned_at=LEFT_AT + timedelta(minutes=1))
        assert store.save(moved, expected_version=1)
        line = "page: a row whose abandoned_at moved is in its new place, and only there"
        for text in ("", "rex", "re"):
            pages = list(_walk(store, "paws", ListQuery(text=text, limit=1)))
            walked = [request_id for page in pages for request_id in ids_of(page.requests)]
            assert walked == ["r3", "r0", "r1", "r2"], line


class Streaming:
    """``stream``."""

    def test_a_stream_gives_every_request_once_whatever_its_state(
        self, store: RequestStore
    ) -> None:
        written = added(
            store,
            [
                *(
                    _left(status.value, number, status=status)
                    for number, status in enumerate(Status)
                ),
                _left("deleted", 9, deleted_at=LEFT_AT),
                _left("lead", 9, route=Route.LEADS),
                *(_left(f"r{number}", 10) for number in range(20)),
            ],
        )
        read = list(store.stream("paws"))
        line = "stream: every request of the business once, deleted and closed ones included"
        assert sorted(ids_of(read)) == sorted(written), line
        for request in read:
            assert_same(request, written[request.id], "stream: the requests as they were written")
        assert list(store.stream("nobody")) == [], "stream: nothing for a business without requests"

    def test_other_calls_go_on_while_a_stream_is_read(self, store: RequestStore) -> None:
        written = added(store, [_left(f"r{number}", number) for number in range(12)])
        reading = iter(store.stream("paws"))
        read = [next(reading).id]

        def write() -> bool:
            moved = [
                store.save(_left(name, 100 - nth, client_id="c"), expected_version=1)
                for nth, name in enumerate(written)
            ]
            return all(moved) and store.add(_left("new", 500))

        line = "stream: allows other calls, of any thread, while it is being read"
        assert run_beside(write, line) is True, line
        assert store.count("paws", ListQuery(), now=_NOW) == 13, line
        both = zip(store.stream("paws"), store.stream("paws"), strict=True)
        assert all(one.id == two.id for one, two in both), "stream: several at a time"
        read += ids_of(reading)
        line = "stream: every request once that is there from beginning to end"
        assert sorted(name for name in read if name != "new") == sorted(written), line
        assert read.count("new") <= 1, "stream: no request twice"

    def test_a_stream_that_is_left_halfway_holds_nothing_up(self, store: RequestStore) -> None:
        added(store, [_left(f"r{number}", number) for number in range(3)])
        reading = iter(store.stream("paws"))
        next(reading)
        line = "stream: one that is not read to its end holds nothing up"
        assert run_beside(lambda: store.add(_left("new", 9)), line), line


def _called(minutes: float) -> tuple[Contact, ...]:
    return (Contact(id="c1", channel=Channel.CALL, at=LEFT_AT + timedelta(minutes=minutes)),)


def _assert_same_page(page: Page, expected: Page) -> None:
    assert ids_of(page.requests) == ids_of(expected.requests), (
        "page: the rows of paginate, in order"
    )
    assert page.total == expected.total, "page: the total of paginate"
    assert page.next_cursor == expected.next_cursor, "page: the cursor of paginate"
    for read, written in zip(page.requests, expected.requests, strict=True):
        assert_same(read, written, "page: the requests as they were written")
