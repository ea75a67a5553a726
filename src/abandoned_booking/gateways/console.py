"""A gateway that prints: for the first steps, and for demonstrations."""

from __future__ import annotations

import sys
from datetime import timedelta
from itertools import count
from threading import Lock
from typing import TextIO

from abandoned_booking.ports import Accepted, OutboundSms, SendResult

__all__ = ["ConsoleSmsGateway"]


class ConsoleSmsGateway:
    """Prints every text, to standard output unless told otherwise, and accepts it.

    It prints what a person would get, name and number included: not for production.
    """

    def __init__(self, to: TextIO | None = None) -> None:
        self._to = to
        self._lock = Lock()
        self._numbers = count(1)

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        """Print the text. Returns: Accepted."""
        del timeout  # printing does not wait for anybody
        with self._lock:
            number = next(self._numbers)
            print(f"SMS to {message.to}: {message.body}", file=self._to or sys.stdout, flush=True)
        return Accepted(provider_id=f"console-{number}", segments=message.segments)
