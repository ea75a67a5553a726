"""Mass texts and e-mails of the desk: who would get one, at what price, and the sending.

A mass message is decided on request by request, in the order given, by one function: the quote
only counts what it says, the send acts on it. What was begun for an operation is on record of its
request, so that a repeat, after a crash too, sends only what was not; and each phone or e-mail is
taken in the ledger, for ever, before an operation's message goes out to it.

Rules held here: L7 (an outcome per request), B1 (mass text: the rules of a single one, count and
price before), B2 (mass e-mail), M2 (a mass text is marketing: it bears the notice), M3 (credits),
R6 and R9 (opted out, no consent).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final, Protocol

import attrs

from abandoned_booking import _outreach
from abandoned_booking._bulk import BulkOutcome, BulkReport, checked_ids, failed, named
from abandoned_booking._door import Parts
from abandoned_booking._outreach import ContactOutcome, Outgoing
from abandoned_booking.core import outreach
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.editing import check_operation_id
from abandoned_booking.core.email import compose_email
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    Reason,
    Status,
)
from abandoned_booking.core.text import check_template, opt_out_notice
from abandoned_booking.errors import StoreError
from abandoned_booking.ports import Rejected, SendResult

__all__ = ["MassEmail", "MassText", "OnProgress", "Quote", "QuoteLine", "quote", "send"]

_FOR_EVER: Final = timedelta(days=36_525)

OnProgress = Callable[[int, int], object]
"""is told how many are done, and of how many"""


# ── the quote ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class QuoteLine:
    """What a mass message would do with one request."""

    request_id: str
    goes: bool
    segments: int = 0
    """what it takes if it goes; 0 for an e-mail"""
    reasons: tuple[Reason, ...] = ()
    """why it does not go"""
    error: str | None = None
    detail: str | None = None


@attrs.frozen(kw_only=True)
class Quote:
    """Whom a mass message would reach and what it would cost, before anything is sent (B1)."""

    lines: tuple[QuoteLine, ...]
    """one per request, in the order given"""
    balance: int | None = None
    """the credits that are left now; ``None``: not limited, or not needed"""

    @property
    def recipients(self) -> int:
        """How many would get it."""
        return sum(line.goes for line in self.lines)

    @property
    def segments(self) -> int:
        """How many segments in all; 0 for e-mails."""
        return sum(line.segments for line in self.lines if line.goes)

    @property
    def credits(self) -> int:
        """What it would cost: one credit is one segment (M3)."""
        return self.segments

    @property
    def excluded(self) -> tuple[QuoteLine, ...]:
        """Those who would not get it, with reasons."""
        return tuple(line for line in self.lines if not line.goes)

    @property
    def by_reason(self) -> Mapping[Reason, int]:
        """How many are excluded for each reason; one with two reasons counts under both."""
        counted = Counter(reason for line in self.lines for reason in line.reasons)
        return {reason: counted[reason] for reason in Reason if reason in counted}


# ── the message ───────────────────────────────────────────────────────────────────────────────────


class Mass(Protocol):
    """What is sent to many: checked once, then made for each."""

    @property
    def channel(self) -> Channel: ...

    def check(self, parts: Parts, settings: BusinessSettings) -> None:
        """Raise what would be wrong with it for everybody."""
        ...

    def to(self, parts: Parts, request: AbandonedRequest, settings: BusinessSettings) -> Outgoing:
        """The message for one person."""
        ...

    def address_of(self, request: AbandonedRequest) -> str | None:
        """By what people are told apart on its channel."""
        ...


@attrs.frozen(kw_only=True)
class MassText:
    """A text to many: marketing, so with the opt-out notice (M2)."""

    body: str = attrs.field(repr=False)

    @property
    def channel(self) -> Channel:
        return Channel.TEXT

    def check(self, parts: Parts, settings: BusinessSettings) -> None:
        _outreach.sms_gateway(parts)
        check_template(self.body, notice=opt_out_notice(settings.opt_out_keyword), field="body")

    def to(self, parts: Parts, request: AbandonedRequest, settings: BusinessSettings) -> Outgoing:
        return _outreach.text_to(parts, request, settings, self.body, marketing=True)

    def address_of(self, request: AbandonedRequest) -> str | None:
        return request.phone.e164 if request.phone else None


@attrs.frozen(kw_only=True)
class MassEmail:
    """An e-mail to many: the business's design, or words of one's own in it (B2)."""

    subject: str | None = attrs.field(repr=False)
    body: str | None = attrs.field(repr=False)

    @property
    def channel(self) -> Channel:
        return Channel.EMAIL

    def check(self, parts: Parts, settings: BusinessSettings) -> None:
        _outreach.email_gateway(parts)
        settings.email.sender(settings.name)
        compose_email(
            settings.email, fields={}, unsubscribe_link="#", subject=self.subject, body=self.body
        )

    def to(self, parts: Parts, request: AbandonedRequest, settings: BusinessSettings) -> Outgoing:
        return _outreach.email_to(parts, request, settings, subject=self.subject, body=self.body)

    def address_of(self, request: AbandonedRequest) -> str | None:
        return request.email_key


# ── who gets it: one function for the quote and the send ────────────────────────────────────────


@attrs.frozen(kw_only=True)
class _Decision:
    """What is to be done with one request: send ``outgoing``, or nothing, and why."""

    request_id: str
    request: AbandonedRequest | None = None
    outgoing: Outgoing | None = None
    known: Contact | None = None
    """what this very operation has begun before"""
    reasons: tuple[Reason, ...] = ()
    error: Exception | None = None


@attrs.define
class _Round:
    """One pass over the chosen requests, in the order given."""

    _parts: Parts
    _settings: BusinessSettings
    _mass: Mass
    _contact_id: str
    _taken: set[str] = attrs.Factory(set)
    """the phones, or e-mails, that get it already"""
    promised: int = 0
    """the credits that a quote has given out; a send takes them from the ledger"""

    def decide(self, request_id: str) -> _Decision:
        """Whether the request gets the message: the first of each person that may, does."""
        request: AbandonedRequest | None = None
        try:
            request = self._parts.load(self._settings.business_id, request_id)
            return self._decided(request)
        except StoreError:
            raise
        except Exception as error:  # this row's, or the host's code
            return _Decision(request_id=request_id, request=request, error=error)

    def _decided(self, request: AbandonedRequest) -> _Decision:
        address = self._mass.address_of(request)
        known = outreach.contact_of(request, self._contact_id)
        if known is not None:
            self._take(address)
            return _Decision(request_id=request.id, request=request, known=known)
        closed, outgoing = set(_closed(request)), None
        if not closed:
            outgoing = self._mass.to(self._parts, request, self._settings)
            closed.update(outgoing.against(request, promised=self.promised))
        if address in self._taken:
            closed.add(Reason.SAME_PERSON)
        if closed or outgoing is None:
            reasons = tuple(reason for reason in Reason if reason in closed)
            return _Decision(request_id=request.id, request=request, reasons=reasons)
        self._take(address)
        return _Decision(request_id=request.id, request=request, outgoing=outgoing)

    def _take(self, address: str | None) -> None:
        if address is not None:
            self._taken.add(address)


def _closed(request: AbandonedRequest) -> Iterator[Reason]:
    """Why nobody is contacted about it any more, as for a single text."""
    if request.deleted_at is not None:
        yield Reason.DELETED
    if request.erased_at is not None:
        yield Reason.ERASED
    if request.status is Status.COMPLETED:
        yield Reason.COMPLETED


def _round(
    parts: Parts, settings: BusinessSettings, mass: Mass, operation_id: str | None
) -> _Round:
    """Raises one error for what is wrong with the whole call; nothing has changed then."""
    if operation_id is not None:
        check_operation_id(operation_id)
    mass.check(parts, settings)
    contact_id = _outreach.contact_id_of(operation_id, mass.channel)
    return _Round(parts=parts, settings=settings, mass=mass, contact_id=contact_id)


def quote(
    parts: Parts,
    settings: BusinessSettings,
    ids: Iterable[str],
    mass: Mass,
    *,
    operation_id: str | None,
) -> Quote:
    """Whom :func:`send` would reach now, and at what price; nothing is sent or stored."""
    chosen, pass_ = checked_ids(ids), _round(parts, settings, mass, operation_id)
    lines = []
    for request_id in chosen:
        line = _line(pass_.decide(request_id))
        pass_.promised += line.segments
        lines.append(line)
    counted = parts.credits is not None and mass.channel is Channel.TEXT
    balance = parts.credits.balance(settings.business_id) if parts.credits and counted else None
    return Quote(lines=tuple(lines), balance=balance)


def _line(decision: _Decision) -> QuoteLine:
    id_ = decision.request_id
    if decision.error is not None:
        name, detail = named(decision.error)
        return QuoteLine(request_id=id_, goes=False, error=name, detail=detail)
    if decision.request is not None and decision.known is not None:
        before = _outreach.outcome_of(decision.request, decision.known)
        reasons = _reasons_of(before) or (Reason.ALREADY_SENT,)
        return QuoteLine(request_id=id_, goes=False, reasons=reasons)
    if decision.outgoing is None:
        return QuoteLine(request_id=id_, goes=False, reasons=decision.reasons)
    return QuoteLine(request_id=id_, goes=True, segments=decision.outgoing.segments or 0)


def send(
    parts: Parts,
    settings: BusinessSettings,
    ids: Iterable[str],
    mass: Mass,
    *,
    operation_id: str,
    staff_id: str | None,
    on_progress: OnProgress | None,
    timeout: timedelta,
) -> BulkReport:
    """Send a message to many, once to each person, however often the operation is repeated."""
    chosen, pass_ = checked_ids(ids), _round(parts, settings, mass, operation_id)
    contact_id = _outreach.contact_id_of(operation_id, mass.channel)
    once = _OncePerPerson(parts=parts, mass=mass, operation_id=operation_id)

    def delivered(decision: _Decision) -> BulkOutcome:
        request, outgoing = decision.request, decision.outgoing
        if request is None or outgoing is None:
            return _not_sent(decision)
        try:
            outcome = _outreach.sent_once(
                parts, settings, request, once.of(outgoing), contact_id, staff_id, timeout
            )
        except StoreError:
            raise
        except Exception as error:  # a register of the host's, say
            return failed(request.id, error, request)
        return _told(outcome)

    outcomes = []
    for request_id in chosen:
        outcomes.append(delivered(pass_.decide(request_id)))
        if on_progress is not None:
            on_progress(len(outcomes), len(chosen))
    return BulkReport(outcomes=tuple(outcomes))


def _not_sent(decision: _Decision) -> BulkOutcome:
    if decision.error is not None:
        return failed(decision.request_id, decision.error, decision.request)
    if decision.request is not None and decision.known is not None:
        return _told(_outreach.outcome_of(decision.request, decision.known))
    return BulkOutcome(
        request_id=decision.request_id,
        done=False,
        reasons=decision.reasons,
        request=decision.request,
    )


def _told(outcome: ContactOutcome) -> BulkOutcome:
    return BulkOutcome(
        request_id=outcome.request.id,
        done=outcome.accepted,
        reasons=_reasons_of(outcome),
        request=outcome.request,
    )


def _reasons_of(outcome: ContactOutcome) -> tuple[Reason, ...]:
    """Why the gateway has not taken it, or nobody knows; empty if it has."""
    state = None if outcome.contact is None else outcome.contact.state
    if state is ContactState.SENDING:
        return (Reason.IN_DOUBT,)
    if state is ContactState.FAILED:
        return (Reason.ALREADY_SENT,)
    return outcome.reasons


# ── once to each person ─────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class _OncePerPerson:
    """Takes a person's address for one request of an operation, for ever, in one statement."""

    _parts: Parts
    _mass: Mass
    _operation_id: str

    def of(self, outgoing: Outgoing) -> Outgoing:
        return _Guarded(outgoing=outgoing, may_go=self._may_go)

    def _may_go(self, begun: AbandonedRequest) -> bool:
        address = self._mass.address_of(begun)
        if address is None:
            return True  # the message itself refuses that
        parts, business_id = self._parts, begun.business_id
        whom = "\0".join((self._mass.channel, self._operation_id, address))
        return parts.ledger.reserve(
            business_id,
            parts.keyed("mass", business_id, whom),
            owner=begun.id,
            at=parts.now(),
            not_within=_FOR_EVER,
        )


@attrs.frozen(kw_only=True)
class _Guarded:
    """A message that goes out only if its person has not got it for another request.

    Asked once it is begun, of the request as it is then: another call may have chosen another of
    the person's requests meanwhile, or the visitor typed another number.
    """

    _outgoing: Outgoing
    _may_go: Callable[[AbandonedRequest], bool]

    @property
    def channel(self) -> Channel:
        return self._outgoing.channel

    @property
    def segments(self) -> int | None:
        return self._outgoing.segments

    @property
    def body(self) -> str:
        return self._outgoing.body

    def against(self, request: AbandonedRequest, *, promised: int = 0) -> tuple[Reason, ...]:
        return self._outgoing.against(request, promised=promised)

    def handed_over(
        self, begun: AbandonedRequest, attempt_id: str, timeout: timedelta
    ) -> SendResult:
        if not self._may_go(begun):
            return Rejected(reason=Reason.SAME_PERSON.value)
        return self._outgoing.handed_over(begun, attempt_id, timeout)

    def settle(self, result: SendResult, attempt_id: str) -> None:
        self._outgoing.settle(result, attempt_id)
