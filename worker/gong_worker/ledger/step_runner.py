"""Runs the steps of ordinary deliveries on connections that are kept for them.

Such a connection is out of the engine's pool, whose tests and resets cost more than a step does, and in no transaction
between two steps. Whatever goes wrong on it, it is closed.
"""

import time
from abc import ABC, abstractmethod
from typing import Any, Final

from sqlalchemy.engine import Engine

from gong_worker.ledger.engine import file_of
from gong_worker.ledger.prepared import Bound, Prepared
from gong_worker.ledger.steps import Step
from gong_worker.ledger.transactions import translated

_RECYCLE_SECONDS: Final = 1800.0


class Kept:
    """A driver's connection and its cursor."""

    def __init__(self, engine: Engine, *, was_idle: bool = False) -> None:
        self._proxy = engine.raw_connection()
        self._proxy.detach()
        driver: Any = self._proxy.dbapi_connection
        self.driver = driver
        self.was_idle = was_idle
        self._engine = engine
        self._file = file_of(engine)
        self._opened = time.monotonic()
        if engine.dialect.name == "postgresql":
            driver.autocommit = True
        self.cursor = driver.cursor()

    def is_old(self) -> bool:
        """Whether a new one should take its place."""
        return time.monotonic() - self._opened > _RECYCLE_SECONDS or self._file != file_of(self._engine)

    def close(self) -> None:
        """Roll back what is open, and close it."""
        self._proxy.close()


class StepRunner(ABC):
    """Runs steps for any number of threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._idle: list[Kept] = []
        self._prepared: dict[Step, Prepared] = {}

    def run(self, step: Step, values: dict[str, Any]) -> Any:
        """The step's answer, True if it has none of its own; None when its condition did not hold.

        Raises LedgerUnavailable, LedgerRefused, and what a column's type raises for a value.
        """
        prepared = self._prepared.get(step)
        if prepared is None:
            prepared = self._prepared[step] = step.prepared(self.engine.dialect)
        bound = prepared.bind(values)
        with translated(self.engine):
            return self._run(step, bound)

    @abstractmethod
    def _run(self, step: Step, bound: Bound) -> Any: ...

    def take(self) -> Kept:
        """A connection for oneself, to be closed or put back."""
        while True:
            try:
                kept = self._idle.pop()
            except IndexError:
                return Kept(self.engine)
            if not kept.is_old():
                return kept
            kept.close()

    def put_back(self, kept: Kept) -> None:
        """It is in no transaction."""
        kept.was_idle = True
        self._idle.append(kept)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()


class StepsInOneTrip(StepRunner):
    """PostgreSQL's: each step is one statement, committed by itself, on as many connections as there are at once."""

    def _run(self, step: Step, bound: Bound) -> Any:
        while True:
            kept = self.take()
            try:
                row = kept.cursor.execute(*bound[0]).fetchone()
            except BaseException:
                # The server closed it, perhaps long ago. What became of the step is unknown, but all of them may be
                # run again: on a connection that was idle as well, or at last on a new one, whose error stands.
                broken = kept.driver.broken
                kept.close()
                if kept.was_idle and broken:
                    continue
                raise
            self.put_back(kept)
            return row and row[0]
