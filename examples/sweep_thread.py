"""The sweep in a thread of a web process: start it, let it work, stop it without cutting it off.

Two of them run here over one file, as two processes would: each text goes out once all the same.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

from abandoned_booking import (
    AbandonedBookings,
    AfterDelay,
    BookingForm,
    BusinessSettings,
    Person,
    Progress,
    RecoveryCampaign,
    Status,
    Step,
)
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import RecordingSmsGateway

log = logging.getLogger("platform.sweep")


class SweepThread:
    """Sweeps every so often until it is stopped."""

    def __init__(self, bookings: AbandonedBookings, *, every: timedelta) -> None:
        self._bookings = bookings
        self._every = every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the sweep under way is finished."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                report = self._bookings.sweep.run_once()
            except Exception:  # the store was away: the next round tries again
                log.exception("sweep failed")
            else:
                if report.errors or report.unconfirmed:
                    log.warning("sweep: %s", report)
            self._stopped.wait(self._every.total_seconds())


def visitors(bookings: AbandonedBookings, count: int) -> None:
    """As many visitors who left two hours and a quarter ago."""
    left_at = datetime.now(UTC) - timedelta(hours=2, minutes=15)
    for number in range(count):
        person = Person(first_name="Ann", phone=f"+1212555{100 + number:04}")
        bookings.capture.progress(
            Progress(
                business_id="paws",
                session_id=f"session-{number}",
                step=Step.TIME,
                at=left_at,
                form=BookingForm(person=person),
            )
        )


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    sms = RecordingSmsGateway()
    with SqliteStore("sweep_thread.db") as store:
        bookings = AbandonedBookings(store, sms=sms)
        campaign = RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2))
        bookings.settings.put(
            BusinessSettings(business_id="paws", name="Paws & Co", campaign=campaign)
        )
        visitors(bookings, 20)

        sweeps = [SweepThread(bookings, every=timedelta(milliseconds=50)) for _ in range(2)]
        for sweep in sweeps:
            sweep.start()
        # In a platform: when the process ends. Here: each has begun, and finishes what is due.
        for sweep in sweeps:
            sweep.stop()
        bookings.sweep.run_once()

        desk = bookings.desk("paws")
        contacted = [r for r in store.stream("paws") if r.status is Status.CONTACTED]
        print(f"{len(contacted)} contacted, {len(sms.sent)} texts, red dot: {desk.dot()}")
        assert max(sms.accepted.values()) == 1


if __name__ == "__main__":
    main()
