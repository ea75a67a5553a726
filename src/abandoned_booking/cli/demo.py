"""``abandoned-booking demo``: a salon's month, from the first click to what was won back."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import attrs
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from abandoned_booking.cli._options import Json
from abandoned_booking.cli._output import (
    SHORT_ID,
    emit_json,
    instant,
    local,
    one_line,
    requests_table,
    show,
)
from abandoned_booking.cli._salon import ENDS_AT, NAME
from abandoned_booking.cli._salon_month import Month
from abandoned_booking.core.listing import ListQuery, Page
from abandoned_booking.core.model import AbandonedRequest, MessagePhase, Reason, Status
from abandoned_booking.errors import NotOurDatabase, StoreError
from abandoned_booking.inbound import ReplyOutcome
from abandoned_booking.stores.sqlite import SqliteStore

__all__ = ["demo"]

_PROGRAM: Final = "abandoned-booking"
_SHOWN: Final = 10
_AFTER_THE_END: Final = timedelta(minutes=45)
"""when the sweep to try finds texts that have fallen due, and none that is too late"""
_BEGUN: Final = (
    MessagePhase.DELIVERED,
    MessagePhase.SENT,
    MessagePhase.UNDELIVERED,
    MessagePhase.UNCONFIRMED,
    MessagePhase.FAILED,
)


def demo(
    store: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The database file to leave behind. An earlier demo's is replaced, nothing else.",
        ),
    ] = Path("demo.db"),
    business: Annotated[str, typer.Option(metavar="ID", help="The salon's id.")] = "demo",
    seed: Annotated[int, typer.Option(help="Another number, another month.")] = 1,
    as_json: Json = False,
) -> None:
    """Simulate a salon's month and show what came of it. Nothing is sent to anybody."""
    _clear(store, business)
    with SqliteStore(store) as kept:
        month = Month(seed=seed, business_id=business, store=kept)
        month.run()
        month.simulation.put_back()
        told = _told(month, store)
    if as_json:
        emit_json(_as_json(told, month, store, seed))
    else:
        _show(told, month, store)


def _clear(path: Path, business_id: str) -> None:
    """Remove what an earlier demo left. Raises :class:`StoreError` for anything else."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    try:
        with SqliteStore(path) as found:
            known = found.businesses()
            settings = found.settings.get(business_id)
    except NotOurDatabase:
        raise _taken(path) from None
    is_demo = known == [business_id] and settings is not None and settings.name == NAME
    if known and not is_demo:
        raise _taken(path)
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)


def _taken(path: Path) -> StoreError:
    return StoreError(
        f"{path} is there and was not made by this demo; name another file with --store"
    )


# ── what came of it ─────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class _Told:
    """The month in figures."""

    requests: Sequence[AbandonedRequest]
    page: Page
    dot: int
    statuses: Mapping[Status, int]
    phases: Mapping[MessagePhase, int]
    not_sent: Mapping[Reason, Sequence[AbandonedRequest]]
    """those whose message did not go, by the first reason"""
    waiting: int
    recovered_by: Mapping[str, int]
    commands: Sequence[str]


def _told(month: Month, store: Path) -> _Told:
    requests = month.requests()
    not_sent: dict[Reason, list[AbandonedRequest]] = {}
    waiting = 0
    for request in requests:
        if request.message.phase in _BEGUN:
            continue
        answer = month.desk.explain(request.id)
        if answer.message_reasons:
            not_sent.setdefault(answer.message_reasons[0], []).append(request)
        else:
            waiting += 1
    page = month.desk.list(ListQuery(limit=_SHOWN))
    return _Told(
        requests=requests,
        page=page,
        dot=month.desk.dot(),
        statuses=Counter(request.status for request in requests),
        phases=Counter(request.message.phase for request in requests),
        not_sent={reason: not_sent[reason] for reason in Reason if reason in not_sent},
        waiting=waiting,
        recovered_by=dict(Counter(map(_credited, filter(_is_recovered, requests))).most_common()),
        commands=_commands(store, month.settings.business_id, page, not_sent),
    )


def _is_recovered(request: AbandonedRequest) -> bool:
    return request.status is Status.RECOVERED


def _credited(request: AbandonedRequest) -> str:
    """The last contact before the booking, in a word or two."""
    recovery = request.recovery
    before = [c for c in request.contacts if c.counts and recovery and c.at <= recovery.at]
    last = max(before, key=lambda contact: contact.at, default=None)
    return "staff alone" if last is None else last.channel.value.replace("_", " ")


def _program() -> str:
    """How this program can be called again: by its name, unless only its path was typed."""
    called = Path(sys.argv[0])
    if called.stem != _PROGRAM or shutil.which(_PROGRAM):
        return _PROGRAM
    return shlex.quote(os.fspath(called))


def _commands(
    store: Path,
    business_id: str,
    page: Page,
    not_sent: Mapping[Reason, Sequence[AbandonedRequest]],
) -> list[str]:
    where = f"--store {shlex.quote(os.fspath(store))} --business {shlex.quote(business_id)}"
    at, program = f"--now {instant(ENDS_AT)}", _program()
    told_why = [
        r for reason, found in not_sent.items() if reason is not Reason.COMPLETED for r in found
    ]
    commands = [
        f"{program} list {where} {at}",
        f"{program} list {where} {at} --status contacted,recovered --limit 5",
    ]
    named = [request for request in page.requests if request.form.pets]
    if named:
        pet = named[0].form.pets[0].name or ""
        commands.append(f"{program} list {where} {at} --text {shlex.quote(pet)} --status any")
    if told_why:
        commands.append(f"{program} explain {told_why[0].id[:SHORT_ID]} {where} {at}")
    later = f"--now {instant(ENDS_AT + _AFTER_THE_END)}"
    commands.append(f"{program} sweep {where} {later}")
    return commands


# ── in words ────────────────────────────────────────────────────────────────────────────────────


def _as_json(told: _Told, month: Month, store: Path, seed: int) -> dict[str, object]:
    return {
        "store": os.fspath(store),
        "business": month.settings.business_id,
        "now": instant(ENDS_AT),
        "seed": seed,
        "sessions": len(month.visits),
        "requests": len(told.requests),
        "total": told.page.total,
        "dot": told.dot,
        "statuses": {status.value: told.statuses[status] for status in Status},
        "messages": {phase.value: told.phases[phase] for phase in _BEGUN},
        "waiting": told.waiting,
        "not_sent": {reason.value: len(found) for reason, found in told.not_sent.items()},
        "replies": {outcome.value: month.replies[outcome] for outcome in ReplyOutcome},
        "recovered_by": dict(told.recovered_by),
        "next_commands": list(told.commands),
    }


def _show(told: _Told, month: Month, store: Path) -> None:
    zone, statuses = month.settings.zone, told.statuses
    show(
        _title(f"{NAME}, March 2026, {month.settings.timezone}"),
        f"{len(month.visits)} visits to the online booking. {statuses[Status.COMPLETED]} booked by "
        f"themselves; {len(told.requests) - statuses[Status.COMPLETED]} did not.",
        _title(f"The list at {local(ENDS_AT, zone)}: abandoned, newest first"),
        requests_table(told.page.requests, zone, month.desk.actions),
        f"{len(told.page.requests)} of {told.page.total} shown; red dot: {told.dot}",
        _title("Recovery messages, two hours after each was left"),
        _messages(told, month),
        _example(month),
        _title("Who got none, and why"),
        _reasons(told),
        _title("Won back"),
        _won(told),
        _title(f"{store} is yours to look into"),
        "\n".join(told.commands),
    )


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _messages(told: _Told, month: Month) -> str:
    counts = [f"{told.phases[phase]} {phase.value}" for phase in _BEGUN if told.phases[phase]]
    replies = {
        "replied": month.replies[ReplyOutcome.REPLY],
        "opted out": month.replies[ReplyOutcome.OPTED_OUT],
    }
    answers = [f"{number} {what}" for what, number in replies.items() if number]
    parts = [", ".join(counts), f"{told.waiting} not due yet", ", ".join(answers)]
    return "; ".join(part for part in parts if part)


def _example(month: Month) -> str:
    texts = [text for text in month.simulation.gateway.sent if text.marketing]
    return f"for example to {texts[0].to}: {one_line(texts[0].body)}" if texts else ""


def _reasons(told: _Told) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("reason")
    table.add_column("requests", justify="right")
    table.add_column("for example")
    for reason, found in told.not_sent.items():
        example = f"{found[0].client_name}, {found[0].id[:SHORT_ID]}"
        table.add_row(reason.value.replace("_", " "), str(len(found)), Text(example))
    return table


def _won(told: _Told) -> str:
    by = ", ".join(f"{how} {number}" for how, number in told.recovered_by.items())
    open_ = told.statuses[Status.CONTACTED]
    return (
        f"{told.statuses[Status.RECOVERED]} recovered, by {by}; {open_} contacted and still open; "
        f"{told.statuses[Status.ABANDONED]} abandoned"
    )
