"""Opening the queue, gate and ledger for a command."""

from gong_worker.gate import Gate
from gong_worker.operations.services import Office
from gong_worker.runtime import open_gate, open_office
from gong_worker.settings import WorkerSettings


def office(*, ledger_may_be_away: bool = False) -> Office:
    """What an operator's command works on, from the environment."""
    return open_office(WorkerSettings.load(), ledger_may_be_away=ledger_may_be_away)


def gate() -> Gate:
    """The gate alone, for what an operator may have to do while the ledger is away."""
    return open_gate(WorkerSettings.load())
