"""The clock's door: R3-R7, T1, T2, T4, T5, I4, G1, and once-only sending step by step."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from door_world import PHONE, START, Credits, World

from abandoned_booking import (
    AbandonedBookings,
    AfterDelay,
    AtClockTime,
    BookingForm,
    ClientType,
    CompliancePolicy,
    Days,
    DeliveryReport,
    Person,
    Progress,
    Reason,
    Status,
    Step,
)
from abandoned_booking.core.model import MessagePhase
from abandoned_booking.errors import InvalidInput, MissingPart
from abandoned_booking.ports import (
    Accepted,
    Found,
    LookupUnavailable,
    NotFound,
    NotSent,
    OutboundSms,
    Rejected,
    RequestStore,
    SendResult,
    Unknown,
)
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import RecordingSmsGateway

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CANADIAN = "+14165550199"


class DeafGateway(RecordingSmsGateway):
    """One that cannot be asked later what became of a message."""

    find = None  # type: ignore[assignment]


# ── who, when (R, T) ────────────────────────────────────────────────────────────────────────────


def test_t1_sent_after_the_delay_never_early_and_r4_contacted(world: World) -> None:
    request = world.visit()
    world.clock.set(START + 2 * HOUR - timedelta(microseconds=1))
    assert (world.sweep().sent, world.sweep().claimed) == (0, 0)
    world.clock.set(START + 2 * HOUR)
    assert world.sweep().sent == 1
    stored = world.now_is(request)
    assert (stored.status, stored.message.phase) == (Status.CONTACTED, MessagePhase.SENT)
    assert stored.last_contacted_at == START + 2 * HOUR
    [message] = world.gateway.sent
    assert (message.to, message.attempt_id) == (PHONE, stored.message.attempt_id)
    assert message.body.endswith("Reply STOPM to opt out.")
    assert message.marketing


def test_r3_nothing_more_is_ever_sent_for_the_request(world: World) -> None:
    request = world.visit()
    world.sweep(hours=2)
    world.clock.advance(hours=1)
    world.visit(step=Step.PAYMENT)
    for _ in range(3):
        world.sweep(hours=30)
    assert len(world.gateway.sent) == 1
    assert world.now_is(request).message.begun == 1


@pytest.mark.parametrize(
    ("changes", "visit", "reasons"),
    [
        ({}, {"phone": CANADIAN}, {Reason.NOT_US_NUMBER}),
        ({}, {"phone": "+18005550199"}, {Reason.CANNOT_RECEIVE_TEXTS, Reason.NOT_US_NUMBER}),
        ({}, {"phone": None, "email": "a@b.co"}, {Reason.NO_PHONE}),
        ({}, {"phone": None}, {Reason.NO_PHONE, Reason.NO_CONTACT_POINT}),
        ({}, {"phone": "+17875550199"}, {Reason.NOT_US_NUMBER}),
        ({"text_us_territories": True}, {"phone": "+17875550199"}, None),
        ({}, {"phone": CANADIAN, "client_id": "c1"}, None),
        (
            {"recipients": {ClientType.EXISTING_CLIENT}},
            {},
            {Reason.CLIENT_TYPE_NOT_SELECTED},
        ),
        ({"steps": {Step.PAYMENT}}, {}, {Reason.STEP_NOT_SELECTED}),
        ({"steps": {Step.TIME}}, {}, None),
        ({"compliance": CompliancePolicy(consent_required=True)}, {}, {Reason.NO_CONSENT}),
    ],
)
def test_r1_r5_r6_who_gets_it(
    world: World,
    changes: dict[str, object],
    visit: dict[str, str],
    reasons: set[Reason] | None,
) -> None:
    world.put(**changes)
    request = world.visit(**visit)  # type: ignore[arg-type]
    report = world.sweep(hours=2)
    stored = world.now_is(request)
    if reasons is None:
        assert (report.sent, stored.message.phase) == (1, MessagePhase.SENT)
    else:
        assert set(report.skipped) == set(stored.message.reasons) == reasons
        assert (stored.message.phase, stored.status) == (MessagePhase.SKIPPED, Status.ABANDONED)
        assert stored.next_action_at is None


def test_r7_one_message_per_phone_within_a_day(world: World) -> None:
    first = world.visit("s1")
    second = world.visit("s2", at=START + MINUTE)
    assert world.sweep(hours=2, minutes=5).sent == 1
    assert world.now_is(first).message.phase is MessagePhase.SENT
    assert world.now_is(second).message.reasons == (Reason.PHONE_MESSAGED_RECENTLY,)
    explanation = world.desk.explain(second.id)
    assert explanation.message_reasons == (Reason.PHONE_MESSAGED_RECENTLY,)
    assert explanation.send_at == START + 2 * HOUR + 10 * MINUTE
    assert "waits: the phone got a recovery message" in explanation.message
    world.sweep(hours=2)
    assert world.now_is(second).message.phase is MessagePhase.SKIPPED
    assert world.now_is(second).message.reasons == (
        Reason.PHONE_MESSAGED_RECENTLY,
        Reason.MISSED,
    )
    assert len(world.gateway.sent) == 1


def test_r7_after_a_day_another_request_of_the_phone_gets_its_own(world: World) -> None:
    world.visit("s1")
    world.sweep(hours=2)
    world.clock.advance(hours=22)
    world.visit("s2")
    assert world.sweep(hours=2).sent == 1


def test_t2_a_clock_time_takes_those_past_the_hour(world: World) -> None:
    world.put(timing=AtClockTime("17:00", Days.WEEKDAYS))
    early = world.visit("early", phone="+12125550101", at=START + 6 * HOUR)
    late = world.visit("late", phone="+12125550102", at=START + 6 * HOUR + MINUTE)
    five_pm = datetime(2026, 11, 2, 22, tzinfo=UTC)
    world.clock.set(five_pm)
    assert world.sweep().sent == 1
    assert world.now_is(early).status is Status.CONTACTED
    assert world.now_is(late).status is Status.ABANDONED
    world.clock.set(five_pm + timedelta(days=1))
    assert world.sweep().sent == 1
    assert world.now_is(late).status is Status.CONTACTED


def test_t4_within_the_grace_it_goes_and_later_it_is_missed_for_good(world: World) -> None:
    in_time = world.visit("s1", phone="+12125550101")
    too_late = world.visit("s2", phone="+12125550102", at=START - MINUTE)
    world.clock.set(START + 3 * HOUR)
    report = world.sweep()
    assert (report.sent, dict(report.skipped)) == (1, {Reason.MISSED: 1})
    assert world.now_is(in_time).message.phase is MessagePhase.SENT
    world.put(timing=AfterDelay(hours=24))
    world.sweep(hours=24)
    assert world.now_is(too_late).message.reasons == (Reason.MISSED,)


def test_t4_a_clock_message_that_was_late_waits_for_the_next_occurrence(world: World) -> None:
    world.put(timing=AtClockTime("17:00"))
    request = world.visit()
    world.clock.set(datetime(2026, 11, 2, 23, 0, 1, tzinfo=UTC))
    assert world.sweep().waiting == 1
    assert world.now_is(request).next_action_at == datetime(2026, 11, 3, 22, tzinfo=UTC)
    world.clock.set(datetime(2026, 11, 3, 22, tzinfo=UTC))
    assert world.sweep().sent == 1


def test_c2_activity_after_a_skip_gives_a_new_due_time(world: World) -> None:
    world.put(steps={Step.PAYMENT})
    request = world.visit()
    world.sweep(hours=2)
    assert world.now_is(request).message.phase is MessagePhase.SKIPPED
    world.visit(step=Step.PAYMENT)
    assert world.sweep(hours=2).sent == 1


def test_r9_held_by_quiet_hours_it_goes_in_the_morning(world: World) -> None:
    policy = attrs.evolve(CompliancePolicy.us_marketing(), consent_required=False)
    world.put(compliance=policy)
    world.clock.set(datetime(2026, 11, 3, 1, tzinfo=UTC))  # 8 pm in New York
    request = world.visit()
    assert world.sweep(hours=2).sent == 0
    assert world.desk.explain(request.id).send_at == datetime(2026, 11, 3, 13, tzinfo=UTC)
    world.clock.set(datetime(2026, 11, 3, 13, tzinfo=UTC))
    assert world.sweep().sent == 1


# ── settings (T5) ───────────────────────────────────────────────────────────────────────────────


def test_t5_off_stops_everything_unclaimed_at_once_and_on_goes_by_the_rules(world: World) -> None:
    request = world.visit()
    world.put(enabled=False)
    assert world.sweep(hours=2).sent == 0
    assert world.now_is(request).next_action_at is None
    world.put(enabled=True)
    assert world.sweep().sent == 1


def test_t5_switched_on_too_late_it_was_missed(world: World) -> None:
    request = world.visit()
    world.put(enabled=False)
    world.clock.advance(hours=4)
    world.put(enabled=True)
    world.sweep()
    assert world.now_is(request).message.reasons == (Reason.MISSED,)


def test_t5_a_new_delay_moves_the_due_time(world: World) -> None:
    request = world.visit()
    world.put(timing=AfterDelay(minutes=10))
    assert world.now_is(request).next_action_at == START + 10 * MINUTE
    assert world.sweep(minutes=10).sent == 1


def test_t5_a_claim_under_the_old_settings_does_not_begin(world: World) -> None:
    world.visit()
    world.clock.advance(hours=2)
    claim = world.store.claim_due

    def claimed_then_switched_off(**given: object) -> object:
        claimed = claim(**given)  # type: ignore[arg-type]
        if claimed:
            world.put(enabled=False)
        return claimed

    world.store.claim_due = claimed_then_switched_off  # type: ignore[method-assign,assignment]
    report = world.bookings.sweep.run_once()
    assert (report.sent, world.gateway.sent) == (0, [])


def test_t5_what_is_skipped_for_a_setting_is_thought_about_again(world: World) -> None:
    world.put(timing=AtClockTime("17:00"), recipients={ClientType.EXISTING_CLIENT})
    request = world.visit()
    world.clock.set(datetime(2026, 11, 2, 22, tzinfo=UTC))
    world.sweep()
    assert world.now_is(request).message.phase is MessagePhase.SKIPPED
    world.put(recipients=set(ClientType))
    world.clock.set(datetime(2026, 11, 3, 22, tzinfo=UTC))
    assert world.sweep().sent == 1


# ── what the gateway says (R3, S2) ──────────────────────────────────────────────────────────────


def test_rejected_is_failed_for_good_and_gives_the_phone_back(store: RequestStore) -> None:
    world = World(store, sms=RecordingSmsGateway([Rejected(reason="blocked", code="30004")]))
    request = world.visit("s1")
    other = world.visit("s2", at=START + MINUTE)
    report = world.sweep(hours=2)
    stored = world.now_is(request)
    assert (report.failed, stored.message.phase, stored.status) == (
        1,
        MessagePhase.FAILED,
        Status.ABANDONED,
    )
    assert (stored.message.reasons, stored.message.detail) == ((Reason.GATEWAY_REFUSED,), "30004")
    assert world.sweep(minutes=1).sent == 1
    assert world.now_is(other).message.phase is MessagePhase.SENT


def test_not_sent_is_tried_again_later_and_only_in_time(store: RequestStore) -> None:
    busy = NotSent(reason="rate limit", retry_after=timedelta(minutes=7))
    world = World(store, sms=RecordingSmsGateway([busy]))
    request = world.visit()
    assert world.sweep(hours=2).waiting == 1
    stored = world.now_is(request)
    assert (stored.message.phase, stored.next_action_at) == (
        MessagePhase.PENDING,
        START + 2 * HOUR + 7 * MINUTE,
    )
    assert world.sweep(minutes=6).claimed == 0
    assert world.sweep(minutes=1).sent == 1
    assert world.now_is(request).message.begun == 2


def test_not_sent_until_the_grace_is_over_is_missed(store: RequestStore) -> None:
    world = World(store, sms=RecordingSmsGateway(lambda _: NotSent(reason="down")))
    request = world.visit()
    world.clock.advance(hours=2)
    for _ in range(100):
        world.sweep(minutes=1)
    assert world.now_is(request).message.phase is MessagePhase.SKIPPED
    assert Reason.MISSED in world.now_is(request).message.reasons


@pytest.mark.parametrize("answer", [Unknown(detail="502"), ConnectionResetError(), TimeoutError()])
def test_unknown_is_never_sent_again_by_itself(
    store: RequestStore, answer: SendResult | Exception
) -> None:
    gateway = DeafGateway([answer])
    world = World(store, sms=gateway)
    request = world.visit()
    assert world.sweep(hours=2).unconfirmed == 1
    for _ in range(5):
        assert world.sweep(hours=10).sent == 0
    stored = world.now_is(request)
    assert (stored.message.phase, stored.status) == (MessagePhase.UNCONFIRMED, Status.ABANDONED)
    assert stored.message.reasons == (Reason.IN_DOUBT,)
    assert len(gateway.sent) == 1
    assert "may have been sent" in world.desk.explain(request.id).message


class AskedLater(DeafGateway):
    """It answered with a time-out, but it had taken the message, and says so when asked."""

    def __init__(self, answers: list[object]) -> None:
        super().__init__(lambda _: Unknown())
        self.answers = answers
        self.asked: list[str] = []

    def find(self, attempt_id: str) -> object:  # type: ignore[override]
        self.asked.append(attempt_id)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_message_in_doubt_is_looked_up_until_the_provider_can_tell(store: RequestStore) -> None:
    gateway = AskedLater([LookupUnavailable(), TimeoutError(), NotFound(), Found(provider_id="p")])
    world = World(store, sms=gateway)
    request = world.visit()
    world.sweep(hours=2)
    for _ in range(3):
        assert world.sweep(minutes=15).sent == 0
    assert world.sweep(minutes=15).sent == 1
    stored = world.now_is(request)
    assert (stored.message.phase, stored.status) == (MessagePhase.SENT, Status.CONTACTED)
    assert stored.last_contacted_at == START + 2 * HOUR
    assert gateway.asked == [stored.message.attempt_id] * 4
    assert len(gateway.sent) == 1


def test_looking_up_ends_after_a_day(store: RequestStore) -> None:
    world = World(store, sms=AskedLater([LookupUnavailable()] * 200))
    request = world.visit()
    world.clock.advance(hours=2)
    for _ in range(120):
        world.sweep(minutes=15)
    stored = world.now_is(request)
    assert (stored.message.phase, stored.next_action_at) == (MessagePhase.UNCONFIRMED, None)


class Crash(BaseException):
    """The worker dies: nothing that the library catches."""


def test_a_worker_that_dies_after_begin_leaves_the_request_in_doubt(store: RequestStore) -> None:
    def dies(message: OutboundSms) -> SendResult:
        raise Crash

    gateway = DeafGateway(dies)
    world = World(store, sms=gateway)
    request = world.visit()
    with pytest.raises(Crash):
        world.sweep(hours=2)
    assert world.now_is(request).message.phase is MessagePhase.SENDING
    assert world.sweep().claimed == 0
    assert world.sweep(minutes=2).unconfirmed == 1
    assert world.now_is(request).message.phase is MessagePhase.UNCONFIRMED
    assert len(gateway.sent) == 1


def test_a_worker_that_dies_before_begin_loses_nothing(world: World) -> None:
    world.visit()
    save, claims = world.store.save, []

    def dies(*_: object, **__: object) -> bool:
        claims.append(1)
        raise Crash

    world.store.save = dies  # type: ignore[method-assign]
    with pytest.raises(Crash):
        world.sweep(hours=2)
    world.store.save = save  # type: ignore[method-assign]
    assert world.sweep(minutes=1).claimed == 0
    assert world.sweep(minutes=1).sent == 1


def test_an_answer_after_the_claim_ran_out_is_taken(store: RequestStore) -> None:
    def slow(message: OutboundSms) -> SendResult:
        world.clock.advance(minutes=5)
        assert world.bookings.sweep.run_once().unconfirmed == 1
        return Accepted(provider_id="late")

    world = World(store, sms=DeafGateway(slow))
    request = world.visit()
    assert world.sweep(hours=2).sent == 1
    assert world.now_is(request).message.phase is MessagePhase.SENT


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [("book", Status.COMPLETED), ("delete", Status.CONTACTED), ("call", Status.CONTACTED),
     ("schedule", Status.RECOVERED), ("opt out", Status.CONTACTED), ("report", Status.CONTACTED)],
)  # fmt: skip
def test_an_answer_is_taken_in_every_state_reached_meanwhile(
    store: RequestStore, meanwhile: str, status: Status
) -> None:
    def busy(message: OutboundSms) -> SendResult:
        match meanwhile:
            case "book":
                world.book()
            case "delete":
                world.desk.delete(request.id)
            case "call":
                world.desk.call(request.id)
            case "schedule":
                world.desk.scheduled(request.id, "a7")
            case "opt out":
                world.reply("STOP")
            case "report":
                report = DeliveryReport(
                    business_id="paws",
                    attempt_id=message.attempt_id,
                    state="delivered",
                    at=world.clock.now(),
                )
                assert world.bookings.inbound.delivery(report)
        return Accepted(provider_id="p1")

    world = World(store, sms=DeafGateway(busy))
    request = world.visit()
    assert world.sweep(hours=2).sent == 1
    stored = world.now_is(request)
    phase = MessagePhase.DELIVERED if meanwhile == "report" else MessagePhase.SENT
    assert (stored.message.phase, stored.status) == (phase, status)
    assert stored.last_contacted_at == START + 2 * HOUR


@pytest.mark.parametrize("between", ["opt out", "call", "book", "delete", "progress"])
def test_i4_and_r4_what_happens_between_claim_and_begin_wins(
    store: RequestStore, between: str
) -> None:
    """The request moves on by a version, so the begin that was under way loses."""
    world = World(store)
    request = world.visit()
    world.clock.advance(hours=2)
    reserve = world.store.ledger.reserve  # type: ignore[attr-defined]

    class Ledger:
        release = staticmethod(world.store.ledger.release)  # type: ignore[attr-defined]

        @staticmethod
        def reserve(*given: object, **more: object) -> bool:
            match between:
                case "opt out":
                    world.reply("STOP")
                case "call":
                    world.desk.call(request.id)
                case "book":
                    world.book()
                case "delete":
                    world.desk.delete(request.id)
                case "progress":
                    world.visit(step=Step.PAYMENT)
            return bool(reserve(*given, **more))

    bookings = AbandonedBookings(store, sms=world.gateway, clock=world.clock, ledger=Ledger())
    report = bookings.sweep.run_once()
    assert (report.lost, report.sent, world.gateway.sent) == (1, 0, [])
    assert world.now_is(request).message.begun == 0


# ── credits, gateways, errors, batches ──────────────────────────────────────────────────────────


def test_r6_beyond_the_credits_nothing_is_sent(salon: World, credits: Credits) -> None:
    credits.left = 0
    request = salon.visit()
    assert salon.sweep(hours=2).waiting == 1
    assert salon.now_is(request).message.reasons == (Reason.NO_CREDITS,)
    credits.left = 5
    assert salon.sweep(minutes=5).sent == 1
    assert (credits.left, list(credits.spent.values())) == (4, [1])


def test_credits_taken_by_others_in_the_last_moment(salon: World, credits: Credits) -> None:
    request = salon.visit()
    credits.balance = lambda business_id: 5  # type: ignore[method-assign]
    credits.left = 0
    assert salon.sweep(hours=2).waiting == 1
    assert salon.now_is(request).message.reasons == (Reason.NO_CREDITS,)
    assert salon.gateway.sent == []


def test_credits_of_a_message_that_was_not_accepted_are_free_again(
    store: RequestStore, credits: Credits
) -> None:
    answers: list[SendResult | Exception] = [NotSent(reason="busy"), Rejected(reason="no")]
    world = World(store, sms=RecordingSmsGateway(answers), credits=credits)
    world.visit()
    world.sweep(hours=2)
    world.sweep(minutes=1)
    assert (credits.left, credits.reserved, credits.spent) == (10, {}, {})


def test_credits_of_a_message_in_doubt_stay_reserved_until_it_is_settled(
    store: RequestStore, credits: Credits
) -> None:
    world = World(store, sms=DeafGateway([Unknown()]), credits=credits)
    request = world.visit()
    world.sweep(hours=2)
    assert (credits.left, len(credits.reserved)) == (9, 1)
    attempt_id = world.now_is(request).message.attempt_id
    assert attempt_id is not None
    world.bookings.inbound.delivery(
        DeliveryReport(
            business_id="paws",
            attempt_id=attempt_id,
            state="delivered",
            at=world.clock.now(),
        )
    )
    assert (credits.reserved, list(credits.spent)) == ({}, [attempt_id])


def test_without_a_gateway_a_due_message_says_what_is_missing() -> None:
    world = World(MemoryStore(), sms=None)
    request = world.visit()
    with pytest.raises(MissingPart, match=r"sms=\.\.\."):
        world.sweep(hours=2)
    assert world.now_is(request).message.phase is MessagePhase.PENDING


def test_one_bad_request_stops_no_other_and_is_logged_without_personal_data(
    store: RequestStore, caplog: pytest.LogCaptureFixture
) -> None:
    first_call = iter([True])

    def has_feature(business_id: str) -> bool:
        if next(first_call, False):
            raise OSError(f"Ann +12125550199 {business_id}")
        return True

    world = World(store)
    bad = world.visit("s1", phone="+12125550101")
    world.visit("s2", phone="+12125550102", at=START + MINUTE)
    bookings = AbandonedBookings(
        store, sms=world.gateway, clock=world.clock, has_feature=has_feature, send_threads=1
    )
    world.clock.advance(hours=2, minutes=1)
    with caplog.at_level(logging.DEBUG):
        report = bookings.sweep.run_once()
    assert (report.claimed, report.errors, report.sent) == (2, 1, 1)
    assert bad.id in caplog.text
    assert "OSError" in caplog.text
    assert "Ann" not in caplog.text
    assert "5550199" not in caplog.text
    assert world.sweep(minutes=2).sent == 1


@pytest.mark.parametrize("threads", [1, 4])
def test_limit_is_kept_and_everything_is_sent_in_the_end(store: RequestStore, threads: int) -> None:
    world = World(store, send_threads=threads)
    for n in range(50):
        world.visit(f"s{n}", phone=f"+1212555{100 + n:04}")
    world.clock.advance(hours=2)
    assert world.bookings.sweep.run_once(limit=20).sent == 20
    assert world.bookings.sweep.run_once().sent == 30
    assert set(world.gateway.accepted.values()) == {1}


def test_now_stands_in_for_the_clock(world: World) -> None:
    request = world.visit()
    later = START + 2 * HOUR
    assert world.bookings.sweep.run_once(now=later).sent == 1
    assert world.now_is(request).last_contacted_at == later
    with pytest.raises(InvalidInput):
        world.bookings.sweep.run_once(now=datetime(2026, 1, 1))


def test_g1_without_the_feature_the_sweep_sends_nothing(store: RequestStore) -> None:
    has = ["paws"]
    world = World(store, has_feature=lambda business_id: business_id in has)
    request = world.visit()
    has.clear()
    world.sweep(hours=2)
    assert world.gateway.sent == []
    assert world.now_is(request).message.reasons == (Reason.FEATURE_UNAVAILABLE,)


def test_two_businesses_with_the_same_session_and_phone_are_apart(world: World) -> None:
    world.bookings.settings.put(attrs.evolve(world.settings, business_id="claws"))
    mine = world.visit()
    theirs = world.bookings.capture.progress(
        Progress(
            business_id="claws",
            session_id="s1",
            step=Step.TIME,
            at=START,
            form=BookingForm(person=Person(first_name="Ann", phone=PHONE)),
        )
    )
    assert theirs is not None
    world.reply("STOP")
    world.sweep(hours=2)
    assert [message.business_id for message in world.gateway.sent] == ["claws"]
    assert world.now_is(mine).message.reasons == (Reason.OPTED_OUT,)
