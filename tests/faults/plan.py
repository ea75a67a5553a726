"""What goes wrong, and where: every point has its faults, in an order that the seed decides."""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import attrs

from abandoned_booking._failpoints import POINTS

GATEWAY: Final = "gateway.answering"
"""a point of the runner's own: the provider has taken it, the answer is not there yet"""
ANYWHERE: Final = "anywhere"
EVERYWHERE: Final = {
    False: (*POINTS, GATEWAY),
    # PostgreSQL claims and saves in one statement: nothing can come in between.
    True: tuple(sorted({*POINTS, GATEWAY} - {"store.claiming", "store.saving"})),
}
"""by whether there is a server"""
WITHIN_TRANSACTIONS: Final = frozenset({"store.claiming", "store.saving", "store.committing"})
_COMMON: Final = frozenset(
    {"sweep.claimed", "sweep.asked", "sweep.settling", "sweep.reserved", "sweep.beginning"}
    | {"sweep.begun", "sweep.answered", "sweep.recorded", GATEWAY, "capture.storing"}
    | WITHIN_TRANSACTIONS
    | {"store.committed"}
)


class How(StrEnum):
    """What is done to a worker, or around it, while it stands at a point."""

    KILL = "SIGKILL"
    KILL_ANYWHERE = "SIGKILL at any moment"
    STOP = "SIGSTOP past its claim"
    DELAY = "one thread held past its claim"
    CLOCK_ON = "the clock a day on"
    CLOCK_BACK = "the clock a day back"
    KILL_SERVER = "SIGKILL to the database server"
    CUT_AFTER_COMMIT = "connection cut after COMMIT was done"
    CUT_AT_COMMIT = "connection cut as COMMIT was sent"


@attrs.frozen
class Fault:
    """One thing that goes wrong."""

    how: How
    point: str
    passes: int = 0
    """how often a worker comes by before"""
    crossed_by: str = ""
    """what people do meanwhile to the very request that it has; anything, unless told"""

    @property
    def is_for_sweeps(self) -> bool:
        return self.point.startswith(("sweep.", "gateway.", "store."))

    @property
    def is_for_people(self) -> bool:
        at = ("inbound.", "capture.", "desk.", "store.")
        return self.point.startswith(at) and self.point != "store.claiming"


def plan(seed: int, *, kills: int, has_server: bool) -> list[Fault]:
    """Every point with a kill and a stop, then more of everything until there are enough kills."""
    chance = random.Random(seed)
    points = EVERYWHERE[has_server]
    rare = [point for point in points if point not in _COMMON]
    faults = [Fault(how, point) for how in (How.KILL, How.STOP) for point in points]
    faults += [Fault(How.KILL, point) for point in rare]
    chance.shuffle(faults)
    # Few come to these: they are waited for from the beginning, and by more than one.
    faults.sort(key=lambda fault: fault.point in _COMMON)
    more = [*_further(chance, kills - len(points) - len(rare), has_server=has_server)]
    chance.shuffle(more)
    return [*faults, *more]


def _further(chance: random.Random, kills: int, *, has_server: bool) -> Iterator[Fault]:
    common = sorted(_COMMON)

    def somewhere(how: How) -> Fault:
        return Fault(how, chance.choice(common), chance.randrange(12))

    for point in ("sweep.asked", "sweep.reserved", "sweep.beginning"):
        for act in ("opt_out", "book", "call", "text"):
            yield Fault(How.STOP, point, chance.randrange(6), act)
    for _ in range(max(kills, 0)):
        yield chance.choice((somewhere(How.KILL), Fault(How.KILL_ANYWHERE, ANYWHERE)))
    others = max(kills, 0) // 8 + 1
    for _ in range(others):
        yield Fault(How.DELAY, GATEWAY, chance.randrange(6))
        yield somewhere(How.STOP)
        yield somewhere(How.CLOCK_ON)
        yield somewhere(How.CLOCK_BACK)
    if has_server:
        for _ in range(others):
            yield somewhere(How.CUT_AFTER_COMMIT)
            yield somewhere(How.CUT_AT_COMMIT)
        for point in ("sweep.begun", GATEWAY, "store.committing", "store.committed"):
            yield Fault(How.KILL_SERVER, point, chance.randrange(6))
        for _ in range(others // 3):
            yield somewhere(How.KILL_SERVER)
