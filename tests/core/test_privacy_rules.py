"""G3: what is left of a request whose person is forgotten, and when one expires; L8, R3."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given

from abandoned_booking.core import intake, outreach, privacy
from abandoned_booking.core.campaign import BusinessSettings, RecoveryCampaign
from abandoned_booking.core.codec import request_to_dict
from abandoned_booking.core.eligibility import Facts, assess
from abandoned_booking.core.explaining import explain
from abandoned_booking.core.flow import Booked, Left, Progress
from abandoned_booking.core.listing import (
    ListQuery,
    actions_of,
    is_listed,
    matches,
    unlisted_reasons,
)
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    CallOutcome,
    CareType,
    Channel,
    Contact,
    ContactState,
    EditRecord,
    HistoryEntry,
    HistoryKind,
    MessagePhase,
    Person,
    Reason,
    Recovery,
    RecoveryMessage,
    Status,
    Step,
)
from abandoned_booking.core.planning import look_for_listing_at, replanned, rescheduled
from abandoned_booking.core.retention import Retention, retention_of
from abandoned_booking.core.sending import Accepted, NotSent, Unknown, after_result, begun, revived
from abandoned_booking.errors import InvalidSettings
from abandoned_booking.testing import a_request, requests
from abandoned_booking.testing.factory import LEFT_AT

AT = LEFT_AT + timedelta(days=3)
CANARY = "Zaphod 555-0177"
SETTINGS = BusinessSettings(
    business_id="paws",
    name="Paws",
    campaign=RecoveryCampaign(enabled=True),
    keep_for=Retention(months=24),
)

KEPT = {
    *("business_id", "id", "session_id", "sequence", "version", "started_at", "abandoned_at"),
    *("step", "furthest_step", "listed_at", "client_type", "status", "route", "routed_at"),
    *("announced_at", "withheld", "closed_at", "left_at", "deleted_at", "erased_at"),
}
PARTLY_KEPT = {"form", "contacts", "message", "recovery", "history", "outcome", "next_action_at"}
GONE = {
    *("client_id", "phone", "resume_url", "lead_id", "assignee", "staff_note"),
    "last_edit",
    *("reserved_by", "reserved_until"),
}


def full_of(canary: str) -> AbandonedRequest:
    """A request with the canary in every place that may be a person's."""
    person = Person(
        client_id=canary, first_name=canary, last_name=canary, phone=canary, email=f"{canary}@x.io"
    )
    texts: dict[str, Any] = {"staff": canary, "note": canary, "answers": {canary: canary}}
    request = a_request(
        form=BookingForm(
            person=person, services=(canary,), care_type=CareType("grooming"), **texts
        ),
        client_id=canary,
        resume_url=canary,
        lead_id=canary,
        assignee=canary,
        staff_note=canary,
        last_edit=EditRecord(operation_id=canary, at=AT, before={"note": canary}),
        reserved_by=canary,
        outcome=canary,
        status=Status.RECOVERED,
        contacts=(
            Contact(
                id="m",
                channel=Channel.TEXT,
                at=AT,
                state=ContactState.DELIVERED,
                attempt_id="r1.m",
                provider_id=canary,
                staff_id=canary,
                segments=2,
                reason=canary,
            ),
        ),
        message=RecoveryMessage(
            phase=MessagePhase.DELIVERED,
            attempt_id="r1.m",
            begun=1,
            begun_at=AT,
            provider_id=canary,
            segments=2,
            detail=canary,
        ),
        recovery=Recovery(at=AT, appointment_id=canary, by_staff=True),
    )
    return attrs.evolve(
        request,
        history=tuple(
            HistoryEntry(at=AT, kind=kind, detail=None if kind in PLAIN else canary, text=canary)
            for kind in HistoryKind
        ),
    )


PLAIN = privacy._PLAIN_DETAILS


# ── what is left ────────────────────────────────────────────────────────────────────────────────


def test_every_field_of_a_request_is_kept_or_gone_on_purpose() -> None:
    """A field that is new must be put on one of these lists."""
    assert {field.name for field in attrs.fields(AbandonedRequest)} == KEPT | PARTLY_KEPT | GONE
    assert {*privacy._KEPT} == KEPT


@given(requests())
def test_what_is_kept_is_unchanged_and_the_rest_is_as_if_never_told(
    request: AbandonedRequest,
) -> None:
    request = attrs.evolve(request, erased_at=None)
    gone = privacy.erased(request, at=AT)
    for name in KEPT - {"erased_at"}:
        assert getattr(gone, name) == getattr(request, name)
    for name in GONE:
        assert getattr(gone, name) == attrs.fields_dict(AbandonedRequest)[name].default
    assert gone.form == BookingForm(care_type=request.form.care_type)
    assert gone.erased_at == AT
    assert len(gone.contacts) == len(request.contacts)


@given(requests())
def test_erasing_again_changes_nothing(request: AbandonedRequest) -> None:
    once = privacy.erased(attrs.evolve(request, erased_at=None), at=AT)
    assert privacy.erased(once, at=AT + timedelta(days=1)) is once
    assert privacy.anonymous(once) == once


def test_nothing_that_a_person_or_a_provider_wrote_is_left() -> None:
    gone = privacy.erased(full_of(CANARY), at=AT)
    assert CANARY not in json.dumps(request_to_dict(gone))
    assert CANARY in json.dumps(request_to_dict(full_of(CANARY)))


def test_what_reports_count_is_left() -> None:
    gone = privacy.erased(full_of(CANARY), at=AT)
    (contact,) = gone.contacts
    assert (contact.channel, contact.at, contact.counts) == (Channel.TEXT, AT, True)
    assert (contact.attempt_id, contact.segments) == ("r1.m", 2)
    assert gone.recovery == Recovery(at=AT, by_staff=True)
    assert gone.form.care_type == "grooming"
    assert [entry.kind for entry in gone.history] == [*HistoryKind]


@pytest.mark.parametrize(
    ("outcome", "left"),
    [(CallOutcome.PRICE, "price"), ("call Zaphod back", None), (None, None)],
)
def test_only_the_usual_outcomes_of_a_call_are_left(outcome: str | None, left: str | None) -> None:
    assert privacy.erased(a_request(outcome=outcome), at=AT).outcome == left


def test_steps_and_channels_in_the_history_are_left() -> None:
    request = a_request(history=()).noted(AT, HistoryKind.STEP, "time", text="x")
    (entry,) = privacy.erased(request, at=AT).history[:1]
    assert entry == HistoryEntry(at=AT, kind=HistoryKind.STEP, detail="time")


# ── its message (R3) ────────────────────────────────────────────────────────────────────────────


def test_a_message_that_has_not_begun_never_will() -> None:
    gone = privacy.erased(a_request(next_action_at=AT), at=AT)
    assert (gone.message.phase, gone.message.reasons) == (MessagePhase.SKIPPED, (Reason.ERASED,))
    assert gone.next_action_at is None
    assert revived(gone) is gone
    assert replanned(gone, SETTINGS, now=AT) is gone
    assert rescheduled(gone, SETTINGS, at=AT) == gone
    assert begun(gone, at=AT, until=AT, segments=1) is gone
    assert look_for_listing_at(gone) is None
    assert Reason.ERASED in assess(gone, SETTINGS, Facts(), AT).reasons


def test_one_skipped_for_another_reason_is_not_revived_either() -> None:
    message = RecoveryMessage(phase=MessagePhase.SKIPPED, reasons=(Reason.MISSED,))
    gone = privacy.erased(a_request(message=message), at=AT)
    assert gone.message == message
    assert revived(gone) is gone


@pytest.mark.parametrize(
    ("result", "phase"),
    [
        (Accepted(provider_id=CANARY), MessagePhase.SENT),
        (Unknown(detail=CANARY), MessagePhase.UNCONFIRMED),
        (NotSent(reason=CANARY), MessagePhase.SKIPPED),
    ],
    ids=["accepted", "unknown", "not sent"],
)
def test_how_a_send_that_was_under_way_ends_is_recorded_without_the_person(
    result: Accepted | Unknown | NotSent, phase: MessagePhase
) -> None:
    sending = begun(a_request(), at=AT, until=AT + timedelta(minutes=2), segments=1)
    gone = privacy.erased(sending, at=AT)
    assert gone.message.phase is MessagePhase.SENDING
    assert gone.next_action_at == AT + timedelta(minutes=2)
    ended = privacy.anonymous(after_result(gone, result, begin=1, at=AT))
    assert ended.message.phase is phase
    assert CANARY not in json.dumps(request_to_dict(ended))


# ── list, shelf, staff (C10, L8) ────────────────────────────────────────────────────────────────


def test_an_erased_request_is_in_no_list_and_says_why() -> None:
    gone = privacy.erased(a_request(deleted_at=AT), at=AT)
    assert not is_listed(gone, now=AT)
    assert not is_listed(attrs.evolve(gone, deleted_at=None), now=AT)
    assert not matches(gone, ListQuery(deleted=True, statuses=frozenset()), AT)
    assert unlisted_reasons(gone, now=AT) == (Reason.DELETED, Reason.ERASED)
    assert actions_of(gone, leads_management=False) == ()
    said = explain(gone, assess(gone, SETTINGS, Facts(), AT), SETTINGS, has_feature=True, now=AT)
    assert "everything personal in it was erased" in said.listing


def test_an_erased_request_is_neither_restored_nor_deleted() -> None:
    deleted = privacy.erased(a_request(deleted_at=AT), at=AT)
    assert outreach.restored(deleted, at=AT) is deleted
    gone = privacy.erased(a_request(), at=AT)
    assert outreach.deleted(gone, at=AT) is gone


# ── what the booking flow tells afterwards (C3, C7) ─────────────────────────────────────────────


def progress_at(at: datetime) -> Progress:
    form = BookingForm(person=Person(first_name=CANARY))
    return Progress(business_id="paws", session_id="s", step=Step.TIME, at=at, form=form)


@pytest.mark.parametrize(
    ("at", "anew"),
    [
        (LEFT_AT - timedelta(hours=1), False),
        (LEFT_AT, False),
        (AT, False),
        (AT + timedelta(microseconds=1), True),
    ],
)
def test_only_what_is_done_after_the_erasure_is_a_new_request(at: datetime, anew: bool) -> None:
    gone = privacy.erased(a_request(), at=AT)
    assert intake.begins_anew(gone, progress_at(at)) is anew
    assert intake.merged(gone, progress_at(at), SETTINGS) is gone


def test_a_deleted_and_erased_session_stays_deleted() -> None:
    gone = privacy.erased(a_request(deleted_at=LEFT_AT), at=AT)
    assert not intake.begins_anew(gone, progress_at(AT + timedelta(days=1)))


def test_a_hint_that_the_page_was_closed_is_not_noted() -> None:
    gone = privacy.erased(a_request(), at=AT)
    assert intake.left(gone, Left(business_id="paws", session_id="s", at=AT)) is gone


def test_a_booking_told_late_closes_what_is_left_and_opens_nothing() -> None:
    gone = privacy.erased(a_request(session_id="s"), at=AT)
    booked = Booked(
        business_id="paws", session_id="s", at=LEFT_AT - timedelta(minutes=1), appointment_id="a"
    )
    closed = intake.closed_by(gone, booked)
    assert closed.status is Status.COMPLETED
    assert not intake.goes_on_after(closed, booked)


# ── whose it is ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        (Person(phone="+12125550199"), True),
        (Person(email=" ANN@example.com"), True),
        (Person(client_id="c1"), True),
        (Person(client_id="c2", phone="+12125550199"), True),
        (Person(phone="+12125550198", email="bob@example.com", client_id="c2"), False),
        (Person(first_name="Ann"), False),
        (Person(client_id="", phone="", email=""), False),
    ],
)
def test_a_request_is_the_persons_by_any_of_the_three(person: Person, expected: bool) -> None:
    assert privacy.is_of_person(a_request(client_id="c1"), person) is expected


def test_what_both_lack_matches_nothing() -> None:
    assert not privacy.is_of_person(a_request(form=BookingForm()), Person())


def test_an_erased_request_is_nobodys() -> None:
    gone = privacy.erased(a_request(client_id="c1"), at=AT)
    everybody = Person(client_id="c1", phone="+12125550199", email="ann@example.com")
    assert not privacy.is_of_person(gone, everybody)


# ── retention ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("retention", "now", "before"),
    [
        (Retention(months=24), (2026, 3, 31), (2024, 3, 31)),
        (Retention(months=1), (2026, 3, 31), (2026, 2, 28)),
        (Retention(years=1), (2024, 2, 29), (2023, 2, 28)),
        (Retention(days=90), (2026, 3, 31), (2025, 12, 31)),
    ],
)
def test_a_period_is_counted_back_on_the_calendar(
    retention: Retention, now: tuple[int, int, int], before: tuple[int, int, int]
) -> None:
    assert retention.before(datetime(*now, 7, tzinfo=UTC)) == datetime(*before, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "parts",
    [{}, {"days": 0}, {"days": -1}, {"months": 12, "days": -1}, {"months": 1.5}, {"years": 101}],
)
def test_a_period_that_is_none_names_its_field(parts: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Retention(**parts)
    assert caught.value.field == "keep_for"


def test_whole_days_may_be_given_as_a_timedelta() -> None:
    assert retention_of(timedelta(days=90)) == Retention(days=90)
    assert attrs.evolve(SETTINGS, keep_for=timedelta(days=90)).keep_for == Retention(days=90)
    assert retention_of(None) is None


@pytest.mark.parametrize("given", [timedelta(hours=36), timedelta(0), timedelta(days=-1), 24])
def test_other_lengths_are_refused(given: Any) -> None:
    with pytest.raises(InvalidSettings, match="keep_for"):
        retention_of(given)


LATER = AT + timedelta(days=30)


@pytest.mark.parametrize(
    ("changes", "touched_at"),
    [
        ({}, LEFT_AT),
        ({"closed_at": AT}, AT),
        ({"contacts": (Contact(id="c", channel=Channel.CALL, at=AT),)}, AT),
        ({"message": RecoveryMessage(begun_at=AT)}, AT),
        ({"recovery": Recovery(at=LEFT_AT, reversed_at=AT)}, AT),
        ({"recovery": Recovery(at=LEFT_AT)}, LEFT_AT),
        ({"history": (HistoryEntry(at=AT, kind=HistoryKind.REPLY),)}, AT),
        # What the staff do with the record keeps nobody's data alive.
        ({"history": (HistoryEntry(at=AT, kind=HistoryKind.CORRECTED),)}, LEFT_AT),
        ({"deleted_at": AT}, LEFT_AT),
    ],
)
def test_what_counts_as_touched(changes: dict[str, Any], touched_at: datetime) -> None:
    assert privacy.last_touched_at(a_request(**changes)) == touched_at


def test_a_request_expires_once_it_was_kept_for_longer() -> None:
    ends_at = LEFT_AT.replace(year=LEFT_AT.year + 2)
    assert not privacy.is_expired(a_request(), SETTINGS, ends_at)
    assert privacy.is_expired(a_request(), SETTINGS, ends_at + timedelta(microseconds=1))
    assert not privacy.is_expired(a_request(closed_at=AT), SETTINGS, ends_at + timedelta(hours=1))


def test_without_a_period_nothing_expires() -> None:
    for_ever = attrs.evolve(SETTINGS, keep_for=None)
    assert not privacy.is_expired(a_request(), for_ever, LEFT_AT + timedelta(days=9999))


def test_what_was_erased_does_not_expire_again() -> None:
    gone = privacy.erased(a_request(), at=AT)
    assert not privacy.is_expired(gone, SETTINGS, LEFT_AT + timedelta(days=9999))
