"""A way to a database server that can be cut at a chosen statement.

::

    with CuttingProxy(server_url) as way:
        engine = create_engine(way.url)
        way.cut(Cut.AFTER, b"UPDATE", b"COMMIT")

cuts the connection when a COMMIT that follows an UPDATE has been done by the server, and the client
has not been told. It listens on loopback, whatever the server listens on.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import sqlalchemy as sa

_MOST: Final = 1 << 20
_PATIENCE_SECONDS: Final = 30.0


class Cut(Enum):
    """When."""

    BEFORE = auto()
    """the server never hears of the statement"""
    AFTER = auto()
    """the server has done it, and its answer is lost"""
    LATE = auto()
    """the server hears of it when the client tries again: when the first mark passes once more"""


class CuttingProxy:
    """Forwards every connection, until it is told where to cut one."""

    def __init__(self, server_url: str) -> None:
        self._server = sa.make_url(server_url)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept, name="proxy")]
        self._lock = threading.Lock()
        self._marks: list[bytes] = []
        self._when = Cut.BEFORE
        self._then: Callable[[], object] | None = None
        self._again = b""
        self._has_come_again = threading.Event()
        self.cuts = 0
        self.is_down = False
        """whether every connection is closed, and every new one as soon as it is there"""

    @property
    def url(self) -> str:
        """The server's URL, by this way."""
        ways = {"host", "port", "unix_socket"}
        query = {key: value for key, value in self._server.query.items() if key not in ways}
        host, port = self._listening.getsockname()
        return self._server.set(host=host, port=port, query=query).render_as_string(
            hide_password=False
        )

    def cut(self, when: Cut, *marks: bytes, then: Callable[[], object] | None = None) -> None:
        """Cut the next connection on which all of these have passed, in this order, at the last.

        ``then`` is called after the cut, before the client learns of it.
        """
        with self._lock:
            self._marks, self._when, self._then = list(marks), when, then
            self._again = marks[0]
            self._has_come_again.clear()

    # ── forwarding ──────────────────────────────────────────────────────────────────────────────

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        # Wakes the thread that waits for the next client.
        with suppress(OSError):
            socket.create_connection(self._listening.getsockname()).close()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)
        self._listening.close()
        assert not any(thread.is_alive() for thread in self._threads)

    def _accept(self) -> None:
        while True:
            client, _ = self._listening.accept()
            if self._closing.is_set():
                client.close()
                return
            thread = threading.Thread(target=self._forward, args=(client,), name="proxied")
            self._threads.append(thread)
            thread.start()

    def _connect(self) -> socket.socket:
        query = self._server.query
        port = query.get("port") or self._server.port
        folder = query.get("host")
        path = query.get("unix_socket") or (folder and Path(str(folder), f".s.PGSQL.{port}"))
        if path:
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(path))
            return server
        assert self._server.host is not None
        return socket.create_connection((self._server.host, int(str(port or 5432))))

    def _forward(self, client: socket.socket) -> None:
        # Whatever breaks, here or there, breaks the whole way.
        with client, suppress(ConnectionError, FileNotFoundError), self._connect() as server:
            passed = 0
            while not self._closing.is_set() and not self.is_down:
                ready, _, _ = select.select([client, server], [], [], 0.02)
                for side in ready:
                    sent = side.recv(_MOST)
                    if not sent:
                        return
                    if side is server:
                        client.sendall(sent)
                        continue
                    passed, is_last = self._seen(sent, passed)
                    if is_last:
                        self._cut(sent, client, server)
                        return
                    server.sendall(sent)
                    if self.cuts and self._again in sent:
                        self._has_come_again.set()

    def _seen(self, sent: bytes, passed: int) -> tuple[int, bool]:
        """How many marks have passed now, and whether that was the last."""
        with self._lock:
            while passed < len(self._marks) and self._marks[passed] in sent:
                passed += 1
            if not self._marks or passed < len(self._marks):
                return passed, False
            self._marks = []
            return 0, True

    def _cut(self, sent: bytes, client: socket.socket, server: socket.socket) -> None:
        if self._when is Cut.AFTER:
            self._let_it_be_done(sent, client, server)
        if self._when is not Cut.LATE:
            server.close()
        self.cuts += 1
        if self._then is not None:
            self._then()
        if self._when is Cut.LATE:
            client.close()
            assert self._has_come_again.wait(_PATIENCE_SECONDS), "it is not tried again"
            server.sendall(sent)
            select.select([server], [], [], _PATIENCE_SECONDS)

    @staticmethod
    def _let_it_be_done(sent: bytes, client: socket.socket, server: socket.socket) -> None:
        """Forward what is left of the statement, until the server answers."""
        server.sendall(sent)
        while True:
            ready, _, _ = select.select([client, server], [], [], _PATIENCE_SECONDS)
            assert ready, "the server does not answer"
            if server in ready:
                return
            server.sendall(client.recv(_MOST))
