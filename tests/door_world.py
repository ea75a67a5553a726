"""A small world around the doors: a clock that stands still, a recording gateway, registers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from abandoned_booking import (
    AbandonedBookings,
    AbandonedRequest,
    AfterDelay,
    Booked,
    BookingForm,
    BusinessSettings,
    CareType,
    InboundSms,
    Person,
    Pet,
    Progress,
    RecoveryCampaign,
    Step,
)
from abandoned_booking.ports import ClientDraft, RequestStore
from abandoned_booking.testing import FakeClock, RecordingSmsGateway

START = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
"""a Monday, 10 am in New York"""
PHONE = "+12125550199"


class Clients:
    """A host's client list in memory."""

    def __init__(self) -> None:
        self.matches: dict[str, list[str]] = {}
        self.blocked: set[tuple[str, CareType | None]] = set()
        self.created: dict[str, ClientDraft] = {}

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        del business_id
        return [*self.matches.get(phone or "", []), *self.matches.get(email or "", [])]

    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        del business_id
        self.created.setdefault(key, draft)
        return f"client-{key[:6]}"

    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        del business_id
        return (client_id, care_type) in self.blocked


class Credits:
    """A ledger of message credits in memory."""

    def __init__(self, balance: int) -> None:
        self.left = balance
        self.reserved: dict[str, int] = {}
        self.spent: dict[str, int] = {}

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        del business_id
        if owner in self.reserved:
            return True
        if credits > self.left:
            return False
        self.left -= credits
        self.reserved[owner] = credits
        return True

    def commit(self, business_id: str, *, owner: str, credits: int) -> None:
        del business_id
        if self.reserved.pop(owner, None) is not None:
            self.spent[owner] = credits

    def release(self, business_id: str, *, owner: str) -> None:
        del business_id
        self.left += self.reserved.pop(owner, 0)

    def balance(self, business_id: str) -> int:
        del business_id
        return self.left


class World:
    """One business with everything that a test may turn."""

    def __init__(self, store: RequestStore, **parts: Any) -> None:
        self.store = store
        self.clock = FakeClock(START)
        given = {"sms": RecordingSmsGateway(), "clock": self.clock, "send_threads": 1, **parts}
        self.gateway: Any = given["sms"]
        self.bookings = AbandonedBookings(store, **given)
        self.settings = BusinessSettings(
            business_id="paws",
            name="Paws & Co",
            timezone="America/New_York",
            campaign=RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2)),
        )
        self.bookings.settings.put(self.settings)
        self.desk = self.bookings.desk("paws")

    def put(self, **changes: Any) -> None:
        """Change the settings; ``enabled``, ``timing`` and the like change the campaign."""
        names = {field.name for field in attrs.fields(RecoveryCampaign)}
        campaign = {name: changes.pop(name) for name in list(changes) if name in names}
        self.settings = attrs.evolve(
            self.settings, campaign=attrs.evolve(self.settings.campaign, **campaign), **changes
        )
        self.bookings.settings.put(self.settings)

    def visit(
        self,
        session_id: str = "s1",
        *,
        step: Step = Step.TIME,
        at: datetime | None = None,
        phone: str | None = PHONE,
        email: str | None = None,
        first_name: str = "Ann",
        client_id: str | None = None,
        care_type: CareType | None = None,
    ) -> AbandonedRequest:
        """A visitor reaches a step now, or at ``at``."""
        person = Person(first_name=first_name, phone=phone, email=email)
        form = BookingForm(person=person, pets=(Pet(name="Rex"),), care_type=care_type)
        request = self.bookings.capture.progress(
            Progress(
                business_id="paws",
                session_id=session_id,
                step=step,
                at=at or self.clock.now(),
                form=form,
                client_id=client_id,
            )
        )
        assert request is not None
        return request

    def book(self, session_id: str | None = "s1", **given: Any) -> None:
        """A booking is made now, or at ``at``."""
        given = {"at": self.clock.now(), "appointment_id": "a1", **given}
        self.bookings.capture.booked(Booked(business_id="paws", session_id=session_id, **given))

    def reply(self, body: str, *, phone: str = PHONE, **given: Any) -> str:
        """The person texts the business now, or at ``at``."""
        sms = InboundSms(
            business_id="paws", phone=phone, body=body, **{"at": self.clock.now(), **given}
        )
        return self.bookings.inbound.reply(sms).value

    def sweep(self, **hours: float) -> Any:
        """One run of the sweep, that much later."""
        self.clock.advance(**hours)
        return self.bookings.sweep.run_once()

    def now_is(self, request: AbandonedRequest) -> AbandonedRequest:
        """The request as it is stored now."""
        found = self.store.get(request.business_id, request.id)
        assert found is not None
        return found
