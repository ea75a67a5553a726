"""The kit for hosts: contract suites for adapters, fakes, a request factory, hypothesis strategies.

A host proves its own adapter by subclassing a suite and giving it one fixture::

    from abandoned_booking.testing import RequestStoreContract

    class TestMyStore(RequestStoreContract):
        @pytest.fixture
        def store(self):
            return MyStore(...)          # new and empty for each test

================================  =================  ===========================================
suite                             fixture            is
================================  =================  ===========================================
:class:`RequestStoreContract`     ``store``          a new, empty ``RequestStore``
:class:`SettingsStoreContract`    ``settings``       a new, empty ``SettingsStore``
:class:`SuppressionListContract`  ``suppressions``   a new, empty ``SuppressionList``
:class:`PhoneLedgerContract`      ``ledger``         a new, empty ``PhoneLedger``
:class:`SmsGatewayContract`       ``gateway``        an ``SmsGateway`` that reaches no real phone
:class:`EmailGatewayContract`     ``email_gateway``  an ``EmailGateway`` that reaches no mailbox
================================  =================  ===========================================

:class:`FakeClock`, :class:`MemoryCreditLedger`, :class:`RecordingSmsGateway`,
:class:`RecordingEmailGateway` and
:func:`a_request` need nothing else. The suites and the strategies need pytest and
hypothesis: ``pip install 'abandoned-booking[testing]'``; they are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from abandoned_booking.testing.clock import FakeClock
from abandoned_booking.testing.credits import MemoryCreditLedger
from abandoned_booking.testing.factory import a_request
from abandoned_booking.testing.gateway import RecordingEmailGateway, RecordingSmsGateway

if TYPE_CHECKING:
    from abandoned_booking.testing.contracts.email import EmailGatewayContract
    from abandoned_booking.testing.contracts.gateway import SmsGatewayContract
    from abandoned_booking.testing.contracts.ledger import PhoneLedgerContract
    from abandoned_booking.testing.contracts.requests import RequestStoreContract
    from abandoned_booking.testing.contracts.settings import SettingsStoreContract
    from abandoned_booking.testing.contracts.suppressions import SuppressionListContract
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
    "EmailGatewayContract",
    "FakeClock",
    "MemoryCreditLedger",
    "PhoneLedgerContract",
    "RecordingEmailGateway",
    "RecordingSmsGateway",
    "RequestStoreContract",
    "SettingsStoreContract",
    "SmsGatewayContract",
    "SuppressionListContract",
    "a_request",
    "campaigns",
    "crowds",
    "forms",
    "instants",
    "people",
    "phones",
    "queries",
    "requests",
    "settings",
]

_STRATEGIES: Final = "abandoned_booking.testing.strategies"
_FOUND_IN: Final = {
    "RequestStoreContract": "abandoned_booking.testing.contracts.requests",
    "SettingsStoreContract": "abandoned_booking.testing.contracts.settings",
    "SuppressionListContract": "abandoned_booking.testing.contracts.suppressions",
    "PhoneLedgerContract": "abandoned_booking.testing.contracts.ledger",
    "SmsGatewayContract": "abandoned_booking.testing.contracts.gateway",
    "EmailGatewayContract": "abandoned_booking.testing.contracts.email",
    **dict.fromkeys(
        (name for name in __all__ if name.islower() and name != "a_request"), _STRATEGIES
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_FOUND_IN[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in {"hypothesis", "pytest"}:
            raise
        raise ImportError(
            f"{name} needs {error.name}; pip install 'abandoned-booking[testing]'"
        ) from error
