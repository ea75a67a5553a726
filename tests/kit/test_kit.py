"""The kit for hosts: what needs nothing, what needs the extra, and that it does what it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import settings

from abandoned_booking import testing
from abandoned_booking.core.listing import is_listed, search_text
from abandoned_booking.core.model import BookingForm, Person
from abandoned_booking.errors import InvalidInput
from abandoned_booking.ports import (
    Accepted,
    Clock,
    EmailGateway,
    Found,
    NotFound,
    NotSent,
    OutboundSms,
    Rejected,
    SendResult,
    SmsGateway,
    SupportsBatchSaves,
    SupportsErasure,
    SupportsExpiry,
    SupportsFairClaims,
    SupportsLookup,
    SupportsOpenSlots,
    SupportsPersonSearch,
    SupportsTally,
    Unknown,
)
from abandoned_booking.testing import (
    EmailGatewayContract,
    FakeClock,
    RecordingEmailGateway,
    RecordingSmsGateway,
    SmsGatewayContract,
    a_request,
)
from abandoned_booking.testing.contracts import _tools
from abandoned_booking.testing.gateway import Scripted

_TIMEOUT = timedelta(seconds=5)
_START = datetime(2026, 3, 8, 6, 59, tzinfo=UTC)


def _a_text(attempt_id: str = "a1") -> OutboundSms:
    return OutboundSms(attempt_id=attempt_id, business_id="paws", to="+12125550199", body="Hi Ann")


class TestRecordingSmsGateway(SmsGatewayContract):
    @pytest.fixture
    def gateway(self) -> SmsGateway:
        return RecordingSmsGateway()


class TestARefusingGateway(SmsGatewayContract):
    @pytest.fixture
    def gateway(self) -> SmsGateway:
        waits = NotSent(reason="busy", retry_after=timedelta(seconds=1))
        return RecordingSmsGateway(results=[waits, Rejected(reason="no"), *[Unknown()] * 20])


class TestRecordingEmailGateway(EmailGatewayContract):
    @pytest.fixture
    def email_gateway(self) -> EmailGateway:
        return RecordingEmailGateway()


class TestARefusingEmailGateway(EmailGatewayContract):
    @pytest.fixture
    def email_gateway(self) -> EmailGateway:
        return RecordingEmailGateway(lambda email: Rejected(reason="RCPT 550", code="550"))


def test_every_text_is_accepted_unless_told() -> None:
    gateway = RecordingSmsGateway()
    results = [gateway.send(_a_text(attempt), timeout=_TIMEOUT) for attempt in ("a1", "a2", "a1")]
    assert all(isinstance(result, Accepted) for result in results)
    assert [text.attempt_id for text in gateway.sent] == ["a1", "a2", "a1"]
    assert gateway.accepted == {"a1": 2, "a2": 1}
    assert gateway.timeouts == [_TIMEOUT] * 3
    assert gateway.find("a2") == Found(provider_id="recorded-2")
    assert isinstance(gateway, SupportsLookup)


def test_results_are_given_out_in_order_and_then_all_are_accepted() -> None:
    script: list[Scripted[OutboundSms]] = [
        NotSent(reason="busy"),
        TimeoutError("slow"),
        lambda text: Unknown(detail="5xx"),
    ]
    gateway = RecordingSmsGateway(results=script)
    assert gateway.send(_a_text(), timeout=_TIMEOUT) == NotSent(reason="busy")
    with pytest.raises(TimeoutError, match="slow"):
        gateway.send(_a_text(), timeout=_TIMEOUT)
    assert gateway.send(_a_text(), timeout=_TIMEOUT) == Unknown(detail="5xx")
    assert gateway.accepted["a1"] == 0
    assert gateway.find("a1") == NotFound()
    assert gateway.send(_a_text(), timeout=_TIMEOUT) == Accepted(provider_id="recorded-4")
    assert len(gateway.sent) == 4, "whatever became of it"


def test_one_function_may_answer_every_text() -> None:
    def answer(text: OutboundSms) -> SendResult:
        return Accepted(provider_id=text.attempt_id) if text.marketing else Rejected(reason="no")

    gateway = RecordingSmsGateway(answer)
    plain = attrs.evolve(_a_text("a2"), marketing=False)
    assert gateway.send(_a_text(), timeout=_TIMEOUT) == Accepted(provider_id="a1")
    assert gateway.send(plain, timeout=_TIMEOUT) == Rejected(reason="no")
    assert gateway.accepted == {"a1": 1}


def test_the_fakes_show_nobody_in_their_repr() -> None:
    """G4"""
    gateway = RecordingSmsGateway()
    gateway.send(_a_text(), timeout=_TIMEOUT)
    assert repr(gateway) == "RecordingSmsGateway(sent=1, accepted=1)"
    assert repr(FakeClock(_START)) == "FakeClock(2026-03-08T06:59:00+00:00)"


def test_the_clock_stands_still_until_it_is_told_otherwise() -> None:
    clock: Clock = FakeClock(_START)
    assert clock.now() == clock.now() == _START


def test_the_clock_moves_by_elapsed_time_and_may_be_set_back() -> None:
    clock = FakeClock(_START)
    assert clock.advance(hours=2, minutes=1, seconds=1, microseconds=1) == clock.now()
    assert clock.now() == datetime(2026, 3, 8, 9, 0, 1, 1, tzinfo=UTC)
    assert clock.advance(days=-1).day == 7
    assert clock.set(_START.astimezone(timezone(timedelta(hours=-5)))) == _START
    assert clock.now().tzinfo is UTC


def test_the_clock_refuses_naive_instants() -> None:
    """G2"""
    naive = datetime(2026, 3, 8)
    with pytest.raises(InvalidInput, match="start"):
        FakeClock(naive)
    clock = FakeClock(_START)
    with pytest.raises(InvalidInput, match="at"):
        clock.set(naive)
    assert clock.now() == _START


def test_a_request_follows_what_is_changed() -> None:
    usual = a_request()
    assert usual.phone is not None
    assert "rex" in search_text(usual)
    assert usual.listed_at - usual.abandoned_at == timedelta(hours=1)
    assert is_listed(usual, now=usual.listed_at)
    moved = a_request(id="r2", abandoned_at=_START)
    assert (moved.started_at, moved.listed_at) == (
        _START - timedelta(minutes=5),
        _START + timedelta(hours=1),
    )
    assert moved.session_id != usual.session_id
    assert a_request(form=BookingForm(person=Person(first_name="Bo"))).phone is None
    assert a_request(session_id="s", listed_at=_START).listed_at == _START


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        (SupportsBatchSaves, "does not claim SupportsBatchSaves: it has no save_many"),
        (SupportsErasure, "does not claim SupportsErasure: it has no erase_traces"),
        (SupportsExpiry, "does not claim SupportsExpiry: it has no abandoned_before"),
        (SupportsFairClaims, "does not claim SupportsFairClaims: it has no claim_due_fairly"),
        (SupportsLookup, "does not claim SupportsLookup: it has no find"),
        (SupportsOpenSlots, "does not claim SupportsOpenSlots: it has no open_slots"),
        (SupportsPersonSearch, "does not claim SupportsPersonSearch: it has no all_of_person"),
        (SupportsTally, "does not claim SupportsTally: it has no tally"),
    ],
)
def test_a_missing_ability_is_skipped_by_its_name(
    protocol: Callable[..., object], told: str
) -> None:
    with pytest.raises(pytest.skip.Exception, match=f"^the adapter {told}$"):
        _tools.claimed(object(), protocol, what="adapter")


def test_a_dear_test_tries_no_more_than_the_hosts_profile_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for of_the_host, tried in ((7, 7), (25, 25), (1_000, 25)):
        monkeypatch.setattr(_tools, "generated", settings(max_examples=of_the_host))
        assert _tools.fewer(25).max_examples == tried


def test_every_name_of_the_kit_is_there() -> None:
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'WeatherContract'"):
        _ = testing.WeatherContract


@pytest.mark.parametrize("missing", ["pytest", "hypothesis"])
def test_the_fakes_need_no_extra_and_the_suites_name_theirs(missing: str) -> None:
    script = f"""
import sys
sys.modules[{missing!r}] = None
from abandoned_booking.testing import FakeClock, RecordingSmsGateway, a_request
FakeClock(), RecordingSmsGateway(), a_request()
assert "hypothesis" not in sys.modules or sys.modules["hypothesis"] is None
try:
    from abandoned_booking.testing import RequestStoreContract
except ImportError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    expected = f"RequestStoreContract needs {missing}; pip install 'abandoned-booking[testing]'"
    assert ran.stdout.strip() == expected
