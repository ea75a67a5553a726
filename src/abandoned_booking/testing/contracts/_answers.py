"""What the answers of every gateway have in common, whatever it sends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from abandoned_booking.ports import Accepted, NotSent, Rejected, SendResult, Unknown

_RESULTS: Final = (Accepted, NotSent, Rejected, Unknown)


def assert_valid(result: SendResult) -> None:
    line = "send: returns Accepted, NotSent, Rejected or Unknown"
    assert isinstance(result, _RESULTS), line
    match result:
        case Accepted():
            assert result.provider_id, "Accepted: names the provider's id of the message"
        case NotSent():
            waits = result.retry_after
            line = "NotSent: retry_after is a timedelta that is not negative, or None"
            assert waits is None or (isinstance(waits, timedelta) and waits >= timedelta(0)), line
            assert result.reason, "NotSent: has a reason"
        case Rejected():
            assert result.reason, "Rejected: has a reason"
        case Unknown():
            assert isinstance(result.detail, str), "Unknown: detail is text"


def assert_shows_nobody(value: object, personal: Iterable[str]) -> None:
    # Told as yes or no: a failure must not repeat it either.
    hidden = not any(word in f"{value!r} {value}" for word in personal)
    assert hidden, "no personal data: neither address nor text in a result or a repr"
