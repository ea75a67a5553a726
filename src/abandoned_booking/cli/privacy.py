"""``abandoned-booking forget`` and ``purge``: people and old requests are erased for good (G3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

import attrs
import typer

from abandoned_booking.cli._options import (
    Business,
    ExistingStore,
    Json,
    Now,
    Secret,
    Yes,
    parse_now,
    parse_retention,
)
from abandoned_booking.cli._output import emit_json, progress_bar, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.privacy import is_expired
from abandoned_booking.errors import InvalidInput
from abandoned_booking.privacy import PurgeReport
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.wiring import SystemClock

__all__ = ["forget", "purge"]

_TRACES: Final = "the file may still hold copies of what was overwritten; run it once more later"


def forget(
    store: ExistingStore,
    phone: Annotated[
        str | None, typer.Option(metavar="PHONE", help="As it is dialled, or with +1….")
    ] = None,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS")] = None,
    client_id: Annotated[str | None, typer.Option(metavar="ID", help="Your client's id.")] = None,
    yes: Yes = False,
    business: Business = None,
    now: Now = None,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Erase a person for good, and never text or mail them again. Give all that you know of them.

    Requests with that phone, that e-mail or that client id lose everything personal.
    """
    at = parse_now(now)
    with existing_store(store) as found:
        business_id = settings_in(found, business).business_id
        bookings = wired(found, now=at, secret=secret)
        kept = bookings.data_of(business_id, phone=phone, email=email, client_id=client_id)
        if not yes:
            # A request that was erased before has nothing to lose any more.
            number = sum(request.get("erased_at") is None for request in kept)
            raise InvalidInput(
                f"is needed: this would erase {number:,} requests for good, and opt the person out",
                field="--yes",
            )
        with progress_bar("erasing"):
            report = bookings.forget(business_id, phone=phone, email=email, client_id=client_id)
    if as_json:
        emit_json(attrs.asdict(report))
    else:
        show(f"erased: {report.requests:,} requests; the person is opted out")
        if report.traces_left:
            show(_TRACES)


def purge(
    store: ExistingStore,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="365d, 24months or 3y since they were last touched; the business's keep_for "
            "unless told.",
        ),
    ] = None,
    yes: Yes = False,
    business: Business = None,
    now: Now = None,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Erase for good what was kept for long enough: everything personal in old requests."""
    at = parse_now(now)
    age = None if older_than is None else parse_retention(older_than, field="--older-than")
    with existing_store(store) as found:
        settings = settings_in(found, business)
        age = age or settings.keep_for
        if age is None:
            raise InvalidInput(
                "is needed, such as 24months: the business keeps everything; or let it decide "
                "with abandoned-booking settings set keep_for=24months",
                field="--older-than",
            )
        if not yes:
            number = _expired(found, attrs.evolve(settings, keep_for=age), at)
            raise InvalidInput(
                f"is needed: this would erase {number:,} requests for good", field="--yes"
            )
        with progress_bar("erasing") as told:
            report = wired(found, now=at, secret=secret).purge_older_than(
                settings.business_id, age, on_progress=_in_numbers(told)
            )
    if as_json:
        emit_json(attrs.asdict(report))
    else:
        show(f"erased: {report.erased:,} requests; looked at {report.examined:,}")
        if report.traces_left:
            show(_TRACES)


def _expired(store: SqliteStore, settings: BusinessSettings, at: datetime | None) -> int:
    """How many requests a purge would erase."""
    now = at or SystemClock().now()
    return sum(is_expired(request, settings, now) for request in store.stream(settings.business_id))


def _in_numbers(
    told: Callable[[int, int | None], None] | None,
) -> Callable[[PurgeReport], object] | None:
    return None if told is None else lambda report: told(report.examined, None)
