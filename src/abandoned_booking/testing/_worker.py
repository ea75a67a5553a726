"""What runs in the other processes of the contract suites: it opens the adapter and does one task.

The parent writes its ``sys.path`` and a :class:`Job` to standard input, both pickled. The child
opens the adapter, says ``ready``, waits for a line, and then tells what its task yields, a line of
JSON each, as soon as it is yielded: a parent that has read a line knows that the call before it has
returned. Neither pytest nor hypothesis is loaded here.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs

__all__ = ["START", "Job", "PartOf", "main", "opened", "part_of"]

START: Final = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    f"from {__name__} import main; main()"
)
"""for ``python -c``"""


@attrs.frozen
class Job:
    """What one process does: ``task(adapter, name)`` in as many threads as there are names."""

    task: Callable[[Any, str], Iterator[object]]
    reopen: Callable[[], Any]
    names: tuple[str, ...]


@attrs.frozen
class PartOf:
    """What :func:`part_of` gives."""

    whole: Callable[[], Any]
    name: str

    def __call__(self) -> Any:
        return getattr(self.whole(), self.name)


def part_of(reopen: Callable[[], Any], name: str) -> PartOf:
    """For a store that brings the smaller ports along: opens the store, and gives one of them.

    ``part_of(partial(MyStore, path), "ledger")`` is a ``reopen`` for the suite of the ledger.
    """
    return PartOf(reopen, name)


@contextmanager
def opened(reopen: Callable[[], Any]) -> Iterator[Any]:
    """The adapter that ``reopen`` opens; closed at the end if it can be."""
    if isinstance(reopen, PartOf):
        with opened(reopen.whole) as whole:
            yield getattr(whole, reopen.name)
        return
    adapter = reopen()
    try:
        yield adapter
    finally:
        close = getattr(adapter, "close", None)
        if close is not None:
            close()


def main() -> None:
    """Do the job on standard input. Ends with 1 if a thread of it has failed."""
    # What the host's own code prints must not be taken for an answer.
    answers = os.dup(1)
    os.dup2(2, 1)
    job: Job = pickle.load(sys.stdin.buffer)
    failed = []

    def tell(said: object) -> None:
        os.write(answers, f"{json.dumps(said)}\n".encode())

    def do(adapter: Any, name: str) -> None:
        try:
            for said in job.task(adapter, name):
                tell(said)
        except BaseException:
            failed.append(name)
            raise

    with opened(job.reopen) as adapter:
        threads = [threading.Thread(target=do, args=(adapter, name)) for name in job.names]
        tell("ready")
        sys.stdin.buffer.readline()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    os.close(answers)
    if failed:
        raise SystemExit(1)
