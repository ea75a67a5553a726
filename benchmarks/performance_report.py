"""What a report costs (P1, P3) over a stream of requests, beside reading the stream alone.

The raw limit is one pass that looks at ``abandoned_at`` of every request. Memory is the peak of
what the report itself allocates, beside the requests, which a store would stream. The aim: a report
of 100,000 requests takes less than it takes to decode them, and memory that hardly grows.

Run: ``python -m benchmarks.performance_report``.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import attrs

from abandoned_booking.core import codec
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.model import (
    STANDARD_STEPS,
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    Recovery,
    Status,
)
from abandoned_booking.core.performance import tally
from abandoned_booking.core.periods import Period
from abandoned_booking.core.trends import trend
from abandoned_booking.testing import a_request
from benchmarks._harness import Bench, Take, pick, seconds

COUNT = pick(full=100_000, quick=20_000, tiny=200)
YEAR = Period(date(2026, 1, 1), date(2027, 1, 1))
NOW = datetime(2027, 2, 1, tzinfo=UTC)
SETTINGS = BusinessSettings(business_id="paws", name="Paws & Co", timezone="America/New_York")


def request_number(number: int) -> AbandonedRequest:
    """Every second one contacted, every sixth won back, spread over the year."""
    at = datetime(2026, 1, 1, 12, tzinfo=UTC) + number * timedelta(seconds=311)
    request = attrs.evolve(
        TEMPLATE,
        id=f"r{number}",
        abandoned_at=at,
        listed_at=at + timedelta(hours=1),
        step=STANDARD_STEPS[number % len(STANDARD_STEPS)],
    )
    if number % 2:
        return request
    contact = Contact(
        id="m",
        channel=Channel.RECOVERY_MESSAGE,
        at=at + timedelta(minutes=61 + number % 97),
        state=ContactState.DELIVERED,
        segments=1,
    )
    recovery = Recovery(at=at + timedelta(hours=5)) if number % 6 == 0 else None
    status = Status.RECOVERED if recovery else Status.CONTACTED
    return attrs.evolve(request, contacts=(contact,), status=status, recovery=recovery)


TEMPLATE = a_request()
REQUESTS = [request_number(number) for number in range(COUNT)]
DECODED = codec.request_to_dict(REQUESTS[0])
END_AT = datetime(2027, 1, 1, tzinfo=UTC)

DECODING = "decoding them"
READING = "reading abandoned_at, nothing more"
SUBJECTS: dict[str, Callable[[], object]] = {
    READING: lambda: sum(r.abandoned_at < END_AT for r in REQUESTS),
    "tally, one row": lambda: tally(REQUESTS, YEAR, settings=SETTINGS, now=NOW),
    "tally by step and channel": lambda: tally(
        REQUESTS, YEAR, by=("step", "channel"), settings=SETTINGS, now=NOW
    ),
    "trend by day": lambda: trend(REQUESTS, YEAR, every="day", settings=SETTINGS, now=NOW),
}


def microseconds(subject: Callable[[], object], *, requests: int = COUNT) -> Take:
    """The time for each request."""
    return lambda: seconds(subject) / requests * 1e6


def decoding() -> None:
    for _ in range(COUNT // 10):
        codec.request_from_dict(DECODED)


def peak_megabytes(subject: Callable[[], object]) -> float:
    """The most memory that one call held at once."""
    tracemalloc.start()
    subject()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    bench = Bench("reports")
    takes = {name: microseconds(subject) for name, subject in SUBJECTS.items()}
    takes[DECODING] = microseconds(decoding, requests=COUNT // 10)
    medians = bench.in_turns(
        "a report, for each request", takes, unit="µs", raw=[READING, DECODING], rows=COUNT
    )
    peaks = {name: peak_megabytes(subject) for name, subject in SUBJECTS.items()}
    slowest = max(list(SUBJECTS)[1:], key=lambda name: medians[name])
    bench.judge(
        "a report over a stream",
        rows=COUNT,
        ours=f"{slowest} {medians[slowest]:.1f} µs, peak {max(peaks.values()):.1f} MB",
        raw=f"decoding {medians[DECODING]:.1f} µs",
        ratio=medians[slowest] / medians[DECODING],
        aim="at most 1 × decoding the stream",
    )


if __name__ == "__main__":
    main()
