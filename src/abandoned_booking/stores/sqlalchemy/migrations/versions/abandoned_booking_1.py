"""The tables."""

from abandoned_booking.stores.sqlalchemy.migrations import Step, step
from abandoned_booking.stores.sqlalchemy.migrations._steps import BRANCH, no_way_back

revision = "abandoned_booking_1"
down_revision = None
branch_labels = (BRANCH,)
depends_on = None


@step(1, needs=1)
def upgrade(at: Step) -> None:
    """Make them as they are today."""
    at.create_tables()


downgrade = no_way_back
