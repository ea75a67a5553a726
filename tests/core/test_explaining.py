"""C10 and R8: why listed or not, messaged or not, and when; in sentences without a name (G4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from core._examples import (
    CANARIES,
    CANARY_FORM,
    HOUR,
    MINUTE,
    NOON,
    US,
    a_campaign,
    paws,
    some_requests,
    some_settings,
)
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.eligibility import Facts, assess
from abandoned_booking.core.explaining import Explanation, explain
from abandoned_booking.core.model import (
    AbandonedRequest,
    MessagePhase,
    Phone,
    Reason,
    RecoveryMessage,
    Route,
    Status,
)
from abandoned_booking.core.planning import rescheduled
from abandoned_booking.testing import a_request

DUE = NOON + 2 * HOUR
P, R = MessagePhase, Reason


def explained(
    request: AbandonedRequest,
    now: datetime = DUE,
    facts: Facts | None = None,
    *,
    has_feature: bool = True,
    **settings: Any,
) -> Explanation:
    facts, business = facts or Facts(), paws(**settings)
    assessment = assess(request, business, facts, now)
    return explain(request, assessment, business, has_feature=has_feature, now=now)


def in_phase(phase: MessagePhase, *reasons: Reason, begun: bool = True) -> AbandonedRequest:
    message = RecoveryMessage(phase=phase, reasons=reasons, begun_at=DUE if begun else None)
    return a_request(message=message)


# ── listed or not (C10) ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("request_", "now", "has_feature", "reasons", "sentence"),
    [
        pytest.param(
            a_request(),
            DUE,
            True,
            (),
            "Listed since 2026-01-05 08:00 EST, as abandoned.",
            id="listed",
        ),
        pytest.param(
            a_request(),
            NOON,
            True,
            (R.TOO_RECENT,),
            "Not listed before 2026-01-05 08:00 EST: the visitor was active too recently.",
            id="C4 not yet an hour",
        ),
        pytest.param(
            a_request(withheld=(R.NO_CONTACT_POINT, R.NO_APPLICABLE_SERVICE)),
            DUE,
            True,
            (R.NO_CONTACT_POINT, R.NO_APPLICABLE_SERVICE),
            "Not listed: there is neither a valid phone number nor an e-mail; "
            "no service applies to what was entered.",
            id="C9 withheld",
        ),
        pytest.param(
            a_request(route=Route.LEADS, deleted_at=DUE, status=Status.COMPLETED),
            NOON,
            False,
            (R.FEATURE_UNAVAILABLE, R.DELETED, R.COMPLETED, R.ROUTED_TO_LEADS, R.TOO_RECENT),
            "Not listed: the business's plan does not include abandoned bookings; it was deleted; "
            "the client finished the booking without any contact; it went to the leads; "
            "the visitor was active too recently.",
            id="C10 all reasons, in their order",
        ),
    ],
)
def test_c10_why_it_is_listed_or_not(
    request_: AbandonedRequest,
    now: datetime,
    has_feature: bool,
    reasons: tuple[Reason, ...],
    sentence: str,
) -> None:
    found = explained(request_, now, has_feature=has_feature)
    assert found.listing == sentence
    assert found.listing_reasons == reasons
    assert found.listed == (not reasons)


# ── messaged or not, and when (R8) ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("request_", "now", "sentence"),
    [
        pytest.param(
            a_request(), NOON, "The recovery message goes on 2026-01-05 09:00 EST.", id="waiting"
        ),
        pytest.param(
            a_request(), DUE, "The recovery message is due and goes with the next sweep.", id="due"
        ),
        pytest.param(
            a_request(message=RecoveryMessage(retry_at=DUE + MINUTE)),
            DUE,
            "The recovery message goes on 2026-01-05 09:01 EST.",
            id="the gateway is asked again",
        ),
        pytest.param(
            a_request(
                message=RecoveryMessage(reasons=(R.NO_CREDITS,)), next_action_at=DUE + 5 * MINUTE
            ),
            DUE,
            "The recovery message waits: there are not enough message credits; "
            "it is tried again on 2026-01-05 09:05 EST.",
            id="waits for what may pass",
        ),
        pytest.param(
            a_request(
                message=RecoveryMessage(reasons=(R.NO_CREDITS,)), next_action_at=DUE + 5 * MINUTE
            ),
            NOON,
            "The recovery message goes on 2026-01-05 09:00 EST.",
            id="waited once, and new activity has moved it",
        ),
        pytest.param(
            a_request(phone=None, status=Status.CONTACTED),
            DUE,
            "The recovery message will not be sent as things are: the person has been contacted "
            "already; there is no valid phone number.",
            id="not as things are",
        ),
        pytest.param(
            in_phase(P.SENDING),
            DUE,
            "The recovery message is being sent on 2026-01-05 09:00 EST.",
            id="sending",
        ),
        pytest.param(
            in_phase(P.SENT),
            DUE,
            "The recovery message was sent on 2026-01-05 09:00 EST.",
            id="sent",
        ),
        pytest.param(
            in_phase(P.SENT, begun=False), DUE, "The recovery message was sent.", id="imported"
        ),
        pytest.param(
            in_phase(P.DELIVERED),
            DUE,
            "The recovery message was sent and delivered on 2026-01-05 09:00 EST.",
            id="delivered",
        ),
        pytest.param(
            in_phase(P.UNDELIVERED),
            DUE,
            "The recovery message was sent but could not be delivered on 2026-01-05 09:00 EST.",
            id="undelivered",
        ),
        pytest.param(
            in_phase(P.UNCONFIRMED, R.IN_DOUBT),
            DUE,
            "The recovery message may have been sent on 2026-01-05 09:00 EST: a text may have been "
            "sent and nobody knows; it is never repeated.",
            id="in doubt",
        ),
        pytest.param(
            in_phase(P.FAILED, R.GATEWAY_REFUSED),
            DUE,
            "The recovery message was not sent: the gateway refused it.",
            id="failed",
        ),
        pytest.param(
            in_phase(P.SKIPPED, R.OPTED_OUT, R.MISSED),
            DUE,
            "The recovery message was not sent: the person opted out; its time had passed by more "
            "than the grace when it could have gone.",
            id="skipped, with what spoke against it then",
        ),
    ],
)
def test_r8_why_the_person_was_or_was_not_messaged_and_when(
    request_: AbandonedRequest, now: datetime, sentence: str
) -> None:
    found = explained(request_, now)
    assert found.message == sentence
    assert found.phase is request_.message.phase
    assert str(found) == f"{found.listing} {sentence}"


def test_r8_send_at_is_there_exactly_while_it_is_going_to_be_sent() -> None:
    assert explained(a_request(), NOON).send_at == DUE
    assert explained(a_request(), NOON, Facts(opted_out=True)).send_at is None
    assert explained(in_phase(P.SENT), NOON).send_at is None
    assert explained(in_phase(P.SKIPPED, R.TOO_OLD), NOON).send_at is None
    off = explained(a_request(), NOON, campaign=a_campaign(enabled=False))
    assert (off.send_at, off.message_reasons) == (None, (R.CAMPAIGN_OFF,))


@pytest.mark.parametrize("reason", Reason)
def test_r8_every_reason_has_its_words(reason: Reason) -> None:
    sentence = explained(in_phase(P.SKIPPED, reason)).message
    assert sentence.startswith("The recovery message was not sent: ")
    assert sentence.endswith(".")


@given(some_requests(), some_settings(), st.booleans(), st.booleans())
def test_every_request_can_be_explained(
    request: AbandonedRequest, settings: Any, opted_out: bool, has_feature: bool
) -> None:
    now = request.abandoned_at + HOUR
    request = rescheduled(request, settings, at=now)
    assessment = assess(request, settings, Facts(opted_out=opted_out), now)
    found = explain(request, assessment, settings, has_feature=has_feature, now=now)
    assert found.listing.endswith(".")
    assert found.message.endswith(".")
    if found.phase is not P.PENDING:
        assert found.send_at is None
    elif found.message_reasons != assessment.reasons:
        assert found.message_reasons == request.message.reasons, "what the sweep found in its way"
        assert found.send_at == request.next_action_at
    elif not request.message.reasons:
        assert (found.send_at is None) == bool(found.message_reasons)


@given(st.sampled_from(MessagePhase), st.booleans(), st.sampled_from([NOON, DUE, DUE + 9 * HOUR]))
def test_g4_no_sentence_tells_anything_of_the_person(
    phase: MessagePhase, blocked: bool, now: datetime
) -> None:
    phone = Phone(e164=CANARIES[2], region=US.region, can_text=True)
    request = a_request(form=CANARY_FORM, phone=phone, message=RecoveryMessage(phase=phase))
    found = explained(request, now, Facts(phone_blocked=blocked))
    assert not [canary for canary in CANARIES if canary in f"{found} {found!r}"]
