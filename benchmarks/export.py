"""What the export costs (X4), beside pandas, openpyxl, XlsxWriter and a writer in Rust.

All write the same requests with the same columns, made by the same function; the others get texts
that need no care, and wall times. Seconds are the median of fresh interpreters, taken in turns,
from requests that are in memory already. Peaks are what the process ever held, from requests that
are made one by one; the interpreter with the library loaded is the first row. numpy is hidden from
all but pandas: openpyxl loads it where it is installed, and uses it for nothing here.

The aims: 10 times as fast as pandas with openpyxl, within 1.3 times of the Rust writer, a peak of
at most 40 MB, and at 100,000 rows within 1.3 times of the peak at 10,000. Writers that are not
installed are left out. Run: ``python -m benchmarks.export``.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from abandoned_booking.core.model import (
    AbandonedRequest,
    Address,
    BookingForm,
    CareType,
    Channel,
    Contact,
    Person,
    Pet,
    Phone,
    Status,
    Step,
)
from abandoned_booking.export import write_workbook
from abandoned_booking.export._columns import COLUMNS, values_of
from benchmarks._harness import SIZES, Bench, peak_megabytes, pick, program

ZONE = ZoneInfo("America/New_York")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HEADERS = [column.header for column in COLUMNS]
FIRST = ("Ann", "Bob", "Chloé", "Dmitri", "Eve", "Fatima", "George", "Hana", "Ines", "Jørgen")
LAST = ("Lee", "Müller", "O'Brien", "García", "Smith-Jones", "Nguyen", "Ito")
PETS = ("Rex", "Bella", "Luna", "Max", "Daisy", "Rocky", "Coco", "Mochi", "Biscuit")
STEPS = (Step.PET, Step.SERVICE, Step.TIME, Step.PERSONAL_INFO, Step.PAYMENT)


def requests(count: int) -> Iterator[AbandonedRequest]:
    """As many requests, no two alike."""
    for n in range(count):
        at = NOON - n * timedelta(seconds=421)
        first, last = FIRST[n % len(FIRST)], LAST[n % len(LAST)]
        contacted = n % 3 == 0
        form = BookingForm(
            person=Person(
                first_name=first, last_name=f"{last} {n}", email=f"{first}.{n}@example.com"
            ),
            pets=(Pet(name=PETS[n % len(PETS)]),),
            address=Address(line1=f"{n % 900} Elm St", city="New York", state="NY"),
            care_type=CareType.GROOMING,
            services=("Bath and brush",),
            staff="Kim",
            preferred_at=at + timedelta(days=3),
            note="Shy with strangers",
        )
        yield AbandonedRequest(
            business_id="paws",
            id=f"{n:024x}",
            session_id=f"session-{n}",
            started_at=at,
            abandoned_at=at,
            listed_at=at,
            step=STEPS[n % len(STEPS)],
            furthest_step=STEPS[n % len(STEPS)],
            form=form,
            phone=Phone(e164=f"+1212555{n % 10_000:04}", region="US", can_text=True),
            status=Status.CONTACTED if contacted else Status.ABANDONED,
            contacts=(Contact(id="c", channel=Channel.CALL, at=at),) if contacted else (),
        )


def wall_values(request: AbandonedRequest) -> list[Any]:
    """What the other writers get: they refuse aware instants."""
    return [
        value.astimezone(ZONE).replace(tzinfo=None) if isinstance(value, datetime) else value
        for value in values_of(request)
    ]


# ── the writers ─────────────────────────────────────────────────────────────────────────────────


def with_nothing(rows: Iterable[AbandonedRequest], to: Path) -> None:
    """No workbook at all."""
    for _ in rows:
        pass
    to.touch()


def with_ours(rows: Iterable[AbandonedRequest], to: Path) -> None:
    """The export of this library."""
    write_workbook(rows, to, zone=ZONE)


def with_rust(rows: Iterable[AbandonedRequest], to: Path) -> None:
    """rustpy-xlsxwriter in constant memory."""
    writer = importlib.import_module("rustpy_xlsxwriter")
    records = (dict(zip(HEADERS, wall_values(row), strict=True)) for row in rows)
    writer.FastExcel(str(to)).sheet("Abandoned", records).save()


def with_xlsxwriter(rows: Iterable[AbandonedRequest], to: Path) -> None:
    """XlsxWriter in constant memory."""
    writer = importlib.import_module("xlsxwriter")
    book = writer.Workbook(
        str(to), {"constant_memory": True, "default_date_format": "yyyy-mm-dd hh:mm"}
    )
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, HEADERS)
    for number, row in enumerate(rows, start=1):
        sheet.write_row(number, 0, wall_values(row))
    book.close()


def with_openpyxl(rows: Iterable[AbandonedRequest], to: Path) -> None:
    """openpyxl in its write-only mode."""
    book = importlib.import_module("openpyxl").Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(HEADERS)
    for row in rows:
        sheet.append(wall_values(row))
    book.save(to)


def with_pandas(rows: Iterable[AbandonedRequest], to: Path) -> None:
    """``DataFrame.to_excel``, by openpyxl."""
    pandas = importlib.import_module("pandas")
    frame = pandas.DataFrame([wall_values(row) for row in rows], columns=HEADERS)
    frame.to_excel(to, index=False, engine="openpyxl")


WRITERS: dict[str, tuple[Callable[[Iterable[AbandonedRequest], Path], None], str]] = {
    "no workbook": (with_nothing, "attrs"),
    "abandoned_booking": (with_ours, "openpyxl"),
    "rustpy-xlsxwriter": (with_rust, "rustpy_xlsxwriter"),
    "XlsxWriter, constant memory": (with_xlsxwriter, "xlsxwriter"),
    "openpyxl, write-only": (with_openpyxl, "openpyxl"),
    "pandas + openpyxl": (with_pandas, "pandas"),
}
OURS, PANDAS, RUST = "abandoned_booking", "pandas + openpyxl", "rustpy-xlsxwriter"


# ── one run, in an interpreter of its own ───────────────────────────────────────────────────────


def run_here(name: str, count: int, *, streamed: bool) -> None:
    """Write once and print what it took."""
    if name != PANDAS:
        sys.modules["numpy"] = None  # type: ignore[assignment]  # what hides it from an import
    rows: Iterable[AbandonedRequest] = requests(count)
    if not streamed:
        rows = list(rows)
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder, "export.xlsx")
        began = time.perf_counter()
        WRITERS[name][0](rows, to)
        seconds = time.perf_counter() - began
        print(json.dumps([seconds, peak_megabytes(), to.stat().st_size / 1e6]))


def run(name: str, count: int, *, streamed: bool) -> tuple[float, float, float]:
    """Seconds, megabytes at the peak, and megabytes of file, in a fresh interpreter."""
    command = program("export", "--run", name, str(count), str(int(streamed)))
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    taken, peak, size = json.loads(ran.stdout)
    return taken, peak, size


def _seconds_of(name: str, count: int) -> float:
    return run(name, count, streamed=False)[0]


def _peak_of(name: str, count: int) -> float:
    return run(name, count, streamed=True)[1]


def main() -> None:
    bench = Bench("export")
    names = [name for name, (_, needs) in WRITERS.items() if needs == "attrs" or name == OURS]
    names += [
        name for name, (_, needs) in WRITERS.items() if name not in names and bench.is_there(needs)
    ]
    _seconds(bench, names[1:], rows=pick(full=100_000, quick=20_000, tiny=50))
    _peaks(bench, names)


def _seconds(bench: Bench, names: list[str], *, rows: int) -> None:
    medians = bench.in_turns(
        "export, seconds",
        {name: partial(_seconds_of, name, rows) for name in names},
        unit="s",
        rows=rows,
        peers=[name for name in names if name != OURS],
        rounds=pick(full=5, quick=3, tiny=1),
    )
    ours = medians[OURS]
    for peer, aim in ((PANDAS, "at least 10 × pandas"), (RUST, "at most 1.3 × the Rust writer")):
        theirs = medians.get(peer)
        ratio = theirs and (theirs / ours if peer == PANDAS else ours / theirs)
        bench.judge(
            "export",
            peer="" if theirs is None else f"{peer} {theirs:.2f} s",
            ratio=ratio,
            aim=aim,
            ours=f"{ours:.2f} s",
            rows=rows,
        )


def _peaks(bench: Bench, names: list[str]) -> None:
    peaks: dict[int, float] = {}
    for rows in SIZES:
        few = [name for name in names if rows <= 10_000 or name in names[:2]]
        medians = bench.in_turns(
            "export, peak of memory",
            {name: partial(_peak_of, name, rows) for name in few},
            unit="MB",
            rows=rows,
            raw=names[:1],
            peers=names[2:],
            rounds=1,
        )
        peaks[rows] = medians[OURS]
        before = medians[names[0]]
    first, last = SIZES[0], SIZES[-1]
    told = f"{peaks[last]:.1f} MB at {last:,} rows, {peaks[first]:.1f} MB at {first:,}"
    bare = f"{before:.1f} MB before the first row"
    bench.judge(
        "export, peak", ours=told, raw=bare, ratio=peaks[last], of="MB", aim="at most 40 MB"
    )
    bench.judge(
        "export, peak's growth", ours=told, ratio=peaks[last] / peaks[first], aim="at most 1.3 ×"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_here(sys.argv[2], int(sys.argv[3]), streamed=sys.argv[4] == "1")
    else:
        main()
