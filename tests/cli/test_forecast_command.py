"""``abandoned-booking forecast``: whom, when, at what price, whom not and why (R8)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from cli_world import Command

from abandoned_booking.stores.sqlite import SqliteStore

AT_NOON: Final = ("--now", "2026-03-02T17:00:00Z", "--until", "2026-03-02T23:00:00Z")


def session_of(path: Path, request_id: str) -> str:
    with SqliteStore(path) as store:
        request = store.get("paws", request_id)
    assert request is not None
    return request.session_id


def test_it_tells_what_a_sweep_would_do_and_changes_nothing(command: Command, salon: Path) -> None:
    before = command("list", "--store", salon, "--status", "any", "--json").out
    answer = command("forecast", "--store", salon, *AT_NOON, "--json")
    assert (answer.code, answer.err) == (0, "")
    told = answer.json
    assert [session_of(salon, line["id"]) for line in told["messages"]] == ["s5", "s6"]
    assert [line["send_at"] for line in told["messages"]] == [
        "2026-03-02T17:30:00Z",
        "2026-03-02T18:30:00Z",
    ]
    assert told["next_send_at"] == "2026-03-02T17:30:00Z"
    assert told["segments"] == told["credits"] == sum(x["segments"] for x in told["messages"])
    assert (told["asked_at"], told["until"]) == ("2026-03-02T17:00:00Z", "2026-03-02T23:00:00Z")
    assert told["later"] == []
    why = {session_of(salon, line["id"]): line["reasons"] for line in told["not_messaged"]}
    assert set(why) == {"s1", "s2", "s3", "s4", "s7"}
    assert "no_phone" in why["s4"]
    assert "not_us_number" in why["s2"]
    assert told["reasons"]["no_phone"] == sum("no_phone" in reasons for reasons in why.values())
    assert command("list", "--store", salon, "--status", "any", "--json").out == before
    swept = command("sweep", "--store", salon, "--now", "2026-03-02T17:30:00Z", "--json")
    assert swept.json["sent"] == 1


def test_another_campaign_stands_in_for_the_stored_one(command: Command, salon: Path) -> None:
    def told(campaign: str) -> list[str]:
        options = (*AT_NOON, "--campaign", campaign, "--json")
        answer = command("forecast", "--store", salon, *options).json
        return [line["send_at"] for line in answer["messages"]]

    assert told("off") == []
    assert set(told("daily=13:00")) == {"2026-03-02T18:00:00Z"}
    shown = command("settings", "show", "--store", salon, "--json").json
    assert shown["settings"]["campaign"]["timing"] == {"kind": "after", "delay": 7200.0}


def test_an_opt_out_is_seen_with_the_platforms_secret_only(command: Command, salon: Path) -> None:
    key = ("--secret", "hex:00ff")
    command("optouts", "add", "+12125550105", "--store", salon, *key)
    asked = ("forecast", "--store", salon, *AT_NOON, "--json")
    assert len(command(*asked).json["messages"]) == 2
    told = command(*asked, *key).json
    assert len(told["messages"]) == 1
    assert told["reasons"]["opted_out"] == 1


def test_people_get_the_first_messages_and_the_reasons(command: Command, salon: Path) -> None:
    out = command("forecast", "--store", salon, *AT_NOON).out
    assert out.startswith("2 messages until 2026-03-02 18:00, ")
    assert "2026-03-02 12:30" in out
    assert "no phone" in out
    assert "times: America/New_York" in out


def test_of_many_messages_the_first_are_shown(
    command: Command, salon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abandoned_booking.cli.forecast._SHOWN", 1)
    out = command("forecast", "--store", salon, *AT_NOON).out
    assert "the first 1 of 2; --json has them all" in out
    assert "2026-03-02 13:30" not in out
