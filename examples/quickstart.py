"""The quick start: one file, no server. A visitor leaves, is texted once, and is won back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from abandoned_booking import (
    AbandonedBookings,
    AfterDelay,
    BookingForm,
    BusinessSettings,
    Person,
    Pet,
    Progress,
    RecoveryCampaign,
    Step,
)
from abandoned_booking.gateways.console import ConsoleSmsGateway
from abandoned_booking.stores.sqlite import SqliteStore


def main() -> None:
    with SqliteStore("quickstart.db") as store:
        bookings = AbandonedBookings(store, sms=ConsoleSmsGateway())
        campaign = RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2))
        bookings.settings.put(
            BusinessSettings(business_id="paws", name="Paws & Co", campaign=campaign)
        )

        # The booking flow reports each step. This visitor left two hours and a quarter ago.
        now = datetime.now(UTC)
        request = bookings.capture.progress(
            Progress(
                business_id="paws",
                session_id=f"session-{now.timestamp()}",
                step=Step.TIME,
                at=now - timedelta(hours=2, minutes=15),
                form=BookingForm(
                    person=Person(first_name="Ann", phone="(212) 555-0199"),
                    pets=(Pet(name="Rex"),),
                ),
            )
        )
        assert request is not None  # None: the business's plan lacks the feature

        report = bookings.sweep.run_once()
        print(f"sent: {report.sent}")

        desk = bookings.desk("paws")
        print(desk.explain(request.id))
        print(desk.scheduled(request.id, appointment_id="a7").status.value)


if __name__ == "__main__":
    main()
