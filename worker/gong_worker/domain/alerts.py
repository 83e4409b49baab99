"""Which troubles are worth telling a person about, without being asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

#: A worker that is restarted is away for some seconds.
NO_WORKER_SECONDS = 30.0
#: A token endpoint may be away for a moment; there is an hour until a token of a day ends.
NOT_RENEWED_SECONDS = 60.0


class AlertKind(StrEnum):
    """What an alert is about."""

    UNAUTHORIZED = "unauthorized"
    OAUTH = "oauth"
    HELD = "held"
    NO_WORKER = "no_worker"
    BACKLOG_LIVE = "backlog_live"
    BACKLOG_BULK = "backlog_bulk"
    DEAD_PER_HOUR = "dead_per_hour"
    DEAD_GROUP = "dead_group"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Condition:
    """A trouble that stands now. `key`: one alert for each. `after_seconds`: it is told once it has stood so long."""

    key: str
    text: str
    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Findings:
    """What one look found. A kind that is not in `looked` could not be judged: its alerts stay as they are."""

    looked: frozenset[AlertKind]
    conditions: tuple[Condition, ...]

    def ended(self, standing: Iterable[str]) -> list[str]:
        """Of these keys the ones whose trouble was looked for and is over."""
        found = {condition.key for condition in self.conditions}
        return [key for key in standing if kind_of(key) in self.looked and key not in found]


def key_of(kind: AlertKind, name: str = "") -> str:
    """The key of an alert; `name` tells those of one kind apart."""
    return f"{kind.value}:{name}" if name else kind.value


def kind_of(key: str) -> AlertKind | None:
    """The kind in a key; None for one of a later version."""
    try:
        return AlertKind(key.partition(":")[0])
    except ValueError:
        return None
