"""Ledgers, suppression lists, settings stores and gateways that are wrong in one way each."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import cast

import attrs
from broken_adapters.stores import Gap

from abandoned_booking.core.campaign import BusinessSettings, CompliancePolicy
from abandoned_booking.ports import (
    Accepted,
    Found,
    LookupResult,
    OutboundSms,
    Rejected,
    SendResult,
    Unknown,
)
from abandoned_booking.stores.memory import MemoryLedger, MemorySettings, MemorySuppressions
from abandoned_booking.testing import RecordingSmsGateway

_INSTANT = timedelta(microseconds=1)


class ForgetsTheOwner(MemoryLedger):
    """Gives a reservation back to whoever asks."""

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        holder, _ = self._reserved.get((business_id, phone), (owner, None))
        super().release(business_id, phone, owner=holder)


class RefusesTheSameOwner(MemoryLedger):
    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        holder, reserved_at = self._reserved.get((business_id, phone), (None, None))
        if holder == owner and reserved_at is not None and at - reserved_at < not_within:
            return False
        return super().reserve(business_id, phone, owner=owner, at=at, not_within=not_within)


class ReservesTooLate(MemoryLedger):
    """*More* than the time where the contract says *that or more*."""

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        longer = not_within + _INSTANT
        return super().reserve(business_id, phone, owner=owner, at=at, not_within=longer)


class ForgetsTheFuture(MemoryLedger):
    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        _, reserved_at = self._reserved.get((business_id, phone), (None, at))
        if reserved_at > at:
            del self._reserved[business_id, phone]
        return super().reserve(business_id, phone, owner=owner, at=at, not_within=not_within)


class MovesTheTimeWhenRefused(MemoryLedger):
    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        if super().reserve(business_id, phone, owner=owner, at=at, not_within=not_within):
            return True
        holder, _ = self._reserved[business_id, phone]
        self._reserved[business_id, phone] = (holder, at)
        return False


class ChecksThenReserves(MemoryLedger):
    def __init__(self) -> None:
        super().__init__()
        self._gap = Gap()

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        holder, reserved_at = self._reserved.get((business_id, phone), (owner, at))
        if holder != owner and at - reserved_at < not_within:
            return False
        self._gap.wait()
        self._reserved[business_id, phone] = (owner, at)
        return True


class SharesTheLedger(MemoryLedger):
    """One ledger for all businesses."""

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        return super().reserve("", phone, owner=owner, at=at, not_within=not_within)

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        super().release("", phone, owner=owner)


class ReservesForEverybody(MemoryLedger):
    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        super().reserve(business_id, phone, owner=owner, at=at, not_within=not_within)
        return True


class RemembersNotWithin(MemoryLedger):
    """Writes down until when the phone is taken, and asks nobody again."""

    def __init__(self) -> None:
        super().__init__()
        self._until: dict[tuple[str, str], timedelta] = {}

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        within = self._until.setdefault((business_id, phone), not_within)
        return super().reserve(business_id, phone, owner=owner, at=at, not_within=within)


class NormalizesPhones(MemoryLedger):
    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        digits = phone.strip(" +").casefold()
        return super().reserve(business_id, digits, owner=owner, at=at, not_within=not_within)


class KeepsWhatWasReleased(MemoryLedger):
    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        del business_id, phone, owner


class AnswersFromACache(MemorySuppressions):
    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[tuple[str, str], bool] = {}

    def contains(self, business_id: str, key: str) -> bool:
        return self._answers.setdefault((business_id, key), super().contains(business_id, key))


class CountsRepeats(MemorySuppressions):
    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, business_id: str, key: str) -> None:
        self._counts[business_id, key] += 1
        super().add(business_id, key)

    def remove(self, business_id: str, key: str) -> None:
        self._counts[business_id, key] -= 1
        if self._counts[business_id, key] < 1:
            super().remove(business_id, key)


class SharesTheList(MemorySuppressions):
    def contains(self, business_id: str, key: str) -> bool:
        return any(key == known for _, known in self._keys)


class ComparesKeysWithoutCase(MemorySuppressions):
    def contains(self, business_id: str, key: str) -> bool:
        return any(super(type(self), self).contains(business_id, k) for k in (key, key.title()))


class RemovesTheOnlyOne(MemorySuppressions):
    """``DELETE ... LIMIT 1``."""

    def remove(self, business_id: str, key: str) -> None:
        of_business = [known for known in self._keys if known[0] == business_id]
        known = (business_id, key)
        self._keys.discard(known if known in self._keys or not of_business else of_business[0])


class WritesTheWholeList(MemorySuppressions):
    """Reads the list, and writes it back with one more."""

    def __init__(self) -> None:
        super().__init__()
        self._gap = Gap()

    def add(self, business_id: str, key: str) -> None:
        keys = set(self._keys)
        self._gap.wait()
        self._keys = keys | {(business_id, key)}


class InventsSettings(MemorySettings):
    def get(self, business_id: str) -> BusinessSettings | None:
        return super().get(business_id) or BusinessSettings(business_id="none", name="A business")


class MixesWhatIsPut(MemorySettings):
    """Two columns, two statements."""

    def __init__(self) -> None:
        super().__init__()
        self._gap = Gap()
        self._name = ""

    def put(self, settings: BusinessSettings) -> None:
        self._name = settings.name
        self._gap.wait()
        mixed = settings.name if settings.name == self._name else f"{settings.name} & {self._name}"
        super().put(attrs.evolve(settings, name=mixed))


class KeepsTheFirst(MemorySettings):
    def put(self, settings: BusinessSettings) -> None:
        self._settings.setdefault(settings.business_id, settings)


class ForgetsCompliance(MemorySettings):
    def put(self, settings: BusinessSettings) -> None:
        super().put(attrs.evolve(settings, compliance=CompliancePolicy()))


class KeepsOneForAll(MemorySettings):
    def get(self, business_id: str) -> BusinessSettings | None:
        return next(reversed(self._settings.values()), None)


class AnswersWithABool(RecordingSmsGateway):
    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        super().send(message, timeout=timeout)
        return cast("SendResult", True)


class RepeatsTheNumber(RecordingSmsGateway):
    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        return Rejected(reason=f"cannot reach {message.to}")


class RepeatsTheText(RecordingSmsGateway):
    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        return Unknown(detail=f"time-out while sending {message.body}")


class FindsWhatWasNeverSent(RecordingSmsGateway):
    def find(self, attempt_id: str) -> LookupResult:
        return Found(provider_id=f"of {attempt_id[:9]}")


class FindsAnotherId(RecordingSmsGateway):
    def find(self, attempt_id: str) -> LookupResult:
        found = super().find(attempt_id)
        return attrs.evolve(found, provider_id="another") if isinstance(found, Found) else found


class GivesAllOneId(RecordingSmsGateway):
    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        super().send(message, timeout=timeout)
        return Accepted(provider_id="queued")
