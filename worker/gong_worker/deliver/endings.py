"""How a received message may end."""

from dataclasses import dataclass
from enum import Enum, auto

from gong_worker.domain.parts import Part


class End(Enum):
    """The ends that need no more than their name."""

    ACKNOWLEDGE = auto()  # the ledger has its end
    REQUEUE = auto()  # back to the head of its lane, at once
    FAIL = auto()  # its delivery failed unexpectedly: counted in Redis


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Acknowledged, and due again after so long."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class SetAside:
    """Its part of the traffic is held: it waits beside its lane."""

    part: Part


Ending = End | RetryLater | SetAside
