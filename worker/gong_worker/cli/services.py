"""Opening the queue, gate and ledger for a command."""

from gong_worker.gate import Gate
from gong_worker.operations.services import Services
from gong_worker.runtime import open_gate as connect_gate
from gong_worker.runtime import open_services
from gong_worker.settings import WorkerSettings


def services(*, ledger_may_be_away: bool = False) -> Services:
    """What an operator's command works on, from the environment."""
    return open_services(WorkerSettings.load(), ledger_may_be_away=ledger_may_be_away)


def open_gate() -> Gate:
    """The gate alone, for what an operator may have to do while the ledger is away."""
    return connect_gate(WorkerSettings.load())
