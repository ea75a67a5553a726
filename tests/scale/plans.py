"""What PostgreSQL does with what a store sends: how many pages it goes through, in which tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs
import sqlalchemy as sa

__all__ = ["Plan", "Sent", "explained", "listened"]

_OF_TABLES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


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
    """What is asked of the tables through the engine while the block runs.

    Not what a store asks about itself: why it was slow (EXPLAIN), how the server is set (SHOW).
    """
    sent: list[Sent] = []

    def hear(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if statement.startswith(_OF_TABLES):
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
