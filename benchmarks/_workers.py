"""One worker process that does one job for each request, by each of the libraries; and by ours.

``fill`` puts so many jobs into a library's own place; ``work``, in a process of its own, does them
all and prints how many it did in a second, and the memory that it had in the end. The jobs do
nothing: what is measured is the library. Every place is durable but Redis, which is left as it
comes: it writes nothing to the disk.

Run by ``job_libraries.py`` as ``python -m benchmarks._workers <library> <fill|work> <place>
<jobs>``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from abandoned_booking import AbandonedBookings
from abandoned_booking.testing import FakeClock
from benchmarks._crowd import NOW, due_request
from benchmarks._fill import ON_POSTGRES, SQLITE, fill, open_store
from benchmarks._raw_claims import BATCH, recorded
from benchmarks.sweep_run import NoOpGateway

__all__ = ["LIBRARIES", "Library"]

logging.disable(logging.CRITICAL)


class Library(Protocol):
    """How a library is filled and worked off. ``place`` is a URL or a path, and empty at first."""

    def fill(self, place: str, jobs: int) -> None:
        """Put the jobs there, due now."""
        ...

    def work(self, place: str, jobs: int) -> None:
        """Do them, one worker; call :func:`told` when the last one is done."""
        ...


def told(jobs: int, taken: float) -> None:
    """Print what the parent wants to know and end, without waiting for what libraries wait for."""
    lines = Path("/proc/self/status").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
    # Not sys.stdout: Celery has taken that one over.
    print(json.dumps([jobs / taken, memory]), flush=True, file=sys.__stdout__)
    os._exit(0)


class _Count:
    """From the first job's begin to the last one's end."""

    def __init__(self, jobs: int) -> None:
        self.jobs, self.done, self.began = jobs, 0, 0.0

    def one(self) -> None:
        if self.done == 0:
            self.began = time.perf_counter()
        self.done += 1
        if self.done == self.jobs:
            # The first one's own time is not in it.
            told(self.jobs - 1, time.perf_counter() - self.began)


COUNT: Final = _Count(0)


def no_op(number: int) -> None:
    """The job of all libraries."""
    del number
    COUNT.one()


class Procrastinate:
    """procrastinate on PostgreSQL: one row, and a few statements, for each job."""

    def _app(self, place: str) -> Any:
        library = import_module("procrastinate")
        app = library.App(connector=library.PsycopgConnector(conninfo=place))
        return app, app.task(name="no_op", queue="bench")(no_op)

    def fill(self, place: str, jobs: int) -> None:
        library = import_module("procrastinate")
        app = library.App(connector=library.SyncPsycopgConnector(conninfo=place))
        task = app.task(name="no_op", queue="bench")(no_op)
        with app.open():
            app.schema_manager.apply_schema()
            task.batch_defer(*({"number": number} for number in range(jobs)))

    def work(self, place: str, jobs: int) -> None:
        del jobs  # the last one tells
        app, _ = self._app(place)
        with app.open():
            app.run_worker(wait=False, concurrency=1, install_signal_handlers=False)


class Celery:
    """Celery on Redis, the solo pool."""

    def _app(self, place: str) -> Any:
        app = import_module("celery").Celery("bench", broker=place)
        app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False)
        return app, app.task(name="no_op")(no_op)

    def fill(self, place: str, jobs: int) -> None:
        app, task = self._app(place)
        with app.connection_for_write() as connection, connection.Producer() as producer:
            for number in range(jobs):
                task.apply_async((number,), producer=producer)

    def work(self, place: str, jobs: int) -> None:
        del jobs
        app, _ = self._app(place)
        app.Worker(pool="solo", concurrency=1, loglevel="CRITICAL", quiet=True).start()


class ApScheduler:
    """APScheduler with its jobs in PostgreSQL."""

    def _scheduler(self, place: str) -> Any:
        kind = import_module("apscheduler.schedulers.blocking").BlockingScheduler
        store = import_module("apscheduler.jobstores.sqlalchemy").SQLAlchemyJobStore(url=place)
        pool = import_module("apscheduler.executors.pool").ThreadPoolExecutor(1)
        return kind(jobstores={"default": store}, executors={"default": pool}, timezone=UTC)

    def fill(self, place: str, jobs: int) -> None:
        scheduler = self._scheduler(place)
        store = scheduler._jobstores["default"]
        store.start(scheduler, "default")
        job = import_module("apscheduler.job").Job
        trigger = import_module("apscheduler.triggers.date").DateTrigger
        at = datetime.now(UTC) - timedelta(hours=1)
        for number in range(jobs):
            store.add_job(
                job(
                    scheduler,
                    id=str(number),
                    name="no_op",
                    func="benchmarks._workers:no_op",
                    args=(number,),
                    kwargs={},
                    executor="default",
                    trigger=trigger(at),
                    misfire_grace_time=None,
                    coalesce=True,
                    max_instances=1,
                    next_run_time=at,
                )
            )

    def work(self, place: str, jobs: int) -> None:
        del jobs
        self._scheduler(place).start()


class Huey:
    """huey on SQLite: taken off the queue, then run; nothing is written afterwards."""

    fsync: bool = False

    def _app(self, place: str) -> Any:
        library = import_module("huey")
        app = library.SqliteHuey(filename=place, fsync=self.fsync, results=False)
        return app, app.task(name="no_op")(no_op)

    def fill(self, place: str, jobs: int) -> None:
        app, task = self._app(place)
        for number in range(jobs):
            app.enqueue(task.s(number))

    def work(self, place: str, jobs: int) -> None:
        del jobs
        app, _ = self._app(place)
        # Without its consumer, whose threads wait and poll: as fast as huey can be.
        while (job := app.dequeue()) is not None:
            app.execute(job)


class DurableHuey(Huey):
    """The same, with every change on the disk before the job runs, as ours are."""

    fsync = True


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
    "procrastinate": Procrastinate(),
    "celery": Celery(),
    "apscheduler": ApScheduler(),
    "huey": Huey(),
    "huey-fsync": DurableHuey(),
}


def main(library: str, verb: str, place: str, jobs: int) -> None:
    COUNT.jobs = jobs
    getattr(LIBRARIES[library], verb)(place, jobs)


if __name__ == "__main__":
    # APScheduler finds its job by the module's real name: one COUNT for both.
    import_module("benchmarks._workers").main(*sys.argv[1:4], int(sys.argv[4]))
