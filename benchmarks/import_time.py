"""How long ``import abandoned_booking`` takes, beside ``import attrs`` and what others take.

Each figure is that of fresh interpreters, without the interpreter's own start. The aim is at most
1.5 times ``import attrs``; what must not be loaded is a test (``tests/test_package.py``). The first
call of a door loads what it needs: that is the row *every public name*.

Run: ``python -m benchmarks.import_time``.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from benchmarks._harness import Bench, is_tiny, pick

OURS: Final = "abandoned_booking"
ATTRS: Final = "attrs"
SUBJECTS: Final = {
    ATTRS: "import attrs",
    "attrs, zoneinfo, sqlite3 and phonenumbers": "import attrs, zoneinfo, sqlite3, phonenumbers",
    OURS: "import abandoned_booking",
    "abandoned_booking, every public name": "from abandoned_booking import *",
}
PEERS: Final = {
    "sqlalchemy": "import sqlalchemy",
    "procrastinate": "import procrastinate",
    "celery": "from celery import Celery",
    "apscheduler": "import apscheduler.schedulers.blocking",
}
TIMED: Final = "import time; began = time.perf_counter()\n{}\nprint(time.perf_counter() - began)"


def milliseconds(statement: str) -> float:
    """How long ``statement`` takes in a fresh interpreter."""
    ran = subprocess.run(
        [sys.executable, "-c", TIMED.format(statement)], check=True, capture_output=True, text=True
    )
    return float(ran.stdout) * 1000


def main() -> None:
    bench = Bench("import")
    statements = dict(SUBJECTS)
    peers = [name for name in PEERS if bench.is_there(name)]
    statements |= {name: PEERS[name] for name in peers}
    if not is_tiny():
        for statement in statements.values():
            milliseconds(statement)  # compiles what is not compiled yet
    takes = {name: (lambda s=text: milliseconds(s)) for name, text in statements.items()}
    medians = bench.in_turns(
        "import in a fresh interpreter",
        takes,
        unit="ms",
        raw=[ATTRS],
        peers=peers,
        rounds=pick(full=11, quick=5, tiny=1),
    )
    bench.judge(
        "import abandoned_booking",
        ours=f"{medians[OURS]:.1f} ms",
        raw=f"import attrs {medians[ATTRS]:.1f} ms",
        peer=", ".join(f"{name} {medians[name]:.0f} ms" for name in peers),
        ratio=medians[OURS] / medians[ATTRS],
        of="× attrs",
        aim="at most 1.5 × import attrs",
    )


if __name__ == "__main__":
    main()
