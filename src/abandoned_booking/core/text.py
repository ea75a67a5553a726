"""The message text: merge fields, the opt-out notice, and the text that a person would get.

A template is plain text with merge fields: ``{{first_name}}``, or ``{{first_name|friend}}`` with a
fallback for people without that value. It is read in one pass over a list of known fields; a value
is inserted once and is never read as a template again.

Rules held here: M1 (merge fields, fallbacks, an unknown field is an error and never a raw tag), M2
(the opt-out notice, once), M3 (size after merging and with the notice, see :mod:`.gsm`), M4 (what
a preview shows is what is sent: both call :func:`compose`). Opt-out words are in :mod:`.keywords`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from abandoned_booking.core.cleaning import clean_link, clean_name, clean_value
from abandoned_booking.core.gsm import Encoding, TextSize, measure
from abandoned_booking.core.keywords import (
    OPT_IN_WORDS,
    OPT_OUT_KEYWORD,
    OPT_OUT_WORDS,
    Keyword,
    keyword_of,
)
from abandoned_booking.core.model import AbandonedRequest, masked
from abandoned_booking.errors import InvalidSettings, InvalidTemplate

__all__ = [
    "MAX_SEGMENTS",
    "MERGE_FIELDS",
    "OPT_IN_WORDS",
    "OPT_OUT_KEYWORD",
    "OPT_OUT_WORDS",
    "RECOVERY_TEMPLATE",
    "ComposedText",
    "Encoding",
    "Keyword",
    "MergeField",
    "TextSize",
    "check_merge_fields",
    "check_template",
    "clean_name",
    "clean_value",
    "compose",
    "fields_of",
    "keyword_of",
    "measure",
    "opt_out_notice",
    "render",
    "spoken",
    "with_notice",
]

MAX_SEGMENTS: Final = 10
"""A longer text is refused when it is saved (M3)."""
_LONGEST_TEMPLATE: Final = 5_000
_LONGEST_TEXT: Final = 10_000
_LONGEST_KEYWORD: Final = 20
_LONGEST_LIST: Final = 160

RECOVERY_TEMPLATE: Final = (
    "Hi {{first_name}}, your booking with {{business_name}} isn't finished yet. "
    "To complete it: {{booking_link|just reply to this text}}"
)
"""The shipped recovery message: for any business, with or without a link, usually one segment."""


def _clean_list(value: str) -> str:
    return clean_name(value, longest=_LONGEST_LIST)


@attrs.frozen(kw_only=True)
class MergeField:
    """A value that a template may ask for."""

    name: str
    description: str
    """for the staff, where they write the text"""
    neutral: str
    """stands in for an empty value where the template gives no fallback"""
    sample: str
    """a usual value: what a template is measured with when it is saved"""
    clean: Callable[[str], str] = attrs.field(repr=False)
    """what makes a value fit to be inserted"""


MERGE_FIELDS: Final[Mapping[str, MergeField]] = MappingProxyType(
    {
        field.name: field
        for field in (
            MergeField(
                name="first_name",
                description="the person's first name",
                neutral="there",
                sample="Annabelle",
                clean=clean_name,
            ),
            MergeField(
                name="last_name",
                description="the person's last name",
                neutral="",
                sample="Fitzgerald",
                clean=clean_name,
            ),
            # The one field of pets: who has none in the form does not ask for their names.
            MergeField(
                name="pet_names",
                description="the names of the pets: Rex, Bella and Tom",
                neutral="your pet",
                sample="Rex and Bella",
                clean=_clean_list,
            ),
            MergeField(
                name="business_name",
                description="the name of the business",
                neutral="us",
                sample="Main Street Studio",
                clean=clean_value,
            ),
            MergeField(
                name="care_type",
                description="the line of business, in lower case: grooming",
                neutral="appointment",
                sample="grooming",
                clean=clean_name,
            ),
            MergeField(
                name="services",
                description="the services that were chosen: Bath and Nail trim",
                neutral="your appointment",
                sample="Bath and Nail trim",
                clean=_clean_list,
            ),
            MergeField(
                name="booking_link",
                description="the link back into the booking, or to the booking page",
                neutral="",
                sample="https://book.example.com/r/Zm9vYmFyYmF6cXV4MTIzNA",
                clean=clean_link,
            ),
            MergeField(
                name="next_open_slot",
                description="the next free time: Tue, Nov 3 at 9:00 AM",
                neutral="a time that suits you",
                sample="Wed, Sep 30 at 10:30 AM",
                clean=clean_value,
            ),
        )
    }
)
"""Every merge field by its name. A host that renders by itself may add its own values."""

_SAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {name: known.sample for name, known in MERGE_FIELDS.items()}
)


@attrs.frozen
class _Tag:
    name: str
    fallback: str | None
    """``None``: the field's neutral word"""


_Part: TypeAlias = str | _Tag

_TAG: Final = re.compile(r"\{\{[ \t]*([^\W\d]\w{0,39})[ \t]*(?:\|([^{}]*))?\}\}")
# Where a tag, or what was meant to be one, begins or ends.
_BRACES: Final = re.compile(r"\{\{|\}\}")
_SINGLE_BRACES: Final = re.compile(r"\{[ \t]*(\w{1,40})[ \t]*\}")
# Not text: all control characters but the line break and the tab, and halves of surrogate pairs.
_UNPRINTABLE: Final = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_GAP_BEFORE: Final = tuple(" \t\n.,;:!?)")


def render(template: str, fields: Mapping[str, str]) -> str:
    """The template with its merge fields replaced (M1).

    ``fields`` gives the values by field name. A known field is one of :data:`MERGE_FIELDS` or a key
    of ``fields``. An empty or missing value gives the tag's fallback, else the field's neutral
    word; if that is empty too, the space before it goes as well. Values are cleaned on their way in
    (a link or 41 characters are not a name) and are never read as a template.

    A result of more than 10,000 characters is cut there: it is far past what can be sent.

    Raises :class:`InvalidTemplate` for an unknown field, for braces that are not a merge field and
    for a template of more than 5,000 characters.
    """
    parts = _parse(_text(template, "template"), "template")
    _check_fields(parts, fields, "template")
    pieces = (part if isinstance(part, str) else _value(part, fields) for part in parts)
    return _join(pieces)[:_LONGEST_TEXT]


def fields_of(
    request: AbandonedRequest,
    *,
    business_name: str,
    booking_url: str | None,
    next_open_slot_at: datetime | None = None,
) -> dict[str, str]:
    """The values of every merge field for one request, cleaned; empty where there is none.

    ``booking_url`` is the business's public booking page, for requests without a link of their own.
    ``next_open_slot_at`` is a free time in the business's zone, looked up just now.
    """
    form = request.form
    return {
        "first_name": clean_name(form.person.first_name or ""),
        "last_name": clean_name(form.person.last_name or ""),
        "pet_names": _enumerated(pet.name or "" for pet in form.pets),
        "business_name": clean_value(business_name),
        "care_type": clean_name((form.care_type or "").replace("_", " ")),
        "services": _enumerated(form.services),
        "booking_link": clean_link(request.resume_url or booking_url or ""),
        "next_open_slot": "" if next_open_slot_at is None else spoken(next_open_slot_at),
    }


def spoken(at: datetime) -> str:
    """A local time as a text says it: ``Tue, Nov 3 at 9:05 AM``."""
    half = "AM" if at.hour < 12 else "PM"
    return f"{at:%a, %b} {at.day} at {at.hour % 12 or 12}:{at:%M} {half}"


def opt_out_notice(keyword: str) -> str:
    """The sentence that every marketing text carries (M2).

    Raises :class:`InvalidSettings` for a keyword that is not 1 to 20 letters, digits and spaces.
    """
    if not (
        isinstance(keyword, str)
        and len(keyword) <= _LONGEST_KEYWORD
        and keyword == keyword.strip()
        and keyword.replace(" ", "").isalnum()
    ):
        raise InvalidSettings(
            f"must be 1 to {_LONGEST_KEYWORD} letters or digits, such as {OPT_OUT_KEYWORD!r}",
            field="opt_out_keyword",
        )
    return f"Reply {keyword} to opt out."


def with_notice(text: str, notice: str) -> str:
    """The text with the notice on a line of its own at the end, unless it is in there (M2).

    Case, line breaks and the full stop at its end make no difference to whether it is in there.
    """
    words = notice.rstrip(".").casefold().split()
    pattern = r"(?<!\w)" + r"\s+".join(map(re.escape, words)) + r"(?!\w)"
    if re.search(pattern, text.casefold()):
        return text
    return f"{text.rstrip()}\n{notice}".lstrip("\n")


@attrs.frozen(kw_only=True)
class ComposedText:
    """A text as one person gets it, with what it costs (M4)."""

    text: str = attrs.field(repr=masked)
    size: TextSize

    @property
    def fits(self) -> bool:
        """Whether it may be sent: at most :data:`MAX_SEGMENTS` segments (M3)."""
        return self.size.segments <= MAX_SEGMENTS


def compose(template: str, *, fields: Mapping[str, str], notice: str | None) -> ComposedText:
    """The text that is sent for these values, and its size (M1 to M4). Pure: a preview as well.

    ``notice`` is that of a marketing text; ``None`` for a text that needs none. A person's values
    may be longer than the samples with which the template was saved: see ``fits``.

    Raises :class:`InvalidTemplate` as :func:`render` does.
    """
    text = render(template, fields)
    if notice is not None:
        text = with_notice(text, notice)
    return ComposedText(text=text, size=measure(text))


def check_template(template: object, *, notice: str, field: str = "campaign.template") -> None:
    """Refuse a template that cannot be sent (M1, M3); asked when it is saved.

    It is measured with the sample value of every field and with the notice. Raises
    :class:`InvalidTemplate`, naming ``field``, for what is not text, empty or unprintable, for
    unknown and malformed merge fields, and for more than 10 segments.
    """
    checked = check_merge_fields(template, field=field)
    segments = compose(checked, fields=_SAMPLES, notice=notice).size.segments
    if segments > MAX_SEGMENTS:
        raise InvalidTemplate(
            f"takes {segments} segments with usual values and the opt-out notice; "
            f"shorten it to {MAX_SEGMENTS}",
            field=field,
        )


def check_merge_fields(template: object, *, field: str) -> str:
    """A template that can be merged, and has something to say (M1); asked when it is saved.

    Returns the template. Raises :class:`InvalidTemplate`, naming ``field``, for what is not text,
    empty or unprintable, and for unknown and malformed merge fields.
    """
    template = _text(template, field)
    unprintable = _UNPRINTABLE.search(template)
    if unprintable:
        raise InvalidTemplate(
            f"has a control character at position {unprintable.start() + 1}; remove it",
            field=field,
        )
    _check_fields(_parse(template, field), {}, field)
    if not render(template, _SAMPLES).strip():
        raise InvalidTemplate("is empty; write the text of the message", field=field)
    return template


def _text(template: object, field: str) -> str:
    if not isinstance(template, str):
        raise InvalidTemplate("must be text", field=field)
    if len(template) > _LONGEST_TEMPLATE:
        raise InvalidTemplate(f"is longer than {_LONGEST_TEMPLATE:,} characters", field=field)
    return template


@lru_cache(maxsize=256)
def _parse(template: str, field: str) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    end = 0
    while braces := _BRACES.search(template, end):
        tag = _TAG.match(template, braces.start())
        if tag is None:
            raise _malformed(braces.start(), field)
        parts.append(_literal(template, end, tag.start(), field))
        parts.append(_Tag(tag[1], None if tag[2] is None else tag[2].strip()))
        end = tag.end()
    parts.append(_literal(template, end, len(template), field))
    return tuple(parts)


def _literal(template: str, start: int, end: int, field: str) -> str:
    for single in _SINGLE_BRACES.finditer(template, start, end):
        if single[1] in MERGE_FIELDS:
            raise _malformed(single.start(), field)
    return template[start:end]


def _malformed(position: int, field: str) -> InvalidTemplate:
    return InvalidTemplate(
        f"has braces at position {position + 1} that are not a merge field; "
        "write {{first_name}}, or {{first_name|friend}} with a fallback",
        field=field,
    )


def _check_fields(parts: tuple[_Part, ...], fields: Mapping[str, str], field: str) -> None:
    for part in parts:
        if isinstance(part, _Tag) and part.name not in MERGE_FIELDS and part.name not in fields:
            known = ", ".join(sorted({*MERGE_FIELDS, *fields}))
            raise InvalidTemplate(
                f"asks for {{{{{part.name}}}}}, which is no merge field; known are {known}",
                field=field,
            )


def _value(tag: _Tag, fields: Mapping[str, str]) -> str:
    known = MERGE_FIELDS.get(tag.name)
    clean = known.clean if known else clean_value
    value = clean(fields.get(tag.name) or "")
    if value:
        return value
    if tag.fallback is not None:
        return tag.fallback
    return known.neutral if known else ""


def _join(pieces: Iterable[str]) -> str:
    """Put together what comes alternately from template and values, closing gaps of empty ones."""
    text, gap = "", False
    for piece in pieces:
        if gap and piece.startswith(_NO_GAP_BEFORE):
            text = text.rstrip(" ")
        text += piece.lstrip(" ") if gap and not text else piece
        gap = not piece
    return text.rstrip(" ") if gap else text


def _enumerated(names: Iterable[str]) -> str:
    """``Rex, Bella and Tom`` of those that are names."""
    *others, last = [name for name in map(clean_name, names) if name] or [""]
    return f"{', '.join(others)} and {last}" if others else last
