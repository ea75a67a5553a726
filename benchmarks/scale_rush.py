"""Nine o'clock: a hundred thousand texts of one business are due in one minute, and another
business's own falls due every now and then while they are sent.

The real sweep on the real store, played against a gateway that takes 100 texts a second (the play
is that of ``tests/scale/rush.py``): its clock moves only while the gateway sends. So the lateness
of the others and the length of the rush are exact. What the machine tells is how long the sweep
took for its own part.

Run: ``python -m benchmarks.scale_rush``.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from benchmarks._databases import databases
from benchmarks._fill import ON_POSTGRES, SQLITE, open_store, place_of
from benchmarks._harness import Bench, pick, seconds

CROWD: Final = pick(full=100_000, quick=5_000, tiny=20)
CROWD_IN_A_FILE: Final = pick(full=2_000, quick=500, tiny=20)
EACH: Final = timedelta(milliseconds=10)
"""a hundred texts a second: what one American short code may send"""


def main() -> None:
    bench = Bench("rush")
    with databases() as places:
        for kind in (SQLITE, ON_POSTGRES):
            if kind == ON_POSTGRES and places.postgres is None:
                bench.leave_out(kind)
                continue
            if kind == ON_POSTGRES:
                places.drop("rush")
            crowd = CROWD if kind == ON_POSTGRES else CROWD_IN_A_FILE
            _play(bench, kind, place_of(places, kind, "rush"), crowd)


def _play(bench: Bench, kind: str, url: str, crowd: int) -> None:
    store = open_store(kind, url)
    if kind == ON_POSTGRES:
        store.create_all()
    rush = _of_tests().Rush(crowd=crowd, others=crowd // 100 + 1, each=EACH, workers=2, threads=8)
    rush.fill(store)
    drained: list[Any] = []
    told: dict[str, Any] = {"where": kind, "rows": crowd}
    spent = bench.in_turns(
        "a rush, and what the sweep itself takes",
        {
            "sweep": lambda: seconds(
                lambda: drained.append(rush.drain(lambda: open_store(kind, url)))
            )
        },
        unit="s",
        rounds=1,
        **told,
    )
    _judge(bench, drained[0], spent["sweep"], told)


def _of_tests() -> Any:
    tests = str(Path(__file__).resolve().parent.parent / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    return import_module("scale.rush")


def _judge(bench: Bench, drained: Any, spent: float, told: dict[str, Any]) -> None:
    took = drained.took.total_seconds()
    rated = drained.sent * EACH.total_seconds()
    late = max(drained.late).total_seconds()
    bench.judge(
        "the rush drains at the gateway's rate",
        ours=f"{drained.sent:,} texts in {took:,.0f} s",
        raw=f"the gateway alone {rated:,.0f} s",
        ratio=took / rated,
        aim="at most 1.01 ×",
        **told,
    )
    bench.judge(
        "the others' texts meanwhile",
        ours=f"{len(drained.late):,} sent, {drained.missing} missed, the latest {late:.0f} s late",
        ratio=late,
        of="s",
        aim="at most 60 s late (the grace is an hour)",
        **told,
    )
    bench.judge(
        "the sweep keeps up with the gateway",
        ours=f"{drained.sent / spent:,.0f} texts/s, two workers in one process",
        raw=f"the gateway {1 / EACH.total_seconds():.0f}/s",
        ratio=rated / spent,
        aim="at least 1 ×",
        **told,
    )


if __name__ == "__main__":
    main()
