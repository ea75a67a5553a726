"""The nine o'clock rush drains as fast as the gateway sends, and makes nobody else late."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest
import sqlalchemy as sa
from scale.rush import Rush

from abandoned_booking.ports import SupportsFairClaims
from abandoned_booking.stores.sqlalchemy import SqlAlchemyStore

# 300 texts take this gateway 50 minutes: within the grace, so that all of them go.
RUSH: Final = Rush(crowd=280, others=20, each=timedelta(seconds=10), workers=2, at_once=24)
ONE_BATCH: Final = 8 * RUSH.each


@pytest.fixture
def store(empty_postgres: sa.Engine) -> SqlAlchemyStore:
    made = SqlAlchemyStore(empty_postgres)
    made.create_all()
    RUSH.fill(made)
    return made


def test_a_rush_of_one_business_drains_at_the_gateways_rate_and_makes_nobody_else_late(
    store: SqlAlchemyStore,
) -> None:
    drained = RUSH.drain(lambda: SqlAlchemyStore(store._database.engine))
    assert drained.missing == 0
    assert drained.sent == RUSH.crowd + RUSH.others
    assert drained.took == drained.sent * RUSH.each, "the gateway never waits for us"
    # Due while a batch is being sent, and the next batch may be of those that are due longest.
    assert max(drained.late) <= 3 * ONE_BATCH


class _WithoutTurns(SqlAlchemyStore):
    claim_due_fairly = None  # type: ignore[assignment]


def test_without_turns_the_others_would_wait_for_the_whole_crowd(store: SqlAlchemyStore) -> None:
    # So that the test before can fail.
    assert not isinstance(_WithoutTurns(store._database.engine), SupportsFairClaims)
    drained = RUSH.drain(lambda: _WithoutTurns(store._database.engine))
    assert max(drained.late) > timedelta(minutes=40)
