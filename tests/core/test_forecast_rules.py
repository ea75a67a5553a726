"""The forecast as a pure function: R6, R7, R8, T4, M3, P1 (holdout).

That it agrees with the sweep is the property of ``tests/doors/test_forecast.py``; here are examples
that can be checked by hand, and its errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from core._examples import HOUR, INSTANT, MINUTE, NOON, a_campaign, a_contact, paws

from abandoned_booking.core.campaign import (
    AtClockTime,
    BusinessSettings,
    CompliancePolicy,
    QuietHours,
    RecoveryCampaign,
)
from abandoned_booking.core.codec import settings_from_dict, settings_to_dict
from abandoned_booking.core.eligibility import Facts, assess
from abandoned_booking.core.forecast import Forecast, forecast
from abandoned_booking.core.holdout import is_held_out
from abandoned_booking.core.model import (
    AbandonedRequest,
    ContactState,
    MessagePhase,
    Phone,
    Reason,
    RecoveryMessage,
    Status,
)
from abandoned_booking.core.planning import Send, Skip, Wait, plan, rescheduled
from abandoned_booking.errors import InvalidInput, InvalidSettings
from abandoned_booking.testing import a_request

DUE = NOON + 2 * HOUR
DAY = timedelta(days=1)
OTHER = Phone(e164="+12125550101", region="US", can_text=True, zones=("America/New_York",))


def asked(
    *requests: AbandonedRequest,
    settings: BusinessSettings | None = None,
    until: datetime = NOON + DAY,
    now: datetime = NOON,
    credits: int | None = None,
    facts: Facts | None = None,
) -> Forecast:
    business = settings or paws()
    planned: Iterable[AbandonedRequest] = (
        rescheduled(request, business, at=now) for request in requests
    )
    return forecast(
        planned,
        business,
        facts_of=lambda _: facts or Facts(),
        credits=credits,
        now=now,
        until=until,
    )


def told(found: Forecast) -> list[tuple[str, datetime | None, tuple[Reason, ...]]]:
    return [(line.request_id, line.send_at, line.reasons) for line in found.lines]


def sent(**changes: Any) -> AbandonedRequest:
    """A request whose message went out at its due time."""
    message = RecoveryMessage(phase=MessagePhase.SENT, begun=1, begun_at=DUE, segments=1)
    return a_request(status=Status.CONTACTED, message=message, **changes)


def test_messages_come_in_the_order_of_sending_and_the_others_after_them() -> None:
    found = asked(
        a_request(id="r3", phone=None),
        a_request(id="r2", abandoned_at=NOON + MINUTE, phone=OTHER),
        a_request(id="r1"),
    )
    assert told(found) == [
        ("r1", DUE, ()),
        ("r2", DUE + MINUTE, ()),
        ("r3", None, (Reason.NO_PHONE,)),
    ]
    assert [line.request_id for line in found.messages] == ["r1", "r2"]
    assert [line.request_id for line in found.not_messaged] == ["r3"]
    assert (found.segments, found.next_send_at, found.later) == (2, DUE, ())
    assert found.reasons == {Reason.NO_PHONE: 1}
    assert "<3 lines>" in repr(found)


def test_until_belongs_to_the_span_and_what_is_due_after_it_comes_later() -> None:
    assert len(asked(a_request(), until=DUE).messages) == 1
    found = asked(a_request(), until=DUE - INSTANT)
    assert (len(found.messages), told(found)) == (0, [("r1", DUE, ())])
    assert [line.send_at for line in found.later] == [DUE]
    assert found.next_send_at is None
    assert found.segments == 0


def test_nothing_is_asked_of_a_business_without_requests() -> None:
    found = asked(until=NOON)
    assert (found.lines, found.reasons) == ((), {})


def test_r7_a_second_request_of_a_phone_waits_until_it_is_missed() -> None:
    found = asked(a_request(id="r1"), a_request(id="r2", abandoned_at=NOON + MINUTE))
    assert told(found) == [
        ("r1", DUE, ()),
        ("r2", None, (Reason.PHONE_MESSAGED_RECENTLY, Reason.MISSED)),
    ]


def test_r7_or_goes_with_the_first_retry_after_the_phone_is_free() -> None:
    settings = paws(one_message_within=12 * MINUTE)
    second = a_request(id="r2", abandoned_at=NOON + MINUTE)
    found = asked(a_request(id="r1"), second, settings=settings)
    # Retried at 14:06, 14:11 and 14:16; free at 14:12.
    assert told(found)[1] == ("r2", DUE + 16 * MINUTE, ())


def test_r9_retries_are_those_that_quiet_hours_allow() -> None:
    """Allowed until 9:08 in New York: due at 9:00, tried again at 9:05, then the next morning."""
    hours = CompliancePolicy(quiet_hours=QuietHours("08:00", "09:08"))
    settings = paws(compliance=hours, one_message_within=6 * MINUTE)
    found = asked(a_request(id="r1"), a_request(id="r2"), settings=settings)
    assert told(found) == [("r1", DUE, ()), ("r2", DUE + 23 * HOUR, ())]


def test_r7_a_message_that_has_gone_already_holds_the_phone() -> None:
    second = a_request(id="r2", abandoned_at=NOON + HOUR)
    found = asked(sent(id="r1"), second, now=DUE + MINUTE)
    assert told(found) == [
        ("r1", None, (Reason.ALREADY_CONTACTED, Reason.ALREADY_SENT)),
        ("r2", None, (Reason.PHONE_MESSAGED_RECENTLY, Reason.MISSED)),
    ]
    settings = paws(one_message_within=HOUR)
    found = asked(second, sent(id="r1"), now=DUE + MINUTE, settings=settings)
    assert told(found)[0] == ("r2", DUE + HOUR, ())


@pytest.mark.parametrize(
    "holder",
    [
        sent(id="r1", phone=None),
        attrs.evolve(sent(id="r1"), message=RecoveryMessage(phase=MessagePhase.SENT)),
        attrs.evolve(
            sent(id="r1"), message=RecoveryMessage(phase=MessagePhase.FAILED, begun_at=DUE)
        ),
    ],
    ids=["no phone", "imported without an instant", "refused by the gateway"],
)
def test_r7_what_holds_no_phone(holder: AbandonedRequest) -> None:
    second = a_request(id="r2", abandoned_at=NOON + HOUR)
    found = asked(holder, second, now=DUE + MINUTE)
    assert told(found)[0] == ("r2", DUE + HOUR, ())


def test_r6_credits_run_out_in_the_order_of_sending() -> None:
    found = asked(
        a_request(id="r2", abandoned_at=NOON + MINUTE, phone=OTHER),
        a_request(id="r1"),
        credits=1,
    )
    assert told(found) == [
        ("r1", DUE, ()),
        ("r2", None, (Reason.MISSED, Reason.NO_CREDITS)),
    ]


def test_r8_the_reasons_are_those_of_the_last_retry() -> None:
    """First the phone was taken; by the time of the last retries the credits were gone."""
    found = asked(
        a_request(id="r1"),
        a_request(id="r2", abandoned_at=NOON + MINUTE),
        a_request(id="r3", abandoned_at=NOON + 30 * MINUTE, phone=OTHER),
        credits=2,
    )
    assert told(found)[2] == ("r2", None, (Reason.MISSED, Reason.NO_CREDITS))


@pytest.mark.parametrize(
    ("until", "policy", "reasons"),
    [
        (DUE, CompliancePolicy(), (Reason.NO_CREDITS,)),
        (NOON + 300 * DAY, CompliancePolicy(), (Reason.NO_CREDITS,)),
        (
            NOON + 300 * DAY,
            CompliancePolicy(not_older_than=30 * HOUR),
            (Reason.TOO_OLD, Reason.NO_CREDITS),
        ),
    ],
    ids=["at once", "for good", "until it is too old"],
)
def test_t4_a_clock_message_without_credits_is_tried_at_every_occurrence(
    until: datetime, policy: CompliancePolicy, reasons: tuple[Reason, ...]
) -> None:
    settings = paws(campaign=a_campaign(timing=AtClockTime("09:00")), compliance=policy)
    found = asked(a_request(), settings=settings, until=until, credits=0)
    assert told(found) == [("r1", None, reasons)]


def test_what_waits_at_the_end_is_told_with_its_reason_and_its_next_look() -> None:
    second = a_request(id="r2", abandoned_at=NOON + MINUTE)
    found = asked(a_request(id="r1"), second, until=DUE + 20 * MINUTE)
    (line,) = found.later
    assert (line.send_at, line.reasons) == (DUE + 21 * MINUTE, (Reason.PHONE_MESSAGED_RECENTLY,))
    assert found.reasons == {}


def test_what_the_sweep_never_looks_at_is_told_as_of_now() -> None:
    contacted = a_request(status=Status.CONTACTED, contacts=(a_contact(),))
    assert told(asked(contacted)) == [("r1", None, (Reason.ALREADY_CONTACTED,))]
    off = asked(a_request(), settings=paws(campaign=a_campaign(enabled=False)))
    assert told(off) == [("r1", None, (Reason.CAMPAIGN_OFF,))]
    unplanned = forecast(
        [a_request()],
        paws(),
        facts_of=lambda _: Facts(),
        credits=None,
        now=NOON,
        until=NOON + DAY,
    )
    assert unplanned.lines[0].send_at == DUE


def test_r8_what_is_over_keeps_the_reasons_that_settled_it() -> None:
    message = RecoveryMessage(phase=MessagePhase.SKIPPED, reasons=(Reason.OPTED_OUT,))
    found = asked(a_request(message=message))
    assert told(found) == [("r1", None, (Reason.OPTED_OUT,))]
    assert found.lines[0].segments == 0


def test_a_text_in_doubt_of_the_staff_holds_the_message_back() -> None:
    doubtful = a_request(contacts=(a_contact(state=ContactState.SENDING),))
    assert told(asked(doubtful)) == [("r1", None, (Reason.IN_DOUBT, Reason.MISSED))]


@pytest.mark.parametrize(
    ("until", "why"),
    [
        (NOON.replace(tzinfo=None), "must be an aware datetime"),
        (NOON - INSTANT, "is past"),
        (NOON + 366 * DAY + INSTANT, "more than 366 days"),
    ],
    ids=["naive", "past", "too far"],
)
def test_until_must_be_an_instant_to_come(until: datetime, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        asked(until=until)
    assert caught.value.field == "until"


# ── held out ────────────────────────────────────────────────────────────────────────────────────

HELD, FREE = (
    next(f"r{n}" for n in range(99) if is_held_out("paws", f"r{n}", share=0.2) is held)
    for held in (True, False)
)
HOLDING = paws(campaign=a_campaign(holdout=0.2))


def test_who_is_held_out_is_never_messaged_and_it_is_said_why() -> None:
    found = asked(a_request(id=HELD), a_request(id=FREE, phone=OTHER), settings=HOLDING)
    assert told(found) == [(FREE, DUE, ()), (HELD, None, (Reason.HELD_OUT,))]


def test_p1_who_is_held_out_is_drawn_when_the_others_are_sent_to() -> None:
    held = a_request(id=HELD)
    assert plan(held, HOLDING, Facts(), DUE - INSTANT) == Wait(until=DUE)
    assert plan(held, HOLDING, Facts(), DUE) == Skip(reasons=(Reason.HELD_OUT,))
    assert isinstance(plan(a_request(id=FREE), HOLDING, Facts(), DUE), Send)


def test_p1_what_would_make_the_others_wait_makes_them_wait_too() -> None:
    reasons = (Reason.HELD_OUT, Reason.NO_CREDITS)
    waits = Wait(until=DUE + 5 * MINUTE, reasons=reasons)
    assert plan(a_request(id=HELD), HOLDING, Facts(credits=0), DUE) == waits
    refused = Skip(reasons=(Reason.HELD_OUT, Reason.OPTED_OUT))
    assert plan(a_request(id=HELD), HOLDING, Facts(opted_out=True), DUE) == refused


def test_p1_a_phone_that_was_just_messaged_holds_the_draw_back() -> None:
    first = a_request(id=FREE, abandoned_at=NOON - MINUTE)
    found = asked(first, a_request(id=HELD), settings=HOLDING)
    reasons = (Reason.HELD_OUT, Reason.PHONE_MESSAGED_RECENTLY, Reason.MISSED)
    assert told(found)[1] == (HELD, None, reasons)


def test_p1_without_a_share_nobody_is_held_out() -> None:
    assert assess(a_request(id=HELD), paws(), Facts(), NOON).reasons == ()


@pytest.mark.parametrize("share", [-0.01, 0.51, 1, float("nan"), float("inf"), "half", None])
def test_a_share_is_from_nothing_to_a_half(share: Any) -> None:
    with pytest.raises(InvalidSettings, match=r"from 0 to 0\.5") as caught:
        RecoveryCampaign(holdout=share)
    assert caught.value.field == "campaign.holdout"


def test_a_share_is_stored_with_the_settings_and_old_settings_hold_nobody_out() -> None:
    assert settings_from_dict(settings_to_dict(HOLDING)) == HOLDING
    old = settings_to_dict(HOLDING)
    del old["campaign"]["holdout"]
    assert settings_from_dict(old).campaign.holdout == 0
    assert RecoveryCampaign(holdout=0).holdout == 0.0
