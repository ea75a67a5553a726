"""Quiet hours of the recipient: when a marketing text may be sent (R9).

The hours are those of the business's :class:`CompliancePolicy`; with ``state_rules`` the stricter
ones of the recipient's state (:mod:`abandoned_booking.core.us_states`) hold as well, by the local
date. Where the recipient may be in several zones, every one of them must allow.

The base is 47 CFR 64.1200(c)(1): no telephone solicitation before 8 a.m. or after 9 p.m., local
time at the called party's location. Holidays are not considered. None of this is legal advice: the
hours are data that a business should have its counsel check.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from abandoned_booking.core.campaign import CompliancePolicy, QuietHours, zone_named
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.model import Address, Phone
from abandoned_booking.core.us_states import (
    STATE_HOURS,
    STATE_ZONES,
    StateHours,
    Window,
    state_code,
)
from abandoned_booking.errors import InvalidSettings

__all__ = ["candidate_zones", "next_allowed_at"]

_LOOKED_AHEAD_FOR: Final = timedelta(days=8)
_DAY: Final = timedelta(days=1)


def candidate_zones(
    *, address: Address, phone: Phone | None, business_zone: str | ZoneInfo
) -> tuple[ZoneInfo, ...]:
    """Every zone that the recipient may be in; at least one.

    The address decides if it names a US state (a missing country is read as the United States; a
    state on a zone boundary has several). Otherwise the zones that the phone number may be in, and
    if none of those is known, the business's own.
    """
    state = state_code(state=address.state, country=address.country)
    if state is not None:
        return tuple(map(zone_named, STATE_ZONES[state]))
    of_phone = tuple(_known(phone.zones)) if phone is not None else ()
    if of_phone:
        return of_phone
    return (business_zone if isinstance(business_zone, ZoneInfo) else zone_named(business_zone),)


def next_allowed_at(
    at: datetime,
    *,
    policy: CompliancePolicy,
    address: Address,
    phone: Phone | None,
    business_zone: str | ZoneInfo,
) -> datetime | None:
    """The first instant from ``at`` on at which the recipient may be texted, aware UTC.

    ``at`` itself if it is allowed, or if the policy has no quiet hours. ``None`` if no instant of
    the next 8 days is allowed: the candidate zones lie so far apart that their hours never meet.

    Raises :class:`InvalidInput` for a naive ``at``.
    """
    at = as_utc(at, field="at")
    if policy.quiet_hours is None:
        return at
    zones = candidate_zones(address=address, phone=phone, business_zone=business_zone)
    hours = policy.quiet_hours
    state = state_code(state=address.state, country=address.country)
    rules = STATE_HOURS.get(state, ()) if policy.state_rules and state else ()

    def allowed(instant: datetime) -> bool:
        return all(_allows(instant.astimezone(zone), hours, rules) for zone in zones)

    if allowed(at):
        return at
    # The allowed instants of a zone are half-open intervals. The first that is common to all zones
    # is where an interval of one of them begins.
    until = at + _LOOKED_AHEAD_FOR
    beginnings = sorted(
        {
            begins
            for zone in zones
            for begins in _beginnings(at, until, zone, hours, rules)
            if at < begins <= until
        }
    )
    return next((begins for begins in beginnings if allowed(begins)), None)


def _known(names: tuple[str, ...]) -> Iterator[ZoneInfo]:
    """The zones of those names that the database has: metadata also says ``Etc/Unknown``."""
    for name in names:
        with suppress(InvalidSettings):
            yield zone_named(name)


def _window(on: date, hours: QuietHours, rules: tuple[StateHours, ...]) -> Window:
    """What the policy and every state rule in force allow on a local date."""
    start, end = hours.start, hours.end
    for rule in rules:
        if rule.in_force_on(on):
            window = rule.window_on(on)
            if window is None:
                return None
            start, end = max(start, window[0]), min(end, window[1])
    return (start, end) if start < end else None


def _allows(local: datetime, hours: QuietHours, rules: tuple[StateHours, ...]) -> bool:
    window = _window(local.date(), hours, rules)
    return window is not None and window[0] <= local.time() < window[1]


def _beginnings(
    since: datetime,
    until: datetime,
    zone: ZoneInfo,
    hours: QuietHours,
    rules: tuple[StateHours, ...],
) -> Iterator[datetime]:
    """Every instant of a span at which a zone's hours may begin, and some more.

    They begin where the wall shows their start, which it may do twice, or where a change of the
    clocks jumps into them. From the day before: clocks may go back across midnight.
    """
    on = since.astimezone(zone).date() - _DAY
    while on <= until.astimezone(zone).date():
        window = _window(on, hours, rules)
        if window is not None:
            wall = datetime.combine(on, window[0], zone)
            yield wall.astimezone(UTC)
            yield wall.replace(fold=1).astimezone(UTC)
        on += _DAY
    yield from _changes_of_clocks(zone, since, until)


def _changes_of_clocks(zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """The instants at which a zone's offset changes; at most one a day is looked for."""
    day = since.replace(microsecond=0)
    while day < until:
        offset = day.astimezone(zone).utcoffset()
        if (day + _DAY).astimezone(zone).utcoffset() != offset:
            yield _first_second_without(offset, day, zone)
        day += _DAY


def _first_second_without(offset: timedelta | None, day: datetime, zone: ZoneInfo) -> datetime:
    """When, in the day that begins at that instant, a zone's clocks leave an offset."""

    def left(second: int) -> bool:
        return (day + timedelta(seconds=second)).astimezone(zone).utcoffset() != offset

    return day + timedelta(seconds=bisect_left(range(86_400), True, key=left))
