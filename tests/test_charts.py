"""P3 and P1 as charts: what is drawn is what was counted, labelled, unclipped and fit for grey."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from abandoned_booking.charts import (
    Figure,
    abandonment_heat_map,
    funnel_by_step,
    recovery_over_time,
    save,
)
from abandoned_booking.core.intervals import Rate
from abandoned_booking.core.model import STANDARD_STEPS, Step
from abandoned_booking.core.performance import Performance, Tally
from abandoned_booking.core.periods import Every, Period, buckets_of
from abandoned_booking.core.trends import HoursOfWeek, Trend, TrendPoint
from abandoned_booking.errors import InvalidInput

YEAR: Final = Period(date(2026, 1, 1), date(2027, 1, 1))
HOSTILE: Final = (
    "prepay_$5_or_$10",
    r"$\nosuchcommand{$",
    "<b>&amp;</b> --> ]]>",
    "_private",
    "bell\x07 and\nnew line",
    "half a pair \ud800",
    "日本語 العربية 🐶",
    "m" * 300,
)


def by_step(tallies: dict[str | None, tuple[int, int, int]]) -> Performance:
    return Performance.of(
        {
            (step,): Tally(abandoned=left, contacted=contacted, recovered=recovered)
            for step, (left, contacted, recovered) in tallies.items()
        },
        period=YEAR,
        by="step",
        steps=tuple(Step(step) for step in tallies if step is not None),
    )


def over_time(*rates: tuple[int, int], every: Every = Every.WEEK) -> Trend:
    buckets = buckets_of(
        Period(datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        every=every,
        zone=UTC,  # type: ignore[arg-type]  # any tzinfo does
    )
    points = (
        TrendPoint(bucket=bucket, tally=Tally(recovered=recovered, abandoned=abandoned))
        for bucket, (recovered, abandoned) in zip(buckets, rates, strict=False)
    )
    return Trend(every=every, points=tuple(points))


def hours_of(counts: dict[tuple[int, int], int]) -> HoursOfWeek:
    week = (tuple(counts.get((day, hour), 0) for hour in range(24)) for day in range(7))
    return HoursOfWeek(timezone="America/New_York", counts=tuple(week))


FUNNEL: Final = by_step({"pet": (120, 80, 22), "time": (90, 60, 9), None: (2, 0, 0)})
WEEKS: Final = over_time((1, 4), (0, 0), (3, 9), (5, 12), (0, 0), (0, 2))
HOURS: Final = hours_of({(0, 9): 3, (6, 23): 12, (2, 0): 1_234, (3, 5): 800, (4, 5): 600})

CHARTS: Final[dict[str, Callable[[], Figure]]] = {
    "funnel": lambda: funnel_by_step(FUNNEL),
    "funnel of one": lambda: funnel_by_step(by_step({"time": (1, 0, 0)})),
    "funnel of nothing": lambda: funnel_by_step(by_step({})),
    "funnel of every step": lambda: funnel_by_step(
        by_step(dict.fromkeys(STANDARD_STEPS, (10**6, 10**5, 7)))
    ),
    "funnel of hostile names": lambda: funnel_by_step(by_step(dict.fromkeys(HOSTILE, (9, 5, 1)))),
    "trend": lambda: recovery_over_time(WEEKS),
    "trend of one": lambda: recovery_over_time(over_time((1, 1))),
    "trend of nothing": lambda: recovery_over_time(over_time((0, 0), (0, 0))),
    "trend of no week": lambda: recovery_over_time(over_time()),
    "trend of many days": lambda: recovery_over_time(over_time(*[(30, 99)] * 400, every=Every.DAY)),
    "trend of months": lambda: recovery_over_time(
        over_time(*[(10**5, 10**6)] * 12, every=Every.MONTH)
    ),
    "heat map": lambda: abandonment_heat_map(HOURS),
    "heat map of nothing": lambda: abandonment_heat_map(hours_of({})),
    "heat map of millions": lambda: abandonment_heat_map(
        hours_of({(1, h): 10**h for h in range(9)})
    ),
}
each_chart = pytest.mark.parametrize("name", CHARTS)


@cache
def chart_of(name: str) -> Figure:
    """Each is drawn once, when it is first asked for."""
    return CHARTS[name]()


def texts(chart: Figure) -> list[Text]:
    found = chart.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    return [text for text in found if isinstance(text, Text) and text.get_text()]


def words(chart: Figure) -> list[str]:
    return [text.get_text() for text in texts(chart)]


def saved(chart: Figure, **options: Any) -> bytes:
    file = BytesIO()
    save(chart, file, **options)
    return file.getvalue()


def lightness(color: Any) -> float:
    """Relative luminance of WCAG 2, 0 to 1: what is left of a colour in grey."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: Any, other: Any) -> float:
    low, high = sorted((lightness(one), lightness(other)))
    return (high + 0.05) / (low + 0.05)


# ── every chart ──────────────────────────────────────────────────────────────────────────────────


@each_chart
def test_a_chart_has_a_title_and_every_axis_a_label(name: str) -> None:
    chart = chart_of(name)
    assert chart.get_suptitle()
    main, *others = chart.axes
    assert main.get_ylabel()
    assert [axes.get_xlabel() for axes in chart.axes if axes.get_xlabel()]
    assert all(axes.get_ylabel() for axes in others)


@each_chart
@pytest.mark.filterwarnings("ignore:Glyph")
def test_no_label_is_cut_by_the_edge(name: str) -> None:
    chart = chart_of(name)
    drawn = chart.get_tightbbox()
    width, height = chart.get_size_inches()
    assert min(drawn.x0, drawn.y0, width - drawn.x1, height - drawn.y1) > 0


@pytest.mark.parametrize("name", ["funnel", "trend", "heat map"])
def test_the_same_chart_gives_the_same_bytes_without_a_date(name: str) -> None:
    chart = chart_of(name)
    svg, png = saved(chart, format="svg"), saved(chart, format="png", dpi=50)
    assert saved(chart, format="svg") == svg
    assert saved(chart, format="png", dpi=50) == png
    assert b"dc:date" not in svg
    assert b"Matplotlib" not in svg + png
    assert png.startswith(b"\x89PNG\r\n")


@each_chart
def test_the_svg_is_well_formed_and_says_its_title(name: str) -> None:
    chart = chart_of(name)
    root = ElementTree.fromstring(saved(chart, format="svg"))
    assert root.tag.endswith("svg")
    assert root.findtext("{http://www.w3.org/2000/svg}title") == chart.get_suptitle()


def test_two_charts_of_one_report_are_alike_to_the_byte() -> None:
    assert saved(funnel_by_step(FUNNEL), format="svg") == saved(chart_of("funnel"), format="svg")


def test_the_style_of_the_host_neither_matters_nor_changes() -> None:
    plain = saved(recovery_over_time(WEEKS), format="svg")
    theirs: Any = {"axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9}
    with matplotlib.rc_context(theirs):
        before = dict(matplotlib.rcParams)
        assert saved(recovery_over_time(WEEKS), format="svg") == plain
        assert dict(matplotlib.rcParams) == before


def test_no_window_and_no_pyplot_are_needed() -> None:
    program = (
        "import io, sys; from abandoned_booking import charts as c\n"
        "from abandoned_booking.core.trends import HoursOfWeek\n"
        "chart = c.abandonment_heat_map(HoursOfWeek(timezone='UTC', counts=((1,) * 24,) * 7))\n"
        "c.save(chart, io.BytesIO(), format='svg')\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout.strip() == "False"


def test_without_matplotlib_the_error_names_the_extra() -> None:
    program = "import sys; sys.modules['matplotlib'] = None; import abandoned_booking.charts"
    ran = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    assert "pip install 'abandoned-booking[plots]'" in ran.stderr.splitlines()[-1]


# ── the funnel (P1) ──────────────────────────────────────────────────────────────────────────────


def test_the_funnel_s_bars_are_the_figures_first_step_on_top() -> None:
    (axes,) = chart_of("funnel").axes
    bars = [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle)]
    assert bars == [120, 90, 2, 80, 60, 0, 22, 9, 0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Pet", "Time", "Unknown"]
    bottom, top = axes.get_ylim()
    assert bottom > top
    assert {"120 · 80 · 22 (18%)", "2 · 0 · 0 (0%)"} <= {*words(chart_of("funnel"))}


def test_the_funnel_s_shades_differ_in_grey() -> None:
    (axes,) = chart_of("funnel").axes
    shades = [patch.get_facecolor()[:3] for patch in axes.patches[::3]]
    assert len(shades) == 3
    for lighter, darker in zip(["white", *shades], shades, strict=False):
        assert lightness(lighter) - lightness(darker) > 0.15


def test_a_step_is_shown_by_the_name_that_the_host_gives() -> None:
    performance = by_step({"time": (3, 2, 1), "additional_pet_info": (2, 1, 0)})
    shown = words(funnel_by_step(performance, labels={"time": "Wann?"}))
    assert {"Wann?", "Additional pet info"} <= {*shown}


def test_a_name_is_no_formula_no_markup_and_not_too_long() -> None:
    shown = words(chart_of("funnel of hostile names"))
    assert {"Prepay $5 or $10", "<b>&amp;</b> --> ]]>", "Private", "Bell and new line"} <= {*shown}
    assert "M" + "m" * 26 + "…" in shown
    assert not any(text.get_parse_math() for text in texts(chart_of("funnel")))


def test_a_report_that_is_not_by_step_is_refused() -> None:
    other = Performance.of({}, period=YEAR, by=("step", "channel"), steps=())
    with pytest.raises(InvalidInput, match="by='step'"):
        funnel_by_step(other)


# ── the trend (P3) ───────────────────────────────────────────────────────────────────────────────


def test_the_line_is_the_rate_and_stops_where_nothing_was_abandoned() -> None:
    upper, _ = chart_of("trend").axes
    lines = [np.asarray(line.get_xydata()).tolist() for line in upper.lines]
    assert lines == [[[0, 0.25]], [[2, 3 / 9], [3, 5 / 12]], [[5, 0.0]]]


def test_the_band_is_the_interval_and_can_be_seen_for_one_week_alone() -> None:
    upper, _ = recovery_over_time(WEEKS, confidence=0.8).axes
    bands = [band for band in upper.collections if isinstance(band, PolyCollection)]
    corners = [
        {(round(x, 6), round(y, 6)) for x, y in np.asarray(band.get_paths()[0].vertices).tolist()}
        for band in bands
    ]
    wanted = [
        {-0.3: Rate(1, 4), 0.3: Rate(1, 4)},
        {2.0: Rate(3, 9), 3.0: Rate(5, 12)},
        {4.7: Rate(0, 2), 5.3: Rate(0, 2)},
    ]
    for found, rates in zip(corners, wanted, strict=True):
        ends = {x: rate.interval(0.8) for x, rate in rates.items()}
        assert found == {
            (x, round(y, 6)) for x, end in ends.items() if end for y in (end.low, end.high)
        }
    assert "80% interval (Wilson)" in words(recovery_over_time(WEEKS, confidence=0.8))
    with pytest.raises(InvalidInput, match="confidence"):
        recovery_over_time(WEEKS, confidence=95)


def test_below_stands_what_was_abandoned_and_both_panels_have_one_scale() -> None:
    upper, lower = chart_of("trend").axes
    assert [bar.get_height() for bar in lower.patches if isinstance(bar, Rectangle)] == [
        4, 0, 9, 12, 0, 2,
    ]  # fmt: skip
    assert upper.get_xlim() == lower.get_xlim()


@pytest.mark.parametrize(
    ("every", "count", "first", "name"),
    [
        (Every.DAY, 1, "2024-01-01", "Day"),
        (Every.DAY, 101, "2024-01-01", "Day"),
        (Every.WEEK, 10, "2024-01-01", "Week from"),
        (Every.WEEK, 11, "2024-01-01", "Week from"),
        (Every.MONTH, 35, "2024-01", "Month"),
    ],
)
def test_dates_are_iso_and_never_more_than_ten(
    every: Every, count: int, first: str, name: str
) -> None:
    _, lower = recovery_over_time(over_time(*[(1, 2)] * count, every=every)).axes
    shown = [label.get_text() for label in lower.get_xticklabels()]
    assert shown[0] == first
    assert min(count, 5) <= len(shown) <= 10
    assert lower.get_xlabel() == name


def test_a_rate_of_all_or_none_is_within_the_axes() -> None:
    upper, _ = recovery_over_time(over_time((3, 3), (0, 3))).axes
    assert upper.get_ylim() == (0, 1)


# ── the heat map ─────────────────────────────────────────────────────────────────────────────────


def test_the_heat_map_shows_every_count_in_its_hour_monday_on_top() -> None:
    axes = chart_of("heat map").axes[0]
    cells = {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert cells == {(0, 9): "3", (6, 23): "12", (2, 0): "1.2k", (3, 5): "800", (4, 5): "600"}
    assert axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_yticklabels()][::6] == ["Mon", "Sun"]
    assert "America/New_York" in axes.get_xlabel()


def test_large_counts_are_shortened_to_fit() -> None:
    counts = [999, 1_000, 9_949, 10_000, 999_400, 1_250_000]
    chart = abandonment_heat_map(hours_of({(0, hour): n for hour, n in enumerate(counts)}))
    shown = [text.get_text() for text in chart.axes[0].texts]
    assert shown == ["999", "1.0k", "9.9k", "10k", "999k", "1.2M"]


def test_more_is_darker_also_in_grey_and_every_count_can_be_read_on_it() -> None:
    week = hours_of({(day, hour): day * 24 + hour for day in range(7) for hour in range(24)})
    axes = abandonment_heat_map(week).axes[0]
    (mesh,) = (found for found in axes.collections if isinstance(found, QuadMesh))
    shades = mesh.to_rgba(np.arange(168.0))[:, :3]
    falling = [lightness(shade) for shade in shades]
    assert falling == sorted(falling, reverse=True)
    assert len({round(value, 3) for value in falling}) > 150
    for text in axes.texts:
        column, row = text.get_position()
        assert contrast(text.get_color(), shades[int(row) * 24 + int(column)]) > 3


@pytest.mark.parametrize("name", ["funnel of nothing", "trend of nothing", "heat map of nothing"])
def test_an_empty_chart_says_so(name: str) -> None:
    assert "Nothing was abandoned in this period" in words(chart_of(name))


@pytest.mark.parametrize("name", ["funnel", "trend", "heat map"])
def test_a_chart_with_something_in_it_does_not_say_that_it_is_empty(name: str) -> None:
    assert "Nothing was abandoned in this period" not in words(chart_of(name))


# ── saving ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "head"), [("a.svg", b"<?xml"), ("b.PNG", b"\x89PNG")])
def test_the_ending_of_the_path_says_the_format(name: str, head: bytes, tmp_path: Path) -> None:
    for path in (tmp_path / name, str(tmp_path / f"text-{name}")):
        save(chart_of("trend"), path)
        assert Path(path).read_bytes().startswith(head)


def test_a_format_that_is_given_wins_over_the_ending(tmp_path: Path) -> None:
    save(chart_of("trend"), tmp_path / "chart.png", format="svg")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"<?xml")


def test_a_png_is_as_large_as_its_dots_per_inch_make_it() -> None:
    def width(**options: Any) -> int:
        return int.from_bytes(saved(chart_of("trend"), format="png", **options)[16:20], "big")

    assert (width(), width(dpi=72)) == (1_200, 576)


@pytest.mark.parametrize(
    ("name", "options", "field"),
    [
        ("chart.pdf", {}, "format"),
        ("chart", {}, "format"),
        ("chart.svg", {"format": "jpg"}, "format"),
        ("chart.png", {"dpi": 9}, "dpi"),
        ("chart.png", {"dpi": 1_201}, "dpi"),
        ("no such folder/chart.png", {}, "target"),
    ],
)
def test_what_cannot_be_saved_names_the_field_and_leaves_no_file(
    name: str, options: dict[str, Any], field: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as caught:
        save(chart_of("heat map of nothing"), tmp_path / name, **options)
    assert caught.value.field == field
    assert not list(tmp_path.iterdir())


def test_a_file_object_needs_to_be_told_the_format() -> None:
    with pytest.raises(InvalidInput, match="give format"):
        save(chart_of("trend"), BytesIO())


def test_a_failed_drawing_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "chart.svg"
    path.write_bytes(b"old")

    def fails(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(Figure, "draw", fails)
    with pytest.raises(RuntimeError):
        save(recovery_over_time(WEEKS), path)
    assert path.read_bytes() == b"old"


def test_other_fonts_are_tried_first(caplog: pytest.LogCaptureFixture) -> None:
    performance = by_step({"time": (3, 2, 1)})
    plain = saved(funnel_by_step(performance), format="svg")
    mono = funnel_by_step(performance, fonts=["DejaVu Sans Mono"])
    assert saved(mono, format="svg") != plain
    assert saved(funnel_by_step(performance, fonts=["No Such Font"]), format="svg") == plain
    assert "No Such Font" in caplog.text
