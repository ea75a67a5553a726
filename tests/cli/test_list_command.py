"""``abandoned-booking list``: filters, search, pages, the dot (L1-L5), and what is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from cli_world import Answer, Command

from abandoned_booking.stores.sqlite import SqliteStore

NOW: Final = "2026-03-02T17:00:00Z"
KEYS: Final = {
    *("id", "session_id", "abandoned_at", "step", "client_name", "pets", "phone", "care_type"),
    *("status", "last_contacted_at", "actions"),
}


@pytest.fixture
def listed(command: Command, salon_file: Path) -> Any:
    def asked(*options: object) -> Answer:
        answer = command("list", "--store", salon_file, "--now", NOW, *options)
        assert (answer.code, answer.err) == (0, "")
        return answer

    return asked


def sessions(answer: Answer) -> list[str]:
    return [row["session_id"] for row in answer.json["requests"]]


def test_the_list_opens_with_abandoned_newest_first_and_counts_the_dot(listed: Any) -> None:
    found = listed("--json").json
    assert [row["session_id"] for row in found["requests"]] == ["s5", "s4", "s2"]
    assert (found["total"], found["dot"], found["next_cursor"]) == (3, 3, None)
    assert set(found) == {"total", "dot", "next_cursor", "requests"}


def test_a_row_has_what_the_staff_see(listed: Any) -> None:
    [row] = listed("--json", "--status", "recovered").json["requests"]
    assert set(row) == KEYS
    assert row["session_id"] == "s1"
    assert row["abandoned_at"] == "2026-03-02T12:00:00Z"
    assert row["step"] == "time"
    assert row["client_name"] == "Zoë O'Neil"
    assert row["pets"] == ["Rex"]
    assert row["phone"] == "+12125550101"
    assert row["care_type"] == "grooming"
    assert row["status"] == "recovered"
    assert row["last_contacted_at"] == "2026-03-02T17:00:00Z"
    assert row["actions"] == ["add_client", "view_booking"]


def test_what_is_not_known_is_null_or_empty(listed: Any) -> None:
    rows = {row["session_id"]: row for row in listed("--json", "--status", "any").json["requests"]}
    assert rows["s4"]["phone"] is None
    assert rows["s4"]["last_contacted_at"] is None
    assert rows["s3"]["pets"] == []
    assert rows["s3"]["care_type"] is None
    assert rows["s5"]["actions"] == ["schedule"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--status", "contacted"), ["s3"]),
        (("--status", "contacted,recovered"), ["s3", "s1"]),
        (("--status", "contacted", "--status", "recovered"), ["s3", "s1"]),
        (("--status", "any"), ["s5", "s4", "s3", "s2", "s1"]),
        (("--status", "completed"), []),
        (("--step", "time"), ["s5", "s4"]),
        (("--step", "time,pet"), ["s5", "s4", "s2"]),
        (("--client-type", "existing_client"), ["s5"]),
        (("--client-type", "new_visitor"), ["s4", "s2"]),
        (("--text", "REX"), ["s5"]),
        (("--text", "zoe", "--status", "any"), ["s1"]),
        (("--text", "416-555"), ["s2"]),
        (("--text", "%"), []),
        (("--from", "2026-03-02T13:30:00Z"), ["s5", "s4"]),
        (("--from", "2026-03-02"), ["s5", "s4", "s2"]),
        (("--from", "2026-03-03"), []),
        (("--to", "2026-03-02"), []),
        (("--to", "2026-03-02T14:30:00+00:00"), ["s2"]),
        (("--sort", "name"), ["s2", "s4", "s5"]),
        (("--limit", "2"), ["s5", "s4"]),
        (("--business", "paws"), ["s5", "s4", "s2"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_asked_for_is_found(
    listed: Any, options: tuple[str, ...], found: list[str]
) -> None:
    assert sessions(listed("--json", *options)) == found


def test_pages_follow_one_another_by_cursor(listed: Any) -> None:
    pages, cursor = [], None
    while True:
        more = ("--cursor", cursor) if cursor else ()
        answer = listed("--json", "--status", "any", "--limit", 2, *more)
        assert answer.json["total"] == 5
        pages.append(sessions(answer))
        cursor = answer.json["next_cursor"]
        if cursor is None:
            break
    assert pages == [["s5", "s4"], ["s3", "s2"], ["s1"]]


def test_the_dot_does_not_follow_the_filters(listed: Any) -> None:
    found = listed("--json", "--status", "recovered").json
    assert (found["total"], found["dot"]) == (1, 3)


def test_now_decides_who_is_listed_yet(command: Command, salon_file: Path) -> None:
    store = ("list", "--store", salon_file, "--json")
    at_noon = command(*store, "--now", "2026-03-02T12:00:00-05:00")
    assert sessions(at_noon) == ["s5", "s4", "s2"]
    later = command(*store, "--now", "2026-03-02T17:30:00Z")
    assert sessions(later) == ["s6", "s5", "s4", "s2"]


def test_without_now_the_machines_clock_counts(command: Command, salon_file: Path) -> None:
    assert "s6" in sessions(command("list", "--store", salon_file, "--json"))


def test_people_get_a_table_in_the_businesss_zone_that_fits_80_columns(
    listed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = listed("--status", "any").out
    assert max(map(len, out.splitlines())) <= 80
    for part in ("Zoë", "2026-03-02", "07:00", "12:00", "+12125550101", "recovered", "grooming"):
        assert part in out
    assert "5 found; red dot: 3; times: America/New_York" in out


def test_there_is_one_line_for_each_where_there_is_room(
    listed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    lines = [line for line in listed("--status", "recovered").out.splitlines() if "Zoë" in line]
    [line] = lines
    for part in ("2026-03-02 07:00", "Rex", "grooming", "add client, view booking"):
        assert part in line


def test_what_strangers_typed_reaches_the_terminal_as_plain_text(listed: Any) -> None:
    out = listed().out
    assert "[b]Max[/b]" in out
    assert "\x1b" not in out


def test_a_page_with_more_behind_it_says_how_to_go_on(listed: Any, command: Command) -> None:
    out = listed("--limit", 1).out
    assert "3 found; 1 of 3 shown; red dot: 3" in out
    cursor = out.split("--cursor ")[1].strip()
    assert sessions(listed("--limit", 1, "--cursor", cursor, "--json")) == ["s4"]


def test_nothing_found_is_said(listed: Any) -> None:
    assert listed("--text", "nobody").out == (
        "nothing found; red dot: 3; times: America/New_York\n"
    )


def test_of_several_businesses_one_must_be_named(command: Command, salon: Path) -> None:
    with SqliteStore(salon) as store:
        store.suppressions.add("claws", "key")
    error = command("list", "--store", salon).error
    assert error.endswith("choose one with --business: claws, paws")
    assert command("list", "--store", salon, "--business", "paws").code == 0


def test_a_store_without_any_business_says_so(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    SqliteStore(path).close()
    assert "holds no business yet" in command("list", "--store", path).error
