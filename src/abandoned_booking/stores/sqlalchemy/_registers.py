"""The three smaller ports on the same database: settings, suppressions and the phone ledger.

Every method is one statement, or leaves it to the database's keys who was first. Each may be done
twice without harm, so that a lost connection is no more than a second try. Only ``remove`` may not:
an opt-out that came between the two tries would be lifted with the old one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.codec import settings_from_dict, settings_to_dict
from abandoned_booking.errors import OutcomeUnknown
from abandoned_booking.stores.sqlalchemy._connections import Database, KeyTaken

__all__ = ["SqlAlchemyLedger", "SqlAlchemySettings", "SqlAlchemySuppressions"]

_INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""of the databases whose INSERT takes ON CONFLICT"""


@lru_cache(maxsize=4_096)
def _settings(document: str) -> BusinessSettings:
    # By the document itself, so that it is never stale; checking a template takes its time.
    return settings_from_dict(json.loads(document))


def _put(
    database: Database,
    table: sa.Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    only_if: sa.ColumnElement[bool] | None = None,
) -> bool:
    """Insert a row, or update the one of that key if ``only_if`` holds for it; whether either."""
    insert = _INSERTS.get(database.dialect)
    same_key = [table.c[name] == value for name, value in key.items()]
    condition = sa.true() if only_if is None else only_if
    if insert is not None:
        put = insert(table).values(**key, **values)
        put = put.on_conflict_do_update(
            index_elements=list(key), set_=dict(values or key), where=only_if
        )
        # Of an INSERT the number of rows is kept only if it is asked for.
        put = put.execution_options(preserve_rowcount=True)
        return database.run(lambda connection, _: connection.execute(put).rowcount == 1)
    update = sa.update(table).where(*same_key, condition).values(**values or key)

    def updated(connection: sa.Connection, _: bool) -> bool:
        return connection.execute(update).rowcount == 1

    def inserted(connection: sa.Connection, _: bool) -> bool:
        connection.execute(sa.insert(table).values(**key, **values))
        return True

    if database.run(updated):
        return True
    try:
        return database.run(inserted)
    except KeyTaken:
        return database.run(updated)


class SqlAlchemySettings:
    """A :class:`~abandoned_booking.ports.SettingsStore`; read from the database every time."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database, self._table = database, table
        self._get = sa.select(table.c.document).where(
            table.c.business_id == sa.bindparam("business")
        )

    def get(self, business_id: str) -> BusinessSettings | None:
        document = self._database.run(
            lambda connection, _: connection.scalar(self._get, {"business": business_id})
        )
        return None if document is None else _settings(document)

    def put(self, settings: BusinessSettings) -> None:
        document = json.dumps(settings_to_dict(settings), separators=(",", ":"))
        key = {"business_id": settings.business_id}
        _put(self._database, self._table, key, {"document": document})


class SqlAlchemySuppressions:
    """A :class:`~abandoned_booking.ports.SuppressionList`; asked in the database every time."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database, self._table = database, table
        self._is_key = sa.and_(
            table.c.business_id == sa.bindparam("business"), table.c.key == sa.bindparam("hash")
        )
        self._contains: sa.Select[Any] = sa.select(sa.literal_column("1")).where(self._is_key)

    def add(self, business_id: str, key: str) -> None:
        _put(self._database, self._table, {"business_id": business_id, "key": key}, {})

    def remove(self, business_id: str, key: str) -> None:
        statement = sa.delete(self._table).where(self._is_key)
        asked = {"business": business_id, "hash": key}
        is_sent = False

        def removed(connection: sa.Connection, repeated: bool) -> None:
            nonlocal is_sent
            # Looked at first: a connection that was lost in the pool is found out by this.
            if connection.scalar(self._contains, asked) is None:
                return
            if repeated and is_sent:
                raise OutcomeUnknown(
                    "the connection was lost while a suppression was lifted, and it is there: it "
                    "may be a new one; look at it again"
                )
            is_sent = True
            connection.execute(statement, asked)

        self._database.run(removed)

    def contains(self, business_id: str, key: str) -> bool:
        asked = {"business": business_id, "hash": key}
        found = self._database.run(lambda connection, _: connection.scalar(self._contains, asked))
        return found is not None


class SqlAlchemyLedger:
    """A :class:`~abandoned_booking.ports.PhoneLedger`; the database decides (R7)."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database, self._table = database, table

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        c = self._table.c
        old_enough = sa.or_(c.owner == owner, c.at <= _before(at, not_within))
        key = {"business_id": business_id, "phone": phone}
        return _put(self._database, self._table, key, {"owner": owner, "at": at}, old_enough)

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        c = self._table.c
        statement = sa.delete(self._table).where(
            c.business_id == business_id, c.phone == phone, c.owner == owner
        )
        self._database.run(lambda connection, _: connection.execute(statement))


def _before(at: datetime, span: timedelta) -> datetime:
    try:
        return at - span
    except OverflowError:
        return datetime.min.replace(tzinfo=at.tzinfo)
