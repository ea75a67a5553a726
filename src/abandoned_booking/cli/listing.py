"""``abandoned-booking list``: the staff's list (L1-L5)."""

from __future__ import annotations

from typing import Annotated

import attrs
import typer

from abandoned_booking.cli._filters import (
    ClientTypes,
    From,
    Statuses,
    Steps,
    Text,
    To,
    filtered,
)
from abandoned_booking.cli._options import Business, ExistingStore, Json, Now, Secret, parse_now
from abandoned_booking.cli._output import emit_json, request_as_json, requests_table, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import Page, Sort
from abandoned_booking.desk import Desk

__all__ = ["list_requests"]


def list_requests(
    store: ExistingStore,
    business: Business = None,
    now: Now = None,
    status: Statuses = None,
    step: Steps = None,
    client_type: ClientTypes = None,
    text: Text = "",
    from_: From = None,
    to: To = None,
    sort: Annotated[
        Sort, typer.Option(help="Which come first.", case_sensitive=False)
    ] = Sort.NEWEST,
    limit: Annotated[int, typer.Option(help="How many on a page, up to 1000.")] = 50,
    cursor: Annotated[
        str | None, typer.Option(help="The next_cursor of the page before, for the next page.")
    ] = None,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Show what the staff see: requests that were left, and the red dot's number."""
    at = parse_now(now)
    with existing_store(store) as found:
        settings = settings_in(found, business)
        desk = wired(found, now=at, secret=secret).desk(settings.business_id)
        query = filtered(
            settings,
            status=status,
            step=step,
            client_type=client_type,
            text=text,
            from_=from_,
            to=to,
        )
        query = attrs.evolve(query, sort=sort, limit=limit, cursor=cursor)
        page, dot = desk.list(query), desk.dot()
        if as_json:
            emit_json(_as_json(desk, page, dot))
        else:
            _show(desk, page, dot, settings)


def _as_json(desk: Desk, page: Page, dot: int) -> dict[str, object]:
    return {
        "total": page.total,
        "dot": dot,
        "next_cursor": page.next_cursor,
        "requests": [request_as_json(each, desk.actions(each)) for each in page.requests],
    }


def _show(desk: Desk, page: Page, dot: int, settings: BusinessSettings) -> None:
    if page.requests:
        show(requests_table(page.requests, settings.zone, desk.actions))
    shown = f"{len(page.requests)} of {page.total:,} shown; " if page.next_cursor else ""
    found = "nothing found" if not page.total else f"{page.total:,} found"
    show(f"{found}; {shown}red dot: {dot:,}; times: {settings.timezone}")
    if page.next_cursor:
        show(f"next page: the same with --cursor {page.next_cursor}")
