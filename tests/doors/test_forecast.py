"""Forecast, sweep and explain never disagree (R1 to R9, T1 to T5, M3, D2).

A salon is brought into some state through its doors: visits, earlier sweeps with answers of every
kind, opt-outs, blocks, bookings, calls, deletions. Then the forecast is asked, and the sweep is run
at every due instant until the end of it. Who gets a text, when and of what size must be what was
said, and everyone else must have the reasons that were given.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs
import pytest
from door_world import START, Clients, Credits, World
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from abandoned_booking import (
    Address,
    AfterDelay,
    AtClockTime,
    BookingForm,
    ClientType,
    CompliancePolicy,
    Days,
    Person,
    Pet,
    Progress,
    RecoveryCampaign,
    Status,
    Step,
)
from abandoned_booking.core.campaign import QuietHours
from abandoned_booking.core.forecast import Forecast, ForecastLine
from abandoned_booking.core.holdout import is_held_out
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    MessagePhase,
    Reason,
)
from abandoned_booking.errors import FeatureUnavailable, InvalidInput, InvalidSettings
from abandoned_booking.ports import Accepted, NotSent, OutboundSms, Rejected, SendResult, Unknown
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import RecordingSmsGateway

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
NEW_YORK: Final = ZoneInfo("America/New_York")

NUMBERS: Final = (
    "+12125550101",  # New York
    "+13055550102",  # Florida
    "+18085550103",  # Hawaii
    "+14165550104",  # Canada
    "+18005550105",  # toll-free: takes no texts
)


class Consents:
    """Who has agreed: those whose number is odd."""

    def has_consent(self, business_id: str, phone: str) -> bool:
        return int(phone[-1]) % 2 == 1


class Clocked(RecordingSmsGateway):
    """A gateway that also remembers when each text was handed in."""

    def __init__(self, answers: list[SendResult]) -> None:
        super().__init__(answers)
        self.at: list[datetime] = []
        self.now: Any = None

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        self.at.append(self.now())
        return super().send(message, timeout=timeout)


# ── salons in any state ─────────────────────────────────────────────────────────────────────────


def campaigns() -> st.SearchStrategy[RecoveryCampaign]:
    timings = st.builds(
        lambda minutes: AfterDelay(minutes=minutes), st.sampled_from([10, 37, 120, 300, 1440])
    ) | st.builds(
        AtClockTime, st.sampled_from(["01:30", "02:30", "09:00", "20:45"]), st.sampled_from(Days)
    )
    return st.builds(
        RecoveryCampaign,
        enabled=st.sampled_from([True] * 9 + [False]),
        timing=timings,
        recipients=st.sampled_from([frozenset(ClientType)] * 3 + [frozenset({"new_visitor"})]),
        steps=st.sampled_from([None, None, None, frozenset({Step.TIME})]),
        template=st.sampled_from(
            ["Hi {{first_name}}, come back", "Hi {{first_name}} " + "x" * 140, "🐶 {{pet_names}}"]
        ),
        holdout=st.sampled_from([0.0, 0.0, 0.5]),
    )


POLICIES: Final = (
    CompliancePolicy.relaxed(),
    CompliancePolicy.relaxed(),
    CompliancePolicy.us_marketing(),
    CompliancePolicy(quiet_hours=QuietHours("09:00", "12:30"), not_older_than=26 * HOUR),
    CompliancePolicy(not_older_than=3 * HOUR),
)


@attrs.frozen(kw_only=True)
class Visit:
    """A session of one of a few visitors, that many minutes after the salon opened."""

    minute: int
    number: str | None
    state: str | None
    step: Step
    client_id: str | None
    first_name: str


def visits() -> st.SearchStrategy[list[Visit]]:
    one = st.builds(
        Visit,
        minute=st.sampled_from([0, 0, 3, 10, 37, 61, 120, 240, 600]) | st.integers(0, 900),
        number=st.sampled_from([*NUMBERS[:2], *NUMBERS[:2], *NUMBERS, None]),
        state=st.sampled_from([None, None, "NY", "FL", "TX"]),
        step=st.sampled_from([Step.TIME, Step.PET]),
        client_id=st.sampled_from([None, None, None, "c1"]),
        first_name=st.sampled_from(["Ann", "Åse", "Łukasz"]),
    )
    return st.lists(one, min_size=1, max_size=7)


HAPPENINGS: Final = (
    "opts out", "is blocked", "books", "is called", "is deleted", "gets a text in doubt"
)  # fmt: skip
ANSWERS: Final = (
    Accepted(provider_id="p"),
    NotSent(reason="busy", retry_after=7 * MINUTE),
    Rejected(reason="no"),
    Unknown(),
)
OPENINGS: Final = (
    START,
    # The nights of spring forward and fall back, and a Friday.
    datetime(2027, 3, 13, 19, 0, tzinfo=NEW_YORK),
    datetime(2026, 10, 31, 19, 0, tzinfo=NEW_YORK),
    datetime(2026, 11, 6, 12, 0, tzinfo=NEW_YORK),
)


class Salon(World):
    """A salon whose state was reached through its doors."""

    gateway: Clocked

    def __init__(self, draw: st.DrawFn) -> None:
        balance = draw(st.sampled_from([None, 0, 1, 2, 5]))
        self.credits = None if balance is None else Credits(balance)
        super().__init__(
            MemoryStore(),
            sms=Clocked(draw(st.lists(st.sampled_from(ANSWERS), max_size=2))),
            clients=Clients(),
            consents=Consents(),
            credits=self.credits,
        )
        self.gateway.now = self.clock.now
        self.clock.set(draw(st.sampled_from(OPENINGS)))
        self.settings = attrs.evolve(
            self.settings,
            timezone=draw(st.sampled_from(["America/New_York", "Europe/Madrid"])),
            campaign=draw(campaigns()),
            compliance=draw(st.sampled_from(POLICIES)),
            leads_management=draw(st.booleans()),
            listed_after=draw(st.sampled_from([timedelta(0), HOUR, 97 * MINUTE])),
            late_grace=draw(st.sampled_from([timedelta(0), HOUR, 30 * HOUR])),
            one_message_within=draw(st.sampled_from([timedelta(0), 40 * MINUTE, DAY])),
        )
        self.bookings.settings.put(self.settings)
        self._live(draw)

    def _live(self, draw: st.DrawFn) -> None:
        """Visits, with a sweep before some of them, and things that happen."""
        for number, visit in enumerate(sorted(draw(visits()), key=lambda visit: visit.minute)):
            self._wait_until(visit.minute, draw(st.sampled_from([True, True, False])))
            request = self._visited(f"s{number}", visit)
            happening = draw(st.sampled_from([None] * 9 + [*HAPPENINGS]))
            if request is not None and happening is not None:
                self._happens(happening, request)
        self.clock.advance(minutes=draw(st.sampled_from([0, 0, 1, 30, 75, 200])))

    def _wait_until(self, minute: int, sweeps: bool) -> None:
        at = max(self.clock.now(), self._opened_at() + minute * MINUTE)
        if sweeps:
            self.run_until(at)
        self.clock.set(at)

    def _opened_at(self) -> datetime:
        self._opened = getattr(self, "_opened", None) or self.clock.now()
        return self._opened

    def _visited(self, session_id: str, visit: Visit) -> AbandonedRequest | None:
        form = BookingForm(
            person=Person(first_name=visit.first_name, phone=visit.number),
            pets=(Pet(name="Rex"),),
            address=Address(state=visit.state),
        )
        progress = Progress(
            business_id="paws",
            session_id=session_id,
            step=visit.step,
            at=self.clock.now(),
            form=form,
            client_id=visit.client_id,
        )
        return self.bookings.capture.progress(progress)

    def _happens(self, happening: str, request: AbandonedRequest) -> None:
        match happening:
            case "opts out" if request.phone is not None:
                self.reply("STOP", phone=request.phone.e164)
            case "is blocked" if request.phone is not None:
                self.desk.block_phone(request.id)
            case "books":
                self.book(request.session_id)
            case "is called":
                self.desk.call(request.id)
            case "is deleted":
                self.desk.delete(request.id)
            case "gets a text in doubt":
                self._begins_a_text(request)

    def _begins_a_text(self, request: AbandonedRequest) -> None:
        """The staff's process died between begin and answer."""
        contact = Contact(
            id="t", channel=Channel.TEXT, at=self.clock.now(), state=ContactState.SENDING
        )
        changed = attrs.evolve(request, contacts=(contact,))
        assert self.store.save(changed, expected_version=self.now_is(request).version)

    def __repr__(self) -> str:
        return f"Salon({self.settings}, {self.all()}, {self.gateway.now()})"

    # ── the sweep, at every due instant ─────────────────────────────────────────────────────────

    def all(self) -> list[AbandonedRequest]:
        return list(self.store.stream("paws"))

    def run_until(self, until: datetime) -> None:
        """Sweep at every due instant, as a scheduler that is never late would."""
        while True:
            due = [r.next_action_at for r in self.all() if r.next_action_at is not None]
            next_at = min(due, default=None)
            if next_at is None or next_at > until:
                break
            self.clock.set(max(next_at, self.clock.now()))
            self.bookings.sweep.run_once()
        self.clock.set(until)

    def sent_since(self, count: int) -> dict[str, tuple[datetime, int]]:
        """By request: when its text was handed in, and its segments."""
        pairs = list(zip(self.gateway.sent, self.gateway.at, strict=True))[count:]
        return {sms.attempt_id.removesuffix(".m"): (at, sms.segments) for sms, at in pairs}


@st.composite
def salons(draw: st.DrawFn) -> Salon:
    return Salon(draw)


SPANS: Final = (timedelta(0), 45 * MINUTE, 5 * HOUR, 26 * HOUR, 4 * DAY)


def by_id(lines: tuple[ForecastLine, ...]) -> dict[str, ForecastLine]:
    found = {line.request_id: line for line in lines}
    assert len(found) == len(lines), "each request once"
    return found


def _looked_at(send_at: datetime | None, next_at: datetime | None) -> datetime | None:
    """A message that is due goes with the next look."""
    return send_at if send_at is None or next_at is None else max(send_at, next_at)


def check(salon: Salon, found: Forecast, before: dict[str, AbandonedRequest]) -> None:
    """The sweep does what was said; ``explain`` says it too."""
    said_before = {r.id: salon.desk.explain(r.id) for r in salon.all()}
    salon.gateway._script = iter(())
    count = len(salon.gateway.sent)
    salon.run_until(found.until)
    sent = salon.sent_since(count)
    assert sent == {line.request_id: (line.send_at, line.segments) for line in found.messages}
    assert found.segments == sum(segments for _, segments in sent.values())
    lines = by_id(found.lines)
    assert {*lines} == {request.id for request in salon.all()}
    for request in salon.all():
        line = lines[request.id]
        if request.id in sent:
            assert (line.reasons, request.status) == ((), Status.CONTACTED)
            continue
        was, says = before[request.id], salon.desk.explain(request.id)
        scheduled = was.status is Status.ABANDONED and salon.settings.campaign.enabled
        if was.message.phase is not MessagePhase.PENDING:
            assert line.send_at is None
            assert says.message_reasons in ((), line.reasons)
        elif not scheduled:
            assert line.reasons == said_before[request.id].message_reasons
        else:
            assert line.reasons == says.message_reasons
            assert line.send_at == _looked_at(says.send_at, request.next_action_at)
            assert line.send_at is None or line.send_at > found.until


@hypothesis_settings(max_examples=120)
@given(salons(), st.sampled_from(SPANS))
def test_the_sweep_sends_what_was_forecast_and_everyone_else_has_the_reasons(
    salon: Salon, span: timedelta
) -> None:
    before = {request.id: request for request in salon.all()}
    found = salon.desk.forecast(until=salon.clock.now() + span)
    assert {request.id: request for request in salon.all()} == before, "a forecast changes nothing"
    check(salon, found, before)


@hypothesis_settings(max_examples=80)
@given(salons(), campaigns(), st.sampled_from(SPANS))
def test_t5_another_campaign_is_forecast_as_if_it_were_saved_now(
    salon: Salon, campaign: RecoveryCampaign, span: timedelta
) -> None:
    now = salon.clock.now()
    found = salon.desk.forecast(campaign, until=now + span)
    salon.put(
        **{field.name: getattr(campaign, field.name) for field in attrs.fields(RecoveryCampaign)}
    )
    check(salon, found, {request.id: request for request in salon.all()})


# ── without anything to wait for each other ─────────────────────────────────────────────────────


def alone(request: AbandonedRequest, salon: Salon) -> bool:
    """No other request has its phone: nobody can take it from this one."""
    return [r.phone for r in salon.all()].count(request.phone) == 1


@given(salons(), st.sampled_from(SPANS))
def test_r8_explain_says_the_same_before_it_happens(salon: Salon, span: timedelta) -> None:
    if salon.credits is not None:
        salon.credits.left = 1_000
    lines = by_id(salon.desk.forecast(until=salon.clock.now() + span).messages)
    for request in salon.all():
        line, says = lines.get(request.id), salon.desk.explain(request.id)
        if line is not None and alone(request, salon) and not request.message.retry_at:
            assert not says.message_reasons or request.message.reasons
            assert line.send_at is not None
            assert says.send_at is not None
            assert says.send_at <= line.send_at


# ── T5: switching ───────────────────────────────────────────────────────────────────────────────


@given(salons())
def test_t5_off_stops_everything_that_is_not_claimed_at_once(salon: Salon) -> None:
    begun = {r.id for r in salon.all() if r.message.phase is MessagePhase.SENDING}
    salon.put(enabled=False)
    assert not salon.desk.campaign_on()
    assert salon.desk.forecast(until=salon.clock.now() + DAY).messages == ()
    count = len(salon.gateway.sent)
    salon.run_until(salon.clock.now() + 2 * DAY)
    assert len(salon.gateway.sent) == count
    for request in salon.all():
        if request.message.phase is MessagePhase.PENDING and request.id not in begun:
            assert Reason.CAMPAIGN_OFF in salon.desk.explain(request.id).message_reasons


@given(salons())
def test_t5_off_and_on_again_sends_what_the_rules_say_of_each_and_nothing_twice(
    salon: Salon,
) -> None:
    on = attrs.evolve(salon.settings.campaign, enabled=True)
    now = salon.clock.now()
    found = salon.desk.forecast(on, until=now + DAY)
    salon.put(enabled=False)
    salon.bookings.sweep.run_once()
    salon.put(enabled=True)
    assert salon.desk.campaign_on()
    salon.gateway._script = iter(())
    count = len(salon.gateway.sent)
    salon.run_until(found.until)
    assert {*salon.sent_since(count)} == {line.request_id for line in found.messages}
    assert set(salon.gateway.accepted.values()) <= {1}


@given(salons(), campaigns())
def test_t5_saving_the_same_settings_again_changes_nothing_that_is_begun_or_sent(
    salon: Salon, campaign: RecoveryCampaign
) -> None:
    before = salon.all()
    salon.put(timing=campaign.timing, enabled=campaign.enabled, holdout=campaign.holdout)
    after = {request.id: request for request in salon.all()}
    for request in before:
        if request.message.begun and request.message.phase is not MessagePhase.PENDING:
            assert after[request.id].message == request.message
        for kept in ("status", "contacts", "form", "abandoned_at"):
            assert getattr(after[request.id], kept) == getattr(request, kept)


# ── the call itself ─────────────────────────────────────────────────────────────────────────────


def test_a_forecast_needs_neither_a_gateway_nor_anything_due(world: World) -> None:
    found = world.desk.forecast(until=START)
    assert (found.asked_at, found.until, found.lines) == (START, START, ())


def test_a_campaign_that_could_not_be_saved_is_not_forecast(world: World) -> None:
    unknown = RecoveryCampaign(enabled=True, steps=frozenset({Step("welcome")}))
    with pytest.raises(InvalidSettings) as caught:
        world.desk.forecast(unknown, until=START + DAY)
    assert caught.value.field == "campaign.steps"
    with pytest.raises(InvalidInput):
        world.desk.forecast(until=START.replace(tzinfo=None))


def test_g1_without_the_feature_there_is_no_forecast() -> None:
    world = World(MemoryStore(), has_feature=lambda _: False)
    with pytest.raises(FeatureUnavailable):
        world.desk.forecast(until=START + DAY)
    with pytest.raises(FeatureUnavailable):
        world.desk.campaign_on()


def test_each_business_has_a_forecast_of_its_own(world: World) -> None:
    world.visit()
    other = attrs.evolve(world.settings, business_id="claws")
    world.bookings.settings.put(other)
    assert world.bookings.desk("claws").forecast(until=START + DAY).lines == ()
    assert len(world.desk.forecast(until=START + DAY).messages) == 1


def test_p1_who_is_held_out_is_skipped_at_the_due_time_and_can_be_revived(world: World) -> None:
    world.put(holdout=0.5)
    held = world.visit("s1")  # by the hash of its id
    assert world.sweep(hours=2).skipped == {Reason.HELD_OUT: 1}
    skipped = world.now_is(held)
    assert skipped.message.reasons == (Reason.HELD_OUT,)
    assert skipped.history[-1].detail == "held_out"
    assert "held out" in world.desk.explain(held.id).message
    # Only asked: a phone that was not texted is free for the person's next request.
    other = next(r for n in range(2, 20) if (r := world.visit(f"s{n}")) and not _held(r))
    assert world.now_is(other).next_action_at is not None
    world.put(holdout=0.0)
    assert world.now_is(held).message.phase is MessagePhase.PENDING
    assert world.sweep(minutes=10).sent == 1


def _held(request: AbandonedRequest) -> bool:
    return is_held_out(request.business_id, request.id, share=0.5)
