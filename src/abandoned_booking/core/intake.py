"""What the booking flow reports, folded into a request; and whether that request is listed.

Three questions, three functions: what do we know now (:func:`merged`), what follows from it for
list and leads (:func:`decided`), and what does a booking close (:func:`closed_by`). The doors ask
the host's registers between the first and the second, and hand the answers in as
:class:`CaptureFacts`.

Rules held here: C2 (the last activity counts), C3 (twice, late, out of order), C4 (listed an hour
after), C6 (who is the same person), C7 (progress after a booking), C8 (existing clients), C9 (new
visitors), C10 (a reason for whoever is withheld), D1-D3 (the route to the leads), G3 (what was
erased is not filled in again).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.flow import Booked, Left, Progress
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.lifecycle import advance
from abandoned_booking.core.model import (
    AbandonedRequest,
    Address,
    BookingForm,
    ClientType,
    HistoryKind,
    Person,
    Phone,
    Reason,
    Route,
    Status,
    evolve,
)
from abandoned_booking.errors import InvalidInput

__all__ = [
    "CaptureFacts",
    "begins_anew",
    "booked_only",
    "check_booked",
    "check_left",
    "check_progress",
    "client_id_of",
    "closed_by",
    "continued",
    "decided",
    "first_request",
    "goes_on_after",
    "has_route",
    "is_reachable",
    "left",
    "merged",
    "owned_by",
    "person_of",
    "request_id_of",
    "rerouted",
]


_T = TypeVar("_T", Person, Address)


# ── bounds: every input has one, and its error names the field ──────────────────────────────────

_LONGEST: Final = {"id": 200, "text": 500, "note": 10_000, "url": 500}
_MOST: Final = {"pets": 50, "services": 100, "answers": 200}


def _check_text(value: object, *, field: str, longest: int, needed: bool = False) -> None:
    if value is None and not needed:
        return
    if not isinstance(value, str):
        raise InvalidInput("must be text", field=field)
    if needed and not value.strip():
        raise InvalidInput("must not be empty", field=field)
    if len(value) > longest:
        raise InvalidInput(
            f"is longer than {longest} characters; cut it before it is reported", field=field
        )


def _check_ids(**ids: object) -> None:
    for field, value in ids.items():
        _check_text(value, field=field, longest=_LONGEST["id"], needed=True)


def _check_person(person: Person, field: str) -> None:
    for name in ("client_id", "first_name", "last_name", "phone", "email"):
        _check_text(getattr(person, name), field=f"{field}.{name}", longest=_LONGEST["text"])


def _check_form(form: BookingForm) -> None:
    _check_person(form.person, "form.person")
    for name in ("pets", "services", "answers"):
        if len(getattr(form, name)) > _MOST[name]:
            raise InvalidInput(f"has more than {_MOST[name]} entries", field=f"form.{name}")
    texts: list[tuple[str, object]] = [
        (f"form.address.{field.name}", getattr(form.address, field.name))
        for field in attrs.fields(Address)
    ]
    for pet in form.pets:
        texts += [("form.pets", pet.name), ("form.pets", pet.species), ("form.pets", pet.breed)]
    texts += [("form.services", service) for service in form.services]
    texts += [("form.care_type", form.care_type), ("form.staff", form.staff)]
    texts += [("form.answers", question) for question in form.answers]
    for field, value in texts:
        _check_text(value, field=field, longest=_LONGEST["text"])
    _check_text(form.note, field="form.note", longest=_LONGEST["note"])
    for answer in form.answers.values():
        _check_text(answer, field="form.answers", longest=_LONGEST["note"])


def check_progress(progress: Progress, settings: BusinessSettings) -> Progress:
    """The progress with its instants in UTC and its client id in the form.

    Raises :class:`InvalidInput` for a naive instant, a step that the business does not have, and
    whatever is over its bound.
    """
    _check_ids(session_id=progress.session_id)
    _check_form(progress.form)
    _check_text(progress.client_id, field="client_id", longest=_LONGEST["id"])
    _check_text(progress.resume_url, field="resume_url", longest=_LONGEST["url"])
    if progress.step not in settings.steps:
        raise InvalidInput(
            "is not a step of this business; it has "
            f"{', '.join(settings.steps)}: add yours to BusinessSettings.steps",
            field="step",
        )
    form = progress.form
    if form.preferred_at is not None:
        at = as_utc(form.preferred_at, field="form.preferred_at")
        form = evolve(form, preferred_at=at)
    if progress.client_id:
        form = evolve(form, person=evolve(form.person, client_id=progress.client_id))
    return evolve(progress, at=as_utc(progress.at, field="at"), form=form)


def check_booked(booked: Booked) -> Booked:
    """The booking with its instant in UTC and its client id in the person.

    Raises :class:`InvalidInput` for a naive instant, and if it names neither session nor person.
    """
    person = booked.person or Person()
    _check_person(person, "person")
    for field in ("session_id", "appointment_id", "client_id"):
        _check_text(getattr(booked, field), field=field, longest=_LONGEST["id"])
    if booked.client_id:
        person = evolve(person, client_id=booked.client_id)
    if not (booked.session_id or person.client_id or person.phone or person.email):
        raise InvalidInput(
            "names neither a session nor a person; give session_id, client_id, or a person with "
            "phone or email",
            field="booked",
        )
    return evolve(booked, at=as_utc(booked.at, field="at"), person=person)


def check_left(hint: Left) -> Left:
    """The hint with its instant in UTC. Raises :class:`InvalidInput` for a naive one."""
    _check_ids(session_id=hint.session_id)
    return evolve(hint, at=as_utc(hint.at, field="at"))


# ── progress, folded in (C2, C3) ────────────────────────────────────────────────────────────────


def request_id_of(business_id: str, session_id: str, sequence: int) -> str:
    """The id of a session's n-th request: the same whoever makes it, and after a re-import (R3)."""
    key = f"{len(business_id)}:{business_id}{len(session_id)}:{session_id}{sequence}"
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def first_request(
    progress: Progress, settings: BusinessSettings, *, sequence: int = 1
) -> AbandonedRequest:
    """The request that a session's first progress opens; list and route are yet to be decided."""
    return AbandonedRequest(
        business_id=progress.business_id,
        id=request_id_of(progress.business_id, progress.session_id, sequence),
        session_id=progress.session_id,
        sequence=sequence,
        started_at=progress.at,
        abandoned_at=progress.at,
        step=progress.step,
        furthest_step=progress.step,
        listed_at=progress.at + settings.listed_after,
        form=progress.form,
        resume_url=progress.resume_url,
    ).noted(progress.at, HistoryKind.OPENED, progress.step)


def begins_anew(request: AbandonedRequest, progress: Progress) -> bool:
    """Whether progress on a session belongs to a new request: it was booked before that (C7).

    What was seen before it was closed, or is a repeat of that, does not (C3). A deleted request
    stays the session's request: activity does not bring it back (L8). After an erasure only what
    was done since is a new request: what is told late stays forgotten (G3).
    """
    ended = [at for at in (request.closed_at, request.erased_at) if at is not None]
    return (
        bool(ended)
        and progress.at > max(*ended, request.abandoned_at)
        and request.deleted_at is None
    )


def merged(
    request: AbandonedRequest, progress: Progress, settings: BusinessSettings
) -> AbandonedRequest:
    """The request with what the progress adds: the very same object if that is nothing (C3).

    The latest activity decides instant and step, and its values win; a late one only fills what is
    still unknown. Two activities of one instant count as made in the order of the steps. What is
    from before the request, where the session has an earlier one, belongs to that.
    """
    if request.erased_at is not None:
        return request
    if request.sequence > 1 and progress.at < request.started_at:
        return request
    rank = {step: place for place, step in enumerate(settings.steps)}
    latest = (request.abandoned_at, rank.get(request.step, -1) if request.step else -1)
    is_in_time = request.closed_at is None or progress.at <= request.closed_at
    is_news = is_in_time and (progress.at, rank[progress.step]) > latest
    below, above = request.form, progress.form
    if not is_news:
        below, above = above, below
    changed = evolve(
        request,
        form=_overlaid(below, above),
        started_at=min(request.started_at, progress.at),
        furthest_step=max(
            (step for step in (request.furthest_step, progress.step) if step is not None),
            key=lambda step: rank.get(step, -1),
        ),
        resume_url=(progress.resume_url if is_news else None)
        or request.resume_url
        or progress.resume_url,
    )
    if is_news:
        changed = evolve(changed, abandoned_at=progress.at, step=progress.step)
        if progress.step != request.step:
            changed = changed.noted(progress.at, HistoryKind.STEP, progress.step)
    return request if changed == request else changed


def _overlaid(below: BookingForm, above: BookingForm) -> BookingForm:
    """Both forms in one: what is filled in above wins."""
    filled: dict[str, Any] = {
        name: getattr(above, name) or getattr(below, name)
        for name in ("pets", "care_type", "services", "staff", "preferred_at", "note")
    }
    answers = {question: answer for question, answer in above.answers.items() if answer}
    answers |= {asked: answer for asked, answer in below.answers.items() if asked not in answers}
    return BookingForm(
        person=_overlaid_value(below.person, above.person),
        address=_overlaid_value(below.address, above.address),
        # The bound of one report is also that of all together.
        answers=dict(islice(answers.items(), _MOST["answers"])),
        **filled,
    )


def _overlaid_value(below: _T, above: _T) -> _T:
    filled = {
        field.name: value
        for field in attrs.fields(type(above))
        if (value := getattr(above, field.name))
    }
    return evolve(below, **filled) if filled else below


def left(request: AbandonedRequest, hint: Left) -> AbandonedRequest:
    """The request with the browser's hint noted; it decides nothing (C1)."""
    if request.left_at is not None and hint.at <= request.left_at:
        return request
    if request.erased_at is not None:
        return request
    return evolve(request, left_at=hint.at).noted(hint.at, HistoryKind.LEFT)


# ── what follows: client, list, leads (C4, C8-C10, D) ───────────────────────────────────────────


@attrs.frozen(kw_only=True)
class CaptureFacts:
    """What the host's registers and the phone rules say of a request."""

    phone: Phone | None = None
    matching_clients: tuple[str, ...] = ()
    """clients with the request's phone or e-mail; one alone is a match (C8)"""
    is_blocked: bool = False
    service_applies: bool = True
    is_reachable: bool = True


def is_reachable(request: AbandonedRequest, phone: Phone | None) -> bool:
    """The standard policy of C9: there is a valid phone number or e-mail."""
    return phone is not None or request.email_key is not None


def client_id_of(request: AbandonedRequest, matching_clients: tuple[str, ...]) -> str | None:
    """The client: signed in, known already, or the one unique match (C8)."""
    known = request.form.person.client_id or request.client_id
    if known is None and len(set(matching_clients)) == 1:
        return matching_clients[0]
    return known


def decided(
    request: AbandonedRequest,
    facts: CaptureFacts,
    settings: BusinessSettings,
    *,
    before: AbandonedRequest | None,
    now: datetime,
) -> AbandonedRequest:
    """The request with client, visibility, route and listing instant decided.

    ``before`` is the request as it was stored, if it was: what has been listed by ``now``, or in
    the leads, keeps its route (D3).
    """
    client_id = client_id_of(request, facts.matching_clients)
    existing = client_id is not None
    withheld = []
    if not existing and not facts.is_reachable:
        withheld.append(Reason.NO_CONTACT_POINT)
    if not existing and not facts.service_applies:
        withheld.append(Reason.NO_APPLICABLE_SERVICE)
    if existing and facts.is_blocked:
        withheld.append(Reason.BLOCKED)
    changed = evolve(
        request,
        client_id=client_id,
        client_type=ClientType.EXISTING_CLIENT if existing else ClientType.NEW_VISITOR,
        phone=facts.phone,
        withheld=tuple(withheld),
    )
    if before is None or not has_route(before, now=now):
        return rerouted(changed, settings)
    if changed.abandoned_at == before.abandoned_at:
        return changed
    routed_at = before.routed_at or before.listed_at
    return evolve(changed, routed_at=routed_at, listed_at=_listed_at(changed, settings))


def has_route(request: AbandonedRequest, *, now: datetime) -> bool:
    """Whether the route is decided for good: it has been listed, or in the leads (D3)."""
    if request.routed_at is not None:
        return True
    return request.listed_at <= now and not request.withheld


def rerouted(request: AbandonedRequest, settings: BusinessSettings) -> AbandonedRequest:
    """A request that was not listed yet, with route and listing instant by these settings (D3)."""
    to_leads = settings.leads_management and request.client_type is ClientType.NEW_VISITOR
    return evolve(
        request,
        route=Route.LEADS if to_leads else Route.LIST,
        listed_at=_listed_at(request, settings),
    )


def _listed_at(request: AbandonedRequest, settings: BusinessSettings) -> datetime:
    # Whoever has been contacted stays listed, however the session goes on (C4).
    if request.last_contacted_at is not None:
        return request.listed_at
    return request.abandoned_at + settings.listed_after


# ── booked (C5-C7) ──────────────────────────────────────────────────────────────────────────────


def person_of(request: AbandonedRequest) -> Person:
    """By what the person of a request is told apart: client id, E.164 phone, e-mail (C6)."""
    return Person(
        client_id=request.client_id,
        phone=request.phone.e164 if request.phone else None,
        email=request.email_key,
    )


def owned_by(request: AbandonedRequest, client_id: str, *, at: datetime) -> AbandonedRequest:
    """The request of a person who has become a client; one that has a client stays as it is."""
    if request.client_id is not None:
        return request
    changed = evolve(
        request, client_id=client_id, client_type=ClientType.EXISTING_CLIENT, withheld=()
    )
    return changed.noted(at, HistoryKind.CLIENT_ADDED)


def closed_by(request: AbandonedRequest, booked: Booked) -> AbandonedRequest:
    """The request after a booking of its person (C5, C6).

    One that began after the booking is another attempt and stays as it is; so does another session
    of theirs that went on after it.
    """
    went_on = request.session_id != booked.session_id and request.abandoned_at > booked.at
    if request.started_at > booked.at or went_on:
        return request
    return advance(request, booked)


def goes_on_after(closed: AbandonedRequest, booked: Booked) -> bool:
    """Whether a session was active again after a booking that is only reported now (C3, C7)."""
    return (
        closed.session_id == booked.session_id
        and closed.closed_at == booked.at
        and closed.deleted_at is None
        and closed.erased_at is None
        and closed.abandoned_at > booked.at
    )


def continued(request: AbandonedRequest, settings: BusinessSettings) -> AbandonedRequest:
    """The next request of the session: what was done after the booking (C7)."""
    following = AbandonedRequest(
        business_id=request.business_id,
        id=request_id_of(request.business_id, request.session_id, request.sequence + 1),
        session_id=request.session_id,
        sequence=request.sequence + 1,
        started_at=request.abandoned_at,
        abandoned_at=request.abandoned_at,
        step=request.step,
        furthest_step=request.step,
        listed_at=request.abandoned_at + settings.listed_after,
        form=request.form,
        client_id=request.client_id,
        client_type=request.client_type,
        phone=request.phone,
        resume_url=request.resume_url,
        withheld=request.withheld,
    )
    following = following.noted(request.abandoned_at, HistoryKind.OPENED, request.step)
    return rerouted(following, settings)


def booked_only(booked: Booked, *, phone: Phone | None = None) -> AbandonedRequest:
    """What is kept of a session whose booking is the first that is heard of it.

    It is completed and never listed; it is there so that progress which arrives late does not
    open a request for a booking that the person has finished (C3). ``phone`` is the verdict on the
    person's: by it the record is found when they are to be forgotten (G3).
    """
    session_id, person = booked.session_id or "", booked.person or Person()
    return AbandonedRequest(
        business_id=booked.business_id,
        id=request_id_of(booked.business_id, session_id, 1),
        session_id=session_id,
        started_at=booked.at,
        abandoned_at=booked.at,
        step=None,
        listed_at=booked.at,
        form=BookingForm(person=person),
        client_id=person.client_id or None,
        phone=phone,
        status=Status.COMPLETED,
        closed_at=booked.at,
    ).noted(booked.at, HistoryKind.CLIENT_BOOKED)
