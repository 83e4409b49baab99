"""Every `action` of the log is in docs/logs.md, and nothing else is."""

import ast
import re
from collections.abc import Iterator

from tests.conventions.sources import ROOT, python_files, tree_of

ACTION = re.compile(r"[a-z_]+(?:\.[a-z_]+)?")
# f"outbox.{who}_unavailable"
MADE = {"outbox.queue_unavailable", "outbox.database_unavailable"}


def strings(node: ast.expr) -> Iterator[str]:
    """The texts an expression can be; none for a name."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from strings(one)
            yield from strings(other)


def written() -> set[str]:
    """The actions in the code: of `extra`, assigned to a variable `action`, and given to a Tally."""
    found = set(MADE)
    for path in python_files("producers", "worker"):
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.Call(func=ast.Name(id="Tally"), args=[_, action, *_]):
                    found.update(strings(action))
                case ast.Assign(targets=[ast.Name(id="action")], value=value):
                    found.update(strings(value))
                case ast.keyword(arg="extra", value=ast.Dict(keys=keys, values=values)):
                    for key, value in zip(keys, values, strict=True):
                        if isinstance(key, ast.Constant) and key.value == "action":
                            found.update(strings(value))
    return found


def test_every_action_is_documented() -> None:
    """What the code logs and what the page lists are one set."""
    page = (ROOT / "docs" / "logs.md").read_text()
    actions = page.partition("## Actions")[2].partition("## ")[0]
    rows = [line.split("|")[1] for line in actions.splitlines() if line[:3] == "| `"]
    documented = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert {action for action in written() if ACTION.fullmatch(action)} == documented
