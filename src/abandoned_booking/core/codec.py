"""A request, and a business's settings, to and from plain dicts of JSON's types.

The dict carries a schema version. What is empty is left out; a key that is not known is passed
over, so that an older worker can read what a newer one of the same schema has written. Instants
are ISO 8601 in UTC with microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, TypeVar

import attrs

from abandoned_booking.core.campaign import (
    AfterDelay,
    AtClockTime,
    BusinessSettings,
    CompliancePolicy,
    Days,
    QuietHours,
    RecoveryCampaign,
    Retention,
    Timing,
)
from abandoned_booking.core.email import EmailDesign
from abandoned_booking.core.model import (
    AbandonedRequest,
    Address,
    BookingForm,
    Channel,
    ClientType,
    Contact,
    ContactState,
    EditRecord,
    HistoryEntry,
    HistoryKind,
    MessagePhase,
    Person,
    Pet,
    Phone,
    Reason,
    Recovery,
    RecoveryMessage,
    Route,
    Status,
    Step,
)
from abandoned_booking.errors import NewerSchema

__all__ = [
    "SCHEMA",
    "request_from_dict",
    "request_from_json",
    "request_to_dict",
    "request_to_json",
    "settings_from_dict",
    "settings_to_dict",
]

SCHEMA: Final = 1

_T = TypeVar("_T")
_Plain = dict[str, Any]


def _check_schema(data: Mapping[str, Any]) -> None:
    if data.get("schema", SCHEMA) > SCHEMA:
        raise NewerSchema(
            f"written with schema {data['schema']}, this version reads up to {SCHEMA}; "
            "upgrade abandoned-booking"
        )


# ── to plain dicts: one walk for all, since every value is an attrs class ────────────────────────


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        # str() takes the plain string out of Step, CareType and the enums.
        return str(value) if isinstance(value, str) else value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value / timedelta(seconds=1)
    if isinstance(value, frozenset):
        return sorted(map(_plain, value))
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return _changed_fields(value)


_FIELDS: Final[dict[type, tuple[tuple[str, Any], ...]]] = {}


def _fields(cls: type) -> tuple[tuple[str, Any], ...]:
    """The names and defaults of a class's fields, worked out once."""
    known = _FIELDS.get(cls)
    if known is None:
        known = _FIELDS[cls] = tuple((field.name, field.default) for field in attrs.fields(cls))
    return known


def _changed_fields(value: Any) -> _Plain:
    plain = {}
    for name, default in _fields(type(value)):
        item = getattr(value, name)
        if item is not default and item != default:
            plain[name] = _plain(item)
    return plain


def _all_fields(value: Any) -> _Plain:
    return {name: _plain(getattr(value, name)) for name, _ in _fields(type(value))}


def request_to_dict(request: AbandonedRequest) -> _Plain:
    """A request as a dict of JSON's types; :func:`request_from_dict` gives an equal one back."""
    return {"schema": SCHEMA, **_changed_fields(request)}


def request_to_json(request: AbandonedRequest) -> str:
    """A request as the document that a store keeps."""
    # Escapes beyond ASCII: half a surrogate pair in a name must not make the write fail.
    return json.dumps(request_to_dict(request), separators=(",", ":"))


def settings_to_dict(settings: BusinessSettings) -> _Plain:
    """Settings as a dict of JSON's types; :func:`settings_from_dict` gives equal ones back.

    Every field is written out: a default that changes later must not change stored decisions.
    """
    campaign, compliance = settings.campaign, settings.compliance
    quiet = compliance.quiet_hours
    return {
        "schema": SCHEMA,
        **_all_fields(settings),
        "campaign": {
            **_all_fields(campaign),
            "timing": {
                "kind": _TIMING_KINDS[type(campaign.timing)],
                **_all_fields(campaign.timing),
            },
        },
        "compliance": {
            **_all_fields(compliance),
            "quiet_hours": _all_fields(quiet) if quiet else None,
        },
        "email": _all_fields(settings.email),
    }


_TIMING_KINDS: Final[dict[type, str]] = {AfterDelay: "after", AtClockTime: "at"}


# ── and back: written out, because a list reads thousands of rows ────────────────────────────────

_read_instant = datetime.fromisoformat


def _optional_instant(text: str | None) -> datetime | None:
    return None if text is None else _read_instant(text)


def _phone(data: _Plain | None) -> Phone | None:
    if data is None:
        return None
    return Phone(
        e164=data["e164"],
        region=data["region"],
        can_text=data["can_text"],
        zones=tuple(data.get("zones", ())),
        national=data.get("national", ""),
    )


def _form(data: _Plain) -> BookingForm:
    person, address = data.get("person"), data.get("address")
    return BookingForm(
        person=_known(Person, person) if person else Person(),
        pets=tuple(_known(Pet, pet) for pet in data.get("pets", ())),
        address=_known(Address, address) if address else Address(),
        care_type=data.get("care_type"),
        services=tuple(data.get("services", ())),
        staff=data.get("staff"),
        preferred_at=_optional_instant(data.get("preferred_at")),
        note=data.get("note"),
        answers=data.get("answers", {}),
    )


def _known(cls: type[_T], data: _Plain) -> _T:
    """An instance of a class whose fields are all plain, without the keys it does not know."""
    return cls(**{name: data[name] for name, _ in _fields(cls) if name in data})


def _contact(data: _Plain) -> Contact:
    read = {
        "channel": Channel(data["channel"]),
        "at": _read_instant(data["at"]),
        "state": ContactState(data.get("state", ContactState.MADE)),
    }
    return _known(Contact, data | read)


def _message(data: _Plain | None) -> RecoveryMessage:
    if data is None:
        return RecoveryMessage()
    read = {
        "phase": MessagePhase(data.get("phase", MessagePhase.PENDING)),
        "begun_at": _optional_instant(data.get("begun_at")),
        "settled_at": _optional_instant(data.get("settled_at")),
        "retry_at": _optional_instant(data.get("retry_at")),
        "reasons": tuple(map(Reason, data.get("reasons", ()))),
    }
    return _known(RecoveryMessage, data | read)


def _recovery(data: _Plain | None) -> Recovery | None:
    if data is None:
        return None
    read = {
        "at": _read_instant(data["at"]),
        "reversed_at": _optional_instant(data.get("reversed_at")),
    }
    return _known(Recovery, data | read)


def _edit(data: _Plain | None) -> EditRecord | None:
    if data is None:
        return None
    read = {
        "at": _read_instant(data["at"]),
        "undone_at": _optional_instant(data.get("undone_at")),
    }
    return _known(EditRecord, data | read)


def _entry(data: _Plain) -> HistoryEntry:
    return HistoryEntry(
        at=_read_instant(data["at"]),
        kind=HistoryKind(data["kind"]),
        detail=data.get("detail"),
        text=data.get("text"),
    )


def _optional_step(text: str | None) -> Step | None:
    return None if text is None else Step(text)


def request_from_dict(data: Mapping[str, Any]) -> AbandonedRequest:
    """The request that :func:`request_to_dict` wrote.

    Raises :class:`NewerSchema` for a dict of a newer schema, ``KeyError`` or ``ValueError`` for one
    that is none of ours.
    """
    _check_schema(data)
    get = data.get
    return AbandonedRequest(
        business_id=data["business_id"],
        id=data["id"],
        session_id=data["session_id"],
        sequence=get("sequence", 1),
        version=get("version", 1),
        started_at=_read_instant(data["started_at"]),
        abandoned_at=_read_instant(data["abandoned_at"]),
        step=_optional_step(get("step")),
        furthest_step=_optional_step(get("furthest_step")),
        listed_at=_read_instant(data["listed_at"]),
        form=_form(get("form", {})),
        client_id=get("client_id"),
        client_type=ClientType(get("client_type", ClientType.NEW_VISITOR)),
        phone=_phone(get("phone")),
        resume_url=get("resume_url"),
        status=Status(get("status", Status.ABANDONED)),
        route=Route(get("route", Route.LIST)),
        routed_at=_optional_instant(get("routed_at")),
        announced_at=_optional_instant(get("announced_at")),
        lead_id=get("lead_id"),
        withheld=tuple(map(Reason, get("withheld", ()))),
        contacts=tuple(map(_contact, get("contacts", ()))),
        message=_message(get("message")),
        recovery=_recovery(get("recovery")),
        closed_at=_optional_instant(get("closed_at")),
        left_at=_optional_instant(get("left_at")),
        deleted_at=_optional_instant(get("deleted_at")),
        erased_at=_optional_instant(get("erased_at")),
        assignee=get("assignee"),
        staff_note=get("staff_note"),
        last_edit=_edit(get("last_edit")),
        reserved_by=get("reserved_by"),
        reserved_until=_optional_instant(get("reserved_until")),
        outcome=get("outcome"),
        history=tuple(map(_entry, get("history", ()))),
        next_action_at=_optional_instant(get("next_action_at")),
    )


def request_from_json(
    document: str, *, version: int, next_action_at: datetime | None
) -> AbandonedRequest:
    """The request of a stored document, as its queue has it: a claim moves only those two.

    Raises what :func:`request_from_dict` does.
    """
    data: _Plain = json.loads(document)
    data["version"] = version
    data["next_action_at"] = None if next_action_at is None else next_action_at.isoformat()
    return request_from_dict(data)


def _timing(data: _Plain) -> Timing:
    if data["kind"] == "after":
        return AfterDelay(timedelta(seconds=data["delay"]))
    return AtClockTime(data["at"], Days(data["days"]))


def _quiet_hours(data: _Plain | None) -> QuietHours | None:
    if data is None:
        return None
    return QuietHours(time.fromisoformat(data["start"]), time.fromisoformat(data["end"]))


def _optional_seconds(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def settings_from_dict(data: Mapping[str, Any]) -> BusinessSettings:
    """The settings that :func:`settings_to_dict` wrote.

    Raises :class:`NewerSchema` for a dict of a newer schema, :class:`InvalidSettings` for one that
    has been changed by hand into something invalid.
    """
    _check_schema(data)
    campaign, compliance = dict(data["campaign"]), dict(data["compliance"])
    campaign["timing"] = _timing(campaign["timing"])
    compliance["quiet_hours"] = _quiet_hours(compliance["quiet_hours"])
    compliance["not_older_than"] = _optional_seconds(compliance["not_older_than"])
    read: _Plain = {
        name: timedelta(seconds=data[name]) for name in _DURATIONS if data.get(name) is not None
    }
    if data.get("keep_for") is not None:
        read["keep_for"] = _known(Retention, data["keep_for"])
    read["campaign"] = _known(RecoveryCampaign, campaign)
    read["compliance"] = _known(CompliancePolicy, compliance)
    read["email"] = _known(EmailDesign, data.get("email", {}))
    return _known(BusinessSettings, {**data, **read})


_DURATIONS: Final = ("listed_after", "late_grace", "one_message_within", "credited_within")
