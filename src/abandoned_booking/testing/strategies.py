"""Hypothesis strategies for the values of the core.

:func:`requests` ranges over everything a request may hold. :func:`crowds` and :func:`queries`
draw from small pools instead, so that what is asked for is often there, and ties are frequent.
"""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

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
from abandoned_booking.core.email import EmailDesign, EmailTone
from abandoned_booking.core.listing import ListQuery, Sort
from abandoned_booking.core.model import (
    STANDARD_STEPS,
    AbandonedRequest,
    Address,
    BookingForm,
    CareType,
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
from abandoned_booking.core.text import RECOVERY_TEMPLATE

__all__ = [
    "campaigns",
    "crowds",
    "forms",
    "ids",
    "instants",
    "members",
    "people",
    "phones",
    "queries",
    "requests",
    "settings",
    "texts",
]

_Attrs = TypeVar("_Attrs", bound=attrs.AttrsInstance)


def _built(kind: type[_Attrs], /, **fields: SearchStrategy[Any]) -> SearchStrategy[_Attrs]:
    """Instances with something in every field: a field that is new must not go untested."""
    missing = {field.name for field in attrs.fields(kind)} - {*fields}
    if missing:
        raise TypeError(f"no strategy for {kind.__name__}.{', '.join(sorted(missing))}")
    return st.builds(kind, **fields)


# ── small parts ─────────────────────────────────────────────────────────────────────────────────


def texts(*, max_size: int = 20) -> SearchStrategy[str]:
    """Whatever people type: every script, emoji, control characters; no NUL, no lone surrogates."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.text(characters, max_size=max_size)


def ids() -> SearchStrategy[str]:
    """Ids as hosts make them, with the characters that break careless queries."""
    return st.text(string.ascii_letters + string.digits + "-_.:/%'\"\\ é", min_size=1, max_size=12)


def instants(
    *,
    earliest: datetime = datetime(1990, 1, 1, tzinfo=UTC),
    latest: datetime = datetime(2100, 1, 1, tzinfo=UTC),
) -> SearchStrategy[datetime]:
    """Aware UTC instants, to the microsecond."""
    return st.datetimes(
        earliest.replace(tzinfo=None), latest.replace(tzinfo=None), timezones=st.just(UTC)
    )


def _steps() -> SearchStrategy[Step]:
    return st.sampled_from((*STANDARD_STEPS, Step("welcome"), Step("card on file")))


def phones() -> SearchStrategy[Phone]:
    """Fictional numbers of several countries, with the verdicts as the core would store them."""
    return st.one_of(
        st.builds(_north_american, st.sampled_from(_AREAS), st.integers(100, 199)),
        st.builds(_british, st.integers(0, 999)),
    )


_AREAS: Final = (
    ("212", "US", ("America/New_York",)),
    ("808", "US", ("Pacific/Honolulu",)),
    ("787", "PR", ("America/Puerto_Rico",)),
    ("416", "CA", ("America/Toronto",)),
)


def _north_american(area: tuple[str, str, tuple[str, ...]], last: int) -> Phone:
    code, region, zones = area
    national = f"{code}5550{last}"
    return Phone(
        e164=f"+1{national}", region=region, can_text=last % 7 > 0, zones=zones, national=national
    )


def _british(last: int) -> Phone:
    return Phone(
        e164=f"+447700900{last:03}",
        region="GB",
        can_text=True,
        zones=("Europe/London",),
        national=f"07700900{last:03}",
    )


def people() -> SearchStrategy[Person]:
    """Any mixture of filled in and missing."""
    text = st.none() | texts()
    return _built(
        Person,
        client_id=st.none() | ids(),
        first_name=text,
        last_name=text,
        phone=text,
        email=text | st.just("Ann@Example.com "),
    )


def forms() -> SearchStrategy[BookingForm]:
    """Pre-filled forms, from empty to full."""
    text = st.none() | texts()
    pets = _built(Pet, name=text, species=text, breed=text)
    address = _built(
        Address, line1=text, line2=text, city=text, state=text, postal_code=text, country=text
    )
    return _built(
        BookingForm,
        person=people(),
        pets=st.lists(pets, max_size=2).map(tuple),
        address=address,
        care_type=st.none() | st.sampled_from(["grooming", "boarding", "training"]),
        services=st.lists(texts(), max_size=2).map(tuple),
        staff=text,
        preferred_at=st.none() | instants(),
        note=text,
        answers=st.dictionaries(texts(), texts(), max_size=2),
    )


# ── requests ────────────────────────────────────────────────────────────────────────────────────


def _contacts() -> SearchStrategy[Contact]:
    key = st.none() | ids()
    return _built(
        Contact,
        id=ids(),
        channel=st.sampled_from(Channel),
        at=instants(),
        state=st.sampled_from(ContactState),
        attempt_id=key,
        provider_id=key,
        staff_id=key,
        segments=st.none() | st.integers(1, 10),
        reason=st.none() | texts(),
    )


def _messages() -> SearchStrategy[RecoveryMessage]:
    key = st.none() | ids()
    return _built(
        RecoveryMessage,
        phase=st.sampled_from(MessagePhase),
        attempt_id=key,
        begun=st.integers(0, 3),
        begun_at=st.none() | instants(),
        settled_at=st.none() | instants(),
        retry_at=st.none() | instants(),
        provider_id=key,
        segments=st.none() | st.integers(1, 10),
        reasons=_some_of(Reason),
        detail=st.none() | texts(),
    )


def _recoveries() -> SearchStrategy[Recovery]:
    return _built(
        Recovery,
        at=instants(),
        appointment_id=st.none() | ids(),
        by_staff=st.booleans(),
        reversed_at=st.none() | instants(),
    )


def _history() -> SearchStrategy[tuple[HistoryEntry, ...]]:
    entry = _built(
        HistoryEntry,
        at=instants(),
        kind=st.sampled_from(HistoryKind),
        detail=st.none() | texts(),
        text=st.none() | texts(),
    )
    return st.lists(entry, max_size=3).map(tuple)


def _edits() -> SearchStrategy[EditRecord]:
    values = st.dictionaries(st.sampled_from(["status", "note", "assignee"]), texts(), max_size=2)
    return _built(
        EditRecord,
        operation_id=ids(),
        at=instants(),
        before=values,
        after=values,
        undone_at=st.none() | instants(),
    )


def _some_of(kind: type[Reason]) -> SearchStrategy[tuple[Reason, ...]]:
    return st.lists(st.sampled_from(kind), max_size=2, unique=True).map(tuple)


def requests(**fields: SearchStrategy[Any]) -> SearchStrategy[AbandonedRequest]:
    """Requests with anything in every field; ``fields`` replaces the strategies of some."""
    everything: dict[str, SearchStrategy[Any]] = {
        "business_id": ids(),
        "id": ids(),
        "session_id": ids(),
        "sequence": st.integers(1, 3),
        "version": st.integers(1, 5),
        "started_at": instants(),
        "abandoned_at": instants(),
        "step": st.none() | _steps(),
        "furthest_step": st.none() | _steps(),
        "listed_at": instants(),
        "form": forms(),
        "client_id": st.none() | ids(),
        "client_type": st.sampled_from(ClientType),
        "phone": st.none() | phones(),
        "resume_url": st.none() | texts(),
        "status": st.sampled_from(Status),
        "route": st.sampled_from(Route),
        "routed_at": st.none() | instants(),
        "announced_at": st.none() | instants(),
        "lead_id": st.none() | ids(),
        "withheld": _some_of(Reason),
        "contacts": st.lists(_contacts(), max_size=2).map(tuple),
        "message": _messages(),
        "recovery": st.none() | _recoveries(),
        "closed_at": st.none() | instants(),
        "left_at": st.none() | instants(),
        "deleted_at": st.none() | instants(),
        "erased_at": st.none() | instants(),
        "assignee": st.none() | ids(),
        "staff_note": st.none() | texts(),
        "last_edit": st.none() | _edits(),
        "reserved_by": st.none() | ids(),
        "reserved_until": st.none() | instants(),
        "outcome": st.none() | ids(),
        "history": _history(),
        "next_action_at": st.none() | instants(),
    }
    return _built(AbandonedRequest, **(everything | fields))


# ── a crowd, and what is asked of it ────────────────────────────────────────────────────────────

_NOON: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
_POOLED_INSTANTS: Final = tuple(
    _NOON + timedelta(microseconds=offset)
    for offset in (-86_400_000_000, -1_000_000, -1, 0, 1, 500_000, 1_000_000, 60_000_000)
)
_WORDS: Final = (
    *(
        "Ann",
        "ann",
        "Ánn",
        "ÅNN",
        "Anna",
        "Rex",
        "\uff52\uff45\uff58",
        "REXY",
        "Müller",
        "Mueller",
        "O'Brien",
    ),
    *("100%", "a_b", "axb", "%", "_", "*", "\\", 'say "hi"', "a\\b", "[x]", "東京都", "Straße"),
    *("x" * 30, "Łódź", "🐶", "AND", "OR", "NOT", "NEAR(a", "text:", "-ann", "^ann", "ann*"),
)
_SOUGHT: Final = (
    *(
        "a",
        "an",
        "ann",
        "nn",
        "ANN",
        "e",
        "re",
        "rex",
        "exy",
        "\uff45\uff58",
        "mü",
        "muller",
        "brien",
        "'",
    ),
    *("%", "_", "a_", "_b", "0%", "*", "\\", '"', '"hi', 'hi"', "[", "東", "京都", "東京都", "ss"),
    *("x" * 12, "x" * 31, "lodz", "🐶", "and", "or", "not", "near(", "text:", "-ann", "^a", "n*"),
    *("555", "(212) 555", "212-5550", "+1", "+1 212", "07700", "700 900", "-", "+", "9", "0199"),
)


def _named(first: str | None, last: str | None, pet: str | None, street: str | None) -> BookingForm:
    return BookingForm(
        person=Person(first_name=first, last_name=last, phone="(212) 555-0199"),
        pets=(Pet(name=pet),) if pet else (),
        address=Address(line1=street),
        care_type=CareType("grooming") if pet else None,
    )


def crowds(
    business_id: str, *, max_size: int = 6, **fields: SearchStrategy[Any]
) -> SearchStrategy[list[AbandonedRequest]]:
    """Some requests of one business that are much alike: names, instants and steps of a few kinds.

    No two have the same id or the same session and sequence. ``fields`` as in :func:`requests`.
    """
    return st.lists(
        members(business_id, **fields), max_size=max_size, unique_by=(_id_of, _session_of)
    )


def members(business_id: str, **fields: SearchStrategy[Any]) -> SearchStrategy[AbandonedRequest]:
    """One of a crowd; ``fields`` as in :func:`requests`."""
    word = st.none() | st.sampled_from(_WORDS)
    at = st.sampled_from(_POOLED_INSTANTS)
    counting = st.builds(Contact, id=st.just("c"), channel=st.just(Channel.CALL), at=at)
    alike: dict[str, SearchStrategy[Any]] = {
        "business_id": st.just(business_id),
        "id": st.sampled_from(["a", "A", "b", "ab", "é", "a%", "a_", "10", "9", "a b"]),
        "session_id": st.sampled_from(["s", "S", "t"]),
        "abandoned_at": at,
        "listed_at": at,
        "step": st.none() | st.sampled_from([Step("time"), Step("pet"), Step("welcome")]),
        "form": st.builds(_named, word, word, word, word),
        "phone": st.none() | phones(),
        "status": st.sampled_from([Status.ABANDONED, Status.ABANDONED, *Status]),
        "route": st.sampled_from([Route.LIST, Route.LIST, Route.LIST, Route.LEADS]),
        "withheld": st.sampled_from([(), (), (), (Reason.BLOCKED,)]),
        "contacts": st.lists(counting, max_size=2).map(tuple),
        "deleted_at": st.sampled_from([None, None, None, _NOON]),
        "erased_at": st.sampled_from([None, None, None, _NOON]),
        "message": st.just(RecoveryMessage()),
        "recovery": st.none(),
        "history": st.just(()),
        "next_action_at": st.none(),
    }
    return requests(**(alike | fields))


def _id_of(request: AbandonedRequest) -> str:
    return request.id


def _session_of(request: AbandonedRequest) -> tuple[str, int]:
    return (request.session_id, request.sequence)


def queries() -> SearchStrategy[ListQuery]:
    """Queries that often find something in one of :func:`crowds`."""
    at = st.none() | st.sampled_from(_POOLED_INSTANTS)
    steps = (Step("time"), Step("pet"), Step("welcome"))
    return st.builds(
        ListQuery,
        text=st.lists(st.sampled_from(_SOUGHT), max_size=2).map(" ".join) | texts(max_size=4),
        statuses=st.just(frozenset({Status.ABANDONED})) | st.frozensets(st.sampled_from(Status)),
        steps=st.just(frozenset()) | st.frozensets(st.sampled_from(steps)),
        client_types=st.just(frozenset()) | st.frozensets(st.sampled_from(ClientType)),
        care_types=st.just(frozenset()) | st.just(frozenset({"grooming"})),
        abandoned_from=at,
        abandoned_to=st.none() | at,
        contacted_from=st.none() | at,
        contacted_to=st.none() | at,
        sort=st.sampled_from(Sort),
        limit=st.integers(1, 4),
        deleted=st.sampled_from([False, False, False, True]),
        step_order=st.permutations(steps).map(tuple) | st.just(()),
        count_up_to=st.sampled_from([None, None, 1, 2, 3, 100]),
    )


# ── settings ────────────────────────────────────────────────────────────────────────────────────

_MINUTE: Final = timedelta(minutes=1)


def _timings() -> SearchStrategy[Timing]:
    delays = st.timedeltas(10 * _MINUTE, 1440 * _MINUTE).map(AfterDelay)
    return delays | st.builds(AtClockTime, st.times(), st.sampled_from(Days))


def campaigns(*, steps: tuple[Step, ...] = STANDARD_STEPS) -> SearchStrategy[RecoveryCampaign]:
    """Valid campaigns of a business that has those steps."""
    return _built(
        RecoveryCampaign,
        enabled=st.booleans(),
        timing=_timings(),
        recipients=st.frozensets(st.sampled_from(ClientType), min_size=1),
        steps=st.none() | st.frozensets(st.sampled_from(steps), min_size=1),
        template=st.sampled_from(
            [RECOVERY_TEMPLATE, "Hi {{first_name|friend}} 🐶", "{{business_name}}: come back"]
        ),
        holdout=st.just(0.0) | st.floats(0, 0.5),
    )


def _policies() -> SearchStrategy[CompliancePolicy]:
    hours = st.lists(st.times(), min_size=2, max_size=2, unique=True).map(sorted)
    return _built(
        CompliancePolicy,
        quiet_hours=hours.map(lambda pair: QuietHours(*pair)),
        state_rules=st.booleans(),
        not_older_than=st.none() | st.timedeltas(_MINUTE, 10_000 * _MINUTE),
        consent_required=st.booleans(),
    ) | st.sampled_from([CompliancePolicy.relaxed(), CompliancePolicy.us_marketing()])


def _retentions() -> SearchStrategy[Retention]:
    return _built(
        Retention, years=st.integers(0, 9), months=st.integers(0, 30), days=st.integers(1, 400)
    )


def _designs() -> SearchStrategy[EmailDesign]:
    address = st.none() | st.sampled_from(["hello@example.com", "hallo@bücher.example"])
    url = st.none() | st.just("https://book.example.com/u?t=")
    words = st.none() | st.sampled_from(["Hi {{first_name|friend}} 🐶", "Rex' café"])
    return _built(
        EmailDesign,
        sender_address=address,
        sender_name=st.none() | st.just("Ann & Co"),
        reply_to=address,
        postal_address=st.none() | st.just("1 Main Street\nSpringfield, NY 10001"),
        unsubscribe_url=url,
        logo_url=url,
        accent_colour=st.integers(0, 0xFFFFFF).map("#{:06x}".format),
        text_colour=st.sampled_from(["#000000", "#1F2937"]),
        panel_colour=st.sampled_from(["#ffffff", "#FEFCE8"]),
        background_colour=st.sampled_from(["#ffffff", "#f3f4f6"]),
        language=st.sampled_from(["en", "pt-BR"]),
        tone=st.sampled_from(EmailTone),
        subject=words,
        heading=words,
        body=words | st.just("One\n\nTwo\nThree"),
        button=words,
        footer=st.just("You began a booking."),
        unsubscribe_label=st.sampled_from(["Unsubscribe", "Abmelden"]),
    )


@st.composite
def settings(draw: st.DrawFn, *, business_id: str | None = None) -> BusinessSettings:
    """Valid settings with anything in every field."""
    own = draw(st.lists(st.sampled_from(["welcome", "date", "prepay"]), unique=True))
    steps = (*STANDARD_STEPS, *map(Step, own))
    duration = st.timedeltas(timedelta(0), 20_000 * _MINUTE)
    words = st.frozensets(st.sampled_from(["STOP", "STOPM", "ARRÊT", "停止"]), min_size=1)
    name = texts().filter(lambda text: bool(text.strip()))
    return draw(
        _built(
            BusinessSettings,
            business_id=st.just(business_id) if business_id else ids().filter(str.strip),
            name=name,
            timezone=st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"]),
            region=st.sampled_from(["US", "GB", "DE"]),
            campaign=campaigns(steps=steps),
            compliance=_policies(),
            email=_designs(),
            leads_management=st.booleans(),
            steps=st.permutations(steps).map(tuple),
            listed_after=duration,
            late_grace=duration,
            one_message_within=duration,
            text_us_territories=st.booleans(),
            opt_out_keyword=st.sampled_from(["STOPM", "STOP"]),
            opt_out_words=words,
            opt_in_words=words,
            booking_url=st.none() | st.just("https://book.example.com/paws"),
            credited_within=duration,
            keep_for=st.none() | _retentions(),
        )
    )
