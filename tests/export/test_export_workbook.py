"""X2, X3 and X4: header, filter, pane and widths; several sheets; one row at a time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pytest
from export._reading import (
    MAIN,
    NEW_YORK,
    READERS,
    cells_of,
    column,
    parts_of,
    read_by_openpyxl,
    sheets_of,
    workbook_of,
)

import abandoned_booking.export as export
from abandoned_booking.core.model import AbandonedRequest, BookingForm
from abandoned_booking.errors import InvalidInput
from abandoned_booking.export import write_workbook
from abandoned_booking.export._cells import LETTERS
from abandoned_booking.export._columns import COLUMNS
from abandoned_booking.testing import a_request

TYPES = "{http://schemas.openxmlformats.org/package/2006/content-types}"


def some(count: int) -> Iterator[AbandonedRequest]:
    """As many requests, one at a time."""
    return (a_request(id=f"r{n}") for n in range(count))


def ids_of(sheets: list[list[Any]]) -> list[list[str]]:
    return [column(rows, "Request ID") for rows in sheets]


# ── the looks (X2) ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_sheet_has_a_header_a_frozen_pane_a_filter_and_widths(count: int) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook_of(some(count))))
    [sheet] = book.worksheets
    assert [cell.value for cell in sheet[1]] == [column.header for column in COLUMNS]
    assert {(cell.font.name, cell.font.b) for cell in sheet[1]} == {("Calibri", True)}
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:AB{count + 1}"
    widths = [sheet.column_dimensions[letter].width for letter in LETTERS]
    assert widths == [column.width for column in COLUMNS]
    assert sheet.max_row == count + 1


def test_dates_show_date_and_time_in_cells_wide_enough() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(workbook_of(some(1)))).worksheets[0]
    assert sheet["A2"].is_date
    assert sheet["A2"].number_format == "yyyy-mm-dd hh:mm"
    assert sheet.column_dimensions["A"].width > len("2026-01-05 07:00")


def test_the_workbook_says_whose_times_it_shows() -> None:
    properties = openpyxl.load_workbook(io.BytesIO(workbook_of(some(0)))).properties
    assert properties.description == "Times are those of America/New_York"
    assert properties.creator == "abandoned-booking"


def test_phone_numbers_as_text_raise_no_warning_in_the_sheet() -> None:
    [sheet] = sheets_of(workbook_of(some(2)))
    [ignored] = sheet.iter(f"{MAIN}ignoredError")
    assert dict(ignored.attrib) == {"sqref": "A1:AB3", "numberStoredAsText": "1"}


# ── the archive ─────────────────────────────────────────────────────────────────────────────────


def test_every_part_is_well_formed_and_declared() -> None:
    parts = parts_of(workbook_of(some(5), rows_per_sheet=2))
    for name, part in parts.items():
        ElementTree.fromstring(part)
        assert not name.startswith("/")
    types = ElementTree.fromstring(parts["[Content_Types].xml"])
    declared = {one.get("PartName") for one in types.iter(f"{TYPES}Override")}
    assert declared == {f"/{name}" for name in parts if not name.endswith((".rels", "s].xml"))}


def test_rows_and_cells_are_numbered_as_they_stand() -> None:
    for sheet in sheets_of(workbook_of(some(5), rows_per_sheet=3)):
        for number, row in enumerate(sheet.iter(f"{MAIN}row"), start=1):
            assert row.get("r") == str(number)
            names = [cell.get("r") or "" for cell in row]
            assert [
                *filter({f"{letter}{number}" for letter in LETTERS}.__contains__, names)
            ] == names
            assert sorted(names, key=lambda name: (len(name), name)) == names


def test_a_header_that_says_how_many_rows_there_are_is_left_out_not_wrong() -> None:
    [sheet] = sheets_of(workbook_of(some(5)))
    assert sheet.find(f"{MAIN}dimension") is None
    book = openpyxl.load_workbook(io.BytesIO(workbook_of(some(5))), read_only=True)
    assert sum(1 for _ in book.worksheets[0].rows) == 6


def test_the_archive_begins_as_workbooks_do_and_its_entries_hold_no_clock_time() -> None:
    workbook = workbook_of(some(1))
    assert next(iter(parts_of(workbook))) == "_rels/.rels"
    # DOS date and time of the first entry: 1980-01-01 00:00
    assert workbook[10:14] == b"\0\0\x21\0"


# ── several sheets (X3) ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, [0]), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])]
)
@pytest.mark.parametrize("reader", READERS)
def test_it_goes_on_in_the_next_sheet(count: int, sizes: list[int], reader: str) -> None:
    workbook = workbook_of(some(count), rows_per_sheet=3)
    found = ids_of(READERS[reader](workbook))
    assert [len(ids) for ids in found] == sizes
    assert [*chain(*found)] == [f"r{n}" for n in range(count)]


def test_every_sheet_has_its_own_header_filter_pane_and_title() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook_of(some(5), rows_per_sheet=2)))
    assert book.sheetnames == [
        "Abandoned bookings",
        "Abandoned bookings 2",
        "Abandoned bookings 3",
    ]
    assert [sheet.auto_filter.ref for sheet in book.worksheets] == ["A1:AB3", "A1:AB3", "A1:AB2"]
    for sheet in book.worksheets:
        assert sheet.freeze_panes == "A2"
        assert sheet["A1"].value == "Abandoned"
        assert sheet["A1"].font.b
        assert sheet.column_dimensions["C"].width == 24


def test_a_sheet_ends_before_the_archive_would_need_a_format_that_excel_takes_for_damage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "_BATCH", 1)
    monkeypatch.setattr(export, "_MOST_PER_SHEET", 4_000)
    found = ids_of(read_by_openpyxl(workbook_of(some(10))))
    assert len(found) > 1
    assert [*chain(*found)] == [f"r{n}" for n in range(10)]


@pytest.mark.parametrize("most", [0, -1, 1_048_576])
def test_more_rows_than_a_sheet_holds_are_refused(most: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 1,048,575") as refused:
        write_workbook([], io.BytesIO(), zone=NEW_YORK, rows_per_sheet=most)
    assert refused.value.field == "rows_per_sheet"


# ── one row at a time (X4) ──────────────────────────────────────────────────────────────────────


def test_no_more_than_a_few_requests_are_held_whatever_their_number() -> None:
    alive: set[int] = set()
    most = 0

    def watched() -> Iterator[AbandonedRequest]:
        nonlocal most
        for n in range(500):
            request = a_request(id=f"r{n}")
            alive.add(n)
            weakref.finalize(request, alive.discard, n)
            yield request
            most = max(most, len(alive))

    assert write_workbook(watched(), io.BytesIO(), zone=NEW_YORK, rows_per_sheet=200) == 500
    assert most <= 4


def test_rows_are_on_their_way_before_the_last_one_is_asked_for() -> None:
    file = io.BytesIO()
    sizes = []

    def slow() -> Iterator[AbandonedRequest]:
        for n in range(2_000):
            sizes.append(len(file.getvalue()))
            yield a_request(id=f"r{n}", form=BookingForm(note=os.urandom(100).hex()))

    write_workbook(slow(), file, zone=NEW_YORK)
    assert sizes[-1] > len(file.getvalue()) / 2


@pytest.mark.parametrize(
    ("count", "calls"),
    [
        (0, [0]),
        (999, [999]),
        (1_000, [1_000]),
        (1_001, [1_000, 1_001]),
        (2_500, [1_000, 2_000, 2_500]),
    ],
)
def test_progress_is_told_every_thousand_rows_and_at_the_end(count: int, calls: list[int]) -> None:
    told: list[tuple[int, int | None]] = []
    request = a_request()
    written = write_workbook(
        (request for _ in range(count)),
        io.BytesIO(),
        zone=NEW_YORK,
        total=count,
        on_progress=lambda done, of: told.append((done, of)),
    )
    assert told == [(done, count) for done in calls]
    assert written == count


def test_progress_without_a_total_says_so() -> None:
    told: list[tuple[int, int | None]] = []
    write_workbook(
        some(1), io.BytesIO(), zone=NEW_YORK, on_progress=lambda *seen: told.append(seen)
    )
    assert told == [(1, None)]


# ── with and without lxml ───────────────────────────────────────────────────────────────────────

ELSEWHERE = """
import sys
from zoneinfo import ZoneInfo
if sys.argv[2] == "hidden":
    sys.modules["lxml"] = None
from abandoned_booking.core.model import BookingForm, Person
from abandoned_booking.export import write_workbook
from abandoned_booking.testing import a_request
assert "openpyxl" not in sys.modules
person = Person(first_name="=1+1\\ufffe\\ud800\\x01")
rows = [a_request(), a_request(form=BookingForm(person=person, note="#REF!"))]
write_workbook(rows * 2, sys.argv[1], zone=ZoneInfo("America/New_York"), rows_per_sheet=3)
from openpyxl.xml import LXML
print(LXML)
"""


@pytest.mark.parametrize("lxml", ["there", "hidden", "switched off"])
def test_it_is_the_same_workbook_with_and_without_lxml(lxml: str, tmp_path: Path) -> None:
    if lxml == "there":
        pytest.importorskip("lxml")
    to = tmp_path / "export.xlsx"
    switch = {"OPENPYXL_LXML": "False" if lxml == "switched off" else "True"}
    ran = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(to), lxml],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **switch},
    )
    assert ran.stdout.strip() == str(lxml == "there")
    workbook = to.read_bytes()
    for read in READERS.values():
        first, second = read(workbook)
        assert column(first, "Client name") == ["Ann Lee", "=1+1", "Ann Lee"]
        assert column(first, "Client's note") == [None, "#REF!", None]
        assert column(second, "Client's note") == ["#REF!"]
    for part in parts_of(workbook).values():
        ElementTree.fromstring(part)
    for sheet in sheets_of(workbook):
        assert {cell.get("t") for cell in cells_of(sheet)} == {"inlineStr", None}
        assert sheet.find(f".//{MAIN}f") is None
