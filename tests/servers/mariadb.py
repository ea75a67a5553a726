"""MariaDB: the server programs found on the machine."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import sqlalchemy as sa

from servers._server import Server, ServerUnavailable

# Debian keeps the server where an ordinary user's path does not lead.
_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def _find(*names: str) -> str:
    for name in names:
        if found := shutil.which(name, path=_PATH):
            return found
    raise ServerUnavailable(
        f"no MariaDB server: {names[0]} is missing; on Debian and Ubuntu: "
        "apt install mariadb-server-core mariadb-client-core"
    )


class MariaDbServer(Server):
    """A MariaDB of our own. Its zone is not UTC."""

    users: ClassVar[tuple[str, ...]] = ("mysql",)
    stops_with: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path | None = None, *, fsync: bool = True) -> None:
        self._mariadbd = _find("mariadbd")
        self._install = _find("mariadb-install-db")
        _find("my_print_defaults")  # the installation asks it, and says less clearly that it cannot
        super().__init__(folder, fsync=fsync)

    @property
    def url(self) -> str:
        return self.url_of("mysql")

    def url_of(self, database: str) -> str:
        return f"mysql+pymysql://root@/{database}?unix_socket={self.socket}&charset=utf8mb4"

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    def prepare(self) -> None:
        self.run(
            [
                self._install,
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                # Normal: no password. The usual one wants root at the socket's other end as well.
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ]
        )

    def command(self) -> Sequence[str]:
        settings = {
            "datadir": self.folder / "data",
            "socket": self.socket,
            "pid-file": self.folder / "pid",
            "default-time-zone": "-05:00",
            "max-connections": 200,
            # 2: the log is written at every commit, and synced once a second.
            "innodb-flush-log-at-trx-commit": 1 if self.fsync else 2,
            "innodb-buffer-pool-size": "64M",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [self._mariadbd, "--no-defaults", "--skip-networking", *options]

    def end_connections(self) -> None:
        with self._engine.connect() as connection:
            ids = connection.scalars(
                sa.text(
                    "SELECT id FROM information_schema.processlist "
                    "WHERE id <> connection_id() AND command NOT IN ('Daemon', 'Binlog Dump')"
                )
            ).all()
        for number in ids:
            try:
                self.execute(f"KILL CONNECTION {number}")
            except sa.exc.OperationalError:  # it has gone by itself
                continue
