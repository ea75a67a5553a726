"""The whole sweep: what one worker process sends in a second through a gateway that costs nothing.

Everything is in it: the settings, the lists, the rules, the text, the phone's reservation, *begin*,
the send and its outcome. With one thread each of those is its own commit; with more, what the
threads save at the same moment is one.

Run: ``python -m benchmarks.sweep_run``.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, Final

import abandoned_booking as ab
from abandoned_booking.ports import Accepted, OutboundSms, SendResult
from abandoned_booking.testing import FakeClock
from benchmarks._crowd import NOW, due_request
from benchmarks._databases import Databases, databases
from benchmarks._fill import fill, open_store, place_of, stores_there
from benchmarks._harness import ROUNDS, Bench, Take, pick

THREADS: Final = (1, 8, 64)
SENT: Final = pick(full=600, quick=300, tiny=10)


class NoOpGateway:
    """Accepts every text and does nothing."""

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        del timeout
        return Accepted(provider_id=message.attempt_id, segments=message.segments)


def main() -> None:
    bench = Bench("sweep")
    with databases() as places:
        for kind in stores_there(places, also_on_sqlite=True):
            store = _due(places, kind)
            takes = {_name(threads): _rate(store, threads) for threads in THREADS}
            bench.in_turns(
                "sweep.run_once, a gateway that does nothing",
                takes,
                unit="/s",
                where=kind,
                rounds=ROUNDS,
            )


def _name(threads: int) -> str:
    return f"{threads} send_threads" if threads > 1 else "1 send_thread"


def _due(places: Databases, kind: str) -> Any:
    """A store in which enough is due for all rounds."""
    place = place_of(places, kind, "sweep")
    fill(kind, place, SENT * len(THREADS) * ROUNDS, due_request)
    return open_store(kind, place)


def _rate(store: Any, threads: int) -> Take:
    """Messages a second of one run."""
    bookings = ab.AbandonedBookings(
        store, sms=NoOpGateway(), clock=FakeClock(NOW), send_threads=threads
    )

    def take() -> float:
        began = time.perf_counter()
        report = bookings.sweep.run_once(limit=SENT)
        taken = time.perf_counter() - began
        assert report.sent == SENT, report
        return SENT / taken

    return take


if __name__ == "__main__":
    main()
