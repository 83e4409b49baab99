"""The gate: one budget of calls for every worker on every machine, decided in Redis.

`docs/pacing.md` explains the law it keeps. The scripts are in `lua/`; the key map heads `lua/state.lua`.
"""

from gong_worker.gate.gate import Gate
from gong_worker.gate.settings import GateSettings
from gong_worker.gate.trouble import GateUnavailable, RedisTrouble
from gong_worker.gate.types import (
    GateStatus,
    Go,
    Held,
    HoldView,
    Lapsed,
    Later,
    Open,
    Probe,
    Share,
    Slot,
)

__all__ = [
    "Gate",
    "GateSettings",
    "GateStatus",
    "GateUnavailable",
    "Go",
    "Held",
    "HoldView",
    "Lapsed",
    "Later",
    "Open",
    "Probe",
    "RedisTrouble",
    "Share",
    "Slot",
]
