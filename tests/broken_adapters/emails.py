"""E-mail gateways that are wrong in one way each (B2)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import cast

from abandoned_booking.ports import Accepted, OutboundEmail, Rejected, SendResult, Unknown
from abandoned_booking.testing import RecordingEmailGateway


class AnswersAnEmailWithABool(RecordingEmailGateway):
    def send(self, message: OutboundEmail, *, timeout: timedelta) -> SendResult:
        super().send(message, timeout=timeout)
        return cast("SendResult", True)


class RepeatsTheAddress(RecordingEmailGateway):
    def send(self, message: OutboundEmail, *, timeout: timedelta) -> SendResult:
        return Rejected(reason=f"550 <{message.to}>: user unknown")


class RepeatsTheSubject(RecordingEmailGateway):
    def send(self, message: OutboundEmail, *, timeout: timedelta) -> SendResult:
        return Unknown(detail=f"time-out while sending {message.subject}")


class GivesAllEmailsOneId(RecordingEmailGateway):
    def send(self, message: OutboundEmail, *, timeout: timedelta) -> SendResult:
        super().send(message, timeout=timeout)
        return Accepted(provider_id="queued")


class ChokesOnSpecialCharacters(RecordingEmailGateway):
    def send(self, message: OutboundEmail, *, timeout: timedelta) -> SendResult:
        if '"' in message.sender.name:
            return Rejected(reason="the sender cannot be written")
        return super().send(message, timeout=timeout)


class SendsOneAtATimeOrFails(RecordingEmailGateway):
    """One connection for all threads, and whoever comes meanwhile is told nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._busy = threading.Lock()
        self._first = threading.Event()

    def send(self, message: OutboundEmail, *, timeout: timedelta) -> SendResult:
        if not self._busy.acquire(blocking=False):
            self._first.set()
            return cast("SendResult", None)
        try:
            self._first.wait(0.3)
            return super().send(message, timeout=timeout)
        finally:
            self._busy.release()
