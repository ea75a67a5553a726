"""A real mail server on loopback, whose every answer a test may turn."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class MailServer:
    """What the server does at each step, and what it has seen.

    ``answers`` gives the reply to ``MAIL``, ``RCPT``, ``DATA`` (before the text) or ``text``;
    ``hangs`` and ``drops`` name a step at which it says nothing, or ends the connection.
    """

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.answers: dict[str, str] = {}
        self.hangs: str | None = None
        self.drops: str | None = None
        self.commands: list[str] = []
        self.texts: list[bytes] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.connections = 0
        self.released: asyncio.Event
        self.transports: list[Any] = []

    def message(self) -> EmailMessage:
        """The one message that was taken, parsed."""
        [text] = self.texts
        parsed = message_from_bytes(text, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    async def reply(self, step: str, usual: str, server: SMTP) -> str:
        self.commands.append(step)
        if step == self.hangs:
            await self.released.wait()
        if step == self.drops:
            self.transports[-1].abort()
        return self.answers.get(step, usual)

    # ── hooks of aiosmtpd ───────────────────────────────────────────────────────────────────────

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self.reply("MAIL", "250 OK", server)
        envelope.mail_from, envelope.mail_options = address, options
        return reply

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self.reply("RCPT", "250 OK", server)
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.texts.append(envelope.content)
        return await self.reply("text", "250 2.0.0 taken", server)

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)


class _Protocol(SMTP):
    """aiosmtpd's server; the answer to the greeting and to DATA can be turned as well."""

    def __init__(self, mail: MailServer, **options: Any) -> None:
        super().__init__(mail, hostname="mail.example.org", **options)
        self.mail = mail

    def connection_made(self, transport: Any) -> None:
        self.mail.connections += 1
        self.mail.transports.append(transport)
        super().connection_made(transport)

    async def push(self, status: Any) -> None:
        said = status.decode() if isinstance(status, bytes) else status
        if said.startswith("220 mail.example.org"):
            said = await self.mail.reply("greeting", said, self)
        await super().push(said)

    async def smtp_DATA(self, arg: str) -> None:
        said = await self.mail.reply("DATA", "354", self)
        if said == "354":
            await super().smtp_DATA(arg)
        else:
            await self.push(said)


@contextmanager
def running(
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    login: bool = False,
    smtputf8: bool = False,
) -> Iterator[MailServer]:
    """A server that listens in a thread of its own, until the test is over."""
    mail, ready, loop = MailServer(), threading.Event(), asyncio.new_event_loop()
    options: dict[str, Any] = {
        "tls_context": starttls,
        "require_starttls": starttls is not None,
        "enable_SMTPUTF8": smtputf8,
        "loop": loop,
    }
    if login:
        # It does not see that a connection is encrypted from its first byte.
        options |= {"auth_required": tls is None, "auth_require_tls": tls is None}
        options["authenticator"] = mail.authenticate
    thread = threading.Thread(
        target=_serve, args=(loop, mail, ready, tls, lambda: _Protocol(mail, **options))
    )
    thread.start()
    ready.wait()
    try:
        yield mail
    finally:
        loop.call_soon_threadsafe(mail.released.set)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _serve(
    loop: asyncio.AbstractEventLoop,
    mail: MailServer,
    ready: threading.Event,
    tls: ssl.SSLContext | None,
    protocol: Callable[[], SMTP],
) -> None:
    asyncio.set_event_loop(loop)
    mail.released = asyncio.Event()
    server = loop.run_until_complete(loop.create_server(protocol, mail.host, 0, ssl=tls))
    mail.port = server.sockets[0].getsockname()[1]
    ready.set()
    loop.run_forever()
    server.close()
    loop.run_until_complete(_end(mail))
    loop.close()


async def _end(mail: MailServer) -> None:
    for transport in mail.transports:
        transport.abort()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
