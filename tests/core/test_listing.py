"""The staff's list as pure functions: C4, C10, D2, L1, L2, L3, L4, L5, L8."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.listing import (
    MOST_PER_PAGE,
    Action,
    ListQuery,
    SearchWord,
    Sort,
    actions_of,
    counted,
    cursor_after,
    dot_query,
    fold,
    is_listed,
    local_day_start,
    matches,
    paginate,
    position_of,
    search_text,
    search_words,
    sort_key,
    unlisted_reasons,
)
from abandoned_booking.core.model import (
    AbandonedRequest,
    Address,
    BookingForm,
    CareType,
    Channel,
    ClientType,
    Contact,
    ContactState,
    Person,
    Pet,
    Reason,
    Route,
    Status,
    Step,
)
from abandoned_booking.errors import InvalidCursor, InvalidInput
from abandoned_booking.testing import a_request, crowds, queries, requests
from abandoned_booking.testing.factory import LEFT_AT

_NOW = LEFT_AT + timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)
_ANY = frozenset[Status]()


def _called(at: datetime, state: ContactState = ContactState.MADE) -> tuple[Contact, ...]:
    return (Contact(id="c1", channel=Channel.CALL, at=at, state=state),)


def _named(first: str | None = None, last: str | None = None, **changes: Any) -> AbandonedRequest:
    form = BookingForm(person=Person(first_name=first, last_name=last))
    return a_request(form=form, **changes)


def _ids(found: Sequence[AbandonedRequest]) -> list[str]:
    return [request.id for request in found]


# ── who is listed: C4, C10, D2, L8 ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("after", "listed"),
    [(timedelta(0), False), (_HOUR - _INSTANT, False), (_HOUR, True), (2 * _HOUR, True)],
    ids=str,
)
def test_a_request_is_listed_from_the_very_hour_on(after: timedelta, listed: bool) -> None:
    """C4"""
    request, now = a_request(), LEFT_AT + after
    assert is_listed(request, now=now) is listed
    assert unlisted_reasons(request, now=now) == (() if listed else (Reason.TOO_RECENT,))


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, ()),
        ({"status": Status.CONTACTED}, ()),
        ({"status": Status.RECOVERED}, ()),
        ({"status": Status.COMPLETED}, (Reason.COMPLETED,)),
        ({"deleted_at": LEFT_AT}, (Reason.DELETED,)),
        ({"route": Route.LEADS}, (Reason.ROUTED_TO_LEADS,)),
        ({"withheld": (Reason.NO_CONTACT_POINT,)}, (Reason.NO_CONTACT_POINT,)),
        ({"withheld": (Reason.FEATURE_UNAVAILABLE,)}, (Reason.FEATURE_UNAVAILABLE,)),
        (
            {"withheld": (Reason.BLOCKED, Reason.NO_APPLICABLE_SERVICE)},
            (Reason.NO_APPLICABLE_SERVICE, Reason.BLOCKED),
        ),
        (
            {
                "withheld": (Reason.BLOCKED,),
                "route": Route.LEADS,
                "status": Status.COMPLETED,
                "deleted_at": LEFT_AT,
                "listed_at": _NOW + _INSTANT,
            },
            (
                Reason.DELETED,
                Reason.COMPLETED,
                Reason.BLOCKED,
                Reason.ROUTED_TO_LEADS,
                Reason.TOO_RECENT,
            ),
        ),
    ],
    ids=str,
)
def test_whoever_is_not_listed_has_every_reason_in_the_fixed_order(
    changes: dict[str, Any], reasons: tuple[Reason, ...]
) -> None:
    """C10, D2"""
    request = a_request(**changes)
    assert unlisted_reasons(request, now=_NOW) == reasons
    assert is_listed(request, now=_NOW) is (not reasons)


@given(requests(), st.sampled_from([LEFT_AT, _NOW]))
def test_a_request_is_listed_exactly_when_there_is_no_reason_against_it(
    request: AbandonedRequest, now: datetime
) -> None:
    """C10"""
    assert is_listed(request, now=now) is (not unlisted_reasons(request, now=now))


def test_the_dot_counts_what_is_listed_in_abandoned() -> None:
    """L5"""
    everything = [
        *(a_request(id=status.value, status=status) for status in Status),
        a_request(id="lead", route=Route.LEADS),
        a_request(id="deleted", deleted_at=LEFT_AT),
        a_request(id="too recent", listed_at=_NOW + _INSTANT),
        a_request(id="withheld", withheld=(Reason.BLOCKED,)),
    ]
    page = paginate(everything, dot_query(), now=_NOW)
    assert _ids(page.requests) == ["abandoned"]
    assert page.total == 1


@pytest.mark.parametrize("status", Status)
def test_the_shelf_of_deleted_requests_has_whatever_was_deleted(status: Status) -> None:
    """L8: whether it would be listed or not."""
    deleted = a_request(
        deleted_at=LEFT_AT, status=status, route=Route.LEADS, listed_at=_NOW + _HOUR
    )
    there = a_request(status=status)
    for query, found in (
        (ListQuery(deleted=True, statuses=_ANY), [True, False]),
        (ListQuery(deleted=True, statuses={status}), [True, False]),
        (ListQuery(statuses=_ANY), [False, status is not Status.COMPLETED]),
    ):
        assert [matches(request, query, _NOW) for request in (deleted, there)] == found


@pytest.mark.parametrize(
    ("client_type", "leads", "status", "expected"),
    [
        (ClientType.NEW_VISITOR, False, Status.ABANDONED, (Action.ADD_CLIENT, Action.SCHEDULE)),
        (ClientType.NEW_VISITOR, True, Status.CONTACTED, (Action.SCHEDULE,)),
        (ClientType.EXISTING_CLIENT, False, Status.CONTACTED, (Action.SCHEDULE,)),
        (ClientType.EXISTING_CLIENT, True, Status.RECOVERED, (Action.VIEW_BOOKING,)),
        (ClientType.NEW_VISITOR, False, Status.RECOVERED, (Action.ADD_CLIENT, Action.VIEW_BOOKING)),
    ],
)
def test_the_actions_on_offer_follow_from_client_leads_and_status(
    client_type: ClientType, leads: bool, status: Status, expected: tuple[Action, ...]
) -> None:
    """L1, D1"""
    request = a_request(client_type=client_type, status=status)
    assert actions_of(request, leads_management=leads) == expected


# ── filters: L2 ─────────────────────────────────────────────────────────────────────────────────

_TYPICAL = a_request(
    step=Step("time"),
    client_type=ClientType.EXISTING_CLIENT,
    status=Status.CONTACTED,
    contacts=_called(LEFT_AT + _HOUR),
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (ListQuery(statuses={"contacted"}), True),
        (ListQuery(statuses={Status.CONTACTED, Status.RECOVERED}), True),
        (ListQuery(), False),
        (ListQuery(statuses=_ANY), True),
        (ListQuery(statuses=_ANY, steps={"time", "pet"}), True),
        (ListQuery(statuses=_ANY, steps={"pet"}), False),
        (ListQuery(statuses=_ANY, client_types={"existing_client"}), True),
        (ListQuery(statuses=_ANY, client_types={"new_visitor"}), False),
        (ListQuery(statuses=_ANY, care_types={"grooming", "boarding"}), True),
        (ListQuery(statuses=_ANY, care_types={"boarding"}), False),
        (ListQuery(statuses=_ANY, steps={"time"}, care_types={"boarding"}), False),
        (ListQuery(statuses=_ANY, abandoned_from=LEFT_AT), True),
        (ListQuery(statuses=_ANY, abandoned_from=LEFT_AT + _INSTANT), False),
        (ListQuery(statuses=_ANY, abandoned_to=LEFT_AT), False),
        (ListQuery(statuses=_ANY, abandoned_to=LEFT_AT + _INSTANT), True),
        (ListQuery(statuses=_ANY, contacted_from=LEFT_AT + _HOUR), True),
        (ListQuery(statuses=_ANY, contacted_from=LEFT_AT + _HOUR + _INSTANT), False),
        (ListQuery(statuses=_ANY, contacted_to=LEFT_AT + _HOUR), False),
        (ListQuery(statuses=_ANY, contacted_to=LEFT_AT + _HOUR + _INSTANT), True),
    ],
    ids=lambda _: "",
)
def test_values_of_a_kind_are_or_and_kinds_are_and(query: ListQuery, found: bool) -> None:
    """L2: ranges are half-open."""
    assert matches(_TYPICAL, query, _NOW) is found


def test_a_list_opens_with_abandoned() -> None:
    """L2"""
    assert ListQuery().statuses == {Status.ABANDONED}


@pytest.mark.parametrize(
    "contacts", [(), _called(LEFT_AT, ContactState.REFUSED)], ids=["none", "none that counts"]
)
def test_whoever_was_never_contacted_is_in_no_range_of_contacts(
    contacts: tuple[Contact, ...],
) -> None:
    """L2"""
    request = a_request(contacts=contacts)
    assert not matches(request, ListQuery(contacted_to=_NOW), _NOW)
    assert not matches(request, ListQuery(contacted_from=LEFT_AT - _HOUR), _NOW)


def test_an_unknown_step_or_care_type_is_in_no_choice_of_them() -> None:
    request = a_request(step=None, form=BookingForm())
    assert matches(request, ListQuery(), _NOW)
    assert not matches(request, ListQuery(steps={"time"}), _NOW)
    assert not matches(request, ListQuery(care_types={"grooming"}), _NOW)


@pytest.mark.parametrize(
    ("zone", "on", "starts_at"),
    [
        ("UTC", date(2026, 1, 5), datetime(2026, 1, 5, tzinfo=UTC)),
        ("America/New_York", date(2026, 1, 5), datetime(2026, 1, 5, 5, tzinfo=UTC)),
        ("America/New_York", date(2026, 7, 5), datetime(2026, 7, 5, 4, tzinfo=UTC)),
        # There is no midnight on that day: it begins at one o'clock.
        ("America/Santiago", date(2026, 9, 6), datetime(2026, 9, 6, 4, tzinfo=UTC)),
        # Midnight comes twice: the day begins with the first.
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC)),
    ],
)
def test_a_local_day_begins_at_its_first_instant(zone: str, on: date, starts_at: datetime) -> None:
    """L2, T3"""
    assert local_day_start(on, ZoneInfo(zone)) == starts_at
    query = ListQuery(abandoned_from=on, contacted_to=on).resolved(ZoneInfo(zone))
    assert (query.abandoned_from, query.contacted_to) == (starts_at, starts_at)
    assert query.abandoned_to is None


def test_exact_instants_stay_what_they_are() -> None:
    """L2"""
    at = datetime(2026, 1, 5, 12, tzinfo=timezone(timedelta(hours=2)))
    query = ListQuery(abandoned_from=at)
    assert query.resolved(ZoneInfo("America/New_York")) == query
    assert matches(a_request(abandoned_at=at.astimezone(UTC)), query, _NOW)


def test_a_day_that_was_not_resolved_is_refused() -> None:
    query = ListQuery(abandoned_from=date(2026, 1, 5))
    with pytest.raises(InvalidInput, match="resolved"):
        matches(a_request(), query, _NOW)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": "x" * 201}, "text"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"abandoned_from": datetime(2026, 1, 5)}, "abandoned_from"),
        ({"abandoned_to": datetime(2026, 1, 5)}, "abandoned_to"),
        ({"contacted_from": datetime(2026, 1, 5)}, "contacted_from"),
        ({"contacted_to": datetime(2026, 1, 5)}, "contacted_to"),
    ],
)
def test_a_query_beyond_its_bounds_is_refused_and_names_the_field(
    changes: dict[str, Any], field: str
) -> None:
    """G2 and the bounds of every input."""
    with pytest.raises(InvalidInput) as caught:
        ListQuery(**changes)
    assert caught.value.field == field


@pytest.mark.parametrize("changes", [{"text": "x" * 200}, {"limit": 1}, {"limit": 1000}], ids=str)
def test_a_query_at_its_bounds_is_taken(changes: dict[str, Any]) -> None:
    ListQuery(**changes)


def test_a_query_does_not_show_what_is_searched_for() -> None:
    """G4"""
    assert "Wilhelmina" not in repr(ListQuery(text="Wilhelmina"))
    assert repr(ListQuery()) != repr(ListQuery(text="Wilhelmina"))


# ── search: L3 ──────────────────────────────────────────────────────────────────────────────────

_SOUGHT = a_request(
    form=BookingForm(
        person=Person(first_name="Zoë", last_name="O'Łęcka", phone="(212) 555-0199"),
        pets=(Pet(name="Rex"), Pet(name="Ｂｅｌｌａ"), Pet()),
        address=Address(line1="12 Straße_7", city="Ñuñoa", postal_code="100%"),
        note="never searched",
    ),
    phone=a_request().phone,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("  \t", True),
        ("zoe", True),
        ("ZOË", True),
        ("zo\u0065\u0308", True),
        ("o'lecka", True),
        ("bella", True),
        ("ＲＥＸ", True),
        ("rex bella", True),
        ("bella rex zoe", True),
        ("rexbella", False),
        ("rex max", False),
        ("strasse", True),
        ("nunoa", True),
        ("12", True),
        ("_", True),
        ("%", True),
        ("0%", True),
        ("e_7", True),
        ("r_x", False),
        ("r%x", False),
        ("\\", False),
        ("*", False),
        ("never", False),
        ("2125550199", True),
        ("12125550199", True),
        ("+1 (212) 555-0199", True),
        ("212.555.0199", True),
        ("1-212-555-0199", True),
        ("555 0199", True),
        ("5550199", True),
        ("+1212", True),
        ("٢١٢٥٥٥", True),
        ("555-0198", False),
        ("-", False),
        ("+", False),
        ("a555", False),
    ],
)
def test_every_word_must_be_found_and_every_character_is_itself(text: str, found: bool) -> None:
    """L3"""
    assert matches(_SOUGHT, ListQuery(text=text), _NOW) is found


def test_words_are_not_found_across_two_fields() -> None:
    """L3"""
    request = _named("Ann", "Lee", id="r1")
    assert matches(request, ListQuery(text="nn le"), _NOW)
    assert "\n" in search_text(_SOUGHT)
    assert not search_words("\n")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ann", SearchWord("ann")),
        ("212", SearchWord("212")),
        ("212-555", SearchWord("212-555", "212555")),
        ("+1", SearchWord("+1", "1")),
        ("x-1", SearchWord("x-1")),
        ("-", SearchWord("-")),
        ("٢١٢", SearchWord("٢١٢", "212")),
    ],
)
def test_a_word_that_can_be_part_of_a_phone_is_found_by_its_digits(
    word: str, expected: SearchWord
) -> None:
    """L3"""
    assert search_words(word) == (expected,)


def test_a_word_that_comes_twice_is_looked_for_once() -> None:
    assert search_words("Rex rex RÉX") == (SearchWord("rex"),)


def test_a_request_without_anything_typed_has_no_search_text() -> None:
    assert search_text(a_request(form=BookingForm())) == ""


def test_a_phone_is_searched_as_typed_even_if_it_is_not_valid() -> None:
    """L3"""
    request = a_request(form=BookingForm(person=Person(phone="ext. 12-34")))
    assert search_text(request) == "1234"


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("ABC", "abc"),
        ("É", "e"),
        ("e\u0301", "e"),
        ("Straße", "strasse"),
        ("ﬁ", "fi"),
        ("ＲＥＸ", "rex"),
        ("İstanbul", "istanbul"),
        ("ıo", "io"),
        ("Ørsted Æ Þ Łódź", "orsted ae th lodz"),
        ("a\u200bb\u202ec", "abc"),
        ("a\tb\nc\u00a0d", "a b c d"),
        ("東京", "東京"),
        ("한국", "한국"),
        ("Й", "и"),
        ("🐶", "🐶"),
        ("\ud83d", ""),
        ("", ""),
    ],
)
def test_folding_takes_away_case_accents_width_and_what_cannot_be_seen(
    typed: str, folded: str
) -> None:
    """L3"""
    assert fold(typed) == folded


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    """L3: what is stored folded is found by what is typed, folded or not."""
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_folding_leaves_no_control_characters(text: str) -> None:
    assert fold(text).isprintable()


@given(st.text(min_size=1, max_size=30), st.data())
def test_any_part_of_a_name_is_found(name: str, data: st.DataObject) -> None:
    """L3: as it is written, and in capitals."""
    start = data.draw(st.integers(0, len(name) - 1))
    part = name[start : data.draw(st.integers(start + 1, len(name)))]
    folded = fold(name).split()
    words = fold(part).split()
    if all(any(word in known for known in folded) for word in words):
        assert matches(_named(name), ListQuery(text=part), _NOW)


# ── order and pages: L4 ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (Sort.NEWEST, ["new", "also old", "no name", "old"]),
        (Sort.LAST_CONTACT, ["old", "new", "also old", "no name"]),
        (Sort.NAME, ["new", "old", "also old", "no name"]),
        (Sort.STEP, ["new", "old", "also old", "no name"]),
    ],
)
def test_each_order_is_total(sort: Sort, expected: list[str]) -> None:
    """L4: ties by id; what is missing comes last."""
    pet, time, other = Step("pet"), Step("time"), Step("other")
    everything = [
        _named("Zoe", id="also old", step=other),
        _named(id="no name", step=None),
        _named("Éve", id="old", step=time, contacts=_called(_NOW)),
        _named(
            "Bob", id="new", step=pet, abandoned_at=LEFT_AT + _INSTANT, contacts=_called(LEFT_AT)
        ),
    ]
    query = ListQuery(sort=sort, step_order=[pet, time])
    assert query == ListQuery(sort=sort, step_order=(pet, time))
    assert hash(query)
    for order in (everything, everything[::-1]):
        assert _ids(paginate(order, query, now=_NOW).requests) == expected


def _crowd_and_query() -> st.SearchStrategy[tuple[list[AbandonedRequest], ListQuery]]:
    return st.tuples(crowds("paws", max_size=10), queries())


@given(_crowd_and_query())
def test_a_walk_by_cursor_gives_every_found_row_once_in_order(
    given_values: tuple[list[AbandonedRequest], ListQuery],
) -> None:
    """L4"""
    crowd, query = given_values
    found = [request for request in crowd if matches(request, query, _NOW)]
    found.sort(key=lambda request: sort_key(request, query))
    walked: list[AbandonedRequest] = []
    asked: ListQuery | None = query
    while asked is not None:
        page = paginate(crowd, asked, now=_NOW)
        assert page.total == counted(len(found), query)
        assert len(page.requests) <= query.limit
        walked += page.requests
        cursor = page.next_cursor
        asked = None if cursor is None else attrs.evolve(query, cursor=cursor)
    assert walked == found


@given(requests(), st.sampled_from(Sort))
def test_a_cursor_gives_the_place_that_it_was_made_for(
    request: AbandonedRequest, sort: Sort
) -> None:
    """L4"""
    query = ListQuery(sort=sort)
    cursor = cursor_after(request, query)
    assert cursor.isascii()
    assert not {*cursor} & {*"+/=&?# "}
    assert position_of(attrs.evolve(query, cursor=cursor)) == sort_key(request, query)


def test_the_first_page_has_no_place() -> None:
    assert position_of(ListQuery()) is None


_CURSOR = cursor_after(a_request(), ListQuery())


def _forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


_FINGERPRINT = json.loads(base64.urlsafe_b64decode(_CURSOR + "=="))[0]


@pytest.mark.parametrize(
    "query",
    [
        *(ListQuery(cursor=text) for text in ("", "x", "é", "====", "bnVsbA", "MQ", "W10", "e30")),
        ListQuery(cursor=_CURSOR[:-4]),
        ListQuery(cursor=_CURSOR, sort=Sort.NAME),
        ListQuery(cursor=_CURSOR, sort=Sort.LAST_CONTACT),
        ListQuery(cursor=_CURSOR, text="ann"),
        ListQuery(cursor=_CURSOR, statuses=_ANY),
        ListQuery(cursor=_CURSOR, steps={"time"}),
        ListQuery(cursor=_CURSOR, client_types={"new_visitor"}),
        ListQuery(cursor=_CURSOR, care_types={"grooming"}),
        ListQuery(cursor=_CURSOR, abandoned_from=LEFT_AT),
        ListQuery(cursor=_CURSOR, abandoned_to=LEFT_AT),
        ListQuery(cursor=_CURSOR, contacted_from=LEFT_AT),
        ListQuery(cursor=_CURSOR, contacted_to=LEFT_AT),
        ListQuery(cursor=_CURSOR, deleted=True),
        ListQuery(cursor=_forged(_FINGERPRINT)),
        ListQuery(cursor=_forged(_FINGERPRINT, 1)),
        ListQuery(cursor=_forged(_FINGERPRINT, "1", "r1")),
        ListQuery(cursor=_forged(_FINGERPRINT, True, "r1")),
        ListQuery(cursor=_forged(_FINGERPRINT, 1, "r1", "r1")),
        ListQuery(cursor=_forged(_FINGERPRINT, 1, None)),
    ],
)
def test_a_wrong_cursor_is_refused(query: ListQuery) -> None:
    """L4"""
    with pytest.raises(InvalidCursor) as caught:
        paginate([a_request()], query, now=_NOW)
    assert caught.value.field == "cursor"


@pytest.mark.parametrize(
    "query",
    [
        ListQuery(cursor=_CURSOR),
        ListQuery(cursor=_CURSOR, limit=7),
        ListQuery(cursor=_CURSOR, step_order=(Step("pet"),)),
        ListQuery(cursor=_CURSOR, text=" "),
    ],
    ids=["same", "other limit", "other steps", "no words"],
)
def test_a_cursor_holds_for_what_is_the_same_list(query: ListQuery) -> None:
    """L4"""
    older = a_request(id="older", abandoned_at=LEFT_AT - _HOUR)
    page = paginate([a_request(), older], query, now=_NOW)
    assert _ids(page.requests) == ["older"]
    assert page.total == 2


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("limit", 0),
        ("limit", MOST_PER_PAGE + 1),
        ("count_up_to", 0),
        ("count_up_to", -1),
        ("count_up_to", 10**9 + 1),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(field: str, bad: int) -> None:
    """L4"""
    changes: dict[str, Any] = {field: bad}
    with pytest.raises(InvalidInput, match="must be 1 to") as caught:
        ListQuery(**changes)
    assert caught.value.field == field
    with pytest.raises(InvalidInput):
        dot_query(cap=0)


@pytest.mark.parametrize("field", ["statuses", "steps", "client_types", "care_types", "step_order"])
def test_one_text_is_not_taken_for_its_letters(field: str) -> None:
    """L2"""
    changes: dict[str, Any] = {field: "time"}
    with pytest.raises(InvalidInput, match="a list or a set") as caught:
        ListQuery(**changes)
    assert caught.value.field == field


def test_queries_from_the_two_hours_of_a_clock_change_differ() -> None:
    """L2"""
    first = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    assert first == first.replace(fold=1)
    assert ListQuery(abandoned_from=first) != ListQuery(abandoned_from=first.replace(fold=1))


def test_a_cursor_by_step_does_not_outlive_a_change_of_the_steps() -> None:
    """L4"""
    query = ListQuery(sort=Sort.STEP)
    cursor = cursor_after(a_request(), query)
    with pytest.raises(InvalidCursor):
        position_of(ListQuery(sort=Sort.STEP, cursor=cursor, step_order=(Step("pet"),)))


@pytest.mark.parametrize(("there", "pages"), [(0, 1), (2, 1), (3, 2), (4, 2)])
def test_there_is_a_cursor_exactly_while_there_are_more_rows(there: int, pages: int) -> None:
    """L4"""
    crowd = [a_request(id=f"r{number}") for number in range(there)]
    page = paginate(crowd, ListQuery(limit=2), now=_NOW)
    assert (page.next_cursor is not None) is (pages == 2)
    assert page.total == there


def test_care_types_of_the_hosts_own_are_filtered_like_the_standard_ones() -> None:
    form = BookingForm(care_type=CareType("training"))
    assert matches(a_request(form=form), ListQuery(care_types={"training"}), _NOW)


@pytest.mark.parametrize(
    "forged",
    ["x", "é", "[" * 10_000, "W10", "WzEsMl0", "bnVsbA"],
    ids=["word", "not ascii", "long", "empty", "numbers", "null"],
)
def test_a_forged_cursor_is_refused_and_told_the_way_out(forged: str) -> None:
    """L4"""
    with pytest.raises(InvalidCursor, match="first page"):
        position_of(ListQuery(cursor=forged))


def test_a_forged_number_of_many_digits_is_refused() -> None:
    """L4"""
    query = ListQuery()
    fingerprint, newest, request_id = json.loads(
        base64.urlsafe_b64decode(cursor_after(a_request(), query) + "==")
    )
    assert newest < 0
    forged = base64.urlsafe_b64encode(json.dumps([fingerprint, 10**30, request_id]).encode())
    with pytest.raises(InvalidCursor):
        position_of(attrs.evolve(query, cursor=forged.decode()))
