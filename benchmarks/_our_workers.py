"""Our own worker processes, for ``_workers.py``: the store's part of the sweep, and all of it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

from abandoned_booking import AbandonedBookings
from abandoned_booking.testing import FakeClock
from benchmarks._crowd import NOW, due_request
from benchmarks._fill import ON_POSTGRES, SQLITE, fill, open_store
from benchmarks._raw_claims import BATCH, recorded
from benchmarks._workers import Library, told
from benchmarks.sweep_run import NoOpGateway

__all__ = [
    "LIBRARIES",
    "ON_SQLITE_BATCH",
    "ON_SQLITE_SWEEP",
    "OURS_BATCH",
    "OURS_EACH",
    "OURS_SWEEP",
    "OURS_THREADS",
]


class Ours:
    """A claim of a hundred at a time, and each outcome recorded; as ``sweep_claims.py`` does it."""

    def __init__(self, kind: str, *, together: bool) -> None:
        self._kind, self._together = kind, together

    def fill(self, place: str, jobs: int) -> None:
        fill(self._kind, place, jobs, due_request)

    def work(self, place: str, jobs: int) -> None:
        store = open_store(self._kind, place)
        store.get("paws", "nobody")  # connects, and looks at the tables
        began = time.perf_counter()
        left = jobs
        while left:
            claimed = store.claim_due(now=NOW, until=NOW + timedelta(minutes=2), limit=BATCH)
            done = [(recorded(one), one.version) for one in claimed]
            if self._together:
                assert all(store.save_many(done))
            else:
                assert all(store.save(one, expected_version=version) for one, version in done)
            left -= len(claimed)
        told(jobs, time.perf_counter() - began)


class OurSweep(Ours):
    """The whole of ``sweep.run_once``: rules, reservation, *begin*, send and outcome."""

    def __init__(self, kind: str, *, threads: int) -> None:
        super().__init__(kind, together=threads > 1)
        self._threads = threads

    def work(self, place: str, jobs: int) -> None:
        store = open_store(self._kind, place)
        bookings = AbandonedBookings(
            store, sms=NoOpGateway(), clock=FakeClock(NOW), send_threads=self._threads
        )
        store.get("paws", "nobody")
        began = time.perf_counter()
        sent = sum(iter(lambda: bookings.sweep.run_once().sent, 0))
        assert sent == jobs
        told(jobs, time.perf_counter() - began)


OURS_EACH, OURS_BATCH = "ours, a commit per send", "ours, batches of 100"
OURS_SWEEP, OURS_THREADS = "our whole sweep, 1 thread", "our whole sweep, 64 threads"
ON_SQLITE_BATCH, ON_SQLITE_SWEEP = "ours on SQLite, batches of 100", "our whole sweep on SQLite"
LIBRARIES: Final[dict[str, Library]] = {
    OURS_EACH: Ours(ON_POSTGRES, together=False),
    OURS_BATCH: Ours(ON_POSTGRES, together=True),
    OURS_SWEEP: OurSweep(ON_POSTGRES, threads=1),
    OURS_THREADS: OurSweep(ON_POSTGRES, threads=64),
    ON_SQLITE_BATCH: Ours(SQLITE, together=True),
    ON_SQLITE_SWEEP: OurSweep(SQLITE, threads=1),
}
