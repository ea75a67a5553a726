"""Every instant inside is an aware UTC ``datetime``; a naive one is refused at the door (G2)."""

from __future__ import annotations

from datetime import UTC, datetime

from abandoned_booking.errors import InvalidInput

__all__ = ["as_utc"]


def as_utc(at: datetime, *, field: str) -> datetime:
    """The same instant in UTC.

    Raises :class:`InvalidInput`, naming ``field``, for a naive one and for one that UTC cannot
    hold: within hours of the calendar's ends.
    """
    if at.utcoffset() is None:
        raise InvalidInput(
            "must be an aware datetime; give it a zone, for example datetime.now(timezone.utc)",
            field=field,
        )
    try:
        return at if at.tzinfo is UTC else at.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(
            "is too near the first or last year of the calendar", field=field
        ) from None
