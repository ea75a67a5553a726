"""A made-up salon and its visitors in March 2026: who comes, what they fill in, where they leave.

Everything follows from a seed. Numbers end in 555-01xx, mail goes to example.com: nobody is real.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from abandoned_booking.backtest.people import FIRST_NAMES, LAST_NAMES
from abandoned_booking.core.campaign import AfterDelay, BusinessSettings, RecoveryCampaign
from abandoned_booking.core.flow import Progress
from abandoned_booking.core.model import (
    STANDARD_STEPS,
    Address,
    BookingForm,
    CareType,
    Person,
    Pet,
    Step,
)

__all__ = [
    "ENDS_AT",
    "NAME",
    "STARTS_AT",
    "Client",
    "Visit",
    "clients_of",
    "salon_settings",
    "visits_of",
]

NAME: Final = "Bark & Bubbles (demo)"
ZONE: Final = ZoneInfo("America/New_York")
STARTS_AT: Final = datetime(2026, 3, 1, tzinfo=ZONE).astimezone(UTC)
ENDS_AT: Final = datetime(2026, 4, 1, tzinfo=ZONE).astimezone(UTC)

_WELCOME: Final = Step("welcome")
_STEPS: Final = (_WELCOME, *STANDARD_STEPS)
_VISITS: Final = 420
_LATE_VISITS: Final = 6
"""on the last evening, so that some texts are not due yet when the month ends"""
_CLIENTS: Final = 110

_AREA_CODES: Final = ("201", "212", "347", "516", "646", "718", "914", "917", "929")
_CANADIAN: Final = ("416", "514", "604", "647")
_STREETS: Final = ("Bedford Ave", "Court St", "Elm St", "Hudson St", "Maple Ave", "Ocean Pkwy")
_TOWNS: Final = (
    ("Brooklyn", "NY", "11211"),
    ("Brooklyn", "NY", "11231"),
    ("New York", "NY", "10014"),
    ("Queens", "NY", "11375"),
    ("Hoboken", "NJ", "07030"),
)
_PET_NAMES: Final = """
    Archie Bailey Bella Biscuit Cleo Coco Daisy Duke Finn Ginger Gus Hazel Lola Louie Luna Maple
    Milo Moose Nala Olive Oscar Otis Pepper Poppy Rex Rosie Ruby Teddy Waffles Ziggy
"""
_BREEDS: Final = {
    "dog": ("Beagle", "Corgi", "Havanese", "Labrador", "Poodle", "Schnauzer", "mixed"),
    "cat": ("Maine Coon", "Persian", "Siamese", "domestic shorthair"),
    "rabbit": ("Lionhead", "Rex"),
}
_SERVICES: Final = {
    CareType("grooming"): ("Bath & brush", "Full groom", "Nail trim", "De-shedding"),
    CareType("daycare"): ("Half day", "Full day"),
    CareType("boarding"): ("Standard suite", "Luxury suite"),
}
_STAFF: Final = ("Ines", "Kai", "Nora", "Theo")
# Where people leave: most when they see the times, and when they are asked to pay.
_LEAVES_AT: Final = dict(zip(_STEPS, (10, 8, 6, 14, 5, 26, 8, 9, 14), strict=True))
_HOURS: Final = (1, 2, 4, 5, 5, 4, 4, 4, 5, 5, 6, 7, 8, 8, 6, 3)
"""how many visits begin at 7, 8, ... 22 o'clock, in proportion"""


@attrs.frozen(kw_only=True)
class Client:
    """Somebody on the salon's client list."""

    id: str
    person: Person
    form: BookingForm
    is_blocked: bool


@attrs.frozen(kw_only=True)
class Visit:
    """One pass through the booking flow."""

    session_id: str
    progress: tuple[Progress, ...]
    booked_at: datetime | None
    """when the visitor finished the booking; ``None``: left"""


def salon_settings(business_id: str) -> BusinessSettings:
    """The salon: texts go two hours after a visitor has left."""
    return BusinessSettings(
        business_id=business_id,
        name=NAME,
        timezone=ZONE.key,
        steps=_STEPS,
        booking_url="https://bark-and-bubbles.example/book",
        campaign=RecoveryCampaign(
            enabled=True,
            timing=AfterDelay(hours=2),
            template="Hi {{first_name}}, {{pet_names|your pet}}'s booking at Bark & Bubbles is "
            "almost done. Finish it here: {{booking_link}}",
        ),
    )


# ── people ──────────────────────────────────────────────────────────────────────────────────────


class _Town:
    """Draws people, no two with the same name or number."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        names = list(product(FIRST_NAMES, LAST_NAMES))
        self._names = iter(chance.sample(names, 1_000))
        lines = [f"+1{code}55501{line:02d}" for code in _AREA_CODES for line in range(100)]
        self._phones = iter(chance.sample(lines, len(lines)))
        canada = [f"+1{code}55501{line:02d}" for code in _CANADIAN for line in range(100)]
        self._canadian = iter(chance.sample(canada, len(canada)))

    def person(self, *, is_client: bool) -> Person:
        """Somebody new, with the phone and e-mail that such people leave."""
        first, last = next(self._names)
        email = f"{first}.{last}@example.com".lower()
        named = Person(first_name=first, last_name=last)
        phone, us = next(self._phones), self._as_typed
        if is_client:
            kinds = {"us": 88, "canada": 6, "mail": 6}
        else:
            kinds = {"us": 74, "canada": 6, "wrong": 4, "mail": 8, "toll-free": 3, "nothing": 5}
        match self._chance.choices([*kinds], [*kinds.values()])[0]:
            case "us":
                return attrs.evolve(named, phone=us(phone), email=self._sometimes(email))
            case "canada":
                return attrs.evolve(named, phone=next(self._canadian), email=email)
            case "wrong":
                return attrs.evolve(named, phone=phone[5:], email=self._sometimes(email))
            case "mail":
                return attrs.evolve(named, email=email)
            case "toll-free":
                return attrs.evolve(named, phone=f"+1800{phone[5:]}")
            case _:
                return Person(first_name=first)

    def _as_typed(self, phone: str) -> str:
        area, middle, line = phone[2:5], phone[5:8], phone[8:]
        written = (phone, f"({area}) {middle}-{line}", f"{area}-{middle}-{line}")
        return self._chance.choice(written)

    def _sometimes(self, email: str) -> str | None:
        return email if self._chance.random() < 0.6 else None


def _form_of(chance: Random, person: Person) -> BookingForm:
    """Everything that this person would fill in, were they to come to the end."""
    town, state, postal_code = chance.choice(_TOWNS)
    species = chance.choices(("dog", "cat", "rabbit"), (86, 11, 3))[0]
    care_type = chance.choices([*_SERVICES], (62, 22, 16))[0]
    names = chance.sample(_PET_NAMES.split(), chance.choices((1, 2, 3), (78, 18, 4))[0])
    return BookingForm(
        person=person,
        pets=tuple(
            Pet(name=name, species=species, breed=chance.choice(_BREEDS[species])) for name in names
        ),
        address=Address(
            line1=f"{chance.randint(1, 480)} {chance.choice(_STREETS)}",
            city=town,
            state=state,
            postal_code=postal_code,
            country="US",
        ),
        care_type=care_type,
        services=(chance.choice(_SERVICES[care_type]),),
        staff=chance.choice(_STAFF),
        note=chance.choice((None, "Nervous around dryers", "First visit", "Matted coat")),
    )


def clients_of(seed: int) -> Sequence[Client]:
    """The salon's client list on the first of the month."""
    chance = Random(f"clients {seed}")
    town = _Town(chance)
    clients = []
    for number in range(1, _CLIENTS + 1):
        client_id = f"client-{number:03d}"
        person = attrs.evolve(town.person(is_client=True), client_id=client_id)
        clients.append(
            Client(
                id=client_id,
                person=person,
                form=_form_of(chance, person),
                is_blocked=chance.random() < 0.06,
            )
        )
    return clients


# ── visits ──────────────────────────────────────────────────────────────────────────────────────


def visits_of(seed: int, business_id: str, clients: Sequence[Client]) -> Iterator[Visit]:
    """All visits of the month, by clients and by strangers, in no order."""
    chance = Random(f"visits {seed}")
    # Strangers draw behind the clients from the same town, so that numbers stay apart.
    town = _Town(Random(f"clients {seed}"))
    for _ in clients:
        town.person(is_client=True)
    strangers: list[BookingForm] = []
    for number in range(1, _VISITS + 1):
        client_id: str | None = None
        drawn = chance.random()
        if drawn < 0.36:
            client = chance.choice(clients)
            form, client_id = client.form, client.id
        elif drawn < 0.42:  # not signed in; known by phone or e-mail
            client = chance.choice(clients)
            unsigned = attrs.evolve(client.person, client_id=None)
            form = attrs.evolve(client.form, person=unsigned)
        elif drawn < 0.52 and strangers:  # once more, in another session
            form = chance.choice(strangers)
        else:
            form = _form_of(chance, town.person(is_client=False))
            strangers.append(form)
        begins_at = _late(chance) if number > _VISITS - _LATE_VISITS else _start(chance)
        yield _visit(chance, business_id, f"web-{number:04d}", form, client_id, begins_at)


def _visit(
    chance: Random,
    business_id: str,
    session_id: str,
    form: BookingForm,
    client_id: str | None,
    begins_at: datetime,
) -> Visit:
    steps = [s for s in _STEPS if client_id is None or s not in {Step.ADDRESS, Step.PERSONAL_INFO}]
    at, progress = begins_at, list[Progress]()
    form = attrs.evolve(form, preferred_at=at.replace(minute=0, second=0) + timedelta(days=4))

    def passes(until: Step | None) -> None:
        nonlocal at
        for step in steps:
            filled = _filled(form, step)
            seen = Progress(
                business_id=business_id,
                session_id=session_id,
                step=step,
                at=at,
                client_id=client_id,
                form=filled,
            )
            progress.append(seen)
            if chance.random() < 0.06:
                progress.append(seen)  # browsers repeat themselves
            at += timedelta(seconds=chance.randint(8, 140))
            if step == until:
                return

    finishes = chance.random() < 0.34
    passes(None if finishes else _leaves_at(chance, steps))
    if not finishes and chance.random() < 0.22:
        at += timedelta(minutes=chance.choice((12, 35, 80, 300, 1_500, 4_000)))
        finishes = chance.random() < 0.45
        passes(None if finishes else _leaves_at(chance, steps))
    return Visit(
        session_id=session_id,
        progress=tuple(progress),
        booked_at=at if finishes else None,
    )


def _leaves_at(chance: Random, steps: Sequence[Step]) -> Step:
    return chance.choices(steps, [_LEAVES_AT[step] for step in steps])[0]


def _start(chance: Random) -> datetime:
    day = chance.randrange(31)
    hour = chance.choices(range(7, 7 + len(_HOURS)), _HOURS)[0]
    local = datetime(
        2026, 3, 1 + day, hour, chance.randrange(60), chance.randrange(60), tzinfo=ZONE
    )
    return local.astimezone(UTC)


def _late(chance: Random) -> datetime:
    return ENDS_AT - timedelta(minutes=chance.randint(82, 112))


_FILLED_AT: Final = {
    "person": _WELCOME,
    "address": Step.ADDRESS,
    "pets": Step.PET,
    "care_type": Step.SERVICE,
    "services": Step.SERVICE,
    "staff": Step.STAFF,
    "preferred_at": Step.TIME,
    "note": Step.ADDITIONAL_PET_INFO,
}


def _filled(form: BookingForm, step: Step) -> BookingForm:
    """What of the form has been filled in once ``step`` is reached."""
    come_to = _STEPS.index(step)
    known = {
        name: getattr(form, name) for name, at in _FILLED_AT.items() if _STEPS.index(at) <= come_to
    }
    return BookingForm(**known)
