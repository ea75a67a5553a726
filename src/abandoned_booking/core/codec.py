"""A request, and a business's settings, to and from plain dicts of JSON's types.

The dict carries a schema version. What is empty is left out; a key that is not known is passed
over, so that an older worker can read what a newer one of the same schema has written. Instants
are ISO 8601 in UTC with microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from operator import attrgetter
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


# A request has some fifty values, most of them at their defaults, and is written twice for each
# message: how a type is written is worked out once.

_PLAIN_ALREADY: Final = frozenset({str, int, float, bool, type(None)})


def _plain(value: Any) -> Any:
    kind = type(value)
    return value if kind in _PLAIN_ALREADY else _writer(kind)(value)


_KNOWN_WRITERS: Final[dict[type, Callable[[Any], Any]]] = {}


def _writer(kind: type) -> Callable[[Any], Any]:
    """How the values of a type become plain ones, worked out once."""
    known = _KNOWN_WRITERS.get(kind)
    if known is None:
        writers = (write for base, write in _WRITERS.items() if issubclass(kind, base))
        known = _KNOWN_WRITERS[kind] = next(writers, _changed_fields)
    return known


def _plain_instant(at: datetime) -> str:
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat()


_WRITERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    # str() takes the plain string out of Step, CareType and the enums.
    str: str,
    int: lambda number: number,
    float: lambda number: number,
    datetime: _plain_instant,
    time: time.isoformat,
    timedelta: lambda duration: duration / timedelta(seconds=1),
    frozenset: lambda values: sorted(map(_plain, values)),
    tuple: lambda values: [_plain(value) for value in values],
    Mapping: dict,
}


@attrs.frozen
class _Shape:
    """A class's fields: their names and defaults, and what reads all of them at once."""

    fields: tuple[tuple[str, Any], ...]
    values: Callable[[Any], Iterable[Any]]


_SHAPES: Final[dict[type, _Shape]] = {}


def _shape(cls: type) -> _Shape:
    """The shape of an attrs class, worked out once."""
    known = _SHAPES.get(cls)
    if known is None:
        fields = tuple((field.name, field.default) for field in attrs.fields(cls))
        names = [name for name, _ in fields]
        one_or_none = len(names) < 2  # of one name attrgetter makes no tuple
        values = (lambda value: [getattr(value, name) for name in names]) if one_or_none else None
        known = _SHAPES[cls] = _Shape(fields, values or attrgetter(*names))
    return known


def _changed_fields(value: Any) -> _Plain:
    shape, plain = _shape(type(value)), {}
    for (name, default), item in zip(shape.fields, shape.values(value), strict=True):
        if item is default or item == default:
            continue
        # As in _plain, without a call for each field.
        kind = type(item)
        plain[name] = item if kind in _PLAIN_ALREADY else _writer(kind)(item)
    return plain


def _all_fields(value: Any) -> _Plain:
    return {name: _plain(getattr(value, name)) for name, _ in _shape(type(value)).fields}


def request_to_dict(request: AbandonedRequest) -> _Plain:
    """A request as a dict of JSON's types; :func:`request_from_dict` gives an equal one back."""
    return {"schema": SCHEMA, **_changed_fields(request)}


def request_to_json(request: AbandonedRequest) -> str:
    """A request as the document that a store keeps."""
    return _to_json(request_to_dict(request))


# Escapes beyond ASCII: half a surrogate pair in a name must not make the write fail. One encoder
# for all: json.dumps makes a new one each time.
_to_json: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


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


# ── and back: by tables of how each field is read, because a list reads thousands of rows ────────

_read_instant = datetime.fromisoformat


class _Members(dict[str, Any]):
    """The members of an enum by their values: ten times as fast as the enum's own look-up."""

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__({member.value: member for member in kind})
        self._kind = kind

    def __missing__(self, value: str) -> Any:
        return self._kind(value)  # raises its ValueError


_reason = _Members(Reason).__getitem__


def _reader(cls: type[_T], **readers: Callable[[Any], Any]) -> Callable[..., _T]:
    """What reads a class's plain dict; a field that no reader is given for is plain itself.

    A field that is not there, or null, has its default; a key that is no field is passed over.
    What is given by name is read already, and counts.
    """
    fields = dict(_shape(cls).fields)
    plain = fields.keys() - readers.keys()
    required = frozenset(name for name, default in fields.items() if default is attrs.NOTHING)

    def read(data: Mapping[str, Any], **known: Any) -> _T:
        given = {}
        for name, item in data.items():
            if item is None:
                continue
            if name in plain:
                given[name] = item
            elif name in readers:
                given[name] = readers[name](item)
        given.update(known)
        if not required <= given.keys():
            raise KeyError(min(required - given.keys()))
        return cls(**given)

    return read


def _all(read: Callable[[Any], Any]) -> Callable[[list[Any]], tuple[Any, ...]]:
    return lambda items: tuple(map(read, items))


_form = _reader(
    BookingForm,
    person=_reader(Person),
    pets=_all(_reader(Pet)),
    address=_reader(Address),
    services=tuple,
    preferred_at=_read_instant,
)
_message = _reader(
    RecoveryMessage,
    phase=_Members(MessagePhase).__getitem__,
    begun_at=_read_instant,
    settled_at=_read_instant,
    retry_at=_read_instant,
    reasons=_all(_reason),
)
_contact = _reader(
    Contact,
    channel=_Members(Channel).__getitem__,
    at=_read_instant,
    state=_Members(ContactState).__getitem__,
)
_request = _reader(
    AbandonedRequest,
    started_at=_read_instant,
    abandoned_at=_read_instant,
    furthest_step=Step,
    listed_at=_read_instant,
    form=_form,
    client_type=_Members(ClientType).__getitem__,
    phone=_reader(Phone, zones=tuple),
    status=_Members(Status).__getitem__,
    route=_Members(Route).__getitem__,
    routed_at=_read_instant,
    announced_at=_read_instant,
    withheld=_all(_reason),
    contacts=_all(_contact),
    message=_message,
    recovery=_reader(Recovery, at=_read_instant, reversed_at=_read_instant),
    closed_at=_read_instant,
    left_at=_read_instant,
    deleted_at=_read_instant,
    erased_at=_read_instant,
    last_edit=_reader(EditRecord, at=_read_instant, undone_at=_read_instant),
    reserved_until=_read_instant,
    history=_all(_reader(HistoryEntry, at=_read_instant, kind=_Members(HistoryKind).__getitem__)),
    next_action_at=_read_instant,
)


def request_from_dict(data: Mapping[str, Any]) -> AbandonedRequest:
    """The request that :func:`request_to_dict` wrote.

    Raises :class:`NewerSchema` for a dict of a newer schema, ``KeyError`` or ``ValueError`` for one
    that is none of ours.
    """
    _check_schema(data)
    return _request(data, step=_step(data))


def _step(data: Mapping[str, Any]) -> Step | None:
    # The one field that must be given and may be empty; what is empty was left out.
    text = data.get("step")
    return None if text is None else Step(text)


def request_from_json(
    document: str, *, version: int, next_action_at: datetime | None
) -> AbandonedRequest:
    """The request of a stored document, as its queue has it: a claim moves only those two.

    Raises what :func:`request_from_dict` does.
    """
    data: _Plain = json.loads(document)
    _check_schema(data)
    return _request(data, version=version, next_action_at=next_action_at, step=_step(data))


def _known(cls: type[_T], data: _Plain) -> _T:
    """An instance of a class whose fields are all plain, without the keys it does not know."""
    return cls(**{name: data[name] for name, _ in _shape(cls).fields if name in data})


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
