"""The gate as the workers see it, whoever asks.

A hold for a refused credential or a wrong base URL binds those who have it. Who asks may have none, or another one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from gong_worker.domain.holds import GateState
from gong_worker.gate import GateStatus, HoldView
from gong_worker.operations.services import Services
from gong_worker.queue.workers import Worker, read_workers

_OF_SOME: Final = " (of some workers: they have different credentials or base URLs)"


def gate_of_workers(
    services: Services, workers: Sequence[Worker] | None = None, *, whole_day: bool = True
) -> GateStatus:
    """The gate with each hold that binds a living worker as `mine`; open when it is for one of them.

    Without a living worker it is that of those who were killed, else our own. Raises GateUnavailable, RedisError, and
    what the gate's history raises, which is not asked without `whole_day`.
    """
    if workers is None:
        workers = read_workers(services.client)
    pairs = _pairs(worker for worker in workers if worker.alive) or _pairs(workers)
    of_whom: Sequence[tuple[str, str] | None] = pairs or [None]
    seen = [services.gate.status(seen_by=pair, whole_day=whole_day) for pair in of_whom]
    told = next((one for one in seen if one.state == GateState.OPEN), seen[0])
    if len(seen) == 1:
        return told
    mine = [hold for hold in told.holds if hold.mine]
    others = {
        (hold.reason, hold.since): _of_some(hold)
        for one in seen
        for hold in one.holds
        if hold.mine and not any((hold.reason, hold.since) == (own.reason, own.since) for own in mine)
    }
    return replace(told, holds=(*mine, *others.values()))


def _pairs(workers: Iterable[Worker]) -> list[tuple[str, str]]:
    """Every credential with its base URL; workers of a release that does not tell them are left out."""
    found = ((worker.credential, worker.target) for worker in workers)
    return sorted({pair for pair in found if all(pair)})


def _of_some(hold: HoldView) -> HoldView:
    return replace(hold, note=hold.note + _OF_SOME)
