"""Named points at which a test may stop, kill or watch a process: what lies between two writes.

Doors and stores call :func:`reached` in each gap between two steps that must not be torn apart. It
does nothing: in production there is no switch for it, no setting and no environment variable. A
test arms it::

    with _failpoints.armed(hook):
        bookings.sweep.run_once()

and ``hook("sweep.begun", request_id)`` is then called in every gap, in the thread that has come to
it: it may raise, wait, or never return. The points are those of *Where it can break* in the docs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, Protocol

__all__ = ["POINTS", "armed", "reached"]


class Hook(Protocol):
    """What a test puts in the place of doing nothing."""

    def __call__(self, point: str, about: str = "", /) -> object:
        """``about`` is the id of the request in hand, where there is one."""
        ...


POINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sweep.claimed": "a request is claimed, and nothing asked yet",
        "sweep.announced": "the host's leads have it, and that is not saved",
        "sweep.asked": "the core has answered, nothing is done about it",
        "sweep.settling": "it is not sent to; what becomes of it is not saved",
        "sweep.reserved": "the phone is reserved, the credits are not",
        "sweep.beginning": "all is reserved, nothing has begun",
        "sweep.begun": "the begin is durable, nothing has gone out",
        "sweep.answered": "the gateway has answered, and nobody else knows",
        "sweep.released": "the phone is free again, the answer is not saved",
        "sweep.recorded": "the answer is saved, the credits are not spent",
        "sweep.looked_up": "the gateway has found it, and that is not saved",
        "inbound.suppressed": "the suppression is written, no version has moved",
        "inbound.noted": "one request of that person is done, the next is not",
        "inbound.reporting": "a delivery report is read, and nothing saved",
        "capture.storing": "a step of the visitor is folded in, and not saved",
        "capture.closing": "the booked request is closed, the person's others are not",
        "desk.beginning": "a text of the staff is allowed, and has not begun",
        "desk.begun": "its begin is durable, nothing has gone out",
        "desk.answered": "its gateway has answered, and nobody else knows",
        "desk.recorded": "its answer is saved, the credits are not spent",
        "store.claiming": "due rows are read, and not taken yet",
        "store.saving": "one of the several rows of a request is written",
        "store.committing": "all is written, nothing committed",
        "store.committed": "all is committed, and the caller does not know",
    }
)
"""Every point, in the order of its number, and what is true there."""


def _nothing(_point: str, _about: str = "", /) -> None:
    """What a point does outside a test."""


reached: Hook = _nothing
"""Called at every point. Called through the module, so that a test can change it."""


@contextmanager
def armed(hook: Hook) -> Iterator[None]:
    """Call ``hook`` at every point, in all threads, until the block ends."""
    global reached
    before, reached = reached, hook
    try:
        yield
    finally:
        reached = before
