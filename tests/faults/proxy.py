"""A network between a worker and PostgreSQL that can lose the answer to a commit.

It listens on the loopback, passes everything on, and reads along far enough to know when a client
commits: by ``COMMIT``, or by a statement that writes outside a transaction. Told to cut, it lets
the next commit through to the server, keeps the answer, and closes the connection: what the client
cannot know is whether it was done.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import re
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

_WRITES: Final = re.compile(rb"\b(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_COMMITS: Final = re.compile(rb"\s*COMMIT\b", re.IGNORECASE)
_AT_ONCE: Final = 65_536


class Proxy:
    """Use it as a context manager; ``port`` is where it listens."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._cuts: deque[bool] = deque()
        self.done = 0

    def cut(self, *, after_commit: bool) -> None:
        """Cut the next connection that commits: after the server has answered, or right away."""
        self._cuts.append(after_commit)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake who waits in accept().
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Passage(self, client, self._server).start()

    def next_cut(self) -> bool | None:
        """How a connection that commits now is to be cut; ``None``: not at all."""
        try:
            how = self._cuts.popleft()
        except IndexError:
            return None
        self.done += 1
        return how


class _Passage:
    """One connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: Path) -> None:
        self._proxy, self._client, self._path = proxy, client, server
        self._server = socket.socket(socket.AF_UNIX)
        self._statements: dict[bytes, bytes] = {}
        self._bound = b""
        self._in_transaction = False
        self._is_cut = threading.Event()
        """from here on no answer reaches the client"""

    def start(self) -> None:
        threading.Thread(target=self._pass, daemon=True).start()

    def _pass(self) -> None:
        with self._client, self._server:
            try:
                self._server.connect(str(self._path))
            except OSError:  # it is being restarted
                return
            back = threading.Thread(target=self._until_closed, args=(self._to_client,), daemon=True)
            back.start()
            self._until_closed(self._to_server)
            back.join()

    def _until_closed(self, passes: Callable[[], None]) -> None:
        """Pass on until one end is closed; then the other one is, too."""
        with suppress(OSError):
            passes()
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _to_server(self) -> None:
        unread, is_started = b"", False
        while data := self._client.recv(_AT_ONCE):
            unread += data
            commits = False
            if not is_started:
                # Until it has said who it is, a client's messages have no kind.
                is_started = self._is_startup(unread)
                unread = b""
            else:
                messages, unread = _messages(unread)
                for kind, body in messages:
                    commits |= self._commits(kind, body)
            how = self._proxy.next_cut() if commits else None
            if how is not None:
                self._is_cut.set()
            self._server.sendall(data)
            if how is False:
                return

    @staticmethod
    def _is_startup(data: bytes) -> bool:
        # 80877103 asks for TLS, 80877104 for GSSAPI; the server on a socket says no to both.
        return data[4:8] not in {(80_877_103).to_bytes(4), (80_877_104).to_bytes(4)}

    def _commits(self, kind: bytes, body: bytes) -> bool:
        """Whether the server commits when it has this message."""
        match kind:
            case b"Q":
                return bool(_COMMITS.match(body)) or self._writes_alone(body)
            case b"P":
                name, sql, *_ = body.split(b"\0")
                self._statements[name] = sql
            case b"B":
                self._bound = self._statements.get(body.split(b"\0")[1], b"")
            case b"S":
                bound, self._bound = self._bound, b""
                return self._writes_alone(bound)
        return False

    def _writes_alone(self, sql: bytes) -> bool:
        return not self._in_transaction and bool(_WRITES.search(sql))

    def _to_client(self) -> None:
        unread = b""
        while data := self._server.recv(_AT_ONCE):
            messages, unread = _messages(unread + data)
            ready = [body for kind, body in messages if kind == b"Z"]
            if ready:
                self._in_transaction = ready[-1] != b"I"
            if self._is_cut.is_set():
                if ready:
                    return  # it is done: nobody will hear of it
                continue
            self._client.sendall(data)


def _messages(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The messages that are there completely, and the rest. The answer to a request for TLS is
    a single letter, and no message."""
    if data in (b"N", b"S"):
        return [], b""
    found = []
    while len(data) >= 5:
        length = int.from_bytes(data[1:5])
        if len(data) < 1 + length:
            break
        found.append((data[:1], data[5 : 1 + length]))
        data = data[1 + length :]
    return found, data
