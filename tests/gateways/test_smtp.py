"""The SMTP gateway against a real server on loopback: B2, S2, G4, and once only."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from email.utils import parseaddr
from typing import Any

import attrs
import pytest
import trustme
from door_world import World
from gateways.mail_server import MailServer, running
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from abandoned_booking import Status
from abandoned_booking.core.email import EmailDesign, unsubscribe_headers
from abandoned_booking.core.model import ContactState
from abandoned_booking.errors import InvalidInput, InvalidSettings
from abandoned_booking.gateways.smtp import SmtpGateway, SmtpSecurity, _letter_of
from abandoned_booking.ports import (
    Accepted,
    Mailbox,
    NotSent,
    OutboundEmail,
    Rejected,
    SendResult,
    Unknown,
)
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import EmailGatewayContract

LINK = "https://book.example.com/unsubscribe?t=" + "A1b2-_" * 40
EMAIL = OutboundEmail(
    attempt_id="0123456789abcdef01234567.0123456789ab",
    business_id="paws",
    to="Ann.Canary@example.com",
    sender=Mailbox(address="hello@paws.example", name="Zoë's Paws, Cats & Co."),
    reply_to="desk@paws.example",
    subject="Ann, your booking with Päws & Co isn't finished 🐶",
    text="Hi Ann,\n\n.a line that begins with a full stop\n.\n\nQUIT 🐶\n",
    html="<p>Hi Ann, 🐶</p>",
    headers=unsubscribe_headers(LINK),
)
LONG, SHORT = timedelta(seconds=20), timedelta(seconds=0.25)
ENOUGH = timedelta(seconds=1)
"""to get as far as the text on a busy machine"""


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with running() as server:
        yield server


def gateway_to(mail: MailServer, **options: Any) -> SmtpGateway:
    given = {"security": "none", "local_hostname": "platform.example", **options}
    return SmtpGateway(mail.host, mail.port, **given)


# ── what arrives (B2) ───────────────────────────────────────────────────────────────────────────


def test_b2_both_parts_and_every_header_arrive_as_they_were(mail: MailServer) -> None:
    result = gateway_to(mail).send(EMAIL, timeout=LONG)
    message = mail.message()
    assert message["From"] == '"Zoë\'s Paws, Cats & Co." <hello@paws.example>'
    assert message["To"] == "Ann.Canary@example.com"
    assert message["Reply-To"] == "desk@paws.example"
    assert message["Subject"] == EMAIL.subject
    assert message["Date"]
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == EMAIL.text
    assert html.get_content().strip() == EMAIL.html
    assert isinstance(result, Accepted)
    assert message["Message-ID"] == f"<{result.provider_id}>"


def test_b2_the_one_click_headers_stand_on_one_line_each_and_are_not_encoded(
    mail: MailServer,
) -> None:
    gateway_to(mail).send(EMAIL, timeout=LONG)
    lines = mail.texts[0].split(b"\r\n")
    assert f"List-Unsubscribe: <{LINK}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert max(map(len, lines)) <= 998


def test_the_message_id_is_made_of_the_attempt_and_tells_nobody(mail: MailServer) -> None:
    gateway = gateway_to(mail)
    first = gateway.send(EMAIL, timeout=LONG)
    again = gateway.send(EMAIL, timeout=LONG)
    other = gateway.send(attrs.evolve(EMAIL, attempt_id="another"), timeout=LONG)
    assert first == again != other
    assert isinstance(first, Accepted)
    assert first.provider_id.endswith("@paws.example")
    assert "anary" not in first.provider_id


def test_an_international_domain_is_written_in_ascii(mail: MailServer) -> None:
    message = attrs.evolve(EMAIL, to="ann@bücher.example")
    assert isinstance(gateway_to(mail).send(message, timeout=LONG), Accepted)
    assert mail.message()["To"] == "ann@xn--bcher-kva.example"


def test_letters_beyond_ascii_before_the_at_need_a_server_that_knows_them(
    mail: MailServer,
) -> None:
    message = attrs.evolve(EMAIL, to="änn@example.com")
    refused = gateway_to(mail).send(message, timeout=LONG)
    assert refused == Rejected(reason="the server knows no SMTPUTF8")
    with running(smtputf8=True) as international:
        assert isinstance(gateway_to(international).send(message, timeout=LONG), Accepted)
        assert international.message()["To"] == "änn@example.com"


def test_a_domain_that_cannot_be_written_is_refused_before_anything_is_said(
    mail: MailServer,
) -> None:
    message = attrs.evolve(EMAIL, to=f"ann@{'ü' * 63}.example")
    assert gateway_to(mail).send(message, timeout=LONG) == Rejected(
        reason="address cannot be written"
    )
    assert mail.connections == 0


# ── nothing ends a header's line ────────────────────────────────────────────────────────────────

INJECTED = "x\r\nBcc: everyone@example.com"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("to", {"to": f"ann@example.com{INJECTED}"}),
        ("to", {"to": "ann@example.com,eve@example.com"}),
        ("to", {"to": "Ann <ann@example.com>"}),
        ("reply_to", {"reply_to": f"ann@example.com{INJECTED}"}),
        ("subject", {"subject": f"Hi {INJECTED}"}),
        ("subject", {"subject": "Hi\u2028Bcc: everyone@example.com"}),
        ("headers", {"headers": {"List-Unsubscribe": INJECTED}}),
        ("headers", {"headers": {f"X-{INJECTED}": "y"}}),
        ("headers", {"headers": {"X-Y": "ü"}}),
        ("headers", {"headers": {"X-Y": "y" * 991}}),
        ("headers", {"headers": {"": "y"}}),
    ],
)
def test_a_value_that_could_end_a_headers_line_is_refused(
    field: str, change: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        attrs.evolve(EMAIL, **change)
    assert caught.value.field == field
    assert "everyone" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("sender.name", {"name": f"Paws{INJECTED}"}),
        ("sender.address", {"address": f"a@example.com{INJECTED}"}),
        ("sender.address", {"address": "hello@localhost"}),
    ],
)
def test_a_senders_name_and_address_cannot_either(field: str, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings) as caught:
        attrs.evolve(EMAIL.sender, **change)
    assert caught.value.field == field


visible = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=80)


@given(name=visible, subject=visible, text=st.text(st.characters(exclude_categories=["Cs"])))
@hypothesis_settings(max_examples=150, deadline=None)
def test_whatever_is_written_there_is_one_sender_one_recipient_and_no_other_header(
    name: str, subject: str, text: str
) -> None:
    message = attrs.evolve(
        EMAIL, sender=Mailbox(address="hello@paws.example", name=name), subject=subject, text=text
    )
    raw = _letter_of(message).raw
    head = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    lines = head.decode("ascii").split("\r\n")
    assert [line.partition(":")[0] for line in lines] == [
        "From",
        "To",
        "Reply-To",
        "Subject",
        "Date",
        "Message-ID",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "MIME-Version",
        "Content-Type",
    ]
    assert parseaddr(lines[0].partition(":")[2])[1] == "hello@paws.example"
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")


# ── what became of it (S2) ──────────────────────────────────────────────────────────────────────

ECHO = "<ann.canary@example.com>: Ann Canary"


@pytest.mark.parametrize(
    ("step", "answer", "result"),
    [
        ("greeting", f"554 5.3.2 {ECHO}", NotSent(reason="SMTPConnectError 554")),
        ("greeting", f"421 4.3.2 {ECHO}", NotSent(reason="SMTPConnectError 421")),
        ("MAIL", f"451 4.3.0 {ECHO}", NotSent(reason="MAIL 451 4.3.0")),
        ("MAIL", f"550 5.7.1 {ECHO}", Rejected(reason="MAIL 550 5.7.1", code="550 5.7.1")),
        ("RCPT", f"450 4.2.1 {ECHO}", NotSent(reason="RCPT 450 4.2.1")),
        ("RCPT", f"550 5.1.1 {ECHO}", Rejected(reason="RCPT 550 5.1.1", code="550 5.1.1")),
        ("RCPT", f"550 {ECHO}", Rejected(reason="RCPT 550", code="550")),
        ("RCPT", "550 5.1.1<ann.canary>", Rejected(reason="RCPT 550", code="550")),
        ("DATA", f"421 4.3.2 {ECHO}", NotSent(reason="DATA 421 4.3.2")),
        ("DATA", f"554 5.5.1 {ECHO}", Rejected(reason="DATA 554 5.5.1", code="554 5.5.1")),
        ("DATA", "250 OK", NotSent(reason="DATA 250")),
        ("text", f"451 4.3.0 {ECHO}", NotSent(reason="text 451 4.3.0")),
        ("text", f"552 5.3.4 {ECHO}", Rejected(reason="text 552 5.3.4", code="552 5.3.4")),
        ("text", f"251 {ECHO}", Unknown(detail="text 251")),
        ("text", f"354 {ECHO}", Unknown(detail="text 354")),
        ("text", f"what? {ECHO}", Unknown(detail="text -1")),
    ],
)
def test_s2_and_g4_every_refusal_is_told_by_its_codes_alone(
    mail: MailServer, step: str, answer: str, result: SendResult
) -> None:
    mail.answers[step] = answer
    assert gateway_to(mail).send(EMAIL, timeout=LONG) == result
    assert mail.connections == 1


@pytest.mark.parametrize("step", ["greeting", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", ["hangs", "drops"])
def test_what_breaks_before_the_text_was_provably_not_sent(
    mail: MailServer, fault: str, step: str
) -> None:
    setattr(mail, fault, step)
    result = gateway_to(mail).send(EMAIL, timeout=SHORT if fault == "hangs" else LONG)
    told = "TimeoutError" if fault == "hangs" else "SMTPServerDisconnected"
    assert result == NotSent(reason=told)
    assert mail.texts == []
    assert mail.connections == 1


@pytest.mark.parametrize("fault", ["hangs", "drops"])
def test_what_breaks_after_the_text_may_have_been_taken(mail: MailServer, fault: str) -> None:
    setattr(mail, fault, "text")
    result = gateway_to(mail).send(EMAIL, timeout=ENOUGH if fault == "hangs" else LONG)
    told = "TimeoutError" if fault == "hangs" else "SMTPServerDisconnected"
    assert result == Unknown(detail=told)
    assert len(mail.texts) == mail.connections == 1


def test_nobody_who_listens_is_not_sent() -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        gateway = SmtpGateway(*nobody.getsockname(), security="none", local_hostname="x")
        assert gateway.send(EMAIL, timeout=LONG) == NotSent(reason="ConnectionRefusedError")


def test_a_name_that_is_not_there_is_not_sent() -> None:
    gateway = SmtpGateway("mail.invalid", 25, security="none", local_hostname="x")
    assert gateway.send(EMAIL, timeout=LONG) == NotSent(reason="gaierror")


def test_a_time_that_is_over_before_it_begins_sends_nothing(mail: MailServer) -> None:
    result = gateway_to(mail).send(EMAIL, timeout=timedelta(0))
    assert result == NotSent(reason="TimeoutError")
    assert mail.texts == []


DRIPS = 400


def drip(listener: socket.socket, replies: list[bytes], fallen: list[bytes]) -> None:
    """Serve one connection; after the replies say a little now and then, and never an answer."""
    pause = threading.Event()
    connection, _ = listener.accept()
    with closing(connection):
        for reply in replies:
            connection.sendall(reply)
            if reply.startswith(b"354"):
                while not connection.recv(65536).endswith(b"\r\n.\r\n"):
                    pass
            elif not connection.recv(65536):
                return
        for _ in range(DRIPS):
            pause.wait(0.02)
            try:
                connection.sendall(b"250-wait\r\n")
            except OSError:
                return
            fallen.append(b"250-wait")


@pytest.mark.parametrize(
    ("replies", "result"),
    [
        ([b"220 x\r\n"], NotSent(reason="TimeoutError")),
        (
            [b"220 x\r\n", b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"],
            Unknown(detail="TimeoutError"),
        ),
    ],
    ids=["before the text", "after the text"],
)
def test_a_server_that_drips_is_cut_off_when_the_time_is_over(
    replies: list[bytes], result: SendResult
) -> None:
    fallen: list[bytes] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=drip, args=(listener, replies, fallen))
        thread.start()
        gateway = SmtpGateway(*listener.getsockname(), security="none", local_hostname="x")
        assert gateway.send(EMAIL, timeout=ENOUGH) == result
        thread.join()
    assert len(fallen) < DRIPS


# ── encryption and login ────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certified(authority: trustme.CA) -> ssl.SSLContext:
    """What the server shows: a certificate for its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What the gateway checks it against."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
def test_encrypted_with_a_login(
    certified: ssl.SSLContext, trusting: ssl.SSLContext, security: SmtpSecurity
) -> None:
    server = {"tls" if security is SmtpSecurity.TLS else "starttls": certified}
    with running(**server, login=True) as mail:  # type: ignore[arg-type]
        options = {"security": security, "context": trusting, "username": "us"}
        gateway = gateway_to(mail, **options, password="right")
        assert isinstance(gateway.send(EMAIL, timeout=LONG), Accepted)
        assert set(mail.logins) == {(b"us", b"right")}
        wrong = gateway_to(mail, **options, password="wrong")
        assert wrong.send(EMAIL, timeout=LONG) == NotSent(reason="SMTPAuthenticationError 535")
        assert len(mail.texts) == 1


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
def test_a_certificate_that_nobody_vouches_for_gets_nothing(
    certified: ssl.SSLContext, security: SmtpSecurity
) -> None:
    server = {"tls" if security is SmtpSecurity.TLS else "starttls": certified}
    with running(**server) as mail:  # type: ignore[arg-type]
        gateway = gateway_to(mail, security=security)
        result = gateway.send(EMAIL, timeout=LONG)
        assert result == NotSent(reason="SSLCertVerificationError")
        assert mail.texts == []


def test_without_encryption_on_offer_nothing_is_said_in_the_clear(mail: MailServer) -> None:
    result = gateway_to(mail, security="starttls").send(EMAIL, timeout=LONG)
    assert result == NotSent(reason="SMTPNotSupportedError")
    assert mail.commands == ["greeting"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"username": "us"}, "username and password"),
        ({"password": "x"}, "username and password"),
        ({"username": "us", "password": "x", "security": "none"}, "security"),
    ],
)
def test_half_a_login_and_one_in_the_clear_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        SmtpGateway("mail.example.org", local_hostname="x", **options)
    assert caught.value.field == field


def test_g4_the_repr_shows_no_password() -> None:
    gateway = SmtpGateway("mail.example.org", username="us", password="s3cret", local_hostname="x")
    assert repr(gateway) == "SmtpGateway('mail.example.org', 587, security='starttls')"


# ── from end to end, and the contract ───────────────────────────────────────────────────────────


def test_a_server_that_hangs_after_the_text_gets_one_email_however_often_one_clicks(
    mail: MailServer,
) -> None:
    """Unknown is never repeated (S2): the person may have it already."""
    mail.hangs = "text"
    world = World(MemoryStore(), email=gateway_to(mail), send_timeout=ENOUGH)
    world.put(
        email=EmailDesign(
            sender_address="hello@paws.example",
            postal_address="12 Main Street",
            unsubscribe_url="https://book.example.com/u?t=",
        )
    )
    request = world.visit(email="ann@example.com")
    for _ in range(3):
        outcome = world.desk.email(request.id, operation_id="click-1")
        assert outcome.contact is not None
        assert (outcome.accepted, outcome.contact.state) == (False, ContactState.SENDING)
    assert len(mail.texts) == mail.connections == 1
    assert world.now_is(request).status is Status.ABANDONED


class TestSmtpGateway(EmailGatewayContract):
    @pytest.fixture
    def email_gateway(self, mail: MailServer) -> SmtpGateway:
        return gateway_to(mail)


class TestSmtpGatewayWithAServerThatRefuses(EmailGatewayContract):
    @pytest.fixture
    def email_gateway(self, mail: MailServer) -> SmtpGateway:
        mail.answers["RCPT"] = "550 5.1.1 <wilhelmina.canary@example.com> unknown"
        return gateway_to(mail)


class TestSmtpGatewayWithAServerThatDrops(EmailGatewayContract):
    @pytest.fixture
    def email_gateway(self, mail: MailServer) -> SmtpGateway:
        mail.drops = "text"
        return gateway_to(mail)
