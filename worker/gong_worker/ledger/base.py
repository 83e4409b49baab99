"""What every part of the ledger works on."""

from sqlalchemy.engine import Engine


class LedgerPart:
    """The operations of one concern; `Ledger` is all of them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
