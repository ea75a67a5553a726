"""A :class:`ListQuery` as SQL: what it finds, in which order, from which cursor (L2-L5).

Every value is a bound variable, and pages continue behind the cursor's key, never by OFFSET. Words
are looked for with the database's plain search for a piece of text, in which no character is a
wildcard. On PostgreSQL a search of the newest first goes three ways, whichever ends first: a look
at the newest few (a common word is among them), the trigrams (a rare or absent one), and the walk
to the end (a word in very many texts, most of which other filters hide).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, assert_never

import attrs
import sqlalchemy as sa

from abandoned_booking.core.listing import (
    ListQuery,
    SearchWord,
    Shelf,
    Sort,
    SortKey,
    instant_of,
    position_of,
    search_words,
)
from abandoned_booking.stores.sqlalchemy._grams import GramIndex, asked_grams
from abandoned_booking.stores.sqlalchemy._reading import Reading
from abandoned_booking.stores.sqlalchemy._schema import Tables
from abandoned_booking.stores.sqlalchemy._types import Instant

__all__ = ["Finding"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_LOOK: Final = 1_000
_SECOND_LOOK: Final = 30_000
_MOST_CANDIDATES: Final = 2_000

_ORDER: Final = "order_"
_DOWN: Final = "_down"
_CANDIDATES: Final = "candidates"

Condition = sa.ColumnElement[bool]
_Wrapper = Callable[[sa.Select[Any]], sa.Select[Any]]


@attrs.frozen(kw_only=True)
class Finding:
    """What one query finds for one business."""

    tables: Tables
    business_id: str
    query: ListQuery
    now: datetime
    reading: Reading
    grams: GramIndex | None
    """the index for words, if there is one"""
    is_postgres: bool

    # ── what is asked ───────────────────────────────────────────────────────────────────────────

    @property
    def _business(self) -> sa.BindParameter[str]:
        return sa.bindparam("business", type_=self.tables.requests.c.business_id.type)

    @property
    def _given(self) -> dict[str, Any]:
        return {"business": self.business_id, "now": self.now}

    def _built(self, what: object, build: Callable[[], sa.Select[Any]]) -> sa.Select[Any]:
        """A statement for this query. Those that hold names are not kept, nor those that are not
        asked again: searches, and pages behind a cursor."""
        if self._words or self.query.cursor is not None:
            return build()
        return self.reading.built((self.query, what), build)

    @property
    def _words(self) -> tuple[SearchWord, ...]:
        return search_words(self.query.text)

    def _filters(self) -> Iterable[Condition]:
        """On ``requests``; the shelf is written out, for the sake of the partial index."""
        c, query = self.tables.requests.c, self.query
        yield c.business_id == self._business
        if query.deleted:
            yield c.shelf == sa.literal_column(str(Shelf.DELETED.value))
        else:
            yield c.shelf == sa.literal_column(str(Shelf.LIST.value))
            yield c.listed_at <= sa.bindparam("now", type_=c.listed_at.type)
        for column, chosen in (
            (c.status, query.statuses),
            (c.step, query.steps),
            (c.client_type, query.client_types),
            (c.care_type, query.care_types),
        ):
            values = sorted(map(str, chosen))
            if values:
                yield column == values[0] if len(values) == 1 else column.in_(values)
        for column, since, until in (
            (c.abandoned_at, query.abandoned_from, query.abandoned_to),
            (c.contacted_at, query.contacted_from, query.contacted_to),
        ):
            if since is not None:
                yield column >= _instant(since)
            if until is not None:
                yield column < _instant(until)

    def _holds_words(self, text: sa.ColumnElement[str]) -> Iterable[Condition]:
        for word in self._words:
            ways = [word.text] if word.digits is None else [word.text, word.digits]
            yield sa.or_(*(self._position(text, way) > 0 for way in ways))

    def _position(self, text: sa.ColumnElement[str], piece: str) -> sa.ColumnElement[int]:
        # Both take every character as itself; LIKE would not.
        find = sa.func.strpos if self.is_postgres else sa.func.instr
        return find(text, piece, type_=sa.Integer)

    def _texts(self) -> tuple[sa.FromClause, list[Condition]]:
        """The texts, narrowed down by the index where it can."""
        if self.grams is None:
            return self.tables.search, []
        asked = asked_grams(self.business_id, self._words)
        return self.grams.rows_with(self.tables.search, asked)

    # ── lists ───────────────────────────────────────────────────────────────────────────────────

    def rows(self, connection: sa.Connection, limit: int) -> Sequence[Any]:
        """What :class:`Reading` reads of at most ``limit`` requests, in order, from the cursor on.

        One statement sees one state: what is shown is what the filters saw.
        Raises :class:`InvalidCursor` if the cursor is not one of this query.
        """
        position = position_of(self.query)
        if self.is_search_by_grams and self.query.sort is Sort.NEWEST:
            return self._searched(connection, position, limit, self._with_documents)
        asked = self._built(
            ("rows", limit), lambda: self._with_documents(self._listed(position, limit))
        )
        return connection.execute(asked, self._given).all()

    def total(self, connection: sa.Connection) -> int:
        """How many requests the query finds, no further than its ``count_up_to``."""
        cap = self.query.count_up_to
        if cap is not None and self.is_search_by_grams:
            return len(self._searched(connection, None, cap, lambda chosen: chosen))
        number = self._built("number", self._number)
        return int(connection.scalar(number, self._given) or 0)

    def _number(self) -> sa.Select[Any]:
        found: sa.Select[Any] = sa.select(sa.literal_column("1").label("one"))
        tables, words = self._tables()
        found = found.select_from(tables).where(*words, *self._filters())
        cap = self.query.count_up_to
        counted = found if cap is None else found.limit(cap)
        return sa.select(sa.func.count()).select_from(counted.subquery("found"))

    @property
    def is_search_by_grams(self) -> bool:
        """Whether it looks for words, and the database has an index for that."""
        return bool(self._words) and self.grams is not None

    def _tables(self) -> tuple[sa.FromClause, list[Condition]]:
        r, s = self.tables.requests, self.tables.search
        if not self._words:
            return (r.join(s, _same(r, s)) if self.query.sort is Sort.NAME else r), []
        texts, conditions = self._texts()
        return texts.join(r, _same(r, s)), [*conditions, *self._holds_words(s.c.text)]

    def _listed(self, position: SortKey | None, limit: int) -> sa.Select[Any]:
        order = _order(self.query, self.tables.requests, self.tables.search)
        tables, conditions = self._tables()
        conditions += self._filters()
        if position is not None:
            conditions.append(_behind(order, _position_values(self.query, position)))
        chosen = _chosen(self.tables.requests.c.id, order)
        return chosen.select_from(tables).where(*conditions).limit(limit)

    def _with_documents(self, chosen: sa.Select[Any]) -> sa.Select[Any]:
        q, ids = self.tables.queue, chosen.subquery("chosen")
        order = [column for column in ids.c if column.name.startswith(_ORDER)]
        return (
            self.reading.statement.where(q.c.business_id == self._business, q.c.id == ids.c.id)
            .order_by(*(c.desc() if c.name.endswith(_DOWN) else c.asc() for c in order))
            .add_columns(*(c for c in ids.c if c.name == _CANDIDATES))
        )

    # ── search, the newest first ────────────────────────────────────────────────────────────────

    def _searched(
        self, connection: sa.Connection, position: SortKey | None, limit: int, read: _Wrapper
    ) -> Sequence[Any]:
        look_at = _FIRST_LOOK
        while look_at:
            asked = read(self._walk(position, limit, look_at=look_at))
            found = connection.execute(asked, self._given).all()
            if len(found) >= limit:
                return found
            look_at = _further(look_at, found=len(found), limit=limit)
        texts, grams = self._texts()
        if grams:
            candidates = self._candidates(position, texts, grams)
            asked = read(self._of_candidates(candidates, limit))
            found = connection.execute(asked, self._given).all()
            if self._number_of(candidates, found, connection) <= _MOST_CANDIDATES:
                return found
        asked = read(self._walk(position, limit, look_at=None))
        return connection.execute(asked, self._given).all()

    def _walk(self, position: SortKey | None, limit: int, *, look_at: int | None) -> sa.Select[Any]:
        """The newest first, text by text; at most ``look_at`` of them."""
        r, s = self.tables.requests, self.tables.search
        seen: sa.FromClause = s
        conditions = self._from(position)
        if look_at is not None:
            newest = sa.select(s.c.business_id, s.c.id, s.c.abandoned_at, s.c.text)
            newest = newest.where(*conditions).order_by(s.c.abandoned_at.desc(), s.c.id)
            seen, conditions = newest.limit(look_at).subquery("seen"), []
        return (
            _chosen(r.c.id, _newest_first(seen))
            .select_from(seen.join(r, _same(r, seen)))
            .where(*conditions, *self._holds_words(seen.c.text), *self._filters())
            .limit(limit)
        )

    def _from(self, position: SortKey | None) -> list[Condition]:
        c = self.tables.search.c
        conditions = [c.business_id == self._business]
        if position is not None:
            values = _position_values(self.query, position)
            conditions.append(_behind(_newest_first(self.tables.search), values))
        return conditions

    def _candidates(
        self, position: SortKey | None, texts: sa.FromClause, grams: list[Condition]
    ) -> sa.CTE:
        c = self.tables.search.c
        candidates = (
            sa.select(c.business_id, c.id, c.abandoned_at)
            .select_from(texts)
            .where(*self._from(position), *grams, *self._holds_words(c.text))
            .limit(_MOST_CANDIDATES + 1)
            .cte("candidates")
        )
        return candidates.prefix_with("MATERIALIZED") if self.is_postgres else candidates

    def _number_of(
        self, candidates: sa.CTE, found: Sequence[Any], connection: sa.Connection
    ) -> int:
        if found:
            return int(getattr(found[0], _CANDIDATES))
        # No row that would tell: there are none, or the filters have hidden all.
        number = sa.select(sa.func.count()).select_from(candidates)
        return int(connection.scalar(number, self._given) or 0)

    def _of_candidates(self, candidates: sa.CTE, limit: int) -> sa.Select[Any]:
        """Those that the filters let through, and beside them how many candidates there were."""
        r = self.tables.requests
        number = sa.select(sa.func.count()).select_from(candidates).scalar_subquery()
        return (
            _chosen(r.c.id, _newest_first(candidates), number.label(_CANDIDATES))
            .select_from(candidates.join(r, _same(r, candidates)))
            .where(*self._filters())
            .limit(limit)
        )


def _further(look_at: int, *, found: int, limit: int) -> int:
    """How many texts to look at after a first look; 0: it would not find enough either."""
    if look_at > _FIRST_LOOK or found * _SECOND_LOOK < limit * look_at:
        return 0
    # Half as many again as it takes if they are spread evenly.
    return min(_SECOND_LOOK, 3 * limit * look_at // (2 * found))


def _same(one: sa.FromClause, other: sa.FromClause) -> Condition:
    return sa.and_(one.c.business_id == other.c.business_id, one.c.id == other.c.id)


def _chosen(
    request_id: sa.ColumnElement[str], order: Sequence[_Part], *more: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    """Ids in an order, and what they are ordered by, so that a join can keep it."""
    named = [part.named(nth) for nth, part in enumerate(order)]
    return sa.select(request_id, *named, *more).order_by(*(part.ordered for part in order))


def _newest_first(rows: sa.FromClause) -> tuple[_Part, ...]:
    return (_Part(rows.c.abandoned_at, downward=True), _Part(rows.c.id))


def _instant(boundary: date | datetime) -> datetime:
    return instant_of(boundary)


# ── order and cursor (L4) ───────────────────────────────────────────────────────────────────────


@attrs.frozen
class _Part:
    """One expression of an order."""

    expression: sa.ColumnElement[Any]
    downward: bool = False

    def named(self, nth: int) -> sa.ColumnElement[Any]:
        """The expression as a column of its own, whose name tells its direction."""
        return self.expression.label(f"{_ORDER}{nth}{_DOWN if self.downward else ''}")

    @property
    def ordered(self) -> sa.ColumnElement[Any]:
        return self.expression.desc() if self.downward else self.expression.asc()

    def not_before(self, value: Any) -> Condition:
        at: Condition = self.expression <= value if self.downward else self.expression >= value
        return at

    def behind(self, value: Any) -> Condition:
        behind: Condition = self.expression < value if self.downward else self.expression > value
        return behind


def _order(query: ListQuery, r: sa.Table, s: sa.Table) -> tuple[_Part, ...]:
    """Expressions in the order of ``sort_key``."""
    newest, by_id = _newest_first(r)
    match query.sort:
        case Sort.NEWEST:
            return _newest_first(r)
        case Sort.LAST_CONTACT:
            never = sa.case((r.c.contacted_at.is_(None), 1), else_=0)
            # The same instant for all that were never contacted, so that it can be compared.
            contacted = sa.func.coalesce(r.c.contacted_at, sa.literal(_EPOCH, Instant()))
            return (_Part(never), _Part(contacted, downward=True), by_id)
        case Sort.NAME:
            return (_Part(sa.case((s.c.name == "", 1), else_=0)), _Part(s.c.name), by_id)
        case Sort.STEP:
            ranks = {str(step): rank for rank, step in enumerate(query.step_order)}
            last = len(ranks)
            # A plain 0 would be the number of a column to ORDER BY.
            none = sa.literal_column("(0 + 0)", sa.Integer)
            rank = sa.case(ranks, value=r.c.step, else_=last) if ranks else none
            return (_Part(rank), newest, by_id)
        case _:
            assert_never(query.sort)


def _position_values(query: ListQuery, position: SortKey) -> tuple[Any, ...]:
    """The cursor's key as values of the order's expressions."""
    match query.sort:
        case Sort.NEWEST:
            newest, request_id = position
            return (_from_key(newest), request_id)
        case Sort.LAST_CONTACT:
            contacted, request_id = position
            never = contacted == _NEVER
            return (int(never), _EPOCH if never else _from_key(contacted), request_id)
        case Sort.NAME:
            return position
        case Sort.STEP:
            rank, newest, request_id = position
            return (rank, _from_key(newest), request_id)
        case _:
            assert_never(query.sort)


_NEVER: Final = 1 << 62
"""as in ``sort_key``"""
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


def _from_key(negated: int | str) -> datetime:
    """The instant of a key; a forged cursor may name one that there is not."""
    microseconds = -int(negated)
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return _LATEST if microseconds > 0 else _EARLIEST


def _behind(order: tuple[_Part, ...], values: tuple[Any, ...]) -> Condition:
    """What comes after the cursor: the first part is behind it, or the same and the next is, ..."""
    first, *rest = order
    value, *others = values
    if not rest:
        return first.behind(value)
    # "At or behind" by itself lets an index begin where the cursor stands.
    return sa.and_(
        first.not_before(value),
        sa.or_(first.behind(value), _behind(tuple(rest), tuple(others))),
    )
