"""Files one can read in one sitting, tests that say their law, and no wait by the clock."""

import ast
import subprocess

from tests.conventions.sources import ROOT, functions, python_files, relative, tree_of

LONGEST = 400
TEXT = {".py", ".lua", ".md", ".toml", ".yml", ".yaml", ".sql", ".sh"}
# Where a test may sleep, and why.
SLEEPS = {
    "tests/support/servers.py": "wait_until: the one poll, with a deadline",
    "tests/integration/producers/test_aio.py": "counts the turns of a loop that must not be held up",
}


def test_no_file_is_longer_than_one_sitting() -> None:
    """No file that a person reads has more than 400 lines."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    paths = [ROOT / name for name in listed.stdout.splitlines()] or list(python_files())
    lengths = {
        relative(path): len(path.read_text().splitlines())
        for path in paths
        if path.suffix in TEXT and path.exists()
    }
    assert len(lengths) > 100
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_every_test_says_the_law_it_holds() -> None:
    """The first line of a test is a docstring, a sentence that ends."""
    silent = [
        f"{relative(path)}:{test.lineno} {test.name}"
        for path in python_files("tests")
        if path.name.startswith("test_")
        for test in functions(path)
        if test.name.startswith("test_")
        and not (ast.get_docstring(test) or "").split("\n")[0].endswith((".", "!", "?"))
    ]
    assert silent == []


def test_no_test_waits_by_the_clock() -> None:
    """A test waits on a condition with a deadline: nothing in tests/ sleeps for a time, but the places listed."""
    found = set()
    for path in python_files("tests"):
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            yields = (
                len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            )
            if name in {"time.sleep", "sleep", "asyncio.sleep", "anyio.sleep"} and not yields:
                found.add(f"{relative(path)}:{node.lineno}")
    assert {place for place in found if place.partition(":")[0] not in SLEEPS} == set()
    assert {place.partition(":")[0] for place in found} == set(SLEEPS), (
        "an exception that is no longer needed"
    )
