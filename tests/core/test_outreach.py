"""S1, S2, I3: a text of the staff, from begin to report. L8: delete and restore."""

from __future__ import annotations

from itertools import permutations

import attrs
import pytest
from core._examples import HOUR, NOON, a_contact

from abandoned_booking.core import outreach
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    HistoryKind,
    Reason,
    Status,
)
from abandoned_booking.core.sending import (
    Accepted,
    DeliveryState,
    NotSent,
    Rejected,
    SendResult,
    Unknown,
)
from abandoned_booking.testing import a_request

LATER = NOON + 3 * HOUR
S = ContactState
TEXT = Contact(id="t1", channel=Channel.TEXT, at=NOON, attempt_id="r1.t1", segments=1)
ACCEPTED = Accepted(provider_id="p1", segments=2)


def with_text(
    state: ContactState = S.SENDING, status: Status = Status.ABANDONED
) -> AbandonedRequest:
    return a_request(status=status, contacts=(a_contact(state=S.UNDONE), evolved(state)))


def evolved(state: ContactState) -> Contact:
    return attrs.evolve(TEXT, state=state)


def answered(request: AbandonedRequest, result: SendResult) -> AbandonedRequest:
    return outreach.contact_result(request, "t1", result, at=LATER)


def reported(
    request: AbandonedRequest, state: DeliveryState, provider_id: str | None = "p1"
) -> AbandonedRequest:
    return outreach.contact_reported(
        request, "t1", state, provider_id=provider_id, reason="30005", at=LATER
    )


# ── begin ────────────────────────────────────────────────────────────────────────────────────────


def test_s2_a_text_is_on_record_as_begun_before_it_counts() -> None:
    begun = outreach.contact_begun(a_request(), TEXT)
    assert begun.contacts == (evolved(S.SENDING),)
    assert begun.status is Status.ABANDONED
    assert begun.last_contacted_at is None
    assert outreach.contact_begun(begun, TEXT) is begun, "one operation begins once"
    assert outreach.contact_of(begun, "t2") is None


# ── answers (S2) ─────────────────────────────────────────────────────────────────────────────────


def test_s2_a_text_counts_when_the_gateway_accepted_it() -> None:
    after = answered(with_text(), ACCEPTED)
    assert after.status is Status.CONTACTED
    assert after.last_contacted_at == LATER
    assert after.contacts[1] == attrs.evolve(
        TEXT, state=S.ACCEPTED, at=LATER, provider_id="p1", segments=2
    )


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (NotSent(reason="no connection"), "no connection"),
        (Rejected(reason="landline"), "landline"),
        (Rejected(reason="landline", code="21614"), "21614"),
    ],
)
def test_s2_a_refused_text_keeps_the_status_with_the_reason(
    result: SendResult, reason: str
) -> None:
    after = answered(with_text(), result)
    assert after.status is Status.ABANDONED
    assert after.contacts[1] == attrs.evolve(TEXT, state=S.REFUSED, reason=reason)
    assert (after.history[-1].kind, after.history[-1].detail) == (
        HistoryKind.CONTACT_REFUSED,
        reason,
    )


def test_a_gateways_long_story_is_cut_in_the_history() -> None:
    after = answered(with_text(), NotSent(reason="x" * 500))
    assert after.history[-1].detail == "x" * 200


def test_a_text_whose_end_nobody_knows_stays_as_it_is() -> None:
    request = with_text()
    assert answered(request, Unknown(detail="time-out")) is request


@pytest.mark.parametrize("state", [state for state in S if state is not S.SENDING])
@pytest.mark.parametrize("result", [NotSent(reason="x"), Rejected(reason="x")])
def test_i3_a_late_refusal_of_what_is_settled_changes_nothing(
    state: ContactState, result: SendResult
) -> None:
    request = with_text(state, Status.CONTACTED)
    assert answered(request, result) is request


# ── reports (I3) ─────────────────────────────────────────────────────────────────────────────────

AFTER: dict[ContactState, dict[DeliveryState, ContactState]] = {
    S.SENDING: {
        DeliveryState.ACCEPTED: S.ACCEPTED,
        DeliveryState.DELIVERED: S.DELIVERED,
        DeliveryState.UNDELIVERED: S.FAILED,
    },
    S.REFUSED: {
        DeliveryState.ACCEPTED: S.ACCEPTED,
        DeliveryState.DELIVERED: S.DELIVERED,
        DeliveryState.UNDELIVERED: S.FAILED,
    },
    S.ACCEPTED: {DeliveryState.DELIVERED: S.DELIVERED, DeliveryState.UNDELIVERED: S.FAILED},
    S.FAILED: {DeliveryState.DELIVERED: S.DELIVERED},
    S.DELIVERED: {},
    S.UNDONE: {},
    S.MADE: {},
}


@pytest.mark.parametrize("report", DeliveryState)
@pytest.mark.parametrize("state", ContactState)
def test_i3_each_report_on_each_state(state: ContactState, report: DeliveryState) -> None:
    request = with_text(state, Status.CONTACTED if evolved(state).counts else Status.ABANDONED)
    after = reported(request, report, None)
    expected = AFTER[state].get(report)
    if expected is None:
        assert after is request
        return
    assert after.contacts[1].state is expected
    assert after.contacts[1].at == NOON, "when it was made, not when the report came"
    assert after.status is (Status.ABANDONED if expected is S.FAILED else Status.CONTACTED)
    assert reported(after, report, None) is after, "twice"


@pytest.mark.parametrize("report", DeliveryState)
def test_i3_a_report_for_something_unknown_changes_nothing(report: DeliveryState) -> None:
    request = a_request(contacts=(a_contact(),))
    assert reported(request, report) is request
    assert answered(request, ACCEPTED) is request


@pytest.mark.parametrize("report", DeliveryState)
def test_i3_a_report_for_what_no_gateway_was_asked_to_send_changes_nothing(
    report: DeliveryState,
) -> None:
    request = with_text(S.MADE, Status.CONTACTED)
    assert reported(request, report) is request
    assert answered(request, ACCEPTED) is request


@pytest.mark.parametrize("status", [Status.RECOVERED, Status.COMPLETED])
@pytest.mark.parametrize("report", DeliveryState)
def test_s_a_report_after_a_booking_leaves_the_status(
    status: Status, report: DeliveryState
) -> None:
    assert reported(with_text(status=status), report).status is status


@pytest.mark.parametrize("last", [[], [DeliveryState.DELIVERED], [DeliveryState.UNDELIVERED]])
def test_i3_the_answer_and_the_reports_in_any_order_end_alike(last: list[DeliveryState]) -> None:
    events: list[Accepted | DeliveryState] = [ACCEPTED, DeliveryState.ACCEPTED, *last]
    ends = set()
    for order in permutations(events):
        request = with_text()
        for event in (*order, *order):
            if isinstance(event, Accepted):
                request = answered(request, event)
            else:
                request = reported(request, event, None)
        contact = request.contacts[1]
        ends.add((request.status, contact.state, contact.provider_id, contact.segments))
    assert len(ends) == 1
    assert ends.pop()[2:] == ("p1", 2)


# ── L8 ───────────────────────────────────────────────────────────────────────────────────────────


def test_l8_delete_is_soft_and_a_restore_takes_it_back() -> None:
    request = a_request()
    gone = outreach.deleted(request, at=LATER)
    assert gone.deleted_at == LATER
    assert outreach.deleted(gone, at=LATER + HOUR) is gone
    back = outreach.restored(gone, at=LATER + HOUR)
    assert back.deleted_at is None
    assert outreach.restored(back, at=LATER) is back
    assert [entry.kind for entry in back.history] == [HistoryKind.DELETED, HistoryKind.RESTORED]
    assert attrs.evolve(back, history=()) == request
    assert Reason.DELETED not in back.message.reasons
