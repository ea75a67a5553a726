"""``abandoned-booking sweep``: send what is due, to the console (R3, R4)."""

from __future__ import annotations

import sys
from typing import Annotated

import attrs
import typer

from abandoned_booking.cli._options import ExistingStore, Json, Now, Secret, parse_now
from abandoned_booking.cli._output import emit_json, say, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired
from abandoned_booking.gateways.console import ConsoleSmsGateway
from abandoned_booking.sweep import SweepReport

__all__ = ["sweep"]


def sweep(
    store: ExistingStore,
    business: Annotated[
        str | None,
        typer.Option(
            "--business",
            metavar="ID",
            help="Checked if given; a sweep handles every business in the file.",
        ),
    ] = None,
    now: Now = None,
    limit: Annotated[int, typer.Option(min=1, help="How many requests at most.")] = 1000,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Send what is due now, once. Texts are printed instead of sent, and count as sent.

    Not for a live file: whoever's text was printed here gets none from your platform any more.
    """
    at = parse_now(now)
    with existing_store(store) as found:
        if business is not None:
            settings_in(found, business)
        gateway = ConsoleSmsGateway(sys.stderr if as_json else sys.stdout)
        report = wired(found, sms=gateway, secret=secret).sweep.run_once(now=at, limit=limit)
    if as_json:
        emit_json(_as_json(report))
    else:
        show(_in_words(report))
    if report.sent:
        say(f"note: {report.sent} printed, not sent; {store} has them as sent, for good")


def _as_json(report: SweepReport) -> dict[str, object]:
    skipped = {reason.value: number for reason, number in report.skipped.items()}
    return {**attrs.asdict(report, filter=attrs.filters.exclude("skipped")), "skipped": skipped}


def _in_words(report: SweepReport) -> str:
    if not report.claimed:
        return "nothing was due"
    counts = {
        field.name: getattr(report, field.name)
        for field in attrs.fields(SweepReport)
        if field.name != "skipped"
    }
    lines = ["; ".join(f"{name}: {number}" for name, number in counts.items() if number)]
    lines += [
        f"not sent, {reason.value.replace('_', ' ')}: {number}"
        for reason, number in report.skipped.items()
    ]
    return "\n".join(lines)
