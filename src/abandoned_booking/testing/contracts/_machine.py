"""Any sequence of calls on a store and on the memory store beside it: all answers are equal.

The other tests each look at one line of the contract. This one looks for what nobody thought of: an
index that is not moved by the third of three writes, a page that goes on wrongly after a claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from operator import methodcaller
from typing import Any, Final

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
from hypothesis.strategies import SearchStrategy

from abandoned_booking.core.listing import ListQuery, Sort
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    Person,
    Phone,
    Reason,
    Route,
    Status,
)
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


def _phone(last: int) -> Phone:
    return Phone(e164=f"+12125550{last}", region="US", can_text=True, national=f"2125550{last}")


def _rarely(*values: object, usually: object) -> SearchStrategy[object]:
    return st.sampled_from([usually] * 9 + [*values])


_days: Final = count(1)
"""examples share a store, and time goes on from one to the next"""

_which: Final = st.sampled_from([0, 0, 0, 1])
"""one of the two businesses of an example; most is in one, so that its lists have several pages"""
_known: Final = st.integers(0, 7)
"""one of the requests that are there; which one, is counted round and round"""
_dues: Final = st.sampled_from(
    [None, -60 * _MINUTE, -_INSTANT, timedelta(0), _INSTANT, _MINUTE, 60 * _MINUTE]
)
_versions_behind: Final = st.sampled_from([0, 0, 0, 1, -1])
_limits: Final = st.sampled_from([1, 2, 99])
_forms: Final = st.builds(
    BookingForm,
    person=st.builds(
        Person,
        first_name=st.sampled_from(["Ann", "Anna", "Bo", None]),
        email=st.sampled_from([None, "ann@example.com", "Bo@Example.com"]),
    ),
)
_contents: Final = strategies.members(
    "-",
    session_id=st.sampled_from("stuvwxyzST"),
    form=_forms,
    client_id=st.sampled_from([None, "c1", "c2", "C1"]),
    phone=st.none() | st.sampled_from([_phone(100), _phone(101)]),
    listed_at=st.just(LEFT_AT),
    status=_rarely(Status.CONTACTED, *Status, usually=Status.ABANDONED),
    route=_rarely(Route.LEADS, usually=Route.LIST),
    withheld=_rarely((Reason.BLOCKED,), usually=()),
    deleted_at=_rarely(LEFT_AT, usually=None),
    erased_at=_rarely(LEFT_AT, usually=None),
)
_lists: Final = st.builds(
    ListQuery,
    statuses=st.sampled_from([frozenset[Status](), frozenset({Status.ABANDONED})]),
    text=st.sampled_from(["", "", "ann", "an", "Bo"]),
    sort=st.sampled_from(Sort),
    limit=st.integers(1, 2),
    deleted=_rarely(True, usually=False),
    count_up_to=st.sampled_from([None, None, 1, 3]),
)


@attrs.frozen
class _Content:
    """What a request is to be; its business and the instant at which it is due come with it."""

    request: AbandonedRequest
    due_in: timedelta | None


_changes: Final = st.builds(_Content, _contents, _dues)


def _id_of(content: _Content) -> str:
    return content.request.id


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
        self.asked = (self.businesses[0], ListQuery(statuses=frozenset(), limit=1))

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    @initialize(contents=st.lists(_changes, min_size=4, max_size=7, unique_by=_id_of))
    def begin(self, contents: list[_Content]) -> None:
        for nth, content in enumerate(contents):
            self.add(nth % 4 // 3, content)

    @rule(which=_which, content=_changes)
    def add(self, which: int, content: _Content) -> None:
        request = self._made(content, business_id=self.businesses[which])
        if self.beside.get(request.business_id, request.id) is None:
            version = request.version
            self._both("save", lambda store: store.save(request, expected_version=version))
        self._both("add", lambda store: store.add(request))

    @rule(nth=_known, content=_changes, behind=_versions_behind)
    def save(self, nth: int, content: _Content, behind: int) -> None:
        request, version = self._changed(nth, content, behind)
        self._both("save", lambda store: store.save(request, expected_version=version))
        self._one("save", lambda store: store.get(request.business_id, request.id))

    @precondition(lambda self: isinstance(self.store, SupportsBatchSaves))
    @rule(changes=st.lists(st.tuples(_known, _changes, _versions_behind), max_size=4))
    def save_many(self, changes: list[tuple[int, _Content, int]]) -> None:
        batch = [self._changed(*change) for change in changes]
        if len({(request.business_id, request.id) for request, _ in batch}) < len(batch):
            # Of two changes to one request only one can be True; which is the store's choice.
            batch = batch[:1]
        self._both("save_many", lambda store: list(store.save_many(batch)))

    @rule(minutes=st.sampled_from([1, 59, 60, 600]), limit=_limits, fairly=st.booleans())
    def claim(self, minutes: int, limit: int, fairly: bool) -> None:
        # A minute at least: fair claims may go by a picture of the queue that is seconds old.
        self.now += minutes * _MINUTE
        asked: dict[str, Any] = {"now": self.now, "until": self.now + 60 * _MINUTE, "limit": limit}
        if fairly and isinstance(self.store, SupportsFairClaims):
            self._handed_out(self.store.claim_due_fairly(**asked), **asked, way="claim_due_fairly")
        else:
            self._handed_out(self.store.claim_due(**asked), **asked, way="claim_due")

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    @rule(which=_which, query=st.none() | _lists)
    def page(self, which: int, query: ListQuery | None) -> None:
        """A first page; or, with no query, the page behind the one before it."""
        if query is not None:
            self.asked = (self.businesses[which], query)
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

    @rule(nth=_known, by=st.sets(st.sampled_from(["client_id", "phone", "email"]), min_size=1))
    def look(self, nth: int, by: set[str]) -> None:
        """Everything that finds a request one by one, asked for one that is there."""
        known = self._known(nth)
        for business_id in self.businesses:
            # The other business has a request of that id, and of that session, of its own, or none.
            self._one("get", methodcaller("get", business_id, known.id))
            latest = methodcaller("latest_of_session", business_id, known.session_id)
            self._one("latest_of_session", latest)
        ways = {
            "client_id": known.client_id,
            "phone": known.phone.e164 if known.phone else None,
            "email": known.form.person.email,
        }
        person = Person(**{way: ways[way] for way in by})
        self._all("open_of_person", lambda s: s.open_of_person(known.business_id, person))
        if isinstance(self.store, SupportsPersonSearch):
            self._all("all_of_person", lambda s: s.all_of_person(known.business_id, person))
        self._all("stream", lambda s: s.stream(known.business_id))
        if isinstance(self.store, SupportsExpiry):
            before = known.abandoned_at + len(by) * _INSTANT
            self._all("abandoned_before", lambda s: s.abandoned_before(known.business_id, before))

    def teardown(self) -> None:
        for _ in range(_EVERYTHING):
            asked = {"now": _THE_END, "until": _THE_END + _MINUTE}
            if not self.store.claim_due(**asked, limit=_EVERYTHING):
                return

    # ── both stores ─────────────────────────────────────────────────────────────────────────────

    def _known(self, nth: int) -> AbandonedRequest:
        every = self._everything()
        return every[nth % len(every)]

    def _everything(self) -> list[AbandonedRequest]:
        return [r for business_id in self.businesses for r in self.beside.stream(business_id)]

    def _made(self, content: _Content, **key: Any) -> AbandonedRequest:
        at = None if content.due_in is None else self.now + content.due_in
        return attrs.evolve(content.request, next_action_at=at, **key)

    def _changed(self, nth: int, content: _Content, behind: int) -> tuple[AbandonedRequest, int]:
        """A change to a request that is there, and the version that it expects."""
        known = self._known(nth)
        names = ("business_id", "id", "session_id", "sequence")
        key = {name: getattr(known, name) for name in names}
        return self._made(content, **key), known.version - behind

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

    def _handed_out(
        self,
        found: Sequence[AbandonedRequest],
        *,
        now: datetime,
        until: datetime,
        limit: int,
        way: str,
    ) -> None:
        """Those that may be handed out were; the memory store follows, as ties have no order."""
        due = [r for r in self._everything() if r.next_action_at and r.next_action_at <= now]
        before = {(r.business_id, r.id): r for r in due}
        assert len(found) <= limit, f"{way}: at most limit requests"
        assert found or not due, f"{way}: none only if it saw none that it could claim"
        claimed = [before.get((request.business_id, request.id)) for request in found]
        assert None not in claimed, f"{way}: those whose next_action_at is at or before now"
        if way == "claim_due":
            instants = [request.next_action_at for request in claimed if request]
            earliest = sorted(r.next_action_at for r in due if r.next_action_at)
            assert instants == earliest[: len(found)], f"{way}: the earliest first"
        else:
            had_a_turn = {request.business_id for request in found}
            of_all = {request.business_id for request in due}
            line = f"{way}: a due request of every business, before a second one of any"
            assert len(had_a_turn) == min(len(found), len(of_all)), line
        for request, known in zip(found, claimed, strict=True):
            assert known is not None, f"{way}: each due request goes to one caller only"
            after = attrs.evolve(known, next_action_at=until)
            line = f"{way}: each due request once"
            assert self.beside.save(after, expected_version=known.version), line
            right = attrs.evolve(after, version=known.version + 1)
            line = f"{way}: as after the claim, next_action_at == until, version + 1"
            assert_same(request, right, line)
            assert_same(self.store.get(known.business_id, known.id), right, line)


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
