"""For tests: a version that workers of today cannot live with. It contracts."""

from alembic import op

from abandoned_booking.stores.sqlalchemy.migrations import Step, step
from abandoned_booking.stores.sqlalchemy.migrations._steps import no_way_back

revision = "abandoned_booking_3"
down_revision = "abandoned_booking_2"
branch_labels = None
depends_on = None


@step(3, needs=2)
def upgrade(at: Step) -> None:
    at.quickly(lambda: op.drop_column("abandoned_booking_requests", "care_type"))


downgrade = no_way_back
