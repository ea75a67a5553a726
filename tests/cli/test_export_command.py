"""``abandoned-booking export`` (X1, X2): everything unless filtered, and a file that is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from cli_world import Command
from openpyxl import load_workbook

NOW: Final = ("--now", "2026-03-02T17:00:00Z")


def rows_in(file: Path) -> list[tuple[object, ...]]:
    """The rows below the header."""
    return list(load_workbook(file).worksheets[0].iter_rows(min_row=2, values_only=True))


def names_in(file: Path) -> str:
    return str(rows_in(file))


def test_everything_listed_is_exported_under_any_status(
    command: Command, salon_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "all.xlsx"
    answer = command("export", file, "--store", salon_file, *NOW, "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json == {"rows": 5, "file": str(file)}
    assert len(rows_in(file)) == 5
    for name in ("Zoë", "Ann", "Cy", "Di", "Ed"):
        assert name in names_in(file)
    assert "Flo" not in names_in(file)


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (("--status", "abandoned"), 3),
        (("--status", "recovered,contacted"), 2),
        (("--status", "any"), 5),
        (("--step", "time"), 3),
        (("--client-type", "existing_client"), 1),
        (("--text", "zoe"), 1),
        (("--from", "2026-03-03"), 0),
        (("--to", "2026-03-02T14:30:00+00:00"), 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_filter_leaves_out_what_it_does_not_find(
    command: Command, salon_file: Path, tmp_path: Path, options: tuple[str, ...], rows: int
) -> None:
    file = tmp_path / "some.xlsx"
    answer = command("export", file, "--store", salon_file, *NOW, *options, "--json")
    assert answer.json["rows"] == rows == len(rows_in(file))


def test_a_file_that_is_there_is_replaced_and_people_are_told(
    command: Command, salon_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "list.xlsx"
    file.write_text("old")
    answer = command("export", file, "--store", salon_file, *NOW)
    assert (answer.code, answer.out) == (0, f"5 requests in {file}\n")
    assert len(rows_in(file)) == 5


def test_the_store_is_never_replaced_by_its_own_export(command: Command, salon: Path) -> None:
    store = salon.rename(salon.with_suffix(".xlsx"))
    before = store.read_bytes()
    assert "is the store itself" in command("export", store, "--store", store).error
    assert store.read_bytes() == before
