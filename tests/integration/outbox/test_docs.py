"""docs/outbox.md can be copied as it stands."""

import re
import threading
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.orm import Session

from gong_views import ViewQueue
from tests.integration.outbox.support import backend_engine, queued, unrelayed
from tests.support.servers import wait_until

DOCUMENT = Path(__file__).parents[3] / "docs" / "outbox.md"
ENVIRONMENT = """
from alembic import context
import sqlalchemy as sa
with sa.create_engine(context.config.attributes["url"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def block(containing: str) -> str:
    """The one Python block with that text."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    [found] = [text for text in blocks if containing in text]
    return str(found)


def test_the_documented_way_works(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """The migration, the use and the relay of the page, run as a backend would, bring an event to the queue."""
    (tmp_path / "host" / "versions").mkdir(parents=True)
    (tmp_path / "host" / "env.py").write_text(ENVIRONMENT)
    (tmp_path / "host" / "versions" / "outbox.py").write_text(block("schema.upgrade(op"))
    config = Config()
    config.set_main_option("script_location", str(tmp_path / "host"))
    config.attributes["url"] = database_url
    command.upgrade(config, "head")

    engine = backend_engine(database_url)
    names: dict[str, object] = {}
    exec(block("to_metadata"), names)
    exec(block("def deck_viewed"), names)
    with Session(engine) as session:
        names["deck_viewed"](session, "view-1", "dana@globex.example")  # type: ignore[operator]

    def wait_for_relay() -> None:
        wait_until(lambda: unrelayed(engine) == 0, "the row to be relayed")

    text = block("threading.Thread").replace("...\n", "wait_for_relay()\n").replace("ViewQueue(", "queue_of(")
    text = text.replace('create_engine("sqlite:///shop.db")', "backend")
    names |= {
        "backend": engine,
        "wait_for_relay": wait_for_relay,
        "queue_of": lambda source: ViewQueue(redis_url, source=source),
    }
    exec(text, names)
    assert queued(redis_url) == ["view-1"]
    assert isinstance(names["stop"], threading.Event)
    assert names["stop"].is_set()
    command.downgrade(config, "base")
    assert "gong_views_outbox" not in sa.inspect(engine).get_table_names()
    engine.dispose()
