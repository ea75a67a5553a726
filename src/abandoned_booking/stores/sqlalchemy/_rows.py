"""A request as the rows of the tables, and back."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import attrs
import sqlalchemy as sa

from abandoned_booking.core.codec import request_from_json, request_to_json
from abandoned_booking.core.listing import fold, search_text, shelf_of
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.stores.sqlalchemy._grams import GramIndex, grams_of
from abandoned_booking.stores.sqlalchemy._schema import Tables

__all__ = ["Change", "Reading", "new_write_id"]

_WRITE_ID_BYTES: Final = 7


def new_write_id() -> int:
    """A number by which a writer knows its own write again; not of :mod:`random`, which forks."""
    return int.from_bytes(os.urandom(_WRITE_ID_BYTES))


@attrs.frozen(kw_only=True)
class Change:
    """A request as it is to be stored."""

    business_id: str
    id: str
    expected_version: int
    """the version that the stored one must have"""
    version: int
    next_action_at: datetime | None
    document: str = attrs.field(repr=False)
    listed: dict[str, Any] = attrs.field(repr=False)
    """the columns of ``requests``, its key aside"""
    searched: dict[str, Any] = attrs.field(repr=False)
    """the columns of ``search``, its key aside"""

    @classmethod
    def adding(cls, request: AbandonedRequest, *, grams: GramIndex | None) -> Change:
        """A new request, with its own version."""
        return cls._of(request, expected=0, version=request.version, grams=grams)

    @classmethod
    def saving(
        cls, request: AbandonedRequest, expected_version: int, *, grams: GramIndex | None
    ) -> Change:
        """A request in place of its stored version."""
        version = expected_version + 1
        return cls._of(request, expected=expected_version, version=version, grams=grams)

    @classmethod
    def _of(
        cls, request: AbandonedRequest, *, expected: int, version: int, grams: GramIndex | None
    ) -> Change:
        return cls(
            business_id=request.business_id,
            id=request.id,
            expected_version=expected,
            version=version,
            next_action_at=request.next_action_at,
            document=request_to_json(request),
            listed=_listed(request),
            searched=_searched(request, grams=grams),
        )

    @property
    def key(self) -> tuple[str, str]:
        return (self.business_id, self.id)


def _listed(request: AbandonedRequest) -> dict[str, Any]:
    # str() and .value take the plain string out of Step, CareType and the enums.
    care_type = request.form.care_type
    return {
        "session_id": request.session_id,
        "sequence": request.sequence,
        "status": request.status.value,
        "step": None if request.step is None else str(request.step),
        "client_type": request.client_type.value,
        "care_type": None if care_type is None else str(care_type),
        "shelf": shelf_of(request).value,
        "abandoned_at": request.abandoned_at,
        "listed_at": request.listed_at,
        "contacted_at": request.last_contacted_at,
        "client_id": request.client_id or None,
        "phone": request.phone.e164 if request.phone else None,
        "email": request.email_key,
    }


def _searched(request: AbandonedRequest, *, grams: GramIndex | None) -> dict[str, Any]:
    text = search_text(request)
    searched: dict[str, Any] = {
        "abandoned_at": request.abandoned_at,
        "name": fold(request.client_name),
        "text": text,
    }
    if grams is not None:
        searched["grams"] = grams.stored(grams_of(request.business_id, text))
    return searched


class Reading:
    """The statement that reads requests, and what it gives."""

    def __init__(self, tables: Tables) -> None:
        queue, documents = tables.queue.c, tables.documents.c
        self.same_request = sa.and_(
            documents.business_id == queue.business_id, documents.id == queue.id
        )
        # One statement sees one state: version and document belong together.
        self.statement = sa.select(
            documents.document, queue.version, queue.next_action_at
        ).select_from(tables.queue.join(tables.documents, self.same_request))

    @staticmethod
    def requests(rows: Iterable[Any]) -> list[AbandonedRequest]:
        """The requests of the statement's rows."""
        return [
            request_from_json(document, version=version, next_action_at=next_action_at)
            for document, version, next_action_at, *_ in rows
        ]
