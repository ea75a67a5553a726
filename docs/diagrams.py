"""Draws the diagrams and tables of the docs from the tables of the core.

Run it after changing ``core.lifecycle.TRANSITIONS`` or ``core.sending.PHASES``::

    python docs/diagrams.py

It rewrites what stands between ``<!-- drawn: NAME -->`` and ``<!-- end of NAME -->`` in the pages.
``tests/test_diagrams.py`` fails while a page is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from abandoned_booking.core.flow import Booked
from abandoned_booking.core.lifecycle import (
    TRANSITIONS,
    AppointmentCancelled,
    ContactFailed,
    ContactMade,
    ContactUndone,
    StaffScheduled,
    StatusCorrected,
)
from abandoned_booking.core.sending import PHASES

DOCS: Final = Path(__file__).resolve().parent
Edge = tuple[str, str, str]

WORDS: Final = {
    ContactMade: "contacted",
    ContactFailed: "contact failed later",
    ContactUndone: "call taken back",
    StaffScheduled: "staff schedule",
    Booked: "client books",
    AppointmentCancelled: "appointment cancelled",
    StatusCorrected: "corrected by staff",
}

# What only the provider knows; in every phase of NOT_TAKEN it may come all the same.
REPORTS: Final = ("accepted", "delivered", "undelivered")
NOT_TAKEN: Final = [
    phase for phase, row in PHASES.items() if all(report in row for report in REPORTS)
]


def status_edges() -> Iterator[Edge]:
    """Every move from one status to another; what stays where it is has no arrow."""
    for status, row in TRANSITIONS.items():
        for event, following in row.items():
            for to in following:
                if to is not status:
                    yield (status.value, to.value, WORDS[event])


def phase_edges() -> Iterator[Edge]:
    """Every move from one phase to another, reports to a phase of NOT_TAKEN left out."""
    for phase, row in PHASES.items():
        for step, to in row.items():
            if not (phase in NOT_TAKEN and step in REPORTS):
                yield (phase.value, to.value, step.value)


def report_edges() -> Iterator[Edge]:
    """What a report does, the same in every phase of NOT_TAKEN."""
    rows = {tuple(PHASES[phase][report] for report in REPORTS) for phase in NOT_TAKEN}
    for report, to in zip(REPORTS, *rows, strict=True):
        yield ("not_taken", to.value, report)


def arrows(edges: Iterable[Edge]) -> Iterator[str]:
    """One arrow for all that leads from one state to the same other one."""
    for (start, end), same in groupby(sorted(edges), key=itemgetter(0, 1)):
        yield f"{start} --> {end}: {', '.join(word for _, _, word in same)}"


def statuses() -> str:
    return diagram(["[*] --> abandoned: begun and left", *arrows(status_edges())])


def phases() -> str:
    moves = list(phase_edges())
    within = [move for move in moves if {move[0], move[1]} <= set(NOT_TAKEN)]
    return diagram(
        [
            'state "not known to be accepted" as not_taken {',
            "    [*] --> pending",
            *(f"    {arrow}" for arrow in arrows(within)),
            "}",
            *arrows([*report_edges(), *(move for move in moves if move not in within)]),
        ]
    )


def diagram(lines: list[str]) -> str:
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```"])


def status_table() -> str:
    """Every status × event. A dash is a refusal."""
    head = ["from", *WORDS.values()]
    rows = [
        [f"**{status}**", *(" or ".join(row[event]) if event in row else "–" for event in WORDS)]
        for status, row in TRANSITIONS.items()
    ]
    return table([head, *rows])


def phase_table() -> str:
    """Every phase × what may happen. A dash changes nothing."""
    steps = list(dict.fromkeys(step for row in PHASES.values() for step in row))
    rows = [
        [f"**{phase}**", *(row[step].value if step in row else "–" for step in steps)]
        for phase, row in PHASES.items()
    ]
    return table([["from", *(step.value for step in steps)], *rows])


def table(rows: list[list[str]]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body])


DRAWINGS: Final[dict[str, Callable[[], str]]] = {
    "statuses": statuses,
    "status table": status_table,
    "phases": phases,
    "phase table": phase_table,
}
MARKED: Final = re.compile(
    r"(<!-- drawn: (?P<name>.+?) -->\n).*?(<!-- end of (?P=name) -->)", re.DOTALL
)


def redrawn(page: str) -> str:
    """The page with every marked part drawn anew. Raises ``KeyError`` for an unknown drawing."""
    return MARKED.sub(lambda mark: f"{mark[1]}\n{DRAWINGS[mark['name']]()}\n\n{mark[3]}", page)


def main() -> None:
    for path in sorted(DOCS.glob("**/*.md")):
        page = path.read_text(encoding="utf-8")
        if redrawn(page) != page:
            path.write_text(redrawn(page), encoding="utf-8")
            print(f"drew {path.relative_to(DOCS)}")


if __name__ == "__main__":
    main()
