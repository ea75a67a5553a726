"""The invariants of once-only sending, held by a machine that does everything at the worst moment.

Two workers sweep one store. Each runs in a thread of its own that stops before every call of an
adapter, so that the machine decides who goes on: one step at a time, in any order, with crashes in
every gap, answers that come late, opt-outs, bookings, deletions, reports twice and out of order,
and a clock that jumps. Held after every step (rules R3, R4, S2, I3, I4):

accepted per request at most once · sent means accepted · what was accepted is never pending, failed
or skipped again · no send begins after an opt-out has returned · Recovered never goes back ·
another business is never touched.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from door_world import START
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

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
    Status,
    Step,
)
from abandoned_booking.core.model import MessagePhase
from abandoned_booking.errors import TransitionRefused
from abandoned_booking.inbound import Inbound
from abandoned_booking.ports import (
    Accepted,
    NotSent,
    OutboundSms,
    Rejected,
    SendResult,
    Unknown,
)
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import FakeClock

PHONES = ("+12125550101", "+12125550102")
SESSIONS = ("s1", "s2", "s3", "s4", "s5", "s6")
"""the odd ones are of one phone, the even ones of the other"""
HAPPENINGS = (
    "the visitor goes on",
    "the client books",
    "the staff call",
    "the staff take the call back",
    "the staff book",
    "the staff delete",
    "the staff restore",
    "the campaign goes off",
    "the campaign goes on",
)
TAKEN = {MessagePhase.SENT, MessagePhase.DELIVERED, MessagePhase.UNDELIVERED}


class Crash(BaseException):
    """The process dies here."""


class Worker:
    """A sweep that stops before every call of an adapter until it is told to go on, or to die."""

    def __init__(self, sweep: Callable[[Worker], None]) -> None:
        self._go: queue.Queue[bool] = queue.Queue()
        self._stopped: queue.Queue[str] = queue.Queue()
        self.at = ""
        self._thread = threading.Thread(target=self._run, args=(sweep,), daemon=True)
        self._thread.start()
        self._await()

    def _run(self, sweep: Callable[[Worker], None]) -> None:
        try:
            sweep(self)
        except Crash:
            pass
        finally:
            self._stopped.put("end")

    def gate(self, name: str) -> None:
        """Stop before the call of that name."""
        self._stopped.put(name)
        if not self._go.get(timeout=10):
            raise Crash

    def _await(self) -> None:
        self.at = self._stopped.get(timeout=10)

    def step(self, *, live: bool = True) -> None:
        """Go on to the next gate, or die at this one."""
        self._go.put(live)
        self._await()


class Gated:
    """An adapter whose every call stops at a gate first."""

    def __init__(self, inner: Any, worker: Worker, *, but: tuple[str, ...] = ()) -> None:
        self._inner, self._worker, self._but = inner, worker, but

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or name in self._but:
            return found

        def call(*given: Any, **more: Any) -> Any:
            self._worker.gate(name)
            result = found(*given, **more)
            # A crash after the call has taken effect and before anybody hears of it.
            self._worker.gate(f"{name} done")
            return result

        return call


class Provider:
    """What the world of phones knows: which texts were taken, whatever the worker was told."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        self.begun_to: list[tuple[str, str]] = []
        self.next_answer = "accept"

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        del timeout
        self.begun_to.append((message.attempt_id, message.to))
        match self.next_answer:
            case "accept":
                self.accepted[message.attempt_id] += 1
                return Accepted(provider_id=f"p-{message.attempt_id}")
            case "accept, but the answer is lost":
                self.accepted[message.attempt_id] += 1
                raise ConnectionResetError
            case "unknown":
                return Unknown(detail="502")
            case "not sent":
                return NotSent(reason="busy")
            case _:
                return Rejected(reason="no", code="30004")


ANSWERS = ("accept", "accept, but the answer is lost", "unknown", "not sent", "reject")


class OnceOnly(RuleBasedStateMachine):
    """See the module."""

    @initialize()
    def begin(self) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock(START)
        self.provider = Provider()
        self.doors = AbandonedBookings(self.store, sms=self.provider, clock=self.clock)
        self.campaign = RecoveryCampaign(enabled=True, timing=AfterDelay(minutes=10))
        for business_id in ("paws", "other"):
            self.doors.settings.put(
                BusinessSettings(
                    business_id=business_id,
                    name="Paws",
                    campaign=attrs.evolve(self.campaign, enabled=business_id == "paws"),
                    late_grace=timedelta(days=2),
                )
            )
        self.workers: list[Worker] = []
        self.taken: set[str] = set()
        self.recovered: set[str] = set()
        self.opted_out: dict[str, int] = {}
        """phone → how many sends had gone out when its opt-out returned"""
        self.in_flight_at_opt_out: dict[str, set[str]] = {}
        self.visit("s1", "paws")
        self.other = self.visit("s1", "other")
        self.clock.advance(minutes=10)

    def teardown(self) -> None:
        for worker in getattr(self, "workers", []):
            while worker.at != "end":
                worker.step(live=False)

    # ── what people do ──────────────────────────────────────────────────────────────────────────

    def visit(self, session: str, business_id: str) -> AbandonedRequest:
        form = BookingForm(person=Person(first_name="Ann", phone=PHONES[int(session[1:]) % 2]))
        request = self.doors.capture.progress(
            Progress(
                business_id=business_id,
                session_id=session,
                step=Step.TIME,
                at=self.clock.now(),
                form=form,
            )
        )
        assert request is not None
        return request

    def all(self, business_id: str = "paws") -> list[AbandonedRequest]:
        return sorted(self.store.stream(business_id), key=lambda request: request.id)

    @rule(session=st.sampled_from(SESSIONS))
    def somebody_leaves_a_booking_until_it_is_due(self, session: str) -> None:
        self.visit(session, "paws")
        self.clock.advance(minutes=10)

    @rule(which=st.integers(0, 5), what=st.sampled_from(HAPPENINGS))
    def something_happens(self, which: int, what: str) -> None:
        requests, desk = self.all(), self.doors.desk("paws")
        request = requests[which % len(requests)]
        happenings: dict[str, Callable[[], object]] = {
            "the visitor goes on": lambda: self.visit(request.session_id, "paws"),
            "the client books": lambda: self.doors.capture.booked(
                Booked(business_id="paws", session_id=request.session_id, at=self.clock.now())
            ),
            "the staff call": lambda: desk.call(request.id),
            "the staff take the call back": lambda: desk.undo_call(request.id),
            "the staff book": lambda: desk.scheduled(request.id, "a1"),
            "the staff delete": lambda: desk.delete(request.id),
            "the staff restore": lambda: desk.restore(request.id),
            "the campaign goes off": lambda: self.edit_campaign(enabled=False),
            "the campaign goes on": lambda: self.edit_campaign(enabled=True),
        }
        with contextlib.suppress(TransitionRefused):
            happenings[what]()

    @precondition(lambda self: any(worker.at != "end" for worker in self.workers))
    @rule(phone=st.sampled_from(PHONES))
    def person_opts_out_while_a_worker_is_busy(self, phone: str) -> None:
        self.doors.inbound.reply(
            InboundSms(business_id="paws", phone=phone, body="STOP", at=self.clock.now())
        )
        # Whatever began before the opt-out returned may still go out: that is on record.
        self.in_flight_at_opt_out[phone] = {
            str(request.message.attempt_id)
            for request in self.all()
            if request.message.phase in (MessagePhase.SENDING, MessagePhase.UNCONFIRMED)
        }
        self.opted_out[phone] = len(self.provider.begun_to)

    def edit_campaign(self, *, enabled: bool) -> None:
        settings = self.doors.settings.get("paws")
        campaign = attrs.evolve(self.campaign, enabled=enabled)
        self.doors.settings.put(attrs.evolve(settings, campaign=campaign))

    @rule(which=st.integers(0, 5), state=st.sampled_from(["accepted", "delivered", "undelivered"]))
    def provider_reports(self, which: int, state: str) -> None:
        known = sorted(self.provider.accepted)
        if known:
            self.doors.inbound.delivery(
                DeliveryReport(
                    business_id="paws",
                    attempt_id=known[which % len(known)],
                    state=state,
                    at=self.clock.now(),
                )
            )

    @rule(minutes=st.sampled_from([1, 3, 24 * 60, -24 * 60]))
    def clock_jumps(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    # ── what workers do ─────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: sum(worker.at != "end" for worker in self.workers) < 2)
    @rule()
    def worker_starts(self) -> None:
        def sweep(worker: Worker) -> None:
            store = Gated(self.store, worker, but=("settings", "suppressions", "ledger"))
            bookings = AbandonedBookings(
                store,
                sms=Gated(self.provider, worker),
                clock=self.clock,
                suppressions=Gated(self.store.suppressions, worker),
                ledger=Gated(self.store.ledger, worker),
                send_threads=1,
            )
            bookings.sweep.run_once(limit=3)

        self.workers.append(Worker(sweep))

    @precondition(lambda self: any(worker.at != "end" for worker in self.workers))
    @rule(which=st.integers(0, 1), answer=st.sampled_from(ANSWERS), steps=st.integers(1, 20))
    def worker_goes_on(self, which: int, answer: str, steps: int) -> None:
        alive = [worker for worker in self.workers if worker.at != "end"]
        worker = alive[which % len(alive)]
        self.provider.next_answer = answer
        for _ in range(steps):
            if worker.at != "end":
                worker.step()
                self.nothing_is_broken()

    @precondition(lambda self: any(worker.at != "end" for worker in self.workers))
    @rule(which=st.integers(0, 1))
    def worker_dies(self, which: int) -> None:
        alive = [worker for worker in self.workers if worker.at != "end"]
        alive[which % len(alive)].step(live=False)

    # ── what must hold ──────────────────────────────────────────────────────────────────────────

    @invariant()
    def nothing_is_broken(self) -> None:
        assert all(count == 1 for count in self.provider.accepted.values()), "accepted twice"
        for request in self.all():
            self._holds_for(request)
        for phone, sends_before in self.opted_out.items():
            for attempt_id, to in self.provider.begun_to[sends_before:]:
                assert to != phone or attempt_id in self.in_flight_at_opt_out[phone], (
                    "a send began after the opt-out had returned"
                )
        [untouched] = self.all("other")
        assert (untouched.message.begun, untouched.contacts, untouched.history) == (
            0,
            (),
            self.other.history,
        ), "another business was touched"

    def _holds_for(self, request: AbandonedRequest) -> None:
        phase = request.message.phase
        if phase in TAKEN:
            attempt_id = request.message.attempt_id
            assert attempt_id in self.provider.accepted, "sent, but never accepted"
            assert any(contact.attempt_id == attempt_id for contact in request.contacts)
            self.taken.add(request.id)
        elif request.id in self.taken:
            raise AssertionError(f"accepted, and then {phase.value} again")
        if request.status is Status.RECOVERED:
            self.recovered.add(request.id)
        assert request.id not in self.recovered or request.status is Status.RECOVERED


TestOnceOnly = OnceOnly.TestCase
TestOnceOnly.settings = hypothesis_settings(max_examples=100, stateful_step_count=40, deadline=None)


# ── a machine that cannot fail proves nothing: what must never be done, done ─────────────────────


def _begin_without_compare_and_set(patch: pytest.MonkeyPatch) -> None:
    save = MemoryStore.save

    def blind(self: MemoryStore, request: AbandonedRequest, *, expected_version: int) -> bool:
        stored = self.get(request.business_id, request.id)
        if request.message.phase is MessagePhase.SENDING and stored is not None:
            expected_version = stored.version
        return save(self, request, expected_version=expected_version)

    patch.setattr(MemoryStore, "save", blind)


def _an_opt_out_moves_no_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Inbound, "_note", lambda *_, **__: None)


@pytest.mark.parametrize(
    "forbidden",
    [
        _begin_without_compare_and_set,
        _an_opt_out_moves_no_version,
    ],
)
def test_the_machine_notices_what_must_never_be_done(
    forbidden: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbidden(monkeypatch)
    thorough = hypothesis_settings(
        max_examples=1000,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(OnceOnly, settings=thorough)
