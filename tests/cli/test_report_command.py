"""``abandoned-booking report``: the figures, the tables and the charts (P1-P3)."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cli_world import Answer, Command

from abandoned_booking.cli import _figures
from abandoned_booking.core.holdout import Arm, Lift

NOW: Final = "2026-03-02T17:00:00Z"
MARCH: Final = ("--from", "2026-03-01", "--to", "2026-04-01")
FIGURES: Final = {
    *("abandoned", "contacted", "recovered", "reversed", "net_recovered", "sent", "delivered"),
    *("replied", "opted_out", "credits", "contact_rate", "recovery_rate", "net_recovery_rate"),
    *("median_seconds_to_contact", "median_seconds_to_recovery"),
}


@pytest.fixture
def told(command: Command, salon_file: Path) -> Any:
    def asked(*options: object) -> Answer:
        answer = command("report", "--store", salon_file, "--now", NOW, *options)
        assert (answer.code, answer.err) == (0, "")
        return answer

    return asked


def test_the_figures_of_a_period_come_with_their_intervals(told: Any) -> None:
    found = told(*MARCH, "--json").json
    total = found["total"]
    assert set(total) == FIGURES
    assert (total["abandoned"], total["contacted"], total["recovered"]) == (5, 2, 1)
    assert (total["sent"], total["net_recovered"], total["reversed"]) == (1, 1, 0)
    assert total["recovery_rate"]["value"] == 0.2
    assert total["recovery_rate"]["low"] < 0.2 < total["recovery_rate"]["high"]
    assert total["median_seconds_to_recovery"] == 5 * 3600
    assert (found["from"], found["to"]) == ("2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z")
    assert (found["rows"], found["points"], found["every"]) == ([], [], None)
    assert (found["chart"], found["timezone"]) == (None, "America/New_York")
    assert found["lift"]["difference"] is None


def test_out_of_nothing_there_is_no_rate(told: Any) -> None:
    total = told("--from", "2026-01-01", "--to", "2026-02-01", "--json").json["total"]
    assert total["abandoned"] == 0
    assert total["recovery_rate"] is None
    assert total["median_seconds_to_contact"] is None
    assert "–" in told("--from", "2026-01-01", "--to", "2026-02-01").out


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        ((), "2026-02-01T05:00:00Z", "2026-03-03T05:00:00Z"),
        (("--to", "2026-03-01"), "2026-01-30T05:00:00Z", "2026-03-01T05:00:00Z"),
        (("--from", "2026-03-02"), "2026-03-02T05:00:00Z", "2026-03-03T05:00:00Z"),
        (("--to", NOW), "2026-01-31T17:00:00Z", NOW),
    ],
    ids=["neither", "to", "from", "an instant"],
)
def test_what_is_not_told_are_the_last_30_days(
    told: Any, options: tuple[str, ...], start: str, end: str
) -> None:
    found = told(*options, "--json").json
    assert (found["from"], found["to"]) == (start, end)


def test_rows_are_by_what_is_asked_for_and_add_up(told: Any) -> None:
    found = told(*MARCH, "--by", "client_type,step", "--json").json
    assert found["by"] == ["client_type", "step"]
    groups = {tuple(row["group"].values()): row["abandoned"] for row in found["rows"]}
    assert groups == {
        ("new_visitor", "pet"): 1,
        ("new_visitor", "time"): 2,
        ("new_visitor", "payment"): 1,
        ("existing_client", "time"): 1,
    }
    [row] = told(*MARCH, "--by", "outcome", "--json").json["rows"]
    assert row["group"] == {"outcome": None}


def test_points_are_days_weeks_or_months_of_the_zone(told: Any) -> None:
    found = told("--from", "2026-03-01", "--to", "2026-03-04", "--every", "day", "--json").json
    assert found["every"] == "day"
    assert [(p["on"], p["abandoned"]) for p in found["points"]] == [
        ("2026-03-01", 0),
        ("2026-03-02", 5),
        ("2026-03-03", 0),
    ]


@pytest.mark.parametrize("columns", [80, 120])
def test_people_get_tables_that_fit(
    told: Any, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = told(*MARCH, "--by", "step", "--every", "week").out
    assert max(map(len, out.splitlines())) <= columns
    assert "Abandoned from 2026-03-01 until before 2026-04-01, America/New_York" in out
    assert "20% (4–62)" in out
    assert "5h 00m" in out
    assert "payment" in out
    assert "week from" in out
    assert (" versed " in out) == (columns == 120)
    assert "dits" in out


@pytest.mark.parametrize(
    ("options", "title"),
    [
        ((), "Where bookings are left"),
        (("--every", "day"), "Recovery rate by day"),
        (("--chart-kind", "trend"), "Recovery rate by week"),
        (("--chart-kind", "hours", "--every", "day"), "When bookings are left"),
    ],
    ids=["by step unless told", "over time with every", "trend", "hours"],
)
def test_a_chart_is_drawn(told: Any, tmp_path: Path, options: tuple[str, ...], title: str) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "chart.svg"
    found = told(*MARCH, "--chart", file, *options, "--json").json
    assert found["chart"] == str(file)
    assert f"<title>{title}" in " ".join(file.read_text(encoding="utf-8").split())
    assert f"chart: {file}" in told(*MARCH, "--chart", file, *options).out


def test_without_matplotlib_one_line_names_the_extra(
    command: Command, salon_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "abandoned_booking.charts", raising=False)
    monkeypatch.delattr("abandoned_booking.charts", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    error = command("report", "--store", salon_file, "--chart", tmp_path / "a.png").error
    assert "abandoned-booking[plots]" in error


def test_lengths_are_told_in_two_units() -> None:
    lengths = {0: "0m", 59: "59m", 60: "1h 00m", 125: "2h 05m", 1440: "1d 0h", 4620: "3d 5h"}
    assert {m: _figures._length(timedelta(minutes=m)) for m in lengths} == lengths
    assert _figures._length(None) == "–"


def test_the_lift_is_told_once_somebody_was_held_out() -> None:
    within = timedelta(days=7)
    assert _figures.lift_in_words(Lift(booked_within=within, messaged=Arm(requests=9))) == []
    waiting = Lift(booked_within=within, held_out=Arm(waiting=2))
    [line] = _figures.lift_in_words(waiting)
    assert line.endswith("– of 0 held out; 2 have time left")
    known = Lift(
        booked_within=within,
        messaged=Arm(requests=100, booked=30),
        held_out=Arm(requests=50, booked=10),
    )
    first, second = _figures.lift_in_words(known)
    assert first.startswith("booked within 7 days: 30% (22–40) of 100 messaged, 20% ")
    assert second.startswith("lift: +10% (")
    assert second.endswith("), +10.0 bookings")
    as_json = _figures.lift_as_json(known)
    assert as_json["difference"]["value"] == pytest.approx(0.1)
    assert as_json["held_out"]["booked"] == 10
    assert as_json["booked_within_seconds"] == 7 * 86400
