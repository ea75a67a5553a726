"""The token of an unsubscribe link: made for one e-mail, checked when the link comes back (B2).

It names the business, the request and the key under which the address stands on the suppression
list: a keyed hash, so that the link tells nobody's address, and still works after the person has
been erased. HMAC-SHA-256 over all of it; whatever was changed, in one bit or in all, is no token.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import attrs

__all__ = ["Unsubscription", "read_token", "token_of"]

_LONGEST: Final = 4_000
# What is signed begins with its purpose: a key of the suppression list is never a signature.
_PURPOSE: Final = b"unsubscribe\0"


@attrs.frozen(kw_only=True)
class Unsubscription:
    """What a token asks for."""

    business_id: str
    request_id: str
    """whose e-mail the link stood in"""
    key: str
    """of the address on the business's suppression list"""


def token_of(asked: Unsubscription, *, secret: bytes) -> str:
    """The token, of letters, digits, ``-``, ``_`` and one full stop: fit for any part of a URL."""
    named = json.dumps([asked.business_id, asked.request_id, asked.key], separators=(",", ":"))
    body = _encoded(named.encode())
    return f"{body}.{_signature(body, secret)}"


def read_token(token: str, *, secret: bytes) -> Unsubscription | None:
    """What a token asks for; ``None`` for whatever :func:`token_of` has not made with this secret.

    The comparison takes as long for a near miss as for anything else.
    """
    if len(token) > _LONGEST:
        return None
    body, _, signature = token.partition(".")
    expected = _signature(body, secret)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass")):
        return None
    business_id, request_id, key = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return Unsubscription(business_id=business_id, request_id=request_id, key=key)


def _signature(body: str, secret: bytes) -> str:
    signed = _PURPOSE + body.encode("utf-8", "surrogatepass")
    return _encoded(hmac.digest(secret, signed, "sha256"))


def _encoded(given: bytes) -> str:
    return urlsafe_b64encode(given).rstrip(b"=").decode()
