"""The backtest: reading a log, made-up people, the simulated clock, and a replay's counts.

Rules: C3 (a second replay changes nothing), C5-C7, R3, R7 (against an independent count), G2 and G4
(bad lines are named, never shown), T1 (events at the very instant come first).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs
import hypothesis
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_oracle import Row, after, at_clock, independent_count

from abandoned_booking import (
    AbandonedRequest,
    AfterDelay,
    AtClockTime,
    Booked,
    BookingForm,
    BusinessSettings,
    CareType,
    Days,
    Person,
    Pet,
    Progress,
    Reason,
    RecoveryCampaign,
    Status,
    Step,
    backtest,
)
from abandoned_booking.backtest import (
    CAPACITY,
    LogFormat,
    ReplayReport,
    Simulation,
    read_log,
    replay,
    simulation,
    synthetic_people,
    with_synthetic_people,
)
from abandoned_booking.backtest.people import AREA_CODES, FIRST_NAMES, LAST_NAMES
from abandoned_booking.core.model import STANDARD_STEPS
from abandoned_booking.core.sending import attempt_id_of
from abandoned_booking.errors import ConcurrentUpdate, InvalidInput
from abandoned_booking.ports import OutboundSms, SendResult
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import RecordingSmsGateway

START: Final = datetime(2026, 3, 7, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
ORDER: Final = tuple(str(step) for step in STANDARD_STEPS)
ZONE: Final = "America/New_York"

CANARIES: Final = ("Wilhelmina", "+12125550147", "wilhelmina@example.com", "Fluffkins")


def settings_for(timing: AfterDelay | AtClockTime | None = None) -> BusinessSettings:
    campaign = RecoveryCampaign(enabled=True, timing=timing or AfterDelay(hours=2))
    return BusinessSettings(business_id="b", name="b", timezone=ZONE, campaign=campaign)


SETTINGS: Final = settings_for()


def seen(session: str, at: datetime, step: str = "time", client: str | None = None) -> Progress:
    return Progress(business_id="b", session_id=session, step=Step(step), at=at, client_id=client)


def booked(session: str, at: datetime, client: str | None = None) -> Booked:
    return Booked(business_id="b", session_id=session, at=at, client_id=client)


def replayed(*events: Progress | Booked, **options: Any) -> ReplayReport:
    return replay(with_synthetic_people(events), SETTINGS, **options)


# ── against an independent count ────────────────────────────────────────────────────────────────


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    """Rows of a few clients, packed close enough for returns, bookings and R7 to meet."""
    sessions = draw(st.integers(1, 6))
    clients = [f"c{draw(st.integers(0, 2))}" for _ in range(sessions)]
    rows: list[Row] = []
    gaps = st.sampled_from([1, 4, 30, 61, 119, 125, 300, 1_380, 1_440, 1_500])
    at = START
    for second in range(draw(st.integers(1, 14))):
        at += timedelta(minutes=draw(gaps))
        who = draw(st.integers(0, sessions - 1))
        step = draw(st.sampled_from(["address", "pet", "time", "time", "booked"]))
        # Seconds of their own, so that no two things are due at one instant.
        rows.append((f"s{who}", clients[who], step, at + timedelta(seconds=second)))
    return rows


def events_of(rows: list[Row]) -> list[Progress | Booked]:
    return [
        booked(session, at, client) if step == "booked" else seen(session, at, step, client)
        for session, client, step, at in rows
    ]


def figures(report: ReplayReport) -> dict[str, object]:
    named = attrs.asdict(report, filter=attrs.filters.exclude("not_sent"))
    return {**named, "by_step": dict(report.by_step)}


Tries = Callable[[datetime], Iterator[datetime]]


@given(rows=logs(), minutes=st.sampled_from([10, 120, 1_440]), shuffled=st.randoms())
def test_a_replay_agrees_with_an_independent_count(
    rows: list[Row], minutes: int, shuffled: Random
) -> None:
    settings = settings_for(AfterDelay(minutes=minutes))
    counted = independent_count(rows, after(timedelta(minutes=minutes)), ORDER)
    shuffled.shuffle(rows)
    report = replay(with_synthetic_people(events_of(rows)), settings)
    assert figures(report) == counted


@given(
    rows=logs(),
    campaign=st.sampled_from(
        [
            (AtClockTime("09:00"), at_clock(9, ZONE)),
            (AtClockTime("14:00", Days.WEEKDAYS), at_clock(14, ZONE, range(5))),
            (AtClockTime("10:00", Days.WEEKENDS), at_clock(10, ZONE, (5, 6))),
        ]
    ),
)
def test_a_replay_of_a_clock_campaign_agrees_too(
    rows: list[Row], campaign: tuple[AtClockTime, Tries]
) -> None:
    # One session for each client: which of two goes first at one instant is nobody's business.
    rows = [(client, client, step, at) for _, client, step, at in rows]
    timing, tries = campaign
    report = replay(with_synthetic_people(events_of(rows)), settings_for(timing))
    assert figures(report) == independent_count(rows, tries, ORDER)


@given(rows=logs(), more=st.integers(0, 3_000))
def test_a_second_replay_changes_nothing_and_sends_nothing(rows: list[Row], more: int) -> None:
    store, events = MemoryStore(), with_synthetic_people(events_of(rows))
    until = max(at for *_, at in rows) + more * MINUTE
    first = replay(events, SETTINGS, store=store, until=until)
    before = {request.id: request for request in store.stream("b")}
    second = replay(events, SETTINGS, store=store, until=until)
    assert {request.id: request for request in store.stream("b")} == before
    assert second == attrs.evolve(first, messages_sent=0)


# ── by example ──────────────────────────────────────────────────────────────────────────────────


def test_a_visitor_who_is_active_at_the_very_instant_is_not_texted() -> None:
    report = replayed(seen("s", START), seen("s", START + 2 * HOUR))
    assert (report.abandoned, report.messages_sent) == (1, 0)


def test_a_booking_at_the_very_instant_comes_before_the_message() -> None:
    report = replayed(seen("s", START, client="c"), booked("s", START + 2 * HOUR, "c"))
    assert (report.completed, report.messages_sent) == (1, 0)


def test_a_message_due_exactly_at_the_end_is_sent() -> None:
    late = replayed(seen("s", START), until=START + 2 * HOUR)
    assert (late.contacted, late.messages_sent) == (1, 1)
    early = replayed(seen("s", START), until=START + 2 * HOUR - timedelta(microseconds=1))
    assert (early.abandoned, early.messages_sent) == (1, 0)


def test_a_booking_after_the_message_recovers_and_events_after_the_end_are_not_fed() -> None:
    events = (seen("s", START, client="c"), booked("s2", START + 3 * HOUR, "c"))
    assert replayed(*events).recovered == 1
    earlier = replayed(*events, until=START + 2 * HOUR)
    assert (earlier.events, earlier.sessions, earlier.contacted) == (1, 1, 1)


def test_a_session_with_nothing_but_bookings_is_no_request() -> None:
    report = replayed(booked("s", START), booked("s", START + HOUR))
    assert (report.events, report.sessions, report.requests) == (2, 1, 0)


@pytest.mark.parametrize("session", ["s", "another"])
def test_of_one_instant_progress_comes_before_a_booking_in_whatever_order_they_stand(
    session: str,
) -> None:
    events = (booked("s", START, "c"), seen(session, START, client="c"))
    for order in (events, events[::-1]):
        report = replayed(*order)
        assert (report.requests, report.completed) == (1, 1)


def test_nothing_to_replay_is_a_report_of_nothing() -> None:
    report = replayed()
    assert (report.events, report.requests, dict(report.by_step)) == (0, 0, {})


def test_a_request_given_up_says_why() -> None:
    report = replay([seen("s", START, client="c")], SETTINGS, until=START + 3 * HOUR)
    assert dict(report.not_sent) == {Reason.NO_PHONE: 1}


class _Stutters(RecordingSmsGateway):
    """Hands every text in twice."""

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        super().send(message, timeout=timeout)
        return super().send(message, timeout=timeout)


def test_a_request_with_two_accepted_messages_is_a_duplicate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulation, "RecordingSmsGateway", _Stutters)
    report = replayed(seen("s", START), seen("s2", START + 2 * HOUR))
    assert (report.messages_sent, report.duplicates) == (2, 1)


def test_a_message_before_this_run_counts_for_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    replayed(seen("s1", START), store=store, until=START + 2 * HOUR)
    other = attempt_id_of(request_of("s2").id)
    # As if the one that was sent then were sent once more.
    monkeypatch.setattr(backtest, "attempt_id_of", lambda _: other)
    report = replayed(seen("s1", START), seen("s2", START), store=store, until=START + 2 * HOUR)
    assert (report.messages_sent, report.duplicates) == (1, 1)


def request_of(session: str) -> AbandonedRequest:
    """The request that a session's first progress opens."""
    store = MemoryStore()
    replayed(seen(session, START), store=store)
    [request] = store.stream("b")
    return request


# ── the store ───────────────────────────────────────────────────────────────────────────────────


def test_the_store_holds_the_result_and_other_businesses_are_left_alone(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "b.db") as store:
        other = attrs.evolve(SETTINGS, business_id="other")
        theirs = attrs.evolve(seen("s", START), business_id="other")
        replay(with_synthetic_people([theirs]), other, store=store, until=START)
        [untouched] = store.stream("other")
        assert untouched.next_action_at is not None
        report = replay(
            with_synthetic_people([seen("s", START)]), SETTINGS, store=store, until=START + 5 * HOUR
        )
        assert report.messages_sent == 1
        [request] = store.stream("b")
        assert request.status is Status.CONTACTED
        assert store.settings.get("b") == SETTINGS
        assert list(store.stream("other")) == [untouched]


def test_who_opted_out_in_the_store_is_not_texted() -> None:
    store = MemoryStore()
    events = with_synthetic_people([seen("s", START)])
    simulated = Simulation(SETTINGS, store=store)
    phone = synthetic_people(["session s"])["session s"].phone
    assert phone is not None
    keys = simulated.bookings._parts.suppression_of("b", phone)
    store.suppressions.add("b", keys.opted_out)
    report = replay(events, SETTINGS, store=store, until=START + 3 * HOUR)
    assert dict(report.not_sent) == {Reason.OPTED_OUT: 1}


def test_a_phone_promised_in_the_store_is_not_texted_twice_a_day() -> None:
    store = MemoryStore()
    first = with_synthetic_people([seen("s1", START, client="c")])
    replay(first, SETTINGS, store=store, until=START + 2 * HOUR)
    again = with_synthetic_people([seen("s2", START + 3 * HOUR, client="c")])
    report = replay(again, SETTINGS, store=store, until=START + 9 * HOUR)
    assert (report.requests, report.messages_sent, report.abandoned) == (1, 0, 1)


def test_what_was_left_waiting_goes_when_a_later_log_passes_its_time() -> None:
    store = MemoryStore()
    replay(with_synthetic_people([seen("s1", START)]), SETTINGS, store=store)
    [waiting] = store.stream("b")
    assert waiting.status is Status.ABANDONED
    later = with_synthetic_people([seen("s2", START + 8 * HOUR)])
    report = replay(later, SETTINGS, store=store)
    assert (report.requests, report.messages_sent) == (1, 1)
    sent = store.get("b", waiting.id)
    assert sent is not None
    assert sent.message.begun_at == START + 2 * HOUR


class _ChangedMeanwhile(MemoryStore):
    def save(self, request: Any, *, expected_version: int) -> bool:
        return False


def test_a_request_that_somebody_else_changed_meanwhile_is_an_error() -> None:
    store = _ChangedMeanwhile()
    replay(with_synthetic_people([seen("s", START)]), SETTINGS, store=store)
    with pytest.raises(ConcurrentUpdate):
        replay(with_synthetic_people([seen("s", START + HOUR)]), SETTINGS, store=store)


def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    events = [seen(f"s{n}", START + n * MINUTE) for n in range(250)]
    report = replay(events, SETTINGS, on_progress=lambda done, of: told.append((done, of)))
    assert report.events == 250
    assert told == [(100, 250), (200, 250), (250, 250)]


def test_a_naive_end_is_refused() -> None:
    with pytest.raises(InvalidInput, match="until"):
        replay([seen("s", START)], SETTINGS, until=datetime(2026, 3, 8))


# ── the simulated clock ─────────────────────────────────────────────────────────────────────────


def test_the_clock_jumps_from_instant_to_instant_and_never_back() -> None:
    simulated = Simulation(SETTINGS)
    times: list[datetime] = []
    look = partial(lambda: times.append(simulated.clock.now()))
    for at in (START + 3 * HOUR, START, START + HOUR):
        simulated.plan(at, look)
    simulated.run(until=START + 2 * HOUR)
    assert times == [START, START + HOUR]
    assert simulated.clock.now() == START + 2 * HOUR


def test_what_falls_due_in_the_past_is_swept_at_once() -> None:
    simulated = Simulation(SETTINGS)
    [event] = with_synthetic_people([seen("s", START)])
    assert isinstance(event, Progress)
    late = START + 2 * HOUR + 30 * MINUTE
    simulated.plan(late, partial(simulated.bookings.capture.progress, event))
    simulated.run(until=START + 4 * HOUR)
    [request] = simulated.requests()
    assert request.message.begun_at == late


def test_a_sweep_that_fails_stops_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = Simulation(SETTINGS)
    [event] = with_synthetic_people([seen("s", START)])
    assert isinstance(event, Progress)
    simulated.plan(START, partial(simulated.bookings.capture.progress, event))

    def breaks(*_: object, **__: object) -> bool:
        raise OSError

    monkeypatch.setattr(simulated.bookings._parts.ledger, "reserve", breaks)
    with pytest.raises(RuntimeError, match="sweep"):
        simulated.run(until=START + 4 * HOUR)


# ── made-up people ──────────────────────────────────────────────────────────────────────────────


def test_every_made_up_number_is_a_fictional_us_number_that_can_get_texts() -> None:
    assert len(set(AREA_CODES)) * 100 == CAPACITY
    for code in AREA_CODES:
        number = phonenumbers.parse(f"+1{code}5550123")
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.region_code_for_number(number) == "US"
        kind = phonenumbers.number_type(number)
        assert kind == phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE


def test_as_many_people_as_there_are_numbers_are_all_different_and_one_more_is_too_many() -> None:
    people = synthetic_people(str(n) for n in range(CAPACITY))
    assert len({person.phone for person in people.values()}) == CAPACITY
    assert len({person.name for person in people.values()}) == CAPACITY
    assert all(len(person.phone or "") == 12 for person in people.values())
    with pytest.raises(InvalidInput, match="33,700"):
        synthetic_people(str(n) for n in range(CAPACITY + 1))


def test_there_are_names_enough_and_none_twice() -> None:
    assert len(set(FIRST_NAMES)) == len(FIRST_NAMES)
    assert len(set(LAST_NAMES)) == len(LAST_NAMES)
    assert len(FIRST_NAMES) * len(LAST_NAMES) >= CAPACITY


def person_of(event: Progress | Booked) -> Person | None:
    return event.form.person if isinstance(event, Progress) else event.person


@hypothesis.settings(max_examples=8)
@given(shuffled=st.randoms())
def test_people_follow_from_their_ids_not_from_the_order_of_lines(shuffled: Random) -> None:
    # Enough of them to fall on the same numbers.
    events = [seen(f"s{n}", START + n * MINUTE, client=f"c{n % 300}") for n in range(400)]
    plain = {event.session_id: person_of(event) for event in with_synthetic_people(events)}
    shuffled.shuffle(events)
    assert {e.session_id: person_of(e) for e in with_synthetic_people(events)} == plain


def test_a_log_that_goes_on_keeps_its_people() -> None:
    events = [seen(f"s{n}", START + n * MINUTE) for n in range(2_000)]
    early = with_synthetic_people(events[:1_000])
    assert with_synthetic_people(events)[:1_000] == early


def test_one_client_is_one_person_in_every_session_and_a_session_has_its_clients_person() -> None:
    events = (
        seen("s1", START),
        seen("s1", START + MINUTE, client="c"),
        booked("s2", START + HOUR, "c"),
        seen("s3", START),
    )
    first, second, third, stranger = map(person_of, with_synthetic_people(events))
    assert first is not None
    assert second is not None
    assert third is not None
    assert stranger is not None
    assert first.phone == second.phone == third.phone != stranger.phone
    assert (first.client_id, second.client_id) == (None, "c")


# ── reading a log ───────────────────────────────────────────────────────────────────────────────

HEAD: Final = "session,client,step,at\n"
GOOD: Final = "s1,c1,time,2026-03-07T12:00:00Z\n"


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "log.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path, *, client: bool = True, **named: str) -> Any:
    columns = {"client": "client", **named} if client else named
    return read_log(path, LogFormat(columns=columns), SETTINGS)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + GOOD,
        ("\ufeff" + HEAD + GOOD),
        (HEAD + GOOD).replace("\n", "\r\n"),
        HEAD + "\n" + GOOD + "\n\n",
        '"session","client","step","at"\n"s1","c1","time","2026-03-07T12:00:00Z"\n',
        "at , step, client, session\n2026-03-07T13:00:00+01:00, time , c1 , s1 \n",
        (HEAD + GOOD).rstrip("\n"),
    ],
    ids=["plain", "bom", "crlf", "blank lines", "quoted", "other order", "no last newline"],
)
def test_a_log_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    log = read(written(tmp_path, text))
    assert log.bad_lines == ()
    [event] = log.events
    assert (event.session_id, event.client_id, event.step) == ("s1", "c1", "time")
    assert event.at == START


def test_what_else_a_log_knows_of_people_is_read_too(tmp_path: Path) -> None:
    head = "session,step,at,first_name,last_name,phone,email,pet,care_type\n"
    path = written(
        tmp_path,
        head
        + "s,pet,2026-03-07T12:00:00Z,Ann,Lee,+12125550199,a@example.com,Rex,daycare\n"
        + "s,booked,2026-03-07T12:01:00Z,,,+12125550199,,,\n",
    )
    names = ("first_name", "last_name", "phone", "email", "pet", "care_type")
    log = read(path, client=False, **{name: name for name in names})
    form = BookingForm(
        person=Person(
            first_name="Ann", last_name="Lee", phone="+12125550199", email="a@example.com"
        ),
        pets=(Pet(name="Rex"),),
        care_type=CareType.DAYCARE,
    )
    progress, booking = log.events
    assert progress.form == form
    assert booking.person == Person(phone="+12125550199")
    assert (progress.client_id, booking.client_id) == (None, None)


def test_a_header_alone_is_a_log_without_events(tmp_path: Path) -> None:
    log = read(written(tmp_path, HEAD))
    assert (log.events, log.bad_lines) == ((), ())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("\ufeff", "is empty"),
        ("a,b,c\n" + GOOD, "has no column 'session'.*'step'.*'at'.*'client'"),
        ("Wilhelmina,+12125550147\n", "has no column"),
        (HEAD.encode("utf-16"), "is not UTF-8"),
        ('session,"client\n', "first line is not CSV"),
    ],
    ids=["empty", "bom alone", "other columns", "no header", "utf-16", "open quote"],
)
def test_a_file_that_is_no_such_log_is_refused(
    tmp_path: Path, text: str | bytes, what: str
) -> None:
    with pytest.raises(InvalidInput, match=what) as refused:
        read(written(tmp_path, text))
    assert not any(canary in str(refused.value) for canary in CANARIES)


BAD: Final = {
    "naive": ("s1,c1,time,2026-03-07T12:00:00", "at: is a naive instant"),
    "no instant": ("s1,c1,time,yesterday", "at: is not an instant"),
    "too early": ("s1,c1,time,0001-01-01T00:00:00+14:00", "at: must lie between"),
    "too late": ("s1,c1,time,9999-12-31T23:59:59Z", "at: must lie between"),
    "unknown step": ("s1,c1,Wilhelmina,2026-03-07T12:00:00Z", "step: is none of the steps"),
    "no session": (",c1,time,2026-03-07T12:00:00Z", "session: is missing"),
    "no step": ("s1,c1, ,2026-03-07T12:00:00Z", "step: is missing"),
    "no instant at all": ("s1,c1,time,", "at: is missing"),
    "too short": ("s1,c1,time", "at: is missing"),
    "too long": (GOOD.strip() + ",more", "has more fields"),
    "long session": (f"{'s' * 201},c1,time,2026-03-07T12:00:00Z", "session_id: is longer"),
    "long booked": (f"{'s' * 201},c1,booked,2026-03-07T12:00:00Z", "session_id: is longer"),
    "long client": (f"s1,{'c' * 201},time,2026-03-07T12:00:00Z", "client_id: is longer"),
    "not utf-8": (b"s1,Wilhelmina \xff,time,2026-03-07T12:00:00Z", "is not UTF-8"),
    "a quote inside": ('s1,"c"1,time,2026-03-07T12:00:00Z', "is not CSV"),
    "huge field": (f"s1,{'c' * 140_000},time,2026-03-07T12:00:00Z", "is not CSV"),
}


@pytest.mark.parametrize(("line", "problem"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_with_its_problem_and_nothing_that_stands_in_it(
    tmp_path: Path, line: str | bytes, problem: str
) -> None:
    raw = line if isinstance(line, bytes) else line.encode()
    log = read(written(tmp_path, HEAD.encode() + GOOD.encode() + raw + b"\n" + GOOD.encode()))
    [bad] = log.bad_lines
    assert bad.line == 3
    assert bad.problem.startswith(problem)
    assert len(log.events) == 2
    assert not any(canary in str(bad) for canary in CANARIES)
    assert "yesterday" not in str(bad)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    text = HEAD + '"s\n1",c1,time,2026-03-07T12:00:00Z\n\n' + "s2,c1,time,now\n"
    log = read(written(tmp_path, text))
    assert [bad.line for bad in log.bad_lines] == [5]
    assert log.events[0].session_id == "s\n1"


def test_a_quote_that_is_never_closed_is_one_bad_line(tmp_path: Path) -> None:
    log = read(written(tmp_path, HEAD + GOOD + '"s2,c1,time,2026-03-07T12:00:00Z\n' + GOOD))
    assert [bad.line for bad in log.bad_lines] == [3]
    assert len(log.events) == 1


def test_standard_steps_keep_the_standard_registry_and_others_make_one_of_their_own() -> None:
    standard = LogFormat(steps={"a": "time", "b": "pet", "x": "booked"})
    assert standard.registry == STANDARD_STEPS
    assert standard.mapped_steps == (Step("time"), Step("pet"))
    own = LogFormat(steps={"a": "date", "b": "pet", "c": "date", "x": "booked"})
    assert own.registry == (Step("date"), Step("pet"))


@pytest.mark.parametrize(
    ("columns", "steps", "what"),
    [
        ({"sesion": "a"}, None, "columns: knows no sesion"),
        ({"session": ""}, None, "columns: has an empty"),
        ({}, {"": "time"}, "steps: has an empty"),
        ({}, {"x": "booked"}, "steps: names no step"),
        ({}, {}, "steps: names no step"),
    ],
)
def test_a_format_that_cannot_be_is_refused(
    columns: dict[str, str], steps: dict[str, str] | None, what: str
) -> None:
    with pytest.raises(InvalidInput, match=what):
        LogFormat(columns=columns, steps=steps)
