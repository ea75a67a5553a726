"""``abandoned-booking db``: the tables of an SQL database, and never a password on the screen."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa
from cli_world import Command

SECRET: Final = "hunter2"
NOWHERE: Final = f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/shop"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_an_upgrade_makes_the_tables_and_a_repeat_does_no_harm(command: Command, url: str) -> None:
    assert command("db", "upgrade", "--url", url).out == "The tables are there now, of version 1.\n"
    again = command("db", "upgrade", "--url", url)
    assert (again.code, again.out) == (0, "The tables are of version 1 already.\n")
    assert json.loads(command("db", "upgrade", "--url", url, "--json").out) == {
        "before": 1,
        "after": 1,
    }


def test_a_check_of_nothing_names_the_upgrade_and_makes_nothing(
    command: Command, url: str, tmp_path: Path
) -> None:
    answer = command("db", "check", "--url", url)
    assert (answer.code, answer.out) == (2, "")
    assert "abandoned-booking db upgrade --url" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_check_says_the_version_and_what_is_missing(command: Command, url: str) -> None:
    command("db", "upgrade", "--url", url)
    assert json.loads(command("db", "check", "--url", url, "--json").out) == {
        "version": 1,
        "known": 1,
    }
    assert command("db", "check", "--url", url).out == (
        "The tables are of version 1; this program knows 1.\n"
    )
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX abandoned_booking_queue_due")
    engine.dispose()
    answer = command("db", "check", "--url", url)
    assert answer.code == 2
    assert "the tables lack abandoned_booking_queue_due" in answer.err


def test_prefix_and_url_may_be_given_otherwise(
    command: Command, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABANDONED_BOOKING_DATABASE_URL", url)
    assert command("db", "upgrade", "--table-prefix", "ab_").code == 0
    assert command("db", "check", "--table-prefix", "ab_").code == 0
    assert command("db", "check").code == 2


def test_the_statements_are_printed_without_a_connection(command: Command) -> None:
    answer = command("db", "sql", "--url", NOWHERE, "--schema", "shop", "--partitions", 2)
    assert answer.code == 0
    assert "CREATE TABLE shop.abandoned_booking_requests_1 PARTITION OF" in answer.out
    assert SECRET not in answer.out + answer.err
    assert json.loads(command("db", "sql", "--url", NOWHERE, "--json").out)["sql"].startswith(
        "BEGIN"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("upgrade", "--url", NOWHERE),
        ("check", "--url", NOWHERE),
        ("upgrade", "--url", f"postgresql//me:{SECRET}@x"),
        ("upgrade", "--url", f"oracle9://me:{SECRET}@x/y"),
        ("upgrade", "--url", f"oracle://me:{SECRET}@x/y"),
        ("sql", "--url", NOWHERE, "--since", 7),
        ("upgrade", "--url", NOWHERE, "--partitions", "many"),
    ],
    ids=lambda given: " ".join(map(str, given)).replace(SECRET, "..."),
)
def test_what_is_wrong_is_one_line_without_the_password(
    command: Command, arguments: tuple[object, ...]
) -> None:
    answer = command("db", *arguments)
    assert (answer.code, answer.out) == (2, "")
    [line] = answer.err.splitlines()
    assert "unexpected" not in line
    assert SECRET not in line


@pytest.mark.parametrize("missing", ["sqlalchemy", "alembic"])
def test_without_the_extra_one_line_says_what_to_install(
    command: Command, url: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith("abandoned_booking.stores.sqlalchemy"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    answer = command("db", "upgrade", "--url", url)
    assert answer.code == 2
    assert "pip install 'abandoned-booking[sql]'" in answer.err
