"""Gateways that send nothing and remember everything."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Generic, TypeAlias, TypeVar

from abandoned_booking.ports import (
    Accepted,
    Found,
    LookupResult,
    NotFound,
    OutboundEmail,
    OutboundSms,
    SendResult,
)

__all__ = ["RecordingEmailGateway", "RecordingSmsGateway", "Scripted"]

_Message = TypeVar("_Message", OutboundSms, OutboundEmail)

Scripted: TypeAlias = SendResult | Exception | Callable[[_Message], SendResult]
"""an answer, an exception to raise, or a function that answers"""


class _RecordingGateway(Generic[_Message]):
    def __init__(
        self, results: Iterable[Scripted[_Message]] | Callable[[_Message], SendResult] = ()
    ) -> None:
        self.sent: list[_Message] = []
        self.timeouts: list[timedelta] = []
        self.accepted: Counter[str] = Counter()
        self.provider_ids: dict[str, str] = {}
        self._lock = threading.Lock()
        self._answer_all: Callable[[_Message], SendResult] | None = None
        self._script: Iterator[Scripted[_Message]] = iter(())
        if callable(results):
            self._answer_all = results
        else:
            self._script = iter(list(results))

    def send(self, message: _Message, *, timeout: timedelta) -> SendResult:
        with self._lock:
            self.sent.append(message)
            self.timeouts.append(timeout)
            number = len(self.sent)
            scripted = self._answer_all or next(self._script, None)
        # Outside the lock: a scripted function may wait for another thread's message.
        result = _answer(scripted, message, number)
        if isinstance(result, Accepted):
            with self._lock:
                self.accepted[message.attempt_id] += 1
                self.provider_ids[message.attempt_id] = result.provider_id
        return result

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(sent={len(self.sent)}, accepted={self.accepted.total()})"


class RecordingSmsGateway(_RecordingGateway[OutboundSms]):
    """An :class:`~abandoned_booking.ports.SmsGateway` for tests; safe for threads.

    ``results`` are given out in order, one to a text, and after them every text is accepted; or it
    is one function that answers every text. An exception among them is raised.

    >>> gateway = RecordingSmsGateway(results=[NotSent(reason="busy"), TimeoutError()])

    ``sent`` has every text that was handed in, in order, whatever became of it, and ``timeouts``
    the time-out of each; ``accepted`` counts the accepted ones by attempt id; ``provider_ids`` is
    what :meth:`find` looks in.
    """

    def find(self, attempt_id: str) -> LookupResult:
        with self._lock:
            provider_id = self.provider_ids.get(attempt_id)
        return NotFound() if provider_id is None else Found(provider_id=provider_id)


class RecordingEmailGateway(_RecordingGateway[OutboundEmail]):
    """An :class:`~abandoned_booking.ports.EmailGateway` for tests, with the same script and memory
    as :class:`RecordingSmsGateway`; an e-mail is not looked up.
    """


def _answer(scripted: Scripted[_Message] | None, message: _Message, number: int) -> SendResult:
    if scripted is None:
        return Accepted(provider_id=f"recorded-{number}")
    if isinstance(scripted, Exception):
        raise scripted
    return scripted(message) if callable(scripted) else scripted
