"""The benchmarks still run: each one at a tiny size and without its peers. Nothing is timed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
SCRIPTS: Final = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))


# One interpreter for all: most of their time at that size is what they import.
PROGRAM: Final = """
import importlib, sys
for script in sys.argv[1:]:
    print("==", script, flush=True)
    importlib.import_module(f"benchmarks.{script}").main()
"""


def test_every_benchmark_runs_at_a_tiny_size_and_says_what_came_of_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *SCRIPTS],
        cwd=ROOT,
        env=os.environ | {"BENCH": "tiny", "BENCH_PEERS": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    _, *parts = ran.stdout.split("== ")
    assert [part.split()[0] for part in parts] == SCRIPTS
    # A median, and the lowest to the highest of its rounds.
    assert all(" to " in part for part in parts)


def test_every_script_is_one_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    assert sorted(importlib.import_module("benchmarks._run").SUBJECTS) == SCRIPTS


VERDICT: Final[dict[str, Any]] = {
    "kind": "verdict",
    "subject": "list",
    "what": "first page",
    "where": "SqliteStore",
    "rows": 1_000_000,
    "ours": "1.5 ms",
    "raw": "1.0 ms",
    "peer": "",
    "ratio": "1.5 ×",
    "aim": "at most 3 × raw",
    "reached": True,
}


def figure(rows: int, value: float) -> dict[str, Any]:
    return {
        "kind": "figure",
        "subject": "list",
        "what": "a page",
        "where": "SqliteStore",
        "rows": rows,
        "who": "desk.list",
        "role": "ours",
        "value": value,
        "unit": "ms",
        "low": value,
        "high": value,
        "rounds": 5,
    }


def test_the_page_tells_aims_growth_and_what_was_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    page: str = importlib.import_module("benchmarks._page").written_page(
        [
            VERDICT,
            VERDICT | {"what": "the dot", "reached": False},
            figure(10_000, 1.25),
            figure(1_000_000, 1.5),
            {"kind": "absent", "subject": "jobs", "name": "celery"},
        ],
        failed={"search": "raised KeyError"},
        machine={"processor": "2 cores"},
        on=date(2026, 3, 1),
        how_much="full",
    )
    told = "1,000,000 | 1.0 ms |  | 1.5 ms | 1.5 × | at most 3 × raw | yes |"
    assert f"| first page (SqliteStore) | {told}" in page
    assert "1 of 2 are reached, 1 are not, 0 could not be judged" in page
    assert "| SqliteStore | a page | desk.list | 1.25 ms | 1.5 ms |" in page
    assert "`celery`" in page
    assert "`search` raised KeyError" in page
    assert "2026-03-01" in page
