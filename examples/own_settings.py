"""A platform keeps its businesses' settings itself; everything else is left to the shipped store.

Any of the four storage ports may be the host's own. This one stands on a table that the platform
has anyway; the suite of its port proves it, and a check-up looks at the whole wiring.

Run it as a script: it needs the extra ``[testing]``.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from abandoned_booking import AbandonedBookings, BusinessSettings
from abandoned_booking.core.codec import settings_from_dict, settings_to_dict
from abandoned_booking.ports import SettingsStore
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import SettingsStoreContract
from abandoned_booking.testing.checkup import Level, check_up


class OwnSettings:
    """A ``SettingsStore`` on the platform's own table of businesses."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._connected()) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS businesses (id TEXT PRIMARY KEY, recovery TEXT)"
            )

    def _connected(self) -> sqlite3.Connection:
        # Without transactions of its own making: each statement is durable when it returns.
        return sqlite3.connect(self._path, timeout=30, isolation_level=None)

    def get(self, business_id: str) -> BusinessSettings | None:
        query = "SELECT recovery FROM businesses WHERE id = ?"
        with closing(self._connected()) as database:
            row = database.execute(query, (business_id,)).fetchone()
        return None if row is None else settings_from_dict(json.loads(row[0]))

    def put(self, settings: BusinessSettings) -> None:
        row = (settings.business_id, json.dumps(settings_to_dict(settings)))
        with closing(self._connected()) as database:
            database.execute(
                "INSERT INTO businesses VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET recovery = excluded.recovery",
                row,
            )


class TestOwnSettings(SettingsStoreContract):
    """All that the port promises: generated settings, races, other processes, sudden deaths."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> SettingsStore:
        return OwnSettings(tmp_path / "platform.db")

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> partial[OwnSettings]:
        return partial(OwnSettings, tmp_path / "platform.db")


def main() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    subprocess.run(command, check=True)  # raises if the contract is not kept
    with tempfile.TemporaryDirectory() as name, SqliteStore(Path(name, "bookings.db")) as store:
        bookings = AbandonedBookings(
            store,
            settings=OwnSettings(Path(name, "platform.db")),
            secret=b"32 random bytes of your own here",
        )
        bookings.settings.put(BusinessSettings(business_id="paws", name="Paws & Co"))
        found = check_up(bookings, businesses=["paws"], write=True)
        for finding in found.findings:
            print(f"{finding.level:8} {finding.about}: {finding.text}")
        assert not found.count(Level.PROBLEM)


if __name__ == "__main__":
    main()
