"""What is loaded at a start, which is most of what a short command takes."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field

import gong_views
from gong_views.field_texts import field_texts
from gong_worker import ledger
from tests.support.imports import loaded


def test_status_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """Neither the event's models nor what only a worker, another database or a migration needs."""
    # Nobody listens there: it tells so, and ends with 3.
    found, _ = loaded(
        ["-m", "gong_worker", "status"], 3, REDIS_URL="redis://127.0.0.1:1", GONG_VIEWS_DATA_DIR=str(tmp_path)
    )
    assert {"redis", "sqlalchemy", "pydantic"} <= found
    assert found.isdisjoint(
        {
            *("gong_views.event", "gong_views.schema", "gong_views.queue", "gong_views.aio"),
            *(
                "sqlalchemy.orm",
                "sqlalchemy.dialects.postgresql",
                "alembic",
                "celery",
                "kombu",
                "httpx",
                "rich",
            ),
        }
    )


def test_gong_views_loads_what_is_asked_for() -> None:
    """Its import alone reads no module of a name, and each public name is there, to be found by `dir` as well."""
    found, _ = loaded(["-c", "import gong_views"], 0)
    assert {name for name in found if name.startswith("gong_views")} == {
        "gong_views",
        "gong_views.lazy_names",
    }
    for name in gong_views.__all__:
        assert getattr(gong_views, name).__name__ == name
    assert set(gong_views.__all__) <= set(dir(gong_views))
    with pytest.raises(AttributeError, match="module 'gong_views' has no attribute 'ViewQueues'"):
        _ = gong_views.ViewQueues


def test_modules_are_attributes_as_before() -> None:
    """A program that imports gong_views alone reaches its modules by the dot, as it did when all were loaded."""
    loaded(["-c", "import gong_views; gong_views.errors.QueueUnavailable; gong_views.schema.Actor"], 0)


FORKING = """
import os, signal, sys, threading
import gong_views
importing, forking = threading.Event(), threading.Event()
class Slow:
    def find_spec(self, name, *_):
        if name == "gong_views.event":
            importing.set()
            forking.wait()
            threading.Event().wait(0.2)  # longer than a fork takes
sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=lambda: gong_views.ViewEvent)
thread.start()
importing.wait()
forking.set()
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(gong_views.ViewEvent.__name__ != "ViewEvent")
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_while_a_thread_loads() -> None:
    """The child of a process whose thread is loading the event's models has them, and does not wait for that thread."""
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_the_ledger_loads_what_is_asked_for() -> None:
    """Its errors alone load no SQLAlchemy; each public name is there, to be found by `dir` as well, and no other."""
    found, _ = loaded(["-c", "from gong_worker.ledger import LedgerUnavailable"], 0)
    assert "gong_views.errors" in found and "sqlalchemy" not in found
    for name in ledger.__all__:
        assert getattr(ledger, name) is not None
        assert name in vars(ledger)  # found without a search from now on
    assert set(ledger.__all__) <= set(dir(ledger))
    with pytest.raises(AttributeError, match="no attribute 'Ledgers'"):
        _ = ledger.Ledgers


TWO_THREADS = """
import sys, threading
from importlib.machinery import PathFinder, SourceFileLoader
holding, loading = threading.Event(), threading.Event()
class Slow(SourceFileLoader):
    def exec_module(self, module):  # this module's lock is held
        holding.set()
        loading.wait()
        super().exec_module(module)
class Finder:
    def find_spec(self, name, path, *_):
        if name == "gong_worker.ledger.schema":
            loading.set()
        if name != "gong_worker.ledger.rows":
            return None
        spec = PathFinder.find_spec(name, path)
        spec.loader = Slow(name, spec.origin)
        return spec
sys.meta_path.insert(0, Finder())
def load():
    import gong_worker.ledger.rows
other = threading.Thread(target=load, daemon=True)
other.start()
holding.wait()
from gong_worker.ledger import check_schema
other.join()
"""


def test_two_threads_that_load() -> None:
    """One that loads a name of the ledger and one that loads a module which that needs do not wait for each other."""
    done = subprocess.run([sys.executable, "-c", TWO_THREADS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_the_schema_tells_what_each_field_is() -> None:
    """The text under a field in the source is its description, in a class derived from ours as well."""

    class PagedEvent(gong_views.ViewEvent):
        page_count: int = 0
        """How many pages it has."""

    schema = PagedEvent.model_json_schema(by_alias=True)
    assert schema["properties"]["pageCount"]["description"] == "How many pages it has."
    parts = [schema, *schema["$defs"].values()]
    fields = [field for part in parts for field in part.get("properties", {}).values()]
    assert len(fields) > 40 and all(field["description"] for field in fields)


def test_the_texts_of_fields_in_unusual_classes() -> None:
    """A text that goes back to the margin, a field's own alias, a description of its own: each told, none an error."""

    class MarginEvent(gong_views.ViewEvent):
        page_count: int = Field(0, alias="pages")
        """How many pages
it has."""
        page_shown: int = Field(0, description="Which page.")
        """Not this one."""

    found = MarginEvent.model_json_schema(by_alias=True)["properties"]
    assert found["pages"]["description"] == "How many pages\nit has."
    assert found["pageShown"]["description"] == "Which page."


@pytest.mark.parametrize(
    "source", ["    x = (\n", "x = 1\n", "", "class Other:\n    content_id: str\n    '''No.'''\n"]
)
def test_a_source_that_is_another_by_now(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """A file that was replaced under a running process is no error: a worker asks for the schema with a dead letter."""
    monkeypatch.setattr("inspect.getsource", lambda _: source)
    assert "contentId" in gong_views.ViewEvent.model_json_schema(by_alias=True)["properties"]
    assert field_texts(gong_views.ViewEvent) == {}
