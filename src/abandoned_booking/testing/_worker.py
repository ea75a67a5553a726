"""What runs in the other processes of the contract suites: it opens the adapter and does one task.

The parent writes its ``sys.path``, the files of its modules and a :class:`Job` to standard input,
all pickled. The child opens the adapter, says ``ready``, waits for a line, and then tells what its
task yields, a line of JSON each, as soon as it is yielded: a parent that has read a line knows that
the call before it has returned. Neither pytest nor hypothesis is loaded here.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from types import ModuleType
from typing import Any, Final

import attrs

__all__ = ["START", "Job", "PartOf", "main", "opened", "part_of", "written"]

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


class _JobWriter(pickle.Pickler):
    """Notes the modules of all that another process will have to import."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.modules: set[str] = set()

    def persistent_id(self, value: Any) -> None:
        if callable(value):
            self.modules.add(getattr(value, "__module__", None) or "")


class _JobReader(pickle.Unpickler):
    """Loads from its file what cannot be imported by name.

    That is how pytest itself has loaded it, with ``--import-mode=importlib``.
    """

    def __init__(self, file: Any, files: Mapping[str, str]) -> None:
        super().__init__(file)
        self._files = files

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except ModuleNotFoundError:
            if module not in self._files:
                raise
        return attrgetter(name)(sys.modules.get(module) or self._loaded(module))

    def _loaded(self, name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, self._files[name])
        assert spec is not None, f"{name} comes from a file of Python's"
        assert spec.loader is not None, f"{name} is a file, not a folder"
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def written(job: Job) -> bytes:
    """What the child reads. Raises what pickle raises for what cannot be given away."""
    file = io.BytesIO()
    writer = _JobWriter(file)
    writer.dump(job)
    modules = {name: getattr(sys.modules.get(name), "__file__", None) for name in writer.modules}
    files = {name: path for name, path in modules.items() if path is not None}
    return pickle.dumps(sys.path) + pickle.dumps(files) + file.getvalue()


def main() -> None:
    """Do the job on standard input. Ends with 1 if a thread of it has failed."""
    # What the host's own code prints must not be taken for an answer.
    answers = os.dup(1)
    os.dup2(2, 1)
    files = pickle.load(sys.stdin.buffer)
    job: Job = _JobReader(sys.stdin.buffer, files).load()
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
