"""What a report costs (P1, P3) over a stream of requests, beside reading the stream alone.

The raw limit is one pass that looks at ``abandoned_at`` of every request. Memory is the peak of
what the report itself allocates, beside the requests, which a store would stream. The aim: a report
of 100,000 requests takes less than it takes to decode them, and memory that hardly grows.
Run: ``python benchmarks/performance_report.py [rounds]``.
"""

from __future__ import annotations

import statistics
import sys
import time
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

COUNT = 100_000
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

SUBJECTS: dict[str, Callable[[], object]] = {
    "reading abandoned_at, nothing more": lambda: sum(r.abandoned_at < END_AT for r in REQUESTS),
    "decoding them": lambda: [codec.request_from_dict(DECODED) for _ in range(COUNT // 10)],
    "tally, one row": lambda: tally(REQUESTS, YEAR, settings=SETTINGS, now=NOW),
    "tally by step and channel": lambda: tally(
        REQUESTS, YEAR, by=("step", "channel"), settings=SETTINGS, now=NOW
    ),
    "trend by day": lambda: trend(REQUESTS, YEAR, every="day", settings=SETTINGS, now=NOW),
}


def seconds(subject: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    subject()
    return time.perf_counter() - began


def peak_megabytes(subject: Callable[[], object]) -> float:
    """The most memory that one call held at once."""
    tracemalloc.start()
    subject()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main(rounds: int) -> None:
    """Print a table: microseconds a request, the ratio to decoding, and the peak of memory."""
    samples: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for _ in range(rounds):
        for name, subject in SUBJECTS.items():
            part = 10 if name == "decoding them" else 1
            samples[name].append(seconds(subject) / COUNT * part * 1e6)
    medians = {name: statistics.median(taken) for name, taken in samples.items()}
    heads = f"{'µs each':>9}{'x decoding':>12}{'peak MB':>10}"
    print(f"{f'{COUNT:,} requests':38}{heads}   median of {rounds}")
    for name, median in medians.items():
        peak = "" if name == "decoding them" else f"{peak_megabytes(SUBJECTS[name]):10.2f}"
        print(f"{name:38}{median:9.2f}{median / medians['decoding them']:12.3f}{peak}")


if __name__ == "__main__":
    main(rounds=max(5, int(sys.argv[1])) if len(sys.argv) > 1 else 5)
