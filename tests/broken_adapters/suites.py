"""One test class for each broken adapter; run by ``test_broken_adapters.py``, not by itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
from broken_adapters import (
    capabilities,
    durable,
    emails,
    finding,
    others,
    registers,
    stores,
    writing,
)
from kit.file_registers import FileCalendar, FileClients, FileCredits, FileLeads

from abandoned_booking import testing
from abandoned_booking.core.model import BookingForm, Person, Pet
from abandoned_booking.ports import ClientDraft, Slot
from abandoned_booking.stores.memory import (
    MemoryLedger,
    MemorySettings,
    MemoryStore,
    MemorySuppressions,
)

_SLOTS = tuple(Slot(at=datetime(2031, 6, 2, 12 + hour, tzinfo=UTC)) for hour in range(8))


def _in_memory(kind: Callable[..., Any], path: Path) -> Any:
    del path
    return kind()


def _in_a_file(kind: Callable[..., Any], path: Path) -> Any:
    return kind(path)


def _with_two_clients(clients: Any) -> Any:
    suite = testing.ClientDirectoryContract
    for phone, care_type in (
        (suite.blocked_phone, None),
        (suite.partly_blocked_phone, suite.blocked_care_type),
    ):
        draft = ClientDraft(person=Person(), form=BookingForm(), phone=phone)
        clients.block("paws", clients.create("paws", draft, key=phone), care_type)
    return clients


def _with_credits(credits: Any) -> Any:
    credits.top_up("paws", 10)
    credits.top_up("claws", 3)
    return credits


def _with_a_consent(consents: Any) -> Any:
    consents.give("paws", testing.ConsentRegisterContract.consented_phone)
    return consents


@attrs.frozen
class _Subject:
    """Which suite a kind of adapter is run under, and how it is prepared for it."""

    contract: type
    fixture: str
    made: Callable[[Callable[..., Any], Path], Any] = _in_memory
    more: dict[str, Any] = attrs.field(factory=dict)


def _listed_by(fixture: str, method: str) -> dict[str, Any]:
    def ids(self: object, request: pytest.FixtureRequest) -> Any:
        return getattr(request.getfixturevalue(fixture), method)

    return {f"{fixture.removesuffix('s')}_ids": pytest.fixture(ids)}


_FORMS = {
    "fitting": BookingForm(pets=(Pet(name="Rex", species="dog"),)),
    "unfitting": BookingForm(pets=(Pet(name="Iggy", species="iguana"),)),
}
_SUBJECTS: dict[type, _Subject] = {
    MemoryStore: _Subject(testing.RequestStoreContract, "store"),
    MemoryLedger: _Subject(testing.PhoneLedgerContract, "ledger"),
    MemorySuppressions: _Subject(testing.SuppressionListContract, "suppressions"),
    MemorySettings: _Subject(testing.SettingsStoreContract, "settings"),
    testing.RecordingSmsGateway: _Subject(testing.SmsGatewayContract, "gateway"),
    testing.RecordingEmailGateway: _Subject(testing.EmailGatewayContract, "email_gateway"),
    testing.FakeClock: _Subject(testing.ClockContract, "clock"),
    testing.MemoryClientDirectory: _Subject(
        testing.ClientDirectoryContract, "clients", lambda kind, _: _with_two_clients(kind())
    ),
    testing.MemoryLeadDirectory: _Subject(
        testing.LeadDirectoryContract, "leads", more=_listed_by("leads", "leads")
    ),
    testing.MemoryAppointmentBook: _Subject(
        testing.AppointmentBookContract,
        "appointments",
        lambda kind, _: kind(_SLOTS),
        _listed_by("appointments", "appointments"),
    ),
    testing.MemoryServiceCatalogue: _Subject(
        testing.ServiceCatalogueContract,
        "catalogue",
        lambda kind, _: kind({"paws": frozenset({"dog"})}),
        _FORMS,
    ),
    testing.MemoryConsentRegister: _Subject(
        testing.ConsentRegisterContract, "consents", lambda kind, _: _with_a_consent(kind())
    ),
    testing.MemoryCreditLedger: _Subject(
        testing.CreditLedgerContract, "credits", lambda kind, _: _with_credits(kind())
    ),
    durable.FileStore: _Subject(testing.RequestStoreContract, "store", _in_a_file),
    durable.FileLedger: _Subject(testing.PhoneLedgerContract, "ledger", _in_a_file),
    durable.FileSuppressions: _Subject(testing.SuppressionListContract, "suppressions", _in_a_file),
    durable.FileSettings: _Subject(testing.SettingsStoreContract, "settings", _in_a_file),
    FileClients: _Subject(
        testing.ClientDirectoryContract,
        "clients",
        lambda kind, path: _with_two_clients(kind(path)),
    ),
    FileLeads: _Subject(testing.LeadDirectoryContract, "leads", _in_a_file),
    FileCalendar: _Subject(testing.AppointmentBookContract, "appointments", _in_a_file),
    FileCredits: _Subject(
        testing.CreditLedgerContract, "credits", lambda kind, path: _with_credits(kind(path))
    ),
}
_ON_FILE = (
    *(durable.FileStore, durable.FileLedger, durable.FileSuppressions, durable.FileSettings),
    *(FileClients, FileLeads, FileCalendar, FileCredits),
)


def _adapters(module: ModuleType) -> Iterator[type]:
    for name, adapter in vars(module).items():
        own = inspect.isclass(adapter) and adapter.__module__ == module.__name__
        if own and issubclass(adapter, tuple(_SUBJECTS)) and not name.startswith("_"):
            yield adapter


def _suite(adapter: type) -> type:
    subject = _SUBJECTS[next(kind for kind in _SUBJECTS if issubclass(adapter, kind))]

    def given(self: object, tmp_path: Path) -> Iterator[object]:
        made = subject.made(adapter, tmp_path / "broken.db")
        yield made
        if hasattr(made, "close"):
            made.close()

    def reopen(self: object, tmp_path: Path) -> Callable[[], object]:
        return partial(adapter, tmp_path / "broken.db")

    fixtures = {subject.fixture: pytest.fixture(given), **subject.more}
    if issubclass(adapter, _ON_FILE):
        fixtures["reopen"] = pytest.fixture(reopen)
    return type(f"Test{adapter.__name__}", (subject.contract,), fixtures)


for _module in (stores, capabilities, finding, writing, others, emails, registers, durable):
    for _adapter in _adapters(_module):
        globals()[f"Test{_adapter.__name__}"] = _suite(_adapter)
