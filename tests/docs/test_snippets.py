"""The documents' Python runs as it stands, and what they show of examples/ is what is there."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import clean_environment

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("docs/*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
_BLOCK = re.compile(
    r"(?:<!-- (?P<source>examples/\S+) -->\n)?```(?P<language>python|js)\n(?P<text>.*?)```", re.DOTALL
)


@dataclass(frozen=True)
class Snippet:
    """One block of code; `source` is the example of which it is a part."""

    place: str
    language: str
    text: str
    source: str | None


def _snippets() -> list[Snippet]:
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start("text")) + 1
            found.append(
                Snippet(f"{page.relative_to(ROOT)}:{line}", match["language"], match["text"], match["source"])
            )
    return found


SNIPPETS = _snippets()
SHOWN = [snippet for snippet in SNIPPETS if snippet.source is not None]
OWN = [snippet for snippet in SNIPPETS if snippet.source is None]


def _place(snippet: Snippet) -> str:
    return snippet.place


@pytest.mark.parametrize("snippet", SHOWN, ids=_place)
def test_what_is_shown_of_an_example_is_what_is_there(snippet: Snippet) -> None:
    """A block under `<!-- examples/… -->` is a part of that file, which the examples' own tests run."""
    assert snippet.source is not None
    assert snippet.text in (ROOT / snippet.source).read_text()


def test_there_is_no_undefined_name(tmp_path: Path) -> None:
    """Each block of Python can be copied alone: every name in it is defined or imported there."""
    for snippet in SNIPPETS:
        if snippet.language == "python":
            (tmp_path / (re.sub(r"\W", "_", snippet.place) + ".py")).write_text(snippet.text)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E9,F821", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("snippet", OWN, ids=_place)
def test_a_snippet_runs(snippet: Snippet, redis_url: str, tmp_path: Path) -> None:
    """A block that is no part of an example is a program of its own that ends well, with the queue in REDIS_URL."""
    assert snippet.language == "python", "JavaScript is shown from an example"
    (tmp_path / "snippet.py").write_text(snippet.text)
    done = subprocess.run(
        [sys.executable, "snippet.py"],
        cwd=tmp_path,
        env={**clean_environment(), "REDIS_URL": redis_url, "PYTHONPATH": f"{ROOT}/producers:{ROOT}/worker"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
