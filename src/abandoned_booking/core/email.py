"""The recovery e-mail: what a business decides about it, and the e-mail that one person would get.

:class:`EmailDesign` is the business's part: who it comes from, colours, tone, words. Whatever it
leaves out is shipped. :func:`compose_email` makes subject, text part and HTML of it;
:mod:`.email_layout` lays the HTML out.

Subject, heading, body and button are plain text with the merge fields of :mod:`.text`. They are
merged first and escaped afterwards: nothing that a person typed can become markup, a header or a
merge field.

Rules held here: B2 (design, text part, postal address, unsubscribe link and one-click header), M1
(merge fields, an unknown one is refused when saved), M4 (what a preview shows is what is sent).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs

from abandoned_booking.core.cleaning import clean_value
from abandoned_booking.core.colours import READABLE, contrast, parse_colour
from abandoned_booking.core.email_layout import Look, Words, html_of, text_of
from abandoned_booking.core.model import Person, masked
from abandoned_booking.core.text import check_merge_fields, render
from abandoned_booking.errors import InvalidSettings, InvalidTemplate

__all__ = [
    "SHIPPED_WORDS",
    "ComposedEmail",
    "EmailDesign",
    "EmailTone",
    "Mailbox",
    "compose_email",
    "has_forbidden_characters",
    "mail_address",
    "unsubscribe_headers",
]

_LONGEST_LINE: Final = 200
_LONGEST_BUTTON: Final = 60
_LONGEST_FOOTER: Final = 400
_LONGEST_NAME: Final = 100
_LONGEST_POSTAL_ADDRESS: Final = 500
_LONGEST_URL: Final = 300
# RFC 5322, 2.1.1: no line of a header is longer; the link stands on one.
_LONGEST_LINK: Final = 900

# What ends a line or the text for one reader or another: no header may hold it.
_FORBIDDEN: Final = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FORBIDDEN_IN_TEXT: Final = re.compile(r"[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# RFC 5321, 4.1.2, without quotes and address literals; letters of any script (RFC 6531).
_LOCAL_PART: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_DOMAIN: Final = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)+")
_HTTPS: Final = re.compile(r"https://[A-Za-z0-9.-]+(?::\d+)?(?:[/?][!#-;=?-\[\]^-~]*)?")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


def has_forbidden_characters(value: str) -> bool:
    """Whether a value could end a header's line: it must not be in one."""
    return _FORBIDDEN.search(value) is not None


def mail_address(raw: str | None) -> str | None:
    """The address to which mail can be sent, or ``None``: as typed, without blanks around it.

    Narrower than ``Person.email_key``, by which people are told apart: what could be read as more
    than one address, or as a header, is none.
    """
    address = raw.strip() if raw else ""
    if Person(email=address).email_key is None:
        return None
    local_part, _, domain = address.rpartition("@")
    fits = len(local_part) <= 64 and _LOCAL_PART.fullmatch(local_part) and _DOMAIN.fullmatch(domain)
    return address if fits else None


@attrs.frozen(kw_only=True)
class Mailbox:
    """An address and the name that stands before it."""

    address: str
    name: str = ""

    def __attrs_post_init__(self) -> None:
        if mail_address(self.address) != self.address:
            raise InvalidSettings("is not an e-mail address", field="sender.address")
        if has_forbidden_characters(self.name):
            raise InvalidSettings("has a line break or a control character", field="sender.name")


# ── words ───────────────────────────────────────────────────────────────────────────────────────


class EmailTone(StrEnum):
    """How the shipped words sound."""

    WARM = "warm"
    """*Hi Ann*, and an offer to help"""
    FORMAL = "formal"
    """*Dear Ann*, and no more than needed"""


SHIPPED_WORDS: Final[Mapping[EmailTone, Mapping[str, str]]] = MappingProxyType(
    {
        EmailTone.WARM: MappingProxyType(
            {
                "subject": "Your booking with {{business_name}} isn't finished yet",
                "heading": "Pick up where you left off",
                "body": (
                    "Hi {{first_name}},\n\n"
                    "Your booking with {{business_name}} isn't finished yet. "
                    "It only takes a moment to complete it.\n\n"
                    "If something got in the way, just reply to this e-mail. "
                    "We're happy to help."
                ),
                "button": "Finish my booking",
            }
        ),
        EmailTone.FORMAL: MappingProxyType(
            {
                "subject": "Your booking with {{business_name}} has not been completed",
                "heading": "Your booking has not been completed",
                "body": (
                    "Dear {{first_name|customer}},\n\n"
                    "You began a booking with {{business_name}} "
                    "that has not been completed yet.\n\n"
                    "If you need assistance, please reply to this e-mail."
                ),
                "button": "Complete the booking",
            }
        ),
    }
)
"""The shipped subject, heading, body and button of each tone: for any line of business."""

_FOOTER: Final = "You are receiving this e-mail because you began a booking with {{business_name}}."


# ── the design ──────────────────────────────────────────────────────────────────────────────────


def _lines(given: str | None) -> str | None:
    """Text of several lines, with the line breaks of this library."""
    if not isinstance(given, str):
        return given
    return given.replace("\r\n", "\n").replace("\r", "\n")


def _as_tone(given: str) -> EmailTone:
    try:
        return EmailTone(given)
    except ValueError:
        raise InvalidSettings(
            f"must be one of {', '.join(EmailTone)}", field="email.tone"
        ) from None


@attrs.frozen(kw_only=True)
class EmailDesign:
    """What a business decides about its e-mails (B2).

    ``sender_address``, ``postal_address`` and ``unsubscribe_url`` are needed to send; a preview
    does without. ``None`` for words means those that are shipped for the tone.
    """

    sender_address: str | None = None
    sender_name: str | None = None
    """``None``: the business's name"""
    reply_to: str | None = None
    """where replies go; ``None``: to the sender"""
    postal_address: str | None = attrs.field(default=None, converter=_lines)
    """where the business can be reached by post, on a few lines (CAN-SPAM, 15 USC 7704(a)(5))"""
    unsubscribe_url: str | None = None
    """the host's https address to which the token is appended, such as
    ``https://book.example.com/unsubscribe?t=``"""
    logo_url: str | None = None
    """an https address of a picture, shown 48 px high; ``None``: the business's name in letters"""
    accent_colour: str = "#0f766e"
    """the button; its own text is black or white, whichever reads better"""
    text_colour: str = "#1f2937"
    """must read well on panel and background: 4.5 to 1 (WCAG 2.2, 1.4.3)"""
    panel_colour: str = "#ffffff"
    background_colour: str = "#f3f4f6"
    language: str = "en"
    """of the words, as an HTML language tag; screen readers speak by it"""
    tone: EmailTone = attrs.field(default=EmailTone.WARM, converter=_as_tone)
    subject: str | None = None
    heading: str | None = None
    body: str | None = attrs.field(default=None, converter=_lines)
    """plain text; an empty line begins a paragraph"""
    button: str | None = None
    footer: str = _FOOTER
    """why the person gets it"""
    unsubscribe_label: str = "Unsubscribe"

    def __attrs_post_init__(self) -> None:
        for field in ("sender_address", "reply_to"):
            _check_address(getattr(self, field), f"email.{field}")
        for field, longest in _ONE_LINE.items():
            _check_line(getattr(self, field), longest, f"email.{field}")
        for field in ("subject", "heading", "body", "button", "footer"):
            if getattr(self, field) is not None:
                check_merge_fields(getattr(self, field), field=f"email.{field}")
        _check_postal_address(self.postal_address)
        for field in ("unsubscribe_url", "logo_url"):
            _check_https(getattr(self, field), f"email.{field}")
        if not isinstance(self.language, str) or not _LANGUAGE.fullmatch(self.language):
            raise InvalidSettings("must be a language tag such as 'en'", field="email.language")
        self._check_colours()

    def _check_colours(self) -> None:
        for field in ("accent_colour", "text_colour", "panel_colour", "background_colour"):
            parse_colour(getattr(self, field), field=f"email.{field}")
        for surface in ("panel_colour", "background_colour"):
            reached = contrast(self.text_colour, getattr(self, surface))
            if reached < READABLE:
                raise InvalidSettings(
                    f"has a contrast of {reached:.1f} to 1 with {surface}, which is hard to read; "
                    f"{READABLE} to 1 is needed, make one of the two darker or lighter",
                    field="email.text_colour",
                )

    def words(self, field: str) -> str:
        """The template of ``subject``, ``heading``, ``body`` or ``button``: own, or shipped."""
        own: str | None = getattr(self, field)
        return SHIPPED_WORDS[self.tone][field] if own is None else own

    def sender(self, business_name: str) -> Mailbox:
        """Who it comes from. Raises :class:`InvalidSettings` unless all that sending needs is set.

        The error names the first field that is missing, and all of them in its message.
        """
        missing = [name for name in _NEEDED if getattr(self, name) is None]
        if missing or self.sender_address is None:
            raise InvalidSettings(
                f"is needed to send e-mail; set {', '.join(missing)} in "
                "BusinessSettings(email=EmailDesign(...))",
                field=f"email.{missing[0]}",
            )
        name = self.sender_name or clean_value(business_name)
        return Mailbox(address=self.sender_address, name=name)

    def unsubscribe_link(self, token: str) -> str:
        """The link with which one person unsubscribes; a relative one without ``unsubscribe_url``.

        Raises :class:`InvalidSettings` if it is too long to stand in a header.
        """
        link = f"{self.unsubscribe_url or '#'}{token}"
        if len(link) > _LONGEST_LINK:
            raise InvalidSettings(
                f"makes links of more than {_LONGEST_LINK} characters; use shorter business ids",
                field="email.unsubscribe_url",
            )
        return link


_NEEDED: Final = ("sender_address", "postal_address", "unsubscribe_url")
_ONE_LINE: Final[Mapping[str, int]] = MappingProxyType(
    {
        "sender_name": _LONGEST_NAME,
        "subject": _LONGEST_LINE,
        "heading": _LONGEST_LINE,
        "button": _LONGEST_BUTTON,
        "footer": _LONGEST_FOOTER,
        "unsubscribe_label": _LONGEST_BUTTON,
    }
)


def _check_address(given: object, field: str) -> None:
    if given is None:
        return
    if not isinstance(given, str) or mail_address(given) != given:
        raise InvalidSettings("is not an e-mail address; give 'hello@example.com'", field=field)


def _check_line(given: object, longest: int, field: str) -> None:
    if given is None:
        return
    if not isinstance(given, str) or not given.strip() or len(given) > longest:
        raise InvalidSettings(f"must be text of 1 to {longest} characters", field=field)
    if has_forbidden_characters(given):
        raise InvalidSettings("must be one line, without control characters", field=field)


def _check_postal_address(given: object) -> None:
    if given is None:
        return
    field, longest = "email.postal_address", _LONGEST_POSTAL_ADDRESS
    if not isinstance(given, str) or not given.strip() or len(given) > longest:
        raise InvalidSettings(f"must be text of 1 to {longest} characters", field=field)
    if _FORBIDDEN_IN_TEXT.search(given):
        raise InvalidSettings("has a control character; remove it", field=field)


def _check_https(given: object, field: str) -> None:
    if given is None:
        return
    if not isinstance(given, str) or len(given) > _LONGEST_URL or not _HTTPS.fullmatch(given):
        raise InvalidSettings(
            f"must be an https address of at most {_LONGEST_URL} plain characters, such as "
            "'https://book.example.com/unsubscribe?t='",
            field=field,
        )


# ── one person's e-mail ─────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class ComposedEmail:
    """An e-mail as one person gets it (M4)."""

    subject: str = attrs.field(repr=masked)
    text: str = attrs.field(repr=masked)
    """the text part, for those who read without HTML"""
    html: str = attrs.field(repr=masked)


def compose_email(
    design: EmailDesign,
    *,
    fields: Mapping[str, str],
    unsubscribe_link: str,
    subject: str | None = None,
    body: str | None = None,
) -> ComposedEmail:
    """The e-mail that is sent for these values (B2, M1, M4). Pure: a preview as well.

    ``fields`` are those of :func:`abandoned_booking.core.text.fields_of`. ``subject`` and ``body``
    stand in for the design's; a body of the staff's own stands without heading. Without a booking
    link (http or https) there is no button.

    Raises :class:`InvalidTemplate` for a subject or body that is empty for this person, unprintable
    or has an unknown merge field, naming which.
    """
    heading = design.words("heading") if body is None else None
    subject = design.words("subject") if subject is None else _own_subject(subject)
    body = design.words("body") if body is None else _own_body(body)
    told = {"subject": _line(subject, fields), "body": render(body, fields).strip()}
    for field, merged in told.items():
        if not merged:
            raise InvalidTemplate(
                "is empty for this person; give a merge field a fallback", field=field
            )
    link = fields.get("booking_link", "")
    words = Words(
        heading="" if heading is None else _line(heading, fields),
        paragraphs=_paragraphs(told["body"]),
        button=_line(design.words("button"), fields) or SHIPPED_WORDS[design.tone]["button"],
        link=link if link.lower().startswith(("https://", "http://")) else "",
        footer=_line(design.footer, fields, longest=_LONGEST_FOOTER),
        business_name=fields.get("business_name", ""),
        postal_address=tuple((design.postal_address or "").strip().split("\n")),
        unsubscribe_label=design.unsubscribe_label,
        unsubscribe_link=unsubscribe_link,
    )
    return ComposedEmail(
        subject=told["subject"], text=text_of(words), html=html_of(words, _look(design))
    )


def unsubscribe_headers(link: str) -> Mapping[str, str]:
    """The headers with which mail programs offer to unsubscribe with one click (RFC 8058)."""
    return MappingProxyType(
        {
            "List-Unsubscribe": f"<{link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    )


def _own_subject(given: str) -> str:
    subject = check_merge_fields(given, field="subject")
    if has_forbidden_characters(subject) or len(subject) > _LONGEST_LINE:
        raise InvalidTemplate(
            f"must be one line of at most {_LONGEST_LINE} characters", field="subject"
        )
    return subject


def _own_body(given: str) -> str:
    return check_merge_fields(_lines(given), field="body")


def _line(template: str, fields: Mapping[str, str], *, longest: int = _LONGEST_LINE) -> str:
    """One line: what the fields bring in may be long, and is cut visibly."""
    line = " ".join(render(template, fields).split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(re.split(r"\n[ \t]*(?:\n[ \t]*)+", text))


def _look(design: EmailDesign) -> Look:
    return Look(
        accent=design.accent_colour,
        text=design.text_colour,
        panel=design.panel_colour,
        background=design.background_colour,
        logo_url=design.logo_url,
        language=design.language,
    )
