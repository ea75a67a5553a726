"""A request as the narrow row of the queue and the document beside it, and back."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from abandoned_booking.core.codec import request_from_json
from abandoned_booking.core.listing import microseconds, shelf_of
from abandoned_booking.core.model import AbandonedRequest

__all__ = ["COLUMNS", "SELECT", "Row", "decoded", "read", "row_of"]

Row: TypeAlias = tuple[str | int | None, ...]

COLUMNS: Final = (
    "business_id",
    "id",
    "session_id",
    "sequence",
    "version",
    "status",
    "step",
    "client_type",
    "care_type",
    "shelf",
    "newest",
    "listed_at",
    "contacted_at",
    "next_action_at",
    "client_id",
    "phone",
    "email",
)
"""The narrow row without its key and its place, in the order of :func:`row_of`."""

SELECT: Final = (
    "SELECT d.document, r.version, r.next_action_at "
    "FROM requests r CROSS JOIN documents d ON d.key = r.key "
)
"""What :func:`decoded` takes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _optional(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def row_of(request: AbandonedRequest, *, version: int) -> Row:
    # str() and .value take the plain string out of Step, CareType and the enums.
    care_type = request.form.care_type
    return (
        request.business_id,
        request.id,
        request.session_id,
        request.sequence,
        version,
        request.status.value,
        None if request.step is None else str(request.step),
        request.client_type.value,
        None if care_type is None else str(care_type),
        shelf_of(request).value,
        -microseconds(request.abandoned_at),
        microseconds(request.listed_at),
        _optional(request.last_contacted_at),
        _optional(request.next_action_at),
        request.client_id or None,
        request.phone.e164 if request.phone else None,
        request.email_key,
    )


def decoded(document: str, version: int, next_action_at: int | None) -> AbandonedRequest:
    """The request; version and next action are the narrow row's, the claim moves only those."""
    at = None if next_action_at is None else _EPOCH + timedelta(microseconds=next_action_at)
    return request_from_json(document, version=version, next_action_at=at)


def read(connection: sqlite3.Connection, where: str, *values: str | int) -> list[AbandonedRequest]:
    """The requests that a condition on ``r`` finds."""
    return [decoded(*row) for row in connection.execute(SELECT + where, values)]
