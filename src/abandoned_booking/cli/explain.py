"""``abandoned-booking explain``: why listed or not, why messaged or not, and when (C10, R8)."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from abandoned_booking.cli._options import Business, ExistingStore, Json, Now, Secret, parse_now
from abandoned_booking.cli._output import emit_json, instant, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired
from abandoned_booking.core.explaining import Explanation
from abandoned_booking.errors import InvalidInput
from abandoned_booking.ports import RequestStore

__all__ = ["explain"]

_SHORTEST_BEGINNING: Final = 4


def explain(
    request_id: Annotated[
        str, typer.Argument(help="A request's id, or its beginning if no other begins like it.")
    ],
    store: ExistingStore,
    business: Business = None,
    now: Now = None,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Say why a request is listed or not, and why its person was or was not messaged, or when."""
    at = parse_now(now)
    with existing_store(store) as found:
        settings = settings_in(found, business)
        full_id = _full_id(found, settings.business_id, request_id)
        answer = wired(found, now=at, secret=secret).desk(settings.business_id).explain(full_id)
    if as_json:
        emit_json(_as_json(answer))
    else:
        show(answer.listing, answer.message)


def _full_id(store: RequestStore, business_id: str, beginning: str) -> str:
    """The id of the one request that is meant."""
    if store.get(business_id, beginning) is not None:
        return beginning
    meant = []
    if len(beginning) >= _SHORTEST_BEGINNING:
        meant = [r.id for r in store.stream(business_id) if r.id.startswith(beginning)]
    if len(meant) > 1:
        raise InvalidInput("several requests begin like that; give more of the id")
    if not meant:
        raise InvalidInput(
            f"there is no such request at business {business_id}; "
            "take the id from abandoned-booking list --status any"
        )
    return meant[0]


def _as_json(answer: Explanation) -> dict[str, object]:
    return {
        "listed": answer.listed,
        "listing_reasons": [reason.value for reason in answer.listing_reasons],
        "listing": answer.listing,
        "phase": answer.phase.value,
        "message_reasons": [reason.value for reason in answer.message_reasons],
        "send_at": instant(answer.send_at),
        "message": answer.message,
    }
