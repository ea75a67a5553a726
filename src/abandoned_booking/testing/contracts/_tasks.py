"""What the processes of :mod:`._processes` do, and what must be there afterwards.

Each task takes an adapter and a name of its own, and yields after each call that has returned. The
endless ones are for processes that are killed: everything that they write is under their name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.codec import request_from_dict
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    Channel,
    Contact,
    Person,
    Status,
)
from abandoned_booking.ports import (
    LEAD_CHANNEL,
    AppointmentBook,
    AppointmentDraft,
    ClientDirectory,
    ClientDraft,
    CreditLedger,
    LeadDirectory,
    PhoneLedger,
    RequestStore,
    SettingsStore,
    SuppressionList,
)
from abandoned_booking.testing.factory import LEFT_AT, a_request

NOW: Final = LEFT_AT
UNTIL: Final = LEFT_AT + timedelta(days=4_000)
BATCH: Final = 3
ROUNDS: Final = 12
_TRIES: Final = 1_000
_MINUTE: Final = timedelta(minutes=1)


# ── requests: races ─────────────────────────────────────────────────────────────────────────────


def adds_the_same(store: RequestStore, name: str) -> Iterator[str]:
    """Yields the ids that this process has added."""
    for nth in range(ROUNDS):
        if store.add(a_request(id=f"r{nth}", client_id=name)):
            yield f"r{nth}"


def counts_up(store: RequestStore, name: str) -> Iterator[str]:
    """Read, change and save one request, again where somebody else was faster."""
    del name
    for _ in range(ROUNDS):
        yield _tried(lambda: _counted_up(store, ["r0"], _one_by_one(store)))[0]


def counts_up_batches(store: Any, name: str) -> Iterator[str]:
    """The same with several requests at once; yields the ids of those that it has saved."""
    ids = [f"r{nth}" for nth in range(BATCH)]
    for _ in range(ROUNDS):
        # In opposite orders: whoever takes locks row by row must not wait for ever.
        yield from _counted_up(store, ids if name == "0" else ids[::-1], store.save_many)


def claims_all(store: RequestStore, name: str) -> Iterator[str]:
    """Yields the ids that it was handed out."""
    del name
    while part := store.claim_due(now=NOW, until=UNTIL, limit=3):
        yield from (request.id for request in part)


def claims_all_fairly(store: Any, name: str) -> Iterator[str]:
    """Yields the ids that it was handed out."""
    del name
    while part := store.claim_due_fairly(now=NOW, until=UNTIL, limit=3):
        yield from (request.id for request in part)


def _tried(attempt: Callable[[], list[str]]) -> list[str]:
    for _ in range(_TRIES):
        if done := attempt():
            return done
    raise AssertionError("save: one of N concurrent calls returns True; here none ever did")


def _one_by_one(store: RequestStore) -> Callable[[Sequence[tuple[AbandonedRequest, int]]], Any]:
    return lambda changes: [store.save(one, expected_version=version) for one, version in changes]


def _counted_up(
    store: RequestStore,
    ids: list[str],
    save: Callable[[Sequence[tuple[AbandonedRequest, int]]], Sequence[bool]],
) -> list[str]:
    changes = []
    for request_id in ids:
        read = store.get("paws", request_id)
        assert read is not None, "get: the request that was added before"
        counted = str(int(read.client_id or 0) + 1)
        changes.append((attrs.evolve(read, client_id=counted), read.version))
    return [name for name, won in zip(ids, save(changes), strict=True) if won]


# ── requests: what a killed process wrote ───────────────────────────────────────────────────────


def written(name: str, nth: int) -> AbandonedRequest:
    """The request of that name after its ``nth`` change: everything that is indexed is another."""
    person = Person(first_name=f"Ann{name}n{nth}x", email=f"{name}-{nth}@example.com")
    return a_request(
        id=name,
        version=nth + 1,
        abandoned_at=LEFT_AT + nth * _MINUTE,
        form=BookingForm(person=person, note="long " * 500),
        client_id=f"{name}-{nth}",
        status=Status.CONTACTED if nth % 2 else Status.ABANDONED,
        contacts=(Contact(id=f"c{nth}", channel=Channel.CALL, at=LEFT_AT),),
        next_action_at=UNTIL + nth * _MINUTE,
    )


def adds_on_and_on(store: RequestStore, name: str) -> Iterator[str]:
    """Yields the id of each request that was added."""
    for nth in count():
        assert store.add(written(f"{name}-{nth}", 0)), "add: True for a key that is not there yet"
        yield f"{name}-{nth}"


def saves_on_and_on(store: RequestStore, name: str) -> Iterator[tuple[str, int]]:
    """Yields the id and how often it was saved."""
    store.add(written(name, 0))
    for nth in count(1):
        saved = store.save(written(name, nth), expected_version=nth)
        assert saved, "save: True if the version fits"
        yield name, nth


def saves_batches_on_and_on(store: Any, name: str) -> Iterator[tuple[str, int]]:
    """Yields, for each request of a batch that was saved, its id and how often it was."""
    names = [f"{name}-{part}" for part in range(BATCH)]
    for one in names:
        store.add(written(one, 0))
    for nth in count(1):
        won = store.save_many([(written(one, nth), nth) for one in names])
        assert list(won) == [True] * BATCH, "save_many: True if the version fits"
        for one in names:
            yield one, nth


def claims_on_and_on(store: RequestStore, name: str) -> Iterator[str]:
    """Yields the id of each request that was handed out."""
    del name
    while part := store.claim_due(now=NOW, until=UNTIL, limit=2):
        yield from (request.id for request in part)


def claims_fairly_on_and_on(store: Any, name: str) -> Iterator[str]:
    """Yields the id of each request that was handed out."""
    del name
    while part := store.claim_due_fairly(now=NOW, until=UNTIL, limit=2):
        yield from (request.id for request in part)


# ── the three smaller ports ─────────────────────────────────────────────────────────────────────


def reserves_the_same(ledger: PhoneLedger, name: str) -> Iterator[str]:
    """Yields the phones that this process was given."""
    for nth in range(ROUNDS):
        if reserved(ledger, f"p{nth}", name):
            yield f"p{nth}"


def reserves_on_and_on(ledger: PhoneLedger, name: str) -> Iterator[str]:
    """Yields the phone of each reservation."""
    for nth in count():
        assert reserved(ledger, f"{name}-{nth}", "me"), "reserve: True for a phone that is free"
        yield f"{name}-{nth}"


def releases_on_and_on(ledger: PhoneLedger, name: str) -> Iterator[str]:
    """Yields the phone of each reservation that was given back."""
    for nth in count():
        assert reserved(ledger, f"{name}-{nth}", "me"), "reserve: True for a phone that is free"
        ledger.release("paws", f"{name}-{nth}", owner="me")
        yield f"{name}-{nth}"


def reserved(ledger: PhoneLedger, phone: str, owner: str) -> bool:
    """Whether that owner gets the phone now, not within a day of another's."""
    return ledger.reserve("paws", phone, owner=owner, at=NOW, not_within=timedelta(days=1))


def suppresses_on_and_on(suppressions: SuppressionList, name: str) -> Iterator[str]:
    """Yields each key that was put on the list."""
    for nth in count():
        suppressions.add("paws", f"{name}-{nth}")
        yield f"{name}-{nth}"


def lifts_on_and_on(suppressions: SuppressionList, name: str) -> Iterator[str]:
    """Yields each key that was put on the list and taken off again."""
    for nth in count():
        suppressions.add("paws", f"{name}-{nth}")
        suppressions.remove("paws", f"{name}-{nth}")
        yield f"{name}-{nth}"


def puts_on_and_on(settings: SettingsStore, name: str) -> Iterator[tuple[str, int]]:
    """Yields the business and how often its settings were put."""
    for nth in count(1):
        settings.put(put_settings(name, nth))
        yield name, nth


def put_settings(name: str, nth: int) -> BusinessSettings:
    """The settings of that business after the ``nth`` put."""
    url = f"https://book.example.com/{nth}"
    return BusinessSettings(business_id=name, name=f"Paws {nth}", booking_url=url)


# ── the host's own registers ────────────────────────────────────────────────────────────────────


def phone_of(nth: int) -> str:
    """The phone of the client who is created under the key ``k{nth}``."""
    return f"+12125550{150 + nth}"


def draft_of(nth: int) -> ClientDraft:
    """That client's draft."""
    person = Person(first_name="Ann", phone=phone_of(nth))
    return ClientDraft(person=person, form=BookingForm(person=person), phone=phone_of(nth))


@attrs.frozen
class CreatesTheSame:
    """Yields the id that each key was answered with."""

    business_id: str

    def __call__(self, clients: ClientDirectory, name: str) -> Iterator[str]:
        del name
        for nth in range(ROUNDS):
            yield clients.create(self.business_id, draft_of(nth), key=f"k{nth}")


@attrs.frozen
class HandsTheSameOver:
    """Yields the id that each key was answered with."""

    business_id: str

    def __call__(self, leads: LeadDirectory, name: str) -> Iterator[str]:
        del name
        for nth in range(ROUNDS):
            yield leads.hand_over(
                self.business_id, draft_of(nth), channel=LEAD_CHANNEL, key=f"k{nth}"
            )


@attrs.frozen
class BooksTheSame:
    """Yields the id that each key was answered with."""

    business_id: str
    drafted: str
    """a request with the form, as JSON: what is typed into forms cannot be pickled"""
    staff: str | None
    instants: tuple[datetime, ...]

    def __call__(self, appointments: AppointmentBook, name: str) -> Iterator[str]:
        del name
        form = request_from_dict(json.loads(self.drafted)).form
        for nth, at in enumerate(self.instants):
            draft = AppointmentDraft(at=at, form=form, staff=self.staff)
            yield appointments.book(self.business_id, draft, key=f"k{nth}")


@attrs.frozen
class ReservesAllCredits:
    """Yields the owners that this process has set a credit aside for."""

    business_id: str

    def __call__(self, credits: CreditLedger, name: str) -> Iterator[str]:
        for nth in range(ROUNDS):
            if credits.reserve(self.business_id, owner=f"{name}-{nth}", credits=1):
                yield f"{name}-{nth}"


@attrs.frozen
class ReservesTheSameCredits:
    """Yields the owners for which a credit is set aside, be it by this process or another."""

    business_id: str

    def __call__(self, credits: CreditLedger, name: str) -> Iterator[str]:
        del name
        for nth in range(5):
            if credits.reserve(self.business_id, owner=f"m{nth}", credits=1):
                yield f"m{nth}"
