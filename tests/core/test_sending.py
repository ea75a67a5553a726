"""R3, R4, S2, I3: the recovery message's phases, and what each answer and report does to them.

The machine at the end drives one request through whatever can happen to it and checks the
invariants of once-only sending after every step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any, Final

import attrs
import pytest
from core._examples import HOUR, INSTANT, MINUTE, NOON, a_campaign, a_contact, a_told_request, paws
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from abandoned_booking.core import intake, outreach, sending
from abandoned_booking.core.eligibility import Facts
from abandoned_booking.core.flow import Booked, Progress
from abandoned_booking.core.lifecycle import (
    ContactMade,
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
    MessagePhase,
    Reason,
    RecoveryMessage,
    Status,
)
from abandoned_booking.core.planning import Send, Skip, Wait, plan, replanned, rescheduled
from abandoned_booking.core.sending import (
    PHASES,
    Accepted,
    DeliveryState,
    NotSent,
    Rejected,
    SendResult,
    Unknown,
)
from abandoned_booking.errors import TransitionRefused
from abandoned_booking.testing import a_request

DUE = NOON + 2 * HOUR
LATER = NOON + 5 * HOUR
P = MessagePhase
TAKEN: Final = frozenset({P.SENT, P.DELIVERED, P.UNDELIVERED})
ACCEPTED = Accepted(provider_id="p1", segments=2)
NOT_SENT = NotSent(reason="no connection")
REJECTED = Rejected(reason="no such number", code="21211")
UNKNOWN = Unknown(detail="time-out")


def in_phase(phase: MessagePhase, **changes: Any) -> AbandonedRequest:
    """A request whose message came to a phase by its usual way, after one begin."""
    begun = begin(a_request())
    ways: dict[MessagePhase, Callable[[], AbandonedRequest]] = {
        P.PENDING: lambda: answered(begun, NOT_SENT),
        P.SENDING: lambda: begun,
        P.SENT: lambda: answered(begun, ACCEPTED),
        P.DELIVERED: lambda: reported(answered(begun, ACCEPTED), DeliveryState.DELIVERED),
        P.UNDELIVERED: lambda: reported(answered(begun, ACCEPTED), DeliveryState.UNDELIVERED),
        P.FAILED: lambda: answered(begun, REJECTED),
        P.UNCONFIRMED: lambda: answered(begun, UNKNOWN),
        P.SKIPPED: lambda: sending.skipped(
            answered(begun, NOT_SENT), (Reason.OPTED_OUT,), at=LATER
        ),
    }
    found = attrs.evolve(ways[phase](), **changes)
    assert found.message.phase is phase
    return found


def begin(request: AbandonedRequest, at: datetime = DUE) -> AbandonedRequest:
    return sending.begun(request, at=at, until=at + 2 * MINUTE, segments=1)


def answered(
    request: AbandonedRequest, result: SendResult, *, number: int = 1, at: datetime = DUE
) -> AbandonedRequest:
    return sending.after_result(request, result, begin=number, at=at)


def reported(
    request: AbandonedRequest,
    state: DeliveryState,
    *,
    provider_id: str | None = "p1",
    at: datetime = LATER,
) -> AbandonedRequest:
    return sending.after_report(request, state, provider_id=provider_id, reason="30005", at=at)


# ── every phase × everything that may happen to it ───────────────────────────────────────────────

SAME = None
RESULTS: dict[str, Callable[[AbandonedRequest], AbandonedRequest]] = {
    "begin": begin,
    "accepted": lambda request: answered(request, ACCEPTED),
    "not sent": lambda request: answered(request, NOT_SENT),
    "rejected": lambda request: answered(request, REJECTED),
    "unknown": lambda request: answered(request, UNKNOWN),
    "claim ran out": lambda request: sending.in_doubt(request, at=LATER, detail="claim ran out"),
    "skip": lambda request: sending.skipped(request, (Reason.TOO_OLD,), at=LATER),
    "revive": sending.revived,
    "reported accepted": lambda request: reported(request, DeliveryState.ACCEPTED),
    "reported delivered": lambda request: reported(request, DeliveryState.DELIVERED),
    "reported undelivered": lambda request: reported(request, DeliveryState.UNDELIVERED),
}
_REPORTS = {
    "accepted": P.SENT,
    "reported accepted": P.SENT,
    "reported delivered": P.DELIVERED,
    "reported undelivered": P.UNDELIVERED,
}
AFTER: dict[MessagePhase, dict[str, MessagePhase]] = {
    P.PENDING: {"begin": P.SENDING, "skip": P.SKIPPED, **_REPORTS},
    P.SENDING: {
        **_REPORTS,
        "not sent": P.PENDING,
        "rejected": P.FAILED,
        "unknown": P.UNCONFIRMED,
        "claim ran out": P.UNCONFIRMED,
    },
    P.UNCONFIRMED: {**_REPORTS, "not sent": P.PENDING, "rejected": P.FAILED},
    P.SENT: {"reported delivered": P.DELIVERED, "reported undelivered": P.UNDELIVERED},
    P.UNDELIVERED: {"reported delivered": P.DELIVERED},
    P.DELIVERED: {},
    P.FAILED: _REPORTS,
    P.SKIPPED: {"revive": P.PENDING, **_REPORTS},
}


@pytest.mark.parametrize("event", RESULTS)
@pytest.mark.parametrize("phase", MessagePhase)
def test_r3_each_cell_of_the_table_of_phases(phase: MessagePhase, event: str) -> None:
    request = in_phase(phase)
    after = RESULTS[event](request)
    expected = AFTER[phase].get(event, SAME)
    if expected is SAME:
        assert after is request, "what may not happen changes nothing"
    else:
        assert after.message.phase is expected


def test_r3_begun_only_from_pending_and_what_was_accepted_stays_accepted() -> None:
    assert [phase for phase, steps in PHASES.items() if P.SENDING in steps.values()] == [P.PENDING]
    for phase in TAKEN:
        assert set(PHASES[phase].values()) <= TAKEN
    assert set(PHASES) == set(MessagePhase)


# ── begin ────────────────────────────────────────────────────────────────────────────────────────


def test_r3_begin_is_on_record_with_a_deterministic_key() -> None:
    request = begin(a_request())
    assert request.message == RecoveryMessage(
        phase=P.SENDING, attempt_id="r1.m", begun=1, begun_at=DUE, segments=1
    )
    assert request.next_action_at == DUE + 2 * MINUTE, "when somebody asks how it ended"
    assert request.history[-1].kind is HistoryKind.MESSAGE_BEGUN
    assert sending.attempt_id_of("r1", "c9") == "r1.c9"


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", Status)
def test_r4_an_accepted_message_is_a_contact_whatever_has_become_of_the_request(
    status: Status,
) -> None:
    after = answered(in_phase(P.SENDING, status=status, deleted_at=DUE), ACCEPTED)
    assert after.status is (Status.CONTACTED if status is Status.ABANDONED else status)
    assert after.contacts == (
        Contact(
            id="m",
            channel=Channel.RECOVERY_MESSAGE,
            at=DUE,
            state=ContactState.ACCEPTED,
            attempt_id="r1.m",
            provider_id="p1",
            segments=2,
        ),
    )
    assert after.next_action_at is None


@pytest.mark.parametrize(
    ("result", "phase", "reasons", "detail", "kind"),
    [
        (NOT_SENT, P.PENDING, Reason.GATEWAY_UNAVAILABLE, "no connection", "message_not_sent"),
        (REJECTED, P.FAILED, Reason.GATEWAY_REFUSED, "21211", "contact_refused"),
        (
            Rejected(reason="landline"),
            P.FAILED,
            Reason.GATEWAY_REFUSED,
            "landline",
            "contact_refused",
        ),
        (UNKNOWN, P.UNCONFIRMED, Reason.IN_DOUBT, "time-out", "message_unconfirmed"),
    ],
    ids=lambda value: getattr(value, "value", None),
)
def test_s2_what_was_not_accepted_keeps_the_status_and_tells_why(
    result: SendResult, phase: MessagePhase, reasons: Reason, detail: str, kind: str
) -> None:
    after = answered(in_phase(P.SENDING), result, at=LATER)
    assert after.status is Status.ABANDONED
    assert after.contacts == ()
    assert (after.message.phase, after.message.reasons) == (phase, (reasons,))
    assert (after.message.detail, after.message.settled_at) == (detail, LATER)
    assert (after.history[-1].kind, after.history[-1].detail) == (kind, detail)


def test_a_gateways_long_story_stays_out_of_the_history() -> None:
    after = answered(in_phase(P.SENDING), Unknown(detail="x" * 201))
    assert after.history[-1].detail == "in_doubt"
    assert (
        sending.skipped(a_request(), (Reason.TOO_OLD, Reason.MISSED), at=DUE).history[-1].detail
        == "too_old,missed"
    )


@pytest.mark.parametrize("stale", [NOT_SENT, REJECTED])
def test_r3_not_sent_and_rejected_count_for_the_last_begin_only(stale: SendResult) -> None:
    again = begin(in_phase(P.PENDING), DUE + HOUR)
    assert again.message.begun == 2
    assert answered(again, stale, number=1) is again
    assert answered(again, stale, number=2) is not again


@pytest.mark.parametrize(
    ("begun", "retry_after", "waits"),
    [
        (1, None, timedelta(minutes=1)),
        (2, None, timedelta(minutes=2)),
        (4, None, timedelta(minutes=8)),
        (5, None, timedelta(minutes=15)),
        (10_000, None, timedelta(minutes=15)),
        (1, timedelta(minutes=20), timedelta(minutes=20)),
        (5, timedelta(minutes=1), timedelta(minutes=15)),
        (1, timedelta(minutes=-20), timedelta(minutes=1)),
    ],
)
def test_after_a_not_sent_it_waits_longer_each_time_and_as_long_as_the_gateway_asks(
    begun: int, retry_after: timedelta | None, waits: timedelta
) -> None:
    request = in_phase(P.SENDING)
    request = attrs.evolve(request, message=attrs.evolve(request.message, begun=begun))
    result = NotSent(reason="rate limit", retry_after=retry_after)
    assert answered(request, result, number=begun, at=LATER).message.retry_at == LATER + waits


# ── reports (I3) ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", DeliveryState)
def test_i3_a_report_for_a_message_that_never_began_changes_nothing(state: DeliveryState) -> None:
    request = a_request()
    assert reported(request, state) is request


def test_i3_a_report_before_the_answer_is_the_answer() -> None:
    after = reported(in_phase(P.SENDING), DeliveryState.DELIVERED)
    assert (after.status, after.message.phase) == (Status.CONTACTED, P.DELIVERED)
    assert after.last_contacted_at == DUE, "when it went out, not when the report came"
    assert after.message.settled_at == LATER
    assert after.history[-1].kind is HistoryKind.DELIVERED


def test_s2_undelivered_takes_the_contact_back_and_is_never_sent_again() -> None:
    after = reported(in_phase(P.SENT), DeliveryState.UNDELIVERED)
    assert (after.status, after.message.phase) == (Status.ABANDONED, P.UNDELIVERED)
    assert after.contacts[0].state is ContactState.FAILED
    assert after.contacts[0].reason == "30005"
    assert begin(after) is after
    also_called = advance(in_phase(P.SENT), ContactMade(contact=a_contact()))
    assert reported(also_called, DeliveryState.UNDELIVERED).status is Status.CONTACTED


def test_i3_a_late_report_leaves_the_staffs_correction_alone() -> None:
    corrected = advance(in_phase(P.SENT), StatusCorrected(to=Status.ABANDONED, at=LATER))
    assert reported(corrected, DeliveryState.DELIVERED).status is Status.ABANDONED


def end_of(request: AbandonedRequest) -> AbandonedRequest:
    """All but the history and when it came to that."""
    return attrs.evolve(request, history=(), message=attrs.evolve(request.message, settled_at=None))


_ORDERS = list(permutations([*DeliveryState, DeliveryState.DELIVERED]))


@pytest.mark.parametrize(
    "phase", [P.PENDING, P.SENDING, P.UNCONFIRMED, P.SENT, P.FAILED, P.SKIPPED]
)
def test_i3_reports_in_any_order_and_twice_end_alike(phase: MessagePhase) -> None:
    ends = set()
    for order in _ORDERS:
        request = in_phase(phase)
        for state in order:
            request = reported(request, state)
        for state in order:
            assert reported(request, state) is request, "replayed, they change nothing more"
        ends.add(repr(end_of(request)))
    assert len(ends) == 1


@pytest.mark.parametrize("reports", [[DeliveryState.DELIVERED], [DeliveryState.UNDELIVERED], []])
def test_i3_the_answer_among_the_reports_ends_alike_and_tells_segments_and_id(
    reports: list[DeliveryState],
) -> None:
    events: list[Accepted | DeliveryState] = [ACCEPTED, DeliveryState.ACCEPTED, *reports]
    ends = set()
    for order in permutations(events):
        request = in_phase(P.SENDING)
        for event in order:
            if isinstance(event, Accepted):
                request = answered(request, event)
                assert answered(request, event) is request
            else:
                request = reported(request, event, provider_id=None)
        assert (request.message.provider_id, request.message.segments) == ("p1", 2)
        assert (request.contacts[0].provider_id, request.contacts[0].segments) == ("p1", 2)
        ends.add(repr(end_of(request)))
    assert len(ends) == 1


def test_an_answer_that_tells_less_takes_nothing_away() -> None:
    request = in_phase(P.DELIVERED, contacts=(a_contact(), *in_phase(P.DELIVERED).contacts))
    assert answered(request, Accepted(provider_id="")) is request
    assert answered(request, Accepted(provider_id="p2")) is request
    assert answered(request, Accepted(provider_id="p1", segments=3)).contacts[0] == a_contact()


# ── revived (T5, L8) ─────────────────────────────────────────────────────────────────────────────


def test_what_was_skipped_is_thought_about_again() -> None:
    revived = sending.revived(in_phase(P.SKIPPED))
    assert (revived.message.phase, revived.message.reasons) == (P.PENDING, ())


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(
            sending.skipped(a_request(), (Reason.DELETED,), at=DUE), id="L8 cancelled by a deletion"
        ),
        pytest.param(in_phase(P.SKIPPED, status=Status.COMPLETED), id="C5 closed"),
        pytest.param(in_phase(P.SKIPPED, erased_at=LATER), id="G3 forgotten"),
    ],
)
def test_what_is_cancelled_for_good_stays_so(request_: AbandonedRequest) -> None:
    assert sending.revived(request_) is request_


# ── the life of one request, whatever happens ────────────────────────────────────────────────────


class OneRequest(RuleBasedStateMachine):
    """One request, workers that begin and answer when they like, and a provider that knows."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = paws()
        self.now = NOON
        self.opted_out = False
        self.taken_by_provider = 0
        self.open_answers: list[tuple[int, SendResult]] = []
        self.was_taken = False
        self.was_recovered = False
        self.clicks = 0
        self.request = rescheduled(
            a_told_request(session_id="s1", started_at=NOON), self.settings, at=NOON
        )

    def change(self, changed: AbandonedRequest) -> None:
        """As every door saves: what follows for the next look follows."""
        if changed is not self.request:
            self.request = rescheduled(changed, self.settings, at=self.now)

    def try_to(self, event: Any) -> None:
        with suppress(TransitionRefused):
            self.change(advance(self.request, event))

    @rule(minutes=st.sampled_from([1, 5, 30, 60, 121]))
    def time_passes(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    # ── the sweep ────────────────────────────────────────────────────────────────────────────────

    @precondition(
        lambda self: self.request.next_action_at and self.request.next_action_at <= self.now
    )
    @rule(
        taken=st.booleans(),
        told=st.sampled_from(["in time", "never", "time-out"]),
        no=st.sampled_from([NOT_SENT, REJECTED]),
    )
    def sweep(self, taken: bool, told: str, no: SendResult) -> None:
        todo = plan(self.request, self.settings, Facts(opted_out=self.opted_out), self.now)
        match todo:
            case Send():
                self.begin(taken, told, no)
            case Wait(until=until):
                assert until is None or until > self.now
                self.request = attrs.evolve(self.request, next_action_at=until)
            case Skip(reasons=reasons):
                assert reasons
                self.request = sending.skipped(self.request, reasons, at=self.now)
            case _:
                self.request = sending.in_doubt(self.request, at=self.now, detail="claim ran out")
                self.request = attrs.evolve(self.request, next_action_at=None)

    def begin(self, taken: bool, told: str, no: SendResult) -> None:
        before = self.request
        assert before.message.phase is P.PENDING
        assert before.status is Status.ABANDONED, "R4"
        assert before.deleted_at is None, "L8"
        assert self.settings.campaign.enabled, "T5"
        assert not self.opted_out, "I4"
        assert not self.open_answers, "nobody else is sending"
        self.request = begin(before, self.now)
        if taken:
            self.taken_by_provider += 1
        truth = ACCEPTED if taken else no
        if told != "never":
            number = self.request.message.begun
            self.open_answers.append((number, truth if told == "in time" else UNKNOWN))

    @precondition(lambda self: self.open_answers)
    @rule()
    def answer(self) -> None:
        number, result = self.open_answers.pop()
        self.change(answered(self.request, result, number=number, at=self.now))

    @precondition(lambda self: self.taken_by_provider)
    @rule(state=st.sampled_from(DeliveryState), named=st.booleans())
    def report(self, state: DeliveryState, named: bool) -> None:
        provider_id = "p1" if named else None
        self.change(reported(self.request, state, provider_id=provider_id, at=self.now))

    @precondition(lambda self: self.taken_by_provider)
    @rule()
    def look_up_finds_it(self) -> None:
        number = self.request.message.begun
        self.change(answered(self.request, ACCEPTED, number=number, at=self.now))

    # ── everybody else ───────────────────────────────────────────────────────────────────────────

    @rule()
    def opt_out(self) -> None:
        self.opted_out = True

    @rule()
    def visitor_is_active(self) -> None:
        report = Progress(business_id="paws", session_id="s1", step="pet", at=self.now)
        if not intake.begins_anew(self.request, report):
            merged = intake.merged(self.request, report, self.settings)
            if merged is not self.request:
                self.change(sending.revived(merged))

    @rule(ago=st.sampled_from([0, 1, 60]))
    def client_books(self, ago: int) -> None:
        booked = Booked(business_id="paws", session_id="s1", at=self.now - ago * MINUTE)
        self.change(intake.closed_by(self.request, booked))

    @rule()
    def staff_call(self) -> None:
        self.clicks += 1
        self.try_to(ContactMade(contact=a_contact(id=f"c{self.clicks}", at=self.now)))

    @rule()
    def staff_schedule(self) -> None:
        self.try_to(StaffScheduled(at=self.now, appointment_id="a1"))

    @rule(to=st.sampled_from([Status.ABANDONED, Status.CONTACTED]))
    def staff_correct(self, to: Status) -> None:
        self.try_to(StatusCorrected(to=to, at=self.now))

    @rule()
    def staff_delete(self) -> None:
        self.change(outreach.deleted(self.request, at=self.now))

    @rule()
    def staff_restore(self) -> None:
        self.change(outreach.restored(self.request, at=self.now))

    @rule(enabled=st.booleans())
    def campaign_is_switched(self, enabled: bool) -> None:
        self.settings = paws(campaign=a_campaign(enabled=enabled))
        self.request = replanned(self.request, self.settings, now=self.now)

    # ── what must hold ───────────────────────────────────────────────────────────────────────────

    @invariant()
    def r3_at_most_one_is_accepted(self) -> None:
        assert self.taken_by_provider <= 1

    @invariant()
    def sent_means_accepted_and_accepted_stays(self) -> None:
        phase = self.request.message.phase
        if phase in TAKEN:
            assert self.taken_by_provider == 1
            self.was_taken = True
        assert not self.was_taken or phase in TAKEN

    @invariant()
    def r4_sent_means_that_the_contact_is_on_record(self) -> None:
        contact = outreach.contact_of(self.request, "m")
        if self.request.message.phase in TAKEN:
            assert contact is not None
            assert contact.attempt_id == self.request.message.attempt_id == "r1.m"
            assert contact.counts == (self.request.message.phase is not P.UNDELIVERED)
        else:
            assert contact is None

    @invariant()
    def recovered_never_goes_back(self) -> None:
        self.was_recovered = self.was_recovered or self.request.status is Status.RECOVERED
        assert not self.was_recovered or self.request.status is Status.RECOVERED

    @invariant()
    def only_what_may_still_go_or_is_in_doubt_is_looked_at_again(self) -> None:
        request = self.request
        if request.message.phase in {P.SENDING, P.UNCONFIRMED} or request.next_action_at is None:
            return
        assert request.message.phase is P.PENDING
        assert request.status is Status.ABANDONED
        assert request.deleted_at is None
        assert self.settings.campaign.enabled


TestOneRequest = OneRequest.TestCase
TestOneRequest.settings = hypothesis_settings(max_examples=80, stateful_step_count=25)


# ── and no order of answers, reports and bookings loses what the provider knows ──────────────────

_LATE: Final[Sequence[Callable[[AbandonedRequest], AbandonedRequest]]] = (
    RESULTS["unknown"],
    RESULTS["claim ran out"],
    RESULTS["reported accepted"],
    RESULTS["reported undelivered"],
    RESULTS["reported delivered"],
    lambda request: intake.closed_by(request, Booked(business_id="paws", at=LATER + INSTANT)),
    lambda request: outreach.deleted(request, at=LATER),
)


@given(st.permutations(_LATE))
def test_i3_delivered_at_last_is_delivered_in_the_end(
    order: list[Callable[[AbandonedRequest], AbandonedRequest]],
) -> None:
    request = in_phase(P.SENDING)
    for happens in order:
        request = happens(request)
    assert request.message.phase is P.DELIVERED
    assert request.contacts[0].state is ContactState.DELIVERED
    assert request.status in {Status.COMPLETED, Status.RECOVERED}
