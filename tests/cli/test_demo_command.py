"""``abandoned-booking demo``: a month that is the same in every run, and the commands it offers."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from cli_world import Command

from abandoned_booking import BusinessSettings
from abandoned_booking.cli.app import run
from abandoned_booking.cli.demo import _clear
from abandoned_booking.stores.sqlite import SqliteStore

SCRIPTS: Final = Path(sys.executable).parent
STATUSES: Final = {"abandoned", "contacted", "recovered", "completed"}


def demonstrated(folder: Path, *options: str) -> str:
    """What the installed program's demo prints."""
    ran = subprocess.run(
        [SCRIPTS / "abandoned-booking", "demo", *options],
        cwd=folder,
        env={**os.environ, "COLUMNS": "100", "PATH": f"{SCRIPTS}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ran.stderr == ""
    return ran.stdout


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which the demo ran twice, the second time over its own file; the output."""
    folder = tmp_path_factory.mktemp("demo")
    printed = demonstrated(folder)
    assert demonstrated(folder) == printed
    return folder, printed


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Another seed's month for another business: the file, and what was told of it."""
    path = tmp_path_factory.mktemp("another") / "my demo.db"
    options = ("--store", str(path), "--seed", "2", "--business", "paws", "--json")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        patch.setattr(sys, "argv", ["some where/abandoned-booking"])
        patch.setenv("PATH", str(path.parent))
        assert run(["demo", *options]) == 0
    return path, json.loads(out.getvalue())


def test_two_runs_print_the_same_and_leave_one_file(month: tuple[Path, str]) -> None:
    folder, _ = month
    assert [path.name for path in folder.iterdir()] == ["demo.db"]


def test_the_demo_shows_the_list_the_texts_the_reasons_and_what_was_won(
    month: tuple[Path, str],
) -> None:
    _, printed = month
    for part in (
        *("red dot: ", "delivered", "replied", "opted out", "not due yet", "for example to +1"),
        *("completed", "no contact point", "no phone", "not us number", "recovered, by recovery"),
        *("cannot receive texts", "blocked", "no applicable service", "abandoned-booking list"),
    ):
        assert part in printed
    assert max(map(len, printed.split("Recovery messages")[0].splitlines())) <= 100


def test_every_command_that_it_offers_works(month: tuple[Path, str]) -> None:
    folder, printed = month
    commands = [line for line in printed.splitlines() if line.startswith("abandoned-booking ")]
    assert [line.split()[1] for line in commands] == ["list", "list", "list", "explain", "sweep"]
    for line in commands:
        ran = subprocess.run(
            [SCRIPTS / "abandoned-booking", *shlex.split(line)[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert ran.stdout
        assert "nothing" not in ran.stdout
        assert all(line.startswith("note: ") for line in ran.stderr.splitlines())


def test_the_figures_fit_together(another: tuple[Path, dict[str, Any]]) -> None:
    _, told = another
    assert told["sessions"] > 300
    assert set(told["statuses"]) == STATUSES
    assert all(told["statuses"][status] > 10 for status in STATUSES)
    assert sum(told["statuses"].values()) == told["requests"]
    sent = sum(told["messages"].values())
    assert sent + told["waiting"] + sum(told["not_sent"].values()) == told["requests"]
    assert sum(told["recovered_by"].values()) == told["statuses"]["recovered"]
    assert told["replies"]["reply"] > 5
    assert told["replies"]["opted_out"] > 5
    assert told["waiting"] > 0
    assert told["dot"] == told["total"] <= told["statuses"]["abandoned"]


def test_another_seed_is_another_month(
    month: tuple[Path, str], another: tuple[Path, dict[str, Any]]
) -> None:
    _, printed = month
    _, told = another
    assert f"red dot: {told['dot']}\n" not in printed or str(told["requests"]) not in printed


def test_the_file_that_is_left_behind_holds_the_month(
    another: tuple[Path, dict[str, Any]],
) -> None:
    path, told = another
    with SqliteStore(path) as store:
        requests = [request for request in store.stream("paws") if request.step is not None]
        assert store.settings.get("paws") is not None
    assert len(requests) == told["requests"]
    assert {request.phone.region for request in requests if request.phone} >= {"US", "CA"}
    assert len({request.step for request in requests}) == 9


def test_the_commands_name_the_program_as_it_was_called_and_quote_what_must_be(
    another: tuple[Path, dict[str, Any]],
) -> None:
    _, told = another
    for line in told["next_commands"]:
        assert line.startswith("'some where/abandoned-booking' ")
        assert "my demo.db' --business paws " in line


# ── whose file it is ────────────────────────────────────────────────────────────────────────────


def test_its_own_earlier_file_goes_with_all_that_belongs_to_it(
    another: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "demo.db"
    shutil.copy(another[0], path)
    Path(f"{path}-wal").touch()
    _clear(path, "paws")
    assert list(tmp_path.iterdir()) == []


def of_another_name(path: Path) -> None:
    """The demo's file, asked for under another name than the demo's business."""


def with_a_stranger(path: Path) -> None:
    with SqliteStore(path) as store:
        store.suppressions.add("mine", "key")


def renamed(path: Path) -> None:
    with SqliteStore(path) as store:
        store.settings.put(BusinessSettings(business_id="paws", name="A real salon"))


def foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()


def text(path: Path) -> None:
    path.write_text("my notes")


@pytest.mark.parametrize("change", [of_another_name, with_a_stranger, renamed, foreign, text])
def test_what_is_not_its_own_file_is_never_replaced(
    command: Command,
    another: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    change: Callable[[Path], None],
) -> None:
    path = tmp_path / "demo.db"
    shutil.copy(another[0], path)
    change(path)
    before = path.read_bytes()
    business = "demo" if change is of_another_name else "paws"
    error = command("demo", "--store", path, "--business", business).error
    assert "is there and was not made by this demo" in error
    assert path.read_bytes() == before


def test_an_empty_file_and_an_empty_store_may_be_used(tmp_path: Path) -> None:
    empty, fresh = tmp_path / "empty.db", tmp_path / "fresh.db"
    empty.touch()
    SqliteStore(fresh).close()
    for path in (empty, fresh):
        _clear(path, "demo")
    assert not fresh.exists()
