"""``abandoned-booking db``: the tables of an SQL database, made, moved forward and looked at.

The URL may hold a password: no line that is printed repeats it.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Annotated

import typer

from abandoned_booking.cli._options import Json
from abandoned_booking.cli._output import emit_json, show
from abandoned_booking.errors import StoreError

__all__ = ["database"]

database = typer.Typer(help="Create and upgrade the tables of an SQL database.")

Url = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="ABANDONED_BOOKING_DATABASE_URL",
        show_default=False,
        help="The database, as SQLAlchemy writes it: postgresql+psycopg://user@host/name. Better "
        "given by the variable: other users of a machine may see command lines.",
    ),
]
Schema = Annotated[
    str | None,
    typer.Option("--schema", metavar="NAME", help="The schema of the tables, if not the usual."),
]
TablePrefix = Annotated[
    str, typer.Option("--table-prefix", metavar="TEXT", help="What their names begin with.")
]
Partitions = Annotated[
    int,
    typer.Option(
        "--partitions",
        metavar="N",
        min=0,
        help="Split each new table by business into as many (PostgreSQL); 0: not at all.",
    ),
]
_PREFIX = "abandoned_booking_"


@database.command("upgrade")
def upgrade(
    url: Url,
    schema: Schema = None,
    table_prefix: TablePrefix = _PREFIX,
    partitions: Partitions = 0,
    as_json: Json = False,
) -> None:
    """Create the tables, or upgrade them, while workers go on. A repeat does no harm."""
    done = _migrations().upgrade(
        url, schema=schema, table_prefix=table_prefix, partitions=partitions
    )
    if as_json:
        emit_json({"before": done.before, "after": done.after})
    elif done.before == done.after:
        show(f"The tables are of version {done.after} already.")
    elif done.before:
        show(f"The tables were of version {done.before}, and are of version {done.after} now.")
    else:
        show(f"The tables are there now, of version {done.after}.")


@database.command("check")
def check(
    url: Url,
    schema: Schema = None,
    table_prefix: TablePrefix = _PREFIX,
    as_json: Json = False,
) -> None:
    """Say whether this version can work with the tables. Changes nothing."""
    state = _migrations().state_of(url, schema=schema, table_prefix=table_prefix)
    if state.missing:
        raise StoreError(
            f"the tables lack {', '.join(state.missing)}; put them back as "
            "abandoned-booking db sql shows them"
        )
    if as_json:
        emit_json({"version": state.version, "known": state.known})
    else:
        show(f"The tables are of version {state.version}; this program knows {state.known}.")


@database.command("sql")
def sql(
    url: Url,
    schema: Schema = None,
    table_prefix: TablePrefix = _PREFIX,
    partitions: Partitions = 0,
    since: Annotated[
        int,
        typer.Option("--since", metavar="N", min=0, help="The version that is there; 0: none."),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Print the statements of an upgrade, for somebody else to run. Connects to nothing."""
    statements = _migrations().sql(
        url, schema=schema, table_prefix=table_prefix, partitions=partitions, since=since
    )
    if as_json:
        emit_json({"sql": statements})
    else:
        sys.stdout.write(statements)


def _migrations() -> ModuleType:
    try:
        from abandoned_booking.stores.sqlalchemy import migrations
    except ImportError as error:
        raise StoreError(str(error)) from error
    return migrations
