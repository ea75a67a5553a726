"""R3, R4, R8, T4, T5, C2, D3, L8: what the sweep does now, and when it looks again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs
import pytest
from core._examples import (
    CANARIES,
    HOUR,
    INSTANT,
    MINUTE,
    NOON,
    US,
    a_campaign,
    a_contact,
    a_told_request,
    local,
    paws,
    some_requests,
    some_settings,
)
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.campaign import (
    AfterDelay,
    AtClockTime,
    BusinessSettings,
    CompliancePolicy,
    Days,
    QuietHours,
)
from abandoned_booking.core.eligibility import Facts, assess, recovery_text
from abandoned_booking.core.lifecycle import ContactFailed, ContactMade, StatusCorrected, advance
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    ContactState,
    HistoryKind,
    MessagePhase,
    Person,
    Phone,
    Reason,
    RecoveryMessage,
    Route,
    Status,
)
from abandoned_booking.core.outreach import deleted, restored
from abandoned_booking.core.planning import (
    LookUp,
    Plan,
    Send,
    Skip,
    Wait,
    announced,
    look_for_listing_at,
    looked_at_again,
    plan,
    replanned,
    rescheduled,
)
from abandoned_booking.core.sending import begun, revived, skipped
from abandoned_booking.testing import a_request

DUE = NOON + 2 * HOUR
SETTINGS = paws()
OFF = paws(campaign=a_campaign(enabled=False))
P, R = MessagePhase, Reason


def in_phase(phase: MessagePhase, *reasons: Reason, **changes: Any) -> AbandonedRequest:
    return a_told_request(message=RecoveryMessage(phase=phase, reasons=reasons), **changes)


# ── plan ─────────────────────────────────────────────────────────────────────────────────────────


def test_m4_what_is_sent_is_what_the_preview_shows() -> None:
    todo = plan(a_told_request(), SETTINGS, Facts(), DUE)
    assert todo == Send(to="+12125550199", text=recovery_text(a_told_request(), SETTINGS))


def test_g4_the_plan_shows_nothing_of_the_person() -> None:
    form = BookingForm(person=Person(first_name=CANARIES[0]))
    phone = Phone(e164=CANARIES[2], region="US", can_text=True)
    todo = plan(a_told_request(form=form, phone=phone), SETTINGS, Facts(), DUE)
    assert isinstance(todo, Send)
    assert CANARIES[0] in todo.text.text
    assert not [canary for canary in CANARIES if canary in repr(todo)]


CLOCK = paws(campaign=a_campaign(timing=AtClockTime("09:00")))
NINE = local("2026-01-06T09:00")


@pytest.mark.parametrize(
    ("request_", "settings", "facts", "now", "todo"),
    [
        pytest.param(
            a_told_request(), SETTINGS, Facts(), DUE - INSTANT, Wait(until=DUE), id="T1 not yet"
        ),
        pytest.param(
            a_told_request(),
            SETTINGS,
            Facts(opted_out=True),
            NOON,
            Wait(until=DUE),
            id="R6 an opt-out may be taken back until it is due",
        ),
        pytest.param(
            a_told_request(),
            SETTINGS,
            Facts(opted_out=True, credits=0),
            DUE,
            Skip(reasons=(R.OPTED_OUT, R.NO_CREDITS)),
            id="R8 skipped with all reasons",
        ),
        pytest.param(
            a_told_request(),
            SETTINGS,
            Facts(phone_messaged_recently=True, credits=0),
            DUE,
            Wait(until=DUE + 5 * MINUTE, reasons=(R.PHONE_MESSAGED_RECENTLY, R.NO_CREDITS)),
            id="R7 what may pass is looked at again",
        ),
        pytest.param(
            a_told_request(contacts=(a_contact(state=ContactState.SENDING),)),
            SETTINGS,
            Facts(),
            DUE,
            Wait(until=DUE + 5 * MINUTE, reasons=(R.IN_DOUBT,)),
            id="S2 a text of the staff is under way",
        ),
        pytest.param(
            a_told_request(),
            SETTINGS,
            Facts(credits=0),
            DUE + HOUR + INSTANT,
            Skip(reasons=(R.MISSED, R.NO_CREDITS)),
            id="T4 what may pass has not passed within the grace",
        ),
        pytest.param(
            a_told_request(),
            SETTINGS,
            Facts(),
            DUE + HOUR + INSTANT,
            Skip(reasons=(R.MISSED,)),
            id="T4 missed for good",
        ),
        pytest.param(
            in_phase(P.PENDING, R.GATEWAY_UNAVAILABLE),
            SETTINGS,
            Facts(),
            DUE + HOUR + INSTANT,
            Skip(reasons=(R.MISSED, R.GATEWAY_UNAVAILABLE)),
            id="R8 missed, and what it had waited for",
        ),
        pytest.param(
            a_told_request(),
            CLOCK,
            Facts(credits=0),
            NINE + HOUR,
            Wait(until=NINE + HOUR + 5 * MINUTE, reasons=(R.NO_CREDITS,)),
            id="T4 a clock message, in its grace",
        ),
        pytest.param(
            a_told_request(),
            CLOCK,
            Facts(credits=0),
            NINE + HOUR + INSTANT,
            Wait(until=NINE + 24 * HOUR),
            id="T4 a clock message waits for the next occurrence",
        ),
        pytest.param(
            a_told_request(),
            OFF,
            Facts(opted_out=True),
            DUE,
            Wait(until=None),
            id="T5 off: until it is on again",
        ),
        pytest.param(
            a_told_request(status=Status.CONTACTED),
            SETTINGS,
            Facts(),
            DUE,
            Wait(until=None),
            id="R4 contacted: until that contact fails",
        ),
        pytest.param(
            a_told_request(status=Status.CONTACTED),
            SETTINGS,
            Facts(),
            DUE + 2 * HOUR,
            Skip(reasons=(R.ALREADY_CONTACTED, R.MISSED)),
            id="T4 contacted, and its time has passed",
        ),
        pytest.param(
            a_told_request(status=Status.COMPLETED),
            SETTINGS,
            Facts(),
            DUE,
            Skip(reasons=(R.COMPLETED,)),
            id="C5 completed",
        ),
        pytest.param(
            a_told_request(deleted_at=NOON),
            SETTINGS,
            Facts(feature_available=False),
            DUE,
            Skip(reasons=(R.FEATURE_UNAVAILABLE, R.DELETED)),
            id="L8 deleted, and G1",
        ),
        pytest.param(
            a_told_request(phone=None), SETTINGS, Facts(), DUE, Skip(reasons=(R.NO_PHONE,)), id="R6"
        ),
        pytest.param(
            a_told_request(message=RecoveryMessage(begun=1, retry_at=DUE + 3 * MINUTE)),
            SETTINGS,
            Facts(),
            DUE + 2 * MINUTE,
            Wait(until=DUE + 3 * MINUTE),
            id="R3 not before the gateway has had its time",
        ),
    ],
)
def test_what_the_sweep_is_told_to_do(
    request_: AbandonedRequest,
    settings: BusinessSettings,
    facts: Facts,
    now: datetime,
    todo: Plan,
) -> None:
    assert plan(request_, settings, facts, now) == todo


@pytest.mark.parametrize("phase", [phase for phase in P if phase is not P.PENDING])
def test_r3_a_message_that_has_begun_or_ended_is_never_begun(phase: MessagePhase) -> None:
    todo = plan(in_phase(phase), SETTINGS, Facts(), DUE)
    assert todo == (LookUp() if phase in {P.SENDING, P.UNCONFIRMED} else Wait(until=None))


def test_m3_the_size_is_that_of_this_persons_text_not_what_the_facts_say() -> None:
    template = "{{pet_names}} {{services}} {{first_name}} " * 30
    settings = paws(campaign=a_campaign(template=template))
    assert isinstance(plan(a_told_request(), settings, Facts(segments=99), DUE), Send)
    long = BookingForm(person=Person(first_name="x" * 40), services=("y" * 40,) * 4)
    todo = plan(a_told_request(form=long, phone=US), settings, Facts(segments=1, credits=0), DUE)
    assert todo == Skip(reasons=(R.TEXT_TOO_LONG, R.NO_CREDITS))


FACTS = st.builds(
    Facts,
    feature_available=st.sampled_from([True, True, True, False]),
    opted_out=st.sampled_from([False, False, False, True]),
    phone_messaged_recently=st.sampled_from([False, False, False, True]),
    credits=st.sampled_from([None, None, 0, 1]),
)
AT = st.integers(-60, 60).map(lambda minutes: DUE + minutes * MINUTE)


@given(some_requests(), some_settings(), FACTS, AT)
def test_the_plan_does_what_the_assessment_says(
    request: AbandonedRequest, settings: BusinessSettings, facts: Facts, now: datetime
) -> None:
    segments = recovery_text(request, settings).size.segments
    found = assess(request, settings, attrs.evolve(facts, segments=segments), now)
    match plan(request, settings, facts, now):
        case Send(to=to):
            assert found.reasons == ()
            assert found.send_at is not None
            assert found.send_at <= now
            assert request.phone is not None
            assert to == request.phone.e164
            assert request.message.phase is P.PENDING
            assert request.status is Status.ABANDONED
            assert request.deleted_at is None
        case Wait(until=until, reasons=reasons):
            assert until is None or until > now
            assert set(reasons) <= set(found.reasons)
            assert found.send_at is None or found.send_at > now
        case Skip(reasons=reasons):
            waited_for = request.message.reasons if R.MISSED in found.reasons else ()
            assert reasons == tuple(r for r in Reason if r in {*found.reasons, *waited_for}) != ()
        case LookUp():
            assert found.send_at is None


# ── rescheduled ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("request_", "settings", "next_action_at"),
    [
        pytest.param(a_told_request(), SETTINGS, DUE, id="pending: when it is due"),
        pytest.param(
            a_told_request(abandoned_at=NOON + MINUTE),
            SETTINGS,
            DUE + MINUTE,
            id="C2 moved by activity",
        ),
        pytest.param(
            a_told_request(), CLOCK, local("2026-01-05T09:00"), id="T2 the first occurrence"
        ),
        pytest.param(a_told_request(), OFF, None, id="T5 off: never"),
        pytest.param(
            a_told_request(status=Status.CONTACTED), SETTINGS, None, id="R4 contacted: never"
        ),
        pytest.param(
            a_told_request(message=RecoveryMessage(retry_at=DUE + MINUTE)),
            SETTINGS,
            DUE + MINUTE,
            id="not sent: when the gateway may be asked again",
        ),
        pytest.param(
            a_told_request(message=RecoveryMessage(retry_at=NOON)),
            SETTINGS,
            DUE,
            id="asked long ago",
        ),
        *(
            pytest.param(in_phase(phase), SETTINGS, None, id=f"R3 {phase.value}: never")
            for phase in (P.SENT, P.DELIVERED, P.UNDELIVERED, P.FAILED, P.SKIPPED)
        ),
    ],
)
def test_when_the_sweep_looks_next(
    request_: AbandonedRequest, settings: BusinessSettings, next_action_at: datetime | None
) -> None:
    stale = attrs.evolve(request_, next_action_at=NOON)
    after = rescheduled(stale, settings, at=DUE)
    assert after == attrs.evolve(stale, next_action_at=next_action_at)


@pytest.mark.parametrize("phase", [P.SENDING, P.UNCONFIRMED])
@pytest.mark.parametrize("status", Status)
def test_r3_what_has_begun_keeps_its_time_whatever_happens(
    phase: MessagePhase, status: Status
) -> None:
    request = in_phase(phase, next_action_at=DUE, deleted_at=NOON, status=status)
    assert rescheduled(request, SETTINGS, at=DUE) is request


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"deleted_at": NOON}, R.DELETED),
        ({"deleted_at": NOON, "status": Status.COMPLETED}, R.DELETED),
        ({"status": Status.COMPLETED}, R.COMPLETED),
        ({"status": Status.RECOVERED}, R.ALREADY_RECOVERED),
    ],
)
def test_l8_c5_what_can_never_go_any_more_is_skipped(
    changes: dict[str, Any], reason: Reason
) -> None:
    after = rescheduled(a_told_request(**changes, next_action_at=DUE), SETTINGS, at=DUE)
    assert (after.message.phase, after.message.reasons) == (P.SKIPPED, (reason,))
    assert after.message.settled_at == DUE
    assert after.next_action_at is None


def test_l8_what_was_cancelled_by_a_deletion_stays_cancelled_after_a_restore() -> None:
    gone = rescheduled(deleted(a_told_request(), at=NOON), SETTINGS, at=NOON)
    back = rescheduled(restored(gone, at=NOON), SETTINGS, at=NOON)
    active = rescheduled(
        revived(attrs.evolve(back, abandoned_at=NOON + HOUR)), SETTINGS, at=NOON + HOUR
    )
    for request in (back, active, replanned(active, CLOCK, now=NOON + HOUR)):
        assert request.message.phase is P.SKIPPED
        assert request.next_action_at is None
        assert assess(request, SETTINGS, Facts(), NOON).reasons == (R.DELETED,)


def test_s2_a_failed_contact_brings_the_message_back_while_it_is_in_time() -> None:
    contact = a_contact(id="t1", state=ContactState.ACCEPTED)
    contacted = rescheduled(
        advance(a_told_request(), ContactMade(contact=contact)), SETTINGS, at=NOON
    )
    assert contacted.next_action_at is None
    failed = advance(contacted, ContactFailed(contact_id="t1", at=NOON + HOUR))
    assert rescheduled(failed, SETTINGS, at=NOON + HOUR).next_action_at == DUE


def test_r4_a_correction_to_abandoned_brings_the_message_back_while_it_is_in_time() -> None:
    contacted = a_told_request(status=Status.CONTACTED)
    corrected = advance(contacted, StatusCorrected(to=Status.ABANDONED, at=DUE))
    request = rescheduled(corrected, SETTINGS, at=DUE)
    assert isinstance(plan(request, SETTINGS, Facts(), DUE + HOUR), Send)
    assert plan(request, SETTINGS, Facts(), DUE + 2 * HOUR) == Skip(reasons=(R.MISSED,))


QUIET = CompliancePolicy(quiet_hours=QuietHours())


@pytest.mark.parametrize(
    ("policy", "next_action_at"),
    [
        pytest.param(QUIET, local("2026-01-06T08:00"), id="R9 held until the morning"),
        pytest.param(CompliancePolicy(), local("2026-01-05T22:30"), id="no quiet hours"),
    ],
)
def test_r9_the_sweep_looks_when_the_quiet_hours_are_over(
    policy: CompliancePolicy, next_action_at: datetime
) -> None:
    request = a_told_request(abandoned_at=local("2026-01-05T20:30"), form=BookingForm(), phone=US)
    settings = paws(compliance=policy)
    after = rescheduled(request, settings, at=request.abandoned_at)
    assert after.next_action_at == next_action_at
    assert isinstance(plan(after, settings, Facts(), next_action_at), Send)


@given(some_requests(), some_settings())
def test_rescheduling_twice_is_rescheduling_once_and_changes_little_else(
    request: AbandonedRequest, settings: BusinessSettings
) -> None:
    after = rescheduled(request, settings, at=NOON)
    assert rescheduled(after, settings, at=NOON) == after
    same = attrs.evolve(
        after,
        next_action_at=request.next_action_at,
        message=request.message,
        history=request.history,
    )
    assert same == request


@given(some_requests(), some_settings(), FACTS)
def test_the_sweep_looks_whenever_a_message_might_go(
    request: AbandonedRequest, settings: BusinessSettings, facts: Facts
) -> None:
    """Nothing is sent unless the sweep looks at it: it looks at the first instant that it may."""
    after = rescheduled(request, settings, at=NOON)
    found = assess(after, settings, facts, after.abandoned_at)
    if found.send_at is not None:
        assert after.next_action_at == found.send_at


# ── looking whether it counts as abandoned (C4, D2) ──────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "look_at"),
    [
        pytest.param({}, NOON + HOUR, id="C4 when it is listed"),
        pytest.param({"status": Status.CONTACTED}, NOON + HOUR, id="contacted: too"),
        pytest.param({"announced_at": NOON}, None, id="D2 once"),
        pytest.param({"status": Status.RECOVERED}, None, id="closed: never"),
        pytest.param({"deleted_at": NOON}, None, id="L8 deleted: never"),
        pytest.param({"withheld": (R.BLOCKED,)}, None, id="C10 withheld: never"),
    ],
)
def test_c4_when_the_sweep_looks_whether_it_counts_as_abandoned(
    changes: dict[str, Any], look_at: datetime | None
) -> None:
    request = a_request(**changes)
    assert look_for_listing_at(request) == look_at
    for message_at in (None, NOON, DUE):
        looks = [look for look in (look_at, message_at) if look is not None]
        assert looked_at_again(request, message_at).next_action_at == min(looks, default=None)


def test_d2_the_host_is_told_once_and_what_became_a_lead_bears_its_id() -> None:
    told = announced(a_request(), at=DUE, lead_id=None)
    assert told == a_request(announced_at=DUE)
    lead = announced(a_request(), at=DUE, lead_id="l1")
    assert (lead.announced_at, lead.lead_id) == (DUE, "l1")
    assert lead.history[-1].kind is HistoryKind.LEAD_HANDED_OVER


# ── replanned (T5, D3) ───────────────────────────────────────────────────────────────────────────


def planned(request: AbandonedRequest | None = None) -> AbandonedRequest:
    return rescheduled(request or a_told_request(), SETTINGS, at=NOON)


SOONER = paws(campaign=a_campaign(timing=AfterDelay(minutes=10)))


def test_t5_editing_the_campaign_replans_what_is_unclaimed() -> None:
    request = planned()
    assert replanned(request, SOONER, now=NOON).next_action_at == NOON + 10 * MINUTE
    off = replanned(request, OFF, now=NOON)
    assert off.next_action_at is None, "off stops everything unclaimed"
    assert replanned(off, SETTINGS, now=NOON) == request
    assert replanned(request, SETTINGS, now=NOON) is request


def test_t5_what_was_claimed_and_not_begun_moves_on_so_that_its_begin_is_lost() -> None:
    claimed = attrs.evolve(planned(), next_action_at=DUE + 2 * MINUTE)
    assert replanned(claimed, OFF, now=DUE) is not claimed


@pytest.mark.parametrize("phase", [P.SENDING, P.UNCONFIRMED])
def test_t5_what_has_begun_is_untouched(phase: MessagePhase) -> None:
    request = in_phase(phase, next_action_at=DUE, listed_at=NOON + 9 * HOUR)
    for settings in (OFF, SOONER, paws(leads_management=True)):
        assert replanned(request, settings, now=NOON) is request


@pytest.mark.parametrize("phase", [P.SENT, P.DELIVERED, P.UNDELIVERED, P.FAILED])
def test_t5_what_was_sent_is_untouched(phase: MessagePhase) -> None:
    request = in_phase(phase)
    assert replanned(request, SOONER, now=DUE) is request


@pytest.mark.parametrize("status", [Status.RECOVERED, Status.COMPLETED])
def test_t5_what_is_closed_is_untouched(status: Status) -> None:
    request = in_phase(P.SKIPPED, R.STEP_NOT_SELECTED, status=status)
    assert replanned(request, paws(leads_management=True), now=NOON) is request


def test_g3_what_was_forgotten_is_untouched() -> None:
    request = in_phase(P.SKIPPED, R.ERASED, erased_at=NOON)
    assert replanned(request, paws(leads_management=True), now=NOON) is request


def test_t5_what_the_old_settings_refused_is_thought_about_again() -> None:
    request = skipped(a_told_request(), (R.STEP_NOT_SELECTED,), at=DUE)
    after = replanned(request, CLOCK, now=DUE)
    assert after.message.phase is P.PENDING
    assert after.next_action_at is not None


def test_t4_what_was_missed_stays_missed_under_new_settings_until_there_is_new_activity() -> None:
    request = skipped(a_told_request(), (R.MISSED, R.NO_CREDITS), at=DUE + 2 * HOUR)
    assert replanned(request, CLOCK, now=DUE + 2 * HOUR) is request
    assert R.MISSED in assess(request, CLOCK, Facts(), DUE + 2 * HOUR).reasons
    assert revived(request).message.phase is P.PENDING


@pytest.mark.parametrize(
    ("changes", "now", "route"),
    [
        pytest.param({}, NOON + HOUR - INSTANT, Route.LEADS, id="D3 not listed yet: follows"),
        pytest.param({}, NOON + HOUR, Route.LIST, id="D3 listed: stays"),
        pytest.param(
            {"routed_at": NOON, "listed_at": NOON + 9 * HOUR},
            NOON + HOUR,
            Route.LIST,
            id="D3 listed once, and back in the flow: stays",
        ),
        pytest.param(
            {"withheld": (R.NO_CONTACT_POINT,)}, NOON + 9 * HOUR, Route.LEADS, id="D3 withheld"
        ),
        pytest.param(
            {"client_type": "existing_client"}, NOON, Route.LIST, id="D2 an existing client"
        ),
    ],
)
def test_d3_switching_the_setting_moves_no_request_that_has_been_listed(
    changes: dict[str, Any], now: datetime, route: Route
) -> None:
    request = planned(a_told_request(**changes))
    assert replanned(request, paws(leads_management=True), now=now).route is route


def test_c4_a_shorter_hour_lists_what_is_not_listed_yet_at_once() -> None:
    after = replanned(planned(), paws(listed_after=5 * MINUTE), now=NOON + 10 * MINUTE)
    assert after.listed_at == NOON + 5 * MINUTE
    late = replanned(planned(), paws(listed_after=5 * HOUR), now=NOON + 2 * HOUR)
    assert late.listed_at == NOON + HOUR, "and a longer one takes nothing off the list"


@given(some_requests(), some_settings(), some_settings(), AT)
def test_t5_replanning_keeps_what_happened_and_settles_at_once(
    request: AbandonedRequest, old: BusinessSettings, new: BusinessSettings, now: datetime
) -> None:
    before = rescheduled(request, old, at=now)
    after = replanned(before, new, now=now)
    assert replanned(after, new, now=now) is after
    assert (after.status, after.contacts, after.form) == (
        before.status,
        before.contacts,
        before.form,
    )
    moves = {before.message.phase, after.message.phase}
    assert len(moves) == 1 or moves <= {P.PENDING, P.SKIPPED}
    if after.next_action_at is not None and after.message.phase is P.PENDING:
        assert new.campaign.enabled, "T5 off stops everything unclaimed"


def test_r3_a_begun_message_is_looked_up_until_somebody_knows() -> None:
    request = begun(planned(), at=DUE, until=DUE + MINUTE, segments=1)
    assert plan(request, OFF, Facts(opted_out=True), DUE + MINUTE) == LookUp()


def test_t2_a_weekend_campaign_waits_for_the_weekend() -> None:
    weekend = paws(campaign=a_campaign(timing=AtClockTime("10:00", Days.WEEKENDS)))
    saturday = local("2026-01-10T10:00")
    assert rescheduled(a_told_request(), weekend, at=NOON).next_action_at == saturday
    assert isinstance(plan(a_told_request(), weekend, Facts(), saturday), Send)
