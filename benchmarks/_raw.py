"""The raw limit of a store: its own rows by plain SQL through the driver, and decoded."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from abandoned_booking.core.codec import request_from_json
from abandoned_booking.core.listing import microseconds
from abandoned_booking.core.model import AbandonedRequest
from benchmarks._crowd import NOW
from benchmarks._databases import plain
from benchmarks._fill import ON_POSTGRES, SQLITE, Filled

__all__ = ["PAGE", "Raw", "raw_of"]

PAGE: Final = 50


class Raw(Protocol):
    """Plain SQL on the rows of a filled store; always ``paws``, Abandoned, newest first."""

    def page(self, *, after: AbandonedRequest | None = None) -> Sequence[AbandonedRequest]:
        """A page, the first one or that behind a request."""
        ...

    def page_at(self, offset: int) -> Sequence[AbandonedRequest]:
        """The same page as others ask for it: by OFFSET."""
        ...

    def like(self, word: str) -> Sequence[AbandonedRequest]:
        """The first page of those whose text holds a word, by LIKE."""
        ...

    def count(self, *, most: int | None = None) -> int:
        """The number of them, to the end or to ``most``."""
        ...

    def is_any_due(self, now: datetime) -> bool:
        """Whether anything in the queue is due."""
        ...

    def close(self) -> None: ...


def raw_of(filled: Filled) -> Raw:
    if filled.kind == SQLITE:
        return _RawSqlite(filled.place)
    return _RawSql(filled.place, postgres=filled.kind == ON_POSTGRES)


class _RawSqlite:
    """The tables of ``SqliteStore``."""

    _FOUND: Final = (
        "FROM requests r INDEXED BY requests_by_status "
        "WHERE r.business_id = 'paws' AND r.shelf = 0 AND r.status = 'abandoned' "
        "AND r.listed_at <= :now"
    )

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._now = microseconds(NOW)

    def _read(self, also: str, **values: Any) -> list[AbandonedRequest]:
        rows = self._connection.execute(
            "SELECT d.document, r.version, r.next_action_at "
            + self._FOUND.replace(" WHERE", " CROSS JOIN documents d ON d.key = r.key WHERE")
            + f" {also}",
            {"now": self._now, "limit": PAGE + 1, **values},
        )
        return [
            request_from_json(document, version=version, next_action_at=_instant(at))
            for document, version, at in rows
        ]

    def page(self, *, after: AbandonedRequest | None = None) -> Sequence[AbandonedRequest]:
        order = "ORDER BY r.newest, r.id LIMIT :limit"
        if after is None:
            return self._read(order)
        newest = -microseconds(after.abandoned_at)
        behind = "AND (r.newest, r.id) > (:newest, :id)"
        return self._read(f"{behind} {order}", newest=newest, id=after.id)

    def page_at(self, offset: int) -> Sequence[AbandonedRequest]:
        return self._read("ORDER BY r.newest, r.id LIMIT :limit OFFSET :offset", offset=offset)

    def like(self, word: str) -> Sequence[AbandonedRequest]:
        return self._read(
            "AND EXISTS (SELECT 1 FROM search s WHERE s.place = r.place AND s.text LIKE :like) "
            "ORDER BY r.newest, r.id LIMIT :limit",
            like=f"%{word}%",
        )

    def count(self, *, most: int | None = None) -> int:
        sql = f"SELECT count(*) {self._FOUND}"
        if most is not None:
            sql = f"SELECT count(*) FROM (SELECT 1 {self._FOUND} LIMIT :most)"
        (number,) = self._connection.execute(sql, {"now": self._now, "most": most}).fetchone()
        return int(number)

    def is_any_due(self, now: datetime) -> bool:
        row = self._connection.execute(
            "SELECT 1 FROM requests INDEXED BY requests_due WHERE next_action_at <= ? LIMIT 1",
            (microseconds(now),),
        ).fetchone()
        return row is not None

    def close(self) -> None:
        self._connection.close()


def _instant(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at / 1e6, UTC)


class _RawSql:
    """The tables of ``SqlAlchemyStore``, through psycopg or sqlite3."""

    _FOUND: Final = (
        "FROM abandoned_booking_requests r "
        "WHERE r.business_id = 'paws' AND r.shelf = 0 AND r.status = 'abandoned' "
        "AND r.listed_at <= {0}"
    )
    _JOINED: Final = (
        " JOIN abandoned_booking_queue q ON q.business_id = r.business_id AND q.id = r.id"
        " JOIN abandoned_booking_documents d ON d.business_id = r.business_id AND d.id = r.id WHERE"
    )
    _ORDER: Final = f"ORDER BY r.abandoned_at DESC, r.id LIMIT {PAGE + 1}"

    def __init__(self, url: str, *, postgres: bool) -> None:
        if postgres:
            import psycopg

            self._connection: Any = psycopg.connect(plain(url), autocommit=True)
        else:
            self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        self._postgres = postgres
        self._mark = "%s" if postgres else "?"
        self._found = self._FOUND.format(self._mark)

    def _read(self, also: str, *values: Any) -> list[AbandonedRequest]:
        found = self._found.replace(" WHERE", self._JOINED)
        rows = self._connection.execute(
            f"SELECT d.document, q.version, q.next_action_at {found} {also}",
            (self._sql_instant(NOW), *values),
        )
        return [
            request_from_json(document, version=version, next_action_at=self._read_instant(at))
            for document, version, at in rows
        ]

    def _sql_instant(self, at: datetime) -> Any:
        return at if self._postgres else at.strftime("%Y-%m-%d %H:%M:%S.%f")

    def _read_instant(self, at: Any) -> datetime | None:
        if at is None or isinstance(at, datetime):
            return at
        return datetime.fromisoformat(at).replace(tzinfo=UTC)

    def page(self, *, after: AbandonedRequest | None = None) -> Sequence[AbandonedRequest]:
        if after is None:
            return self._read(self._ORDER)
        at, m = self._sql_instant(after.abandoned_at), self._mark
        behind = f"AND r.abandoned_at <= {m} AND (r.abandoned_at < {m} OR r.id > {m})"
        return self._read(f"{behind} {self._ORDER}", at, at, after.id)

    def page_at(self, offset: int) -> Sequence[AbandonedRequest]:
        return self._read(f"{self._ORDER} OFFSET {offset}")

    def like(self, word: str) -> Sequence[AbandonedRequest]:
        exists = (
            "AND EXISTS (SELECT 1 FROM abandoned_booking_search s WHERE s.business_id = "
            f"r.business_id AND s.id = r.id AND s.text LIKE {self._mark})"
        )
        return self._read(f"{exists} {self._ORDER}", f"%{word}%")

    def count(self, *, most: int | None = None) -> int:
        limited = "" if most is None else f" LIMIT {most}"
        row = self._connection.execute(
            f"SELECT count(*) FROM (SELECT 1 {self._found}{limited}) AS found"
            if most is not None
            else f"SELECT count(*) {self._found}",
            (self._sql_instant(NOW),),
        ).fetchone()
        return int(row[0])

    def is_any_due(self, now: datetime) -> bool:
        row = self._connection.execute(
            f"SELECT 1 FROM abandoned_booking_queue WHERE next_action_at <= {self._mark} "
            "ORDER BY next_action_at LIMIT 1",  # else PostgreSQL reads the whole table
            (self._sql_instant(now),),
        ).fetchone()
        return row is not None

    def close(self) -> None:
        self._connection.close()
