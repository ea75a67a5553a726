"""How the tables come to be and move forward, with Alembic, while workers go on.

::

    upgrade(engine)                     # or: abandoned-booking db upgrade --url ...

A host with an Alembic of its own adds ``VERSIONS`` to its ``version_locations`` and upgrades to
``abandoned_booking@head``; see *Upgrade the database* in the docs, also for the rules that every
version keeps.

The first revision makes the tables as they are today, each later one (``step``) what is missing
from the version before: so a new database needs no history, and an old one no copy. What has been
done is written into ``schema_version``, which the store looks at; Alembic's own table only serves
Alembic. Every step looks first, so it does no harm to begin it again.
"""

try:
    import alembic  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "alembic":
        raise
    raise ImportError(
        "abandoned_booking.stores.sqlalchemy.migrations needs Alembic; "
        "pip install 'abandoned-booking[sql]'"
    ) from error

from abandoned_booking.stores.sqlalchemy.migrations._place import Place
from abandoned_booking.stores.sqlalchemy.migrations._running import (
    VERSIONS,
    State,
    Upgraded,
    sql,
    state_of,
    upgrade,
)
from abandoned_booking.stores.sqlalchemy.migrations._steps import Step, step

__all__ = ["VERSIONS", "Place", "State", "Step", "Upgraded", "sql", "state_of", "step", "upgrade"]
