"""The sending protocol, small enough to walk through every state of it.

One business, one phone, one or two requests of its holder, a few workers. Every step of
:mod:`abandoned_booking.sweep` and of the doors that may cross it is one step here, and any of them
may come next: a worker may die or stand still anywhere, a claim may end at any time (there are no
clocks here: whoever is to be looked at again may be claimed), a gateway may answer whatever its
contract allows. A message's phases are those of :data:`abandoned_booking.core.sending.PHASES`.

What is left out, and why nothing is lost by it:

- *Versions* are not counted. A worker holds the stored version or an older one; only that decides a
  compare-and-set. So the states are finite, although versions grow for ever.
- A step that loads, changes and saves until it wins (``Parts.update``) is one step: what it did
  before it won changed nothing.
- A gateway that can be asked is asked for ever, not for a day.
- Money, texts and lists.

:class:`~model.world.Forbidden` has everything that looks like an improvement,
:mod:`model.invariants` what must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from model.world import (
    CLOSED,
    IDLE,
    NEXT,
    NOBODY,
    REPORTS,
    TAKEN,
    UNDER_WAY,
    Act,
    Forbidden,
    P,
    Request,
    Scope,
    Step,
    Worker,
    World,
)

from abandoned_booking.core.model import Status


def steps(scope: Scope, world: World) -> Iterator[Step]:
    """Whatever may happen next; which of two workers in one state does it is left open."""
    for act, after, by_itself in raw_steps(scope, world):
        if after.workers is not world.workers:
            after = after._replace(workers=tuple(sorted(after.workers)))
        yield act, after, by_itself


def raw_steps(scope: Scope, world: World) -> Iterator[Step]:
    """The same, with every worker in its place."""
    for number, worker in enumerate(world.workers):
        if number and worker == world.workers[number - 1]:
            continue  # its twin has done the same
        if worker.at == "idle":
            yield from _claims(world, number, scope)
        else:
            yield Act(number, "dies"), _with(world, number, IDLE), False
            for act, after in _GO_ON[worker.at](world, number, worker, scope.forbidden):
                yield act, after, True
    yield from _others(world, scope)


# ── changing one thing ──────────────────────────────────────────────────────────────────────────


def _with(world: World, number: int, worker: Worker) -> World:
    workers = world.workers
    return world._replace(workers=(*workers[:number], worker, *workers[number + 1 :]))


_HOLDS_A_VERSION: Final = frozenset({"claimed", "asked", "reserved", "settling"})


def _saved(world: World, which: int, request: Request, *, moved: bool = True) -> World:
    """The world with a request written: whoever holds an older version has lost."""
    requests = (*world.requests[:which], request, *world.requests[which + 1 :])
    workers = world.workers
    if moved:
        workers = tuple(
            worker._replace(fresh=False)
            if worker.request == which and worker.fresh and worker.at in _HOLDS_A_VERSION
            else worker
            for worker in workers
        )
    return world._replace(requests=requests, workers=workers)


def _rescheduled(request: Request) -> Request:
    """``core.planning.rescheduled``: what every door runs over what it has changed."""
    if request.phase in UNDER_WAY:
        return request
    if request.phase is P.PENDING and request.status in CLOSED:
        return request._replace(phase=NEXT[P.PENDING]["skip"], waits=False)
    waits = request.phase is P.PENDING and request.status is Status.ABANDONED
    return request._replace(waits=waits)


def _taken(request: Request, step: str) -> Request:
    """The request after an answer or a report that says *taken*; the same if that is no news."""
    phase = NEXT[request.phase].get(step)
    if phase is None:
        return request
    status = request.status
    if status not in CLOSED:
        failed = phase is P.UNDELIVERED and not request.staff_counts
        status = Status.ABANDONED if failed else Status.CONTACTED
    return request._replace(phase=phase, status=status, waits=False)


# ── a worker ────────────────────────────────────────────────────────────────────────────────────

_GoesOn = Iterator[tuple[Act, World]]


def _claims(world: World, number: int, scope: Scope) -> Iterator[Step]:
    """0. Whoever waits may be claimed: its time has come, or another's claim has ended."""
    for which, request in enumerate(world.requests):
        if not request.waits:
            continue
        if Forbidden.EXPIRED_BACK_TO_PENDING in scope.forbidden and request.phase is P.SENDING:
            request = request._replace(phase=P.PENDING)
        if Forbidden.CLAIMS_NEVER_END in scope.forbidden:
            request = request._replace(waits=False)
        claimed = _saved(world, which, request)
        worker = Worker("claimed", which, fresh=True, held=request)
        yield Act(number, "claims", which), _with(claimed, number, worker), True


def _asks(world: World, number: int, worker: Worker, forbidden: Collection[Forbidden]) -> _GoesOn:
    """1. Ask the core, with the request as it was claimed and fresh facts."""
    del forbidden
    held = worker.held
    assert isinstance(held, Request)
    if held.phase in UNDER_WAY:
        if world.requests[worker.request].accepted:
            found = Worker("looked up", worker.request)
            yield Act(number, "looks up", worker.request, "found"), _with(world, number, found)
        doubt = worker._replace(at="settling", what="doubt", held=())
        yield Act(number, "looks up", worker.request, "not found"), _with(world, number, doubt)
        return
    what = decision(held, suppressed=world.suppressed, late=world.late)
    at = "asked" if what == "send" else "settling"
    decided = Worker(at, worker.request, "" if what == "send" else what, worker.fresh)
    yield Act(number, "asks", worker.request, what), _with(world, number, decided)


def decision(held: Request, *, suppressed: bool, late: bool) -> str:
    """``core.planning.plan``: send, skip, wait (look again) or leave (until something changes)."""
    if held.phase is not P.PENDING:
        return "leave"
    if late:
        return "skip"
    if held.status is Status.CONTACTED:
        return "leave"
    if suppressed or held.status in CLOSED:
        return "skip"
    return "wait" if held.staff == "texting" else "send"


def _reserves(
    world: World, number: int, worker: Worker, forbidden: Collection[Forbidden]
) -> _GoesOn:
    """2. Reserve the phone, in the name of the request's message."""
    del forbidden
    if world.holder in (NOBODY, worker.request) or not world.held_lately:
        reserved = world._replace(holder=worker.request, held_lately=True)
        after = _with(reserved, number, worker._replace(at="reserved"))
        yield Act(number, "reserves the phone", worker.request), after
    else:
        waiting = worker._replace(at="settling", what="wait")
        act = Act(number, "finds the phone taken", worker.request)
        yield act, _with(world, number, waiting)


def _begins(world: World, number: int, worker: Worker, forbidden: Collection[Forbidden]) -> _GoesOn:
    """3. The compare-and-set after which there is no way back."""
    which, before = worker.request, world.requests[worker.request]
    if not worker.fresh and Forbidden.BEGIN_WITHOUT_CAS not in forbidden:
        after = _with(world, number, IDLE)
        if Forbidden.RELEASE_AFTER_LOST_BEGIN in forbidden:
            after = _released(after, which)
        yield Act(number, "begins too late", which), after
        return
    begun = before._replace(phase=NEXT[before.phase].get("begin", P.SENDING), waits=True)
    after = _saved(world, which, begun)
    workers = tuple(
        other._replace(fresh=False) if other.request == which else other for other in after.workers
    )
    wrongly = world.wrongly
    if before.status is not Status.ABANDONED or before.staff == "texting":
        wrongly = "contacted or closed"
    elif world.opt_out > len(world.requests) + 1:
        wrongly = "opted out"
    after = after._replace(workers=workers, wrongly=wrongly)
    yield Act(number, "begins", which), _with(after, number, Worker("begun", which, fresh=True))


_ANSWERS: Final = (
    (1, "accepted"),
    (1, "unknown"),
    (0, "unknown"),
    (0, "not sent"),
    (0, "rejected"),
)
"""how often the provider has taken it then, and what it says"""


def _sends(world: World, number: int, worker: Worker, forbidden: Collection[Forbidden]) -> _GoesOn:
    """4. Hand it to the gateway, once."""
    answers = list(_ANSWERS)
    if Forbidden.SDK_RETRIES in forbidden:
        answers.append((2, "accepted"))
    if Forbidden.GATEWAY_DENIES_WHAT_IT_TOOK in forbidden:
        answers.append((1, "not sent"))
    for times, answer in answers:
        which, request = worker.request, world.requests[worker.request]
        accepted = min(request.accepted + times, 2)
        after = world._replace(
            requests=(
                *world.requests[:which],
                request._replace(accepted=accepted),
                *world.requests[which + 1 :],
            ),
            texts_lately=min(world.texts_lately + times, 2),
        )
        again = answer == "unknown" and Forbidden.RETRY_ON_5XX in forbidden
        answered = worker._replace(at="begun" if again else "answered", what=answer)
        how = f"{'taken' if times else 'not taken'}, and answers: {answer}"
        yield Act(number, "sends", which, how), _with(after, number, answered)


def _is_no(worker: Worker, forbidden: Collection[Forbidden]) -> bool:
    released = {"not sent", "rejected"}
    if Forbidden.RELEASE_AFTER_UNKNOWN in forbidden:
        released.add("unknown")
    return worker.what in released


def _heard(world: World, number: int, worker: Worker, forbidden: Collection[Forbidden]) -> _GoesOn:
    """5a. A *no* gives the phone back, before anybody can begin again."""
    if _is_no(worker, forbidden) and Forbidden.RELEASE_AFTER_RECORD not in forbidden:
        freed = _with(_released(world, worker.request), number, worker._replace(at="released"))
        yield Act(number, "frees the phone", worker.request), freed
    else:
        yield from _records(world, number, worker, forbidden)


def _released(world: World, which: int) -> World:
    return world if world.holder != which else world._replace(holder=NOBODY, held_lately=False)


def _records(
    world: World, number: int, worker: Worker, forbidden: Collection[Forbidden]
) -> _GoesOn:
    """5b. Save the answer, whatever has happened meanwhile."""
    which, before = worker.request, world.requests[worker.request]
    if Forbidden.RECORD_BLINDLY in forbidden:
        before = before._replace(phase=P.SENDING, status=Status.ABANDONED)
    after = answered(before, worker.what, is_last=worker.fresh)
    if worker.what == "unknown" and Forbidden.TIMEOUT_IS_SUCCESS in forbidden:
        after = _taken(before, "accepted")
    last = IDLE
    if _is_no(worker, forbidden) and Forbidden.RELEASE_AFTER_RECORD in forbidden:
        last = Worker("recorded", which)
    saved = world if after is before else _saved(world, which, after)
    yield Act(number, "records", which, worker.what), _with(saved, number, last)


def answered(request: Request, answer: str, *, is_last: bool) -> Request:
    """``core.sending.after_result``: the very same request if the answer tells nothing new."""
    if answer == "accepted":
        return _taken(request, answer)
    phase = NEXT[request.phase].get(answer)
    if phase is None or (answer != "unknown" and not is_last):
        return request
    if answer == "unknown":
        return request._replace(phase=phase, waits=True)
    return _rescheduled(request._replace(phase=phase, waits=False))


def _frees_late(
    world: World, number: int, worker: Worker, forbidden: Collection[Forbidden]
) -> _GoesOn:
    del forbidden
    after = _with(_released(world, worker.request), number, IDLE)
    yield Act(number, "frees the phone", worker.request), after


def _finds(world: World, number: int, worker: Worker, forbidden: Collection[Forbidden]) -> _GoesOn:
    """The gateway has the message: that is recorded, whoever was faster."""
    del forbidden
    before = world.requests[worker.request]
    after = _taken(before, "accepted")
    saved = world if after is before else _saved(world, worker.request, after)
    yield Act(number, "records", worker.request, "found"), _with(saved, number, IDLE)


def _settles(
    world: World, number: int, worker: Worker, forbidden: Collection[Forbidden]
) -> _GoesOn:
    """What is not sent is saved with its reasons, unless somebody was faster."""
    which = worker.request
    if not worker.fresh:
        yield Act(number, "saves too late", which, worker.what), _with(world, number, IDLE)
        return
    after = settled(world.requests[which], worker.what)
    if worker.what == "doubt" and Forbidden.RESEND_AFTER_NOT_FOUND in forbidden:
        after = after._replace(phase=P.PENDING, waits=True)
    if worker.what == "doubt" and Forbidden.DOUBT_IS_FAILURE in forbidden:
        after = after._replace(phase=P.FAILED, waits=False)
    saved = _saved(world, which, after)
    yield Act(number, "saves", which, worker.what), _with(saved, number, IDLE)


def settled(request: Request, what: str) -> Request:
    """The request that is not sent to: skipped, left alone, or to be looked at again."""
    match what:
        case "skip":
            return request._replace(phase=NEXT[request.phase]["skip"], waits=False)
        case "doubt":
            phase = NEXT[request.phase].get("unknown", P.UNCONFIRMED)
            return request._replace(phase=phase, waits=True)
        case _:
            return request._replace(waits=what == "wait")


_GO_ON: Final[dict[str, Callable[[World, int, Worker, Collection[Forbidden]], _GoesOn]]] = {
    "claimed": _asks,
    "asked": _reserves,
    "reserved": _begins,
    "begun": _sends,
    "answered": _heard,
    "released": _records,
    "recorded": _frees_late,
    "looked up": _finds,
    "settling": _settles,
}


# ── everybody else ──────────────────────────────────────────────────────────────────────────────


def _others(world: World, scope: Scope) -> Iterator[Step]:
    for which, request in enumerate(world.requests):
        for act, changed, moved in _people(which, request, scope):
            yield act, _saved(world, which, changed, moved=moved), False
        if "return" in scope.happens and request.status not in CLOSED:
            returned = _saved(world, which, revived(request))._replace(late=False)
            yield Act(NOBODY, "the visitor goes on", which), returned, False
    if "opt out" in scope.happens:
        yield from _opts_out(world, scope.forbidden)
    if "a day" in scope.happens and (world.held_lately or world.texts_lately):
        sends = any(worker.at in ("asked", "reserved", "begun") for worker in world.workers)
        if not sends or Forbidden.SLEEP_FOR_A_DAY in scope.forbidden:
            a_day_on = world._replace(held_lately=False, texts_lately=0)
            yield Act(NOBODY, "a day passes"), a_day_on, True
    if "late" in scope.happens and not world.late:
        yield Act(NOBODY, "the grace ends"), world._replace(late=True), False


def _people(which: int, request: Request, scope: Scope) -> Iterator[tuple[Act, Request, bool]]:
    """What visitor, staff and provider do to one request; the last: whether its version moves."""
    happens, is_open = scope.happens, request.status not in CLOSED
    if "book" in happens and is_open:
        moves = Forbidden.BOOKING_MOVES_NO_VERSION not in scope.forbidden
        yield Act(NOBODY, "the client books", which), booked(request), moves
    moves = Forbidden.CONTACT_MOVES_NO_VERSION not in scope.forbidden
    for act, changed in _staff(which, request, happens):
        yield act, changed, moves
    if "report" in happens and request.accepted:
        for state in REPORTS:
            changed = reported(request, state, scope.forbidden)
            if changed is not request:
                yield Act(NOBODY, "the provider reports", which, state), changed, True
    if "import" in happens:
        yield Act(NOBODY, "the log is imported again", which), *_imported(request, scope.forbidden)


def booked(request: Request) -> Request:
    """C5: recovered after a contact, completed without one."""
    contacted = request.status is Status.CONTACTED
    status = Status.RECOVERED if contacted else Status.COMPLETED
    return _rescheduled(request._replace(status=status))


def _staff(which: int, request: Request, happens: frozenset[str]) -> Iterator[tuple[Act, Request]]:
    if "call" in happens and request.staff == "" and request.status not in CLOSED:
        called = request._replace(staff="called", status=Status.CONTACTED)
        yield Act(NOBODY, "the staff call", which), _rescheduled(called)
    if request.staff == "called" and request.status not in CLOSED:
        back = Status.CONTACTED if request.phase in (P.SENT, P.DELIVERED) else Status.ABANDONED
        undone = request._replace(staff="undone", status=back)
        yield Act(NOBODY, "the staff take the call back", which), _rescheduled(undone)
    if "text" in happens and request.staff == "" and request.status not in CLOSED:
        texting = _rescheduled(request._replace(staff="texting"))
        yield Act(NOBODY, "a text of the staff begins", which), texting
    if request.staff == "texting":
        status = request.status if request.status in CLOSED else Status.CONTACTED
        texted = _rescheduled(request._replace(staff="texted", status=status))
        yield Act(NOBODY, "the text of the staff is accepted", which), texted
        refused = _rescheduled(request._replace(staff="refused"))
        yield Act(NOBODY, "the text of the staff is refused", which), refused


def reported(request: Request, state: str, forbidden: Collection[Forbidden] = ()) -> Request:
    """I3: the very same request if the report tells nothing new."""
    if Forbidden.LAST_REPORT_WINS in forbidden and request.phase in TAKEN:
        request = request._replace(phase=P.SENDING)
    return _taken(request, state)


def revived(request: Request) -> Request:
    """C2: new activity is thought about again, if the message was only skipped."""
    phase = NEXT[request.phase].get("revive", request.phase)
    return _rescheduled(request._replace(phase=phase))


def _imported(request: Request, forbidden: Collection[Forbidden]) -> tuple[Request, bool]:
    """R3: the log's request has the id of the one that is there, and changes nothing."""
    if Forbidden.IMPORT_ANEW in forbidden:
        return Request(accepted=request.accepted), True
    return request, False


def _opts_out(world: World, forbidden: Collection[Forbidden]) -> Iterator[Step]:
    """I4: first the suppression, then the version of every open request; then it has returned.

    It may stop anywhere: the provider tells of it again. Only what has returned is a promise.
    """
    returned = len(world.requests) + 2
    if world.opt_out == returned:
        return
    at = world.opt_out
    write_at = len(world.requests) if Forbidden.VERSION_BEFORE_SUPPRESSION in forbidden else 0
    after, by_itself = world._replace(opt_out=at + 1), at > 0
    if at == returned - 1:
        yield Act(NOBODY, "the opt-out has returned"), after, True
    elif at == write_at:
        yield Act(NOBODY, "the suppression is written"), after._replace(suppressed=True), by_itself
    else:
        which = at - (write_at < at)
        request = world.requests[which]
        moves = Forbidden.OPT_OUT_MOVES_NO_VERSION not in forbidden
        noted = request if request.status in CLOSED else _rescheduled(request)
        moved = _saved(after, which, noted, moved=moves and request.status not in CLOSED)
        yield Act(NOBODY, "the opt-out moves the version", which), moved, by_itself
