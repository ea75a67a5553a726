"""Whose turn it is: nobody waits for a crowd, whatever pictures of the queue are thrown away."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.stores.sqlalchemy import _turns
from abandoned_booking.stores.sqlalchemy._schema import Key
from abandoned_booking.stores.sqlalchemy._turns import Planned, Turns
from abandoned_booking.testing.factory import LEFT_AT

NOW: Final = LEFT_AT
SECOND: Final = timedelta(seconds=1)
Due = dict[str, list[tuple[datetime, str]]]
"""what is due, by business"""


def due_of(counts: list[int]) -> Due:
    """So many of each business: the first business's were all due before the next one's, ..."""
    return {
        f"b{nth}": [(NOW - (len(counts) - nth) * SECOND, f"b{nth}-{n}") for n in range(count)]
        for nth, count in enumerate(counts)
    }


def picture_of(due: Due, most: int) -> list[Planned]:
    """What the store's one statement reads."""
    rows = [
        Planned(turn, at, (business, request_id))
        for business, waiting in due.items()
        for turn, (at, request_id) in enumerate(waiting, 1)
    ]
    return sorted(rows)[:most]


def hand_out(turns: Turns, due: Due, *, at: datetime, most: int, limit: int) -> list[str]:
    """A claim: businesses in the order of their turns; what is handed out is due no more."""
    keys = handed_out(turns, at, limit)
    if not keys:
        turns.take(picture_of(due, most + turns.served), most=most, at=at, took=0)
        keys = handed_out(turns, at, limit)
    for business, request_id in keys:
        due[business] = [each for each in due[business] if each[1] != request_id]
    return [business for business, _ in keys]


def handed_out(turns: Turns, at: datetime, limit: int) -> list[Key]:
    """What is next, all of it claimed."""
    given = turns.next(at, limit)
    if given:
        turns.used(given, len(given), claimed=len(given), now=at)
    return [planned.key for planned in given]


def drained(counts: list[int], *, most: int, limit: int, each: timedelta) -> list[str]:
    turns, due, order = Turns(), due_of(counts), []
    for nth in range(sum(counts)):
        order += hand_out(turns, due, at=NOW + nth * each, most=most, limit=limit)
    return order


counts = st.lists(st.integers(1, 6), min_size=1, max_size=12)


@given(counts=counts, limit=st.integers(1, 7), seconds=st.integers(0, 59))
def test_every_business_has_its_turn_before_any_has_another(
    counts: list[int], limit: int, seconds: int
) -> None:
    # Fewer are planned than wait; after six seconds and more no picture outlives its first claim.
    order = drained(counts, most=limit, limit=limit, each=timedelta(seconds=seconds))
    assert Counter(order) == {f"b{nth}": count for nth, count in enumerate(counts) if count}
    had: Counter[str] = Counter()
    left = Counter(order)
    for business in order:
        waiting = [other for other in left if left[other] > 0 and other != business]
        had[business] += 1
        left[business] -= 1
        assert all(had[business] <= had[other] + 1 for other in waiting)


def test_a_crowd_of_businesses_keeps_nobody_waiting_for_all_that_they_have() -> None:
    order = drained([40] * 30 + [1], most=50, limit=3, each=6 * SECOND)
    assert order.index("b30") < 31


def test_within_a_turn_who_was_due_first_is_first() -> None:
    assert drained([2, 1, 2], most=9, limit=9, each=SECOND) == ["b0", "b1", "b2", "b0", "b2"]


def test_a_picture_lasts_some_seconds_and_a_clock_set_back_ends_it() -> None:
    for seconds, is_used in ((4, True), (6, False), (-4, True), (-3_600, False)):
        turns = Turns()
        turns.take(picture_of(due_of([3]), 9), most=9, at=NOW, took=0)
        assert bool(handed_out(turns, NOW + seconds * SECOND, 1)) is is_used, seconds


def test_a_dear_picture_lasts_longer_but_no_minute() -> None:
    for took, seconds in ((0.1, 5), (1.0, 20), (900.0, 30)):
        turns = Turns()
        turns.take(picture_of(due_of([3]), 9), most=9, at=NOW, took=took)
        assert handed_out(turns, NOW + seconds * SECOND, 1), took
        assert not handed_out(turns, NOW + (seconds + 1) * SECOND, 1), took


def test_after_a_pause_a_new_turn_begins() -> None:
    def then(pause: timedelta) -> list[Key]:
        turns = Turns()
        turns.take(picture_of(due_of([2, 2]), 9), most=9, at=NOW, took=0)
        assert handed_out(turns, NOW, 1) == [("b0", "b0-0")]
        turns.take(picture_of(due_of([2, 2]), 9), most=9, at=NOW + pause, took=0)
        return handed_out(turns, NOW + pause, 1)

    assert then(_turns.A_PAUSE - SECOND) == [("b1", "b1-0")]
    assert then(_turns.A_PAUSE) == [("b0", "b0-0")]


def test_when_all_that_was_due_is_handed_out_a_new_turn_begins() -> None:
    turns = Turns()
    turns.take(picture_of(due_of([2, 2]), 9), most=9, at=NOW, took=0)
    handed_out(turns, NOW, 1)
    turns.everyone_was_served()
    turns.take(picture_of(due_of([2, 2]), 9), most=9, at=NOW, took=0)
    assert handed_out(turns, NOW, 1) == [("b0", "b0-0")]


def test_no_more_businesses_are_remembered_than_there_is_room_for() -> None:
    turns = Turns()
    for business in range(_turns.MOST_SERVED + 1):
        turns.take([Planned(1, NOW, (f"b{business}", "r"))], most=9, at=NOW, took=0)
        assert handed_out(turns, NOW, 1)
        assert turns.served <= _turns.MOST_SERVED
    assert turns.served == 1


def test_what_was_not_looked_for_is_next_again_and_nobody_was_served_by_it() -> None:
    turns = Turns()
    turns.take(picture_of(due_of([1, 1, 1]), 9), most=9, at=NOW, took=0)
    given = turns.next(NOW, 3)
    turns.used(given, 1, claimed=1, now=NOW)
    assert turns.served == 1
    assert handed_out(turns, NOW, 9) == [("b1", "b1-0"), ("b2", "b2-0")]


def test_the_share_that_others_leave_is_learned_and_forgotten_again() -> None:
    turns = Turns()
    for claimed, at_least, at_most in ((1, 0.2, 0.35), (0, 0.1, 0.11), (4, 0.9, 1.0)):
        for _ in range(9):
            turns.take(picture_of(due_of([4]), 9), most=9, at=NOW, took=0)
            turns.used(turns.next(NOW, 4), 4, claimed=claimed, now=NOW)
        assert at_least <= turns.share <= at_most, claimed
