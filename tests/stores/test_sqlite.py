"""The embedded store keeps every line of the contracts, with and without trigrams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from abandoned_booking.ports import PhoneLedger, RequestStore, SettingsStore, SuppressionList
from abandoned_booking.stores.sqlite import SqliteStore, _search
from abandoned_booking.testing import (
    PhoneLedgerContract,
    RequestStoreContract,
    SettingsStoreContract,
    SuppressionListContract,
    part_of,
)
from abandoned_booking.testing.contracts._listing import Listing


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "bookings.db") as store:
        yield store


class TestRequests(RequestStoreContract):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], object]:
        return partial(SqliteStore, tmp_path / "bookings.db")

    @pytest.fixture
    def store(self, sqlite: SqliteStore) -> RequestStore:
        return sqlite


class TestListingWithoutTrigrams(Listing):
    @pytest.fixture
    def store(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RequestStore]:
        monkeypatch.setattr(_search, "has_trigrams", lambda: False)
        with SqliteStore(tmp_path / "plain.db") as store:
            yield store


class TestSettings(SettingsStoreContract):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], object]:
        return part_of(partial(SqliteStore, tmp_path / "bookings.db"), "settings")

    @pytest.fixture
    def settings(self, sqlite: SqliteStore) -> SettingsStore:
        return sqlite.settings


class TestSuppressions(SuppressionListContract):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], object]:
        return part_of(partial(SqliteStore, tmp_path / "bookings.db"), "suppressions")

    @pytest.fixture
    def suppressions(self, sqlite: SqliteStore) -> SuppressionList:
        return sqlite.suppressions


class TestLedger(PhoneLedgerContract):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], object]:
        return part_of(partial(SqliteStore, tmp_path / "bookings.db"), "ledger")

    @pytest.fixture
    def ledger(self, sqlite: SqliteStore) -> PhoneLedger:
        return sqlite.ledger
