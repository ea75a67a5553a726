"""Claiming and recording by plain SQL: what the stores' own statements do, with nothing around
them.

A round takes a hundred requests off the queue, and writes each back with another status, a contact
and its next look: the narrow row, the queue and the document. The documents are changed as texts;
to see what decoding and encoding them costs, that can be done too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from abandoned_booking.core.codec import request_from_json, request_to_json
from abandoned_booking.core.listing import microseconds
from abandoned_booking.core.model import AbandonedRequest, Channel, Contact, Status, evolve
from benchmarks._crowd import DUE_AT
from benchmarks._databases import plain
from benchmarks._fill import ON_POSTGRES, SQLITE, Filled

__all__ = ["ALL_DUE", "BATCH", "RawClaims", "raw_claims", "recorded"]

BATCH: Final = 100
ALL_DUE: Final = DUE_AT + timedelta(days=20_000)
"""when everything in the queue is due, however often it has been put back"""
_BACK: Final = timedelta(days=1)

Row = tuple[str, str, int, datetime, str]
"""business, id, version, when it was due, document"""


def recorded(request: AbandonedRequest, again_at: datetime = ALL_DUE - _BACK) -> AbandonedRequest:
    """A claimed request with its outcome: the other status, a contact, looked at later."""
    at = request.abandoned_at + timedelta(hours=3)
    status = Status.ABANDONED if request.status is Status.CONTACTED else Status.CONTACTED
    contact = Contact(id="m", channel=Channel.RECOVERY_MESSAGE, at=at)
    return evolve(
        request,
        status=status,
        contacts=(contact,) if status is Status.CONTACTED else (),
        next_action_at=again_at,
    )


class RawClaims(Protocol):
    """One worker of plain SQL."""

    def claim(self, limit: int) -> Sequence[Any]:
        """Take as many off the queue, committed, with their documents."""
        ...

    def record(self, rows: Sequence[Any]) -> None:
        """Write their outcomes in one transaction."""
        ...

    def through_the_codec(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The rows with their documents decoded, changed and encoded, as a store must."""
        ...

    def close(self) -> None: ...


def raw_claims(filled: Filled) -> RawClaims:
    if filled.kind == SQLITE:
        return _OnSqliteStore(filled.place)
    assert filled.kind == ON_POSTGRES, "the raw limit on SQLite is that of SqliteStore"
    return _OnPostgres(filled.place)


def _changed_text(document: str) -> str:
    """Another status, without a look at the rest; the later of two keys counts."""
    status = "abandoned" if document.endswith('"contacted"}') else "contacted"
    return f'{document[:-1]},"status":"{status}"}}'


def _through_the_codec(document: str, version: int) -> str:
    request = request_from_json(document, version=version, next_action_at=None)
    return request_to_json(recorded(request))


def _array(texts: Iterable[str]) -> str:
    # As PostgreSQL writes it; psycopg would look at each element of a list.
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


class _OnPostgres:
    """The statements of ``SqlAlchemyStore`` on PostgreSQL, by psycopg."""

    _CLAIM: Final = (
        "WITH locked AS (SELECT business_id, id FROM abandoned_booking_queue "
        "WHERE next_action_at <= %s ORDER BY next_action_at LIMIT %s FOR UPDATE SKIP LOCKED) "
        "UPDATE abandoned_booking_queue q SET next_action_at = %s, version = q.version + 1, "
        "write_id = 1 FROM locked WHERE q.business_id = locked.business_id AND q.id = locked.id "
        "RETURNING q.business_id, q.id"
    )
    _READ: Final = (
        "SELECT q.business_id, q.id, q.version, d.document FROM abandoned_booking_queue q "
        "JOIN abandoned_booking_documents d ON d.business_id = q.business_id AND d.id = q.id "
        "JOIN unnest(%s::text::text[], %s::text::text[]) AS g (business_id, id) "
        "ON g.business_id = q.business_id AND g.id = q.id"
    )
    _RECORD: Final = (
        "WITH g AS MATERIALIZED (SELECT * FROM "
        "unnest(%s::text::text[], %s::text::text[], %s::text::int[], %s::text::text[]) "
        "AS g (business_id, id, version, document)), won AS ("
        "UPDATE abandoned_booking_queue q SET version = q.version + 1, next_action_at = %s, "
        "write_id = 2 FROM g WHERE q.business_id = g.business_id AND q.id = g.id "
        "AND q.version = g.version RETURNING q.business_id, q.id), written AS ("
        "UPDATE abandoned_booking_documents d SET document = g.document FROM g, won "
        "WHERE won.id = g.id AND d.business_id = g.business_id AND d.id = g.id), listed AS ("
        "UPDATE abandoned_booking_requests r SET status = CASE r.status WHEN 'contacted' THEN "
        "'abandoned' ELSE 'contacted' END, contacted_at = %s FROM won "
        "WHERE r.business_id = won.business_id AND r.id = won.id) SELECT count(*) FROM won"
    )

    def __init__(self, url: str) -> None:
        import psycopg

        # Every statement is its own transaction.
        self._connection: Any = psycopg.connect(plain(url), autocommit=True)

    def claim(self, limit: int) -> Sequence[Any]:
        until = ALL_DUE - timedelta(hours=1)
        taken = self._connection.execute(self._CLAIM, (ALL_DUE, limit, until)).fetchall()
        keys = [_array(column) for column in zip(*taken, strict=True)]
        rows: Sequence[Any] = self._connection.execute(self._READ, keys).fetchall()
        return rows

    def record(self, rows: Sequence[Any]) -> None:
        business_ids, ids, versions, documents = zip(*rows, strict=True)
        texts = _array(map(_changed_text, documents))
        keys = (_array(business_ids), _array(ids), _array(map(str, versions)))
        values = (*keys, texts, ALL_DUE - _BACK, ALL_DUE)
        (won,) = self._connection.execute(self._RECORD, values).fetchone()
        assert won == len(rows)

    def through_the_codec(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [(*row[:3], _through_the_codec(row[3], row[2])) for row in rows]

    def close(self) -> None:
        self._connection.close()


class _OnSqliteStore:
    """The statements of ``SqliteStore``, by sqlite3."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA secure_delete = ON")

    def claim(self, limit: int) -> Sequence[Any]:
        until = microseconds(ALL_DUE - timedelta(hours=1))
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        rows = run(
            "SELECT r.key, r.version, d.document FROM requests r INDEXED BY requests_due "
            "CROSS JOIN documents d ON d.key = r.key "
            "WHERE r.next_action_at <= ? ORDER BY r.next_action_at LIMIT ?",
            (microseconds(ALL_DUE), limit),
        ).fetchall()
        self._connection.executemany(
            "UPDATE requests SET next_action_at = ?, version = version + 1 WHERE key = ?",
            [(until, key) for key, _, _ in rows],
        )
        run("COMMIT")
        return [(key, version + 1, document) for key, version, document in rows]

    def record(self, rows: Sequence[Any]) -> None:
        later, contacted = microseconds(ALL_DUE - _BACK), microseconds(ALL_DUE)
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        won = self._connection.executemany(
            "UPDATE requests SET version = version + 1, next_action_at = ?, contacted_at = ?, "
            "status = CASE status WHEN 'contacted' THEN 'abandoned' ELSE 'contacted' END "
            "WHERE key = ? AND version = ?",
            [(later, contacted, key, version) for key, version, _ in rows],
        ).rowcount
        self._connection.executemany(
            "UPDATE documents SET document = ? WHERE key = ?",
            [(_changed_text(document), key) for key, _, document in rows],
        )
        run("COMMIT")
        assert won == len(rows)

    def through_the_codec(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [
            (key, version, _through_the_codec(document, version)) for key, version, document in rows
        ]

    def close(self) -> None:
        self._connection.close()
