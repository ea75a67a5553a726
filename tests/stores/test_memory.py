"""The memory store keeps every line of the contracts."""

from __future__ import annotations

import pytest

from abandoned_booking.ports import PhoneLedger, RequestStore, SettingsStore, SuppressionList
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import (
    PhoneLedgerContract,
    RequestStoreContract,
    SettingsStoreContract,
    SuppressionListContract,
)


class TestRequests(RequestStoreContract):
    @pytest.fixture
    def store(self) -> RequestStore:
        return MemoryStore()


class TestSettings(SettingsStoreContract):
    @pytest.fixture
    def settings(self) -> SettingsStore:
        return MemoryStore().settings


class TestSuppressions(SuppressionListContract):
    @pytest.fixture
    def suppressions(self) -> SuppressionList:
        return MemoryStore().suppressions


class TestLedger(PhoneLedgerContract):
    @pytest.fixture
    def ledger(self) -> PhoneLedger:
        return MemoryStore().ledger
