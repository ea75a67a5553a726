"""Where the tables stand, as an Alembic configuration says it."""

from __future__ import annotations

from typing import Final

import attrs
import sqlalchemy as sa
from alembic.config import Config

from abandoned_booking.errors import StoreError
from abandoned_booking.stores.sqlalchemy._schema import Tables

__all__ = ["Place"]

_KEY: Final = "abandoned_booking"


@attrs.frozen(kw_only=True)
class Place:
    """The schema and prefix that the store was given, too."""

    schema: str | None = None
    table_prefix: str = "abandoned_booking_"
    partitions: int = 0
    """into how many a new table is split (PostgreSQL); 0: not at all"""

    def in_config(self) -> Config:
        """A configuration that says so."""
        config = Config()
        config.attributes[_KEY] = self
        return config

    @classmethod
    def of(cls, config: Config | None) -> Place:
        """What a configuration says, ours or the ``[alembic]`` section of a host's own file."""
        if config is None:
            return cls()
        known = config.attributes.get(_KEY)
        if isinstance(known, cls):
            return known
        partitions = config.get_main_option(f"{_KEY}_partitions", "0")
        if not partitions.isdecimal():
            raise StoreError(f"{_KEY}_partitions is not a number; put one into the [alembic] part")
        return cls(
            schema=config.get_main_option(f"{_KEY}_schema") or None,
            table_prefix=config.get_main_option(f"{_KEY}_table_prefix", cls().table_prefix),
            partitions=int(partitions),
        )

    @property
    def version_table(self) -> str:
        """Alembic's table for the history of ours alone."""
        return f"{self.table_prefix}alembic_version"

    def tables(self, dialect: sa.Dialect, *, partitioned: bool = False) -> Tables:
        """The tables of today, there, on a kind of database."""
        return Tables.define(
            sa.MetaData(),
            dialect=dialect.name,
            schema=self.schema,
            prefix=self.table_prefix,
            partitioned=partitioned,
        )
