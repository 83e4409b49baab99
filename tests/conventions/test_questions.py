"""The questions at the end of CONTRIBUTING are answered with what is there."""

import re

import pytest

from tests.conventions.sources import PACKAGES, ROOT


def answers() -> list[str]:
    """Each question with its answer, as one line."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## Ten questions")[2]
    return [" ".join(part.split()) for part in re.split(r"\n\d+\. ", text)[1:]]


def test_there_are_ten() -> None:
    """Ten questions, each in bold with a question mark, each answered with a file."""
    assert len(answers()) == 10
    assert all(re.match(r"\*\*[^*]+\?\*\* .*`[a-z_]+/[^`]+`", answer) for answer in answers())


@pytest.mark.parametrize("answer", answers(), ids=lambda answer: answer.partition("?")[0].strip("*"))
def test_the_named_places_exist(answer: str) -> None:
    """Every file named is in the tree, and a name in backticks right behind it is in that file."""
    for path, name in re.findall(r"`([a-z_]+/[^`]+)`(?: `([^`]+)`)?", answer):
        root = PACKAGES[top].parent if (top := path.partition("/")[0]) in PACKAGES else ROOT
        assert (root / path).is_file(), f"{path} is not there"
        assert not name or re.search(rf"\b{re.escape(name)}\b", (root / path).read_text()), (
            f"{name}: not in {path}"
        )
