"""Colours and whether they can be read on one another, by the formula of WCAG 2.2."""

from __future__ import annotations

import re
from typing import Final

from abandoned_booking.errors import InvalidSettings

__all__ = ["READABLE", "contrast", "ink_on", "parse_colour"]

READABLE: Final = 4.5
"""the least contrast of text with what is behind it (WCAG 2.2, 1.4.3, level AA)"""

_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{6}")


def parse_colour(given: object, *, field: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of ``#rrggbb``. Raises :class:`InvalidSettings`."""
    if not isinstance(given, str) or not _COLOUR.fullmatch(given):
        raise InvalidSettings("must be a colour such as '#0f766e'", field=field)
    return int(given[1:3], 16), int(given[3:5], 16), int(given[5:7], 16)


def contrast(one: str, other: str) -> float:
    """How well two colours tell apart: 1 (the same) to 21 (black and white)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(surface: str) -> str:
    """Black or white, whichever reads better on a surface; one of them always reads well."""
    return max(("#ffffff", "#000000"), key=lambda ink: contrast(ink, surface))


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in parse_colour(colour, field="colour"))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    # WCAG 2.2, relative luminance: sRGB, IEC 61966-2-1.
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
