"""Packages whose names are loaded when they are asked for."""

import ast

import gong_views
from gong_worker import ledger
from tests.conventions.sources import PACKAGES, python_files, relative, tree_of


def test_their_own_modules_ask_for_none_of_their_names() -> None:
    """A module that did could wait for a thread that loads another name and waits for that module, for ever."""
    lazy = {
        "gong_views": (PACKAGES["gong_views"], gong_views.__all__),
        "gong_worker.ledger": (PACKAGES["gong_worker"] / "ledger", ledger.__all__),
    }
    asked = [
        f"{relative(path)}:{node.lineno} {alias.name}"
        for package, (folder, names) in lazy.items()
        for path in python_files("producers", "worker")
        if folder in path.parents and path.name != "__init__.py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == package
        for alias in node.names
        if alias.name in names
    ]
    assert asked == []
