"""Any sequence of calls on a store and on the memory store beside it: all answers are equal.

The other tests each look at one line of the contract. This one looks for what nobody thought of: an
index that is not moved by the third of three writes, a page that goes on wrongly after a claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final, TypeAlias

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import AbandonedRequest, Person
from abandoned_booking.ports import (
    RequestStore,
    SupportsBatchSaves,
    SupportsExpiry,
    SupportsFairClaims,
    SupportsPersonSearch,
)
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import strategies
from abandoned_booking.testing.contracts._tools import assert_same, generated, ids_of, new_business
from abandoned_booking.testing.factory import LEFT_AT

__all__ = ["AnySequence", "RequestStoreMachine"]

_STEPS: Final = 25
_MINUTE: Final = timedelta(minutes=1)
_INSTANT: Final = timedelta(microseconds=1)
_THE_END: Final = datetime(2900, 1, 1, tzinfo=UTC)
_EVERYTHING: Final = 1_000

_days: Final = count(1)
"""examples share a store, and time goes on from one to the next"""

_Member: TypeAlias = tuple[int, AbandonedRequest, timedelta | None]
_which: Final = st.integers(0, 1)
"""one of the two businesses of an example"""
_dues: Final = st.sampled_from(
    [None, -60 * _MINUTE, -_INSTANT, timedelta(0), _INSTANT, _MINUTE, 60 * _MINUTE]
)
_members: Final = st.tuples(_which, strategies.members("-"), _dues)
_ids: Final = strategies.members("-").map(lambda request: request.id)
_versions_behind: Final = st.sampled_from([0, 0, 0, 1, -1])
_limits: Final = st.sampled_from([1, 2, 99])
_emails: Final = st.sampled_from([None, "ann@example.com", "Bob@Example.com"])
_people: Final = st.builds(Person, client_id=st.none() | strategies.ids(), email=_emails)


class RequestStoreMachine(RuleBasedStateMachine):
    """One example: two businesses of their own, and the same calls on both stores.

    ``claim_due`` is asked of all businesses: at the end of an example nothing is left due.
    """

    def __init__(self, store: RequestStore) -> None:
        super().__init__()
        self.store: Any = store
        self.beside = MemoryStore()
        self.businesses = (new_business(), new_business())
        self.now = LEFT_AT + timedelta(days=next(_days))
        self.asked: tuple[str, ListQuery] | None = None

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    @initialize(members=st.lists(_members, max_size=5))
    def begin(self, members: list[_Member]) -> None:
        for member in members:
            self.add(member)

    @rule(member=_members)
    def add(self, member: _Member) -> None:
        request = self._placed(member)
        self._both("add", lambda store: store.add(request))

    @rule(member=_members, behind=_versions_behind)
    def save(self, member: _Member, behind: int) -> None:
        request, version = self._changed(member, behind)
        self._both("save", lambda store: store.save(request, expected_version=version))
        self.get(member[0], request.id)

    @precondition(lambda self: isinstance(self.store, SupportsBatchSaves))
    @rule(changes=st.lists(st.tuples(_members, _versions_behind), max_size=4))
    def save_many(self, changes: list[tuple[_Member, int]]) -> None:
        batch = [self._changed(member, behind) for member, behind in changes]
        if len({(request.business_id, request.id) for request, _ in batch}) < len(batch):
            # Of two changes to one request only one can be True; which is the store's choice.
            batch = batch[:1]
        self._both("save_many", lambda store: list(store.save_many(batch)))

    @rule(limit=_limits, for_minutes=st.sampled_from([2, 60]))
    def claim(self, limit: int, for_minutes: int) -> None:
        until = self.now + for_minutes * _MINUTE
        due, found = self._due(), self.store.claim_due(now=self.now, until=until, limit=limit)
        # Those of one instant come in any order, so the memory store follows.
        in_order = [request.next_action_at for request in due][: len(found)]
        before = {(request.business_id, request.id): request for request in due}
        line = "claim_due: at most limit requests, the earliest first"
        assert len(found) <= limit, line
        claimed = [before.get((request.business_id, request.id)) for request in found]
        assert [request and request.next_action_at for request in claimed] == in_order, line
        assert found or not due, "claim_due: none only if it saw none that it could claim"
        self._follow(found, until, "claim_due")

    @precondition(lambda self: isinstance(self.store, SupportsFairClaims))
    @rule(limit=_limits)
    def claim_fairly(self, limit: int) -> None:
        # Fair claims may go by a picture of what is due that is a few seconds old.
        self.now += _MINUTE
        until = self.now + 60 * _MINUTE
        due = {(r.business_id, r.id): r for r in self._due()}
        found = self.store.claim_due_fairly(now=self.now, until=until, limit=limit)
        assert len(found) <= limit, "claim_due_fairly: at most limit requests"
        line = "claim_due_fairly: none only if it saw none that it could claim"
        assert found or not due, line
        line = "claim_due_fairly: a due request of every business, before a second one of any"
        owners = {business_id for business_id, _ in due}
        had_a_turn = {request.business_id for request in found}
        assert len(had_a_turn) == min(len(found), len(owners)), line
        for request in found:
            assert (request.business_id, request.id) in due, "claim_due_fairly: those that are due"
        self._follow(found, until, "claim_due_fairly")

    @rule(minutes=st.sampled_from([1, 59, 60, 600]))
    def time_passes(self, minutes: int) -> None:
        self.now += minutes * _MINUTE

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    @rule(which=_which, request_id=_ids)
    def get(self, which: int, request_id: str) -> None:
        self._one("get", lambda store: store.get(self.businesses[which], request_id))

    @rule(which=_which, session_id=st.sampled_from("sSt"))
    def latest_of_session(self, which: int, session_id: str) -> None:
        business_id = self.businesses[which]
        line = "latest_of_session"
        self._one(line, lambda store: store.latest_of_session(business_id, session_id))

    @rule(which=_which, person=_people, phone_of=_ids)
    def people(self, which: int, person: Person, phone_of: str) -> None:
        business_id = self.businesses[which]
        known = self.beside.get(business_id, phone_of)
        if known is not None and known.phone is not None:
            person = attrs.evolve(person, phone=known.phone.e164)
        self._all("open_of_person", lambda store: store.open_of_person(business_id, person))
        if isinstance(self.store, SupportsPersonSearch):
            self._all("all_of_person", lambda store: store.all_of_person(business_id, person))

    @rule(which=_which, query=strategies.queries())
    def page_and_count(self, which: int, query: ListQuery) -> None:
        self.asked = (self.businesses[which], query)
        self.next_page()

    @precondition(lambda self: self.asked is not None)
    @rule()
    def next_page(self) -> None:
        """The page behind the one before, whatever was written since."""
        assert self.asked is not None
        business_id, query = self.asked
        self._both("count", lambda store: store.count(business_id, query, now=self.now))
        page = self.store.page(business_id, query, now=self.now)
        expected = self.beside.page(business_id, query, now=self.now)
        assert ids_of(page.requests) == ids_of(expected.requests), "page: the rows of paginate"
        for read, right in zip(page.requests, expected.requests, strict=True):
            assert_same(read, right, "page: the requests as they were last written")
        assert page.total == expected.total, "page: the total of paginate"
        assert page.next_cursor == expected.next_cursor, "page: the cursor of paginate"
        self.asked = (business_id, attrs.evolve(query, cursor=page.next_cursor))

    @rule(which=_which)
    def stream(self, which: int) -> None:
        self._all("stream", lambda store: store.stream(self.businesses[which]))

    @precondition(lambda self: isinstance(self.store, SupportsExpiry))
    @rule(which=_which, request_id=_ids, later=st.sampled_from([timedelta(0), _INSTANT]))
    def abandoned_before(self, which: int, request_id: str, later: timedelta) -> None:
        business_id = self.businesses[which]
        known = self.beside.get(business_id, request_id)
        before = (known.abandoned_at if known else self.now) + later
        self._all("abandoned_before", lambda store: store.abandoned_before(business_id, before))

    def teardown(self) -> None:
        for _ in range(_EVERYTHING):
            asked = {"now": _THE_END, "until": _THE_END + _MINUTE}
            if not self.store.claim_due(**asked, limit=_EVERYTHING):
                return

    # ── both stores ─────────────────────────────────────────────────────────────────────────────

    def _placed(self, member: _Member) -> AbandonedRequest:
        which, request, due = member
        at = None if due is None else self.now + due
        return attrs.evolve(request, business_id=self.businesses[which], next_action_at=at)

    def _changed(self, member: _Member, behind: int) -> tuple[AbandonedRequest, int]:
        """A change that keeps the keys of the stored request, and the version it expects."""
        request = self._placed(member)
        stored = self.beside.get(request.business_id, request.id)
        if stored is None:
            return request, request.version
        changed = attrs.evolve(request, session_id=stored.session_id, sequence=stored.sequence)
        return changed, stored.version - behind

    def _both(self, what: str, call: Callable[[Any], object]) -> None:
        answer, expected = call(self.store), call(self.beside)
        assert answer == expected, f"{what}: as the memory store answers, whatever came before"

    def _one(self, what: str, call: Callable[[Any], AbandonedRequest | None]) -> None:
        read, right = call(self.store), call(self.beside)
        line = f"{what}: as the memory store answers, whatever came before"
        if right is None:
            assert read is None, line
        else:
            assert_same(read, right, line)

    def _all(self, what: str, call: Callable[[Any], Iterable[AbandonedRequest]]) -> None:
        read, right = (
            sorted(call(store), key=lambda request: request.id)
            for store in (self.store, self.beside)
        )
        line = f"{what}: as the memory store answers, whatever came before"
        assert ids_of(read) == ids_of(right), line
        for one, two in zip(read, right, strict=True):
            assert_same(one, two, line)

    def _due(self) -> list[AbandonedRequest]:
        """What can be claimed now, the earliest first."""
        every = [r for business_id in self.businesses for r in self.beside.stream(business_id)]
        due = [(r.next_action_at, nth) for nth, r in enumerate(every) if r.next_action_at]
        return [every[nth] for at, nth in sorted(due) if at <= self.now]

    def _follow(self, found: Sequence[AbandonedRequest], until: datetime, what: str) -> None:
        """Claim the same on the memory store."""
        for request in found:
            before = self.beside.get(request.business_id, request.id)
            assert before is not None, f"{what}: those that are due"
            after = attrs.evolve(before, next_action_at=until)
            self.beside.save(after, expected_version=before.version)
            right = self.beside.get(request.business_id, request.id)
            assert right is not None, f"{what}: those that are due"
            line = f"{what}: as after the claim, next_action_at == until, version + 1"
            assert_same(request, right, line)
            assert_same(self.store.get(request.business_id, request.id), right, line)


class AnySequence:
    """:class:`RequestStoreMachine`, a third as many examples as other generated tests have."""

    def test_any_sequence_of_calls_is_answered_as_by_the_memory_store(
        self, store: RequestStore
    ) -> None:
        class OnThisStore(RequestStoreMachine):
            def __init__(self) -> None:
                super().__init__(store)

        examples = max(1, generated.max_examples // 3)
        run_state_machine_as_test(
            OnThisStore,
            settings=settings(generated, max_examples=examples, stateful_step_count=_STEPS),
        )
