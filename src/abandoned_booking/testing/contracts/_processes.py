"""Other processes on the same data: a second connection, races, and a sudden death at any moment.

A suite opens its adapter again through the fixture ``reopen``: a callable without arguments that
another process can be given (a function of a module, or ``functools.partial`` of one or of a
class). An adapter that cannot be opened again has no such fixture, and these tests are skipped.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import IO, Any, Final, TypeAlias

import attrs
import pytest

from abandoned_booking.testing._worker import START, Job, opened, written

__all__ = ["CanBeOpenedAgain", "Dead", "Reopen", "Task", "again", "killed_after", "raced"]

Reopen: TypeAlias = Callable[[], Any] | None
Task: TypeAlias = Callable[[Any, str], Iterator[object]]
"""what a process does with its adapter under a name; see :mod:`._tasks`"""

PROCESSES: Final = 2
"""how many race"""
_WRITERS: Final = 3
"""threads of a process that is killed: whenever one of them has returned, others are in a call"""
_MOMENTS: Final = (1, 8)
"""after how many returned calls a process is killed; each time another one"""
_ENDS_WITHIN: Final = timedelta(seconds=60)


class CanBeOpenedAgain:
    """The fixture that every suite has whose adapter keeps something."""

    @pytest.fixture
    def reopen(self) -> Reopen:
        """``None``: it cannot be opened again. Overridden by whoever's can."""
        return None


def _reopening(reopen: Reopen, what: str) -> Callable[[], Any]:
    if reopen is None:
        pytest.skip(f"the {what} cannot be opened a second time: its fixture `reopen` gives None")
    return reopen


@contextmanager
def again(reopen: Reopen, what: str) -> Iterator[Any]:
    """The same data through a connection of its own."""
    with opened(_reopening(reopen, what)) as other:
        yield other


def raced(task: Task, reopen: Reopen, what: str) -> dict[str, list[Any]]:
    """Let several processes do one task at the same moment; what each has told, by its name."""
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(_Process.started(task, _reopening(reopen, what), [name]))
            for name in map(str, range(PROCESSES))
        }
        for process in running.values():
            process.waits_ready()
        for process in running.values():
            process.goes()
        return {name: process.told_to_its_end() for name, process in running.items()}


@attrs.frozen
class Dead:
    """A process that was killed in the middle of its task."""

    names: tuple[str, ...]
    """under which it wrote"""
    told: list[Any]
    """what it told before: the calls that had returned, and no others"""


def killed_after(task: Task, reopen: Reopen, what: str) -> list[Dead]:
    """Kill processes in the middle of an endless task, each a little later than the one before."""
    with ExitStack() as stack:
        started = {}
        for moment in _MOMENTS:
            names = tuple(f"{moment}-{writer}" for writer in range(_WRITERS))
            process = _Process.started(task, _reopening(reopen, what), names)
            started[moment] = (names, stack.enter_context(process))
        dead = []
        for moment, (names, running) in started.items():
            running.waits_ready()
            running.goes()
            dead.append(Dead(names, running.told_until_it_is_killed(after=moment)))
        return dead


class _Process:
    """A process with a job; its standard error is the test's own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    @contextmanager
    def started(
        cls, task: Task, reopen: Callable[[], Any], names: Sequence[str]
    ) -> Iterator[_Process]:
        job = _pickled(Job(task, reopen, tuple(names)))
        process = subprocess.Popen(
            [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        watchdog = threading.Timer(_ENDS_WITHIN.total_seconds(), process.kill)
        watchdog.start()
        with process:
            try:
                self = cls(process)
                self._write(job)
                yield self
            finally:
                process.kill()
                watchdog.cancel()

    def waits_ready(self) -> None:
        assert self._line() == "ready", "reopen: opens the same data in another process"

    def goes(self) -> None:
        self._write(b"go\n")

    def told_to_its_end(self) -> list[Any]:
        told = self._rest()
        assert self._process.wait() == 0, "another process failed; its error is in the output"
        return told

    def told_until_it_is_killed(self, *, after: int) -> list[Any]:
        told = [self._line() for _ in range(after)]
        self._process.kill()
        return told + self._rest()

    def _line(self) -> Any:
        line = _pipe(self._process.stdout).readline()
        assert line, "another process failed, or hangs; its error is in the output"
        return json.loads(line)

    def _rest(self) -> list[Any]:
        lines = _pipe(self._process.stdout).read().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def _write(self, data: bytes) -> None:
        pipe = _pipe(self._process.stdin)
        try:
            pipe.write(data)
            pipe.flush()
        except BrokenPipeError:
            raise AssertionError("another process failed; its error is in the output") from None


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "the process was started with pipes"
    return pipe


def _pickled(job: Job) -> bytes:
    try:
        return written(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(
            "reopen: gives what another process can be given: a function of a module, or "
            "functools.partial of one or of a class"
        ) from error
