"""A business's settings and the campaign of its recovery message (R1, R2, R9), and what is valid.

A value that exists is valid: every class checks itself when it is made, and says which field is
wrong and what would be right. The checks stand in ``__attrs_post_init__`` because attrs'
validators can be switched off process-wide by another library.

Rules held here: R1 (off or on, recipients, steps), R2 (a delay of 10 minutes to 24 hours, or a
clock time), R9 (the two compliance presets), M1 and M3 (a template is checked when it is saved).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import attrs

from abandoned_booking.core import text
from abandoned_booking.core.email import EmailDesign
from abandoned_booking.core.model import LISTED_AFTER, STANDARD_STEPS, ClientType, Step
from abandoned_booking.core.retention import Retention, retention_of
from abandoned_booking.errors import InvalidSettings

__all__ = [
    "AfterDelay",
    "AtClockTime",
    "BusinessSettings",
    "CompliancePolicy",
    "Days",
    "QuietHours",
    "RecoveryCampaign",
    "Retention",
    "Timing",
    "zone_named",
]

_SHORTEST_DELAY: Final = timedelta(minutes=10)
_LONGEST_DELAY: Final = timedelta(hours=24)
_LONGEST_ID: Final = 200
_LONGEST_NAME: Final = 200
_LONGEST_SPAN: Final = timedelta(days=366)
_LARGEST_HOLDOUT: Final = 0.5


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """The zone of an IANA name such as ``America/New_York``.

    Raises :class:`InvalidSettings` for a name that the time zone database does not have.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError, TypeError):
        raise InvalidSettings(
            "is not a zone of the IANA time zone database; give a name such as 'America/New_York'",
            field="timezone",
        ) from None


class Days(StrEnum):
    """On which local days a clock time holds (R2, T2)."""

    DAILY = "daily"
    WEEKDAYS = "weekdays"
    """Monday to Friday"""
    WEEKENDS = "weekends"
    """Saturday and Sunday"""


@attrs.frozen(init=False)
class AfterDelay:
    """Send a fixed time after abandonment: ``AfterDelay(hours=2)``, 10 minutes to 24 hours (R2)."""

    delay: timedelta

    def __init__(
        self, delay: timedelta | None = None, *, hours: float = 0, minutes: float = 0
    ) -> None:
        try:
            given = (delay or timedelta()) + timedelta(hours=hours, minutes=minutes)
        except (TypeError, ValueError, OverflowError):
            raise InvalidSettings(
                "is not a length of time; give AfterDelay(hours=2)", field="campaign.timing.delay"
            ) from None
        if not _SHORTEST_DELAY <= given <= _LONGEST_DELAY:
            raise InvalidSettings(
                f"is {given}; a delay is from 10 minutes to 24 hours", field="campaign.timing.delay"
            )
        self.__attrs_init__(given)


def _as_time(given: time | str, field: str) -> time:
    try:
        at = given if isinstance(given, time) else time.fromisoformat(given)
    except (TypeError, ValueError):
        raise InvalidSettings(
            "is not a time of day; give '09:00' or datetime.time(9)", field=field
        ) from None
    if at.tzinfo is not None:
        raise InvalidSettings(
            "has a zone of its own; give a plain time of day, which is read where it applies",
            field=field,
        )
    return at


def _as_clock_time(given: time | str) -> time:
    return _as_time(given, "campaign.timing.at")


def _as_quiet_time(given: time | str) -> time:
    return _as_time(given, "compliance.quiet_hours")


def _as_days(given: str) -> Days:
    try:
        return Days(given)
    except ValueError:
        raise InvalidSettings(
            f"must be one of {', '.join(Days)}", field="campaign.timing.days"
        ) from None


@attrs.frozen
class AtClockTime:
    """Send at a time of day in the business's zone: ``AtClockTime("09:00", Days.WEEKDAYS)``."""

    at: time = attrs.field(converter=_as_clock_time)
    days: Days = attrs.field(default=Days.DAILY, converter=_as_days)


Timing: TypeAlias = AfterDelay | AtClockTime


@attrs.frozen
class QuietHours:
    """Local hours of the recipient between which a marketing text may be sent: ``[start, end)``."""

    start: time = attrs.field(default=time(8), converter=_as_quiet_time)
    end: time = attrs.field(default=time(21), converter=_as_quiet_time)

    def __attrs_post_init__(self) -> None:
        if not self.start < self.end:
            raise InvalidSettings("must start before they end", field="compliance.quiet_hours")


@attrs.frozen(kw_only=True)
class CompliancePolicy:
    """What the law or the business asks beyond the plain rules (R9).

    ``CompliancePolicy.relaxed()`` asks nothing more. ``CompliancePolicy.us_marketing()`` keeps
    the recipient's quiet hours (47 CFR 64.1200(c)(1) and dated stricter state tables), sends
    nothing to requests older than 48 hours and needs consent. Each part can be changed with
    :func:`attrs.evolve`.
    """

    quiet_hours: QuietHours | None = None
    """allowed hours in every zone that the recipient may be in; ``None``: any hour"""
    state_rules: bool = False
    """also keep the stricter hours of US states, as of the day in question"""
    not_older_than: timedelta | None = None
    """how long after abandonment a recovery message may still begin; ``None``: any age"""
    consent_required: bool = False

    def __attrs_post_init__(self) -> None:
        if self.not_older_than is not None and self.not_older_than <= timedelta(0):
            raise InvalidSettings("must be longer than nothing", field="compliance.not_older_than")
        if self.state_rules and self.quiet_hours is None:
            raise InvalidSettings(
                "need quiet_hours to be stricter than; give QuietHours()",
                field="compliance.state_rules",
            )

    @classmethod
    def relaxed(cls) -> CompliancePolicy:
        """The plain rules, and nothing more. The default."""
        return cls()

    @classmethod
    def us_marketing(cls) -> CompliancePolicy:
        """Quiet hours of the recipient, state tables, 48 hours, consent."""
        return cls(
            quiet_hours=QuietHours(),
            state_rules=True,
            not_older_than=timedelta(hours=48),
            consent_required=True,
        )


def _recipients(given: Iterable[str]) -> frozenset[ClientType]:
    try:
        return frozenset(map(ClientType, given))
    except ValueError:
        raise InvalidSettings(
            f"must be some of {', '.join(ClientType)}", field="campaign.recipients"
        ) from None


def _some_steps(given: Iterable[str] | None) -> frozenset[Step] | None:
    return None if given is None else frozenset(map(Step, given))


def _share(given: float) -> float:
    # Not by isinstance: a settings form may well give a Decimal. A NaN is between no two numbers.
    try:
        share = float(given)
    except (TypeError, ValueError, OverflowError):
        share = math.nan
    if not 0 <= share <= _LARGEST_HOLDOUT:
        raise InvalidSettings(
            f"must be a share from 0 to {_LARGEST_HOLDOUT}; 0 holds nobody out",
            field="campaign.holdout",
        )
    return share


@attrs.frozen(kw_only=True)
class RecoveryCampaign:
    """The settings of the one recovery message per request (R1, R2, M1)."""

    enabled: bool = False
    timing: Timing = AfterDelay(hours=2)
    recipients: frozenset[ClientType] = attrs.field(
        default=frozenset(ClientType), converter=_recipients
    )
    """new visitors, existing clients, or both"""
    steps: frozenset[Step] | None = attrs.field(
        default=None,
        converter=_some_steps,
    )
    """requests left at these steps; ``None``: at any"""
    template: str = text.RECOVERY_TEMPLATE
    holdout: float = attrs.field(default=0.0, converter=_share)
    """the share of requests, 0 to 0.5, that is never messaged automatically, for comparison (P1)"""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.timing, (AfterDelay, AtClockTime)):
            raise InvalidSettings(
                "must be AfterDelay(...) or AtClockTime(...)", field="campaign.timing"
            )
        if not self.recipients:
            raise InvalidSettings(
                "selects nobody; select new visitors, existing clients or both, "
                "or switch the campaign off",
                field="campaign.recipients",
            )
        if self.steps is not None and not self.steps:
            raise InvalidSettings(
                "selects no step; select some, give None for all, or switch the campaign off",
                field="campaign.steps",
            )


def _steps(given: Iterable[str]) -> tuple[Step, ...]:
    return tuple(Step(step) for step in given)


@attrs.frozen(kw_only=True)
class BusinessSettings:
    """Everything that a business decides. Stored per business; every rule reads it anew."""

    business_id: str
    name: str
    timezone: str = "UTC"
    """IANA name; the zone of the staff's days and of clock times"""
    region: str = "US"
    """two letters, ISO 3166-1: how a phone number without a country code is read"""
    campaign: RecoveryCampaign = RecoveryCampaign()
    compliance: CompliancePolicy = CompliancePolicy()
    email: EmailDesign = EmailDesign()
    """sender, colours and words of its e-mails (B2)"""
    leads_management: bool = False
    """whether new visitors go to the host's leads instead of the list (D)"""
    steps: tuple[Step, ...] = attrs.field(default=STANDARD_STEPS, converter=_steps)
    """the booking flow's pages in their order; add your own"""
    listed_after: timedelta = LISTED_AFTER
    """how long after the last activity a request is listed (C4)"""
    late_grace: timedelta = timedelta(hours=1)
    """how late a message may still go (T4)"""
    one_message_within: timedelta = timedelta(hours=24)
    """at most one recovery message per phone in this time (R7)"""
    text_us_territories: bool = False
    """whether new visitors with numbers of PR, GU, VI, AS and MP get the message (R5)"""
    opt_out_keyword: str = text.OPT_OUT_KEYWORD
    """the word in the notice of every marketing text (M2)"""
    opt_out_words: frozenset[str] = attrs.field(default=text.OPT_OUT_WORDS, converter=frozenset)
    opt_in_words: frozenset[str] = attrs.field(default=text.OPT_IN_WORDS, converter=frozenset)
    booking_url: str | None = None
    """the public booking page: the merge field ``booking_link`` where a request has none"""
    credited_within: timedelta = timedelta(days=7)
    """how long after a contact a booking is credited to it (P2)"""
    keep_for: Retention | None = attrs.field(default=None, converter=retention_of)
    """how long after they were last touched requests are kept with everything personal in them, as
    ``Retention(months=24)`` or whole days; ``None``: for ever (G3)"""

    def __attrs_post_init__(self) -> None:
        for field, longest in (("business_id", _LONGEST_ID), ("name", _LONGEST_NAME)):
            given = getattr(self, field)
            if not isinstance(given, str) or not given.strip() or len(given) > longest:
                raise InvalidSettings(f"must be text of 1 to {longest} characters", field=field)
        zone_named(self.timezone)
        region = self.region
        if not (len(region) == 2 and region.isascii() and region.isalpha() and region.isupper()):
            raise InvalidSettings(
                "must be a country's two capital letters, such as 'US'", field="region"
            )
        if not self.steps or len(set(self.steps)) != len(self.steps):
            raise InvalidSettings("must name at least one step, and none twice", field="steps")
        unknown = (self.campaign.steps or frozenset()) - set(self.steps)
        if unknown:
            raise InvalidSettings(
                f"selects {', '.join(sorted(unknown))}, which the business's steps do not have; "
                f"choose from {', '.join(self.steps)}",
                field="campaign.steps",
            )
        for field in ("listed_after", "late_grace", "one_message_within", "credited_within"):
            if not timedelta(0) <= getattr(self, field) <= _LONGEST_SPAN:
                raise InvalidSettings("must be from nothing to 366 days", field=field)
        text.check_template(
            self.campaign.template, notice=text.opt_out_notice(self.opt_out_keyword)
        )

    @property
    def zone(self) -> ZoneInfo:
        """The business's zone."""
        return zone_named(self.timezone)
