"""Each part by itself: can it be called, what can it do beyond its port, what does it answer.

Nothing here changes anything: the store is read under the id of a business that does not exist.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, TypeAlias

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import Person
from abandoned_booking.gateways.console import ConsoleSmsGateway
from abandoned_booking.ports import (
    AppointmentBook,
    ClientDirectory,
    Clock,
    ConsentRegister,
    CreditLedger,
    EmailGateway,
    LeadDirectory,
    PhoneLedger,
    RequestStore,
    ServiceCatalogue,
    SettingsStore,
    SmsGateway,
    SupportsBatchSaves,
    SupportsErasure,
    SupportsExpiry,
    SupportsFairClaims,
    SupportsLookup,
    SupportsOpenSlots,
    SupportsPersonSearch,
    SupportsTally,
    SuppressionList,
)
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing.checkup._findings import Finding, Level, said

__all__ = ["CAPABILITIES", "PORTS", "RESERVED_BUSINESS", "class_of", "parts_found"]

RESERVED_BUSINESS: Final = "abandoned-booking-check"
"""the business id under which a check-up asks, and writes if it may"""

PORTS: Final[Mapping[str, type]] = {
    "store": RequestStore,
    "settings": SettingsStore,
    "suppressions": SuppressionList,
    "ledger": PhoneLedger,
    "sms": SmsGateway,
    "email": EmailGateway,
    "clients": ClientDirectory,
    "leads": LeadDirectory,
    "appointments": AppointmentBook,
    "catalogue": ServiceCatalogue,
    "consents": ConsentRegister,
    "credits": CreditLedger,
    "clock": Clock,
}

_WITHOUT: Final[Mapping[str, str]] = {
    "sms": "the staff cannot text, and a sweep that finds a message due says so",
    "email": "the staff cannot send e-mails",
    "clients": "whoever is not signed in is a new visitor, and a reply makes no client",
    "leads": "under leads management a new visitor is in no list at all",
    "appointments": "the staff book in your calendar and report it",
    "catalogue": "some service always applies",
    "consents": "where the policy asks for consent nobody has given it",
    "credits": "messages are not limited",
}
"""what holds without a part that may be left out"""

CAPABILITIES: Final[Mapping[str, Mapping[type, str]]] = {
    "store": {
        SupportsBatchSaves: "every message costs the sweep durable writes of its own",
        SupportsFairClaims: "a business with very many due requests is served before others",
        SupportsPersonSearch: "forget and data_of read the whole business",
        SupportsExpiry: "purge_older_than reads the whole business",
        SupportsErasure: "copies of what was erased may stay in the store's files",
        SupportsTally: "every report reads the whole business",
    },
    "sms": {SupportsLookup: "a message in doubt stays so until a report or a person settles it"},
    "appointments": {SupportsOpenSlots: "no open slots are offered; {next_open_slot} is empty"},
}
"""what a part may have beyond its port, and what it costs not to have it"""

_Found: TypeAlias = Iterator[Finding]


def parts_found(given: Mapping[str, Any]) -> _Found:
    """What is to be said of each part."""
    for name, port in PORTS.items():
        part = given[name]
        if part is None:
            yield Finding(name, Level.NOTE, f"not given: {_WITHOUT[name]}")
            continue
        wrong = [*_uncallable(part, port)]
        yield from (Finding(name, Level.PROBLEM, text) for text in wrong)
        if not wrong:
            yield Finding(name, Level.OK, f"{class_of(part)}, callable as a {port.__name__}")
            yield from _answers(name, part)
        yield from _capabilities(name, part)
        yield from _out_of_place(name, part)
        yield from _of_its_own(name, part)


def class_of(part: Any) -> str:
    return type(part).__name__


# ── can it be called ────────────────────────────────────────────────────────────────────────────


def _uncallable(part: Any, port: type) -> Iterator[str]:
    """What of a port cannot be called in the way in which the doors call it."""
    for verb, asked in vars(port).items():
        if verb.startswith("_"):
            continue
        method = getattr(part, verb)
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            yield f"{class_of(part)}.{verb} is async, and the doors do not await it"
        elif not _accepts(method, asked):
            yield f"{class_of(part)}.{verb} cannot be called as {verb}{_plain(asked)}"


def _accepts(method: Callable[..., Any], asked: Callable[..., Any]) -> bool:
    parameters = _plain(asked).parameters.values()
    by_name = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    in_place = len(parameters) - len(by_name)
    try:
        inspect.signature(method).bind(*[None] * in_place, **dict.fromkeys(by_name))
    except TypeError:
        return False
    except ValueError:
        return True  # written in C: it does not say
    return True


def _plain(asked: Callable[..., Any]) -> inspect.Signature:
    """A port's method without ``self`` and without types."""
    _, *parameters = inspect.signature(asked).parameters.values()
    return inspect.Signature([p.replace(annotation=inspect.Parameter.empty) for p in parameters])


# ── what it can do beyond its port, and whether it belongs here ─────────────────────────────────


def _capabilities(name: str, part: Any) -> _Found:
    for kind, cost in CAPABILITIES.get(name, {}).items():
        if isinstance(part, kind):
            wrong = _uncallable(part, kind)
            yield from (Finding(name, Level.PROBLEM, text) for text in wrong)
        else:
            yield Finding(name, Level.NOTE, f"lacks {kind.__name__}: {cost}")


def _out_of_place(name: str, part: Any) -> _Found:
    if type(part).__module__.startswith("abandoned_booking.testing."):
        yield Finding(name, Level.WARNING, f"{class_of(part)} is a fake for tests")
    elif isinstance(part, MemoryStore):
        text = "keeps all in this process's memory: no other sees it, and it ends with it"
        yield Finding(name, Level.WARNING, f"{class_of(part)} {text}")
    elif isinstance(part, ConsoleSmsGateway):
        text = "prints texts instead of sending them, and they count as sent"
        yield Finding(name, Level.WARNING, f"{class_of(part)} {text}")


def _of_its_own(name: str, part: Any) -> _Found:
    """What a part with a method ``checkup`` says of itself."""
    own = getattr(part, "checkup", None)
    if not callable(own):
        return
    try:
        found = [Finding(name, level, text) for level, text in own()]
    except Exception as error:
        found = [Finding(name, Level.PROBLEM, f"checkup raised {said(error)}")]
    yield from found


# ── what it answers where nothing is kept ───────────────────────────────────────────────────────


def _answers(name: str, part: Any) -> _Found:
    for verb, ask, fits in _QUESTIONS.get(name, ()):
        try:
            answer = ask(part)
        except Exception as error:
            yield Finding(name, Level.PROBLEM, f"{verb} raised {said(error)}")
            return  # the others would fail for the same reason
        if not fits(answer):
            text = f"{verb}: {type(answer).__name__} is no answer where nothing is kept"
            yield Finding(name, Level.PROBLEM, text)


def _nothing(answer: Any) -> bool:
    return answer is None


def _none_of_them(answer: Any) -> bool:
    return bool(answer == 0 and answer is not False)


_Question: TypeAlias = tuple[str, Callable[[Any], Any], Callable[[Any], bool]]
_ANY_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SOMEBODY: Final = Person(client_id="nobody", phone="+12125550100", email="nobody@example.com")
_QUESTIONS: Final[Mapping[str, tuple[_Question, ...]]] = {
    "store": (
        ("get", lambda store: store.get(RESERVED_BUSINESS, "nothing"), _nothing),
        (
            "latest_of_session",
            lambda store: store.latest_of_session(RESERVED_BUSINESS, "nothing"),
            _nothing,
        ),
        (
            "open_of_person",
            lambda store: len(store.open_of_person(RESERVED_BUSINESS, _SOMEBODY)),
            _none_of_them,
        ),
        (
            "page",
            lambda store: store.page(RESERVED_BUSINESS, ListQuery(), now=_ANY_TIME).total,
            _none_of_them,
        ),
        (
            "count",
            lambda store: store.count(RESERVED_BUSINESS, ListQuery(), now=_ANY_TIME),
            _none_of_them,
        ),
        (
            "stream",
            # A round trip has left one there.
            lambda store: {r.business_id for r in islice(store.stream(RESERVED_BUSINESS), 9)},
            lambda answer: answer <= {RESERVED_BUSINESS},
        ),
    ),
    "settings": (
        (
            "get",
            lambda settings: settings.get(RESERVED_BUSINESS),
            lambda answer: answer is None or isinstance(answer, BusinessSettings),
        ),
    ),
    "suppressions": (
        (
            "contains",
            lambda suppressions: suppressions.contains(RESERVED_BUSINESS, "nothing"),
            lambda answer: answer is False,
        ),
    ),
}
