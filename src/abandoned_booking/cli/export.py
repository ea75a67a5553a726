"""``abandoned-booking export``: the staff's list as a workbook (X1-X4)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from abandoned_booking.cli._filters import ClientTypes, From, Steps, Text, To, filtered
from abandoned_booking.cli._options import Business, ExistingStore, Json, Now, parse_now, words
from abandoned_booking.cli._output import emit_json, progress_bar, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired
from abandoned_booking.errors import InvalidInput

__all__ = ["export"]

_ENDING = ".xlsx"


def export(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.xlsx", help="The workbook. One that is there is replaced as a whole."
        ),
    ],
    store: ExistingStore,
    business: Business = None,
    now: Now = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help="abandoned, contacted, recovered, or any (unless told). This and the next two may "
            "be repeated, or hold several with commas between.",
        ),
    ] = None,
    step: Steps = None,
    client_type: ClientTypes = None,
    text: Text = "",
    from_: From = None,
    to: To = None,
    as_json: Json = False,
) -> None:
    """Write the list to a workbook, newest first: all of it, unless you filter.

    FILE is replaced as a whole when everything is written, or left as it was.
    """
    at = parse_now(now)
    if file.suffix.lower() != _ENDING:
        raise InvalidInput(f"must end with {_ENDING}", field="FILE")
    with existing_store(store) as found:
        if file.exists() and file.samefile(store):
            raise InvalidInput("is the store itself; name another file", field="FILE")
        settings = settings_in(found, business)
        query = filtered(
            settings,
            status=status if words(status) else ["any"],
            step=step,
            client_type=client_type,
            text=text,
            from_=from_,
            to=to,
        )
        desk = wired(found, now=at).desk(settings.business_id)
        with progress_bar("exporting") as on_progress:
            rows = desk.export(file, query=query, on_progress=on_progress)
    if as_json:
        emit_json({"rows": rows, "file": os.fspath(file)})
    else:
        show(f"{rows:,} requests in {file}")
