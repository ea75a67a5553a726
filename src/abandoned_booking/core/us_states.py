"""What quiet hours need to know of the United States (R9): zones of each state, and stricter hours.

This is data, read by :mod:`abandoned_booking.core.quiet`. It is no legal advice: a business should
have its counsel check it before relying on it. The hours are kept whether or not an exemption of
the state (consent, an established relationship, a small number of calls) would hold, which errs on
the side of silence. State holidays, on which several of these states forbid solicitation as well,
are not in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

__all__ = ["STATE_HOURS", "STATE_ZONES", "StateHours", "Window", "state_code"]

Window: TypeAlias = tuple[time, time] | None
"""Local hours in which a marketing text may be sent, ``[start, end)``; ``None``: not that day."""

_EASTERN: Final = "America/New_York"
_CENTRAL: Final = "America/Chicago"
_MOUNTAIN: Final = "America/Denver"
_PACIFIC: Final = "America/Los_Angeles"

# Postal code, name, and zones by the standard time zone boundaries of 49 CFR part 71. A state that
# is split has all of its zones: a text must be allowed in every one.
_STATES: Final[tuple[tuple[str, ...], ...]] = (
    ("AL", "Alabama", _CENTRAL),
    ("AK", "Alaska", "America/Anchorage", "America/Adak"),
    ("AS", "American Samoa", "Pacific/Pago_Pago"),
    ("AZ", "Arizona", "America/Phoenix", _MOUNTAIN),  # the Navajo Nation keeps daylight saving time
    ("AR", "Arkansas", _CENTRAL),
    ("CA", "California", _PACIFIC),
    ("CO", "Colorado", _MOUNTAIN),
    ("CT", "Connecticut", _EASTERN),
    ("DE", "Delaware", _EASTERN),
    ("DC", "District of Columbia", _EASTERN),
    ("FL", "Florida", _EASTERN, _CENTRAL),
    ("GA", "Georgia", _EASTERN),
    ("GU", "Guam", "Pacific/Guam"),
    ("HI", "Hawaii", "Pacific/Honolulu"),
    ("ID", "Idaho", "America/Boise", _PACIFIC),
    ("IL", "Illinois", _CENTRAL),
    ("IN", "Indiana", "America/Indiana/Indianapolis", _CENTRAL),
    ("IA", "Iowa", _CENTRAL),
    ("KS", "Kansas", _CENTRAL, _MOUNTAIN),
    ("KY", "Kentucky", _EASTERN, _CENTRAL),
    ("LA", "Louisiana", _CENTRAL),
    ("ME", "Maine", _EASTERN),
    ("MD", "Maryland", _EASTERN),
    ("MA", "Massachusetts", _EASTERN),
    ("MI", "Michigan", "America/Detroit", "America/Menominee"),
    ("MN", "Minnesota", _CENTRAL),
    ("MS", "Mississippi", _CENTRAL),
    ("MO", "Missouri", _CENTRAL),
    ("MT", "Montana", _MOUNTAIN),
    ("NE", "Nebraska", _CENTRAL, _MOUNTAIN),
    ("NV", "Nevada", _PACIFIC, _MOUNTAIN),
    ("NH", "New Hampshire", _EASTERN),
    ("NJ", "New Jersey", _EASTERN),
    ("NM", "New Mexico", _MOUNTAIN),
    ("NY", "New York", _EASTERN),
    ("NC", "North Carolina", _EASTERN),
    ("ND", "North Dakota", _CENTRAL, _MOUNTAIN),
    ("MP", "Northern Mariana Islands", "Pacific/Guam"),
    ("OH", "Ohio", _EASTERN),
    ("OK", "Oklahoma", _CENTRAL),
    ("OR", "Oregon", _PACIFIC, "America/Boise"),
    ("PA", "Pennsylvania", _EASTERN),
    ("PR", "Puerto Rico", "America/Puerto_Rico"),
    ("RI", "Rhode Island", _EASTERN),
    ("SC", "South Carolina", _EASTERN),
    ("SD", "South Dakota", _CENTRAL, _MOUNTAIN),
    ("TN", "Tennessee", _EASTERN, _CENTRAL),
    ("TX", "Texas", _CENTRAL, _MOUNTAIN),
    ("UT", "Utah", _MOUNTAIN),
    ("VT", "Vermont", _EASTERN),
    ("VI", "Virgin Islands", "America/St_Thomas"),
    ("VA", "Virginia", _EASTERN),
    ("WA", "Washington", _PACIFIC),
    ("WV", "West Virginia", _EASTERN),
    ("WI", "Wisconsin", _CENTRAL),
    ("WY", "Wyoming", _MOUNTAIN),
)

STATE_ZONES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {code: tuple(zones) for code, _, *zones in _STATES}
)
"""IANA zones by postal code; at least one each"""

_TERRITORIES: Final = frozenset({"AS", "GU", "MP", "PR", "VI"})
"""States by post, countries of their own by ISO 3166-1."""

_CODE_BY_NAME: Final[Mapping[str, str]] = MappingProxyType(
    {name.casefold(): code for code, name, *_ in _STATES} | {"washington dc": "DC"}
)

_UNITED_STATES: Final = frozenset({"", "US", "USA", "UNITED STATES"})


def state_code(*, state: str | None, country: str | None) -> str | None:
    """The postal code of a US state, district or territory, or ``None`` if it is none.

    ``state`` is a postal code or a name, however capitalised. A missing ``country`` is read as the
    United States; a territory may also be given as the country.
    """
    country = _plain(country).upper()
    if country in _TERRITORIES:
        return country
    if country not in _UNITED_STATES:
        return None
    state = _plain(state)
    code = _CODE_BY_NAME.get(state.casefold(), state.upper())
    return code if code in STATE_ZONES else None


def _plain(given: str | None) -> str:
    """Without points, commas and spare spaces: ``D.C.`` is ``DC``."""
    return " ".join((given or "").replace(".", "").replace(",", " ").split())


@attrs.frozen(kw_only=True)
class StateHours:
    """The hours of one state, by the recipient's local date."""

    state: str
    source: str
    since: date | None
    """the first local date on which they hold; ``None``: they are older than this library"""
    weekdays: Window
    """Monday to Friday"""
    saturday: Window
    sunday: Window

    def window_on(self, on: date) -> Window:
        """The hours of a local date, whether or not the rule is in force then."""
        match on.weekday():
            case 5:
                return self.saturday
            case 6:
                return self.sunday
            case _:
                return self.weekdays

    def in_force_on(self, on: date) -> bool:
        """Whether the rule holds on a local date."""
        return self.since is None or self.since <= on


def _every_day(
    state: str, start: int, end: int, source: str, since: date | None = None
) -> StateHours:
    hours = (time(start), time(end))
    return StateHours(
        state=state, source=source, since=since, weekdays=hours, saturday=hours, sunday=hours
    )


def _never_on_sunday(
    state: str, start: int, end: int, source: str, since: date | None = None
) -> StateHours:
    return attrs.evolve(_every_day(state, start, end, source, since), sunday=None)


_RULES: Final = (
    _never_on_sunday("AL", 8, 20, "Ala. Admin. Code r. 770-X-5-.17(1)(b)"),
    _every_day(
        "CT", 9, 20, "Conn. Gen. Stat. § 42-288a, as amended by P.A. 23-98", date(2023, 10, 1)
    ),
    _every_day(
        "FL", 8, 20, "Fla. Stat. § 501.616(6)(a), as amended by ch. 2021-185", date(2021, 7, 1)
    ),
    _every_day("KY", 10, 21, "Ky. Rev. Stat. § 367.46955"),
    _never_on_sunday("LA", 8, 20, "La. Pub. Serv. Comm'n General Order R-29617 (Do Not Call)"),
    _every_day("MA", 8, 20, "Mass. Gen. Laws ch. 159C, § 3", date(2003, 1, 1)),
    _every_day(
        "MD", 8, 20, "Stop the Spam Calls Act of 2023, 2023 Md. Laws ch. 413", date(2024, 1, 1)
    ),
    _never_on_sunday("MS", 8, 20, "Miss. Code Ann. § 77-3-723"),
    _every_day("NM", 9, 21, "N.M. Stat. Ann. § 57-12-22(B)(5)"),
    _every_day(
        "OK", 8, 20, "15 Okla. Stat. § 775C.1 et seq., enacted by H.B. 3168", date(2022, 11, 1)
    ),
    StateHours(
        state="RI",
        source="R.I. Gen. Laws §§ 5-61-2, 5-61-3.6",
        since=None,
        weekdays=(time(9), time(18)),
        saturday=(time(10), time(17)),
        sunday=None,
    ),
    StateHours(
        state="TX",
        source="Tex. Bus. & Com. Code chs. 301 and 302, texts by S.B. 140 (2025)",
        since=date(2025, 9, 1),
        weekdays=(time(9), time(21)),
        saturday=(time(9), time(21)),
        sunday=(time(12), time(21)),
    ),
    _never_on_sunday("UT", 8, 21, "Utah Code § 13-25a-103(3)"),
    _every_day(
        "WA", 8, 20, "Wash. Rev. Code § 80.36.390, as amended by 2022 c 195", date(2022, 6, 9)
    ),
)

STATE_HOURS: Final[Mapping[str, tuple[StateHours, ...]]] = MappingProxyType(
    {
        state: tuple(rule for rule in _RULES if rule.state == state)
        for state in sorted({rule.state for rule in _RULES})
    }
)
"""Hours stricter than 47 CFR 64.1200(c)(1), by state; all rules in force on a date hold together"""
