"""``abandoned-booking settings``: what a business decides, shown and changed (T5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, assert_never

import attrs
import typer
from rich.table import Table
from rich.text import Text

from abandoned_booking.cli._options import (
    Business,
    ExistingStore,
    Json,
    Now,
    parse_campaign,
    parse_now,
    parse_retention,
    words,
)
from abandoned_booking.cli._output import emit_json, progress_bar, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired
from abandoned_booking.core.campaign import (
    AfterDelay,
    AtClockTime,
    BusinessSettings,
    CompliancePolicy,
    RecoveryCampaign,
    Retention,
    Timing,
)
from abandoned_booking.core.cleaning import clean_value
from abandoned_booking.core.codec import settings_to_dict
from abandoned_booking.core.model import ClientType, Step
from abandoned_booking.errors import InvalidInput

__all__ = ["settings"]

settings = typer.Typer(help="Show and change what a business decides.")

_T = TypeVar("_T")
Change = Callable[[BusinessSettings, str], BusinessSettings]

_POLICIES: Final = {
    "relaxed": CompliancePolicy.relaxed(),
    "us_marketing": CompliancePolicy.us_marketing(),
}
_SWITCH: Final = {"on": True, "off": False}
_OFF: Final = "off"
_LONGEST_SHOWN: Final = 2_000


@settings.command("show")
def show_settings(store: ExistingStore, business: Business = None, as_json: Json = False) -> None:
    """Show a business's settings, as `settings set` takes them; with --json all there is."""
    with existing_store(store) as found:
        known = settings_in(found, business)
    if as_json:
        emit_json({"settings": settings_to_dict(known)})
    else:
        show(_table(known))


@settings.command("set")
def set_settings(
    changes: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=VALUE...",
            help="name, timezone, region, campaign (after=2h, daily=09:00, weekdays=09:00, "
            "weekends=10:00, on, off), recipients (new_visitor,existing_client), campaign_steps "
            "(any, or some of them), template (a text, or @FILE), holdout (0 to 0.5), compliance "
            "(relaxed, us_marketing), leads_management (on, off), opt_out_keyword, booking_url, "
            "keep_for (24months, off).",
        ),
    ],
    store: ExistingStore,
    business: Business = None,
    now: Now = None,
    as_json: Json = False,
) -> None:
    """Change some of a business's settings, and plan anew what is not sent yet.

    All of them, or none if one cannot be.
    """
    at = parse_now(now)
    with existing_store(store) as found:
        before = settings_in(found, business)
        after = _changed(before, _pairs(changes))
        bookings = wired(found, now=at)
        with progress_bar("planning anew"):
            bookings.settings.put(after)
    if as_json:
        emit_json({"settings": settings_to_dict(after)})
    else:
        show(_table(after))


def _pairs(changes: Iterable[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for change in changes:
        name, sign, value = change.partition("=")
        name = name.strip()
        if not sign or name not in _CHANGES:
            raise InvalidInput(
                f"must be NAME=VALUE with one of {', '.join(_CHANGES)}", field="settings"
            )
        if name in pairs:
            raise InvalidInput("is there twice", field=name)
        pairs[name] = value.strip()
    return pairs


def _changed(before: BusinessSettings, pairs: Mapping[str, str]) -> BusinessSettings:
    after = before
    for name, value in pairs.items():
        after = _CHANGES[name](after, value)
    return after


# ── what is typed ───────────────────────────────────────────────────────────────────────────────


def _plainly(field: str) -> Change:
    def changed(known: BusinessSettings, value: str) -> BusinessSettings:
        given: dict[str, Any] = {field: value}
        return attrs.evolve(known, **given)

    return changed


def _of_campaign(known: BusinessSettings, **changes: Any) -> BusinessSettings:
    return attrs.evolve(known, campaign=attrs.evolve(known.campaign, **changes))


def _campaign(known: BusinessSettings, value: str) -> BusinessSettings:
    if value in _SWITCH:
        return _of_campaign(known, enabled=_SWITCH[value])
    asked = parse_campaign(value, field="campaign")
    return _of_campaign(known, enabled=True, timing=asked.timing)


def _template(known: BusinessSettings, value: str) -> BusinessSettings:
    if not value.startswith("@"):
        return _of_campaign(known, template=value)
    try:
        text = Path(value[1:]).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("names a file that is not UTF-8", field="template") from None
    # An editor ends the last line; a text does not end with an empty one.
    return _of_campaign(known, template=text.rstrip("\n"))


def _holdout(known: BusinessSettings, value: str) -> BusinessSettings:
    return _of_campaign(known, holdout=value)


def _recipients(known: BusinessSettings, value: str) -> BusinessSettings:
    return _of_campaign(known, recipients=words([value]))


def _campaign_steps(known: BusinessSettings, value: str) -> BusinessSettings:
    return _of_campaign(known, steps=None if value == "any" else map(Step, words([value])))


def _compliance(known: BusinessSettings, value: str) -> BusinessSettings:
    return attrs.evolve(known, compliance=_chosen("compliance", value, _POLICIES))


def _leads_management(known: BusinessSettings, value: str) -> BusinessSettings:
    return attrs.evolve(known, leads_management=_chosen("leads_management", value, _SWITCH))


def _booking_url(known: BusinessSettings, value: str) -> BusinessSettings:
    return attrs.evolve(known, booking_url=value or None)


def _keep_for(known: BusinessSettings, value: str) -> BusinessSettings:
    kept = None if value == _OFF else parse_retention(value, field="keep_for")
    return attrs.evolve(known, keep_for=kept)


def _chosen(field: str, value: str, known: Mapping[str, _T]) -> _T:
    try:
        return known[value]
    except KeyError:
        raise InvalidInput(f"must be one of {', '.join(known)}", field=field) from None


_CHANGES: Final[Mapping[str, Change]] = {
    "name": _plainly("name"),
    "timezone": _plainly("timezone"),
    "region": _plainly("region"),
    "campaign": _campaign,
    "recipients": _recipients,
    "campaign_steps": _campaign_steps,
    "template": _template,
    "holdout": _holdout,
    "compliance": _compliance,
    "leads_management": _leads_management,
    "opt_out_keyword": _plainly("opt_out_keyword"),
    "booking_url": _booking_url,
    "keep_for": _keep_for,
}


# ── what is shown ───────────────────────────────────────────────────────────────────────────────


def _table(known: BusinessSettings) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_row("business", Text(known.business_id))
    for name, value in _shown(known).items():
        table.add_row(name, Text(clean_value(value, longest=_LONGEST_SHOWN)))
    return table


def _shown(known: BusinessSettings) -> dict[str, str]:
    """Every setting that can be changed here, as it would be typed; but see the campaign."""
    campaign = known.campaign
    policies = {policy: name for name, policy in _POLICIES.items()}
    return {
        "name": known.name,
        "timezone": known.timezone,
        "region": known.region,
        "campaign": _campaign_in_words(campaign),
        "recipients": ",".join(kind for kind in ClientType if kind in campaign.recipients),
        "campaign_steps": ",".join(s for s in known.steps if s in (campaign.steps or ())) or "any",
        "template": campaign.template,
        "holdout": f"{campaign.holdout:g}",
        "compliance": policies.get(known.compliance, "of its own; see --json"),
        "leads_management": "on" if known.leads_management else "off",
        "opt_out_keyword": known.opt_out_keyword,
        "booking_url": known.booking_url or "",
        "keep_for": _retention_in_words(known.keep_for),
    }


def _campaign_in_words(campaign: RecoveryCampaign) -> str:
    timing = _timing_in_words(campaign.timing)
    return timing if campaign.enabled else f"{_OFF} (when on: {timing})"


def _timing_in_words(timing: Timing) -> str:
    match timing:
        case AfterDelay(delay=delay):
            minutes, seconds = divmod(round(delay.total_seconds()), 60)
            if seconds:
                return f"after={delay}"
            return f"after={minutes}m" if minutes % 60 else f"after={minutes // 60}h"
        case AtClockTime(at=at, days=days):
            return f"{days.value}={at.isoformat()[: None if at.second else 5]}"
        case _:
            assert_never(timing)


def _retention_in_words(kept: Retention | None) -> str:
    if kept is None:
        return _OFF
    parts = {"y": kept.years, "months": kept.months, "d": kept.days}
    return " ".join(f"{number}{unit}" for unit, number in parts.items() if number)
