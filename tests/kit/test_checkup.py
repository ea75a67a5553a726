"""The check-up of a hand-wired ``AbandonedBookings``: every fault is found, and nothing is touched.

Each case breaks one thing about a wiring that has no problems, and expects the finding about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfoNotFoundError

import attrs
import pytest

from abandoned_booking import (
    AbandonedBookings,
    BusinessSettings,
    CompliancePolicy,
    RecoveryCampaign,
    ports,
)
from abandoned_booking.core.listing import ListQuery, Page
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.errors import StoreLocked
from abandoned_booking.gateways.console import ConsoleSmsGateway
from abandoned_booking.ports import (
    Accepted,
    Found,
    LookupResult,
    OutboundEmail,
    OutboundSms,
    SendResult,
)
from abandoned_booking.stores.memory import MemoryLedger, MemoryStore, MemorySuppressions
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import FakeClock, MemoryCreditLedger, RecordingSmsGateway, a_request
from abandoned_booking.testing.checkup import (
    CAPABILITIES,
    RESERVED_BUSINESS,
    Checkup,
    Level,
    check_up,
    left_behind,
)

SECRET: Final = bytes(range(32))
CANARY: Final = "Wilhelmina"


class Gateway:
    """Takes no text in a test: no check-up may send."""

    def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        raise AssertionError("a check-up must not send")


class GatewayThatLooksUp(Gateway):
    def find(self, attempt_id: str) -> LookupResult:
        raise AssertionError("a check-up must not ask a provider")


class Machine:
    """A clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Clock:
    def __init__(self, told: Any) -> None:
        self._told = told

    def now(self) -> Any:
        if isinstance(self._told, Exception):
            raise self._told
        return self._told


def wired(store: Any = None, **given: Any) -> AbandonedBookings:
    settings: dict[str, Any] = {"sms": GatewayThatLooksUp(), "secret": SECRET, **given}
    return AbandonedBookings(MemoryStore() if store is None else store, **settings)


def told(found: Checkup, level: Level, about: str | None = None) -> list[str]:
    """What was found at that level, as ``part: text``."""
    return [
        f"{finding.about}: {finding.text}"
        for finding in found.findings
        if finding.level is level and about in (None, finding.about)
    ]


def problems(bookings: AbandonedBookings, **options: Any) -> list[str]:
    return told(check_up(bookings, **options), Level.PROBLEM)


# ── a wiring that is as it should be ────────────────────────────────────────────────────────────


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "bookings.db") as store:
        yield store


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_a_good_wiring_has_no_problem_and_no_warning(file_store: SqliteStore, write: bool) -> None:
    found = check_up(wired(file_store), write=write)
    assert told(found, Level.PROBLEM) == []
    assert told(found, Level.WARNING) == []
    assert found.wrote is write
    assert (found.parts["store"], found.parts["email"]) == ("SqliteStore", None)
    assert found.capabilities["SupportsExpiry"] is True
    assert found.capabilities["SupportsLookup"] is True
    assert "SupportsOpenSlots" not in found.capabilities, "no appointments were given"


def test_the_versions_are_told(file_store: SqliteStore) -> None:
    [versions] = told(check_up(wired(file_store)), Level.OK, "versions")
    assert versions.startswith("versions: abandoned-booking ")
    assert "Python 3." in versions


def test_without_write_nothing_in_the_store_changes(file_store: SqliteStore) -> None:
    file_store.add(a_request(next_action_at=datetime(2020, 1, 1, tzinfo=UTC)))
    file_store.settings.put(BusinessSettings(business_id="paws", name="Paws"))
    before = file_store.path.read_bytes()
    check_up(wired(file_store))
    assert file_store.path.read_bytes() == before


class WritesNothing(MemoryStore):
    """Every write is an error."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a check-up without --write must not write")

    add = save = save_many = claim_due = claim_due_fairly = _refuse


class RefusesToWrite:
    def __init__(self, reading: Any) -> None:
        self._reading = reading

    def get(self, business_id: str) -> BusinessSettings | None:
        found: BusinessSettings | None = self._reading.get(business_id)
        return found

    def put(self, settings: BusinessSettings) -> None:
        raise AssertionError("a check-up without --write must not write")


def test_without_write_no_method_that_writes_is_called() -> None:
    store = WritesNothing()
    found = check_up(wired(store, settings=RefusesToWrite(store.settings)))
    assert told(found, Level.OK, "store"), "it was asked"
    assert not [text for text in told(found, Level.PROBLEM) if "must not write" in text]


def test_a_round_trip_leaves_others_alone_and_always_the_same_behind() -> None:
    store = MemoryStore()
    others = a_request(next_action_at=datetime(2020, 1, 1, tzinfo=UTC))
    store.add(others)
    bookings = wired(store)
    for _ in range(2):
        found = check_up(bookings, write=True)
        assert told(found, Level.PROBLEM) == []
        assert store.get("paws", others.id) == others
        [left] = store.stream(RESERVED_BUSINESS)
        assert left == left_behind(store)
        assert (left.next_action_at, left.erased_at is None) == (None, False)
        assert store.page(RESERVED_BUSINESS, ListQuery(statuses=[]), now=Machine().now()).total == 0
        assert not store.suppressions._keys
        assert not store.ledger._reserved
        [note] = [text for text in told(found, Level.NOTE, "store") if "business id" in text]
        assert RESERVED_BUSINESS in note


# ── the wiring as a whole ───────────────────────────────────────────────────────────────────────

WIRINGS: Final[Mapping[str, tuple[dict[str, Any], Level, str]]] = {
    "no secret": (
        {"secret": b"abandoned-booking"},
        Level.WARNING,
        "secret: is the library's own",
    ),
    "a short secret": ({"secret": b"x"}, Level.WARNING, "secret: has 1 bytes only"),
    "a clock that stands": ({"clock": FakeClock()}, Level.PROBLEM, "behind this machine's"),
    "a fake clock": ({"clock": FakeClock()}, Level.WARNING, "FakeClock is a fake for tests"),
    "a clock ahead": (
        {"clock": Clock(datetime.now(UTC) + timedelta(days=2))},
        Level.PROBLEM,
        "ahead of this machine's",
    ),
    "a naive clock": ({"clock": Clock(datetime.now())}, Level.PROBLEM, "an aware datetime"),
    "a clock of words": ({"clock": Clock("now")}, Level.PROBLEM, "an aware datetime"),
    "a clock that raises": (
        {"clock": Clock(OSError("no time source"))},
        Level.PROBLEM,
        "clock: now() raised OSError: no time source (test_checkup.py:",
    ),
    "a long time-out": (
        {"send_timeout": timedelta(seconds=16)},
        Level.WARNING,
        "send_timeout: 16 s for each send: a claim of 120 s may end before",
    ),
    "console texts": ({"sms": ConsoleSmsGateway()}, Level.WARNING, "prints texts instead"),
    "recorded texts": ({"sms": RecordingSmsGateway()}, Level.WARNING, "is a fake for tests"),
    "fake credits": ({"credits": MemoryCreditLedger()}, Level.WARNING, "is a fake for tests"),
    "a store in memory": ({}, Level.WARNING, "store: MemoryStore keeps all in this process's"),
    "no e-mails": ({}, Level.NOTE, "email: not given: the staff cannot send e-mails"),
    "no look-up": ({"sms": Gateway()}, Level.NOTE, "sms: lacks SupportsLookup: a message in doubt"),
}


@pytest.mark.parametrize(("given", "level", "text"), WIRINGS.values(), ids=WIRINGS)
def test_what_is_odd_about_a_wiring_is_told(given: dict[str, Any], level: Level, text: str) -> None:
    assert any(text in line for line in told(check_up(wired(**given)), level))


def test_a_minute_between_the_clocks_is_no_problem() -> None:
    clock = Clock(datetime.now(UTC) + timedelta(seconds=50))
    assert problems(wired(clock=clock)) == []


async def _later(*_: object) -> bool:
    raise AssertionError("never awaited")


@pytest.mark.parametrize("name", ["on_event", "has_feature", "is_reachable"])
def test_a_function_that_nobody_awaits_is_a_problem(name: str) -> None:
    assert problems(wired(**{name: _later})) == [f"{name}: is async, and the doors do not await it"]


def test_a_system_without_time_zones_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr("abandoned_booking.testing.checkup._wiring.ZoneInfo", none)
    assert problems(wired()) == [
        "time zones: this system has no time zones; pip install 'abandoned-booking[tzdata]'"
    ]


# ── parts that cannot be called ─────────────────────────────────────────────────────────────────


class OldGateway:
    def send(self, message: OutboundSms) -> SendResult:
        return Accepted(provider_id="1")


class RenamedGateway:
    def send(self, text: OutboundSms, *, timeout: timedelta) -> SendResult:
        return Accepted(provider_id="1")


class AsyncGateway:
    async def send(self, message: OutboundSms, *, timeout: timedelta) -> SendResult:
        return Accepted(provider_id="1")


class AskedForMore:
    def send(self, message: OutboundEmail, *, timeout: timedelta, retries: int) -> SendResult:
        return Accepted(provider_id="1")


class TakesAnything:
    def send(self, *arguments: Any, **named: Any) -> SendResult:
        return Accepted(provider_id="1")


class WrittenInC(Gateway):
    find = staticmethod(max)  # has no signature that could be compared


class OldLookup(Gateway):
    def find(self) -> LookupResult:
        return Found(provider_id="1")


CALLABLE: Final[Mapping[str, tuple[dict[str, Any], list[str]]]] = {
    "one argument too few": (
        {"sms": OldGateway()},
        ["sms: OldGateway.send cannot be called as send(message, *, timeout)"],
    ),
    "one too many": (
        {"email": AskedForMore()},
        ["email: AskedForMore.send cannot be called as send(message, *, timeout)"],
    ),
    "async": (
        {"sms": AsyncGateway()},
        ["sms: AsyncGateway.send is async, and the doors do not await it"],
    ),
    "an ability": (
        {"sms": OldLookup()},
        ["sms: OldLookup.find cannot be called as find(attempt_id)"],
    ),
    "another name in place": ({"sms": RenamedGateway()}, []),
    "anything": ({"sms": TakesAnything()}, []),
    "written in C": ({"sms": WrittenInC()}, []),
}


@pytest.mark.parametrize(("given", "expected"), CALLABLE.values(), ids=CALLABLE)
def test_methods_are_compared_with_their_port(given: dict[str, Any], expected: list[str]) -> None:
    assert problems(wired(**given)) == expected


class AsyncStream(MemoryStore):
    async def stream(self, business_id: str) -> Any:
        yield business_id


def test_a_store_that_cannot_be_called_is_neither_asked_nor_written_to() -> None:
    found = check_up(wired(AsyncStream()), write=True)
    assert told(found, Level.PROBLEM) == [
        "store: AsyncStream.stream is async, and the doors do not await it"
    ]
    assert found.wrote is False
    assert "store: not written to: mend its problems first" in told(found, Level.NOTE)


# ── parts that answer wrongly where nothing is kept ─────────────────────────────────────────────


class Unreachable(MemoryStore):
    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        raise ConnectionError("no route to postgresql://shop:hunter2@db/shop\nhints")


class Locked(MemoryStore):
    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        raise StoreLocked("another process holds the file")


class ReturnsAll(MemoryStore):
    def stream(self, business_id: str) -> Iterator[AbandonedRequest]:
        yield a_request()


class CountsInTruths(MemoryStore):
    def count(self, business_id: str, query: ListQuery, *, now: datetime) -> int:
        return False


class PageOfNothing(MemoryStore):
    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        return None  # type: ignore[return-value]


class SaysYes(MemorySuppressions):
    def contains(self, business_id: str, key: str) -> bool:
        return True


ANSWERS: Final[Mapping[str, tuple[Callable[[], dict[str, Any]], str]]] = {
    "an error": (
        lambda: {"store": Unreachable()},
        "store: get raised ConnectionError: no route to postgresql://…@db/shop (test_checkup.py:",
    ),
    "an error of ours": (
        lambda: {"store": Locked()},
        "store: get raised StoreLocked: another process holds the file",
    ),
    "others' requests": (lambda: {"store": ReturnsAll()}, "store: stream: set is no answer"),
    "no number": (lambda: {"store": CountsInTruths()}, "store: count: bool is no answer"),
    "no page": (lambda: {"store": PageOfNothing()}, "store: page raised AttributeError"),
    "all suppressed": (
        lambda: {"suppressions": SaysYes()},
        "suppressions: contains: bool is no answer",
    ),
}


@pytest.mark.parametrize(("given", "text"), ANSWERS.values(), ids=ANSWERS)
def test_a_wrong_answer_is_a_problem(given: Callable[[], dict[str, Any]], text: str) -> None:
    [problem] = problems(wired(**given()))
    assert problem.startswith(text)
    assert "hunter2" not in problem
    assert "hints" not in problem


# ── what a part says of itself ──────────────────────────────────────────────────────────────────


class SelfAware(MemoryStore):
    def checkup(self) -> Iterator[tuple[str, str]]:
        yield "ok", "schema 7"
        yield "warning", "synchronous_commit is off"


class SelfDeceived(MemoryStore):
    def checkup(self) -> Iterator[tuple[str, str]]:
        yield "ok", "schema 7"
        yield "fatal", "no such level"


def test_a_part_may_answer_for_itself() -> None:
    found = check_up(wired(SelfAware()))
    assert "store: schema 7" in told(found, Level.OK)
    assert "store: synchronous_commit is off" in told(found, Level.WARNING)


def test_a_checkup_of_its_own_that_fails_is_a_problem() -> None:
    [problem] = problems(wired(SelfDeceived()))
    assert problem.startswith("store: checkup raised ValueError: 'fatal' is not a valid Level")


# ── businesses ──────────────────────────────────────────────────────────────────────────────────


def _business(**changes: Any) -> BusinessSettings:
    return BusinessSettings(business_id="paws", name="Paws", **changes)


BUSINESSES: Final[Mapping[str, tuple[BusinessSettings, dict[str, Any], Level, str]]] = {
    "nothing asked for": (_business(), {}, Level.OK, "all that its settings ask for is there"),
    "a campaign without a gateway": (
        _business(campaign=RecoveryCampaign(enabled=True)),
        {"sms": None},
        Level.PROBLEM,
        "its campaign is on, and there is no gateway for texts (sms)",
    ),
    "consent without a register": (
        _business(compliance=CompliancePolicy.us_marketing()),
        {},
        Level.WARNING,
        "requires consent: without consents nobody has given it",
    ),
    "leads without leads": (
        _business(leads_management=True),
        {},
        Level.WARNING,
        "keeps leads apart: without leads new visitors are in no list",
    ),
    "not in the plan": (
        _business(),
        {"has_feature": lambda business_id: False},
        Level.NOTE,
        "has_feature says no: nothing is captured, nothing is sent",
    ),
}


@pytest.mark.parametrize(
    ("settings", "given", "level", "text"), BUSINESSES.values(), ids=BUSINESSES
)
def test_what_a_business_asks_for_and_nobody_does_is_told(
    settings: BusinessSettings, given: dict[str, Any], level: Level, text: str
) -> None:
    store = MemoryStore()
    store.settings.put(settings)
    found = check_up(wired(store, **given), businesses=["paws", "paws"])
    assert told(found, level, "business paws") == [f"business paws: {text}"]


def test_a_business_without_settings_is_a_problem() -> None:
    [problem] = problems(wired(), businesses=["claws"])
    assert problem.startswith("business claws: has no settings; bookings.settings.put(")


def test_settings_that_cannot_be_read_are_a_problem_without_their_words() -> None:
    """G4"""

    class Rotten:
        def get(self, business_id: str) -> BusinessSettings | None:
            if business_id == "paws":
                raise ValueError(CANARY)
            return None

        def put(self, settings: BusinessSettings) -> None: ...

    [problem] = problems(wired(settings=Rotten()), businesses=["paws"])
    assert problem.startswith("business paws: its settings cannot be used: ValueError (test_")
    assert CANARY not in problem


def test_a_store_that_knows_its_businesses_has_them_all_looked_at(file_store: SqliteStore) -> None:
    for business_id in ("claws", RESERVED_BUSINESS):
        file_store.settings.put(BusinessSettings(business_id=business_id, name="Claws"))
    found = check_up(wired(file_store))
    looked_at = {f.about for f in found.findings if f.about.startswith("business ")}
    assert looked_at == {"business claws"}


def test_a_store_that_names_no_business_is_told_so() -> None:
    assert "businesses: none was named, and the store names none" in told(
        check_up(wired()), Level.NOTE
    )


def test_of_very_many_businesses_some_are_looked_at() -> None:
    class Crowded(MemoryStore):
        def businesses(self) -> Iterator[str]:
            yield from (f"b{number}" for number in range(2_000))

    found = check_up(wired(Crowded()))
    assert len(told(found, Level.PROBLEM)) == 1_000
    assert "businesses: the settings of 1,000 were read; name others" in told(found, Level.NOTE)


def test_businesses_that_cannot_be_named_are_a_problem() -> None:
    class Mute(MemoryStore):
        def businesses(self) -> Sequence[str]:
            raise OSError("no")

    [problem] = problems(wired(Mute()))
    assert problem.startswith("store: businesses raised OSError: no")


# ── the round trip finds what only writing shows ────────────────────────────────────────────────


class AddsNothing(MemoryStore):
    def add(self, request: AbandonedRequest) -> bool:
        return False


class AddsAgain(MemoryStore):
    def add(self, request: AbandonedRequest) -> bool:
        super().add(request)
        return True


class AlwaysSaves(MemoryStore):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        with self._lock:
            self._put(attrs.evolve(request, version=expected_version + 1))
            return True


class NeverSaves(MemoryStore):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        return False


class DropsMicroseconds(MemoryStore):
    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        left_at = request.left_at and request.left_at.replace(microsecond=0)
        return super().save(
            attrs.evolve(request, left_at=left_at), expected_version=expected_version
        )


class KeepsTheVersion(MemoryStore):
    def _claim(self, key: tuple[str, str], until: datetime) -> AbandonedRequest:
        request = self._of(key[0]).requests[key[1]]
        self._put(claimed := attrs.evolve(request, next_action_at=until))
        return claimed


class ClaimsTooEarly(MemoryStore):
    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        last = max(self._due.items(), key=lambda item: item[1])
        return [self._claim(last[0], until)]


class SweptMeanwhile(MemoryStore):
    """A sweep elsewhere is always faster."""

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        super().claim_due(now=now, until=until, limit=limit)
        return []


class StreamsTwice(MemoryStore):
    def stream(self, business_id: str) -> Iterator[AbandonedRequest]:
        yield from super().stream(business_id)
        yield from super().stream(business_id)


class Forgets(MemoryStore):
    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        return None


class BreaksOff(MemoryStore):
    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        raise TimeoutError("too slow")


class Nowhere(MemorySuppressions):
    def add(self, business_id: str, key: str) -> None: ...


class ForEver(MemorySuppressions):
    def remove(self, business_id: str, key: str) -> None: ...


class ForAnybody(MemoryLedger):
    def reserve(self, *_: Any, **__: Any) -> bool:
        return True


class NeverReleases(MemoryLedger):
    def release(self, business_id: str, phone: str, *, owner: str) -> None: ...


class OldSettings:
    def __init__(self) -> None:
        self._of: dict[str, BusinessSettings] = {}

    def get(self, business_id: str) -> BusinessSettings | None:
        return self._of.get(business_id)

    def put(self, settings: BusinessSettings) -> None:
        self._of.setdefault(settings.business_id, settings)


TRIPS: Final[Mapping[str, tuple[Callable[[], dict[str, Any]], str]]] = {
    "adds nothing": (
        lambda: {"store": AddsNothing()},
        "store: the round trip raised LookupError: get does not find what was added",
    ),
    "adds again": (
        lambda: {"store": AddsAgain()},
        "store: add must return False for what is there",
    ),
    "saves any version": (
        lambda: {"store": AlwaysSaves()},
        "store: save must return False for the version before: two would win",
    ),
    "saves nothing": (
        lambda: {"store": NeverSaves()},
        "store: save must return True for the stored version",
    ),
    "drops microseconds": (
        lambda: {"store": DropsMicroseconds()},
        "store: get after save: left_at came back changed",
    ),
    "claims without fencing": (
        lambda: {"store": KeepsTheVersion()},
        "store: claim_due must hand out what is due, moved to until, with its version moved on",
    ),
    "claims what is not due": (
        lambda: {"store": ClaimsTooEarly()},
        "store: claim_due handed out what is not due: it must go by now",
    ),
    "streams twice": (lambda: {"store": StreamsTwice()}, "store: stream must give every request"),
    "forgets": (
        lambda: {"store": Forgets()},
        "store: the round trip raised LookupError: get does not find what was added",
    ),
    "breaks off": (
        lambda: {"store": BreaksOff()},
        "store: the round trip raised TimeoutError: too slow",
    ),
    "old settings": (
        lambda: {"settings": OldSettings()},
        "settings: get must return the settings that were last put",
    ),
    "opt-outs lost": (
        lambda: {"suppressions": Nowhere()},
        "suppressions: contains must be True as soon as add has returned",
    ),
    "opt-outs for ever": (
        lambda: {"suppressions": ForEver()},
        "suppressions: contains must be False as soon as remove has returned",
    ),
    "a phone for anybody": (
        lambda: {"ledger": ForAnybody()},
        "ledger: reserve must be True for one owner, again too, and False for another",
    ),
    "a phone for ever": (
        lambda: {"ledger": NeverReleases()},
        "ledger: reserve must be True once the owner has released",
    ),
}


@pytest.mark.parametrize(("given", "text"), TRIPS.values(), ids=TRIPS)
def test_the_round_trip_finds_it(given: Callable[[], dict[str, Any]], text: str) -> None:
    parts = given()
    store = parts.setdefault("store", MemoryStore())
    store.add(a_request(next_action_at=datetime(2020, 1, 1, tzinfo=UTC)))
    bookings = wired(**parts)
    assert problems(bookings) == [], "reading does not show it"
    found = problems(bookings, write=True)
    assert any(problem.startswith(text) for problem in found), found


def test_whatever_happens_on_the_way_it_is_never_due_again() -> None:
    store = BreaksOff()
    check_up(wired(store), write=True)
    left = left_behind(store)
    assert left is not None
    assert left.next_action_at is None


def test_a_sweep_that_is_faster_is_no_problem() -> None:
    found = check_up(wired(SweptMeanwhile()), write=True)
    assert told(found, Level.PROBLEM) == []
    assert any("a running sweep was faster" in text for text in told(found, Level.NOTE))


# ── the tables are complete ─────────────────────────────────────────────────────────────────────


def test_every_capability_of_the_ports_has_its_price() -> None:
    priced = {kind.__name__ for kinds in CAPABILITIES.values() for kind in kinds}
    assert priced == {name for name in ports.__all__ if name.startswith("Supports")}


def test_every_part_of_the_wiring_is_looked_at() -> None:
    names = {field.name for field in attrs.fields(type(wired()._parts))}
    not_parts = {"on_event", "has_feature", "is_reachable", "secret", "saves"}
    assert {*check_up(wired()).parts} == names - not_parts


def test_every_capability_stands_in_the_reference_with_its_price() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "conformance-kit.md"
    lines = page.read_text().splitlines()
    for kinds in CAPABILITIES.values():
        for kind, cost in kinds.items():
            assert any(f"`{kind.__name__}`" in line and f"| {cost} |" in line for line in lines)
