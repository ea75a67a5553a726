"""How long requests are kept: a calendar period such as 24 months (G3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import attrs

from abandoned_booking.errors import InvalidSettings

__all__ = ["Retention", "retention_of"]

_LONGEST_YEARS: Final = 100
_ONE_DAY: Final = timedelta(days=1)


@attrs.frozen(kw_only=True)
class Retention:
    """A calendar period: ``Retention(months=24)``, ``Retention(years=3)``, ``Retention(days=90)``.

    Counted back on the UTC calendar; a day that a month does not have is that month's last one.

    Raises :class:`InvalidSettings` unless its parts are whole numbers, none below nought, and it is
    from a day to 100 years long.
    """

    years: int = 0
    months: int = 0
    days: int = 0

    def __attrs_post_init__(self) -> None:
        parts = (self.years, self.months, self.days)
        if not all(isinstance(part, int) and part >= 0 for part in parts):
            raise InvalidSettings(
                "must be whole numbers of years, months and days, none below 0", field="keep_for"
            )
        if not 0 < self.years * 12 * 31 + self.months * 31 + self.days <= _LONGEST_YEARS * 372:
            raise InvalidSettings(
                f"must be from 1 day to {_LONGEST_YEARS} years; give None to keep everything",
                field="keep_for",
            )

    def before(self, now: datetime) -> datetime:
        """The instant that is this long before ``now``: what was last touched earlier expires."""
        # Loaded when it is needed: reading settings must not wait for it.
        from dateutil.relativedelta import relativedelta

        return now - relativedelta(years=self.years, months=self.months, days=self.days)


def retention_of(given: Retention | timedelta | None) -> Retention | None:
    """A period as it is stored: whole days may be given as a ``timedelta``.

    Raises :class:`InvalidSettings` for anything else.
    """
    if given is None or isinstance(given, Retention):
        return given
    if not isinstance(given, timedelta) or given % _ONE_DAY:
        raise InvalidSettings(
            "must be Retention(months=24), a timedelta of whole days, or None", field="keep_for"
        )
    return Retention(days=given.days)
