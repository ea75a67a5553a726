"""A clock that stands still until it is told otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from abandoned_booking.core.instants import as_utc

__all__ = ["FakeClock"]


class FakeClock:
    """A :class:`~abandoned_booking.ports.Clock` for tests: ``now()`` is what it was set to.

    It may be set back, as real clocks are.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 5, 12, tzinfo=UTC)) -> None:
        self._now = as_utc(start, field="start")

    def now(self) -> datetime:
        """Returns: the instant it was set to, aware UTC."""
        return self._now

    def set(self, at: datetime) -> datetime:
        """Set it to an aware instant; returns the new ``now()``."""
        self._now = as_utc(at, field="at")
        return self._now

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        microseconds: float = 0,
    ) -> datetime:
        """Move it on, or back; returns the new ``now()``."""
        return self.set(
            self._now
            + timedelta(
                days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=microseconds
            )
        )

    def __repr__(self) -> str:
        return f"FakeClock({self._now.isoformat()})"
