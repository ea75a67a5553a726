"""The contract of :class:`~abandoned_booking.ports.Clock` (G2)."""

from __future__ import annotations

from datetime import datetime

from abandoned_booking.ports import Clock
from abandoned_booking.testing.contracts._tools import THREADS, race

__all__ = ["ClockContract"]


class ClockContract:
    """Everything that :class:`~abandoned_booking.ports.Clock` promises.

    Subclass it and give the fixture ``clock``. It may stand still, and it may be set back.
    """

    def test_now_is_an_aware_instant(self, clock: Clock) -> None:
        now = clock.now()
        assert isinstance(now, datetime), "now: an instant, a datetime"
        assert now.utcoffset() is not None, "now: aware; a naive one is refused at every door"

    def test_several_threads_ask_at_the_same_time(self, clock: Clock) -> None:
        aware = [now.utcoffset() is not None for now in race(*[clock.now] * THREADS)]
        assert all(aware), "now: aware, in every thread"
