"""What openpyxl makes: everything of a workbook but its rows (X2). The only importer of openpyxl.

Styles, widths, the frozen header, the filter and the parts that tie a workbook together come from
a workbook without rows, of as many sheets as are needed. It costs milliseconds, whatever the
number of rows.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import attrs
from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.worksheet.worksheet import Worksheet

from abandoned_booking.export._cells import LETTERS, Styles
from abandoned_booking.export._columns import COLUMNS

__all__ = ["FIRST_PARTS", "Skeleton", "build_skeleton", "sheet_part"]

# The same whatever the sheets are. With these in front, file(1) and upload filters see at once that
# the archive is a workbook.
FIRST_PARTS: Final = ("_rels/.rels", "docProps/app.xml", "docProps/core.xml")

_TITLE: Final = "Abandoned bookings"
_DIMENSION: Final = re.compile(r"<dimension [^>]*>")
# Phone numbers are text on purpose: no green corners in Excel.
_NO_WARNING: Final = (
    '<ignoredErrors><ignoredError sqref="{}" numberStoredAsText="1"/></ignoredErrors>'
)


@attrs.frozen(kw_only=True)
class Skeleton:
    """A workbook without its rows."""

    parts: Mapping[str, bytes]
    """all but the sheets, by their names in the archive"""
    head: str
    """what stands in a sheet before its rows"""
    tail: str
    """what stands in the last sheet after them"""
    styles: Styles


def sheet_part(number: int) -> str:
    """The name of a sheet in the archive, counted from 1."""
    return f"xl/worksheets/sheet{number}.xml"


def build_skeleton(zone: ZoneInfo, last_rows: Sequence[int]) -> Skeleton:
    """The workbook whose sheets end with those rows; the header is row 1."""
    book = Workbook()
    properties = book.properties
    properties.creator, properties.title = "abandoned-booking", _TITLE
    properties.description = f"Times are those of {zone}"
    first = book.worksheets[0]
    first.title = _TITLE
    sheets = [first, *(book.create_sheet(f"{_TITLE} {n + 2}") for n in range(len(last_rows) - 1))]
    for sheet, last_row in zip(sheets, last_rows, strict=True):
        _lay_out(sheet, last_row)
    styles = _styled(sheets[-1])
    parts = _saved(book)
    xml = [parts.pop(sheet_part(number)) for number in range(1, len(sheets) + 1)][-1].decode()
    head, _, rest = xml.partition("<sheetData>")
    _, _, tail = rest.rpartition("</sheetData>")
    return Skeleton(
        parts=parts,
        # openpyxl measured its empty sheet; readers do without a measure, not with a wrong one
        head=_DIMENSION.sub("", head) + "<sheetData>",
        tail="</sheetData>" + tail.replace("</worksheet>", f"{_quiet(last_rows[-1])}</worksheet>"),
        styles=styles,
    )


def _lay_out(sheet: Worksheet, last_row: int) -> None:
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = _range(last_row)
    for letter, column in zip(LETTERS, COLUMNS, strict=True):
        sheet.column_dimensions[letter].width = column.width


def _styled(sheet: Worksheet) -> Styles:
    """The formats, made known to the workbook by empty cells that never reach the file."""
    header, text, instant = sheet["A1"], sheet["B1"], sheet["C1"]
    header.font = Font(name=header.font.name, size=header.font.size, bold=True)
    header.fill = PatternFill("solid", fgColor="E7ECF1")
    header.border = Border(bottom=Side("thin", color="8795A6"))
    header.alignment = Alignment(vertical="center")
    text.number_format = "@"
    instant.number_format = "yyyy-mm-dd hh:mm"
    instant.alignment = Alignment(horizontal="left")
    return Styles(header=header.style_id, text=text.style_id, instant=instant.style_id)


def _saved(book: Workbook) -> dict[str, bytes]:
    file = io.BytesIO()
    book.save(file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _quiet(last_row: int) -> str:
    return _NO_WARNING.format(_range(last_row))


def _range(last_row: int) -> str:
    return f"A1:{LETTERS[-1]}{last_row}"
