"""The questions of docs/ledger.md."""

import re
from pathlib import Path

import sqlalchemy as sa

from gong_worker.ledger import Ledger
from tests.integration.ledger.support import ask

PAGE = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()
QUESTIONS = [
    text.strip() for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL) for text in block.split("\n\n")
]


def test_every_question_is_answered(ledger: Ledger) -> None:
    """Each query of the page runs on both databases as it stands, and the first one tells what is there."""
    assert len(QUESTIONS) > 5 and all(text.startswith("-- ") for text in QUESTIONS)
    ask(ledger, "m1")
    with ledger.engine.connect() as connection:
        answers = [connection.execute(sa.text(text)).all() for text in QUESTIONS]
    assert answers[0][0] == ("sending", 1)
