"""One of several processes that all do everything to one request at the same time.

Usage: ``python crowd_worker.py FOLDER REQUEST_ID NOW``. The host's registers are files: a client,
an appointment or a text is there once its file is, and a second one under the same key is not made.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from abandoned_booking import AbandonedBookings, CareType, InboundSms
from abandoned_booking.errors import TransitionRefused
from abandoned_booking.ports import (
    Accepted,
    AppointmentDraft,
    ClientDraft,
    OutboundSms,
    SendResult,
)
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import FakeClock


class Host:
    """Client list, calendar and provider in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _once(self, kind: str, key: str) -> str:
        with suppress(FileExistsError):
            (self._folder / f"{kind}-{key}").touch(exist_ok=False)
        return f"{kind}-{key}"

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        del business_id, phone, email
        return []

    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        del business_id, draft
        return self._once("client", key)

    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        del business_id, client_id, care_type
        return False

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        del business_id, draft
        return self._once("appointment", key)

    def cancel(self, business_id: str, appointment_id: str) -> None:
        del business_id
        (self._folder / appointment_id).unlink(missing_ok=True)

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        del timeout
        with (self._folder / "texts").open("a") as texts:
            texts.write(f"{message.attempt_id}\n")
        return Accepted(provider_id=message.attempt_id)


def main() -> None:
    """Add the client, schedule, reply and sweep, all at once, when standard input says so."""
    folder, request_id, now = Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3])
    host = Host(folder)
    with SqliteStore(folder / "bookings.db", busy_timeout=timedelta(seconds=60)) as store:
        bookings = AbandonedBookings(
            store, sms=host, clients=host, appointments=host, clock=FakeClock(now)
        )
        desk = bookings.desk("paws")
        reply = InboundSms(
            business_id="paws", phone="+12125550199", body="Yes", at=now, message_id="m1"
        )

        def schedule() -> None:
            with suppress(TransitionRefused):
                desk.schedule(request_id, now + timedelta(days=1))

        acts: list[Callable[[], object]] = [
            bookings.sweep.run_once,
            lambda: desk.add_client(request_id),
            lambda: bookings.inbound.reply(reply),
            schedule,
        ]
        threads = [threading.Thread(target=act) for act in acts]
        print("ready", flush=True)
        sys.stdin.readline()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    os.write(1, b"done\n")


if __name__ == "__main__":
    main()
