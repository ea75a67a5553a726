"""Column types that mean the same on every database: instants, and text compared as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

__all__ = ["Document", "Exact", "Instant", "is_mysql"]


def is_mysql(dialect: sa.Dialect) -> bool:
    """Whether it is MySQL or MariaDB, by whichever of the two URLs."""
    return dialect.name in {"mysql", "mariadb"}


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC instant with microseconds.

    PostgreSQL: ``timestamptz``; elsewhere a time without zone that is UTC.
    """

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if is_mysql(dialect):
            # Without fsp MySQL rounds to seconds.
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class Exact(sa.types.TypeDecorator[str]):
    """Text that is compared and sorted by code point: case, accents and trailing blanks count."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self._length = length

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        length = self._length
        if is_mysql(dialect):
            # The usual collations, utf8mb4_bin too, take "a " for "a".
            maria = getattr(dialect, "is_mariadb", False)
            collation = "utf8mb4_nopad_bin" if maria else "utf8mb4_0900_bin"
            kind = mysql.VARCHAR(length) if length else mysql.MEDIUMTEXT()
            kind.charset, kind.collation = "utf8mb4", collation
            return dialect.type_descriptor(kind)
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.String(length, collation="C"))
        return dialect.type_descriptor(sa.String(length))


_MEDIUM: Final = 2**24 - 1
"""bytes of MySQL's MEDIUMTEXT; a server that is sent more than it takes closes the connection"""


class Document(sa.types.TypeDecorator[str]):
    """JSON as text: the library's codec reads and writes it, no database looks into it."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is not None and is_mysql(dialect) and 4 * len(value) > _MEDIUM:
            size = len(value.encode())
            if size > _MEDIUM:
                raise OverflowError(f"a document of {size} bytes")
        return value

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if is_mysql(dialect):
            # A plain TEXT ends at 64 KB.
            return dialect.type_descriptor(mysql.MEDIUMTEXT(charset="utf8mb4"))
        return dialect.type_descriptor(sa.Text())
