"""The options that say which requests: those of ``list`` and ``export`` (L2, L3)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Final, TypeVar

import typer

from abandoned_booking.cli._options import parse_boundary, words
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import ClientType, Status, Step
from abandoned_booking.errors import InvalidInput

__all__ = [
    "ClientTypes",
    "From",
    "Statuses",
    "Steps",
    "Text",
    "To",
    "filtered",
]

_ANY: Final = "any"
_E = TypeVar("_E", bound=Enum)

_REPEATED: Final = "This and the next two may be repeated, or hold several with commas between."

Statuses = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STATUS",
        help=f"abandoned (unless told), contacted, recovered, or any. {_REPEATED}",
    ),
]
Steps = Annotated[
    list[str] | None, typer.Option(metavar="STEP", help="The step they were left at.")
]
ClientTypes = Annotated[
    list[str] | None, typer.Option(metavar="TYPE", help="new_visitor or existing_client.")
]
Text = Annotated[
    str, typer.Option(help="Words that must all be found in name, pets, address or phone.")
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="DAY",
        help="Abandoned on or after this local day, or instant with its offset.",
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="DAY", help="Abandoned before this local day, or instant."),
]


def filtered(
    settings: BusinessSettings,
    *,
    status: Iterable[str] | None,
    step: Iterable[str] | None,
    client_type: Iterable[str] | None,
    text: str,
    from_: str | None,
    to: str | None,
) -> ListQuery:
    """The query that the options ask for. Raises :class:`InvalidInput`, naming the option."""
    return ListQuery(
        statuses=_statuses(status),
        steps=frozenset(_steps(step, settings)),
        client_types=frozenset(_members(ClientType, client_type, "--client-type")),
        text=text,
        abandoned_from=parse_boundary(from_, field="--from"),
        abandoned_to=parse_boundary(to, field="--to"),
    )


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
