"""What the suites share: a race, a comparison that shows no personal data, names of businesses.

A failure says which line of the contract was broken, and names fields, ids and versions; never
what somebody typed (G4).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any, Final, TypeVar

import attrs
import pytest
from hypothesis import HealthCheck, settings

from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.ports import RequestStore

__all__ = [
    "THREADS",
    "added",
    "assert_an_id",
    "assert_same",
    "claimed",
    "fewer",
    "generated",
    "ids_of",
    "new_business",
    "race",
    "run_beside",
    "stored",
]

_T = TypeVar("_T")
_Protocol = TypeVar("_Protocol")

THREADS: Final = 6
"""how many race"""
_RACES_END_WITHIN: Final = timedelta(seconds=60).total_seconds()
waits_for_another_thread = timedelta(seconds=10)
"""how long :func:`run_beside` waits before it says that a call hangs"""

generated: Final = settings(
    deadline=None,
    # A store serves all examples of a test, each with a business of its own; and one suite is run
    # by as many classes as there are adapters.
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)
"""For the tests over generated values; how many they try is the host's own hypothesis profile."""


def fewer(examples: int) -> settings:
    """``generated`` for a test that is dear: that many examples, or the host's own fewer."""
    return settings(generated, max_examples=min(examples, generated.max_examples))


_numbers: Final = count(1)


def new_business() -> str:
    """An id that no other example of this run uses."""
    return f"business-{next(_numbers)}"


def claimed(adapter: object, protocol: Callable[..., _Protocol], *, what: str) -> _Protocol:
    """``adapter`` as one that has what ``protocol`` asks for; without it the test is skipped.

    An ability may be missing: that is no fault, but whoever reads the report must see it.
    """
    kind: Any = protocol
    if not isinstance(adapter, kind):
        methods = " or ".join(name for name in vars(kind) if not name.startswith("_"))
        pytest.skip(f"the {what} does not claim {kind.__name__}: it has no {methods}")
    able: _Protocol = adapter
    return able


def added(store: RequestStore, requests: Iterable[AbandonedRequest]) -> dict[str, AbandonedRequest]:
    """Add them all; returns them by id."""
    by_id = {}
    for request in requests:
        assert store.add(request), "add must return True for a key that is not there yet"
        by_id[request.id] = request
    return by_id


def stored(
    store: RequestStore,
    business_id: str,
    crowd: list[AbandonedRequest],
    changed: list[AbandonedRequest],
) -> list[AbandonedRequest]:
    """Add a crowd, then change some of it by saving; returns what must be there then."""
    there = {}
    for request in crowd:
        there[request.id] = attrs.evolve(request, business_id=business_id)
        assert store.add(there[request.id]), "add must return True for a new key"
    for change in changed:
        if (old := there.get(change.id)) is None:
            continue
        new = attrs.evolve(
            change, business_id=business_id, session_id=old.session_id, sequence=old.sequence
        )
        assert store.save(new, expected_version=old.version), "save: True if the version fits"
        there[new.id] = attrs.evolve(new, version=old.version + 1)
    return list(there.values())


def ids_of(requests: Iterable[AbandonedRequest]) -> list[str]:
    return [request.id for request in requests]


def assert_same(read: AbandonedRequest | None, written: AbandonedRequest, line: str) -> None:
    """Both are equal in every field; the message names fields, never what people typed (G4)."""
    assert read is not None, f"{line}: the request is not there"
    differing = [
        field.name
        for field in attrs.fields(AbandonedRequest)
        if getattr(read, field.name) != getattr(written, field.name)
    ]
    assert not differing, f"{line}: {', '.join(differing)} came back changed"
    naive = [name for name, at in _instants(read) if at.utcoffset() != timedelta(0)]
    assert not naive, f"{line}: {', '.join(naive)} came back naive, or in another zone than UTC"


def assert_an_id(given: object, line: str) -> None:
    assert isinstance(given, str), f"{line}: a text"
    assert given, f"{line}: not an empty one"


def _instants(value: Any) -> Iterator[tuple[str, Any]]:
    for field in attrs.fields(type(value)):
        item = getattr(value, field.name)
        for part in item if isinstance(item, tuple) else (item,):
            if hasattr(part, "utcoffset"):
                yield field.name, part
            elif attrs.has(type(part)):
                yield from _instants(part)


def race(*calls: Callable[[], _T]) -> list[_T]:
    """Call all of them at the same moment, each in a thread of its own; their answers in order."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], _T]) -> _T:
        gate.wait(_RACES_END_WITHIN)
        return call()

    with _eager_switching(), ThreadPoolExecutor(len(calls)) as threads:
        running = [threads.submit(run, call) for call in calls]
        return [future.result(_RACES_END_WITHIN) for future in running]


@contextmanager
def _eager_switching() -> Iterator[None]:
    """Let threads take turns a thousand times as often, so that a gap between two steps shows."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def run_beside(call: Callable[[], _T], line: str) -> _T:
    """Call it in another thread and wait for its answer, but not for ever."""
    answers: list[_T] = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    thread.join(waits_for_another_thread.total_seconds())
    assert not thread.is_alive(), f"{line}: the call of another thread is still waiting"
    assert answers, f"{line}: the call of another thread failed"
    return answers[0]
