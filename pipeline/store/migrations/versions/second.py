"""Whether heads were kept in a visit's picture."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Nothing is known of visits that are there already."""
    op.add_column("visit", sa.Column("heads", sa.SmallInteger))
