"""What turns cost: a business with a hundred thousand due requests beside a thousand with one.

``claim_due_fairly`` goes by a picture of all that is due, which is made anew when it is used up or
is some seconds old; between two pictures a claim looks its requests up by their keys. Measured are
the picture alone, and all claims of the whole queue beside those of ``claim_due``, each without
anything recorded. Raw is the one statement that claims the earliest, by the driver.
``SqliteStore`` looks at all that is due for each claim.

Run: ``python -m benchmarks.scale_fair_claims``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final

import attrs

from abandoned_booking.core.model import AbandonedRequest
from benchmarks._crowd import NOW, due_request
from benchmarks._databases import databases, plain
from benchmarks._fill import ON_POSTGRES, SQLITE, Filled, filled
from benchmarks._harness import MANY, Bench, Take, pick, seconds

DUE: Final = pick(full=100_000, quick=10_000, tiny=300)
DUE_IN_A_FILE: Final = pick(full=10_000, quick=2_000, tiny=300)
AT_ONCE: Final = 64
"""what a sweep of eight threads claims"""
UNTIL: Final = NOW + timedelta(days=1)

_RAW: Final = f"""
WITH due AS (
    SELECT business_id, id FROM abandoned_booking_queue WHERE next_action_at <= %(now)s
    ORDER BY next_action_at LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED
)
UPDATE abandoned_booking_queue q SET next_action_at = %(until)s, version = q.version + 1
FROM due WHERE (q.business_id, q.id) = (due.business_id, due.id)
RETURNING q.business_id, q.id
"""
_DOCUMENTS: Final = """
SELECT document FROM abandoned_booking_documents d
JOIN unnest(%(businesses)s::text[], %(ids)s::text[]) AS k (business_id, id) USING (business_id, id)
"""


def crowded(number: int) -> AbandonedRequest:
    """Every hundredth is another business's, due when the crowd has been due for a while."""
    request = due_request(number)
    if number % 100:
        return request
    return attrs.evolve(request, business_id=f"b{number}", next_action_at=NOW)


def main() -> None:
    bench = Bench("fair claims")
    with databases() as places:
        for kind in (SQLITE, ON_POSTGRES):
            if kind == ON_POSTGRES and places.postgres is None:
                bench.leave_out(kind)
                continue
            due = DUE if kind == ON_POSTGRES else DUE_IN_A_FILE
            place = filled(places, kind, due, name="crowded", make=crowded)
            if kind == ON_POSTGRES:
                _picture(bench, place)
            _drain(bench, place)


def _picture(bench: Bench, place: Filled) -> None:
    queue = place.store._queue
    bench.in_turns(
        "a picture of all that is due: one in five seconds for each worker",
        {"picture": lambda: 1000 * seconds(lambda: queue._plan(NOW))},
        unit="ms",
        where=place.kind,
        rows=place.rows,
        rounds=MANY,
    )


def _drain(bench: Bench, place: Filled) -> None:
    reset, claim_raw = _by_the_driver(place)

    def rate(claim: Callable[[], object]) -> float:
        reset()
        return place.rows / seconds(lambda: _until_none(claim))

    asked: Any = {"now": NOW, "until": UNTIL, "limit": AT_ONCE}
    takes: dict[str, Take] = {
        "claim_due": lambda: rate(lambda: place.store.claim_due(**asked)),
        "claim_due_fairly": lambda: rate(lambda: place.store.claim_due_fairly(**asked)),
    }
    if claim_raw is not None:
        takes["raw"] = lambda: rate(claim_raw)
    told: dict[str, Any] = {"where": place.kind, "rows": place.rows}
    what = "every due request claimed, 64 at a time, and read"
    medians = bench.in_turns(what, takes, unit="/s", raw=["raw"], **told)
    raw = f"{medians['raw']:,.0f}/s, nothing decoded" if "raw" in medians else ""
    bench.judge(
        "turns, all that they ask included",
        ours=f"{medians['claim_due_fairly']:,.0f} requests/s",
        peer=f"claim_due {medians['claim_due']:,.0f}/s",
        raw=raw,
        ratio=medians["claim_due_fairly"] / medians["claim_due"],
        aim="at least 0.7 × claim_due" if claim_raw is not None else "at least 0.1 × claim_due",
        **told,
    )


def _by_the_driver(place: Filled) -> tuple[Callable[[], object], Callable[[], object] | None]:
    """How everything is made due again, and how the driver alone claims."""
    if place.kind == SQLITE:
        file = sqlite3.connect(place.place, isolation_level=None)
        at = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        return lambda: file.execute("UPDATE requests SET next_action_at = ?", (at,)), None
    server = import_module("psycopg").connect(plain(place.place), autocommit=True)

    def reset() -> None:
        server.execute("UPDATE abandoned_booking_queue SET next_action_at = %s", (NOW,))
        server.execute("VACUUM ANALYZE abandoned_booking_queue")

    return reset, lambda: _claimed_raw(server)


def _until_none(claim: Callable[[], object]) -> None:
    while claim():
        pass


def _claimed_raw(server: Any) -> list[Any]:
    keys: list[Any] = server.execute(_RAW, {"now": NOW, "until": UNTIL}).fetchall()
    if keys:
        businesses, ids = [list(column) for column in zip(*keys, strict=True)]
        server.execute(_DOCUMENTS, {"businesses": businesses, "ids": ids}).fetchall()
    return keys


if __name__ == "__main__":
    main()
