"""Registers that several processes share keep their contracts, races of processes included."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest
from kit.file_registers import FileCalendar, FileClients, FileCredits, FileLeads

from abandoned_booking.core.model import BookingForm, Person
from abandoned_booking.ports import ClientDraft
from abandoned_booking.testing import (
    AppointmentBookContract,
    ClientDirectoryContract,
    CreditLedgerContract,
    LeadDirectoryContract,
)


class TestClients(ClientDirectoryContract):
    @pytest.fixture
    def clients(self, tmp_path: Path) -> FileClients:
        clients = FileClients(tmp_path / "host.db")
        draft = partial(ClientDraft, person=Person(), form=BookingForm())
        for phone, care_type in (
            (self.blocked_phone, None),
            (self.partly_blocked_phone, self.blocked_care_type),
        ):
            client_id = clients.create("paws", draft(phone=phone), key=phone)
            clients.block("paws", client_id, care_type)
        return clients

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], FileClients]:
        return partial(FileClients, tmp_path / "host.db")


class TestLeads(LeadDirectoryContract):
    @pytest.fixture
    def leads(self, tmp_path: Path) -> FileLeads:
        return FileLeads(tmp_path / "host.db")

    @pytest.fixture
    def lead_ids(self, leads: FileLeads) -> Callable[[str], Iterable[str]]:
        return leads.ids

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], FileLeads]:
        return partial(FileLeads, tmp_path / "host.db")


class TestAppointments(AppointmentBookContract):
    @pytest.fixture
    def appointments(self, tmp_path: Path) -> FileCalendar:
        return FileCalendar(tmp_path / "host.db")

    @pytest.fixture
    def appointment_ids(self, appointments: FileCalendar) -> Callable[[str], Iterable[str]]:
        return appointments.ids

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], FileCalendar]:
        return partial(FileCalendar, tmp_path / "host.db")


class TestCredits(CreditLedgerContract):
    @pytest.fixture
    def credits(self, tmp_path: Path) -> FileCredits:
        credits = FileCredits(tmp_path / "host.db")
        credits.top_up("paws", 10)
        credits.top_up("claws", 3)
        return credits

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], FileCredits]:
        return partial(FileCredits, tmp_path / "host.db")
