"""The servers themselves: they keep what was committed, and none outlives those who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from servers import MariaDbServer, PostgresServer, Server
from servers.fixtures import empty, or_skipped

TESTS: Final = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS: Final = 30.0
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

KINDS: Final = {"postgres": PostgresServer, "mariadb": MariaDbServer}


@pytest.fixture(params=KINDS, scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with or_skipped(request.param):
        server = KINDS[request.param](fsync=False)
    with server:
        yield server


@pytest.fixture
def engine(server: Server) -> Iterator[sa.Engine]:
    engine = sa.create_engine(server.new_database("shop"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (n INT)")
    yield engine
    engine.dispose()
    server.drop_database("shop")


def put(engine: sa.Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO kept VALUES ({number})")


def kept(engine: sa.Engine) -> list[int]:
    engine.dispose()  # connections of before the server went are of no use
    with engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT n FROM kept ORDER BY n").scalars())


def is_alive(pid: int) -> bool:
    """A zombie is dead; whoever should have waited for it may not be there any more."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_of(server: Server) -> list[int]:
    """The server's main process and its children."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [server.pid, *map(int, children.split())]


def segments() -> set[str]:
    """The ids of all shared memory, System V's."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {line.split()[1] for line in lines}


def until(is_so: Callable[[], bool]) -> None:
    """Wait for another process; its end is not an event that we are told of."""
    patience_ends_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < patience_ends_at
        time.sleep(0.01)


# ── it keeps what was committed ─────────────────────────────────────────────────────────────────


def test_a_restart_keeps_what_was_committed(server: Server, engine: sa.Engine) -> None:
    put(engine, 1)
    server.restart()
    assert kept(engine) == [1]


def test_a_killed_server_is_gone_at_once_and_keeps_what_was_committed(
    server: Server, engine: sa.Engine
) -> None:
    put(engine, 1)
    with engine.connect() as open_connection:
        open_connection.exec_driver_sql("INSERT INTO kept VALUES (2)")
        processes = all_of(server)
        server.kill()
        assert not any(is_alive(pid) for pid in processes)
        assert not server.is_running
        open_connection.invalidate()
    server.start()
    assert kept(engine) == [1]


def test_ending_the_connections_leaves_the_server_running(
    server: Server, engine: sa.Engine
) -> None:
    with engine.connect() as connection:
        server.end_connections()
        with pytest.raises(sa.exc.OperationalError):
            connection.exec_driver_sql("SELECT 1")
    assert kept(engine) == []


def test_emptying_leaves_tables_and_what_says_their_version(engine: sa.Engine) -> None:
    put(engine, 1)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE schema_version AS SELECT 7 AS version")
    empty(engine)
    assert kept(engine) == []
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM schema_version").scalar() == 7


def test_a_server_is_no_root_and_its_folder_is_closed_to_others(server: Server) -> None:
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    assert server.folder.stat().st_mode & 0o077 == 0


# ── it ends with those who started it ───────────────────────────────────────────────────────────

_STARTS_ONE: Final = """
import os, sys, time
from servers.test_servers import KINDS, all_of

server = KINDS[sys.argv[1]](fsync=False)
server.start()
print(server.folder, *all_of(server), flush=True)
{then}
"""


def _somebody(kind: str, then: str) -> tuple[subprocess.Popen[str], Path, list[int]]:
    """Somebody who started a server; its folder and processes."""
    with or_skipped(kind):
        KINDS[kind]().close()
    somebody = subprocess.Popen(
        [sys.executable, "-c", _STARTS_ONE.format(then=then), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )
    assert somebody.stdout is not None
    folder, *pids = somebody.stdout.readline().split()
    assert is_alive(int(pids[0]))
    return somebody, Path(folder), [int(pid) for pid in pids]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_ends_when_who_started_it_is_killed(kind: str) -> None:
    somebody, folder, pids = _somebody(kind, then="sys.stdin.read()")
    with somebody:
        somebody.kill()
    until(lambda: not any(is_alive(pid) for pid in pids))
    until(lambda: not folder.exists())


def test_a_server_ends_when_who_started_it_forgets_to_stop_it() -> None:
    somebody, folder, pids = _somebody("postgres", then="")
    with somebody:
        assert somebody.wait(PATIENCE_SECONDS) == 0
    until(lambda: not any(is_alive(pid) for pid in pids))
    until(lambda: not folder.exists())


def test_a_child_of_who_started_it_does_not_keep_a_server_alive() -> None:
    # A fork has the pipe open that the guard listens to.
    forks = "child = os.fork() or time.sleep(600)\nprint(child, flush=True)\nsys.stdin.read()"
    somebody, _, pids = _somebody("postgres", then=forks)
    with somebody:
        assert somebody.stdout is not None
        child = int(somebody.stdout.readline())
        somebody.kill()
        try:
            until(lambda: not any(is_alive(pid) for pid in pids))
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_server_ends_with_its_guard() -> None:
    with or_skipped("postgres"):
        server = PostgresServer(fsync=False)
    with server:
        processes = all_of(server)
        assert server._guard is not None
        server._guard.kill()
        until(lambda: not any(is_alive(pid) for pid in processes))


@pytest.mark.parametrize("is_killed", [False, True], ids=["running", "killed"])
def test_closed_it_leaves_neither_process_nor_folder_nor_shared_memory(is_killed: bool) -> None:
    with or_skipped("postgres"):
        server = PostgresServer(fsync=False)
    with server:
        processes = all_of(server)
        shared = (server.folder / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]
        assert shared in segments()
        if is_killed:
            server.kill()
    assert not any(is_alive(pid) for pid in processes)
    assert not server.folder.exists()
    assert shared not in segments()
