"""A search of the staff's list, whatever the term, at every size (L3).

Ours is ``desk.list(ListQuery(text=...))`` with totals up to 100. The peer is LIKE on the folded
text, asked the same way; the raw limit is the first page without a search. The small business has
fifty requests in the same store: it must not pay for its neighbour's.

Run: ``python -m benchmarks.search``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

import abandoned_booking as ab
from abandoned_booking.core.listing import fold
from abandoned_booking.desk import Desk
from abandoned_booking.testing import FakeClock
from benchmarks._crowd import NOW, TERMS
from benchmarks._databases import databases
from benchmarks._fill import ON_POSTGRES, Filled, filled, sizes_of, stores_there
from benchmarks._harness import ROUNDS, Bench, Medians, Take, milliseconds
from benchmarks._raw import Raw, raw_of

CAP: Final = 100
RAW: Final = "raw, first page without a search"
BY_LIKE: Final = "LIKE, a rare word"
ABSENT_BY_LIKE: Final = "LIKE, an absent word"
LIMITS: Final = {True: "at most 15 ms", False: "at most 5 ms"}
"""on PostgreSQL, and on SQLite"""


@attrs.frozen
class Place:
    """One size of one store: both desks over it, and its rows by plain SQL."""

    filled: Filled
    paws: Desk
    nook: Desk
    raw: Raw

    @classmethod
    def opened(cls, filled: Filled) -> Place:
        bookings = ab.AbandonedBookings(filled.store, clock=FakeClock(NOW))
        return cls(filled, bookings.desk("paws"), bookings.desk("nook"), raw_of(filled))

    def searches(self) -> dict[str, Callable[[], object]]:
        searches: dict[str, Callable[[], object]] = {RAW: self.raw.page}
        for what, text in TERMS.items():
            query = ab.ListQuery(text=text, count_up_to=CAP)
            searches[what] = lambda query=query: self.paws.list(query)  # type: ignore[misc]
        common = ab.ListQuery(text=TERMS["common"], count_up_to=CAP)
        searches["common, by the small business"] = lambda: self.nook.list(common)
        return searches

    def by_like(self) -> dict[str, Take]:
        """Slow: once a round."""
        rare, absent = fold(TERMS["rare"]), fold(TERMS["absent"])
        assert len(self.raw.like(rare)) == self.paws.list(ab.ListQuery(text=rare)).total
        return {
            BY_LIKE: milliseconds(lambda: self.raw.like(rare), at_most=1),
            ABSENT_BY_LIKE: milliseconds(lambda: self.raw.like(absent), at_most=1),
        }


def main() -> None:
    bench = Bench("search")
    with databases() as places_:
        for kind in stores_there(places_, also_on_sqlite=True):
            places = [Place.opened(filled(places_, kind, rows)) for rows in sizes_of(kind)]
            takes: dict[tuple[str, int], Take] = {}
            for place in places:
                rows = place.filled.rows
                calls = place.searches()
                takes |= {
                    (what, rows): milliseconds(call, at_most=20) for what, call in calls.items()
                }
                takes |= {(what, rows): take for what, take in place.by_like().items()}
            medians = bench.in_turns(
                "a search, its first page",
                takes,
                unit="ms",
                where=kind,
                raw=[RAW],
                peers=[BY_LIKE, ABSENT_BY_LIKE],
                rounds=ROUNDS,
            )
            _judge(bench, kind, medians)
            for place in places:
                place.raw.close()


def _judge(bench: Bench, kind: str, medians: Medians) -> None:
    small, *_, rows = sizes_of(kind)
    like, absent = medians[BY_LIKE, rows], medians[ABSENT_BY_LIKE, rows]
    told = {
        "raw": f"first page {medians[RAW, rows]:.2f} ms",
        "peer": f"LIKE {like:.0f} ms, absent {absent:.0f} ms",
    }
    for what in (*TERMS, "common, by the small business"):
        bench.judge(
            f"search, {what}",
            where=kind,
            rows=rows,
            ours=f"{medians[what, rows]:.2f} ms; at {small:,} {medians[what, small]:.2f} ms",
            ratio=medians[what, rows],
            of="ms",
            aim=LIMITS[kind == ON_POSTGRES],
            **told,
        )


if __name__ == "__main__":
    main()
