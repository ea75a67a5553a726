"""What the tests of the core share: a business, its request, and the instants around it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from abandoned_booking.core.campaign import (
    AfterDelay,
    AtClockTime,
    BusinessSettings,
    CompliancePolicy,
    Days,
    QuietHours,
    RecoveryCampaign,
)
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    CareType,
    Channel,
    ClientType,
    Contact,
    MessagePhase,
    Person,
    Pet,
    Phone,
    Reason,
    RecoveryMessage,
    Status,
    Step,
)
from abandoned_booking.testing import a_request

NEW_YORK: Final = ZoneInfo("America/New_York")
NOON: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""a Monday, 7 am in New York; when ``a_request()`` was abandoned"""
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
INSTANT: Final = timedelta(microseconds=1)

US: Final = Phone(
    e164="+12125550199", region="US", can_text=True, zones=("America/New_York",), national="212555"
)
CANADIAN: Final = Phone(e164="+14165550199", region="CA", can_text=True)
PUERTO_RICAN: Final = Phone(e164="+17875550199", region="PR", can_text=True)
TOLL_FREE: Final = Phone(e164="+18005550199", region="US", can_text=False)

CANARIES: Final = ("Quetzalcoatl", "Xanthippe", "+12125550147", "canary@nest.example", "Hush-hush")
"""values of a person that must be seen nowhere (G4)"""
CANARY_FORM: Final = BookingForm(
    person=Person(
        first_name=CANARIES[0], last_name=CANARIES[0], phone=CANARIES[2], email=CANARIES[3]
    ),
    pets=(Pet(name=CANARIES[1]),),
    care_type=CareType("grooming"),
    note=CANARIES[4],
    answers={CANARIES[4]: CANARIES[4]},
)


def utc(text: str) -> datetime:
    """The instant of an ISO 8601 text without an offset, read as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    """The instant, in UTC, at which the wall of a zone shows the text."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def a_campaign(**changes: Any) -> RecoveryCampaign:
    """A campaign that is on and sends two hours after, changed as told."""
    return RecoveryCampaign(**{"enabled": True, "timing": AfterDelay(hours=2), **changes})


def paws(**changes: Any) -> BusinessSettings:
    """A salon in New York whose campaign is on, changed as told."""
    given: dict[str, Any] = {
        "business_id": "paws",
        "name": "Paws & Co",
        "timezone": "America/New_York",
        "campaign": a_campaign(),
    }
    return BusinessSettings(**(given | changes))


def a_contact(**changes: Any) -> Contact:
    """A call, half an hour after noon, changed as told."""
    return Contact(**{"id": "c1", "channel": Channel.CALL, "at": NOON + 30 * MINUTE, **changes})


def a_told_request(**changes: Any) -> AbandonedRequest:
    """A request that the host has been told of: the sweep looks at it for its message alone."""
    return a_request(**{"announced_at": NOON, **changes})


def some_settings() -> st.SearchStrategy[BusinessSettings]:
    """Businesses that differ in what decides about a recovery message and its instant."""
    timings = st.timedeltas(10 * MINUTE, 24 * HOUR).map(AfterDelay) | st.builds(
        AtClockTime, st.sampled_from(["02:30", "09:00", "22:00"]), st.sampled_from(Days)
    )
    campaigns = st.builds(
        a_campaign,
        enabled=st.sampled_from([True, True, True, False]),
        timing=timings,
        steps=st.sampled_from([None, None, ["time"], ["pet"]]),
    )
    held = CompliancePolicy(quiet_hours=QuietHours(), not_older_than=12 * HOUR)
    return st.builds(
        paws,
        campaign=campaigns,
        compliance=st.sampled_from([CompliancePolicy(), CompliancePolicy(), held]),
        leads_management=st.booleans(),
        listed_after=st.sampled_from([timedelta(0), HOUR, 3 * HOUR]),
        late_grace=st.sampled_from([timedelta(0), HOUR]),
    )


def some_requests() -> st.SearchStrategy[AbandonedRequest]:
    """Requests that differ in what decides about their recovery message, in any combination."""
    reasons = st.sampled_from([(Reason.MISSED,), (Reason.DELETED,), (Reason.OPTED_OUT,)])
    under_way = [phase for phase in MessagePhase if phase is not MessagePhase.SKIPPED]
    messages = st.one_of(
        st.builds(
            RecoveryMessage,
            phase=st.sampled_from([MessagePhase.PENDING] * 8 + under_way),
            begun=st.integers(0, 2),
            retry_at=st.sampled_from([None, None, NOON, NOON + 3 * HOUR]),
            reasons=st.sampled_from([(), (), (Reason.NO_CREDITS,), (Reason.GATEWAY_UNAVAILABLE,)]),
        ),
        st.builds(RecoveryMessage, phase=st.just(MessagePhase.SKIPPED), reasons=reasons),
    )
    return st.builds(
        a_told_request,
        abandoned_at=st.integers(-600, 60).map(lambda minutes: NOON + minutes * MINUTE),
        listed_at=st.integers(-600, 120).map(lambda minutes: NOON + minutes * MINUTE),
        routed_at=st.sampled_from([None, None, NOON]),
        status=st.sampled_from([Status.ABANDONED, Status.ABANDONED, *Status]),
        client_type=st.sampled_from(ClientType),
        withheld=st.sampled_from([(), (), (Reason.BLOCKED,)]),
        deleted_at=st.sampled_from([None, None, NOON]),
        phone=st.sampled_from([None, US, US, CANADIAN]),
        message=messages,
    )


WELCOME: Final = Step("welcome")
"""a step that no business has unless it adds it"""
