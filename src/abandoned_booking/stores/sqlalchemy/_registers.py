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
from abandoned_booking.stores.sqlalchemy._statements import new_value, new_values, update_of

__all__ = ["SqlAlchemyLedger", "SqlAlchemySettings", "SqlAlchemySuppressions"]

_INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""of the databases whose INSERT takes ON CONFLICT"""


@lru_cache(maxsize=4_096)
def _settings(document: str) -> BusinessSettings:
    # By the document itself, so that it is never stale; checking a template takes its time.
    return settings_from_dict(json.loads(document))


class _Put:
    """Inserts a row, or updates the one of its key if ``only_if`` holds for it."""

    def __init__(
        self, database: Database, table: sa.Table, *, only_if: sa.ColumnElement[bool] | None = None
    ) -> None:
        self._database = database
        key = [column.name for column in table.primary_key]
        others = [column.name for column in table.columns if column.name not in key]
        names = others or key
        insert = _INSERTS.get(database.dialect, sa.insert)(table)
        self._insert = insert.values({c.name: new_value(table, c.name) for c in table.columns})
        self._update = update_of(table, key, names)
        if only_if is not None:
            self._update = self._update.where(only_if)
        self._in_one = database.dialect in _INSERTS
        if self._in_one:
            new = {name: insert.excluded[name] for name in names}
            put = self._insert.on_conflict_do_update(index_elements=key, set_=new, where=only_if)
            # Of an INSERT the number of rows is kept only if it is asked for.
            self._insert = put.execution_options(preserve_rowcount=True)

    def __call__(self, values: Mapping[str, Any], **asked: Any) -> bool:
        """Put a row; whether it was inserted or updated. ``asked`` is for the condition."""
        row = new_values(values)
        if self._in_one:
            return self._is_done(self._insert, {**row, **asked})
        if self._is_done(self._update, {**row, **asked}):
            return True
        try:
            return self._is_done(self._insert, row)
        except KeyTaken:
            return self._is_done(self._update, {**row, **asked})

    def _is_done(self, statement: sa.Insert | sa.Update, values: dict[str, Any]) -> bool:
        return self._database.run(
            lambda connection, _: connection.execute(statement, values).rowcount == 1
        )


class SqlAlchemySettings:
    """A :class:`~abandoned_booking.ports.SettingsStore`; read from the database every time."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database = database
        self._put = _Put(database, table)
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
        self._put({"business_id": settings.business_id, "document": document})


class SqlAlchemySuppressions:
    """A :class:`~abandoned_booking.ports.SuppressionList`; asked in the database every time."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database = database
        self._put = _Put(database, table)
        is_key = sa.and_(
            table.c.business_id == sa.bindparam("business"), table.c.key == sa.bindparam("hash")
        )
        self._contains: sa.Select[Any] = sa.select(sa.literal_column("1")).where(is_key)
        self._remove = sa.delete(table).where(is_key)

    def add(self, business_id: str, key: str) -> None:
        self._put({"business_id": business_id, "key": key})

    def remove(self, business_id: str, key: str) -> None:
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
            connection.execute(self._remove, asked)

        self._database.run(removed)

    def contains(self, business_id: str, key: str) -> bool:
        asked = {"business": business_id, "hash": key}
        found = self._database.run(lambda connection, _: connection.scalar(self._contains, asked))
        return found is not None


class SqlAlchemyLedger:
    """A :class:`~abandoned_booking.ports.PhoneLedger`; the database decides (R7)."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database = database
        c = table.c
        before = sa.bindparam("before", type_=c.at.type)
        old_enough = sa.or_(c.owner == new_value(table, "owner"), c.at <= before)
        self._put = _Put(database, table, only_if=old_enough)
        self._delete = sa.delete(table).where(
            *(c[name] == new_value(table, name) for name in ("business_id", "phone", "owner"))
        )

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        row = {"business_id": business_id, "phone": phone, "owner": owner, "at": at}
        return self._put(row, before=_before(at, not_within))

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        theirs = new_values({"business_id": business_id, "phone": phone, "owner": owner})
        self._database.run(lambda connection, _: connection.execute(self._delete, theirs))


def _before(at: datetime, span: timedelta) -> datetime:
    try:
        return at - span
    except OverflowError:
        return datetime.min.replace(tzinfo=at.tzinfo)
