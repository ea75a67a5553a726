"""Worker processes, as whoever directs them sees them: hired, told, heard, stopped and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any, Final, Self

import attrs
from faults.people import Act
from faults.plan import Fault, How
from faults.worker import Job

_TESTS: Final = Path(__file__).resolve().parent.parent
Said = tuple[Any, ...]
"""what a worker says: see ``Worker``"""


@attrs.define(eq=False)
class Hand:
    """One worker."""

    name: int
    threads: int
    """of its sweeps; one without any does what people do"""
    pid: int
    told: Connection
    is_busy: bool = False
    is_idle: bool = False
    """it sweeps, and has found nothing due at this time of the clock"""
    acts: list[Act] = attrs.Factory(list)
    """what it is doing, and has not said to be done"""
    faults: dict[str, Fault] = attrs.Factory(dict)
    """by point: what is to go wrong when it comes there"""
    held: Fault | None = None
    """what keeps it where it is"""
    held_until: int = 0
    """the tick in which it goes on, once nobody has anything else to do"""

    @property
    def sweeps(self) -> bool:
        return self.threads > 0

    def can_have(self, fault: Fault) -> bool:
        """Whether it comes there, and can stand still there without a lock that others wait for."""
        comes = fault.is_for_sweeps if self.sweeps else fault.is_for_people
        needs = {How.STOP: self.threads < 2, How.DELAY: self.threads > 1}
        return comes and needs.get(fault.how, True) and fault.point not in self.faults

    def order(self, what: str, given: object) -> None:
        """Something to do, and where to stand still meanwhile."""
        stops = {point: fault.passes for point, fault in self.faults.items()}
        self.told.send((what, given, stops))
        self.is_busy = True

    def is_back(self, stops: dict[str, int]) -> None:
        """It has done what it was told; those faults have not come to pass."""
        self.is_busy, self.acts = False, []
        self.faults = {
            point: attrs.evolve(fault, passes=stops[point])
            for point, fault in self.faults.items()
            if point in stops and not fault.covers
        }

    def hold(self, fault: Fault, *, until: int) -> None:
        """Leave it where it stands, or stop all its threads."""
        self.held, self.held_until = fault, until
        if fault.how is How.STOP:
            os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """From where it stands."""
        if self.held is not None and self.held.how is How.STOP:
            os.kill(self.pid, signal.SIGCONT)
        self.held = None
        self.told.send("go on")

    def kill(self) -> list[Said]:
        """Kill it, and see that it is dead: its connection closes with it. What it said last."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        said: list[Said] = []
        with self.told, suppress(EOFError, ConnectionResetError):
            while True:
                said.append(self.told.recv())
        return said


class Nursery:
    """Where workers come from. Use it as a context manager; all are dead when it ends."""

    def __init__(self, job: Job, url_of_sweeps: str) -> None:
        self._job, self._url_of_sweeps = job, url_of_sweeps
        self._urls = sorted({job.url, url_of_sweeps})
        self._names = 0
        self._stack = ExitStack()
        self.hands: list[Hand] = []

    def __enter__(self) -> Self:
        address = str(Path(self._job.folder) / "told")
        self._listener = self._stack.enter_context(Listener(address, "AF_UNIX"))
        command = [sys.executable, "-m", "faults.worker", address, *self._urls]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=_TESTS, text=True)
        self._process = self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            for hand in list(self.hands):
                self.kill(hand)

    def hire(self, threads: int) -> None:
        """One more, for sweeps of so many threads or, without any, for what people do."""
        self._names += 1
        job = attrs.evolve(self._job, url=self._url_of_sweeps) if threads else self._job
        asked = {"job": attrs.asdict(job), "threads": threads, "name": self._names}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = self._listener.accept()
        name, pid = told.recv()
        assert name == self._names
        self.hands.append(Hand(name, threads, pid, told))

    def kill(self, hand: Hand) -> list[Said]:
        """Returns what it said last."""
        self.hands.remove(hand)
        return hand.kill()
