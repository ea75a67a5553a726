"""Durable means: another process sees a write as soon as it has returned, and a crash of this one
does not take it back. Requests, through other connections, other processes and sudden deaths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any, Final

import attrs
import pytest

from abandoned_booking.core.listing import ListQuery, Page, paginate
from abandoned_booking.core.model import AbandonedRequest, Person, Status
from abandoned_booking.ports import RequestStore, SupportsBatchSaves, SupportsFairClaims
from abandoned_booking.testing.contracts import _tasks
from abandoned_booking.testing.contracts._processes import (
    CanBeOpenedAgain,
    Reopen,
    Task,
    again,
    killed_after,
    raced,
)
from abandoned_booking.testing.contracts._tasks import BATCH, NOW, ROUNDS, UNTIL, written
from abandoned_booking.testing.contracts._tools import added, assert_same, claimed, ids_of
from abandoned_booking.testing.factory import a_request

_SEEN: Final = "another connection sees a write as soon as it has returned"
_LASTS: Final = "what has returned outlives the sudden death of its process"
_WHOLE: Final = "what had not returned when its process died is there whole, or not at all"
_A_NEW_PICTURE: Final = timedelta(minutes=1)
_BOTH_WAYS: Final = ("claim_due", "claim_due_fairly")
_READS: Final = 1_000


def _needs(store: RequestStore, method: str) -> None:
    if method == "save_many":
        claimed(store, SupportsBatchSaves, what="store")
    if method == "claim_due_fairly":
        claimed(store, SupportsFairClaims, what="store")


def _due(number: int) -> list[AbandonedRequest]:
    # Two businesses, so that turns are taken.
    owners = ("paws", "claws")
    return [
        a_request(id=f"r{nth}", business_id=owners[nth % 2], next_action_at=NOW)
        for nth in range(number)
    ]


def _of(store: RequestStore, request_id: str) -> AbandonedRequest | None:
    return store.get("paws", request_id) or store.get("claws", request_id)


# ── a second connection ─────────────────────────────────────────────────────────────────────────


@attrs.frozen
class _Step:
    """A request as it must be after a call has returned."""

    made_by: str
    request: AbandonedRequest


_numbers: Final = count(1)


def _a_life(store: Any) -> Iterator[_Step]:
    """One request from ``add`` on, changed by everything that the store has."""
    request = attrs.evolve(written(f"life{next(_numbers)}", 0), next_action_at=NOW)
    assert store.add(request), "add: True for a key that is not there yet"
    yield _Step("add", request)
    request = attrs.evolve(written(request.id, 1), next_action_at=NOW, version=2)
    assert store.save(request, expected_version=1), "save: True if the version fits"
    yield _Step("save", request)
    if isinstance(store, SupportsBatchSaves):
        request = attrs.evolve(written(request.id, 2), next_action_at=NOW, version=3)
        won = store.save_many([(request, 2), (attrs.evolve(request, id="nobody"), 1)])
        assert list(won) == [True, False], "save_many: each as save would"
        yield _Step("save_many", request)
    (request,) = store.claim_due(now=NOW, until=UNTIL, limit=9)
    yield _Step("claim_due", request)


class ASecondConnection(CanBeOpenedAgain):
    """The same data, opened again in this process; skipped without the fixture ``reopen``."""

    def test_a_second_connection_sees_every_write_that_has_returned(
        self, store: RequestStore, reopen: Reopen
    ) -> None:
        with again(reopen, "store") as other:
            # Each of the two writes, and is asked in between: what it kept for later is found out.
            for writes, reads in ((store, other), (other, store), (store, other)):
                for step in _a_life(writes):
                    read = reads.get("paws", step.request.id)
                    assert_same(read, step.request, f"{step.made_by}: {_SEEN}")
                    _assert_agrees(reads, f"{step.made_by}: {_SEEN}")

    @pytest.mark.parametrize("way", _BOTH_WAYS)
    def test_a_second_connection_is_not_handed_out_what_was_claimed(
        self, store: RequestStore, reopen: Reopen, way: str
    ) -> None:
        _needs(store, way)
        with again(reopen, "store") as other:
            due = _due(6)
            added(store, due)
            first = getattr(store, way)(now=NOW, until=UNTIL, limit=3)
            second = getattr(other, way)(now=NOW + _A_NEW_PICTURE, until=UNTIL, limit=9)
            line = f"{way}: durable before it returns: nobody else is handed out the same"
            assert not {*ids_of(first)} & {*ids_of(second)}, line
            assert {*ids_of(first), *ids_of(second)} == {*ids_of(due)}, line
            for request in first:
                assert_same(_of(other, request.id), request, f"{way}: {_SEEN}")

    def test_a_second_connections_save_loses_where_the_first_has_saved(
        self, store: RequestStore, reopen: Reopen
    ) -> None:
        with again(reopen, "store") as other:
            added(store, [written("r1", 0)])
            # Twice each: an answer that was kept for later is found out.
            turns = [(store, other)] * 2 + [(other, store)] * 2
            for nth, (first, second) in enumerate(turns, 1):
                assert second.get("paws", "r1") is not None, f"add: {_SEEN}"
                assert first.save(written("r1", nth), expected_version=nth), "save: True if it fits"
                late = attrs.evolve(written("r1", nth), client_id="late")
                line = "save: False if another connection has saved that version already"
                assert second.save(late, expected_version=nth) is False, line
                assert_same(second.get("paws", "r1"), written("r1", nth), f"save: {_SEEN}")


# ── other processes ─────────────────────────────────────────────────────────────────────────────


class SeveralProcesses(CanBeOpenedAgain):
    """All do the same at the same moment; skipped without the fixture ``reopen``."""

    def test_of_processes_that_add_one_key_exactly_one_wins(
        self, store: RequestStore, reopen: Reopen
    ) -> None:
        told = raced(_tasks.adds_the_same, reopen, "store")
        line = "add: of N processes exactly one gets True for a key"
        assert _counted(told) == Counter(f"r{nth}" for nth in range(ROUNDS)), line
        for name, ids in told.items():
            for request_id in ids:
                winner = a_request(id=request_id, client_id=name)
                line = "add: what is stored is the request of the process that got True"
                assert_same(store.get("paws", request_id), winner, line)

    def test_processes_that_save_one_request_lose_no_change(
        self, store: RequestStore, reopen: Reopen
    ) -> None:
        added(store, [a_request(id="r0")])
        told = raced(_tasks.counts_up, reopen, "store")
        _assert_counted_up(store, _counted(told), "save")

    def test_processes_that_save_the_same_batch_lose_no_change(
        self, store: RequestStore, reopen: Reopen
    ) -> None:
        _needs(store, "save_many")
        added(store, [a_request(id=f"r{nth}") for nth in range(BATCH)])
        told = raced(_tasks.counts_up_batches, reopen, "store")
        _assert_counted_up(store, _counted(told), "save_many")

    @pytest.mark.parametrize("way", _BOTH_WAYS)
    def test_processes_that_claim_share_what_is_due(
        self, store: RequestStore, reopen: Reopen, way: str
    ) -> None:
        _needs(store, way)
        due = _due(30)
        added(store, due)
        fair = way == "claim_due_fairly"
        told = raced(_tasks.claims_all_fairly if fair else _tasks.claims_all, reopen, "store")
        if fair:
            # Whoever goes by a picture may have seen nothing left.
            told["the rest"] = ids_of(store.claim_due(now=NOW, until=UNTIL, limit=99))
        line = f"{way}: each due request is handed out to one of N processes only"
        assert max(_counted(told).values()) == 1, line
        line = f"{way}: none only if it saw none that it could claim"
        assert {*_counted(told)} == {*ids_of(due)}, line


def _counted(told: dict[str, list[Any]]) -> Counter[Any]:
    return Counter(what for each in told.values() for what in each)


def _assert_counted_up(store: RequestStore, wins: Counter[Any], what: str) -> None:
    for request_id, won in wins.items():
        read = store.get("paws", request_id)
        assert read is not None, f"{what}: the request stays"
        line = f"{what}: of N processes with one expected version exactly one gets True"
        assert read.version == 1 + won, line
        assert read.client_id == str(won), f"{what}: no change is lost under another's"


# ── a sudden death ──────────────────────────────────────────────────────────────────────────────


class ASuddenDeath(CanBeOpenedAgain):
    """SIGKILL in the middle of writes; skipped without the fixture ``reopen``."""

    def test_what_was_added_outlives_a_sudden_death(
        self, store: RequestStore, reopen: Reopen
    ) -> None:
        dead = killed_after(_tasks.adds_on_and_on, reopen, "store")
        with again(reopen, "store") as other:
            for request_id in (told for each in dead for told in each.told):
                for reads in (store, other):
                    read = reads.get("paws", request_id)
                    assert_same(read, written(request_id, 0), f"add: {_LASTS}")
            for request in other.stream("paws"):
                assert_same(request, written(request.id, 0), f"add: {_WHOLE}")
        _assert_agrees_anew(reopen, f"add: {_WHOLE}")

    @pytest.mark.parametrize(
        ("method", "task"),
        [("save", _tasks.saves_on_and_on), ("save_many", _tasks.saves_batches_on_and_on)],
        ids=["save", "save_many"],
    )
    def test_what_was_saved_outlives_a_sudden_death(
        self, store: RequestStore, reopen: Reopen, method: str, task: Task
    ) -> None:
        _needs(store, method)
        told = dict(each for dead in killed_after(task, reopen, "store") for each in dead.told)
        with again(reopen, "store") as other:
            there = {request.id: request for request in other.stream("paws")}
            assert {*there} >= {*told}, f"add: {_LASTS}"
            for request_id, read in there.items():
                nth = read.version - 1
                assert_same(read, written(request_id, nth), f"{method}: {_WHOLE}")
                at_least = told.get(request_id, 0)
                assert nth in (at_least, at_least + 1), f"{method}: {_LASTS}"
        _assert_agrees_anew(reopen, f"{method}: {_WHOLE}")

    @pytest.mark.parametrize(
        ("way", "task"),
        [
            ("claim_due", _tasks.claims_on_and_on),
            ("claim_due_fairly", _tasks.claims_fairly_on_and_on),
        ],
        ids=_BOTH_WAYS,
    )
    def test_what_was_claimed_outlives_a_sudden_death(
        self, store: RequestStore, reopen: Reopen, way: str, task: Task
    ) -> None:
        _needs(store, way)
        due = {request.id: request for request in _due(80)}
        added(store, due.values())
        handed_out: set[str] = set()
        for dead in killed_after(task, reopen, "store"):
            line = f"{way}: what was handed out to a dead process is given to nobody else"
            assert not handed_out & {*dead.told}, line
            handed_out |= {*dead.told}
        with again(reopen, "store") as other:
            for request_id, before in due.items():
                after = attrs.evolve(before, version=2, next_action_at=UNTIL)
                read = _of(other, request_id)
                if request_id in handed_out:
                    assert_same(read, after, f"{way}: {_LASTS}")
                elif read != before:
                    assert_same(read, after, f"{way}: {_WHOLE}")
            rest = other.claim_due(now=NOW, until=UNTIL, limit=99)
            line = f"{way}: what was handed out to a dead process is given to nobody else"
            assert not handed_out & {*ids_of(rest)}, line


# ── everything agrees ───────────────────────────────────────────────────────────────────────────


def _assert_agrees_anew(reopen: Reopen, line: str) -> None:
    with again(reopen, "store") as other:
        _assert_agrees(other, line)


def _assert_agrees(store: RequestStore, line: str) -> None:
    """Lists, people and sessions are those of the requests that are there, and of no others."""
    for _ in range(_READS):
        before = _everything(store)
        wrong = next(_disagreements(store, before), None)
        # A server may still be finishing what a dead process had asked for: then look again.
        if before == _everything(store):
            assert wrong is None, f"{line}: {wrong} does not agree with the requests that are there"
            return
    raise AssertionError(f"{line}: the writes of a dead process come to an end")


def _everything(store: RequestStore) -> list[AbandonedRequest]:
    return sorted(store.stream("paws"), key=lambda request: request.id)


def _disagreements(store: RequestStore, everything: list[AbandonedRequest]) -> Iterator[str]:
    for query in _queries(everything):
        expected = paginate(everything, query, now=UNTIL)
        if not _alike(store.page("paws", query, now=UNTIL), expected):
            yield "page"
        if store.count("paws", query, now=UNTIL) != expected.total:
            yield "count"
    for request in everything[-9:]:
        if store.get("paws", request.id) != request:
            yield "get"
        if store.latest_of_session("paws", request.session_id) != request:
            yield "latest_of_session"
        found = store.open_of_person("paws", Person(email=request.email_key))
        if list(found) != [request]:
            yield "open_of_person"


def _queries(everything: list[AbandonedRequest]) -> Iterator[ListQuery]:
    yield ListQuery(statuses=frozenset(), limit=1_000)
    for status in (Status.ABANDONED, Status.CONTACTED):
        yield ListQuery(statuses=frozenset({status}), limit=1_000)
    for request in everything[-9:]:
        nth = request.version - 1
        for name in (written(request.id, nth), written(request.id, nth - 1)):
            yield ListQuery(text=name.client_name, statuses=frozenset())


def _alike(page: Page, expected: Page) -> bool:
    return (page.requests, page.total) == (expected.requests, expected.total)
