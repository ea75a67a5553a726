"""A real log of visitors, replayed by the installed command, against an independent count (R3, R7).

The log stands beside the project; without it these tests skip.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from replay_oracle import Row, after, at_clock, independent_count, never

COMMAND: Final = Path(sys.executable).parent / "abandoned-booking"
STEPS: Final = {
    "start": "address",
    "step_1": "pet",
    "step_2": "service",
    "step_3": "time",
    "confirm": "booked",
}
ORDER: Final = ("address", "pet", "service", "time")
MAPPING: Final = (
    "--columns",
    "session=visitor,client=visitor,step=process_step,at=at",
    "--steps",
    ",".join(f"{raw}={step}" for raw, step in STEPS.items()),
)
NEW_YORK: Final = "America/New_York"

Tries = Callable[[datetime], Iterator[datetime]]


def rows_of(log: Path) -> list[Row]:
    with log.open(newline="", encoding="utf-8") as file:
        return [
            (
                row["visitor"],
                row["visitor"],
                STEPS[row["process_step"]],
                datetime.fromisoformat(row["at"]),
            )
            for row in csv.DictReader(file)
        ]


def replayed(log: Path, *options: str) -> dict[str, Any]:
    ran = subprocess.run(
        [COMMAND, "replay", log, *MAPPING, *options, "--json"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.stderr == ""
    figures = json.loads(ran.stdout)
    assert isinstance(figures, dict)
    return figures


def content_of(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("campaign", "tries"),
    [
        ("after=2h", after(timedelta(hours=2))),
        ("after=10m", after(timedelta(minutes=10))),
        ("after=24h", after(timedelta(hours=24))),
        ("daily=09:00", at_clock(9, NEW_YORK)),
        ("weekdays=09:00", at_clock(9, NEW_YORK, range(5))),
        ("weekends=10:00", at_clock(10, NEW_YORK, (5, 6))),
        ("off", never),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_counts_agree_with_an_independent_count(
    funnel_log: Path, campaign: str, tries: Tries
) -> None:
    figures = replayed(
        funnel_log, "--timezone", NEW_YORK, "--campaign", campaign, "--people", "synthetic"
    )
    assert figures == independent_count(rows_of(funnel_log), tries, ORDER)
    ends = ("abandoned", "contacted", "recovered", "completed")
    assert sum(figures[end] for end in ends) == figures["requests"]
    assert figures["duplicates"] == 0


def test_an_earlier_end_counts_only_what_happened_by_then(funnel_log: Path) -> None:
    until = "2017-04-15T12:00:00+00:00"
    figures = replayed(
        funnel_log, "--campaign", "after=2h", "--people", "synthetic", "--until", until
    )
    counted = independent_count(
        rows_of(funnel_log), after(timedelta(hours=2)), ORDER, datetime.fromisoformat(until)
    )
    assert 0 < figures["events"] < 300
    assert figures == counted


def test_without_made_up_people_nobody_has_a_phone_and_nobody_is_messaged(funnel_log: Path) -> None:
    figures = replayed(funnel_log, "--campaign", "after=2h")
    assert figures == independent_count(rows_of(funnel_log), never, ORDER)


def test_a_second_replay_changes_nothing_and_sends_nothing(
    funnel_log: Path, tmp_path: Path
) -> None:
    store = tmp_path / "bookings.db"
    options = ("--campaign", "after=2h", "--people", "synthetic", "--store", str(store))
    first = replayed(funnel_log, *options)
    content = content_of(store)
    assert first["messages_sent"] > 20
    second = replayed(funnel_log, *options)
    assert content_of(store) == content
    assert second == {**first, "messages_sent": 0}


def test_a_log_replayed_in_two_halves_ends_like_the_whole(funnel_log: Path, tmp_path: Path) -> None:
    options = ("--campaign", "daily=09:00", "--people", "synthetic", "--timezone", NEW_YORK)
    whole, halves = tmp_path / "whole.db", tmp_path / "halves.db"
    at_once = replayed(funnel_log, *options, "--store", str(whole))
    until = "2017-04-12T20:31:00Z"
    first = replayed(funnel_log, *options, "--store", str(halves), "--until", until)
    second = replayed(funnel_log, *options, "--store", str(halves))
    assert 0 < first["messages_sent"] < at_once["messages_sent"]
    assert first["messages_sent"] + second["messages_sent"] == at_once["messages_sent"]
    assert second == {**at_once, "messages_sent": second["messages_sent"]}
