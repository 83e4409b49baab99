"""The installation's own keys: made once by the migration, read by whoever has to hash what a guess could confirm."""

import secrets
from typing import Final

import sqlalchemy as sa

from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.errors import LedgerUnavailable
from gong_worker.ledger.models import INSTALLATION_KEYS
from gong_worker.ledger.transactions import reading

HASHES: Final = "hashes"
_BYTES: Final = 32
_ADD: Final = rows.OnEach(
    INSTALLATION_KEYS, lambda insert: insert.on_conflict_do_nothing(index_elements=["name"])
)
_READ: Final = sa.select(INSTALLATION_KEYS.c.value).where(INSTALLATION_KEYS.c.name == HASHES)


class Keys(LedgerPart):
    """The key of the hashes: the one that the settings give, or the ledger's own."""

    _hash_key: bytes | None = None

    def use_hash_key(self, key: bytes) -> None:
        """Use this one, which is kept outside of the ledger."""
        self._hash_key = key

    def hash_key(self) -> bytes:
        """The key, read once. Raises LedgerUnavailable, also when somebody has deleted it."""
        if self._hash_key is None:
            with reading(self.engine) as connection:
                found = connection.execute(_READ).scalar()
            if found is None:
                raise LedgerUnavailable(
                    "the ledger is unavailable: it has lost its key (installation_keys); restore that row from a "
                    "backup, or let `gong-views migrate` make a new key: then dead events that come again are sent "
                    "once more"
                )
            self._hash_key = bytes.fromhex(found)
        return self._hash_key


def make_keys(connection: sa.Connection) -> None:
    """Make what is missing; a key that is there stays."""
    row = {"name": HASHES, "value": secrets.token_hex(_BYTES)}
    connection.execute(_ADD[connection.dialect.name], row)
