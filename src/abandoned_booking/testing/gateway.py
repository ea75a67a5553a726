"""A gateway that sends nothing and remembers everything."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TypeAlias

from abandoned_booking.ports import (
    Accepted,
    Found,
    LookupResult,
    NotFound,
    OutboundSms,
    SendResult,
)

__all__ = ["RecordingSmsGateway", "Scripted"]

Scripted: TypeAlias = SendResult | Exception | Callable[[OutboundSms], SendResult]
"""an answer, an exception to raise, or a function that answers"""


class RecordingSmsGateway:
    """An :class:`~abandoned_booking.ports.SmsGateway` for tests; safe for threads.

    ``results`` are given out in order, one to a text, and after them every text is accepted; or it
    is one function that answers every text. An exception among them is raised.

    >>> gateway = RecordingSmsGateway(results=[NotSent(reason="busy"), TimeoutError()])

    ``sent`` has every text that was handed in, in order, whatever became of it, and ``timeouts``
    the time-out of each; ``accepted`` counts the accepted ones by attempt id; ``provider_ids`` is
    what :meth:`find` looks in.
    """

    def __init__(
        self, results: Iterable[Scripted] | Callable[[OutboundSms], SendResult] = ()
    ) -> None:
        self.sent: list[OutboundSms] = []
        self.timeouts: list[timedelta] = []
        self.accepted: Counter[str] = Counter()
        self.provider_ids: dict[str, str] = {}
        self._lock = threading.Lock()
        self._answer_all = results if callable(results) else None
        self._script = iter(()) if callable(results) else iter(list(results))

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        with self._lock:
            self.sent.append(message)
            self.timeouts.append(timeout)
            number = len(self.sent)
            scripted = self._answer_all or next(self._script, None)
        # Outside the lock: a scripted function may wait for another thread's text.
        result = _answer(scripted, message, number)
        if isinstance(result, Accepted):
            with self._lock:
                self.accepted[message.attempt_id] += 1
                self.provider_ids[message.attempt_id] = result.provider_id
        return result

    def find(self, attempt_id: str) -> LookupResult:
        with self._lock:
            provider_id = self.provider_ids.get(attempt_id)
        return NotFound() if provider_id is None else Found(provider_id=provider_id)

    def __repr__(self) -> str:
        return f"RecordingSmsGateway(sent={len(self.sent)}, accepted={self.accepted.total()})"


def _answer(scripted: Scripted | None, message: OutboundSms, number: int) -> SendResult:
    if scripted is None:
        return Accepted(provider_id=f"recorded-{number}")
    if isinstance(scripted, Exception):
        raise scripted
    return scripted(message) if callable(scripted) else scripted
