"""``abandoned-booking replay``: options, bad lines, the store (C3, G2, G4)."""

from __future__ import annotations

import io
import sys
from datetime import time, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cli_world import Answer, Command

from abandoned_booking import AfterDelay, AtClockTime, Days, RecoveryCampaign, Step
from abandoned_booking.cli._options import parse_campaign, parse_pairs
from abandoned_booking.errors import InvalidInput
from abandoned_booking.stores.sqlite import SqliteStore

KEYS: Final = {
    *("events", "sessions", "requests", "abandoned", "contacted", "recovered", "completed"),
    *("messages_sent", "duplicates", "by_step"),
}
LOG: Final = """who,page,when
v1,start,2026-03-02T15:00:00Z
v2,start,2026-03-02T15:05:00Z
v1,date,2026-03-02T15:10:00Z
v2,done,2026-03-02T15:20:00Z
v1,done,2026-03-02T18:00:00Z
v3,date,2026-03-02T19:00:00Z
"""
MAPPING: Final = (
    *("--columns", "session=who,client=who,step=page,at=when"),
    *("--steps", "start=welcome,date=date,done=booked"),
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


@pytest.fixture
def replayed(command: Command, log: Path) -> Any:
    def asked(*options: object) -> Answer:
        return command("replay", log, *MAPPING, *options)

    return asked


def test_the_figures_have_these_names_and_no_others(replayed: Any) -> None:
    answer = replayed("--campaign", "after=2h", "--people", "synthetic", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert set(answer.json) == KEYS
    assert answer.json == {
        "events": 6,
        "sessions": 3,
        "requests": 3,
        "abandoned": 1,
        "contacted": 0,
        "recovered": 1,
        "completed": 1,
        "messages_sent": 1,
        "duplicates": 0,
        "by_step": {"date": 1},
    }


def test_people_get_a_table_and_a_hint(replayed: Any) -> None:
    plain = replayed().out
    assert "still open, left at date" in plain
    assert "the campaign is off; try --campaign after=2h" in plain
    phoneless = replayed("--campaign", "after=2h", "--until", "2026-03-03T00:00:00Z").out
    assert "not messaged, no phone" in phoneless
    assert "needs --people synthetic" in phoneless
    full = replayed("--campaign", "after=2h", "--people", "synthetic").out
    assert "hint" not in full
    assert "messages sent" in full
    assert "try" not in full


def test_the_store_holds_the_result_with_the_logs_own_steps(replayed: Any, tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    replayed("--campaign", "after=2h", "--people", "synthetic", "--store", path)
    with SqliteStore(path) as store:
        settings = store.settings.get("replay")
        requests = list(store.stream("replay"))
    assert settings is not None
    assert settings.steps == (Step("welcome"), Step("date"))
    assert settings.timezone == "UTC"
    assert settings.campaign == RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2))
    assert {request.session_id: request.status for request in requests} == {
        "v1": "recovered",
        "v2": "completed",
        "v3": "abandoned",
    }
    assert len({request.phone for request in requests}) == 3
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_replay_sends_nothing_and_a_later_end_sends_the_rest(
    replayed: Any, tmp_path: Path
) -> None:
    options = ("--campaign", "after=2h", "--people", "synthetic", "--json")
    store = ("--store", tmp_path / "b.db")
    assert replayed(*options, *store).json["messages_sent"] == 1
    assert replayed(*options, *store).json["messages_sent"] == 0
    later = replayed("--people", "synthetic", "--json", *store, "--until", "2026-03-02T21:00:00Z")
    assert (later.json["messages_sent"], later.json["contacted"]) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        ("--campaign", "off"),
        ("--campaign", "after=3h"),
        ("--campaign", "daily=09:00"),
        ("--timezone", "America/New_York"),
    ],
    ids=" ".join,
)
def test_the_store_keeps_its_settings_and_others_are_refused(
    replayed: Any, tmp_path: Path, other: tuple[str, str]
) -> None:
    store = ("--store", tmp_path / "b.db")
    assert replayed("--campaign", "after=2h", *store).code == 0
    error = replayed(*other, *store).error
    assert f"{other[0]}: is not what {store[1]} has for business replay" in error
    assert replayed("--campaign", "after=2h", "--timezone", "UTC", *store).code == 0
    assert replayed(*other, *store, "--business", "another").code == 0


def test_steps_that_the_business_does_not_have_are_refused(
    replayed: Any, command: Command, log: Path, tmp_path: Path
) -> None:
    store = ("--store", tmp_path / "b.db")
    assert replayed(*store).code == 0
    steps = ("--steps", "start=welcome,date=day,done=booked")
    error = command("replay", log, *MAPPING[:2], *steps, *store).error
    assert "--steps: is not what" in error


def test_off_agrees_with_off_whatever_the_timing(replayed: Any, tmp_path: Path) -> None:
    store = ("--store", tmp_path / "b.db")
    assert replayed("--campaign", "off", *store).code == 0
    assert replayed("--campaign", "off", *store).code == 0
    assert "--campaign" in replayed("--campaign", "after=2h", *store).error


def test_an_empty_file_becomes_a_store(replayed: Any, tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    path.touch()
    assert replayed("--store", path).code == 0
    assert path.stat().st_size > 0


# ── bad lines ───────────────────────────────────────────────────────────────────────────────────

BAD: Final = (
    LOG
    + "Wilhelmina,start,2026-03-02T20:00:00\n"
    + "v4,Wilhelmina,2026-03-02T20:00:00Z\n"
    + "v5,start,2026-03-02T20:00:00Z\n"
    + "v6,start\n"
)


@pytest.mark.parametrize("store", ["none", "new", "empty", "used"])
def test_each_bad_line_is_named_and_nothing_is_written(
    command: Command, log: Path, tmp_path: Path, store: str
) -> None:
    path = tmp_path / "b.db"
    options = () if store == "none" else ("--store", path)
    if store == "used":
        assert command("replay", log, *MAPPING, *options).code == 0
    elif store == "empty":
        path.touch()
    before = path.read_bytes() if path.exists() else None
    log.write_text(BAD)
    answer = command("replay", log, *MAPPING, *options, "--json")
    assert (answer.code, answer.out) == (2, "")
    *named, last = answer.err.splitlines()
    assert named == [
        f"{log}: line 8: at: is a naive instant; give it an offset, like 2026-03-01T12:00:00Z",
        f"{log}: line 9: step: is none of the steps; map it with --steps word=step",
        f"{log}: line 11: at: is missing",
    ]
    assert last.startswith("abandoned-booking: 3 lines of ")
    assert "--skip-bad" in last
    assert "Wilhelmina" not in answer.err
    assert (path.read_bytes() if path.exists() else None) == before


def test_bad_lines_can_be_left_out(command: Command, log: Path) -> None:
    log.write_text(BAD)
    answer = command("replay", log, *MAPPING, "--skip-bad", "--json")
    assert (answer.json["events"], answer.json["sessions"]) == (7, 4)
    assert len(answer.err.splitlines()) == 3


def test_a_log_whose_every_line_is_bad_can_be_left_out_too(command: Command, log: Path) -> None:
    log.write_text("session,step,at\ns,nowhere,never\n")
    answer = command("replay", log, "--skip-bad", "--json")
    assert (answer.json["events"], answer.json["by_step"]) == (0, {})


# ── options ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "timing"),
    [
        ("after=2h", AfterDelay(hours=2)),
        ("after=90m", AfterDelay(minutes=90)),
        ("after=45min", AfterDelay(minutes=45)),
        ("after=24hours", AfterDelay(hours=24)),
        ("after = 10 minutes", AfterDelay(timedelta(minutes=10))),
        ("daily=09:00", AtClockTime(time(9))),
        ("weekdays=09:30", AtClockTime(time(9, 30), Days.WEEKDAYS)),
        ("weekends=10:00:15", AtClockTime(time(10, 0, 15), Days.WEEKENDS)),
    ],
)
def test_a_campaign_is_read(text: str, timing: AfterDelay | AtClockTime) -> None:
    assert parse_campaign(text) == RecoveryCampaign(enabled=True, timing=timing)


def test_off_is_a_campaign() -> None:
    assert not parse_campaign("off").enabled


@pytest.mark.parametrize(
    "text",
    [
        *("", "2h", "after", "after=", "after=2", "after=2d", "after=-2h", "after=5m", "after=25h"),
        *("after=99999h", "after=1.5h", "daily", "daily=9", "daily=25:00", "daily=09:00Z"),
        *("sundays=09:00", "off=1", "on", "daily=09:00+02:00"),
    ],
)
def test_what_is_no_campaign_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"--campaign|campaign\.timing"):
        parse_campaign(text)


def test_pairs_are_read_and_quotes_protect_commas() -> None:
    pairs = parse_pairs('at=when, session = who ,"step=page, or so",x=a=b', field="x")
    assert list(pairs) == [
        ("at", "when"),
        ("session", "who"),
        ("step", "page, or so"),
        ("x", "a=b"),
    ]


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a=b,", "a=b,,c=d", '"a=b', "a=b,a=c"])
def test_what_are_no_pairs_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^x: "):
        parse_pairs(text, field="x")


def test_made_up_people_and_logged_ones_do_not_mix(command: Command, log: Path) -> None:
    columns = ("--columns", "session=who,step=page,at=when,phone=tel,email=mail")
    error = command("replay", log, *columns, *MAPPING[2:], "--people", "synthetic").error
    assert "leave email, phone out of --columns" in error


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_shown_on_a_terminal_and_not_on_standard_output(
    command: Command, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    answer = command("replay", log, *MAPPING, "--json")
    assert answer.json["events"] == 6
    assert "replaying" in terminal.getvalue()
