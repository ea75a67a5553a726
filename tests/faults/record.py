"""What has really happened, in the order in which it did: one file that everybody appends to.

A line is written by one ``write`` to a file that was opened for appending, so it is there whole or
not at all, also if its writer is killed right after. The provider is such a line: what is in the
file as *accepted* has been accepted, whatever any worker was told.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from faults.people import START

_MICROSECOND: Final = timedelta(microseconds=1)


class SharedClock:
    """A clock that all processes read, and one sets."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("q", 0))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)

    def now(self) -> datetime:
        [microseconds] = struct.unpack_from("q", self._memory)
        return START + timedelta(microseconds=microseconds)

    def set(self, at: datetime) -> None:
        struct.pack_into("q", self._memory, 0, (at - START) // _MICROSECOND)

    def move(self, by: timedelta) -> None:
        """On, or back."""
        self.set(self.now() + by)


class Line(NamedTuple):
    """Something that has happened."""

    what: str
    about: str
    """an attempt, a request, or whatever it was done to"""
    how: str
    who: str
    """one thread of one process: what it did first stands first"""
    at: datetime
    """by the shared clock"""


class Record:
    """The file."""

    def __init__(self, path: Path, clock: SharedClock) -> None:
        self._clock, self._path = clock, path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, what: str, about: str, how: str = "-") -> None:
        who = f"{os.getpid()}.{threading.get_ident()}"
        at = (self._clock.now() - START) // _MICROSECOND
        os.write(self._file, f"{what} {about} {how} {who} {at}\n".encode())

    def __contains__(self, beginning: str) -> bool:
        """Whether a line begins so."""
        text = self._path.read_bytes()
        return text.startswith(beginning.encode()) or f"\n{beginning}".encode() in text

    def lines(self) -> Iterator[Line]:
        for line in self._path.read_text().splitlines():
            what, about, how, who, at = line.split(" ")
            yield Line(what, about, how, who, START + int(at) * _MICROSECOND)
