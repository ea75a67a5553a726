"""The desk's work on many requests: one outcome each, and one bad row never stops the rest.

Rules held here: L7 (an outcome per request, a repeat does no harm), S5 (what is refused changes
nothing), G4 (no personal data in an outcome).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import attrs

from abandoned_booking._door import log
from abandoned_booking.core.model import AbandonedRequest, Reason
from abandoned_booking.errors import AbandonedBookingError, InvalidInput, StoreError

__all__ = ["MOST_IDS", "BulkOutcome", "BulkReport", "checked_ids", "each", "failed", "named"]

MOST_IDS: Final = 10_000
"""more requests than this are not taken by one call"""


@attrs.frozen(kw_only=True)
class BulkOutcome:
    """What became of one request of a bulk call."""

    request_id: str
    done: bool
    """for a mass message: the gateway took it, now or when the operation was first called"""
    reasons: tuple[Reason, ...] = ()
    """why a rule refused it; ``in_doubt``: it may have been sent, and is never repeated"""
    error: str | None = None
    """the class of the error, if there was one"""
    detail: str | None = None
    """the error in a sentence, if it is one of this library's"""
    request: AbandonedRequest | None = attrs.field(default=None, repr=False)
    """as it is now; ``None`` if it was not found"""


@attrs.frozen(kw_only=True)
class BulkReport:
    """What became of every request, in the order given; an id given twice counts once."""

    outcomes: tuple[BulkOutcome, ...]

    @property
    def done(self) -> int:
        """How many were done."""
        return sum(outcome.done for outcome in self.outcomes)

    @property
    def refused(self) -> int:
        """How many were not."""
        return len(self.outcomes) - self.done


def each(ids: Iterable[str], act: Callable[[str], AbandonedRequest]) -> BulkReport:
    """Do the same with every request; what one raises is its outcome.

    Raises what :class:`StoreError` an action raises: a store that cannot be used is no fault of
    one row. All these actions may be repeated.
    """

    def outcome(request_id: str) -> BulkOutcome:
        try:
            changed = act(request_id)
        except StoreError:
            raise
        except Exception as error:  # the row's own, or the host's code
            return failed(request_id, error)
        return BulkOutcome(request_id=request_id, done=True, request=changed)

    return BulkReport(outcomes=tuple(map(outcome, checked_ids(ids))))


def checked_ids(ids: Iterable[str]) -> tuple[str, ...]:
    """The ids, each once. Raises :class:`InvalidInput` for none, too many or what is no id."""
    if isinstance(ids, str):
        raise InvalidInput("must be several ids; put a single one into a list", field="ids")
    known: dict[str, None] = {}
    for given in ids:
        if not isinstance(given, str):
            raise InvalidInput("must be text, as in request.id", field="ids")
        known[given] = None
        if len(known) > MOST_IDS:
            raise InvalidInput(f"are more than {MOST_IDS:,}; split the call", field="ids")
    if not known:
        raise InvalidInput("are none; choose at least one request", field="ids")
    return tuple(known)


def failed(
    request_id: str, error: Exception, request: AbandonedRequest | None = None
) -> BulkOutcome:
    name, detail = named(error)
    return BulkOutcome(
        request_id=request_id, done=False, error=name, detail=detail, request=request
    )


def named(error: Exception) -> tuple[str, str | None]:
    """The error without anything of a person: only this library's own words are repeated (G4)."""
    name = type(error).__name__
    if isinstance(error, AbandonedBookingError):
        return name, str(error)
    log.warning("bulk: a request ended with %s", name)
    return name, None
