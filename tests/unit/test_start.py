"""What is loaded at a start, which is most of what a short command takes."""

import subprocess
import sys
from pathlib import Path

import pytest

import gong_views
from tests.support.processes import clean_environment


def loaded(arguments: list[str], expect: int, **environment: str) -> set[str]:
    """The modules that a Python process has imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == expect, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line}


def test_status_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """Neither the event's models nor what only a worker, another database or a migration needs."""
    # Nobody listens there: it tells so, and ends with 3.
    found = loaded(
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
    """Its import alone reads none of its modules, and each public name is there, to be found by `dir` as well."""
    found = loaded(["-c", "import gong_views"], 0)
    assert {name for name in found if name.startswith("gong_views")} == {"gong_views"}
    for name in gong_views.__all__:
        assert getattr(gong_views, name).__name__ == name
    assert set(gong_views.__all__) <= set(dir(gong_views))
    with pytest.raises(AttributeError, match="module 'gong_views' has no attribute 'ViewQueues'"):
        _ = gong_views.ViewQueues


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
