"""Where a look at the queue begins: past what is dead already (PostgreSQL).

A claim leaves a dead entry at the front of the index of due requests. PostgreSQL drops those when
nobody can see them any more, but a transaction that has been open for long (a dump, an export)
keeps them all, and every look at the queue passes over every one of them. So when a look has been
slow, and has gone through many pages to find what it found, the next ones begin where it ended.

Nothing is lost by it: what others put before the mark is found late. The mark goes back for what
this store itself writes there, and is forgotten after fifty times as long as the slow look took,
ten seconds at most.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import attrs

__all__ = ["FORGOTTEN_AFTER", "MANY_PAGES", "Look", "LowWaterMark"]

_SLOW: Final = 0.005
"""seconds; a look that is not slow takes a twentieth of it"""
MANY_PAGES: Final = 200
"""a look without dead entries goes through three or four, for each partition; a busy machine makes
it slow, but not long"""
FORGOTTEN_AFTER: Final = 10.0
"""seconds, at most: a process that was stopped in the middle of a look finds it slow"""
_SHARE: Final = 50
"""looks from the beginning take at most this part of the time"""


class LowWaterMark:
    """Before which nothing is due, as far as is known. Seconds are those of a monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: datetime | None = None
        self._ends = 0.0
        self._went_far = False
        self._looks: set[Look] = set()

    def start_of(self, now: datetime, *, seconds: float) -> datetime | None:
        """Where a look begins; None: at the beginning. A clock that was set back is before it."""
        with self._lock:
            if self._at is not None and seconds >= self._ends:
                self._at = None
            return None if self._at is None or self._at > now else self._at

    @contextmanager
    def looking(self) -> Iterator[Look]:
        """While somebody looks from the beginning."""
        look = Look()
        with self._lock:
            self._looks.add(look)
        try:
            yield look
        finally:
            with self._lock:
                self._looks.remove(look)

    def looked(
        self,
        look: Look,
        found: datetime,
        *,
        took: float,
        goes_far: Callable[[], bool],
        seconds: float,
    ) -> None:
        """A look has ended at the first that it found, or at its own time.

        ``goes_far`` is asked of a slow look, unless it was so the last time.
        """
        self._went_far = took > _SLOW and (self._went_far or goes_far())
        if self._went_far:
            with self._lock:
                self._ends = seconds + min(_SHARE * took, FORGOTTEN_AFTER)
                self._at = min(found, look.lowest or found)

    def lower(self, to: datetime) -> None:
        """Something has been put into the queue."""
        with self._lock:
            if self._at is not None and to < self._at:
                self._at = to
            for look in self._looks:
                look.lowest = min(to, look.lowest or to)


@attrs.define(eq=False)
class Look:
    """A look under way."""

    lowest: datetime | None = None
    """the earliest that this store has put into the queue since it began, and may not be seen"""
