"""What every part of the ledger works on."""

from sqlalchemy.engine import Engine

from gong_worker.ledger.group_commit import StepsTogether
from gong_worker.ledger.step_runner import StepsInOneTrip


class LedgerPart:
    """The operations of one concern; `Ledger` is all of them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.steps = StepsTogether(engine) if engine.dialect.name == "sqlite" else StepsInOneTrip(engine)
