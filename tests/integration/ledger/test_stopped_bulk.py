"""Where a bulk action over dead letters ends when it is told to stop."""

import pytest

from gong_worker.ledger import DeadLetterFilter, Ledger
from gong_worker.operations.dead_letters import PAGE, Bulk, discard
from tests.console.letters import insert


@pytest.mark.parametrize(("letters", "interrupted"), [(PAGE, False), (PAGE + 1, True)])
def test_stopped_means_that_something_is_left(ledger: Ledger, letters: int, interrupted: bool) -> None:
    """Told to stop within the last page it has done everything, and does not ask to be run again."""
    insert(ledger, letters)
    bulk = Bulk("anna", progress=lambda _done: bulk.stop.set())
    result = discard(ledger, DeadLetterFilter(), bulk, reason="a test")
    assert (result.done, result.interrupted) == (PAGE, interrupted)
