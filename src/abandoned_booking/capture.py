"""The first door: what the booking flow reports.

Rules held here: C1 (progress, booked, left), C5-C7 (what a booking closes), C8 and C9 (who is
asked), G1 (nothing is captured without the feature). The decisions are in
:mod:`abandoned_booking.core.intake`.
"""

from __future__ import annotations

from typing import Final

import attrs

from abandoned_booking import _failpoints
from abandoned_booking._door import Parts
from abandoned_booking.core import intake
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.flow import Booked, Left, Progress
from abandoned_booking.core.model import AbandonedRequest, CareType, Person
from abandoned_booking.core.planning import rescheduled
from abandoned_booking.core.sending import revived
from abandoned_booking.errors import ConcurrentUpdate

__all__ = ["Capture"]

_TRIES: Final = 200


@attrs.frozen
class Capture:
    """What the booking flow calls. Every call may come twice, late and out of order (C3)."""

    _parts: Parts

    def progress(self, progress: Progress) -> AbandonedRequest | None:
        """The visitor reached or repeated a step.

        Returns the request as it is now; ``None`` if the business's plan lacks the feature (G1).

        Raises :class:`UnknownBusiness`; :class:`InvalidInput` for a naive instant, a step that the
        business does not have, or a value over its bound. Nothing is stored then.
        """
        parts = self._parts
        settings = parts.settings_of(progress.business_id)
        progress = intake.check_progress(progress, settings)
        if not parts.has_feature(progress.business_id):
            return None
        for _ in range(_TRIES):
            latest = parts.store.latest_of_session(progress.business_id, progress.session_id)
            stored = (
                self._opened(latest, progress, settings)
                if latest is None or intake.begins_anew(latest, progress)
                else self._folded(latest, progress, settings)
            )
            if stored is not None:
                return stored
        raise ConcurrentUpdate(progress.session_id)

    def booked(self, booked: Booked) -> None:
        """A booking was made: close every open request of that session and that person (C5, C6).

        Raises :class:`UnknownBusiness`; :class:`InvalidInput` for a naive instant, or if neither a
        session nor a person is named.
        """
        parts = self._parts
        settings = parts.settings_of(booked.business_id)
        booked = intake.check_booked(booked)
        if not parts.has_feature(booked.business_id):
            return
        now = parts.now()
        if booked.session_id:
            request = self._session_booked(booked, settings)
            _failpoints.reached("capture.closing", request.id)
            parts.close_others_of(request, booked, settings, at=now)
        person = parts.e164_person(booked.person or Person(), settings)
        parts.close_all_of(person, booked, settings, at=now)

    def left(self, hint: Left) -> None:
        """The browser says that the page was closed. A hint on the history; decides nothing (C1).

        Raises :class:`UnknownBusiness`; :class:`InvalidInput` for a naive instant.
        """
        parts = self._parts
        settings = parts.settings_of(hint.business_id)
        hint = intake.check_left(hint)
        if not parts.has_feature(hint.business_id):
            return
        request = parts.store.latest_of_session(hint.business_id, hint.session_id)
        if request is not None and request.is_open:
            parts.update(request, lambda found: intake.left(found, hint), settings, at=parts.now())

    # ── progress ────────────────────────────────────────────────────────────────────────────────

    def _opened(
        self, latest: AbandonedRequest | None, progress: Progress, settings: BusinessSettings
    ) -> AbandonedRequest | None:
        sequence = 1 if latest is None else latest.sequence + 1
        new = intake.first_request(progress, settings, sequence=sequence)
        new = self._decided(new, settings, before=None)
        new = rescheduled(new, settings, at=progress.at)
        _failpoints.reached("capture.storing", new.id)
        return new if self._parts.store.add(new) else None

    def _folded(
        self, latest: AbandonedRequest, progress: Progress, settings: BusinessSettings
    ) -> AbandonedRequest | None:
        changed = intake.merged(latest, progress, settings)
        if changed is latest:
            return latest
        changed = self._decided(changed, settings, before=latest)
        if changed.abandoned_at != latest.abandoned_at:
            changed = revived(changed)
        changed = rescheduled(changed, settings, at=progress.at)
        _failpoints.reached("capture.storing", latest.id)
        return self._parts.save(changed, latest)

    def _decided(
        self,
        request: AbandonedRequest,
        settings: BusinessSettings,
        *,
        before: AbandonedRequest | None,
    ) -> AbandonedRequest:
        """Ask the host's registers, then let the core decide client, list and route."""
        facts = self._facts_of(request, settings)
        return intake.decided(request, facts, settings, before=before, now=self._parts.now())

    def _facts_of(
        self, request: AbandonedRequest, settings: BusinessSettings
    ) -> intake.CaptureFacts:
        parts, business_id = self._parts, request.business_id
        phone = parts.phone_of(request.form.person.phone, settings)
        matching: tuple[str, ...] = ()
        blocked, applies = False, True
        if parts.clients is not None:
            e164 = phone.e164 if phone else None
            if e164 or request.email_key:
                found = parts.clients.find(business_id, phone=e164, email=request.email_key)
                matching = tuple(found)
            client_id = intake.client_id_of(request, matching)
            if client_id is not None:
                care_type: CareType | None = request.form.care_type
                blocked = parts.clients.is_blocked(business_id, client_id, care_type=care_type)
        if parts.catalogue is not None:
            applies = parts.catalogue.applies(business_id, request.form)
        return intake.CaptureFacts(
            phone=phone,
            matching_clients=matching,
            is_blocked=blocked,
            service_applies=applies,
            is_reachable=parts.is_reachable(request, phone),
        )

    # ── booked ──────────────────────────────────────────────────────────────────────────────────

    def _session_booked(self, booked: Booked, settings: BusinessSettings) -> AbandonedRequest:
        """The session's request, closed; made on the spot if nothing was heard of it before."""
        parts = self._parts
        for _ in range(_TRIES):
            latest = parts.store.latest_of_session(booked.business_id, booked.session_id or "")
            if latest is None:
                typed = booked.person.phone if booked.person else None
                phone = parts.phone_of(typed, settings)
                heard_of = intake.booked_only(booked, phone=phone)
                if parts.store.add(heard_of):
                    return heard_of
                continue
            closed = parts.update(
                latest, lambda found: intake.closed_by(found, booked), settings, at=booked.at
            )
            if intake.goes_on_after(closed, booked):
                following = intake.continued(closed, settings)
                parts.store.add(rescheduled(following, settings, at=booked.at))
            return closed
        raise ConcurrentUpdate(booked.session_id or "")
