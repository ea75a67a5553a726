"""The world of :mod:`door_world` on each store that is shipped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from door_world import Clients, Credits, World

from abandoned_booking.ports import RequestStore
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.stores.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RequestStore]:
    """An empty store of each kind that is shipped."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with SqliteStore(tmp_path / "bookings.db", busy_timeout=timedelta(seconds=5)) as sqlite:
        yield sqlite


@pytest.fixture
def clients() -> Clients:
    return Clients()


@pytest.fixture
def credits() -> Credits:
    return Credits(balance=10)


@pytest.fixture
def world(store: RequestStore) -> World:
    return World(store)


@pytest.fixture
def salon(store: RequestStore, clients: Clients, credits: Credits) -> World:
    """A world with a client list and credits."""
    return World(store, clients=clients, credits=credits)
