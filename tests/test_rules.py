"""docs/reference/rules.md is true: each module that it names speaks of the rule, as does a test.

The rules are those of the product, C1 to G4; all of them are on the page, each once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "reference" / "rules.md"
TESTS: Final = [path for path in ROOT.glob("tests/**/*.py") if path != Path(__file__).resolve()]

LAST_OF: Final = {
    "C": 10, "D": 3, "L": 8, "X": 4, "S": 5, "R": 9, "T": 5, "M": 4, "I": 5, "B": 2, "P": 3, "G": 4,
}  # fmt: skip
ALL_RULES: Final = [f"{kind}{n}" for kind, last in LAST_OF.items() for n in range(1, last + 1)]

NAMED: Final = re.compile(
    r"\b(?P<kind>[CDLXSRTMIBPG])(?P<first>\d{1,2})\b(?:\s?(?:-|–|to)\s?(?P=kind)(?P<last>\d{1,2})\b)?"
)


def rules_in(text: str) -> Iterator[str]:
    """The rules that a text names; a range, C5-C7, names all of them."""
    for found in NAMED.finditer(text):
        first = int(found["first"])
        last = int(found["last"] or first)
        yield from (f"{found['kind']}{number}" for number in range(first, last + 1))


@attrs.frozen
class Row:
    """One rule of the page."""

    rule: str
    modules: tuple[Path, ...]
    held_in: str

    @property
    def is_built(self) -> bool:
        return bool(self.modules)


def rows_of(page: str) -> Iterator[Row]:
    for rule, held_in in re.findall(r"^\| \*\*(\w+)\*\* \| .+ \| (.+) \|$", page, re.MULTILINE):
        links = re.findall(r"\]\(([^)]+\.py)\)", held_in)
        yield Row(rule, tuple((PAGE.parent / link).resolve() for link in links), held_in)


ROWS: Final = list(rows_of(PAGE.read_text(encoding="utf-8")))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def rules_of(paths: Iterable[Path]) -> set[str]:
    return {rule for path in paths for rule in rules_in(read(path))}


def test_the_page_has_every_rule_once_and_in_order() -> None:
    assert [row.rule for row in ROWS] == ALL_RULES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_a_rule_names_its_modules_or_says_that_it_is_not_built(row: Row) -> None:
    assert row.is_built or row.held_in == "*not in this version*"


@pytest.mark.parametrize("row", [row for row in ROWS if row.is_built], ids=lambda row: row.rule)
def test_each_module_of_a_rule_speaks_of_it(row: Row) -> None:
    silent = [path.name for path in row.modules if row.rule not in set(rules_in(read(path)))]
    assert not silent, f"{row.rule} is not mentioned in {', '.join(silent)}"


def test_every_rule_that_is_built_has_a_test_that_names_it() -> None:
    built = {row.rule for row in ROWS if row.is_built}
    assert not built - rules_of(TESTS)


def test_every_rule_that_the_code_names_exists() -> None:
    named = rules_of(ROOT.glob("src/**/*.py"))
    assert named <= set(ALL_RULES)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("C4", ["C4"]),
        ("C10 and R8", ["C10", "R8"]),
        ("C5-C7", ["C5", "C6", "C7"]),
        ("M1 to M4, S1–S2", ["M1", "M2", "M3", "M4", "S1", "S2"]),
        ("c4, XC4, C4x, GSM 03, R, C400", []),
    ],
)
def test_rules_are_read_out_of_a_text(text: str, rules: list[str]) -> None:
    assert list(rules_in(text)) == rules
