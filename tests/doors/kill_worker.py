"""One sweeping process of the kill test: says every step, so that the test can kill it anywhere.

Usage: ``python kill_worker.py STORE ACCEPTED NOW``. The provider is the file ``ACCEPTED``: a line
that is in it was accepted. Lines on standard output: ``sending``, ``accepted``, ``idle``.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta

from abandoned_booking import AbandonedBookings
from abandoned_booking.ports import Accepted, OutboundSms, SendResult
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import FakeClock


class FileProvider:
    """Accepts by appending to a file: one write, whole or not at all."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        del timeout
        print("sending", flush=True)
        os.write(self._file, f"{message.attempt_id}\n".encode())
        print("accepted", flush=True)
        return Accepted(provider_id=message.attempt_id)


def main() -> None:
    """Sweep until nothing is due at that instant."""
    path, accepted, now = sys.argv[1:]
    with SqliteStore(path, busy_timeout=timedelta(seconds=60)) as store:
        bookings = AbandonedBookings(
            store,
            sms=FileProvider(accepted),
            clock=FakeClock(datetime.fromisoformat(now)),
            send_threads=2,
        )
        while bookings.sweep.run_once(limit=50).claimed:
            pass
    print("idle", flush=True)


if __name__ == "__main__":
    main()
