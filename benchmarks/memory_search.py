"""A search over requests in memory, beside one joined text and polars.

Ours is ``MemoryStore``, the executable specification: it asks the pure predicate of every request,
and is meant for tests, not for a million. One joined, prepared text is the raw limit of what could
be done in Python; polars has the texts in a column.

Run: ``python -m benchmarks.memory_search``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from abandoned_booking.core.listing import ListQuery, fold, search_text
from abandoned_booking.stores.memory import MemoryStore
from benchmarks._crowd import NOW, TERMS, request_number
from benchmarks._harness import ROUNDS, Bench, Take, milliseconds, pick

ROWS: Final = pick(full=1_000_000, quick=100_000, tiny=300)
OURS_ROWS: Final = pick(full=10_000, quick=10_000, tiny=300)
SHOWN: Final = 50
RAW, OURS, POLARS = "one joined text", "MemoryStore.page", "polars"
WORDS: Final = {what: fold(TERMS[what]) for what in ("rare", "common", "absent")}


def main() -> None:
    bench = Bench("memory search")
    store = MemoryStore()
    for number in range(OURS_ROWS):
        store.add(request_number(number))
    texts = [search_text(request_number(number)) for number in range(ROWS)]
    joined = "\0".join(texts)
    column = _column(bench, texts)
    for what, word in WORDS.items():
        takes: dict[tuple[str, int], Take] = {
            (RAW, ROWS): milliseconds(_in_joined(joined, word), at_most=5),
            (OURS, OURS_ROWS): milliseconds(_in_store(store, word), at_most=5),
        }
        if column is not None:
            takes[POLARS, ROWS] = milliseconds(_in_column(column, word), at_most=5)
        medians = bench.in_turns(
            f"a search in memory, {what}",
            takes,
            unit="ms",
            raw=[RAW],
            peers=[POLARS],
            rounds=ROUNDS,
        )
        polars = medians.get((POLARS, ROWS))
        ours = medians[OURS, OURS_ROWS] * ROWS / OURS_ROWS
        bench.judge(
            f"a search in memory, {what}",
            rows=ROWS,
            ours=f"{ours:,.0f} ms, from {OURS_ROWS:,}",
            raw=f"{RAW} {medians[RAW, ROWS]:.0f} ms",
            peer="" if polars is None else f"polars {polars:.0f} ms",
            ratio=None if polars is None else ours / polars,
            aim="at most 2 × polars",
        )


def _column(bench: Bench, texts: list[str]) -> Any:
    if not bench.is_there("polars"):
        return None
    return importlib.import_module("polars").DataFrame({"text": texts}).with_row_index("number")


def _in_joined(joined: str, word: str) -> Callable[[], object]:
    """The places of the first fifty texts with the word, the newest first."""

    def ask() -> list[int]:
        found: list[int] = []
        at = joined.find(word)
        while at >= 0 and len(found) < SHOWN:
            found.append(at)
            end = joined.find("\0", at)
            at = joined.find(word, end) if end >= 0 else -1
        return found

    return ask


def _in_store(store: MemoryStore, word: str) -> Callable[[], object]:
    query = ListQuery(text=word, limit=SHOWN)
    return lambda: store.page("paws", query, now=NOW)


def _in_column(column: Any, word: str) -> Callable[[], object]:
    polars = importlib.import_module("polars")
    has = polars.col("text").str.contains(word, literal=True)
    return lambda: column.filter(has).head(SHOWN)


if __name__ == "__main__":
    main()
