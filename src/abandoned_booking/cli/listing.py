"""``abandoned-booking list``: the staff's list (L1-L5)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Final, TypeVar

import typer

from abandoned_booking.cli._options import (
    Business,
    ExistingStore,
    Json,
    Now,
    parse_boundary,
    parse_now,
    words,
)
from abandoned_booking.cli._output import emit_json, request_as_json, requests_table, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery, Page, Sort
from abandoned_booking.core.model import ClientType, Status, Step
from abandoned_booking.desk import Desk
from abandoned_booking.errors import InvalidInput

__all__ = ["list_requests"]

_ANY: Final = "any"
_E = TypeVar("_E", bound=Enum)


def list_requests(
    store: ExistingStore,
    business: Business = None,
    now: Now = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help="abandoned (unless told), contacted, recovered, or any. This and the next two may "
            "be repeated, or hold several with commas between.",
        ),
    ] = None,
    step: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="The step they were left at.")
    ] = None,
    client_type: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="new_visitor or existing_client."),
    ] = None,
    text: Annotated[
        str, typer.Option(help="Words that must all be found in name, pets, address or phone.")
    ] = "",
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DAY",
            help="Abandoned on or after this local day, or instant with its offset.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Abandoned before this local day, or instant."),
    ] = None,
    sort: Annotated[
        Sort, typer.Option(help="Which come first.", case_sensitive=False)
    ] = Sort.NEWEST,
    limit: Annotated[int, typer.Option(help="How many on a page, up to 1000.")] = 50,
    cursor: Annotated[
        str | None, typer.Option(help="The next_cursor of the page before, for the next page.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the staff see: requests that were left, and the red dot's number."""
    at = parse_now(now)
    with existing_store(store) as found:
        settings = settings_in(found, business)
        desk = wired(found, now=at).desk(settings.business_id)
        query = ListQuery(
            statuses=_statuses(status),
            steps=frozenset(_steps(step, settings)),
            client_types=frozenset(_members(ClientType, client_type, "--client-type")),
            text=text,
            abandoned_from=parse_boundary(from_, field="--from"),
            abandoned_to=parse_boundary(to, field="--to"),
            sort=sort,
            limit=limit,
            cursor=cursor,
        )
        page, dot = desk.list(query), desk.dot()
        if as_json:
            emit_json(_as_json(desk, page, dot))
        else:
            _show(desk, page, dot, settings)


def _statuses(given: Iterable[str] | None) -> frozenset[Status]:
    named = words(given)
    if not named:
        return ListQuery().statuses
    if _ANY in named:
        return frozenset()
    return frozenset(_members(Status, named, "--status", also=(_ANY,)))


def _steps(given: Iterable[str] | None, settings: BusinessSettings) -> list[Step]:
    named = [Step(word) for word in words(given)]
    if not set(named) <= set(settings.steps):
        raise InvalidInput(
            f"is none of this business; choose from {', '.join(settings.steps)}", field="--step"
        )
    return named


def _members(
    kind: type[_E], given: Iterable[str] | None, option: str, *, also: tuple[str, ...] = ()
) -> list[_E]:
    known = {str(member.value): member for member in kind}
    try:
        return [known[word] for word in words(given)]
    except KeyError:
        choice = ", ".join((*known, *also))
        raise InvalidInput(f"must be one of {choice}", field=option) from None


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
