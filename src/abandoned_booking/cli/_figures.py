"""The figures of a report as tables and as JSON: rates with their interval, medians in words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from abandoned_booking.core.cleaning import clean_value
from abandoned_booking.core.holdout import Arm, Lift
from abandoned_booking.core.intervals import Interval, Rate
from abandoned_booking.core.performance import Performance, Tally
from abandoned_booking.core.trends import Trend

__all__ = [
    "figures_as_json",
    "figures_table",
    "lift_as_json",
    "lift_in_words",
    "points_table",
    "rows_table",
]

_NONE: Final = "–"
_COUNTS: Final = (
    *("abandoned", "contacted", "recovered", "reversed", "net_recovered"),
    *("sent", "delivered", "replied", "opted_out", "credits"),
)


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────


def figures_as_json(tally: Tally) -> dict[str, Any]:
    """Every figure of P1; rates as low, value, high; medians in seconds."""
    return {
        **{name: getattr(tally, name) for name in _COUNTS},
        "contact_rate": _rate(tally.contact_rate),
        "recovery_rate": _rate(tally.recovery_rate),
        "net_recovery_rate": _rate(tally.net_recovery_rate),
        "median_seconds_to_contact": _seconds(tally.time_to_contact.median),
        "median_seconds_to_recovery": _seconds(tally.time_to_recovery.median),
    }


def lift_as_json(lift: Lift) -> dict[str, Any]:
    """Messaged against held out; the difference of their booking rates with its interval."""
    return {
        "booked_within_seconds": _seconds(lift.booked_within),
        "messaged": _arm(lift.messaged),
        "held_out": _arm(lift.held_out),
        "difference": _with_interval(lift.difference, lift.interval()),
        "extra_bookings": lift.extra_bookings,
    }


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "requests": arm.requests,
        "booked": arm.booked,
        "contacted_by_staff": arm.contacted_by_staff,
        "waiting": arm.waiting,
        "booking_rate": _rate(arm.booking_rate),
    }


def _rate(rate: Rate) -> dict[str, float] | None:
    return _with_interval(rate.value, rate.interval())


def _with_interval(value: float | None, interval: Interval | None) -> dict[str, float] | None:
    """``None`` out of nothing."""
    if value is None or interval is None:
        return None
    return {"low": interval.low, "value": value, "high": interval.high}


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


# ── tables ──────────────────────────────────────────────────────────────────────────────────────


def figures_table(tally: Tally) -> Table:
    """One figure a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    shares = {
        "contacted": tally.contact_rate,
        "recovered": tally.recovery_rate,
        "net_recovered": tally.net_recovery_rate,
    }
    for name in _COUNTS:
        share = _in_percent(shares[name]) if name in shares else ""
        table.add_row(_NAMES.get(name, name), f"{getattr(tally, name):,}", share)
    table.add_row("median time to contact", _length(tally.time_to_contact.median))
    table.add_row("median time to booking", _length(tally.time_to_recovery.median))
    return table


_NAMES: Final = {
    "net_recovered": "recovered net of reversed",
    "sent": "messages sent",
    "opted_out": "opted out",
}


def rows_table(performance: Performance) -> Table:
    """A line for each group."""
    table = _table([by.value.replace("_", " ") for by in performance.by])
    for row in performance.rows:
        names = [_NONE if value is None else value.replace("_", " ") for value in row.group]
        _add(table, [Text(clean_value(name)) for name in names], row.tally)
    return table


def points_table(trend: Trend) -> Table:
    """A line for each day, week or month."""
    table = _table([{"week": "week from"}.get(trend.every.value, trend.every.value)])
    for point in trend.points:
        _add(table, [Text(point.bucket.on.isoformat())], point.tally)
    return table


def _table(groups: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in groups:
        table.add_column(name, overflow="fold", min_width=8)
    for name in _columns():
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _add(table: Table, names: Sequence[Text], tally: Tally) -> None:
    table.add_row(*names, *(write(tally) for write in _columns().values()))


def _columns() -> Mapping[str, Callable[[Tally], str]]:
    """All of them where there is room; the total has the rest."""
    is_wide = Console(file=sys.stdout).width >= _WIDE
    return {name: _COLUMNS[name] for name in _COLUMNS if is_wide or name not in _ONLY_WIDE}


_WIDE: Final = 100
_COLUMNS: Final[Mapping[str, Callable[[Tally], str]]] = {
    "aban-\ndoned": lambda tally: f"{tally.abandoned:,}",
    "con-\ntacted": lambda tally: f"{tally.contacted:,}",
    "reco-\nvered": lambda tally: f"{tally.recovered:,}",
    "re-\nversed": lambda tally: f"{tally.reversed:,}",
    "recovery\nrate (95 %)": lambda tally: _in_percent(tally.recovery_rate),
    "to\ncontact": lambda tally: _length(tally.time_to_contact.median),
    "to\nbooking": lambda tally: _length(tally.time_to_recovery.median),
    "mes-\nsages": lambda tally: f"{tally.sent:,}",
    "cre-\ndits": lambda tally: f"{tally.credits:,}",
}
_ONLY_WIDE: Final = ("re-\nversed", "to\ncontact")


def lift_in_words(lift: Lift) -> list[str]:
    """Nothing, if nobody was held out."""
    held_out, messaged = lift.held_out, lift.messaged
    if not held_out.requests + held_out.waiting:
        return []
    told = (
        f"booked within {lift.booked_within.days} days: {_in_percent(messaged.booking_rate)} of "
        f"{messaged.requests:,} messaged, {_in_percent(held_out.booking_rate)} of "
        f"{held_out.requests:,} held out; {messaged.waiting + held_out.waiting:,} have time left"
    )
    lines = [told]
    interval = lift.interval()
    if lift.difference is not None and interval is not None:
        lines.append(
            f"lift: {lift.difference:+.0%} ({interval.low:+.0%} to {interval.high:+.0%}), "
            f"{lift.extra_bookings:+.1f} bookings"
        )
    return lines


def _in_percent(rate: Rate) -> str:
    """For example ``18% (12–26)``."""
    interval = rate.interval()
    if rate.value is None or interval is None:
        return _NONE
    return f"{rate.value:.0%} ({interval.low * 100:.0f}–{interval.high * 100:.0f})"


def _length(length: timedelta | None) -> str:
    """Two units: ``35m``, ``2h 05m``, ``3d 4h``."""
    if length is None:
        return _NONE
    minutes = round(length.total_seconds() / 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days}d {hours_left}h"
    return f"{hours}h {minutes_left:02}m" if hours else f"{minutes}m"
