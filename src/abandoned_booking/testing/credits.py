"""A ledger of message credits that keeps everything in memory."""

from __future__ import annotations

import threading

import attrs

__all__ = ["MemoryCreditLedger"]


@attrs.define
class _Account:
    left: int
    set_aside: dict[str, int] = attrs.Factory(dict)
    spent: dict[str, int] = attrs.Factory(dict)


class MemoryCreditLedger:
    """A :class:`~abandoned_booking.ports.CreditLedger` for tests; safe for threads.

    Every business begins with ``balance`` credits. What is left, what is set aside and what is
    spent always add up to what a business was given.
    """

    def __init__(self, balance: int = 0) -> None:
        self._at_first = balance
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}

    def top_up(self, business_id: str, credits: int) -> None:
        """Give a business more credits."""
        with self._lock:
            self._of(business_id).left += credits

    def set_aside(self, business_id: str) -> dict[str, int]:
        """Returns: what is reserved, by owner, and neither spent nor free again."""
        with self._lock:
            return dict(self._of(business_id).set_aside)

    def spent(self, business_id: str) -> dict[str, int]:
        """Returns: what is spent, by owner."""
        with self._lock:
            return dict(self._of(business_id).spent)

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        with self._lock:
            account = self._of(business_id)
            if owner in account.set_aside or owner in account.spent:
                return True
            if credits > account.left:
                return False
            account.left -= credits
            account.set_aside[owner] = credits
            return True

    def commit(self, business_id: str, *, owner: str, credits: int) -> None:
        """A text that was billed higher than reserved takes the rest, but never what is not there.

        One that had nothing set aside (any more) was sent all the same, and is charged.
        """
        with self._lock:
            account = self._of(business_id)
            if owner in account.spent:
                return
            account.left += account.set_aside.pop(owner, 0)
            account.spent[owner] = min(credits, account.left)
            account.left -= account.spent[owner]

    def release(self, business_id: str, *, owner: str) -> None:
        with self._lock:
            account = self._of(business_id)
            account.left += account.set_aside.pop(owner, 0)

    def balance(self, business_id: str) -> int:
        with self._lock:
            return self._of(business_id).left

    def _of(self, business_id: str) -> _Account:
        return self._accounts.setdefault(business_id, _Account(self._at_first))
