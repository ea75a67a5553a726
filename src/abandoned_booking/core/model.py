"""The values that everything else speaks of: people, forms, requests and what happened to them.

Frozen and keyword-only; changed with :func:`evolve`. Every instant is an aware UTC
``datetime`` (G2, checked at the doors). ``repr`` masks whatever belongs to a person (G4).

Strings of an open set (:class:`Step`, :class:`CareType`) are ``str`` subclasses with the standard
values as attributes: ``Step("date") == "date"``, and a host adds its own. Closed sets are enums.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs

__all__ = [
    "LISTED_AFTER",
    "OPEN_STATUSES",
    "STANDARD_STEPS",
    "AbandonedRequest",
    "Address",
    "BookingForm",
    "CallOutcome",
    "CareType",
    "Channel",
    "ClientType",
    "Contact",
    "ContactState",
    "EditRecord",
    "HistoryEntry",
    "HistoryKind",
    "MessagePhase",
    "Person",
    "Pet",
    "Phone",
    "Reason",
    "Recovery",
    "RecoveryMessage",
    "Route",
    "Status",
    "Step",
    "evolve",
]

_HISTORY_KEPT: Final = 200
# Enough to tell an address from a slip; whether it takes mail only mail can tell.
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")


def masked(value: object) -> str:
    """What ``repr`` shows of a person's value: whether there is one, never what it is."""
    return "'***'" if value else repr(value) if value is None or value == "" else "{}"


class _FastStrEnum(StrEnum):
    # Enum hashes its name in Python code (0.1 µs); these are keys of tables on hot paths.
    __hash__ = str.__hash__


class Step(str):
    """A page of the booking flow: the standard ones are here, a host's own are ``Step("date")``."""

    __slots__ = ()

    ADDRESS: ClassVar[Step]
    PET: ClassVar[Step]
    SERVICE: ClassVar[Step]
    STAFF: ClassVar[Step]
    TIME: ClassVar[Step]
    ADDITIONAL_PET_INFO: ClassVar[Step]
    PERSONAL_INFO: ClassVar[Step]
    PAYMENT: ClassVar[Step]

    def __repr__(self) -> str:
        return f"Step({str(self)!r})"


STANDARD_STEPS: Final = tuple(
    Step(name)
    for name in (
        "address",
        "pet",
        "service",
        "staff",
        "time",
        "additional_pet_info",
        "personal_info",
        "payment",
    )
)
"""The standard pages in their order; a business's own registry is ``BusinessSettings.steps``."""

for _step in STANDARD_STEPS:
    setattr(Step, _step.upper(), _step)


class CareType(str):
    """A line of business; a host's own are ``CareType("training")``."""

    __slots__ = ()

    GROOMING: ClassVar[CareType]
    BOARDING: ClassVar[CareType]
    DAYCARE: ClassVar[CareType]

    def __repr__(self) -> str:
        return f"CareType({str(self)!r})"


for _care_type in ("grooming", "boarding", "daycare"):
    setattr(CareType, _care_type.upper(), CareType(_care_type))


class CallOutcome(str):
    """How a call went: the usual ones are here, a host's own are ``CallOutcome("on holiday")``."""

    __slots__ = ()

    BOOKED: ClassVar[CallOutcome]
    CALL_BACK: ClassVar[CallOutcome]
    NO_ANSWER: ClassVar[CallOutcome]
    NO_SLOT: ClassVar[CallOutcome]
    PRICE: ClassVar[CallOutcome]
    BOOKED_ELSEWHERE: ClassVar[CallOutcome]
    NOT_INTERESTED: ClassVar[CallOutcome]

    def __repr__(self) -> str:
        return f"CallOutcome({str(self)!r})"


for _outcome in (
    "booked",
    "call_back",
    "no_answer",
    "no_slot",
    "price",
    "booked_elsewhere",
    "not_interested",
):
    setattr(CallOutcome, _outcome.upper(), CallOutcome(_outcome))


class Status(_FastStrEnum):
    """Where a request stands (S). The staff see all but ``COMPLETED``, which is off every list."""

    ABANDONED = "abandoned"
    """begun, left, and nobody has contacted the person yet"""
    CONTACTED = "contacted"
    """somebody, or the recovery message, has contacted the person"""
    RECOVERED = "recovered"
    """booked after a contact, or by the staff"""
    COMPLETED = "completed"
    """booked by the client without any contact: no business of this feature any more (C5)"""


OPEN_STATUSES: Final = frozenset({Status.ABANDONED, Status.CONTACTED})
"""The statuses that a booking of the same person closes (C6)."""


class ClientType(_FastStrEnum):
    """Whether the person had a profile in the host's client list when last seen (C8)."""

    NEW_VISITOR = "new_visitor"
    EXISTING_CLIENT = "existing_client"


class Channel(_FastStrEnum):
    """The road of a contact, and what a recovery is credited to (P2)."""

    RECOVERY_MESSAGE = "recovery_message"
    TEXT = "text"
    EMAIL = "email"
    CALL = "call"


class Route(_FastStrEnum):
    """Where a request is shown (D)."""

    LIST = "list"
    """in the staff's list"""
    LEADS = "leads"
    """in the host's leads, and in neither list, dot nor export"""


class Reason(_FastStrEnum):
    """Why a request is not listed (C10), or why its recovery message is not sent (R8).

    The order of the members is the fixed order in which reasons are reported.
    """

    FEATURE_UNAVAILABLE = "feature_unavailable"
    DELETED = "deleted"
    ERASED = "erased"
    """everything personal was taken out of it (G3)"""
    COMPLETED = "completed"
    ALREADY_CONTACTED = "already_contacted"
    ALREADY_RECOVERED = "already_recovered"
    ALREADY_SENT = "already_sent"
    IN_DOUBT = "in_doubt"
    """a send began and nobody knows how it ended; it is never repeated"""
    CAMPAIGN_OFF = "campaign_off"
    CLIENT_TYPE_NOT_SELECTED = "client_type_not_selected"
    STEP_NOT_SELECTED = "step_not_selected"
    HELD_OUT = "held_out"
    """it is among the share that is never messaged, for comparison (P1)"""
    NO_CONTACT_POINT = "no_contact_point"
    NO_APPLICABLE_SERVICE = "no_applicable_service"
    BLOCKED = "blocked"
    """the client is blocked from online booking (C8)"""
    ROUTED_TO_LEADS = "routed_to_leads"
    TOO_RECENT = "too_recent"
    """not yet an hour (C4)"""
    NO_PHONE = "no_phone"
    NO_EMAIL = "no_email"
    """no address to which mail can be sent"""
    CANNOT_RECEIVE_TEXTS = "cannot_receive_texts"
    NOT_US_NUMBER = "not_us_number"
    OPTED_OUT = "opted_out"
    PHONE_BLOCKED = "phone_blocked"
    """the staff blocked that number"""
    NO_CONSENT = "no_consent"
    PHONE_MESSAGED_RECENTLY = "phone_messaged_recently"
    """another request's recovery message went to that phone within a day (R7)"""
    SAME_PERSON = "same_person"
    """another chosen request of the same phone or e-mail gets the mass message (B1)"""
    TOO_OLD = "too_old"
    MISSED = "missed"
    """it was due while nothing ran, and the grace is over (T4)"""
    TEXT_TOO_LONG = "text_too_long"
    NO_CREDITS = "no_credits"
    GATEWAY_REFUSED = "gateway_refused"
    GATEWAY_UNAVAILABLE = "gateway_unavailable"
    """nothing was sent, for a passing reason; it is tried again while it is in time"""


class MessagePhase(_FastStrEnum):
    """The recovery message's own life; see *Once-only sending* in the docs."""

    PENDING = "pending"
    SENDING = "sending"
    """begun: durable before anything goes out; from here on nobody else begins"""
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    """may have been sent; never sent again by itself"""
    SKIPPED = "skipped"
    """the rules say never; ``reasons`` tells why"""


class ContactState(_FastStrEnum):
    """How a contact went. A contact *counts* in all states but the last four."""

    MADE = "made"
    """a call, or whatever the host reported"""
    ACCEPTED = "accepted"
    """the gateway took it (S2)"""
    DELIVERED = "delivered"
    FAILED = "failed"
    """reported undelivered after it was accepted"""
    REFUSED = "refused"
    """the gateway, or a rule, refused it: it was never made"""
    UNDONE = "undone"
    """a click on *call* taken back (S3)"""
    SENDING = "sending"
    """begun; how it ended is not known (yet)"""


_COUNTING: Final = frozenset({ContactState.MADE, ContactState.ACCEPTED, ContactState.DELIVERED})


class HistoryKind(_FastStrEnum):
    """What a line of a request's history tells."""

    OPENED = "opened"
    STEP = "step"
    LEFT = "left"
    CONTACT = "contact"
    CONTACT_REFUSED = "contact_refused"
    CONTACT_FAILED = "contact_failed"
    CONTACT_UNDONE = "contact_undone"
    DELIVERED = "delivered"
    REPLY = "reply"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    UNSUBSCRIBED = "unsubscribed"
    """from e-mails, with the link in one"""
    CLIENT_ADDED = "client_added"
    LEAD_HANDED_OVER = "lead_handed_over"
    CALL_OUTCOME = "call_outcome"
    EDITED = "edited"
    EDIT_UNDONE = "edit_undone"
    CLIENT_BOOKED = "client_booked"
    SCHEDULED = "scheduled"
    APPOINTMENT_CANCELLED = "appointment_cancelled"
    CORRECTED = "corrected"
    DELETED = "deleted"
    RESTORED = "restored"
    PHONE_BLOCKED = "phone_blocked"
    PHONE_UNBLOCKED = "phone_unblocked"
    MESSAGE_SKIPPED = "message_skipped"
    MESSAGE_BEGUN = "message_begun"
    MESSAGE_NOT_SENT = "message_not_sent"
    MESSAGE_UNCONFIRMED = "message_unconfirmed"


@attrs.frozen(kw_only=True)
class Phone:
    """A parsed phone number with the verdicts that rules need, stored when captured (R5, R6)."""

    e164: str = attrs.field(repr=masked)
    """``+`` and digits, as ITU-T E.164 writes it"""
    region: str
    """two letters, ISO 3166-1; ``001`` for numbers of no country"""
    can_text: bool
    """whether numbers of this type can receive texts"""
    zones: tuple[str, ...] = ()
    """every IANA zone that the number may be in"""
    national: str = attrs.field(default="", repr=masked)
    """the digits as dialled within the region, trunk prefix included: what people search for"""


@attrs.frozen(kw_only=True)
class Person:
    """Who is booking, as typed or as signed in. At least one field should be filled in."""

    client_id: str | None = None
    """the host's id of the client, if signed in or known"""
    first_name: str | None = attrs.field(default=None, repr=masked)
    last_name: str | None = attrs.field(default=None, repr=masked)
    phone: str | None = attrs.field(default=None, repr=masked)
    """as typed; what the rules use is ``request.phone``"""
    email: str | None = attrs.field(default=None, repr=masked)

    @property
    def name(self) -> str:
        """First and last name, whichever are there, with one space between."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)

    @property
    def email_key(self) -> str | None:
        """The e-mail as people are told apart by it: trimmed and case-folded (C6).

        ``None`` for what cannot be an address: two people who typed ``x`` are not the same.
        """
        address = self.email.strip().casefold() if self.email else ""
        return address if len(address) <= 254 and _EMAIL.fullmatch(address) else None


@attrs.frozen(kw_only=True)
class Pet:
    """One of those the appointment is for. Other businesses leave pets out."""

    name: str | None = attrs.field(default=None, repr=masked)
    species: str | None = None
    breed: str | None = None


@attrs.frozen(kw_only=True)
class Address:
    """Where the person lives; used for search, and for the zone of quiet hours (R9)."""

    line1: str | None = attrs.field(default=None, repr=masked)
    line2: str | None = attrs.field(default=None, repr=masked)
    city: str | None = attrs.field(default=None, repr=masked)
    state: str | None = None
    """the state or province, as its postal abbreviation (``NY``)"""
    postal_code: str | None = attrs.field(default=None, repr=masked)
    country: str | None = None
    """two letters, ISO 3166-1"""

    @property
    def lines(self) -> tuple[str, ...]:
        """What is filled in, in postal order."""
        parts = (self.line1, self.line2, self.city, self.state, self.postal_code, self.country)
        return tuple(part for part in parts if part)


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def _frozen_mapping(given: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(given)) if given else _NOTHING


def _as_care_type(given: str | None) -> CareType | None:
    return None if given is None else CareType(given)


@attrs.frozen(kw_only=True)
class BookingForm:
    """What has been filled in so far; everything is optional."""

    person: Person = Person()
    pets: tuple[Pet, ...] = ()
    address: Address = Address()
    care_type: CareType | None = attrs.field(default=None, converter=_as_care_type)
    services: tuple[str, ...] = ()
    staff: str | None = None
    preferred_at: datetime | None = None
    """the start of the appointment that was chosen, aware UTC"""
    note: str | None = attrs.field(default=None, repr=masked)
    answers: Mapping[str, str] = attrs.field(
        default=_NOTHING,
        repr=masked,
        converter=_frozen_mapping,
        hash=False,
    )
    """the host's own questions and what was answered"""


@attrs.frozen(kw_only=True)
class Contact:
    """One outreach made from this feature (S1)."""

    id: str
    channel: Channel
    at: datetime
    state: ContactState = ContactState.MADE
    attempt_id: str | None = None
    """the key under which a gateway knows it"""
    provider_id: str | None = None
    staff_id: str | None = None
    segments: int | None = None
    reason: str | None = None
    """why it was refused or failed"""

    @property
    def counts(self) -> bool:
        """Whether the person was in fact contacted by it."""
        return self.state in _COUNTING


@attrs.frozen(kw_only=True)
class RecoveryMessage:
    """The one automatic text of a request (R3) and how far it has come."""

    phase: MessagePhase = MessagePhase.PENDING
    attempt_id: str | None = None
    """deterministic; set at *begin*"""
    begun: int = 0
    """how many sends have begun; a late *not sent* counts only for the last one"""
    begun_at: datetime | None = None
    settled_at: datetime | None = None
    """when the phase last moved"""
    retry_at: datetime | None = None
    """not before this, after the gateway provably did not send it"""
    provider_id: str | None = None
    segments: int | None = None
    reasons: tuple[Reason, ...] = ()
    """why it was skipped, or why it waits"""
    detail: str | None = None
    """the gateway's own word or code, never the person's data"""


@attrs.frozen(kw_only=True)
class Recovery:
    """The booking that won the request back; whom it is credited to is evaluated (P2)."""

    at: datetime
    appointment_id: str | None = None
    by_staff: bool = False
    reversed_at: datetime | None = None
    """when the appointment was cancelled (S4)"""


@attrs.frozen(kw_only=True)
class EditRecord:
    """The last edit by the staff, kept so that it can be taken back (L7)."""

    operation_id: str
    at: datetime
    before: Mapping[str, str] = attrs.field(
        default=_NOTHING, repr=masked, converter=_frozen_mapping, hash=False
    )
    """what each field that changed held before it; empty text: nothing"""
    after: Mapping[str, str] = attrs.field(
        default=_NOTHING, repr=masked, converter=_frozen_mapping, hash=False
    )
    """what it gave each of them; empty text: nothing"""
    undone_at: datetime | None = None


@attrs.frozen(kw_only=True)
class HistoryEntry:
    """One line of a request's history."""

    at: datetime
    kind: HistoryKind
    detail: str | None = None
    """a step, a channel, a reason: never what a person wrote"""
    text: str | None = attrs.field(default=None, repr=masked)
    """what was written, where that belongs to the history (a reply)"""


# Without slots: a change of two fields then copies one dict, and does not set forty fields.
@attrs.frozen(kw_only=True, slots=False)
class AbandonedRequest:
    """What is kept of one unfinished booking session: one aggregate, one version."""

    business_id: str
    id: str
    session_id: str
    sequence: int = 1
    """1 for the session's first request; the next one after a booking (C7)"""
    version: int = 1
    """compare-and-set token; moved on by the store"""

    started_at: datetime
    abandoned_at: datetime
    """the session's last activity as the server saw it (C2)"""
    step: Step | None
    """the step of that activity; ``None`` if only its booking was ever reported"""
    furthest_step: Step | None = None
    listed_at: datetime
    """from when on it is, or would be, listed (C4)"""

    form: BookingForm = BookingForm()
    client_id: str | None = None
    client_type: ClientType = ClientType.NEW_VISITOR
    phone: Phone | None = None
    """the verdict on ``form.person.phone``; ``None`` if there is none, or none that is valid"""
    resume_url: str | None = attrs.field(default=None, repr=masked)
    """the host's link back into this very booking"""

    status: Status = Status.ABANDONED
    route: Route = Route.LIST
    routed_at: datetime | None = None
    """when it was first listed, or went to the leads: the route stays from then on (D3). Kept once
    new activity has moved ``listed_at`` away; before that, ``listed_at`` says it"""
    announced_at: datetime | None = None
    """when the host was told that it is abandoned, or its lead was handed over; once"""
    lead_id: str | None = None
    """the host's id of the lead that it became (D2)"""
    withheld: tuple[Reason, ...] = ()
    """why it is not listed whatever the time: no contact point, no applicable service, blocked"""
    contacts: tuple[Contact, ...] = ()
    message: RecoveryMessage = RecoveryMessage()
    recovery: Recovery | None = None
    closed_at: datetime | None = None
    """when the person booked, or the staff did"""
    left_at: datetime | None = None
    """the browser's hint that the page was closed; decides nothing (C1)"""
    deleted_at: datetime | None = None
    erased_at: datetime | None = None
    """when everything personal was taken out: the person was forgotten, or retention ended (G3)"""
    assignee: str | None = None
    """the member of staff who looks after it"""
    staff_note: str | None = attrs.field(default=None, repr=masked)
    """what the staff wrote about it, for themselves"""
    last_edit: EditRecord | None = None
    reserved_by: str | None = None
    """the member of staff who is calling now, see ``desk.next_to_call``"""
    reserved_until: datetime | None = None
    outcome: str | None = None
    """how the last call went, see :class:`CallOutcome`"""
    history: tuple[HistoryEntry, ...] = ()
    next_action_at: datetime | None = None
    """when the sweep must look at it again; ``None``: never"""

    @property
    def last_contacted_at(self) -> datetime | None:
        """The last contact that counts; ``None`` if there is none."""
        return max((contact.at for contact in self.contacts if contact.counts), default=None)

    @property
    def client_name(self) -> str:
        """The person's name, or an empty string."""
        return self.form.person.name

    @property
    def email_key(self) -> str | None:
        """The e-mail by which people are told apart."""
        return self.form.person.email_key

    @property
    def is_open(self) -> bool:
        """Abandoned or Contacted: a booking of the person would close it (C6)."""
        return self.status in OPEN_STATUSES

    def noted(
        self, at: datetime, kind: HistoryKind, detail: str | None = None, *, text: str | None = None
    ) -> AbandonedRequest:
        """This request with one more line of history; the oldest go first past 200."""
        plain = None if detail is None else str(detail)
        entry = HistoryEntry(at=at, kind=kind, detail=plain, text=text)
        return evolve(self, history=(*self.history, entry)[-_HISTORY_KEPT:])


_FIELDS_OF_A_REQUEST: Final = frozenset(field.name for field in attrs.fields(AbandonedRequest))

if TYPE_CHECKING:
    from attrs import evolve as evolve  # and so the checker knows the fields
else:

    def evolve(value: Any, **changes: Any) -> Any:
        """What :func:`attrs.evolve` gives; of a request at a fifth of the price.

        A message changes its request ten times. No field of a request has a converter or a
        validator, so nothing is left out.
        """
        if type(value) is not AbandonedRequest or not changes.keys() <= _FIELDS_OF_A_REQUEST:
            return attrs.evolve(value, **changes)
        changed = object.__new__(AbandonedRequest)
        changed.__dict__.update(value.__dict__)
        changed.__dict__.update(changes)
        return changed


LISTED_AFTER: Final = timedelta(hours=1)
"""How long after its last activity a session counts as abandoned, unless told otherwise (C4)."""
