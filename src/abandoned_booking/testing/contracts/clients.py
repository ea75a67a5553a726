"""The contract of :class:`~abandoned_booking.ports.ClientDirectory` (C8, I2)."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from abandoned_booking.core.model import BookingForm, CareType, Person
from abandoned_booking.ports import ClientDirectory, ClientDraft
from abandoned_booking.testing.contracts import _tasks
from abandoned_booking.testing.contracts._processes import CanBeOpenedAgain, Reopen, again, raced
from abandoned_booking.testing.contracts._tools import THREADS, assert_an_id, race

__all__ = ["ClientDirectoryContract"]

_ONCE: Final = "create: one client per key, whoever calls twice or at the same time"
_PHONE: Final = "+12125550131"


def _draft(phone: str | None = None, email: str | None = None, *, name: str = "Ann") -> ClientDraft:
    person = Person(first_name=name, phone=phone, email=email)
    return ClientDraft(person=person, form=BookingForm(person=person), phone=phone)


class ClientDirectoryContract(CanBeOpenedAgain):
    """Everything that :class:`~abandoned_booking.ports.ClientDirectory` promises.

    Subclass it and give the fixture ``clients``: a directory that is new for each test, usable from
    several threads, in which ``business_id`` has these two clients and nobody else, and
    ``other_business_id`` has none:

    - one with the phone ``blocked_phone``, who may not book online at all;
    - one with the phone ``partly_blocked_phone``, who may not book ``blocked_care_type`` online,
      but may book ``other_care_type``.

    Give ``reopen`` too if other processes can open the same directory.
    """

    business_id: ClassVar[str] = "paws"
    other_business_id: ClassVar[str] = "claws"
    blocked_phone: ClassVar[str] = "+12125550111"
    partly_blocked_phone: ClassVar[str] = "+12125550112"
    blocked_care_type: ClassVar[CareType] = CareType.GROOMING
    other_care_type: ClassVar[CareType] = CareType.BOARDING

    # ── find ────────────────────────────────────────────────────────────────────────────────────

    def test_who_is_unknown_is_not_found(self, clients: ClientDirectory) -> None:
        clients.create(self.business_id, _draft(), key="k0")
        for phone, email in (
            (_PHONE, None),
            (None, "ann@example.com"),
            (_PHONE, "ann@example.com"),
            (None, None),
            ("", ""),
        ):
            found = list(clients.find(self.business_id, phone=phone, email=email))
            assert not found, (
                "find: clients with that phone or that e-mail; what is missing is none"
            )

    def test_a_client_is_found_by_phone_or_by_email(self, clients: ClientDirectory) -> None:
        client_id = clients.create(self.business_id, _draft(_PHONE, " Ann@Example.com"), key="k1")
        for phone, email in (
            (_PHONE, None),
            (None, "ann@example.com"),
            (_PHONE, "ann@example.com"),
            (_PHONE, "nobody@example.com"),
            ("+12125550139", "ann@example.com"),
        ):
            found = {*clients.find(self.business_id, phone=phone, email=email)}
            line = "find: the client with that phone, or with that e-mail (case-folded)"
            assert found == {client_id}, line

    def test_all_clients_with_the_phone_or_the_email_are_found(
        self, clients: ClientDirectory
    ) -> None:
        # A household: one phone, and a phone that is another's e-mail address's.
        expected = {
            clients.create(self.business_id, _draft(_PHONE), key="k1"),
            clients.create(
                self.business_id, _draft(_PHONE, "bob@example.com", name="Bob"), key="k2"
            ),
            clients.create(self.business_id, _draft("+12125550139", "ann@example.com"), key="k3"),
        }
        assert len(expected) == 3, "create: every client has an id of its own"
        found = {*clients.find(self.business_id, phone=_PHONE, email="ann@example.com")}
        assert found == expected, "find: the ids of all clients with that phone or that e-mail"

    def test_phones_are_compared_as_they_are(self, clients: ClientDirectory) -> None:
        clients.create(self.business_id, _draft(_PHONE), key="k1")
        for phone in (_PHONE[:-1], f"{_PHONE}0", _PHONE[1:], _PHONE[-4:], "%", "_"):
            found = list(clients.find(self.business_id, phone=phone, email=None))
            assert not found, "find: the phone is E.164, compared as it is"

    # ── create ──────────────────────────────────────────────────────────────────────────────────

    def test_a_key_makes_one_client(self, clients: ClientDirectory) -> None:
        client_id = clients.create(self.business_id, _draft(_PHONE), key="k1")
        assert_an_id(client_id, "create: returns the new client's id")
        other = _draft("+12125550139", "other@example.com", name="Bea")
        for draft in (_draft(_PHONE), other):
            again_id = clients.create(self.business_id, draft, key="k1")
            assert again_id == client_id, "create: for a key seen before, the id given then"
        assert self._found(clients) == [client_id], _ONCE
        nobody = list(clients.find(self.business_id, phone="+12125550139", email=None))
        assert not nobody, "create: a key seen before changes nothing"

    def test_another_key_makes_another_client(self, clients: ClientDirectory) -> None:
        ids = {
            clients.create(self.business_id, _draft(_PHONE), key=key) for key in ("k", "K", "k ")
        }
        line = "create: keys are compared as they are, and each makes a client of its own"
        assert len(ids) == 3, line
        assert {*self._found(clients)} == ids, line

    def test_each_business_has_clients_of_its_own(self, clients: ClientDirectory) -> None:
        line = "two businesses with the same keys never touch each other"
        ours = clients.create(self.business_id, _draft(_PHONE), key="k1")
        theirs = list(clients.find(self.other_business_id, phone=_PHONE, email=None))
        assert not theirs, f"find: {line}"
        other_id = clients.create(self.other_business_id, _draft(_PHONE), key="k1")
        theirs = list(clients.find(self.other_business_id, phone=_PHONE, email=None))
        assert theirs == [other_id], f"create: {line}"
        assert self._found(clients) == [ours], f"create: {line}"

    def test_many_creating_under_one_key_at_once_make_one_client(
        self, clients: ClientDirectory
    ) -> None:
        for number in range(5):
            phone = f"+1212555014{number}"
            create = partial(clients.create, self.business_id, _draft(phone), key=f"k{number}")
            ids = race(*[create] * THREADS)
            assert len({*ids}) == 1, _ONCE
            found = list(clients.find(self.business_id, phone=phone, email=None))
            assert found == ids[:1], _ONCE

    def test_a_client_is_found_while_others_are_created(self, clients: ClientDirectory) -> None:
        client_id = clients.create(self.business_id, _draft(_PHONE), key="k1")

        def find() -> bool:
            return all(self._found(clients) == [client_id] for _ in range(20))

        def create() -> bool:
            for nth in range(20):
                clients.create(self.business_id, _draft(), key=f"other{nth}")
            return True

        assert all(race(find, create, find)), "find: safe while another thread creates"

    # ── is_blocked ──────────────────────────────────────────────────────────────────────────────

    def test_a_new_client_is_not_blocked(self, clients: ClientDirectory) -> None:
        client_id = clients.create(self.business_id, _draft(_PHONE), key="k1")
        for care_type in (None, self.blocked_care_type, CareType("a care type of nobody's")):
            blocked = clients.is_blocked(self.business_id, client_id, care_type=care_type)
            assert blocked is False, "is_blocked: whether the client may not book it online"

    def test_who_is_blocked_for_all_is_blocked_for_each(self, clients: ClientDirectory) -> None:
        client_id = self._prepared(clients, self.blocked_phone)
        for care_type in (None, self.blocked_care_type, self.other_care_type):
            blocked = clients.is_blocked(self.business_id, client_id, care_type=care_type)
            assert blocked is True, "is_blocked: True for one who is blocked for all"

    def test_who_is_blocked_for_one_care_type_may_book_others(
        self, clients: ClientDirectory
    ) -> None:
        client_id = self._prepared(clients, self.partly_blocked_phone)
        for care_type, expected in (
            (self.blocked_care_type, True),
            (self.other_care_type, False),
            (None, False),
        ):
            blocked = clients.is_blocked(self.business_id, client_id, care_type=care_type)
            line = "is_blocked: by care type; for an unknown one, whether blocked for all"
            assert blocked is expected, line

    def test_a_block_is_of_one_business(self, clients: ClientDirectory) -> None:
        client_id = self._prepared(clients, self.blocked_phone)
        blocked = clients.is_blocked(
            self.other_business_id, client_id, care_type=self.blocked_care_type
        )
        assert blocked is False, "is_blocked: another business's block does not count"

    # ── other connections, other processes ──────────────────────────────────────────────────────

    def test_processes_that_create_under_one_key_make_one_client(
        self, clients: ClientDirectory, reopen: Reopen
    ) -> None:
        told = raced(_tasks.CreatesTheSame(self.business_id), reopen, "client directory")
        assert len({*map(tuple, told.values())}) == 1, _ONCE
        assert len({*told["0"]}) == _tasks.ROUNDS, "create: every client has an id of its own"
        for nth, client_id in enumerate(told["0"]):
            phone = _tasks.phone_of(nth)
            assert [*clients.find(self.business_id, phone=phone, email=None)] == [client_id], _ONCE

    def test_a_second_connection_finds_a_new_client_at_once(
        self, clients: ClientDirectory, reopen: Reopen
    ) -> None:
        with again(reopen, "client directory") as other:
            client_id = clients.create(self.business_id, _draft(_PHONE), key="k1")
            assert self._found(other) == [client_id], "find: every client that there is"
            again_id = other.create(self.business_id, _draft(_PHONE), key="k1")
            assert again_id == client_id, _ONCE

    def _found(self, clients: ClientDirectory) -> list[str]:
        return list(clients.find(self.business_id, phone=_PHONE, email=None))

    def _prepared(self, clients: ClientDirectory, phone: str) -> str:
        found = list(clients.find(self.business_id, phone=phone, email=None))
        line = "the fixture `clients` has a client with that phone, see ClientDirectoryContract"
        assert len(found) == 1, line
        return found[0]
