"""Nothing in the two packages is without a use (vulture), but what others call."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from vulture import Vulture

from tests.conventions.sources import ROOT, python_files, relative, tree_of

# Names that nothing of ours calls, and who does.
CALLED_BY_OTHERS = {
    "Celery and kombu, by the names of their own classes": {
        "DurableTransport", "_do_restore_message", "restore_at_shutdown", "restore_unacked", "restore_visible",
        "_brpop_sent_at", "connection_class",
    },
    "SQLAlchemy, for types and compiled expressions of our own": {
        "cache_ok", "impl", "inherit_cache", "process_bind_param", "process_result_value", "hide_parameters",
    },
    "the database drivers, which read these attributes": {"autocommit", "isolation_level"},
    "NiceGUI, of its configuration": {"socket_io_js_transports"},
    "the Prometheus client, of a collector": {"collect"},
    "logging, of its module": {"logThreads", "logProcesses", "logMultiprocessing"},
    "redis-py, of a connection pool": {"ensure_connection"},
    "Click, of a group": {"get_command", "format_commands"},
    "http.server, of a handler": {"do_GET", "log_message"},
    "FastAPI, to make its document": {"openapi"},
    "pydantic, to tell a model's own __init__": {"__pydantic_base_init__"},
    "type checkers, in annotations in quotes": {"AsyncConnection", "AsyncSession"},
    "tests: they share the simulator's client, the crash points and the schema's own list": {
        "clear_faults", "POINTS", "RENEWAL_POINTS", "PRUNE_POINTS", "ONLY_IN_MIGRATIONS",
        "SCHEMA",
    },
}  # fmt: skip
# Functions under these are called by what the decorator registers them with.
DECORATORS = [
    "@*.command", "@*.command(*)", "@*.group*", "@*.get*", "@*.post*", "@*.put*", "@*.patch*", "@*.delete*",
    "@*validator*", "@*serializer*", "@*.connect*", "@*exception_handler*", "@*.middleware*", "@*listens_for*",
    "@compiles*", "@*.task*", "@*fixture*", "@*.page*",
]  # fmt: skip
ARGUMENTS_OF_OVERRIDES = {
    "interval", "num", "format", "local_address",
}  # fmt: skip


def fields(path: Path) -> Iterator[str]:
    """Annotated fields and enum members: frameworks and `for member in Enum` read them, by no name."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ClassDef):
            continue
        enum = any("Enum" in ast.unparse(base) for base in node.bases)
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                yield statement.target.id
            elif isinstance(statement, ast.Assign) and isinstance(target := statement.targets[0], ast.Name):
                yield from [target.id] if enum or target.id == "model_config" else []


@pytest.fixture(scope="module")
def unused() -> dict[str, str]:
    """What vulture finds in the packages when the public API's own test is a user, each with its place."""
    finder = Vulture(ignore_decorators=DECORATORS, ignore_names=sorted(ARGUMENTS_OF_OVERRIDES))
    packages = python_files("producers", "worker")
    finder.scavenge([*packages, ROOT / "tests" / "typing" / "public_api.py"])
    declared = {name for path in packages for name in fields(path)}
    return {
        item.name: f"{relative(Path(item.filename))}:{item.first_lineno}"
        for item in finder.get_unused_code(min_confidence=60)
        if not (item.typ == "variable" and item.name in declared) and "tests" not in Path(item.filename).parts
    }


def test_there_is_no_dead_code(unused: dict[str, str]) -> None:
    """Every function, class and name of the packages is used by them or by the party listed with its reason."""
    allowed = set().union(*CALLED_BY_OTHERS.values())
    assert {name: place for name, place in unused.items() if name not in allowed} == {}


def test_the_exceptions_are_needed(unused: dict[str, str]) -> None:
    """No name is listed as called by others that is gone, or that we use ourselves."""
    assert set().union(*CALLED_BY_OTHERS.values()) - set(unused) == set()
