"""A host's registers in one SQLite file, for threads and processes: small, sound, and slow."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from abandoned_booking.core.model import CareType
from abandoned_booking.ports import AppointmentDraft, ClientDraft

# AUTOINCREMENT: the id of what was deleted is never another's.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT, business_id TEXT, key TEXT, phone TEXT, email TEXT, at TEXT
);
CREATE TABLE IF NOT EXISTS keys (
    kind TEXT, business_id TEXT, key TEXT, id TEXT, PRIMARY KEY (kind, business_id, key)
);
CREATE TABLE IF NOT EXISTS blocked (business_id TEXT, client_id TEXT, care_type TEXT);
CREATE TABLE IF NOT EXISTS free (business_id TEXT PRIMARY KEY, credits INTEGER);
CREATE TABLE IF NOT EXISTS held (
    business_id TEXT, owner TEXT, credits INTEGER, spent INTEGER, PRIMARY KEY (business_id, owner)
);
"""


class FileRegister:
    """One file; every call is a transaction that nobody else writes beside."""

    kind = ""

    def __init__(self, path: Path) -> None:
        self._path = path
        connection = sqlite3.connect(path, timeout=30)
        connection.executescript(_SCHEMA)
        connection.close()

    @contextmanager
    def turn(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()

    def known(self, connection: sqlite3.Connection, business_id: str, key: str) -> str | None:
        row = connection.execute(
            "SELECT id FROM keys WHERE (kind, business_id, key) = (?, ?, ?)",
            (self.kind, business_id, key),
        ).fetchone()
        return row[0] if row else None

    def make(
        self, connection: sqlite3.Connection, business_id: str, key: str, *values: str | None
    ) -> str:
        """One more record, of phone, e-mail and time, under that key; its id."""
        made = connection.execute(
            "INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?)",
            (self.kind, business_id, key, *values),
        )
        new_id = f"{self.kind}-{made.lastrowid}"
        connection.execute(
            "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)", (self.kind, business_id, key, new_id)
        )
        return new_id

    def once(self, business_id: str, key: str, *values: str | None) -> str:
        with self.turn() as connection:
            known = self.known(connection, business_id, key)
            return known or self.make(connection, business_id, key, *values)

    def ids(self, business_id: str) -> list[str]:
        with self.turn() as connection:
            rows = connection.execute(
                "SELECT id FROM records WHERE (kind, business_id) = (?, ?)",
                (self.kind, business_id),
            ).fetchall()
        return [f"{self.kind}-{number}" for (number,) in rows]


class FileClients(FileRegister):
    """A client list."""

    kind = "client"

    def block(self, business_id: str, client_id: str, care_type: CareType | None = None) -> None:
        with self.turn() as connection:
            connection.execute(
                "INSERT INTO blocked VALUES (?, ?, ?)", (business_id, client_id, care_type)
            )

    def find(self, business_id: str, *, phone: str | None, email: str | None) -> Sequence[str]:
        with self.turn() as connection:
            rows = connection.execute(
                "SELECT id FROM records WHERE (kind, business_id) = (?, ?) "
                "AND (phone = ? OR email = ?) ORDER BY id",
                (self.kind, business_id, phone or None, email or None),
            ).fetchall()
        return [f"{self.kind}-{number}" for (number,) in rows]

    def create(self, business_id: str, draft: ClientDraft, *, key: str) -> str:
        return self.once(business_id, key, draft.phone, draft.person.email_key, None)

    def is_blocked(self, business_id: str, client_id: str, *, care_type: CareType | None) -> bool:
        with self.turn() as connection:
            row = connection.execute(
                "SELECT 1 FROM blocked WHERE (business_id, client_id) = (?, ?) "
                "AND (care_type IS NULL OR care_type = ?)",
                (business_id, client_id, care_type),
            ).fetchone()
        return row is not None


class FileLeads(FileRegister):
    """Leads."""

    kind = "lead"

    def hand_over(self, business_id: str, draft: ClientDraft, *, channel: str, key: str) -> str:
        return self.once(business_id, key, draft.phone, draft.person.email_key, None)


class Taken(Exception):
    """There is an appointment at that time."""


class FileCalendar(FileRegister):
    """A calendar for one groomer."""

    kind = "appointment"

    def book(self, business_id: str, draft: AppointmentDraft, *, key: str) -> str:
        at = draft.at.isoformat()
        with self.turn() as connection:
            known = self.known(connection, business_id, key)
            if known is not None:
                return known
            taken = connection.execute(
                "SELECT 1 FROM records WHERE (kind, business_id, at) = (?, ?, ?)",
                (self.kind, business_id, at),
            ).fetchone()
            if taken:
                raise Taken
            return self.make(connection, business_id, key, None, None, at)

    def cancel(self, business_id: str, appointment_id: str) -> None:
        with self.turn() as connection:
            connection.execute(
                "DELETE FROM records WHERE kind || '-' || id = ? AND (kind, business_id) = (?, ?)",
                (appointment_id, self.kind, business_id),
            )


class FileCredits(FileRegister):
    """Message credits."""

    def top_up(self, business_id: str, credits: int) -> None:
        with self.turn() as connection:
            connection.execute("INSERT INTO free VALUES (?, ?)", (business_id, credits))

    def reserve(self, business_id: str, *, owner: str, credits: int) -> bool:
        with self.turn() as connection:
            if self._held(connection, business_id, owner):
                return True
            if credits > self._free(connection, business_id):
                return False
            self.move(connection, business_id, -credits)
            connection.execute(
                "INSERT INTO held VALUES (?, ?, ?, 0)", (business_id, owner, credits)
            )
            return True

    def commit(self, business_id: str, *, owner: str, credits: int) -> None:
        with self.turn() as connection:
            held, spent = self._held(connection, business_id, owner) or (0, 0)
            if not spent:
                self.move(connection, business_id, held - credits)
                connection.execute(
                    "INSERT OR REPLACE INTO held VALUES (?, ?, ?, 1)", (business_id, owner, credits)
                )

    def release(self, business_id: str, *, owner: str) -> None:
        with self.turn() as connection:
            held, spent = self._held(connection, business_id, owner) or (0, 0)
            if not spent:
                self.move(connection, business_id, held)
                connection.execute(
                    "DELETE FROM held WHERE (business_id, owner) = (?, ?)", (business_id, owner)
                )

    def balance(self, business_id: str) -> int:
        with self.turn() as connection:
            return max(0, self._free(connection, business_id))

    def move(self, connection: sqlite3.Connection, business_id: str, credits: int) -> None:
        connection.execute(
            "UPDATE free SET credits = credits + ? WHERE business_id = ?", (credits, business_id)
        )

    def _free(self, connection: sqlite3.Connection, business_id: str) -> int:
        row = connection.execute(
            "SELECT credits FROM free WHERE business_id = ?", (business_id,)
        ).fetchone()
        return row[0] if row else 0

    def _held(
        self, connection: sqlite3.Connection, business_id: str, owner: str
    ) -> tuple[int, int] | None:
        row: tuple[int, int] | None = connection.execute(
            "SELECT credits, spent FROM held WHERE (business_id, owner) = (?, ?)",
            (business_id, owner),
        ).fetchone()
        return row
