"""How long a text is on the air: its alphabet, its units and its segments (M3).

The alphabet is that of 3GPP TS 23.038 (GSM 03.38) without national shift tables: 7-bit septets as
long as every character is in the default alphabet or its extension table, else UCS-2. One message
holds 160 septets or 70 UCS-2 units; a longer text is sent as segments of 153 or 67, because each
gives room to the header that joins them (TS 23.040, user data header of 6 octets).

Rule held here: M3 (sizes by the real alphabet; extension characters and surrogate pairs are never
split over the border of two segments).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import attrs

__all__ = ["Encoding", "TextSize", "measure"]

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = "\f^{}\\[~]|€"
_GSM: Final = re.compile(f"[{re.escape(_BASIC + _EXTENDED)}]*")
# GSM 03.38: an extension character costs two septets, the escape and its own. NUL stands for that
# escape here: it is not in the alphabet, so no text that is measured in septets has one.
_ESCAPE: Final = "\0"
_IN_SEPTETS: Final = str.maketrans({char: _ESCAPE + char for char in _EXTENDED})


class Encoding(StrEnum):
    """How a text goes over the air."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


@attrs.frozen
class TextSize:
    """What a text costs."""

    encoding: Encoding
    units: int
    """septets of GSM-7, or 16-bit units of UCS-2"""
    segments: int
    """messages on the air; one credit each"""


def measure(text: str) -> TextSize:
    """The size of a text as the network counts it (M3).

    Segments are filled one after the other; a character of two units that would straddle a border
    goes to the next segment, so that there may be more segments than units divided by 153 or 67.
    An empty text is one segment of no units: an empty message is a message too. Takes time in
    proportion to the text. Source: 3GPP TS 23.038 and TS 23.040.
    """
    if _GSM.fullmatch(text):
        septets = text.translate(_IN_SEPTETS)
        return TextSize(Encoding.GSM_7, len(septets), _segments_of_septets(septets))
    octets = text.encode("utf-16-be", "surrogatepass")
    return TextSize(Encoding.UCS_2, len(octets) // 2, _segments_of_octets(octets))


def _segments_of_septets(septets: str, single: int = 160, joined: int = 153) -> int:
    if len(septets) <= single:
        return 1
    if _ESCAPE not in septets:
        return -(-len(septets) // joined)
    count = start = 0
    while start < len(septets):
        start += joined
        # The escape alone would be left at the end of the segment: it moves on with its character.
        if start < len(septets) and septets[start - 1] == _ESCAPE:
            start -= 1
        count += 1
    return count


def _segments_of_octets(octets: bytes, single: int = 140, joined: int = 134) -> int:
    if len(octets) <= single:
        return 1
    count = start = 0
    while start < len(octets):
        start += joined
        # A low surrogate (DC00 to DFFF) would open the next segment: its pair moves on as a whole.
        if start < len(octets) and _is_pair(octets, start - 2):
            start -= 2
        count += 1
    return count


def _is_pair(octets: bytes, at: int) -> bool:
    return octets[at] & 0xFC == 0xD8 and octets[at + 2] & 0xFC == 0xDC
