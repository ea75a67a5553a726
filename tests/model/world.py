"""What the model of the sending protocol is made of: requests, workers, the world, and switches.

One business, one phone, one or two requests of its holder, a few workers. What may happen to them
is in :mod:`model.protocol`, what must hold in :mod:`model.invariants`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import attrs

from abandoned_booking.core.model import MessagePhase, Status
from abandoned_booking.core.sending import PHASES

P = MessagePhase
NEXT: Final = {phase: {step.value: to for step, to in row.items()} for phase, row in PHASES.items()}
TAKEN: Final = frozenset({P.SENT, P.DELIVERED, P.UNDELIVERED})
UNDER_WAY: Final = frozenset({P.SENDING, P.UNCONFIRMED})
CLOSED: Final = frozenset({Status.COMPLETED, Status.RECOVERED})
REPORTS: Final = ("accepted", "delivered", "undelivered")
NOBODY: Final = -1


# ── the states ──────────────────────────────────────────────────────────────────────────────────


class Request(NamedTuple):
    """One stored request, and what the provider alone knows of its message."""

    phase: MessagePhase = P.PENDING
    status: Status = Status.ABANDONED
    waits: bool = True
    """``next_action_at`` is set: a sweep will look at it, and may do so at any time"""
    staff: str = ""
    """their contact: texting (or in doubt), texted, refused, called, undone"""
    accepted: int = 0
    """how often the provider has taken its message"""

    @property
    def staff_counts(self) -> bool:
        return self.staff in ("called", "texted")


class Worker(NamedTuple):
    """One sweep, and the one request that it has in hand."""

    at: str = "idle"
    request: int = NOBODY
    what: str = ""
    """the decision that it will save, or the answer that it was given"""
    fresh: bool = False
    """before its begin: it holds the stored version; after it: nobody has begun since"""
    held: tuple[()] | Request = ()
    """the request as it was claimed, until the core is asked"""


IDLE: Final = Worker()


class World(NamedTuple):
    """Everything."""

    requests: tuple[Request, ...]
    workers: tuple[Worker, ...]
    holder: int = NOBODY
    """the request for whose message the phone is reserved"""
    held_lately: bool = False
    """less than a day ago"""
    texts_lately: int = 0
    """how many texts the phone got since the last time that a day had passed (R7)"""
    opt_out: int = 0
    """how far it is: 0 not begun, then one for each of its writes, last: it has returned"""
    suppressed: bool = False
    late: bool = False
    """past the grace: what is pending now is missed (T4), until the visitor goes on"""
    wrongly: str = ""
    """what spoke against a begin that was made all the same"""


class Act(NamedTuple):
    """One step, for a reader."""

    who: int
    """the number of the worker; somebody else has none"""
    verb: str
    request: int = NOBODY
    how: str = ""


Step = tuple[Act, World, bool]
"""an act, the world after it, and whether it happens by itself, given time"""


# ── the bounds, and what is done that must not be ───────────────────────────────────────────────

EVERYTHING: Final = frozenset(
    {"book", "call", "text", "opt out", "report", "return", "import", "a day", "late"}
)
"""what others do, and what time does; what the workers and the gateway do always happens"""


class Forbidden(StrEnum):
    """What must never be done, each as a switch of the model."""

    EXPIRED_BACK_TO_PENDING = "put a `sending` back to pending when its claim has ended"
    RETRY_ON_5XX = "send again on a 5xx or a time-out"
    RESEND_AFTER_NOT_FOUND = "send again after a look-up says *not found*"
    SDK_RETRIES = "leave the provider SDK's own retries on"
    BEGIN_WITHOUT_CAS = "begin without the compare-and-set"
    OPT_OUT_MOVES_NO_VERSION = "let an opt-out pass without moving the version"
    BOOKING_MOVES_NO_VERSION = "let a booking pass without moving the version"
    CONTACT_MOVES_NO_VERSION = "let a contact by the staff pass without moving the version"
    RELEASE_AFTER_LOST_BEGIN = "release the phone after a *lost* begin"
    RELEASE_AFTER_UNKNOWN = "release the phone after *unknown*"
    RELEASE_AFTER_RECORD = "release the phone only after *not sent* is recorded"
    VERSION_BEFORE_SUPPRESSION = "move the versions before the suppression is written"
    IMPORT_ANEW = "make a request of an imported log anew, though it is there"
    RECORD_BLINDLY = "record an answer over whatever happened meanwhile"
    TIMEOUT_IS_SUCCESS = "take a time-out for a success"
    DOUBT_IS_FAILURE = "call a message failed when its claim has ended"
    LAST_REPORT_WINS = "let the last delivery report win"
    CLAIMS_NEVER_END = "claim for ever"
    # What no code can forbid: the limits that the docs own up to.
    GATEWAY_DENIES_WHAT_IT_TOOK = "a gateway that says *not sent* of what it took"
    SLEEP_FOR_A_DAY = "a worker that stands still for a day between reserving and sending"


@attrs.frozen(kw_only=True)
class Scope:
    """How much of everything there is, and what is done that must not be."""

    requests: int = 1
    workers: int = 2
    happens: frozenset[str] = EVERYTHING
    forbidden: frozenset[Forbidden] = frozenset()

    def start(self) -> World:
        """Everybody has left their booking, and the message is due."""
        return World(requests=(Request(),) * self.requests, workers=(IDLE,) * self.workers)
