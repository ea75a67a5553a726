"""Charts of the reports as SVG and PNG: the only importer of matplotlib, which ``[plots]`` brings.

Rules held here: P3 (trends as charts), and the charts of P1. A chart is drawn from the values of
:mod:`abandoned_booking.core.performance` and :mod:`abandoned_booking.core.trends`; nothing is
counted here.

Each function returns a matplotlib ``Figure`` that a host may change before :func:`save`. No pyplot,
no backend, no window: the figure is drawn by its own canvas. Style comes from here, not from the
host's ``rcParams``, which are put back as they were; matplotlib has one set for all threads, so
that other threads of a host should not set theirs meanwhile.

Shades differ in lightness, so that a chart can be read when printed in grey. What a host named is
drawn as it stands: no formula, no markup. The same chart gives the same bytes with one version of
matplotlib.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias

from abandoned_booking.core.intervals import CONFIDENCE
from abandoned_booking.core.performance import GroupBy, Performance, Tally
from abandoned_booking.core.periods import Every
from abandoned_booking.core.trends import HoursOfWeek, Trend
from abandoned_booking.errors import InvalidInput

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter
except ImportError as error:
    raise ImportError(
        "charts need matplotlib; install it with: pip install 'abandoned-booking[plots]'"
    ) from error

__all__ = ["Figure", "abandonment_heat_map", "funnel_by_step", "recovery_over_time", "save"]

Format: TypeAlias = Literal["png", "svg"]

_FORMATS: Final = ("png", "svg")
_LONGEST_LABEL: Final = 28
_MOST_TICKS: Final = 10
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

# From light to dark: 88, 63 and 22 % of white, seen in grey.
_PALE, _MIDDLE, _DARK = "#d9e2ec", "#829ab1", "#102a43"
_INK: Final = "#1f2933"

_STYLE: Final = {
    "axes.axisbelow": True,
    "axes.edgecolor": _MIDDLE,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.titlesize": 13.0,
    "figure.titleweight": "bold",
    "font.size": 10.0,
    "grid.color": "#e4e7eb",
    "legend.frameon": False,
    # Ids made from what is drawn instead of by chance.
    "svg.hashsalt": "abandoned-booking",
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
}
_STYLED: Final = (
    "axes.",
    "figure.",
    "font.",
    "grid.",
    "image.",
    "legend.",
    "lines.",
    "patch.",
    "path.",
    "savefig.",
    "svg.",
    "text.",
    "xtick.",
    "ytick.",
)
"""the parts of matplotlib's style that a chart depends on"""

_LOCK: Final = threading.RLock()


@contextmanager
def _styled(fonts: Sequence[str] = ()) -> Iterator[None]:
    with _LOCK, warnings.catch_warnings():
        # A script that no font has is drawn as boxes; nobody can act on one warning per letter.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        # Newer versions of matplotlib close the set of names, older ones take any text.
        style: dict[Any, Any] = {
            name: value
            for name, value in matplotlib.rcParamsDefault.items()
            if name.startswith(_STYLED)
        }
        style |= _STYLE
        style |= {"font.family": [*fonts, "DejaVu Sans"]}
        with matplotlib.rc_context(style):
            yield


# ── the charts ──────────────────────────────────────────────────────────────────────────────────


def funnel_by_step(
    performance: Performance,
    *,
    labels: Mapping[str, str] | None = None,
    fonts: Sequence[str] = (),
) -> Figure:
    """How many left at each step, and how many of them were contacted and recovered.

    One bar a step, in the business's order, first step on top. ``labels`` gives steps a name to be
    shown; without one, ``additional_pet_info`` is shown as *Additional pet info*. ``fonts`` are
    families to be tried before DejaVu Sans, for names in a script that it lacks (such as
    ``"Noto Sans CJK JP"``).

    Raises :class:`InvalidInput` unless ``performance`` is broken down by step alone.
    """
    if performance.by != (GroupBy.STEP,):
        raise InvalidInput("must be broken down by step alone: by='step'", field="performance")
    names = [_label(row.group[0], labels or {}) for row in performance.rows]
    tallies = [row.tally for row in performance.rows]
    with _styled(fonts):
        figure, (axes,) = _figure(height=1.9 + 0.5 * max(3, len(names)))
        places = range(len(names))
        for shade, height, name, widths in (
            (_PALE, 0.78, "Abandoned", [tally.abandoned for tally in tallies]),
            (_MIDDLE, 0.52, "Contacted", [tally.contacted for tally in tallies]),
            (_DARK, 0.26, "Recovered", [tally.recovered for tally in tallies]),
        ):
            axes.barh(places, widths, height=height, color=shade, label=name)
        axes.set_yticks(places, labels=names)
        axes.set_ylim(max(len(names), 3) - 0.4, -0.6)
        _count_axis(axes, "x", highest=max((t.abandoned for t in tallies), default=0))
        # On an axis of their own, for which the layout leaves room however long they are.
        figures = axes.secondary_yaxis("right")
        figures.set_yticks(places, labels=[_figures(tally) for tally in tallies])
        figures.tick_params(length=0)
        figures.spines["right"].set_visible(False)
        axes.set_xlabel("Requests: abandoned · contacted · recovered (recovery rate)")
        axes.set_ylabel("Step at which it was left")
        _title(figure, "Where bookings are left, and how many are won back")
        if names:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        else:
            _nothing(axes)
        return _laid_out(figure)


def recovery_over_time(trend: Trend, *, confidence: float = CONFIDENCE) -> Figure:
    """The recovery rate of each day, week or month with its interval, above what was abandoned.

    Where nothing was abandoned there is no rate: the line is interrupted.

    Raises :class:`InvalidInput` for a confidence that is not between 0 and 1.
    """
    rates = [point.tally.recovery_rate for point in trend.points]
    bands = [rate.interval(confidence) for rate in rates]
    with _styled():
        figure, (upper, lower) = _figure(height=4.8, heights=(3, 1))
        known = [place for place, rate in enumerate(rates) if rate.of]
        for number, run in enumerate(_runs(known)):
            # One alone has no width: give it that of its bar below.
            places = [run[0] - 0.3, run[0] + 0.3] if len(run) == 1 else [float(p) for p in run]
            within = [band for p in run if (band := bands[p]) is not None]
            within *= 2 if len(run) == 1 else 1
            upper.fill_between(
                places,
                [band.low for band in within],
                [band.high for band in within],
                color=_PALE,
                linewidth=0,
                label=None if number else f"{confidence:.0%} interval (Wilson)",
            )
            upper.plot(
                run,
                [rates[p].value or 0.0 for p in run],
                color=_DARK,
                marker="o",
                markersize=4,
                # Whole at 0 and at 100 %, where the axes end.
                clip_on=False,
                label=None if number else "Recovery rate",
            )
        upper.set_ylim(0, min(1.0, max([0.1, *(b.high for b in bands if b)]) * 1.05))
        upper.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        upper.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        upper.grid(axis="y")
        upper.set_ylabel("Recovered")
        upper.tick_params(labelbottom=False)
        abandoned = [rate.of for rate in rates]
        lower.bar(range(len(rates)), abandoned, width=0.6, color=_MIDDLE)
        _count_axis(lower, "y", highest=max(abandoned, default=0), most=3)
        lower.set_ylabel("Abandoned")
        _date_axis(upper, lower, trend)
        _title(figure, f"Recovery rate by {trend.every.value}")
        if known:
            figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        else:
            _nothing(upper)
        return _laid_out(figure)


def abandonment_heat_map(hours: HoursOfWeek) -> Figure:
    """How many requests were abandoned in each hour of each weekday: the darker, the more."""
    highest = max(max(day) for day in hours.counts)
    with _styled():
        figure, (axes,) = _figure(width=10, height=4)
        shades = LinearSegmentedColormap.from_list("lightness", ["white", _MIDDLE, _DARK])
        mesh = axes.pcolormesh(
            hours.counts, cmap=shades, vmin=0, vmax=max(highest, 1), edgecolors=_PALE, lw=0.5
        )
        for day, counts in enumerate(hours.counts):
            for hour, number in enumerate(counts):
                if number:
                    # Where either is read best: about the lightness of a fifth.
                    shade = "white" if number > 0.62 * highest else _INK
                    axes.text(
                        hour + 0.5, day + 0.5, _short(number), color=shade, fontsize=8,
                        ha="center", va="center",
                    )  # fmt: skip
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_yticks([day + 0.5 for day in range(7)], labels=_DAYS)
        axes.set_xticks(range(0, 25, 2), labels=[f"{hour:02}" for hour in range(0, 25, 2)])
        axes.set_xlabel(f"Hour of the day ({hours.timezone})")
        axes.set_ylabel("Day of the week")
        _title(figure, "When bookings are left")
        bar = figure.colorbar(mesh, ax=axes, pad=0.02, label="Requests abandoned")
        bar.outline.set_visible(False)
        bar.locator = MaxNLocator(nbins=5, integer=True)
        bar.update_ticks()
        if not highest:
            _nothing(axes)
        return _laid_out(figure)


# ── parts of charts ─────────────────────────────────────────────────────────────────────────────


def _figure(
    *, width: float = 8, height: float, heights: tuple[int, ...] = (1,)
) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches with one axes below the other."""
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    return figure, [figure.add_subplot(grid[place, 0]) for place in range(len(heights))]


def _laid_out(figure: Figure) -> Figure:
    """The figure with room for every label; it keeps that, so that each saving is alike."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def _title(figure: Figure, title: str) -> None:
    figure.suptitle(title, x=0.01, horizontalalignment="left")
    figure.set_label(title)


def _nothing(axes: Axes) -> None:
    axes.text(
        0.5, 0.5, "Nothing was abandoned in this period", transform=axes.transAxes,
        ha="center", va="center", color=_INK, bbox={"facecolor": "white", "linewidth": 0},
    )  # fmt: skip


def _count_axis(axes: Axes, which: Literal["x", "y"], *, highest: int, most: int = 6) -> None:
    """Whole numbers from nought, with thin lines."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(nbins=most, integer=True))
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    (axes.set_xlim if which == "x" else axes.set_ylim)(0, max(highest, 1) * 1.05)
    axes.grid(axis=which)


def _date_axis(upper: Axes, lower: Axes, trend: Trend) -> None:
    """The first day of each day, week or month; of many only every second, third, …"""
    points = trend.points
    shown = range(0, len(points), -(-len(points) // _MOST_TICKS) or 1)
    # ISO 8601 reads the same in every language.
    written = [points[place].bucket.on.isoformat() for place in shown]
    if trend.every is Every.MONTH:
        written = [day[:7] for day in written]
    for axes in (upper, lower):
        axes.set_xlim(-0.6, max(len(points), 1) - 0.4)
        axes.set_xticks(shown, labels=written)
    if len(shown) > 6:
        for label in lower.get_xticklabels():
            label.set(rotation=30, horizontalalignment="right", rotation_mode="anchor")
    lower.set_xlabel({Every.DAY: "Day", Every.WEEK: "Week from", Every.MONTH: "Month"}[trend.every])


def _runs(places: list[int]) -> list[list[int]]:
    """Numbers that follow one another, together."""
    return [
        [place for _, place in run]
        for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0])
    ]


def _label(value: str | None, labels: Mapping[str, str]) -> str:
    """A step as people read it, on one line, without what cannot be drawn, and cut visibly."""
    if value is None:
        return "Unknown"
    named = labels.get(value) or value.replace("_", " ").strip().capitalize()
    plain = " ".join("".join(c if c.isprintable() else " " for c in named).split())
    return plain if len(plain) <= _LONGEST_LABEL else plain[: _LONGEST_LABEL - 1] + "…"


def _figures(tally: Tally) -> str:
    """For example ``120 · 80 · 22 (18%)``."""
    counts = f"{tally.abandoned:,} · {tally.contacted:,} · {tally.recovered:,}"
    share = tally.recovery_rate.value
    return counts if share is None else f"{counts} ({share:.0%})"


def _short(number: int) -> str:
    """A count that fits into a cell: 950, 1.2k, 35k, 2M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.{int(number < 10 * size)}f}{unit}"
    return str(number)


# ── saving ──────────────────────────────────────────────────────────────────────────────────────


def save(
    chart: Figure,
    target: str | PathLike[str] | BinaryIO,
    *,
    format: Format | None = None,
    dpi: int = 150,
) -> None:
    """Write a chart as PNG or SVG to a path or a binary file object.

    Without ``format`` the path's ending says which. ``dpi`` is the PNG's dots per inch: 150 make
    1,200 pixels of 8 inches. Nothing is written before the whole chart is drawn.

    Raises :class:`InvalidInput` for another format, for a file object without ``format``, for a dpi
    that is not 10 to 1,200, and for a path that cannot be written to.
    """
    path = Path(target) if isinstance(target, (str, PathLike)) else None
    chosen = format or (path.suffix.lstrip(".").lower() if path else "")
    if chosen not in _FORMATS:
        raise InvalidInput(
            "must be png or svg; end the path with .png or .svg, or give format", field="format"
        )
    if not 10 <= dpi <= 1_200:
        raise InvalidInput("must be 10 to 1200", field="dpi")
    drawn = _drawn(chart, chosen, dpi)
    if not isinstance(target, (str, PathLike)):
        target.write(drawn)
        return
    try:
        Path(target).write_bytes(drawn)
    except OSError as error:
        raise InvalidInput(
            f"cannot be written to ({error.strerror}); give a file in a folder that is there",
            field="target",
        ) from error


def _drawn(chart: Figure, chosen: str, dpi: int) -> bytes:
    written = BytesIO()
    with _styled():
        if chosen == "svg":
            # No date, no version: the same chart gives the same bytes.
            metadata = {"Date": None, "Creator": None, "Title": chart.get_label() or None}
            FigureCanvasSVG(chart).print_figure(written, format="svg", metadata=metadata)
        else:
            FigureCanvasAgg(chart).print_figure(
                written, format="png", dpi=dpi, metadata={"Software": None}
            )
    return written.getvalue()
