"""E-mails of the staff, and the way out of them: B2, M4, S1, S2, R6, I3, I4, G1, G3, G4."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from door_world import START, Credits, World

from abandoned_booking import Channel, Reason, Status
from abandoned_booking.core.email import EmailDesign, Mailbox
from abandoned_booking.core.events import Contacted, Event, OptedOut
from abandoned_booking.core.model import ContactState, HistoryKind, MessagePhase
from abandoned_booking.errors import (
    FeatureUnavailable,
    InvalidSettings,
    InvalidTemplate,
    MissingPart,
    RequestNotFound,
    TransitionRefused,
)
from abandoned_booking.ports import (
    Accepted,
    DeliveryReport,
    NotSent,
    OutboundEmail,
    Rejected,
    RequestStore,
    SendResult,
    Unknown,
)
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.testing import RecordingEmailGateway

ANN = "Ann.Canary@Example.com"
URL = "https://book.example.com/unsubscribe?t="
DESIGN = EmailDesign(
    sender_address="hello@paws.example",
    reply_to="desk@paws.example",
    postal_address="12 Main Street\nSpringfield, NY 10001",
    unsubscribe_url=URL,
)


class Mailing(World):
    """A world whose staff can send e-mail."""

    def __init__(self, store: RequestStore, results: Any = (), **parts: Any) -> None:
        self.post = RecordingEmailGateway(results)
        super().__init__(store, **{"email": self.post, **parts})
        self.put(email=DESIGN)

    def token(self, number: int = -1) -> str:
        """The token of the unsubscribe link in an e-mail that went out."""
        return self.post.sent[number].headers["List-Unsubscribe"].strip("<>").removeprefix(URL)


@pytest.fixture
def mailing(store: RequestStore) -> Mailing:
    return Mailing(store)


# ── sending (S1, S2, B2) ────────────────────────────────────────────────────────────────────────


def test_s1_and_s2_an_accepted_email_makes_contacted(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    outcome = mailing.desk.email(request.id, staff_id="joe")
    assert outcome.accepted
    assert outcome.reasons == ()
    assert outcome.request.status is Status.CONTACTED
    assert outcome.contact is not None
    assert (outcome.contact.channel, outcome.contact.staff_id) == (Channel.EMAIL, "joe")
    assert outcome.contact.segments is None
    assert mailing.now_is(request) == outcome.request
    assert mailing.sweep(hours=2).sent == 0


def test_b2_what_goes_out_has_both_parts_the_address_and_the_one_click_headers(
    mailing: Mailing,
) -> None:
    request = mailing.visit(email=f" {ANN} ")
    mailing.desk.email(request.id)
    [sent] = mailing.post.sent
    assert (sent.to, sent.reply_to) == (ANN, "desk@paws.example")
    assert sent.sender == Mailbox(address="hello@paws.example", name="Paws & Co")
    assert sent.subject == "Your booking with Paws & Co isn't finished yet"
    assert "Hi Ann," in sent.text
    assert "12 Main Street" in sent.html
    assert sent.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = f"{URL}{mailing.token()}"
    assert link in sent.html
    assert link in sent.text
    assert sent.attempt_id.startswith(f"{request.id}.")
    assert len(sent.attempt_id) <= 64


def test_own_words_stand_in_for_the_designs(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id, subject="{{pet_names}}?", body="Hi {{first_name}}, Friday?")
    [sent] = mailing.post.sent
    assert sent.subject == "Rex?"
    assert sent.text.startswith("Hi Ann, Friday?")


def test_m4_the_preview_is_what_is_sent_but_for_the_link_which_does_nothing(
    mailing: Mailing,
) -> None:
    request = mailing.visit(email=ANN)
    own = {"subject": "Friday?", "body": "Hi {{first_name}}"}
    for words in ({}, own):
        preview = mailing.desk.preview_email(request.id, **words)
        mailing.desk.email(request.id, **words)
        sent, token = mailing.post.sent[-1], mailing.token()
        assert preview.subject == sent.subject
        assert preview.text == sent.text.replace(token, "preview")
        assert preview.html == sent.html.replace(token, "preview")
    assert mailing.bookings.inbound.unsubscribe("preview") is False


def test_m4_a_preview_needs_neither_gateway_nor_sender(store: RequestStore) -> None:
    world = World(store)
    request = world.visit(email=None)
    assert "Hi Ann," in world.desk.preview_email(request.id).text


@pytest.mark.parametrize(
    ("result", "state", "reasons"),
    [
        (
            Rejected(reason="RCPT 550", code="550 5.1.1"),
            ContactState.REFUSED,
            (Reason.GATEWAY_REFUSED,),
        ),
        (NotSent(reason="RCPT 450"), ContactState.REFUSED, (Reason.GATEWAY_REFUSED,)),
        (Unknown(detail="TimeoutError"), ContactState.SENDING, ()),
        (RuntimeError(ANN), ContactState.SENDING, ()),
    ],
)
def test_s2_and_g4_what_was_not_accepted_leaves_the_status(
    store: RequestStore,
    result: SendResult | Exception,
    state: ContactState,
    reasons: tuple[Reason, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    mailing = Mailing(store, [result])
    request = mailing.visit(email=ANN)
    outcome = mailing.desk.email(request.id)
    assert outcome.contact is not None
    assert (outcome.accepted, outcome.contact.state, outcome.reasons) == (False, state, reasons)
    assert mailing.now_is(request).status is Status.ABANDONED
    assert mailing.now_is(request).last_contacted_at is None
    assert "anary" not in caplog.text
    assert "anary" not in repr((outcome, mailing.post.sent))


def test_an_email_in_doubt_is_never_repeated_and_holds_the_recovery_message_back(
    store: RequestStore,
) -> None:
    mailing = Mailing(store, [Unknown()])
    request = mailing.visit(email=ANN)
    for _ in range(2):
        outcome = mailing.desk.email(request.id, operation_id="click-1")
        assert outcome.contact is not None
        assert outcome.contact.state is ContactState.SENDING
    assert len(mailing.post.sent) == 1
    assert mailing.sweep(hours=2).waiting == 1
    assert mailing.gateway.sent == []


def test_a_repeated_operation_sends_once_however_many_click(store: RequestStore) -> None:
    together = threading.Barrier(4)
    mailing = Mailing(store)
    request = mailing.visit(email=ANN)

    def click() -> None:
        together.wait()
        mailing.desk.email(request.id, operation_id="click-1")

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mailing.post.sent) == 1
    assert mailing.desk.email(request.id, operation_id="click-1").accepted
    assert len(mailing.post.sent) == 1


def test_a_text_and_an_email_of_one_operation_are_two_contacts(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    assert mailing.desk.text(request.id, "Hi", operation_id="click-1").accepted
    assert mailing.desk.email(request.id, operation_id="click-1").accepted
    assert (len(mailing.gateway.sent), len(mailing.post.sent)) == (1, 1)


def test_b2_an_email_costs_no_credits_also_when_a_report_comes_first(store: RequestStore) -> None:
    class Asked(Credits):
        """A ledger that is asked for nothing but its balance."""

        def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
            raise AssertionError

        def commit(self, business_id: str, *, owner: str, credits: int) -> None:
            raise AssertionError

        def release(self, business_id: str, *, owner: str) -> None:
            raise AssertionError

    mailing = Mailing(store, [Accepted(provider_id="p1"), Rejected(reason="no")], credits=Asked(0))
    request = mailing.visit(email=ANN)
    assert mailing.desk.email(request.id).accepted
    assert not mailing.desk.email(request.id).accepted
    report = DeliveryReport(
        business_id="paws",
        attempt_id=mailing.post.sent[0].attempt_id,
        state="delivered",
        at=START,
    )
    assert mailing.bookings.inbound.delivery(report)


def test_i3_a_bounce_takes_the_contact_back(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    report = DeliveryReport(
        business_id="paws",
        attempt_id=mailing.post.sent[0].attempt_id,
        state="undelivered",
        at=START,
        reason="5.1.1",
    )
    assert mailing.bookings.inbound.delivery(report)
    assert not mailing.bookings.inbound.delivery(report)
    assert mailing.now_is(request).status is Status.ABANDONED
    assert mailing.now_is(request).contacts[0].state is ContactState.FAILED


def test_an_event_carries_what_was_written(store: RequestStore) -> None:
    events: list[Event] = []
    mailing = Mailing(store, on_event=events.append)
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id, body="Hi {{first_name}}")
    [contacted] = [event for event in events if isinstance(event, Contacted)]
    assert contacted.contact.channel is Channel.EMAIL
    assert contacted.text == mailing.post.sent[0].text


# ── what stands in the way ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "email", [None, "", "ann", "Ann <ann@example.com>", "a@b.example,c@d.example"]
)
def test_without_an_address_it_is_an_outcome_and_changes_nothing(
    mailing: Mailing, email: str | None
) -> None:
    request = mailing.visit(email=email)
    outcome = mailing.desk.email(request.id)
    assert (outcome.accepted, outcome.contact, outcome.reasons) == (False, None, (Reason.NO_EMAIL,))
    assert mailing.now_is(request) == request
    assert mailing.post.sent == []


@pytest.mark.parametrize("field", ["sender_address", "postal_address", "unsubscribe_url"])
def test_b2_what_sending_needs_is_named_and_nothing_is_changed(
    mailing: Mailing, field: str
) -> None:
    lacking: dict[str, Any] = {field: None}
    mailing.put(email=attrs.evolve(DESIGN, **lacking))
    request = mailing.visit(email=ANN)
    with pytest.raises(InvalidSettings) as caught:
        mailing.desk.email(request.id)
    assert caught.value.field == f"email.{field}"
    assert mailing.now_is(request) == request


@pytest.mark.parametrize("words", [{"subject": "{{shoe_size}}"}, {"body": " "}])
def test_m1_bad_words_are_refused_before_anything_happens(
    mailing: Mailing, words: dict[str, str]
) -> None:
    request = mailing.visit(email=ANN)
    for call in (mailing.desk.email, mailing.desk.preview_email):
        with pytest.raises(InvalidTemplate) as caught:
            call(request.id, **words)
        assert caught.value.field == next(iter(words))
    assert mailing.now_is(request) == request


def test_without_a_gateway_the_missing_part_is_named() -> None:
    world = World(MemoryStore())
    request = world.visit(email=ANN)
    with pytest.raises(MissingPart, match="email=") as caught:
        world.desk.email(request.id)
    assert caught.value.part == "email"


def test_a_gateway_without_its_method_is_named_at_once() -> None:
    with pytest.raises(MissingPart, match="lacks send of EmailGateway"):
        World(MemoryStore(), email=object())


def test_deleted_completed_and_foreign_requests_are_refused(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    mailing.bookings.settings.put(attrs.evolve(mailing.settings, business_id="other"))
    other = mailing.bookings.desk("other")
    for foreign in (other.email, other.preview_email):
        with pytest.raises(RequestNotFound):
            foreign(request.id)
    mailing.desk.delete(request.id)
    with pytest.raises(TransitionRefused, match="restore it first"):
        mailing.desk.email(request.id)
    assert mailing.post.sent == []


def test_g1_without_the_feature_nothing_is_sent(store: RequestStore) -> None:
    has: list[str] = ["paws"]
    mailing = Mailing(store, has_feature=lambda business_id: business_id in has)
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    has.clear()
    for call in (mailing.desk.email, mailing.desk.preview_email):
        with pytest.raises(FeatureUnavailable):
            call(request.id)
    assert mailing.bookings.inbound.unsubscribe(mailing.token()) is True


# ── the way out (B2, I4, G3) ────────────────────────────────────────────────────────────────────


def test_b2_one_click_ends_emails_to_that_address_whatever_the_request(mailing: Mailing) -> None:
    first = mailing.visit("s1", email=ANN)
    second = mailing.visit("s2", email=ANN.lower(), phone=None)
    stranger = mailing.visit("s3", email="bob@example.com", phone=None)
    mailing.desk.email(first.id)
    before = {r.id: mailing.now_is(r).version for r in (first, second, stranger)}
    assert mailing.bookings.inbound.unsubscribe(mailing.token()) is True
    assert mailing.now_is(first).version > before[first.id]
    assert mailing.now_is(second).version > before[second.id]
    assert mailing.now_is(stranger).version == before[stranger.id]
    for request in (first, second):
        assert mailing.desk.email(request.id).reasons == (Reason.OPTED_OUT,)
    assert mailing.desk.email(stranger.id).accepted
    assert mailing.now_is(first).history[-1].kind is HistoryKind.UNSUBSCRIBED


def test_unsubscribing_from_emails_leaves_texts_and_the_status_alone(mailing: Mailing) -> None:
    first, second = (
        mailing.visit("s1", email=ANN),
        mailing.visit("s2", email=ANN, phone="2125550100"),
    )
    mailing.desk.email(first.id)
    mailing.bookings.inbound.unsubscribe(mailing.token())
    assert mailing.now_is(second).status is Status.ABANDONED
    assert mailing.desk.text(first.id, "Hi").accepted
    assert mailing.sweep(hours=2).sent == 1
    assert mailing.reply("START") == "opted_in"
    assert mailing.desk.email(first.id).reasons == (Reason.OPTED_OUT,)


def test_a_repeat_is_true_and_changes_nothing_more(store: RequestStore) -> None:
    events: list[Event] = []
    mailing = Mailing(store, on_event=events.append)
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    assert mailing.bookings.inbound.unsubscribe(mailing.token())
    after = mailing.now_is(request)
    assert mailing.bookings.inbound.unsubscribe(mailing.token())
    assert mailing.now_is(request) == after
    [opted_out] = [event for event in events if isinstance(event, OptedOut)]
    assert opted_out.address == ANN.casefold()
    assert "anary" not in repr(opted_out)


def test_every_altered_token_is_false_and_without_effect(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    before, token = mailing.now_is(request), mailing.token()
    for position in range(0, len(token), 7):
        altered = token[:position] + chr(ord(token[position]) ^ 1) + token[position + 1 :]
        assert mailing.bookings.inbound.unsubscribe(altered) is False
    assert mailing.bookings.inbound.unsubscribe("") is False
    assert mailing.now_is(request) == before
    assert mailing.desk.email(request.id).accepted


def test_another_businesss_list_and_another_secrets_tokens_are_left_alone(
    mailing: Mailing,
) -> None:
    other_settings = attrs.evolve(mailing.settings, business_id="other")
    mailing.bookings.settings.put(other_settings)
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    foreign = Mailing(MemoryStore(), secret=b"another")
    assert foreign.bookings.inbound.unsubscribe(mailing.token()) is False
    assert mailing.bookings.inbound.unsubscribe(mailing.token()) is True
    parts = mailing.bookings._parts
    theirs = parts.email_suppression_of("other", ANN.casefold())
    assert not parts.suppressions.contains("other", theirs)


def test_g4_the_link_tells_nobody(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    body = mailing.token().partition(".")[0]
    told = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    assert "ann" not in told.lower()
    assert "example" not in told


def test_the_address_of_the_email_is_the_one_that_is_taken_off(mailing: Mailing) -> None:
    """The person has typed another address since: the link speaks of the one it was sent to."""
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    mailing.clock.advance(minutes=1)
    mailing.visit(email="new@example.com")
    before = mailing.now_is(request)
    assert mailing.bookings.inbound.unsubscribe(mailing.token()) is True
    assert mailing.now_is(request) == before
    assert mailing.desk.email(request.id).accepted
    assert mailing.post.sent[-1].to == "new@example.com"
    old = mailing.visit("s2", email=ANN, phone=None)
    assert mailing.desk.email(old.id).reasons == (Reason.OPTED_OUT,)


def test_g3_the_link_works_after_the_request_or_the_business_has_gone(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    elsewhere = Mailing(MemoryStore())
    assert elsewhere.bookings.inbound.unsubscribe(mailing.token()) is True
    again = elsewhere.visit("s9", email=ANN)
    assert elsewhere.desk.email(again.id).reasons == (Reason.OPTED_OUT,)
    nowhere = Mailing(MemoryStore())
    nowhere.bookings._parts.settings.get = lambda business_id: None  # type: ignore[method-assign]
    assert nowhere.bookings.inbound.unsubscribe(mailing.token()) is True


def meanwhile(mailing: Mailing, happens: Callable[[], object]) -> None:
    """Let something happen after the desk has looked, and before the e-mail is begun."""
    stored = mailing.store.save

    def slow_save(request: Any, *, expected_version: int) -> bool:
        mailing.store.save = stored  # type: ignore[method-assign]
        happens()
        return stored(request, expected_version=expected_version)

    mailing.store.save = slow_save  # type: ignore[method-assign]


def test_i4_an_unsubscription_just_before_the_send_wins(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    token = mailing.token()
    meanwhile(mailing, lambda: mailing.bookings.inbound.unsubscribe(token))
    outcome = mailing.desk.email(request.id)
    assert outcome.reasons == (Reason.OPTED_OUT,)
    assert outcome.contact is not None
    assert outcome.contact.state is ContactState.REFUSED
    assert len(mailing.post.sent) == 1


@pytest.mark.parametrize("how", ["erased", "retyped"])
def test_an_address_that_has_gone_meanwhile_gets_nothing(mailing: Mailing, how: str) -> None:
    request = mailing.visit(email=ANN)

    def happens() -> None:
        if how == "erased":
            mailing.bookings.forget("paws", email=ANN)
        else:
            mailing.visit(email="new@example.com", at=START + timedelta(minutes=1))

    meanwhile(mailing, happens)
    outcome = mailing.desk.email(request.id)
    # An erasure leaves no word of why.
    why = Reason.GATEWAY_REFUSED if how == "erased" else Reason.NO_EMAIL
    assert (outcome.accepted, outcome.reasons) == (False, (why,))
    assert mailing.post.sent == []


def test_a_client_who_books_while_the_email_goes_out_is_recorded_all_the_same(
    store: RequestStore,
) -> None:
    def books_meanwhile(message: OutboundEmail) -> SendResult:
        world.book()
        return Accepted(provider_id="p1")

    world = Mailing(store, books_meanwhile)
    request = world.visit(email=ANN)
    assert world.desk.email(request.id).accepted
    assert world.now_is(request).status is Status.COMPLETED


def test_r4_an_email_before_the_recovery_message_means_it_is_not_sent(mailing: Mailing) -> None:
    request = mailing.visit(email=ANN)
    mailing.desk.email(request.id)
    mailing.sweep(hours=3)
    assert mailing.gateway.sent == []
    assert mailing.now_is(request).message.phase is not MessagePhase.SENT
