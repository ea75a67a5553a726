"""``abandoned-booking forecast``: whom the campaign would message, when, and whom not (R8)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import attrs
import typer
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from abandoned_booking.cli._options import (
    Business,
    ExistingStore,
    Json,
    Now,
    Secret,
    parse_campaign,
    parse_instant,
    parse_now,
)
from abandoned_booking.cli._output import SHORT_ID, emit_json, instant, local, progress_bar, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired
from abandoned_booking.core.campaign import BusinessSettings, RecoveryCampaign
from abandoned_booking.core.forecast import Forecast, ForecastLine

__all__ = ["forecast"]

_SHOWN: Final = 20


def forecast(
    store: ExistingStore,
    until: Annotated[
        str,
        typer.Option(
            metavar="ISO", help="Up to which instant, with its offset; at most 366 days from now."
        ),
    ],
    business: Business = None,
    now: Now = None,
    campaign: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="As if it were saved now: after=2h (or 90m), daily=09:00, weekdays=09:00, "
            "weekends=10:00 or off. The stored one unless told.",
        ),
    ] = None,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Say whom the campaign would message and when, at what price; whom not, and why.

    Nothing is sent and nothing is stored. It is assumed that nobody does anything meanwhile.
    """
    at = parse_now(now)
    ends_at = parse_instant(until, field="--until")
    with existing_store(store) as found:
        settings = settings_in(found, business)
        desk = wired(found, now=at, secret=secret).desk(settings.business_id)
        with progress_bar("forecasting"):
            told = desk.forecast(_campaign(campaign, settings), until=ends_at)
    if as_json:
        emit_json(_as_json(told))
    else:
        show(*_in_words(told, settings))


def _campaign(text: str | None, settings: BusinessSettings) -> RecoveryCampaign | None:
    """The stored campaign at another time; its template, recipients and steps stay."""
    if text is None:
        return None
    asked = parse_campaign(text)
    if not asked.enabled:
        return attrs.evolve(settings.campaign, enabled=False)
    return attrs.evolve(settings.campaign, enabled=True, timing=asked.timing)


def _as_json(told: Forecast) -> dict[str, Any]:
    return {
        "asked_at": instant(told.asked_at),
        "until": instant(told.until),
        "messages": [_line(line) for line in told.messages],
        "later": [_line(line) for line in told.later],
        "not_messaged": [_line(line) for line in told.not_messaged],
        "segments": told.segments,
        # One credit is one segment.
        "credits": told.segments,
        "next_send_at": instant(told.next_send_at),
        "reasons": {reason.value: number for reason, number in told.reasons.items()},
    }


def _line(line: ForecastLine) -> dict[str, Any]:
    return {
        "id": line.request_id,
        "send_at": instant(line.send_at),
        "segments": line.segments,
        "reasons": [reason.value for reason in line.reasons],
    }


def _in_words(told: Forecast, settings: BusinessSettings) -> list[RenderableType]:
    until = local(told.until, settings.zone)
    summary = (
        f"{len(told.messages):,} messages until {until}, {told.segments:,} credits; "
        f"{len(told.later):,} later; {len(told.not_messaged):,} not messaged; "
        f"times: {settings.timezone}"
    )
    parts: list[RenderableType] = [summary]
    if told.messages:
        parts.append(_messages(told, settings))
    if len(told.messages) > _SHOWN:
        parts.append(f"the first {_SHOWN} of {len(told.messages):,}; --json has them all")
    if told.reasons:
        parts.append(_reasons(told))
    return parts


def _messages(told: Forecast, settings: BusinessSettings) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("goes")
    table.add_column("id")
    table.add_column("segments", justify="right")
    for line in told.messages[:_SHOWN]:
        table.add_row(
            local(line.send_at, settings.zone), line.request_id[:SHORT_ID], str(line.segments)
        )
    return table


def _reasons(told: Forecast) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("not messaged")
    table.add_column("requests", justify="right")
    table.add_column("for example")
    for reason, number in told.reasons.items():
        example = next(line for line in told.not_messaged if reason in line.reasons)
        table.add_row(reason.value.replace("_", " "), f"{number:,}", example.request_id[:SHORT_ID])
    return table
