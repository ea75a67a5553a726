"""The real doors on the store in memory, moved one step of the model at a time.

Every sweep runs in a thread of its own that stops at each point of
:mod:`abandoned_booking._failpoints` until it is told to go on, or to die there. So the doors can be
taken along any path of the model, and compared with it after every step.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs
from model.world import NOBODY, Act, Request, World

from abandoned_booking import (
    AbandonedBookings,
    AbandonedRequest,
    AfterDelay,
    Booked,
    BookingForm,
    BusinessSettings,
    DeliveryReport,
    InboundSms,
    Person,
    Progress,
    RecoveryCampaign,
    Step,
)
from abandoned_booking.core.model import Channel, ContactState
from abandoned_booking.ports import (
    Accepted,
    Found,
    LookupResult,
    NotFound,
    NotSent,
    OutboundSms,
    Rejected,
    SendResult,
    Unknown,
)
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import FakeClock

PHONE: Final = "+12125550199"
BUSINESS: Final = "paws"
LEFT_AT: Final = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
A_CLAIM: Final = timedelta(minutes=16)
"""longer than any claim, back-off or look-up takes"""
A_DAY: Final = timedelta(hours=11)
"""the window of R7 in this world; it is longer than all claims of a path together"""
SETTINGS: Final = BusinessSettings(
    business_id=BUSINESS,
    name="Paws",
    campaign=RecoveryCampaign(enabled=True, timing=AfterDelay(minutes=10)),
    late_grace=timedelta(days=5),
    one_message_within=A_DAY,
)
PASSED_BY: Final = frozenset({"sweep.asked", "sweep.reserved", "sweep.recorded"})
"""where a sweep may stop between two steps of the model"""
STAGES: Final = {
    "idle": "end",
    "claimed": "sweep.claimed",
    "asked": "sweep.asked",
    "reserved": "sweep.beginning",
    "begun": "sweep.begun",
    "answered": "sweep.answered",
    "released": "sweep.released",
    "looked up": "sweep.looked_up",
    "settling": "sweep.settling",
}
STAFF: Final = {
    None: "",
    ContactState.SENDING: "texting",
    ContactState.ACCEPTED: "texted",
    ContactState.REFUSED: "refused",
    ContactState.MADE: "called",
    ContactState.UNDONE: "undone",
}


class Drift(AssertionError):
    """The doors did something else than the model."""


class Dies(BaseException):
    """The process ends here."""


class Stepped:
    """Something that runs in a thread, from one point to the next."""

    def __init__(self, runs: Callable[[], object]) -> None:
        self.at = ""
        self.answer = ""
        """what the gateway is to say next to this thread"""
        self._go: queue.Queue[bool] = queue.Queue()
        self._stopped: queue.Queue[str] = queue.Queue()
        self._runs = runs
        threading.Thread(target=self._run, daemon=True).start()
        self._wait()

    def _run(self) -> None:
        _here.stepped = self
        end = "end"
        try:
            self._runs()
        except Dies:
            pass
        except Exception as error:  # the thread has nobody else to tell
            end = f"raised {type(error).__name__}: {error}"
        self._stopped.put(end)

    def stop(self, point: str) -> None:
        """Called in the thread: wait here until somebody says how it goes on."""
        self._stopped.put(point)
        if not self._go.get(timeout=30):
            raise Dies

    def _wait(self) -> None:
        self.at = self._stopped.get(timeout=30)

    def go_on(self, *, live: bool = True) -> str:
        """To the next point, or to an end right here."""
        self._go.put(live)
        self._wait()
        return self.at


_here = threading.local()


def stop_here(point: str, _about: str = "", /) -> None:
    """The hook of the failpoints: stops the threads that are stepped, and no other."""
    stepped: Stepped | None = getattr(_here, "stepped", None)
    if stepped is not None and not point.startswith(("store.", "capture.", "desk.beginning")):
        stepped.stop(point)


class ChosenStore(MemoryStore):
    """Hands out the very request that the model claims next, if it is due."""

    chosen = ""

    def claim_due(self, *, now: datetime, until: datetime, limit: int) -> list[AbandonedRequest]:
        with self._lock:
            due = [key for _, key in self._all_due(now) if key[1] == self.chosen]
            return [self._claim(key, until) for key in due[:limit]]


class Provider:
    """Does what the model says, and counts what it has taken."""

    def __init__(self) -> None:
        self.accepted: dict[str, int] = {}

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        del timeout
        answer = _here.stepped.answer
        if not answer.startswith("not taken"):
            self.accepted[message.attempt_id] = self.accepted.get(message.attempt_id, 0) + 1
        match answer.rpartition(": ")[2]:
            case "accepted":
                return Accepted(provider_id="p1")
            case "unknown":
                return Unknown(detail="502")
            case "not sent":
                return NotSent(reason="busy")
            case "rejected":
                return Rejected(reason="no", code="30004")
            case _:
                raise Drift(f"a text went out that the model does not send: {answer!r}")

    def find(self, attempt_id: str) -> LookupResult:
        if _here.stepped.answer == "found":
            return Found(provider_id="p1")
        return NotFound()


class Doors:
    """One business, one phone, and the requests of a scope, at the very start of the model."""

    def __init__(self, requests: int, workers: int) -> None:
        self.store, self.clock, self.provider = ChosenStore(), FakeClock(LEFT_AT), Provider()
        self.bookings = AbandonedBookings(
            self.store, sms=self.provider, clock=self.clock, send_threads=1
        )
        self.bookings.settings.put(SETTINGS)
        self.desk = self.bookings.desk(BUSINESS)
        visits = [self._visit(number, LEFT_AT) for number in range(requests)]
        # In the order of the model, which is that in which a person's requests are read.
        by_id = sorted((self._told_of(visit), visit.session_id, visit) for visit in visits)
        self.ids = [request_id for request_id, *_ in by_id]
        self.visits = [visit for *_, visit in by_id]
        self.workers: list[Stepped | None] = [None] * workers
        self.opt_out: Stepped | None = None
        self.texts: dict[int, Stepped] = {}

    def _visit(self, number: int, at: datetime) -> Progress:
        form = BookingForm(person=Person(first_name="Ann", phone=PHONE))
        return Progress(
            business_id=BUSINESS, session_id=f"s{number}", step=Step.TIME, at=at, form=form
        )

    def _told_of(self, visit: Progress) -> str:
        """The id of the visit's request; the host was told of it, of which the model is silent."""
        request = self.bookings.capture.progress(visit)
        assert request is not None
        announced = attrs.evolve(request, announced_at=LEFT_AT)
        assert self.store.save(announced, expected_version=request.version)
        return request.id

    def end(self) -> None:
        """Let every thread end."""
        for stepped in (*self.workers, self.opt_out, *self.texts.values()):
            if stepped is not None and stepped.at != "end":
                stepped.go_on(live=False)

    def stored(self, which: int) -> AbandonedRequest:
        found = self.store.get(BUSINESS, self.ids[which])
        assert found is not None
        return found

    # ── one step ────────────────────────────────────────────────────────────────────────────────

    def do(self, act: Act, after: World) -> None:
        """What the model does, done. Raises :class:`Drift` if it went another way."""
        if act.who != NOBODY:
            self._worker(act, STAGES[after.workers[act.who].at])
        else:
            _OTHERS[act.verb](self, act)
        self.compare(after)

    def _worker(self, act: Act, expected: str) -> None:
        if act.verb == "claims":
            self.clock.advance(seconds=A_CLAIM.total_seconds())
            self.store.chosen = self.ids[act.request]
            sweep = self.bookings.sweep
            stepped = self.workers[act.who] = Stepped(lambda: sweep.run_once(limit=1))
        else:
            found = self.workers[act.who]
            assert found is not None
            stepped = found
            stepped.answer = act.how
            stepped.go_on(live=act.verb != "dies")
        while stepped.at != expected and stepped.at in PASSED_BY:
            stepped.go_on()
        if stepped.at != expected:
            raise Drift(f"{act}: the sweep is at {stepped.at}, the model at {expected}")

    def books(self, act: Act) -> None:
        visit = self.visits[act.request]
        self.bookings.capture.booked(
            Booked(business_id=BUSINESS, session_id=visit.session_id, at=self.clock.now())
        )

    def calls(self, act: Act) -> None:
        self.desk.call(self.ids[act.request])

    def takes_back(self, act: Act) -> None:
        self.desk.undo_call(self.ids[act.request])

    def texts_begin(self, act: Act) -> None:
        request_id = self.ids[act.request]
        text = Stepped(lambda: self.desk.text(request_id, "Hello", operation_id="click"))
        self.texts[act.request] = text
        if text.at != "desk.begun":
            raise Drift(f"{act}: the desk is at {text.at}")

    def text_ends(self, act: Act) -> None:
        text = self.texts.pop(act.request)
        text.answer = "taken: accepted" if act.verb.endswith("accepted") else "not taken: rejected"
        while text.at != "end":
            text.go_on()

    def reports(self, act: Act) -> None:
        report = DeliveryReport(
            business_id=BUSINESS,
            attempt_id=f"{self.ids[act.request]}.m",
            state=act.how,
            at=self.clock.now(),
        )
        if not self.bookings.inbound.delivery(report):
            raise Drift(f"{act}: told nothing new")

    def goes_on(self, act: Act) -> None:
        self.store.settings.put(SETTINGS)
        visit = attrs.evolve(self.visits[act.request], at=self.clock.now())
        self.bookings.capture.progress(visit)

    def imports(self, act: Act) -> None:
        self.bookings.capture.progress(self.visits[act.request])

    def opts_out(self, act: Act) -> None:
        reply = InboundSms(business_id=BUSINESS, phone=PHONE, body="STOP", at=self.clock.now())
        if self.opt_out is None:
            self.opt_out = Stepped(lambda: self.bookings.inbound.reply(reply))
            if self.opt_out.at != "inbound.suppressed":
                raise Drift(f"{act}: the opt-out is at {self.opt_out.at}")
        elif act.verb == "the opt-out has returned":
            while self.opt_out.at != "end":
                self.opt_out.go_on()
        elif self.stored(act.request).is_open and self.opt_out.go_on() != "inbound.noted":
            raise Drift(f"{act}: the opt-out is at {self.opt_out.at}")

    def a_day_passes(self, _: Act) -> None:
        self.clock.advance(seconds=A_DAY.total_seconds())

    def grace_ends(self, _: Act) -> None:
        # Past the door that would plan anew: of a grace that ends nobody is told.
        self.store.settings.put(attrs.evolve(SETTINGS, late_grace=timedelta()))

    # ── are they the same? ──────────────────────────────────────────────────────────────────────

    def compare(self, world: World) -> None:
        """Raises :class:`Drift` unless the doors are where the model is."""
        for which, request in enumerate(world.requests):
            self._compare(which, request)
        holder, held_lately = self._ledger()
        if (holder if held_lately else NOBODY) != (world.holder if world.held_lately else NOBODY):
            raise Drift(f"the phone is of {holder}, in the model of {world.holder}")
        suppressed = self.bookings.inbound.suppressed(BUSINESS, PHONE).opted_out
        if suppressed != world.suppressed:
            raise Drift(f"suppressed: {suppressed}, in the model {world.suppressed}")

    def _compare(self, which: int, request: Request) -> None:
        stored = self.stored(which)
        by_staff = [c for c in stored.contacts if c.channel is not Channel.RECOVERY_MESSAGE]
        found = Request(
            phase=stored.message.phase,
            status=stored.status,
            waits=stored.next_action_at is not None,
            staff=STAFF[by_staff[0].state if by_staff else None],
            accepted=self.provider.accepted.get(f"{stored.id}.m", 0),
        )
        if found != request:
            raise Drift(f"request {which} is {found}, in the model {request}")

    def _ledger(self) -> tuple[int, bool]:
        held = list(self.store.ledger._reserved.values())
        if not held:
            return NOBODY, False
        [(owner, at)] = held
        return self.ids.index(owner.removesuffix(".m")), self.clock.now() - at < A_DAY


_OTHERS: Final[dict[str, Callable[[Doors, Act], None]]] = {
    "the client books": Doors.books,
    "the staff call": Doors.calls,
    "the staff take the call back": Doors.takes_back,
    "a text of the staff begins": Doors.texts_begin,
    "the text of the staff is accepted": Doors.text_ends,
    "the text of the staff is refused": Doors.text_ends,
    "the provider reports": Doors.reports,
    "the visitor goes on": Doors.goes_on,
    "the log is imported again": Doors.imports,
    "the suppression is written": Doors.opts_out,
    "the opt-out moves the version": Doors.opts_out,
    "the opt-out has returned": Doors.opts_out,
    "a day passes": Doors.a_day_passes,
    "the grace ends": Doors.grace_ends,
}
