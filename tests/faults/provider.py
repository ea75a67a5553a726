"""The provider of texts: takes what its script says, tells what its script says, loses answers."""

from __future__ import annotations

from datetime import timedelta

from faults.people import script_of
from faults.record import Record, SharedClock

from abandoned_booking import _failpoints
from abandoned_booking.ports import (
    Accepted,
    Found,
    LookupResult,
    NotFound,
    NotSent,
    OutboundSms,
    Rejected,
    SendResult,
    Unknown,
)


class Provider:
    """A gateway that can be asked what it has taken."""

    def __init__(self, record: Record, clock: SharedClock, seed: int) -> None:
        self._record, self._clock, self._seed = record, clock, seed

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        del timeout
        attempt_id = message.attempt_id
        script = script_of(self._seed, attempt_id, self._clock.now())
        if script.taken:
            self._record.write("accepted", attempt_id, f"{message.business_id}{message.to}")
        _failpoints.reached("gateway.answering", attempt_id)
        self._record.write("said", attempt_id, script.says.replace(" ", "-"))
        match script.says:
            case "accepted":
                return Accepted(provider_id=attempt_id)
            case "not sent":
                return NotSent(reason="busy")
            case "rejected":
                return Rejected(reason="no", code="30004")
            case "raises":
                raise ConnectionResetError
            case _:
                return Unknown(detail="502")

    def find(self, attempt_id: str) -> LookupResult:
        script = script_of(self._seed, attempt_id, self._clock.now())
        if script.is_found and f"accepted {attempt_id} " in self._record:
            return Found(provider_id=attempt_id)
        return NotFound()
