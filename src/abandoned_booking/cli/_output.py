"""What is printed: one JSON object, or text for people; all else goes to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from abandoned_booking.core.cleaning import clean_value
from abandoned_booking.core.listing import Action
from abandoned_booking.core.model import AbandonedRequest, Status

__all__ = [
    "emit_json",
    "instant",
    "local",
    "one_line",
    "progress_bar",
    "request_as_json",
    "requests_table",
    "say",
    "show",
]

SHORT_ID: Final = 8
"""how much of a request's id is shown; ``explain`` takes any unique beginning"""
_WIDE: Final = 150
"""from this many columns on each request fits one line"""
_NONE: Final = "–"
_COLOURS: Final = {Status.ABANDONED: "red", Status.CONTACTED: "yellow", Status.RECOVERED: "green"}


def emit_json(found: Mapping[str, Any]) -> None:
    """Print one JSON object; plain ASCII, so that every terminal and pipe takes it."""
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


def say(line: str) -> None:
    """One line on standard error."""
    sys.stderr.write(line + "\n")


def one_line(text: str) -> str:
    """``text`` without line breaks and other white space in a row."""
    return " ".join(text.split())


def show(*parts: RenderableType) -> None:
    """Print for people: text as it stands, tables as wide as the terminal."""
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int | None], None] | None]:
    """A bar on standard error if that is a terminal; else nothing to call.

    Until it is told how much there is, it only shows that the work goes on.
    """
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def instant(at: datetime | None) -> str | None:
    """An instant as JSON has it: ISO 8601, UTC, ending in Z."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local(at: datetime | None, zone: ZoneInfo) -> str:
    """An instant as people read it: in the business's zone."""
    return _NONE if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def request_as_json(request: AbandonedRequest, actions: Sequence[Action]) -> dict[str, Any]:
    """One row of the list (L1)."""
    return {
        "id": request.id,
        "session_id": request.session_id,
        "abandoned_at": instant(request.abandoned_at),
        "step": request.step,
        "client_name": request.client_name,
        "pets": [pet.name for pet in request.form.pets if pet.name],
        "phone": _phone(request),
        "care_type": request.form.care_type,
        "status": request.status.value,
        "last_contacted_at": instant(request.last_contacted_at),
        "actions": [action.value for action in actions],
    }


def _phone(request: AbandonedRequest) -> str | None:
    return request.phone.e164 if request.phone else request.form.person.phone


def requests_table(
    requests: Sequence[AbandonedRequest],
    zone: ZoneInfo,
    actions_of: Callable[[AbandonedRequest], Sequence[Action]],
) -> RenderableType:
    """The list as a table: one line for each request where there is room, else two or three."""
    is_wide = Console(file=sys.stdout).width >= _WIDE
    heads: Sequence[str] = _WIDE_HEADS if is_wide else _NARROW_HEADS
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in {"id", "phone", "status"})
    for request in requests:
        table.add_row(
            *(
                _wide_row(request, zone, actions_of(request))
                if is_wide
                else _narrow_row(request, zone)
            )
        )
    return table


_NARROW_HEADS: Final = ("id", "abandoned", "client", "phone", "left at", "status", "last contact")
_WIDE_HEADS: Final = (
    *("id", "abandoned", "client", "pets", "phone", "left at", "care type", "status"),
    *("last contact", "actions"),
)


def _narrow_row(request: AbandonedRequest, zone: ZoneInfo) -> list[Text]:
    return [
        Text(request.id[:SHORT_ID]),
        Text(local(request.abandoned_at, zone).replace(" ", "\n")),
        _two_lines(request.client_name, _pets(request)),
        Text(clean_value(_phone(request) or _NONE)),
        _two_lines(_words(request.step or _NONE), request.form.care_type or ""),
        _status(request),
        Text(local(request.last_contacted_at, zone).replace(" ", "\n")),
    ]


def _wide_row(request: AbandonedRequest, zone: ZoneInfo, actions: Sequence[Action]) -> list[Text]:
    return [
        Text(request.id[:SHORT_ID]),
        Text(local(request.abandoned_at, zone)),
        Text(clean_value(request.client_name) or _NONE),
        Text(clean_value(_pets(request)) or _NONE),
        Text(clean_value(_phone(request) or _NONE)),
        Text(_words(request.step or _NONE)),
        Text(clean_value(request.form.care_type or _NONE)),
        _status(request),
        Text(local(request.last_contacted_at, zone)),
        Text(", ".join(_words(action.value) for action in actions)),
    ]


def _two_lines(first: str, second: str) -> Text:
    text = Text(clean_value(first) or _NONE)
    return text.append("\n" + clean_value(second), style="dim") if second else text


def _pets(request: AbandonedRequest) -> str:
    return ", ".join(pet.name for pet in request.form.pets if pet.name)


def _status(request: AbandonedRequest) -> Text:
    return Text(request.status.value, style=_COLOURS.get(request.status, ""))


def _words(name: str) -> str:
    return clean_value(name.replace("_", " "))
