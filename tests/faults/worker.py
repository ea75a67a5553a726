"""The processes that are killed. They sweep, or do what people do, as they are told.

``python -m faults.worker SOCKET URL...`` is where they come from: one that has loaded everything
and forks a worker for each line that it reads, so that two hundred dead ones cost no more than two
hundred forks. A worker is told what to do over a connection of its own. When it comes to a point
that it was told of, it says so, and stands still until it is told to go on; which it may never be.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from multiprocessing.connection import Client, Connection
from pathlib import Path
from threading import Lock
from typing import Any, Final

import attrs
from faults.broken import BROKEN
from faults.opening import open_store, used_store
from faults.people import Act, Visitor, visitors
from faults.provider import Provider
from faults.record import Record, SharedClock

from abandoned_booking import (
    AbandonedBookings,
    Booked,
    DeliveryReport,
    InboundSms,
    _failpoints,
)
from abandoned_booking._door import log
from abandoned_booking.errors import StoreError, TransitionRefused
from abandoned_booking.ports import PhoneLedger

CLAIM_FOR: Final = timedelta(minutes=2)


class _WrittenDown:
    """A ledger whose reservations are in the record, with the time that they are of."""

    def __init__(self, ledger: PhoneLedger, record: Record) -> None:
        self._ledger, self._record = ledger, record

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        taken = self._ledger.reserve(business_id, phone, owner=owner, at=at, not_within=not_within)
        if taken:
            self._record.write("reserved", owner, at.isoformat())
        return taken

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        self._ledger.release(business_id, phone, owner=owner)


class _FailuresWrittenDown(logging.Handler):
    """What a sweep logs of a request that it could not handle, in the record."""

    def __init__(self, record: Record) -> None:
        super().__init__(logging.ERROR)
        self._record = record

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and str(record.msg).startswith("sweep: request"):
            request_id, _, error = record.args
            self._record.write("failed", str(request_id), str(error))


@attrs.frozen(kw_only=True)
class Job:
    """What a worker has to know."""

    url: str
    folder: str
    seed: int
    visitors: int
    within_seconds: float
    broken: str | None = None

    @property
    def record(self) -> Path:
        return Path(self.folder) / "record"

    @property
    def clock(self) -> Path:
        return Path(self.folder) / "clock"

    def people(self) -> list[Visitor]:
        return visitors(self.visitors, within=timedelta(seconds=self.within_seconds))


class Worker:
    """One of them."""

    def __init__(self, job: Job, store: Any, threads: int, told: Connection) -> None:
        self._told = told
        clock = SharedClock(job.clock)
        self._record = Record(job.record, clock)
        self._clock, self._people = clock, job.people()
        if job.broken is not None:
            store = BROKEN[job.broken](store)
        self._bookings = AbandonedBookings(
            store,
            sms=Provider(self._record, clock, job.seed),
            ledger=_WrittenDown(store.ledger, self._record),
            clock=clock,
            send_threads=max(threads, 1),
        )
        log.addHandler(_FailuresWrittenDown(self._record))
        log.propagate = False
        self._stops: dict[str, int] = {}
        self._lock = Lock()

    def reached(self, point: str, about: str = "", /) -> None:
        """The hook of the failpoints."""
        if point == "sweep.recorded":
            # Before anything can happen to it there.
            self._record.write("recorded", about)
        # One thread at a time speaks and listens. Another passes by: it may be in a transaction.
        if point in self._stops and self._lock.acquire(blocking=False):
            try:
                self._stop(point, about)
            finally:
                self._lock.release()
        if point == "sweep.beginning":
            # After it has stood still: from here on it does begin.
            self._record.write("beginning", about)

    def _stop(self, point: str, about: str) -> None:
        left = self._stops.pop(point, None)
        if left is None:
            return
        if left:
            self._stops[point] = left - 1
            return
        self._told.send(("at", point, about))
        self._told.recv()

    def work(self) -> None:
        """Do as told, until nobody is there to tell."""
        with _failpoints.armed(self.reached):
            while True:
                what, given, self._stops = self._told.recv()
                try:
                    said = getattr(self, what)(given)
                except StoreError as error:
                    said = ("failed", type(error).__name__)
                self._told.send((*said, self._stops))

    def sweep(self, limit: int) -> tuple[str, int, int]:
        """One run: how many it had, and how many of them the store let down."""
        report = self._bookings.sweep.run_once(limit=limit, claim_for=CLAIM_FOR)
        return "swept", report.claimed, report.errors

    # ── what people do ──────────────────────────────────────────────────────────────────────────

    def acts(self, acts: Sequence[Act]) -> tuple[str]:
        """One after the other; each is written down, and said, once it has returned."""
        for what, number, how in acts:
            visitor = self._people[number]
            with suppress(TransitionRefused):
                said = getattr(self, f"_{what}")(visitor, how)
                self._record.write(what, str(number), said or "-")
            self._told.send(("acted", what, number, how))
        return ("done",)

    def _visit(self, visitor: Visitor, _: str) -> None:
        self._bookings.capture.progress(visitor.progress())

    def _book(self, visitor: Visitor, _: str) -> None:
        # Not before they came, whatever the clock says: that would be another visit's booking.
        at = max(self._clock.now(), visitor.left_at)
        booked = Booked(business_id=visitor.business_id, session_id=visitor.session_id, at=at)
        self._bookings.capture.booked(booked)

    def _call(self, visitor: Visitor, _: str) -> str:
        called = self._bookings.desk(visitor.business_id).call(visitor.request_id)
        return called.contacts[-1].id

    def _text(self, visitor: Visitor, operation_id: str) -> str | None:
        desk = self._bookings.desk(visitor.business_id)
        texted = desk.text(visitor.request_id, "Hello", operation_id=operation_id)
        return texted.contact.id if texted.contact else None

    def _opt_out(self, visitor: Visitor, message_id: str) -> str:
        reply = InboundSms(
            business_id=visitor.business_id,
            phone=visitor.phone,
            body="STOP",
            at=self._clock.now(),
            message_id=message_id,
        )
        self._bookings.inbound.reply(reply)
        return f"{visitor.business_id}{visitor.phone}"

    def _report(self, visitor: Visitor, state: str) -> None:
        report = DeliveryReport(
            business_id=visitor.business_id,
            attempt_id=f"{visitor.request_id}.m",
            state=state,
            at=self._clock.now(),
        )
        if f"accepted {report.attempt_id} " in self._record:
            self._bookings.inbound.delivery(report)


def main() -> None:
    """Fork a worker for every line of standard input: a job, and the name that it answers to."""
    address, *urls = sys.argv[1:]
    stores = {url: used_store(url) for url in urls if not url.startswith("file:")}
    # Nobody waits for them: whoever is told of their end sees their connection close.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    faulthandler.register(signal.SIGUSR1)  # where does it stand?
    for line in sys.stdin:
        asked = json.loads(line)
        if os.fork():
            continue
        try:
            job = Job(**asked["job"])
            store = stores.get(job.url) or open_store(job.url)
            with suppress(EOFError, BrokenPipeError), Client(address, "AF_UNIX") as told:
                told.send((asked["name"], os.getpid()))
                Worker(job, store, asked["threads"], told).work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)


if __name__ == "__main__":
    main()
