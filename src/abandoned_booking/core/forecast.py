"""Whom the campaign will message until an instant, when, and why not the others.

:func:`forecast` plays the sweep to itself: each pending message is looked at when the sweep would
look, in the order in which the sweep would, and decided by the same two functions, ``assess`` and
``held_back``. It assumes that nothing else happens meanwhile: nobody goes on, books or replies, the
staff do nothing, the gateway takes every text, and a sweep runs at every due instant.

Rules held here: R7 (messages to one phone wait for each other), R6 and M3 (credits run out in the
order of sending), R8 (all reasons, the very ones that ``explain`` will give).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Final, assert_never

import attrs

from abandoned_booking.core.campaign import AtClockTime, BusinessSettings
from abandoned_booking.core.eligibility import (
    NO_FACTS,
    Assessment,
    Facts,
    assess,
    due_of,
    recovery_text,
)
from abandoned_booking.core.explaining import outlook
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.model import AbandonedRequest, MessagePhase, Reason, Status
from abandoned_booking.core.planning import (
    Skip,
    Wait,
    announced,
    held_back,
    look_for_listing_at,
    looked_at_again,
)
from abandoned_booking.errors import InvalidInput

__all__ = ["Forecast", "ForecastLine", "forecast"]

_LONGEST: Final = timedelta(days=366)
_HOLDS_PHONE: Final = frozenset(
    {
        MessagePhase.SENDING,
        MessagePhase.SENT,
        MessagePhase.DELIVERED,
        MessagePhase.UNDELIVERED,
        MessagePhase.UNCONFIRMED,
    }
)
"""a message that has begun, and did not provably end without one (R7)"""
_NOT_PASSING_HERE: Final = frozenset({Reason.NO_CREDITS, Reason.IN_DOUBT})
"""what only somebody else could clear, and in a forecast nobody else does anything"""


@attrs.frozen(kw_only=True)
class ForecastLine:
    """One request: its message goes, goes later, or does not go."""

    request_id: str
    send_at: datetime | None
    """when it goes, or would be looked at again; ``None``: it does not go"""
    segments: int
    """of its text; 0 for one that is over, and needs no text any more"""
    reasons: tuple[Reason, ...] = ()
    """why it does not go, or waits; empty if it goes"""


@attrs.frozen(kw_only=True)
class Forecast:
    """What the campaign would do from ``asked_at`` until ``until``, that instant included."""

    asked_at: datetime
    until: datetime
    lines: tuple[ForecastLine, ...] = attrs.field(repr=lambda lines: f"<{len(lines)} lines>")
    """every request of the business, once: by the time of sending, then those that do not go"""

    @property
    def messages(self) -> tuple[ForecastLine, ...]:
        """Those that are sent, in the order of sending."""
        return tuple(line for line in self.lines if _is_by(line, self.until))

    @property
    def later(self) -> tuple[ForecastLine, ...]:
        """Those that are due after ``until``, or are then tried again: see their reasons."""
        return tuple(
            line for line in self.lines if line.send_at is not None and line.send_at > self.until
        )

    @property
    def not_messaged(self) -> tuple[ForecastLine, ...]:
        """Those that are not sent, with all reasons."""
        return tuple(line for line in self.lines if line.send_at is None)

    @property
    def segments(self) -> int:
        """Of all messages together. One credit is one segment: it is their price, too (M3)."""
        return sum(line.segments for line in self.messages)

    @property
    def next_send_at(self) -> datetime | None:
        """When the first message goes; ``None`` if none does until then."""
        return next((line.send_at for line in self.messages), None)

    @property
    def reasons(self) -> Mapping[Reason, int]:
        """How often each reason speaks against a message, in the fixed order."""
        found = Counter(reason for line in self.not_messaged for reason in line.reasons)
        return MappingProxyType({reason: found[reason] for reason in Reason if found[reason]})


def _is_by(line: ForecastLine, until: datetime) -> bool:
    return line.send_at is not None and line.send_at <= until


def forecast(
    requests: Iterable[AbandonedRequest],
    settings: BusinessSettings,
    *,
    facts_of: Callable[[AbandonedRequest], Facts],
    credits: int | None,
    now: datetime,
    until: datetime,
) -> Forecast:
    """Whom the campaign of ``settings`` would message from ``now`` until ``until``.

    ``requests`` are all of one business, in any order; they are read once, and only those that are
    still to be decided are kept. ``facts_of`` says what the host's lists know of one of them;
    ``credits`` is what is left of the message credits, ``None`` if they are not limited.

    Raises :class:`InvalidInput` for an ``until`` that is naive, past, or more than 366 days away.
    """
    until = as_utc(until, field="until")
    if until < now:
        raise InvalidInput("is past; give an instant that is still to come", field="until")
    if until - now > _LONGEST:
        raise InvalidInput("is more than 366 days away; ask for less", field="until")
    sweep = _Sweep(settings=settings, now=now, until=until, credits=credits)
    for request in requests:
        sweep.take(request, facts_of)
    return Forecast(asked_at=now, until=until, lines=tuple(sorted(sweep.run(), key=_order)))


def _order(line: ForecastLine) -> tuple[bool, float, str]:
    at = line.send_at
    return (at is None, at.timestamp() if at is not None else 0.0, line.request_id)


@attrs.frozen(kw_only=True)
class _Pending:
    """A message that is to be decided."""

    request: AbandonedRequest
    facts: Facts

    def line(self, reasons: tuple[Reason, ...], send_at: datetime | None) -> ForecastLine:
        return ForecastLine(
            request_id=self.request.id,
            send_at=send_at,
            segments=self.facts.segments,
            reasons=reasons,
        )


@attrs.define(kw_only=True)
class _Sweep:
    """The sweep, played: what it looks at next, what phones and credits it has taken."""

    settings: BusinessSettings
    now: datetime
    until: datetime
    credits: int | None
    reserved: dict[str, tuple[datetime, str]] = attrs.Factory(dict)
    """by phone: since when, and for which request"""
    queue: list[tuple[datetime, str, _Pending]] = attrs.Factory(list)
    """by the instant of the next look"""
    standing: list[_Pending] = attrs.Factory(list)
    """what no look will change any more"""
    lines: list[ForecastLine] = attrs.Factory(list)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def take(
        self, request: AbandonedRequest, facts_of: Callable[[AbandonedRequest], Facts]
    ) -> None:
        """One request as it stands now: over, out of the sweep's sight, or to be looked at."""
        if request.message.phase is not MessagePhase.PENDING:
            self._hold_phone(request)
            self.lines.append(self._over(request))
            return
        facts = facts_of(request)
        segments = recovery_text(request, self.settings, facts).size.segments
        pending = _Pending(
            # The history is most of a request, and decides nothing.
            request=attrs.evolve(request, history=()),
            facts=attrs.evolve(facts, segments=segments),
        )
        is_scheduled = request.status is Status.ABANDONED and self.settings.campaign.enabled
        if is_scheduled and request.next_action_at is not None:
            self._look_again(pending, request.next_action_at)
        else:
            self.lines.append(self._as_of(pending, self.now))

    def _hold_phone(self, request: AbandonedRequest) -> None:
        begun_at, phone = request.message.begun_at, _phone_of(request)
        if not phone or begun_at is None or request.message.phase not in _HOLDS_PHONE:
            return
        held = (begun_at, request.id)
        self.reserved[phone] = max(held, self.reserved.get(phone, held))

    def _over(self, request: AbandonedRequest) -> ForecastLine:
        assessment = assess(request, self.settings, NO_FACTS, self.now)
        reasons, _ = outlook(request, assessment, self.now)
        return ForecastLine(
            request_id=request.id, send_at=None, segments=0, reasons=reasons or assessment.reasons
        )

    def _as_of(self, pending: _Pending, at: datetime) -> ForecastLine:
        """What ``explain`` says at that instant of a message that is still pending."""
        request = pending.request
        reasons, send_at = outlook(request, self._assessed(pending, at), at)
        looked_at = request.next_action_at
        if send_at is not None and looked_at is not None:
            send_at = max(send_at, looked_at)
        return pending.line(reasons, send_at)

    def _assessed(
        self, pending: _Pending, at: datetime, *, phone_is_taken: bool = False
    ) -> Assessment:
        facts = attrs.evolve(
            pending.facts, credits=self.credits, phone_messaged_recently=phone_is_taken
        )
        return assess(pending.request, self.settings, facts, at)

    # ── looking, as the sweep does ──────────────────────────────────────────────────────────────

    def run(self) -> list[ForecastLine]:
        """Look at everything that is due until then; returns a line for each request."""
        while self.queue and self.queue[0][0] <= self.until:
            next_at, _, pending = heappop(self.queue)
            self._look(pending, max(next_at, self.now))
        self.standing += (pending for _, _, pending in self.queue)
        self.lines += (self._as_of(pending, self.until) for pending in self.standing)
        return self.lines

    def _look_again(self, pending: _Pending, at: datetime) -> None:
        heappush(self.queue, (at, pending.request.id, pending))

    def _look(self, pending: _Pending, at: datetime) -> None:
        listing_at = look_for_listing_at(pending.request)
        if listing_at is not None and listing_at <= at:
            told = announced(pending.request, at=at, lead_id=None)
            pending = attrs.evolve(pending, request=told)
        assessment = self._assessed(pending, at)
        if self._phone_is_taken(pending, assessment, at):
            assessment = self._assessed(pending, at, phone_is_taken=True)
        if _may_go(assessment, at):
            self._send(pending, at)
            return
        todo = held_back(pending.request, assessment, at)
        match todo:
            case Skip(reasons=reasons):
                self.lines.append(pending.line(reasons, None))
            case Wait():
                self._wait(pending, todo, at)
            case _:
                assert_never(todo)

    def _phone_is_taken(self, pending: _Pending, assessment: Assessment, at: datetime) -> bool:
        """Whether another message has the phone (R7), of one that would go or is held out."""
        drawn = Skip(reasons=(Reason.HELD_OUT,))
        if not _may_go(assessment, at) and held_back(pending.request, assessment, at) != drawn:
            return False
        return self._phone_free_at(pending.request, at) is not None

    def _phone_free_at(self, request: AbandonedRequest, at: datetime) -> datetime | None:
        """When the phone is free for this message; ``None``: it is free now (R7)."""
        held = self.reserved.get(_phone_of(request))
        if held is None or held[1] == request.id:
            return None
        free_at = held[0] + self.settings.one_message_within
        return free_at if at < free_at else None

    def _send(self, pending: _Pending, at: datetime) -> None:
        self.reserved[_phone_of(pending.request)] = (at, pending.request.id)
        if self.credits is not None:
            self.credits -= pending.facts.segments
        self.lines.append(pending.line((), at))

    def _wait(self, pending: _Pending, todo: Wait, at: datetime) -> None:
        if todo.until is None or self._waits_for_good(todo):
            self.standing.append(pending)
            return
        again_at = self._last_alike(pending.request, todo, todo.until, at)
        message = attrs.evolve(pending.request.message, reasons=todo.reasons)
        waiting = looked_at_again(attrs.evolve(pending.request, message=message), again_at)
        next_at = waiting.next_action_at or again_at
        self._look_again(attrs.evolve(pending, request=waiting), next_at)

    def _waits_for_good(self, todo: Wait) -> bool:
        """Whether every look until then finds what this one has found: it is never missed (T4)."""
        return (
            isinstance(self.settings.campaign.timing, AtClockTime)
            and self.settings.compliance.not_older_than is None
            and not _NOT_PASSING_HERE.isdisjoint(todo.reasons)
        )

    def _last_alike(
        self, request: AbandonedRequest, todo: Wait, again_at: datetime, at: datetime
    ) -> datetime:
        """The last of the sweep's retries before anything can change; those between are alike."""
        if not todo.reasons or self.settings.compliance.quiet_hours is not None:
            return again_at
        grace_ends_at = due_of(request, self.settings, at).at + self.settings.late_grace
        oldest = self.settings.compliance.not_older_than
        too_old_at = None if oldest is None else request.abandoned_at + oldest
        free_at = self._phone_free_at(request, at)
        changes_at = (self.until, grace_ends_at, too_old_at, free_at)
        unchanged_for = min(change for change in changes_at if change is not None) - at
        step = again_at - at
        return at + max(1, unchanged_for // step) * step


def _phone_of(request: AbandonedRequest) -> str:
    return request.phone.e164 if request.phone else ""


def _may_go(assessment: Assessment, at: datetime) -> bool:
    return assessment.send_at is not None and assessment.send_at <= at
