"""S1 to S5 and C5: the table of the statuses, cell by cell, refused ones included; S4, G4."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs
import pytest
from core._examples import CANARIES, CANARY_FORM, HOUR, INSTANT, MINUTE, NOON, a_contact
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.flow import Booked
from abandoned_booking.core.lifecycle import (
    TRANSITIONS,
    AppointmentCancelled,
    ContactFailed,
    ContactMade,
    ContactUndone,
    Event,
    StaffScheduled,
    StatusCorrected,
    advance,
)
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    HistoryKind,
    Recovery,
    Status,
)
from abandoned_booking.errors import TransitionRefused
from abandoned_booking.testing import a_request

LATER = NOON + 3 * HOUR
A, C, R, X = Status.ABANDONED, Status.CONTACTED, Status.RECOVERED, Status.COMPLETED
CALL = a_contact()
TEXT = a_contact(id="t1", channel=Channel.TEXT, state=ContactState.ACCEPTED)


def booked(at: datetime = LATER, appointment_id: str | None = "a1") -> Booked:
    return Booked(business_id="paws", session_id="s", at=at, appointment_id=appointment_id)


def in_status(status: Status, **changes: Any) -> AbandonedRequest:
    """A request that came to a status by a usual way; with one call, if there was a contact."""
    recovery = Recovery(at=NOON + 2 * HOUR, appointment_id="a1")
    usual: dict[Status, dict[str, Any]] = {
        A: {},
        C: {"contacts": (CALL,)},
        R: {"contacts": (CALL,), "recovery": recovery, "closed_at": recovery.at},
        X: {"closed_at": NOON + 2 * HOUR},
    }
    return a_request(**({"status": status, **usual[status]} | changes))


# ── every cell of the table of S ─────────────────────────────────────────────────────────────────

ANOTHER = ContactMade(contact=a_contact(id="c2", at=LATER))
FAILED = ContactFailed(contact_id="c1", at=LATER)
UNDONE = ContactUndone(contact_id="c1", at=LATER)
SAME, OTHER = (StaffScheduled(at=LATER, appointment_id=which) for which in ("a1", "a2"))
CANCELLED = AppointmentCancelled(at=LATER, appointment_id="a1")
TO_A, TO_C, TO_R, TO_X = (StatusCorrected(to=status, at=LATER) for status in (A, C, R, X))
REFUSED = None

CELLS: list[tuple[Status, Event, Status | None]] = [
    (A, ANOTHER, C),
    (A, SAME, R),
    (A, booked(), X),
    (A, CANCELLED, REFUSED),
    (A, TO_A, A),
    (A, TO_C, C),
    (A, TO_R, REFUSED),
    (A, TO_X, REFUSED),
    (C, ANOTHER, C),
    (C, FAILED, A),
    (C, UNDONE, A),
    (C, SAME, R),
    (C, booked(), R),
    (C, CANCELLED, REFUSED),
    (C, TO_A, A),
    (C, TO_C, C),
    (C, TO_R, REFUSED),
    (C, TO_X, REFUSED),
    (R, ANOTHER, R),
    (R, FAILED, R),
    (R, UNDONE, R),
    (R, SAME, R),
    (R, OTHER, REFUSED),
    (R, booked(), R),
    (R, CANCELLED, R),
    (R, attrs.evolve(CANCELLED, appointment_id=None), R),
    (R, attrs.evolve(CANCELLED, appointment_id="a2"), REFUSED),
    (R, TO_A, REFUSED),
    (R, TO_C, REFUSED),
    (R, TO_R, REFUSED),
    (R, TO_X, REFUSED),
    (X, ANOTHER, X),
    (X, SAME, REFUSED),
    (X, UNDONE, REFUSED),
    (X, booked(), X),
    (X, CANCELLED, REFUSED),
    (X, TO_A, REFUSED),
    (X, TO_C, REFUSED),
    (X, TO_R, REFUSED),
    (X, TO_X, REFUSED),
]


def name_of(value: object) -> str:
    match value:
        case StatusCorrected(to=to):
            return f"corrected to {to.value}"
        case StaffScheduled() | AppointmentCancelled():
            return f"{type(value).__name__} {value.appointment_id}"
        case Status():
            return value.value
        case None:
            return "refused"
        case _:
            return type(value).__name__


@pytest.mark.parametrize(("status", "event", "after"), CELLS, ids=name_of)
def test_s_each_cell_of_the_status_table(
    status: Status, event: Event, after: Status | None
) -> None:
    request = in_status(status)
    if after is not None:
        assert advance(request, event).status is after
        return
    with pytest.raises(TransitionRefused) as refused:
        advance(request, event)
    assert request == in_status(status), "S5: nothing has changed"
    assert refused.value.request_id == request.id
    assert refused.value.status == status.value
    assert refused.value.event == type(event).__name__


def test_s_the_table_lists_every_status_and_nothing_else() -> None:
    reached = {(status, type(event), after) for status, event, after in CELLS if after is not None}
    # Those that need a special past; each has a test of its own below.
    reached |= {(A, kind, A) for kind in (ContactMade, ContactFailed, ContactUndone)}
    reached |= {(C, ContactFailed, C), (C, ContactUndone, C), (C, Booked, X), (X, ContactFailed, X)}
    # A correction to the status that it has already is no step.
    reached -= {(A, StatusCorrected, A), (C, StatusCorrected, C)}
    assert reached == {
        (status, kind, after)
        for status, events in TRANSITIONS.items()
        for kind, followers in events.items()
        for after in followers
    }
    assert set(TRANSITIONS) == set(Status)


# ── what changes nothing returns the very same object (C3, I3) ───────────────────────────────────


@pytest.mark.parametrize(
    ("request_", "event"),
    [
        pytest.param(in_status(C), ContactMade(contact=CALL), id="the contact again"),
        pytest.param(in_status(R), SAME, id="S the same appointment again"),
        pytest.param(in_status(R), booked(), id="S booked by the client after it was recovered"),
        pytest.param(in_status(X), booked(), id="C5 booked twice"),
        pytest.param(in_status(A), TO_A, id="corrected to what it is"),
        pytest.param(in_status(C), TO_C, id="corrected to what it is, contacted"),
        pytest.param(
            in_status(A, contacts=(a_contact(state=ContactState.UNDONE),)), UNDONE, id="S3 undone"
        ),
        pytest.param(
            in_status(A, contacts=(a_contact(state=ContactState.FAILED),)), FAILED, id="S2 failed"
        ),
        pytest.param(
            in_status(R, recovery=Recovery(at=NOON, appointment_id="a1", reversed_at=LATER)),
            CANCELLED,
            id="S4 cancelled twice",
        ),
    ],
)
def test_what_changes_nothing_returns_the_very_same_object(
    request_: AbandonedRequest, event: Event
) -> None:
    assert advance(request_, event) is request_


# ── contacts: S1, S2, S3, C4 ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [A, C, R])
def test_s_another_contact_moves_the_last_contact(status: Status) -> None:
    after = advance(in_status(status), ANOTHER)
    assert after.last_contacted_at == LATER
    assert after.history[-1].kind is HistoryKind.CONTACT


def test_c4_a_contact_lists_the_request_at_once() -> None:
    request = in_status(A, listed_at=NOON + HOUR)
    assert advance(request, ContactMade(contact=CALL)).listed_at == CALL.at
    late = ContactMade(contact=a_contact(at=LATER))
    assert advance(request, late).listed_at == NOON + HOUR


@pytest.mark.parametrize("withdrawal", [FAILED, UNDONE], ids=name_of)
@pytest.mark.parametrize("others_state", ContactState)
def test_s_withdrawing_a_contact_gives_abandoned_only_if_no_other_counts(
    withdrawal: Event, others_state: ContactState
) -> None:
    other = a_contact(id="c0", at=NOON, state=others_state)
    after = advance(in_status(C, contacts=(other, CALL)), withdrawal)
    assert after.status is (C if other.counts else A)
    assert [contact.id for contact in after.contacts] == ["c0", "c1"]
    assert not after.contacts[1].counts


def test_s2_the_reason_of_a_failed_contact_is_kept() -> None:
    failed = ContactFailed(contact_id="t1", at=LATER, reason="30005")
    after = advance(in_status(C, contacts=(TEXT,)), failed)
    assert after.contacts == (attrs.evolve(TEXT, state=ContactState.FAILED, reason="30005"),)
    assert (after.history[-1].kind, after.history[-1].detail) == (
        HistoryKind.CONTACT_FAILED,
        "30005",
    )


@pytest.mark.parametrize("status", [A, X])
def test_s2_a_contact_may_fail_after_a_correction_or_a_booking(status: Status) -> None:
    after = advance(in_status(status, contacts=(CALL,)), FAILED)
    assert after.status is status
    assert after.last_contacted_at is None


def test_s3_a_call_may_be_taken_back_after_a_correction() -> None:
    assert advance(in_status(A, contacts=(CALL,)), UNDONE).contacts[0].state is ContactState.UNDONE


@pytest.mark.parametrize("channel", [channel for channel in Channel if channel != Channel.CALL])
def test_s3_only_a_call_can_be_taken_back(channel: Channel) -> None:
    request = in_status(C, contacts=(a_contact(channel=channel),))
    with pytest.raises(TransitionRefused, match="only a call"):
        advance(request, UNDONE)


@pytest.mark.parametrize("withdrawal", [FAILED, UNDONE], ids=name_of)
def test_s5_a_contact_that_it_does_not_have_is_refused(withdrawal: Event) -> None:
    with pytest.raises(TransitionRefused, match="no such contact"):
        advance(in_status(C, contacts=(TEXT,)), withdrawal)


def test_i3_news_of_a_contact_that_counts_already_leaves_the_staffs_correction_alone() -> None:
    corrected = advance(in_status(C, contacts=(TEXT,)), TO_A)
    delivered = attrs.evolve(TEXT, state=ContactState.DELIVERED)
    after = advance(corrected, ContactMade(contact=delivered))
    assert after.status is A
    assert after.contacts == (delivered,)
    assert after.history[-1].kind is HistoryKind.DELIVERED


def test_s2_a_contact_that_did_not_count_and_does_now_is_a_contact() -> None:
    failed = attrs.evolve(TEXT, state=ContactState.FAILED)
    delivered = attrs.evolve(TEXT, state=ContactState.DELIVERED)
    after = advance(in_status(A, contacts=(failed, CALL)), ContactMade(contact=delivered))
    assert after.status is C
    assert after.contacts == (delivered, CALL), "in its place"


# ── booked: C5 ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("at", "status"),
    [
        pytest.param(CALL.at - INSTANT, X, id="C5 before the contact, told late: completed"),
        pytest.param(CALL.at, R, id="C5 at the contact: recovered"),
        pytest.param(LATER, R, id="C5 after the contact: recovered"),
    ],
)
def test_c5_whether_the_contact_came_before_the_booking_decides(
    at: datetime, status: Status
) -> None:
    after = advance(in_status(C), booked(at))
    assert after.status is status
    assert after.closed_at == at
    recovery = Recovery(at=at, appointment_id="a1") if status is R else None
    assert after.recovery == recovery
    assert after.history[-1].kind is HistoryKind.CLIENT_BOOKED


def test_c5_the_first_of_several_contacts_decides_and_only_those_that_count() -> None:
    undone = a_contact(id="c0", at=NOON, state=ContactState.UNDONE)
    late = a_contact(id="c3", at=LATER)
    between = booked(NOON + 10 * MINUTE)
    assert advance(in_status(C, contacts=(undone, late, CALL)), between).status is X
    assert advance(in_status(C, contacts=(late, CALL)), booked(CALL.at)).status is R


def test_c5_contacted_by_a_correction_counts_as_contacted() -> None:
    assert advance(in_status(C, contacts=()), booked()).status is R


def test_c5_abandoned_by_a_correction_counts_as_not_contacted() -> None:
    assert advance(in_status(A, contacts=(CALL,)), booked()).status is X


# ── scheduled, cancelled: S4 ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [A, C])
def test_s_what_the_staff_schedule_is_recovered_by_them(status: Status) -> None:
    after = advance(in_status(status), SAME)
    assert after.recovery == Recovery(at=LATER, appointment_id="a1", by_staff=True)
    assert after.closed_at == LATER


def test_s4_a_cancelled_appointment_leaves_it_recovered_and_reversed() -> None:
    after = advance(in_status(R), CANCELLED)
    assert after.status is R
    assert after.recovery == Recovery(at=NOON + 2 * HOUR, appointment_id="a1", reversed_at=LATER)
    assert after.history[-1].kind is HistoryKind.APPOINTMENT_CANCELLED


def test_s4_after_a_cancellation_the_staff_may_schedule_another_appointment() -> None:
    cancelled = advance(in_status(R), CANCELLED)
    assert advance(cancelled, SAME) is cancelled
    again = advance(cancelled, OTHER)
    assert again.status is R
    assert again.recovery == Recovery(at=LATER, appointment_id="a2", by_staff=True)


# ── G4 and properties over whole lives ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "event"), [(status, event) for status, event, after in CELLS if after is None]
)
def test_g4_a_refusal_names_the_request_and_nothing_of_the_person(
    status: Status, event: Event
) -> None:
    with pytest.raises(TransitionRefused) as refused:
        advance(in_status(status, form=CANARY_FORM), event)
    told = f"{refused.value} {refused.value!r} {vars(refused.value)}"
    assert "r1" in told
    assert not [canary for canary in CANARIES if canary in told]


INSTANTS = st.integers(0, 6).map(lambda hours: NOON + hours * HOUR)
IDS = st.sampled_from(["c1", "c2", "c3"])
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        ContactMade,
        contact=st.builds(
            Contact,
            id=IDS,
            channel=st.sampled_from(Channel),
            at=INSTANTS,
            state=st.sampled_from(
                [state for state in ContactState if a_contact(state=state).counts]
            ),
        ),
    ),
    st.builds(ContactFailed, contact_id=IDS, at=INSTANTS),
    st.builds(ContactUndone, contact_id=IDS, at=INSTANTS),
    st.builds(StaffScheduled, at=INSTANTS, appointment_id=st.sampled_from(["a1", "a2"])),
    st.builds(booked, INSTANTS, st.sampled_from([None, "a1", "a2"])),
    st.builds(AppointmentCancelled, at=INSTANTS, appointment_id=st.sampled_from([None, "a1"])),
    st.builds(StatusCorrected, at=INSTANTS, to=st.sampled_from(Status)),
)


@given(st.lists(EVENTS, max_size=12))
def test_s_no_life_leaves_the_table(events: list[Event]) -> None:
    request = a_request()
    for event in events:
        before = request
        try:
            request = advance(before, event)
        except TransitionRefused:
            continue
        if request is before:
            continue
        assert request.status in TRANSITIONS[before.status][type(event)]
        assert len(request.history) == len(before.history) + 1
        if before.status is R:
            assert request.status is R, "Recovered never goes back"
        if before.status is X:
            assert request.status is X
        assert (request.recovery is not None) == (request.status is R)
        assert (request.closed_at is None) == request.is_open
        assert request.listed_at <= before.listed_at
        assert len({contact.id for contact in request.contacts}) == len(request.contacts)


@given(st.lists(EVENTS, max_size=8), EVENTS)
def test_an_event_told_twice_in_a_row_changes_nothing_the_second_time(
    events: list[Event], repeated: Event
) -> None:
    request = a_request()
    for event in (*events, repeated):
        try:
            request = advance(request, event)
        except TransitionRefused:
            if event is repeated:
                return
    assert advance(request, repeated) is request
