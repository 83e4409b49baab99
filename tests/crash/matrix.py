"""`python -m tests.crash.matrix`: runs this folder's tests and prints what was proven as tables.

With `--write` the tables replace those between the markers of docs/guarantees.md.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gong_worker.failpoints import POINTS

GUARANTEES = Path(__file__).parents[2] / "docs" / "guarantees.md"
MARKED = re.compile(r"(<!-- measured: begin -->\n).*(<!-- measured: end -->)", re.DOTALL)
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
WHERE = {
    "received": "the message is taken and recorded as unacknowledged",
    "claimed": "the ledger has the claim",
    "slot": "the gate has given a slot",
    "attempt_row": "the attempt is in the ledger, no call made",
    "request_written": "the request is on its way, no answer read",
    "answer_read": "Gong has answered, nothing recorded",
    "committed": "attempt and state are in the ledger",
    "before_ack": "all is done but the acknowledgement",
    "chained": "the message is gone, and the next one taken in the same trip",
}


@dataclass(frozen=True)
class Case:
    """One test as it went."""

    module: str
    name: str
    parameter: str
    verdict: str
    facts: dict[str, str]


def run(selection: list[str]) -> list[Case]:
    """Run the tests of this folder."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        workers = os.environ.get("WORKERS", "2")
        subprocess.run(
            [sys.executable, "-m", "pytest", f"-n{workers}", f"--junitxml={report}", *selection],
            check=False,
        )  # fmt: skip
        return [_case(node) for node in ElementTree.parse(report).iter("testcase")]


def _case(node: ElementTree.Element) -> Case:
    name, _, parameter = node.attrib["name"].partition("[")
    facts = {one.attrib["name"]: one.attrib["value"] for one in node.iter("property")}
    verdict = "held"
    for kind, word in (("skipped", "skipped"), ("failure", "BROKEN"), ("error", "BROKEN")):
        if node.find(kind) is not None:
            verdict = word
    module = node.attrib["classname"].rpartition(".")[2]
    return Case(module, name, parameter.rstrip("]"), verdict, facts)


def tables(cases: Iterable[Case]) -> str:
    """Both tables as Markdown."""
    cells: dict[str, dict[str, str]] = {point: {} for point in POINTS}
    laws: dict[str, list[str]] = {}
    for case in cases:
        if case.module == "test_matrix":
            database = next(name for name in DATABASES if name in case.parameter)
            point = next(name for name in POINTS if name in case.parameter)
            cells[point][database] = _cell(case)
        else:
            with_what = f" ({case.parameter})" if case.parameter else ""
            laws.setdefault(case.facts.get("law", case.name), []).append(case.verdict + with_what)
    lines = ["| killed when | " + " | ".join(DATABASES.values()) + " |", "|---|---|---|"]
    for point, found in cells.items():
        columns = " | ".join(found.get(database, "not run") for database in DATABASES)
        lines.append(f"| `{point}`: {WHERE[point]} | {columns} |")
    lines += ["", "| law | |", "|---|---|"]
    lines += [f"| {law} | {', '.join(verdicts)} |" for law, verdicts in laws.items()]
    return "\n".join(lines) + "\n"


def _cell(case: Case) -> str:
    if case.verdict != "held":
        return case.verdict
    repeated = int(case.facts["repeated"])
    calls = f"{repeated} call repeated, answered 409" if repeated else "no call repeated"
    return f"exact; {calls}; {case.facts['seconds']} s"


def main() -> int:
    """Print the tables; 0 when every law held."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every test of tests/crash, not only the matrix")
    parser.add_argument("--write", action="store_true", help="everything, and put it into docs/guarantees.md")
    given = parser.parse_args()
    here = Path(__file__).parent
    cases = run([str(here) if given.all or given.write else str(here / "test_matrix.py")])
    text = tables(cases)
    print("\n" + text)
    broken = [case for case in cases if case.verdict == "BROKEN"]
    if given.write and not broken:
        old = GUARANTEES.read_text()
        GUARANTEES.write_text(MARKED.sub(lambda found: found[1] + text + found[2], old))
    return 1 if broken or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
