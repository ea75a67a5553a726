"""What must never be done, done: a run with one of these has to find texts that were sent twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from abandoned_booking.core.model import AbandonedRequest, MessagePhase
from abandoned_booking.inbound import Inbound

__all__ = ["BROKEN"]


class _Altered:
    """A store of which one method does something else. It has no faster ways round that."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name in ("claim_due_fairly", "save_many"):
            raise AttributeError(name)
        return getattr(self._store, name)


class _BeginsBlindly(_Altered):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        stored = self._store.get(request.business_id, request.id)
        if request.message.phase is MessagePhase.SENDING and stored is not None:
            expected_version = stored.version
        saved: bool = self._store.save(request, expected_version=expected_version)
        return saved


class _TriesAgain(_Altered):
    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return [
            attrs.evolve(found, message=attrs.evolve(found.message, phase=MessagePhase.PENDING))
            if found.message.phase is MessagePhase.SENDING
            else found
            for found in self._store.claim_due(now=now, until=until, limit=limit)
        ]


class _Forgets(_Altered):
    """Every tenth request is not there, and said to be."""

    _added = 0

    def add(self, request: AbandonedRequest) -> bool:
        self._added += 1
        return self._added % 10 == 0 or bool(self._store.add(request))


class _Ends(_Altered):
    def claim_due(self, **_: object) -> Sequence[AbandonedRequest]:
        os._exit(3)


def _opt_outs_move_no_version(store: Any) -> Any:
    Inbound._requests_of = lambda *_: []  # type: ignore[method-assign]
    return store


BROKEN: Final[dict[str, Callable[[Any], Any]]] = {
    "begin-without-compare-and-set": _BeginsBlindly,
    "expired-back-to-pending": _TriesAgain,
    "says-stored-and-is-not": _Forgets,
    "ends-by-itself": _Ends,
    "opt-outs-move-no-version": _opt_outs_move_no_version,
}
"""by name, each makes a store that is broken out of one that is not"""
