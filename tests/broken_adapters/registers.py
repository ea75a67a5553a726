"""A host's registers that are wrong in one way each; each suite prepares them as it says."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import cast

import attrs
from broken_adapters.durable import pause
from broken_adapters.stores import Gap
from kit.file_registers import FileCalendar, FileClients, FileCredits, FileLeads

from abandoned_booking.core.model import BookingForm, CareType
from abandoned_booking.ports import AppointmentDraft, ClientDraft, Slot
from abandoned_booking.testing import (
    FakeClock,
    MemoryAppointmentBook,
    MemoryClientDirectory,
    MemoryConsentRegister,
    MemoryCreditLedger,
    MemoryLeadDirectory,
    MemoryServiceCatalogue,
    TimeTaken,
)

# ── client lists ────────────────────────────────────────────────────────────────────────────────


class FindsClientsByPhoneOnly(MemoryClientDirectory):
    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        return super().find(business_id, phone=phone, email=None)


class FindsWhoHasBoth(MemoryClientDirectory):
    """``phone = ? AND email = ?``."""

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        found = [
            {*super(type(self), self).find(business_id, phone=phone, email=None)}
            if phone
            else None,
            {*super(type(self), self).find(business_id, phone=None, email=email)}
            if email
            else None,
        ]
        sets = [each for each in found if each is not None]
        return sorted(set.intersection(*sets)) if sets else []


class FindsWhatIsMissing(MemoryClientDirectory):
    """``phone IS NOT DISTINCT FROM ?``."""

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        return [
            client_id
            for (owner, client_id), known in self._clients.items()
            if owner == business_id
            and ((known.phone or "") == (phone or "") or known.person.email_key == email)
        ]


class FindsTheFirstClient(MemoryClientDirectory):
    """``LIMIT 1``: two of one phone look like one unique match."""

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        return super().find(business_id, phone=phone, email=email)[:1]


class FindsPartsOfPhones(MemoryClientDirectory):
    """``phone LIKE ? || '%'``."""

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        begins = [
            client_id
            for (owner, client_id), known in self._clients.items()
            if owner == business_id and phone and (known.phone or "").startswith(phone)
        ]
        return begins or super().find(business_id, phone=None, email=email)


class CreatesAClientEachTime(MemoryClientDirectory):
    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        return super().create(business_id, draft, key=f"{key}{len(self._clients)}")


class CreatesTwiceUnderOneId(MemoryClientDirectory):
    """Answers with the first id, and writes a second profile all the same."""

    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        client_id = super().create(business_id, draft, key=key)
        if self._clients[business_id, client_id] is not draft:
            self._clients[business_id, f"{client_id}{len(self._clients)}"] = draft
        return client_id


class UpdatesAClientByItsKey(MemoryClientDirectory):
    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        client_id = super().create(business_id, draft, key=key)
        self._clients[business_id, client_id] = draft
        return client_id


class ComparesClientKeysWithoutCase(MemoryClientDirectory):
    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        return super().create(business_id, draft, key=key.strip().casefold())


class SharesTheClients(MemoryClientDirectory):
    """Keys are of all businesses together."""

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        owners = dict.fromkeys(owner for owner, _ in self._clients)
        return [
            client_id
            for owner in owners
            for client_id in super(type(self), self).find(owner, phone=phone, email=email)
        ]


class ChecksThenCreates(MemoryClientDirectory):
    def __init__(self) -> None:
        super().__init__()
        self._gap = Gap()
        self._made: dict[tuple[str, str], str] = {}

    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        if (business_id, key) not in self._made:
            self._gap.wait()
            client_id = super().create(business_id, draft, key=f"{key}{threading.get_ident()}")
            self._made[business_id, key] = client_id
            return client_id
        return self._made[business_id, key]


class ReadsWhileOthersWrite(MemoryClientDirectory):
    """Goes through a dictionary that other threads put into."""

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        found = []
        for (owner, client_id), known in self._clients.items():
            threading.Event().wait(1e-4)
            if owner == business_id and phone and known.phone == phone:
                found.append(client_id)
        return found


class BlocksWhoIsNew(MemoryClientDirectory):
    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        return care_type is None or super().is_blocked(business_id, client_id, care_type=care_type)


class BlocksOneCareOnly(MemoryClientDirectory):
    """A block for all is not one for each."""

    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        return (business_id, client_id, care_type) in self._blocked


class BlocksForAllOrNothing(MemoryClientDirectory):
    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        return any((owner, who) == (business_id, client_id) for owner, who, _ in self._blocked)


class BlocksEverywhere(MemoryClientDirectory):
    """A black list of the platform."""

    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        return any(who == client_id and care in (None, care_type) for _, who, care in self._blocked)


class ChecksThenCreatesAlone(FileClients):
    """No unique key: another process makes the same client."""

    def once(self, business_id: str, key: str, *values: str | None) -> str:
        with self.turn() as connection:
            known = self.known(connection, business_id, key)
        if known is not None:
            return known
        pause()
        with self.turn() as connection:
            return self.make(connection, business_id, key, *values)


class RemembersItsClients(FileClients):
    """Keys are in this process's memory."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._known: dict[tuple[str, str], str] = {}

    def once(self, business_id: str, key: str, *values: str | None) -> str:
        if (business_id, key) not in self._known:
            with self.turn() as connection:
                new_id = self.make(connection, business_id, key, *values)
            self._known[business_id, key] = new_id
        return self._known[business_id, key]


# ── leads ───────────────────────────────────────────────────────────────────────────────────────


class AnswersWithoutAnId(MemoryLeadDirectory):
    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        super().hand_over(business_id, draft, channel=channel, key=key)
        return cast("str", None)


class HandsOverEachTime(MemoryLeadDirectory):
    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        new = f"{key}{len(self.leads(business_id))}"
        return super().hand_over(business_id, draft, channel=channel, key=new)


class HandsOverByPhone(MemoryLeadDirectory):
    """Takes the person for the key."""

    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        return super().hand_over(business_id, draft, channel=channel, key=draft.phone or key)


class ChecksThenHandsOver(MemoryLeadDirectory):
    def __init__(self) -> None:
        super().__init__()
        self._gap = Gap()
        self._made: dict[tuple[str, str], str] = {}

    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        if (business_id, key) in self._made:
            return self._made[business_id, key]
        self._gap.wait()
        own = f"{key}{threading.get_ident()}"
        self._made[business_id, key] = super().hand_over(
            business_id, draft, channel=channel, key=own
        )
        return self._made[business_id, key]


class WritesTheLeadAgain(MemoryLeadDirectory):
    """Answers with the first id, and has a second lead."""

    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        lead_id = super().hand_over(business_id, draft, channel=channel, key=key)
        if self._leads[business_id][lead_id][0] is not draft:
            again = f"{key}{len(self._leads[business_id])}"
            super().hand_over(business_id, draft, channel=channel, key=again)
        return lead_id


class SharesTheLeads(MemoryLeadDirectory):
    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        return super().hand_over("", draft, channel=channel, key=key)


class ChecksThenHandsOverAlone(FileLeads):
    once = ChecksThenCreatesAlone.once


class RemembersItsLeads(FileLeads):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._known: dict[tuple[str, str], str] = {}

    once = RemembersItsClients.once


# ── calendars ───────────────────────────────────────────────────────────────────────────────────


class BooksEachTime(MemoryAppointmentBook):
    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        return super().book(business_id, draft, key=f"{key}{draft.at}")


class BooksByName(MemoryAppointmentBook):
    """Ids are those of a business's day: two appointments have one."""

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        super().book(business_id, draft, key=key)
        return f"{business_id}-{draft.at:%Y-%m-%d}"


class MovesWhatIsBooked(MemoryAppointmentBook):
    """A key seen before books the new time as well."""

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        appointment_id = super().book(business_id, draft, key=key)
        if self._booked[business_id][appointment_id].at != draft.at:
            super().book(business_id, draft, key=f"{key}{draft.at}")
        return appointment_id


class ChecksThenBooks(MemoryAppointmentBook):
    def __init__(self, slots: Sequence[Slot] = ()) -> None:
        super().__init__(slots)
        self._gap = Gap()
        self._made: dict[tuple[str, str], str] = {}

    def _is_taken(self, business_id: str, at: datetime, staff: str | None) -> bool:
        return False

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        if (business_id, key) in self._made:
            return self._made[business_id, key]
        self._gap.wait()
        own = f"{key}{threading.get_ident()}"
        self._made[business_id, key] = super().book(business_id, draft, key=own)
        return self._made[business_id, key]


class KeepsTheKeyOfWhatItRefused(MemoryAppointmentBook):
    """The key is used up by a booking that was refused."""

    def __init__(self, slots: Sequence[Slot] = ()) -> None:
        super().__init__(slots)
        self._refused: set[tuple[str, str]] = set()

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        if (business_id, key) in self._refused:
            raise TimeTaken
        try:
            return super().book(business_id, draft, key=key)
        except TimeTaken:
            self._refused.add((business_id, key))
            raise


class BooksThenRefuses(MemoryAppointmentBook):
    """Writes the appointment, then finds that the time was taken."""

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        taken = self._is_taken(business_id, draft.at, draft.staff)
        if taken and (business_id, key) not in self._keyed._ids:
            first = next(i for i, d in self._booked[business_id].items() if d.at == draft.at)
            self._keyed._ids[business_id, key] = first
            raise TimeTaken
        return super().book(business_id, draft, key=key)


class SharesTheCalendar(MemoryAppointmentBook):
    """One calendar for all businesses, with room for two."""

    def _is_taken(self, business_id: str, at: datetime, staff: str | None) -> bool:
        return False

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        return super().book("", draft, key=f"{business_id} {key}")

    def cancel(self, business_id: str, appointment_id: str) -> None:
        super().cancel("", appointment_id)

    def appointments(self, business_id: str) -> dict[str, AppointmentDraft]:
        return super().appointments("")


class KeepsCancelledTimes(MemoryAppointmentBook):
    """Cancelled is a mark, and the time stays taken."""

    def cancel(self, business_id: str, appointment_id: str) -> None:
        del business_id, appointment_id


class CancelsTheLast(MemoryAppointmentBook):
    """What is not there is taken for the newest."""

    def cancel(self, business_id: str, appointment_id: str) -> None:
        booked = self._booked.get(business_id, {})
        if booked:
            booked.pop(appointment_id if appointment_id in booked else [*booked][-1])


class OffersSlotsInAnyOrder(MemoryAppointmentBook):
    def open_slots(
        self, business_id: str, form: BookingForm, *, after: datetime, limit: int
    ) -> Sequence[Slot]:
        free = super().open_slots(business_id, form, after=after, limit=100)
        return sorted(free, key=lambda slot: slot.at.hour % 5)[:limit]


class OffersTooManySlots(MemoryAppointmentBook):
    def open_slots(
        self, business_id: str, form: BookingForm, *, after: datetime, limit: int
    ) -> Sequence[Slot]:
        return super().open_slots(business_id, form, after=after, limit=limit + 1)


class OffersLocalTimes(MemoryAppointmentBook):
    def open_slots(
        self, business_id: str, form: BookingForm, *, after: datetime, limit: int
    ) -> Sequence[Slot]:
        local = timezone(timedelta(hours=-5))
        free = super().open_slots(business_id, form, after=after, limit=limit)
        return [attrs.evolve(slot, at=slot.at.astimezone(local)) for slot in free]


class OffersThePast(MemoryAppointmentBook):
    """By the hour in which the instant lies."""

    def open_slots(
        self, business_id: str, form: BookingForm, *, after: datetime, limit: int
    ) -> Sequence[Slot]:
        hour = after.replace(minute=0, second=0, microsecond=0)
        return super().open_slots(business_id, form, after=hour, limit=limit)


class OffersWhatIsTaken(MemoryAppointmentBook):
    def open_slots(
        self, business_id: str, form: BookingForm, *, after: datetime, limit: int
    ) -> Sequence[Slot]:
        return [slot for slot in self._slots if slot.at >= after][:limit]


class BooksAlone(FileCalendar):
    """No unique key: another process makes the same appointment."""

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        with self.turn() as connection:
            known = self.known(connection, business_id, key)
        if known is not None:
            return known
        pause()
        with self.turn() as connection:
            return self.make(connection, business_id, key, None, None, draft.at.isoformat())


class RemembersItsAppointments(FileCalendar):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._known: dict[tuple[str, str], str] = {}

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        if (business_id, key) not in self._known:
            with self.turn() as connection:
                self._known[business_id, key] = self.make(connection, business_id, key, *[None] * 3)
        return self._known[business_id, key]


# ── services, consents, clocks ──────────────────────────────────────────────────────────────────


class ChokesOnForms(MemoryServiceCatalogue):
    def applies(self, business_id: str, form: BookingForm) -> bool:
        if form.pets and form.pets[0].species is None:
            raise KeyError("species")
        return super().applies(business_id, form)


class AnswersWithAList(MemoryServiceCatalogue):
    def applies(self, business_id: str, form: BookingForm) -> bool:
        return cast("bool", sorted(self.species))


class FitsNobody(MemoryServiceCatalogue):
    def applies(self, business_id: str, form: BookingForm) -> bool:
        return False


class FitsEverybody(MemoryServiceCatalogue):
    def applies(self, business_id: str, form: BookingForm) -> bool:
        return bool(self.species.get(business_id))


class SharesTheServices(MemoryServiceCatalogue):
    def applies(self, business_id: str, form: BookingForm) -> bool:
        return any(super(type(self), self).applies(owner, form) for owner in self.species)


class ServesOneThreadOnly(MemoryServiceCatalogue):
    """One cursor for all threads: whoever comes meanwhile is told no."""

    _busy = threading.Lock()

    def applies(self, business_id: str, form: BookingForm) -> bool:
        if not self._busy.acquire(blocking=False):
            return False
        try:
            threading.Event().wait(0.005)
            return super().applies(business_id, form)
        finally:
            self._busy.release()


class ConsentsForNobody(MemoryConsentRegister):
    def has_consent(self, business_id: str, phone: str) -> bool:
        return False


class ConsentsByLastDigits(MemoryConsentRegister):
    def has_consent(self, business_id: str, phone: str) -> bool:
        return any(
            super(type(self), self).has_consent(business_id, f"+1{p}") for p in (phone[-10:],)
        )


class ConsentsEverywhere(MemoryConsentRegister):
    def has_consent(self, business_id: str, phone: str) -> bool:
        return any(known == phone for _, known in self._given)


class ConsentsOneAtATime(MemoryConsentRegister):
    def __init__(self) -> None:
        super().__init__()
        self._busy = threading.Lock()

    def has_consent(self, business_id: str, phone: str) -> bool:
        if not self._busy.acquire(blocking=False):
            return False
        try:
            threading.Event().wait(0.005)
            return super().has_consent(business_id, phone)
        finally:
            self._busy.release()


class TellsNaiveTime(FakeClock):
    def now(self) -> datetime:
        return super().now().replace(tzinfo=None)


class TellsSeconds(FakeClock):
    def now(self) -> datetime:
        return cast("datetime", super().now().timestamp())


class TellsOtherThreadsLocalTime(FakeClock):
    def now(self) -> datetime:
        main = threading.current_thread() is threading.main_thread()
        return datetime.now(UTC) if main else datetime.now()


# ── credits ─────────────────────────────────────────────────────────────────────────────────────


class OverdrawsByOne(MemoryCreditLedger):
    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        if credits == self.balance(business_id) + 1:
            self.top_up(business_id, 1)
        return super().reserve(business_id, owner=owner, credits=credits)


class KeepsOneBack(MemoryCreditLedger):
    """``<`` where the contract says that what is there is enough."""

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        if credits >= self.balance(business_id) and owner not in self.set_aside(business_id):
            return False
        return super().reserve(business_id, owner=owner, credits=credits)


class RemembersWhoWasRefused(MemoryCreditLedger):
    """Writes the owner down before it looks whether there are enough."""

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        won = super().reserve(business_id, owner=owner, credits=credits)
        if not won:
            self._accounts[business_id].set_aside[owner] = 0
        return won


class ReservesAgain(MemoryCreditLedger):
    """Every call sets credits aside."""

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        if owner in self.set_aside(business_id) and credits <= self.balance(business_id):
            self._accounts[business_id].left -= credits
            return True
        return super().reserve(business_id, owner=owner, credits=credits)


class CommitsAgain(MemoryCreditLedger):
    def commit(self, business_id: str, *, owner: str, credits: int) -> None:
        if owner in self.spent(business_id):
            self._accounts[business_id].left -= credits
        super().commit(business_id, owner=owner, credits=credits)


class FreesWhatIsSpent(MemoryCreditLedger):
    def release(self, business_id: str, *, owner: str) -> None:
        account = self._of(business_id)
        account.left += account.spent.pop(owner, 0)
        super().release(business_id, owner=owner)


class ReleasesAgain(MemoryCreditLedger):
    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[tuple[str, str], int] = {}

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        self._sizes.setdefault((business_id, owner), credits)
        return super().reserve(business_id, owner=owner, credits=credits)

    def release(self, business_id: str, *, owner: str) -> None:
        self._of(business_id).set_aside.pop(owner, None)
        self.top_up(business_id, self._sizes.get((business_id, owner), 0))


class BillsWhatWasReserved(MemoryCreditLedger):
    def commit(self, business_id: str, *, owner: str, credits: int) -> None:
        held = self.set_aside(business_id).get(owner, credits)
        super().commit(business_id, owner=owner, credits=held)


class GoesBelowZero(MemoryCreditLedger):
    def commit(self, business_id: str, *, owner: str, credits: int) -> None:
        account = self._of(business_id)
        if owner not in account.spent:
            account.left += account.set_aside.pop(owner, 0) - credits
            account.spent[owner] = credits


class SharesTheCredits(MemoryCreditLedger):
    """Owners are of all businesses together."""

    def __init__(self) -> None:
        super().__init__()
        self._owners: set[str] = set()

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        if owner in self._owners:
            return True
        won = super().reserve(business_id, owner=owner, credits=credits)
        self._owners |= {owner} if won else set()
        return won


class ChecksThenSetsAside(MemoryCreditLedger):
    def __init__(self) -> None:
        super().__init__()
        self._gap = Gap()

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        account = self._of(business_id)
        if owner in account.set_aside or owner in account.spent:
            return True
        if credits > account.left:
            return False
        self._gap.wait()
        with self._lock:
            account.left -= credits
            account.set_aside[owner] = credits
        return True


class ChecksTheOwnerThenSetsAside(MemoryCreditLedger):
    """The credits are counted in one step with the look at them; the owner is not."""

    def __init__(self) -> None:
        super().__init__()
        self._gap = Gap()

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        account = self._of(business_id)
        if owner in account.set_aside or owner in account.spent:
            return True
        self._gap.wait()
        with self._lock:
            if credits > account.left:
                return True
            account.left -= credits
            account.set_aside[owner] = credits
            return True


class ChecksThenCommits(MemoryCreditLedger):
    def __init__(self) -> None:
        super().__init__()
        self._gap = Gap()

    def commit(self, business_id: str, *, owner: str, credits: int) -> None:
        account = self._of(business_id)
        if owner in account.spent:
            return
        self._gap.wait()
        with self._lock:
            account.left += account.set_aside.pop(owner, 0) - credits
            account.spent[owner] = credits


class FreesWhatIsRefused(MemoryCreditLedger):
    """A call that is refused gives the owner's own back."""

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        if owner in self.set_aside(business_id) and credits > self.balance(business_id):
            self.release(business_id, owner=owner)
            return False
        return super().reserve(business_id, owner=owner, credits=credits)


class ReservesAlone(FileCredits):
    """Reads the balance, and writes what is left of it."""

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        with self.turn() as connection:
            if self._held(connection, business_id, owner):
                return True
            left = self._free(connection, business_id)
        if credits > left:
            return False
        pause()
        with self.turn() as connection:
            connection.execute(
                "UPDATE free SET credits = ? WHERE business_id = ?", (left - credits, business_id)
            )
            connection.execute(
                "INSERT OR REPLACE INTO held VALUES (?, ?, ?, 0)", (business_id, owner, credits)
            )
        return True


class ReservesForOwnersAlone(FileCredits):
    """The credits are counted right; that the owner had its own already is not seen."""

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        with self.turn() as connection:
            if self._held(connection, business_id, owner):
                return True
        pause()
        with self.turn() as connection:
            if credits > self._free(connection, business_id):
                return False
            self.move(connection, business_id, -credits)
            connection.execute(
                "INSERT OR REPLACE INTO held VALUES (?, ?, ?, 0)", (business_id, owner, credits)
            )
        return True


class RemembersItsBalance(FileCredits):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._left: dict[str, int] = {}

    def balance(self, business_id: str) -> int:
        if business_id not in self._left:
            self._left[business_id] = super().balance(business_id)
        return self._left[business_id]
