"""``abandoned-booking settings``: shown, changed as a whole or not at all, planned anew (T5)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from cli_world import Command

from abandoned_booking import AfterDelay, AtClockTime, BusinessSettings, ClientType, Days, Retention
from abandoned_booking.cli import settings as command_module
from abandoned_booking.core.campaign import CompliancePolicy
from abandoned_booking.stores.sqlite import SqliteStore

NOW: Final = ("--now", "2026-03-02T17:00:00Z")


def stored(path: Path) -> BusinessSettings:
    with SqliteStore(path) as store:
        found = store.settings.get("paws")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("name=Claws", lambda s: s.name == "Claws"),
        ("timezone=Asia/Tokyo", lambda s: s.timezone == "Asia/Tokyo"),
        ("region=CA", lambda s: s.region == "CA"),
        (
            "campaign=off",
            lambda s: not s.campaign.enabled and s.campaign.timing == AfterDelay(hours=2),
        ),
        ("campaign=on", lambda s: s.campaign.enabled),
        ("campaign=after=90m", lambda s: s.campaign.timing == AfterDelay(minutes=90)),
        ("campaign=daily=09:00", lambda s: s.campaign.timing == AtClockTime("09:00")),
        (
            "campaign = weekends=10:30",
            lambda s: s.campaign.timing == AtClockTime("10:30", Days.WEEKENDS),
        ),
        ("recipients=new_visitor", lambda s: s.campaign.recipients == {ClientType.NEW_VISITOR}),
        ("campaign_steps=time, pet", lambda s: s.campaign.steps == {"time", "pet"}),
        ("campaign_steps=any", lambda s: s.campaign.steps is None),
        (
            "template=Hi {{first_name}}, a=b",
            lambda s: s.campaign.template == "Hi {{first_name}}, a=b",
        ),
        ("template=@{text}", lambda s: s.campaign.template == "Come back,\n{{first_name|you}}"),
        ("holdout=0.1", lambda s: s.campaign.holdout == 0.1),
        ("compliance=us_marketing", lambda s: s.compliance == CompliancePolicy.us_marketing()),
        ("compliance=relaxed", lambda s: s.compliance == CompliancePolicy.relaxed()),
        ("leads_management=on", lambda s: s.leads_management),
        ("leads_management=off", lambda s: not s.leads_management),
        ("opt_out_keyword=HALT", lambda s: s.opt_out_keyword == "HALT"),
        (
            "booking_url=https://a.example/b?c=d",
            lambda s: s.booking_url == "https://a.example/b?c=d",
        ),
        ("booking_url=", lambda s: s.booking_url is None),
        ("keep_for=24months", lambda s: s.keep_for == Retention(months=24)),
        ("keep_for=90d", lambda s: s.keep_for == Retention(days=90)),
        ("keep_for=3y", lambda s: s.keep_for == Retention(years=3)),
        ("keep_for=off", lambda s: s.keep_for is None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_setting_is_changed_and_the_rest_stays(
    command: Command, salon: Path, tmp_path: Path, typed: str, becomes: Any
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Come back,\n{{first_name|you}}\n")
    before = stored(salon)
    typed = typed.replace("{text}", str(text))
    answer = command("settings", "set", typed, "--store", salon, *NOW, "--json")
    assert (answer.code, answer.err) == (0, "")
    after = stored(salon)
    assert becomes(after)
    assert after.steps == before.steps
    assert answer.json == command("settings", "show", "--store", salon, "--json").json
    assert attrs.evolve(after, campaign=before.campaign).campaign == before.campaign


def test_what_is_unsent_is_planned_anew_at_once(command: Command, salon: Path) -> None:
    until = (*NOW, "--until", "2026-03-02T23:00:00Z", "--json")
    assert len(command("forecast", "--store", salon, *until).json["messages"]) == 2
    command("settings", "set", "campaign=off", "--store", salon, *NOW)
    assert command("forecast", "--store", salon, *until).json["messages"] == []
    swept = command("sweep", "--store", salon, "--now", "2026-03-02T17:30:00Z", "--json").json
    assert swept["sent"] == 0


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        (("colour=red",), "settings"),
        (("name",), "settings"),
        (("name=A", "name=B"), "name"),
        (("name= ",), "name"),
        (("timezone=Mars/Base",), "timezone"),
        (("region=usa",), "region"),
        (("campaign=after=5m",), "campaign.timing.delay"),
        (("campaign=sometimes",), "campaign"),
        (("recipients=dogs",), "campaign.recipients"),
        (("recipients=",), "campaign.recipients"),
        (("campaign_steps=roof",), "campaign.steps"),
        (("template={{shoe_size}}",), "template"),
        (("template=@{latin}",), "template"),
        (("holdout=0.9",), "campaign.holdout"),
        (("holdout=some",), "campaign.holdout"),
        (("compliance=strict",), "compliance"),
        (("leads_management=yes",), "leads_management"),
        (("keep_for=long",), "keep_for"),
        (("keep_for=0d",), "keep_for"),
        (("name=Claws", "holdout=7"), "campaign.holdout"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_named_and_nothing_is_changed(
    command: Command, salon: Path, tmp_path: Path, typed: tuple[str, ...], field: str
) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9")
    before = stored(salon)
    given = [change.replace("{latin}", str(latin)) for change in typed]
    error = command("settings", "set", *given, "--store", salon).error
    assert error.startswith(f"abandoned-booking: {field}: ") or f".{field}: " in error
    assert stored(salon) == before


def test_an_unknown_name_lists_the_known_ones(command: Command, salon: Path) -> None:
    error = command("settings", "set", "colour=red", "--store", salon).error
    for name in ("name", "timezone", "campaign", "template", "keep_for"):
        assert name in error
    assert "no.txt" in command("settings", "set", "template=@no.txt", "--store", salon).error


def test_people_see_what_they_may_type(command: Command, salon: Path) -> None:
    out = command("settings", "show", "--store", salon).out
    for name in command_module._CHANGES:
        assert f"\n{name} " in f"\n{out}"
    assert "after=2h" in out
    assert "Paws & Co" in out
    off = command("settings", "set", "campaign=off", "--store", salon, *NOW).out
    assert "off (when on: after=2h)" in off


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        (AfterDelay(hours=2), "after=2h"),
        (AfterDelay(minutes=90), "after=90m"),
        (AfterDelay(timedelta(minutes=90, seconds=1)), "after=1:30:01"),
        (AtClockTime("09:00"), "daily=09:00"),
        (AtClockTime("09:00:30", Days.WEEKDAYS), "weekdays=09:00:30"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_time_is_shown_as_it_is_typed(timing: Any, words: str) -> None:
    assert command_module._timing_in_words(timing) == words


def test_a_period_is_shown_in_its_parts() -> None:
    assert command_module._retention_in_words(Retention(years=1, days=2)) == "1y 2d"
