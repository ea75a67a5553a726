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

__all__ = ["LIBRARIES", "Library", "told"]

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


LIBRARIES: Final[dict[str, Library]] = {
    "procrastinate": Procrastinate(),
    "celery": Celery(),
    "apscheduler": ApScheduler(),
    "huey": Huey(),
    "huey-fsync": DurableHuey(),
}


def main(library: str, verb: str, place: str, jobs: int) -> None:
    COUNT.jobs = jobs
    known = LIBRARIES
    if library not in known:
        # Not at the top: the others' memory is to be their own.
        known = import_module("benchmarks._our_workers").LIBRARIES
    getattr(known[library], verb)(place, jobs)


if __name__ == "__main__":
    # APScheduler finds its job by the module's real name: one COUNT for both.
    import_module("benchmarks._workers").main(*sys.argv[1:4], int(sys.argv[4]))
