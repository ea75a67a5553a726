"""Stores in a file that are wrong in one way each, where only another process can see it.

Each is opened with a path, by several processes at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery, Page
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.stores.sqlite import SqliteStore

Change: TypeAlias = tuple[AbandonedRequest, int]

_WRITTEN_AT_ONCE = 50


def pause() -> None:
    """The moment between a check and its write, long enough for another process to be in it too."""
    threading.Event().wait(0.004)


class FileStore(SqliteStore):
    """The embedded store, with a way to write past its checks, and to write later."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, busy_timeout=timedelta(seconds=60))
        self._waiting: list[Callable[[], object]] = []

    def later(self, write: Callable[[], object]) -> None:
        """Written with others, when there are enough: what waits is lost with the process."""
        self._waiting.append(write)
        if len(self._waiting) >= _WRITTEN_AT_ONCE:
            while self._waiting:
                self._waiting.pop(0)()

    def overwrite(self, request: AbandonedRequest) -> None:
        """Put it there whatever is there."""
        stored = self.get(request.business_id, request.id)
        while stored is not None and not super().save(request, expected_version=stored.version):
            stored = self.get(request.business_id, request.id)
        with self._connections.writing() as connection:
            connection.execute(
                "UPDATE requests SET version = ? WHERE business_id = ? AND id = ?",
                (request.version, request.business_id, request.id),
            )

    def due(self, now: datetime) -> list[AbandonedRequest]:
        every = [r for business_id in self.businesses() for r in self.stream(business_id)]
        return [r for r in every if r.next_action_at is not None and r.next_action_at <= now]


def _claimed(request: AbandonedRequest, until: datetime) -> AbandonedRequest:
    return attrs.evolve(request, next_action_at=until, version=request.version + 1)


# ── what has returned is not there ──────────────────────────────────────────────────────────────


class AddsLater(FileStore):
    """Sees its own writes at once, and writes them by the fifty."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._added: dict[tuple[str, str], AbandonedRequest] = {}

    def add(self, request: AbandonedRequest) -> bool:
        key = (request.business_id, request.id)
        if self.get(*key) is not None:
            return False
        self._added[key] = request
        self.later(lambda: super(AddsLater, self).add(request))
        return True

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        known = self._added.get((business_id, request_id))
        return known or super().get(business_id, request_id)


class SavesLater(FileStore):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._saved: dict[tuple[str, str], AbandonedRequest] = {}

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        stored = self.get(request.business_id, request.id)
        if stored is None or stored.version != expected_version:
            return False
        saved = attrs.evolve(request, version=expected_version + 1)
        self._saved[request.business_id, request.id] = saved
        self.later(lambda: super(SavesLater, self).save(request, expected_version=expected_version))
        return True

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        known = self._saved.get((business_id, request_id))
        return known or super().get(business_id, request_id)


class SavesBatchesLater(SavesLater):
    """Each alone is durable; a batch is only promised."""

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        return FileStore.save(self, request, expected_version=expected_version)

    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        return [SavesLater.save(self, r, expected_version=version) for r, version in changes]


class HandsOutFromMemory(FileStore):
    """Remembers itself what it has handed out, and writes it down at leisure."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._turn = threading.Lock()
        self._handed_out: dict[tuple[str, str], AbandonedRequest] = {}

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self._turn:
            due = [r for r in self.due(now) if (r.business_id, r.id) not in self._handed_out]
            claimed = [_claimed(request, until) for request in due[:limit]]
            self._handed_out |= {(r.business_id, r.id): r for r in claimed}
            return claimed

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        known = self._handed_out.get((business_id, request_id))
        return known or super().get(business_id, request_id)


class HandsTurnsOutFromMemory(HandsOutFromMemory):
    """The same for the turns only."""

    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return HandsOutFromMemory.claim_due(self, now=now, until=until, limit=limit)

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return FileStore.claim_due(self, now=now, until=until, limit=limit)


# ── what is there is not whole ──────────────────────────────────────────────────────────────────


class AddsInTwoSteps(FileStore):
    """The row first, and what the visitor typed after it."""

    def add(self, request: AbandonedRequest) -> bool:
        row = attrs.evolve(request, form=attrs.evolve(request.form, note=None))
        if not super().add(row):
            return False
        pause()
        self.overwrite(request)
        return True


class SavesInTwoSteps(FileStore):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        row = attrs.evolve(request, contacts=())
        if not super().save(row, expected_version=expected_version):
            return False
        pause()
        self.overwrite(attrs.evolve(request, version=expected_version + 1))
        return True


class SavesBatchesInTwoSteps(FileStore):
    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        won = super().save_many([(attrs.evolve(r, contacts=()), v) for r, v in changes])
        pause()
        for (request, version), answer in zip(changes, won, strict=True):
            if answer:
                self.overwrite(attrs.evolve(request, version=version + 1))
        return won


class ClaimsInTwoSteps(FileStore):
    """Takes them out of the queue first, and moves the version on after that."""

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        claimed = super().claim_due(now=now, until=until, limit=limit)
        for request in claimed:
            self.overwrite(attrs.evolve(request, version=request.version - 1))
        pause()
        for request in claimed:
            self.overwrite(request)
        return claimed


class ListsBehind(FileStore):
    """The lists are of a copy, which is written after what they show."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._copy = SqliteStore(path.with_suffix(".copy"), busy_timeout=timedelta(seconds=60))

    def close(self) -> None:
        super().close()
        self._copy.close()

    def add(self, request: AbandonedRequest) -> bool:
        added = super().add(request)
        if added:
            pause()
            self._copy.add(request)
        return added

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        return self._copy.page(business_id, query, now=now)


# ── what others wrote is not seen ───────────────────────────────────────────────────────────────


class RemembersWhatItRead(FileStore):
    """A cache that its own writes go through, and nobody else's."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._read: dict[tuple[str, str], AbandonedRequest | None] = {}

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        key = (business_id, request_id)
        if key not in self._read:
            self._read[key] = super().get(*key)
        return self._read[key]

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        self._read.pop((request.business_id, request.id), None)
        return super().save(request, expected_version=expected_version)


class RemembersItsLists(FileStore):
    """Lists are kept until this process writes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._pages: dict[tuple[str, ListQuery], Page] = {}

    def add(self, request: AbandonedRequest) -> bool:
        self._pages.clear()
        return super().add(request)

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        self._pages.clear()
        return super().save(request, expected_version=expected_version)

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        key = (business_id, query)
        if key not in self._pages:
            self._pages[key] = super().page(business_id, query, now=now)
        return self._pages[key]


class ComparesWithWhatItWrote(FileStore):
    """Knows the version of what it has saved itself, and asks nobody."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._versions: dict[tuple[str, str], int] = {}

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        key = (request.business_id, request.id)
        if self._versions.get(key, expected_version) > expected_version:
            return False
        self.overwrite(attrs.evolve(request, version=expected_version + 1))
        self._versions[key] = expected_version + 1
        return self.get(*key) is not None


# ── a lock that other processes do not see ──────────────────────────────────────────────────────


class _LocksItsThreads(FileStore):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.turn = threading.RLock()


class ChecksThenAddsAlone(_LocksItsThreads):
    def add(self, request: AbandonedRequest) -> bool:
        with self.turn:
            if self.get(request.business_id, request.id) is not None:
                return False
            pause()
            if not super().add(request):
                self.overwrite(request)
            return True


class ChecksThenSavesAlone(_LocksItsThreads):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        with self.turn:
            stored = self.get(request.business_id, request.id)
            if stored is None or stored.version != expected_version:
                return False
            pause()
            self.overwrite(attrs.evolve(request, version=expected_version + 1))
            return True


class ChecksThenSavesBatchesAlone(_LocksItsThreads):
    def save_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        with self.turn:
            stored = [self.get(request.business_id, request.id) for request, _ in changes]
            pause()
            won = []
            for found, (request, version) in zip(stored, changes, strict=True):
                won.append(found is not None and found.version == version)
                if won[-1]:
                    self.overwrite(attrs.evolve(request, version=version + 1))
            return won


class SelectsThenClaimsAlone(_LocksItsThreads):
    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        with self.turn:
            claimed = [_claimed(request, until) for request in self.due(now)[:limit]]
            pause()
            for request in claimed:
                self.overwrite(request)
            return claimed


class SelectsThenTakesTurnsAlone(SelectsThenClaimsAlone):
    """The same for the turns only."""

    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return SelectsThenClaimsAlone.claim_due(self, now=now, until=until, limit=limit)

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return FileStore.claim_due(self, now=now, until=until, limit=limit)


# ── the three smaller ports ─────────────────────────────────────────────────────────────────────


class _Part:
    def __init__(self, path: Path) -> None:
        self._file = FileStore(path)

    def close(self) -> None:
        self._file.close()


class FileLedger(_Part):
    """The embedded ledger, opened by a path."""

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        return self._file.ledger.reserve(
            business_id, phone, owner=owner, at=at, not_within=not_within
        )

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        self._file.ledger.release(business_id, phone, owner=owner)


class ReservesLater(FileLedger):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._held: dict[tuple[str, str], str] = {}

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        if self._held.setdefault((business_id, phone), owner) != owner:
            return False

        def write() -> bool:
            return FileLedger.reserve(
                self, business_id, phone, owner=owner, at=at, not_within=not_within
            )

        self._file.later(write)
        return True


class ReleasesLater(FileLedger):
    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        self._file.later(lambda: FileLedger.release(self, business_id, phone, owner=owner))


class RemembersItsReservations(FileLedger):
    """Its own threads are told apart by a dictionary; what others release is not seen."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._held: dict[tuple[str, str], str] = {}

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        if self._held.get((business_id, phone), owner) != owner:
            return False
        won = super().reserve(business_id, phone, owner=owner, at=at, not_within=not_within)
        if won:
            self._held[business_id, phone] = owner
        return won

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        self._held.pop((business_id, phone), None)
        super().release(business_id, phone, owner=owner)


class ChecksThenReservesAlone(FileLedger):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._turn = threading.Lock()

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        with self._turn, self._file._connections.borrowed() as connection:
            row = connection.execute(
                "SELECT owner FROM reservations WHERE business_id = ? AND phone = ?",
                (business_id, phone),
            ).fetchone()
            if row is not None and row[0] != owner:
                return False
            pause()
            FileLedger.reserve(
                self, business_id, phone, owner=owner, at=at, not_within=timedelta(0)
            )
            return True


class FileSuppressions(_Part):
    """The embedded suppression list, opened by a path."""

    def add(self, business_id: str, key: str) -> None:
        self._file.suppressions.add(business_id, key)

    def remove(self, business_id: str, key: str) -> None:
        self._file.suppressions.remove(business_id, key)

    def contains(self, business_id: str, key: str) -> bool:
        return self._file.suppressions.contains(business_id, key)


class SuppressesLater(FileSuppressions):
    def add(self, business_id: str, key: str) -> None:
        self._file.later(lambda: FileSuppressions.add(self, business_id, key))


class LiftsLater(FileSuppressions):
    def remove(self, business_id: str, key: str) -> None:
        self._file.later(lambda: FileSuppressions.remove(self, business_id, key))


class RemembersWhoIsSuppressed(FileSuppressions):
    """A set that its own writes go through, and nobody else's."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._known: dict[tuple[str, str], bool] = {}

    def add(self, business_id: str, key: str) -> None:
        self._known[business_id, key] = True
        super().add(business_id, key)

    def remove(self, business_id: str, key: str) -> None:
        self._known[business_id, key] = False
        super().remove(business_id, key)

    def contains(self, business_id: str, key: str) -> bool:
        if (business_id, key) not in self._known:
            self._known[business_id, key] = super().contains(business_id, key)
        return self._known[business_id, key]


class FileSettings(_Part):
    """The embedded settings, opened by a path."""

    def get(self, business_id: str) -> BusinessSettings | None:
        return self._file.settings.get(business_id)

    def put(self, settings: BusinessSettings) -> None:
        self._file.settings.put(settings)


class PutsLater(FileSettings):
    def put(self, settings: BusinessSettings) -> None:
        self._file.later(lambda: FileSettings.put(self, settings))


class RemembersSettings(FileSettings):
    """Settings are kept for as long as this process does not put any."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._known: dict[str, BusinessSettings | None] = {}

    def get(self, business_id: str) -> BusinessSettings | None:
        if business_id not in self._known:
            self._known[business_id] = super().get(business_id)
        return self._known[business_id]

    def put(self, settings: BusinessSettings) -> None:
        self._known.pop(settings.business_id, None)
        super().put(settings)


class PutsInTwoSteps(FileSettings):
    def put(self, settings: BusinessSettings) -> None:
        super().put(attrs.evolve(settings, booking_url=None))
        pause()
        super().put(settings)
