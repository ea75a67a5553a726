"""What the export costs (X4), beside pandas, openpyxl, XlsxWriter and a writer in Rust.

All write the same requests with the same columns, made by the same function; the others get texts
that need no care, and wall times. Seconds are the median of fresh interpreters, taken in turns,
from requests that are in memory already. Peaks are what the process ever held, from requests that
are made one by one; the interpreter with the library loaded is the first row. numpy is hidden from
all but pandas: openpyxl loads it where it is installed, and uses it for nothing here.

The aims: 10 times as fast as pandas with openpyxl, within 1.3 times of the Rust writer, a peak of
at most 40 MB, and at 100,000 rows within 1.3 times of the peak at 10,000. Writers that are not
installed are left out. Run: ``python benchmarks/export.py [rounds] [rows] [--million]``.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
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


def peak_megabytes() -> float:
    """The most memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    resource = importlib.import_module("resource")
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024**2


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
    command = [sys.executable, __file__, "--run", name, str(count), str(int(streamed))]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak, size = json.loads(ran.stdout)
    return seconds, peak, size


def main(rounds: int, count: int, *, million: bool) -> None:
    """Print two tables: seconds with ratios, and peaks."""
    names = [name for name, (_, needs) in WRITERS.items() if importlib.util.find_spec(needs)]
    taken: dict[str, list[float]] = {name: [] for name in names[1:]}
    sizes: dict[str, float] = {}
    for _ in range(rounds):
        for name, seconds in taken.items():
            second, _, sizes[name] = run(name, count, streamed=False)
            seconds.append(second)
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    print(f"{count:,} rows x {len(HEADERS)} columns   median of {rounds}")
    print(f"{'writer':30}{'s':>8}{'x ours':>9}{'file MB':>9}")
    for name, median in medians.items():
        print(f"{name:30}{median:8.2f}{median / medians[OURS]:9.2f}{sizes[name]:9.1f}")
    if PANDAS in medians:
        print(f"pandas / ours: {medians[PANDAS] / medians[OURS]:.1f} (aim: at least 10)")
    if RUST in medians:
        print(f"ours / Rust: {medians[OURS] / medians[RUST]:.2f} (aim: at most 1.3)")
    counts = [count // 10, count, *([1_000_000] if million else [])]
    print(f"\n{'peak MB at rows':30}" + "".join(f"{number:>12,}" for number in counts))
    peaks: dict[str, list[float]] = {}
    for name in names:
        slow = name == PANDAS
        peaks[name] = [run(name, n, streamed=True)[1] for n in counts if not (slow and n > count)]
        print(f"{name:30}" + "".join(f"{peak:12.1f}" for peak in peaks[name]))
    grown = [f"{peak / peaks[OURS][0]:.2f}" for peak in peaks[OURS][1:]]
    print(f"ours, growth from the first: {', '.join(grown)} (aim: at most 1.3)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_here(sys.argv[2], int(sys.argv[3]), streamed=sys.argv[4] == "1")
    else:
        numbers = [int(given) for given in sys.argv[1:] if given.isdecimal()]
        main(
            rounds=max(1, numbers[0]) if numbers else 5,
            count=numbers[1] if len(numbers) > 1 else 100_000,
            million="--million" in sys.argv,
        )
