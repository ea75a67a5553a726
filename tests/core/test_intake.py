"""C2 to C10, D1 to D3: what the flow reports, folded into a request; G2 and sizes at the door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import attrs
import pytest
from core._examples import CANARIES, HOUR, INSTANT, MINUTE, NOON, US, WELCOME, a_contact, paws
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core import intake
from abandoned_booking.core.flow import Booked, Left, Progress
from abandoned_booking.core.intake import CaptureFacts
from abandoned_booking.core.lifecycle import ContactMade, advance
from abandoned_booking.core.listing import unlisted_reasons
from abandoned_booking.core.model import (
    STANDARD_STEPS,
    AbandonedRequest,
    Address,
    BookingForm,
    CareType,
    ClientType,
    HistoryKind,
    Person,
    Pet,
    Reason,
    Route,
    Status,
    Step,
)
from abandoned_booking.errors import InvalidInput
from abandoned_booking.testing import a_request

SETTINGS = paws()
LEADS_ON = paws(leads_management=True)
NAIVE = datetime(2026, 1, 5, 12)
NOBODY = CaptureFacts()
SOMEBODY = CaptureFacts(phone=US)


def progress(at: datetime = NOON, step: str = "time", **changes: Any) -> Progress:
    given: dict[str, Any] = {"business_id": "paws", "session_id": "s1", "step": step, "at": at}
    return Progress(**(given | changes))


def named(name: str | None) -> BookingForm:
    return BookingForm(person=Person(first_name=name))


def booked(at: datetime = NOON, **changes: Any) -> Booked:
    return Booked(**{"business_id": "paws", "session_id": "s1", "at": at, **changes})


def opened(report: Progress | None = None, **changes: Any) -> AbandonedRequest:
    request = intake.first_request(report or progress(), SETTINGS)
    return attrs.evolve(request, **changes)


# ── at the door: sizes, G2, G4 ───────────────────────────────────────────────────────────────────

LONG = "x" * 501


def of_form(**fields: Any) -> Callable[[], object]:
    return lambda: intake.check_progress(progress(form=BookingForm(**fields)), SETTINGS)


def of_progress(**fields: Any) -> Callable[[], object]:
    return lambda: intake.check_progress(progress(**fields), SETTINGS)


def of_booked(**fields: Any) -> Callable[[], object]:
    return lambda: intake.check_booked(booked(**fields))


@pytest.mark.parametrize(
    ("field", "check"),
    [
        ("at", of_progress(at=NAIVE)),
        ("form.preferred_at", of_form(preferred_at=NAIVE)),
        ("step", of_progress(step=WELCOME)),
        ("session_id", of_progress(session_id="")),
        ("session_id", of_progress(session_id=" \t")),
        ("session_id", of_progress(session_id="x" * 201)),
        ("session_id", of_progress(session_id=None)),
        ("session_id", of_progress(session_id=7)),
        ("client_id", of_progress(client_id="x" * 201)),
        ("resume_url", of_progress(resume_url="x" * 501)),
        ("form.person.client_id", of_form(person=Person(client_id=LONG))),
        ("form.person.first_name", of_form(person=Person(first_name=LONG))),
        ("form.person.last_name", of_form(person=Person(last_name=LONG))),
        ("form.person.phone", of_form(person=Person(phone=LONG))),
        ("form.person.email", of_form(person=Person(email=LONG))),
        ("form.address.line1", of_form(address=Address(line1=LONG))),
        ("form.address.country", of_form(address=Address(country=LONG))),
        ("form.pets", of_form(pets=(Pet(),) * 51)),
        ("form.pets", of_form(pets=(Pet(name=LONG),))),
        ("form.pets", of_form(pets=(Pet(species=LONG),))),
        ("form.pets", of_form(pets=(Pet(breed=LONG),))),
        ("form.services", of_form(services=("Bath",) * 101)),
        ("form.services", of_form(services=(LONG,))),
        ("form.care_type", of_form(care_type=LONG)),
        ("form.staff", of_form(staff=LONG)),
        ("form.note", of_form(note="x" * 10_001)),
        ("form.answers", of_form(answers={str(n): "x" for n in range(201)})),
        ("form.answers", of_form(answers={LONG: "x"})),
        ("form.answers", of_form(answers={"q": "x" * 10_001})),
        ("form.answers", of_form(answers={"q": 7})),
        ("at", of_booked(at=NAIVE)),
        ("session_id", of_booked(session_id="x" * 201)),
        ("appointment_id", of_booked(appointment_id="x" * 201)),
        ("client_id", of_booked(client_id="x" * 201)),
        ("person.phone", of_booked(person=Person(phone=LONG))),
        ("booked", of_booked(session_id=None)),
        ("booked", of_booked(session_id="", person=Person(first_name="Ann"))),
        ("at", lambda: intake.check_left(Left(business_id="paws", session_id="s1", at=NAIVE))),
        ("session_id", lambda: intake.check_left(Left(business_id="p", session_id="", at=NOON))),
    ],
)
def test_g2_what_is_naive_or_over_its_bound_is_refused_by_the_name_of_its_field(
    field: str, check: Callable[[], object]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check()
    assert refused.value.field == field
    assert LONG not in str(refused.value)


def test_what_is_just_within_every_bound_is_taken() -> None:
    text = "x" * 500
    form = BookingForm(
        person=Person(first_name=text),
        pets=(Pet(name=text),) * 50,
        services=(text,) * 100,
        note="x" * 10_000,
        answers={f"{n:0>500}": "x" * 10_000 for n in range(200)},
    )
    within = progress(session_id="x" * 200, form=form, resume_url="x" * 500, client_id="x" * 200)
    assert intake.check_progress(within, SETTINGS).form.note == form.note


def test_g4_a_refusal_never_repeats_what_was_typed() -> None:
    person = Person(first_name=CANARIES[0], phone=CANARIES[2] * 50)
    with pytest.raises(InvalidInput) as refused:
        intake.check_progress(progress(form=BookingForm(person=person)), SETTINGS)
    assert not [canary for canary in CANARIES if canary in f"{refused.value!r} {refused.value}"]


def test_g2_instants_come_in_as_utc_and_the_client_id_goes_into_the_form() -> None:
    there = datetime.fromisoformat("2026-01-05T07:00-05:00")
    checked = intake.check_progress(
        progress(there, form=BookingForm(preferred_at=there), client_id="c7"), SETTINGS
    )
    assert (repr(checked.at), repr(checked.form.preferred_at)) == (repr(NOON), repr(NOON))
    assert checked.form.person.client_id == "c7"
    told = intake.check_booked(booked(there, client_id="c7"))
    assert repr(told.at) == repr(NOON)
    assert told.person == Person(client_id="c7")
    hint = intake.check_left(Left(business_id="paws", session_id="s1", at=there))
    assert repr(hint.at) == repr(NOON)


@pytest.mark.parametrize(
    "person", [Person(client_id="c7"), Person(phone="+12125550199"), Person(email="a@b.co")]
)
def test_c6_a_booking_without_a_session_names_the_person(person: Person) -> None:
    checked = intake.check_booked(booked(session_id=None, person=person))
    assert checked.person == person


# ── opening ──────────────────────────────────────────────────────────────────────────────────────


def test_c4_the_first_progress_opens_a_request_that_is_listed_an_hour_after() -> None:
    request = opened(progress(form=named("Ann"), resume_url="https://x.example"))
    assert request.abandoned_at == request.started_at == NOON
    assert request.listed_at == NOON + HOUR
    assert (request.step, request.furthest_step) == (Step.TIME, Step.TIME)
    assert request.status is Status.ABANDONED
    assert request.resume_url == "https://x.example"
    assert [entry.kind for entry in request.history] == [HistoryKind.OPENED]
    assert (
        intake.first_request(progress(), paws(listed_after=2 * HOUR)).listed_at == NOON + 2 * HOUR
    )


def test_r3_the_id_of_a_sessions_nth_request_is_the_same_in_every_process_and_version() -> None:
    assert opened().id == opened(progress(NOON + HOUR, "pet")).id == "4aa90573246628ebf7adb74d"


@given(
    st.lists(
        st.tuples(st.text(max_size=4), st.text(max_size=4), st.integers(1, 30)),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_r3_no_two_requests_share_an_id(keys: list[tuple[str, str, int]]) -> None:
    assert len({intake.request_id_of(*key) for key in keys}) == 2


def test_an_id_is_made_of_any_text_even_half_a_surrogate_pair() -> None:
    assert intake.request_id_of("paws", "\ud800", 1) != intake.request_id_of("paws", "\udfff", 1)


# ── C2, C3: progress ─────────────────────────────────────────────────────────────────────────────


def test_c2_new_activity_moves_instant_and_step_and_its_values_win() -> None:
    request = opened(progress(form=named("An")))
    after = intake.merged(
        request, progress(NOON + MINUTE, "pet", form=named("Ann"), resume_url="u2"), SETTINGS
    )
    assert (after.abandoned_at, after.step) == (NOON + MINUTE, Step.PET)
    assert after.furthest_step == Step.TIME, "C2 the furthest step is kept too"
    assert after.client_name == "Ann"
    assert after.resume_url == "u2"
    assert (after.history[-1].kind, after.history[-1].detail) == (HistoryKind.STEP, "pet")


def test_c2_activity_on_the_same_step_moves_the_instant_alone() -> None:
    after = intake.merged(opened(), progress(NOON + MINUTE), SETTINGS)
    assert (after.abandoned_at, after.step) == (NOON + MINUTE, Step.TIME)
    assert len(after.history) == 1


def test_c3_a_late_event_only_fills_what_is_still_unknown() -> None:
    request = opened(progress(form=named("Ann"), resume_url="u1"))
    late = BookingForm(person=Person(first_name="Al", last_name="Lee"), pets=(Pet(name="Rex"),))
    after = intake.merged(
        request, progress(NOON - MINUTE, "payment", form=late, resume_url="u0"), SETTINGS
    )
    assert (after.abandoned_at, after.step) == (NOON, Step.TIME)
    assert after.started_at == NOON - MINUTE
    assert after.furthest_step == Step.PAYMENT
    assert after.client_name == "Ann Lee"
    assert after.form.pets == (Pet(name="Rex"),)
    assert after.resume_url == "u1"
    assert intake.merged(opened(), progress(NOON - MINUTE, resume_url="u0"), SETTINGS).resume_url


@pytest.mark.parametrize("late", [NOON, NOON - MINUTE, NOON - 3 * MINUTE])
def test_c3_a_repeat_changes_nothing(late: datetime) -> None:
    request = opened(progress(NOON - 3 * MINUTE, "pet", form=named("An")))
    reports = [
        progress(NOON - MINUTE, "service", form=named("Ann")),
        progress(form=named(None), resume_url="u1"),
    ]
    for report in reports:
        request = intake.merged(request, report, SETTINGS)
    repeat = {report.at: report for report in reports} | {
        NOON - 3 * MINUTE: progress(NOON - 3 * MINUTE, "pet", form=named("An"))
    }
    assert intake.merged(request, repeat[late], SETTINGS) is request


def test_a_field_left_out_never_erases_an_earlier_one() -> None:
    full = BookingForm(
        person=Person(first_name="Ann", email="a@b.co"),
        pets=(Pet(name="Rex"),),
        address=Address(city="Rye"),
        care_type=CareType.GROOMING,
        services=("Bath",),
        staff="Kim",
        preferred_at=NOON,
        note="shy",
        answers={"q": "a", "r": "b"},
    )
    request = opened(progress(form=full))
    empty = BookingForm(person=Person(first_name=""), answers={"q": ""})
    after = intake.merged(request, progress(NOON + MINUTE, form=empty), SETTINGS)
    assert after.form == full
    other = BookingForm(answers={"q": "z", "s": "c"}, address=Address(state="NY"))
    after = intake.merged(after, progress(NOON + 2 * MINUTE, form=other), SETTINGS)
    assert after.form.answers == {"q": "z", "r": "b", "s": "c"}
    assert after.form.address == Address(city="Rye", state="NY")


def test_the_answers_of_all_reports_together_keep_to_the_bound_of_one() -> None:
    first = {f"a{n}": "x" for n in range(150)}
    second = {f"b{n}": "x" for n in range(150)}
    request = opened(progress(form=BookingForm(answers=first)))
    report = progress(NOON + MINUTE, form=BookingForm(answers=second))
    after = intake.merged(request, report, SETTINGS)
    assert len(after.form.answers) == 200
    assert second.items() <= after.form.answers.items(), "the newest are kept"
    assert intake.merged(after, report, SETTINGS) is after


def test_a_step_that_the_business_has_taken_away_ranks_before_all_others() -> None:
    request = opened(step=WELCOME, furthest_step=WELCOME)
    after = intake.merged(request, progress(step="address"), SETTINGS)
    assert (after.step, after.furthest_step) == (Step.ADDRESS, Step.ADDRESS)


REPORTS = st.lists(
    st.builds(
        progress,
        st.integers(-5, 5).map(lambda n: NOON + n * MINUTE),
        st.sampled_from(STANDARD_STEPS),
        form=st.builds(named, st.sampled_from([None, "Ann", "Bea"])),
    ),
    min_size=1,
    max_size=6,
)


@given(REPORTS.flatmap(lambda reports: st.permutations(reports + reports[:2])))
def test_c3_whatever_the_order_instant_and_step_converge(reports: list[Progress]) -> None:
    request = opened(reports[0])
    for report in reports[1:]:
        request = intake.merged(request, report, SETTINGS)
    rank = {step: place for place, step in enumerate(STANDARD_STEPS)}
    last = max(reports, key=lambda report: (report.at, rank[report.step]))
    assert (request.abandoned_at, request.step) == (last.at, last.step)
    assert request.started_at == min(report.at for report in reports)
    assert request.furthest_step == max((report.step for report in reports), key=rank.__getitem__)
    assert (request.client_name == "") == all(not report.form.person.name for report in reports)
    for report in reports:
        assert intake.merged(request, report, SETTINGS) is request, "C3 a repeat changes nothing"


def test_g3_what_was_forgotten_takes_nothing_in_again() -> None:
    erased = opened(erased_at=NOON)
    report = progress(NOON + MINUTE, form=named("Ann"))
    assert intake.merged(erased, report, SETTINGS) is erased
    hint = Left(business_id="paws", session_id="s1", at=NOON + MINUTE)
    assert intake.left(erased, hint) is erased


# ── C5, C6, C7: booked ───────────────────────────────────────────────────────────────────────────


def test_c5_booked_and_never_contacted_is_completed() -> None:
    after = intake.closed_by(opened(), booked(NOON + MINUTE))
    assert after.status is Status.COMPLETED
    assert after.closed_at == NOON + MINUTE
    assert intake.closed_by(after, booked(NOON + MINUTE)) is after


def test_c6_a_request_that_began_after_the_booking_is_another_attempt() -> None:
    request = opened()
    assert intake.closed_by(request, booked(NOON - INSTANT)) is request
    assert intake.closed_by(request, booked(NOON)).status is Status.COMPLETED


def test_c6_a_person_is_told_apart_by_client_phone_and_email() -> None:
    request = a_request(client_id="c7")
    assert intake.person_of(request) == Person(
        client_id="c7", phone="+12125550199", email="ann@example.com"
    )
    assert intake.person_of(opened()) == Person()


def test_c7_progress_after_the_booking_begins_anew_and_no_other() -> None:
    closed = intake.closed_by(opened(), booked(NOON + MINUTE))
    assert not intake.begins_anew(opened(), progress(NOON + HOUR))
    assert not intake.begins_anew(closed, progress(NOON + MINUTE))
    assert intake.begins_anew(closed, progress(NOON + MINUTE + INSTANT))


def test_l8_progress_on_a_deleted_request_does_not_begin_anew() -> None:
    closed = intake.closed_by(opened(deleted_at=NOON), booked(NOON + MINUTE))
    assert not intake.begins_anew(closed, progress(NOON + HOUR))
    assert intake.merged(closed, progress(NOON + HOUR), SETTINGS) is closed


@pytest.mark.parametrize("session_id", [None, "another"])
def test_c3_what_went_on_after_a_booking_on_another_road_stays_open_in_whatever_order(
    session_id: str | None,
) -> None:
    """Booked by phone at noon, clicked a minute after: told in that order, the click would open a
    request (C7); told the other way round, the request that it belongs to stays open."""
    request = intake.merged(opened(), progress(NOON + MINUTE), SETTINGS)
    assert intake.closed_by(request, booked(NOON, session_id=session_id)) is request
    assert not intake.closed_by(request, booked(NOON + MINUTE, session_id=session_id)).is_open


@pytest.mark.parametrize("at", [NOON + MINUTE, NOON + HOUR])
def test_c3_a_late_event_from_before_the_booking_still_counts_as_the_last_activity(
    at: datetime,
) -> None:
    closed = intake.closed_by(opened(), booked(NOON + HOUR))
    after = intake.merged(closed, progress(at, "payment"), SETTINGS)
    assert (after.abandoned_at, after.step) == (at, Step.PAYMENT)
    assert after.status is Status.COMPLETED
    assert after.closed_at == NOON + HOUR


def test_c3_a_repeat_from_before_a_booking_changes_nothing_in_the_next_request() -> None:
    first = progress(NOON, "payment", form=named("Ann"))
    anew = intake.first_request(progress(NOON + 2 * HOUR, "pet"), SETTINGS, sequence=2)
    assert intake.merged(anew, first, SETTINGS) is anew
    assert intake.closed_by(anew, booked(NOON + HOUR)) is anew


def test_c7_a_booking_told_late_leaves_what_came_after_it_as_the_next_request() -> None:
    request = opened(progress(NOON, form=named("Ann")), client_id="c7", phone=US)
    request = advance(request, ContactMade(contact=a_contact(at=NOON + MINUTE)))
    request = intake.merged(request, progress(NOON + 9 * MINUTE, "pet"), SETTINGS)
    told = booked(NOON + 5 * MINUTE)
    closed = intake.closed_by(request, told)
    assert closed.status is Status.RECOVERED
    assert intake.goes_on_after(closed, told)
    assert not intake.goes_on_after(closed, booked(NOON + 6 * MINUTE)), "another booking"
    assert not intake.goes_on_after(closed, attrs.evolve(told, session_id="s2"))
    following = intake.continued(closed, SETTINGS)
    assert following.id == intake.request_id_of("paws", "s1", 2)
    assert (following.sequence, following.status) == (2, Status.ABANDONED)
    assert following.started_at == following.abandoned_at == NOON + 9 * MINUTE
    assert following.listed_at == NOON + 9 * MINUTE + HOUR, "C4 the contact was of the other one"
    assert (following.step, following.client_id) == (Step.PET, "c7")
    assert following.contacts == ()
    assert following.form == closed.form
    assert intake.closed_by(following, told) is following


def test_c7_nothing_after_the_booking_leaves_no_next_request() -> None:
    told = booked(NOON)
    assert not intake.goes_on_after(intake.closed_by(opened(), told), told)


def test_c3_a_booking_that_is_the_first_heard_of_a_session_is_kept_for_late_progress() -> None:
    known = intake.booked_only(booked(person=Person(client_id="c7", first_name="Ann")))
    assert (known.status, known.step, known.closed_at) == (Status.COMPLETED, None, NOON)
    assert (known.client_id, known.client_name) == ("c7", "Ann")
    assert known.id == opened().id
    late = progress(NOON - MINUTE, "payment")
    assert not intake.begins_anew(known, late)
    after = intake.merged(known, late, SETTINGS)
    assert (after.status, after.furthest_step) == (Status.COMPLETED, Step.PAYMENT)
    assert after.started_at == NOON - MINUTE
    assert intake.begins_anew(after, progress(NOON + MINUTE)), "C7"
    assert intake.booked_only(booked(session_id=None, client_id="c7")).client_id is None
    assert intake.booked_only(booked(person=Person(client_id=""))).client_id is None


def capture(events: Sequence[Progress | Booked]) -> list[AbandonedRequest]:
    """A session's requests after its events, as the door of capture puts the pieces together."""
    requests: list[AbandonedRequest] = []
    for event in events:
        latest = requests[-1] if requests else None
        match event:
            case Progress() if latest is None or intake.begins_anew(latest, event):
                requests.append(intake.first_request(event, SETTINGS, sequence=len(requests) + 1))
            case Progress():
                assert latest is not None
                requests[-1] = intake.merged(latest, event, SETTINGS)
            case Booked() if latest is None:
                requests.append(intake.booked_only(event))
            case Booked():
                assert latest is not None
                requests[-1] = closed = intake.closed_by(latest, event)
                if intake.goes_on_after(closed, event):
                    requests.append(intake.continued(closed, SETTINGS))
    return requests


MINUTES = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)


@given(MINUTES, st.integers(0, 9), st.data())
def test_c3_c5_c7_whatever_the_order_a_session_with_a_booking_ends_alike(
    minutes: list[int], booked_minute: int, data: st.DataObject
) -> None:
    reports = [progress(NOON + minute * MINUTE) for minute in minutes]
    told = booked(NOON + booked_minute * MINUTE)
    events: list[Progress | Booked] = [*reports, told]
    once = data.draw(st.permutations(events))
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=4))
    requests = capture([*once, *repeats])
    after = [report.at for report in reports if report.at > told.at]
    last = requests[-1]
    assert len(requests) <= 2
    if after:
        assert last.status is Status.ABANDONED
        assert last.abandoned_at == max(after)
        assert [request.status for request in requests[:-1]] in ([], [Status.COMPLETED])
    else:
        assert [request.status for request in requests] == [Status.COMPLETED]


# ── C1: left ─────────────────────────────────────────────────────────────────────────────────────


def test_c1_the_browsers_hint_is_noted_and_decides_nothing() -> None:
    hint = Left(business_id="paws", session_id="s1", at=NOON + MINUTE)
    after = intake.left(opened(), hint)
    assert after == attrs.evolve(opened(), left_at=hint.at).noted(hint.at, HistoryKind.LEFT)
    assert intake.left(after, hint) is after
    assert intake.left(after, attrs.evolve(hint, at=NOON)) is after
    assert intake.left(after, attrs.evolve(hint, at=NOON + HOUR)).left_at == NOON + HOUR


# ── C8, C9, C10: client, reachable, withheld ─────────────────────────────────────────────────────


def decided(
    request: AbandonedRequest | None = None, facts: CaptureFacts = SOMEBODY, **context: Any
) -> AbandonedRequest:
    given: dict[str, Any] = {"settings": SETTINGS, "before": None, "now": NOON}
    return intake.decided(request or opened(), facts, **(given | context))


@pytest.mark.parametrize(
    ("form_id", "known_id", "matching", "client_id"),
    [
        pytest.param(None, None, (), None, id="C8 nobody: a new visitor"),
        pytest.param("c1", None, (), "c1", id="C8 signed in"),
        pytest.param("c1", "c2", ("c3",), "c1", id="C8 who is signed in counts first"),
        pytest.param(None, "c2", ("c3",), "c2", id="C8 who is known stays"),
        pytest.param(None, None, ("c3",), "c3", id="C8 one match"),
        pytest.param(None, None, ("c3", "c3"), "c3", id="C8 one match by phone and e-mail"),
        pytest.param(None, None, ("c3", "c4"), None, id="C8 two matches are none"),
    ],
)
def test_c8_who_is_an_existing_client(
    form_id: str | None, known_id: str | None, matching: tuple[str, ...], client_id: str | None
) -> None:
    form = BookingForm(person=Person(client_id=form_id))
    request = opened(progress(form=form), client_id=known_id)
    assert intake.client_id_of(request, matching) == client_id
    after = decided(request, CaptureFacts(matching_clients=matching))
    assert after.client_id == client_id
    existing = ClientType.EXISTING_CLIENT if client_id else ClientType.NEW_VISITOR
    assert after.client_type is existing


def test_i2_who_becomes_a_client_is_withheld_no_more_and_a_client_stays_who_it_is() -> None:
    after = intake.owned_by(opened(withheld=(Reason.NO_CONTACT_POINT,)), "c7", at=NOON)
    assert (after.client_id, after.client_type) == ("c7", ClientType.EXISTING_CLIENT)
    assert after.withheld == ()
    assert after.history[-1].kind is HistoryKind.CLIENT_ADDED
    assert intake.owned_by(after, "c8", at=NOON) is after


@pytest.mark.parametrize(
    ("client_id", "facts", "withheld"),
    [
        pytest.param(None, CaptureFacts(), (), id="C9 a visitor, reachable, with a service"),
        pytest.param(
            None, CaptureFacts(is_reachable=False), (Reason.NO_CONTACT_POINT,), id="C9 unreachable"
        ),
        pytest.param(
            None,
            CaptureFacts(service_applies=False),
            (Reason.NO_APPLICABLE_SERVICE,),
            id="C9 no service",
        ),
        pytest.param(
            None,
            CaptureFacts(service_applies=False, is_reachable=False, is_blocked=True),
            (Reason.NO_CONTACT_POINT, Reason.NO_APPLICABLE_SERVICE),
            id="C10 all reasons; a visitor is never blocked",
        ),
        pytest.param(
            "c1",
            CaptureFacts(service_applies=False, is_reachable=False),
            (),
            id="C8 an existing client is always listed",
        ),
        pytest.param(
            "c1", CaptureFacts(is_blocked=True), (Reason.BLOCKED,), id="C8 unless blocked"
        ),
    ],
)
def test_c10_who_is_withheld_and_why(
    client_id: str | None, facts: CaptureFacts, withheld: tuple[Reason, ...]
) -> None:
    after = decided(opened(client_id=client_id), facts)
    assert after.withheld == withheld
    assert unlisted_reasons(after, now=after.listed_at) == withheld


def test_c9_the_standard_policy_wants_a_valid_phone_or_email() -> None:
    assert not intake.is_reachable(opened(), None)
    assert intake.is_reachable(opened(), US)
    email = BookingForm(person=Person(email="a@b.co"))
    assert intake.is_reachable(opened(progress(form=email)), None)
    assert not intake.is_reachable(opened(progress(form=BookingForm(note="x"))), None)


def test_the_phones_verdict_is_stored() -> None:
    assert decided().phone == US
    assert decided(opened(phone=US), NOBODY).phone is None


# ── C4, D1, D2, D3: when and where ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "client_id", "route"),
    [
        pytest.param(SETTINGS, None, Route.LIST, id="D1 off: the list"),
        pytest.param(LEADS_ON, None, Route.LEADS, id="D2 on: the leads"),
        pytest.param(LEADS_ON, "c1", Route.LIST, id="D2 on: existing clients stay in the list"),
    ],
)
def test_d_the_route_of_a_new_request(settings: Any, client_id: str | None, route: Route) -> None:
    assert decided(opened(client_id=client_id), settings=settings).route is route


@pytest.mark.parametrize(("was", "becomes"), [(SETTINGS, LEADS_ON), (LEADS_ON, SETTINGS)])
@pytest.mark.parametrize(
    ("now", "moves"),
    [
        pytest.param(NOON + HOUR - INSTANT, True, id="not listed yet"),
        pytest.param(NOON + HOUR, False, id="listed"),
    ],
)
def test_d3_what_has_been_listed_keeps_its_route_and_what_has_not_follows_the_setting(
    was: Any, becomes: Any, now: datetime, moves: bool
) -> None:
    before = decided(settings=was)
    active = intake.merged(before, progress(now), SETTINGS)
    after = decided(active, settings=becomes, before=before, now=now)
    assert (after.route is not before.route) == moves
    assert after.listed_at == now + HOUR


@pytest.mark.parametrize(("was", "becomes"), [(SETTINGS, LEADS_ON), (LEADS_ON, SETTINGS)])
def test_d3_a_route_stays_however_often_the_visitor_comes_back(was: Any, becomes: Any) -> None:
    first = request = decided(settings=was)
    for minute in (70, 75, 300):  # listed; then twice within the hour; then listed again
        at = NOON + minute * MINUTE
        active = intake.merged(request, progress(at), SETTINGS)
        request = decided(active, settings=becomes, before=request, now=at)
        assert request.route is first.route
        assert request.routed_at == NOON + HOUR
        assert intake.has_route(request, now=at)
        assert request.listed_at == at + HOUR


def test_d3_what_was_withheld_has_not_been_listed_and_has_no_route_yet() -> None:
    before = decided(facts=CaptureFacts(is_reachable=False))
    now = NOON + 3 * HOUR
    assert not intake.has_route(before, now=now)
    after = decided(before, settings=LEADS_ON, before=before, now=now)
    assert (after.route, after.withheld) == (Route.LEADS, ())
    assert intake.has_route(after, now=now)


def test_c3_a_late_event_never_takes_a_request_off_the_list_again() -> None:
    before = decided()
    filled = intake.merged(before, progress(NOON - MINUTE, form=named("Ann")), SETTINGS)
    slower = paws(listed_after=5 * HOUR)
    after = decided(filled, settings=slower, before=before, now=NOON + 2 * HOUR)
    assert after.listed_at == NOON + HOUR


def test_c4_who_has_been_contacted_stays_listed_however_the_session_goes_on() -> None:
    contacted = advance(decided(), ContactMade(contact=a_contact(at=NOON + MINUTE)))
    assert contacted.listed_at == NOON + MINUTE
    for now in (NOON + 2 * MINUTE, NOON + 2 * HOUR):
        active = intake.merged(contacted, progress(now), SETTINGS)
        after = decided(active, before=contacted, now=now)
        assert after.abandoned_at == now
        assert after.listed_at == NOON + MINUTE
