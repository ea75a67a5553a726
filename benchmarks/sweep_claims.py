"""Claiming and recording, which is what the sweep asks of a store for every message.

Ours is ``claim_due`` of a hundred, and their outcomes by ``save_many``, or by ``save`` one after
the other: a commit for each. Raw does the same statements on the same tables through the driver,
with the documents changed as texts; *and the codec* decodes, changes and encodes them as a store
must, which is the part that no database can take over.

Then one, two and four worker processes on one queue, each recording in batches; every request must
have been handed out once.

Run: ``python -m benchmarks.sweep_claims``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from abandoned_booking.core.model import AbandonedRequest
from benchmarks._crowd import NOW, due_request
from benchmarks._databases import Databases, databases
from benchmarks._fill import (
    ON_SQLITE,
    Filled,
    fill,
    filled,
    open_store,
    place_of,
    sizes_of,
    stores_there,
)
from benchmarks._harness import ROUNDS, Bench, Medians, Take, is_tiny, pick, program
from benchmarks._raw_claims import ALL_DUE, BATCH, RawClaims, raw_claims, recorded

IN_BATCHES: Final = pick(full=1_500, quick=1_000, tiny=100)
ONE_BY_ONE: Final = pick(full=300, quick=200, tiny=5)
QUEUED: Final = pick(full=12_000, quick=4_000, tiny=20)
"""for the workers"""

RAW, RAW_EACH = "raw, batches of 100", "raw, a commit each"
RAW_CODEC, RAW_EACH_CODEC = "raw and the codec, batches of 100", "raw and the codec, a commit each"
OURS, OURS_EACH = "claim_due and save_many", "claim_due and save, a commit each"


def main() -> None:
    bench = Bench("claims")
    with databases() as places:
        for kind in stores_there(places, also_on_sqlite=True):
            medians: dict[Any, float] = {}
            for rows in sizes_of(kind):
                taken = _one_size(bench, filled(places, kind, rows))
                medians |= {(name, rows): rate for name, rate in taken.items()}
            if kind != ON_SQLITE:
                _judge(bench, kind, medians)
                _workers(bench, places, kind)


def _one_size(bench: Bench, place: Filled) -> Medians:
    takes: dict[str, Take] = {}
    raw = None if place.kind == ON_SQLITE else raw_claims(place)
    if raw is not None:
        takes |= {
            RAW: _rate(IN_BATCHES, lambda: _raw_batches(raw, codec=False)),
            RAW_CODEC: _rate(IN_BATCHES, lambda: _raw_batches(raw, codec=True)),
        }
    takes[OURS] = _rate(IN_BATCHES, lambda: _batches(place.store))
    if raw is not None:
        takes |= {
            RAW_EACH: _rate(ONE_BY_ONE, lambda: _raw_each(raw, codec=False)),
            RAW_EACH_CODEC: _rate(ONE_BY_ONE, lambda: _raw_each(raw, codec=True)),
        }
    takes[OURS_EACH] = _rate(ONE_BY_ONE, lambda: _each(place.store))
    medians = bench.in_turns(
        "claim and record, one worker",
        takes,
        unit="/s",
        where=place.kind,
        rows=place.rows,
        raw=[RAW, RAW_CODEC, RAW_EACH, RAW_EACH_CODEC],
        rounds=ROUNDS,
    )
    if raw is not None:
        raw.close()
    return medians


def _rate(requests: int, work: Callable[[], object]) -> Take:
    """Requests a second."""

    def take() -> float:
        began = time.perf_counter()
        work()
        return requests / (time.perf_counter() - began)

    return take


def _claimed(store: Any, limit: int) -> Sequence[AbandonedRequest]:
    claimed: Sequence[AbandonedRequest] = store.claim_due(
        now=ALL_DUE, until=ALL_DUE - timedelta(hours=1), limit=limit
    )
    return claimed


def _batches(store: Any) -> None:
    left = IN_BATCHES
    while left > 0:
        claimed = _claimed(store, min(BATCH, left))
        assert all(store.save_many([(recorded(one), one.version) for one in claimed]))
        left -= len(claimed)


def _each(store: Any) -> None:
    left = ONE_BY_ONE
    while left > 0:
        claimed = _claimed(store, min(BATCH, left))
        for one in claimed:
            assert store.save(recorded(one), expected_version=one.version)
        left -= len(claimed)


def _raw_batches(raw: RawClaims, *, codec: bool) -> None:
    left = IN_BATCHES
    while left > 0:
        rows = raw.claim(min(BATCH, left))
        raw.record(raw.through_the_codec(rows) if codec else rows)
        left -= len(rows)


def _raw_each(raw: RawClaims, *, codec: bool) -> None:
    left = ONE_BY_ONE
    while left > 0:
        rows = raw.claim(min(BATCH, left))
        for row in rows:
            raw.record(raw.through_the_codec([row]) if codec else [row])
        left -= len(rows)


def _judge(bench: Bench, kind: str, medians: Medians) -> None:
    small, *_, rows = sizes_of(kind)
    for what, ours, raw, codec in (
        ("claim + record, batches of 100", OURS, RAW, RAW_CODEC),
        ("claim + record, a commit per send", OURS_EACH, RAW_EACH, RAW_EACH_CODEC),
    ):
        told = {
            "ours": f"{medians[ours, rows]:,.0f}/s; at {small:,} {medians[ours, small]:,.0f}/s",
            "raw": f"{medians[raw, rows]:,.0f}/s, and the codec {medians[codec, rows]:,.0f}/s",
        }
        for also, limit in (("", raw), (", of raw and the codec", codec)):
            bench.judge(
                what + also,
                where=kind,
                rows=rows,
                ratio=medians[ours, rows] / medians[limit, rows],
                aim="at least 0.7 × raw",
                **told,
            )


# ── several workers ─────────────────────────────────────────────────────────────────────────────


def _workers(bench: Bench, places: Databases, kind: str) -> None:
    counts = (1, 2) if is_tiny() else (1, 2, 4)
    lost: list[int] = []
    nth = iter(range(1, 1_000))
    place = place_of(places, kind, "workers")
    fill(kind, place, QUEUED, due_request)

    def rate_of(workers: int) -> float:
        rate, ids = _run_workers(kind, place, workers, next(nth))
        lost.append(QUEUED - len(set(ids)) + len(ids) - len(set(ids)))
        return rate

    medians = bench.in_turns(
        "claim and record in batches, several processes",
        {f"{workers} workers": partial(rate_of, workers) for workers in counts},
        unit="/s",
        where=kind,
        rows=QUEUED,
    )
    one, two = medians["1 workers"], medians["2 workers"]
    bench.judge(
        "from one worker to two",
        where=kind,
        rows=QUEUED,
        ours=", ".join(f"{name} {rate:,.0f}/s" for name, rate in medians.items()),
        ratio=two / one,
        aim="at least 1.4 × one worker",
    )
    bench.judge(
        "lost or handed out twice",
        where=kind,
        rows=QUEUED,
        ours=f"{sum(lost)} of {QUEUED * len(lost):,}",
        ratio=float(sum(lost)),
        of="requests",
        aim="at most 0 requests",
    )


def _run_workers(kind: str, place: str, workers: int, nth: int) -> tuple[float, list[str]]:
    """Requests a second, and the ids that were handed out, of workers that begin together."""
    command = program("sweep_claims", "--work", kind, place, str(nth))
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    try:
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        began = time.perf_counter()
        for one in started:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == "done\n"
        taken = time.perf_counter() - began
        ids: list[str] = []
        for one in started:
            assert one.stdout is not None
            ids += json.loads(one.stdout.read())
            one.wait()
        return QUEUED / taken, ids
    finally:
        for one in started:
            if one.poll() is None:
                one.kill()
                one.wait()


def work(kind: str, place: str, nth: int) -> None:
    """One worker: claims and records until nothing is due; all of it is due again the next time."""
    store = open_store(kind, place)
    store.get("paws", "nobody")  # connects, and looks at the tables
    print("ready", flush=True)
    sys.stdin.readline()
    ids: list[str] = []
    now = NOW + nth * timedelta(days=20)
    again_at = now + timedelta(days=10)
    while claimed := store.claim_due(now=now, until=again_at, limit=BATCH):
        assert all(store.save_many([(recorded(one, again_at), one.version) for one in claimed]))
        ids += [one.id for one in claimed]
    print("done", flush=True)
    print(json.dumps(ids))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
