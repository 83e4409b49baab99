"""The ledger of a process that may not need it: opened, and SQLAlchemy loaded, when it does."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from gong_worker.ledger.look import look

if TYPE_CHECKING:
    from gong_worker.ledger.ledger import Ledger


class LazyLedger:
    """The ledger at `url`, which `open_it` opens for the first thread that needs it. Connects to nothing before."""

    def __init__(self, url: str, open_it: "Callable[[], Ledger]") -> None:
        self._url, self._open_it = url, open_it
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._looked: dict[str, int] | None = None

    def open(self) -> "Ledger":
        """The same ledger each time. Raises LedgerError when none can be at such an address."""
        with self._lock:
            if self._ledger is None:
                self._ledger = self._open_it()
            return self._ledger

    def counts(self) -> dict[str, int]:
        """`Ledger.counts`: the first time, unless the ledger is open, by a look.

        Raises LedgerUnavailable, and LedgerError when no ledger can be at such an address.
        """
        if self._ledger is None and self._looked is None:  # who asks again is no short command
            self._looked = look(self._url)
            if self._looked is not None:
                return self._looked
        return self.open().counts()

    def calls_per_minute(
        self, since: datetime, *, open_until: datetime | None = None
    ) -> Sequence[tuple[datetime, int]]:
        """`Ledger.calls_per_minute`, for which a ledger that a look found empty is not opened.

        So an installation that has delivered nothing yet has a quick `status`, too. Raises what `counts` does.
        """
        if self._ledger is None and self._looked is not None and not any(self._looked.values()):
            return ()
        return self.open().calls_per_minute(since, open_until=open_until)

    def operator_limits(self) -> Mapping[str, float]:
        """`Ledger.operator_limits`. Raises what `counts` does."""
        return self.open().operator_limits()

    def close(self) -> None:
        """Close the connections, if there are any."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
