"""G4: no name, phone, e-mail or text of a person in logs, errors, tracebacks or ``repr``."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from door_world import START, Clients, World

from abandoned_booking import (
    AbandonedBookings,
    Address,
    Booked,
    BookingForm,
    ListQuery,
    Person,
    Pet,
    Progress,
    Step,
)
from abandoned_booking.core import phone as phones
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.ports import ClientDraft, InboundSms, RequestStore, Unknown
from abandoned_booking.testing import RecordingSmsGateway

CANARIES = ("Zaphod", "Quetzal", "5550177", "canary@", "Nightingale", "whisper")
FORM = BookingForm(
    person=Person(
        first_name="Zaphod",
        last_name="Quetzal",
        phone="(212) 555-0177",
        email="canary@nest.com",
    ),
    pets=(Pet(name="Quetzal", species="bird", breed="rare"),),
    address=Address(line1="7 Nightingale Rd", city="Nightingale", postal_code="5550177"),
    note="whisper",
    answers={"anything else?": "whisper"},
)


def silent(text: str) -> bool:
    """Whether none of the canaries sings in ``text``."""
    return not any(canary.casefold() in text.casefold() for canary in CANARIES)


@pytest.fixture
def bird(store: RequestStore, clients: Clients) -> World:
    """A world whose visitor is full of canaries."""
    answers: list[Unknown | Exception] = [
        Unknown(detail="502"),
        ConnectionError("Zaphod +12125550177 whisper"),
    ]
    return World(store, sms=RecordingSmsGateway(answers), clients=clients)


def visit(world: World, session_id: str = "s1") -> AbandonedRequest:
    request = world.bookings.capture.progress(
        Progress(
            business_id="paws",
            session_id=session_id,
            step=Step.TIME,
            at=world.clock.now(),
            form=FORM,
            resume_url="https://book.example/whisper",
        )
    )
    assert request is not None
    return request


def test_repr_of_everything_that_holds_a_person_is_masked(bird: World) -> None:
    request = visit(bird)
    bird.reply("whisper", phone="+12125550177")
    outcome = bird.desk.text(request.id, "whisper {{first_name}}")
    bird.sweep(hours=2)
    stored = bird.now_is(request)
    values: list[Any] = [
        FORM,
        stored,
        stored.history,
        stored.contacts,
        outcome,
        bird.gateway,
        *bird.gateway.sent,
        bird.desk,
        bird.bookings.capture,
        bird.bookings.sweep,
        bird.store,
        bird.desk.list(ListQuery(text="Zaphod")),
        ListQuery(text="Zaphod"),
        bird.desk.preview(request.id),
        bird.desk.explain(request.id),
        phones.parse("(212) 555-0177", region="US"),
        ClientDraft(person=FORM.person, form=FORM, phone="+12125550177"),
        InboundSms(business_id="paws", phone="+12125550177", body="whisper", at=START),
        Booked(business_id="paws", at=START, person=FORM.person),
        Progress(business_id="paws", session_id="s1", step=Step.PET, at=START, form=FORM),
    ]
    assert stored.client_name == "Zaphod Quetzal"
    for value in values:
        assert silent(repr(value)), type(value)
        assert silent(str(value)), type(value)


def failing_calls(world: World) -> Iterator[Callable[[], object]]:
    """Whatever a caller can do wrong with a person's values in hand."""
    capture, desk = world.bookings.capture, world.desk
    request = visit(world)
    naive = datetime(2026, 1, 1)
    long_name = BookingForm(person=Person(first_name="Zaphod" * 200))
    base: dict[str, Any] = {"business_id": "paws", "session_id": "s1", "step": Step.TIME}
    yield lambda: capture.progress(Progress(**base, at=naive, form=FORM))
    yield lambda: capture.progress(Progress(**base, at=START, form=long_name))
    yield lambda: capture.progress(Progress(**{**base, "step": "Zaphod"}, at=START, form=FORM))
    yield lambda: capture.booked(Booked(business_id="paws", at=naive, person=FORM.person))
    yield lambda: phones.parse("212 555-0177 Zaphod", region="US")
    yield lambda: desk.text(request.id, "whisper {{Zaphod}")
    yield lambda: desk.text(request.id, "whisper" * 1000)
    yield lambda: desk.list(ListQuery(text="Zaphod" * 100))
    yield lambda: desk.list(ListQuery(text="Zaphod", cursor="canary@"))
    yield lambda: desk.undo_call(request.id)
    yield lambda: world.reply("whisper", at=naive)


def test_no_error_and_no_traceback_tells_of_a_person(bird: World) -> None:
    for call in failing_calls(bird):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - each its own
            call()
        told = "".join(traceback.format_exception(caught.value)[-1:])
        assert silent(told)
        assert silent(repr(caught.value))


def test_no_log_line_tells_of_a_person(bird: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        request = visit(bird)
        bird.desk.text(request.id, "whisper")
        bird.desk.undo_call(bird.desk.call(request.id).id)
        bird.reply("whisper", phone="+12125550177")
        bird.desk.text(request.id, "whisper")
    assert silent(caplog.text)
    # The gateway's exception, full of canaries, was told by its type.
    assert "ConnectionError" in caplog.text


def test_neither_suppression_list_nor_ledger_holds_a_phone(bird: World) -> None:
    seen: list[str] = []
    parts = bird.bookings._parts

    class Watched:
        def __init__(self, inner: object) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            def call(*given: Any, **more: Any) -> Any:
                seen.append(f"{given} {more}")
                return getattr(self._inner, name)(*given, **more)

            return call

    watched = AbandonedBookings(
        parts.store,
        sms=bird.gateway,
        clock=bird.clock,
        suppressions=Watched(parts.suppressions),
        ledger=Watched(parts.ledger),
    )
    visit(bird)
    bird.clock.advance(hours=2)
    watched.sweep.run_once()
    watched.inbound.reply(
        InboundSms(business_id="paws", phone="+12125550177", body="STOP", at=bird.clock.now())
    )
    assert len(seen) >= 4
    assert silent(" ".join(seen))
