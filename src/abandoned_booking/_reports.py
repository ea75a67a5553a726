"""The desk's figures and its workbook: one pass over the stream, or a database that adds up itself.

Rules held here: P1-P3 (through :mod:`abandoned_booking.core.performance`), X1 (an export is of
*every* listed request, whatever filter is on; a filtered one only when asked).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

import attrs

from abandoned_booking._door import Parts
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.core.performance import GroupBy, Performance, tally
from abandoned_booking.core.periods import Period
from abandoned_booking.export import write_workbook
from abandoned_booking.ports import SupportsTally

__all__ = ["By", "export", "performance"]

By = GroupBy | str | Iterable[GroupBy | str]

_AT_ONCE: Final = 1_000


def performance(parts: Parts, settings: BusinessSettings, period: Period, by: By) -> Performance:
    """The figures of a period; the store's own, if it can add up."""
    business_id, now = settings.business_id, parts.now()
    if isinstance(parts.store, SupportsTally):
        return parts.store.tally(business_id, period, by=by, settings=settings, now=now)
    stream = parts.store.stream(business_id)
    return tally(stream, period, by=by, settings=settings, now=now)


def export(
    parts: Parts,
    settings: BusinessSettings,
    to: str | os.PathLike[str] | BinaryIO,
    query: ListQuery | None,
    on_progress: Callable[[int, int | None], None] | None,
) -> int:
    """Write the list, newest first, a thousand rows in memory at a time; returns how many."""
    asked = query or ListQuery(statuses=frozenset())
    asked = attrs.evolve(asked, limit=_AT_ONCE, cursor=None)
    now = parts.now()
    total = parts.store.count(settings.business_id, asked, now=now)

    def rows() -> Iterator[AbandonedRequest]:
        cursor: str | None = None
        while True:
            following = attrs.evolve(asked, cursor=cursor)
            page = parts.store.page(settings.business_id, following, now=now)
            yield from page.requests
            cursor = page.next_cursor
            if cursor is None:
                return

    return write_workbook(rows(), to, zone=settings.zone, total=total, on_progress=on_progress)
