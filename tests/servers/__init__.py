"""Real database servers for tests: found on the machine, started, stopped for certain.

::

    with PostgresServer(fsync=True) as server:  # stopped and removed at the end
        engine = create_engine(server.url)
        server.kill()       # SIGKILL to all its processes at once
        server.start()      # the same folder, the same URL: what was committed is there

A server has a folder of its own for its data and its socket, and listens on nothing but that
socket. As root it runs as an unprivileged user. Whatever happens to the process that started it,
it ends: see ``_guard``.

Fixtures for tests that only need *a* database: ``fixtures``. Where a server cannot be had they
skip, and the reason says what is missing; for those named in ``ABANDONED_BOOKING_TEST_REQUIRE``
(``postgres,mariadb``) they fail.
"""

from servers._server import Server, ServerUnavailable
from servers.mariadb import MariaDbServer
from servers.postgres import PostgresServer

__all__ = ["MariaDbServer", "PostgresServer", "Server", "ServerUnavailable"]
