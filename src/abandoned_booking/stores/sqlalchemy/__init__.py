"""Any SQL database: PostgreSQL first, SQLite and MariaDB or MySQL too, through SQLAlchemy 2 Core.

::

    engine = create_engine("postgresql+psycopg://...")
    store = SqlAlchemyStore(engine)
    store.create_all()          # or `abandoned-booking db upgrade`, or your own Alembic

It takes the host's engine, puts its tables into the host's MetaData, schema and prefix if told so,
and never touches anything else. Each call has a connection of its own from the engine and has
committed before it returns: never inside a transaction of the host's that may still roll back.

Rules held here: the storage half of C6 (one person's open requests), L2-L5 (the list), P1 (the
figures of a period), R3 (compare-and-set, claims) and R7 (reservations); G4 (no stored value in an
error).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.listing import ListQuery, Page, Shelf, page_of, position_of
from abandoned_booking.core.model import AbandonedRequest, Person
from abandoned_booking.core.performance import GroupBy, Performance, tally
from abandoned_booking.core.periods import Period

try:
    import sqlalchemy as sa
except ModuleNotFoundError as error:
    if error.name != "sqlalchemy":
        raise
    raise ImportError(
        "abandoned_booking.stores.sqlalchemy needs SQLAlchemy; pip install 'abandoned-booking[sql]'"
    ) from error

from abandoned_booking.stores.sqlalchemy import _setup
from abandoned_booking.stores.sqlalchemy._checkup import checkup
from abandoned_booking.stores.sqlalchemy._connections import Database
from abandoned_booking.stores.sqlalchemy._engines import url_of
from abandoned_booking.stores.sqlalchemy._grams import gram_index_of
from abandoned_booking.stores.sqlalchemy._query import Finding
from abandoned_booking.stores.sqlalchemy._queue import Queue
from abandoned_booking.stores.sqlalchemy._reading import Reading, identity_of
from abandoned_booking.stores.sqlalchemy._registers import (
    SqlAlchemyLedger,
    SqlAlchemySettings,
    SqlAlchemySuppressions,
)
from abandoned_booking.stores.sqlalchemy._rows import Changes, StoredForms
from abandoned_booking.stores.sqlalchemy._writes import rounds, writes_of

__all__ = ["SqlAlchemyStore"]

_STREAMED_AT_ONCE: Final = 500
_COUNTED_WITH_A_PAGE: Final = 200
_PREFIX: Final = "abandoned_booking_"


class SqlAlchemyStore:
    """Requests, settings, suppressions and the phone ledger in an SQL database.

    The store itself is the :class:`~abandoned_booking.ports.RequestStore`; ``settings``,
    ``suppressions`` and ``ledger`` are the other three ports. Safe for threads, and for any number
    of processes and machines on one database, and after a fork: a child begins with a pool of its
    own.

    ``engine``
        the host's, with a pool of its own: one connection for each thread that works.
    ``metadata``, ``schema``, ``table_prefix``
        where the tables stand: by default a MetaData of the store's own, the default schema, and
        ``abandoned_booking_``.
    ``retry_for``
        how long a call tries again when a connection is lost or the database takes a transaction
        back.
    ``skip_locked``
        whether claims pass over locked rows (``FOR UPDATE SKIP LOCKED``); ``None``: where the
        database can. Safety does not hang on it. ``False`` is for PostgreSQL in shards (Citus):
        every statement that writes then names the business it is of.

    Nothing is read when it is made. The first call raises
    :class:`~abandoned_booking.errors.OlderSchema`, ``NewerSchema`` or ``NotOurDatabase`` if the
    tables are not there, or not as this version needs them; every call may raise
    ``StoreUnavailable``, ``StoreLocked``, ``StoreReadOnly`` or, for anything else that the database
    refuses, ``StoreError``.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        metadata: sa.MetaData | None = None,
        schema: str | None = None,
        table_prefix: str = _PREFIX,
        retry_for: timedelta = timedelta(seconds=2),
        skip_locked: bool | None = None,
    ) -> None:
        database = Database(engine, retry_for=retry_for, check=self._check)
        self.tables = _setup.tables_for(
            engine, metadata=metadata, schema=schema, prefix=table_prefix
        )
        self._database = database
        self._grams = gram_index_of(database.dialect)
        self._is_indexed: bool | None = None
        self._forms = StoredForms()
        self._changes = Changes(grams=self._grams, forms=self._forms)
        self._reading = Reading(self.tables, self._forms)
        self._writes = writes_of(database, self.tables, is_sharded=skip_locked is False)
        self._queue = Queue(database, self.tables, self._reading, skip_locked=skip_locked)
        self.settings = SqlAlchemySettings(database, self.tables.settings)
        self.suppressions = SqlAlchemySuppressions(database, self.tables.suppressions)
        self.ledger = SqlAlchemyLedger(database, self.tables.reservations)

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """A store on an engine of its own for a database URL; ``options`` as for the store.

        Raises :class:`~abandoned_booking.errors.StoreError` for a URL that is none, and one that
        names what to install if the driver is missing.
        """
        return cls(_setup.engine_for(url), **options)

    def close(self) -> None:
        """Close the engine's idle connections; the engine opens new ones if it is used again."""
        self._database.engine.dispose()

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
        return f"SqlAlchemyStore({url_of(self._database.engine)!r})"

    def create_all(self, *, partitions: int = 0) -> None:
        """Create the tables that are not there yet; what is there stays as it is.

        ``partitions`` (PostgreSQL) splits each by a hash of the business into as many; choose it
        once, for later it takes a copy of everything. For upgrades use Alembic: see *Upgrade the
        database* in the docs.

        Raises :class:`~abandoned_booking.errors.NotOurDatabase` if tables of these names belong to
        something else; nothing is changed then.
        """
        self._database.setting_up(
            lambda connection: _setup.create_all(connection, self.tables, partitions=partitions)
        )

    def checkup(self) -> list[tuple[str, str]]:
        """What is to be said of the database, for ``abandoned-booking check``; nothing is changed.

        Returns: pairs of level (``ok``, ``note``, ``warning``, ``problem``) and text.
        """
        return checkup(self._database, self.tables)

    def _check(self, connection: sa.Connection) -> None:
        _setup.check(connection, self.tables)

    # ── one request ─────────────────────────────────────────────────────────────────────────────

    def add(self, request: AbandonedRequest) -> bool:
        added = self._writes.add(self._changes.adding(request))
        if added:
            self._forms.saw(request, request.version)
        self._queue.saw(request.next_action_at)
        return added

    def get(self, business_id: str, request_id: str) -> AbandonedRequest | None:
        found = self._read(self._reading.one, business=business_id, request=request_id)
        return found[0] if found else None

    def latest_of_session(self, business_id: str, session_id: str) -> AbandonedRequest | None:
        found = self._read(self._reading.latest, business=business_id, session=session_id)
        return found[0] if found else None

    def open_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return self._of_person(business_id, person, open_only=True)

    def all_of_person(self, business_id: str, person: Person) -> Sequence[AbandonedRequest]:
        return self._of_person(business_id, person, open_only=False)

    def _of_person(
        self, business_id: str, person: Person, *, open_only: bool
    ) -> list[AbandonedRequest]:
        known = tuple(identity_of(person))
        if not known:
            return []
        asked = self._reading.of_person(known, open_only=open_only)
        # What the person is known by goes into no frame of a traceback.
        return self._read(asked, person, business=business_id)

    def _read(
        self, asked: sa.Select[Any], person: Person | None = None, **values: str
    ) -> list[AbandonedRequest]:
        def read(connection: sa.Connection, _: bool) -> Sequence[Any]:
            of_person = {} if person is None else identity_of(person)
            return connection.execute(asked, {**values, **of_person}).all()

        return self._reading.to_change(self._database.run(read))

    def save(self, request: AbandonedRequest, *, expected_version: int) -> bool:
        return self._save([(request, expected_version)])[0]

    def save_many(self, changes: Sequence[tuple[AbandonedRequest, int]]) -> Sequence[bool]:
        return self._save(changes)

    def _save(self, changes: Sequence[tuple[AbandonedRequest, int]]) -> list[bool]:
        prepared = self._changes.saving(changes)
        saved = [False] * len(prepared)
        for places in rounds(prepared):
            won = self._writes.save([prepared[place] for place in places])
            for place, is_won in zip(places, won, strict=True):
                saved[place] = is_won
        for (request, expected), is_saved in zip(changes, saved, strict=True):
            self._queue.saw(request.next_action_at)
            if is_saved:
                self._forms.saw(request, expected + 1)
        return saved

    # ── the queue ───────────────────────────────────────────────────────────────────────────────

    def claim_due(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return self._queue.claim(now, until, limit)

    def claim_due_fairly(
        self, *, now: datetime, until: datetime, limit: int
    ) -> Sequence[AbandonedRequest]:
        return self._queue.claim_fairly(now, until, limit)

    # ── the list ────────────────────────────────────────────────────────────────────────────────

    def page(self, business_id: str, query: ListQuery, *, now: datetime) -> Page:
        first = position_of(query) is None
        finding = self._finding(business_id, query, now)
        # A search that has to count a little further than it shows is not made twice.
        cap = query.count_up_to
        is_counted = first and cap is not None and cap <= _COUNTED_WITH_A_PAGE
        is_counted = is_counted and finding.is_search_by_grams
        asked = max(query.limit + 1, cap or 0) if is_counted else query.limit + 1

        def read(connection: sa.Connection, _: bool) -> Page:
            rows = finding.rows(connection, asked)
            found = self._reading.requests(rows[: query.limit + 1])
            is_all = first and len(rows) < asked
            total = len(rows) if is_all or is_counted else finding.total(connection)
            return page_of(found, query, total=total)

        return self._database.run(read)

    def count(self, business_id: str, query: ListQuery, *, now: datetime) -> int:
        finding = self._finding(business_id, query, now)
        return self._database.run(lambda connection, _: finding.total(connection))

    def _finding(self, business_id: str, query: ListQuery, now: datetime) -> Finding:
        return Finding(
            tables=self.tables,
            business_id=business_id,
            query=query,
            now=now,
            reading=self._reading,
            grams=self._grams if query.text and self._has_index() else None,
            is_postgres=self._database.dialect == "postgresql",
        )

    def _has_index(self) -> bool:
        """Whether searches have their index: an SQLite may have been built without FTS5."""
        if self._is_indexed is None:
            self._is_indexed = self._database.run(
                lambda connection, _: _setup.has_full_text(connection, self.tables.search)
            )
        return self._is_indexed

    def stream(self, business_id: str) -> Iterator[AbandonedRequest]:
        # By id, which never moves; each part in a read of its own: no snapshot is kept open.
        c = self.tables.queue.c
        last: str | None = None
        while True:
            behind = sa.true() if last is None else c.id > last
            asked = (
                self._reading.statement.where(c.business_id == business_id, behind)
                .order_by(c.id)
                .limit(_STREAMED_AT_ONCE)
            )
            part = self._part(asked)
            yield from part
            if len(part) < _STREAMED_AT_ONCE:
                return
            last = part[-1].id

    def _part(self, asked: sa.Select[tuple[str, int, datetime]]) -> list[AbandonedRequest]:
        rows = self._database.run(lambda connection, _: connection.execute(asked).all())
        return self._reading.requests(rows)

    def _of_shelves(
        self, business_id: str, shelves: Iterable[Shelf], since: datetime | None, until: datetime
    ) -> Iterator[AbandonedRequest]:
        """Those of some shelves abandoned before an instant, the newest of each first."""
        r, q = self.tables.requests.c, self.tables.queue
        for shelf in shelves:
            behind = r.abandoned_at < until
            while True:
                ids = (
                    sa.select(r.id)
                    .where(r.business_id == business_id, r.shelf == shelf.value, behind)
                    .order_by(r.abandoned_at.desc(), r.id)
                    .limit(_STREAMED_AT_ONCE)
                )
                if since is not None:
                    ids = ids.where(r.abandoned_at >= since)
                chosen = ids.subquery("chosen")
                part = self._part(
                    self._reading.statement.where(
                        q.c.business_id == business_id, q.c.id == chosen.c.id
                    )
                )
                yield from part
                if len(part) < _STREAMED_AT_ONCE:
                    break
                at = min(found.abandoned_at for found in part)
                last = max(found.id for found in part if found.abandoned_at == at)
                behind = sa.and_(r.abandoned_at <= at, sa.or_(r.abandoned_at < at, r.id > last))

    # ── what has to go (G3), and what comes of it (P1) ──────────────────────────────────────────

    def abandoned_before(self, business_id: str, before: datetime) -> Iterator[AbandonedRequest]:
        shelves = (Shelf.LIST, Shelf.DELETED, Shelf.HIDDEN)
        return self._of_shelves(business_id, shelves, None, before)

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
        start_at, end_at = period.instants(settings.zone)
        shelves = (Shelf.LIST, Shelf.HIDDEN, Shelf.ERASED)
        requests = self._of_shelves(business_id, shelves, start_at, end_at)
        return tally(requests, period, by=by, settings=settings, now=now)
