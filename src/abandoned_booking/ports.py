"""What a host implements, and the values that cross: storage, gateways, and its own registers.

Every port is a :class:`typing.Protocol`: no base class is needed. A docstring is a contract under
the headings *Returns*, *Must*, *May* and *Called by*; :mod:`abandoned_booking.testing` checks it.
New abilities arrive as separate ``Supports…`` protocols, never as methods added to an old one.

``business_id`` comes first everywhere and heads every key: two businesses may use the same ids.
Every instant is an aware UTC ``datetime`` with microseconds, and must come back as it went in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias, runtime_checkable

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.email import Mailbox, has_forbidden_characters, mail_address
from abandoned_booking.core.listing import ListQuery, Page
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    CareType,
    Person,
    masked,
)
from abandoned_booking.core.performance import GroupBy, Performance
from abandoned_booking.core.periods import Period
from abandoned_booking.core.sending import (
    Accepted,
    DeliveryState,
    NotSent,
    Rejected,
    SendResult,
    Unknown,
)
from abandoned_booking.errors import InvalidInput

__all__ = [
    "LEAD_CHANNEL",
    "Accepted",
    "AppointmentBook",
    "AppointmentDraft",
    "ClientDirectory",
    "ClientDraft",
    "Clock",
    "ConsentRegister",
    "CreditLedger",
    "DeliveryReport",
    "DeliveryState",
    "EmailGateway",
    "Found",
    "InboundSms",
    "LeadDirectory",
    "LookupResult",
    "LookupUnavailable",
    "Mailbox",
    "NotFound",
    "NotSent",
    "OutboundEmail",
    "OutboundSms",
    "Page",
    "PhoneLedger",
    "Rejected",
    "RequestStore",
    "SendResult",
    "ServiceCatalogue",
    "SettingsStore",
    "Slot",
    "SmsGateway",
    "SupportsBatchSaves",
    "SupportsErasure",
    "SupportsExpiry",
    "SupportsFairClaims",
    "SupportsLookup",
    "SupportsOpenSlots",
    "SupportsPersonSearch",
    "SupportsTally",
    "SuppressionList",
    "Unknown",
]


# ── storage ─────────────────────────────────────────────────────────────────────────────────────


@runtime_checkable
class RequestStore(Protocol):
    """Where requests live: one record each, every write a compare-and-set on its version.

    Durable means: once a call has returned, another process sees the write, and a crash of this
    one does not take it back. Nothing here reads a clock; time comes in as an argument.
    """

    def add(self, request: AbandonedRequest) -> bool:
        """Insert a request if it is not there yet.

        Returns: True if it was inserted, with ``request.version``; False if its business already
        has a request of that ``id``, or one of that ``session_id`` and ``sequence``.
        Must: of N concurrent calls for one key exactly one returns True; a False changes nothing;
        the insert is durable before the call returns.
        Called by: capture, when a session is seen for the first time or again after a booking.
        """
        ...

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        """Read one request.

        Returns: the request equal to what was last written, or None if that business has none.
        Must: see every write that has returned, whoever made it.
        Called by: every door.
        """
        ...

    def latest_of_session(self, business_id: str, session_id: str) -> AbandonedRequest | None:
        """Read the request of a booking session that has the highest ``sequence``.

        Returns: the request, deleted and closed ones included, or None.
        Called by: capture.
        """
        ...

    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        """Read every open request of a person.

        Returns: the requests in Abandoned or Contacted, deleted ones included, that share the
        ``client_id``, or the phone (``person.phone`` is E.164, compared with
        ``request.phone.e164``), or the ``email_key``; each once, in any order. A field that the
        person lacks matches nothing; a person without any of the three has no requests.
        Called by: capture (a booking closes them all), inbound (replies and opt-outs).
        """
        ...

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        """Replace a request if nobody else has changed it: compare-and-set.

        Returns: True if the stored version was ``expected_version``; the stored one is then
        ``expected_version + 1``, whatever ``request.version`` says. False otherwise, also if the
        request is not there.
        Must: of N concurrent calls with one expected version exactly one returns True; a False
        changes nothing; a True is durable before the call returns, in a transaction of its own,
        never in one of the host's that may still roll back.
        Called by: every door.
        """
        ...

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        """Hand due requests, of all businesses, to one caller: a queue's visibility time-out.

        Returns: at most ``limit`` requests whose ``next_action_at`` was at or before ``now``, the
        earliest first, each as it is *after* the claim: ``next_action_at == until`` and the
        version moved on by one.
        Must: give each due request to one of N concurrent callers only; be durable before it
        returns; leave requests alone whose ``next_action_at`` is None or later than ``now``.
        May: return fewer than ``limit`` although more are due; but none only if it saw none that
        it could claim.
        Called by: the sweep.
        """
        ...

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        """Read one page of the staff's list.

        Returns: what :func:`abandoned_booking.core.listing.paginate` gives for all requests of
        the business: the same rows, order, total and cursor.
        Must: take every character of ``query.text`` as itself (``%`` and ``_`` too); raise
        :class:`InvalidCursor` where :func:`~abandoned_booking.core.listing.position_of` does.
        Called by: the desk.
        """
        ...

    def count(self, business_id: str, query: ListQuery, *, now: datetime) -> int:
        """Count what :meth:`page` would find in all, whatever its limit and cursor.

        Called by: the desk (totals and the dot).
        """
        ...

    def stream(self, business_id: str) -> Iterator[AbandonedRequest]:
        """Read every request of a business, deleted and closed ones included, in any order.

        Must: use memory that does not grow with their number; allow other calls, of any thread,
        while it is being read; give every request once that is there from beginning to end.
        Called by: export, reports, re-planning after a change of settings.
        """
        ...


@runtime_checkable
class SupportsBatchSaves(Protocol):
    """A request store that saves many requests at the price of few."""

    def save_many(self, changes: Sequence[tuple[AbandonedRequest, int]]) -> Sequence[bool]:
        """Save several requests, each as ``save`` would: pairs of request and expected version.

        Returns: what ``save`` would have returned for each, called one after another in the order
        of ``changes``.
        Must: decide each by its own version, so that one that loses stops no other; be durable
        before it returns. If it raises, none of them was saved, or the error says that nobody
        knows.
        Called by: the sweep: what several of its threads save at the same moment is one call.
        """
        ...


@runtime_checkable
class SupportsFairClaims(Protocol):
    """A request store that hands due requests out by turns, so that nobody waits for a crowd."""

    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        """Hand due requests to one caller as ``claim_due`` does, but by turns of the businesses.

        Returns: what ``claim_due`` does, in another order: the earliest of every business first,
        then the second of every business, and so on; within one turn the earliest first.
        Must: all that ``claim_due`` must; hand out a due request of every business, if ``limit``
        allows, before a second one of any.
        May: go by a picture of what is due that is a few seconds of ``now`` old; go on with a turn
        that an earlier call has begun.
        Called by: the sweep. Without it, a business with a hundred thousand due requests is served
        before another whose only one was due a second later.
        """
        ...


@runtime_checkable
class SupportsPersonSearch(Protocol):
    """A request store that finds every request of a person, closed ones too."""

    def all_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        """Read every request of a person.

        Returns: what ``open_of_person`` does, in every status.
        Called by: ``bookings.forget`` and ``bookings.data_of`` (G3). Without it they read the whole
        business.
        """
        ...


@runtime_checkable
class SupportsExpiry(Protocol):
    """A request store that finds old requests without reading the younger ones."""

    def abandoned_before(self, business_id: str, before: datetime) -> Iterator[AbandonedRequest]:
        """Read every request with ``abandoned_at`` before that instant and no ``erased_at``.

        Must: use memory that does not grow with their number; allow other calls, writes to these
        very requests included, while it is being read.
        May: leave out a request, or give it twice, that is changed meanwhile; any order.
        Called by: ``bookings.purge_older_than`` (G3). Without it the whole business is read.
        """
        ...


@runtime_checkable
class SupportsErasure(Protocol):
    """A request store whose files keep copies of what was overwritten, and that can remove them."""

    def erase_traces(self, business_id: str) -> bool:
        """Leave no copy of what ``save`` has replaced: logs, freed pages, indexes.

        Returns: True if none is left where the store writes; False if others were in the way: it
        should be called again.
        Must: change nothing that can be read through the store.
        May: take long, and keep writers waiting; do so for all businesses at once.
        Called by: ``bookings.forget`` and ``bookings.purge_older_than``, at their end (G3).
        """
        ...


@runtime_checkable
class SupportsTally(Protocol):
    """A request store that adds the figures of a report up itself."""

    def tally(
        self,
        business_id: str,
        period: Period,
        *,
        by: GroupBy | str | Iterable[GroupBy | str],
        settings: BusinessSettings,
        now: datetime,
    ) -> Performance:
        """Returns: what :func:`abandoned_booking.core.performance.tally` gives for all requests of
        the business, to the last figure.

        Called by: ``desk.performance``. A store without it is streamed.
        """
        ...


@runtime_checkable
class SettingsStore(Protocol):
    """Where each business's settings live."""

    def get(self, business_id: str) -> BusinessSettings | None:
        """Returns: the settings equal to those last put, or None if there are none.

        Called by: every door, for every request: it should be fast, and must not be stale.
        """
        ...

    def put(self, settings: BusinessSettings) -> None:
        """Store the settings of ``settings.business_id``, in place of earlier ones.

        Must: be durable before it returns.
        Called by: ``bookings.settings.put``, which re-plans what is unclaimed afterwards (T5).
        """
        ...


@runtime_checkable
class SuppressionList(Protocol):
    """Who must not be texted. Holds keyed hashes only: it outlives the erasure of a person (G3)."""

    def add(self, business_id: str, key: str) -> None:
        """Put a key on the list; a repeat changes nothing.

        Must: be durable, and seen by every other process, before it returns.
        Called by: inbound (opt-out), desk.
        """
        ...

    def remove(self, business_id: str, key: str) -> None:
        """Take a key off the list; one that is not there changes nothing. Durable like ``add``.

        Called by: inbound (a resubscribe word), desk.
        """
        ...

    def contains(self, business_id: str, key: str) -> bool:
        """Returns: whether the key is on the business's list, never a stale answer.

        Called by: the sweep and the desk before every send.
        """
        ...


@runtime_checkable
class PhoneLedger(Protocol):
    """Which phone was promised a message, and when: one recovery message a day (R7)."""

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        """Take the phone for one message, unless somebody else's took it less than that ago.

        Returns: True if there is no reservation, or one whose ``at`` is ``not_within`` or more
        before this ``at``, or one of the same ``owner``; the reservation is then this one. False
        otherwise, and nothing is changed.
        Must: be one atomic statement: of N concurrent owners exactly one gets True; be durable
        before it returns. ``phone`` is an opaque key: compare it as it is. A reservation in the
        future (a clock that was set back) is in force.
        Called by: the sweep, right before *begin*; the desk, right before a mass message goes
        out, with a key for each operation and person and a ``not_within`` of 100 years.
        """
        ...

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        """Give a reservation back; one that is not there, or another owner's, stays as it is.

        Must: be durable before it returns.
        Called by: the sweep, only after its own *begin* ended in NotSent or Rejected.
        """
        ...


# ── texts ───────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class OutboundSms:
    """One text to send."""

    attempt_id: str
    """the idempotency key; the same for every try of the same text, at most 64 characters"""
    business_id: str
    to: str = attrs.field(repr=masked)
    """E.164"""
    body: str = attrs.field(repr=masked)
    """complete: merged, with the opt-out notice where one belongs"""
    segments: int = 1
    """as measured here; what the provider bills is in its answer"""
    marketing: bool = True
    """whether it is a marketing text (recovery message, mass text) or one of the staff's own"""


@runtime_checkable
class SmsGateway(Protocol):
    """The road out for texts. One verb."""

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        """Hand one text to the provider.

        Returns: Accepted, NotSent, Rejected or Unknown. Whatever cannot be told apart from
        success is Unknown; an exception that escapes counts as Unknown too.
        Must: return within about ``timeout``; try only once (switch the provider's own retries
        off); be safe to call from several threads; put no personal data into reason, code or
        detail.
        Called by: the sweep and the desk, after *begin* is durable.
        """
        ...


@attrs.frozen(kw_only=True)
class Found:
    """The provider has the message."""

    provider_id: str


@attrs.frozen(kw_only=True)
class NotFound:
    """The provider does not have it now. It may yet appear: the text is not sent again."""


@attrs.frozen(kw_only=True)
class LookupUnavailable:
    """The provider did not answer the question."""


LookupResult: TypeAlias = Found | NotFound | LookupUnavailable


@runtime_checkable
class SupportsLookup(Protocol):
    """A gateway that can be asked later what became of a message."""

    def find(self, attempt_id: str) -> LookupResult:
        """Returns: whether the provider has a message of that attempt.

        Called by: the sweep, for a message in doubt.
        """
        ...


@attrs.frozen(kw_only=True)
class DeliveryReport:
    """What a gateway's webhook says of one message (I3).

    ``business_id`` is the host's own knowledge (the route of its webhook, or its record of the
    message), never read from the payload. A report that fits no message of that business is
    passed over.
    """

    business_id: str
    attempt_id: str
    state: DeliveryState = attrs.field(converter=DeliveryState)
    at: datetime
    provider_id: str | None = None
    reason: str | None = None
    """the provider's code for a message that was not delivered"""


@attrs.frozen(kw_only=True)
class InboundSms:
    """A text that somebody sent to the business (I1, I2).

    ``business_id`` is the host's own knowledge: the business that owns the number which was texted.
    """

    business_id: str
    phone: str = attrs.field(repr=masked)
    """the sender's number, E.164 or as it is dialled in the business's region"""
    body: str = attrs.field(repr=masked)
    at: datetime
    message_id: str | None = None
    """the provider's id of the text: a repeat of it is passed over"""


# ── e-mails ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class OutboundEmail:
    """One e-mail to send, complete (B2).

    Nothing in it can end a header's line: such a value raises :class:`InvalidInput`, naming the
    field, when the e-mail is made.
    """

    attempt_id: str
    """the idempotency key, as of a text: at most 64 characters"""
    business_id: str
    to: str = attrs.field(repr=masked)
    """one address, without a name"""
    sender: Mailbox
    reply_to: str | None = None
    subject: str = attrs.field(repr=masked)
    text: str = attrs.field(repr=masked)
    """the text part"""
    html: str = attrs.field(repr=masked)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=masked, hash=False)
    """further headers: ``List-Unsubscribe`` and ``List-Unsubscribe-Post`` (RFC 8058)"""

    def __attrs_post_init__(self) -> None:
        for field, address in (("to", self.to), ("reply_to", self.reply_to)):
            if address is not None and mail_address(address) != address:
                raise InvalidInput("is not an e-mail address", field=field)
        if has_forbidden_characters(self.subject):
            raise InvalidInput("has a line break or a control character", field="subject")
        for name, value in self.headers.items():
            plain = name.replace("-", "").isalnum() and f"{name}{value}".isascii()
            if not plain or has_forbidden_characters(value) or len(value) > 990:
                raise InvalidInput("has a header that cannot be one line", field="headers")


@runtime_checkable
class EmailGateway(Protocol):
    """The road out for e-mails. One verb."""

    def send(self, message: OutboundEmail, *, timeout: timedelta) -> SendResult:
        """Hand one e-mail to a mail server or provider.

        Returns: Accepted, NotSent, Rejected or Unknown. Whatever cannot be told apart from
        success is Unknown; an exception that escapes counts as Unknown too.
        Must: return within about ``timeout``; try only once (switch the provider's own retries
        off); send both parts and every header as given; be safe to call from several threads; put
        no personal data into reason, code or detail.
        Called by: the desk, after the contact is on record as begun.
        """
        ...


# ── the host's own registers ────────────────────────────────────────────────────────────────────


@runtime_checkable
class ClientDirectory(Protocol):
    """The host's client list (C8, I2)."""

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        """Returns: the ids of all clients with that phone (E.164) or that e-mail (case-folded).

        Called by: capture. One unique match is an existing client; none or several are not.
        """
        ...

    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        """Add a client.

        Returns: the new client's id; for a ``key`` seen before, the id given then.
        Must: create one client per key, whoever calls twice or at the same time.
        Called by: inbound (a reply of a new visitor).
        """
        ...

    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        """Returns: whether the client may not book that care type online; for an unknown care
        type: whether the client is blocked for all.

        Called by: capture.
        """
        ...


LEAD_CHANNEL: Final = "Online Booking"
"""where a lead comes from, as the host's leads show it (D2)"""


@runtime_checkable
class LeadDirectory(Protocol):
    """The host's leads, where leads management keeps new visitors apart (D)."""

    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        """Add a lead.

        Returns: the lead's id; for a ``key`` seen before, the id given then.
        Must: create one lead per key, whoever calls twice or at the same time.
        Called by: the sweep, when the request would have been listed. ``key`` is the request's id;
        report a conversion with ``desk.lead_converted(key, client_id)``.
        """
        ...


@attrs.frozen(kw_only=True)
class AppointmentDraft:
    """An appointment to be made for the person of a request."""

    at: datetime
    """its start, aware UTC"""
    form: BookingForm
    client_id: str | None = None
    staff: str | None = None
    services: tuple[str, ...] = ()


@runtime_checkable
class AppointmentBook(Protocol):
    """The host's calendar."""

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        """Make an appointment.

        Returns: its id; for a ``key`` seen before, the id given then. Raises what the host's
        calendar raises if the time is taken: nothing has changed then.
        Must: make one appointment per key, whoever calls twice or at the same time.
        Called by: ``desk.schedule``.
        """
        ...

    def cancel(self, business_id: str, appointment_id: str) -> None:
        """Take an appointment back; one that is not there does no harm.

        Called by: ``desk.schedule``, if the client had booked meanwhile.
        """
        ...


@attrs.frozen(kw_only=True)
class Slot:
    """A time that can be booked."""

    at: datetime
    """its start, aware UTC"""
    staff: str | None = None


@runtime_checkable
class SupportsOpenSlots(Protocol):
    """An appointment book that knows which times are free."""

    def open_slots(
        self, business_id: str, form: BookingForm, *, after: datetime, limit: int
    ) -> Sequence[Slot]:
        """Returns: up to ``limit`` free times that fit the form, the earliest first.

        Called by: ``desk.open_slots``, and for the merge field ``next_open_slot``.
        """
        ...


@attrs.frozen(kw_only=True)
class ClientDraft:
    """The profile of a client as pre-filled by the visitor."""

    person: Person
    form: BookingForm
    phone: str | None = attrs.field(default=None, repr=masked)
    """E.164"""


@runtime_checkable
class ServiceCatalogue(Protocol):
    """The host's services (C9)."""

    def applies(self, business_id: str, form: BookingForm) -> bool:
        """Returns: whether some service of the business fits what was entered so far.

        Called by: capture, for new visitors.
        """
        ...


@runtime_checkable
class ConsentRegister(Protocol):
    """Who has agreed to marketing texts; asked where the compliance policy requires it (R9)."""

    def has_consent(self, business_id: str, phone: str) -> bool:
        """Returns: whether the holder of that phone (E.164) has agreed.

        Called by: the sweep. Without this port nobody has.
        """
        ...


@runtime_checkable
class CreditLedger(Protocol):
    """The business's message credits (R6, M3). One credit is one segment."""

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        """Set credits aside for one message.

        Returns: True if they are set aside, also if ``owner`` already had them; False if there
        are not enough, and nothing is changed.
        Must: be atomic: the balance is never negative, whoever reserves at the same time.
        Called by: the sweep and the desk, right before *begin*.
        """
        ...

    def commit(self, business_id: str, *, owner: str, credits: int) -> None:
        """The message was accepted: what was set aside is spent. A repeat changes nothing.

        Called by: the sweep, the desk and inbound. ``credits`` is what the provider billed, if it
        said so, else what was reserved.
        """
        ...

    def release(self, business_id: str, *, owner: str) -> None:
        """The message was not accepted: what was set aside is free again. A repeat does no harm.

        Called by: the sweep and the desk.
        """
        ...

    def balance(self, business_id: str) -> int:
        """Returns: the credits that can still be reserved.

        Called by: ``explain``.
        """
        ...


class Clock(Protocol):
    """Where the doors take the time from."""

    def now(self) -> datetime:
        """Returns: the current instant, aware."""
        ...
