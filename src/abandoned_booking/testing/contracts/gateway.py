"""The contract of :class:`~abandoned_booking.ports.SmsGateway`: what holds for any of them."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Final

from abandoned_booking.ports import (
    Accepted,
    Found,
    LookupUnavailable,
    NotFound,
    OutboundSms,
    SmsGateway,
    SupportsLookup,
)
from abandoned_booking.testing.contracts._answers import assert_shows_nobody, assert_valid
from abandoned_booking.testing.contracts._tools import THREADS, claimed, race

__all__ = ["SmsGatewayContract"]

_LOOKUPS: Final = (Found, NotFound, LookupUnavailable)
_TIMEOUT: Final = timedelta(seconds=2, milliseconds=500)
_NUMBER: Final = "+12125550123"
_BODY: Final = "Hi Wilhelmina, Rex 🐶 is waiting. Reply STOPM to opt out."
_PERSONAL: Final = ("2125550123", "5550123", "Wilhelmina", "waiting")

_attempts: Final = count(1)


def _a_text() -> OutboundSms:
    # As long as an attempt id may be, and never the same: a real gateway remembers keys.
    attempt_id = f"contract-{next(_attempts):05}-".ljust(64, "x")
    return OutboundSms(
        attempt_id=attempt_id, business_id="paws", to=_NUMBER, body=_BODY, segments=1
    )


class SmsGatewayContract:
    """What can be checked of any :class:`~abandoned_booking.ports.SmsGateway`.

    Subclass it and give the fixture ``gateway``: one that reaches no real phone (a sandbox, or a
    recorded or simulated provider). The texts go to a fictional number.
    """

    def test_send_answers_with_one_of_the_four_results(self, gateway: SmsGateway) -> None:
        assert_valid(gateway.send(_a_text(), timeout=_TIMEOUT))

    def test_results_and_reprs_show_neither_number_nor_text(self, gateway: SmsGateway) -> None:
        result = gateway.send(_a_text(), timeout=_TIMEOUT)
        assert_shows_nobody(result, _PERSONAL)
        assert_shows_nobody(gateway, _PERSONAL)

    def test_several_threads_send_at_the_same_time(self, gateway: SmsGateway) -> None:
        texts = [_a_text() for _ in range(THREADS)]
        results = race(*(lambda text=text: gateway.send(text, timeout=_TIMEOUT) for text in texts))
        for result in results:
            assert_valid(result)
            assert_shows_nobody(result, _PERSONAL)
        provider_ids = [result.provider_id for result in results if isinstance(result, Accepted)]
        line = "Accepted: every message has a provider's id of its own"
        assert len(provider_ids) == len({*provider_ids}), line

    def test_a_lookup_finds_what_was_accepted_and_nothing_else(self, gateway: SmsGateway) -> None:
        asked = claimed(gateway, SupportsLookup, what="gateway")
        text = _a_text()
        result = gateway.send(text, timeout=_TIMEOUT)
        found, missing = asked.find(text.attempt_id), asked.find(_a_text().attempt_id)
        for answer in (found, missing):
            assert isinstance(answer, _LOOKUPS), (
                "find: returns Found, NotFound or LookupUnavailable"
            )
        assert not isinstance(missing, Found), "find: NotFound for an attempt that was never sent"
        if isinstance(result, Accepted) and isinstance(found, Found):
            assert found.provider_id == result.provider_id, "find: the id that send gave"
