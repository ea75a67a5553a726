"""What the embedded store touches: indexes that give the order, claims that rewrite little."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import BookingForm, Channel, Contact, Person, Status
from abandoned_booking.stores import sqlite
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

_NOW = LEFT_AT + timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "bookings.db") as store:
        for number in range(30):
            at = LEFT_AT + timedelta(seconds=number // 2)
            store.add(a_request(id=f"r{number:02}", abandoned_at=at, next_action_at=_NOW))
        # What the planner guesses from statistics must not matter.
        with store._connections.borrowed() as connection:
            connection.execute("ANALYZE")
        yield store


def _statements(store: SqliteStore, call: object) -> list[str]:
    """What SQLite was told while ``call`` ran, values filled in."""
    assert callable(call)
    told: list[str] = []
    pool = store._connections
    with pool.borrowed() as connection:
        pass
    connection.set_trace_callback(told.append)
    try:
        call()
    finally:
        connection.set_trace_callback(None)
    return told


def _plans(store: SqliteStore, call: object) -> list[str]:
    told = [text for text in _statements(store, call) if text.startswith("SELECT")]
    with store._connections.borrowed() as connection:
        return [
            row[3]
            for text in told
            if "WHERE" in text
            for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")
        ]


@pytest.mark.parametrize(
    "query",
    [
        ListQuery(),
        ListQuery(text="rex"),
        ListQuery(text="re"),
        ListQuery(text="rex 5550199"),
        ListQuery(statuses=Status),
        ListQuery(statuses=frozenset()),
        ListQuery(abandoned_from=LEFT_AT, abandoned_to=_NOW),
        ListQuery(deleted=True, statuses=frozenset()),
    ],
    ids=["dot", "word", "short", "words", "every status", "any status", "range", "deleted"],
)
def test_the_newest_come_in_order_without_sorting_or_scanning(
    store: SqliteStore, query: ListQuery
) -> None:
    """L4: the first page and any later one walk an index."""
    first = store.page("paws", attrs.evolve(query, limit=4), now=_NOW)
    later = attrs.evolve(query, limit=4, cursor=first.next_cursor)
    for asked in (attrs.evolve(query, limit=4), later):
        plans = _plans(store, lambda asked=asked: store.page("paws", asked, now=_NOW))
        assert plans
        assert not [plan for plan in plans if "TEMP B-TREE" in plan], plans
        scans = [plan for plan in plans if "SCAN" in plan and "VIRTUAL TABLE" not in plan]
        assert not scans, scans


def test_a_later_page_starts_at_its_cursor(store: SqliteStore) -> None:
    first = store.page("paws", ListQuery(limit=4), now=_NOW)
    later = ListQuery(limit=4, cursor=first.next_cursor)
    plans = _plans(store, lambda: store.page("paws", later, now=_NOW))
    assert any("(newest,id)>(?,?)" in plan for plan in plans), plans


def test_the_dot_is_counted_in_an_index_alone(store: SqliteStore) -> None:
    plans = _plans(store, lambda: store.count("paws", ListQuery(), now=_NOW))
    assert any("COVERING INDEX requests_by_status" in plan for plan in plans), plans


def test_one_business_is_searched_without_walking_through_another(store: SqliteStore) -> None:
    told = _statements(store, lambda: store.count("paws", ListQuery(text="rex"), now=_NOW))
    (asked,) = [text for text in told if "MATCH" in text]
    assert 'AND ("rex")' in asked.replace("((", "(").replace("))", ")")
    assert any(0xE000 <= ord(character) <= 0xF8FF for character in asked), "the business's code"


@pytest.mark.parametrize("word", ["zz", "q", "ex"])
def test_short_words_are_looked_for_in_the_index(store: SqliteStore, word: str) -> None:
    told = _statements(store, lambda: store.page("paws", ListQuery(text=word), now=_NOW))
    assert [text for text in told if "MATCH" in text]
    assert not [text for text in told if "requests_by_status" in text], "a walk"


def test_the_index_forgets_what_is_no_longer_there(store: SqliteStore) -> None:
    def indexed(word: str) -> int:
        with store._connections.borrowed() as connection:
            (rows,) = connection.execute(
                "SELECT count(*) FROM search_trigrams WHERE search_trigrams MATCH ?", (f'"{word}"',)
            ).fetchone()
            return int(rows)

    assert indexed("rex") == 30
    form = BookingForm(person=Person(first_name="Wilhelmina"))
    assert store.save(a_request(id="r00", form=form), expected_version=1)
    assert (indexed("rex"), indexed("wil")) == (29, 1)
    moved = a_request(id="r00", abandoned_at=_NOW, form=BookingForm())
    assert store.save(moved, expected_version=2)
    assert (indexed("rex"), indexed("wil")) == (29, 0)


def test_an_idle_sweep_takes_no_write_lock(store: SqliteStore) -> None:
    told = _statements(store, lambda: store.claim_due(now=LEFT_AT, until=_NOW, limit=9))
    assert len(told) == 1
    assert "BEGIN" not in told[0]


def test_a_claim_writes_the_narrow_row_only(store: SqliteStore) -> None:
    until = _NOW + timedelta(minutes=2)
    told = _statements(store, lambda: store.claim_due(now=_NOW, until=until, limit=3))
    writes = [text for text in told if not text.startswith("SELECT")]
    assert writes[0] == "BEGIN IMMEDIATE"
    assert writes[-1] == "COMMIT"
    for text in writes[1:-1]:
        assert text.startswith("UPDATE requests SET next_action_at = ")
    assert not [text for text in told if "search" in text]


def test_a_change_of_status_rewrites_neither_search_nor_other_columns(store: SqliteStore) -> None:
    request = a_request(id="r00", next_action_at=_NOW)
    contact = Contact(id="c1", channel=Channel.TEXT, at=_NOW)
    contacted = attrs.evolve(request, status=Status.CONTACTED, contacts=(contact,))
    told = _statements(store, lambda: store.save(contacted, expected_version=1))
    writes = [text.split("WHERE")[0] for text in told if text.startswith(("UPDATE", "INSERT"))]
    narrow, document = writes
    assert document.startswith("UPDATE documents")
    named = [part.split("=")[0].split()[-1] for part in narrow.split(",")]
    assert named == ["version", "status", "contacted_at"]


def test_a_stream_reads_in_parts(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that move to another place meanwhile are there once: it goes by id."""
    monkeypatch.setattr(sqlite, "_STREAMED_AT_ONCE", 7)
    read = []
    for number, request in enumerate(store.stream("paws")):
        read.append(request.id)
        moved = attrs.evolve(request, abandoned_at=_NOW + timedelta(seconds=number))
        assert store.save(moved, expected_version=1)
    assert read == [f"r{number:02}" for number in range(30)]


def test_every_connection_writes_to_the_disk_before_it_returns(store: SqliteStore) -> None:
    with store._connections.borrowed() as one, store._connections.borrowed() as two:
        for connection in (one, two):
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_connections_are_used_again(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    usual = store._connections.open

    def counted() -> sqlite3.Connection:
        opened.append(usual())
        return opened[-1]

    monkeypatch.setattr(store._connections, "open", counted)
    for number in range(5):
        store.get("paws", f"r{number:02}")
    assert opened == []
    with store._connections.borrowed(), store._connections.borrowed():
        store.get("paws", "r00")
    assert len(opened) == 2
    assert len(store._connections._idle) == 3
