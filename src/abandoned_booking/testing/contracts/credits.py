"""The contract of :class:`~abandoned_booking.ports.CreditLedger` (R6, M3)."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.ports import CreditLedger
from abandoned_booking.testing.contracts import _tasks
from abandoned_booking.testing.contracts._processes import (
    CanBeOpenedAgain,
    Reopen,
    again,
    raced,
)
from abandoned_booking.testing.contracts._tools import THREADS, fewer, race

__all__ = ["CreditLedgerContract"]

_NEVER_BELOW_ZERO: Final = "reserve: the balance is never negative, whoever reserves meanwhile"
_Call: TypeAlias = tuple[str, int]
_calls: Final = st.lists(
    st.tuples(st.sampled_from(["m1", "m2", "m3"]), st.sampled_from([0, 0, 1, 3, 4, 5, 6, 11])),
    max_size=12,
)
"""who reserves how many; 0: who gives back what is set aside"""


class CreditLedgerContract(CanBeOpenedAgain):
    """Everything that :class:`~abandoned_booking.ports.CreditLedger` promises.

    Subclass it and give the fixture ``credits``: a ledger that is new for each test, usable from
    several threads, in which ``business_id`` has exactly 10 credits and ``other_business_id`` 3.
    Give ``reopen`` too if other processes can open the same ledger.
    """

    business_id: ClassVar[str] = "paws"
    other_business_id: ClassVar[str] = "claws"

    def _reserve(self, credits: CreditLedger, owner: str, number: int) -> bool:
        return credits.reserve(self.business_id, owner=owner, credits=number)

    def _commit(self, credits: CreditLedger, owner: str, number: int) -> None:
        credits.commit(self.business_id, owner=owner, credits=number)

    def _release(self, credits: CreditLedger, owner: str) -> None:
        credits.release(self.business_id, owner=owner)

    def _assert_left(self, credits: CreditLedger, number: int, line: str) -> None:
        left = credits.balance(self.business_id)
        assert left == number, f"{line}: {number} credits can still be reserved, not {left}"

    # ── reserve ─────────────────────────────────────────────────────────────────────────────────

    def test_credits_are_set_aside_as_long_as_there_are_enough(self, credits: CreditLedger) -> None:
        self._assert_left(credits, 10, "balance: of a new ledger, see CreditLedgerContract")
        assert self._reserve(credits, "m1", 4) is True, "reserve: True if they are set aside"
        self._assert_left(credits, 6, "reserve: what is set aside is not free")
        assert self._reserve(credits, "m2", 7) is False, "reserve: False if there are not enough"
        self._assert_left(credits, 6, "reserve: a False changes nothing")
        assert self._reserve(credits, "m2", 6) is True, "reserve: True for exactly what is left"
        self._assert_left(credits, 0, "reserve: down to nothing")
        assert self._reserve(credits, "m3", 1) is False, "reserve: False if there are not enough"

    def test_an_owner_that_was_refused_may_ask_again(self, credits: CreditLedger) -> None:
        assert self._reserve(credits, "m1", 10) is True, "reserve: True for exactly what is left"
        assert self._reserve(credits, "m2", 1) is False, "reserve: False if there are not enough"
        self._release(credits, "m1")
        line = "reserve: a False changes nothing: neither credits nor owner"
        assert self._reserve(credits, "m2", 10) is True, line
        self._assert_left(credits, 0, line)

    def test_an_owner_has_its_credits_set_aside_once(self, credits: CreditLedger) -> None:
        for number in (4, 4, 10, 1):
            line = "reserve: True if the owner already had them"
            assert self._reserve(credits, "m1", number) is True, line
            self._assert_left(credits, 6, "reserve: once for each owner")
        self._release(credits, "m1")
        self._assert_left(credits, 10, "release: what was set aside is free again")

    # ── commit and release ──────────────────────────────────────────────────────────────────────

    def test_what_was_committed_is_spent(self, credits: CreditLedger) -> None:
        self._reserve(credits, "m1", 4)
        for _ in range(3):
            self._commit(credits, "m1", 4)
            self._assert_left(credits, 6, "commit: what was set aside is spent, once")
        self._release(credits, "m1")
        self._assert_left(credits, 6, "release: what was spent is not free again")
        assert self._reserve(credits, "m1", 4) is True, (
            "reserve: True if the owner had them already"
        )
        self._assert_left(credits, 6, "reserve: a message that was paid for is not paid again")

    def test_what_was_released_is_free_again(self, credits: CreditLedger) -> None:
        self._reserve(credits, "m1", 4)
        self._reserve(credits, "m2", 3)
        for _ in range(3):
            self._release(credits, "m1")
            self._assert_left(credits, 7, "release: what was set aside is free again, once")
        self._release(credits, "nobody")
        self._assert_left(credits, 7, "release: of an owner that has nothing, nothing")
        assert self._reserve(credits, "m1", 7) is True, (
            "reserve: after a release, as if for the first"
        )
        self._assert_left(credits, 0, "reserve: after a release, as if for the first time")

    def test_what_is_billed_may_be_less_or_more_than_was_set_aside(
        self, credits: CreditLedger
    ) -> None:
        self._reserve(credits, "m1", 4)
        self._commit(credits, "m1", 2)
        self._assert_left(credits, 8, "commit: credits is what the provider billed")
        self._reserve(credits, "m2", 2)
        self._commit(credits, "m2", 3)
        self._assert_left(credits, 5, "commit: credits is what the provider billed")

    def test_the_balance_is_not_negative_though_more_is_billed(self, credits: CreditLedger) -> None:
        self._reserve(credits, "m1", 9)
        self._commit(credits, "m1", 12)
        line = "balance: the credits that can still be reserved; never negative"
        self._assert_left(credits, 0, line)
        assert self._reserve(credits, "m2", 1) is False, line

    def test_each_business_has_credits_of_its_own(self, credits: CreditLedger) -> None:
        other = self.other_business_id
        self._reserve(credits, "m1", 9)
        line = "two businesses with the same owners never touch each other"
        assert credits.balance(other) == 3, f"reserve: {line}"
        assert credits.reserve(other, owner="m1", credits=4) is False, f"reserve: {line}"
        assert credits.reserve(other, owner="m1", credits=2) is True, f"reserve: {line}"
        credits.commit(other, owner="m1", credits=2)
        self._release(credits, "m1")
        self._assert_left(credits, 10, f"commit: {line}")
        assert credits.balance(other) == 1, f"release: {line}"

    # ── races ───────────────────────────────────────────────────────────────────────────────────

    def test_of_many_reserving_at_once_no_more_are_served_than_there_are_credits(
        self, credits: CreditLedger
    ) -> None:
        for number in range(8):
            owners = [f"{number}-{nth}" for nth in range(THREADS)]
            won = race(*(partial(self._reserve, credits, owner, 3) for owner in owners))
            assert won.count(True) == 3, _NEVER_BELOW_ZERO
            self._assert_left(credits, 1, _NEVER_BELOW_ZERO)
            race(*(partial(self._release, credits, owner) for owner in owners))
            self._assert_left(credits, 10, "release: frees what was set aside, once")

    def test_many_reserving_for_one_owner_at_once_set_its_credits_aside_once(
        self, credits: CreditLedger
    ) -> None:
        for number in range(8):
            owner = f"m{number}"
            assert all(race(*[partial(self._reserve, credits, owner, 1)] * THREADS)), (
                "reserve: True if the owner already had them"
            )
            self._assert_left(credits, 9, "reserve: once for each owner")
            self._release(credits, owner)

    def test_many_ending_one_message_at_once_end_it_once(self, credits: CreditLedger) -> None:
        for number in range(5):
            left = 10 - number
            self._reserve(credits, f"kept{number}", 1)
            race(*[partial(self._commit, credits, f"kept{number}", 1)] * THREADS)
            self._assert_left(credits, left - 1, "commit: a repeat changes nothing")
            self._reserve(credits, f"freed{number}", 2)
            race(*[partial(self._release, credits, f"freed{number}")] * THREADS)
            self._assert_left(credits, left - 1, "release: a repeat does no harm")

    @fewer(25)
    @given(calls=_calls)
    def test_any_sequence_of_reservations_keeps_the_books(
        self, credits: CreditLedger, calls: list[_Call]
    ) -> None:
        held: dict[str, int] = {}
        for nth, (owner, number) in enumerate(calls):
            line = f"call {nth + 1} of {calls}"
            if number:
                enough = owner in held or number <= 10 - sum(held.values())
                assert self._reserve(credits, owner, number) is enough, f"reserve: {line}"
                if enough:
                    held.setdefault(owner, number)
            else:
                self._release(credits, owner)
                held.pop(owner, None)
            self._assert_left(credits, 10 - sum(held.values()), line)
        for owner in held:
            self._release(credits, owner)

    # ── other connections, other processes ──────────────────────────────────────────────────────

    def test_a_second_connection_sees_every_change_at_once(
        self, credits: CreditLedger, reopen: Reopen
    ) -> None:
        with again(reopen, "credit ledger") as other:
            line = "another connection sees what has returned"
            for nth, (one, two) in enumerate([(credits, other), (other, credits)]):
                owner, left = f"m{nth}", 10 - nth
                assert self._reserve(one, owner, 4) is True, "reserve: True if there are enough"
                self._assert_left(two, left - 4, f"reserve: {line}")
                assert self._reserve(two, owner, 4) is True, f"reserve: {line}"
                self._assert_left(one, left - 4, f"reserve: {line}")
                self._commit(two, owner, 1)
                self._assert_left(one, left - 1, f"commit: {line}")
                self._reserve(two, "freed", 2)
                self._release(one, "freed")
                self._assert_left(two, left - 1, f"release: {line}")

    def test_processes_that_reserve_the_same_credits_never_overdraw(
        self, credits: CreditLedger, reopen: Reopen
    ) -> None:
        task = _tasks.ReservesAllCredits(self.business_id)
        told = raced(task, reopen, "credit ledger")
        owners = [owner for served in told.values() for owner in served]
        assert len(owners) == 10, _NEVER_BELOW_ZERO
        self._assert_left(credits, 0, _NEVER_BELOW_ZERO)
        for owner in owners:
            self._release(credits, owner)
        self._assert_left(credits, 10, "release: frees what another process has set aside")

    def test_processes_that_reserve_for_one_owner_set_its_credits_aside_once(
        self, credits: CreditLedger, reopen: Reopen
    ) -> None:
        task = _tasks.ReservesTheSameCredits(self.business_id)
        told = raced(task, reopen, "credit ledger")
        self._assert_left(credits, 5, "reserve: once for each owner, whatever process asks")
        for served in told.values():
            assert len(served) == 5, "reserve: True if the owner already had them"
