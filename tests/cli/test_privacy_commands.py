"""``abandoned-booking optouts`` (I1, R6), ``forget`` and ``purge`` (G3)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from cli_world import Command

from abandoned_booking import AbandonedBookings, Retention
from abandoned_booking.cli._options import parse_retention, parse_secret
from abandoned_booking.errors import InvalidInput
from abandoned_booking.stores.sqlite import SqliteStore

NOW: Final = ("--now", "2026-03-02T17:00:00Z")
ED: Final = "+12125550105"


# ── optouts ─────────────────────────────────────────────────────────────────────────────────────


def test_a_phone_is_opted_out_asked_about_and_opted_in_again(command: Command, salon: Path) -> None:
    def told(verb: str, phone: str = ED) -> object:
        answer = command("optouts", verb, phone, "--store", salon, "--json")
        assert (answer.code, answer.err) == (0, "")
        return answer.json

    assert told("check") == {"opted_out": False, "blocked": False}
    assert told("remove") == {"opted_out": False, "changed": False}
    assert told("add", "(212) 555-0105") == {"opted_out": True, "changed": True}
    assert told("add") == {"opted_out": True, "changed": False}
    assert told("check") == {"opted_out": True, "blocked": False}
    swept = command("sweep", "--store", salon, "--now", "2026-03-02T17:30:00Z", "--json").json
    assert (swept["sent"], swept["skipped"]["opted_out"]) == (0, 1)
    assert told("remove") == {"opted_out": False, "changed": True}
    assert told("check") == {"opted_out": False, "blocked": False}


def test_people_are_told_in_words(command: Command, salon: Path) -> None:
    def told(*arguments: str) -> str:
        return command("optouts", *arguments, ED, "--store", salon).out

    assert told("check") == "not opted out\n"
    assert told("remove") == "had not opted out\n"
    assert told("add", "--now", "2026-03-02T18:00:00Z") == "opted out\n"
    assert told("add", *NOW) == "had opted out before\n"
    assert told("check") == "opted out\n"
    assert told("remove", *NOW) == "still opted out: the person did so later than that\n"
    assert told("remove", "--now", "2026-03-02T19:00:00Z") == "no longer opted out\n"


def test_a_block_by_the_staff_is_told_and_stays(command: Command, salon: Path) -> None:
    with SqliteStore(salon) as store:
        request = store.latest_of_session("paws", "s5")
        assert request is not None
        AbandonedBookings(store).desk("paws").block_phone(request.id)
    assert command("optouts", "remove", ED, "--store", salon).code == 0
    assert command("optouts", "check", ED, "--store", salon).out == (
        "not opted out\nblocked by the staff\n"
    )


def test_the_platforms_secret_finds_the_platforms_opt_outs(
    command: Command, salon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteStore(salon) as store:
        AbandonedBookings(store, secret=b"\x00\xff").inbound.opt_out("paws", ED)
    asked = ("optouts", "check", ED, "--store", salon, "--json")
    assert command(*asked).json["opted_out"] is False
    assert command(*asked, "--secret", "hex:00ff").json["opted_out"] is True
    assert command(*asked, "--secret", "base64:AP8=").json["opted_out"] is True
    monkeypatch.setenv("ABANDONED_BOOKING_SECRET", "hex:00ff")
    assert command(*asked).json["opted_out"] is True
    assert command(*asked, "--secret", "other").json["opted_out"] is False
    for name in ("sweep", "explain", "forecast"):
        assert "ABANDONED_BOOKING_SECRET" in command(name, "--help").out
        assert "00ff" not in command(name, "--help").out


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (None, None),
        ("plain", b"plain"),
        ("with:colon", b"with:colon"),
        ("Zoë", "Zoë".encode()),
        ("\udcff", b"\xff"),
        ("hex:0a0b", b"\n\x0b"),
        ("base64:aGk=", b"hi"),
    ],
)
def test_a_secret_is_text_or_bytes_written_as_text(text: str | None, key: bytes | None) -> None:
    assert parse_secret(text) == key


@pytest.mark.parametrize("text", ["hex:xy", "base64:a", "base64:?!"])
def test_a_secret_that_is_not_what_it_says_is_refused_unseen(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_secret(text)
    assert text not in str(refused.value)


# ── forget ──────────────────────────────────────────────────────────────────────────────────────


def test_a_person_is_forgotten_and_stays_opted_out(command: Command, salon: Path) -> None:
    answer = command("forget", "--phone", ED, "--store", salon, "--yes", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json == {"requests": 1, "traces_left": False}
    assert b"5550105" not in salon.read_bytes()
    assert command("optouts", "check", ED, "--store", salon, "--json").json["opted_out"]
    again = command("forget", "--phone", ED, "--store", salon, "--yes")
    assert again.out == "erased: 0 requests; the person is opted out\n"


@pytest.mark.parametrize(
    "who", [("--email", "di@example.com"), ("--client-id", "c5")], ids=["e-mail", "client id"]
)
def test_a_person_is_found_by_other_means_too(
    command: Command, salon: Path, who: tuple[str, str]
) -> None:
    assert command("forget", *who, "--store", salon, "--yes", "--json").json["requests"] == 1


def test_without_yes_it_is_only_said_what_would_be_done(command: Command, salon: Path) -> None:
    before = salon.read_bytes()
    error = command("forget", "--phone", ED, "--store", salon).error
    assert "would erase 1 requests for good" in error
    error = command(
        "purge", "--older-than", "1d", "--store", salon, "--now", "2026-03-09T17:00:00Z"
    ).error
    assert "would erase 7 requests for good" in error
    assert salon.read_bytes() == before


# ── purge ───────────────────────────────────────────────────────────────────────────────────────


def test_what_is_old_enough_is_erased(command: Command, salon: Path) -> None:
    later = ("--store", salon, "--now", "2026-04-10T17:00:00Z", "--yes", "--json")
    assert command("purge", "--older-than", "60d", *later).json["erased"] == 0
    answer = command("purge", "--older-than", "30d", *later)
    assert (answer.code, answer.err) == (0, "")
    assert answer.json == {"examined": 7, "erased": 7, "traces_left": False}
    assert command("purge", "--older-than", "30d", *later).json["erased"] == 0


def test_without_an_age_the_businesss_own_counts(command: Command, salon: Path) -> None:
    later = ("--store", salon, "--now", "2026-04-10T17:00:00Z", "--yes")
    assert "keep_for=24months" in command("purge", *later).error
    command("settings", "set", "keep_for=30d", "--store", salon)
    assert command("purge", *later).out == "erased: 7 requests; looked at 7\n"


def test_progress_is_shown_where_somebody_looks(
    command: Command, salon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int | None]] = []

    class Bar:
        def __enter__(self) -> object:
            return lambda done, of: seen.append((done, of))

        def __exit__(self, *_: object) -> None:
            pass

    for module in ("privacy", "export"):
        monkeypatch.setattr(f"abandoned_booking.cli.{module}.progress_bar", lambda _: Bar())
    later = ("--store", salon, "--now", "2026-04-10T17:00:00Z")
    command("export", salon.with_name("a.xlsx"), *later)
    assert seen == [(6, 6)]
    command("purge", "--older-than", "30d", *later, "--yes")
    assert seen[1:] == [(7, None)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1d", Retention(days=1)),
        ("30 days", Retention(days=30)),
        ("1month", Retention(months=1)),
        ("24months", Retention(months=24)),
        ("3y", Retention(years=3)),
        ("1 year", Retention(years=1)),
    ],
)
def test_an_age_is_days_months_or_years(text: str, kept: Retention) -> None:
    assert parse_retention(text, field="x") == kept


@pytest.mark.parametrize("text", ["", "1", "d", "1m", "0d", "101y", "-1d", "1.5y", "1d 2y"])
def test_another_age_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^x: must be"):
        parse_retention(text, field="x")
