"""The trigrams of a business's texts, as whole numbers for an index of the database's own (L3).

``pg_trgm`` indexes the texts of all businesses together, passes over what the database's locale
does not take for letters, and needs a right to be installed; so does SQLite's own tokenizer, but
for the right. These numbers are hashes of *business and letters*: a search walks through the
postings of its own business only, in any script, on any PostgreSQL (an array of numbers, and GIN)
and any SQLite with FTS5 (a text of numbers). Pairs of letters are among them, so that words of two
letters are found by the index too. Two that share a number cost a second look and nothing else:
what the index finds is compared with the text itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol
from zlib import crc32

import sqlalchemy as sa

from abandoned_booking.core.listing import SearchWord

__all__ = ["GramIndex", "asked_grams", "gram_index_of", "grams_of"]

_SIZES: Final = (2, 3)
_MOST_ASKED: Final = 12
_SIGN: Final = 1 << 31
_ANY: Final = ("utf-8", "surrogatepass")


def _numbers(business_id: str, pieces: Iterable[str]) -> list[int]:
    start = crc32(business_id.encode(*_ANY) + b"\0")
    hashes = {crc32(piece.encode(*_ANY), start) for piece in pieces}
    # PostgreSQL's integers have a sign.
    return sorted(number - _SIGN for number in hashes)


def _pieces(word: str, size: int) -> Iterable[str]:
    return (word[start : start + size] for start in range(len(word) - size + 1))


@lru_cache(maxsize=4_096)
def grams_of(business_id: str, text: str) -> tuple[int, ...]:
    """What is stored for a search text: the pairs and triples of letters within its words.

    Kept for a while: a message is saved twice, and its text hardly ever changes.
    """
    words = set(text.split())
    pieces = {piece for word in words for size in _SIZES for piece in _pieces(word, size)}
    return tuple(_numbers(business_id, pieces))


def asked_grams(business_id: str, words: Iterable[SearchWord]) -> list[list[list[int]]]:
    """What a text must have if all the words are in it: for every word one of several lists.

    A word of one letter asks for nothing; so does one of which one way to find it is as short.
    """
    asked = []
    for word in words:
        ways = [word.text] if word.digits is None else [word.text, word.digits]
        if min(map(len, ways)) >= _SIZES[0]:
            asked.append([_asked_of(business_id, way) for way in ways])
    return asked


def _asked_of(business_id: str, text: str) -> list[int]:
    size = min(_SIZES[-1], len(text))
    starts = len(text) - size
    # Spread evenly; what is left out is seen by the second look.
    step = max(1, -(-starts // _MOST_ASKED))
    return _numbers(business_id, (text[at : at + size] for at in range(0, starts + 1, step)))


# ── in a database ───────────────────────────────────────────────────────────────────────────────

_Asked = Sequence[Sequence[Sequence[int]]]


class GramIndex(Protocol):
    """How a database keeps the numbers, and how it is asked for them."""

    def stored(self, grams: Sequence[int]) -> Any:
        """The value of the column ``grams``."""
        ...

    def rows_with(
        self, search: sa.Table, asked: _Asked
    ) -> tuple[sa.FromClause, list[sa.ColumnElement[bool]]]:
        """What to select from, and under which conditions, to have the texts with those numbers."""
        ...


def gram_index_of(dialect: str) -> GramIndex | None:
    """The index that a database can have; MySQL's none."""
    known: dict[str, GramIndex] = {"postgresql": _InArrays(), "sqlite": _InWords()}
    return known.get(dialect)


class _InArrays:
    """PostgreSQL: an array, under GIN."""

    def stored(self, grams: Sequence[int]) -> Any:
        return grams

    def rows_with(
        self, search: sa.Table, asked: _Asked
    ) -> tuple[sa.FromClause, list[sa.ColumnElement[bool]]]:
        has = search.c.grams.contains
        return search, [sa.or_(*(has(list(numbers)) for numbers in ways)) for ways in asked]


class _InWords:
    """SQLite: a text of numbers, under FTS5 beside the table; triggers keep it up."""

    def stored(self, grams: Sequence[int]) -> Any:
        return " ".join(map(_word, grams))

    def rows_with(
        self, search: sa.Table, asked: _Asked
    ) -> tuple[sa.FromClause, list[sa.ColumnElement[bool]]]:
        if not asked:
            return search, []
        name = f"{search.name}_grams"
        index = sa.table(name, sa.column("rowid", sa.Integer), schema=search.schema)
        wanted = " AND ".join(
            "({})".format(" OR ".join(f"({' AND '.join(map(_quoted, ways))})" for ways in word))
            for word in asked
        )
        matches: sa.ColumnElement[bool] = sa.literal_column(name).op("MATCH", is_comparison=True)(
            sa.literal(wanted)
        )
        return index.join(search, search.c.number == index.c.rowid), [matches]


def _word(number: int) -> str:
    return str(number + _SIGN)


def _quoted(number: int) -> str:
    return f'"{_word(number)}"'
