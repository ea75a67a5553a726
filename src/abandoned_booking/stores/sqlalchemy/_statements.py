"""Pieces of statements that are built once and given their values with each call.

SQLAlchemy takes as long to build a statement, and to find out that it knows it already, as
PostgreSQL takes to run it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

__all__ = ["new_value", "new_values", "update_of"]

_NEW = "new_"


def new_value(table: sa.Table, name: str) -> sa.BindParameter[Any]:
    """What a column is given: under a name of its own, for SQLAlchemy keeps the column's."""
    return sa.bindparam(f"{_NEW}{name}", type_=table.c[name].type)


def new_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of columns under the names of :func:`new_value`."""
    return {f"{_NEW}{name}": value for name, value in values.items()}


def update_of(table: sa.Table, key: Iterable[str], names: Iterable[str]) -> sa.Update:
    """An UPDATE of some columns of the row of a key."""
    of_key = (table.c[name] == new_value(table, name) for name in key)
    return sa.update(table).where(*of_key).values({name: new_value(table, name) for name in names})
