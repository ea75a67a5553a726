"""The three smaller ports on the same file: settings, suppressions and the phone ledger."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import lru_cache

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.codec import settings_from_dict, settings_to_dict
from abandoned_booking.core.listing import microseconds
from abandoned_booking.stores.sqlite._connections import Connections

__all__ = ["SqliteLedger", "SqliteSettings", "SqliteSuppressions"]


@lru_cache(maxsize=256)
def _settings(document: str) -> BusinessSettings:
    # By the document itself, so that it is never stale; checking a template takes its time.
    return settings_from_dict(json.loads(document))


class SqliteSettings:
    """A :class:`~abandoned_booking.ports.SettingsStore`; read from the file every time."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def get(self, business_id: str) -> BusinessSettings | None:
        with self._connections.borrowed() as connection:
            row = connection.execute(
                "SELECT document FROM settings WHERE business_id = ?", (business_id,)
            ).fetchone()
        return _settings(row[0]) if row else None

    def put(self, settings: BusinessSettings) -> None:
        document = json.dumps(settings_to_dict(settings), separators=(",", ":"))
        with self._connections.borrowed() as connection:
            connection.execute(
                "INSERT INTO settings VALUES (?, ?) "
                "ON CONFLICT (business_id) DO UPDATE SET document = excluded.document",
                (settings.business_id, document),
            )


class SqliteSuppressions:
    """A :class:`~abandoned_booking.ports.SuppressionList`; asked in the file every time."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(self, business_id: str, key: str) -> None:
        with self._connections.borrowed() as connection:
            connection.execute(
                "INSERT INTO suppressions VALUES (?, ?) ON CONFLICT DO NOTHING", (business_id, key)
            )

    def remove(self, business_id: str, key: str) -> None:
        with self._connections.borrowed() as connection:
            connection.execute(
                "DELETE FROM suppressions WHERE business_id = ? AND key = ?", (business_id, key)
            )

    def contains(self, business_id: str, key: str) -> bool:
        with self._connections.borrowed() as connection:
            found = connection.execute(
                "SELECT 1 FROM suppressions WHERE business_id = ? AND key = ?", (business_id, key)
            ).fetchone()
        return found is not None


class SqliteLedger:
    """A :class:`~abandoned_booking.ports.PhoneLedger`; one statement decides (R7)."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def reserve(
        self, business_id: str, phone: str, *, owner: str, at: datetime, not_within: timedelta
    ) -> bool:
        reserved_at = microseconds(at)
        old_enough = reserved_at - not_within // timedelta(microseconds=1)
        with self._connections.borrowed() as connection:
            cursor = connection.execute(
                "INSERT INTO reservations VALUES (?, ?, ?, ?) "
                "ON CONFLICT (business_id, phone) "
                "DO UPDATE SET owner = excluded.owner, at = excluded.at "
                "WHERE reservations.owner = excluded.owner OR reservations.at <= ?",
                (business_id, phone, owner, reserved_at, old_enough),
            )
            return cursor.rowcount == 1

    def release(self, business_id: str, phone: str, *, owner: str) -> None:
        with self._connections.borrowed() as connection:
            connection.execute(
                "DELETE FROM reservations WHERE business_id = ? AND phone = ? AND owner = ?",
                (business_id, phone, owner),
            )
