"""The contract of :class:`~abandoned_booking.ports.PhoneLedger` (R7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from abandoned_booking.ports import PhoneLedger
from abandoned_booking.testing.contracts._tools import THREADS, race

__all__ = ["PhoneLedgerContract"]

_AT: Final = datetime(2026, 3, 8, 6, 30, 0, 250_000, tzinfo=UTC)
_DAY: Final = timedelta(hours=24)
_INSTANT: Final = timedelta(microseconds=1)
_PHONE: Final = "+12125550199"


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


class PhoneLedgerContract:
    """Everything that :class:`~abandoned_booking.ports.PhoneLedger` promises.

    Subclass it and give the fixture ``ledger``: a new, empty ledger for each test, usable from
    several threads.
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
