"""The doors over one business, with a clock that jumps from each instant to the next.

What happens is planned as actions at instants; between them the sweep runs whenever something is
due, at that very instant and not a tick later. Everything is done in memory and put into the
host's store at the end, so that a simulation never touches another business, and never waits for a
disk.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import Final, Protocol, TypeAlias

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.errors import ConcurrentUpdate
from abandoned_booking.ports import (
    ClientDirectory,
    PhoneLedger,
    RequestStore,
    ServiceCatalogue,
    SettingsStore,
    SuppressionList,
)
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import FakeClock, RecordingSmsGateway
from abandoned_booking.wiring import AbandonedBookings

__all__ = ["Simulation", "WatchedStore", "WholeStore"]

OnProgress: TypeAlias = Callable[[int, int], None]

_TOLD_EVERY: Final = 100


class WholeStore(RequestStore, Protocol):
    """A store that brings the three other storage ports along, as the shipped ones do."""

    @property
    def settings(self) -> SettingsStore:
        """Where the settings live."""

    @property
    def suppressions(self) -> SuppressionList:
        """Who must not be texted."""

    @property
    def ledger(self) -> PhoneLedger:
        """When each phone was last promised a message."""


class WatchedStore(MemoryStore):
    """A memory store that knows when the sweep must look next."""

    def __init__(self) -> None:
        super().__init__()
        self._agenda: list[tuple[datetime, str]] = []
        self._next: dict[str, datetime | None] = {}

    def add(self, request: AbandonedRequest) -> bool:
        added = super().add(request)
        if added:
            self._watch(request)
        return added

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        saved = super().save(request, expected_version=expected_version)
        if saved:
            self._watch(request)
        return saved

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        claimed = super().claim_due(now=now, until=until, limit=limit)
        for request in claimed:
            self._watch(request)
        return claimed

    def next_due_at(self) -> datetime | None:
        """The earliest instant at which a request is due; ``None`` if none is."""
        while self._agenda:
            at, request_id = self._agenda[0]
            if self._next[request_id] == at:
                return at
            heapq.heappop(self._agenda)  # it has been moved since
        return None

    def _watch(self, request: AbandonedRequest) -> None:
        at = request.next_action_at
        if at is not None and self._next.get(request.id) != at:
            heapq.heappush(self._agenda, (at, request.id))
        self._next[request.id] = at


class Simulation:
    """One business, its doors, a simulated clock and a gateway that only remembers.

    ``store`` is where the business lives: its requests are copied from there at the beginning and
    put back by :meth:`put_back`; its opt-outs and phone reservations are asked and kept there.
    Without one everything is in memory. ``gateway`` answers for the carrier, ``clients`` and
    ``catalogue`` for the host.
    """

    def __init__(
        self,
        settings: BusinessSettings,
        *,
        store: WholeStore | None = None,
        gateway: RecordingSmsGateway | None = None,
        clients: ClientDirectory | None = None,
        catalogue: ServiceCatalogue | None = None,
    ) -> None:
        self.settings = settings
        self.clock = FakeClock()
        self.gateway = gateway or RecordingSmsGateway()
        self._target = store
        self._at_hand = WatchedStore()
        self._at_hand.settings.put(settings)
        self._versions = dict(self._copied(store))
        self._actions: list[tuple[datetime, int, Callable[[], object]]] = []
        self._order = count()
        self.bookings = AbandonedBookings(
            self._at_hand,
            sms=self.gateway,
            clients=clients,
            catalogue=catalogue,
            clock=self.clock,
            suppressions=store.suppressions if store else None,
            ledger=store.ledger if store else None,
            send_threads=1,  # the same order in every run
        )

    def _copied(self, store: WholeStore | None) -> Iterator[tuple[str, int]]:
        if store is not None:
            for request in store.stream(self.settings.business_id):
                self._at_hand.add(request)
                yield request.id, request.version

    def requests(self) -> Iterator[AbandonedRequest]:
        """Every request of the business as it is now."""
        return self._at_hand.stream(self.settings.business_id)

    def plan(self, at: datetime, action: Callable[[], object]) -> None:
        """Do ``action`` at that instant; what is planned for one instant is done in this order."""
        at = as_utc(at, field="at")
        heapq.heappush(self._actions, (at, next(self._order), action))

    def run(self, *, until: datetime, on_progress: OnProgress | None = None) -> None:
        """Move the clock on to ``until``, doing what is planned and sweeping what is due.

        Both up to and including ``until``. At one instant actions come before the sweep: whoever is
        active at the very moment when a message is due does not get it.
        """
        done, now = 0, None
        while True:
            action_at = self._actions[0][0] if self._actions else None
            due_at = self._at_hand.next_due_at()
            at = min((instant for instant in (action_at, due_at) if instant), default=None)
            if at is None or at > until:
                break
            # What falls due in the past (the staff took a call back) is swept at once.
            now = at if now is None else max(at, now)
            self.clock.set(now)
            if at == action_at:
                heapq.heappop(self._actions)[-1]()
                done += 1
                _tell(on_progress, done, done + len(self._actions))
            else:
                self._sweep()
        self.clock.set(until)

    def _sweep(self) -> None:
        report = self.bookings.sweep.run_once()
        if report.errors or not report.claimed:
            # It would be due again and again.
            raise RuntimeError("a sweep of the simulation failed")

    def put_back(self, *, on_progress: OnProgress | None = None) -> None:
        """Write what has changed into the store: the settings if it has none, and the requests.

        Raises :class:`ConcurrentUpdate` if somebody else changed a request there meanwhile.
        """
        if self._target is None:
            return
        if self._target.settings.get(self.settings.business_id) is None:
            self._target.settings.put(self.settings)
        changed = [
            request
            for request in self.requests()
            if self._versions.get(request.id) != request.version
        ]
        for done, request in enumerate(changed, start=1):
            known = self._versions.get(request.id)
            if not (
                self._target.add(request)
                if known is None
                else self._target.save(request, expected_version=known)
            ):
                raise ConcurrentUpdate(request.id)
            _tell(on_progress, done, len(changed))


def _tell(on_progress: OnProgress | None, done: int, of: int) -> None:
    if on_progress is not None and (done % _TOLD_EVERY == 0 or done == of):
        on_progress(done, of)
