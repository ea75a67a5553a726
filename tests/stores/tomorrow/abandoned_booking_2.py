"""For tests: a version that workers of today can live with. It expands, and fills what is there."""

import sqlalchemy as sa
from stores import tomorrows

from abandoned_booking.stores.sqlalchemy._types import Exact
from abandoned_booking.stores.sqlalchemy.migrations import Step, step
from abandoned_booking.stores.sqlalchemy.migrations._steps import no_way_back

revision = "abandoned_booking_2"
down_revision = "abandoned_booking_1"
branch_labels = None
depends_on = None


@step(2, needs=1)
def upgrade(at: Step) -> None:
    at.add_column("requests", sa.Column("colour", Exact(20)))
    tomorrows.between()
    at.create_index(
        "requests_by_colour",
        "requests",
        ["business_id", "colour", "abandoned_at DESC"],
        where="colour IS NOT NULL",
    )
    tomorrows.between()
    at.fill("requests", "colour = 'red'", where="colour IS NULL")
    tomorrows.between()


downgrade = no_way_back
