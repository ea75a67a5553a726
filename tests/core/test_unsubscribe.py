"""The token of an unsubscribe link: B2, G3, G4."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from abandoned_booking.core.unsubscribe import Unsubscription, read_token, token_of
from abandoned_booking.testing.strategies import ids

SECRET = b"0123456789abcdef"
ASKED = Unsubscription(business_id="paws", request_id="r1", key="0123456789abcdef" * 2)
TOKEN = token_of(ASKED, secret=SECRET)


@given(business_id=ids(), request_id=ids(), key=ids())
def test_what_is_read_is_what_was_asked(business_id: str, request_id: str, key: str) -> None:
    asked = Unsubscription(business_id=business_id, request_id=request_id, key=key)
    token = token_of(asked, secret=SECRET)
    assert read_token(token, secret=SECRET) == asked
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}", token)


def test_every_single_bit_counts() -> None:
    for position, character in enumerate(TOKEN):
        for bit in range(8):
            flipped = TOKEN[:position] + chr(ord(character) ^ 1 << bit) + TOKEN[position + 1 :]
            assert read_token(flipped, secret=SECRET) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        ".",
        "preview",
        TOKEN[:-1],
        TOKEN + "=",
        TOKEN + "A",
        " " + TOKEN,
        TOKEN.partition(".")[0],
        "." + TOKEN.partition(".")[2],
        "ü.é",
        "\ud800.\ud800",
        TOKEN.replace(".", ".."),
        "x" * 5000,
        ASKED.key,
    ],
)
def test_whatever_was_not_made_here_is_none(wrong: str) -> None:
    assert read_token(wrong, secret=SECRET) is None


def test_another_secret_makes_another_token() -> None:
    assert read_token(TOKEN, secret=b"another") is None


def test_the_parts_of_two_tokens_do_not_mix() -> None:
    other = token_of(
        Unsubscription(business_id="other", request_id="r1", key=ASKED.key), secret=SECRET
    )
    mixed = f"{other.partition('.')[0]}.{TOKEN.partition('.')[2]}"
    assert read_token(mixed, secret=SECRET) is None
