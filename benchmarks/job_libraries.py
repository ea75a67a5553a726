"""The same work with a job library: one job for each request, a send that does nothing, one worker.

Each library has its jobs in a place of its own before the worker starts; the worker's rate is from
its first job to its last, its memory what it holds in the end. Ours takes the requests off its
queue and records what came of them; *our whole sweep* also keeps every rule on the way, which the
others leave to the job. Celery's Redis is left as it comes: it writes nothing to the disk, all
others do, but for huey without its fsync.

Run: ``python -m benchmarks.job_libraries``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from benchmarks._databases import Databases, databases, plain
from benchmarks._fill import ON_POSTGRES, SQLITE, place_of
from benchmarks._harness import ROUNDS, Bench, Medians, is_tiny, pick, program
from benchmarks._our_workers import (
    ON_SQLITE_BATCH,
    ON_SQLITE_SWEEP,
    OURS_BATCH,
    OURS_EACH,
    OURS_SWEEP,
    OURS_THREADS,
)

PEERS: Final = {
    "procrastinate": ("procrastinate", "postgres"),
    "celery": ("celery", "redis"),
    "apscheduler": ("apscheduler", "postgres"),
    "huey": ("huey", "file"),
    "huey-fsync": ("huey", "file"),
}
"""what must be there to be imported, and where the jobs are kept"""
SHORT: Final = {
    "procrastinate": "procrastinate, PostgreSQL",
    "celery": "Celery, Redis in memory",
    "apscheduler": "APScheduler, PostgreSQL",
    "huey": "huey, SQLite without fsync",
    "huey-fsync": "huey, SQLite with fsync",
}
ON_OUR_SQLITE: Final = (ON_SQLITE_BATCH, ON_SQLITE_SWEEP)
ON_OUR_POSTGRES: Final = (OURS_EACH, OURS_BATCH, OURS_SWEEP, OURS_THREADS)
JOBS: Final = pick(full=600, quick=300, tiny=5)
IN_BATCHES: Final = pick(full=4_000, quick=2_000, tiny=5)
"""of those that do a few thousand in a second"""
FAST: Final = (OURS_BATCH, ON_SQLITE_BATCH, "huey")
_WITHIN_SECONDS: Final = 120


@attrs.frozen
class Worked:
    """What one worker did."""

    rate: float
    """jobs a second"""
    memory: float
    """MB"""


@attrs.define
class Run:
    """The places of one run, each used once."""

    places: Databases
    redis: Path | None
    memory: dict[str, float] = attrs.Factory(dict)
    """MB in the end, of the last worker of each library"""
    _nth: int = 0

    def rate_of(self, library: str) -> float:
        """Fill a new place, work it off in a process of its own, and remove it."""
        self._nth += 1
        jobs = IN_BATCHES if library in FAST else JOBS
        place = self._place(library, f"jobs_{self._nth}")
        self._do(library, "fill", place, jobs)
        worked = self._do(library, "work", place, jobs)
        if self._kind(library) == "postgres":
            self.places.drop(f"jobs_{self._nth}")
        assert worked is not None
        self.memory[library] = worked.memory
        return worked.rate

    @staticmethod
    def _kind(library: str) -> str:
        if library in PEERS:
            return PEERS[library][1]
        return "file" if library in ON_OUR_SQLITE else "postgres"

    def _place(self, library: str, name: str) -> str:
        match self._kind(library):
            case "redis":
                return f"redis+socket://{self.redis}"
            case "file":
                return place_of(self.places, SQLITE, name)
            case _:
                url = place_of(self.places, ON_POSTGRES, name)
                return plain(url) if library == "procrastinate" else url

    @staticmethod
    def _do(library: str, verb: str, place: str, jobs: int) -> Worked | None:
        ran = subprocess.run(
            program("_workers", library, verb, place, str(jobs)),
            capture_output=True,
            text=True,
            timeout=_WITHIN_SECONDS,
        )
        if ran.returncode:
            raise RuntimeError(f"{library}, {verb}: {ran.stderr.strip().splitlines()[-1:]}")
        return Worked(*json.loads(ran.stdout)) if verb == "work" else None


def main() -> None:
    bench = Bench("jobs")
    with ExitStack() as stack:
        places = stack.enter_context(databases())
        redis = stack.enter_context(_redis(places)) if not is_tiny() else None
        run = Run(places, redis)
        peers = [name for name in PEERS if _can_run(bench, name, run)]
        ours = [*(ON_OUR_POSTGRES if places.postgres else ()), *ON_OUR_SQLITE]
        named = {name: SHORT.get(name, name) for name in (*ours, *peers)}
        medians = bench.in_turns(
            "one job for each request, one worker",
            {title: partial(run.rate_of, name) for name, title in named.items()},
            unit="/s",
            peers=[named[name] for name in peers],
            rounds=ROUNDS,
        )
        rates = {name: medians[title] for name, title in named.items() if title in medians}
        _judge_rates(bench, rates)
        _judge_memory(bench, run.memory)


def _can_run(bench: Bench, name: str, run: Run) -> bool:
    module, kept_in = PEERS[name]
    if kept_in == "postgres" and run.places.postgres is None:
        return False
    if kept_in == "redis" and run.redis is None:
        bench.leave_out("redis-server")
        return False
    return bench.is_there(module)


@contextmanager
def _redis(places: Databases) -> Iterator[Path | None]:
    """A Redis of our own, as it comes, on a socket; ``None`` if there is no such program."""
    command = shutil.which("redis-server")
    if command is None:
        yield None
        return
    socket = places.folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(places.folder)]
    server = subprocess.Popen(
        [command, *options, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
    )
    try:
        patience_ends_at = time.monotonic() + 10
        while not socket.exists() and time.monotonic() < patience_ends_at:
            time.sleep(0.01)
        yield socket
    finally:
        server.terminate()
        server.wait()


def _judge_rates(bench: Bench, rates: Medians) -> None:
    for ours, peer, factor in (
        (OURS_EACH, "procrastinate", 6),
        (OURS_EACH, "apscheduler", 1.5),
        (OURS_BATCH, "procrastinate", 50),
        (OURS_BATCH, "celery", 15),
        (ON_SQLITE_BATCH, "huey", 3),
        (OURS_SWEEP, "procrastinate", 1),
        (OURS_THREADS, "procrastinate", 1),
    ):
        if ours in rates:
            there = peer in rates
            bench.judge(
                f"{ours}, beside {peer}",
                ours=f"{rates[ours]:,.0f}/s",
                peer=f"{SHORT[peer]} {rates[peer]:,.0f}/s" if there else "",
                ratio=rates[ours] / rates[peer] if there else None,
                aim=f"at least {factor} × {peer}",
            )


def _judge_memory(bench: Bench, memory: dict[str, float]) -> None:
    peers = ", ".join(f"{name} {memory[name]:.0f} MB" for name in PEERS if name in memory)
    for ours, where in ((ON_SQLITE_SWEEP, SQLITE), (OURS_SWEEP, ON_POSTGRES)):
        if ours in memory:
            bench.judge(
                "memory of a sweeping process",
                where=where,
                ours=f"{memory[ours]:.1f} MB",
                peer=peers,
                ratio=memory[ours],
                of="MB",
                aim="at most 45 MB",
            )


if __name__ == "__main__":
    main()
