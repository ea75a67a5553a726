"""Edits by hand, and taking them back: L7, S5, G4."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from core._examples import HOUR, NOON, a_contact
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.editing import (
    LONGEST_NOTE,
    Edit,
    check_edit,
    check_operation_id,
    edited,
    undone,
)
from abandoned_booking.core.model import (
    AbandonedRequest,
    BookingForm,
    CareType,
    HistoryKind,
    Status,
    Step,
)
from abandoned_booking.errors import InvalidInput, TransitionRefused
from abandoned_booking.testing import a_request

AT = NOON + HOUR
SETTINGS = BusinessSettings(business_id="paws", name="Paws")
EVERYTHING = Edit(
    status=Status.CONTACTED, step=Step.PET, care_type="boarding", note="call back", assignee="kim"
)


def values(request: AbandonedRequest) -> tuple[object, ...]:
    form = request.form
    return (request.status, request.step, form.care_type, request.staff_note, request.assignee)


def edit(request: AbandonedRequest, change: Edit, operation_id: str = "op") -> AbandonedRequest:
    return edited(request, change, operation_id=operation_id, at=AT)


# ── the edit itself ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "edit"),
        ({"status": "won"}, "edit.status"),
        ({"step": ""}, "edit.step"),
        ({"step": "x" * 201}, "edit.step"),
        ({"care_type": "  "}, "edit.care_type"),
        ({"note": "x" * (LONGEST_NOTE + 1)}, "edit.note"),
        ({"note": 7}, "edit.note"),
        ({"note": "half \ud83d"}, "edit.note"),
        ({"assignee": "x" * 201}, "edit.assignee"),
        ({"assignee": "k\0"}, "edit.assignee"),
    ],
)
def test_l7_an_edit_that_cannot_be_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Edit(**fields)
    assert caught.value.field == field


def test_l7_the_longest_note_and_assignee_are_taken() -> None:
    assert Edit(note="x" * LONGEST_NOTE, assignee="y" * 200).note == "x" * LONGEST_NOTE
    assert Edit(status="contacted").status is Status.CONTACTED


def test_g4_a_note_is_not_in_a_repr() -> None:
    assert "call back" not in repr(EVERYTHING)
    assert "call back" not in repr(edit(a_request(), EVERYTHING))


def test_l7_the_step_must_be_one_of_the_business() -> None:
    check_edit(Edit(step=Step.PAYMENT), SETTINGS)
    check_edit(Edit(note="x"), SETTINGS)
    with pytest.raises(InvalidInput, match="payment") as caught:
        check_edit(Edit(step=Step("shoes")), SETTINGS)
    assert caught.value.field == "edit.step"


@pytest.mark.parametrize("operation_id", ["", "x" * 201, None, 7, "\udc00"])
def test_l7_an_operation_id_is_1_to_200_characters(operation_id: object) -> None:
    check_operation_id("x" * 200)
    with pytest.raises(InvalidInput, match="operation_id"):
        check_operation_id(operation_id)


# ── editing ─────────────────────────────────────────────────────────────────────────────────────


def test_l7_an_edit_changes_what_it_names_and_nothing_else() -> None:
    before = a_request()
    after = edit(before, EVERYTHING)
    assert values(after) == (
        Status.CONTACTED,
        Step.PET,
        CareType.BOARDING,
        "call back",
        "kim",
    )
    assert (after.abandoned_at, after.furthest_step) == (before.abandoned_at, before.furthest_step)
    assert after.history[-1].kind is HistoryKind.EDITED
    assert after.history[-1].detail == "op"
    assert after.history[-1].text is None
    assert values(edit(after, Edit(note="", assignee=""), "op2"))[3:] == (None, None)


def test_l7_a_repeat_changes_nothing_however_late_it_comes() -> None:
    first = edit(a_request(), Edit(note="one"), "op1")
    second = edit(first, Edit(note="two"), "op2")
    assert edit(second, Edit(note="one"), "op1") is second
    taken_back = undone(second, "op2", at=AT)
    assert edit(taken_back, Edit(note="two"), "op2") is taken_back


def test_l7_a_repeat_of_an_edit_that_changed_nothing_changes_nothing() -> None:
    same = edit(a_request(staff_note="one"), Edit(note="one"), "op1")
    other = edit(same, Edit(note="two"), "op2")
    assert edit(other, Edit(note="one"), "op1") is other


@pytest.mark.parametrize(
    ("status", "to"),
    [
        (Status.ABANDONED, Status.RECOVERED),
        (Status.CONTACTED, Status.COMPLETED),
        (Status.RECOVERED, Status.ABANDONED),
        (Status.COMPLETED, Status.CONTACTED),
    ],
)
def test_s5_a_correction_that_the_table_does_not_have_is_refused(
    status: Status, to: Status
) -> None:
    with pytest.raises(TransitionRefused):
        edit(a_request(status=status), Edit(status=to, note="x"))


# ── taking it back ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "before",
    [
        a_request(staff_note="old", assignee="lee"),
        a_request(step=None, form=BookingForm()),
        a_request(status=Status.CONTACTED),
    ],
    ids=["full", "empty", "contacted"],
)
def test_l7_an_undo_restores_every_field_once(before: AbandonedRequest) -> None:
    after = edit(before, EVERYTHING)
    restored = undone(after, "op", at=AT + HOUR)
    assert values(restored) == values(before)
    assert restored.history[-1].kind is HistoryKind.EDIT_UNDONE
    assert undone(restored, "op", at=AT + 2 * HOUR) is restored


def test_l7_an_undo_leaves_what_somebody_changed_since() -> None:
    after = attrs.evolve(edit(a_request(), EVERYTHING), staff_note="mine", status=Status.RECOVERED)
    restored = undone(after, "op", at=AT)
    assert restored.staff_note == "mine"
    assert restored.status is Status.RECOVERED
    assert (restored.assignee, restored.step) == (None, Step.TIME)


def test_l7_who_was_contacted_since_stays_contacted() -> None:
    after = edit(a_request(), EVERYTHING)
    later = attrs.evolve(after, contacts=(a_contact(at=AT + HOUR),))
    assert undone(later, "op", at=AT + HOUR).status is Status.CONTACTED
    earlier = attrs.evolve(after, contacts=(a_contact(at=NOON),))
    assert undone(earlier, "op", at=AT + HOUR).status is Status.ABANDONED


def test_l7_a_visitor_who_came_back_keeps_step_and_care_type() -> None:
    after = attrs.evolve(edit(a_request(), EVERYTHING), abandoned_at=AT + HOUR)
    restored = undone(after, "op", at=AT + 2 * HOUR)
    assert (restored.step, restored.form.care_type) == (Step.PET, CareType.BOARDING)
    assert restored.staff_note is None
    only_a_note = attrs.evolve(edit(a_request(), Edit(note="x")), abandoned_at=AT + HOUR)
    assert undone(only_a_note, "op", at=AT + 2 * HOUR).staff_note is None


@pytest.mark.parametrize("request_", [a_request(), edit(a_request(), EVERYTHING, "another")])
def test_l7_only_the_last_edit_can_be_taken_back(request_: AbandonedRequest) -> None:
    with pytest.raises(TransitionRefused, match="not edited last") as caught:
        undone(request_, "op", at=AT)
    assert caught.value.event == "undo_edit"


@given(
    status=st.sampled_from([None, Status.ABANDONED, Status.CONTACTED]),
    step=st.sampled_from([None, Step.PET, Step.TIME]),
    care_type=st.sampled_from([None, "grooming", "daycare"]),
    note=st.sampled_from([None, "", "old", "new"]),
    assignee=st.sampled_from([None, "", "kim"]),
    old_note=st.sampled_from([None, "old"]),
)
def test_l7_an_undo_right_after_an_edit_restores_everything(
    old_note: str | None, **fields: Any
) -> None:
    if all(value is None for value in fields.values()):
        return
    before = a_request(staff_note=old_note)
    after = edit(before, Edit(**fields))
    assert values(undone(after, "op", at=AT)) == values(before)
