"""A pipeline of one's own and the command line that operates it."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.pipeline import Pipeline
from tests.support.processes import clean_environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(pipeline: Pipeline) -> Run:
    """`run("status", "--json")`: the command in a process of its own, with the pipeline's environment."""

    def call(*words: str, stdin: str | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "gong_worker", *words],
            env={**clean_environment(), **pipeline.environment, **environment},
            cwd=pipeline.folder, input=stdin, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return call


@pytest.fixture
def told(run: Run) -> Callable[..., Any]:
    """The JSON that a command prints."""

    def call(*words: str) -> Any:
        done = run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call
