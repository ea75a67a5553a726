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
    DELAY = "an answer of the gateway held back"
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
    covers: bool = False
    """it is there only for the first worker that comes by"""
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
    """A stop at every point, and about so many kills more than one at every point.

    The one at every point is the herd's, whoever comes there first.
    """
    chance = random.Random(seed)
    faults = [Fault(How.STOP, point) for point in EVERYWHERE[has_server]]
    faults += _further(chance, kills, has_server=has_server)
    chance.shuffle(faults)
    return faults


def _further(chance: random.Random, kills: int, *, has_server: bool) -> Iterator[Fault]:
    common = sorted(_COMMON.intersection(EVERYWHERE[has_server]))

    def somewhere(how: How) -> Fault:
        return Fault(how, chance.choice(common), chance.randrange(12))

    for point in ("sweep.asked", "sweep.reserved", "sweep.beginning"):
        for act in ("opt_out", "book", "call", "text"):
            yield Fault(How.STOP, point, chance.randrange(6), crossed_by=act)
    for _ in range(kills):
        yield chance.choice((somewhere(How.KILL), Fault(How.KILL_ANYWHERE, ANYWHERE)))
    others = kills // 8 + 1
    for _ in range(others + 2):
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
