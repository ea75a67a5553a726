"""What the recovery message itself brings: requests that got it beside those that were held out.

A recovery rate alone flatters: some would have come back anyway. So a campaign may hold out a share
of its requests. They are never messaged automatically, and what they do is what the others would
have done without the message. The difference of the two is the *lift*.

Rules held here: the lift that stands beside P1; R3 is not touched, a held-out request is one more
that is not messaged.

How the two groups are kept comparable:

- **Drawn at the same moment.** A request is in the trial from the instant at which nothing stood
  in the way of its message any more: then it was *begun*, or skipped with ``held_out`` as the only
  reason. Whoever booked before that is in neither group. What was drawn first stays, whatever
  became of it later: a message that the gateway refused still counts as messaged, just as nobody
  knows whose message would have been refused among those held out.
- **The draw is kept in the history**, because new activity has a skipped message thought about
  again: the request of a held-out visitor who comes back and books ends as *completed*, and would
  otherwise be lost to its group with the very booking that counts.
- **The same outcome.** A booking of a messaged request is *Recovered*, one of a held-out request
  *completed by the client*, since nobody contacted them. Here both are *booked*, if that was within
  ``credited_within`` of the draw. Reversed ones count as booked: a cancellation is only ever
  noticed on a Recovered request, so to take it off would be unfair to the messaged.
- **The same time to book.** Requests whose time is not over yet are counted as *waiting*, not as
  *not booked*.

What the reader should know: held-out requests stay in Abandoned, so the staff may call them more
often (``contacted_by_staff`` says how many); the lift is that of the message *in such a salon*. A
person with several requests may be in both groups, and one booking closes both, which makes the
lift look smaller than it is. If the share was changed within a period, months with many bookings
may weigh more in one group than in the other: choose a period with one share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.intervals import CONFIDENCE, Interval, Rate, difference_interval
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    HistoryKind,
    MessagePhase,
    Reason,
)
from abandoned_booking.core.periods import Period
from abandoned_booking.errors import InvalidInput

__all__ = ["Arm", "Lift", "is_held_out", "lift"]


def is_held_out(business_id: str, request_id: str, *, share: float) -> bool:
    """Whether a request is among the ``share`` (0 to 1) that is never messaged automatically.

    Always the same answer for one request; a larger share only ever adds requests.
    """
    key = f"holdout {len(business_id)}:{business_id}{request_id}"
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


@attrs.frozen(kw_only=True)
class Arm:
    """One of the two groups: all that were messaged, or all that were held out."""

    requests: int = 0
    """those that have had the full time to book"""
    booked: int = 0
    """how many of them did, in that time: Recovered or completed by the client"""
    contacted_by_staff: int = 0
    """how many of them were also called, texted or mailed in that time"""
    waiting: int = 0
    """further ones whose time is not over yet"""

    @property
    def booking_rate(self) -> Rate:
        """Those who booked, of all that had the time to."""
        return Rate(self.booked, self.requests)

    def __add__(self, other: Arm) -> Arm:
        return Arm(
            requests=self.requests + other.requests,
            booked=self.booked + other.booked,
            contacted_by_staff=self.contacted_by_staff + other.contacted_by_staff,
            waiting=self.waiting + other.waiting,
        )


@attrs.frozen(kw_only=True)
class Lift:
    """Messaged against held out. Two of them add up, if they give the same time to book."""

    booked_within: timedelta
    messaged: Arm = Arm()
    held_out: Arm = Arm()

    @property
    def difference(self) -> float | None:
        """Booking rate of the messaged less that of the held out; ``None`` without either group."""
        messaged, held_out = self.messaged.booking_rate.value, self.held_out.booking_rate.value
        return None if messaged is None or held_out is None else messaged - held_out

    def interval(self, confidence: float = CONFIDENCE) -> Interval | None:
        """Newcombe's interval of the difference; one that holds 0 shows no effect yet."""
        messaged, held_out = self.messaged.booking_rate, self.held_out.booking_rate
        return difference_interval(messaged, held_out, confidence)

    @property
    def extra_bookings(self) -> float | None:
        """The bookings that the message brought: the difference times the messaged requests."""
        return None if self.difference is None else self.difference * self.messaged.requests

    def __add__(self, other: Lift) -> Lift:
        if self.booked_within != other.booked_within:
            raise InvalidInput("must be the same to add up", field="booked_within")
        return Lift(
            booked_within=self.booked_within,
            messaged=self.messaged + other.messaged,
            held_out=self.held_out + other.held_out,
        )


def lift(
    requests: Iterable[AbandonedRequest],
    period: Period,
    *,
    settings: BusinessSettings,
    now: datetime,
) -> Lift:
    """Messaged against held out, of the requests whose message was decided within ``period``.

    The period looks at that decision rather than at ``abandoned_at``, which a message may move:
    whoever comes back is active again. One pass, constant memory. Deleted requests stay in.

    Raises :class:`InvalidInput` as :meth:`Period.instants` does.
    """
    start_at, end_at = period.instants(settings.zone)
    within = settings.credited_within
    found = {False: Arm(), True: Arm()}
    for request in requests:
        drawn = _drawn(request)
        if drawn is None:
            continue
        held_out, drawn_at = drawn
        if start_at <= drawn_at < end_at:
            found[held_out] += _outcome(request, drawn_at, drawn_at + within, now)
    return Lift(booked_within=within, messaged=found[False], held_out=found[True])


def _drawn(request: AbandonedRequest) -> tuple[bool, datetime] | None:
    """Into which group a request came, held out or not, and when; ``None``: into neither."""
    for entry in request.history:
        if entry.kind is HistoryKind.MESSAGE_BEGUN:
            return False, entry.at
        if entry.kind is HistoryKind.MESSAGE_SKIPPED and entry.detail == Reason.HELD_OUT:
            return True, entry.at
    # The oldest lines of a very long history are gone.
    message = request.message
    if message.begun_at is not None:
        return False, message.begun_at
    if message.phase is MessagePhase.SKIPPED and message.reasons == (Reason.HELD_OUT,):
        return None if message.settled_at is None else (True, message.settled_at)
    return None


_OF_BOOKING: Final = frozenset({HistoryKind.CLIENT_BOOKED, HistoryKind.SCHEDULED})


def _booked_at(request: AbandonedRequest) -> datetime | None:
    """When the person first booked, also if another booking has taken its place since (S4)."""
    told = [entry.at for entry in request.history if entry.kind in _OF_BOOKING]
    if request.closed_at is not None:
        told.append(request.closed_at)
    return min(told, default=None)


def _outcome(request: AbandonedRequest, drawn_at: datetime, until: datetime, now: datetime) -> Arm:
    """What one request adds to its group."""
    booked_at = _booked_at(request)
    if booked_at is not None and booked_at < drawn_at:
        # Booked already, but told late: there was nobody to win back.
        return Arm()
    if now < until:
        return Arm(waiting=1)
    contacted = any(
        contact.counts
        and contact.channel is not Channel.RECOVERY_MESSAGE
        and drawn_at <= contact.at <= until
        for contact in request.contacts
    )
    return Arm(
        requests=1,
        booked=int(booked_at is not None and booked_at <= until),
        contacted_by_staff=int(contacted),
    )
