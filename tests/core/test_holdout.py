"""The lift beside P1: who is held out, for ever the same; and two groups compared fairly."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import attrs
import pytest
from core._examples import HOUR, INSTANT, MINUTE, NOON, a_contact, paws, utc
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.flow import Booked
from abandoned_booking.core.holdout import Arm, Lift, is_held_out, lift
from abandoned_booking.core.lifecycle import AppointmentCancelled, StaffScheduled, advance
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    HistoryEntry,
    HistoryKind,
    MessagePhase,
    Reason,
    RecoveryMessage,
    Status,
)
from abandoned_booking.core.periods import Period
from abandoned_booking.core.planning import rescheduled
from abandoned_booking.core.sending import Accepted, Rejected, after_result, begun, revived, skipped
from abandoned_booking.errors import InvalidInput
from abandoned_booking.testing import a_request
from abandoned_booking.testing.strategies import ids

DAY = timedelta(days=1)
WEEK = 7 * DAY
DRAWN_AT = NOON + 2 * HOUR
JANUARY = Period(date(2026, 1, 1), date(2026, 2, 1))
MUCH_LATER = utc("2026-06-01")
SETTINGS = paws(credited_within=WEEK)
ONLY_HELD_OUT = (Reason.HELD_OUT,)


# ── the draw ─────────────────────────────────────────────────────────────────────────────────────


def test_the_draw_of_a_request_is_the_same_for_ever() -> None:
    """These answers may never change: a request would go from one group to the other."""
    drawn = "".join("x" if is_held_out("paws", f"r{n}", share=0.3) else "." for n in range(40))
    assert drawn == GOLDEN


GOLDEN = ".x.xx..x...xx........xx.x......x........"


@given(business=ids(), request=ids(), one=st.floats(0, 0.5), other=st.floats(0, 0.5))
def test_a_larger_share_only_adds_requests(
    business: str, request: str, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    if is_held_out(business, request, share=less):
        assert is_held_out(business, request, share=more)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_about_the_share_is_held_out(share: float) -> None:
    held = sum(is_held_out("paws", f"request-{number}", share=share) for number in range(4_000))
    assert held / 4_000 == pytest.approx(share, abs=0.02)


def test_businesses_draw_apart_and_no_two_keys_run_together() -> None:
    drawn = [
        tuple(is_held_out(business, f"{prefix}{n}", share=0.5) for n in range(64))
        for business, prefix in (("paws", "1"), ("paws1", ""), ("claws", "1"))
    ]
    assert len(set(drawn)) == 3


def test_an_id_with_half_a_surrogate_pair_is_drawn_too() -> None:
    assert is_held_out("paws", "\ud800", share=1.0)


# ── the two groups ───────────────────────────────────────────────────────────────────────────────


def waiting(**changes: Any) -> AbandonedRequest:
    return a_request(**changes)


def messaged(at: datetime = DRAWN_AT, **changes: Any) -> AbandonedRequest:
    """A request whose recovery message was sent."""
    started = begun(waiting(**changes), at=at, until=at + 2 * MINUTE, segments=1)
    return after_result(started, Accepted(provider_id="p"), begin=1, at=at)


def held_out(at: datetime = DRAWN_AT, **changes: Any) -> AbandonedRequest:
    """A request whose recovery message was held back for the comparison alone."""
    return skipped(waiting(**changes), ONLY_HELD_OUT, at=at)


def after_booking(request: AbandonedRequest, at: datetime) -> AbandonedRequest:
    booked = Booked(business_id="paws", session_id=request.session_id, at=at, appointment_id="a1")
    return rescheduled(advance(request, booked), SETTINGS, at=at)


def lifted(
    *requests: AbandonedRequest, now: datetime = MUCH_LATER, period: Period = JANUARY
) -> Lift:
    return lift(requests, period, settings=SETTINGS, now=now)


def test_a_booking_counts_alike_though_one_is_recovered_and_the_other_completed() -> None:
    one, other = (after_booking(r, DRAWN_AT + DAY) for r in (messaged(), held_out()))
    assert (one.status, other.status) == (Status.RECOVERED, Status.COMPLETED)
    found = lifted(one, other)
    assert found.messaged == found.held_out == Arm(requests=1, booked=1)
    assert found.difference == 0


def test_a_held_out_visitor_who_comes_back_and_books_stays_in_the_group() -> None:
    """New activity has the message thought about again; booked, it is skipped as completed."""
    active = revived(held_out())
    assert active.message.phase is MessagePhase.PENDING
    booked = after_booking(active, DRAWN_AT + DAY)
    assert booked.message.reasons == (Reason.COMPLETED,)
    assert lifted(booked).held_out == Arm(requests=1, booked=1)


def test_what_was_drawn_first_stays_whatever_came_of_it() -> None:
    refused = after_result(
        begun(waiting(), at=DRAWN_AT, until=DRAWN_AT + MINUTE, segments=1),
        Rejected(reason="no"),
        begin=1,
        at=DRAWN_AT,
    )
    assert lifted(refused).messaged.requests == 1
    freed = begun(revived(held_out()), at=DRAWN_AT + DAY, until=DRAWN_AT + 2 * DAY, segments=1)
    assert lifted(freed) == lifted(held_out())


@pytest.mark.parametrize(
    "reasons",
    [
        (),
        (Reason.OPTED_OUT,),
        (Reason.OPTED_OUT, Reason.HELD_OUT),
        (Reason.HELD_OUT, Reason.MISSED),
    ],
    ids=["pending", "another reason", "another one too", "missed too"],
)
def test_what_would_not_have_been_sent_anyway_is_in_neither_group(
    reasons: tuple[Reason, ...],
) -> None:
    request = skipped(waiting(), reasons, at=DRAWN_AT) if reasons else waiting()
    assert lifted(after_booking(request, DRAWN_AT + DAY)) == Lift(booked_within=WEEK)


def test_whoever_had_booked_before_the_draw_is_in_neither_group() -> None:
    for request in (messaged(), held_out()):
        late = after_booking(request, DRAWN_AT - INSTANT)
        assert late.status is Status.COMPLETED
        assert lifted(late) == Lift(booked_within=WEEK)


@pytest.mark.parametrize("draw", [messaged, held_out])
@pytest.mark.parametrize(("after", "booked"), [(WEEK, 1), (WEEK + INSTANT, 0)])
def test_both_groups_have_the_same_time_to_book(draw: Any, after: timedelta, booked: int) -> None:
    found = lifted(after_booking(draw(), DRAWN_AT + after))
    assert found.messaged + found.held_out == Arm(requests=1, booked=booked)


@pytest.mark.parametrize("draw", [messaged, held_out])
def test_who_still_has_time_is_waiting_and_neither_booked_nor_not(draw: Any) -> None:
    request = after_booking(draw(), DRAWN_AT + DAY)
    early = lifted(request, now=DRAWN_AT + WEEK - INSTANT)
    assert early.messaged + early.held_out == Arm(waiting=1)
    in_time = lifted(request, now=DRAWN_AT + WEEK)
    assert in_time.messaged + in_time.held_out == Arm(requests=1, booked=1)


def test_a_reversed_booking_counts_because_only_one_group_would_know_of_it() -> None:
    booked = after_booking(messaged(), DRAWN_AT + DAY)
    cancelled = advance(booked, AppointmentCancelled(at=DRAWN_AT + 2 * DAY, appointment_id="a1"))
    again = advance(cancelled, StaffScheduled(at=DRAWN_AT + 20 * DAY, appointment_id="a2"))
    for request in (cancelled, again):
        assert lifted(request).messaged == Arm(requests=1, booked=1)


def test_what_the_staff_did_beside_is_told() -> None:
    call = a_contact(at=DRAWN_AT + DAY)
    late = a_contact(id="c2", at=DRAWN_AT + 8 * DAY)
    failed = a_contact(id="c3", at=DRAWN_AT + DAY, state="failed")
    own = a_contact(id="m", at=DRAWN_AT, channel=Channel.RECOVERY_MESSAGE)
    called = attrs.evolve(held_out(), contacts=(call, late))
    untouched = attrs.evolve(held_out(), contacts=(late, failed, own))
    assert lifted(called).held_out.contacted_by_staff == 1
    assert lifted(untouched).held_out.contacted_by_staff == 0


def test_the_period_looks_at_the_draw_and_not_at_the_last_activity() -> None:
    request = attrs.evolve(held_out(), abandoned_at=utc("2026-03-01"))
    assert lifted(request).held_out.requests == 1
    assert lifted(request, period=Period(date(2026, 3, 1), date(2026, 4, 1))).held_out == Arm()
    just = Period(DRAWN_AT, DRAWN_AT + INSTANT)
    assert lifted(request, period=just).held_out.requests == 1
    assert lifted(request, period=Period(NOON, DRAWN_AT)).held_out == Arm()


def test_deleted_requests_stay_in_their_group() -> None:
    assert lifted(held_out(deleted_at=MUCH_LATER)).held_out.requests == 1


def test_a_very_long_history_leaves_the_message_itself_to_tell() -> None:
    line = HistoryEntry(at=NOON, kind=HistoryKind.STEP)
    both = [attrs.evolve(request, history=(line,)) for request in (messaged(), held_out())]
    found = lifted(*both)
    assert (found.messaged.requests, found.held_out.requests) == (1, 1)
    undated = RecoveryMessage(phase=MessagePhase.SKIPPED, reasons=ONLY_HELD_OUT)
    assert lifted(waiting(message=undated)) == Lift(booked_within=WEEK)


# ── the figures ──────────────────────────────────────────────────────────────────────────────────


def test_the_lift_has_newcombes_interval_and_the_bookings_it_brought() -> None:
    found = Lift(
        booked_within=WEEK,
        messaged=Arm(requests=70, booked=56),
        held_out=Arm(requests=80, booked=48),
    )
    interval = found.interval()
    assert interval is not None
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0524, 0.3339)
    assert found.difference == pytest.approx(0.2)
    assert found.extra_bookings == pytest.approx(14)
    wider = found.interval(0.99)
    assert wider is not None
    assert wider.low < interval.low


def test_without_either_group_there_is_no_lift() -> None:
    for found in (Lift(booked_within=WEEK), lifted(messaged()), lifted(held_out())):
        assert (found.difference, found.interval(), found.extra_bookings) == (None, None, None)


KINDS = st.lists(
    st.tuples(st.sampled_from([messaged, held_out]), st.none() | st.integers(-1, 9)), max_size=6
)


@given(kinds=KINDS, cut=st.integers(0, 6))
def test_lifts_of_two_streams_add_up_to_that_of_both(kinds: list[Any], cut: int) -> None:
    requests = [
        draw() if days is None else after_booking(draw(), DRAWN_AT + days * DAY)
        for draw, days in kinds
    ]
    assert lifted(*requests[:cut]) + lifted(*requests[cut:]) == lifted(*requests)


def test_lifts_with_different_times_to_book_do_not_add_up() -> None:
    with pytest.raises(InvalidInput, match="booked_within"):
        Lift(booked_within=WEEK) + Lift(booked_within=DAY)
