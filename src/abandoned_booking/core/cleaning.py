"""What strangers typed, made fit to stand in a text that goes out in a business's name.

Nothing that cannot be seen survives: control, bidirectional and zero-width characters, surrogates,
private and unassigned code points, blanks that pose as letters. What joins an emoji sequence does:
families, skin tones, keycaps and flags come through whole. The work is bounded before it begins,
however long the value is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["LONGEST_NAME", "LONGEST_VALUE", "clean_link", "clean_name", "clean_value", "has_link"]

LONGEST_VALUE: Final = 200
"""How many characters of a value are kept."""
LONGEST_NAME: Final = 40
"""A name with more characters than this is none."""
_LONGEST_LINK: Final = 500
# How much of a value is looked at, as a multiple of what is kept: room for what will be dropped.
_LOOKED_AT: Final = 4

_PICTURE: Final = "©®‼⁉™ℹ←-⇿⌀-⏿Ⓜ■-➿⤀-⥿⬀-⯿〰〽㊗㊙\U0001f000-\U0001faff"
_TONE: Final = "\U0001f3fb-\U0001f3ff"
_TAGS: Final = "\U000e0030-\U000e0039\U000e0061-\U000e007a"
# UTS 51: a joiner stands between two pictures, the first perhaps with a presentation selector or a
# skin tone; the selector follows a picture or opens a keycap; tags follow a black flag.
_JOINS: Final = re.compile(
    f"(?:(?<=[{_PICTURE}{_TONE}])|(?<=[{_PICTURE}]\ufe0f))\u200d(?=[{_PICTURE}])"
    f"|(?<=[{_PICTURE}])\ufe0f"
    "|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    f"|(?<=\U0001f3f4)[{_TAGS}]{{3,6}}\U000e007f"
)
# Printable for Unicode, and yet nothing is seen: fillers, the empty Braille pattern, the grapheme
# joiner, variation selectors.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# A scheme, www., a host with a top-level domain, or an IPv4 address. Names with a dot and no space
# ("St.John") fall under it too: the neutral word is the smaller harm.
_LINK: Final = re.compile(
    r"://|\b(?:https?|mailto|tel|sms):|\bwww\.|[^\W_]\.[^\W\d_]{2}|\d\.\d+\.\d+\.\d", re.IGNORECASE
)
# Full stops that browsers and phones read as a dot of a host name (UTS 46).
_DOTS: Final = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61\u2024", "."))


def clean_value(value: str, *, longest: int = LONGEST_VALUE) -> str:
    """A value as it may be inserted: one line, in NFC, visible, at most ``longest`` characters.

    White space of any kind becomes single spaces. Cleaning a cleaned value changes nothing.
    """
    clean = _clean(value[: _LOOKED_AT * longest])
    # Cleaned again after the cut: it may have left the half of an emoji sequence behind.
    return clean if len(clean) <= longest else _clean(clean[:longest])


def clean_name(value: str, *, longest: int = LONGEST_NAME) -> str:
    """A name as it may be inserted, or an empty string if it is none.

    What has a link in it or is longer than ``longest`` characters is not a name: whoever types one
    into a booking form wants the business to send it for them.
    """
    if len(value) > _LOOKED_AT * longest:
        return ""
    name = _clean(value)
    return "" if len(name) > longest or has_link(name) else name


def clean_link(value: str) -> str:
    """A link as it may be inserted, or an empty string if it cannot be one.

    Links come from the host, so that only what would break them is looked for: white space,
    characters that are not printable, more than 500 characters.
    """
    link = value[: _LOOKED_AT * _LONGEST_LINK].strip()
    fits = len(link) <= _LONGEST_LINK and link.isprintable() and " " not in link
    return link if fits else ""


def has_link(text: str) -> bool:
    """Whether a phone might show part of the text as a link."""
    return _LINK.search(unicodedata.normalize("NFKC", text).translate(_DOTS)) is not None


def _clean(text: str) -> str:
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = " ".join(text.split())
    parts: list[str] = []
    end = 0
    for joins in _JOINS.finditer(text):
        parts += _visible(text[end : joins.start()]), joins[0]
        end = joins.end()
    parts.append(_visible(text[end:]))
    return unicodedata.normalize("NFC", " ".join("".join(parts).split()))


def _visible(text: str) -> str:
    return _BLANK.sub("", "".join(filter(str.isprintable, text)))
