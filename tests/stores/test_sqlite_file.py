"""The embedded store's file: whose it is, who may read it, and how it moves forward."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import attrs
import pytest

from abandoned_booking.core.listing import ListQuery
from abandoned_booking.core.model import BookingForm, Person, Status
from abandoned_booking.errors import (
    InvalidInput,
    NewerSchema,
    NotOurDatabase,
    StoreError,
    StoreLocked,
    StoreReadOnly,
)
from abandoned_booking.stores.sqlite import SqliteStore, _schema, _search
from abandoned_booking.testing import a_request
from abandoned_booking.testing.factory import LEFT_AT

_NOW = LEFT_AT + timedelta(days=1)
_SHORT = timedelta(milliseconds=20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bookings.db"


def _filled(path: Path) -> None:
    with SqliteStore(path) as store:
        assert store.add(a_request())


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# ── whose it is ─────────────────────────────────────────────────────────────────────────────────


def _foreign(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    "content",
    [b"hello", b"\0", b"SQLite format 3\0", b"SQLite format 3\0" + b"\1" * 4096, b"x" * 5000],
    ids=["text", "one byte", "only the magic", "magic and rubbish", "long text"],
)
def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(NotOurDatabase, match="choose another path"):
        SqliteStore(path)
    assert _files(path.parent) == {path.name: content}


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE theirs (x)"],
        ["PRAGMA application_id = 7"],
        ["PRAGMA user_version = 1"],
        ["PRAGMA application_id = 7", "CREATE TABLE requests (x)", "PRAGMA user_version = 1"],
        ["CREATE TABLE requests (x)", "PRAGMA user_version = 1"],
    ],
    ids=["a table", "an owner", "a version", "all of these", "a table of our name"],
)
def test_somebody_elses_database_is_refused_and_stays_as_it_is(
    path: Path, statements: list[str]
) -> None:
    _foreign(path, *statements)
    before = _files(path.parent)
    with pytest.raises(NotOurDatabase, match="something else"):
        SqliteStore(path)
    assert _files(path.parent) == before


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    _filled(path)
    with SqliteStore(path) as store:
        assert store.get("paws", "r1") == a_request()


def test_a_file_that_was_cut_off_before_its_tables_becomes_a_store(path: Path) -> None:
    _foreign(path, "PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    _filled(path)


def test_what_was_stored_is_there_when_the_file_is_opened_again(path: Path) -> None:
    with SqliteStore(path) as store:
        store.add(a_request(next_action_at=_NOW))
        store.claim_due(now=_NOW, until=_NOW + timedelta(minutes=2), limit=1)
        store.suppressions.add("paws", "k1")
        store.ledger.reserve("paws", "p", owner="r1", at=_NOW, not_within=timedelta(1))
        expected = store.get("paws", "r1")
    with SqliteStore(str(path)) as store:
        assert store.get("paws", "r1") == expected
        assert store.suppressions.contains("paws", "k1")
        assert not store.ledger.reserve("paws", "p", owner="r2", at=_NOW, not_within=timedelta(1))
        page = store.page("paws", ListQuery(text="rex"), now=_NOW)
        assert page.requests == (expected,)


@pytest.mark.parametrize("name", [":memory:", ""])
def test_a_store_without_a_file_points_to_the_memory_store(name: str) -> None:
    with pytest.raises(StoreError, match="MemoryStore"):
        SqliteStore(name)


@pytest.mark.parametrize("name", ["a b?mode=ro#x%20.db", "file:x.db", "ü 🐶.db", "a'b;--.db"])
def test_every_file_name_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    _filled(tmp_path / name)
    assert (tmp_path / name).is_file()
    assert {file.name for file in tmp_path.iterdir()} <= {name, f"{name}-wal", f"{name}-shm"}


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"folder .*nowhere does not exist; create it first"):
        SqliteStore(tmp_path / "nowhere" / "bookings.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        SqliteStore(tmp_path)


# ── who may read it ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_the_file_and_those_beside_it_are_their_owners_only(path: Path, mask: int) -> None:
    usual = os.umask(mask)
    try:
        with SqliteStore(path) as store:
            store.add(a_request())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(usual)
    assert modes == dict.fromkeys([path.name, f"{path.name}-wal", f"{path.name}-shm"], 0o600)


@contextmanager
def _as_somebody_without_rights() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    # Of everybody, unlike tmp_path: the tests may run as root, for whom nothing is read-only.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)
        os.chmod(folder, 0o755)


def test_a_read_only_file_is_refused_and_stays_as_it_is(open_folder: Path) -> None:
    path = open_folder / "bookings.db"
    _filled(path)
    path.chmod(0o444)
    before = _files(open_folder)
    with _as_somebody_without_rights(), pytest.raises(StoreReadOnly, match="cannot be written to"):
        SqliteStore(path)
    assert _files(open_folder) == before


@pytest.mark.parametrize("there", [False, True], ids=["new file", "file that is there"])
def test_a_read_only_folder_is_refused_and_stays_as_it_is(open_folder: Path, there: bool) -> None:
    path = open_folder / "bookings.db"
    if there:
        _filled(path)
        path.chmod(0o666)
    before = _files(open_folder)
    open_folder.chmod(0o555)
    with _as_somebody_without_rights(), pytest.raises(StoreReadOnly, match="cannot be written to"):
        SqliteStore(path)
    assert _files(open_folder) == before


def test_a_file_that_became_read_only_says_so_on_the_next_write(path: Path) -> None:
    with SqliteStore(path) as store, store._connections.borrowed() as connection:
        connection.execute("PRAGMA query_only = ON")
        store._connections._idle.append(connection)
        with pytest.raises(StoreReadOnly, match="cannot be written to"):
            store.add(a_request())


# ── locks ───────────────────────────────────────────────────────────────────────────────────────


def test_a_store_that_is_locked_for_long_says_so_and_changes_nothing(path: Path) -> None:
    _filled(path)
    with SqliteStore(path, busy_timeout=_SHORT) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        due = a_request(next_action_at=LEFT_AT)
        for write in (
            lambda: store.add(a_request(id="r2")),
            lambda: store.save(due, expected_version=1),
            lambda: store.suppressions.add("paws", "k1"),
        ):
            with pytest.raises(StoreLocked, match="busy_timeout"):
                write()
        other.rollback()
        assert store.get("paws", "r1") == a_request()
        assert store.get("paws", "r2") is None
        assert store.save(due, expected_version=1), "it can be written to again"


def test_reading_and_an_idle_sweep_wait_for_no_writer(path: Path) -> None:
    _filled(path)
    with SqliteStore(path, busy_timeout=_SHORT) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.get("paws", "r1") is not None
        assert store.page("paws", ListQuery(text="rex"), now=_NOW).total == 1
        assert store.claim_due(now=_NOW, until=_NOW, limit=9) == []


@pytest.mark.parametrize("there", [False, True], ids=["new file", "file that is there"])
def test_opening_a_store_that_is_locked_for_long_says_so(path: Path, there: bool) -> None:
    if there:
        _filled(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreLocked, match="busy_timeout"):
            SqliteStore(path, busy_timeout=_SHORT)


def test_a_closed_store_says_so(path: Path) -> None:
    store = SqliteStore(path)
    reading = iter(store.stream("paws"))
    store.close()
    store.close()
    for call in (lambda: store.get("paws", "r1"), lambda: store.settings.get("paws")):
        with pytest.raises(StoreError, match="was closed"):
            call()
    with pytest.raises(StoreError, match="was closed"):
        next(reading)


def test_a_call_that_fails_leaves_the_store_usable(path: Path) -> None:
    with SqliteStore(path) as store:
        with pytest.raises(InvalidInput, match="surrogate"):
            store.add(a_request(id="half \ud83d"))
        assert store.add(a_request())


def test_no_error_repeats_what_somebody_typed(path: Path) -> None:
    """G4, also where a text is not valid Unicode."""
    with SqliteStore(path) as store:
        for call in (store.get, store.latest_of_session, store.suppressions.add):
            with pytest.raises(InvalidInput) as caught:
                call("paws", "Wilhelmina \ud83d")
            assert "Wilhelmina" not in f"{caught.value}{caught.value!r}{caught.value.__cause__}"


def test_half_a_surrogate_pair_in_a_name_does_no_harm(path: Path) -> None:
    form = BookingForm(person=Person(first_name="Ann \ud83d", last_name="Lee"))
    written = a_request(form=form)
    with SqliteStore(path) as store:
        assert store.add(written)
        assert store.get("paws", "r1") == written
        assert store.page("paws", ListQuery(text="ann lee"), now=_NOW).requests == (written,)


def test_a_full_disk_says_so_and_changes_nothing(path: Path) -> None:
    with SqliteStore(path) as store:
        with store._connections.borrowed() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
        note = BookingForm(note="x" * 1_000_000)
        with pytest.raises(StoreError, match="no room is left"):
            store.add(a_request(form=note))
        assert store.get("paws", "r1") is None


def test_any_other_fault_names_the_file(path: Path) -> None:
    with SqliteStore(path) as store:
        _foreign(path, "DROP TABLE documents")
        with pytest.raises(StoreError, match=r"bookings\.db cannot be used: no such table"):
            store.get("paws", "r1")


def test_no_more_connections_are_kept_than_are_of_use(path: Path) -> None:
    with SqliteStore(path) as store, ExitStack() as busy:
        for _ in range(20):
            busy.enter_context(store._connections.borrowed())
        busy.close()
        assert len(store._connections._idle) == 16
    assert not store._connections._idle


def test_a_store_is_closed_while_a_call_is_under_way(path: Path) -> None:
    store = SqliteStore(path)
    with store._connections.borrowed() as connection:
        store.close()
        connection.execute("SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


# ── moving forward ──────────────────────────────────────────────────────────────────────────────


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version)


_LATEST: Final = len(_schema.MIGRATIONS)


def _one_more(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE requests ADD COLUMN flag INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE requests SET flag = 1")
    connection.execute("CREATE TABLE extra (x)")


def test_a_file_of_an_earlier_version_moves_forward_and_keeps_everything(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _filled(path)
    assert _version(path) == _LATEST
    monkeypatch.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, _one_more))
    for _ in range(2):
        with SqliteStore(path) as store:
            assert store.get("paws", "r1") == a_request()
            assert store.page("paws", ListQuery(text="rex"), now=_NOW).total == 1
    assert _version(path) == _LATEST + 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT flag FROM requests").fetchall() == [(1,)]


def test_a_file_of_version_1_is_searched_for_its_last_letters_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = BookingForm(person=Person(first_name="Xu"))
    with monkeypatch.context() as then:
        then.setattr(_schema, "MIGRATIONS", _schema.MIGRATIONS[:1])
        then.setattr(_search, "_END", "")
        with SqliteStore(path) as store:
            store.add(a_request(form=form))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "DROP TABLE search_terms; ALTER TABLE search_trigrams RENAME TO search_index"
        )
    assert _version(path) == 1
    with SqliteStore(path) as store:
        assert "search_index" not in _tables(path), "who has the file open, and knows no better"
        assert _finds(store, "xu") == ["r1"]
        assert store.save(a_request(form=BookingForm()), expected_version=1)
        assert _finds(store, "xu") == []
    assert _version(path) == _LATEST


def test_a_new_file_takes_every_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, _one_more))
    _filled(path)
    assert _version(path) == _LATEST + 1
    assert {"requests", "extra"} <= _tables(path)


def test_a_migration_that_fails_halfway_leaves_the_earlier_version_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _filled(path)
    tables = _tables(path)

    def breaks(connection: sqlite3.Connection) -> None:
        _one_more(connection)
        connection.execute("DROP TABLE documents")
        raise KeyboardInterrupt

    monkeypatch.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, breaks))
    with pytest.raises(KeyboardInterrupt):
        SqliteStore(path)
    monkeypatch.undo()
    assert _version(path) == _LATEST
    assert _tables(path) == tables
    with SqliteStore(path) as store:
        assert store.get("paws", "r1") == a_request()


def test_a_newer_file_is_refused_and_stays_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, _one_more))
    _filled(path)
    monkeypatch.undo()
    before = _files(path.parent)
    with pytest.raises(NewerSchema, match=rf"schema {_LATEST + 1}; .* upgrade abandoned-booking"):
        SqliteStore(path)
    assert _files(path.parent) == before


def test_a_newer_version_is_seen_before_it_has_reached_the_file_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteStore(path) as earlier:
        earlier.get("paws", "r1")
        monkeypatch.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, _one_more))
        _filled(path)
        monkeypatch.undo()
        assert int.from_bytes(path.read_bytes()[60:64], "big") == _LATEST, "it is in the log"
        with pytest.raises(NewerSchema, match=f"schema {_LATEST + 1}"):
            SqliteStore(path)
    assert _version(path) == _LATEST + 1


# ── the search index where trigrams are missing ─────────────────────────────────────────────────


def _finds(store: SqliteStore, text: str) -> list[str]:
    page = store.page("paws", ListQuery(text=text, statuses=Status), now=_NOW)
    return [request.id for request in page.requests]


def test_a_process_without_trigrams_and_one_with_them_share_a_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(name: str) -> BookingForm:
        return BookingForm(person=Person(first_name=name))

    with SqliteStore(path) as modern:
        modern.add(a_request(form=named("Annabelle")))
        with monkeypatch.context() as without:
            without.setattr(_search, "has_trigrams", lambda: False)
            with SqliteStore(path) as plain:
                assert _finds(plain, "nabel") == ["r1"]
                plain.save(a_request(form=named("Beatrice")), expected_version=1)
                plain.add(a_request(id="r2", form=named("Annabelle")))
                assert _finds(plain, "nabel") == ["r2"]
        # The index was not kept up: the process that could use it must not.
        assert _finds(modern, "nabel") == ["r2"]
        assert _finds(modern, "beatr") == ["r1"]
        modern.add(a_request(id="r3", form=named("Beatrix")))
        assert _finds(modern, "beatr") == ["r1", "r3"]
    with SqliteStore(path) as again, again._connections.borrowed() as connection:
        assert _search.is_indexed(connection), "the next process builds it anew"
        assert _finds(again, "nabel") == ["r2"]
        assert _finds(again, "beatr") == ["r1", "r3"]


def test_trigrams_are_found_missing_where_sqlite_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _search.has_trigrams.cache_clear()
    monkeypatch.setattr(_search, "_INDEX", "CREATE VIRTUAL TABLE x USING there_is_no_such_module")
    try:
        assert not _search.has_trigrams()
    finally:
        monkeypatch.undo()
        _search.has_trigrams.cache_clear()


def test_a_second_with_more_requests_than_places_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_search, "A_SECOND", 2)
    with SqliteStore(path) as store:
        assert store.add(a_request(id="r1"))
        assert store.add(a_request(id="r2"))
        with pytest.raises(StoreError, match="in one second"):
            store.add(a_request(id="r3"))
        assert store.get("paws", "r3") is None
        assert store.save(attrs.evolve(a_request(id="r2"), client_id="c"), expected_version=1)
