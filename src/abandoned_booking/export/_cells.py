"""Rows of a worksheet as XML: text that stays text, and dates (X2, X3).

Every text is an inline string, so that a sheet is written row by row and nothing grows (X4): a
table of shared strings would have to be kept until the end. There is no formula and no error cell,
whatever was typed; the *text* format keeps it so when somebody edits the cell.

What a cell cannot hold is changed in one way only (:func:`clean`): characters that XML 1.0 does not
allow are dropped, line ends become line feeds, and a text of more than 32,767 UTF-16 units ends in
an ellipsis instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from string import ascii_uppercase
from typing import Final, TypeAlias, cast
from zoneinfo import ZoneInfo

import attrs

from abandoned_booking.export._columns import COLUMNS, INSTANTS, Value

__all__ = ["LETTERS", "LONGEST_TEXT", "Styles", "clean", "header_row", "row_writer", "serial_of"]

LONGEST_TEXT: Final = 32_767
"""What a cell holds, in UTF-16 units: Excel's own limit."""
LETTERS: Final = (*ascii_uppercase, *(f"A{letter}" for letter in ascii_uppercase))[: len(COLUMNS)]
"""The columns' names in a sheet: A, B, … Z, AA."""

RowWriter: TypeAlias = Callable[[int, Sequence[Value]], str]
"""from a row's number and its values to its XML"""


@attrs.frozen(kw_only=True)
class Styles:
    """The numbers of the cell formats in the workbook's table of styles."""

    header: int
    text: int
    instant: int


# ── text (X3) ───────────────────────────────────────────────────────────────────────────────────

# XML 1.0, 2.2: all that is not a Char.
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LINE_END: Final = re.compile("\r\n?")
# ECMA-376-1, 22.9.2.19 (ST_Xstring): readers take _xHHHH_ for the character with that code.
_LIKE_AN_ESCAPE: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
# No text with so few characters has too many units.
_SHORT: Final = LONGEST_TEXT // 2


def clean(text: str) -> str:
    """What of a text stands in its cell: see the module's own words."""
    text = _ILLEGAL.sub("", _LINE_END.sub("\n", text))
    if len(text) <= _SHORT:
        return text
    units = text.encode("utf-16-le")
    if len(units) <= 2 * LONGEST_TEXT:
        return text
    # "ignore" drops the half of a surrogate pair that the cut may leave
    return units[: 2 * (LONGEST_TEXT - 1)].decode("utf-16-le", "ignore") + "…"


def _text_cell(name: str, style: int, text: str) -> str:
    """The cell of a text, or nothing if nothing of the text is left."""
    text = clean(text)
    if not text:
        return ""
    space = "" if text.strip(" \t\n") == text else ' xml:space="preserve"'
    text = _LIKE_AN_ESCAPE.sub("_x005F_", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<c r="{name}" s="{style}" t="inlineStr"><is><t{space}>{text}</t></is></c>'


# ── instants (X2) ───────────────────────────────────────────────────────────────────────────────

# In the 1900 date system day 60 is a 29 February 1900 that never was; from 1900-03-01, day 61, on
# days count from 1899-12-30.
_DAY_ZERO: Final = date(1899, 12, 30).toordinal()
_FIRST_DAY: Final = 61
_DAY: Final = 86_400
"""in seconds"""


def serial_of(wall: datetime) -> float | None:
    """A wall time as a date serial, to the second as clocks show it; ``None`` before 1900-03-01."""
    days = wall.toordinal() - _DAY_ZERO
    if days < _FIRST_DAY:
        return None
    seconds = wall.hour * 3600 + wall.minute * 60 + wall.second
    # One division of whole numbers gives the nearest float there is, and repr all its digits.
    return (days * _DAY + seconds) / _DAY


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    try:
        return at.astimezone(zone)
    except OverflowError:  # on the calendar's first or last day
        return at


def _instant_cell(name: str, styles: Styles, at: datetime, zone: ZoneInfo) -> str:
    wall = _wall(at, zone)
    serial = serial_of(wall)
    if serial is None:
        return _text_cell(name, styles.text, wall.replace(tzinfo=None).isoformat(" ", "seconds"))
    return f'<c r="{name}" s="{styles.instant}"><v>{serial!r}</v></c>'


# ── rows ────────────────────────────────────────────────────────────────────────────────────────

# What sends a row the careful way. The NUL is not in here: one stands behind each value of a row.
_SPECIAL: Final = re.compile("[&<>\x01-\x1f\ud800-\udfff\ufffe\uffff]")
_NO_SERIAL: Final = "\x01"


def header_row(styles: Styles) -> str:
    """The XML of the first row: the columns' headers."""
    cells = (
        _text_cell(f"{letter}1", styles.header, column.header)
        for letter, column in zip(LETTERS, COLUMNS, strict=True)
    )
    return f'<row r="1">{"".join(cells)}</row>'


def row_writer(zone: ZoneInfo, styles: Styles) -> RowWriter:
    """How the rows of one export are written; instants show the wall time of ``zone``.

    Nearly all rows go the short way: one look at all the values together finds nothing special, and
    each is put into its frame as it is.
    """
    text_frame = (f'" s="{styles.text}" t="inlineStr"><is><t>', "</t></is></c>")
    date_frame = (f'" s="{styles.instant}"><v>', "</v></c>")
    frames = tuple(
        (f'<c r="{letter}', *(date_frame if index in INSTANTS else text_frame))
        for index, letter in enumerate(LETTERS)
    )

    def write(number: int, values: Sequence[Value]) -> str:
        shown = cast("list[str | None]", [*values])  # once the instants are replaced
        for index in INSTANTS:
            at = values[index]
            if isinstance(at, datetime):
                serial = serial_of(_wall(at, zone))
                shown[index] = _NO_SERIAL if serial is None else repr(serial)
        if not _is_plain("\0".join([text or "" for text in shown]) + "\0"):
            return _careful_row(number, values, zone, styles)
        cells = [
            f"{opening}{number}{middle}{text}{closing}"
            for (opening, middle, closing), text in zip(frames, shown, strict=True)
            if text
        ]
        return f'<row r="{number}">{"".join(cells)}</row>'

    return write


def _is_plain(line: str) -> bool:
    """Whether the values of a row can stand in XML as they are."""
    return (
        _SPECIAL.search(line) is None
        and line.count("\0") == len(COLUMNS)
        and len(line) <= _SHORT
        and "_x" not in line
        and "\0 " not in line
        and " \0" not in line
    )


def _careful_row(number: int, values: Sequence[Value], zone: ZoneInfo, styles: Styles) -> str:
    cells = []
    for letter, value in zip(LETTERS, values, strict=True):
        if isinstance(value, datetime):
            cells.append(_instant_cell(f"{letter}{number}", styles, value, zone))
        elif value:
            cells.append(_text_cell(f"{letter}{number}", styles.text, value))
    return f'<row r="{number}">{"".join(cells)}</row>'
