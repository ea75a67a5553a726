"""A request as the rows of the tables."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import attrs

from abandoned_booking.core.codec import request_to_json
from abandoned_booking.core.listing import fold, search_text, shelf_of
from abandoned_booking.core.model import AbandonedRequest, BookingForm, Phone
from abandoned_booking.stores.sqlalchemy._grams import GramIndex, grams_of
from abandoned_booking.stores.sqlalchemy._schema import Key

__all__ = ["Change", "Changes", "StoredForms", "new_write_id"]


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
    searched: dict[str, Any] | None = attrs.field(repr=False)
    """the columns of ``search``, its key aside; ``None``: they are as they have to be"""

    @property
    def key(self) -> Key:
        return (self.business_id, self.id)


class Changes:
    """Makes requests ready to be stored."""

    def __init__(self, *, grams: GramIndex | None, forms: StoredForms) -> None:
        self._grams, self._forms = grams, forms

    def adding(self, request: AbandonedRequest) -> Change:
        """A new request, with its own version."""
        return self._change(request, expected=0, version=request.version, with_text=True)

    def saving(self, changes: Sequence[tuple[AbandonedRequest, int]]) -> list[Change]:
        """Requests in place of their stored versions; without search texts if all are there."""
        are_there = all(self._forms.has(request, version) for request, version in changes)
        return [
            self._change(request, expected=version, version=version + 1, with_text=not are_there)
            for request, version in changes
        ]

    def _change(
        self, request: AbandonedRequest, *, expected: int, version: int, with_text: bool
    ) -> Change:
        return Change(
            business_id=request.business_id,
            id=request.id,
            expected_version=expected,
            version=version,
            next_action_at=request.next_action_at,
            document=request_to_json(request),
            listed=_listed(request),
            searched=_searched(request, grams=self._grams) if with_text else None,
        )


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


class StoredForms:
    """The forms that somebody holds as they are stored.

    What a search looks through comes from the form, the phone and ``abandoned_at``. Whoever saves a
    request with the form that it was read with leaves all that as it is: its row need not be
    written, nor the text made. Nothing is kept alive by this.
    """

    def __init__(self) -> None:
        self._stored: dict[Key, _Stored] = {}

    def saw(self, request: AbandonedRequest, version: int) -> None:
        """Told of a request as it is stored, and of its version."""
        key = (request.business_id, request.id)
        if request.form is _NO_FORM:
            self._stored.pop(key, None)
            return
        if len(self._stored) >= _MOST_KEPT:
            self._stored.clear()
        form = weakref.ref(request.form, partial(self._forget, key))
        self._stored[key] = _Stored(form, version, request.phone, request.abandoned_at)

    def _forget(self, key: Key, form: weakref.ref[BookingForm]) -> None:
        stored = self._stored.get(key)
        if stored is not None and stored.form is form:
            self._stored.pop(key, None)

    def has(self, request: AbandonedRequest, version: int) -> bool:
        """Whether that version is stored with the search text of this request."""
        stored = self._stored.get((request.business_id, request.id))
        return (
            stored is not None
            and stored.form() is request.form
            and stored[1:] == (version, request.phone, request.abandoned_at)
        )


_NO_FORM: Final = attrs.fields(AbandonedRequest).form.default
"""of every request without one; it never goes away"""
_MOST_KEPT: Final = 10_000
"""for a host that keeps its forms"""


class _Stored(NamedTuple):
    form: weakref.ref[BookingForm]
    version: int
    phone: Phone | None
    abandoned_at: datetime
