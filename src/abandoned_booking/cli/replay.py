"""``abandoned-booking replay``: a log of visitors through the whole feature: the backtest."""

from __future__ import annotations

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer
from rich.table import Table

from abandoned_booking import backtest
from abandoned_booking.backtest import Log, LogFormat, ReplayReport, with_synthetic_people
from abandoned_booking.cli._options import Json, parse_campaign, parse_instant, parse_pairs
from abandoned_booking.cli._output import emit_json, progress_bar, say, show
from abandoned_booking.core.campaign import BusinessSettings, RecoveryCampaign
from abandoned_booking.errors import InvalidInput
from abandoned_booking.stores.sqlite import SqliteStore

__all__ = ["replay"]


class People(StrEnum):
    """Who the clients of a log are."""

    LOGGED = "logged"
    SYNTHETIC = "synthetic"


def replay(
    file: Annotated[Path, typer.Argument(help="A CSV log, UTF-8, with column names first.")],
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="The business's zone, IANA name. UTC unless told."),
    ] = None,
    columns: Annotated[
        str,
        typer.Option(
            metavar="session=…,step=…,at=…",
            help="In which column each thing stands, where it is not named like this: session, "
            "step, at; and if there are any client, first_name, last_name, phone, email, pet, "
            "care_type.",
        ),
    ] = "",
    steps: Annotated[
        str,
        typer.Option(
            metavar="word=step,…,word=booked",
            help="What each word of the step column means. Steps that are not standard ones make "
            "this the business's list of steps, in this order.",
        ),
    ] = "",
    campaign: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="after=2h (or 90m), daily=09:00, weekdays=09:00, weekends=10:00 or off. "
            "Off unless told.",
        ),
    ] = None,
    people: Annotated[
        People,
        typer.Option(help="synthetic: every client gets a made-up name and a fictional US number."),
    ] = People.LOGGED,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="ISO",
            help="The end of the simulation, with its offset: messages due by then are sent. "
            "The last event unless told.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave lines out that cannot be used.")
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The database file that holds the result; made if it is not there. "
            "In memory unless told.",
        ),
    ] = None,
    business: Annotated[
        str, typer.Option(metavar="ID", help="The business that the log is of.")
    ] = "replay",
    as_json: Json = False,
) -> None:
    """Feed a log of visitors through the feature: what would this campaign have done?

    Nothing is sent. The same log again into the same store changes nothing. A business that the
    store has already keeps its settings: options that differ from them are refused.
    """
    form = _format_of(columns, steps, people)
    ends_at = None if until is None else parse_instant(until, field="--until")
    asked = _settings_of(business, timezone, campaign, form)
    with ExitStack() as closing:
        kept = None
        if store is not None and _is_there(store):
            kept = closing.enter_context(SqliteStore(store))
            asked = _agreed(asked, kept, timezone, campaign, form)
        log = _read(file, form, asked, skip_bad)
        events = with_synthetic_people(log.events) if people is People.SYNTHETIC else log.events
        if store is not None and kept is None:
            kept = closing.enter_context(SqliteStore(store))
        with progress_bar("replaying") as on_progress:
            report = backtest.replay(
                events, asked, store=kept, until=ends_at, on_progress=on_progress
            )
    if as_json:
        emit_json(_as_json(report))
    else:
        show(_table(report), *_hints(report, asked))


def _is_there(store: Path) -> bool:
    """Whether the file holds something already; an empty one is as good as none."""
    return store.exists() and not (store.is_file() and store.stat().st_size == 0)


def _format_of(columns: str, steps: str, people: People) -> LogFormat:
    named = dict(parse_pairs(columns, field="--columns")) if columns else {}
    personal = {"first_name", "last_name", "phone", "email"} & set(named)
    if people is People.SYNTHETIC and personal:
        raise InvalidInput(
            f"synthetic makes people up; leave {', '.join(sorted(personal))} out of --columns",
            field="--people",
        )
    meaning = dict(parse_pairs(steps, field="--steps")) if steps else None
    return LogFormat(columns=named, steps=meaning)


def _settings_of(
    business: str, timezone: str | None, campaign: str | None, form: LogFormat
) -> BusinessSettings:
    return BusinessSettings(
        business_id=business,
        name=business,
        timezone=timezone or "UTC",
        steps=form.registry,
        campaign=RecoveryCampaign() if campaign is None else parse_campaign(campaign),
    )


def _agreed(
    asked: BusinessSettings,
    store: SqliteStore,
    timezone: str | None,
    campaign: str | None,
    form: LogFormat,
) -> BusinessSettings:
    """The settings that the store has, if they are what was asked for; else those asked for."""
    kept = store.settings.get(asked.business_id)
    if kept is None:
        return asked
    differs = {
        "--timezone": timezone is not None and timezone != kept.timezone,
        "--campaign": campaign is not None and not _same(asked.campaign, kept.campaign),
        "--steps": not set(form.mapped_steps) <= set(kept.steps),
    }
    for option, is_other in differs.items():
        if is_other:
            raise InvalidInput(
                f"is not what {store.path} has for business {kept.business_id}; leave it out, "
                "or replay into another --store or --business",
                field=option,
            )
    return kept


def _same(asked: RecoveryCampaign, kept: RecoveryCampaign) -> bool:
    if not asked.enabled:
        return not kept.enabled
    return kept.enabled and asked.timing == kept.timing


def _read(file: Path, form: LogFormat, settings: BusinessSettings, skip_bad: bool) -> Log:
    log = backtest.read_log(file, form, settings)
    for bad in log.bad_lines:
        say(f"{file}: {bad}")
    if log.bad_lines and not skip_bad:
        raise InvalidInput(
            f"{len(log.bad_lines):,} lines of {file} cannot be used, nothing was written; "
            "mend them, or leave them out with --skip-bad"
        )
    return log


def _as_json(report: ReplayReport) -> dict[str, Any]:
    counts = {
        field.name: getattr(report, field.name)
        for field in attrs.fields(ReplayReport)
        if field.name not in {"by_step", "not_sent"}
    }
    return {**counts, "by_step": dict(report.by_step)}


def _table(report: ReplayReport) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for name, number in _as_json(report).items():
        if name != "by_step":
            table.add_row(name.replace("_", " "), f"{number:,}")
    for step, number in report.by_step.items():
        table.add_row(f"still open, left at {step.replace('_', ' ')}", f"{number:,}")
    for reason, number in report.not_sent.items():
        table.add_row(f"not messaged, {reason.value.replace('_', ' ')}", f"{number:,}")
    return table


def _hints(report: ReplayReport, settings: BusinessSettings) -> list[str]:
    if not settings.campaign.enabled:
        return ["the campaign is off; try --campaign after=2h"]
    if report.requests and not report.messages_sent + report.contacted + report.recovered:
        return ["nobody was messaged; a log without phone numbers needs --people synthetic"]
    return []
