"""Several processes on one file: races, sudden deaths, forks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import a_request

_PREAMBLE = """
import json, os, signal, sys, threading
from datetime import timedelta
import attrs
from abandoned_booking.stores.sqlite import SqliteStore, _schema
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

path, name = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
"""


def _started(path: Path, script: str, name: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PREAMBLE + script, str(path), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _race(path: Path, script: str, *, processes: int = 3) -> list[Any]:
    """What each of several processes printed; all are let go at the same moment."""
    running = [_started(path, script, str(nth)) for nth in range(processes)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = []
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        answer, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        answers.append(json.loads(answer))
    return answers


def test_processes_that_create_the_same_file_at_once_all_succeed(tmp_path: Path) -> None:
    path = tmp_path / "bookings.db"
    script = """
with SqliteStore(path) as store:
    print(json.dumps(store.add(a_request(id=name))))
"""
    assert _race(path, script, processes=4) == [True] * 4
    with SqliteStore(path) as store:
        assert sorted(request.id for request in store.stream("paws")) == ["0", "1", "2", "3"]


def test_processes_that_migrate_the_same_file_at_once_take_each_step_once(tmp_path: Path) -> None:
    path = tmp_path / "bookings.db"
    with SqliteStore(path) as store:
        store.add(a_request())
    script = """
def second(connection):
    connection.execute("CREATE TABLE steps (n)")
    connection.execute("INSERT INTO steps VALUES (1)")

_schema.MIGRATIONS += (second,)
with SqliteStore(path) as store, store._connections.borrowed() as connection:
    steps = connection.execute("SELECT count(*) FROM steps").fetchone()
    print(json.dumps([*steps, store.get("paws", "r1") == a_request()]))
"""
    assert _race(path, script) == [[1, True]] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_sudden_death_in_a_migration_leaves_the_earlier_version_whole(tmp_path: Path) -> None:
    path = tmp_path / "bookings.db"
    with SqliteStore(path) as store:
        store.add(a_request())
    script = """
def dies(connection):
    connection.execute("DROP TABLE documents")
    connection.execute("UPDATE requests SET version = 99")
    os.kill(os.getpid(), signal.SIGKILL)

_schema.MIGRATIONS += (dies,)
SqliteStore(path)
"""
    process = _started(path, script)
    process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    with SqliteStore(path) as store:
        assert store.get("paws", "r1") == a_request()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_store_works_on_both_sides_of_a_fork(tmp_path: Path) -> None:
    script = """
store = SqliteStore(path)
store.add(a_request())
with store._connections.borrowed():
    store.get("paws", "r1")
assert len(store._connections._idle) == 2
child = os.fork()
mine = "child" if child == 0 else "parent"
for nth in range(10):
    assert store.add(a_request(id=f"{mine}{nth}"))
    while not store.save(
        a_request(client_id=mine), expected_version=store.get("paws", "r1").version
    ):
        pass
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
stored = store.get("paws", "r1")
print(json.dumps([stored.version, len(list(store.stream("paws")))]))
"""
    assert _race(tmp_path / "bookings.db", script, processes=1) == [[21, 21]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_connection_that_came_through_a_fork_is_neither_used_nor_closed(tmp_path: Path) -> None:
    script = """
store = SqliteStore(path)
store.add(a_request())
(inherited,) = store._connections._idle
store._connections._pid = os.getppid()   # as if another thread had given it back too late
assert store.get("paws", "r1") is not None
assert inherited not in store._connections._idle
inherited.execute("SELECT 1")
print(json.dumps(True))
"""
    assert _race(tmp_path / "bookings.db", script, processes=1) == [True]
