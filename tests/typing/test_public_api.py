"""The public API as type checkers see it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_public_api_has_the_types_it_promises() -> None:
    """A user's type checker sees every public name typed, and tells wrong arguments."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary"),
            *("--cache-dir", ".mypy_cache/typing", "tests/typing/public_api.py"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout + done.stderr
