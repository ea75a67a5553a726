"""The diagrams and tables of the docs show the tables of the core: all of them, and as they are.

Rules: S1 to S5 (the statuses), R3 (the message's phases).
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from abandoned_booking.core.lifecycle import TRANSITIONS
from abandoned_booking.core.model import MessagePhase, Status
from abandoned_booking.core.sending import PHASES

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
DRAWER: Final[dict[str, Any]] = runpy.run_path(str(DOCS / "diagrams.py"))
DRAWINGS: Final[dict[str, Callable[[], str]]] = DRAWER["DRAWINGS"]
PAGES: Final = sorted(DOCS.glob("**/*.md"))

Arrow = tuple[str, str, str]


def redrawn(page: str) -> str:
    drawn: str = DRAWER["redrawn"](page)
    return drawn


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_drawings_of_a_page_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert redrawn(text) == text, "out of date; run: python docs/diagrams.py"


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_drawing_is_on_a_page(name: str) -> None:
    assert any(f"<!-- drawn: {name} -->" in page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_page_that_is_out_of_date_is_drawn_anew_and_the_rest_of_it_kept(name: str) -> None:
    page = f"before\n\n<!-- drawn: {name} -->\n\nold\n\n<!-- end of {name} -->\n\nafter\n"
    drawn = redrawn(page)
    assert drawn == page.replace("old", DRAWINGS[name]())
    assert redrawn(drawn) == drawn


def test_a_mark_that_names_no_drawing_is_an_error() -> None:
    with pytest.raises(KeyError):
        redrawn("<!-- drawn: nothing -->\n\n<!-- end of nothing -->\n")


def arrows_of(drawing: str) -> Iterator[Arrow]:
    """Every arrow of a mermaid diagram, one for each of its labels."""
    for start, end, labels in re.findall(r"^ *(\S+) --> (\S+): (.+)$", drawing, re.MULTILINE):
        yield from ((start, end, label) for label in labels.split(", "))


def test_the_status_diagram_has_every_move_of_the_table_and_no_other() -> None:
    words = DRAWER["WORDS"]
    moves = {
        (status.value, to.value, words[event])
        for status, row in TRANSITIONS.items()
        for event, following in row.items()
        for to in following
        if to is not status
    }
    drawn = {arrow for arrow in arrows_of(DRAWINGS["statuses"]()) if arrow[0] != "[*]"}
    assert drawn == moves


def test_the_phase_diagram_has_every_move_of_the_table_and_no_other() -> None:
    moves = {
        (phase.value, to.value, step.value)
        for phase, row in PHASES.items()
        for step, to in row.items()
    }
    drawing = DRAWINGS["phases"]()
    box = re.search(r"as not_taken \{\n(.*?)\n *\}", drawing, re.DOTALL)
    assert box is not None
    boxed = {phase for arrow in arrows_of(box[1]) for phase in arrow[:2]}
    drawn = {
        (start, end, label)
        for from_, end, label in arrows_of(drawing)
        for start in (boxed if from_ == "not_taken" else {from_})
    }
    assert drawn == moves


def cells_of(drawing: str) -> dict[str, dict[str, str]]:
    """A table by row and column."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in drawing.split("\n")]
    (_, *columns), _, *rows = lines
    return {name.strip("*"): dict(zip(columns, cells, strict=True)) for name, *cells in rows}


def test_the_status_table_has_every_cell() -> None:
    cells = cells_of(DRAWINGS["status table"]())
    assert set(cells) == set(Status)
    for status, row in TRANSITIONS.items():
        for event, word in DRAWER["WORDS"].items():
            shown = cells[status][word]
            assert shown == (" or ".join(row[event]) if event in row else "–")


def test_the_phase_table_has_every_cell() -> None:
    cells = cells_of(DRAWINGS["phase table"]())
    assert set(cells) == set(MessagePhase)
    for phase, row in PHASES.items():
        shown = {step: to for step, to in cells[phase].items() if to != "–"}
        assert shown == {step.value: to.value for step, to in row.items()}
