"""Several processes on one file: races, sudden deaths, forks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

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


def test_processes_that_add_save_and_reserve_the_same_things_share_them(tmp_path: Path) -> None:
    """R3, R7: of all processes exactly one wins each."""
    path = tmp_path / "bookings.db"
    SqliteStore(path).close()
    script = """
won = []
with SqliteStore(path) as store:
    for nth in range(15):
        if store.add(a_request(id=f"r{nth}", client_id=name)):
            won.append(f"add {nth}")
        if store.save(a_request(id=f"r{nth}", client_id=name), expected_version=1):
            won.append(f"save {nth}")
        if store.ledger.reserve(
            "paws", f"p{nth}", owner=name, at=LEFT_AT, not_within=timedelta(1)
        ):
            won.append(f"reserve {nth}")
print(json.dumps(won))
"""
    won = Counter(what for answer in _race(path, script) for what in answer)
    kinds = ("add", "save", "reserve")
    assert won == Counter(f"{kind} {nth}" for kind in kinds for nth in range(15))


def test_processes_that_claim_share_what_is_due(tmp_path: Path) -> None:
    path = tmp_path / "bookings.db"
    with SqliteStore(path) as store:
        for nth in range(40):
            store.add(a_request(id=f"r{nth}", next_action_at=LEFT_AT))
    script = """
claimed = []
with SqliteStore(path) as store:
    until = LEFT_AT + timedelta(minutes=2)
    while part := store.claim_due(now=LEFT_AT, until=until, limit=3):
        claimed += [request.id for request in part]
print(json.dumps(claimed))
"""
    claimed = Counter(name for answer in _race(path, script) for name in answer)
    assert claimed == Counter(f"r{nth}" for nth in range(40))


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
def test_what_a_call_has_returned_for_outlives_a_sudden_death(tmp_path: Path) -> None:
    path = tmp_path / "bookings.db"
    script = """
store = SqliteStore(path)
store.add(a_request(next_action_at=LEFT_AT))
store.save(a_request(client_id="c1", next_action_at=LEFT_AT), expected_version=1)
store.claim_due(now=LEFT_AT, until=LEFT_AT + timedelta(minutes=2), limit=1)
store.suppressions.add("paws", "k1")
with store._connections.writing() as connection:
    connection.execute("DELETE FROM requests")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    process = _started(path, script)
    process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    with SqliteStore(path) as store:
        stored = store.get("paws", "r1")
        assert stored is not None
        assert (stored.client_id, stored.version) == ("c1", 3)
        assert stored.next_action_at == LEFT_AT + timedelta(minutes=2)
        assert store.suppressions.contains("paws", "k1")


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


def test_a_second_connection_sees_a_write_as_soon_as_it_has_returned(tmp_path: Path) -> None:
    path = tmp_path / "bookings.db"
    with SqliteStore(path) as one, SqliteStore(path) as two:
        for version in range(1, 6):
            request = a_request(client_id=f"c{version}")
            assert (
                one.add(request)
                if version == 1
                else one.save(request, expected_version=version - 1)
            )
            seen = two.get("paws", "r1")
            assert seen is not None
            assert (seen.client_id, seen.version) == (f"c{version}", version)
        one.suppressions.add("paws", "k1")
        assert two.suppressions.contains("paws", "k1")
        two.suppressions.remove("paws", "k1")
        assert not one.suppressions.contains("paws", "k1")


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
