"""What must hold of the sending protocol, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from functools import cache
from itertools import product
from typing import Final

from model.protocol import reported
from model.world import REPORTS, TAKEN, UNDER_WAY, Forbidden, P, Request, Scope, World

from abandoned_booking.core.model import Status


@cache
def _reports_are_settled(request: Request, forbidden: frozenset[Forbidden]) -> bool:
    """Every report a second time, and every two in the other order, end in the same."""

    def after(*states: str) -> Request:
        current = request
        for state in states:
            current = reported(current, state, forbidden)
        return current

    return all(
        after(one, other) == after(other, one) == after(one, other, one)
        for one, other in product(REPORTS, repeat=2)
    )


class Invariant(StrEnum):
    """What must hold, under the name by which the docs know it."""

    ONCE = "accepted per request at most once (R3)"
    SENT_IS_ACCEPTED = "sent means accepted"
    ACCEPTED_STAYS = "what was accepted is never pending, failed or skipped again"
    OPT_OUT = "no begin after an opt-out has returned (I4)"
    ABANDONED_ONLY = "nothing begins but for who is Abandoned and not being texted (R4)"
    RECOVERED_STAYS = "Recovered never goes back"
    REPORTS = "reports twice and in any order end in the same (I3)"
    PHONE = "one text per phone and day (R7)"
    NOT_FORGOTTEN = "what is pending or sending is looked at again"
    SETTLED = "everything can be settled by itself"


def _once(_: World, after: World) -> bool:
    return all(request.accepted <= 1 for request in after.requests)


def _sent_is_accepted(_: World, after: World) -> bool:
    return all(request.accepted or request.phase not in TAKEN for request in after.requests)


def _accepted_stays(_: World, after: World) -> bool:
    return all(
        not request.accepted or request.phase in TAKEN or request.phase in UNDER_WAY
        for request in after.requests
    )


def _opt_out(_: World, after: World) -> bool:
    return after.wrongly != "opted out"


def _abandoned_only(_: World, after: World) -> bool:
    return after.wrongly != "contacted or closed"


def _recovered_stays(before: World, after: World) -> bool:
    return all(
        old.status is not Status.RECOVERED or new.status is Status.RECOVERED
        for old, new in zip(before.requests, after.requests, strict=True)
    )


def _phone(_: World, after: World) -> bool:
    return after.texts_lately <= 1


def _not_forgotten(_: World, after: World) -> bool:
    return all(
        request.waits
        or request.phase not in (P.PENDING, P.SENDING)
        or (request.phase is P.PENDING and request.status is not Status.ABANDONED)
        for request in after.requests
    )


INVARIANTS: Final[dict[Invariant, Callable[[World, World], bool]]] = {
    Invariant.ONCE: _once,
    Invariant.SENT_IS_ACCEPTED: _sent_is_accepted,
    Invariant.ACCEPTED_STAYS: _accepted_stays,
    Invariant.OPT_OUT: _opt_out,
    Invariant.ABANDONED_ONLY: _abandoned_only,
    Invariant.RECOVERED_STAYS: _recovered_stays,
    Invariant.PHONE: _phone,
    Invariant.NOT_FORGOTTEN: _not_forgotten,
}
"""what is said of every step; :func:`is_settled` says where it all may end"""


def breaks(
    scope: Scope, invariants: Collection[Invariant] = tuple(Invariant)
) -> Callable[[World, World], str | None]:
    """What a step breaks of those, by name."""
    checks = [(name, holds) for name, holds in INVARIANTS.items() if name in invariants]
    in_order = Invariant.REPORTS in invariants

    def broken(before: World, after: World) -> str | None:
        if (
            after.requests is before.requests
            and after.texts_lately == before.texts_lately
            and after.wrongly is before.wrongly
        ):
            return None
        for name, holds in checks:
            if not holds(before, after):
                return name
        if in_order and not all(
            not request.accepted or _reports_are_settled(request, scope.forbidden)
            for request in after.requests
        ):
            return Invariant.REPORTS
        return None

    return broken


def is_settled(scope: Scope, world: World) -> bool:
    """Nobody is at work, and what is pending still is so for a reason that is not time."""
    return all(worker.at == "idle" for worker in world.workers) and all(
        request.phase is not P.SENDING
        and (request.phase is not P.PENDING or _waits_for_others(scope, world, which))
        for which, request in enumerate(world.requests)
    )


def _waits_for_others(scope: Scope, world: World, which: int) -> bool:
    request = world.requests[which]
    # Where no day ever passes, a phone that is taken stays so.
    taken = world.held_lately and world.holder != which and "a day" not in scope.happens
    return request.status is Status.CONTACTED or request.staff == "texting" or taken
