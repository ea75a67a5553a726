"""What every server has in common: a folder, an account, a guarded process."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import attrs
import sqlalchemy as sa

_GUARD: Final = Path(__file__).with_name("_guard.py")
_MEMORY: Final = Path("/dev/shm")
_PLENTY: Final = 4 << 30
"""bytes; a server takes less than a twentieth of it"""
_READY_WITHIN_SECONDS: Final = 60.0
_ENDS_WITHIN_SECONDS: Final = 60.0


class ServerUnavailable(Exception):
    """There is no such server here; the message says what is missing."""


@attrs.frozen
class Account:
    """Whom a server runs as."""

    uid: int
    gid: int

    def popen(self) -> dict[str, Any]:
        """The options of ``subprocess`` for it."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def unprivileged(*names: str) -> Account | None:
    """The first of these users that there is; None, for ourselves, unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(user.pw_uid, user.pw_gid)
    raise ServerUnavailable("a server does not run as root, and there is no user 'nobody'")


def is_open_to_all(path: Path) -> bool:
    """Whether any user may read it, and come as far as there."""
    path = path.resolve()
    readable = path.stat().st_mode & 0o004
    return bool(readable and all(folder.stat().st_mode & 0o001 for folder in path.parents))


def administrator(url: str | sa.URL) -> sa.Engine:
    """An engine that commits each statement by itself, and keeps no connection."""
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")


class Databases(ABC):
    """Where databases are made: a server of our own, or one that was named to us."""

    _engine: sa.Engine
    """as its administrator, each statement committed by itself"""

    @property
    @abstractmethod
    def url(self) -> str:
        """SQLAlchemy's URL of its first database, as its administrator; always the same."""

    @abstractmethod
    def url_of(self, database: str) -> str:
        """The same for another database."""

    def execute(self, statement: str) -> None:
        """Run one statement on the first database, committed by itself."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def new_database(self, name: str) -> str:
        """Make an empty database. Returns its URL."""
        self.execute(f"CREATE DATABASE {name}")
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Remove one, whoever uses it."""
        force = " WITH (FORCE)" if self._engine.dialect.name == "postgresql" else ""
        self.execute(f"DROP DATABASE IF EXISTS {name}{force}")


class Server(Databases):
    """A server with a folder and a socket of its own. Use it as a context manager.

    ``folder`` is where its own folder is made: unless told the system's one for temporary files,
    or, without ``fsync``, in memory if there is plenty. ``fsync=False`` is quicker, and what was
    committed may be lost with the machine (never with the server alone: ``kill`` loses nothing).

    Raises ``ServerUnavailable`` if its programs are not on this machine.
    """

    users: ClassVar[tuple[str, ...]]
    """whom it would run as, rather than as root"""
    stops_with: ClassVar[signal.Signals]
    """ends it in good order, without waiting for its clients"""

    def __init__(self, folder: Path | None = None, *, fsync: bool = True) -> None:
        self.fsync = fsync
        self.account = unprivileged(*self.users)
        self.folder = self._own_folder(folder)
        self._guard: subprocess.Popen[bytes] | None = None
        self._is_prepared = False
        self._engine = administrator(self.url)

    # ── what a kind of server says ──────────────────────────────────────────────────────────────

    @property
    @abstractmethod
    def socket(self) -> Path:
        """Where it listens."""

    @abstractmethod
    def prepare(self) -> None:
        """Fill the new folder."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What runs in the foreground."""

    @abstractmethod
    def end_connections(self) -> None:
        """Cut off all clients, as an administrator would; the server runs on."""

    # ── its life ────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start it, on what is in the folder, and wait until it answers."""
        assert not self.is_running, "it is running"
        if not self._is_prepared:
            self.prepare()
            self._is_prepared = True
        job = {
            "command": list(self.command()),
            "account": [self.account.uid, self.account.gid] if self.account else None,
            "folder": str(self.folder),
            "log": str(self.log),
            "stops_with": self.stops_with,
        }
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD), json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environment,
            start_new_session=True,  # a Ctrl-C at the terminal is for us, not for it
        )
        assert self._guard.stdout is not None
        self.pid = int(self._guard.stdout.readline())
        self._wait_until_ready()

    def stop(self) -> None:
        """End it in good order. What it keeps stays in the folder."""
        self._end_with(self.stops_with)

    def kill(self) -> None:
        """SIGKILL to all its processes, and wait until none is left."""
        self._end_with(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to its main process: SIGSTOP and SIGCONT, for instance."""
        assert self._guard is not None
        assert self._guard.stdin is not None
        self._guard.stdin.write(bytes([number]))
        self._guard.stdin.flush()

    @property
    def is_running(self) -> bool:
        """Whether its main process is there."""
        return self._guard is not None and self._guard.poll() is None

    def close(self) -> None:
        """Stop it and remove its folder. A repeat is harmless."""
        self._engine.dispose()
        self._let_go()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def environment(self) -> dict[str, str]:
        """Of its programs: nothing of ours that they could quote or depend on."""
        # Of two MariaDBs in one temporary folder, one removes the files of the other.
        return {"PATH": os.environ["PATH"], "LC_ALL": "C", "TMPDIR": str(self.folder)}

    @property
    def log(self) -> Path:
        """What it has printed."""
        return self.folder / "log"

    # ── the rest ────────────────────────────────────────────────────────────────────────────────

    def run(self, command: Sequence[str | Path], *, text: str = "") -> None:
        """Run a program that prepares something, as the server's account, in its folder."""
        ran = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            **(self.account.popen() if self.account else {}),
        )
        if ran.returncode != 0:
            raise ServerUnavailable(f"{Path(command[0]).name} failed: {ran.stdout[-2000:].strip()}")

    def _usual_folder(self) -> Path:
        in_memory = not self.fsync and _MEMORY.is_dir()
        is_plenty = in_memory and shutil.disk_usage(_MEMORY).free > _PLENTY
        return _MEMORY if is_plenty else Path(tempfile.gettempdir())

    def _own_folder(self, inside: Path | None) -> Path:
        inside = self._usual_folder() if inside is None else inside
        inside.mkdir(parents=True, exist_ok=True)
        # Short: the path of a socket has 107 bytes at most.
        folder = Path(tempfile.mkdtemp(prefix="ab-", dir=inside))
        if self.account:
            if not all(parent.stat().st_mode & 0o001 for parent in folder.resolve().parents):
                folder.rmdir()
                raise ServerUnavailable(
                    f"the server does not run as root, and others may not enter {inside}; give none"
                )
            os.chown(folder, self.account.uid, self.account.gid)
        return folder

    def _wait_until_ready(self) -> None:
        patience_ends_at = time.monotonic() + _READY_WITHIN_SECONDS
        while True:
            try:
                # First without a driver: PyMySQL leaves a socket open that could not connect.
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self.socket))
                return self.execute("SELECT 1")
            except (OSError, sa.exc.DBAPIError):
                if not self.is_running or time.monotonic() > patience_ends_at:
                    said = self.log.read_text(errors="replace")[-2000:].strip()
                    self._let_go()
                    raise ServerUnavailable(f"the server did not start: {said}") from None
                time.sleep(0.005)

    def _end_with(self, number: signal.Signals) -> None:
        self.send_signal(number)
        assert self._guard is not None
        self._guard.wait(_ENDS_WITHIN_SECONDS)
        self._let_go()

    def _let_go(self) -> None:
        """Nobody needs the guard any more: if its server still runs, it stops it."""
        guard, self._guard = self._guard, None
        if guard is not None:
            with guard:  # closes the pipes, and waits
                pass
