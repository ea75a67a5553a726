"""The third door: the clock. Sends what is due, once, and settles what is in doubt.

Any number of sweeps may run at once, on any number of machines. The order of the steps is the
whole safety, see *Once-only sending* in the docs:

1. ask the core with fresh facts; 2. reserve the phone (R7); 3. *begin*: save ``sending``, a
compare-and-set that is durable before anything goes out (R3); 4. send; 5. save the outcome.

Rules held here: D2 (leads are handed over, once), R3, R4, R6, R7, I4 (an opt-out between claim and
begin wins: it moves the version on, and the begin is lost), G1. What is sent to whom is decided in
:mod:`abandoned_booking.core.planning`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, assert_never

import attrs

from abandoned_booking import _failpoints
from abandoned_booking._door import Parts, log
from abandoned_booking._together import saving_together
from abandoned_booking.core import sending
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.model import AbandonedRequest, MessagePhase, Reason, Route, evolve
from abandoned_booking.core.planning import (
    LookUp,
    Plan,
    Send,
    Skip,
    Wait,
    announced,
    look_for_listing_at,
    looked_at_again,
    plan,
)
from abandoned_booking.core.text import ComposedText
from abandoned_booking.errors import MissingPart
from abandoned_booking.ports import (
    LEAD_CHANNEL,
    Accepted,
    Found,
    NotSent,
    OutboundSms,
    Rejected,
    SendResult,
    SupportsFairClaims,
    SupportsLookup,
    Unknown,
)

__all__ = ["Sweep", "SweepReport"]

_CLAIM_FOR: Final = timedelta(minutes=2)
_LOOK_UP_AGAIN_AFTER: Final = timedelta(minutes=15)
_LOOK_UP_FOR: Final = timedelta(hours=24)
_HAND_OVER_AGAIN_AFTER: Final = timedelta(minutes=5)
_CREDITS_AGAIN_AFTER: Final = timedelta(minutes=5)
_BATCH_PER_THREAD: Final = 8


@attrs.frozen(kw_only=True)
class SweepReport:
    """What one run did."""

    claimed: int = 0
    """requests that were handed to this run"""
    sent: int = 0
    """accepted by the gateway"""
    failed: int = 0
    """refused by the gateway for good"""
    waiting: int = 0
    """to be looked at again later"""
    unconfirmed: int = 0
    """may have been sent; not sent again"""
    lost: int = 0
    """changed by somebody else while this run had them: theirs counts"""
    errors: int = 0
    """an adapter raised; logged, and due again when the claim runs out"""
    skipped: Mapping[Reason, int] = attrs.field(
        default=MappingProxyType({}), repr=lambda counts: repr({**counts})
    )
    """how often each reason spoke against a message that will not be sent"""


@attrs.frozen
class _Seen:
    """What became of one claimed request."""

    outcome: str
    reasons: tuple[Reason, ...] = ()


@attrs.frozen(kw_only=True)
class Sweep:
    """Sends what is due. Call it from cron, a beat or a thread; any number at once."""

    _parts: Parts
    _threads: int
    _send_timeout: timedelta

    def run_once(
        self,
        *,
        now: datetime | None = None,
        limit: int = 1000,
        claim_for: timedelta = _CLAIM_FOR,
    ) -> SweepReport:
        """Handle up to ``limit`` requests that are due.

        ``now`` stands in for the clock, for the whole run. ``claim_for`` is how long a request is
        kept from other sweeps; if this one dies, it is due again then. It should be longer than a
        send takes at most: a claim that runs out early does no harm, but work is done twice.

        Raises what the store raises if it cannot be asked at all, :class:`InvalidInput` for a naive
        ``now``. A request whose handling raises is logged and counted, and stops no other.
        """
        fixed = None if now is None else as_utc(now, field="now")
        clock = self._parts.now if fixed is None else lambda: fixed
        parts = evolve(self._parts, saves=saving_together(self._parts.store))
        run = _Run(parts, clock, claim_for, self._send_timeout)
        seen: list[_Seen] = []
        pool: ThreadPoolExecutor | None = None
        try:
            for claimed in run.claimed(limit, at_once=self._threads * _BATCH_PER_THREAD):
                if self._threads == 1 or len(claimed) == 1:
                    seen += map(run.handle, claimed)
                    continue
                pool = pool or ThreadPoolExecutor(self._threads, "abandoned-booking-sweep")
                seen += pool.map(run.handle, claimed)
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)
        return _report(seen)


def _report(seen: list[_Seen]) -> SweepReport:
    counts = Counter(one.outcome for one in seen)
    skipped = Counter(reason for one in seen if one.outcome == "skipped" for reason in one.reasons)
    named = {
        field.name: counts[field.name]
        for field in attrs.fields(SweepReport)
        if field.name in counts and field.name != "skipped"
    }
    return SweepReport(claimed=len(seen), skipped=MappingProxyType(dict(skipped)), **named)


@attrs.frozen
class _Run:
    """One run of the sweep: how a single claimed request is handled."""

    _parts: Parts
    _clock: Callable[[], datetime]
    _claim_for: timedelta
    _send_timeout: timedelta

    def claimed(self, limit: int, *, at_once: int) -> Iterator[Sequence[AbandonedRequest]]:
        """What is due, a batch at a time: the oldest first, then, if there is more, by turns of the
        businesses. So the oldest never wait, and nobody waits behind another's crowd.
        """
        store = self._parts.store
        claim, left = store.claim_due, limit
        # At most half of a run goes by age alone.
        asked = min(at_once, max(1, limit // 2))
        while left > 0:
            asked, at = min(asked, left), self._clock()
            batch = claim(now=at, until=at + self._claim_for, limit=asked)
            if not batch:
                return
            yield batch
            left -= len(batch)
            if len(batch) == asked and isinstance(store, SupportsFairClaims):
                claim = store.claim_due_fairly
            asked = at_once

    def handle(self, request: AbandonedRequest) -> _Seen:
        """Handle one claimed request; whatever an adapter raises stops here."""
        try:
            return self._handle(request)
        except MissingPart:
            raise
        except Exception as error:  # one bad request must not stop the others
            log.error(
                "sweep: request %s of business %s failed with %s; due again when its claim ends",
                request.id,
                request.business_id,
                type(error).__name__,
            )
            return _Seen("errors")

    def _handle(self, request: AbandonedRequest) -> _Seen:
        _failpoints.reached("sweep.claimed", request.id)
        settings = self._parts.settings.get(request.business_id)
        if settings is None:
            return self._wait(request, Wait(until=None))
        now = self._clock()
        listing_at = look_for_listing_at(request)
        if listing_at is not None and listing_at <= now:
            told = self._announced(request, now)
            if told is None:
                return _Seen("lost")
            request = told
        facts = self._parts.facts_of(request, settings)
        todo = plan(request, settings, facts, now)
        _failpoints.reached("sweep.asked", request.id)
        if self._phone_is_taken(request, settings, todo, now):
            facts = evolve(facts, phone_messaged_recently=True)
            todo = plan(request, settings, facts, now)
        match todo:
            case Send():
                return self._send(request, settings, todo)
            case Wait():
                return self._wait(request, todo)
            case Skip(reasons=reasons):
                skipped = self._looked_at_again(sending.skipped(request, reasons, at=now), None)
                return self._saved(skipped, request, _Seen("skipped", reasons))
            case LookUp():
                return self._look_up(request, settings, now)
            case _:
                assert_never(todo)

    def _announced(self, request: AbandonedRequest, now: datetime) -> AbandonedRequest | None:
        """Tell the host that a request counts as abandoned; hand it over if it is a lead (D2).

        A host whose leads are out of reach is asked again later, and holds no message up.
        """
        lead_id = None
        if request.route is Route.LEADS and self._parts.leads is not None:
            draft = self._parts.draft_of(request)
            try:
                lead_id = self._parts.leads.hand_over(
                    request.business_id, draft, channel=LEAD_CHANNEL, key=request.id
                )
            except Exception as error:  # the host's register: whatever it raises
                log.warning(
                    "sweep: lead of request %s was not taken: %s", request.id, type(error).__name__
                )
                return request
        _failpoints.reached("sweep.announced", request.id)
        return self._parts.save(announced(request, at=now, lead_id=lead_id), request)

    def _saved(self, changed: AbandonedRequest, before: AbandonedRequest, seen: _Seen) -> _Seen:
        _failpoints.reached("sweep.settling", before.id)
        saved = self._parts.save(changed, before)
        return seen if saved is not None else _Seen("lost")

    def _wait(self, request: AbandonedRequest, todo: Wait) -> _Seen:
        message = request.message
        if message.phase is MessagePhase.PENDING:
            # Of one that is over, what settled it stays: it is looked at for its listing only.
            message = evolve(message, reasons=todo.reasons)
        waiting = evolve(request, message=message)
        waiting = self._looked_at_again(waiting, todo.until)
        return self._saved(waiting, request, _Seen("waiting", todo.reasons))

    def _looked_at_again(self, request: AbandonedRequest, at: datetime | None) -> AbandonedRequest:
        # An hour that has come and is still not told of: the host's leads were out of reach.
        listing_at = look_for_listing_at(request)
        now = self._clock()
        if listing_at is not None and listing_at <= now:
            again_at = now + _HAND_OVER_AGAIN_AFTER
            return evolve(request, next_action_at=min(at or again_at, again_at))
        return looked_at_again(request, at)

    # ── sending ─────────────────────────────────────────────────────────────────────────────────

    def _ledger_key(self, request: AbandonedRequest) -> str:
        phone = request.phone.e164 if request.phone else ""
        return self._parts.keyed("phone", request.business_id, phone)

    def _phone_is_taken(
        self, request: AbandonedRequest, settings: BusinessSettings, todo: Plan, now: datetime
    ) -> bool:
        """Whether another message has the phone (R7); if not, one that goes has it from now on."""
        held_out = todo == Skip(reasons=(Reason.HELD_OUT,))
        if not held_out and not isinstance(todo, Send):
            return False
        # Whoever is held out only asks: the comparison is with those whose phone was free too. It
        # asks under a name of its own, so that giving it back never frees a message under way.
        attempt_id = sending.attempt_id_of(request.id)
        owner = f"{attempt_id}.asks" if held_out else attempt_id
        taken = not self._reserved(request, settings, now, owner=owner)
        if held_out and not taken:
            self._parts.ledger.release(request.business_id, self._ledger_key(request), owner=owner)
        return taken

    def _reserved(
        self, request: AbandonedRequest, settings: BusinessSettings, now: datetime, *, owner: str
    ) -> bool:
        """Take the phone for this request's message (R7)."""
        return self._parts.ledger.reserve(
            request.business_id,
            self._ledger_key(request),
            owner=owner,
            at=now,
            not_within=settings.one_message_within,
        )

    def _send(self, request: AbandonedRequest, settings: BusinessSettings, todo: Send) -> _Seen:
        parts, text = self._parts, todo.text
        if parts.sms is None:
            raise MissingPart(
                "a recovery message is due, but there is no gateway for texts; give "
                "AbandonedBookings(sms=...), or switch the campaign off",
                part="sms",
            )
        _failpoints.reached("sweep.reserved", request.id)
        if not self._credits_reserved(request, text):
            # The phone stays reserved: another worker may have begun for this very request.
            until = self._clock() + _CREDITS_AGAIN_AFTER
            return self._wait(request, Wait(until=until, reasons=(Reason.NO_CREDITS,)))
        _failpoints.reached("sweep.beginning", request.id)
        now = self._clock()
        begun = parts.save(
            sending.begun(
                request, at=now, until=now + self._claim_for, segments=text.size.segments
            ),
            request,
        )
        if begun is None:
            return _Seen("lost")
        _failpoints.reached("sweep.begun", request.id)
        message = OutboundSms(
            attempt_id=sending.attempt_id_of(request.id),
            business_id=request.business_id,
            to=todo.to,
            body=text.text,
            segments=text.size.segments,
        )
        try:
            result = parts.sms.send(message, timeout=self._send_timeout)
        except Exception as error:  # nobody knows how far it had come
            result = Unknown(detail=type(error).__name__)
        _failpoints.reached("sweep.answered", request.id)
        return self._answered(begun, settings, result, text.text)

    def _credits_reserved(self, request: AbandonedRequest, text: ComposedText) -> bool:
        ledger, owner = self._parts.credits, sending.attempt_id_of(request.id)
        return ledger is None or ledger.reserve(
            request.business_id, owner=owner, credits=text.size.segments
        )

    def _answered(
        self,
        begun: AbandonedRequest,
        settings: BusinessSettings,
        result: SendResult,
        text: str,
    ) -> _Seen:
        """Save the gateway's answer, whatever has happened to the request meanwhile."""
        now, begin = self._clock(), begun.message.begun
        if isinstance(result, (NotSent, Rejected)):
            # Before the outcome is saved: after it, another begin may hold the phone by right.
            self._release(begun)
            _failpoints.reached("sweep.released", begun.id)
        after = self._parts.update(
            begun,
            lambda found: self._after(found, result, begin, now),
            settings,
            at=now,
            text=text,
        )
        _failpoints.reached("sweep.recorded", begun.id)
        match result:
            case Accepted():
                self._commit_credits(after)
                return _Seen("sent")
            case Rejected():
                return _Seen("failed")
            case NotSent():
                return _Seen("waiting", after.message.reasons)
            case Unknown():
                return _Seen("unconfirmed")
            case _:
                assert_never(result)

    def _after(
        self, found: AbandonedRequest, result: SendResult, begin: int, now: datetime
    ) -> AbandonedRequest:
        changed = sending.after_result(found, result, begin=begin, at=now)
        in_doubt = changed.message.phase is MessagePhase.UNCONFIRMED
        return self._asked_again(changed, now) if in_doubt else changed

    def _release(self, begun: AbandonedRequest) -> None:
        """Give phone and credits back: this worker's own begin provably sent nothing."""
        business_id, owner = begun.business_id, sending.attempt_id_of(begun.id)
        self._parts.ledger.release(business_id, self._ledger_key(begun), owner=owner)
        if self._parts.credits is not None:
            self._parts.credits.release(business_id, owner=owner)

    def _commit_credits(self, sent: AbandonedRequest) -> None:
        if self._parts.credits is not None:
            self._parts.credits.commit(
                sent.business_id,
                owner=sending.attempt_id_of(sent.id),
                credits=sent.message.segments or 1,
            )

    # ── in doubt ────────────────────────────────────────────────────────────────────────────────

    def _look_up(
        self, request: AbandonedRequest, settings: BusinessSettings, now: datetime
    ) -> _Seen:
        """Settle a send that nobody has told the end of; it is never sent again."""
        found = self._found(request)
        if found is not None:
            _failpoints.reached("sweep.looked_up", request.id)
            taken = Accepted(provider_id=found.provider_id)
            begin, at = request.message.begun, request.message.begun_at or now
            after = self._parts.update(
                request,
                lambda r: sending.after_result(r, taken, begin=begin, at=at),
                settings,
                at=now,
            )
            self._commit_credits(after)
            return _Seen("sent")
        doubtful = sending.in_doubt(request, at=now, detail="claim ran out")
        seen = _Seen("waiting" if doubtful is request else "unconfirmed")
        return self._saved(self._asked_again(doubtful, now), request, seen)

    def _found(self, request: AbandonedRequest) -> Found | None:
        """The provider's own record of the message, if it can be asked and has one."""
        gateway, attempt_id = self._parts.sms, sending.attempt_id_of(request.id)
        if not isinstance(gateway, SupportsLookup):
            return None
        try:
            found = gateway.find(attempt_id)
        except Exception as error:  # no answer: as good as none
            log.warning("sweep: look-up of %s ended with %s", attempt_id, type(error).__name__)
            return None
        return found if isinstance(found, Found) else None

    def _asked_again(self, request: AbandonedRequest, now: datetime) -> AbandonedRequest:
        """When the gateway is asked next what became of a message in doubt, if it can be."""
        begun_at = request.message.begun_at or now
        asks = isinstance(self._parts.sms, SupportsLookup) and now - begun_at < _LOOK_UP_FOR
        until = now + _LOOK_UP_AGAIN_AFTER if asks else None
        return self._looked_at_again(request, until)
