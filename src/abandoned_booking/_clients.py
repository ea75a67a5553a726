"""The desk's work with the host's client list and leads: a profile, a client, a converted lead.

Rules held here: L6 (the name leads to the profile, or to the form that creates one), D1 (add client
is for new visitors in the list), D2 (leads are converted in the host's leads, and reported back).
"""

from __future__ import annotations

from datetime import datetime

import attrs

from abandoned_booking._door import Parts
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.intake import owned_by
from abandoned_booking.core.model import AbandonedRequest, Route
from abandoned_booking.errors import MissingPart, TransitionRefused
from abandoned_booking.ports import ClientDirectory, ClientDraft

__all__ = ["Profile", "add_client", "directory_of", "lead_converted", "profile_of"]


@attrs.frozen(kw_only=True)
class Profile:
    """Whom a request is of: the host's client, or a draft of one (L6)."""

    client_id: str | None
    draft: ClientDraft
    """what the visitor has pre-filled"""


def profile_of(parts: Parts, request: AbandonedRequest) -> Profile:
    """The client's id, or what a new profile would begin with."""
    return Profile(client_id=request.client_id, draft=parts.draft_of(request))


def directory_of(parts: Parts) -> ClientDirectory:
    """The host's client list. Raises :class:`MissingPart` without one."""
    if parts.clients is None:
        raise MissingPart(
            "adding a client needs the host's client list; give AbandonedBookings(clients=...)",
            part="clients",
        )
    return parts.clients


def add_client(
    parts: Parts,
    request: AbandonedRequest,
    settings: BusinessSettings,
    draft: ClientDraft | None,
    *,
    at: datetime,
) -> AbandonedRequest:
    """The request of a new visitor who is a client from now on; of a client already: as it is."""
    directory_of(parts)
    if request.client_id is not None:
        return request
    if request.route is Route.LEADS:
        raise TransitionRefused(
            f"request {request.id} went to the leads; convert the lead there and report it with "
            "desk.lead_converted(...)",
            request_id=request.id,
            status=request.status.value,
            event="add_client",
        )
    parts.add_client(request, draft or parts.draft_of(request), settings, at=at)
    return parts.load(request.business_id, request.id)


def lead_converted(
    parts: Parts,
    request: AbandonedRequest,
    client_id: str,
    settings: BusinessSettings,
    *,
    at: datetime,
) -> AbandonedRequest:
    """The request of a lead that the host has made a client; a repeat changes nothing."""
    return parts.update(request, lambda r: owned_by(r, client_id, at=at), settings, at=at)
