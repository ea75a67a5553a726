"""The composition root: what is missing is named once, in one readable error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from abandoned_booking import AbandonedBookings, BusinessSettings
from abandoned_booking.errors import InvalidSettings, MissingPart, UnknownBusiness
from abandoned_booking.gateways.console import ConsoleSmsGateway
from abandoned_booking.ports import Accepted, InboundSms, OutboundSms
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.wiring import SystemClock


def test_everything_that_is_missing_is_named_at_once() -> None:
    class HalfAStore:
        def get(self) -> None: ...

    with pytest.raises(MissingPart) as caught:
        AbandonedBookings(HalfAStore(), sms=object(), clock=object())  # type: ignore[arg-type]
    said = str(caught.value)
    for part in (
        "store (HalfAStore) lacks add, latest_of_session",
        "settings is missing; give settings=<a SettingsStore>",
        "suppressions is missing",
        "ledger is missing",
        "sms (object) lacks send of SmsGateway",
        "clock (object) lacks now of Clock",
    ):
        assert part in said
    assert caught.value.part == "store"


def test_a_part_of_ones_own_stands_in_for_the_stores() -> None:
    mine = MemoryStore()
    bookings = AbandonedBookings(MemoryStore(), settings=mine.settings)
    bookings.settings.put(BusinessSettings(business_id="paws", name="Paws"))
    assert mine.settings.get("paws") is not None


def test_a_part_of_ones_own_counts_also_while_it_is_empty() -> None:
    class Mine:
        def __init__(self) -> None:
            self.keys: set[str] = set()

        def __len__(self) -> int:
            return len(self.keys)

        def add(self, business_id: str, key: str) -> None:
            self.keys.add(f"{business_id} {key}")

        def remove(self, business_id: str, key: str) -> None:
            self.keys.discard(f"{business_id} {key}")

        def contains(self, business_id: str, key: str) -> bool:
            return f"{business_id} {key}" in self.keys

    mine = Mine()
    bookings = AbandonedBookings(MemoryStore(), suppressions=mine)
    bookings.settings.put(BusinessSettings(business_id="paws", name="Paws"))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    bookings.inbound.reply(InboundSms(business_id="paws", phone="+12125550199", body="STOP", at=at))
    assert len(mine) == 1


def test_settings_that_were_never_put_are_asked_for() -> None:
    with pytest.raises(UnknownBusiness, match=r"settings\.put"):
        AbandonedBookings(MemoryStore()).settings.get("paws")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"secret": b""}, "secret"),
        ({"secret": "text"}, "secret"),
        ({"send_threads": 0}, "send_threads"),
        ({"send_timeout": timedelta(0)}, "send_timeout"),
    ],
)
def test_numbers_out_of_bounds_name_their_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        AbandonedBookings(MemoryStore(), **given)
    assert caught.value.field == field


def test_the_machines_clock_is_aware() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_the_console_gateway_prints_and_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    message = OutboundSms(attempt_id="r.m", business_id="paws", to="+12125550199", body="Hi Ann")
    result = ConsoleSmsGateway().send(message, timeout=timedelta(seconds=1))
    assert isinstance(result, Accepted)
    assert capsys.readouterr().out == "SMS to +12125550199: Hi Ann\n"
