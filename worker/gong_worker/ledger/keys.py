"""The installation's own keys: made once by the migration, read by whoever has to hash what a guess could confirm."""

import secrets
from typing import Final

import sqlalchemy as sa

from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.models import InstallationKey
from gong_worker.ledger.transactions import reading

HASHES: Final = "hashes"
_BYTES: Final = 32
_ADD: Final = rows.on_each(
    InstallationKey, lambda insert: insert.on_conflict_do_nothing(index_elements=["name"])
)
_READ: Final = sa.select(InstallationKey.value).where(InstallationKey.name == HASHES)


class Keys(LedgerPart):
    """Reads of the keys."""

    def hash_key(self) -> bytes:
        """The key of the hashes; LookupError when somebody deleted it."""
        with reading(self.engine) as connection:
            found = connection.execute(_READ).scalar()
        if found is None:
            raise LookupError("the ledger has lost its key: `gong-views migrate` makes another")
        return bytes.fromhex(found)


def make_keys(connection: sa.Connection) -> None:
    """Make what is missing; a key that is there stays."""
    row = {"name": HASHES, "value": secrets.token_hex(_BYTES)}
    connection.execute(_ADD[connection.dialect.name], row)
