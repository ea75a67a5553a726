"""``abandoned-booking explain`` (C10, R8) and ``sweep`` (R3, R4)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from cli_world import Command

from abandoned_booking.stores.sqlite import SqliteStore

NOW: Final = "2026-03-02T17:00:00Z"
KEYS: Final = {
    *("listed", "listing_reasons", "listing", "phase", "message_reasons", "send_at", "message"),
}


def id_of(path: Path, session: str) -> str:
    with SqliteStore(path) as store:
        request = store.latest_of_session("paws", session)
    assert request is not None
    return request.id


@pytest.mark.parametrize(
    ("session", "told"),
    [
        (
            "s5",
            {
                "listed": True,
                "listing_reasons": [],
                "listing": "Listed since 2026-03-02 11:30 EST, as abandoned.",
                "phase": "pending",
                "message_reasons": [],
                "send_at": "2026-03-02T17:30:00Z",
                "message": "The recovery message goes on 2026-03-02 12:30 EST.",
            },
        ),
        (
            "s6",
            {"listed": False, "listing_reasons": ["too_recent"], "send_at": "2026-03-02T18:30:00Z"},
        ),
        ("s3", {"phase": "sent", "send_at": None, "message_reasons": []}),
        ("s7", {"phase": "skipped", "listing_reasons": ["no_contact_point"]}),
    ],
    ids=["waiting", "too recent", "sent", "withheld"],
)
def test_why_and_when_are_told(
    command: Command, salon_file: Path, session: str, told: dict[str, object]
) -> None:
    request_id = id_of(salon_file, session)
    answer = command("explain", request_id, "--store", salon_file, "--now", NOW, "--json")
    assert (answer.code, answer.err) == (0, "")
    assert set(answer.json) == KEYS
    assert told.items() <= answer.json.items()


def test_people_get_both_sentences(command: Command, salon_file: Path) -> None:
    request_id = id_of(salon_file, "s5")
    answer = command("explain", request_id[:8], "--store", salon_file, "--now", NOW)
    assert answer.out.splitlines() == [
        "Listed since 2026-03-02 11:30 EST, as abandoned.",
        "The recovery message goes on 2026-03-02 12:30 EST.",
    ]


def test_a_beginning_is_enough_if_it_is_the_only_one(
    command: Command, salon_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abandoned_booking.cli.explain._SHORTEST_BEGINNING", 0)
    assert "give more of the id" in command("explain", "", "--store", salon_file).error


def test_a_sweep_prints_what_goes_and_reports(command: Command, salon: Path) -> None:
    swept = command("sweep", "--store", salon, "--now", "2026-03-02T17:30:00Z")
    assert swept.code == 0
    assert swept.err == f"note: 1 printed, not sent; {salon} has them as sent, for good\n"
    assert "SMS to +12125550105: Hi Ed, " in swept.out
    assert "; sent: 1" in swept.out
    assert "not sent, no phone: 1" in swept.out
    again = command("sweep", "--store", salon, "--now", "2026-03-02T17:30:00Z")
    assert (again.out, again.err) == ("nothing was due\n", "")


def test_with_json_the_texts_go_to_standard_error(command: Command, salon: Path) -> None:
    swept = command("sweep", "--store", salon, "--now", "2026-03-02T17:30:00Z", "--json")
    assert swept.err.startswith("SMS to +12125550105: ")
    report = swept.json
    assert report["sent"] == 1
    assert report["claimed"] >= 2
    assert report["skipped"] == {"no_phone": 1}
    assert set(report) >= {
        *("claimed", "sent", "failed", "waiting", "unconfirmed", "lost", "errors", "skipped"),
    }


def test_a_limit_is_kept(command: Command, salon: Path) -> None:
    options = ("--store", salon, "--now", "2026-03-02T17:30:00Z", "--json")
    assert command("sweep", *options, "--limit", 1).json["claimed"] == 1
    assert command("sweep", *options, "--limit", 1, "--business", "paws").json["claimed"] == 1
    while command("sweep", *options, "--limit", 1).json["claimed"]:
        pass
    assert command("sweep", *options).json["claimed"] == 0
