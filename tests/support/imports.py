"""What a Python process has loaded by its end."""

import subprocess
import sys

from tests.support.processes import clean_environment


def loaded(arguments: list[str], expect: int, **environment: str) -> tuple[set[str], str]:
    """The modules that it has imported, and what it printed; it has to end with the code `expect`."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == expect, done.stderr
    lines = [line for line in done.stderr.splitlines() if "import time:" in line]
    return {line.rpartition("|")[2].strip() for line in lines}, done.stdout
