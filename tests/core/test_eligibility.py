"""R1, R3 to R9, T1, T2, T4, C2, M4, G1: whether a message may go, with all reasons, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import attrs
import pytest
from core._examples import (
    CANADIAN,
    HOUR,
    INSTANT,
    MINUTE,
    NEW_YORK,
    NOON,
    PUERTO_RICAN,
    TOLL_FREE,
    US,
    a_campaign,
    a_contact,
    local,
    paws,
    utc,
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
from abandoned_booking.core.eligibility import Assessment, Facts, assess, due_of, recovery_text
from abandoned_booking.core.holdout import is_held_out
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    ClientType,
    ContactState,
    MessagePhase,
    Person,
    Phone,
    Reason,
    RecoveryMessage,
    Route,
    Status,
    Step,
)
from abandoned_booking.core.schedule import DueState
from abandoned_booking.testing import a_request

DUE = NOON + 2 * HOUR
Case: TypeAlias = tuple[AbandonedRequest, BusinessSettings, Facts]
Obstacle: TypeAlias = Callable[[Case], Case]
CLEAR: Final[Case] = (a_request(), paws(), Facts())


def on_request(**changes: Any) -> Obstacle:
    return lambda case: (attrs.evolve(case[0], **changes), case[1], case[2])


def on_settings(**changes: Any) -> Obstacle:
    return lambda case: (case[0], attrs.evolve(case[1], **changes), case[2])


def on_campaign(**changes: Any) -> Obstacle:
    def put(case: Case) -> Case:
        campaign = attrs.evolve(case[1].campaign, **changes)
        return case[0], attrs.evolve(case[1], campaign=campaign), case[2]

    return put


def on_facts(**changes: Any) -> Obstacle:
    return lambda case: (case[0], case[1], attrs.evolve(case[2], **changes))


def in_phase(phase: MessagePhase, *reasons: Reason) -> Obstacle:
    return on_request(message=RecoveryMessage(phase=phase, reasons=reasons))


def consent_needed(case: Case) -> Case:
    compliance = attrs.evolve(case[1].compliance, consent_required=True)
    return case[0], attrs.evolve(case[1], compliance=compliance), case[2]


def held_out(case: Case) -> Case:
    lots = (f"r{number}" for number in range(100))
    drawn = next(lot for lot in lots if is_held_out("paws", lot, share=0.5))
    return on_campaign(holdout=0.5)(on_request(id=drawn)(case))


def nothing_older_than_an_hour(case: Case) -> Case:
    compliance = attrs.evolve(case[1].compliance, not_older_than=HOUR)
    return case[0], attrs.evolve(case[1], compliance=compliance), case[2]


P, R = MessagePhase, Reason

# One obstacle at most of each line can be there at a time; those of different lines are free.
OBSTACLES: list[list[tuple[Obstacle, set[Reason]]]] = [
    [(on_facts(feature_available=False), {R.FEATURE_UNAVAILABLE})],
    [(on_request(deleted_at=NOON), {R.DELETED})],
    [(on_request(erased_at=NOON), {R.ERASED})],
    [(held_out, {R.HELD_OUT})],
    [
        (on_request(status=Status.COMPLETED), {R.COMPLETED}),
        (on_request(status=Status.CONTACTED), {R.ALREADY_CONTACTED}),
        (on_request(status=Status.RECOVERED), {R.ALREADY_RECOVERED}),
    ],
    [
        (in_phase(P.SENDING), {R.IN_DOUBT}),
        (in_phase(P.UNCONFIRMED), {R.IN_DOUBT}),
        (in_phase(P.SENT), {R.ALREADY_SENT}),
        (in_phase(P.DELIVERED), {R.ALREADY_SENT}),
        (in_phase(P.UNDELIVERED), {R.ALREADY_SENT}),
        (in_phase(P.FAILED), {R.GATEWAY_REFUSED}),
        (in_phase(P.SKIPPED, R.DELETED), {R.DELETED}),
        (in_phase(P.SKIPPED, R.TOO_OLD, R.MISSED), {R.TOO_OLD, R.MISSED}),
    ],
    [(on_request(contacts=(a_contact(state=ContactState.SENDING),)), {R.IN_DOUBT})],
    [
        (on_campaign(recipients=["existing_client"]), {R.CLIENT_TYPE_NOT_SELECTED}),
        (on_request(client_type=ClientType.EXISTING_CLIENT), set()),
    ],
    [
        (on_campaign(steps=["pet"]), {R.STEP_NOT_SELECTED}),
        (on_campaign(steps=["time", "pet"]), set()),
    ],
    [
        (on_request(withheld=(R.NO_CONTACT_POINT,)), {R.NO_CONTACT_POINT}),
        (on_request(withheld=(R.BLOCKED,)), {R.BLOCKED}),
        (
            on_request(withheld=(R.NO_CONTACT_POINT, R.NO_APPLICABLE_SERVICE)),
            {R.NO_CONTACT_POINT, R.NO_APPLICABLE_SERVICE},
        ),
    ],
    [(on_request(phone=None), {R.NO_PHONE})],
    [(on_facts(opted_out=True), {R.OPTED_OUT})],
    [(on_facts(phone_blocked=True), {R.PHONE_BLOCKED})],
    [(on_facts(phone_messaged_recently=True), {R.PHONE_MESSAGED_RECENTLY})],
    [(consent_needed, {R.NO_CONSENT})],
    [(nothing_older_than_an_hour, {R.TOO_OLD})],
    [(on_campaign(timing=AfterDelay(minutes=30)), {R.MISSED})],
    [
        (on_facts(segments=11), {R.TEXT_TOO_LONG}),
        (on_facts(segments=11, credits=10), {R.TEXT_TOO_LONG, R.NO_CREDITS}),
        (on_facts(credits=0), {R.NO_CREDITS}),
        (on_facts(credits=1), set()),
    ],
    [(on_request(route=Route.LEADS), set())],
]
# What is not known of a phone that is not there speaks neither for nor against.
OF_THE_PHONE = {R.OPTED_OUT, R.PHONE_BLOCKED, R.PHONE_MESSAGED_RECENTLY}


def put(case: Case, obstacles: list[tuple[Obstacle, set[Reason]]]) -> tuple[Case, set[Reason]]:
    expected: set[Reason] = set()
    for obstacle, reasons in obstacles:
        case = obstacle(case)
        expected |= reasons
    if case[0].client_type is ClientType.EXISTING_CLIENT:
        expected.discard(R.CLIENT_TYPE_NOT_SELECTED)
    return case, expected - OF_THE_PHONE if R.NO_PHONE in expected else expected


def test_with_nothing_in_the_way_it_goes_when_it_is_due() -> None:
    for now in (NOON, DUE, DUE + HOUR):
        assert assess(*CLEAR, now) == Assessment(reasons=(), send_at=DUE, due_at=DUE)


@pytest.mark.parametrize(
    ("obstacle", "reasons"), [one for line in OBSTACLES for one in line], ids=lambda value: ""
)
def test_r8_each_obstacle_alone_gives_its_reasons_and_no_other(
    obstacle: Obstacle, reasons: set[Reason]
) -> None:
    found = assess(*obstacle(CLEAR), DUE)
    assert set(found.reasons) == reasons
    assert (found.send_at is None) == bool(reasons)


_CHOICES = st.tuples(*(st.none() | st.sampled_from(line) for line in OBSTACLES))


@given(_CHOICES.map(lambda chosen: [one for one in chosen if one is not None]))
def test_r8_all_reasons_are_given_in_the_fixed_order_whatever_else_is_in_the_way(
    obstacles: list[tuple[Obstacle, set[Reason]]],
) -> None:
    case, expected = put(CLEAR, obstacles)
    found = assess(*case, DUE)
    assert found.reasons == tuple(reason for reason in Reason if reason in expected)
    assert found.send_at == (None if expected else found.due_at)


@given(_CHOICES.map(lambda chosen: [one for one in chosen if one is not None]), st.data())
def test_r8_one_more_obstacle_never_removes_a_reason(
    obstacles: list[tuple[Obstacle, set[Reason]]], data: st.DataObject
) -> None:
    missing = data.draw(st.integers(0, max(len(obstacles) - 1, 0)))
    without = obstacles[:missing] + obstacles[missing + 1 :]
    more, _ = put(CLEAR, obstacles)
    fewer, _ = put(CLEAR, without)
    lost = set(assess(*fewer, DUE).reasons) - set(assess(*more, DUE).reasons)
    if more[0].phone is None:
        lost -= OF_THE_PHONE
    if more[0].client_type is ClientType.EXISTING_CLIENT:
        lost -= {R.CLIENT_TYPE_NOT_SELECTED}
    assert not lost


def test_r1_a_campaign_that_is_off_has_no_time_to_miss() -> None:
    found = assess(*on_campaign(enabled=False)(CLEAR), DUE + 100 * HOUR)
    assert found == Assessment(reasons=(R.CAMPAIGN_OFF,), send_at=None, due_at=None)


def test_r9_a_campaign_that_is_off_does_not_hide_the_age() -> None:
    case = nothing_older_than_an_hour(on_campaign(enabled=False)(CLEAR))
    assert assess(*case, NOON + HOUR).reasons == (R.CAMPAIGN_OFF,)
    assert assess(*case, NOON + HOUR + INSTANT).reasons == (R.CAMPAIGN_OFF, R.TOO_OLD)


# ── R5, R6: phones ───────────────────────────────────────────────────────────────────────────────

BRITISH = Phone(e164="+447700900123", region="GB", can_text=True)
LANDLINE = Phone(e164="+442079460000", region="GB", can_text=False)
NEW, OLD = ClientType.NEW_VISITOR, ClientType.EXISTING_CLIENT


@pytest.mark.parametrize(
    ("phone", "client_type", "territories", "reasons"),
    [
        pytest.param(US, NEW, False, (), id="R5 a visitor in the US"),
        pytest.param(CANADIAN, NEW, False, (R.NOT_US_NUMBER,), id="R5 Canada is not the US"),
        pytest.param(CANADIAN, NEW, True, (R.NOT_US_NUMBER,), id="R5 nor a territory"),
        pytest.param(BRITISH, NEW, False, (R.NOT_US_NUMBER,), id="R5 nor is Britain"),
        pytest.param(PUERTO_RICAN, NEW, False, (R.NOT_US_NUMBER,), id="R5 a territory"),
        pytest.param(PUERTO_RICAN, NEW, True, (), id="R5 a territory by setting"),
        pytest.param(
            TOLL_FREE,
            NEW,
            True,
            (R.CANNOT_RECEIVE_TEXTS, R.NOT_US_NUMBER),
            id="R5 R6 toll-free is neither",
        ),
        pytest.param(CANADIAN, OLD, False, (), id="R5 a client in Canada"),
        pytest.param(BRITISH, OLD, False, (), id="R5 a client anywhere"),
        pytest.param(LANDLINE, OLD, False, (R.CANNOT_RECEIVE_TEXTS,), id="R6 no texts"),
        pytest.param(None, OLD, False, (R.NO_PHONE,), id="R6 no phone"),
    ],
)
def test_r5_r6_whose_number_may_be_texted(
    phone: Phone | None, client_type: ClientType, territories: bool, reasons: tuple[Reason, ...]
) -> None:
    request = a_request(phone=phone, client_type=client_type)
    settings = paws(text_us_territories=territories)
    assert assess(request, settings, Facts(), DUE).reasons == reasons


def test_d2_a_request_in_the_leads_gets_the_message_if_new_visitors_are_selected() -> None:
    request = a_request(route=Route.LEADS)
    assert assess(request, paws(leads_management=True), Facts(), DUE).send_at == DUE


def test_r9_consent_counts_only_where_the_policy_asks_for_it() -> None:
    assert assess(*on_facts(has_consent=True)(consent_needed(CLEAR)), DUE).send_at == DUE
    assert assess(*CLEAR, DUE).reasons == ()


@pytest.mark.parametrize(
    ("credits", "segments", "enough"), [(None, 10, True), (3, 3, True), (2, 3, False)]
)
def test_r6_the_credits_must_do_for_the_whole_text(
    credits: int | None, segments: int, enough: bool
) -> None:
    found = assess(*on_facts(credits=credits, segments=segments)(CLEAR), DUE)
    assert found.reasons == (() if enough else (R.NO_CREDITS,))


# ── T1, T2, T4, C2: when ─────────────────────────────────────────────────────────────────────────


def due(
    timing: AfterDelay | AtClockTime,
    abandoned_at: datetime,
    now: datetime | None = None,
    **changes: Any,
) -> Assessment:
    request = a_request(abandoned_at=abandoned_at)
    settings = paws(campaign=a_campaign(timing=timing), **changes)
    return assess(request, settings, Facts(), now or abandoned_at)


@pytest.mark.parametrize(
    ("abandoned", "sent"),
    [
        pytest.param("2027-03-13T12:00", "2027-03-14T13:00", id="T1 into summer time"),
        pytest.param("2026-10-31T12:00", "2026-11-01T11:00", id="T1 out of summer time"),
    ],
)
def test_t1_daylight_saving_does_not_touch_a_delay(abandoned: str, sent: str) -> None:
    found = due(AfterDelay(hours=24), local(abandoned))
    assert found.send_at == local(sent) == local(abandoned) + 24 * HOUR


CLOCK = AtClockTime("09:00")


@pytest.mark.parametrize(
    ("timing", "abandoned", "sent"),
    [
        pytest.param(CLOCK, "2026-01-05T08:00", "2026-01-05T09:00", id="T2 just past the hour"),
        pytest.param(
            CLOCK, "2026-01-05T08:00:01", "2026-01-06T09:00", id="T2 not past the hour: tomorrow"
        ),
        pytest.param(CLOCK, "2026-01-05T09:30", "2026-01-06T09:00", id="T2 the next morning"),
        pytest.param(
            AtClockTime("09:00", Days.WEEKDAYS),
            "2026-01-09T10:00",
            "2026-01-12T09:00",
            id="T2 from Friday to Monday",
        ),
        pytest.param(
            AtClockTime("10:00", Days.WEEKENDS),
            "2026-01-05T10:00",
            "2026-01-10T10:00",
            id="T2 on Saturday",
        ),
        pytest.param(
            AtClockTime("02:30"), "2027-03-13T12:00", "2027-03-14T03:30", id="T3 in the gap"
        ),
    ],
)
def test_t2_a_clock_time_takes_what_is_past_the_hour_then(
    timing: AtClockTime, abandoned: str, sent: str
) -> None:
    assert due(timing, local(abandoned)).send_at == local(sent)
    assert (
        due_of(
            a_request(abandoned_at=local(abandoned)),
            paws(campaign=a_campaign(timing=timing)),
            local(abandoned),
        ).state
        is DueState.WAITING
    )


def test_t2_the_hour_of_c4_is_a_setting() -> None:
    early = due(CLOCK, local("2026-01-05T08:30"), listed_after=30 * MINUTE)
    assert early.send_at == local("2026-01-05T09:00")


def test_t2_nobody_is_texted_while_still_filling_in_the_form() -> None:
    """C2: new activity moves the due time; at nine the visitor is back for ten minutes."""
    request = a_request(abandoned_at=local("2026-01-05T08:50"))
    settings = paws(campaign=a_campaign(timing=CLOCK))
    found = assess(request, settings, Facts(), local("2026-01-05T09:00"))
    assert found.send_at == local("2026-01-06T09:00")


@pytest.mark.parametrize(
    ("now", "reasons", "send_at"),
    [
        pytest.param(DUE - INSTANT, (), DUE, id="T1 never early"),
        pytest.param(DUE + HOUR, (), DUE, id="T4 late, at the end of the grace"),
        pytest.param(DUE + HOUR + INSTANT, (R.MISSED,), None, id="T4 missed for good"),
    ],
)
def test_t4_a_late_delay_goes_within_the_grace(
    now: datetime, reasons: tuple[Reason, ...], send_at: datetime | None
) -> None:
    found = assess(*CLEAR, now)
    assert (found.reasons, found.send_at) == (reasons, send_at)


def test_t4_a_late_clock_message_waits_for_the_next_occurrence() -> None:
    abandoned, nine = local("2026-01-05T07:00"), local("2026-01-05T09:00")
    assert due(CLOCK, abandoned, nine + HOUR).send_at == nine
    assert due(CLOCK, abandoned, nine + HOUR + INSTANT).send_at == nine + 24 * HOUR
    assert due(CLOCK, abandoned, nine + 2 * HOUR, late_grace=2 * HOUR).send_at == nine


def test_it_does_not_go_before_the_gateway_has_had_the_time_that_it_asked_for() -> None:
    later = on_request(message=RecoveryMessage(begun=1, retry_at=DUE + 20 * MINUTE))(CLEAR)
    assert assess(*later, DUE).send_at == DUE + 20 * MINUTE
    past = on_request(message=RecoveryMessage(begun=1, retry_at=NOON))(CLEAR)
    assert assess(*past, DUE).send_at == DUE


# ── R9: age and quiet hours ──────────────────────────────────────────────────────────────────────

QUIET = CompliancePolicy(quiet_hours=QuietHours())
US_RULES = CompliancePolicy.us_marketing()
AGREED = Facts(has_consent=True)
NO_ADDRESS = BookingForm(person=Person(first_name="Ann"))
"""a form without an address: the phone tells the zone"""


def evening(policy: CompliancePolicy, **changes: Any) -> Case:
    """Left at 8.30 pm in New York: due at 10.30 pm."""
    abandoned_at = local("2026-01-05T20:30")
    request = a_request(abandoned_at=abandoned_at, form=NO_ADDRESS, phone=US, **changes)
    return request, paws(compliance=policy), AGREED


def test_r9_what_is_held_by_quiet_hours_goes_at_the_next_allowed_instant() -> None:
    case = evening(QUIET)
    morning = local("2026-01-06T08:00")
    for now in ("2026-01-05T20:30", "2026-01-05T22:30", "2026-01-06T03:00", "2026-01-06T08:00"):
        assert assess(*case, local(now)).reasons == ()
    assert assess(*case, morning - INSTANT).send_at == morning
    sent_at = assess(*case, morning).send_at
    assert sent_at is not None
    assert sent_at <= morning


def test_t4_what_was_held_has_a_grace_of_its_own() -> None:
    morning = local("2026-01-06T08:00")
    assert assess(*evening(QUIET), morning + HOUR).reasons == ()
    assert assess(*evening(QUIET), morning + HOUR + INSTANT).reasons == (R.MISSED,)


def test_r9_what_is_held_for_too_long_does_not_go_at_all() -> None:
    """Due at 22.30, held until 8: eleven and a half hours after it was left."""
    for hours, too_old in ((11, True), (12, False)):
        policy = attrs.evolve(QUIET, not_older_than=hours * HOUR)
        found = assess(*evening(policy), local("2026-01-05T22:30"))
        assert found.reasons == ((R.TOO_OLD,) if too_old else ())
        assert (found.send_at is None) == too_old


def test_r9_quiet_hours_are_the_recipients_not_the_businesss() -> None:
    hawaii = attrs.evolve(US, zones=("Pacific/Honolulu",))
    case = evening(QUIET)
    found = assess(attrs.evolve(case[0], phone=hawaii), *case[1:], local("2026-01-05T20:30"))
    assert found.send_at == local("2026-01-05T22:30"), "half past five in the afternoon there"


def test_r9_where_the_hours_of_all_zones_never_meet_it_never_goes() -> None:
    nowhere = attrs.evolve(US, zones=("Pacific/Kiritimati", "Europe/London"))
    narrow = CompliancePolicy(quiet_hours=QuietHours("09:00", "10:00"))
    case = evening(narrow)
    found = assess(attrs.evolve(case[0], phone=nowhere), *case[1:], local("2026-01-05T20:30"))
    assert found == Assessment(reasons=(R.MISSED,), send_at=None, due_at=None)


@pytest.mark.parametrize(
    ("abandoned", "days", "reasons"),
    [
        pytest.param("2026-01-08T10:00", Days.WEEKENDS, (), id="R9 exactly 48 hours"),
        pytest.param("2026-01-08T09:59", Days.WEEKENDS, (R.TOO_OLD,), id="R9 a minute older"),
        pytest.param("2026-01-09T10:00", Days.WEEKENDS, (), id="R9 a day"),
        pytest.param("2026-01-05T09:30", Days.DAILY, (), id="R9 the next day"),
    ],
)
def test_r9_us_marketing_sends_nothing_to_what_will_be_older_than_48_hours(
    abandoned: str, days: Days, reasons: tuple[Reason, ...]
) -> None:
    request = a_request(abandoned_at=local(abandoned))
    settings = paws(campaign=a_campaign(timing=AtClockTime("10:00", days)), compliance=US_RULES)
    assert assess(request, settings, AGREED, local(abandoned)).reasons == reasons
    assert (
        assess(
            request, attrs.evolve(settings, compliance=CompliancePolicy()), AGREED, local(abandoned)
        ).reasons
        == ()
    )


def test_r9_us_marketing_asks_for_consent() -> None:
    case = evening(US_RULES)
    assert assess(case[0], case[1], Facts(), case[0].abandoned_at).reasons == (R.NO_CONSENT,)


INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(NEW_YORK))
TIMINGS = st.timedeltas(10 * MINUTE, 24 * HOUR).map(AfterDelay) | st.builds(
    AtClockTime, st.times(), st.sampled_from(Days)
)


@given(
    INSTANTS, TIMINGS, st.sampled_from([CompliancePolicy(), QUIET]), st.timedeltas(-HOUR, 72 * HOUR)
)
def test_t_r9_a_message_never_goes_early_nor_in_quiet_hours_and_its_instant_is_stable(
    abandoned: datetime, timing: AfterDelay | AtClockTime, policy: CompliancePolicy, age: timedelta
) -> None:
    abandoned_at = abandoned.astimezone(utc("2026-01-01").tzinfo)
    request = a_request(abandoned_at=abandoned_at, form=NO_ADDRESS, phone=US)
    settings = paws(campaign=a_campaign(timing=timing), compliance=policy)
    now = abandoned_at + age
    found = assess(request, settings, Facts(), now)
    if found.send_at is None:
        assert found.reasons == (R.MISSED,)
        assert isinstance(timing, AfterDelay), "a clock message is never missed"
        return
    if isinstance(timing, AfterDelay):
        assert found.send_at >= abandoned_at + timing.delay, "T1 never early"
    else:
        assert found.send_at >= abandoned_at + HOUR, "T2 past the hour of C4"
    goes_at = max(now, found.send_at)
    if policy.quiet_hours is not None:
        assert 8 <= goes_at.astimezone(NEW_YORK).hour < 21
    then = assess(request, settings, Facts(), goes_at)
    assert then.send_at is not None, "what is promised is kept"
    assert then.send_at <= goes_at


# ── M4: the text ─────────────────────────────────────────────────────────────────────────────────


def test_m4_the_text_is_what_this_person_gets_with_the_notice_and_its_size() -> None:
    settings = paws(
        campaign=a_campaign(template="Hi {{first_name}}, {{pet_names}} at {{business_name}}"),
        opt_out_keyword="STOP",
    )
    composed = recovery_text(a_request(), settings)
    assert composed.text == "Hi Ann, Rex at Paws & Co\nReply STOP to opt out."
    assert composed.size.segments == 1


def test_m4_the_link_is_the_requests_own_or_the_businesss() -> None:
    settings = paws(
        campaign=a_campaign(template="{{booking_link|none}}"), booking_url="https://paws.example"
    )
    own = a_request(resume_url="https://paws.example/r/1")
    assert recovery_text(own, settings).text.startswith("https://paws.example/r/1\n")
    assert recovery_text(a_request(), settings).text.startswith("https://paws.example\n")


def test_r1_the_step_is_that_of_the_last_activity() -> None:
    request = a_request(step=Step.PET, furthest_step=Step.TIME)
    settings = paws(campaign=a_campaign(steps=["time"]))
    assert assess(request, settings, Facts(), DUE).reasons == (R.STEP_NOT_SELECTED,)


def test_the_zone_of_a_business_is_where_its_clock_hangs() -> None:
    tokyo = paws(timezone="Asia/Tokyo", campaign=a_campaign(timing=CLOCK))
    found = assess(a_request(), tokyo, Facts(), NOON)
    assert found.send_at == local("2026-01-06T09:00", ZoneInfo("Asia/Tokyo"))
