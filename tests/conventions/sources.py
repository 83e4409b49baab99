"""The project's Python files, parsed once for every convention."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {"gong_views": ROOT / "producers" / "gong_views", "gong_worker": ROOT / "worker" / "gong_worker"}
FOLDERS = ("producers", "worker", "migrations", "tests", "benchmarks", "examples")


@cache
def python_files(*folders: str) -> tuple[Path, ...]:
    """Every Python file below these folders of the tree (default: all that hold code)."""
    return tuple(sorted(path for name in folders or FOLDERS for path in (ROOT / name).rglob("*.py")))


@cache
def tree_of(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(path.read_text(), str(path))


def relative(path: Path) -> str:
    """The path as it is written in the tree."""
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, nested ones too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported_modules(path: Path) -> Iterator[tuple[str, int]]:
    """Every absolute import: the dotted module (with the name, for `from`) and its line."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
