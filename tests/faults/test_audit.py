"""The counting: whatever would be wrong is counted as wrong, and everything is counted once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from faults.audit import Counts, audit
from faults.people import SETTINGS, START, Visitor
from faults.record import Record, SharedClock

from abandoned_booking import AbandonedBookings, AbandonedRequest, Reason
from abandoned_booking.core import sending
from abandoned_booking.ports import Accepted, Rejected, Unknown
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import FakeClock

ANN = Visitor(0, "paws", "+12125550101", START)
BEN = Visitor(1, "paws", "+12125550101", START)


Change = Callable[[AbandonedRequest], AbandonedRequest]


class Past:
    """What has happened, made up: to two visitors with one phone."""

    def __init__(self, folder: Path) -> None:
        self.clock = SharedClock(folder / "clock")
        self.record = Record(folder / "record", self.clock)
        self.store = MemoryStore()
        self.bookings = AbandonedBookings(self.store, clock=FakeClock(START))
        for settings in SETTINGS:
            self.bookings.settings.put(settings)
        for visitor in (ANN, BEN):
            self.bookings.capture.progress(visitor.progress())
            self.record.write("visit", str(visitor.number))

    def stored(
        self, visitor: Visitor, *changes: Callable[[AbandonedRequest], AbandonedRequest]
    ) -> None:
        request = self.store.get("paws", visitor.request_id)
        assert request is not None
        for change in changes:
            request = change(request)
        assert self.store.save(request, expected_version=request.version)

    def accepted(self, visitor: Visitor, *, times: int = 1) -> None:
        attempt_id = f"{visitor.request_id}.m"
        self.record.write("reserved", attempt_id, self.clock.now().isoformat())
        self.record.write("beginning", visitor.request_id)
        for _ in range(times):
            self.record.write("accepted", attempt_id, f"paws{visitor.phone}")
        self.record.write("said", attempt_id, "accepted")
        self.record.write("recorded", visitor.request_id)

    def counts(self) -> Counts:
        return audit(self.store, self.record, [ANN, BEN])


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """Ben's message has been refused; what has become of Ann's is told by the test."""
    past = Past(tmp_path)
    past.stored(BEN, begun, lambda r: answered(r, Rejected(reason="no", code="1")))
    return past


def begun(request: AbandonedRequest) -> AbandonedRequest:
    return sending.begun(request, at=START, until=START + timedelta(minutes=2), segments=1)


def answered(request: AbandonedRequest, answer: sending.SendResult) -> AbandonedRequest:
    return sending.after_result(request, answer, begin=request.message.begun, at=START)


def sent(request: AbandonedRequest) -> AbandonedRequest:
    return answered(request, Accepted(provider_id="p"))


def in_doubt(request: AbandonedRequest) -> AbandonedRequest:
    return answered(request, Unknown(detail="502"))


def missed(request: AbandonedRequest) -> AbandonedRequest:
    return sending.skipped(request, (Reason.MISSED,), at=START)


def test_sent_once_and_known_to_be(past: Past) -> None:
    past.stored(ANN, begun, sent)
    past.accepted(ANN)
    counts = past.counts()
    assert counts.is_clean
    assert (counts.requests, counts.accepted_once) == (2, 1)
    assert dict(counts.not_sent) == {"failed: gateway_refused": 1}


def test_accepted_twice(past: Past) -> None:
    past.stored(ANN, begun, sent)
    past.accepted(ANN, times=2)
    assert past.counts().twice == [f"{ANN.request_id}.m"]


@pytest.mark.parametrize(
    "changes", [(), (begun,), (missed,)], ids=["pending", "sending", "skipped"]
)
def test_accepted_and_not_on_record_is_lost(past: Past, changes: tuple[Change, ...]) -> None:
    past.stored(ANN, *changes)
    past.accepted(ANN)
    assert len(past.counts().lost) == 1


def test_on_record_and_not_accepted_is_lost(past: Past) -> None:
    past.stored(ANN, begun, sent)
    assert past.counts().lost == [f"{ANN.request_id}: not accepted, and sent"]


def test_pending_at_the_end_is_lost(past: Past) -> None:
    assert past.counts().lost == [f"{ANN.request_id}: not accepted, and pending"]


def test_in_doubt_needs_a_reason(past: Past) -> None:
    past.stored(ANN, begun, in_doubt)
    past.accepted(ANN)
    assert past.counts().lost == [f"{ANN.request_id}: in doubt, and its answer was recorded"]


def test_in_doubt_for_want_of_an_answer_or_of_time(past: Past) -> None:
    past.stored(ANN, begun, in_doubt)
    past.record.write("said", f"{ANN.request_id}.m", "unknown")
    assert dict(past.counts().unconfirmed) == {"not sent, the gateway gave no answer": 1}
    past.record.write("beginning", ANN.request_id)
    assert dict(past.counts().unconfirmed) == {"not sent, its worker had no time to record it": 1}
    past.record.write("failed", ANN.request_id, "OutcomeUnknown")
    assert dict(past.counts().unconfirmed) == {"not sent, the store failed its worker": 1}


def test_a_begin_that_was_lost_explains_no_doubt(past: Past) -> None:
    past.stored(ANN, begun, in_doubt)
    past.accepted(ANN)
    past.record.write("beginning", ANN.request_id)
    past.record.write("beginning", BEN.request_id)
    assert past.counts().lost == [f"{ANN.request_id}: in doubt, and its answer was recorded"]


def test_a_request_that_is_not_there(past: Past) -> None:
    past.stored(ANN, begun, sent)
    past.accepted(ANN)
    carl = attrs.evolve(ANN, number=2)
    assert audit(past.store, past.record, [ANN, BEN, carl]).lost == [
        f"{carl.request_id}: not stored"
    ]


def test_a_request_that_nobody_made(past: Past) -> None:
    assert audit(past.store, past.record, [BEN]).lost == [f"{ANN.request_id}: from nowhere"]


def test_a_begin_after_an_opt_out_had_returned(past: Past) -> None:
    past.stored(ANN, begun, sent)
    past.bookings.inbound.opt_out("paws", ANN.phone)
    past.record.write("opt_out", "0", f"paws{ANN.phone}")
    past.accepted(ANN)
    assert past.counts().begun_after_opt_out == [f"{ANN.request_id}.m"]


@pytest.mark.parametrize(("hours", "wrong"), [(23, 1), (24, 0)])
def test_two_texts_to_one_phone_within_a_day(past: Past, hours: int, wrong: int) -> None:
    past.accepted(ANN)
    past.clock.move(timedelta(hours=hours))
    past.accepted(BEN)
    assert len(past.counts().phones_twice) == wrong


def test_what_people_were_told_is_done_and_is_not(past: Past) -> None:
    past.stored(ANN, begun, sent)
    past.accepted(ANN)
    past.record.write("book", "0")
    past.record.write("call", "0", "contact")
    past.record.write("opt_out", "1", f"paws{BEN.phone}")
    assert past.counts().lost == ["booking of 0", "contact contact of 0", "opt-out of 1"]
