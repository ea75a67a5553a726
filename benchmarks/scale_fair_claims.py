"""What turns cost: a business with a hundred thousand due requests beside a thousand with one.

``claim_due_fairly`` goes by a picture of all that is due, which is made anew when it is used up or
is some seconds old; between two pictures a claim looks its requests up by their keys. Measured are
the picture alone, and all claims of the whole queue beside those of ``claim_due``, each without
anything recorded. Raw is the one statement that claims the earliest, by the driver.

Run: ``python -m benchmarks.scale_fair_claims``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any, Final

import attrs

from abandoned_booking.core.model import AbandonedRequest
from benchmarks._crowd import NOW, due_request
from benchmarks._databases import databases, plain
from benchmarks._fill import ON_POSTGRES, filled
from benchmarks._harness import MANY, Bench, pick, seconds

DUE: Final = pick(full=100_000, quick=10_000, tiny=300)
OTHERS: Final = DUE // 100
AT_ONCE: Final = 64
"""what a sweep of eight threads claims"""
UNTIL: Final = NOW + timedelta(days=1)
PICTURES_EACH: Final = timedelta(seconds=5)

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
        if places.postgres is None:
            bench.leave_out(ON_POSTGRES)
            return
        place = filled(places, ON_POSTGRES, DUE, name="crowded", make=crowded)
        raw = import_module("psycopg").connect(plain(place.place), autocommit=True)
        told: dict[str, Any] = {"where": ON_POSTGRES, "rows": DUE}
        queue = place.store._queue
        picture = bench.in_turns(
            "a picture of all that is due",
            {"picture": lambda: 1000 * seconds(lambda: queue._plan(NOW))},
            unit="ms",
            rounds=MANY,
            **told,
        )["picture"]
        share = picture / 1000 / PICTURES_EACH.total_seconds()
        bench.judge(
            "a worker's pictures, one in five seconds",
            ours=f"{picture:.0f} ms each",
            ratio=100 * share,
            of="% of a core of the database",
            aim="at most 5 % of a core",
            **told,
        )
        _drain(bench, place.store, raw, told)
        raw.close()


def _drain(bench: Bench, store: Any, raw: Any, told: dict[str, Any]) -> None:
    def rate(claim: Callable[[], object]) -> float:
        raw.execute("UPDATE abandoned_booking_queue SET next_action_at = %s", (NOW,))
        raw.execute("VACUUM ANALYZE abandoned_booking_queue")
        return DUE / seconds(lambda: _until_none(claim))

    asked: Any = {"now": NOW, "until": UNTIL, "limit": AT_ONCE}
    medians = bench.in_turns(
        "every due request claimed, 64 at a time, and read",
        {
            "raw": lambda: rate(lambda: _claimed_raw(raw)),
            "claim_due": lambda: rate(lambda: store.claim_due(**asked)),
            "claim_due_fairly": lambda: rate(lambda: store.claim_due_fairly(**asked)),
        },
        unit="/s",
        raw=["raw"],
        **told,
    )
    bench.judge(
        "turns, all their pictures included",
        ours=f"{medians['claim_due_fairly']:,.0f} requests/s",
        peer=f"claim_due {medians['claim_due']:,.0f}/s",
        raw=f"{medians['raw']:,.0f}/s, nothing decoded",
        ratio=medians["claim_due_fairly"] / medians["claim_due"],
        aim="at least 0.7 × claim_due",
        **told,
    )


def _until_none(claim: Callable[[], object]) -> None:
    while claim():
        pass


def _claimed_raw(raw: Any) -> list[Any]:
    keys: list[Any] = raw.execute(_RAW, {"now": NOW, "until": UNTIL}).fetchall()
    if keys:
        businesses, ids = [list(column) for column in zip(*keys, strict=True)]
        raw.execute(_DOCUMENTS, {"businesses": businesses, "ids": ids}).fetchall()
    return keys


if __name__ == "__main__":
    main()
