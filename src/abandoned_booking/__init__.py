"""Abandoned bookings: remember, list, contact and win back online bookings that were left.

``AbandonedBookings`` wires a store and the host's adapters; the rest are the values that cross.
Everything is loaded when it is first used, so that the import costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from abandoned_booking.core.campaign import (
        AfterDelay,
        AtClockTime,
        BusinessSettings,
        CompliancePolicy,
        Days,
        RecoveryCampaign,
    )
    from abandoned_booking.core.email import EmailDesign, EmailTone
    from abandoned_booking.core.flow import Booked, Left, Progress
    from abandoned_booking.core.listing import ListQuery, Sort
    from abandoned_booking.core.model import (
        AbandonedRequest,
        Address,
        BookingForm,
        CareType,
        Channel,
        ClientType,
        Person,
        Pet,
        Reason,
        Status,
        Step,
    )
    from abandoned_booking.core.retention import Retention
    from abandoned_booking.errors import AbandonedBookingError
    from abandoned_booking.ports import DeliveryReport, DeliveryState, InboundSms
    from abandoned_booking.wiring import AbandonedBookings

__all__ = [
    "AbandonedBookingError",
    "AbandonedBookings",
    "AbandonedRequest",
    "Address",
    "AfterDelay",
    "AtClockTime",
    "Booked",
    "BookingForm",
    "BusinessSettings",
    "CareType",
    "Channel",
    "ClientType",
    "CompliancePolicy",
    "Days",
    "DeliveryReport",
    "DeliveryState",
    "EmailDesign",
    "EmailTone",
    "InboundSms",
    "Left",
    "ListQuery",
    "Person",
    "Pet",
    "Progress",
    "Reason",
    "RecoveryCampaign",
    "Retention",
    "Sort",
    "Status",
    "Step",
]

_HOMES: Final = {
    "core.campaign": (
        "AfterDelay AtClockTime BusinessSettings CompliancePolicy Days RecoveryCampaign"
    ),
    "core.email": "EmailDesign EmailTone",
    "core.flow": "Booked Left Progress",
    "core.listing": "ListQuery Sort",
    "core.model": (
        "AbandonedRequest Address BookingForm CareType Channel ClientType Person Pet Reason "
        "Status Step"
    ),
    "core.retention": "Retention",
    "errors": "AbandonedBookingError",
    "ports": "DeliveryReport DeliveryState InboundSms",
    "wiring": "AbandonedBookings",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("abandoned-booking")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
