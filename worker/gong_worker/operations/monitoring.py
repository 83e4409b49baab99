"""A status in one exit code, for cron, Nagios, Kubernetes probes and the like."""

from dataclasses import dataclass
from enum import IntEnum

from gong_worker.domain.holds import GateState
from gong_worker.operations.status import Status


class CheckCode(IntEnum):
    """Exit codes of `gong-views status --check`; of several troubles the one that comes first in `check` counts."""

    FINE = 0
    ALERT = 1  # a threshold is passed, or a hold stands
    AWAY = 3  # the queue, its writes or the ledger
    NO_WORKER = 4


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The code and every trouble found, the gravest first."""

    code: CheckCode
    problems: list[str]


def check(
    status: Status, *, max_backlog_age_seconds: float | None = None, max_dead_letters: int | None = None
) -> CheckResult:
    """What is the matter: parts that are away, then workers, then holds and thresholds."""
    found: list[tuple[CheckCode, str]] = []
    if status.gate.state is GateState.UNAVAILABLE:
        found.append((CheckCode.AWAY, f"no call can be made: {status.gate.note}"))
    if status.queue.error is not None and status.queue.error != status.gate.note:
        found.append((CheckCode.AWAY, f"producers are refused: {status.queue.error}"))
    if status.ledger.error is not None:
        found.append((CheckCode.AWAY, status.ledger.error))
    if status.queue.live is not None and not any(worker.alive for worker in status.workers):
        found.append((CheckCode.NO_WORKER, "no worker is alive"))
    for hold in status.gate.holds:
        what = "the gate" if hold.part is None else str(hold.part)
        found.append((CheckCode.ALERT, f"{what} is held: {hold.reason.value}, {hold.note}"))
    ages = (status.oldest_waiting.live_seconds, status.oldest_waiting.bulk_seconds)
    age = max((seconds for seconds in ages if seconds is not None), default=0.0)
    if max_backlog_age_seconds is not None and age > max_backlog_age_seconds:
        found.append((CheckCode.ALERT, f"the oldest event has waited {age:.0f} s"))
    dead = status.dead_letters.open
    if max_dead_letters is not None and dead is not None and dead > max_dead_letters:
        found.append((CheckCode.ALERT, f"{dead} dead letters are open"))
    return CheckResult(found[0][0] if found else CheckCode.FINE, [text for _, text in found])
