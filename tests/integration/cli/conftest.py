"""A pipeline of one's own and the command line that operates it."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.pipeline import Pipeline
from tests.support.processes import command

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(pipeline: Pipeline) -> Run:
    """`run("status", "--json")`: the command in a process of its own, with the pipeline's environment."""

    def call(*words: str, stdin: str | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
        return command(
            *words, environment={**pipeline.environment, **environment}, cwd=pipeline.folder, stdin=stdin
        )

    return call


@pytest.fixture
def told(run: Run) -> Callable[..., Any]:
    """The JSON that a command prints."""

    def call(*words: str) -> Any:
        done = run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call
