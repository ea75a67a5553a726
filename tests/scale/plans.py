"""What PostgreSQL does with what a store sends: how many pages it goes through, in which tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import sqlalchemy as sa

__all__ = ["Plan", "Sent", "explained", "listened"]


@attrs.frozen
class Sent:
    """A statement as the driver got it."""

    statement: str
    parameters: Any


@attrs.frozen
class Plan:
    """What PostgreSQL did for a statement."""

    pages: int
    """read, from memory or disk"""
    scanned: frozenset[str]
    """the tables of which rows were looked for; planned and left out at run time: not those"""


@contextmanager
def listened(engine: sa.Engine) -> Iterator[list[Sent]]:
    """What is sent through the engine while the block runs; without the EXPLAIN with which the
    queue looks why it was slow: only a busy machine knows when it does.
    """
    sent: list[Sent] = []

    def hear(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if not statement.startswith("EXPLAIN"):
            sent.append(Sent(statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", hear)
    try:
        yield sent
    finally:
        sa.event.remove(engine, "before_cursor_execute", hear)


def explained(engine: sa.Engine, sent: Sent) -> Plan:
    """Run a statement again, and take back what it has written."""
    with engine.connect() as connection:
        # From nothing: what is sent for the first time reads the catalogue too.
        for _ in range(2):
            told = connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sent.statement}",
                sent.parameters,
            ).scalar_one()
            connection.rollback()
    plan = told[0]["Plan"]
    return Plan(
        pages=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        scanned=frozenset(_scanned(plan)),
    )


def _scanned(node: dict[str, Any]) -> Iterator[str]:
    if "Relation Name" in node and node["Actual Loops"] > 0 and node["Node Type"] != "ModifyTable":
        yield node["Relation Name"]
    for part in node.get("Plans", ()):
        yield from _scanned(part)
