"""The contract of :class:`~abandoned_booking.ports.LeadDirectory` (D2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar, Final, TypeAlias

import pytest

from abandoned_booking.core.model import BookingForm, Person
from abandoned_booking.ports import LEAD_CHANNEL, ClientDraft, LeadDirectory
from abandoned_booking.testing.contracts import _tasks
from abandoned_booking.testing.contracts._processes import CanBeOpenedAgain, Reopen, again, raced
from abandoned_booking.testing.contracts._tools import THREADS, assert_an_id, race

__all__ = ["LeadDirectoryContract"]

_ListIds: TypeAlias = Callable[[str], Iterable[str]] | None
_ONCE: Final = "hand_over: one lead per key, whoever calls twice or at the same time"


def _draft(name: str = "Ann") -> ClientDraft:
    person = Person(first_name=name, phone="+12125550131", email="ann@example.com")
    return ClientDraft(person=person, form=BookingForm(person=person), phone="+12125550131")


class LeadDirectoryContract(CanBeOpenedAgain):
    """Everything that :class:`~abandoned_booking.ports.LeadDirectory` promises.

    Subclass it and give the fixture ``leads``: a directory that is new and empty for each test,
    usable from several threads. Two more may be given:

    - ``lead_ids``: a function that gives the ids of all leads of a business, by its id. The port
      has no such method; without it the suite goes by what ``hand_over`` answers alone, and what
      only the directory itself could show is skipped;
    - ``reopen`` if other processes can open the same directory.
    """

    business_id: ClassVar[str] = "paws"
    other_business_id: ClassVar[str] = "claws"

    @pytest.fixture
    def lead_ids(self) -> _ListIds:
        """``None``: nobody can list the leads. Overridden by whoever can."""
        return None

    def _hand_over(self, leads: LeadDirectory, key: str, *, name: str = "Ann") -> str:
        return leads.hand_over(self.business_id, _draft(name), channel=LEAD_CHANNEL, key=key)

    def test_a_lead_has_an_id(self, leads: LeadDirectory) -> None:
        assert_an_id(self._hand_over(leads, "r1"), "hand_over: returns the lead's id")

    def test_a_key_seen_before_gives_the_id_given_then(self, leads: LeadDirectory) -> None:
        lead_id = self._hand_over(leads, "r1")
        for name in ("Ann", "Bea"):
            line = "hand_over: for a key seen before, the id given then"
            assert self._hand_over(leads, "r1", name=name) == lead_id, line

    def test_another_key_makes_another_lead(self, leads: LeadDirectory) -> None:
        ids = {self._hand_over(leads, key) for key in ("r", "R", "r ", "r%", "r_", "é", "e\u0301")}
        line = "hand_over: keys are compared as they are, and each makes a lead of its own"
        assert len(ids) == 7, line

    def test_many_handing_over_under_one_key_at_once_make_one_lead(
        self, leads: LeadDirectory
    ) -> None:
        for number in range(8):
            ids = race(*[partial(self._hand_over, leads, f"r{number}")] * THREADS)
            assert len({*ids}) == 1, _ONCE

    def test_a_key_makes_one_lead_and_no_more(
        self, leads: LeadDirectory, lead_ids: _ListIds
    ) -> None:
        listed = _listing(lead_ids)
        first, second = self._hand_over(leads, "r1"), self._hand_over(leads, "r2")
        race(*[partial(self._hand_over, leads, "r1")] * THREADS)
        raced_id, *_ = race(*[partial(self._hand_over, leads, "r3")] * THREADS)
        assert sorted(listed(self.business_id)) == sorted([first, second, raced_id]), _ONCE

    def test_each_business_has_leads_of_its_own(
        self, leads: LeadDirectory, lead_ids: _ListIds
    ) -> None:
        listed = _listing(lead_ids)
        ours = self._hand_over(leads, "r1")
        line = "hand_over: two businesses with the same keys never touch each other"
        assert list(listed(self.other_business_id)) == [], line
        theirs = leads.hand_over(self.other_business_id, _draft(), channel=LEAD_CHANNEL, key="r1")
        assert list(listed(self.other_business_id)) == [theirs], line
        assert list(listed(self.business_id)) == [ours], line

    # ── other connections, other processes ──────────────────────────────────────────────────────

    def test_processes_that_hand_over_under_one_key_make_one_lead(
        self, leads: LeadDirectory, reopen: Reopen
    ) -> None:
        told = raced(_tasks.HandsTheSameOver(self.business_id), reopen, "lead directory")
        assert len({*map(tuple, told.values())}) == 1, _ONCE
        assert len({*told["0"]}) == _tasks.ROUNDS, "hand_over: every lead has an id of its own"
        for nth, lead_id in enumerate(told["0"]):
            given = self._hand_over(leads, f"k{nth}")
            assert given == lead_id, _ONCE

    def test_a_second_connection_knows_a_key_at_once(
        self, leads: LeadDirectory, reopen: Reopen
    ) -> None:
        with again(reopen, "lead directory") as other:
            for key, one, two in (("r1", leads, other), ("r2", other, leads)):
                assert self._hand_over(one, key) == self._hand_over(two, key), _ONCE


def _listing(lead_ids: _ListIds) -> Callable[[str], Iterable[str]]:
    if lead_ids is None:
        pytest.skip("the leads of a business cannot be listed: the fixture `lead_ids` gives None")
    return lead_ids
