"""The SQL store keeps every line of the contracts on PostgreSQL, MariaDB and SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
import sqlalchemy as sa

from abandoned_booking.ports import PhoneLedger, RequestStore, SettingsStore, SuppressionList
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.testing import (
    PhoneLedgerContract,
    RequestStoreContract,
    SettingsStoreContract,
    SuppressionListContract,
    part_of,
)


class _Again:
    part: ClassVar[str] = ""

    @pytest.fixture
    def reopen(self, engine: sa.Engine) -> Callable[[], object]:
        url = engine.url.render_as_string(hide_password=False)
        whole = partial(SqlAlchemyStore.from_url, url)
        return part_of(whole, self.part) if self.part else whole

    @pytest.fixture
    def sql(self, engine: sa.Engine) -> SqlAlchemyStore:
        store = SqlAlchemyStore(engine)
        store.create_all()
        return store


class _Requests(_Again, RequestStoreContract):
    @pytest.fixture
    def store(self, sql: SqlAlchemyStore) -> RequestStore:
        return sql


class _Settings(_Again, SettingsStoreContract):
    part = "settings"

    @pytest.fixture
    def settings(self, sql: SqlAlchemyStore) -> SettingsStore:
        return sql.settings


class _Suppressions(_Again, SuppressionListContract):
    part = "suppressions"

    @pytest.fixture
    def suppressions(self, sql: SqlAlchemyStore) -> SuppressionList:
        return sql.suppressions


class _Ledger(_Again, PhoneLedgerContract):
    part = "ledger"

    @pytest.fixture
    def ledger(self, sql: SqlAlchemyStore) -> PhoneLedger:
        return sql.ledger


class _OnPostgres:
    @pytest.fixture
    def engine(self, empty_postgres: sa.Engine) -> sa.Engine:
        return empty_postgres


class _OnMariaDb:
    @pytest.fixture
    def engine(self, empty_mariadb: sa.Engine) -> sa.Engine:
        return empty_mariadb


class _OnSqlite:
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[sa.Engine]:
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'bookings.db'}")
        yield engine
        engine.dispose()


class TestRequestsOnPostgres(_OnPostgres, _Requests):
    pass


class TestSettingsOnPostgres(_OnPostgres, _Settings):
    pass


class TestSuppressionsOnPostgres(_OnPostgres, _Suppressions):
    pass


class TestLedgerOnPostgres(_OnPostgres, _Ledger):
    pass


class TestRequestsOnMariaDb(_OnMariaDb, _Requests):
    pass


class TestSettingsOnMariaDb(_OnMariaDb, _Settings):
    pass


class TestSuppressionsOnMariaDb(_OnMariaDb, _Suppressions):
    pass


class TestLedgerOnMariaDb(_OnMariaDb, _Ledger):
    pass


class TestRequestsOnSqlite(_OnSqlite, _Requests):
    pass


class TestSettingsOnSqlite(_OnSqlite, _Settings):
    pass


class TestSuppressionsOnSqlite(_OnSqlite, _Suppressions):
    pass


class TestLedgerOnSqlite(_OnSqlite, _Ledger):
    pass
