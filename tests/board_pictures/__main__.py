"""Draws the boards into a folder: `python -m tests.board_pictures [FOLDER] [--minutes 4]` (default: docs).

`board-now.png`: a queue, a worker, `serve`, the simulator and a Prometheus run for so long (it has to be on PATH).
`board-ledger.png`: a PostgreSQL ledger with two weeks of made-up events, read as the role of the dashboards.
"""

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from gong_worker.ledger import Ledger, migrate, open_engine
from tests.board_pictures.draw import draw
from tests.board_pictures.history import BEGIN, END, write_history
from tests.board_pictures.panels import Shown, of_prometheus, of_rows
from tests.board_pictures.sandbox import played
from tests.support import boards
from tests.support.roles import ledger_roles
from tests.support.servers import Postgres


def picture_of_now(folder: Path, minutes: float) -> None:
    """The board on the metrics."""
    board = boards.load(boards.NOW)
    shown: dict[int, list[Shown]] = {}
    with tempfile.TemporaryDirectory(prefix="gong-views-board-") as work, played(Path(work), minutes) as run:
        for question in boards.questions(board):
            text = boards.promql(board, question.text, {"lane": [boards.ALL]}, rate_interval="15s")
            found = run.server.now(text) if question.instant else run.server.over(text, run.begin, run.end)
            shown.setdefault(question.panel["id"], []).append(of_prometheus(question, found))
    times = (datetime.fromtimestamp(run.begin, UTC), datetime.fromtimestamp(run.end, UTC))
    draw(board, shown, times, folder / "board-now.png")


def picture_of_the_ledger(folder: Path) -> None:
    """The board on the ledger's SQL."""
    board = boards.load(boards.LEDGER)
    shown: dict[int, list[Shown]] = {}
    with tempfile.TemporaryDirectory(prefix="gong-views-board-") as work:
        server = Postgres(Path(work))
        try:
            with ledger_roles(server) as roles:
                migrate(roles.url("owner"))
                ledger = Ledger(open_engine(roles.url("worker")))
                write_history(ledger)
                ledger.close()
                engine = sa.create_engine(roles.url("dashboards"))
                with engine.connect() as connection:
                    for question in boards.questions(board):
                        choice = {name: [boards.ALL] for name in boards.variables(board)}
                        rows = connection.execute(
                            sa.text(boards.sql(board, question.text, choice, BEGIN, END))
                        )
                        found = [dict(row) for row in rows.mappings()]
                        shown.setdefault(question.panel["id"], []).append(of_rows(question, found))
                engine.dispose()
        finally:
            server.stop()
    draw(board, shown, (BEGIN, END), folder / "board-ledger.png")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.board_pictures", description=__doc__)
    parser.add_argument("folder", nargs="?", default=boards.ROOT / "docs", type=Path)
    parser.add_argument("--minutes", default=4.0, type=float, help="how long the sandbox runs")
    parser.add_argument("--only", choices=["now", "ledger"], help="one board only")
    given = parser.parse_args()
    if given.only != "now":
        picture_of_the_ledger(given.folder)
    if given.only != "ledger":
        picture_of_now(given.folder, given.minutes)


if __name__ == "__main__":
    main()
