"""Requests by the million, each worked out from its number, no two alike.

They are one business's, ``paws``, left one after the other; about two in three are Abandoned. Names
are made so that every kind of search term is there: see :data:`TERMS`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from abandoned_booking.core.model import (
    AbandonedRequest,
    Address,
    BookingForm,
    CareType,
    Channel,
    Contact,
    Person,
    Pet,
    Phone,
    Status,
    Step,
)

__all__ = [
    "DUE_AT",
    "EVERY",
    "LAST_AT",
    "NOOK",
    "NOW",
    "TERMS",
    "due_at_of",
    "due_request",
    "nook_request",
    "request_number",
]

LAST_AT: Final = datetime(2026, 11, 1, 12, tzinfo=UTC)
"""when request number 0, the newest, was left"""
EVERY: Final = timedelta(seconds=29)
"""how much earlier each next one was left"""
NOW: Final = LAST_AT + timedelta(days=1)
NOOK: Final = 50
"""the requests of a small business, ``nook``, in the same store"""
DUE_AT: Final = NOW + timedelta(days=30)
"""from when on what waits in the queue is due, request by request"""

_FIRST: Final = (
    "Anna", "Bob", "Chloé", "Dmitri", "Eve", "Fatima", "George", "Hana", "Ines", "Jørgen", "Kofi",
    "Lena", "Mateo", "Nora", "Omar", "Priya", "Quentin", "Rosa", "Sven", "Tara",
)  # fmt: skip
_LAST: Final = (
    "Lee", "Müller", "O'Brien", "García", "Smith", "Nguyen", "Ito", "Brown", "Kowalski", "Okafor",
    "Patel", "Rossi", "Silva", "Tanaka", "Weber", "Young", "Zhang", "Cohen", "Dubois", "Evans",
    "Fischer", "Hughes", "Jensen",
)  # fmt: skip
_PETS: Final = (
    "Rex", "Bella", "Luna", "Max", "Daisy", "Rocky", "Coco", "Mochi", "Biscuit", "Pepper", "Ziggy",
)  # fmt: skip
_STREETS: Final = ("Elm", "Oak", "Maple", "Cedar", "Pine", "Lake", "Hill")
_STEPS: Final = (Step.PET, Step.SERVICE, Step.TIME, Step.PERSONAL_INFO, Step.PAYMENT)
_STATUSES: Final = (Status.ABANDONED, Status.ABANDONED, Status.CONTACTED)
_RARE: Final = 99_991
"""one in so many has a name of its own"""

TERMS: Final = {
    "rare": "wolfeschlegel",
    "common": "anna",
    "common, two words": "anna bella",
    "a phone": "555-0042",
    "absent": "xylophone",
    "two letters, common": "ro",
    "one letter, common": "x",
    "two letters, absent": "qq",
}
"""what is looked for, by what it is like"""


def abandoned_at_of(number: int) -> datetime:
    return LAST_AT - number * EVERY


def due_at_of(number: int) -> datetime:
    """When request ``number`` of the list is due: later than all that the benchmarks call now."""
    return DUE_AT + number * timedelta(milliseconds=10)


def nook_request(number: int) -> AbandonedRequest:
    """A request of the small business, left among the others'."""
    return attrs.evolve(request_number(number * 101), business_id="nook")


def due_request(number: int) -> AbandonedRequest:
    """A request whose recovery message is due at :data:`NOW`: left two hours before."""
    left_at = NOW - timedelta(hours=2, microseconds=number)
    request = request_number(3 * number)  # one in Abandoned
    return attrs.evolve(
        request,
        started_at=left_at,
        abandoned_at=left_at,
        listed_at=left_at + timedelta(hours=1),
        announced_at=left_at + timedelta(hours=1),
        next_action_at=left_at + timedelta(hours=2),
    )


def request_number(number: int) -> AbandonedRequest:
    """Request ``number``, as it is stored before anybody has worked with it."""
    at = abandoned_at_of(number)
    status = _STATUSES[number % len(_STATUSES)]
    called = Contact(id="c", channel=Channel.CALL, at=at + timedelta(hours=2))
    digits = f"212555{number % 10_000:04}" if number < 10_000 else f"212{number % 10_000_000:07}"
    return AbandonedRequest(
        business_id="paws",
        id=f"{number:024x}",
        session_id=f"session-{number:09}",
        started_at=at - timedelta(minutes=5),
        abandoned_at=at,
        listed_at=at + timedelta(hours=1),
        announced_at=at + timedelta(hours=1),
        step=_STEPS[number % len(_STEPS)],
        furthest_step=_STEPS[number % len(_STEPS)],
        form=_form(number, digits),
        phone=Phone(
            e164=f"+1{digits}",
            region="US",
            can_text=True,
            zones=("America/New_York",),
            national=digits,
        ),
        status=status,
        contacts=(called,) if status is Status.CONTACTED else (),
    )


def _form(number: int, digits: str) -> BookingForm:
    first, last = _FIRST[number % len(_FIRST)], _LAST[number // 7 % len(_LAST)]
    if number % _RARE == 77:
        last = "Wolfeschlegel"
    street = _STREETS[number % len(_STREETS)]
    return BookingForm(
        person=Person(
            first_name=first,
            last_name=last,
            email=f"{number:x}@example.com",
            phone=f"({digits[:3]}) {digits[3:6]}-{digits[6:]}",
        ),
        pets=(Pet(name=_PETS[number // 3 % len(_PETS)], species="dog", breed="Poodle"),),
        address=Address(
            line1=f"{number % 900} {street} St", city="New York", state="NY", postal_code="10001"
        ),
        care_type=CareType.GROOMING,
        services=("Bath and brush",),
        preferred_at=abandoned_at_of(number) + timedelta(days=3),
    )
