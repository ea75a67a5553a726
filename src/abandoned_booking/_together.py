"""What several threads save at the same moment goes to the store in one call.

Each thread waits until its own change is durable, as if it had saved alone: nothing of once-only
sending hangs on this. Whoever finds nobody saving saves for all that wait by then; those that come
meanwhile are the next lot. So a lone thread never waits, and eight at once pay for two commits
where they paid for eight.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs

from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.ports import RequestStore, SupportsBatchSaves

__all__ = ["Save", "saving_together"]

Change: TypeAlias = tuple[AbandonedRequest, int]
Save: TypeAlias = Callable[[AbandonedRequest, int], bool]
"""a request and the version that it must still have: ``RequestStore.save``"""


def saving_together(store: RequestStore) -> Save:
    """The way to save for threads that work side by side."""
    if isinstance(store, SupportsBatchSaves):
        return _Together(store, store).save
    return lambda request, version: store.save(request, expected_version=version)


@attrs.define(eq=False)
class _Waiting:
    """A change on its way, and the thread that waits for it."""

    change: Change
    called: threading.Event = attrs.Factory(threading.Event)
    """it is saved, or it is this thread's turn to save"""
    is_saved: bool | None = None
    error: BaseException | None = None


class _Together:
    def __init__(self, store: RequestStore, batches: SupportsBatchSaves) -> None:
        self._store, self._batches = store, batches
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_saving = False

    def save(self, request: AbandonedRequest, expected_version: int) -> bool:
        mine = _Waiting((request, expected_version))
        with self._lock:
            self._waiting.append(mine)
            is_first = not self._is_saving
            self._is_saving = True
        if not is_first:
            mine.called.wait()
        if mine.is_saved is None and mine.error is None:
            self._save_all()
        if mine.error is not None:
            raise mine.error
        return bool(mine.is_saved)

    def _saved(self, changes: Sequence[Change]) -> Sequence[bool]:
        if len(changes) > 1:
            return self._batches.save_many(changes)
        [(request, version)] = changes
        return [self._store.save(request, expected_version=version)]

    def _save_all(self) -> None:
        """Save what waits by now, then call those who waited, and one of those who came since."""
        with self._lock:
            lot, self._waiting = self._waiting, []
        try:
            saved = self._saved([one.change for one in lot])
            for one, is_saved in zip(lot, saved, strict=True):
                one.is_saved = is_saved
        except BaseException as error:
            for one in lot:
                one.error = error
        finally:
            with self._lock:
                following = self._waiting[:1]
                self._is_saving = bool(following)
            for one in (*lot, *following):
                one.called.set()
