"""Loaded by pytest wherever this package is installed, through its entry point ``pytest11``.

Gives fixtures (all named ``abandoned_bookings…``), marks the tests of the contract suites, lets
their assertions show values, and says at the end which capabilities an adapter lacks. A test suite
that uses none of it pays for one small module: nothing else of this package is imported before a
fixture or a suite asks for it, neither hypothesis nor a database driver.

``pytest -p no:abandoned_booking`` switches it off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from abandoned_booking.core.campaign import BusinessSettings
    from abandoned_booking.ports import RequestStore
    from abandoned_booking.testing.clock import FakeClock
    from abandoned_booking.testing.gateway import RecordingEmailGateway, RecordingSmsGateway
    from abandoned_booking.wiring import AbandonedBookings

_CONTRACTS: Final = "abandoned_booking.testing.contracts"
_MARK: Final = "abandoned_booking"
_CAPABILITY: Final = re.compile(r"\bSupports[A-Z]\w+")
_FIXTURE: Final = re.compile(r"`\w+`")
_WHERE_SUITES_SKIP: Final = re.compile(r"abandoned_booking[/\\]testing[/\\]contracts[/\\]")

# What a failed assertion compared is then shown; people's data is masked in every repr (G4).
pytest.register_assert_rewrite(_CONTRACTS)


# ── fixtures ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def abandoned_bookings_clock() -> FakeClock:
    """A clock that stands still until a test moves it: Monday, 2026-01-05, noon UTC."""
    from abandoned_booking.testing import FakeClock

    return FakeClock()


@pytest.fixture
def abandoned_bookings_sms() -> RecordingSmsGateway:
    """A gateway that records texts, and accepts them."""
    from abandoned_booking.testing import RecordingSmsGateway

    return RecordingSmsGateway()


@pytest.fixture
def abandoned_bookings_email() -> RecordingEmailGateway:
    """A gateway that records e-mails, and accepts them."""
    from abandoned_booking.testing import RecordingEmailGateway

    return RecordingEmailGateway()


@pytest.fixture
def abandoned_bookings_store() -> RequestStore:
    """A store in memory; override it with a store of your own that brings all four ports."""
    from abandoned_booking.stores.memory import MemoryStore

    return MemoryStore()


@pytest.fixture
def abandoned_bookings_settings() -> BusinessSettings:
    """Business ``paws`` in New York, with a campaign that texts two hours after abandonment."""
    from abandoned_booking import AfterDelay, BusinessSettings, RecoveryCampaign

    return BusinessSettings(
        business_id="paws",
        name="Paws & Co",
        timezone="America/New_York",
        campaign=RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2)),
    )


@pytest.fixture
def abandoned_bookings(
    abandoned_bookings_store: RequestStore,
    abandoned_bookings_clock: FakeClock,
    abandoned_bookings_sms: RecordingSmsGateway,
    abandoned_bookings_email: RecordingEmailGateway,
    abandoned_bookings_settings: BusinessSettings,
) -> AbandonedBookings:
    """The whole feature, wired with the other fixtures; the business's settings are stored."""
    from abandoned_booking import AbandonedBookings

    bookings = AbandonedBookings(
        abandoned_bookings_store,
        sms=abandoned_bookings_sms,
        email=abandoned_bookings_email,
        clock=abandoned_bookings_clock,
    )
    bookings.settings.put(abandoned_bookings_settings)
    return bookings


# ── the tests of the suites ─────────────────────────────────────────────────────────────────────


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, for ``--strict-markers`` and ``--markers``."""
    config.addinivalue_line(
        "markers", f"{_MARK}: a test of a contract suite of abandoned_booking.testing; set by it"
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark it if it is a suite's: ``-m 'not abandoned_booking'`` leaves them all out."""
    if isinstance(item, pytest.Function) and _suite_of(item):
        item.add_marker(_MARK)


def _suite_of(item: pytest.Function) -> str | None:
    """The name of the suite that the test comes from, without loading one."""
    mro: Sequence[type] = getattr(item.cls, "__mro__", ())
    suites = [each for each in mro if each.__module__.startswith(_CONTRACTS)]
    return suites[0].__name__ if suites else None


def pytest_report_collectionfinish(items: Sequence[pytest.Item]) -> list[str]:
    """Say which classes run under which suite."""
    under = {
        f"{item.cls.__name__} ({_suite_of(item)})": None
        for item in items
        if isinstance(item, pytest.Function) and item.cls and item.get_closest_marker(_MARK)
    }
    return [f"abandoned-booking: {', '.join(under)}"] if under else []


# ── what was skipped, and what that costs ───────────────────────────────────────────────────────


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which adapter lacks what, and what its suite was not given to test it with."""
    missing: dict[str, dict[str, set[str]]] = {"lacks": {}, "was not given": {}}
    for adapter, reason in _skipped(terminalreporter):
        for what, of in zip((_CAPABILITY, _FIXTURE), missing.values(), strict=True):
            if found := what.search(reason):
                of.setdefault(adapter, set()).add(found[0])
    names = {name for of in missing.values() for each in of.values() for name in each}
    if not names:
        return
    terminalreporter.section("abandoned-booking")
    for verb, of in missing.items():
        for adapter, each in sorted(of.items()):
            terminalreporter.line(f"{adapter} {verb} {', '.join(sorted(each))}")
    for name, cost in _costs().items():
        if name in names:
            terminalreporter.line(f"without {name} {cost}")


def _skipped(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, str]]:
    """The class of every test that a suite itself has skipped, and why."""
    for report in terminalreporter.stats.get("skipped", ()):
        if not isinstance(report.longrepr, tuple):
            continue
        path, _, reason = report.longrepr
        if _WHERE_SUITES_SKIP.search(str(path)):
            _, *classes, _ = report.nodeid.split("::")
            yield ".".join(classes), reason


def _costs() -> dict[str, str]:
    from abandoned_booking.testing.checkup import CAPABILITIES

    costs = {kind.__name__: cost for kinds in CAPABILITIES.values() for kind, cost in kinds.items()}
    return costs | {"`reopen`": "no other process and no sudden death was tested"}
