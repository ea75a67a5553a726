"""The registers that are shipped for tests, and those of the example, keep their contracts."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from abandoned_booking.core.model import BookingForm, Person, Pet
from abandoned_booking.ports import (
    AppointmentBook,
    AppointmentDraft,
    ClientDirectory,
    ClientDraft,
    Clock,
    ConsentRegister,
    CreditLedger,
    LeadDirectory,
    ServiceCatalogue,
    Slot,
)
from abandoned_booking.testing import (
    AppointmentBookContract,
    ClientDirectoryContract,
    ClockContract,
    ConsentRegisterContract,
    CreditLedgerContract,
    FakeClock,
    LeadDirectoryContract,
    MemoryAppointmentBook,
    MemoryClientDirectory,
    MemoryConsentRegister,
    MemoryCreditLedger,
    MemoryLeadDirectory,
    MemoryServiceCatalogue,
    ServiceCatalogueContract,
    TimeTaken,
)

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "host_in_memory.py"
_A_DOG = BookingForm(pets=(Pet(name="Rex", species="dog"),))
_AN_IGUANA = BookingForm(pets=(Pet(name="Iggy", species="iguana"),))


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """What ``examples/host_in_memory.py`` defines."""
    return runpy.run_path(str(_EXAMPLE), run_name="example")


# ── client lists ────────────────────────────────────────────────────────────────────────────────


class TestClients(ClientDirectoryContract):
    @pytest.fixture
    def clients(self) -> ClientDirectory:
        clients = MemoryClientDirectory()
        ids = [
            clients.create(
                "paws", ClientDraft(person=Person(), form=BookingForm(), phone=phone), key=phone
            )
            for phone in (self.blocked_phone, self.partly_blocked_phone)
        ]
        clients.block("paws", ids[0])
        clients.block("paws", ids[1], self.blocked_care_type)
        return clients


class TestClientsOfTheExample(ClientDirectoryContract):
    @pytest.fixture
    def clients(self, example: dict[str, Any]) -> ClientDirectory:
        clients = example["Clients"]()
        blocked = clients.add("paws", Person(phone=self.blocked_phone))
        partly = clients.add("paws", Person(phone=self.partly_blocked_phone))
        clients.blocked |= {("paws", blocked, each) for each in example["CARE_TYPES"]}
        clients.blocked.add(("paws", partly, self.blocked_care_type))
        directory: ClientDirectory = clients
        return directory


# ── leads and calendars ─────────────────────────────────────────────────────────────────────────


class TestLeads(LeadDirectoryContract):
    @pytest.fixture
    def leads(self) -> MemoryLeadDirectory:
        return MemoryLeadDirectory()

    @pytest.fixture
    def lead_ids(self, leads: MemoryLeadDirectory) -> Callable[[str], Iterable[str]]:
        return leads.leads


class TestLeadsThatNobodyCanList(LeadDirectoryContract):
    @pytest.fixture
    def leads(self) -> LeadDirectory:
        return MemoryLeadDirectory()


_TIMES = [datetime(2031, 6, 2, 12 + hour, tzinfo=UTC) for hour in range(8)]


class TestAppointments(AppointmentBookContract):
    @pytest.fixture
    def appointments(self) -> MemoryAppointmentBook:
        return MemoryAppointmentBook(Slot(at=at) for at in reversed(_TIMES))

    @pytest.fixture
    def appointment_ids(
        self, appointments: MemoryAppointmentBook
    ) -> Callable[[str], Iterable[str]]:
        return appointments.appointments


class NoSlots:
    """A calendar that takes whatever it is given, and cannot tell what is free."""

    def __init__(self) -> None:
        self._rooms = MemoryAppointmentBook()
        self.book = self._rooms.book
        self.cancel = self._rooms.cancel


class TestAppointmentsWithoutSlots(AppointmentBookContract):
    @pytest.fixture
    def appointments(self) -> AppointmentBook:
        return NoSlots()


# ── services, consents, credits, clocks ─────────────────────────────────────────────────────────


class TestServices(ServiceCatalogueContract):
    fitting = _A_DOG
    unfitting = _AN_IGUANA

    @pytest.fixture
    def catalogue(self) -> ServiceCatalogue:
        return MemoryServiceCatalogue({"paws": frozenset({"dog", "cat"})})


class TestServicesOfTheExample(ServiceCatalogueContract):
    fitting = _A_DOG
    unfitting = _AN_IGUANA

    @pytest.fixture
    def catalogue(self, example: dict[str, Any]) -> ServiceCatalogue:
        catalogue: ServiceCatalogue = example["Catalogue"](
            {"paws": {"dog", "cat"}, "claws": {"cat"}}
        )
        return catalogue


class TestServicesOfWhichNothingIsKnown(ServiceCatalogueContract):
    @pytest.fixture
    def catalogue(self) -> ServiceCatalogue:
        return MemoryServiceCatalogue()


class TestConsents(ConsentRegisterContract):
    @pytest.fixture
    def consents(self) -> ConsentRegister:
        consents = MemoryConsentRegister()
        consents.give("paws", self.consented_phone)
        consents.give("paws", "+12125550129")
        consents.withdraw("paws", "+12125550129")
        return consents


class TestConsentsOfTheExample(ConsentRegisterContract):
    @pytest.fixture
    def consents(self, example: dict[str, Any]) -> ConsentRegister:
        consents = example["Consents"]()
        consents.given.add(("paws", self.consented_phone))
        register: ConsentRegister = consents
        return register


class TestCredits(CreditLedgerContract):
    @pytest.fixture
    def credits(self) -> CreditLedger:
        credits = MemoryCreditLedger()
        credits.top_up("paws", 10)
        credits.top_up("claws", 3)
        return credits


class TestCreditsOfTheExample(CreditLedgerContract):
    @pytest.fixture
    def credits(self, example: dict[str, Any]) -> CreditLedger:
        credits: CreditLedger = example["Credits"]({"paws": 10, "claws": 3})
        return credits


class TestClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return FakeClock()


# ── the fakes ───────────────────────────────────────────────────────────────────────────────────


def test_a_calendar_says_that_a_time_is_taken_and_shows_nobody() -> None:
    """G4"""
    book = MemoryAppointmentBook()
    draft = AppointmentDraft(at=_TIMES[0], form=BookingForm(person=Person(first_name="Wilhelmina")))
    assert book.book("paws", draft, key="k1") in book.appointments("paws")
    with pytest.raises(TimeTaken) as error:
        book.book("paws", draft, key="k2")
    assert "Wilhelmina" not in str(error.value)
    by_another = AppointmentDraft(at=_TIMES[0], form=draft.form, staff="Bo")
    assert book.book("paws", by_another, key="k2") != book.book("paws", draft, key="k1")


def test_a_lead_is_kept_with_its_channel() -> None:
    leads = MemoryLeadDirectory()
    draft = ClientDraft(person=Person(first_name="Ann"), form=BookingForm())
    lead_id = leads.hand_over("paws", draft, channel="Online Booking", key="r1")
    assert leads.leads("paws") == {lead_id: (draft, "Online Booking")}
    assert leads.leads("claws") == {}


def test_a_business_without_services_fits_nobody() -> None:
    catalogue = MemoryServiceCatalogue({"paws": frozenset({"dog"})})
    assert catalogue.applies("paws", BookingForm()) is True
    assert catalogue.applies("claws", BookingForm()) is False
    assert catalogue.applies("paws", BookingForm(pets=(Pet(species="Dog"),))) is True
