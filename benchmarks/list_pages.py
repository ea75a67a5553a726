"""The staff's list at 10 thousand, 100 thousand and a million requests of one business (L4, L5).

Ours is the desk: ``desk.list`` with totals up to 100, ``desk.dot`` exact and capped. Raw is the
plain SQL for the same rows, fetched and decoded; the peer is the page in the middle by OFFSET.

Run: ``python -m benchmarks.list_pages``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

import abandoned_booking as ab
from abandoned_booking.core.listing import cursor_after
from abandoned_booking.desk import Desk
from abandoned_booking.testing import FakeClock
from benchmarks._crowd import NOW, request_number
from benchmarks._databases import databases
from benchmarks._fill import Filled, filled, sizes_of, stores_there
from benchmarks._harness import ROUNDS, Bench, Medians, milliseconds
from benchmarks._raw import Raw, raw_of

CAP: Final = 100
COUNTED: Final = ab.ListQuery(count_up_to=CAP)
EXACT: Final = ab.ListQuery()


FIRST: Final = "first page"
BEHIND: Final = "a page by cursor"
RAW: Final = (f"raw, {FIRST}", f"raw, {BEHIND}")
OURS: Final = (f"desk.list, {FIRST}", f"desk.list, {BEHIND}")
OFFSET: Final = "raw, that page by OFFSET"


@attrs.frozen
class Place:
    """One size of one store: the desk over it, and its rows by plain SQL."""

    filled: Filled
    desk: Desk
    raw: Raw

    @classmethod
    def opened(cls, filled: Filled) -> Place:
        desk = ab.AbandonedBookings(filled.store, clock=FakeClock(NOW)).desk("paws")
        return cls(filled, desk, raw_of(filled))

    def pages(self) -> dict[str, Callable[[], object]]:
        # Half way down: the numbers divisible by three are Abandoned.
        rows = self.filled.rows
        middle = request_number(rows // 2 // 3 * 3)
        behind = ab.ListQuery(count_up_to=CAP, cursor=cursor_after(middle, COUNTED))
        found = [request.id for request in self.desk.list(behind).requests]
        assert [request.id for request in self.raw.page(after=middle)][:50] == found
        return {
            RAW[0]: self.raw.page,
            OURS[0]: lambda: self.desk.list(COUNTED),
            RAW[1]: lambda: self.raw.page(after=middle),
            OURS[1]: lambda: self.desk.list(behind),
            OFFSET: lambda: self.raw.page_at(rows // 3),
            "desk.list, first page, exact total": lambda: self.desk.list(EXACT),
        }

    def counts(self, cap: int | None) -> dict[str, Callable[[], object]]:
        assert self.desk.dot(cap=cap) == self.raw.count(most=cap)
        return {
            "raw": lambda: self.raw.count(most=cap),
            "desk.dot": lambda: self.desk.dot(cap=cap),
        }


def main() -> None:
    bench = Bench("list")
    with databases() as databases_:
        for kind in stores_there(databases_, also_on_sqlite=True):
            places = [Place.opened(filled(databases_, kind, rows)) for rows in sizes_of(kind)]
            pages = _measured(bench, "a page of 50", kind, places, Place.pages)
            capped = _measured(bench, "the dot, capped", kind, places, lambda p: p.counts(CAP))
            exact = _measured(bench, "the dot, exact", kind, places, lambda p: p.counts(None))
            _judge_pages(bench, kind, pages)
            _judge_dot(bench, kind, capped, exact)
            for place in places:
                place.raw.close()


def _measured(
    bench: Bench,
    what: str,
    kind: str,
    places: list[Place],
    calls: Callable[[Place], dict[str, Callable[[], object]]],
) -> Medians:
    """All sizes in the same turns, so that growth is no matter of a busy moment."""
    takes = {
        (name, place.filled.rows): milliseconds(call)
        for place in places
        for name, call in calls(place).items()
    }
    return bench.in_turns(
        what, takes, unit="ms", where=kind, raw=[*RAW, "raw"], peers=[OFFSET], rounds=ROUNDS
    )


def _judge_pages(bench: Bench, kind: str, pages: Medians) -> None:
    small, *_, rows = sizes_of(kind)
    for what, ours, raw in zip((FIRST, "page by cursor"), OURS, RAW, strict=True):
        told = {
            "ours": f"{pages[ours, rows]:.2f} ms",
            "raw": f"{pages[raw, rows]:.2f} ms",
            "peer": f"by OFFSET {pages[OFFSET, rows]:.1f} ms" if ours == OURS[1] else "",
        }
        ratio = pages[ours, rows] / pages[raw, rows]
        bench.judge(what, where=kind, rows=rows, ratio=ratio, aim="at most 3 × raw", **told)
        _judge_growth(bench, what, kind, pages[ours, small], pages[ours, rows])


def _judge_dot(bench: Bench, kind: str, capped: Medians, exact: Medians) -> None:
    small, *_, rows = sizes_of(kind)
    ours, raw = capped["desk.dot", rows], capped["raw", rows]
    bench.judge(
        "the dot, capped",
        where=kind,
        rows=rows,
        ours=f"{ours:.3f} ms; exact {exact['desk.dot', rows]:.1f} ms",
        raw=f"{raw:.3f} ms; exact {exact['raw', rows]:.1f} ms",
        ratio=ours / raw,
        aim="at most 3 × raw",
    )
    _judge_growth(bench, "the dot, capped", kind, capped["desk.dot", small], ours)


def _judge_growth(bench: Bench, what: str, kind: str, small: float, large: float) -> None:
    bench.judge(
        f"{what}, growth",
        where=kind,
        rows=sizes_of(kind)[-1],
        ours=f"{small:.2f} ms at {sizes_of(kind)[0]:,}, {large:.2f} ms at {sizes_of(kind)[-1]:,}",
        ratio=large / small,
        aim="at most 1.5 × (flat)",
    )


if __name__ == "__main__":
    main()
