"""The second door: what the staff of one business see and do.

Rules held here: C10 and R8 (``explain``), L2-L7 (list, dot, get, many at once), L8 (delete and
restore), B1 (mass texts and their price), S1-S3
and S5 (text, call and its undo), B2 and M4 (e-mail and its preview), C6 (a booking by the staff
closes the person's other requests), R1 (whether the campaign is on), G1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO

import attrs

from abandoned_booking import _booking, _bulk, _callqueue, _clients, _mass, _outreach, _reports
from abandoned_booking._bulk import BulkOutcome, BulkReport
from abandoned_booking._clients import Profile
from abandoned_booking._door import Parts
from abandoned_booking._mass import MassEmail, MassText, OnProgress, Quote, QuoteLine
from abandoned_booking._outreach import ContactOutcome, contact_id_of
from abandoned_booking.core import outreach
from abandoned_booking.core.campaign import BusinessSettings, RecoveryCampaign
from abandoned_booking.core.editing import (
    Edit,
    check_edit,
    check_operation_id,
    edited,
    undone,
)
from abandoned_booking.core.eligibility import assess, recovery_text
from abandoned_booking.core.email import ComposedEmail
from abandoned_booking.core.explaining import Explanation, explain
from abandoned_booking.core.forecast import Forecast, forecast
from abandoned_booking.core.holdout import Lift, lift
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.lifecycle import (
    AppointmentCancelled,
    ContactMade,
    ContactUndone,
    StatusCorrected,
    advance,
)
from abandoned_booking.core.listing import (
    Action,
    ListQuery,
    Page,
    actions_of,
    counted,
    dot_query,
)
from abandoned_booking.core.model import (
    AbandonedRequest,
    CallOutcome,
    Channel,
    Contact,
    HistoryKind,
    Person,
    Recovery,
    Status,
)
from abandoned_booking.core.performance import Performance
from abandoned_booking.core.periods import Every, Period
from abandoned_booking.core.planning import replanned
from abandoned_booking.core.text import ComposedText
from abandoned_booking.core.trends import HoursOfWeek, Trend, abandoned_by_hour_and_weekday, trend
from abandoned_booking.errors import InvalidInput, TransitionRefused
from abandoned_booking.ports import (
    ClientDraft,
    Slot,
)

__all__ = [
    "BulkOutcome",
    "BulkReport",
    "ContactOutcome",
    "Desk",
    "Edit",
    "Quote",
    "QuoteLine",
]


@attrs.frozen
class Desk:
    """What the staff of one business see and do; from ``bookings.desk(business_id)``.

    Every call raises :class:`FeatureUnavailable` without the feature (G1), and
    :class:`RequestNotFound` for an id that this business does not have.
    """

    _parts: Parts
    business_id: str
    _send_timeout: timedelta

    # ── seeing ──────────────────────────────────────────────────────────────────────────────────

    def list(self, query: ListQuery | None = None) -> Page:
        """One page of the list: Abandoned, newest first, unless the query asks otherwise (L2-L4).

        Raises :class:`InvalidCursor` for a cursor that is not one of this query.
        """
        settings = self._open()
        asked = self._resolved(query or ListQuery(), settings)
        return self._parts.store.page(self.business_id, asked, now=self._parts.now())

    def count(self, query: ListQuery | None = None) -> int:
        """How many requests the query finds, on all pages together."""
        settings = self._open()
        asked = self._resolved(query or ListQuery(), settings)
        # Once more here: a store may have counted to the end.
        return counted(
            self._parts.store.count(self.business_id, asked, now=self._parts.now()), asked
        )

    def dot(self, *, cap: int | None = None) -> int:
        """The red dot's number: what is listed in Abandoned (L5).

        With ``cap`` never more than that, and as fast for a million requests as for a hundred. For
        a dot that says "99+" ask with ``cap=100``.
        """
        return self.count(dot_query(cap=cap))

    def get(self, request_id: str) -> AbandonedRequest:
        """One request with its form and history, deleted ones included (L6)."""
        self._open()
        return self._parts.load(self.business_id, request_id)

    def actions(self, request: AbandonedRequest) -> tuple[Action, ...]:
        """The actions to offer for a row (L1)."""
        return actions_of(request, leads_management=self._open().leads_management)

    def explain(self, request_id: str) -> Explanation:
        """Why it is listed or not, and why the person was or was not messaged, or when (R8)."""
        settings = self._open()
        request, now = self._parts.load(self.business_id, request_id), self._parts.now()
        facts = self._parts.facts_of(request, settings)
        text = recovery_text(request, settings, facts)
        facts = attrs.evolve(facts, segments=text.size.segments)
        assessment = assess(request, settings, facts, now)
        return explain(request, assessment, settings, has_feature=True, now=now)

    def preview(self, request_id: str, template: str | None = None) -> ComposedText:
        """The recovery message as this person would get it, with segments and credits (M4).

        ``template`` stands in for the campaign's. Raises :class:`InvalidTemplate`.
        """
        settings = self._open()
        if template is not None:
            campaign = attrs.evolve(settings.campaign, template=template)
            settings = attrs.evolve(settings, campaign=campaign)
        request = self._parts.load(self.business_id, request_id)
        return recovery_text(request, settings, self._parts.facts_of(request, settings))

    # ── the campaign ────────────────────────────────────────────────────────────────────────────

    def campaign_on(self) -> bool:
        """Whether the recovery message is switched on: the indicator on the staff's page (R1)."""
        return self._open().campaign.enabled

    def forecast(self, campaign: RecoveryCampaign | None = None, *, until: datetime) -> Forecast:
        """Whom the campaign would message until then, when, at what price; whom not, and why (R8).

        ``campaign`` stands in for the stored one, as if it were saved now; nothing is stored.
        It is assumed that nothing else happens meanwhile and that a sweep runs at every due
        instant. Reads every request of the business once; the answer has a line for each.

        Raises :class:`InvalidInput` for an ``until`` that is naive, past, or more than 366 days
        away; :class:`InvalidSettings` or :class:`InvalidTemplate` for a campaign that this business
        could not save.
        """
        settings, now, parts = self._open(), self._parts.now(), self._parts
        requests = parts.store.stream(self.business_id)
        if campaign is not None:
            as_saved = attrs.evolve(settings, campaign=campaign)
            settings = as_saved
            requests = (replanned(request, as_saved, now=now) for request in requests)
        # Credits are asked for once: what is left then is counted here.
        uncounted = attrs.evolve(parts, credits=None)
        return forecast(
            requests,
            settings,
            facts_of=lambda request: uncounted.facts_of(request, settings),
            credits=None if parts.credits is None else parts.credits.balance(self.business_id),
            now=now,
            until=until,
        )

    # ── contacting ──────────────────────────────────────────────────────────────────────────────

    def text(
        self,
        request_id: str,
        body: str,
        *,
        staff_id: str | None = None,
        operation_id: str | None = None,
    ) -> ContactOutcome:
        """Text the person. Contacted if the gateway takes it, else the status stays (S2).

        ``body`` may have merge fields. A repeat with the same ``operation_id`` sends nothing and
        answers as the first call did: give one per click of the staff.

        Raises :class:`MissingPart` without an SMS gateway, :class:`InvalidTemplate` for an empty
        text, an unknown field or more than 10 segments, :class:`TransitionRefused` for a request
        that is deleted or that the client has completed. What the rules refuse (no phone, opted
        out, no credits) is an outcome with reasons.
        """
        settings, request = self._open(), self._at_hand(request_id)
        return _outreach.send_text(
            self._parts,
            request,
            settings,
            body,
            staff_id=staff_id,
            operation_id=operation_id,
            timeout=self._send_timeout,
        )

    def email(
        self,
        request_id: str,
        *,
        subject: str | None = None,
        body: str | None = None,
        staff_id: str | None = None,
        operation_id: str | None = None,
    ) -> ContactOutcome:
        """E-mail the person, with the same care as a text (S2, B2). It costs no credits.

        ``subject`` and ``body``, plain text that may have merge fields, stand in for those of the
        business's :class:`EmailDesign`. Every e-mail has the postal address, an unsubscribe link
        and the one-click header.

        Raises :class:`MissingPart` without an e-mail gateway, :class:`InvalidSettings` without
        sender, postal address or unsubscribe address, :class:`InvalidTemplate` for an empty text
        or an unknown field, :class:`TransitionRefused` as :meth:`text` does. What the rules refuse
        (no address, unsubscribed) is an outcome with reasons.
        """
        settings, request = self._open(), self._at_hand(request_id)
        return _outreach.send_email(
            self._parts,
            request,
            settings,
            subject=subject,
            body=body,
            staff_id=staff_id,
            operation_id=operation_id,
            timeout=self._send_timeout,
        )

    def preview_email(
        self, request_id: str, *, subject: str | None = None, body: str | None = None
    ) -> ComposedEmail:
        """The e-mail as this person would get it: subject, text part and HTML (M4).

        Its unsubscribe link does nothing. Needs neither gateway nor sender. Raises
        :class:`InvalidTemplate` as :meth:`email` does.
        """
        settings = self._open()
        request = self._parts.load(self.business_id, request_id)
        return _outreach.preview_email(self._parts, request, settings, subject=subject, body=body)

    def call(self, request_id: str, *, staff_id: str | None = None) -> AbandonedRequest:
        """The staff click on *call*: that counts at once (S3). Returns the request, Contacted."""
        return self._contacted(request_id, Channel.CALL, self._parts.now(), staff_id)

    def undo_call(self, request_id: str, contact_id: str | None = None) -> AbandonedRequest:
        """Take a click on *call* back: the last one, unless another is named (S3).

        Raises :class:`TransitionRefused` if there is none to take back.
        """
        settings, now = self._open(), self._parts.now()

        def undone(found: AbandonedRequest) -> AbandonedRequest:
            calls = [
                contact.id
                for contact in found.contacts
                if contact.channel is Channel.CALL and contact.counts
            ]
            taken_back = contact_id or (calls[-1] if calls else "")
            return advance(found, ContactUndone(contact_id=taken_back, at=now))

        return self._parts.update(self._at_hand(request_id), undone, settings, at=now)

    def report_contact(
        self,
        request_id: str,
        channel: Channel,
        *,
        at: datetime | None = None,
        staff_id: str | None = None,
    ) -> AbandonedRequest:
        """The host reports a contact that was made outside this library (S1)."""
        made_at = self._parts.now() if at is None else as_utc(at, field="at")
        return self._contacted(request_id, Channel(channel), made_at, staff_id)

    # ── clients and leads ───────────────────────────────────────────────────────────────────────

    def profile(self, request_id: str) -> Profile:
        """The client's id, or a draft of the profile from what was pre-filled (L6)."""
        self._open()
        return _clients.profile_of(self._parts, self._parts.load(self.business_id, request_id))

    def add_client(self, request_id: str, draft: ClientDraft | None = None) -> AbandonedRequest:
        """Make a new visitor a client, once, whoever clicks twice; all their requests follow.

        ``draft`` is the reviewed profile; without one it is what was pre-filled. Raises
        :class:`MissingPart` without a client list, :class:`TransitionRefused` for a lead.
        """
        settings, request = self._open(), self._at_hand(request_id)
        return _clients.add_client(self._parts, request, settings, draft, at=self._parts.now())

    def lead_converted(self, request_id: str, client_id: str) -> AbandonedRequest:
        """The host has made the request's lead a client. A repeat changes nothing."""
        settings = self._open()
        request = self._parts.load(self.business_id, request_id)
        return _clients.lead_converted(
            self._parts, request, client_id, settings, at=self._parts.now()
        )

    # ── whom to call ────────────────────────────────────────────────────────────────────────────

    def next_to_call(
        self,
        staff_id: str,
        *,
        reserve_for: timedelta = timedelta(minutes=10),
        worth: Callable[[AbandonedRequest], float] | None = None,
    ) -> AbandonedRequest | None:
        """The request most worth calling now, kept for that member of staff for some minutes.

        ``worth`` says what a request is worth, in any unit; without it all are worth the same.
        Asked again, the same member gets the same request until :meth:`note_outcome`,
        :meth:`give_back` or the end of the reservation. ``None``: there is nobody to call.
        """
        settings = self._open()
        return _callqueue.next_to_call(
            self._parts,
            self.business_id,
            settings,
            staff_id=staff_id,
            reserve_for=reserve_for,
            worth=worth,
            now=self._parts.now(),
        )

    def note_outcome(
        self, request_id: str, outcome: CallOutcome | str, *, staff_id: str
    ) -> AbandonedRequest:
        """Note how a call went; reports can be grouped by it. Others may call then."""
        settings, request = self._open(), self._parts.load(self.business_id, request_id)
        return _callqueue.note_outcome(
            self._parts,
            request,
            CallOutcome(outcome),
            settings,
            staff_id=staff_id,
            at=self._parts.now(),
        )

    def give_back(self, request_id: str, *, staff_id: str) -> AbandonedRequest:
        """Let others call the person of a request that one had reserved."""
        settings, request = self._open(), self._parts.load(self.business_id, request_id)
        return _callqueue.give_back(
            self._parts, request, settings, staff_id=staff_id, at=self._parts.now()
        )

    # ── booking ─────────────────────────────────────────────────────────────────────────────────

    def scheduled(
        self, request_id: str, appointment_id: str, *, at: datetime | None = None
    ) -> AbandonedRequest:
        """The staff booked for the person: Recovered. Closes the person's other requests (C6).

        The same appointment again changes nothing; another one is refused with
        :class:`TransitionRefused`, as is a request that the client has completed.
        """
        settings = self._open()
        booked_at = self._parts.now() if at is None else as_utc(at, field="at")
        request = self._at_hand(request_id)
        return _booking.scheduled(self._parts, request, settings, appointment_id, at=booked_at)

    def schedule(
        self,
        request_id: str,
        at: datetime,
        *,
        staff: str | None = None,
        services: Iterable[str] | None = None,
    ) -> AbandonedRequest:
        """Book for the person in the host's calendar, once, whoever clicks twice: Recovered.

        ``at`` is the start of the appointment. Raises :class:`MissingPart` without a calendar,
        :class:`TransitionRefused` for what the client has booked meanwhile (the appointment is
        taken back then), and what the calendar raises if the time is taken.
        """
        settings = self._open()
        return _booking.schedule(
            self._parts,
            self._at_hand(request_id),
            settings,
            as_utc(at, field="at"),
            staff=staff,
            services=None if services is None else tuple(services),
            now=self._parts.now(),
        )

    def open_slots(
        self, request_id: str, *, after: datetime | None = None, limit: int = 10
    ) -> Sequence[Slot]:
        """Free times that fit the request, the earliest first, from now on unless told.

        Raises :class:`MissingPart` if the host's calendar does not know them.
        """
        self._open()
        from_at = self._parts.now() if after is None else as_utc(after, field="after")
        request = self._at_hand(request_id)
        return _booking.open_slots(self._parts, request, after=from_at, limit=limit)

    def view_booking(self, request_id: str) -> Recovery:
        """The booking that won the request back. Raises :class:`TransitionRefused` without one."""
        self._open()
        return _booking.booking_of(self._parts.load(self.business_id, request_id))

    def appointment_cancelled(
        self, request_id: str, appointment_id: str | None = None, *, at: datetime | None = None
    ) -> AbandonedRequest:
        """The appointment that won the request back was cancelled: it stays Recovered, marked as
        reversed (S4). A repeat changes nothing.

        Raises :class:`TransitionRefused` for a request that was not recovered with it.
        """
        settings = self._open()
        cancelled_at = self._parts.now() if at is None else as_utc(at, field="at")
        event = AppointmentCancelled(at=cancelled_at, appointment_id=appointment_id)
        request = self._parts.load(self.business_id, request_id)
        return self._parts.update(
            request, lambda found: advance(found, event), settings, at=cancelled_at
        )

    # ── correcting, blocking ────────────────────────────────────────────────────────────────────

    def correct(self, request_id: str, status: Status) -> AbandonedRequest:
        """Correct the status by hand: Abandoned to Contacted, or back.

        Raises :class:`TransitionRefused` for anything else; what is recovered stays so.
        """
        settings, now = self._open(), self._parts.now()
        event = StatusCorrected(to=Status(status), at=now)
        return self._parts.update(
            self._at_hand(request_id), lambda found: advance(found, event), settings, at=now
        )

    def block_phone(self, request_id: str) -> AbandonedRequest:
        """Never text this request's phone again at this business (R6).

        No resubscribe word lifts it, only :meth:`unblock_phone`. Once this has returned, no send
        to it begins: every open request of the phone has moved on by a version.
        """
        return self._block(request_id, blocked=True)

    def unblock_phone(self, request_id: str) -> AbandonedRequest:
        """Take the block back; an opt-out of the person stays."""
        return self._block(request_id, blocked=False)

    # ── deleting ────────────────────────────────────────────────────────────────────────────────

    def delete(self, request_id: str) -> AbandonedRequest:
        """Take a request off the list and cancel what is unsent (L8). A repeat changes nothing.

        Raises :class:`TransitionRefused` for one that was erased.
        """
        settings, now = self._open(), self._parts.now()
        request = self._not_erased(request_id)
        return self._parts.update(
            request, lambda found: outreach.deleted(found, at=now), settings, at=now
        )

    def restore(self, request_id: str) -> AbandonedRequest:
        """Put a deleted request back; what was cancelled stays cancelled (L8).

        Raises :class:`TransitionRefused` once it was erased: at the end of retention, or because
        the person was forgotten (G3).
        """
        settings, now = self._open(), self._parts.now()
        request = self._not_erased(request_id)
        return self._parts.update(
            request, lambda found: outreach.restored(found, at=now), settings, at=now
        )

    # ── many at once (L7, B1, B2) ───────────────────────────────────────────────────────────────

    # In all of these an id that is not the business's, or a request that refuses, is an outcome
    # and stops nothing; ids given twice count once. InvalidInput for no id or more than 10,000.

    def edit(self, ids: Iterable[str], edit: Edit, *, operation_id: str) -> BulkReport:
        """Edit status, step, care type, note or assignee of many (L7).

        A repeat with the same ``operation_id`` (1 to 200 characters) changes nothing, also after
        :meth:`undo_edit`. Raises :class:`InvalidInput` for a step that the business does not have.
        """
        settings, now = self._open(), self._parts.now()
        check_edit(edit, settings)
        check_operation_id(operation_id)

        def changed(found: AbandonedRequest) -> AbandonedRequest:
            return edited(found, edit, operation_id=operation_id, at=now)

        return _bulk.each(
            ids, lambda id_: self._parts.update(self._at_hand(id_), changed, settings, at=now)
        )

    def undo_edit(self, ids: Iterable[str], *, operation_id: str) -> BulkReport:
        """Take an edit back where it was the last one; a repeat changes nothing.

        What somebody has changed since then stays as it is.
        """
        settings, now = self._open(), self._parts.now()
        check_operation_id(operation_id)

        def changed(found: AbandonedRequest) -> AbandonedRequest:
            return undone(found, operation_id, at=now)

        return _bulk.each(
            ids, lambda id_: self._parts.update(self._at_hand(id_), changed, settings, at=now)
        )

    def delete_many(self, ids: Iterable[str]) -> BulkReport:
        """Take many requests off the list, as :meth:`delete` does (L8)."""
        self._open()
        return _bulk.each(ids, self.delete)

    def restore_many(self, ids: Iterable[str]) -> BulkReport:
        """Put many deleted requests back, as :meth:`restore` does (L8)."""
        self._open()
        return _bulk.each(ids, self.restore)

    def add_clients(self, ids: Iterable[str]) -> BulkReport:
        """Make the new visitors of many requests clients, as :meth:`add_client` does.

        Raises :class:`MissingPart` without a client list.
        """
        self._open()
        _clients.directory_of(self._parts)
        return _bulk.each(ids, self.add_client)

    def quote(self, ids: Iterable[str], body: str, *, operation_id: str | None = None) -> Quote:
        """Whom :meth:`text_many` would text, how many segments and credits; nobody else, and why.

        With the ``operation_id`` of an earlier call: what a repeat of it would still send. Raises
        what :meth:`text_many` raises.
        """
        mass = MassText(body=body)
        return _mass.quote(self._parts, self._open(), ids, mass, operation_id=operation_id)

    def quote_email(
        self,
        ids: Iterable[str],
        *,
        subject: str | None = None,
        body: str | None = None,
        operation_id: str | None = None,
    ) -> Quote:
        """Whom :meth:`email_many` would e-mail, and whom not, and why. Raises what it raises."""
        mass = MassEmail(subject=subject, body=body)
        return _mass.quote(self._parts, self._open(), ids, mass, operation_id=operation_id)

    def text_many(
        self,
        ids: Iterable[str],
        body: str,
        *,
        operation_id: str,
        staff_id: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> BulkReport:
        """Text many people, one after the other: marketing, so with the opt-out notice (B1, M2).

        Of several requests of one phone the first that may be texted is. A repeat with the same
        ``operation_id`` sends only what was not begun, so a call that was interrupted is simply
        made again; what may have gone out (``in_doubt``) is never repeated. Give a new one for a
        new text. ``on_progress(done, total)`` is called after each; what it raises ends the call.

        Raises, before anything is sent: :class:`MissingPart` without an SMS gateway,
        :class:`InvalidTemplate` for a text that is empty, has an unknown field or, with usual
        values, more than 10 segments, :class:`InvalidInput` for an ``operation_id`` that is not 1
        to 200 characters. What the rules refuse one person is an outcome with reasons.
        """
        return _mass.send(
            self._parts,
            self._open(),
            ids,
            MassText(body=body),
            operation_id=operation_id,
            staff_id=staff_id,
            on_progress=on_progress,
            timeout=self._send_timeout,
        )

    def email_many(
        self,
        ids: Iterable[str],
        *,
        subject: str | None = None,
        body: str | None = None,
        operation_id: str,
        staff_id: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> BulkReport:
        """E-mail many people, as :meth:`text_many` texts them; one e-mail per address (B2).

        Without ``subject`` and ``body`` it is the business's :class:`EmailDesign`. Raises, before
        anything is sent, what :meth:`email` raises.
        """
        return _mass.send(
            self._parts,
            self._open(),
            ids,
            MassEmail(subject=subject, body=body),
            operation_id=operation_id,
            staff_id=staff_id,
            on_progress=on_progress,
            timeout=self._send_timeout,
        )

    # ── figures and the workbook ────────────────────────────────────────────────────────────────

    def performance(self, period: Period, by: _reports.By = ()) -> Performance:
        """What the recovery achieved in a period (P1, P2), broken down by one or more of
        ``step``, ``care_type``, ``client_type``, ``channel`` and ``outcome``.

        Raises :class:`InvalidInput` for an unknown breakdown.
        """
        return _reports.performance(self._parts, self._open(), period, by)

    def trend(self, period: Period, every: Every | str = Every.WEEK) -> Trend:
        """The same figures for each day, week or month of the period (P3)."""
        settings = self._open()
        stream = self._parts.store.stream(self.business_id)
        return trend(stream, period, every=every, settings=settings, now=self._parts.now())

    def lift(self, period: Period) -> Lift:
        """Bookings of messaged people against those of the held-out share, with its interval."""
        settings = self._open()
        stream = self._parts.store.stream(self.business_id)
        return lift(stream, period, settings=settings, now=self._parts.now())

    def hours_of_week(self, period: Period) -> HoursOfWeek:
        """In which hours of the week people left, by the business's clock."""
        settings = self._open()
        stream = self._parts.store.stream(self.business_id)
        return abandoned_by_hour_and_weekday(
            stream, period, settings=settings, now=self._parts.now()
        )

    def export(
        self,
        to: str | os.PathLike[str] | BinaryIO,
        *,
        query: ListQuery | None = None,
        on_progress: Callable[[int, int | None], None] | None = None,
    ) -> int:
        """Write *every* listed request to an .xlsx file, newest first (X1-X4); returns how many.

        ``to`` is a path, which is replaced as a whole or left as it was, or a file open for
        writing bytes. Only with a ``query`` the export is of what that finds. ``on_progress`` is
        called with the rows done and the rows in all. Raises :class:`InvalidInput` if it cannot be
        written there.
        """
        settings = self._open()
        asked = None if query is None else self._resolved(query, settings)
        return _reports.export(self._parts, settings, to, asked, on_progress)

    # ── within ──────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> BusinessSettings:
        self._parts.require_feature(self.business_id)
        return self._parts.settings_of(self.business_id)

    def _resolved(self, query: ListQuery, settings: BusinessSettings) -> ListQuery:
        query = query.resolved(settings.zone)
        known = query.step_order == settings.steps
        return query if known else attrs.evolve(query, step_order=settings.steps)

    def _at_hand(self, request_id: str) -> AbandonedRequest:
        """A request to act on: neither erased, nor deleted, nor completed."""
        request = self._not_erased(request_id)
        why = None
        if request.deleted_at is not None:
            why = "is deleted; restore it first"
        elif request.status is Status.COMPLETED:
            why = "was completed by the client; there is nothing left to win back"
        if why is not None:
            raise _refusal(request, why)
        return request

    def _not_erased(self, request_id: str) -> AbandonedRequest:
        request = self._parts.load(self.business_id, request_id)
        if request.erased_at is not None:
            raise _refusal(request, "was erased; there is nobody left in it to act for")
        return request

    def _block(self, request_id: str, *, blocked: bool) -> AbandonedRequest:
        settings, now, parts = self._open(), self._parts.now(), self._parts
        request = parts.load(self.business_id, request_id)
        if request.phone is None:
            raise InvalidInput("has no valid number", field="phone")
        key = parts.suppression_of(self.business_id, request.phone.e164).blocked
        if blocked:
            parts.suppressions.add(self.business_id, key)
        else:
            parts.suppressions.remove(self.business_id, key)
        kind = HistoryKind.PHONE_BLOCKED if blocked else HistoryKind.PHONE_UNBLOCKED
        person = Person(phone=request.phone.e164)
        concerned = {
            found.id: found for found in parts.store.open_of_person(self.business_id, person)
        }
        for found in (concerned | {request.id: request}).values():
            parts.update(found, lambda r: r.noted(now, kind), settings, at=now)
        return parts.load(self.business_id, request_id)

    def _contacted(
        self, request_id: str, channel: Channel, at: datetime, staff_id: str | None
    ) -> AbandonedRequest:
        settings = self._open()
        contact_id = contact_id_of(None, channel)
        contact = Contact(id=contact_id, channel=channel, at=at, staff_id=staff_id)
        return self._parts.update(
            self._at_hand(request_id),
            lambda found: advance(found, ContactMade(contact=contact)),
            settings,
            at=at,
        )


def _refusal(request: AbandonedRequest, why: str) -> TransitionRefused:
    return TransitionRefused(
        f"request {request.id} {why}",
        request_id=request.id,
        status=request.status.value,
        event="action",
    )
