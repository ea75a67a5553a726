"""The SQL store keeps every line of the contracts on PostgreSQL, MariaDB and SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from abandoned_booking.ports import PhoneLedger, RequestStore, SettingsStore, SuppressionList
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore
from abandoned_booking.testing import (
    PhoneLedgerContract,
    RequestStoreContract,
    SettingsStoreContract,
    SuppressionListContract,
)


class _Requests(RequestStoreContract):
    @pytest.fixture
    def store(self, sql: SqlAlchemyStore) -> RequestStore:
        return sql


class _Settings(SettingsStoreContract):
    @pytest.fixture
    def settings(self, sql: SqlAlchemyStore) -> SettingsStore:
        return sql.settings


class _Suppressions(SuppressionListContract):
    @pytest.fixture
    def suppressions(self, sql: SqlAlchemyStore) -> SuppressionList:
        return sql.suppressions


class _Ledger(PhoneLedgerContract):
    @pytest.fixture
    def ledger(self, sql: SqlAlchemyStore) -> PhoneLedger:
        return sql.ledger


def _on(engine: sa.Engine) -> SqlAlchemyStore:
    store = SqlAlchemyStore(engine)
    store.create_all()
    return store


class _OnPostgres:
    @pytest.fixture
    def sql(self, empty_postgres: sa.Engine) -> SqlAlchemyStore:
        return _on(empty_postgres)


class _OnMariaDb:
    @pytest.fixture
    def sql(self, empty_mariadb: sa.Engine) -> SqlAlchemyStore:
        return _on(empty_mariadb)


class _OnSqlite:
    @pytest.fixture
    def sql(self, tmp_path: Path) -> Iterator[SqlAlchemyStore]:
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'bookings.db'}")
        yield _on(engine)
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
