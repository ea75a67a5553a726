"""Where the workbook goes: a file that is replaced whole or not at all, or an open file (X4).

The file is written without a name, in the folder where it will stand, readable by its owner alone.
Only when it is whole does it get a name and take the place of the old file, in one step. What has
no name is gone with the process that wrote it, even if that was killed.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import IO, BinaryIO, Final, TypeAlias

from abandoned_booking.errors import InvalidInput

__all__ = ["Outlet", "opened"]

_OWNER_ONLY: Final = 0o600
# Linux: a file without a name that can be given one.
_TMPFILE: Final = "O_TMPFILE"

_Guard: TypeAlias = Callable[[], AbstractContextManager[None]]


@contextmanager
def opened(to: str | os.PathLike[str] | BinaryIO) -> Iterator[Outlet]:
    """``to``, open for writing. A path holds the new file once the block has ended well.

    Raises :class:`InvalidInput`, naming ``to``, for what cannot be written to. What an open file
    of the caller's raises while it is written to comes through.
    """
    if isinstance(to, (str, os.PathLike)):
        with _replacing(_file_name(to)) as file:
            yield file
    else:
        try:
            to.write(b"")
        except (AttributeError, TypeError, ValueError):
            raise InvalidInput(
                "is not a file open for writing bytes; open it with 'wb', or give a path",
                field="to",
            ) from None
        yield Outlet(to)


def _file_name(to: str | os.PathLike[str]) -> str:
    name = os.fsdecode(to)
    if not name or "\0" in name:
        raise InvalidInput("is not the name of a file, such as 'abandoned.xlsx'", field="to")
    if os.path.isdir(name) or name.endswith(os.sep):
        raise InvalidInput("is a folder; name the file in it, such as 'abandoned.xlsx'", field="to")
    if os.path.exists(name) and not os.path.isfile(name):
        raise InvalidInput("is a device, not a file; open it and give the open file", field="to")
    return name


@contextmanager
def _replacing(name: str) -> Iterator[Outlet]:
    folder = os.path.dirname(name) or os.curdir
    with _own_errors():
        draft = _nameless(folder)
    with draft:
        yield Outlet(draft, guard=_own_errors)
        with _own_errors():
            os.fsync(draft.fileno())
            _put(draft, os.path.join(folder, f".{secrets.token_hex(8)}.part"), name)


def _nameless(folder: str) -> IO[bytes]:
    """A file without a name, unbuffered, so that closing it has nothing left to fail at."""
    if hasattr(os, _TMPFILE):
        # not on every file system; any other trouble comes up again right below
        with suppress(OSError):
            flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
            return os.fdopen(os.open(folder, flags, _OWNER_ONLY), "w+b", buffering=0)
    return tempfile.TemporaryFile(dir=folder, buffering=0)


def _put(draft: IO[bytes], part: str, name: str) -> None:
    try:
        if not _link(draft, part):
            _copy(draft, part)
        os.replace(part, name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)


def _link(draft: IO[bytes], part: str) -> bool:
    """Whether the file could be given a name as it stands: see open(2) on O_TMPFILE."""
    if not hasattr(os, _TMPFILE):
        return False
    descriptor = draft.fileno()
    try:
        # with a folder's descriptor, though unused, links are followed: linkat(2)
        os.link(f"/proc/self/fd/{descriptor}", part, src_dir_fd=descriptor, follow_symlinks=True)
    except OSError:
        return False
    return True


def _copy(draft: IO[bytes], part: str) -> None:
    draft.seek(0)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as named:
        shutil.copyfileobj(draft, named, 1 << 20)
        named.flush()
        os.fsync(descriptor)


class Outlet:
    """An open file that takes all it is given, unlike unbuffered ones; what a zip archive needs."""

    def __init__(self, file: IO[bytes], *, guard: _Guard = nullcontext) -> None:
        self._file = file
        self._guard = guard

    def write(self, data: bytes) -> int:
        rest = data
        with self._guard():
            while rest:
                taken = self._file.write(rest)
                if taken is None:  # not every file tells
                    break
                rest = rest[taken:]
        return len(data)

    def flush(self) -> None:
        with self._guard():
            self._file.flush()

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def close(self) -> None:
        """Whoever opened the file closes it."""


@contextmanager
def _own_errors() -> Iterator[None]:
    """Failures of our own file, in words that name the way out."""
    try:
        yield
    except OSError as error:
        raise InvalidInput(_way_out(error.errno), field="to") from error


def _way_out(number: int | None) -> str:
    match number:
        case errno.ENOENT | errno.ENOTDIR:
            return "its folder does not exist; create it first, or choose another"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "cannot be written there; choose a folder in which you may create files"
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "there is no room left for it; make some and export again"
        case errno.ENAMETOOLONG:
            return "is too long a name; choose a shorter one"
        case _:
            said = os.strerror(number) if number else "no reason given"
            return f"cannot be written ({said}); choose another place"
