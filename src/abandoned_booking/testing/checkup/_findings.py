"""What a check-up finds, as values; and what may be said of an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from traceback import extract_tb
from typing import Final

import attrs

from abandoned_booking.errors import AbandonedBookingError

__all__ = ["Checkup", "Finding", "Level", "said"]

_LONGEST_MESSAGE: Final = 200
_CREDENTIALS: Final = re.compile(r"://[^/@\s]+@")


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """may well be so; the text says what it costs"""
    WARNING = "warning"
    """works, but hardly as it was meant"""
    PROBLEM = "problem"
    """will fail, or do the wrong thing"""


@attrs.frozen
class Finding:
    """One thing that was found."""

    about: str
    """the part, by its name in ``AbandonedBookings(...)``, or ``business <id>``"""
    level: Level = attrs.field(converter=Level)
    text: str


@attrs.frozen(kw_only=True)
class Checkup:
    """All that was found."""

    findings: tuple[Finding, ...]
    parts: Mapping[str, str | None]
    """the class of each part; ``None`` for one that was not given"""
    capabilities: Mapping[str, bool]
    """``Supports…`` of the parts that are there, and whether they have it"""
    wrote: bool
    """whether the store was written to"""

    def count(self, level: Level) -> int:
        """How many findings are of that level."""
        return sum(finding.level is level for finding in self.findings)


def said(error: BaseException, *, with_message: bool = True) -> str:
    """An error in one line: its type, its message and where it was raised.

    Without its message where that may hold what is stored (G4). Passwords in addresses are taken
    out of it in any case.
    """
    name = type(error).__name__
    lines = str(error).strip().splitlines() if with_message else []
    if lines:
        message = _CREDENTIALS.sub("://…@", lines[0])
        name = f"{name}: {message[:_LONGEST_MESSAGE]}"
    frames = extract_tb(error.__traceback__)
    if isinstance(error, AbandonedBookingError) or not frames:
        return name
    return f"{name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
