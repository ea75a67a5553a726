"""What a tick of the sweep costs when nothing is due, which is most of them.

Ours is ``store.claim_due``; raw is one look into the index of due requests. The second half: while
an old snapshot is open on PostgreSQL (a dump, a long export), every request of the store is claimed
once. The index entries that the claims leave behind cannot go, and a plain look passes over all of
them.

Run: ``python -m benchmarks.sweep_tick``.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from benchmarks._crowd import DUE_AT, NOW
from benchmarks._databases import databases, plain
from benchmarks._fill import ON_POSTGRES, Filled, filled, sizes_of, stores_there
from benchmarks._harness import ROUNDS, Bench, Take, milliseconds, pick, seconds
from benchmarks._raw import Raw, raw_of

RAW: Final = "raw"
OURS: Final = "claim_due, nothing due"
TICKS: Final = pick(full=200, quick=200, tiny=2)


@attrs.frozen
class Place:
    """One size of one store."""

    filled: Filled
    raw: Raw

    def takes(self, now: datetime) -> dict[str, Take]:
        return {
            RAW: milliseconds(lambda: self.raw.is_any_due(now)),
            OURS: milliseconds(lambda: self.tick(now)),
        }

    def tick(self, now: datetime) -> None:
        claimed = self.filled.store.claim_due(now=now, until=now + timedelta(minutes=2), limit=100)
        assert not claimed


def main() -> None:
    bench = Bench("tick")
    with databases() as places_:
        for kind in stores_there(places_, also_on_sqlite=True):
            places = [_opened(filled(places_, kind, rows)) for rows in sizes_of(kind)]
            takes = {
                (name, place.filled.rows): take
                for place in places
                for name, take in place.takes(NOW).items()
            }
            medians = bench.in_turns(
                "an empty tick", takes, unit="ms", where=kind, raw=[RAW], rounds=ROUNDS
            )
            few, *_, many = sizes_of(kind)
            small, large = medians[OURS, few], medians[OURS, many]
            bench.judge(
                "an empty tick, growth",
                where=kind,
                rows=many,
                ours=f"{small:.3f} ms at {few:,}, {large:.3f} ms at {many:,}",
                raw=f"{medians[RAW, many]:.3f} ms",
                ratio=large / small,
                aim="at most 1.5 × (flat)",
            )
            if kind == ON_POSTGRES:
                _under_an_old_snapshot(bench, places[-1], large)
            for place in places:
                place.raw.close()


def _opened(filled: Filled) -> Place:
    return Place(filled, raw_of(filled))


def _under_an_old_snapshot(bench: Bench, place: Place, before: float) -> None:
    rows, old = place.filled.rows, _Snapshot(place.filled.place)
    try:
        _claim_all(place.filled.place)
        place.tick(NOW)  # the first one finds out
        medians = bench.in_turns(
            "an empty tick after every request was claimed, an old snapshot open",
            {RAW: milliseconds(lambda: place.raw.is_any_due(NOW)), OURS: lambda: _mean(place)},
            unit="ms",
            where=ON_POSTGRES,
            rows=rows,
            raw=[RAW],
            rounds=ROUNDS,
        )
    finally:
        old.close()
    _vacuum(place.filled.place)
    bench.judge(
        "an empty tick under an old snapshot",
        where=ON_POSTGRES,
        rows=rows,
        ours=f"{medians[OURS]:.2f} ms, mean of {TICKS} ticks, 5 ms apart",
        raw=f"{medians[RAW]:.1f} ms",
        ratio=medians[OURS] / before,
        aim="at most 3 × the tick before",
    )


def _mean(place: Place) -> float:
    """The mean of ticks in a row: now and then one of them begins at the beginning."""
    spent = 0.0
    for _ in range(TICKS):
        spent += seconds(lambda: place.tick(NOW))
        time.sleep(0.005)
    return spent / TICKS * 1000


class _Snapshot:
    """A transaction that has read once and stays open."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection: Any = psycopg.connect(plain(url))
        self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._connection.execute("SELECT count(*) FROM abandoned_booking_schema_version")

    def close(self) -> None:
        self._connection.close()


def _claim_all(url: str) -> None:
    """What a million claims leave behind: all were due, and are due much later now."""
    import psycopg

    with psycopg.connect(plain(url), autocommit=True) as connection:
        for at in (NOW - timedelta(days=1), DUE_AT + timedelta(days=1)):
            connection.execute(
                "UPDATE abandoned_booking_queue SET version = version + 1, next_action_at = "
                "%s::timestamptz + (next_action_at - %s::timestamptz) / 1000 "
                "WHERE next_action_at IS NOT NULL",
                (at, DUE_AT),
            )


def _vacuum(url: str) -> None:
    import psycopg

    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE abandoned_booking_queue")


if __name__ == "__main__":
    main()
