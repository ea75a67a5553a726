"""The store of a run, by a URL: a SQLite file, or any database of SQLAlchemy's."""

from __future__ import annotations

from datetime import timedelta
from secrets import token_hex
from typing import Any

import attrs
from faults.people import START

from abandoned_booking import Person
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import a_request

_PATIENCE = timedelta(seconds=60)
"""of writers that take turns on a slow disk"""
_NOBODY = "nobody"


def open_store(url: str) -> Any:
    """A store with ``settings``, ``suppressions`` and ``ledger``, ready for use."""
    if url.startswith("file:"):
        return SqliteStore(url.removeprefix("file:"), busy_timeout=_PATIENCE)
    # Only here: those who have a file need no SQLAlchemy.
    from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore

    return SqlAlchemyStore.from_url(url)


def used_store(url: str) -> Any:
    """A store that has done most of what it can do once: its forks need not compile it again."""
    store, long_ago, name = open_store(url), START - timedelta(days=365), token_hex(8)
    request = a_request(business_id=_NOBODY, id=name, next_action_at=long_ago)
    store.add(request)
    for claimed in store.claim_due_fairly(now=long_ago, until=START, limit=9):
        store.save(attrs.evolve(claimed, next_action_at=None), expected_version=claimed.version)
    store.latest_of_session(_NOBODY, name)
    store.open_of_person(_NOBODY, Person(phone="+12125550199"))
    store.settings.get(_NOBODY)
    store.suppressions.contains(_NOBODY, name)
    store.ledger.reserve(_NOBODY, name, owner=name, at=START, not_within=timedelta())
    store.ledger.release(_NOBODY, name, owner=name)
    store.close()
    return store
