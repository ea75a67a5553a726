"""The options that commands share, and what is typed into them."""

from __future__ import annotations

import base64
import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from abandoned_booking.backtest.log import parse_instant
from abandoned_booking.core.campaign import AfterDelay, AtClockTime, Days, RecoveryCampaign
from abandoned_booking.core.retention import Retention
from abandoned_booking.errors import InvalidInput, InvalidSettings

__all__ = [
    "Business",
    "ExistingStore",
    "Json",
    "Now",
    "Secret",
    "Yes",
    "parse_boundary",
    "parse_campaign",
    "parse_instant",
    "parse_now",
    "parse_pairs",
    "parse_retention",
    "parse_secret",
    "words",
]

ExistingStore = Annotated[
    Path, typer.Option("--store", metavar="FILE", help="The database file that holds the requests.")
]
Business = Annotated[
    str | None,
    typer.Option(
        "--business", metavar="ID", help="Whose requests; the file's only business unless told."
    ),
]
Now = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="ISO",
        help="The instant to take for now, with its offset: 2026-03-01T12:00:00Z. "
        "The machine's clock unless told.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")
]
Secret = Annotated[
    str | None,
    typer.Option(
        "--secret",
        metavar="KEY",
        envvar="ABANDONED_BOOKING_SECRET",
        show_default=False,
        help="The secret that your platform gives AbandonedBookings, as text, or as hex:… or "
        "base64:…. Without it the opt-outs of such a platform are not found. Better given by the "
        "variable: other users of a machine may see command lines.",
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Do it; without this it is only said what would be done.")
]

_AGE: Final = re.compile(r"(\d{1,6})\s*(d|days?|months?|y|years?)")
_DELAY: Final = re.compile(r"(\d{1,5})\s*(h|hours?|m|min|minutes?)")


def parse_now(text: str | None) -> datetime | None:
    """``--now`` as an aware instant."""
    return None if text is None else parse_instant(text, field="--now").astimezone(UTC)


def parse_boundary(text: str | None, *, field: str) -> datetime | date | None:
    """A local day of the business, or an aware instant."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return parse_instant(text, field=field)


def words(given: Iterable[str] | None) -> list[str]:
    """The values of an option that may be repeated or hold several with commas between."""
    return [word for text in given or () for word in map(str.strip, text.split(",")) if word]


def parse_pairs(text: str, *, field: str) -> Iterator[tuple[str, str]]:
    """``a=b,c=d`` as pairs; quotes around a pair protect its commas."""
    try:
        pairs = next(csv.reader([text], strict=True), [])
    except csv.Error:
        pairs = []
    found = [pair.partition("=") for pair in pairs]
    if not found or not all(sign and left.strip() and right.strip() for left, sign, right in found):
        raise InvalidInput("must be pairs like a=b,c=d", field=field)
    names = [left.strip() for left, _, _ in found]
    if len(set(names)) != len(names):
        raise InvalidInput("names something twice", field=field)
    return ((left.strip(), right.strip()) for left, _, right in found)


def parse_secret(text: str | None) -> bytes | None:
    """``hex:`` or ``base64:`` and bytes written so; anything else is the text itself, in UTF-8."""
    if text is None:
        return None
    kind, colon, written = text.partition(":")
    try:
        if colon and kind == "hex":
            return bytes.fromhex(written)
        if colon and kind == "base64":
            return base64.b64decode(written, validate=True)
    except ValueError:
        raise InvalidInput(
            "is not what its beginning says; give hex:… or base64:…", field="--secret"
        ) from None
    # Arguments may hold bytes that are no UTF-8; they come back as they were.
    return text.encode("utf-8", "surrogateescape")


def parse_retention(text: str, *, field: str) -> Retention:
    """``365d``, ``24months`` or ``3y``. Raises :class:`InvalidInput` for anything else."""
    given = _AGE.fullmatch(text.strip())
    if given is None:
        raise InvalidInput("must be days, months or years: 365d, 24months or 3y", field=field)
    number, unit = int(given[1]), given[2][0]
    try:
        match unit:
            case "d":
                return Retention(days=number)
            case "m":
                return Retention(months=number)
            case _:
                return Retention(years=number)
    except InvalidSettings:
        raise InvalidInput("must be from 1 day to 100 years", field=field) from None


def parse_campaign(text: str, *, field: str = "--campaign") -> RecoveryCampaign:
    """``after=2h``, ``daily=09:00``, ``weekdays=09:00``, ``weekends=10:00`` or ``off``.

    Raises :class:`InvalidInput` for anything else, or a delay that campaigns do not have.
    """
    kind, _, when = (part.strip() for part in text.partition("="))
    if text.strip() == "off":
        return RecoveryCampaign(enabled=False)
    if kind == "after" and (delay := _DELAY.fullmatch(when)):
        number, is_hours = int(delay[1]), delay[2].startswith("h")
        after = timedelta(hours=number) if is_hours else timedelta(minutes=number)
        return RecoveryCampaign(enabled=True, timing=AfterDelay(after))
    if kind in set(Days) and (at := _clock_time(when)) is not None:
        return RecoveryCampaign(enabled=True, timing=AtClockTime(at, Days(kind)))
    raise InvalidInput(
        "must be after=2h (or 90m), daily=09:00, weekdays=09:00, weekends=10:00 or off",
        field=field,
    )


def _clock_time(text: str) -> time | None:
    if not re.fullmatch(r"\d\d:\d\d(:\d\d)?", text):
        return None
    try:
        return time.fromisoformat(text)
    except ValueError:
        return None
