"""The network that loses answers: what was cut was committed, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from faults.proxy import Proxy
from servers import PostgresServer
from servers.fixtures import or_skipped


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with or_skipped("postgres"):
        server = PostgresServer(fsync=False)
    with server:
        server.execute("CREATE TABLE kept (n INT)")
        yield server


@pytest.fixture
def proxy(server: PostgresServer) -> Iterator[Proxy]:
    server.execute("DELETE FROM kept")
    with Proxy(server.socket) as proxy:
        yield proxy


@pytest.fixture
def engine(server: PostgresServer, proxy: Proxy) -> Iterator[sa.Engine]:
    by_proxy = {"host": "127.0.0.1", "port": str(proxy.port)}
    engine = sa.create_engine(sa.make_url(server.url).update_query_dict(by_proxy))
    yield engine
    engine.dispose()


def _insert(engine: sa.Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO kept VALUES (:n)"), {"n": number})


def _kept(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.text("SELECT n FROM kept ORDER BY n")))


def test_everything_passes_that_is_not_to_be_cut(engine: sa.Engine) -> None:
    for number in range(20):  # also once the driver has prepared the statement
        _insert(engine, number)
    assert _kept(engine) == list(range(20))


@pytest.mark.parametrize("before", [0, 10], ids=["as text", "as a prepared statement"])
@pytest.mark.parametrize("level", ["READ COMMITTED", "AUTOCOMMIT"])
def test_after_commit_the_client_does_not_know_and_the_server_does(
    engine: sa.Engine, proxy: Proxy, level: str, before: int
) -> None:
    engine = engine.execution_options(isolation_level=level)
    for number in range(before):
        _insert(engine, number)
    proxy.cut(after_commit=True)
    with pytest.raises(sa.exc.OperationalError):
        _insert(engine, 99)
    assert _kept(engine) == [*range(before), 99]
    assert proxy.done == 1


def test_a_connection_is_cut_as_it_commits_whether_the_server_does_or_not(
    engine: sa.Engine, proxy: Proxy
) -> None:
    proxy.cut(after_commit=False)
    with pytest.raises(sa.exc.OperationalError):
        _insert(engine, 99)
    assert _kept(engine) in ([], [99])


def test_reading_is_never_cut_and_one_commit_is(engine: sa.Engine, proxy: Proxy) -> None:
    proxy.cut(after_commit=True)
    assert _kept(engine) == []
    assert proxy.done == 0
    with pytest.raises(sa.exc.OperationalError):
        _insert(engine, 1)
    _insert(engine, 2)
    assert _kept(engine) == [1, 2]


def test_without_a_server_the_client_is_told_at_once(server: PostgresServer) -> None:
    with Proxy(server.folder / "nowhere") as proxy:
        url = f"postgresql+psycopg://postgres@/postgres?host=127.0.0.1&port={proxy.port}"
        engine = sa.create_engine(url)
        with pytest.raises(sa.exc.OperationalError):
            _kept(engine)
