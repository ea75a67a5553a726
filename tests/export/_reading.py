"""What the tests of the export share: workbooks, read back by two readers and as raw XML."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Any, Final, TypeAlias
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import openpyxl
import python_calamine

from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.export import write_workbook

NEW_YORK: Final = ZoneInfo("America/New_York")
MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

Row: TypeAlias = tuple[Any, ...]


def workbook_of(
    requests: Iterable[AbandonedRequest], zone: ZoneInfo = NEW_YORK, **options: Any
) -> bytes:
    """The workbook as bytes."""
    file = io.BytesIO()
    write_workbook(requests, file, zone=zone, **options)
    return file.getvalue()


def read_by_openpyxl(workbook: bytes) -> list[list[Row]]:
    """Every row of every sheet; it leaves ``_xHHHH_`` in inline texts as it is, Excel does not."""
    book = openpyxl.load_workbook(io.BytesIO(workbook))
    return [
        [tuple(map(_decoded, row)) for row in sheet.iter_rows(values_only=True)]
        for sheet in book.worksheets
    ]


def read_by_calamine(workbook: bytes) -> list[list[Row]]:
    """The same by a reader that shares no line with openpyxl."""
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(workbook))
    return [
        [
            tuple(map(_instant_or_text, row))
            for row in book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        ]
        for name in book.sheet_names
    ]


READERS: Final = {"openpyxl": read_by_openpyxl, "calamine": read_by_calamine}


def parts_of(workbook: bytes) -> dict[str, bytes]:
    """The parts of the archive, in its order; each one's checksum is right."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def sheets_of(workbook: bytes) -> list[ElementTree.Element]:
    """The sheets as XML, in order."""
    parts = parts_of(workbook)
    names = [f"xl/worksheets/sheet{n}.xml" for n in range(1, len(parts) + 1)]
    return [ElementTree.fromstring(parts[name]) for name in names if name in parts]


def cells_of(sheet: ElementTree.Element) -> list[ElementTree.Element]:
    """Every cell of a sheet."""
    return list(sheet.iter(f"{MAIN}c"))


def column(rows: Sequence[Row], header: str) -> list[Any]:
    """What stands below a header."""
    index = rows[0].index(header)
    return [row[index] for row in rows[1:]]


def _instant_or_text(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):  # so it reads midnight
        return datetime.combine(value, time())
    assert isinstance(value, (datetime, str))
    return value or None


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        assert value is None or isinstance(value, datetime)
        return value
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda escape: chr(int(escape[1], 16)), value)
