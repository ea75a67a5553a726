"""R6, M3: credits are never negative, never spent for what was not accepted, never given back for
what was, and stay set aside while nobody knows.

A machine sweeps, texts, opts out, books and reports in any order; the gateway answers anything, and
the process dies before or after any call of an adapter.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from door_world import World
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from abandoned_booking import AfterDelay, DeliveryReport
from abandoned_booking.core.model import MessagePhase
from abandoned_booking.core.sending import attempt_id_of
from abandoned_booking.errors import TransitionRefused
from abandoned_booking.ports import Accepted, NotSent, Rejected, Unknown
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import MemoryCreditLedger, RecordingSmsGateway

GIVEN = 4
PHONES = ("+12125550101", "+12125550102", "+12125550103")
ANSWERS = (
    Accepted(provider_id="p"),
    Accepted(provider_id="p", segments=3),
    NotSent(reason="busy"),
    Rejected(reason="no"),
    Unknown(),
    TimeoutError(),
)
IN_DOUBT = {MessagePhase.SENDING, MessagePhase.UNCONFIRMED}


class Crash(BaseException):
    """The process dies here."""


class Mortal:
    """An adapter during whose calls the process may die."""

    def __init__(self, inner: Any, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*given: Any, **more: Any) -> Any:
            self._fate.step()
            result = found(*given, **more)
            self._fate.step()
            return result

        return call


class Fate:
    """How many steps the process has still to live; ``None``: it does not die."""

    left: int | None = None

    def step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Crash


class CreditsMachine(RuleBasedStateMachine):
    """One salon with a few credits."""

    @initialize(billed_as_measured=st.booleans())
    def open(self, billed_as_measured: bool) -> None:
        self.fate, store = Fate(), MemoryStore()
        self.answer: Any = ANSWERS[0]
        self.gateway = RecordingSmsGateway(self._answer)
        self.credits = MemoryCreditLedger(GIVEN)
        self.given = GIVEN
        self.refused: set[str] = set()
        """whose last answer said that nothing was sent"""
        self.world = World(
            Mortal(store, self.fate),
            sms=Mortal(self.gateway, self.fate),
            credits=Mortal(self.credits, self.fate),
            settings=store.settings,
            suppressions=store.suppressions,
            ledger=store.ledger,
        )
        self.world.put(timing=AfterDelay(minutes=10), one_message_within=timedelta(0))
        self.visits = 0
        self.orphans: set[str] = set()

    def _answer(self, message: Any) -> Any:
        if isinstance(self.answer, NotSent | Rejected):
            self.refused.add(message.attempt_id)
        else:
            self.refused.discard(message.attempt_id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @contextlib.contextmanager
    def _mortal(self, lives_for: int | None) -> Any:
        self.fate.left = lives_for
        try:
            with contextlib.suppress(TransitionRefused):
                yield
        except Crash:
            # Between the last save and the release that follows it: nobody comes back for these.
            self.fate.left = None
            self.orphans |= self._held_by_what_is_over()
        finally:
            self.fate.left = None

    def _held_by_what_is_over(self) -> set[str]:
        over = {MessagePhase.SKIPPED, MessagePhase.FAILED}
        ids = {r.id for r in self.world.store.stream("paws") if r.message.phase in over}
        return {*map(attempt_id_of, ids)} & {*self.credits.set_aside("paws")}

    def _request(self, number: int) -> Any:
        found = list(self.world.store.stream("paws"))
        return found[number % len(found)] if found else None

    @rule(phone=st.sampled_from(PHONES), first_name=st.sampled_from(["Ann", "Łukasz"]))
    def visit(self, phone: str, first_name: str) -> None:
        self.visits += 1
        self.world.visit(f"s{self.visits}", phone=phone, first_name=first_name)

    @rule(
        minutes=st.sampled_from([0, 3, 10, 20]),
        answer=st.sampled_from(ANSWERS),
        lives_for=st.none() | st.integers(0, 14),
    )
    def sweep(self, minutes: int, answer: Any, lives_for: int | None) -> None:
        self.world.clock.advance(minutes=minutes)
        self.answer = answer
        with self._mortal(lives_for):
            self.world.bookings.sweep.run_once()

    @rule(
        number=st.integers(0, 5),
        answer=st.sampled_from(ANSWERS),
        lives_for=st.none() | st.integers(0, 14),
    )
    def text(self, number: int, answer: Any, lives_for: int | None) -> None:
        request, self.answer = self._request(number), answer
        if request is not None:
            with self._mortal(lives_for):
                self.world.desk.text(request.id, "Hi")

    @rule(number=st.integers(0, 5), lives_for=st.none() | st.integers(0, 6))
    def book(self, number: int, lives_for: int | None) -> None:
        request = self._request(number)
        if request is not None:
            with self._mortal(lives_for):
                self.world.book(request.session_id)

    @rule(phone=st.sampled_from(PHONES), word=st.sampled_from(["STOP", "START"]))
    def reply(self, phone: str, word: str) -> None:
        self.world.clock.advance(seconds=1)
        self.world.reply(word, phone=phone)

    @rule(number=st.integers(0, 5), state=st.sampled_from(["delivered", "undelivered"]))
    def report(self, number: int, state: Any) -> None:
        accepted = sorted(self.gateway.accepted)
        if accepted:
            attempt_id = accepted[number % len(accepted)]
            at = self.world.clock.now()
            self.world.bookings.inbound.delivery(
                DeliveryReport(business_id="paws", attempt_id=attempt_id, state=state, at=at)
            )

    @rule()
    def top_up(self) -> None:
        self.credits.top_up("paws", 1)
        self.given += 1

    # ── what holds after every step ─────────────────────────────────────────────────────────────

    @invariant()
    def never_negative_and_nothing_gets_lost(self) -> None:
        left, aside = self.credits.balance("paws"), self.credits.set_aside("paws")
        spent = self.credits.spent("paws")
        assert left >= 0
        assert left + sum(aside.values()) + sum(spent.values()) == self.given

    @invariant()
    def spent_means_accepted(self) -> None:
        assert {*self.credits.spent("paws")} <= {*self.gateway.accepted}

    @invariant()
    def accepted_means_spent_or_set_aside(self) -> None:
        held = {*self.credits.spent("paws"), *self.credits.set_aside("paws")}
        assert {*self.gateway.accepted} <= held

    @invariant()
    def what_is_in_doubt_stays_set_aside(self) -> None:
        held = {*self.credits.spent("paws"), *self.credits.set_aside("paws")}
        for request in self.world.store.stream("paws"):
            if request.message.phase in IN_DOUBT:
                assert attempt_id_of(request.id) in held | self.refused

    @invariant()
    def what_is_over_holds_no_credits(self) -> None:
        assert self._held_by_what_is_over() <= self.orphans


def test_r6_credits_add_up_whatever_crashes_and_answers() -> None:
    run_state_machine_as_test(
        CreditsMachine,
        settings=hypothesis_settings(max_examples=60, stateful_step_count=20, deadline=None),
    )


def test_r6_what_was_billed_beyond_the_balance_is_not_taken() -> None:
    credits = MemoryCreditLedger(2)
    assert credits.reserve("paws", owner="a", credits=1)
    credits.commit("paws", owner="a", credits=9)
    credits.commit("paws", owner="a", credits=9)
    assert (credits.balance("paws"), credits.spent("paws")) == (0, {"a": 2})
    credits.release("paws", owner="a")
    assert credits.balance("paws") == 0
    assert credits.balance("claws") == 2


@pytest.mark.parametrize("answer", [NotSent(reason="busy"), Rejected(reason="no")])
def test_r6_a_text_that_was_not_accepted_costs_nothing(answer: Any) -> None:
    credits = MemoryCreditLedger(1)
    world = World(MemoryStore(), sms=RecordingSmsGateway([answer]), credits=credits)
    world.visit()
    world.sweep(hours=2)
    assert (credits.balance("paws"), credits.set_aside("paws")) == (1, {})
