"""The statements that read requests as they are stored, and what they give."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Final

import sqlalchemy as sa

from abandoned_booking.core.codec import request_from_json
from abandoned_booking.core.model import OPEN_STATUSES, AbandonedRequest, Person
from abandoned_booking.stores.sqlalchemy._rows import StoredForms
from abandoned_booking.stores.sqlalchemy._schema import Tables

__all__ = ["Reading", "identity_of"]


_MOST_KEPT: Final = 200
"""built statements; a page's cursor makes one of its own"""


def identity_of(person: Person) -> dict[str, str]:
    """What a person is known by (C6), by the columns of ``requests``."""
    columns = {"client_id": person.client_id, "phone": person.phone, "email": person.email_key}
    return {name: value for name, value in columns.items() if value}


class Reading:
    """Statements built once; they are given ``business``, and ``request``, ``session`` or what a
    person is known by."""

    def __init__(self, tables: Tables, forms: StoredForms) -> None:
        self._forms, self._requests, self._queue = forms, tables.requests, tables.queue
        documents, q, r = tables.documents.c, tables.queue.c, tables.requests.c
        same_request = sa.and_(documents.business_id == q.business_id, documents.id == q.id)
        # One statement sees one state: version and document belong together.
        self.statement = sa.select(documents.document, q.version, q.next_action_at).select_from(
            tables.queue.join(tables.documents, same_request)
        )
        self._business = sa.bindparam("business", type_=q.business_id.type)
        of_business = self.statement.where(q.business_id == self._business)
        self.one = of_business.where(q.id == sa.bindparam("request", type_=q.id.type))
        session = sa.bindparam("session", type_=r.session_id.type)
        latest = (
            sa.select(r.id)
            .where(r.business_id == self._business, r.session_id == session)
            .order_by(r.sequence.desc())
            .limit(1)
        )
        self.latest = of_business.where(q.id == latest.scalar_subquery())
        self._known: dict[Hashable, sa.Select[Any]] = {}

    def built(self, key: Hashable, build: Callable[[], sa.Select[Any]]) -> sa.Select[Any]:
        """A statement that was built for this key before, or is now."""
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._known[key] = build()
        return known

    def of_person(self, known: tuple[str, ...], *, open_only: bool) -> sa.Select[Any]:
        """Those of a person who is known by these columns: each once."""

        def build() -> sa.Select[Any]:
            # One look into one index each; "each once" is what UNION is for.
            ids = sa.union(*self._looks_for(known, open_only=open_only)).subquery("ids")
            q = self._queue.c
            of_them = (q.business_id == self._business, q.id.in_(sa.select(ids.c.id)))
            return self.statement.where(*of_them)

        return self.built((known, open_only), build)

    def _looks_for(self, known: Iterable[str], *, open_only: bool) -> Iterator[sa.Select[Any]]:
        r = self._requests.c
        open_now = r.status.in_(sorted(status.value for status in OPEN_STATUSES))
        for name in known:
            is_theirs = r[name] == sa.bindparam(name, type_=r[name].type)
            look = sa.select(r.id).where(r.business_id == self._business, is_theirs)
            yield look.where(open_now) if open_only else look

    @staticmethod
    def requests(rows: Iterable[Any]) -> list[AbandonedRequest]:
        """The requests of the rows of :attr:`statement`."""
        return [
            request_from_json(document, version=version, next_action_at=next_action_at)
            for document, version, next_action_at, *_ in rows
        ]

    def to_change(self, rows: Iterable[Any]) -> list[AbandonedRequest]:
        """The same, of those that are likely to be saved."""
        requests = self.requests(rows)
        for request in requests:
            self._forms.saw(request, request.version)
        return requests
