"""A small host: client list, catalogue, consents and credits in memory, wired to the library.

What a platform has anyway stands behind ports of one to four methods. The classes here do what the
contracts in ``abandoned_booking.ports`` ask, a lock included; a platform's own ask its database.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import attrs

from abandoned_booking import (
    AbandonedBookings,
    AfterDelay,
    BookingForm,
    BusinessSettings,
    CareType,
    CompliancePolicy,
    InboundSms,
    Person,
    Pet,
    Progress,
    RecoveryCampaign,
    Step,
)
from abandoned_booking.ports import ClientDraft
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import FakeClock, RecordingSmsGateway

CARE_TYPES = (CareType.GROOMING, CareType.BOARDING, CareType.DAYCARE)


class Clients:
    """The client list (C8, I2)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._profiles: dict[tuple[str, str], Person] = {}
        self._made_for: dict[tuple[str, str], str] = {}
        self.blocked: set[tuple[str, str, CareType]] = set()

    def add(self, business_id: str, person: Person) -> str:
        client_id = f"client-{len(self._profiles) + 1}"
        self._profiles[business_id, client_id] = person
        return client_id

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        with self._lock:
            profiles = list(self._profiles.items())
        return [
            client_id
            for (owner, client_id), known in profiles
            if owner == business_id
            and ((phone and known.phone == phone) or (email and known.email_key == email))
        ]

    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        with self._lock:  # one client per key, whoever calls twice or at the same time
            if (business_id, key) not in self._made_for:
                person = attrs.evolve(draft.person, phone=draft.phone)
                self._made_for[business_id, key] = self.add(business_id, person)
            return self._made_for[business_id, key]

    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        # Not known yet: blocked only if blocked for all.
        asked = CARE_TYPES if care_type is None else (care_type,)
        return all((business_id, client_id, each) in self.blocked for each in asked)


class Catalogue:
    """The services (C9): for which species each business has any."""

    def __init__(self, species: dict[str, set[str]]) -> None:
        self._species = species

    def applies(self, business_id: str, form: BookingForm) -> bool:
        entered = {pet.species for pet in form.pets if pet.species}
        return not entered or bool(entered & self._species[business_id])


class Consents:
    """Who has agreed to marketing texts (R9)."""

    def __init__(self) -> None:
        self.given: set[tuple[str, str]] = set()

    def has_consent(self, business_id: str, phone: str) -> bool:
        return (business_id, phone) in self.given


class Credits:
    """Message credits (R6, M3): set aside before a text goes out, spent when it was accepted."""

    def __init__(self, bought: dict[str, int]) -> None:
        self._lock = threading.Lock()
        self._free = dict(bought)
        self._held: dict[tuple[str, str], int] = {}
        self._spent: set[tuple[str, str]] = set()

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        text = (business_id, owner)
        with self._lock:
            if text in self._held or text in self._spent:
                return True
            if credits > self._free[business_id]:
                return False
            self._free[business_id] -= credits
            self._held[text] = credits
            return True

    def commit(self, business_id: str, *, owner: str, credits: int) -> None:
        text = (business_id, owner)
        with self._lock:
            if text not in self._spent:
                # What the provider billed may be more or less than what was set aside.
                self._free[business_id] += self._held.pop(text, 0) - credits
                self._spent.add(text)

    def release(self, business_id: str, *, owner: str) -> None:
        with self._lock:
            self._free[business_id] += self._held.pop((business_id, owner), 0)

    def balance(self, business_id: str) -> int:
        # Below zero if more was billed than was left: then nothing can be set aside.
        return max(0, self._free[business_id])


def left(
    bookings: AbandonedBookings, session_id: str, at: datetime, person: Person, *pets: Pet
) -> str:
    """A visitor who leaves at the time step; the request's id."""
    request = bookings.capture.progress(
        Progress(
            business_id="paws",
            session_id=session_id,
            step=Step.TIME,
            at=at,
            form=BookingForm(person=person, pets=pets, care_type=CareType.GROOMING),
        )
    )
    assert request is not None
    return request.id


def main() -> None:
    clock = FakeClock(datetime(2026, 3, 3, 15, tzinfo=UTC))  # a Tuesday, 10 am in New York
    clients, consents, credits_ = Clients(), Consents(), Credits({"paws": 2})
    sms = RecordingSmsGateway()
    bookings = AbandonedBookings(
        MemoryStore(),
        sms=sms,
        clients=clients,
        catalogue=Catalogue({"paws": {"dog", "cat"}}),
        consents=consents,
        credits=credits_,
        clock=clock,
        has_feature=lambda business_id: business_id == "paws",
        secret=b"32 random bytes of your own here",
    )
    bookings.settings.put(
        BusinessSettings(
            business_id="paws",
            name="Paws & Co",
            timezone="America/New_York",
            campaign=RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2)),
            compliance=CompliancePolicy.us_marketing(),
        )
    )

    blocked = clients.add("paws", Person(first_name="Bea", phone="+12125550111"))
    clients.blocked.add(("paws", blocked, CareType.GROOMING))
    consents.given |= {("paws", f"+1212555{number:04}") for number in (111, 122, 133, 144)}

    rex = Pet(name="Rex", species="dog")
    ids = {
        "Ann": left(bookings, "s1", clock.now(), Person(first_name="Ann", phone="2125550122"), rex),
        "Bea": left(bookings, "s2", clock.now(), Person(first_name="Bea", phone="2125550111"), rex),
        "Cy": left(
            bookings,
            "s3",
            clock.now(),
            Person(first_name="Cy", phone="2125550133"),
            Pet(name="Iggy", species="iguana"),
        ),
        "Di": left(bookings, "s4", clock.now(), Person(first_name="Di", phone="2125550155"), rex),
        "Eve": left(bookings, "s5", clock.now(), Person(first_name="Eve", phone="2125550144"), rex),
    }
    clock.advance(hours=2)
    print(bookings.sweep.run_once())

    desk = bookings.desk("paws")
    for name, request_id in ids.items():
        print(f"{name}: {desk.explain(request_id)}")
    assert {text.to for text in sms.sent} == {"+12125550122", "+12125550144"}
    assert credits_.balance("paws") == 0

    # Ann answers: a new visitor becomes a client, from what she pre-filled.
    hello = InboundSms(business_id="paws", phone="+12125550122", body="Friday?", at=clock.now())
    bookings.inbound.reply(hello)
    bookings.inbound.reply(hello)
    ann = desk.get(ids["Ann"])
    assert ann.client_id == "client-2"
    print(f"Ann is {ann.client_id} now: {[action.value for action in desk.actions(ann)]}")


if __name__ == "__main__":
    main()
