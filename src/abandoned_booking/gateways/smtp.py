"""E-mail through a mail server, by SMTP and the standard library alone.

One connection and one attempt for each e-mail; nothing is repeated here. What became of it is told
by how far the conversation had come (RFC 5321, 4.2.5):

==============================================  ==============================================
what happened                                   answer
==============================================  ==============================================
no connection, no greeting, no STARTTLS, login  NotSent: the server was not given the e-mail
refused, 4xx before the text
5xx to the sender, the recipient or the text    Rejected, with the code
4xx to the text                                 NotSent: the server leaves it with us
250 to the text                                 Accepted
time-out or end of the connection, from the     Unknown: the server may have it
first byte of the text on
==============================================  ==============================================

Rules held here: S2 (accepted or not), B2 (both parts, the unsubscribe headers), G4: of what the
server says only the codes are passed on, since its sentences repeat addresses.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from enum import StrEnum
from hashlib import sha256
from smtplib import SMTP, SMTP_SSL, SMTPException, SMTPResponseException
from time import monotonic
from typing import Any, Final

import attrs

from abandoned_booking.errors import InvalidSettings
from abandoned_booking.ports import Accepted, NotSent, OutboundEmail, Rejected, SendResult, Unknown

__all__ = ["SmtpGateway", "SmtpSecurity"]


class SmtpSecurity(StrEnum):
    """How the connection is protected. Never falls back to a lesser one."""

    STARTTLS = "starttls"
    """begins in the clear and is encrypted before anything is said: usually port 587"""
    TLS = "tls"
    """encrypted from the first byte: usually port 465"""
    NONE = "none"
    """in the clear: for a server on the same machine"""


class SmtpGateway:
    """An :class:`~abandoned_booking.ports.EmailGateway` that speaks SMTP to one server.

    ``username`` and ``password`` are for servers that ask for a login; they are never sent in the
    clear. ``context`` stands in for :func:`ssl.create_default_context`, which checks the server's
    certificate and name. ``local_hostname`` is how this machine names itself; without one its
    name is looked up once, here.

    The server, or what stands behind it, must sign with DKIM and cover both ``List-Unsubscribe``
    headers: mail programs offer no one-click unsubscribe otherwise (RFC 8058, 4).

    Raises :class:`InvalidSettings` for a login without encryption, or one that is half there.
    """

    def __init__(
        self,
        host: str,
        port: int = 587,
        *,
        security: SmtpSecurity | str = SmtpSecurity.STARTTLS,
        username: str | None = None,
        password: str | None = None,
        context: ssl.SSLContext | None = None,
        local_hostname: str | None = None,
    ) -> None:
        if (username is None) != (password is None):
            raise InvalidSettings("go together; give both or none", field="username and password")
        self._host, self._port = host, port
        self._security = SmtpSecurity(security)
        if username is not None and self._security is SmtpSecurity.NONE:
            raise InvalidSettings("needs 'starttls' or 'tls' for a login", field="security")
        self._login = None if username is None or password is None else (username, password)
        self._context = context or ssl.create_default_context()
        self._local_hostname = local_hostname or socket.getfqdn()

    def __repr__(self) -> str:
        return f"SmtpGateway({self._host!r}, {self._port}, security={self._security.value!r})"

    def send(self, message: OutboundEmail, *, timeout: timedelta) -> SendResult:
        """Hand the e-mail to the server, once. Returns as the table of this module says."""
        try:
            letter = _letter_of(message)
        except UnicodeError:
            return Rejected(reason="address cannot be written")
        until = _Deadline(timeout)
        is_given = False
        try:
            with self._connected(until) as smtp:
                refused = _offered(smtp, letter, until)
                if refused is not None:
                    return refused
                is_given = True
                return _answered(smtp, letter, until)
        except (OSError, SMTPException) as error:
            told = "TimeoutError" if until.is_over else _told(error)
            return Unknown(detail=told) if is_given else NotSent(reason=told)

    @contextmanager
    def _connected(self, until: _Deadline) -> Iterator[SMTP]:
        """A conversation in which the e-mail may be offered; cut off when the time is over."""
        smtp = self._opened(until)
        watchdog = threading.Timer(until.seconds, _cut_off, [smtp])
        watchdog.daemon = True
        watchdog.start()
        try:
            self._introduce(smtp, until)
            yield smtp
            # Not waited for: the server's answer to the e-mail is all there is to know.
            with suppress(OSError, SMTPException):
                smtp.putcmd("QUIT")
        finally:
            watchdog.cancel()
            smtp.close()

    def _opened(self, until: _Deadline) -> SMTP:
        given: dict[str, Any] = {
            "host": self._host,
            "port": self._port,
            "local_hostname": self._local_hostname,
            "timeout": until.seconds or 0.001,  # no seconds at all would mean for ever
        }
        if self._security is SmtpSecurity.TLS:
            return SMTP_SSL(**given, context=self._context)
        return SMTP(**given)

    def _introduce(self, smtp: SMTP, until: _Deadline) -> None:
        if self._security is SmtpSecurity.STARTTLS:
            until.limit(smtp)
            smtp.starttls(context=self._context)
        until.limit(smtp)
        smtp.ehlo_or_helo_if_needed()
        if self._login is not None:
            until.limit(smtp)
            smtp.login(*self._login)


class _Deadline:
    """One time-out for the whole conversation; the library knows only one for each step."""

    def __init__(self, timeout: timedelta) -> None:
        self._at = monotonic() + timeout.total_seconds()

    @property
    def seconds(self) -> float:
        """How many are left; 0 if none are."""
        return max(0.0, self._at - monotonic())

    @property
    def is_over(self) -> bool:
        return not self.seconds

    def limit(self, smtp: SMTP) -> None:
        """Let the next step take no longer than what is left. Raises ``TimeoutError``."""
        left = self.seconds
        if not left:
            raise TimeoutError
        if smtp.sock is not None:
            smtp.sock.settimeout(left)


def _cut_off(smtp: SMTP) -> None:
    """End a conversation in which the server says something now and then, but no answer."""
    sock = smtp.sock
    if sock is not None:
        with suppress(OSError):
            # Not SSLSocket.shutdown: that drops the encryption first, while a thread still sends.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


# ── the conversation ────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class _Letter:
    sender: str
    to: str
    message_id: str
    raw: bytes = attrs.field(repr=False)
    needs_utf8: bool
    """whether an address has letters beyond ASCII before its ``@`` (RFC 6531)"""


def _offered(smtp: SMTP, letter: _Letter, until: _Deadline) -> SendResult | None:
    """Offer the e-mail up to the point where the server waits for it; else how it was refused."""
    options: list[str] = []
    if letter.needs_utf8:
        if not smtp.has_extn("smtputf8"):
            return Rejected(reason="the server knows no SMTPUTF8")
        options = ["SMTPUTF8", "BODY=8BITMIME"]
    until.limit(smtp)
    code, said = smtp.mail(letter.sender, options)
    if not 200 <= code < 300:
        return _refused("MAIL", code, said)
    until.limit(smtp)
    code, said = smtp.rcpt(letter.to)
    if not 200 <= code < 300:
        return _refused("RCPT", code, said)
    until.limit(smtp)
    code, said = smtp.docmd("DATA")
    return None if code == 354 else _refused("DATA", code, said)


def _answered(smtp: SMTP, letter: _Letter, until: _Deadline) -> SendResult:
    """Send the text, and what the server says to it."""
    until.limit(smtp)
    # RFC 5321, 4.5.2: a full stop at the beginning of a line is doubled.
    smtp.send(re.sub(rb"(?m)^\.", b"..", letter.raw) + b".\r\n")
    until.limit(smtp)
    code, said = smtp.getreply()
    if code == 250:
        return Accepted(provider_id=letter.message_id)
    if 400 <= code < 600:
        return _refused("text", code, said)
    return Unknown(detail=f"text {code}")


def _refused(step: str, code: int, said: bytes) -> SendResult:
    reason = f"{step} {_code(code, said)}"
    if 500 <= code < 600:
        return Rejected(reason=reason, code=_code(code, said))
    return NotSent(reason=reason)


# RFC 3463: an enhanced status code. The rest of what the server says may repeat the address.
_ENHANCED: Final = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?!\S)")


def _code(code: int, said: bytes) -> str:
    enhanced = _ENHANCED.match(said)
    return f"{code} {enhanced[0].decode()}" if enhanced else str(code)


def _told(error: Exception) -> str:
    name = type(error).__name__
    return f"{name} {error.smtp_code}" if isinstance(error, SMTPResponseException) else name


# ── the e-mail as it goes over the wire ─────────────────────────────────────────────────────────


class _Policy(EmailPolicy):
    """As the standard library folds headers, but for those that no mail program decodes.

    A link longer than a line would be taken apart into encoded words, and be none any more.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() in _ON_ONE_LINE:
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_ON_ONE_LINE: Final = frozenset({"list-unsubscribe", "list-unsubscribe-post", "message-id"})
_PLAIN: Final = _Policy(linesep="\r\n")
_INTERNATIONAL: Final = _Policy(linesep="\r\n", utf8=True)


def _letter_of(message: OutboundEmail) -> _Letter:
    """The e-mail, written out. Raises ``UnicodeError`` for a domain that IDNA cannot write."""
    sender, to = _address(message.sender.address), _address(message.to)
    reply_to = None if message.reply_to is None else _address(message.reply_to)
    needs_utf8 = not f"{sender}{to}{reply_to}".isascii()
    named = sha256(f"{message.business_id}\0{message.attempt_id}".encode("utf-8", "surrogatepass"))
    message_id = f"{named.hexdigest()[:40]}@{sender.domain}"
    written = EmailMessage(policy=_INTERNATIONAL if needs_utf8 else _PLAIN)
    written["From"] = Address(message.sender.name, sender.username, sender.domain)
    written["To"] = to
    if reply_to is not None:
        written["Reply-To"] = reply_to
    written["Subject"] = message.subject
    written["Date"] = datetime.now(UTC)
    written["Message-ID"] = f"<{message_id}>"
    for name, value in message.headers.items():
        written[name] = value
    # Quoted-printable: no line is long, and nothing in it can be taken for the end of the text.
    written.set_content(message.text, cte="quoted-printable")
    written.add_alternative(message.html, subtype="html", cte="quoted-printable")
    return _Letter(
        sender=sender.addr_spec,
        to=to.addr_spec,
        message_id=message_id,
        raw=written.as_bytes(),
        needs_utf8=needs_utf8,
    )


def _address(address: str) -> Address:
    local_part, _, domain = address.rpartition("@")
    return Address("", local_part, domain.encode("idna").decode("ascii"))
