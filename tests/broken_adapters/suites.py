"""One test class for each broken adapter; run by ``test_broken_adapters.py``, not by itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType

import pytest
from broken_adapters import emails, others, stores

from abandoned_booking import testing
from abandoned_booking.stores.memory import (
    MemoryLedger,
    MemorySettings,
    MemoryStore,
    MemorySuppressions,
)
from abandoned_booking.testing.contracts import _tools

_tools.waits_for_another_thread = timedelta(seconds=0.3)

_CONTRACTS: dict[type, tuple[type, str]] = {
    MemoryStore: (testing.RequestStoreContract, "store"),
    MemoryLedger: (testing.PhoneLedgerContract, "ledger"),
    MemorySuppressions: (testing.SuppressionListContract, "suppressions"),
    MemorySettings: (testing.SettingsStoreContract, "settings"),
    testing.RecordingSmsGateway: (testing.SmsGatewayContract, "gateway"),
    testing.RecordingEmailGateway: (testing.EmailGatewayContract, "email_gateway"),
}


def _adapters(module: ModuleType) -> Iterator[type]:
    for name, adapter in vars(module).items():
        own = inspect.isclass(adapter) and adapter.__module__ == module.__name__
        if own and issubclass(adapter, tuple(_CONTRACTS)) and not name.startswith("_"):
            yield adapter


def _suite(adapter: type) -> type:
    sound = next(kind for kind in _CONTRACTS if issubclass(adapter, kind))
    contract, fixture = _CONTRACTS[sound]

    def given(self: object) -> object:
        return adapter()

    return type(f"Test{adapter.__name__}", (contract,), {fixture: pytest.fixture(given)})


for _adapter in (*_adapters(stores), *_adapters(others), *_adapters(emails)):
    globals()[f"Test{_adapter.__name__}"] = _suite(_adapter)
