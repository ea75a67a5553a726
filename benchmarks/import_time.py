"""How long ``import abandoned_booking`` takes, beside ``import attrs`` and all that it could load.

Each figure is the median of fresh interpreters, taken in turns so that a busy moment hits them all.
The aim is at most 1.5 times `import attrs`. Run: ``python benchmarks/import_time.py [rounds]``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

SUBJECTS = {
    "attrs": "import attrs",
    "attrs + zoneinfo + sqlite3 + phonenumbers": ("import attrs, zoneinfo, sqlite3, phonenumbers"),
    "abandoned_booking": "import abandoned_booking",
    "abandoned_booking, every public name": "from abandoned_booking import *",
}
TIMED = "import time; began = time.perf_counter()\n{}\nprint(time.perf_counter() - began)"


def seconds(statement: str) -> float:
    """How long ``statement`` takes in a fresh interpreter, without the interpreter's own start."""
    ran = subprocess.run(
        [sys.executable, "-c", TIMED.format(statement)], check=True, capture_output=True, text=True
    )
    return float(ran.stdout)


def main(rounds: int) -> None:
    """Print a table: milliseconds, and the ratio to ``import attrs``."""
    for statement in SUBJECTS.values():
        seconds(statement)  # compiles what is not compiled yet
    samples: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for _ in range(rounds):
        for name, statement in SUBJECTS.items():
            samples[name].append(seconds(statement))
    medians = {name: statistics.median(taken) for name, taken in samples.items()}
    print(f"{'import':45}{'ms':>8}{'x attrs':>9}   median of {rounds}")
    for name, median in medians.items():
        print(f"{name:45}{median * 1000:8.1f}{median / medians['attrs']:9.2f}")


if __name__ == "__main__":
    main(rounds=max(5, int(sys.argv[1])) if len(sys.argv) > 1 else 15)
