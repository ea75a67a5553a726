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
from benchmarks._fill import ON_POSTGRES, open_sql
from benchmarks._harness import Bench, pick, seconds

CROWD: Final = pick(full=100_000, quick=5_000, tiny=20)
OTHERS: Final = CROWD // 100 + 1
EACH: Final = timedelta(milliseconds=10)
"""a hundred texts a second: what one American short code may send"""


def main() -> None:
    bench = Bench("rush")
    with databases() as places:
        if places.postgres is None:
            bench.leave_out(ON_POSTGRES)
            return
        places.drop("rush")
        url = places.postgres_url("rush")
        store = open_sql(url)
        store.create_all()
        rush = _rush()
        rush.fill(store)
        drained: list[Any] = []
        spent = bench.in_turns(
            "a rush, and what the sweep itself takes",
            {"sweep": lambda: seconds(lambda: drained.append(rush.drain(lambda: open_sql(url))))},
            unit="s",
            where=ON_POSTGRES,
            rows=CROWD,
            rounds=1,
        )
        _judge(bench, drained[0], spent["sweep"])


def _rush() -> Any:
    tests = str(Path(__file__).resolve().parent.parent / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    play = import_module("scale.rush")
    return play.Rush(crowd=CROWD, others=OTHERS, each=EACH, workers=2, threads=8)


def _judge(bench: Bench, drained: Any, spent: float) -> None:
    took = drained.took.total_seconds()
    rated = drained.sent * EACH.total_seconds()
    late = max(drained.late).total_seconds()
    told: dict[str, Any] = {"where": ON_POSTGRES, "rows": CROWD}
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
