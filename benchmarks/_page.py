"""The page ``docs/benchmarks.md``, made of the records of a run and of ``_notes.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from benchmarks._harness import shown

__all__ = ["written_page"]

_NOTES: Final = Path(__file__).with_name("_notes.md")
_TITLES: Final = {
    "list": "The staff's list",
    "search": "Search",
    "memory search": "Search in memory",
    "tick": "An empty tick of the sweep",
    "claims": "Claim and record",
    "sweep": "The whole sweep",
    "jobs": "The same work with a job library",
    "fair claims": "Turns of the businesses",
    "rush": "Nine o'clock",
    "sizing": "What a request and a message take",
    "clock": "Clock times",
    "export": "Export",
    "import": "Import",
    "phones": "Phones",
    "statuses": "Statuses",
    "decoding": "Rows and requests",
    "reports": "Reports",
}
_MARKS: Final = {True: "yes", False: "**no**", None: "–"}
_MUCH: Final = {
    "full": "",
    "quick": " (a quick one, `BENCH=quick`: a million only where it says so)",
}

Record = Mapping[str, Any]


def written_page(
    records: Sequence[Record],
    *,
    failed: Mapping[str, str],
    machine: Mapping[str, str],
    on: date,
    how_much: str,
) -> str:
    """The whole page."""
    parts = [
        _head(machine, on, how_much),
        "## Aims",
        *_aims(_of(records, "verdict")),
        *_left_out(_of(records, "absent"), failed),
        _NOTES.read_text(encoding="utf-8").strip(),
        "## Growth",
        *_growth(_of(records, "figure")),
        "## All figures",
        *_figures(_of(records, "figure")),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _of(records: Iterable[Record], kind: str) -> list[Record]:
    return [record for record in records if record["kind"] == kind]


def _head(machine: Mapping[str, str], on: date, how_much: str) -> str:
    told = "; ".join(f"{name} {value}" for name, value in machine.items())
    return f"""# Benchmarks

How fast it is, beside the raw limit and beside what else one would take. Made by `make bench` on
{on.isoformat()}{_MUCH.get(how_much, "")}; this file is written anew by it.

*Read the ratios.* Every figure is the median of rounds that were taken in turns with those it is
compared with, in one run. Milliseconds differ from machine to machine, and on one machine from hour
to hour: what waits for the disk most of all. *Raw* is the least that must be done: the plain SQL on
the same tables, say. A *peer* is what one would use instead.

This machine: {told}."""


def _aims(verdicts: Sequence[Record]) -> Iterator[str]:
    reached = [one["reached"] for one in verdicts]
    yield (
        f"{reached.count(True)} of {len(reached)} are reached, {reached.count(False)} are not, "
        f"{reached.count(None)} could not be judged here. What limits those that are not: below."
    )
    for subject, title in _TITLES.items():
        rows = [one for one in verdicts if one["subject"] == subject]
        if rows:
            yield f"### {title}"
            yield _table(
                ("what", "rows", "raw limit", "peer", "ours", "ratio", "aim", "reached?"),
                [
                    (
                        _what(one),
                        _rows(one),
                        one["raw"],
                        one["peer"],
                        one["ours"],
                        one["ratio"],
                        one["aim"],
                        _MARKS[one["reached"]],
                    )
                    for one in rows
                ],
            )


def _what(record: Record) -> str:
    where = record["where"]
    return f"{record['what']} ({where})" if where else str(record["what"])


def _rows(record: Record) -> str:
    return "" if record["rows"] is None else f"{record['rows']:,}"


def _left_out(absent: Sequence[Record], failed: Mapping[str, str]) -> Iterator[str]:
    if absent:
        names = dict.fromkeys(f"`{one['name']}`" for one in absent)
        yield f"Left out, because it was not there or did not run: {', '.join(names)}."
    if failed:
        told = ", ".join(f"`{subject}` {why}" for subject, why in failed.items())
        yield f"Not measured to the end: {told}."


def _growth(figures: Sequence[Record]) -> Iterator[str]:
    """What was measured at more than one size, a row each."""
    by_row: dict[tuple[str, ...], dict[int, Record]] = {}
    for one in figures:
        if one["rows"] is not None:
            key = (one["subject"], one["where"], one["what"], one["who"])
            by_row.setdefault(key, {})[one["rows"]] = one
    grown = {key: sizes for key, sizes in by_row.items() if len(sizes) > 1}
    for subject, title in _TITLES.items():
        rows = {key: sizes for key, sizes in grown.items() if key[0] == subject}
        if rows:
            counts = sorted({count for sizes in rows.values() for count in sizes})
            yield f"### {title}, by the number of rows"
            heads = ("store", "what", "who", *(f"{count:,}" for count in counts))
            yield _table(heads, [_grown(key, sizes, counts) for key, sizes in rows.items()])


def _grown(
    key: tuple[str, ...], sizes: Mapping[int, Record], counts: Sequence[int]
) -> tuple[str, ...]:
    _, where, what, who = key
    return (where, what, who, *(_value(sizes.get(count)) for count in counts))


def _value(figure: Record | None) -> str:
    return "" if figure is None else f"{shown(figure['value'])} {figure['unit']}"


def _figures(figures: Sequence[Record]) -> Iterator[str]:
    for subject, title in _TITLES.items():
        rows = [one for one in figures if one["subject"] == subject]
        if rows:
            yield f"<details><summary>{title}</summary>"
            yield _table(
                ("what", "rows", "who", "", "median", "lowest to highest", "rounds"),
                [
                    (
                        _what(one),
                        _rows(one),
                        one["who"],
                        one["role"],
                        _value(one),
                        f"{shown(one['low'])} to {shown(one['high'])}",
                        str(one["rounds"]),
                    )
                    for one in rows
                ],
            )
            yield "</details>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
