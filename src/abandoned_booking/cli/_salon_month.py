"""The month itself: visits, texts, what people do about them, and the staff at their desk.

The doors are the real ones, driven by :class:`~abandoned_booking.backtest.Simulation`. Whatever is
left to chance is drawn from the seed and the request it is about, so that a month is the same in
every run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from functools import partial
from random import Random
from typing import Final

from abandoned_booking.backtest import Simulation, WholeStore
from abandoned_booking.cli._salon import (
    ENDS_AT,
    STARTS_AT,
    ZONE,
    Client,
    clients_of,
    salon_settings,
    visits_of,
)
from abandoned_booking.core.flow import Booked
from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import AbandonedRequest, BookingForm, CareType
from abandoned_booking.core.phone import parse
from abandoned_booking.errors import TransitionRefused
from abandoned_booking.inbound import ReplyOutcome
from abandoned_booking.ports import (
    Accepted,
    ClientDraft,
    DeliveryReport,
    DeliveryState,
    InboundSms,
    NotSent,
    OutboundSms,
    Rejected,
    SendResult,
    Unknown,
)
from abandoned_booking.testing import RecordingSmsGateway

__all__ = ["Month"]

_SUNDAY: Final = 6
_DESK_HOURS: Final = (time(9, 30), time(15, 30))
_RECOVERY_MESSAGE: Final = ".m"


class _Register:
    """The host's client list and services, as the salon's platform would give them."""

    def __init__(self, business_id: str, clients: Sequence[Client]) -> None:
        self._blocked = {(business_id, client.id) for client in clients if client.is_blocked}
        self._created: dict[tuple[str, str], str] = {}
        self._known: dict[tuple[str, str], set[str]] = {}
        for client in clients:
            phone = client.person.phone and parse(client.person.phone, region="US").e164
            self._learn(business_id, client.id, phone, client.person.email_key)

    def _learn(self, business_id: str, client_id: str, *contact_points: str | None) -> None:
        for point in filter(None, contact_points):
            self._known.setdefault((business_id, point), set()).add(client_id)

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        points = filter(None, (phone, email))
        return sorted({c for point in points for c in self._known.get((business_id, point), ())})

    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        client_id = self._created.setdefault(
            (business_id, key), f"client-new-{len(self._created) + 1:02d}"
        )
        self._learn(business_id, client_id, draft.phone, draft.person.email_key)
        return client_id

    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        # Blocked means: for all but daycare.
        is_open_to_all = care_type is None or care_type == CareType.DAYCARE
        return not is_open_to_all and (business_id, client_id) in self._blocked

    def applies(self, business_id: str, form: BookingForm) -> bool:
        return bool(business_id) and not any(pet.species == "rabbit" for pet in form.pets)


class Month:
    """A salon's March 2026, to be run once."""

    def __init__(self, *, seed: int, business_id: str, store: WholeStore) -> None:
        clients = clients_of(seed)
        self._seed = seed
        self.settings = salon_settings(business_id)
        register = _Register(business_id, clients)
        self.simulation = Simulation(
            self.settings,
            store=store,
            gateway=RecordingSmsGateway(self._carrier),
            clients=register,
            catalogue=register,
        )
        self.bookings = self.simulation.bookings
        self.desk = self.bookings.desk(business_id)
        self.replies: Counter[ReplyOutcome] = Counter()
        self.visits = list(visits_of(seed, business_id, clients))

    def run(self) -> None:
        """Live through the month."""
        capture = self.bookings.capture
        for visit in self.visits:
            for seen in visit.progress:
                self._plan(seen.at, partial(capture.progress, seen))
            if visit.booked_at is not None:
                self._plan_booking(visit.session_id, visit.booked_at)
        day = STARTS_AT.astimezone(ZONE).date()
        while day < ENDS_AT.astimezone(ZONE).date():
            if day.weekday() != _SUNDAY:
                for hour in _DESK_HOURS:
                    at = datetime.combine(day, hour, ZONE).astimezone(UTC)
                    self._plan(at, partial(self._staff, at))
            day += timedelta(days=1)
        self.simulation.run(until=ENDS_AT)

    def requests(self) -> list[AbandonedRequest]:
        """Every request of the month, newest first."""
        found = [request for request in self.simulation.requests() if request.step is not None]
        return sorted(found, key=lambda request: (request.abandoned_at, request.id), reverse=True)

    def _plan(self, at: datetime, action: Callable[[], object]) -> None:
        if at <= ENDS_AT:
            self.simulation.plan(at, action)

    def _plan_booking(self, session_id: str, at: datetime) -> None:
        booked = Booked(
            business_id=self.settings.business_id,
            session_id=session_id,
            at=at,
            appointment_id=f"appointment-of-{session_id}",
        )
        self._plan(at, partial(self.bookings.capture.booked, booked))

    def _chance_of(self, what: str) -> Random:
        return Random(f"{self._seed} {what}")

    # ── texts and what comes back ───────────────────────────────────────────────────────────────

    def _carrier(self, message: OutboundSms) -> SendResult:
        """What the carrier answers, and what the person will do about the text."""
        now = self.simulation.clock.now()
        # A text that is tried again meets another day.
        chance = self._chance_of(f"carrier {message.attempt_id} {now}")
        if message.attempt_id.endswith(_RECOVERY_MESSAGE):
            drawn = chance.random()
            if drawn < 0.03:
                return Rejected(reason="carrier refused", code="30007")
            if drawn < 0.05:
                return Unknown(detail="time-out")
            if drawn < 0.08:
                return NotSent(reason="busy")
        self._delivered(message, chance, now)
        return Accepted(provider_id=f"SM{message.attempt_id}", segments=message.segments)

    def _delivered(self, message: OutboundSms, chance: Random, now: datetime) -> None:
        at = now + timedelta(seconds=chance.randint(2, 40))
        arrives = chance.random() < 0.95
        report = DeliveryReport(
            business_id=message.business_id,
            attempt_id=message.attempt_id,
            state=DeliveryState.DELIVERED if arrives else DeliveryState.UNDELIVERED,
            at=at,
            reason=None if arrives else "30003",
        )
        self._plan(at, partial(self.bookings.inbound.delivery, report))
        if chance.random() < 0.1:
            self._plan(at, partial(self.bookings.inbound.delivery, report))
        if arrives:
            self._answered(message, chance, at)

    def _answered(self, message: OutboundSms, chance: Random, at: datetime) -> None:
        later = at + timedelta(minutes=chance.choice((3, 9, 25, 70, 240, 1_100)))
        drawn = chance.random()
        if drawn < 0.3:
            request_id = message.attempt_id.rpartition(".")[0]
            session_id = self.desk.get(request_id).session_id
            self._plan_booking(session_id, later)
        elif drawn < 0.44:
            words = ("Do you have anything on Saturday?", "Thanks, will do", "How much is it?")
            self._plan_reply(message, chance.choice(words), later)
        elif drawn < 0.51:
            self._plan_reply(message, chance.choice(("STOPM", "Stop.", "unsubscribe")), later)

    def _plan_reply(self, message: OutboundSms, body: str, at: datetime) -> None:
        reply = InboundSms(
            business_id=message.business_id,
            phone=message.to,
            body=body,
            at=at,
            message_id=f"reply-to-{message.attempt_id}",
        )
        self._plan(at, partial(self._reply, reply))

    def _reply(self, reply: InboundSms) -> None:
        self.replies[self.bookings.inbound.reply(reply)] += 1

    # ── the staff ───────────────────────────────────────────────────────────────────────────────

    def _staff(self, at: datetime) -> None:
        """The staff open the list and take care of one or two of those on it."""
        chance = self._chance_of(f"staff {at}")
        listed = self.desk.list(ListQuery(limit=30)).requests
        for request in chance.sample(listed, min(len(listed), chance.choice((0, 1, 1, 2)))):
            match chance.choices(("call", "text", "book", "delete"), (46, 34, 14, 6))[0]:
                case "call":
                    self._called(request, chance, at)
                case "text":
                    self.desk.text(
                        request.id,
                        "Hi {{first_name}}, Ines from Bark & Bubbles here. Shall I hold a time?",
                        operation_id=f"{at} {request.id}",
                    )
                case "book":
                    self._scheduled(request.id, at)
                case _:
                    self.desk.delete(request.id)

    def _called(self, request: AbandonedRequest, chance: Random, at: datetime) -> None:
        self.desk.call(request.id, staff_id="ines")
        drawn = chance.random()
        if drawn < 0.1:
            self.desk.undo_call(request.id)
        elif drawn < 0.45:
            later = at + timedelta(minutes=chance.randint(3, 15))
            self._plan(later, partial(self._scheduled, request.id, later))

    def _scheduled(self, request_id: str, at: datetime) -> None:
        # The client may have booked while they were on the phone.
        with suppress(TransitionRefused):
            self.desk.scheduled(request_id, f"appointment-of-{request_id[:8]}", at=at)
