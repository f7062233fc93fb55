"""The tables of 0.1.0: form 2 of the SQLite file. Only named here, for whatever is stamped with it has them."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    pass
