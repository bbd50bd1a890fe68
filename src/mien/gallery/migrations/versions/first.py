"""The first tables: the gallery itself, people, their photos' checksums, and the vectors of those."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mien.gallery.database import UtcDateTime, Vector

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing -> version 0001."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    meta = op.create_table(
        "gallery",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("chain", sa.Text),
        sa.Column("digest", sa.String(64)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sweep", sa.Boolean, nullable=False),
    )
    op.bulk_insert(meta, [{"id": 1, "version": 0, "sweep": False}])
    op.create_table(
        "people",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False, unique=True),
        sa.Column("consent", sa.Text),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("changed", sa.Integer, nullable=False, index=True),
        sa.Column("template", Vector, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "photos",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person_id", sa.Integer, sa.ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("added", UtcDateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "embeddings",
        sa.Column("photo_id", sa.Integer, sa.ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("vector", Vector, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("side", sa.Double, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Version 0001 -> nothing."""
    for table in ("embeddings", "photos", "people", "gallery"):
        op.drop_table(table)
