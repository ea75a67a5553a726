"""The embedded store: one SQLite file, no server, several processes at once.

::

    store = SqliteStore("bookings.db")

Commits are on the disk before a call returns; a file is created for its owner only (0600); rows are
laid out so that the queue, the list and the search each touch little. Writers take turns: when one
has waited longer than ``busy_timeout`` it gets :class:`~abandoned_booking.errors.StoreLocked`.

Rules held here: the storage half of C6 (one person's open requests), L2-L5 (the list), P1, R3
(compare-and-set, claims) and R7 (reservations); G3 (no copy of what was erased is left in the
file); G4 (no stored value in an error).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs

from abandoned_booking import _failpoints
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.codec import request_to_json
from abandoned_booking.core.listing import (
    ListQuery,
    Page,
    Shelf,
    fold,
    microseconds,
    page_of,
    position_of,
    search_text,
)
from abandoned_booking.core.model import OPEN_STATUSES, AbandonedRequest, Person
from abandoned_booking.core.performance import GroupBy, Performance, tally
from abandoned_booking.core.periods import Period
from abandoned_booking.errors import StoreError
from abandoned_booking.stores.sqlite import _rows, _search, _traces
from abandoned_booking.stores.sqlite._connections import Connections
from abandoned_booking.stores.sqlite._query import Finding
from abandoned_booking.stores.sqlite._registers import (
    SqliteLedger,
    SqliteSettings,
    SqliteSuppressions,
)
from abandoned_booking.stores.sqlite._schema import prepare

__all__ = ["SqliteStore"]

_STREAMED_AT_ONCE: Final = 500

_INSERT: Final = (
    f"INSERT INTO requests ({', '.join(_rows.COLUMNS)}, place) "
    f"VALUES ({', '.join('?' * len(_rows.COLUMNS))}, 0) ON CONFLICT DO NOTHING"
)
_SELECT_OLD: Final = (
    f"SELECT key, place, {', '.join(_rows.COLUMNS)} FROM requests WHERE business_id = ? AND id = ?"
)
_VERSION: Final = _rows.COLUMNS.index("version")
_EARLIEST: Final = (
    "SELECT key FROM requests INDEXED BY requests_due WHERE next_action_at <= ? "
    "ORDER BY next_action_at LIMIT ?"
)
# Looks at all that is due; within one process that is a few milliseconds for thousands.
_BY_TURNS: Final = (
    "SELECT key FROM (SELECT key, next_action_at, row_number() OVER "
    "(PARTITION BY business_id ORDER BY next_action_at) AS turn "
    "FROM requests INDEXED BY requests_due WHERE next_action_at <= ?) "
    "ORDER BY turn, next_action_at LIMIT ?"
)
_IS_OPEN: Final = "r.status IN ({})".format(
    ", ".join(f"'{status.value}'" for status in sorted(OPEN_STATUSES))
)


class SqliteStore:
    """Requests, settings, suppressions and the phone ledger in one SQLite file.

    The store itself is the :class:`~abandoned_booking.ports.RequestStore`; ``settings``,
    ``suppressions`` and ``ledger`` are the other three ports. Safe for threads, for several
    processes on one file, and after a fork. Use it as a context manager, or call :meth:`close`.

    ``path`` is a file in a folder that exists; a missing or empty file becomes a new store.
    ``busy_timeout`` is how long a write waits for other writers.

    Raises :class:`~abandoned_booking.errors.NotOurDatabase`, ``NewerSchema``, ``StoreReadOnly``,
    ``StoreLocked`` or, for anything else that is wrong with the path, ``StoreError``; nothing is
    changed then.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, busy_timeout: timedelta = timedelta(seconds=5)
    ) -> None:
        name = os.fspath(path)
        if name in ("", ":memory:"):
            raise StoreError(
                "SqliteStore keeps a file; for a store in memory use "
                "abandoned_booking.stores.memory.MemoryStore()"
            )
        self.path = Path(os.path.abspath(name))
        self._connections = Connections(self.path, busy_timeout=busy_timeout)
        prepare(self._connections)
        self.settings = SqliteSettings(self._connections)
        self.suppressions = SqliteSuppressions(self._connections)
        self.ledger = SqliteLedger(self._connections)

    def close(self) -> None:
        """Close the connections; a call after that raises ``StoreError``. A repeat is harmless."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    def businesses(self) -> list[str]:
        """The ids of all businesses of which the file knows anything, in order."""
        with self._connections.borrowed() as connection:
            rows = connection.execute(
                "SELECT business_id FROM settings UNION SELECT business_id FROM requests "
                "UNION SELECT business_id FROM suppressions "
                "UNION SELECT business_id FROM reservations ORDER BY business_id"
            ).fetchall()
        return [business_id for (business_id,) in rows]

    # ── one request ─────────────────────────────────────────────────────────────────────────────

    def add(self, request: AbandonedRequest) -> bool:
        document = request_to_json(request)
        with self._connections.writing() as connection:
            row = _rows.row_of(request, version=request.version)
            cursor = connection.execute(_INSERT, row)
            if cursor.rowcount != 1:
                return False
            key = cursor.lastrowid or 0
            place = _search.put(connection, key, _searched(request))
            _failpoints.reached("store.saving")
            connection.execute("UPDATE requests SET place = ? WHERE key = ?", (place, key))
            connection.execute("INSERT INTO documents VALUES (?, ?)", (key, document))
            return True

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        return self._one("WHERE r.business_id = ? AND r.id = ?", business_id, request_id)

    def latest_of_session(self, business_id: str, session_id: str) -> AbandonedRequest | None:
        return self._one(
            "WHERE r.business_id = ? AND r.session_id = ? ORDER BY r.sequence DESC LIMIT 1",
            business_id,
            session_id,
        )

    def _one(self, where: str, *values: str) -> AbandonedRequest | None:
        with self._connections.borrowed() as connection:
            found = _rows.read(connection, where, *values)
        return found[0] if found else None

    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return self._of_person(business_id, person, also=f" AND {_IS_OPEN}")

    def all_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return self._of_person(business_id, person, also="")

    def _of_person(
        self, business_id: str, person: Person, *, also: str
    ) -> Sequence[AbandonedRequest]:
        known = {"client_id": person.client_id, "phone": person.phone, "email": person.email_key}
        columns = {column: value for column, value in known.items() if value}
        if not columns:
            return []
        # One look into one index each; "each once" is what UNION is for.
        keys = " UNION ".join(
            f"SELECT key FROM requests WHERE business_id = ? AND {column} = ?" for column in columns
        )
        values = [part for value in columns.values() for part in (business_id, value)]
        with self._connections.borrowed() as connection:
            return _rows.read(connection, f"WHERE r.key IN ({keys}){also}", *values)

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        change = _Change.to(request, expected_version)
        with self._connections.writing() as connection:
            return change.made(connection)

    def save_many(self, changes: Sequence[tuple[AbandonedRequest, int]]) -> Sequence[bool]:
        prepared = [_Change.to(request, expected) for request, expected in changes]
        if not prepared:
            return []
        with self._connections.writing() as connection:
            return [change.made(connection) for change in prepared]

    # ── the queue ───────────────────────────────────────────────────────────────────────────────

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return self._claimed(_EARLIEST, now, until, limit)

    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return self._claimed(_BY_TURNS, now, until, limit)

    def _claimed(
        self, keys: str, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        due_at, again_at = microseconds(now), microseconds(until)
        if limit < 1 or not self._any_due(due_at):
            return []
        with self._connections.writing() as connection:
            due = connection.execute(
                "SELECT r.key, r.version, d.document "
                f"FROM ({keys}) c CROSS JOIN requests r ON r.key = c.key "
                "CROSS JOIN documents d ON d.key = r.key",
                (due_at, limit),
            ).fetchall()
            _failpoints.reached("store.claiming")
            connection.executemany(
                "UPDATE requests SET next_action_at = ?, version = version + 1 WHERE key = ?",
                [(again_at, key) for key, _, _ in due],
            )
            return [_rows.decoded(document, version + 1, again_at) for _, version, document in due]

    def _any_due(self, now: int) -> bool:
        # Without the write lock: an idle sweep disturbs nobody.
        with self._connections.borrowed() as connection:
            due = connection.execute(
                "SELECT 1 FROM requests INDEXED BY requests_due WHERE next_action_at <= ? LIMIT 1",
                (now,),
            ).fetchone()
        return due is not None

    # ── the list ────────────────────────────────────────────────────────────────────────────────

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        first = position_of(query) is None
        with self._connections.reading() as connection:
            finding = Finding(connection, business_id, query, now=now)
            keys = finding.keys(query.limit + 1)
            found = [_rows.read(connection, "WHERE r.key = ?", key)[0] for key in keys]
            is_all = first and len(keys) <= query.limit
            return page_of(found, query, total=len(keys) if is_all else finding.total())

    def count(self, business_id: str, query: ListQuery, *, now: datetime) -> int:
        with self._connections.reading() as connection:
            return Finding(connection, business_id, query, now=now).total()

    def stream(self, business_id: str) -> Iterator[AbandonedRequest]:
        # By id, which never moves; each part in a read of its own, so that writers go on and the
        # log of the file can be folded back meanwhile.
        last = ""
        part = self._part_of_stream("WHERE r.business_id = ? AND r.id >= ?", business_id, last)
        while part:
            yield from part
            last = part[-1].id
            part = self._part_of_stream("WHERE r.business_id = ? AND r.id > ?", business_id, last)

    def _part_of_stream(self, where: str, business_id: str, last: str) -> list[AbandonedRequest]:
        with self._connections.borrowed() as connection:
            return _rows.read(
                connection, f"{where} ORDER BY r.id LIMIT {_STREAMED_AT_ONCE}", business_id, last
            )

    # ── what has to go (G3) ─────────────────────────────────────────────────────────────────────

    def abandoned_before(self, business_id: str, before: datetime) -> Iterator[AbandonedRequest]:
        shelves = (Shelf.LIST, Shelf.DELETED, Shelf.HIDDEN)
        return self._of_shelves(business_id, shelves, since=None, before=before)

    def tally(
        self,
        business_id: str,
        period: Period,
        *,
        by: GroupBy | str | Iterable[GroupBy | str],
        settings: BusinessSettings,
        now: datetime,
    ) -> Performance:
        # The index hands over the requests of the period; the figures are the core's own.
        since, before = period.instants(settings.zone)
        shelves = (Shelf.LIST, Shelf.HIDDEN, Shelf.ERASED)
        requests = self._of_shelves(business_id, shelves, since=since, before=before)
        return tally(requests, period, by=by, settings=settings, now=now)

    def _of_shelves(
        self,
        business_id: str,
        shelves: Iterable[Shelf],
        *,
        since: datetime | None,
        before: datetime,
    ) -> Iterator[AbandonedRequest]:
        """Those of some shelves abandoned before an instant; about as far back as ``since``."""
        for shelf in shelves:
            newest, last = 1 - microseconds(before), ""
            while part := self._part_of_shelf(business_id, shelf.value, newest, last):
                yield from part
                newest, last = max((-microseconds(found.abandoned_at), found.id) for found in part)
                last += "\0"
                if since is not None and newest > -microseconds(since):
                    break

    def _part_of_shelf(
        self, business_id: str, shelf: int, newest: int, last: str
    ) -> list[AbandonedRequest]:
        keys = (
            "SELECT key FROM requests INDEXED BY requests_by_shelf WHERE business_id = ? "
            "AND shelf = ? AND (newest, id) >= (?, ?) "
            f"ORDER BY newest, id LIMIT {_STREAMED_AT_ONCE}"
        )
        with self._connections.borrowed() as connection:
            return _rows.read(
                connection, f"WHERE r.key IN ({keys})", business_id, shelf, newest, last
            )

    def erase_traces(self, business_id: str) -> bool:
        """Rewrite the file, of all businesses, without the copies that SQLite leaves behind.

        It takes time and writers wait: about a second for each 40 MB. A file of up to 64 MB is
        rewritten in memory, a larger one through a temporary file of SQLite's own.
        """
        del business_id
        return _traces.erase(self._connections)


def _searched(request: AbandonedRequest) -> _search.Searched:
    return _search.Searched(
        business_id=request.business_id,
        at=microseconds(request.abandoned_at),
        name=fold(request.client_name),
        text=search_text(request),
    )


@attrs.frozen
class _Change:
    """A request as it is to be stored, if its version is still the expected one."""

    expected_version: int
    searched: _search.Searched
    row: _rows.Row
    document: str

    @classmethod
    def to(cls, request: AbandonedRequest, expected_version: int) -> Self:
        row = _rows.row_of(request, version=expected_version + 1)
        return cls(expected_version, _searched(request), row, request_to_json(request))

    def made(self, connection: sqlite3.Connection) -> bool:
        """Compare and set, within a write transaction."""
        stored = connection.execute(_SELECT_OLD, self.row[:2]).fetchone()
        if stored is None:
            return False
        key, place, *old = stored
        if old[_VERSION] != self.expected_version:
            return False
        new_place = _search.change(connection, key, self.searched, place=place)
        _update(connection, key, (*old, place), (*self.row, new_place))
        _failpoints.reached("store.saving")
        connection.execute("UPDATE documents SET document = ? WHERE key = ?", (self.document, key))
        return True


def _update(connection: sqlite3.Connection, key: int, old: _rows.Row, new: _rows.Row) -> None:
    """Write what has changed: SQLite rewrites the indexes of every column that is named."""
    columns = (*_rows.COLUMNS, "place")
    changed = {
        column: after
        for column, before, after in zip(columns, old, new, strict=True)
        if before != after
    }
    connection.execute(
        f"UPDATE requests SET {', '.join(f'{column} = ?' for column in changed)} WHERE key = ?",
        (*changed.values(), key),
    )
