"""Who is in a run: so many visitors, their phones, and what the provider will do with their texts.

All of it follows from a number and the seed, so that every process knows it without being told.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from abandoned_booking import (
    AfterDelay,
    BookingForm,
    BusinessSettings,
    Person,
    Progress,
    RecoveryCampaign,
    Step,
)
from abandoned_booking.core import phone as phones
from abandoned_booking.core.intake import request_id_of
from abandoned_booking.errors import InvalidPhone

START: Final = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
DELAY: Final = timedelta(minutes=10)
GRACE: Final = timedelta(days=30)
A_DAY: Final = timedelta(hours=24)
LISTED_AFTER: Final = timedelta(hours=1)
BUSINESSES: Final = ("paws", "claws")
SETTINGS: Final = tuple(
    BusinessSettings(
        business_id=business_id,
        name=business_id.title(),
        campaign=RecoveryCampaign(enabled=True, timing=AfterDelay(DELAY)),
        late_grace=GRACE,
    )
    for business_id in BUSINESSES
)
_NUMBERS_OF_AN_AREA: Final = 100
"""555-0100 to 555-0199 are nobody's"""


@attrs.frozen
class Visitor:
    """One who leaves a booking."""

    number: int
    business_id: str
    phone: str
    """E.164"""
    left_at: datetime

    @property
    def session_id(self) -> str:
        return f"s{self.number}"

    @property
    def request_id(self) -> str:
        return request_id_of(self.business_id, self.session_id, 1)

    def progress(self) -> Progress:
        """What the booking flow reports of them, every time the same."""
        form = BookingForm(person=Person(first_name="Ann", phone=self.phone))
        return Progress(
            business_id=self.business_id,
            session_id=self.session_id,
            step=Step.TIME,
            at=self.left_at,
            form=form,
        )


def visitors(number: int, *, within: timedelta) -> list[Visitor]:
    """So many, one after the other; every tenth has the phone of the one before (R7)."""
    areas = _area_codes(number // (2 * _NUMBERS_OF_AN_AREA) + 1)
    found = []
    for n in range(number):
        # Two businesses, with the same phones: what one does is nothing to the other.
        place = n // 2
        place -= place % 10 == 9
        area, line = areas[place // _NUMBERS_OF_AN_AREA], place % _NUMBERS_OF_AN_AREA
        left_at = START + within * n / number
        business_id = BUSINESSES[n % 2]
        found.append(Visitor(n, business_id, f"+1{area}55501{line:02}", left_at))
    return found


def _area_codes(number: int) -> list[int]:
    found: list[int] = []
    for area in range(201, 990):
        if len(found) == number:
            return found
        try:
            phone = phones.parse(f"+1{area}5550100", region="US")
        except InvalidPhone:
            continue
        if phones.is_us(phone, territories=False) and phone.can_text:
            found.append(area)
    raise ValueError(f"only {len(found) * 2 * _NUMBERS_OF_AN_AREA:,} visitors have phones")


@attrs.frozen
class Script:
    """What the provider does with the text of one attempt."""

    taken: bool
    says: str
    """accepted, unknown, raises, not sent, rejected"""
    is_found: bool
    """whether a look-up finds what was taken; some are indexed too late for any"""


_SCRIPTS: Final = (
    (80, Script(taken=True, says="accepted", is_found=True)),
    (6, Script(taken=True, says="unknown", is_found=True)),
    (2, Script(taken=True, says="raises", is_found=False)),
    (2, Script(taken=False, says="unknown", is_found=False)),
    (3, Script(taken=False, says="rejected", is_found=False)),
    (7, Script(taken=False, says="not sent", is_found=False)),
)


def script_of(seed: int, attempt_id: str, at: datetime) -> Script:
    """The same for every try of an attempt, but that *not sent* is so half of the time only."""
    chance = random.Random(f"{seed} {attempt_id}")
    scripts = [script for _, script in _SCRIPTS]
    script = chance.choices(scripts, [weight for weight, _ in _SCRIPTS])[0]
    if script.says == "not sent" and random.Random(f"{seed} {attempt_id} {at}").random() < 0.5:
        return scripts[0]
    return attrs.evolve(script, is_found=script.is_found and chance.random() < 0.8)


# ── what people do ──────────────────────────────────────────────────────────────────────────────

Act = tuple[str, int, str]
"""what, the visitor's number, and what more there is to it"""


def _nothing(*_: object) -> str:
    return "-"


WHAT_PEOPLE_DO: Final[dict[str, tuple[float, Callable[[Visitor, random.Random], str]]]] = {
    "visit": (0.02, _nothing),
    "book": (0.01, _nothing),
    "call": (0.005, _nothing),
    "text": (0.01, lambda visitor, _: f"click-{visitor.number}"),
    "opt_out": (0.005, lambda visitor, _: f"reply-{visitor.number}"),
    "report": (0.04, lambda _, chance: chance.choice(("accepted", "delivered", "undelivered"))),
}
"""how likely it is at each tick while a text is on its way, and what more there is to it"""
