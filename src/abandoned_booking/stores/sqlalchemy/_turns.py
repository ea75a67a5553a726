"""Whose turn it is: what is due, by turns of the businesses, out of one picture of the queue.

A picture is dear where much is due, so it is used for some seconds. In it every business has its
first, then every business its second, and so on. A picture that comes before a turn is over goes on
with that turn: whoever has had theirs is behind those that have not, or else a hundred businesses
that have much to do would keep the next one waiting for as long as they have.

Several workers go by pictures that are alike, and each finds that others have had some of what is
in its own. What part of it was left, it reckons with from then on: it looks further ahead at once,
and makes larger pictures.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from abandoned_booking.stores.sqlalchemy._schema import Key

__all__ = ["A_PAUSE", "LASTS", "MOST_SERVED", "Planned", "Turns"]

LASTS: Final = timedelta(seconds=5)
"""of the time that callers tell; a picture that was dear lasts longer"""
_LASTS_AT_MOST: Final = timedelta(seconds=30)
_SHARE: Final = 20
"""making pictures takes at most this part of the time, unless they are used up before"""
A_PAUSE: Final = timedelta(minutes=1)
"""after which a new turn begins"""
MOST_SERVED: Final = 10_000
"""businesses of a turn that are remembered"""
_LEAST_SHARE: Final = 0.1
"""as if there were never more than ten workers"""


class Planned(NamedTuple):
    """A due request in a picture; tens of thousands are sorted, so it is no class of attrs."""

    turn: int
    due_at: datetime
    key: Key


class Turns:
    """The picture and how far it is used up, shared by all threads of a store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: deque[Planned] = deque()
        self._made_at: datetime | None = None
        self._lasts = LASTS
        self._turn = 1
        self._served: set[str] = set()
        self._served_at: datetime | None = None
        self._share = 1.0

    @property
    def share(self) -> float:
        """What part of a picture others leave."""
        return self._share

    @property
    def served(self) -> int:
        """How many businesses the next picture puts behind: it must have as many more rows."""
        return len(self._served)

    def take(self, picture: Iterable[Planned], *, most: int, at: datetime, took: float) -> None:
        """Go on with the first ``most`` of a new picture, which took so many seconds to make."""
        with self._lock:
            if self._served_at is None or abs(at - self._served_at) >= A_PAUSE:
                self._served.clear()
            self._left = deque(sorted(map(self._behind, picture))[:most])
            self._made_at, self._turn = at, 1
            dear = min(_SHARE * timedelta(seconds=took), _LASTS_AT_MOST)
            self._lasts = max(LASTS, dear)

    def _behind(self, planned: Planned) -> Planned:
        if planned.key[0] in self._served:
            return planned._replace(turn=planned.turn + 1)
        return planned

    def next(self, now: datetime, number: int) -> list[Planned]:
        """Whose turn it is; none if the picture is used up, or is of another time."""
        with self._lock:
            if self._made_at is None or abs(now - self._made_at) > self._lasts:
                self._left.clear()
            return [self._left.popleft() for _ in range(min(number, len(self._left)))]

    def used(self, given: Sequence[Planned], number: int, *, claimed: int, now: datetime) -> None:
        """Of what :meth:`next` gave, so many were looked for; the others are next again."""
        with self._lock:
            for planned in given[:number]:
                self._serve(planned)
            self._left.extendleft(reversed(given[number:]))
            self._served_at = now
            self._share = max(_LEAST_SHARE, (self._share + claimed / number) / 2)

    def _serve(self, planned: Planned) -> None:
        if planned.turn != self._turn or len(self._served) >= MOST_SERVED:
            self._turn = planned.turn
            self._served.clear()
        self._served.add(planned.key[0])

    def everyone_was_served(self) -> None:
        """All that is due was handed out at once: a turn, and the end of it."""
        with self._lock:
            self._served.clear()
