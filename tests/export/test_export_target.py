"""X4: the file is replaced whole or not at all, whatever fails, and nothing else is left behind."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from export._reading import NEW_YORK, column, parts_of, read_by_calamine

from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.errors import InvalidInput
from abandoned_booking.export import write_workbook
from abandoned_booking.testing import a_request

OLD = b"last week's export"


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """A file that stands there already, alone in its folder."""
    path = tmp_path / "abandoned.xlsx"
    path.write_bytes(OLD)
    return path


def export(to: Any, rows: Any = None, **options: Any) -> int:
    return write_workbook([a_request()] if rows is None else rows, to, zone=NEW_YORK, **options)


def assert_untouched(to: Path) -> None:
    assert to.read_bytes() == OLD
    assert os.listdir(to.parent) == [to.name]


def assert_whole(to: Path) -> None:
    [rows] = read_by_calamine(to.read_bytes())
    assert column(rows, "Request ID") == ["r1"]
    assert os.listdir(to.parent) == [to.name]


def without_nameless_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system or a disk on which a file always has a name, if only for a moment."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(tempfile, "_O_TMPFILE_WORKS", False, raising=False)


def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without /proc, or a disk without hard links."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)


def as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs the tests."""


SYSTEMS = [as_it_is, without_nameless_files, without_links]


@pytest.fixture(params=SYSTEMS, ids=lambda system: system.__name__)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    request.param(monkeypatch)


# ── all is well ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("system")
def test_the_old_file_is_replaced_and_nothing_else_is_there(to: Path) -> None:
    assert export(to) == 1
    assert_whole(to)


@pytest.mark.usefixtures("system")
def test_the_file_is_for_its_owner_only(to: Path) -> None:
    to.chmod(0o644)
    export(to)
    assert to.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("system")
def test_a_file_that_was_not_there_is_made(tmp_path: Path) -> None:
    export(str(tmp_path / "new.xlsx"))
    assert_whole(tmp_path / "new.xlsx")


def test_a_name_without_a_folder_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export("here.xlsx")
    assert_whole(tmp_path / "here.xlsx")


def test_a_link_is_replaced_and_what_it_points_to_is_not_touched(to: Path) -> None:
    link = to.with_name("link.xlsx")
    link.symlink_to(to)
    export(link)
    assert to.read_bytes() == OLD
    assert not link.is_symlink()


def test_nobody_sees_the_file_before_it_is_whole(to: Path) -> None:
    seen = []

    def rows() -> Iterator[AbandonedRequest]:
        for n in range(3_000):
            if n % 500 == 0:
                seen.append((os.listdir(to.parent), to.read_bytes()))
            yield a_request(id=f"r{n}")

    export(to, rows())
    assert seen == [([to.name], OLD)] * 6


# ── it fails half-way ───────────────────────────────────────────────────────────────────────────


def failing_after(count: int, error: BaseException) -> Iterator[AbandonedRequest]:
    for n in range(count):
        yield a_request(id=f"r{n}")
    raise error


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize(
    "error", [LookupError("gone"), ConnectionError("gone"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("count", [0, 10, 3_000])
def test_what_the_rows_raise_comes_through_and_nothing_changed(
    error: BaseException, count: int, to: Path
) -> None:
    with pytest.raises(type(error)) as raised:
        export(to, failing_after(count, error))
    assert raised.value is error
    assert_untouched(to)


def test_what_the_progress_raises_ends_the_export(to: Path) -> None:
    def cancel(done: int, _: int | None) -> None:
        raise InterruptedError(f"cancelled at {done}")

    with pytest.raises(InterruptedError, match="cancelled at 1000"):
        export(to, (a_request() for _ in range(1_500)), on_progress=cancel)
    assert_untouched(to)


def test_a_killed_export_leaves_nothing_behind(to: Path) -> None:
    worker = str(Path(__file__).with_name("kill_export.py"))
    with subprocess.Popen(
        [sys.executable, worker, str(to)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half-way\n"
        process.kill()
    assert process.returncode != 0
    assert_untouched(to)


def raising(number: int) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number), "/home/ann/abandoned.xlsx")

    return fail


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.ENOSPC, "no room left"),
        (errno.EDQUOT, "no room left"),
        (errno.EACCES, "choose a folder"),
        (errno.EIO, "choose another place"),
    ],
)
def test_a_failure_of_the_disk_is_one_clear_error_and_nothing_changed(
    call: str, number: int, way_out: str, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, call, raising(number))
    with pytest.raises(InvalidInput, match=way_out) as refused:
        export(to)
    assert refused.value.field == "to"
    assert "/home" not in str(refused.value)
    monkeypatch.undo()
    assert_untouched(to)


@pytest.mark.usefixtures("system")
def test_a_full_disk_is_one_clear_error_and_nothing_changed(to: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(InvalidInput, match=r"^to: there is no room left for it"):
            export(to, (a_request(id=os.urandom(50).hex()) for _ in range(3_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_untouched(to)


# ── it cannot be written there ──────────────────────────────────────────────────────────────────


def exploding() -> Iterator[AbandonedRequest]:
    pytest.fail("the rows were asked for before it was clear where they go")
    yield a_request()


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("", "such as 'abandoned.xlsx'"),
        ("nul\0l.xlsx", "such as 'abandoned.xlsx'"),
        (".", "is a folder; name the file in it"),
        ("new/", "is a folder; name the file in it"),
        ("missing/abandoned.xlsx", "create it first"),
        ("abandoned.xlsx/abandoned.xlsx", "create it first"),
        ("pipe", "give the open file"),
    ],
)
def test_a_place_that_takes_no_file_is_named_with_the_way_out(
    name: str, way_out: str, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(to.parent)
    if name == "pipe":
        os.mkfifo(name)
    with pytest.raises(InvalidInput, match=way_out) as refused:
        export(name, exploding())
    assert refused.value.field == "to"
    assert to.read_bytes() == OLD


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.EACCES, "choose a folder in which you may create files"),
        (errno.EROFS, "choose a folder in which you may create files"),
        (errno.ENAMETOOLONG, "choose a shorter one"),
        (None, "no reason given"),
    ],
)
def test_a_folder_that_takes_no_files_is_named_with_the_way_out(
    number: int | None, way_out: str, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> NoReturn:
        raise OSError(number, "no") if number else OSError("no")

    without_nameless_files(monkeypatch)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(InvalidInput, match=way_out):
        export(to, exploding())
    monkeypatch.undo()
    assert_untouched(to)


@pytest.mark.parametrize(
    "to",
    [
        pytest.param(lambda: io.StringIO(), id="a text file"),
        pytest.param(lambda: io.BufferedReader(io.BytesIO()), id="one open for reading"),
        pytest.param(lambda: None, id="nothing"),
        pytest.param(lambda: 3, id="a number"),
    ],
)
def test_what_takes_no_bytes_is_refused(to: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInput, match="open it with 'wb', or give a path") as refused:
        export(to(), exploding())
    assert refused.value.field == "to"


def test_a_closed_file_is_refused() -> None:
    file = io.BytesIO()
    file.close()
    with pytest.raises(InvalidInput, match="open it with 'wb'"):
        export(file, exploding())


# ── an open file ────────────────────────────────────────────────────────────────────────────────


class OneWay(io.RawIOBase):
    """A pipe or a socket: no way back, and it takes a little at a time."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.taken += bytes(data[:1_000])
        return min(len(data), 1_000)


class Response:
    """A file as web frameworks have them: write, and nothing is returned."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def write(self, data: bytes) -> None:
        self.taken += data

    def flush(self) -> None: ...


@pytest.mark.parametrize("kind", [OneWay, Response])
def test_a_file_that_cannot_go_back_gets_the_whole_workbook(
    kind: type[OneWay | Response],
) -> None:
    file = kind()
    assert export(file, (a_request(id=f"r{n}") for n in range(300))) == 300
    [rows] = read_by_calamine(bytes(file.taken))
    assert column(rows, "Request ID") == [f"r{n}" for n in range(300)]


def test_an_open_file_stays_open_and_is_flushed(to: Path) -> None:
    with to.open("wb") as file:
        export(file)
        assert not file.closed
        [rows] = read_by_calamine(to.read_bytes())
        assert column(rows, "Request ID") == ["r1"]


def test_an_open_file_never_holds_half_a_workbook_that_could_be_opened() -> None:
    file = io.BytesIO()
    with pytest.raises(LookupError):
        export(file, failing_after(10, LookupError("gone")))
    assert "xl/workbook.xml" not in parts_of(file.getvalue())


def test_what_an_open_file_raises_comes_through() -> None:
    class Broken(OneWay):
        def write(self, data: Any) -> int:
            if len(self.taken) > 2_000:
                raise BrokenPipeError("the client is gone")
            return super().write(data)

    with pytest.raises(BrokenPipeError, match="the client is gone"):
        export(Broken())
