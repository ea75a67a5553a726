"""Runs every benchmark, each in a process of its own, and writes ``docs/benchmarks.md``.

``make bench`` calls it. One that raises, or takes longer than it may, is told in the page as not
measured and stops no other. Run: ``python -m benchmarks._run [subject ...]``; ``subject=full`` or
``subject=quick`` gives one another size than the rest.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks._databases import postgres_server
from benchmarks._harness import HOW_MUCH, pick, program
from benchmarks._machine import load, machine
from benchmarks._page import written_page

__all__ = ["SUBJECTS"]

SUBJECTS: Final = (
    "import_time",
    "next_occurrence",
    "phones",
    "status_machine",
    "decoding",
    "performance_report",
    "export",
    "list_pages",
    "search",
    "memory_search",
    "sweep_tick",
    "sweep_claims",
    "sweep_run",
    "job_libraries",
    "scale_fair_claims",
    "scale_rush",
    "scale_sizing",
)
"""in this order: the stores that are only read come first, and are claimed from later"""

ROOT: Final = Path(__file__).resolve().parent.parent
_WITHIN_SECONDS: Final = pick(full=1_500, quick=400, tiny=60)


def main(subjects: list[str]) -> None:
    began, load_before = datetime.now(UTC), load()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        results = folder / "results.jsonl"
        results.touch()
        environment = os.environ | {"BENCH_FOLDER": str(folder), "BENCH_RESULTS": str(results)}
        if url := _postgres(stack):
            environment["BENCH_POSTGRES"] = url
        told = machine(url) | {"load": load_before}
        failed: dict[str, str] = {}
        for subject, _, size in (named.partition("=") for named in subjects):
            sized = environment | ({"BENCH": size} if size else {})
            if why := _failure_of(subject, sized):
                failed[subject] = why
            # After each: a run that is ended has its page, too.
            records = [json.loads(line) for line in results.read_text().splitlines()]
            page = written_page(
                records, failed=failed, machine=told, on=began.date(), how_much=HOW_MUCH
            )
            (ROOT / "docs" / "benchmarks.md").write_text(page, encoding="utf-8")
    taken = (datetime.now(UTC) - began).total_seconds()
    print(f"\nwrote docs/benchmarks.md after {taken / 60:.0f} minutes")


def _postgres(stack: ExitStack) -> str | None:
    try:
        url: str = stack.enter_context(postgres_server()).url
    except Exception as error:  # what is missing is told; SQLite is measured all the same
        print(f"no PostgreSQL: {error}")
        return None
    return url


def _failure_of(subject: str, environment: dict[str, str]) -> str | None:
    """Run one; why it was not measured to the end, if so."""
    print(f"\n== {subject}", flush=True)
    began = time.monotonic()
    running = subprocess.Popen(
        program(subject),
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that its own workers end with it
    )
    try:
        _, said = running.communicate(timeout=_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        return f"took longer than {_WITHIN_SECONDS} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        print(f"== {subject}: {time.monotonic() - began:.0f} s", flush=True)
    if running.returncode == 0:
        return None
    print(said, file=sys.stderr)
    # The last line is the exception; what it says may name paths of this machine.
    name, _, _ = said.strip().splitlines()[-1].partition(":")
    return f"raised {name}"


if __name__ == "__main__":
    main(sys.argv[1:] or list(SUBJECTS))
