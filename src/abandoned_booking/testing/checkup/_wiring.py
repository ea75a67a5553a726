"""The wiring as a whole: secret, clock, time-outs, and whether what businesses ask for is there."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import abandoned_booking
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.ports import Clock
from abandoned_booking.testing.checkup._findings import Finding, Level, said
from abandoned_booking.testing.checkup._parts import RESERVED_BUSINESS
from abandoned_booking.wiring import AbandonedBookings

__all__ = ["businesses_found", "wiring_found"]

_Found: TypeAlias = Iterator[Finding]

_SHORTEST_SECRET: Final = 16
_CLOCKS_DIFFER_BY: Final = timedelta(minutes=1)
_SENDS_OF_A_CLAIM: Final = 8
"""how many claimed requests a sweep hands to each of its threads"""
_MOST_BUSINESSES: Final = 1_000


def wiring_found(bookings: AbandonedBookings) -> _Found:
    """What is to be said of all of it together."""
    version = abandoned_booking.__version__
    text = f"abandoned-booking {version}, Python {platform.python_version()}"
    yield Finding("versions", Level.OK, text)
    yield from _secret(bookings._parts.secret)
    yield from _clock(bookings._parts.clock)
    yield from _time_zones()
    yield from _send_timeout(bookings)
    for name in ("on_event", "has_feature", "is_reachable"):
        if inspect.iscoroutinefunction(getattr(bookings._parts, name)):
            yield Finding(name, Level.PROBLEM, "is async, and the doors do not await it")


def _secret(secret: bytes) -> _Found:
    default = inspect.signature(AbandonedBookings).parameters["secret"].default
    advice = "give secret=<32 random bytes> before the first opt-out, and never change it"
    if secret == default:
        text = "is the library's own: trying every phone number finds whose the opt-outs are"
        yield Finding("secret", Level.WARNING, f"{text}; {advice}")
    elif len(secret) < _SHORTEST_SECRET:
        yield Finding("secret", Level.WARNING, f"has {len(secret)} bytes only; {advice}")
    else:
        yield Finding("secret", Level.OK, f"{len(secret)} bytes of your own")


def _clock(clock: Clock) -> _Found:
    machine = datetime.now(UTC)
    try:
        told = clock.now()
        off = told - machine  # a naive instant raises here
    except TypeError:
        yield Finding("clock", Level.PROBLEM, "now() must return an aware datetime")
        return
    except Exception as error:
        yield Finding("clock", Level.PROBLEM, f"now() raised {said(error)}")
        return
    if abs(off) > _CLOCKS_DIFFER_BY:
        apart = timedelta(seconds=round(abs(off).total_seconds()))
        way = "ahead of" if off > timedelta(0) else "behind"
        text = f"is {apart} {way} this machine's, and messages go out by it"
        yield Finding("clock", Level.PROBLEM, text)
    else:
        yield Finding("clock", Level.OK, "aware, and agrees with this machine's")


def _time_zones() -> _Found:
    try:
        ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        text = "this system has no time zones; pip install 'abandoned-booking[tzdata]'"
        yield Finding("time zones", Level.PROBLEM, text)


def _send_timeout(bookings: AbandonedBookings) -> _Found:
    timeout = bookings._send_timeout
    claim_for: timedelta = (
        inspect.signature(bookings.sweep.run_once).parameters["claim_for"].default
    )
    longest = timeout * _SENDS_OF_A_CLAIM
    told = f"{timeout.total_seconds():g} s for each send"
    if longest > claim_for:
        text = (
            f"{told}: a claim of {claim_for.total_seconds():g} s may end before the last of a "
            f"batch is sent; call sweep.run_once(claim_for=...) with {longest.total_seconds():g} s "
            "or more"
        )
        yield Finding("send_timeout", Level.WARNING, text)
    else:
        yield Finding("send_timeout", Level.OK, told)


# ── what the businesses have decided ────────────────────────────────────────────────────────────


def businesses_found(bookings: AbandonedBookings, named: Iterable[str]) -> _Found:
    """What is to be said of the named businesses, or of all that the store knows."""
    ids = [*dict.fromkeys(named)]
    own = getattr(bookings._parts.store, "businesses", None)
    try:
        if not ids and callable(own):
            ids = [*islice(own(), _MOST_BUSINESSES + 1)]
    except Exception as error:
        yield Finding("store", Level.PROBLEM, f"businesses raised {said(error)}")
        return
    ids = [business_id for business_id in ids if business_id != RESERVED_BUSINESS]
    if not ids:
        yield Finding("businesses", Level.NOTE, "none was named, and the store names none")
    if len(ids) > _MOST_BUSINESSES:
        text = f"the settings of {_MOST_BUSINESSES:,} were read; name others"
        yield Finding("businesses", Level.NOTE, text)
    for business_id in ids[:_MOST_BUSINESSES]:
        yield from _business(bookings, business_id)


def _business(bookings: AbandonedBookings, business_id: str) -> _Found:
    about = f"business {business_id}"
    try:
        settings = bookings._parts.settings.get(business_id)
        wrong = [] if settings is None else [*_unserved(bookings, settings)]
    except Exception as error:
        text = f"its settings cannot be used: {said(error, with_message=False)}"
        yield Finding(about, Level.PROBLEM, text)
        return
    if settings is None:
        text = "has no settings; bookings.settings.put(BusinessSettings(...)) stores them"
        yield Finding(about, Level.PROBLEM, text)
        return
    yield from (Finding(about, level, text) for level, text in wrong)
    if not wrong:
        yield Finding(about, Level.OK, "all that its settings ask for is there")


def _unserved(
    bookings: AbandonedBookings, settings: BusinessSettings
) -> Iterator[tuple[Level, str]]:
    """What the settings ask for and nobody is there to do."""
    parts = bookings._parts
    if not parts.has_feature(settings.business_id):
        yield Level.NOTE, "has_feature says no: nothing is captured, nothing is sent"
    if settings.campaign.enabled and parts.sms is None:
        yield Level.PROBLEM, "its campaign is on, and there is no gateway for texts (sms)"
    if settings.compliance.consent_required and parts.consents is None:
        yield Level.WARNING, "requires consent: without consents nobody has given it"
    if settings.leads_management and parts.leads is None:
        yield Level.WARNING, "keeps leads apart: without leads new visitors are in no list"
