"""Whether a reply is an opt-out word, a resubscribe word, or neither (I1).

The *whole* text must be the word: ``Stop.`` is an opt-out, ``stop by tomorrow`` is a reply. Both
the text and the words are folded first, so that whatever looks like the word is the word: case,
width, accents, quotes and other punctuation, spaces, invisible characters, and letters of other
alphabets that look the same (a Cyrillic S). In doubt it is an opt-out: a text too few costs less
than a text against somebody's will.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import Final

__all__ = ["OPT_IN_WORDS", "OPT_OUT_KEYWORD", "OPT_OUT_WORDS", "Keyword", "keyword_of"]

OPT_OUT_KEYWORD: Final = "STOPM"
"""The word in the notice of every marketing text, unless the business sets another (M2)."""

OPT_OUT_WORDS: Final = frozenset(
    {
        "STOPM",
        "STOP",
        "STOPALL",
        "UNSUBSCRIBE",
        "CANCEL",
        "END",
        "QUIT",
        "REVOKE",
        "OPT OUT",
        "OPTOUT",
    }
)
"""The words that stop marketing to a number (I1); 47 CFR 64.1200(a)(10) names most of them."""

# Carriers also take YES as a resubscribe word. It is left out: it is the most common answer to
# "do you still want to book?", and must not undo an opt-out.
OPT_IN_WORDS: Final = frozenset({"START", "UNSTOP", "SUBSCRIBE", "RESUME", "OPT IN", "OPTIN"})
"""The words that take an opt-out back (I1)."""

_LONGEST: Final = 100

# Letters (lower case, or without case) that are drawn like Latin ones, and a zero typed for an O.
# Source: Unicode TR 39, confusables; the part that a phone's keyboards and fancy fonts offer.
_LOOK_ALIKES: Final = str.maketrans(
    {
        char: letter
        for letter, chars in {
            "a": "\u03b1\u0430\ua4ee",
            "b": "\u0299\u03b2\u0432",
            "c": "\u03f2\u0441\u1d04\ua4da",
            "d": "\u0501\u1d05\ua4d3",
            "e": "\u03b5\u0435\u1d07\ua4f0",
            "g": "\u0262\u0581",
            "h": "\u029c\u03b7\u043d\u04bb",
            "i": "\u0131\u026a\u03b9\u0456\ua4f2",
            "j": "\u03f3\u0458\u1d0a",
            "k": "\u03ba\u043a\u1d0b",
            "l": "\u029f\ua4e1",
            "m": "\u03bc\u043c\u1d0d",
            "n": "\u0274\u03bd\u0578\ua4e0",
            "o": "0\u03bf\u043e\u0585\u1d0f\ua4f3",
            "p": "\u03c1\u0440\u1d18\ua4d1",
            "q": "\u01eb\u051b",
            "r": "\u0280",
            "s": "\u0455\ua4e2\ua731",
            "t": "\u03c4\u0442\u1d1b\ua4d4",
            "u": "\u057d\u1d1c\ua4f5",
            "v": "\u0475\u1d20",
            "w": "\u051d\u1d21",
            "x": "\u03c7\u0445",
            "y": "\u028f\u03c5\u0443\u04af",
            "z": "\u03b6\u1d22",
        }.items()
        for char in chars
    }
)
# Accents and variation selectors; the vowel signs of other scripts are part of their words.
_ACCENTS: Final = tuple(
    range(first, last + 1)
    for first, last in (
        (0x0300, 0x036F),
        (0x1AB0, 0x1AFF),
        (0x1DC0, 0x1DFF),
        (0x20D0, 0x20FF),
        (0xFE00, 0xFE0F),
        (0xFE20, 0xFE2F),
        (0xE0100, 0xE01EF),
    )
)


class Keyword(StrEnum):
    """What a reply asks for, if it is one of the words."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"


def keyword_of(
    body: str,
    *,
    opt_out_words: frozenset[str] = OPT_OUT_WORDS,
    opt_in_words: frozenset[str] = OPT_IN_WORDS,
) -> Keyword | None:
    """Which kind of word the whole text is; ``None`` if it is anything else (I1).

    ``opt_out_words`` are the business's own, together with the keyword of its notice. A word in
    both sets is an opt-out. A text of more than 100 characters is none, however long it is.
    """
    body = body.strip()
    if len(body) > _LONGEST:
        return None
    word = _fold(body)
    if not word:
        return None
    if word in _folded(opt_out_words):
        return Keyword.OPT_OUT
    if word in _folded(opt_in_words):
        return Keyword.OPT_IN
    return None


@lru_cache(maxsize=256)
def _folded(words: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_fold, words))


def _fold(text: str) -> str:
    """What is left of a text when only what can be told apart at a glance counts."""
    # Twice: compatibility forms such as bold or full-width capitals must become letters before the
    # case is folded, and folding the case of İ makes a new accent.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(filter(_counts, plain)).translate(_LOOK_ALIKES)


def _counts(char: str) -> bool:
    if char.isalnum():
        return True
    return unicodedata.category(char).startswith("M") and not any(
        ord(char) in accents for accents in _ACCENTS
    )
