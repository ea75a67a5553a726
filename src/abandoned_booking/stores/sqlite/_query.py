"""A :class:`ListQuery` as SQL: what it finds, in which order, from which cursor (L2-L5).

Every value is a bound variable. The statement's order is that of ``sort_key``, whose parts stand in
the narrow row; pages continue by comparing rows with the cursor's key, never by OFFSET.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import date, datetime
from itertools import groupby, islice
from typing import Final, TypeAlias, assert_never

import attrs

from abandoned_booking.core.listing import (
    ListQuery,
    SearchWord,
    Sort,
    SortKey,
    instant_of,
    microseconds,
    position_of,
    search_words,
)
from abandoned_booking.stores.sqlite import _search

__all__ = ["Finding"]

_Values: TypeAlias = dict[str, str | int]
_IndexRow: TypeAlias = tuple[int, int, str, int]

_SMALLEST: Final = -(1 << 63)
_LARGEST: Final = (1 << 63) - 1
_NEVER: Final = 1 << 62
"""sorts behind every instant, as in ``sort_key``"""


@attrs.define
class _Clauses:
    """Conditions on ``r`` (and ``s``, where the text is needed) and the values bound in them."""

    conditions: list[str] = attrs.Factory(list)
    values: _Values = attrs.Factory(dict)

    def add(self, condition: str, **values: str | int) -> None:
        self.conditions.append(condition)
        self.values.update(values)

    def add_one_of(self, column: str, name: str, kind: Iterable[str]) -> None:
        chosen = {f"{name}{nth}": str(value) for nth, value in enumerate(sorted(kind))}
        if chosen:
            self.add(f"{column} IN ({', '.join(f':{name}' for name in chosen)})", **chosen)

    def add_word(self, nth: int, word: SearchWord) -> None:
        # instr takes every character as itself; LIKE would not.
        if word.digits is None:
            self.add(f"instr(s.text, :word{nth})", **{f"word{nth}": word.text})
        else:
            self.add(
                f"(instr(s.text, :word{nth}) OR instr(s.text, :digits{nth}))",
                **{f"word{nth}": word.text, f"digits{nth}": word.digits},
            )

    @property
    def where(self) -> str:
        return " AND ".join(self.conditions)


def _instant(boundary: date | datetime) -> int:
    return microseconds(instant_of(boundary))


def _filters(business_id: str, query: ListQuery, now: datetime) -> _Clauses:
    clauses = _Clauses()
    clauses.add("r.business_id = :business", business=business_id)
    if query.deleted:
        clauses.add("r.shelf = 1")
    else:
        clauses.add("r.shelf = 0 AND r.listed_at <= :now", now=microseconds(now))
    clauses.add_one_of("r.status", "status", query.statuses)
    clauses.add_one_of("r.step", "step", query.steps)
    clauses.add_one_of("r.client_type", "client", query.client_types)
    clauses.add_one_of("r.care_type", "care", query.care_types)
    # r.newest is the instant negated, so the comparisons turn round.
    if query.abandoned_from is not None:
        clauses.add("r.newest <= -:abandoned_from", abandoned_from=_instant(query.abandoned_from))
    if query.abandoned_to is not None:
        clauses.add("r.newest > -:abandoned_to", abandoned_to=_instant(query.abandoned_to))
    if query.contacted_from is not None:
        clauses.add(
            "r.contacted_at >= :contacted_from", contacted_from=_instant(query.contacted_from)
        )
    if query.contacted_to is not None:
        clauses.add("r.contacted_at < :contacted_to", contacted_to=_instant(query.contacted_to))
    for nth, word in enumerate(search_words(query.text)):
        clauses.add_word(nth, word)
    return clauses


@attrs.frozen
class _Order:
    """Expressions whose ascending order is that of ``sort_key``, and the values bound in them."""

    expressions: tuple[str, ...]
    values: _Values = attrs.Factory(dict)


def _order(query: ListQuery) -> _Order:
    match query.sort:
        case Sort.NEWEST:
            return _Order(("r.newest", "r.id"))
        case Sort.LAST_CONTACT:
            return _Order((f"ifnull(-r.contacted_at, {_NEVER})", "r.id"))
        case Sort.NAME:
            return _Order(("s.name = ''", "s.name", "r.id"))
        case Sort.STEP:
            names = {f"rank{nth}": str(step) for nth, step in enumerate(query.step_order)}
            whens = " ".join(f"WHEN :{name} THEN {nth}" for nth, name in enumerate(names))
            # A plain 0 would be the number of a column to ORDER BY.
            rank = f"CASE r.step {whens} ELSE {len(names)} END" if names else "(0 + 0)"
            return _Order((rank, "r.newest", "r.id"), dict(names))
        case _:
            assert_never(query.sort)


def _index_for(query: ListQuery, *, walking: bool) -> str:
    """The index that gives the rows in order, or that counts them without touching the table.

    Named outright: what the planner would guess depends on whether somebody ran ANALYZE.
    """
    few = len(query.statuses) == 1 if walking else bool(query.statuses)
    return "requests_by_status" if few and not query.deleted else "requests_by_shelf"


class Finding:
    """What one query finds in one state of the data."""

    def __init__(
        self, connection: sqlite3.Connection, business_id: str, query: ListQuery, *, now: datetime
    ) -> None:
        self._connection = connection
        self._query = query
        self._clauses = _filters(business_id, query, now)
        words = search_words(query.text)
        self._match = _search.match_expression(connection, business_id, words) if words else None
        self._needs_text = bool(words)

    def total(self) -> int:
        tables = self._tables(_index_for(self._query, walking=False), needs_text=self._needs_text)
        found, values = f"FROM {tables} WHERE {self._where()}", self._values()
        sql = f"SELECT count(*) {found}"
        if self._query.count_up_to is not None:
            sql = f"SELECT count(*) FROM (SELECT 1 {found} LIMIT :count_up_to)"
            values["count_up_to"] = self._query.count_up_to
        (total,) = self._connection.execute(sql, values).fetchone()
        return int(total)

    def keys(self, limit: int) -> list[int]:
        """The keys of at most ``limit`` rows in order, from the query's cursor on."""
        position = position_of(self._query)
        if self._match is not None and self._query.sort is Sort.NEWEST:
            with closing(self._index_rows(position)) as rows:
                return list(islice(_newest_first(rows, position), limit))
        return self._sorted(position, limit)

    def _sorted(self, position: SortKey | None, limit: int) -> list[int]:
        query, order = self._query, _order(self._query)
        values = {**self._values(), **order.values, "limit": limit}
        behind = ""
        if position is not None:
            cursor = {f"cursor{nth}": _bounded(part) for nth, part in enumerate(position)}
            columns, bound = ", ".join(order.expressions), ", ".join(f":{name}" for name in cursor)
            behind = f" AND ({columns}) > ({bound})"
            values |= cursor
        tables = self._tables(
            _index_for(query, walking=query.sort is Sort.NEWEST),
            needs_text=self._needs_text or query.sort is Sort.NAME,
        )
        sql = (
            f"SELECT r.key FROM {tables} WHERE {self._where()}{behind} "
            f"ORDER BY {', '.join(order.expressions)} LIMIT :limit"
        )
        return [key for (key,) in self._connection.execute(sql, values)]

    def _index_rows(self, position: SortKey | None) -> sqlite3.Cursor:
        """What the index finds, as (place, newest, id, key), by place downward."""
        where, values = self._where(), self._values()
        if position is not None:
            newest = int(position[0])
            values["below"] = _bounded(_search.first_place(-newest) + _search.A_SECOND)
            where += " AND f.rowid < :below"
        sql = (
            f"SELECT f.rowid, r.newest, r.id, r.key FROM {self._tables('', needs_text=True)} "
            f"WHERE {where} ORDER BY f.rowid DESC"
        )
        return self._connection.execute(sql, values)

    def _tables(self, index: str, *, needs_text: bool) -> str:
        # CROSS JOIN keeps SQLite to this order of the tables.
        if self._match is not None:
            return (
                "search_trigrams f CROSS JOIN search s ON s.place = f.rowid "
                "CROSS JOIN requests r ON r.key = s.key"
            )
        text = " CROSS JOIN search s ON s.place = r.place" if needs_text else ""
        return f"requests r INDEXED BY {index}{text}"

    def _where(self) -> str:
        narrowed = "search_trigrams MATCH :match AND " if self._match is not None else ""
        return narrowed + self._clauses.where

    def _values(self) -> _Values:
        values = dict(self._clauses.values)
        if self._match is not None:
            values["match"] = self._match
        return values


def _bounded(part: int | str) -> int | str:
    # A cursor may be forged; SQLite's integers have 64 bits.
    return max(_SMALLEST, min(part, _LARGEST)) if isinstance(part, int) else part


def _newest_first(rows: Iterable[_IndexRow], position: SortKey | None) -> Iterator[int]:
    """The keys behind ``position``; only within one second the rows have to be sorted."""
    for _, second in groupby(rows, key=lambda row: _search.second_of_place(row[0])):
        for newest, request_id, key in sorted(row[1:] for row in second):
            if position is None or (newest, request_id) > position:
                yield key
