"""What the staff edit by hand, on one request or many, and how an edit is taken back (L7).

An edit is on record under its operation's id: a repeat changes nothing, however late it comes. The
last one of a request can be taken back; what somebody has changed since then stays as it is.

Rules held here: L7 (edit and its undo), S5 (a refused correction changes nothing).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.lifecycle import StatusCorrected, advance
from abandoned_booking.core.model import (
    AbandonedRequest,
    CareType,
    EditRecord,
    HistoryKind,
    Status,
    Step,
    evolve,
    masked,
)
from abandoned_booking.errors import InvalidInput, TransitionRefused

__all__ = [
    "LONGEST_NOTE",
    "Edit",
    "check_edit",
    "check_operation_id",
    "edited",
    "undone",
]

LONGEST_NOTE: Final = 2_000
_LONGEST_NAME: Final = 200
_LONGEST_OPERATION_ID: Final = 200
# Halves of surrogate pairs and NUL: no store can keep them.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def _status(given: str | None) -> Status | None:
    try:
        return None if given is None else Status(given)
    except ValueError:
        known = ", ".join(Status)
        raise InvalidInput(f"is none of {known}", field="edit.status") from None


@attrs.frozen(kw_only=True)
class Edit:
    """What to change; ``None`` leaves a field as it is, ``""`` clears a note or an assignee.

    Raises :class:`InvalidInput` if it changes nothing, and for a text that is too long or empty
    where it must not be.
    """

    status: Status | None = attrs.field(default=None, converter=_status)
    """a correction: Abandoned to Contacted, or back"""
    step: Step | None = attrs.field(default=None, converter=attrs.converters.optional(Step))
    """the step that is shown; one of the business's own"""
    care_type: CareType | None = attrs.field(
        default=None, converter=attrs.converters.optional(CareType)
    )
    note: str | None = attrs.field(default=None, repr=masked)
    """the staff's own note, at most 2,000 characters"""
    assignee: str | None = None
    """the member of staff who looks after it, at most 200 characters"""

    def __attrs_post_init__(self) -> None:
        given = attrs.asdict(self, filter=lambda _, value: value is not None)
        if not given:
            raise InvalidInput("changes nothing; give at least one field", field="edit")
        for name, value in given.items():
            longest = LONGEST_NOTE if name == "note" else _LONGEST_NAME
            _check_text(value, longest, f"edit.{name}", may_be_empty=name in _CLEARABLE)


_CLEARABLE: Final = frozenset({"note", "assignee"})


def _check_text(given: object, longest: int, field: str, *, may_be_empty: bool = False) -> None:
    if not isinstance(given, str):
        raise InvalidInput("must be text", field=field)
    if len(given) > longest or (not may_be_empty and not given.strip()):
        least = 0 if may_be_empty else 1
        raise InvalidInput(f"must have {least} to {longest:,} characters", field=field)
    if _UNSTORABLE.search(given):
        raise InvalidInput("has characters that cannot be stored; remove them", field=field)


def check_edit(edit: Edit, settings: BusinessSettings) -> None:
    """Raises :class:`InvalidInput` for a step that the business does not have."""
    if edit.step is not None and edit.step not in settings.steps:
        raise InvalidInput(
            f"is none of the business's steps; choose from {', '.join(settings.steps)}",
            field="edit.step",
        )


def check_operation_id(operation_id: object) -> None:
    """Raises :class:`InvalidInput` for what is not 1 to 200 characters that can be stored."""
    _check_text(operation_id, _LONGEST_OPERATION_ID, "operation_id")


# ── editing ─────────────────────────────────────────────────────────────────────────────────────


def edited(
    request: AbandonedRequest, edit: Edit, *, operation_id: str, at: datetime
) -> AbandonedRequest:
    """The request after an edit; the very same object if that operation is on record already.

    ``abandoned_at`` and the furthest step stay as they are. Raises :class:`TransitionRefused` for a
    status that cannot be corrected so; nothing has changed then.
    """
    if _has_line(request, HistoryKind.EDITED, operation_id):
        return request
    given = attrs.asdict(edit, filter=lambda _, value: value is not None)
    before = _values_of(request)
    after = {name: str(value) for name, value in given.items() if before[name] != value}
    changed = _with_values(request, after, at=at)
    record = EditRecord(
        operation_id=operation_id,
        at=at,
        before={name: before[name] for name in after},
        after=after,
    )
    return evolve(changed, last_edit=record).noted(at, HistoryKind.EDITED, operation_id)


def undone(request: AbandonedRequest, operation_id: str, *, at: datetime) -> AbandonedRequest:
    """The request with its last edit taken back; the very same object if that was done before.

    A field is restored if it still holds what the edit gave it. A person who was contacted since
    then stays Contacted, and a visitor who came back keeps step and care type.

    Raises :class:`TransitionRefused` unless the operation is the request's last edit.
    """
    record = request.last_edit
    if record is None or record.operation_id != operation_id:
        raise TransitionRefused(
            f"request {request.id} was not edited last by that operation; there is nothing to "
            "take back",
            request_id=request.id,
            status=request.status.value,
            event="undo_edit",
        )
    if record.undone_at is not None:
        return request
    now = _values_of(request)
    restored = {name: old for name, old in record.before.items() if now[name] == record.after[name]}
    contacted_at = request.last_contacted_at
    if contacted_at is not None and contacted_at > record.at:
        restored.pop("status", None)
    if request.abandoned_at > record.at:
        # The visitor was here since, and has chosen the same.
        restored.pop("step", None)
        restored.pop("care_type", None)
    changed = _with_values(request, restored, at=at)
    return evolve(changed, last_edit=evolve(record, undone_at=at)).noted(
        at, HistoryKind.EDIT_UNDONE, operation_id
    )


def _has_line(request: AbandonedRequest, kind: HistoryKind, detail: str) -> bool:
    return any(entry.kind is kind and entry.detail == detail for entry in request.history)


def _values_of(request: AbandonedRequest) -> dict[str, str]:
    """What can be edited, as plain text; empty: nothing."""
    return {
        "status": request.status.value,
        "step": str(request.step or ""),
        "care_type": str(request.form.care_type or ""),
        "note": request.staff_note or "",
        "assignee": request.assignee or "",
    }


def _with_values(
    request: AbandonedRequest, values: Mapping[str, str], *, at: datetime
) -> AbandonedRequest:
    changed = request
    if "status" in values:
        changed = advance(changed, StatusCorrected(to=Status(values["status"]), at=at))
    step, care_type = values.get("step"), values.get("care_type")
    if step is not None:
        changed = evolve(changed, step=Step(step) if step else None)
    if care_type is not None:
        form = evolve(changed.form, care_type=care_type or None)
        changed = evolve(changed, form=form)
    if "note" in values:
        changed = evolve(changed, staff_note=values["note"] or None)
    if "assignee" in values:
        changed = evolve(changed, assignee=values["assignee"] or None)
    return changed
