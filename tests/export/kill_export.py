"""An export that stops half-way and waits to be killed.

Usage: ``python kill_export.py TO``. Says ``half-way`` on standard output, then waits for its input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.export import write_workbook
from abandoned_booking.testing import a_request


def half_of_them() -> Iterator[AbandonedRequest]:
    """Some megabytes of rows, and then silence."""
    for n in range(3_000):
        yield a_request(id=f"r{n}")
    print("half-way", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    write_workbook(half_of_them(), sys.argv[1], zone=ZoneInfo("America/New_York"))
