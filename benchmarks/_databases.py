"""Where the benchmarks keep what they fill: one folder, one PostgreSQL, shared under ``make
bench``.

The runner makes both and names them in the environment (``BENCH_FOLDER``, ``BENCH_POSTGRES``); a
script that runs by itself makes its own and removes them. The server is that of the tests
(``tests/servers``), with ``fsync`` on and its defaults.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import attrs

__all__ = ["Databases", "databases", "postgres_server"]

_TESTS: Final = Path(__file__).resolve().parent.parent / "tests"


def postgres_server(folder: Path | None = None) -> Any:
    """A ``PostgresServer`` that is not started; raises ``ServerUnavailable`` or ``ImportError``."""
    if str(_TESTS) not in sys.path:
        sys.path.append(str(_TESTS))
    return import_module("servers").PostgresServer(folder, fsync=True)


@attrs.define
class Databases:
    """A folder for files, and the way to databases of a PostgreSQL, if there is one."""

    folder: Path
    postgres: str | None
    """the URL of the administrator's database; ``None``: there is no server"""

    def postgres_url(self, name: str) -> str:
        """The URL of a database of that name, which is made if it is not there."""
        assert self.postgres is not None, "there is no PostgreSQL"
        import psycopg

        url = self.postgres.replace("/postgres?", f"/{name}?")
        with psycopg.connect(plain(self.postgres), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if found.fetchone() is None:
                connection.execute(f'CREATE DATABASE "{name}"')
        return url

    def drop(self, name: str) -> None:
        """Remove a database of that name, if there is one."""
        assert self.postgres is not None, "there is no PostgreSQL"
        import psycopg

        with psycopg.connect(plain(self.postgres), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def plain(url: str) -> str:
    """A URL as libpq takes it: without the driver that SQLAlchemy is told."""
    return url.replace("+psycopg", "", 1)


@contextmanager
def databases() -> Iterator[Databases]:
    """Those of the runner, or, for a script that runs by itself, some of its own."""
    folder, postgres = os.environ.get("BENCH_FOLDER"), os.environ.get("BENCH_POSTGRES")
    if folder is not None:
        yield Databases(Path(folder), postgres)
        return
    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        yield Databases(made, _started(stack))


def _started(stack: ExitStack) -> str | None:
    if os.environ.get("BENCH_PEERS") == "0":
        return None
    try:
        server = stack.enter_context(postgres_server())
    except Exception as error:  # no programs, or no library: SQLite is measured all the same
        print(f"no PostgreSQL: {error}")
        return None
    url: str = server.url
    return url
