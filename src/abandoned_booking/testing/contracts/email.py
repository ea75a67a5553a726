"""The contract of :class:`~abandoned_booking.ports.EmailGateway`: what holds for any (B2)."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any, Final

import attrs

from abandoned_booking.core.email import unsubscribe_headers
from abandoned_booking.ports import Accepted, EmailGateway, Mailbox, OutboundEmail
from abandoned_booking.testing.contracts._answers import assert_shows_nobody, assert_valid
from abandoned_booking.testing.contracts._tools import THREADS, race

__all__ = ["EmailGatewayContract"]

_TIMEOUT: Final = timedelta(seconds=2, milliseconds=500)
_PERSONAL: Final = ("wilhelmina.canary", "Wilhelmina", "waiting", "canary-token")

_attempts: Final = count(1)


def _an_email() -> OutboundEmail:
    # As long as an attempt id may be, and never the same: a real provider remembers keys.
    attempt_id = f"contract-{next(_attempts):05}-".ljust(64, "x")
    return OutboundEmail(
        attempt_id=attempt_id,
        business_id="paws",
        to="wilhelmina.canary@example.com",
        sender=Mailbox(address="hello@example.org", name="Paws & Co"),
        reply_to="desk@example.org",
        subject="Wilhelmina, Rex 🐶 is waiting",
        text="Hi Wilhelmina,\n\nRex 🐶 is waiting.\n.\n",
        html="<p>Hi Wilhelmina,</p><p>Rex 🐶 is waiting.</p>",
        headers=unsubscribe_headers("https://book.example.com/u?t=canary-token" + "x" * 200),
    )


_AWKWARD: Final[dict[str, dict[str, Any]]] = {
    "a name with every special character": {
        "sender": Mailbox(address="hello@example.org", name='"Zoë" <Paws>, (Co): @;\\ 🐶')
    },
    "a subject of 200 characters": {"subject": "Ümläut " * 28},
    "a line of 10,000 characters": {"text": "x" * 10_000, "html": "y" * 10_000},
    "lines that begin with a full stop": {"text": ".\n..\n.QUIT\n", "html": ".\r\n.\r\nQUIT"},
    "no reply address, no further headers": {"reply_to": None, "headers": {}},
}


class EmailGatewayContract:
    """What can be checked of any :class:`~abandoned_booking.ports.EmailGateway`.

    Subclass it and give the fixture ``email_gateway``: one that reaches no real mailbox (a sandbox,
    or a mail server of the test's own). The e-mails go to ``example.com``.
    """

    def test_send_answers_with_one_of_the_four_results(self, email_gateway: EmailGateway) -> None:
        assert_valid(email_gateway.send(_an_email(), timeout=_TIMEOUT))

    def test_results_and_reprs_show_neither_address_nor_text(
        self, email_gateway: EmailGateway
    ) -> None:
        result = email_gateway.send(_an_email(), timeout=_TIMEOUT)
        assert_shows_nobody(result, _PERSONAL)
        assert_shows_nobody(email_gateway, _PERSONAL)

    def test_an_email_is_told_from_others_by_its_attempt(self, email_gateway: EmailGateway) -> None:
        results = [email_gateway.send(_an_email(), timeout=_TIMEOUT) for _ in range(2)]
        ids = [result.provider_id for result in results if isinstance(result, Accepted)]
        assert len(ids) == len({*ids}), "Accepted: every message has a provider's id of its own"

    def test_awkward_emails_are_answered_like_any_other(self, email_gateway: EmailGateway) -> None:
        usual = type(email_gateway.send(_an_email(), timeout=_TIMEOUT))
        for what, fields in _AWKWARD.items():
            awkward = attrs.evolve(_an_email(), **fields)
            result = email_gateway.send(awkward, timeout=_TIMEOUT)
            assert_valid(result)
            assert type(result) is usual, f"{what}: sent like any other e-mail"

    def test_several_threads_send_at_the_same_time(self, email_gateway: EmailGateway) -> None:
        emails = [_an_email() for _ in range(THREADS)]
        results = race(
            *(lambda email=email: email_gateway.send(email, timeout=_TIMEOUT) for email in emails)
        )
        for result in results:
            assert_valid(result)
            assert_shows_nobody(result, _PERSONAL)
        ids = [result.provider_id for result in results if isinstance(result, Accepted)]
        assert len(ids) == len({*ids}), "Accepted: every message has a provider's id of its own"
