"""A small salon in a file, and the command line called in this process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cli_world import Answer, Command

from abandoned_booking import (
    AbandonedBookings,
    AfterDelay,
    Booked,
    BookingForm,
    BusinessSettings,
    CareType,
    Person,
    Pet,
    Progress,
    RecoveryCampaign,
    Step,
)
from abandoned_booking.cli.app import run
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import FakeClock, RecordingSmsGateway

NOON: Final = datetime(2026, 3, 2, 17, tzinfo=UTC)
"""Monday, noon in New York"""


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line in this process."""

    def called(*arguments: object) -> Answer:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return called


VISITORS: Final = {
    # session: minutes before noon, step, person, pet, signed in
    "s1": (300, "time", Person(first_name="Zoë", last_name="O'Neil", phone="+12125550101"), "Rex"),
    "s2": (240, "pet", Person(first_name="Ann", last_name="Lee", phone="(416) 555-0102"), "Bo"),
    "s3": (180, "payment", Person(first_name="Cy", phone="+12125550103"), None),
    "s4": (150, "time", Person(first_name="Di", email="di@example.com"), "[b]Max[/b]\x1b[31m"),
    "s5": (90, "time", Person(first_name="Ed", phone="+12125550105"), "Rexine"),
    "s6": (30, "time", Person(first_name="Flo", phone="+12125550106"), None),
    "s7": (200, "welcome", Person(first_name="Gil"), None),
}


@pytest.fixture(scope="session")
def salon_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: business ``paws`` at noon. Listed: s1, s3 (contacted), s2, s4, s5."""
    path = tmp_path_factory.mktemp("salon") / "salon.db"
    with SqliteStore(path) as store:
        clock = FakeClock(NOON - timedelta(hours=6))
        bookings = AbandonedBookings(store, sms=RecordingSmsGateway(), clock=clock)
        bookings.settings.put(
            BusinessSettings(
                business_id="paws",
                name="Paws & Co",
                timezone="America/New_York",
                steps=("welcome", "pet", "time", "payment"),
                campaign=RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2)),
            )
        )
        for session, (minutes, step, person, pet) in sorted(
            VISITORS.items(), key=lambda item: -item[1][0]
        ):
            at = clock.set(NOON - timedelta(minutes=minutes))
            bookings.capture.progress(
                Progress(
                    business_id="paws",
                    session_id=session,
                    step=Step(step),
                    at=at,
                    client_id="c5" if session == "s5" else None,
                    form=BookingForm(
                        person=person,
                        pets=(Pet(name=pet),) if pet else (),
                        care_type=CareType.GROOMING if pet == "Rex" else None,
                    ),
                )
            )
        # The sweep runs for the first time 40 minutes before noon: in time for s3 alone.
        bookings.sweep.run_once(now=NOON - timedelta(minutes=40))
        clock.set(NOON)
        won = bookings.desk("paws").list().requests[-1]
        bookings.desk("paws").call(won.id)
        bookings.capture.booked(Booked(business_id="paws", session_id=won.session_id, at=NOON))
    return path


@pytest.fixture
def salon(salon_file: Path, tmp_path: Path) -> Path:
    """The salon's file, for this test alone."""
    path = tmp_path / "salon.db"
    path.write_bytes(salon_file.read_bytes())
    return path
