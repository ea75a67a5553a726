"""What pytest gets from this package by itself: fixtures, a mark, a line before, a summary after.

The suites of hosts stand in folders of their own and run in processes of their own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from abandoned_booking import AbandonedBookings, BookingForm, Person, Progress, Step
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import (
    FakeClock,
    RecordingEmailGateway,
    RecordingSmsGateway,
    plugin,
)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write a host's test module and run pytest over it."""

    def ran(source: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
        (tmp_path / "test_host.py").write_text(dedent(source))
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly"]
        return subprocess.run(
            [*command, *options],
            cwd=tmp_path,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return ran


# ── what it costs ───────────────────────────────────────────────────────────────────────────────

NOT_LOADED: Final = ("hypothesis", "openpyxl", "sqlalchemy", "phonenumbers", "attr", "dateutil")


def _loaded_with(statement: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-c", f"import pytest; {statement}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {*told.stdout.split()}


def test_the_plugin_loads_nothing_but_itself() -> None:
    """Else every test suite pays, and what is imported early is missed by coverage."""
    before = _loaded_with("pass")
    loaded = _loaded_with("import abandoned_booking.testing.plugin") - before
    ours = {name for name in loaded if name.startswith("abandoned_booking")}
    assert ours == {
        "abandoned_booking",
        "abandoned_booking.testing",
        "abandoned_booking.testing.plugin",
    }
    assert loaded.isdisjoint(NOT_LOADED)


def test_a_suite_that_uses_nothing_of_it_loads_nothing_of_it(run: Run) -> None:
    plain = run(
        """
        import sys

        def test_nothing_is_loaded():
            loaded = {name for name in sys.modules if name.startswith("abandoned_booking.")}
            assert loaded == {"abandoned_booking.testing", "abandoned_booking.testing.plugin"}
            assert "attr" not in sys.modules
        """
    )
    assert plain.returncode == 0, plain.stdout
    assert "abandoned-booking:" not in plain.stdout
    assert "= abandoned-booking =" not in plain.stdout


# ── fixtures ────────────────────────────────────────────────────────────────────────────────────


def test_the_fixtures_are_wired_with_each_other(
    abandoned_bookings: AbandonedBookings,
    abandoned_bookings_clock: FakeClock,
    abandoned_bookings_sms: RecordingSmsGateway,
    abandoned_bookings_email: RecordingEmailGateway,
    abandoned_bookings_store: MemoryStore,
    abandoned_bookings_settings: BusinessSettings,
) -> None:
    seen = Progress(
        business_id=abandoned_bookings_settings.business_id,
        session_id="s1",
        step=Step.TIME,
        at=abandoned_bookings_clock.now(),
        form=BookingForm(
            person=Person(first_name="Ann", phone="(212) 555-0199", email="ann@example.com")
        ),
    )
    request = abandoned_bookings.capture.progress(seen)
    assert request is not None
    assert abandoned_bookings_store.get("paws", request.id) == request
    abandoned_bookings_clock.advance(hours=2)
    assert abandoned_bookings.sweep.run_once().sent == 1
    [text] = abandoned_bookings_sms.sent
    assert text.to == "+12125550199"
    assert abandoned_bookings_email.sent == []
    assert abandoned_bookings._parts.email is abandoned_bookings_email


def test_a_host_replaces_one_fixture_and_keeps_the_others(run: Run) -> None:
    own = run(
        """
        import pytest
        from abandoned_booking.stores.sqlite import SqliteStore

        @pytest.fixture
        def abandoned_bookings_store(tmp_path):
            with SqliteStore(tmp_path / "bookings.db") as store:
                yield store

        def test_it_is_wired_on_it(abandoned_bookings, abandoned_bookings_store):
            assert abandoned_bookings_store.businesses() == ["paws"]
        """,
        "-q",
    )
    assert own.returncode == 0, own.stdout


def test_every_fixture_is_named_after_the_package_and_says_what_it_is() -> None:
    fixtures = {
        name: found.__doc__
        for name, found in vars(plugin).items()
        if type(found).__name__ == "FixtureFunctionDefinition"
    }
    assert len(fixtures) == 6
    assert all(name.startswith("abandoned_bookings") for name in fixtures)
    assert all(fixtures.values())


# ── suites ──────────────────────────────────────────────────────────────────────────────────────

SUITES: Final = """
    import pytest
    from abandoned_booking.stores.memory import MemoryLedger, MemoryStore
    from abandoned_booking.testing import PhoneLedgerContract, RequestStoreContract

    class Bare:
        '''A store with the port's methods and no others.'''

        def __init__(self):
            store = MemoryStore()
            for verb in ("add get latest_of_session open_of_person save claim_due page count "
                         "stream all_of_person").split():
                setattr(self, verb, getattr(store, verb))

    class TestBare(RequestStoreContract):
        @pytest.fixture
        def store(self):
            return Bare()

    class TestLedger(PhoneLedgerContract):
        @pytest.fixture
        def ledger(self):
            return MemoryLedger()

    class TestOutside:
        @pytest.mark.skip(reason="SupportsTally is not our concern here")
        def test_a_skip_of_the_hosts_own(self):
            ...

        def test_something(self):
            ...
"""
QUICK: Final = ("-k", "all_of_person or erasing_traces or released or Outside or connection_sees")


def test_what_a_store_lacks_and_what_it_was_not_given_is_told_at_the_end(run: Run) -> None:
    ran = run(SUITES, *QUICK)
    assert ran.returncode == 0, ran.stdout
    before = next(line for line in ran.stdout.splitlines() if "abandoned-booking: " in line)
    assert before == (
        "abandoned-booking: TestBare (RequestStoreContract), TestLedger (PhoneLedgerContract)"
    )
    _, _, after = ran.stdout.partition("= abandoned-booking =")
    assert re.search(r"^TestBare lacks .*SupportsErasure$", after, re.MULTILINE)
    assert "\nTestBare was not given `reopen`\n" in after
    assert "\nwithout SupportsErasure copies of what was erased may stay in" in after
    assert "\nwithout `reopen` no other process and no sudden death was tested\n" in after
    assert "SupportsTally" not in after, "another's skip"
    assert "SupportsPersonSearch" not in after, "it is there"
    assert ran.stdout.rstrip().splitlines()[-1].startswith("====="), "pytest has the last word"


def test_it_is_told_from_workers_too_and_the_mark_selects_the_tests_of_suites(run: Run) -> None:
    ran = run(SUITES, "-m", "abandoned_booking", "-k", "erasing_traces or Outside", "-n", "1", "-q")
    assert "\nTestBare lacks SupportsErasure\n" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("1 skipped in "), "TestOutside is no suite's"


def test_the_mark_is_registered(pytestconfig: pytest.Config) -> None:
    [line] = [line for line in pytestconfig.getini("markers") if "abandoned_booking" in line]
    assert line.startswith("abandoned_booking: a test of a contract suite")


def test_a_failed_line_of_a_contract_shows_values_and_nobodys_data(run: Run) -> None:
    """G4"""
    ran = run(
        """
        import pytest
        from abandoned_booking.stores.memory import MemoryStore
        from abandoned_booking.testing import RequestStoreContract

        class TwoWinners(MemoryStore):
            def save(self, request, *, expected_version):
                super().save(request, expected_version=expected_version)
                return True

        class TestTwoWinners(RequestStoreContract):
            @pytest.fixture
            def store(self):
                return TwoWinners()
        """,
        # Named by hand: else pytest rewrites whatever belongs to a package with a plugin.
        *("-q", "-k", "with_another_version_loses", "-p", "abandoned_booking.testing.plugin"),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert ran.returncode == 1
    assert "AssertionError: save: False if the stored version is not expected_version" in ran.stdout
    assert "assert True is False" in ran.stdout, "rewritten: the values are shown"
    assert "business_id='paws'" in ran.stdout
    for personal in ("Ann", "Lee", "5550199", "ann@example.com", "12 Elm St", "Rex"):
        assert personal not in ran.stdout


def test_it_can_be_switched_off(run: Run) -> None:
    asks = "def test_that_asks(abandoned_bookings): ..."
    ran = run(asks, "-q", "-p", "no:abandoned_booking")
    assert ran.returncode == 1
    assert "fixture 'abandoned_bookings' not found" in ran.stdout
