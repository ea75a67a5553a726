"""Every instant inside is an aware UTC ``datetime``; a naive one is refused at the door (G2)."""

from __future__ import annotations

from datetime import UTC, datetime

from abandoned_booking.errors import InvalidInput

__all__ = ["as_utc", "earliest"]


def as_utc(at: datetime, *, field: str) -> datetime:
    """The same instant in UTC. Raises :class:`InvalidInput` for a naive one, naming ``field``."""
    if at.utcoffset() is None:
        raise InvalidInput(
            "must be an aware datetime; give it a zone, for example datetime.now(timezone.utc)",
            field=field,
        )
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def earliest(*instants: datetime | None) -> datetime | None:
    """The earliest of those that are there."""
    return min((at for at in instants if at is not None), default=None)
