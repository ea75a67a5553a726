"""A round trip through the store under a business id that is nobody's: the only part that writes.

What it writes names nobody, is completed, deleted and erased, and is due in 1990, long before
anything of anybody's: a claim of what was due in 1990 takes nothing else. Registers and ledger are
left as they were. A request and settings cannot be removed through the ports: one empty request and
one business's settings stay, always the same two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias

import attrs

from abandoned_booking._door import Parts
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.model import AbandonedRequest, MessagePhase, RecoveryMessage, Status
from abandoned_booking.ports import RequestStore
from abandoned_booking.testing.checkup._findings import Finding, Level, said
from abandoned_booking.testing.checkup._parts import RESERVED_BUSINESS

__all__ = ["left_behind", "round_trip"]

_Wrong: TypeAlias = Iterator[tuple[Level, str]]

_LONG_AGO: Final = datetime(1990, 1, 1, tzinfo=UTC)
_CLAIMED_UNTIL: Final = _LONG_AGO + timedelta(days=1)
_PRECISE: Final = datetime(2026, 3, 8, 6, 59, 59, 999_999, tzinfo=UTC)
_ID: Final = "round-trip"
_KEY: Final = "round-trip"
_DAY: Final = timedelta(days=1)
_TRIES: Final = 50

_EMPTY: Final = AbandonedRequest(
    business_id=RESERVED_BUSINESS,
    id=_ID,
    session_id=_ID,
    started_at=_LONG_AGO,
    abandoned_at=_LONG_AGO,
    listed_at=_LONG_AGO,
    step=None,
    status=Status.COMPLETED,
    closed_at=_LONG_AGO,
    deleted_at=_LONG_AGO,
    erased_at=_LONG_AGO,
    message=RecoveryMessage(phase=MessagePhase.SKIPPED),
)


def round_trip(parts: Parts) -> Iterator[Finding]:
    """Write, read back, and take back what can be taken back."""
    for about, trip in _TRIPS.items():
        try:
            wrong = [*trip(parts)]
        except Exception as error:
            wrong = [(Level.PROBLEM, f"the round trip raised {said(error)}")]
        yield from (Finding(about, level, text) for level, text in wrong)
        if not wrong:
            yield Finding(about, Level.OK, "what was written came back, and nothing else")
    text = f"an empty request and settings stay under the business id {RESERVED_BUSINESS}"
    yield Finding("store", Level.NOTE, text)


def left_behind(store: RequestStore) -> AbandonedRequest | None:
    """The request that a round trip leaves: whoever sees it sees the store that was written to."""
    return store.get(RESERVED_BUSINESS, _ID)


# ── requests ────────────────────────────────────────────────────────────────────────────────────


def _requests(parts: Parts) -> _Wrong:
    store = parts.store
    try:
        for step in (_adding, _saving, _claiming, _streaming):
            yield from step(store)
    finally:
        _put_to_rest(store)


def _adding(store: RequestStore) -> _Wrong:
    before = left_behind(store)
    if before is None and store.add(_EMPTY) is not True:
        yield Level.PROBLEM, "add must return True for what is not there"
    if store.add(_EMPTY) is not False:
        yield Level.PROBLEM, "add must return False for what is there"
    expected = _EMPTY if before is None else before
    yield from _differing(left_behind(store), expected, "add")


def _saving(store: RequestStore) -> _Wrong:
    before = _there(store)
    wanted = attrs.evolve(before, assignee="%é_", left_at=_PRECISE, next_action_at=None)
    if store.save(wanted, expected_version=before.version + 7) is not False:
        yield Level.PROBLEM, "save must return False for a version that is not the stored one"
    if store.save(wanted, expected_version=before.version) is not True:
        yield Level.PROBLEM, "save must return True for the stored version"
    after = attrs.evolve(wanted, version=before.version + 1)
    yield from _differing(left_behind(store), after, "save")
    if store.save(before, expected_version=before.version) is not False:
        yield Level.PROBLEM, "save must return False for the version before: two would win"


def _claiming(store: RequestStore) -> _Wrong:
    before = _there(store)
    store.save(attrs.evolve(before, next_action_at=_LONG_AGO), expected_version=before.version)
    claimed = [*store.claim_due(now=_LONG_AGO, until=_CLAIMED_UNTIL, limit=1)]
    after = attrs.evolve(before, next_action_at=_CLAIMED_UNTIL, version=before.version + 2)
    stored = _there(store)
    if claimed == [after] and stored == after:
        return
    if not claimed and stored.version > before.version + 1:
        yield Level.NOTE, "claim_due was not judged: a running sweep was faster; try again"
    elif any(request.business_id != RESERVED_BUSINESS for request in claimed):
        yield Level.PROBLEM, "claim_due handed out what is not due: it must go by now"
    else:
        text = "claim_due must hand out what is due, moved to until, with its version moved on"
        yield Level.PROBLEM, text


def _streaming(store: RequestStore) -> _Wrong:
    # Not to its end: a store that takes no notice of the business would read all there is.
    if [request.id for request in islice(store.stream(RESERVED_BUSINESS), 2)] != [_ID]:
        yield Level.PROBLEM, "stream must give every request of the business, each once"


def _put_to_rest(store: RequestStore) -> None:
    """Never due again, whatever happened on the way."""
    for _ in range(_TRIES):
        stored = left_behind(store)
        if stored is None or stored.next_action_at is None:
            return
        resting = attrs.evolve(stored, next_action_at=None)
        store.save(resting, expected_version=stored.version)


def _there(store: RequestStore) -> AbandonedRequest:
    stored = left_behind(store)
    if stored is None:
        raise LookupError("get does not find what was added")
    return stored


def _differing(read: AbandonedRequest | None, written: AbandonedRequest, verb: str) -> _Wrong:
    if read == written:
        return
    names = [
        field.name
        for field in attrs.fields(AbandonedRequest)
        if getattr(read, field.name, None) != getattr(written, field.name)
    ]
    yield Level.PROBLEM, f"get after {verb}: {', '.join(names)} came back changed"


# ── settings, suppressions, ledger ──────────────────────────────────────────────────────────────


def _settings(parts: Parts) -> _Wrong:
    for name in ("abandoned-booking check, for a moment", "abandoned-booking check"):
        written = BusinessSettings(business_id=RESERVED_BUSINESS, name=name)
        parts.settings.put(written)
        if parts.settings.get(RESERVED_BUSINESS) != written:
            yield Level.PROBLEM, "get must return the settings that were last put"


def _suppressions(parts: Parts) -> _Wrong:
    suppressions = parts.suppressions
    try:
        suppressions.add(RESERVED_BUSINESS, _KEY)
        if suppressions.contains(RESERVED_BUSINESS, _KEY) is not True:
            yield Level.PROBLEM, "contains must be True as soon as add has returned"
    finally:
        suppressions.remove(RESERVED_BUSINESS, _KEY)
    if suppressions.contains(RESERVED_BUSINESS, _KEY) is not False:
        yield Level.PROBLEM, "contains must be False as soon as remove has returned"


def _ledger(parts: Parts) -> _Wrong:
    def reserve(owner: str) -> bool:
        return parts.ledger.reserve(
            RESERVED_BUSINESS, _KEY, owner=owner, at=_LONG_AGO, not_within=_DAY
        )

    def release(owner: str) -> None:
        parts.ledger.release(RESERVED_BUSINESS, _KEY, owner=owner)

    try:
        if (reserve("one"), reserve("one"), reserve("two")) != (True, True, False):
            yield (
                Level.PROBLEM,
                "reserve must be True for one owner, again too, and False for another",
            )
        release("one")
        if reserve("two") is not True:
            yield Level.PROBLEM, "reserve must be True once the owner has released"
    finally:
        release("one")
        release("two")


_TRIPS: Final[dict[str, Callable[[Parts], _Wrong]]] = {
    "store": _requests,
    "settings": _settings,
    "suppressions": _suppressions,
    "ledger": _ledger,
}
