"""Phone numbers: what was typed becomes E.164 with the verdicts that the rules need (R5, R6).

The only importer of phonenumbers. The verdict is made once, when a number is captured, and stored;
lists, searches, exports and sweeps never parse.

Rules held here: R5 (the US is the parsed region, not ``+1``), R6 (whether it can get texts).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from abandoned_booking.core.model import Phone
from abandoned_booking.errors import InvalidPhone

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

__all__ = ["is_us", "parse"]

_LONGEST: Final = 64
_NANP: Final = 1
"""the country code of the US, Canada and the Caribbean"""
_US_TERRITORIES: Final = frozenset({"PR", "GU", "VI", "AS", "MP"})

# What is pasted from an address book often comes with invisible direction marks.
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
# Digits of any script and what people put between them, half or full width; not what phonenumbers
# would read as letters, as the start of an extension or as that of a second number.
_ONE_NUMBER: Final = re.compile(
    r"[(\uff08]?[+\uff0b]?"
    r"[\d\s().\[\]/~\-\u2010-\u2015\u2212\u30fc\uff08\uff09\uff0d-\uff0f\uff3b\uff3d\uff5e]+"
)
_TEL: Final = re.compile(r"\s*tel:", re.IGNORECASE)  # RFC 3966


def parse(raw: str, *, region: str) -> Phone:
    """The phone number that was typed.

    ``region`` (two letters, ISO 3166-1) tells how a number without a country code is read. The
    usual punctuation, digits of any script and a leading ``tel:`` are fine. Numbers of types that
    no text can reach (landlines where they are told apart, toll-free, premium, shared cost, company
    and personal numbers, pagers, voicemail) are numbers with ``can_text=False``. ``zones`` is empty
    where the number belongs to no place. Recent answers are kept in memory.

    Raises :class:`InvalidPhone`, which never repeats what was typed, for whatever is not exactly
    one valid number: with an extension, spelt with letters, too short, of an unknown ``region``.
    """
    if not isinstance(raw, str):
        raise InvalidPhone("must be text", field="phone")
    # Before anything else looks at it: the work below grows with the length.
    if len(raw) > _LONGEST:
        raise InvalidPhone(f"is longer than {_LONGEST} characters", field="phone")
    return _parsed(raw, region)


def is_us(phone: Phone, *, territories: bool) -> bool:
    """Whether it is a US number that can get texts (R5).

    ``territories``: whether PR, GU, VI, AS and MP count. Toll-free numbers are shared by all
    countries of +1 and are not the US, whatever their region says.
    """
    return phone.can_text and (
        phone.region == "US" or (territories and phone.region in _US_TERRITORIES)
    )


@lru_cache(maxsize=4096)
def _parsed(raw: str, region: str) -> Phone:
    # Imported on first use: most processes never parse a number. And never phonenumbers.geocoder,
    # which costs 300 ms and 100 MB.
    import phonenumbers as pn

    if region not in pn.SUPPORTED_REGIONS:
        raise InvalidPhone("must be a country's two capital letters, such as 'US'", field="region")
    try:
        number = pn.parse(_one_number(raw), region)
    except pn.NumberParseException:
        raise _not_valid() from None
    of_region = pn.region_code_for_number(number)
    # The type is unknown exactly if the number is not valid; asking for both costs twice.
    kind = pn.number_type(number)
    if of_region is None or kind == pn.PhoneNumberType.UNKNOWN:
        raise _not_valid()
    return Phone(
        e164=pn.format_number(number, pn.PhoneNumberFormat.E164),
        region=of_region,
        # A closed list of what can, so that a type that is new to phonenumbers cannot.
        can_text=kind
        in (
            pn.PhoneNumberType.MOBILE,
            pn.PhoneNumberType.FIXED_LINE_OR_MOBILE,
            pn.PhoneNumberType.VOIP,
        ),
        zones=_zones(number, kind),
        national=_national(number),
    )


def _one_number(raw: str) -> str:
    # Most of what is typed is plain: a look is cheaper than a replacement.
    text = raw if raw.isascii() else _INVISIBLE.sub("", raw)
    if ":" in text:
        text = _TEL.sub("", text, count=1)
    text = text.strip()
    if not text:
        raise InvalidPhone("is empty; give a number or leave it out", field="phone")
    if not _ONE_NUMBER.fullmatch(text):
        raise InvalidPhone(
            "must be one number in digits; leave out letters, extensions and further numbers",
            field="phone",
        )
    return text


def _not_valid() -> InvalidPhone:
    return InvalidPhone(
        "is not a valid number; check the digits, or write it with + and the country code",
        field="phone",
    )


def _national(number: PhoneNumber) -> str:
    import phonenumbers as pn

    if number.country_code == _NANP:  # It has no trunk prefix, and formatting is slow.
        return pn.national_significant_number(number)
    national = pn.format_number(number, pn.PhoneNumberFormat.NATIONAL)
    return "".join(filter(str.isdigit, national))


def _zones(number: PhoneNumber, kind: int) -> tuple[str, ...]:
    import phonenumbers as pn
    from phonenumbers import timezone

    if number.country_code != _NANP:
        zones = timezone.time_zones_for_number(number)
    elif kind in (
        pn.PhoneNumberType.FIXED_LINE,
        pn.PhoneNumberType.FIXED_LINE_OR_MOBILE,
        # Every mobile of +1 has an area code; time_zones_for_number would say "all of +1" for
        # those of Jamaica or Samoa, where mobiles are told apart from landlines.
        pn.PhoneNumberType.MOBILE,
    ):
        zones = timezone.time_zones_for_geographical_number(number)
    else:
        return ()  # shared by all countries of +1: of no place
    return () if timezone.UNKNOWN_TIMEZONE in zones else tuple(zones)
