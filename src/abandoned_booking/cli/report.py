"""``abandoned-booking report``: what was won back, as tables, JSON and charts (P1-P3)."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, assert_never

import attrs
import typer
from rich.console import RenderableType

from abandoned_booking.cli._figures import (
    figures_as_json,
    figures_table,
    lift_as_json,
    lift_in_words,
    points_table,
    rows_table,
)
from abandoned_booking.cli._options import (
    Business,
    ExistingStore,
    Json,
    Now,
    parse_boundary,
    parse_now,
    words,
)
from abandoned_booking.cli._output import emit_json, instant, local, progress_bar, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.holdout import Lift
from abandoned_booking.core.performance import Performance
from abandoned_booking.core.periods import Every, Period
from abandoned_booking.core.trends import Trend
from abandoned_booking.desk import Desk
from abandoned_booking.errors import InvalidInput, MissingPart
from abandoned_booking.wiring import SystemClock

__all__ = ["report"]

_DEFAULT_LENGTH: Final = timedelta(days=30)
_ONE_DAY: Final = timedelta(days=1)
_ENDINGS: Final = (".svg", ".png")


class ChartKind(StrEnum):
    """What a chart shows."""

    FUNNEL = "funnel"
    TREND = "trend"
    HOURS = "hours"


def report(
    store: ExistingStore,
    business: Business = None,
    now: Now = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DAY",
            help="Of requests abandoned on or after this local day, or instant with its offset; "
            "30 days before --to unless told.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="DAY",
            help="And before this local day, or instant; up to now unless told.",
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="A row for each step, care_type, client_type, channel or outcome. May be "
            "repeated, or hold several with commas between.",
        ),
    ] = None,
    every: Annotated[
        Every | None, typer.Option(help="Also the figures of each day, week or month.")
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also draw a chart, .svg or .png; a file that is there is replaced. Needs the "
            "extra [plots].",
        ),
    ] = None,
    chart_kind: Annotated[
        ChartKind | None,
        typer.Option(
            help="By step, over time, or the hours of the week. Over time with --every, by step "
            "without, unless told.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what was abandoned in a period, and how much of it was contacted and won back.

    Rates come with their 95 % interval. The figures of a recent period still grow.
    """
    at = parse_now(now)
    draw = None if chart is None else _drawing(chart, chart_kind, every)
    if chart is None and chart_kind is not None:
        raise InvalidInput("needs --chart FILE", field="--chart-kind")
    with existing_store(store) as found:
        settings = settings_in(found, business)
        period = _period(from_, to, settings, at or SystemClock().now())
        desk = wired(found, now=at).desk(settings.business_id)
        with progress_bar("adding up"):
            told = _Told(
                period=period,
                performance=desk.performance(period, by=words(by)),
                trend=None if every is None else desk.trend(period, every=every),
                lift=desk.lift(period),
                chart=chart,
            )
            if draw is not None:
                draw(desk, period)
    if as_json:
        emit_json(_as_json(told, settings))
    else:
        show(*_in_words(told, settings))


@attrs.frozen(kw_only=True)
class _Told:
    """What the report says."""

    period: Period
    performance: Performance
    trend: Trend | None
    lift: Lift
    chart: Path | None


# ── the period ──────────────────────────────────────────────────────────────────────────────────


def _period(from_: str | None, to: str | None, settings: BusinessSettings, now: datetime) -> Period:
    """From and to, or the last 30 local days, today among them."""
    start, end = parse_boundary(from_, field="--from"), parse_boundary(to, field="--to")
    try:
        if end is None:
            end = now.astimezone(settings.zone).date() + _ONE_DAY
        if start is None:
            start = end - _DEFAULT_LENGTH
    except OverflowError:
        raise InvalidInput("is too near the ends of the calendar", field="--to") from None
    return Period(start, end)


# ── the chart ───────────────────────────────────────────────────────────────────────────────────


def _drawing(
    file: Path, kind: ChartKind | None, every: Every | None
) -> Callable[[Desk, Period], None]:
    """What draws the chart; all that can be wrong before any work is done is found here."""
    if file.suffix.lower() not in _ENDINGS:
        raise InvalidInput("must end with .svg or .png", field="--chart")
    try:
        from abandoned_booking import charts
    except ImportError as error:
        raise MissingPart(str(error), part="plots") from None
    chosen = kind or (ChartKind.FUNNEL if every is None else ChartKind.TREND)

    def draw(desk: Desk, period: Period) -> None:
        match chosen:
            case ChartKind.FUNNEL:
                figure = charts.funnel_by_step(desk.performance(period, by="step"))
            case ChartKind.TREND:
                figure = charts.recovery_over_time(desk.trend(period, every=every or Every.WEEK))
            case ChartKind.HOURS:
                figure = charts.abandonment_heat_map(desk.hours_of_week(period))
            case _:
                assert_never(chosen)
        charts.save(figure, file)

    return draw


# ── what is told ────────────────────────────────────────────────────────────────────────────────


def _as_json(told: _Told, settings: BusinessSettings) -> dict[str, Any]:
    start_at, end_at = told.period.instants(settings.zone)
    performance, trend = told.performance, told.trend
    return {
        "from": instant(start_at),
        "to": instant(end_at),
        "timezone": settings.timezone,
        "total": figures_as_json(performance.total),
        "by": [by.value for by in performance.by],
        "rows": [
            {
                "group": dict(zip(map(str, performance.by), row.group, strict=True)),
                **figures_as_json(row.tally),
            }
            for row in performance.rows
        ]
        if performance.by
        else [],
        "every": None if trend is None else trend.every.value,
        "points": [
            {
                "on": point.bucket.on.isoformat(),
                "from": instant(point.bucket.start_at),
                "to": instant(point.bucket.end_at),
                **figures_as_json(point.tally),
            }
            for point in (trend.points if trend else ())
        ],
        "lift": lift_as_json(told.lift),
        "chart": None if told.chart is None else os.fspath(told.chart),
    }


def _in_words(told: _Told, settings: BusinessSettings) -> list[RenderableType]:
    start, end = (_boundary(end, settings) for end in (told.period.start, told.period.end))
    title = f"Abandoned from {start} until before {end}, {settings.timezone}"
    parts: list[RenderableType] = [title, figures_table(told.performance.total)]
    if told.performance.by:
        parts += ["", rows_table(told.performance)]
    if told.trend is not None:
        parts += ["", points_table(told.trend)]
    parts += lift_in_words(told.lift)
    if told.chart is not None:
        parts.append(f"chart: {told.chart}")
    return parts


def _boundary(boundary: date | datetime, settings: BusinessSettings) -> str:
    if isinstance(boundary, datetime):
        return local(boundary, settings.zone)
    return boundary.isoformat()
