"""Nine o'clock: one business's whole crowd is due in one minute, and other businesses have theirs.

The real sweep on a real store. Only time is not real: it stands still but while the gateway sends,
as long for each text as its rate says, and when nothing is due. So an hour of a slow gateway takes
seconds, and what is measured does not hang on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from threading import Lock
from typing import Any, Final

import attrs
from scale.crowds import Crowd, fill

from abandoned_booking import (
    AbandonedBookings,
    AfterDelay,
    AtClockTime,
    BusinessSettings,
    RecoveryCampaign,
)
from abandoned_booking.core.model import Phone
from abandoned_booking.core.sending import attempt_id_of
from abandoned_booking.ports import Accepted, OutboundSms
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import FakeClock, a_request

__all__ = ["NINE", "Drained", "Rush"]

NINE: Final = datetime(2026, 1, 5, 14, tzinfo=UTC)
"""a Monday, 9 am in New York"""
_EVENING_BEFORE: Final = NINE - timedelta(hours=15)
_DELAY: Final = timedelta(hours=2)
_CROWD: Final = "chain"


class _Gateway:
    """Accepts everything, at its own pace."""

    def __init__(self, clock: FakeClock, each: timedelta) -> None:
        self.sent_at: dict[str, datetime] = {}
        self.twice: list[str] = []
        self._clock, self._each = clock, each
        self._lock = Lock()

    def send(self, message: OutboundSms, *, timeout: timedelta) -> Accepted:
        del timeout
        with self._lock:
            if message.attempt_id in self.sent_at:
                self.twice.append(message.attempt_id)
            at = self._clock.advance(seconds=self._each.total_seconds())
            self.sent_at[message.attempt_id] = at
        return Accepted(provider_id=message.attempt_id)


@attrs.frozen(kw_only=True)
class Drained:
    """How a rush went."""

    sent: int
    took: timedelta
    """from nine to the last text"""
    late: Sequence[timedelta]
    """how much later than due each text of another business went"""
    missing: int
    """texts of other businesses that never went"""


@attrs.frozen(kw_only=True)
class Rush:
    """``crowd`` texts at nine, and ``others``, one of a business each, due one after the other."""

    crowd: int
    others: int
    each: timedelta
    """what the gateway takes for a text"""
    workers: int = 2
    threads: int = 1
    """of each worker; with one, a rush is the same each time"""
    at_once: int = 1_000
    """what a run of a sweep is told to handle at most"""

    def fill(self, store: SqlAlchemyStore | SqliteStore) -> None:
        """Put the requests and the settings of all businesses into an empty store."""
        campaign = RecoveryCampaign(enabled=True, timing=AtClockTime(time(9)))
        left: dict[str, Any] = {
            "abandoned_at": _EVENING_BEFORE,
            "announced_at": _EVENING_BEFORE + timedelta(hours=1),
        }
        if isinstance(store, SqlAlchemyStore) and store._database.dialect == "postgresql":
            fill(store, [Crowd(business_id=_CROWD, number=self.crowd, due_at=NINE)], **left)
        else:
            for nth in range(self.crowd):
                name: dict[str, Any] = {
                    "business_id": _CROWD,
                    "id": f"{_CROWD}-{nth}",
                    "next_action_at": NINE,
                }
                assert store.add(a_request(phone=_phone(nth), **name, **left))
        store.settings.put(self._settings(_CROWD, campaign))
        after_delay = RecoveryCampaign(enabled=True, timing=AfterDelay(_DELAY))
        for nth in range(self.others):
            store.settings.put(self._settings(f"b{nth}", after_delay))
            left_at = self._due_at(nth) - _DELAY
            request = a_request(
                business_id=f"b{nth}",
                id=f"b{nth}",
                abandoned_at=left_at,
                announced_at=left_at + timedelta(hours=1),
                next_action_at=self._due_at(nth),
                phone=_phone(nth),
            )
            assert store.add(request)

    @staticmethod
    def _settings(business_id: str, campaign: RecoveryCampaign) -> BusinessSettings:
        return BusinessSettings(
            business_id=business_id,
            name="Paws & Co",
            timezone="America/New_York",
            campaign=campaign,
        )

    @property
    def _lasts(self) -> timedelta:
        return self.each * (self.crowd + self.others)

    def _due_at(self, nth: int) -> datetime:
        # While the crowd is being sent to, from its first text to the last but a few.
        return NINE + self._lasts * nth / (self.others + 1)

    def drain(self, new_store: Callable[[], SqlAlchemyStore | SqliteStore]) -> Drained:
        """Sweep from nine on, worker by worker, until nothing is left; each has its own store."""
        clock = FakeClock(NINE)
        gateway = _Gateway(clock, self.each)
        workers = [
            AbandonedBookings(new_store(), sms=gateway, clock=clock, send_threads=self.threads)
            for _ in range(self.workers)
        ]
        ends_at = NINE + 2 * self._lasts
        while len(gateway.sent_at) < self.crowd + self.others and clock.now() < ends_at:
            reports = [worker.sweep.run_once(limit=self.at_once) for worker in workers]
            if not any(report.claimed for report in reports):
                clock.advance(seconds=1)
        assert not gateway.twice
        return self._drained(gateway.sent_at)

    def _drained(self, sent_at: dict[str, datetime]) -> Drained:
        due_at = {attempt_id_of(f"b{nth}"): self._due_at(nth) for nth in range(self.others)}
        went = [sent_at[attempt] - due for attempt, due in due_at.items() if attempt in sent_at]
        return Drained(
            sent=len(sent_at),
            took=max(sent_at.values()) - NINE,
            late=sorted(went),
            missing=self.others - len(went),
        )


def _phone(nth: int) -> Phone:
    digits = f"646{nth:07}"
    return Phone(
        e164=f"+1{digits}",
        region="US",
        can_text=True,
        zones=("America/New_York",),
        national=digits,
    )
