"""The desk's figures and its workbook: P1-P3, X1, X2."""

from __future__ import annotations

import io
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from door_world import START, World

from abandoned_booking import ListQuery, Status, Step
from abandoned_booking.core.performance import Performance, tally
from abandoned_booking.core.periods import Period
from abandoned_booking.errors import InvalidInput
from abandoned_booking.stores.memory import MemoryStore

NOVEMBER = Period(date(2026, 11, 1), date(2026, 12, 1))


def crowd(world: World) -> None:
    """Five visitors: one opted out of, one booked, one called, one young, one just left."""
    for n in range(4):
        world.visit(f"s{n}", step=Step.TIME if n % 2 else Step.PET, phone=f"+121255501{n:02}")
    world.sweep(hours=2)
    world.book("s1")
    world.desk.note_outcome(world.visit("s2").id, "price", staff_id="joe")
    world.clock.advance(hours=3)
    world.visit("s9", phone="+12125550199")


def test_p1_figures_of_a_period_by_step_and_outcome(world: World) -> None:
    crowd(world)
    report = world.desk.performance(NOVEMBER, by="step")
    assert (report.total.abandoned, report.total.contacted, report.total.recovered) == (4, 4, 1)
    assert report.total.sent == 4
    assert report.tally_of("time").recovered == 1
    by_outcome = world.desk.performance(NOVEMBER, by="outcome")
    assert by_outcome.tally_of("price").abandoned == 1
    with pytest.raises(InvalidInput, match="by"):
        world.desk.performance(NOVEMBER, by="shoe size")


def test_p3_trend_lift_and_hours_are_of_the_same_requests(world: World) -> None:
    crowd(world)
    trend = world.desk.trend(NOVEMBER, every="week")
    assert trend.total == world.desk.performance(NOVEMBER).total
    assert sum(sum(day) for day in world.desk.hours_of_week(NOVEMBER).counts) == 4
    world.clock.advance(days=8)
    lift = world.desk.lift(NOVEMBER)
    assert (lift.messaged.requests, lift.messaged.booked, lift.held_out.requests) == (4, 1, 0)


def test_a_store_that_adds_up_itself_is_asked() -> None:
    asked: list[str] = []

    class Adding(MemoryStore):
        def tally(self, business_id: str, period: Period, **given: Any) -> Performance:
            asked.append(business_id)
            return tally(self.stream(business_id), period, **given)

    world = World(Adding())
    crowd(world)
    plain = tally(
        world.store.stream("paws"),
        NOVEMBER,
        by="step",
        settings=world.settings,
        now=world.clock.now(),
    )
    assert world.desk.performance(NOVEMBER, by="step") == plain
    assert asked == ["paws"]


# ── the workbook ────────────────────────────────────────────────────────────────────────────────


def rows_of(file: Any) -> list[dict[str, Any]]:
    sheet: Any = openpyxl.load_workbook(file).active
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_x1_an_export_is_of_every_listed_request_newest_first(world: World, tmp_path: Path) -> None:
    crowd(world)
    world.desk.delete(world.visit("s0").id)
    path, seen = tmp_path / "abandoned.xlsx", []
    done = world.desk.export(path, on_progress=lambda *progress: seen.append(progress))
    rows = rows_of(path)
    assert done == len(rows) == world.desk.count(ListQuery(statuses=frozenset()))
    assert {row["Status"] for row in rows} == {"Contacted", "Recovered"}
    assert seen == [(done, done)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_x1_a_filtered_export_only_when_asked(world: World) -> None:
    crowd(world)
    file = io.BytesIO()
    assert world.desk.export(file, query=ListQuery(statuses={Status.RECOVERED})) == 1
    file.seek(0)
    assert [row["Status"] for row in rows_of(file)] == ["Recovered"]


def test_x1_more_than_one_page_of_the_list(world: World) -> None:
    at = START - timedelta(days=1)
    for n in range(1_050):
        world.visit(f"s{n}", client_id="c", phone=None, at=at + timedelta(seconds=n))
    file = io.BytesIO()
    assert world.desk.export(file) == 1_050
    file.seek(0)
    dates = [row["Abandoned"] for row in rows_of(file)]
    assert dates == sorted(dates, reverse=True)
    assert len(set(dates)) == 1_050


def test_an_export_that_cannot_be_written_changes_nothing(world: World, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="to"):
        world.desk.export(tmp_path / "no such folder" / "abandoned.xlsx")
