"""The contract of :class:`~abandoned_booking.ports.PhoneLedger` (R7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.ports import PhoneLedger
from abandoned_booking.stores.memory import MemoryLedger
from abandoned_booking.testing.contracts import _tasks
from abandoned_booking.testing.contracts._processes import (
    CanBeOpenedAgain,
    Reopen,
    again,
    killed_after,
    raced,
)
from abandoned_booking.testing.contracts._tools import THREADS, generated, new_business, race

__all__ = ["PhoneLedgerContract"]

_AT: Final = datetime(2026, 3, 8, 6, 30, 0, 250_000, tzinfo=UTC)
_DAY: Final = timedelta(hours=24)
_INSTANT: Final = timedelta(microseconds=1)
_PHONE: Final = "+12125550199"


_Call: TypeAlias = tuple[str, str, str, int, int]
_calls: Final = st.tuples(
    st.sampled_from(["reserve", "reserve", "release"]),
    st.sampled_from(["p1", "p2"]),
    st.sampled_from(["r1", "r2", "r3"]),
    st.integers(0, 6),
    st.integers(0, 4),
)
"""what is done, with which phone, by whom, at which hour, not within how many hours"""


def _reserve(
    ledger: PhoneLedger,
    owner: str,
    *,
    after: timedelta = timedelta(0),
    phone: str = _PHONE,
    business_id: str = "paws",
    not_within: timedelta = _DAY,
) -> bool:
    return ledger.reserve(business_id, phone, owner=owner, at=_AT + after, not_within=not_within)


class PhoneLedgerContract(CanBeOpenedAgain):
    """Everything that :class:`~abandoned_booking.ports.PhoneLedger` promises.

    Subclass it and give the fixture ``ledger``: a new, empty ledger for each test, usable from
    several threads; and ``reopen`` if other processes can open the same one.
    """

    def test_a_phone_is_reserved_once_within_the_time(self, ledger: PhoneLedger) -> None:
        assert _reserve(ledger, "r1") is True, "reserve: True if there is no reservation"
        for after in (timedelta(0), _INSTANT, _DAY / 2, _DAY - _INSTANT):
            line = "reserve: False while another owner's is less than not_within old"
            assert _reserve(ledger, "r2", after=after) is False, line

    def test_a_phone_is_free_again_at_exactly_the_time(self, ledger: PhoneLedger) -> None:
        assert _reserve(ledger, "r1") is True, "reserve: True if there is no reservation"
        line = "reserve: True if the other's is not_within or more before this one"
        assert _reserve(ledger, "r2", after=_DAY) is True, line
        line = "reserve: the reservation is then this one"
        assert _reserve(ledger, "r1", after=_DAY + _INSTANT) is False, line
        assert _reserve(ledger, "r3", after=2 * _DAY - _INSTANT) is False, line
        assert _reserve(ledger, "r3", after=2 * _DAY) is True, line

    def test_the_same_owner_reserves_again_and_the_time_starts_anew(
        self, ledger: PhoneLedger
    ) -> None:
        for after in (timedelta(0), timedelta(0), _DAY / 2):
            line = "reserve: True for a reservation of the same owner"
            assert _reserve(ledger, "r1", after=after) is True, line
        line = "reserve: the reservation of the same owner is then this one"
        assert _reserve(ledger, "r2", after=_DAY) is False, line
        assert _reserve(ledger, "r2", after=_DAY / 2 + _DAY) is True, line

    def test_a_refused_reservation_changes_nothing(self, ledger: PhoneLedger) -> None:
        _reserve(ledger, "r1")
        _reserve(ledger, "r2", after=_DAY - _INSTANT)
        line = "reserve: a False changes nothing, neither owner nor time"
        assert _reserve(ledger, "r3", after=_DAY) is True, line

    def test_a_reservation_in_the_future_is_in_force(self, ledger: PhoneLedger) -> None:
        _reserve(ledger, "r1", after=3 * _DAY)
        line = "reserve: a reservation in the future (a clock that was set back) is in force"
        assert _reserve(ledger, "r2") is False, line
        assert _reserve(ledger, "r2", after=3 * _DAY) is False, line

    def test_not_within_is_the_callers_each_time(self, ledger: PhoneLedger) -> None:
        _reserve(ledger, "r1")
        line = "reserve: not_within is that of this call"
        hour = timedelta(hours=1)
        assert _reserve(ledger, "r2", after=hour - _INSTANT, not_within=hour) is False, line
        assert _reserve(ledger, "r2", after=hour, not_within=hour) is True, line
        assert _reserve(ledger, "r3", after=hour, not_within=timedelta(0)) is True, line

    def test_phones_are_opaque_keys(self, ledger: PhoneLedger) -> None:
        _reserve(ledger, "r1", phone="Ab1 ")
        line = "reserve: phone is an opaque key, compared as it is"
        for phone in ("ab1 ", "Ab1", "Ab_ ", "%", "+Ab1 "):
            assert _reserve(ledger, "r2", phone=phone) is True, line
        assert _reserve(ledger, "r3", phone="Ab1 ") is False, line

    def test_each_business_has_a_ledger_of_its_own(self, ledger: PhoneLedger) -> None:
        _reserve(ledger, "r1")
        line = "reserve: another business's reservation does not count"
        assert _reserve(ledger, "r2", business_id="claws") is True, line
        ledger.release("claws", _PHONE, owner="r2")
        line = "release: leaves other businesses alone"
        assert _reserve(ledger, "r3") is False, line

    def test_a_released_phone_is_free_at_once(self, ledger: PhoneLedger) -> None:
        _reserve(ledger, "r1")
        ledger.release("paws", _PHONE, owner="r1")
        line = "release: gives the reservation back"
        assert _reserve(ledger, "r2", after=_INSTANT) is True, line

    def test_releasing_another_owners_or_nothing_changes_nothing(self, ledger: PhoneLedger) -> None:
        ledger.release("paws", _PHONE, owner="r1")
        _reserve(ledger, "r1")
        ledger.release("paws", _PHONE, owner="r2")
        ledger.release("paws", "+12125550100", owner="r1")
        line = "release: one that is not there, or another owner's, stays as it is"
        assert _reserve(ledger, "r2", after=_INSTANT) is False, line

    def test_of_many_reserving_one_phone_at_once_exactly_one_gets_it(
        self, ledger: PhoneLedger
    ) -> None:
        for day in range(8):
            owners = [f"{day}-{nth}" for nth in range(THREADS)]
            won = race(
                *(
                    lambda owner=owner, day=day: _reserve(ledger, owner, after=day * _DAY)
                    for owner in owners
                )
            )
            line = "reserve: of N concurrent owners exactly one gets True"
            assert won.count(True) == 1, line
            holder = owners[won.index(True)]
            line = "reserve: the reservation is that of the owner that got True"
            assert _reserve(ledger, holder, after=day * _DAY) is True, line

    @generated
    @given(calls=st.lists(_calls, max_size=12))
    def test_any_sequence_of_calls_is_answered_as_by_the_memory_ledger(
        self, ledger: PhoneLedger, calls: list[_Call]
    ) -> None:
        business_id, beside = new_business(), MemoryLedger()
        for nth, call in enumerate(calls):
            answer, expected = (_called(each, business_id, call) for each in (ledger, beside))
            line = "as reserve and release say, whatever came before"
            assert answer == expected, f"reserve: {line}: call {nth + 1} of {calls}"

    # ── other connections, other processes ──────────────────────────────────────────────────────

    def test_a_second_connection_sees_a_reservation_at_once(
        self, ledger: PhoneLedger, reopen: Reopen
    ) -> None:
        with again(reopen, "ledger") as other:
            for nth, (one, two) in enumerate([(ledger, other), (other, ledger)] * 2):
                phone = f"p{nth}"
                assert _reserve(one, "r1", phone=phone), "reserve: True if there is no reservation"
                line = "reserve: durable, and seen by another connection, before it returns"
                assert _reserve(two, "r2", phone=phone, after=_INSTANT) is False, line
                two.release("paws", phone, owner="r1")
                line = "release: durable, and seen by another connection, before it returns"
                assert _reserve(one, "r3", phone=phone, after=_INSTANT) is True, line

    def test_of_processes_that_reserve_one_phone_exactly_one_gets_it(
        self, ledger: PhoneLedger, reopen: Reopen
    ) -> None:
        told = raced(_tasks.reserves_the_same, reopen, "ledger")
        won = [phone for phones in told.values() for phone in phones]
        line = "reserve: of N processes exactly one gets True"
        assert sorted(won) == sorted(f"p{nth}" for nth in range(_tasks.ROUNDS)), line
        for owner, phones in told.items():
            for phone in phones:
                line = "reserve: the reservation is that of the process that got True"
                assert _tasks.reserved(ledger, phone, owner) is True, line

    def test_what_was_reserved_outlives_a_sudden_death(
        self, ledger: PhoneLedger, reopen: Reopen
    ) -> None:
        for dead in killed_after(_tasks.reserves_on_and_on, reopen, "ledger"):
            with again(reopen, "ledger") as other:
                for phone in dead.told:
                    line = "reserve: what has returned outlives the sudden death of its process"
                    assert _tasks.reserved(other, phone, "another") is False, line
                    assert _tasks.reserved(ledger, phone, "another") is False, line

    def test_what_was_released_outlives_a_sudden_death(
        self, ledger: PhoneLedger, reopen: Reopen
    ) -> None:
        for dead in killed_after(_tasks.releases_on_and_on, reopen, "ledger"):
            with again(reopen, "ledger") as other:
                for nth, phone in enumerate(dead.told):
                    line = "release: what has returned outlives the sudden death of its process"
                    asked = other if nth % 2 else ledger
                    assert _tasks.reserved(asked, phone, "another") is True, line


def _called(ledger: PhoneLedger, business_id: str, call: _Call) -> bool | None:
    what, phone, owner, at, not_within = call
    if what == "release":
        ledger.release(business_id, phone, owner=owner)
        return None
    return _reserve(
        ledger,
        owner,
        phone=phone,
        business_id=business_id,
        after=timedelta(hours=at),
        not_within=timedelta(hours=not_within),
    )
