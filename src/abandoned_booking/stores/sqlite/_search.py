"""The search text beside the requests, and the trigram index over it (L3).

*Place.* A row of ``search`` has the place ``second of abandoned_at << 24 | number``: walking places
downward is walking the list from the newest on, and the index hands out its rows in that order.
Within one second rows are in no order; whoever walks sorts each second by itself.

*Index.* FTS5 with trigrams narrows a search down; what it finds is then looked at with ``instr``,
so the answer is that of the pure predicate. Every indexed text begins with three characters that
stand for its business, so that a search never walks through another business's rows. Words of one
or two characters are looked for by the trigrams that begin with them, as long as those are few;
each text ends with two line ends, so that its last characters begin one too. Common ones are looked
for from the newest request on. Where SQLite was built without FTS5 trigrams the same walk serves
every word, and the index is marked as not kept up; the next process that has them builds it anew.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

import attrs

from abandoned_booking.core.listing import SearchWord
from abandoned_booking.errors import StoreError
from abandoned_booking.stores.sqlite._connections import transaction

__all__ = [
    "A_SECOND",
    "Searched",
    "build_anew",
    "change",
    "first_place",
    "has_trigrams",
    "index_if_possible",
    "is_indexed",
    "match_expression",
    "merge",
    "put",
    "second_of_place",
]

_NUMBER_BITS: Final = 24
A_SECOND: Final = 1 << _NUMBER_BITS
"""places to a second"""
_SECOND: Final = 1_000_000
_TRIGRAM: Final = 3
_MOST_TRIGRAMS: Final = 12
_END: Final = "\n\n"
_MOST_BEGINNINGS: Final = 100
"""of how many trigrams a short word may be the beginning; one of more is a common one"""
# Private-use characters: folded text never holds one, they are not printable.
_CODE_START: Final = 0xE000
_CODE_SIZE: Final = 6400


# ── places ──────────────────────────────────────────────────────────────────────────────────────


def first_place(at: int) -> int:
    """The lowest place of the second that an instant, in microseconds, belongs to."""
    return at // _SECOND << _NUMBER_BITS


def second_of_place(place: int) -> int:
    return place >> _NUMBER_BITS


def _free_place(connection: sqlite3.Connection, at: int) -> int:
    first = first_place(at)
    behind = first + A_SECOND
    (last,) = connection.execute(
        "SELECT max(place) FROM search WHERE place >= ? AND place < ?", (first, behind)
    ).fetchone()
    place = first if last is None else int(last) + 1
    if place == behind:
        raise StoreError(f"more than {A_SECOND:,} requests were left in one second")
    return place


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class Searched:
    """What of a request is searched, sorted by name, and walked by its instant."""

    business_id: str
    at: int
    """``abandoned_at`` in microseconds"""
    name: str = attrs.field(repr=False)
    text: str = attrs.field(repr=False)


def put(connection: sqlite3.Connection, key: int, searched: Searched) -> int:
    """Store the search text of a new request, or of one that was taken out; returns its place."""
    place = _free_place(connection, searched.at)
    connection.execute(
        "INSERT INTO search VALUES (?, ?, ?, ?)", (place, key, searched.name, searched.text)
    )
    if _keeps_index(connection):
        _index(connection, place, searched.business_id, searched.text)
    return place


def change(connection: sqlite3.Connection, key: int, searched: Searched, *, place: int) -> int:
    """Bring a request's search text up to date; returns its place, which may be a new one."""
    name, text = connection.execute(
        "SELECT name, text FROM search WHERE place = ?", (place,)
    ).fetchone()
    moved = searched.at // _SECOND != second_of_place(place)
    if not moved and (name, text) == (searched.name, searched.text):
        return place
    if _keeps_index(connection):
        _unindex(connection, place, searched.business_id, text)
    connection.execute("DELETE FROM search WHERE place = ?", (place,))
    return put(connection, key, searched)


def _index(connection: sqlite3.Connection, place: int, business_id: str, text: str) -> None:
    if text:
        connection.execute(
            "INSERT INTO search_trigrams (rowid, text) VALUES (?, ?)",
            (place, _coded(connection, business_id, text)),
        )


def _unindex(connection: sqlite3.Connection, place: int, business_id: str, text: str) -> None:
    if text:
        # An index without content must be told what it forgets.
        connection.execute(
            "INSERT INTO search_trigrams (search_trigrams, rowid, text) VALUES ('delete', ?, ?)",
            (place, _coded(connection, business_id, text)),
        )


# ── the index as a whole ────────────────────────────────────────────────────────────────────────


@cache
def has_trigrams() -> bool:
    """Whether this SQLite was built with FTS5 and is new enough for trigrams (3.34)."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(_INDEX)
    except sqlite3.OperationalError:
        return False
    else:
        return True
    finally:
        connection.close()


_INDEX: Final = """CREATE VIRTUAL TABLE search_trigrams USING fts5 (
    text, content = '', detail = none, tokenize = 'trigram case_sensitive 1'
)"""

_TERMS: Final = "CREATE VIRTUAL TABLE search_terms USING fts5vocab (search_trigrams, instance)"
_OF_VERSION_1: Final = "search_index"
"""the index of files that no version from 2 on has opened yet"""


def is_indexed(connection: sqlite3.Connection) -> bool:
    """Whether the index may be asked: this process can, and every writer has kept it up."""
    return has_trigrams() and _is_marked(connection)


def index_if_possible(connection: sqlite3.Connection) -> None:
    """Build the index if there is none that was kept up, and this process can."""
    if not has_trigrams() or _is_marked(connection):
        return
    with transaction(connection):
        if _is_marked(connection):
            return
        for table in ("search_terms", "search_trigrams", _OF_VERSION_1):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(_INDEX)
        connection.execute(_TERMS)
        rows = connection.execute(
            "SELECT s.place, r.business_id, s.text FROM search s JOIN requests r ON r.key = s.key"
        )
        for place, business_id, text in rows:
            _index(connection, place, business_id, text)
        connection.execute("UPDATE search_state SET indexed = 1")


def build_anew(connection: sqlite3.Connection) -> None:
    """Have the next process that can build the index again."""
    connection.execute("UPDATE search_state SET indexed = 0")


def merge(connection: sqlite3.Connection) -> bool:
    """Merge the index into one part, so that it holds nothing of what it was told to forget.

    Returns whether that is so: a process without trigrams cannot touch an index that is there.
    """
    if not has_trigrams():
        (there,) = connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE name IN ('search_trigrams', ?)",
            (_OF_VERSION_1,),
        ).fetchone()
        return not there
    index_if_possible(connection)
    connection.execute("INSERT INTO search_trigrams (search_trigrams) VALUES ('optimize')")
    return True


def _is_marked(connection: sqlite3.Connection) -> bool:
    (marked,) = connection.execute("SELECT indexed FROM search_state").fetchone()
    return bool(marked)


def _keeps_index(connection: sqlite3.Connection) -> bool:
    """Whether a writer keeps the index up; one that cannot marks it, for all to see."""
    if not has_trigrams():
        connection.execute("UPDATE search_state SET indexed = 0 WHERE indexed = 1")
    return is_indexed(connection)


def _coded(connection: sqlite3.Connection, business_id: str, text: str) -> str:
    number = _number_of(connection, business_id)
    if number is None:
        cursor = connection.execute(
            "INSERT INTO businesses (business_id) VALUES (?)", (business_id,)
        )
        number = cursor.lastrowid or 0
    return f"{_code(number)}\n{text}{_END}"


def _number_of(connection: sqlite3.Connection, business_id: str) -> int | None:
    row = connection.execute(
        "SELECT number FROM businesses WHERE business_id = ?", (business_id,)
    ).fetchone()
    return int(row[0]) if row else None


def _code(number: int) -> str:
    places = (number, number // _CODE_SIZE, number // _CODE_SIZE**2)
    return "".join(chr(_CODE_START + place % _CODE_SIZE) for place in places)


# ── asking ──────────────────────────────────────────────────────────────────────────────────────


def match_expression(
    connection: sqlite3.Connection, business_id: str, words: Iterable[SearchWord]
) -> str | None:
    """What to ask the index for; ``None`` if it cannot narrow these words down."""
    number = _number_of(connection, business_id)
    if number is None or not is_indexed(connection):
        return None
    narrowing = [clause for word in words if (clause := _clause(connection, word))]
    return " AND ".join((_quoted(_code(number)), *narrowing)) if narrowing else None


def _clause(connection: sqlite3.Connection, word: SearchWord) -> str | None:
    ways = [word.text] if word.digits is None else [word.text, word.digits]
    clauses = [_way(connection, way) for way in ways]
    return None if None in clauses else f"({' OR '.join(map(str, clauses))})"


def _way(connection: sqlite3.Connection, text: str) -> str | None:
    if len(text) >= _TRIGRAM:
        return f"({' AND '.join(_trigrams(text))})"
    beginnings = _beginning_with(connection, text)
    return None if beginnings is None else f"({' OR '.join(map(_quoted, beginnings))})"


def _beginning_with(connection: sqlite3.Connection, start: str) -> list[str] | None:
    """The trigrams of all businesses that begin so; ``None``: too many."""
    found = [_nobodys(start)]
    at, behind = start, start + chr(sys.maxunicode)
    while len(found) <= _MOST_BEGINNINGS:
        # One by one: from each to the next without a look at the rows that have it.
        row = connection.execute(
            "SELECT term FROM search_terms WHERE term >= ? AND term <= ? LIMIT 1", (at, behind)
        ).fetchone()
        if row is None:
            return found
        found.append(row[0])
        at = f"{row[0]}\x01"
    return None


def _nobodys(start: str) -> str:
    """A trigram that no text has, so that there is always one to ask for."""
    return start.ljust(_TRIGRAM, chr(_CODE_START + _CODE_SIZE - 1))


def _trigrams(text: str) -> list[str]:
    """Up to twelve of its trigrams, spread evenly: the rest is seen by looking at the text."""
    starts: Sequence[int] = range(len(text) - _TRIGRAM + 1)
    if len(starts) > _MOST_TRIGRAMS:
        last = starts[-1]
        starts = [last * nth // (_MOST_TRIGRAMS - 1) for nth in range(_MOST_TRIGRAMS)]
    return [_quoted(text[start : start + _TRIGRAM]) for start in starts]


def _quoted(trigram: str) -> str:
    escaped = trigram.replace('"', '""')
    return f'"{escaped}"'
