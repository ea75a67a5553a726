"""The staff's whole list as a workbook (.xlsx).

::

    from abandoned_booking.export import write_workbook

    write_workbook(requests, "abandoned.xlsx", zone=ZoneInfo("America/New_York"))

Rules held here: X1 (whatever it is given, all of it), X2 (dates, header, pane, filter, widths), X3
(text is text), X4 (memory does not grow, progress, no half file). What stands in the columns is in
``_columns``, rows as XML in ``_cells``, all that is not a row in ``_skeleton``, the file in
``_target``. Rows go straight into the archive as they come, so that nothing but one batch of them
is ever held, in memory or on disk.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import IO, BinaryIO, Final, TypeAlias
from zoneinfo import ZoneInfo

from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.errors import InvalidInput
from abandoned_booking.export._cells import RowWriter, header_row, row_writer
from abandoned_booking.export._columns import values_of
from abandoned_booking.export._target import Outlet, opened

__all__ = ["MOST_ROWS_PER_SHEET", "OnProgress", "write_workbook"]

MOST_ROWS_PER_SHEET: Final = 1_048_575
"""What the format holds, less the header."""
_REPORTED_EVERY: Final = 1_000
_BATCH: Final = 1 << 18
"""how many characters of XML are compressed at once"""
_MOST_PER_SHEET: Final = (1 << 31) - (1 << 26)
"""A sheet ends here too, in bytes of XML: from 2 GiB on the archive would need the ZIP64 format,
which Excel takes for damage."""
_COMPRESSION: Final = 3

OnProgress: TypeAlias = Callable[[int, int | None], None]
"""called with the number of rows done and, if known, of all"""


def write_workbook(
    requests: Iterable[AbandonedRequest],
    to: str | os.PathLike[str] | BinaryIO,
    *,
    zone: ZoneInfo,
    total: int | None = None,
    on_progress: OnProgress | None = None,
    rows_per_sheet: int = MOST_ROWS_PER_SHEET,
) -> int:
    """Write the requests, in the order in which they come, and return how many there were.

    ``to`` is a path or a file open for writing bytes, which need not be seekable. A path is
    replaced as a whole when all is written, is readable by its owner only, and is left as it was if
    anything fails or the process dies; a link is replaced, not followed. An open file is not
    closed, and keeps what was written before a failure: never a workbook that could be opened.

    Dates show the wall time of ``zone`` to the second, so that an hour that a clock repeats is
    there twice; before March 1900 they are text. Texts are as they were typed, but for characters
    that the format cannot hold (dropped), line ends (line feeds) and the end of a text longer than
    32,767 UTF-16 units (an ellipsis).

    ``on_progress`` is called every 1,000 rows and after the last one, with the number of rows and
    ``total`` as given. Whatever it raises ends the export, as does what ``requests`` raises.

    After ``rows_per_sheet`` rows, 1 to 1,048,575, it goes on in the next sheet, with a header of
    its own. Raises :class:`InvalidInput` with ``field="to"`` if it cannot be written there, and
    with ``field="rows_per_sheet"``.
    """
    if not 1 <= rows_per_sheet <= MOST_ROWS_PER_SHEET:
        raise InvalidInput(f"must be 1 to {MOST_ROWS_PER_SHEET:,}", field="rows_per_sheet")
    rows = iter(requests) if on_progress is None else _watched(requests, total, on_progress)
    with opened(to) as file:
        return _write_archive(file, rows, zone, rows_per_sheet)


def _watched(
    requests: Iterable[AbandonedRequest], total: int | None, on_progress: OnProgress
) -> Iterator[AbandonedRequest]:
    done = 0
    for done, request in enumerate(requests, start=1):
        yield request
        if done % _REPORTED_EVERY == 0:
            on_progress(done, total)
    if done % _REPORTED_EVERY or not done:
        on_progress(done, total)


def _write_archive(
    file: Outlet, rows: Iterator[AbandonedRequest], zone: ZoneInfo, rows_per_sheet: int
) -> int:
    # openpyxl is loaded by whoever exports, not by whoever imports this.
    from abandoned_booking.export._skeleton import FIRST_PARTS, build_skeleton, sheet_part

    skeleton = build_skeleton(zone, [1])
    write_row = row_writer(zone, skeleton.styles)
    head = (skeleton.head + header_row(skeleton.styles)).encode()
    last_rows: list[int] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as archive:
        for name in FIRST_PARTS:
            _write_part(archive, name, skeleton.parts[name])
        ahead = list(islice(rows, 1))
        while ahead or not last_rows:
            with archive.open(sheet_part(len(last_rows) + 1), "w") as sheet:
                sheet.write(head)
                sheet_rows = islice(chain(ahead, rows), rows_per_sheet)
                last_rows.append(_write_rows(sheet, sheet_rows, write_row))
                skeleton = build_skeleton(zone, last_rows)
                sheet.write(skeleton.tail.encode())
            ahead = list(islice(rows, 1))
        for name, part in skeleton.parts.items():
            if name not in FIRST_PARTS:
                _write_part(archive, name, part)
    return sum(last_rows) - len(last_rows)


def _write_part(archive: zipfile.ZipFile, name: str, part: bytes) -> None:
    # Not writestr(), which puts the clock of this machine into the archive.
    with archive.open(name, "w") as entry:
        entry.write(part)


def _write_rows(sheet: IO[bytes], rows: Iterator[AbandonedRequest], write_row: RowWriter) -> int:
    """Write rows until they, or the sheet's room, come to an end; return the last one's number."""
    number = 1
    written = held = 0
    batch: list[str] = []
    for number, request in enumerate(rows, start=2):
        row = write_row(number, values_of(request))
        batch.append(row)
        held += len(row)
        if held >= _BATCH:
            written += sheet.write("".join(batch).encode())
            batch.clear()
            held = 0
            if written >= _MOST_PER_SHEET:
                break
    sheet.write("".join(batch).encode())
    return number
