"""Keeps the workers at work while everything goes wrong, and ends when everything is handled.

Time is the shared clock, and it moves when nobody has anything left to do: a tick at a time, longer
than a claim. Nothing here waits but for a worker that says something.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Collection, Sequence
from datetime import timedelta
from multiprocessing.connection import wait
from typing import Final, Protocol

import attrs
from faults.hands import Hand, Nursery, Said
from faults.people import A_DAY, DELAY, GRACE, LISTED_AFTER, START, WHAT_PEOPLE_DO, Act, Visitor
from faults.plan import ANYWHERE, WITHIN_TRANSACTIONS, Fault, How
from faults.record import SharedClock
from faults.worker import CLAIM_FOR, Job

TICK: Final = CLAIM_FOR + timedelta(minutes=1)
WORKERS: Final = (1, 1, 2, 0, 0)
"""the threads of each; those without any do what people do"""
FAULTS_AT_ONCE: Final = 4
PATIENCE_SECONDS: Final = 120
EVENTS_UNTIL_BACK: Final = 4
"""how much happens before the clock moves back to where it was"""
EVENTS_BETWEEN_KILLS: Final = 3
ANSWERED_LAST: Final = 0.2
"""of the answers that are held back: those that come after everything else"""
NEVER: Final = 1_000_000
_KILL_ANYWHERE: Final = Fault(How.KILL_ANYWHERE, ANYWHERE)


class Stuck(Exception):
    """A worker has ended by itself, or nobody has said anything for minutes."""


class Server(Protocol):
    """What can happen to a database server, and on the way to it."""

    def kill_and_start(self) -> None: ...

    def cut(self, *, after_commit: bool) -> None:
        """The next connection that commits."""
        ...


@attrs.define
class Figures:
    """What went wrong."""

    done: Counter[tuple[How, str]] = attrs.Factory(Counter)
    """by what and where"""
    ticks: int = 0
    failed: Counter[str] = attrs.Factory(Counter)
    """calls that raised, by error"""
    errors: int = 0
    """requests that a sweep could not handle for an error of the store"""

    def of(self, *hows: How) -> int:
        return sum(count for (how, _), count in self.done.items() if how in hows)

    @property
    def kills(self) -> int:
        return self.of(How.KILL, How.KILL_ANYWHERE)


class Herd:
    """All workers of a run."""

    def __init__(
        self,
        job: Job,
        faults: Sequence[Fault],
        *,
        cover: Collection[str],
        limit: int,
        url_of_sweeps: str,
        server: Server | None,
    ) -> None:
        self._limit, self._server = limit, server
        self._within = timedelta(seconds=job.within_seconds)
        self._people = job.people()
        self._by_id = {visitor.request_id: visitor for visitor in self._people}
        self._clock = SharedClock(job.clock)
        self._chance = random.Random(job.seed)
        self._plan = deque(faults)
        self._uncovered = set(cover)
        """points at which nothing has gone wrong yet: whoever comes there first is killed"""
        self._acts: deque[Act] = deque()
        self._to_come = deque(self._people)
        self._came: dict[int, Visitor] = {}
        """by number: whose visit is known to be stored"""
        self._nursery = Nursery(job, url_of_sweeps)
        self._events = 0
        self._back: list[tuple[int, timedelta]] = []
        """by how much the clock is to be moved, after which event"""
        self.figures = Figures()

    @property
    def _hands(self) -> list[Hand]:
        return self._nursery.hands

    def run(self) -> Figures:
        """All visitors, all faults; then what is left is settled in peace."""
        ends_at = START + self._within + LISTED_AFTER + 3 * DELAY
        with self._nursery:
            for threads in WORKERS:
                self._nursery.hire(threads)
            while self._clock.now() < ends_at:
                self._tick(TICK)
            self._plan.clear()
            self._uncovered.clear()
            for hand in self._hands:
                hand.faults.clear()
            # Phones are free again after a day; what is pending still is missed after the grace.
            for by in (TICK, TICK, A_DAY + TICK, TICK, GRACE + A_DAY, TICK):
                self._tick(by)
            # Answers that are later than everything.
            for hand in self._hands:
                hand.held_until = 0
            self._tick(TICK)
        return self.figures

    # ── a tick of the clock ─────────────────────────────────────────────────────────────────────

    def _tick(self, by: timedelta) -> None:
        """Move the clock on, and work until nothing is left to do at that time."""
        self.figures.ticks += 1
        self._clock.move(by)
        self._queue_acts()
        self._wake()
        while True:
            for hand in self._hands:
                self._order(hand)
            busy = self._busy()
            if busy:
                self._listen(busy)
            elif not self._let_go():
                break
        self._move_back(until=None)

    def _wake(self) -> None:
        for hand in self._hands:
            hand.is_idle = False

    def _busy(self) -> list[Hand]:
        return [hand for hand in self._hands if hand.is_busy and hand.held is None]

    def _let_go(self) -> bool:
        """Let somebody go on who was held for long enough; whether there was anybody."""
        for hand in self._hands:
            if hand.held is not None and hand.held_until <= self.figures.ticks:
                hand.go_on()
                return True
        return False

    def _queue_acts(self) -> None:
        now = self._clock.now()
        while self._to_come and self._to_come[0].left_at <= now:
            self._acts.append(("visit", self._to_come.popleft().number, "-"))
        for visitor in self._came.values():
            # Those whose texts are on their way just now.
            if TICK < now - visitor.left_at < 2 * DELAY:
                for what, (share, _) in WHAT_PEOPLE_DO.items():
                    if self._chance.random() < share:
                        self._act(what, visitor)

    def _act(self, what: str, visitor: Visitor) -> None:
        _, how = WHAT_PEOPLE_DO[what]
        self._acts.append((what, visitor.number, how(visitor, self._chance)))

    def _order(self, hand: Hand) -> None:
        """Give somebody who waits the next thing to do, and what is to go wrong meanwhile."""
        if hand.is_busy or (hand.is_idle if hand.sweeps else not self._acts):
            return
        self._arm(hand)
        if hand.sweeps:
            hand.order("sweep", self._limit)
        else:
            hand.acts = [self._acts.popleft() for _ in range(min(self._limit, len(self._acts)))]
            hand.order("acts", hand.acts)

    def _arm(self, hand: Hand) -> None:
        for fault in list(self._plan):
            if len(hand.faults) < FAULTS_AT_ONCE and hand.can_have(fault):
                hand.faults[fault.point] = fault
                self._plan.remove(fault)
        for point in self._uncovered:
            fault = Fault(How.KILL, point, covers=True)
            if hand.can_have(fault):
                hand.faults[point] = fault

    # ── what workers say ────────────────────────────────────────────────────────────────────────

    def _listen(self, busy: list[Hand]) -> None:
        speaking = wait([hand.told for hand in busy], PATIENCE_SECONDS)
        if not speaking:
            raise Stuck(f"waiting for {busy}")
        for hand in busy:
            if hand.told in speaking and hand in self._hands:
                try:
                    said = hand.told.recv()
                except (EOFError, ConnectionResetError):
                    raise Stuck(f"{hand} has ended by itself") from None
                self._events += 1
                self._heard(hand, said)
                self._move_back(until=self._events)
                self._kill_somebody()

    def _heard(self, hand: Hand, said: Said) -> None:
        match said:
            case ("at", point, about):
                self._at(hand, point, about)
            case ("acted", *act):
                what, number, how = act
                hand.acts.remove((what, number, how))
                self._came.setdefault(number, self._people[number])
            case ("swept", claimed, errors, stops):
                hand.is_idle = not claimed
                self.figures.errors += errors
                hand.is_back(stops)
            case ("done", stops):
                hand.is_back(stops)
            case ("failed", error, stops):
                self.figures.failed[error] += 1
                self._acts.extendleft(reversed(hand.acts))
                hand.is_back(stops)

    # ── what goes wrong ─────────────────────────────────────────────────────────────────────────

    def _at(self, hand: Hand, point: str, about: str) -> None:
        """A worker stands at a point: now it happens."""
        fault = hand.faults.pop(point, None)
        if fault is None:  # called off
            hand.go_on()
            return
        self._uncovered.discard(point)
        self.figures.done[fault.how, point] += 1
        match fault.how:
            case How.KILL:
                self._replace(hand)
                return
            case How.STOP | How.DELAY:
                self._hold(hand, fault, about)
                return
            case How.CLOCK_ON | How.CLOCK_BACK:
                self._mislead(A_DAY if fault.how is How.CLOCK_ON else -A_DAY)
            case How.KILL_SERVER:
                assert self._server is not None
                self._server.kill_and_start()
            case How.CUT_AFTER_COMMIT | How.CUT_AT_COMMIT:
                assert self._server is not None
                self._server.cut(after_commit=fault.how is How.CUT_AFTER_COMMIT)
        hand.go_on()

    def _replace(self, hand: Hand) -> None:
        """Kill it, and hire another, who has all that it had before it."""
        for said in self._nursery.kill(hand):
            if said[0] != "at":
                self._heard(hand, said)
        self._plan.extendleft(fault for fault in hand.faults.values() if not fault.covers)
        # A webhook that got no answer is sent again.
        self._acts.extendleft(reversed(hand.acts))
        self._nursery.hire(hand.threads)

    def _kill_somebody(self) -> None:
        """Wherever it is: a worker that has told us nothing."""
        if self._events % EVENTS_BETWEEN_KILLS or _KILL_ANYWHERE not in self._plan:
            return
        if busy := self._busy():
            self._plan.remove(_KILL_ANYWHERE)
            self.figures.done[How.KILL_ANYWHERE, ANYWHERE] += 1
            self._replace(self._chance.choice(busy))

    def _hold(self, hand: Hand, fault: Fault, about: str) -> None:
        """Its claim ends and others take over, or it goes on just before that."""
        ticks = self._chance.randrange(2)
        if fault.how is How.DELAY and self._chance.random() < ANSWERED_LAST:
            ticks = NEVER
            self._nursery.hire(hand.threads)
        hand.hold(fault, until=self.figures.ticks + ticks)
        if fault.point in WITHIN_TRANSACTIONS:
            # It has locks, for which the others would wait: past its claim in one moment.
            self._clock.move(TICK)
            hand.go_on()
        visitor = self._by_id.get(about.removesuffix(".m"))
        if visitor is not None and visitor.number in self._came:
            # Meanwhile people do something to the very request that it has.
            self._act(fault.crossed_by or self._chance.choice(list(WHAT_PEOPLE_DO)), visitor)

    def _mislead(self, by: timedelta) -> None:
        """Move the clock; a little later it is right again."""
        self._clock.move(by)
        self._back.append((self._events + EVENTS_UNTIL_BACK, -by))
        self._wake()

    def _move_back(self, *, until: int | None) -> None:
        for due in list(self._back):
            if until is None or due[0] <= until:
                self._back.remove(due)
                self._clock.move(due[1])
