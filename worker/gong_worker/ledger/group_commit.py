"""Steps on SQLite: those that wait for their turn to write are committed together, with one flush to disk.

Whoever has the turn runs its own step and all that wait, in one transaction; nobody returns before the COMMIT.
"""

import sqlite3
from collections import deque
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Engine

from gong_worker.ledger.prepared import Bound
from gong_worker.ledger.step_runner import StepRunner
from gong_worker.ledger.steps import Step
from gong_worker.ledger.transactions import turn


@dataclass(eq=False)
class _Waiting:
    """A step that its thread waits for."""

    step: Step
    bound: Bound
    wanted: bool = True
    committed: bool = False
    answer: Any = None


class StepsTogether(StepRunner):
    """One writer at a time, on one connection."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._waiting: deque[_Waiting] = deque()

    def _run(self, step: Step, bound: Bound) -> Any:
        ours = _Waiting(step, bound)
        self._waiting.append(ours)
        try:
            with turn(self.engine):
                if not ours.committed:
                    self._write(ours)
        finally:
            ours.wanted = False  # it had no turn: nobody shall run it when we are gone
        return ours.answer

    def _write(self, ours: _Waiting) -> None:
        batch = [ours]
        while self._waiting:
            other = self._waiting.popleft()
            if other is not ours and other.wanted:
                batch.append(other)
        try:
            self._commit(batch)
        except Exception as error:
            if len(batch) == 1 or isinstance(error, sqlite3.OperationalError):
                raise
            # A value of one of them was refused: each by itself, the others when they have the turn.
            self._commit([ours])

    def _commit(self, batch: list[_Waiting]) -> None:
        kept = self.take()
        try:
            kept.cursor.execute("BEGIN IMMEDIATE")
            answers = [_answer(kept.cursor, waiting) for waiting in batch]
            kept.cursor.execute("COMMIT")
        except BaseException:
            kept.close()
            raise
        self.put_back(kept)
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.answer, waiting.committed = answer, True


def _answer(cursor: sqlite3.Cursor, waiting: _Waiting) -> Any:
    decides, *then = waiting.bound
    cursor.execute(*decides)
    if cursor.rowcount == 0:
        return None
    for statement in then:
        cursor.execute(*statement)
    return cursor.fetchall()[0][0] if waiting.step.answers else True
