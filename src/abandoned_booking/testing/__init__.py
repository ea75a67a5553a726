"""The kit for hosts: contract suites for adapters, fakes, a request factory, hypothesis strategies.

A host proves its own adapter by subclassing a suite and giving it one fixture::

    from functools import partial

    from abandoned_booking.testing import RequestStoreContract

    class TestMyStore(RequestStoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path / "bookings")            # new and empty for each test

        @pytest.fixture
        def reopen(self, tmp_path):
            return partial(MyStore, tmp_path / "bookings")   # the same data, from any process

=================================  ==================  ==========================================
suite                              fixture             is
=================================  ==================  ==========================================
:class:`RequestStoreContract`      ``store``           a new, empty ``RequestStore``
:class:`SettingsStoreContract`     ``settings``        a new, empty ``SettingsStore``
:class:`SuppressionListContract`   ``suppressions``    a new, empty ``SuppressionList``
:class:`PhoneLedgerContract`       ``ledger``          a new, empty ``PhoneLedger``
:class:`CreditLedgerContract`      ``credits``         a new ``CreditLedger``: 10 at ``paws``, 3 at
                                                       ``claws``
:class:`ClientDirectoryContract`   ``clients``         a new ``ClientDirectory`` with two clients,
                                                       who may not book everything
:class:`LeadDirectoryContract`     ``leads``           a new, empty ``LeadDirectory``
:class:`AppointmentBookContract`   ``appointments``    a new, empty ``AppointmentBook``
:class:`ServiceCatalogueContract`  ``catalogue``       a ``ServiceCatalogue``
:class:`ConsentRegisterContract`   ``consents``        a ``ConsentRegister`` with one consent
:class:`ClockContract`             ``clock``           a ``Clock``
:class:`SmsGatewayContract`        ``gateway``         an ``SmsGateway`` that reaches no real phone
:class:`EmailGatewayContract`      ``email_gateway``   an ``EmailGateway`` that reaches no mailbox
=================================  ==================  ==========================================

The docstring of each suite says what its fixture must be prepared with, and what else a host may
give. What a suite cannot test is skipped, and the reason names what is missing:

- *Another process.* Suites of what keeps data have a second fixture, ``reopen``: a callable without
  arguments that opens the same data again, there or in another process, so it is a function of a
  module, a class, or :func:`functools.partial` of one. With it come a second connection, races of
  several processes, and kills in the middle of writes. What has a ``close`` is closed. Where a
  store brings ``settings``, ``suppressions`` and ``ledger`` along, :func:`part_of` opens one.
- *An ability.* Every ``Supports…`` protocol that an adapter has is tested: ``SupportsBatchSaves``,
  ``SupportsFairClaims``, ``SupportsPersonSearch``, ``SupportsExpiry``, ``SupportsErasure`` and
  ``SupportsTally`` of a store, ``SupportsLookup`` of a gateway, ``SupportsOpenSlots`` of an
  appointment book.

How many values the generated tests try is the hypothesis profile that is loaded when the suites are
first imported. :class:`RequestStoreMachine`, any sequence of calls on a store and on the memory
store beside it, is part of :class:`RequestStoreContract`.

:class:`FakeClock`, :class:`MemoryCreditLedger`, :class:`MemoryClientDirectory`,
:class:`MemoryLeadDirectory`, :class:`MemoryAppointmentBook`, :class:`MemoryServiceCatalogue`,
:class:`MemoryConsentRegister`, :class:`RecordingSmsGateway`, :class:`RecordingEmailGateway` and
:func:`a_request` need nothing else. The suites and the strategies need pytest and
hypothesis: ``pip install 'abandoned-booking[testing]'``. Everything is loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from abandoned_booking.testing._worker import part_of
    from abandoned_booking.testing.clock import FakeClock
    from abandoned_booking.testing.contracts._machine import RequestStoreMachine
    from abandoned_booking.testing.contracts.appointments import AppointmentBookContract
    from abandoned_booking.testing.contracts.catalogue import ServiceCatalogueContract
    from abandoned_booking.testing.contracts.clients import ClientDirectoryContract
    from abandoned_booking.testing.contracts.clock import ClockContract
    from abandoned_booking.testing.contracts.consents import ConsentRegisterContract
    from abandoned_booking.testing.contracts.credits import CreditLedgerContract
    from abandoned_booking.testing.contracts.email import EmailGatewayContract
    from abandoned_booking.testing.contracts.gateway import SmsGatewayContract
    from abandoned_booking.testing.contracts.leads import LeadDirectoryContract
    from abandoned_booking.testing.contracts.ledger import PhoneLedgerContract
    from abandoned_booking.testing.contracts.requests import RequestStoreContract
    from abandoned_booking.testing.contracts.settings import SettingsStoreContract
    from abandoned_booking.testing.contracts.suppressions import SuppressionListContract
    from abandoned_booking.testing.credits import MemoryCreditLedger
    from abandoned_booking.testing.factory import a_request
    from abandoned_booking.testing.gateway import RecordingEmailGateway, RecordingSmsGateway
    from abandoned_booking.testing.registers import (
        MemoryAppointmentBook,
        MemoryClientDirectory,
        MemoryConsentRegister,
        MemoryLeadDirectory,
        MemoryServiceCatalogue,
        TimeTaken,
    )
    from abandoned_booking.testing.strategies import (
        campaigns,
        crowds,
        forms,
        instants,
        people,
        phones,
        queries,
        requests,
        settings,
    )

__all__ = [
    "AppointmentBookContract",
    "ClientDirectoryContract",
    "ClockContract",
    "ConsentRegisterContract",
    "CreditLedgerContract",
    "EmailGatewayContract",
    "FakeClock",
    "LeadDirectoryContract",
    "MemoryAppointmentBook",
    "MemoryClientDirectory",
    "MemoryConsentRegister",
    "MemoryCreditLedger",
    "MemoryLeadDirectory",
    "MemoryServiceCatalogue",
    "PhoneLedgerContract",
    "RecordingEmailGateway",
    "RecordingSmsGateway",
    "RequestStoreContract",
    "RequestStoreMachine",
    "ServiceCatalogueContract",
    "SettingsStoreContract",
    "SmsGatewayContract",
    "SuppressionListContract",
    "TimeTaken",
    "a_request",
    "campaigns",
    "crowds",
    "forms",
    "instants",
    "part_of",
    "people",
    "phones",
    "queries",
    "requests",
    "settings",
]

_HERE: Final = "abandoned_booking.testing"
_FOUND_IN: Final = {
    "AppointmentBookContract": f"{_HERE}.contracts.appointments",
    "ClientDirectoryContract": f"{_HERE}.contracts.clients",
    "ClockContract": f"{_HERE}.contracts.clock",
    "ConsentRegisterContract": f"{_HERE}.contracts.consents",
    "CreditLedgerContract": f"{_HERE}.contracts.credits",
    "EmailGatewayContract": f"{_HERE}.contracts.email",
    "FakeClock": f"{_HERE}.clock",
    "LeadDirectoryContract": f"{_HERE}.contracts.leads",
    "MemoryAppointmentBook": f"{_HERE}.registers",
    "MemoryClientDirectory": f"{_HERE}.registers",
    "MemoryConsentRegister": f"{_HERE}.registers",
    "MemoryCreditLedger": f"{_HERE}.credits",
    "MemoryLeadDirectory": f"{_HERE}.registers",
    "MemoryServiceCatalogue": f"{_HERE}.registers",
    "PhoneLedgerContract": f"{_HERE}.contracts.ledger",
    "RecordingEmailGateway": f"{_HERE}.gateway",
    "RecordingSmsGateway": f"{_HERE}.gateway",
    "RequestStoreContract": f"{_HERE}.contracts.requests",
    "RequestStoreMachine": f"{_HERE}.contracts._machine",
    "ServiceCatalogueContract": f"{_HERE}.contracts.catalogue",
    "SettingsStoreContract": f"{_HERE}.contracts.settings",
    "SmsGatewayContract": f"{_HERE}.contracts.gateway",
    "SuppressionListContract": f"{_HERE}.contracts.suppressions",
    "TimeTaken": f"{_HERE}.registers",
    "a_request": f"{_HERE}.factory",
    "part_of": f"{_HERE}._worker",
}


def __getattr__(name: str) -> Any:
    # Nothing is loaded before it is used: pytest finds this package in every environment of a host.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_FOUND_IN.get(name, f"{_HERE}.strategies")), name)
    except ModuleNotFoundError as error:
        if error.name not in {"hypothesis", "pytest"}:
            raise
        raise ImportError(
            f"{name} needs {error.name}; pip install 'abandoned-booking[testing]'"
        ) from error
