"""Opening the database file that a command works on, and finding its business."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from abandoned_booking.cli._options import parse_secret
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.errors import InvalidInput, StoreError
from abandoned_booking.ports import SmsGateway
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import FakeClock
from abandoned_booking.testing.checkup import RESERVED_BUSINESS
from abandoned_booking.wiring import AbandonedBookings

__all__ = ["existing_store", "settings_in", "wired"]


@contextmanager
def existing_store(path: Path) -> Iterator[SqliteStore]:
    """The store of a file that must be there: asking a question creates none.

    Raises :class:`StoreError` if it is not, or is not one of ours.
    """
    # is_file() would say no to a folder that may not be entered.
    if not path.exists():
        raise StoreError(
            f"there is no file {path}; make one with abandoned-booking replay or demo, "
            "or name another with --store"
        )
    if path.is_file() and path.stat().st_size == 0:
        raise StoreError(f"{path} is empty; name another file with --store")
    with SqliteStore(path) as store:
        yield store


def settings_in(store: SqliteStore, business_id: str | None) -> BusinessSettings:
    """The settings of the named business, or of the file's only one.

    Raises :class:`InvalidInput`, which names the businesses that there are.
    """
    known = [found for found in store.businesses() if found != RESERVED_BUSINESS]
    if business_id is None and len(known) == 1:
        [business_id] = known
    settings = None if business_id is None else store.settings.get(business_id)
    if settings is not None:
        return settings
    if not known:
        raise InvalidInput(
            f"{store.path} holds no business yet; fill it with abandoned-booking replay"
        )
    names = ", ".join(known)
    if business_id is None:
        raise InvalidInput(
            f"{store.path} holds several businesses; choose one with --business: {names}"
        )
    raise InvalidInput(f"{store.path} holds no such business; choose one with --business: {names}")


def wired(
    store: SqliteStore,
    *,
    now: datetime | None = None,
    sms: SmsGateway | None = None,
    secret: str | None = None,
) -> AbandonedBookings:
    """The doors over a store, by the machine's clock or at a fixed instant.

    ``secret`` as it was typed; the library's own without one.
    """
    clock = None if now is None else FakeClock(now)
    key = parse_secret(secret)
    if key is None:
        return AbandonedBookings(store, sms=sms, clock=clock)
    return AbandonedBookings(store, sms=sms, clock=clock, secret=key)
