"""An independent count of a log: a plain state machine over (session, client, step, at) rows.

It shares no code with the library. What it knows of the rules: two hours (or a clock time) after
the last event a request that is still abandoned gets its text (T1, T2), events at that very instant
come first; a phone that got one less than 24 h ago waits (R7), asked again every five minutes for
an hour (T4); a booking closes every open request of the client (C5, C6); what comes after it is a
new one (C7); a session with nothing but bookings is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Row = tuple[str, str, str, datetime]
"""session, client, step or ``booked``, instant"""


@dataclass
class Request:
    session: str
    client: str
    last: datetime
    step: str
    status: str = "abandoned"
    closed: datetime | None = None
    tries: Iterator[datetime] = field(default_factory=lambda: iter(()))
    next_try: datetime | None = None


def after(delay: timedelta) -> Callable[[datetime], Iterator[datetime]]:
    """When a delay message is tried: then, and every five minutes for an hour."""
    return lambda last: (last + delay + timedelta(minutes=5 * k) for k in range(13))


def at_clock(
    hour: int, zone: str, days: Iterable[int] = range(7)
) -> Callable[[datetime], Iterator[datetime]]:
    """When a clock message is tried: from the first such hour an hour after the last event on."""
    chosen = set(days)

    def tries(last: datetime) -> Iterator[datetime]:
        for n in count():
            day = last.astimezone(ZoneInfo(zone)).date() + n * DAY
            start = datetime.combine(day, time(hour), ZoneInfo(zone)).astimezone(UTC)
            if day.weekday() in chosen and start >= last + HOUR:
                yield from (start + timedelta(minutes=5 * k) for k in range(13))

    return tries


def never(_: datetime) -> Iterator[datetime]:
    return iter(())


def independent_count(
    rows: Iterable[Row],
    tries: Callable[[datetime], Iterator[datetime]],
    order: tuple[str, ...],
    until: datetime | None = None,
) -> dict[str, object]:
    """The figures of ``replay --json``, counted by hand."""
    ordered = sorted(rows, key=lambda row: (row[3], row[2] == "booked"))
    until = until or ordered[-1][3]
    ordered = [row for row in ordered if row[3] <= until]
    requests: list[Request] = []
    messaged: dict[str, datetime] = {}
    sent = 0

    def send_before(limit: datetime) -> None:
        nonlocal sent
        while True:
            due = [r for r in requests if r.next_try is not None and r.next_try < limit]
            if not due:
                return
            request = min(due, key=lambda r: r.next_try or limit)
            at = request.next_try
            assert at is not None
            if request.client in messaged and at - messaged[request.client] < DAY:
                request.next_try = next(request.tries, None)
                continue
            messaged[request.client], request.status, request.next_try = at, "contacted", None
            sent += 1

    for session, client, step, at in ordered:
        send_before(at)
        if step == "booked":
            for request in requests:
                if request.closed is None and client == request.client:
                    won = request.status == "contacted"
                    request.status = "recovered" if won else "completed"
                    request.closed, request.next_try = at, None
            continue
        current = next((r for r in reversed(requests) if r.session == session), None)
        if current is None or (current.closed is not None and at > current.closed):
            current = Request(session, client, at, step)
            requests.append(current)
        elif current.closed is not None:
            continue
        elif at > current.last or order.index(step) > order.index(current.step):
            current.last, current.step = at, step
        if current.status == "abandoned":
            current.tries = tries(current.last)
            current.next_try = next(current.tries, None)
    send_before(until + timedelta(microseconds=1))
    ends = Counter(request.status for request in requests)
    still_open = Counter(request.step for request in requests if request.closed is None)
    return {
        "events": len(ordered),
        "sessions": len({row[0] for row in ordered}),
        "requests": len(requests),
        **{name: ends[name] for name in ("abandoned", "contacted", "recovered", "completed")},
        "messages_sent": sent,
        "duplicates": 0,
        "by_step": dict(still_open),
    }
