"""The backtest: what would this campaign have done with the visitors of this log?

A log of a booking flow is read and checked (:mod:`.log`), its clients may be given made-up people
(:mod:`.people`), and its events go through the doors in time order while a simulated clock runs the
sweep at every instant at which something is due (:mod:`.simulation`). Nothing is sent: texts end in
a recording gateway::

    from abandoned_booking.backtest import LogFormat, read_log, replay, with_synthetic_people

    log = read_log("funnel.csv", LogFormat(columns={"session": "visitor"}), settings)
    report = replay(with_synthetic_people(log.events), settings)

Rules held here: C3 (a second replay of the same log changes nothing and sends nothing), R3 (no
request gets two messages; counted as ``duplicates``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from abandoned_booking.backtest.log import BOOKED, BadLine, Log, LogFormat, read_log
from abandoned_booking.backtest.people import CAPACITY, synthetic_people, with_synthetic_people
from abandoned_booking.backtest.simulation import Simulation, WholeStore
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.flow import Booked, Progress
from abandoned_booking.core.instants import as_utc
from abandoned_booking.core.model import AbandonedRequest, MessagePhase, Reason, Status
from abandoned_booking.core.sending import attempt_id_of

__all__ = [
    "BOOKED",
    "CAPACITY",
    "BadLine",
    "Log",
    "LogFormat",
    "ReplayReport",
    "Simulation",
    "WholeStore",
    "read_log",
    "replay",
    "synthetic_people",
    "with_synthetic_people",
]

LogEvent: TypeAlias = Progress | Booked

_TAKEN: Final = frozenset({MessagePhase.SENT, MessagePhase.DELIVERED, MessagePhase.UNDELIVERED})


@attrs.frozen(kw_only=True)
class ReplayReport:
    """How the requests of one log ended. The four statuses add up to ``requests``."""

    events: int
    """events that were fed: those at or before ``until``"""
    sessions: int
    """booking sessions among them"""
    requests: int
    """what these sessions became; one of which only bookings were reported is none"""
    abandoned: int
    contacted: int
    recovered: int
    completed: int
    messages_sent: int
    """texts that the gateway accepted in this very run"""
    duplicates: int
    """requests that got more than one accepted message, in this run and before it together"""
    by_step: Mapping[str, int]
    """requests that ended neither completed nor recovered, by the step they were left at, in the
    order of the flow; steps without any are left out"""
    not_sent: Mapping[Reason, int]
    """how often each reason spoke against a message that was given up"""


def replay(
    events: Iterable[LogEvent],
    settings: BusinessSettings,
    *,
    store: WholeStore | None = None,
    until: datetime | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ReplayReport:
    """Feed the events of one business in time order and send what falls due on the way.

    ``until`` (aware; the last event unless told) ends the simulation: messages due by then are
    sent, later events are not fed. At one instant, progress comes first, then bookings, then what
    is due: who is active at that very moment is not texted.

    The run itself is done in memory. At its end ``store`` holds the result; a crash before that
    leaves it as it was, one while the result is written is made good by the same replay again.
    Only requests of this business are touched. ``settings`` must be those that the store already
    has for the business, if it has any; they are put there if it has none.

    ``on_progress(done, of)`` is called now and then.

    Raises :class:`InvalidInput` for a naive ``until``, :class:`ConcurrentUpdate` if somebody else
    changed a request in ``store`` meanwhile, and what the store raises.
    """
    in_order = _in_time_order(events)
    ends_at = _end_of(in_order, until)
    fed = [event for event in in_order if ends_at is not None and event.at <= ends_at]
    simulation = Simulation(settings, store=store)
    taken_before = {request.id for request in simulation.requests() if _was_taken(request)}
    for event in fed:
        simulation.plan(event.at, partial(_report, simulation, event))
    if ends_at is not None:
        simulation.run(until=ends_at, on_progress=on_progress)
    simulation.put_back(on_progress=on_progress)
    sessions = {event.session_id for event in fed}
    requests = [
        request
        for request in simulation.requests()
        if request.session_id in sessions and request.step is not None
    ]
    return _counted(fed, requests, simulation, settings, taken_before)


def _in_time_order(events: Iterable[LogEvent]) -> Sequence[LogEvent]:
    return sorted(events, key=lambda event: (event.at, isinstance(event, Booked)))


def _end_of(in_order: Sequence[LogEvent], until: datetime | None) -> datetime | None:
    if until is not None:
        return as_utc(until, field="until")
    return in_order[-1].at if in_order else None


def _report(simulation: Simulation, event: LogEvent) -> None:
    capture = simulation.bookings.capture
    if isinstance(event, Booked):
        capture.booked(event)
    else:
        capture.progress(event)


def _was_taken(request: AbandonedRequest) -> bool:
    return request.message.phase in _TAKEN


def _counted(
    fed: Sequence[LogEvent],
    requests: Sequence[AbandonedRequest],
    simulation: Simulation,
    settings: BusinessSettings,
    taken_before: set[str],
) -> ReplayReport:
    statuses = Counter(request.status for request in requests)
    left_at = Counter(str(request.step) for request in requests if request.is_open)
    accepted = simulation.gateway.accepted
    given_up = Counter(
        reason
        for request in requests
        if request.message.phase in {MessagePhase.SKIPPED, MessagePhase.FAILED}
        for reason in request.message.reasons
    )
    return ReplayReport(
        events=len(fed),
        sessions=len({event.session_id for event in fed}),
        requests=len(requests),
        abandoned=statuses[Status.ABANDONED],
        contacted=statuses[Status.CONTACTED],
        recovered=statuses[Status.RECOVERED],
        completed=statuses[Status.COMPLETED],
        messages_sent=accepted.total(),
        duplicates=sum(
            accepted[attempt_id_of(request.id)] + (request.id in taken_before) > 1
            for request in requests
        ),
        by_step=MappingProxyType(
            {str(step): left_at[step] for step in settings.steps if left_at[step]}
        ),
        not_sent=MappingProxyType(
            {reason: given_up[reason] for reason in Reason if given_up[reason]}
        ),
    )
