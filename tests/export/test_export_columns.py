"""X1 and X2: one column for each of the list's (L1) in its order, then the rest of the request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from export._reading import READERS, workbook_of

from abandoned_booking.core.model import (
    Address,
    BookingForm,
    CallOutcome,
    CareType,
    Channel,
    ClientType,
    Contact,
    ContactState,
    MessagePhase,
    Person,
    Pet,
    Phone,
    Recovery,
    RecoveryMessage,
    Status,
    Step,
)
from abandoned_booking.export._columns import COLUMNS, INSTANTS, Value, values_of
from abandoned_booking.testing import a_request

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

LIST_COLUMNS = (
    "Abandoned",
    "Step",
    "Client name",
    "Pets",
    "Phone number",
    "Care type",
    "Status",
    "Last contact",
)


def cells(**changes: Any) -> dict[str, Value]:
    """The values of a request, by their headers."""
    headers = [column.header for column in COLUMNS]
    return dict(zip(headers, values_of(a_request(**changes)), strict=True))


def test_the_columns_of_the_list_come_first_in_its_order() -> None:
    assert tuple(column.header for column in COLUMNS)[: len(LIST_COLUMNS)] == LIST_COLUMNS


def test_no_header_is_there_twice_and_all_have_a_width() -> None:
    assert len({column.header for column in COLUMNS}) == len(COLUMNS)
    assert all(column.width >= len(column.header) + 2 for column in COLUMNS)


def test_a_full_request_fills_every_column() -> None:
    full = cells(
        id="r1",
        session_id="s1",
        abandoned_at=NOON,
        step=Step.PERSONAL_INFO,
        furthest_step=Step.PAYMENT,
        form=BookingForm(
            person=Person(first_name="Ann", last_name="Lee", phone="555", email="ann@example.com"),
            pets=(Pet(name="Rex"), Pet(name=None, species="cat"), Pet(name="Tom")),
            address=Address(line1="12 Elm St", city="New York", state="NY"),
            care_type=CareType.GROOMING,
            services=("Bath", "Nails"),
            staff="Kim",
            preferred_at=NOON + HOUR,
            note="Shy",
            answers={"Vaccinated?": "yes", "Weight": "8 kg"},
        ),
        phone=Phone(e164="+12125550199", region="US", can_text=True),
        client_id="c9",
        client_type=ClientType.EXISTING_CLIENT,
        status=Status.RECOVERED,
        contacts=(
            Contact(id="2", channel=Channel.RECOVERY_MESSAGE, at=NOON + 2 * HOUR),
            Contact(id="1", channel=Channel.CALL, at=NOON + HOUR),
        ),
        outcome=CallOutcome.NO_SLOT,
        assignee="Kim",
        staff_note="call after six",
        message=RecoveryMessage(phase=MessagePhase.DELIVERED),
        recovery=Recovery(
            at=NOON + 3 * HOUR, appointment_id="a7", by_staff=True, reversed_at=NOON + 4 * HOUR
        ),
    )
    assert full == {
        "Abandoned": NOON,
        "Step": "Personal info",
        "Client name": "Ann Lee",
        "Pets": "Rex, Tom",
        "Phone number": "+12125550199",
        "Care type": "Grooming",
        "Status": "Recovered",
        "Last contact": NOON + 2 * HOUR,
        "Last contact by": "Recovery message",
        "Call outcome": "No slot",
        "Assigned to": "Kim",
        "Staff note": "call after six",
        "Client type": "Existing client",
        "Email": "ann@example.com",
        "Address": "12 Elm St, New York, NY",
        "Services": "Bath, Nails",
        "Staff": "Kim",
        "Preferred time": NOON + HOUR,
        "Client's note": "Shy",
        "Answers": "Vaccinated?: yes; Weight: 8 kg",
        "Furthest step": "Payment",
        "Recovery message": "Delivered",
        "Recovered": NOON + 3 * HOUR,
        "Appointment ID": "a7",
        "Booking cancelled": NOON + 4 * HOUR,
        "Client ID": "c9",
        "Request ID": "r1",
        "Session ID": "s1",
    }
    assert all(full.values())


def test_an_empty_request_has_what_every_request_has() -> None:
    empty = cells(form=BookingForm(), step=None, furthest_step=None, abandoned_at=NOON)
    assert {header: value for header, value in empty.items() if value} == {
        "Abandoned": NOON,
        "Status": "Abandoned",
        "Client type": "New visitor",
        "Recovery message": "Pending",
        "Request ID": "r1",
        "Session ID": "session-of-r1",
    }


def test_dates_are_in_the_columns_of_dates_and_nowhere_else() -> None:
    values = values_of(
        a_request(
            form=BookingForm(preferred_at=NOON),
            contacts=(Contact(id="1", channel=Channel.CALL, at=NOON),),
            recovery=Recovery(at=NOON, reversed_at=NOON),
        )
    )
    found = [index for index, value in enumerate(values) if isinstance(value, datetime)]
    assert found == list(INSTANTS)


@pytest.mark.parametrize("state", ContactState)
def test_only_a_contact_that_counts_is_the_last_contact(state: ContactState) -> None:
    contact = Contact(id="1", channel=Channel.EMAIL, at=NOON, state=state)
    row = cells(contacts=(contact,))
    assert row["Last contact"] == (NOON if contact.counts else None)
    assert row["Last contact by"] == ("Email" if contact.counts else None)
    assert row["Last contact"] == a_request(contacts=(contact,)).last_contacted_at


def test_a_phone_number_that_could_not_be_parsed_is_shown_as_typed() -> None:
    row = cells(form=BookingForm(person=Person(phone="ask at the desk")))
    assert row["Phone number"] == "ask at the desk"


@pytest.mark.parametrize(
    ("step", "label"),
    [("time", "Time"), ("personal_info", "Personal info"), ("Card on File", "Card on File")],
)
def test_steps_and_care_types_are_labels_and_a_hosts_own_words_stay(step: str, label: str) -> None:
    row = cells(step=Step(step), form=BookingForm(care_type=CareType(step)))
    assert (row["Step"], row["Care type"]) == (label, label)
    assert type(row["Step"]) is str


def test_who_signed_in_has_a_client_id_before_the_request_has() -> None:
    assert cells(form=BookingForm(person=Person(client_id="c1")))["Client ID"] == "c1"


@pytest.mark.parametrize("reader", READERS)
def test_every_request_is_there_in_the_order_in_which_it_came(reader: str) -> None:
    ids = [f"r{n}" for n in (3, 1, 2, 9, 5)]
    [rows] = READERS[reader](workbook_of(a_request(id=one) for one in ids))
    assert [row[-2] for row in rows] == ["Request ID", *ids]
