"""P1 and P2: each figure against a naive recount, who gets the credit, what counts; S4, C2, D2."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from statistics import median
from typing import Any

import attrs
import pytest
from core._examples import HOUR, INSTANT, MINUTE, NOON, WELCOME, a_contact, paws, utc
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.listing import unlisted_reasons
from abandoned_booking.core.model import (
    STANDARD_STEPS,
    AbandonedRequest,
    BookingForm,
    CallOutcome,
    CareType,
    Channel,
    ClientType,
    Contact,
    ContactState,
    HistoryEntry,
    HistoryKind,
    Reason,
    Recovery,
    Route,
    Status,
    Step,
)
from abandoned_booking.core.performance import (
    GroupBy,
    Performance,
    Tally,
    counts_as_abandoned,
    credited_channel,
    tally,
)
from abandoned_booking.core.periods import Period
from abandoned_booking.errors import InvalidInput
from abandoned_booking.testing import a_request

DAY = timedelta(days=1)
WEEK = 7 * DAY
LATER = NOON + 60 * DAY
JANUARY = Period(date(2026, 1, 1), date(2026, 2, 1))
SETTINGS = paws(credited_within=WEEK)
M, T, E, C = Channel.RECOVERY_MESSAGE, Channel.TEXT, Channel.EMAIL, Channel.CALL


def report(*requests: AbandonedRequest, by: Any = (), period: Period = JANUARY) -> Performance:
    return tally(requests, period, by=by, settings=SETTINGS, now=LATER)


def figures(*requests: AbandonedRequest) -> Tally:
    return report(*requests).total


def recovered(*contacts: Contact, after: timedelta = DAY, **changes: Any) -> AbandonedRequest:
    return a_request(
        status=Status.RECOVERED, contacts=contacts, recovery=Recovery(at=NOON + after), **changes
    )


# ── which requests count (P1) ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({}, True),
        ({"status": Status.CONTACTED}, True),
        ({"status": Status.RECOVERED}, True),
        ({"status": Status.COMPLETED}, False),
        ({"route": Route.LEADS}, True),
        ({"listed_at": LATER}, True),
        ({"listed_at": LATER + INSTANT}, False),
        ({"withheld": (Reason.BLOCKED,)}, False),
        ({"deleted_at": NOON}, False),
        ({"step": None}, False),
    ],
)
def test_what_the_list_or_the_leads_have_counts_as_abandoned(
    changes: dict[str, Any], counted: bool
) -> None:
    request = a_request(**changes)
    assert counts_as_abandoned(request, now=LATER) is counted
    assert figures(request).abandoned == counted


@pytest.mark.parametrize(
    ("at", "counted"),
    [
        (utc("2026-01-01T04:59:59"), False),
        (utc("2026-01-01T05:00"), True),
        (utc("2026-02-01T04:59:59"), True),
        (utc("2026-02-01T05:00"), False),
    ],
)
def test_a_period_is_half_open_in_the_local_days_of_the_business(at: Any, counted: bool) -> None:
    assert figures(a_request(abandoned_at=at)).abandoned == counted


# ── the figures of P1, one by one ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("state", "contacted", "sent", "delivered"),
    [
        (ContactState.MADE, 1, 0, 0),
        (ContactState.ACCEPTED, 1, 1, 0),
        (ContactState.DELIVERED, 1, 1, 1),
        (ContactState.FAILED, 0, 1, 0),
        (ContactState.REFUSED, 0, 0, 0),
        (ContactState.UNDONE, 0, 0, 0),
        (ContactState.SENDING, 0, 0, 0),
    ],
)
def test_a_contact_counts_by_its_state(
    state: ContactState, contacted: int, sent: int, delivered: int
) -> None:
    found = figures(a_request(contacts=(a_contact(channel=T, state=state, segments=3),)))
    assert (found.contacted, found.sent, found.delivered) == (contacted, sent, delivered)
    assert found.credits == 3 * sent
    assert len(found.time_to_contact) == contacted


@pytest.mark.parametrize(
    ("channel", "segments", "credits"),
    [(M, 2, 2), (M, None, 1), (T, 10, 10), (T, None, 1), (E, None, 0), (C, None, 0), (C, 5, 0)],
)
def test_credits_are_the_segments_of_texts(
    channel: Channel, segments: int | None, credits: int
) -> None:
    contact = a_contact(channel=channel, state=ContactState.ACCEPTED, segments=segments)
    assert figures(a_request(contacts=(contact,))).credits == credits


def test_a_call_is_a_contact_and_no_message() -> None:
    found = figures(a_request(contacts=(a_contact(state=ContactState.DELIVERED),)))
    assert (found.contacted, found.sent, found.delivered) == (1, 0, 0)


def test_the_time_to_contact_ends_with_the_first_contact_that_counts() -> None:
    failed = a_contact(id="c0", state=ContactState.FAILED, at=NOON + MINUTE)
    first, second = a_contact(at=NOON + HOUR), a_contact(id="c2", at=NOON + 2 * HOUR)
    found = figures(a_request(contacts=(second, failed, first)))
    assert found.time_to_contact.median == HOUR


def test_who_was_active_again_after_the_contact_waited_for_nothing() -> None:
    """C2: new activity moves ``abandoned_at`` past the contact."""
    found = figures(a_request(contacts=(a_contact(at=NOON - DAY),)))
    assert list(found.time_to_contact) == [timedelta(0)]


def test_a_reversed_recovery_is_in_both_figures() -> None:
    """S4: recovered, and recovered net of reversed."""
    kept = recovered(id="r1")
    lost = attrs.evolve(
        recovered(id="r2"), recovery=Recovery(at=NOON + DAY, reversed_at=NOON + 2 * DAY)
    )
    found = figures(kept, lost, a_request(id="r3"), a_request(id="r4"))
    assert (found.recovered, found.reversed, found.net_recovered) == (2, 1, 1)
    assert (found.recovery_rate.value, found.net_recovery_rate.value) == (0.5, 0.25)
    assert found.time_to_recovery.median == DAY


def test_a_recovery_that_nobody_recorded_counts_without_a_time() -> None:
    found = report(a_request(status=Status.RECOVERED), by="channel")
    assert found.total.recovered == 1
    assert len(found.total.time_to_recovery) == 0
    assert found.tally_of(None).recovered == 1


def test_replies_and_opt_outs_are_counted_once_a_request() -> None:
    lines = [HistoryKind.REPLY, HistoryKind.REPLY, HistoryKind.OPTED_OUT, HistoryKind.OPTED_IN]
    history = tuple(HistoryEntry(at=NOON, kind=kind) for kind in lines)
    found = figures(a_request(id="r1", history=history), a_request(id="r2", history=history[:1]))
    assert (found.replied, found.opted_out) == (2, 1)


def test_rates_come_with_their_interval_and_nothing_has_none() -> None:
    some = (a_request(id=f"r{n}", contacts=(a_contact(),)[: n < 15]) for n in range(148))
    found = figures(*some)
    interval = found.contact_rate.interval()
    assert interval is not None
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0624, 0.1605)
    assert (figures().contact_rate.value, figures().contact_rate.interval()) == (None, None)


# ── who gets the credit (P2) ─────────────────────────────────────────────────────────────────────


def contact(channel: Channel, after: timedelta, **changes: Any) -> Contact:
    return a_contact(id=f"{channel}{after}", channel=channel, at=NOON + after, **changes)


@pytest.mark.parametrize(
    ("contacts", "booked_after", "credited"),
    [
        ((), DAY, None),
        ((contact(C, HOUR),), DAY, C),
        ((contact(M, HOUR), contact(C, 2 * HOUR)), DAY, C),
        ((contact(C, 2 * HOUR), contact(M, HOUR)), DAY, C),
        ((contact(M, HOUR), contact(E, DAY + INSTANT)), DAY, M),
        ((contact(E, DAY),), DAY, E),
        ((contact(T, HOUR),), HOUR + WEEK, T),
        ((contact(T, HOUR),), HOUR + WEEK + INSTANT, None),
        ((contact(M, HOUR), contact(T, DAY, state=ContactState.FAILED)), 2 * DAY, M),
        ((contact(C, HOUR, state=ContactState.UNDONE),), DAY, None),
    ],
)
def test_the_last_contact_within_a_week_before_the_booking_gets_the_credit(
    contacts: tuple[Contact, ...], booked_after: timedelta, credited: Channel | None
) -> None:
    request = recovered(*contacts, after=booked_after)
    assert credited_channel(request, credited_within=WEEK) is credited
    assert [row.group for row in report(request, by="channel").rows] == [(credited,)]


def test_how_long_a_contact_is_credited_is_a_setting() -> None:
    request = recovered(contact(T, HOUR), after=3 * HOUR)
    assert credited_channel(request, credited_within=2 * HOUR) is T
    assert credited_channel(request, credited_within=HOUR) is None
    strict = tally([request], JANUARY, by="channel", settings=paws(credited_within=HOUR), now=LATER)
    assert strict.tally_of(None).recovered == 1


def test_what_the_staff_booked_without_any_contact_is_credited_to_none() -> None:
    booked = Recovery(at=NOON + HOUR, by_staff=True)
    request = a_request(status=Status.RECOVERED, recovery=booked)
    assert credited_channel(request, credited_within=WEEK) is None


def test_what_is_not_recovered_stands_with_the_channel_of_its_last_contact() -> None:
    waiting = a_request(contacts=(contact(T, HOUR), contact(M, 2 * HOUR)), status=Status.CONTACTED)
    assert credited_channel(waiting, credited_within=WEEK) is None
    assert [row.group for row in report(waiting, by="channel").rows] == [(M,)]
    assert [row.group for row in report(a_request(), by="channel").rows] == [(None,)]


# ── breakdowns (P1) ──────────────────────────────────────────────────────────────────────────────


def test_steps_stand_in_the_business_s_order_then_those_it_no_longer_has() -> None:
    order = (WELCOME, *reversed(STANDARD_STEPS))
    gone = Step("a step of last year")
    requests = [a_request(id=s, step=s) for s in (gone, Step.PET, WELCOME, Step.TIME)]
    found = tally(requests, JANUARY, by="step", settings=paws(steps=order), now=LATER)
    assert [row.group for row in found.rows] == [(WELCOME,), (Step.TIME,), (Step.PET,), (gone,)]


def test_care_types_stand_by_name_and_without_one_last() -> None:
    forms = [BookingForm(care_type=CareType(c) if c else None) for c in ("zoo", None, "boarding")]
    requests = [a_request(id=str(n), form=form) for n, form in enumerate(forms)]
    found = report(*requests, by=GroupBy.CARE_TYPE)
    assert [row.group for row in found.rows] == [("boarding",), ("zoo",), (None,)]


def test_how_the_last_calls_went_stands_by_name_and_without_one_last() -> None:
    told = [CallOutcome.PRICE, None, CallOutcome.NO_SLOT, CallOutcome.PRICE]
    requests = [a_request(id=str(n), outcome=outcome) for n, outcome in enumerate(told)]
    found = report(*requests, by="outcome")
    rows = [(row.group, row.tally.abandoned) for row in found.rows]
    assert rows == [(("no_slot",), 1), (("price",), 2), ((None,), 1)]


def test_several_breakdowns_give_a_row_for_each_combination_there_is() -> None:
    new, old = ClientType
    requests = [
        a_request(id="a", client_type=old),
        a_request(id="b", client_type=old, step=Step.PET),
        a_request(id="c", client_type=new, contacts=(a_contact(),)),
        a_request(id="d", client_type=old),
    ]
    found = report(*requests, by=["client_type", GroupBy.STEP])
    assert found.by == (GroupBy.CLIENT_TYPE, GroupBy.STEP)
    assert [row.group for row in found.rows] == [(new, "time"), (old, "pet"), (old, "time")]
    assert found.tally_of(old, Step.TIME).abandoned == 2
    assert found.tally_of(new, Step.PET) == Tally()


@pytest.mark.parametrize("by", ["phone", ["step", "zodiac"], ["step", "step"]])
def test_a_breakdown_that_there_is_not_is_refused(by: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        report(by=by)
    assert caught.value.field == "by"


# ── against a naive recount ──────────────────────────────────────────────────────────────────────

INSTANTS = st.sampled_from(
    [NOON + offset for offset in (-30 * DAY, -DAY, timedelta(0), HOUR, DAY, 8 * DAY, 40 * DAY)]
)


def contacts() -> st.SearchStrategy[tuple[Contact, ...]]:
    one = st.builds(
        Contact,
        id=st.sampled_from("abcdef"),
        channel=st.sampled_from(Channel),
        at=INSTANTS,
        state=st.sampled_from(ContactState),
        segments=st.none() | st.integers(1, 3),
    )
    return st.lists(one, max_size=3, unique_by=_id_of).map(tuple)


def _id_of(contact: Contact) -> str:
    return contact.id


CROWDS = st.lists(
    st.builds(
        a_request,
        abandoned_at=INSTANTS,
        step=st.sampled_from([Step.TIME, Step.PET, WELCOME, None]),
        form=st.sampled_from([BookingForm(), BookingForm(care_type=CareType("grooming"))]),
        client_type=st.sampled_from(ClientType),
        outcome=st.sampled_from([None, CallOutcome.PRICE, CallOutcome("on holiday")]),
        status=st.sampled_from(Status),
        route=st.sampled_from(Route),
        withheld=st.sampled_from([(), (), (Reason.BLOCKED,)]),
        deleted_at=st.sampled_from([None, None, NOON]),
        contacts=contacts(),
        recovery=st.none() | st.builds(Recovery, at=INSTANTS, reversed_at=st.none() | INSTANTS),
        history=st.lists(
            st.builds(HistoryEntry, at=INSTANTS, kind=st.sampled_from(HistoryKind)), max_size=3
        ).map(tuple),
    ),
    max_size=8,
)
GROUPINGS = st.lists(st.sampled_from(GroupBy), unique=True, max_size=3)


def counted(requests: list[AbandonedRequest]) -> list[AbandonedRequest]:
    """The requests of January that are listed or in the leads, said in another way."""
    return [
        r
        for r in requests
        if utc("2026-01-01T05:00") <= r.abandoned_at < utc("2026-02-01T05:00")
        and r.step is not None
        and {*unlisted_reasons(r, now=LATER)} <= {Reason.ROUTED_TO_LEADS}
    ]


def messages(r: AbandonedRequest) -> list[Contact]:
    taken = {"accepted", "delivered", "failed"}
    return [c for c in r.contacts if c.channel != "call" and c.state in taken]


def has(r: AbandonedRequest, kind: str) -> bool:
    return kind in [entry.kind for entry in r.history]


NAIVE: dict[str, Callable[[AbandonedRequest], int]] = {
    "abandoned": lambda r: 1,
    "contacted": lambda r: r.last_contacted_at is not None,
    "recovered": lambda r: r.status == "recovered",
    "reversed": lambda r: bool(
        r.status == "recovered" and r.recovery and r.recovery.reversed_at is not None
    ),
    "sent": lambda r: len(messages(r)),
    "delivered": lambda r: [c.state for c in messages(r)].count(ContactState.DELIVERED),
    "replied": lambda r: has(r, "reply"),
    "opted_out": lambda r: has(r, "opted_out"),
    "credits": lambda r: sum(c.segments or (c.channel != "email") for c in messages(r)),
}
FIGURES = {field.name for field in attrs.fields(Tally)}


def test_every_figure_is_recounted() -> None:
    assert {*NAIVE, "time_to_contact", "time_to_recovery"} == FIGURES


def assert_recounted(found: Tally, requests: list[AbandonedRequest]) -> None:
    for name, figure in NAIVE.items():
        assert getattr(found, name) == sum(map(figure, requests)), name
    zero = timedelta(0)
    to_contact = [
        max(zero, min(c.at for c in r.contacts if c.counts) - r.abandoned_at)
        for r in requests
        if r.last_contacted_at is not None
    ]
    to_recovery = [
        max(zero, r.recovery.at - r.abandoned_at)
        for r in requests
        if r.status == "recovered" and r.recovery is not None
    ]
    assert list(found.time_to_contact) == sorted(to_contact)
    assert list(found.time_to_recovery) == sorted(to_recovery)
    seconds = [length.total_seconds() for length in to_contact]
    assert found.time_to_contact.median == (timedelta(seconds=median(seconds)) if seconds else None)


@given(requests=CROWDS)
def test_the_total_is_what_a_naive_recount_finds(requests: list[AbandonedRequest]) -> None:
    assert_recounted(figures(*requests), counted(requests))


@given(requests=CROWDS, by=GROUPINGS)
def test_each_row_is_what_a_naive_recount_of_its_group_finds(
    requests: list[AbandonedRequest], by: list[GroupBy]
) -> None:
    def group_of(r: AbandonedRequest) -> tuple[str | None, ...]:
        last = max((c for c in r.contacts if c.counts), key=lambda c: c.at, default=None)
        channel: Channel | None = last.channel if last else None
        if r.status == "recovered":
            channel = credited_channel(r, credited_within=WEEK)
        values: dict[GroupBy, str | None] = {
            GroupBy.STEP: r.step,
            GroupBy.CARE_TYPE: r.form.care_type,
            GroupBy.CLIENT_TYPE: r.client_type,
            GroupBy.CHANNEL: channel,
            GroupBy.OUTCOME: r.outcome,
        }
        return tuple(values[one] for one in by)

    found = report(*requests, by=by)
    groups = {group_of(request) for request in counted(requests)}
    assert len(found.rows) == len(groups)
    assert {row.group for row in found.rows} == groups
    for row in found.rows:
        assert_recounted(row.tally, [r for r in counted(requests) if group_of(r) == row.group])
    assert found.total == figures(*requests)


@given(requests=CROWDS, by=GROUPINGS, cut=st.integers(0, 8))
def test_reports_of_two_streams_add_up_to_that_of_both(
    requests: list[AbandonedRequest], by: list[GroupBy], cut: int
) -> None:
    one, other = report(*requests[:cut], by=by), report(*requests[cut:], by=by)
    assert one + other == other + one == report(*requests, by=by)


def test_a_stream_is_read_once_and_not_kept() -> None:
    stream = iter([a_request(id="a"), a_request(id="b")])
    assert tally(stream, JANUARY, settings=SETTINGS, now=LATER).total.abandoned == 2
    assert next(stream, None) is None


@pytest.mark.parametrize(
    "other",
    [report(by="step"), report(by="channel", period=Period(NOON, LATER))],
    ids=["breakdown", "period"],
)
def test_reports_of_different_things_do_not_add_up(other: Performance) -> None:
    with pytest.raises(InvalidInput, match="same"):
        report(by="channel") + other


def test_reports_of_two_businesses_add_up_with_the_steps_of_both() -> None:
    own = (*STANDARD_STEPS, WELCOME)
    here = report(a_request(), by="step")
    there = tally(
        [a_request(step=WELCOME), a_request(id="r2")],
        JANUARY, by="step", settings=paws(steps=own), now=LATER,
    )  # fmt: skip
    both = here + there
    assert both.steps == own
    assert [(row.group, row.tally.abandoned) for row in both.rows] == [
        (("time",), 2),
        ((WELCOME,), 1),
    ]
