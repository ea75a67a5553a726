"""The staff's list as pure functions: who is in it, what a query finds, in which order (L2-L5).

:class:`ListQuery` is the query as data. :func:`matches` is the one definition of what it finds: the
memory store runs it, every other store must agree with it, and the contract suite compares the two.

Rules held here: C4 and C10 (who is listed, and why somebody is not), D2 (leads are in neither list
nor dot), L1 (the actions on offer), L2 (filters), L3 (search), L4 (order and cursor), L5 (the dot),
L8 (deleted requests are on a shelf of their own).
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, Final, TypeAlias, assert_never
from zoneinfo import ZoneInfo

import attrs

from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.model import (
    STANDARD_STEPS,
    AbandonedRequest,
    CareType,
    ClientType,
    Reason,
    Route,
    Status,
    Step,
    masked,
)
from abandoned_booking.errors import InvalidCursor, InvalidInput

__all__ = [
    "Action",
    "ListQuery",
    "Page",
    "SearchWord",
    "Shelf",
    "Sort",
    "SortKey",
    "actions_of",
    "counted",
    "cursor_after",
    "dot_query",
    "fold",
    "instant_of",
    "is_listed",
    "matches",
    "paginate",
    "position_of",
    "search_text",
    "search_words",
    "shelf_of",
    "sort_key",
    "unlisted_reasons",
]

LONGEST_TEXT: Final = 200
MOST_PER_PAGE: Final = 1000
_HIGHEST_COUNT: Final = 1_000_000_000

Boundary: TypeAlias = datetime | date | None
SortKey: TypeAlias = tuple[int | str, ...]


class Sort(StrEnum):
    """The order of a list (L4); ties are broken by id, so that every order is total."""

    NEWEST = "newest"
    """last abandoned first"""
    LAST_CONTACT = "last_contact"
    """last contacted first, never contacted at the end"""
    NAME = "name"
    """by folded client name, without a name at the end"""
    STEP = "step"
    """by the business's order of steps, newest first within one"""


class Action(StrEnum):
    """What the staff can do with a row (L1)."""

    ADD_CLIENT = "add_client"
    SCHEDULE = "schedule"
    VIEW_BOOKING = "view_booking"


def _several(given: Iterable[str], *, field: str) -> Iterable[str]:
    """Raises :class:`InvalidInput` for a single text, whose letters would be taken one by one."""
    if isinstance(given, str):
        raise InvalidInput("is a single text; give a list or a set, also of one", field=field)
    return given


def _set_of_statuses(given: Iterable[str]) -> frozenset[Status]:
    return frozenset(map(Status, _several(given, field="statuses")))


def _set_of_steps(given: Iterable[str]) -> frozenset[Step]:
    return frozenset(map(Step, _several(given, field="steps")))


def _steps_in_order(given: Iterable[str]) -> tuple[Step, ...]:
    return tuple(map(Step, _several(given, field="step_order")))


def _set_of_client_types(given: Iterable[str]) -> frozenset[ClientType]:
    return frozenset(map(ClientType, _several(given, field="client_types")))


def _set_of_care_types(given: Iterable[str]) -> frozenset[CareType]:
    return frozenset(map(CareType, _several(given, field="care_types")))


@attrs.frozen(kw_only=True)
class ListQuery:
    """What the staff ask for. Several values of one kind mean *or*, several kinds mean *and* (L2).

    An empty set means *any*. Ranges are half-open, ``from <= instant < to``; a ``date`` means the
    start of that local day, resolved by :meth:`resolved` before a store sees it.
    """

    text: str = attrs.field(default="", repr=masked)
    """words that must all be found in client name, pet names, address or phone (L3)"""
    statuses: frozenset[Status] = attrs.field(
        default=frozenset({Status.ABANDONED}), converter=_set_of_statuses
    )
    steps: frozenset[Step] = attrs.field(default=frozenset(), converter=_set_of_steps)
    client_types: frozenset[ClientType] = attrs.field(
        default=frozenset(), converter=_set_of_client_types
    )
    care_types: frozenset[CareType] = attrs.field(default=frozenset(), converter=_set_of_care_types)
    abandoned_from: Boundary = None
    abandoned_to: Boundary = None
    contacted_from: Boundary = None
    """of the last contact; a request without one is in no such range"""
    contacted_to: Boundary = None
    sort: Sort = attrs.field(default=Sort.NEWEST, converter=Sort)
    limit: int = 50
    cursor: str | None = None
    """``next_cursor`` of the page before"""
    deleted: bool = False
    """the shelf of deleted requests instead of the list (L8)"""
    step_order: tuple[Step, ...] = attrs.field(default=STANDARD_STEPS, converter=_steps_in_order)
    """the business's registry; set by the desk"""
    count_up_to: int | None = None
    """how far totals are counted: a list of a million need not be counted to say "1,000 or more";
    ``None``: to the end"""

    def __attrs_post_init__(self) -> None:
        if len(self.text) > LONGEST_TEXT:
            raise InvalidInput(
                f"is longer than {LONGEST_TEXT} characters; search for fewer words", field="text"
            )
        if not 1 <= self.limit <= MOST_PER_PAGE:
            raise InvalidInput(f"must be 1 to {MOST_PER_PAGE}", field="limit")
        if self.count_up_to is not None and not 1 <= self.count_up_to <= _HIGHEST_COUNT:
            raise InvalidInput(f"must be 1 to {_HIGHEST_COUNT}, or None", field="count_up_to")
        for field in _BOUNDARIES:
            at = getattr(self, field)
            if not isinstance(at, datetime):
                continue
            if at.tzinfo is None:
                raise InvalidInput(
                    "is a naive instant; give it a zone, or a date for a local day", field=field
                )
            # Two local times that differ in their fold alone are equal; their instants are not.
            object.__setattr__(self, field, as_utc(at, field=field))

    def resolved(self, zone: ZoneInfo) -> ListQuery:
        """The same query with its local days turned into instants of ``zone`` (L2)."""
        days: dict[str, Any] = {
            name: local_day_start(boundary, zone)
            for name in _BOUNDARIES
            if (boundary := getattr(self, name)) is not None and not isinstance(boundary, datetime)
        }
        return attrs.evolve(self, **days) if days else self


_BOUNDARIES: Final = ("abandoned_from", "abandoned_to", "contacted_from", "contacted_to")


def local_day_start(on: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local date, aware UTC, also where midnight does not exist (T3)."""
    return datetime.combine(on, time(), zone).astimezone(UTC)


@attrs.frozen(kw_only=True)
class Page:
    """One page of a list; no cursor means the last page."""

    requests: tuple[AbandonedRequest, ...]
    total: int
    """of all pages; honours filter and search, and stops at the query's ``count_up_to``"""
    next_cursor: str | None = None


# ── who is listed ───────────────────────────────────────────────────────────────────────────────


def unlisted_reasons(request: AbandonedRequest, *, now: datetime) -> tuple[Reason, ...]:
    """Every reason why a request is not in the list at ``now``, in the fixed order (C10)."""
    reasons = set(request.withheld)
    if request.deleted_at is not None:
        reasons.add(Reason.DELETED)
    if request.erased_at is not None:
        reasons.add(Reason.ERASED)
    if request.status is Status.COMPLETED:
        reasons.add(Reason.COMPLETED)
    if request.route is Route.LEADS:
        reasons.add(Reason.ROUTED_TO_LEADS)
    if request.listed_at > now:
        reasons.add(Reason.TOO_RECENT)
    return tuple(reason for reason in Reason if reason in reasons)


def is_listed(request: AbandonedRequest, *, now: datetime) -> bool:
    """Whether the staff see it at ``now``: :func:`unlisted_reasons` finds none."""
    return request.listed_at <= now and shelf_of(request) is Shelf.LIST


class Shelf(IntEnum):
    """Where a request stands for the staff, whatever the time: a store keeps it as a column."""

    LIST = 0
    """listed once its time has come (C4)"""
    DELETED = 1
    """can be restored (L8)"""
    HIDDEN = 2
    """completed, in the leads, or withheld (C10)"""
    ERASED = 3
    """nobody's any more (G3)"""


def shelf_of(request: AbandonedRequest) -> Shelf:
    """The shelf of a request: with ``listed_at`` it decides what :func:`is_listed` says."""
    if request.erased_at is not None:
        return Shelf.ERASED
    if request.deleted_at is not None:
        return Shelf.DELETED
    shown = (
        request.status is not Status.COMPLETED
        and request.route is Route.LIST
        and not request.withheld
    )
    return Shelf.LIST if shown else Shelf.HIDDEN


def actions_of(request: AbandonedRequest, *, leads_management: bool) -> tuple[Action, ...]:
    """The actions on offer for a row, in the order of L1; none for one that was erased."""
    if request.erased_at is not None:
        return ()
    actions = []
    if request.client_type is ClientType.NEW_VISITOR and not leads_management:
        actions.append(Action.ADD_CLIENT)
    recovered = request.status is Status.RECOVERED
    actions.append(Action.VIEW_BOOKING if recovered else Action.SCHEDULE)
    return tuple(actions)


# ── what a query finds ──────────────────────────────────────────────────────────────────────────


def matches(request: AbandonedRequest, query: ListQuery, now: datetime) -> bool:
    """Whether ``query`` finds ``request`` at ``now``. The business is not looked at.

    The query's ranges must be instants: :meth:`ListQuery.resolved` sees to that.
    """
    shown = _is_on_shelf(request) if query.deleted else is_listed(request, now=now)
    return (
        shown
        and (not query.statuses or request.status in query.statuses)
        and (not query.steps or request.step in query.steps)
        and (not query.client_types or request.client_type in query.client_types)
        and (not query.care_types or request.form.care_type in query.care_types)
        and _within(request.abandoned_at, query.abandoned_from, query.abandoned_to)
        and _within(request.last_contacted_at, query.contacted_from, query.contacted_to)
        and _found(request, query.text)
    )


def _is_on_shelf(request: AbandonedRequest) -> bool:
    """Whether it is among the deleted ones, which can be restored until they are erased (L8)."""
    return shelf_of(request) is Shelf.DELETED


@lru_cache(maxsize=16)
def dot_query(*, cap: int | None = None) -> ListQuery:
    """What the red dot counts, up to ``cap``: whatever is listed in Abandoned (L5)."""
    return ListQuery(statuses=frozenset({Status.ABANDONED}), count_up_to=cap)


def counted(number: int, query: ListQuery) -> int:
    """A number of requests as the query wants it told: no further than ``count_up_to``."""
    return number if query.count_up_to is None else min(number, query.count_up_to)


def _within(at: datetime | None, start: Boundary, end: Boundary) -> bool:
    if start is None and end is None:
        return True
    if at is None:
        return False
    return (start is None or instant_of(start) <= at) and (end is None or at < instant_of(end))


def instant_of(boundary: date | datetime) -> datetime:
    """An instant of a resolved query. Raises :class:`InvalidInput` for a local day."""
    if not isinstance(boundary, datetime):
        raise InvalidInput(
            "a local day reached a store; call query.resolved(zone) first", field="query"
        )
    return boundary


# ── search (L3) ─────────────────────────────────────────────────────────────────────────────────

# Letters that Unicode does not decompose, though readers take them for accented ones.
_PLAIN_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_PHONE_PUNCTUATION: Final = frozenset("+-.()/ \u2010\u2011\u2012\u2013\u2014")


@attrs.frozen
class SearchWord:
    """One word of a search: found as it stands, or, if it can be part of a phone, by its digits."""

    text: str
    digits: str | None = None

    def is_in(self, haystack: str) -> bool:
        """Whether it is found in a :func:`search_text`."""
        return self.text in haystack or (self.digits is not None and self.digits in haystack)


def fold(text: str) -> str:
    """``text`` without case, accents, width and invisible characters."""
    if text.isascii() and text.isprintable():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(
        character if character.isprintable() else " " if character.isspace() else ""
        for character in decomposed
        if not unicodedata.combining(character)
    )
    return unicodedata.normalize("NFC", kept).translate(_PLAIN_LETTERS)


def search_text(request: AbandonedRequest) -> str:
    """What a search looks through: name, pets, address and phone, folded, one to a line.

    The phone stands there as digits: as typed, with the country code, and as dialled at home, so
    that it is found with or without country or trunk code.
    """
    form = request.form
    parts = [form.person.name, *(pet.name or "" for pet in form.pets), *form.address.lines]
    lines = [fold(part) for part in parts]
    if form.person.phone:
        lines.append(_digits(fold(form.person.phone)))
    if request.phone is not None:
        lines += [request.phone.e164.lstrip("+"), request.phone.national]
    return "\n".join(dict.fromkeys(line for line in lines if line))


@lru_cache(maxsize=256)
def search_words(text: str) -> tuple[SearchWord, ...]:
    """The words of a search, folded; each must be found. No words find everything."""
    words = []
    for word in dict.fromkeys(fold(text).split()):
        digits = _digits(word)
        phone_like = digits and all(c.isdecimal() or c in _PHONE_PUNCTUATION for c in word)
        words.append(SearchWord(word, digits if phone_like and digits != word else None))
    return tuple(words)


def _found(request: AbandonedRequest, text: str) -> bool:
    words = search_words(text)
    if not words:
        return True
    haystack = search_text(request)
    return all(word.is_in(haystack) for word in words)


def _digits(folded: str) -> str:
    return "".join(str(unicodedata.decimal(c)) for c in folded if c.isdecimal())


# ── order and pages (L4) ────────────────────────────────────────────────────────────────────────

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_CURSOR: Final = 8_000
_NEVER: Final = 1 << 62
"""sorts behind every instant"""


def microseconds(at: datetime) -> int:
    """An instant as whole microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def sort_key(request: AbandonedRequest, query: ListQuery) -> SortKey:
    """The place of a request in the query's order; smaller keys come first."""
    newest = -microseconds(request.abandoned_at)
    match query.sort:
        case Sort.NEWEST:
            return (newest, request.id)
        case Sort.LAST_CONTACT:
            contacted_at = request.last_contacted_at
            return (-microseconds(contacted_at) if contacted_at else _NEVER, request.id)
        case Sort.NAME:
            name = fold(request.client_name)
            return (0 if name else 1, name, request.id)
        case Sort.STEP:
            return (_step_rank(request.step, query.step_order), newest, request.id)
        case _:
            assert_never(query.sort)


def _step_rank(step: Step | None, order: tuple[Step, ...]) -> int:
    return order.index(step) if step in order else len(order)


def cursor_after(request: AbandonedRequest, query: ListQuery) -> str:
    """The cursor of the page that begins behind ``request``: opaque, safe in a URL."""
    payload = json.dumps([_fingerprint(query), *sort_key(request, query)], separators=(",", ":"))
    return base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")


def position_of(query: ListQuery) -> SortKey | None:
    """The sort key behind which the query's page begins; ``None`` for the first page.

    Raises :class:`InvalidCursor` if the cursor is not one of this very query.
    """
    if query.cursor is None:
        return None
    try:
        padded = query.cursor[:_LONGEST_CURSOR] + "=" * (-len(query.cursor) % 4)
        fingerprint, *key = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, RecursionError):
        fingerprint, key = None, []
    if (
        fingerprint != _fingerprint(query)
        or [*map(type, key)] != _KEY_TYPES[query.sort]
        or any(isinstance(part, int) and abs(part) > _NEVER for part in key)
    ):
        raise InvalidCursor(
            "is not a cursor of this list; leave it out to begin with the first page, and change "
            "neither filter, search nor sort between pages",
            field="cursor",
        )
    return tuple(key)


_KEY_TYPES: Final[dict[Sort, list[type]]] = {
    Sort.NEWEST: [int, str],
    Sort.LAST_CONTACT: [int, str],
    Sort.NAME: [int, str, str],
    Sort.STEP: [int, int, str],
}


def _fingerprint(query: ListQuery) -> str:
    parts = (
        *(sorted(kind) for kind in (query.statuses, query.steps)),
        *(sorted(kind) for kind in (query.client_types, query.care_types)),
        *(str(getattr(query, field)) for field in _BOUNDARIES),
        [word.text for word in search_words(query.text)],
        query.sort,
        query.deleted,
        query.step_order if query.sort is Sort.STEP else (),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def paginate(requests: Iterable[AbandonedRequest], query: ListQuery, *, now: datetime) -> Page:
    """The page that ``query`` asks for, out of all requests of one business: the specification."""
    position = position_of(query)
    found = [request for request in requests if matches(request, query, now)]
    found.sort(key=lambda request: sort_key(request, query))
    rest = [r for r in found if position is None or sort_key(r, query) > position]
    return page_of(rest[: query.limit + 1], query, total=len(found))


def page_of(fetched: Iterable[AbandonedRequest], query: ListQuery, *, total: int) -> Page:
    """The page out of up to ``limit + 1`` rows in order: one too many means that there is more."""
    rows = tuple(fetched)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Page(
        requests=shown,
        total=counted(total, query),
        next_cursor=cursor_after(shown[-1], query) if more else None,
    )
