"""The other processes of the suites: what goes wrong in one is said, and none is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import part_of
from abandoned_booking.testing.contracts import _processes
from abandoned_booking.testing.contracts._processes import again, killed_after, raced


class Folder:
    """An adapter that keeps files in a folder, and says when it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        print("opened by a host that prints what it does")

    def close(self) -> None:
        (self.path / f"closed by {os.getpid()}").touch()


def tells_who_it_is(folder: Folder, name: str) -> Iterator[object]:
    print(f"{name} is at work")
    yield [name, os.getpid()]


def goes_on_and_on(folder: Folder, name: str) -> Iterator[object]:
    (folder.path / f"pid {os.getpid()}").touch()
    while True:
        yield name


def fails(folder: Folder, name: str) -> Iterator[object]:
    yield name
    raise ValueError("the task of this test")


def says_nothing(folder: Folder, name: str) -> Iterator[object]:
    sys.stdin.read()
    yield name


def cannot_be_opened() -> object:
    raise ValueError("the adapter of this test")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_several_processes_tell_what_they_did_and_close_what_they_opened(tmp_path: Path) -> None:
    told = raced(tells_who_it_is, partial(Folder, tmp_path), "folder")
    assert [[name] for name in told] == [[answer[0] for answer in each] for each in told.values()]
    pids = {answer[1] for each in told.values() for answer in each}
    assert len(pids) == len(told), "each in a process of its own"
    assert os.getpid() not in pids
    assert {path.name for path in tmp_path.iterdir()} == {f"closed by {pid}" for pid in pids}


def test_a_killed_process_tells_at_least_what_it_was_killed_after(tmp_path: Path) -> None:
    dead = killed_after(goes_on_and_on, partial(Folder, tmp_path), "folder")
    for each, moment in zip(dead, (1, 8), strict=True):
        assert len(each.told) >= moment
        assert {*each.told} <= {*each.names}
    pids = [int(path.name.removeprefix("pid ")) for path in tmp_path.glob("pid *")]
    assert len(pids) == len(dead)
    assert not any(map(_is_running, pids)), "they are gone"
    assert not list(tmp_path.glob("closed*")), "nobody was given the time to close anything"


def test_the_same_data_is_opened_and_closed_in_this_process(tmp_path: Path) -> None:
    with again(partial(Folder, tmp_path), "folder") as folder:
        assert isinstance(folder, Folder)
    assert [path.name for path in tmp_path.iterdir()] == [f"closed by {os.getpid()}"]
    with again(MemoryStore, "store") as store:
        assert isinstance(store, MemoryStore), "what has no close is left as it is"


def test_a_part_is_opened_with_the_whole_and_closed_with_it(tmp_path: Path) -> None:
    reopen = part_of(partial(Folder, tmp_path), "path")
    assert reopen() == tmp_path
    with again(reopen, "path") as path:
        assert path == tmp_path
        assert not list(tmp_path.iterdir())
    assert [each.name for each in tmp_path.iterdir()] == [f"closed by {os.getpid()}"]
    told = raced(tells_who_it_is, part_of(partial(Folder, tmp_path), "path"), "path")
    assert len(list(tmp_path.iterdir())) == 1 + len(told), "in every process"


@pytest.mark.parametrize("use", [raced, killed_after])
def test_without_reopen_the_test_is_skipped_and_says_why(use: Any) -> None:
    with pytest.raises(pytest.skip.Exception, match="the folder cannot be opened a second time"):
        use(tells_who_it_is, None, "folder")


def test_what_another_process_cannot_be_given_is_said_at_once() -> None:
    with pytest.raises(AssertionError, match=r"functools\.partial"):
        raced(tells_who_it_is, lambda: None, "folder")


def test_an_adapter_that_cannot_be_opened_there_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="another process failed"):
        raced(tells_who_it_is, cannot_be_opened, "folder")
    assert "the adapter of this test" in capfd.readouterr().err


@pytest.mark.parametrize("use", [raced, killed_after])
def test_a_task_that_fails_is_said(
    use: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError, match="another process failed"):
        use(fails, partial(Folder, tmp_path), "folder")
    assert "the task of this test" in capfd.readouterr().err


def test_a_process_that_hangs_is_ended_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_processes, "_ENDS_WITHIN", timedelta(seconds=1.5))
    with pytest.raises(AssertionError, match="another process failed"):
        raced(says_nothing, partial(Folder, tmp_path), "folder")


def test_the_worker_loads_neither_pytest_nor_hypothesis() -> None:
    script = """
import sys
import abandoned_booking.testing._worker, abandoned_booking.testing.contracts._tasks
print(sorted({"pytest", "hypothesis"} & {*sys.modules}))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "[]", ran.stderr
