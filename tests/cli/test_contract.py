"""What holds for every command: 0 or 2, one JSON object or nothing on standard output, one line of
advice on standard error, no traceback, nobody's data (G4)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from cli_world import Command

import abandoned_booking
from abandoned_booking.cli import app
from abandoned_booking.cli._output import one_line

COMMAND: Final = Path(sys.executable).parent / "abandoned-booking"
NOW: Final = "2026-03-02T17:00:00Z"
FUNNEL: Final = "session,client,step,at\ns1,c1,time,2026-03-07T12:00:00Z\n"


def called(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed program, in a process of its own."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# ── the installed program ───────────────────────────────────────────────────────────────────────


def test_a_day_with_the_installed_program(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(FUNNEL)
    replayed = called(
        *("replay", log, "--columns", "client=client", "--campaign", "after=2h"),
        *("--people", "synthetic", "--store", "b.db", "--json"),
        cwd=tmp_path,
    )
    assert (replayed.returncode, replayed.stderr) == (0, "")
    assert json.loads(replayed.stdout)["abandoned"] == 1

    listed = called(
        "list", "--store", "b.db", "--now", "2026-03-07T13:00:00Z", "--json", cwd=tmp_path
    )
    assert (listed.returncode, listed.stderr) == (0, "")
    [row] = json.loads(listed.stdout)["requests"]

    swept = called(
        "sweep", "--store", "b.db", "--now", "2026-03-07T14:00:00+00:00", "--json", cwd=tmp_path
    )
    assert swept.returncode == 0
    assert json.loads(swept.stdout)["sent"] == 1
    assert swept.stderr.startswith(f"SMS to {row['phone']}: Hi {row['client_name'].split()[0]}")

    told = called("explain", row["id"], "--store", "b.db", "--json", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout)["phase"] == "sent"


def test_the_rest_of_the_desk_with_the_installed_program(salon: Path, tmp_path: Path) -> None:
    store, now = ("--store", salon), ("--now", NOW)
    commands: dict[str, tuple[object, ...]] = {
        "rows": ("export", tmp_path / "a.xlsx", *store, *now),
        "total": ("report", *store, *now, "--by", "step", "--every", "week"),
        "reasons": ("forecast", *store, *now, "--until", "2026-03-02T23:00:00Z"),
        "settings": ("settings", "set", "campaign=off", *store, *now),
        "changed": ("optouts", "add", "+12125550105", *store, *now),
        "requests": ("forget", "--phone", "+12125550105", "--yes", *store, *now),
        "erased": ("purge", "--older-than", "24months", "--yes", *store, *now),
    }
    for key, arguments in commands.items():
        ran = called(*arguments, "--json", cwd=tmp_path)
        assert (ran.returncode, ran.stderr) == (0, ""), arguments
        assert key in json.loads(ran.stdout)


@pytest.mark.parametrize(
    "arguments",
    [("list", "--store", "no.db"), ("list",), ("nope",), ("replay", "no.csv", "--json")],
    ids=" ".join,
)
def test_a_failure_of_the_installed_program_is_a_2_and_one_line(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ran = called(*arguments, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    [line] = ran.stderr.splitlines()
    assert line.startswith("abandoned-booking: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv[1:] = ['--version']\n"
        "from abandoned_booking.cli import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"abandoned-booking: the command line needs {missing}; "
        "pip install 'abandoned-booking[cli]'\n"
    )


def test_a_reader_who_stops_early_is_no_error(salon: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        f"'{COMMAND}' list --store '{salon}' --status any --json | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (ran.stdout, ran.stderr) == ("0\n", "")


def test_names_that_the_terminal_cannot_show_do_not_end_the_command(
    salon: Path, tmp_path: Path
) -> None:
    options = ("list", "--store", salon, "--now", NOW, "--status", "recovered")
    shown = called(*options, cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Zo? O'Neil" in shown.stdout
    as_json = called(*options, "--json", cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert json.loads(as_json.stdout)["requests"][0]["client_name"] == "Zoë O'Neil"


# ── every way to be wrong ───────────────────────────────────────────────────────────────────────

WRONG: Final = {
    "no such command": ("lst",),
    "no such option": ("list", "--store", "{salon}", "--colour"),
    "too much": ("list", "more", "--store", "{salon}"),
    "option before the command": ("--json", "list", "--store", "{salon}"),
    "no store": ("list",),
    "no request": ("explain", "--store", "{salon}"),
    "missing file": ("list", "--store", "{folder}/no.db"),
    "missing file for a sweep": ("sweep", "--store", "{folder}/no.db"),
    "missing file for explain": ("explain", "abcd", "--store", "{folder}/no.db"),
    "empty file": ("list", "--store", "{folder}/empty.db"),
    "a folder": ("list", "--store", "{folder}"),
    "not a database": ("list", "--store", "{folder}/notes.txt"),
    "unknown business": ("list", "--store", "{salon}", "--business", "claws"),
    "unknown business for a sweep": ("sweep", "--store", "{salon}", "--business", "claws"),
    "unknown business for explain": ("explain", "abcd", "--store", "{salon}", "--business", "x"),
    "naive now": ("list", "--store", "{salon}", "--now", "2026-03-02T17:00:00"),
    "naive now for a sweep": ("sweep", "--store", "{salon}", "--now", "2026-03-02"),
    "naive now for explain": ("explain", "a", "--store", "{salon}", "--now", "2026-03-02"),
    "now far out": ("list", "--store", "{salon}", "--now", "9999-12-31T23:59:59-12:00"),
    "bad cursor": ("list", "--store", "{salon}", "--cursor", "eyJhIjoxfQ"),
    "limit 0": ("list", "--store", "{salon}", "--limit", "0"),
    "limit too high": ("list", "--store", "{salon}", "--limit", "1001"),
    "limit is a word": ("list", "--store", "{salon}", "--limit", "ten"),
    "sweep limit 0": ("sweep", "--store", "{salon}", "--limit", "0"),
    "unknown status": ("list", "--store", "{salon}", "--status", "lost"),
    "unknown step": ("list", "--store", "{salon}", "--step", "staff"),
    "unknown client type": ("list", "--store", "{salon}", "--client-type", "new"),
    "unknown sort": ("list", "--store", "{salon}", "--sort", "size"),
    "bad day": ("list", "--store", "{salon}", "--from", "2026-02-30"),
    "naive boundary": ("list", "--store", "{salon}", "--to", "2026-03-02T10:00"),
    "text too long": ("list", "--store", "{salon}", "--text", "x" * 201),
    "unknown request": ("explain", "ffffffffffffffffffffffff", "--store", "{salon}"),
    "ambiguous or short id": ("explain", "4", "--store", "{salon}"),
    "export without a file": ("export", "--store", "{salon}"),
    "export to another ending": ("export", "{folder}/a.csv", "--store", "{salon}"),
    "export to no folder": ("export", "{folder}/no/a.xlsx", "--store", "{salon}"),
    "export of an unknown status": ("export", "a.xlsx", "--store", "{salon}", "--status", "lost"),
    "export of a missing file": ("export", "{folder}/a.xlsx", "--store", "{folder}/no.db"),
    "report by the weather": ("report", "--store", "{salon}", "--by", "weather"),
    "report every year": ("report", "--store", "{salon}", "--every", "year"),
    "report from later to earlier": (
        *("report", "--store", "{salon}", "--from", "2026-04-01", "--to", "2026-03-01"),
    ),
    "report at the calendar's end": ("report", "--store", "{salon}", "--to", "0001-01-05"),
    "report from a naive instant": ("report", "--store", "{salon}", "--from", "2026-03-02T10:00"),
    "chart as a photograph": ("report", "--store", "{salon}", "--chart", "{folder}/a.jpg"),
    "chart in no folder": ("report", "--store", "{salon}", "--chart", "{folder}/no/a.svg"),
    "a kind of no chart": ("report", "--store", "{salon}", "--chart-kind", "trend"),
    "an unknown chart": (
        *("report", "--store", "{salon}", "--chart", "{folder}/a.svg", "--chart-kind", "pie"),
    ),
    "forecast without an end": ("forecast", "--store", "{salon}"),
    "forecast of the past": ("forecast", "--store", "{salon}", "--until", "2020-01-01T00:00:00Z"),
    "forecast for ever": ("forecast", "--store", "{salon}", "--until", "2199-01-01T00:00:00Z"),
    "forecast until a naive instant": ("forecast", "--store", "{salon}", "--until", "2026-03-03"),
    "forecast of no campaign": (
        *("forecast", "--store", "{salon}", "--until", "2026-03-03T00:00:00Z"),
        *("--now", NOW, "--campaign", "after=1m"),
    ),
    "settings without a verb": ("settings", "--store", "{salon}"),
    "settings of no business": ("settings", "show", "--store", "{salon}", "--business", "claws"),
    "settings set to nothing": ("settings", "set", "--store", "{salon}"),
    "an unknown setting": ("settings", "set", "colour=red", "--store", "{salon}"),
    "optouts without a verb": ("optouts", "--store", "{salon}"),
    "optouts of no phone": ("optouts", "add", "Wilhelmina", "--store", "{salon}"),
    "optouts cannot be listed": ("optouts", "list", "--store", "{salon}"),
    "a secret that is none": (
        *("optouts", "check", "+12125550105", "--store", "{salon}", "--secret", "hex:xyz"),
    ),
    "forget nobody": ("forget", "--store", "{salon}", "--yes"),
    "forget what is no phone": ("forget", "--store", "{salon}", "--phone", "12", "--yes"),
    "forget what is no e-mail": ("forget", "--store", "{salon}", "--email", "Wilhelmina", "--yes"),
    "forget without yes": ("forget", "--store", "{salon}", "--phone", "+12125550105"),
    "purge without an age": ("purge", "--store", "{salon}", "--yes"),
    "purge of a bad age": ("purge", "--store", "{salon}", "--older-than", "old", "--yes"),
    "purge without yes": ("purge", "--store", "{salon}", "--older-than", "1d"),
    "missing log": ("replay", "{folder}/no.csv"),
    "a folder as log": ("replay", "{folder}"),
    "demo over something else": ("demo", "--store", "{folder}/notes.txt"),
    "demo over another store": ("demo", "--store", "{salon}"),
}


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_whatever_is_wrong_is_a_2_one_line_and_no_trace(
    command: Command,
    salon: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    as_json: tuple[str, ...],
) -> None:
    (tmp_path / "notes.txt").write_text("ring Wilhelmina back")
    (tmp_path / "empty.db").write_bytes(b"")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    places = {"{salon}": str(salon), "{folder}": str(tmp_path)}
    filled = []
    for argument in arguments:
        for name, path in places.items():
            argument = argument.replace(name, path)
        filled.append(argument)
    error = command(*filled, *as_json).error
    assert "Traceback" not in error
    assert "Wilhelmina" not in error
    assert "bookings.settings" not in error
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_defect_is_one_line_with_its_place_and_without_its_words(
    command: Command, salon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise KeyError("Wilhelmina")

    monkeypatch.setattr("abandoned_booking.cli.listing.parse_now", breaks)
    error = command("list", "--store", salon).error
    assert error.startswith("abandoned-booking: unexpected KeyError at test_contract.py:")
    assert "Wilhelmina" not in error


def test_an_interruption_is_one_line(
    command: Command, salon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("abandoned_booking.cli.listing.parse_now", interrupted)
    answer = command("list", "--store", salon)
    assert answer.code == 2
    assert answer.err.strip() == "abandoned-booking: interrupted; run the same command again"


def test_an_error_of_the_system_names_the_file_and_what_it_is() -> None:
    assert app._advice(PermissionError(13, "Permission denied", "a.csv")) == (
        "a.csv: Permission denied"
    )
    assert app._advice(OSError()) == "OSError"


def test_a_line_is_one_line() -> None:
    assert one_line("a\n  b\r\n c") == "a b c"


# ── what is there without a command ─────────────────────────────────────────────────────────────


def test_the_version_is_told_in_words_and_as_json(command: Command) -> None:
    version = abandoned_booking.__version__
    assert command("--version").out == f"abandoned-booking {version}\n"
    assert command("--version", "--json").json == {"version": version}


def test_without_a_command_the_help_is_shown(command: Command) -> None:
    answer = command()
    assert answer.code == 0
    for name in {name.partition(" ")[0] for name in COMMANDS}:
        assert f" {name} " in answer.out


COMMANDS: Final = (
    *("demo", "replay", "list", "explain", "forecast", "sweep", "export", "report"),
    *("settings show", "settings set", "optouts add", "optouts remove", "optouts check"),
    *("forget", "purge"),
)
TIMELESS: Final = {"demo", "replay", "settings show", "optouts check"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_common_options(command: Command, name: str) -> None:
    answer = command(*name.split(), "--help")
    assert answer.code == 0
    for option in ("--store", "--business", "--json"):
        assert option in answer.out
    assert ("--now" in answer.out) == (name not in TIMELESS)
